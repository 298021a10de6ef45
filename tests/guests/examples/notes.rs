//! Shares its primary and a kind with `namespace-baseline`: every labelled namespace gets a ConfigMap and a ResourceQuota.

#![allow(missing_docs, reason = "a guest")]

use motet_sdk::prelude::*;

#[motet_sdk::plugin(
    watch("v1/Namespace", labels = "motet.dev/baseline=true", projection = ["/metadata/deletionTimestamp"]),
    applies("v1/ConfigMap", set),
    applies("v1/ResourceQuota", set),
)]
fn reconcile(ctx: &Context) -> Result<Outcome> {
    let namespace = ctx.primary::<Object>()?.filter(|n| n.metadata.deletion_timestamp.is_none());
    let objects = namespace.map(|n| notes(&n.metadata.name)).unwrap_or_default();
    Ok(Outcome::new().apply_set("", objects))
}

fn notes(namespace: &str) -> Vec<Value> {
    let metadata = json!({ "name": "notes", "namespace": namespace });
    vec![
        json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": { "note": "kept by notes" } }),
        json!({ "apiVersion": "v1", "kind": "ResourceQuota", "metadata": metadata, "spec": { "hard": { "services": "5" } } }),
    ]
}
