//! Claims, storage classes and what CSI drivers register.

use serde_json::{Value, json};

use super::{Report, list, quantity, text};
use crate::names;
use crate::resources::Resource;

const MODES: [&str; 4] = ["ReadOnlyMany", "ReadWriteMany", "ReadWriteOnce", "ReadWriteOncePod"];

pub(super) fn check(resource: &Resource, object: &Value, report: &mut Report) {
    let spec = &object["spec"];
    match resource.plural.as_str() {
        "persistentvolumeclaims" => claim(spec, report),
        "storageclasses" => class(object, report),
        "csistoragecapacities" => {
            report.form("storageClassName", &object["storageClassName"], names::subdomain);
            if quantity(&object["capacity"]).is_some_and(crate::quantity::Quantity::is_negative) {
                report.invalid("capacity", &object["capacity"], super::NEGATIVE);
            }
        }
        "csinodes" => {
            for (i, driver) in list(&spec["drivers"]).iter().enumerate() {
                for name in ["name", "nodeID"].iter().filter(|name| text(&driver[**name]).is_empty()) {
                    report.required(&format!("spec.drivers[{i}].{name}"), "");
                }
            }
        }
        "volumeattributesclasses" => {
            if text(&object["driverName"]).is_empty() {
                report.required("driverName", "");
            }
            if object["parameters"].as_object().is_none_or(serde_json::Map::is_empty) {
                report.required("parameters", "must contain at least one key/value pair");
            }
        }
        _ => {}
    }
}

fn claim(spec: &Value, report: &mut Report) {
    let modes = list(&spec["accessModes"]);
    if modes.is_empty() {
        report.required("spec.accessModes", "at least 1 access mode is required");
    }
    report.selector("spec.selector", &spec["selector"]);
    modes.iter().for_each(|mode| report.one_of("spec.accessModes", mode, &MODES));
    if modes.len() > 1 && modes.iter().any(|m| m == "ReadWriteOncePod") {
        report.forbidden("spec.accessModes", "may not use ReadWriteOncePod with other access modes");
    }
    let asked = &spec["resources"]["requests"]["storage"];
    match quantity(asked) {
        None => report.required("spec.resources[storage]", ""),
        Some(amount) if amount.is_zero() || amount.is_negative() => {
            report.invalid("spec.resources[storage]", asked, "must be greater than zero");
        }
        Some(_) => {}
    }
    if !text(&spec["storageClassName"]).is_empty() {
        report.form("spec.storageClassName", &spec["storageClassName"], names::subdomain);
    }
    report.one_of("spec.volumeMode", &spec["volumeMode"], &["Block", "Filesystem"]);
}

fn class(object: &Value, report: &mut Report) {
    if text(&object["provisioner"]).is_empty() {
        report.required("provisioner", "");
    } else {
        report.form("provisioner", &json!(text(&object["provisioner"]).to_lowercase()), names::label_key);
    }
    if object["parameters"].as_object().is_some_and(|map| map.contains_key("")) {
        report.invalid("parameters", &json!(""), "field can not be empty.");
    }
    report.one_of("reclaimPolicy", &object["reclaimPolicy"], &["Delete", "Retain"]);
    report.one_of("volumeBindingMode", &object["volumeBindingMode"], &["Immediate", "WaitForFirstConsumer"]);
}
