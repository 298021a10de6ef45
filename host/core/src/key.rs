//! What the queue holds: one plugin, one member, one object of it (or the member itself).

use std::fmt;

use serde::Serialize;

use crate::{MemberName, ObjectName, PluginName};

/// What a reconcile is about.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
pub enum Target {
    /// The member itself: one key per member.
    Member,
    /// One object of the plugin's primary kind.
    Object(ObjectName),
}

impl fmt::Display for Target {
    /// The form that owner annotations carry: `NAMESPACE/NAME`, `NAME` for a cluster-scoped object, `@member` for the member.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Target::Member => f.write_str("@member"),
            Target::Object(name) => fmt::Display::fmt(name, f),
        }
    }
}

impl Target {
    /// Reads the form that [`Display`](fmt::Display) writes; `None` for text that no target prints as.
    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "" => None,
            "@member" => Some(Target::Member),
            _ => ObjectName::parse(text).map(Target::Object),
        }
    }
}

/// One unit of work. At most one reconcile of a key runs at a time.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
pub struct Key {
    /// Whose reconciler runs.
    pub plugin: PluginName,
    /// On which member.
    pub member: MemberName,
    /// About what.
    pub target: Target,
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}:{}", self.plugin, self.member, self.target)
    }
}

/// How urgent a key is. Greater runs earlier; a key that is added twice keeps the greater one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
pub enum Priority {
    /// Initial lists, relists and re-reconciles after new code: floods that must not delay fresh changes.
    Low,
    /// A change seen on a watch, a retry, a requeue.
    Normal,
    /// Deletions of primaries and probes an operator asked for.
    High,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_reads_back_what_it_prints() {
        for target in [
            Target::Member,
            Target::Object(ObjectName::cluster("node-1")),
            Target::Object(ObjectName::namespaced("shop", "web")),
        ] {
            assert_eq!(Target::parse(&target.to_string()), Some(target));
        }
        assert_eq!(Target::parse(""), None);
        assert_eq!(Target::parse("a/b/c"), None);
        assert_eq!(Target::parse("/b"), None);
    }
}
