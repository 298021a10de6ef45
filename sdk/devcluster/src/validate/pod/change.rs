//! What may change in a pod that is there.

use serde_json::{Value, json};

use super::{Place, Report, list, placement, text};
use crate::go::{diff, structs};

const SPEC: &str = "core.PodSpec";
const MAY: &str = "pod updates may not change fields other than `spec.containers[*].image`,`spec.initContainers[*].image`,\
     `spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to existing tolerations),`spec.terminationGracePeriodSeconds` \
     (allow it to be set to 1 if it was previously negative)\n";

/// Every fault of a change of a pod.
pub(in crate::validate) fn check(live: &Value, object: &Value, report: &mut Report) {
    annotations(live, object, report);
    let (old, new) = (&live["spec"], &object["spec"]);
    let spec = Place::new(new, "spec");
    for name in ["containers", "initContainers"] {
        if list(&old[name]).len() != list(&new[name]).len() {
            return report.forbidden(&spec.at(name), "pod updates may not add or remove containers");
        }
        for image in spec.each_of(name).iter().map(|c| c.of("image")) {
            report.need(&image);
            if text(image.value).trim() != text(image.value) {
                report.wrong(&image, "must not have leading or trailing whitespace");
            }
        }
    }
    if !deadline(old, &spec, report) {
        return;
    }
    tolerations(old, &spec, report);
    gates(old, &spec, report);
    if old == new {
        return;
    }
    let munged = munged(old, &spec, report);
    if munged != *old {
        let difference = diff::unified(&structs::lines(SPEC, old), &structs::lines(SPEC, &munged));
        report.forbidden("spec", &format!("{MAY}{difference}"));
    }
}

fn annotations(live: &Value, object: &Value, report: &mut Report) {
    let of = |object: &Value| object["metadata"]["annotations"].as_object().cloned().unwrap_or_default();
    let (old, new) = (of(live), of(object));
    let kind = |key: &str| match key {
        "kubernetes.io/config.mirror" => Some("mirror pod annotation"),
        key if key.starts_with("container.apparmor.security.beta.kubernetes.io/") => Some("AppArmor annotations"),
        _ => None,
    };
    for (key, _) in old.iter().filter(|(key, value)| new.get(*key) != Some(value)) {
        if let Some(what) = kind(key) {
            report.forbidden(&format!("metadata.annotations[{key}]"), &format!("may not remove or update {what}"));
        }
    }
    for key in new.keys().filter(|key| !old.contains_key(*key)) {
        if let Some(what) = kind(key) {
            report.forbidden(&format!("metadata.annotations[{key}]"), &format!("may not add {what}"));
        }
    }
}

/// A deadline may come nearer, but not go; false where nothing else is looked at.
fn deadline(old: &Value, spec: &Place<'_>, report: &mut Report) -> bool {
    let place = spec.of("activeDeadlineSeconds");
    match (old["activeDeadlineSeconds"].as_i64(), place.value.as_i64()) {
        (_, Some(new)) if !(0..=i64::from(i32::MAX)).contains(&new) => {
            report.wrong(&place, "must be between 0 and 2147483647, inclusive");
            false
        }
        (Some(old), Some(new)) if old < new => {
            report.wrong(&place, "must be less than or equal to previous value");
            false
        }
        (Some(_), None) => {
            report.wrong(&place, "must not update from a positive integer to nil value");
            true
        }
        _ => true,
    }
}

fn tolerations(old: &Value, spec: &Place<'_>, report: &mut Report) {
    let place = spec.of("tolerations");
    let rest = |toleration: &Value| {
        let mut rest = toleration.clone();
        if let Some(map) = rest.as_object_mut() {
            map.remove("tolerationSeconds");
        }
        rest
    };
    let new: Vec<Value> = list(place.value).iter().map(rest).collect();
    if list(&old["tolerations"]).iter().any(|toleration| !new.contains(&rest(toleration))) {
        let why = "existing toleration can not be modified except its tolerationSeconds";
        return report.forbidden(&place.path, why);
    }
    placement::tolerations(&place, report);
}

