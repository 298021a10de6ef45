//! Open-loop load: changes are due at fixed times, whether or not earlier ones have been answered.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed},
    },
    time::Duration,
};

use anyhow::{Result, bail};
use futures::{StreamExt as _, TryStreamExt as _, stream};
use tokio::{
    sync::mpsc,
    task::JoinHandle,
    time::{Instant, MissedTickBehavior, interval, sleep},
};

use crate::{
    fleet::Fleet,
    member::{Arrival, Member},
    process::Process,
};

/// ConfigMaps on each member, so that one changes once a second at 1,000 changes/s over 100 members.
const OBJECTS: usize = 10;
/// Changes that may wait for their answer before further ones are dropped and counted.
const OPEN: usize = 5_000;
/// Wait for the copies of the last changes.
const TAIL: Duration = Duration::from_secs(5);

/// Clients of all members of a fleet.
pub(crate) struct Load {
    members: Vec<Arc<Member>>,
    arrivals: mpsc::UnboundedReceiver<Arrival>,
    watching: Vec<JoinHandle<()>>,
    numbers: u64,
}

impl Drop for Load {
    fn drop(&mut self) {
        self.watching.iter().for_each(JoinHandle::abort);
    }
}

/// What one run showed.
#[derive(Debug, Default)]
pub(crate) struct Outcome {
    /// From the answer to a change until its copy was seen, sorted. Zero where the copy was faster than the answer.
    pub(crate) accepted: Vec<Duration>,
    /// From the time when a change was due, sorted.
    pub(crate) due: Vec<Duration>,
    /// Changes a second that were accepted.
    pub(crate) rate: f64,
    /// Changes that failed or were not sent.
    pub(crate) failed: usize,
    /// Changes whose copy was not seen.
    pub(crate) lost: usize,
    /// Share of a core that the host took, in %.
    pub(crate) host: f64,
    /// Likewise this process: clusters and clients.
    pub(crate) clusters: f64,
}

/// The value that `share` of the sorted samples do not exceed.
pub(crate) fn quantile(sorted: &[Duration], share: f64) -> Duration {
    sorted.get(((sorted.len() as f64 - 1.0) * share).round() as usize).copied().unwrap_or_default()
}

impl Load {
    /// Creates the objects on every member and waits until each has its copy.
    pub(crate) async fn start(fleet: &Fleet) -> Result<Self> {
        let (sender, arrivals) = mpsc::unbounded_channel();
        let started: Vec<_> = stream::iter(&fleet.members)
            .map(|cluster| Member::start(cluster, OBJECTS, sender.clone()))
            .buffered(8)
            .try_collect()
            .await?;
        let (members, watching) = started.into_iter().unzip();
        let mut load = Self { members, arrivals, watching, numbers: 0 };
        // One change of each object: once they have all arrived, every watch and every copy is there.
        let outcome = load.run(fleet, load.members.len(), 200, Duration::from_secs(5), || ()).await?;
        if outcome.lost > 0 {
            bail!("{} copies did not appear within {TAIL:?} of their change", outcome.lost);
        }
        Ok(load)
    }

    /// Changes objects of the first `members` members `rate` times a second for `time`. `begun` is called when it starts.
    pub(crate) async fn run(
        &mut self,
        fleet: &Fleet,
        members: usize,
        rate: u32,
        time: Duration,
        begun: impl FnOnce(),
    ) -> Result<Outcome> {
        self.members.iter().for_each(|m| m.forget());
        while self.arrivals.try_recv().is_ok() {}
        let (host, own) = (fleet.host.process(), Process::own());
        let (host_before, own_before) = (host.busy()?, own.busy()?);
        let start = Instant::now();
        begun();
        let counts = self.pace(members, rate, start, time).await;
        let took = start.elapsed().as_secs_f64();
        let share = |before: Duration, after: Duration| 100.0 * (after - before).as_secs_f64() / took;
        let mut outcome = Outcome {
            host: share(host_before, host.busy()?),
            clusters: share(own_before, own.busy()?),
            ..Outcome::default()
        };
        let stop = Instant::now() + TAIL;
        let pending = |load: &Self| load.members.iter().take(members).map(|m| m.pending()).sum::<usize>();
        while pending(self) > 0 && Instant::now() < stop {
            sleep(Duration::from_millis(20)).await;
        }
        outcome.failed = counts.failed.load(Relaxed);
        outcome.rate = counts.accepted.load(Relaxed) as f64 / took;
        outcome.lost = pending(self);
        while let Ok(arrival) = self.arrivals.try_recv() {
            outcome.accepted.push(arrival.accepted.map_or(Duration::ZERO, |a| arrival.seen - a));
            outcome.due.push(arrival.seen - arrival.due);
        }
        outcome.accepted.sort_unstable();
        outcome.due.sort_unstable();
        Ok(outcome)
    }

    /// Changes every object of all members after the first `skipped` once, without waiting for more than the answers.
    pub(crate) async fn stir(&mut self, skipped: usize) {
        self.numbers += 1;
        let number = self.numbers;
        let changes = self
            .members
            .iter()
            .skip(skipped)
            .flat_map(|member| (0..OBJECTS).map(move |object| member.change(object, number, Instant::now())));
        futures::future::join_all(changes).await;
    }

    /// Sends what is due, until `time` is over.
    async fn pace(&mut self, members: usize, rate: u32, start: Instant, time: Duration) -> Arc<Counts> {
        let counts = Arc::new(Counts::default());
        let mut ticks = interval(Duration::from_millis(1));
        ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
        let total = (time.as_secs_f64() * f64::from(rate)) as u64;
        let mut sent = 0;
        while sent < total {
            ticks.tick().await;
            let due = (start.elapsed().as_secs_f64() * f64::from(rate)) as u64 + 1;
            while sent < due.min(total) {
                let at = start + Duration::from_secs_f64(sent as f64 / f64::from(rate));
                let turn = self.numbers as usize;
                self.numbers += 1;
                sent += 1;
                if counts.open.load(Relaxed) >= OPEN {
                    counts.failed.fetch_add(1, Relaxed);
                    continue;
                }
                let Some(member) = self.members.get(turn % members).cloned() else { continue };
                let (object, number, counts) = (turn / members % OBJECTS, self.numbers, counts.clone());
                counts.open.fetch_add(1, Relaxed);
                tokio::spawn(async move {
                    match member.change(object, number, at).await {
                        Ok(()) => counts.accepted.fetch_add(1, Relaxed),
                        Err(_) => counts.failed.fetch_add(1, Relaxed) as u64,
                    };
                    counts.open.fetch_sub(1, Relaxed);
                });
            }
        }
        counts
    }
}

#[derive(Default)]
struct Counts {
    open: AtomicUsize,
    accepted: AtomicU64,
    failed: AtomicUsize,
}
