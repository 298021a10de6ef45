//! What happens to objects by themselves: finalizers, owners, namespaces, the simulated Deployment controller.

use serde_json::{Value, json};

use crate::client::{LONG, MAPS, MERGE, bed, bed_with, map};

#[tokio::test]
async fn finalizers_hold_an_object_until_the_last_is_gone() {
    let bed = bed().await;
    let path = format!("{MAPS}/a");
    let mut held = map("a", "1");
    held["metadata"]["finalizers"] = json!(["x.y/one", "x.y/two"]);
    bed.post(MAPS, &held).await;
    let (code, pending) = bed.delete(&path).await;
    assert_eq!(code, 200);
    assert!(pending["metadata"]["deletionTimestamp"].is_string());
    let (_, again) = bed.delete(&path).await;
    assert_eq!(again["metadata"]["resourceVersion"], pending["metadata"]["resourceVersion"]);
    let (_, back) = bed.patch(&path, MERGE, &json!({"metadata": {"deletionTimestamp": null}})).await;
    assert!(back["metadata"]["deletionTimestamp"].is_string(), "deletion cannot be taken back");
    bed.patch(&path, MERGE, &json!({"metadata": {"finalizers": ["x.y/two"]}})).await;
    assert_eq!(bed.get(&path).await.0, 200);
    bed.patch(&path, MERGE, &json!({"metadata": {"finalizers": null}})).await;
    assert_eq!(bed.get(&path).await.0, 404);
}

fn child(name: &str, owners: &[&Value]) -> Value {
    let mut child = map(name, "1");
    let refs: Vec<Value> = owners
        .iter()
        .map(|o| json!({"apiVersion": "v1", "kind": "ConfigMap", "name": o["metadata"]["name"], "uid": o["metadata"]["uid"]}))
        .collect();
    child["metadata"]["ownerReferences"] = refs.into();
    child
}

#[tokio::test]
async fn children_go_with_their_last_owner() {
    let bed = bed().await;
    let (_, one) = bed.post(MAPS, &map("one", "1")).await;
    let (_, two) = bed.post(MAPS, &map("two", "1")).await;
    bed.post(MAPS, &child("only", &[&one])).await;
    bed.post(MAPS, &child("shared", &[&one, &two])).await;
    bed.delete(&format!("{MAPS}/one")).await;
    bed.until(&format!("{MAPS}/only"), 404).await;
    let (code, shared) = bed.get(&format!("{MAPS}/shared")).await;
    assert_eq!((code, shared["metadata"]["ownerReferences"].as_array().unwrap().len()), (200, 1));
    bed.delete(&format!("{MAPS}/two?propagationPolicy=Orphan")).await;
    let (code, orphan) = bed.get(&format!("{MAPS}/shared")).await;
    assert_eq!((code, &orphan["metadata"]["ownerReferences"]), (200, &Value::Null));
    bed.post(MAPS, &child("late", &[&one])).await;
    bed.until(&format!("{MAPS}/late"), 404).await;
}

#[tokio::test]
async fn a_namespace_takes_its_contents_along() {
    let bed = bed().await;
    let (_, made) = bed.post("/api/v1/namespaces", &json!({"metadata": {"name": "n"}})).await;
    assert_eq!(made["metadata"]["labels"]["kubernetes.io/metadata.name"], "n");
    let maps = "/api/v1/namespaces/n/configmaps";
    bed.post(maps, &map("free", "1")).await;
    let mut held = map("held", "1");
    held["metadata"]["finalizers"] = json!(["x.y/z"]);
    bed.post(maps, &held).await;
    let (_, ending) = bed.delete("/api/v1/namespaces/n").await;
    assert_eq!(ending["status"]["phase"], "Terminating");
    bed.until(&format!("{maps}/free"), 404).await;
    let (code, refused) = bed.post(maps, &map("late", "1")).await;
    assert_eq!((code, &refused["details"]["causes"][0]["reason"]), (403, &json!("NamespaceTerminating")));
    bed.patch(&format!("{maps}/held"), MERGE, &json!({"metadata": {"finalizers": null}})).await;
    bed.until("/api/v1/namespaces/n", 404).await;
    assert_eq!(bed.post("/api/v1/namespaces", &json!({"metadata": {"name": "n"}})).await.0, 201);
    assert_eq!(bed.post(maps, &map("again", "1")).await.0, 201);
}

#[tokio::test]
async fn a_collection_is_deleted_by_selector() {
    let bed = bed().await;
    for (name, label) in [("a", "x"), ("b", "x"), ("c", "y")] {
        let mut object = map(name, "1");
        object["metadata"]["labels"] = json!({"l": label});
        bed.post(MAPS, &object).await;
    }
    let (code, gone) = bed.delete(&format!("{MAPS}?labelSelector=l%3Dx")).await;
    assert_eq!((code, gone["items"].as_array().unwrap().len()), (200, 2));
    assert_eq!(bed.get(MAPS).await.1["items"][0]["metadata"]["name"], "c");
}

#[tokio::test]
async fn deployments_become_available_where_that_is_simulated() {
    let bed = bed_with(|o| o.simulate_deployments = true).await;
    let deployments = "/apis/apps/v1/namespaces/default/deployments";
    let body = json!({"metadata": {"name": "d"}, "spec": {"replicas": 2, "selector": {"matchLabels": {"a": "b"}},
        "template": {"metadata": {"labels": {"a": "b"}}, "spec": {"containers": [{"name": "c", "image": "i"}]}}}});
    let mut watch = bed.watch(&format!("{deployments}?watch=1")).await;
    bed.post(deployments, &body).await;
    let settled = async {
        loop {
            let (_, object) = watch.next().await.unwrap();
            if object["status"]["readyReplicas"] == 2 && object["status"]["observedGeneration"] == 1 {
                return object;
            }
        }
    };
    let object = tokio::time::timeout(LONG, settled).await.unwrap();
    assert_eq!(object["status"]["conditions"][0]["type"], "Available");
}
