//! Row A4: whose object it is, whose field it is, and what becomes of both when plugins leave.

use std::time::Duration;

use anyhow::{Context, Result};
use motet_scenarios::{client::Looker, embedded::guest, plugins_dir, wait, wire::Fault};
use serde_json::{Value, json};

use crate::kit::{BASELINE, EDGE, EDGE_SERVICES, MEMBERS_OF_A_STAGE, Stage, edge_service};

const QUOTA: &str = "/api/v1/namespaces/shop/resourcequotas/motet-baseline";

async fn until(stage: &Stage, look: &Looker, path: &str, what: &str, holds: impl Fn(&Value) -> bool) -> Result<Value> {
    look.until(path, what, holds).await.with_context(|| stage.host().tail())
}

/// Notes of the Events with a reason.
async fn notes(look: &Looker, reason: &str) -> Result<Vec<String>> {
    let events = look.list("/apis/events.k8s.io/v1/events").await?;
    let told = events.iter().filter(|event| event["reason"] == reason);
    Ok(told.filter_map(|event| event["note"].as_str()).map(Into::into).collect())
}

async fn told(stage: &Stage, look: &Looker, reason: &str, word: &str) -> Result<()> {
    wait::until(&format!("an Event {reason} that names {word}"), || async {
        let notes = notes(look, reason).await.map_err(|e| e.to_string())?;
        if notes.iter().any(|note| note.contains(word)) { Ok(()) } else { Err(format!("{notes:?}")) }
    })
    .await
    .with_context(|| stage.host().tail())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_others_take_drop_hold_and_delete_is_put_right_and_told() -> Result<()> {
    let stage = Stage::converged("own").await?;
    let look = stage.members[0].look.clone();

    // Another manager takes a field: told, then taken back.
    let theirs = json!({ "apiVersion": "v1", "kind": "ResourceQuota", "metadata": { "name": "motet-baseline", "namespace": "shop" },
        "spec": { "hard": { "pods": "99" } } });
    look.apply(QUOTA, "somebody", &theirs).await?;
    until(&stage, &look, QUOTA, "the pods to be ours again", |q| q["spec"]["hard"]["pods"] == "20").await?;
    told(&stage, &look, "ApplyConflict", "somebody").await?;
    let (_, metrics) = stage.host().get("/metrics").await?;
    let counted = |l: &str| l.starts_with("motet_conflicts_total{") && l.contains(r#"manager="somebody""#);
    assert!(metrics.lines().any(counted), "no motet_conflicts_total of somebody");

    // It gets a deletion timestamp, and somebody else's finalizer keeps it: waited for, then made anew.
    let held = look.patch(QUOTA, &json!({ "metadata": { "finalizers": ["example.org/hold"] } })).await?;
    look.delete(QUOTA).await?;
    let skip = stage.members[0].cluster.audit().entries()?.len();
    stage.works_in(0, "meanwhile").await?;
    tokio::time::sleep(Duration::from_secs(2)).await;
    let tried = stage.members[0].cluster.audit().host_writes(skip)?;
    let tried = tried.iter().filter(|write| write.contains("namespaces/shop/")).count();
    assert!(tried <= 4, "{tried} writes to an object that is going");
    look.patch(QUOTA, &json!({ "metadata": { "finalizers": null } })).await?;
    let uid = held["metadata"]["uid"].clone();
    until(&stage, &look, QUOTA, "a new one", |q| !q["metadata"]["uid"].is_null() && q["metadata"]["uid"] != uid)
        .await?;

    // A field that is no longer asked for goes.
    let mut edge = edge_service("web");
    edge["spec"]["host"] = json!("web.example");
    look.create(EDGE_SERVICES, &edge).await?;
    let (service, name) = ("/api/v1/namespaces/default/services/web", "external-dns.alpha.kubernetes.io/hostname");
    until(&stage, &look, service, "its name", |s| s["metadata"]["annotations"][name] == "web.example").await?;
    look.patch(&format!("{EDGE_SERVICES}/web"), &json!({ "spec": { "host": null } })).await?;
    let unnamed = |s: &Value| s["kind"] == "Service" && s["metadata"]["annotations"][name].is_null();
    until(&stage, &look, service, "no name", unnamed).await?;
    stage.nobody_else_noticed().await
}

/// Puts a plugin into the folder that the host watches: the component first, as an operator would.
fn put(stage: &Stage, name: &str, component: &[u8], spec: &Value) -> Result<()> {
    let folder = stage.folder.path().join("plugins");
    std::fs::write(folder.join(format!("{name}.wasm")), component)?;
    let object =
        json!({ "apiVersion": "motet.dev/v1alpha1", "kind": "Plugin", "metadata": { "name": name }, "spec": spec });
    Ok(std::fs::write(folder.join(format!("{name}.yaml")), object.to_string())?)
}

/// The spec that a plugin's folder ships, with some fields replaced.
fn spec(plugin: &str, change: &Value) -> Result<Value> {
    let mut spec = motet_scenarios::embedded::shipped_spec(plugin)?;
    if let Some(source) = spec.as_object_mut() {
        source.remove("source");
    }
    for (field, value) in change.as_object().into_iter().flatten() {
        spec[field] = value.clone();
    }
    Ok(spec)
}

fn component(plugin: &str) -> Result<Vec<u8>> {
    Ok(std::fs::read(plugins_dir().join(format!("{plugin}.wasm")))?)
}

#[tokio::test(flavor = "multi_thread")]
async fn who_may_not_force_is_told_and_two_that_fight_are_named_and_slowed() -> Result<()> {
    let stage = Stage::converged("fight").await?;
    let look = stage.members[0].look.clone();

    // Unforced: it stays theirs, and the plugin learns why.
    let all = json!(["get", "list", "watch", "create", "patch", "delete"]);
    let grants = json!([{ "apiGroups": [""], "resources": ["namespaces"], "verbs": ["get", "list", "watch"] },
        { "apiGroups": [""], "resources": ["configmaps"], "verbs": all }]);
    look.namespace("gentle", &[]).await?;
    let theirs = json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": "shared", "namespace": "gentle" }, "data": { "owner": "somebody" } });
    let shared = "/api/v1/namespaces/gentle/configmaps/shared";
    look.apply(shared, "somebody", &theirs).await?;
    put(&stage, "gentle", &guest("gentle")?, &json!({ "grants": grants }))?;
    look.patch("/api/v1/namespaces/gentle", &json!({ "metadata": { "labels": { "gentle": "true" } } })).await?;
    let told_of = |map: &Value| map["data"]["message"].as_str().is_some_and(|m| m.contains("somebody"));
    until(&stage, &look, "/api/v1/namespaces/gentle/configmaps/told", "what was refused", told_of).await?;
    assert_eq!(look.get(shared).await?.unwrap_or_default()["data"]["owner"], "somebody");

    // Forced on both sides: an Event names them, and neither spins.
    let rival = json!({ "config": { "quota": { "pods": "7" } } });
    put(&stage, "rival", &component(BASELINE)?, &spec(BASELINE, &rival)?)?;
    told(&stage, &look, "FieldFight", "motet/rival").await?;
    told(&stage, &look, "FieldFight", "motet/namespace-baseline").await?;
    let skip = stage.members[0].cluster.audit().entries()?.len();
    tokio::time::sleep(Duration::from_secs(10)).await;
    let writes = stage.members[0].cluster.audit().host_writes(skip)?;
    let taken = writes.iter().filter(|write| write.contains("namespaces/shop/resourcequotas")).count();
    assert!(taken <= 20, "{taken} writes of one object in ten seconds");

    // One leaves, the other has its way.
    std::fs::remove_file(stage.folder.path().join("plugins/rival.yaml"))?;
    until(&stage, &look, QUOTA, "the pods of who stayed", |q| q["spec"]["hard"]["pods"] == "20").await?;
    wait::stays("the pods", json!("20"), Duration::from_secs(3), || async {
        Ok(look.get(QUOTA).await?.unwrap_or_default()["spec"]["hard"]["pods"].clone())
    })
    .await?;
    stage.nobody_else_noticed().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plugin_leaves_with_keep_and_with_prune_a_member_out_of_reach_meanwhile() -> Result<()> {
    let stage = Stage::converged("leave").await?;
    put(&stage, BASELINE, &component(BASELINE)?, &spec(BASELINE, &json!({ "onDelete": "Prune" }))?)?;
    for index in 0..MEMBERS_OF_A_STAGE {
        // What is to become of the objects stands on the member itself.
        let record = "/api/v1/namespaces/motet-system/configmaps/motet-namespace-baseline";
        let prunes = |record: &Value| record["data"].to_string().contains("Prune");
        until(&stage, &stage.members[index].look, record, "to be pruned", prunes).await?;
        stage.holds(index).await?;
        stage.members[index].look.create(EDGE_SERVICES, &edge_service("web")).await?;
        let deployment = "/apis/apps/v1/namespaces/default/deployments/web";
        until(&stage, &stage.members[index].look, deployment, "it", |d| d["kind"] == "Deployment").await?;
    }
    stage.members[0].wire.set(Fault::Hang);
    stage.is(0, "Unreachable").await?;
    for plugin in [BASELINE, EDGE] {
        std::fs::remove_file(stage.folder.path().join(format!("plugins/{plugin}.yaml")))?;
    }
    for index in 1..MEMBERS_OF_A_STAGE {
        left(&stage, index).await?;
    }
    let kept = stage.members[0].look.get(QUOTA).await?;
    assert!(kept.is_some(), "out of reach: nothing happens there");
    stage.members[0].wire.set(Fault::None);
    left(&stage, 0).await
}

/// Prune took the baseline away; Keep left what the EdgeService has, and let it go.
async fn left(stage: &Stage, index: usize) -> Result<()> {
    let look = &stage.members[index].look;
    until(stage, look, QUOTA, "nothing", Value::is_null).await?;
    let web = format!("{EDGE_SERVICES}/web");
    until(stage, look, &web, "no finalizer", |e| e["kind"] == "EdgeService" && e["metadata"]["finalizers"].is_null())
        .await?;
    for path in ["/apis/apps/v1/namespaces/default/deployments/web", "/api/v1/namespaces/default/services/web"] {
        assert!(look.get(path).await?.is_some(), "{path} is kept");
    }
    Ok(())
}
