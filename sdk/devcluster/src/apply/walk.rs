//! The walks over typed values that apply is made of: merge, compare, remove, and the set of fields that a value has.

use std::collections::{HashMap, HashSet};

use serde_json::{Map, Value};

use super::set::Set;
use crate::schema::{Form, Type, form};

/// The path element of a list item. Items without their keys fall together, as they do on a kube-apiserver.
pub(crate) fn element(form: Form<'_>, item: &Value) -> String {
    match form {
        Form::Keyed(keys) => {
            let mut pairs: Vec<(&str, Value)> = Vec::with_capacity(keys.len());
            for (key, default) in keys {
                if let Some(value) = item.get(&**key).cloned().or_else(|| default.clone()) {
                    pairs.push((key, value));
                }
            }
            pairs.sort_by(|a, b| a.0.cmp(b.0));
            let body: Vec<String> = pairs.iter().map(|(k, v)| format!("{}:{v}", Value::from(*k))).collect();
            format!("k:{{{}}}", body.join(","))
        }
        _ => format!("v:{item}"),
    }
}

fn items(value: &Value) -> &[Value] {
    value.as_array().map(Vec::as_slice).unwrap_or_default()
}

fn fields(value: &Value) -> Option<&Map<String, Value>> {
    value.as_object()
}

fn is_hollow(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Array(items) => items.is_empty(),
        Value::Object(map) => map.is_empty(),
        _ => false,
    }
}

/// The form of a pair: that of the new value, or of the old one where there is no new one. `None` if they do not agree.
fn joint<'a>(ty: Option<Type<'a>>, left: &Value, right: &Value) -> Form<'a> {
    if is_hollow(left) && is_hollow(right) {
        return Form::Leaf;
    }
    let of = if right.is_null() { left } else { right };
    let other = if right.is_null() { right } else { left };
    let same = other.is_null() || other.is_array() == of.is_array() && other.is_object() == of.is_object();
    if same { form(ty, of) } else { Form::Leaf }
}

/// The fields that a value owns when it is applied.
pub(crate) fn owned(ty: Option<Type<'_>>, value: &Value) -> Set {
    owned_below(ty, value).1
}

fn owned_below(ty: Option<Type<'_>>, value: &Value) -> (bool, Set) {
    let mut set = Set::default();
    let shape = form(ty, value);
    match shape {
        Form::Leaf => return (true, set),
        Form::Object => {
            for (name, child) in fields(value).into_iter().flatten() {
                let (leaf, below) = owned_below(ty.and_then(|t| t.field(name)), child);
                let hollow = child.is_null() || child.as_object().is_some_and(Map::is_empty);
                let named = ty.is_some_and(|t| t.declares(name));
                let element = format!("f:{name}");
                if leaf || hollow || !named {
                    set.members.insert(element.as_str().into());
                }
                set.attach(&element, below);
            }
        }
        Form::Set | Form::Keyed(_) => {
            let mut seen = HashMap::<String, usize>::new();
            for item in items(value) {
                *seen.entry(element(shape, item)).or_default() += 1;
            }
            for item in items(value) {
                let element = element(shape, item);
                set.members.insert(element.as_str().into());
                if seen.get(&element) == Some(&1) {
                    set.attach(&element, owned_below(ty.and_then(Type::item), item).1);
                }
            }
        }
    }
    (false, set)
}

/// What differs between two values.
#[derive(Debug, Default)]
pub(crate) struct Changes {
    pub(crate) added: Set,
    pub(crate) modified: Set,
    pub(crate) removed: Set,
}

impl Changes {
    pub(crate) fn filtered(self, keep: impl Fn(Set) -> Set) -> Self {
        Self { added: keep(self.added), modified: keep(self.modified), removed: keep(self.removed) }
    }

