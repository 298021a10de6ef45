//! An admission webhook on 127.0.0.1 that a real API server calls: it allows, rejects, mutates or never answers.

use std::{convert::Infallible, sync::Arc};

use anyhow::{Context, Result};
use http_body_util::{BodyExt, Full};
use hyper::{Request, Response, body::Incoming, service::service_fn};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::pki_types::{PrivateKeyDer, pem::PemObject};
use serde_json::{Value, json};
use tokio::{net::TcpListener, sync::watch, task::JoinHandle};
use tokio_rustls::TlsAcceptor;

use crate::{
    client::Looker,
    real::credentials::{Authority, base64},
};

/// What the webhook says.
#[derive(Debug, Clone)]
pub enum Answer {
    /// Yes.
    Allow,
    /// No, with a message.
    Deny(String),
    /// Yes, with a JSON patch.
    Patch(Value),
    /// Nothing, ever.
    Hang,
}

/// A running webhook. It stops when dropped.
pub struct Webhook {
    port: u16,
    ca: String,
    answer: watch::Sender<Answer>,
    task: JoinHandle<()>,
}

impl Webhook {
    /// Starts one that allows everything.
    pub async fn start() -> Result<Self> {
        let authority = Authority::new("motet-webhook-ca")?;
        let server = authority.server()?;
        let certificates = rustls::pki_types::CertificateDer::pem_slice_iter(server.certificate.as_bytes());
        let key = PrivateKeyDer::from_pem_slice(server.key.as_bytes())?;
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = rustls::ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_single_cert(certificates.collect::<Result<_, _>>()?, key)?;
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let port = listener.local_addr()?.port();
        let answer = watch::Sender::new(Answer::Allow);
        let task = tokio::spawn(accept(listener, TlsAcceptor::from(Arc::new(config)), answer.clone()));
        Ok(Self { port, ca: authority.pem, answer, task })
    }

    /// What it says from now on.
    pub fn says(&self, answer: Answer) {
        self.answer.send_replace(answer);
    }

    /// Makes a cluster ask it before it creates or changes objects of a resource (`group/version/resources`, the core group is empty),
    /// and wait so many seconds for it.
    pub async fn install(&self, looker: &Looker, kind: Kind, resource: &str, patience: u32) -> Result<()> {
        let [group, version, resources] = resource.split('/').collect::<Vec<_>>()[..] else {
            anyhow::bail!("{resource} is not group/version/resources")
        };
        let (path, object) = match kind {
            Kind::Validating => ("validatingwebhookconfigurations", "ValidatingWebhookConfiguration"),
            Kind::Mutating => ("mutatingwebhookconfigurations", "MutatingWebhookConfiguration"),
        };
        let configuration = json!({
            "apiVersion": "admissionregistration.k8s.io/v1", "kind": object, "metadata": { "name": "motet-test" },
            "webhooks": [{
                "name": "test.motet.dev", "sideEffects": "None", "admissionReviewVersions": ["v1"], "timeoutSeconds": patience,
                "failurePolicy": "Fail",
                "clientConfig": { "url": format!("https://127.0.0.1:{}/", self.port), "caBundle": base64(self.ca.as_bytes()) },
                "rules": [{ "apiGroups": [group], "apiVersions": [version], "resources": [resources], "operations": ["CREATE", "UPDATE"] }],
            }],
        });
        let path = format!("/apis/admissionregistration.k8s.io/v1/{path}/motet-test");
        looker.apply(&path, "test", &configuration).await.map(drop)
    }
}

/// The two kinds of admission webhooks.
#[derive(Debug, Clone, Copy)]
pub enum Kind {
    /// Says yes or no.
    Validating,
    /// May change the object.
    Mutating,
}

impl Drop for Webhook {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn accept(listener: TcpListener, tls: TlsAcceptor, answer: watch::Sender<Answer>) {
    while let Ok((stream, _)) = listener.accept().await {
        let (tls, answer) = (tls.clone(), answer.subscribe());
        tokio::spawn(async move {
            let Ok(stream) = tls.accept(stream).await else { return };
            let service = service_fn(move |request| respond(request, answer.clone()));
            let builder = hyper_util::server::conn::auto::Builder::new(TokioExecutor::new());
            let _ = builder.serve_connection(TokioIo::new(stream), service).await;
        });
    }
}

async fn respond(
    request: Request<Incoming>,
    answer: watch::Receiver<Answer>,
) -> Result<Response<Full<bytes::Bytes>>, Infallible> {
    let said = answer.borrow().clone();
    let (code, body) = match review(request, said).await {
        Ok(review) => (200, review.to_string()),
        Err(error) => (400, error.to_string()),
    };
    let mut response = Response::new(Full::new(body.into()));
    *response.status_mut() = http::StatusCode::from_u16(code).unwrap_or_default();
    response.headers_mut().insert("content-type", http::HeaderValue::from_static("application/json"));
    Ok(response)
}

async fn review(request: Request<Incoming>, said: Answer) -> Result<Value> {
    let body = request.into_body().collect().await?.to_bytes();
    let asked: Value = serde_json::from_slice(&body)?;
    let mut response = json!({ "uid": asked["request"]["uid"].as_str().context("no uid")?, "allowed": true });
    match said {
        Answer::Allow => {}
        Answer::Deny(message) => {
            response["allowed"] = false.into();
            response["status"] = json!({ "code": 403, "message": message });
        }
        Answer::Patch(patch) => {
            response["patchType"] = "JSONPatch".into();
            response["patch"] = base64(patch.to_string().as_bytes()).into();
        }
        Answer::Hang => std::future::pending().await,
    }
    Ok(json!({ "apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "response": response }))
}
