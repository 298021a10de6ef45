//! Plugins in the hub: `Plugin` objects, and the ConfigMaps that their components are in.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use bytes::Bytes;
use futures::StreamExt;
use motet_core::{
    ApiError, Change, Gvk, Meta, ObjectName, PluginName, Resource, description::Scope, plugin::ConfigMapSource,
    ports::MemberApi,
};
use tokio::sync::mpsc;

use crate::{Component, Handed, Observed, PluginObject, Refusal, chunks::Head};

const SOURCE: &str = "hub";
/// How long to wait for the hub before asking again what kinds it has.
const RETRY: std::time::Duration = std::time::Duration::from_secs(5);

/// The hub's plugins.
pub struct HubSource {
    api: Arc<dyn MemberApi>,
    namespace: String,
    observe: mpsc::Sender<Observed>,
    objects: BTreeMap<PluginName, Result<Box<PluginObject>, Refusal>>,
    config_maps: Resource,
    /// The ConfigMaps that each plugin's component is made of, the first one and its chunks.
    parts: BTreeMap<PluginName, BTreeSet<String>>,
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
    let mut source = HubSource {
        api,
        namespace,
        observe,
        objects: BTreeMap::new(),
        config_maps,
        parts: BTreeMap::new(),
        listing: None,
    };
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
        self.parts.remove(&name);
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

    async fn observe_plugin(&mut self, name: PluginName) -> Option<()> {
        let Some(object) = self.objects.get(&name).cloned() else { return Some(()) };
        let source = object.as_ref().map(|o| o.spec.source.clone());
        let component = match source {
            Ok(source) if source.oci.is_some() => Component::Image,
            Ok(source) => match &source.config_map {
                Some(map) => Component::Here(self.fetch(&name, map).await),
                None => Component::Here(Err(Refusal::fetch(
                    "SourceInvalid",
                    "in the hub a Plugin needs spec.source.configMap or spec.source.oci: a path names a file of a folder",
                ))),
            },
            Err(refusal) => Component::Here(Err(refusal.clone())),
        };
        self.observe.send(Observed::Present { source: SOURCE, name, object, component }).await.ok()
    }

    /// Loads the plugins again whose component is in a ConfigMap that changed.
    async fn config_map(&mut self, change: &Change) -> Option<()> {
        let (Change::Initial(json) | Change::Upsert(json) | Change::Delete(json)) = change else { return Some(()) };
        let Ok(meta) = Meta::scan(json) else { return Some(()) };
        let names: Vec<_> =
            self.parts.iter().filter(|(_, parts)| parts.contains(&*meta.name)).map(|(n, _)| n.clone()).collect();
        for name in names {
            self.observe_plugin(name).await?;
        }
        Some(())
    }

    /// The component out of one ConfigMap or several.
    async fn fetch(&mut self, plugin: &PluginName, source: &ConfigMapSource) -> Result<Handed, Refusal> {
        let ConfigMapSource { name, key } = source;
        self.parts.insert(plugin.clone(), [name.clone()].into());
        let missing = || {
            Refusal::fetch("SourceMissing", format!("ConfigMap {}/{name} does not exist in the hub", self.namespace))
        };
        let json = self.read(name).await?.ok_or_else(missing)?;
        let mut head = Head::read(&json, name, key)?;
        self.parts.entry(plugin.clone()).or_default().extend(head.chunks.iter().cloned());
        let mut parts = Vec::new();
        for chunk in &head.chunks {
            parts.push(self.read(chunk).await?);
        }
        let signature = head.signature.take();
        Ok(Handed {
            bytes: head.assemble(name, key, &parts)?,
            from: format!("ConfigMap {}/{name}", self.namespace),
            policy_name: format!("configMap/{name}"),
            signature,
        })
    }

    async fn read(&self, name: &str) -> Result<Option<Bytes>, Refusal> {
        let place = format!("ConfigMap {}/{name}", self.namespace);
        let failed = |e: ApiError| Refusal::fetch("SourceMissing", format!("{place} cannot be read: {e}"));
        self.api.get(&self.config_maps, &ObjectName::namespaced(&self.namespace, name)).await.map_err(failed)
    }
}

fn plugin_name(json: &[u8]) -> Option<PluginName> {
    PluginName::new(Meta::scan(json).ok()?.name).ok()
}
