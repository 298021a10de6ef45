//! What may not change in objects of built-in kinds.

use serde_json::{Value, json};

use super::{
    Place, Report, admission, autoscaling, condition, job, job_status, limits, network, network_service, node, pod,
    storage, text,
};
use crate::error::Cause;
use crate::names;
use crate::resources::Resource;

/// Fields that stay as they are, by resource.
const FIXED: [(&str, &[&str]); 10] = [
    ("deployments", &["spec.selector"]),
    ("replicasets", &["spec.selector"]),
    ("daemonsets", &["spec.selector"]),
    ("controllerrevisions", &["data"]),
    ("secrets", &["type"]),
    ("endpointslices", &["addressType"]),
    ("ingressclasses", &["spec.controller"]),
    ("storageclasses", &["parameters", "provisioner", "reclaimPolicy", "volumeBindingMode"]),
    ("csistoragecapacities", &["nodeTopology", "storageClassName"]),
    ("priorityclasses", &["preemptionPolicy"]),
];

/// Every fault of a change from `live` to `object`.
pub(crate) fn change(resource: &Resource, sub: &str, live: &Value, object: &Value) -> Vec<Cause> {
    let mut report = Report::default();
    if sub == "finalize" {
        namespace_finalizers(object, &mut report);
        return report.0;
    }
    if sub == "status" {
        status(resource, object, &mut report);
        match resource.plural.as_str() {
            "jobs" => job_status::check(live, object, &mut report),
            "nodes" => node::change(live, object, &mut report),
            "resourcequotas" => limits::quota_status(&Place::new(&object["status"], "status"), &mut report),
            "horizontalpodautoscalers" => autoscaling::status(&object["status"], &mut report),
            "validatingadmissionpolicies" => admission::status(&object["status"], &mut report),
            "volumeattachments" => storage::attachment_status(&object["status"], &mut report),
            "poddisruptionbudgets" => condition::budget(&object["status"], &mut report),
            _ => {}
        }
        return report.0;
    }
    let plural = resource.plural.as_str();
    for field in FIXED.iter().filter(|(of, _)| *of == plural).flat_map(|(_, fields)| fields.iter()) {
        let pointer = format!("/{}", field.replace('.', "/"));
        let of = |object: &Value| object.pointer(&pointer).cloned().unwrap_or_default();
        if of(live) != of(object) {
            report.invalid(field, &of(object), "field is immutable");
        }
    }
    match plural {
        "configmaps" | "secrets" if live["immutable"] == true => frozen(plural, live, object, &mut report),
        "priorityclasses" if live["value"] != object["value"] => {
            report.forbidden("value", "may not be changed in an update.")
        }
        "rolebindings" | "clusterrolebindings" if live["roleRef"] != object["roleRef"] => {
            let reference = &object["roleRef"];
            let of = |name: &str| json!(text(&reference[name]));
            let shown = format!("{{\"APIGroup\":{},\"Kind\":{},\"Name\":{}}}", of("apiGroup"), of("kind"), of("name"));
            report.invalid_as("roleRef", &shown, "cannot change roleRef");
        }
        "jobs" => job::change(live, object, &mut report),
        "ipaddresses" | "servicecidrs" => network::change(plural, live, object, &mut report),
        "services" => network_service::change(live, object, &mut report),
        "pods" => pod::change::check(live, object, &mut report),
        "nodes" => node::change(live, object, &mut report),
        "resourcequotas" => limits::quota_change(live, object, &mut report),
        "persistentvolumes" => storage::volume_change(live, object, &mut report),
        "persistentvolumeclaims" => storage::claim_change(live, object, &mut report),
        "volumeattachments" | "csidrivers" | "csinodes" | "volumeattributesclasses" => {
            storage::registration_change(plural, live, object, &mut report);
        }
        "statefulsets" => stateful_set(&live["spec"], &object["spec"], &mut report),
        _ => {}
    }
    report.0
}

fn frozen(plural: &str, live: &Value, object: &Value, report: &mut Report) {
    let why = "field is immutable when `immutable` is set";
    if object["immutable"] != true {
        report.forbidden("immutable", why);
    }
    let fields: &[&str] = if plural == "secrets" { &["data"] } else { &["data", "binaryData"] };
    for field in fields.iter().filter(|f| live[**f] != object[**f]) {
        report.forbidden(field, why);
    }
}

