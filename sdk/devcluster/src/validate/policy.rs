//! Roles, budgets, autoscalers, priorities and leases.

use serde_json::{Value, json};

use super::{Report, list, text};
use crate::names;
use crate::resources::Resource;

const RBAC: &str = "rbac.authorization.k8s.io";

pub(super) fn check(resource: &Resource, object: &Value, report: &mut Report) {
    match resource.plural.as_str() {
        "roles" | "clusterroles" => role(resource, object, report),
        "rolebindings" | "clusterrolebindings" => binding(resource, object, report),
        "poddisruptionbudgets" => budget(&object["spec"], report),
        "horizontalpodautoscalers" => autoscaler(&object["spec"], report),
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
}

fn binding(resource: &Resource, object: &Value, report: &mut Report) {
    let reference = &object["roleRef"];
    let known: &[&str] = if resource.namespaced { &["Role", "ClusterRole"] } else { &["ClusterRole"] };
    report.one_of("roleRef.apiGroup", &reference["apiGroup"], &[RBAC]);
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
                if text(&subject["namespace"]).is_empty() {
                    report.required(&at("namespace"), "");
                }
            }
            "User" | "Group" => report.one_of(&at("apiGroup"), &subject["apiGroup"], &[RBAC]),
            other => report.unsupported(&at("kind"), &json!(other).to_string(), &["ServiceAccount", "User", "Group"]),
        }
    }
}

fn budget(spec: &Value, report: &mut Report) {
    let (least, most) = (&spec["minAvailable"], &spec["maxUnavailable"]);
    if !least.is_null() && !most.is_null() {
        let policy = &spec["unhealthyPodEvictionPolicy"];
        let shown = format!(
            "{{\"MinAvailable\":{least},\"Selector\":{},\"MaxUnavailable\":{most},\"UnhealthyPodEvictionPolicy\":{policy}}}",
            spec["selector"]
        );
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

fn autoscaler(spec: &Value, report: &mut Report) {
    let (least, most) = (spec["minReplicas"].as_i64(), spec["maxReplicas"].as_i64().unwrap_or(0));
    if least.is_some_and(|n| n < 1) {
        report.invalid("spec.minReplicas", &spec["minReplicas"], "must be greater than or equal to 1");
    }
    if most < 1 {
        report.required("spec.maxReplicas", "must be set and greater than 0");
    }
    if least.is_some_and(|least| most < least) {
        report.invalid("spec.maxReplicas", &json!(most), "must be greater than or equal to `minReplicas`");
    }
    let target = &spec["scaleTargetRef"];
    for name in ["kind", "name"] {
        let at = format!("spec.scaleTargetRef.{name}");
        if text(&target[name]).is_empty() {
            report.required(&at, "");
        } else {
            report.form(&at, &target[name], names::segment);
        }
    }
    // Only Nodes and their like could be meant without a group, and those do not scale.
    if text(&target["apiVersion"]).is_empty() && text(&target["kind"]) != "ReplicationController" {
        report.invalid("spec.scaleTargetRef.apiVersion", &json!(""), "apiVersion must specify API group");
    }
    for (i, metric) in list(&spec["metrics"]).iter().enumerate() {
        let kinds = ["ContainerResource", "External", "Object", "Pods", "Resource"];
        report.some_of(
            &format!("spec.metrics[{i}].type"),
            &metric["type"],
            "must specify a metric source type",
            &kinds,
        );
    }
    for direction in ["scaleUp", "scaleDown"] {
        let rules = &spec["behavior"][direction];
        let at = |name: &str| format!("spec.behavior.{direction}.{name}");
        if rules["stabilizationWindowSeconds"].as_i64().is_some_and(|n| n < 0) {
            report.invalid(
                &at("stabilizationWindowSeconds"),
                &rules["stabilizationWindowSeconds"],
                "must be greater than or equal to zero",
            );
        }
        if rules.is_object() && list(&rules["policies"]).is_empty() {
            report.required(&at("policies"), "must specify at least one Policy");
        }
    }
}

fn priority(object: &Value, report: &mut Report) {
    /// Above are the classes of the system.
    const HIGHEST: i64 = 1_000_000_000;
    let name = text(&object["metadata"]["name"]);
    if name.starts_with("system-") && !matches!(name, "system-node-critical" | "system-cluster-critical") {
        let why = format!(
            "priority class names with 'system-' prefix are reserved for system use only. error: {name} is not a known system priority class"
        );
        report.forbidden("metadata.name", &why);
    } else if object["value"].as_i64().unwrap_or(0) > HIGHEST && !name.starts_with("system-") {
        report.forbidden("value", &format!("maximum allowed value of a user defined priority is {HIGHEST}"));
    }
    report.one_of("preemptionPolicy", &object["preemptionPolicy"], &["PreemptLowerPriority", "Never"]);
}

fn lease(spec: &Value, report: &mut Report) {
    if spec["leaseDurationSeconds"].as_i64().is_some_and(|n| n <= 0) {
        report.invalid("spec.leaseDurationSeconds", &spec["leaseDurationSeconds"], "must be greater than 0");
    }
    report.whole("spec.leaseTransitions", &spec["leaseTransitions"]);
}
