//! Definitions that are refused.

use anyhow::Result;
use motet_conformance::{Talk, cases, define::DEFINITIONS};
use serde_json::{Value, json};

cases! {
    "definitions":
    definitions_need_names_group_scope_and_schema,
    versions_of_a_definition_have_names_and_one_is_stored,
    every_field_of_a_schema_has_a_type,
}

async fn schemas(talk: &Talk, schemas: &[Value]) -> Result<()> {
    for schema in schemas {
        talk.post(DEFINITIONS, &talk.widget(schema)).await?;
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
