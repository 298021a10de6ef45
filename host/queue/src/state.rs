//! All keys and who is next: plain data, told the time, behind the handle's mutex.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use motet_core::{Key, MemberName, PluginName, Priority, Target};
use tokio::time::Instant;

use crate::{
    Settings,
    entry::{Entry, Slot, Wanted},
    turns::{Seat, Turns},
};

/// Number of priorities.
const CLASSES: usize = 3;
/// Timers that one call may move to the ready lists, so that a burst of them does not hold the lock for long.
const TIMERS_PER_CALL: usize = 256;

/// How many keys are where.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Depth {
    /// Waiting for a worker.
    pub ready: usize,
    /// Waiting for a time: requeues, backoff, holds, parked keys.
    pub delayed: usize,
    /// Handed out and not done.
    pub running: usize,
}

impl Depth {
    fn add(&mut self, other: Depth) {
        self.ready += other.ready;
        self.delayed += other.delayed;
        self.running += other.running;
    }

    fn slot(&mut self, slot: Slot) -> Option<&mut usize> {
        match slot {
            Slot::Nowhere => None,
            Slot::Timer(..) => Some(&mut self.delayed),
            Slot::Ready(..) => Some(&mut self.ready),
        }
    }
}

/// A key that is handed out.
#[derive(Debug)]
pub(crate) struct Taken {
    pub(crate) key: Key,
    pub(crate) priority: Priority,
    pub(crate) due: Instant,
    pub(crate) ready_at: Instant,
    pub(crate) stale: bool,
}

/// What an operator set for a plugin or a member.
#[derive(Debug, Clone, Copy, Default)]
struct Share {
    weight: Option<u32>,
    limit: Option<u32>,
}

impl Share {
    fn weight(self) -> u32 {
        self.weight.unwrap_or(1)
    }
}

#[derive(Debug, Default)]
struct Member {
    bindings: HashMap<PluginName, Binding>,
    turns: [Turns<PluginName>; CLASSES],
    seats: [Seat; CLASSES],
    running: u32,
}

#[derive(Debug, Default)]
struct Binding {
    entries: HashMap<Arc<Target>, Entry>,
    ready: [BTreeMap<u64, Arc<Target>>; CLASSES],
    seats: [Seat; CLASSES],
    depth: Depth,
}

/// See the module.
#[derive(Debug)]
pub(crate) struct State {
    pub(crate) settings: Settings,
    members: HashMap<MemberName, Member>,
    turns: [Turns<MemberName>; CLASSES],
    /// Turns in a row that each priority had work and was passed over.
    passed_over: [u32; CLASSES],
    timers: BTreeMap<(Instant, u64), (MemberName, PluginName, Arc<Target>)>,
    plugin_shares: HashMap<PluginName, Share>,
    member_shares: HashMap<MemberName, Share>,
    sequence: u64,
    total: Depth,
    pub(crate) shut_down: bool,
}

impl State {
    pub(crate) fn new(settings: Settings) -> Self {
        Self {
            settings,
            members: HashMap::new(),
            turns: Default::default(),
            passed_over: [0; CLASSES],
            timers: BTreeMap::new(),
            plugin_shares: HashMap::new(),
            member_shares: HashMap::new(),
            sequence: 0,
            total: Depth::default(),
            shut_down: false,
        }
    }

    /// Changes the entry of `key`, made if it does not exist, and files it anew.
    pub(crate) fn update<R>(&mut self, key: Key, now: Instant, change: impl FnOnce(&mut Entry, &Settings) -> R) -> R {
        let member = self.members.entry(key.member.clone()).or_default();
        let binding = member.bindings.entry(key.plugin.clone()).or_default();
        let target = match binding.entries.get_key_value(&key.target) {
            Some((target, _)) => Arc::clone(target),
            None => Arc::new(key.target),
        };
        let result = change(binding.entries.entry(Arc::clone(&target)).or_default(), &self.settings);
        self.file(&key.member, &key.plugin, &target, now);
        result
    }

