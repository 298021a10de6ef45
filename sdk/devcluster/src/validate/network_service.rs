//! Services.

use serde_json::{Value, json};

use super::{Place, Report, list, text};
use crate::go::structs;
use crate::names;

const TYPES: [&str; 4] = ["ClusterIP", "ExternalName", "LoadBalancer", "NodePort"];

fn is_headless(spec: &Value) -> bool {
    spec["clusterIPs"] == json!(["None"]) || spec["clusterIP"] == "None"
}

fn is_outside(spec: &Value) -> bool {
    let kind = text(&spec["type"]);
    matches!(kind, "LoadBalancer" | "NodePort") || kind == "ClusterIP" && !list(&spec["externalIPs"]).is_empty()
}

fn needs_health_check(spec: &Value) -> bool {
    spec["type"] == "LoadBalancer" && spec["externalTrafficPolicy"] == "Local"
}

/// Checks a service.
pub(super) fn check(object: &Value, report: &mut Report) {
    let spec = Place::new(&object["spec"], "spec");
    hints(&object["metadata"]["annotations"], report);
    let (kind, ports) = (spec.text("type"), spec.each_of("ports"));
    let headless = is_headless(spec.value);
    if ports.is_empty() && !headless && kind != "ExternalName" {
        report.required("spec.ports", "");
    }
    match kind {
        "LoadBalancer" | "NodePort" if headless => {
            let why = format!("may not be set to 'None' for {kind} services");
            report.invalid("spec.clusterIPs[0]", &json!("None"), &why);
        }
        "ExternalName" => external(&spec, report),
        _ => {}
    }
    let mut names = Vec::new();
    for one in &ports {
        port(one, ports.len() > 1, &mut names, report);
    }
    report.0.extend(names::labels(&spec.value["selector"], "spec.selector"));
    affinity(&spec, report);
    if kind != "ExternalName" {
        addresses(&spec, report);
    }
    for address in spec.each_of("externalIPs") {
        let before = report.0.len();
        report.form(&address.path, address.value, names::address);
        if report.0.len() == before {
            report.form(&address.path, address.value, names::endpoint_address);
        }
    }
    report.need_word(&spec.of("type"), &TYPES);
    twice(&spec, &ports, report);
    balancer(object, &spec, report);
    traffic(&spec, report);
}

fn hints(annotations: &Value, report: &mut Report) {
    let (hints, mode) = ("service.kubernetes.io/topology-aware-hints", "service.kubernetes.io/topology-mode");
    let (old, new) = (&annotations[hints], &annotations[mode]);
    if !old.is_null() && !new.is_null() && old != new {
        let why = format!("must match annotations[{hints}] when both are specified");
        report.invalid(&format!("metadata.annotations[{mode}]"), new, &why);
    }
}

fn external(spec: &Place<'_>, report: &mut Report) {
    let why = "may not be set for ExternalName services";
    for field in ["clusterIPs", "ipFamilies"].iter().filter(|f| !list(&spec.value[**f]).is_empty()) {
        report.forbidden(&spec.at(field), why);
    }
    if spec.has("ipFamilyPolicy") {
        report.forbidden(&spec.at("ipFamilyPolicy"), why);
    }
    let name = spec.text("externalName");
    let name = name.strip_suffix('.').unwrap_or(name);
    if name.is_empty() {
        report.required(&spec.at("externalName"), "");
    } else {
        report.form(&spec.at("externalName"), &json!(name), names::subdomain);
    }
}

fn port<'a>(port: &Place<'a>, named: bool, names: &mut Vec<&'a str>, report: &mut Report) {
    let name = port.text("name");
    if !name.is_empty() {
        report.form(&port.at("name"), &port.value["name"], names::label);
        if names.contains(&name) {
            report.duplicate(&port.at("name"), &json!(name).to_string());
        }
        names.push(name);
    } else if named {
        report.required(&port.at("name"), "");
    }
    report.port(&port.at("port"), &port.value["port"]);
    report.need_word(&port.of("protocol"), &["SCTP", "TCP", "UDP"]);
    report.port_or_name(&port.of("targetPort"));
    if port.has("appProtocol") {
        report.form(&port.at("appProtocol"), &port.value["appProtocol"], names::label_key);
    }
}

