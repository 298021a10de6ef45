//! Reads a Plugin YAML, as strictly as the host does.

use std::{fs, path::Path};

use anyhow::{Context as _, Result, bail};
use motet_core::{PluginName, plugin::PluginSpec};
use serde::Deserialize;
use serde_json::Value;

/// A Plugin as an operator wrote it.
#[derive(Debug)]
pub(crate) struct Plugin {
    /// Its name.
    pub(crate) name: PluginName,
    /// What is asked for.
    pub(crate) spec: PluginSpec,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Document {
    api_version: String,
    kind: String,
    metadata: Metadata,
    spec: PluginSpec,
    #[serde(default, rename = "status")]
    _status: Option<Value>,
}

#[derive(Deserialize)]
struct Metadata {
    name: String,
}

/// Reads one file.
pub(crate) fn read(path: &Path) -> Result<Plugin> {
    let text = fs::read_to_string(path).with_context(|| format!("reading {}", path.display()))?;
    parse(&text).with_context(|| format!("{} is not a Plugin that a host would take", path.display()))
}

/// Reads one document.
pub(crate) fn parse(text: &str) -> Result<Plugin> {
    let document: Document = serde_yaml::from_str(text)?;
    if (document.api_version.as_str(), document.kind.as_str()) != ("motet.dev/v1alpha1", "Plugin") {
        bail!("it is a {} {}, not a motet.dev/v1alpha1 Plugin", document.api_version, document.kind);
    }
    Ok(Plugin { name: PluginName::new(&document.metadata.name)?, spec: document.spec })
}
