//! Owns a cluster's objects and their recent history: one version counter, one shelf per resource, all under one lock.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::ops::Bound;
use std::sync::Arc;

use bytes::Bytes;
use serde_json::Value;
use tokio::sync::watch;

use crate::access::rbac::CLUSTER_ROLES;
use crate::object;
use crate::resources::{BUILTINS, Resource};

/// Where an object lies on its shelf; the namespace is empty for cluster-scoped kinds.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Key {
    pub(crate) namespace: Box<str>,
    pub(crate) name: Box<str>,
}

impl Key {
    pub(crate) fn new(namespace: &str, name: &str) -> Self {
        Self { namespace: namespace.into(), name: name.into() }
    }
}

/// An object as it is kept: its JSON without apiVersion and kind, which differ by the version it is read in.
#[derive(Debug)]
pub(crate) struct Stored {
    pub(crate) key: Key,
    pub(crate) version: u64,
    pub(crate) uid: Box<str>,
    pub(crate) owners: Box<[Box<str>]>,
    pub(crate) body: Bytes,
    /// What reading fills in was not kept yet, so that the next write keeps it even if it changes nothing.
    pub(crate) raw: bool,
}

impl Stored {
    /// The object as a value, without apiVersion and kind.
    pub(crate) fn value(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }
}

/// What happened to an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Change {
    Added,
    Modified,
    Deleted,
}

/// One change, in the order of versions.
#[derive(Debug, Clone)]
pub(crate) struct Event {
    pub(crate) change: Change,
    pub(crate) object: Arc<Stored>,
    /// What was there before.
    pub(crate) before: Option<Arc<Stored>>,
}

/// All objects of one resource.
#[derive(Debug)]
pub(crate) struct Shelf {
    pub(crate) objects: BTreeMap<Key, Arc<Stored>>,
    events: VecDeque<Event>,
    /// Changes up to this version are no longer known.
    floor: u64,
    /// The version of the last change; what watches wait on.
    tip: watch::Sender<u64>,
}

impl Default for Shelf {
    fn default() -> Self {
        Self { objects: BTreeMap::new(), events: VecDeque::new(), floor: 0, tip: watch::Sender::new(0) }
    }
}

/// Work for the reaper, in the order it came up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Chore {
    /// The owner with this UID is gone: see to its dependents.
    OwnerGone(Box<str>),
    /// An object names owners: check that they exist.
    CheckOwners(Arc<str>, Key),
    /// An owner with this UID waits for its dependents, to be deleted or to be let go.
    Dependents(Box<str>),
    /// The namespace is terminating or one of its objects went.
    Namespace(Box<str>),
    /// The CustomResourceDefinition is terminating or one of its objects went.
    Definition(Box<str>),
    /// A ClusterRole changed: others may be made of it.
    Aggregate,
}

/// Everything a cluster holds.
#[derive(Debug)]
pub(crate) struct State {
    version: u64,
    shelves: HashMap<Arc<str>, Shelf>,
    /// Who names an owner, by the owner's UID.
    dependents: HashMap<Box<str>, BTreeSet<(Arc<str>, Key)>>,
    /// Custom resources by `plural.group`.
    pub(crate) customs: BTreeMap<String, Arc<Resource>>,
    pub(crate) chores: VecDeque<Chore>,
    /// Owners that wait for their dependents, by UID.
    pub(crate) waiting: HashMap<Box<str>, (Arc<str>, Key)>,
    /// Namespaces and definitions whose contents are being deleted.
    pub(crate) terminating: BTreeSet<Box<str>>,
    history: usize,
    /// Changes up to this version are no longer known of any resource.
    floor: u64,
    /// Raised when history is thrown away on request; open watches then end.
    pub(crate) expiries: u64,
}

/// What a range of history can tell.
pub(crate) enum Since {
    Events(Vec<Event>),
    /// Part of it is no longer known; the oldest version that can be resumed from.
    Expired(u64),
}

impl State {
    /// An empty cluster that remembers `history` changes per resource.
    pub(crate) fn new(history: usize) -> Self {
        Self {
            version: 1,
            shelves: HashMap::new(),
            dependents: HashMap::new(),
            customs: BTreeMap::new(),
            chores: VecDeque::new(),
            waiting: HashMap::new(),
            terminating: BTreeSet::new(),
            history,
            floor: 0,
            expiries: 0,
        }
    }

