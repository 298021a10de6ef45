//! The plugins of this host: what sources say goes in, revisions come out.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use bytes::Bytes;
use motet_core::{PluginName, plugin::Mode, revision::Revision};
use motet_runtime::Runtime;
use parking_lot::Mutex;
use tokio::{sync::mpsc, task::JoinSet};

use crate::{
    Observed, PluginObject, Refusal,
    load::{self, Components, Loaded, Refused, Step},
    status::{Condition, PluginState, PluginStatus},
};

/// What the catalog tells the rest of the host.
pub enum CatalogEvent {
    /// A plugin is new or changed.
    Set(Arc<Revision>),
    /// A plugin is gone.
    Removed(PluginName),
    /// Every plugin that exists, whether its code loads or not; first said once all sources have been listed.
    Known(BTreeSet<PluginName>),
}

/// Events that wait for the host at most; the catalog waits then, the data path does not.
const EVENTS: usize = 256;
/// Observations that wait for the catalog at most.
const OBSERVED: usize = 256;

/// The statuses of all plugins, and the way in for sources.
#[derive(Clone)]
pub struct Catalog {
    statuses: Arc<Mutex<BTreeMap<PluginName, PluginStatus>>>,
    observe: mpsc::Sender<Observed>,
    listed: tokio::sync::watch::Receiver<bool>,
}

impl Catalog {
    /// Starts a catalog that waits for each of `sources` to be listed. It ends when every sender is dropped.
    pub fn start(runtime: Runtime, sources: &[&'static str]) -> (Self, mpsc::Receiver<CatalogEvent>) {
        let (observe, observed) = mpsc::channel(OBSERVED);
        let (events, receiver) = mpsc::channel(EVENTS);
        let (listed_tx, listed) = tokio::sync::watch::channel(sources.is_empty());
        let statuses = Arc::new(Mutex::new(BTreeMap::new()));
        let keeper = Keeper {
            runtime,
            components: Arc::default(),
            statuses: statuses.clone(),
            entries: BTreeMap::new(),
            unlisted: sources.iter().copied().collect(),
            events,
            listed: listed_tx,
        };
        tokio::spawn(keeper.run(observed));
        (Self { statuses, observe, listed }, receiver)
    }

    /// Where sources send what they see.
    pub fn observer(&self) -> mpsc::Sender<Observed> {
        self.observe.clone()
    }

    /// Every plugin's status.
    pub fn snapshot(&self) -> Vec<PluginStatus> {
        self.statuses.lock().values().cloned().collect()
    }

    /// Whether the first list of every source has been taken in and loaded.
    pub fn is_listed(&self) -> bool {
        *self.listed.borrow()
    }
}

/// What is kept of one plugin.
struct Entry {
    source: &'static str,
    /// Counts its changes, so that a load of an earlier one changes nothing.
    generation: u64,
    object: Result<Box<PluginObject>, Refusal>,
    component: Option<motet_core::Digest>,
    running: Option<Arc<Revision>>,
    loading: bool,
}

struct Keeper {
    runtime: Runtime,
    components: Arc<Components>,
    statuses: Arc<Mutex<BTreeMap<PluginName, PluginStatus>>>,
    entries: BTreeMap<PluginName, Entry>,
    unlisted: BTreeSet<&'static str>,
    events: mpsc::Sender<CatalogEvent>,
    listed: tokio::sync::watch::Sender<bool>,
}

type LoadResult = (PluginName, u64, Result<Loaded, Refused>);

impl Keeper {
    async fn run(mut self, mut observed: mpsc::Receiver<Observed>) {
        let mut loads: JoinSet<LoadResult> = JoinSet::new();
        if self.unlisted.is_empty() {
            self.tell_known().await;
        }
        loop {
            tokio::select! {
                seen = observed.recv() => match seen {
                    Some(seen) => self.observe(seen, &mut loads).await,
                    None => return,
                },
                Some(Ok(done)) = loads.join_next() => self.loaded(done).await,
            }
            // Ready means that what was there at the start has been tried, not only seen.
            if self.unlisted.is_empty() && !self.entries.values().any(|e| e.loading) {
                self.listed.send_replace(true);
            }
        }
    }

    async fn observe(&mut self, seen: Observed, loads: &mut JoinSet<LoadResult>) {
        match seen {
            Observed::Present { source, name, object, component } => {
                if self.present(source, &name, object, component, loads) {
                    self.tell_known().await;
                }
            }
            Observed::Gone { source, name } => {
                if self.entries.get(&name).is_some_and(|e| e.source == source) {
                    self.entries.remove(&name);
                    self.components.forget(&name);
                    self.statuses.lock().remove(&name);
                    self.tell(CatalogEvent::Removed(name)).await;
                    self.tell_known().await;
                }
            }
            Observed::Listed { source } => {
                self.unlisted.remove(source);
                self.tell_known().await;
            }
        }
    }

