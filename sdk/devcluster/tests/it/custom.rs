//! Custom resources: served at once, pruned, defaulted, checked, and gone with their definition.

use serde_json::{Value, json};

use crate::client::{Bed, MERGE, bed};

const CRDS: &str = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";
const WIDGETS: &str = "/apis/ex.io/v1/namespaces/default/widgets";

fn definition() -> Value {
    let spec = json!({"type": "object", "required": ["mode"], "properties": {
        "size": {"type": "integer", "default": 3, "minimum": 1, "maximum": 9},
        "mode": {"type": "string", "enum": ["a", "b"]},
        "parts": {"type": "array", "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["id"],
            "items": {"type": "object", "required": ["id"], "properties": {"id": {"type": "string"}, "v": {"type": "integer"}}}},
        "free": {"type": "object", "x-kubernetes-preserve-unknown-fields": true}}});
    let schema = json!({"type": "object", "required": ["spec"], "properties": {"spec": spec,
        "status": {"type": "object", "properties": {"note": {"type": "string"}}}}});
    let version = |name: &str, storage: bool| {
        json!({"name": name, "served": true, "storage": storage, "subresources": {"status": {}},
            "schema": {"openAPIV3Schema": schema},
            "additionalPrinterColumns": [{"name": "Size", "type": "integer", "jsonPath": ".spec.size"}]})
    };
    json!({"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition", "metadata": {"name": "widgets.ex.io"},
        "spec": {"group": "ex.io", "scope": "Namespaced", "names": {"plural": "widgets", "kind": "Widget"},
        "versions": [version("v1beta1", false), version("v1", true)]}})
}

fn widget(name: &str, spec: Value) -> Value {
    json!({"apiVersion": "ex.io/v1", "kind": "Widget", "metadata": {"name": name}, "spec": spec})
}

async fn with_widgets() -> Bed {
    let bed = bed().await;
    assert_eq!(bed.post(CRDS, &definition()).await.0, 201);
    bed
}

#[tokio::test]
async fn a_definition_is_established_and_discovered() {
    let bed = with_widgets().await;
    let (_, crd) = bed.get(&format!("{CRDS}/widgets.ex.io")).await;
    let conditions: Vec<(&Value, &Value)> =
        crd["status"]["conditions"].as_array().unwrap().iter().map(|c| (&c["type"], &c["status"])).collect();
    assert!(conditions.contains(&(&json!("Established"), &json!("True"))), "{conditions:?}");
    assert_eq!(crd["status"]["acceptedNames"]["listKind"], "WidgetList");
    let (_, group) = bed.get("/apis/ex.io").await;
    assert_eq!(group["preferredVersion"]["version"], "v1");
    let mut wrong = definition();
    wrong["metadata"]["name"] = "other.ex.io".into();
    assert_eq!(bed.post(CRDS, &wrong).await.0, 422);
}

#[tokio::test]
async fn bodies_are_pruned_defaulted_and_checked() {
    let bed = with_widgets().await;
    let (code, made) = bed.post(WIDGETS, &widget("a", json!({"mode": "a", "nope": 1, "free": {"x": {"y": 1}}}))).await;
    assert_eq!((code, &made["spec"]), (201, &json!({"mode": "a", "size": 3, "free": {"x": {"y": 1}}})));
    let (code, refused) = bed.post(WIDGETS, &widget("b", json!({"mode": "z", "size": 77}))).await;
    assert_eq!((code, refused["reason"].as_str()), (422, Some("Invalid")));
    let causes: Vec<&str> =
        refused["details"]["causes"].as_array().unwrap().iter().map(|c| c["field"].as_str().unwrap()).collect();
    assert_eq!(causes, ["spec.mode", "spec.size"]);
    let (code, _) = bed.patch(&format!("{WIDGETS}/a"), MERGE, &json!({"spec": {"mode": null}})).await;
    assert_eq!(code, 422, "a required field cannot be patched away");
    let (code, _) = bed.patch(&format!("{WIDGETS}/a"), "application/strategic-merge-patch+json", &json!({})).await;
    assert_eq!(code, 415);
}

