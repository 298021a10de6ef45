//! Tables: the columns and cells of built-in kinds and of custom resources.

use anyhow::Result;
use http::Method;
use motet_conformance::{Talk, cases};
use serde_json::{Value, json};

cases! { "tables": tables_of_core_kinds, tables_of_workloads, tables_of_network_kinds, tables_of_rights, tables_of_storage_kinds,
tables_of_other_kinds, empty_tables_have_columns, a_table_can_hold_whole_objects_or_none, a_watch_can_be_of_tables,
tables_of_custom_resources, tables_of_events, a_missing_object_is_no_table, pages_of_tables }

const TABLE: &str = "application/json;as=Table;v=v1;g=meta.k8s.io,application/json";

async fn table(talk: &Talk, path: &str) -> Result<Value> {
    Ok(talk.ask(Method::GET, path).header("accept", TABLE).send().await?.body)
}

/// Makes objects, then shows all of their kind in this namespace as a table, cells alone.
async fn show(talk: &Talk, group: &str, plural: &str, objects: &[Value]) -> Result<()> {
    let path = talk.path(group, plural);
    for object in objects {
        talk.ask(Method::POST, &path).json(object).unkept().send().await?;
    }
    table(talk, &format!("{path}?includeObject=None")).await?;
    Ok(())
}

/// The same for kinds outside of namespaces: by name.
async fn show_cluster(talk: &Talk, group: &str, plural: &str, object: Value) -> Result<()> {
    let root = if group.contains('/') { "apis" } else { "api" };
    let path = format!("/{root}/{group}/{plural}");
    let name = format!("{}-{plural}", talk.id());
    let mut object = object;
    object["metadata"]["name"] = name.as_str().into();
    talk.ask(Method::POST, &path).json(&object).unkept().send().await?;
    table(talk, &format!("{path}/{name}?includeObject=None")).await?;
    talk.ask(Method::DELETE, &format!("{path}/{name}")).unkept().send().await?;
    Ok(())
}

fn pod() -> Value {
    json!({ "metadata": { "labels": { "app": "web" } }, "spec": { "containers": [{ "name": "c", "image": "nginx:1" }, { "name": "d", "image": "busybox:1" }] } })
}

async fn tables_of_core_kinds(talk: &Talk) -> Result<()> {
    talk.namespace().await?;
    show(talk, "v1", "configmaps", &[json!({ "metadata": { "name": "one" }, "data": { "a": "b", "c": "d" } })]).await?;
    show(talk, "v1", "secrets", &[json!({ "metadata": { "name": "one" }, "stringData": { "a": "b" } })]).await?;
    let mut one = pod();
    one["metadata"]["name"] = "one".into();
    show(talk, "v1", "pods", &[one]).await?;
    let template = json!({ "metadata": { "name": "one" }, "template": pod() });
    show(talk, "v1", "podtemplates", &[template]).await?;
    show(talk, "v1", "serviceaccounts", &[json!({ "metadata": { "name": "one" } })]).await?;
    show(talk, "v1", "limitranges", &[json!({ "metadata": { "name": "one" }, "spec": { "limits": [] } })]).await?;
    show(talk, "v1", "resourcequotas", &[json!({ "metadata": { "name": "one" }, "spec": { "hard": { "pods": "3", "requests.cpu": "2", "limits.cpu": "4" } } })]).await?;
    let controller = json!({ "metadata": { "name": "one" }, "spec": { "replicas": 2, "selector": { "app": "web" }, "template": pod() } });
    show(talk, "v1", "replicationcontrollers", &[controller]).await?;
    let ready = json!([{ "addresses": [{ "ip": "10.0.0.1" }, { "ip": "10.0.0.2" }], "ports": [{ "name": "h", "port": 80 }, { "name": "s", "port": 443 }] }]);
    show(
        talk,
        "v1",
        "endpoints",
        &[json!({ "metadata": { "name": "one" }, "subsets": ready }), json!({ "metadata": { "name": "two" } })],
    )
    .await?;
    table(talk, &format!("/api/v1/namespaces/{}?includeObject=None", talk.id())).await?;
    let status = json!({ "nodeInfo": { "kubeletVersion": "v1.36.0", "osImage": "Linux", "kernelVersion": "6.1", "containerRuntimeVersion": "containerd://2", "machineID": "", "systemUUID": "", "bootID": "", "kubeProxyVersion": "", "operatingSystem": "linux", "architecture": "amd64" },
        "conditions": [{ "type": "Ready", "status": "True" }], "addresses": [{ "type": "InternalIP", "address": "10.1.1.1" }] });
    let node = json!({ "metadata": { "labels": { "node-role.kubernetes.io/worker": "", "kubernetes.io/role": "edge" } }, "spec": { "unschedulable": true }, "status": status });
    show_cluster(talk, "v1", "nodes", node).await?;
    Ok(())
}

