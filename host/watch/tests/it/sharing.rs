//! One stream whoever subscribes: joining late, leaving, scopes inside wider ones, several namespaces.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use motet_core::{
    Priority,
    description::{Scope, Trigger},
};
use motet_watch::{CacheState, Map, SubscribeSpec};
use serde_json::json;

use super::fixtures::{Want, World, object, plugin, settle, things};

fn labelled(labels: &str) -> Want {
    Want { scope: Scope { labels: labels.into(), ..Scope::default() }, ..Want::default() }
}

fn in_namespaces(namespaces: &[&str]) -> Want {
    let namespaces = namespaces.iter().map(|n| (*n).to_owned()).collect();
    Want { scope: Scope { namespaces, ..Scope::default() }, ..Want::default() }
}

#[tokio::test(start_paused = true)]
async fn subscribers_share_a_stream_and_a_late_one_hears_what_is_there() {
    let world = World::new();
    let first = world.synced(Want::default(), &[object("n/a", 1, json!({})), object("n/b", 2, json!({}))]).await;
    let late = world.subscribe(Want { plugin: "late", ..Want::default() }).await;
    assert_eq!(world.api.count(), 1);
    assert!(late.synced());
    assert_eq!(late.heard(), ["n/a Low", "n/b Low"]);
    assert!(first.heard().is_empty(), "nobody else hears of it");
    world.api.last().upsert(&object("n/a", 101, json!({"spec": 1}))).await;
    assert_eq!((first.heard(), late.heard()), (vec!["n/a Normal".into()], vec!["n/a Normal".into()]));
}

#[tokio::test(start_paused = true)]
async fn subscribers_that_come_together_share_the_first_list() {
    let world = World::new();
    let spec = world.subscribe(Want { projection: Some(vec!["/spec"]), ..Want::default() });
    let status = world.subscribe(Want { projection: Some(vec!["/status"]), ..Want::default() });
    let (spec, status) = tokio::join!(spec, status);
    assert_eq!(world.api.count(), 1);
    world.api.last().list("9", &[object("n/a", 1, json!({"spec": 1, "status": 2}))]).await;
    assert!(spec.synced() && status.synced());
    assert_eq!(world.api.count(), 1);
    assert_eq!(spec.sees("n/a").unwrap().get("status"), None);
    assert_eq!(status.sees("n/a").unwrap()["status"], 2);
}

#[tokio::test(start_paused = true)]
async fn the_last_to_leave_ends_the_stream() {
    let world = World::new();
    let first = world.synced(Want::default(), &[object("n/a", 1, json!({}))]).await;
    let second = world.subscribe(Want::default()).await;
    drop(first);
    settle().await;
    assert!(!world.api.last().is_closed());
    world.api.last().upsert(&object("n/a", 101, json!({"spec": 1}))).await;
    drop(second);
    settle().await;
    assert!(world.api.last().is_closed());
    assert!(world.caches.snapshot().is_empty());
    let again = world.subscribe(Want::default()).await;
    assert_eq!((world.api.count(), again.subscription.state()), (2, CacheState::Syncing));
}

#[tokio::test(start_paused = true)]
async fn a_selected_scope_is_served_from_a_wider_cache() {
    let world = World::new();
    let edge = json!({"metadata": {"labels": {"tier": "edge"}}});
    let core = json!({"metadata": {"labels": {"tier": "core"}}});
    let all = world.synced(Want::default(), &[object("n/a", 1, edge.clone()), object("n/b", 2, core.clone())]).await;
    let selected = world.subscribe(labelled("tier=edge")).await;
    assert_eq!((world.api.count(), selected.heard()), (1, vec!["n/a Low".to_owned()]));
    assert!(selected.sees("n/b").is_none() && all.sees("n/b").is_some());
    let stream = world.api.last();
    stream.upsert(&object("n/b", 101, edge)).await;
    assert_eq!(selected.heard(), ["n/b Normal"], "it came into scope");
    stream.upsert(&object("n/a", 102, core)).await;
    assert_eq!(selected.heard(), ["n/a High"], "it left: to this primary's plugin it is gone");
    stream.delete(&object("n/a", 103, json!({}))).await;
    assert!(selected.heard().is_empty());
    assert!(!selected.subscription.covers(None));
}

#[tokio::test(start_paused = true)]
async fn a_wider_scope_has_its_own_stream() {
    let world = World::new();
    let narrow = world.synced(labelled("a=b"), &[]).await;
    assert_eq!(world.api.last().scope.labels, "a=b");
    let wide = world.synced(Want::default(), &[object("n/x", 1, json!({}))]).await;
    assert_eq!(world.api.count(), 2);
    assert!(narrow.sees("n/x").is_none() && wide.sees("n/x").is_some());
}

