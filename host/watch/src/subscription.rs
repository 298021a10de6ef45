//! A subscriber's handle: reads through its own scope and projection, waits for its own writes, leaves when dropped.

use std::sync::Arc;

use bytes::Bytes;
use motet_core::{ObjectName, PluginName, Priority, Target, description::Scope, object::rv_number, selector::Selector};

use crate::{
    Barrier, CacheState, ObjectInfo, Owned,
    cache::Cache,
    entry::Entry,
    member::Registry,
    store::Named,
    subscriber::{Status, Subscriber},
};

/// A place in one cache.
pub(crate) struct Part {
    pub(crate) cache: Arc<Cache>,
    pub(crate) subscriber: Arc<Subscriber>,
}

/// What [`MemberCaches::subscribe`](crate::MemberCaches::subscribe) returns. Dropping it leaves the caches; the last to leave
/// one ends its stream and frees its store.
pub struct Subscription {
    registry: Arc<Registry>,
    plugin: PluginName,
    /// One for each namespace of the scope, in their order.
    parts: Vec<Part>,
    status: Arc<Status>,
    scope: Scope,
}

impl Drop for Subscription {
    fn drop(&mut self) {
        self.parts.iter().for_each(|part| self.registry.leave(part));
    }
}

impl Subscription {
    pub(crate) fn new(
        registry: Arc<Registry>,
        plugin: PluginName,
        mut parts: Vec<Part>,
        status: Arc<Status>,
        scope: Scope,
    ) -> Self {
        parts.sort_by(|a, b| a.subscriber.namespace().cmp(&b.subscriber.namespace()));
        Self { registry, plugin, parts, status, scope }
    }

    /// How it stands; over several namespaces, the worst.
    pub fn state(&self) -> CacheState {
        self.status.get()
    }

    /// Returns the state once it is as `wanted`; at once if it is now.
    pub async fn state_when(&self, wanted: impl Fn(&CacheState) -> bool) -> CacheState {
        self.status.when(wanted).await
    }

    /// What it was asked to watch.
    pub fn scope(&self) -> &Scope {
        &self.scope
    }

    /// Whether every object of `namespace` (of all, for none) that exists is within its scope.
    pub fn covers(&self, namespace: Option<&str>) -> bool {
        let unselected = self.scope.labels.is_empty() && self.scope.fields.is_empty();
        let wide = self.parts.iter().any(|part| part.subscriber.namespace().is_none_or(|n| namespace == Some(n)));
        unselected && wide
    }

    /// An object as its plugin sees it; `None` if it does not exist or is out of scope.
    pub fn get(&self, name: &ObjectName) -> Option<Bytes> {
        let (subscriber, (_, entry)) = self.find(name)?;
        subscriber.project(&entry).map(Bytes::from)
    }

    /// What the host knows about an object.
    pub fn meta(&self, name: &ObjectName) -> Option<ObjectInfo> {
        self.find(name).map(|(_, (_, entry))| self.info(&entry))
    }

    fn info(&self, entry: &Entry) -> ObjectInfo {
        let fields = entry.fields(&self.plugin);
        ObjectInfo {
            uid: entry.uid.text(),
            resource_version: entry.version.text(),
            generation: entry.generation,
            deleting: entry.deleting,
            finalizers: entry.finalizers.to_vec(),
            labels: entry.labels.iter().cloned().collect(),
            owned: fields.and_then(|fields| fields.applied),
            owned_status: fields.and_then(|fields| fields.status),
            owner: entry.owner(&self.plugin).map(|(target, set)| (target.clone(), set.into())),
        }
    }

    fn find(&self, name: &ObjectName) -> Option<(&Subscriber, Named)> {
        self.parts.iter().find_map(|Part { cache, subscriber }| {
            let named = cache.get(name)?;
            subscriber.sees(name, &named.1).then_some((&**subscriber, named))
        })
    }

    /// Objects of one namespace or all, in the order of their names, after `after` and at most `limit` (0: all), as the plugin
    /// sees them; and the name to go on after, if there are more.
    pub fn list(
        &self,
        namespace: Option<&str>,
        labels: &Selector,
        after: Option<&ObjectName>,
        limit: usize,
    ) -> (Vec<Bytes>, Option<ObjectName>) {
        let limit = if limit == 0 { usize::MAX } else { limit };
        let (mut objects, mut last) = (Vec::new(), None);
        for Part { cache, subscriber } in &self.parts {
            let own = subscriber.namespace();
            if own.is_some() && namespace.is_some() && own != namespace {
                continue;
            }
            if after.is_some_and(|after| own.is_some_and(|own| own < after.namespace.as_deref().unwrap_or_default())) {
                continue;
            }
            let wanted = |entry: &Entry| labels.matches(|key| entry.label(key)) && subscriber.plan.selects(entry);
            let room = limit - objects.len();
            let (page, more) = cache.inner.read().store.page(own.or(namespace), after, room, wanted);
            for (name, entry) in page {
                objects.extend(subscriber.project(&entry).map(Bytes::from));
                last = Some(name);
            }
            if more {
                return (objects, last);
            }
        }
        (objects, None)
    }

    /// Objects in scope whose owner annotation names `target`.
    pub fn owned(&self, target: &Target) -> Vec<Owned> {
        let mut found = Vec::new();
        for Part { cache, subscriber } in &self.parts {
            for (name, entry) in cache.inner.read().store.owned(&self.plugin, target) {
                let set = entry.owner(&self.plugin).map(|(_, set)| set.into());
                if let Some(set) = set.filter(|_| subscriber.sees(&name, &entry)) {
                    found.push(Owned { name, uid: entry.uid.text(), set });
                }
            }
        }
        found
    }

    /// Enqueues every key that objects in scope lead to, in the background. Must be called within a tokio runtime.
    pub fn replay(&self, priority: Priority) {
        for Part { cache, subscriber } in &self.parts {
            let (cache, subscriber) = (Arc::clone(cache), Arc::clone(subscriber));
            tokio::spawn(async move { cache.replay(&subscriber, priority).await });
        }
    }

    /// Returns once a write shows: the cache has seen an event or a bookmark at or past its resource version, or its object is gone.
    /// Also when waiting is in vain: the version is not decimal, the object is out of scope, a new list was completed, or the
    /// stream was stopped. Bounded by the caller.
    pub async fn reached(&self, barrier: &Barrier) {
        let within =
            |part: &&Part| part.subscriber.namespace().is_none_or(|n| barrier.name.namespace.as_deref() == Some(n));
        let Some(Part { cache, .. }) = self.parts.iter().find(within) else { return };
        if cache.inner.read().paused {
            return;
        }
        if barrier.deleted {
            let gone = || cache.get(&barrier.name).is_none_or(|(_, entry)| entry.uid.text() != barrier.uid);
            return cache.progress.wait(|_| gone()).await;
        }
        if let Some(version) = rv_number(&barrier.resource_version) {
            cache.progress.wait(|point| point.version >= version).await;
        }
    }
}
