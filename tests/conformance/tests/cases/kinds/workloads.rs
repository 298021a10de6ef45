//! Kinds that run pods for as long as they are there: Deployments and the others of apps, ReplicationControllers.

use anyhow::Result;
use motet_conformance::{Talk, cases};
use serde_json::{Value, json};

use crate::cases::tools::{change_each, create_each, lives, with};

cases! { "kinds":
    deployments, deployments_are_checked, what_stays_of_a_deployment, replica_sets, replica_sets_are_checked, stateful_sets,
    stateful_sets_are_checked, what_stays_of_a_stateful_set, daemon_sets, daemon_sets_are_checked, controller_revisions,
    replication_controllers, replication_controllers_are_checked, statuses_of_workloads_are_checked,
}

pub(super) fn template() -> Value {
    json!({ "metadata": { "labels": { "app": "x" } }, "spec": { "containers": [{ "name": "c", "image": "nginx:1" }] } })
}

fn named(name: &str, spec: Value) -> Value {
    json!({ "metadata": { "name": name }, "spec": spec })
}

fn least(name: &str) -> Value {
    named(name, json!({ "selector": { "matchLabels": { "app": "x" } }, "template": template() }))
}

async fn deployments(talk: &Talk) -> Result<()> {
    talk.namespace().await?;
    let all = json!({ "replicas": 3, "paused": true, "minReadySeconds": 5, "progressDeadlineSeconds": 60, "revisionHistoryLimit": 2,
        "selector": { "matchExpressions": [{ "key": "app", "operator": "In", "values": ["x", "y"] }] },
        "strategy": { "type": "RollingUpdate", "rollingUpdate": { "maxSurge": 1, "maxUnavailable": "10%" } }, "template": template() });
    let recreate =
        with(&least("recreate"), &[("/spec/strategy", json!({ "type": "Recreate" })), ("/spec/replicas", json!(0))]);
    lives(talk, &talk.path("apps/v1", "deployments"), &[least("least"), named("all", all), recreate]).await
}

async fn deployments_are_checked(talk: &Talk) -> Result<()> {
    talk.namespace().await?;
    create_each(
        talk,
        &talk.path("apps/v1", "deployments"),
        &least("d"),
        &[
            ("/spec", Value::Null),
            ("/spec", json!({})),
            ("/spec/selector", Value::Null),
            ("/spec/selector", json!({})),
            ("/spec/selector/matchLabels/app", json!("other")),
            ("/spec/selector/matchLabels/app", json!("not ok")),
            ("/spec/template", Value::Null),
            ("/spec/template/metadata", Value::Null),
            ("/spec/template/spec", Value::Null),
            ("/spec/template/spec/containers", json!([])),
            ("/spec/replicas", json!(-1)),
            ("/spec/minReadySeconds", json!(-1)),
            ("/spec/progressDeadlineSeconds", json!(0)),
            ("/spec/minReadySeconds", json!(600)),
            ("/spec/revisionHistoryLimit", json!(-1)),
            ("/spec/strategy", json!({ "type": "Nonsense" })),
            ("/spec/strategy", json!({ "type": "Recreate", "rollingUpdate": { "maxSurge": 1 } })),
            ("/spec/strategy", json!({ "rollingUpdate": { "maxSurge": 0, "maxUnavailable": 0 } })),
            ("/spec/strategy", json!({ "rollingUpdate": { "maxSurge": "x" } })),
            ("/spec/strategy", json!({ "rollingUpdate": { "maxUnavailable": "101%" } })),
            ("/spec/strategy", json!({ "rollingUpdate": { "maxSurge": -1 } })),
            ("/spec/template/spec/restartPolicy", json!("Never")),
            ("/spec/selector", json!({ "matchExpressions": [{ "key": "app", "operator": "Nonsense" }] })),
            ("/spec/selector", json!({ "matchExpressions": [{ "key": "app", "operator": "In" }] })),
            ("/spec/template/metadata/labels/bad key", json!("x")),
            ("/spec/template/spec/activeDeadlineSeconds", json!(5)),
        ],
    )
    .await
}

