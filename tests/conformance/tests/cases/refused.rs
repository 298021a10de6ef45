//! Definitions that are refused.

use anyhow::Result;
use motet_conformance::{Talk, cases, define::DEFINITIONS};
use serde_json::{Value, json};

cases! {
    "definitions":
    definitions_need_names_group_scope_and_schema,
    versions_of_a_definition_have_names_and_one_is_stored,
    every_field_of_a_schema_has_a_type,
    types_of_a_schema_are_those_of_openapi,
    schemas_are_structural_outside_of_junctors,
    what_junctors_say_is_in_the_schema_too,
    integers_or_texts_have_a_form,
    embedded_objects_have_fields,
    metadata_is_not_described,
    some_keywords_are_forbidden,
    properties_and_additional_properties_exclude_one_another,
    lists_that_are_sets_or_maps_have_fitting_items,
    maps_have_kinds_too,
    defaults_are_valid_where_they_stand,
    defaults_are_only_where_they_may_be,
    patterns_are_regular_expressions,
    the_root_says_little_if_the_status_is_apart,
    unknown_formats_are_warned_of,
    unknown_keywords_are_dropped,
}

/// Definitions are only tried, so that one that is taken leaves the next one its place.
async fn schemas(talk: &Talk, schemas: &[Value]) -> Result<()> {
    for schema in schemas {
        talk.post(&format!("{DEFINITIONS}?dryRun=All"), &talk.widget(schema)).await?;
    }
    Ok(())
}

/// Schemas whose spec has one property of each of these forms.
async fn fields(talk: &Talk, fields: &[Value]) -> Result<()> {
    let wrap = |field: &Value| json!({ "type": "object", "properties": { "spec": { "type": "object", "properties": { "f": field } } } });
    schemas(talk, &fields.iter().map(wrap).collect::<Vec<_>>()).await
}

async fn definitions_need_names_group_scope_and_schema(talk: &Talk) -> Result<()> {
    let good = talk.widget(&json!({ "type": "object" }));
    for (pointer, value) in [
        ("/spec/group", json!("nodots")),
        ("/spec/group", json!("Upper.org")),
        ("/spec/scope", json!("")),
        ("/spec/scope", json!("Everywhere")),
        ("/spec/names/kind", json!("not valid")),
        ("/spec/names/plural", json!("Widgets")),
        ("/metadata/name", json!("other")),
        ("/spec/versions/0/schema", json!({})),
    ] {
        let mut definition = good.clone();
        if let Some(slot) = definition.pointer_mut(pointer) {
            *slot = value;
        }
        talk.post(DEFINITIONS, &definition).await?;
    }
    for (field, value) in [
        ("listKind", json!("Widget")),
        ("singular", json!("Bad")),
        ("shortNames", json!(["Bad"])),
        ("categories", json!(["Bad"])),
    ] {
        let mut definition = good.clone();
        definition["spec"]["names"][field] = value;
        talk.post(DEFINITIONS, &definition).await?;
    }
    Ok(())
}

async fn versions_of_a_definition_have_names_and_one_is_stored(talk: &Talk) -> Result<()> {
    talk.aside("/message", "it repeats the versions as Go's structs");
    talk.aside("/details/causes/*/message", "it repeats the versions as Go's structs");
    let version = |name: &str, storage: bool| json!({ "name": name, "served": true, "storage": storage, "schema": { "openAPIV3Schema": { "type": "object", "description": name } } });
    for versions in [
        json!([version("v1", false)]),
        json!([version("v1", true), version("v2", true)]),
        json!([version("v1", true), version("v1", false)]),
    ] {
        talk.post(DEFINITIONS, &talk.definition("widgets", "Widget", &versions)).await?;
    }
    Ok(())
}

async fn every_field_of_a_schema_has_a_type(talk: &Talk) -> Result<()> {
    fields(
        talk,
        &[
            json!({}),
            json!({ "description": "x" }),
            json!({ "type": "array" }),
            json!({ "type": "array", "items": {} }),
            json!({ "type": "object", "additionalProperties": {} }),
        ],
    )
    .await?;
    schemas(talk, &[json!({}), json!({ "type": "string" })]).await
}

