//! The plugins of this host: what sources say goes in, revisions come out.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::PathBuf,
    sync::Arc,
};

use motet_core::{PluginName, revision::Revision};
use motet_runtime::Runtime;
use tokio::{sync::mpsc, task::JoinSet};
use tokio_util::task::AbortOnDropHandle;

use crate::{
    Component, Fetched, Handed, Observed, Origin, PluginObject, Refusal, Step,
    entry::{Entry, Pull, Seen},
    history::History,
    load::{self, Components, Loaded, Refused},
    pull::{Asked, Hub, Puller, Registries},
    pulling::{Following, News, Pulled},
    shadow::{Shadow, ShadowStatuses, Shadows},
    standing::{Standing, Statuses},
    status::PluginStatus,
};

/// What a catalog works with.
#[derive(Default)]
pub struct Settings {
    /// The sources whose first list is waited for.
    pub sources: Vec<&'static str>,
    /// Where good components are kept; in memory where there is none.
    pub data_dir: Option<PathBuf>,
    /// Where pull secrets are, if there is a hub.
    pub hub: Option<Hub>,
    /// What images may be.
    pub registries: Registries,
}

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
    statuses: Statuses,
    shadowed: ShadowStatuses,
    observe: mpsc::Sender<Observed>,
    listed: tokio::sync::watch::Receiver<bool>,
}

impl Catalog {
    /// Starts a catalog that waits for each of its sources to be listed. It ends when every sender is dropped.
    pub fn start(runtime: Runtime, settings: Settings) -> (Self, mpsc::Receiver<CatalogEvent>) {
        let (observe, observed) = mpsc::channel(OBSERVED);
        let (events, receiver) = mpsc::channel(EVENTS);
        let (tell, pulled) = mpsc::channel(OBSERVED);
        let (listed_tx, listed) = tokio::sync::watch::channel(settings.sources.is_empty());
        let (statuses, shadows) = (Statuses::default(), Shadows::default());
        let shadowed = shadows.statuses();
        let keeper = Keeper {
            runtime,
            components: Arc::default(),
            statuses: statuses.clone(),
            shadows,
            entries: BTreeMap::new(),
            history: History::open(settings.data_dir),
            puller: Arc::new(Puller { hub: settings.hub, registries: settings.registries }),
            tell,
            unlisted: settings.sources.into_iter().collect(),
            events,
            listed: listed_tx,
        };
        tokio::spawn(keeper.run(observed, pulled));
        (Self { statuses, shadowed, observe, listed }, receiver)
    }

    /// Where sources send what they see.
    pub fn observer(&self) -> mpsc::Sender<Observed> {
        self.observe.clone()
    }

    /// Every plugin's status.
    pub fn snapshot(&self) -> Vec<PluginStatus> {
        self.statuses.lock().values().cloned().collect()
    }

    /// Those whose name another source has, so that they do not run.
    pub fn shadowed(&self) -> Vec<PluginStatus> {
        self.shadowed.lock().values().cloned().collect()
    }

    /// Whether the first list of every source has been taken in and loaded.
    pub fn is_listed(&self) -> bool {
        *self.listed.borrow()
    }
}

struct Keeper {
    runtime: Runtime,
    components: Arc<Components>,
    statuses: Statuses,
    shadows: Shadows,
    entries: BTreeMap<PluginName, Entry>,
    history: History,
    puller: Arc<Puller>,
    tell: mpsc::Sender<Pulled>,
    unlisted: BTreeSet<&'static str>,
    events: mpsc::Sender<CatalogEvent>,
    listed: tokio::sync::watch::Sender<bool>,
}

type LoadResult = (PluginName, u64, Seen, Result<Loaded, Refused>);
type Loads = JoinSet<LoadResult>;

impl Keeper {
    async fn run(mut self, mut observed: mpsc::Receiver<Observed>, mut pulled: mpsc::Receiver<Pulled>) {
        let mut loads = Loads::new();
        if self.unlisted.is_empty() {
            self.tell_known().await;
        }
        loop {
            tokio::select! {
                seen = observed.recv() => match seen {
                    Some(seen) => self.observe(seen, &mut loads).await,
                    None => return,
                },
                Some(news) = pulled.recv() => self.pulled(news, &mut loads).await,
                Some(Ok(done)) = loads.join_next() => self.loaded(done).await,
            }
            // Ready means that what was there at the start has been tried, not only seen.
            if self.unlisted.is_empty() && !self.entries.values().any(|e| e.loading) {
                self.listed.send_replace(true);
            }
        }
    }

