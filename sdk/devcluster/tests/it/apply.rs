//! Server-side apply over the wire: codes, ownership, conflicts, no-ops.

use serde_json::{Value, json};

use crate::client::{MAPS, MERGE, bed, map, version};

const PATH: &str = "/apis/apps/v1/namespaces/default/deployments/d";

fn deployment(spec: Value) -> Value {
    json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "d"}, "spec": spec})
}

fn whole(replicas: Option<i64>) -> Value {
    let mut spec = json!({"selector": {"matchLabels": {"a": "b"}}, "template": {"metadata": {"labels": {"a": "b"}},
        "spec": {"containers": [{"name": "c", "image": "i:1", "ports": [{"containerPort": 80}]}]}}});
    if let Some(replicas) = replicas {
        spec["replicas"] = replicas.into();
    }
    deployment(spec)
}

fn entry<'a>(object: &'a Value, manager: &str) -> Option<&'a Value> {
    object["metadata"]["managedFields"].as_array()?.iter().find(|e| e["manager"] == manager)
}

#[tokio::test]
async fn apply_creates_then_changes_then_does_nothing() {
    let bed = bed().await;
    let (code, made) = bed.apply(PATH, "m", "", &whole(Some(2))).await;
    assert_eq!(code, 201);
    let fields = &entry(&made, "m").unwrap()["fieldsV1"]["f:spec"];
    assert_eq!(fields["f:selector"], json!({}), "a label selector is atomic");
    let container = &fields["f:template"]["f:spec"]["f:containers"]["k:{\"name\":\"c\"}"];
    assert_eq!(
        container["f:ports"]["k:{\"containerPort\":80,\"protocol\":\"TCP\"}"],
        json!({".": {}, "f:containerPort": {}})
    );
    let (code, same) = bed.apply(PATH, "m", "", &whole(Some(2))).await;
    assert_eq!(
        (code, &same["metadata"]),
        (200, &made["metadata"]),
        "an apply of the same changes nothing, not even a time"
    );
    let (_, less) = bed.apply(PATH, "m", "", &whole(None)).await;
    assert_eq!(less["spec"]["replicas"], 1, "a field no longer applied falls back to its default");
    assert_eq!(less["metadata"]["generation"], 2);
}

#[tokio::test]
async fn conflicts_name_manager_and_field_until_forced() {
    let bed = bed().await;
    bed.apply(PATH, "m", "", &whole(Some(2))).await;
    bed.patch(&format!("{PATH}?fieldManager=edit"), MERGE, &json!({"spec": {"replicas": 5}})).await;
    let (code, refused) = bed.apply(PATH, "m", "", &whole(Some(2))).await;
    assert_eq!((code, refused["reason"].as_str()), (409, Some("Conflict")));
    let cause = json!({"reason": "FieldManagerConflict", "message": "conflict with \"edit\" using apps/v1", "field": ".spec.replicas"});
    assert_eq!(refused["details"]["causes"], json!([cause]));
    assert_eq!(
        refused["message"],
        "Apply failed with 1 conflict: conflict with \"edit\" using apps/v1: .spec.replicas"
    );
    let (code, forced) = bed.apply(PATH, "m", "&force=true", &whole(Some(2))).await;
    assert_eq!((code, &forced["spec"]["replicas"]), (200, &json!(2)));
    assert!(entry(&forced, "edit").is_none(), "a manager that lost all its fields is gone");
}

#[tokio::test]
async fn equal_values_are_shared() {
    let bed = bed().await;
    bed.apply(&format!("{MAPS}/a"), "one", "", &map("a", "1")).await;
    let (code, both) = bed.apply(&format!("{MAPS}/a"), "two", "", &map("a", "1")).await;
    assert_eq!(code, 200);
    assert!(entry(&both, "one").is_some() && entry(&both, "two").is_some());
    let empty = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}});
    let (_, kept) = bed.apply(&format!("{MAPS}/a"), "one", "", &empty).await;
    assert_eq!(kept["data"]["v"], "1", "the other still owns it");
    let (_, gone) = bed.apply(&format!("{MAPS}/a"), "two", "", &empty).await;
    assert_eq!(gone["data"], Value::Null);
}

#[tokio::test]
async fn status_has_managers_of_its_own() {
    let bed = bed().await;
    let (_, made) = bed.apply(PATH, "m", "", &whole(Some(2))).await;
    let mut status =
        json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "d"}, "status": {"replicas": 2}});
    let (code, told) = bed.apply(&format!("{PATH}/status"), "m", "", &status).await;
    assert_eq!(code, 200);
    let own =
        told["metadata"]["managedFields"].as_array().unwrap().iter().find(|e| e["subresource"] == "status").unwrap();
    assert_eq!(own["fieldsV1"], json!({"f:status": {"f:replicas": {}}}));
    assert_eq!(told["spec"], made["spec"]);
    status["status"] = json!({"replicas": 9});
    let (_, ignored) = bed.apply(PATH, "other", "", &status).await;
    assert_eq!(ignored["status"]["replicas"], 2, "the main resource leaves status alone");
    assert!(entry(&ignored, "other").is_none());
    let missing = PATH.replace("/d", "/nope");
    status["metadata"]["name"] = "nope".into();
    assert_eq!(bed.apply(&format!("{missing}/status"), "m", "", &status).await.0, 404);
}

#[tokio::test]
async fn applies_that_cannot_be_understood_are_refused() {
    let bed = bed().await;
    assert_eq!(bed.patch(PATH, crate::client::APPLY, &whole(None)).await.0, 422, "no field manager");
    let mut body = whole(None);
    body["metadata"]["managedFields"] = json!([{}]);
    assert_eq!(bed.apply(PATH, "m", "", &body).await.0, 400);
    let (code, unknown) = bed.apply(PATH, "m", "", &deployment(json!({"nope": 1}))).await;
    assert_eq!(code, 500);
    assert!(unknown["message"].as_str().unwrap().ends_with(".spec.nope: field not declared in schema"), "{unknown}");
    assert_eq!(bed.apply(PATH, "m", "", &map("d", "1")).await.0, 400);
    let mut versioned = whole(None);
    versioned["metadata"]["uid"] = "7".into();
    assert_eq!(bed.apply(PATH, "m", "", &versioned).await.0, 409, "a uid where nothing is there");
}

#[tokio::test]
async fn yaml_is_taken_and_versions_are_preconditions() {
    let bed = bed().await;
    let path = format!("{MAPS}/a");
    let yaml = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\ndata: {v: \"1\"}\n";
    let headers = [("content-type", crate::client::APPLY)];
    let answer = bed.send(http::Method::PATCH, &format!("{path}?fieldManager=m"), &headers, yaml).await;
    assert_eq!(answer.status(), 201);
    let (_, now) = bed.get(&path).await;
    let mut next = map("a", "2");
    next["metadata"]["resourceVersion"] = (version(&now) + 100).to_string().into();
    assert_eq!(bed.apply(&path, "m", "", &next).await.0, 409);
    next["metadata"]["resourceVersion"] = version(&now).to_string().into();
    assert_eq!(bed.apply(&path, "m", "", &next).await.0, 200);
}
