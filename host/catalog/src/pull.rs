//! One pull: from what a `Plugin` says of an image to a component with a proof of what it is.

use std::{str::FromStr as _, sync::Arc, time::Duration};

use base64::Engine as _;
use bytes::Bytes;
use motet_core::{
    Digest, Gvk, ObjectName,
    plugin::{OciSource, VerifySpec},
    ports::MemberApi,
};
use motet_oci::{
    Credentials, Held, Http, Image, MAX_COMPONENT, Manifest, OciError, Patience, Registry, Rules, Trust,
    component_layer, signature,
};
use serde_json::Value;

use crate::{
    Fetched, Origin, Refusal, Step,
    history::{Good, Proof},
    verify::Policy,
};

/// Where pull secrets and certificate authorities are.
#[derive(Clone)]
pub struct Hub {
    /// The hub.
    pub api: Arc<dyn MemberApi>,
    /// The namespace of Motet's objects.
    pub namespace: String,
}

/// What this host lets images be, and how often tags are looked at.
#[derive(Clone)]
pub struct Registries {
    /// Where packets may go.
    pub rules: Arc<Rules>,
    /// Who must have signed what.
    pub policy: Arc<Policy>,
    /// Between two looks at a tag; a tenth of it is jitter.
    pub interval: Duration,
    /// How long a registry may take.
    pub patience: Patience,
}

impl Default for Registries {
    fn default() -> Self {
        Self {
            rules: Arc::default(),
            policy: Arc::default(),
            interval: Duration::from_secs(300),
            patience: Patience::default(),
        }
    }
}

/// What one `Plugin` asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Asked {
    pub(crate) oci: OciSource,
    pub(crate) verify: Option<VerifySpec>,
}

/// A pull that did not come through.
pub(crate) struct PullError {
    pub(crate) refusal: Refusal,
    /// The registry is away or busy: a kept copy still stands for what it has.
    pub(crate) transient: bool,
    pub(crate) after: Option<Duration>,
}

impl From<Refusal> for PullError {
    fn from(refusal: Refusal) -> Self {
        Self { refusal, transient: false, after: None }
    }
}

impl From<OciError> for PullError {
    fn from(error: OciError) -> Self {
        let step = if matches!(error, OciError::DigestMismatch(_)) { Step::Verified } else { Step::Fetched };
        Self {
            refusal: Refusal::new(step, error.reason(), error.to_string()),
            transient: error.is_transient(),
            after: error.retry_after(),
        }
    }
}

/// Pulls images.
pub(crate) struct Puller {
    pub(crate) hub: Option<Hub>,
    pub(crate) registries: Registries,
}

impl Puller {
    /// The digest that the image stands for now: pinned, or by its tag.
    pub(crate) async fn resolve(&self, asked: &Asked) -> Result<(Registry, Digest), PullError> {
        let image = Image::from_str(&asked.oci.image)?;
        let pinned = pinned(asked)?;
        let registry = self.registry(asked, image).await?;
        let digest = match pinned {
            Some(digest) => digest,
            None => registry.resolve(registry.image().tag().unwrap_or("latest")).await?,
        };
        Ok((registry, digest))
    }

    /// The component of the image `digest`.
    pub(crate) async fn fetch(
        &self,
        asked: &Asked,
        registry: &Registry,
        digest: Digest,
    ) -> Result<(Fetched, Proof), PullError> {
        let mut manifest = registry.manifest(digest).await?;
        let mut manifests = vec![text(&manifest)];
        if let Held::Child(child) = component_layer(&manifest)? {
            let child = Digest::try_from(child.digest().to_string())
                .map_err(|e| OciError::Layout(format!("the index {digest} names no sha256 digest: {e}")))?;
            manifest = registry.manifest(child).await?;
            manifests.push(text(&manifest));
        }
        let Held::Layer(layer) = component_layer(&manifest)? else {
            return Err(OciError::Layout(format!("the index {digest} leads to another index")).into());
        };
        let policy = &self.registries.policy;
        let looks = policy.looks_at(&registry.image().name(), asked.verify.as_ref());
        let signatures = if looks { signature::find(registry, digest).await? } else { vec![] };
        let proof = Proof { image: asked.oci.image.clone(), manifests, signatures };
        // Judged before megabytes are fetched for nothing.
        let origin = self.judge(asked, registry.image(), digest, &proof)?;
        let bytes = registry.blob(&layer, MAX_COMPONENT).await?;
        Ok((Fetched { bytes, origin }, proof))
    }

    /// Whether what was kept may stand for it: if it is what `asked` asks for and would be let through today.
    pub(crate) fn kept(&self, asked: &Asked, good: &Good) -> Option<Origin> {
        let proof = good.proof.as_ref().filter(|p| p.image == asked.oci.image && proves(p, good))?;
        let digest = good.origin.image?;
        let image = Image::from_str(&asked.oci.image).ok()?;
        if pinned(asked).ok()?.is_some_and(|pinned| pinned != digest) {
            return None;
        }
        self.judge(asked, &image, digest, proof).ok()
    }

