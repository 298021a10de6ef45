//! Row A2, the server itself: stopped, emptied, restored, pushing back, refusing, large.

use std::time::Duration;

use anyhow::{Context, Result};
use motet_scenarios::{
    baseline,
    client::Looker,
    wait,
    webhook::{Answer, Kind, Webhook},
};
use serde_json::{Value, json};

use crate::kit::{EDGE, EDGE_SERVICES, Stage, edge_service};

#[tokio::test(flavor = "multi_thread")]
async fn a_server_stops_starts_comes_back_empty_and_comes_back_older() -> Result<()> {
    let mut stage = Stage::converged("again").await?;

    // Stopped and started, its etcd kept.
    stage.members[0].cluster.pause();
    stage.is(0, "Unreachable").await?;
    stage.works(1, "meanwhile").await?;
    stage.members[0].cluster.resume().await?;
    stage.is(0, "Ready").await?;
    stage.works(0, "resumed").await?;

    // Restored from an older snapshot: the same cluster, lower versions; what came after the snapshot never was.
    let uid = stage.is(0, "Ready").await?["uid"].clone();
    stage.members[0].cluster.snapshot().await?;
    stage.is(0, "Ready").await?;
    stage.works(0, "after-the-snapshot").await?;
    let unlabelled = json!({ "metadata": { "labels": { "motet.dev/baseline": null } } });
    stage.members[0].look.patch("/api/v1/namespaces/shop", &unlabelled).await?;
    stage.holds(0).await?;
    stage.members[0].cluster.restore().await?;
    stage.is(0, "Ready").await?;
    stage.holds(0).await?;
    stage.works(0, "after-the-restore").await?;
    assert_eq!(stage.is(0, "Ready").await?["uid"], uid, "the same cluster");

    // Emptied: another cluster under the same name. Nothing of the old one carries over.
    let look = stage.members[0].look.clone();
    look.create(EDGE_SERVICES, &edge_service("web")).await?;
    has(&stage, &look, "/apis/apps/v1/namespaces/default/deployments/web", |_| true).await?;
    stage.members[0].cluster.wipe().await?;
    stage.shows(0, "to be another cluster", |s| s["state"] == "Ready" && s["uid"] != uid).await?;
    stage.host().binding(EDGE, "again-0", "Parked").await?;
    stage.works(0, "new-world").await?;
    stage.members[0].install().await?;
    stage.host().binding(EDGE, "again-0", "Active").await?;
    look.create(EDGE_SERVICES, &edge_service("web")).await?;
    has(&stage, &look, "/apis/apps/v1/namespaces/default/deployments/web", |_| true).await?;
    stage.nobody_else_noticed().await
}

async fn has(stage: &Stage, look: &Looker, path: &str, holds: impl Fn(&Value) -> bool) -> Result<Value> {
    look.until_there(path, "an object as wanted", holds).await.with_context(|| stage.host().tail())
}

/// Writes of the host to paths with a word in them, since `skip` entries of the audit log.
fn writes(stage: &Stage, skip: usize, word: &str) -> Result<usize> {
    let all = stage.members[0].cluster.audit().host_writes(skip)?;
    Ok(all.iter().filter(|write| write.contains(word)).count())
}

