//! One subscriber of one cache: which changes concern it, whether they count, and which keys they lead to.

use std::{
    borrow::Cow,
    cell::OnceCell,
    sync::{
        Arc,
        atomic::{AtomicU8, Ordering},
    },
};

use motet_core::{
    ObjectName, PluginName, Priority, Target,
    description::Trigger,
    path::{InvalidPath, Projection},
    selector::Selector,
};
use parking_lot::Mutex;
use tokio::sync::watch;

use crate::{CacheState, Map, Sink, SubscribeSpec, entry::Entry};

/// How far a subscriber has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Stage {
    /// The store does not hold all that it reads; it hears of nothing.
    Waiting,
    /// It hears of changes while what is there is mapped for it.
    Replaying,
    Active,
    /// It has left; nothing reaches its sink any more.
    Gone,
}

/// Which changes count.
#[derive(Debug)]
enum Counts {
    Any,
    Generation,
    Paths(Projection),
}

/// See the module.
pub(crate) struct Subscriber {
    pub(crate) plugin: PluginName,
    /// What it sees of an object.
    pub(crate) own: Projection,
    /// What the store must hold for it: what it sees, what its trigger compares and what its mapping reads.
    pub(crate) needed: Projection,
    namespace: Option<Box<str>>,
    selector: Selector,
    counts: Counts,
    map: Map,
    sink: Sink,
    stage: AtomicU8,
    status: Arc<Status>,
    part: usize,
}

/// What happened to one object.
pub(crate) struct Event<'e> {
    pub(crate) name: &'e ObjectName,
    pub(crate) old: Option<&'e Entry>,
    pub(crate) new: Option<&'e Entry>,
    /// Found by a list rather than told by a watch.
    pub(crate) listed: bool,
}

/// An entry whose JSON is unpacked at most once.
struct View<'e> {
    entry: &'e Entry,
    json: OnceCell<Cow<'e, [u8]>>,
}

impl<'e> View<'e> {
    fn new(entry: &'e Entry) -> Self {
        Self { entry, json: OnceCell::new() }
    }

    fn json(&self) -> &[u8] {
        self.json.get_or_init(|| self.entry.body.json())
    }
}

impl Subscriber {
    /// A subscriber that sees `namespace` (all, for none) of a cache; `selected` if the cache's own stream selects its labels.
    pub(crate) fn new(
        spec: &SubscribeSpec,
        namespace: Option<&str>,
        selected: bool,
        status: &Arc<Status>,
        part: usize,
    ) -> Result<Self, InvalidPath> {
        let own = spec.projection.clone().unwrap_or_else(Projection::whole);
        let mut needed = own.clone();
        let counts = match &spec.trigger {
            Trigger::Any => Counts::Any,
            Trigger::Generation => Counts::Generation,
            Trigger::Paths(paths) => Counts::Paths(Projection::parse(paths)?),
        };
        if let Counts::Paths(paths) = &counts {
            needed = needed.union(paths);
        }
        if let Some(path) = spec.map.needed_path() {
            needed = needed.union(&Projection::parse(&[path])?);
        }
        let selector =
            if selected { Selector::default() } else { Selector::parse(&spec.scope.labels).unwrap_or_default() };
        Ok(Self {
            plugin: spec.plugin.clone(),
            own,
            needed,
            namespace: namespace.map(Into::into),
            selector,
            counts,
            map: spec.map.clone(),
            sink: Arc::clone(&spec.sink),
            stage: AtomicU8::new(Stage::Waiting as u8),
            status: Arc::clone(status),
            part,
        })
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
            && self.selects(entry)
    }

    /// Whether its label selector selects an object.
    pub(crate) fn selects(&self, entry: &Entry) -> bool {
        self.selector.matches(|key| entry.label(key))
    }

    pub(crate) fn namespace(&self) -> Option<&str> {
        self.namespace.as_deref()
    }

    /// An object as this subscriber sees it.
    pub(crate) fn project(&self, entry: &Entry) -> Option<Vec<u8>> {
        self.own.apply(&entry.body.json()).ok()
    }

    /// Enqueues the keys of an object that is there.
    pub(crate) fn replay(&self, name: &ObjectName, entry: &Entry, priority: Priority) {
        if self.sees(name, entry) {
            self.send(self.targets(name, &View::new(entry)), priority);
        }
    }