    /// True where the plugin is new.
    fn present(
        &mut self,
        source: &'static str,
        name: &PluginName,
        object: Result<Box<PluginObject>, Refusal>,
        component: Result<Bytes, Refusal>,
        loads: &mut JoinSet<LoadResult>,
    ) -> bool {
        let digest = component.as_ref().ok().map(|bytes| motet_core::Digest::of(bytes));
        let previous = self.entries.remove(name);
        if let Some(other) = previous.as_ref().filter(|e| e.source != source) {
            tracing::warn!(plugin = %name, first = other.source, second = source, "two sources have a plugin of this name; the first one goes on");
            self.entries.extend(previous.map(|e| (name.clone(), e)));
            return false;
        }
        let unchanged = |e: &Entry| digest.is_some() && e.object == object && e.component == digest;
        let is_new = previous.is_none();
        let (generation, running) = previous.as_ref().map_or((0, None), |e| (e.generation, e.running.clone()));
        if let Some(entry) = previous.filter(unchanged) {
            self.entries.insert(name.clone(), entry);
            return false;
        }
        let mut entry = Entry {
            source,
            generation: generation + 1,
            object: object.clone(),
            component: digest,
            running,
            loading: false,
        };
        match object {
            Ok(object) => {
                entry.loading = true;
                self.note_loading(name, &entry, &object);
                let (runtime, components, generation) =
                    (self.runtime.clone(), self.components.clone(), entry.generation);
                let name = name.clone();
                loads.spawn(
                    async move { (name, generation, load::load(&runtime, &components, *object, component).await) },
                );
            }
            Err(refusal) => {
                self.refuse(name, &entry, Refused { step: Step::Loaded, refusal, description: None });
            }
        }
        self.entries.insert(name.clone(), entry);
        is_new
    }

    async fn loaded(&mut self, (name, generation, result): LoadResult) {
        let Some(mut entry) = self.entries.remove(&name) else { return };
        if entry.generation == generation {
            entry.loading = false;
            match result {
                Ok(loaded) => {
                    entry.running = Some(loaded.revision.clone());
                    self.accept(&name, &entry, &loaded);
                    self.tell(CatalogEvent::Set(loaded.revision)).await;
                }
                Err(refused) => self.refuse(&name, &entry, refused),
            }
        }
        self.entries.insert(name, entry);
    }

    fn note_loading(&self, name: &PluginName, entry: &Entry, object: &PluginObject) {
        let mut statuses = self.statuses.lock();
        let status = statuses.entry(name.clone()).or_insert_with(|| blank(name, entry));
        status.generation = object.generation;
        status.mode = object.spec.mode;
        status.grants = object.spec.grants.clone();
    }

    fn accept(&self, name: &PluginName, entry: &Entry, loaded: &Loaded) {
        let revision = &loaded.revision;
        let state = if revision.spec.suspend { PluginState::Suspended } else { PluginState::Active };
        tracing::info!(plugin = %name, digest = %revision.digest, contract = loaded.contract, "plugin loaded");
        let mut statuses = self.statuses.lock();
        let status = statuses.entry(name.clone()).or_insert_with(|| blank(name, entry));
        set_state(status, state, "", String::new());
        status.digest = Some(revision.digest);
        status.size = loaded.size;
        status.contract = loaded.contract.clone();
        status.description = Some(revision.description.clone());
        if loaded.load_seconds[0] > 0.0 {
            status.load_seconds = loaded.load_seconds;
        }
        set_conditions(
            status,
            [(Some(true), "", ""), (Some(true), "", ""), (Some(true), "", ""), (Some(true), "", "")],
        );
    }

    fn refuse(&self, name: &PluginName, entry: &Entry, refused: Refused) {
        let Refused { step, refusal: Refusal { reason, message }, description } = refused;
        let running = entry.running.as_ref();
        let keeps = match running {
            Some(revision) => format!("the last good revision {} runs on", revision.digest),
            None => "nothing runs".into(),
        };
        tracing::warn!(plugin = %name, reason, "plugin rejected, {keeps}: {message}");
        let mut statuses = self.statuses.lock();
        let status = statuses.entry(name.clone()).or_insert_with(|| blank(name, entry));
        set_state(status, PluginState::Rejected, reason, format!("{message} ({keeps})"));
        if status.description.is_none() {
            status.description = description;
        }
        let at = |this: Step| match this.cmp(&step) {
            std::cmp::Ordering::Less => (Some(true), "", ""),
            std::cmp::Ordering::Equal => (Some(false), reason, message.as_str()),
            std::cmp::Ordering::Greater => (None, "", ""),
        };
        let active = (Some(running.is_some()), if running.is_some() { "LastGood" } else { reason }, keeps.as_str());
        set_conditions(status, [at(Step::Loaded), at(Step::Granted), at(Step::Configured), active]);
    }

    async fn tell_known(&self) {
        if self.unlisted.is_empty() {
            self.tell(CatalogEvent::Known(self.entries.keys().cloned().collect())).await;
        }
    }

    async fn tell(&self, event: CatalogEvent) {
        // Nobody listens any more only while the host goes down.
        let _ = self.events.send(event).await;
    }
}

fn blank(name: &PluginName, entry: &Entry) -> PluginStatus {
    PluginStatus {
        name: name.clone(),
        source: entry.source,
        state: PluginState::Loading,
        reason: "",
        message: String::new(),
        since: jiff::Timestamp::now(),
        generation: 0,
        digest: None,
        size: 0,
        contract: String::new(),
        mode: Mode::Enforce,
        description: None,
        grants: vec![],
        conditions: vec![],
        load_seconds: [0.0; 2],
    }
}

fn set_state(status: &mut PluginStatus, state: PluginState, reason: &'static str, message: String) {
    if (status.state, status.reason) != (state, reason) {
        status.since = jiff::Timestamp::now();
    }
    (status.state, status.reason, status.message) = (state, reason, message);
}

/// Sets `Loaded`, `Granted`, `Configured`, `Active`, each with its own time of change.
fn set_conditions(status: &mut PluginStatus, values: [(Option<bool>, &'static str, &str); 4]) {
    let now = jiff::Timestamp::now();
    let kinds = ["Loaded", "Granted", "Configured", "Active"];
    let conditions = kinds.into_iter().zip(values).map(|(kind, (value, reason, message))| {
        let before = status.conditions.iter().find(|c| c.kind == kind).filter(|c| c.status == value);
        let since = before.map_or(now, |c| c.since);
        Condition { kind, status: value, reason, message: message.into(), since }
    });
    status.conditions = conditions.collect();
}
