//! Nodes and namespaces.

use anyhow::Result;
use motet_conformance::{Talk, cases};
use serde_json::{Value, json};

use crate::cases::tools::{change_each, create_each, lives, with};

cases! { "kinds":
    nodes, nodes_are_checked, what_stays_of_a_node, a_status_of_a_node_is_checked, ranges_of_nodes, namespaces_are_checked, namespaces_change, namespaces_are_finalized,
}

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

async fn nodes_are_checked(talk: &Talk) -> Result<()> {
    let taint = |changes: &[(&str, Value)]| {
        json!([with(&json!({ "key": "k", "value": "v", "effect": "NoSchedule" }), changes)])
    };
    create_each(
        talk,
        "/api/v1/nodes",
        &json!({ "metadata": { "name": format!("{}-n", talk.id()) }, "spec": {}, "status": {} }),
        &[
            ("/metadata/name", json!("Not_Ok")),
            ("/spec/taints", taint(&[("/key", json!("a b"))])),
            ("/spec/taints", taint(&[("/key", Value::Null)])),
            ("/spec/taints", taint(&[("/value", json!("a b"))])),
            ("/spec/taints", taint(&[("/effect", json!("X"))])),
            ("/spec/taints", taint(&[("/effect", Value::Null)])),
            ("/spec/taints", json!([{ "key": "k", "effect": "NoSchedule", "value": "a" }, { "key": "k", "effect": "NoSchedule", "value": "b" }])),
            ("/spec/podCIDRs", json!(["x"])),
            ("/spec/podCIDRs", json!(["10.0.0.0/24", "10.1.0.0/24"])),
            ("/spec/podCIDRs", json!(["10.0.0.0/24", "fd00::/64"])),
            ("/spec/podCIDRs", json!(["10.0.0.0/24", "fd00::/64", "fd01::/64"])),
            ("/spec/podCIDRs", json!(["10.0.0.1/24"])),
            ("/spec/podCIDR", json!("10.0.0.0/33")),
            ("/spec/externalID", json!("x")),
            ("/spec/configSource", json!({ "configMap": { "name": "a", "namespace": "b", "kubeletConfigKey": "c" } })),
            ("/status/capacity", json!({ "pods": "1.5" })),
            ("/status/capacity", json!({ "cpu": "-1" })),
            ("/status/allocatable", json!({ "example.com/x": "0.5" })),
            ("/status/capacity", json!({ "cpu": "x" })),
            ("/status/nodeInfo", json!({ "swap": { "capacity": 0 } })),
            ("/status/declaredFeatures", json!(["b", "A", "A"])),
        ],
    )
    .await
}

async fn what_stays_of_a_node(talk: &Talk) -> Result<()> {
    let node = json!({ "metadata": { "name": format!("{}-n", talk.id()) }, "spec": { "podCIDR": "10.9.0.0/24", "providerID": "x://y", "externalID": "e" } });
    change_each(
        talk,
        "/api/v1/nodes",
        &node,
        &[
            ("/spec/podCIDRs", json!(["10.8.0.0/24"])),
            ("/spec/podCIDR", json!("10.8.0.0/24")),
            ("/spec/podCIDR", Value::Null),
            ("/spec/podCIDRs", json!(["10.9.0.0/24", "fd00::/64"])),
            ("/spec/providerID", json!("x://z")),
            ("/spec/providerID", Value::Null),
            ("/spec/externalID", json!("f")),
            ("/spec/externalID", Value::Null),
            ("/spec/unschedulable", json!(true)),
            ("/spec/taints", json!([{ "key": "k", "effect": "X" }])),
            ("/spec", Value::Null),
            ("/status/capacity", json!({ "cpu": "-1" })),
            ("/metadata/labels", json!({ "a b": "c" })),
        ],
    )
    .await
}

