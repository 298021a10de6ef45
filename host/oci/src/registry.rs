//! Reads from one repository of a registry: manifests, blobs and what refers to a manifest.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Method, Request, Response, StatusCode, Uri, header};
use http_body_util::Full;
use hyper::body::Incoming;
use motet_core::Digest;
use oci_spec::image::{Descriptor, ImageIndex};
use parking_lot::Mutex;
use serde_json::Value;

use crate::{
    Credentials, Http, Image, OciError,
    local::{MAX_ANSWER, MAX_MANIFEST},
    token::{Asking, Challenge},
};

const MANIFESTS: &str = "application/vnd.oci.image.manifest.v1+json, application/vnd.oci.image.index.v1+json, \
    application/vnd.docker.distribution.manifest.v2+json, application/vnd.docker.distribution.manifest.list.v2+json";

/// A manifest as its registry keeps it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Manifest {
    /// Of its bytes.
    pub digest: Digest,
    /// Its bytes.
    pub bytes: Bytes,
}

/// One repository, and how to be let in.
pub struct Registry {
    http: Http,
    image: Image,
    plain: bool,
    credentials: Option<Credentials>,
    authorization: Mutex<Option<String>>,
    push: bool,
}

/// A request in short: method, path below the repository (or an address that the registry gave), headers, body.
pub(crate) struct Call {
    pub(crate) method: Method,
    pub(crate) to: Result<String, Uri>,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Call {
    pub(crate) fn new(method: Method, path: impl Into<String>) -> Self {
        Self { method, to: Ok(path.into()), headers: HeaderMap::new(), body: Bytes::new() }
    }

    fn accepting(mut self, types: &'static str) -> Self {
        self.headers.insert(header::ACCEPT, header::HeaderValue::from_static(types));
        self
    }
}

impl Registry {
    /// The repository of `image`; nothing is sent yet. Refused where the rules leave no way to it.
    pub fn new(http: Http, image: Image, plain: bool, credentials: Option<Credentials>) -> Result<Self, OciError> {
        http.rules().registry(image.registry())?;
        if plain {
            http.rules().plain_http(image.registry())?;
        }
        Ok(Self { http, image, plain, credentials, authorization: Mutex::new(None), push: false })
    }

    /// The same, asking for tokens that also let one write.
    #[must_use]
    pub fn for_push(mut self) -> Self {
        self.push = true;
        self
    }

    /// The image that it was made for.
    pub fn image(&self) -> &Image {
        &self.image
    }

    /// The digest that a tag stands for now.
    pub async fn resolve(&self, tag: &str) -> Result<Digest, OciError> {
        let call = Call::new(Method::HEAD, format!("manifests/{tag}")).accepting(MANIFESTS);
        let response = self.call(call).await?;
        let digest = response.headers().get("docker-content-digest").and_then(|v| v.to_str().ok());
        match digest.and_then(|d| Digest::try_from(d.to_owned()).ok()) {
            Some(digest) => Ok(digest),
            None => Ok(self.manifest_called(tag).await?.digest),
        }
    }

    /// The manifest of this digest.
    pub async fn manifest(&self, digest: Digest) -> Result<Manifest, OciError> {
        let found = self.manifest_called(&digest.to_string()).await?;
        if found.digest == digest {
            return Ok(found);
        }
        Err(OciError::DigestMismatch(format!(
            "{} sent the manifest {} where {digest} was asked for",
            self.image.registry(),
            found.digest
        )))
    }

    async fn manifest_called(&self, name: &str) -> Result<Manifest, OciError> {
        let call = Call::new(Method::GET, format!("manifests/{name}")).accepting(MANIFESTS);
        let response = self.call(call).await?;
        let kind = response.headers().get(header::CONTENT_TYPE).and_then(|v| v.to_str().ok()).unwrap_or_default();
        if !kind.contains("json") {
            return Err(OciError::Protocol(format!(
                "{} answers {kind:?} for a manifest: is it a registry?",
                self.image.registry()
            )));
        }
        let bytes = self.http.read(response, MAX_MANIFEST, &format!("the manifest {}", self.image)).await?;
        Ok(Manifest { digest: Digest::of(&bytes), bytes })
    }

    /// The bytes that `descriptor` promises: neither more nor others.
    pub async fn blob(&self, descriptor: &Descriptor, limit: u64) -> Result<Bytes, OciError> {
        let what = format!("the blob {} of {}", descriptor.digest(), self.image.name());
        if descriptor.size() > limit {
            let message = format!("{what} has {} bytes; at most {limit} are taken", descriptor.size());
            return Err(OciError::TooLarge(message));
        }
        let response = self.call(Call::new(Method::GET, format!("blobs/{}", descriptor.digest()))).await?;
        let bytes = self.http.read(response, descriptor.size(), &what).await?;
        let digest = Digest::of(&bytes);
        if digest.to_string() == descriptor.digest().to_string() {
            return Ok(bytes);
        }
        Err(OciError::DigestMismatch(format!("{what} came as {digest}")))
    }

