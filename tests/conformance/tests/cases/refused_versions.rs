//! Definitions that are refused for what they say beside their schemas, and changes of definitions.

use anyhow::Result;
use motet_conformance::{Talk, cases, define::DEFINITIONS, talk::patch};
use serde_json::{Value, json};

use super::tools::with;

cases! {
    "definitions":
    printer_columns_have_name_type_and_path,
    fields_to_select_by_are_plain,
    the_scale_is_below_spec_and_status,
    conversion_is_none_or_by_webhook,
    names_of_versions_are_labels,
    deprecated_versions_warn,
    deprecation_is_said_in_one_line,
    names_follow_from_the_kind,
    names_of_a_definition_are_labels,
    groups_of_kubernetes_need_approval,
    unknown_fields_are_never_kept_without_a_schema,
    versions_that_differ_are_checked_each,
    versions_come_and_go,
    a_definition_that_becomes_wrong_is_refused,
    conversion_by_webhook_is_taken,
    names_become_free_with_their_definition,
    names_that_are_given_up_become_free;
    outside: objects_are_converted_by_webhook = "webhooks are not called",
}

fn dry(n: usize) -> String {
    format!("{DEFINITIONS}?dryRun=All&n={n}")
}

/// A definition with a status, tried with each change by itself.
async fn each(talk: &Talk, changes: &[(&str, Value)]) -> Result<()> {
    let schema = json!({ "type": "object", "properties": { "spec": { "type": "object", "properties": { "a": { "type": "string" }, "n": { "type": "integer" },
        "o": { "type": "object", "properties": { "x": { "type": "number" } } }, "l": { "type": "array", "items": { "type": "string" } }, "m": { "type": "object", "additionalProperties": { "type": "string" } } } } } });
    let base = talk.widget(&schema);
    for (n, (pointer, value)) in changes.iter().enumerate() {
        talk.note("with", format!("{pointer}: {value}"));
        talk.post(&dry(n), &with(&base, &[(pointer, value.clone())])).await?;
    }
    Ok(())
}

async fn printer_columns_have_name_type_and_path(talk: &Talk) -> Result<()> {
    let at = "/spec/versions/0/additionalPrinterColumns";
    let column = |more: Value| {
        let mut column = json!({ "name": "A", "type": "string", "jsonPath": ".spec.a" });
        column.as_object_mut().into_iter().for_each(|c| c.extend(more.as_object().cloned().unwrap_or_default()));
        (at, json!([column]))
    };
    each(
        talk,
        &[
            column(json!({})),
            column(json!({ "name": "" })),
            column(json!({ "type": "" })),
            column(json!({ "type": "text" })),
            column(json!({ "type": "integer", "format": "int32" })),
            column(json!({ "format": "short" })),
            column(json!({ "jsonPath": "" })),
            column(json!({ "jsonPath": "spec.a" })),
            column(json!({ "jsonPath": "." })),
            column(json!({ "jsonPath": ".spec.nope[*]" })),
            column(json!({ "priority": -1 })),
            (at, json!([{ "name": "A", "type": "string", "jsonPath": ".a" }, { "name": "A", "type": "date", "jsonPath": ".b" }])),
        ],
    )
    .await
}

