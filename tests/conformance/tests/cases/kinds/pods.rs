//! Pods: defaults, what is checked, what may change.

use anyhow::Result;
use motet_conformance::{Talk, cases};
use serde_json::{Value, json};

use crate::cases::tools::{change_each, create_each, lives, with};

cases! { "kinds":
    a_pod_of_one_container, a_pod_with_everything, quality_classes_of_pods, containers_are_checked, ports_of_containers_are_checked,
    variables_of_containers_are_checked, volumes_are_checked, probes_are_checked, resources_are_checked, pods_are_checked,
    what_stays_of_a_pod, a_status_of_a_pod, probes_get_defaults, volumes_get_defaults,
}

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
            ("/spec/containers/0/name", json!("n".repeat(64))),
            ("/spec/containers/0/image", Value::Null),
            ("/spec/containers/0/image", json!("")),
            ("/spec/containers/0/image", json!(" x ")),
            ("/spec/containers/1", json!({ "name": "c", "image": "i" })),
            ("/spec/initContainers", json!([{ "name": "c", "image": "i" }])),
            ("/spec/initContainers", json!([{ "name": "i" }])),
            ("/spec/containers/0/imagePullPolicy", json!("Nonsense")),
            ("/spec/containers/0/terminationMessagePolicy", json!("Nonsense")),
            ("/spec/containers/0/terminationMessagePath", json!("")),
            ("/spec/containers/0/image", json!("nginx:latest")),
            ("/spec/containers/0/image", json!("nginx:1")),
            ("/spec/containers/0/image", json!("a:5000/x")),
            (
                "/spec/containers/0/image",
                json!("x@sha256:0000000000000000000000000000000000000000000000000000000000000000"),
            ),
            ("/spec/containers/0/nonsense", json!(1)),
            ("/spec/containers/0/lifecycle", json!({ "postStart": {} })),
            ("/spec/containers/0/lifecycle", json!({ "postStart": { "exec": { "command": [] } } })),
            ("/spec/containers/0/restartPolicy", json!("Always")),
        ],
    )
    .await
}

async fn ports_of_containers_are_checked(talk: &Talk) -> Result<()> {
    talk.namespace().await?;
    let port = with(&pod("p"), &[("/spec/containers/0/ports", json!([{ "containerPort": 80 }]))]);
    create_each(
        talk,
        &talk.path("v1", "pods"),
        &port,
        &[
            ("/spec/containers/0/ports/0", json!({})),
            ("/spec/containers/0/ports/0/containerPort", json!(0)),
            ("/spec/containers/0/ports/0/containerPort", json!(65536)),
            ("/spec/containers/0/ports/0/containerPort", json!(-1)),
            ("/spec/containers/0/ports/0/hostPort", json!(70000)),
            ("/spec/containers/0/ports/0/protocol", json!("HTTP")),
            ("/spec/containers/0/ports/0/name", json!("Not_Ok")),
            ("/spec/containers/0/ports/0/name", json!("a-very-long-port-name")),
            ("/spec/containers/0/ports/0/name", json!("123")),
            (
                "/spec/containers/0/ports",
                json!([{ "name": "a", "containerPort": 1 }, { "name": "a", "containerPort": 2 }]),
            ),
            ("/spec/containers/0/ports", json!([{ "containerPort": 1 }, { "containerPort": 1 }])),
            (
                "/spec/containers/0/ports",
                json!([{ "containerPort": 1, "hostPort": 5 }, { "containerPort": 2, "hostPort": 5 }]),
            ),
        ],
    )
    .await?;
    talk.post(&format!("{}?dryRun=All", talk.path("v1", "pods")), &with(&port, &[("/spec/hostNetwork", json!(true))]))
        .await?;
    Ok(())
}

async fn variables_of_containers_are_checked(talk: &Talk) -> Result<()> {
    talk.namespace().await?;
    let env = |value: Value| json!([value]);
    create_each(
        talk,
        &talk.path("v1", "pods"),
        &pod("p"),
        &[
            ("/spec/containers/0/env", env(json!({}))),
            ("/spec/containers/0/env", env(json!({ "name": "a=b" }))),
            ("/spec/containers/0/env", env(json!({ "name": "1 A" }))),
            (
                "/spec/containers/0/env",
                env(
                    json!({ "name": "A", "value": "x", "valueFrom": { "fieldRef": { "fieldPath": "metadata.name" } } }),
                ),
            ),
            ("/spec/containers/0/env", env(json!({ "name": "A", "valueFrom": {} }))),
            (
                "/spec/containers/0/env",
                env(json!({ "name": "A", "valueFrom": { "fieldRef": { "fieldPath": "nonsense" } } })),
            ),
            ("/spec/containers/0/env", env(json!({ "name": "A", "valueFrom": { "fieldRef": {} } }))),
            (
                "/spec/containers/0/env",
                env(json!({ "name": "A", "valueFrom": { "configMapKeyRef": { "name": "x" } } })),
            ),
            ("/spec/containers/0/env", env(json!({ "name": "A", "valueFrom": { "secretKeyRef": { "key": "x" } } }))),
            (
                "/spec/containers/0/env",
                env(json!({ "name": "A", "valueFrom": { "resourceFieldRef": { "resource": "limits.cpu" } } })),
            ),
            ("/spec/containers/0/env", json!([{ "name": "A", "value": "1" }, { "name": "A", "value": "2" }])),
            ("/spec/containers/0/envFrom", json!([{}])),
            ("/spec/containers/0/envFrom", json!([{ "secretRef": {} }])),
            ("/spec/containers/0/envFrom", json!([{ "secretRef": { "name": "a" }, "configMapRef": { "name": "b" } }])),
        ],
    )
    .await
}

