//! Defaults of a schema: each must be valid where it stands, and say nothing that would be dropped.

use serde_json::Value;

use super::structural::{fields, flag};
use crate::error::Cause;
use crate::rules;
use crate::schema::{check as values, embedded, fill, numbers, openapi, validator};

/// Every default that could not be kept.
pub(super) fn check(schema: &Value, path: &str) -> Vec<Cause> {
    let mut causes = Vec::new();
    at(schema, path, false, true, &mut causes);
    causes
}

fn at(schema: &Value, path: &str, inside: bool, root: bool, out: &mut Vec<Cause>) {
    let own = root || flag(schema, "x-kubernetes-embedded-resource");
    let inside = inside && !own;
    if let Some(default) = schema.get("default").filter(|default| !default.is_null()) {
        one(schema, default, &format!("{path}.default"), inside, root, out);
    }
    if schema["items"].is_object() {
        at(&schema["items"], &format!("{path}.items"), inside, false, out);
    }
    for (name, field) in fields(schema) {
        let meta = own && matches!(name.as_str(), "metadata" | "apiVersion" | "kind");
        at(field, &format!("{path}.properties[{name}]"), inside || meta, false, out);
    }
}

fn one(schema: &Value, default: &Value, path: &str, inside: bool, root: bool, out: &mut Vec<Cause>) {
    let mut value = default.clone();
    numbers::rewrite(&mut value);
    let (read, id) = openapi::part(schema);
    let ty = crate::schema::Type { schema: &read, id };
    if !inside && !fill::prune(ty, &mut value.clone()).is_empty() {
        out.push(Cause::invalid(path, &value, "must not have unknown fields"));
    }
    let compiled = validator::part(schema, root);
    let here = |mut cause: Cause| {
        cause.field = match cause.field.as_str() {
            "" | "<nil>" => path.to_owned(),
            field => format!("{path}.{field}"),
        };
        cause
    };
    let mut found: Vec<Cause> = embedded::unreadable(&compiled, &value).into_iter().collect();
    if found.is_empty() {
        found = embedded::check(&compiled, &value);
    }
    if found.is_empty() {
        found = values::check(&compiled, &value, None);
    }
    if found.is_empty() {
        // As it is when it comes into an object, and as it stays there.
        found = rules::check(&compiled, &value, Some(&value), false).causes;
        if found.is_empty() {
            found = rules::check(&compiled, &value, None, false).causes;
        }
    }
    out.extend(found.into_iter().map(here));
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn defaults_are_valid_where_they_stand() {
        let told = |field: Value| -> Vec<String> {
            let schema = json!({ "type": "object", "properties": { "f": field } });
            check(&schema, "s").into_iter().map(|c| c.field).collect()
        };
        assert!(told(json!({ "type": "string", "default": "x" })).is_empty());
        assert_eq!(told(json!({ "type": "string", "default": 1 })), ["s.properties[f].default"]);
        assert_eq!(told(json!({ "type": "object", "default": { "x": 1 } })), ["s.properties[f].default"]);
    }
}