async fn fields_to_select_by_are_plain(talk: &Talk) -> Result<()> {
    let fields = |paths: &[&str]| {
        let fields: Vec<Value> = paths.iter().map(|path| json!({ "jsonPath": path })).collect();
        ("/spec/versions/0/selectableFields", Value::from(fields))
    };
    each(
        talk,
        &[
            fields(&[".spec.a"]),
            fields(&[""]),
            fields(&["spec.a"]),
            fields(&[".spec"]),
            fields(&[".spec.o.x"]),
            fields(&[".spec.nope"]),
            fields(&[".spec.l[0]"]),
            fields(&[".spec['a']"]),
            fields(&[".spec.m.x"]),
            fields(&[".metadata.name"]),
            fields(&[".spec.a", ".spec.n", ".spec.a"]),
            fields(&[".spec."]),
        ],
    )
    .await?;
    let properties: serde_json::Map<String, Value> =
        (0..9).map(|n| (format!("f{n}"), json!({ "type": "string" }))).collect();
    let mut definition = talk
        .widget(&json!({ "type": "object", "properties": { "spec": { "type": "object", "properties": properties } } }));
    definition["spec"]["versions"][0]["selectableFields"] =
        (0..9).map(|n| json!({ "jsonPath": format!(".spec.f{n}") })).collect();
    talk.post(&dry(99), &definition).await?;
    Ok(())
}

async fn the_scale_is_below_spec_and_status(talk: &Talk) -> Result<()> {
    let scale = |spec: &str, status: &str, selector: Value| {
        let scale = json!({ "specReplicasPath": spec, "statusReplicasPath": status, "labelSelectorPath": selector });
        ("/spec/versions/0/subresources", json!({ "scale": scale }))
    };
    each(
        talk,
        &[
            scale(".spec.n", ".status.n", json!(".status.s")),
            scale("", "", json!("")),
            scale("spec.n", ".status.n", json!(".spec.s")),
            scale(".status.n", ".spec.n", json!(".metadata.s")),
            scale(".spec", ".status", json!("x")),
            ("/spec/versions/0/subresources", json!({ "scale": {} })),
        ],
    )
    .await
}

async fn conversion_is_none_or_by_webhook(talk: &Talk) -> Result<()> {
    let at = "/spec/conversion";
    let webhook = |client: Value, versions: Value| {
        (
            at,
            json!({ "strategy": "Webhook", "webhook": { "clientConfig": client, "conversionReviewVersions": versions } }),
        )
    };
    let service = |more: Value| {
        let mut service = json!({ "name": "s", "namespace": "n" });
        service.as_object_mut().into_iter().for_each(|s| s.extend(more.as_object().cloned().unwrap_or_default()));
        webhook(json!({ "service": service }), json!(["v1"]))
    };
    let url = |url: &str| webhook(json!({ "url": url }), json!(["v1"]));
    each(
        talk,
        &[
            (at, json!({ "strategy": "None" })),
            (at, json!({ "strategy": "" })),
            (at, json!({ "strategy": "Magic" })),
            (at, json!({ "strategy": "Webhook" })),
            (at, json!({ "strategy": "None", "webhook": { "conversionReviewVersions": ["v1"], "clientConfig": { "url": "https://a.org" } } })),
            webhook(json!({}), json!(["v1"])),
            webhook(json!({ "url": "https://a.org", "service": { "name": "s", "namespace": "n" } }), json!(["v1"])),
            webhook(json!({ "url": "https://a.org/x" }), json!([])),
            webhook(json!({ "url": "https://a.org/x" }), json!(["v2"])),
            webhook(json!({ "url": "https://a.org/x" }), json!(["v1", "v1", "V", "v1beta1"])),
            url("http://a.org"),
            url("https://u@a.org"),
            url("https://a.org#f"),
            url("https://a.org?q=1"),
            url("https:///x"),
            service(json!({})),
            service(json!({ "path": "/a/b/" })),
            service(json!({ "path": "a" })),
            service(json!({ "path": "//" })),
            service(json!({ "path": "/a//b" })),
            service(json!({ "path": "/A" })),
            service(json!({ "port": 0 })),
            service(json!({ "name": "" })),
            service(json!({ "namespace": "" })),
        ],
    )
    .await
}

async fn names_of_versions_are_labels(talk: &Talk) -> Result<()> {
    let at = "/spec/versions/0/name";
    let long = "v".repeat(64);
    each(
        talk,
        &[
            (at, json!("")),
            (at, json!("V1")),
            (at, json!("1")),
            (at, json!("v1.2")),
            (at, json!(long)),
            (at, json!("beta")),
        ],
    )
    .await
}