#[tokio::test(start_paused = true)]
async fn several_namespaces_are_one_stream_each_behind_one_subscription() {
    let world = World::new();
    let both = world.subscribe(in_namespaces(&["b", "a"])).await;
    assert_eq!(world.api.count(), 2);
    assert_eq!(world.api.nth(0).scope.namespaces, ["b"]);
    world.api.nth(0).list("5", &[object("b/x", 1, json!({}))]).await;
    assert_eq!(both.subscription.state(), CacheState::Syncing, "one of two");
    world.api.nth(1).list("6", &[object("a/y", 2, json!({}))]).await;
    assert!(both.synced());
    assert_eq!(both.heard(), ["a/y Low", "b/x Low"]);
    assert!(
        both.subscription.covers(Some("a")) && !both.subscription.covers(Some("c")) && !both.subscription.covers(None)
    );
    let one = world.subscribe(in_namespaces(&["a"])).await;
    assert_eq!((world.api.count(), one.heard()), (2, vec!["a/y Low".to_owned()]));
}

#[tokio::test(start_paused = true)]
async fn what_is_forbidden_everywhere_may_be_allowed_in_one_namespace() {
    let world = World::new();
    let all = world.subscribe(Want::default()).await;
    world.api.last().interrupt("Forbidden", true).await;
    let CacheState::Blocked { reason, message } = all.subscription.state() else { panic!("blocked") };
    assert_eq!((reason, message.as_str()), ("Forbidden", "Forbidden happened"));
    let one = world.subscribe(in_namespaces(&["n"])).await;
    assert_eq!(world.api.last().scope.namespaces, ["n"]);
    world.api.last().list("5", &[]).await;
    assert!(one.synced());
    world.api.nth(0).list("5", &[]).await;
    assert!(all.synced(), "it was allowed later");
}

#[tokio::test(start_paused = true)]
async fn a_replay_maps_everything_again_and_stops_when_its_subscriber_leaves() {
    let world = World::new();
    let objects: Vec<_> = (0..1000).map(|i| object(&format!("n/{i:04}"), i + 1, json!({}))).collect();
    let listener = world.synced(Want::default(), &objects).await;
    listener.subscription.replay(Priority::High);
    settle().await;
    assert_eq!(listener.heard().len(), 1000);
    listener.subscription.replay(Priority::High);
    drop(listener);
    tokio::time::sleep(Duration::from_secs(1)).await;
}

#[tokio::test(start_paused = true)]
async fn a_subscriber_that_panics_is_out_and_the_others_go_on() {
    let world = World::new();
    let sound = world.synced(Want::default(), &[object("n/a", 1, json!({}))]).await;
    let keys = Arc::new(AtomicUsize::new(0));
    let taken = keys.clone();
    let spec = SubscribeSpec {
        plugin: plugin("fragile"),
        scope: Scope::default(),
        projection: None,
        trigger: Trigger::Any,
        map: Map::Primary,
        sink: Arc::new(move |target, _| {
            assert!(target.to_string() != "n/bad", "as bugs do");
            taken.fetch_add(1, Ordering::Relaxed);
        }),
    };
    let fragile = world.caches.subscribe(&things(), spec.clone());
    settle().await;
    assert_eq!((fragile.state(), keys.load(Ordering::Relaxed)), (CacheState::Synced, 1));
    let stream = world.api.last();
    stream.upsert(&object("n/bad", 101, json!({}))).await;
    stream.upsert(&object("n/b", 102, json!({}))).await;
    assert_eq!(sound.heard(), ["n/b Normal", "n/bad Normal"]);
    assert!(sound.synced());
    let CacheState::Blocked { reason: "SubscriberFailed", message } = fragile.state() else { panic!() };
    assert!(message.contains("fragile"), "{message}");
    assert_eq!((keys.load(Ordering::Relaxed), world.caches.snapshot()[0].subscribers), (1, 1));
    // The handle outlives the failure, and a new subscription starts over; it fails while it is shown what is there.
    let anew = world.caches.subscribe(&things(), spec);
    settle().await;
    assert!(matches!(anew.state(), CacheState::Blocked { .. }));
    drop((fragile, anew));
    assert!(sound.synced() && !world.api.last().is_closed());
    drop(sound);
    settle().await;
    assert!(world.api.last().is_closed());
}
