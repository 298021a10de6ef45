//! Checks custom resources against their schema, finding by finding as kube-apiserver's validator tells them. What was wrong
//! before an update and has not changed is tolerated.

use serde_json::{Map, Value};

use super::fill::join;
use super::numbers;
use super::validator::{List, Range, Validator};
use super::{formats, lists};
use crate::error::Cause;

/// What one node came to: its findings, and how much of it fitted, by which the best of several alternatives is told.
#[derive(Debug, Default)]
pub(super) struct Found {
    pub(super) causes: Vec<Cause>,
    fits: usize,
}

impl Found {
    fn one(cause: Cause) -> Self {
        Self { causes: vec![cause], fits: 0 }
    }

    fn merge(&mut self, other: Found) {
        self.causes.extend(other.causes);
        self.fits += other.fits;
    }
}

/// A finding that is about no field.
pub(super) fn nowhere(message: &str) -> Cause {
    Cause::invalid("<nil>", &"".into(), message)
}

/// Every violation in `value`; `old` is what was there before.
pub(crate) fn check(validator: &Validator, value: &Value, old: Option<&Value>) -> Vec<Cause> {
    at(validator, value, old, "").causes
}

/// One node; findings about what has not changed do not count.
fn at(node: &Validator, value: &Value, old: Option<&Value>, path: &str) -> Found {
    let mut found = all_of_it(node, value, old, path);
    if !found.causes.is_empty() && old == Some(value) {
        found.causes.clear();
    }
    found
}

fn all_of_it(node: &Validator, value: &Value, old: Option<&Value>, path: &str) -> Found {
    let mut found = kind(node, value, path);
    if value.is_null() {
        found.causes.extend(listed(node, value, path));
        return found;
    }
    found.fits += usize::from(!node.types.is_empty() || node.format.is_some());
    found.merge(alternatives(node, value, old, path));
    found.fits += 3;
    match value {
        Value::String(text) => {
            found.causes.extend(text_bounds(node, text, value, path));
            found.fits += 1 + usize::from(node.format.is_some());
            if let Some(format) = node.format.as_deref().filter(|format| !formats::fits(format, text)) {
                let why = format!("{path} in body must be of type {format}: {value}");
                found.causes.push(Cause { reason: "FieldValueTypeInvalid", ..Cause::invalid(path, value, &why) });
            }
        }
        Value::Number(number) => {
            numbers::check(node, number, path, &mut found.causes);
            found.fits += 2;
        }
        Value::Array(items) => found.merge(list(node, items, old, path)),
        _ => {}
    }
    found.causes.extend(listed(node, value, path));
    if let Value::Object(map) = value {
        found.merge(object(node, map, old, path));
        found.fits += 1;
    }
    found
}

fn kind(node: &Validator, value: &Value, path: &str) -> Found {
    let name = type_name(value);
    let takes = |kind: &str| node.types.iter().any(|t| **t == *kind);
    let fits = match value {
        _ if node.types.is_empty() => true,
        Value::Null => node.nullable,
        Value::Number(number) => takes(name) || takes("number") || takes("integer") && numbers::is_whole(number),
        _ => takes(name),
    };
    // A text under a format is left to the format.
    if fits || value.is_string() && node.format.is_some() && !takes("number") && !takes("integer") {
        return Found { causes: Vec::new(), fits: 1 };
    }
    let why = format!("{path} in body must be of type {}: \"{name}\"", node.types.join(","));
    Found::one(Cause { reason: "FieldValueTypeInvalid", ..Cause::invalid(path, &name.into(), &why) })
}

