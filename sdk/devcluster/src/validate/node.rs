//! Nodes: their taints, their ranges of addresses, what they hold.

use serde_json::{Value, json};

use super::pod::resources::amount;
use super::{Place, Report, list, text};
use crate::go::structs;
use crate::names;

/// What holds of a node however it is written, its status apart.
pub(super) fn check(object: &Value, report: &mut Report) {
    let root = Place::new(object, "");
    let (spec, status) = (root.of("spec"), root.of("status"));
    taints(&spec.value["taints"], report);
    amounts(&status, report);
    let swap = &status.value["nodeInfo"]["swap"]["capacity"];
    if swap.as_i64().is_some_and(|n| n <= 0) {
        report.invalid("metadata.nodeSwapStatus.capacity", swap, "must be greater than zero");
    }
    features(&status.of("declaredFeatures"), report);
    ranges(&spec.of("podCIDRs"), report);
}

/// What a node declares to be able to, in the order of the alphabet.
fn features(features: &Place<'_>, report: &mut Report) {
    let all = list(features.value);
    for (i, feature) in features.each().enumerate() {
        let name = text(feature.value);
        let part = |part: &str| !part.is_empty() && part.chars().all(|c| c.is_ascii_alphanumeric());
        if !name.starts_with(|c: char| c.is_ascii_uppercase()) || !name.split('/').all(part) {
            let why = "must start with an UpperCamelCase segment, with subsequent segments separated by '/' (e.g., MyFeature or \
                       MyFeature/mySubFeature), and contain only alphanumeric characters and slashes";
            report.wrong(&feature, &format!("invalid feature name {name:?}: {why}"));
        }
        let Some(next) = all.get(i + 1) else { continue };
        let field = format!("{}[{}]", features.path, i + 1);
        if next == feature.value {
            report.duplicate(&field, &next.to_string());
        } else if name > text(next) {
            report.invalid(&field, next, "list must be sorted alphabetically");
        }
    }
}

/// What may not change in a node, and what is looked at again whenever one is changed.
pub(super) fn change(live: &Value, object: &Value, report: &mut Report) {
    let root = Place::new(object, "");
    amounts(&root.of("status"), report);
    features(&root.of("status").of("declaredFeatures"), report);
    let addresses = root.of("status").of("addresses");
    for (i, address) in addresses.each().enumerate() {
        if list(addresses.value)[..i].contains(address.value) {
            report.duplicate(&address.path, &structs::shown("core.NodeAddress", address.value));
        }
    }
    let (old, new) = (&live["spec"], &object["spec"]);
    let (before, after) = (list(&old["podCIDRs"]), list(&new["podCIDRs"]));
    let why = "node updates may not change podCIDR except from \"\" to valid";
    if !before.is_empty() && before.len() != after.len() {
        report.forbidden("spec.podCIDRs", why);
    } else if !before.is_empty() {
        before.iter().zip(after).filter(|(a, b)| a != b).for_each(|_| report.forbidden("spec.podCIDRs", why));
    }
    let id = |spec: &Value, field: &str| text(&spec[field]).to_owned();
    if !id(old, "providerID").is_empty() && id(old, "providerID") != id(new, "providerID") {
        let why = "node updates may not change providerID except from \"\" to valid";
        report.forbidden("spec.providerID", why);
    }
    taints(&new["taints"], report);
    if id(old, "externalID") != id(new, "externalID") {
        report.forbidden("spec.externalID", "may not be updated");
    }
}

fn amounts(status: &Place<'_>, report: &mut Report) {
    for field in ["capacity", "allocatable"] {
        for (name, value) in status.of(field).entries() {
            amount(&format!("{}.{name}", status.at(field)), name, value.value, report);
        }
    }
}

fn ranges(ranges: &Place<'_>, report: &mut Report) {
    ranges.each().for_each(|range| report.form(&range.path, range.value, names::range));
    let all = list(ranges.value);
    let parsed: Vec<_> = all.iter().map(|range| names::parse_range(text(range))).collect();
    if all.len() > 1 {
        if let Some(i) = parsed.iter().position(Option::is_none) {
            let why = format!(
                "invalid PodCIDRs. failed to check with dual stack with error:invalid CIDR[{i}]: <nil> (invalid CIDR address: {})",
                text(&all[i])
            );
            report.push("InternalError", &ranges.path, format!("Internal error: {why}"));
        }
        let families = |four: bool| parsed.iter().flatten().any(|(address, _)| address.is_ipv4() == four);
        if !(families(true) && families(false) && parsed.iter().all(Option::is_some)) || all.len() > 2 {
            report.wrong(ranges, "may specify no more than one CIDR for each IP family");
        }
    }
}

fn taints(taints: &Value, report: &mut Report) {
    for (i, taint) in list(taints).iter().enumerate() {
        let place = Place::new(taint, format!("metadata.taints[{i}]"));
        report.form(&place.at("key"), &taint["key"], names::label_key);
        let wrong = names::label_value(place.text("value"));
        if !wrong.is_empty() {
            report.wrong(&place.of("value"), &wrong.join(";"));
        }
        report.need_word(&place.of("effect"), &["NoSchedule", "PreferNoSchedule", "NoExecute"]);
        let same = |t: &Value| t["key"] == taint["key"] && t["effect"] == taint["effect"];
        if list(taints)[..i].iter().any(same) {
            let shown = structs::shown("core.Taint", taint);
            report.duplicate(&place.path, &format!("{shown}: taints must be unique by key and effect pair"));
        }
    }
}

/// Fields that mean nothing any more.
pub(super) fn warnings(spec: &Place<'_>) -> Vec<String> {
    let mut said = Vec::new();
    if !spec.text("externalID").is_empty() {
        said.push("spec.externalID: this field is deprecated, and is unused by Kubernetes".to_owned());
    }
    said
}

/// What is said first of the ranges of addresses is what holds.
pub(crate) fn one_range(spec: &mut Value) {
    let Some(map) = spec.as_object_mut() else { return };
    let first = map.get("podCIDR").map(text).unwrap_or_default().to_owned();
    let all = map.get("podCIDRs").map(list).unwrap_or_default();
    if !first.is_empty() && all.first().is_none_or(|range| *range != first) {
        map.insert("podCIDRs".into(), json!([first]));
    } else if let Some(range) = all.first().cloned() {
        map.insert("podCIDR".into(), range);
    }
}