async fn tables_of_workloads(talk: &Talk) -> Result<()> {
    talk.namespace().await?;
    let workload = |name: &str, more: Value| {
        let mut spec = json!({ "selector": { "matchLabels": { "app": "web" } }, "template": pod() });
        if let (Some(spec), Some(more)) = (spec.as_object_mut(), more.as_object()) {
            spec.extend(more.clone());
        }
        json!({ "metadata": { "name": name }, "spec": spec })
    };
    show(talk, "apps/v1", "deployments", &[workload("one", json!({ "replicas": 3 })), workload("two", json!({}))])
        .await?;
    show(talk, "apps/v1", "replicasets", &[workload("one", json!({ "replicas": 3 }))]).await?;
    show(talk, "apps/v1", "statefulsets", &[workload("one", json!({ "serviceName": "s" }))]).await?;
    show(talk, "apps/v1", "daemonsets", &[workload("one", json!({}))]).await?;
    show(
        talk,
        "apps/v1",
        "controllerrevisions",
        &[json!({ "metadata": { "name": "one", "ownerReferences": [] }, "revision": 3, "data": {} })],
    )
    .await?;
    let mut template = pod();
    template["spec"]["restartPolicy"] = "Never".into();
    let job = json!({ "template": template, "completions": 2, "manualSelector": true, "selector": { "matchLabels": { "app": "web" } } });
    show(talk, "batch/v1", "jobs", &[json!({ "metadata": { "name": "one" }, "spec": job })]).await?;
    let cron = |name: &str, zone: Value| json!({ "metadata": { "name": name }, "spec": { "schedule": "* * * * *", "timeZone": zone, "jobTemplate": { "spec": { "template": template } } } });
    show(talk, "batch/v1", "cronjobs", &[cron("one", Value::Null), cron("two", "Etc/UTC".into())]).await?;
    Ok(())
}

async fn tables_of_network_kinds(talk: &Talk) -> Result<()> {
    talk.namespace().await?;
    let services = talk.path("v1", "services");
    for (name, spec) in [
        (
            "plain",
            json!({ "clusterIP": "None", "selector": { "b": "c", "a": "b" }, "ports": [{ "name": "h", "port": 80 }, { "name": "d", "port": 53, "protocol": "UDP" }] }),
        ),
        ("ext", json!({ "type": "ExternalName", "externalName": "example.org" })),
    ] {
        talk.ask(Method::POST, &services)
            .json(&json!({ "metadata": { "name": name }, "spec": spec }))
            .unkept()
            .send()
            .await?;
    }
    table(talk, &format!("{services}?includeObject=None")).await?;
    let rule = |host: &str| json!({ "host": host, "http": { "paths": [{ "path": "/", "pathType": "Prefix", "backend": { "service": { "name": "s", "port": { "number": 80 } } } }] } });
    show(talk, "networking.k8s.io/v1", "ingresses", &[
        json!({ "metadata": { "name": "one" }, "spec": { "ingressClassName": "c", "rules": [rule("a.org"), rule("b.org"), rule("c.org"), rule("d.org")], "tls": [{ "hosts": ["a.org"] }] } }),
        json!({ "metadata": { "name": "two" }, "spec": { "defaultBackend": { "service": { "name": "s", "port": { "number": 80 } } } } })]).await?;
    show(talk, "networking.k8s.io/v1", "networkpolicies", &[json!({ "metadata": { "name": "one" }, "spec": { "podSelector": { "matchLabels": { "a": "b" }, "matchExpressions": [{ "key": "c", "operator": "In", "values": ["d", "e"] }] } } }),
        json!({ "metadata": { "name": "two" }, "spec": { "podSelector": {} } })]).await?;
    show(talk, "discovery.k8s.io/v1", "endpointslices", &[json!({ "metadata": { "name": "one" }, "addressType": "IPv4",
        "endpoints": [{ "addresses": ["10.0.0.1"] }, { "addresses": ["10.0.0.2"] }], "ports": [{ "name": "h", "port": 80 }] })]).await?;
    show_cluster(talk, "networking.k8s.io/v1", "ingressclasses", json!({ "spec": { "controller": "example.org/c", "parameters": { "apiGroup": "example.org", "kind": "P", "name": "p" } } })).await?;
    Ok(())
}