    /// Enqueues the keys that a change concerns, if it counts.
    pub(crate) fn react(&self, event: &Event<'_>) {
        if self.map == Map::None || !matches!(self.stage(), Stage::Replaying | Stage::Active) {
            return;
        }
        let old = event.old.filter(|entry| self.sees(event.name, entry)).map(View::new);
        let new = event.new.filter(|entry| self.sees(event.name, entry)).map(View::new);
        let dying = match (&old, &new) {
            (Some(_), None) => true,
            (old, Some(new)) => new.entry.deleting && old.as_ref().is_none_or(|old| !old.entry.deleting),
            (None, None) => return,
        };
        let mut targets = new.as_ref().map(|new| self.targets(event.name, new)).unwrap_or_default();
        match (&old, &new) {
            (Some(old), Some(new)) => {
                let before = if self.map_is_fixed() { targets.clone() } else { self.targets(event.name, old) };
                if before == targets && !self.counts(old, new) {
                    return;
                }
                targets.extend(before);
                targets.sort_unstable();
                targets.dedup();
            }
            (Some(old), None) => targets = self.targets(event.name, old),
            (None, _) => {}
        }
        let priority = match (dying && self.map == Map::Primary, event.listed) {
            (true, _) => Priority::High,
            (false, true) => Priority::Low,
            (false, false) => Priority::Normal,
        };
        self.send(targets, priority);
    }

    fn send(&self, targets: Vec<Target>, priority: Priority) {
        if self.stage() != Stage::Gone {
            targets.into_iter().for_each(|target| (self.sink)(target, priority));
        }
    }

    fn targets(&self, name: &ObjectName, view: &View<'_>) -> Vec<Target> {
        let json = if self.map.reads_body() { view.json() } else { &[] };
        self.map.targets(&self.plugin, name, view.entry, json)
    }

    /// Whether an object's keys follow from its name alone.
    fn map_is_fixed(&self) -> bool {
        matches!(self.map, Map::Primary | Map::None)
    }

    /// Whether a change of an object that stays in scope counts.
    fn counts(&self, old: &View<'_>, new: &View<'_>) -> bool {
        if old.entry.uid != new.entry.uid || old.entry.deleting != new.entry.deleting {
            return true;
        }
        if self.map == Map::OwnerAnnotation {
            let owned = |entry: &Entry| {
                (entry.fields(&self.plugin).cloned(), entry.owner(&self.plugin).map(|(t, s)| (t.clone(), s.to_owned())))
            };
            return owned(old.entry) != owned(new.entry);
        }
        let changed = |projection: &Projection| !projection.same(old.json(), new.json()).unwrap_or(false);
        match &self.counts {
            Counts::Any => changed(&self.own),
            // A kind that has no generations is judged by what is seen of it.
            Counts::Generation => {
                (old.entry.generation != new.entry.generation || new.entry.generation == 0) && changed(&self.own)
            }
            Counts::Paths(paths) => changed(paths),
        }
    }
}

/// The state of a subscription: the worst of its parts.
#[derive(Debug)]
pub(crate) struct Status {
    parts: Mutex<Vec<CacheState>>,
    sender: watch::Sender<CacheState>,
}

impl Status {
    pub(crate) fn new(parts: usize) -> Arc<Self> {
        let sender = watch::Sender::new(CacheState::Syncing);
        Arc::new(Self { parts: Mutex::new(vec![CacheState::Syncing; parts]), sender })
    }

    fn set(&self, part: usize, state: CacheState) {
        let mut parts = self.parts.lock();
        if let Some(slot) = parts.get_mut(part) {
            *slot = state;
        }
        let rank = |state: &&CacheState| match state {
            CacheState::Synced => 0,
            CacheState::Syncing => 1,
            CacheState::Blocked { .. } => 2,
            CacheState::Paused => 3,
        };
        let worst = parts.iter().max_by_key(rank).cloned().unwrap_or(CacheState::Synced);
        self.sender.send_if_modified(|state| {
            let changed = *state != worst;
            *state = worst;
            changed
        });
    }

    pub(crate) fn get(&self) -> CacheState {
        self.sender.borrow().clone()
    }

    pub(crate) fn changes(&self) -> watch::Receiver<CacheState> {
        self.sender.subscribe()
    }
}
