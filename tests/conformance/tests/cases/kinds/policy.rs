//! Budgets, roles, autoscalers, priorities and leases.

use anyhow::Result;
use motet_conformance::{Talk, cases};
use serde_json::{Value, json};

use crate::cases::tools::{change_each, create_each, lives};

cases! { "kinds":
    disruption_budgets, disruption_budgets_are_checked, roles, roles_are_checked, cluster_roles, cluster_role_bindings, leases, autoscalers_are_checked, priority_classes, what_stays_of_a_priority_class,
}

fn named(name: &str, spec: Value) -> Value {
    json!({ "metadata": { "name": name }, "spec": spec })
}

async fn disruption_budgets(talk: &Talk) -> Result<()> {
    talk.namespace().await?;
    lives(talk, &talk.path("policy/v1", "poddisruptionbudgets"), &[
        named("least", json!({})), json!({ "metadata": { "name": "bare" } }),
        named("all", json!({ "minAvailable": "50%", "selector": { "matchLabels": { "a": "b" } }, "unhealthyPodEvictionPolicy": "AlwaysAllow" })),
        named("most", json!({ "maxUnavailable": 1, "selector": {} })),
    ]).await
}

async fn disruption_budgets_are_checked(talk: &Talk) -> Result<()> {
    talk.namespace().await?;
    let path = talk.path("policy/v1", "poddisruptionbudgets");
    let base = named("b", json!({ "minAvailable": 1, "selector": { "matchLabels": { "a": "b" } } }));
    create_each(
        talk,
        &path,
        &base,
        &[
            ("/spec/minAvailable", json!(-1)),
            ("/spec/minAvailable", json!("x")),
            ("/spec/minAvailable", json!("150%")),
            ("/spec/maxUnavailable", json!(1)),
            ("/spec/selector", json!({ "matchLabels": { "a b": "c" } })),
            ("/spec/unhealthyPodEvictionPolicy", json!("X")),
        ],
    )
    .await?;
    change_each(
        talk,
        &path,
        &base,
        &[("/spec/minAvailable", json!(2)), ("/spec/selector", json!({})), ("/status/currentHealthy", json!(9))],
    )
    .await
}

async fn roles(talk: &Talk) -> Result<()> {
    talk.namespace().await?;
    lives(talk, &talk.path("rbac.authorization.k8s.io/v1", "roles"), &[
        json!({ "metadata": { "name": "least" } }), json!({ "metadata": { "name": "none" }, "rules": [] }),
        json!({ "metadata": { "name": "all" }, "rules": [{ "apiGroups": ["", "apps"], "resources": ["pods", "deployments/scale"], "verbs": ["get", "*"], "resourceNames": ["x"] }, { "apiGroups": [""], "resources": ["pods"], "verbs": ["get"], "nonResourceURLs": [] }] }),
    ]).await
}

async fn roles_are_checked(talk: &Talk) -> Result<()> {
    talk.namespace().await?;
    let base = json!({ "metadata": { "name": "r" }, "rules": [{ "apiGroups": [""], "resources": ["pods"], "verbs": ["get"] }] });
    create_each(
        talk,
        &talk.path("rbac.authorization.k8s.io/v1", "roles"),
        &base,
        &[
            ("/rules/0/verbs", json!([])),
            ("/rules/0/verbs", Value::Null),
            ("/rules/0/apiGroups", Value::Null),
            ("/rules/0/resources", Value::Null),
            ("/rules/0/nonResourceURLs", json!(["/x"])),
            ("/rules/0", json!({})),
            ("/rules/0", json!({ "verbs": ["get"], "nonResourceURLs": ["/x"] })),
        ],
    )
    .await
}

