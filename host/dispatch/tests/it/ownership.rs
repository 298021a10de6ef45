//! Whose object it is: keys, plugins and copies, and what a set takes with it.

use motet_core::{ApiError, outcome::Intent};
use parking_lot::Mutex;
use serde_json::json;
use std::sync::Arc;

use super::world::{Plugin, Script, World, apply, set, settle, want};

/// Code whose wish a test changes.
fn wishing(intents: Vec<Intent>) -> (Arc<Mutex<Vec<Intent>>>, Arc<Script>) {
    let wish = Arc::new(Mutex::new(intents));
    let read = wish.clone();
    (wish, Script::new(move |_| want(read.lock().clone())))
}

#[tokio::test(start_paused = true)]
async fn a_set_prunes_exactly_what_left_it() {
    let (wish, code) = wishing(vec![set("s", &["n/x", "n/y"]), set("t", &["n/z"]), apply("n/plain", json!({}))]);
    let world = World::with(&code).await;
    world.api.drain();
    *wish.lock() = vec![set("s", &["n/y"]), set("t", &["n/z"])];
    world.touch("n/a");
    settle().await;
    assert_eq!(world.api.drain(), ["delete ConfigMap n/x"], "with UID and resource version");
    assert_eq!(world.api.names("ConfigMap"), ["n/plain", "n/y", "n/z"]);
}

#[tokio::test(start_paused = true)]
async fn an_object_that_changed_since_it_was_read_is_not_pruned_blindly() {
    let (wish, code) = wishing(vec![set("s", &["n/x"])]);
    let world = World::with(&code).await;
    *wish.lock() = vec![set("s", &[])];
    world.api.fail("ConfigMap", "n/x", ApiError::new(409, "Conflict", "precondition failed: resourceVersion"));
    world.touch("n/a");
    settle().await;
    assert!(code.requests().iter().any(|r| r.previous.iter().any(|p| p.verb == "delete")));
    assert_eq!(world.api.names("ConfigMap"), [""; 0], "and pruned by the retry");
}

#[tokio::test(start_paused = true)]
async fn a_primary_that_is_gone_takes_its_set_with_it() {
    let code = Script::new(|request| want(vec![set("", if request.primary.is_some() { &["n/x"] } else { &[] })]));
    let world = World::with(&code).await;
    world.api.remove("Thing", "n/a");
    settle().await;
    assert_eq!(world.api.names("ConfigMap"), [""; 0]);
}

#[tokio::test(start_paused = true)]
async fn what_became_an_orphan_while_no_host_ran_is_found_after_the_start() {
    let code = Script::new(|request| want(vec![set("", if request.primary.is_some() { &["n/x"] } else { &[] })]));
    let first = World::with(&code).await;
    first.dispatcher.drain(std::time::Duration::from_secs(1)).await;
    first.api.remove("Thing", "n/a");
    first.api.drain();
    let second = World::on(&first.api);
    second.engage();
    second.run(Plugin::new("p", &code)).await;
    assert_eq!(first.api.drain(), ["delete ConfigMap n/x"]);
}

#[tokio::test(start_paused = true)]
async fn a_persons_copy_with_our_annotation_but_not_our_manager_is_not_ours() {
    let (wish, code) = wishing(vec![set("s", &["n/x"])]);
    let world = World::with(&code).await;
    let ours = world.api.object("ConfigMap", "n/x").unwrap();
    world.api.edit("ConfigMap", "n/copy", |copy| {
        for field in ["labels", "annotations"] {
            copy["metadata"][field] = ours["metadata"][field].clone();
        }
        copy["data"] = ours["data"].clone();
    });
    *wish.lock() = vec![set("s", &[])];
    world.touch("n/a");
    settle().await;
    assert_eq!(world.api.names("ConfigMap"), ["n/copy"]);
}

#[tokio::test(start_paused = true)]
async fn a_copy_does_not_keep_another_key_from_its_object() {
    let world = World::new().await;
    world.api.edit("ConfigMap", "n/x", |copy| {
        copy["metadata"]["labels"] = json!({ "motet.dev/managed": "true" });
        copy["metadata"]["annotations"] = json!({ "owner.motet.dev/p": "n/elsewhere#" });
    });
    let apply_x = || vec![apply("n/x", json!({ "k": "v" }))];
    let code = Script::new(move |r| want(if r.primary.is_some() { apply_x() } else { vec![] }));
    world.run(Plugin::new("p", &code)).await;
    let annotations = world.api.object("ConfigMap", "n/x").unwrap()["metadata"]["annotations"].clone();
    assert_eq!(annotations["owner.motet.dev/p"], "n/a#");
}

#[tokio::test(start_paused = true)]
async fn an_object_of_another_key_of_the_same_plugin_is_refused() {
    let code = Script::wanting(vec![apply("n/x", json!({}))]);
    let world = World::with(&code).await;
    world.api.edit("Thing", "n/b", |_| {});
    settle().await;
    let told = code.requests().into_iter().rfind(|r| r.target.to_string() == "n/b").unwrap();
    assert_eq!(told.previous[0].error.reason, "OwnedByOtherKey");
    let annotations = world.api.object("ConfigMap", "n/x").unwrap()["metadata"]["annotations"].clone();
    assert_eq!(annotations["owner.motet.dev/p"], "n/a#");
}

#[tokio::test(start_paused = true)]
async fn two_plugins_on_one_primary_never_touch_each_others_objects() {
    let (first, p) = wishing(vec![set("s", &["n/p"])]);
    let (second, q) = wishing(vec![set("s", &["n/q"])]);
    let world = World::with(&p).await;
    world.run(Plugin::new("q", &q)).await;
    assert_eq!(world.api.names("ConfigMap"), ["n/p", "n/q"]);
    *first.lock() = vec![set("s", &[])];
    world.touch("n/a");
    settle().await;
    assert_eq!(world.api.names("ConfigMap"), ["n/q"]);
    *second.lock() = vec![set("s", &[])];
    world.touch("n/a");
    settle().await;
    assert_eq!(world.api.names("ConfigMap"), [""; 0]);
}
