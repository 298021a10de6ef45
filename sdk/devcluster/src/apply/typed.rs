//! Checks that an applied object fits its schema well enough to be merged: known fields, right types, distinct keys.

use std::collections::HashSet;

use serde_json::Value;

use super::walk::element;
use crate::go;
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
        (Shape::Any | Shape::Bare, _) | (_, Value::Null) => {}
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
        (Shape::Object(_), other) => errors.push(format!("{path}: expected map, got &{{{}}}", go::plain(other))),
        (Shape::List(_), Value::Array(items)) => check_items(of, value, items, path, errors),
        (Shape::List(_), other) => errors.push(format!("{path}: expected list, got &{{{}}}", go::plain(other))),
        (Shape::Scalar(scalar), value) => {
            if let Some(expected) = mismatch(*scalar, value) {
                errors.push(format!("{path}: expected {expected}"));
            }
        }
    }
}

fn check_items(ty: Type<'_>, list: &Value, items: &[Value], path: &str, errors: &mut Vec<String>) {
    let shape = form(Some(ty), list);
    let mut seen = HashSet::new();
    for (i, item) in items.iter().enumerate() {
        if matches!(shape, Form::Keyed(_)) && !item.is_object() {
            let what = "associative list with keys may not have non-map elements";
            errors.push(format!("{path}: element {i}: {what}"));
            continue;
        }
        // One key is enough to tell items apart.
        if let Form::Keyed(keys) = shape
            && keys.iter().all(|(key, default)| default.is_none() && item.get(&**key).is_none())
        {
            let names: Vec<String> = keys.iter().map(|(key, _)| format!("\"{key}\"")).collect();
            let what = "associative list with keys has an element that omits all key fields";
            let names = names.join(" ");
            errors.push(format!(
                "{path}: element {i}: {what} [{names}] (and doesn't have default values for any key fields)"
            ));
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

fn mismatch(scalar: Scalar, value: &Value) -> Option<String> {
    let (expected, fits) = match scalar {
        Scalar::Text | Scalar::Base64 | Scalar::Time | Scalar::Moment => ("string", value.is_string()),
        Scalar::Integer | Scalar::Long | Scalar::Number => ("numeric (int or float)", value.is_number()),
        Scalar::Boolean => ("boolean", value.is_boolean()),
        Scalar::IntOrText | Scalar::Quantity => {
            ("any scalar", value.is_string() || value.is_number() || value.is_boolean())
        }
    };
    let got = match expected {
        "string" => format!("&value.valueUnstructured{{Value:{}}}", go::source(value)),
        "numeric (int or float)" => go::type_name(value).to_owned(),
        _ => format!("&{{{}}}", go::plain(value)),
    };
    (!fits).then(|| format!("{expected}, got {got}"))
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
        let nameless = check(ty, &with(json!(["a"]))).unwrap_err();
        assert!(nameless.starts_with(&format!("{path}: element 0: associative list with keys")), "{nameless}");
        assert_eq!(check(ty, &json!({"spec": 1})).unwrap_err(), ".spec: expected map, got &{1}");
    }
}
