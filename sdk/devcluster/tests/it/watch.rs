//! Watches: where they start, what they tell, how they end.

use std::time::Duration;

use serde_json::json;

use crate::client::{MAPS, MERGE, bed, bed_with, map, version};

fn told(kind: &str, name: &str) -> (String, String) {
    (kind.to_owned(), name.to_owned())
}

#[tokio::test]
async fn a_watch_tells_what_comes_after_its_version() {
    let bed = bed().await;
    let (_, a) = bed.post(MAPS, &map("a", "1")).await;
    bed.post(MAPS, &map("b", "1")).await;
    let mut from_a = bed.watch(&format!("{MAPS}?watch=1&resourceVersion={}", version(&a))).await;
    assert_eq!(from_a.named().await, told("ADDED", "b"));
    bed.patch(&format!("{MAPS}/a"), MERGE, &json!({"data": {"v": "2"}})).await;
    assert_eq!(from_a.named().await, told("MODIFIED", "a"));
    bed.delete(&format!("{MAPS}/a")).await;
    let (kind, gone) = from_a.next().await.unwrap();
    assert_eq!(kind, "DELETED");
    let (_, list) = bed.get(MAPS).await;
    assert_eq!(version(&gone), version(&list), "a deletion has a version of its own");
    for any in ["", "&resourceVersion=0"] {
        let mut whole = bed.watch(&format!("{MAPS}?watch=true{any}")).await;
        assert_eq!(whole.named().await, told("ADDED", "b"));
    }
}

#[tokio::test]
async fn objects_enter_and_leave_a_selector() {
    let bed = bed().await;
    bed.post(MAPS, &map("a", "1")).await;
    let mut watch = bed.watch(&format!("{MAPS}?watch=1&labelSelector=x%3Dy")).await;
    let path = format!("{MAPS}/a");
    bed.patch(&path, MERGE, &json!({"metadata": {"labels": {"x": "y"}}})).await;
    assert_eq!(watch.named().await, told("ADDED", "a"));
    bed.patch(&path, MERGE, &json!({"data": {"v": "2"}})).await;
    assert_eq!(watch.named().await, told("MODIFIED", "a"));
    let (_, left) = bed.patch(&path, MERGE, &json!({"metadata": {"labels": {"x": null}}})).await;
    let (kind, object) = watch.next().await.unwrap();
    assert_eq!((kind.as_str(), &object["metadata"]["labels"]["x"]), ("DELETED", &json!("y")));
    assert_eq!(version(&object), version(&left));
}

#[tokio::test]
async fn a_streaming_list_ends_with_its_mark_and_goes_on() {
    let bed = bed().await;
    bed.post(MAPS, &map("a", "1")).await;
    let query = "watch=1&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true";
    let mut watch = bed.watch(&format!("{MAPS}?{query}")).await;
    assert_eq!(watch.named().await, told("ADDED", "a"));
    let (kind, mark) = watch.next().await.unwrap();
    assert_eq!(kind, "BOOKMARK");
    assert_eq!(mark["metadata"]["annotations"], json!({"k8s.io/initial-events-end": "true"}));
    assert_eq!((&mark["kind"], &mark["apiVersion"]), (&json!("ConfigMap"), &json!("v1")));
    bed.post(MAPS, &map("b", "1")).await;
    assert_eq!(watch.named().await, told("ADDED", "b"));
    for wrong in [
        "sendInitialEvents=true",
        "resourceVersionMatch=NotOlderThan",
        "sendInitialEvents=true&resourceVersionMatch=Exact",
    ] {
        let (code, refused) = bed.get(&format!("{MAPS}?watch=1&{wrong}")).await;
        assert_eq!((code, refused["reason"].as_str()), (422, Some("Invalid")), "{wrong}");
    }
}

#[tokio::test]
async fn bookmarks_come_to_idle_watches_and_move_on() {
    let bed = bed_with(|o| o.bookmark_every = Duration::from_millis(20)).await;
    let (_, list) = bed.get(MAPS).await;
    let mut watch =
        bed.watch(&format!("{MAPS}?watch=1&allowWatchBookmarks=true&resourceVersion={}", version(&list))).await;
    let (_, secret) = bed.post("/api/v1/namespaces/default/secrets", &json!({"metadata": {"name": "s"}})).await;
    loop {
        let (kind, mark) = watch.next().await.unwrap();
        assert_eq!(kind, "BOOKMARK");
        if version(&mark) >= version(&secret) {
            break;
        }
    }
}

#[tokio::test]
async fn history_that_is_gone_is_a_410_inside_the_stream() {
    let bed = bed_with(|o| o.history = 2).await;
    let (_, first) = bed.post(MAPS, &map("a", "1")).await;
    for value in ["2", "3", "4"] {
        bed.patch(&format!("{MAPS}/a"), MERGE, &json!({"data": {"v": value}})).await;
    }
    let mut late = bed.watch(&format!("{MAPS}?watch=1&resourceVersion={}", version(&first))).await;
    let (kind, status) = late.next().await.unwrap();
    assert_eq!((kind.as_str(), &status["code"], &status["reason"]), ("ERROR", &json!(410), &json!("Expired")));
    assert!(late.next().await.is_none());
    let (_, list) = bed.get(MAPS).await;
    let mut open = bed.watch(&format!("{MAPS}?watch=1&resourceVersion={}", version(&list))).await;
    bed.cluster.expire_watches();
    assert_eq!(open.next().await.unwrap().1["code"], 410);
    bed.cluster.faults().expire_by_status(true);
    assert_eq!(bed.get(&format!("{MAPS}?watch=1&resourceVersion={}", version(&first))).await.0, 410);
}

#[tokio::test]
async fn a_watch_ends_at_its_timeout_and_sees_one_name() {
    let bed = bed().await;
    bed.post(MAPS, &map("a", "1")).await;
    bed.post(MAPS, &map("b", "1")).await;
    let mut watch = bed.watch(&format!("{MAPS}?watch=1&timeoutSeconds=1&fieldSelector=metadata.name%3Db")).await;
    assert_eq!(watch.named().await, told("ADDED", "b"));
    assert!(watch.next().await.is_none());
}
