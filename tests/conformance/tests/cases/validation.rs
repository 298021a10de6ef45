//! Fields that nobody knows: ignored, warned of or refused, in built-in kinds and custom resources.

use anyhow::Result;
use http::Method;
use motet_conformance::{Talk, cases, talk::patch};
use serde_json::{Value, json};

cases! { "field validation": unknown_fields_on_create, unknown_fields_on_update, unknown_fields_in_patches, unknown_fields_in_apply,
duplicate_fields_on_create, unknown_fields_of_custom_resources, duplicate_fields_of_custom_resources, unknown_words_for_validation_are_refused, kubectl_validates, strict_patches }

const WORDS: [&str; 4] = ["Ignore", "Warn", "Strict", ""];

/// Defines Boats of a group of the case's own.
pub(crate) async fn define(talk: &Talk, group: &str) -> Result<()> {
    let schema = json!({ "type": "object", "properties": { "spec": { "type": "object", "properties": {
        "size": { "type": "integer" }, "parts": { "type": "array", "items": { "type": "object", "properties": { "name": { "type": "string" } } } },
        "free": { "type": "object", "x-kubernetes-preserve-unknown-fields": true } } },
        "status": { "type": "object", "properties": { "phase": { "type": "string" } } } } });
    let columns = json!([{ "name": "Size", "type": "integer", "jsonPath": ".spec.size", "description": "How big" },
        { "name": "Phase", "type": "string", "jsonPath": ".status.phase", "priority": 1 },
        { "name": "Parts", "type": "string", "jsonPath": ".spec.parts[*].name" },
        { "name": "Since", "type": "date", "jsonPath": ".metadata.creationTimestamp" }]);
    let definition = json!({ "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": { "name": format!("boats.{group}") },
        "spec": { "group": group, "scope": "Namespaced",
            "names": { "plural": "boats", "singular": "boat", "kind": "Boat", "listKind": "BoatList", "shortNames": ["bo"], "categories": ["fleet"] },
            "versions": [{ "name": "v1", "served": true, "storage": true, "schema": { "openAPIV3Schema": schema },
                "subresources": { "status": {} }, "additionalPrinterColumns": columns }] } });
    let path = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";
    talk.ask(Method::POST, path).json(&definition).unkept().send().await?;
    let (boats, discovery) = (format!("/apis/{group}/v1/boats"), format!("/apis/{group}/v1"));
    for path in [boats, discovery] {
        for _ in 0..200 {
            if talk.ask(Method::GET, &path).unkept().send().await?.code == 200 {
                break;
            }
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
    }
    Ok(())
}

fn query(word: &str) -> String {
    if word.is_empty() { String::new() } else { format!("?fieldValidation={word}") }
}

fn odd(name: &str) -> Value {
    json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": name, "nothing": 1, "ownerReferences": [{ "apiVersion": "v1", "kind": "Pod", "name": "p", "uid": "u", "odd": true }] }, "data": { "a": "b" }, "extra": { "a": 1 } })
}

async fn unknown_fields_on_create(talk: &Talk) -> Result<()> {
    talk.namespace().await?;
    let maps = talk.path("v1", "configmaps");
    for word in WORDS {
        talk.post(&format!("{maps}{}", query(word)), &odd(&format!("m{}", word.to_lowercase()))).await?;
    }
    Ok(())
}

async fn unknown_fields_on_update(talk: &Talk) -> Result<()> {
    talk.namespace().await?;
    let maps = talk.path("v1", "configmaps");
    talk.post(&maps, &json!({ "metadata": { "name": "one" } })).await?;
    for word in WORDS {
        let body = json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": "one" }, "data": { "w": word }, "extra": 1 });
        talk.put(&format!("{maps}/one{}", query(word)), &body).await?;
    }
    Ok(())
}

async fn unknown_fields_in_patches(talk: &Talk) -> Result<()> {
    talk.namespace().await?;
    let maps = talk.path("v1", "configmaps");
    talk.post(&maps, &json!({ "metadata": { "name": "one" } })).await?;
    for word in ["Ignore", "Warn", ""] {
        let path = format!("{maps}/one{}", query(word));
        talk.patch(&path, patch::MERGE, &json!({ "data": { "m": word }, "extra": 1 })).await?;
        talk.patch(&path, patch::STRATEGIC, &json!({ "data": { "s": word }, "extra": 1 })).await?;
        talk.patch(&path, patch::JSON, &json!([{ "op": "add", "path": "/extra", "value": 1 }, { "op": "add", "path": "/metadata/odd", "value": 1 }])).await?;
    }
    Ok(())
}

async fn unknown_fields_in_apply(talk: &Talk) -> Result<()> {
    talk.namespace().await?;
    let maps = talk.path("v1", "configmaps");
    for word in WORDS {
        let more = if word.is_empty() { String::new() } else { format!("&fieldValidation={word}") };
        let body = json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": "one" }, "extra": 1 });
        talk.patch(&format!("{maps}/one?fieldManager=m{more}"), patch::APPLY, &body).await?;
    }
    Ok(())
}

async fn duplicate_fields_on_create(talk: &Talk) -> Result<()> {
    talk.namespace().await?;
    let maps = talk.path("v1", "configmaps");
    for word in WORDS {
        let name = format!("m{}", word.to_lowercase());
        let body = format!(
            "{{\"metadata\": {{\"name\": \"x\", \"name\": \"{name}\", \"name\": \"{name}\"}}, \"immutable\": false, \"immutable\": true, \"odd\": 1, \"data\": {{\"a\": \"1\", \"a\": \"2\"}}}}"
        );
        talk.ask(Method::POST, &format!("{maps}{}", query(word))).bytes("application/json", body.into()).send().await?;
    }
    Ok(())
}

async fn boats(talk: &Talk) -> Result<(String, String)> {
    let group = format!("{}.example.org", talk.id());
    define(talk, &group).await?;
    talk.namespace().await?;
    Ok((talk.path(&format!("{group}/v1"), "boats"), format!("{group}/v1")))
}

async fn unknown_fields_of_custom_resources(talk: &Talk) -> Result<()> {
    let (boats, version) = boats(talk).await?;
    for word in WORDS {
        let name = format!("b{}", word.to_lowercase());
        let boat = json!({ "apiVersion": version, "kind": "Boat", "metadata": { "name": name, "odd": 1 },
            "spec": { "size": 1, "deep": { "er": 1 }, "parts": [{ "name": "a", "b": 1 }], "free": { "any": 1 } }, "top": 1 });
        talk.post(&format!("{boats}{}", query(word)), &boat).await?;
        talk.patch(
            &format!("{boats}/b{}", query(word)),
            patch::MERGE,
            &json!({ "spec": { "odd": 1, "size": word.len() } }),
        )
        .await?;
        let more = if word.is_empty() { String::new() } else { format!("&fieldValidation={word}") };
        let applied = json!({ "apiVersion": version, "kind": "Boat", "metadata": { "name": format!("a{name}") }, "spec": { "size": 1, "odd": 1 } });
        talk.patch(&format!("{boats}/a{name}?fieldManager=m{more}"), patch::APPLY, &applied).await?;
    }
    Ok(())
}

async fn duplicate_fields_of_custom_resources(talk: &Talk) -> Result<()> {
    let (boats, version) = boats(talk).await?;
    for word in WORDS {
        let name = format!("b{}", word.to_lowercase());
        let body = format!(
            "{{\"apiVersion\": \"{version}\", \"kind\": \"Boat\", \"metadata\": {{\"name\": \"{name}\"}}, \"spec\": {{\"size\": 1, \"size\": 2, \"odd\": 1}}}}"
        );
        talk.ask(Method::POST, &format!("{boats}{}", query(word)))
            .bytes("application/json", body.into())
            .send()
            .await?;
    }
    Ok(())
}

async fn unknown_words_for_validation_are_refused(talk: &Talk) -> Result<()> {
    talk.namespace().await?;
    let maps = talk.path("v1", "configmaps");
    let body = json!({ "metadata": { "name": "one" } });
    talk.post(&format!("{maps}?fieldValidation=Sometimes"), &body).await?;
    talk.post(&maps, &body).await?;
    talk.put(&format!("{maps}/one?fieldValidation=strict"), &body).await?;
    talk.patch(&format!("{maps}/one?fieldValidation=x"), patch::MERGE, &json!({})).await?;
    talk.patch(&format!("{maps}/one?fieldManager=m&fieldValidation=x"), patch::APPLY, &odd("one")).await?;
    Ok(())
}

async fn kubectl_validates(talk: &Talk) -> Result<()> {
    talk.namespace().await?;
    let map = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: one}\ndata: {a: b}\nodd: 1\n";
    for word in ["strict", "warn", "ignore"] {
        talk.kubectl(&format!("create -f - --validate={word}"), &map.replace("one", word)).await?;
    }
    talk.kubectl("apply -f - --validate=true", map).await?;
    Ok(())
}

