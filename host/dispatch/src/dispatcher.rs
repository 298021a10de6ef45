//! Who runs where: members come from the fleet, plugins from the catalog, and every pair that fits is a binding.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use motet_core::{Digest, MemberName, PluginName, request::MemberInfo, revision::Revision};
use motet_queue::{Depth, Queue};
use parking_lot::{Mutex, RwLock};
use tracing::Instrument;

use crate::{
    binding::{Binding, BindingState, BindingStatus, LastRun},
    events::EventWriter,
    leave,
    member::{EngagedMember, Member},
    reconcile,
    report::{KeyReport, Reports},
    slots::Slots,
    start,
    stats::{BindingStats, PluginStats},
};

/// What every worker and every binding task shares.
pub(crate) struct Shared {
    pub(crate) queue: Queue,
    pub(crate) events: EventWriter,
    house: RwLock<House>,
    stats: RwLock<HashMap<PluginName, Arc<PluginStats>>>,
    reports: Mutex<HashMap<PluginName, Reports>>,
}

/// Members, plugins and what came of them. Changed only under one short lock, never across an await.
#[derive(Default)]
struct House {
    members: BTreeMap<MemberName, Arc<Member>>,
    plugins: BTreeMap<PluginName, Arc<Revision>>,
    bindings: HashMap<MemberName, BTreeMap<PluginName, Arc<Binding>>>,
    /// Every plugin that exists, whether its code loads or not; `None` until the catalog has taken in its first list.
    known: Option<BTreeSet<PluginName>>,
}

impl Shared {
    pub(crate) fn binding(&self, plugin: &PluginName, member: &MemberName) -> Option<Arc<Binding>> {
        self.house.read().bindings.get(member)?.get(plugin).cloned()
    }

    pub(crate) fn plugin_stats(&self, plugin: &PluginName) -> Arc<PluginStats> {
        if let Some(stats) = self.stats.read().get(plugin) {
            return stats.clone();
        }
        self.stats.write().entry(plugin.clone()).or_default().clone()
    }

    pub(crate) fn report(&self, plugin: &PluginName, report: KeyReport) {
        let mut reports = self.reports.lock();
        if !report.intents.is_empty() {
            reports.entry(plugin.clone()).or_default().put(report);
        } else if let Some(reports) = reports.get_mut(plugin) {
            reports.forget(&report.member, &report.target);
        }
    }
}

/// Dispatches keys into sandboxes and their outcomes into members. Clones share it.
#[derive(Clone)]
pub struct Dispatcher(Arc<Shared>);

/// One binding, for the API and metrics.
pub struct BindingSnapshot {
    /// The plugin.
    pub plugin: PluginName,
    /// The member.
    pub member: MemberName,
    /// State, reason, message.
    pub status: BindingStatus,
    /// The digest that is active there.
    pub digest: Digest,
    /// Its last run.
    pub last: LastRun,
    /// Its keys.
    pub queued: Depth,
    binding: Arc<Binding>,
}

impl BindingSnapshot {
    /// Its counts.
    pub fn stats(&self) -> &BindingStats {
        &self.binding.stats
    }
}

impl Dispatcher {
    /// A dispatcher without members, plugins or workers.
    pub fn new(queue: Queue) -> Self {
        Self(Arc::new(Shared {
            queue,
            events: EventWriter::default(),
            house: RwLock::default(),
            stats: RwLock::default(),
            reports: Mutex::default(),
        }))
    }

