//! Reads by value through a subscription: the same with an index as without, whatever happens to the cache.

use std::sync::Arc;

use motet_core::{Gvk, ObjectName, Target, description::Mapping, selector::Selector};
use motet_watch::{Index, Map, PrimaryKind};
use serde_json::{Value, json};

use super::fixtures::{Listener, Script, Want, World, name, object, settle};

fn pod(at: u64, version: u64, node: &str, tier: &str) -> Value {
    let namespace = ["m", "n"][at as usize % 2];
    let rest = json!({"metadata": {"labels": {"tier": tier}}, "spec": {"nodeName": node}});
    object(&format!("{namespace}/{at:03}"), version, rest)
}

/// 200 pods over three nodes and two tiers.
fn pods() -> Vec<Value> {
    (0..200).map(|at| pod(at, at + 1, ["w", "x", "y"][at as usize % 3], ["edge", "core"][at as usize / 100])).collect()
}

fn by_node() -> Want {
    let primary = PrimaryKind { gvk: Gvk::new("", "v1", "Node"), namespaced: false };
    let map = Map::Mapped(Mapping::Path("/spec/nodeName".into()), Some(primary));
    Want { map, projection: Some(vec!["/metadata/labels"]), ..Want::default() }
}

fn found(page: &[bytes::Bytes]) -> Vec<String> {
    let name = |bytes: &bytes::Bytes| {
        let object: Value = serde_json::from_slice(bytes).unwrap();
        format!(
            "{}/{}",
            object["metadata"]["namespace"].as_str().unwrap(),
            object["metadata"]["name"].as_str().unwrap()
        )
    };
    page.iter().map(name).collect()
}

/// Pages through the pods of a node and a tier.
fn on(listener: &Listener, node: &str, tier: &str, namespace: Option<&str>) -> Vec<String> {
    let index = listener.subscription.index_by_field("spec.nodeName").unwrap();
    let labels = Selector::parse(&format!("tier={tier}")).unwrap();
    let (mut all, mut after): (_, Option<ObjectName>) = (Vec::new(), None);
    loop {
        let (page, next) = listener.subscription.list_by(Some((&index, node)), namespace, &labels, after.as_ref(), 7);
        all.extend(found(&page));
        match next {
            Some(next) => after = Some(next),
            None => return all,
        }
    }
}

/// What the objects themselves say.
fn expected(objects: &[Value], node: &str, tier: &str, namespace: Option<&str>) -> Vec<String> {
    let selected = objects.iter().filter(|o| {
        o["spec"]["nodeName"] == node
            && o["metadata"]["labels"]["tier"] == tier
            && namespace.is_none_or(|ns| o["metadata"]["namespace"] == ns)
    });
    let mut names: Vec<_> = selected
        .map(|o| {
            format!("{}/{}", o["metadata"]["namespace"].as_str().unwrap(), o["metadata"]["name"].as_str().unwrap())
        })
        .collect();
    names.sort();
    names
}