    /// How many changes per resource are remembered.
    pub(crate) fn history(&self) -> usize {
        self.history
    }

    /// The version of the last change anywhere.
    pub(crate) fn version(&self) -> u64 {
        self.version
    }

    /// The resource of that group and plural, if the cluster serves it.
    pub(crate) fn resource(&self, group: &str, plural: &str) -> Option<Arc<Resource>> {
        let builtin = BUILTINS.iter().find(|r| r.group == group && r.plural == plural);
        builtin.or_else(|| self.customs.get(&format!("{plural}.{group}"))).cloned()
    }

    /// The resource of that group and kind, if the cluster serves it.
    pub(crate) fn resource_of_kind(&self, group: &str, kind: &str) -> Option<Arc<Resource>> {
        let all = BUILTINS.iter().chain(self.customs.values());
        all.into_iter().find(|r| r.group == group && r.kind == kind).cloned()
    }

    /// Every resource, built-in first.
    pub(crate) fn resources(&self) -> Vec<Arc<Resource>> {
        BUILTINS.iter().chain(self.customs.values()).cloned().collect()
    }

    pub(crate) fn get(&self, shelf: &str, key: &Key) -> Option<Arc<Stored>> {
        self.shelves.get(shelf).and_then(|s| s.objects.get(key)).cloned()
    }