async fn a_status_of_a_node_is_checked(talk: &Talk) -> Result<()> {
    let name = format!("{}-s", talk.id());
    let made = talk.post("/api/v1/nodes", &json!({ "metadata": { "name": name } })).await?;
    for (n, status) in [
        json!({ "capacity": { "cpu": "-1" } }),
        json!({ "allocatable": { "pods": "0.5" } }),
        json!({ "addresses": [{ "type": "InternalIP", "address": "1.2.3.4" }, { "type": "InternalIP", "address": "1.2.3.4" }] }),
        json!({ "addresses": [{ "type": "X", "address": "y" }], "conditions": [{ "type": "Ready", "status": "X" }] }),
        json!({ "capacity": { "cpu": "2" } }),
        json!({ "config": { "assigned": { "configMap": { "name": "a" } } } }),
        json!({ "phase": "Running", "images": [{ "names": ["b", "a"], "sizeBytes": 5 }], "volumesInUse": ["v"], "volumesAttached": [{ "name": "n", "devicePath": "d" }], "daemonEndpoints": { "kubeletEndpoint": { "Port": 10250 } } }),
    ]
    .into_iter()
    .enumerate()
    {
        let object = with(&made.body, &[("/status", status), ("/spec/unschedulable", json!(true))]);
        talk.put(&format!("/api/v1/nodes/{name}/status?dryRun=All&n={n}"), &object).await?;
    }
    talk.delete(&format!("/api/v1/nodes/{name}")).await?;
    Ok(())
}

async fn ranges_of_nodes(talk: &Talk) -> Result<()> {
    let name = |end: &str| format!("{}-{end}", talk.id());
    lives(
        talk,
        "/api/v1/nodes",
        &[
            json!({ "metadata": { "name": name("one") }, "spec": { "podCIDR": "10.9.0.0/24" } }),
            json!({ "metadata": { "name": name("list") }, "spec": { "podCIDRs": ["10.9.0.0/24", "fd00::/64"] } }),
            json!({ "metadata": { "name": name("both") }, "spec": { "podCIDR": "10.9.0.0/24", "podCIDRs": ["10.8.0.0/24", "fd00::/64"] } }),
            json!({ "metadata": { "name": name("none") }, "spec": { "podCIDR": "", "podCIDRs": [] } }),
        ],
    )
    .await
}

async fn namespaces_are_checked(talk: &Talk) -> Result<()> {
    create_each(
        talk,
        "/api/v1/namespaces",
        &json!({ "metadata": { "name": format!("{}-n", talk.id()) }, "spec": {} }),
        &[
            ("/metadata/name", json!("Not_Ok")),
            ("/metadata/name", json!("a.b")),
            ("/spec/finalizers", json!(["nothing"])),
            ("/spec/finalizers", json!(["not ok/x"])),
            ("/spec/finalizers", json!(["example.org/x"])),
            ("/spec/finalizers", json!(["kubernetes", "orphan"])),
            ("/spec/finalizers", json!([])),
            ("/status", json!({ "phase": "Terminating" })),
            ("/metadata/labels", json!({ "kubernetes.io/metadata.name": "other" })),
        ],
    )
    .await
}

async fn namespaces_change(talk: &Talk) -> Result<()> {
    let name = format!("{}-c", talk.id());
    change_each(
        talk,
        "/api/v1/namespaces",
        &json!({ "metadata": { "name": name } }),
        &[
            ("/spec/finalizers", json!(["example.org/x"])),
            ("/spec", Value::Null),
            ("/status/phase", json!("Terminating")),
            ("/metadata/labels", Value::Null),
            ("/metadata/labels", json!({ "a b": "c" })),
            ("/metadata/annotations", json!({ "a": "b" })),
        ],
    )
    .await?;
    let made = talk.post("/api/v1/namespaces", &json!({ "metadata": { "name": format!("{name}s") } })).await?;
    let path = format!("/api/v1/namespaces/{name}s/status?dryRun=All");
    for status in [
        json!({ "phase": "Terminating" }),
        json!({ "phase": "X" }),
        json!({}),
        json!({ "phase": "Active", "conditions": [{ "type": "A", "status": "True" }] }),
    ] {
        talk.put(&path, &with(&made.body, &[("/status", status), ("/metadata/labels/a", json!("b"))])).await?;
    }
    talk.delete(&format!("/api/v1/namespaces/{name}s")).await?;
    Ok(())
}

async fn namespaces_are_finalized(talk: &Talk) -> Result<()> {
    let name = format!("{}-f", talk.id());
    let made = talk.post("/api/v1/namespaces", &json!({ "metadata": { "name": name } })).await?;
    let path = format!("/api/v1/namespaces/{name}/finalize");
    for (n, finalizers) in
        [json!(["nothing"]), json!(["not ok/x"]), json!(["kubernetes", "example.org/x"])].into_iter().enumerate()
    {
        let object = with(&made.body, &[("/spec/finalizers", finalizers)]);
        talk.put(&format!("{path}?dryRun=All&n={n}"), &object).await?;
    }
    talk.delete(&format!("/api/v1/namespaces/{name}")).await?;
    Ok(())
}
