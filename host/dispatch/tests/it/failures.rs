//! Writes that fail: the rest is written all the same, the plugin is told, and the key comes back when that makes sense.

use std::time::Duration;

use motet_core::{ApiError, outcome::Failure};
use serde_json::json;

use super::world::{Plugin, Script, World, apply, seconds, settle, status, want};

fn two() -> std::sync::Arc<Script> {
    Script::wanting(vec![status("n/a", json!({ "ready": true })), apply("n/x", json!({})), apply("n/y", json!({}))])
}

fn invalid() -> ApiError {
    ApiError::new(422, "Invalid", "the webhook says no")
}

#[tokio::test(start_paused = true)]
async fn status_goes_last_whatever_the_order() {
    let world = World::with(&two()).await;
    assert_eq!(world.api.drain(), ["apply ConfigMap n/x", "apply ConfigMap n/y", "status Thing n/a"]);
}

#[tokio::test(start_paused = true)]
async fn an_intent_is_written_although_another_failed() {
    let world = World::new().await;
    world.api.fail("ConfigMap", "n/x", ApiError::new(500, "InternalError", "boom"));
    world.run(Plugin::new("p", &two())).await;
    let expected = ["apply ConfigMap n/x", "apply ConfigMap n/y", "status Thing n/a", "apply ConfigMap n/x"];
    assert_eq!(world.api.drain(), expected, "the second run writes only what is missing");
}

#[tokio::test(start_paused = true)]
async fn previous_says_object_verb_code_reason_and_message_and_is_empty_after_success() {
    let world = World::new().await;
    world.api.fail("ConfigMap", "n/x", invalid());
    let code = two();
    world.run(Plugin::new("p", &code)).await;
    let requests = code.requests();
    assert!(requests[0].previous.is_empty());
    let rejected = &requests[1].previous[0];
    assert_eq!((rejected.object.to_string().as_str(), rejected.verb), ("v1/ConfigMap n/x", "apply"));
    assert_eq!(rejected.error, invalid());
    assert_eq!((requests[1].previous.len(), requests[1].attempt), (1, 1));
    world.touch("n/a");
    settle().await;
    assert!(code.last().previous.is_empty());
}

async fn refused_for_good() -> (World, std::sync::Arc<Script>) {
    let world = World::new().await;
    for _ in 0..10 {
        world.api.fail("ConfigMap", "n/x", invalid());
    }
    let code = Script::wanting(vec![apply("n/x", json!({}))]);
    world.run(Plugin::new("p", &code)).await;
    (world, code)
}

#[tokio::test(start_paused = true)]
async fn a_terminal_answer_is_told_at_once_and_then_waited_for_five_minutes() {
    let (world, code) = refused_for_good().await;
    assert_eq!(code.runs(), 2, "once to fail, once to be told");
    seconds(290).await;
    assert_eq!(code.runs(), 2);
    seconds(20).await;
    assert_eq!(code.runs(), 3);
    assert!(world.binding("p").last.error.unwrap().contains("the webhook says no"));
}

#[tokio::test(start_paused = true)]
async fn an_event_runs_a_terminally_refused_key_earlier() {
    let (world, code) = refused_for_good().await;
    world.touch("n/a");
    settle().await;
    assert_eq!(code.runs(), 3);
}

#[tokio::test(start_paused = true)]
async fn a_member_that_asks_for_patience_gets_it_from_every_key() {
    let world = World::new().await;
    world.api.edit("Thing", "n/b", |_| {});
    let mut busy = ApiError::new(429, "TooManyRequests", "slow down");
    busy.retry_after = Some(Duration::from_secs(7));
    world.api.fail("ConfigMap", "n/of-a", busy);
    let code =
        Script::new(|request| want(vec![apply(&format!("n/of-{}", &request.target.to_string()[2..]), json!({}))]));
    world.run(Plugin::new("p", &code)).await;
    world.touch("n/a");
    world.touch("n/b");
    seconds(5).await;
    let early = world.api.drain();
    assert_eq!(early.iter().filter(|w| w.ends_with("of-a")).count(), 1, "{early:?}");
    seconds(4).await;
    assert_eq!(world.api.names("ConfigMap"), ["n/of-a", "n/of-b"]);
}

#[tokio::test(start_paused = true)]
async fn a_retry_that_the_plugin_asks_for_comes_when_it_says_and_counts_attempts() {
    let world = World::new().await;
    let code =
        Script::new(|_| Err(Failure::Retry { message: "not yet".into(), after: Some(Duration::from_secs(30)) }.into()));
    world.run(Plugin::new("p", &code)).await;
    assert_eq!(code.runs(), 1);
    seconds(31).await;
    assert_eq!((code.runs(), code.last().attempt), (2, 1));
    assert!(world.binding("p").last.failing);
}

#[tokio::test(start_paused = true)]
async fn a_terminal_failure_of_the_plugin_waits_for_a_change() {
    let code = Script::new(|_| Err(Failure::Terminal { message: "bad spec".into() }.into()));
    let world = World::with(&code).await;
    seconds(3600).await;
    assert_eq!(code.runs(), 1);
    world.touch("n/a");
    settle().await;
    assert_eq!(code.runs(), 2);
}
