//! Which changes count.

use motet_core::description::Trigger;
use motet_watch::Map;
use serde_json::{Value, json};

use super::fixtures::{Want, World, object};

fn triggered_by(trigger: Trigger) -> Want {
    Want { trigger, ..Want::default() }
}

fn thing(version: u64, generation: i64, rest: Value) -> Value {
    let mut thing = object("n/x", version, json!({"metadata": {"generation": generation}}));
    super::fixtures::merge(&mut thing, rest);
    thing
}

#[tokio::test(start_paused = true)]
async fn a_new_generation_counts_and_a_new_status_does_not() {
    let world = World::new();
    let listener = world.synced(triggered_by(Trigger::Generation), &[thing(1, 1, json!({"status": 1}))]).await;
    let stream = world.api.last();
    stream.upsert(&thing(101, 1, json!({"status": 2}))).await;
    assert!(listener.heard().is_empty());
    stream.upsert(&thing(102, 2, json!({"status": 2}))).await;
    assert_eq!(listener.heard(), ["n/x Normal"]);
}

#[tokio::test(start_paused = true)]
async fn a_kind_without_generations_is_judged_by_what_is_seen() {
    let world = World::new();
    let listener = world.synced(triggered_by(Trigger::Generation), &[object("n/x", 1, json!({"data": 1}))]).await;
    world.api.last().upsert(&object("n/x", 101, json!({"data": 2}))).await;
    assert_eq!(listener.heard(), ["n/x Normal"]);
}

#[tokio::test(start_paused = true)]
async fn named_paths_count_even_if_they_are_not_seen() {
    let world = World::new();
    let want = Want { projection: Some(vec!["/spec/a"]), ..triggered_by(Trigger::Paths(vec!["/spec/*/x".into()])) };
    let state = |version, a: i64, x: i64| object("n/x", version, json!({"spec": {"a": a, "b": {"x": x}}}));
    let listener = world.synced(want, &[state(1, 1, 1)]).await;
    world.api.last().upsert(&state(101, 2, 1)).await;
    assert!(listener.heard().is_empty());
    world.api.last().upsert(&state(102, 2, 2)).await;
    assert_eq!(listener.heard(), ["n/x Normal"]);
    assert_eq!(listener.sees("n/x").unwrap()["spec"], json!({"a": 2}));
}

#[tokio::test(start_paused = true)]
async fn adds_deletions_and_a_set_deletion_timestamp_always_count() {
    let world = World::new();
    let want = Want { projection: Some(vec![]), ..triggered_by(Trigger::Paths(vec!["/nothing".into()])) };
    let listener = world.synced(want, &[]).await;
    let stream = world.api.last();
    stream.upsert(&object("n/x", 101, json!({}))).await;
    assert_eq!(listener.heard(), ["n/x Normal"]);
    stream.upsert(&object("n/x", 102, json!({"metadata": {"deletionTimestamp": "2026-01-01T00:00:00Z"}}))).await;
    assert_eq!(listener.heard(), ["n/x High"]);
    stream
        .upsert(&object("n/x", 103, json!({"metadata": {"deletionTimestamp": "2026-01-01T00:00:00Z"}, "spec": 1})))
        .await;
    assert!(listener.heard().is_empty());
    stream.delete(&object("n/x", 104, json!({}))).await;
    assert_eq!(listener.heard(), ["n/x High"]);
}

#[tokio::test(start_paused = true)]
async fn an_object_made_again_counts_though_it_looks_the_same() {
    let world = World::new();
    let listener = world.synced(triggered_by(Trigger::Generation), &[thing(1, 1, json!({}))]).await;
    world.api.last().upsert(&thing(101, 1, json!({"metadata": {"uid": "another"}}))).await;
    assert_eq!(listener.heard(), ["n/x Normal"]);
}

#[tokio::test(start_paused = true)]
async fn the_same_state_twice_is_no_change() {
    let world = World::new();
    let listener = world.synced(Want::default(), &[object("n/x", 1, json!({"a": 1}))]).await;
    world.api.last().upsert(&object("n/x", 1, json!({"a": 1}))).await;
    world.api.last().upsert(&object("n/x", 101, json!({"a": 1}))).await;
    assert!(listener.heard().is_empty(), "a new version of the same content is not news either");
}

#[tokio::test(start_paused = true)]
async fn of_an_applied_object_drift_counts_and_nothing_else_does() {
    let world = World::new();
    let applied = |version: u64, value: &str, status: i64, owned: Value| {
        object(
            "n/x",
            version,
            json!({"data": {"a": value, "b": "theirs"}, "status": status, "metadata": {
                "annotations": {"owner.motet.dev/p": "n/primary#base"},
                "managedFields": [{"manager": "motet/p", "operation": "Apply", "fieldsV1": {"f:data": owned}}]}}),
        )
    };
    let ours = json!({"f:a": {}});
    let want = Want { projection: Some(vec![]), map: Map::OwnerAnnotation, ..Want::default() };
    let listener = world.synced(want, &[applied(1, "1", 1, ours.clone())]).await;
    let stream = world.api.last();
    stream.upsert(&applied(101, "1", 2, ours.clone())).await;
    assert!(listener.heard().is_empty(), "a status is not ours");
    stream.upsert(&applied(102, "2", 2, ours)).await;
    assert_eq!(listener.heard(), ["n/primary Normal"], "a value of ours drifted");
    stream.upsert(&applied(103, "2", 2, json!({}))).await;
    assert_eq!(listener.heard(), ["n/primary Normal"], "a field was taken");
    stream.delete(&applied(104, "2", 2, json!({}))).await;
    assert_eq!(listener.heard(), ["n/primary Normal"]);
}
