//! Starts and stops managers as providers announce and withdraw members.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    sync::Arc,
    time::Duration,
};

use motet_core::MemberName;
use parking_lot::{Mutex, RwLock};
use tokio::{
    sync::{mpsc, watch},
    task::{JoinHandle, JoinSet},
};
use tokio_util::sync::CancellationToken;

use crate::{
    FleetEvent, FleetSettings, MemberSpec, MemberStatus, Provider,
    claims::Claims,
    manager::{Manager, Shared},
    status::StatusCell,
};

/// How long a shutdown waits for managers to say goodbye.
const GOODBYE: Duration = Duration::from_secs(5);
/// Announcements that may wait.
const ANNOUNCEMENTS: usize = 16;

/// Everything one provider announces at a moment, and which provider it is.
pub(crate) type Announcement = (usize, Vec<Arc<MemberSpec>>);

/// The multi-manager.
pub struct Fleet;

/// The running fleet. Dropping it stops everything without waiting; [`FleetHandle::shutdown`] waits.
pub struct FleetHandle {
    statuses: Statuses,
    /// Providers that have not announced anything yet.
    waiting: Arc<RwLock<Vec<String>>>,
    cancel: CancellationToken,
    task: Mutex<Option<JoinHandle<()>>>,
}

type Statuses = Arc<RwLock<BTreeMap<MemberName, Arc<StatusCell>>>>;

impl Fleet {
    /// Starts providers and managers. Events must be read: managers wait for room, each for itself.
    ///
    /// Must be called within a tokio runtime.
    pub fn start(settings: FleetSettings, providers: Vec<Provider>) -> (FleetHandle, mpsc::Receiver<FleetEvent>) {
        let (events, receiver) = mpsc::channel(settings.events.max(1));
        let (announce, announced) = mpsc::channel(ANNOUNCEMENTS);
        let (statuses, cancel) = (Statuses::default(), CancellationToken::new());
        let waiting = Arc::new(RwLock::new(providers.iter().map(Provider::describe).collect()));
        let mut tasks = JoinSet::new();
        let sources = providers.iter().map(Provider::describe).collect();
        for (index, provider) in providers.into_iter().enumerate() {
            tasks.spawn(provider.run(settings.clone(), index, announce.clone()));
        }
        let shared = Arc::new(Shared { settings, claims: Claims::new(), events });
        let coordinator = Coordinator {
            shared,
            statuses: statuses.clone(),
            waiting: waiting.clone(),
            sources,
            announced: BTreeMap::new(),
            twice: HashSet::new(),
            running: HashMap::new(),
            leaving: HashMap::new(),
        };
        let task = tokio::spawn(coordinator.run(announced, tasks, cancel.clone()));
        (FleetHandle { statuses, waiting, cancel, task: Mutex::new(Some(task)) }, receiver)
    }
}

impl FleetHandle {
    /// Every member, by name.
    pub fn snapshot(&self) -> Vec<MemberStatus> {
        let cells: Vec<_> = self.statuses.read().values().cloned().collect();
        cells.iter().map(|cell| cell.snapshot()).collect()
    }

    /// One member.
    pub fn member(&self, name: &MemberName) -> Option<MemberStatus> {
        let cell = self.statuses.read().get(name).cloned()?;
        Some(cell.snapshot())
    }

    /// Providers whose first list of members has not come in; empty means ready.
    pub fn not_ready(&self) -> Vec<String> {
        self.waiting.read().iter().filter(|w| !w.is_empty()).cloned().collect()
    }

    /// Stops providers, then every manager, and waits until they have freed what they held.
    pub async fn shutdown(&self) {
        self.cancel.cancel();
        let task = self.task.lock().take();
        if let Some(task) = task {
            // The task's own limit keeps this short.
            let _ = task.await;
        }
    }
}

impl Drop for FleetHandle {
    fn drop(&mut self) {
        self.cancel.cancel();
    }
}

