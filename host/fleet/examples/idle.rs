//! What an idle fleet costs: heap bytes and blocks per member, and per (member, kind) of its watches and caches.
//!
//! `cargo run --release -p motet-fleet --example idle [MEMBERS] [KINDS] [SUBSCRIBERS]` (250, 20 and 1 by default; with 0 subscribers the
//! streams are opened without caches). The members are embedded clusters in a process of their own; sockets are real, with TLS.

// A counting allocator cannot be written without it.
#![allow(unsafe_code)]

use std::{
    alloc::{GlobalAlloc, Layout, System},
    collections::BTreeMap,
    error::Error,
    io::{BufRead as _, BufReader, Read as _},
    process::{Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use futures::StreamExt as _;
use motet_core::{
    Gvk, MemberName, PluginName, Resource,
    description::{Mapping, Scope, Trigger},
    path::Projection,
};
use motet_devcluster::{Cluster, Options};
use motet_fleet::{Fleet, FleetEvent, FleetSettings, Member, MemberSpec, Provider};
use motet_watch::{CacheState, Map, PrimaryKind, SubscribeSpec, Subscription};
use tokio::{sync::mpsc, time::sleep};

struct Counting;

static BYTES: AtomicUsize = AtomicUsize::new(0);
static BLOCKS: AtomicUsize = AtomicUsize::new(0);

// SAFETY: every call is passed on unchanged to the system's allocator.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        BYTES.fetch_add(layout.size(), Ordering::Relaxed);
        BLOCKS.fetch_add(1, Ordering::Relaxed);
        // SAFETY: the caller's promises are the system's.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        BYTES.fetch_sub(layout.size(), Ordering::Relaxed);
        BLOCKS.fetch_sub(1, Ordering::Relaxed);
        // SAFETY: as above.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

type Outcome<T> = Result<T, Box<dyn Error>>;

/// Kinds that every cluster serves.
const KINDS: [(&str, &str, &str); 22] = [
    ("", "v1", "Namespace"),
    ("", "v1", "Pod"),
    ("", "v1", "ConfigMap"),
    ("", "v1", "Secret"),
    ("", "v1", "Service"),
    ("", "v1", "ServiceAccount"),
    ("", "v1", "Node"),
    ("", "v1", "PersistentVolume"),
    ("", "v1", "PersistentVolumeClaim"),
    ("", "v1", "LimitRange"),
    ("", "v1", "ResourceQuota"),
    ("apps", "v1", "Deployment"),
    ("apps", "v1", "StatefulSet"),
    ("apps", "v1", "DaemonSet"),
    ("apps", "v1", "ReplicaSet"),
    ("batch", "v1", "Job"),
    ("batch", "v1", "CronJob"),
    ("networking.k8s.io", "v1", "NetworkPolicy"),
    ("networking.k8s.io", "v1", "Ingress"),
    ("rbac.authorization.k8s.io", "v1", "Role"),
    ("rbac.authorization.k8s.io", "v1", "RoleBinding"),
    ("rbac.authorization.k8s.io", "v1", "ClusterRole"),
];

/// As plugins declare them: a handful of paths.
const PATHS: [&str; 6] = [
    "/metadata/labels",
    "/metadata/annotations",
    "/spec/containers/*/resources/requests",
    "/spec/nodeName",
    "/status/phase",
    "/status/conditions",
];

/// What is held at one moment.
#[derive(Clone, Copy)]
struct Held {
    bytes: usize,
    blocks: usize,
    resident: usize,
}

impl Held {
    fn now() -> Self {
        let pages = std::fs::read_to_string("/proc/self/statm").ok();
        let pages = pages.and_then(|text| text.split(' ').nth(1)?.parse::<usize>().ok()).unwrap_or_default();
        Self { bytes: BYTES.load(Ordering::Relaxed), blocks: BLOCKS.load(Ordering::Relaxed), resident: pages * 4096 }
    }

    fn print(self, what: &str, before: Self, by: usize) {
        println!(
            "{what:<24} {:>8} bytes {:>6.1} blocks on the heap, {:>8} bytes resident each; {:.1} MiB resident in all",
            self.bytes.saturating_sub(before.bytes) / by,
            self.blocks.saturating_sub(before.blocks) as f64 / by as f64,
            self.resident.saturating_sub(before.resident) / by,
            self.resident as f64 / f64::from(1 << 20)
        );
    }
}

/// Runs clusters until standard input ends; says `NAME FILE` for each.
async fn serve(count: usize) -> Outcome<()> {
    let folder = std::env::temp_dir().join(format!("motet-idle-{}", std::process::id()));
    std::fs::create_dir_all(&folder)?;
    let mut clusters = Vec::new();
    for n in 0..count {
        let options = Options { name: format!("m-{n}"), ..Options::default() };
        let cluster = Cluster::start(options).await?;
        let file = folder.join(cluster.name());
        std::fs::write(&file, cluster.kubeconfig())?;
        println!("{} {}", cluster.name(), file.display());
        clusters.push(cluster);
    }
    tokio::task::spawn_blocking(|| std::io::stdin().read_to_end(&mut Vec::new())).await??;
    std::fs::remove_dir_all(folder)?;
    Ok(())
}

fn spec(line: &str) -> Outcome<MemberSpec> {
    let (name, file) = line.split_once(' ').ok_or("the clusters' process says what it serves")?;
    Ok(MemberSpec {
        name: MemberName::new(name)?,
        kubeconfig: std::fs::read(file)?.into(),
        context: None,
        base: None,
        labels: BTreeMap::new(),
        identity: None,
        provider: "fed".into(),
        created: 1,
    })
}

fn subscribe(member: &Member, resource: &Resource, of: usize, projection: &Projection) -> Outcome<SubscribeSpec> {
    let primary = PrimaryKind { gvk: Gvk::new("", "v1", "Namespace"), namespaced: false };
    let name = member.info.name.clone();
    Ok(SubscribeSpec {
        plugin: PluginName::new(format!("plugin-{of}"))?,
        scope: Scope::default(),
        projection: Some(projection.clone()),
        trigger: Trigger::Any,
        map: if &*resource.gvk.kind == "Namespace" {
            Map::Primary
        } else {
            Map::Mapped(Mapping::Namespace {}, Some(primary))
        },
        sink: Arc::new(move |_, _| drop(name.clone())),
    })
}

/// Opens every stream, or joins every cache; returns once all of them follow their clusters.
async fn open(members: &[Arc<Member>], kinds: usize, subscribers: usize) -> Outcome<Vec<Subscription>> {
    let mut kept = Vec::new();
    let projection = Projection::parse(&PATHS)?;
    for member in members {
        for (group, version, kind) in KINDS.iter().take(kinds) {
            let resource = member.api.resource(&Gvk::new(group, version, kind)).await?;
            if subscribers == 0 {
                let mut stream = member.api.watch(&resource, &Scope::default(), None);
                tokio::spawn(async move { while stream.next().await.is_some() {} });
            }
            for of in 0..subscribers {
                let spec = subscribe(member, &resource, of, &projection)?;
                kept.push(member.caches.subscribe(&resource, spec));
            }
        }
    }
    for subscription in &kept {
        subscription.state_when(|state| *state == CacheState::Synced).await;
    }
    kept.shrink_to_fit();
    Ok(kept)
}

async fn measure(count: usize, kinds: usize, subscribers: usize, lines: Vec<String>) -> Outcome<()> {
    let specs = lines.iter().map(|line| spec(line)).collect::<Outcome<Vec<_>>>()?;
    let start = Held::now();
    let (feed, fed) = mpsc::channel(1);
    let (_fleet, mut events) = Fleet::start(FleetSettings::default(), vec![Provider::Fed(fed)]);
    feed.send(specs).await?;
    let mut members = Vec::new();
    while members.len() < count {
        if let Some(FleetEvent::Engaged(member)) = events.recv().await {
            members.push(member);
        }
    }
    sleep(Duration::from_secs(2)).await;
    let engaged = Held::now();
    engaged.print("a member engaged", start, count);
    let kept = open(&members, kinds, subscribers).await?;
    sleep(Duration::from_secs(5)).await;
    let what = if subscribers == 0 { "a stream" } else { "a cache and its stream" };
    Held::now().print(what, engaged, count * kinds);
    if std::env::var_os("MOTET_PROFILE").is_some() {
        // Ends without a destructor, so that a heap profiler finds everything still held.
        std::process::exit(0);
    }
    drop(kept);
    Ok(())
}

#[tokio::main]
async fn main() -> Outcome<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let number = |at: usize, default: usize| arguments.get(at).map_or(Ok(default), |text| text.parse());
    if arguments.first().is_some_and(|first| first == "serve") {
        return serve(number(1, 1)?).await;
    }
    let (count, kinds, subscribers) = (number(0, 250)?, number(1, 20)?.min(KINDS.len()), number(2, 1)?);
    let mut clusters = Command::new(std::env::current_exe()?)
        .args(["serve", &count.to_string()])
        .env_remove("LD_PRELOAD")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()?;
    let output = clusters.stdout.take().ok_or("the clusters' process has an output")?;
    let lines = BufReader::new(output).lines().take(count).collect::<Result<Vec<_>, _>>()?;
    measure(count, kinds, subscribers, lines).await?;
    drop(clusters.stdin.take());
    clusters.wait()?;
    Ok(())
}
