//! The scale subresource: a small object that reads and writes two fields of another.

use serde_json::{Value, json};

use crate::error::ApiError;
use crate::object;
use crate::patch;
use crate::resources::Version;
use crate::store::{Key, State};
use crate::view::View;
use crate::write::{self, Done, Write};

/// The Scale of an object.
pub(crate) fn show(version: &Version, value: &Value) -> Value {
    let mut meta = json!({});
    for field in ["name", "namespace", "uid", "resourceVersion", "creationTimestamp"] {
        meta[field] = value["metadata"][field].clone();
    }
    let Some(scale) = &version.scale else { return Value::Null };
    let replicas = |path: &[String]| object::at(value, path).and_then(Value::as_i64).unwrap_or(0);
    let mut status = json!({"replicas": replicas(&scale.status)});
    let selector = match &scale.selector {
        Some(path) => object::at(value, path).and_then(Value::as_str).map(str::to_owned),
        None => labels(&value["spec"]["selector"]["matchLabels"]),
    };
    if let Some(selector) = selector {
        status["selector"] = selector.into();
    }
    json!({"kind": "Scale", "apiVersion": "autoscaling/v1", "metadata": meta,
        "spec": {"replicas": replicas(&scale.spec)}, "status": status})
}

fn labels(selector: &Value) -> Option<String> {
    let pairs: Vec<String> =
        selector.as_object()?.iter().map(|(k, v)| format!("{k}={}", v.as_str().unwrap_or_default())).collect();
    Some(pairs.join(","))
}

fn live(state: &State, write: &Write<'_>) -> Result<Value, ApiError> {
    let key = Key::new(&write.namespace, &write.name);
    let stored = state.get(&write.resource.shelf, &key);
    let stored = stored.ok_or_else(|| ApiError::not_found(write.resource.named(&write.name)))?;
    let view = View { resource: write.resource, version: &write.version.name, render: crate::ask::Render::Full };
    Ok(view.value(&stored))
}

/// Writes a Scale back to its object.
pub(crate) fn replace(state: &mut State, write: &Write<'_>, body: Value) -> Result<Done, ApiError> {
    let mut value = live(state, write)?;
    if let Some(scale) = &write.version.scale {
        let replicas = body["spec"]["replicas"].as_i64().unwrap_or(0);
        object::set_at(&mut value, &scale.spec, replicas.into());
    }
    let version = object::sent_version(&body).map(|v| Value::from(v.to_owned()));
    if let Some(version) = version {
        object::set_meta(&mut value, "resourceVersion", Some(version));
    }
    write::replace(state, write, value)
}

/// Patches the Scale of an object.
pub(crate) fn patch(state: &mut State, write: &Write<'_>, kind: patch::Kind, bytes: &[u8]) -> Result<Done, ApiError> {
    let shown = show(write.version, &live(state, write)?);
    let kind = if kind == patch::Kind::Strategic { patch::Kind::Merge } else { kind };
    let body = patch::apply(kind, write, &shown, bytes)?;
    replace(state, write, body)
}