async fn tables_of_rights(talk: &Talk) -> Result<()> {
    talk.namespace().await?;
    let group = "rbac.authorization.k8s.io";
    let rules = json!([{ "apiGroups": [""], "resources": ["pods"], "verbs": ["get"] }]);
    show(talk, "rbac.authorization.k8s.io/v1", "roles", &[json!({ "metadata": { "name": "one" }, "rules": rules })])
        .await?;
    let subjects = json!([{ "kind": "User", "name": "bob", "apiGroup": group }, { "kind": "Group", "name": "devs", "apiGroup": group }, { "kind": "ServiceAccount", "name": "robot", "namespace": "default" }]);
    let binding = json!({ "metadata": { "name": "one" }, "roleRef": { "apiGroup": group, "kind": "Role", "name": "one" }, "subjects": subjects });
    show(talk, "rbac.authorization.k8s.io/v1", "rolebindings", &[binding]).await?;
    show_cluster(talk, "rbac.authorization.k8s.io/v1", "clusterroles", json!({ "rules": rules })).await?;
    let binding =
        json!({ "roleRef": { "apiGroup": group, "kind": "ClusterRole", "name": "none" }, "subjects": subjects });
    show_cluster(talk, "rbac.authorization.k8s.io/v1", "clusterrolebindings", binding).await?;
    Ok(())
}

async fn tables_of_storage_kinds(talk: &Talk) -> Result<()> {
    talk.namespace().await?;
    show(talk, "v1", "persistentvolumeclaims", &[json!({ "metadata": { "name": "one" }, "spec": { "accessModes": ["ReadWriteOnce", "ReadOnlyMany"], "storageClassName": "fast", "resources": { "requests": { "storage": "1Gi" } } } })]).await?;
    show_cluster(talk, "storage.k8s.io/v1", "storageclasses", json!({ "provisioner": "example.org/p", "metadata": { "annotations": { "storageclass.kubernetes.io/is-default-class": "false" } } })).await?;
    show_cluster(talk, "storage.k8s.io/v1", "csidrivers", json!({ "spec": { "attachRequired": false } })).await?;
    show_cluster(
        talk,
        "storage.k8s.io/v1",
        "csinodes",
        json!({ "spec": { "drivers": [{ "name": "d", "nodeID": "n" }] } }),
    )
    .await?;
    show_cluster(
        talk,
        "storage.k8s.io/v1",
        "volumeattachments",
        json!({ "spec": { "attacher": "a", "nodeName": "n", "source": { "persistentVolumeName": "p" } } }),
    )
    .await?;
    show_cluster(
        talk,
        "storage.k8s.io/v1",
        "volumeattributesclasses",
        json!({ "driverName": "d", "parameters": { "a": "b" } }),
    )
    .await?;
    show(
        talk,
        "storage.k8s.io/v1",
        "csistoragecapacities",
        &[json!({ "metadata": { "name": "one" }, "storageClassName": "fast", "capacity": "1Gi" })],
    )
    .await?;
    Ok(())
}

async fn tables_of_other_kinds(talk: &Talk) -> Result<()> {
    talk.namespace().await?;
    show(talk, "policy/v1", "poddisruptionbudgets", &[json!({ "metadata": { "name": "one" }, "spec": { "minAvailable": 1, "selector": { "matchLabels": { "a": "b" } } } }),
        json!({ "metadata": { "name": "two" }, "spec": { "maxUnavailable": "50%", "selector": {} } })]).await?;
    show(
        talk,
        "coordination.k8s.io/v1",
        "leases",
        &[
            json!({ "metadata": { "name": "one" }, "spec": { "holderIdentity": "me" } }),
            json!({ "metadata": { "name": "two" }, "spec": {} }),
        ],
    )
    .await?;
    let target = json!({ "apiVersion": "apps/v1", "kind": "Deployment", "name": "web" });
    let metrics = json!([{ "type": "Resource", "resource": { "name": "cpu", "target": { "type": "Utilization", "averageUtilization": 50 } } },
        { "type": "Resource", "resource": { "name": "memory", "target": { "type": "AverageValue", "averageValue": "100Mi" } } }]);
    show(talk, "autoscaling/v2", "horizontalpodautoscalers", &[json!({ "metadata": { "name": "one" }, "spec": { "scaleTargetRef": target, "minReplicas": 2, "maxReplicas": 3, "metrics": metrics } })]).await?;
    show_cluster(talk, "scheduling.k8s.io/v1", "priorityclasses", json!({ "value": 7 })).await?;
    show_cluster(talk, "admissionregistration.k8s.io/v1", "validatingwebhookconfigurations", json!({ "webhooks": [] }))
        .await?;
    show_cluster(talk, "admissionregistration.k8s.io/v1", "mutatingwebhookconfigurations", json!({ "webhooks": [] }))
        .await?;
    Ok(())
}

