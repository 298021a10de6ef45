//! What can go wrong between a host and a registry, and whether trying again helps.

use std::time::Duration;

/// Why an image was not pulled or pushed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OciError {
    /// The image's name cannot be read.
    #[error("{0:?} is no image: write HOST/REPOSITORY:TAG or HOST/REPOSITORY@sha256:…: {1}")]
    Reference(String, String),
    /// The rules of this host forbid going there; nothing was sent.
    #[error("{0}")]
    Forbidden(String),
    /// The registry wants other credentials.
    #[error("{0}")]
    Unauthorized(String),
    /// There is no such image, tag or layer.
    #[error("{0}")]
    NotFound(String),
    /// The registry asks to wait.
    #[error("{message}")]
    Throttled {
        /// What it said.
        message: String,
        /// How long it wants to be left alone.
        after: Option<Duration>,
    },
    /// No answer, or one of its own failures.
    #[error("{0}")]
    Unreachable(String),
    /// What answers is no registry, or speaks the protocol wrongly.
    #[error("{0}")]
    Protocol(String),
    /// More bytes than a component may have.
    #[error("{0}")]
    TooLarge(String),
    /// Other bytes than their digest promises.
    #[error("{0}")]
    DigestMismatch(String),
    /// An image without a component in it that can be told from the rest.
    #[error("{0}")]
    Layout(String),
}

impl OciError {
    /// The reason as an UpperCamelCase word that does not change.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Reference(..) => "ImageInvalid",
            Self::Forbidden(_) => "RegistryForbidden",
            Self::Unauthorized(_) => "RegistryUnauthorized",
            Self::NotFound(_) => "ImageNotFound",
            Self::Throttled { .. } => "RegistryThrottled",
            Self::Unreachable(_) => "RegistryUnreachable",
            Self::Protocol(_) => "RegistryProtocol",
            Self::TooLarge(_) => "TooLarge",
            Self::DigestMismatch(_) => "DigestMismatch",
            Self::Layout(_) => "ImageLayout",
        }
    }

    /// Whether the registry is merely away or busy, so that a copy kept earlier still stands for what it has.
    pub fn is_transient(&self) -> bool {
        matches!(self, Self::Throttled { .. } | Self::Unreachable(_))
    }

    /// How long the registry asks to wait.
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Throttled { after, .. } => *after,
            _ => None,
        }
    }
}
