//! The value constraints of a definition's schema, compiled once: what [`super::check`] walks.

use std::collections::BTreeMap;

use regex::Regex;
use serde_json::Value;

use super::formats;
use crate::rules::{self, Rule};

/// One schema node.
#[derive(Debug, Default)]
pub(crate) struct Validator {
    /// The JSON types it takes; empty for any.
    pub(crate) types: Vec<Box<str>>,
    pub(crate) nullable: bool,
    /// Only formats that are checked.
    pub(crate) format: Option<Box<str>>,
    pub(crate) one_of_values: Vec<Value>,
    pub(crate) minimum: Option<(f64, bool)>,
    pub(crate) maximum: Option<(f64, bool)>,
    pub(crate) multiple_of: Option<f64>,
    pub(crate) pattern: Option<(Box<str>, Regex)>,
    pub(crate) length: Range,
    pub(crate) items: Range,
    pub(crate) properties: Range,
    pub(crate) required: Vec<Box<str>>,
    pub(crate) fields: BTreeMap<Box<str>, Validator>,
    pub(crate) rest: Option<Box<Validator>>,
    pub(crate) item: Option<Box<Validator>>,
    pub(crate) all_of: Vec<Validator>,
    pub(crate) any_of: Vec<Validator>,
    pub(crate) one_of: Vec<Validator>,
    pub(crate) not: Option<Box<Validator>>,
    pub(crate) list: List,
    /// An object of its own: kind, version and metadata are checked.
    pub(crate) embedded: bool,
    /// What CEL has to say; those that do not compile never come here.
    pub(crate) rules: Vec<Rule>,
    /// Old and new members are not told apart (`x-kubernetes-map-type: atomic`).
    pub(crate) atomic: bool,
}

/// Least and most of something.
pub(crate) type Range = (Option<u64>, Option<u64>);

/// How the items of a list are told apart.
#[derive(Debug, Default)]
pub(crate) enum List {
    #[default]
    Atomic,
    Set,
    Map(Vec<Box<str>>),
}

fn flag(schema: &Value, name: &str) -> bool {
    schema.get(name).and_then(Value::as_bool).unwrap_or(false)
}

fn texts(schema: &Value, name: &str) -> Vec<Box<str>> {
    let list = schema.get(name).and_then(Value::as_array);
    list.into_iter().flatten().filter_map(Value::as_str).map(Into::into).collect()
}

/// Compiles a schema with its rules.
pub(crate) fn compile(schema: &Value) -> Validator {
    let mut root = bare(schema);
    compile_rules(&mut root, schema);
    root
}

/// Compiles a part of a schema by itself; `root`: it is that of an object.
pub(crate) fn part(schema: &Value, root: bool) -> Validator {
    let mut part = compile(schema);
    part.embedded |= root;
    part
}

fn compile_rules(node: &mut Validator, schema: &Value) {
    let listed = schema.get("x-kubernetes-validations").and_then(Value::as_array);
    node.rules = listed.into_iter().flatten().filter_map(|rule| rules::compile(schema, rule)).collect();
    for (name, field) in &mut node.fields {
        compile_rules(field, &schema["properties"][&**name]);
    }
    if let Some(item) = &mut node.item {
        compile_rules(item, &schema["items"]);
    }
    if let Some(rest) = &mut node.rest {
        compile_rules(rest, &schema["additionalProperties"]);
    }
}

fn bare(schema: &Value) -> Validator {
    let number = |name: &str| schema.get(name).and_then(Value::as_f64);
    let count = |name: &str| schema.get(name).and_then(Value::as_u64);
    let all = |name: &str| -> Vec<Validator> {
        schema.get(name).and_then(Value::as_array).into_iter().flatten().map(bare).collect()
    };
    let one = |name: &str| schema.get(name).filter(|s| s.is_object()).map(|s| Box::new(bare(s)));
    let types = types(schema);
    let fields = schema.get("properties").and_then(Value::as_object).into_iter().flatten();
    let pattern = schema.get("pattern").and_then(Value::as_str).filter(|p| !p.is_empty());
    Validator {
        format: formats::checked(schema.get("format").and_then(Value::as_str), &types),
        types,
        nullable: flag(schema, "nullable"),
        one_of_values: schema.get("enum").and_then(Value::as_array).cloned().unwrap_or_default(),
        minimum: number("minimum").map(|n| (n, flag(schema, "exclusiveMinimum"))),
        maximum: number("maximum").map(|n| (n, flag(schema, "exclusiveMaximum"))),
        multiple_of: number("multipleOf"),
        pattern: pattern.and_then(|p| Some((p.into(), Regex::new(p).ok()?))),
        length: (count("minLength"), count("maxLength")),
        items: (count("minItems"), count("maxItems")),
        properties: (count("minProperties"), count("maxProperties")),
        required: texts(schema, "required"),
        fields: fields.map(|(name, field)| (name.as_str().into(), bare(field))).collect(),
        rest: one("additionalProperties"),
        item: one("items"),
        all_of: all("allOf"),
        any_of: all("anyOf"),
        one_of: all("oneOf"),
        not: one("not"),
        list: match schema.get("x-kubernetes-list-type").and_then(Value::as_str) {
            Some("set") => List::Set,
            Some("map") => List::Map(texts(schema, "x-kubernetes-list-map-keys")),
            _ => List::Atomic,
        },
        embedded: flag(schema, "x-kubernetes-embedded-resource"),
        rules: Vec::new(),
        atomic: schema.get("x-kubernetes-map-type").and_then(Value::as_str) == Some("atomic"),
    }
}

fn types(schema: &Value) -> Vec<Box<str>> {
    if flag(schema, "x-kubernetes-int-or-string") {
        return vec!["integer".into(), "string".into()];
    }
    schema.get("type").and_then(Value::as_str).filter(|t| !t.is_empty()).map(Into::into).into_iter().collect()
}
