//! What an operator says about a plugin: the spec of a `Plugin` object, in the folder or in the hub.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{Digest, grant::Rule, ports::Limits, selector::Selector, units};

/// What a plugin's intents lead to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Mode {
    /// They are written.
    #[default]
    Enforce,
    /// They are computed and reported, nothing is written.
    Observe,
}

/// What happens to a plugin's objects when it leaves a member.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum OnDelete {
    /// They stay.
    #[default]
    Keep,
    /// What its apply-sets own is deleted, and clean-up runs.
    Prune,
}

/// Where the component comes from; exactly one field is set.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Source {
    /// A file, relative to the YAML; folder only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// A key of a ConfigMap in the hub's namespace.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub config_map: Option<ConfigMapSource>,
    /// An image in an OCI registry.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub oci: Option<OciSource>,
}

/// An image in an OCI registry. A tag is resolved again at intervals, a digest never.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct OciSource {
    /// `HOST/REPOSITORY:TAG` or `HOST/REPOSITORY@sha256:…`.
    pub image: String,
    /// The digest that the image's manifest must have.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digest: Option<Digest>,
    /// A Secret in the hub's namespace of type `kubernetes.io/dockerconfigjson`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pull_secret: Option<String>,
    /// Speak plain HTTP, where the host allows that too.
    #[serde(default, rename = "plainHTTP", skip_serializing_if = "std::ops::Not::not")]
    pub plain_http: bool,
    /// A ConfigMap in the hub's namespace whose `ca.crt` is believed beside the system's authorities.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca_config_map: Option<String>,
}

/// Who must have signed the component, beside what the host asks for.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct VerifySpec {
    /// Public keys in PEM; a signature by one of them is needed, whatever the host's policy says.
    #[serde(default)]
    pub keys: Vec<String>,
}

/// A key of a ConfigMap in the hub's namespace; the value is plain, gzip or zstd, in one piece or in chunks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ConfigMapSource {
    /// The ConfigMap.
    pub name: String,
    /// The key in `binaryData` (or `data`).
    #[serde(default = "default_key")]
    pub key: String,
}

fn default_key() -> String {
    "plugin.wasm".into()
}

/// An object whose shape is the plugin's business: the custom resource keeps it as it is.
fn free_form(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
    schemars::json_schema!({ "type": "object", "x-kubernetes-preserve-unknown-fields": true })
}

/// Another config for some members.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ConfigOverride {
    /// For which members.
    #[serde(default)]
    pub members: Selector,
    /// Merged over what was there (RFC 7386).
    #[schemars(schema_with = "free_form")]
    pub config: Value,
}

/// Limits as written; absent fields take the defaults of [`Limits`].
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct LimitsSpec {
    /// Wall time, such as `5s`.
    pub deadline: Option<String>,
    /// CPU time, such as `1s`.
    pub cpu: Option<String>,
    /// Linear memory, such as `64Mi`.
    pub memory: Option<String>,
    /// Guest stack, such as `1Mi`.
    pub stack: Option<String>,
    /// Intents per outcome.
    pub intents: Option<u64>,
    /// Bytes per outcome, such as `4Mi`.
    pub outcome_bytes: Option<String>,
    /// Host calls per reconcile.
    pub host_calls: Option<u64>,
    /// Log bytes per second, such as `64Ki`.
    pub log_bytes_per_second: Option<String>,
    /// Reconciles at once, per member.
    pub concurrency: Option<u32>,
    /// Live reads per second, per member.
    pub reads_per_second: Option<u32>,
    /// Writes per second, per member.
    pub writes_per_second: Option<u32>,
}

impl LimitsSpec {
    /// Fills in the defaults; the error names the field.
    pub fn resolve(&self) -> Result<Limits, String> {
        let defaults = Limits::default();
        let duration = |field: &str, text: &Option<String>, default| match text {
            Some(text) => units::parse_duration(text).map_err(|e| format!("limits.{field}: {e}")),
            None => Ok(default),
        };
        let bytes = |field: &str, text: &Option<String>, default| match text {
            Some(text) => units::parse_bytes(text).map_err(|e| format!("limits.{field}: {e}")),
            None => Ok(default),
        };
        let positive = |field: &str, value: Option<u32>, default| match value {
            Some(0) => Err(format!("limits.{field}: must be at least 1")),
            value => Ok(value.unwrap_or(default)),
        };
        Ok(Limits {
            deadline: duration("deadline", &self.deadline, defaults.deadline)?,
            cpu: duration("cpu", &self.cpu, defaults.cpu)?,
            memory: bytes("memory", &self.memory, defaults.memory)?,
            stack: stack(&self.stack, defaults.stack)?,
            intents: self.intents.unwrap_or(defaults.intents),
            outcome_bytes: bytes("outcomeBytes", &self.outcome_bytes, defaults.outcome_bytes)?,
            host_calls: self.host_calls.unwrap_or(defaults.host_calls),
            log_bytes_per_second: bytes(
                "logBytesPerSecond",
                &self.log_bytes_per_second,
                defaults.log_bytes_per_second,
            )?,
            concurrency: positive("concurrency", self.concurrency, defaults.concurrency)?,
            reads_per_second: positive("readsPerSecond", self.reads_per_second, defaults.reads_per_second)?,
            writes_per_second: positive("writesPerSecond", self.writes_per_second, defaults.writes_per_second)?,
        })
    }
}

