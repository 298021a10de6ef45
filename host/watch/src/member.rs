//! All caches of one member: who joins which, and what happens to them together.

use std::{collections::HashMap, sync::Arc};

use motet_core::{MemberName, Resource, ports::MemberApi, selector::Selector};
use parking_lot::Mutex;
use tokio::task::AbortHandle;

use crate::{
    CacheSettings, CacheStatus, SubscribeSpec, Subscription,
    cache::{Cache, Order, Selection},
    feed::Feed,
    subscriber::{Status, Subscriber},
    subscription::Part,
};

/// The caches of one member. They live as long as they have subscribers; subscriptions keep their own alive.
pub struct MemberCaches {
    member: MemberName,
    registry: Arc<Registry>,
}

/// The caches that there are, and how their member is reached.
pub(crate) struct Registry {
    settings: Arc<CacheSettings>,
    state: Mutex<State>,
}

struct State {
    api: Arc<dyn MemberApi>,
    running: bool,
    closed: bool,
    caches: HashMap<Selection, (Arc<Cache>, AbortHandle)>,
}

impl MemberCaches {
    /// No caches yet; streams will run through `api`.
    pub fn new(member: MemberName, api: Arc<dyn MemberApi>, settings: CacheSettings) -> Arc<Self> {
        let state = State { api, running: true, closed: false, caches: HashMap::new() };
        let registry = Arc::new(Registry { settings: Arc::new(settings), state: Mutex::new(state) });
        Arc::new(Self { member, registry })
    }

    /// The member.
    pub fn member(&self) -> &MemberName {
        &self.member
    }

    /// Joins the cache that covers what is asked for, or starts it. What is there already is mapped at
    /// [`Low`](motet_core::Priority::Low). A path that cannot be read (descriptions are checked before) selects nothing.
    ///
    /// Must be called within a tokio runtime.
    pub fn subscribe(&self, resource: &Resource, spec: SubscribeSpec) -> Subscription {
        let namespaces: Vec<Option<&str>> = match spec.scope.namespaces.as_slice() {
            [] => vec![None],
            _ if !resource.namespaced => vec![None],
            namespaces => namespaces.iter().map(|n| Some(n.as_str())).collect(),
        };
        let status = Status::new(namespaces.len());
        let labels = Selector::parse(&spec.scope.labels).map_or_else(|_| spec.scope.labels.clone(), |s| s.to_string());
        let mut parts = Vec::new();
        let mut state = self.registry.state.lock();
        for (index, namespace) in (0..).zip(namespaces) {
            let selection = Selection {
                gvk: resource.gvk.clone(),
                namespace: namespace.map(Into::into),
                labels: labels.clone(),
                fields: spec.scope.fields.clone(),
            };
            let cache = state.cache(resource, selection, &self.registry.settings);
            let selected = cache.selection.labels == labels;
            match self.registry.settings.plans.plan(&spec, selected) {
                Ok(plan) => {
                    let sink = Arc::clone(&spec.sink);
                    let subscriber = Arc::new(Subscriber::new(plan, namespace, sink, &status, index));
                    cache.join(&subscriber);
                    parts.push(Part { cache, subscriber });
                }
                Err(error) => {
                    tracing::error!(member = %self.member, %resource, plugin = %spec.plugin, %error, "not subscribed")
                }
            }
        }
        drop(state);
        Subscription::new(Arc::clone(&self.registry), spec.plugin, parts, status, spec.scope)
    }

    /// Restarts every stream on a new connection, each from where it was; stores and subscriptions stay.
    pub fn swap_api(&self, api: Arc<dyn MemberApi>) {
        let mut state = self.registry.state.lock();
        state.api = api;
        if state.running && !state.closed {
            state.caches.values().for_each(|(cache, _)| cache.restart(&state.api));
        }
    }

    /// The member is out of reach: stops every stream. Stores are kept for a while, to resume from or to compare with.
    pub fn pause(&self) {
        let mut state = self.registry.state.lock();
        state.running = false;
        state.caches.values().for_each(|(cache, _)| cache.pause());
    }

    /// The member is back.
    pub fn resume(&self, api: Arc<dyn MemberApi>) {
        let mut state = self.registry.state.lock();
        state.api = api;
        if !state.closed {
            state.running = true;
            state.caches.values().for_each(|(cache, _)| cache.restart(&state.api));
        }
    }

    /// Returns once every cache that was complete follows its server through the present connection.
    pub async fn synced_on_current_api(&self) {
        let caches: Vec<Arc<Cache>> =
            self.registry.state.lock().caches.values().map(|(cache, _)| cache.clone()).collect();
        for cache in caches {
            cache.in_step().await;
        }
    }

    /// The member is gone: ends every stream and frees every store. Subscriptions stay [`Paused`](crate::CacheState::Paused).
    pub fn close(&self) {
        let mut state = self.registry.state.lock();
        (state.running, state.closed) = (false, true);
        for (_, (cache, task)) in state.caches.drain() {
            task.abort();
            cache.pause();
            cache.empty();
        }
    }

    /// How every cache stands, in no order.
    pub fn snapshot(&self) -> Vec<CacheStatus> {
        let caches: Vec<Arc<Cache>> =
            self.registry.state.lock().caches.values().map(|(cache, _)| cache.clone()).collect();
        caches.iter().map(|cache| cache.status()).collect()
    }
}

impl Drop for MemberCaches {
    fn drop(&mut self) {
        self.close();
    }
}

impl State {
    /// The widest cache that shows all of `selection`, made if there is none. One that is blocked serves nobody new: the kind may
    /// be forbidden in all namespaces and allowed in one.
    fn cache(&mut self, resource: &Resource, selection: Selection, settings: &Arc<CacheSettings>) -> Arc<Cache> {
        let usable = |cache: &Arc<Cache>| {
            cache.selection == selection || (cache.selection.covers(&selection) && cache.inner.read().blocked.is_none())
        };
        let width = |cache: &&Arc<Cache>| (cache.selection.namespace.is_none(), cache.selection.labels.is_empty());
        let found = self.caches.values().map(|(cache, _)| cache).filter(|cache| usable(cache)).max_by_key(width);
        if let Some(cache) = found {
            return Arc::clone(cache);
        }
        let order = Order { api: Arc::clone(&self.api), running: self.running, run: 1 };
        let cache = Arc::new(Cache::new(resource.clone(), selection.clone(), Arc::clone(settings), order));
        if !self.closed {
            let mut feed = Feed::new(Arc::clone(&cache));
            // Not handed to a function by value: the future would hold it twice.
            let task = tokio::spawn(async move { feed.run().await });
            self.caches.insert(selection, (Arc::clone(&cache), task.abort_handle()));
        }
        cache
    }
}

impl Registry {
    /// Takes a subscriber out of its cache; the last one ends the stream and frees the store.
    pub(crate) fn leave(&self, part: &Part) {
        let mut state = self.state.lock();
        if !part.cache.leave(&part.subscriber) {
            return;
        }
        let registered =
            state.caches.get(&part.cache.selection).is_some_and(|(cache, _)| Arc::ptr_eq(cache, &part.cache));
        if registered && let Some((_, task)) = state.caches.remove(&part.cache.selection) {
            task.abort();
        }
    }
}
