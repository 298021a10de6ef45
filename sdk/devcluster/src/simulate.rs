//! A tiny stand-in for the Deployment controller: every Deployment becomes available at once. No pods are made.

use std::sync::Weak;

use serde_json::{Value, json};

use crate::cluster::Core;
use crate::object;
use crate::store::State;

const SHELF: &str = "deployments.apps";

/// Runs until the cluster is gone.
pub(crate) async fn run(core: Weak<Core>) {
    let Some(strong) = core.upgrade() else { return };
    let mut tip = strong.state.lock().subscribe(&SHELF.into());
    drop(strong);
    loop {
        tip.borrow_and_update();
        let Some(strong) = core.upgrade() else { return };
        settle(&mut strong.state.lock());
        drop(strong);
        if tip.changed().await.is_err() {
            return;
        }
    }
}

fn settle(state: &mut State) {
    let Some(resource) = state.resource("apps", "deployments") else { return };
    let all: Vec<_> = state.range(SHELF, "", None).cloned().collect();
    for stored in all {
        let mut value = stored.value();
        let status = status(&value);
        if !object::is_deleting(&value) && !says(&value["status"], &status) {
            value["status"] = status;
            state.put(&resource, value);
        }
    }
}

/// True if the status says the same already, whenever it came to say it.
fn says(now: &Value, wanted: &Value) -> bool {
    let fields = ["observedGeneration", "replicas", "readyReplicas"];
    fields.iter().all(|field| now.get(*field) == wanted.get(*field))
}

fn status(deployment: &Value) -> Value {
    let replicas = deployment["spec"]["replicas"].as_i64().unwrap_or(1);
    let now = object::now();
    let condition = |kind: &str, reason: &str, message: &str| json!({"type": kind, "status": "True", "reason": reason, "message": message, "lastUpdateTime": now, "lastTransitionTime": now});
    json!({
        "observedGeneration": deployment["metadata"]["generation"],
        "replicas": replicas, "readyReplicas": replicas, "availableReplicas": replicas, "updatedReplicas": replicas,
        "conditions": [
            condition("Available", "MinimumReplicasAvailable", "Deployment has minimum availability."),
            condition("Progressing", "NewReplicaSetAvailable", "ReplicaSet has successfully progressed."),
        ],
    })
}
