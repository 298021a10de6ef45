//! Members that go return their memory and file descriptors, counted in a process of their own.

// A counting allocator cannot be written without it.
#![allow(unsafe_code)]

use std::{
    alloc::{GlobalAlloc, Layout, System},
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

struct Counting;

static HELD: AtomicUsize = AtomicUsize::new(0);

// SAFETY: every call is passed on unchanged to the system's allocator.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        HELD.fetch_add(layout.size(), Ordering::Relaxed);
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
    use motet_core::{
        Gvk, MemberName, ObjectName, PluginName, Resource,
        description::{Scope, Trigger},
        ports::Write,
    };
    use motet_devcluster::{Cluster, Options};
    use motet_fleet::{Fleet, FleetEvent, FleetSettings, MemberSpec, Provider};
    use motet_watch::{Map, SubscribeSpec};
    use tokio::{sync::mpsc, time::timeout};

    use super::*;

    const MEMBERS: usize = 5;
    const OBJECTS: usize = 100;
    const SIZE: usize = 4000;

    fn config_maps() -> Resource {
        let gvk = Gvk::new("", "v1", "ConfigMap");
        Resource { gvk, plural: "configmaps".into(), namespaced: true, status: false, watchable: true }
    }

    fn specs(clusters: &[Cluster]) -> Vec<MemberSpec> {
        let spec = |cluster: &Cluster| MemberSpec {
            name: MemberName::new(cluster.name()).unwrap(),
            kubeconfig: cluster.kubeconfig().into(),
            context: None,
            base: None,
            labels: BTreeMap::new(),
            identity: None,
            provider: "fed".into(),
            created: 1,
        };
        clusters.iter().map(spec).collect()
    }

    async fn until(what: &str, mut holds: impl FnMut() -> bool) {
        let held = timeout(Duration::from_secs(30), async {
            while !holds() {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        });
        held.await.unwrap_or_else(|_| panic!("{what}: not in time"));
    }

    fn descriptors() -> usize {
        std::fs::read_dir("/proc/self/fd").unwrap().count()
    }

    /// Engages all members with a full cache each, and withdraws them; the memory held while they were engaged.
    async fn round(
        feed: &mpsc::Sender<Vec<MemberSpec>>,
        events: &mut mpsc::Receiver<FleetEvent>,
        clusters: &[Cluster],
    ) -> usize {
        feed.send(specs(clusters)).await.unwrap();
        let mut caches = Vec::new();
        while caches.len() < MEMBERS {
            let Some(FleetEvent::Engaged(member)) = events.recv().await else { panic!("not engaged") };
            let spec = SubscribeSpec {
                plugin: PluginName::new("test").unwrap(),
                scope: Scope::default(),
                projection: None,
                trigger: Trigger::Any,
                map: Map::Primary,
                sink: Arc::new(|_, _| {}),
            };
            // Random enough not to be packed: filled once, by whoever comes first.
            if member.api.get(&config_maps(), &ObjectName::namespaced("default", "o-0")).await.unwrap().is_none() {
                fill(&*member.api).await;
            }
            caches.push((member.caches.subscribe(&config_maps(), spec), member));
        }
        until("caches", || caches.iter().all(|(c, _)| c.get(&ObjectName::namespaced("default", "o-99")).is_some()))
            .await;
        let held = HELD.load(Ordering::Relaxed);
        feed.send(Vec::new()).await.unwrap();
        for _ in 0..MEMBERS {
            assert!(matches!(events.recv().await, Some(FleetEvent::Disengaged(_))));
        }
        held
    }

    async fn fill(api: &dyn motet_core::ports::MemberApi) {
        for n in 0..OBJECTS {
            let mut seed = n as u64 + 1;
            let noise: String = std::iter::repeat_with(|| {
                seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                char::from(b'a' + (seed >> 60) as u8)
            })
            .take(SIZE)
            .collect();
            let body = format!(
                r#"{{"apiVersion":"v1","kind":"ConfigMap","metadata":{{"name":"o-{n}","namespace":"default"}},"data":{{"x":"{noise}"}}}}"#
            );
            let write = Write::Create { body: body.into(), manager: "test".into() };
            api.write(&config_maps(), &ObjectName::namespaced("default", "o"), write).await.unwrap();
        }
    }

    #[tokio::test]
    async fn members_that_go_return_memory_and_descriptors() {
        let mut clusters = Vec::new();
        for n in 0..MEMBERS {
            clusters.push(Cluster::start(Options { name: format!("m-{n}"), ..Options::default() }).await.unwrap());
        }
        let (feed, fed) = mpsc::channel(4);
        let (_fleet, mut events) = Fleet::start(FleetSettings::default(), vec![Provider::Fed(fed)]);
        // The first rounds fill the clusters, and tables that live as long as the process.
        for _ in 0..3 {
            round(&feed, &mut events, &clusters).await;
        }
        until("first sockets to close", || descriptors() < 40).await;
        tokio::time::sleep(Duration::from_millis(200)).await;
        let (before, files) = (HELD.load(Ordering::Relaxed), descriptors());
        let mut during = 0;
        for _ in 0..5 {
            during = round(&feed, &mut events, &clusters).await;
        }
        assert!(during > before + MEMBERS * OBJECTS * SIZE / 4, "the caches hold something: {before} -> {during}");
        // A tenth of what one round holds: five rounds that leaked even a fraction of it would be seen.
        let allowed = before + (during - before) / 10;
        until("memory to come back", || HELD.load(Ordering::Relaxed) <= allowed).await;
        until("descriptors to close", || descriptors() <= files).await;
    }
}