    fn note(&mut self, element: &str, mark: Mark, below: Changes) {
        match mark {
            Mark::Same => {}
            Mark::Added => {
                self.added.members.insert(element.into());
            }
            Mark::Modified => {
                self.modified.members.insert(element.into());
            }
            Mark::Removed => {
                self.removed.members.insert(element.into());
            }
        }
        self.added.attach(element, below.added);
        self.modified.attach(element, below.modified);
        self.removed.attach(element, below.removed);
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mark {
    Same,
    Added,
    Modified,
    Removed,
}

/// Compares two objects.
pub(crate) fn compare(ty: Option<Type<'_>>, left: &Value, right: &Value) -> Changes {
    compare_at(ty, Some(left), Some(right)).1
}

fn compare_at(ty: Option<Type<'_>>, left: Option<&Value>, right: Option<&Value>) -> (Mark, Changes) {
    let (l, r) = (left.unwrap_or(&Value::Null), right.unwrap_or(&Value::Null));
    let shape = joint(ty, l, r);
    let mark = match (left, right) {
        (None, _) => Mark::Added,
        (_, None) => Mark::Removed,
        _ if matches!(shape, Form::Leaf) && l != r => Mark::Modified,
        _ => Mark::Same,
    };
    let mut out = Changes::default();
    match shape {
        Form::Leaf => {}
        Form::Object => compare_fields(ty, fields(l), fields(r), &mut out),
        Form::Set | Form::Keyed(_) => compare_items(ty, shape, items(l), items(r), &mut out),
    }
    (mark, out)
}

fn compare_fields(
    ty: Option<Type<'_>>,
    left: Option<&Map<String, Value>>,
    right: Option<&Map<String, Value>>,
    out: &mut Changes,
) {
    let names: HashSet<&String> =
        left.into_iter().flatten().chain(right.into_iter().flatten()).map(|(k, _)| k).collect();
    for name in names {
        let (l, r) = (left.and_then(|m| m.get(name)), right.and_then(|m| m.get(name)));
        let (mark, below) = compare_at(ty.and_then(|t| t.field(name)), l, r);
        out.note(&format!("f:{name}"), mark, below);
    }
}

fn compare_items(ty: Option<Type<'_>>, shape: Form<'_>, left: &[Value], right: &[Value], out: &mut Changes) {
    let index = |list: &'_ [Value]| {
        let mut map = HashMap::<String, Vec<usize>>::new();
        for (i, item) in list.iter().enumerate() {
            map.entry(element(shape, item)).or_default().push(i);
        }
        map
    };
    let (mine, theirs) = (index(left), index(right));
    let item = ty.and_then(Type::item);
    let none = Vec::new();
    for key in mine.keys().chain(theirs.keys().filter(|k| !mine.contains_key(*k))) {
        let (l, r) = (mine.get(key).unwrap_or(&none), theirs.get(key).unwrap_or(&none));
        if l.len() <= 1 && r.len() <= 1 {
            let (mark, below) = compare_at(item, l.first().map(|i| &left[*i]), r.first().map(|i| &right[*i]));
            out.note(key, mark, below);
            continue;
        }
        let same = l.len() == r.len() && l.iter().zip(r).all(|(a, b)| left[*a] == right[*b]);
        let mark = match (l.len() >= 2, r.len() >= 2) {
            (true, true) if same => Mark::Same,
            (true, true) => Mark::Modified,
            (true, false) => Mark::Removed,
            _ => Mark::Added,
        };
        out.note(key, mark, Changes::default());
    }
}

/// Lays `right` over `left`.
pub(crate) fn merge(ty: Option<Type<'_>>, left: &Value, right: &Value) -> Value {
    merge_at(ty, Some(left), Some(right)).unwrap_or_else(|| Value::Object(Map::new()))
}

fn merge_at(ty: Option<Type<'_>>, left: Option<&Value>, right: Option<&Value>) -> Option<Value> {
    let (Some(l), Some(r)) = (left, right) else { return left.or(right).cloned() };
    let shape = joint(ty, l, r);
    match shape {
        Form::Leaf => Some(r.clone()),
        Form::Object => {
            let mut out = fields(l).cloned().unwrap_or_default();
            for (name, value) in fields(r).into_iter().flatten() {
                let merged = merge_at(ty.and_then(|t| t.field(name)), out.get(name), Some(value));
                out.insert(name.clone(), merged.unwrap_or_default());
            }
            Some(Value::Object(out))
        }
        Form::Set | Form::Keyed(_) => Some(Value::Array(merge_items(ty, shape, items(l), items(r)))),
    }
}

/// Merges two keyed lists: items of the left keep their place, unless the right has them in another order.
fn merge_items(ty: Option<Type<'_>>, shape: Form<'_>, left: &[Value], right: &[Value]) -> Vec<Value> {
    let lefts: Vec<String> = left.iter().map(|i| element(shape, i)).collect();
    let rights: Vec<String> = right.iter().map(|i| element(shape, i)).collect();
    let item = ty.and_then(Type::item);
    let at_left = |key: &String| lefts.iter().position(|k| k == key).map(|i| &left[i]);
    let on_right: HashSet<&String> = rights.iter().collect();
    let mut shared = rights.iter().filter(|k| lefts.contains(k));
    let mut next_shared = shared.next();
    let mut merged = HashSet::new();
    let (mut l, mut r) = (0, 0);
    let mut out = Vec::with_capacity(left.len().max(right.len()));
    while l < left.len() || r < right.len() {
        if l < left.len() && r < right.len() {
            if lefts[l] == rights[r] {
                merged.insert(&rights[r]);
                out.extend(merge_at(item, Some(&left[l]), Some(&right[r])));
                (l, r) = (l + 1, r + 1);
                next_shared = shared.next();
                continue;
            }
            if on_right.contains(&lefts[l]) && next_shared.is_some_and(|next| *next != lefts[l]) {
                l += 1;
                continue;
            }
        }
        if l < left.len() {
            if !on_right.contains(&lefts[l]) {
                out.push(left[l].clone());
                l += 1;
                continue;
            }
            if merged.contains(&lefts[l]) {
                l += 1;
            }
        }
        if r < right.len() {
            merged.insert(&rights[r]);
            out.extend(merge_at(item, at_left(&rights[r]), Some(&right[r])));
            if next_shared == Some(&rights[r]) {
                next_shared = shared.next();
            }
            r += 1;
        }
    }
    out
}

/// Takes the paths of `set` out of `value`; `None` if nothing is left of a container that had something. Below an object that
/// is told by a null, which whoever still owns the container's being there goes on owning.
pub(crate) fn remove(ty: Option<Type<'_>>, value: &Value, set: &Set) -> Option<Value> {
    let shape = form(ty, value);
    match (shape, value) {
        (Form::Object, Value::Object(map)) if !map.is_empty() => {
            let mut out = Map::new();
            for (name, child) in map {
                let element = format!("f:{name}");
                if set.members.contains(element.as_str()) {
                    continue;
                }
                let kept = match set.children.get(element.as_str()) {
                    Some(below) => remove(ty.and_then(|t| t.field(name)), child, below).unwrap_or(Value::Null),
                    None => child.clone(),
                };
                out.insert(name.clone(), kept);
            }
            (!out.is_empty()).then_some(Value::Object(out))
        }
        (Form::Set | Form::Keyed(_), Value::Array(list)) if !list.is_empty() => {
            let mut out = Vec::with_capacity(list.len());
            for item in list {
                let element = element(shape, item);
                if set.members.contains(element.as_str()) {
                    continue;
                }
                match set.children.get(element.as_str()) {
                    Some(below) => out.extend(remove(ty.and_then(Type::item), item, below)),
                    None => out.push(item.clone()),
                }
            }
            (!out.is_empty()).then_some(Value::Array(out))
        }
        _ => Some(value.clone()),
    }
}
