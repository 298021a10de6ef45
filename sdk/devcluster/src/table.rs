//! Writes objects as tables, which is what kubectl get asks for.

mod columns;
mod path;

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::object;
use crate::view::View;

/// A column: its name, whether it is shown only in wide tables, and its cell for an object.
pub(crate) struct Column {
    pub(crate) name: String,
    pub(crate) kind: String,
    pub(crate) format: String,
    pub(crate) wide: bool,
    pub(crate) cell: Cell,
}

/// Where a cell comes from.
pub(crate) enum Cell {
    Of(fn(&Value) -> Value),
    Path(String),
}

impl Column {
    fn value(&self, object: &Value) -> Value {
        match &self.cell {
            Cell::Of(cell) => cell(object),
            Cell::Path(path) if self.kind == "date" => {
                path::find(object, path).first().and_then(|v| v.as_str()).map_or(Value::Null, |time| since(time).into())
            }
            Cell::Path(path) => match path::find(object, path).as_slice() {
                [] => Value::Null,
                [one @ (Value::Object(_) | Value::Array(_))] => one.to_string().into(),
                [one] => (*one).clone(),
                many => {
                    let texts: Vec<String> =
                        many.iter().map(|v| v.as_str().map_or_else(|| v.to_string(), str::to_owned)).collect();
                    texts.join(",").into()
                }
            },
        }
    }
}

/// The table of some objects.
pub(crate) fn table(view: View<'_>, objects: &[Value]) -> Value {
    let columns = columns::of(view.resource, view.version);
    let definitions: Vec<Value> = columns
        .iter()
        .map(|c| json!({"name": c.name, "type": c.kind, "format": c.format, "description": "", "priority": i32::from(c.wide)}))
        .collect();
    let rows: Vec<Value> = objects
        .iter()
        .map(|object| {
            let cells: Vec<Value> = columns.iter().map(|c| c.value(object)).collect();
            let metadata = &object["metadata"];
            let partial =
                json!({"kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1", "metadata": metadata});
            json!({"cells": cells, "object": partial})
        })
        .collect();
    json!({"kind": "Table", "apiVersion": "meta.k8s.io/v1", "metadata": {}, "columnDefinitions": definitions, "rows": rows})
}

/// How long ago a time was, as kubectl writes it.
pub(crate) fn since(time: &str) -> String {
    let Ok(then) = time.parse::<Timestamp>() else { return "<unknown>".into() };
    let seconds = (Timestamp::now().as_second() - then.as_second()).max(0);
    let (minutes, hours, days) = (seconds / 60, seconds / 3600, seconds / 86_400);
    let with = |n: i64, unit: &str, rest: i64, small: &str| {
        if rest == 0 { format!("{n}{unit}") } else { format!("{n}{unit}{rest}{small}") }
    };
    match seconds {
        0..120 => format!("{seconds}s"),
        120..600 => with(minutes, "m", seconds % 60, "s"),
        600..10_800 => format!("{minutes}m"),
        10_800..28_800 => with(hours, "h", minutes % 60, "m"),
        28_800..172_800 => format!("{hours}h"),
        172_800..691_200 => with(days, "d", hours % 24, "h"),
        691_200..63_072_000 => format!("{days}d"),
        _ => with(days / 365, "y", days % 365, "d"),
    }
}

/// The age of an object.
pub(crate) fn age(object: &Value) -> Value {
    let created = object::meta(object, "creationTimestamp");
    if created.is_empty() { "<unknown>".into() } else { since(created).into() }
}
