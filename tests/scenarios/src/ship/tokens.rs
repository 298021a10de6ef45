//! A token service for the registry: anybody may pull what is public, the user may do everything.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{SystemTime, UNIX_EPOCH},
};

use anyhow::Result;
use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use bytes::Bytes;
use http::{Request, Response, header};
use http_body_util::Full;
use hyper::{body::Incoming, service::service_fn};
use hyper_util::rt::TokioIo;
use ring::{
    rand::SystemRandom,
    signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair},
};
use serde_json::{Value, json};

use super::{PASSWORD, USER};

pub(super) const ISSUER: &str = "motet-tests";
pub(super) const SERVICE: &str = "motet-registry";

/// Signs tokens with a certificate of its own.
struct Signer {
    key: EcdsaKeyPair,
    certificate: rcgen::Certificate,
    anonymous: AtomicUsize,
    named: AtomicUsize,
}

/// The running service. It ends when dropped.
pub(super) struct TokenServer {
    signer: Arc<Signer>,
    port: u16,
    task: tokio::task::JoinHandle<()>,
}

impl TokenServer {
    pub(super) async fn start() -> Result<Self> {
        let pair = rcgen::KeyPair::generate()?;
        let certificate = rcgen::CertificateParams::new(vec![])?.self_signed(&pair)?;
        let key =
            EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &pair.serialize_der(), &SystemRandom::new());
        let key = key.map_err(|e| anyhow::anyhow!("the token key: {e}"))?;
        let signer = Arc::new(Signer { key, certificate, anonymous: AtomicUsize::new(0), named: AtomicUsize::new(0) });
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
        let (port, shared) = (listener.local_addr()?.port(), signer.clone());
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let signer = shared.clone();
                let service = service_fn(move |request: Request<Incoming>| {
                    let answer = signer.answer(&request);
                    async move { answer }
                });
                tokio::spawn(
                    hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service),
                );
            }
        });
        Ok(Self { signer, port, task })
    }

    pub(super) fn realm(&self) -> String {
        format!("http://127.0.0.1:{}/token", self.port)
    }

    pub(super) fn certificate(&self) -> String {
        self.signer.certificate.pem()
    }

    pub(super) fn given(&self) -> (usize, usize) {
        (self.signer.anonymous.load(Ordering::SeqCst), self.signer.named.load(Ordering::SeqCst))
    }
}

impl Drop for TokenServer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Signer {
    fn answer(&self, request: &Request<Incoming>) -> Result<Response<Full<Bytes>>, http::Error> {
        let basic = format!("Basic {}", STANDARD.encode(format!("{USER}:{PASSWORD}")));
        let said = request.headers().get(header::AUTHORIZATION).and_then(|v| v.to_str().ok());
        if said.is_some_and(|said| said != basic) {
            return Response::builder().status(401).body(Full::default());
        }
        let counter = if said.is_some() { &self.named } else { &self.anonymous };
        counter.fetch_add(1, Ordering::SeqCst);
        let query: BTreeMap<String, String> =
            form_urlencoded::parse(request.uri().query().unwrap_or_default().as_bytes()).into_owned().collect();
        let scope = query.get("scope").cloned().unwrap_or_default();
        let token = self.token(&scope, said.is_some());
        let body = token.map_or_else(|| "{}".to_owned(), |token| json!({ "token": token }).to_string());
        Response::builder().header(header::CONTENT_TYPE, "application/json").body(Full::from(body))
    }

    /// A token for what may be done of `scope` (`repository:NAME:ACTIONS`).
    fn token(&self, scope: &str, named: bool) -> Option<String> {
        let mut parts = scope.splitn(2, ':');
        let (kind, rest) = (parts.next()?, parts.next().unwrap_or_default());
        let (name, actions) = rest.rsplit_once(':').unwrap_or_default();
        let may = |action: &str| named || (action == "pull" && name.starts_with("public/"));
        let actions: Vec<&str> = actions.split(',').filter(|a| may(a)).collect();
        let access =
            if actions.is_empty() { json!([]) } else { json!([{ "type": kind, "name": name, "actions": actions }]) };
        let now = SystemTime::now().duration_since(UNIX_EPOCH).ok()?.as_secs();
        let header = json!({ "typ": "JWT", "alg": "ES256", "x5c": [STANDARD.encode(self.certificate.der())] });
        let claims = json!({ "iss": ISSUER, "sub": "", "aud": SERVICE, "exp": now + 300, "nbf": now - 10, "iat": now,
            "jti": now.to_string(), "access": access });
        let encode = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let message = format!("{}.{}", encode(&header), encode(&claims));
        let signature = self.key.sign(&SystemRandom::new(), message.as_bytes()).ok()?;
        Some(format!("{message}.{}", URL_SAFE_NO_PAD.encode(signature)))
    }
}
