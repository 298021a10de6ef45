//! Custom resources against their schemas: every keyword, defaults, pruning, ratcheting.

use anyhow::Result;
use motet_conformance::{Talk, cases, talk::patch};
use serde_json::{Value, json};

use super::tools::{tried, widget};

cases! {
    "definitions":
    types_are_checked,
    numbers_are_bounded,
    texts_are_bounded_and_match_patterns,
    lists_and_maps_are_bounded,
    values_are_among_those_listed,
    formats_are_checked,
    required_fields_are_asked_for,
    lists_that_are_sets_or_maps_have_no_twins,
    one_any_all_and_not_are_told_apart,
    integers_or_texts_are_both_taken,
    nulls_are_taken_where_they_may_be,
    defaults_are_put_in,
    unknown_fields_are_pruned,
    unknown_fields_are_kept_where_it_says_so,
    embedded_objects_have_kind_and_metadata,
    additional_properties_are_checked,
    unknown_fields_of_custom_resources_warn_or_fail,
    a_patch_that_adds_unknown_fields_is_refused_if_strict,
    unchanged_invalid_values_are_tolerated,
    metadata_of_custom_resources_is_checked,
    kind_and_version_of_custom_resources_are_checked,
}

/// A definition whose spec has these properties; objects are made by `widget`.
async fn with(talk: &Talk, properties: Value) -> Result<String> {
    let spec = json!({ "type": "object", "properties": properties });
    talk.define(&talk.widget(&json!({ "type": "object", "properties": { "spec": spec } }))).await
}

async fn types_are_checked(talk: &Talk) -> Result<()> {
    let path = with(talk, json!({ "s": { "type": "string" }, "i": { "type": "integer" }, "n": { "type": "number" }, "b": { "type": "boolean" },
        "l": { "type": "array", "items": { "type": "string" } }, "o": { "type": "object", "properties": { "x": { "type": "integer" } } } })).await?;
    tried(
        talk,
        &path,
        &[
            json!({ "s": "t", "i": 1, "n": 1.5, "b": true, "l": ["a"], "o": { "x": 1 } }),
            json!({ "n": 2, "i": 1.0 }),
            json!({ "s": 1 }),
            json!({ "s": true }),
            json!({ "s": [] }),
            json!({ "s": {} }),
            json!({ "i": "1" }),
            json!({ "i": 1.5 }),
            json!({ "n": "1" }),
            json!({ "b": "true" }),
            json!({ "b": 1 }),
            json!({ "l": "a" }),
            json!({ "l": [1] }),
            json!({ "l": {} }),
            json!({ "o": [] }),
            json!({ "o": "x" }),
            json!({ "o": { "x": "1" } }),
            json!("text"),
            json!([]),
        ],
    )
    .await
}

async fn numbers_are_bounded(talk: &Talk) -> Result<()> {
    let path = with(talk, json!({
        "a": { "type": "integer", "minimum": 1, "maximum": 5 },
        "b": { "type": "integer", "minimum": 1, "exclusiveMinimum": true, "maximum": 5, "exclusiveMaximum": true },
        "c": { "type": "number", "minimum": 0.5, "maximum": 2.5 }, "d": { "type": "integer", "multipleOf": 3 }, "e": { "type": "number", "multipleOf": 0.5 },
        "f": { "type": "integer", "format": "int32" }, "g": { "type": "integer", "format": "int64" }, "h": { "type": "number", "exclusiveMinimum": true, "minimum": 0 } })).await?;
    tried(
        talk,
        &path,
        &[
            json!({ "a": 1, "b": 2, "c": 0.5, "d": 6, "e": 1.5, "f": 7, "h": 0.1 }),
            json!({ "a": 0 }),
            json!({ "a": 6 }),
            json!({ "b": 1 }),
            json!({ "b": 5 }),
            json!({ "c": 0.4 }),
            json!({ "c": 2.6 }),
            json!({ "c": 3 }),
            json!({ "d": 4 }),
            json!({ "d": 0 }),
            json!({ "e": 1.3 }),
            json!({ "f": 2147483648i64 }),
            json!({ "f": -2147483649i64 }),
            json!({ "g": i64::MAX }),
            json!({ "h": 0 }),
            json!({ "a": 1e3 }),
        ],
    )
    .await
}

