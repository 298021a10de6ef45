//! For benchmarks: copies each ConfigMap labelled `bench.motet.dev/source=true` into another one, and watches 20 kinds in all.

#![allow(missing_docs, reason = "a guest")]

use motet_sdk::prelude::*;

#[motet_sdk::plugin(
    watch("v1/ConfigMap", labels = "bench.motet.dev/source=true", projection = ["/data"]),
    watch("v1/Namespace", map = none, projection = ["/metadata/labels"]),
    watch("v1/Node", map = none, projection = ["/spec/taints", "/status/conditions"]),
    watch("v1/Pod", map = owner, projection = ["/spec/nodeName", "/status/phase"]),
    watch("v1/Service", map = owner, projection = ["/spec"]),
    watch("v1/ServiceAccount", map = owner, projection = ["/metadata/labels"]),
    watch("v1/PersistentVolume", map = none, projection = ["/spec/capacity"]),
    watch("v1/PersistentVolumeClaim", map = owner, projection = ["/status/phase"]),
    watch("v1/ResourceQuota", map = owner, projection = ["/spec"]),
    watch("v1/LimitRange", map = owner, projection = ["/spec"]),
    watch("apps/v1/Deployment", map = owner, projection = ["/status/readyReplicas", "/status/conditions"]),
    watch("apps/v1/DaemonSet", map = owner, projection = ["/status"]),
    watch("apps/v1/StatefulSet", map = owner, projection = ["/status"]),
    watch("apps/v1/ReplicaSet", map = owner, projection = ["/status"]),
    watch("batch/v1/Job", map = owner, projection = ["/status"]),
    watch("batch/v1/CronJob", map = owner, projection = ["/spec/schedule"]),
    watch("networking.k8s.io/v1/NetworkPolicy", map = owner, projection = ["/spec"]),
    watch("networking.k8s.io/v1/Ingress", map = owner, projection = ["/spec/rules"]),
    watch("policy/v1/PodDisruptionBudget", map = owner, projection = ["/spec"]),
    watch("discovery.k8s.io/v1/EndpointSlice", map = owner, projection = ["/endpoints"]),
    applies("v1/ConfigMap"),
)]
fn reconcile(ctx: &Context) -> Result<Outcome> {
    let Some(source) = ctx.primary::<Source>()? else { return Ok(Outcome::new()) };
    Ok(Outcome::new().apply(&json!({
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": { "name": format!("{}-copy", ctx.name()), "namespace": ctx.namespace() },
        "data": source.data,
    })))
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Source {
    data: Value,
}
