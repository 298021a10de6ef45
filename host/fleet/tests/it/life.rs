//! Members come and go: through Secrets in a hub, and as duplicates of each other.

use std::sync::Arc;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use motet_cluster::{Client, parse};
use motet_core::{
    Gvk, ObjectName, Resource,
    outcome::PatchKind,
    ports::{MemberApi as _, Write},
};
use motet_fleet::{Fleet, MemberState, Provider};
use serde_json::json;

use super::stage::{Stage, cluster, name, settings, shows, spec, subscribe, until, write};

#[tokio::test]
async fn secrets_in_the_hub_are_members() {
    let (hub, edge) = (cluster("hub").await, cluster("edge").await);
    let connection = parse(hub.kubeconfig().as_bytes(), None, None, &Default::default()).unwrap();
    let client = Client::new(connection, settings().client).unwrap();
    let secrets = Resource {
        gvk: Gvk::new("", "v1", "Secret"),
        plural: "secrets".into(),
        namespaced: true,
        status: false,
        watchable: true,
    };
    let provider = Provider::Secrets { hub: Arc::new(client.clone()), namespace: "default".into() };
    let (fleet, events) = Fleet::start(settings(), vec![provider]);
    until("the first list of members", || fleet.not_ready().is_empty()).await;
    assert!(fleet.snapshot().is_empty());

    let object = ObjectName::namespaced("default", "edge-1");
    let secret = json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "edge-1", "namespace": "default",
        "labels": {"motet.dev/member": "true", "tier": "edge"}}, "data": {"kubeconfig": STANDARD.encode(edge.kubeconfig())}});
    let create = Write::Create { body: secret.to_string().into(), manager: "test".into() };
    client.write(&secrets, &object, create).await.unwrap();
    let patch = async |patch: serde_json::Value| {
        let body = patch.to_string().into();
        let patch = Write::Patch { body, kind: PatchKind::Merge, manager: "test".into(), subresource: None };
        client.write(&secrets, &object, patch).await.unwrap();
    };
    let mut stage = stage_of(fleet, events);
    let member = stage.engaged().await;
    assert_eq!((member.info.uid.as_str(), member.paused), (edge.uid().as_str(), false));
    let status = stage.reaches("edge-1", MemberState::Ready, "").await;
    assert_eq!((status.server.as_str(), status.provider.as_str()), (edge.url().as_str(), "secret/default"));
    write(&*member.api, "a").await.unwrap();

    patch(json!({"metadata": {"annotations": {"note": "nothing of ours"}}})).await;
    patch(json!({"metadata": {"labels": {"motet.dev/paused": "true"}}})).await;
    assert_eq!(stage.event().await, "changed edge-1", "the annotation alone changed nothing");
    assert_eq!(stage.status("edge-1").labels["motet.dev/paused"], "true");

    client.write(&secrets, &object, Write::Delete { uid: None, resource_version: None }).await.unwrap();
    assert_eq!(stage.event().await, "disengaged edge-1");
    until("its status to go", || stage.fleet.member(&name("edge-1")).is_none()).await;
    assert!(write(&*member.api, "b").await.is_err(), "nothing is written to a member whose Secret is gone");
}

fn stage_of(fleet: motet_fleet::FleetHandle, events: tokio::sync::mpsc::Receiver<motet_fleet::FleetEvent>) -> Stage {
    let mut stage = Stage::new();
    (stage.fleet, stage.events) = (fleet, events);
    stage
}

#[tokio::test]
async fn of_two_members_that_are_one_cluster_the_older_is_served() {
    let edge = cluster("edge").await;
    let mut stage = Stage::new();
    let mut younger = spec("a", &edge.kubeconfig());
    younger.created = 20;
    stage.put(younger).await;
    assert_eq!(stage.event().await, "engaged a");

    let mut older = spec("b", &edge.kubeconfig());
    older.created = 10;
    stage.put(older).await;
    assert_eq!(stage.event().await, "disengaged a", "two never serve one cluster at once");
    assert_eq!(stage.event().await, "engaged b");
    let refused = stage.reaches("a", MemberState::Refused, "DuplicateMember").await;
    assert!(refused.message.contains("the member b already"), "{}", refused.message);

    let mut same_age = spec("c", &edge.kubeconfig());
    same_age.created = 10;
    stage.put(same_age).await;
    stage.reaches("c", MemberState::Refused, "DuplicateMember").await;

    stage.withdraw("b").await;
    assert_eq!(stage.event().await, "disengaged b");
    assert_eq!(stage.event().await, "engaged c");
    stage.change("a", |spec| spec.identity = Some("another".into())).await;
    assert_eq!(stage.event().await, "engaged a", "an overridden identity is another cluster");
    assert_eq!(stage.status("a").uid, "another");
}

#[tokio::test]
async fn a_member_withdrawn_and_announced_again_at_once_is_engaged_again() {
    let edge = cluster("edge").await;
    let mut stage = Stage::new();
    for _ in 0..5 {
        stage.put(spec("a", &edge.kubeconfig())).await;
        let member = stage.engaged().await;
        write(&*member.api, "x").await.unwrap();
        let cache = subscribe(&member);
        shows(&cache, "x").await;
        stage.withdraw("a").await;
        stage.put(spec("a", &edge.kubeconfig())).await;
        assert_eq!(stage.event().await, "disengaged a");
        assert_eq!(stage.event().await, "engaged a");
        stage.withdraw("a").await;
        assert_eq!(stage.event().await, "disengaged a");
    }
}

#[tokio::test]
async fn shutdown_disengages_everything() {
    let (one, two) = (cluster("one").await, cluster("two").await);
    let mut stage = Stage::new();
    stage.put(spec("one", &one.kubeconfig())).await;
    stage.put(spec("two", &two.kubeconfig())).await;
    let members = [stage.engaged().await, stage.engaged().await];
    stage.fleet.shutdown().await;
    let mut ends = [stage.event().await, stage.event().await];
    ends.sort();
    assert_eq!(ends, ["disengaged one", "disengaged two"]);
    for member in members {
        assert!(write(&*member.api, "x").await.is_err());
    }
    assert!(stage.fleet.snapshot().is_empty());
}
