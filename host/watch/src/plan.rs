//! What a subscriber does with a kind, whichever member it is of: compiled once, shared by all members that have it.

use std::{
    borrow::Cow,
    cell::OnceCell,
    collections::{HashMap, HashSet},
    fmt,
    sync::{Arc, Weak},
};

use motet_core::{
    ObjectName, PluginName, Target,
    description::Trigger,
    path::{InvalidPath, Projection},
    selector::Selector,
};
use parking_lot::Mutex;

use crate::{Map, SubscribeSpec, entry::Entry};

/// Which changes count.
#[derive(Debug, PartialEq)]
enum Counts {
    Any,
    Generation,
    Paths(Projection),
}

/// See the module.
#[derive(Debug, PartialEq)]
pub(crate) struct Plan {
    pub(crate) plugin: PluginName,
    /// What it sees of an object.
    pub(crate) own: Projection,
    /// What the store must hold for it: what it sees, what its trigger compares and what its mapping reads.
    pub(crate) needed: Projection,
    /// Which objects it sees; all, where the stream selects them already.
    selector: Selector,
    counts: Counts,
    pub(crate) map: Map,
}

/// An entry whose JSON is unpacked at most once.
pub(crate) struct View<'e> {
    pub(crate) entry: &'e Entry,
    json: OnceCell<Cow<'e, [u8]>>,
}

impl<'e> View<'e> {
    pub(crate) fn new(entry: &'e Entry) -> Self {
        Self { entry, json: OnceCell::new() }
    }

    fn json(&self) -> &[u8] {
        self.json.get_or_init(|| self.entry.body.json())
    }
}

impl Plan {
    /// Compiles what a subscriber asks for; `selected` if the cache's own stream selects its labels.
    fn new(spec: &SubscribeSpec, selected: bool) -> Result<Self, InvalidPath> {
        let own = spec.projection.clone().unwrap_or_else(Projection::whole);
        let mut needed = own.clone();
        let counts = match &spec.trigger {
            Trigger::Any => Counts::Any,
            Trigger::Generation => Counts::Generation,
            Trigger::Paths(paths) => Counts::Paths(Projection::parse(paths)?),
        };
        if let Counts::Paths(paths) = &counts {
            needed = needed.union(paths);
        }
        if let Some(path) = spec.map.needed_path() {
            needed = needed.union(&Projection::parse(&[path])?);
        }
        let selector =
            if selected { Selector::default() } else { Selector::parse(&spec.scope.labels).unwrap_or_default() };
        Ok(Self { plugin: spec.plugin.clone(), own, needed, selector, counts, map: spec.map.clone() })
    }

    /// Whether its label selector selects an object.
    pub(crate) fn selects(&self, entry: &Entry) -> bool {
        self.selector.matches(|key| entry.label(key))
    }

    /// The keys of an object.
    pub(crate) fn targets(&self, name: &ObjectName, view: &View<'_>) -> Vec<Target> {
        let json = if self.map.reads_body() { view.json() } else { &[] };
        self.map.targets(&self.plugin, name, view.entry, json)
    }

    /// Whether an object's keys follow from its name alone.
    pub(crate) fn map_is_fixed(&self) -> bool {
        matches!(self.map, Map::Primary | Map::None)
    }

    /// Whether a change of an object that stays in scope counts.
    pub(crate) fn counts(&self, old: &View<'_>, new: &View<'_>) -> bool {
        if old.entry.uid != new.entry.uid || old.entry.deleting != new.entry.deleting {
            return true;
        }
        if self.map == Map::OwnerAnnotation {
            let owned = |entry: &Entry| {
                (entry.fields(&self.plugin).cloned(), entry.owner(&self.plugin).map(|(t, s)| (t.clone(), s.to_owned())))
            };
            return owned(old.entry) != owned(new.entry);
        }
        let changed = |projection: &Projection| !projection.same(old.json(), new.json()).unwrap_or(false);
        match &self.counts {
            Counts::Any => changed(&self.own),
            // A kind that has no generations is judged by what is seen of it.
            Counts::Generation => {
                (old.entry.generation != new.entry.generation || new.entry.generation == 0) && changed(&self.own)
            }
            Counts::Paths(paths) => changed(paths),
        }
    }
}