async fn what_stays_of_a_deployment(talk: &Talk) -> Result<()> {
    talk.namespace().await?;
    change_each(
        talk,
        &talk.path("apps/v1", "deployments"),
        &least("d"),
        &[
            ("/spec/selector/matchLabels/app", json!("y")),
            ("/spec/selector/matchLabels", json!({})),
            ("/spec/template/spec/containers/0/image", json!("nginx:2")),
            ("/spec/replicas", Value::Null),
            ("/spec/replicas", json!(-2)),
            ("/spec/template/metadata/labels/app", json!("y")),
            ("/spec/strategy", json!({ "type": "Recreate" })),
            ("/spec/strategy/type", json!("Recreate")),
            ("/spec/template/spec/containers/0", json!({ "name": "c" })),
        ],
    )
    .await
}

async fn replica_sets(talk: &Talk) -> Result<()> {
    talk.namespace().await?;
    let selected = named(
        "selected",
        json!({ "replicas": 2, "minReadySeconds": 1, "selector": { "matchLabels": { "app": "x" } }, "template": template() }),
    );
    lives(talk, &talk.path("apps/v1", "replicasets"), &[least("least"), selected]).await
}

async fn replica_sets_are_checked(talk: &Talk) -> Result<()> {
    talk.namespace().await?;
    let path = talk.path("apps/v1", "replicasets");
    create_each(
        talk,
        &path,
        &least("r"),
        &[
            ("/spec/selector", Value::Null),
            ("/spec/selector", json!({})),
            ("/spec/selector/matchLabels/app", json!("y")),
            ("/spec/template", Value::Null),
            ("/spec/replicas", json!(-1)),
            ("/spec/minReadySeconds", json!(-1)),
            ("/spec/template/spec/restartPolicy", json!("OnFailure")),
        ],
    )
    .await?;
    change_each(
        talk,
        &path,
        &least("r"),
        &[
            ("/spec/selector/matchLabels/app", json!("y")),
            ("/spec/replicas", json!(5)),
            ("/spec/template/metadata/labels/more", json!("yes")),
        ],
    )
    .await
}

async fn stateful_sets(talk: &Talk) -> Result<()> {
    talk.namespace().await?;
    let claim = json!({ "metadata": { "name": "data" }, "spec": { "accessModes": ["ReadWriteOnce"], "resources": { "requests": { "storage": "1Gi" } } } });
    let all = json!({ "replicas": 3, "serviceName": "s", "podManagementPolicy": "Parallel", "minReadySeconds": 1, "revisionHistoryLimit": 3, "ordinals": { "start": 1 },
        "updateStrategy": { "type": "RollingUpdate", "rollingUpdate": { "partition": 1 } }, "persistentVolumeClaimRetentionPolicy": { "whenDeleted": "Delete" },
        "volumeClaimTemplates": [claim], "selector": { "matchLabels": { "app": "x" } }, "template": template() });
    let on_delete = with(&least("on-delete"), &[("/spec/updateStrategy", json!({ "type": "OnDelete" }))]);
    lives(talk, &talk.path("apps/v1", "statefulsets"), &[least("least"), named("all", all), on_delete]).await
}

async fn stateful_sets_are_checked(talk: &Talk) -> Result<()> {
    talk.namespace().await?;
    create_each(
        talk,
        &talk.path("apps/v1", "statefulsets"),
        &least("s"),
        &[
            ("/spec/selector", Value::Null),
            ("/spec/selector", json!({})),
            ("/spec/selector/matchLabels/app", json!("y")),
            ("/spec/template", Value::Null),
            ("/spec/replicas", json!(-1)),
            ("/spec/podManagementPolicy", json!("Nonsense")),
            ("/spec/updateStrategy", json!({ "type": "Nonsense" })),
            ("/spec/updateStrategy", json!({ "type": "OnDelete", "rollingUpdate": { "partition": 1 } })),
            ("/spec/updateStrategy", json!({ "rollingUpdate": { "partition": -1 } })),
            ("/spec/template/spec/restartPolicy", json!("Never")),
            ("/spec/ordinals", json!({ "start": -1 })),
            ("/spec/minReadySeconds", json!(-1)),
            ("/spec/persistentVolumeClaimRetentionPolicy", json!({ "whenScaled": "Nonsense" })),
            ("/spec/serviceName", json!("Not_Ok")),
            ("/spec/revisionHistoryLimit", json!(-1)),
            ("/metadata/name", json!("a.b")),
        ],
    )
    .await
}

