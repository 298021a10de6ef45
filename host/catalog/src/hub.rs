//! Plugins in the hub: `Plugin` objects, and the ConfigMaps that their components are in.

use std::{collections::BTreeMap, io::Read, sync::Arc};

use base64::Engine;
use bytes::Bytes;
use flate2::read::GzDecoder;
use futures::StreamExt;
use motet_core::{
    ApiError, Change, Gvk, Meta, ObjectName, PluginName, Resource, description::Scope, plugin::ConfigMapSource,
    ports::MemberApi,
};
use serde_json::Value;
use tokio::sync::mpsc;

use crate::{Observed, PluginObject, Refusal};

const SOURCE: &str = "hub";
/// What a gzip may unpack to: a bomb is refused.
const MAX_COMPONENT: u64 = 64 << 20;
/// How long to wait for the hub before asking again what kinds it has.
const RETRY: std::time::Duration = std::time::Duration::from_secs(5);

/// The hub's plugins.
pub struct HubSource {
    api: Arc<dyn MemberApi>,
    namespace: String,
    observe: mpsc::Sender<Observed>,
    objects: BTreeMap<PluginName, Result<Box<PluginObject>, Refusal>>,
    config_maps: Resource,
    /// Names seen in the current full list; what is not among them at its end is gone.
    listing: Option<Vec<PluginName>>,
}

/// Follows the hub until the catalog ends.
pub async fn watch_hub(api: Arc<dyn MemberApi>, namespace: String, observe: mpsc::Sender<Observed>) {
    let (plugins, config_maps) = loop {
        let plugins = api.resource(&plugin_kind()).await;
        let config_maps = api.resource(&Gvk::new("", "v1", "ConfigMap")).await;
        match (plugins, config_maps) {
            (Ok(plugins), Ok(config_maps)) => break (plugins, config_maps),
            (Err(error), _) | (_, Err(error)) => {
                tracing::warn!(%error, "the hub cannot be asked for Plugins yet; are the custom resources of deploy/crds installed there?");
            }
        }
        tokio::select! {
            () = tokio::time::sleep(RETRY) => {}
            () = observe.closed() => return,
        }
    };
    let mut objects = api.watch(&plugins, &Scope::default(), None);
    let scope = Scope { namespaces: vec![namespace.clone()], ..Scope::default() };
    let mut maps = api.watch(&config_maps, &scope, None);
    let mut source = HubSource { api, namespace, observe, objects: BTreeMap::new(), config_maps, listing: None };
    loop {
        let alive = tokio::select! {
            Some(change) = objects.next() => source.plugin(change).await,
            Some(change) = maps.next() => source.config_map(&change).await,
            () = source.observe.closed() => None,
        };
        if alive.is_none() {
            return;
        }
    }
}

/// The kind of a `Plugin` in the hub.
pub(crate) fn plugin_kind() -> Gvk {
    Gvk::new("motet.dev", "v1alpha1", "Plugin")
}

impl HubSource {
    /// `None` once nobody listens.
    async fn plugin(&mut self, change: Change) -> Option<()> {
        match change {
            Change::Reset => self.listing = Some(vec![]),
            Change::Initial(json) | Change::Upsert(json) => return self.present(&json).await,
            Change::Delete(json) => {
                if let Some(name) = plugin_name(&json) {
                    return self.gone(name).await;
                }
            }
            Change::Synced { .. } => return self.synced().await,
            Change::Interrupted(why) if why.blocked => {
                tracing::warn!(reason = why.reason, "the hub's Plugins cannot be watched: {}", why.message);
            }
            Change::Resumed | Change::Bookmark { .. } | Change::Interrupted(_) => {}
        }
        Some(())
    }

    async fn synced(&mut self) -> Option<()> {
        let present = self.listing.take().unwrap_or_default();
        let gone: Vec<_> = self.objects.keys().filter(|n| !present.contains(n)).cloned().collect();
        for name in gone {
            self.gone(name).await?;
        }
        self.observe.send(Observed::Listed { source: SOURCE }).await.ok()
    }

    async fn gone(&mut self, name: PluginName) -> Option<()> {
        self.objects.remove(&name);
        self.observe.send(Observed::Gone { source: SOURCE, name }).await.ok()
    }

    async fn present(&mut self, json: &[u8]) -> Option<()> {
        let Some(name) = plugin_name(json) else {
            tracing::warn!(
                "the hub has a Plugin whose name is not a DNS label of at most 40 characters; it is ignored"
            );
            return Some(());
        };
        if let Some(listing) = &mut self.listing {
            listing.push(name.clone());
        }
        let object = PluginObject::from_json(json).map(Box::new);
        // Our own status writes come back as changes; they ask for nothing.
        if self.objects.get(&name) == Some(&object) {
            return Some(());
        }
        self.objects.insert(name.clone(), object);
        self.observe_plugin(name).await
    }

