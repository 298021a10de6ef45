//! What a provider says about one member.

use std::{collections::BTreeMap, path::PathBuf};

use bytes::Bytes;
use motet_core::{MemberName, names};

/// One member as announced. Equal specs mean that nothing changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MemberSpec {
    /// Its name.
    pub name: MemberName,
    /// One kubeconfig, not yet looked at.
    pub kubeconfig: Bytes,
    /// Which context of it; else its current one.
    pub context: Option<String>,
    /// Where relative file paths in it start, if it came from a file.
    pub base: Option<PathBuf>,
    /// The member's labels.
    pub labels: BTreeMap<String, String>,
    /// Instead of the identity that the cluster tells.
    pub identity: Option<String>,
    /// What announced it, such as `secret/motet-system`.
    pub provider: String,
    /// When it was announced first, in seconds since 1970; of two members that are one cluster, the older one is served.
    pub created: i64,
}

impl MemberSpec {
    /// Whether it stays connected but runs nothing.
    pub fn paused(&self) -> bool {
        self.labels.get(names::PAUSED_LABEL).is_some_and(|v| v == "true")
    }

    /// Whether `other` leads to another connection.
    pub fn connects_differently(&self, other: &Self) -> bool {
        (&self.kubeconfig, &self.context, &self.base) != (&other.kubeconfig, &other.context, &other.base)
    }

    /// Its precedence among members that are the same cluster: lesser wins.
    pub(crate) fn rank(&self) -> (i64, MemberName) {
        (self.created, self.name.clone())
    }
}