    /// Takes keys until the queue is shut down: at most `workers` of them compute at once, at most `sandboxes` exist. A key that waits
    /// for its member, be it for a read or a write, holds no worker.
    pub fn start_workers(&self, workers: usize, sandboxes: usize) -> tokio::task::JoinSet<()> {
        let (slots, shared) = (Slots::new(workers, sandboxes), self.0.clone());
        let mut tasks = tokio::task::JoinSet::new();
        tasks.spawn(async move {
            let mut runs = tokio::task::JoinSet::new();
            loop {
                // Taken before the key: who waits for a worker waits in the queue, which knows whose turn it is.
                let slot = slots.worker().await;
                let Some(running) = shared.queue.get().await else { break };
                while runs.try_join_next().is_some() {}
                let key = &running.key;
                let span =
                    tracing::info_span!("reconcile", plugin = %key.plugin, member = %key.member, key = %key.target);
                let shared = shared.clone();
                runs.spawn(async move { reconcile::run(&shared, running, slot).await }.instrument(span));
            }
            while runs.join_next().await.is_some() {}
        });
        tasks
    }

    /// A member serves: every plugin that selects it is bound, and what earlier plugins left there is treated.
    pub fn engage(&self, engaged: EngagedMember) {
        let member = Arc::new(Member::new(engaged));
        self.0.house.write().members.insert(member.name().clone(), member.clone());
        self.rebind_member(&member);
        self.treat_leftovers(&member);
    }

    /// A member's labels or pause changed.
    pub fn change_member(&self, info: Arc<MemberInfo>, paused: bool) {
        let member = {
            let mut house = self.0.house.write();
            let Some(member) = house.members.get(&info.name) else { return };
            let member = Arc::new(member.changed(info, paused));
            house.members.insert(member.name().clone(), member.clone());
            member
        };
        for binding in self.bindings_of(member.name()) {
            let paused_before = binding.member.swap(member.clone()).paused;
            binding.adopt(binding.revision.load_full());
            if paused_before != member.paused {
                start::start(&self.0, &binding);
            } else if let Some(subscriptions) = binding.subscriptions.load_full().filter(|_| binding.is_live()) {
                subscriptions.all().for_each(|w| w.subscription.replay(motet_core::Priority::Low));
            }
        }
        self.rebind_member(&member);
        self.treat_leftovers(&member);
    }

    /// A member no longer answers: its keys wait for its return, its caches are kept by whoever owns them.
    pub fn lose(&self, name: &MemberName) {
        let Some(member) = self.member(name) else { return };
        member.reachable.store(false, Ordering::Release);
        for binding in self.bindings_of(name) {
            start::start(&self.0, &binding);
        }
        self.0.queue.remove_member(name);
    }

    /// A lost member answers again.
    pub fn regain(&self, name: &MemberName) {
        let Some(member) = self.member(name) else { return };
        member.reachable.store(true, Ordering::Release);
        for binding in self.bindings_of(name) {
            self.apply_limits(&binding.revision.load());
            start::start(&self.0, &binding);
        }
        self.treat_leftovers(&member);
    }

    /// A member is withdrawn: nothing is written to it any more, and everything about it is dropped.
    pub fn disengage(&self, name: &MemberName) {
        let bindings = {
            let mut house = self.0.house.write();
            if let Some(member) = house.members.remove(name) {
                member.reachable.store(false, Ordering::Release);
            }
            house.bindings.remove(name)
        };
        for binding in bindings.iter().flat_map(BTreeMap::values) {
            start::stop(binding);
            binding.subscriptions.store(None);
        }
        self.0.queue.remove_member(name);
        self.0.reports.lock().values_mut().for_each(|r| r.forget_member(name));
    }

    /// A plugin is new or changed: bindings take it over, start or leave.
    pub fn set_plugin(&self, revision: Arc<Revision>) {
        self.apply_limits(&revision);
        let members: Vec<_> = {
            let mut house = self.0.house.write();
            house.plugins.insert(revision.name.clone(), revision.clone());
            house.members.values().cloned().collect()
        };
        for member in members {
            self.rebind(&member, &revision);
        }
    }

    /// A plugin is gone: its bindings leave as its `onDelete` says.
    pub fn remove_plugin(&self, plugin: &PluginName) {
        let revision = self.0.house.write().plugins.remove(plugin);
        let members: Vec<_> = self.0.house.read().members.values().cloned().collect();
        for member in members {
            if let Some(binding) = self.0.binding(plugin, member.name()) {
                self.leave(binding);
            }
        }
        if revision.is_some() {
            self.0.stats.write().remove(plugin);
            self.0.reports.lock().remove(plugin);
        }
    }

