//! A `Plugin` object, read strictly: a misspelt field is an error that names the nearest known one.

use std::collections::BTreeMap;

use motet_core::{
    Digest, PluginName,
    names::{RELEASE_ANNOTATION, ROLLBACK_ANNOTATION},
    plugin::PluginSpec,
};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::Refusal;

/// The `apiVersion` of a `Plugin`.
pub const API_VERSION: &str = "motet.dev/v1alpha1";

/// One plugin as an operator wrote it.
#[derive(Debug, Clone, PartialEq)]
pub struct PluginObject {
    /// Its name.
    pub name: PluginName,
    /// Its generation, in the hub.
    pub generation: i64,
    /// The value of the release annotation.
    pub release: String,
    /// The digest of the rollback annotation: an earlier good revision to run instead of what the source offers.
    pub rollback: Option<Digest>,
    /// What is asked for.
    pub spec: PluginSpec,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Document {
    api_version: String,
    kind: String,
    metadata: Metadata,
    spec: PluginSpec,
    #[serde(default)]
    #[allow(dead_code, reason = "the hub's objects carry it; it is ours to write, not to read")]
    status: Option<Value>,
}

/// Metadata is the API server's business: what it adds is not an error.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Metadata {
    name: String,
    #[serde(default)]
    generation: i64,
    #[serde(default)]
    annotations: BTreeMap<String, String>,
}

impl PluginObject {
    /// Reads YAML from the folder.
    pub fn from_yaml(text: &[u8]) -> Result<Self, Refusal> {
        let document: Document = serde_yaml::from_slice(text).map_err(|e| invalid(&e.to_string()))?;
        document.check()
    }

    /// Reads JSON from the hub.
    pub fn from_json(json: &[u8]) -> Result<Self, Refusal> {
        let document: Document = serde_json::from_slice(json).map_err(|e| invalid(&e.to_string()))?;
        document.check()
    }
}

impl Document {
    fn check(self) -> Result<PluginObject, Refusal> {
        if (self.api_version.as_str(), self.kind.as_str()) != (API_VERSION, "Plugin") {
            let message = format!("it is a {} {}: this host reads {API_VERSION} Plugin", self.api_version, self.kind);
            return Err(Refusal::fetch("InvalidObject", message));
        }
        let name = PluginName::new(&self.metadata.name).map_err(|e| Refusal::fetch("InvalidObject", e.to_string()))?;
        self.spec.limits.resolve().map_err(|e| Refusal::fetch("InvalidObject", format!("spec.{e}")))?;
        let release = self.metadata.annotations.get(RELEASE_ANNOTATION).cloned().unwrap_or_default();
        let rollback =
            self.metadata.annotations.get(ROLLBACK_ANNOTATION).map(|d| Digest::try_from(d.clone())).transpose();
        let rollback =
            rollback.map_err(|e| Refusal::fetch("InvalidObject", format!("annotation {ROLLBACK_ANNOTATION}: {e}")))?;
        if self.spec.source.places() > 1 {
            let message = "spec.source names several places: exactly one of path, configMap and oci";
            return Err(Refusal::fetch("SourceInvalid", message));
        }
        Ok(PluginObject { name, generation: self.metadata.generation, release, rollback, spec: self.spec })
    }
}

fn invalid(message: &str) -> Refusal {
    let hint = nearest(message).map(|known| format!("; did you mean {known:?}?")).unwrap_or_default();
    Refusal::fetch("InvalidObject", format!("the Plugin cannot be read: {message}{hint}"))
}

/// The known field nearest to the unknown one, out of serde's own message (``unknown field `x`, expected one of `a`, `b` ``).
fn nearest(message: &str) -> Option<&str> {
    let (_, rest) = message.split_once("unknown field `")?;
    let (unknown, rest) = rest.split_once('`')?;
    let known = rest.split('`').skip(1).step_by(2);
    known
        .map(|k| (strsim::damerau_levenshtein(&unknown.to_lowercase(), &k.to_lowercase()), k))
        .min()
        .filter(|(distance, k)| *distance <= k.len().div_ceil(2))
        .map(|(_, k)| k)
}

