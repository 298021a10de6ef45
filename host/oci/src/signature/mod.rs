//! Cosign signatures by public key: found beside an image by tag or as a referrer, checked here without any further service.
//!
//! Formats: cosign's simple signing payloads under the tag `sha256-DIGEST.sig`, and Sigstore bundles (DSSE, in-toto statement)
//! that refer to the image. Transparency logs are not asked: a key is trusted because the operator named it.

mod formats;
mod key;

use motet_core::Digest;
use serde::{Deserialize, Serialize};

pub use key::PublicKey;

use crate::{OciError, Registry};
use formats::{BUNDLE, SIMPLE, SIMPLE_ANNOTATION};

/// Signatures looked at per image: more is somebody's mistake or an attack on our time.
const MAX_SIGNATURES: usize = 32;
/// Bytes of one signature's payload or bundle at most.
const MAX_SIGNATURE: u64 = 256 << 10;

/// One signature as it was found, so that it can be checked again without its registry.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", tag = "format")]
pub enum Found {
    /// A simple signing payload and the signature over it, in base64.
    Simple {
        /// The payload's JSON.
        payload: String,
        /// The signature.
        signature: String,
    },
    /// A Sigstore bundle.
    Bundle {
        /// Its JSON.
        bundle: String,
    },
}

/// Fetches every signature that is kept beside the image `digest`.
pub async fn find(registry: &Registry, digest: Digest) -> Result<Vec<Found>, OciError> {
    let mut found = by_tag(registry, digest).await?;
    for referrer in registry.referrers(digest).await?.into_iter().take(MAX_SIGNATURES) {
        if found.len() >= MAX_SIGNATURES {
            break;
        }
        let kind = referrer.artifact_type().as_ref().map(ToString::to_string);
        if kind.is_some_and(|k| !k.starts_with(BUNDLE)) {
            continue;
        }
        found.extend(bundles(registry, referrer.digest().as_ref()).await?);
    }
    Ok(found)
}

async fn by_tag(registry: &Registry, digest: Digest) -> Result<Vec<Found>, OciError> {
    let manifest = match registry.resolve(&format!("sha256-{}.sig", digest.hex())).await {
        Ok(signatures) => registry.manifest(signatures).await?,
        Err(OciError::NotFound(_)) => return Ok(vec![]),
        Err(error) => return Err(error),
    };
    let image = formats::image(&manifest)?;
    let mut found = Vec::new();
    for layer in image.layers().iter().filter(|l| l.media_type().to_string() == SIMPLE).take(MAX_SIGNATURES) {
        let signature = layer.annotations().as_ref().and_then(|a| a.get(SIMPLE_ANNOTATION));
        let Some(signature) = signature else { continue };
        let payload = registry.blob(layer, MAX_SIGNATURE).await?;
        found.push(Found::Simple {
            payload: String::from_utf8_lossy(&payload).into_owned(),
            signature: signature.clone(),
        });
    }
    Ok(found)
}

async fn bundles(registry: &Registry, manifest: &str) -> Result<Vec<Found>, OciError> {
    let Ok(digest) = Digest::try_from(manifest.to_owned()) else { return Ok(vec![]) };
    let image = formats::image(&registry.manifest(digest).await?)?;
    let mut found = Vec::new();
    for layer in image.layers().iter().filter(|l| l.media_type().to_string().starts_with(BUNDLE)).take(MAX_SIGNATURES) {
        let bundle = registry.blob(layer, MAX_SIGNATURE).await?;
        found.push(Found::Bundle { bundle: String::from_utf8_lossy(&bundle).into_owned() });
    }
    Ok(found)
}

/// The names of the keys that signed the image `digest`. The error says why none of `found` counts.
pub fn check(found: &[Found], digest: Digest, keys: &[PublicKey]) -> Result<Vec<String>, String> {
    if found.is_empty() {
        return Err(format!("{digest} is not signed"));
    }
    let (mut signers, mut reasons) = (Vec::new(), Vec::new());
    for signature in found {
        match formats::signed_by(signature, digest, keys) {
            Ok(key) => signers.push(key.name().to_owned()),
            Err(reason) => reasons.push(reason),
        }
    }
    signers.sort();
    signers.dedup();
    reasons.sort();
    reasons.dedup();
    if signers.is_empty() {
        Err(format!("no signature of {digest} counts: {}", reasons.join("; ")))
    } else {
        Ok(signers)
    }
}

/// Whether a detached signature (base64, as `cosign sign-blob` writes it) of `bytes` is by one of `keys`; its name.
pub fn check_blob(bytes: &[u8], signature: &str, keys: &[PublicKey]) -> Result<String, String> {
    let signature = formats::decode(signature)?;
    let signer = keys.iter().find(|k| k.verifies(bytes, &signature));
    signer
        .map(|k| k.name().to_owned())
        .ok_or_else(|| "the signature is by none of the keys that are trusted, or of other bytes".into())
}
