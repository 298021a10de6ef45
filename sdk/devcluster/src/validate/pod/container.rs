//! The containers of a pod, whatever their kind.

use serde_json::{Value, json};

use super::{Place, Report, Whole, env, list, probe, resources, security, text};
use crate::names;

/// Checks the containers of a pod.
pub(super) fn all(whole: &Whole<'_>, place: &Place<'_>, report: &mut Report) {
    if list(&whole.spec["containers"]).is_empty() {
        report.required(&place.at("containers"), "");
    }
    let mut names = Vec::new();
    for container in place.each_of("containers") {
        common(whole, &container, report);
        unique(&container, &mut names, report);
        probe::all(whole.spec, &container, report);
        restarts(&container, report);
    }
    host_ports(&place.each_of("containers"), report);
    for container in place.each_of("initContainers") {
        initial(whole, &container, &mut names, report);
    }
    ephemeral(whole, place, &mut names, report);
}

fn unique<'a>(container: &Place<'a>, names: &mut Vec<&'a str>, report: &mut Report) {
    let name = container.text("name");
    if names.contains(&name) {
        report.duplicate(&container.at("name"), &json!(name).to_string());
    } else {
        names.push(name);
    }
}

/// A container that runs before the others, or beside them if it is always restarted.
fn initial<'a>(whole: &Whole<'_>, container: &Place<'a>, names: &mut Vec<&'a str>, report: &mut Report) {
    common(whole, container, report);
    restarts(container, report);
    unique(container, names, report);
    host_ports(std::slice::from_ref(container), report);
    let beside = container.text("restartPolicy") == "Always";
    if beside {
        return probe::all(whole.spec, container, report);
    }
    for field in ["lifecycle", "livenessProbe", "readinessProbe", "startupProbe"] {
        if container.has(field) {
            report.forbidden(&container.at(field), "may not be set for init containers without restartPolicy=Always");
        }
    }
    for policy in container.each_of("resizePolicy").iter().filter(|p| p.text("restartPolicy") == "RestartContainer") {
        let why = "must not be set to 'RestartContainer' for non-sidecar initContainers";
        report.wrong(&policy.of("restartPolicy"), why);
    }
}

fn ephemeral<'a>(whole: &Whole<'a>, place: &Place<'a>, names: &mut Vec<&'a str>, report: &mut Report) {
    let others = names.clone();
    for container in place.each_of("ephemeralContainers") {
        common(whole, &container, report);
        let image = container.of("image");
        if text(image.value).trim() != text(image.value) {
            report.wrong(&image, "must not have leading or trailing whitespace");
        }
        unique(&container, names, report);
        let target = container.text("targetContainerName");
        if !target.is_empty() && !others.contains(&target) {
            report.not_found(&container.at("targetContainerName"), target);
        }
        let why = "cannot be set for an Ephemeral Container";
        for field in [
            "ports",
            "resources",
            "resizePolicy",
            "restartPolicy",
            "restartPolicyRules",
            "livenessProbe",
            "readinessProbe",
            "startupProbe",
            "lifecycle",
        ] {
            let value = &container.value[field];
            let empty = value.is_null() || value == &json!({}) || value == &json!([]);
            if !empty {
                report.forbidden(&container.at(field), why);
            }
        }
        for mount in container.each_of("volumeMounts") {
            for field in ["subPath", "subPathExpr"].iter().filter(|f| !mount.text(f).is_empty()) {
                report.forbidden(&mount.at(field), why);
            }
        }
    }
}

/// What holds for containers of every kind.
fn common(whole: &Whole<'_>, container: &Place<'_>, report: &mut Report) {
    report.need_form(&container.of("name"), names::label);
    report.need(&container.of("image"));
    report.need_word(&container.of("terminationMessagePolicy"), &["File", "FallbackToLogsOnError"]);
    ports(&container.of("ports"), report);
    env::variables(&container.of("env"), report);
    env::sources(&container.of("envFrom"), report);
    mounts(whole, container, report);
    devices(whole, container, report);
    report.need_word(&container.of("imagePullPolicy"), &["Always", "IfNotPresent", "Never"]);
    resources::of_container(whole.spec, &container.of("resources"), report);
    resizes(whole.spec, &container.of("resizePolicy"), report);
    security::of_container(whole.spec, &container.of("securityContext"), report);
}