/// The task that compares what is announced with what runs.
struct Coordinator {
    shared: Arc<Shared>,
    statuses: Statuses,
    waiting: Arc<RwLock<Vec<String>>>,
    sources: Vec<String>,
    announced: BTreeMap<usize, Vec<Arc<MemberSpec>>>,
    running: HashMap<MemberName, Running>,
    /// Names of which people were told that this provider announces them in vain.
    twice: HashSet<(MemberName, usize)>,
    /// Managers that were told to go; a new one of the same name starts after them.
    leaving: HashMap<MemberName, JoinHandle<()>>,
}

struct Running {
    spec: watch::Sender<Arc<MemberSpec>>,
    cancel: CancellationToken,
    task: JoinHandle<()>,
}

impl Coordinator {
    async fn run(
        mut self,
        mut announced: mpsc::Receiver<Announcement>,
        mut providers: JoinSet<()>,
        cancel: CancellationToken,
    ) {
        loop {
            tokio::select! {
                () = cancel.cancelled() => break,
                announcement = announced.recv() => match announcement {
                    Some(announcement) => self.take(announcement),
                    // Without providers nothing changes any more, but managers live on.
                    None => cancel.cancelled().await,
                },
            }
        }
        providers.shutdown().await;
        let names: Vec<_> = self.running.keys().cloned().collect();
        names.iter().for_each(|name| self.stop(name));
        let goodbyes = futures::future::join_all(self.leaving.values_mut());
        if tokio::time::timeout(GOODBYE, goodbyes).await.is_err() {
            tracing::warn!("some members did not disengage in time");
        }
        self.leaving.values().for_each(JoinHandle::abort);
    }

    fn take(&mut self, (provider, members): Announcement) {
        self.announced.insert(provider, members);
        if let Some(waiting) = self.waiting.write().get_mut(provider) {
            waiting.clear();
        }
        self.leaving.retain(|_, task| !task.is_finished());
        let wanted = self.wanted();
        let gone: Vec<_> = self.running.keys().filter(|name| !wanted.contains_key(*name)).cloned().collect();
        gone.iter().for_each(|name| self.stop(name));
        for (name, spec) in wanted {
            match self.running.get(&name) {
                Some(running) => drop(running.spec.send_if_modified(|present| {
                    let changed = *present != spec;
                    if changed {
                        *present = spec;
                    }
                    changed
                })),
                None => self.start(name, spec),
            }
        }
    }

    /// One spec for each name: where two providers announce the same name, the older one.
    fn wanted(&mut self) -> BTreeMap<MemberName, Arc<MemberSpec>> {
        let mut wanted: BTreeMap<MemberName, Arc<MemberSpec>> = BTreeMap::new();
        for (provider, specs) in &self.announced {
            for spec in specs {
                match wanted.get(&spec.name) {
                    Some(other) if other.created <= spec.created => {
                        if self.twice.insert((spec.name.clone(), *provider)) {
                            let ignored = self.sources.get(*provider).map_or("", String::as_str);
                            tracing::warn!(member = %spec.name, used = other.provider, ignored, "a member is announced twice");
                        }
                    }
                    _ => drop(wanted.insert(spec.name.clone(), spec.clone())),
                }
            }
        }
        wanted
    }

    fn start(&mut self, name: MemberName, spec: Arc<MemberSpec>) {
        let status = StatusCell::new(&spec);
        let (spec, specs) = watch::channel(spec);
        let cancel = CancellationToken::new();
        let manager = Manager::new(self.shared.clone(), specs, status.clone());
        let (predecessor, token) = (self.leaving.remove(&name), cancel.clone());
        let (statuses, key) = (self.statuses.clone(), name.clone());
        self.statuses.write().insert(name.clone(), status.clone());
        let task = tokio::spawn(async move {
            if let Some(predecessor) = predecessor {
                // However it ended, it holds nothing any more.
                let _ = predecessor.await;
            }
            manager.run(token).await;
            let mut statuses = statuses.write();
            if statuses.get(&key).is_some_and(|present| Arc::ptr_eq(present, &status)) {
                statuses.remove(&key);
            }
        });
        self.running.insert(name, Running { spec, cancel, task });
    }

    fn stop(&mut self, name: &MemberName) {
        if let Some(running) = self.running.remove(name) {
            running.cancel.cancel();
            self.leaving.insert(name.clone(), running.task);
        }
    }
}
