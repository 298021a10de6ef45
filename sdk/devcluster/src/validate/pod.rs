//! Pods and the templates of pods.

pub(super) mod change;
mod container;
mod env;
pub(super) mod placement;
mod probe;
pub(super) mod resources;
mod security;
pub(super) mod volume;
pub(super) mod warnings;

use serde_json::{Value, json};

use super::{Place, Report, list, text};
use crate::names;

/// What holds for a whole pod while its parts are checked.
struct Whole<'a> {
    spec: &'a Value,
    /// The names of the volumes that are right.
    volumes: Vec<(&'a str, &'a Value)>,
}

/// Checks a template.
pub(super) fn template(template: &Value, path: &str, report: &mut Report) {
    let place = Place::new(template, path);
    let meta = &template["metadata"];
    report.0.extend(names::labels(&meta["labels"], &place.at("labels")));
    report.0.extend(names::annotations(&meta["annotations"], &place.at("annotations")));
    annotations(&template["spec"], &Place::new(&meta["annotations"], place.at("annotations")), report);
    spec(&place.of("spec"), "", false, report);
    if !list(&template["spec"]["ephemeralContainers"]).is_empty() {
        report.forbidden(&place.at("spec.ephemeralContainers"), "ephemeral containers not allowed in pod template");
    }
}

/// Checks a pod; a new one may have less.
pub(super) fn pod(object: &Value, new: bool, report: &mut Report) {
    let whole = Place::new(object, "").of("spec");
    annotations(whole.value, &Place::new(&object["metadata"]["annotations"], "metadata.annotations"), report);
    spec(&whole, text(&object["metadata"]["name"]), true, report);
    if whole.text("serviceAccountName").is_empty() {
        for volume in whole.each_of("volumes") {
            for source in volume.of("projected").each_of("sources").iter().filter(|s| s.has("serviceAccountToken")) {
                let why = "must not be specified when serviceAccountName is not set";
                report.forbidden(&source.at("serviceAccountToken"), why);
            }
        }
    }
    for container in ["containers", "initContainers"].into_iter().flat_map(|list| whole.each_of(list)) {
        let image = container.of("image");
        if text(image.value).trim() != text(image.value) {
            report.wrong(&image, "must not have leading or trailing whitespace");
        }
    }
    if new && !list(&whole.value["ephemeralContainers"]).is_empty() {
        report.forbidden("spec.ephemeralContainers", "cannot be set on create");
    }
    if new && !whole.text("nodeName").is_empty() && !list(&whole.value["schedulingGates"]).is_empty() {
        report.forbidden("spec.nodeName", "cannot be set until all schedulingGates have been cleared");
    }
}

fn annotations(spec: &Value, place: &Place<'_>, report: &mut Report) {
    const MIRROR: &str = "kubernetes.io/config.mirror";
    const COST: &str = "controller.kubernetes.io/pod-deletion-cost";
    if place.has(MIRROR) && text(&spec["nodeName"]).is_empty() {
        let value = &place.value[MIRROR];
        report.invalid(
            &format!("{}[{MIRROR}]", place.path),
            value,
            "must set spec.nodeName if mirror pod annotation is set",
        );
    }
    let cost = place.text(COST);
    let canonical = |text: &str| text.parse::<i32>().is_ok_and(|n| n.to_string() == text);
    if place.has(COST) && !canonical(cost) {
        report.invalid(&format!("{}[{COST}]", place.path), &json!(cost), "must be a 32bit integer");
    }
}

/// Checks a pod's specification, in the order of kube-apiserver.
fn spec(place: &Place<'_>, name: &str, alone: bool, report: &mut Report) {
    let spec = place.value;
    if spec["terminationGracePeriodSeconds"].is_null() {
        report.required(&place.at("terminationGracePeriodSeconds"), "");
    }
    let volumes = volume::check(&place.of("volumes"), name, alone, report);
    let whole = Whole { spec, volumes };
    resources::claims(&place.of("resourceClaims"), report);
    container::all(&whole, place, report);
    resources::of_pod(place, report);
    host_ports(place, alone, report);
    report.need_word(&place.of("restartPolicy"), &["Always", "OnFailure", "Never"]);
    report.need_word(&place.of("dnsPolicy"), &["ClusterFirstWithHostNet", "ClusterFirst", "Default", "None"]);
    report.0.extend(names::labels(&spec["nodeSelector"], &place.at("nodeSelector")));
    security::of_pod(place, report);
    placement::affinity(&place.of("affinity"), report);
    dns(place, report);
    for gate in place.each_of("readinessGates") {
        report.form(&gate.at("conditionType"), &gate.value["conditionType"], names::label_key);
    }
    gates(&place.of("schedulingGates"), report);
    placement::spread(&place.of("topologySpreadConstraints"), report);
    users(place, report);
    host_name(place, report);
    report.may_form(&place.of("serviceAccountName"), names::subdomain);
    report.may_form(&place.of("nodeName"), names::subdomain);
    if place.number("activeDeadlineSeconds").is_some_and(|n| !(1..=i64::from(i32::MAX)).contains(&n)) {
        report.wrong(&place.of("activeDeadlineSeconds"), "must be between 1 and 2147483647, inclusive");
    }
    report.may_form(&place.of("hostname"), names::label);
    report.may_form(&place.of("subdomain"), names::label);
    placement::tolerations(&place.of("tolerations"), report);
    for alias in place.each_of("hostAliases") {
        report.form(&alias.at("ip"), &alias.value["ip"], names::address);
        alias.each_of("hostnames").iter().for_each(|host| report.form(&host.path, host.value, names::subdomain));
    }
    report.may_form(&place.of("priorityClassName"), names::subdomain);
    if place.has("runtimeClassName") {
        report.form(&place.at("runtimeClassName"), &spec["runtimeClassName"], names::subdomain);
    }
    if place.has("preemptionPolicy") {
        report.need_word(&place.of("preemptionPolicy"), &["PreemptLowerPriority", "Never"]);
    }
    if place.has("overhead") {
        resources::overhead(&place.of("overhead"), report);
    }
    security::by_system(place, report);
    env::files(&whole, place, report);
}