    /// Like [`State::update`] but never makes an entry.
    pub(crate) fn update_existing<R>(
        &mut self,
        key: &Key,
        now: Instant,
        change: impl FnOnce(&mut Entry) -> R,
    ) -> Option<R> {
        let binding = self.members.get_mut(&key.member)?.bindings.get_mut(&key.plugin)?;
        let target = Arc::clone(binding.entries.get_key_value(&key.target)?.0);
        let result = binding.entries.get_mut(&target).map(change);
        self.file(&key.member, &key.plugin, &target, now);
        result
    }

    pub(crate) fn entry(&self, key: &Key) -> Option<&Entry> {
        self.members.get(&key.member)?.bindings.get(&key.plugin)?.entries.get(&key.target)
    }

    /// The run of `key` is over.
    pub(crate) fn done(&mut self, key: &Key, now: Instant) {
        let shut_down = self.shut_down;
        let was = self.update_existing(key, now, |entry| {
            if shut_down {
                entry.due = entry.due.filter(|due| *due <= now && entry.held.is_none() && entry.parked.is_none());
            }
            entry.removed = false;
            std::mem::take(&mut entry.running)
        });
        if was != Some(true) {
            return;
        }
        self.total.running -= 1;
        if let Some(member) = self.members.get_mut(&key.member) {
            member.running -= 1;
            if let Some(binding) = member.bindings.get_mut(&key.plugin) {
                binding.depth.running -= 1;
            }
        }
        self.reseat(&key.member, &key.plugin);
    }

    /// Moves an entry to where it ought to be filed, frees it if it is idle, and updates who may take a turn.
    fn file(&mut self, member_name: &MemberName, plugin: &PluginName, target: &Arc<Target>, now: Instant) {
        let Some(member) = self.members.get_mut(member_name) else { return };
        let Some(binding) = member.bindings.get_mut(plugin) else { return };
        let Some(entry) = binding.entries.get_mut(target) else { return };
        entry.open_gates(now);
        let slot = match (entry.wanted(now), entry.slot) {
            (Wanted::Nowhere, Slot::Nowhere) if entry.is_idle() => {
                binding.entries.remove(target);
                return self.reseat(member_name, plugin);
            }
            (Wanted::Nowhere, Slot::Nowhere) => return,
            (Wanted::Nowhere, _) => Slot::Nowhere,
            (Wanted::Timer(at), Slot::Timer(filed, _)) if at == filed => return,
            (Wanted::Ready(priority), Slot::Ready(filed, _)) if priority == filed => return,
            (Wanted::Timer(at), _) => Slot::Timer(at, self.sequence),
            (Wanted::Ready(priority), _) => Slot::Ready(priority, self.sequence),
        };
        self.sequence += 1;
        for (slot, count) in
            [(entry.slot, usize::wrapping_sub as fn(usize, usize) -> usize), (slot, usize::wrapping_add)]
        {
            for depth in [&mut binding.depth, &mut self.total] {
                if let Some(n) = depth.slot(slot) {
                    *n = count(*n, 1);
                }
            }
        }
        match entry.slot {
            Slot::Nowhere => {}
            Slot::Timer(at, number) => drop(self.timers.remove(&(at, number))),
            Slot::Ready(priority, number) => drop(binding.ready[priority as usize].remove(&number)),
        }
        match slot {
            Slot::Nowhere => {}
            Slot::Timer(at, number) => {
                self.timers.insert((at, number), (member_name.clone(), plugin.clone(), Arc::clone(target)));
            }
            Slot::Ready(priority, number) => {
                binding.ready[priority as usize].insert(number, Arc::clone(target));
                if !matches!(entry.slot, Slot::Ready(..)) {
                    entry.ready_at = Some(now);
                }
            }
        }
        entry.slot = slot;
        if entry.is_idle() {
            binding.entries.remove(target);
        }
        self.reseat(member_name, plugin);
    }

