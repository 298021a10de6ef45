//! Very many plugins, all of them idle: what each takes, and how long a host needs to start with them.

use std::{fs, path::Path, time::Duration};

use anyhow::{Result, bail};
use motet_scenarios::{
    embedded::{self, Hub},
    site::{FIRST_TOKEN, Site},
    variant::variant,
};
use tokio::time::{Instant, sleep};

use crate::{host::Host, table::Table};

const PATIENCE: Duration = Duration::from_secs(900);

/// What a host was when it had become ready.
struct Started {
    after: Duration,
    busy: Duration,
    resident: f64,
    anonymous: u64,
}

pub(crate) async fn run(table: &mut Table) -> Result<()> {
    let folder = tempfile::tempdir()?;
    let plugins = folder.path().join("plugins");
    fs::create_dir(&plugins)?;
    let (hub, member) = (Hub::start().await?, Site::embedded("edge-0").await?);
    fs::write(folder.path().join("hub.yaml"), hub.0.own_kubeconfig())?;
    hub.register(&member, FIRST_TOKEN).await?;
    add(&plugins, 0..1)?;
    let one = start(folder.path(), 1).await?;
    let mut before = 1;
    for count in [100, 1_000] {
        add(&plugins, before..count)?;
        before = count;
        let cold = start(folder.path(), count).await?;
        let again = start(folder.path(), count).await?;
        let times = |s: &Started| {
            format!("ready after {:.2} s, {:.2} s of CPU by then", s.after.as_secs_f64(), s.busy.as_secs_f64())
        };
        table.row(
            &format!("{count} plugins, compiled at the start"),
            times(&cold),
            "the compiling processes' CPU is not in it",
        );
        let goal = if count == 100 { "goal: 1 s of CPU" } else { "" };
        table.row(&format!("{count} plugins, compiled before"), times(&again), goal);
        let each = |now: f64, then: f64| 1024.0 * (now - then) / (count - 1) as f64;
        table.row(
            &format!("{count} plugins idle: resident, each"),
            format!("{:.0} KiB", each(again.resident, one.resident)),
            format!(
                "{:.0} KiB of them not of files",
                each(again.anonymous as f64 / 1024.0, one.anonymous as f64 / 1024.0)
            ),
        );
    }
    Ok(())
}

/// Writes plugins of distinct digests, each with what it may.
fn add(plugins: &Path, numbers: std::ops::Range<usize>) -> Result<()> {
    let component = embedded::guest("relay")?;
    for number in numbers {
        let name = format!("relay-{number}");
        fs::write(plugins.join(format!("{name}.wasm")), variant(&component, &number.to_le_bytes()))?;
        let yaml = format!(
            "apiVersion: motet.dev/v1alpha1\nkind: Plugin\nmetadata: {{ name: {name} }}\nspec:\n  grants:\n    \
             - {{ apiGroups: [\"\"], resources: [configmaps], verbs: [get, list, watch, create, patch] }}\n"
        );
        fs::write(plugins.join(format!("{name}.yaml")), yaml)?;
    }
    Ok(())
}

/// Starts a host, waits until it is ready and all its plugins are at work, and ends it.
async fn start(folder: &Path, count: usize) -> Result<Started> {
    let begun = Instant::now();
    let host = Host::start(folder, &[])?;
    let stop = Instant::now() + PATIENCE;
    while !host.get("/readyz").await.is_ok_and(|body| body.starts_with("ok")) {
        if Instant::now() > stop {
            bail!("the host was not ready within {PATIENCE:?}");
        }
        sleep(Duration::from_millis(20)).await;
    }
    let (after, busy) = (begun.elapsed(), host.process().busy()?);
    host.active(&format!("relay-{}", count - 1), 1).await?;
    // What starting took is given back by then.
    sleep(Duration::from_secs(5)).await;
    let started =
        Started { after, busy, resident: host.process().resident()?, anonymous: host.process().status("RssAnon")? };
    host.stop().await?;
    Ok(started)
}
