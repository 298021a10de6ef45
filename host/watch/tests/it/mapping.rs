//! Which keys an object leads to, before and after a change.

use motet_core::{Gvk, description::Mapping};
use motet_watch::{Map, PrimaryKind};
use serde_json::{Value, json};

use super::fixtures::{Want, World, object};

fn to_shops(mapping: Mapping, namespaced: bool) -> Want {
    let primary = PrimaryKind { gvk: Gvk::new("shops.example.org", "v1", "Shop"), namespaced };
    Want { map: Map::Mapped(mapping, Some(primary)), projection: Some(vec![]), ..Want::default() }
}

/// What one object of each mapping leads to.
async fn keys(mapping: Mapping, namespaced: bool, place: &str, rest: Value) -> Vec<String> {
    let world = World::new();
    let listener = world.subscribe(to_shops(mapping, namespaced)).await;
    world.api.last().list("100", &[object(place, 1, rest)]).await;
    listener.heard()
}

fn owned_by(owners: &[(&str, &str, &str)]) -> Value {
    let owner = |(version, kind, name): &(&str, &str, &str)| json!({"apiVersion": version, "kind": kind, "name": name, "uid": "u"});
    json!({"metadata": {"ownerReferences": owners.iter().map(owner).collect::<Vec<_>>()}})
}

#[tokio::test(start_paused = true)]
async fn owners_count_by_group_and_kind_in_any_version_and_each_once() {
    let owners = owned_by(&[
        ("shops.example.org/v1", "Shop", "a"),
        ("shops.example.org/v2beta1", "Shop", "b"),
        ("shops.example.org/v1", "Shop", "a"),
        ("shops.example.org/v1", "Mall", "c"),
        ("other.example.org/v1", "Shop", "d"),
    ]);
    assert_eq!(keys(Mapping::Owner {}, true, "n/x", owners.clone()).await, ["n/a Low", "n/b Low"]);
    assert_eq!(
        keys(Mapping::Owner {}, false, "n/x", owners.clone()).await,
        ["a Low", "b Low"],
        "cluster-scoped owners"
    );
    assert!(
        keys(Mapping::Owner {}, true, "x", owners).await.is_empty(),
        "a namespaced owner of a cluster-scoped object"
    );
}

#[tokio::test(start_paused = true)]
async fn values_name_a_primary_here_or_elsewhere() {
    let labels = json!({"metadata": {"labels": {"shop": "a"}}});
    assert_eq!(keys(Mapping::Label("shop".into()), true, "n/x", labels.clone()).await, ["n/a Low"]);
    assert_eq!(keys(Mapping::Label("shop".into()), false, "n/x", labels.clone()).await, ["a Low"]);
    assert!(keys(Mapping::Label("other".into()), true, "n/x", labels).await.is_empty());
    let annotated = json!({"metadata": {"annotations": {"example.org/shop": "m/b"}}});
    assert_eq!(keys(Mapping::Annotation("example.org/shop".into()), true, "n/x", annotated.clone()).await, ["m/b Low"]);
    assert!(keys(Mapping::Annotation("example.org/shop".into()), false, "n/x", annotated).await.is_empty());
    let refs = json!({"spec": {"refs": [{"shop": "a"}, {"shop": "m/b"}, {"shop": "a"}, {}, {"shop": "x/y/z"}]}});
    assert_eq!(keys(Mapping::Path("/spec/refs/*/shop".into()), true, "n/x", refs).await, ["m/b Low", "n/a Low"]);
}

#[tokio::test(start_paused = true)]
async fn names_namespaces_and_the_member_are_keys() {
    assert_eq!(keys(Mapping::Name {}, true, "n/x", json!({})).await, ["n/x Low"]);
    assert_eq!(keys(Mapping::Name {}, false, "n/x", json!({})).await, ["x Low"]);
    assert_eq!(keys(Mapping::Namespace {}, false, "n/x", json!({})).await, ["n Low"]);
    assert_eq!(keys(Mapping::Member {}, true, "n/x", json!({})).await, ["@member Low"]);
    assert!(keys(Mapping::None {}, true, "n/x", json!({})).await.is_empty());
}

#[tokio::test(start_paused = true)]
async fn an_object_that_moves_concerns_both_its_old_and_its_new_primary() {
    let world = World::new();
    let at = |version, node: &str| object("n/x", version, json!({"spec": {"node": node}}));
    let by_path = world.synced(to_shops(Mapping::Path("/spec/node".into()), false), &[at(1, "a")]).await;
    world.api.last().upsert(&at(101, "b")).await;
    assert_eq!(by_path.heard(), ["a Normal", "b Normal"], "though the projection shows no change");
    assert_eq!(by_path.sees("n/x").unwrap().get("spec"), None);

    let world = World::new();
    let owned = |version, owner: &str| object("n/x", version, owned_by(&[("shops.example.org/v1", "Shop", owner)]));
    let by_owner = world.synced(to_shops(Mapping::Owner {}, true), &[owned(1, "a")]).await;
    world.api.last().upsert(&owned(101, "b")).await;
    assert_eq!(by_owner.heard(), ["n/a Normal", "n/b Normal"]);
    world.api.last().delete(&owned(102, "b")).await;
    assert_eq!(by_owner.heard(), ["n/b Normal"], "the deletion of a related object is no deletion of a primary");
}
