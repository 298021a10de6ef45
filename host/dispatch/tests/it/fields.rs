//! Server-side apply over maps, as far as dispatch can tell: who owns which field, what an apply changes, what it conflicts with.

use std::collections::BTreeSet;

use motet_core::{ApiError, api_error::Cause};
use serde_json::{Map, Value, json};

/// The way to a value that somebody owns: lists are owned whole.
pub(crate) type Path = Vec<String>;

/// One entry of `managedFields`.
#[derive(Clone, PartialEq)]
pub(crate) struct Entry {
    pub(crate) manager: String,
    pub(crate) apply: bool,
    pub(crate) status: bool,
    pub(crate) paths: BTreeSet<Path>,
}

/// What a body's author would own.
pub(crate) fn leaves(body: &Value) -> BTreeSet<Path> {
    let mut found = BTreeSet::new();
    collect(body, &mut Vec::new(), &mut found);
    let own = ["labels", "annotations", "finalizers", "ownerReferences"];
    let identity = |p: &Path| match p[0].as_str() {
        "apiVersion" | "kind" => true,
        "metadata" => p.get(1).is_none_or(|field| !own.contains(&field.as_str())),
        _ => false,
    };
    found.retain(|path| !identity(path));
    found
}

fn collect(value: &Value, path: &mut Path, found: &mut BTreeSet<Path>) {
    match value {
        Value::Object(fields) if !fields.is_empty() => {
            for (name, value) in fields {
                path.push(name.clone());
                collect(value, path, found);
                path.pop();
            }
        }
        _ => drop(found.insert(path.clone())),
    }
}

pub(crate) fn at<'v>(value: &'v Value, path: &[String]) -> Option<&'v Value> {
    path.iter().try_fold(value, |value, field| value.get(field))
}

fn put(value: &mut Value, path: &[String], new: Value) {
    let Some((first, rest)) = path.split_first() else { return *value = new };
    if !value.is_object() {
        *value = json!({});
    }
    put(&mut value[first], rest, new);
}

fn remove(value: &mut Value, path: &[String]) {
    match path {
        [] => {}
        [last] => drop(value.as_object_mut().and_then(|fields| fields.remove(last))),
        [first, rest @ ..] => {
            let Some(child) = value.get_mut(first) else { return };
            remove(child, rest);
            if child.as_object().is_some_and(Map::is_empty) {
                value.as_object_mut().unwrap().remove(first);
            }
        }
    }
}

/// Applies `body` for `manager`.
pub(crate) fn apply(
    object: &mut Value,
    entries: &mut Vec<Entry>,
    body: &Value,
    (manager, force, status): (&str, bool, bool),
) -> Result<(), ApiError> {
    let mut own = leaves(body);
    own.retain(|path| (path[0] == "status") == status);
    let mine = |e: &Entry| e.manager == manager && e.apply && e.status == status;
    let mut causes = Vec::new();
    for path in own.iter().filter(|path| at(object, path) != at(body, path)) {
        for other in entries.iter().filter(|e| !mine(e) && e.paths.contains(path)) {
            let message = format!("conflict with {:?} using v1", other.manager);
            causes.push(Cause {
                reason: "FieldManagerConflict".into(),
                message,
                field: format!(".{}", path.join(".")),
            });
        }
    }
    if !causes.is_empty() && !force {
        let message = format!("Apply failed with {} conflicts: {}", causes.len(), causes[0].message);
        return Err(ApiError { causes, ..ApiError::new(409, "Conflict", message) });
    }
    let before = entries.iter().find(|e| mine(e)).map(|e| e.paths.clone()).unwrap_or_default();
    for entry in entries.iter_mut().filter(|e| !mine(e)) {
        entry.paths.retain(|path| !own.contains(path) || at(object, path) == at(body, path));
    }
    entries.retain(|e| !mine(e) && !e.paths.is_empty());
    for path in before.difference(&own).filter(|path| !entries.iter().any(|e| e.paths.contains(*path))) {
        remove(object, path);
    }
    for path in &own {
        put(object, path, at(body, path).cloned().unwrap_or_default());
    }
    entries.push(Entry { manager: manager.into(), apply: true, status, paths: own });
    Ok(())
}

/// An update by `manager`: what it changed is its own, what it dropped is nobody's.
pub(crate) fn update(before: &Value, after: &Value, entries: &mut Vec<Entry>, manager: &str) {
    let (was, is) = (leaves(before), leaves(after));
    let changed: BTreeSet<Path> = is.iter().filter(|path| at(before, path) != at(after, path)).cloned().collect();
    for entry in entries.iter_mut() {
        entry.paths.retain(|path| !changed.contains(path) && (is.contains(path) || !was.contains(path)));
    }
    entries.retain(|entry| !entry.paths.is_empty());
    if !changed.is_empty() {
        entries.push(Entry { manager: manager.into(), apply: false, status: false, paths: changed });
    }
}

/// The entries as `metadata.managedFields` shows them.
pub(crate) fn managed_fields(entries: &[Entry]) -> Value {
    let shown = entries.iter().map(|entry| {
        let mut fields = json!({});
        for path in &entry.paths {
            let path: Path = path.iter().map(|field| format!("f:{field}")).collect();
            put(&mut fields, &path, json!({}));
        }
        let mut shown = json!({ "manager": entry.manager, "apiVersion": "v1", "fieldsType": "FieldsV1",
            "operation": if entry.apply { "Apply" } else { "Update" }, "fieldsV1": fields });
        if entry.status {
            shown["subresource"] = json!("status");
        }
        shown
    });
    Value::Array(shown.collect())
}
