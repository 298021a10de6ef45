//! Watches: where they start, what they tell, how they end.

use anyhow::Result;
use http::Method;
use motet_conformance::{Talk, cases};
use serde_json::{Value, json};

use super::tools::with;

cases! { "watches":
    a_watch_from_nowhere_shows_what_is_there, a_watch_from_zero_shows_what_is_there, a_watch_from_a_version_shows_what_came_after, every_write_is_told_in_its_order,
    a_status_write_is_told, a_delete_is_told_with_its_version, objects_enter_and_leave_a_label_selector, objects_enter_and_leave_a_field_selector,
    a_watch_ends_in_time, a_watch_of_one_object, watches_by_old_paths, a_watch_from_a_version_that_is_gone, a_watch_from_a_version_to_come,
    a_streaming_list_is_marked, a_streaming_list_of_nothing, a_streaming_list_from_versions, options_of_streaming_lists_are_checked, options_of_watches_are_checked, a_streaming_list_can_be_declined,
    a_watch_of_metadata, a_watch_over_namespaces, the_end_of_a_namespace_is_told, a_finalizer_is_told, unknown_things_cannot_be_watched, a_watch_of_a_custom_limit,
    bookmarks_come_at_the_end,
}

fn map(name: &str, app: &str) -> Value {
    json!({ "metadata": { "name": name, "labels": { "app": app } }, "data": { "k": "v" } })
}

async fn quiet(talk: &Talk, method: Method, path: &str, body: &Value) -> Result<motet_conformance::talk::Answer> {
    talk.ask(method, path).json(body).unkept().send().await
}

async fn two(talk: &Talk) -> Result<String> {
    talk.namespace().await?;
    let maps = talk.path("v1", "configmaps");
    quiet(talk, Method::POST, &maps, &map("b", "shop")).await?;
    quiet(talk, Method::POST, &maps, &map("a", "bank")).await?;
    // A watch from memory begins with all of them only once memory has them.
    talk.ask(Method::GET, &maps).unkept().send().await?;
    Ok(maps)
}

async fn a_watch_from_nowhere_shows_what_is_there(talk: &Talk) -> Result<()> {
    let maps = two(talk).await?;
    let mut watch = talk.watch(&format!("{maps}?watch=true&timeoutSeconds=20")).await?;
    watch.take(2).await?;
    quiet(talk, Method::POST, &maps, &map("c", "x")).await?;
    watch.take(1).await
}

async fn a_watch_from_zero_shows_what_is_there(talk: &Talk) -> Result<()> {
    let maps = two(talk).await?;
    let mut watch = talk.watch(&format!("{maps}?watch=1&resourceVersion=0&timeoutSeconds=20")).await?;
    watch.take(2).await?;
    quiet(talk, Method::POST, &maps, &map("c", "x")).await?;
    watch.take(1).await
}

/// A watch from a version; the version is not the same on both sides, so the path is noted without it.
async fn a_watch_from_a_version_shows_what_came_after(talk: &Talk) -> Result<()> {
    let maps = two(talk).await?;
    let from = quiet(talk, Method::POST, &maps, &map("c", "x")).await?.version()?;
    quiet(talk, Method::POST, &maps, &map("d", "x")).await?;
    talk.ask(Method::DELETE, &format!("{maps}/c")).unkept().send().await?;
    let mut watch = talk.watch_from(&format!("{maps}?watch=true&timeoutSeconds=20"), &from).await?;
    watch.take(2).await
}

async fn every_write_is_told_in_its_order(talk: &Talk) -> Result<()> {
    let maps = two(talk).await?;
    let mut watch = talk.watch(&format!("{maps}?watch=true&timeoutSeconds=20&resourceVersion=0")).await?;
    watch.take(2).await?;
    let made = talk.post(&maps, &map("c", "x")).await?;
    talk.put(&format!("{maps}/c"), &with(&made.body, &[("/data/k", json!("w"))])).await?;
    talk.patch(&format!("{maps}/c"), motet_conformance::talk::patch::MERGE, &json!({ "data": { "l": "m" } })).await?;
    talk.apply(
        &format!("{maps}/d"),
        "m",
        &json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": "d" }, "data": { "x": "y" } }),
    )
    .await?;
    talk.put(
        &format!("{maps}/c?dryRun=All"),
        &with(&made.body, &[("/metadata/resourceVersion", Value::Null), ("/data/k", json!("dry"))]),
    )
    .await?;
    talk.delete(&format!("{maps}/c")).await?;
    talk.post(&maps, &map("c", "again")).await?;
    talk.delete(&format!("{maps}?labelSelector=app")).await?;
    watch.take(6).await?;
    watch.take(3).await
}