fn ports(ports: &Place<'_>, report: &mut Report) {
    let mut seen = Vec::new();
    for port in ports.each() {
        let name = port.of("name");
        if !text(name.value).is_empty() {
            let before = report.0.len();
            report.form(&name.path, name.value, names::port);
            if report.0.len() == before && seen.contains(&name.value) {
                report.duplicate(&name.path, &name.value.to_string());
            }
            seen.push(name.value);
        }
        if port.number("containerPort").unwrap_or(0) == 0 {
            report.required(&port.at("containerPort"), "");
        } else {
            report.port(&port.at("containerPort"), &port.value["containerPort"]);
        }
        if port.number("hostPort").unwrap_or(0) != 0 {
            report.port(&port.at("hostPort"), &port.value["hostPort"]);
        }
        report.need_word(&port.of("protocol"), &["SCTP", "TCP", "UDP"]);
    }
}

fn host_ports(containers: &[Place<'_>], report: &mut Report) {
    let mut seen = Vec::new();
    for port in containers.iter().flat_map(|c| c.each_of("ports")) {
        let number = port.number("hostPort").unwrap_or(0);
        let taken = format!("{}/{}/{number}", port.text("protocol"), port.text("hostIP"));
        if number == 0 {
            continue;
        }
        if seen.contains(&taken) {
            report.duplicate(&port.at("hostPort"), &json!(taken).to_string());
        }
        seen.push(taken);
    }
}

/// A path below something: neither absolute nor upwards.
pub(super) fn descending(field: &str, value: &Value, report: &mut Report) {
    if text(value).starts_with('/') {
        report.invalid(field, value, "must be a relative path");
    }
    no_steps_back(field, value, report);
}

pub(super) fn no_steps_back(field: &str, value: &Value, report: &mut Report) {
    if text(value).split('/').any(|part| part == "..") {
        report.invalid(field, value, "must not contain '..'");
    }
}

fn mounts(whole: &Whole<'_>, container: &Place<'_>, report: &mut Report) {
    let (all, devices) = (container.of("volumeMounts"), list(&container.value["volumeDevices"]));
    let mut points = Vec::new();
    for mount in all.each() {
        let (name, path) = (mount.text("name"), mount.text("mountPath"));
        report.need(&mount.of("name"));
        if !whole.volumes.iter().any(|(known, _)| *known == name) {
            report.not_found(&mount.at("name"), name);
        }
        report.need(&mount.of("mountPath"));
        if points.contains(&path) {
            report.invalid(&mount.at("mountPath"), &json!(path), "must be unique");
        }
        points.push(path);
        if devices.iter().any(|d| d["name"] == name) {
            report.invalid(&mount.at("name"), &json!(name), "must not already exist in volumeDevices");
        }
        if devices.iter().any(|d| d["devicePath"] == path) {
            let why = "must not already exist as a path in volumeDevices";
            report.invalid(&mount.at("mountPath"), &json!(path), why);
        }
        descending(&all.at("subPath"), &mount.value["subPath"], report);
        if !mount.text("subPathExpr").is_empty() {
            if !mount.text("subPath").is_empty() {
                report.wrong(&mount.of("subPathExpr"), "subPathExpr and subPath are mutually exclusive");
            }
            descending(&all.at("subPathExpr"), &mount.value["subPathExpr"], report);
        }
        propagation(container, &all, &mount, report);
    }
}

fn propagation(container: &Place<'_>, all: &Place<'_>, mount: &Place<'_>, report: &mut Report) {
    let (mode, field) = (&mount.value["mountPropagation"], all.at("mountPropagation"));
    report.one_of(&field, mode, &["Bidirectional", "HostToContainer", "None"]);
    if mode == "Bidirectional" && container.value["securityContext"]["privileged"] != true {
        report.forbidden(&field, "Bidirectional mount propagation is available only to privileged containers");
    }
    let field = all.at("recursiveReadOnly");
    match mount.text("recursiveReadOnly") {
        "Enabled" | "IfPossible" => {
            if mount.value["readOnly"] != true {
                report.forbidden(&field, "may only be specified when readOnly is true");
            }
            if !mode.is_null() && mode != "None" {
                report.forbidden(&field, "may only be specified when mountPropagation is None or not specified");
            }
        }
        _ => report.one_of(&field, &mount.value["recursiveReadOnly"], &["Disabled", "Enabled", "IfPossible"]),
    }
}

fn devices(whole: &Whole<'_>, container: &Place<'_>, report: &mut Report) {
    let mounts = list(&container.value["volumeMounts"]);
    let (mut names, mut paths) = (Vec::new(), Vec::new());
    for device in container.each_of("volumeDevices") {
        let (name, path) = (device.of("name"), device.of("devicePath"));
        let (called, at) = (text(name.value), text(path.value));
        report.need(&name);
        if names.contains(&called) {
            report.wrong_text(&name, "must be unique");
        }
        match whole.volumes.iter().find(|(known, _)| *known == called) {
            None => report.not_found(&name.path, called),
            Some((_, volume)) if volume["persistentVolumeClaim"].is_null() && volume["ephemeral"].is_null() => {
                let why = "can only use volume source type of PersistentVolumeClaim or Ephemeral for block mode";
                report.wrong_text(&name, why);
            }
            Some(_) => {}
        }
        report.need(&path);
        if paths.contains(&at) {
            report.wrong_text(&path, "must be unique");
        }
        if at.split('/').any(|part| part == "..") {
            report.wrong_text(&path, "can not contain backsteps ('..')");
        } else {
            paths.push(at);
        }
        if mounts.iter().any(|m| m["name"] == called) {
            report.wrong_text(&name, "must not already exist in volumeMounts");
        }
        if mounts.iter().any(|m| m["mountPath"] == at) {
            report.wrong_text(&path, "must not already exist as a path in volumeMounts");
        }
        if !called.is_empty() {
            names.push(called);
        }
    }
}

fn resizes(spec: &Value, policies: &Place<'_>, report: &mut Report) {
    let mut seen = Vec::new();
    for policy in policies.each() {
        let name = policy.text("resourceName");
        if seen.contains(&name) {
            report.duplicate(&policy.path, &json!(name).to_string());
        }
        seen.push(name);
        report.some_of(&policies.path, &policy.value["resourceName"], "", &["cpu", "memory"]);
        report.some_of(&policies.path, &policy.value["restartPolicy"], "", &["NotRequired", "RestartContainer"]);
        if spec["restartPolicy"] == "Never" && policy.text("restartPolicy") != "NotRequired" {
            let why = "must be 'NotRequired' when pod `restartPolicy` is 'Never'";
            report.invalid(&policies.path, &json!(policy.text("restartPolicy")), why);
        }
    }
}

/// When a container is started again, where it says so itself.
fn restarts(container: &Place<'_>, report: &mut Report) {
    let (policy, rules) = (container.of("restartPolicy"), container.of("restartPolicyRules"));
    let count = list(rules.value).len();
    if !policy.value.is_null() {
        report.word(&policy, &["Always", "Never", "OnFailure"]);
    } else if count > 0 {
        report.required(&policy.path, "must specify restartPolicy when restart rules are used");
    }
    if count > 20 {
        report.too_many(&rules.path, count, 20);
    }
    for rule in rules.each() {
        report.any_of(&rule.of("action"), &["Restart", "RestartAllContainers"]);
        let codes = rule.of("exitCodes");
        if codes.value.is_null() {
            report.required(&codes.path, "must be specified");
            continue;
        }
        report.any_of(&codes.of("operator"), &["In", "NotIn"]);
        let count = list(&codes.value["values"]).len();
        if count > 255 {
            report.too_many(&codes.at("values"), count, 255);
        }
    }
}
