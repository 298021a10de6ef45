//! Bindings: what parks them and what starts them, members that come and go, code and config that change.

use std::{sync::Arc, time::Duration};

use futures::FutureExt as _;
use motet_dispatch::BindingState::{Active, Parked};
use serde_json::json;

use super::{
    member::FakeMember,
    world::{Plugin, Script, World, apply, count, info, member, members_with, plugin, seconds, settle, want, watch},
};

#[tokio::test(start_paused = true)]
async fn a_missing_kind_parks_only_its_binding_which_starts_when_the_kind_appears() {
    let world = World::new().await;
    let (waiting, other) = (Script::wanting(vec![]), Script::wanting(vec![]));
    world.run(Plugin::new("p", &waiting).related(watch("test.dev", "Later", None))).await;
    world.run(Plugin::new("q", &other)).await;
    assert_eq!(world.state("p"), (Parked, "KindMissing"));
    assert!(world.binding("p").status.message.contains("Later"));
    assert_eq!((world.state("q"), other.runs()), ((Active, ""), 1));
    world.api.serve("test.dev", "Later", true);
    seconds(61).await;
    assert_eq!((world.state("p"), waiting.runs()), ((Active, ""), 1));
}

#[tokio::test(start_paused = true)]
async fn a_forbidden_kind_parks_only_its_binding_which_starts_when_it_is_allowed() {
    let world = World::new().await;
    world.api.forbid("Secret");
    let (waiting, other) = (Script::wanting(vec![]), Script::wanting(vec![]));
    world.run(Plugin::new("p", &waiting)).await;
    let mut without = Plugin::new("q", &other);
    without.description.applies.clear();
    world.run(without).await;
    assert_eq!((world.state("p"), waiting.runs()), ((Parked, "Forbidden"), 0));
    assert_eq!((world.state("q"), other.runs()), ((Active, ""), 1));
    world.api.allow("Secret");
    seconds(61).await;
    assert_eq!((world.state("p"), waiting.runs()), ((Active, ""), 1));
}

#[tokio::test(start_paused = true)]
async fn a_lost_member_that_returns_runs_every_key_and_what_changed_meanwhile_is_not_lost() {
    let code = Script::new(|r| want(vec![apply(&format!("n/of-{}", &r.target.to_string()[2..]), json!({}))]));
    let world = World::with(&code).await;
    world.caches.pause();
    world.dispatcher.lose(&member());
    settle().await;
    assert_eq!(world.state("p"), (Parked, "MemberUnreachable"));
    let runs = code.runs();
    world.api.edit("Thing", "n/b", |_| {});
    seconds(30).await;
    assert_eq!(code.runs(), runs);
    world.caches.resume(world.api.clone());
    world.dispatcher.regain(&member());
    settle().await;
    assert_eq!(world.state("p"), (Active, ""));
    assert!(code.requests()[runs..].iter().any(|r| r.target.to_string() == "n/a"));
    assert_eq!(world.api.names("ConfigMap"), ["n/of-a", "n/of-b"]);
}

#[tokio::test(start_paused = true)]
async fn a_disengaged_member_is_dropped_whole_and_nothing_is_written_to_it() {
    let world = World::new().await;
    let code = Script::wanting(vec![apply("n/x", json!({}))]);
    world.run(Plugin::new("p", &code).finalizing().pruning()).await;
    world.api.drain();
    let runs = code.runs();
    world.dispatcher.disengage(&member());
    world.api.remove("ConfigMap", "n/x");
    world.touch("n/a");
    seconds(30).await;
    assert_eq!((code.runs(), world.api.all_writes()), (runs, vec![]));
    assert!(world.dispatcher.bindings().is_empty() && world.report().is_empty());
    assert!(world.caches.snapshot().is_empty(), "nobody watches any more");
}

#[tokio::test(start_paused = true)]
async fn a_run_in_flight_when_its_member_is_withdrawn_writes_nothing() {
    let world = World::new().await;
    world.run(Plugin::new("p", &slow("n/x"))).await;
    world.dispatcher.disengage(&member());
    seconds(10).await;
    assert_eq!(world.api.wrote(), [""; 0]);
}

/// Takes three seconds.
fn slow(object: &'static str) -> Arc<Script> {
    Script::reading(move |_, _| {
        async move {
            tokio::time::sleep(Duration::from_secs(3)).await;
            want(vec![apply(object, json!({}))])
        }
        .boxed()
    })
}

#[tokio::test(start_paused = true)]
async fn a_paused_member_runs_nothing_until_it_goes_on() {
    let code = Script::wanting(vec![]);
    let world = World::with(&code).await;
    world.dispatcher.change_member(info(&[]), true);
    world.touch("n/a");
    settle().await;
    assert_eq!((world.state("p"), code.runs()), ((Parked, "Paused"), 1));
    world.dispatcher.change_member(info(&[]), false);
    settle().await;
    assert_eq!((world.state("p"), code.runs()), ((Active, ""), 2));
}

