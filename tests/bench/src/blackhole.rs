//! 20 % of the members accept and never answer, in the middle of their work: what that costs the others.

use std::time::Duration;

use anyhow::Result;
use tokio::time::sleep;

use crate::{
    fleet::Fleet,
    load::{Load, quantile},
    table::Table,
};

const MEMBERS: usize = 100;
const HUNG: usize = 20;
/// Changes a second over the members that answer.
const RATE: u32 = 300;
const ROUNDS: usize = 4;
const WINDOW: Duration = Duration::from_secs(20);

pub(crate) async fn run(table: &mut Table) -> Result<()> {
    let fleet =
        Fleet::start(MEMBERS, &["--probe-interval", "4s", "--probe-timeout", "2s", "--reconnect-max", "4s"]).await?;
    let mut load = Load::start(&fleet).await?;
    let rest = MEMBERS - HUNG;
    load.run(&fleet, rest, RATE, Duration::from_secs(5), || ()).await?;
    let (mut with, mut without) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        without.push(load.run(&fleet, rest, RATE, WINDOW, || ()).await?);
        // Changes under way on the members that are to hang, so that the host is caught in the middle of its writes.
        load.stir(rest).await;
        let hang = |on| fleet.members.iter().skip(rest).for_each(|m| m.faults().hang(on));
        with.push(load.run(&fleet, rest, RATE, WINDOW, || hang(true)).await?);
        hang(false);
        fleet.host.ready(MEMBERS).await?;
        sleep(Duration::from_secs(2)).await;
    }
    let all = |outcomes: &[crate::load::Outcome]| {
        let mut samples: Vec<Duration> = outcomes.iter().flat_map(|o| o.accepted.iter().copied()).collect();
        samples.sort_unstable();
        let lost: usize = outcomes.iter().map(|o| o.lost).sum();
        (quantile(&samples, 0.5).as_secs_f64() * 1e3, quantile(&samples, 0.99).as_secs_f64() * 1e3, lost)
    };
    let rounds = |outcomes: &[crate::load::Outcome]| {
        let p99 = |o: &crate::load::Outcome| format!("{:.1}", quantile(&o.accepted, 0.99).as_secs_f64() * 1e3);
        format!("p99 by round: {} ms", outcomes.iter().map(p99).collect::<Vec<_>>().join(", "))
    };
    for (name, outcomes) in [("all answer", &without), ("20 hang", &with)] {
        let (p50, p99, lost) = all(outcomes);
        let figure = format!("p50 {p50:.1} ms, p99 {p99:.1} ms");
        let name = format!("change accepted → copy seen, {RATE}/s over {rest} of {MEMBERS} members, {name}");
        table.row(&name, figure, format!("{}; {lost} not seen", rounds(outcomes)));
    }
    let ratio = all(&with).1 / all(&without).1;
    table.row("p99 of the rest, with to without", format!("{ratio:.2}"), "goal ≤ 1.2; probes every 4 s");
    Ok(())
}