#[tokio::test(flavor = "multi_thread")]
async fn webhooks_that_time_out_and_mutate_are_lived_with() -> Result<()> {
    let stage = Stage::converged("hook").await?;
    let (webhook, look) = (Webhook::start().await?, stage.members[0].look.clone());
    let quota = |namespace: &str| format!("/api/v1/namespaces/{namespace}/resourcequotas/motet-baseline");

    // It times out: the other objects come, and this one when it answers again.
    webhook.says(Answer::Hang);
    webhook.install(&look, Kind::Mutating, "/v1/resourcequotas", 1).await?;
    wait::until("the webhook to be asked", || async {
        let probe = json!({ "apiVersion": "v1", "kind": "ResourceQuota", "metadata": { "name": "probe", "namespace": "default" }, "spec": {} });
        match look.create("/api/v1/namespaces/default/resourcequotas?dryRun=All", &probe).await {
            Err(_) => Ok(()),
            Ok(object) => Err(object.to_string()),
        }
    })
    .await?;
    stage.members[0].shop("stuck").await?;
    has(&stage, &look, "/api/v1/namespaces/stuck/limitranges/motet-baseline", |_| true).await?;
    assert!(look.get(&quota("stuck")).await?.is_none());
    webhook.says(Answer::Allow);
    stage.holds(0).await?;

    // It changes what we apply: at most one write too many per object, and no loop.
    webhook.says(Answer::Patch(json!([{ "op": "replace", "path": "/spec/hard/pods", "value": "19" }])));
    let skip = stage.members[0].cluster.audit().entries()?.len();
    stage.members[0].shop("mutated").await?;
    has(&stage, &look, &quota("mutated"), |q| q["spec"]["hard"]["pods"] == "19").await?;
    let relabel = |n: u32| json!({ "metadata": { "annotations": { "touched": n.to_string() } } });
    for n in 0..10 {
        look.patch("/api/v1/namespaces/mutated", &relabel(n)).await?;
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let written = writes(&stage, skip, "namespaces/mutated/resourcequotas")?;
    assert!((1..=2).contains(&written), "{written} writes of one object that settles at the first");
    stage.nobody_else_noticed().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_quota_a_dying_namespace_and_a_server_that_pushes_back_hold_up_nobody_else() -> Result<()> {
    let stage = Stage::converged("push").await?;
    let look = stage.members[0].look.clone();

    // A quota that is used up: whoever asked sees why.
    let spec = json!({ "hard": { "services": "0" } });
    let full = json!({ "apiVersion": "v1", "kind": "ResourceQuota", "metadata": { "name": "full", "namespace": "default" }, "spec": spec });
    look.create("/api/v1/namespaces/default/resourcequotas", &full).await?;
    let status = json!({ "status": { "hard": { "services": "0" }, "used": { "services": "0" } } });
    look.patch("/api/v1/namespaces/default/resourcequotas/full/status", &status).await?;
    look.create(EDGE_SERVICES, &edge_service("web")).await?;
    let web = format!("{EDGE_SERVICES}/web");
    has(&stage, &look, &web, |e| e["status"]["conditions"].to_string().contains("exceeded quota")).await?;
    has(&stage, &look, "/apis/apps/v1/namespaces/default/deployments/web", |_| true).await?;
    look.delete("/api/v1/namespaces/default/resourcequotas/full").await?;
    look.patch(&web, &json!({ "spec": { "replicas": 1 } })).await?;
    has(&stage, &look, "/api/v1/namespaces/default/services/web", |_| true).await?;

    // A namespace that never ends: tried with ever longer waits.
    stage.works(0, "dying").await?;
    look.delete("/api/v1/namespaces/dying").await?;
    let skip = stage.members[0].cluster.audit().entries()?.len();
    look.delete("/api/v1/namespaces/dying/resourcequotas/motet-baseline").await?;
    stage.members[0].shop("living").await?;
    has(&stage, &look, "/api/v1/namespaces/living/resourcequotas/motet-baseline", |_| true).await?;
    tokio::time::sleep(Duration::from_secs(3)).await;
    let tried = writes(&stage, skip, "namespaces/dying/")?;
    assert!(tried <= 12, "{tried} writes into a namespace that is going");

    push_back(&stage, &look).await?;
    stage.nobody_else_noticed().await
}

/// API Priority and Fairness has one seat for what the host writes of one kind, and somebody else sits on it for a while.
async fn push_back(stage: &Stage, look: &Looker) -> Result<()> {
    let rights = json!({ "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRoleBinding", "metadata": { "name": "motet" },
        "roleRef": { "apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "cluster-admin" },
        "subjects": [{ "apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": "motet" }] });
    look.apply("/apis/rbac.authorization.k8s.io/v1/clusterrolebindings/motet", "test", &rights).await?;
    // Whoever is in system:masters is exempt: the host comes as another user.
    stage.register(0, "motet").await?;
    stage.shows(0, "to be Ready as another user", |s| s["state"] == "Ready" && s["reason"] != "UpdateRejected").await?;
    stage.works(0, "as-another-user").await?;
    let base = "/apis/flowcontrol.apiserver.k8s.io/v1";
    let level = json!({ "apiVersion": "flowcontrol.apiserver.k8s.io/v1", "kind": "PriorityLevelConfiguration", "metadata": { "name": "one" },
        "spec": { "type": "Limited", "limited": { "nominalConcurrencyShares": 0, "lendablePercent": 0, "borrowingLimitPercent": 0, "limitResponse": { "type": "Reject" } } } });
    look.apply(&format!("{base}/prioritylevelconfigurations/one"), "test", &level).await?;
    let schema = json!({ "apiVersion": "flowcontrol.apiserver.k8s.io/v1", "kind": "FlowSchema", "metadata": { "name": "one" },
        "spec": { "priorityLevelConfiguration": { "name": "one" }, "matchingPrecedence": 2, "rules": [{
            "subjects": [{ "kind": "User", "user": { "name": "motet" } }],
            "resourceRules": [{ "verbs": ["create", "patch"], "apiGroups": [""], "resources": ["limitranges"], "namespaces": ["*"] }] }] } });
    look.apply(&format!("{base}/flowschemas/one"), "test", &schema).await?;
    let webhook = Webhook::start().await?;
    webhook.says(Answer::Hang);
    webhook.install(look, Kind::Validating, "/v1/limitranges", 20).await?;
    tokio::time::sleep(Duration::from_secs(2)).await;
    let sitting = tokio::spawn(sit(Looker::new(&stage.members[0].cluster.kubeconfig("motet2")).await?));
    tokio::time::sleep(Duration::from_secs(1)).await;

    let skip = stage.members[0].cluster.audit().entries()?.len();
    stage.members[0].shop("pushed").await?;
    wait::until("a 429", || async {
        let seen = stage.metric("motet_writes_total", &stage.members[0].name).await.map_err(|e| e.to_string())?;
        if seen.iter().any(|(labels, _)| labels.contains("429")) { Ok(()) } else { Err(format!("{seen:?}")) }
    })
    .await?;
    tokio::time::sleep(Duration::from_secs(3)).await;
    let tried = writes(stage, skip, "namespaces/pushed/limitranges")?;
    assert!(tried <= 8, "{tried} tries in three seconds of a server that asked for patience");
    stage.is(0, "Ready").await?;
    webhook.says(Answer::Allow);
    look.delete("/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations/motet-test").await?;
    look.delete(&format!("{base}/flowschemas/one")).await?;
    sitting.await?;
    baseline_in(stage, look, "pushed").await
}

/// Takes the only seat, by a write that is not answered for long.
async fn sit(look: Looker) {
    let range = json!({ "apiVersion": "v1", "kind": "LimitRange", "metadata": { "name": "sit", "namespace": "default" }, "spec": { "limits": [] } });
    let _ = look.create("/api/v1/namespaces/default/limitranges", &range).await;
}

async fn baseline_in(stage: &Stage, look: &Looker, namespace: &str) -> Result<()> {
    for path in [
        format!("/apis/networking.k8s.io/v1/namespaces/{namespace}/networkpolicies/motet-baseline"),
        format!("/api/v1/namespaces/{namespace}/resourcequotas/motet-baseline"),
        format!("/api/v1/namespaces/{namespace}/limitranges/motet-baseline"),
    ] {
        has(stage, look, &path, |_| true).await?;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_large_object_and_many_pages_arrive_whole() -> Result<()> {
    let stage = Stage::converged("large").await?;
    let look = stage.members[0].look.clone();
    let mut edge = edge_service("web");
    edge["spec"]["env"] = json!({ "LARGE": "x".repeat(900 << 10) });
    look.create(EDGE_SERVICES, &edge).await?;
    let env = "/spec/template/spec/containers/0/env/0/value";
    has(&stage, &look, "/apis/apps/v1/namespaces/default/deployments/web", |d| {
        d.pointer(env).and_then(Value::as_str).is_some_and(|text| text.len() == 900 << 10)
    })
    .await?;

    let before = baseline::fingerprint(&look).await?;
    let node = json!({ "apiVersion": "v1", "kind": "Node", "metadata": { "name": "n1" } });
    look.create("/api/v1/nodes", &node).await?;
    let allocatable = json!({ "status": { "allocatable": { "cpu": "100", "memory": "100Gi" } } });
    look.patch("/api/v1/nodes/n1/status", &allocatable).await?;
    // Created while the host does not look, so that it has to list them all.
    stage.members[0].wire.set(motet_scenarios::wire::Fault::Refuse);
    stage.is(0, "Unreachable").await?;
    let batches = (0..10).map(|batch| create_pods(look.clone(), batch * 500..(batch + 1) * 500));
    futures::future::try_join_all(batches).await?;
    stage.members[0].cluster.compact().await?;
    stage.members[0].wire.set(motet_scenarios::wire::Fault::None);
    stage.is(0, "Ready").await?;
    let budget = "/apis/apps.motet.dev/v1/platformbudgets/budget";
    has(&stage, &look, budget, |b| b["status"]["total"]["requestedMilliCpu"] == 5000).await?;
    assert_eq!(baseline::fingerprint(&look).await?, before, "nothing else was touched");
    stage.nobody_else_noticed().await
}

async fn create_pods(look: Looker, which: std::ops::Range<u32>) -> Result<()> {
    for n in which {
        let pod = json!({ "apiVersion": "v1", "kind": "Pod", "metadata": { "name": format!("p{n}"), "namespace": "kube-system" },
            "spec": { "nodeName": "n1", "containers": [{ "name": "c", "image": "i", "resources": { "requests": { "cpu": "1m" } } }] } });
        look.create("/api/v1/namespaces/kube-system/pods", &pod).await?;
    }
    Ok(())
}
