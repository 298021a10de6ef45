//! A hub and two members, all real: what operators do to members, and what the hub shows of it.

use anyhow::Result;
use motet_scenarios::{client::Looker, host::HostProcess, real::RealCluster, wait};
use serde_json::{Value, json};

use crate::kit::{self, has};

async fn published(hub: &Looker, name: &str, state: &str) -> Result<Value> {
    wait::until(&format!("the hub to show {name} as {state}"), || async {
        let member = hub.get(&format!("/apis/motet.dev/v1alpha1/members/{name}")).await.map_err(|e| e.to_string())?;
        let member = member.ok_or("no Member object".to_string())?;
        if member["status"]["state"] == state { Ok(member) } else { Err(member["status"].to_string()) }
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn members_come_change_fail_return_and_go() -> Result<()> {
    let (hub, hub_looker) = kit::hub("fleet-hub").await?;
    let (mut one, two) = (RealCluster::start("fleet-one").await?, RealCluster::start("fleet-two").await?);
    let (one_looker, two_looker) = (one.admin().await?, two.admin().await?);
    let folder = tempfile::tempdir()?;
    std::fs::write(folder.path().join("hub.yaml"), hub.kubeconfig("admin"))?;
    let hub_path = folder.path().join("hub.yaml").display().to_string();
    let plugins = kit::only(folder.path(), &["namespace-baseline"])?;
    let host = HostProcess::start(folder.path(), &["--hub", &hub_path, "--plugins", &plugins])?;
    host.ready().await?;

    // Two members appear; the host is running already.
    hub_looker.register("one", &one.kubeconfig("admin"), &[("tier", "edge")]).await?;
    hub_looker.register("two", &two.kubeconfig("admin"), &[]).await?;
    for (name, looker) in [("one", &one_looker), ("two", &two_looker)] {
        host.member(name, "Ready").await?;
        looker.namespace("shop", &[("motet.dev/baseline", "true")]).await?;
        has(looker, "shop", 3).await.map_err(|e| e.context(host.tail()))?;
    }
    let shown = published(&hub_looker, "one", "Ready").await.map_err(|e| e.context(host.tail()))?;
    assert_eq!(shown["metadata"]["labels"]["tier"], "edge");

    // One stops: the other carries on; it starts again: what happened meanwhile is made up for.
    one.pause();
    host.member("one", "Unreachable").await?;
    two_looker.namespace("meanwhile", &[("motet.dev/baseline", "true")]).await?;
    has(&two_looker, "meanwhile", 3).await?;
    one.resume().await?;
    one_looker.namespace("after", &[("motet.dev/baseline", "true")]).await?;
    host.member("one", "Ready").await?;
    has(&one_looker, "after", 3).await.map_err(|e| e.context(host.tail()))?;

    // A new credential that is not accepted: the old one goes on.
    hub_looker.register("two", &two.kubeconfig("wrong"), &[]).await?;
    wait::until("the update of two to be rejected", || async {
        let members = host.api("/api/v1/members/two").await.map_err(|e| e.to_string())?;
        let member = members.into_iter().next().ok_or("no member")?;
        if member["reason"] == "UpdateRejected" && member["state"] == "Ready" {
            Ok(())
        } else {
            Err(member.to_string())
        }
    })
    .await
    .map_err(|e| e.context(host.tail()))?;
    two_looker.namespace("still", &[("motet.dev/baseline", "true")]).await?;
    has(&two_looker, "still", 3).await?;

    // Withdrawn: nothing of it is touched any more.
    hub_looker.delete("/api/v1/namespaces/motet-system/secrets/two").await?;
    wait::until("two to be gone from the hub", || async {
        let member = hub_looker.get("/apis/motet.dev/v1alpha1/members/two").await.map_err(|e| e.to_string())?;
        if member.is_none() { Ok(()) } else { Err("still published".to_string()) }
    })
    .await?;
    let seen = two.audit().entries()?.len();
    two_looker.delete("/api/v1/namespaces/shop/resourcequotas/motet-baseline").await?;
    one_looker.namespace("last", &[("motet.dev/baseline", "true")]).await?;
    has(&one_looker, "last", 3).await?;
    assert_eq!(two.audit().host_writes(seen)?, Vec::<String>::new());
    assert_eq!(kit::count(&two_looker, "shop").await?, 2, "its objects are left as they were");
    assert_eq!(host.terminate().await?, 0);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plugin_in_the_hub_is_loaded_from_a_config_map_and_explains_itself() -> Result<()> {
    let (hub, looker) = kit::hub("catalog-hub").await?;
    let folder = tempfile::tempdir()?;
    std::fs::write(folder.path().join("hub.yaml"), hub.kubeconfig("admin"))?;
    let hub_path = folder.path().join("hub.yaml").display().to_string();
    // The hub is a member of itself.
    looker.register("self", &hub.kubeconfig("admin"), &[]).await?;
    let wasm = std::fs::read(motet_scenarios::plugins_dir().join("namespace-baseline.wasm"))?;
    let host = HostProcess::start(folder.path(), &["--hub", &hub_path])?;
    host.ready().await?;
    let plugin = json!({
        "apiVersion": "motet.dev/v1alpha1", "kind": "Plugin", "metadata": { "name": "baseline" },
        "spec": { "source": { "configMap": { "name": "baseline" } }, "grants": [
            { "apiGroups": [""], "resources": ["namespaces"], "verbs": ["get", "list", "watch"] }] },
    });
    let path = "/apis/motet.dev/v1alpha1/plugins/baseline";
    looker.apply(path, "test", &plugin).await?;
    condition(&looker, "Fetched", "False", "SourceMissing").await.map_err(|e| e.context(host.tail()))?;

    // The component arrives: now it is the grants that are missing, and the message says which.
    let map = json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": "baseline", "namespace": "motet-system" },
        "binaryData": { "plugin.wasm": encode(&wasm) } });
    looker.apply("/api/v1/namespaces/motet-system/configmaps/baseline", "test", &map).await?;
    let granted = condition(&looker, "Granted", "False", "NotGranted").await.map_err(|e| e.context(host.tail()))?;
    assert!(granted["message"].as_str().unwrap_or_default().contains("networkpolicies"), "{granted}");

    let all = json!([{ "apiGroups": ["", "networking.k8s.io"], "resources": ["namespaces", "networkpolicies", "resourcequotas", "limitranges"],
        "verbs": ["get", "list", "watch", "create", "patch", "delete"] }]);
    looker.patch(path, &json!({ "spec": { "grants": all } })).await?;
    condition(&looker, "Active", "True", "AsExpected").await.map_err(|e| e.context(host.tail()))?;
    looker.namespace("shop", &[("motet.dev/baseline", "true")]).await?;
    has(&looker, "shop", 3).await.map_err(|e| e.context(host.tail()))?;

    // Broken code is refused with the reason; what ran runs on.
    looker
        .patch(
            "/api/v1/namespaces/motet-system/configmaps/baseline",
            &json!({ "binaryData": { "plugin.wasm": encode(b"<html>") } }),
        )
        .await?;
    let loaded = condition(&looker, "Compiled", "False", "CompileFailed").await.map_err(|e| e.context(host.tail()))?;
    assert!(loaded["message"].as_str().unwrap_or_default().contains("not WebAssembly"), "{loaded}");
    looker.namespace("later", &[("motet.dev/baseline", "true")]).await?;
    has(&looker, "later", 3).await.map_err(|e| e.context(host.tail()))?;

    // Removed with onDelete: Prune, its sets go with it.
    looker
        .patch(
            "/api/v1/namespaces/motet-system/configmaps/baseline",
            &json!({ "binaryData": { "plugin.wasm": encode(&wasm) } }),
        )
        .await?;
    looker.patch(path, &json!({ "spec": { "onDelete": "Prune" } })).await?;
    condition(&looker, "Compiled", "True", "AsExpected").await?;
    looker.delete(path).await?;
    has(&looker, "shop", 0).await.map_err(|e| e.context(host.tail()))?;
    has(&looker, "later", 0).await?;
    Ok(())
}

async fn condition(hub: &Looker, kind: &str, status: &str, reason: &str) -> Result<Value> {
    wait::until(&format!("condition {kind} to be {status} for {reason}"), || async {
        let plugin =
            hub.get("/apis/motet.dev/v1alpha1/plugins/baseline").await.map_err(|e| e.to_string())?.unwrap_or_default();
        let conditions = plugin["status"]["conditions"].as_array().cloned().unwrap_or_default();
        let found =
            conditions.into_iter().find(|c| c["type"] == kind && c["status"] == status && c["reason"] == reason);
        found.ok_or(plugin["status"].to_string())
    })
    .await
}

fn encode(bytes: &[u8]) -> String {
    use base64::Engine;
    base64::engine::general_purpose::STANDARD.encode(bytes)
}
