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
        let outcome = load.run(&fleet, MEMBERS, rate, WINDOW, || ()).await?;
        show(table, rate, &outcome);
    }
    Ok(())
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