async fn volumes_are_checked(talk: &Talk) -> Result<()> {
    talk.namespace().await?;
    let volume = |value: Value| json!([value]);
    create_each(
        talk,
        &talk.path("v1", "pods"),
        &pod("p"),
        &[
            ("/spec/volumes", volume(json!({ "name": "v" }))),
            ("/spec/volumes", volume(json!({ "emptyDir": {} }))),
            ("/spec/volumes", volume(json!({ "name": "Not_Ok", "emptyDir": {} }))),
            ("/spec/volumes", volume(json!({ "name": "v", "emptyDir": {}, "configMap": { "name": "x" } }))),
            ("/spec/volumes", volume(json!({ "name": "v", "configMap": {} }))),
            ("/spec/volumes", volume(json!({ "name": "v", "secret": {} }))),
            ("/spec/volumes", volume(json!({ "name": "v", "persistentVolumeClaim": {} }))),
            ("/spec/volumes", volume(json!({ "name": "v", "hostPath": {} }))),
            ("/spec/volumes", volume(json!({ "name": "v", "hostPath": { "path": "/x", "type": "Nonsense" } }))),
            ("/spec/volumes", volume(json!({ "name": "v", "configMap": { "name": "x", "items": [{ "key": "a" }] } }))),
            (
                "/spec/volumes",
                volume(json!({ "name": "v", "configMap": { "name": "x", "items": [{ "key": "a", "path": "../x" }] } })),
            ),
            ("/spec/volumes", volume(json!({ "name": "v", "configMap": { "name": "x", "defaultMode": 9999 } }))),
            ("/spec/volumes", json!([{ "name": "v", "emptyDir": {} }, { "name": "v", "emptyDir": {} }])),
            ("/spec/volumes", volume(json!({ "name": "v", "nfs": { "server": "s" } }))),
            ("/spec/containers/0/volumeMounts", json!([{ "name": "none", "mountPath": "/x" }])),
            ("/spec/containers/0/volumeMounts", json!([{ "mountPath": "/x" }])),
            ("/spec/volumes", volume(json!({ "name": "v", "emptyDir": { "sizeLimit": "-1" } }))),
        ],
    )
    .await?;
    let mounted = with(
        &pod("p"),
        &[
            ("/spec/volumes", volume(json!({ "name": "v", "emptyDir": {} }))),
            ("/spec/containers/0/volumeMounts", json!([{ "name": "v", "mountPath": "/x" }])),
        ],
    );
    create_each(
        talk,
        &talk.path("v1", "pods"),
        &mounted,
        &[
            ("/spec/containers/0/volumeMounts/0/mountPath", Value::Null),
            ("/spec/containers/0/volumeMounts/0/mountPath", json!("/a:b")),
            ("/spec/containers/0/volumeMounts/1", json!({ "name": "v", "mountPath": "/x" })),
            ("/spec/containers/0/volumeMounts/0/subPath", json!("/abs")),
            ("/spec/containers/0/volumeMounts/0/subPath", json!("a/../b")),
        ],
    )
    .await
}

