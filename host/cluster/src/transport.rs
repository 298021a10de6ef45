//! Sends requests to one server: path prefix, headers, time limits, one retry of what never left, and errors in words.

use std::{sync::Arc, time::Duration};

use bytes::{Bytes, BytesMut};
use http::{HeaderValue, Method, Request, Response, StatusCode, Uri, header};
use http_body_util::{BodyExt as _, Full};
use motet_core::ApiError;

use crate::{
    Connection, Settings,
    connect::Connector,
    credentials::Authorization,
    kubeconfig::KubeconfigError,
    pool::{Class, Failure, Pool, PooledBody},
    status,
};

const USER_AGENT: &str = concat!("motet-host/", env!("CARGO_PKG_VERSION"));
const JSON: HeaderValue = HeaderValue::from_static("application/json");
/// Longest error answer that is read.
const MAX_ERROR_BODY: usize = 1 << 20;

/// One server, as requests see it.
pub(crate) struct Transport {
    server: String,
    scheme_authority: String,
    prefix: String,
    impersonate: Vec<(header::HeaderName, HeaderValue)>,
    pub(crate) authorization: Authorization,
    watches: Arc<Pool>,
    calls: Arc<Pool>,
    max_body: usize,
    user_agent: HeaderValue,
}

/// What cannot stand in a header is left out: the name is for people.
fn user_agent(instance: &str) -> HeaderValue {
    let full = if instance.is_empty() { USER_AGENT.to_string() } else { format!("{USER_AGENT} ({instance})") };
    HeaderValue::from_str(&full).unwrap_or(HeaderValue::from_static(USER_AGENT))
}

/// One request, before the server's own parts are added.
pub(crate) struct Call {
    /// What is being done, for people: `listing pods`.
    pub(crate) doing: String,
    pub(crate) method: Method,
    /// Path and query, starting with `/api`.
    pub(crate) path: String,
    pub(crate) body: Bytes,
    pub(crate) content_type: Option<HeaderValue>,
    pub(crate) accept: HeaderValue,
    /// Instead of the member's own credentials.
    pub(crate) authorization: Option<HeaderValue>,
}

impl Call {
    /// A read.
    pub(crate) fn get(doing: impl Into<String>, path: impl Into<String>) -> Self {
        Self {
            doing: doing.into(),
            method: Method::GET,
            path: path.into(),
            body: Bytes::new(),
            content_type: None,
            accept: JSON,
            authorization: None,
        }
    }
}

impl Transport {
    pub(crate) fn new(connection: &Connection, settings: &Settings) -> Result<Self, KubeconfigError> {
        let connector = Arc::new(Connector::new(connection, settings.connect_timeout)?);
        let scheme = if connection.server.tls { "https" } else { "http" };
        let authorization =
            Authorization::new(connection.credentials.clone()).map_err(|e| KubeconfigError::Invalid(e.message))?;
        Ok(Self {
            server: connection.server.to_string(),
            scheme_authority: format!("{scheme}://{}", connection.server.authority()),
            prefix: connection.server.prefix.clone(),
            impersonate: impersonation(connection)?,
            authorization,
            watches: Pool::new(Class::Watch, connector.clone(), settings),
            calls: Pool::new(Class::Call, connector, settings),
            max_body: settings.max_body,
            user_agent: user_agent(&settings.instance),
        })
    }

    /// Ends all connections; requests under way fail.
    pub(crate) fn close(&self) {
        self.watches.close();
        self.calls.close();
    }

    /// Open connections for watches and for calls.
    pub(crate) fn connections(&self) -> (usize, usize) {
        (self.watches.connections(), self.calls.connections())
    }

    /// The URL of the server, for people.
    pub(crate) fn server(&self) -> &str {
        &self.server
    }

    /// Sends a call and waits for the head of a successful answer, at most `limit` in all.
    pub(crate) async fn open(
        &self,
        class: Class,
        call: Call,
        limit: Duration,
    ) -> Result<Response<PooledBody>, ApiError> {
        let doing = call.doing.clone();
        let head = async {
            let response = self.dispatch(class, call).await?;
            if response.status().is_success() { Ok(response) } else { Err(self.refusal(&doing, response).await) }
        };
        tokio::time::timeout(limit, head).await.unwrap_or_else(|_| {
            Err(ApiError::timeout(format!("{doing}: {} did not answer within {limit:?}", self.server)))
        })
    }

    /// Sends a call and reads the whole answer, at most `limit` in all.
    pub(crate) async fn call(&self, call: Call, limit: Duration) -> Result<Bytes, ApiError> {
        let doing = call.doing.clone();
        let whole = async {
            let response = self.open(Class::Call, call, limit).await?;
            read_body(&doing, response.into_body(), self.max_body).await
        };
        tokio::time::timeout(limit, whole).await.unwrap_or_else(|_| {
            Err(ApiError::timeout(format!("{doing}: {} did not finish its answer within {limit:?}", self.server)))
        })
    }