    fn judge(&self, asked: &Asked, image: &Image, digest: Digest, proof: &Proof) -> Result<Origin, Refusal> {
        let verdict = self.registries.policy.image(&image.name(), asked.verify.as_ref(), digest, &proof.signatures)?;
        Ok(Origin {
            from: format!("image {}@{digest}", asked.oci.image.split('@').next().unwrap_or_default()),
            image: Some(digest),
            signed_by: verdict.signed_by,
            warning: verdict.warning.map(|why| ("SignatureMissing".into(), why)),
        })
    }

    async fn registry(&self, asked: &Asked, image: Image) -> Result<Registry, PullError> {
        let trust = match &asked.oci.ca_config_map {
            None => Trust::system(),
            Some(name) => {
                let map = self.object("ConfigMap", name, "caConfigMap").await?;
                let pem = map["data"]["ca.crt"].as_str();
                let pem = pem.ok_or_else(|| {
                    source_invalid(format!("ConfigMap {name} has no ca.crt (spec.source.oci.caConfigMap)"))
                })?;
                Trust::with(pem.as_bytes())
                    .map_err(|why| source_invalid(format!("ca.crt of ConfigMap {name}: {why}")))?
            }
        };
        let credentials = match &asked.oci.pull_secret {
            None => None,
            Some(name) => Some(self.credentials(name, image.registry()).await?),
        };
        let http = Http::new(self.registries.rules.clone(), &trust, self.registries.patience)?;
        Ok(Registry::new(http, image, asked.oci.plain_http, credentials)?)
    }

    async fn credentials(&self, name: &str, registry: &str) -> Result<Credentials, PullError> {
        let secret = self.object("Secret", name, "pullSecret").await?;
        let wrong = |why: String| source_invalid(format!("Secret {name} (spec.source.oci.pullSecret): {why}"));
        let text = secret["data"][".dockerconfigjson"].as_str();
        let text = text.ok_or_else(|| {
            wrong("it has no .dockerconfigjson: make it with kubectl create secret docker-registry".into())
        })?;
        let json = base64::engine::general_purpose::STANDARD.decode(text).map_err(|e| wrong(e.to_string()))?;
        let found = Credentials::from_docker_config(&json, registry).map_err(wrong)?;
        Ok(found.ok_or_else(|| wrong(format!("it says nothing about {registry}")))?)
    }

    async fn object(&self, kind: &str, name: &str, field: &str) -> Result<Value, PullError> {
        let Some(Hub { api, namespace }) = &self.hub else {
            return Err(source_invalid(format!(
                "spec.source.oci.{field} names a {kind} of the hub, and this host has none"
            ))
            .into());
        };
        let failed = |error: motet_core::ApiError| PullError {
            refusal: Refusal::fetch(
                "SourceMissing",
                format!("{kind} {namespace}/{name} (spec.source.oci.{field}): {error}"),
            ),
            transient: true,
            after: None,
        };
        let resource = api.resource(&Gvk::new("", "v1", kind)).await.map_err(failed)?;
        let found = api.get(&resource, &ObjectName::namespaced(namespace, name)).await.map_err(failed)?;
        let json = found.ok_or_else(|| {
            Refusal::fetch(
                "SourceMissing",
                format!("{kind} {namespace}/{name} does not exist in the hub (spec.source.oci.{field})"),
            )
        })?;
        Ok(serde_json::from_slice(&json).map_err(|e| source_invalid(format!("{kind} {name}: {e}")))?)
    }
}

fn source_invalid(message: String) -> Refusal {
    Refusal::fetch("SourceInvalid", message)
}

fn text(manifest: &Manifest) -> String {
    String::from_utf8_lossy(&manifest.bytes).into_owned()
}

/// The digest that the image must have, by its name or beside it.
fn pinned(asked: &Asked) -> Result<Option<Digest>, PullError> {
    let named = Image::from_str(&asked.oci.image)?.digest();
    match (named, asked.oci.digest) {
        (Some(a), Some(b)) if a != b => Err(source_invalid(format!(
            "spec.source.oci: image says {a}, digest says {b}: one of them is not what was meant"
        ))
        .into()),
        (named, beside) => Ok(named.or(beside)),
    }
}

/// Whether a proof leads from the image's digest to the component's, link by link.
fn proves(proof: &Proof, good: &Good) -> bool {
    let mut wanted = good.origin.image;
    for text in &proof.manifests {
        let manifest = Manifest { digest: Digest::of(text.as_bytes()), bytes: Bytes::from(text.clone()) };
        if wanted != Some(manifest.digest) {
            return false;
        }
        wanted = match component_layer(&manifest) {
            Ok(Held::Child(next) | Held::Layer(next)) => Digest::try_from(next.digest().to_string()).ok(),
            Err(_) => None,
        };
    }
    !proof.manifests.is_empty() && wanted == Some(good.digest)
}
