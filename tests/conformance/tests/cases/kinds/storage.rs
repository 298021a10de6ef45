//! Volumes, claims, classes and what CSI drivers register.

use anyhow::Result;
use motet_conformance::{Talk, cases};
use serde_json::{Value, json};

use crate::cases::tools::{change_each, create_each, lives, with};

cases! { "kinds":
    volumes, persistent_volumes_are_checked, claims, claims_are_checked, what_stays_of_a_claim, storage_classes, csi_drivers, csi_nodes,
    volume_attachments, csi_capacities, volume_attributes_classes,
}

fn volume(name: String) -> Value {
    json!({ "metadata": { "name": name }, "spec": { "capacity": { "storage": "1Gi" }, "accessModes": ["ReadWriteOnce"], "hostPath": { "path": "/x" } } })
}

async fn volumes(talk: &Talk) -> Result<()> {
    let name = |end: &str| format!("{}-{end}", talk.id());
    let all = json!({ "metadata": { "name": name("all") }, "spec": { "capacity": { "storage": "5Gi" }, "accessModes": ["ReadOnlyMany", "ReadWriteMany"], "persistentVolumeReclaimPolicy": "Delete", "storageClassName": "fast", "mountOptions": ["hard"], "volumeMode": "Block",
        "csi": { "driver": "d.example.com", "volumeHandle": "h", "volumeAttributes": { "a": "b" } }, "nodeAffinity": { "required": { "nodeSelectorTerms": [{ "matchExpressions": [{ "key": "k", "operator": "Exists" }] }] } } } });
    lives(talk, "/api/v1/persistentvolumes", &[volume(name("least")), all]).await
}

async fn persistent_volumes_are_checked(talk: &Talk) -> Result<()> {
    let path = "/api/v1/persistentvolumes";
    let base = volume(format!("{}-v", talk.id()));
    create_each(
        talk,
        path,
        &base,
        &[
            ("/spec", Value::Null),
            ("/spec/capacity", Value::Null),
            ("/spec/capacity", json!({ "cpu": "1" })),
            ("/spec/capacity/storage", json!("0")),
            ("/spec/accessModes", Value::Null),
            ("/spec/accessModes", json!(["X"])),
            ("/spec/hostPath", Value::Null),
            ("/spec/persistentVolumeReclaimPolicy", json!("X")),
            ("/spec/nfs", json!({ "server": "s", "path": "/p" })),
            ("/spec/volumeMode", json!("X")),
            ("/spec/storageClassName", json!("Not_Ok")),
            ("/spec/hostPath/path", json!("")),
        ],
    )
    .await?;
    change_each(
        talk,
        path,
        &base,
        &[
            ("/spec/hostPath/path", json!("/y")),
            ("/spec/capacity/storage", json!("2Gi")),
            ("/spec/volumeMode", json!("Block")),
            ("/spec/persistentVolumeReclaimPolicy", json!("Delete")),
        ],
    )
    .await
}

fn claim(name: &str) -> Value {
    json!({ "metadata": { "name": name }, "spec": { "accessModes": ["ReadWriteOnce"], "resources": { "requests": { "storage": "1Gi" } } } })
}