    /// Objects of a namespace (all if it is empty) from a key on, in order.
    pub(crate) fn range<'a>(
        &'a self,
        shelf: &str,
        namespace: &'a str,
        after: Option<&Key>,
    ) -> impl Iterator<Item = &'a Arc<Stored>> + use<'a> {
        let from = match after {
            Some(key) => Bound::Excluded(key.clone()),
            None => Bound::Included(Key::new(namespace, "")),
        };
        let range = self.shelves.get(shelf).map(|s| s.objects.range((from, Bound::Unbounded)));
        let inside = move |key: &Key| namespace.is_empty() || *key.namespace == *namespace;
        range.into_iter().flatten().take_while(move |(key, _)| inside(key)).map(|(_, stored)| stored)
    }

    /// Puts an object on its shelf under the next version, which is written into it. Apart from that it is stored as given.
    pub(crate) fn put(&mut self, resource: &Resource, mut value: Value) -> Arc<Stored> {
        self.version += 1;
        let version = self.version;
        let key = Key::new(object::meta(&value, "namespace"), object::meta(&value, "name"));
        object::set_meta(&mut value, "resourceVersion", Some(version.to_string().into()));
        let owners: Box<[Box<str>]> =
            object::owners(&value).iter().filter_map(|o| o.get("uid")?.as_str()).map(Into::into).collect();
        let uid = object::meta(&value, "uid").into();
        let shelf = self.shelves.entry(resource.shelf.clone()).or_default();
        let raw = !shelf.objects.contains_key(&key) && is_raw(resource, &value);
        let stored = Arc::new(Stored { key: key.clone(), version, uid, owners, body: encode(value), raw });
        let before = shelf.objects.insert(key.clone(), stored.clone());
        let change = if before.is_some() { Change::Modified } else { Change::Added };
        self.index(resource, before.as_deref(), Some(&stored));
        if before.as_ref().is_none_or(|b| b.owners != stored.owners) && !stored.owners.is_empty() {
            self.chores.push_back(Chore::CheckOwners(resource.shelf.clone(), key));
        }
        if &*resource.shelf == CLUSTER_ROLES {
            self.push_once(Chore::Aggregate);
        }
        self.record(&resource.shelf, Event { change, object: stored.clone(), before });
        stored
    }

    /// Takes an object away; what is returned and told to watches carries the version of its deletion.
    pub(crate) fn remove(&mut self, resource: &Resource, key: &Key) -> Option<Arc<Stored>> {
        let before = self.shelves.get_mut(&resource.shelf)?.objects.remove(key)?;
        self.version += 1;
        let stored = Arc::new(restamp(&before, self.version));
        self.index(resource, Some(&before), None);
        if self.dependents.contains_key(&before.uid) {
            self.chores.push_back(Chore::OwnerGone(before.uid.clone()));
        }
        for owner in before.owners.iter().filter(|owner| self.waiting.contains_key(*owner)) {
            self.chores.push_back(Chore::Dependents(owner.clone()));
        }
        self.waiting.remove(&before.uid);
        if self.terminating.contains(&key.namespace) {
            self.push_once(Chore::Namespace(key.namespace.clone()));
        }
        if self.terminating.contains(&*resource.shelf) {
            self.push_once(Chore::Definition((*resource.shelf).into()));
        }
        if &*resource.shelf == CLUSTER_ROLES {
            self.push_once(Chore::Aggregate);
        }
        self.record(&resource.shelf, Event { change: Change::Deleted, object: stored.clone(), before: Some(before) });
        Some(stored)
    }

    /// One look at what terminates covers any number of objects that went before it.
    fn push_once(&mut self, chore: Chore) {
        if self.chores.back() != Some(&chore) {
            self.chores.push_back(chore);
        }
    }

    /// Who names this UID as an owner.
    pub(crate) fn dependents(&self, uid: &str) -> Vec<(Arc<str>, Key)> {
        self.dependents.get(uid).into_iter().flatten().cloned().collect()
    }

    fn index(&mut self, resource: &Resource, before: Option<&Stored>, after: Option<&Stored>) {
        for uid in before.iter().flat_map(|s| s.owners.iter()) {
            let key = before.map(|b| b.key.clone());
            if let (Some(set), Some(key)) = (self.dependents.get_mut(uid), key) {
                set.remove(&(resource.shelf.clone(), key));
                if set.is_empty() {
                    self.dependents.remove(uid);
                }
            }
        }
        if let Some(stored) = after {
            for uid in &stored.owners {
                let set = self.dependents.entry(uid.clone()).or_default();
                set.insert((resource.shelf.clone(), stored.key.clone()));
            }
        }
    }

    fn record(&mut self, shelf: &Arc<str>, event: Event) {
        let (version, history) = (event.object.version, self.history);
        let shelf = self.shelves.entry(shelf.clone()).or_default();
        shelf.events.push_back(event);
        while shelf.events.len() > history {
            if let Some(old) = shelf.events.pop_front() {
                shelf.floor = old.object.version;
            }
        }
        shelf.tip.send_replace(version);
    }

    /// Changes of a resource after `version`, at most `most`.
    pub(crate) fn since(&self, shelf: &str, version: u64, most: usize) -> Since {
        if version < self.floor {
            return Since::Expired(self.floor);
        }
        let Some(shelf) = self.shelves.get(shelf) else { return Since::Events(Vec::new()) };
        if version < shelf.floor {
            return Since::Expired(shelf.floor);
        }
        let from = shelf.events.partition_point(|e| e.object.version <= version);
        Since::Events(shelf.events.range(from..).take(most).cloned().collect())
    }

    /// The version of the last change on a shelf.
    pub(crate) fn tip(&self, shelf: &str) -> u64 {
        self.shelves.get(shelf).map_or(0, |shelf| *shelf.tip.borrow())
    }

    /// Makes the watches of a shelf look again although nothing changed on it.
    pub(crate) fn wake(&mut self, shelf: &str) {
        if let Some(shelf) = self.shelves.get_mut(shelf) {
            shelf.tip.send_replace(self.version);
        }
    }

    /// Tells when a resource changes.
    pub(crate) fn subscribe(&mut self, shelf: &Arc<str>) -> watch::Receiver<u64> {
        self.shelves.entry(shelf.clone()).or_default().tip.subscribe()
    }

    /// The objects of a shelf as they were at `version`; `None` if that is no longer known.
    pub(crate) fn at(&self, shelf: &str, version: u64) -> Option<BTreeMap<Key, Arc<Stored>>> {
        if version < self.floor {
            return None;
        }
        let Some(shelf) = self.shelves.get(shelf) else { return Some(BTreeMap::new()) };
        if version < shelf.floor {
            return None;
        }
        let mut objects = shelf.objects.clone();
        for event in shelf.events.iter().rev().take_while(|e| e.object.version > version) {
            match &event.before {
                Some(before) => objects.insert(before.key.clone(), before.clone()),
                None => objects.remove(&event.object.key),
            };
        }
        Some(objects)
    }

    /// Forgets all changes: watches and pages from older versions get 410.
    pub(crate) fn forget_history(&mut self) {
        let version = self.version;
        self.floor = version;
        self.expiries += 1;
        for shelf in self.shelves.values_mut() {
            shelf.events.clear();
            shelf.floor = version;
            shelf.tip.send_replace(version);
        }
    }
}

