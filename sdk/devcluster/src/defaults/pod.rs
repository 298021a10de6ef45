//! Defaults of pods and of the templates of pods.

use serde_json::{Value, json};

use super::{default, each, within};
use crate::quantity::Quantity;

/// Seconds that a pod stays on a node that is gone.
const EVICTED_AFTER: i64 = 300;

/// What admission and the registry add to a new pod.
pub(super) fn admit(pod: &mut Value) {
    pod["status"] = json!({"phase": "Pending", "qosClass": quality(&pod["spec"])});
    within(pod, &["spec"], |spec| {
        default(spec, "priority", 0);
        default(spec, "preemptionPolicy", "PreemptLowerPriority");
        let mut tolerations = spec["tolerations"].as_array().cloned().unwrap_or_default();
        for key in ["node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable"] {
            let tolerated = |t: &Value| {
                (t["key"] == key || t["key"].is_null()) && (t["effect"] == "NoExecute" || t["effect"].is_null())
            };
            if !tolerations.iter().any(tolerated) {
                tolerations.push(json!({"key": key, "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": EVICTED_AFTER}));
            }
        }
        spec["tolerations"] = tolerations.into();
    });
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
    default(spec, "restartPolicy", "Always");
    default(spec, "dnsPolicy", "ClusterFirst");
    default(spec, "schedulerName", "default-scheduler");
    default(spec, "terminationGracePeriodSeconds", 30);
    default(spec, "securityContext", json!({}));
    // The old name of the same field.
    for (to, from) in [("serviceAccount", "serviceAccountName"), ("serviceAccountName", "serviceAccount")] {
        if let Some(name) = spec.get(from).cloned() {
            default(spec, to, name);
        }
    }
    for list in ["containers", "initContainers"] {
        each(spec, list, container);
    }
    each(spec, "volumes", |volume| {
        for source in ["configMap", "secret", "projected", "downwardAPI"] {
            within(volume, &[source], |source| default(source, "defaultMode", 420));
        }
        within(volume, &["hostPath"], |path| default(path, "type", ""));
        within(volume, &["downwardAPI"], |source| {
            each(source, "items", |item| within(item, &["fieldRef"], |field| default(field, "apiVersion", "v1")));
        });
    });
}

fn container(container: &mut Value) {
    let image = container.get("image").and_then(Value::as_str).unwrap_or_default();
    let tag = image.rsplit('/').next().and_then(|last| last.split_once(':')).map(|(_, tag)| tag);
    let latest = !image.contains('@') && tag.is_none_or(|t| t == "latest");
    default(container, "imagePullPolicy", if latest { "Always" } else { "IfNotPresent" });
    default(container, "terminationMessagePath", "/dev/termination-log");
    default(container, "terminationMessagePolicy", "File");
    default(container, "resources", json!({}));
    each(container, "ports", |port| default(port, "protocol", "TCP"));
    each(container, "env", |variable| {
        within(variable, &["valueFrom", "fieldRef"], |field| default(field, "apiVersion", "v1"));
    });
    for probe in ["livenessProbe", "readinessProbe", "startupProbe"] {
        if let Some(probe) = container.get_mut(probe).filter(|p| p.is_object()) {
            default(probe, "timeoutSeconds", 1);
            default(probe, "periodSeconds", 10);
            default(probe, "successThreshold", 1);
            default(probe, "failureThreshold", 3);
            within(probe, &["httpGet"], |get| default(get, "scheme", "HTTP"));
        }
    }
}
