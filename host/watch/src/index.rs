//! Declared indexes of one store: from a value to the names of the objects that have it. They cost memory only while someone
//! declares them, and are kept right with every change of the store.

use std::{
    collections::{BTreeMap, BTreeSet},
    ops::Bound,
};

use motet_core::{ObjectName, PluginName, path};

use crate::entry::Entry;

/// What one name in an index costs beyond its text: its slot in the tree, and the boxes' headers.
const SLOT: usize = 64;

/// What objects are looked up by: each object has any number of values, compared exactly.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Index {
    /// The value of the label with this key.
    Label(Box<str>),
    /// The values at this path of what is stored, as mappings by path read them.
    Path(Box<str>),
    /// The key that the owner annotation of this plugin names, in text form.
    Owner(PluginName),
}

impl Index {
    /// Every value of an object. The same entry always has the same values: what was put in is found again to be taken out.
    fn values(&self, entry: &Entry) -> Vec<Box<str>> {
        match self {
            Index::Label(key) => entry.label(key).map(Into::into).into_iter().collect(),
            Index::Path(path) => {
                path::values_at(&entry.body.json(), path).unwrap_or_default().into_iter().map(Into::into).collect()
            }
            Index::Owner(plugin) => entry.owner(plugin).map(|(key, _)| key.to_string().into()).into_iter().collect(),
        }
    }

    /// Whether an object has a value.
    pub(crate) fn has(&self, entry: &Entry, value: &str) -> bool {
        match self {
            Index::Label(key) => entry.label(key) == Some(value),
            _ => self.values(entry).iter().any(|v| **v == *value),
        }
    }
}

#[derive(Debug)]
struct Indexed {
    index: Index,
    /// Tells it from an earlier index by the same thing, which may still be being filled.
    id: u64,
    users: usize,
    /// Every object of the store is in it.
    complete: bool,
    values: BTreeMap<Box<str>, BTreeSet<ObjectName>>,
}

impl Indexed {
    /// Bytes that this added.
    fn add(&mut self, name: &ObjectName, entry: &Entry) -> usize {
        let mut bytes = 0;
        for value in self.index.values(entry) {
            if self.values.entry(value).or_default().insert(name.clone()) {
                bytes += cost(name);
            }
        }
        bytes
    }

    /// Bytes that this freed.
    fn remove(&mut self, name: &ObjectName, entry: &Entry) -> usize {
        let mut bytes = 0;
        for value in self.index.values(entry) {
            let Some(names) = self.values.get_mut(&value) else { continue };
            if names.remove(name) {
                bytes += cost(name);
            }
            if names.is_empty() {
                self.values.remove(&value);
            }
        }
        bytes
    }
}

/// All indexes of a store.
#[derive(Debug, Default)]
pub(crate) struct Indexes {
    all: Vec<Indexed>,
    last_id: u64,
    bytes: usize,
}

impl Indexes {
    /// Bytes held.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    /// One more user; the index's number if it is new and has to be filled.
    pub(crate) fn declare(&mut self, index: &Index) -> Option<u64> {
        if let Some(known) = self.all.iter_mut().find(|i| i.index == *index) {
            known.users += 1;
            return None;
        }
        self.last_id += 1;
        let (index, id) = (index.clone(), self.last_id);
        self.all.reserve_exact(1);
        self.all.push(Indexed { index, id, users: 1, complete: false, values: BTreeMap::new() });
        Some(id)
    }

    /// One user less; the last frees it.
    pub(crate) fn release(&mut self, index: &Index) {
        let Some(at) = self.all.iter().position(|i| i.index == *index) else { return };
        self.all[at].users -= 1;
        if self.all[at].users == 0 {
            let gone = self.all.swap_remove(at);
            self.bytes -= gone.values.values().flatten().map(cost).sum::<usize>();
        }
    }

    /// An object is in the store now.
    pub(crate) fn add(&mut self, name: &ObjectName, entry: &Entry) {
        for index in &mut self.all {
            self.bytes += index.add(name, entry);
        }
    }

    /// An object is in the store no more.
    pub(crate) fn remove(&mut self, name: &ObjectName, entry: &Entry) {
        for index in &mut self.all {
            self.bytes -= index.remove(name, entry);
        }
    }

