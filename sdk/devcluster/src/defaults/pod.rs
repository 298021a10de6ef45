//! Defaults of pods and of the templates of pods.

use serde_json::{Value, json};

use super::{default, each, filled, within};
use crate::object;
use crate::quantity::Quantity;

/// Seconds that a pod stays on a node that is gone.
const EVICTED_AFTER: i64 = 300;

/// What the registry adds to a new pod.
pub(super) fn begin(pod: &mut Value) {
    pod["status"] = json!({"phase": "Pending", "qosClass": quality(&pod["spec"])});
    let gated = pod["spec"]["schedulingGates"].as_array().is_some_and(|gates| !gates.is_empty());
    if gated {
        let why = "Scheduling is blocked due to non-empty scheduling gates";
        pod["status"]["conditions"] = json!([{"type": "PodScheduled", "status": "False", "reason": "SchedulingGated",
            "message": why, "lastProbeTime": null, "lastTransitionTime": object::now()}]);
    }
    within(pod, &["spec"], |spec| {
        if spec["terminationGracePeriodSeconds"].as_i64().is_some_and(|n| n < 0) {
            spec["terminationGracePeriodSeconds"] = 1.into();
        }
    });
}

/// Pods stay for a while on nodes that are gone, as the admission plugin DefaultTolerationSeconds has it.
pub(super) fn tolerate(spec: &mut Value) {
    let mut tolerations = spec["tolerations"].as_array().cloned().unwrap_or_default();
    for key in ["node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable"] {
        let tolerated = |t: &Value| {
            (t["key"] == key || t["key"].is_null()) && (t["effect"] == "NoExecute" || t["effect"].is_null())
        };
        if !tolerations.iter().any(tolerated) {
            tolerations.push(
                json!({"key": key, "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": EVICTED_AFTER}),
            );
        }
    }
    spec["tolerations"] = tolerations.into();
}

/// On the host's network a container's ports are those of the host.
pub(super) fn host_ports(spec: &mut Value) {
    if spec["hostNetwork"] != true {
        return;
    }
    for list in ["containers", "initContainers"] {
        each(spec, list, |container| {
            each(container, "ports", |port| {
                let own = port["containerPort"].clone();
                filled(port, "hostPort", own);
            });
        });
    }
}

/// Requests follow from limits where they are not given; only in pods, not in templates.
pub(super) fn requests(spec: &mut Value) {
    for list in ["containers", "initContainers"] {
        each(spec, list, |container| {
            let Some(Value::Object(limits)) = container["resources"].get("limits").cloned() else { return };
            within(container, &["resources"], |resources| {
                default(resources, "requests", json!({}));
                within(resources, &["requests"], |r| {
                    limits.into_iter().for_each(|(name, amount)| default(r, &name, amount))
                });
            });
        });
    }
}

fn amount(value: &Value) -> Option<Quantity> {
    Quantity::parse(value.as_str()?).filter(|q| !q.is_zero())
}

/// The quality of service class: guaranteed where every container has equal requests and limits of both resources.
fn quality(spec: &Value) -> &'static str {
    let containers =
        || ["containers", "initContainers"].into_iter().flat_map(|l| spec[l].as_array().into_iter().flatten());
    let of = |c: &Value, part: &str, name: &str| amount(&c["resources"][part][name]);
    let any = containers().any(|c| {
        ["requests", "limits"].iter().any(|part| ["cpu", "memory"].iter().any(|name| of(c, part, name).is_some()))
    });
    let all = containers().all(|c| {
        ["cpu", "memory"]
            .iter()
            .all(|name| of(c, "limits", name).is_some() && of(c, "limits", name) == of(c, "requests", name))
    });
    match (any, all) {
        (false, _) => "BestEffort",
        (true, true) => "Guaranteed",
        (true, false) => "Burstable",
    }
}

