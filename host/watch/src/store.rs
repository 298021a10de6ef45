//! The objects of one cache, ordered by namespace and name, with the indexes that are declared over them.

use std::{collections::BTreeMap, ops::Bound, sync::Arc};

use motet_core::ObjectName;

use crate::{
    entry::Entry,
    index::{Index, Indexes},
};

/// What one object costs beyond its entry: its slot in the tree (nodes are about half full) and its reference count.
const SLOT: usize = 64;

type Names = BTreeMap<Box<str>, Arc<Entry>>;

/// See the module. Cluster-scoped objects live in the namespace "".
#[derive(Debug, Default)]
pub(crate) struct Store {
    namespaces: BTreeMap<Box<str>, Names>,
    pub(crate) indexes: Indexes,
    objects: usize,
    bytes: usize,
}

/// An object together with where it is.
pub(crate) type Named = (ObjectName, Arc<Entry>);

impl Store {
    pub(crate) fn len(&self) -> usize {
        self.objects
    }

    pub(crate) fn bytes(&self) -> usize {
        self.bytes + self.indexes.bytes()
    }

    pub(crate) fn get(&self, name: &ObjectName) -> Option<&Arc<Entry>> {
        self.namespaces.get(name.namespace.as_deref().unwrap_or_default())?.get(&name.name)
    }

    /// Puts an object in; gives back what was there.
    pub(crate) fn insert(&mut self, name: &ObjectName, entry: Arc<Entry>) -> Option<Arc<Entry>> {
        let old = self.remove(name);
        self.objects += 1;
        self.bytes += cost(name, &entry);
        self.indexes.add(name, &entry);
        let namespace = name.namespace.clone().unwrap_or_default();
        self.namespaces.entry(namespace).or_default().insert(name.name.clone(), entry);
        old
    }

    pub(crate) fn remove(&mut self, name: &ObjectName) -> Option<Arc<Entry>> {
        let namespace = name.namespace.as_deref().unwrap_or_default();
        let names = self.namespaces.get_mut(namespace)?;
        let entry = names.remove(&name.name)?;
        if names.is_empty() {
            self.namespaces.remove(namespace);
        }
        self.objects -= 1;
        self.bytes -= cost(name, &entry);
        self.indexes.remove(name, &entry);
        Some(entry)
    }

    /// Takes everything out; what indexes were declared stays.
    pub(crate) fn clear(&mut self) -> impl Drop + use<> {
        self.indexes.clear();
        (self.objects, self.bytes) = (0, 0);
        std::mem::take(&mut self.namespaces)
    }

    /// Takes out what the list `mark` did not mention.
    pub(crate) fn sweep(&mut self, mark: u32) -> Vec<Named> {
        let unmarked: Vec<ObjectName> = self
            .iter_after(None, None)
            .filter(|(.., entry)| !entry.marked(mark))
            .map(|(ns, name, _)| place(ns, name))
            .collect();
        unmarked.into_iter().filter_map(|name| self.remove(&name).map(|entry| (name, entry))).collect()
    }

    /// Objects after `after` in order, of one namespace or all.
    fn iter_after<'s>(
        &'s self,
        namespace: Option<&'s str>,
        after: Option<&'s ObjectName>,
    ) -> impl Iterator<Item = (&'s str, &'s str, &'s Arc<Entry>)> {
        let after = after.map(|name| (name.namespace.as_deref().unwrap_or_default(), &*name.name));
        let first = match (namespace, after) {
            (Some(namespace), _) => Bound::Included(namespace),
            (None, Some((namespace, _))) => Bound::Included(namespace),
            (None, None) => Bound::Unbounded,
        };
        let last = namespace.map_or(Bound::Unbounded, Bound::Included);
        self.namespaces.range::<str, _>((first, last)).flat_map(move |(namespace, names)| {
            let start = match after {
                Some((ns, name)) if *ns == **namespace => Bound::Excluded(name),
                Some((ns, _)) if *ns > **namespace => Bound::Excluded("\u{10ffff}"),
                _ => Bound::Unbounded,
            };
            names.range::<str, _>((start, Bound::Unbounded)).map(|(name, entry)| (&**namespace, &**name, entry))
        })
    }

    /// At most `limit` objects after `after` that `matches`, and whether more objects follow.
    pub(crate) fn page(
        &self,
        namespace: Option<&str>,
        after: Option<&ObjectName>,
        limit: usize,
        matches: impl Fn(&Entry) -> bool,
    ) -> (Vec<Named>, bool) {
        let mut matching = self.iter_after(namespace, after).filter(|(.., entry)| matches(entry));
        let page =
            matching.by_ref().take(limit).map(|(ns, name, entry)| (place(ns, name), Arc::clone(entry))).collect();
        (page, matching.next().is_some())
    }

    /// Like [`page`](Self::page), over the objects that have `value` in `index`.
    pub(crate) fn page_by(
        &self,
        (index, value): (&Index, &str),
        namespace: Option<&str>,
        after: Option<&ObjectName>,
        limit: usize,
        matches: impl Fn(&Entry) -> bool,
    ) -> (Vec<Named>, bool) {
        let Some(names) = self.indexes.names(index, value, namespace, after) else {
            return self.page(namespace, after, limit, |entry| index.has(entry, value) && matches(entry));
        };
        let mut matching = names.filter_map(|name| Some((name, self.get(name)?))).filter(|(_, entry)| matches(entry));
        let page = matching.by_ref().take(limit).map(|(name, entry)| (name.clone(), Arc::clone(entry))).collect();
        (page, matching.next().is_some())
    }

    /// Puts the next `limit` objects after `after` into index `id`; the name to go on after, until all are in.
    pub(crate) fn fill(&mut self, id: u64, after: Option<&ObjectName>, limit: usize) -> Option<ObjectName> {
        let (page, more) = self.page(None, after, limit, |_| true);
        let wanted = self.indexes.fill(id, page.iter().map(|(name, entry)| (name.clone(), &**entry)));
        if !more {
            self.indexes.complete(id);
        }
        page.into_iter().next_back().map(|(name, _)| name).filter(|_| wanted && more)
    }
}

fn place(namespace: &str, name: &str) -> ObjectName {
    ObjectName { namespace: (!namespace.is_empty()).then(|| namespace.into()), name: name.into() }
}

fn cost(name: &ObjectName, entry: &Entry) -> usize {
    SLOT + name.name.len() + entry.size()
}
