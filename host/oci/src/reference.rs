//! The name of an image.

use std::{fmt, str::FromStr};

use motet_core::Digest;
use oci_spec::distribution::Reference;

use crate::OciError;

/// `HOST/REPOSITORY:TAG`, `HOST/REPOSITORY@DIGEST` or both; then the digest counts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Image {
    reference: Reference,
    digest: Option<Digest>,
}

impl FromStr for Image {
    type Err = OciError;

    /// Reads one. A host must be named: short names would silently mean a public registry.
    fn from_str(text: &str) -> Result<Self, OciError> {
        let invalid = |why: String| OciError::Reference(text.into(), why);
        let host = text.split_once('/').map(|(host, _)| host);
        if !host.is_some_and(|h| h.contains(['.', ':']) || h == "localhost") {
            return Err(invalid("it names no registry host".into()));
        }
        let reference: Reference = text.parse().map_err(|e| invalid(format!("{e}")))?;
        let digest = match reference.digest() {
            Some(digest) => Some(Digest::try_from(digest.to_owned()).map_err(|e| invalid(e.to_string()))?),
            None => None,
        };
        Ok(Self { reference, digest })
    }
}

impl fmt::Display for Image {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.reference.fmt(f)
    }
}

impl Image {
    /// Host and port of the registry, as it is named.
    pub fn registry(&self) -> &str {
        self.reference.registry()
    }

    /// Host and port that answer for it.
    pub(crate) fn endpoint(&self) -> &str {
        self.reference.resolve_registry()
    }

    /// The repository.
    pub fn repository(&self) -> &str {
        self.reference.repository()
    }

    /// Registry and repository, without tag or digest: what policies are about.
    pub fn name(&self) -> String {
        format!("{}/{}", self.registry(), self.repository())
    }

    /// The tag, if no digest is named; `latest` where there is neither.
    pub fn tag(&self) -> Option<&str> {
        if self.digest.is_some() { None } else { Some(self.reference.tag().unwrap_or("latest")) }
    }

    /// The digest of the manifest, if it is named.
    pub fn digest(&self) -> Option<Digest> {
        self.digest
    }

    /// The same image by this digest.
    pub fn with_digest(&self, digest: Digest) -> Self {
        Self { reference: self.reference.clone_with_digest(digest.to_string()), digest: Some(digest) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_with_their_host() {
        let hex = "ab".repeat(32);
        let tagged: Image = "r.example:5000/team/plugin:v1".parse().unwrap();
        assert_eq!(
            (tagged.registry(), tagged.repository(), tagged.tag()),
            ("r.example:5000", "team/plugin", Some("v1"))
        );
        let bare: Image = "localhost/p".parse().unwrap();
        assert_eq!(bare.tag(), Some("latest"));
        let pinned: Image = format!("r.example/p:v1@sha256:{hex}").parse().unwrap();
        assert!(pinned.tag().is_none() && pinned.digest().is_some());
        assert_eq!(pinned.name(), "r.example/p");
    }

    #[test]
    fn what_names_no_host_or_is_no_name_is_refused() {
        for bad in [
            "",
            "plugin",
            "team/plugin:v1",
            "r.example/",
            "r.example/UPPER",
            "r.example/p@sha256:12",
            "https://r.example/p",
        ] {
            let error = bad.parse::<Image>().unwrap_err();
            assert_eq!(error.reason(), "ImageInvalid", "{bad}: {error}");
        }
    }
}
