//! Sets of field paths, as `fieldsV1` writes them: `f:name`, `k:{"key":"value"}`, `v:"item"`.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};

use crate::schema::Type;

/// A set of paths below one point. `children` never holds an empty set; only the methods here keep it so.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Set {
    pub(crate) members: BTreeSet<Box<str>>,
    pub(crate) children: BTreeMap<Box<str>, Set>,
}

impl Set {
    pub(crate) fn is_empty(&self) -> bool {
        self.members.is_empty() && self.children.is_empty()
    }

    /// Adds the path, not its parents.
    pub(crate) fn insert(&mut self, path: &[&str]) {
        match path {
            [] => {}
            [last] => {
                self.members.insert((*last).into());
            }
            [first, rest @ ..] => self.children.entry((*first).into()).or_default().insert(rest),
        }
    }

    /// Puts a subset below `element`, unless it is empty.
    pub(crate) fn attach(&mut self, element: &str, child: Set) {
        if !child.is_empty() {
            self.children.insert(element.into(), child);
        }
    }

    pub(crate) fn union(&self, other: &Set) -> Set {
        self.clone().joined(other.clone())
    }

    /// The union, of the parts of both.
    pub(crate) fn joined(mut self, other: Set) -> Set {
        if self.is_empty() {
            return other;
        }
        self.members.extend(other.members);
        for (element, child) in other.children {
            let joined = match self.children.remove(&element) {
                Some(mine) => mine.joined(child),
                None => child,
            };
            self.children.insert(element, joined);
        }
        self
    }

    pub(crate) fn intersection(&self, other: &Set) -> Set {
        let mut out = Set { members: self.members.intersection(&other.members).cloned().collect(), ..Set::default() };
        for (element, child) in &self.children {
            if let Some(theirs) = other.children.get(element) {
                out.attach(element, child.intersection(theirs));
            }
        }
        out
    }

    /// Paths of `self` that are not in `other`; a path in `other` does not take the paths below it along.
    pub(crate) fn difference(&self, other: &Set) -> Set {
        if other.is_empty() {
            return self.clone();
        }
        let mut out = Set { members: self.members.difference(&other.members).cloned().collect(), ..Set::default() };
        for (element, child) in &self.children {
            match other.children.get(element) {
                Some(theirs) => out.attach(element, child.difference(theirs)),
                None => out.attach(element, child.clone()),
            }
        }
        out
    }

    /// Without the top-level field (written `.name`) and all below it.
    pub(crate) fn without(mut self, field: &str) -> Set {
        let element = format!("f:{}", field.trim_start_matches('.'));
        self.members.remove(element.as_str());
        self.children.remove(element.as_str());
        self
    }

    /// Without a field of a top-level field and all below it.
    pub(crate) fn without_inner(mut self, field: &str, inner: &str) -> Set {
        let element = format!("f:{}", field.trim_start_matches('.'));
        if let Some(child) = self.children.remove(element.as_str()) {
            let rest = child.without(inner);
            if !rest.is_empty() {
                self.children.insert(element.as_str().into(), rest);
            }
        }
        self
    }

    /// Only the top-level field (written `.name`) and all below it.
    pub(crate) fn only(mut self, field: &str) -> Set {
        let element = format!("f:{}", field.trim_start_matches('.'));
        self.members.retain(|m| **m == *element);
        self.children.retain(|c, _| **c == *element);
        self
    }

    /// With every declared field on the way to a member as a member itself, as removal needs it.
    pub(crate) fn with_named_fields(&self, ty: Option<Type<'_>>) -> Set {
        let mut out = Set { members: self.members.clone(), ..Set::default() };
        for (element, child) in &self.children {
            let below = match element.strip_prefix("f:") {
                Some(name) => {
                    if ty.is_some_and(|t| t.declares(name)) {
                        out.members.insert(element.clone());
                    }
                    ty.and_then(|t| t.field(name))
                }
                None => ty.and_then(Type::item),
            };
            out.attach(element, child.with_named_fields(below));
        }
        out
    }

    /// Every member's path as people read it: `.spec.ports[port=80,protocol="TCP"].name`.
    pub(crate) fn paths(&self) -> Vec<String> {
        let mut out = Vec::new();
        self.paths_below("", &mut out);
        out
    }

    fn paths_below(&self, prefix: &str, out: &mut Vec<String>) {
        out.extend(self.members.iter().map(|m| format!("{prefix}{}", readable(m))));
        for (element, child) in &self.children {
            child.paths_below(&format!("{prefix}{}", readable(element)), out);
        }
    }

    /// The set as a `fieldsV1` value.
    pub(crate) fn encode(&self) -> Value {
        let mut map = Map::new();
        for member in &self.members {
            map.insert(member.to_string(), Value::Object(Map::new()));
        }
        for (element, child) in &self.children {
            let mut below = match child.encode() {
                Value::Object(below) => below,
                _ => Map::new(),
            };
            if self.members.contains(element) {
                below.insert(".".into(), Value::Object(Map::new()));
            }
            map.insert(element.to_string(), Value::Object(below));
        }
        Value::Object(map)
    }

    /// Reads a `fieldsV1` value.
    pub(crate) fn decode(value: &Value) -> Set {
        let mut out = Set::default();
        for (element, child) in value.as_object().into_iter().flatten().filter(|(e, _)| *e != ".") {
            let below = child.as_object();
            if below.is_none_or(|b| b.is_empty() || b.contains_key(".")) {
                out.members.insert(element.as_str().into());
            }
            out.attach(element, Set::decode(child));
        }
        out
    }
}

/// A path element as people read it.
pub(crate) fn readable(element: &str) -> String {
    match element.split_at_checked(2) {
        Some(("f:", name)) => format!(".{name}"),
        Some(("v:", value)) => format!("[={value}]"),
        Some(("k:", keys)) => {
            let keys: Map<String, Value> = serde_json::from_str(keys).unwrap_or_default();
            let pairs: Vec<String> = keys.iter().map(|(k, v)| format!("{k}={v}")).collect();
            format!("[{}]", pairs.join(","))
        }
        _ => format!("[{element}]"),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn encoding_round_trips_and_reads_well() {
        let value = json!({"f:spec": {"f:ports": {"k:{\"port\":80,\"protocol\":\"TCP\"}": {".": {}, "f:port": {}}}},
            "f:metadata": {"f:finalizers": {"v:\"x\"": {}}}});
        let set = Set::decode(&value);
        assert_eq!(set.encode(), value);
        let paths = set.paths();
        assert!(paths.contains(&".spec.ports[port=80,protocol=\"TCP\"].port".to_owned()), "{paths:?}");
        assert!(paths.contains(&".metadata.finalizers[=\"x\"]".to_owned()), "{paths:?}");
    }

    #[test]
    fn difference_keeps_children_of_removed_parents() {
        let set = Set::decode(&json!({"f:a": {".": {}, "f:b": {}}}));
        let parent = Set::decode(&json!({"f:a": {}}));
        assert_eq!(set.difference(&parent).encode(), json!({"f:a": {"f:b": {}}}));
    }
}
