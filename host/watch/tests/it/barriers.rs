//! Waiting to see one's own writes.

use std::time::Duration;

use motet_watch::{Barrier, Subscription};
use serde_json::json;

use super::fixtures::{Want, World, name, object, settle};

fn write(version: &str) -> Barrier {
    Barrier { name: name("n/x"), uid: "uid-n/x".into(), resource_version: version.into(), deleted: false }
}

fn deletion(uid: &str) -> Barrier {
    Barrier { uid: uid.into(), deleted: true, ..write("1") }
}

/// Whether waiting ends without anything happening.
async fn shown(subscription: &Subscription, barrier: &Barrier) -> bool {
    tokio::time::timeout(Duration::from_millis(1), subscription.reached(barrier)).await.is_ok()
}

#[tokio::test(start_paused = true)]
async fn a_write_shows_with_an_event_or_a_bookmark_at_or_past_its_version() {
    let world = World::new();
    let listener = world.synced(Want::default(), &[object("n/x", 1, json!({}))]).await;
    let stream = world.api.last();
    assert!(shown(&listener.subscription, &write("100")).await, "the list was as of 100");
    assert!(!shown(&listener.subscription, &write("105")).await);
    stream.upsert(&object("n/other", 104, json!({}))).await;
    assert!(!shown(&listener.subscription, &write("105")).await);
    stream.upsert(&object("n/x", 105, json!({}))).await;
    assert!(shown(&listener.subscription, &write("105")).await);
    assert!(!shown(&listener.subscription, &write("110")).await);
    stream.bookmark("112").await;
    assert!(shown(&listener.subscription, &write("110")).await);
}

#[tokio::test(start_paused = true)]
async fn one_who_waits_is_woken() {
    let world = World::new();
    let listener = world.synced(Want::default(), &[]).await;
    let subscription = std::sync::Arc::new(listener);
    let waiting = tokio::spawn({
        let listener = subscription.clone();
        async move { listener.subscription.reached(&write("150")).await }
    });
    settle().await;
    assert!(!waiting.is_finished());
    world.api.last().upsert(&object("n/x", 150, json!({}))).await;
    assert!(waiting.is_finished());
}

#[tokio::test(start_paused = true)]
async fn a_deletion_shows_when_its_uid_is_gone() {
    let world = World::new();
    let listener = world.synced(Want::default(), &[object("n/x", 1, json!({}))]).await;
    assert!(!shown(&listener.subscription, &deletion("uid-n/x")).await);
    assert!(shown(&listener.subscription, &deletion("another")).await);
    world.api.last().delete(&object("n/x", 101, json!({}))).await;
    assert!(shown(&listener.subscription, &deletion("uid-n/x")).await);
}

#[tokio::test(start_paused = true)]
async fn waiting_ends_where_it_would_be_in_vain() {
    let world = World::new();
    let listener = std::sync::Arc::new(world.synced(Want::default(), &[object("n/x", 1, json!({}))]).await);
    assert!(shown(&listener.subscription, &write("opaque")).await, "a version that is no number");
    for end in ["relist", "pause"] {
        let waiting = tokio::spawn({
            let listener = listener.clone();
            async move { listener.subscription.reached(&write("500")).await }
        });
        settle().await;
        assert!(!waiting.is_finished());
        match end {
            "relist" => world.api.last().list("50", &[]).await,
            _ => world.caches.pause(),
        }
        settle().await;
        assert!(waiting.is_finished(), "{end}");
    }
    assert!(shown(&listener.subscription, &write("500")).await, "paused");
}

#[tokio::test(start_paused = true)]
async fn a_list_that_goes_on_from_where_the_cache_was_ends_no_wait() {
    let world = World::new();
    let listener = std::sync::Arc::new(world.synced(Want::default(), &[object("n/x", 1, json!({}))]).await);
    let waiting = tokio::spawn({
        let listener = listener.clone();
        async move { listener.subscription.reached(&write("150")).await }
    });
    settle().await;
    // Taken before the write, and complete after it: the key would run without its own write, and write it again.
    world.api.last().list("149", &[object("n/x", 1, json!({}))]).await;
    settle().await;
    assert!(!waiting.is_finished());
    world.api.last().upsert(&object("n/x", 150, json!({}))).await;
    settle().await;
    assert!(waiting.is_finished());
}