    /// Updates whether a binding and its member may take a turn in each priority, and frees what is empty.
    fn reseat(&mut self, member_name: &MemberName, plugin: &PluginName) {
        let Some(member) = self.members.get_mut(member_name) else { return };
        let member_share = self.member_shares.get(member_name).copied().unwrap_or_default();
        let plugin_share = self.plugin_shares.get(plugin).copied().unwrap_or_default();
        let free = member.running < member_share.limit.unwrap_or(self.settings.member_concurrency);
        let mut empty = true;
        if let Some(binding) = member.bindings.get_mut(plugin) {
            let limit = plugin_share.limit.unwrap_or(self.settings.concurrency);
            let below = binding.depth.running < limit as usize;
            for class in 0..CLASSES {
                let eligible = below && !binding.ready[class].is_empty();
                member.turns[class].seat(&mut binding.seats[class], plugin, eligible, plugin_share.weight());
            }
            empty = binding.entries.is_empty();
        }
        for class in 0..CLASSES {
            let eligible = free && !member.turns[class].is_empty();
            self.turns[class].seat(&mut member.seats[class], member_name, eligible, member_share.weight());
        }
        if empty {
            member.bindings.remove(plugin);
            if member.bindings.is_empty() {
                self.members.remove(member_name);
            }
        }
    }

    /// Files as ready what has become due.
    pub(crate) fn fire_timers(&mut self, now: Instant) {
        for _ in 0..TIMERS_PER_CALL {
            let Some((&(at, _), (member, plugin, target))) = self.timers.first_key_value() else { return };
            if at > now {
                return;
            }
            let (member, plugin, target) = (member.clone(), plugin.clone(), Arc::clone(target));
            self.file(&member, &plugin, &target, now);
        }
    }

    pub(crate) fn next_timer(&self) -> Option<Instant> {
        self.timers.first_key_value().map(|(&(at, _), _)| at)
    }

    /// Whether a worker would get a key now.
    pub(crate) fn has_turn(&self) -> bool {
        self.turns.iter().any(|turns| !turns.is_empty())
    }

    /// Whether keys are ready, even if limits keep them waiting.
    pub(crate) fn has_ready(&self) -> bool {
        self.total.ready > 0
    }

    pub(crate) fn has_running(&self) -> bool {
        self.total.running > 0
    }

    /// Hands out the next key.
    pub(crate) fn take(&mut self, now: Instant) -> Option<Taken> {
        self.fire_timers(now);
        let class = self.choose_class()?;
        let member_name = self.turns[class].first()?.clone();
        let member = self.members.get_mut(&member_name)?;
        let plugin = member.turns[class].first()?.clone();
        let binding = member.bindings.get_mut(&plugin)?;
        let target = Arc::clone(binding.ready[class].first_key_value()?.1);
        let weight = |share: Option<&Share>| share.copied().unwrap_or_default().weight();
        self.turns[class].charge(&mut member.seats[class], &member_name, weight(self.member_shares.get(&member_name)));
        member.turns[class].charge(&mut binding.seats[class], &plugin, weight(self.plugin_shares.get(&plugin)));
        member.running += 1;
        binding.depth.running += 1;
        self.total.running += 1;
        let entry = binding.entries.get_mut(&target)?;
        entry.running = true;
        entry.backoff.started(now);
        let taken = Taken {
            key: Key { plugin: plugin.clone(), member: member_name.clone(), target: (*target).clone() },
            priority: entry.priority,
            due: entry.due.take().unwrap_or(now),
            ready_at: entry.ready_at.unwrap_or(now),
            stale: std::mem::take(&mut entry.stale),
        };
        entry.priority = Priority::Low;
        self.file(&member_name, &plugin, &target, now);
        Some(taken)
    }

    /// The highest priority with work, unless a lower one has been passed over long enough.
    fn choose_class(&mut self) -> Option<usize> {
        let patience = self.settings.patience;
        let with_work = |class: &usize| !self.turns[*class].is_empty();
        let highest = (0..CLASSES).rev().find(with_work)?;
        let overdue = (0..highest).rev().filter(with_work).find(|class| self.passed_over[*class] >= patience);
        let chosen = overdue.unwrap_or(highest);
        for class in 0..CLASSES {
            // A count survives moments without work: limits would otherwise reset the wait of a binding that is often full.
            if class == chosen {
                self.passed_over[class] = 0;
            } else if class < highest && !self.turns[class].is_empty() {
                self.passed_over[class] = self.passed_over[class].saturating_add(1);
            }
        }
        Some(chosen)
    }

