//! What every kind asks of metadata: names, labels, annotations, finalizers, and versions in updates.

use anyhow::Result;
use http::Method;
use motet_conformance::{Talk, cases};
use serde_json::{Value, json};

use crate::cases::tools::{at, with};

cases! { "kinds":
    names_of_every_namespaced_kind, names_of_every_cluster_kind, metadata_of_new_objects_of_every_kind, metadata_of_changed_objects_of_every_kind,
    updates_without_a_version_of_every_kind, updates_of_what_is_not_there_of_every_kind,
    times_are_kept_in_utc,
}

fn template() -> Value {
    json!({ "metadata": { "labels": { "app": "x" } }, "spec": { "containers": [{ "name": "c", "image": "i" }] } })
}

/// Every kind of the groups that lies in namespaces: its group, its plural, and the least of it.
fn namespaced(talk: &Talk) -> Vec<(&'static str, &'static str, Value)> {
    let selector = json!({ "matchLabels": { "app": "x" } });
    let target = json!({ "apiVersion": "apps/v1", "kind": "Deployment", "name": "d" });
    let event = "2020-01-01T00:00:00.000001Z";
    vec![
        ("v1", "configmaps", json!({})),
        ("v1", "secrets", json!({})),
        ("v1", "serviceaccounts", json!({})),
        ("v1", "limitranges", json!({ "spec": { "limits": [] } })),
        ("v1", "resourcequotas", json!({})),
        ("v1", "endpoints", json!({})),
        ("v1", "podtemplates", json!({ "template": template() })),
        ("v1", "pods", json!({ "spec": { "containers": [{ "name": "c", "image": "i" }] } })),
        ("v1", "services", json!({ "spec": { "type": "ExternalName", "externalName": "example.com" } })),
        (
            "v1",
            "persistentvolumeclaims",
            json!({ "spec": { "accessModes": ["ReadWriteOnce"], "resources": { "requests": { "storage": "1Gi" } } } }),
        ),
        ("v1", "replicationcontrollers", json!({ "spec": { "selector": { "app": "x" }, "template": template() } })),
        ("apps/v1", "controllerrevisions", json!({ "revision": 1, "data": { "a": 1 } })),
        ("apps/v1", "deployments", json!({ "spec": { "selector": selector, "template": template() } })),
        ("apps/v1", "replicasets", json!({ "spec": { "selector": selector, "template": template() } })),
        (
            "apps/v1",
            "statefulsets",
            json!({ "spec": { "selector": selector, "template": template(), "serviceName": "s" } }),
        ),
        ("apps/v1", "daemonsets", json!({ "spec": { "selector": selector, "template": template() } })),
        (
            "batch/v1",
            "cronjobs",
            json!({ "spec": { "schedule": "* * * * *", "jobTemplate": { "spec": { "template": with(&template(), &[("/spec/restartPolicy", json!("Never"))]) } } } }),
        ),
        ("policy/v1", "poddisruptionbudgets", json!({ "spec": { "minAvailable": 1 } })),
        ("rbac.authorization.k8s.io/v1", "roles", json!({})),
        (
            "rbac.authorization.k8s.io/v1",
            "rolebindings",
            json!({ "roleRef": { "apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "r" } }),
        ),
        ("coordination.k8s.io/v1", "leases", json!({})),
        ("discovery.k8s.io/v1", "endpointslices", json!({ "addressType": "IPv4", "endpoints": [] })),
        (
            "autoscaling/v2",
            "horizontalpodautoscalers",
            json!({ "spec": { "maxReplicas": 1, "scaleTargetRef": target } }),
        ),
        (
            "autoscaling/v1",
            "horizontalpodautoscalers",
            json!({ "spec": { "maxReplicas": 1, "scaleTargetRef": target } }),
        ),
        ("networking.k8s.io/v1", "networkpolicies", json!({ "spec": { "podSelector": {} } })),
        (
            "networking.k8s.io/v1",
            "ingresses",
            json!({ "spec": { "defaultBackend": { "service": { "name": "s", "port": { "number": 1 } } } } }),
        ),
        ("storage.k8s.io/v1", "csistoragecapacities", json!({ "storageClassName": "c" })),
        (
            "events.k8s.io/v1",
            "events",
            json!({ "eventTime": event, "reportingController": "example.com/c", "reportingInstance": "i", "action": "A", "reason": "R", "type": "Normal", "regarding": { "kind": "Pod", "name": "p", "namespace": talk.id() } }),
        ),
    ]
}

/// The same of those that do not.
fn cluster(talk: &Talk) -> Vec<(&'static str, &'static str, Value)> {
    // Rules that nothing ever meets: a webhook that is asked about the other cases would refuse them.
    let rule = json!({ "apiGroups": [format!("{}.example.org", talk.id())], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["none"] });
    let hook = json!([{ "name": "a.example.org", "rules": [rule], "clientConfig": { "url": "https://example.org/x" }, "sideEffects": "None", "admissionReviewVersions": ["v1"] }]);
    vec![
        ("v1", "namespaces", json!({})),
        ("v1", "nodes", json!({})),
        (
            "v1",
            "persistentvolumes",
            json!({ "spec": { "capacity": { "storage": "1Gi" }, "accessModes": ["ReadWriteOnce"], "hostPath": { "path": "/x" } } }),
        ),
        ("rbac.authorization.k8s.io/v1", "clusterroles", json!({})),
        (
            "rbac.authorization.k8s.io/v1",
            "clusterrolebindings",
            json!({ "roleRef": { "apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "r" } }),
        ),
        ("scheduling.k8s.io/v1", "priorityclasses", json!({ "value": 1 })),
        ("storage.k8s.io/v1", "storageclasses", json!({ "provisioner": "d.example.com" })),
        ("storage.k8s.io/v1", "csidrivers", json!({ "spec": {} })),
        ("storage.k8s.io/v1", "csinodes", json!({ "spec": { "drivers": [] } })),
        (
            "storage.k8s.io/v1",
            "volumeattachments",
            json!({ "spec": { "attacher": "d.example.com", "nodeName": "n", "source": { "persistentVolumeName": "v" } } }),
        ),
        (
            "storage.k8s.io/v1",
            "volumeattributesclasses",
            json!({ "driverName": "d.example.com", "parameters": { "a": "b" } }),
        ),
        ("networking.k8s.io/v1", "ingressclasses", json!({ "spec": { "controller": "example.com/c" } })),
        ("admissionregistration.k8s.io/v1", "validatingwebhookconfigurations", json!({ "webhooks": hook })),
        ("admissionregistration.k8s.io/v1", "mutatingwebhookconfigurations", json!({ "webhooks": hook })),
        (
            "admissionregistration.k8s.io/v1",
            "validatingadmissionpolicies",
            json!({ "spec": { "matchConstraints": { "resourceRules": [rule] }, "validations": [{ "expression": "true" }] } }),
        ),
        (
            "admissionregistration.k8s.io/v1",
            "validatingadmissionpolicybindings",
            json!({ "spec": { "policyName": "none", "validationActions": ["Deny"] } }),
        ),
    ]
}

fn collection(talk: &Talk, group: &str, plural: &str, namespaced: bool) -> String {
    match namespaced {
        true => talk.path(group, plural),
        false if group.contains('/') => format!("/apis/{group}/{plural}"),
        false => format!("/api/{group}/{plural}"),
    }
}

fn all(talk: &Talk) -> Vec<(String, Value)> {
    let inside = namespaced(talk).into_iter().map(|(g, p, base)| (collection(talk, g, p, true), base));
    let outside = cluster(talk).into_iter().map(|(g, p, base)| (collection(talk, g, p, false), base));
    inside.chain(outside).collect()
}

async fn names_in(talk: &Talk, kinds: Vec<(String, Value)>) -> Result<()> {
    let long = |count: usize| format!("{}{}", talk.id(), "a".repeat(count));
    let names = ["Not_Ok", "a.b", "a:b", "a/b", "a%b", "-a", "a-", "1a", ".."].map(str::to_owned).into_iter();
    let names: Vec<String> = names.chain([long(60), long(250)]).collect();
    for (path, base) in kinds {
        for (n, name) in names.iter().enumerate() {
            let object = with(&base, &[("/metadata", json!({ "name": name }))]);
            talk.post(&format!("{path}?dryRun=All&n={n}"), &object).await?;
        }
    }
    Ok(())
}

async fn names_of_every_namespaced_kind(talk: &Talk) -> Result<()> {
    talk.namespace().await?;
    let kinds = namespaced(talk).into_iter().map(|(g, p, base)| (collection(talk, g, p, true), base));
    names_in(talk, kinds.collect()).await
}

async fn names_of_every_cluster_kind(talk: &Talk) -> Result<()> {
    let kinds = cluster(talk).into_iter().map(|(g, p, base)| (collection(talk, g, p, false), base));
    names_in(talk, kinds.collect()).await
}

/// Faults in metadata that stand where every kind could have them.
fn faults() -> Vec<(&'static str, Value)> {
    vec![
        ("/metadata/labels", json!({ "a b": "c" })),
        ("/metadata/labels", json!({ "a": "b c" })),
        ("/metadata/annotations", json!({ "a b": "c" })),
        ("/metadata/finalizers", json!(["nothing"])),
        ("/metadata/finalizers", json!(["not ok/x"])),
        ("/metadata/ownerReferences", json!([{ "apiVersion": "v1", "kind": "", "name": "n", "uid": "u" }])),
    ]
}

async fn metadata_of_new_objects_of_every_kind(talk: &Talk) -> Result<()> {
    talk.namespace().await?;
    for (path, base) in all(talk) {
        let base = with(&base, &[("/metadata", json!({ "name": format!("{}-m", talk.id()) }))]);
        for (n, (pointer, value)) in faults().into_iter().enumerate() {
            talk.post(&format!("{path}?dryRun=All&n={n}"), &with(&base, &[(pointer, value)])).await?;
        }
    }
    Ok(())
}

async fn metadata_of_changed_objects_of_every_kind(talk: &Talk) -> Result<()> {
    talk.namespace().await?;
    for (path, base) in all(talk) {
        let base = with(&base, &[("/metadata", json!({ "name": format!("{}-c", talk.id()) }))]);
        let made = talk.ask(Method::POST, &path).json(&base).unkept().send().await?;
        let one = at(&path, &base);
        for (n, (pointer, value)) in faults().into_iter().enumerate() {
            talk.put(&format!("{one}?dryRun=All&n={n}"), &with(&made.body, &[(pointer, value)])).await?;
        }
        talk.ask(Method::DELETE, &one).unkept().send().await?;
    }
    Ok(())
}

async fn updates_without_a_version_of_every_kind(talk: &Talk) -> Result<()> {
    talk.namespace().await?;
    for (path, base) in all(talk) {
        let base = with(&base, &[("/metadata", json!({ "name": format!("{}-u", talk.id()) }))]);
        let made = talk.ask(Method::POST, &path).json(&base).unkept().send().await?;
        let one = at(&path, &base);
        let bare = with(&made.body, &[("/metadata/resourceVersion", Value::Null)]);
        talk.put(&format!("{one}?dryRun=All"), &bare).await?;
        talk.put(&format!("{one}?dryRun=All&n=2"), &with(&bare, &[("/metadata/resourceVersion", json!("0"))])).await?;
        talk.ask(Method::DELETE, &one).unkept().send().await?;
    }
    Ok(())
}

async fn updates_of_what_is_not_there_of_every_kind(talk: &Talk) -> Result<()> {
    talk.namespace().await?;
    for (path, base) in all(talk) {
        let base = with(&base, &[("/metadata", json!({ "name": format!("{}-n", talk.id()) }))]);
        talk.put(&format!("{}?dryRun=All", at(&path, &base)), &base).await?;
    }
    Ok(())
}

async fn times_are_kept_in_utc(talk: &Talk) -> Result<()> {
    let namespace = talk.namespace().await?;
    let name = namespace.rsplit('/').next().unwrap_or_default().to_owned();
    let event = json!({ "metadata": { "name": "e" }, "involvedObject": { "namespace": name }, "firstTimestamp": "2020-01-01T02:00:00.5+02:00",
        "lastTimestamp": "2020-01-01T00:00:00-00:30", "reportingComponent": "a/b", "reportingInstance": "i", "action": "a", "reason": "r", "type": "Normal", "eventTime": "2020-01-01T02:00:00.123456+02:00" });
    talk.post(&format!("{namespace}/events"), &event).await?;
    let leases = talk.path("coordination.k8s.io/v1", "leases");
    let lease = json!({ "metadata": { "name": "l" }, "spec": { "holderIdentity": "a", "renewTime": "2020-01-01T02:00:00.100000+02:00" } });
    talk.post(&leases, &lease).await?;
    let merge = "application/merge-patch+json";
    let same = json!({ "spec": { "renewTime": "2020-01-01T01:00:00.100000+01:00" } });
    talk.patch(&format!("{leases}/l"), merge, &same).await?;
    let applied = json!({ "apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": { "name": "m" }, "spec": { "acquireTime": "2020-01-01T00:00:00.000001+00:00" } });
    talk.apply(&format!("{leases}/m"), "one", &applied).await?;
    talk.apply(&format!("{leases}/m"), "one", &applied).await?;
    let later = with(&applied, &[("/spec/acquireTime", json!("2020-01-01T03:00:00.000001+03:00"))]);
    talk.apply(&format!("{leases}/m"), "one", &later).await?;
    let pods = format!("{namespace}/pods");
    talk.post(&pods, &json!({ "metadata": { "name": "p", "creationTimestamp": "2020-01-01T02:00:00+02:00" }, "spec": { "containers": [{ "name": "c", "image": "i" }] } })).await?;
    let ready = json!({ "type": "Ready", "status": "True", "lastProbeTime": null, "lastTransitionTime": "2020-01-01T02:00:00.999+02:00" });
    let status = json!({ "status": { "startTime": "2020-01-01T05:00:00+05:00", "conditions": [ready] } });
    talk.patch(&format!("{pods}/p/status"), merge, &status).await?;
    talk.patch(&format!("{pods}/p/status"), "application/strategic-merge-patch+json", &status).await?;
    Ok(())
}
