//! OpenAPI v3, as far as kubectl asks for it: which kinds take fieldValidation, and what fields they have.
//!
//! Built-in types are those that a kube-apiserver publishes, texts included (`data/schemas.py`); those of custom resources are made
//! of their definitions as it makes them.

use std::collections::BTreeMap;
use std::io::Read;
use std::sync::{Arc, LazyLock};

use serde_json::{Map, Value, json};

use crate::resources::{Resource, Version};

const PUBLISHED: &[u8] = include_bytes!("../data/schemas.json.gz");
const REF: &str = "#/components/schemas/";
const META: &str = "io.k8s.apimachinery.pkg.apis.meta.v1";
const CONVENTIONS: &str = "https://git.k8s.io/community/contributors/devel/sig-architecture/api-conventions.md";

/// The published types by name, shared by all clusters and read when somebody first asks.
static SCHEMAS: LazyLock<BTreeMap<String, Value>> = LazyLock::new(|| {
    let mut text = Vec::new();
    let read = flate2::read::GzDecoder::new(PUBLISHED).read_to_end(&mut text);
    read.ok().and_then(|_| serde_json::from_slice(&text).ok()).unwrap_or_else(|| {
        tracing::error!("the published OpenAPI schemas inside this program cannot be read: build it again");
        BTreeMap::new()
    })
});

/// The name of a published type by `group/version/kind`.
static NAMES: LazyLock<BTreeMap<String, &'static str>> = LazyLock::new(|| {
    let mut names = BTreeMap::new();
    for (name, schema) in SCHEMAS.iter() {
        // Types that belong to many kinds (DeleteOptions, WatchEvent) name none.
        if let [gvk] = schema["x-kubernetes-group-version-kind"].as_array().map(Vec::as_slice).unwrap_or_default() {
            names.insert(key(&gvk["group"], &gvk["version"], &gvk["kind"]), name.as_str());
        }
    }
    names
});

fn key(group: &Value, version: &Value, kind: &Value) -> String {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    format!("{}/{}/{}", text(group), text(version), text(kind))
}

/// The index of documents, one per group and version.
pub(crate) fn index(resources: &[Arc<Resource>]) -> Value {
    let mut paths = Map::new();
    for resource in resources {
        for version in &resource.versions {
            let path = base(resource, version);
            // The hash in the address changes with the content; custom resources come and go under one name.
            let hash = resources.len();
            paths.insert(path.clone(), json!({"serverRelativeURL": format!("/openapi/v3/{path}?hash={hash}")}));
        }
    }
    json!({"paths": paths})
}

fn base(resource: &Resource, version: &Version) -> String {
    if resource.group.is_empty() {
        format!("api/{}", version.name)
    } else {
        format!("apis/{}/{}", resource.group, version.name)
    }
}

/// The document of one group and version; `None` if nothing of it is served.
pub(crate) fn document(resources: &[Arc<Resource>], group: &str, version: &str) -> Option<Value> {
    let (mut paths, mut schemas, mut custom) = (Map::new(), BTreeMap::new(), false);
    for resource in resources.iter().filter(|r| r.group == group) {
        let Some(served) = resource.version(version) else { continue };
        custom |= resource.custom;
        let gvk = json!({"group": group, "version": version, "kind": resource.kind});
        if resource.custom {
            custom_types(resource, served, &gvk, &mut schemas);
        } else {
            for kind in [resource.kind.clone(), format!("{}List", resource.kind)] {
                let name = NAMES.get(&key(&gvk["group"], &gvk["version"], &kind.into()));
                name.into_iter().for_each(|name| published(name, &mut schemas));
            }
        }
        let scope = if resource.namespaced { "/namespaces/{namespace}" } else { "" };
        let collection = format!("/{}{scope}/{}", base(resource, served), resource.plural);
        let (get, list, post) = (operation("get", &gvk), operation("list", &gvk), operation("post", &gvk));
        paths.insert(
            format!("{collection}/{{name}}"),
            json!({"get": get, "patch": operation("patch", &gvk),
            "put": operation("put", &gvk), "delete": operation("delete", &gvk)}),
        );
        paths.insert(collection, json!({"get": list, "post": post}));
    }
    if paths.is_empty() {
        return None;
    }
    let info = if custom { ("Kubernetes CRD Swagger", "v0.1.0") } else { ("Kubernetes", "1.36") };
    Some(json!({"openapi": "3.0.0", "info": {"title": info.0, "version": info.1}, "paths": paths,
        "components": {"schemas": schemas}}))
}

/// Adds a published type and all that it refers to.
fn published(name: &str, schemas: &mut BTreeMap<String, Value>) {
    let Some(schema) = SCHEMAS.get(name).filter(|_| !schemas.contains_key(name)) else { return };
    schemas.insert(name.to_owned(), schema.clone());
    references(schema, &mut |name| published(name, schemas));
}