async fn probes_are_checked(talk: &Talk) -> Result<()> {
    talk.namespace().await?;
    create_each(talk, &talk.path("v1", "pods"), &pod("p"), &[
        ("/spec/containers/0/livenessProbe", json!({})), ("/spec/containers/0/livenessProbe", json!({ "httpGet": {} })), ("/spec/containers/0/livenessProbe", json!({ "httpGet": { "port": 0 } })), ("/spec/containers/0/livenessProbe", json!({ "httpGet": { "port": "Not_Ok" } })), ("/spec/containers/0/livenessProbe", json!({ "httpGet": { "port": 80, "scheme": "FTP" } })),
        ("/spec/containers/0/livenessProbe", json!({ "tcpSocket": { "port": 70000 } })), ("/spec/containers/0/livenessProbe", json!({ "exec": {} })), ("/spec/containers/0/livenessProbe", json!({ "exec": { "command": ["a"] }, "tcpSocket": { "port": 1 } })), ("/spec/containers/0/livenessProbe", json!({ "exec": { "command": ["a"] }, "successThreshold": 2 })),
        ("/spec/containers/0/readinessProbe", json!({ "exec": { "command": ["a"] }, "periodSeconds": -1 })), ("/spec/containers/0/readinessProbe", json!({ "exec": { "command": ["a"] }, "initialDelaySeconds": -1, "timeoutSeconds": -1, "failureThreshold": -1 })),
        ("/spec/containers/0/livenessProbe", json!({ "grpc": {} })), ("/spec/containers/0/livenessProbe", json!({ "grpc": { "port": 0 } })),
    ]).await
}

async fn probes_get_defaults(talk: &Talk) -> Result<()> {
    talk.namespace().await?;
    let pods = format!("{}?dryRun=All", talk.path("v1", "pods"));
    for probe in [
        json!({ "httpGet": { "port": 80 } }),
        json!({ "httpGet": { "port": "http", "path": "/x", "host": "h", "httpHeaders": [{ "name": "A", "value": "b" }] } }),
        json!({ "tcpSocket": { "port": 1 } }),
        json!({ "exec": { "command": ["a"] }, "timeoutSeconds": 0 }),
        json!({ "grpc": { "port": 5 } }),
    ] {
        talk.post(
            &pods,
            &with(
                &pod("p"),
                &[
                    ("/spec/containers/0/readinessProbe", probe.clone()),
                    ("/spec/containers/0/lifecycle", json!({ "postStart": { "httpGet": { "port": 5 } } })),
                ],
            ),
        )
        .await?;
    }
    Ok(())
}

async fn volumes_get_defaults(talk: &Talk) -> Result<()> {
    talk.namespace().await?;
    let pods = format!("{}?dryRun=All", talk.path("v1", "pods"));
    for volume in [
        json!({ "secret": { "secretName": "s" } }),
        json!({ "configMap": { "name": "m" } }),
        json!({ "downwardAPI": { "items": [{ "path": "p", "fieldRef": { "fieldPath": "metadata.labels" } }] } }),
        json!({ "hostPath": { "path": "/p" } }),
        json!({ "projected": { "sources": [{ "serviceAccountToken": { "path": "t" } }, { "configMap": { "name": "x" } }, { "downwardAPI": { "items": [{ "path": "p", "fieldRef": { "fieldPath": "metadata.name" } }] } }] } }),
        json!({ "persistentVolumeClaim": { "claimName": "c" } }),
        json!({ "emptyDir": { "medium": "Memory", "sizeLimit": "1Gi" } }),
        json!({ "nfs": { "server": "s", "path": "/p" } }),
        json!({ "csi": { "driver": "d.example.com" } }),
        json!({ "ephemeral": { "volumeClaimTemplate": { "spec": { "accessModes": ["ReadWriteOnce"], "resources": { "requests": { "storage": "1Gi" } } } } } }),
        json!({ "iscsi": { "targetPortal": "1.2.3.4", "iqn": "iqn.2015-02.example.com:test", "lun": 0 } }),
    ] {
        let mut volume = volume;
        volume["name"] = json!("v");
        talk.post(&pods, &with(&pod("p"), &[("/spec/volumes", json!([volume]))])).await?;
    }
    Ok(())
}

async fn resources_are_checked(talk: &Talk) -> Result<()> {
    talk.namespace().await?;
    create_each(
        talk,
        &talk.path("v1", "pods"),
        &pod("p"),
        &[
            ("/spec/containers/0/resources", json!({ "limits": { "cpu": "-1" } })),
            ("/spec/containers/0/resources", json!({ "requests": { "cpu": "2" }, "limits": { "cpu": "1" } })),
            ("/spec/containers/0/resources", json!({ "limits": { "nonsense": "1" } })),
            ("/spec/containers/0/resources", json!({ "limits": { "bad name/x": "1" } })),
            ("/spec/containers/0/resources", json!({ "requests": { "example.com/gpu": 1 } })),
            ("/spec/containers/0/resources", json!({ "limits": { "example.com/gpu": "1.5" } })),
            ("/spec/containers/0/resources", json!({ "limits": { "memory": "1Gb" } })),
            ("/spec/containers/0/resources", json!({ "limits": { "memory": "100m" } })),
            ("/spec/containers/0/resources", json!({ "limits": { "cpu": "" } })),
            ("/spec/containers/0/resources", json!({ "limits": { "hugepages-2Mi": "4Mi" } })),
        ],
    )
    .await
}

