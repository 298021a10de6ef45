//! Lists that are sets or maps: no item twice.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::fill::join;
use super::validator::{List, Validator};
use crate::error::Cause;

/// Every item that repeats another one's value or keys.
pub(crate) fn check(node: &Validator, value: &Value) -> Vec<Cause> {
    let mut causes = Vec::new();
    at(node, value, "", &mut causes);
    causes
}

fn at(node: &Validator, value: &Value, path: &str, out: &mut Vec<Cause>) {
    match value {
        Value::Object(map) => {
            for (key, child) in map {
                match (node.fields.get(key.as_str()), &node.rest) {
                    (Some(field), _) => at(field, child, &join(path, key), out),
                    (None, Some(rest)) => at(rest, child, &format!("{path}[{key}]"), out),
                    (None, None) => {}
                }
            }
        }
        Value::Array(items) => {
            match &node.list {
                List::Atomic => {}
                List::Set => twins(items, path, |i| items[i].clone(), out),
                List::Map(keys) => map(keys, items, path, out),
            }
            if let Some(item) = &node.item {
                items.iter().enumerate().for_each(|(i, child)| at(item, child, &format!("{path}[{i}]"), out));
            }
        }
        _ => {}
    }
}

fn map(keys: &[Box<str>], items: &[Value], path: &str, out: &mut Vec<Cause>) {
    if let Some((i, item)) = items.iter().enumerate().find(|(_, item)| !item.is_object() && !item.is_null()) {
        out.push(Cause::invalid(&format!("{path}[{i}]"), item, "must be an object for an array of list-type map"));
        return;
    }
    twins(items, path, |i| key_of(keys, &items[i]), out);
}

fn key_of(keys: &[Box<str>], item: &Value) -> Value {
    let pairs = keys.iter().filter_map(|key| Some((key.to_string(), item.get(&**key)?.clone())));
    Value::Object(pairs.collect::<Map<_, _>>())
}

/// The second of equals is told, further ones are not.
fn twins(items: &[Value], path: &str, key: impl Fn(usize) -> Value, out: &mut Vec<Cause>) {
    let mut seen = BTreeMap::<String, usize>::new();
    for i in 0..items.len() {
        let key = key(i);
        let times = seen.entry(key.to_string()).or_default();
        *times += 1;
        if *times == 2 {
            let message = format!("Duplicate value: {key}");
            out.push(Cause { reason: "FieldValueDuplicate", message, field: format!("{path}[{i}]") });
        }
    }
}

/// The item of an older list with the same keys.
pub(crate) fn twin<'a>(old: &'a [Value], keys: &[Box<str>], item: &Value) -> Option<&'a Value> {
    old.iter().find(|old| key_of(keys, old) == key_of(keys, item))
}