async fn texts_are_bounded_and_match_patterns(talk: &Talk) -> Result<()> {
    let path = with(talk, json!({ "a": { "type": "string", "minLength": 2, "maxLength": 4 }, "b": { "type": "string", "pattern": "^[a-z]+$" },
        "c": { "type": "string", "minLength": 2, "pattern": "^x" } })).await?;
    tried(
        talk,
        &path,
        &[
            json!({ "a": "ab", "b": "abc", "c": "xy" }),
            json!({ "a": "a" }),
            json!({ "a": "abcde" }),
            json!({ "a": "äöüß" }),
            json!({ "a": "äöüßé" }),
            json!({ "b": "ABC" }),
            json!({ "b": "" }),
            json!({ "c": "y" }),
            json!({ "c": "yy" }),
        ],
    )
    .await
}

async fn lists_and_maps_are_bounded(talk: &Talk) -> Result<()> {
    let path = with(talk, json!({ "l": { "type": "array", "minItems": 1, "maxItems": 2, "items": { "type": "integer", "maximum": 9 } },
        "m": { "type": "object", "minProperties": 1, "maxProperties": 2, "additionalProperties": { "type": "string", "maxLength": 3 } } })).await?;
    tried(
        talk,
        &path,
        &[
            json!({ "l": [1], "m": { "a": "b" } }),
            json!({ "l": [] }),
            json!({ "l": [1, 2, 3] }),
            json!({ "l": [10] }),
            json!({ "m": {} }),
            json!({ "m": { "a": "1", "b": "2", "c": "3" } }),
            json!({ "m": { "a": "long" } }),
            json!({ "m": { "a": 1 } }),
        ],
    )
    .await
}

async fn values_are_among_those_listed(talk: &Talk) -> Result<()> {
    let path = with(talk, json!({ "e": { "type": "string", "enum": ["b", "a"] }, "n": { "type": "integer", "enum": [1, 2] },
        "o": { "type": "object", "properties": { "x": { "type": "string" } }, "enum": [{ "x": "y" }] }, "u": { "type": "string", "nullable": true, "enum": ["a"] } })).await?;
    tried(
        talk,
        &path,
        &[
            json!({ "e": "a", "n": 1, "o": { "x": "y" } }),
            json!({ "e": "c" }),
            json!({ "e": "" }),
            json!({ "n": 3 }),
            json!({ "o": { "x": "z" } }),
            json!({ "u": null }),
            json!({ "e": 5 }),
        ],
    )
    .await
}

async fn formats_are_checked(talk: &Talk) -> Result<()> {
    let formats = [
        "date-time",
        "date",
        "uri",
        "email",
        "hostname",
        "ipv4",
        "ipv6",
        "cidr",
        "mac",
        "uuid",
        "byte",
        "duration",
        "password",
        "unheard-of",
        "k8s-short-name",
        "k8s-long-name",
    ];
    let properties: Value = formats
        .iter()
        .map(|f| ((*f).to_owned(), json!({ "type": "string", "format": f })))
        .collect::<serde_json::Map<_, _>>()
        .into();
    let path = with(talk, properties).await?;
    let good = json!({ "date-time": "2020-01-01T00:00:00Z", "date": "2020-01-01", "uri": "http://a/b", "email": "a@b.c", "hostname": "a.b", "ipv4": "10.0.0.1", "ipv6": "::1",
        "cidr": "10.0.0.0/8", "mac": "00:11:22:33:44:55", "uuid": "123e4567-e89b-12d3-a456-426614174000", "byte": "aGk=", "duration": "5s", "password": "x", "unheard-of": "y",
        "k8s-short-name": "a-b", "k8s-long-name": "a.b-c" });
    let mut values = vec![good];
    values.extend(formats.iter().map(|f| json!({ *f: "not valid!" })));
    values.extend([
        json!({ "date-time": "2020-01-01" }),
        json!({ "ipv4": "::1" }),
        json!({ "ipv6": "10.0.0.1" }),
        json!({ "duration": "5 minutes" }),
        json!({ "uri": "/path" }),
        json!({ "uuid": "123E4567E89B12D3A456426614174000" }),
    ]);
    tried(talk, &path, &values).await
}