    async fn observe_plugin(&self, name: PluginName) -> Option<()> {
        let Some(object) = self.objects.get(&name).cloned() else { return Some(()) };
        let component = match &object {
            Ok(object) => match &object.spec.source.config_map {
                Some(source) if object.spec.source.path.is_none() => self.fetch(source).await,
                _ => Err(Refusal::new(
                    "SourceInvalid",
                    "in the hub a Plugin needs spec.source.configMap and nothing beside it",
                )),
            },
            Err(refusal) => Err(refusal.clone()),
        };
        self.observe.send(Observed::Present { source: SOURCE, name, object, component }).await.ok()
    }

    /// Loads the plugins again whose component is in a ConfigMap that changed.
    async fn config_map(&self, change: &Change) -> Option<()> {
        let (Change::Initial(json) | Change::Upsert(json) | Change::Delete(json)) = change else { return Some(()) };
        let Ok(meta) = Meta::scan(json) else { return Some(()) };
        let uses = |object: &Result<Box<PluginObject>, Refusal>| {
            let source = object.as_ref().ok().and_then(|o| o.spec.source.config_map.as_ref());
            source.is_some_and(|s| s.name == *meta.name)
        };
        let names: Vec<_> = self.objects.iter().filter(|(_, o)| uses(o)).map(|(n, _)| n.clone()).collect();
        for name in names {
            self.observe_plugin(name).await?;
        }
        Some(())
    }

    async fn fetch(&self, source: &ConfigMapSource) -> Result<Bytes, Refusal> {
        let ConfigMapSource { name, key } = source;
        let place = format!("ConfigMap {}/{name}", self.namespace);
        let failed = |e: ApiError| Refusal::new("SourceMissing", format!("{place} cannot be read: {e}"));
        let found =
            self.api.get(&self.config_maps, &ObjectName::namespaced(&self.namespace, name)).await.map_err(failed)?;
        let json = found.ok_or_else(|| Refusal::new("SourceMissing", format!("{place} does not exist in the hub")))?;
        component(&json, key).map_err(|message| Refusal::new("SourceInvalid", format!("{place}: {message}")))
    }
}

fn plugin_name(json: &[u8]) -> Option<PluginName> {
    PluginName::new(Meta::scan(json).ok()?.name).ok()
}

/// The component in a ConfigMap's key, plain or gzip.
fn component(config_map: &[u8], key: &str) -> Result<Bytes, String> {
    let value: Value = serde_json::from_slice(config_map).map_err(|e| e.to_string())?;
    let keys = |field: &str| value.get(field).and_then(Value::as_object);
    let Some(text) = keys("binaryData").and_then(|d| d.get(key)).and_then(Value::as_str) else {
        let there: Vec<_> =
            ["binaryData", "data"].iter().filter_map(|f| keys(f)).flat_map(|d| d.keys().cloned()).collect();
        return Err(format!("it has no key {key:?} in binaryData; it has {there:?}"));
    };
    let bytes = base64::engine::general_purpose::STANDARD
        .decode(text)
        .map_err(|e| format!("key {key:?} is not base64: {e}"))?;
    if !bytes.starts_with(&[0x1f, 0x8b]) {
        return Ok(bytes.into());
    }
    let mut unpacked = Vec::new();
    GzDecoder::new(&*bytes)
        .take(MAX_COMPONENT + 1)
        .read_to_end(&mut unpacked)
        .map_err(|e| format!("key {key:?} looks like gzip but cannot be unpacked: {e}"))?;
    if unpacked.len() as u64 > MAX_COMPONENT {
        return Err(format!("key {key:?} unpacks to more than {MAX_COMPONENT} bytes"));
    }
    Ok(unpacked.into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;
    use std::io::Write;

    fn map(key: &str, bytes: &[u8]) -> Vec<u8> {
        let text = base64::engine::general_purpose::STANDARD.encode(bytes);
        json!({"binaryData": {key: text}}).to_string().into_bytes()
    }

    #[test]
    fn a_component_is_read_plain_or_gzip() {
        assert_eq!(&*component(&map("plugin.wasm", b"\0asm"), "plugin.wasm").unwrap(), b"\0asm");
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        gzip.write_all(b"\0asm...").unwrap();
        assert_eq!(&*component(&map("k", &gzip.finish().unwrap()), "k").unwrap(), b"\0asm...");
    }

    #[test]
    fn a_missing_key_and_a_bomb_are_refused() {
        assert!(component(&map("other", b"x"), "plugin.wasm").unwrap_err().contains("other"));
        let mut bomb = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
        for _ in 0..65 {
            bomb.write_all(&vec![0; 1 << 20]).unwrap();
        }
        assert!(component(&map("k", &bomb.finish().unwrap()), "k").unwrap_err().contains("more than"));
    }
}
