//! Reads, changes and writes `metadata.managedFields`.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::Conflict;
use super::set::Set;

/// Who owns fields. Appliers are told apart by name and subresource, updaters by version as well.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Identity {
    /// "Apply" sorts before "Update", which is the order a kube-apiserver writes them in.
    pub(crate) operation: &'static str,
    pub(crate) manager: String,
    pub(crate) subresource: String,
    pub(crate) version: String,
}

impl Identity {
    pub(crate) fn applier(manager: &str, version: &str, subresource: &str) -> Self {
        Self { operation: "Apply", manager: manager.into(), subresource: subresource.into(), version: version.into() }
    }

    pub(crate) fn updater(manager: &str, version: &str, subresource: &str) -> Self {
        Self { operation: "Update", ..Self::applier(manager, version, subresource) }
    }

    /// True if both stand for one entry of managedFields.
    pub(crate) fn is(&self, other: &Identity) -> bool {
        let version = self.operation == "Apply" || self.version == other.version;
        version
            && self.operation == other.operation
            && self.manager == other.manager
            && self.subresource == other.subresource
    }
}

/// One manager's fields and when they last changed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) set: Set,
    pub(crate) time: Option<String>,
}

/// All managers of an object.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Managers {
    entries: BTreeMap<Identity, Entry>,
}

impl Managers {
    /// Takes the managers out of an object, which is left without managedFields.
    pub(crate) fn take(object: &mut Value) -> Self {
        let listed = object.get_mut("metadata").and_then(Value::as_object_mut).and_then(|m| m.remove("managedFields"));
        let mut out = Self::default();
        for entry in listed.as_ref().and_then(Value::as_array).into_iter().flatten() {
            let text = |name: &str| entry.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
            let operation = if text("operation") == "Apply" { "Apply" } else { "Update" };
            let who = Identity {
                operation,
                manager: text("manager"),
                subresource: text("subresource"),
                version: text("apiVersion"),
            };
            let time = entry.get("time").and_then(Value::as_str).map(str::to_owned);
            out.entries.insert(who, Entry { set: Set::decode(&entry["fieldsV1"]), time });
        }
        out
    }

    /// True if the same managers own the same fields, whenever that was said.
    pub(crate) fn owns_the_same(&self, other: &Managers) -> bool {
        let fields = |managers: &Managers| {
            managers.entries.iter().map(|(who, e)| (who.clone(), e.set.clone())).collect::<Vec<_>>()
        };
        fields(self) == fields(other)
    }

    /// True if nobody owns anything.
    pub(crate) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Writes the managers into an object.
    pub(crate) fn put_into(&self, object: &mut Value) {
        let mut entries: Vec<_> = self.entries.iter().collect();
        entries.sort_by(|a, b| {
            let key = |(who, entry): &(&Identity, &Entry)| {
                (who.operation, entry.time.clone(), who.manager.clone(), who.version.clone(), who.subresource.clone())
            };
            key(a).cmp(&key(b))
        });
        let list: Vec<Value> = entries.into_iter().map(|(who, entry)| encode(who, entry)).collect();
        if let Some(meta) = object.get_mut("metadata").and_then(Value::as_object_mut).filter(|_| !list.is_empty()) {
            meta.insert("managedFields".into(), Value::Array(list));
        }
    }

    pub(crate) fn iter_mut(&mut self) -> impl Iterator<Item = (&Identity, &mut Entry)> {
        self.entries.iter_mut()
    }

    /// The manager's fields; empty if it has none.
    pub(crate) fn set_of(&self, who: &Identity) -> Set {
        self.entries.iter().find(|(other, _)| other.is(who)).map(|(_, entry)| entry.set.clone()).unwrap_or_default()
    }

    /// Gives the manager these fields, and drops every manager that is left with none.
    pub(crate) fn put(&mut self, who: &Identity, set: Set, now: &str) {
        let before =
            self.entries.iter().find(|(other, _)| other.is(who)).map(|(other, entry)| (other.clone(), entry.clone()));
        let same = before.as_ref().is_some_and(|(other, entry)| entry.set == set && other.version == who.version);
        // An apply is stamped once it is known to change the object; what comes through the scale subresource bears no time.
        let keeps = same || who.operation == "Apply" || who.subresource == "scale";
        let time = if keeps { before.as_ref().and_then(|(_, entry)| entry.time.clone()) } else { Some(now.to_owned()) };
        if let Some((other, _)) = before {
            self.entries.remove(&other);
        }
        self.entries.insert(who.clone(), Entry { set, time });
        self.entries.retain(|_, entry| !entry.set.is_empty());
    }

