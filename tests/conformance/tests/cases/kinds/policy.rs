//! Budgets, roles, priorities and leases.

use anyhow::Result;
use motet_conformance::{Talk, cases};
use serde_json::{Value, json};

use crate::cases::tools::{change_each, create_each, lives, with};

cases! { "kinds":
    disruption_budgets, disruption_budgets_are_checked, roles, roles_are_checked, role_changes_are_checked, cluster_roles, selectors_of_cluster_roles_are_checked, role_bindings, role_bindings_are_checked, cluster_role_bindings, cluster_role_bindings_are_checked,
    leases, leases_are_checked, a_status_of_a_budget_is_checked, priority_classes, what_stays_of_a_priority_class, priority_classes_of_the_system,
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
            ("/spec/minAvailable", json!("50")),
            ("/spec/minAvailable", json!("-5%")),
            ("/spec", json!({ "maxUnavailable": "200%" })),
            ("/spec", json!({ "maxUnavailable": -3, "minAvailable": -2, "unhealthyPodEvictionPolicy": "AlwaysAllow" })),
            ("/spec/selector", json!({ "matchExpressions": [{ "key": "k", "operator": "X" }] })),
            ("/spec/selector", json!({ "matchExpressions": [{ "key": "k", "operator": "In" }] })),
            ("/spec/selector", json!({ "matchExpressions": [{ "key": "", "operator": "Exists", "values": ["a"] }] })),
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

async fn leases_are_checked(talk: &Talk) -> Result<()> {
    talk.namespace().await?;
    let path = talk.path("coordination.k8s.io/v1", "leases");
    let base = named("l", json!({ "holderIdentity": "h", "leaseDurationSeconds": 15 }));
    create_each(
        talk,
        &path,
        &base,
        &[
            ("/spec/leaseDurationSeconds", json!(0)),
            ("/spec/leaseDurationSeconds", json!(-1)),
            ("/spec/leaseTransitions", json!(-1)),
            ("/spec/holderIdentity", json!("")),
            ("/spec/strategy", json!("OldestEmulationVersion")),
            ("/spec/strategy", json!("X")),
            ("/spec/preferredHolder", json!("p")),
            ("/spec/renewTime", json!("2020-01-01T00:00:00Z")),
            ("/spec/renewTime", json!("2020-01-01T00:00:00.123456789+02:00")),
            ("/spec/renewTime", json!("yesterday")),
            ("/spec/leaseDurationSeconds", json!("x")),
            ("/metadata/name", json!("Not_Ok")),
        ],
    )
    .await?;
    change_each(
        talk,
        &path,
        &base,
        &[
            ("/spec/leaseDurationSeconds", json!(0)),
            ("/spec/holderIdentity", Value::Null),
            ("/spec/strategy", json!("X")),
            ("/spec", Value::Null),
        ],
    )
    .await
}

async fn a_status_of_a_budget_is_checked(talk: &Talk) -> Result<()> {
    talk.namespace().await?;
    let path = talk.path("policy/v1", "poddisruptionbudgets");
    let made = talk.post(&path, &named("b", json!({ "minAvailable": 1 }))).await?;
    let condition = |changes: &[(&str, Value)]| {
        let fine = json!({ "type": "A", "status": "True", "reason": "R", "message": "", "lastTransitionTime": "2020-01-01T00:00:00Z" });
        json!({ "conditions": [with(&fine, changes)], "disruptionsAllowed": 0, "currentHealthy": 0, "desiredHealthy": 0, "expectedPods": 0 })
    };
    let counts = |field: &str| with(&condition(&[]), &[(&format!("/{field}"), json!(-1))]);
    for (n, status) in [
        condition(&[("/type", json!("a b"))]),
        condition(&[("/status", json!("X"))]),
        condition(&[("/reason", json!(""))]),
        condition(&[("/reason", json!("not ok"))]),
        condition(&[("/lastTransitionTime", Value::Null)]),
        condition(&[("/observedGeneration", json!(-1))]),
        counts("disruptionsAllowed"),
        counts("currentHealthy"),
        counts("desiredHealthy"),
        counts("expectedPods"),
        json!({}),
    ]
    .into_iter()
    .enumerate()
    {
        let object = with(&made.body, &[("/status", status), ("/spec/minAvailable", json!(9))]);
        talk.put(&format!("{path}/b/status?dryRun=All&n={n}"), &object).await?;
    }
    Ok(())
}

async fn role_changes_are_checked(talk: &Talk) -> Result<()> {
    talk.namespace().await?;
    let base = json!({ "metadata": { "name": "r" }, "rules": [{ "apiGroups": [""], "resources": ["pods"], "verbs": ["get"] }] });
    change_each(
        talk,
        &talk.path("rbac.authorization.k8s.io/v1", "roles"),
        &base,
        &[
            ("/rules/0/verbs", json!([])),
            ("/rules", json!([])),
            ("/rules", Value::Null),
            ("/rules/0/nonResourceURLs", json!(["/x"])),
            ("/rules/0/resourceNames", json!(["a", "a", ""])),
            ("/metadata/labels", json!({ "a b": "c" })),
        ],
    )
    .await
}

async fn selectors_of_cluster_roles_are_checked(talk: &Talk) -> Result<()> {
    let path = "/apis/rbac.authorization.k8s.io/v1/clusterroles";
    let base = json!({ "metadata": { "name": format!("{}:s", talk.id()) }, "aggregationRule": { "clusterRoleSelectors": [{ "matchLabels": { "none": talk.id() } }] }, "rules": null });
    create_each(
        talk,
        path,
        &base,
        &[
            ("/aggregationRule/clusterRoleSelectors/0", json!({ "matchLabels": { "a b": "c" } })),
            ("/aggregationRule/clusterRoleSelectors/0", json!({ "matchLabels": { "a": "b c" } })),
            (
                "/aggregationRule/clusterRoleSelectors/0",
                json!({ "matchExpressions": [{ "key": "k", "operator": "X" }] }),
            ),
            (
                "/aggregationRule/clusterRoleSelectors/0",
                json!({ "matchExpressions": [{ "key": "k", "operator": "In" }] }),
            ),
            ("/aggregationRule/clusterRoleSelectors/0", json!({})),
            ("/aggregationRule", json!({})),
        ],
    )
    .await
}

async fn role_bindings(talk: &Talk) -> Result<()> {
    talk.namespace().await?;
    let subjects = json!([{ "kind": "User", "name": "u" }, { "kind": "Group", "name": "g", "apiGroup": "rbac.authorization.k8s.io" }, { "kind": "ServiceAccount", "name": "s" }, { "kind": "ServiceAccount", "name": "s", "namespace": "n" }]);
    lives(
        talk,
        &talk.path("rbac.authorization.k8s.io/v1", "rolebindings"),
        &[
            with(&binding("none"), &[("/subjects", Value::Null)]),
            with(&binding("empty"), &[("/subjects", json!([]))]),
            with(&binding("all"), &[("/subjects", subjects), ("/roleRef/kind", json!("Role"))]),
            with(&binding("default"), &[("/roleRef/apiGroup", Value::Null)]),
        ],
    )
    .await
}

/// What can be wrong in bindings of either kind.
fn wrong_bindings() -> Vec<(&'static str, Value)> {
    vec![
        ("/roleRef", Value::Null),
        ("/roleRef/apiGroup", json!("example.org")),
        ("/roleRef/kind", json!("X")),
        ("/roleRef/kind", Value::Null),
        ("/roleRef/name", json!("")),
        ("/roleRef/name", json!("a/b")),
        ("/subjects/0/name", Value::Null),
        ("/subjects/0/kind", Value::Null),
        ("/subjects/0/kind", json!("X")),
        ("/subjects/0/apiGroup", json!("example.org")),
        ("/subjects/0", json!({ "kind": "Group", "name": "g", "apiGroup": "" })),
        ("/subjects/0", json!({ "kind": "ServiceAccount", "name": "Not_Ok", "namespace": "n" })),
        ("/subjects/0", json!({ "kind": "ServiceAccount", "name": "s" })),
        (
            "/subjects/0",
            json!({ "kind": "ServiceAccount", "name": "s", "namespace": "n", "apiGroup": "rbac.authorization.k8s.io" }),
        ),
        ("/subjects/0", json!({})),
        ("/metadata/labels", json!({ "a b": "c" })),
    ]
}

async fn role_bindings_are_checked(talk: &Talk) -> Result<()> {
    talk.namespace().await?;
    let path = talk.path("rbac.authorization.k8s.io/v1", "rolebindings");
    create_each(talk, &path, &binding("b"), &wrong_bindings()).await?;
    let mut changes = wrong_bindings();
    changes.extend([("/roleRef/name", json!("view")), ("/roleRef/kind", json!("Role")), ("/subjects", json!([]))]);
    change_each(talk, &path, &binding("b"), &changes).await
}

async fn cluster_role_bindings_are_checked(talk: &Talk) -> Result<()> {
    let path = "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings";
    let base = binding(&format!("{}-c", talk.id()));
    create_each(talk, path, &base, &wrong_bindings()).await?;
    change_each(talk, path, &base, &wrong_bindings()).await
}

async fn priority_classes_of_the_system(talk: &Talk) -> Result<()> {
    let path = "/apis/scheduling.k8s.io/v1/priorityclasses?dryRun=All";
    for (name, value, default) in [
        ("system-node-critical", 1, false),
        ("system-node-critical", 2_000_001_000, true),
        ("system-cluster-critical", 5, true),
        ("system-other", 5, false),
    ] {
        let class = json!({ "metadata": { "name": name }, "value": value, "globalDefault": default });
        talk.post(path, &class).await?;
    }
    let own = |changes: &[(&str, Value)]| with(&json!({ "metadata": { "name": talk.id() }, "value": 1 }), changes);
    for class in [
        own(&[("/value", json!(i64::from(i32::MAX) + 1))]),
        own(&[("/value", json!(1_000_000_000))]),
        own(&[("/value", json!(2_000_000_000)), ("/preemptionPolicy", json!("X"))]),
        own(&[("/preemptionPolicy", json!(""))]),
    ] {
        talk.post(path, &class).await?;
    }
    Ok(())
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
