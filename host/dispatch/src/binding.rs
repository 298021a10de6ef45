//! One plugin on one member: its state, its watches, and what it remembers of its keys.

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU32, Ordering},
    },
};

use arc_swap::{ArcSwap, ArcSwapOption};
use bytes::Bytes;
use motet_core::{
    Key, MemberName, ObjectRef, PluginName, Priority, Target, grant::Permissions, request::Rejected, revision::Revision,
};
use motet_queue::Queue;
use parking_lot::Mutex;
use serde::Serialize;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::{
    fights::Fight, member::Member, quarantine::Quarantine, rate::Rate, record::RecordKeeper, stats::BindingStats,
    subscriptions::Subscriptions, suppress::Normalised,
};

/// Where a binding is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
pub enum BindingState {
    /// It cannot run: a kind is missing or forbidden, the member is paused or out of reach, the plugin is suspended.
    Parked,
    /// Its caches are being filled.
    Syncing,
    /// It runs.
    Active,
    /// It runs, and writes nothing.
    Observing,
    /// It is leaving.
    Draining,
    /// Its code kept dying.
    Quarantined,
}

/// A state with its explanation.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct BindingStatus {
    /// Where it is.
    pub state: BindingState,
    /// A fixed word; empty where all is well.
    pub reason: &'static str,
    /// For people.
    pub message: String,
    /// Since when.
    pub since: jiff::Timestamp,
}

/// What is remembered of one key between runs; an entry exists only while there is something to remember.
#[derive(Debug, Default, Clone)]
pub(crate) struct KeyMemory {
    pub(crate) previous: Arc<Vec<Rejected>>,
    pub(crate) kills: u32,
    pub(crate) fight: Fight,
}

/// Failed keys that one binding remembers at most.
const MAX_REMEMBERED: usize = 10_000;

/// One plugin on one member.
pub(crate) struct Binding {
    pub(crate) plugin: PluginName,
    pub(crate) member: ArcSwap<Member>,
    pub(crate) revision: ArcSwap<Revision>,
    pub(crate) permissions: ArcSwap<Permissions>,
    pub(crate) config: ArcSwap<Bytes>,
    /// Present from the first subscription until it is parked or leaves.
    pub(crate) subscriptions: ArcSwapOption<Subscriptions>,
    /// Whether events become keys and keys run. Shared with the sinks of its subscriptions.
    pub(crate) live: Arc<AtomicBool>,
    status: Mutex<BindingStatus>,
    pub(crate) stats: BindingStats,
    keys: Mutex<HashMap<Target, KeyMemory>>,
    pub(crate) normalised: Mutex<Normalised>,
    pub(crate) quarantine: Mutex<Quarantine>,
    pub(crate) record: RecordKeeper,
    pub(crate) reads: Rate,
    pub(crate) writes: Rate,
    pub(crate) last: Mutex<LastRun>,
    /// Ends its bring-up task; a new one is made each time it starts.
    pub(crate) starting: Mutex<CancellationToken>,
    /// It is on its way out, and never starts again: if the plugin comes back meanwhile, another binding follows it.
    pub(crate) leaving: AtomicBool,
    /// Counts its starts, so that a late task of an earlier one changes nothing.
    pub(crate) generation: AtomicU32,
}

/// The last run, for people.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct LastRun {
    /// When.
    pub time: Option<jiff::Timestamp>,
    /// The last error, with its key; it stays after a success so that people can see it.
    pub error: Option<String>,
    /// Whether the most recent run failed.
    pub failing: bool,
}

impl Binding {
    pub(crate) fn new(member: Arc<Member>, revision: Arc<Revision>) -> Self {
        Self {
            plugin: revision.name.clone(),
            permissions: ArcSwap::from_pointee(revision.permissions()),
            config: ArcSwap::from_pointee(revision.config(&member.info)),
            subscriptions: ArcSwapOption::empty(),
            live: Arc::default(),
            status: Mutex::new(status(BindingState::Syncing, "", String::new())),
            stats: BindingStats::default(),
            keys: Mutex::default(),
            normalised: Mutex::default(),
            quarantine: Mutex::default(),
            record: RecordKeeper::default(),
            reads: Rate::new(revision.limits.reads_per_second),
            writes: Rate::new(revision.limits.writes_per_second),
            last: Mutex::default(),
            starting: Mutex::default(),
            leaving: AtomicBool::new(false),
            generation: AtomicU32::new(0),
            member: ArcSwap::new(member),
            revision: ArcSwap::new(revision),
        }
    }

