//! Definitions: their status, names, versions, subresources and end.

use anyhow::Result;
use motet_conformance::{Talk, cases, define::DEFINITIONS, talk::patch};
use serde_json::{Value, json};

cases! {
    "definitions":
    a_definition_is_accepted_and_established,
    names_that_are_taken_are_not_accepted,
    every_served_version_reads_every_object,
    a_version_that_is_not_served_is_not_there,
    the_stored_version_can_change,
    a_definition_keeps_its_scope_group_and_names,
    the_status_of_custom_resources_is_apart,
    without_a_status_subresource_everything_is_one,
    the_scale_of_custom_resources,
    generations_of_custom_resources,
    fields_of_custom_resources_can_be_selected,
    a_definition_takes_its_objects_along,
    cluster_wide_custom_resources,
    lists_of_custom_resources_merge_under_apply,
    apply_in_another_version,
}

fn open() -> Value {
    json!({ "type": "object", "properties": { "spec": { "type": "object", "x-kubernetes-preserve-unknown-fields": true }, "status": { "type": "object", "x-kubernetes-preserve-unknown-fields": true } } })
}

fn version(name: &str, served: bool, storage: bool) -> Value {
    let mut schema = open();
    schema["description"] = name.into();
    json!({ "name": name, "served": served, "storage": storage, "schema": { "openAPIV3Schema": schema } })
}

fn at(talk: &Talk, name: &str) -> String {
    format!("{DEFINITIONS}/{name}.{}", talk.group())
}

fn widget(talk: &Talk, version: &str, name: &str, spec: Value) -> Value {
    json!({ "apiVersion": format!("{}/{version}", talk.group()), "kind": "Widget", "metadata": { "name": name }, "spec": spec })
}

fn condition(body: &Value, kind: &str) -> bool {
    let conditions = body["status"]["conditions"].as_array();
    conditions.into_iter().flatten().any(|c| c["type"] == kind && c["status"] == "True")
}

async fn a_definition_is_accepted_and_established(talk: &Talk) -> Result<()> {
    talk.aside("/metadata/resourceVersion", "how many writes it takes to establish a definition differs");
    talk.aside("/metadata/managedFields/*/time", "entries of the server's own are written one after another");
    talk.post(DEFINITIONS, &talk.widget(&open())).await?;
    let established =
        talk.until(&at(talk, "widgets"), "it is established", |a| condition(&a.body, "Established")).await?;
    talk.post(DEFINITIONS, &talk.widget(&open())).await?;
    let mut again = established.body.clone();
    again["spec"]["names"]["shortNames"] = json!(["wd"]);
    talk.put(&at(talk, "widgets"), &again).await?;
    talk.until(&at(talk, "widgets"), "its short name is accepted", |a| {
        a.body["status"]["acceptedNames"]["shortNames"] == json!(["wd"])
    })
    .await?;
    Ok(())
}

async fn names_that_are_taken_are_not_accepted(talk: &Talk) -> Result<()> {
    talk.aside("/metadata/resourceVersion", "how many writes it takes differs");
    talk.aside("/metadata/managedFields", "entries of the server's own are written one after another");
    talk.define(&talk.widget(&open())).await?;
    let mut second = talk.definition("gadgets", "Widget", &json!([version("v1", true, true)]));
    talk.post(DEFINITIONS, &second).await?;
    let settled =
        |a: &motet_conformance::talk::Answer| a.body["status"]["conditions"].as_array().is_some_and(|c| c.len() >= 2);
    talk.until(&at(talk, "gadgets"), "its conditions", settled).await?;
    talk.get(&talk.path(&format!("{}/v1", talk.group()), "gadgets")).await?;
    second["metadata"]["name"] = format!("gizmos.{}", talk.group()).into();
    second["spec"]["names"] = json!({ "plural": "gizmos", "kind": "Gizmo", "shortNames": ["widgets"] });
    talk.post(DEFINITIONS, &second).await?;
    talk.until(&at(talk, "gizmos"), "its conditions", settled).await?;
    Ok(())
}

async fn every_served_version_reads_every_object(talk: &Talk) -> Result<()> {
    let path = talk
        .define(&talk.definition(
            "widgets",
            "Widget",
            &json!([version("v1", true, true), version("v2beta1", true, false)]),
        ))
        .await?;
    let other = talk.path(&format!("{}/v2beta1", talk.group()), "widgets");
    talk.served(&other).await?;
    talk.post(&path, &widget(talk, "v1", "one", json!({ "a": 1 }))).await?;
    talk.get(&format!("{other}/one")).await?;
    talk.post(&other, &widget(talk, "v2beta1", "two", json!({ "b": 2 }))).await?;
    talk.get(&format!("{path}/two")).await?;
    talk.patch(&format!("{other}/one"), patch::MERGE, &json!({ "spec": { "c": 3 } })).await?;
    talk.get(&other).await?;
    talk.get(&path).await?;
    talk.post(&path, &widget(talk, "v2beta1", "three", json!({}))).await?;
    Ok(())
}

