//! Structural schemas: every value has a type outside of `allOf`, `anyOf`, `oneOf` and `not`, so that it is known what to keep.

use regex::Regex;
use serde_json::{Map, Value, json};

use super::text;
use crate::error::Cause;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Level {
    Root,
    Item,
    Field,
}

/// What joins further schemas to one, in the order in which it is looked at.
const JUNCTORS: [&str; 3] = ["anyOf", "allOf", "oneOf"];
/// What only the schema proper may say.
const FORBIDDEN: [(&str, &str); 11] = [
    ("type", "empty"),
    ("default", "undefined"),
    ("title", "empty"),
    ("description", "empty"),
    ("nullable", "false"),
    ("x-kubernetes-preserve-unknown-fields", "false"),
    ("x-kubernetes-embedded-resource", "false"),
    ("x-kubernetes-int-or-string", "false"),
    ("x-kubernetes-list-map-keys", "empty"),
    ("x-kubernetes-list-type", "undefined"),
    ("x-kubernetes-map-type", "undefined"),
];

pub(super) fn flag(schema: &Value, name: &str) -> bool {
    schema.get(name).and_then(Value::as_bool).unwrap_or(false)
}

pub(super) fn many<'a>(schema: &'a Value, name: &str) -> impl Iterator<Item = &'a Value> + use<'a> {
    schema.get(name).and_then(Value::as_array).into_iter().flatten()
}

pub(super) fn fields(schema: &Value) -> impl Iterator<Item = (&String, &Value)> {
    schema.get("properties").and_then(Value::as_object).into_iter().flatten()
}

/// Every breach of the rules, in the order of their texts.
pub(super) fn check(schema: &Value, path: &str) -> Vec<Cause> {
    let mut found = Vec::new();
    invariants(schema, Level::Root, path, &mut found);
    complete_values(schema, Some(schema), path, path, &mut found);
    found.sort_by_cached_key(|cause| format!("{}: {}", cause.field, cause.message));
    found
}

/// Why a schema cannot be read as a structural one at all.
pub(super) fn unbuildable(schema: &Value) -> Option<String> {
    let full = |name: &str| match schema.get(name) {
        Some(Value::String(text)) => !text.is_empty(),
        Some(Value::Object(map)) => !map.is_empty() || name == "additionalItems",
        Some(Value::Bool(_)) => true,
        _ => false,
    };
    let unknown = ["id", "$schema", "$ref", "patternProperties", "dependencies", "additionalItems", "definitions"];
    if let Some(name) = unknown.into_iter().find(|name| full(name)) {
        return Some(format!("OpenAPIV3Schema '{}' is not supported", if name == "$schema" { "schema" } else { name }));
    }
    let joined = ["allOf", "anyOf", "oneOf"].into_iter().flat_map(|name| many(schema, name));
    if let Some(why) = schema.get("not").and_then(unbuildable).or_else(|| joined.into_iter().find_map(unbuildable)) {
        return Some(why);
    }
    if schema.get("x-kubernetes-preserve-unknown-fields") == Some(&Value::Bool(false)) {
        return Some("internal error: 'x-kubernetes-preserve-unknown-fields' must be true or undefined".into());
    }
    if schema["items"].as_array().is_some_and(|items| !items.is_empty()) {
        return Some("OpenAPIV3Schema 'items' must be a schema, but is an array".into());
    }
    let rest = [&schema["items"], &schema["additionalProperties"]].into_iter().filter(|s| s.is_object());
    rest.chain(fields(schema).map(|(_, field)| field)).find_map(unbuildable)
}

fn invariants(schema: &Value, level: Level, path: &str, out: &mut Vec<Cause>) {
    let kind = text(&schema["type"]);
    if kind == "array" && !schema["items"].is_object() {
        out.push(Cause::required(&format!("{path}.items"), "must be specified"));
    }
    if schema["items"].is_object() {
        invariants(&schema["items"], Level::Item, &format!("{path}.items"), out);
    }
    for (name, field) in fields(schema) {
        invariants(field, Level::Field, &format!("{path}.properties[{name}]"), out);
    }
    let (rest, at) = (&schema["additionalProperties"], format!("{path}.additionalProperties"));
    if !rest.is_null() && level == Level::Root {
        out.push(Cause::forbidden(&at, "must not be used at the root"));
    }
    if rest.is_object() {
        invariants(rest, Level::Field, &at, out);
    }
    for name in ["x-kubernetes-preserve-unknown-fields", "x-kubernetes-embedded-resource"] {
        if flag(schema, "x-kubernetes-int-or-string") && flag(schema, name) {
            let why = "must be false if x-kubernetes-int-or-string is true";
            out.push(Cause::invalid(&format!("{path}.{name}"), &true.into(), why));
        }
    }
    // An integer or a text may be said to be one or the other.
    let either = json!([{ "type": "integer" }, { "type": "string" }]);
    let skip = [schema["anyOf"] == either, schema["allOf"][0]["anyOf"] == either];
    values(schema, skip, level, path, out);
    types(schema, &kind, level, path, out);
    metadata(schema, level, path, out);
    let open = flag(schema, "x-kubernetes-preserve-unknown-fields");
    if flag(schema, "x-kubernetes-embedded-resource") && !open && fields(schema).next().is_none() {
        let why =
            "must not be empty if x-kubernetes-embedded-resource is true without x-kubernetes-preserve-unknown-fields";
        out.push(Cause::required(&format!("{path}.properties"), why));
    }
}

