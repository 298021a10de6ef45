//! JSON, merge and strategic merge patches.

use serde_json::{Map, Value};

use crate::error::ApiError;
use crate::schema::{Shape, Type};
use crate::write::Write;

/// The patch types besides apply.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Json,
    Merge,
    Strategic,
}

/// The live object with the patch applied; managedFields is in neither unless the patch sets it.
pub(crate) fn apply(kind: Kind, write: &Write<'_>, live: &Value, bytes: &[u8]) -> Result<Value, ApiError> {
    match kind {
        Kind::Json => json(live, bytes),
        Kind::Merge => {
            let mut out = live.clone();
            json_patch::merge(&mut out, &object(bytes)?);
            Ok(out)
        }
        Kind::Strategic if write.resource.custom => Err(ApiError::unsupported_media(
            "application/json-patch+json, application/merge-patch+json, application/apply-patch+yaml",
        )),
        Kind::Strategic => {
            let mut out = live.clone();
            strategic(Some(write.version.ty()), &mut out, object(bytes)?)?;
            Ok(out)
        }
    }
}

fn object(bytes: &[u8]) -> Result<Value, ApiError> {
    serde_json::from_slice::<Value>(bytes)
        .ok()
        .filter(Value::is_object)
        .ok_or_else(|| ApiError::bad_request("error decoding patch: the patch is not a JSON object"))
}

fn json(live: &Value, bytes: &[u8]) -> Result<Value, ApiError> {
    let patch: json_patch::Patch = serde_json::from_slice(bytes)
        .map_err(|error| ApiError::bad_request(format!("error decoding patch: {error}")))?;
    let mut out = live.clone();
    json_patch::patch(&mut out, &patch).map_err(|_| ApiError::unprocessable())?;
    Ok(out)
}

const DIRECTIVE: &str = "$patch";
const RETAIN: &str = "$retainKeys";
const DELETE_ITEMS: &str = "$deleteFromPrimitiveList/";
const ORDER: &str = "$setElementOrder/";

fn bad(message: impl Into<String>) -> ApiError {
    ApiError::bad_request(message)
}

fn strategic(ty: Option<Type<'_>>, target: &mut Value, patch: Value) -> Result<(), ApiError> {
    let Value::Object(mut patch) = patch else {
        *target = patch;
        return Ok(());
    };
    match patch.remove(DIRECTIVE).as_ref().and_then(Value::as_str) {
        Some("replace") => {
            *target = Value::Object(patch);
            return Ok(());
        }
        Some("delete") => {
            *target = Value::Object(Map::new());
            return Ok(());
        }
        Some("merge") | None => {}
        Some(other) => return Err(bad(format!("unknown {DIRECTIVE} directive: {other}"))),
    }
    if !target.is_object() {
        *target = Value::Object(Map::new());
    }
    let Some(map) = target.as_object_mut() else { return Ok(()) };
    if let Some(Value::Array(keys)) = patch.remove(RETAIN) {
        map.retain(|key, _| keys.iter().any(|k| k == key.as_str()));
    }
    let orders = take_prefixed(&mut patch, ORDER);
    for (field, items) in take_prefixed(&mut patch, DELETE_ITEMS) {
        if let (Some(Value::Array(list)), Value::Array(items)) = (map.get_mut(&field), items) {
            list.retain(|item| !items.contains(item));
        }
    }
    for (key, value) in patch {
        let child = ty.and_then(|t| t.field(&key));
        if value.is_null() {
            map.remove(&key);
        } else if let Value::Array(items) = value {
            list(child, map, &key, items)?;
        } else if value.is_object() {
            strategic(child, map.entry(key).or_insert(Value::Null), value)?;
        } else {
            map.insert(key, value);
        }
    }
    for (field, order) in orders {
        let key = ty.and_then(|t| t.field(&field)).and_then(|t| t.node().strategy.merge_key.clone());
        if let (Some(Value::Array(list)), Value::Array(order), Some(key)) = (map.get_mut(&field), order, key) {
            arrange(list, &order, &key);
        }
    }
    Ok(())
}

fn take_prefixed(patch: &mut Map<String, Value>, prefix: &str) -> Vec<(String, Value)> {
    let keys: Vec<String> = patch.keys().filter(|k| k.starts_with(prefix)).cloned().collect();
    keys.into_iter().filter_map(|k| patch.remove(&k).map(|v| (k[prefix.len()..].to_owned(), v))).collect()
}