    /// Adds objects that were there before index `id` was declared; false if nobody wants it any more.
    pub(crate) fn fill<'e>(&mut self, id: u64, objects: impl Iterator<Item = (ObjectName, &'e Entry)>) -> bool {
        let Some(index) = self.all.iter_mut().find(|i| i.id == id) else { return false };
        for (name, entry) in objects {
            self.bytes += index.add(&name, entry);
        }
        true
    }

    /// Everything is in index `id`.
    pub(crate) fn complete(&mut self, id: u64) {
        if let Some(index) = self.all.iter_mut().find(|i| i.id == id) {
            index.complete = true;
        }
    }

    /// The store was emptied; the declarations stay.
    pub(crate) fn clear(&mut self) {
        self.all.iter_mut().for_each(|index| index.values.clear());
        self.bytes = 0;
    }

    /// How many objects have a value; `None` if there is no such index, or it is not complete.
    pub(crate) fn count(&self, index: &Index, value: &str) -> Option<usize> {
        let known = self.all.iter().find(|i| i.index == *index && i.complete)?;
        Some(known.values.get(value).map_or(0, BTreeSet::len))
    }

    /// The names of the objects with a value, of one namespace or all, after `after`, in the order of the store; `None` as for
    /// [`count`](Self::count).
    pub(crate) fn names<'s>(
        &'s self,
        index: &Index,
        value: &str,
        namespace: Option<&'s str>,
        after: Option<&ObjectName>,
    ) -> Option<impl Iterator<Item = &'s ObjectName> + use<'s>> {
        let known = self.all.iter().find(|i| i.index == *index && i.complete)?;
        let first = namespace.map(|namespace| ObjectName::namespaced(namespace, ""));
        let from = match (first, after) {
            (Some(first), Some(after)) if *after < first => Bound::Included(first),
            (_, Some(after)) => Bound::Excluded(after.clone()),
            (Some(first), None) => Bound::Included(first),
            (None, None) => Bound::Unbounded,
        };
        let names =
            known.values.get(value).into_iter().flat_map(move |names| names.range((from.clone(), Bound::Unbounded)));
        Some(names.take_while(move |name| namespace.is_none_or(|ns| name.namespace.as_deref() == Some(ns))))
    }
}