fn references(schema: &Value, found: &mut impl FnMut(&str)) {
    match schema {
        Value::Object(map) => {
            if let Some(name) = map.get("$ref").and_then(Value::as_str).and_then(|r| r.strip_prefix(REF)) {
                found(name);
            }
            map.values().for_each(|value| references(value, found));
        }
        Value::Array(items) => items.iter().for_each(|value| references(value, found)),
        _ => {}
    }
}

/// Adds the type of a custom resource and that of its list, as a kube-apiserver builds them from the definition
/// (apiextensions-apiserver, `pkg/controller/openapi/builder`).
fn custom_types(resource: &Resource, version: &Version, gvk: &Value, schemas: &mut BTreeMap<String, Value>) {
    let reversed: Vec<&str> = resource.group.split('.').rev().collect();
    let name = format!("{}.{}.{}", reversed.join("."), version.name, resource.kind);
    let mut schema = embedded(&version.source);
    if !schema.is_object() {
        schema = json!({"type": "object"});
    }
    for (field, value) in object_fields() {
        schema["properties"][field] = value;
    }
    schema["x-kubernetes-group-version-kind"] = json!([gvk]);
    let mut list_kind = gvk.clone();
    list_kind["kind"] = resource.list_kind.clone().into();
    let fields: Map<String, Value> =
        object_fields().into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
    let mut list = json!({
        "description": format!("{} is a list of {}", resource.list_kind, resource.kind), "type": "object", "required": ["items"],
        "properties": fields, "x-kubernetes-group-version-kind": [list_kind],
    });
    list["properties"]["metadata"] =
        described(&format!("Standard list metadata. More info: {CONVENTIONS}#types-kinds"), "ListMeta");
    list["properties"]["items"] = json!({
        "description": format!("List of {}. More info: {CONVENTIONS}", resource.plural), "type": "array",
        "items": {"$ref": format!("{REF}{name}")},
    });
    for kind in ["ObjectMeta", "ListMeta", "DeleteOptions", "Status", "Patch"] {
        published(&format!("{META}.{kind}"), schemas);
    }
    let list_name = format!("{}.{}.{}", reversed.join("."), version.name, resource.list_kind);
    schemas.insert(name, schema);
    schemas.insert(list_name, list);
}

fn object_fields() -> [(&'static str, Value); 3] {
    let map = SCHEMAS.get("io.k8s.api.core.v1.ConfigMap").cloned().unwrap_or_default();
    let of = |name: &str| map["properties"][name].clone();
    [("apiVersion", of("apiVersion")), ("kind", of("kind")), ("metadata", metadata())]
}

fn metadata() -> Value {
    described(&format!("Standard object's metadata. More info: {CONVENTIONS}#metadata"), "ObjectMeta")
}

fn described(text: &str, kind: &str) -> Value {
    json!({"description": text, "allOf": [{"$ref": format!("{REF}{META}.{kind}")}]})
}

/// The schema with what is said of its embedded resources and of its integers-or-strings.
fn embedded(schema: &Value) -> Value {
    let Value::Object(map) = schema else {
        return match schema {
            Value::Array(items) => items.iter().map(embedded).collect(),
            other => other.clone(),
        };
    };
    let mut out: Map<String, Value> = map.iter().map(|(key, value)| (key.clone(), embedded(value))).collect();
    let is = |name: &str| map.get(name).and_then(Value::as_bool) == Some(true);
    if is("x-kubernetes-int-or-string") && !map.contains_key("anyOf") {
        out.insert("anyOf".into(), json!([{"type": "integer"}, {"type": "string"}]));
    }
    if is("x-kubernetes-embedded-resource") {
        let properties = out.entry("properties").or_insert_with(|| json!({}));
        for (field, what, anchor) in [
            ("apiVersion", "apiVersion defines the versioned schema of this representation of an object.", "resources"),
            ("kind", "kind is a string value representing the type of this object. In CamelCase.", "types-kinds"),
        ] {
            properties[field] =
                json!({"description": format!("{what} More info: {CONVENTIONS}#{anchor}"), "type": "string"});
        }
        properties["metadata"] = metadata();
        out.insert("required".into(), json!(["kind", "apiVersion"]));
    }
    Value::Object(out)
}

fn operation(action: &str, gvk: &Value) -> Value {
    let string = json!({"type": "string", "uniqueItems": true});
    let mut parameters = vec![];
    if matches!(action, "post" | "put" | "patch" | "delete") {
        parameters.push(json!({"name": "dryRun", "in": "query", "schema": string}));
    }
    if matches!(action, "post" | "put" | "patch") {
        parameters.push(json!({"name": "fieldManager", "in": "query", "schema": string}));
        parameters.push(json!({"name": "fieldValidation", "in": "query", "schema": string}));
    }
    json!({"x-kubernetes-action": action, "x-kubernetes-group-version-kind": gvk, "parameters": parameters,
        "responses": {"200": {"description": "OK"}}})
}
