//! What `namespace-baseline` promises, looked at with a client: each labelled namespace has the three objects, no other has.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::Result;
use serde_json::Value;

use crate::{client::Looker, wait};

/// The three kinds, across namespaces.
const KINDS: [&str; 3] =
    ["/apis/networking.k8s.io/v1/networkpolicies", "/api/v1/resourcequotas", "/api/v1/limitranges"];
/// The label by which the next version marks what it applies.
const VERSION: &str = "baseline-version";

fn namespaces(objects: &[Value]) -> BTreeSet<String> {
    objects.iter().filter_map(|o| o["metadata"]["namespace"].as_str()).map(Into::into).collect()
}

/// The plugin's objects of one kind.
async fn objects(look: &Looker, kind: &str) -> Result<Vec<Value>> {
    let mut objects = look.list(kind).await?;
    objects.retain(|o| o["metadata"]["name"] == "motet-baseline");
    Ok(objects)
}

/// Whether exactly the labelled namespaces have the objects, in their given form and of this version of the plugin; else what
/// differs.
pub async fn holds(look: &Looker, version: Option<&str>) -> Result<(), String> {
    holds_besides(look, version, &[]).await
}

/// The same, where some namespaces have objects of those names that are not the plugin's.
pub async fn holds_besides(look: &Looker, version: Option<&str>, besides: &[&str]) -> Result<(), String> {
    let failed = |e: anyhow::Error| format!("{e:#}");
    let all = look.list("/api/v1/namespaces").await.map_err(failed)?;
    let labelled = all.iter().filter(|n| {
        n["metadata"]["labels"]["motet.dev/baseline"] == "true" && n["metadata"]["deletionTimestamp"].is_null()
    });
    let wanted: BTreeSet<String> = labelled.filter_map(|n| n["metadata"]["name"].as_str()).map(Into::into).collect();
    for kind in KINDS {
        let mut found = objects(look, kind).await.map_err(failed)?;
        found.retain(|o| !besides.contains(&o["metadata"]["namespace"].as_str().unwrap_or_default()));
        let have = namespaces(&found);
        if have != wanted {
            return Err(format!("{kind} are in {have:?}, labelled are {wanted:?}"));
        }
        for object in found {
            let (spec, mark) = (&object["spec"], object["metadata"]["labels"][VERSION].as_str());
            let good = match kind {
                "/api/v1/resourcequotas" => spec["hard"]["pods"] == "20",
                "/api/v1/limitranges" => spec["limits"][0]["type"] == "Container",
                _ => spec["policyTypes"] == serde_json::json!(["Ingress"]),
            };
            if !good || mark != version {
                return Err(format!("{kind} in {} is {spec} of version {mark:?}", object["metadata"]["namespace"]));
            }
        }
    }
    Ok(())
}

/// Waits until [`holds`] on a member.
pub async fn converged(member: &str, look: &Looker, version: Option<&str>) -> Result<()> {
    wait::until(&format!("the baseline to hold on {member}"), || holds(look, version)).await
}

/// UID and resource version of every object of the plugin: equal before and after means that nobody touched one.
pub async fn fingerprint(look: &Looker) -> Result<BTreeMap<String, String>> {
    let mut all = BTreeMap::new();
    for kind in KINDS {
        for object in objects(look, kind).await? {
            let meta = &object["metadata"];
            all.insert(format!("{kind} {} {}", meta["namespace"], meta["uid"]), meta["resourceVersion"].to_string());
        }
    }
    Ok(all)
}
