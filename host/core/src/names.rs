//! The names Motet writes into clusters. They are public: people and dashboards select by them.

use crate::{PluginName, Target};

/// Label with value `true` on every object that a plugin applied.
pub const MANAGED_LABEL: &str = "motet.dev/managed";
/// Label with value `true` that makes a hub Secret a member.
pub const MEMBER_LABEL: &str = "motet.dev/member";
/// Label with value `true` that keeps a member connected but runs nothing on it.
pub const PAUSED_LABEL: &str = "motet.dev/paused";
/// Annotation that picks a context of the member's kubeconfig.
pub const CONTEXT_ANNOTATION: &str = "motet.dev/context";
/// Annotation that overrides the member's identity.
pub const IDENTITY_ANNOTATION: &str = "motet.dev/identity";
/// Annotation on a Plugin whose change ends the quarantine of its bindings.
pub const RELEASE_ANNOTATION: &str = "motet.dev/release";
/// Annotation on a Plugin: the digest of an earlier good revision to run instead of what the source offers.
pub const ROLLBACK_ANNOTATION: &str = "motet.dev/rollback";
/// Annotation on a plugin's ConfigMap: the digest of the whole component, unpacked.
pub const DIGEST_ANNOTATION: &str = "motet.dev/digest";
/// Annotation on a plugin's ConfigMap: the names of the ConfigMaps that hold its parts, in order, separated by commas.
pub const CHUNKS_ANNOTATION: &str = "motet.dev/chunks";
/// Label on the parts: the ConfigMap that names them.
pub const CHUNK_OF_LABEL: &str = "motet.dev/chunk-of";
/// Annotation on a plugin's ConfigMap: a detached signature of the component, as `cosign sign-blob` writes it.
pub const SIGNATURE_ANNOTATION: &str = "motet.dev/signature";
/// The namespace, on the hub by default and on every member, that holds Motet's own objects.
pub const SYSTEM_NAMESPACE: &str = "motet-system";

/// The field manager of what the host writes for itself: records, Leases, status. What it applies for a plugin has
/// [`field_manager`].
pub const HOST_MANAGER: &str = "motet-host";
/// API group of Motet's own custom resources.
pub const GROUP: &str = "motet.dev";
/// Prefix of the annotation that maps an applied object to its key and set.
const OWNER_PREFIX: &str = "owner.motet.dev/";
/// Prefix of the field manager of a plugin's writes.
pub const MANAGER_PREFIX: &str = "motet/";

/// The field manager of a plugin's writes.
pub fn field_manager(plugin: &PluginName) -> String {
    format!("{MANAGER_PREFIX}{plugin}")
}

/// The finalizer that holds a primary until the plugin has cleaned up.
pub fn finalizer(plugin: &PluginName) -> String {
    format!("{GROUP}/{plugin}")
}

/// The name of the ConfigMap in [`SYSTEM_NAMESPACE`] on a member that records what a binding ever applied.
pub fn record_name(plugin: &PluginName) -> String {
    format!("motet-{plugin}")
}

/// The annotation of an applied object that names its owner.
pub fn owner_annotation(plugin: &PluginName) -> String {
    format!("{OWNER_PREFIX}{plugin}")
}

/// The plugin that an annotation key names, if it is an owner annotation.
pub fn owner_plugin(annotation: &str) -> Option<PluginName> {
    annotation.strip_prefix(OWNER_PREFIX).and_then(|name| PluginName::new(name).ok())
}

/// The value of an owner annotation: `KEY#SET`, with an empty set for a plain apply.
pub fn owner_value(target: &Target, set: &str) -> String {
    format!("{target}#{set}")
}

/// Splits an owner annotation's value into key and set.
pub fn parse_owner_value(value: &str) -> Option<(Target, &str)> {
    let (key, set) = value.split_once('#')?;
    Some((Target::parse(key)?, set))
}
