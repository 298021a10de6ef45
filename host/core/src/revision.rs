//! What the catalog hands to dispatch: one plugin with code that compiled, as the operator wants it to run.

use std::sync::Arc;

use crate::{
    Digest, PluginName, defaults,
    description::{Description, Primary},
    grant::Permissions,
    plugin::PluginSpec,
    ports::{Limits, Sandbox},
    request::MemberInfo,
};
use bytes::Bytes;

/// One plugin at one digest. Immutable: a change of code, config, grants or limits is a new revision.
#[derive(Clone)]
pub struct Revision {
    /// The operator's name for it.
    pub name: PluginName,
    /// The component's digest.
    pub digest: Digest,
    /// What it says about itself.
    pub description: Description,
    /// What the operator says.
    pub spec: PluginSpec,
    /// The operator's limits, resolved.
    pub limits: Limits,
    /// Its code.
    pub sandbox: Arc<dyn Sandbox>,
    /// The value of the release annotation: a change ends quarantine.
    pub release: String,
}

impl Revision {
    /// Whether the plugin runs on a member with these labels.
    pub fn selects(&self, member: &MemberInfo) -> bool {
        self.spec.members.matches(|key| label(member, key))
    }

    /// The config for a member, with the defaults of the plugin's schema filled in.
    pub fn config(&self, member: &MemberInfo) -> Bytes {
        let mut config = self.spec.config_for(|key| label(member, key));
        if let Some(schema) = &self.description.config {
            defaults::fill(schema, &mut config);
        }
        config.to_string().into()
    }

    /// What it may do: the intersection is taken at every check.
    pub fn permissions(&self) -> Permissions {
        Permissions::new(self.description.needs.clone(), self.spec.grants.clone())
    }

    /// Whether bindings of `other` can go on with this one's code without new watches.
    pub fn same_watches(&self, other: &Revision) -> bool {
        let (a, b) = (&self.description, &other.description);
        a.primary == b.primary && a.related == b.related && a.applies == b.applies
    }

    /// Whether keys are members.
    pub fn member_primary(&self) -> bool {
        matches!(self.description.primary, Primary::Member {})
    }
}

fn label<'a>(member: &'a MemberInfo, key: &str) -> Option<&'a str> {
    member.labels.iter().find(|(k, _)| k == key).map(|(_, v)| v.as_str())
}
