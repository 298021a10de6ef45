//! The three plugins on two real members, with exactly the rights that `deploy/` ships and `motet rbac` prints.

use anyhow::{Context, Result};
use motet_scenarios::{
    binary,
    client::Looker,
    host::HostProcess,
    plugins_dir,
    real::RealCluster,
    wait,
    webhook::{Answer, Kind, Webhook},
};
use serde_json::{Value, json};

use crate::kit::{self, has};

const REPOSITORY: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");
const PLUGINS: [&str; 3] = ["namespace-baseline", "edge-service", "platform-budget"];

/// Where an object of these kinds is applied.
fn path(object: &Value) -> Result<String> {
    let text = |pointer: &str| object.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_string();
    let (name, namespace) = (text("/metadata/name"), text("/metadata/namespace"));
    let rbac = "/apis/rbac.authorization.k8s.io/v1";
    Ok(match text("/kind").as_str() {
        "Namespace" => format!("/api/v1/namespaces/{name}"),
        "ServiceAccount" => format!("/api/v1/namespaces/{namespace}/serviceaccounts/{name}"),
        "Role" => format!("{rbac}/namespaces/{namespace}/roles/{name}"),
        "RoleBinding" => format!("{rbac}/namespaces/{namespace}/rolebindings/{name}"),
        "ClusterRole" => format!("{rbac}/clusterroles/{name}"),
        "ClusterRoleBinding" => format!("{rbac}/clusterrolebindings/{name}"),
        "CustomResourceDefinition" => format!("/apis/apiextensions.k8s.io/v1/customresourcedefinitions/{name}"),
        other => anyhow::bail!("no path for a {other}"),
    })
}

/// Applies every document of a YAML text, as `kubectl apply -f -` would; bindings get the tests' user as their subject.
async fn apply_all(looker: &Looker, yaml: &str) -> Result<()> {
    for document in serde_yaml::Deserializer::from_str(yaml) {
        let mut object = <Value as serde::Deserialize>::deserialize(document)?;
        if object.is_null() {
            continue;
        }
        if object.get("subjects").is_some() {
            object["subjects"] = json!([{ "apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": "motet" }]);
        }
        looker.apply(&path(&object)?, "test", &object).await?;
    }
    Ok(())
}

async fn member(name: &str) -> Result<(RealCluster, Looker)> {
    let member = RealCluster::start(name).await?;
    let looker = member.admin().await?;
    let files: Vec<String> =
        PLUGINS.iter().map(|p| plugins_dir().join(format!("{p}.yaml")).display().to_string()).collect();
    let output = std::process::Command::new(binary("motet"))
        .args(["rbac", "--bind", "--subject", "motet"])
        .args(&files)
        .output()
        .context("motet rbac")?;
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    apply_all(&looker, &String::from_utf8(output.stdout)?).await?;
    for plugin in ["edge-service", "platform-budget"] {
        apply_all(&looker, &std::fs::read_to_string(format!("{REPOSITORY}/plugins/{plugin}/crd.yaml"))?).await?;
    }
    Ok((member, looker))
}

const SHOP: &str = "/apis/apps.motet.dev/v1/namespaces/default/edgeservices/shop";
const DEPLOYMENT: &str = "/apis/apps/v1/namespaces/default/deployments/shop";

fn edge_service() -> Value {
    json!({ "apiVersion": "apps.motet.dev/v1", "kind": "EdgeService", "metadata": { "name": "shop", "namespace": "default" },
        "spec": { "image": "registry.example/shop:1", "replicas": 2, "port": 8080 } })
}