    pub(crate) fn member_name(&self) -> MemberName {
        self.member.load().name().clone()
    }

    pub(crate) fn key(&self, target: Target) -> Key {
        Key { plugin: self.plugin.clone(), member: self.member_name(), target }
    }

    /// Takes over another revision's code, config, grants and limits; watches are the caller's business.
    pub(crate) fn adopt(&self, revision: Arc<Revision>) {
        self.permissions.store(Arc::new(revision.permissions()));
        self.config.store(Arc::new(revision.config(&self.member.load().info)));
        self.reads.set(revision.limits.reads_per_second);
        self.writes.set(revision.limits.writes_per_second);
        self.revision.store(revision);
    }

    pub(crate) fn is_live(&self) -> bool {
        self.live.load(Ordering::Acquire)
    }

    pub(crate) fn status(&self) -> BindingStatus {
        self.status.lock().clone()
    }

    /// Moves to a state; `since` stays while state and reason do.
    pub(crate) fn set_status(&self, state: BindingState, reason: &'static str, message: impl Into<String>) {
        let message = message.into();
        let mut current = self.status.lock();
        if current.state == state && current.reason == reason {
            current.message = message;
            return;
        }
        tracing::info!(plugin = %self.plugin, member = %self.member_name(), ?state, reason, message, "binding");
        *current = status(state, reason, message);
    }

    /// The state of a binding that runs.
    pub(crate) fn running_state(&self) -> BindingState {
        match self.revision.load().spec.mode {
            motet_core::plugin::Mode::Enforce => BindingState::Active,
            motet_core::plugin::Mode::Observe => BindingState::Observing,
        }
    }

    /// It runs, unless its code is in quarantine.
    pub(crate) fn set_running(&self) {
        if self.quarantine.lock().active() {
            self.set_status(
                BindingState::Quarantined,
                "RepeatedKills",
                "its code kept dying; one key probes now and then",
            );
        } else {
            self.set_status(self.running_state(), "", "");
        }
    }

    pub(crate) fn memory(&self, target: &Target) -> KeyMemory {
        self.keys.lock().get(target).cloned().unwrap_or_default()
    }

    /// Changes what is remembered of a key; an empty memory is dropped.
    pub(crate) fn remember(&self, target: &Target, change: impl FnOnce(&mut KeyMemory)) {
        let mut keys = self.keys.lock();
        let mut memory = keys.remove(target).unwrap_or_default();
        change(&mut memory);
        let worth = !memory.previous.is_empty() || memory.kills > 0 || !memory.fight.is_over(Instant::now());
        if worth && keys.len() < MAX_REMEMBERED {
            keys.insert(target.clone(), memory);
        }
    }

    pub(crate) fn forget_kills(&self) {
        let mut keys = self.keys.lock();
        keys.values_mut().for_each(|m| m.kills = 0);
        keys.retain(|_, m| !m.previous.is_empty() || !m.fight.is_over(Instant::now()));
    }

    /// The function by which its subscriptions enqueue keys: nothing while it is not live.
    pub(crate) fn sink(&self, queue: &Queue) -> motet_watch::Sink {
        let (queue, live, plugin, member) = (queue.clone(), self.live.clone(), self.plugin.clone(), self.member_name());
        Arc::new(move |target: Target, priority: Priority| {
            if live.load(Ordering::Acquire) {
                queue.add(Key { plugin: plugin.clone(), member: member.clone(), target }, priority);
            }
        })
    }

    /// Remembers what the server made of an apply, so that it is not repeated for that.
    pub(crate) fn remember_normalised(&self, object: &ObjectRef, status: bool, pair: crate::suppress::Pair) {
        self.normalised.lock().put(object, status, pair);
    }
}

fn status(state: BindingState, reason: &'static str, message: String) -> BindingStatus {
    BindingStatus { state, reason, message, since: jiff::Timestamp::now() }
}
