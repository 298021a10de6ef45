//! What an operator says about a plugin: the spec of a `Plugin` object, in the folder or in the hub.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{Digest, grant::Rule, ports::Limits, selector::Selector, units};

/// What a plugin's intents lead to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Mode {
    /// They are written.
    #[default]
    Enforce,
    /// They are computed and reported, nothing is written.
    Observe,
}

/// What happens to a plugin's objects when it leaves a member.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum OnDelete {
    /// They stay.
    #[default]
    Keep,
    /// What its apply-sets own is deleted, and clean-up runs.
    Prune,
}

/// Where the component comes from; exactly one field is set.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Source {
    /// A file, relative to the YAML; folder only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// A key of a ConfigMap in the hub's namespace.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub config_map: Option<ConfigMapSource>,
}

/// A key of a ConfigMap in the hub's namespace; the value is plain or gzip.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
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

/// Another config for some members.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ConfigOverride {
    /// For which members.
    #[serde(default)]
    pub members: Selector,
    /// Merged over what was there (RFC 7386).
    pub config: Value,
}

/// Limits as written; absent fields take the defaults of [`Limits`].
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
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
            stack: bytes("stack", &self.stack, defaults.stack)?,
            intents: self.intents.unwrap_or(defaults.intents),
            outcome_bytes: bytes("outcomeBytes", &self.outcome_bytes, defaults.outcome_bytes)?,
            host_calls: self.host_calls.unwrap_or(defaults.host_calls),
            log_bytes_per_second: bytes("logBytesPerSecond", &self.log_bytes_per_second, defaults.log_bytes_per_second)?,
            concurrency: positive("concurrency", self.concurrency, defaults.concurrency)?,
            reads_per_second: positive("readsPerSecond", self.reads_per_second, defaults.reads_per_second)?,
            writes_per_second: positive("writesPerSecond", self.writes_per_second, defaults.writes_per_second)?,
        })
    }
}

/// The spec of a `Plugin`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PluginSpec {
    /// Where the component is.
    #[serde(default)]
    pub source: Source,
    /// The digest it must have.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digest: Option<Digest>,
    /// On which members; absent means all.
    #[serde(default)]
    pub members: Selector,
    /// Write or only report.
    #[serde(default)]
    pub mode: Mode,
    /// The plugin's config, checked against its schema.
    #[serde(default, skip_serializing_if = "Option::is_none")]
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