    /// Which plugins exist, whether their code loads or not. What others left on members is treated from then on.
    pub fn set_known(&self, known: BTreeSet<PluginName>) {
        let members: Vec<_> = {
            let mut house = self.0.house.write();
            if house.known.as_ref() == Some(&known) {
                return;
            }
            house.known = Some(known);
            house.members.values().cloned().collect()
        };
        members.iter().for_each(|member| self.treat_leftovers(member));
    }

    /// Every binding.
    pub fn bindings(&self) -> Vec<BindingSnapshot> {
        let house = self.0.house.read();
        let all = house.bindings.values().flat_map(BTreeMap::values);
        all.map(|binding| {
            let member = binding.member_name();
            BindingSnapshot {
                plugin: binding.plugin.clone(),
                status: binding.status(),
                digest: binding.revision.load().digest,
                last: binding.last.lock().clone(),
                queued: self.0.queue.binding_depth(&binding.plugin, &member),
                member,
                binding: binding.clone(),
            }
        })
        .collect()
    }

    /// Counts per plugin.
    pub fn plugin_stats(&self) -> Vec<(PluginName, Arc<PluginStats>)> {
        self.0.stats.read().iter().map(|(name, stats)| (name.clone(), stats.clone())).collect()
    }

    /// The last outcomes of a plugin's keys that `wanted` selects.
    pub fn reports(&self, plugin: &PluginName, wanted: impl Fn(&KeyReport) -> bool) -> Vec<KeyReport> {
        self.0.reports.lock().get(plugin).map(|r| r.select(wanted)).unwrap_or_default()
    }

    /// The queue.
    pub fn queue(&self) -> &Queue {
        &self.0.queue
    }

    /// Takes no more keys and waits for those that run, at most `patience`. True where all came to their end.
    pub async fn drain(&self, patience: Duration) -> bool {
        for binding in self.bindings() {
            start::stop(&binding.binding);
        }
        self.0.queue.shut_down();
        tokio::time::timeout(patience, self.0.queue.drained()).await.is_ok()
    }

    fn member(&self, name: &MemberName) -> Option<Arc<Member>> {
        self.0.house.read().members.get(name).cloned()
    }

    fn bindings_of(&self, member: &MemberName) -> Vec<Arc<Binding>> {
        self.0.house.read().bindings.get(member).map(|b| b.values().cloned().collect()).unwrap_or_default()
    }

    fn apply_limits(&self, revision: &Revision) {
        self.0.queue.set_limits(&revision.name, revision.limits.concurrency);
    }

    fn rebind_member(&self, member: &Arc<Member>) {
        let plugins: Vec<_> = self.0.house.read().plugins.values().cloned().collect();
        for revision in plugins {
            self.rebind(member, &revision);
        }
    }

    /// Makes one pair what it should be.
    fn rebind(&self, member: &Arc<Member>, revision: &Arc<Revision>) {
        let existing = self.0.binding(&revision.name, member.name());
        match (existing, revision.selects(&member.info)) {
            // What comes after it is decided when it has left.
            (Some(binding), _) if binding.leaving.load(Ordering::Acquire) => {}
            (Some(binding), true) => self.take_over(&binding, revision),
            (Some(binding), false) => self.leave(binding),
            (None, true) => {
                let binding = Arc::new(Binding::new(member.clone(), revision.clone()));
                let mut house = self.0.house.write();
                house.bindings.entry(member.name().clone()).or_default().insert(revision.name.clone(), binding.clone());
                drop(house);
                start::start(&self.0, &binding);
            }
            (None, false) => {}
        }
    }

