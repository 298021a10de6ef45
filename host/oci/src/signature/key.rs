//! Public keys that operators trust, and what they verify.

use ring::signature::{
    ECDSA_P256_SHA256_ASN1, ECDSA_P384_SHA384_ASN1, ED25519, RSA_PKCS1_2048_8192_SHA256, UnparsedPublicKey,
    VerificationAlgorithm,
};
use x509_parser::{
    pem::parse_x509_pem, prelude::FromDer as _, public_key::PublicKey as Parsed, x509::SubjectPublicKeyInfo,
};

/// A public key with the name that people know it by.
#[derive(Clone)]
pub struct PublicKey {
    name: String,
    algorithm: &'static dyn VerificationAlgorithm,
    bytes: Vec<u8>,
}

impl std::fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("PublicKey").field(&self.name).finish()
    }
}

impl PartialEq for PublicKey {
    fn eq(&self, other: &Self) -> bool {
        (&self.name, &self.bytes) == (&other.name, &other.bytes)
    }
}

impl PublicKey {
    /// Reads a PEM public key as `cosign generate-key-pair` writes it: ECDSA on P-256 or P-384, Ed25519 or RSA.
    pub fn from_pem(name: &str, pem: &str) -> Result<Self, String> {
        let wrong = |why: &str| format!("the key {name:?} cannot be used: {why}");
        let (_, parsed) = parse_x509_pem(pem.trim().as_bytes()).map_err(|_| wrong("it is no PEM public key"))?;
        if parsed.label != "PUBLIC KEY" {
            return Err(wrong(&format!("it is a {}, not a PUBLIC KEY", parsed.label)));
        }
        let (_, info) =
            SubjectPublicKeyInfo::from_der(&parsed.contents).map_err(|_| wrong("its DER cannot be read"))?;
        let raw = info.subject_public_key.data.to_vec();
        let (algorithm, bytes): (&'static dyn VerificationAlgorithm, _) = match info.parsed() {
            Ok(Parsed::EC(point)) if point.key_size() == 256 => (&ECDSA_P256_SHA256_ASN1, raw),
            Ok(Parsed::EC(point)) if point.key_size() == 384 => (&ECDSA_P384_SHA384_ASN1, raw),
            Ok(Parsed::RSA(_)) => (&RSA_PKCS1_2048_8192_SHA256, raw),
            _ if info.algorithm.algorithm.to_id_string() == "1.3.101.112" => (&ED25519, raw),
            _ => return Err(wrong("it is neither ECDSA on P-256 or P-384, nor Ed25519, nor RSA")),
        };
        Ok(Self { name: name.into(), algorithm, bytes })
    }

    /// What people call it.
    pub fn name(&self) -> &str {
        &self.name
    }

    pub(super) fn verifies(&self, message: &[u8], signature: &[u8]) -> bool {
        UnparsedPublicKey::new(self.algorithm, &self.bytes).verify(message, signature).is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_of_each_kind_are_read() {
        for algorithm in [&rcgen::PKCS_ECDSA_P256_SHA256, &rcgen::PKCS_ECDSA_P384_SHA384, &rcgen::PKCS_ED25519] {
            let pair = rcgen::KeyPair::generate_for(algorithm).unwrap();
            assert_eq!(PublicKey::from_pem("k", &pair.public_key_pem()).unwrap().name(), "k");
        }
    }

    #[test]
    fn what_is_no_public_key_is_refused_by_name() {
        let private = rcgen::KeyPair::generate().unwrap().serialize_pem();
        for (pem, word) in [("", "no PEM"), ("hello", "no PEM"), (&*private, "PRIVATE KEY")] {
            let error = PublicKey::from_pem("release", pem).unwrap_err();
            assert!(error.contains("release") && error.contains(word), "{error}");
        }
    }
}
