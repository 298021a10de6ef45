//! The main job on real clusters: a hub, members, a plugin that converges.

use anyhow::Result;
use motet_scenarios::{host::HostProcess, real::RealCluster, wait};

use crate::kit::{self, BASELINE as OBJECTS, has};

#[tokio::test(flavor = "multi_thread")]
async fn a_plugin_converges_on_a_real_member_and_a_restart_writes_nothing() -> Result<()> {
    let member = RealCluster::start("edge-1").await?;
    let looker = member.admin().await?;
    looker.namespace("shop", &[("motet.dev/baseline", "true")]).await?;
    let folder = tempfile::tempdir()?;
    let members = kit::members(folder.path(), &[("edge-1", member.kubeconfig("admin"))])?;
    let plugins = kit::only(folder.path(), &["namespace-baseline"])?;
    let arguments = ["--hub", "none", "--members", &members, "--plugins", &plugins];
    let host = HostProcess::start(folder.path(), &arguments)?;
    host.ready().await?;
    host.binding("namespace-baseline", "edge-1", "Active").await?;
    has(&looker, "shop", 3).await.map_err(|e| e.context(host.tail()))?;

    // Drift is put back, and what loses its label loses its objects.
    looker.delete(&OBJECTS[1].replace("{}", "shop")).await?;
    has(&looker, "shop", 3).await?;
    let quota = OBJECTS[1].replace("{}", "shop");
    looker.patch(&quota, &serde_json::json!({ "spec": { "hard": { "pods": "99" } } })).await?;
    wait::until("the quota to be put back", || async {
        let quota = looker.get(&quota).await.map_err(|e| e.to_string())?.ok_or("gone")?;
        if quota["spec"]["hard"]["pods"] == "20" { Ok(()) } else { Err(quota["spec"].to_string()) }
    })
    .await?;
    looker.namespace("other", &[("motet.dev/baseline", "true")]).await?;
    has(&looker, "other", 3).await?;
    looker
        .patch(
            "/api/v1/namespaces/other",
            &serde_json::json!({ "metadata": { "labels": { "motet.dev/baseline": null } } }),
        )
        .await?;
    has(&looker, "other", 0).await.map_err(|e| e.context(host.tail()))?;

    assert!(!member.audit().host_writes(0)?.is_empty(), "the judge of writes sees none at all");
    assert_eq!(host.terminate().await?, 0);
    let before = member.audit().entries()?.len();
    let host = HostProcess::start(folder.path(), &arguments)?;
    host.ready().await?;
    host.binding("namespace-baseline", "edge-1", "Active").await?;
    kit::quiet(&host, "namespace-baseline").await?;
    assert_eq!(member.audit().host_writes(before)?, Vec::<String>::new(), "{}", host.tail());
    Ok(())
}