/// What the caches of a whole host share: what a plugin asks for is the same on every member.
#[derive(Default)]
pub struct Plans {
    plans: Mutex<HashMap<PluginName, Vec<Weak<Plan>>>>,
    unions: Mutex<HashSet<Projection>>,
}

impl fmt::Debug for Plans {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Plans")
    }
}

impl Plans {
    /// The plan of a spec: the one that others have, if there is an equal one.
    pub(crate) fn plan(&self, spec: &SubscribeSpec, selected: bool) -> Result<Arc<Plan>, InvalidPath> {
        let plan = Plan::new(spec, selected)?;
        let mut plans = self.plans.lock();
        let known = plans.get(&plan.plugin).into_iter().flatten().filter_map(Weak::upgrade).find(|p| **p == plan);
        if let Some(known) = known {
            return Ok(known);
        }
        // A new one is rare: the time to forget those that nobody has any more.
        plans.retain(|_, plans| {
            plans.retain(|plan| plan.strong_count() > 0);
            !plans.is_empty()
        });
        let plan = Arc::new(plan);
        plans.entry(plan.plugin.clone()).or_default().push(Arc::downgrade(&plan));
        Ok(plan)
    }

    /// What any of `parts` selects: the value that others have, if there is an equal one.
    pub(crate) fn union<'p>(&self, parts: impl Iterator<Item = &'p Projection>) -> Projection {
        let union = parts.cloned().reduce(|union, part| union.union(&part)).unwrap_or_default();
        if union.is_shared() {
            return union;
        }
        let mut unions = self.unions.lock();
        if let Some(known) = unions.get(&union) {
            return known.clone();
        }
        unions.retain(Projection::is_shared);
        unions.insert(union.clone());
        union
    }
}

#[cfg(test)]
mod tests {
    use motet_core::description::Scope;

    use super::*;

    fn spec(plugin: &str, paths: &[&str]) -> SubscribeSpec {
        SubscribeSpec {
            plugin: PluginName::new(plugin).unwrap(),
            scope: Scope { labels: "a=b".into(), ..Scope::default() },
            projection: Some(Projection::parse(paths).unwrap()),
            trigger: Trigger::Paths(vec!["/spec".into()]),
            map: Map::Primary,
            sink: Arc::new(|_, _| {}),
        }
    }

    #[test]
    fn equal_specs_share_one_plan_and_forgotten_ones_go() {
        let plans = Plans::default();
        let plan = |spec: &SubscribeSpec, selected| plans.plan(spec, selected).unwrap();
        let first = plan(&spec("a", &["/status"]), true);
        assert!(Arc::ptr_eq(&first, &plan(&spec("a", &["/status"]), true)));
        for other in [plan(&spec("a", &["/status"]), false), plan(&spec("b", &["/status"]), true)] {
            assert!(!Arc::ptr_eq(&first, &other));
        }
        drop(first);
        let _last = plan(&spec("c", &[]), true);
        assert_eq!(plans.plans.lock().values().map(Vec::len).sum::<usize>(), 1);
    }

    #[test]
    fn equal_unions_share_one_value_and_forgotten_ones_go() {
        let plans = Plans::default();
        let parts = |paths: [&str; 2]| paths.map(|path| Projection::parse(&[path]).unwrap());
        let first = plans.union(parts(["/a", "/b"]).iter());
        assert_eq!(first, plans.union(parts(["/b", "/a"]).iter()));
        assert_eq!(plans.unions.lock().len(), 1);
        drop(first);
        let _second = plans.union(parts(["/a", "/c"]).iter());
        assert_eq!(plans.unions.lock().len(), 1);
        let [one, _] = parts(["/a", "/b"]);
        let _alone = plans.union([&one].into_iter());
        assert_eq!(plans.unions.lock().len(), 1, "a single part is its own union");
    }
}
