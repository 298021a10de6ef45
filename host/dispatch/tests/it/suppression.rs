//! No write where nothing would change, a write where something did.

use serde_json::json;

use super::world::{Plugin, Script, World, apply, settle, status};

fn code() -> std::sync::Arc<Script> {
    Script::wanting(vec![apply("n/x", json!({ "k": "v" })), status("n/a", json!({ "ready": true }))])
}

#[tokio::test(start_paused = true)]
async fn a_converged_key_sends_no_write_again() {
    let code = code();
    let world = World::with(&code).await;
    assert_eq!(world.api.drain(), ["apply ConfigMap n/x", "status Thing n/a"]);
    let runs = code.runs();
    world.touch("n/a");
    settle().await;
    assert!(code.runs() > runs);
    assert_eq!(world.api.drain(), [""; 0]);
    assert_eq!(world.results(), ["apply n/x Suppressed", "status n/a Suppressed"]);
}

#[tokio::test(start_paused = true)]
async fn a_converged_member_sees_no_write_after_a_restart() {
    let first = World::with(&code()).await;
    first.api.drain();
    assert!(first.dispatcher.drain(std::time::Duration::from_secs(1)).await);
    let (code, second) = (code(), World::on(&first.api));
    second.engage();
    second.run(Plugin::new("p", &code)).await;
    assert!(code.runs() > 0);
    assert_eq!(first.api.all_writes(), [""; 0]);
}

#[tokio::test(start_paused = true)]
async fn a_value_that_the_server_normalises_costs_one_write_per_start() {
    let first = World::new().await;
    first.api.normalise(|object| {
        if object["data"]["k"] == "v" {
            object["data"]["k"] = json!("V");
        }
    });
    let code = Script::wanting(vec![apply("n/x", json!({ "k": "v" }))]);
    first.run(Plugin::new("p", &code)).await;
    for _ in 0..3 {
        first.touch("n/a");
        settle().await;
    }
    assert_eq!(first.api.drain(), ["apply ConfigMap n/x"]);
    first.dispatcher.drain(std::time::Duration::from_secs(1)).await;
    let second = World::on(&first.api);
    second.engage();
    second.run(Plugin::new("p", &code)).await;
    let version = first.api.object("ConfigMap", "n/x").unwrap()["metadata"]["resourceVersion"].clone();
    for _ in 0..3 {
        first.touch("n/a");
        settle().await;
    }
    assert_eq!(first.api.drain(), ["apply ConfigMap n/x"]);
    assert_eq!(first.api.object("ConfigMap", "n/x").unwrap()["metadata"]["resourceVersion"], version);
}

#[tokio::test(start_paused = true)]
async fn a_drifted_value_is_put_back() {
    let world = World::with(&code()).await;
    world.api.edit("ConfigMap", "n/x", |object| object["data"]["k"] = json!("drifted"));
    settle().await;
    assert_eq!(world.api.object("ConfigMap", "n/x").unwrap()["data"]["k"], "v");
}

#[tokio::test(start_paused = true)]
async fn a_dropped_field_is_put_back() {
    let world = World::with(&code()).await;
    world.api.edit("ConfigMap", "n/x", |object| drop(object["data"].as_object_mut().unwrap().remove("k")));
    settle().await;
    assert_eq!(world.api.object("ConfigMap", "n/x").unwrap()["data"]["k"], "v");
}

#[tokio::test(start_paused = true)]
async fn a_field_that_another_took_is_taken_back_though_its_value_is_right() {
    let world = World::with(&code()).await;
    world.api.edit("ConfigMap", "n/x", |object| object["data"]["k"] = json!("theirs"));
    world.api.edit("ConfigMap", "n/x", |object| object["data"]["k"] = json!("v"));
    world.api.drain();
    settle().await;
    assert_eq!(world.api.drain(), ["apply ConfigMap n/x"]);
}

#[tokio::test(start_paused = true)]
async fn an_object_that_lost_our_label_is_put_back_and_one_that_was_deleted_too() {
    let world = World::with(&code()).await;
    world.api.edit("ConfigMap", "n/x", |object| object["metadata"]["labels"] = json!({}));
    settle().await;
    assert_eq!(world.api.object("ConfigMap", "n/x").unwrap()["metadata"]["labels"]["motet.dev/managed"], "true");
    world.api.remove("ConfigMap", "n/x");
    settle().await;
    assert_eq!(world.api.names("ConfigMap"), ["n/x"]);
}

#[tokio::test(start_paused = true)]
async fn what_a_plugin_does_not_own_is_left_alone() {
    let world = World::with(&code()).await;
    world.api.drain();
    world.api.edit("ConfigMap", "n/x", |object| object["data"]["theirs"] = json!("1"));
    settle().await;
    assert_eq!(world.api.drain(), [""; 0]);
}