async fn types_of_a_schema_are_those_of_openapi(talk: &Talk) -> Result<()> {
    fields(
        talk,
        &[
            json!({ "type": "text" }),
            json!({ "type": "null" }),
            json!({ "type": "array", "items": { "type": "float" } }),
            json!({ "type": "array", "items": [{ "type": "string" }] }),
            json!({ "type": "object", "nullable": true }),
        ],
    )
    .await?;
    schemas(
        talk,
        &[json!({ "type": "object", "nullable": true }), json!({ "type": "array", "items": { "type": "string" } })],
    )
    .await
}

async fn schemas_are_structural_outside_of_junctors(talk: &Talk) -> Result<()> {
    for junctor in ["allOf", "anyOf", "oneOf"] {
        let said = [
            json!({ "type": "string" }),
            json!({ "default": "x" }),
            json!({ "title": "x" }),
            json!({ "description": "x" }),
            json!({ "nullable": true }),
            json!({ "x-kubernetes-preserve-unknown-fields": true }),
            json!({ "x-kubernetes-embedded-resource": true }),
            json!({ "x-kubernetes-int-or-string": true }),
            json!({ "x-kubernetes-list-map-keys": ["a"] }),
            json!({ "x-kubernetes-list-type": "set" }),
            json!({ "x-kubernetes-map-type": "atomic" }),
            json!({ "x-kubernetes-validations": [{ "rule": "true" }] }),
            json!({ "additionalProperties": { "minLength": 1 } }),
            json!({ "additionalProperties": true }),
            json!({ "minLength": 1 }),
        ];
        fields(talk, &said.map(|said| json!({ "type": "string", junctor: [said] }))).await?;
    }
    fields(
        talk,
        &[
            json!({ "type": "string", "not": { "type": "string" } }),
            json!({ "type": "string", "allOf": [{ "anyOf": [{ "type": "string" }] }] }),
            json!({ "type": "array", "items": { "type": "string" }, "anyOf": [{ "items": { "type": "string" } }] }),
            json!({ "type": "object", "properties": { "x": { "type": "string" } }, "anyOf": [{ "properties": { "x": { "type": "string" } } }] }),
            json!({ "type": "object", "anyOf": [{ "properties": { "metadata": { "minProperties": 1 } } }], "properties": { "metadata": { "type": "object" } } }),
        ],
    )
    .await
}

async fn what_junctors_say_is_in_the_schema_too(talk: &Talk) -> Result<()> {
    fields(
        talk,
        &[
            json!({ "type": "object", "anyOf": [{ "properties": { "x": { "minimum": 1 } } }] }),
            json!({ "type": "array", "items": { "type": "string" }, "not": { "items": { "properties": { "x": { "minimum": 1 } } } } }),
        ],
    )
    .await?;
    schemas(
        talk,
        &[
            json!({ "type": "object", "anyOf": [{ "properties": { "x": { "minimum": 1 } } }] }),
            json!({ "type": "object", "properties": { "l": { "type": "object" } }, "oneOf": [{ "properties": { "l": { "items": { "minimum": 1 } } } }] }),
            json!({ "type": "object", "properties": { "l": { "type": "object" } }, "oneOf": [{ "required": ["l"] }, { "required": ["m"] }] }),
        ],
    )
    .await
}