async fn pods_are_checked(talk: &Talk) -> Result<()> {
    talk.namespace().await?;
    create_each(talk, &talk.path("v1", "pods"), &pod("p"), &[
        ("/spec/restartPolicy", json!("Nonsense")), ("/spec/dnsPolicy", json!("Nonsense")), ("/spec/dnsPolicy", json!("None")), ("/spec/terminationGracePeriodSeconds", json!(-5)), ("/spec/activeDeadlineSeconds", json!(0)), ("/spec/nodeSelector", json!({ "bad key": "x" })), ("/spec/nodeName", json!("Not_Ok")),
        ("/spec/serviceAccountName", json!("Not_Ok")), ("/spec/hostname", json!("Not_Ok")), ("/spec/subdomain", json!("a.b")), ("/spec/tolerations", json!([{ "operator": "Nonsense" }])), ("/spec/tolerations", json!([{ "key": "k", "operator": "Exists", "value": "v" }])), ("/spec/tolerations", json!([{ "key": "k", "effect": "Nonsense" }])), ("/spec/tolerations", json!([{ "key": "k", "tolerationSeconds": 5 }])),
        ("/spec/imagePullSecrets", json!([{}])), ("/spec/hostAliases", json!([{ "ip": "nonsense" }])), ("/spec/priority", json!(5)), ("/spec/priorityClassName", json!("none")), ("/spec/priorityClassName", json!("system-node-critical")), ("/spec/securityContext", json!({ "runAsUser": -1 })), ("/spec/runtimeClassName", json!("none")),
        ("/spec/topologySpreadConstraints", json!([{ "maxSkew": 0, "topologyKey": "", "whenUnsatisfiable": "X" }])), ("/spec/schedulingGates", json!([{ "name": "example.com/gate" }])), ("/spec/affinity", json!({ "nodeAffinity": { "requiredDuringSchedulingIgnoredDuringExecution": { "nodeSelectorTerms": [] } } })),
        ("/spec/overhead", json!({ "cpu": "1" })), ("/spec/os", json!({ "name": "beos" })), ("/spec/preemptionPolicy", json!("X")), ("/spec/ephemeralContainers", json!([{ "name": "e", "image": "i" }])),
    ]).await
}

async fn what_stays_of_a_pod(talk: &Talk) -> Result<()> {
    talk.namespace().await?;
    change_each(
        talk,
        &talk.path("v1", "pods"),
        &pod("p"),
        &[
            ("/spec/containers/0/image", json!("nginx:2")),
            ("/spec/containers/0/name", json!("d")),
            ("/spec/containers/0/command", json!(["x"])),
            ("/spec/restartPolicy", json!("Never")),
            ("/spec/nodeName", json!("n")),
            ("/spec/activeDeadlineSeconds", json!(5)),
            ("/spec/terminationGracePeriodSeconds", json!(5)),
            ("/spec/tolerations/2", json!({ "key": "k", "operator": "Exists" })),
            ("/spec/tolerations", json!([])),
            ("/spec/containers/1", json!({ "name": "d", "image": "i" })),
            ("/metadata/labels", json!({ "a": "b" })),
            ("/spec/containers/0/image", json!("")),
            ("/spec/serviceAccountName", json!("other")),
            ("/spec/nodeSelector", json!({ "a": "b" })),
            ("/spec/priority", json!(7)),
        ],
    )
    .await
}

async fn a_status_of_a_pod(talk: &Talk) -> Result<()> {
    talk.namespace().await?;
    let pods = talk.path("v1", "pods");
    let made = talk.post(&pods, &with(&pod("p"), &[("/status", json!({ "phase": "Running" }))])).await?;
    let status = json!({ "phase": "Running", "podIP": "10.0.0.1", "podIPs": [{ "ip": "10.0.0.1" }], "hostIP": "1.2.3.4", "startTime": "2020-01-01T00:00:00Z", "conditions": [{ "type": "Ready", "status": "True" }, { "type": "PodScheduled", "status": "False", "reason": "Unschedulable", "lastTransitionTime": "2020-01-01T00:00:00Z" }],
        "containerStatuses": [{ "name": "c", "ready": true, "image": "i", "imageID": "x", "restartCount": 0, "state": { "running": { "startedAt": "2020-01-01T00:00:00Z" } } }] });
    talk.put(&format!("{pods}/p/status"), &with(&made.body, &[("/status", status)])).await?;
    talk.get(&format!("{pods}/p")).await?;
    talk.put(
        &format!("{pods}/p/status"),
        &with(
            &made.body,
            &[
                ("/status/phase", json!("Failed")),
                ("/metadata/resourceVersion", Value::Null),
                ("/metadata/labels", json!({ "x": "y" })),
            ],
        ),
    )
    .await?;
    Ok(())
}