fn stateful_set(live: &Value, spec: &Value, report: &mut Report) {
    let free = [
        "replicas",
        "ordinals",
        "template",
        "updateStrategy",
        "revisionHistoryLimit",
        "persistentVolumeClaimRetentionPolicy",
        "minReadySeconds",
    ];
    let rest = |spec: &Value| {
        let mut rest = spec.clone();
        if let Some(map) = rest.as_object_mut() {
            map.retain(|field, _| !free.contains(&field.as_str()));
        }
        rest
    };
    if rest(live) != rest(spec) {
        let why = "updates to statefulset spec for fields other than 'replicas', 'ordinals', 'template', 'updateStrategy', \
                   'revisionHistoryLimit', 'persistentVolumeClaimRetentionPolicy' and 'minReadySeconds' are forbidden";
        report.forbidden("spec", why);
    }
}

/// Counts in a status are not negative, and no part is more than the whole.
fn status(resource: &Resource, object: &Value, report: &mut Report) {
    let status = &object["status"];
    let (whole, parts): (&[&str], &[&str]) = match resource.plural.as_str() {
        "deployments" => (
            &[
                "observedGeneration",
                "replicas",
                "updatedReplicas",
                "readyReplicas",
                "availableReplicas",
                "unavailableReplicas",
                "collisionCount",
            ],
            &["updatedReplicas", "readyReplicas", "availableReplicas"],
        ),
        "replicasets" | "replicationcontrollers" => (
            &["replicas", "fullyLabeledReplicas", "readyReplicas", "availableReplicas", "observedGeneration"],
            &["fullyLabeledReplicas", "readyReplicas", "availableReplicas"],
        ),
        "statefulsets" => (
            &[
                "replicas",
                "readyReplicas",
                "currentReplicas",
                "updatedReplicas",
                "observedGeneration",
                "collisionCount",
            ],
            &["readyReplicas", "currentReplicas", "updatedReplicas", "availableReplicas"],
        ),
        "daemonsets" => (
            &[
                "currentNumberScheduled",
                "numberMisscheduled",
                "desiredNumberScheduled",
                "numberReady",
                "observedGeneration",
                "updatedNumberScheduled",
                "numberAvailable",
                "numberUnavailable",
                "collisionCount",
            ],
            &[],
        ),
        "namespaces" => return namespace(object, report),
        _ => return,
    };
    whole.iter().for_each(|name| report.whole(&format!("status.{name}"), &status[*name]));
    let of = |name: &str| status[name].as_i64().unwrap_or(0);
    for name in parts.iter().filter(|name| of(name) > of("replicas")) {
        report.invalid(&format!("status.{name}"), &json!(of(name)), "cannot be greater than status.replicas");
    }
    if !parts.is_empty() && of("availableReplicas") > of("readyReplicas") {
        let why = if resource.plural == "statefulsets" {
            "cannot be greater than status.readyReplicas"
        } else {
            "cannot be greater than readyReplicas"
        };
        report.invalid("status.availableReplicas", &json!(of("availableReplicas")), why);
    }
}

fn namespace_finalizers(object: &Value, report: &mut Report) {
    for finalizer in Place::new(&object["spec"]["finalizers"], "spec.finalizers").each() {
        let name = text(finalizer.value);
        report.form(&finalizer.path, finalizer.value, names::label_key);
        if !name.contains('/') && !names::is_standard_finalizer(name) {
            report.wrong(&finalizer, "name is neither a standard finalizer name nor is it fully qualified");
        }
    }
}

fn namespace(object: &Value, report: &mut Report) {
    let (phase, deleting) = (&object["status"]["phase"], crate::object::is_deleting(object));
    if !deleting && phase != "Active" {
        report.invalid("status.Phase", phase, "may only be 'Active' if `deletionTimestamp` is empty");
    } else if deleting && phase != "Terminating" {
        report.invalid("status.Phase", phase, "may only be 'Terminating' if `deletionTimestamp` is not empty");
    }
}
