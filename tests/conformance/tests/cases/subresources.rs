//! What writes apart from the whole object do: status, scale, dry runs.

use anyhow::Result;
use http::Method;
use motet_conformance::{Talk, cases};
use serde_json::{Value, json};

use super::{
    objects::{deployment, map},
    tools::with,
};

cases! { "objects": a_status_is_changed_apart, scale_reads_and_writes_replicas, scale_of_every_kind_that_scales, a_scale_is_checked, a_dry_run_changes_nothing, a_dry_run_is_all_or_wrong }

async fn a_status_is_changed_apart(talk: &Talk) -> Result<()> {
    talk.namespace().await?;
    let path = talk.path("apps/v1", "deployments");
    let made = talk.post(&path, &with(&deployment("one"), &[("/status", json!({ "replicas": 5 }))])).await?;
    let one = format!("{path}/one");
    let status =
        json!({ "replicas": 1, "observedGeneration": 1, "conditions": [{ "type": "Available", "status": "True" }] });
    talk.put(&format!("{one}/status"), &with(&made.body, &[("/status", status)])).await?;
    talk.get(&format!("{one}/status")).await?;
    talk.get(&one).await?;
    talk.put(
        &format!("{one}/status"),
        &with(&made.body, &[("/status/replicas", json!(-1)), ("/metadata/resourceVersion", Value::Null)]),
    )
    .await?;
    talk.put(&format!("{one}/status"), &made.body).await?;
    talk.get(&format!("{}/x/status", talk.path("v1", "configmaps"))).await?;
    Ok(())
}

async fn scale_reads_and_writes_replicas(talk: &Talk) -> Result<()> {
    talk.namespace().await?;
    let path = talk.path("apps/v1", "deployments");
    talk.post(&path, &deployment("one")).await?;
    let scale = talk.get(&format!("{path}/one/scale")).await?;
    talk.put(&format!("{path}/one/scale"), &with(&scale.body, &[("/spec/replicas", json!(4))])).await?;
    talk.put(&format!("{path}/one/scale"), &with(&scale.body, &[("/spec/replicas", json!(5))])).await?;
    talk.patch(
        &format!("{path}/one/scale"),
        motet_conformance::talk::patch::MERGE,
        &json!({ "spec": { "replicas": 6 } }),
    )
    .await?;
    talk.patch(
        &format!("{path}/one/scale?dryRun=All"),
        motet_conformance::talk::patch::MERGE,
        &json!({ "spec": { "replicas": 7 } }),
    )
    .await?;
    talk.get(&format!("{path}/one")).await?;
    Ok(())
}

async fn scale_of_every_kind_that_scales(talk: &Talk) -> Result<()> {
    talk.namespace().await?;
    let template =
        json!({ "metadata": { "labels": { "a": "b" } }, "spec": { "containers": [{ "name": "c", "image": "i" }] } });
    let selector =
        json!({ "matchLabels": { "a": "b" }, "matchExpressions": [{ "key": "x", "operator": "DoesNotExist" }] });
    for (group, plural, spec) in [
        ("apps/v1", "replicasets", json!({ "replicas": 2, "selector": selector, "template": template })),
        (
            "apps/v1",
            "statefulsets",
            json!({ "replicas": 2, "selector": selector, "serviceName": "s", "template": template }),
        ),
        ("v1", "replicationcontrollers", json!({ "replicas": 2, "selector": { "a": "b" }, "template": template })),
    ] {
        let path = talk.path(group, plural);
        talk.post(&path, &json!({ "metadata": { "name": "one" }, "spec": spec })).await?;
        let scale = talk.get(&format!("{path}/one/scale")).await?;
        talk.put(
            &format!("{path}/one/scale"),
            &with(
                &scale.body,
                &[
                    ("/spec/replicas", json!(4)),
                    ("/metadata/labels", json!({ "x": "y" })),
                    ("/status", json!({ "replicas": 9 })),
                ],
            ),
        )
        .await?;
        talk.get(&format!("{path}/one")).await?;
    }
    Ok(())
}

async fn a_scale_is_checked(talk: &Talk) -> Result<()> {
    talk.namespace().await?;
    let path = talk.path("apps/v1", "deployments");
    talk.post(&path, &deployment("one")).await?;
    let scale = talk.get(&format!("{path}/one/scale")).await?;
    for (pointer, value) in [
        ("/spec/replicas", json!(-1)),
        ("/spec/replicas", json!("x")),
        ("/metadata/name", json!("two")),
        ("/metadata/namespace", json!("default")),
        ("/kind", json!("Deployment")),
        ("/apiVersion", json!("apps/v1")),
        ("/metadata/resourceVersion", json!("1")),
        ("/spec", Value::Null),
    ] {
        talk.note("with", format!("{pointer}: {value}"));
        talk.put(&format!("{path}/one/scale?dryRun=All"), &with(&scale.body, &[(pointer, value)])).await?;
    }
    Ok(())
}

async fn a_dry_run_changes_nothing(talk: &Talk) -> Result<()> {
    talk.namespace().await?;
    let maps = talk.path("v1", "configmaps");
    talk.post(&format!("{maps}?dryRun=All"), &map("one")).await?;
    talk.get(&format!("{maps}/one")).await?;
    let made = talk.post(&maps, &map("one")).await?;
    talk.post(&format!("{maps}?dryRun=All"), &map("one")).await?;
    talk.put(&format!("{maps}/one?dryRun=All"), &with(&made.body, &[("/data/k", json!("dry"))])).await?;
    talk.patch(
        &format!("{maps}/one?dryRun=All"),
        motet_conformance::talk::patch::MERGE,
        &json!({ "data": { "k": "dry" } }),
    )
    .await?;
    talk.apply(&format!("{maps}/two"), "m", &map("two")).await?;
    talk.ask(Method::PATCH, &format!("{maps}/three?dryRun=All&fieldManager=m"))
        .bytes("application/apply-patch+yaml", map("three").to_string().into_bytes())
        .send()
        .await?;
    talk.delete(&format!("{maps}/one?dryRun=All")).await?;
    talk.delete_with(&format!("{maps}/one"), &json!({ "dryRun": ["All"] })).await?;
    talk.delete(&format!("{maps}?dryRun=All")).await?;
    talk.get(&maps).await?;
    Ok(())
}

async fn a_dry_run_is_all_or_wrong(talk: &Talk) -> Result<()> {
    talk.namespace().await?;
    let maps = talk.path("v1", "configmaps");
    talk.post(&maps, &map("one")).await?;
    for value in ["true", "", "Some", "All&dryRun=All"] {
        talk.post(&format!("{maps}?dryRun={value}"), &map("two")).await?;
        talk.put(&format!("{maps}/one?dryRun={value}"), &map("one")).await?;
        talk.delete(&format!("{maps}/none?dryRun={value}")).await?;
    }
    talk.delete_with(&format!("{maps}/one"), &json!({ "dryRun": ["Some"] })).await?;
    Ok(())
}