    /// The next key runs on the new revision; what runs finishes on the old one, which it holds.
    fn take_over(&self, binding: &Arc<Binding>, revision: &Arc<Revision>) {
        let before = binding.revision.load_full();
        if Arc::ptr_eq(&before, revision) {
            return;
        }
        binding.adopt(revision.clone());
        let new_code = before.digest != revision.digest;
        if new_code || before.release != revision.release {
            if binding.quarantine.lock().release() {
                binding.set_status(binding.running_state(), "", "");
            }
            binding.forget_kills();
            self.0.queue.release_binding(&binding.plugin, &binding.member_name());
        }
        let subscriptions = binding.subscriptions.load_full();
        let permissions = binding.permissions.load_full();
        let restart = !binding.is_live()
            || !revision.same_watches(&before)
            || subscriptions.as_ref().is_some_and(|s| s.not_granted(&permissions).is_some())
            || before.permissions().leaves_out_motets("", "secrets") != permissions.leaves_out_motets("", "secrets")
            || before.spec.suspend != revision.spec.suspend
            || before.spec.on_delete != revision.spec.on_delete;
        if restart {
            return start::start(&self.0, binding);
        }
        if before.spec.mode != revision.spec.mode {
            binding.set_running();
        }
        // Members that a change does not touch are left in peace: of a config override, those that it does not select.
        let member = binding.member.load();
        let touched = new_code
            || before.release != revision.release
            || before.spec.mode != revision.spec.mode
            || before.spec.grants != revision.spec.grants
            || before.limits != revision.limits
            || before.config(&member.info) != revision.config(&member.info);
        if !touched {
            return;
        }
        if let Some(subscriptions) = subscriptions {
            subscriptions.all().for_each(|w| w.subscription.replay(motet_core::Priority::Low));
        }
        if revision.member_primary() {
            self.0.queue.add(binding.key(motet_core::Target::Member), motet_core::Priority::Low);
        }
    }

    fn leave(&self, binding: Arc<Binding>) {
        if binding.leaving.swap(true, Ordering::AcqRel) {
            return;
        }
        start::stop(&binding);
        binding.set_status(BindingState::Draining, "Leaving", "the plugin is removed or no longer selects this member");
        let dispatcher = self.clone();
        tokio::spawn(async move {
            let (plugin, member) = (binding.plugin.clone(), binding.member_name());
            dispatcher.0.queue.remove_binding(&plugin, &member);
            dispatcher.0.queue.binding_idle(&plugin, &member).await;
            leave::leave(&dispatcher.0, &binding).await;
            dispatcher.drop_binding(&binding);
            dispatcher.rebind_again(&plugin, &member);
        });
    }

    /// The plugin may have come back while its binding left.
    fn rebind_again(&self, plugin: &PluginName, member: &MemberName) {
        let (revision, member) = {
            let house = self.0.house.read();
            (house.plugins.get(plugin).cloned(), house.members.get(member).cloned())
        };
        if let (Some(revision), Some(member)) = (revision, member) {
            self.rebind(&member, &revision);
        }
    }

    fn drop_binding(&self, binding: &Arc<Binding>) {
        let member = binding.member_name();
        let mut house = self.0.house.write();
        let Some(bindings) = house.bindings.get_mut(&member) else { return };
        if bindings.get(&binding.plugin).is_some_and(|b| Arc::ptr_eq(b, binding)) {
            bindings.remove(&binding.plugin);
        }
        drop(house);
        binding.subscriptions.store(None);
    }

    /// Treats what plugins that no longer exist, or no longer select it, left on a member.
    fn treat_leftovers(&self, member: &Arc<Member>) {
        let Some(known) = self.0.house.read().known.clone().filter(|_| !member.paused) else { return };
        let (dispatcher, member) = (self.clone(), member.clone());
        tokio::spawn(async move {
            let current = |plugin: &PluginName| {
                let house = dispatcher.0.house.read();
                let bound = house.bindings.get(member.name()).is_some_and(|b| b.contains_key(plugin));
                let unread = known.contains(plugin) && !house.plugins.contains_key(plugin);
                bound || unread
            };
            leave::leftovers(&member, current).await;
        });
    }
}