    /// Drops every waiting key of the bindings that `matches` and marks their running ones; says how many waited.
    pub(crate) fn remove(&mut self, member: Option<&MemberName>, plugin: Option<&PluginName>) -> usize {
        let members: Vec<MemberName> = match member {
            Some(member) => vec![member.clone()],
            None => self.members.keys().cloned().collect(),
        };
        let mut waiting = 0;
        for member_name in &members {
            let Some(member) = self.members.get(member_name) else { continue };
            let plugins: Vec<PluginName> =
                member.bindings.keys().filter(|name| plugin.is_none_or(|p| p == *name)).cloned().collect();
            for plugin in &plugins {
                waiting += self.empty_binding(member_name, plugin);
            }
        }
        waiting
    }

    fn empty_binding(&mut self, member: &MemberName, plugin: &PluginName) -> usize {
        let Some(binding) = self.members.get_mut(member).and_then(|m| m.bindings.get_mut(plugin)) else { return 0 };
        for ready in &mut binding.ready {
            ready.clear();
        }
        binding.entries.retain(|_, entry| {
            if let Slot::Timer(at, number) = entry.slot {
                self.timers.remove(&(at, number));
            }
            entry.remove();
            entry.running
        });
        let depth = binding.depth;
        binding.depth = Depth { running: depth.running, ..Depth::default() };
        self.total.ready -= depth.ready;
        self.total.delayed -= depth.delayed;
        self.reseat(member, plugin);
        depth.ready + depth.delayed
    }

    /// Drops what waits for a time.
    pub(crate) fn drop_delayed(&mut self, now: Instant) {
        self.fire_timers(now);
        let delayed: Vec<_> = self.timers.values().cloned().collect();
        for (member, plugin, target) in delayed {
            let key = Key { plugin, member, target: (*target).clone() };
            self.update_existing(&key, now, |entry| (entry.due, entry.held, entry.parked) = (None, None, None));
        }
    }

    /// Ends the holds of every key of a binding.
    pub(crate) fn lift_binding(&mut self, plugin: &PluginName, member: &MemberName, now: Instant) {
        let Some(binding) = self.members.get_mut(member).and_then(|m| m.bindings.get_mut(plugin)) else { return };
        let held = binding.entries.iter_mut().filter(|(_, entry)| entry.held.is_some());
        let targets: Vec<Arc<Target>> = held
            .map(|(target, entry)| {
                entry.lift(now);
                Arc::clone(target)
            })
            .collect();
        for target in targets {
            self.file(member, plugin, &target, now);
        }
    }

    pub(crate) fn set_plugin(&mut self, plugin: &PluginName, weight: Option<u32>, limit: Option<u32>) {
        let share = self.plugin_shares.entry(plugin.clone()).or_default();
        share.weight = weight.or(share.weight);
        share.limit = limit.or(share.limit);
        let members: Vec<MemberName> = self
            .members
            .iter()
            .filter(|(_, m)| m.bindings.contains_key(plugin))
            .map(|(name, _)| name.clone())
            .collect();
        for member in members {
            self.reseat(&member, plugin);
        }
    }

    pub(crate) fn set_member(&mut self, member: &MemberName, weight: Option<u32>, limit: Option<u32>) {
        let share = self.member_shares.entry(member.clone()).or_default();
        share.weight = weight.or(share.weight);
        share.limit = limit.or(share.limit);
        let plugin = self.members.get(member).and_then(|m| m.bindings.keys().next().cloned());
        if let Some(plugin) = plugin {
            self.reseat(member, &plugin);
        }
    }

    pub(crate) fn forget_plugin(&mut self, plugin: &PluginName) {
        self.plugin_shares.remove(plugin);
    }

    pub(crate) fn forget_member(&mut self, member: &MemberName) {
        self.member_shares.remove(member);
    }

    pub(crate) fn total(&self) -> Depth {
        self.total
    }

    /// Depths of each plugin that has keys, in no order.
    pub(crate) fn depths(&self) -> HashMap<PluginName, Depth> {
        let mut depths: HashMap<PluginName, Depth> = HashMap::new();
        for (plugin, binding) in self.members.values().flat_map(|m| &m.bindings) {
            depths.entry(plugin.clone()).or_default().add(binding.depth);
        }
        depths
    }

    pub(crate) fn binding_depth(&self, plugin: &PluginName, member: &MemberName) -> Depth {
        self.members.get(member).and_then(|m| m.bindings.get(plugin)).map(|b| b.depth).unwrap_or_default()
    }
}
