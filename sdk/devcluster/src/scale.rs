//! The scale subresource: a small object that reads and writes two fields of another.

use serde_json::{Value, json};

use crate::apply::managers::{Identity, Managers, describe};
use crate::apply::{self, Reach};
use crate::error::{ApiError, Cause};
use crate::go;
use crate::object;
use crate::patch;
use crate::resources::Version;
use crate::schema::builtin::BUILTIN;
use crate::schema::{Type, fill, misfit};
use crate::store::{Key, State};
use crate::view::View;
use crate::write::{self, Done, Unknown, Write};

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
        None => labels(&value["spec"]["selector"]),
    };
    if let Some(selector) = selector {
        status["selector"] = selector.into();
    }
    let wanted = replicas(&scale.spec);
    let spec = if wanted == 0 { json!({}) } else { json!({"replicas": wanted}) };
    json!({"kind": "Scale", "apiVersion": "autoscaling/v1", "metadata": meta, "spec": spec, "status": status})
}

/// A selector of either form as text.
fn labels(selector: &Value) -> Option<String> {
    let text = |v: &Value| v.as_str().unwrap_or_default().to_owned();
    let grouped = selector.get("matchLabels").is_some() || selector.get("matchExpressions").is_some();
    let pairs = if grouped { &selector["matchLabels"] } else { selector };
    let mut all: Vec<(String, String)> = Vec::new();
    for (key, value) in pairs.as_object().into_iter().flatten() {
        all.push((key.clone(), format!("{key}={}", text(value))));
    }
    for expression in selector["matchExpressions"].as_array().into_iter().flatten() {
        let key = text(&expression["key"]);
        let values: Vec<String> = expression["values"].as_array().into_iter().flatten().map(text).collect();
        let said = match expression["operator"].as_str().unwrap_or_default() {
            "Exists" => key.clone(),
            "DoesNotExist" => format!("!{key}"),
            "In" => format!("{key} in ({})", values.join(",")),
            _ => format!("{key} notin ({})", values.join(",")),
        };
        all.push((key, said));
    }
    all.sort();
    selector.is_object().then(|| all.into_iter().map(|(_, said)| said).collect::<Vec<_>>().join(","))
}

fn live(state: &State, write: &Write<'_>) -> Result<Value, ApiError> {
    let key = Key::new(&write.namespace, &write.name);
    let stored = state.get(&write.resource.shelf, &key);
    let stored = stored.ok_or_else(|| ApiError::not_found(write.resource.named(&write.name)))?;
    let view = View { resource: write.resource, version: &write.version.name, render: crate::ask::Render::Full };
    Ok(view.value(&stored))
}

/// A Scale is checked as an object of its own.
fn check(write: &Write<'_>, body: &Value) -> Result<(), ApiError> {
    let text = |field: &str| body[field].as_str().unwrap_or_default();
    let (kind, version) = (text("kind"), text("apiVersion"));
    if !matches!(kind, "" | "Scale") || !matches!(version, "" | "autoscaling/v1") {
        let named = version.rsplit('/').next().unwrap_or_default();
        let why = go::unregistered(kind, if kind == "Scale" { version } else { "autoscaling/v1" });
        return Err(ApiError::bad_request(format!(
            "{kind} in version \"{named}\" cannot be handled as a Scale: {why}"
        )));
    }
    if let Some(why) = misfit(body) {
        return Err(ApiError::bad_request(format!("Scale in version \"v1\" cannot be handled as a Scale: {why}")));
    }
    let (name, namespace) = (object::meta(body, "name"), object::meta(body, "namespace"));
    if !name.is_empty() && name != write.name {
        let what = format!("the name of the object ({name}) does not match the name on the URL ({})", write.name);
        return Err(ApiError::bad_request(what));
    }
    if !namespace.is_empty() && namespace != write.namespace {
        let what = "the namespace of the provided object does not match the namespace sent on the request";
        return Err(ApiError::bad_request(what));
    }
    amount(write, &body["spec"]["replicas"])
}

/// Replicas are none or more.
fn amount(write: &Write<'_>, replicas: &Value) -> Result<(), ApiError> {
    if replicas.as_i64().is_none_or(|n| n >= 0) {
        return Ok(());
    }
    if let Some(scale) = write.version.scale.as_ref().filter(|_| write.resource.custom) {
        let field = format!(".{}", scale.spec.join("."));
        let cause = Cause::invalid(&field, replicas, "should be a non-negative integer");
        let resource = write.resource;
        return Err(ApiError::invalid(&resource.group, &resource.kind, &write.name, vec![cause]));
    }
    let cause = Cause::invalid("spec.replicas", replicas, "must be greater than or equal to 0");
    Err(ApiError::invalid("autoscaling", "Scale", &write.name, vec![cause]))
}