async fn empty_tables_have_columns(talk: &Talk) -> Result<()> {
    talk.namespace().await?;
    for (group, plural) in [
        ("v1", "pods"),
        ("v1", "services"),
        ("apps/v1", "deployments"),
        ("batch/v1", "jobs"),
        ("networking.k8s.io/v1", "ingresses"),
        ("v1", "events"),
        ("events.k8s.io/v1", "events"),
    ] {
        table(talk, &talk.path(group, plural)).await?;
    }
    Ok(())
}

async fn a_table_can_hold_whole_objects_or_none(talk: &Talk) -> Result<()> {
    talk.namespace().await?;
    let maps = talk.path("v1", "configmaps");
    talk.ask(Method::POST, &maps)
        .json(&json!({ "metadata": { "name": "one" }, "data": { "a": "b" } }))
        .unkept()
        .send()
        .await?;
    for include in ["Object", "Metadata", "None", "Nothing"] {
        table(talk, &format!("{maps}?includeObject={include}")).await?;
        table(talk, &format!("{maps}/one?includeObject={include}")).await?;
    }
    let accept = "application/json;as=Table;v=v1beta1;g=meta.k8s.io";
    talk.ask(Method::GET, &maps).header("accept", accept).send().await?;
    Ok(())
}

async fn a_watch_can_be_of_tables(talk: &Talk) -> Result<()> {
    talk.namespace().await?;
    let maps = talk.path("v1", "configmaps");
    let answer = talk.post(&maps, &json!({ "metadata": { "name": "one" }, "data": { "a": "b" } })).await?;
    let version = answer.text("/metadata/resourceVersion")?;
    talk.post(&maps, &json!({ "metadata": { "name": "two" } })).await?;
    talk.delete(&format!("{maps}/one")).await?;
    let path = format!("{maps}?watch=1&timeoutSeconds=1&resourceVersion={version}");
    let seen = talk.ask(Method::GET, &path).header("accept", TABLE).unkept().send().await?;
    for (i, line) in seen.body.as_str().unwrap_or_default().lines().enumerate() {
        talk.note(&format!("event {i}"), serde_json::from_str::<Value>(line)?);
    }
    Ok(())
}

async fn tables_of_custom_resources(talk: &Talk) -> Result<()> {
    let group = format!("{}.example.org", talk.id());
    crate::cases::validation::define(talk, &group).await?;
    talk.namespace().await?;
    let path = talk.path(&format!("{group}/v1"), "boats");
    table(talk, &path).await?;
    for spec in [json!({ "size": 3, "parts": [{ "name": "a" }, { "name": "b" }] }), json!({})] {
        let boat = json!({ "apiVersion": format!("{group}/v1"), "kind": "Boat", "metadata": { "name": format!("b{}", spec["size"]) }, "spec": spec });
        talk.ask(Method::POST, &path).json(&boat).unkept().send().await?;
    }
    table(talk, &path).await?;
    table(talk, &format!("{path}?includeObject=Object")).await?;
    table(talk, &format!("/apis/apiextensions.k8s.io/v1/customresourcedefinitions/boats.{group}?includeObject=None"))
        .await?;
    Ok(())
}

async fn tables_of_events(talk: &Talk) -> Result<()> {
    talk.namespace().await?;
    let event = json!({ "metadata": { "name": "one" }, "involvedObject": { "kind": "Pod", "namespace": talk.id(), "name": "p", "fieldPath": "spec.containers{c}" },
        "reason": "Started", "message": "Started it ", "type": "Normal", "source": { "component": "kubelet", "host": "n" }, "count": 3,
        "firstTimestamp": "2020-01-01T00:00:00Z", "lastTimestamp": "2020-01-01T00:00:00Z" });
    talk.ask(Method::POST, &talk.path("v1", "events")).json(&event).unkept().send().await?;
    for group in ["v1", "events.k8s.io/v1"] {
        table(talk, &format!("{}?includeObject=None", talk.path(group, "events"))).await?;
    }
    Ok(())
}

async fn a_missing_object_is_no_table(talk: &Talk) -> Result<()> {
    talk.namespace().await?;
    table(talk, &format!("{}/none", talk.path("v1", "configmaps"))).await?;
    Ok(())
}

async fn pages_of_tables(talk: &Talk) -> Result<()> {
    talk.namespace().await?;
    let maps = talk.path("v1", "configmaps");
    for name in ["one", "two", "three"] {
        talk.ask(Method::POST, &maps).json(&json!({ "metadata": { "name": name } })).unkept().send().await?;
    }
    let first = table(talk, &format!("{maps}?limit=2")).await?;
    let token = first["metadata"]["continue"].as_str().unwrap_or_default().to_owned();
    let rest = talk
        .ask(Method::GET, &format!("{maps}?limit=2&continue={token}"))
        .header("accept", TABLE)
        .unkept()
        .send()
        .await?;
    talk.note("the rest", rest.body);
    Ok(())
}
