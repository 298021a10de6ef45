//! The keywords of a schema: which may be used, how those of lists and maps go together, and the rules in CEL.

use serde_json::Value;

use super::check::unsupported;
use super::structural::{fields, flag, many};
use super::{lists, path, text};
use crate::error::Cause;
use crate::rules::{self, budget::Budget};

const TYPES: [&str; 6] = ["array", "boolean", "integer", "number", "object", "string"];
const REASONS: [&str; 4] = ["FieldValueDuplicate", "FieldValueForbidden", "FieldValueInvalid", "FieldValueRequired"];
/// Known to JSON schema, but not allowed.
const REFUSED: [&str; 5] = ["id", "additionalItems", "patternProperties", "definitions", "dependencies"];

/// True if a schema, or any inside of it, is such a one.
pub(super) fn any(schema: &Value, holds: &impl Fn(&Value) -> bool) -> bool {
    if !schema.is_object() {
        return false;
    }
    let joined = ["allOf", "anyOf", "oneOf"].into_iter().flat_map(|name| many(schema, name));
    let single = ["items", "not", "additionalProperties"].into_iter().map(|name| &schema[name]);
    holds(schema) || single.chain(joined).chain(fields(schema).map(|(_, field)| field)).any(|s| any(s, holds))
}

/// Goes through a schema and all inside of it.
pub(super) fn each(schema: &Value, work: &mut impl FnMut(&Value)) {
    if !schema.is_object() {
        return;
    }
    work(schema);
    each(&schema["items"], work);
    for junctor in ["allOf", "anyOf", "oneOf"] {
        many(schema, junctor).for_each(|one| each(one, work));
    }
    each(&schema["not"], work);
    fields(schema).for_each(|(_, field)| each(field, work));
    each(&schema["additionalProperties"], work);
}

/// What is known of a schema's surroundings.
#[derive(Clone, Default)]
struct Around {
    /// Why defaults are not allowed.
    no_defaults: Option<String>,
    /// Inside of apiVersion, kind or metadata of an object.
    meta: bool,
    /// The nearest list whose items are not told apart over time.
    apart: Option<String>,
    /// Rules are compiled, for up to so many values of an object.
    rules: Option<rules::budget::Count>,
}

/// What is wrong with a schema, and with its rules, which are told last.
#[derive(Default)]
struct Found {
    schema: Vec<Cause>,
    rules: Vec<Cause>,
}

impl Found {
    fn add(&mut self, other: Found) {
        self.schema.extend(other.schema);
        self.rules.extend(other.rules);
    }
}

/// Everything that is wrong with the keywords; with `rules`, these are compiled and their cost is estimated.
pub(super) fn check(schema: &Value, path: &str, rules: bool) -> Vec<Cause> {
    let mut budget = Budget::default();
    let around = Around { rules: rules.then(rules::budget::Count::one), ..Around::default() };
    let found = at(schema, path, true, &around, &mut budget);
    found.schema.into_iter().chain(found.rules).chain(budget.overdrawn(path)).collect()
}

