//! Writes objects as tables, which is what kubectl get asks for.

mod cells;
mod columns;
mod lists;
mod path;

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::ask::{Include, Meta};
use crate::object;
use crate::view::View;

/// What the columns of a custom resource without any say of its age.
const CREATED: &str = "CreationTimestamp is a timestamp representing the server time when this object was created. It is not guaranteed to be set in happens-before order across separate operations. Clients may not set this value. It is represented in RFC3339 form and is in UTC.\n\nPopulated by the system. Read-only. Null for lists. More info: https://git.k8s.io/community/contributors/devel/sig-architecture/api-conventions.md#metadata";

/// A column: its name, from which priority on it is shown only in wide tables, and its cell for an object.
pub(crate) struct Column {
    pub(crate) name: String,
    pub(crate) kind: String,
    pub(crate) format: String,
    pub(crate) priority: i64,
    pub(crate) description: String,
    pub(crate) cell: Cell,
}

/// Where a cell comes from.
pub(crate) enum Cell {
    Of(Box<dyn Fn(&Value) -> Value>),
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
                // Of several values the first is shown.
                [one, ..] => (*one).clone(),
            },
        }
    }
}

/// The table of some objects.
pub(crate) fn table(view: View<'_>, (include, meta): (Include, Meta), objects: &[Value]) -> Value {
    let columns = columns::of(view.resource, view.version);
    let definitions: Vec<Value> = columns
        .iter()
        .map(|c| json!({"name": c.name, "type": c.kind, "format": c.format, "description": c.description, "priority": c.priority}))
        .collect();
    let rows: Vec<Value> = objects
        .iter()
        .map(|object| {
            let cells: Vec<Value> = columns.iter().map(|c| c.value(object)).collect();
            let metadata = &object["metadata"];
            let partial = json!({"kind": "PartialObjectMetadata", "apiVersion": meta.version(), "metadata": metadata});
            match include {
                Include::Object => json!({"cells": cells, "object": object}),
                Include::Metadata => json!({"cells": cells, "object": partial}),
                Include::Nothing => json!({"cells": cells, "object": null}),
            }
        })
        .collect();
    json!({"kind": "Table", "apiVersion": meta.version(), "metadata": {}, "columnDefinitions": definitions, "rows": rows})
}

/// How long ago a time was, as kubectl writes it.
pub(crate) fn since(time: &str) -> String {
    let Ok(then) = time.parse::<Timestamp>() else { return "<unknown>".into() };
    duration(Timestamp::now().as_second() - then.as_second())
}

/// How long something took.
pub(crate) fn between(start: &str, end: &str) -> String {
    let (Ok(start), Ok(end)) = (start.parse::<Timestamp>(), end.parse::<Timestamp>()) else { return String::new() };
    duration(end.as_second() - start.as_second())
}

fn duration(seconds: i64) -> String {
    let seconds = seconds.max(0);
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
