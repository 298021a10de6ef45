//! Roles, budgets, priorities and leases.

use serde_json::{Value, json};

use super::{Place, Report, list, text};
use crate::admission::SYSTEM;
use crate::go::structs;
use crate::names;
use crate::resources::Resource;

const RBAC: &str = "rbac.authorization.k8s.io";

pub(super) fn check(resource: &Resource, object: &Value, report: &mut Report) {
    match resource.plural.as_str() {
        "roles" | "clusterroles" => role(resource, object, report),
        "rolebindings" | "clusterrolebindings" => binding(resource, object, report),
        "poddisruptionbudgets" => budget(&object["spec"], report),
        "priorityclasses" => priority(object, report),
        "leases" => lease(&object["spec"], report),
        _ => {}
    }
}

fn role(resource: &Resource, object: &Value, report: &mut Report) {
    for (i, rule) in list(&object["rules"]).iter().enumerate() {
        let at = |name: &str| format!("rules[{i}].{name}");
        let none = |name: &str| list(&rule[name]).is_empty();
        if none("verbs") {
            report.required(&at("verbs"), "verbs must contain at least one value");
        }
        if !none("nonResourceURLs") {
            if resource.namespaced {
                report.invalid(
                    &at("nonResourceURLs"),
                    &rule["nonResourceURLs"],
                    "namespaced rules cannot apply to non-resource URLs",
                );
            }
            if !none("apiGroups") || !none("resources") || !none("resourceNames") {
                let why = "rules cannot apply to both regular resources and non-resource URLs";
                report.invalid(&at("nonResourceURLs"), &rule["nonResourceURLs"], why);
            }
            continue;
        }
        if none("apiGroups") {
            report.required(&at("apiGroups"), "resource rules must supply at least one api group");
        }
        if none("resources") {
            report.required(&at("resources"), "resource rules must supply at least one resource");
        }
    }
    let aggregation = &object["aggregationRule"];
    if aggregation.is_object() && list(&aggregation["clusterRoleSelectors"]).is_empty() {
        let why = "at least one clusterRoleSelector required if aggregationRule is non-nil";
        report.required("aggregationRule.clusterRoleSelectors", why);
    }
    for (i, selector) in list(&aggregation["clusterRoleSelectors"]).iter().enumerate() {
        let field = format!("aggregationRule.clusterRoleSelectors[{i}]");
        let before = report.0.len();
        report.selector(&field, selector);
        if report.0.len() > before {
            report.invalid_as(&field, "null", "invalid label selector.");
        }
    }
}

fn binding(resource: &Resource, object: &Value, report: &mut Report) {
    let reference = &object["roleRef"];
    let known: &[&str] = if resource.namespaced { &["Role", "ClusterRole"] } else { &["ClusterRole"] };
    report.any_of(&Place::new(&reference["apiGroup"], "roleRef.apiGroup"), &[RBAC]);
    let kind = text(&reference["kind"]);
    if !known.contains(&kind) {
        report.unsupported("roleRef.kind", &json!(kind).to_string(), known);
    }
    if text(&reference["name"]).is_empty() {
        report.required("roleRef.name", "");
    } else {
        report.form("roleRef.name", &reference["name"], names::segment);
    }
    for (i, subject) in list(&object["subjects"]).iter().enumerate() {
        let at = |name: &str| format!("subjects[{i}].{name}");
        if text(&subject["name"]).is_empty() {
            report.required(&at("name"), "");
        }
        match text(&subject["kind"]) {
            "ServiceAccount" => {
                if !text(&subject["name"]).is_empty() {
                    report.form(&at("name"), &subject["name"], names::subdomain);
                }
                if !text(&subject["apiGroup"]).is_empty() {
                    report.unsupported(&at("apiGroup"), &subject["apiGroup"].to_string(), &[""]);
                }
                if !resource.namespaced && text(&subject["namespace"]).is_empty() {
                    report.required(&at("namespace"), "");
                }
            }
            "User" | "Group" => report.any_of(&Place::new(&subject["apiGroup"], at("apiGroup")), &[RBAC]),
            other => report.unsupported(&at("kind"), &json!(other).to_string(), &["ServiceAccount", "User", "Group"]),
        }
    }
}

fn budget(spec: &Value, report: &mut Report) {
    let (least, most) = (&spec["minAvailable"], &spec["maxUnavailable"]);
    if !least.is_null() && !most.is_null() {
        let shown = structs::shown("policy.PodDisruptionBudgetSpec", spec);
        report.invalid_as("spec", &shown, "minAvailable and maxUnavailable cannot be both set");
    }
    for (name, value) in [("spec.minAvailable", least), ("spec.maxUnavailable", most)] {
        if !value.is_null() {
            report.amount(name, value);
            report.at_most_all(name, value);
        }
    }
    report.selector("spec.selector", &spec["selector"]);
    report.one_of(
        "spec.unhealthyPodEvictionPolicy",
        &spec["unhealthyPodEvictionPolicy"],
        &["AlwaysAllow", "IfHealthyBudget"],
    );
}

fn priority(object: &Value, report: &mut Report) {
    /// Above are the classes of the system.
    const HIGHEST: i64 = 1_000_000_000;
    let (name, value) = (text(&object["metadata"]["name"]), object["value"].as_i64().unwrap_or(0));
    if name.starts_with("system-") {
        let why = match SYSTEM.iter().find(|(known, _)| *known == name) {
            Some((_, fixed)) if *fixed != value => format!("value of {name} PriorityClass must be {fixed}"),
            Some(_) if object["globalDefault"] == true => {
                format!("globalDefault of {name} PriorityClass must be false")
            }
            Some(_) => String::new(),
            None => format!("{name} is not a known system priority class"),
        };
        if !why.is_empty() {
            let reserved = "priority class names with 'system-' prefix are reserved for system use only. error: ";
            report.forbidden("metadata.name", &format!("{reserved}{why}"));
        }
    } else if value > HIGHEST {
        report.forbidden("value", &format!("maximum allowed value of a user defined priority is {HIGHEST}"));
    }
    if !object["preemptionPolicy"].is_null() {
        report.some_of("preemptionPolicy", &object["preemptionPolicy"], "", &["PreemptLowerPriority", "Never"]);
    }
}

fn lease(spec: &Value, report: &mut Report) {
    if spec["leaseDurationSeconds"].as_i64().is_some_and(|n| n <= 0) {
        report.invalid("spec.leaseDurationSeconds", &spec["leaseDurationSeconds"], "must be greater than 0");
    }
    report.whole("spec.leaseTransitions", &spec["leaseTransitions"]);
}
