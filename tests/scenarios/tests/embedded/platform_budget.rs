//! `platform-budget` on embedded clusters: the share follows pods and nodes, and too much of it is said once.

use anyhow::{Context, Result};
use motet_scenarios::{embedded, wait};
use serde_json::{Value, json};

use crate::kit::{Stage, WHILE};

const PLUGIN: &str = "platform-budget";
const BUDGET: &str = "/apis/apps.motet.dev/v1/platformbudgets/budget";
const EVENTS: &str = "/apis/events.k8s.io/v1/events";

fn pod(name: &str, cpu: &str) -> Value {
    json!({ "apiVersion": "v1", "kind": "Pod", "metadata": { "name": name, "namespace": "kube-system" },
        "spec": { "nodeName": "n1", "containers": [{ "name": "c", "image": "i", "resources": { "requests": { "cpu": cpu, "memory": "256Mi" } } }] } })
}

async fn budget(stage: &Stage, member: usize, what: &str, holds: impl Fn(&Value) -> bool) -> Result<Value> {
    stage.members[member].look.until_there(BUDGET, what, holds).await.with_context(|| stage.host().tail())
}

/// How often a member was told that it is over its budget.
async fn warnings(stage: &Stage, member: usize) -> Result<usize> {
    let events = stage.members[member].look.list(EVENTS).await?;
    Ok(events.iter().filter(|e| e["reason"] == "PlatformOverBudget" && e["type"] == "Warning").count())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_share_follows_the_pods_and_going_over_it_is_said_once() -> Result<()> {
    let mut stage = Stage::bare(2).await?;
    let node = json!({ "apiVersion": "v1", "kind": "Node", "metadata": { "name": "n1" } });
    let allocatable = json!({ "status": { "allocatable": { "cpu": "4", "memory": "8Gi" } } });
    for member in &stage.members {
        member.install(&motet_scenarios::repository().join("plugins/platform-budget/crd.yaml")).await?;
        member.look.create("/api/v1/nodes", &node).await?;
        member.look.patch("/api/v1/nodes/n1/status", &allocatable).await?;
    }
    let look = stage.members[0].look.clone();
    let pods = "/api/v1/namespaces/kube-system/pods";
    look.create(pods, &pod("proxy", "200m")).await?;
    stage.hub.component(PLUGIN, &embedded::component(PLUGIN)?).await?;
    stage.hub.plugin(PLUGIN, PLUGIN, embedded::shipped_spec(PLUGIN)?).await?;
    stage.start_host()?;

    let within = |b: &Value| b["status"]["conditions"][0]["status"] == "True";
    let seen =
        budget(&stage, 0, "a budget with the pod in it", |b| within(b) && b["status"]["total"]["cpuPercent"] == 5);
    assert_eq!(seen.await?["status"]["nodes"][0]["requestedMilliCpu"], 200);
    budget(&stage, 1, "an empty budget of the other member", |b| within(b) && b["status"]["total"]["cpuPercent"] == 0)
        .await?;

    look.create(pods, &pod("mesh", "1200m")).await?;
    let over =
        budget(&stage, 0, "the budget to be over its limit", |b| b["status"]["conditions"][0]["status"] == "False");
    assert_eq!(over.await?["status"]["total"]["cpuPercent"], 35);
    wait::until("the warning", || async {
        let seen = warnings(&stage, 0).await.map_err(|e| e.to_string())?;
        if seen == 1 { Ok(()) } else { Err(format!("{seen} warnings")) }
    })
    .await
    .with_context(|| stage.host().tail())?;
    look.create(pods, &pod("log", "100m")).await?;
    budget(&stage, 0, "more of it", |b| b["status"]["total"]["requestedMilliCpu"] == 1500).await?;
    wait::stays("warnings", 1, WHILE, || warnings(&stage, 0)).await?;

    // No kubelet is there to say that its containers have stopped.
    look.delete(&format!("{pods}/mesh?gracePeriodSeconds=0")).await?;
    budget(&stage, 0, "the budget to be kept again", within).await?;
    assert_eq!(warnings(&stage, 1).await?, 0, "the other member is told nothing");
    Ok(())
}