async fn integers_or_texts_have_a_form(talk: &Talk) -> Result<()> {
    let either = json!([{ "type": "integer" }, { "type": "string" }]);
    fields(
        talk,
        &[
            json!({ "x-kubernetes-int-or-string": true, "anyOf": either }),
            json!({ "x-kubernetes-int-or-string": true, "allOf": [{ "anyOf": either }, { "pattern": "^a" }] }),
            json!({ "x-kubernetes-int-or-string": true, "anyOf": [{ "type": "string" }, { "type": "integer" }] }),
            json!({ "x-kubernetes-int-or-string": true, "allOf": [{ "pattern": "^a" }, { "anyOf": either }] }),
            json!({ "x-kubernetes-int-or-string": true, "x-kubernetes-preserve-unknown-fields": true }),
            json!({ "x-kubernetes-int-or-string": true, "type": "object", "x-kubernetes-embedded-resource": true, "properties": { "x": { "type": "string" } } }),
            json!({ "x-kubernetes-int-or-string": true, "type": "string" }),
        ],
    )
    .await
}

async fn embedded_objects_have_fields(talk: &Talk) -> Result<()> {
    let embedded = |more: Value| {
        let mut field = json!({ "x-kubernetes-embedded-resource": true });
        field.as_object_mut().into_iter().for_each(|f| f.extend(more.as_object().cloned().unwrap_or_default()));
        field
    };
    fields(
        talk,
        &[
            embedded(json!({})),
            embedded(json!({ "type": "string" })),
            embedded(json!({ "type": "object" })),
            embedded(json!({ "type": "object", "additionalProperties": { "type": "string" } })),
            embedded(json!({ "type": "object", "x-kubernetes-preserve-unknown-fields": true })),
            embedded(json!({ "type": "object", "x-kubernetes-preserve-unknown-fields": false, "properties": { "x": { "type": "string" } } })),
            embedded(json!({ "type": "object", "properties": { "kind": { "type": "integer" } } })),
            embedded(json!({ "type": "object", "properties": { "metadata": { "type": "string" } } })),
            embedded(json!({ "type": "object", "properties": { "metadata": { "type": "object", "x-kubernetes-embedded-resource": true, "properties": { "x": { "type": "string" } } } } })),
        ],
    )
    .await
}

async fn metadata_is_not_described(talk: &Talk) -> Result<()> {
    let root = |name: &str, field: Value| json!({ "type": "object", "properties": { name: field } });
    schemas(
        talk,
        &[
            root("metadata", json!({ "type": "object" })),
            root("metadata", json!({ "type": "object", "properties": { "name": { "type": "string", "maxLength": 5 } } })),
            root("metadata", json!({ "type": "object", "properties": { "labels": { "type": "object", "additionalProperties": { "type": "string" } } } })),
            root("metadata", json!({ "type": "object", "description": "x" })),
            root("metadata", json!({ "type": "string" })),
            root("metadata", json!({ "type": "object", "maxProperties": 3 })),
            root("kind", json!({ "type": "integer" })),
            root("apiVersion", json!({ "type": "object" })),
            root("kind", json!({ "type": "string", "default": "Widget" })),
            json!({ "type": "object", "additionalProperties": { "type": "string" } }),
            json!({ "type": "object", "additionalProperties": true }),
        ],
    )
    .await
}

async fn some_keywords_are_forbidden(talk: &Talk) -> Result<()> {
    fields(
        talk,
        &[
            json!({ "type": "string", "$ref": "#/x" }),
            json!({ "type": "string", "id": "x" }),
            json!({ "type": "string", "$schema": "http://json-schema.org/schema#" }),
            json!({ "type": "object", "definitions": { "x": { "type": "string" } } }),
            json!({ "type": "object", "patternProperties": { "^a": { "type": "string" } } }),
            json!({ "type": "object", "dependencies": { "a": ["b"] } }),
            json!({ "type": "array", "items": { "type": "string" }, "additionalItems": false }),
            json!({ "type": "array", "items": { "type": "string" }, "uniqueItems": true }),
            json!({ "type": "array", "items": { "type": "string" }, "uniqueItems": false }),
            json!({ "type": "object", "x-kubernetes-preserve-unknown-fields": false }),
            json!({ "type": "string", "allOf": [{ "uniqueItems": true }] }),
        ],
    )
    .await
}

