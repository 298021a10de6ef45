//! Deletes of one object and of many: options, preconditions, answers.

use anyhow::Result;
use http::Method;
use motet_conformance::{Talk, cases};
use serde_json::{Value, json};

use super::tools::with;

cases! { "deletes":
    a_delete_answers_with_a_status_or_the_object, a_delete_can_want_a_uid, a_delete_can_want_a_version, options_of_a_delete_are_checked,
    a_policy_and_orphans_exclude_one_another, options_of_a_delete_in_the_query, a_delete_of_nothing, many_are_deleted_by_label, many_are_deleted_by_field,
    many_are_deleted_page_by_page, many_are_deleted_dry, many_with_finalizers_stay, a_delete_of_many_with_options, many_deployments_are_deleted,
}

fn map(name: &str) -> Value {
    json!({ "metadata": { "name": name, "labels": { "app": name } } })
}

async fn a_delete_answers_with_a_status_or_the_object(talk: &Talk) -> Result<()> {
    talk.namespace().await?;
    for (group, plural, object) in [
        ("v1", "configmaps", json!({ "metadata": { "name": "x" } })),
        ("v1", "serviceaccounts", json!({ "metadata": { "name": "x" } })),
        ("v1", "resourcequotas", json!({ "metadata": { "name": "x" } })),
        ("v1", "secrets", json!({ "metadata": { "name": "x" } })),
        ("v1", "limitranges", json!({ "metadata": { "name": "x" }, "spec": { "limits": [] } })),
        ("coordination.k8s.io/v1", "leases", json!({ "metadata": { "name": "x" } })),
        (
            "networking.k8s.io/v1",
            "networkpolicies",
            json!({ "metadata": { "name": "x" }, "spec": { "podSelector": {} } }),
        ),
    ] {
        let path = talk.path(group, plural);
        talk.post(&path, &object).await?;
        talk.delete(&format!("{path}/x")).await?;
    }
    Ok(())
}

async fn a_delete_can_want_a_uid(talk: &Talk) -> Result<()> {
    talk.namespace().await?;
    let maps = talk.path("v1", "configmaps");
    let made = talk.post(&maps, &map("one")).await?;
    let other = "00000000-0000-4000-8000-00000000000c";
    talk.delete_with(&format!("{maps}/one"), &json!({ "preconditions": { "uid": other } })).await?;
    talk.delete_with(
        &format!("{maps}/one"),
        &json!({ "kind": "DeleteOptions", "apiVersion": "v1", "preconditions": { "uid": made.uid()? } }),
    )
    .await?;
    Ok(())
}

async fn a_delete_can_want_a_version(talk: &Talk) -> Result<()> {
    talk.namespace().await?;
    let deployments = talk.path("apps/v1", "deployments");
    let labels = json!({ "app": "x" });
    let spec = json!({ "selector": { "matchLabels": labels }, "template": { "metadata": { "labels": labels }, "spec": { "containers": [{ "name": "c", "image": "i" }] } } });
    let made = talk.post(&deployments, &json!({ "metadata": { "name": "one" }, "spec": spec })).await?;
    talk.delete_with(&format!("{deployments}/one"), &json!({ "preconditions": { "resourceVersion": "1" } })).await?;
    talk.delete_with(
        &format!("{deployments}/one"),
        &json!({ "preconditions": { "resourceVersion": made.version()?, "uid": made.uid()? } }),
    )
    .await?;
    Ok(())
}

async fn options_of_a_delete_are_checked(talk: &Talk) -> Result<()> {
    talk.namespace().await?;
    let maps = talk.path("v1", "configmaps");
    talk.post(&maps, &map("one")).await?;
    for options in [
        json!({ "propagationPolicy": "Nonsense" }),
        json!({ "propagationPolicy": 7 }),
        json!({ "gracePeriodSeconds": -1 }),
        json!({ "gracePeriodSeconds": "x" }),
        json!({ "kind": "Pod", "apiVersion": "v1" }),
        json!([]),
        json!({ "preconditions": "x" }),
        json!({ "dryRun": ["None"] }),
        json!({ "dryRun": "All" }),
        json!({ "kind": "DeleteOptions", "apiVersion": "meta.k8s.io/v1", "gracePeriodSeconds": 0, "dryRun": ["All"] }),
        json!({ "nonsense": 1, "dryRun": ["All"] }),
        json!({ "kind": "DeleteOptions", "apiVersion": "apps/v1", "dryRun": ["All"] }),
    ] {
        talk.note("with", options.clone());
        talk.delete_with(&format!("{maps}/one"), &options).await?;
    }
    talk.ask(Method::DELETE, &format!("{maps}/one")).bytes("application/json", b"{".to_vec()).send().await?;
    Ok(())
}

