//! Row A2, the host's clock: ten minutes off, one way and the other.

use std::{path::Path, process::Command, time::Duration};

use anyhow::{Context, Result, ensure};
use motet_scenarios::{host::HostProcess, wait};

use crate::kit::{ALL, BASELINE, EDGE, EDGE_SERVICES, LEASE, MEMBERS_OF_A_STAGE, Stage, edge_service};

/// Longer than a Lease is good for without renewal.
const LONGER_THAN_A_LEASE: Duration = Duration::from_secs(20);

/// Builds the clock that is wrong.
fn clock(folder: &Path) -> Result<String> {
    let (source, library) = (concat!(env!("CARGO_MANIFEST_DIR"), "/clock.c"), folder.join("clock.so"));
    let output =
        Command::new("cc").args(["-shared", "-fPIC", "-O1", "-Wall", "-o"]).arg(&library).arg(source).output()?;
    ensure!(output.status.success(), "{source} was not compiled: {}", String::from_utf8_lossy(&output.stderr));
    Ok(library.display().to_string())
}

/// By how many seconds a time that the host wrote just now is off.
fn off(time: &str) -> Result<i64> {
    let written: jiff::Timestamp = time.parse().with_context(|| format!("{time:?} is no time"))?;
    Ok(written.duration_since(jiff::Timestamp::now()).as_secs())
}

/// Whose the Lease is, its version, and by how many seconds its last renewal is off.
async fn lease(stage: &Stage) -> Result<(String, String, i64)> {
    let lease = stage.hub.look.get(LEASE).await?.context("no Lease")?;
    let text = |value: &serde_json::Value| value.as_str().unwrap_or_default().to_string();
    let (spec, version) = (&lease["spec"], text(&lease["metadata"]["resourceVersion"]));
    Ok((text(&spec["holderIdentity"]), version, off(&text(&spec["renewTime"]))?))
}

async fn ten_minutes_off(prefix: &str, seconds: i64) -> Result<()> {
    let mut stage = Stage::bare(prefix, MEMBERS_OF_A_STAGE, &ALL).await?;
    let (preload, offset) = (clock(stage.folder.path())?, seconds.to_string());
    stage.start_host_with(&[("LD_PRELOAD", &preload), ("MOTET_TEST_CLOCK_OFFSET", &offset)])?;
    stage.host().ready().await?;
    let second_folder = stage.folder.path().join("second");
    std::fs::create_dir(&second_folder)?;
    let standby = HostProcess::start(&second_folder, &stage.arguments())?;

    // A token that has just been issued works, as one does that never ends.
    let token = stage.members[0].cluster.account("clock").await?;
    for (index, token) in [token.as_str(), "admin"].into_iter().enumerate() {
        stage.members[index].install().await?;
        stage.members[index].shop("shop").await?;
        stage.register(index, token).await?;
        let status = stage.is(index, "Ready").await?;
        let since = off(status["since"].as_str().unwrap_or_default())?;
        ensure!((since - seconds).abs() < 120, "the clock is right after all: {status} is {since} s off");
        stage.holds(index).await?;
    }

    let (first, version, late) = lease(&stage).await?;
    ensure!((late - seconds).abs() < 60, "the Lease was renewed by a clock that is {late} s off");
    wait::stays("who holds the Lease", first, LONGER_THAN_A_LEASE, || async { Ok(lease(&stage).await?.0) }).await?;
    ensure!(lease(&stage).await?.1 != version, "the Lease was not renewed");
    let (code, text) = standby.get("/readyz").await?;
    ensure!(code == 503 && text.contains("stands by"), "{code} {text}");

    for index in 0..2 {
        stage.works(index, "later").await?;
        let (name, look) = (&stage.members[index].name, &stage.members[index].look);
        look.create(EDGE_SERVICES, &edge_service("web")).await?;
        let deployment = "/apis/apps/v1/namespaces/default/deployments/web";
        wait::until(deployment, || async {
            look.get(deployment).await.map_err(|e| e.to_string())?.map(drop).ok_or("not there".to_string())
        })
        .await
        .with_context(|| stage.host().tail())?;
        for plugin in [BASELINE, EDGE] {
            stage.host().binding(plugin, name, "Active").await?;
        }
        let writers = stage.members[index].cluster.audit().writers()?;
        ensure!(writers.len() == 1, "one host wrote: {writers:?}");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_whose_clock_is_ten_minutes_fast_keeps_the_lease_and_works() -> Result<()> {
    ten_minutes_off("fast", 600).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_whose_clock_is_ten_minutes_slow_keeps_the_lease_and_works() -> Result<()> {
    ten_minutes_off("slow", -600).await
}
