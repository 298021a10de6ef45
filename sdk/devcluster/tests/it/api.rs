//! Objects one at a time and in lists: codes, reasons, versions, generations, selectors, pages, forms.

use http::Method;
use serde_json::{Value, json};

use crate::client::{JSON, MAPS, MERGE, bed, map, version};

const DEPLOYMENTS: &str = "/apis/apps/v1/namespaces/default/deployments";

fn deployment(replicas: i64) -> Value {
    json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "d"}, "spec": {"replicas": replicas,
        "selector": {"matchLabels": {"a": "b"}}, "template": {"metadata": {"labels": {"a": "b"}},
        "spec": {"containers": [{"name": "c", "image": "i:1"}]}}}})
}

#[tokio::test]
async fn an_object_lives_from_create_to_delete() {
    let bed = bed().await;
    let (code, made) = bed.post(MAPS, &map("a", "1")).await;
    assert_eq!(code, 201);
    assert_eq!(made["metadata"]["namespace"], "default");
    assert!(made["metadata"]["uid"].is_string() && made["metadata"]["creationTimestamp"].is_string());
    let (code, again) = bed.post(MAPS, &map("a", "1")).await;
    assert_eq!(
        (code, again["reason"].as_str(), again["details"]["kind"].as_str()),
        (409, Some("AlreadyExists"), Some("configmaps"))
    );
    let mut stale = made.clone();
    stale["data"]["v"] = "2".into();
    let (code, changed) = bed.put(&format!("{MAPS}/a"), &stale).await;
    assert_eq!(code, 200);
    assert!(version(&changed) > version(&made));
    stale["data"]["v"] = "3".into();
    let (code, refused) = bed.put(&format!("{MAPS}/a"), &stale).await;
    assert_eq!((code, refused["reason"].as_str()), (409, Some("Conflict")));
    let (_, same) = bed.put(&format!("{MAPS}/a"), &changed).await;
    assert_eq!(version(&same), version(&changed), "a write that changes nothing keeps the version");
    let (code, status) = bed.delete(&format!("{MAPS}/a")).await;
    assert_eq!((code, status["status"].as_str()), (200, Some("Success")));
    let (code, missing) = bed.get(&format!("{MAPS}/a")).await;
    assert_eq!((code, missing["message"].as_str()), (404, Some("configmaps \"a\" not found")));
}

#[tokio::test]
async fn deletion_minds_its_preconditions() {
    let bed = bed().await;
    let (_, made) = bed.post(MAPS, &map("a", "1")).await;
    let path = format!("{MAPS}/a");
    for wrong in [json!({"uid": "other"}), json!({"resourceVersion": "1"})] {
        let (code, _) = bed.delete_with(&path, &json!({"preconditions": wrong})).await;
        assert_eq!(code, 409, "{wrong}");
    }
    let right = json!({"uid": made["metadata"]["uid"], "resourceVersion": made["metadata"]["resourceVersion"]});
    assert_eq!(bed.delete_with(&path, &json!({"preconditions": right})).await.0, 200);
}

#[tokio::test]
async fn generation_follows_the_spec_only() {
    let bed = bed().await;
    let path = format!("{DEPLOYMENTS}/d");
    let (_, made) = bed.post(DEPLOYMENTS, &deployment(1)).await;
    let generation = |o: &Value| o["metadata"]["generation"].as_i64().unwrap();
    assert_eq!(generation(&made), 1);
    assert_eq!(made["spec"]["strategy"]["type"], "RollingUpdate", "defaults are put in");
    let (_, labelled) = bed.patch(&path, MERGE, &json!({"metadata": {"labels": {"x": "y"}}})).await;
    assert_eq!(generation(&labelled), 1);
    let (_, scaled) = bed.patch(&path, MERGE, &json!({"spec": {"replicas": 3}, "status": {"replicas": 9}})).await;
    assert_eq!((generation(&scaled), &scaled["status"]["replicas"]), (2, &Value::Null));
    let status = json!({"spec": {"replicas": 7}, "status": {"replicas": 3}});
    let (_, told) = bed.patch(&format!("{path}/status"), MERGE, &status).await;
    assert_eq!((generation(&told), &told["spec"]["replicas"], &told["status"]["replicas"]), (2, &json!(3), &json!(3)));
    let (_, scale) = bed.get(&format!("{path}/scale")).await;
    assert_eq!(
        (&scale["kind"], &scale["spec"]["replicas"], &scale["status"]["selector"]),
        (&json!("Scale"), &json!(3), &json!("a=b"))
    );
    let (_, _) = bed.patch(&format!("{path}/scale"), MERGE, &json!({"spec": {"replicas": 5}})).await;
    assert_eq!(bed.get(&path).await.1["spec"]["replicas"], 5);
}

