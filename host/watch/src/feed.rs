//! The task of one cache: opens its stream, takes in what the stream says, tells the subscribers.

use std::sync::Arc;

use bytes::Bytes;
use futures::{StreamExt as _, stream::BoxStream};
use motet_core::{Change, Meta, ObjectName, change::Interrupted, object::rv_number};
use tokio::time::sleep;

use crate::{
    body::{Body, Sample},
    cache::{Cache, Order},
    entry::{Entry, Shared},
    subscriber::{Event, Stage, Subscriber},
};

/// See the module.
pub(crate) struct Feed {
    cache: Arc<Cache>,
    /// The order being carried out.
    run: u64,
    shared: Shared,
    /// What bodies are packed against, and for which projection.
    sample: Option<(Sample, u32)>,
}

/// Who hears of a change.
type Hearers = Arc<Vec<Arc<Subscriber>>>;

impl Feed {
    pub(crate) fn new(cache: Arc<Cache>) -> Self {
        Self { cache, run: 0, shared: Shared::default(), sample: None }
    }

    /// Runs until it is aborted.
    pub(crate) async fn run(&mut self) {
        loop {
            let order = self.cache.order.read(Order::clone);
            self.run = order.run;
            if order.running {
                // Boxed: what it takes to begin is larger than what it takes to go on.
                let stream = Box::pin(self.open(order)).await;
                if let Some(stream) = stream {
                    self.follow(stream).await;
                }
            } else {
                Box::pin(self.stand_by()).await;
            }
        }
    }

    /// Returns once there is an order other than the one being carried out.
    async fn other_order(cache: &Cache, run: u64) {
        cache.order.wait(|order| (order.run != run).then_some(())).await;
    }

    async fn stand_by(&mut self) {
        let keep = self.cache.settings.keep_paused;
        tokio::select! {
            () = Self::other_order(&self.cache, self.run) => return,
            () = sleep(keep) => {}
        }
        self.cache.empty();
        self.shared.sweep();
        Self::other_order(&self.cache, self.run).await;
    }