fn affinity(spec: &Place<'_>, report: &mut Report) {
    report.need_word(&spec.of("sessionAffinity"), &["ClientIP", "None"]);
    let config = spec.of("sessionAffinityConfig");
    match spec.text("sessionAffinity") {
        "ClientIP" => {
            let client = config.of("clientIP");
            let seconds = client.of("timeoutSeconds");
            match [&config, &client, &seconds].into_iter().find(|place| place.value.is_null()) {
                Some(missing) => report.required(&missing.path, "when session affinity type is ClientIP"),
                None if seconds.value.as_i64().is_some_and(|n| !(1..=86400).contains(&n)) => {
                    report.wrong(&seconds, "must be greater than 0 and less than 86400");
                }
                None => {}
            }
        }
        "None" if !config.value.is_null() => {
            report.forbidden(&config.path, "must not be set when session affinity is None");
        }
        _ => {}
    }
}

/// The addresses and their families.
pub(crate) fn addresses(spec: &Place<'_>, report: &mut Report) {
    let all = spec.of("clusterIPs");
    let (first, own) = (list(all.value).first().map(text), spec.text("clusterIP"));
    match (own.is_empty(), first) {
        (false, None) => report.required(&all.path, ""),
        (false, Some(first)) if first != own => report.wrong(&all, "first value must match `clusterIP`"),
        (true, Some(_)) => report.wrong(&all, "must be empty when `clusterIP` is not specified"),
        _ => {}
    }
    let families = spec.of("ipFamilies");
    let mut seen = Vec::new();
    for family in families.each() {
        report.word(&family, &["IPv4", "IPv6"]);
        if seen.contains(&family.value) {
            report.duplicate(&family.path, &family.value.to_string());
        }
        seen.push(family.value);
    }
    report.word(&spec.of("ipFamilyPolicy"), &["PreferDualStack", "RequireDualStack", "SingleStack"]);
    let before = report.0.len();
    let count = list(all.value).len();
    for (i, address) in all.each().enumerate() {
        if i == 0 && *address.value == "None" {
            if count > 1 {
                report.wrong(&all, "'None' must be the first and only value");
            }
            continue;
        }
        report.form(&address.path, address.value, names::address);
    }
    let odd = report.0.len() > before;
    if count > 2 {
        report.wrong(&all, "may only hold up to 2 values");
    }
    if odd {
        return;
    }
    let newer = |address: &Value| text(address).contains(':');
    let both = list(all.value).iter().any(newer) && !list(all.value).iter().all(newer);
    if count > 1 && !both {
        report.wrong(&all, "may specify no more than one IP for each IP family");
    }
    if is_headless(spec.value) {
        return;
    }
    for (i, (address, family)) in all.each().zip(list(families.value)).enumerate() {
        let wanted = text(family);
        if (wanted == "IPv4" && newer(address.value)) || (wanted == "IPv6" && !newer(address.value)) {
            report.wrong(&address, &format!("expected an {wanted} value as indicated by `ipFamilies[{i}]`"));
        }
    }
}

/// Ports that stand twice.
fn twice(spec: &Place<'_>, ports: &[Place<'_>], report: &mut Report) {
    if spec.text("type") == "ClusterIP" {
        for port in ports.iter().filter(|port| port.number("nodePort").unwrap_or(0) != 0) {
            report.forbidden(&port.at("nodePort"), "may not be used when `type` is 'ClusterIP'");
        }
    }
    for (i, port) in ports.iter().enumerate() {
        let node = port.number("nodePort").unwrap_or(0);
        let same = |other: &Place<'_>| other.value["protocol"] == port.value["protocol"];
        if node != 0 && ports[..i].iter().any(|other| same(other) && other.number("nodePort") == Some(node)) {
            report.duplicate(&port.at("nodePort"), &node.to_string());
        }
    }
    for (i, port) in ports.iter().enumerate() {
        let same = |other: &Place<'_>| ["protocol", "port"].iter().all(|f| other.value[*f] == port.value[*f]);
        if ports[..i].iter().any(same) {
            let key = json!({"protocol": port.value["protocol"], "port": port.value["port"]});
            report.duplicate(&port.path, &structs::shown("core.ServicePort", &key));
        }
    }
}

