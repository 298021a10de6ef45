//! Checks that an applied object fits its schema well enough to be merged: known fields, right types, distinct keys.

use std::collections::HashSet;

use serde_json::Value;

use super::walk::element;
use crate::schema::{Form, Scalar, Shape, Type, form};

/// The first thing that does not fit, worded as structured-merge-diff words it; several are listed on lines of their own.
pub(crate) fn check(ty: Type<'_>, value: &Value) -> Result<(), String> {
    let mut errors = Vec::new();
    check_at(Some(ty), value, "", &mut errors);
    match errors.as_slice() {
        [] => Ok(()),
        [one] => Err(one.clone()),
        many => Err(format!("errors:\n  {}", many.join("\n  "))),
    }
}

fn check_at(ty: Option<Type<'_>>, value: &Value, path: &str, errors: &mut Vec<String>) {
    let Some(of) = ty else { return };
    match (&of.node().shape, value) {
        (Shape::Any, _) | (_, Value::Null) => {}
        (Shape::Object(object), Value::Object(map)) => {
            let open = object.keep_unknown || object.rest.is_some() || object.embedded || object.fields.is_empty();
            if let Some(unknown) = map.keys().find(|name| !open && of.field(name).is_none()) {
                errors.push(format!("{path}.{unknown}: field not declared in schema"));
                return;
            }
            for (name, child) in map {
                check_at(of.field(name), child, &format!("{path}.{name}"), errors);
            }
        }
        (Shape::Object(_), other) => errors.push(format!("{path}: expected map, got {}", shown(other))),
        (Shape::List(_), Value::Array(items)) => check_items(of, value, items, path, errors),
        (Shape::List(_), other) => errors.push(format!("{path}: expected list, got {}", shown(other))),
        (Shape::Scalar(scalar), value) => {
            if let Some(expected) = mismatch(*scalar, value) {
                errors.push(format!("{path}: expected {expected}, got {}", shown(value)));
            }
        }
    }
}

fn check_items(ty: Type<'_>, list: &Value, items: &[Value], path: &str, errors: &mut Vec<String>) {
    let shape = form(Some(ty), list);
    let mut seen = HashSet::new();
    for (i, item) in items.iter().enumerate() {
        let missing = match shape {
            Form::Keyed(keys) => keys.iter().find(|(key, default)| default.is_none() && item.get(&**key).is_none()),
            _ => None,
        };
        if let Some((key, _)) = missing {
            let what = "associative list with keys has an element that omits key field";
            errors.push(format!("{path}: element {i}: {what} \"{key}\" (and doesn't have default value)"));
            continue;
        }
        let at = match shape {
            Form::Set | Form::Keyed(_) => super::set::readable(&element(shape, item)),
            _ => format!("[{i}]"),
        };
        if !matches!(shape, Form::Leaf) && !seen.insert(at.clone()) {
            errors.push(format!("{path}: duplicate entries for key {at}"));
        }
        check_at(ty.item(), item, &format!("{path}{at}"), errors);
    }
}

fn mismatch(scalar: Scalar, value: &Value) -> Option<&'static str> {
    let (expected, fits) = match scalar {
        Scalar::Text | Scalar::Base64 | Scalar::Time => ("string", value.is_string()),
        Scalar::Integer | Scalar::Long | Scalar::Number => ("numeric (int or float)", value.is_number()),
        Scalar::Boolean => ("boolean", value.is_boolean()),
        Scalar::IntOrText | Scalar::Quantity => ("scalar", value.is_string() || value.is_number()),
    };
    (!fits).then_some(expected)
}

fn shown(value: &Value) -> String {
    match value {
        Value::String(_) => "string".into(),
        Value::Bool(_) => "boolean".into(),
        Value::Number(number) if number.is_f64() => "float".into(),
        Value::Number(_) => "int".into(),
        Value::Array(_) => "list".into(),
        Value::Object(_) => "map".into(),
        Value::Null => "null".into(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::schema::builtin::BUILTIN;

    #[test]
    fn what_cannot_be_merged_is_named() {
        let ty = Type { schema: &BUILTIN.schema, id: BUILTIN.names["apps.v1.Deployment"] };
        let with = |containers: Value| json!({"spec": {"template": {"spec": {"containers": containers}}}});
        let path = ".spec.template.spec.containers";
        assert!(check(ty, &with(json!([{"name": "a"}, {"name": "b"}]))).is_ok());
        let unknown = check(ty, &json!({"spec": {"nope": 1}})).unwrap_err();
        assert_eq!(unknown, ".spec.nope: field not declared in schema");
        let twice = check(ty, &with(json!([{"name": "a"}, {"name": "a"}]))).unwrap_err();
        assert_eq!(twice, format!("{path}: duplicate entries for key [name=\"a\"]"));
        let nameless = check(ty, &with(json!([{"image": "a"}]))).unwrap_err();
        assert!(nameless.starts_with(&format!("{path}: element 0: associative list with keys")), "{nameless}");
        assert_eq!(check(ty, &json!({"spec": 1})).unwrap_err(), ".spec: expected map, got int");
    }
}
