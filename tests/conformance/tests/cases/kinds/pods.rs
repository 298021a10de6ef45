//! Pods: defaults, what is checked, what may change.

use anyhow::Result;
use motet_conformance::{Talk, cases};
use serde_json::{Value, json};

use crate::cases::tools::{change_each, create_each, lives, with};

cases! { "kinds":
a_pod_of_one_container, a_pod_with_everything, quality_classes_of_pods, containers_are_checked, resources_are_checked, pods_are_checked,
what_stays_of_a_pod, }

fn pod(name: &str) -> Value {
    json!({ "metadata": { "name": name }, "spec": { "containers": [{ "name": "c", "image": "nginx" }] } })
}

async fn a_pod_of_one_container(talk: &Talk) -> Result<()> {
    talk.namespace().await?;
    lives(talk, &talk.path("v1", "pods"), &[pod("least")]).await
}

async fn a_pod_with_everything(talk: &Talk) -> Result<()> {
    talk.namespace().await?;
    let all = json!({ "metadata": { "name": "all", "labels": { "a": "b" } }, "spec": {
        "restartPolicy": "OnFailure", "terminationGracePeriodSeconds": 5, "activeDeadlineSeconds": 60, "dnsPolicy": "Default", "nodeSelector": { "disk": "ssd" },
        "serviceAccountName": "sa", "automountServiceAccountToken": false, "hostname": "h", "subdomain": "s", "schedulerName": "mine", "imagePullSecrets": [{ "name": "pull" }],
        "tolerations": [{ "key": "k", "operator": "Exists", "effect": "NoSchedule" }], "hostAliases": [{ "ip": "10.0.0.1", "hostnames": ["a", "b"] }], "shareProcessNamespace": true, "enableServiceLinks": false,
        "securityContext": { "runAsUser": 1000, "fsGroup": 2000, "runAsNonRoot": true, "seccompProfile": { "type": "RuntimeDefault" } }, "readinessGates": [{ "conditionType": "example.com/ready" }],
        "affinity": { "nodeAffinity": { "requiredDuringSchedulingIgnoredDuringExecution": { "nodeSelectorTerms": [{ "matchExpressions": [{ "key": "z", "operator": "In", "values": ["1"] }] }] } },
            "podAntiAffinity": { "preferredDuringSchedulingIgnoredDuringExecution": [{ "weight": 5, "podAffinityTerm": { "topologyKey": "kubernetes.io/hostname", "labelSelector": { "matchLabels": { "a": "b" } } } }] } },
        "topologySpreadConstraints": [{ "maxSkew": 1, "topologyKey": "zone", "whenUnsatisfiable": "DoNotSchedule", "labelSelector": { "matchLabels": { "a": "b" } } }],
        "initContainers": [{ "name": "init", "image": "busybox", "command": ["true"] }],
        "containers": [{ "name": "c", "image": "example.com/x@sha256:0000000000000000000000000000000000000000000000000000000000000000", "command": ["sh"], "args": ["-c", "true"], "workingDir": "/w", "stdin": true, "tty": true,
            "ports": [{ "name": "http", "containerPort": 80 }, { "containerPort": 53, "protocol": "UDP" }],
            "env": [{ "name": "A", "value": "1" }, { "name": "B" }, { "name": "F", "valueFrom": { "fieldRef": { "fieldPath": "metadata.name" } } }, { "name": "S", "valueFrom": { "secretKeyRef": { "name": "s", "key": "k", "optional": true } } }],
            "envFrom": [{ "prefix": "P_", "configMapRef": { "name": "m" } }], "resources": { "limits": { "cpu": "1", "memory": "128Mi" }, "requests": { "cpu": "0.5" } },
            "volumeMounts": [{ "name": "v", "mountPath": "/v" }, { "name": "e", "mountPath": "/e", "readOnly": true, "subPath": "x" }], "imagePullPolicy": "Never",
            "lifecycle": { "preStop": { "exec": { "command": ["true"] } } }, "securityContext": { "privileged": false, "capabilities": { "drop": ["ALL"] } } }],
        "volumes": [{ "name": "v", "configMap": { "name": "m", "items": [{ "key": "a", "path": "b" }] } }, { "name": "e", "emptyDir": {} }] } });
    lives(talk, &talk.path("v1", "pods"), &[all]).await
}

