//! What an EdgeService's status says: how its Deployment does, and what the member refused to store.

use motet_sdk::{Rejected, prelude::*};

use crate::EdgeService;

/// What is read of the Deployment.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Deployment {
    metadata: Metadata,
    status: DeploymentStatus,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct DeploymentStatus {
    observed_generation: Option<i64>,
    ready_replicas: i32,
    updated_replicas: i32,
    conditions: Vec<Condition>,
}

/// The whole status. Equal input gives an equal status, so that it settles.
pub(crate) fn of(edge: &EdgeService, deployment: Option<&Deployment>, previous: &[Rejected]) -> Value {
    let generation = edge.object.metadata.generation;
    let mut conditions = Conditions::from(&edge.status.conditions, generation);
    let refused = previous.iter().find(|r| r.verb != "status");
    accepted(&mut conditions, deployment.is_some(), refused);
    available(&mut conditions, deployment);
    ready(&mut conditions, edge.spec.replicas, deployment, refused.is_some());
    json!({
        "observedGeneration": generation,
        "readyReplicas": deployment.map_or(0, |d| d.status.ready_replicas),
        "conditions": conditions.list(),
    })
}

/// Whether the member took what was written: a webhook's or a quota's refusal is shown to whoever asked for the service.
fn accepted(conditions: &mut Conditions<'_>, written: bool, refused: Option<&Rejected>) {
    match refused {
        Some(refused) => {
            let reason = if refused.reason.is_empty() { "Refused" } else { &refused.reason };
            let message = format!("{} {}: {}", refused.object.gvk.kind, refused.object.name, refused.message);
            conditions.set("Accepted", Some(false), reason, message);
        }
        None if written => conditions.set("Accepted", Some(true), "Applied", "Deployment and Service are stored"),
        None => conditions.set("Accepted", None, "Applying", "Deployment and Service are being written"),
    }
}

/// The Deployment's own condition `Available`.
fn available(conditions: &mut Conditions<'_>, deployment: Option<&Deployment>) {
    match deployment.and_then(|d| d.status.conditions.iter().find(|c| c.kind == "Available")) {
        Some(c) => conditions.set("Available", Some(c.status == "True"), &c.reason, c.message.clone()),
        None => conditions.set("Available", Some(false), "NoDeployment", "the Deployment has not reported yet"),
    }
}

/// Whether every replica runs what is asked for now.
fn ready(conditions: &mut Conditions<'_>, wanted: i32, deployment: Option<&Deployment>, refused: bool) {
    let Some(Deployment { metadata, status }) = deployment else {
        return conditions.set("Ready", Some(false), "NoDeployment", "there is no Deployment yet");
    };
    let current = status.observed_generation >= metadata.generation;
    let ready = !refused && current && status.updated_replicas >= wanted && status.ready_replicas >= wanted;
    let reason = match (ready, refused, current) {
        (true, ..) => "AllReplicasReady",
        // What runs is what was asked for before.
        (false, true, _) => "NotAccepted",
        (false, false, true) => "ReplicasNotReady",
        (false, false, false) => "RollingOut",
    };
    let message = format!("{} of {wanted} replicas are ready", status.ready_replicas);
    conditions.set("Ready", Some(ready), reason, message);
}