fn gates(old: &Value, spec: &Place<'_>, report: &mut Report) {
    for gate in spec.each_of("schedulingGates") {
        if !list(&old["schedulingGates"]).iter().any(|g| g["name"] == gate.value["name"]) {
            let why = format!("only deletion is allowed, but found new scheduling gate '{}'", gate.text("name"));
            report.forbidden(&gate.at("name"), &why);
        }
    }
}

/// The new specification with the old values of all that may change.
fn munged(old: &Value, spec: &Place<'_>, report: &mut Report) -> Value {
    let mut munged = spec.value.clone();
    let set = |munged: &mut Value, name: &str, value: Value| {
        if let Some(map) = munged.as_object_mut() {
            map.remove(name);
            if !value.is_null() {
                map.insert(name.into(), value);
            }
        }
    };
    for name in ["containers", "initContainers"] {
        for (i, container) in munged[name].as_array_mut().into_iter().flatten().enumerate() {
            container["image"] = old[name][i]["image"].clone();
        }
    }
    for name in ["containers", "initContainers"].into_iter().filter(|name| spec.value[*name].is_null()) {
        set(&mut munged, name, Value::Null);
    }
    for name in ["activeDeadlineSeconds", "schedulingGates", "tolerations"] {
        set(&mut munged, name, old[name].clone());
    }
    let grace = "terminationGracePeriodSeconds";
    if old[grace].as_i64().is_some_and(|n| n < 0) && munged[grace] == 1 {
        munged[grace] = old[grace].clone();
    }
    if !list(&old["schedulingGates"]).is_empty() {
        gated(old, spec, report);
        set(&mut munged, "nodeSelector", old["nodeSelector"].clone());
        let affinity = &old["affinity"]["nodeAffinity"];
        if munged["affinity"]["nodeAffinity"] != *affinity {
            let mut whole = munged["affinity"].clone();
            if whole.is_null() {
                whole = json!({});
            }
            set(&mut whole, "nodeAffinity", affinity.clone());
            let none = whole == json!({}) && old["affinity"].is_null();
            set(&mut munged, "affinity", if none { Value::Null } else { whole });
        }
    }
    munged
}

/// While a pod is held back, its choice of nodes may become narrower.
fn gated(old: &Value, spec: &Place<'_>, report: &mut Report) {
    let selector = spec.of("nodeSelector");
    let kept = |(key, value): (&String, &Value)| selector.value.get(key) == Some(value);
    if !old["nodeSelector"].as_object().into_iter().flatten().all(kept) {
        let why = "only additions to spec.nodeSelector are allowed (no mutations or deletions)";
        report.wrong(&selector, why);
    }
    let required = "requiredDuringSchedulingIgnoredDuringExecution";
    let terms = spec.of("affinity").of("nodeAffinity").of(required).of("nodeSelectorTerms");
    let before = list(&old["affinity"]["nodeAffinity"][required]["nodeSelectorTerms"]);
    if !before.is_empty() && before.len() != list(terms.value).len() {
        let why = "no additions/deletions to non-empty NodeSelectorTerms list are allowed";
        return report.wrong_struct(&terms, "[core.NodeSelectorTerm]", why);
    }
    for (term, old) in terms.each().zip(before) {
        let grown = |field: &str| {
            let (old, new) = (list(&old[field]), list(&term.value[field]));
            new.len() >= old.len() && old.iter().zip(new).all(|(a, b)| a == b)
        };
        let empty = list(&old["matchExpressions"]).is_empty() && list(&old["matchFields"]).is_empty();
        let unlike = empty && !list(&term.value["matchExpressions"]).is_empty();
        if !grown("matchExpressions") || !grown("matchFields") || unlike {
            report.wrong_struct(
                &term,
                "core.NodeSelectorTerm",
                "only additions are allowed (no mutations or deletions)",
            );
        }
    }
}
