//! Fields that someone else owns: asked for first, then taken, unless the plugin says no.

use motet_core::outcome::Intent;
use motet_dispatch::IntentResult;
use serde_json::json;

use super::world::{Plugin, Script, World, config_map, plugin, seconds, settle};

async fn contested(force: bool) -> (World, std::sync::Arc<Script>) {
    let world = World::new().await;
    world.api.edit("ConfigMap", "n/x", |object| object["data"] = json!({ "k": "theirs" }));
    let intent = Intent::Apply { object: config_map("n/x", json!({ "k": "ours" })), force };
    let code = Script::wanting(vec![intent]);
    world.run(Plugin::new("p", &code)).await;
    (world, code)
}

#[tokio::test(start_paused = true)]
async fn an_apply_goes_unforced_first_then_an_event_then_forced() {
    let (world, _) = contested(true).await;
    assert_eq!(world.api.drain(), ["apply ConfigMap n/x", "create Event", "apply! ConfigMap n/x"]);
    assert_eq!(world.api.object("ConfigMap", "n/x").unwrap()["data"]["k"], "ours");
}

#[tokio::test(start_paused = true)]
async fn conflicts_are_counted_by_the_other_manager_and_the_event_names_it() {
    let (world, _) = contested(true).await;
    let stats = world.dispatcher.plugin_stats();
    let (_, stats) = stats.iter().find(|(name, _)| *name == plugin("p")).unwrap();
    assert_eq!(stats.conflicts.lock().get("other"), Some(&1));
    let event = world.api.object("Event", &world.api.names("Event")[0]).unwrap();
    assert_eq!(event["reason"], "ApplyConflict");
    assert!(event["note"].as_str().unwrap().contains("other"), "{event}");
}

#[tokio::test(start_paused = true)]
async fn an_apply_that_must_not_force_stays_refused_and_its_plugin_is_told() {
    let (world, code) = contested(false).await;
    assert!(!world.api.drain().contains(&"apply! ConfigMap n/x".to_owned()));
    assert_eq!(world.api.object("ConfigMap", "n/x").unwrap()["data"]["k"], "theirs");
    let previous = code.last().previous;
    let [rejected] = &previous[..] else { panic!("{previous:?}") };
    assert_eq!((rejected.verb, rejected.error.code), ("apply", 409));
    assert_eq!(rejected.object.name.to_string(), "n/x");
    assert_eq!(rejected.error.causes[0].message, r#"conflict with "other" using v1"#);
    assert_eq!(rejected.error.causes[0].field, ".data.k");
    assert_eq!(world.report()[0].result, IntentResult::Failed);
}

#[tokio::test(start_paused = true)]
async fn a_field_that_becomes_free_is_applied_and_previous_is_empty_again() {
    let (world, code) = contested(false).await;
    world.api.edit("ConfigMap", "n/x", |object| object["data"] = json!({}));
    world.touch("n/a");
    settle().await;
    assert_eq!(world.api.object("ConfigMap", "n/x").unwrap()["data"]["k"], "ours");
    world.touch("n/a");
    settle().await;
    assert!(code.last().previous.is_empty());
    assert_eq!(code.last().attempt, 0);
}

#[tokio::test(start_paused = true)]
async fn a_field_that_is_taken_back_each_time_is_taken_ever_more_slowly_and_people_are_told() {
    let (world, _) = contested(true).await;
    world.api.drain();
    // Whenever it is ours, somebody else takes it back at once, for ten minutes.
    let mut taken = 0;
    for _ in 0..1200 {
        settle().await;
        if world.api.object("ConfigMap", "n/x").unwrap()["data"]["k"] == "ours" {
            taken += 1;
            world.api.edit("ConfigMap", "n/x", |object| object["data"] = json!({ "k": "theirs" }));
        }
    }
    assert!((10..25).contains(&taken), "taken {taken} times in ten minutes");
    let notes: Vec<String> = world
        .api
        .names("Event")
        .iter()
        .filter_map(|name| world.api.object("Event", name))
        .filter(|event| event["reason"] == "FieldFight")
        .map(|event| event["note"].to_string())
        .collect();
    assert!(!notes.is_empty() && notes.iter().all(|note| note.contains("motet/p and other")), "{notes:?}");
    // Nobody takes it any more: it stays.
    seconds(70).await;
    assert_eq!(world.api.object("ConfigMap", "n/x").unwrap()["data"]["k"], "ours");
}
