//! Strategic merge patches: objects merge, lists with a merge key merge item by item, directives delete, replace and order.

use serde_json::{Map, Value};

use crate::error::ApiError;
use crate::go;
use crate::schema::{Shape, Type};

const DIRECTIVE: &str = "$patch";
const RETAIN: &str = "$retainKeys";
const DELETE_ITEMS: &str = "$deleteFromPrimitiveList";
const ORDER: &str = "$setElementOrder";

type Fields = Map<String, Value>;

/// An error that a kube-apiserver passes on as it is.
fn odd(message: impl Into<String>) -> ApiError {
    ApiError::untyped(message.into())
}

fn no_key(item: &Value, key: &str) -> ApiError {
    odd(format!("map: {} does not contain declared merge key: {key}", go::plain(item)))
}

fn bad_type(expected: &str, found: &Value) -> ApiError {
    odd(format!("expected a {expected}, but received a {}", go::type_name(found)))
}

/// Lays `patch` over `target`.
pub(crate) fn merge(ty: Option<Type<'_>>, target: &mut Fields, mut patch: Fields) -> Result<(), ApiError> {
    if let Some(directive) = patch.get(DIRECTIVE) {
        match directive.as_str() {
            Some("replace") => {
                patch.remove(DIRECTIVE);
                *target = patch;
            }
            Some("delete") => target.clear(),
            _ => return Err(unknown_directive(directive, Value::Object(patch.clone()))),
        }
        return Ok(());
    }
    retain(target, &mut patch)?;
    order(ty, target, &mut patch)?;
    for (key, value) in patch {
        let removes = key.starts_with(DELETE_ITEMS);
        let key = if removes { field_of(&key, "invalid patch format of primitive list")? } else { key };
        let child = ty.and_then(|t| t.field(&key));
        match (target.get_mut(&key), value) {
            (Some(_), Value::Null) => drop(target.remove(&key)),
            (None, Value::Null) => {}
            (Some(Value::Array(list)), Value::Array(items)) if removes => list.retain(|item| !items.contains(item)),
            (_, _) if removes => {}
            (Some(Value::Object(map)), Value::Object(value)) => merge(child, map, value)?,
            (Some(Value::Array(list)), Value::Array(items)) => match merge_key(child) {
                Some(key) => *list = lists(child, std::mem::take(list), items, &key)?,
                None => *list = items,
            },
            (_, value) => match fresh(value) {
                Some(value) => drop(target.insert(key, value)),
                None => drop(target.remove(&key)),
            },
        }
    }
    Ok(())
}

fn unknown_directive(directive: &Value, patch: Value) -> ApiError {
    let shown = match directive {
        Value::String(text) => text.clone(),
        other => format!("%!s({}={})", go::type_name(other), go::plain(other)),
    };
    odd(format!("unknown patch type: {shown} in map: {}", go::plain(&patch)))
}

/// `$setElementOrder/field` is about `field`.
fn field_of(directive: &str, otherwise: &str) -> Result<String, ApiError> {
    let field = directive.split_once('/').map(|(_, field)| field.to_owned());
    field.ok_or_else(|| ApiError::bad_request(otherwise))
}

/// The key that a list merges by, empty for scalars; none where it is replaced.
fn merge_key(ty: Option<Type<'_>>) -> Option<Box<str>> {
    ty.filter(|t| matches!(t.node().shape, Shape::List(_))).and_then(|t| t.node().strategy.merge_key.clone())
}

/// Drops what the patch does not want to retain.
fn retain(target: &mut Fields, patch: &mut Fields) -> Result<(), ApiError> {
    let Some(keys) = patch.remove(RETAIN) else { return Ok(()) };
    let wrong = || ApiError::bad_request("invalid patch format of retainKeys");
    let Value::Array(keys) = keys else { return Err(wrong()) };
    let kept = |key: &str| keys.iter().any(|k| k == key);
    let directive = |key: &str| key.starts_with(DELETE_ITEMS) || key.starts_with(ORDER);
    if patch.iter().any(|(key, value)| !value.is_null() && !directive(key) && !kept(key)) {
        return Err(wrong());
    }
    target.retain(|key, _| kept(key));
    Ok(())
}

/// A value for a field that was not there: without nulls, and without what bears a directive.
fn fresh(value: Value) -> Option<Value> {
    match value {
        Value::Object(map) if map.contains_key(DIRECTIVE) => None,
        Value::Object(map) => {
            let kept = map.into_iter().filter(|(_, v)| !v.is_null());
            Some(Value::Object(kept.filter_map(|(k, v)| Some((k, fresh(v)?))).collect()))
        }
        Value::Array(items) => Some(Value::Array(items.into_iter().filter_map(fresh).collect())),
        other => Some(other),
    }
}

/// Merges the lists for which the patch says an order.
fn order(ty: Option<Type<'_>>, target: &mut Fields, patch: &mut Fields) -> Result<(), ApiError> {
    let directives: Vec<String> = patch.keys().filter(|k| k.starts_with(ORDER)).cloned().collect();
    for directive in directives {
        let wanted = match patch.remove(&directive) {
            Some(Value::Array(wanted)) => wanted,
            other => return Err(bad_type("[]interface {}", &other.unwrap_or_default())),
        };
        let field = field_of(&directive, "invalid patch format of setElementOrder list")?;
        let child = ty.and_then(|t| t.field(&field));
        let key = merge_key(child).unwrap_or_default();
        let (before, items) = (take_list(target, &field)?, take_list(patch, &field)?);
        check_order(items.as_deref().unwrap_or_default(), &wanted, &key)?;
        let merged = match (before.clone(), items) {
            (None, None) => continue,
            (Some(before), None) => before,
            (None, Some(items)) => items.into_iter().filter_map(fresh).collect(),
            (Some(before), Some(items)) => lists(child, before, items, &key)?,
        };
        let arranged = arrange(merged, &wanted, &before.unwrap_or_default(), &key);
        target.insert(field, Value::Array(arranged));
    }
    Ok(())
}