async fn a_status_write_is_told(talk: &Talk) -> Result<()> {
    talk.namespace().await?;
    let path = talk.path("apps/v1", "deployments");
    let mut watch = talk.watch(&format!("{path}?watch=true&timeoutSeconds=20")).await?;
    let spec = json!({ "selector": { "matchLabels": { "a": "b" } }, "template": { "metadata": { "labels": { "a": "b" } }, "spec": { "containers": [{ "name": "c", "image": "i" }] } } });
    let made = talk.post(&path, &json!({ "metadata": { "name": "d" }, "spec": spec })).await?;
    let made = talk.put(&format!("{path}/d/status"), &with(&made.body, &[("/status/replicas", json!(1))])).await?;
    talk.put(&format!("{path}/d/status"), &made.body).await?;
    let scale = talk.get(&format!("{path}/d/scale")).await?;
    talk.put(&format!("{path}/d/scale"), &with(&scale.body, &[("/spec/replicas", json!(2))])).await?;
    watch.take(3).await
}

async fn a_delete_is_told_with_its_version(talk: &Talk) -> Result<()> {
    let maps = two(talk).await?;
    let mut watch = talk.watch(&format!("{maps}?watch=true&timeoutSeconds=20")).await?;
    let first = watch.next().await?;
    watch.next().await?;
    talk.ask(Method::DELETE, &format!("{maps}/a")).unkept().send().await?;
    let last = watch.next().await?;
    let version = |event: &Value| {
        event["object"]["metadata"]["resourceVersion"].as_str().and_then(|v| v.parse::<u64>().ok()).unwrap_or(0)
    };
    talk.note("newer", version(&last) > version(&first));
    Ok(())
}

async fn objects_enter_and_leave_a_label_selector(talk: &Talk) -> Result<()> {
    let maps = two(talk).await?;
    let mut watch = talk.watch(&format!("{maps}?watch=true&timeoutSeconds=20&labelSelector=app%3Dshop")).await?;
    watch.take(1).await?;
    for app in ["bank", "shop", "shop", "none"] {
        talk.put(&format!("{maps}/b"), &with(&map("b", app), &[("/data/k", json!(app))])).await?;
    }
    talk.put(&format!("{maps}/a"), &map("a", "shop")).await?;
    talk.put(&format!("{maps}/a"), &with(&map("a", "shop"), &[("/data/k", json!("more"))])).await?;
    talk.delete(&format!("{maps}/a")).await?;
    talk.delete(&format!("{maps}/b")).await?;
    talk.post(&maps, &map("z", "shop")).await?;
    watch.take(7).await
}

async fn objects_enter_and_leave_a_field_selector(talk: &Talk) -> Result<()> {
    talk.namespace().await?;
    let pods = talk.path("v1", "pods");
    let mut watch =
        talk.watch(&format!("{pods}?watch=true&timeoutSeconds=20&fieldSelector=status.phase%3DPending")).await?;
    let made = talk
        .post(&pods, &json!({ "metadata": { "name": "p" }, "spec": { "containers": [{ "name": "c", "image": "i" }] } }))
        .await?;
    let running = with(&made.body, &[("/status/phase", json!("Running")), ("/metadata/resourceVersion", Value::Null)]);
    talk.put(&format!("{pods}/p/status"), &running).await?;
    talk.put(&format!("{pods}/p/status"), &with(&running, &[("/status/phase", json!("Pending"))])).await?;
    talk.delete(&format!("{pods}/p")).await?;
    watch.take(4).await
}

async fn a_watch_ends_in_time(talk: &Talk) -> Result<()> {
    let maps = two(talk).await?;
    let mut watch = talk.watch(&format!("{maps}?watch=true&timeoutSeconds=1")).await?;
    watch.rest().await
}

async fn bookmarks_come_at_the_end(talk: &Talk) -> Result<()> {
    let maps = two(talk).await?;
    let mut watch =
        talk.watch(&format!("{maps}?watch=true&timeoutSeconds=4&allowWatchBookmarks=true&resourceVersion=0")).await?;
    watch.take(3).await
}

async fn a_watch_of_one_object(talk: &Talk) -> Result<()> {
    let maps = two(talk).await?;
    let mut watch = talk.watch(&format!("{maps}?watch=true&timeoutSeconds=20&fieldSelector=metadata.name%3Db")).await?;
    watch.take(1).await?;
    talk.put(&format!("{maps}/a"), &map("a", "new")).await?;
    talk.put(&format!("{maps}/b"), &map("b", "new")).await?;
    talk.delete(&format!("{maps}/b")).await?;
    watch.take(2).await?;
    let mut single = talk.watch(&format!("{maps}/a?watch=true&timeoutSeconds=2")).await?;
    single.rest().await?;
    let mut none = talk.watch(&format!("{maps}/none?watch=true&timeoutSeconds=1")).await?;
    none.rest().await
}

