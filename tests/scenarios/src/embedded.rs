//! A hub with Motet's custom resources, and what is put into it, as the demo and the tests use them.

use std::io::Write;

use anyhow::{Context, Result, ensure};
use base64::Engine;
use flate2::{Compression, write::GzEncoder};
use serde_json::{Value, json};

use crate::{client::Looker, site::Site, wait};

const PLUGINS: &str = "/apis/motet.dev/v1alpha1/plugins";
const MEMBERS: &str = "/apis/motet.dev/v1alpha1/members";
const SYSTEM: &str = "/api/v1/namespaces/motet-system";

/// The hub: a cluster with Motet's custom resources.
pub struct Hub(pub Site);

impl Hub {
    /// Starts an embedded hub.
    pub async fn start() -> Result<Self> {
        Self::on(Site::embedded("hub").await?).await
    }

    /// Makes a cluster a hub.
    pub async fn on(hub: Site) -> Result<Self> {
        hub.look.define(&motet_catalog::crd::plugin()).await?;
        hub.look.define(&motet_catalog::crd::member()).await?;
        hub.look.namespace("motet-system", &[]).await?;
        Ok(Self(hub))
    }

    /// Its client.
    pub fn look(&self) -> &Looker {
        &self.0.look
    }

    /// Registers a member, or changes its kubeconfig.
    pub async fn register(&self, member: &Site, token: &str) -> Result<()> {
        self.look().register(member.name(), &member.kubeconfig(token)?, &[]).await
    }

    /// Withdraws a member.
    pub async fn withdraw(&self, member: &str) -> Result<()> {
        self.look().delete(&format!("{SYSTEM}/secrets/{member}")).await
    }

    /// Puts a component, compressed, into the ConfigMap of a name.
    pub async fn component(&self, name: &str, component: &[u8]) -> Result<()> {
        let mut gzip = GzEncoder::new(Vec::new(), Compression::default());
        gzip.write_all(component)?;
        let bytes = gzip.finish()?;
        ensure!(bytes.len() < 1 << 20, "{name} has {} bytes even compressed: more than a ConfigMap holds", bytes.len());
        let text = base64::engine::general_purpose::STANDARD.encode(bytes);
        let config_map = json!({
            "apiVersion": "v1", "kind": "ConfigMap",
            "metadata": { "name": name, "namespace": "motet-system" },
            "binaryData": { "plugin.wasm": text },
        });
        self.look().apply(&format!("{SYSTEM}/configmaps/{name}"), "operator", &config_map).await.map(drop)
    }

    /// Creates or changes a Plugin: `spec` with its component in the ConfigMap `config_map`.
    pub async fn plugin(&self, name: &str, config_map: &str, mut spec: Value) -> Result<()> {
        spec["source"] = json!({ "configMap": { "name": config_map } });
        self.plugin_spec(name, spec).await
    }

    /// A Plugin as it is in the hub.
    pub async fn plugin_object(&self, name: &str) -> Result<Value> {
        self.look().get(&format!("{PLUGINS}/{name}")).await?.with_context(|| format!("the hub has no Plugin {name}"))
    }

    /// Creates or changes a Plugin.
    pub async fn plugin_spec(&self, name: &str, spec: Value) -> Result<()> {
        let plugin =
            json!({ "apiVersion": "motet.dev/v1alpha1", "kind": "Plugin", "metadata": { "name": name }, "spec": spec });
        self.look().apply(&format!("{PLUGINS}/{name}"), "operator", &plugin).await.map(drop)
    }

    /// What the host published about a member; none where there is no such member.
    pub async fn member(&self, name: &str) -> Result<Option<Value>> {
        self.look().get(&format!("{MEMBERS}/{name}")).await
    }

    /// Waits until a member is published in a state.
    pub async fn member_is(&self, name: &str, state: &str) -> Result<Value> {
        wait::until(&format!("member {name} to be {state}"), || async {
            let seen = self.member(name).await.map_err(|e| e.to_string())?.ok_or("no Member object")?["status"].clone();
            if seen["state"] == state { Ok(seen) } else { Err(seen.to_string()) }
        })
        .await
    }

    /// Waits until a member is no longer published.
    pub async fn member_gone(&self, name: &str) -> Result<()> {
        wait::until(&format!("member {name} to be gone"), || async {
            match self.member(name).await.map_err(|e| e.to_string())? {
                None => Ok(()),
                Some(member) => Err(member["status"].to_string()),
            }
        })
        .await
    }

    /// Waits until a Plugin's status satisfies `wanted`.
    pub async fn plugin_is(&self, name: &str, what: &str, wanted: impl Fn(&Value) -> bool) -> Result<Value> {
        wait::until(&format!("Plugin {name} to be {what}"), || async {
            let plugin =
                self.look().get(&format!("{PLUGINS}/{name}")).await.map_err(|e| e.to_string())?.ok_or("gone")?;
            let status = plugin["status"].clone();
            if wanted(&status) { Ok(status) } else { Err(status.to_string()) }
        })
        .await
    }
}

/// One condition of a status, by its type; null where it is not there.
pub fn condition(status: &Value, kind: &str) -> Value {
    let conditions = status["conditions"].as_array().map(Vec::as_slice).unwrap_or_default();
    conditions.iter().find(|c| c["type"] == kind).cloned().unwrap_or_default()
}

/// The spec of a plugin's YAML as its folder ships it.
pub fn shipped_spec(plugin: &str) -> Result<Value> {
    let file = crate::plugins_dir().join(format!("{plugin}.yaml"));
    let text = std::fs::read_to_string(&file).with_context(|| format!("{}; run `make plugins`", file.display()))?;
    let object: Value = serde_yaml::from_str(&text)?;
    Ok(object["spec"].clone())
}

/// A plugin's component.
pub fn component(plugin: &str) -> Result<Vec<u8>> {
    let file = crate::plugins_dir().join(format!("{plugin}.wasm"));
    std::fs::read(&file).with_context(|| format!("{}; run `make plugins`", file.display()))
}

/// A guest's component, built by `make guests`: `MOTET_GUESTS` or beside the plugins.
pub fn guest(name: &str) -> Result<Vec<u8>> {
    let folder = std::env::var_os("MOTET_GUESTS")
        .map_or_else(|| crate::plugins_dir().join("../wasm32-wasip2/plugin/examples"), std::path::PathBuf::from);
    let file = folder.join(format!("{name}.wasm"));
    std::fs::read(&file).with_context(|| format!("{}; run `make guests`", file.display()))
}
