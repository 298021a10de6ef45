//! Plugins that are in each other's way, meant for nobody, or want very much: what the operator is told, and what runs.

use anyhow::{Context, Result};
use motet_scenarios::{
    embedded::{self, condition},
    host::HostProcess,
    site::FIRST_TOKEN,
};
use serde_json::{Value, json};

use crate::kit::{CODE, PLUGIN, Stage};

#[tokio::test(flavor = "multi_thread")]
async fn of_two_plugins_of_one_name_one_runs_and_the_other_takes_over() -> Result<()> {
    let mut stage = Stage::bare(1).await?;
    let folder = tempfile::tempdir()?;
    let plugins = motet_scenarios::only_plugins(folder.path(), &[PLUGIN])?;
    let hub = folder.path().join("hub.yaml");
    std::fs::write(&hub, stage.hub.0.kubeconfig(FIRST_TOKEN)?)?;
    stage.host =
        Some(HostProcess::start(folder.path(), &["--hub", &hub.display().to_string(), "--plugins", &plugins])?);
    stage.members[0].shop("shop").await?;
    stage.holds(0, None).await?;

    // The hub's would do something else; it is told why it does not.
    stage.hub.component(CODE, &embedded::guest("baseline_next")?).await?;
    stage.hub.plugin(PLUGIN, CODE, embedded::shipped_spec(PLUGIN)?).await?;
    let taken = |s: &Value| s["state"] == "Rejected" && condition(s, "Active")["reason"] == "NameTaken";
    let status = stage.hub.plugin_is(PLUGIN, "told that its name is taken", taken).await;
    let status = status.with_context(|| stage.host().tail())?;
    let message = condition(&status, "Active")["message"].as_str().unwrap_or_default().to_owned();
    assert!(message.contains("the folder has a plugin of this name"), "{message}");
    assert_eq!(status["members"]["selected"], 0, "{status}");
    stage.members[0].shop("second").await?;
    stage.holds(0, None).await?;

    // The folder's goes: the hub's is at work without being touched.
    std::fs::remove_file(std::path::Path::new(&plugins).join(format!("{PLUGIN}.yaml")))?;
    stage.hub.plugin_is(PLUGIN, "active", |s| s["state"] == "Active").await.with_context(|| stage.host().tail())?;
    stage.holds(0, Some("2")).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_selector_that_matches_nothing_says_so() -> Result<()> {
    let mut stage = Stage::bare(1).await?;
    stage.hub.component(CODE, &embedded::component(PLUGIN)?).await?;
    let mut spec = embedded::shipped_spec(PLUGIN)?;
    spec["members"] = json!({ "matchLabels": { "region": "nowhere" } });
    stage.hub.plugin(PLUGIN, CODE, spec.clone()).await?;
    stage.start_host()?;
    let nowhere = |s: &Value| condition(s, "Active")["reason"] == "NoMembers";
    let status = stage.hub.plugin_is(PLUGIN, "meant for nobody", nowhere).await.with_context(|| stage.host().tail())?;
    let active = condition(&status, "Active");
    assert!(active["message"].as_str().is_some_and(|m| m.contains("none of the 1 members")), "{active}");
    assert_eq!((&status["state"], &status["members"]["selected"]), (&json!("Active"), &json!(0)));
    // Somebody is meant after all.
    spec["members"] = json!({});
    stage.hub.plugin(PLUGIN, CODE, spec).await?;
    let somewhere = |s: &Value| condition(s, "Active")["reason"] == "AsExpected" && s["members"]["active"] == 1;
    stage.hub.plugin_is(PLUGIN, "meant for somebody", somewhere).await.map(drop)
}

/// A definition of one of the fifty kinds.
fn kind(number: usize) -> Value {
    let (kind, plural) = (format!("Kind{number:02}"), format!("kind{number:02}s"));
    json!({
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": { "name": format!("{plural}.many.example.com") },
        "spec": {
            "group": "many.example.com", "scope": "Namespaced", "names": { "kind": kind, "plural": plural },
            "versions": [{ "name": "v1", "served": true, "storage": true, "schema": { "openAPIV3Schema": {
                "type": "object", "properties": { "spec": { "type": "object", "x-kubernetes-preserve-unknown-fields": true } },
            } } }],
        },
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn fifty_watched_kinds_are_watched_once_all_are_there() -> Result<()> {
    let mut stage = Stage::bare(2).await?;
    // The second member lacks the last kind.
    for (member, kinds) in stage.members.iter().zip([50, 49]) {
        for number in 0..kinds {
            member.look.define(&kind(number)).await?;
        }
        let object =
            json!({ "apiVersion": "many.example.com/v1", "kind": "Kind00", "metadata": { "name": "one" }, "spec": {} });
        member.look.create("/apis/many.example.com/v1/namespaces/default/kind00s", &object).await?;
    }
    stage.hub.component(CODE, &embedded::guest("fifty")?).await?;
    let grants = json!({ "grants": [
        { "apiGroups": ["many.example.com"], "resources": ["*"], "verbs": ["get", "list", "watch"] },
        { "apiGroups": [""], "resources": ["configmaps"], "verbs": ["get", "list", "watch", "create", "patch"] },
    ]});
    stage.hub.plugin("fifty", CODE, grants).await?;
    stage.start_host()?;
    let halfway = |s: &Value| s["members"]["active"] == 1 && s["members"]["parked"] == 1;
    let status =
        stage.hub.plugin_is("fifty", "active where it can be", halfway).await.with_context(|| stage.host().tail())?;
    let failing = &status["failing"][0];
    assert!(
        failing["reason"] == "KindMissing" && failing["message"].as_str().is_some_and(|m| m.contains("Kind49")),
        "{status}"
    );
    let (copy, there) =
        ("/api/v1/namespaces/default/configmaps/one", |o: &Value| o["data"]["watched"] == "fifty kinds");
    stage.members[0].look.until_there(copy, "what it applies", there).await.with_context(|| stage.host().tail())?;

    stage.members[1].look.define(&kind(49)).await?;
    stage.members[1].look.until_there(copy, "what it applies", there).await.with_context(|| stage.host().tail())?;
    let caches = stage.host().api("/api/v1/members/edge-1").await?.remove(0)["caches"].clone();
    let many = caches.as_array().into_iter().flatten().filter(|c| c["kind"].to_string().contains("many.example.com"));
    assert_eq!(many.count(), 50, "{caches}");
    stage.stop_host().await
}
