//! What happens in a soak, and in which order: a function of the seed alone, so that a failing seed replays.

use std::{collections::BTreeMap, time::Duration};

use motet_scenarios::wire::Fault;
use rand::{Rng, SeedableRng, rngs::StdRng, seq::IndexedRandom};

/// Members in a soak.
pub(crate) const MEMBERS: usize = 3;
/// The kinds of which the baseline has one object in each namespace.
pub(crate) const KINDS: [&str; 3] = ["networkpolicies", "resourcequotas", "limitranges"];
/// Things of one sort on one member, at most.
const MANY: usize = 12;

/// Hub or member.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Place {
    Hub,
    Member(usize),
}

/// One thing that happens.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Action {
    /// The way from the host to a cluster changes.
    Wire(Place, Fault),
    /// The connections of the host to a cluster are cut.
    Cut(Place),
    /// The API server stops.
    Pause(Place),
    /// It starts again.
    Resume(Place),
    /// A namespace is created, labelled or not.
    Create(usize, u32, bool),
    /// A namespace gets or loses its label.
    Label(usize, u32, bool),
    /// A namespace is deleted.
    Delete(usize, u32),
    /// Somebody edits an object of the baseline.
    Edit(usize, u32, &'static str),
    /// Somebody deletes one.
    Remove(usize, u32, &'static str),
    /// An EdgeService comes or changes: so many replicas.
    Edge(usize, u32, u32),
    /// An EdgeService is deleted.
    DeleteEdge(usize, u32),
    /// Somebody edits its Deployment.
    EditEdge(usize, u32),
    /// Somebody deletes its Service.
    RemoveEdge(usize, u32),
    /// A member's Secret goes.
    Withdraw(usize),
    /// It comes again.
    Register(usize),
    /// SIGTERM to the host, which is started again.
    Restart,
    /// SIGKILL to the host, which is started again.
    Kill,
    /// Time passes.
    Wait(Duration),
    /// What can be reached is as it should be, and nothing is written.
    Check,
}

/// A cluster as the schedule left it.
#[derive(Debug, Clone)]
pub(crate) struct Cluster {
    pub(crate) up: bool,
    pub(crate) fault: Fault,
}

impl Cluster {
    /// Whether the host can reach it, be it slowly.
    pub(crate) fn reachable(&self) -> bool {
        self.up && !matches!(self.fault, Fault::Refuse | Fault::Hang)
    }
}

/// A member as the schedule left it.
#[derive(Debug, Clone)]
pub(crate) struct Member {
    pub(crate) cluster: Cluster,
    pub(crate) registered: bool,
    /// Namespaces that are not deleted, and whether they are labelled.
    pub(crate) namespaces: BTreeMap<u32, bool>,
    /// EdgeServices and their replicas.
    pub(crate) edges: BTreeMap<u32, u32>,
}

impl Member {
    /// Whether the host has to see to it.
    pub(crate) fn managed(&self) -> bool {
        self.registered && self.cluster.reachable()
    }
}

/// All that the schedule has brought about so far, and what comes next.
pub(crate) struct Schedule {
    random: StdRng,
    pub(crate) hub: Cluster,
    pub(crate) members: Vec<Member>,
    /// Names are never used twice: without a namespace controller a deleted namespace stays for ever.
    names: u32,
    /// Actions until the next check.
    left: u32,
}

impl Schedule {
    pub(crate) fn new(seed: u64) -> Self {
        let cluster = Cluster { up: true, fault: Fault::None };
        let member =
            Member { cluster: cluster.clone(), registered: true, namespaces: BTreeMap::new(), edges: BTreeMap::new() };
        let members = vec![member; MEMBERS];
        Self { random: StdRng::seed_from_u64(seed), hub: cluster, members, names: 0, left: 10 }
    }

    /// The next few actions: one that changes something and a pause, or what leads to a check.
    pub(crate) fn next(&mut self) -> Vec<Action> {
        if self.left == 0 {
            self.left = self.random.random_range(8..20);
            let mut actions = self.heal_hub();
            actions.push(Action::Check);
            return actions;
        }
        self.left -= 1;
        let pause = Duration::from_millis(self.random.random_range(0..600));
        loop {
            if let Some(action) = self.choose() {
                self.apply(&action);
                return vec![action, Action::Wait(pause)];
            }
        }
    }

    /// Everything as it should be, then the last check.
    pub(crate) fn finish(&mut self) -> Vec<Action> {
        let mut actions = self.heal_hub();
        for index in 0..self.members.len() {
            actions.extend(heal(Place::Member(index), &self.members[index].cluster));
            if !self.members[index].registered {
                actions.push(Action::Register(index));
            }
        }
        actions.push(Action::Check);
        actions.iter().for_each(|action| self.apply(action));
        actions
    }

    /// A host that lost its hub goes on with the members it knows, but it learns of no other: the hub is back before a check.
    fn heal_hub(&mut self) -> Vec<Action> {
        let actions = heal(Place::Hub, &self.hub);
        actions.iter().for_each(|action| self.apply(action));
        actions
    }

    /// Something that can be done now, or nothing.
    fn choose(&mut self) -> Option<Action> {
        let index = self.random.random_range(0..MEMBERS);
        let kind = self.random.random_range(0..100);
        let (up, registered) = (self.members[index].cluster.up, self.members[index].registered);
        match kind {
            0..14 => Some(self.fault(index)),
            14..20 => Some(Action::Cut(self.place(index))),
            20..28 => Some(self.power(index)),
            28..34 if self.hub.up => Some(if registered { Action::Withdraw(index) } else { Action::Register(index) }),
            34..36 if self.hub.reachable() => Some(Action::Restart),
            36..38 if self.hub.reachable() => Some(Action::Kill),
            38..74 if up => self.namespace(index),
            74..100 if up => self.edge(index),
            _ => None,
        }
    }

    /// Mostly a member, at times the hub.
    fn place(&mut self, index: usize) -> Place {
        if self.random.random_ratio(1, 6) { Place::Hub } else { Place::Member(index) }
    }

    fn cluster(&mut self, place: Place) -> &mut Cluster {
        match place {
            Place::Hub => &mut self.hub,
            Place::Member(index) => &mut self.members[index].cluster,
        }
    }

    fn fault(&mut self, index: usize) -> Action {
        let place = self.place(index);
        if self.cluster(place).fault != Fault::None && self.random.random_ratio(2, 3) {
            return Action::Wire(place, Fault::None);
        }
        let fault = match self.random.random_range(0..4) {
            0 => Fault::Refuse,
            1 => Fault::Hang,
            2 => Fault::Delay(Duration::from_millis(self.random.random_range(5..150))),
            _ => Fault::Slow(self.random.random_range(150_000..500_000)),
        };
        Action::Wire(place, fault)
    }

    fn power(&mut self, index: usize) -> Action {
        let place = self.place(index);
        if self.cluster(place).up { Action::Pause(place) } else { Action::Resume(place) }
    }

    fn namespace(&mut self, index: usize) -> Option<Action> {
        let all: Vec<(u32, bool)> = self.members[index].namespaces.iter().map(|(name, on)| (*name, *on)).collect();
        let picked = all.choose(&mut self.random).copied();
        let labelled: Vec<u32> = all.iter().filter(|(_, on)| *on).map(|(name, _)| *name).collect();
        let (owner, kind) = (labelled.choose(&mut self.random).copied(), *KINDS.choose(&mut self.random)?);
        match self.random.random_range(0..10) {
            0..3 if all.len() < MANY => Some(Action::Create(index, self.name(), self.random.random_ratio(3, 4))),
            3..5 => picked.map(|(name, on)| Action::Label(index, name, !on)),
            5 => picked.map(|(name, _)| Action::Delete(index, name)),
            6..8 => owner.map(|name| Action::Edit(index, name, kind)),
            8..10 => owner.map(|name| Action::Remove(index, name, kind)),
            _ => None,
        }
    }

    fn edge(&mut self, index: usize) -> Option<Action> {
        let all: Vec<u32> = self.members[index].edges.keys().copied().collect();
        let picked = all.choose(&mut self.random).copied();
        let replicas = self.random.random_range(0..9);
        match self.random.random_range(0..10) {
            0..3 if all.len() < MANY => Some(Action::Edge(index, self.name(), replicas)),
            3..6 => picked.map(|name| Action::Edge(index, name, replicas)),
            6 => picked.map(|name| Action::DeleteEdge(index, name)),
            7 => picked.map(|name| Action::EditEdge(index, name)),
            8..10 => picked.map(|name| Action::RemoveEdge(index, name)),
            _ => None,
        }
    }

    fn name(&mut self) -> u32 {
        self.names += 1;
        self.names
    }

    fn apply(&mut self, action: &Action) {
        match *action {
            Action::Wire(place, fault) => self.cluster(place).fault = fault,
            Action::Pause(place) => self.cluster(place).up = false,
            Action::Resume(place) => self.cluster(place).up = true,
            Action::Create(index, name, on) | Action::Label(index, name, on) => {
                self.members[index].namespaces.insert(name, on);
            }
            Action::Delete(index, name) => {
                self.members[index].namespaces.remove(&name);
            }
            Action::Edge(index, name, replicas) => {
                self.members[index].edges.insert(name, replicas);
            }
            Action::DeleteEdge(index, name) => {
                self.members[index].edges.remove(&name);
            }
            Action::Withdraw(index) => self.members[index].registered = false,
            Action::Register(index) => self.members[index].registered = true,
            _ => {}
        }
    }
}

fn heal(place: Place, cluster: &Cluster) -> Vec<Action> {
    let mut actions = Vec::new();
    if !cluster.up {
        actions.push(Action::Resume(place));
    }
    if cluster.fault != Fault::None {
        actions.push(Action::Wire(place, Fault::None));
    }
    actions
}
