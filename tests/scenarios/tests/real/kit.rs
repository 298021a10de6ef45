//! What the real tests share: a folder for a host without a hub, a hub with its custom resources, and the baseline's objects.

use std::{fs, path::Path};

use anyhow::Result;
pub(crate) use motet_scenarios::only_plugins as only;
use motet_scenarios::{client::Looker, host::HostProcess, real::RealCluster, wait};
use serde_json::json;

/// The paths of the baseline's three objects in a namespace.
pub(crate) const BASELINE: [&str; 3] = [
    "/apis/networking.k8s.io/v1/namespaces/{}/networkpolicies/motet-baseline",
    "/api/v1/namespaces/{}/resourcequotas/motet-baseline",
    "/api/v1/namespaces/{}/limitranges/motet-baseline",
];

/// How many of the three are there and stay.
pub(crate) async fn count(looker: &Looker, namespace: &str) -> Result<usize> {
    let mut found = 0;
    for path in BASELINE {
        let object = looker.get(&path.replace("{}", namespace)).await?;
        found += usize::from(object.is_some_and(|o| o["metadata"]["deletionTimestamp"].is_null()));
    }
    Ok(found)
}

/// Waits until so many are there.
pub(crate) async fn has(looker: &Looker, namespace: &str, wanted: usize) -> Result<()> {
    wait::until(&format!("{wanted} baseline objects in {namespace}"), || async {
        let found = count(looker, namespace).await.map_err(|e| e.to_string())?;
        if found == wanted { Ok(()) } else { Err(format!("{found}")) }
    })
    .await
}

/// A folder with one kubeconfig per member.
pub(crate) fn members(folder: &Path, members: &[(&str, String)]) -> Result<String> {
    let path = folder.join("members");
    fs::create_dir_all(&path)?;
    for (name, kubeconfig) in members {
        fs::write(path.join(format!("{name}.yaml")), kubeconfig)?;
    }
    Ok(path.display().to_string())
}

/// A real hub: custom resources and the namespace.
pub(crate) async fn hub(name: &str) -> Result<(RealCluster, Looker)> {
    let hub = RealCluster::start(name).await?;
    let looker = hub.admin().await?;
    for crd in [motet_catalog::crd::plugin(), motet_catalog::crd::member()] {
        let name = crd["metadata"]["name"].as_str().unwrap_or_default().to_string();
        looker.apply(&format!("/apis/apiextensions.k8s.io/v1/customresourcedefinitions/{name}"), "test", &crd).await?;
        wait::until("the custom resource to be served", || async {
            let plural = name.split('.').next().unwrap_or_default();
            let served = looker.get(&format!("/apis/motet.dev/v1alpha1/{plural}")).await.map_err(|e| e.to_string())?;
            served.map(drop).ok_or("not yet".to_string())
        })
        .await?;
    }
    looker.namespace("motet-system", &[]).await?;
    Ok((hub, looker))
}

/// Waits until every key of a plugin has run and nothing waits.
pub(crate) async fn quiet(host: &HostProcess, plugin: &str) -> Result<()> {
    wait::until(&format!("{plugin} to have looked at every key"), || async {
        let bindings = host.api(&format!("/api/v1/bindings?plugin={plugin}")).await.map_err(|e| e.to_string())?;
        let done =
            |b: &serde_json::Value| b["queued"] == 0 && b["reconciles"].as_u64() >= Some(1) && b["state"] == "Active";
        if !bindings.is_empty() && bindings.iter().all(done) { Ok(()) } else { Err(json!(bindings).to_string()) }
    })
    .await
}
