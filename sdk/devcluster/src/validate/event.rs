//! Events, of the core group and of their own, which asks for more.

use serde_json::{Value, json};

use super::{Place, Report, text};
use crate::go::structs;
use crate::names;
use crate::resources::Resource;

/// The longest reporting instance, action or reason.
const SHORT: usize = 128;
const LONG: usize = 1024;

/// Looks at an event in the form of the core group; `own_group` is the resource that it was written to, if that is the other one.
pub(super) fn check(event: &Value, old: Option<&Value>, own_group: Option<&Resource>, report: &mut Report) {
    let root = Place::new(event, "");
    legacy(&root, own_group.is_some(), report);
    let Some(resource) = own_group else { return };
    if let Some(old) = old {
        return change(&root, old, report);
    }
    report.0.extend(names::check(resource, event));
    series(&root.of("series"), report);
    if root.text("eventTime").is_empty() {
        report.required("eventTime", "");
    }
    let kind = root.text("type");
    if !matches!(kind, "Normal" | "Warning") {
        report.invalid("type", &json!(""), &format!("has invalid value: {kind}"));
    }
    let source = &event["source"];
    let named = ["component", "host"].iter().any(|part| !text(&source[*part]).is_empty());
    let counted = root.number("count").is_some_and(|count| count != 0);
    let stamped = |field: &str| !root.text(field).is_empty();
    for (field, set) in [
        ("firstTimestamp", stamped("firstTimestamp")),
        ("lastTimestamp", stamped("lastTimestamp")),
        ("count", counted),
        ("source", named),
    ] {
        if set {
            report.invalid(field, &json!(""), "needs to be unset");
        }
    }
}

fn legacy(root: &Place<'_>, own_group: bool, report: &mut Report) {
    let namespace = text(&root.value["metadata"]["namespace"]);
    let involved = text(&root.value["involvedObject"]["namespace"]);
    let elsewhere = "does not match event.namespace";
    if root.text("eventTime").is_empty() {
        let fits = if involved.is_empty() { matches!(namespace, "" | "default") } else { involved == namespace };
        if !fits {
            report.invalid("involvedObject.namespace", &json!(involved), elsewhere);
        }
    } else {
        if involved.is_empty() && !matches!(namespace, "default" | "kube-system") {
            report.invalid("involvedObject.namespace", &json!(involved), elsewhere);
        }
        let controller = if own_group { "reportingController" } else { "reportingComponent" };
        let name = Place { value: &root.value["reportingComponent"], path: controller.into() };
        report.need(&name);
        report.form(controller, name.value, names::label_key);
        for field in ["reportingInstance", "action", "reason"] {
            report.need(&root.of(field));
            too_long(root, field, SHORT, report);
        }
        too_long(root, "message", LONG, report);
    }
    report.form("namespace", &json!(namespace), names::subdomain);
}

fn too_long(root: &Place<'_>, field: &str, most: usize, report: &mut Report) {
    if root.text(field).len() > most {
        report.invalid(field, &json!(""), &format!("can have at most {most} characters"));
    }
}

fn series(series: &Place<'_>, report: &mut Report) {
    if !series.value.is_object() {
        return;
    }
    if series.number("count").unwrap_or(0) < 2 {
        report.invalid("series.count", &json!(""), "should be at least 2");
    }
    if series.text("lastObservedTime").is_empty() {
        report.required("series.lastObservedTime", "");
    }
}

/// What was told stays as it was told.
fn change(root: &Place<'_>, old: &Value, report: &mut Report) {
    let of = |event: &Value, field: &str| event.get(field).cloned().unwrap_or_default();
    if of(root.value, "series") != of(old, "series") {
        series(&root.of("series"), report);
    }
    // In the order in which they are looked at, with their Go types.
    let fixed = [
        ("involvedObject", "involvedObject", "core.ObjectReference"),
        ("reason", "reason", "s"),
        ("message", "message", "s"),
        ("source", "source", "core.EventSource"),
        ("firstTimestamp", "firstTimestamp", "t"),
        ("lastTimestamp", "lastTimestamp", "t"),
        ("count", "count", "i"),
        ("reason", "reason", "s"),
        ("type", "type", "s"),
        ("eventTime", "eventTime", "t"),
        ("action", "action", "s"),
        ("related", "related", "*core.ObjectReference"),
        ("reportingComponent", "reportingController", "s"),
        ("reportingInstance", "reportingInstance", "s"),
    ];
    for (from, field, ty) in fixed {
        let (before, after) = (structs::shown(ty, &of(old, from)), structs::shown(ty, &of(root.value, from)));
        if before != after {
            report.invalid_as(field, &after, "field is immutable");
        }
    }
}