fn version(name: &str, more: &Value) -> Value {
    let mut version = json!({ "name": name, "served": true, "storage": false, "schema": { "openAPIV3Schema": { "type": "object", "x-kubernetes-preserve-unknown-fields": true } } });
    version.as_object_mut().into_iter().for_each(|v| v.extend(more.as_object().cloned().unwrap_or_default()));
    version
}

async fn deprecated_versions_warn(talk: &Talk) -> Result<()> {
    let old = json!({ "deprecated": true, "subresources": { "status": {} } });
    let said = json!({ "deprecated": true, "deprecationWarning": "do \"not\" use it" });
    let versions = json!([
        version("v1", &json!({ "storage": true })),
        version("v1beta1", &old),
        version("v1alpha1", &said),
        version("v2", &json!({ "deprecated": true })),
        version("v3", &json!({ "served": false }))
    ]);
    let path = talk.define(&talk.definition("widgets", "Widget", &versions)).await?;
    talk.post(
        &path,
        &json!({ "apiVersion": format!("{}/v1", talk.group()), "kind": "Widget", "metadata": { "name": "one" } }),
    )
    .await?;
    for version in ["v1beta1", "v1alpha1", "v2", "v1"] {
        let path = talk.path(&format!("{}/{version}", talk.group()), "widgets");
        talk.served(&path).await?;
        talk.get(&format!("{path}/one")).await?;
        talk.get(&format!("{path}/none")).await?;
        talk.get(&path).await?;
        talk.get(&format!("{path}/one/status")).await?;
        talk.patch(&format!("{path}/one"), patch::MERGE, &json!({ "metadata": { "labels": { "v": version } } }))
            .await?;
    }
    Ok(())
}

async fn deprecation_is_said_in_one_line(talk: &Talk) -> Result<()> {
    let definition = |warning: Value, deprecated: bool| {
        let mut definition = talk.widget(&json!({ "type": "object" }));
        definition["spec"]["versions"][0]["deprecated"] = deprecated.into();
        definition["spec"]["versions"][0]["deprecationWarning"] = warning;
        definition
    };
    for (n, (warning, deprecated)) in [
        (json!("x"), false),
        (json!(""), true),
        (json!("x".repeat(257)), true),
        (json!("two\nlines"), true),
        (json!("ä ü"), true),
        (json!(null), true),
    ]
    .into_iter()
    .enumerate()
    {
        talk.post(&dry(n), &definition(warning, deprecated)).await?;
    }
    Ok(())
}

async fn names_follow_from_the_kind(talk: &Talk) -> Result<()> {
    let names = |names: Value| ("/spec/names", names);
    each(
        talk,
        &[
            names(json!({ "plural": "widgets", "kind": "Widget" })),
            names(json!({ "plural": "widgets", "kind": "Widget", "singular": "", "listKind": "" })),
            names(json!({ "plural": "widgets", "kind": "" })),
            names(json!({ "plural": "widgets" })),
            names(json!({ "plural": "", "kind": "Widget" })),
            names(json!({ "kind": "Widget", "plural": "widgets", "singular": "widgets" })),
        ],
    )
    .await
}

async fn names_of_a_definition_are_labels(talk: &Talk) -> Result<()> {
    let long = "a".repeat(64);
    let name = |field: &'static str, value: Value| (field, value);
    each(
        talk,
        &[
            name("/spec/names/singular", json!("a.b")),
            name("/spec/names/singular", json!(long)),
            name("/spec/names/kind", json!("1Widget")),
            name("/spec/names/listKind", json!("a_b")),
            name("/spec/names/listKind", json!("Widget")),
            name("/spec/names/shortNames", json!(["ok", "Not", ""])),
            name("/spec/names/shortNames", json!(["a", "a"])),
            name("/spec/names/categories", json!(["all", "Bad", ""])),
            name("/spec/group", json!("Nope")),
            name("/spec/group", json!("a..b")),
            name("/spec/versions", json!([])),
        ],
    )
    .await
}