/// An object as a dry run answers it: never put on a shelf.
pub(crate) fn pretend(version: u64, value: Value) -> Stored {
    let key = Key::new(object::meta(&value, "namespace"), object::meta(&value, "name"));
    let uid = object::meta(&value, "uid").into();
    Stored { key, version, uid, owners: Box::default(), body: encode(value), raw: false }
}

/// The same object with another version.
pub(crate) fn restamp(stored: &Stored, version: u64) -> Stored {
    let mut value = stored.value();
    object::set_meta(&mut value, "resourceVersion", Some(version.to_string().into()));
    Stored {
        key: stored.key.clone(),
        version,
        uid: stored.uid.clone(),
        owners: stored.owners.clone(),
        body: encode(value),
        raw: stored.raw,
    }
}

/// Defaults that a kube-apiserver takes away from new objects and fills in again whenever it reads them: the phase of a claim,
/// the labels of a job.
fn is_raw(resource: &Resource, value: &Value) -> bool {
    match &*resource.shelf {
        "persistentvolumeclaims." => true,
        "jobs.batch" => value["spec"]["manualSelector"] != true,
        _ => false,
    }
}

fn encode(mut value: Value) -> Bytes {
    if let Some(map) = value.as_object_mut() {
        map.remove("apiVersion");
        map.remove("kind");
    }
    // A value of JSON types always encodes; an empty object would be the worst that could come out.
    serde_json::to_vec(&value).map(Bytes::from).unwrap_or_else(|_| Bytes::from_static(b"{}"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn maps() -> Arc<Resource> {
        BUILTINS.iter().find(|r| r.plural == "configmaps").unwrap().clone()
    }

    fn object(name: &str, data: &str) -> Value {
        json!({"metadata": {"namespace": "d", "name": name}, "data": {"a": data}})
    }

    #[test]
    fn the_past_is_rebuilt_from_changes() {
        let (mut state, maps) = (State::new(10), maps());
        state.put(&maps, object("a", "1"));
        let then = state.put(&maps, object("b", "1")).version;
        state.put(&maps, object("a", "2"));
        state.put(&maps, object("c", "1"));
        state.remove(&maps, &Key::new("d", "b"));
        let past = state.at(&maps.shelf, then).unwrap();
        assert_eq!(past.keys().map(|k| &*k.name).collect::<Vec<_>>(), ["a", "b"]);
        assert_eq!(past[&Key::new("d", "a")].value()["data"]["a"], "1");
    }

    #[test]
    fn history_is_bounded_and_says_so() {
        let (mut state, maps) = (State::new(3), maps());
        let versions: Vec<u64> = (0..6).map(|i| state.put(&maps, object("a", &i.to_string())).version).collect();
        assert!(matches!(state.since(&maps.shelf, versions[1], 9), Since::Expired(_)));
        assert!(state.at(&maps.shelf, versions[1]).is_none());
        let Since::Events(events) = state.since(&maps.shelf, versions[2], 9) else { panic!("expired") };
        assert_eq!(events.iter().map(|e| e.object.version).collect::<Vec<_>>(), versions[3..]);
    }

    #[test]
    fn a_deletion_has_a_version_of_its_own() {
        let (mut state, maps) = (State::new(3), maps());
        let put = state.put(&maps, object("a", "1"));
        let gone = state.remove(&maps, &Key::new("d", "a")).unwrap();
        assert!(gone.version > put.version);
        assert_eq!(gone.value()["metadata"]["resourceVersion"], gone.version.to_string());
    }
}
