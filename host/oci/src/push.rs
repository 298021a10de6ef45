//! Pushes a component as an image of one layer, in the layout that the Wasm working group agreed on.

use bytes::Bytes;
use http::{Method, StatusCode, header};
use motet_core::Digest;
use serde_json::json;

use crate::{ARTIFACT_TYPE, OciError, Registry, WASM, registry::Call, transport::absolute};

const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";

/// What a push made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pushed {
    /// The digest of the manifest: what `spec.source.oci.digest` pins and signatures are about.
    pub image: Digest,
    /// The digest of the component: what `spec.digest` pins.
    pub component: Digest,
}

/// Pushes `component` under the tag of the registry's image. Equal bytes make an equal image, whenever they are pushed.
pub async fn push(registry: &Registry, component: Bytes) -> Result<Pushed, OciError> {
    let digest = Digest::of(&component);
    let size = component.len();
    let config = json!({
        "architecture": "wasm",
        "os": "wasip2",
        "layerDigests": [digest.to_string()],
    });
    let config = Bytes::from(config.to_string());
    let config_digest = blob(registry, config.clone()).await?;
    blob(registry, component).await?;
    let manifest = json!({
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "config": { "mediaType": ARTIFACT_TYPE, "digest": config_digest.to_string(), "size": config.len() },
        "layers": [{
            "mediaType": WASM,
            "digest": digest.to_string(),
            "size": size,
            "annotations": { "org.opencontainers.image.title": "plugin.wasm" },
        }],
    });
    let bytes = Bytes::from(manifest.to_string());
    let image = Digest::of(&bytes);
    let name = registry.image().tag().map_or_else(|| image.to_string(), String::from);
    let mut call = Call::new(Method::PUT, format!("manifests/{name}"));
    call.headers.insert(header::CONTENT_TYPE, header::HeaderValue::from_static(MANIFEST));
    call.body = bytes;
    registry.call(call).await?;
    Ok(Pushed { image, component: digest })
}

/// Uploads one blob, unless it is there.
async fn blob(registry: &Registry, bytes: Bytes) -> Result<Digest, OciError> {
    let digest = Digest::of(&bytes);
    match registry.call(Call::new(Method::HEAD, format!("blobs/{digest}"))).await {
        Ok(_) => return Ok(digest),
        Err(OciError::NotFound(_)) => {}
        Err(error) => return Err(error),
    }
    let started = registry.call(Call::new(Method::POST, "blobs/uploads/")).await?;
    if started.status() != StatusCode::ACCEPTED {
        return Err(OciError::Protocol(format!(
            "{} takes no uploads: it answers {}",
            registry.image().registry(),
            started.status()
        )));
    }
    let location = started.headers().get(header::LOCATION).and_then(|v| v.to_str().ok()).unwrap_or_default();
    let separator = if location.contains('?') { '&' } else { '?' };
    let to = absolute(&registry.base()?, &format!("{location}{separator}digest={digest}"))
        .ok_or_else(|| OciError::Protocol(format!("{} names no place for the upload", registry.image().registry())))?;
    let mut call = Call::new(Method::PUT, "");
    call.to = Err(to);
    call.headers.insert(header::CONTENT_TYPE, header::HeaderValue::from_static("application/octet-stream"));
    call.body = bytes;
    registry.call(call).await?;
    Ok(digest)
}