    async fn observe(&mut self, seen: Observed, loads: &mut Loads) {
        match seen {
            Observed::Present { source, name, object, component } => {
                let is_new = !self.entries.contains_key(&name);
                self.present(&name, Shadow { source, object, component }, loads).await;
                if is_new {
                    self.tell_known().await;
                }
            }
            Observed::Gone { source, name } => self.gone(source, name, loads).await,
            Observed::Listed { source } => {
                self.unlisted.remove(source);
                if self.unlisted.is_empty() {
                    self.history.retain(&self.entries.keys().cloned().collect());
                }
                self.tell_known().await;
            }
        }
    }

    async fn gone(&mut self, source: &'static str, name: PluginName, loads: &mut Loads) {
        self.shadows.take(&name, Some(source));
        if self.entries.get(&name).is_none_or(|e| e.source != source) {
            return;
        }
        self.entries.remove(&name);
        self.components.forget(&name);
        self.history.forget(&name);
        self.statuses.lock().remove(&name);
        self.tell(CatalogEvent::Removed(name.clone())).await;
        if let Some(shadow) = self.shadows.take(&name, None) {
            self.present(&name, shadow, loads).await;
        }
        self.tell_known().await;
    }

    async fn present(&mut self, name: &PluginName, said: Shadow, loads: &mut Loads) {
        let Shadow { source, object, component } = said;
        let mut entry = self.entries.remove(name).unwrap_or_else(|| Entry::new(source, object.clone()));
        if entry.source != source {
            self.shadows.put(name, entry.source, Shadow { source, object, component });
            self.entries.insert(name.clone(), entry);
            return;
        }
        let seen = match component {
            Component::Here(handed) => {
                entry.pull = None;
                Some(handed.and_then(|handed| self.verified(handed, object.as_deref().ok())))
            }
            Component::Image => self.image(name, &mut entry, object.as_deref().ok()),
        };
        if !entry.says(&object, seen.as_ref()) {
            (entry.object, entry.seen) = (object, seen);
            self.load(name, &mut entry, loads).await;
        }
        self.entries.insert(name.clone(), entry);
    }

    /// What a source handed over, judged by its detached signature.
    fn verified(&self, handed: Handed, object: Option<&PluginObject>) -> Result<Seen, Refusal> {
        let Handed { bytes, from, policy_name, signature } = handed;
        let asked = object.and_then(|o| o.spec.verify.as_ref());
        let verdict = self.puller.registries.policy.blob(&policy_name, asked, &bytes, signature.as_deref())?;
        let warning = verdict.warning.map(|why| ("SignatureMissing".to_owned(), why));
        Ok(Seen::new(bytes, Origin { from, image: None, signed_by: verdict.signed_by, warning }, None))
    }

    /// Follows the image that an object names, unless that is being done already. What is known of it by now is the answer.
    fn image(
        &self,
        name: &PluginName,
        entry: &mut Entry,
        object: Option<&PluginObject>,
    ) -> Option<Result<Seen, Refusal>> {
        let spec = &object?.spec;
        let asked = Asked { oci: spec.source.oci.clone()?, verify: spec.verify.clone() };
        if entry.pull.as_ref().is_some_and(|pull| pull.asked == asked) {
            return entry.seen.clone();
        }
        let good = self.history.of(name).iter().find_map(|good| Some((good, self.puller.kept(&asked, good)?)));
        let good = good.filter(|(good, _)| self.history.component(good.digest).is_some());
        let here = good.as_ref().map(|(_, origin)| origin.clone());
        let sequence = entry.pull.as_ref().map_or(0, |p| p.sequence) + 1;
        let following = Following {
            puller: self.puller.clone(),
            name: name.clone(),
            sequence,
            asked: asked.clone(),
            here,
            tell: self.tell.clone(),
        };
        entry.pull = Some(Pull::new(asked, sequence, AbortOnDropHandle::new(tokio::spawn(following.run()))));
        good.map(|(good, origin)| Ok(Seen { digest: good.digest, origin, proof: good.proof.clone(), bytes: None }))
    }

    async fn pulled(&mut self, Pulled { name, sequence, result }: Pulled, loads: &mut Loads) {
        let Some(mut entry) = self.entries.remove(&name) else { return };
        if entry.pull.as_ref().is_some_and(|p| p.sequence == sequence) {
            entry.seen = match (result, entry.seen.take()) {
                (Ok(News::Component(Fetched { bytes, origin }, proof)), _) => {
                    Some(Ok(Seen::new(bytes, origin, Some(proof))))
                }
                (Ok(News::Same(origin)), Some(Ok(seen))) => Some(Ok(Seen { origin, ..seen })),
                // The image is what ran before the registry answered with something else.
                (Ok(News::Same(origin)), before) => self.again(&name, &origin).map(Ok).or(before),
                (Err(refusal), _) => Some(Err(refusal)),
            };
            self.load(&name, &mut entry, loads).await;
        }
        self.entries.insert(name, entry);
    }

