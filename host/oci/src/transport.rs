//! HTTP to registries: one client whose every connection, redirect and byte count is held against the rules.

use std::{
    error::Error as _,
    io,
    net::SocketAddr,
    pin::Pin,
    sync::{Arc, LazyLock},
    task::{Context, Poll},
};

use bytes::{Bytes, BytesMut};
use http::{Method, Request, Response, Uri, header};
use http_body_util::{BodyExt as _, Full};
use hyper::body::{Body as _, Incoming};
use hyper_rustls::HttpsConnector;
use hyper_util::{
    client::legacy::{
        Client,
        connect::{HttpConnector, dns::Name},
    },
    rt::TokioExecutor,
};
use rustls::{ClientConfig, RootCertStore, pki_types::CertificateDer, pki_types::pem::PemObject};
use tokio::time::timeout;

use crate::{
    OciError, Rules,
    local::{MAX_REDIRECTS, Patience},
};

/// Whose certificates are believed: the system's, and one more authority where a `Plugin` names it.
#[derive(Clone)]
pub struct Trust(Arc<RootCertStore>);

static SYSTEM: LazyLock<Arc<RootCertStore>> = LazyLock::new(|| {
    let mut store = RootCertStore::empty();
    store.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    Arc::new(store)
});

impl Trust {
    /// The system's authorities.
    pub fn system() -> Self {
        Self(SYSTEM.clone())
    }

    /// The system's and those of `pem`. The error says what is wrong with it.
    pub fn with(pem: &[u8]) -> Result<Self, String> {
        let mut store = RootCertStore::clone(&SYSTEM);
        let mut found = 0;
        for certificate in CertificateDer::pem_slice_iter(pem) {
            let certificate = certificate.map_err(|e| format!("it is not PEM: {e}"))?;
            store.add(certificate).map_err(|e| format!("it holds no certificate authority: {e}"))?;
            found += 1;
        }
        if found == 0 { Err("it holds no certificate".into()) } else { Ok(Self(Arc::new(store))) }
    }

    fn client(&self) -> Result<ClientConfig, OciError> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let versions = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|e| OciError::Protocol(format!("TLS cannot be set up: {e}")))?;
        Ok(versions.with_root_certificates(self.0.clone()).with_no_client_auth())
    }
}

/// HTTP and HTTPS to anywhere, for the CLI's own requests: the system's authorities, and those of `ca` (PEM).
pub fn connector(ca: Option<&[u8]>) -> Result<HttpsConnector<HttpConnector>, OciError> {
    let trust = ca.map_or_else(|| Ok(Trust::system()), Trust::with).map_err(OciError::Protocol)?;
    let mut http = HttpConnector::new();
    http.enforce_http(false);
    let https = hyper_rustls::HttpsConnectorBuilder::new().with_tls_config(trust.client()?);
    Ok(https.https_or_http().enable_http1().wrap_connector(http))
}

/// A client for registries.
#[derive(Clone)]
pub struct Http {
    client: Client<HttpsConnector<HttpConnector<Resolver>>, Full<Bytes>>,
    rules: Arc<Rules>,
    patience: Patience,
}

impl Http {
    /// A client under these rules.
    pub fn new(rules: Arc<Rules>, trust: &Trust, patience: Patience) -> Result<Self, OciError> {
        let tls = trust.client()?;
        let mut connector = HttpConnector::new_with_resolver(Resolver(rules.clone()));
        connector.enforce_http(false);
        connector.set_connect_timeout(Some(patience.header));
        let https = hyper_rustls::HttpsConnectorBuilder::new()
            .with_tls_config(tls)
            .https_or_http()
            .enable_http1()
            .wrap_connector(connector);
        Ok(Self { client: Client::builder(TokioExecutor::new()).build(https), rules, patience })
    }

    pub(crate) fn rules(&self) -> &Rules {
        &self.rules
    }

    /// Sends what is meant for `registry`, and follows redirects of reads. Credentials stay with the host they were meant for.
    pub(crate) async fn send(
        &self,
        registry: &str,
        plain: bool,
        mut request: Request<Full<Bytes>>,
    ) -> Result<Response<Incoming>, OciError> {
        for _ in 0..=MAX_REDIRECTS {
            self.rules.hop(registry, request.uri(), plain)?;
            let (url, again) = (request.uri().clone(), copy(&request));
            let answered = timeout(self.patience.header, self.client.request(request)).await;
            let response = answered
                .map_err(|_| {
                    OciError::Unreachable(format!("{} did not answer within {:?}", host(&url), self.patience.header))
                })?
                .map_err(|e| failed(&url, &e))?;
            let Some(mut next) = again.filter(|_| response.status().is_redirection()) else { return Ok(response) };
            let target = location(&url, &response)?;
            if target.authority() != url.authority() {
                next.headers_mut().remove(header::AUTHORIZATION);
            }
            *next.uri_mut() = target;
            request = next;
        }
        Err(OciError::Protocol(format!("{registry} redirects more than {MAX_REDIRECTS} times: probably in a circle")))
    }