#[tokio::test]
async fn status_is_apart_and_generation_follows_the_rest() {
    let bed = with_widgets().await;
    let mut first = widget("a", json!({"mode": "a"}));
    first["status"] = json!({"note": "no"});
    let (_, made) = bed.post(WIDGETS, &first).await;
    assert_eq!((&made["status"], &made["metadata"]["generation"]), (&Value::Null, &json!(1)));
    let path = format!("{WIDGETS}/a");
    let (_, told) = bed.patch(&format!("{path}/status"), MERGE, &json!({"status": {"note": "yes", "bad": 1}})).await;
    assert_eq!((&told["status"], &told["metadata"]["generation"]), (&json!({"note": "yes"}), &json!(1)));
    let (_, changed) = bed.patch(&path, MERGE, &json!({"spec": {"mode": "b"}})).await;
    assert_eq!((&changed["status"]["note"], &changed["metadata"]["generation"]), (&json!("yes"), &json!(2)));
    let (_, other) = bed.get(&path.replace("/v1/", "/v1beta1/")).await;
    assert_eq!((&other["apiVersion"], &other["spec"]), (&json!("ex.io/v1beta1"), &changed["spec"]));
}

#[tokio::test]
async fn lists_merge_by_the_keys_of_the_schema() {
    let bed = with_widgets().await;
    let path = format!("{WIDGETS}/a");
    bed.apply(&path, "m", "", &widget("a", json!({"mode": "a", "parts": [{"id": "1", "v": 1}, {"id": "2"}]}))).await;
    bed.apply(&path, "n", "", &widget("a", json!({"parts": [{"id": "3"}]}))).await;
    let (_, less) = bed.apply(&path, "m", "", &widget("a", json!({"mode": "a", "parts": [{"id": "2"}]}))).await;
    assert_eq!(less["spec"]["parts"], json!([{"id": "2"}, {"id": "3"}]));
}

#[tokio::test]
async fn tables_show_the_columns_of_the_definition() {
    let bed = with_widgets().await;
    bed.post(WIDGETS, &widget("a", json!({"mode": "a"}))).await;
    let (_, table) = bed.get_as(WIDGETS, "application/json;as=Table;v=v1;g=meta.k8s.io").await;
    assert_eq!(table["columnDefinitions"][1]["name"], "Size");
    assert_eq!(table["rows"][0]["cells"], json!(["a", 3]));
}

#[tokio::test]
async fn objects_go_with_their_definition() {
    let bed = with_widgets().await;
    let mut held = widget("a", json!({"mode": "a"}));
    held["metadata"]["finalizers"] = json!(["x.y/z"]);
    bed.post(WIDGETS, &held).await;
    bed.post(WIDGETS, &widget("b", json!({"mode": "a"}))).await;
    let mut watch = bed.watch(&format!("{WIDGETS}?watch=1&fieldSelector=metadata.name%3Da")).await;
    assert_eq!(watch.named().await.0, "ADDED");
    bed.delete(&format!("{CRDS}/widgets.ex.io")).await;
    bed.until(&format!("{WIDGETS}/b"), 404).await;
    assert_eq!(
        bed.get(&format!("{CRDS}/widgets.ex.io")).await.0,
        200,
        "a finalizer holds the object, the object the definition"
    );
    bed.patch(&format!("{WIDGETS}/a"), MERGE, &json!({"metadata": {"finalizers": null}})).await;
    bed.until(&format!("{CRDS}/widgets.ex.io"), 404).await;
    assert_eq!(bed.get("/apis/ex.io/v1").await.0, 404);
    let mut last = None;
    while let Some((kind, _)) = watch.next().await {
        last = Some(kind);
    }
    assert_eq!(last.as_deref(), Some("DELETED"), "the watch tells the end and ends");
}