async fn groups_of_kubernetes_need_approval(talk: &Talk) -> Result<()> {
    let group = format!("{}.k8s.io", talk.id());
    for (n, approved) in
        [json!(null), json!("unapproved, for a test"), json!("https://example.org/approval"), json!("yes")]
            .into_iter()
            .enumerate()
    {
        let mut definition = talk.widget(&json!({ "type": "object" }));
        definition["spec"]["group"] = group.as_str().into();
        definition["metadata"]["name"] = format!("widgets.{group}").into();
        definition["metadata"]["annotations"] = json!({ "api-approved.kubernetes.io": approved });
        talk.post(&dry(n), &definition).await?;
    }
    Ok(())
}

async fn unknown_fields_are_never_kept_without_a_schema(talk: &Talk) -> Result<()> {
    each(
        talk,
        &[
            ("/spec/preserveUnknownFields", json!(true)),
            ("/spec/preserveUnknownFields", json!(false)),
            (
                "/spec/versions/0/schema/openAPIV3Schema/properties",
                json!({ "a": { "type": "string", "default": "x" } }),
            ),
        ],
    )
    .await?;
    let mut definition =
        talk.widget(&json!({ "type": "object", "properties": { "a": { "type": "string", "default": "x" } } }));
    definition["spec"]["preserveUnknownFields"] = true.into();
    talk.post(&dry(9), &definition).await?;
    definition["spec"]["conversion"] = json!({ "strategy": "Webhook", "webhook": { "clientConfig": { "url": "https://a.org" }, "conversionReviewVersions": ["v1"] } });
    talk.post(&dry(10), &definition).await?;
    Ok(())
}

async fn versions_that_differ_are_checked_each(talk: &Talk) -> Result<()> {
    let bad = json!({ "schema": { "openAPIV3Schema": { "type": "object", "properties": { "a": {} } } } });
    let column = json!([{ "name": "A", "type": "odd", "jsonPath": "x" }]);
    let storage = json!({ "storage": true });
    for (n, versions) in [
        json!([version("v1", &storage), version("v2", &bad)]),
        json!([version("v1", &storage), version("v2", &json!({ "additionalPrinterColumns": column }))]),
        json!([
            version("v1", &json!({ "storage": true, "additionalPrinterColumns": column })),
            version("v2", &json!({ "additionalPrinterColumns": column }))
        ]),
        json!([version("v1", &storage), version("v2", &json!({ "subresources": { "scale": {} } }))]),
        json!([version("v1", &storage), version("v2", &json!({ "schema": null }))]),
        json!([version("v1", &storage), version("v2", &json!({ "selectableFields": [{ "jsonPath": ".a" }] }))]),
        json!([version("v1", &storage), version("V2", &json!({}))]),
    ]
    .iter()
    .enumerate()
    {
        talk.post(&dry(n), &talk.definition("widgets", "Widget", versions)).await?;
    }
    Ok(())
}

async fn versions_come_and_go(talk: &Talk) -> Result<()> {
    talk.aside("/metadata/resourceVersion", "how many writes it takes to establish a definition differs");
    talk.aside("/metadata/managedFields", "entries of the server's own are written one after another");
    talk.define(&talk.definition("widgets", "Widget", &json!([version("v1", &json!({ "storage": true }))]))).await?;
    let at = format!("{DEFINITIONS}/widgets.{}", talk.group());
    let v2 = version("v2", &json!({}));
    talk.patch(&at, patch::JSON, &json!([{ "op": "add", "path": "/spec/versions/0", "value": v2 }])).await?;
    talk.served(&talk.path(&format!("{}/v2", talk.group()), "widgets")).await?;
    for change in [
        json!([{ "op": "replace", "path": "/spec/versions/0/name", "value": "v1" }]),
        json!([{ "op": "replace", "path": "/spec/versions/1/storage", "value": false }]),
        json!([{ "op": "remove", "path": "/spec/versions/1" }]),
        json!([{ "op": "replace", "path": "/spec/versions/0/served", "value": false }]),
        json!([{ "op": "replace", "path": "/spec/versions", "value": [] }]),
    ] {
        talk.patch(&at, patch::JSON, &change).await?;
    }
    Ok(())
}