/// Defaults that pods and templates share.
pub(super) fn spec(spec: &mut Value) {
    if !spec.is_object() {
        return;
    }
    filled(spec, "restartPolicy", "Always");
    filled(spec, "dnsPolicy", "ClusterFirst");
    filled(spec, "schedulerName", "default-scheduler");
    default(spec, "terminationGracePeriodSeconds", 30);
    default(spec, "securityContext", json!({}));
    // The old name of the same field.
    for (to, from) in [("serviceAccount", "serviceAccountName"), ("serviceAccountName", "serviceAccount")] {
        if let Some(name) = spec.get(from).cloned() {
            default(spec, to, name);
        }
    }
    for list in ["containers", "initContainers", "ephemeralContainers"] {
        each(spec, list, container);
    }
    each(spec, "volumes", volume);
}

fn volume(volume: &mut Value) {
    let named = |map: &serde_json::Map<String, Value>| map.iter().all(|(key, value)| key == "name" || value.is_null());
    if volume.as_object().is_some_and(named) {
        volume["emptyDir"] = json!({});
    }
    for source in ["configMap", "secret", "projected", "downwardAPI"] {
        within(volume, &[source], |source| default(source, "defaultMode", 420));
    }
    within(volume, &["hostPath"], |path| default(path, "type", ""));
    within(volume, &["downwardAPI"], downward);
    within(volume, &["projected"], |projected| {
        each(projected, "sources", |source| {
            within(source, &["downwardAPI"], downward);
            within(source, &["serviceAccountToken"], |token| default(token, "expirationSeconds", 3600));
            within(source, &["podCertificate"], |certificate| default(certificate, "maxExpirationSeconds", 86400));
        });
    });
    within(volume, &["image"], |image| {
        let latest = is_latest(image["reference"].as_str().unwrap_or_default());
        filled(image, "pullPolicy", if latest { "Always" } else { "IfNotPresent" });
    });
    within(volume, &["ephemeral", "volumeClaimTemplate", "spec"], |spec| default(spec, "volumeMode", "Filesystem"));
    within(volume, &["iscsi"], |iscsi| filled(iscsi, "iscsiInterface", "default"));
    within(volume, &["rbd"], |rbd| {
        filled(rbd, "pool", "rbd");
        filled(rbd, "user", "admin");
        filled(rbd, "keyring", "/etc/ceph/keyring");
    });
    within(volume, &["azureDisk"], |disk| {
        default(disk, "cachingMode", "ReadWrite");
        default(disk, "kind", "Shared");
        default(disk, "fsType", "ext4");
        default(disk, "readOnly", false);
    });
    within(volume, &["scaleIO"], |scale| {
        filled(scale, "storageMode", "ThinProvisioned");
        filled(scale, "fsType", "xfs");
    });
}

fn downward(source: &mut Value) {
    each(source, "items", |item| within(item, &["fieldRef"], |field| filled(field, "apiVersion", "v1")));
}

fn is_latest(image: &str) -> bool {
    let tag = image.rsplit('/').next().and_then(|last| last.split_once(':')).map(|(_, tag)| tag);
    !image.contains('@') && tag.is_none_or(|t| t == "latest")
}

fn container(container: &mut Value) {
    let latest = is_latest(container.get("image").and_then(Value::as_str).unwrap_or_default());
    filled(container, "imagePullPolicy", if latest { "Always" } else { "IfNotPresent" });
    filled(container, "terminationMessagePath", "/dev/termination-log");
    filled(container, "terminationMessagePolicy", "File");
    default(container, "resources", json!({}));
    each(container, "ports", |port| filled(port, "protocol", "TCP"));
    each(container, "env", |variable| {
        within(variable, &["valueFrom", "fieldRef"], |field| filled(field, "apiVersion", "v1"));
        within(variable, &["valueFrom", "fileKeyRef"], |key| default(key, "optional", false));
    });
    for probe in ["livenessProbe", "readinessProbe", "startupProbe"] {
        within(container, &[probe], |probe| {
            filled(probe, "timeoutSeconds", 1);
            filled(probe, "periodSeconds", 10);
            filled(probe, "successThreshold", 1);
            filled(probe, "failureThreshold", 3);
            http(probe);
            within(probe, &["grpc"], |grpc| default(grpc, "service", ""));
        });
    }
    for moment in ["postStart", "preStop"] {
        within(container, &["lifecycle", moment], http);
    }
}

fn http(handler: &mut Value) {
    within(handler, &["httpGet"], |get| {
        filled(get, "path", "/");
        filled(get, "scheme", "HTTP");
    });
}
