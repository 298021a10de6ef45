//! Lists, metadata and what is owned.

use motet_core::{ObjectName, Target, description::Scope, selector::Selector};
use motet_watch::Map;
use serde_json::{Value, json};

use super::fixtures::{Listener, Want, World, name, object};

/// Pages through a list and names what it holds.
fn names(listener: &Listener, namespace: Option<&str>, labels: &str, limit: usize) -> Vec<Vec<String>> {
    let labels = Selector::parse(labels).unwrap();
    let (mut pages, mut after): (_, Option<ObjectName>) = (Vec::new(), None);
    loop {
        let (page, next) = listener.subscription.list(namespace, &labels, after.as_ref(), limit);
        let name = |bytes: &bytes::Bytes| {
            let object: Value = serde_json::from_slice(bytes).unwrap();
            format!(
                "{}/{}",
                object["metadata"]["namespace"].as_str().unwrap(),
                object["metadata"]["name"].as_str().unwrap()
            )
        };
        pages.push(page.iter().map(name).collect());
        match next {
            Some(next) => after = Some(next),
            None => return pages,
        }
    }
}

fn some() -> Vec<Value> {
    let labelled = json!({"metadata": {"labels": {"a": "b"}}});
    vec![
        object("n/2", 1, labelled.clone()),
        object("m/1", 2, json!({})),
        object("n/1", 3, json!({})),
        object("m/9", 4, labelled.clone()),
        object("o/1", 5, labelled),
    ]
}

#[tokio::test(start_paused = true)]
async fn lists_come_in_order_and_in_pages() {
    let world = World::new();
    let listener = world.synced(Want::default(), &some()).await;
    assert_eq!(names(&listener, None, "", 0), [["m/1", "m/9", "n/1", "n/2", "o/1"]]);
    assert_eq!(names(&listener, None, "", 2), vec![vec!["m/1", "m/9"], vec!["n/1", "n/2"], vec!["o/1"]]);
    assert_eq!(names(&listener, Some("n"), "", 1), [["n/1"], ["n/2"]]);
    assert_eq!(names(&listener, None, "a=b", 2), vec![vec!["m/9", "n/2"], vec!["o/1"]]);
    assert_eq!(names(&listener, Some("none"), "", 2), [[""; 0]]);
}

#[tokio::test(start_paused = true)]
async fn a_list_over_several_namespaces_is_one_list() {
    let world = World::new();
    let _all = world.synced(Want::default(), &some()).await;
    let scope = Scope { namespaces: vec!["o".into(), "m".into()], ..Scope::default() };
    let two = world.subscribe(Want { scope, ..Want::default() }).await;
    assert_eq!(names(&two, None, "", 2), vec![vec!["m/1", "m/9"], vec!["o/1"]]);
    assert_eq!(names(&two, Some("m"), "", 1), [["m/1"], ["m/9"]]);
    assert_eq!(names(&two, Some("n"), "", 0), [[""; 0]], "out of scope");
    assert!(two.sees("n/1").is_none());
}

#[tokio::test(start_paused = true)]
async fn the_host_knows_what_a_projection_hides() {
    let world = World::new();
    let thing = object(
        "n/x",
        7,
        json!({"data": {"a": "1"}, "metadata": {
            "generation": 3, "labels": {"a": "b"}, "finalizers": ["motet.dev/p"], "deletionTimestamp": "2026-01-01T00:00:00Z",
            "annotations": {"owner.motet.dev/p": "n/primary#base", "owner.motet.dev/q": "@member#"},
            "managedFields": [{"manager": "motet/p", "operation": "Apply", "fieldsV1": {"f:data": {"f:a": {}}}}]}}),
    );
    let want = || Want { projection: Some(vec![]), map: Map::OwnerAnnotation, ..Want::default() };
    let p = world.synced(want(), &[thing, object("n/other", 8, json!({}))]).await;
    let q = world.subscribe(Want { plugin: "q", ..want() }).await;
    assert_eq!(q.heard(), ["@member Low"]);
    let info = p.subscription.meta(&name("n/x")).unwrap();
    assert_eq!(
        (info.uid.as_str(), info.resource_version.as_str(), info.generation, info.deleting),
        ("uid-n/x", "7", 3, true)
    );
    assert_eq!((&*info.finalizers[0], &*info.labels["a"]), ("motet.dev/p", "b"));
    let sent = motet_core::owned::sent_digest(br#"{"metadata":{"name":"x"},"data":{"a":"1"}}"#).unwrap();
    assert_eq!((info.owned, info.owned_status), (Some(sent), None));
    assert_eq!(info.owner, Some((Target::Object(name("n/primary")), "base".into())));
    assert_eq!(q.subscription.meta(&name("n/x")).unwrap().owned, None);

    let owned = p.subscription.owned(&Target::Object(name("n/primary")));
    assert_eq!(
        owned.iter().map(|o| (o.name.to_string(), &*o.uid, &*o.set)).collect::<Vec<_>>(),
        [("n/x".into(), "uid-n/x", "base")]
    );
    assert_eq!(q.subscription.owned(&Target::Member).len(), 1);
    world.api.last().delete(&object("n/x", 101, json!({}))).await;
    assert!(p.subscription.owned(&Target::Object(name("n/primary"))).is_empty());
}
