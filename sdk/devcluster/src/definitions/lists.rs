//! How a schema says that its lists and maps merge: which kinds there are, and what items need for it.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::check::unsupported;
use super::structural::{flag, many};
use super::{text, texts};
use crate::error::Cause;

/// Every fault of the keywords `x-kubernetes-list-type`, `x-kubernetes-list-map-keys` and `x-kubernetes-map-type`.
pub(super) fn check(schema: &Value, path: &str, out: &mut Vec<Cause>) {
    if schema.get("x-kubernetes-preserve-unknown-fields") == Some(&Value::Bool(false)) {
        let at = format!("{path}.x-kubernetes-preserve-unknown-fields");
        out.push(Cause::invalid(&at, &false.into(), "must be true or undefined"));
    }
    let kind = text(&schema["type"]);
    let typed = |wanted: &str, keyword: &str| {
        let (at, why) = (format!("{path}.type"), format!("must be {wanted} if {keyword} is specified"));
        if kind.is_empty() { Cause::required(&at, &why) } else { Cause::invalid(&at, &kind.as_str().into(), &why) }
    };
    if let Some(map) = schema["x-kubernetes-map-type"].as_str() {
        if kind != "object" {
            out.push(typed("object", "x-kubernetes-map-type"));
        }
        if !matches!(map, "atomic" | "granular") {
            out.push(unsupported(&format!("{path}.x-kubernetes-map-type"), map, &["atomic", "granular"]));
        }
    }
    let list = schema["x-kubernetes-list-type"].as_str();
    if let Some(list) = list {
        if kind != "array" {
            out.push(typed("array", "x-kubernetes-list-type"));
        } else if list == "set" {
            set_items(&schema["items"], path, out);
        }
        if !matches!(list, "atomic" | "set" | "map") {
            out.push(unsupported(&format!("{path}.x-kubernetes-list-type"), list, &["atomic", "set", "map"]));
        }
    }
    if many(schema, "x-kubernetes-list-map-keys").next().is_some() && list != Some("map") {
        let (at, why) =
            (format!("{path}.x-kubernetes-list-type"), "must be map if x-kubernetes-list-map-keys is non-empty");
        out.push(list.map_or_else(|| Cause::required(&at, why), |list| Cause::invalid(&at, &list.into(), why)));
    }
    if list == Some("map") {
        map_items(schema, path, out);
    }
    if matches!(list, Some("map" | "set")) && schema["items"].is_object() {
        keys(schema, list.unwrap_or_default(), path, out);
    }
}

/// Members of sets are compared as a whole.
fn set_items(items: &Value, path: &str, out: &mut Vec<Cause>) {
    let list = &items["x-kubernetes-list-type"];
    let (keyword, fits) = match text(&items["type"]).as_str() {
        "array" => ("x-kubernetes-list-type", list.is_null() || *list == "atomic"),
        "object" => ("x-kubernetes-map-type", items["x-kubernetes-map-type"] == "atomic"),
        _ => return,
    };
    if !fits {
        let why = "must be atomic as item of a list with x-kubernetes-list-type=set";
        out.push(Cause::invalid(&format!("{path}.items.{keyword}"), list, why));
    }
}

fn map_items(schema: &Value, path: &str, out: &mut Vec<Cause>) {
    let keys = texts(&schema["x-kubernetes-list-map-keys"]);
    let at = format!("{path}.x-kubernetes-list-map-keys");
    if keys.is_empty() {
        out.push(Cause::required(&at, "must not be empty if x-kubernetes-list-type is map"));
    }
    let items = &schema["items"];
    if items.is_null() {
        out.push(Cause::required(&format!("{path}.items"), "must have a schema if x-kubernetes-list-type is map"));
        return;
    }
    if !items.is_object() {
        let why = "must only have a single schema if x-kubernetes-list-type is map";
        out.push(Cause::invalid(&format!("{path}.items"), items, why));
        return;
    }
    let kind = text(&items["type"]);
    if kind != "object" {
        let why = "must be object if parent array's x-kubernetes-list-type is map";
        out.push(Cause::invalid(&format!("{path}.items.type"), &kind.into(), why));
        return;
    }
    let mut seen = BTreeSet::new();
    for key in &keys {
        match items["properties"].get(key) {
            Some(field) if matches!(text(&field["type"]).as_str(), "array" | "object") => {
                let why = "must be a scalar type if parent array's x-kubernetes-list-type is map";
                out.push(Cause::invalid(&format!("{path}.items.properties[{key}].type"), &items["type"], why));
            }
            Some(_) => {}
            None => out.push(Cause::invalid(&at, &json!(keys), "entries must all be names of item properties")),
        }
        if !seen.insert(key) {
            out.push(Cause::invalid(&at, &json!(keys), "must not contain duplicate entries"));
        }
    }
}

/// Items that are told apart are there, and have what tells them apart.
fn keys(schema: &Value, list: &str, path: &str, out: &mut Vec<Cause>) {
    let items = &schema["items"];
    if flag(items, "nullable") {
        let why = format!("cannot be nullable when x-kubernetes-list-type is {list}");
        out.push(Cause::forbidden(&format!("{path}.items.nullable"), &why));
    }
    if list != "map" {
        return;
    }
    let required = texts(&items["required"]);
    for key in texts(&schema["x-kubernetes-list-map-keys"]) {
        let Some(field) = items["properties"].get(&key) else { continue };
        let at = format!("{path}.items.properties[{key}]");
        if !required.contains(&key) && field.get("default").is_none() {
            let why =
                "this property is in x-kubernetes-list-map-keys, so it must have a default or be a required property";
            out.push(Cause::required(&format!("{at}.default"), why));
        }
        if flag(field, "nullable") {
            let why = "this property is in x-kubernetes-list-map-keys, so it cannot be nullable";
            out.push(Cause::forbidden(&format!("{at}.nullable"), why));
        }
    }
}