fn types(schema: &Value, kind: &str, level: Level, path: &str, out: &mut Vec<Cause>) {
    let (at, embedded) = (format!("{path}.type"), flag(schema, "x-kubernetes-embedded-resource"));
    let open = flag(schema, "x-kubernetes-int-or-string") || flag(schema, "x-kubernetes-preserve-unknown-fields");
    let why = "must be object if x-kubernetes-embedded-resource is true";
    match kind {
        "" if embedded => out.push(Cause::required(&at, why)),
        kind if embedded && kind != "object" => out.push(Cause::invalid(&at, &kind.into(), why)),
        "" if !open => out.push(Cause::required(
            &at,
            match level {
                Level::Root => "must not be empty at the root",
                Level::Item => "must not be empty for specified array items",
                Level::Field => "must not be empty for specified object fields",
            },
        )),
        _ => {}
    }
    if embedded && !schema["additionalProperties"].is_null() {
        let why = "must not be used if x-kubernetes-embedded-resource is set";
        out.push(Cause::forbidden(&format!("{path}.additionalProperties"), why));
    }
    if level == Level::Root && !matches!(kind, "" | "object") {
        out.push(Cause::invalid(&at, &kind.into(), "must be object at the root"));
    }
}

/// What every object has need not be described, and may hardly be.
fn metadata(schema: &Value, level: Level, path: &str, out: &mut Vec<Cause>) {
    let own = level == Level::Root || flag(schema, "x-kubernetes-embedded-resource");
    let fields = &schema["properties"];
    for (name, wanted) in [("kind", "string"), ("apiVersion", "string"), ("metadata", "object")] {
        let Some(field) = fields.get(name) else { continue };
        let kind = text(&field["type"]);
        if own && kind != wanted {
            let at = format!("{path}.properties[{name}].type");
            out.push(Cause::invalid(&at, &kind.into(), &format!("must be {wanted}")));
        }
    }
    if let (Level::Root, Some(Value::Object(metadata))) = (level, fields.get("metadata")) {
        let names = |map: &Map<String, Value>| map.keys().all(|key| matches!(key.as_str(), "name" | "generateName"));
        let plain = |key: &str, value: &Value| match key {
            "type" | "default" => true,
            "properties" => value.as_object().is_some_and(names),
            _ => value.is_null() || *value == false,
        };
        if !metadata.iter().all(|(key, value)| plain(key, value)) {
            let why =
                "must not specify anything other than name and generateName, but metadata is implicitly specified";
            out.push(Cause::forbidden(&format!("{path}.properties[metadata]"), why));
        }
    }
}

/// `skip`: whether the types under `anyOf`, and under the first `allOf`, are allowed.
fn values(schema: &Value, skip: [bool; 2], level: Level, path: &str, out: &mut Vec<Cause>) {
    for junctor in JUNCTORS.into_iter().filter(|name| *name != "anyOf" || !skip[0]) {
        for (i, one) in many(schema, junctor).enumerate() {
            let first = junctor == "allOf" && i == 0 && skip[1];
            nested(one, first, level, &format!("{path}.{junctor}[{i}]"), out);
        }
    }
    if schema["not"].is_object() {
        nested(&schema["not"], false, level, &format!("{path}.not"), out);
    }
    let pattern = text(&schema["pattern"]);
    if let Err(error) = Regex::new(&pattern) {
        let why = format!("must be a valid regular expression, but isn't: {}", broken(&pattern, &error));
        out.push(Cause::invalid(&format!("{path}.pattern"), &pattern.into(), &why));
    }
}