async fn properties_and_additional_properties_exclude_one_another(talk: &Talk) -> Result<()> {
    let both = |rest: Value| json!({ "type": "object", "properties": { "x": { "type": "string" } }, "additionalProperties": rest });
    fields(
        talk,
        &[
            both(json!({ "type": "string" })),
            both(json!(true)),
            both(json!(false)),
            json!({ "type": "object", "additionalProperties": false }),
        ],
    )
    .await
}

async fn lists_that_are_sets_or_maps_have_fitting_items(talk: &Talk) -> Result<()> {
    let item = json!({ "type": "object", "required": ["k"], "properties": { "k": { "type": "string" }, "o": { "type": "object" }, "v": { "type": "integer" }, "d": { "type": "string", "default": "x" },
        "n": { "type": "string", "nullable": true, "default": "x" } } });
    let map = |keys: Value| json!({ "type": "array", "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": keys, "items": item });
    let list = |kind: &str, items: Value| json!({ "type": "array", "x-kubernetes-list-type": kind, "items": items });
    fields(
        talk,
        &[
            map(json!(["k"])),
            map(json!(["k", "d"])),
            map(json!([])),
            map(json!(["v"])),
            map(json!(["n"])),
            map(json!(["o"])),
            map(json!(["nope"])),
            map(json!(["k", "k"])),
            list("map", item.clone()),
            list("map", json!({ "type": "string" })),
            list("set", json!({ "type": "string" })),
            list("set", json!({ "type": "string", "nullable": true })),
            list("set", json!({ "type": "object" })),
            list("set", json!({ "type": "object", "x-kubernetes-map-type": "atomic" })),
            list("set", json!({ "type": "array", "items": { "type": "string" } })),
            list("set", json!({ "type": "array", "x-kubernetes-list-type": "set", "items": { "type": "string" } })),
            list("bag", json!({ "type": "string" })),
            json!({ "type": "array", "x-kubernetes-list-map-keys": ["k"], "items": item }),
            json!({ "type": "array", "x-kubernetes-list-type": "atomic", "x-kubernetes-list-map-keys": ["k"], "items": item }),
            json!({ "type": "string", "x-kubernetes-list-type": "set" }),
            json!({ "x-kubernetes-preserve-unknown-fields": true, "x-kubernetes-list-type": "set" }),
        ],
    )
    .await
}

async fn maps_have_kinds_too(talk: &Talk) -> Result<()> {
    fields(
        talk,
        &[
            json!({ "type": "object", "x-kubernetes-map-type": "granular" }),
            json!({ "type": "object", "x-kubernetes-map-type": "fine" }),
            json!({ "type": "string", "x-kubernetes-map-type": "atomic" }),
            json!({ "x-kubernetes-preserve-unknown-fields": true, "x-kubernetes-map-type": "atomic" }),
        ],
    )
    .await
}

async fn defaults_are_valid_where_they_stand(talk: &Talk) -> Result<()> {
    fields(
        talk,
        &[
            json!({ "type": "string", "default": "x" }),
            json!({ "type": "string", "default": 1 }),
            json!({ "type": "string", "default": null }),
            json!({ "type": "integer", "default": "1" }),
            json!({ "type": "integer", "default": 5, "maximum": 4 }),
            json!({ "type": "string", "enum": ["a"], "default": "b" }),
            json!({ "type": "string", "maxLength": 1, "default": "long" }),
            json!({ "type": "string", "pattern": "^a", "default": "b" }),
            json!({ "type": "string", "format": "ipv4", "default": "x" }),
            json!({ "type": "object", "default": { "x": 1 } }),
            json!({ "type": "object", "required": ["x"], "properties": { "x": { "type": "string" } }, "default": {} }),
            json!({ "type": "object", "properties": { "x": { "type": "string" } }, "default": { "x": 1 } }),
            json!({ "type": "array", "items": { "type": "string" }, "default": [1] }),
            json!({ "type": "array", "items": { "type": "string", "default": 1 } }),
            json!({ "type": "object", "x-kubernetes-embedded-resource": true, "x-kubernetes-preserve-unknown-fields": true, "default": { "kind": "K" } }),
            json!({ "type": "object", "x-kubernetes-embedded-resource": true, "x-kubernetes-preserve-unknown-fields": true, "default": { "apiVersion": "v1", "kind": "K" } }),
            json!({ "type": "integer", "default": 5, "x-kubernetes-validations": [{ "rule": "self < 5" }] }),
            json!({ "type": "integer", "default": 5, "x-kubernetes-validations": [{ "rule": "oldSelf.hasValue() || self < 5", "optionalOldSelf": true }] }),
            json!({ "type": "integer", "nullable": true, "default": null }),
        ],
    )
    .await
}