async fn what_stays_of_a_stateful_set(talk: &Talk) -> Result<()> {
    talk.namespace().await?;
    change_each(talk, &talk.path("apps/v1", "statefulsets"), &least("s"), &[
        ("/spec/serviceName", json!("other")), ("/spec/selector/matchLabels/app", json!("y")), ("/spec/podManagementPolicy", json!("Parallel")), ("/spec/replicas", json!(4)), ("/spec/minReadySeconds", json!(4)),
        ("/spec/volumeClaimTemplates", json!([{ "metadata": { "name": "d" }, "spec": { "accessModes": ["ReadWriteOnce"], "resources": { "requests": { "storage": "1Gi" } } } }])),
        ("/spec/template/spec/containers/0/image", json!("nginx:3")), ("/spec/revisionHistoryLimit", json!(3)),
    ]).await
}

async fn daemon_sets(talk: &Talk) -> Result<()> {
    talk.namespace().await?;
    let on_delete = with(&least("on-delete"), &[("/spec/updateStrategy", json!({ "type": "OnDelete" }))]);
    let rolling = with(
        &least("rolling"),
        &[
            ("/spec/updateStrategy", json!({ "type": "RollingUpdate", "rollingUpdate": { "maxUnavailable": "50%" } })),
            ("/spec/minReadySeconds", json!(3)),
            ("/spec/revisionHistoryLimit", json!(3)),
        ],
    );
    lives(talk, &talk.path("apps/v1", "daemonsets"), &[least("least"), on_delete, rolling]).await
}

async fn daemon_sets_are_checked(talk: &Talk) -> Result<()> {
    talk.namespace().await?;
    let path = talk.path("apps/v1", "daemonsets");
    create_each(
        talk,
        &path,
        &least("d"),
        &[
            ("/spec/selector", Value::Null),
            ("/spec/selector", json!({})),
            ("/spec/selector/matchLabels/app", json!("y")),
            ("/spec/template", Value::Null),
            ("/spec/updateStrategy", json!({ "type": "Nonsense" })),
            ("/spec/updateStrategy", json!({ "rollingUpdate": { "maxUnavailable": 0 } })),
            ("/spec/updateStrategy", json!({ "rollingUpdate": { "maxUnavailable": 1, "maxSurge": 1 } })),
            ("/spec/template/spec/restartPolicy", json!("Never")),
            ("/spec/template/spec/activeDeadlineSeconds", json!(5)),
            ("/spec/minReadySeconds", json!(-1)),
            ("/spec/revisionHistoryLimit", json!(-1)),
        ],
    )
    .await?;
    change_each(
        talk,
        &path,
        &least("d"),
        &[
            ("/spec/selector/matchLabels/app", json!("y")),
            ("/spec/template/spec/containers/0/image", json!("i:2")),
            ("/spec/minReadySeconds", json!(2)),
            ("/metadata/annotations", json!({ "a": "b" })),
        ],
    )
    .await
}

async fn controller_revisions(talk: &Talk) -> Result<()> {
    talk.namespace().await?;
    let path = talk.path("apps/v1", "controllerrevisions");
    let least = json!({ "metadata": { "name": "least" }, "revision": 1, "data": { "any": { "thing": [1, 2] } } });
    lives(talk, &path, std::slice::from_ref(&least)).await?;
    create_each(
        talk,
        &path,
        &least,
        &[
            ("/revision", json!(-1)),
            ("/revision", Value::Null),
            ("/data", Value::Null),
            ("/data", json!([1])),
            ("/data", json!("x")),
            ("/data", json!({})),
            ("/revision", json!("x")),
        ],
    )
    .await?;
    change_each(
        talk,
        &path,
        &least,
        &[
            ("/data/any", json!(1)),
            ("/data", Value::Null),
            ("/revision", json!(2)),
            ("/revision", json!(0)),
            ("/revision", json!(-1)),
            ("/metadata/labels", json!({ "a": "b" })),
        ],
    )
    .await
}