async fn cluster_roles(talk: &Talk) -> Result<()> {
    let path = "/apis/rbac.authorization.k8s.io/v1/clusterroles";
    let name = |end: &str| format!("{}:{end}", talk.id());
    let urls = json!({ "metadata": { "name": name("urls") }, "rules": [{ "verbs": ["get"], "nonResourceURLs": ["/x", "/y/*"] }] });
    lives(talk, path, &[
        json!({ "metadata": { "name": name("least") } }), urls.clone(),
        json!({ "metadata": { "name": name("sum") }, "aggregationRule": { "clusterRoleSelectors": [{ "matchLabels": { "none": talk.id() } }] }, "rules": [] }),
    ]).await?;
    create_each(
        talk,
        path,
        &urls,
        &[
            ("/rules/0/nonResourceURLs", json!([])),
            ("/rules/0/resources", json!(["pods"])),
            ("/rules/0/verbs", json!([])),
            ("/aggregationRule", json!({ "clusterRoleSelectors": [] })),
        ],
    )
    .await
}

fn binding(name: &str) -> Value {
    json!({ "metadata": { "name": name }, "roleRef": { "apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "cluster-admin" }, "subjects": [{ "kind": "User", "name": "u" }] })
}

async fn cluster_role_bindings(talk: &Talk) -> Result<()> {
    let path = "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings";
    let base = binding(&format!("{}-b", talk.id()));
    lives(talk, path, std::slice::from_ref(&base)).await?;
    create_each(
        talk,
        path,
        &base,
        &[("/roleRef/kind", json!("Role")), ("/subjects/0", json!({ "kind": "ServiceAccount", "name": "s" }))],
    )
    .await?;
    change_each(talk, path, &base, &[("/roleRef/name", json!("view"))]).await
}

async fn leases(talk: &Talk) -> Result<()> {
    talk.namespace().await?;
    lives(talk, &talk.path("coordination.k8s.io/v1", "leases"), &[
        json!({ "metadata": { "name": "least" } }), named("empty", json!({})),
        named("all", json!({ "holderIdentity": "h", "leaseDurationSeconds": 15, "acquireTime": "2020-01-01T00:00:00.000000Z", "renewTime": "2020-01-01T00:00:01.500000Z", "leaseTransitions": 2 })),
    ]).await
}

fn autoscaler(name: &str) -> Value {
    named(
        name,
        json!({ "maxReplicas": 3, "scaleTargetRef": { "apiVersion": "apps/v1", "kind": "Deployment", "name": "d" } }),
    )
}

async fn autoscalers_are_checked(talk: &Talk) -> Result<()> {
    talk.namespace().await?;
    create_each(
        talk,
        &talk.path("autoscaling/v2", "horizontalpodautoscalers"),
        &autoscaler("a"),
        &[
            ("/spec/minReplicas", json!(5)),
            ("/spec/scaleTargetRef", json!({})),
            ("/spec/scaleTargetRef/name", json!("a/b")),
            ("/spec/scaleTargetRef/kind", Value::Null),
            ("/spec/behavior", json!({ "scaleUp": { "policies": [] } })),
        ],
    )
    .await
}

async fn priority_classes(talk: &Talk) -> Result<()> {
    let path = "/apis/scheduling.k8s.io/v1/priorityclasses";
    let name = |end: &str| format!("{}-{end}", talk.id());
    let least = json!({ "metadata": { "name": name("least") }, "value": 1 });
    lives(talk, path, &[least.clone(), json!({ "metadata": { "name": name("zero") } }), json!({ "metadata": { "name": name("all") }, "value": -5, "description": "d", "preemptionPolicy": "Never", "globalDefault": false })]).await?;
    create_each(
        talk,
        path,
        &least,
        &[
            ("/value", json!(1_000_000_001)),
            ("/preemptionPolicy", json!("X")),
            ("/metadata/name", json!("system-mine")),
            ("/value", json!("x")),
        ],
    )
    .await
}

async fn what_stays_of_a_priority_class(talk: &Talk) -> Result<()> {
    let path = "/apis/scheduling.k8s.io/v1/priorityclasses";
    change_each(
        talk,
        path,
        &json!({ "metadata": { "name": format!("{}-x", talk.id()) }, "value": 1 }),
        &[("/value", json!(2)), ("/preemptionPolicy", json!("Never"))],
    )
    .await
}