/// All containers of a pod, in the order in which rules for all of them are applied.
fn containers<'a>(place: &Place<'a>) -> Vec<Place<'a>> {
    ["initContainers", "containers", "ephemeralContainers"].into_iter().flat_map(|list| place.each_of(list)).collect()
}

/// On the host's network a container's ports are those of the host.
fn host_ports(place: &Place<'_>, alone: bool, report: &mut Report) {
    if place.value["hostNetwork"] != true {
        return;
    }
    for port in place.each_of("containers").iter().flat_map(|c| c.each_of("ports")) {
        let (host, own) = (port.number("hostPort").unwrap_or(0), port.number("containerPort").unwrap_or(0));
        if (alone || host != 0) && host != own {
            let why = "must match `containerPort` when `hostNetwork` is true";
            report.invalid(&port.at("hostPort"), &json!(host), why);
        }
    }
}

fn dns(place: &Place<'_>, report: &mut Report) {
    let config = place.of("dnsConfig");
    if place.text("dnsPolicy") == "None" {
        if config.value.is_null() {
            return report.required(&config.path, "must provide `dnsConfig` when `dnsPolicy` is None");
        }
        if list(&config.value["nameservers"]).is_empty() {
            let why = "must provide at least one DNS nameserver when `dnsPolicy` is None";
            return report.required(&config.at("nameservers"), why);
        }
    }
    let (servers, searches) = (config.of("nameservers"), config.of("searches"));
    if list(servers.value).len() > 3 {
        report.wrong(&servers, "must not have more than 3 nameservers");
    }
    servers.each().for_each(|server| report.form(&server.path, server.value, names::address));
    if list(searches.value).len() > 32 {
        report.wrong(&searches, "must not have more than 32 search paths");
    }
    let length: usize = list(searches.value).iter().map(|s| text(s).len() + 1).sum();
    if length > 2049 {
        report.wrong(&searches, "must not have more than 2048 characters (including spaces) in the search list");
    }
    for search in searches.each().filter(|s| text(s.value) != ".") {
        let name = text(search.value).strip_suffix('.').unwrap_or(text(search.value));
        report.form(&search.path, &json!(name), names::underscored);
    }
    for option in config.each_of("options").iter().filter(|o| o.text("name").is_empty()) {
        report.required(&option.path, "must not be empty");
    }
}

fn gates(gates: &Place<'_>, report: &mut Report) {
    let mut seen = Vec::new();
    for gate in gates.each() {
        let name = gate.text("name");
        report.form(&gate.path, &gate.value["name"], names::label_key);
        if seen.contains(&name) {
            report.duplicate(&gate.path, &json!(name).to_string());
        }
        seen.push(name);
    }
}

fn users(place: &Place<'_>, report: &mut Report) {
    if place.value["hostUsers"] != false {
        return;
    }
    for (field, shown) in [("hostNetwork", "hostNetwork"), ("hostPID", "HostPID"), ("hostIPC", "HostIPC")] {
        if place.value[field] == true {
            report.forbidden(&place.at(shown), "when `hostUsers` is false");
        }
    }
    for container in containers(place).iter().filter(|c| !list(&c.value["volumeDevices"]).is_empty()) {
        report.forbidden(&container.at("volumeDevices"), "when `hostUsers` is false");
    }
}

fn host_name(place: &Place<'_>, report: &mut Report) {
    let name = place.of("hostnameOverride");
    if name.value.is_null() {
        return;
    }
    if place.value["setHostnameAsFQDN"] == true {
        report.forbidden(&name.path, "may not be specified when setHostnameAsFQDN is true");
    }
    if place.value["hostNetwork"] == true {
        report.forbidden(&name.path, "may not be specified when hostNetwork is true");
    }
    if text(name.value).len() > 64 {
        report.too_long(&name.path, 64);
    }
    report.form(&name.path, name.value, names::subdomain);
}