fn check(listener: &Listener, objects: &[Value]) {
    for (node, tier) in ["w", "x", "y", "z"].into_iter().flat_map(|node| [(node, "edge"), (node, "core")]) {
        for namespace in [None, Some("m"), Some("n")] {
            assert_eq!(on(listener, node, tier, namespace), expected(objects, node, tier, namespace));
        }
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_read_by_value_is_the_same_with_an_index_and_follows_every_change() {
    let world = World::indexing();
    let mut objects = pods();
    let listener = world.synced(by_node(), &objects).await;
    check(&listener, &objects);
    let bare = world.caches.snapshot()[0].bytes;
    let index = listener.subscription.index_by_field("spec.nodeName").unwrap();
    for index in [index, Index::Label("tier".into())] {
        listener.subscription.declare(&index);
        listener.subscription.declare(&index);
    }
    // Not filled yet: answers do not wait.
    check(&listener, &objects);
    settle().await;
    let indexed = world.caches.snapshot()[0].bytes;
    assert!(indexed > bare + 2 * 200 * 64, "both are filled: {bare} -> {indexed}");
    check(&listener, &objects);
    objects[3] = pod(3, 300, "z", "edge");
    world.api.last().upsert(&objects[3]).await;
    let gone = objects.remove(10);
    world.api.last().delete(&gone).await;
    check(&listener, &objects);
    // A list moves some, drops some and brings a new one.
    objects.truncate(150);
    objects[8] = pod(8, 301, "z", "core");
    objects.push(pod(900, 302, "w", "edge"));
    world.api.last().list("400", &objects).await;
    check(&listener, &objects);
    // A store that was given back and filled anew is indexed anew.
    world.caches.pause();
    tokio::time::sleep(std::time::Duration::from_secs(16 * 60)).await;
    check(&listener, &[]);
    let back = Arc::new(Script::default());
    world.caches.resume(back.clone());
    settle().await;
    back.last().list("500", &objects).await;
    check(&listener, &objects);
}

#[tokio::test(start_paused = true)]
async fn an_index_goes_with_the_last_who_declared_it() {
    let world = World::indexing();
    let first = world.synced(Want::default(), &pods()).await;
    let second = world.subscribe(Want { plugin: "q", ..Want::default() }).await;
    let bare = world.caches.snapshot()[0].bytes;
    let bytes = || world.caches.snapshot()[0].bytes;
    for listener in [&first, &second] {
        listener.subscription.declare(&Index::Label("tier".into()));
    }
    settle().await;
    assert!(bytes() > bare);
    drop(second);
    assert!(bytes() > bare);
    for key in ["a", "b", "c", "d", "e", "f"] {
        first.subscription.declare(&Index::Label(key.into()));
    }
    let _third = world.subscribe(Want { plugin: "r", ..Want::default() }).await;
    drop(first);
    assert_eq!(bytes(), bare);
}

#[tokio::test(start_paused = true)]
async fn a_small_cache_is_scanned_and_only_mapped_fields_have_an_index() {
    let world = World::new();
    let listener = world.synced(by_node(), &pods()[..60]).await;
    let bare = world.caches.snapshot()[0].bytes;
    listener.subscription.declare(&Index::Label("tier".into()));
    assert_eq!(world.caches.snapshot()[0].bytes, bare);
    check(&listener, &pods()[..60]);
    for field in ["spec.nodeNam", "metadata.name", "", "spec", "/spec/nodeName"] {
        assert_eq!(listener.subscription.index_by_field(field), None, "{field}");
    }
    let primary = PrimaryKind { gvk: Gvk::new("apps", "v1", "ReplicaSet"), namespaced: true };
    let owned = Want { map: Map::Mapped(Mapping::Owner {}, Some(primary)), plugin: "q", ..Want::default() };
    let owned = world.subscribe(owned).await;
    let field = owned.subscription.index_by_field("metadata.ownerReferences.uid");
    assert_eq!(field, Some(Index::Path("/metadata/ownerReferences/*/uid".into())));
}

#[tokio::test(start_paused = true)]
async fn what_a_key_owns_is_found_by_an_index_that_others_do_not_pay_for() {
    let world = World::new();
    let objects: Vec<_> = (0..200u64)
        .map(|at| {
            let owner = format!("n/k{}#s", at % 20);
            object(&format!("n/{at:03}"), at + 1, json!({"metadata": {"annotations": {"owner.motet.dev/p": owner}}}))
        })
        .collect();
    let reader = world.synced(Want { plugin: "q", ..Want::default() }, &objects).await;
    let bare = world.caches.snapshot()[0].bytes;
    let owner = world.subscribe(Want { map: Map::OwnerAnnotation, ..Want::default() }).await;
    let target = Target::Object(name("n/k7"));
    let owned = || owner.subscription.owned(&target).into_iter().map(|o| o.name.to_string()).collect::<Vec<_>>();
    let expected: Vec<_> = (0..10).map(|i| format!("n/{:03}", i * 20 + 7)).collect();
    assert_eq!(owned(), expected);
    assert!(world.caches.snapshot()[0].bytes >= bare + 200 * 64);
    assert!(reader.subscription.owned(&target).is_empty(), "it is another plugin's annotation");
    drop(owner);
    assert_eq!(world.caches.snapshot()[0].bytes, bare);
}