/// More stack than the default cannot be had, and what cannot be had is refused rather than ignored.
fn stack(text: &Option<String>, most: u64) -> Result<u64, String> {
    let Some(text) = text else { return Ok(most) };
    match units::parse_bytes(text).map_err(|e| format!("limits.stack: {e}"))? {
        asked if asked <= most => Ok(asked),
        _ => Err(format!("limits.stack: at most {} KiB can be had", most >> 10)),
    }
}

/// The spec of a `Plugin`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PluginSpec {
    /// Where the component is.
    #[serde(default)]
    pub source: Source,
    /// The digest it must have.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digest: Option<Digest>,
    /// Who must have signed it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub verify: Option<VerifySpec>,
    /// On which members; absent means all.
    #[serde(default)]
    pub members: Selector,
    /// Write or only report.
    #[serde(default)]
    pub mode: Mode,
    /// The plugin's config, checked against its schema.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "free_form")]
    pub config: Option<Value>,
    /// Other configs for some members, merged in order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub config_overrides: Vec<ConfigOverride>,
    /// What it may do.
    #[serde(default)]
    pub grants: Vec<Rule>,
    /// Its limits.
    #[serde(default)]
    pub limits: LimitsSpec,
    /// What happens to its objects when it leaves.
    #[serde(default)]
    pub on_delete: OnDelete,
    /// Keeps it loaded but runs nothing.
    #[serde(default)]
    pub suspend: bool,
}

impl Source {
    /// How many places are named; exactly one is right, and none means a file beside the YAML.
    pub fn places(&self) -> usize {
        [self.path.is_some(), self.config_map.is_some(), self.oci.is_some()].into_iter().filter(|named| *named).count()
    }
}

impl PluginSpec {
    /// What the operator says now about a plugin whose code and config stay those of `running`: where, whether and within which
    /// bounds it runs is the operator's to change at once, even while new code or a new config is refused.
    #[must_use]
    pub fn over(&self, running: &Self) -> Self {
        Self {
            source: running.source.clone(),
            digest: running.digest,
            verify: running.verify.clone(),
            config: running.config.clone(),
            config_overrides: running.config_overrides.clone(),
            ..self.clone()
        }
    }

    /// The config for a member whose labels `get` looks up: `config`, with the overrides that select the member merged in
    /// order (RFC 7386). Null where there is none.
    pub fn config_for<'a>(&self, get: impl Fn(&str) -> Option<&'a str>) -> Value {
        let mut config = self.config.clone().unwrap_or(Value::Null);
        for over in self.config_overrides.iter().filter(|o| o.members.matches(&get)) {
            merge_patch(&mut config, &over.config);
        }
        config
    }
}

/// RFC 7386.
fn merge_patch(target: &mut Value, patch: &Value) {
    let Value::Object(patch) = patch else {
        *target = patch.clone();
        return;
    };
    if !target.is_object() {
        *target = Value::Object(serde_json::Map::new());
    }
    let Value::Object(target) = target else { return };
    for (key, value) in patch {
        if value.is_null() {
            target.remove(key);
        } else {
            merge_patch(target.entry(key.clone()).or_insert(Value::Null), value);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn overrides_are_merged_in_order_where_they_select() {
        let spec: PluginSpec = serde_json::from_value(json!({
            "config": {"a": 1, "b": {"c": 2, "d": 3}},
            "configOverrides": [
                {"members": {"matchLabels": {"tier": "edge"}}, "config": {"b": {"c": null, "e": 4}}},
                {"config": {"a": 9}},
                {"members": {"matchLabels": {"tier": "core"}}, "config": {"a": 10}},
            ],
        }))
        .unwrap();
        let labels = |key: &str| (key == "tier").then_some("edge");
        assert_eq!(spec.config_for(labels), json!({"a": 9, "b": {"d": 3, "e": 4}}));
    }

    #[test]
    fn limits_are_checked_and_filled_in() {
        let limits = |json: Value| serde_json::from_value::<LimitsSpec>(json).unwrap().resolve();
        assert_eq!(limits(json!({})).unwrap(), Limits::default());
        assert_eq!(limits(json!({"memory": "16Mi"})).unwrap().memory, 16 << 20);
        assert!(limits(json!({"deadline": "5"})).unwrap_err().contains("limits.deadline"));
        assert!(limits(json!({"stack": "2Mi"})).unwrap_err().contains("limits.stack"));
        assert!(limits(json!({"concurrency": 0})).unwrap_err().contains("limits.concurrency"));
    }
}
