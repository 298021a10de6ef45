//! The transport as a tower service, for `kube::Client`: typed access to the hub's own objects over the same connections.

use std::{
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use futures::future::BoxFuture;
use http::{Request, Response, header};
use http_body_util::{BodyExt as _, Full};
use motet_core::ApiError;
use tower::{BoxError, Service};

use crate::{
    pool::{Class, PooledBody},
    transport::Transport,
};

/// Sends `kube`'s requests over our connections.
#[derive(Clone)]
pub(crate) struct KubeService {
    pub(crate) transport: Arc<Transport>,
    pub(crate) limit: Duration,
}

impl KubeService {
    async fn run(self, request: Request<kube::client::Body>) -> Result<Response<PooledBody>, BoxError> {
        let (mut head, body) = request.into_parts();
        let body = body.collect().await?.to_bytes();
        let path = head.uri.path_and_query().map_or("/", |p| p.as_str());
        let watch = head.uri.query().is_some_and(|q| q.split('&').any(|p| p == "watch=true" || p == "watch=1"));
        head.uri = self.transport.uri(path)?;
        if let Some(authorization) = self.transport.authorization.header().await? {
            head.headers.insert(header::AUTHORIZATION, authorization);
        }
        let class = if watch { Class::Watch } else { Class::Call };
        let sent = self.transport.send(class, Request::from_parts(head, Full::new(body)));
        let timed_out =
            || ApiError::timeout(format!("{} did not answer within {:?}", self.transport.server(), self.limit));
        Ok(tokio::time::timeout(self.limit, sent).await.map_err(|_| timed_out())??)
    }
}

impl Service<Request<kube::client::Body>> for KubeService {
    type Response = Response<PooledBody>;
    type Error = BoxError;
    type Future = BoxFuture<'static, Result<Self::Response, BoxError>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<kube::client::Body>) -> Self::Future {
        Box::pin(self.clone().run(request))
    }
}