async fn claims(talk: &Talk) -> Result<()> {
    talk.namespace().await?;
    let all = with(
        &claim("all"),
        &[
            ("/spec/storageClassName", json!("fast")),
            ("/spec/volumeMode", json!("Block")),
            ("/spec/volumeName", json!("v")),
            ("/spec/selector", json!({ "matchLabels": { "a": "b" } })),
            ("/spec/resources/limits", json!({ "storage": "2Gi" })),
            ("/spec/accessModes", json!(["ReadWriteOncePod"])),
            ("/spec/dataSource", json!({ "kind": "PersistentVolumeClaim", "name": "other" })),
        ],
    );
    lives(talk, &talk.path("v1", "persistentvolumeclaims"), &[claim("least"), all]).await
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
            ("/spec/accessModes", json!(["ReadOnlyMany"])),
            ("/spec/resources/requests/storage", json!("2Gi")),
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

async fn csi_drivers(talk: &Talk) -> Result<()> {
    let path = "/apis/storage.k8s.io/v1/csidrivers";
    let least = json!({ "metadata": { "name": format!("{}.example.com", talk.id()) }, "spec": {} });
    lives(talk, path, &[least.clone(), with(&least, &[("/spec", json!({ "attachRequired": false, "podInfoOnMount": true, "volumeLifecycleModes": ["Ephemeral"], "tokenRequests": [{ "audience": "a", "expirationSeconds": 3600 }], "fsGroupPolicy": "File", "storageCapacity": true, "requiresRepublish": true, "seLinuxMount": true }))])]).await?;
    create_each(
        talk,
        path,
        &least,
        &[
            ("/spec/volumeLifecycleModes", json!(["X"])),
            ("/spec/fsGroupPolicy", json!("X")),
            ("/spec/tokenRequests", json!([{ "audience": "a", "expirationSeconds": 1 }])),
            ("/spec/tokenRequests", json!([{ "audience": "a" }, { "audience": "a" }])),
            ("/spec/tokenRequests", json!([{ "audience": "a", "expirationSeconds": 4_294_967_297_i64 }])),
            ("/spec/nodeAllocatableUpdatePeriodSeconds", json!(9)),
            ("/spec/serviceAccountTokenInSecrets", json!(true)),
            ("/spec/preventPodSchedulingIfMissing", json!(true)),
            ("/spec", Value::Null),
        ],
    )
    .await?;
    change_each(
        talk,
        path,
        &with(&least, &[("/metadata/name", json!(format!("{}-c.example.com", talk.id())))]),
        &[
            ("/spec/attachRequired", json!(false)),
            ("/spec/podInfoOnMount", json!(true)),
            ("/spec/volumeLifecycleModes", json!(["Ephemeral"])),
            ("/spec/fsGroupPolicy", json!("File")),
            ("/spec/storageCapacity", json!(true)),
            ("/spec/tokenRequests", json!([{ "audience": "a" }])),
            ("/spec/seLinuxMount", json!(true)),
            ("/spec/nodeAllocatableUpdatePeriodSeconds", json!(20)),
        ],
    )
    .await
}

async fn csi_nodes(talk: &Talk) -> Result<()> {
    let path = "/apis/storage.k8s.io/v1/csinodes";
    let least = json!({ "metadata": { "name": format!("{}-n", talk.id()) }, "spec": { "drivers": [] } });
    lives(talk, path, &[least.clone(), with(&least, &[("/spec/drivers", json!([{ "name": "d.example.com", "nodeID": "n", "topologyKeys": ["a"], "allocatable": { "count": 3 } }]))])]).await?;
    create_each(
        talk,
        path,
        &least,
        &[
            ("/spec", Value::Null),
            ("/spec/drivers", json!([{ "name": "d" }])),
            ("/spec/drivers", json!([{ "nodeID": "n" }])),
            ("/spec/drivers", json!([{ "name": "d", "nodeID": "n" }, { "name": "d", "nodeID": "n" }])),
            ("/spec/drivers", json!([{ "name": "d", "nodeID": "n", "topologyKeys": ["", "a", "a", "a b"] }])),
            ("/spec/drivers", json!([{ "name": "d", "nodeID": "n", "allocatable": { "count": -1 } }])),
            ("/spec/drivers", json!([{ "name": "d", "nodeID": "n".repeat(257) }])),
            ("/spec/drivers", json!([{ "name": "Not_Ok", "nodeID": "n" }])),
            ("/spec/drivers", json!([{ "name": "d", "nodeID": "n", "allocatable": {} }])),
        ],
    )
    .await?;
    let one = json!({ "metadata": { "name": format!("{}-c", talk.id()) }, "spec": { "drivers": [{ "name": "d", "nodeID": "n", "topologyKeys": ["a"], "allocatable": { "count": 3 } }] } });
    change_each(
        talk,
        path,
        &one,
        &[
            ("/spec/drivers/0/nodeID", json!("m")),
            ("/spec/drivers/0/topologyKeys", json!(["b"])),
            ("/spec/drivers/0/allocatable/count", json!(4)),
            ("/spec/drivers/1", json!({ "name": "e", "nodeID": "n" })),
            ("/spec/drivers", json!([])),
            ("/spec/drivers/0/name", json!("e")),
        ],
    )
    .await
}

async fn volume_attachments(talk: &Talk) -> Result<()> {
    let path = "/apis/storage.k8s.io/v1/volumeattachments";
    let least = json!({ "metadata": { "name": format!("{}-a", talk.id()) }, "spec": { "attacher": "d.example.com", "nodeName": "n", "source": { "persistentVolumeName": "v" } } });
    lives(talk, path, std::slice::from_ref(&least)).await?;
    create_each(
        talk,
        path,
        &least,
        &[
            ("/spec/attacher", Value::Null),
            ("/spec/attacher", json!("Not_Ok")),
            ("/spec/nodeName", Value::Null),
            ("/spec/nodeName", json!("Not_Ok")),
            ("/spec/source", json!({})),
            ("/spec/source/persistentVolumeName", json!("")),
            ("/spec/source/persistentVolumeName", json!("Not_Ok")),
            ("/spec/source/inlineVolumeSpec", json!({ "accessModes": ["ReadWriteOnce"], "csi": { "driver": "d", "volumeHandle": "h" } })),
            ("/spec/source", json!({ "inlineVolumeSpec": { "accessModes": ["ReadWriteOnce"], "csi": { "driver": "d", "volumeHandle": "h" } } })),
            ("/spec/source", json!({ "inlineVolumeSpec": { "accessModes": ["ReadWriteOnce"], "hostPath": { "path": "/x" } } })),
            ("/spec/source", json!({ "inlineVolumeSpec": { "capacity": { "storage": "1" }, "csi": { "driver": "d", "volumeHandle": "h" } } })),
            ("/status", json!({ "attached": true })),
        ],
    )
    .await?;
    change_each(
        talk,
        path,
        &least,
        &[
            ("/spec/nodeName", json!("m")),
            ("/spec/attacher", json!("e")),
            ("/status/attached", json!(true)),
            ("/metadata/annotations", json!({ "a": "b" })),
        ],
    )
    .await?;
    let made = talk.post(path, &with(&least, &[("/metadata/name", json!(format!("{}-s", talk.id())))])).await?;
    for (n, status) in [
        json!({ "attached": true, "attachmentMetadata": { "a": "b" } }),
        json!({ "attached": false, "attachError": { "message": "m".repeat(1025), "time": "2020-01-01T00:00:00Z" } }),
        json!({ "attached": false, "detachError": { "errorCode": -1 } }),
        json!({ "attached": false, "attachError": { "errorCode": 7, "message": "m" } }),
    ]
    .into_iter()
    .enumerate()
    {
        let object = with(&made.body, &[("/status", status), ("/spec/nodeName", json!("other"))]);
        talk.put(&format!("{path}/{}-s/status?dryRun=All&n={n}", talk.id()), &object).await?;
    }
    talk.delete(&format!("{path}/{}-s", talk.id())).await?;
    Ok(())
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
    create_each(
        talk,
        &path,
        &least,
        &[
            ("/storageClassName", Value::Null),
            ("/storageClassName", json!("Not_Ok")),
            ("/capacity", json!("-1")),
            ("/maximumVolumeSize", json!("-1")),
            ("/maximumVolumeSize", json!("x")),
            ("/nodeTopology", json!({ "matchLabels": { "a b": "c" } })),
            ("/nodeTopology", json!({ "matchLabels": { "beta.kubernetes.io/os": "linux" } })),
            (
                "/nodeTopology",
                json!({ "matchExpressions": [{ "key": "beta.kubernetes.io/arch", "operator": "Exists" }] }),
            ),
        ],
    )
    .await?;
    change_each(
        talk,
        &path,
        &with(&least, &[("/nodeTopology", json!({ "matchLabels": { "a": "b" } }))]),
        &[
            ("/storageClassName", json!("d")),
            ("/nodeTopology", Value::Null),
            ("/nodeTopology/matchLabels/a", json!("c")),
            ("/capacity", json!("1")),
            ("/capacity", json!("-1")),
            ("/maximumVolumeSize", json!("2")),
        ],
    )
    .await
}

async fn volume_attributes_classes(talk: &Talk) -> Result<()> {
    let path = "/apis/storage.k8s.io/v1/volumeattributesclasses";
    let least = json!({ "metadata": { "name": format!("{}-c", talk.id()) }, "driverName": "d.example.com", "parameters": { "a": "b" } });
    lives(talk, path, std::slice::from_ref(&least)).await?;
    create_each(talk, path, &least, &[("/driverName", Value::Null), ("/parameters", Value::Null)]).await?;
    let other = with(&least, &[("/metadata/name", json!(format!("{}-d", talk.id())))]);
    change_each(talk, path, &other, &[("/driverName", json!("e.example.com")), ("/parameters", json!({ "a": "c" }))])
        .await
}
