//! `namespace-baseline` as a next version of it could be: the same objects, each with a label that tells the two apart.

#![allow(missing_docs, reason = "a guest")]

use motet_sdk::prelude::*;

#[motet_sdk::plugin(
    watch("v1/Namespace", labels = "motet.dev/baseline=true", projection = ["/metadata/deletionTimestamp"]),
    applies("networking.k8s.io/v1/NetworkPolicy", set),
    applies("v1/ResourceQuota", set),
    applies("v1/LimitRange", set),
)]
fn reconcile(ctx: &Context) -> Result<Outcome> {
    let namespace = ctx.primary::<Object>()?.filter(|n| n.metadata.deletion_timestamp.is_none());
    let objects = namespace.map(|n| baseline(&n.metadata.name)).unwrap_or_default();
    Ok(Outcome::new().apply_set("", objects))
}

fn baseline(namespace: &str) -> Vec<Value> {
    let metadata = json!({ "name": "motet-baseline", "namespace": namespace, "labels": { "baseline-version": "2" } });
    vec![
        json!({
            "apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "metadata": metadata,
            "spec": { "podSelector": {}, "policyTypes": ["Ingress"] },
        }),
        json!({
            "apiVersion": "v1", "kind": "ResourceQuota", "metadata": metadata,
            "spec": { "hard": { "pods": "20", "requests.cpu": "4", "requests.memory": "8Gi" } },
        }),
        json!({
            "apiVersion": "v1", "kind": "LimitRange", "metadata": metadata,
            "spec": { "limits": [{ "type": "Container",
                "default": { "cpu": "500m", "memory": "512Mi" }, "defaultRequest": { "cpu": "100m", "memory": "128Mi" } }] },
        }),
    ]
}
