//! What must be true of a member that the host can reach, whatever happened before.

use std::{collections::BTreeMap, time::Duration};

use anyhow::Result;
use motet_scenarios::{baseline, client::Looker};
use serde_json::{Value, json};

use super::schedule::Member;
use crate::kit::{EDGE_SERVICES, Judged};

/// How long nothing may be written once a member is as it should be.
pub(crate) const WINDOW: Duration = Duration::from_secs(2);
/// Of so many windows one must be empty: what a fault held up may still come due after the member looks right.
const WINDOWS: usize = 4;
const BYSTANDER: &str = "bystander";

/// Puts objects there that belong to nobody here, in the neighbourhood of those that do.
pub(crate) async fn bystander(look: &Looker) -> Result<()> {
    look.namespace(BYSTANDER, &[("motet.dev/baseline", "false")]).await?;
    let core = format!("/api/v1/namespaces/{BYSTANDER}");
    let meta = json!({ "name": "motet-baseline", "namespace": BYSTANDER });
    for (kind, plural) in
        [("ResourceQuota", "resourcequotas"), ("LimitRange", "limitranges"), ("ConfigMap", "configmaps")]
    {
        look.create(&format!("{core}/{plural}"), &json!({ "apiVersion": "v1", "kind": kind, "metadata": meta }))
            .await?;
    }
    let policy = json!({ "apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "metadata": meta, "spec": { "podSelector": {} } });
    look.create(&format!("/apis/networking.k8s.io/v1/namespaces/{BYSTANDER}/networkpolicies"), &policy).await.map(drop)
}

/// UID and version of all that belongs to nobody here.
pub(crate) async fn untouched(look: &Looker) -> Result<BTreeMap<String, String>> {
    let core = format!("/api/v1/namespaces/{BYSTANDER}");
    let mut seen = BTreeMap::new();
    let mut note = |object: &Value| {
        let meta = &object["metadata"];
        seen.insert(format!("{} {}", meta["name"], meta["uid"]), meta["resourceVersion"].to_string())
    };
    note(&look.get(&core).await?.unwrap_or_default());
    for plural in ["resourcequotas", "limitranges", "configmaps", "services"] {
        look.list(&format!("{core}/{plural}")).await?.iter().for_each(|object| drop(note(object)));
    }
    for path in [
        format!("/apis/networking.k8s.io/v1/namespaces/{BYSTANDER}/networkpolicies"),
        format!("/apis/apps/v1/namespaces/{BYSTANDER}/deployments"),
    ] {
        look.list(&path).await?.iter().for_each(|object| drop(note(object)));
    }
    Ok(seen)
}

/// Whether a member is as the plugins want it; else what differs.
pub(crate) async fn holds(look: &Looker, wanted: &Member) -> Result<(), String> {
    // Quotas that belong to nobody here are where the baseline must not be.
    baseline::holds_besides(look, None, &[BYSTANDER]).await?;
    edges(look, wanted).await
}

async fn edges(look: &Looker, wanted: &Member) -> Result<(), String> {
    let failed = |e: anyhow::Error| format!("{e:#}");
    let wanted: BTreeMap<String, u32> = wanted.edges.iter().map(|(name, n)| (format!("edge-{name}"), *n)).collect();
    let found = look.list(EDGE_SERVICES).await.map_err(failed)?;
    let name = |object: &Value| object["metadata"]["name"].as_str().unwrap_or_default().to_string();
    let names: Vec<String> = found.iter().map(name).collect();
    if !names.iter().eq(wanted.keys()) {
        return Err(format!("EdgeServices {names:?}, wanted {wanted:?}"));
    }
    for (path, kind) in [
        ("/apis/apps/v1/namespaces/default/deployments", "Deployments"),
        ("/api/v1/namespaces/default/services", "Services"),
    ] {
        let all = look.list(path).await.map_err(failed)?;
        let children: Vec<&Value> = all.iter().filter(|o| name(o) != "kubernetes").collect();
        if !children.iter().map(|o| name(o)).eq(wanted.keys().cloned()) {
            return Err(format!(
                "{kind} {:?}, wanted {wanted:?}",
                children.iter().map(|o| name(o)).collect::<Vec<_>>()
            ));
        }
        for child in children {
            let asked = wanted.get(&name(child)).copied().unwrap_or_default();
            let right = match kind {
                "Deployments" => child["spec"]["replicas"] == asked,
                _ => child["spec"]["ports"][0]["port"] == 8080,
            };
            if !right {
                return Err(format!("{} of {}, {asked} asked for", child["spec"], name(child)));
            }
        }
    }
    let late = found.iter().find(|e| e["status"]["observedGeneration"] != e["metadata"]["generation"]);
    late.map_or(Ok(()), |edge| Err(format!("the status of {} is of an older generation", name(edge))))
}

/// Fails where the host keeps writing to clusters that are as they should be. Events are told apart: they are sent in their own time.
pub(crate) async fn quiet(clusters: &[&Judged]) -> Result<()> {
    let mut seen = Vec::new();
    for _ in 0..WINDOWS {
        let marks = clusters.iter().map(|c| c.cluster.audit().end()).collect::<Result<Vec<_>>>()?;
        tokio::time::sleep(WINDOW).await;
        seen.clear();
        for (cluster, mark) in clusters.iter().zip(marks) {
            let written = cluster.cluster.audit().host_wrote(mark)?;
            seen.extend(
                written.into_iter().filter(|w| !w.contains("/events")).map(|w| format!("{}: {w}", cluster.name)),
            );
        }
        if seen.is_empty() {
            return Ok(());
        }
    }
    anyhow::bail!("the host writes on although all is as it should be, in the last {WINDOW:?}: {seen:#?}")
}