/// Writes a Scale back to its object.
pub(crate) fn replace(state: &mut State, write: &Write<'_>, body: Value) -> Result<Done, ApiError> {
    let live = live(state, write)?;
    check(write, &body)?;
    let mut value = live.clone();
    if let Some(scale) = &write.version.scale {
        let replicas = body["spec"]["replicas"].as_i64().unwrap_or(0);
        object::set_at(&mut value, &scale.spec, replicas.into());
    }
    let version = object::sent_version(&body).map(|v| Value::from(v.to_owned()));
    object::set_meta(&mut value, "resourceVersion", version);
    write::change(state, write, live, value, None)
}

/// Patches the Scale of an object.
pub(crate) fn patch(state: &mut State, write: &Write<'_>, kind: patch::Kind, bytes: &[u8]) -> Result<Done, ApiError> {
    let shown = show(write.version, &live(state, write)?);
    let kind = if kind == patch::Kind::Strategic { patch::Kind::Merge } else { kind };
    let (mut body, mut odd) = patch::apply(kind, write, &shown, bytes)?;
    if let Some(why) = misfit(&body) {
        return Err(write.unfit(&body.to_string(), &why));
    }
    let shown = body.to_string();
    if let Some(id) = BUILTIN.names.get("autoscaling.v1.Scale") {
        let unknown = fill::prune(Type { schema: &BUILTIN.schema, id: *id }, &mut body);
        odd.extend(unknown.iter().map(|path| format!("unknown field \"{path}\"")));
    }
    match write.unknown {
        Unknown::Strict if !odd.is_empty() => {
            Err(write.unfit(&shown, &format!("strict decoding error: {}", odd.join(", "))))
        }
        Unknown::Warn => {
            let mut done = replace(state, write, body)?;
            done.warnings.splice(0..0, odd);
            Ok(done)
        }
        _ => replace(state, write, body),
    }
}

/// The first value of a Scale that is of a wrong type.
fn misfit(body: &Value) -> Option<String> {
    let id = BUILTIN.names.get("autoscaling.v1.Scale")?;
    misfit::find(Type { schema: &BUILTIN.schema, id: *id }, body)
}

/// Applies the Scale of an object: its replicas are owned at the object, under the name of the subresource.
pub(crate) fn apply(state: &mut State, write: &Write<'_>, config: &Value) -> Result<Done, ApiError> {
    let live = live(state, write)?;
    let text = |name: &str| config.get(name).and_then(Value::as_str).unwrap_or_default();
    if (text("apiVersion"), text("kind")) != ("autoscaling/v1", "Scale") {
        let kind = write::named_kind(text("apiVersion"), text("kind"));
        return Err(ApiError::bad_request(format!("invalid object type: {kind}")));
    }
    let mut wanted = json!({});
    if let (Some(scale), Some(replicas)) = (&write.version.scale, config["spec"].get("replicas")) {
        amount(write, replicas)?;
        object::set_at(&mut wanted, &scale.spec, replicas.clone());
    }
    let mut base = live.clone();
    let mut managers = Managers::take(&mut base);
    // A Scale leaves zero out, so that applying zero adds it, be it there already.
    if let Some(scale) = &write.version.scale
        && object::at(&base, &scale.spec).is_some_and(|replicas| *replicas == 0)
        && let Some((last, parents)) = scale.spec.split_last()
        && let Some(parent) = parents.iter().try_fold(&mut base, |value, field| value.get_mut(field.as_str()))
        && let Some(map) = parent.as_object_mut()
    {
        map.remove(last);
    }
    let who = Identity::applier(&write.manager, &write.resource.api_version(&write.version.name), &write.sub);
    let mode = (Reach::Everything, write.force);
    let applied = apply::apply(write.version.ty(), &base, &wanted, &mut managers, &who, mode, &object::now());
    if !applied.conflicts.is_empty() {
        let seen = |c: apply::Conflict| apply::Conflict {
            owner: Identity { version: "autoscaling/v1".into(), ..c.owner },
            path: ".spec.replicas".into(),
            ..c
        };
        let (message, causes) = describe(&applied.conflicts.into_iter().map(seen).collect::<Vec<_>>());
        return Err(ApiError::apply_conflict(message, causes));
    }
    write::change(state, write, live, applied.object, Some(managers))
}
