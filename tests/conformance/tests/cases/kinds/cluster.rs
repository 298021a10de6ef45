//! Kinds of the cluster itself: nodes, service address ranges, and what admission is configured by.

use anyhow::Result;
use motet_conformance::{Talk, cases};
use serde_json::json;

use crate::cases::tools::{lives, with};

cases! { "kinds":
nodes, }

async fn nodes(talk: &Talk) -> Result<()> {
    let name = |end: &str| format!("{}-{end}", talk.id());
    let path = "/api/v1/nodes";
    let all = json!({ "metadata": { "name": name("all"), "labels": { "kubernetes.io/hostname": "h" } }, "spec": { "podCIDR": "10.9.0.0/24", "podCIDRs": ["10.9.0.0/24"], "providerID": "x://y", "unschedulable": true, "taints": [{ "key": "k", "value": "v", "effect": "NoSchedule" }] },
        "status": { "capacity": { "cpu": "2", "memory": "4Gi", "pods": 110 }, "conditions": [{ "type": "Ready", "status": "True" }], "nodeInfo": { "kubeletVersion": "v1.36.3", "osImage": "x" }, "addresses": [{ "type": "InternalIP", "address": "1.2.3.4" }] } });
    lives(talk, path, &[json!({ "metadata": { "name": name("least") } }), all]).await?;
    let made = talk.post(path, &json!({ "metadata": { "name": name("status") } })).await?;
    talk.put(&format!("{path}/{}/status", name("status")), &with(&made.body, &[("/status", json!({ "conditions": [{ "type": "Ready", "status": "False", "lastHeartbeatTime": "2020-01-01T00:00:00Z" }], "allocatable": { "cpu": "1" } }))])).await?;
    talk.delete(&format!("{path}/{}", name("status"))).await?;
    Ok(())
}