    /// What all other managers own.
    pub(crate) fn union_except(&self, who: &Identity) -> Set {
        let others = self.entries.iter().filter(|(other, _)| !other.is(who));
        others.fold(Set::default(), |all, (_, entry)| all.union(&entry.set))
    }

    /// True if a manager uses that version, which is told with its group.
    pub(crate) fn use_version(&self, version: &str) -> bool {
        self.entries.keys().any(|who| who.version == version)
    }

    /// Drops what was written in any other version.
    pub(crate) fn keep_version(&mut self, version: &str) {
        self.entries.retain(|who, _| who.version == version);
    }

    /// What all managers own who use that version.
    pub(crate) fn union_of(&self, version: &str) -> Set {
        let of = self.entries.iter().filter(|(who, _)| who.version == version);
        of.fold(Set::default(), |all, (_, entry)| all.union(&entry.set))
    }

    /// Fields that other managers own among those that are touched, as each of them sees it.
    pub(crate) fn conflicts<'a>(&self, who: &Identity, touched: impl Fn(&Identity) -> &'a Set) -> Vec<Conflict> {
        let mut out = Vec::new();
        for (other, entry) in self.entries.iter().filter(|(other, _)| !other.is(who)) {
            for path in entry.set.intersection(touched(other)).paths() {
                out.push(Conflict { owner: other.clone(), time: entry.time.clone(), path });
            }
        }
        out
    }

    /// Stamps the manager's entry with `now`: its apply changed the object, if not its fields.
    pub(crate) fn stamp(&mut self, who: &Identity, now: &str) {
        if let Some((_, entry)) = self.entries.iter_mut().find(|(other, _)| other.is(who)) {
            entry.time = Some(now.to_owned());
        }
    }
}

fn encode(who: &Identity, entry: &Entry) -> Value {
    let mut map = Map::new();
    map.insert("manager".into(), who.manager.as_str().into());
    map.insert("operation".into(), who.operation.into());
    map.insert("apiVersion".into(), who.version.as_str().into());
    if let Some(time) = &entry.time {
        map.insert("time".into(), time.as_str().into());
    }
    map.insert("fieldsType".into(), "FieldsV1".into());
    map.insert("fieldsV1".into(), entry.set.encode());
    if !who.subresource.is_empty() {
        map.insert("subresource".into(), who.subresource.as_str().into());
    }
    Value::Object(map)
}

/// The message and causes of a 409, worded as a kube-apiserver words them.
pub(crate) fn describe(conflicts: &[Conflict]) -> (String, Vec<crate::error::Cause>) {
    let causes = conflicts
        .iter()
        .map(|c| crate::error::Cause {
            reason: "FieldManagerConflict",
            message: format!("conflict with {}", readable(c)),
            field: c.path.clone(),
        })
        .collect();
    if let [only] = conflicts {
        return (format!("Apply failed with 1 conflict: conflict with {}: {}", readable(only), only.path), causes);
    }
    let mut by_manager = BTreeMap::<String, Vec<&str>>::new();
    for conflict in conflicts {
        by_manager.entry(readable(conflict)).or_default().push(&conflict.path);
    }
    let mut lines = Vec::new();
    for (manager, paths) in by_manager {
        lines.push(format!("conflicts with {manager}:"));
        lines.extend(paths.into_iter().map(|p| format!("- {p}")));
    }
    (format!("Apply failed with {} conflicts: {}", conflicts.len(), lines.join("\n")), causes)
}

fn readable(conflict: &Conflict) -> String {
    let who = &conflict.owner;
    let mut text = json!(who.manager).to_string();
    if !who.subresource.is_empty() {
        text.push_str(&format!(" with subresource {}", json!(who.subresource)));
    }
    if who.operation == "Update" {
        text.push_str(&format!(" using {}", who.version));
    }
    text
}
