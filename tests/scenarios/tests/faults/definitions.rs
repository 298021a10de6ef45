//! Row A3: what becomes of bindings when custom resource definitions come, change and go.

use anyhow::{Context, Result};
use motet_scenarios::{client::Looker, wait};
use serde_json::{Value, json};

use crate::kit::{ALL, EDGE, EDGE_SERVICES, MEMBERS_OF_A_STAGE, Stage, edge_service, shipped_definition};

const DEFINITION: &str = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/edgeservices.apps.motet.dev";
const DEPLOYMENT: &str = "/apis/apps/v1/namespaces/default/deployments/web";

/// The definition with a second version like the first, which of the two is stored, and how the two are converted.
fn two_versions(stored: &str, conversion: Value) -> Result<Value> {
    let mut definition = shipped_definition(EDGE)?;
    let mut second = definition["spec"]["versions"][0].clone();
    second["name"] = json!("v2");
    let versions = definition["spec"]["versions"].as_array_mut().context("versions")?;
    versions.push(second);
    for version in versions {
        version["storage"] = (version["name"] == stored).into();
    }
    definition["spec"]["conversion"] = conversion;
    Ok(definition)
}

async fn until(stage: &Stage, look: &Looker, path: &str, what: &str, holds: impl Fn(&Value) -> bool) -> Result<()> {
    look.until(path, what, holds).await.map(drop).with_context(|| stage.host().tail())
}

async fn deployed(stage: &Stage, look: &Looker, replicas: u32) -> Result<()> {
    until(stage, look, DEPLOYMENT, &format!("{replicas} replicas"), |d| d["spec"]["replicas"] == replicas).await
}

#[tokio::test(flavor = "multi_thread")]
async fn definitions_come_change_and_go_and_only_their_binding_notices() -> Result<()> {
    let mut stage = Stage::bare("crd", MEMBERS_OF_A_STAGE, &ALL).await?;
    stage.start_host()?;
    stage.register(0, "admin").await?;
    stage.register_others().await?;
    let look = stage.members[0].look.clone();
    let web = format!("{EDGE_SERVICES}/web");

    // Installed later: parked, then active.
    let parked = stage.host().binding(EDGE, "crd-0", "Parked").await?;
    assert_eq!(parked["reason"], "KindMissing", "{parked}");
    stage.works(0, "without").await?;
    look.define(&shipped_definition(EDGE)?).await?;
    stage.host().binding(EDGE, "crd-0", "Active").await?;
    look.create(EDGE_SERVICES, &edge_service("web")).await?;
    deployed(&stage, &look, 2).await?;

    // A new version is served, then it is the one that is stored: the plugin goes on with its own.
    for (stored, replicas) in [("v1", 3), ("v2", 4)] {
        look.define(&two_versions(stored, json!({ "strategy": "None" }))?).await?;
        look.patch(&web, &json!({ "spec": { "replicas": replicas } })).await?;
        deployed(&stage, &look, replicas).await?;
    }
    let newer = "/apis/apps.motet.dev/v2/namespaces/default/edgeservices/web";
    until(&stage, &look, newer, "the second version to be served", |e| e["spec"]["replicas"] == 4).await?;
    look.patch(newer, &json!({ "spec": { "replicas": 5 } })).await?;
    deployed(&stage, &look, 5).await?;

    // Deleted while an object holds its finalizer: the clean-up runs, the definition goes, the binding waits for it.
    look.delete(DEFINITION).await?;
    until(&stage, &look, DEFINITION, "the definition to be gone", Value::is_null).await?;
    until(&stage, &look, DEPLOYMENT, "the Deployment to be cleaned up", Value::is_null).await?;
    stage.host().binding(EDGE, "crd-0", "Parked").await?;
    stage.works(0, "without-again").await?;
    look.define(&shipped_definition(EDGE)?).await?;
    stage.host().binding(EDGE, "crd-0", "Active").await?;
    look.create(EDGE_SERVICES, &edge_service("web")).await?;
    deployed(&stage, &look, 2).await?;
    stage.nobody_else_noticed().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_conversion_that_is_down_concerns_its_kind_alone() -> Result<()> {
    let stage = Stage::converged("conv").await?;
    let look = stage.members[0].look.clone();
    let web = format!("{EDGE_SERVICES}/web");
    look.create(EDGE_SERVICES, &edge_service("web")).await?;
    deployed(&stage, &look, 2).await?;

    // Stored as v2 from now on, the object too.
    look.define(&two_versions("v2", json!({ "strategy": "None" }))?).await?;
    look.patch(&web, &json!({ "spec": { "replicas": 3 } })).await?;
    deployed(&stage, &look, 3).await?;

    // What is stored as v2 has to be converted for readers of v1, by somebody who is not there.
    let nobody = json!({ "strategy": "Webhook", "webhook": { "conversionReviewVersions": ["v1"],
        "clientConfig": { "url": "https://127.0.0.1:1/convert" } } });
    look.define(&two_versions("v2", nobody)?).await?;
    wait::until("the kind not to be readable", || async {
        match look.get(&web).await {
            Err(_) => Ok(()),
            Ok(object) => Err(format!("{object:?}")),
        }
    })
    .await?;
    stage.members[0].wire.cut();
    stage.works(0, "others-go-on").await?;
    stage.is(0, "Ready").await?;
    wait::until("the host to say that the kind cannot be listed or watched", || async {
        let rows = stage.host().api(&format!("/api/v1/bindings?plugin={EDGE}")).await.map_err(|e| e.to_string())?;
        let restarts = stage.metric("motet_watch_restarts_total", "conv-0").await.map_err(|e| e.to_string())?;
        let told = restarts.iter().any(|(labels, n)| labels.contains("edgeservices") && *n >= 1.0);
        if told { Ok(()) } else { Err(format!("{rows:?} {restarts:?}")) }
    })
    .await?;

    look.define(&two_versions("v2", json!({ "strategy": "None" }))?).await?;
    wait::until("the kind to be readable again", || async {
        look.patch(&web, &json!({ "spec": { "replicas": 7 } })).await.map(drop).map_err(|e| e.to_string())
    })
    .await?;
    deployed(&stage, &look, 7).await?;
    stage.nobody_else_noticed().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_scope_other_than_the_plugin_thinks_is_said_and_nothing_spins() -> Result<()> {
    let mut stage = Stage::bare("scope", MEMBERS_OF_A_STAGE, &ALL).await?;
    let look = stage.members[0].look.clone();
    let mut definition = shipped_definition(EDGE)?;
    definition["spec"]["scope"] = json!("Cluster");
    look.define(&definition).await?;
    stage.start_host()?;
    stage.register(0, "admin").await?;
    stage.register_others().await?;
    stage.works(0, "shop").await?;
    let mut edge = edge_service("web");
    edge["metadata"] = json!({ "name": "web" });
    look.create("/apis/apps.motet.dev/v1/edgeservices", &edge).await?;
    wait::until("the binding to say that a namespace is missing", || async {
        let rows = stage.host().api(&format!("/api/v1/bindings?plugin={EDGE}")).await.map_err(|e| e.to_string())?;
        let text = serde_json::to_string(&rows).unwrap_or_default();
        if text.contains("needs metadata.namespace") { Ok(()) } else { Err(text) }
    })
    .await
    .with_context(|| stage.host().tail())?;
    let rows = stage.host().api(&format!("/api/v1/bindings?plugin={EDGE}")).await?;
    assert!(rows.iter().all(|row| row["reconciles"].as_u64().unwrap_or_default() < 20), "{rows:?}");
    stage.works(0, "others-go-on").await?;
    stage.nobody_else_noticed().await
}