async fn quality_classes_of_pods(talk: &Talk) -> Result<()> {
    talk.namespace().await?;
    let pods = format!("{}?dryRun=All", talk.path("v1", "pods"));
    for resources in [
        json!({ "limits": { "cpu": "1", "memory": "1Gi" } }),
        json!({ "limits": { "cpu": "1", "memory": "1Gi" }, "requests": { "cpu": "1", "memory": "1Gi" } }),
        json!({ "requests": { "cpu": "1" } }),
        json!({ "limits": { "cpu": "1" } }),
        json!({ "requests": { "cpu": "0" } }),
        json!({ "limits": { "cpu": "2", "memory": "1Gi" }, "requests": { "cpu": "1", "memory": "1Gi" } }),
        json!({ "limits": { "example.com/gpu": 1 } }),
        json!({ "limits": { "cpu": "1000m", "memory": "1073741824" }, "requests": { "cpu": 1.0, "memory": "1Gi" } }),
        json!({ "requests": { "cpu": "1e3", "memory": "1.5Gi", "ephemeral-storage": "1000000" } }),
    ] {
        talk.post(&pods, &with(&pod("p"), &[("/spec/containers/0/resources", resources)])).await?;
    }
    Ok(())
}

async fn containers_are_checked(talk: &Talk) -> Result<()> {
    talk.namespace().await?;
    create_each(
        talk,
        &talk.path("v1", "pods"),
        &pod("p"),
        &[
            ("/spec/containers", json!([])),
            ("/spec/containers", Value::Null),
            ("/spec", json!({})),
            ("/spec", Value::Null),
            ("/spec/containers/0/name", Value::Null),
            ("/spec/containers/0/name", json!("Not_Ok")),
            ("/spec/containers/0/image", Value::Null),
            ("/spec/containers/0/image", json!("")),
            ("/spec/containers/0/image", json!(" x ")),
            ("/spec/containers/1", json!({ "name": "c", "image": "i" })),
            ("/spec/initContainers", json!([{ "name": "c", "image": "i" }])),
            ("/spec/initContainers", json!([{ "name": "i" }])),
            ("/spec/containers/0/imagePullPolicy", json!("Nonsense")),
            ("/spec/containers/0/image", json!("nginx:latest")),
            ("/spec/containers/0/image", json!("nginx:1")),
            ("/spec/containers/0/image", json!("a:5000/x")),
            (
                "/spec/containers/0/image",
                json!("x@sha256:0000000000000000000000000000000000000000000000000000000000000000"),
            ),
            ("/spec/containers/0/nonsense", json!(1)),
        ],
    )
    .await
}

async fn resources_are_checked(talk: &Talk) -> Result<()> {
    talk.namespace().await?;
    create_each(
        talk,
        &talk.path("v1", "pods"),
        &pod("p"),
        &[("/spec/containers/0/resources", json!({ "limits": { "memory": "1Gb" } }))],
    )
    .await
}

async fn pods_are_checked(talk: &Talk) -> Result<()> {
    talk.namespace().await?;
    create_each(
        talk,
        &talk.path("v1", "pods"),
        &pod("p"),
        &[
            ("/spec/restartPolicy", json!("Nonsense")),
            ("/spec/dnsPolicy", json!("Nonsense")),
            ("/spec/activeDeadlineSeconds", json!(0)),
            ("/spec/nodeSelector", json!({ "bad key": "x" })),
            ("/spec/nodeName", json!("Not_Ok")),
            ("/spec/serviceAccountName", json!("Not_Ok")),
            ("/spec/hostname", json!("Not_Ok")),
            ("/spec/subdomain", json!("a.b")),
        ],
    )
    .await
}

async fn what_stays_of_a_pod(talk: &Talk) -> Result<()> {
    talk.namespace().await?;
    change_each(
        talk,
        &talk.path("v1", "pods"),
        &pod("p"),
        &[
            ("/spec/containers/0/image", json!("nginx:2")),
            ("/spec/activeDeadlineSeconds", json!(5)),
            ("/spec/tolerations/2", json!({ "key": "k", "operator": "Exists" })),
            ("/metadata/labels", json!({ "a": "b" })),
        ],
    )
    .await
}
