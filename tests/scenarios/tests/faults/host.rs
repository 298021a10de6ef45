//! Row A5: the host itself is stopped, killed, started in bad times, and short of what it needs.

use std::collections::BTreeMap;

use anyhow::{Context, Result};
use motet_scenarios::{client::Looker, host::HostProcess, wait, wire::Fault};
use tokio::net::TcpStream;

use crate::kit::{ALL, MEMBERS_OF_A_STAGE, Stage};

async fn load(look: &Looker, from: u32, to: u32) -> Result<()> {
    for n in from..to {
        look.namespace(&format!("load-{n}"), &[("motet.dev/baseline", "true")]).await?;
    }
    Ok(())
}

/// UIDs of the quotas by namespace.
async fn uids(look: &Looker) -> Result<BTreeMap<String, String>> {
    let quotas = look.list("/api/v1/resourcequotas").await?;
    Ok(quotas.iter().map(|q| (q["metadata"]["namespace"].to_string(), q["metadata"]["uid"].to_string())).collect())
}

#[tokio::test(flavor = "multi_thread")]
async fn stopped_and_killed_under_load_it_starts_again_and_repeats_next_to_nothing() -> Result<()> {
    let mut stage = Stage::converged("stop").await?;
    let look = stage.members[0].look.clone();

    // SIGTERM: what runs is finished, nothing is written after the end.
    load(&look, 0, 40).await?;
    let host = stage.host.take().context("a host")?;
    assert_eq!(host.terminate().await?, 0);
    let ended = stage.members[0].cluster.audit().entries()?.len();
    load(&look, 40, 60).await?;
    assert_eq!(stage.members[0].cluster.audit().host_writes(ended)?, Vec::<String>::new());
    stage.start_host()?;
    stage.holds(0).await?;

    // SIGKILL: whatever was in flight is at most applied once more, and no object is made anew.
    let skip = stage.members[0].cluster.audit().entries()?.len();
    load(&look, 60, 100).await?;
    let before = uids(&look).await?;
    stage.host.take().context("a host")?.kill()?;
    stage.start_host()?;
    stage.holds(0).await?;
    let after = uids(&look).await?;
    assert!(before.iter().all(|(namespace, uid)| after.get(namespace) == Some(uid)), "an object was made anew");
    let mut applied: BTreeMap<String, u32> = BTreeMap::new();
    for write in stage.members[0].cluster.audit().host_writes(skip)? {
        if write.contains("motet-baseline") {
            *applied.entry(write).or_default() += 1;
        }
    }
    let repeated: Vec<_> = applied.iter().filter(|(_, times)| **times > 1).collect();
    assert!(applied.values().all(|times| *times <= 2), "{repeated:?}");
    assert!(repeated.len() <= 24, "more than was in flight was repeated: {repeated:?}");
    for index in 0..stage.members.len() {
        stage.works(index, "after-all").await?;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn started_while_half_the_members_are_silent_the_rest_goes_on_as_if_alone() -> Result<()> {
    let mut stage = Stage::bare("half", 4, &ALL).await?;
    for index in [0, 2] {
        stage.members[index].wire.set(Fault::Hang);
    }
    stage.start_host()?;
    for index in 0..4 {
        stage.members[index].shop("shop").await?;
        stage.register(index, "admin").await?;
    }
    for index in [1, 3] {
        stage.holds(index).await?;
    }
    for index in [0, 2] {
        stage.shows(index, "not to be Ready", |s| s["state"] != "Ready").await?;
        stage.members[index].wire.set(Fault::None);
    }
    for index in [0, 2] {
        stage.is(index, "Ready").await?;
        stage.holds(index).await?;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn out_of_file_descriptors_it_serves_on_and_recovers() -> Result<()> {
    let mut stage = Stage::bare("files", MEMBERS_OF_A_STAGE, &ALL).await?;
    stage.start_host_in("ulimit -n 64")?;
    stage.members[0].shop("shop").await?;
    stage.register(0, "admin").await?;
    stage.holds(0).await?;

    // Somebody's connections take all that are left.
    let address = stage.host().url().replace("http://", "");
    let mut hoard = Vec::new();
    for _ in 0..100 {
        hoard.push(TcpStream::connect(&address).await?);
    }
    stage.register(1, "admin").await?;
    stage.works(0, "without-files").await?;
    let member = stage.hub.look.get("/apis/motet.dev/v1alpha1/members/files-1").await?.unwrap_or_default();
    assert_ne!(member["status"]["state"], "Ready", "there were descriptors left: {}", member["status"]);
    drop(hoard);
    stage.members[1].shop("shop").await?;
    stage.is(1, "Ready").await?;
    stage.holds(1).await?;
    stage.host().ready().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_costs_the_cache_of_compiled_plugins_and_nothing_else() -> Result<()> {
    let mut stage = Stage::bare("disk", MEMBERS_OF_A_STAGE, &ALL).await?;
    let data = stage.folder.path().join("data");
    std::fs::create_dir(&data)?;
    // A file system of its own, in which there is room for next to nothing.
    stage.start_host_in(&format!("mount -t tmpfs -o size=16k,mode=0700 full {}", data.display()))?;
    stage.members[0].shop("shop").await?;
    stage.register(0, "admin").await?;
    stage.holds(0).await?;
    stage.register_others().await?;
    wait::until("the host to say that it could not keep the compiled plugin", || async {
        if stage.host().log().contains("could not be kept on disk") { Ok(()) } else { Err("not said") }
    })
    .await
    .with_context(|| HostProcess::tail(stage.host()))
}
