//! Objects inside of objects (`x-kubernetes-embedded-resource`): they have a kind, a version and metadata of their own.

use serde_json::Value;

use super::fill::join;
use super::validator::Validator;
use crate::error::Cause;

const KIND: &str = "may have mixed case, but should otherwise match: a DNS-1035 label must consist of lower case alphanumeric \
     characters or '-', start with an alphabetic character, and end with an alphanumeric character (e.g. 'my-name',  or \
     'abc-123', regex used for validation is '[a-z]([-a-z0-9]*[a-z0-9])?')";

/// The first kind or version that is no text: such a body cannot be read at all.
pub(crate) fn unreadable(node: &Validator, value: &Value) -> Option<Cause> {
    let mut found = None;
    walk(node, value, "", &mut |object, path| {
        for field in ["apiVersion", "kind"] {
            if let Some(value) = object.get(field).filter(|v| !v.is_string() && found.is_none()) {
                found = Some(Cause::invalid(&join(path, field), value, "must be a string"));
            }
        }
    });
    found
}

/// What is wrong with embedded objects.
pub(crate) fn check(node: &Validator, value: &Value) -> Vec<Cause> {
    let mut causes = Vec::new();
    walk(node, value, "", &mut |object, path| one(object, path, &mut causes));
    causes
}

fn walk(node: &Validator, value: &Value, path: &str, work: &mut impl FnMut(&Value, &str)) {
    match value {
        Value::Object(map) => {
            if node.embedded {
                work(value, path);
            }
            for (key, child) in map {
                match (node.fields.get(key.as_str()), &node.rest) {
                    (Some(field), _) => walk(field, child, &join(path, key), work),
                    (None, Some(rest)) => walk(rest, child, &format!("{path}[{key}]"), work),
                    (None, None) => {}
                }
            }
        }
        Value::Array(items) => {
            if let Some(item) = &node.item {
                items.iter().enumerate().for_each(|(i, child)| walk(item, child, &format!("{path}[{i}]"), work));
            }
        }
        _ => {}
    }
}

fn one(object: &Value, path: &str, out: &mut Vec<Cause>) {
    let fields = ["apiVersion", "kind"].map(|field| (join(path, field), object.get(field).and_then(Value::as_str)));
    out.extend(fields.iter().filter(|(_, text)| text.is_none()).map(|(at, _)| Cause::required(at, "")));
    let [(version_at, version), (kind_at, kind)] = fields;
    match version {
        Some("") => out.push(Cause::invalid(&version_at, &"".into(), "must not be empty")),
        Some(version) if version.matches('/').count() > 1 => {
            let why = format!("unexpected GroupVersion string: {version}");
            out.push(Cause::invalid(&version_at, &version.into(), &why));
        }
        _ => {}
    }
    match kind {
        Some("") => out.push(Cause::invalid(&kind_at, &"".into(), "must not be empty")),
        Some(kind) if !is_kind(kind) => out.push(Cause::invalid(&kind_at, &kind.into(), KIND)),
        _ => {}
    }
    let name = crate::object::meta(object, "name");
    let at = join(path, "metadata.name");
    if matches!(name, "." | "..") {
        out.push(Cause::invalid(&at, &name.into(), &format!("may not be '{name}'")));
    }
    for letter in ['/', '%'].into_iter().filter(|letter| name.contains(*letter)) {
        out.push(Cause::invalid(&at, &name.into(), &format!("may not contain '{letter}'")));
    }
}

fn is_kind(kind: &str) -> bool {
    let inner = |c: char| c.is_ascii_alphanumeric() || c == '-';
    kind.starts_with(|c: char| c.is_ascii_alphabetic()) && kind.chars().all(inner) && !kind.ends_with('-')
}
