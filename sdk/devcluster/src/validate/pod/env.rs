//! The environment of containers.

use serde_json::json;

use super::container::no_steps_back;
use super::{Place, Report, Whole, list, text};
use crate::names;
use crate::quantity::Quantity;

const FIELDS: [&str; 9] = [
    "metadata.name",
    "metadata.namespace",
    "metadata.uid",
    "spec.nodeName",
    "spec.serviceAccountName",
    "status.hostIP",
    "status.hostIPs",
    "status.podIP",
    "status.podIPs",
];
const IN_VOLUMES: [&str; 5] =
    ["metadata.annotations", "metadata.labels", "metadata.name", "metadata.namespace", "metadata.uid"];
const RESOURCES: [&str; 6] = [
    "limits.cpu",
    "limits.ephemeral-storage",
    "limits.memory",
    "requests.cpu",
    "requests.ephemeral-storage",
    "requests.memory",
];
const SIZES: [&str; 13] = ["1", "1k", "1M", "1G", "1T", "1P", "1E", "1Ki", "1Mi", "1Gi", "1Ti", "1Pi", "1Ei"];

pub(super) fn variables(all: &Place<'_>, report: &mut Report) {
    for variable in all.each() {
        report.need_form(&variable.of("name"), names::variable);
        if variable.has("valueFrom") {
            value_from(&variable, report);
        }
    }
}

fn value_from(variable: &Place<'_>, report: &mut Report) {
    let from = variable.of("valueFrom");
    let kinds = ["fieldRef", "resourceFieldRef", "configMapKeyRef", "secretKeyRef", "fileKeyRef"];
    for kind in kinds.into_iter().filter(|kind| from.has(kind)) {
        let source = from.of(kind);
        match kind {
            "fieldRef" => field(&source, &FIELDS, report),
            "resourceFieldRef" => resource(&source, false, report),
            "fileKeyRef" => file(&source, report),
            _ => key(&source, report),
        }
    }
    let count = kinds.iter().filter(|kind| from.has(kind)).count();
    let why = match (count, variable.text("value").is_empty()) {
        (0, _) => {
            "must specify one of: `fieldRef`, `resourceFieldRef`, `configMapKeyRef`, `secretKeyRef` or `fileKeyRef`"
        }
        (_, false) => "may not be specified when `value` is not empty",
        (1, true) => return,
        _ => "may not have more than one field specified at a time",
    };
    report.invalid(&from.path, &json!(""), why);
}

fn key(source: &Place<'_>, report: &mut Report) {
    report.form(&source.at("name"), &source.value["name"], names::subdomain);
    report.need_form(&source.of("key"), names::config_key);
}

fn file(source: &Place<'_>, report: &mut Report) {
    report.need_form(&source.of("key"), names::variable);
    report.need_form(&source.of("volumeName"), names::label);
    if report.need(&source.of("path")) {
        no_steps_back(&source.at("path"), &source.value["path"], report);
    }
}

/// A reference to a field of the pod in a volume.
pub(super) fn in_volume(source: &Place<'_>, report: &mut Report) {
    field(source, &IN_VOLUMES, report);
}

fn field(source: &Place<'_>, known: &[&str], report: &mut Report) {
    let path = source.of("fieldPath");
    if !report.need(&source.of("apiVersion")) || !report.need(&path) {
        return;
    }
    let said = text(path.value);
    let subscript = said.strip_suffix("']").and_then(|t| t.split_once("['"));
    let more = ["metadata.annotations", "metadata.labels", "spec.restartPolicy", "spec.schedulerName", "status.phase"];
    let why = match subscript {
        _ if source.text("apiVersion") != "v1" => format!("unsupported pod version: {}", source.text("apiVersion")),
        Some(("metadata.annotations", key)) => {
            return report.form(&source.path, &json!(key.to_lowercase()), names::label_key);
        }
        Some(("metadata.labels", key)) => return report.form(&source.path, &json!(key), names::label_key),
        Some(_) => format!("field label does not support subscript: {said}"),
        None if said == "spec.host" || more.contains(&said) || FIELDS.contains(&said) => {
            let said = if said == "spec.host" { "spec.nodeName" } else { said };
            if !known.contains(&said) {
                report.unsupported(&path.path, &json!(said).to_string(), known);
            }
            return;
        }
        None => format!("field label not supported: {said}"),
    };
    report.wrong(&path, &format!("error converting fieldPath: {why}"));
}

/// A reference to an amount of a container.
pub(super) fn resource(source: &Place<'_>, volume: bool, report: &mut Report) {
    let name = source.text("resource");
    let pages = name.starts_with("limits.hugepages-") || name.starts_with("requests.hugepages-");
    if volume && source.text("containerName").is_empty() {
        report.required(&source.at("containerName"), "");
    } else if name.is_empty() {
        report.required(&source.at("resource"), "");
    } else if !RESOURCES.contains(&name) && !pages {
        report.unsupported(&source.at("resource"), &json!(name).to_string(), &RESOURCES);
    }
    let divisor = Quantity::parse(source.text("divisor")).filter(|d| !d.is_zero()).map(Quantity::canonical);
    let Some(divisor) = divisor else { return };
    let sizes = SIZES.contains(&divisor.as_str());
    let kind = match name {
        "limits.cpu" | "requests.cpu" if !["1m", "1"].contains(&divisor.as_str()) => {
            let why = "only divisor's values 1m and 1 are supported with the cpu resource";
            return report.invalid(&source.at("divisor"), &json!(name), why);
        }
        "limits.memory" | "requests.memory" if !sizes => "memory",
        "limits.ephemeral-storage" | "requests.ephemeral-storage" if !sizes => "local ephemeral storage",
        _ if pages && !sizes => "hugepages",
        _ => return,
    };
    let why = format!("only divisor's values {} are supported with the {kind} resource", SIZES.join(", "));
    report.invalid(&source.at("divisor"), &json!(name), &why);
}

pub(super) fn sources(all: &Place<'_>, report: &mut Report) {
    for source in all.each() {
        report.may_form(&source.of("prefix"), names::variable);
        let kinds = ["configMapRef", "secretRef"];
        for kind in kinds.iter().filter(|kind| source.has(kind)) {
            report.need_form(&source.of(kind).of("name"), names::subdomain);
        }
        match kinds.iter().filter(|kind| source.has(kind)).count() {
            0 => report.invalid(&all.path, &json!(""), "must specify one of: `configMapRef` or `secretRef`"),
            1 => {}
            _ => report.invalid(&all.path, &json!(""), "may not have more than one field specified at a time"),
        }
    }
}

/// Variables out of files: those lie in volumes of the pod's own.
pub(super) fn files(whole: &Whole<'_>, place: &Place<'_>, report: &mut Report) {
    for variable in super::containers(place).iter().flat_map(|c| c.each_of("env")) {
        let volume = variable.of("valueFrom").of("fileKeyRef").of("volumeName");
        if !variable.of("valueFrom").has("fileKeyRef") {
            continue;
        }
        match list(&whole.spec["volumes"]).iter().find(|v| text(&v["name"]) == text(volume.value)) {
            None => report.not_found(&volume.path, text(volume.value)),
            Some(found) if found["emptyDir"].is_null() => {
                report.wrong_text(&volume, "referenced volume must be of type emptyDir");
            }
            Some(_) => {}
        }
    }
}
