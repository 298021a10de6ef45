//! The demo's share of shipping: a plugin out of an OCI registry, signatures, a rollback, and a grant that is narrowed.

use anyhow::{Context, Result, ensure};
use motet_scenarios::{
    embedded::{self, condition},
    ship::motet,
    wait,
};
use serde_json::{Value, json};

use crate::{
    stage::{REPOSITORY, Stage},
    steps::{NEXT, PLUGIN, runs_everywhere, short},
};

const GONE: &str = "edge-4";

/// Pushes a component with the CLI, as its author would; the digest of the image.
fn push(stage: &Stage, component: &[u8]) -> Result<String> {
    let folder = stage.folder();
    std::fs::write(folder.join("plugin.wasm"), component)?;
    let image = format!("{}/{REPOSITORY}:stable", stage.registry.host());
    let said = motet(folder, &["push", "plugin.wasm", &image, "--plain-http", "-o", "json"])?;
    let said: Value = serde_json::from_str(&said)?;
    Ok(said["image"].as_str().context("motet push names no image")?.to_owned())
}

fn line(condition: &Value) -> String {
    let text = |field: &str| condition[field].as_str().unwrap_or_default().to_owned();
    let message: String = text("message").lines().next().unwrap_or_default().chars().take(100).collect();
    format!("{}: {message}", text("reason"))
}

/// Ends in what the image holds running everywhere.
pub(crate) async fn by_image(stage: &Stage) -> Result<String> {
    let component = embedded::component(PLUGIN)?;
    let image = push(stage, &component)?;
    stage.registry.sign(REPOSITORY, &image, &stage.key)?;
    let mut spec = embedded::shipped_spec(PLUGIN)?;
    let source = format!("{}/{REPOSITORY}:stable", stage.registry.host());
    spec["source"] = json!({ "oci": { "image": source, "plainHTTP": true } });
    stage.hub.plugin_spec(PLUGIN, spec).await?;
    let signed = |s: &Value| s["state"] == "Active" && condition(s, "Verified")["status"] == "True";
    let status = stage.hub.plugin_is(PLUGIN, "verified", signed).await.with_context(|| stage.host.tail())?;
    runs_everywhere(stage, &component).await?;
    stage.converged(&[GONE], None).await?;
    Ok(format!("{}; {}", short(&json!(image)), line(&condition(&status, "Verified"))))
}

pub(crate) async fn unsigned(stage: &Stage) -> Result<String> {
    let next = embedded::guest("baseline_next")?;
    push(stage, &next)?;
    let refused = |s: &Value| condition(s, "Verified")["reason"] == "SignatureMissing";
    let status = stage.hub.plugin_is(PLUGIN, "refused", refused).await.with_context(|| stage.host.tail())?;
    ensure!(condition(&status, "Active")["status"] == "True", "the last good code should run on: {status}");
    for member in stage.members().iter().filter(|m| m.name() != GONE) {
        member.shop("after-unsigned").await?;
    }
    let members = stage.converged(&[GONE], None).await?;
    Ok(format!("{}; {members} members go on with the signed code", line(&condition(&status, "Verified"))))
}

pub(crate) async fn signed_later(stage: &Stage) -> Result<String> {
    let next = embedded::guest("baseline_next")?;
    let image = push(stage, &next)?;
    stage.registry.sign(REPOSITORY, &image, &stage.key)?;
    let digest = runs_everywhere(stage, &next).await.with_context(|| stage.host.tail())?;
    let members = stage.converged(&[GONE], NEXT).await?;
    Ok(format!("{members} members have the objects of the next version, {}", short(&digest)))
}

pub(crate) async fn roll_back(stage: &Stage) -> Result<String> {
    let hub = stage.write_kubeconfigs()?.hub.display().to_string();
    let said = motet(stage.folder(), &["rollback", PLUGIN, "--hub", &hub])?;
    runs_everywhere(stage, &embedded::component(PLUGIN)?).await.with_context(|| stage.host.tail())?;
    stage.converged(&[GONE], None).await?;
    Ok(said.trim().to_owned())
}

pub(crate) async fn narrow(stage: &Stage) -> Result<String> {
    let plugin = stage.hub.plugin_object(PLUGIN).await?;
    let whole = plugin["spec"].clone();
    let mut narrow = whole.clone();
    let grants = narrow["grants"].as_array_mut().context("the plugin has no grants")?;
    grants.retain(|g| g["apiGroups"] != json!(["networking.k8s.io"]));
    stage.hub.plugin_spec(PLUGIN, narrow).await?;
    let asks = |s: &Value| condition(s, "Granted")["status"] == "False";
    let status = stage.hub.plugin_is(PLUGIN, "not granted", asks).await.with_context(|| stage.host.tail())?;
    let member = stage.member("edge-1")?;
    member.shop("narrowed").await?;
    wait::until("an intent to be denied", || async {
        let rows = stage.host.api(&format!("/api/v1/bindings?plugin={PLUGIN}&member=edge-1")).await;
        let row = rows.map_err(|e| e.to_string())?.into_iter().next().unwrap_or_default();
        if row["intents"]["denied"].as_u64() >= Some(1) { Ok(()) } else { Err(row.to_string()) }
    })
    .await?;
    let policies = "/apis/networking.k8s.io/v1/namespaces/narrowed/networkpolicies";
    ensure!(member.look.list(policies).await?.is_empty(), "a NetworkPolicy was written without a grant");
    let wanted = condition(&status, "Granted")["message"].as_str().unwrap_or_default().to_owned();
    let paste = wanted.lines().nth(1).unwrap_or_default().trim().to_owned();
    stage.hub.plugin_spec(PLUGIN, whole).await?;
    stage.converged(&[GONE], None).await?;
    Ok(format!("no NetworkPolicy without a grant; the condition asks for `{paste}`; granted again, all have it"))
}