fn list(ty: Option<Type<'_>>, map: &mut Map<String, Value>, field: &str, items: Vec<Value>) -> Result<(), ApiError> {
    let merge =
        ty.filter(|t| matches!(t.node().shape, Shape::List(_))).and_then(|t| t.node().strategy.merge_key.as_deref());
    let whole = items.iter().any(|i| i.get(DIRECTIVE).and_then(Value::as_str) == Some("replace"));
    let Some(key) = merge.filter(|_| !whole) else {
        let plain = items.into_iter().filter(|i| i.get(DIRECTIVE).is_none()).map(without_directives).collect();
        map.insert(field.to_owned(), Value::Array(plain));
        return Ok(());
    };
    let slot = map.entry(field.to_owned()).or_insert_with(|| Value::Array(Vec::new()));
    if !slot.is_array() {
        *slot = Value::Array(Vec::new());
    }
    let Some(target) = slot.as_array_mut() else { return Ok(()) };
    let before = ids(target, key);
    let order = ids(&items, key);
    for mut item in items {
        if key.is_empty() {
            if !target.contains(&item) {
                target.push(item);
            }
            continue;
        }
        let Some(id) = item.get(key).cloned() else {
            return Err(bad(format!("map: {item} does not contain declared merge key: {key}")));
        };
        let at = target.iter().position(|t| t.get(key) == Some(&id));
        if item.get(DIRECTIVE).and_then(Value::as_str) == Some("delete") {
            target.retain(|t| t.get(key) != Some(&id));
            continue;
        }
        let item_type = ty.and_then(Type::item);
        match at {
            Some(at) => strategic(item_type, &mut target[at], item)?,
            None => {
                let mut fresh = Value::Object(Map::new());
                strategic(item_type, &mut fresh, item.take())?;
                target.push(fresh);
            }
        }
    }
    interleave(target, key, &before, &order);
    Ok(())
}

/// What tells items apart: the merge key's value, or the item itself.
fn ids(items: &[Value], key: &str) -> Vec<Value> {
    items.iter().map(|item| if key.is_empty() { item.clone() } else { item[key].clone() }).collect()
}

/// Orders a merged list: the patch's items in the patch's order, those it does not name where they stood among them.
fn interleave(target: &mut Vec<Value>, key: &str, before: &[Value], order: &[Value]) {
    let id = |item: &Value| if key.is_empty() { item.clone() } else { item[key].clone() };
    let stood = |item: &Value| before.iter().position(|b| *b == id(item));
    let (mut named, rest): (Vec<Value>, Vec<Value>) = target.drain(..).partition(|item| order.contains(&id(item)));
    named.sort_by_key(|item| order.iter().position(|o| *o == id(item)));
    let (mut named, mut rest) = (named.into_iter().peekable(), rest.into_iter().peekable());
    while let (Some(left), Some(right)) = (named.peek(), rest.peek()) {
        let patch_first = stood(left).is_none_or(|at| Some(at) <= stood(right));
        target.extend(if patch_first { named.next() } else { rest.next() });
    }
    target.extend(named.chain(rest));
}

fn without_directives(mut value: Value) -> Value {
    if let Some(map) = value.as_object_mut() {
        map.retain(|key, _| !key.starts_with('$'));
    }
    value
}

/// Sorts a list as the patch says; items it does not mention keep their place at the end.
fn arrange(list: &mut [Value], order: &[Value], key: &str) {
    let rank = |item: &Value| {
        let same =
            |o: &Value| if key.is_empty() { o == item } else { o.get(key).is_some() && o.get(key) == item.get(key) };
        order.iter().position(same).unwrap_or(order.len())
    };
    list.sort_by_key(rank);
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::schema::builtin::BUILTIN;

    fn patched(mut live: Value, patch: Value) -> Value {
        let ty = Type { schema: &BUILTIN.schema, id: BUILTIN.names["apps.v1.Deployment"] };
        strategic(Some(ty), &mut live, patch).unwrap();
        live
    }

    fn with(containers: Value) -> Value {
        json!({"spec": {"template": {"spec": {"containers": containers}}}})
    }

    #[test]
    fn keyed_lists_merge_and_items_can_be_deleted() {
        let live = with(json!([{"name": "a", "image": "1", "args": ["x"]}, {"name": "b", "image": "1"}]));
        let patch =
            with(json!([{"name": "a", "image": "2", "args": ["y"]}, {"name": "b", "$patch": "delete"}, {"name": "c"}]));
        assert_eq!(patched(live, patch), with(json!([{"name": "a", "image": "2", "args": ["y"]}, {"name": "c"}])));
    }

    #[test]
    fn sets_grow_and_shrink_and_order_is_kept() {
        let live = json!({"metadata": {"finalizers": ["a", "b"], "labels": {"x": "1"}}});
        let patch = json!({"metadata": {"finalizers": ["c"], "$deleteFromPrimitiveList/finalizers": ["a"],
            "$setElementOrder/finalizers": ["c", "b"], "labels": {"x": null, "y": "2"}}});
        assert_eq!(patched(live, patch), json!({"metadata": {"finalizers": ["c", "b"], "labels": {"y": "2"}}}));
        let live = json!({"metadata": {"ownerReferences": [{"uid": "a"}, {"uid": "b"}]}});
        let merged = patched(live, json!({"metadata": {"ownerReferences": [{"uid": "n"}, {"uid": "b", "name": "x"}]}}));
        assert_eq!(
            merged["metadata"]["ownerReferences"],
            json!([{"uid": "n"}, {"uid": "a"}, {"uid": "b", "name": "x"}])
        );
    }

    #[test]
    fn retained_keys_drop_the_rest() {
        let live = json!({"spec": {"strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1}}}});
        let patch = json!({"spec": {"strategy": {"$retainKeys": ["type"], "type": "Recreate"}}});
        assert_eq!(patched(live, patch), json!({"spec": {"strategy": {"type": "Recreate"}}}));
    }
}
