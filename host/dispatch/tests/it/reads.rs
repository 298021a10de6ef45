//! What a plugin reads after it wrote: its own writes, even if watches lag.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use futures::FutureExt as _;
use motet_core::{
    description::Mapping,
    outcome::{Intent, Next},
    ports::{HostCall, HostReply, ListQuery},
};
use parking_lot::Mutex;
use serde_json::json;

use super::world::{
    Plugin, Script, World, apply, count, gvk, plugin, reference, seconds, settle, want, want_after, watch,
};

fn stale_reads(world: &World) -> u64 {
    let stats = world.dispatcher.plugin_stats();
    stats.iter().find(|(name, _)| *name == plugin("p")).unwrap().1.stale_reads.get()
}

/// Creates one more ConfigMap, under a new name, until it counts three, asked again at once.
fn until_three() -> Arc<Script> {
    let names = Arc::new(AtomicUsize::new(0));
    Script::reading(move |_, calls| {
        let names = names.clone();
        async move {
            if count(&calls, "ConfigMap").await >= 3 {
                return want(vec![]);
            }
            let name = format!("n/x{}", names.fetch_add(1, Ordering::Relaxed));
            want_after(vec![apply(&name, json!({}))], Next::Requeue)
        }
        .boxed()
    })
}

async fn lagging(millis: u64) -> World {
    let world = World::new().await;
    world.api.delay_watches(Duration::from_millis(millis));
    let watched = watch("", "ConfigMap", Some(Mapping::None {}));
    world.run(Plugin::new("p", &until_three()).related(watched)).await;
    world
}

#[tokio::test(start_paused = true)]
async fn a_plugin_that_creates_until_it_counts_three_creates_three_though_watches_lag() {
    let world = lagging(5000).await;
    seconds(120).await;
    assert_eq!(world.api.names("ConfigMap").len(), 3);
    assert_eq!(stale_reads(&world), 0);
}

#[tokio::test(start_paused = true)]
async fn events_do_not_run_a_key_before_it_can_see_what_it_wrote() {
    let world = lagging(5000).await;
    for _ in 0..20 {
        world.touch("n/a");
        seconds(1).await;
    }
    assert_eq!(world.api.names("ConfigMap").len(), 3);
}

#[tokio::test(start_paused = true)]
async fn a_key_whose_cache_does_not_come_round_goes_after_five_seconds_and_a_half_and_is_counted() {
    let world = lagging(8000).await;
    seconds(4).await;
    assert_eq!((world.api.names("ConfigMap").len(), stale_reads(&world)), (1, 0));
    seconds(2).await;
    assert_eq!((world.api.names("ConfigMap").len(), stale_reads(&world)), (2, 1));
}

#[tokio::test(start_paused = true)]
async fn a_cache_that_does_not_select_what_was_written_is_not_waited_for() {
    let world = World::new().await;
    let mut others = watch("", "ConfigMap", Some(Mapping::None {}));
    others.scope.labels = "colour=blue".into();
    let code = Script::new(|_| want_after(vec![apply("n/x", json!({}))], Next::After(Duration::from_secs(1))));
    world.run(Plugin::new("p", &code).related(others)).await;
    seconds(2).await;
    assert!(code.runs() >= 2, "it did not wait for a cache that never shows the object");
    seconds(10).await;
    assert_eq!(stale_reads(&world), 0);
}

#[tokio::test(start_paused = true)]
async fn a_deletion_that_waits_for_a_finalizer_does_not_hold_the_key() {
    let world = World::new().await;
    world.api.edit("ConfigMap", "n/x", |object| object["metadata"]["finalizers"] = json!(["someone/else"]));
    let delete = Intent::Delete { target: reference("ConfigMap", "n/x"), uid: None, resource_version: None };
    let code = Script::new(move |_| want_after(vec![delete.clone()], Next::After(Duration::from_secs(1))));
    let watched = watch("", "ConfigMap", Some(Mapping::None {}));
    world.run(Plugin::new("p", &code).related(watched)).await;
    seconds(10).await;
    assert_eq!(stale_reads(&world), 0);
}

