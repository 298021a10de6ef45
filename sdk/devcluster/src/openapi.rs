//! OpenAPI v3, as far as kubectl asks for it: which kinds take fieldValidation, and what fields they have.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Map, Value, json};

use crate::resources::{Resource, Version};
use crate::schema::builtin::BUILTIN;
use crate::schema::{ListKind, Scalar, Shape, Type};

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
    let (mut paths, mut schemas) = (Map::new(), BTreeMap::new());
    for resource in resources.iter().filter(|r| r.group == group) {
        let Some(served) = resource.version(version) else { continue };
        let name = schema_name(resource, served);
        let gvk = json!({"group": group, "version": version, "kind": resource.kind});
        let mut schema =
            if served.source.is_null() { Writer(&mut schemas).object(served.ty()) } else { served.source.clone() };
        schema["x-kubernetes-group-version-kind"] = json!([gvk]);
        schemas.insert(name.clone(), schema);
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
    Some(json!({"openapi": "3.0.0", "info": {"title": "Kubernetes", "version": "v1.36.3"}, "paths": paths,
        "components": {"schemas": schemas}}))
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

fn schema_name(resource: &Resource, version: &Version) -> String {
    if resource.custom {
        let reversed: Vec<&str> = resource.group.split('.').rev().collect();
        return format!("{}.{}.{}", reversed.join("."), version.name, resource.kind);
    }
    let found = BUILTIN.names.iter().find(|(_, id)| **id == version.root);
    found.map(|(name, _)| long(name)).unwrap_or_else(|| resource.kind.clone())
}

/// The name that the published documents give a built-in type.
fn long(name: &str) -> String {
    match name.split('.').next() {
        Some("meta") => format!("io.k8s.apimachinery.pkg.apis.{name}"),
        Some("apiextensions") => format!("io.k8s.apiextensions-apiserver.pkg.apis.{name}"),
        _ => format!("io.k8s.api.{name}"),
    }
}

/// Writes built-in types as OpenAPI, each named type once.
struct Writer<'a>(&'a mut BTreeMap<String, Value>);

impl Writer<'_> {
    fn object(&mut self, ty: Type<'_>) -> Value {
        let Shape::Object(object) = &ty.node().shape else { return json!({}) };
        let mut out = json!({"type": "object"});
        for (name, id) in &object.fields {
            out["properties"][&**name] = self.value(Type { schema: ty.schema, id: *id });
        }
        if let Some(rest) = object.rest {
            out["additionalProperties"] = self.value(Type { schema: ty.schema, id: rest });
        }
        if !object.required.is_empty() {
            out["required"] = json!(object.required);
        }
        if object.atomic {
            out["x-kubernetes-map-type"] = "atomic".into();
        }
        out
    }

    fn value(&mut self, ty: Type<'_>) -> Value {
        if let Some((name, _)) = BUILTIN.names.iter().find(|(_, id)| **id == ty.id) {
            let name = long(name);
            if !self.0.contains_key(&name) {
                self.0.insert(name.clone(), Value::Null);
                let written = self.object(ty);
                self.0.insert(name.clone(), written);
            }
            return json!({"allOf": [{"$ref": format!("#/components/schemas/{name}")}], "default": {}});
        }
        match &ty.node().shape {
            Shape::Object(_) => self.object(ty),
            Shape::List(list) => {
                let mut out = json!({"type": "array", "items": self.value(Type { schema: ty.schema, id: list.item })});
                out["x-kubernetes-list-type"] = match &list.kind {
                    ListKind::Atomic => "atomic".into(),
                    ListKind::Set => "set".into(),
                    ListKind::Map(keys) => {
                        out["x-kubernetes-list-map-keys"] = keys.iter().map(|(k, _)| Value::from(&**k)).collect();
                        "map".into()
                    }
                };
                if let Some(key) = &ty.node().strategy.merge_key {
                    out["x-kubernetes-patch-strategy"] = "merge".into();
                    if !key.is_empty() {
                        out["x-kubernetes-patch-merge-key"] = (&**key).into();
                    }
                }
                out
            }
            Shape::Scalar(scalar) => scalar_schema(*scalar),
            Shape::Any => json!({"x-kubernetes-preserve-unknown-fields": true}),
        }
    }
}

fn scalar_schema(scalar: Scalar) -> Value {
    match scalar {
        Scalar::Text => json!({"type": "string"}),
        Scalar::Base64 => json!({"type": "string", "format": "byte"}),
        Scalar::Time => json!({"type": "string", "format": "date-time"}),
        Scalar::Integer => json!({"type": "integer", "format": "int64"}),
        Scalar::Number => json!({"type": "number", "format": "double"}),
        Scalar::Boolean => json!({"type": "boolean"}),
        Scalar::IntOrText => json!({"oneOf": [{"type": "integer"}, {"type": "string"}], "format": "int-or-string"}),
        Scalar::Quantity => json!({"oneOf": [{"type": "string"}, {"type": "number"}]}),
    }
}
