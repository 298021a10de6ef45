//! Autoscalers: what they aim at, what they measure, how fast they may act.

use serde_json::{Value, json};

use super::pod::resources;
use super::{Place, Report, list, quantity, text};
use crate::names;

/// How long a policy may look back, in seconds.
const PERIOD: i64 = 1800;
const WINDOW: i64 = 3600;
const KINDS: [&str; 5] = ["ContainerResource", "External", "Object", "Pods", "Resource"];

/// Which versions of a reference are let in.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Versions {
    Grouped,
    Parsed,
    Any,
}

pub(super) fn check(spec: &Place<'_>, old: Option<&Value>, report: &mut Report) {
    let (least, most) = (spec.number("minReplicas"), spec.number("maxReplicas").unwrap_or(0));
    let lowest = i64::from(!old.is_some_and(|old| old["spec"]["minReplicas"] == 0));
    if least.is_some_and(|n| n < lowest) {
        report.wrong(&spec.of("minReplicas"), &format!("must be greater than or equal to {lowest}"));
    }
    if most == 0 {
        report.required(&spec.at("maxReplicas"), "must be set and greater than 0");
    } else if most < 0 {
        report.wrong(&spec.of("maxReplicas"), "must be greater than or equal to 1");
    }
    if least.is_some_and(|least| most < least) {
        report.invalid(&spec.at("maxReplicas"), &json!(most), "must be greater than or equal to `minReplicas`");
    }
    let target = spec.of("scaleTargetRef");
    let before = old.map(|old| &old["spec"]["scaleTargetRef"]);
    let versions = match before {
        Some(old) if ["apiVersion", "kind"].iter().all(|f| text(&old[*f]) == target.text(f)) => Versions::Any,
        _ if target.text("kind") == "ReplicationController" => Versions::Parsed,
        _ => Versions::Grouped,
    };
    reference(&target, versions, report);
    let wrong = |metric: &Value| {
        metric["type"] == "Object" && unparsed(text(&metric["object"]["describedObject"]["apiVersion"])).is_some()
    };
    let known = old.is_some_and(|old| list(&old["spec"]["metrics"]).iter().any(wrong));
    let versions = if known { Versions::Any } else { Versions::Parsed };
    let metrics = spec.of("metrics");
    metrics.each().for_each(|one| metric(&one, versions, report));
    let outside = |metric: &Value| metric["type"] == "Object" || metric["type"] == "External";
    if least == Some(0) && !list(metrics.value).iter().any(outside) {
        let why = "must specify at least one Object or External metric to support scaling to zero replicas";
        report.forbidden(&metrics.path, why);
    }
    for direction in ["scaleUp", "scaleDown"] {
        rules(&spec.of("behavior").of(direction), report);
    }
}

/// What the counts in a status must be.
pub(super) fn status(status: &Value, report: &mut Report) {
    report.wholes(&Place::new(status, "status"), &["currentReplicas", "desiredReplicas"]);
}

fn unparsed(version: &str) -> Option<String> {
    (version.matches('/').count() > 1).then(|| format!("unexpected GroupVersion string: {version}"))
}

fn reference(reference: &Place<'_>, versions: Versions, report: &mut Report) {
    report.need_form(&reference.of("kind"), names::segment);
    report.need_form(&reference.of("name"), names::segment);
    let version = reference.text("apiVersion");
    let grouped = version.split_once('/').is_some_and(|(group, _)| !group.is_empty());
    let why = match (versions, unparsed(version)) {
        (Versions::Any, _) => None,
        (_, Some(why)) => Some(why),
        (Versions::Grouped, None) => (!grouped).then(|| "apiVersion must specify API group".to_owned()),
        (Versions::Parsed, None) => None,
    };
    if let Some(why) = why {
        report.wrong_text(&reference.of("apiVersion"), &why);
    }
}

fn metric(metric: &Place<'_>, versions: Versions, report: &mut Report) {
    let kind = metric.of("type");
    if text(kind.value).is_empty() {
        report.required(&kind.path, "must specify a metric source type");
    }
    report.any_of(&kind, &KINDS);
    let parts = ["object", "external", "pods", "resource", "containerResource"];
    let present: Vec<&str> = parts.into_iter().filter(|part| metric.has(part)).collect();
    // Of several sources the first alone is looked at.
    if let Some(first) = present.first() {
        source(first, &metric.of(first), versions, report);
    }
    let expected = parts.into_iter().find(|part| part.eq_ignore_ascii_case(text(kind.value)));
    let expected = expected.filter(|_| KINDS.contains(&text(kind.value)));
    match expected {
        Some(part) if !metric.has(part) => {
            report.required(&metric.at(part), "must populate information for the given metric source");
        }
        Some(_) => {}
        None => report.any_of(&kind, &KINDS),
    }
    if present.len() != 1 {
        for part in present.into_iter().filter(|part| Some(*part) != expected) {
            report.forbidden(&metric.at(part), "must populate the given metric source only");
        }
    }
}