async fn defaults_are_only_where_they_may_be(talk: &Talk) -> Result<()> {
    fields(
        talk,
        &[
            json!({ "type": "object", "additionalProperties": { "type": "string", "default": "x" } }),
            json!({ "type": "string", "anyOf": [{ "default": "x" }] }),
        ],
    )
    .await?;
    let root = |name: &str, field: Value| json!({ "type": "object", "properties": { name: field } });
    schemas(
        talk,
        &[
            root("metadata", json!({ "type": "object", "default": {} })),
            root(
                "metadata",
                json!({ "type": "object", "properties": { "name": { "type": "string", "default": "x" } } }),
            ),
            root("apiVersion", json!({ "type": "string", "default": "v1" })),
        ],
    )
    .await
}

async fn patterns_are_regular_expressions(talk: &Talk) -> Result<()> {
    let text = |pattern: &str| json!({ "type": "string", "pattern": pattern });
    fields(talk, &[text("["), text("("), text("*"), text("(?=x)"), text("^a+$")]).await
}

async fn the_root_says_little_if_the_status_is_apart(talk: &Talk) -> Result<()> {
    talk.aside("/message", "it repeats the schema as Go's structs");
    talk.aside("/details/causes/*/message", "it repeats the schema as Go's structs");
    for schema in [
        json!({ "type": "object", "maxProperties": 5 }),
        json!({ "type": "object", "anyOf": [{ "required": ["a"] }], "properties": { "a": { "type": "string" } } }),
        json!({ "type": "object", "x-kubernetes-map-type": "atomic" }),
        json!({ "type": "array", "items": { "type": "string" } }),
        json!({ "type": "object", "required": ["a"], "properties": { "a": { "type": "string" } }, "x-kubernetes-validations": [{ "rule": "self.a != ''" }] }),
    ] {
        let mut definition = talk.widget(&schema);
        definition["spec"]["versions"][0]["subresources"] = json!({ "status": {} });
        talk.post(&format!("{DEFINITIONS}?dryRun=All"), &definition).await?;
    }
    Ok(())
}

async fn unknown_formats_are_warned_of(talk: &Talk) -> Result<()> {
    fields(
        talk,
        &[
            json!({ "type": "string", "format": "odd" }),
            json!({ "type": "string", "format": "date-time" }),
            json!({ "type": "string", "format": "isbn13" }),
            json!({ "type": "string", "format": "k8s-short-name" }),
            json!({ "type": "integer", "format": "int16" }),
            json!({ "type": "integer", "format": "int64" }),
            json!({ "type": "number", "format": "double" }),
            json!({ "type": "number", "format": "int32" }),
            json!({ "type": "boolean", "format": "yes" }),
            json!({ "type": "array", "items": { "type": "string", "format": "odd" } }),
        ],
    )
    .await
}

async fn unknown_keywords_are_dropped(talk: &Talk) -> Result<()> {
    fields(
        talk,
        &[
            json!({ "type": "string", "deprecated": true }),
            json!({ "type": "string", "const": "x", "readOnly": true }),
            json!({ "type": "array", "items": { "type": "string", "deprecated": true, "enum": [] } }),
            json!({ "type": "object", "additionalProperties": { "type": "string", "const": "x", "description": "" } }),
            json!({ "type": "object", "propertyNames": { "pattern": "^a" } }),
        ],
    )
    .await
}