async fn a_version_that_is_not_served_is_not_there(talk: &Talk) -> Result<()> {
    talk.define(&talk.definition(
        "widgets",
        "Widget",
        &json!([version("v1", true, true), version("v2", false, false)]),
    ))
    .await?;
    for name in ["v2", "v3"] {
        let other = talk.path(&format!("{}/{name}", talk.group()), "widgets");
        talk.get(&other).await?;
        talk.post(&other, &widget(talk, name, "one", json!({}))).await?;
    }
    Ok(())
}

async fn the_stored_version_can_change(talk: &Talk) -> Result<()> {
    let path = talk
        .define(&talk.definition("widgets", "Widget", &json!([version("v1", true, true), version("v2", true, false)])))
        .await?;
    talk.aside("/metadata/resourceVersion", "how many writes it takes differs");
    talk.aside("/metadata/managedFields", "entries of the server's own are written one after another");
    talk.post(&path, &widget(talk, "v1", "one", json!({ "a": 1 }))).await?;
    let turn = json!([{ "op": "replace", "path": "/spec/versions/0/storage", "value": false }, { "op": "replace", "path": "/spec/versions/1/storage", "value": true }]);
    talk.patch(&at(talk, "widgets"), patch::JSON, &turn).await?;
    talk.until(&at(talk, "widgets"), "both are stored versions", |a| {
        a.body["status"]["storedVersions"] == json!(["v1", "v2"])
    })
    .await?;
    talk.get(&format!("{path}/one")).await?;
    talk.patch(&at(talk, "widgets"), patch::JSON, &json!([{ "op": "remove", "path": "/spec/versions/0" }])).await?;
    talk.patch(
        &format!("{}/status", at(talk, "widgets")),
        patch::MERGE,
        &json!({ "status": { "storedVersions": ["v2"] } }),
    )
    .await?;
    talk.patch(&at(talk, "widgets"), patch::JSON, &json!([{ "op": "remove", "path": "/spec/versions/0" }])).await?;
    Ok(())
}

async fn a_definition_keeps_its_scope_group_and_names(talk: &Talk) -> Result<()> {
    talk.define(&talk.widget(&open())).await?;
    talk.settles(&at(talk, "widgets"), "established", |_, body| condition(body, "Established")).await?;
    for spec in [
        json!({ "scope": "Cluster" }),
        json!({ "group": "other.org" }),
        json!({ "names": { "kind": "Other", "listKind": "OtherList" } }),
        json!({ "names": { "plural": "others" } }),
    ] {
        talk.patch(&at(talk, "widgets"), patch::MERGE, &json!({ "spec": spec })).await?;
    }
    Ok(())
}

async fn subresourced(talk: &Talk, subresources: Value) -> Result<String> {
    let mut one = version("v1", true, true);
    one["subresources"] = subresources;
    talk.define(&talk.definition("widgets", "Widget", &json!([one]))).await
}

async fn the_status_of_custom_resources_is_apart(talk: &Talk) -> Result<()> {
    let path = subresourced(talk, json!({ "status": {} })).await?;
    let one = format!("{path}/one");
    let mut object = widget(talk, "v1", "one", json!({ "a": 1 }));
    object["status"] = json!({ "lost": true });
    talk.post(&path, &object).await?;
    talk.patch(
        &format!("{one}/status"),
        patch::MERGE,
        &json!({ "spec": { "a": 2 }, "status": { "seen": 1 }, "metadata": { "labels": { "l": "1" } } }),
    )
    .await?;
    talk.patch(&one, patch::MERGE, &json!({ "spec": { "a": 3 }, "status": { "seen": 2 } })).await?;
    let mut live = talk.get(&one).await?.body;
    live["status"] = json!({ "put": 1 });
    live["spec"] = json!({ "a": 4 });
    talk.put(&format!("{one}/status"), &live).await?;
    let mut config = widget(talk, "v1", "one", json!({ "b": 1 }));
    config["status"] = json!({ "applied": 1 });
    talk.apply(&one, "m", &config).await?;
    talk.apply(&format!("{one}/status"), "m", &config).await?;
    talk.get(&format!("{one}/status")).await?;
    Ok(())
}