async fn watches_by_old_paths(talk: &Talk) -> Result<()> {
    two(talk).await?;
    let mut all = talk.watch(&format!("/api/v1/watch/namespaces/{}/configmaps?timeoutSeconds=2", talk.id())).await?;
    all.rest().await?;
    let mut one = talk.watch(&format!("/api/v1/watch/namespaces/{}/configmaps/a?timeoutSeconds=2", talk.id())).await?;
    one.rest().await?;
    let mut selected = talk.watch("/api/v1/watch/configmaps?timeoutSeconds=1&labelSelector=none%3Dsuch").await?;
    selected.rest().await?;
    let mut namespace = talk.watch(&format!("/api/v1/watch/namespaces/{}?timeoutSeconds=1", talk.id())).await?;
    namespace.rest().await?;
    let mut apps =
        talk.watch(&format!("/apis/apps/v1/watch/namespaces/{}/deployments?timeoutSeconds=1", talk.id())).await?;
    apps.rest().await
}

async fn a_watch_from_a_version_that_is_gone(talk: &Talk) -> Result<()> {
    let maps = two(talk).await?;
    let mut watch = talk.watch(&format!("{maps}?watch=true&timeoutSeconds=5&resourceVersion=2")).await?;
    watch.rest().await
}

async fn a_watch_from_a_version_to_come(talk: &Talk) -> Result<()> {
    let maps = two(talk).await?;
    let mut watch = talk.watch(&format!("{maps}?watch=true&timeoutSeconds=1&resourceVersion=99999999")).await?;
    watch.rest().await
}

const STREAM: &str = "watch=true&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&timeoutSeconds=20";

async fn a_streaming_list_is_marked(talk: &Talk) -> Result<()> {
    let maps = two(talk).await?;
    let mut watch = talk.watch(&format!("{maps}?{STREAM}&allowWatchBookmarks=true")).await?;
    watch.take(3).await?;
    talk.post(&maps, &map("c", "x")).await?;
    watch.change().await?;
    let mut selected =
        talk.watch(&format!("{maps}?{STREAM}&allowWatchBookmarks=true&labelSelector=app%3Dshop")).await?;
    selected.take(2).await
}

async fn a_streaming_list_of_nothing(talk: &Talk) -> Result<()> {
    talk.namespace().await?;
    let mut watch = talk.watch(&format!("{}?{STREAM}&allowWatchBookmarks=true", talk.path("v1", "secrets"))).await?;
    watch.take(1).await?;
    let mut leases = talk
        .watch(&format!("{}?{STREAM}&allowWatchBookmarks=true", talk.path("coordination.k8s.io/v1", "leases")))
        .await?;
    leases.take(1).await
}

async fn a_streaming_list_from_versions(talk: &Talk) -> Result<()> {
    let maps = two(talk).await?;
    for version in ["0", "1"] {
        let mut watch =
            talk.watch(&format!("{maps}?{STREAM}&allowWatchBookmarks=true&resourceVersion={version}")).await?;
        watch.take(3).await?;
    }
    let mut far = talk.watch(&format!("{maps}?{STREAM}&allowWatchBookmarks=true&resourceVersion=99999999")).await?;
    far.rest().await
}

async fn a_streaming_list_can_be_declined(talk: &Talk) -> Result<()> {
    let maps = two(talk).await?;
    let from = talk.get(&maps).await?.version()?;
    let mut watch = talk
        .watch_from(
            &format!("{maps}?watch=true&sendInitialEvents=false&resourceVersionMatch=NotOlderThan&timeoutSeconds=20"),
            &from,
        )
        .await?;
    talk.post(&maps, &map("c", "x")).await?;
    watch.take(1).await?;
    let mut nowhere = talk
        .watch(&format!("{maps}?watch=true&sendInitialEvents=false&resourceVersionMatch=NotOlderThan&timeoutSeconds=2"))
        .await?;
    nowhere.rest().await
}