    /// What refers to `digest`, by the referrers API or, on registries without it, by its tag.
    pub async fn referrers(&self, digest: Digest) -> Result<Vec<Descriptor>, OciError> {
        let api = self.index(format!("referrers/{digest}")).await;
        let index = match api {
            Err(OciError::NotFound(_) | OciError::Protocol(_)) => {
                self.index(format!("manifests/sha256-{}", digest.hex())).await
            }
            other => other,
        };
        match index {
            Ok(index) => Ok(index.manifests().clone()),
            Err(OciError::NotFound(_)) => Ok(vec![]),
            Err(error) => Err(error),
        }
    }

    async fn index(&self, path: String) -> Result<ImageIndex, OciError> {
        let response = self.call(Call::new(Method::GET, path).accepting(MANIFESTS)).await?;
        let bytes = self.http.read(response, MAX_MANIFEST, "the list of referrers").await?;
        serde_json::from_slice(&bytes)
            .map_err(|e| OciError::Protocol(format!("the list of referrers cannot be read: {e}")))
    }

    /// The registry itself.
    pub(crate) fn base(&self) -> Result<Uri, OciError> {
        self.address("/")
    }

    fn address(&self, path: &str) -> Result<Uri, OciError> {
        let scheme = if self.plain { "http" } else { "https" };
        let text = format!("{scheme}://{}{path}", self.image.endpoint());
        text.parse().map_err(|e| OciError::Protocol(format!("{} makes no address: {e}", self.image)))
    }

    /// Sends one request, with a token where the registry wants one, and turns every refusal into words.
    pub(crate) async fn call(&self, call: Call) -> Result<Response<Incoming>, OciError> {
        let url = match &call.to {
            Ok(path) => self.address(&format!("/v2/{}/{path}", self.image.repository()))?,
            Err(url) => url.clone(),
        };
        let authorization = self.authorization.lock().clone();
        let response = self.send(&url, &call, authorization.as_deref()).await?;
        if response.status() != StatusCode::UNAUTHORIZED {
            return self.checked(response).await;
        }
        let Some(challenge) = Challenge::read(response.headers()) else {
            return self.checked(response).await;
        };
        let asking = Asking {
            http: &self.http,
            registry: self.image.registry(),
            base: &url,
            plain: self.plain,
            credentials: self.credentials.as_ref(),
        };
        let actions = if self.push { "pull,push" } else { "pull" };
        let scope = format!("repository:{}:{actions}", self.image.repository());
        let authorization = asking.authorization(&challenge, &scope).await?;
        *self.authorization.lock() = Some(authorization.clone());
        let response = self.send(&url, &call, Some(&authorization)).await?;
        self.checked(response).await
    }

    async fn send(&self, url: &Uri, call: &Call, authorization: Option<&str>) -> Result<Response<Incoming>, OciError> {
        let mut request = Request::new(Full::from(call.body.clone()));
        *request.method_mut() = call.method.clone();
        *request.uri_mut() = url.clone();
        *request.headers_mut() = call.headers.clone();
        if let Some(value) = authorization {
            let value = value.parse().map_err(|_| OciError::Protocol("the token is no header value".into()))?;
            request.headers_mut().insert(header::AUTHORIZATION, value);
        }
        request.headers_mut().insert(header::USER_AGENT, header::HeaderValue::from_static("motet"));
        self.http.send(self.image.registry(), self.plain, request).await
    }

    async fn checked(&self, response: Response<Incoming>) -> Result<Response<Incoming>, OciError> {
        let status = response.status();
        if status.is_success() {
            return Ok(response);
        }
        let after = response.headers().get(header::RETRY_AFTER).and_then(|v| v.to_str().ok()?.parse().ok());
        let said = self.http.read(response, MAX_ANSWER, "the answer").await.map(|b| said(&b)).unwrap_or_default();
        let message = format!("{} answers {status} for {}{said}", self.image.registry(), self.image);
        Err(match status.as_u16() {
            401 | 403 => OciError::Unauthorized(message),
            404 => OciError::NotFound(message),
            429 => OciError::Throttled { message, after: after.map(Duration::from_secs) },
            500.. => OciError::Unreachable(message),
            _ => OciError::Protocol(message),
        })
    }
}

/// What a registry says in its own words, shortened; nothing of a page meant for browsers.
fn said(body: &[u8]) -> String {
    let Ok(value) = serde_json::from_slice::<Value>(body) else { return String::new() };
    let error = &value["errors"][0];
    let words: Vec<&str> = ["code", "message"].iter().filter_map(|f| error[*f].as_str()).collect();
    if words.is_empty() {
        String::new()
    } else {
        format!(": {}", words.join(": ").chars().take(300).collect::<String>())
    }
}
