//! The demo's share of `edge-service` and `platform-budget`: what they work on, and what came of it.

use std::sync::Arc;

use anyhow::{Context, Result};
use motet_scenarios::{client::Looker, site::Site, wait};
use serde_json::json;

use crate::stage::Stage;

const SERVICE: &str = "/apis/apps.motet.dev/v1/namespaces/shop/edgeservices/web";
const BUDGET: &str = "/apis/apps.motet.dev/v1/platformbudgets/budget";

/// Creates an EdgeService in the namespace `shop`, and a node with a pod of the platform and one of a user.
pub(crate) async fn create(stage: &Stage, member: &Site) -> Result<()> {
    if stage.from_folder.contains(&"edge-service") {
        let service = json!({
            "apiVersion": "apps.motet.dev/v1", "kind": "EdgeService",
            "metadata": { "name": "web", "namespace": "shop" },
            "spec": { "image": "registry.example/web:1", "replicas": 2, "port": 8080, "env": { "GREETING": "hello" } },
        });
        let path = SERVICE.rsplit_once('/').map_or(SERVICE, |(collection, _)| collection);
        member.look.create(path, &service).await?;
    }
    if stage.from_folder.contains(&"platform-budget") {
        let room = json!({ "cpu": "8", "memory": "16Gi", "pods": "110" });
        let node = json!({
            "apiVersion": "v1", "kind": "Node", "metadata": { "name": "node-1" },
            "status": { "capacity": room, "allocatable": room },
        });
        member.look.create("/api/v1/nodes", &node).await?;
        for (namespace, name) in [("kube-system", "proxy"), ("shop", "till")] {
            let pod = json!({
                "apiVersion": "v1", "kind": "Pod", "metadata": { "name": name, "namespace": namespace },
                "spec": { "nodeName": "node-1", "containers": [{
                    "name": "main", "image": "registry.example/main:1",
                    "resources": { "requests": { "cpu": "500m", "memory": "512Mi" } },
                }] },
            });
            member.look.create(&format!("/api/v1/namespaces/{namespace}/pods"), &pod).await?;
        }
    }
    Ok(())
}

/// Waits until they hold on these members; what to add to the step's result.
pub(crate) async fn check(stage: &Stage, members: &[Arc<Site>]) -> Result<String> {
    let mut seen = String::new();
    if stage.from_folder.contains(&"edge-service") {
        for member in members {
            let what = format!("the EdgeService of {} to run", member.name());
            wait::until(&what, || async { service_runs(&member.look).await.map_err(|e| format!("{e:#}")) }).await?;
        }
        seen.push_str("; each EdgeService has a Deployment, a Service and says that 2 replicas are ready");
    }
    if stage.from_folder.contains(&"platform-budget") {
        for member in members {
            let what = format!("the PlatformBudget of {} to be counted", member.name());
            wait::until(&what, || async { budget_counts(&member.look).await.map_err(|e| format!("{e:#}")) }).await?;
        }
        seen.push_str("; each PlatformBudget counts the one pod of the platform");
    }
    Ok(seen)
}

async fn service_runs(look: &Looker) -> Result<()> {
    let service = look.get(SERVICE).await?.context("no EdgeService")?;
    let uid = &service["metadata"]["uid"];
    for path in ["/apis/apps/v1/namespaces/shop/deployments/web", "/api/v1/namespaces/shop/services/web"] {
        let child = look.get(path).await?.with_context(|| format!("no {path}"))?;
        anyhow::ensure!(
            child["metadata"]["ownerReferences"][0]["uid"] == *uid,
            "{path} has no owner reference to the EdgeService"
        );
    }
    let status = &service["status"];
    anyhow::ensure!(status["readyReplicas"] == 2, "status is {status}");
    Ok(())
}

async fn budget_counts(look: &Looker) -> Result<()> {
    let budget = look.get(BUDGET).await?.context("no PlatformBudget")?;
    // Only the pod in kube-system is the platform's.
    let total = &budget["status"]["total"];
    anyhow::ensure!(total["requestedMilliCpu"] == 500 && total["allocatableMilliCpu"] == 8000, "it counts {total}");
    Ok(())
}
