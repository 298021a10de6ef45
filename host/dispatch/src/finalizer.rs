//! The finalizer that holds a primary until its plugin has cleaned up: added before the first reconcile, removed by a JSON
//! patch that tests UID and resource version, never by apply.

use bytes::Bytes;
use motet_core::{
    ApiError, Meta, ObjectName, PluginName, Resource,
    names::{field_manager, finalizer},
    outcome::PatchKind,
    ports::{MemberApi, Write},
};
use serde_json::{Value, json};

use crate::record::to_bytes;

/// Adds the finalizer; the object as it is then.
pub(crate) async fn add(
    plugin: &PluginName,
    api: &dyn MemberApi,
    resource: &Resource,
    meta: &Meta,
) -> Result<Bytes, ApiError> {
    let name = finalizer(plugin);
    let change = if meta.finalizers.is_empty() {
        json!({ "op": "add", "path": "/metadata/finalizers", "value": [name] })
    } else {
        json!({ "op": "add", "path": "/metadata/finalizers/-", "value": name })
    };
    patch(plugin, api, resource, meta, change).await
}

/// Removes the finalizer; done when the object or the finalizer is gone.
pub(crate) async fn remove(
    plugin: &PluginName,
    api: &dyn MemberApi,
    resource: &Resource,
    object: &ObjectName,
) -> Result<(), ApiError> {
    let Some(live) = api.get(resource, object).await? else { return Ok(()) };
    let meta = Meta::scan(&live).map_err(|e| ApiError::new(0, "InvalidAnswer", e.to_string()))?;
    let name = finalizer(plugin);
    let Some(index) = meta.finalizers.iter().position(|f| **f == *name) else { return Ok(()) };
    let change = json!({ "op": "remove", "path": format!("/metadata/finalizers/{index}") });
    match patch(plugin, api, resource, &meta, change).await {
        Err(error) if !error.is_not_found() => Err(error),
        _ => Ok(()),
    }
}

async fn patch(
    plugin: &PluginName,
    api: &dyn MemberApi,
    resource: &Resource,
    meta: &Meta,
    change: Value,
) -> Result<Bytes, ApiError> {
    let body = json!([
        { "op": "test", "path": "/metadata/uid", "value": meta.uid },
        { "op": "test", "path": "/metadata/resourceVersion", "value": meta.resource_version },
        change,
    ]);
    let write = Write::Patch {
        body: to_bytes(&body),
        kind: PatchKind::Json,
        manager: field_manager(plugin),
        subresource: None,
    };
    api.write(resource, &meta.object_name(), write).await
}