pub(super) fn type_name(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(number) if number.is_f64() => "number",
        Value::Number(_) => "integer",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

fn listed(node: &Validator, value: &Value, path: &str) -> Option<Cause> {
    let values = &node.one_of_values;
    let same = |one: &Value| one == value || one.as_f64().is_some_and(|n| value.as_f64() == Some(n));
    if values.is_empty() || values.iter().any(same) {
        return None;
    }
    let shown = |one: &Value| match one {
        Value::String(_) => one.to_string(),
        other => Value::from(other.to_string()).to_string(),
    };
    let allowed: Vec<String> = values.iter().map(shown).collect();
    let message = format!("Unsupported value: {value}: supported values: {}", allowed.join(", "));
    Some(Cause { reason: "FieldValueNotSupported", message, field: path.into() })
}

/// One violation per text, in this order.
fn text_bounds(node: &Validator, text: &str, value: &Value, path: &str) -> Option<Cause> {
    let length = text.chars().count() as u64;
    if let Some(max) = node.length.1.filter(|max| length > *max) {
        let bytes = if max == 1 { "byte" } else { "bytes" };
        let message = format!("Too long: may not be more than {max} {bytes}");
        return Some(Cause { reason: "FieldValueTooLong", message, field: path.into() });
    }
    if let Some(min) = node.length.0.filter(|min| length < *min) {
        return Some(Cause::invalid(path, value, &format!("{path} in body should be at least {min} chars long")));
    }
    let (pattern, _) = node.pattern.as_ref().filter(|(_, regex)| !regex.is_match(text))?;
    Some(Cause::invalid(path, value, &format!("{path} in body should match '{pattern}'")))
}

fn sized(range: Range, len: usize, of: &str, path: &str, out: &mut Vec<Cause>) {
    let len = len as u64;
    if let Some(min) = range.0.filter(|min| len < *min) {
        let why = format!("{path} in body should have at least {min} {of}");
        out.push(Cause::invalid(path, &len.into(), &why));
    }
    if let Some(max) = range.1.filter(|max| len > *max) {
        let of = if max == 1 { "item" } else { "items" };
        let message = format!("Too many: {len}: must have at most {max} {of}");
        out.push(Cause { reason: "FieldValueTooMany", message, field: path.into() });
    }
}

fn list(node: &Validator, items: &[Value], old: Option<&Value>, path: &str) -> Found {
    let mut found = Found { causes: Vec::new(), fits: 2 };
    if let Some(item) = &node.item {
        for (i, child) in items.iter().enumerate() {
            let before = match &node.list {
                List::Map(keys) => old.and_then(Value::as_array).and_then(|old| lists::twin(old, keys, child)),
                _ => None,
            };
            found.merge(at(item, child, before, &format!("{path}[{i}]")));
        }
    }
    sized(node.items, items.len(), "items", path, &mut found.causes);
    found
}

fn object(node: &Validator, map: &Map<String, Value>, old: Option<&Value>, path: &str) -> Found {
    let mut found = Found::default();
    sized(node.properties, map.len(), "properties", path, &mut found.causes);
    let before = |key: &str| old.filter(|_| !node.atomic).and_then(|old| old.get(key));
    if let Some(rest) = &node.rest {
        for (key, child) in map.iter().filter(|(key, _)| !node.fields.contains_key(key.as_str())) {
            found.merge(at(rest, child, before(key), &join(path, key)));
        }
    }
    for (name, field) in &node.fields {
        if let Some(child) = map.get(&**name) {
            found.merge(at(field, child, before(name), &join(path, name)));
        }
    }
    for name in node.required.iter().filter(|name| !map.contains_key(&***name)) {
        found.causes.push(Cause::required(&join(path, name), ""));
    }
    found
}

/// `anyOf`, `oneOf`, `allOf` and `not`.
fn alternatives(node: &Validator, value: &Value, old: Option<&Value>, path: &str) -> Found {
    let mut found = Found { causes: Vec::new(), fits: 1 };
    let try_all = |nodes: &[Validator]| nodes.iter().map(|n| all_of_it(n, value, old, path)).collect::<Vec<_>>();
    if !node.any_of.is_empty() {
        let mut tried = try_all(&node.any_of);
        match tried.iter().position(|t| t.causes.is_empty()) {
            Some(first) => found.merge(tried.swap_remove(first)),
            None => {
                found.causes.push(nowhere(&format!("\"{path}\" must validate at least one schema (anyOf)")));
                found.merge(best(tried));
            }
        }
    }
    if !node.one_of.is_empty() {
        let mut tried = try_all(&node.one_of);
        let valid = tried.iter().filter(|t| t.causes.is_empty()).count();
        let first = tried.iter().position(|t| t.causes.is_empty());
        match (valid, first) {
            (1, Some(first)) => found.merge(tried.swap_remove(first)),
            _ => {
                let how =
                    if valid == 0 { "Found none valid".into() } else { format!("Found {valid} valid alternatives") };
                found.causes.push(nowhere(&format!("\"{path}\" must validate one and only one schema (oneOf). {how}")));
                if valid == 0 {
                    found.merge(best(tried));
                }
            }
        }
    }
    if !node.all_of.is_empty() {
        let tried = try_all(&node.all_of);
        let valid = tried.iter().filter(|t| t.causes.is_empty()).count();
        tried.into_iter().for_each(|t| found.merge(t));
        if valid != node.all_of.len() {
            let none = if valid == 0 { ". None validated" } else { "" };
            found.causes.push(nowhere(&format!("\"{path}\" must validate all the schemas (allOf){none}")));
        }
    }
    if node.not.as_ref().is_some_and(|not| all_of_it(not, value, old, path).causes.is_empty()) {
        found.causes.push(nowhere(&format!("\"{path}\" must not validate the schema (not)")));
    }
    found
}

/// The failure that fitted most; the first of equals.
fn best(tried: Vec<Found>) -> Found {
    tried.into_iter().reduce(|best, next| if next.fits > best.fits { next } else { best }).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::validator::compile;
    use super::*;

    #[test]
    fn each_rule_names_its_field() {
        let schema = json!({"type": "object", "required": ["spec"], "properties": {"spec": {"type": "object",
            "required": ["must"], "properties": {
            "n": {"type": "integer", "minimum": 1, "maximum": 5}, "e": {"type": "string", "enum": ["a", "b"]},
            "p": {"type": "string", "pattern": "^x+$", "maxLength": 3}, "l": {"type": "array", "minItems": 1, "items": {"type": "string"}},
            "o": {"nullable": true, "type": "string"}}}}});
        let validator = compile(&schema);
        let fields =
            |value: Value| check(&validator, &value, None).into_iter().map(|c| (c.field, c.reason)).collect::<Vec<_>>();
        assert_eq!(fields(json!({})), [("spec".to_owned(), "FieldValueRequired")]);
        assert!(fields(json!({"spec": {"must": 1, "n": 5, "e": "a", "p": "xx", "l": ["a"], "o": null}})).is_empty());
        let bad = fields(json!({"spec": {"n": 6, "e": "c", "p": "xxxy", "l": [], "o": 3}}));
        let expected = [
            ("spec.e", "FieldValueNotSupported"),
            ("spec.l", "FieldValueInvalid"),
            ("spec.n", "FieldValueInvalid"),
            ("spec.o", "FieldValueTypeInvalid"),
            ("spec.p", "FieldValueTooLong"),
            ("spec.must", "FieldValueRequired"),
        ];
        assert_eq!(bad.iter().map(|(f, r)| (f.as_str(), *r)).collect::<Vec<_>>(), expected);
    }

    #[test]
    fn what_was_wrong_before_is_tolerated() {
        let validator = compile(
            &json!({"type": "object", "properties": {"a": {"type": "string", "maxLength": 1}, "b": {"type": "string", "maxLength": 1}}}),
        );
        let old = json!({"a": "long", "b": "x"});
        assert!(check(&validator, &json!({"a": "long", "b": "y"}), Some(&old)).is_empty());
        assert_eq!(check(&validator, &json!({"a": "other", "b": "x"}), Some(&old)).len(), 1);
        assert_eq!(check(&validator, &old, None).len(), 1);
    }
}
