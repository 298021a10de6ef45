//! Owns the form in which objects of built-in kinds are kept: the one that Go's structs leave behind. Which fields are written
//! although they are empty, and which vanish, is derived from the struct tags (data/derive.py).

use serde_json::{Map, Value, json};

use crate::quantity::Quantity;

use super::{ListShape, ObjectShape, Scalar, Shape, Type};

/// Pointers that are written even where they point to nothing, of all those that may.
const NULLS: [(&str, &str); 2] =
    [("core.v1.TypedLocalObjectReference", "apiGroup"), ("core.v1.TypedObjectReference", "apiGroup")];

/// Brings a value of a built-in type to the form in which it is kept.
pub(crate) fn settle(ty: Type<'_>, value: &mut Value) {
    match (&ty.node().shape, value) {
        (Shape::Object(object), Value::Object(map)) => {
            map.retain(|_, child| !child.is_null());
            for (key, child) in map.iter_mut() {
                if let Some(ty) = ty.field(key) {
                    settle(ty, child);
                }
            }
            // What may be anything is written as it came.
            let any = |field: &str| {
                ty.field(field).is_none_or(|t| match &t.node().shape {
                    Shape::Any => true,
                    Shape::Object(object) => object.keep_unknown,
                    _ => false,
                })
            };
            // Objects have few fields, and hardly any is empty, where types have many: so those of the object are gone through.
            map.retain(|field, child| {
                let sparse = is_empty(child) && field != "metadata" && object.sparse.iter().any(|f| **f == **field);
                !sparse || any(field)
            });
            fill(object, ty, map);
            if let Some((_, field)) = NULLS.iter().find(|(name, _)| *name == object.name) {
                map.entry(*field).or_insert(Value::Null);
            }
        }
        (Shape::List(_), Value::Array(items)) => {
            let Some(item) = ty.item() else { return };
            items.iter_mut().for_each(|child| settle(item, child));
        }
        (Shape::Scalar(scalar @ (Scalar::Time | Scalar::Moment)), Value::String(text)) => {
            let form = if matches!(scalar, Scalar::Time) { "%Y-%m-%dT%H:%M:%SZ" } else { "%Y-%m-%dT%H:%M:%S.%6fZ" };
            if let Ok(time) = text.parse::<jiff::Timestamp>() {
                *text = time.strftime(form).to_string();
            }
        }
        (Shape::Scalar(Scalar::Quantity), amount) => {
            let text = amount.as_str().map_or_else(|| amount.to_string(), str::to_owned);
            if let Some(quantity) = Quantity::parse(&text) {
                *amount = quantity.canonical().into();
            }
        }
        _ => {}
    }
}

/// Parts that are always written are there, if only as empty objects: so defaults find them.
pub(crate) fn parts(ty: Type<'_>, value: &mut Value) {
    match (&ty.node().shape, value) {
        (Shape::Object(object), Value::Object(map)) => {
            for field in object.always.iter().filter(|f| &***f != "metadata") {
                let part =
                    ty.field(field).is_some_and(|t| matches!(&t.node().shape, Shape::Object(o) if o.rest.is_none()));
                if part && map.get(&**field).is_none_or(Value::is_null) {
                    map.insert(field.to_string(), json!({}));
                }
            }
            for (key, child) in map.iter_mut().filter(|(key, _)| *key != "metadata") {
                if let Some(ty) = ty.field(key) {
                    parts(ty, child);
                }
            }
        }
        (Shape::List(_), Value::Array(items)) => {
            let Some(item) = ty.item() else { return };
            items.iter_mut().for_each(|child| parts(item, child));
        }
        _ => {}
    }
}

/// A null in a map of texts is an empty text, as Go reads it.
pub(crate) fn texts(ty: Type<'_>, value: &mut Value) {
    match (&ty.node().shape, value) {
        (Shape::Object(object), Value::Object(map)) => {
            for (key, child) in map.iter_mut() {
                let Some(ty) = ty.field(key) else { continue };
                let text = matches!(ty.node().shape, Shape::Scalar(Scalar::Text));
                if child.is_null() && text && !object.fields.contains_key(key.as_str()) {
                    *child = Value::from("");
                }
                texts(ty, child);
            }
        }
        (Shape::List(_), Value::Array(items)) => {
            let Some(item) = ty.item() else { return };
            items.iter_mut().for_each(|child| texts(item, child));
        }
        _ => {}
    }
}

