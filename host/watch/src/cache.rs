//! One cache: what its stream selects, its store, its subscribers, and how it stands.

use std::sync::Arc;

use motet_core::{Gvk, ObjectName, Priority, Resource, description::Scope, path::Projection, ports::MemberApi};
use parking_lot::RwLock;

use crate::{
    CacheSettings, CacheState, CacheStatus, Index, Map, Plans,
    progress::Progress,
    signal::Signal,
    store::{Named, Store},
    subscriber::{MAX_INDEXES, Stage, Subscriber},
};

/// Objects that one look into the store takes out for a replay.
const REPLAY_CHUNK: usize = 256;

/// Objects that one look into the store puts into a new index: each may have to be unpacked, and readers wait.
const FILL_CHUNK: usize = 64;

/// What one stream selects.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Selection {
    pub(crate) gvk: Gvk,
    pub(crate) namespace: Option<Box<str>>,
    /// In the selector's own text form.
    pub(crate) labels: String,
    pub(crate) fields: String,
}

impl Selection {
    /// Whether a stream of this selection shows all of `other`. Field selectors cannot be evaluated here, so they must be equal.
    pub(crate) fn covers(&self, other: &Selection) -> bool {
        self.gvk == other.gvk
            && self.fields == other.fields
            && (self.namespace.is_none() || self.namespace == other.namespace)
            && (self.labels.is_empty() || self.labels == other.labels)
    }

    pub(crate) fn scope(&self) -> Scope {
        Scope {
            namespaces: self.namespace.iter().map(|namespace| namespace.to_string()).collect(),
            labels: self.labels.clone(),
            fields: self.fields.clone(),
        }
    }
}

/// What the cache's task is to do.
#[derive(Clone)]
pub(crate) struct Order {
    pub(crate) api: Arc<dyn MemberApi>,
    pub(crate) running: bool,
    /// Counts orders: a stream belongs to one.
    pub(crate) run: u64,
}

/// See the module.
pub(crate) struct Cache {
    pub(crate) resource: Resource,
    pub(crate) selection: Selection,
    pub(crate) settings: Arc<CacheSettings>,
    pub(crate) inner: RwLock<Inner>,
    pub(crate) progress: Progress,
    pub(crate) order: Signal<Order>,
    /// The last order whose stream has shown life.
    pub(crate) confirmed: Signal<u64>,
}