    fn again(&self, name: &PluginName, origin: &Origin) -> Option<Seen> {
        let good = self.history.of(name).iter().find(|g| g.origin.image == origin.image)?;
        Some(Seen { digest: good.digest, origin: origin.clone(), proof: good.proof.clone(), bytes: None })
    }

    /// Loads what the object asks for, off this task.
    async fn load(&mut self, name: &PluginName, entry: &mut Entry, loads: &mut Loads) {
        entry.generation += 1;
        let object = match &entry.object {
            Ok(object) => (**object).clone(),
            Err(refusal) => {
                let refused = Refused { refusal: refusal.clone(), description: None };
                return self.refuse(name, entry, refused).await;
            }
        };
        self.standing(name, entry).loading(&object);
        let seen = match (object.rollback, &entry.seen) {
            (Some(digest), _) => self.rolled_back(name, digest),
            (None, Some(seen)) => seen.clone(),
            (None, None) => return,
        };
        let seen = match seen {
            Ok(seen) => seen,
            Err(refusal) => return self.refuse(name, entry, Refused { refusal, description: None }).await,
        };
        entry.loading = true;
        let (runtime, components, generation) = (self.runtime.clone(), self.components.clone(), entry.generation);
        let (name, digest) = (name.clone(), seen.digest);
        let bytes = seen.bytes.clone().or_else(|| self.history.component(digest));
        loads.spawn(async move {
            let result = load::load(&runtime, &components, object, digest, bytes).await;
            (name, generation, seen, result)
        });
    }

    /// An earlier good revision; no source is asked for it.
    fn rolled_back(&self, name: &PluginName, digest: motet_core::Digest) -> Result<Seen, Refusal> {
        let goods = self.history.of(name);
        let known: Vec<String> = goods.iter().map(|g| g.digest.to_string()).collect();
        let good = goods.iter().find(|g| g.digest == digest && self.history.component(digest).is_some());
        let good = good.ok_or_else(|| {
            let message = format!("annotation motet.dev/rollback names {digest}; kept are only [{}]", known.join(", "));
            Refusal::new(Step::Fetched, "RollbackUnknown", message)
        })?;
        Ok(Seen { digest, origin: good.origin.clone(), proof: good.proof.clone(), bytes: None })
    }

    async fn loaded(&mut self, (name, generation, seen, result): LoadResult) {
        let Some(mut entry) = self.entries.remove(&name) else { return };
        if entry.generation == generation {
            entry.loading = false;
            match result {
                Ok(loaded) => {
                    self.history.note(&name, seen.digest, &seen.origin, seen.proof, seen.bytes.as_ref());
                    if let Some(Ok(seen)) = &mut entry.seen {
                        // Kept from here on, so that a thousand plugins do not hold their bytes twice.
                        seen.bytes = seen.bytes.take().filter(|_| self.history.component(seen.digest).is_none());
                    }
                    entry.running = Some(loaded.revision.clone());
                    entry.origin = Some(seen.origin);
                    self.standing(&name, &entry).accept(&loaded);
                    self.tell(CatalogEvent::Set(loaded.revision)).await;
                }
                Err(refused) => self.refuse(&name, &mut entry, refused).await,
            }
        }
        self.entries.insert(name, entry);
    }

    /// Says why, and lets the last good code run on within what the operator says now: a grant that was narrowed, a member that
    /// was deselected or a suspension holds even while new code or a new config is refused.
    async fn refuse(&mut self, name: &PluginName, entry: &mut Entry, refused: Refused) {
        entry.loading = false;
        if let (Some(running), Ok(object)) = (&entry.running, &entry.object) {
            let spec = object.spec.over(&running.spec);
            let limits = object.spec.limits.resolve().unwrap_or_else(|_| running.limits.clone());
            let release = object.release.clone();
            if spec != running.spec || release != running.release {
                let revision = Arc::new(Revision { spec, limits, release, ..Revision::clone(running) });
                entry.running = Some(revision.clone());
                self.tell(CatalogEvent::Set(revision)).await;
            }
        }
        self.standing(name, entry).refuse(refused);
    }

    fn standing<'a>(&'a self, name: &'a PluginName, entry: &'a Entry) -> Standing<'a> {
        Standing { statuses: &self.statuses, name, entry, goods: self.history.of(name) }
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
