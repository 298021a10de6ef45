//! The columns of built-in kinds, as a kube-apiserver has them (data/columns.py makes data/columns.json), and of custom resources.

use std::collections::HashMap;
use std::sync::LazyLock;

use serde_json::Value;

use super::cells::cell;
use super::{Cell, Column};
use crate::resources::Resource;

const TEXT: &str = include_str!("../../data/columns.json");

/// The columns of each built-in resource, by its group and plural: name, type, format, priority, description.
static BUILTIN: LazyLock<HashMap<(String, String), Vec<Value>>> = LazyLock::new(|| {
    let line = |line: &str| {
        let (group, plural, columns) = serde_json::from_str::<(String, String, Vec<Value>)>(line).ok()?;
        Some(((group, plural), columns))
    };
    TEXT.lines().filter_map(line).collect()
});

/// The columns of a resource in a version.
pub(crate) fn of(resource: &Resource, version: &str) -> Vec<Column> {
    if !resource.custom {
        let known = BUILTIN.get(&(resource.group.clone(), resource.plural.clone()));
        return known.into_iter().flatten().map(|listed| builtin(resource, listed)).collect();
    }
    let name = BUILTIN.get(&(String::new(), "configmaps".to_owned())).and_then(|columns| columns.first());
    let mut out: Vec<Column> = name.map(|listed| builtin(resource, listed)).into_iter().collect();
    let listed = resource.version(version).map(|v| v.columns.as_slice()).unwrap_or_default();
    out.extend(listed.iter().map(custom));
    if listed.is_empty() {
        let age = serde_json::json!({"name": "Age", "type": "date", "jsonPath": ".metadata.creationTimestamp",
            "description": super::CREATED});
        out.push(custom(&age));
    }
    out
}

fn builtin(resource: &Resource, listed: &Value) -> Column {
    let text = |i: usize| listed[i].as_str().unwrap_or_default().to_owned();
    let (plural, name) = (resource.plural.clone(), text(0));
    Column {
        cell: Cell::Of(Box::new(move |object| cell(&plural, &name, object))),
        name: text(0),
        kind: text(1),
        format: text(2),
        priority: listed[3].as_i64().unwrap_or(0),
        description: text(4),
    }
}

fn custom(listed: &Value) -> Column {
    let text = |field: &str| listed[field].as_str().unwrap_or_default().to_owned();
    let path = text("jsonPath");
    let description = match text("description") {
        none if none.is_empty() => format!("Custom resource definition column (in JSONPath format): {path}"),
        said => said,
    };
    Column {
        name: text("name"),
        kind: text("type"),
        format: text("format"),
        priority: listed["priority"].as_i64().unwrap_or(0),
        description,
        cell: Cell::Path(path),
    }
}