async fn required_fields_are_asked_for(talk: &Talk) -> Result<()> {
    let schema = json!({ "type": "object", "required": ["spec"], "properties": { "spec": { "type": "object", "required": ["a", "b"], "properties": {
        "a": { "type": "string" }, "b": { "type": "object", "required": ["c"], "properties": { "c": { "type": "string" } } },
        "l": { "type": "array", "items": { "type": "object", "required": ["k"], "properties": { "k": { "type": "string" } } } } } } } });
    let path = talk.define(&talk.widget(&schema)).await?;
    let mut none = widget(talk, "none", json!({}));
    none.as_object_mut().into_iter().for_each(|o| drop(o.remove("spec")));
    talk.post(&path, &none).await?;
    tried(
        talk,
        &path,
        &[
            json!({ "a": "", "b": { "c": "" } }),
            json!({ "a": "" }),
            json!({ "b": { "c": "" } }),
            json!({ "a": "", "b": {} }),
            json!({ "a": "", "b": { "c": null } }),
            json!({ "a": "", "b": { "c": "" }, "l": [{ "k": "x" }, {}] }),
        ],
    )
    .await
}

async fn lists_that_are_sets_or_maps_have_no_twins(talk: &Talk) -> Result<()> {
    let item = json!({ "type": "object", "required": ["k"], "properties": { "k": { "type": "string" }, "p": { "type": "integer", "default": 1 }, "v": { "type": "string" } } });
    let path = with(talk, json!({ "set": { "type": "array", "x-kubernetes-list-type": "set", "items": { "type": "string" } },
        "one": { "type": "array", "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["k"], "items": item },
        "two": { "type": "array", "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["k", "p"], "items": item } })).await?;
    tried(talk, &path, &[
        json!({ "set": ["a", "b"], "one": [{ "k": "a" }, { "k": "b" }], "two": [{ "k": "a" }, { "k": "a", "p": 2 }] }),
        json!({ "set": ["a", "b", "a", "a"] }), json!({ "one": [{ "k": "a" }, { "k": "a", "v": "x" }] }), json!({ "two": [{ "k": "a" }, { "k": "a", "p": 1 }] }), json!({ "one": ["x"] }),
    ]).await
}

async fn one_any_all_and_not_are_told_apart(talk: &Talk) -> Result<()> {
    let path = with(talk, json!({
        "one": { "type": "object", "properties": { "a": { "type": "string" }, "b": { "type": "string" } }, "oneOf": [{ "required": ["a"] }, { "required": ["b"] }] },
        "any": { "type": "string", "anyOf": [{ "pattern": "^a" }, { "minLength": 3 }] },
        "all": { "type": "integer", "allOf": [{ "minimum": 2 }, { "maximum": 4 }] },
        "not": { "type": "string", "not": { "pattern": "^x" } },
        "deep": { "type": "object", "properties": { "k": { "type": "string" }, "v": { "type": "integer" } },
            "anyOf": [{ "properties": { "k": { "enum": ["small"] }, "v": { "maximum": 5 } } }, { "properties": { "k": { "enum": ["large"] } } }] } })).await?;
    tried(
        talk,
        &path,
        &[
            json!({ "one": { "a": "" }, "any": "a", "all": 3, "not": "y", "deep": { "k": "small", "v": 1 } }),
            json!({ "one": {} }),
            json!({ "one": { "a": "", "b": "" } }),
            json!({ "any": "b" }),
            json!({ "any": "bcd" }),
            json!({ "all": 1 }),
            json!({ "all": 5 }),
            json!({ "not": "xy" }),
            json!({ "deep": { "k": "small", "v": 9 } }),
            json!({ "deep": { "k": "other" } }),
        ],
    )
    .await
}

async fn integers_or_texts_are_both_taken(talk: &Talk) -> Result<()> {
    let path = with(talk, json!({ "p": { "x-kubernetes-int-or-string": true }, "q": { "x-kubernetes-int-or-string": true, "pattern": "^[0-9]+%$" },
        "r": { "x-kubernetes-int-or-string": true, "anyOf": [{ "type": "integer" }, { "type": "string" }] } })).await?;
    tried(
        talk,
        &path,
        &[
            json!({ "p": 1, "q": 2, "r": "x" }),
            json!({ "p": "x", "q": "5%" }),
            json!({ "q": "five" }),
            json!({ "p": true }),
            json!({ "p": 1.5 }),
            json!({ "p": {} }),
            json!({ "r": [] }),
        ],
    )
    .await
}

async fn nulls_are_taken_where_they_may_be(talk: &Talk) -> Result<()> {
    let path = with(talk, json!({ "yes": { "type": "string", "nullable": true }, "no": { "type": "string" }, "default": { "type": "string", "default": "d" },
        "both": { "type": "string", "nullable": true, "default": "d" }, "list": { "type": "array", "items": { "type": "string", "nullable": true } },
        "strict": { "type": "array", "items": { "type": "string" } }, "map": { "type": "object", "additionalProperties": { "type": "string" } },
        "object": { "type": "object", "nullable": true, "properties": { "x": { "type": "string", "default": "y" } } } })).await?;
    tried(
        talk,
        &path,
        &[
            json!({ "yes": null }),
            json!({ "no": null }),
            json!({ "default": null }),
            json!({ "both": null }),
            json!({ "list": [null, "a"] }),
            json!({ "strict": [null] }),
            json!({ "map": { "k": null } }),
            json!({ "object": null }),
            json!({ "object": {} }),
        ],
    )
    .await
}

async fn defaults_are_put_in(talk: &Talk) -> Result<()> {
    let path = with(talk, json!({ "s": { "type": "string", "default": "d" }, "i": { "type": "integer", "default": 3 },
        "o": { "type": "object", "default": {}, "properties": { "x": { "type": "string", "default": "y" }, "z": { "type": "string" } } },
        "n": { "type": "object", "properties": { "x": { "type": "string", "default": "y" } } },
        "l": { "type": "array", "items": { "type": "object", "properties": { "x": { "type": "boolean", "default": true } } } },
        "m": { "type": "object", "additionalProperties": { "type": "object", "properties": { "x": { "type": "number", "default": 1.5 } } } },
        "w": { "type": "array", "items": { "type": "string" }, "default": ["a", "b"] } })).await?;
    tried(
        talk,
        &path,
        &[
            json!({}),
            json!({ "n": {}, "l": [{}, { "x": false }], "m": { "k": {} } }),
            json!({ "s": "", "i": 0, "o": { "z": "1" }, "w": [] }),
        ],
    )
    .await?;
    let one = format!("{path}/w0");
    talk.patch(&one, patch::MERGE, &json!({ "spec": { "s": null, "o": null } })).await?;
    talk.patch(&one, patch::JSON, &json!([{ "op": "remove", "path": "/spec" }])).await?;
    talk.get(&one).await?;
    Ok(())
}

async fn unknown_fields_are_pruned(talk: &Talk) -> Result<()> {
    let path = with(talk, json!({ "known": { "type": "string" }, "list": { "type": "array", "items": { "type": "object", "properties": { "a": { "type": "string" } } } } })).await?;
    let mut object = widget(talk, "w", json!({ "known": "x", "unknown": { "a": 1 }, "list": [{ "a": "1", "b": 2 }] }));
    object["top"] = json!(1);
    object["status"] = json!({ "any": 1 });
    talk.post(&path, &object).await?;
    talk.patch(&format!("{path}/w"), patch::MERGE, &json!({ "spec": { "more": 1 }, "other": 2 })).await?;
    talk.get(&format!("{path}/w")).await?;
    Ok(())
}

async fn unknown_fields_are_kept_where_it_says_so(talk: &Talk) -> Result<()> {
    let keep = "x-kubernetes-preserve-unknown-fields";
    let path = with(talk, json!({ "free": { "type": "object", keep: true, "properties": { "a": { "type": "integer" } } }, "any": { keep: true },
        "nested": { "type": "object", keep: true, "properties": { "shut": { "type": "object", "properties": { "a": { "type": "string" } } } } } })).await?;
    tried(talk, &path, &[
        json!({ "free": { "a": 1, "b": { "c": [1, null] } }, "any": [1, "x", { "y": null }], "nested": { "open": { "z": 1 }, "shut": { "a": "1", "b": 2 } } }),
        json!({ "free": { "a": "x" } }), json!({ "any": null }), json!({ "any": 5 }), json!({ "free": "text" }),
    ]).await
}

async fn embedded_objects_have_kind_and_metadata(talk: &Talk) -> Result<()> {
    let path = with(talk, json!({ "e": { "type": "object", "x-kubernetes-embedded-resource": true, "x-kubernetes-preserve-unknown-fields": true },
        "f": { "type": "object", "x-kubernetes-embedded-resource": true, "properties": { "spec": { "type": "object", "properties": { "a": { "type": "string" } } } } } })).await?;
    tried(talk, &path, &[
        json!({ "e": { "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": "x", "labels": { "a": "b" } }, "data": { "k": "v" } } }),
        json!({ "e": { "kind": "ConfigMap" } }), json!({ "e": { "apiVersion": "v1" } }), json!({ "e": { "apiVersion": "v1", "kind": "" } }),
        json!({ "e": { "apiVersion": "a/b/c", "kind": "X" } }), json!({ "e": { "apiVersion": "v1", "kind": 5 } }), json!({ "e": { "apiVersion": "v1", "kind": "not valid" } }),
        json!({ "e": { "apiVersion": "v1", "kind": "X", "metadata": { "name": "a/b" } } }),
        json!({ "f": { "apiVersion": "v1", "kind": "X", "metadata": { "name": "x", "unknown": 1 }, "spec": { "a": "1", "b": 2 }, "extra": 1 } }),
    ]).await
}

async fn additional_properties_are_checked(talk: &Talk) -> Result<()> {
    let path = with(talk, json!({ "any": { "type": "object", "additionalProperties": true }, "typed": { "type": "object", "additionalProperties": { "type": "object", "required": ["a"],
        "properties": { "a": { "type": "string" } } } } })).await?;
    tried(
        talk,
        &path,
        &[
            json!({ "any": { "x": 1, "y": { "z": [] } }, "typed": { "k": { "a": "1", "b": 2 } } }),
            json!({ "typed": { "k": {} } }),
            json!({ "typed": { "k": 1 } }),
            json!({ "any": 1 }),
        ],
    )
    .await
}

async fn unknown_fields_of_custom_resources_warn_or_fail(talk: &Talk) -> Result<()> {
    let path = with(talk, json!({ "known": { "type": "string" } })).await?;
    let mut object = widget(talk, "w", json!({ "known": "x", "unknown": 1 }));
    object["metadata"]["odd"] = json!(1);
    for mode in ["Strict", "Warn", "Ignore"] {
        talk.post(&format!("{path}?fieldValidation={mode}&dryRun=All"), &object).await?;
    }
    talk.post(&path, &widget(talk, "w", json!({}))).await?;
    let one = format!("{path}/w");
    for mode in ["Warn", "Ignore"] {
        talk.patch(&format!("{one}?fieldValidation={mode}"), patch::MERGE, &json!({ "spec": { "unknown": 1 } }))
            .await?;
        talk.patch(
            &format!("{one}?fieldValidation={mode}&fieldManager=m"),
            patch::APPLY,
            &widget(talk, "w", json!({ "unknown": 1 })),
        )
        .await?;
    }
    Ok(())
}

async fn unchanged_invalid_values_are_tolerated(talk: &Talk) -> Result<()> {
    let schema = |max: i64| {
        json!({ "type": "object", "properties": { "spec": { "type": "object", "properties": {
        "a": { "type": "string", "maxLength": max }, "b": { "type": "string" }, "l": { "type": "array", "maxItems": max, "items": { "type": "string", "maxLength": max } },
        "m": { "type": "array", "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["k"], "items": { "type": "object", "required": ["k"],
            "properties": { "k": { "type": "string" }, "v": { "type": "string", "maxLength": max } } } } } } } })
    };
    let definition = talk.widget(&schema(9));
    let path = talk.define(&definition).await?;
    tried(talk, &path, &[json!({ "a": "long", "b": "x", "l": ["long"], "m": [{ "k": "one", "v": "long" }, { "k": "two", "v": "long" }] })]).await?;
    let at = format!("{}/widgets.{}", motet_conformance::define::DEFINITIONS, talk.group());
    let narrower = json!([{ "op": "replace", "path": "/spec/versions/0/schema/openAPIV3Schema", "value": schema(2) }]);
    talk.ask(http::Method::PATCH, &at).json(&narrower).header("content-type", patch::JSON).unkept().send().await?;
    let probe = widget(talk, "probe", json!({ "a": "long" }));
    let stop = tokio::time::Instant::now() + std::time::Duration::from_secs(30);
    while talk.ask(http::Method::POST, &format!("{path}?dryRun=All")).json(&probe).unkept().send().await?.code != 422 {
        anyhow::ensure!(tokio::time::Instant::now() < stop, "the new schema does not hold");
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    let one = format!("{path}/w0");
    for body in [
        json!({ "spec": { "b": "y" } }),
        json!({ "spec": { "a": "other" } }),
        json!({ "spec": { "l": ["long", "xx"] } }),
        json!({ "spec": { "l": ["xx", "long"] } }),
        json!({ "spec": { "m": [{ "k": "two", "v": "long" }, { "k": "one", "v": "ok" }] } }),
        json!({ "spec": { "m": [{ "k": "two", "v": "other" }] } }),
        json!({ "metadata": { "labels": { "a": "b" } } }),
        json!({ "spec": { "a": "ok" } }),
        json!({ "spec": { "a": "long" } }),
    ] {
        talk.patch(&one, patch::MERGE, &body).await?;
    }
    Ok(())
}

async fn metadata_of_custom_resources_is_checked(talk: &Talk) -> Result<()> {
    let path = with(talk, json!({})).await?;
    for metadata in [
        json!({ "name": "Upper" }),
        json!({ "name": "a_b" }),
        json!({}),
        json!({ "name": "w", "namespace": "other" }),
        json!({ "name": "w", "uid": "given", "generation": 7, "creationTimestamp": "2020-01-01T00:00:00Z" }),
        json!({ "name": "v", "labels": {}, "annotations": null, "finalizers": [] }),
        json!({ "generateName": "made-" }),
        json!({ "name": "x", "resourceVersion": "5" }),
    ] {
        let mut object = widget(talk, "w", json!({}));
        object["metadata"] = metadata;
        talk.post(&path, &object).await?;
    }
    Ok(())
}

async fn kind_and_version_of_custom_resources_are_checked(talk: &Talk) -> Result<()> {
    let path = with(talk, json!({})).await?;
    for (field, value) in [
        ("kind", json!("Other")),
        ("apiVersion", json!("example.org/v1")),
        ("apiVersion", json!("v1")),
        ("apiVersion", json!("")),
    ] {
        let mut object = widget(talk, "w", json!({}));
        object[field] = value;
        talk.post(&path, &object).await?;
    }
    let mut object = widget(talk, "w", json!({}));
    talk.post(&path, &object).await?;
    talk.put(&format!("{path}/w"), &object).await?;
    object["metadata"]["resourceVersion"] = json!("1");
    talk.put(&format!("{path}/w"), &object).await?;
    talk.patch(&format!("{path}/w"), patch::STRATEGIC, &json!({ "spec": {} })).await?;
    talk.patch(&format!("{path}/w"), patch::MERGE, &json!({ "kind": "Other" })).await?;
    talk.patch(&format!("{path}/w"), patch::MERGE, &json!({ "metadata": { "name": "x" } })).await?;
    Ok(())
}

async fn a_patch_that_adds_unknown_fields_is_refused_if_strict(talk: &Talk) -> Result<()> {
    let why = "it repeats the whole object as Go orders its fields";
    talk.aside("/message", why);
    talk.aside("/details/causes/*/message", why);
    let path = with(talk, json!({ "known": { "type": "string" } })).await?;
    talk.post(&path, &widget(talk, "w", json!({}))).await?;
    let strict = |more: &str| format!("{path}/w?fieldValidation=Strict{more}");
    talk.patch(&strict(""), patch::MERGE, &json!({ "spec": { "unknown": 1 } })).await?;
    talk.patch(&strict("&fieldManager=m"), patch::APPLY, &widget(talk, "w", json!({ "unknown": 1 }))).await?;
    talk.patch(&strict(""), patch::MERGE, &json!({ "spec": { "known": "x" } })).await?;
    Ok(())
}