async fn without_a_status_subresource_everything_is_one(talk: &Talk) -> Result<()> {
    let path = subresourced(talk, json!(null)).await?;
    let mut object = widget(talk, "v1", "one", json!({ "a": 1 }));
    object["status"] = json!({ "kept": true });
    talk.post(&path, &object).await?;
    talk.patch(&format!("{path}/one"), patch::MERGE, &json!({ "status": { "kept": false } })).await?;
    talk.get(&format!("{path}/one/status")).await?;
    talk.patch(&format!("{path}/one/status"), patch::MERGE, &json!({})).await?;
    talk.get(&format!("{path}/one/scale")).await?;
    Ok(())
}

async fn the_scale_of_custom_resources(talk: &Talk) -> Result<()> {
    let path = subresourced(talk, json!({ "status": {}, "scale": { "specReplicasPath": ".spec.n", "statusReplicasPath": ".status.n", "labelSelectorPath": ".status.selector" } })).await?;
    talk.post(&path, &widget(talk, "v1", "one", json!({ "n": 3 }))).await?;
    let scale = format!("{path}/one/scale");
    talk.get(&scale).await?;
    talk.patch(&format!("{path}/one/status"), patch::MERGE, &json!({ "status": { "n": 2, "selector": "a=b" } }))
        .await?;
    let mut shown = talk.get(&scale).await?.body;
    shown["spec"]["replicas"] = json!(5);
    talk.put(&scale, &shown).await?;
    talk.patch(&scale, patch::MERGE, &json!({ "spec": { "replicas": 6 } })).await?;
    talk.patch(&scale, patch::MERGE, &json!({ "spec": { "replicas": -1 } })).await?;
    talk.apply(&scale, "m", &json!({ "apiVersion": "autoscaling/v1", "kind": "Scale", "metadata": { "name": "one" }, "spec": { "replicas": 6 } })).await?;
    talk.get(&format!("{path}/one")).await?;
    Ok(())
}

async fn generations_of_custom_resources(talk: &Talk) -> Result<()> {
    let path = subresourced(talk, json!({ "status": {} })).await?;
    let one = format!("{path}/one");
    talk.post(&path, &widget(talk, "v1", "one", json!({ "a": 1 }))).await?;
    for body in [
        json!({ "metadata": { "labels": { "a": "b" } } }),
        json!({ "metadata": { "generation": 9 } }),
        json!({ "spec": { "a": 2 } }),
        json!({ "spec": { "a": 2 } }),
        json!({ "metadata": { "annotations": { "a": "b" } } }),
    ] {
        talk.patch(&one, patch::MERGE, &body).await?;
    }
    talk.patch(&format!("{one}/status"), patch::MERGE, &json!({ "status": { "x": 1 } })).await?;
    talk.patch(&one, patch::MERGE, &json!({ "metadata": { "finalizers": ["x.org/a"] } })).await?;
    talk.delete(&one).await?;
    talk.patch(&one, patch::MERGE, &json!({ "metadata": { "finalizers": null } })).await?;
    Ok(())
}

async fn fields_of_custom_resources_can_be_selected(talk: &Talk) -> Result<()> {
    let schema = json!({ "type": "object", "properties": { "spec": { "type": "object", "properties": { "color": { "type": "string" }, "size": { "type": "integer" }, "other": { "type": "string" } } } } });
    let version = json!({ "name": "v1", "served": true, "storage": true, "schema": { "openAPIV3Schema": schema }, "selectableFields": [{ "jsonPath": ".spec.color" }, { "jsonPath": ".spec.size" }] });
    let path = talk.define(&talk.definition("widgets", "Widget", &json!([version]))).await?;
    for (name, spec) in
        [("a", json!({ "color": "red", "size": 1 })), ("b", json!({ "color": "blue" })), ("c", json!({}))]
    {
        talk.post(&path, &widget(talk, "v1", name, spec)).await?;
    }
    for selector in [
        "spec.color%3Dred",
        "spec.color!%3Dred",
        "spec.size%3D1",
        "spec.color%3D",
        "spec.color%3Dred,metadata.name%3Da",
        "spec.other%3Dx",
        "spec.none%3Dx",
    ] {
        talk.get(&format!("{path}?fieldSelector={selector}")).await?;
    }
    Ok(())
}

async fn a_definition_takes_its_objects_along(talk: &Talk) -> Result<()> {
    talk.aside("/metadata/resourceVersion", "how many writes it takes differs");
    talk.aside("/metadata/managedFields", "entries of the server's own are written one after another");
    let path = talk.define(&talk.widget(&open())).await?;
    let mut held = widget(talk, "v1", "one", json!({}));
    held["metadata"]["finalizers"] = json!(["x.org/hold"]);
    talk.post(&path, &held).await?;
    talk.post(&path, &widget(talk, "v1", "two", json!({}))).await?;
    talk.delete(&at(talk, "widgets")).await?;
    talk.settles(&format!("{path}/two"), "to go", |code, _| code == 404).await?;
    talk.settles(&format!("{path}/one"), "to be going", |_, body| body["metadata"]["deletionTimestamp"].is_string())
        .await?;
    talk.post(&path, &widget(talk, "v1", "three", json!({}))).await?;
    talk.patch(&format!("{path}/one"), patch::MERGE, &json!({ "metadata": { "finalizers": null } })).await?;
    talk.settles(&at(talk, "widgets"), "to go", |code, _| code == 404).await?;
    talk.settles(&path, "to go", |code, _| code == 404).await?;
    talk.get(&at(talk, "widgets")).await?;
    Ok(())
}

