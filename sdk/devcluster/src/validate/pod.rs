//! Pods and the templates of pods.

use serde_json::{Value, json};

use super::{Report, list, text};
use crate::names;

/// Checks a template.
pub(super) fn template(template: &Value, path: &str, report: &mut Report) {
    report.0.extend(names::labels(&template["metadata"]["labels"], &format!("{path}.labels")));
    check(&template["spec"], &format!("{path}.spec"), report);
}

/// Checks a pod's specification.
pub(super) fn check(spec: &Value, path: &str, report: &mut Report) {
    let at = |name: &str| format!("{path}.{name}");
    volumes(&spec["volumes"], &at("volumes"), report);
    let containers = list(&spec["containers"]);
    if containers.is_empty() {
        report.required(&at("containers"), "");
    }
    for (i, one) in containers.iter().enumerate() {
        let field = format!("{}[{i}]", at("containers"));
        container(one, &field, &spec["volumes"], report);
        if containers[..i].iter().any(|other| other["name"] == one["name"]) {
            report.duplicate(&format!("{field}.name"), &one["name"].to_string());
        }
    }
    for (i, one) in list(&spec["initContainers"]).iter().enumerate() {
        let field = format!("{}[{i}]", at("initContainers"));
        container(one, &field, &spec["volumes"], report);
        if containers.iter().any(|other| other["name"] == one["name"]) {
            report.duplicate(&format!("{field}.name"), &one["name"].to_string());
        }
    }
    report.one_of(&at("restartPolicy"), &spec["restartPolicy"], &["Always", "OnFailure", "Never"]);
    let known = ["ClusterFirstWithHostNet", "ClusterFirst", "Default", "None"];
    report.one_of(&at("dnsPolicy"), &spec["dnsPolicy"], &known);
    report.0.extend(names::labels(&spec["nodeSelector"], &at("nodeSelector")));
    for name in ["serviceAccountName", "nodeName"] {
        if !text(&spec[name]).is_empty() {
            report.form(&at(name), &spec[name], names::subdomain);
        }
    }
    if spec["activeDeadlineSeconds"].as_i64().is_some_and(|n| !(1..=i64::from(i32::MAX)).contains(&n)) {
        report.invalid(
            &at("activeDeadlineSeconds"),
            &spec["activeDeadlineSeconds"],
            "must be between 1 and 2147483647, inclusive",
        );
    }
    for name in ["hostname", "subdomain"] {
        if !text(&spec[name]).is_empty() {
            report.form(&at(name), &spec[name], names::label);
        }
    }
}

fn volumes(volumes: &Value, path: &str, report: &mut Report) {
    for (i, volume) in list(volumes).iter().enumerate() {
        let at = format!("{path}[{i}]");
        if text(&volume["name"]).is_empty() {
            report.required(&format!("{at}.name"), "");
        } else {
            report.form(&format!("{at}.name"), &volume["name"], names::label);
        }
        if list(volumes)[..i].iter().any(|other| other["name"] == volume["name"]) {
            report.duplicate(&format!("{at}.name"), &volume["name"].to_string());
        }
    }
}

fn container(container: &Value, path: &str, volumes: &Value, report: &mut Report) {
    let at = |name: &str| format!("{path}.{name}");
    if text(&container["name"]).is_empty() {
        report.required(&at("name"), "");
    } else {
        report.form(&at("name"), &container["name"], names::label);
    }
    if text(&container["image"]).is_empty() {
        report.required(&at("image"), "");
    } else if text(&container["image"]).trim() != text(&container["image"]) {
        report.invalid(&at("image"), &container["image"], "must not have leading or trailing whitespace");
    }
    report.some_of(
        &at("terminationMessagePolicy"),
        &container["terminationMessagePolicy"],
        "",
        &["FallbackToLogsOnError", "File"],
    );
    ports(&container["ports"], &at("ports"), report);
    report.some_of(&at("imagePullPolicy"), &container["imagePullPolicy"], "", &["Always", "IfNotPresent", "Never"]);
    for (i, mount) in list(&container["volumeMounts"]).iter().enumerate() {
        let field = format!("{}[{i}]", at("volumeMounts"));
        if text(&mount["name"]).is_empty() {
            report.required(&format!("{field}.name"), "");
        }
        if !list(volumes).iter().any(|v| v["name"] == mount["name"]) {
            let message = format!("Not found: {}", json!(text(&mount["name"])));
            report.0.push(crate::error::Cause {
                reason: "FieldValueNotFound",
                message,
                field: format!("{field}.name"),
            });
        }
        if text(&mount["mountPath"]).is_empty() {
            report.required(&format!("{field}.mountPath"), "");
        }
    }
}

fn ports(ports: &Value, path: &str, report: &mut Report) {
    for (i, port) in list(ports).iter().enumerate() {
        let at = |name: &str| format!("{path}[{i}].{name}");
        if port["containerPort"].as_i64().unwrap_or(0) == 0 {
            report.required(&at("containerPort"), "");
        } else {
            report.port(&at("containerPort"), &port["containerPort"]);
        }
        if port["hostPort"].as_i64().unwrap_or(0) != 0 {
            report.port(&at("hostPort"), &port["hostPort"]);
        }
        report.some_of(&at("protocol"), &port["protocol"], "", &["SCTP", "TCP", "UDP"]);
    }
}
