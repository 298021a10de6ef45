//! From a change on a member until what the plugin makes of it is there: 1,000 changes/s over 100 members, and 200/s.

use std::time::Duration;

use anyhow::Result;

use crate::{
    fleet::Fleet,
    load::{Load, Outcome, quantile},
    table::Table,
};

const MEMBERS: usize = 100;
const WARM_UP: Duration = Duration::from_secs(5);
const WINDOW: Duration = Duration::from_secs(20);

pub(crate) async fn run(table: &mut Table) -> Result<()> {
    let fleet = Fleet::start(MEMBERS, &[]).await?;
    let mut load = Load::start(&fleet).await?;
    for rate in [200, 1000] {
        load.run(&fleet, MEMBERS, rate, WARM_UP, || ()).await?;
        let before = stages(&fleet).await?;
        let outcome = load.run(&fleet, MEMBERS, rate, WINDOW, || ()).await?;
        show(table, rate, &outcome);
        let after = stages(&fleet).await?;
        let means: Vec<String> = (after.iter().zip(&before))
            .map(|(a, b)| format!("{} {:.2} ms", a.0, 1e3 * (a.1 - b.1) / (a.2 - b.2).max(1.0)))
            .collect();
        table.row("the same, where the host spends it, means", means.join(", "), "by its own metrics");
    }
    Ok(())
}

/// What the host's histograms say so far: name, seconds and count.
async fn stages(fleet: &Fleet) -> Result<Vec<(&'static str, f64, f64)>> {
    let mut all = Vec::new();
    for (name, metric) in [
        ("in the queue", "motet_queue_wait_seconds"),
        ("in the sandbox", "motet_sandbox_seconds"),
        ("sandbox and write", "motet_reconcile_duration_seconds"),
        ("event to written", "motet_work_latency_seconds"),
    ] {
        let of = async |what| fleet.host.metric(&format!("{metric}_{what}")).await;
        all.push((name, of("sum").await?, of("count").await?));
    }
    Ok(all)
}

fn show(table: &mut Table, rate: u32, outcome: &Outcome) {
    let figures = |sorted: &[Duration]| {
        let at = |share| quantile(sorted, share).as_secs_f64() * 1e3;
        format!("p50 {:.1} ms, p99 {:.1} ms, max {:.0} ms", at(0.5), at(0.99), at(1.0))
    };
    let name = format!("change accepted → copy seen by a watch, {rate}/s over {MEMBERS} members");
    let goal = if rate == 1000 { "goal p99 ≤ 20 ms; " } else { "" };
    let missing = format!("{:.0}/s achieved, {} failed, {} not seen", outcome.rate, outcome.failed, outcome.lost);
    table.row(&name, figures(&outcome.accepted), format!("{goal}{missing}"));
    let cpu = format!("CPU: host {:.0} %, clusters and clients {:.0} % of a core", outcome.host, outcome.clusters);
    table.row("the same, from when the change was due", figures(&outcome.due), cpu);
}