#[tokio::test(start_paused = true)]
async fn a_suspended_plugin_runs_nothing_until_it_goes_on_and_keeps_its_finalizer() {
    let code = Script::wanting(vec![]);
    let world = World::new().await;
    world.run(Plugin::new("p", &code).finalizing()).await;
    let mut suspended = Plugin::new("p", &code).finalizing();
    suspended.spec.suspend = true;
    let runs = code.runs();
    world.run(suspended).await;
    world.api.remove("Thing", "n/a");
    settle().await;
    assert_eq!((world.state("p"), code.runs()), ((Parked, "Suspended"), runs));
    assert_eq!(world.api.names("Thing"), ["n/a"]);
    world.run(Plugin::new("p", &code).finalizing()).await;
    assert!(code.requests().iter().any(|r| r.deleting));
    assert_eq!(world.api.names("Thing"), [""; 0]);
}

#[tokio::test(start_paused = true)]
async fn the_next_key_runs_new_code_and_what_runs_finishes_on_the_old() {
    let world = World::new().await;
    world.run(Plugin::new("p", &slow("n/old"))).await;
    let new = Script::wanting(vec![apply("n/new", json!({}))]);
    let mut plugin = Plugin::new("p", &new);
    plugin.digest = "b";
    world.run(plugin).await;
    assert_eq!(new.runs(), 0, "one run of a key at a time");
    seconds(5).await;
    assert_eq!(world.api.names("ConfigMap"), ["n/new", "n/old"]);
    assert_eq!(world.binding("p").digest, motet_core::Digest::of(b"b"));
}

#[tokio::test(start_paused = true)]
async fn another_config_runs_every_key_with_it() {
    let code = Script::wanting(vec![]);
    let world = World::with(&code).await;
    let mut plugin = Plugin::new("p", &code);
    plugin.spec.config = Some(json!({ "x": 1 }));
    world.run(plugin).await;
    assert_eq!((code.runs(), &code.last().config[..]), (2, &br#"{"x":1}"#[..]));
}

#[tokio::test(start_paused = true)]
async fn other_labels_of_the_member_reach_the_plugin() {
    let code = Script::wanting(vec![]);
    let world = World::with(&code).await;
    world.dispatcher.change_member(info(&[("tier", "edge")]), false);
    settle().await;
    assert_eq!(code.last().member.labels, [("tier".to_owned(), "edge".to_owned())]);
}

#[tokio::test(start_paused = true)]
async fn a_member_that_is_no_longer_selected_loses_its_binding_and_gets_it_back() {
    let code = Script::wanting(vec![]);
    let world = World::new().await;
    let mut selecting = Plugin::new("p", &code);
    selecting.spec.members = members_with("edge");
    world.run(selecting).await;
    assert!(world.dispatcher.bindings().is_empty());
    world.dispatcher.change_member(info(&[("edge", "true")]), false);
    settle().await;
    assert_eq!(world.state("p").0, Active);
    world.dispatcher.change_member(info(&[]), false);
    world.dispatcher.change_member(info(&[("edge", "true")]), false);
    settle().await;
    assert_eq!(world.state("p").0, Active, "though it came back while it left");
    let runs = code.runs();
    world.touch("n/a");
    settle().await;
    assert!(code.runs() > runs);
}

#[tokio::test(start_paused = true)]
async fn a_plugin_that_is_removed_and_added_at_once_runs() {
    let code = Script::wanting(vec![]);
    let world = World::with(&code).await;
    world.dispatcher.remove_plugin(&plugin("p"));
    world.run(Plugin::new("p", &code)).await;
    assert_eq!(world.state("p"), (Active, ""));
    let runs = code.runs();
    world.touch("n/a");
    settle().await;
    assert_eq!(code.runs(), runs + 1);
}

/// Nobody waits for a member that never answers but its own keys: neither where they wait for a write nor for a live read.
#[tokio::test(start_paused = true)]
async fn a_member_that_never_answers_holds_no_worker() {
    let code = Script::reading(|r, calls| {
        async move {
            let name = r.target.to_string();
            if r.member.name.as_str() == "silent" && name.ends_with('r') {
                count(&calls, "Namespace").await;
            }
            want(vec![apply(&name, json!({}))])
        }
        .boxed()
    });
    let world = World::new().await;
    let silent = Arc::new(FakeMember::serving());
    for n in 0..20 {
        silent.edit("Thing", &format!("n/{n}w"), |_| {});
        silent.edit("Thing", &format!("n/{n}r"), |_| {});
    }
    silent.fall_silent();
    let name = motet_core::MemberName::new("silent").unwrap();
    let other = motet_core::request::MemberInfo { name: name.clone(), uid: "uid-silent".into(), labels: vec![] };
    let caches = motet_watch::MemberCaches::new(name, silent.clone(), motet_watch::CacheSettings::default());
    world.dispatcher.engage(motet_dispatch::EngagedMember {
        info: Arc::new(other),
        api: silent,
        caches,
        paused: false,
    });
    world.run(Plugin::new("p", &code)).await;
    for n in 0..20 {
        world.api.edit("Thing", &format!("n/late-{n}"), |_| {});
    }
    settle().await;
    let written: Vec<String> = world.api.names("ConfigMap").into_iter().filter(|name| name.starts_with("n/")).collect();
    assert_eq!(written.len(), 21, "{written:?}");
}