/// The commonest faults of expressions as Go words them.
fn broken(pattern: &str, error: &regex::Error) -> String {
    let text = error.to_string();
    let what = [
        ("unclosed character class", format!("missing closing ]: `{}`", &pattern[pattern.rfind('[').unwrap_or(0)..])),
        ("unclosed group", format!("missing closing ): `{pattern}`")),
        ("unopened group", format!("unexpected ): `{pattern}`")),
        (
            "missing expression",
            format!("missing argument to repetition operator: `{}`", pattern.chars().next().unwrap_or('*')),
        ),
        (
            "look-around",
            format!(
                "invalid or unsupported Perl syntax: `{}`",
                pattern.find("(?").and_then(|at| pattern.get(at..at + 3)).unwrap_or(pattern)
            ),
        ),
    ];
    let found = what.into_iter().find(|(word, _)| text.contains(word)).map(|(_, said)| said);
    format!("error parsing regexp: {}", found.unwrap_or_else(|| text.lines().last().unwrap_or_default().to_owned()))
}

fn nested(schema: &Value, skip: bool, level: Level, path: &str, out: &mut Vec<Cause>) {
    values(schema, [skip, false], level, path, out);
    if schema["items"].is_object() {
        nested(&schema["items"], false, level, &format!("{path}.items"), out);
    }
    for (name, field) in fields(schema) {
        nested(field, false, Level::Field, &format!("{path}.properties[{name}]"), out);
    }
    let mut forbid = |name: &str, what: &str| {
        out.push(Cause::forbidden(&format!("{path}.{name}"), &format!("must be {what} to be structural")));
    };
    let said = |value: &Value| !value.is_null() && *value != false && *value != "";
    if said(&schema["additionalProperties"]) {
        forbid("additionalProperties", "undefined");
    }
    for (name, what) in FORBIDDEN
        .into_iter()
        .filter(|(name, _)| said(&schema[*name]) || *name == "default" && schema.get("default").is_some())
    {
        forbid(name, what);
    }
    if many(schema, "x-kubernetes-validations").next().is_some() {
        forbid("x-kubernetes-validations", "empty");
    }
    if schema["properties"].get("metadata").is_some() {
        let why = "must not be specified in a nested context";
        out.push(Cause::forbidden(&format!("{path}.properties[metadata]"), why));
    }
}

/// What is said of a field under a junctor needs that field in the schema proper.
fn complete_values(schema: &Value, proper: Option<&Value>, at: &str, path: &str, out: &mut Vec<Cause>) {
    if schema["not"].is_object() {
        complete(&schema["not"], proper, at, &format!("{path}.not"), out);
    }
    for junctor in ["allOf", "anyOf", "oneOf"] {
        for (i, one) in many(schema, junctor).enumerate() {
            complete(one, proper, at, &format!("{path}.{junctor}[{i}]"), out);
        }
    }
}

fn complete(schema: &Value, proper: Option<&Value>, at: &str, path: &str, out: &mut Vec<Cause>) {
    let Some(known) = proper else {
        out.push(Cause::required(at, &format!("because it is defined in {path}")));
        return;
    };
    complete_values(schema, proper, at, path, out);
    if schema["items"].is_object() {
        let items = Some(&known["items"]).filter(|items| items.is_object());
        complete(&schema["items"], items, &format!("{at}.items"), &format!("{path}.items"), out);
    }
    for (name, field) in fields(schema) {
        let (at, path) = (format!("{at}.properties[{name}]"), format!("{path}.properties[{name}]"));
        complete(field, known["properties"].get(name), &at, &path, out);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(schema: Value) -> Vec<String> {
        check(&schema, "s").into_iter().map(|c| format!("{}: {}", c.field, c.message)).collect()
    }

    #[test]
    fn types_stand_outside_of_junctors() {
        let field = |field: Value| json!({ "type": "object", "properties": { "f": field } });
        assert!(
            told(field(
                json!({ "x-kubernetes-int-or-string": true, "anyOf": [{ "type": "integer" }, { "type": "string" }] })
            ))
            .is_empty()
        );
        assert_eq!(
            told(field(json!({ "type": "string", "allOf": [{ "type": "string" }] }))),
            ["s.properties[f].allOf[0].type: Forbidden: must be empty to be structural"]
        );
        let missing = json!({ "type": "object", "anyOf": [{ "properties": { "x": { "minimum": 1 } } }] });
        assert_eq!(
            told(missing),
            ["s.properties[x]: Required value: because it is defined in s.anyOf[0].properties[x]"]
        );
    }
}
