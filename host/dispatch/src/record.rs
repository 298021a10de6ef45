//! The ConfigMap on a member that says what a binding ever applied there, so that orphans of code and host that are gone can
//! still be found. It is written before the first object of a new kind.

use std::sync::Arc;

use bytes::Bytes;
use motet_core::{
    ApiError, Gvk, ObjectName, PluginName,
    names::{self, HOST_MANAGER, SYSTEM_NAMESPACE},
    plugin::OnDelete,
    ports::{MemberApi, Write},
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use motet_core::revision::Revision;

/// Label whose value is the plugin's name, on records.
pub(crate) const RECORD_LABEL: &str = "motet.dev/record";
const KEY: &str = "record.json";

/// What a binding ever applied on a member, and how it wants to leave.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct Record {
    /// Kinds ever applied.
    pub(crate) kinds: Vec<Gvk>,
    /// The primary's kind; none where keys are members.
    pub(crate) primary: Option<Gvk>,
    /// Whether primaries got a finalizer.
    pub(crate) finalizer: bool,
    /// What is to happen to its objects.
    pub(crate) on_delete: OnDelete,
}

/// One binding's record, as last read or written.
#[derive(Debug, Default)]
pub(crate) struct RecordKeeper(tokio::sync::Mutex<Option<Record>>);

impl RecordKeeper {
    /// The record as it is on the member; read once.
    pub(crate) async fn load(&self, plugin: &PluginName, api: &Arc<dyn MemberApi>) -> Result<Record, ApiError> {
        let mut kept = self.0.lock().await;
        if let Some(record) = &*kept {
            return Ok(record.clone());
        }
        let resource = api.resource(&config_map()).await?;
        let found = api.get(&resource, &object_name(plugin)).await?;
        let record = found.as_deref().and_then(parse).unwrap_or_default();
        *kept = Some(record.clone());
        Ok(record)
    }

    /// Makes sure that the record covers `kinds` and says how `revision` wants to leave; writes only if it does not yet.
    pub(crate) async fn ensure(
        &self,
        revision: &Revision,
        kinds: &[Gvk],
        api: &Arc<dyn MemberApi>,
    ) -> Result<(), ApiError> {
        let known = self.load(&revision.name, api).await?;
        let wanted = wanted(&known, revision, kinds);
        if wanted == known {
            return Ok(());
        }
        let mut kept = self.0.lock().await;
        write(&revision.name, &wanted, api).await?;
        *kept = Some(wanted);
        Ok(())
    }

    /// Forgets what was read: the member may be another one now, or the record was deleted.
    pub(crate) async fn reset(&self) {
        *self.0.lock().await = None;
    }
}

fn wanted(known: &Record, revision: &Revision, kinds: &[Gvk]) -> Record {
    let mut wanted = known.clone();
    for kind in kinds {
        if !wanted.kinds.iter().any(|k| k.same_kind(kind)) {
            wanted.kinds.push(kind.clone());
        }
    }
    wanted.primary = match &revision.description.primary {
        motet_core::description::Primary::Object(watch) => Some(watch.gvk()),
        motet_core::description::Primary::Member {} => None,
    };
    wanted.finalizer |= revision.description.finalizer;
    wanted.on_delete = revision.spec.on_delete;
    wanted
}

fn config_map() -> Gvk {
    Gvk::new("", "v1", "ConfigMap")
}

fn object_name(plugin: &PluginName) -> ObjectName {
    ObjectName::namespaced(SYSTEM_NAMESPACE, &names::record_name(plugin))
}

/// Reads a record's ConfigMap; `None` for one that is not a record.
pub(crate) fn parse(config_map: &[u8]) -> Option<Record> {
    let value: Value = serde_json::from_slice(config_map).ok()?;
    serde_json::from_str(value.pointer("/data")?.get(KEY)?.as_str()?).ok()
}

async fn write(plugin: &PluginName, record: &Record, api: &Arc<dyn MemberApi>) -> Result<(), ApiError> {
    let text = serde_json::to_string(record).map_err(|e| ApiError::new(0, "Invalid", e.to_string()))?;
    let config_map_resource = api.resource(&config_map()).await?;
    let body = json!({
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": { "name": names::record_name(plugin), "namespace": SYSTEM_NAMESPACE, "labels": { RECORD_LABEL: plugin.as_str() } },
        "data": { KEY: text },
    });
    let apply = || Write::Apply { body: to_bytes(&body), manager: HOST_MANAGER.into(), force: true, subresource: None };
    match api.write(&config_map_resource, &object_name(plugin), apply()).await {
        Err(error) if error.is_not_found() => {
            create_namespace(api).await?;
            api.write(&config_map_resource, &object_name(plugin), apply()).await.map(drop)
        }
        other => other.map(drop),
    }
}

async fn create_namespace(api: &Arc<dyn MemberApi>) -> Result<(), ApiError> {
    let resource = api.resource(&Gvk::new("", "v1", "Namespace")).await?;
    let body = json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": SYSTEM_NAMESPACE } });
    let write = Write::Apply { body: to_bytes(&body), manager: HOST_MANAGER.into(), force: true, subresource: None };
    api.write(&resource, &ObjectName::cluster(SYSTEM_NAMESPACE), write).await.map(drop)
}

/// Deletes a plugin's record; done when there is none.
pub(crate) async fn delete(plugin: &PluginName, api: &Arc<dyn MemberApi>) -> Result<(), ApiError> {
    let resource = api.resource(&config_map()).await?;
    // A plugin that only observed left none, and even the attempt would be a write.
    if api.get(&resource, &object_name(plugin)).await?.is_none() {
        return Ok(());
    }
    match api.write(&resource, &object_name(plugin), Write::Delete { uid: None, resource_version: None }).await {
        Err(error) if !error.is_not_found() => Err(error),
        _ => Ok(()),
    }
}

/// Every record on a member, with its plugin's name.
pub(crate) async fn list(api: &Arc<dyn MemberApi>) -> Result<Vec<(PluginName, Record)>, ApiError> {
    let resource = api.resource(&config_map()).await?;
    let query = motet_core::ports::ListQuery {
        namespace: Some(SYSTEM_NAMESPACE.into()),
        labels: RECORD_LABEL.into(),
        ..Default::default()
    };
    let page = api.list(&resource, &query).await?;
    Ok(page.items.iter().filter_map(|item| Some((plugin_of(item)?, parse(item)?))).collect())
}

fn plugin_of(config_map: &Bytes) -> Option<PluginName> {
    let meta = motet_core::Meta::scan(config_map).ok()?;
    PluginName::new(meta.labels.get(RECORD_LABEL)?).ok()
}

/// A JSON value as bytes.
pub(crate) fn to_bytes(value: &Value) -> Bytes {
    value.to_string().into_bytes().into()
}