    /// The whole body, if it has at most `limit` bytes and keeps coming.
    pub(crate) async fn read(&self, response: Response<Incoming>, limit: u64, what: &str) -> Result<Bytes, OciError> {
        let Patience { stall, body: whole_body, .. } = self.patience;
        let too_large =
            |size: String| OciError::TooLarge(format!("{what} has {size} bytes; at most {limit} are taken"));
        let mut body = response.into_body();
        if let Some(size) = body.size_hint().exact().filter(|size| *size > limit) {
            return Err(too_large(size.to_string()));
        }
        let whole = async {
            let mut bytes = BytesMut::new();
            loop {
                let frame = timeout(stall, body.frame())
                    .await
                    .map_err(|_| OciError::Unreachable(format!("{what} stopped coming for {stall:?}")))?;
                let Some(frame) = frame else { return Ok(bytes.freeze()) };
                let frame = frame.map_err(|e| OciError::Unreachable(format!("{what} broke off: {e}")))?;
                if let Ok(data) = frame.into_data() {
                    if (bytes.len() + data.len()) as u64 > limit {
                        return Err(too_large(format!("more than {}", bytes.len())));
                    }
                    bytes.extend_from_slice(&data);
                }
            }
        };
        let slow = |_| OciError::Unreachable(format!("{what} did not come to an end within {whole_body:?}"));
        timeout(whole_body, whole).await.map_err(slow)?
    }
}

/// The same request again, if it is a read.
fn copy(request: &Request<Full<Bytes>>) -> Option<Request<Full<Bytes>>> {
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        return None;
    }
    let mut again = Request::new(Full::default());
    *again.method_mut() = request.method().clone();
    *again.headers_mut() = request.headers().clone();
    Some(again)
}

fn host(url: &Uri) -> &str {
    url.authority().map_or("the registry", |a| a.as_str())
}

fn location(from: &Uri, response: &Response<Incoming>) -> Result<Uri, OciError> {
    let text = response.headers().get(header::LOCATION).and_then(|v| v.to_str().ok()).unwrap_or_default();
    absolute(from, text)
        .ok_or_else(|| OciError::Protocol(format!("{} redirects to {text:?}, which is no address", host(from))))
}

/// `text` as an address, relative to `base`.
pub(crate) fn absolute(base: &Uri, text: &str) -> Option<Uri> {
    let target: Uri = text.parse().ok()?;
    if target.scheme().is_some() {
        return Some(target);
    }
    let path = target.path_and_query()?.clone();
    Uri::builder().scheme(base.scheme()?.clone()).authority(base.authority()?.clone()).path_and_query(path).build().ok()
}

fn failed(url: &Uri, error: &hyper_util::client::legacy::Error) -> OciError {
    let mut causes = Vec::new();
    let mut cause = error.source();
    while let Some(error) = cause {
        if let Some(refused) =
            error.downcast_ref::<io::Error>().and_then(io::Error::get_ref).and_then(|e| e.downcast_ref::<Refused>())
        {
            return OciError::Forbidden(format!("{}: {}", host(url), refused.0));
        }
        causes.push(error.to_string());
        cause = error.source();
    }
    let what = if error.is_connect() { "cannot be connected to" } else { "broke off" };
    OciError::Unreachable(format!("{} {what}: {}", host(url), causes.join(": ")))
}

/// Resolves names, and leaves out the addresses that must not be connected to. Literal addresses are checked with the hop.
#[derive(Clone)]
struct Resolver(Arc<Rules>);

/// Why a name leads nowhere that may be connected to.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct Refused(String);

impl tower::Service<Name> for Resolver {
    type Response = std::vec::IntoIter<SocketAddr>;
    type Error = io::Error;
    type Future = Pin<Box<dyn Future<Output = io::Result<Self::Response>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, name: Name) -> Self::Future {
        let rules = self.0.clone();
        Box::pin(async move {
            let found: Vec<SocketAddr> = tokio::net::lookup_host((name.as_str(), 0)).await?.collect();
            let mut refused = None;
            let allowed: Vec<SocketAddr> = found
                .into_iter()
                .filter(|a| rules.address(a.ip()).map_err(|why| refused = Some(why)).is_ok())
                .collect();
            match refused {
                Some(why) if allowed.is_empty() => Err(io::Error::new(io::ErrorKind::PermissionDenied, Refused(why))),
                _ => Ok(allowed.into_iter()),
            }
        })
    }
}
