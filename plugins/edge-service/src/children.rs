//! The objects that an EdgeService consists of.

use motet_sdk::prelude::*;

use crate::EdgeService;

/// Tells external-dns which name the Service is to have.
const HOST_ANNOTATION: &str = "external-dns.alpha.kubernetes.io/hostname";

/// The Deployment and the Service, both owned by the EdgeService.
pub(crate) fn of(edge: &EdgeService) -> [Value; 2] {
    let (name, namespace) = (&edge.object.metadata.name, &edge.object.metadata.namespace);
    let selector = json!({ "app.kubernetes.io/name": name, "app.kubernetes.io/managed-by": "edge-service" });
    let metadata = json!({
        "name": name,
        "namespace": namespace,
        "labels": selector,
        "ownerReferences": [edge.object.owner_reference()],
    });
    let mut service = json!({
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": metadata,
        "spec": {
            "selector": selector,
            "ports": [{ "name": "http", "port": edge.spec.port, "protocol": "TCP", "targetPort": "http" }],
        },
    });
    if let Some(host) = &edge.spec.host {
        service["metadata"]["annotations"] = json!({ HOST_ANNOTATION: host });
    }
    let env: Vec<Value> = edge.spec.env.iter().map(|(name, value)| json!({ "name": name, "value": value })).collect();
    let deployment = json!({
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": metadata,
        "spec": {
            "replicas": edge.spec.replicas,
            "selector": { "matchLabels": selector },
            "template": {
                "metadata": { "labels": selector },
                "spec": { "containers": [{
                    "name": "app",
                    "image": edge.spec.image,
                    "env": env,
                    "ports": [{ "name": "http", "containerPort": edge.spec.port, "protocol": "TCP" }],
                }] },
            },
        },
    });
    [deployment, service]
}