async fn a_policy_and_orphans_exclude_one_another(talk: &Talk) -> Result<()> {
    talk.namespace().await?;
    let maps = talk.path("v1", "configmaps");
    talk.post(&maps, &map("one")).await?;
    talk.delete_with(&format!("{maps}/one"), &json!({ "propagationPolicy": "Background", "orphanDependents": true }))
        .await?;
    talk.delete_with(&format!("{maps}/one"), &json!({ "propagationPolicy": "Background", "orphanDependents": false }))
        .await?;
    talk.delete_with(&format!("{maps}/one"), &json!({ "orphanDependents": false })).await?;
    Ok(())
}

async fn options_of_a_delete_in_the_query(talk: &Talk) -> Result<()> {
    talk.namespace().await?;
    let maps = talk.path("v1", "configmaps");
    talk.post(&maps, &map("one")).await?;
    for query in [
        "propagationPolicy=Nonsense",
        "gracePeriodSeconds=x",
        "gracePeriodSeconds=-1&dryRun=All",
        "propagationPolicy=Background&orphanDependents=true",
        "propagationPolicy=Foreground&dryRun=All",
        "gracePeriodSeconds=0",
    ] {
        talk.delete(&format!("{maps}/one?{query}")).await?;
    }
    Ok(())
}

async fn a_delete_of_nothing(talk: &Talk) -> Result<()> {
    talk.namespace().await?;
    let maps = talk.path("v1", "configmaps");
    talk.delete(&format!("{maps}/none")).await?;
    talk.delete_with(&format!("{maps}/none"), &json!({ "preconditions": { "uid": "u" } })).await?;
    talk.delete(&maps).await?;
    talk.delete("/api/v1/persistentvolumes/none").await?;
    Ok(())
}

async fn some(talk: &Talk) -> Result<String> {
    talk.namespace().await?;
    let maps = talk.path("v1", "configmaps");
    for name in ["a", "b", "c", "d"] {
        talk.ask(Method::POST, &maps)
            .json(&with(&map(name), &[("/metadata/labels/half", json!(if name < "c" { "one" } else { "two" }))]))
            .unkept()
            .send()
            .await?;
    }
    Ok(maps)
}

async fn many_are_deleted_by_label(talk: &Talk) -> Result<()> {
    let maps = some(talk).await?;
    talk.delete(&format!("{maps}?labelSelector=half%3Done")).await?;
    talk.get(&maps).await?;
    talk.delete(&maps).await?;
    talk.get(&maps).await?;
    Ok(())
}

async fn many_are_deleted_by_field(talk: &Talk) -> Result<()> {
    let maps = some(talk).await?;
    talk.delete(&format!("{maps}?fieldSelector=metadata.name%3Da")).await?;
    talk.delete(&format!("{maps}?fieldSelector=data%3Da")).await?;
    talk.delete(&format!("{maps}?labelSelector=a%20b%20c")).await?;
    talk.get(&maps).await?;
    Ok(())
}

async fn many_are_deleted_page_by_page(talk: &Talk) -> Result<()> {
    let maps = some(talk).await?;
    talk.delete(&format!("{maps}?limit=2")).await?;
    talk.get(&maps).await?;
    Ok(())
}

async fn many_are_deleted_dry(talk: &Talk) -> Result<()> {
    let maps = some(talk).await?;
    talk.delete_with(&maps, &json!({ "dryRun": ["All"] })).await?;
    talk.get(&maps).await?;
    Ok(())
}

async fn many_with_finalizers_stay(talk: &Talk) -> Result<()> {
    let maps = some(talk).await?;
    talk.patch(
        &format!("{maps}/b"),
        motet_conformance::talk::patch::MERGE,
        &json!({ "metadata": { "finalizers": ["x.y/z"] } }),
    )
    .await?;
    talk.delete(&maps).await?;
    talk.get(&maps).await?;
    talk.delete(&maps).await?;
    talk.patch(
        &format!("{maps}/b"),
        motet_conformance::talk::patch::MERGE,
        &json!({ "metadata": { "finalizers": null } }),
    )
    .await?;
    talk.get(&maps).await?;
    Ok(())
}

async fn a_delete_of_many_with_options(talk: &Talk) -> Result<()> {
    let maps = some(talk).await?;
    talk.delete_with(&maps, &json!({ "propagationPolicy": "Nonsense" })).await?;
    talk.delete_with(&maps, &json!({ "preconditions": { "uid": "u" } })).await?;
    talk.delete_with(&maps, &json!({ "propagationPolicy": "Orphan" })).await?;
    talk.until(&maps, "the maps to be gone", |answer| answer.body["items"].as_array().is_some_and(Vec::is_empty))
        .await?;
    Ok(())
}

async fn many_deployments_are_deleted(talk: &Talk) -> Result<()> {
    talk.namespace().await?;
    let deployments = talk.path("apps/v1", "deployments");
    let labels = json!({ "app": "x" });
    let spec = json!({ "selector": { "matchLabels": labels }, "template": { "metadata": { "labels": labels }, "spec": { "containers": [{ "name": "c", "image": "i" }] } } });
    for name in ["one", "two"] {
        talk.post(&deployments, &json!({ "metadata": { "name": name }, "spec": spec })).await?;
    }
    talk.delete(&deployments).await?;
    talk.get(&deployments).await?;
    Ok(())
}