async fn strict_patches(talk: &Talk) -> Result<()> {
    talk.aside("/message", "it repeats the object in the order of Go's structs");
    talk.aside("/details/causes/*/message", "it repeats the object in the order of Go's structs");
    talk.namespace().await?;
    let maps = talk.path("v1", "configmaps");
    talk.post(&maps, &json!({ "metadata": { "name": "one" } })).await?;
    let one = format!("{maps}/one?fieldValidation=Strict");
    for body in [
        json!({ "extra": 1 }),
        json!({ "metadata": { "odd": { "x": 1 } }, "data": { "a": "b" } }),
        json!({ "data": { "fine": "yes" } }),
    ] {
        talk.patch(&one, patch::MERGE, &body).await?;
        talk.patch(&one, patch::STRATEGIC, &body).await?;
    }
    talk.patch(&one, patch::JSON, &json!([{ "op": "add", "path": "/extra", "value": 1 }])).await?;
    talk.patch(&one, patch::JSON, &json!([{ "op": "add", "path": "/data", "value": { "j": "1" }, "odd": 1 }])).await?;
    for (kind, body) in [
        (patch::MERGE, "{\"data\": {\"a\": \"1\", \"a\": \"2\"}}"),
        (patch::STRATEGIC, "{\"data\": {\"a\": \"1\", \"a\": \"2\"}}"),
        (patch::JSON, "[{\"op\": \"add\", \"op\": \"add\", \"path\": \"/data\", \"value\": {\"z\": \"1\"}}]"),
    ] {
        talk.ask(Method::PATCH, &one).bytes(kind, body.into()).send().await?;
        talk.ask(Method::PATCH, &format!("{maps}/one?fieldValidation=Warn")).bytes(kind, body.into()).send().await?;
    }
    let deployments = talk.path("apps/v1", "deployments");
    let deployment = json!({ "metadata": { "name": "d" }, "spec": { "replicas": 0, "selector": { "matchLabels": { "a": "b" } }, "template": { "metadata": { "labels": { "a": "b" } }, "spec": { "containers": [{ "name": "c", "image": "i" }] } } } });
    talk.ask(Method::POST, &deployments).json(&deployment).unkept().send().await?;
    let path = format!("{deployments}/d?fieldValidation=Strict");
    for body in [
        json!({ "spec": { "odd": 1 } }),
        json!({ "spec": { "template": { "spec": { "containers": [{ "name": "c", "odd": 1 }] } } } }),
    ] {
        talk.patch(&path, patch::MERGE, &body).await?;
        talk.patch(&path, patch::STRATEGIC, &body).await?;
        talk.patch(&format!("{deployments}/d/scale?fieldValidation=Strict"), patch::MERGE, &body).await?;
        talk.patch(&format!("{deployments}/d/status?fieldValidation=Strict"), patch::MERGE, &body).await?;
    }
    Ok(())
}
