//! Owns CustomResourceDefinitions: checking them, establishing them, and the resources they make.

use std::sync::Arc;

use base64::Engine;
use serde_json::{Value, json};
use sha2::Digest;

use crate::error::Cause;
use crate::object;
use crate::resources::{Resource, Scale, StatusReset, Version};
use crate::schema::openapi;
use crate::store::{Chore, State, Stored};

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

/// Checks a definition; nothing for other kinds.
pub(crate) fn check(resource: &Resource, object: &Value) -> Vec<Cause> {
    if &*resource.shelf != SHELF {
        return Vec::new();
    }
    let mut causes = Vec::new();
    let spec = &object["spec"];
    for (path, value) in [
        ("spec.group", &spec["group"]),
        ("spec.scope", &spec["scope"]),
        ("spec.names.plural", &spec["names"]["plural"]),
        ("spec.names.kind", &spec["names"]["kind"]),
    ] {
        if text(value).is_empty() {
            causes.push(Cause::required(path, ""));
        }
    }
    let (name, expected) =
        (object::meta(object, "name"), format!("{}.{}", text(&spec["names"]["plural"]), text(&spec["group"])));
    if causes.is_empty() && name != expected {
        let why = "must be spec.names.plural+\".\"+spec.group";
        causes.push(Cause::invalid("metadata.name", &Value::from(name), why));
    }
    let versions = spec["versions"].as_array().map(Vec::as_slice).unwrap_or_default();
    if versions.iter().filter(|v| v["storage"] == true).count() != 1 {
        let shown = json!(versions.iter().map(|v| text(&v["name"])).collect::<Vec<_>>());
        let why = "must have exactly one version marked as storage version";
        causes.push(Cause::invalid("spec.versions", &shown, why));
    }
    for (i, version) in versions.iter().enumerate() {
        if !version["schema"]["openAPIV3Schema"].is_object() {
            causes.push(Cause::required(&format!("spec.versions[{i}].schema.openAPIV3Schema"), "schemas are required"));
        }
    }
    causes
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
        establish(state, resource, value);
    }
}

/// Serves a definition at once and says so in its status.
fn establish(state: &mut State, resource: &Resource, mut object: Value) {
    let custom = Arc::new(custom(&object));
    state.customs.insert(object::meta(&object, "name").to_owned(), custom);
    let names = names(&object["spec"]);
    let stored = object["spec"]["versions"].as_array().into_iter().flatten().find(|v| v["storage"] == true);
    let stored = text(&stored.cloned().unwrap_or_default()["name"]);
    let mut versions = texts(&object["status"]["storedVersions"]);
    if !versions.contains(&stored) {
        versions.push(stored);
    }
    let since = condition_time(&object).unwrap_or_else(object::now);
    let condition = |kind: &str, reason: &str, message: &str| json!({"type": kind, "status": "True", "reason": reason, "message": message, "lastTransitionTime": since});
    let status = json!({"acceptedNames": names, "storedVersions": versions, "conditions": [
        condition("NamesAccepted", "NoConflicts", "no conflicts found"),
        condition("Established", "InitialNamesAccepted", "the initial names have been accepted")]});
    if object["status"] != status || object["spec"]["names"] != names {
        object["status"] = status;
        object["spec"]["names"] = names;
        state.put(resource, object);
    }
}

fn condition_time(object: &Value) -> Option<String> {
    let conditions = object["status"]["conditions"].as_array()?;
    conditions.iter().find(|c| c["type"] == "Established").map(|c| text(&c["lastTransitionTime"]))
}

fn custom(object: &Value) -> Resource {
    let (spec, names) = (&object["spec"], names(&object["spec"]));
    let (group, plural) = (text(&spec["group"]), text(&names["plural"]));
    let listed = spec["versions"].as_array().map(Vec::as_slice).unwrap_or_default();
    let mut versions: Vec<Version> = listed.iter().filter(|v| v["served"] == true).map(version).collect();
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
    }
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
        source: source.clone(),
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

/// Stops serving a definition.
pub(crate) fn retire(state: &mut State, name: &str) {
    state.customs.remove(name);
    state.terminating.remove(name);
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
