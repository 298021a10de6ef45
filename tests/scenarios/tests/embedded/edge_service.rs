//! `edge-service` on embedded clusters: an EdgeService's life, from its creation to its clean-up.

use anyhow::{Context, Result};
use motet_scenarios::{client::Looker, embedded};
use serde_json::{Value, json};

use crate::kit::Stage;

const PLUGIN: &str = "edge-service";
const SERVICES: &str = "/apis/apps.motet.dev/v1/namespaces/shop/edgeservices";
const DEPLOYMENT: &str = "/apis/apps/v1/namespaces/shop/deployments/web";
const SERVICE: &str = "/api/v1/namespaces/shop/services/web";

fn edge() -> String {
    format!("{SERVICES}/web")
}

async fn until(stage: &Stage, path: &str, what: &str, holds: impl Fn(&Value) -> bool) -> Result<Value> {
    stage.members[0].look.until_there(path, what, holds).await.with_context(|| stage.host().tail())
}

async fn gone(look: &Looker, paths: &[&str]) -> Result<()> {
    for path in paths {
        look.until(path, "nothing", Value::is_null).await?;
    }
    Ok(())
}

fn condition<'a>(edge: &'a Value, kind: &str) -> &'a str {
    let conditions = edge["status"]["conditions"].as_array().map_or(&[][..], Vec::as_slice);
    conditions.iter().find(|c| c["type"] == kind).and_then(|c| c["status"].as_str()).unwrap_or_default()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_edge_service_is_run_changed_mended_and_cleaned_up() -> Result<()> {
    let mut stage = Stage::bare(1).await?;
    stage.members[0].install(&motet_scenarios::repository().join("plugins/edge-service/crd.yaml")).await?;
    stage.hub.component(PLUGIN, &embedded::component(PLUGIN)?).await?;
    stage.hub.plugin(PLUGIN, PLUGIN, embedded::shipped_spec(PLUGIN)?).await?;
    stage.start_host()?;
    let look = stage.members[0].look.clone();
    look.namespace("shop", &[]).await?;
    let wanted = json!({ "apiVersion": "apps.motet.dev/v1", "kind": "EdgeService", "metadata": { "name": "web", "namespace": "shop" },
        "spec": { "image": "registry.example/web:1", "replicas": 2, "port": 8080, "env": { "TIER": "edge" }, "host": "web.example" } });
    let created = look.create(SERVICES, &wanted).await?;

    let ready = until(&stage, &edge(), "the EdgeService to be ready", |e| condition(e, "Ready") == "True").await?;
    assert_eq!(ready["status"]["readyReplicas"], 2);
    assert_eq!((condition(&ready, "Accepted"), condition(&ready, "Available")), ("True", "True"));
    assert_eq!(ready["metadata"]["finalizers"], json!(["motet.dev/edge-service"]));
    let deployment = look.get(DEPLOYMENT).await?.context("the Deployment")?;
    let service = look.get(SERVICE).await?.context("the Service")?;
    for child in [&deployment, &service] {
        assert_eq!(child["metadata"]["ownerReferences"][0]["uid"], created["metadata"]["uid"]);
    }
    let container = &deployment["spec"]["template"]["spec"]["containers"][0];
    assert_eq!(container["env"], json!([{ "name": "TIER", "value": "edge" }]));
    assert_eq!(service["spec"]["ports"][0]["port"], 8080);
    assert_eq!(service["metadata"]["annotations"]["external-dns.alpha.kubernetes.io/hostname"], "web.example");

    // What changes is carried over; a field that is no longer asked for goes; what somebody else changed is put back.
    look.patch(&edge(), &json!({ "spec": { "replicas": 3, "host": null } })).await?;
    until(&stage, &edge(), "three replicas", |e| e["status"]["readyReplicas"] == 3).await?;
    let unnamed = |s: &Value| s["metadata"]["annotations"]["external-dns.alpha.kubernetes.io/hostname"].is_null();
    until(&stage, SERVICE, "the host name to go", unnamed).await?;
    look.patch(DEPLOYMENT, &json!({ "spec": { "replicas": 9 } })).await?;
    until(&stage, DEPLOYMENT, "the replicas to be put back", |d| d["spec"]["replicas"] == 3).await?;
    look.delete(SERVICE).await?;
    until(&stage, SERVICE, "the Service to be put back", |_| true).await?;

    look.delete(&edge()).await?;
    gone(&look, &[DEPLOYMENT, SERVICE, &edge()]).await.with_context(|| stage.host().tail())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_member_without_the_definition_parks_the_binding_until_it_is_installed() -> Result<()> {
    let mut stage = Stage::bare(2).await?;
    let file = motet_scenarios::repository().join("plugins/edge-service/crd.yaml");
    stage.members[0].install(&file).await?;
    stage.hub.component(PLUGIN, &embedded::component(PLUGIN)?).await?;
    stage.hub.plugin(PLUGIN, PLUGIN, embedded::shipped_spec(PLUGIN)?).await?;
    stage.start_host()?;
    stage.host().binding(PLUGIN, "edge-0", "Active").await?;
    stage.host().binding(PLUGIN, "edge-1", "Parked").await?;
    let row = stage.host().api(&format!("/api/v1/bindings?plugin={PLUGIN}&member=edge-1")).await?.remove(0);
    assert_eq!(row["reason"], "KindMissing", "{row}");
    stage.members[1].install(&file).await?;
    stage.host().binding(PLUGIN, "edge-1", "Active").await.map(drop)
}
