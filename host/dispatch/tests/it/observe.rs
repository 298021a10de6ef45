//! Observe mode: everything is computed, nothing is written, and no Secret shows.

use bytes::Bytes;
use motet_core::{
    description::Mapping,
    outcome::{EventIntent, Intent},
};
use motet_dispatch::{BindingState::Observing, IntentResult};
use serde_json::json;

use super::world::{Plugin, Script, World, apply, plugin, reference, settle, status, watch};

#[tokio::test(start_paused = true)]
async fn nothing_is_written_whatever_the_plugin_wants() {
    let world = World::new().await;
    world.api.edit("ConfigMap", "n/old", |_| {});
    let event = EventIntent {
        regarding: reference("Thing", "n/a"),
        warning: false,
        reason: "R".into(),
        action: "A".into(),
        note: "n".into(),
    };
    let delete = Intent::Delete { target: reference("ConfigMap", "n/old"), uid: None, resource_version: None };
    let all = vec![apply("n/x", json!({})), status("n/a", json!({ "s": 1 })), delete, Intent::Event(event)];
    world.run(Plugin::new("p", &Script::wanting(all)).finalizing().observing()).await;
    assert_eq!(world.state("p"), (Observing, ""));
    assert!(world.report().len() == 4 && world.report().iter().all(|i| i.result == IntentResult::Observed));
    world.dispatcher.remove_plugin(&plugin("p"));
    settle().await;
    assert_eq!(world.api.all_writes(), [""; 0], "not even when it leaves");
}

#[tokio::test(start_paused = true)]
async fn the_report_says_what_would_change() {
    let world = World::new().await;
    world.api.edit("ConfigMap", "n/x", |object| object["data"] = json!({ "k": "old", "same": "1" }));
    let code = Script::wanting(vec![apply("n/x", json!({ "k": "new", "same": "1" }))]);
    let watched = watch("", "ConfigMap", Some(Mapping::None {}));
    world.run(Plugin::new("p", &code).related(watched).observing()).await;
    let report = world.report();
    let diff = report[0].diff.iter().find(|d| d.path == "/data/k").unwrap();
    assert_eq!((diff.before.as_ref().unwrap(), diff.after.as_ref().unwrap()), (&json!("old"), &json!("new")));
    assert!(!report[0].diff.iter().any(|d| d.path == "/data/same"));
}

#[tokio::test(start_paused = true)]
async fn values_of_secrets_never_appear_in_reports() {
    let world = World::new().await;
    let secret = r#"{"apiVersion":"v1","kind":"Secret","metadata":{"name":"s","namespace":"n"},"data":{"k":"aHVudGVyMg=="},"stringData":{"t":"hunter3"}}"#;
    let code = Script::wanting(vec![Intent::Apply { object: Bytes::from(secret), force: true }]);
    world.run(Plugin::new("p", &code).observing()).await;
    let text = serde_json::to_string(&world.report()).unwrap();
    assert!(text.contains("/data/k") && text.contains("sha256:"), "{text}");
    assert!(!text.contains("aHVudGVyMg") && !text.contains("hunter3"), "{text}");
}

#[tokio::test(start_paused = true)]
async fn enforcing_writes_what_was_observed() {
    let world = World::new().await;
    let code = Script::wanting(vec![apply("n/x", json!({}))]);
    world.run(Plugin::new("p", &code).observing()).await;
    assert_eq!(world.api.names("ConfigMap"), [""; 0]);
    world.run(Plugin::new("p", &code)).await;
    assert_eq!(world.api.names("ConfigMap"), ["n/x"]);
}

#[tokio::test(start_paused = true)]
async fn a_key_that_wants_nothing_any_more_reports_nothing() {
    let world = World::new().await;
    let code = Script::new(|r| {
        let touched = String::from_utf8_lossy(r.primary.as_ref().unwrap()).contains("touched");
        super::world::want(if touched { vec![] } else { vec![apply("n/x", json!({}))] })
    });
    world.run(Plugin::new("p", &code).observing()).await;
    assert_eq!(world.report().len(), 1);
    world.touch("n/a");
    settle().await;
    assert!(world.report().is_empty());
}