#[tokio::test(start_paused = true)]
async fn a_list_by_fields_is_asked_of_the_member_since_a_cache_cannot_tell() {
    let world = World::new().await;
    let code = Script::reading(|_, calls| {
        async move {
            let query = ListQuery { fields: "metadata.name=x".into(), ..ListQuery::default() };
            let page = calls(HostCall::List { gvk: gvk("", "ConfigMap"), query }).await;
            assert!(matches!(page, HostReply::Page(Ok(_))));
            want(vec![])
        }
        .boxed()
    });
    let watched = watch("", "ConfigMap", Some(Mapping::None {}));
    world.run(Plugin::new("p", &code).related(watched)).await;
    settle().await;
    let stats = world.dispatcher.plugin_stats();
    assert_eq!(stats[0].1.live_reads.get(), code.runs() as u64);
}

/// Lists ConfigMaps by each selector in turn; how many there were, run by run.
fn listing(fields: &'static [(&'static str, &'static str)]) -> (Arc<Script>, Arc<Mutex<Vec<usize>>>) {
    let counted: Arc<Mutex<Vec<usize>>> = Arc::default();
    let counts = counted.clone();
    let code = Script::reading(move |_, calls| {
        let counts = counts.clone();
        async move {
            for (fields, labels) in fields {
                let query = ListQuery { fields: (*fields).into(), labels: (*labels).into(), ..ListQuery::default() };
                match calls(HostCall::List { gvk: gvk("", "ConfigMap"), query }).await {
                    HostReply::Page(Ok(page)) => counts.lock().push(page.items.len()),
                    other => panic!("{other:?}"),
                }
            }
            want_after(vec![], Next::After(Duration::from_secs(60)))
        }
        .boxed()
    });
    (code, counted)
}

#[tokio::test(start_paused = true)]
async fn what_maps_to_a_key_by_a_field_is_read_from_the_cache_by_that_field_or_a_label() {
    let world = World::new().await;
    for at in 0..150 {
        world.api.edit("ConfigMap", &format!("n/c{at:03}"), |object| {
            let thing = ["a", "b", "c"][at % 3];
            object["data"] = json!({ "thing": thing });
            object["metadata"]["labels"] = json!({ "half": (at % 2).to_string() });
        });
    }
    let (code, counted) =
        listing(&[("data.thing=a", ""), ("data.thing == b", "half=1"), ("", "half=0"), ("data.thing=nobody", "")]);
    let mapped = watch("", "ConfigMap", Some(Mapping::Path("/data/thing".into())));
    world.run(Plugin::new("p", &code).related(mapped)).await;
    seconds(70).await;
    let runs = code.runs();
    assert!(runs >= 2, "{runs} runs");
    assert_eq!(*counted.lock(), [50, 25, 75, 0].repeat(runs));
    assert_eq!(world.dispatcher.plugin_stats()[0].1.live_reads.get(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_field_selector_that_only_the_server_understands_is_read_live() {
    let world = World::new().await;
    let (code, _) = listing(&[("data.thing!=a", ""), ("data.thing=a,data.x=b", ""), ("data.thing=", ""), ("data", "")]);
    let mapped = watch("", "ConfigMap", Some(Mapping::Path("/data/thing".into())));
    world.run(Plugin::new("p", &code).related(mapped)).await;
    settle().await;
    assert_eq!(world.dispatcher.plugin_stats()[0].1.live_reads.get(), 4 * code.runs() as u64);
}

#[tokio::test(start_paused = true)]
async fn a_plugin_never_sees_managed_fields_live_or_cached() {
    let world = World::new().await;
    world.api.edit("Secret", "n/s", |object| object["data"] = json!({ "k": "dg==" }));
    let code = Script::reading(|request, calls| {
        async move {
            assert!(!String::from_utf8_lossy(&request.primary.unwrap()).contains("managedFields"));
            match calls(HostCall::Get(vec![reference("Secret", "n/s")])).await {
                HostReply::Objects(found) => {
                    let json = found[0].clone().unwrap().unwrap();
                    assert!(!String::from_utf8_lossy(&json).contains("managedFields"));
                }
                other => panic!("{other:?}"),
            }
            want(vec![apply("n/seen", json!({}))])
        }
        .boxed()
    });
    world.run(Plugin::new("p", &code)).await;
    assert_eq!(world.api.names("ConfigMap"), ["n/seen"]);
}
