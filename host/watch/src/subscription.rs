//! A subscriber's handle: reads through its own scope and projection, waits for its own writes, leaves when dropped.

use std::sync::Arc;

use bytes::Bytes;
use motet_core::{ObjectName, PluginName, Priority, Target, description::Scope, object::rv_number, selector::Selector};

use crate::{
    Barrier, CacheState, Index, ObjectInfo, Owned,
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

impl Part {
    /// One page of what the subscriber sees, by whichever index leaves least to look at.
    fn page(
        &self,
        by: Option<(&Index, &str)>,
        namespace: Option<&str>,
        labels: &Selector,
        after: Option<&ObjectName>,
        limit: usize,
    ) -> (Vec<Named>, bool) {
        let store = &self.cache.inner.read().store;
        let keys: Vec<(Index, &str)> = labels
            .match_labels
            .iter()
            .map(|(key, value)| (Index::Label(key.as_str().into()), value.as_str()))
            .collect();
        let indexed = keys.iter().map(|(index, value)| (index, *value)).chain(by);
        let counted = indexed.filter_map(|(index, value)| Some((store.indexes.count(index, value)?, (index, value))));
        let best = counted.min_by_key(|(count, _)| *count).map(|(_, best)| best);
        let wanted = |entry: &Entry| {
            by.is_none_or(|(index, value)| index.has(entry, value))
                && labels.matches(|key| entry.label(key))
                && self.subscriber.plan.selects(entry)
        };
        match best {
            Some(best) => store.page_by(best, namespace, after, limit, wanted),
            None => store.page(namespace, after, limit, wanted),
        }
    }
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

    /// Has the caches keep an index for as long as this subscription lasts, if they hold enough for it to pay; it may still be
    /// filling when this returns. At most a handful are kept. Must be called within a tokio runtime.
    pub fn declare(&self, index: &Index) {
        for Part { cache, subscriber } in &self.parts {
            let worthwhile = cache.inner.read().store.len() > cache.settings.index_over;
            if worthwhile && !subscriber.indexes.lock().contains(index) {
                cache.declare(subscriber, index);
            }
        }
    }

    /// What finds the objects by the field of a field selector, such as `spec.nodeName`: there is something where the objects are
    /// mapped to keys by that very field (`metadata.ownerReferences.uid` where they are mapped by owner).
    pub fn index_by_field(&self, field: &str) -> Option<Index> {
        let path = self.parts.first()?.subscriber.plan.map.reverse_path()?;
        let names = path.split('/').skip(1).filter(|step| *step != "*");
        (!path.contains('~') && names.eq(field.split('.'))).then(|| Index::Path(path.into()))
    }

    /// Objects of one namespace or all, in the order of their names, after `after` and at most `limit` (0: all), as the plugin
    /// sees them; and the name to go on after, if there are more. Where a label that must have one value is indexed, only the
    /// objects with that value are looked at.
    pub fn list(
        &self,
        namespace: Option<&str>,
        labels: &Selector,
        after: Option<&ObjectName>,
        limit: usize,
    ) -> (Vec<Bytes>, Option<ObjectName>) {
        self.list_by(None, namespace, labels, after, limit)
    }

    /// Like [`list`](Self::list), of the objects that have a value in an index, declared or not.
    pub fn list_by(
        &self,
        by: Option<(&Index, &str)>,
        namespace: Option<&str>,
        labels: &Selector,
        after: Option<&ObjectName>,
        limit: usize,
    ) -> (Vec<Bytes>, Option<ObjectName>) {
        let limit = if limit == 0 { usize::MAX } else { limit };
        let (mut objects, mut last) = (Vec::new(), None);
        for part in &self.parts {
            let own = part.subscriber.namespace();
            if own.is_some() && namespace.is_some() && own != namespace {
                continue;
            }
            if after.is_some_and(|after| own.is_some_and(|own| own < after.namespace.as_deref().unwrap_or_default())) {
                continue;
            }
            let room = limit - objects.len();
            let (page, more) = part.page(by, own.or(namespace), labels, after, room);
            for (name, entry) in page {
                objects.extend(part.subscriber.project(&entry).map(Bytes::from));
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
        let (index, value) = (Index::Owner(self.plugin.clone()), target.to_string());
        let mut found = Vec::new();
        for Part { cache, subscriber } in &self.parts {
            let inner = cache.inner.read();
            let (page, _) = inner.store.page_by((&index, &value), subscriber.namespace(), None, usize::MAX, |_| true);
            drop(inner);
            for (name, entry) in page {
                // Two keys may read alike as text.
                let set = entry.owner(&self.plugin).filter(|(owner, _)| *owner == target).map(|(_, set)| set.into());
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
