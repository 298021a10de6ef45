//! Every `EdgeService` is run by a Deployment behind a Service, and says in its status how that goes.

mod children;
mod status;

use std::{collections::BTreeMap, time::Duration};

use motet_sdk::prelude::*;

const DEPLOYMENT: &str = "apps/v1/Deployment";

/// How long clean-up waits before it looks again; the Deployment's deletion is an event that comes sooner.
const CLEAN_UP_AGAIN: Duration = Duration::from_secs(5);

/// The custom resource.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
struct EdgeService {
    #[serde(flatten)]
    object: Object,
    spec: Spec,
    #[serde(default)]
    status: Known,
}

/// What is asked for.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Spec {
    image: String,
    /// The definition's schema sets it; these defaults are for members that have an older one.
    #[serde(default = "one")]
    replicas: i32,
    #[serde(default = "http")]
    port: u16,
    #[serde(default)]
    env: BTreeMap<String, String>,
    #[serde(default)]
    host: Option<String>,
}

fn one() -> i32 {
    1
}

fn http() -> u16 {
    8080
}

/// What the status says now: its conditions keep their times.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
struct Known {
    conditions: Vec<Condition>,
}

#[motet_sdk::plugin(
    watch(
        "apps.motet.dev/v1/EdgeService",
        projection = ["/metadata/generation", "/metadata/deletionTimestamp", "/spec", "/status/conditions"]
    ),
    // All of them, by a small projection: reads are then answered from the cache, which a label selector would rule out.
    watch("apps/v1/Deployment", map = owner, projection = [
        "/metadata/generation",
        "/status/observedGeneration",
        "/status/readyReplicas",
        "/status/updatedReplicas",
        "/status/conditions/*/type",
        "/status/conditions/*/status",
        "/status/conditions/*/reason",
        "/status/conditions/*/message",
    ]),
    applies("apps/v1/Deployment", set),
    applies("v1/Service", set),
    status,
    finalizer,
)]
fn reconcile(ctx: &Context) -> Result<Outcome> {
    let Some(edge) = ctx.primary::<EdgeService>()? else { return Ok(Outcome::new()) };
    let place = (DEPLOYMENT, ctx.namespace().unwrap_or_default(), ctx.name());
    let deployment = ctx.get::<status::Deployment>(place)?;
    if ctx.deleting() {
        return Ok(clean_up(deployment.is_some()));
    }
    let status = status::of(&edge, deployment.as_ref(), ctx.previous());
    Ok(Outcome::new().apply_set("", children::of(&edge)).status(&json!({
        "apiVersion": edge.object.api_version,
        "kind": edge.object.kind,
        "metadata": { "name": ctx.name(), "namespace": ctx.namespace() },
        "status": status,
    })))
}

/// An empty set deletes what was there. The EdgeService stays until its Deployment is gone, so that whoever waits for its
/// deletion knows that nothing starts new pods.
fn clean_up(deployment_there: bool) -> Outcome {
    let outcome = Outcome::new().apply_set::<Value>("", []);
    if deployment_there { outcome.keep_finalizer().requeue_after(CLEAN_UP_AGAIN) } else { outcome }
}

#[cfg(test)]
mod tests;
