//! Owns what happens to a body before it is checked: unknown fields are dropped and defaults are put in.

use serde_json::{Map, Value};

use super::{Shape, Type};

/// Drops what the schema does not declare and returns the paths of it, as in `spec.foo` or `spec.ports[0].bar`.
pub(crate) fn prune(ty: Type<'_>, value: &mut Value) -> Vec<String> {
    let mut dropped = Vec::new();
    prune_at(Some(ty), value, "", &mut dropped);
    dropped
}

fn prune_at(ty: Option<Type<'_>>, value: &mut Value, path: &str, dropped: &mut Vec<String>) {
    let Some(ty) = ty else { return };
    match (&ty.node().shape, value) {
        (Shape::Object(object), Value::Object(map)) => {
            map.retain(|key, _| {
                let own = object.embedded && matches!(key.as_str(), "apiVersion" | "kind" | "metadata");
                let known =
                    own || object.keep_unknown || object.rest.is_some() || object.fields.contains_key(key.as_str());
                if !known {
                    dropped.push(join(path, key));
                }
                known
            });
            for (key, child) in map.iter_mut() {
                prune_at(ty.field(key), child, &join(path, key), dropped);
            }
        }
        (Shape::List(_), Value::Array(items)) => {
            for (i, child) in items.iter_mut().enumerate() {
                prune_at(ty.item(), child, &format!("{path}[{i}]"), dropped);
            }
        }
        (Shape::Bare, Value::Object(map)) => {
            dropped.extend(map.keys().map(|key| join(path, key)));
            map.clear();
        }
        (Shape::Bare, Value::Array(items)) => {
            for (i, child) in items.iter_mut().enumerate() {
                prune_at(Some(ty), child, &format!("{path}[{i}]"), dropped);
            }
        }
        _ => {}
    }
}

/// `parent.field`, or `field` at the top.
pub(crate) fn join(path: &str, field: &str) -> String {
    if path.is_empty() { field.to_owned() } else { format!("{path}.{field}") }
}

/// Puts in the schema's defaults; a null where null is not allowed and a default exists gives way to the default, as it does
/// on a kube-apiserver, and a null without a default is dropped.
pub(crate) fn defaults(ty: Type<'_>, value: &mut Value) {
    match (&ty.node().shape, value) {
        (Shape::Object(object), Value::Object(map)) => {
            for (name, id) in &object.fields {
                let child = Type { schema: ty.schema, id: *id };
                default_field(map, name, child);
            }
            if let Some(rest) = object.rest.map(|id| Type { schema: ty.schema, id }) {
                let plain: Vec<String> =
                    map.keys().filter(|key| !object.fields.contains_key(key.as_str())).cloned().collect();
                plain.iter().for_each(|key| null_gives_way(map, key, rest));
            }
            for (key, child) in map.iter_mut() {
                if let Some(ty) = ty.field(key) {
                    defaults(ty, child);
                }
            }
        }
        (Shape::List(_), Value::Array(items)) => {
            let Some(item) = ty.item() else { return };
            for child in items {
                if let (Value::Null, false, Some(default)) = (&*child, item.node().nullable, &item.node().default) {
                    *child = default.clone();
                }
                defaults(item, child);
            }
        }
        _ => {}
    }
}

fn default_field(map: &mut Map<String, Value>, name: &str, child: Type<'_>) {
    null_gives_way(map, name, child);
    if let (None, Some(default)) = (map.get(name), &child.node().default) {
        map.insert(name.to_owned(), default.clone());
    }
}

fn null_gives_way(map: &mut Map<String, Value>, name: &str, child: Type<'_>) {
    let node = child.node();
    if map.get(name).is_some_and(Value::is_null) && !node.nullable {
        map.remove(name);
    }
}

/// Drops nulls that stand for "absent": all but those of fields that are declared nullable.
pub(crate) fn drop_nulls(ty: Type<'_>, value: &mut Value) {
    match (&ty.node().shape, value) {
        (Shape::Object(_), Value::Object(map)) => {
            map.retain(|key, child| !child.is_null() || ty.field(key).is_some_and(|t| t.node().nullable));
            for (key, child) in map.iter_mut() {
                if let Some(ty) = ty.field(key) {
                    drop_nulls(ty, child);
                }
            }
        }
        (Shape::List(_), Value::Array(items)) => {
            let Some(item) = ty.item() else { return };
            items.iter_mut().for_each(|child| drop_nulls(item, child));
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::openapi::read;
    use super::*;

    #[test]
    fn unknown_fields_go_and_defaults_come() {
        let (schema, id) = read(&json!({"type": "object", "properties": {"spec": {"type": "object", "properties": {
            "size": {"type": "integer", "default": 3},
            "free": {"type": "object", "x-kubernetes-preserve-unknown-fields": true},
            "list": {"type": "array", "items": {"type": "object", "properties": {"a": {"type": "string", "default": "x"}}}}}}}}));
        let ty = Type { schema: &schema, id };
        let mut value = json!({"spec": {"bad": 1, "size": null, "free": {"any": 1}, "list": [{"b": 1}]}, "top": 1});
        assert_eq!(prune(ty, &mut value), ["top", "spec.bad", "spec.list[0].b"]);
        defaults(ty, &mut value);
        assert_eq!(value, json!({"spec": {"size": 3, "free": {"any": 1}, "list": [{"a": "x"}]}}));
    }
}