    /// Opens a stream, unless there is another order first.
    async fn open(&mut self, order: Order) -> Option<BoxStream<'static, Change>> {
        let resume = {
            let mut inner = self.cache.inner.write();
            let resume = inner.version.clone().filter(|_| inner.suffices());
            // A list that another stream did not complete never will be.
            (inner.opening, inner.listing) = (resume.is_none(), false);
            resume
        };
        if resume.is_none() {
            tokio::select! {
                () = Self::other_order(&self.cache, self.run) => return None,
                () = sleep(self.cache.settings.gather) => {}
            }
        }
        Some(order.api.watch(&self.cache.resource, &self.cache.selection.scope(), resume))
    }

    /// Takes in one stream until there is another order.
    async fn follow(&mut self, mut stream: BoxStream<'static, Change>) {
        let cache = Arc::clone(&self.cache);
        loop {
            tokio::select! {
                biased;
                () = Self::other_order(&cache, self.run) => return,
                change = stream.next() => match change {
                    Some(change) => {
                        self.confirm(&change);
                        self.take(change);
                    }
                    None => break,
                },
            }
            tokio::task::consume_budget().await;
        }
        drop(stream);
        sleep(cache.settings.restart).await;
    }

    /// Notes whether a change shows that the stream's server is in step with the cache. That a resumed watch is open is enough: the
    /// server delivers all that came after the version the store is at, or says that it cannot and lists, as it would for anyone.
    fn confirm(&self, change: &Change) {
        let alive = match change {
            Change::Resumed
            | Change::Synced { .. }
            | Change::Upsert(_)
            | Change::Delete(_)
            | Change::Bookmark { .. } => true,
            Change::Reset | Change::Initial(_) | Change::Interrupted(_) => false,
        };
        if alive {
            let run = self.run;
            self.cache.confirmed.modify_if(|confirmed| std::mem::replace(confirmed, run) != run);
        }
    }

    fn take(&mut self, change: Change) {
        match change {
            Change::Reset => self.reset(),
            Change::Resumed => unblock(&mut self.cache.inner.write()),
            Change::Initial(json) => self.upsert(&json, true),
            Change::Synced { resource_version } => self.synced(resource_version),
            Change::Upsert(json) => self.upsert(&json, false),
            Change::Delete(json) => self.delete(&json),
            Change::Bookmark { resource_version } => self.passed(&resource_version, true),
            Change::Interrupted(interrupted) => self.interrupted(interrupted),
        }
    }

    fn reset(&self) {
        let mut inner = self.cache.inner.write();
        (inner.listing, inner.opening) = (true, false);
        inner.mark = inner.mark.wrapping_add(1);
        let needed = inner.needed(&self.cache.settings.plans);
        if inner.ingest != needed {
            inner.ingest = needed.clone();
            inner.epoch = inner.epoch.wrapping_add(1);
        }
        if let Some(stored) = inner.stored.as_mut().filter(|stored| stored.covers(&needed)) {
            *stored = needed;
        }
        unblock(&mut inner);
    }

    fn upsert(&mut self, json: &Bytes, listed: bool) {
        let Some((name, meta)) = self.scan(json) else { return };
        let (ingest, epoch, mark) = {
            let inner = self.cache.inner.read();
            if let Some(entry) = inner.store.get(&name).filter(|entry| entry.is_current(&meta, inner.epoch)) {
                entry.mark(inner.mark);
                drop(inner);
                if !listed {
                    self.passed(&meta.resource_version, false);
                }
                return;
            }
            (inner.ingest.clone(), inner.epoch, inner.mark)
        };
        let json_kept = match ingest.apply(json) {
            Ok(kept) => kept,
            Err(error) => return self.malformed(&error),
        };
        let entry = Arc::new(Entry::new(json, &meta, self.pack(json_kept, epoch), epoch, &mut self.shared));
        entry.mark(mark);
        let (old, hearers) = {
            let mut inner = self.cache.inner.write();
            (inner.store.insert(&name, Arc::clone(&entry)), Arc::clone(&inner.subscribers))
        };
        let reprojected = old.as_ref().is_some_and(|old| old.uid == entry.uid && old.version == entry.version);
        if !reprojected {
            self.tell(&hearers, &Event { name: &name, old: old.as_deref(), new: Some(&entry), listed });
        }
        if !listed {
            self.passed(&meta.resource_version, false);
        }
    }

    /// The first body of each projection is the sample for the rest.
    fn pack(&mut self, json: Vec<u8>, epoch: u32) -> Body {
        let known = self.sample.take().filter(|(_, of)| *of == epoch);
        let (sample, _) = self.sample.insert(known.unwrap_or_else(|| (Sample::of(&json), epoch)));
        Body::new(json, self.cache.settings.compress_over, sample)
    }

    fn delete(&mut self, json: &Bytes) {
        let Some((name, meta)) = self.scan(json) else { return };
        let (old, hearers) = {
            let mut inner = self.cache.inner.write();
            let same = inner.store.get(&name).is_some_and(|entry| meta.uid.is_empty() || entry.uid.text() == *meta.uid);
            (if same { inner.store.remove(&name) } else { None }, Arc::clone(&inner.subscribers))
        };
        if let Some(old) = &old {
            self.tell(&hearers, &Event { name: &name, old: Some(old), new: None, listed: false });
        }
        self.passed(&meta.resource_version, false);
    }

    fn synced(&mut self, version: String) {
        let (swept, hearers) = {
            let mut inner = self.cache.inner.write();
            let mark = inner.mark;
            (inner.store.sweep(mark), Arc::clone(&inner.subscribers))
        };
        for (name, old) in &swept {
            self.tell(&hearers, &Event { name, old: Some(old), new: None, listed: true });
        }
        drop(swept);
        self.cache.progress.renew(rv_number(&version));
        let served = {
            let mut inner = self.cache.inner.write();
            inner.listing = false;
            inner.stored = Some(inner.ingest.clone());
            inner.version = Some(version).filter(|version| !version.is_empty() && version != "0");
            let ready = |s: &&Arc<Subscriber>| s.stage() == Stage::Waiting && inner.ingest.covers(&s.plan.needed);
            let served: Vec<Arc<Subscriber>> = inner.subscribers.iter().filter(ready).cloned().collect();
            served.iter().for_each(|subscriber| subscriber.set_stage(Stage::Replaying));
            inner.blocked = None;
            inner.announce();
            served
        };
        served.iter().for_each(|subscriber| self.cache.spawn_replay(subscriber));
        self.shared.sweep();
    }

    /// Everything up to `version` has been taken in. A list that had no version leaves none to go on from until a bookmark
    /// brings one: what comes before is not in order.
    fn passed(&self, version: &str, bookmark: bool) {
        {
            let mut inner = self.cache.inner.write();
            if inner.version.is_some() || bookmark {
                inner.version = Some(version.to_owned());
            }
            unblock(&mut inner);
        }
        self.cache.progress.advance(rv_number(version));
    }

    fn interrupted(&self, interrupted: Interrupted) {
        let mut inner = self.cache.inner.write();
        inner.interrupted(interrupted.reason);
        if interrupted.blocked {
            inner.blocked = Some((interrupted.reason, interrupted.message));
            inner.announce();
        }
    }

    fn tell(&self, hearers: &Hearers, event: &Event<'_>) {
        hearers.iter().for_each(|subscriber| subscriber.react(event));
        if hearers.iter().any(|subscriber| subscriber.stage() == Stage::Gone) {
            self.cache.dismiss();
        }
    }

    fn scan(&self, json: &Bytes) -> Option<(ObjectName, Meta)> {
        match Meta::scan(json) {
            Ok(meta) if !meta.name.is_empty() => Some((meta.object_name(), meta)),
            Ok(_) => None,
            Err(error) => {
                self.malformed(&error);
                None
            }
        }
    }

    fn malformed(&self, error: &serde_json::Error) {
        tracing::warn!(resource = %self.cache.resource, %error, "an object from a watch is not valid JSON and is left out");
        self.cache.inner.write().interrupted("Malformed");
    }
}

/// The stream says something: its kind is there and allowed.
fn unblock(inner: &mut crate::cache::Inner) {
    if inner.blocked.take().is_some() {
        inner.announce();
    }
}