async fn replication_controllers(talk: &Talk) -> Result<()> {
    talk.namespace().await?;
    let plain = named("plain", json!({ "template": template() }));
    let all = named(
        "all",
        json!({ "replicas": 2, "minReadySeconds": 3, "selector": { "app": "x" }, "template": template() }),
    );
    lives(talk, &talk.path("v1", "replicationcontrollers"), &[plain, all]).await
}

async fn replication_controllers_are_checked(talk: &Talk) -> Result<()> {
    talk.namespace().await?;
    let path = talk.path("v1", "replicationcontrollers");
    let base = named("r", json!({ "selector": { "app": "x" }, "template": template() }));
    create_each(
        talk,
        &path,
        &base,
        &[
            ("/spec/selector/app", json!("y")),
            ("/spec/selector", json!({})),
            ("/spec/template", Value::Null),
            ("/spec/replicas", json!(-1)),
            ("/spec/minReadySeconds", json!(-1)),
            ("/spec/template/spec/restartPolicy", json!("Never")),
            ("/spec", Value::Null),
        ],
    )
    .await?;
    change_each(
        talk,
        &path,
        &base,
        &[("/spec/replicas", json!(0)), ("/spec/replicas", Value::Null), ("/spec/selector", json!({ "app": "y" }))],
    )
    .await
}

async fn statuses_of_workloads_are_checked(talk: &Talk) -> Result<()> {
    talk.namespace().await?;
    for (plural, changes) in [
        (
            "deployments",
            vec![
                ("/status/replicas", json!(-1)),
                ("/status/readyReplicas", json!(3)),
                ("/status/availableReplicas", json!(3)),
                ("/status/unavailableReplicas", json!(-1)),
                ("/status/observedGeneration", json!(-1)),
            ],
        ),
        (
            "replicasets",
            vec![
                ("/status/replicas", json!(-1)),
                ("/status/readyReplicas", json!(3)),
                ("/status/fullyLabeledReplicas", json!(3)),
            ],
        ),
        (
            "statefulsets",
            vec![
                ("/status/replicas", json!(-1)),
                ("/status/readyReplicas", json!(3)),
                ("/status/currentReplicas", json!(3)),
            ],
        ),
        (
            "daemonsets",
            vec![
                ("/status/desiredNumberScheduled", json!(-1)),
                ("/status/numberReady", json!(3)),
                ("/status/currentNumberScheduled", json!(-1)),
                ("/status/numberUnavailable", json!(-1)),
                ("/status/collisionCount", json!(-1)),
            ],
        ),
        (
            "replicationcontrollers",
            vec![
                ("/status/replicas", json!(-1)),
                ("/status/readyReplicas", json!(3)),
                ("/status/fullyLabeledReplicas", json!(3)),
                ("/status/availableReplicas", json!(-1)),
                ("/status/observedGeneration", json!(-1)),
                ("/status/conditions", json!([{ "type": "ReplicaFailure", "status": "True" }])),
            ],
        ),
    ] {
        let core = plural == "replicationcontrollers";
        let path = talk.path(if core { "v1" } else { "apps/v1" }, plural);
        let object = if core {
            named("one", json!({ "selector": { "app": "x" }, "template": template() }))
        } else {
            least("one")
        };
        let made = talk.post(&path, &object).await?;
        for (pointer, value) in changes {
            talk.note("with", format!("{pointer}: {value}"));
            talk.put(&format!("{path}/one/status?dryRun=All"), &with(&made.body, &[(pointer, value)])).await?;
        }
    }
    Ok(())
}