fn take_list(fields: &mut Fields, name: &str) -> Result<Option<Vec<Value>>, ApiError> {
    match fields.remove(name) {
        None => Ok(None),
        Some(Value::Array(items)) => Ok(Some(items)),
        Some(other) => Err(bad_type("[]interface {}", &other)),
    }
}

/// The items of a patch must stand in the order that the patch itself says.
fn check_order(items: &[Value], wanted: &[Value], key: &str) -> Result<(), ApiError> {
    if items.is_empty() || wanted.is_empty() {
        return Ok(());
    }
    let mut left = items.iter().filter(|item| item.get(DIRECTIVE).is_none()).peekable();
    for want in wanted {
        let Some(item) = left.peek() else { break };
        if id(item, key) == id(want, key) {
            left.next();
        }
    }
    if left.peek().is_none() {
        return Ok(());
    }
    let shown = |list: &[Value]| go::plain(&Value::Array(list.to_vec()));
    Err(odd(format!("The order in patch list:\n{}\n doesn't match {ORDER} list:\n{}\n", shown(items), shown(wanted))))
}

/// What tells items apart: the merge key's value, or the item itself.
fn id<'a>(item: &'a Value, key: &str) -> &'a Value {
    if key.is_empty() { item } else { &item[key] }
}

fn lists(ty: Option<Type<'_>>, before: Vec<Value>, patch: Vec<Value>, key: &str) -> Result<Vec<Value>, ApiError> {
    if before.is_empty() && patch.is_empty() {
        return Ok(before);
    }
    if key.is_empty() {
        let mut merged: Vec<Value> = Vec::new();
        for item in before.iter().chain(&patch) {
            if !merged.contains(item) {
                merged.push(item.clone());
            }
        }
        return Ok(arrange(merged, &patch, &before, key));
    }
    if let Some(kinds) = mixed(&before, &patch) {
        return Err(odd(kinds));
    }
    let (mut merged, items) = directives(before.clone(), patch, key)?;
    let before = merged.clone();
    for item in &items {
        let Some(name) = item.get(key) else { return Err(no_key(item, key)) };
        match merged.iter_mut().find(|m| m.get(key) == Some(name)) {
            Some(Value::Object(found)) => {
                let Value::Object(item) = item.clone() else { continue };
                merge(ty.and_then(Type::item), found, item)?;
            }
            _ => merged.push(item.clone()),
        }
    }
    Ok(arrange(merged, &items, &before, key))
}

/// Objects and other things in one list do not merge.
fn mixed(before: &[Value], patch: &[Value]) -> Option<String> {
    let all_objects = before.iter().chain(patch).all(Value::is_object);
    let shown = |list: &[Value]| go::plain(&Value::Array(list.to_vec()));
    (!all_objects).then(|| format!("list element types are not identical: [{} {}]", shown(before), shown(patch)))
}

/// Carries out the directives among the items; what is left of both lists.
fn directives(mut before: Vec<Value>, patch: Vec<Value>, key: &str) -> Result<(Vec<Value>, Vec<Value>), ApiError> {
    let (mut plain, mut replace) = (Vec::new(), false);
    for item in patch {
        match item.get(DIRECTIVE).map(|d| d.as_str()) {
            None => plain.push(item),
            Some(Some("delete")) => match item.get(key) {
                Some(name) => before.retain(|b| b.get(key) != Some(name)),
                None => return Err(no_key(&item, key)),
            },
            Some(Some("replace")) => replace = true,
            Some(Some("merge")) => return Err(odd("merging lists cannot yet be specified in the patch")),
            Some(_) => return Err(unknown_directive(&item[DIRECTIVE].clone(), item)),
        }
    }
    Ok(if replace { (plain, Vec::new()) } else { (before, plain) })
}

/// Orders a merged list: what is `wanted` in that order, the rest where it stood among it before.
fn arrange(merged: Vec<Value>, wanted: &[Value], before: &[Value], key: &str) -> Vec<Value> {
    let place = |list: &[Value], item: &Value| list.iter().position(|l| id(l, key) == id(item, key));
    let (mut named, mut rest): (Vec<Value>, Vec<Value>) =
        merged.into_iter().partition(|item| place(wanted, item).is_some());
    named.sort_by_key(|item| place(wanted, item));
    rest.sort_by_key(|item| place(before, item));
    let (mut named, mut rest) = (named.into_iter().peekable(), rest.into_iter().peekable());
    let mut out = Vec::new();
    while let (Some(left), Some(right)) = (named.peek(), rest.peek()) {
        let (left, right) = (place(before, left), place(before, right));
        let named_first = right.is_none() || left.is_none_or(|left| Some(left) < right);
        out.extend(if named_first { named.next() } else { rest.next() });
    }
    out.extend(named.chain(rest));
    out
}