async fn options_of_streaming_lists_are_checked(talk: &Talk) -> Result<()> {
    let maps = two(talk).await?;
    for query in [
        "sendInitialEvents=true",
        "sendInitialEvents=true&resourceVersionMatch=Exact",
        "sendInitialEvents=true&resourceVersionMatch=Exact&resourceVersion=5",
        "sendInitialEvents=true&resourceVersionMatch=NotOlderThan&continue=x",
        "sendInitialEvents=true&resourceVersionMatch=NotOlderThan&resourceVersion=x",
        "sendInitialEvents=true&resourceVersion=1",
        "sendInitialEvents=x&resourceVersionMatch=NotOlderThan",
        "sendInitialEvents=true&resourceVersionMatch=NotOlderThan&limit=1",
        "sendInitialEvents=false",
        "resourceVersionMatch=NotOlderThan",
        "resourceVersionMatch=Exact&resourceVersion=5",
    ] {
        let mut watch = talk.watch(&format!("{maps}?watch=true&timeoutSeconds=1&{query}")).await?;
        watch.rest().await?;
    }
    Ok(())
}

async fn options_of_watches_are_checked(talk: &Talk) -> Result<()> {
    let maps = two(talk).await?;
    for query in [
        "resourceVersion=x",
        "resourceVersion=-1",
        "timeoutSeconds=x",
        "labelSelector=a%20b",
        "fieldSelector=data%3Dx",
        "continue=x",
        "limit=1",
        "allowWatchBookmarks=x",
    ] {
        let mut watch = talk.watch(&format!("{maps}?watch=true&timeoutSeconds=1&{query}")).await?;
        watch.rest().await?;
    }
    Ok(())
}

async fn a_watch_of_metadata(talk: &Talk) -> Result<()> {
    let maps = two(talk).await?;
    let accept = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1";
    let mut watch = talk.watch_as(&format!("{maps}?{STREAM}&allowWatchBookmarks=true"), accept).await?;
    watch.take(3).await?;
    talk.ask(Method::DELETE, &format!("{maps}/a")).unkept().send().await?;
    watch.change().await?;
    Ok(())
}

async fn a_watch_over_namespaces(talk: &Talk) -> Result<()> {
    talk.namespace().await?;
    let maps = talk.path("v1", "configmaps");
    let mut watch = talk
        .watch(&format!("/api/v1/configmaps?watch=true&timeoutSeconds=20&labelSelector=app%3D{}", talk.id()))
        .await?;
    talk.post(&maps, &map("one", talk.id())).await?;
    talk.post("/api/v1/namespaces/default/configmaps", &map(&format!("{}-w", talk.id()), talk.id())).await?;
    watch.take(2).await
}

async fn the_end_of_a_namespace_is_told(talk: &Talk) -> Result<()> {
    let maps = two(talk).await?;
    let mut watch = talk.watch(&format!("{maps}?watch=true&timeoutSeconds=60&labelSelector=app%3Dshop")).await?;
    let mut namespace = talk
        .watch(&format!("/api/v1/namespaces?watch=true&timeoutSeconds=60&fieldSelector=metadata.name%3D{}", talk.id()))
        .await?;
    watch.take(1).await?;
    namespace.take(1).await?;
    talk.delete(&format!("/api/v1/namespaces/{}", talk.id())).await?;
    watch.take(1).await?;
    namespace.take(1).await?;
    let mut last = namespace.peek().await?;
    while last["type"] != "DELETED" {
        last = namespace.peek().await?;
    }
    talk.note("the last event", last["object"]["status"]["phase"].clone());
    talk.note("with finalizers", last["object"]["spec"].clone());
    Ok(())
}

async fn a_finalizer_is_told(talk: &Talk) -> Result<()> {
    let maps = two(talk).await?;
    let mut watch = talk.watch(&format!("{maps}?watch=true&timeoutSeconds=20&fieldSelector=metadata.name%3Da")).await?;
    watch.take(1).await?;
    let merge = motet_conformance::talk::patch::MERGE;
    talk.patch(&format!("{maps}/a"), merge, &json!({ "metadata": { "finalizers": ["x.y/z"] } })).await?;
    talk.delete(&format!("{maps}/a")).await?;
    talk.patch(&format!("{maps}/a"), merge, &json!({ "metadata": { "finalizers": null } })).await?;
    watch.take(3).await
}

async fn unknown_things_cannot_be_watched(talk: &Talk) -> Result<()> {
    for path in ["/api/v1/nonsense?watch=true", "/apis/none.example.com/v1/x?watch=true"] {
        talk.watch(path).await?;
    }
    Ok(())
}

async fn a_watch_of_a_custom_limit(talk: &Talk) -> Result<()> {
    let maps = two(talk).await?;
    let mut watch = talk.watch(&format!("{maps}?watch=true&timeoutSeconds=1&limit=1")).await?;
    watch.rest().await
}