    async fn refusal(&self, doing: &str, response: Response<PooledBody>) -> ApiError {
        let (head, body) = response.into_parts();
        if head.status == StatusCode::UNAUTHORIZED {
            self.authorization.refused();
        }
        // A broken body does not hide the status.
        let body = read_body(doing, body, MAX_ERROR_BODY).await.unwrap_or_default();
        status::from_response(doing, head.status, &head.headers, &body)
    }

    async fn dispatch(&self, class: Class, call: Call) -> Result<Response<PooledBody>, ApiError> {
        let doing = call.doing.clone();
        let request = self.request(call).await?;
        self.send(class, request).await.map_err(|mut e| {
            e.message = format!("{doing}: {}", e.message);
            e
        })
    }

    async fn request(&self, call: Call) -> Result<Request<Full<Bytes>>, ApiError> {
        let authorization = match call.authorization {
            Some(header) => Some(header),
            None => self.authorization.header().await?,
        };
        let mut request = Request::new(Full::new(call.body));
        *request.method_mut() = call.method;
        *request.uri_mut() = self.uri(&call.path)?;
        let headers = request.headers_mut();
        headers.insert(header::ACCEPT, call.accept);
        if let Some(content_type) = call.content_type {
            headers.insert(header::CONTENT_TYPE, content_type);
        }
        if let Some(authorization) = authorization {
            headers.insert(header::AUTHORIZATION, authorization);
        }
        Ok(request)
    }

    /// The full URI of a path of the API: HTTP/2 needs scheme and authority.
    pub(crate) fn uri(&self, path: &str) -> Result<Uri, ApiError> {
        format!("{}{}{path}", self.scheme_authority, self.prefix)
            .parse()
            .map_err(|e| ApiError::new(0, "BadRequest", format!("{path:?} does not make a URL: {e}")))
    }

    /// Adds what every request carries and sends it; a request of which nothing was sent is tried once more.
    pub(crate) async fn send(
        &self,
        class: Class,
        mut request: Request<Full<Bytes>>,
    ) -> Result<Response<PooledBody>, ApiError> {
        let headers = request.headers_mut();
        headers.insert(header::USER_AGENT, self.user_agent.clone());
        for (name, value) in &self.impersonate {
            headers.append(name, value.clone());
        }
        let pool = if class == Class::Watch { &self.watches } else { &self.calls };
        let repeatable = (request.method() == Method::GET).then(|| request.clone());
        let failed = match pool.send(request).await {
            Ok(response) => return Ok(response),
            Err(Failure::Connect(error)) => return Err(error),
            Err(Failure::Send(failed)) => failed,
        };
        // The connection was closed under the request (idle too long, GOAWAY): a new one may do.
        let Some(again) = failed.unsent.or(repeatable) else { return Err(self.broken(&failed.error)) };
        match pool.send(again).await {
            Ok(response) => Ok(response),
            Err(Failure::Connect(error)) => Err(error),
            Err(Failure::Send(failed)) => Err(self.broken(&failed.error)),
        }
    }

    fn broken(&self, error: &hyper::Error) -> ApiError {
        ApiError::connection(format!("the connection to {} broke: {}", self.server, chain(error)))
    }
}

/// An error with its sources: hyper's own text alone says little.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        text.push_str(": ");
        text.push_str(&error.to_string());
        source = error.source();
    }
    text
}

fn impersonation(connection: &Connection) -> Result<Vec<(header::HeaderName, HeaderValue)>, KubeconfigError> {
    let who = &connection.impersonate;
    let pairs = (who.user.iter().map(|v| ("impersonate-user", v)))
        .chain(who.uid.iter().map(|v| ("impersonate-uid", v)))
        .chain(who.groups.iter().map(|v| ("impersonate-group", v)));
    pairs
        .map(|(name, value)| {
            let value = HeaderValue::from_str(value)
                .map_err(|_| KubeconfigError::Invalid(format!("{name} {value:?} does not fit into a header")))?;
            Ok((header::HeaderName::from_static(name), value))
        })
        .collect()
}

/// Reads a body of at most `limit` bytes.
pub(crate) async fn read_body(doing: &str, mut body: PooledBody, limit: usize) -> Result<Bytes, ApiError> {
    let mut all = BytesMut::new();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|e| ApiError::connection(format!("{doing}: the answer broke off: {}", chain(&e))))?;
        let Ok(data) = frame.into_data() else { continue };
        if all.len() + data.len() > limit {
            return Err(ApiError::new(0, "InvalidAnswer", format!("{doing}: the answer has more than {limit} bytes")));
        }
        all.extend_from_slice(&data);
    }
    Ok(all.freeze())
}
