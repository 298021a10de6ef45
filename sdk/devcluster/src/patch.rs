//! JSON, merge and strategic merge patches.

mod json;
mod strategic;

use serde_json::{Map, Value};

use crate::error::ApiError;
use crate::go;
use crate::strict;
use crate::write::Write;

/// The patch types besides apply.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Json,
    Merge,
    Strategic,
}

/// The forms of patches of custom resources.
pub(crate) const CUSTOM_FORMS: &str =
    "application/json-patch+json, application/merge-patch+json, application/apply-patch+yaml";
/// More operations than that are refused.
const MOST_OPERATIONS: usize = 10_000;

/// The live object with the patch applied, and what is to be warned of.
pub(crate) fn apply(
    kind: Kind,
    write: &Write<'_>,
    live: &Value,
    bytes: &[u8],
) -> Result<(Value, Vec<String>), ApiError> {
    let mut out = live.clone();
    let odd;
    match kind {
        Kind::Json => {
            let operations = operations(bytes)?;
            odd = [twice(bytes, "json patch "), unknown_members(&operations)].concat();
            json::apply(&mut out, &operations).ok_or_else(ApiError::unprocessable)?;
        }
        Kind::Merge => {
            check(bytes, "error decoding patch: ")?;
            let patch: Value = serde_json::from_slice(bytes).unwrap_or_default();
            if patch.is_null() {
                return Err(ApiError::bad_request("Invalid JSON Patch"));
            }
            merge(&mut out, &patch);
            odd = twice(bytes, "");
        }
        Kind::Strategic if write.resource.custom => {
            return Err(ApiError::unsupported_media(CUSTOM_FORMS));
        }
        Kind::Strategic => {
            check(bytes, "")?;
            let patch: Map<String, Value> = serde_json::from_slice(bytes).unwrap_or_default();
            if let Value::Object(target) = &mut out {
                strategic::merge(Some(write.version.ty()), target, patch)?;
            }
            odd = twice(bytes, "");
        }
    }
    Ok((out, odd))
}

/// Fields of a patch that stand twice.
fn twice(bytes: &[u8], of: &str) -> Vec<String> {
    let met = strict::fields(bytes, false).into_iter();
    met.map(|met| format!("{of}duplicate field \"{}\"", met.path)).collect()
}

fn check(bytes: &[u8], prefix: &str) -> Result<(), ApiError> {
    match go::decode_error(bytes, "map[string]interface {}") {
        Some(error) => Err(ApiError::bad_request(format!("{prefix}{error}"))),
        None => Ok(()),
    }
}

fn operations(bytes: &[u8]) -> Result<Vec<Value>, ApiError> {
    let refuse = |error: String| ApiError::bad_request(format!("error decoding patch: {error}"));
    if let Some(error) = go::decode_error(bytes, "[]handlers.jsonPatchOp") {
        return Err(refuse(error));
    }
    let operations: Option<Vec<Value>> = serde_json::from_slice(bytes).unwrap_or_default();
    let operations = operations.unwrap_or_default();
    for operation in &operations {
        let text = operation.to_string();
        if let Some(error) = go::decode_error(text.as_bytes(), "handlers.jsonPatchOp") {
            return Err(refuse(error));
        }
    }
    if operations.len() > MOST_OPERATIONS {
        let most =
            format!("The allowed maximum operations in a JSON patch is {MOST_OPERATIONS}, got {}", operations.len());
        return Err(ApiError::too_big_because(&most));
    }
    Ok(operations)
}

fn unknown_members(operations: &[Value]) -> Vec<String> {
    let members = |i: usize, operation: &Value| {
        let unknown = operation.as_object().into_iter().flatten().map(|(key, _)| key.clone());
        let unknown = unknown.filter(|key| !["op", "path", "from", "value"].contains(&key.as_str()));
        unknown.map(|key| format!("json patch unknown field \"[{i}].{key}\"")).collect::<Vec<_>>()
    };
    operations.iter().enumerate().flat_map(|(i, operation)| members(i, operation)).collect()
}

/// RFC 7386, with nulls taken out of lists' items too.
fn merge(target: &mut Value, patch: &Value) {
    let (Value::Object(map), Value::Object(patch)) = (&mut *target, patch) else {
        *target = pruned(patch);
        return;
    };
    for (key, value) in patch {
        match map.get_mut(key) {
            _ if value.is_null() => drop(map.remove(key)),
            Some(found) if !found.is_null() => merge(found, value),
            _ => drop(map.insert(key.clone(), pruned(value))),
        }
    }
}

fn pruned(value: &Value) -> Value {
    match value {
        Value::Object(map) => map.iter().filter(|(_, v)| !v.is_null()).map(|(k, v)| (k.clone(), pruned(v))).collect(),
        Value::Array(items) => items.iter().map(pruned).collect(),
        other => other.clone(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::schema::{Type, builtin::BUILTIN};

    fn patched(mut live: Value, patch: Value) -> Value {
        let ty = Type { schema: &BUILTIN.schema, id: BUILTIN.names["apps.v1.Deployment"] };
        let Value::Object(patch) = patch else { panic!("no object") };
        strategic::merge(Some(ty), live.as_object_mut().unwrap(), patch).unwrap();
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

    #[test]
    fn a_merge_patch_leaves_no_nulls() {
        let mut live = json!({ "a": { "b": 1, "c": 2 }, "l": [1] });
        merge(&mut live, &json!({ "a": { "b": null }, "l": [{ "x": null }], "n": { "y": null, "z": 1 } }));
        assert_eq!(live, json!({ "a": { "c": 2 }, "l": [{}], "n": { "z": 1 } }));
    }
}
