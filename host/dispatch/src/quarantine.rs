//! When a binding stops running because its code keeps dying: a state machine told what happened and the time.

use std::{collections::HashSet, time::Duration};

use motet_core::Target;
use tokio::time::Instant;

/// Kills in a row that end a binding's run.
const KILLS: u32 = 10;
/// Over at least so many keys: one poisonous object must not stop the rest.
const KEYS: usize = 3;
/// First probe after.
const FIRST_PROBE: Duration = Duration::from_secs(60);
/// Longest time between probes.
const LAST_PROBE: Duration = Duration::from_secs(3600);

/// Whether a key of the binding may run now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It may.
    Run,
    /// It may, as the one probe.
    Probe,
    /// It waits for the next probe.
    Wait(Instant),
}

/// Kills in a row of one binding. What a guest returns, failure or not, is no kill and ends the row.
#[derive(Debug, Default)]
pub(crate) struct Quarantine {
    kills: u32,
    keys: HashSet<Target>,
    /// Set while quarantined: when the next probe may run, and how long after that the one after it.
    probe: Option<(Instant, Duration)>,
    probing: bool,
}

impl Quarantine {
    /// A key is about to run.
    pub(crate) fn admit(&mut self, now: Instant) -> Verdict {
        match self.probe {
            None => Verdict::Run,
            Some((at, _)) if at <= now && !self.probing => {
                self.probing = true;
                Verdict::Probe
            }
            Some((at, wait)) => Verdict::Wait(if self.probing { now + wait } else { at }),
        }
    }

    /// The host ended a key's run. True where this began the quarantine.
    pub(crate) fn killed(&mut self, target: &Target, now: Instant) -> bool {
        self.kills = self.kills.saturating_add(1);
        if self.keys.len() < KEYS {
            self.keys.insert(target.clone());
        }
        if let Some((_, wait)) = self.probe {
            let wait = (wait * 2).min(LAST_PROBE);
            self.probe = Some((now + wait, wait));
            self.probing = false;
            return false;
        }
        let begins = self.kills >= KILLS && self.keys.len() >= KEYS;
        if begins {
            self.probe = Some((now + FIRST_PROBE, FIRST_PROBE));
        }
        begins
    }

    /// The probe ended without the guest's word (it was not even called): another key may probe.
    pub(crate) fn unanswered(&mut self) {
        self.probing = false;
    }

    /// A run came back by itself. True where this ended the quarantine.
    pub(crate) fn returned(&mut self) -> bool {
        self.release()
    }

    /// New code, or the operator's word. True where this ended a quarantine.
    pub(crate) fn release(&mut self) -> bool {
        let quarantined = self.active();
        *self = Self::default();
        quarantined
    }

    /// Whether it is in force.
    pub(crate) fn active(&self) -> bool {
        self.probe.is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use motet_core::ObjectName;

    fn key(i: u32) -> Target {
        Target::Object(ObjectName::cluster(&format!("k{i}")))
    }

    #[tokio::test(start_paused = true)]
    async fn ten_kills_over_three_keys_begin_it() {
        let mut q = Quarantine::default();
        for i in 0..9 {
            assert!(!q.killed(&key(i % 3), Instant::now()));
        }
        assert!(q.killed(&key(0), Instant::now()));
        assert!(matches!(q.admit(Instant::now()), Verdict::Wait(_)));
    }

    #[tokio::test(start_paused = true)]
    async fn two_keys_or_a_return_in_between_do_not() {
        let mut q = Quarantine::default();
        for i in 0..50 {
            assert!(!q.killed(&key(i % 2), Instant::now()));
        }
        let mut q = Quarantine::default();
        for i in 0..9 {
            q.killed(&key(i), Instant::now());
        }
        q.returned();
        assert!(!q.killed(&key(9), Instant::now()));
    }

    #[tokio::test(start_paused = true)]
    async fn probes_double_from_a_minute_to_an_hour_and_success_ends_it() {
        let mut q = Quarantine::default();
        for i in 0..10 {
            q.killed(&key(i), Instant::now());
        }
        let mut expected = FIRST_PROBE;
        for _ in 0..8 {
            let Verdict::Wait(at) = q.admit(Instant::now()) else { panic!("must wait") };
            assert_eq!(at - Instant::now(), expected);
            tokio::time::advance(expected).await;
            assert_eq!(q.admit(Instant::now()), Verdict::Probe);
            assert!(matches!(q.admit(Instant::now()), Verdict::Wait(_)), "only one probes");
            q.killed(&key(0), Instant::now());
            expected = (expected * 2).min(LAST_PROBE);
        }
        assert!(q.returned());
        assert_eq!(q.admit(Instant::now()), Verdict::Run);
    }
}