async fn cluster_wide_custom_resources(talk: &Talk) -> Result<()> {
    let mut definition = talk.widget(&open());
    definition["spec"]["scope"] = json!("Cluster");
    let path = talk.define(&definition).await?;
    talk.post(&path, &widget(talk, "v1", "one", json!({ "a": 1 }))).await?;
    talk.get(&format!("{path}/one")).await?;
    let mut placed = widget(talk, "v1", "two", json!({}));
    placed["metadata"]["namespace"] = json!("default");
    talk.post(&path, &placed).await?;
    talk.get(&talk.path(&format!("{}/v1", talk.group()), "widgets")).await?;
    talk.delete(&format!("{path}/one")).await?;
    Ok(())
}

async fn lists_of_custom_resources_merge_under_apply(talk: &Talk) -> Result<()> {
    let item = json!({ "type": "object", "required": ["k"], "properties": { "k": { "type": "string" }, "p": { "type": "string", "default": "TCP" }, "v": { "type": "integer" } } });
    let schema = json!({ "type": "object", "properties": { "spec": { "type": "object", "properties": {
        "map": { "type": "array", "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["k", "p"], "items": item }, "set": { "type": "array", "x-kubernetes-list-type": "set", "items": { "type": "string" } },
        "plain": { "type": "array", "items": { "type": "string" } }, "atomic": { "type": "object", "x-kubernetes-map-type": "atomic", "additionalProperties": { "type": "string" } },
        "granular": { "type": "object", "additionalProperties": { "type": "string" } }, "any": { "type": "object", "x-kubernetes-preserve-unknown-fields": true }, "port": { "x-kubernetes-int-or-string": true } } } } });
    let path = talk.define(&talk.widget(&schema)).await?;
    let one = format!("{path}/one");
    let spec = |spec: Value| widget(talk, "v1", "one", spec);
    talk.apply(&one, "m", &spec(json!({ "map": [{ "k": "a", "v": 1 }, { "k": "a", "p": "UDP" }], "set": ["x", "y"], "plain": ["p"], "atomic": { "a": "1" }, "granular": { "a": "1" }, "any": { "deep": { "b": [1] } }, "port": 80 }))).await?;
    for other in [
        json!({ "map": [{ "k": "b" }] }),
        json!({ "set": ["z", "x"] }),
        json!({ "plain": ["q"] }),
        json!({ "atomic": { "b": "2" } }),
        json!({ "granular": { "b": "2" } }),
        json!({ "any": { "deep": { "c": 1 } } }),
        json!({ "port": "http" }),
        json!({ "map": [{ "k": "a", "v": 2 }] }),
        json!({ "map": [{ "k": "a" }, { "k": "a", "p": "TCP" }] }),
        json!({ "map": [{ "v": 1 }] }),
        json!({ "set": ["x", "x"] }),
        json!({ "nonsense": 1 }),
        json!({ "plain": "text" }),
        json!({ "set": null }),
    ] {
        talk.apply(&one, "n", &spec(other)).await?;
    }
    talk.force(&one, "n", &spec(json!({ "plain": ["q"], "atomic": { "b": "2" } }))).await?;
    talk.apply(&one, "m", &spec(json!({}))).await?;
    Ok(())
}

async fn apply_in_another_version(talk: &Talk) -> Result<()> {
    let path = talk
        .define(&talk.definition("widgets", "Widget", &json!([version("v1", true, true), version("v2", true, false)])))
        .await?;
    let other = talk.path(&format!("{}/v2", talk.group()), "widgets");
    talk.served(&other).await?;
    talk.apply(&format!("{path}/one"), "m", &widget(talk, "v1", "one", json!({ "a": 1, "b": 1 }))).await?;
    talk.apply(&format!("{other}/one"), "m", &widget(talk, "v2", "one", json!({ "a": 2 }))).await?;
    talk.apply(&format!("{path}/one"), "n", &widget(talk, "v1", "one", json!({ "a": 3 }))).await?;
    talk.patch(&format!("{other}/one?fieldManager=u"), patch::MERGE, &json!({ "spec": { "c": 1 } })).await?;
    talk.patch(&format!("{path}/one?fieldManager=u"), patch::MERGE, &json!({ "spec": { "d": 1 } })).await?;
    Ok(())
}
