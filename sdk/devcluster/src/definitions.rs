//! Owns CustomResourceDefinitions: checking them, establishing them, and the resources they make.

use std::sync::Arc;

use base64::Engine;
use serde_json::{Value, json};
use sha2::Digest;

use crate::apply::managers::{Identity, Managers};
use crate::apply::{self, Reach};
use crate::error::Cause;
use crate::object;
use crate::resources::{Resource, Scale, StatusReset, Version};
use crate::schema::builtin::BUILTIN;
use crate::schema::{Type, fill, formats, openapi, settle, validator};
use crate::store::{Chore, State, Stored};

mod check;
mod conversion;
mod defaults;
mod keywords;
mod lists;
pub(crate) mod path;
mod structural;
mod version;

/// Holds a definition while its objects go.
const CLEANUP: &str = "customresourcecleanup.apiextensions.k8s.io";

/// The shelf of the definitions themselves.
pub(crate) const SHELF: &str = "customresourcedefinitions.apiextensions.k8s.io";

fn texts(value: &Value) -> Vec<String> {
    value.as_array().into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect()
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

/// Fills in the names that a definition may leave out.
fn names(spec: &Value) -> Value {
    let mut names = spec["names"].clone();
    let kind = text(&names["kind"]);
    if text(&names["singular"]).is_empty() {
        names["singular"] = kind.to_lowercase().into();
    }
    if text(&names["listKind"]).is_empty() {
        names["listKind"] = format!("{kind}List").into();
    }
    names
}

/// Checks a definition, which replaces `old` if there is one; nothing for other kinds.
pub(crate) fn check(resource: &Resource, object: &Value, old: Option<&Value>) -> Vec<Cause> {
    if &*resource.shelf != SHELF {
        return Vec::new();
    }
    check::check(object, old)
}

/// Checks the status of a definition; nothing for other kinds.
pub(crate) fn check_status(resource: &Resource, object: &Value) -> Vec<Cause> {
    if &*resource.shelf == SHELF { check::status(object) } else { Vec::new() }
}

/// Fills in what a definition may leave out; nothing for other kinds.
pub(crate) fn fill(resource: &Resource, object: &mut Value) {
    if &*resource.shelf != SHELF || !object["spec"].is_object() {
        return;
    }
    for version in object["spec"]["versions"].as_array_mut().into_iter().flatten() {
        if let Some(schema) = version.pointer_mut("/schema/openAPIV3Schema") {
            tidy(schema);
        }
    }
    if object["spec"]["conversion"]["webhook"]["clientConfig"]["service"].is_object() {
        let service = &mut object["spec"]["conversion"]["webhook"]["clientConfig"]["service"];
        if service["port"].is_null() {
            service["port"] = 443.into();
        }
    }
    if !text(&object["spec"]["names"]["kind"]).is_empty() {
        object["spec"]["names"] = names(&object["spec"]);
    }
    if object["spec"]["conversion"].is_null() {
        object["spec"]["conversion"] = json!({ "strategy": "None" });
    }
    if object["status"].is_null() || object["status"] == json!({}) {
        object["status"] =
            json!({ "acceptedNames": { "kind": "", "plural": "" }, "conditions": null, "storedVersions": [] });
    }
    let storage = object["spec"]["versions"].as_array().into_iter().flatten().find(|v| v["storage"] == true);
    let storage = storage.map(|v| v["name"].clone());
    let mut stored = object["status"]["storedVersions"].as_array().cloned().unwrap_or_default();
    stored.extend(storage.filter(|name| !stored.contains(name)));
    object["status"]["storedVersions"] = Value::Array(stored);
}

/// Marks a definition that is to go: it stays until its objects are gone.
pub(crate) fn terminate(object: &mut Value) {
    object::set_meta(object, "deletionGracePeriodSeconds", None);
    object::set_meta(object, "finalizers", Some(json!([CLEANUP])));
    let condition = json!({ "type": "Terminating", "status": "True", "reason": "InstanceDeletionPending",
        "message": "CustomResourceDefinition marked for deletion; CustomResource deletion will begin soon", "lastTransitionTime": object::now() });
    if let Some(conditions) = object.pointer_mut("/status/conditions").and_then(Value::as_array_mut) {
        conditions.retain(|c| c["type"] != "Terminating");
        conditions.push(condition);
    }
}

/// Follows a write of a definition or namespace: serves what is new, passes on what terminates.
pub(crate) fn after_write(state: &mut State, resource: &Resource, stored: &Stored) {
    if !matches!(&*resource.shelf, SHELF | "namespaces.") {
        return;
    }
    let value = stored.value();
    if object::is_deleting(&value) {
        state.terminating.insert(stored.key.name.clone());
        let namespace = &*resource.shelf == "namespaces.";
        let name = stored.key.name.clone();
        state.chores.push_back(if namespace { Chore::Namespace(name) } else { Chore::Definition(name) });
    } else if &*resource.shelf == SHELF {
        let group = value["spec"]["group"].clone();
        establish(state, resource, value);
        settle_names(state, resource, &group);
    }
}

/// Names that have become free go to the definitions that were refused them.
fn settle_names(state: &mut State, resource: &Resource, group: &Value) {
    let refused = |definition: &Value| {
        let conditions = definition["status"]["conditions"].as_array();
        conditions.into_iter().flatten().any(|c| c["type"] == "NamesAccepted" && c["status"] == "False")
    };
    let all: Vec<Value> = state.range(SHELF, "", None).map(|stored| stored.value()).collect();
    for definition in all {
        if definition["spec"]["group"] == *group && refused(&definition) && !object::is_deleting(&definition) {
            establish(state, resource, definition);
        }
    }
}

/// Serves a definition at once, unless its names are taken, and says so in its status.
fn establish(state: &mut State, resource: &Resource, object: Value) {
    let name = object::meta(&object, "name").to_owned();
    let wanted = names(&object["spec"]);
    let (accepted, refused) = accept(state, &name, &object["spec"]["group"], &wanted);
    let since = condition_time(&object).unwrap_or_else(object::now);
    let condition = |kind: &str, holds: bool, reason: &str, message: &str| {
        json!({"type": kind, "status": if holds { "True" } else { "False" },
        "reason": reason, "message": message, "lastTransitionTime": since})
    };
    let served = refused.is_none() || state.customs.contains_key(&name);
    let conditions = match &refused {
        None => json!([
            condition("NamesAccepted", true, "NoConflicts", "no conflicts found"),
            condition("Established", true, "InitialNamesAccepted", "the initial names have been accepted")
        ]),
        Some((reason, message)) if served => json!([
            condition("NamesAccepted", false, reason, message),
            condition("Established", true, "InitialNamesAccepted", "the initial names have been accepted")
        ]),
        Some((reason, message)) => json!([
            condition("NamesAccepted", false, reason, message),
            condition("Established", false, "NotAccepted", "not all names are accepted")
        ]),
    };
    let mut after = object.clone();
    after["status"]["acceptedNames"] = accepted;
    after["status"]["conditions"] = conditions;
    if served {
        state.customs.insert(name, Arc::new(custom(&after)));
    }
    if after["status"] != object["status"] {
        let mut before = object;
        let mut managers = Managers::take(&mut before);
        Managers::take(&mut after);
        let who = Identity::updater("kube-apiserver", "apiextensions.k8s.io/v1", "status");
        if let Some(version) = resource.versions.first() {
            let now = object::now();
            apply::update(version.ty(), &before, &after, &mut managers, &who, Reach::StatusOnly, &now);
        }
        managers.put_into(&mut after);
        state.put(resource, after);
    }
}

/// Which of the wanted names are free in the group, and what the last conflict is.
fn accept(state: &State, own: &str, group: &Value, wanted: &Value) -> (Value, Option<(&'static str, String)>) {
    let others: Vec<_> =
        state.customs.iter().filter(|(name, r)| *name != own && r.group == text(group)).map(|(_, r)| r).collect();
    let plural = |name: &str| {
        others.iter().any(|r| r.plural == name || r.singular == name || r.short_names.iter().any(|s| s == name))
    };
    let kind = |name: &str| others.iter().any(|r| r.kind == name || r.list_kind == name);
    let mut accepted = json!({ "plural": "", "kind": "" });
    let mut refused = None;
    let said = |name: &str| format!("{} is already in use", Value::from(name));
    for (field, reason, mixed) in [
        ("plural", "PluralConflict", false),
        ("singular", "SingularConflict", false),
        ("shortNames", "ShortNamesConflict", false),
        ("kind", "KindConflict", true),
        ("listKind", "ListKindConflict", true),
    ] {
        let all = match &wanted[field] {
            Value::Array(list) => texts(&Value::Array(list.clone())),
            other => vec![text(other)],
        };
        let taken = all.iter().find(|name| if mixed { kind(name) } else { plural(name) });
        match taken {
            Some(name) => refused = Some((reason, said(name))),
            None if !wanted[field].is_null() => accepted[field] = wanted[field].clone(),
            None => {}
        }
    }
    if !wanted["categories"].is_null() {
        accepted["categories"] = wanted["categories"].clone();
    }
    (accepted, refused)
}

fn condition_time(object: &Value) -> Option<String> {
    let conditions = object["status"]["conditions"].as_array()?;
    conditions.iter().find(|c| c["type"] == "Established").map(|c| text(&c["lastTransitionTime"]))
}

fn custom(object: &Value) -> Resource {
    let (spec, names) = (&object["spec"], names(&object["spec"]));
    let (group, plural) = (text(&spec["group"]), text(&names["plural"]));
    let listed = spec["versions"].as_array().map(Vec::as_slice).unwrap_or_default();
    let served = listed.iter().filter(|v| v["served"] == true);
    let mut versions: Vec<Version> = served.map(|v| Version { warning: deprecated(spec, v), ..version(v) }).collect();
    versions.sort_by_key(|v| std::cmp::Reverse(rank(&v.name)));
    let fields = listed.iter().flat_map(|v| v["selectableFields"].as_array().into_iter().flatten());
    let (storage, kind) = (listed.iter().find(|v| v["storage"] == true), text(&names["kind"]));
    // A version that is stored but not served has no hash.
    let hash = storage.filter(|v| v["served"] == true).map(|v| storage_hash(&group, &text(&v["name"]), &kind));
    let selectable = fields.map(|f| text(&f["jsonPath"]).trim_start_matches('.').to_owned()).collect();
    Resource {
        shelf: format!("{plural}.{group}").into(),
        group,
        plural,
        kind,
        list_kind: text(&names["listKind"]),
        singular: text(&names["singular"]),
        namespaced: spec["scope"] == "Namespaced",
        short_names: texts(&names["shortNames"]),
        categories: texts(&names["categories"]),
        versions,
        custom: true,
        subs: &[],
        verbs: VERBS_LISTED.to_vec(),
        hash: hash.unwrap_or_default(),
        status: StatusReset::Generation,
        selectable,
        unconverted: storage.filter(|_| spec["conversion"]["strategy"] == "Webhook").map(|v| text(&v["name"])),
    }
}

/// What everybody is told who uses a deprecated version.
fn deprecated(spec: &Value, version: &Value) -> Option<String> {
    if version["deprecated"] != true {
        return None;
    }
    if let Some(said) = version["deprecationWarning"].as_str() {
        return Some(said.to_owned());
    }
    let (group, name, kind) = (text(&spec["group"]), text(&version["name"]), text(&spec["names"]["kind"]));
    let said = format!("{group}/{name} {kind} is deprecated");
    let others = spec["versions"].as_array().into_iter().flatten();
    let newer = others.filter(|v| v["served"] == true && v["deprecated"] != true).map(|v| text(&v["name"]));
    let newest = newer.filter(|other| rank(other) > rank(&name)).max_by_key(|other| rank(other));
    Some(newest.map_or(said.clone(), |newest| format!("{said}; use {group}/{newest} {kind}")))
}

/// Brings the schemas inside of a schema to the form in which they are kept: their types say nothing of them.
fn tidy(schema: &mut Value) {
    let id = BUILTIN.names.get("apiextensions.v1.JSONSchemaProps").copied().unwrap_or_default();
    let ty = Type { schema: &BUILTIN.schema, id };
    let Some(map) = schema.as_object_mut() else { return };
    for (key, inner) in map.iter_mut() {
        match (key.as_str(), inner) {
            ("items" | "additionalProperties", inner @ Value::Object(_)) => {
                fill::prune(ty, inner);
                fill::drop_nulls(ty, inner);
                settle::settle(ty, inner);
                tidy(inner);
            }
            ("not", inner) => tidy(inner),
            ("items" | "allOf" | "anyOf" | "oneOf", Value::Array(all)) => all.iter_mut().for_each(tidy),
            ("properties" | "patternProperties" | "definitions", Value::Object(all)) => all.values_mut().for_each(tidy),
            _ => {}
        }
    }
}

/// Texts of formats that nothing checks, where no such were before.
pub(crate) fn warnings(resource: &Resource, object: &Value, old: Option<&Value>) -> Vec<String> {
    if &*resource.shelf != SHELF {
        return Vec::new();
    }
    let of = |definition: &Value| {
        let mut found = Vec::new();
        let versions = definition["spec"]["versions"].as_array();
        for version in versions.into_iter().flatten() {
            unchecked_formats(&version["schema"]["openAPIV3Schema"], &mut found);
        }
        found
    };
    let before = old.map(of).unwrap_or_default();
    let new = of(object).into_iter().filter(|format| !before.contains(format));
    new.map(|format| format!("unrecognized format {}", Value::from(format))).collect()
}

fn unchecked_formats(schema: &Value, out: &mut Vec<String>) {
    keywords::each(schema, &mut |schema| {
        let format = text(&schema["format"]);
        if !format.is_empty() && !formats::known(&format, &text(&schema["type"])) && !out.contains(&format) {
            out.push(format);
        }
    });
}

/// The verbs of custom resources in the order that discovery has them.
const VERBS_LISTED: [&str; 8] = ["delete", "deletecollection", "get", "list", "patch", "create", "update", "watch"];

/// What discovery calls the version that objects of a kind are stored in.
fn storage_hash(group: &str, version: &str, kind: &str) -> String {
    let digest = sha2::Sha256::digest(format!("{group}/{version}/{kind}"));
    base64::engine::general_purpose::STANDARD.encode(&digest[..8])
}

/// The order in which kubectl prefers versions: stable, then beta, then alpha, each with the higher number first.
pub(crate) fn rank(name: &str) -> (u8, u32, u32) {
    let number = |text: &str| text.chars().take_while(char::is_ascii_digit).collect::<String>().parse().unwrap_or(0);
    let Some(rest) = name.strip_prefix('v') else { return (0, 0, 0) };
    let major = number(rest);
    match (rest.split_once("beta"), rest.split_once("alpha")) {
        (Some((_, minor)), _) => (2, major, number(minor)),
        (_, Some((_, minor))) => (1, major, number(minor)),
        _ => (3, major, 0),
    }
}

fn version(listed: &Value) -> Version {
    let source = &listed["schema"]["openAPIV3Schema"];
    let (schema, root) = openapi::read(source);
    let subresources = &listed["subresources"];
    Version {
        name: text(&listed["name"]),
        schema: Arc::new(schema),
        root,
        status: subresources["status"].is_object(),
        scale: scale(&subresources["scale"]),
        columns: listed["additionalPrinterColumns"].as_array().cloned().unwrap_or_default(),
        validator: Some(Arc::new(validator::compile(source))),
        source: source.clone(),
        warning: None,
    }
}

fn scale(scale: &Value) -> Option<Scale> {
    let path = |field: &str| -> Option<Vec<String>> {
        let path = scale.get(field)?.as_str()?;
        Some(path.split('.').filter(|p| !p.is_empty()).map(str::to_owned).collect())
    };
    Some(Scale {
        spec: path("specReplicasPath")?,
        status: path("statusReplicasPath")?,
        selector: path("labelSelectorPath"),
    })
}

/// True if nobody but the clean-up of its objects holds a definition.
pub(crate) fn is_free(object: &Value) -> bool {
    object::finalizers(object).iter().all(|finalizer| *finalizer == CLEANUP)
}

/// Stops serving a definition.
pub(crate) fn retire(state: &mut State, name: &str) {
    let gone = state.customs.remove(name);
    state.terminating.remove(name);
    if let (Some(gone), Some(resource)) = (gone, state.resource("apiextensions.k8s.io", "customresourcedefinitions")) {
        settle_names(state, &resource, &gone.group.as_str().into());
    }
    state.wake(name);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_preferred_as_kubectl_does() {
        let mut names = ["v1alpha1", "v1", "v2beta1", "v10", "v2"];
        names.sort_by_key(|n| std::cmp::Reverse(rank(n)));
        assert_eq!(names, ["v10", "v2", "v1", "v2beta1", "v1alpha1"]);
    }
}
