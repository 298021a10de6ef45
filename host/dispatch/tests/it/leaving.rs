//! How a plugin leaves: what stays, what goes, and who treats what was out of reach.

use std::{collections::BTreeSet, sync::Arc};

use serde_json::{Value, json};

use super::world::{Plugin, Script, World, apply, info, member, plugin, seconds, set, settle, want};

/// A thing with one object in a set, whose clean-up says goodbye.
fn code() -> Arc<Script> {
    Script::new(|r| want(if r.deleting { vec![apply("n/bye", json!({}))] } else { vec![set("", &["n/x"])] }))
}

async fn settled(shape: fn(Plugin) -> Plugin) -> World {
    let world = World::new().await;
    world.run(shape(Plugin::new("p", &code()).finalizing())).await;
    assert_eq!(finalizers(&world), json!(["motet.dev/p"]));
    world
}

fn finalizers(world: &World) -> Value {
    world.api.object("Thing", "n/a").unwrap()["metadata"]["finalizers"].clone()
}

fn record(world: &World) -> Option<Value> {
    world.api.object("ConfigMap", "motet-system/motet-p")
}

fn known(world: &World, plugins: &[&str]) {
    world.dispatcher.set_known(plugins.iter().map(|p| plugin(p)).collect::<BTreeSet<_>>());
}

#[tokio::test(start_paused = true)]
async fn keep_keeps_objects_and_removes_finalizers() {
    let world = settled(|p| p).await;
    world.dispatcher.remove_plugin(&plugin("p"));
    settle().await;
    assert_eq!(world.api.names("ConfigMap"), ["n/x"], "no clean-up ran");
    assert_eq!(finalizers(&world), json!([]));
    assert!(world.dispatcher.bindings().is_empty() && record(&world).is_none());
}

#[tokio::test(start_paused = true)]
async fn prune_deletes_what_sets_own_after_clean_up_ran() {
    let world = settled(Plugin::pruning).await;
    world.api.edit("ConfigMap", "n/theirs", |object| {
        object["metadata"]["labels"] = json!({ "motet.dev/managed": "true" });
        object["metadata"]["annotations"] = json!({ "owner.motet.dev/p": "n/a#" });
    });
    world.dispatcher.remove_plugin(&plugin("p"));
    settle().await;
    assert!(world.api.wrote().contains(&"apply ConfigMap n/bye".to_owned()), "clean-up ran");
    assert!(world.api.wrote().contains(&"delete ConfigMap n/x".to_owned()));
    assert!(world.api.names("ConfigMap").contains(&"n/theirs".to_owned()));
    assert!(!world.api.names("ConfigMap").contains(&"n/x".to_owned()));
    assert_eq!(finalizers(&world), json!([]));
}

#[tokio::test(start_paused = true)]
async fn the_record_says_before_the_first_object_what_was_applied() {
    let world = settled(Plugin::pruning).await;
    let all = world.api.all_writes();
    let at = |what: &str| all.iter().position(|w| w == what).unwrap();
    assert!(at("apply! ConfigMap motet-system/motet-p") < at("apply ConfigMap n/x"));
    let record: Value = serde_json::from_str(record(&world).unwrap()["data"]["record.json"].as_str().unwrap()).unwrap();
    assert_eq!(record["kinds"][0]["kind"], "ConfigMap");
    assert_eq!(
        (&record["primary"]["kind"], &record["finalizer"], &record["onDelete"]),
        (&json!("Thing"), &json!(true), &json!("Prune"))
    );
}

/// A host that starts where plugin `p` was, and does not have it any more.
async fn after(shape: fn(Plugin) -> Plugin) -> World {
    let first = settled(shape).await;
    first.dispatcher.drain(std::time::Duration::from_secs(1)).await;
    first.api.drain();
    let second = World::on(&first.api);
    second.engage();
    second
}

#[tokio::test(start_paused = true)]
async fn what_a_plugin_left_that_is_gone_is_pruned_from_the_record() {
    let world = after(Plugin::pruning).await;
    known(&world, &[]);
    settle().await;
    assert_eq!((world.api.names("ConfigMap"), finalizers(&world)), (vec![], json!([])));
    assert!(record(&world).is_none());
}

#[tokio::test(start_paused = true)]
async fn what_it_left_is_kept_where_the_record_says_keep() {
    let world = after(|p| p).await;
    known(&world, &[]);
    settle().await;
    assert_eq!((world.api.names("ConfigMap"), finalizers(&world)), (vec!["n/x".into()], json!([])));
}

#[tokio::test(start_paused = true)]
async fn nothing_is_treated_before_the_list_of_plugins_is_known() {
    let world = after(Plugin::pruning).await;
    seconds(60).await;
    assert_eq!(world.api.all_writes(), [""; 0]);
}

#[tokio::test(start_paused = true)]
async fn a_plugin_that_exists_but_does_not_load_has_left_nothing() {
    let world = after(Plugin::pruning).await;
    known(&world, &["p"]);
    seconds(60).await;
    assert_eq!(world.api.all_writes(), [""; 0]);
}

#[tokio::test(start_paused = true)]
async fn a_member_out_of_reach_is_treated_on_return() {
    let world = settled(Plugin::pruning).await;
    known(&world, &["p"]);
    world.dispatcher.lose(&member());
    world.dispatcher.remove_plugin(&plugin("p"));
    known(&world, &[]);
    world.api.drain();
    seconds(60).await;
    assert_eq!(world.api.drain(), [""; 0]);
    world.dispatcher.regain(&member());
    settle().await;
    assert_eq!((world.api.names("ConfigMap"), finalizers(&world)), (vec![], json!([])));
}

#[tokio::test(start_paused = true)]
async fn a_paused_member_is_treated_when_it_goes_on() {
    let world = settled(Plugin::pruning).await;
    known(&world, &["p"]);
    world.dispatcher.change_member(info(&[]), true);
    settle().await;
    world.api.drain();
    world.dispatcher.remove_plugin(&plugin("p"));
    known(&world, &[]);
    seconds(60).await;
    assert_eq!(world.api.drain(), [""; 0]);
    world.dispatcher.change_member(info(&[]), false);
    settle().await;
    assert_eq!((world.api.names("ConfigMap"), finalizers(&world)), (vec![], json!([])));
}

#[tokio::test(start_paused = true)]
async fn leaving_tries_again_where_the_member_refused() {
    let world = settled(Plugin::pruning).await;
    world.api.fail("ConfigMap", "n/x", motet_core::ApiError::new(500, "InternalError", "boom"));
    world.dispatcher.remove_plugin(&plugin("p"));
    seconds(10).await;
    assert!(!world.api.names("ConfigMap").contains(&"n/x".to_owned()));
    assert!(world.dispatcher.bindings().is_empty());
}
