//! What each plugin sees, what the store keeps, and who waits for more.

use motet_core::Change;
use motet_watch::CacheState;
use serde_json::json;

use super::fixtures::{Want, World, object, settle};

fn seeing(paths: &[&'static str]) -> Want {
    Want { projection: Some(paths.to_vec()), ..Want::default() }
}

#[tokio::test(start_paused = true)]
async fn a_plugin_sees_its_own_projection_and_hears_of_its_changes_only() {
    let world = World::new();
    let state = json!({"spec": {"node": "a"}, "status": {"phase": "Pending"}});
    let spec = world.synced(seeing(&["/spec/node"]), &[]).await;
    let status = world.subscribe(seeing(&["/status"])).await;
    world.api.last().list("100", &[object("n/x", 1, state)]).await;
    spec.heard();
    status.heard();
    world.api.last().upsert(&object("n/x", 101, json!({"spec": {"node": "a"}, "status": {"phase": "Running"}}))).await;
    assert!(spec.heard().is_empty());
    assert_eq!(status.heard(), ["n/x Normal"]);
    let seen = spec.sees("n/x").unwrap();
    assert_eq!((seen["spec"]["node"].as_str(), seen.get("status")), (Some("a"), None));
    assert_eq!(seen["metadata"]["resourceVersion"], "101");
}

#[tokio::test(start_paused = true)]
async fn a_wider_subscriber_waits_for_a_relist_while_the_others_run_on() {
    let world = World::new();
    let thing = object("n/x", 1, json!({"spec": {"a": 1, "b": 2}}));
    let narrow = world.synced(seeing(&["/spec/a"]), std::slice::from_ref(&thing)).await;
    let wide = world.subscribe(seeing(&["/spec"])).await;
    assert_eq!((world.api.count(), world.api.last().resume.clone()), (2, None), "a list from the start");
    assert_eq!(wide.subscription.state(), CacheState::Syncing);
    assert!(narrow.synced() && narrow.sees("n/x").is_some());
    world.api.last().list("100", &[thing]).await;
    assert!(wide.synced());
    assert_eq!(wide.heard(), ["n/x Low"]);
    assert_eq!(wide.sees("n/x").unwrap()["spec"]["b"], 2);
    assert!(narrow.heard().is_empty(), "for the others nothing happened");
    assert_eq!(narrow.sees("n/x").unwrap()["spec"], json!({"a": 1}));
}

#[tokio::test(start_paused = true)]
async fn a_narrower_subscriber_is_served_at_once() {
    let world = World::new();
    let _whole = world.synced(Want::default(), &[object("n/x", 1, json!({"spec": {"a": 1}, "status": 1}))]).await;
    let narrow = world.subscribe(seeing(&["/spec/a"])).await;
    assert!(narrow.synced());
    assert_eq!(world.api.count(), 1);
    assert_eq!(narrow.sees("n/x").unwrap().get("status"), None);
}

#[tokio::test(start_paused = true)]
async fn after_the_widest_left_the_next_list_keeps_less() {
    let world = World::new();
    let text =
        |i: u64| (1..100).map(|n| (i * 7 + n).wrapping_mul(0x9e37_79b9_7f4a_7c15).to_string()).collect::<String>();
    let thing = |i: u64| object(&format!("n/{i}"), i, json!({"spec": {"a": 1}, "status": {"text": text(i)}}));
    let things: Vec<_> = (1..20).map(thing).collect();
    let whole = world.synced(Want::default(), &things).await;
    let narrow = world.subscribe(seeing(&["/spec/a"])).await;
    let wide = world.caches.snapshot()[0].bytes;
    drop(whole);
    world.api.last().list("200", &things).await;
    let left = world.caches.snapshot()[0].bytes;
    assert!(left * 3 < wide, "{left} bytes are left of {wide}");
    assert!(narrow.sees("n/1").is_some() && world.api.count() == 1);
    let whole = world.subscribe(Want::default()).await;
    assert_eq!((world.api.count(), whole.synced()), (2, false), "who wants more waits again");
}

#[tokio::test(start_paused = true)]
async fn managed_fields_are_never_kept() {
    let world = World::new();
    let managed =
        json!({"metadata": {"managedFields": [{"manager": "kubectl", "operation": "Update", "fieldsV1": {}}]}});
    let whole = world.synced(Want::default(), &[object("n/x", 1, managed)]).await;
    assert_eq!(whole.sees("n/x").unwrap()["metadata"].get("managedFields"), None);
}

#[tokio::test(start_paused = true)]
async fn large_objects_come_back_as_they_were() {
    let world = World::new();
    let large = json!({"data": {"text": "motet ".repeat(2000)}});
    let whole = world.synced(Want::default(), &[object("n/x", 1, large.clone())]).await;
    assert_eq!(whole.sees("n/x").unwrap()["data"], large["data"]);
    assert!(world.caches.snapshot()[0].bytes < 2000, "compressed at rest");
}

#[tokio::test(start_paused = true)]
async fn a_list_that_was_not_completed_is_not_waited_for() {
    let world = World::new();
    let narrow = world.synced(seeing(&["/spec/a"]), &[]).await;
    let wide = world.subscribe(seeing(&["/spec"])).await;
    world.api.last().say([Change::Reset]).await;
    drop(wide);
    world.caches.swap_api(world.api.clone());
    settle().await;
    assert_eq!(world.api.last().resume.as_deref(), Some("100"), "what is left to serve needs no list");
    let wide = world.subscribe(seeing(&["/spec"])).await;
    assert_eq!(world.api.last().resume, None);
    world.api.last().list("200", &[]).await;
    assert!(wide.synced() && narrow.synced());
}