fn cost(name: &ObjectName) -> usize {
    SLOT + name.name.len() + name.namespace.as_deref().map_or(0, str::len)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use motet_core::Meta;
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;
    use crate::{
        body::{Body, Sample},
        entry::Shared,
        store::Store,
    };

    const NAMES: [&str; 7] = ["a", "b", "m/a", "m/b", "n/a", "n/b", "n/c"];
    const VALUES: [&str; 4] = ["0", "1", "n/k0", "n/k1"];

    fn indexes() -> [Index; 3] {
        let plugin = PluginName::new("p").unwrap();
        [Index::Label("tier".into()), Index::Path("/spec/nodes/*/name".into()), Index::Owner(plugin)]
    }

    fn name(at: usize) -> ObjectName {
        ObjectName::parse(NAMES[at]).unwrap()
    }

    /// An object with a label, two values at the path (maybe the same) and an owner; 2 stands for none.
    fn entry((tier, nodes, owner): (u8, [u8; 2], u8)) -> Arc<Entry> {
        let mut object = json!({"metadata": {"name": "x", "labels": {}, "annotations": {}},
            "spec": {"nodes": nodes.iter().filter(|n| **n < 2).map(|n| json!({"name": n.to_string()})).collect::<Vec<_>>()}});
        if tier < 2 {
            object["metadata"]["labels"]["tier"] = tier.to_string().into();
        }
        if owner < 2 {
            object["metadata"]["annotations"]["owner.motet.dev/p"] = format!("n/k{owner}#s").into();
        }
        let json = object.to_string().into_bytes();
        let meta = Meta::scan(&json).unwrap();
        let body = Body::new(json.clone(), 64, &Sample::of(&json));
        Arc::new(Entry::new(&json, &meta, body, 0, &mut Shared::default()))
    }

    #[derive(Debug, Clone)]
    enum Step {
        Put(usize, (u8, [u8; 2], u8)),
        Remove(usize),
        Declare(usize),
        Release(usize),
        /// One chunk of whatever is being filled.
        Fill,
        Clear,
    }

    fn steps() -> impl Strategy<Value = Vec<Step>> {
        let object = || (0..3u8, [0..3u8, 0..3u8], 0..3u8);
        let step = prop_oneof![
            8 => (0..NAMES.len(), object()).prop_map(|(at, object)| Step::Put(at, object)),
            3 => (0..NAMES.len()).prop_map(Step::Remove),
            3 => (0..3usize).prop_map(Step::Declare),
            2 => (0..3usize).prop_map(Step::Release),
            6 => Just(Step::Fill),
            1 => Just(Step::Clear),
        ];
        prop::collection::vec(step, 1..60)
    }

    #[derive(Default)]
    struct Run {
        store: Store,
        users: [usize; 3],
        filling: Vec<(u64, Option<ObjectName>)>,
    }

    impl Run {
        fn step(&mut self, step: Step) {
            match step {
                Step::Put(at, object) => drop(self.store.insert(&name(at), entry(object))),
                Step::Remove(at) => drop(self.store.remove(&name(at))),
                Step::Declare(at) => {
                    self.users[at] += 1;
                    let id = self.store.indexes.declare(&indexes()[at]);
                    self.filling.extend(id.map(|id| (id, None)));
                }
                Step::Release(at) if self.users[at] > 0 => {
                    self.users[at] -= 1;
                    self.store.indexes.release(&indexes()[at]);
                }
                Step::Release(_) => {}
                Step::Fill => {
                    let filling = std::mem::take(&mut self.filling);
                    for (id, after) in filling {
                        let next = self.store.fill(id, after.as_ref(), 2);
                        self.filling.extend(next.map(|next| (id, Some(next))));
                    }
                }
                Step::Clear => drop(self.store.clear()),
            }
        }

        /// Every look-up, indexed or not, is what a scan of everything finds.
        fn check(&self) {
            let places = [None, Some("m"), Some("n"), Some("o")];
            let afters: Vec<_> = std::iter::once(None).chain((0..NAMES.len()).map(|at| Some(name(at)))).collect();
            for (index, users) in indexes().iter().zip(self.users) {
                for value in VALUES {
                    let count = self.store.indexes.count(index, value);
                    assert!(count.is_none() || users > 0);
                    assert!(count.is_some() || users == 0 || !self.filling.is_empty());
                    let all = self.store.page(None, None, usize::MAX, |entry| index.has(entry, value)).0;
                    assert!(count.is_none_or(|count| count == all.len()));
                    for (namespace, after) in places.iter().flat_map(|place| afters.iter().map(move |a| (*place, a))) {
                        let names = |(page, more): (Vec<(ObjectName, Arc<Entry>)>, bool)| {
                            (page.into_iter().map(|(name, _)| name).collect::<Vec<_>>(), more)
                        };
                        let scan = self.store.page(namespace, after.as_ref(), 2, |entry| index.has(entry, value));
                        let by = self.store.page_by((index, value), namespace, after.as_ref(), 2, |_| true);
                        assert_eq!(names(by), names(scan), "{index:?} {value} in {namespace:?} after {after:?}");
                    }
                }
            }
            if self.users == [0; 3] {
                assert_eq!(self.store.indexes.bytes(), 0, "nobody declares anything");
            }
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 40, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn an_index_finds_what_a_scan_finds(steps in steps()) {
            let mut run = Run::default();
            for step in steps {
                run.step(step);
                run.check();
            }
        }
    }

    #[test]
    fn an_index_declared_anew_does_not_trust_what_was_filled_before() {
        let mut run = Run::default();
        (0..NAMES.len()).for_each(|at| run.step(Step::Put(at, (0, [0, 1], 0))));
        for step in [Step::Declare(0), Step::Fill, Step::Fill, Step::Fill, Step::Release(0), Step::Declare(0)] {
            run.step(step);
        }
        let [(old, after), (new, None)] = &run.filling[..] else { panic!() };
        let (old, after, new) = (*old, after.clone(), *new);
        assert_eq!((run.store.fill(old, after.as_ref(), 2), old == new), (None, false));
        assert_eq!(run.store.indexes.count(&indexes()[0], "0"), None);
        run.filling = vec![(new, None)];
        (0..4).for_each(|_| run.step(Step::Fill));
        assert_eq!(run.store.indexes.count(&indexes()[0], "0"), Some(NAMES.len()));
        assert!(run.store.indexes.bytes() > NAMES.len() * SLOT);
    }
}