fn source(kind: &str, source: &Place<'_>, versions: Versions, report: &mut Report) {
    let goal = source.of("target");
    let (value, average, share) = (goal.has("value"), goal.has("averageValue"), goal.has("averageUtilization"));
    match kind {
        "object" => {
            reference(&source.of("describedObject"), versions, report);
            identifier(&source.of("metric"), report);
        }
        "external" | "pods" => identifier(&source.of("metric"), report),
        _ if source.text("name").is_empty() => report.required(&source.at("name"), "must specify a resource name"),
        "containerResource" => resources::container_name(&source.at("name"), source.text("name"), report),
        _ => {}
    }
    if kind == "containerResource" && source.text("container").is_empty() {
        report.required(&source.at("container"), "must specify a container");
    } else if kind == "containerResource" {
        report.form(&source.at("container"), &source.value["container"], names::label);
    }
    target(&goal, report);
    match kind {
        "object" if !value && !average => {
            report.required(&goal.at("averageValue"), "must set either a target value or averageValue");
        }
        "external" if !value && !average => {
            let why = "must set either a target value for metric or a per-pod target";
            report.required(&goal.at("averageValue"), why);
        }
        "external" if value && average => {
            let why = "may not set both a target value for metric and a per-pod target";
            report.forbidden(&goal.at("value"), why);
        }
        "pods" if !average => {
            report.required(&goal.at("averageValue"), "must specify a positive target averageValue");
        }
        "resource" | "containerResource" if !share && !average => {
            let why = "must set either a target raw value or a target utilization";
            report.required(&goal.at("averageUtilization"), why);
        }
        "resource" | "containerResource" if share && average => {
            let why = "may not set both a target raw value and a target utilization";
            report.forbidden(&goal.at("averageValue"), why);
        }
        _ => {}
    }
}

fn identifier(metric: &Place<'_>, report: &mut Report) {
    let name = metric.of("name");
    if text(name.value).is_empty() {
        report.required(&name.path, "must specify a metric name");
    } else {
        report.form(&name.path, name.value, names::segment);
    }
}

fn target(goal: &Place<'_>, report: &mut Report) {
    let kind = goal.of("type");
    if text(kind.value).is_empty() {
        report.required(&kind.path, "must specify a metric target type");
    }
    if !["Utilization", "Value", "AverageValue"].contains(&text(kind.value)) {
        report.wrong_text(&kind, "must be either Utilization, Value, or AverageValue");
    }
    for amount in [goal.of("value"), goal.of("averageValue")] {
        if quantity(amount.value).is_some_and(|read| read.is_zero() || read.is_negative()) {
            report.wrong(&amount, "must be positive");
        }
    }
    if goal.number("averageUtilization").is_some_and(|share| share < 1) {
        report.wrong(&goal.of("averageUtilization"), "must be greater than 0");
    }
}

fn rules(rules: &Place<'_>, report: &mut Report) {
    if !rules.value.is_object() {
        return;
    }
    let window = rules.of("stabilizationWindowSeconds");
    if window.value.as_i64().is_some_and(|n| n < 0) {
        report.wrong(&window, "must be greater than or equal to zero");
    }
    if window.value.as_i64().is_some_and(|n| n > WINDOW) {
        report.wrong(&window, &format!("must be less than or equal to {WINDOW}"));
    }
    report.word(&rules.of("selectPolicy"), &["Disabled", "Max", "Min"]);
    let policies = rules.of("policies");
    if list(policies.value).is_empty() {
        report.required(&policies.path, "must specify at least one Policy");
    }
    for policy in policies.each() {
        report.any_of(&policy.of("type"), &["Percent", "Pods"]);
        let (amount, period) = (policy.number("value").unwrap_or(0), policy.number("periodSeconds").unwrap_or(0));
        for (field, number) in [("value", amount), ("periodSeconds", period)] {
            if number <= 0 {
                report.invalid(&policy.at(field), &json!(number), "must be greater than zero");
            }
        }
        if period > PERIOD {
            report.wrong(&policy.of("periodSeconds"), &format!("must be less than or equal to {PERIOD}"));
        }
    }
    let tolerance = rules.of("tolerance");
    if quantity(tolerance.value).is_some_and(|read| read.is_negative()) {
        report.wrong(&tolerance, super::NEGATIVE);
    }
}
