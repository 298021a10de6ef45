//! Losing a member, finding it again, changing the way to it, letting it go.

use std::{sync::Arc, time::Duration};

use motet_core::Change;
use motet_watch::CacheState;
use serde_json::json;

use super::fixtures::{Script, Want, World, object, settle};

#[tokio::test(start_paused = true)]
async fn a_pause_keeps_the_store_and_resumes_from_its_version() {
    let world = World::new();
    let listener = world.synced(Want::default(), &[object("n/a", 1, json!({}))]).await;
    world.api.last().upsert(&object("n/b", 107, json!({}))).await;
    listener.heard();
    world.caches.pause();
    settle().await;
    assert_eq!(listener.subscription.state(), CacheState::Paused);
    assert!(world.api.last().is_closed());
    assert!(listener.sees("n/a").is_some());
    let back = Arc::new(Script::default());
    world.caches.resume(back.clone());
    settle().await;
    assert_eq!(back.last().resume.as_deref(), Some("107"));
    assert!(listener.synced());
    back.last().upsert(&object("n/a", 120, json!({"a": 1}))).await;
    assert_eq!(listener.heard(), ["n/a Normal"]);
}

#[tokio::test(start_paused = true)]
async fn a_list_after_a_pause_is_compared_with_what_was_kept() {
    let world = World::new();
    let listener = world.synced(Want::default(), &[object("n/a", 1, json!({})), object("n/b", 1, json!({}))]).await;
    world.caches.pause();
    let back = Arc::new(Script::default());
    world.caches.resume(back.clone());
    settle().await;
    back.last().interrupt("Expired", false).await;
    back.last().list("300", &[object("n/a", 1, json!({}))]).await;
    assert_eq!(listener.heard(), ["n/b High"]);
}

#[tokio::test(start_paused = true)]
async fn a_store_is_given_back_when_its_member_stays_away() {
    let world = World::new();
    let listener = world.synced(Want::default(), &[object("n/a", 1, json!({}))]).await;
    world.caches.pause();
    tokio::time::sleep(Duration::from_secs(14 * 60)).await;
    assert!(listener.sees("n/a").is_some());
    tokio::time::sleep(Duration::from_secs(2 * 60)).await;
    assert!(listener.sees("n/a").is_none());
    assert_eq!((world.caches.snapshot()[0].objects, world.caches.snapshot()[0].bytes), (0, 0));
    let back = Arc::new(Script::default());
    world.caches.resume(back.clone());
    settle().await;
    assert_eq!((listener.subscription.state(), back.last().resume.clone()), (CacheState::Syncing, None));
    back.last().list("300", &[object("n/a", 1, json!({}))]).await;
    assert_eq!(listener.heard(), ["n/a Low"]);
}

#[tokio::test(start_paused = true)]
async fn a_new_connection_takes_over_without_a_gap() {
    let world = World::new();
    let listener = world.synced(Want::default(), &[object("n/a", 1, json!({}))]).await;
    let new = Arc::new(Script::default());
    world.caches.swap_api(new.clone());
    settle().await;
    assert_eq!(new.last().resume.as_deref(), Some("100"));
    assert!(world.api.last().is_closed() && listener.synced());
    let synced = tokio::spawn({
        let caches = world.caches.clone();
        async move { caches.synced_on_current_api().await }
    });
    settle().await;
    assert!(!synced.is_finished());
    new.last().interrupt("Unauthorized", false).await;
    assert!(!synced.is_finished());
    new.last().bookmark("101").await;
    assert!(synced.is_finished());
}

#[tokio::test(start_paused = true)]
async fn a_quiet_stream_is_in_step_once_its_resumed_watch_is_open() {
    let world = World::new();
    let listener = world.synced(Want::default(), &[]).await;
    let new = Arc::new(Script::default());
    world.caches.swap_api(new.clone());
    let synced = tokio::spawn({
        let caches = world.caches.clone();
        async move { caches.synced_on_current_api().await }
    });
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert!(!synced.is_finished(), "nobody knows whether the server took the request");
    new.last().say([Change::Resumed]).await;
    assert!(synced.is_finished());
    // What the server says behind it, that the version is too old, is treated as ever: nothing is lost.
    new.last().interrupt("Expired", false).await;
    new.last().list("300", &[object("n/a", 250, json!({}))]).await;
    assert_eq!(listener.heard(), ["n/a Low"]);
}

#[tokio::test(start_paused = true)]
async fn a_watch_that_is_open_says_nothing_about_how_far_its_server_is() {
    let world = World::new();
    let listener = world.synced(Want::default(), &[object("n/a", 1, json!({}))]).await;
    let new = Arc::new(Script::default());
    world.caches.swap_api(new.clone());
    settle().await;
    let barrier = motet_watch::Barrier {
        name: super::fixtures::name("n/a"),
        uid: "uid-n/a".into(),
        resource_version: "105".into(),
        deleted: false,
    };
    let waiting = tokio::time::timeout(Duration::from_secs(9), listener.subscription.reached(&barrier));
    let stream = new.last();
    let (reached, ()) = tokio::join!(waiting, stream.say([Change::Resumed]));
    assert!(reached.is_err(), "a write that came after the version resumed from is not there yet");
    new.last().bookmark("105").await;
    listener.subscription.reached(&barrier).await;
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_never_works_is_never_in_step() {
    let world = World::new();
    let _listener = world.synced(Want::default(), &[]).await;
    let new = Arc::new(Script::default());
    world.caches.swap_api(new.clone());
    settle().await;
    let synced = tokio::spawn({
        let caches = world.caches.clone();
        async move { caches.synced_on_current_api().await }
    });
    for _ in 0..30 {
        new.last().interrupt("Unauthorized", true).await;
        tokio::time::sleep(Duration::from_secs(2)).await;
    }
    assert!(!synced.is_finished());
    synced.abort();
}

#[tokio::test(start_paused = true)]
async fn closing_frees_everything_and_subscriptions_stay_harmless() {
    let world = World::new();
    let listener = world.synced(Want::default(), &[object("n/a", 1, json!({}))]).await;
    world.caches.close();
    settle().await;
    assert_eq!(listener.subscription.state(), CacheState::Paused);
    assert!(listener.sees("n/a").is_none() && world.api.last().is_closed());
    assert!(world.caches.snapshot().is_empty());
    let late = world.subscribe(Want::default()).await;
    assert_eq!((late.subscription.state(), world.api.count()), (CacheState::Paused, 1));
    assert!(listener.heard().is_empty(), "nothing was deleted, the member is just not ours any more");
}