#[derive(Default)]
pub(crate) struct Inner {
    pub(crate) store: Store,
    /// Copied on change, so that a change of the store and those who hear of it are taken together.
    pub(crate) subscribers: Arc<Vec<Arc<Subscriber>>>,
    /// What objects go through as they come in, and which projection of the cache's life that is.
    pub(crate) ingest: Projection,
    pub(crate) epoch: u32,
    /// What every object in the store holds at least; `None` before the first list is complete.
    pub(crate) stored: Option<Projection>,
    /// A stream without a version to resume from was opened, and its list has not begun.
    pub(crate) opening: bool,
    pub(crate) listing: bool,
    /// The number of the list in progress, or of the last one.
    pub(crate) mark: u32,
    /// Where a new stream can resume.
    pub(crate) version: Option<String>,
    pub(crate) paused: bool,
    pub(crate) blocked: Option<(&'static str, String)>,
    /// By reason; a handful, and nearly always one.
    restarts: Vec<(&'static str, u64)>,
}

impl Inner {
    /// What all subscribers together need.
    pub(crate) fn needed(&self, plans: &Plans) -> Projection {
        plans.union(self.subscribers.iter().map(|subscriber| &subscriber.plan.needed))
    }

    /// Whether the store holds all that is needed, so that a stream may resume.
    pub(crate) fn suffices(&self) -> bool {
        let stored = self.stored.as_ref();
        stored.is_some_and(|stored| self.subscribers.iter().all(|s| stored.covers(&s.plan.needed)))
    }

    /// Counts an interruption.
    pub(crate) fn interrupted(&mut self, reason: &'static str) {
        match self.restarts.iter_mut().find(|(known, _)| *known == reason) {
            Some((_, count)) => *count += 1,
            None => {
                self.restarts.reserve_exact(1);
                self.restarts.push((reason, 1));
            }
        }
    }

    fn state(&self, subscriber: &Subscriber) -> CacheState {
        match (&self.blocked, subscriber.stage()) {
            _ if self.paused => CacheState::Paused,
            (Some((reason, message)), _) => CacheState::Blocked { reason, message: message.clone() },
            (None, Stage::Active) if self.stored.is_some() => CacheState::Synced,
            (None, _) => CacheState::Syncing,
        }
    }

    /// Tells every subscriber how it stands.
    pub(crate) fn announce(&self) {
        for subscriber in self.subscribers.iter() {
            subscriber.set_state(self.state(subscriber));
        }
    }
}

impl Cache {
    pub(crate) fn new(resource: Resource, selection: Selection, settings: Arc<CacheSettings>, order: Order) -> Self {
        let inner = Inner { paused: !order.running, ..Inner::default() };
        Self {
            resource,
            selection,
            settings,
            inner: RwLock::new(inner),
            progress: Progress::default(),
            order: Signal::new(order),
            confirmed: Signal::default(),
        }
    }

    /// Adds a subscriber. It is served from what is there if that is enough; else it waits for a list.
    pub(crate) fn join(self: &Arc<Self>, subscriber: &Arc<Subscriber>) {
        let mut inner = self.inner.write();
        Arc::make_mut(&mut inner.subscribers).push(Arc::clone(subscriber));
        let held = inner.stored.as_ref().is_some_and(|stored| stored.covers(&subscriber.plan.needed));
        let coming = inner.ingest.covers(&subscriber.plan.needed);
        let served = held && (coming || !inner.listing);
        let restart = !(served || inner.opening || inner.listing && coming);
        if served {
            subscriber.set_stage(Stage::Replaying);
        }
        inner.announce();
        drop(inner);
        if subscriber.plan.map == Map::OwnerAnnotation {
            self.declare(subscriber, &Index::Owner(subscriber.plan.plugin.clone()));
        }
        if served {
            self.spawn_replay(subscriber);
        }
        if restart {
            self.order.modify(|order| order.run += 1);
        }
    }

    /// Removes a subscriber; says whether it was the last.
    pub(crate) fn leave(&self, subscriber: &Arc<Subscriber>) -> bool {
        subscriber.set_stage(Stage::Gone);
        let mut inner = self.inner.write();
        Arc::make_mut(&mut inner.subscribers).retain(|other| !Arc::ptr_eq(other, subscriber));
        subscriber.indexes.lock().drain(..).for_each(|index| inner.store.indexes.release(&index));
        inner.subscribers.is_empty()
    }

    /// Has the store keep an index for as long as the subscriber stays; filled in the background if it is new. Nothing is
    /// added past [`MAX_INDEXES`](crate::subscriber::MAX_INDEXES) of one subscriber.
    pub(crate) fn declare(self: &Arc<Self>, subscriber: &Subscriber, index: &Index) {
        let mut inner = self.inner.write();
        let mut declared = subscriber.indexes.lock();
        // Who has left has nothing to declare: nobody would take it back.
        if declared.contains(index) || declared.len() >= MAX_INDEXES || subscriber.stage() == Stage::Gone {
            return;
        }
        declared.push(index.clone());
        let Some(id) = inner.store.indexes.declare(index) else { return };
        if inner.store.len() <= FILL_CHUNK {
            inner.store.fill(id, None, FILL_CHUNK);
            return;
        }
        let cache = Arc::clone(self);
        tokio::spawn(async move { cache.fill(id).await });
    }

    /// Fills a new index, a chunk at a time: changes are taken in meanwhile, and reads scan.
    async fn fill(&self, id: u64) {
        let mut after = None;
        loop {
            after = self.inner.write().store.fill(id, after.as_ref(), FILL_CHUNK);
            if after.is_none() {
                return;
            }
            tokio::task::yield_now().await;
        }
    }

    /// Takes out those that failed.
    pub(crate) fn dismiss(&self) {
        let mut inner = self.inner.write();
        Arc::make_mut(&mut inner.subscribers).retain(|subscriber| subscriber.stage() != Stage::Gone);
    }

    /// Maps what is there for a subscriber that has just begun to hear of changes; it is synced when that is done.
    pub(crate) fn spawn_replay(self: &Arc<Self>, subscriber: &Arc<Subscriber>) {
        let (cache, subscriber) = (Arc::clone(self), Arc::clone(subscriber));
        tokio::spawn(async move {
            cache.replay(&subscriber, Priority::Low).await;
            if subscriber.stage() == Stage::Replaying {
                subscriber.set_stage(Stage::Active);
            }
            cache.inner.read().announce();
        });
    }

    /// Enqueues every key that the store's objects lead to, a chunk at a time.
    pub(crate) async fn replay(&self, subscriber: &Subscriber, priority: Priority) {
        let mut after: Option<ObjectName> = None;
        loop {
            let (page, more) =
                self.inner.read().store.page(subscriber.namespace(), after.as_ref(), REPLAY_CHUNK, |_| true);
            for (name, entry) in &page {
                subscriber.replay(name, entry, priority);
            }
            if !more || subscriber.stage() == Stage::Gone {
                return;
            }
            after = page.into_iter().next_back().map(|(name, _)| name);
            tokio::task::yield_now().await;
        }
    }

    /// Stops the stream and keeps the store.
    pub(crate) fn pause(&self) {
        let mut inner = self.inner.write();
        inner.paused = true;
        inner.announce();
        drop(inner);
        self.order.modify(|order| {
            order.running = false;
            order.run += 1;
        });
        self.progress.interrupt();
    }

    /// Starts the stream anew through `api`, from where it was if that is known.
    pub(crate) fn restart(&self, api: &Arc<dyn MemberApi>) {
        let mut inner = self.inner.write();
        inner.paused = false;
        inner.announce();
        drop(inner);
        self.order.modify(|order| *order = Order { api: Arc::clone(api), running: true, run: order.run + 1 });
    }

    /// Gives the store's memory back; subscribers wait for the next list.
    pub(crate) fn empty(&self) {
        let mut inner = self.inner.write();
        let emptied = inner.store.clear();
        (inner.stored, inner.version, inner.listing) = (None, None, false);
        for subscriber in inner.subscribers.iter() {
            subscriber.set_stage(Stage::Waiting);
        }
        inner.announce();
        drop(inner);
        drop(emptied);
        self.progress.interrupt();
    }

    /// Returns once the stream of the present order has shown life. At once if the cache was never complete: there is nothing to
    /// keep in step.
    pub(crate) async fn in_step(&self) {
        if self.inner.read().stored.is_none() {
            return;
        }
        let run = self.order.read(|order| order.run);
        self.confirmed.wait(|confirmed| (*confirmed >= run).then_some(())).await;
    }

    pub(crate) fn get(&self, name: &ObjectName) -> Option<Named> {
        self.inner.read().store.get(name).map(|entry| (name.clone(), Arc::clone(entry)))
    }

    pub(crate) fn status(&self) -> CacheStatus {
        let inner = self.inner.read();
        CacheStatus {
            resource: self.resource.clone(),
            scope: self.selection.scope(),
            objects: inner.store.len(),
            bytes: inner.store.bytes(),
            synced: inner.stored.is_some() && !inner.paused,
            subscribers: inner.subscribers.len(),
            restarts: inner.restarts.iter().copied().collect(),
            blocked: inner.blocked.clone(),
        }
    }
}
