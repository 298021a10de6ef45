//! Outcomes that ask for what they must not: refused, said so, and everything else written.

use bytes::Bytes;
use motet_core::outcome::Intent;
use serde_json::json;

use super::world::{Plugin, Script, World, apply, config_map, rule, seconds, set};

/// Runs a plugin that wants `intent` and ConfigMap `n/good`; what was refused, `VERB NAME RESULT`, and why.
async fn refused(plugin: impl FnOnce(Plugin) -> Plugin, intents: Vec<Intent>) -> (Vec<String>, String) {
    let world = World::new().await;
    let mut all = intents;
    all.push(apply("n/good", json!({})));
    let code = Script::wanting(all);
    world.run(plugin(Plugin::new("p", &code))).await;
    assert!(world.api.names("ConfigMap").contains(&"n/good".to_owned()), "the rest is written");
    seconds(60).await;
    assert_eq!(code.runs(), 2, "told once, then no more");
    let rejected = code.last().previous[0].error.to_string();
    let mut results = world.results();
    results.retain(|r| !r.contains("n/good"));
    (results, rejected)
}

fn raw(json: &str) -> Intent {
    Intent::Apply { object: Bytes::from(json.to_owned()), force: true }
}

fn same(plugin: Plugin) -> Plugin {
    plugin
}

#[tokio::test(start_paused = true)]
async fn an_object_named_twice_is_refused_the_second_time() {
    let twice = vec![apply("n/x", json!({ "k": "1" })), apply("n/x", json!({ "k": "2" }))];
    let (mut results, why) = refused(same, twice).await;
    results.sort();
    assert_eq!(results, ["apply n/x Failed", "apply n/x Suppressed"]);
    assert!(why.contains("named twice"), "{why}");
}

#[tokio::test(start_paused = true)]
async fn what_is_not_json_is_refused() {
    let (results, why) = refused(same, vec![raw("{not json")]).await;
    assert_eq!(results, ["apply  Failed"]);
    assert!(why.contains("not valid JSON"), "{why}");
}

#[tokio::test(start_paused = true)]
async fn an_object_without_a_kind_is_refused() {
    let (_, why) = refused(same, vec![raw(r#"{"apiVersion":"v1","metadata":{"name":"x","namespace":"n"}}"#)]).await;
    assert!(why.contains("no apiVersion and kind"), "{why}");
}

#[tokio::test(start_paused = true)]
async fn a_kind_that_the_member_does_not_serve_is_refused() {
    let gone = r#"{"apiVersion":"nowhere.dev/v1","kind":"Gone","metadata":{"name":"x"}}"#;
    let (results, why) = refused(same, vec![raw(gone)]).await;
    assert_eq!(results, ["apply x Failed"]);
    assert!(why.contains("KindMissing"), "{why}");
}

#[tokio::test(start_paused = true)]
async fn a_namespace_that_is_not_granted_is_denied() {
    let only_n = |mut plugin: Plugin| {
        plugin.spec.grants = vec![rule(&["things"], &[]), rule(&["configmaps"], &["n"])];
        plugin
    };
    let (results, why) = refused(only_n, vec![apply("elsewhere/x", json!({}))]).await;
    assert_eq!(results, ["apply elsewhere/x Denied"]);
    assert!(why.contains("elsewhere") && why.contains("grant"), "{why}");
}

#[tokio::test(start_paused = true)]
async fn a_kind_that_is_not_granted_is_denied_and_counted() {
    let secret = r#"{"apiVersion":"v1","kind":"Secret","metadata":{"name":"x","namespace":"n"}}"#;
    let no_secrets = |mut plugin: Plugin| {
        plugin.spec.grants = vec![rule(&["*"], &[])];
        plugin
    };
    let (results, why) = refused(no_secrets, vec![raw(secret)]).await;
    assert_eq!(results, ["apply n/x Denied"]);
    assert!(why.contains("secrets"), "{why}");
}

#[tokio::test(start_paused = true)]
async fn an_owner_that_is_not_there_is_refused() {
    let owner = json!([{ "apiVersion": "test.dev/v1", "kind": "Thing", "name": "gone", "uid": "u" }]);
    let mut object: serde_json::Value = serde_json::from_slice(&config_map("n/x", json!({}))).unwrap();
    object["metadata"]["ownerReferences"] = owner;
    let (results, why) = refused(same, vec![raw(&object.to_string())]).await;
    assert_eq!(results, ["apply n/x Failed"]);
    assert!(why.contains("OwnerMissing"), "{why}");
}

#[tokio::test(start_paused = true)]
async fn a_set_with_an_unreadable_object_prunes_nothing() {
    let world = World::new().await;
    let code = Script::new(|request| {
        let broken = || Intent::ApplySet { name: "s".into(), objects: vec!["{".into()], force: true };
        super::world::want(vec![if request.attempt == 0 && request.primary.as_ref().is_some_and(|p| !has_touch(p)) {
            set("s", &["n/x"])
        } else {
            broken()
        }])
    });
    world.run(Plugin::new("p", &code)).await;
    world.touch("n/a");
    seconds(1).await;
    assert!(!code.last().previous.is_empty());
    assert_eq!(world.api.names("ConfigMap"), ["n/x"]);
}

fn has_touch(primary: &[u8]) -> bool {
    String::from_utf8_lossy(primary).contains("touched")
}
