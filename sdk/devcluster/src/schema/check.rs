//! Checks custom resources against their structural schema; what is found becomes the causes of a 422.

use serde_json::Value;

use super::fill::join;
use super::{Rules, Scalar, Shape, Type};
use crate::error::Cause;

/// Every violation in `value`.
pub(crate) fn check(ty: Type<'_>, value: &Value) -> Vec<Cause> {
    let mut causes = Vec::new();
    check_at(ty, value, "", &mut causes);
    causes
}

fn check_at(ty: Type<'_>, value: &Value, path: &str, out: &mut Vec<Cause>) {
    let node = ty.node();
    if value.is_null() && node.nullable {
        return;
    }
    if let Some(expected) = mismatch(&node.shape, value) {
        let why = format!("{path} in body must be of type {expected}: \"{}\"", type_name(value));
        let shown = Value::from(type_name(value));
        out.push(Cause { reason: "FieldValueTypeInvalid", ..Cause::invalid(path, &shown, &why) });
        return;
    }
    if let Some(rules) = &node.rules {
        bounds(rules, value, path, out);
    }
    match (&node.shape, value) {
        (Shape::Object(object), Value::Object(map)) => {
            for name in &object.required {
                if !map.contains_key(&**name) {
                    out.push(Cause::required(&join(path, name), ""));
                }
            }
            for (key, child) in map {
                if let Some(ty) = ty.field(key) {
                    check_at(ty, child, &join(path, key), out);
                }
            }
        }
        (Shape::List(_), Value::Array(items)) => {
            let Some(item) = ty.item() else { return };
            for (i, child) in items.iter().enumerate() {
                check_at(item, child, &format!("{path}[{i}]"), out);
            }
        }
        _ => {}
    }
}

/// The type that was expected, if `value` is not of it.
fn mismatch(shape: &Shape, value: &Value) -> Option<&'static str> {
    let (expected, fits) = match shape {
        Shape::Any => return None,
        Shape::Object(_) => ("object", value.is_object()),
        Shape::List(_) => ("array", value.is_array()),
        Shape::Scalar(Scalar::Text | Scalar::Time | Scalar::Base64) => ("string", value.is_string()),
        Shape::Scalar(Scalar::Integer | Scalar::Long) => ("integer", is_integer(value)),
        Shape::Scalar(Scalar::Number) => ("number", value.is_number()),
        Shape::Scalar(Scalar::Boolean) => ("boolean", value.is_boolean()),
        Shape::Scalar(Scalar::IntOrText) => ("integer,string", is_integer(value) || value.is_string()),
        Shape::Scalar(Scalar::Quantity) => ("string", value.is_string() || value.is_number()),
    };
    (!fits).then_some(expected)
}

fn is_integer(value: &Value) -> bool {
    value.is_i64() || value.is_u64() || value.as_f64().is_some_and(|n| n.fract() == 0.0)
}

