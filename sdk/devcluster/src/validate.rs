//! What is valid in objects of built-in kinds beyond their types: the faults that people make most often, in the words and in
//! the order of kube-apiserver. What no rule here speaks of is let in.

mod change;
mod core;
mod cron;
mod ingress;
mod job;
mod job_status;
mod network;
pub(crate) mod network_service;
mod pod;
mod policy;
pub(crate) mod report;
mod storage;
pub(crate) mod warnings;
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
            core::check(resource, object, &mut report);
            network::check(resource, object, old, &mut report);
            storage::check(resource, object, &mut report);
            workload::check(resource, object, old.is_none(), &mut report);
        }
        "apps" | "batch" => workload::check(resource, object, old.is_none(), &mut report),
        "networking.k8s.io" | "discovery.k8s.io" => network::check(resource, object, old, &mut report),
        "storage.k8s.io" => storage::check(resource, object, &mut report),
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
    )
}