/// What the host writes into `status` of a hub's Plugin.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct PluginObjectStatus {
    /// `Loading`, `Active`, `Rejected` or `Suspended`.
    pub state: String,
    /// The generation that this status is about.
    pub observed_generation: i64,
    /// The digest of the revision that runs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub digest: Option<String>,
    /// Bytes of its component.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub size: Option<u64>,
    /// The contract version it is built for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub contract: Option<String>,
    /// On how many members it is where.
    pub members: Members,
    /// Fetched, Verified, Compiled, Granted, Configured, Active, Degraded.
    pub conditions: Vec<ConditionStatus>,
    /// The first members on which it fails, and why.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub failing: Vec<FailingMember>,
    /// The last good revisions, the newest first: what `motet rollback` can return to without any registry.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub revisions: Vec<RevisionStatus>,
}

/// A member on which a plugin fails.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct FailingMember {
    /// The member.
    pub member: String,
    /// UpperCamelCase word.
    pub reason: String,
    /// For people.
    pub message: String,
}

/// One good revision.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct RevisionStatus {
    /// The component's digest.
    pub digest: String,
    /// Where it came from.
    pub from: String,
    /// The names of the keys that signed it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub signed_by: Vec<String>,
    /// Since when it was known to be good, RFC 3339.
    pub since: String,
}

/// Members by binding state.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Members {
    /// The selector selects them.
    pub selected: u32,
    /// It runs.
    pub active: u32,
    /// It waits for something.
    pub parked: u32,
    /// Its last run failed.
    pub failing: u32,
    /// Its code kept dying.
    pub quarantined: u32,
}

/// One condition, in the shape of `metav1.Condition`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct ConditionStatus {
    /// Which.
    #[serde(rename = "type")]
    pub kind: String,
    /// `True`, `False` or `Unknown`.
    pub status: String,
    /// UpperCamelCase word.
    pub reason: String,
    /// For people.
    pub message: String,
    /// When `status` last changed.
    pub last_transition_time: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str =
        "apiVersion: motet.dev/v1alpha1\nkind: Plugin\nmetadata: { name: x }\nspec:\n  onDelete: Prune\n";

    #[test]
    fn a_plugin_reads_from_yaml_and_json() {
        let yaml = PluginObject::from_yaml(GOOD.as_bytes()).unwrap();
        let json = br#"{"apiVersion":"motet.dev/v1alpha1","kind":"Plugin","metadata":{"name":"x","uid":"u"},"spec":{"onDelete":"Prune"},"status":{}}"#;
        assert_eq!(PluginObject::from_json(json).unwrap(), yaml);
    }

    #[test]
    fn a_misspelt_field_names_the_nearest() {
        let text = GOOD.replace("onDelete", "onDelet");
        let refusal = PluginObject::from_yaml(text.as_bytes()).unwrap_err();
        assert!(refusal.message.contains("did you mean \"onDelete\""), "{}", refusal.message);
        let text = format!("{GOOD}  grants: [{{ apiGroups: [\"\"], resource: [pods], verbs: [get] }}]\n");
        let refusal = PluginObject::from_yaml(text.as_bytes()).unwrap_err();
        assert!(refusal.message.contains("did you mean \"resources\""), "{}", refusal.message);
    }

    #[test]
    fn other_objects_and_bad_limits_are_refused() {
        for (from, to, word) in [
            ("kind: Plugin", "kind: Pod", "Pod"),
            ("name: x", "name: X_", "X_"),
            ("onDelete: Prune", "limits: { deadline: 5 parsecs }", "limits.deadline"),
        ] {
            let refusal = PluginObject::from_yaml(GOOD.replace(from, to).as_bytes()).unwrap_err();
            assert!(refusal.message.contains(word), "{}", refusal.message);
        }
        assert_eq!(PluginObject::from_yaml(b"{{{").unwrap_err().reason, "InvalidObject");
    }
}