#[tokio::test]
async fn bodies_that_do_not_fit_are_refused() {
    let bed = bed().await;
    let code = |path: &str, body: Value| {
        let (bed, path) = (&bed, path.to_owned());
        async move { bed.post(&path, &body).await }
    };
    assert_eq!(code(MAPS, json!({"kind": "Secret", "apiVersion": "v1", "metadata": {"name": "a"}})).await.0, 400);
    assert_eq!(code(MAPS, json!({"metadata": {"name": "a", "namespace": "other"}})).await.0, 400);
    let (status, body) = code(MAPS, json!({"metadata": {"name": "A_b"}})).await;
    assert_eq!((status, body["details"]["causes"][0]["field"].as_str()), (422, Some("metadata.name")));
    assert_eq!(
        code("/api/v1/namespaces/nowhere/configmaps", map("a", "1")).await.1["message"],
        "namespaces \"nowhere\" not found"
    );
    let (status, strict) =
        code(&format!("{MAPS}?fieldValidation=Strict"), json!({"metadata": {"name": "a"}, "no": 1})).await;
    assert_eq!(status, 400);
    assert!(strict["message"].as_str().unwrap().contains("unknown field \"no\""), "{strict}");
    let warned = bed.send(Method::POST, MAPS, &[("content-type", JSON)], r#"{"metadata":{"name":"w"},"no":1}"#).await;
    assert_eq!(warned.headers()["warning"], "299 - \"unknown field \\\"no\\\"\"");
    assert_eq!(bed.send(Method::POST, MAPS, &[("content-type", "text/plain")], "{}").await.status(), 415);
    assert_eq!(
        bed.send(Method::GET, MAPS, &[("accept", "application/vnd.kubernetes.protobuf")], "").await.status(),
        406
    );
    assert_eq!(bed.send(Method::POST, &format!("{MAPS}/w"), &[], "{}").await.status(), 405);
    let (status, log) = bed.get("/api/v1/namespaces/default/pods/p/log").await;
    assert_eq!(
        (status, log["message"].as_str()),
        (501, Some("embedded clusters do not serve the subresource pods/log"))
    );
    assert_eq!(bed.get("/apis/node.k8s.io/v1/runtimeclasses").await.0, 501);
    assert_eq!(bed.get("/apis/nope.io/v1/things").await.0, 404);
}

#[tokio::test]
async fn dry_runs_answer_and_keep_nothing() {
    let bed = bed().await;
    let (code, made) = bed.post(&format!("{MAPS}?dryRun=All"), &json!({"metadata": {"generateName": "x-"}})).await;
    assert_eq!(code, 201);
    assert!(made["metadata"]["name"].as_str().unwrap().starts_with("x-"));
    let (_, list) = bed.get(MAPS).await;
    assert_eq!(list["items"], json!([]));
    assert_eq!(list["kind"], "ConfigMapList");
}

#[tokio::test]
async fn pages_show_one_moment() {
    let bed = bed().await;
    for name in ["a", "b", "c", "d", "e"] {
        bed.post(MAPS, &map(name, "1")).await;
    }
    let (_, first) = bed.get(&format!("{MAPS}?limit=2")).await;
    assert_eq!(first["metadata"]["remainingItemCount"], 3);
    bed.delete(&format!("{MAPS}/c")).await;
    bed.post(MAPS, &map("bb", "1")).await;
    let token = first["metadata"]["continue"].as_str().unwrap();
    let (_, rest) = bed.get(&format!("{MAPS}?limit=9&continue={token}")).await;
    let names: Vec<&str> =
        rest["items"].as_array().unwrap().iter().map(|i| i["metadata"]["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["c", "d", "e"]);
    assert_eq!(version(&rest), version(&first));
    bed.cluster.expire_watches();
    bed.post(MAPS, &map("z", "1")).await;
    let (code, gone) = bed.get(&format!("{MAPS}?limit=9&continue={token}")).await;
    assert_eq!((code, gone["reason"].as_str()), (410, Some("Expired")));
    let (code, late) = bed.get(&format!("{MAPS}?resourceVersion=99999")).await;
    assert_eq!((code, late["details"]["causes"][0]["reason"].as_str()), (504, Some("ResourceVersionTooLarge")));
}

#[tokio::test]
async fn discovery_has_both_forms_and_openapi_knows_field_validation() {
    let bed = bed().await;
    let accept = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList";
    let (_, aggregated) = bed.get_as("/apis", accept).await;
    let apps = aggregated["items"].as_array().unwrap().iter().find(|g| g["metadata"]["name"] == "apps").unwrap();
    let deployments =
        apps["versions"][0]["resources"].as_array().unwrap().iter().find(|r| r["resource"] == "deployments").unwrap();
    assert_eq!(
        (&deployments["scope"], &deployments["responseKind"]["kind"]),
        (&json!("Namespaced"), &json!("Deployment"))
    );
    let (_, legacy) = bed.get("/apis/apps/v1").await;
    let names: Vec<&str> =
        legacy["resources"].as_array().unwrap().iter().map(|r| r["name"].as_str().unwrap()).collect();
    assert!(names.contains(&"deployments/status") && names.contains(&"deployments/scale"), "{names:?}");
    assert_eq!(bed.get("/apis").await.1["kind"], "APIGroupList");
    assert_eq!(bed.get("/version").await.1["major"], "1");
    let (_, index) = bed.get("/openapi/v3").await;
    assert!(index["paths"]["apis/apps/v1"].is_object());
    let (_, document) = bed.get("/openapi/v3/apis/apps/v1").await;
    let patch = &document["paths"]["/apis/apps/v1/namespaces/{namespace}/deployments/{name}"]["patch"];
    assert!(patch["parameters"].as_array().unwrap().iter().any(|p| p["name"] == "fieldValidation"));
}

#[tokio::test]
async fn tables_and_bare_metadata_by_accept() {
    let bed = bed().await;
    bed.post(MAPS, &map("a", "1")).await;
    let (_, table) = bed.get_as(MAPS, "application/json;as=Table;v=v1;g=meta.k8s.io,application/json").await;
    let columns: Vec<&str> =
        table["columnDefinitions"].as_array().unwrap().iter().map(|c| c["name"].as_str().unwrap()).collect();
    assert_eq!(columns, ["Name", "Data", "Age"]);
    assert_eq!(table["rows"][0]["cells"].as_array().unwrap()[..2], [json!("a"), json!(1)]);
    let (_, partial) = bed.get_as(MAPS, "application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io").await;
    assert_eq!(partial["kind"], "PartialObjectMetadataList");
    assert_eq!((&partial["items"][0]["metadata"]["name"], &partial["items"][0]["data"]), (&json!("a"), &Value::Null));
}

#[tokio::test]
async fn events_are_the_same_objects_in_both_groups() {
    let bed = bed().await;
    let event = json!({"apiVersion": "events.k8s.io/v1", "kind": "Event", "metadata": {"name": "e"}, "note": "hello", "reason": "R",
        "eventTime": "2026-01-01T00:00:00.000000Z", "reportingController": "c", "reportingInstance": "i", "action": "A", "regarding": {"kind": "Pod", "name": "p"}, "type": "Normal"});
    assert_eq!(bed.post("/apis/events.k8s.io/v1/namespaces/default/events", &event).await.0, 201);
    let (_, found) = bed.get("/api/v1/namespaces/default/events?fieldSelector=involvedObject.name%3Dp").await;
    assert_eq!(found["items"][0]["message"], "hello");
    let (_, shown) = bed.get("/apis/events.k8s.io/v1/namespaces/default/events/e").await;
    assert_eq!((&shown["note"], &shown["regarding"]["name"]), (&json!("hello"), &json!("p")));
}

#[tokio::test]
async fn json_patches_guard_and_strategic_ones_merge() {
    let bed = bed().await;
    let path = format!("{DEPLOYMENTS}/d");
    bed.post(DEPLOYMENTS, &deployment(1)).await;
    let wrong = json!([{"op": "test", "path": "/spec/replicas", "value": 9}, {"op": "replace", "path": "/spec/replicas", "value": 2}]);
    let (code, refused) = bed.patch(&path, "application/json-patch+json", &wrong).await;
    assert_eq!((code, refused["reason"].as_str()), (422, Some("Invalid")));
    let right = json!([{"op": "test", "path": "/spec/replicas", "value": 1}, {"op": "replace", "path": "/spec/replicas", "value": 2}]);
    assert_eq!(bed.patch(&path, "application/json-patch+json", &right).await.1["spec"]["replicas"], 2);
    let more = json!({"spec": {"template": {"spec": {"containers": [{"name": "e", "image": "j:1"}]}}}});
    let (_, merged) = bed.patch(&path, "application/strategic-merge-patch+json", &more).await;
    assert_eq!(merged["spec"]["template"]["spec"]["containers"].as_array().unwrap().len(), 2);
    let (code, _) = bed.patch(&path, MERGE, &json!({"metadata": {"resourceVersion": "1"}})).await;
    assert_eq!(code, 409, "a version in a patch is a precondition");
}
