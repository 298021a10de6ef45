//! One subscriber of one cache: which changes concern it, and what becomes of them.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc,
        atomic::{AtomicU8, Ordering},
    },
};

use motet_core::{ObjectName, Priority, Target};
use parking_lot::Mutex;

use crate::{
    CacheState, Index, Map, Sink,
    entry::Entry,
    plan::{Plan, View},
    signal::Signal,
};

/// Indexes that one subscriber may declare: what a guest reads by is its own choice, what that costs is not.
pub(crate) const MAX_INDEXES: usize = 4;

/// How far a subscriber has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Stage {
    /// The store does not hold all that it reads; it hears of nothing.
    Waiting,
    /// It hears of changes while what is there is mapped for it.
    Replaying,
    Active,
    /// It has left, or failed; nothing reaches its sink any more.
    Gone,
}

/// See the module.
pub(crate) struct Subscriber {
    pub(crate) plan: Arc<Plan>,
    namespace: Option<Box<str>>,
    sink: Sink,
    stage: AtomicU8,
    status: Arc<Status>,
    part: u32,
    /// What it declared; only ever added to under the cache's lock.
    pub(crate) indexes: Mutex<Vec<Index>>,
}

/// What happened to one object.
pub(crate) struct Event<'e> {
    pub(crate) name: &'e ObjectName,
    pub(crate) old: Option<&'e Entry>,
    pub(crate) new: Option<&'e Entry>,
    /// Found by a list rather than told by a watch.
    pub(crate) listed: bool,
}

impl Subscriber {
    /// A subscriber that sees `namespace` (all, for none) of a cache.
    pub(crate) fn new(plan: Arc<Plan>, namespace: Option<&str>, sink: Sink, status: &Arc<Status>, part: u32) -> Self {
        Self {
            plan,
            namespace: namespace.map(Into::into),
            sink,
            stage: AtomicU8::new(Stage::Waiting as u8),
            status: Arc::clone(status),
            part,
            indexes: Mutex::default(),
        }
    }

    pub(crate) fn stage(&self) -> Stage {
        match self.stage.load(Ordering::Acquire) {
            0 => Stage::Waiting,
            1 => Stage::Replaying,
            2 => Stage::Active,
            _ => Stage::Gone,
        }
    }

    /// Moves on; who has left stays gone.
    pub(crate) fn set_stage(&self, stage: Stage) {
        let _ = self
            .stage
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, |now| (now != Stage::Gone as u8).then_some(stage as u8));
    }

    pub(crate) fn set_state(&self, state: CacheState) {
        if self.stage() != Stage::Gone {
            self.status.set(self.part, state);
        }
    }

    /// Whether an object is within its scope.
    pub(crate) fn sees(&self, name: &ObjectName, entry: &Entry) -> bool {
        self.namespace.as_deref().is_none_or(|namespace| name.namespace.as_deref() == Some(namespace))
            && self.plan.selects(entry)
    }

    pub(crate) fn namespace(&self) -> Option<&str> {
        self.namespace.as_deref()
    }

    /// An object as this subscriber sees it.
    pub(crate) fn project(&self, entry: &Entry) -> Option<Vec<u8>> {
        self.plan.own.apply(&entry.body.json()).ok()
    }

    /// Enqueues the keys of an object that is there.
    pub(crate) fn replay(&self, name: &ObjectName, entry: &Entry, priority: Priority) {
        if self.sees(name, entry) {
            self.send(self.plan.targets(name, &View::new(entry)), priority);
        }
    }

    /// Enqueues the keys that a change concerns, if it counts.
    pub(crate) fn react(&self, event: &Event<'_>) {
        let plan = &self.plan;
        if plan.map == Map::None || !matches!(self.stage(), Stage::Replaying | Stage::Active) {
            return;
        }
        let old = event.old.filter(|entry| self.sees(event.name, entry)).map(View::new);
        let new = event.new.filter(|entry| self.sees(event.name, entry)).map(View::new);
        let dying = match (&old, &new) {
            (Some(_), None) => true,
            (old, Some(new)) => new.entry.deleting && old.as_ref().is_none_or(|old| !old.entry.deleting),
            (None, None) => return,
        };
        let mut targets = new.as_ref().map(|new| plan.targets(event.name, new)).unwrap_or_default();
        match (&old, &new) {
            (Some(old), Some(new)) => {
                let before = if plan.map_is_fixed() { targets.clone() } else { plan.targets(event.name, old) };
                if before == targets && !plan.counts(old, new) {
                    return;
                }
                targets.extend(before);
                targets.sort_unstable();
                targets.dedup();
            }
            (Some(old), None) => targets = plan.targets(event.name, old),
            (None, _) => {}
        }
        let priority = match (dying && plan.map == Map::Primary, event.listed) {
            (true, _) => Priority::High,
            (false, true) => Priority::Low,
            (false, false) => Priority::Normal,
        };
        self.send(targets, priority);
    }

    fn send(&self, targets: Vec<Target>, priority: Priority) {
        for target in targets {
            if self.stage() == Stage::Gone {
                return;
            }
            // The sink is another's code; the cache and its other subscribers outlive it.
            if catch_unwind(AssertUnwindSafe(|| (self.sink)(target, priority))).is_err() {
                return self.fail();
            }
        }
    }

    /// Nothing can be relied on that this subscriber made of what it heard: it is out, and told so.
    fn fail(&self) {
        let plugin = &self.plan.plugin;
        tracing::error!(%plugin, "a subscriber panicked over a key; it hears of nothing more until it subscribes anew");
        self.set_stage(Stage::Gone);
        let message = format!("the host panicked while it took a key of {plugin}; see its log");
        self.status.set(self.part, CacheState::Blocked { reason: "SubscriberFailed", message });
    }
}

/// The state of a subscription: the worst of its parts.
#[derive(Debug)]
pub(crate) struct Status(Signal<Box<[CacheState]>>);

impl Status {
    pub(crate) fn new(parts: usize) -> Arc<Self> {
        Arc::new(Self(Signal::new(vec![CacheState::Syncing; parts].into())))
    }

    fn set(&self, part: u32, state: CacheState) {
        self.0.modify_if(|parts| {
            let Some(slot) = parts.get_mut(part as usize) else { return false };
            let changes = *slot != state;
            *slot = state;
            changes
        });
    }

    pub(crate) fn get(&self) -> CacheState {
        self.0.read(|parts| worst(parts))
    }

    /// Returns the state once it is as wanted.
    pub(crate) async fn when(&self, wanted: impl Fn(&CacheState) -> bool) -> CacheState {
        self.0.wait(|parts| Some(worst(parts)).filter(&wanted)).await
    }
}

fn worst(parts: &[CacheState]) -> CacheState {
    let rank = |state: &&CacheState| match state {
        CacheState::Synced => 0,
        CacheState::Syncing => 1,
        CacheState::Blocked { .. } => 2,
        CacheState::Paused => 3,
    };
    parts.iter().max_by_key(rank).cloned().unwrap_or(CacheState::Synced)
}
