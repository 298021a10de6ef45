//! Owns what happens to a body before it is checked: unknown fields are dropped and defaults are put in.

use serde_json::{Map, Value};

use super::{Shape, Type};

/// Drops what the schema does not declare and returns the paths of it, as in `spec.foo` or `spec.ports[0].bar`.
pub(crate) fn prune(ty: Type<'_>, value: &mut Value) -> Vec<String> {
    let mut dropped = Vec::new();
    prune_at(Some(ty), value, &mut Trail::default(), &mut dropped);
    dropped
}

fn prune_at(ty: Option<Type<'_>>, value: &mut Value, path: &mut Trail, dropped: &mut Vec<String>) {
    let Some(ty) = ty else { return };
    match (&ty.node().shape, value) {
        (Shape::Object(object), Value::Object(map)) => {
            map.retain(|key, _| {
                let own = object.embedded && matches!(key.as_str(), "apiVersion" | "kind" | "metadata");
                let known =
                    own || object.keep_unknown || object.rest.is_some() || object.fields.contains_key(key.as_str());
                if !known {
                    dropped.push(path.to(key));
                }
                known
            });
            for (key, child) in map.iter_mut() {
                path.field(key, |path| prune_at(ty.field(key), child, path, dropped));
            }
        }
        (Shape::List(_), Value::Array(items)) => {
            for (i, child) in items.iter_mut().enumerate() {
                path.item(i, |path| prune_at(ty.item(), child, path, dropped));
            }
        }
        (Shape::Bare, Value::Object(map)) => {
            dropped.extend(map.keys().map(|key| path.to(key)));
            map.clear();
        }
        (Shape::Bare, Value::Array(items)) => {
            for (i, child) in items.iter_mut().enumerate() {
                path.item(i, |path| prune_at(Some(ty), child, path, dropped));
            }
        }
        _ => {}
    }
}

/// `parent.field`, or `field` at the top.
pub(crate) fn join(path: &str, field: &str) -> String {
    if path.is_empty() { field.to_owned() } else { [path, ".", field].concat() }
}

/// The path to where one is in a value, in one text that grows and shrinks on the way.
#[derive(Debug, Default)]
pub(crate) struct Trail(String);

impl Trail {
    /// The path as it is now.
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }

    /// The path of a field from here.
    pub(crate) fn to(&self, field: &str) -> String {
        join(&self.0, field)
    }

    /// Goes into a field and back.
    pub(crate) fn field<R>(&mut self, field: &str, inside: impl FnOnce(&mut Self) -> R) -> R {
        self.step(
            |path| {
                if !path.is_empty() {
                    path.push('.');
                }
                path.push_str(field);
            },
            inside,
        )
    }

    /// Goes into an item of a list and back.
    pub(crate) fn item<R>(&mut self, i: usize, inside: impl FnOnce(&mut Self) -> R) -> R {
        self.step(|path| path.push_str(&format!("[{i}]")), inside)
    }

    fn step<R>(&mut self, on: impl FnOnce(&mut String), inside: impl FnOnce(&mut Self) -> R) -> R {
        let length = self.0.len();
        on(&mut self.0);
        let result = inside(self);
        self.0.truncate(length);
        result
    }
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