#[tokio::test(flavor = "multi_thread")]
async fn three_plugins_converge_with_least_rights_on_two_members() -> Result<()> {
    let (hub, hub_looker) = kit::hub("least-hub").await?;
    apply_all(&hub_looker, &std::fs::read_to_string(format!("{REPOSITORY}/deploy/rbac-hub.yaml"))?).await?;
    let (one, one_looker) = member("least-one").await?;
    let (two, two_looker) = member("least-two").await?;
    hub_looker.register("one", &one.kubeconfig("motet"), &[]).await?;
    hub_looker.register("two", &two.kubeconfig("motet"), &[]).await?;
    let folder = tempfile::tempdir()?;
    std::fs::write(folder.path().join("hub.yaml"), hub.kubeconfig("motet"))?;
    let hub_path = folder.path().join("hub.yaml").display().to_string();
    let plugins = kit::only(folder.path(), &PLUGINS)?;
    let host = HostProcess::start(folder.path(), &["--hub", &hub_path, "--plugins", &plugins])?;
    host.ready().await?;
    for member in ["one", "two"] {
        for plugin in PLUGINS {
            host.binding(plugin, member, "Active").await?;
        }
    }
    for looker in [&one_looker, &two_looker] {
        looker.namespace("shop", &[("motet.dev/baseline", "true")]).await?;
        looker.create("/apis/apps.motet.dev/v1/namespaces/default/edgeservices", &edge_service()).await?;
    }
    for looker in [&one_looker, &two_looker] {
        has(looker, "shop", 3).await.map_err(|e| e.context(host.tail()))?;
        let deployment =
            looker.until_there(DEPLOYMENT, "the Deployment", |_| true).await.map_err(|e| e.context(host.tail()))?;
        assert_eq!(deployment["metadata"]["ownerReferences"][0]["kind"], "EdgeService");
        let budget = "/apis/apps.motet.dev/v1/platformbudgets/budget";
        looker
            .until_there(budget, "the budget's status", |b| b["status"].is_object())
            .await
            .map_err(|e| e.context(host.tail()))?;
    }

    // Status follows the Deployment, which nothing runs here: its status is written as its controller would.
    let ready = json!({ "status": { "observedGeneration": 1, "replicas": 2, "updatedReplicas": 2, "readyReplicas": 2, "availableReplicas": 2 } });
    one_looker.patch(&format!("{DEPLOYMENT}/status"), &ready).await?;
    one_looker
        .until_there(SHOP, "ready replicas in the status", |s| s["status"]["readyReplicas"] == 2)
        .await
        .map_err(|e| e.context(host.tail()))?;

    // Rotation within the user: the other token, and nothing of the member's watches is made again.
    hub_looker.register("one", &one.kubeconfig("motet2"), &[]).await?;
    one_looker.namespace("rotated", &[("motet.dev/baseline", "true")]).await?;
    has(&one_looker, "rotated", 3).await?;

    // Clean-up: the finalizer holds until the Deployment is gone.
    one_looker.delete(SHOP).await?;
    wait::until("the EdgeService and its Deployment to be gone", || async {
        let there = [SHOP, DEPLOYMENT].map(|path| one_looker.get(path));
        let [shop, deployment] = there;
        match (shop.await.map_err(|e| e.to_string())?, deployment.await.map_err(|e| e.to_string())?) {
            (None, None) => Ok(()),
            (shop, deployment) => Err(format!("{shop:?} {deployment:?}")),
        }
    })
    .await
    .map_err(|e| e.context(host.tail()))?;
    assert_eq!(host.terminate().await?, 0);
    Ok(())
}

/// A webhook that refuses every Deployment.
async fn refuse_deployments(looker: &Looker) -> Result<Webhook> {
    let webhook = Webhook::start().await?;
    webhook.says(Answer::Deny("the platform is frozen over the holidays".into()));
    webhook.install(looker, Kind::Validating, "apps/v1/deployments", 5).await?;
    let probe = json!({ "apiVersion": "apps/v1", "kind": "Deployment", "metadata": { "name": "probe", "namespace": "default" },
        "spec": { "selector": { "matchLabels": { "a": "b" } }, "template": { "metadata": { "labels": { "a": "b" } },
            "spec": { "containers": [{ "name": "c", "image": "i" }] } } } });
    wait::until("the webhook to be asked", || async {
        match looker.create("/apis/apps/v1/namespaces/default/deployments?dryRun=All", &probe).await {
            Err(error) if error.to_string().contains("frozen") => Ok(()),
            other => Err(format!("{other:?}")),
        }
    })
    .await?;
    Ok(webhook)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_message_of_a_refused_write_reaches_the_plugins_status_condition() -> Result<()> {
    let (member, looker) = member("refused").await?;
    let webhook = refuse_deployments(&looker).await?;
    let folder = tempfile::tempdir()?;
    let members = kit::members(folder.path(), &[("edge-1", member.kubeconfig("motet"))])?;
    let plugins = kit::only(folder.path(), &["edge-service"])?;
    let host = HostProcess::start(folder.path(), &["--hub", "none", "--members", &members, "--plugins", &plugins])?;
    host.binding("edge-service", "edge-1", "Active").await?;
    looker.create("/apis/apps.motet.dev/v1/namespaces/default/edgeservices", &edge_service()).await?;
    let refused = |shop: &Value| shop["status"]["conditions"].to_string().contains("frozen over the holidays");
    looker.until_there(SHOP, "the refusal in the status", refused).await.map_err(|e| e.context(host.tail()))?;
    let service =
        looker.until_there("/api/v1/namespaces/default/services/shop", "the Service, all the same", |_| true).await?;
    assert_eq!(service["metadata"]["ownerReferences"][0]["name"], "shop");
    // Once it is allowed, the next change of anything that concerns the key is enough.
    webhook.says(Answer::Allow);
    looker.patch(SHOP, &json!({ "metadata": { "labels": { "again": "please" } }, "spec": { "replicas": 1 } })).await?;
    let accepted = |shop: &Value| !shop["status"]["conditions"].to_string().contains("frozen");
    looker.until_there(SHOP, "the refusal to leave the status", accepted).await.map_err(|e| e.context(host.tail()))?;
    Ok(())
}