async fn a_definition_that_becomes_wrong_is_refused(talk: &Talk) -> Result<()> {
    talk.aside("/metadata/resourceVersion", "how many writes it takes to establish a definition differs");
    talk.aside("/metadata/managedFields", "entries of the server's own are written one after another");
    talk.define(&talk.widget(&json!({ "type": "object", "properties": { "a": { "type": "string" } } }))).await?;
    let at = format!("{DEFINITIONS}/widgets.{}", talk.group());
    let field = |name: &str, field: Value| json!([{ "op": "add", "path": format!("/spec/versions/0/schema/openAPIV3Schema/properties/{name}"), "value": field }]);
    for change in [
        field("b", json!({})),
        field("b", json!({ "type": "string", "default": 1 })),
        field("b", json!({ "type": "string", "x-kubernetes-validations": [{ "rule": "" }] })),
        field("b", json!({ "type": "string", "format": "odd" })),
        field("c", json!({ "type": "string", "format": "odd" })),
        json!([{ "op": "replace", "path": "/spec/names/singular", "value": "Bad" }]),
        json!([{ "op": "add", "path": "/spec/names/shortNames", "value": ["wd"] }]),
        json!([{ "op": "replace", "path": "/spec/scope", "value": "Cluster" }]),
    ] {
        talk.note("change", change.clone());
        talk.patch(&format!("{at}?dryRun=All"), patch::JSON, &change).await?;
    }
    for status in [
        json!({ "storedVersions": [] }),
        json!({ "storedVersions": ["v1", "v9"] }),
        json!({ "acceptedNames": { "plural": "Bad", "kind": "Widget" } }),
    ] {
        talk.patch(&format!("{at}/status?dryRun=All"), patch::MERGE, &json!({ "status": status })).await?;
    }
    Ok(())
}

async fn conversion_by_webhook_is_taken(talk: &Talk) -> Result<()> {
    let mut definition = talk.widget(&json!({ "type": "object", "x-kubernetes-preserve-unknown-fields": true }));
    definition["spec"]["conversion"] = json!({ "strategy": "Webhook", "webhook": { "clientConfig": { "service": { "name": "s", "namespace": "n" } }, "conversionReviewVersions": ["v1"] } });
    let path = talk.define(&definition).await?;
    talk.post(&path, &json!({ "apiVersion": format!("{}/v1", talk.group()), "kind": "Widget", "metadata": { "name": "one" }, "a": 1 })).await?;
    talk.get(&format!("{path}/one")).await?;
    Ok(())
}

async fn objects_are_converted_by_webhook(talk: &Talk) -> Result<()> {
    let versions = json!([version("v1", &json!({ "storage": true })), version("v2", &json!({}))]);
    let mut definition = talk.definition("widgets", "Widget", &versions);
    definition["spec"]["conversion"] = json!({ "strategy": "Webhook", "webhook": { "clientConfig": { "url": "https://127.0.0.1:1/convert" }, "conversionReviewVersions": ["v1"] } });
    let path = talk.define(&definition).await?;
    talk.post(
        &path,
        &json!({ "apiVersion": format!("{}/v1", talk.group()), "kind": "Widget", "metadata": { "name": "one" } }),
    )
    .await?;
    talk.get(&talk.path(&format!("{}/v2", talk.group()), "widgets/one")).await?;
    Ok(())
}

