//! Code that dies: its keys back off, then the binding stops; code that fails never does.

use std::sync::Arc;

use motet_core::{
    ApiError,
    outcome::{Failure, KillClass, ReconcileError},
};
use motet_dispatch::BindingState::{Active, Quarantined};

use super::world::{Plugin, Script, World, seconds, settle, want};

fn dying() -> Arc<Script> {
    Script::new(|_| Err(ReconcileError::Killed { class: KillClass::Trap, message: "unreachable".into() }))
}

/// Three things whose plugin died ten times.
async fn quarantined(code: &Arc<Script>) -> World {
    let world = World::new().await;
    for thing in ["n/b", "n/c"] {
        world.api.edit("Thing", thing, |_| {});
    }
    world.run(Plugin::new("p", code)).await;
    seconds(8).await;
    assert_eq!(world.state("p"), (Quarantined, "RepeatedKills"));
    world
}

#[tokio::test(start_paused = true)]
async fn a_key_whose_run_died_backs_off_from_a_second_whatever_events_say() {
    let code = dying();
    let world = World::with(&code).await;
    assert_eq!(code.runs(), 1);
    world.touch("n/a");
    settle().await;
    world.touch("n/a");
    seconds(1).await;
    assert_eq!(code.runs(), 2, "after one second");
    seconds(3).await;
    assert_eq!(code.runs(), 3, "after two more");
}

#[tokio::test(start_paused = true)]
async fn the_backoff_ends_at_ten_minutes_and_one_key_alone_brings_no_quarantine() {
    let code = dying();
    let world = World::with(&code).await;
    seconds(1100).await;
    let runs = code.runs();
    assert_eq!(runs, 11, "1+2+4+...+512 s are over");
    seconds(600).await;
    assert_eq!(code.runs(), runs + 1);
    assert_eq!(world.state("p").0, Active);
}

#[tokio::test(start_paused = true)]
async fn ten_deaths_over_three_keys_stop_the_binding_and_say_why() {
    let code = dying();
    let world = quarantined(&code).await;
    assert_eq!(code.runs(), 10);
    let status = world.binding("p").status;
    assert!(status.message.contains("unreachable"), "{}", status.message);
    world.touch("n/a");
    seconds(30).await;
    assert_eq!(code.runs(), 10);
}

#[tokio::test(start_paused = true)]
async fn one_key_probes_after_a_minute() {
    let code = dying();
    let _world = quarantined(&code).await;
    seconds(60).await;
    assert_eq!(code.runs(), 11);
}

#[tokio::test(start_paused = true)]
async fn a_probe_that_comes_back_ends_it() {
    let deaths = std::sync::atomic::AtomicU32::new(0);
    let code = Script::new(move |_| {
        if deaths.fetch_add(1, std::sync::atomic::Ordering::Relaxed) < 10 {
            return Err(ReconcileError::Killed { class: KillClass::Memory, message: "64 MiB".into() });
        }
        want(vec![])
    });
    let world = quarantined(&code).await;
    seconds(62).await;
    assert_eq!(world.state("p"), (Active, ""));
    assert!(code.runs() >= 13, "every key runs again: {}", code.runs());
}

#[tokio::test(start_paused = true)]
async fn a_probe_that_was_not_even_run_lets_another_key_probe() {
    let code = dying();
    let world = World::new().await;
    for thing in ["n/b", "n/c"] {
        world.api.edit("Thing", thing, |_| {});
    }
    world.run(Plugin::new("p", &code).finalizing()).await;
    seconds(8).await;
    assert_eq!(world.state("p").0, Quarantined);
    for thing in ["n/a", "n/b", "n/c"] {
        world.api.edit("Thing", thing, |thing| drop(thing["metadata"].as_object_mut().unwrap().remove("finalizers")));
    }
    world.api.fail("Thing", "n/a", ApiError::new(500, "InternalError", "boom"));
    world.api.fail("Thing", "n/b", ApiError::new(500, "InternalError", "boom"));
    world.api.fail("Thing", "n/c", ApiError::new(500, "InternalError", "boom"));
    seconds(200).await;
    assert!(code.runs() > 10, "{}", code.runs());
}

#[tokio::test(start_paused = true)]
async fn new_code_ends_it() {
    let world = quarantined(&dying()).await;
    let fine = Script::wanting(vec![]);
    let mut plugin = Plugin::new("p", &fine);
    plugin.digest = "b";
    world.run(plugin).await;
    assert_eq!(world.state("p"), (Active, ""));
    assert!(fine.runs() >= 3, "every key runs");
}

#[tokio::test(start_paused = true)]
async fn the_operators_release_ends_it_with_the_same_code() {
    let code = dying();
    let world = quarantined(&code).await;
    let mut plugin = Plugin::new("p", &code);
    plugin.release = "now";
    world.run(plugin).await;
    assert_eq!((world.state("p").0, code.runs()), (Active, 13));
}

#[tokio::test(start_paused = true)]
async fn another_config_does_not_end_it_and_does_not_hide_it() {
    let code = dying();
    let world = quarantined(&code).await;
    let mut plugin = Plugin::new("p", &code);
    plugin.spec.config = Some(serde_json::json!({ "x": 1 }));
    world.run(plugin).await;
    assert_eq!((world.state("p"), code.runs()), ((Quarantined, "RepeatedKills"), 10));
}

#[tokio::test(start_paused = true)]
async fn failures_that_code_returns_never_quarantine() {
    let code = Script::new(|_| Err(Failure::Retry { message: "no".into(), after: None }.into()));
    let world = World::new().await;
    for thing in ["n/b", "n/c"] {
        world.api.edit("Thing", thing, |_| {});
    }
    world.run(Plugin::new("p", &code)).await;
    seconds(60).await;
    assert!(code.runs() > 30);
    assert_eq!(world.state("p").0, Active);
}
