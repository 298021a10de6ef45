//! Kinds as clients name them (group, version, kind) and as API servers serve them (resource).

use std::{fmt, sync::Arc};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Group, version and kind. The core group is the empty string.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Gvk {
    /// API group; empty for the core group.
    #[serde(default)]
    pub group: Arc<str>,
    /// API version, such as `v1`.
    pub version: Arc<str>,
    /// Kind, such as `ConfigMap`.
    pub kind: Arc<str>,
}

impl Gvk {
    /// Builds one from its three parts.
    pub fn new(group: &str, version: &str, kind: &str) -> Self {
        Self { group: group.into(), version: version.into(), kind: kind.into() }
    }

    /// Splits an object's `apiVersion`; `None` where it has more than one slash or an empty part.
    pub fn from_api_version(api_version: &str, kind: &str) -> Option<Self> {
        let (group, version) = api_version.rsplit_once('/').unwrap_or(("", api_version));
        let valid = !version.is_empty() && !kind.is_empty() && !group.contains('/');
        (valid && (api_version.contains('/') != group.is_empty())).then(|| Self::new(group, version, kind))
    }

    /// The `apiVersion` field of this kind's objects.
    pub fn api_version(&self) -> String {
        if self.group.is_empty() { self.version.to_string() } else { format!("{}/{}", self.group, self.version) }
    }

    /// Whether both name the same kind, whatever the version: owner references and grants ignore versions.
    pub fn same_kind(&self, other: &Gvk) -> bool {
        self.group == other.group && self.kind == other.kind
    }
}

impl fmt::Display for Gvk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.api_version(), self.kind)
    }
}

/// How one cluster serves one kind, as its discovery says.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize)]
pub struct Resource {
    /// The kind.
    pub gvk: Gvk,
    /// The name in URLs and RBAC rules, such as `configmaps`.
    pub plural: Arc<str>,
    /// Whether objects live in a namespace.
    pub namespaced: bool,
    /// Whether the `status` subresource is served.
    pub status: bool,
    /// Whether the kind can be listed and watched.
    pub watchable: bool,
}

impl fmt::Display for Resource {
    /// `plural.group`, as kubectl prints it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.plural)?;
        if self.gvk.group.is_empty() { Ok(()) } else { write!(f, ".{}", self.gvk.group) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn api_versions_split_and_join() {
        for text in ["v1", "apps/v1", "networking.k8s.io/v1"] {
            assert_eq!(Gvk::from_api_version(text, "X").unwrap().api_version(), text);
        }
        for text in ["", "/v1", "a/b/c", "a/"] {
            assert_eq!(Gvk::from_api_version(text, "X"), None, "{text}");
        }
    }
}