/// Whether its names are accepted, or not, and a definition with accepted names is served too, which comes some time after.
fn settled(answer: &motet_conformance::talk::Answer, accepted: &str) -> bool {
    let conditions = answer.body["status"]["conditions"].as_array();
    let is = |kind: &str| conditions.into_iter().flatten().any(|c| c["type"] == kind && c["status"] == accepted);
    is("NamesAccepted") && (accepted != "True" || is("Established"))
}

async fn names_become_free_with_their_definition(talk: &Talk) -> Result<()> {
    talk.aside("/metadata/resourceVersion", "how many writes it takes differs");
    talk.aside("/metadata/managedFields", "entries of the server's own are written one after another");
    talk.define(&talk.widget(&json!({ "type": "object" }))).await?;
    let names = [
        ("gadgets", json!({ "plural": "gadgets", "kind": "Gadget", "singular": "widget" })),
        ("gizmos", json!({ "plural": "gizmos", "kind": "Gizmo", "listKind": "WidgetList" })),
        ("tools", json!({ "plural": "tools", "kind": "WidgetList" })),
    ];
    for (plural, names) in &names {
        let mut definition = talk.definition(plural, "X", &json!([version("v1", &json!({ "storage": true }))]));
        definition["spec"]["names"] = names.clone();
        talk.ask(http::Method::POST, DEFINITIONS).json(&definition).unkept().send().await?;
        talk.until(&format!("{DEFINITIONS}/{plural}.{}", talk.group()), "its conditions", |a| settled(a, "False"))
            .await?;
    }
    talk.ask(http::Method::DELETE, &format!("{DEFINITIONS}/tools.{}", talk.group())).unkept().send().await?;
    talk.ask(http::Method::DELETE, &format!("{DEFINITIONS}/gizmos.{}", talk.group())).unkept().send().await?;
    talk.ask(http::Method::DELETE, &format!("{DEFINITIONS}/widgets.{}", talk.group())).unkept().send().await?;
    let established = |a: &motet_conformance::talk::Answer| {
        let conditions = a.body["status"]["conditions"].as_array();
        settled(a, "True")
            && conditions.into_iter().flatten().any(|c| c["type"] == "Established" && c["status"] == "True")
    };
    talk.until(&format!("{DEFINITIONS}/gadgets.{}", talk.group()), "its names", established).await?;
    talk.served(&talk.path(&format!("{}/v1", talk.group()), "gadgets")).await
}

async fn names_that_are_given_up_become_free(talk: &Talk) -> Result<()> {
    talk.aside("/metadata/resourceVersion", "how many writes it takes differs");
    talk.aside("/metadata/managedFields", "entries of the server's own are written one after another");
    let mut first = talk.widget(&json!({ "type": "object" }));
    first["spec"]["names"]["shortNames"] = json!(["wd"]);
    talk.define(&first).await?;
    let mut second = talk.definition("gadgets", "Gadget", &json!([version("v1", &json!({ "storage": true }))]));
    second["spec"]["names"]["shortNames"] = json!(["ga", "wd"]);
    talk.ask(http::Method::POST, DEFINITIONS).json(&second).unkept().send().await?;
    let at = |plural: &str| format!("{DEFINITIONS}/{plural}.{}", talk.group());
    talk.until(&at("gadgets"), "its conditions", |a| settled(a, "False")).await?;
    let change = json!({ "spec": { "names": { "shortNames": ["wi"] } } });
    talk.ask(http::Method::PATCH, &at("widgets"))
        .json(&change)
        .header("content-type", patch::MERGE)
        .unkept()
        .send()
        .await?;
    talk.until(&at("gadgets"), "its names", |a| settled(a, "True")).await?;
    talk.until(&at("widgets"), "its names", |a| a.body["status"]["acceptedNames"]["shortNames"] == json!(["wi"]))
        .await?;
    Ok(())
}