fn fill(object: &ObjectShape, ty: Type<'_>, map: &mut Map<String, Value>) {
    for field in &object.always {
        if map.contains_key(&**field) {
            continue;
        }
        if let Some(child) = ty.field(field) {
            let mut zero = zero(&child.node().shape);
            settle(child, &mut zero);
            map.insert(field.to_string(), zero);
        }
    }
}

/// An empty list that is always written comes back from storage as none.
pub(crate) fn unlist(ty: Type<'_>, value: &mut Value) {
    match (&ty.node().shape, value) {
        (Shape::Object(object), Value::Object(map)) => {
            for field in &object.always {
                if let Some(slot) = map.get_mut(&**field).filter(|v| v.as_array().is_some_and(Vec::is_empty)) {
                    *slot = Value::Null;
                }
            }
            for (key, child) in map.iter_mut() {
                if let Some(ty) = ty.field(key) {
                    unlist(ty, child);
                }
            }
        }
        (Shape::List(_), Value::Array(items)) => {
            let Some(item) = ty.item() else { return };
            items.iter_mut().for_each(|child| unlist(item, child));
        }
        _ => {}
    }
}

fn zero(shape: &Shape) -> Value {
    match shape {
        Shape::Object(ObjectShape { rest: None, .. }) => json!({}),
        Shape::Object(_)
        | Shape::List(ListShape { .. })
        | Shape::Any
        | Shape::Bare
        | Shape::Scalar(Scalar::Time | Scalar::Moment) => Value::Null,
        Shape::Scalar(Scalar::Integer | Scalar::Long | Scalar::Number | Scalar::IntOrText) => json!(0),
        Shape::Scalar(Scalar::Boolean) => json!(false),
        Shape::Scalar(Scalar::Quantity) => json!("0"),
        Shape::Scalar(Scalar::Text | Scalar::Base64) => json!(""),
    }
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Bool(flag) => !flag,
        Value::Number(number) => number.as_f64() == Some(0.0),
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Object(map) => map.is_empty(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schema::builtin::BUILTIN;

    fn settled(ty: &str, mut value: Value) -> Value {
        settle(Type { schema: &BUILTIN.schema, id: BUILTIN.names[ty] }, &mut value);
        value
    }

    #[test]
    fn times_are_in_utc_with_the_digits_of_their_type() {
        let event =
            json!({ "firstTimestamp": "2020-01-01T02:00:00.5+02:00", "eventTime": "2020-01-01T00:00:00.123456-01:00" });
        let event = settled("core.v1.Event", event);
        assert_eq!(event["firstTimestamp"], "2020-01-01T00:00:00Z");
        assert_eq!(event["eventTime"], "2020-01-01T01:00:00.123456Z");
    }

    #[test]
    fn what_is_empty_vanishes_or_is_written() {
        let map = json!({"metadata": {"name": "a", "labels": {}}, "data": {}, "immutable": false});
        assert_eq!(settled("core.v1.ConfigMap", map), json!({"metadata": {"name": "a"}, "immutable": false}));
        let role = json!({"metadata": {"name": "a"}, "rules": []});
        let mut role = settled("rbac.v1.Role", role);
        unlist(Type { schema: &BUILTIN.schema, id: BUILTIN.names["rbac.v1.Role"] }, &mut role);
        assert_eq!(role, json!({"metadata": {"name": "a"}, "rules": null}));
        let service = settled("core.v1.Service", json!({"spec": {"ports": [{"port": 1}]}}));
        assert_eq!(service["status"], json!({"loadBalancer": {}}));
        assert_eq!(service["spec"]["ports"][0], json!({"port": 1, "targetPort": 0}));
    }
}
