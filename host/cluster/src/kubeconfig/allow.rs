//! What the operator can allow a kubeconfig to make the host do.

use std::{collections::BTreeSet, str::FromStr};

/// What `--allow-kubeconfig` can admit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Allow {
    /// Credential programs.
    Exec,
    /// Legacy auth providers; only their stored token is used.
    AuthProvider,
    /// Paths of files beside the kubeconfig.
    Files,
    /// An HTTP proxy.
    ProxyUrl,
    /// No check of the server's certificate.
    InsecureTls,
}

impl Allow {
    /// All of them, for a kubeconfig that the operator wrote (the hub's own).
    pub fn all() -> BTreeSet<Self> {
        [Self::Exec, Self::AuthProvider, Self::Files, Self::ProxyUrl, Self::InsecureTls].into()
    }

    /// The word on the command line.
    pub fn word(self) -> &'static str {
        match self {
            Self::Exec => "exec",
            Self::AuthProvider => "auth-provider",
            Self::Files => "files",
            Self::ProxyUrl => "proxy-url",
            Self::InsecureTls => "insecure-tls",
        }
    }

    pub(super) fn does(self) -> &'static str {
        match self {
            Self::Exec => "run a program",
            Self::AuthProvider => "use a legacy auth provider",
            Self::Files => "read its own files",
            Self::ProxyUrl => "dial another server",
            Self::InsecureTls => "trust any certificate",
        }
    }
}

impl std::fmt::Display for Allow {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.word())
    }
}

impl FromStr for Allow {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Self::all()
            .into_iter()
            .find(|a| a.word() == text)
            .ok_or_else(|| format!("{text:?} is not one of exec, auth-provider, files, proxy-url, insecure-tls"))
    }
}
