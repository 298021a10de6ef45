//! A member's credentials change while it is served.

use motet_devcluster::Cluster;
use motet_fleet::MemberState;

use super::stage::{Stage, cluster, shows, spec, subscribe, until, watches, write};

#[tokio::test]
async fn a_changed_token_is_swapped_in_place() {
    let edge = cluster("edge").await;
    let mut stage = Stage::new();
    stage.put(spec("a", &edge.kubeconfig())).await;
    let member = stage.engaged().await;
    let cache = subscribe(&member);
    write(&*member.api, "one").await.unwrap();
    shows(&cache, "one").await;
    until("the watch", || watches(&edge) == 1).await;
    let before = watches(&edge);

    edge.add_token("rotated");
    let rotated = edge.kubeconfig_with_token("rotated");
    stage.change("a", |spec| spec.kubeconfig = rotated.into()).await;
    // The old token goes away; only the new one can write now.
    let old = edge.token().to_string();
    stage.uses_new_token(&edge, &old).await;
    write(&*member.api, "two").await.unwrap();
    shows(&cache, "two").await;
    assert_eq!(watches(&edge), before, "no watch was restarted");
    assert_eq!(stage.status("a").state, MemberState::Ready);
    stage.quiet();
}

impl Stage {
    /// Waits until the fleet has tried a new token (one more read), then revokes the old one.
    async fn uses_new_token(&self, edge: &Cluster, old: &str) {
        // Two probes later the swap, which is one request, is through.
        let gets = || edge.requests().by_verb.get("get").copied().unwrap_or_default();
        let start = gets();
        until("requests with the new token", || gets() >= start + 4).await;
        edge.revoke_token(old);
    }
}

#[tokio::test]
async fn a_bad_update_is_rejected_and_the_old_credentials_serve_on() {
    let edge = cluster("edge").await;
    let elsewhere = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let mut stage = Stage::new();
    stage.put(spec("a", &edge.kubeconfig())).await;
    let member = stage.engaged().await;
    let cache = subscribe(&member);
    let wrong_token = edge.kubeconfig_with_token("wrong");
    let wrong_place = edge.kubeconfig().replace(&edge.url(), &format!("https://{elsewhere}"));
    let exec = edge.kubeconfig().replace("token:", "exec: {command: sh}\n    x:");
    for (round, bad) in [wrong_token, wrong_place, exec, "not: [yaml".into()].into_iter().enumerate() {
        stage.change("a", |spec| spec.kubeconfig = bad.into()).await;
        let status = stage.reaches("a", MemberState::Ready, "UpdateRejected").await;
        assert!(status.message.contains("is not used"), "{}", status.message);
        let object = format!("object-{round}");
        write(&*member.api, &object).await.unwrap();
        shows(&cache, &object).await;
        let good = edge.kubeconfig();
        stage.change("a", |spec| spec.kubeconfig = good.into()).await;
        stage.reaches("a", MemberState::Ready, "").await;
    }
    stage.quiet();
}

#[tokio::test]
async fn another_connection_to_the_same_cluster_takes_over_without_a_gap() {
    let edge = cluster("edge").await;
    let mut stage = Stage::new();
    stage.put(spec("a", &edge.kubeconfig())).await;
    let member = stage.engaged().await;
    let cache = subscribe(&member);
    write(&*member.api, "before").await.unwrap();
    shows(&cache, "before").await;
    until("the watch", || watches(&edge) == 1).await;
    let before = watches(&edge);
    let moved = edge.kubeconfig().replace("    user: edge", "    user: edge\n    namespace: elsewhere");
    stage.change("a", |spec| spec.kubeconfig = moved.into()).await;
    until("the new connection", || stage.status("a").reconnects.get("Update") == Some(&1)).await;
    assert!(watches(&edge) > before, "the caches follow the new connection");
    write(&*member.api, "after").await.unwrap();
    shows(&cache, "after").await;
    shows(&cache, "before").await;
    stage.quiet();
}

#[tokio::test]
async fn another_cluster_under_the_same_name_is_disengaged_then_engaged() {
    let (one, two) = (cluster("one").await, cluster("two").await);
    let mut stage = Stage::new();
    stage.put(spec("a", &one.kubeconfig())).await;
    assert_eq!(stage.engaged().await.info.uid, one.uid());
    let other = two.kubeconfig();
    stage.change("a", |spec| spec.kubeconfig = other.into()).await;
    assert_eq!(stage.event().await, "disengaged a");
    let member = stage.engaged().await;
    assert_eq!(member.info.uid, two.uid());
    write(&*member.api, "x").await.unwrap();
    assert_eq!((one.writes().len(), two.writes().len()), (0, 1));
}

#[tokio::test]
async fn labels_and_pause_change_without_a_new_connection() {
    let edge = cluster("edge").await;
    let mut stage = Stage::new();
    stage.put(spec("a", &edge.kubeconfig())).await;
    let member = stage.engaged().await;
    let _cache = subscribe(&member);
    stage.change("a", |spec| drop(spec.labels.insert("motet.dev/paused".into(), "true".into()))).await;
    assert_eq!(stage.event().await, "changed a");
    // Announced again as it is: nothing.
    stage.change("a", |_| {}).await;
    stage.change("a", |spec| drop(spec.labels.insert("ring".into(), "1".into()))).await;
    assert_eq!(stage.event().await, "changed a");
    stage.quiet();
    assert!(stage.status("a").reconnects.is_empty());
}

#[tokio::test]
async fn a_lost_member_returns_by_the_old_credentials_while_the_new_ones_are_wrong() {
    let edge = cluster("edge").await;
    let mut stage = Stage::new();
    stage.put(spec("a", &edge.kubeconfig())).await;
    let member = stage.engaged().await;
    let wrong = edge.kubeconfig_with_token("wrong");
    stage.change("a", |spec| spec.kubeconfig = wrong.into()).await;
    stage.reaches("a", MemberState::Ready, "UpdateRejected").await;
    edge.stop();
    assert_eq!(stage.event().await, "lost a");
    edge.restart().await.unwrap();
    assert_eq!(stage.event().await, "returned a");
    stage.reaches("a", MemberState::Ready, "UpdateRejected").await;
    write(&*member.api, "x").await.unwrap();
    edge.add_token("wrong");
    stage.reaches("a", MemberState::Ready, "").await;
}
