//! An OCI registry in memory, for the demo, which builds no Go: what pushing, pulling and signing one plugin takes of the
//! distribution specification. What real registries do is judged by a real one ([`super::RealRegistry`]).

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
};

use anyhow::Result;
use axum::{
    Router,
    body::{Body, to_bytes},
    extract::{Request, State},
    http::{HeaderName, Method, StatusCode, header},
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use motet_core::Digest;
use ring::{
    rand::SystemRandom,
    signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair},
};
use serde_json::json;

/// Bytes of a blob at most.
const MOST: usize = 64 << 20;

/// What it holds: blobs and manifests by `REPOSITORY/DIGEST`, manifests by `REPOSITORY/TAG` as well, with their media types.
#[derive(Default)]
struct Held {
    blobs: Mutex<BTreeMap<String, Bytes>>,
    manifests: Mutex<BTreeMap<String, (String, Bytes)>>,
    requests: AtomicUsize,
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The running registry. It ends when dropped.
pub struct SmallRegistry {
    held: Arc<Held>,
    port: u16,
    task: tokio::task::JoinHandle<()>,
}

impl Drop for SmallRegistry {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl SmallRegistry {
    /// Starts one on a free port of the loopback.
    pub async fn start() -> Result<Self> {
        let held = Arc::new(Held::default());
        let router = Router::new().fallback(answer).with_state(held.clone());
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
        let port = listener.local_addr()?.port();
        let task = tokio::spawn(async move {
            // It ends with the task.
            let _ = axum::serve(listener, router).await;
        });
        Ok(Self { held, port, task })
    }

    /// Its name in images.
    pub fn host(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// How many requests it has answered.
    pub fn requests(&self) -> usize {
        self.held.requests.load(Relaxed)
    }

    /// Signs the image `digest` of a repository as cosign does it with a key, under the tag `sha256-HEX.sig`.
    pub fn sign(&self, repository: &str, digest: &str, key: &SigningKey) -> Result<()> {
        let identity = format!("{}/{repository}", self.host());
        let payload = json!({ "critical": {
            "identity": { "docker-reference": identity },
            "image": { "docker-manifest-digest": digest },
            "type": "cosign container image signature",
        }, "optional": null });
        let payload = Bytes::from(payload.to_string());
        let config = Bytes::from_static(b"{}");
        let manifest = json!({
            "schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json",
            "config": { "mediaType": "application/vnd.oci.image.config.v1+json", "digest": Digest::of(&config), "size": config.len() },
            "layers": [{
                "mediaType": "application/vnd.dev.cosign.simplesigning.v1+json",
                "digest": Digest::of(&payload), "size": payload.len(),
                "annotations": { "dev.cosignproject.cosign/signature": key.sign(&payload)? },
            }],
        });
        for blob in [payload, config] {
            locked(&self.held.blobs).insert(format!("{repository}/{}", Digest::of(&blob)), blob);
        }
        let tag = format!("{}.sig", digest.replace(':', "-"));
        let kind = "application/vnd.oci.image.manifest.v1+json";
        self.held.put_manifest(repository, &tag, kind.into(), manifest.to_string().into());
        Ok(())
    }
}

/// A key that signs images.
pub struct SigningKey {
    pair: EcdsaKeyPair,
    public: String,
}

impl SigningKey {
    /// A new one.
    pub fn generate() -> Result<Self> {
        let made = rcgen::KeyPair::generate()?;
        let pair =
            EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, &made.serialize_der(), &SystemRandom::new());
        let pair = pair.map_err(|e| anyhow::anyhow!("the signing key: {e}"))?;
        Ok(Self { pair, public: made.public_key_pem() })
    }

    /// Its public half, PEM.
    pub fn public(&self) -> &str {
        &self.public
    }

    fn sign(&self, message: &[u8]) -> Result<String> {
        use base64::{Engine as _, engine::general_purpose::STANDARD};
        let signature = self.pair.sign(&SystemRandom::new(), message);
        Ok(STANDARD.encode(signature.map_err(|e| anyhow::anyhow!("signing: {e}"))?))
    }
}

impl Held {
    fn put_manifest(&self, repository: &str, reference: &str, kind: String, bytes: Bytes) {
        let mut manifests = locked(&self.manifests);
        manifests.insert(format!("{repository}/{}", Digest::of(&bytes)), (kind.clone(), bytes.clone()));
        manifests.insert(format!("{repository}/{reference}"), (kind, bytes));
    }
}

/// `/v2/REPOSITORY/WHAT/REFERENCE`, where a repository has slashes of its own.
fn parts(path: &str) -> Option<(&str, &str, &str)> {
    let path = path.strip_prefix("/v2/")?;
    let (rest, reference) = path.rsplit_once('/')?;
    let rest = rest.strip_suffix("/uploads").unwrap_or(rest);
    let (repository, what) = rest.rsplit_once('/')?;
    Some((repository, what, reference))
}

async fn answer(State(held): State<Arc<Held>>, request: Request) -> Response {
    held.requests.fetch_add(1, Relaxed);
    let (head, body) = request.into_parts();
    let path = head.uri.path().to_owned();
    let Some((repository, what, reference)) = parts(&path) else { return StatusCode::OK.into_response() };
    let Ok(body) = to_bytes(body, MOST).await else { return StatusCode::PAYLOAD_TOO_LARGE.into_response() };
    match (&head.method, what) {
        (&Method::POST, "blobs") => {
            let to = format!("/v2/{repository}/blobs/uploads/1");
            (StatusCode::ACCEPTED, [(header::LOCATION, to)]).into_response()
        }
        (&Method::PUT, "blobs") => {
            let named = head.uri.query().and_then(|q| q.strip_prefix("digest=")).unwrap_or_default();
            let digest = Digest::of(&body).to_string();
            if named.replace("%3A", ":") != digest {
                return StatusCode::BAD_REQUEST.into_response();
            }
            locked(&held.blobs).insert(format!("{repository}/{digest}"), body);
            StatusCode::CREATED.into_response()
        }
        (&Method::PUT, "manifests") => {
            let kind = head.headers.get(header::CONTENT_TYPE).and_then(|v| v.to_str().ok()).unwrap_or_default();
            held.put_manifest(repository, reference, kind.into(), body);
            StatusCode::CREATED.into_response()
        }
        (&Method::GET | &Method::HEAD, "blobs") => {
            let found = locked(&held.blobs).get(&format!("{repository}/{reference}")).cloned();
            found.map_or_else(not_found, |bytes| found_it("application/octet-stream", bytes))
        }
        (&Method::GET | &Method::HEAD, "manifests") => {
            let found = locked(&held.manifests).get(&format!("{repository}/{reference}")).cloned();
            found.map_or_else(not_found, |(kind, bytes)| found_it(&kind, bytes))
        }
        _ => not_found(),
    }
}

fn found_it(kind: &str, bytes: Bytes) -> Response {
    let digest = Digest::of(&bytes).to_string();
    let digest_header = HeaderName::from_static("docker-content-digest");
    ([(header::CONTENT_TYPE, kind.to_owned()), (digest_header, digest)], Body::from(bytes)).into_response()
}

fn not_found() -> Response {
    StatusCode::NOT_FOUND.into_response()
}
