//! What a relist holds at its peak, counted on the heap in a process of its own.

// A counting allocator cannot be written without it.
#![allow(unsafe_code)]
// Test code throughout; clippy only knows the functions marked as tests.
#![allow(clippy::unwrap_used)]

use std::{
    alloc::{GlobalAlloc, Layout, System},
    sync::atomic::{AtomicUsize, Ordering},
};

struct Counting;

static HELD: AtomicUsize = AtomicUsize::new(0);
static PEAK: AtomicUsize = AtomicUsize::new(0);

// SAFETY: every call is passed on unchanged to the system's allocator.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let held = HELD.fetch_add(layout.size(), Ordering::Relaxed) + layout.size();
        PEAK.fetch_max(held, Ordering::Relaxed);
        // SAFETY: the caller's promises are the system's.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        HELD.fetch_sub(layout.size(), Ordering::Relaxed);
        // SAFETY: as above.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

#[cfg(test)]
mod tests {
    use std::{sync::Arc, time::Duration};

    use async_trait::async_trait;
    use bytes::Bytes;
    use futures::{StreamExt as _, stream, stream::BoxStream};
    use motet_core::{
        ApiError, Change, Gvk, MemberName, ObjectName, PluginName, Resource,
        description::{Scope, Trigger},
        ports::{ListQuery, MemberApi, Page, Write},
        selector::Selector,
    };
    use motet_watch::{CacheSettings, CacheState, Index, Map, MemberCaches, SubscribeSpec};
    use tokio::sync::Notify;

    use super::*;

    const OBJECTS: u64 = 4000;

    /// A member with so many objects, which lists them, all changed, each time it is asked to; none is there before its turn.
    struct Lists(Arc<Notify>);

    fn object(at: u64, round: u64) -> Bytes {
        // Of no pattern: a body at rest is as large as it looks.
        let mut seed = at * 1000 + round + 1;
        let noise: String = std::iter::repeat_with(|| {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            char::from(b'a' + (seed >> 59) as u8 % 26)
        })
        .take(1500)
        .collect();
        let version = round * OBJECTS + at + 1;
        let json = format!(
            r#"{{"apiVersion":"v1","kind":"Thing","metadata":{{"name":"o-{at:05}","namespace":"n-{}","uid":"u-{at}","resourceVersion":"{version}","labels":{{"third":"{}"}}}},"data":"{noise}"}}"#,
            at % 10,
            at % 3
        );
        json.into()
    }

    #[async_trait]
    impl MemberApi for Lists {
        async fn resource(&self, gvk: &Gvk) -> Result<Resource, ApiError> {
            Err(ApiError::new(404, "KindMissing", gvk.to_string()))
        }
        async fn get(&self, _: &Resource, _: &ObjectName) -> Result<Option<Bytes>, ApiError> {
            Ok(None)
        }
        async fn list(&self, _: &Resource, _: &ListQuery) -> Result<Page, ApiError> {
            Ok(Page::default())
        }
        async fn write(&self, _: &Resource, name: &ObjectName, _: Write) -> Result<Bytes, ApiError> {
            Err(ApiError::new(405, "MethodNotAllowed", name.to_string()))
        }
        fn watch(&self, _: &Resource, _: &Scope, _: Option<String>) -> BoxStream<'static, Change> {
            let again = self.0.clone();
            let rounds = stream::iter(0..).then(move |round| {
                let again = again.clone();
                async move {
                    again.notified().await;
                    round
                }
            });
            let list = |round: u64| {
                let objects = stream::iter(0..OBJECTS).map(move |at| Change::Initial(object(at, round)));
                let version = ((round + 1) * OBJECTS).to_string();
                stream::iter([Change::Reset])
                    .chain(objects)
                    .chain(stream::iter([Change::Synced { resource_version: version }]))
            };
            rounds.flat_map(list).boxed()
        }
    }

    async fn settle() {
        tokio::time::sleep(Duration::from_millis(100)).await;
    }

    /// The peak of one relist, over what was held before.
    async fn relist(again: &Notify) -> usize {
        PEAK.store(HELD.load(Ordering::Relaxed), Ordering::Relaxed);
        again.notify_one();
        settle().await;
        PEAK.load(Ordering::Relaxed)
    }

    #[tokio::test(start_paused = true)]
    async fn a_relist_of_changed_objects_peaks_at_a_fifth_more_than_rest() {
        let again = Arc::new(Notify::new());
        let empty = HELD.load(Ordering::Relaxed);
        let caches =
            MemberCaches::new(MemberName::new("m").unwrap(), Arc::new(Lists(again.clone())), CacheSettings::default());
        let resource = Resource {
            gvk: Gvk::new("", "v1", "Thing"),
            plural: "things".into(),
            namespaced: true,
            status: true,
            watchable: true,
        };
        let spec = SubscribeSpec {
            plugin: PluginName::new("p").unwrap(),
            scope: Scope::default(),
            projection: None,
            trigger: Trigger::Any,
            map: Map::Primary,
            sink: Arc::new(|_, _| {}),
        };
        let subscription = caches.subscribe(&resource, spec);
        again.notify_one();
        subscription.state_when(|state| *state == CacheState::Synced).await;
        subscription.declare(&Index::Label("third".into()));
        settle().await;
        let steady = HELD.load(Ordering::Relaxed) - empty;
        let first = ObjectName::namespaced("n-0", "o-00000");
        let before = subscription.get(&first).unwrap();
        let peak = relist(&again).await - empty;
        assert_ne!(subscription.get(&first).unwrap(), before, "every object was replaced");
        assert!(peak * 10 <= steady * 12, "{peak} bytes at the peak of a relist, {steady} at rest");
        let counted = caches.snapshot()[0].bytes;
        assert!(counted * 10 > steady * 8 && counted < steady, "{counted} bytes counted, {steady} held");
        // Whoever kept what was there until the list is complete would be seen.
        let kept = subscription.list(None, &Selector::default(), None, 0).0;
        let peak = relist(&again).await - empty;
        assert!(kept.len() == OBJECTS as usize && peak * 10 > steady * 12, "{peak} bytes with a second copy");
    }
}
