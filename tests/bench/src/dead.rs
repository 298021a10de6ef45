//! 200 members are registered, and 80 % of them are addresses at which nobody answers: what that costs those that live.

use std::time::Duration;

use anyhow::{Context, Result};
use futures::{StreamExt as _, TryStreamExt as _, stream};
use motet_scenarios::ports;
use tokio::net::TcpListener;

use crate::{
    fleet::Fleet,
    load::{Load, Outcome, quantile},
    table::Table,
};

const LIVE: usize = 40;
const DEAD: usize = 160;
/// Changes a second over the members that live.
const RATE: u32 = 300;
const ROUNDS: usize = 4;
const WINDOW: Duration = Duration::from_secs(20);

pub(crate) async fn run(table: &mut Table) -> Result<()> {
    let fleet =
        Fleet::start(LIVE, &["--probe-interval", "4s", "--probe-timeout", "2s", "--reconnect-max", "4s"]).await?;
    let graves = Graves::dig(&fleet).await?;
    let mut load = Load::start(&fleet).await?;
    load.run(&fleet, LIVE, RATE, Duration::from_secs(5), || ()).await?;
    let (mut with, mut without) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        without.push(load.run(&fleet, LIVE, RATE, WINDOW, || ()).await?);
        graves.register(&fleet).await?;
        // From the moment when the host knows of the last: the attempts to reach them all are part of the window.
        fleet.host.known(LIVE + DEAD).await?;
        with.push(load.run(&fleet, LIVE, RATE, WINDOW, || ()).await?);
        graves.withdraw(&fleet).await?;
        fleet.host.known(LIVE).await?;
    }
    for (name, outcomes) in [("alone", &without), ("with 160 dead addresses registered", &with)] {
        let (p50, p99) = (percentile(outcomes, 0.5), percentile(outcomes, 0.99));
        let rounds: Vec<String> = outcomes.iter().map(|o| millis(quantile(&o.accepted, 0.99))).collect();
        let lost: usize = outcomes.iter().map(|o| o.lost + o.failed).sum();
        let cpu = outcomes.iter().map(|o| o.host).sum::<f64>() / outcomes.len() as f64;
        table.row(
            &format!("change accepted → copy seen, {RATE}/s over {LIVE} live members, {name}"),
            format!("p50 {} ms, p99 {} ms", millis(p50), millis(p99)),
            format!("p99 by round: {} ms; {lost} not seen; the host took {cpu:.0} % of a core", rounds.join(", ")),
        );
    }
    let ratio = percentile(&with, 0.99).as_secs_f64() / percentile(&without, 0.99).as_secs_f64();
    table.row(
        "p99 of the live, with the dead to alone",
        format!("{ratio:.2}"),
        "half refuse, half accept and say nothing",
    );
    Ok(())
}

fn percentile(outcomes: &[Outcome], share: f64) -> Duration {
    let mut samples: Vec<Duration> = outcomes.iter().flat_map(|o| o.accepted.iter().copied()).collect();
    samples.sort_unstable();
    quantile(&samples, share)
}

fn millis(time: Duration) -> String {
    format!("{:.1}", time.as_secs_f64() * 1e3)
}

/// Addresses at which nobody answers: one where nobody listens, one that takes connections and never says a word.
struct Graves {
    kubeconfigs: [String; 2],
    _silent: TcpListener,
}

impl Graves {
    async fn dig(fleet: &Fleet) -> Result<Self> {
        let silent = TcpListener::bind("127.0.0.1:0").await?;
        let refusing = *ports::free(1)?.first().context("no free port")?;
        let living = fleet.members.first().context("no member")?;
        let (kubeconfig, url) = (living.kubeconfig(), living.url());
        let at = |port: u16| kubeconfig.replace(&url, &format!("https://127.0.0.1:{port}"));
        Ok(Self { kubeconfigs: [at(refusing), at(silent.local_addr()?.port())], _silent: silent })
    }

    async fn register(&self, fleet: &Fleet) -> Result<()> {
        let look = fleet.hub.look();
        stream::iter(0..DEAD)
            .map(|n| async move { look.register(&format!("dead-{n}"), &self.kubeconfigs[n % 2], &[]).await })
            .buffer_unordered(8)
            .try_collect()
            .await
    }

    async fn withdraw(&self, fleet: &Fleet) -> Result<()> {
        let look = fleet.hub.look();
        stream::iter(0..DEAD)
            .map(|n| async move { look.delete(&format!("/api/v1/namespaces/motet-system/secrets/dead-{n}")).await })
            .buffer_unordered(8)
            .try_collect()
            .await
    }
}