fn type_name(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(_) if is_integer(value) => "integer",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

fn bounds(rules: &Rules, value: &Value, path: &str, out: &mut Vec<Cause>) {
    if !rules.one_of.is_empty() && !rules.one_of.contains(value) {
        let allowed: Vec<String> = rules.one_of.iter().map(Value::to_string).collect();
        let message = format!("Unsupported value: {value}: supported values: {}", allowed.join(", "));
        out.push(Cause { reason: "FieldValueNotSupported", message, field: path.into() });
    }
    match value {
        Value::Number(_) => numbers(rules, value, path, out),
        Value::String(text) => texts(rules, text, value, path, out),
        Value::Array(items) => {
            sized(rules.items, items.len(), "items", path, out);
            let repeated = items.iter().enumerate().any(|(i, item)| items[..i].contains(item));
            if rules.unique && repeated {
                out.push(Cause::invalid(path, value, &format!("{path} in body shouldn't contain duplicates")));
            }
        }
        Value::Object(map) => sized(rules.properties, map.len(), "properties", path, out),
        _ => {}
    }
}

fn numbers(rules: &Rules, value: &Value, path: &str, out: &mut Vec<Cause>) {
    let number = value.as_f64().unwrap_or_default();
    if let Some((min, exclusive)) = rules.minimum
        && (number < min || (exclusive && number == min))
    {
        let than = if exclusive { "greater than" } else { "greater than or equal to" };
        out.push(Cause::invalid(path, value, &format!("{path} in body should be {than} {min}")));
    }
    if let Some((max, exclusive)) = rules.maximum
        && (number > max || (exclusive && number == max))
    {
        let than = if exclusive { "less than" } else { "less than or equal to" };
        out.push(Cause::invalid(path, value, &format!("{path} in body should be {than} {max}")));
    }
    if let Some(of) = rules.multiple_of
        && (number / of).fract() != 0.0
    {
        out.push(Cause::invalid(path, value, &format!("{path} in body should be a multiple of {of}")));
    }
}

fn texts(rules: &Rules, text: &str, value: &Value, path: &str, out: &mut Vec<Cause>) {
    // One violation per text, in this order, as a kube-apiserver tells them.
    let length = text.chars().count() as u64;
    if let Some(max) = rules.length.1.filter(|max| length > *max) {
        let message = format!("Too long: may not be more than {max} bytes");
        out.push(Cause { reason: "FieldValueTooLong", message, field: path.into() });
    } else if let Some(min) = rules.length.0.filter(|min| length < *min) {
        out.push(Cause::invalid(path, value, &format!("{path} in body should be at least {min} chars long")));
    } else if let Some(pattern) = rules.pattern.as_ref().filter(|p| !p.is_match(text)) {
        out.push(Cause::invalid(path, value, &format!("{path} in body should match '{pattern}'")));
    }
}

fn sized(range: (Option<u64>, Option<u64>), len: usize, of: &str, path: &str, out: &mut Vec<Cause>) {
    let len = len as u64;
    if let Some(min) = range.0.filter(|min| len < *min) {
        let shown = Value::from(len);
        out.push(Cause::invalid(path, &shown, &format!("{path} in body should have at least {min} {of}")));
    }
    if let Some(max) = range.1.filter(|max| len > *max) {
        let message = format!("Too many: {len}: must have at most {max} items");
        out.push(Cause { reason: "FieldValueTooMany", message, field: path.into() });
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::openapi::read;
    use super::*;

    #[test]
    fn each_rule_names_its_field() {
        let (schema, id) = read(
            &json!({"type": "object", "required": ["spec"], "properties": {"spec": {"type": "object",
            "required": ["must"], "properties": {
            "n": {"type": "integer", "minimum": 1, "maximum": 5}, "e": {"type": "string", "enum": ["a", "b"]},
            "p": {"type": "string", "pattern": "^x+$", "maxLength": 3}, "l": {"type": "array", "minItems": 1, "items": {"type": "string"}},
            "o": {"nullable": true, "type": "string"}}}}}),
        );
        let ty = Type { schema: &schema, id };
        let fields = |value: Value| check(ty, &value).into_iter().map(|c| (c.field, c.reason)).collect::<Vec<_>>();
        assert_eq!(fields(json!({})), [("spec".to_owned(), "FieldValueRequired")]);
        assert!(fields(json!({"spec": {"must": 1, "n": 5, "e": "a", "p": "xx", "l": ["a"], "o": null}})).is_empty());
        let bad = fields(json!({"spec": {"n": 6, "e": "c", "p": "xxxy", "l": [], "o": 3}}));
        let expected = [
            ("spec.must", "FieldValueRequired"),
            ("spec.e", "FieldValueNotSupported"),
            ("spec.l", "FieldValueInvalid"),
            ("spec.n", "FieldValueInvalid"),
            ("spec.o", "FieldValueTypeInvalid"),
            ("spec.p", "FieldValueTooLong"),
        ];
        assert_eq!(bad.iter().map(|(f, r)| (f.as_str(), *r)).collect::<Vec<_>>(), expected);
    }
}