fn balancer(object: &Value, spec: &Place<'_>, report: &mut Report) {
    const ANNOTATION: &str = "service.beta.kubernetes.io/load-balancer-source-ranges";
    let balanced = spec.text("type") == "LoadBalancer";
    let why = "may only be used when `type` is 'LoadBalancer'";
    let ranges = spec.each_of("loadBalancerSourceRanges");
    let said = &object["metadata"]["annotations"][ANNOTATION];
    if !ranges.is_empty() {
        if !balanced {
            report.forbidden("spec.LoadBalancerSourceRanges", why);
        }
        for (i, range) in ranges.iter().enumerate() {
            let field = format!("spec.LoadBalancerSourceRanges[{i}]");
            report.form(&field, &json!(text(range.value).trim()), names::range);
        }
    } else if !said.is_null() {
        let field = format!("metadata.annotations[{ANNOTATION}]");
        if !balanced {
            report.forbidden(&field, why);
        }
        for range in text(said).split(',').map(str::trim).filter(|_| !text(said).trim().is_empty()) {
            report.form(&field, &json!(range), names::range);
        }
    }
    if spec.has("allocateLoadBalancerNodePorts") && !balanced {
        report.forbidden(&spec.at("allocateLoadBalancerNodePorts"), why);
    }
    if spec.has("loadBalancerClass") {
        if balanced {
            report.form(&spec.at("loadBalancerClass"), &spec.value["loadBalancerClass"], names::label_key);
        } else {
            report.forbidden(&spec.at("loadBalancerClass"), why);
        }
    }
}

fn traffic(spec: &Place<'_>, report: &mut Report) {
    let outside = spec.of("externalTrafficPolicy");
    if is_outside(spec.value) {
        report.need_word(&outside, &["Cluster", "Local"]);
    } else if !text(outside.value).is_empty() {
        report.wrong(&outside, "may only be set for externally-accessible services");
    }
    let health = spec.of("healthCheckNodePort");
    let port = health.value.as_i64().unwrap_or(0);
    if !needs_health_check(spec.value) {
        if port != 0 {
            let why = "may only be set when `type` is 'LoadBalancer' and `externalTrafficPolicy` is 'Local'";
            report.wrong(&health, why);
        }
    } else if port == 0 {
        report.required(&health.path, "");
    } else {
        report.port(&health.path, health.value);
    }
    let inside = spec.of("internalTrafficPolicy");
    if inside.value.is_null() && matches!(spec.text("type"), "ClusterIP" | "LoadBalancer" | "NodePort") {
        report.required(&inside.path, "");
    }
    report.word(&inside, &["Cluster", "Local"]);
    report.word(&spec.of("trafficDistribution"), &["PreferClose", "PreferSameZone", "PreferSameNode"]);
}

/// What may not change in a service.
pub(super) fn change(live: &Value, object: &Value, report: &mut Report) {
    let (old, spec) = (&live["spec"], Place::new(&object["spec"], "spec"));
    if old["type"] != "ExternalName" && spec.text("type") != "ExternalName" {
        let (was, is) = (is_headless(old), is_headless(spec.value));
        if !(was && is) {
            kept_addresses(old, &spec, report);
        }
        if !was && !is {
            kept_families(old, &spec, report);
        }
    }
    let both = old["type"] == "LoadBalancer" && spec.text("type") == "LoadBalancer";
    if both && old["loadBalancerClass"] != spec.value["loadBalancerClass"] {
        report.wrong(&spec.of("loadBalancerClass"), "may not change once set");
    }
    let checked = needs_health_check(old) && needs_health_check(spec.value);
    if checked && old["healthCheckNodePort"] != spec.value["healthCheckNodePort"] {
        report.forbidden(&spec.at("healthCheckNodePort"), "field is immutable");
    }
}

fn kept_addresses(old: &Value, spec: &Place<'_>, report: &mut Report) {
    let (before, now) = (list(&old["clusterIPs"]), spec.of("clusterIPs"));
    let new = list(now.value);
    if before.len() > new.len() && new.is_empty() {
        report.invalid("spec.clusterIPs[0]", now.value, "primary clusterIP can not be unset");
    }
    let compared = if before.len() == new.len() { before.len() } else { 1 };
    for (i, (a, b)) in before.iter().zip(new).enumerate().take(compared) {
        if a != b {
            report.invalid(&format!("spec.clusterIPs[{i}]"), now.value, "may not change once set");
        }
    }
}

fn kept_families(old: &Value, spec: &Place<'_>, report: &mut Report) {
    let (before, now) = (list(&old["ipFamilies"]), spec.of("ipFamilies"));
    let new = list(now.value);
    let compared = if before.len() == new.len() { before.len() } else { 1 };
    for (a, b) in before.iter().zip(new).take(compared) {
        if a != b {
            report.invalid("spec.ipFamilies[0]", now.value, "may not change once set");
        }
    }
}
