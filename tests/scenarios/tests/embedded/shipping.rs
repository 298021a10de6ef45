//! Components in ConfigMaps, one or several, and what an operator can do while the new ones are no good.

use anyhow::{Context, Result};
use motet_scenarios::{embedded, ship::motet, variant::variant, wait};
use serde_json::{Value, json};

use crate::kit::{CODE, PLUGIN, Stage, WHILE};

const PLUGINS: &str = "/apis/motet.dev/v1alpha1/plugins";
const MAPS: &str = "/api/v1/namespaces/motet-system/configmaps";

/// A component of more bytes than a ConfigMap holds, even compressed.
fn padded(component: &[u8], seed: u32) -> Vec<u8> {
    let noise: Vec<u8> =
        (0..60_000_u32).flat_map(|i| motet_core::Digest::of(&(i ^ seed).to_le_bytes()).hex().into_bytes()).collect();
    variant(component, &noise)
}

fn push(stage: &Stage, bytes: &[u8]) -> Result<String> {
    let folder = tempfile::tempdir()?;
    std::fs::write(folder.path().join("p.wasm"), bytes)?;
    std::fs::write(folder.path().join("hub.yaml"), stage.hub.0.kubeconfig(motet_scenarios::site::FIRST_TOKEN)?)?;
    motet(folder.path(), &["push", "p.wasm", "--config-map", CODE, "--hub", "hub.yaml"])
}

async fn chunks(stage: &Stage) -> Result<Vec<Value>> {
    let list =
        stage.hub.look().get(&format!("{MAPS}?labelSelector=motet.dev/chunk-of%3D{CODE}")).await?.context("no list")?;
    Ok(list["items"].as_array().cloned().unwrap_or_default())
}

async fn runs(stage: &Stage, bytes: &[u8]) -> Result<Value> {
    let digest = json!(motet_core::Digest::of(bytes));
    let is = |s: &Value| s["state"] == "Active" && s["digest"] == digest;
    stage.hub.plugin_is(PLUGIN, "active with what was pushed", is).await.with_context(|| stage.host().tail())
}

#[tokio::test(flavor = "multi_thread")]
async fn chunks_are_one_component_or_nothing() -> Result<()> {
    let stage = Stage::converged(1).await?;
    let first = padded(&embedded::component(PLUGIN)?, 0);
    let said = push(&stage, &first)?;
    assert!(said.contains("chunks"), "{said}");
    runs(&stage, &first).await?;
    let old = chunks(&stage).await?;
    assert!(old.len() > 1);

    // Another one takes its place whole, and its chunks are tidied away.
    let second = padded(&embedded::guest("baseline_next")?, 1);
    push(&stage, &second)?;
    runs(&stage, &second).await?;
    stage.holds(0, Some("2")).await?;
    let new = chunks(&stage).await?;
    assert!(new.iter().all(|c| old.iter().all(|o| o["metadata"]["name"] != c["metadata"]["name"])));

    // A chunk goes missing, is replaced by one of the earlier component, and comes back.
    let name = new[0]["metadata"]["name"].as_str().context("no name")?;
    stage.hub.look().delete(&format!("{MAPS}/{name}")).await?;
    let (reason, message) = stage.rejected(PLUGIN).await?;
    assert!(reason == "SourceIncomplete" && message.contains(name), "{message}");
    let mut mixed = json!({ "apiVersion": "v1", "kind": "ConfigMap" });
    mixed["metadata"] = json!({ "name": name, "labels": new[0]["metadata"]["labels"] });
    mixed["binaryData"] = old[0]["binaryData"].clone();
    stage.hub.look().apply(&format!("{MAPS}/{name}"), "operator", &mixed).await?;
    let mismatch = |s: &Value| {
        s["conditions"].to_string().contains("DigestMismatch") || s["conditions"].to_string().contains("SourceInvalid")
    };
    stage.hub.plugin_is(PLUGIN, "refused", mismatch).await?;
    stage.members[0].shop("meanwhile").await?;
    stage.holds(0, Some("2")).await?;
    mixed["binaryData"] = new[0]["binaryData"].clone();
    stage.hub.look().apply(&format!("{MAPS}/{name}"), "operator", &mixed).await?;
    runs(&stage, &second).await.map(drop)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_narrowed_grant_holds_while_new_code_is_refused() -> Result<()> {
    let stage = Stage::converged(1).await?;
    stage.hub.component(CODE, b"no component at all").await?;
    stage.rejected(PLUGIN).await?;
    // The last good code runs on, but no longer writes what it may not.
    let mut spec = embedded::shipped_spec(PLUGIN)?;
    spec["grants"].as_array_mut().context("no grants")?.retain(|g| g["apiGroups"] != json!(["networking.k8s.io"]));
    stage.hub.plugin(PLUGIN, CODE, spec).await?;
    wait::until("the host to know the grants", || async {
        let plugin = stage.host().api(&format!("/api/v1/plugins/{PLUGIN}")).await.map_err(|e| e.to_string())?.remove(0);
        if plugin["grants"].to_string().contains("networking.k8s.io") {
            Err(plugin["grants"].to_string())
        } else {
            Ok(())
        }
    })
    .await?;
    stage.members[0].shop("narrowed").await?;
    wait::until("an intent to be denied", || async {
        let rows = stage.host().api(&format!("/api/v1/bindings?plugin={PLUGIN}")).await.map_err(|e| e.to_string())?;
        if rows[0]["intents"]["denied"].as_u64() >= Some(1) { Ok(()) } else { Err(rows[0].to_string()) }
    })
    .await?;
    let policies = "/apis/networking.k8s.io/v1/namespaces/narrowed/networkpolicies";
    wait::stays("network policies", 0, WHILE, || async {
        Ok(stage.members[0].look.get(policies).await?.context("no list")?["items"].as_array().map_or(0, Vec::len))
    })
    .await?;
    // Widened again, it writes them, still with the old code.
    stage.hub.plugin(PLUGIN, CODE, embedded::shipped_spec(PLUGIN)?).await?;
    stage.holds(0, None).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_suspension_holds_while_a_config_is_refused() -> Result<()> {
    let stage = Stage::converged(1).await?;
    let mut spec = embedded::shipped_spec(PLUGIN)?;
    spec["config"] = json!({ "denyIngres": true });
    spec["suspend"] = json!(true);
    stage.hub.plugin(PLUGIN, CODE, spec).await?;
    let (reason, _) = stage.rejected(PLUGIN).await?;
    assert_eq!(reason, "ConfigInvalid");
    let writes = stage.members[0].written().len();
    stage.members[0].shop("suspended").await?;
    wait::stays("objects of the plugin", writes + 1, WHILE, || async { Ok(stage.members[0].written().len()) }).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plugin_that_names_two_places_or_none_is_told_so() -> Result<()> {
    let mut stage = Stage::bare(1).await?;
    stage.start_host()?;
    for (name, source, word) in [
        ("two", json!({ "configMap": { "name": CODE }, "oci": { "image": "r.example/p" } }), "exactly one"),
        ("none", json!({}), "spec.source.configMap or spec.source.oci"),
        ("path", json!({ "path": "p.wasm" }), "spec.source.configMap or spec.source.oci"),
    ] {
        let object = json!({ "apiVersion": "motet.dev/v1alpha1", "kind": "Plugin", "metadata": { "name": name }, "spec": { "source": source } });
        stage.hub.look().apply(&format!("{PLUGINS}/{name}"), "operator", &object).await?;
        let (reason, message) = stage.rejected(name).await?;
        assert!(reason == "SourceInvalid" && message.contains(word), "{name}: {message}");
    }
    Ok(())
}
