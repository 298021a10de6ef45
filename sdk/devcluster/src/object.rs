//! Reads and writes the parts of an object that every kind has, on plain JSON values.

use serde_json::{Map, Value};

/// A text field below `metadata`; empty if it is not there.
pub(crate) fn meta<'a>(object: &'a Value, field: &str) -> &'a str {
    object.get("metadata").and_then(|m| m.get(field)).and_then(Value::as_str).unwrap_or_default()
}

/// Sets a metadata field, or takes it away. Does nothing to what is not an object.
pub(crate) fn set_meta(object: &mut Value, field: &str, value: Option<Value>) {
    let Some(object) = object.as_object_mut() else { return };
    let slot = object.entry("metadata").or_insert_with(|| Value::Object(Map::new()));
    if !slot.is_object() {
        *slot = Value::Object(Map::new());
    }
    let Some(meta) = slot.as_object_mut() else { return };
    match value {
        Some(value) => {
            meta.insert(field.into(), value);
        }
        None => {
            meta.remove(field);
        }
    }
}

/// The value at a path of field names.
pub(crate) fn at<'a>(object: &'a Value, path: &[impl AsRef<str>]) -> Option<&'a Value> {
    path.iter().try_fold(object, |value, field| value.get(field.as_ref()))
}

/// Sets the value at a path of field names, making the objects on the way.
pub(crate) fn set_at(object: &mut Value, path: &[impl AsRef<str>], value: Value) {
    let mut slot = object;
    for field in path {
        if !slot.is_object() {
            *slot = Value::Object(Map::new());
        }
        slot = &mut slot[field.as_ref()];
    }
    *slot = value;
}

/// True if the object waits for finalizers.
pub(crate) fn is_deleting(object: &Value) -> bool {
    !meta(object, "deletionTimestamp").is_empty()
}

/// The finalizers that hold an object.
pub(crate) fn finalizers(object: &Value) -> Vec<&str> {
    let list = object.get("metadata").and_then(|m| m.get("finalizers")).and_then(Value::as_array);
    list.into_iter().flatten().filter_map(Value::as_str).collect()
}

/// The owner references of an object.
pub(crate) fn owners(object: &Value) -> &[Value] {
    let list = object.get("metadata").and_then(|m| m.get("ownerReferences")).and_then(Value::as_array);
    list.map(Vec::as_slice).unwrap_or_default()
}

/// The resourceVersion that a client sent; `None` if it sent none.
pub(crate) fn sent_version(object: &Value) -> Option<&str> {
    Some(meta(object, "resourceVersion")).filter(|v| !v.is_empty())
}

/// The time as Kubernetes writes it: RFC 3339, whole seconds, UTC.
pub(crate) fn now() -> String {
    jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}
