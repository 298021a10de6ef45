//! Full lists over a store that is there: what changed, what is gone, what it costs.

use motet_core::{Change, description::Trigger};
use motet_watch::CacheState;
use serde_json::json;

use super::fixtures::{Want, World, bytes, object};

#[tokio::test(start_paused = true)]
async fn a_relist_enqueues_only_what_changed_and_loses_no_deletion() {
    let world = World::new();
    let before = ["same", "changed", "gone", "again"].map(|name| object(&format!("n/{name}"), 1, json!({"a": 1})));
    let listener = world.synced(Want { trigger: Trigger::Any, ..Want::default() }, &before).await;
    let after = [
        object("n/same", 1, json!({"a": 1})),
        object("n/changed", 150, json!({"a": 2})),
        object("n/again", 151, json!({"a": 1, "metadata": {"uid": "another"}})),
        object("n/new", 152, json!({"a": 1})),
    ];
    world.api.last().list("200", &after).await;
    assert_eq!(listener.heard(), ["n/again Low", "n/changed Low", "n/gone High", "n/new Low"]);
    assert!(listener.sees("n/gone").is_none());
}

#[tokio::test(start_paused = true)]
async fn what_was_there_is_served_until_the_list_is_complete() {
    let world = World::new();
    let listener = world.synced(Want::default(), &[object("n/a", 1, json!({})), object("n/b", 1, json!({}))]).await;
    let stream = world.api.last();
    stream.say([Change::Reset, Change::Initial(bytes(&object("n/a", 1, json!({}))))]).await;
    assert!(listener.synced() && listener.sees("n/b").is_some());
    stream.interrupt("Closed", false).await;
    stream.say([Change::Reset, Change::Initial(bytes(&object("n/b", 1, json!({}))))]).await;
    stream.say([Change::Synced { resource_version: "200".into() }]).await;
    assert_eq!(listener.heard(), ["n/a High"], "only the list that was completed counts");
}

#[tokio::test(start_paused = true)]
async fn a_list_of_lower_versions_is_taken_as_it_is() {
    let world = World::new();
    let listener = world.synced(Want::default(), &[object("n/a", 90, json!({"a": 2}))]).await;
    world.api.last().list("50", &[object("n/a", 40, json!({"a": 1}))]).await;
    assert_eq!(listener.sees("n/a").unwrap()["a"], 1, "an etcd was restored");
    assert_eq!(listener.heard(), ["n/a Low"]);
}

#[tokio::test(start_paused = true)]
async fn a_relist_never_holds_two_copies() {
    let world = World::new();
    let fill = |version: u64| {
        (0..2000).map(move |i| object(&format!("n/{i:04}"), version + i, json!({"spec": {"n": i, "v": version}})))
    };
    let _listener = world.synced(Want::default(), &fill(1).collect::<Vec<_>>()).await;
    let steady = world.caches.snapshot()[0].bytes;
    let stream = world.api.last();
    stream.say([Change::Reset]).await;
    let mut peak = 0;
    let objects: Vec<_> = fill(10_000).collect();
    for chunk in objects.chunks(100) {
        stream.say(chunk.iter().map(|o| Change::Initial(bytes(o)))).await;
        peak = peak.max(world.caches.snapshot()[0].bytes);
    }
    stream.say([Change::Synced { resource_version: "20000".into() }]).await;
    assert!(peak * 10 <= steady * 12, "{peak} bytes at the peak of a relist, {steady} before");
    assert_eq!(world.caches.snapshot()[0].objects, 2000);
}

#[tokio::test(start_paused = true)]
async fn interruptions_are_counted_by_reason_and_what_is_malformed_is_left_out() {
    let world = World::new();
    let listener = world.synced(Want::default(), &[]).await;
    let stream = world.api.last();
    stream.interrupt("Closed", false).await;
    stream.interrupt("Closed", false).await;
    stream.interrupt("KindMissing", true).await;
    assert!(matches!(listener.subscription.state(), CacheState::Blocked { reason: "KindMissing", .. }));
    stream.say([Change::Upsert(bytes(&json!("no object")))]).await;
    stream.upsert(&object("n/a", 101, json!({}))).await;
    assert!(listener.synced(), "the kind came back");
    let status = &world.caches.snapshot()[0];
    assert_eq!(
        status.restarts.iter().map(|(r, n)| (*r, *n)).collect::<Vec<_>>(),
        [("Closed", 2), ("KindMissing", 1), ("Malformed", 1)]
    );
    assert_eq!((status.objects, status.subscribers, status.synced, &status.blocked), (1, 1, true, &None));
}
