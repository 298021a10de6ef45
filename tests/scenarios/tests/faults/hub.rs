//! Row A5, the hub: away for everybody, and away for one host alone.

use std::time::Duration;

use anyhow::{Context, Result};
use motet_scenarios::{
    host::HostProcess,
    wait,
    wire::{Fault, Wire},
};

use crate::kit::{BASELINE, Stage};

const LEASE: &str = "/apis/coordination.k8s.io/v1/namespaces/motet-system/leases/motet-host";
/// Longer than a Lease is good for, and than its holder takes to count the hub as away.
const AWAY: Duration = Duration::from_secs(20);

/// Another host beside the stage's, which reaches the hub by a wire of its own.
async fn second(stage: &Stage) -> Result<(HostProcess, Wire)> {
    let wire = Wire::to(stage.hub.cluster.port()).await?;
    let folder = stage.folder.path().join("second");
    std::fs::create_dir(&folder)?;
    let kubeconfig = folder.join("hub.yaml");
    let url = format!("https://127.0.0.1:{}", wire.port());
    std::fs::write(&kubeconfig, stage.hub.cluster.kubeconfig_at(&url, "admin"))?;
    let plugins = stage.folder.path().join("plugins").display().to_string();
    let host = HostProcess::start(&folder, &["--hub", &kubeconfig.display().to_string(), "--plugins", &plugins])?;
    wait::until("the second host to stand by", || async {
        match host.get("/readyz").await {
            Ok((503, text)) if text.contains("stands by") => Ok(()),
            other => Err(format!("{other:?}")),
        }
    })
    .await?;
    Ok((host, wire))
}

async fn holder(stage: &Stage) -> Result<String> {
    let lease = stage.hub.look.get(LEASE).await?.context("no Lease")?;
    Ok(lease["spec"]["holderIdentity"].as_str().unwrap_or_default().into())
}

#[tokio::test(flavor = "multi_thread")]
async fn while_the_hub_is_away_members_go_on_and_no_standby_takes_over() -> Result<()> {
    let mut stage = Stage::converged("away").await?;
    let (standby, _wire) = second(&stage).await?;
    let first = holder(&stage).await?;

    stage.hub.cluster.pause();
    tokio::time::sleep(AWAY).await;
    stage.works(0, "without-a-hub").await?;
    let look = stage.members[0].look.clone();
    look.delete("/api/v1/namespaces/shop/resourcequotas/motet-baseline").await?;
    stage.holds(0).await?;

    stage.hub.cluster.resume().await?;
    wait::until("the Lease to be renewed", || async {
        let lease = stage.hub.look.get(LEASE).await.map_err(|e| e.to_string())?.unwrap_or_default();
        let renewed: Result<jiff::Timestamp, _> = lease["spec"]["renewTime"].as_str().unwrap_or_default().parse();
        let age = renewed.map(|at| jiff::Timestamp::now().duration_since(at).as_secs()).map_err(|e| e.to_string())?;
        if age < 10 { Ok(()) } else { Err(format!("renewed {age} s ago")) }
    })
    .await
    .with_context(|| stage.host().tail())?;
    tokio::time::sleep(AWAY).await;
    assert_eq!(holder(&stage).await?, first, "a healthy leader is not taken over");
    assert_eq!(standby.get("/readyz").await?.0, 503);
    stage.works(0, "with-a-hub").await?;
    assert_eq!(stage.members[0].cluster.audit().writers()?.len(), 1, "one host wrote");
    stage.host.take().context("a host")?.terminate().await.map(drop)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_that_alone_lost_the_hub_yields_to_its_successor_and_they_never_both_write() -> Result<()> {
    let mut stage = Stage::converged("alone").await?;
    let (second, _wire) = second(&stage).await?;
    let first = holder(&stage).await?;

    stage.hub.wire.set(Fault::Refuse);
    // Work all the while, so that whoever may write does.
    let mut taken_over = false;
    for round in 0..60 {
        stage.members[0].shop(&format!("round-{round}")).await?;
        tokio::time::sleep(Duration::from_millis(700)).await;
        taken_over |= holder(&stage).await? != first;
    }
    assert!(taken_over, "the second host took over");
    second.ready().await?;
    second.binding(BASELINE, "alone-0", "Active").await?;
    stage.holds(0).await.with_context(|| second.tail())?;
    let held = stage.host().binding(BASELINE, "alone-0", "Parked").await?;
    assert_eq!(held["reason"], "Paused", "{held}");
    let writers = stage.members[0].cluster.audit().writers()?;
    assert_eq!(writers.len(), 2, "first one, then the other, never both: {writers:?}");

    // Back at the hub, the first finds that another holds the Lease, and ends.
    stage.hub.wire.set(Fault::None);
    let host = stage.host.take().context("a host")?;
    assert_ne!(host.ended().await?, 0);
    Ok(())
}
