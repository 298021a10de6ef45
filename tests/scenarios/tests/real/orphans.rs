//! What happens to objects while nobody watches, and what is not the plugin's though it looks like it.

use anyhow::Result;
use motet_scenarios::{host::HostProcess, real::RealCluster};
use serde_json::{Value, json};

use crate::kit::{self, BASELINE, count, has};

#[tokio::test(flavor = "multi_thread")]
async fn exactly_the_objects_of_what_left_while_the_host_was_down_go() -> Result<()> {
    let member = RealCluster::start("orphans").await?;
    let looker = member.admin().await?;
    for name in ["stays", "unlabelled", "deleted"] {
        looker.namespace(name, &[("motet.dev/baseline", "true")]).await?;
    }
    let folder = tempfile::tempdir()?;
    let members = kit::members(folder.path(), &[("edge-1", member.kubeconfig("admin"))])?;
    let plugins = kit::only(folder.path(), &["namespace-baseline"])?;
    let arguments = ["--hub", "none", "--members", &members, "--plugins", &plugins];
    let host = HostProcess::start(folder.path(), &arguments)?;
    for name in ["stays", "unlabelled", "deleted"] {
        has(&looker, name, 3).await.map_err(|e| e.context(host.tail()))?;
    }
    // A person's copy: same labels and annotations, another name, another field manager.
    let original = looker.get(&BASELINE[1].replace("{}", "unlabelled")).await?.unwrap_or_default();
    let copy = json!({
        "apiVersion": "v1", "kind": "ResourceQuota",
        "metadata": { "name": "copy", "namespace": "unlabelled",
            "labels": original["metadata"]["labels"], "annotations": original["metadata"]["annotations"] },
        "spec": original["spec"],
    });
    looker.create("/api/v1/namespaces/unlabelled/resourcequotas", &copy).await?;
    assert_eq!(host.terminate().await?, 0);

    let unlabel = json!({ "metadata": { "labels": { "motet.dev/baseline": null } } });
    looker.patch("/api/v1/namespaces/unlabelled", &unlabel).await?;
    looker.delete("/api/v1/namespaces/deleted").await?;
    let before = uids(&looker, "stays").await?;
    let host = HostProcess::start(folder.path(), &arguments)?;
    for name in ["unlabelled", "deleted"] {
        has(&looker, name, 0).await.map_err(|e| e.context(host.tail()))?;
    }
    kit::quiet(&host, "namespace-baseline").await?;
    assert_eq!(count(&looker, "stays").await?, 3);
    assert_eq!(uids(&looker, "stays").await?, before, "untouched, not made again");
    let copy = looker.get("/api/v1/namespaces/unlabelled/resourcequotas/copy").await?;
    assert!(copy.is_some_and(|c| c["metadata"]["deletionTimestamp"].is_null()), "a person's copy is not pruned");
    Ok(())
}

async fn uids(looker: &motet_scenarios::client::Looker, namespace: &str) -> Result<Vec<Value>> {
    let mut uids = Vec::new();
    for path in BASELINE {
        let object = looker.get(&path.replace("{}", namespace)).await?.unwrap_or_default();
        uids.push(object["metadata"]["uid"].clone());
    }
    Ok(uids)
}
