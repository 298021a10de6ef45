//! The finalizer: there before the first run, gone after clean-up, never by apply.

use motet_core::{description::Primary, outcome::Outcome};
use serde_json::{Value, json};

use super::world::{Plugin, Script, World, apply, settle, want, want_after, watch};

const OURS: &str = "motet.dev/p";

fn held(world: &World) -> Value {
    world.api.object("Thing", "n/a").map_or(json!("gone"), |thing| thing["metadata"]["finalizers"].clone())
}

#[tokio::test(start_paused = true)]
async fn it_is_added_before_the_first_reconcile_and_the_record_says_so_first() {
    let world = World::new().await;
    world.run(Plugin::new("p", &Script::wanting(vec![apply("n/x", json!({}))])).finalizing()).await;
    let all = world.api.all_writes();
    let at = |what: &str| all.iter().position(|w| w == what).unwrap_or_else(|| panic!("{what} in {all:?}"));
    assert!(at("apply! ConfigMap motet-system/motet-p") < at("patch Thing n/a"));
    assert!(at("patch Thing n/a") < at("apply ConfigMap n/x"));
    assert_eq!(held(&world), json!([OURS]));
}

#[tokio::test(start_paused = true)]
async fn clean_up_runs_and_then_it_is_removed() {
    let code = Script::wanting(vec![]);
    let world = World::new().await;
    world.run(Plugin::new("p", &code).finalizing()).await;
    world.api.remove("Thing", "n/a");
    settle().await;
    assert!(code.requests().iter().any(|r| r.deleting && r.primary.is_some()));
    assert_eq!(held(&world), "gone");
}

#[tokio::test(start_paused = true)]
async fn clean_up_can_ask_to_be_called_again() {
    let code = Script::new(|r| Ok(Outcome { keep_finalizer: r.deleting && r.config != "done", ..Outcome::default() }));
    let world = World::new().await;
    world.run(Plugin::new("p", &code).finalizing()).await;
    world.api.remove("Thing", "n/a");
    settle().await;
    assert_eq!(held(&world), json!([OURS]));
    assert!(code.requests().iter().filter(|r| r.deleting).count() > 1);
    let finished = Script::wanting(vec![]);
    let mut plugin = Plugin::new("p", &finished).finalizing();
    plugin.digest = "b";
    world.run(plugin).await;
    assert_eq!(held(&world), "gone");
}

#[tokio::test(start_paused = true)]
async fn the_finalizers_of_others_stay() {
    let world = World::new().await;
    world.api.edit("Thing", "n/a", |thing| thing["metadata"]["finalizers"] = json!(["someone/else"]));
    world.run(Plugin::new("p", &Script::wanting(vec![])).finalizing()).await;
    assert_eq!(held(&world), json!(["someone/else", OURS]));
    world.api.remove("Thing", "n/a");
    settle().await;
    assert_eq!(held(&world), json!(["someone/else"]));
}

#[tokio::test(start_paused = true)]
async fn observing_adds_none() {
    let world = World::new().await;
    world.run(Plugin::new("p", &Script::wanting(vec![])).finalizing().observing()).await;
    assert_eq!(held(&world), Value::Null);
    assert_eq!(world.api.all_writes(), [""; 0]);
}

#[tokio::test(start_paused = true)]
async fn a_primary_that_leaves_the_scope_is_let_go() {
    let world = World::new().await;
    world.api.edit("Thing", "n/a", |thing| thing["metadata"]["labels"] = json!({ "app": "x" }));
    let mut plugin = Plugin::new("p", &Script::wanting(vec![])).finalizing();
    let mut things = watch("test.dev", "Thing", None);
    things.scope.labels = "app=x".into();
    plugin.description.primary = Primary::Object(things);
    world.run(plugin).await;
    assert_eq!(held(&world), json!([OURS]));
    world.api.edit("Thing", "n/a", |thing| thing["metadata"]["labels"] = json!({}));
    settle().await;
    assert_eq!(held(&world), json!([]), "nobody else would ever remove it");
}

#[tokio::test(start_paused = true)]
async fn clean_up_that_fails_to_write_keeps_it() {
    let world = World::new().await;
    let code = Script::new(|r| if r.deleting { want(vec![apply("n/bye", json!({}))]) } else { want(vec![]) });
    world.run(Plugin::new("p", &code).finalizing()).await;
    for _ in 0..5 {
        world.api.fail("ConfigMap", "n/bye", motet_core::ApiError::new(422, "Invalid", "no"));
    }
    world.api.remove("Thing", "n/a");
    settle().await;
    assert_eq!(held(&world), json!([OURS]));
}

#[tokio::test(start_paused = true)]
async fn a_key_asked_for_again_at_once_does_not_add_it_twice_though_watches_lag() {
    let world = World::new().await;
    world.api.delay_watches(std::time::Duration::from_secs(2));
    let code = Script::new(|r| {
        want_after(
            vec![],
            if r.attempt < 3 { motet_core::outcome::Next::Requeue } else { motet_core::outcome::Next::Changed },
        )
    });
    world.run(Plugin::new("p", &code).finalizing()).await;
    super::world::seconds(1).await;
    assert_eq!(world.api.wrote(), ["patch Thing n/a"]);
}
