//! Row A6: a member that comes and goes a thousand times leaves nothing behind in the host.

use anyhow::Result;
use motet_scenarios::wait;

use crate::kit::{MEMBERS, Stage};

/// What must not grow.
#[derive(Debug)]
struct Held {
    tasks: f64,
    descriptors: f64,
    series: usize,
    resident: f64,
}

async fn held(stage: &Stage) -> Result<Held> {
    let (_, text) = stage.host().get("/metrics").await?;
    let lines = || text.lines().filter(|line| !line.starts_with('#'));
    let value = |name: &str| {
        let found = lines().find(|line| line.split([' ', '{']).next() == Some(name));
        found.and_then(|line| line.rsplit(' ').next()?.parse().ok()).unwrap_or(f64::NAN)
    };
    Ok(Held {
        tasks: value("motet_tasks"),
        descriptors: value("process_open_fds"),
        series: lines().count(),
        resident: value("process_resident_memory_bytes"),
    })
}

/// Registers and withdraws the first member so often; each tenth time it is waited for to be there, and at the end to be gone.
async fn come_and_go(stage: &Stage, times: u32) -> Result<()> {
    let member = &stage.members[0];
    let (secret, object) =
        (format!("/api/v1/namespaces/motet-system/secrets/{}", member.name), format!("{MEMBERS}/{}", member.name));
    for round in 0..times {
        stage.register(0, "admin").await?;
        if round % 10 == 0 {
            stage.host().member(&member.name, "Ready").await?;
        }
        stage.hub.look.delete(&secret).await?;
    }
    stage.hub.look.until(&object, "no Member", serde_json::Value::is_null).await?;
    wait::until("the host's connections to it to be closed", || async {
        if member.wire.open() == 0 { Ok(()) } else { Err(member.wire.open()) }
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_member_that_comes_and_goes_a_thousand_times_leaves_nothing_behind() -> Result<()> {
    let stage = Stage::converged("churn").await?;
    come_and_go(&stage, 100).await?;
    let before = held(&stage).await?;
    come_and_go(&stage, 1000).await?;
    let after = wait::until("what the host holds to be what it was", || async {
        let after = held(&stage).await.map_err(|e| e.to_string())?;
        let flat = after.tasks <= before.tasks + 4.0
            && after.descriptors <= before.descriptors + 4.0
            && after.series <= before.series + 4;
        if flat { Ok(after) } else { Err(format!("{after:?}, before {before:?}")) }
    })
    .await?;
    let grown = (after.resident - before.resident) / f64::from(1 << 20);
    assert!(grown < 16.0, "{grown:.1} MiB more are resident: {after:?}, before {before:?}");
    stage.nobody_else_noticed().await
}