fn at(schema: &Value, path: &str, root: bool, around: &Around, budget: &mut Budget) -> Found {
    let mut found = Found { schema: own(schema, path, around), ..Found::default() };
    if flag(schema, "uniqueItems") {
        let why = "uniqueItems cannot be set to true since the runtime complexity becomes quadratic";
        found.schema.push(Cause::forbidden(&format!("{path}.uniqueItems"), why));
    }
    let inner =
        |around: &Around| Around { rules: around.rules.as_ref().map(|count| count.inside(schema)), ..around.clone() };
    let rest = &schema["additionalProperties"];
    if fields(schema).next().is_some() && (rest.is_object() || *rest == false) {
        let why = "additionalProperties and properties are mutual exclusive";
        found.schema.push(Cause::forbidden(&format!("{path}.additionalProperties"), why));
    }
    if rest.is_object() {
        let mut around = inner(around);
        if around.meta {
            around.no_defaults = Some(" inside additionalProperties applying to object metadata".into());
        }
        found.add(at(rest, &format!("{path}.additionalProperties"), false, &around, budget));
    }
    for (name, field) in fields(schema) {
        let mut around = inner(around);
        let meta = matches!(name.as_str(), "metadata" | "kind" | "apiVersion");
        if meta && (root || flag(schema, "x-kubernetes-embedded-resource")) {
            around.meta = true;
            if root {
                around.no_defaults = Some(format!(" in top-level {name}"));
            }
        }
        found.add(at(field, &format!("{path}.properties[{name}]"), false, &around, budget));
    }
    found.add(joined(schema, path, around, budget));
    let mut around_items = inner(around);
    if text(&schema["x-kubernetes-list-type"]) != "map" {
        around_items.apart.get_or_insert_with(|| path.to_owned());
    }
    match &schema["items"] {
        items @ Value::Object(_) => found.add(at(items, &format!("{path}.items"), false, &around_items, budget)),
        Value::Array(items) => items.iter().enumerate().for_each(|(i, item)| {
            found.add(at(item, &format!("{path}.items[{i}]"), false, &around_items, budget));
        }),
        _ => {}
    }
    lists::check(schema, path, &mut found.schema);
    let rules = &schema["x-kubernetes-validations"];
    for (i, rule) in rules.as_array().into_iter().flatten().enumerate() {
        rule_texts(schema, rule, &format!("{path}.x-kubernetes-validations[{i}]"), &mut found.schema);
    }
    // What a broken schema says of types would only mislead.
    if let (true, Some(count)) = (found.schema.is_empty() && rules.is_array(), &around.rules) {
        found.rules.extend(compiled(schema, path, root, (around, count), budget));
    }
    found
}

/// Where schemas are joined, no rules are compiled.
fn joined(schema: &Value, path: &str, around: &Around, budget: &mut Budget) -> Found {
    let mut found = Found::default();
    let around = Around { rules: None, ..around.clone() };
    if schema["not"].is_object() {
        found.add(at(&schema["not"], &format!("{path}.not"), false, &around, budget));
    }
    for junctor in ["allOf", "oneOf", "anyOf"] {
        for (i, one) in many(schema, junctor).enumerate() {
            found.add(at(one, &format!("{path}.{junctor}[{i}]"), false, &around, budget));
        }
    }
    for name in ["definitions", "dependencies"] {
        let inner = schema[name].as_object().into_iter().flatten().filter(|(_, one)| one.is_object());
        inner.for_each(|(key, one)| found.add(at(one, &format!("{path}.{name}[{key}]"), false, &around, budget)));
    }
    found
}

fn own(schema: &Value, path: &str, around: &Around) -> Vec<Cause> {
    let mut causes = Vec::new();
    let kind = text(&schema["type"]);
    if !kind.is_empty() && !TYPES.contains(&kind.as_str()) {
        causes.push(unsupported(&format!("{path}.type"), &kind, &TYPES));
    }
    let mut forbid = |name: &str, why: &str| causes.push(Cause::forbidden(&format!("{path}.{name}"), why));
    if let (true, Some(why)) = (schema.get("default").is_some(), &around.no_defaults) {
        forbid("default", &format!("must not be set{why}"));
    }
    for name in REFUSED {
        let empty = match &schema[name] {
            Value::Null => true,
            Value::String(text) => text.is_empty(),
            Value::Object(map) => map.is_empty() && matches!(name, "patternProperties" | "definitions"),
            _ => false,
        };
        if !empty {
            forbid(name, &format!("{name} is not supported"));
        }
    }
    if schema.get("$ref").is_some() {
        forbid("$ref", "$ref is not supported");
    }
    if kind == "null" {
        forbid("type", "type cannot be set to null, use nullable as an alternative");
    }
    if schema["items"].as_array().is_some_and(|items| !items.is_empty()) {
        forbid("items", "items must be a schema object and not an array");
    }
    if around.meta && flag(schema, "x-kubernetes-embedded-resource") {
        forbid("x-kubernetes-embedded-resource", "must not be used inside of resource meta");
    }
    causes
}

