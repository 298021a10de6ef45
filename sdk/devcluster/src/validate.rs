//! What is valid in objects of built-in kinds beyond their types: the faults that people make most often, in the words and in
//! the order of kube-apiserver. What no rule here speaks of is let in.

mod admission;
mod autoscaling;
mod change;
mod condition;
mod core;
mod cron;
mod event;
mod ingress;
mod job;
mod job_status;
mod limits;
mod network;
pub(crate) mod network_service;
pub(crate) mod node;
mod pod;
mod policy;
pub(crate) mod report;
mod storage;
pub(crate) mod warnings;
mod webhook;
mod workload;

use serde_json::Value;

pub(crate) use self::change::change;
use self::report::NEGATIVE;
pub(crate) use self::report::{Place, Report};
use crate::error::Cause;
use crate::quantity::Quantity;
use crate::resources::Resource;

/// A text; empty where there is none.
fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map(Vec::as_slice).unwrap_or_default()
}

fn quantity(value: &Value) -> Option<Quantity> {
    Quantity::parse(value.as_str()?)
}

/// Every fault of an object; of what stays as it was only some are looked for again.
pub(crate) fn object(resource: &Resource, object: &Value, old: Option<&Value>) -> Vec<Cause> {
    let mut report = Report::default();
    match resource.group.as_str() {
        "" => {
            core::check(resource, object, old, &mut report);
            network::check(resource, object, old, &mut report);
            storage::check(resource, object, &mut report);
            workload::check(resource, object, old.is_none(), &mut report);
        }
        "apps" | "batch" => workload::check(resource, object, old.is_none(), &mut report),
        "networking.k8s.io" | "discovery.k8s.io" => network::check(resource, object, old, &mut report),
        "storage.k8s.io" => storage::check(resource, object, &mut report),
        "autoscaling" => autoscaling::check(&Place::new(&object["spec"], "spec"), old, &mut report),
        "admissionregistration.k8s.io" => admission::check(resource, object, old, &mut report),
        "events.k8s.io" => {
            let kept = |event: &Value| {
                let mut event = event.clone();
                crate::view::to_stored(resource, &mut event);
                event
            };
            event::check(&kept(object), old.map(kept).as_ref(), Some(resource), &mut report);
        }
        _ => policy::check(resource, object, &mut report),
    }
    report.0
}

/// Whether an object of this kind is looked at as a whole before what changed in it is.
pub(crate) fn whole_first(resource: &Resource) -> bool {
    matches!(
        resource.plural.as_str(),
        "pods"
            | "jobs"
            | "deployments"
            | "replicasets"
            | "statefulsets"
            | "persistentvolumes"
            | "persistentvolumeclaims"
            | "volumeattachments"
            | "csinodes"
            | "csidrivers"
            | "nodes"
            | "resourcequotas"
            | "rolebindings"
            | "clusterrolebindings"
    )
}

/// Kinds whose own rules say nothing of metadata, or only after all else: any name will do that can stand in a path.
pub(crate) fn names_nothing(resource: &Resource) -> bool {
    matches!(resource.plural.as_str(), "poddisruptionbudgets" | "events")
}

/// Whether a finalizer without a domain has to be one that is known.
pub(crate) fn knows_finalizers(resource: &Resource) -> bool {
    let free = ["policy", "coordination.k8s.io", "admissionregistration.k8s.io"];
    let free = free.contains(&resource.group.as_str());
    let nameless = names_nothing(resource) && resource.group.is_empty();
    !(resource.custom || free || nameless)
}

/// How often the rules of a kind look at the metadata of a changed object: as a change, and as if it were new.
pub(crate) fn looks_at_metadata(resource: &Resource, status: bool) -> (usize, usize) {
    let both = [
        "configmaps",
        "secrets",
        "serviceaccounts",
        "endpoints",
        "nodes",
        "namespaces",
        "pods",
        "persistentvolumeclaims",
        "controllerrevisions",
        "ingresses",
        "ingressclasses",
        "csistoragecapacities",
        "storageclasses",
        "volumeattributesclasses",
    ];
    match (resource.group.as_str(), resource.plural.as_str()) {
        ("", "events") | ("policy", _) => (0, 0),
        _ if status => (1, 0),
        ("", "limitranges") | ("discovery.k8s.io", _) | ("storage.k8s.io", "csinodes" | "volumeattachments") => (0, 1),
        ("admissionregistration.k8s.io", _) => (0, 1),
        ("", "persistentvolumes") => (0, 2),
        ("rbac.authorization.k8s.io", _) => (1, 1),
        (_, plural) if both.contains(&plural) => (1, 1),
        _ => (1, 0),
    }
}
