//! What is counted, where: per binding what names a member, per plugin what does not.

use std::collections::BTreeMap;

use motet_core::{
    outcome::KillClass,
    stats::{Counter, Histogram},
};
use parking_lot::Mutex;

/// The results a reconcile can have, in the order of [`BindingStats::results`].
pub const RESULTS: [&str; 9] =
    ["success", "requeue", "requeue_after", "error", "terminal", "trap", "deadline", "memory", "denied"];

/// One of [`RESULTS`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    Success,
    Requeue,
    RequeueAfter,
    Error,
    Terminal,
    Trap,
    Deadline,
    Memory,
    Denied,
}

impl From<KillClass> for Outcome {
    fn from(class: KillClass) -> Self {
        match class {
            KillClass::Trap | KillClass::Limit => Self::Trap,
            KillClass::Deadline => Self::Deadline,
            KillClass::Memory => Self::Memory,
        }
    }
}

/// Managers that conflicts are counted for; the rest is counted as `other`.
const MAX_MANAGERS: usize = 50;

/// One binding's counts; gone with it.
#[derive(Debug, Default)]
pub struct BindingStats {
    /// By result, in the order of [`RESULTS`].
    pub results: [Counter; RESULTS.len()],
    /// Intents written.
    pub sent: Counter,
    /// Intents that were true already.
    pub suppressed: Counter,
    /// Intents without a grant.
    pub denied: Counter,
    /// Intents computed in Observe mode.
    pub observed: Counter,
    /// Writes by verb and HTTP code.
    pub writes: Mutex<BTreeMap<(&'static str, u16), u64>>,
}

impl BindingStats {
    pub(crate) fn count(&self, outcome: Outcome) {
        if let Some(counter) = self.results.get(outcome as usize) {
            counter.inc();
        }
    }

    pub(crate) fn wrote(&self, verb: &'static str, code: u16) {
        *self.writes.lock().entry((verb, code)).or_default() += 1;
    }

    /// Reconciles in all.
    pub fn reconciles(&self) -> u64 {
        self.results.iter().map(Counter::get).sum()
    }

    /// Reconciles that did not succeed.
    pub fn errors(&self) -> u64 {
        self.results[Outcome::Error as usize..].iter().map(Counter::get).sum()
    }
}

/// One plugin's counts over all members.
#[derive(Debug, Default)]
pub struct PluginStats {
    /// Sandbox and writes.
    pub reconcile_seconds: Histogram,
    /// Ready until taken by a worker.
    pub queue_wait_seconds: Histogram,
    /// Event seen until outcome written.
    pub work_latency_seconds: Histogram,
    /// Inside the sandbox.
    pub sandbox_seconds: Histogram,
    /// Reconciles that ran before their caches showed the key's own writes.
    pub stale_reads: Counter,
    /// Kills by class.
    pub kills: Mutex<BTreeMap<&'static str, u64>>,
    /// Apply conflicts by the other manager.
    pub conflicts: Mutex<BTreeMap<String, u64>>,
    /// Live reads (not answered from a cache).
    pub live_reads: Counter,
}

impl PluginStats {
    pub(crate) fn killed(&self, class: KillClass) {
        *self.kills.lock().entry(class.as_str()).or_default() += 1;
    }

    pub(crate) fn conflict(&self, manager: &str) {
        let mut conflicts = self.conflicts.lock();
        let known = conflicts.contains_key(manager) || conflicts.len() < MAX_MANAGERS;
        *conflicts.entry(if known { manager.into() } else { "other".into() }).or_default() += 1;
    }
}
