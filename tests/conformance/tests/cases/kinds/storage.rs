//! Volumes, claims, classes and what CSI drivers register.

use anyhow::Result;
use motet_conformance::{Talk, cases};
use serde_json::{Value, json};

use crate::cases::tools::{change_each, create_each, lives, with};

cases! { "kinds":
claims_are_checked, what_stays_of_a_claim, storage_classes, csi_capacities, }

fn claim(name: &str) -> Value {
    json!({ "metadata": { "name": name }, "spec": { "accessModes": ["ReadWriteOnce"], "resources": { "requests": { "storage": "1Gi" } } } })
}

async fn claims_are_checked(talk: &Talk) -> Result<()> {
    talk.namespace().await?;
    create_each(
        talk,
        &talk.path("v1", "persistentvolumeclaims"),
        &claim("c"),
        &[
            ("/spec", Value::Null),
            ("/spec/accessModes", Value::Null),
            ("/spec/accessModes", json!([])),
            ("/spec/accessModes", json!(["X"])),
            ("/spec/resources", Value::Null),
            ("/spec/resources/requests/storage", json!("0")),
            ("/spec/resources/requests/storage", json!("-1Gi")),
            ("/spec/resources/requests/storage", json!("1Gb")),
            ("/spec/resources/requests", json!({ "cpu": "1" })),
            ("/spec/storageClassName", json!("Not_Ok")),
            ("/spec/volumeMode", json!("X")),
            ("/spec/selector", json!({ "matchLabels": { "a b": "c" } })),
            ("/spec/accessModes", json!(["ReadWriteOncePod", "ReadWriteOnce"])),
        ],
    )
    .await
}

async fn what_stays_of_a_claim(talk: &Talk) -> Result<()> {
    talk.namespace().await?;
    let path = talk.path("v1", "persistentvolumeclaims");
    change_each(
        talk,
        &path,
        &claim("c"),
        &[
            ("/spec/storageClassName", json!("other")),
            ("/spec/volumeName", json!("v")),
            ("/metadata/labels", json!({ "a": "b" })),
        ],
    )
    .await?;
    let made = talk.get(&format!("{path}/c")).await?;
    talk.put(
        &format!("{path}/c/status"),
        &with(
            &made.body,
            &[(
                "/status",
                json!({ "phase": "Bound", "accessModes": ["ReadWriteOnce"], "capacity": { "storage": "1Gi" } }),
            )],
        ),
    )
    .await?;
    Ok(())
}

async fn storage_classes(talk: &Talk) -> Result<()> {
    let path = "/apis/storage.k8s.io/v1/storageclasses";
    let name = |end: &str| format!("{}-{end}", talk.id());
    let least = json!({ "metadata": { "name": name("least") }, "provisioner": "example.com/p" });
    let all = with(
        &least,
        &[
            ("/metadata/name", json!(name("all"))),
            ("/parameters", json!({ "a": "b" })),
            ("/reclaimPolicy", json!("Retain")),
            ("/volumeBindingMode", json!("WaitForFirstConsumer")),
            ("/allowVolumeExpansion", json!(true)),
            ("/mountOptions", json!(["x"])),
            ("/allowedTopologies", json!([{ "matchLabelExpressions": [{ "key": "k", "values": ["v"] }] }])),
        ],
    );
    lives(talk, path, &[least.clone(), all]).await?;
    create_each(
        talk,
        path,
        &least,
        &[
            ("/provisioner", Value::Null),
            ("/provisioner", json!("bad name")),
            ("/reclaimPolicy", json!("X")),
            ("/volumeBindingMode", json!("X")),
            ("/parameters", json!({ "": "x" })),
            ("/parameters", json!({})),
        ],
    )
    .await?;
    change_each(
        talk,
        path,
        &least,
        &[
            ("/provisioner", json!("example.com/q")),
            ("/reclaimPolicy", json!("Retain")),
            ("/parameters", json!({ "a": "b" })),
            ("/volumeBindingMode", json!("WaitForFirstConsumer")),
            ("/allowVolumeExpansion", json!(true)),
        ],
    )
    .await
}

async fn csi_capacities(talk: &Talk) -> Result<()> {
    talk.namespace().await?;
    let path = talk.path("storage.k8s.io/v1", "csistoragecapacities");
    let least = json!({ "metadata": { "name": "least" }, "storageClassName": "c" });
    lives(
        talk,
        &path,
        &[
            least.clone(),
            with(
                &least,
                &[
                    ("/metadata/name", json!("all")),
                    ("/capacity", json!("5Gi")),
                    ("/maximumVolumeSize", json!("1Gi")),
                    ("/nodeTopology", json!({ "matchLabels": { "a": "b" } })),
                ],
            ),
        ],
    )
    .await?;
    create_each(talk, &path, &least, &[("/storageClassName", Value::Null), ("/capacity", json!("-1"))]).await?;
    change_each(talk, &path, &least, &[("/storageClassName", json!("d")), ("/capacity", json!("1"))]).await
}
