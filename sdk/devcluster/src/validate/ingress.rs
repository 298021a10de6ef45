//! Ingresses and their classes.

use serde_json::{Value, json};

use super::{Place, Report, job, list, text};
use crate::names;

/// Checks an Ingress.
pub(super) fn check(root: &Place<'_>, report: &mut Report) {
    let spec = root.of("spec");
    let rules = spec.of("rules");
    if list(rules.value).is_empty() && !spec.has("defaultBackend") {
        report.invalid(&spec.path, rules.value, "either `defaultBackend` or `rules` must be specified");
    }
    if spec.has("defaultBackend") {
        backend(&spec.of("defaultBackend"), report);
    }
    rules.each().for_each(|one| rule(&one, report));
    for tls in spec.each_of("tls") {
        for host in tls.each_of("hosts") {
            let form = if text(host.value).contains('*') { names::wildcard } else { names::subdomain };
            report.form(&host.path, host.value, form);
        }
        report.may_form(&tls.of("secretName"), names::subdomain);
    }
    let class = spec.of("ingressClassName");
    if !class.value.is_null() {
        report.form(&class.path, class.value, names::subdomain);
    }
    let annotation = "kubernetes.io/ingress.class";
    let said = &root.value["metadata"]["annotations"][annotation];
    if !said.is_null() && !class.value.is_null() && said != class.value {
        let why = "must match `ingressClassName` when both are specified";
        report.invalid(&format!("annotations.{annotation}"), said, why);
    }
}

fn rule(rule: &Place<'_>, report: &mut Report) {
    let host = rule.of("host");
    let said = text(host.value);
    if !said.is_empty() {
        if names::loose_address(said).is_some() {
            report.wrong(&host, "must be a DNS name, not an IP address");
        }
        let form = if said.contains('*') { names::wildcard } else { names::subdomain };
        report.form(&host.path, host.value, form);
    }
    let http = rule.of("http");
    if http.value.is_null() {
        return;
    }
    if list(&http.value["paths"]).is_empty() {
        report.required(&http.at("paths"), "");
    }
    http.each_of("paths").iter().for_each(|one| path(one, report));
}

fn path(rule: &Place<'_>, report: &mut Report) {
    let (kind, path) = (rule.of("pathType"), rule.of("path"));
    let said = text(path.value);
    if kind.value.is_null() {
        return report.required(&kind.path, "pathType must be specified");
    }
    match text(kind.value) {
        "Exact" | "Prefix" => {
            if !said.starts_with('/') {
                report.wrong_text(&path, "must be an absolute path");
            }
            for part in ["//", "/./", "/../", "%2f", "%2F"].iter().filter(|part| said.contains(*part)) {
                report.wrong(&path, &format!("must not contain '{part}'"));
            }
            for end in ["/..", "/."].iter().filter(|end| said.ends_with(*end)) {
                report.wrong(&path, &format!("cannot end with '{end}'"));
            }
        }
        "ImplementationSpecific" => {
            if !said.is_empty() && !said.starts_with('/') {
                report.wrong(&path, "must be an absolute path");
            }
        }
        _ => report.word(&kind, &["Exact", "ImplementationSpecific", "Prefix"]),
    }
    backend(&rule.of("backend"), report);
}

fn backend(backend: &Place<'_>, report: &mut Report) {
    let mut refuse = |why: &str| report.invalid(&backend.path, &json!(""), why);
    let (resource, service) = (backend.of("resource"), backend.of("service"));
    match (resource.value.is_null(), service.value.is_null()) {
        (false, false) => return refuse("cannot set both resource and service backends"),
        (true, true) => return refuse("resource or service backend is required"),
        (false, true) => return reference(&resource, report),
        (true, false) => {}
    }
    report.need_form(&service.of("name"), names::label);
    let port = service.of("port");
    let (name, number) = (port.text("name"), port.number("number").unwrap_or(0));
    match (name.is_empty(), number) {
        (false, 1..) | (false, ..0) => {
            report.invalid(&backend.path, &json!(""), "cannot set both port name & port number");
        }
        (false, 0) => report.form(&port.at("name"), &port.value["name"], names::port),
        (true, 0) => report.required(&backend.path, "port name or number is required"),
        (true, _) => report.port(&port.at("number"), &port.value["number"]),
    }
}

fn reference(place: &Place<'_>, report: &mut Report) {
    if place.has("apiGroup") {
        report.form(&place.at("apiGroup"), &place.value["apiGroup"], names::subdomain);
    }
    report.need_form(&place.of("kind"), names::segment);
    report.need_form(&place.of("name"), names::segment);
}

/// Checks the specification of an IngressClass.
pub(super) fn class(spec: &Place<'_>, report: &mut Report) {
    let controller = spec.of("controller");
    if text(controller.value).len() > 250 {
        report.too_long(&controller.path, 250);
    }
    job::domain_path(&controller, report);
    let parameters = spec.of("parameters");
    if parameters.value.is_null() {
        return;
    }
    reference(&parameters, report);
    let (scope, namespace) = (parameters.of("scope"), parameters.of("namespace"));
    match (scope.value, namespace.value) {
        (Value::Null, _) => report.required(&scope.path, ""),
        (kind, Value::Null) if kind == "Namespace" => {
            report.required(&namespace.path, "`parameters.scope` is set to 'Namespace'");
        }
        (kind, _) if kind == "Namespace" => report.form(&namespace.path, namespace.value, names::label),
        (kind, Value::String(_)) if kind == "Cluster" => {
            report.forbidden(&namespace.path, "`parameters.scope` is set to 'Cluster'");
        }
        _ => report.word(&scope, &["Cluster", "Namespace"]),
    }
}
