//! What a host does about what happened while it was down.

use std::collections::BTreeMap;

use anyhow::Result;
use motet_scenarios::baseline;

use crate::kit::{PLUGIN, Stage};

/// What the host wrote to the members' clusters, Leases aside.
fn written(stage: &Stage) -> Vec<String> {
    let all = stage.members.iter().flat_map(|member| member.written());
    all.filter(|(agent, _)| agent.starts_with("motet")).map(|(_, write)| write).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restart_on_converged_members_writes_nothing() -> Result<()> {
    let mut stage = Stage::converged(3).await?;
    stage.quiet(PLUGIN, "Active", 3).await?;
    stage.stop_host().await?;
    let before = written(&stage);
    assert!(before.len() >= 9, "the test sees the host's writes: {before:?}");
    stage.start_host()?;
    stage.quiet(PLUGIN, "Active", 3).await?;
    assert_eq!(written(&stage), before, "{}", stage.host().tail());
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn exactly_what_lost_its_reason_meanwhile_goes() -> Result<()> {
    let mut stage = Stage::converged(1).await?;
    for name in ["unlabelled", "deleted"] {
        stage.members[0].shop(name).await?;
    }
    stage.holds(0, None).await?;
    stage.stop_host().await?;
    let look = stage.members[0].look.clone();
    let mut before = baseline::fingerprint(&look).await?;
    assert_eq!(before.len(), 9);
    stage.members[0].label("unlabelled", false).await?;
    look.delete("/api/v1/namespaces/deleted").await?;
    stage.start_host()?;
    stage.holds(0, None).await?;
    stage.quiet(PLUGIN, "Active", 1).await?;
    before.retain(|object, _| object.contains("\"shop\""));
    let after: BTreeMap<_, _> = baseline::fingerprint(&look).await?;
    assert_eq!(after, before, "the three of the namespace that stayed, untouched");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_plugin_left_that_went_meanwhile_is_pruned() -> Result<()> {
    let mut stage = Stage::converged(1).await?;
    let mut spec = motet_scenarios::embedded::shipped_spec(PLUGIN)?;
    spec["onDelete"] = serde_json::json!("Prune");
    stage.hub.plugin(PLUGIN, crate::kit::CODE, spec).await?;
    let look = stage.members[0].look.clone();
    motet_scenarios::wait::until("the record on the member to say Prune", || async {
        let record = look.get("/api/v1/namespaces/motet-system/configmaps/motet-namespace-baseline").await;
        let record = record.map_err(|e| e.to_string())?.ok_or("none")?;
        let text = record["data"].to_string();
        if text.contains("Prune") { Ok(()) } else { Err(text) }
    })
    .await?;
    stage.stop_host().await?;
    stage.hub.look().delete(&format!("/apis/motet.dev/v1alpha1/plugins/{PLUGIN}")).await?;
    stage.start_host()?;
    motet_scenarios::wait::until("what it applied to go", || async {
        let left = baseline::fingerprint(&look).await.map_err(|e| e.to_string())?;
        if left.is_empty() { Ok(()) } else { Err(format!("{left:?}")) }
    })
    .await
}
