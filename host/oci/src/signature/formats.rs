//! What a signature says, and of what: both of cosign's formats, read strictly.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use motet_core::Digest;
use oci_spec::image::ImageManifest;
use serde::Deserialize;

use super::{Found, PublicKey};
use crate::{Manifest, OciError};

/// Layers of the tag scheme.
pub(super) const SIMPLE: &str = "application/vnd.dev.cosign.simplesigning.v1+json";
/// Where their signatures stand.
pub(super) const SIMPLE_ANNOTATION: &str = "dev.cosignproject.cosign/signature";
/// Sigstore bundles of any minor version.
pub(super) const BUNDLE: &str = "application/vnd.dev.sigstore.bundle.v0";
/// What a simple signing payload must call itself.
const SIMPLE_TYPE: &str = "cosign container image signature";
/// What a statement must be: attestations by the same key say other things than "this may run".
const SIGN_PREDICATE: &str = "https://sigstore.dev/cosign/sign/v1";
const STATEMENT_TYPE: &str = "application/vnd.in-toto+json";

#[derive(Deserialize)]
struct Simple {
    critical: Critical,
}

#[derive(Deserialize)]
struct Critical {
    image: CriticalImage,
    #[serde(rename = "type")]
    kind: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct CriticalImage {
    docker_manifest_digest: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Bundle {
    dsse_envelope: Envelope,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Envelope {
    payload: String,
    payload_type: String,
    signatures: Vec<Signature>,
}

#[derive(Deserialize)]
struct Signature {
    sig: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Statement {
    predicate_type: String,
    subject: Vec<Subject>,
}

#[derive(Deserialize)]
struct Subject {
    digest: SubjectDigest,
}

#[derive(Deserialize)]
struct SubjectDigest {
    sha256: Option<String>,
}

pub(super) fn image(manifest: &Manifest) -> Result<ImageManifest, OciError> {
    serde_json::from_slice(&manifest.bytes)
        .map_err(|e| OciError::Protocol(format!("the manifest {} of a signature cannot be read: {e}", manifest.digest)))
}

pub(super) fn decode(base64: &str) -> Result<Vec<u8>, String> {
    STANDARD.decode(base64.trim()).map_err(|_| "the signature is not base64".into())
}

/// The key that signed `digest` with `found`. First the key, then what was signed: words that nobody signed are not even read.
pub(super) fn signed_by<'k>(found: &Found, digest: Digest, keys: &'k [PublicKey]) -> Result<&'k PublicKey, String> {
    let wrong_key = || "it is by none of the keys that are trusted".to_owned();
    match found {
        Found::Simple { payload, signature } => {
            let signature = decode(signature)?;
            let key = keys.iter().find(|k| k.verifies(payload.as_bytes(), &signature)).ok_or_else(wrong_key)?;
            let simple: Simple =
                serde_json::from_str(payload).map_err(|e| format!("its payload cannot be read: {e}"))?;
            if simple.critical.kind != SIMPLE_TYPE {
                return Err(format!("it is a {:?}", simple.critical.kind));
            }
            names(&simple.critical.image.docker_manifest_digest, digest).map(|()| key)
        }
        Found::Bundle { bundle } => {
            let bundle: Bundle = serde_json::from_str(bundle).map_err(|e| format!("its bundle cannot be read: {e}"))?;
            let envelope = bundle.dsse_envelope;
            let payload = STANDARD.decode(&envelope.payload).map_err(|_| "its payload is not base64".to_owned())?;
            let message = pre_authentication(&envelope.payload_type, &payload);
            let signatures: Vec<Vec<u8>> = envelope.signatures.iter().filter_map(|s| decode(&s.sig).ok()).collect();
            let key = keys.iter().find(|k| signatures.iter().any(|s| k.verifies(&message, s))).ok_or_else(wrong_key)?;
            statement(&envelope.payload_type, &payload, digest).map(|()| key)
        }
    }
}

fn statement(kind: &str, payload: &[u8], digest: Digest) -> Result<(), String> {
    if kind != STATEMENT_TYPE {
        return Err(format!("it signs a {kind:?}"));
    }
    let statement: Statement =
        serde_json::from_slice(payload).map_err(|e| format!("its statement cannot be read: {e}"))?;
    if statement.predicate_type != SIGN_PREDICATE {
        return Err(format!("it is an attestation ({}), not a signature", statement.predicate_type));
    }
    let hexes: Vec<String> = statement.subject.into_iter().filter_map(|s| s.digest.sha256).collect();
    match &hexes[..] {
        [hex] => names(&format!("sha256:{hex}"), digest),
        _ => Err("it names no image, or several".into()),
    }
}

fn names(signed: &str, digest: Digest) -> Result<(), String> {
    if signed == digest.to_string() { Ok(()) } else { Err(format!("it is the signature of another image, {signed}")) }
}

/// The bytes that a DSSE signature is over.
fn pre_authentication(kind: &str, payload: &[u8]) -> Vec<u8> {
    let mut message = format!("DSSEv1 {} {kind} {} ", kind.len(), payload.len()).into_bytes();
    message.extend_from_slice(payload);
    message
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::signature::check;
    use ring::{
        rand::SystemRandom,
        signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair},
    };
    use serde_json::json;

    struct Signer {
        key: PublicKey,
        pair: EcdsaKeyPair,
    }

    fn signer(name: &str) -> Signer {
        let pair = rcgen::KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256).unwrap();
        let der = pair.serialize_der();
        let key = PublicKey::from_pem(name, &pair.public_key_pem()).unwrap();
        Signer {
            key,
            pair: EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, &der, &SystemRandom::new()).unwrap(),
        }
    }

    impl Signer {
        fn sign(&self, message: &[u8]) -> String {
            STANDARD.encode(self.pair.sign(&SystemRandom::new(), message).unwrap())
        }

        fn simple(&self, digest: Digest, kind: &str) -> Found {
            let payload = json!({"critical": {"identity": {"docker-reference": "r/p"}, "type": kind,
                "image": {"docker-manifest-digest": digest.to_string()}}, "optional": null})
            .to_string();
            Found::Simple { signature: self.sign(payload.as_bytes()), payload }
        }

        fn bundle(&self, digests: &[Digest], predicate: &str) -> Found {
            let subjects: Vec<_> = digests.iter().map(|d| json!({"digest": {"sha256": d.hex()}})).collect();
            let payload =
                json!({"_type": "https://in-toto.io/Statement/v1", "subject": subjects, "predicateType": predicate})
                    .to_string();
            let sig = self.sign(&pre_authentication(STATEMENT_TYPE, payload.as_bytes()));
            let bundle = json!({"dsseEnvelope": {"payload": STANDARD.encode(&payload), "payloadType": STATEMENT_TYPE, "signatures": [{"sig": sig}]}});
            Found::Bundle { bundle: bundle.to_string() }
        }
    }

    #[test]
    fn both_formats_count_for_the_image_that_was_signed() {
        let (signer, digest) = (signer("release"), Digest::of(b"image"));
        let keys = [signer.key.clone()];
        for found in [signer.simple(digest, SIMPLE_TYPE), signer.bundle(&[digest], SIGN_PREDICATE)] {
            assert_eq!(check(&[found], digest, &keys).unwrap(), ["release"]);
        }
    }

    #[test]
    fn nothing_else_counts_and_the_reason_is_said() {
        let (signer, other, digest) = (signer("release"), signer("other"), Digest::of(b"image"));
        let keys = [signer.key.clone()];
        let elsewhere = Digest::of(b"another image");
        let mut tampered = signer.simple(elsewhere, SIMPLE_TYPE);
        if let Found::Simple { payload, .. } = &mut tampered {
            *payload = payload.replace(&elsewhere.hex(), &digest.hex());
        }
        for (found, word) in [
            (vec![], "not signed"),
            (vec![other.simple(digest, SIMPLE_TYPE)], "none of the keys"),
            (vec![other.bundle(&[digest], SIGN_PREDICATE)], "none of the keys"),
            (vec![tampered], "none of the keys"),
            (vec![signer.simple(elsewhere, SIMPLE_TYPE)], "another image"),
            (vec![signer.bundle(&[elsewhere], SIGN_PREDICATE)], "another image"),
            (vec![signer.bundle(&[digest, elsewhere], SIGN_PREDICATE)], "several"),
            (vec![signer.bundle(&[digest], "https://cosign.sigstore.dev/attestation/vuln/v1")], "attestation"),
            (vec![signer.simple(digest, "something else")], "something else"),
            (vec![Found::Bundle { bundle: "{}".into() }], "cannot be read"),
            (vec![Found::Simple { payload: "{}".into(), signature: "%".into() }], "base64"),
        ] {
            let error = check(&found, digest, &keys).unwrap_err();
            assert!(error.contains(word), "{word}: {error}");
        }
        let mixed = [other.simple(digest, SIMPLE_TYPE), signer.simple(digest, SIMPLE_TYPE)];
        assert_eq!(check(&mixed, digest, &keys).unwrap(), ["release"], "one good signature among others is enough");
    }
}