fn has_lines(text: &str) -> bool {
    text.contains(['\n', '\r'])
}

/// What a rule says beside its expression.
fn rule_texts(schema: &Value, rule: &Value, path: &str, out: &mut Vec<Cause>) {
    let at = |field: &str| format!("{path}.{field}");
    let [source, message, expression, field] =
        ["rule", "message", "messageExpression", "fieldPath"].map(|name| text(&rule[name]));
    if source.trim().is_empty() {
        out.push(Cause::required(&at("rule"), "rule is not specified"));
    } else if !message.is_empty() && message.trim().is_empty() {
        out.push(Cause::invalid(&at("message"), &rule["message"], "must be non-empty if specified"));
    } else if has_lines(message.trim()) {
        out.push(Cause::invalid(&at("message"), &rule["message"], "must not contain line breaks"));
    } else if has_lines(source.trim()) && message.is_empty() {
        out.push(Cause::required(&at("message"), "message must be specified if rule contains line breaks"));
    }
    if !expression.is_empty() && expression.trim().is_empty() {
        out.push(Cause::required(&at("messageExpression"), "messageExpression must be non-empty if specified"));
    }
    if let Some(reason) = rule["reason"].as_str().filter(|reason| !REASONS.contains(reason)) {
        out.push(unsupported(&at("reason"), reason, &REASONS));
    }
    let mut wrong = |why: &str| out.push(Cause::invalid(&at("fieldPath"), &rule["fieldPath"], why));
    if !field.is_empty() && field.trim().is_empty() {
        wrong("must be non-empty if specified");
    }
    if has_lines(&field) {
        wrong("must not contain line breaks");
    }
    if !field.is_empty() && path::follow(&field, schema, true).is_err() {
        wrong("must be a valid path");
    }
}

/// Compiles the rules of one node.
fn compiled(
    schema: &Value,
    path: &str,
    root: bool,
    (around, count): (&Around, &rules::budget::Count),
    budget: &mut Budget,
) -> Vec<Cause> {
    let list = format!("{path}.x-kubernetes-validations");
    let studied = match rules::study(schema, root || flag(schema, "x-kubernetes-embedded-resource")) {
        Ok(studied) => studied,
        Err(why) => {
            let message = format!(
                "Internal error: internal error: failed to construct type information for x-kubernetes-validations rules: {why}"
            );
            return vec![Cause { reason: "InternalError", message, field: list }];
        }
    };
    let mut causes = Vec::new();
    for (i, (rule, found)) in many(schema, "x-kubernetes-validations").zip(studied).enumerate() {
        let at = |field: &str| format!("{list}[{i}].{field}");
        let shown = |why: &str| format!("Invalid value: {}: {why}", rules::go_struct(rule));
        let invalid =
            |field: &str, why: &str| Cause { reason: "FieldValueInvalid", message: shown(why), field: at(field) };
        causes.extend(budget.spend(&at("rule"), "estimated rule cost", count.times(found.cost, found.values)));
        causes.extend(found.error.as_ref().map(|why| invalid("rule", why)));
        if let Some(why) = &found.message_error {
            causes.push(invalid("messageExpression", why));
        } else if let Some(cost) = found.message_cost {
            causes.extend(budget.spend(&at("messageExpression"), "estimated messageExpression cost", cost));
        }
        match (found.uses_old, &around.apart, rule.get("optionalOldSelf")) {
            (true, Some(apart), _) => {
                let why = format!("oldSelf cannot be used on the uncorrelatable portion of the schema within {apart}");
                causes.push(Cause::invalid(&at("rule"), &rule["rule"], &why));
            }
            (false, _, Some(optional)) if !optional.is_null() => {
                causes.push(Cause::invalid(
                    &at("optionalOldSelf"),
                    optional,
                    "may not be set if oldSelf is not used in rule",
                ));
            }
            _ => {}
        }
    }
    causes
}
