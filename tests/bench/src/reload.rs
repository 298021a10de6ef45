//! What the other plugins notice while one is replaced again and again: 1,000 changes/s over 100 members before, during and after.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed},
    },
    time::Duration,
};

use anyhow::Result;
use motet_scenarios::{embedded, variant::variant};
use serde_json::json;
use tokio::time::sleep;

use crate::{
    fleet::Fleet,
    load::{Load, quantile},
    table::Table,
};

const MEMBERS: usize = 100;
const RATE: u32 = 1_000;
const WARM_UP: Duration = Duration::from_secs(5);
const WINDOW: Duration = Duration::from_secs(20);
/// Between two reloads, half of which are of code that was never compiled.
const PAUSE: Duration = Duration::from_millis(500);
const PLUGIN: &str = "relay";
const CODE: &str = "relay-code";

pub(crate) async fn run(table: &mut Table) -> Result<()> {
    let fleet = Fleet::start(MEMBERS, &[]).await?;
    let grants = json!([{ "apiGroups": [""], "resources": ["configmaps"], "verbs": ["get", "list", "watch", "create", "patch"] }]);
    fleet.hub.component(CODE, &embedded::guest("relay")?).await?;
    fleet.hub.plugin(PLUGIN, CODE, json!({ "grants": grants })).await?;
    fleet.host.active(PLUGIN, MEMBERS).await?;
    let mut load = Load::start(&fleet).await?;
    load.run(&fleet, MEMBERS, RATE, WARM_UP, || ()).await?;
    let (reloads, during) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicBool::new(false)));
    for phase in ["before", "during", "after"] {
        during.store(phase == "during", Relaxed);
        let reloading = reload(&fleet, reloads.clone(), during.clone());
        let running = async {
            let outcome = load.run(&fleet, MEMBERS, RATE, WINDOW, || ()).await;
            during.store(false, Relaxed);
            outcome
        };
        let (outcome, reloaded) = tokio::join!(running, reloading);
        let outcome = outcome?;
        reloaded?;
        let at = |share| quantile(&outcome.accepted, share).as_secs_f64() * 1e3;
        let note = format!(
            "{:.0}/s achieved, {} not seen; {} reloads; the host took {:.0} % of a core",
            outcome.rate,
            outcome.lost + outcome.failed,
            if phase == "during" { reloads.load(Relaxed) } else { 0 },
            outcome.host
        );
        let figure = format!("p50 {:.1} ms, p99 {:.1} ms, max {:.0} ms", at(0.5), at(0.99), at(1.0));
        table.row(&format!("change accepted → copy seen of another plugin, {phase} reloads"), figure, note);
    }
    Ok(())
}

/// Replaces the plugin for as long as `during` says so: by turns new code, and code that is known.
async fn reload(fleet: &Fleet, reloads: Arc<AtomicUsize>, during: Arc<AtomicBool>) -> Result<()> {
    let component = embedded::guest("relay")?;
    while during.load(Relaxed) {
        let turn = reloads.fetch_add(1, Relaxed);
        let noise = if turn.is_multiple_of(2) { turn } else { 1 };
        fleet.hub.component(CODE, &variant(&component, &noise.to_le_bytes())).await?;
        sleep(PAUSE).await;
    }
    Ok(())
}
