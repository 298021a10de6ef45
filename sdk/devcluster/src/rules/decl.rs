//! What rules know of a schema: a type for every value, with the least it takes in a request and the most it can hold.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::names;

/// Bytes of the largest request.
pub(super) const LARGEST: u64 = 3 * 1024 * 1024;

/// A value that rules can look at.
#[derive(Debug)]
pub(crate) struct Decl {
    pub(super) kind: Kind,
    /// Bytes that the shortest such value takes as JSON.
    pub(super) least: u64,
    /// The most letters, items or entries of it; 0 where it has none.
    pub(super) most: u64,
}

#[derive(Debug)]
pub(super) enum Kind {
    Dyn,
    Bool,
    Int,
    Double,
    Text,
    Bytes,
    Duration,
    Time,
    List(Box<Decl>),
    Map(Box<Decl>),
    /// By names as rules write them.
    Object(BTreeMap<String, Decl>),
}

fn simple(kind: Kind, least: u64, most: u64) -> Option<Decl> {
    Some(Decl { kind, least, most })
}

fn count(schema: &Value, name: &str) -> Option<u64> {
    schema.get(name).and_then(Value::as_i64).map(|n| n.try_into().unwrap_or(0))
}

fn flag(schema: &Value, name: &str) -> bool {
    schema.get(name).and_then(Value::as_bool).unwrap_or(false)
}

/// The type of a schema's values; none where nothing is known of them. `object`: it has kind, version and metadata.
pub(crate) fn of(schema: &Value, object: bool) -> Option<Decl> {
    let inner = |schema: &Value| of(schema, flag(schema, "x-kubernetes-embedded-resource")).map(Box::new);
    if flag(schema, "x-kubernetes-int-or-string") {
        return simple(Kind::Dyn, 1, count(schema, "maxLength").map_or(LARGEST - 2, |most| most * 4));
    }
    match schema.get("type").and_then(Value::as_str)? {
        "array" => {
            let item = inner(schema.get("items")?)?;
            let most = count(schema, "maxItems").unwrap_or((LARGEST - 2) / (item.least + 1));
            simple(Kind::List(item), 2, most)
        }
        "object" => match schema.get("additionalProperties").filter(|rest| rest.is_object() && !object) {
            Some(rest) => {
                let rest = inner(rest)?;
                let most = count(schema, "maxProperties").unwrap_or((LARGEST - 2) / (rest.least + 6));
                simple(Kind::Map(rest), 2, most)
            }
            None => fields(schema, object),
        },
        "string" => text(schema),
        "boolean" => simple(Kind::Bool, 4, 0),
        "number" => simple(Kind::Double, 1, 0),
        "integer" => simple(Kind::Int, 1, 0),
        _ => None,
    }
}

fn fields(schema: &Value, object: bool) -> Option<Decl> {
    let own = json!({ "apiVersion": { "type": "string" }, "kind": { "type": "string" },
        "metadata": { "type": "object", "properties": { "name": { "type": "string" }, "generateName": { "type": "string" } } } });
    let mut all: BTreeMap<&String, &Value> =
        schema.get("properties").and_then(Value::as_object).into_iter().flatten().collect();
    if object {
        all.extend(own.as_object().into_iter().flatten());
    }
    let required: Vec<&str> =
        schema.get("required").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str).collect();
    let (mut fields, mut least) = (BTreeMap::new(), 2);
    for (name, field) in all {
        let Some(decl) = of(field, flag(field, "x-kubernetes-embedded-resource")) else { continue };
        // What has a default need not be sent.
        if required.contains(&name.as_str()) && field.get("default").is_none() {
            least += name.len() as u64 + decl.least + 4;
        }
        if let Some(escaped) = names::escape(name) {
            fields.insert(escaped, decl);
        }
    }
    simple(Kind::Object(fields), least, 0)
}

fn text(schema: &Value) -> Option<Decl> {
    let most = count(schema, "maxLength");
    match schema.get("format").and_then(Value::as_str).unwrap_or_default() {
        "byte" => simple(Kind::Bytes, 2, most.unwrap_or(LARGEST - 2)),
        "duration" => simple(Kind::Duration, 3, 32),
        "date" => simple(Kind::Time, 12, 12),
        "date-time" => simple(Kind::Time, 21, 32),
        _ => {
            let listed = schema.get("enum").and_then(Value::as_array).filter(|listed| !listed.is_empty());
            let longest =
                listed.map(|all| all.iter().filter_map(Value::as_str).map(|text| text.len() as u64).max().unwrap_or(0));
            simple(Kind::Text, 2, most.map(|most| most * 4).or(longest).unwrap_or(LARGEST - 2))
        }
    }
}

impl Decl {
    /// How often such a value fits into one request.
    pub(super) fn times(&self) -> u64 {
        LARGEST / (self.least + 1)
    }

    /// A part of a value: `@items`, `@values` or a field. Keys of maps have no size.
    pub(super) fn part(&self, name: &str) -> Option<Part<'_>> {
        match (&self.kind, name) {
            (Kind::List(inner) | Kind::Map(inner), "@items" | "@values") => Some(Part::Value(inner)),
            (Kind::Map(_), "@keys") => Some(Part::Key),
            (Kind::Object(fields), name) => fields.get(name).map(Part::Value),
            _ => None,
        }
    }
}

/// What [`Decl::part`] finds.
pub(super) enum Part<'a> {
    Value(&'a Decl),
    Key,
}
