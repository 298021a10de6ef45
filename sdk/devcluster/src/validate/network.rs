//! Services, policies and ingress classes.

use serde_json::{Value, json};

use super::{CIDR, Report, list, text};
use crate::names;
use crate::resources::Resource;

pub(super) fn check(resource: &Resource, object: &Value, report: &mut Report) {
    match resource.plural.as_str() {
        "services" => service(&object["spec"], report),
        "networkpolicies" => policy(&object["spec"], report),
        _ => {}
    }
}

fn service(spec: &Value, report: &mut Report) {
    let (kind, ports) = (text(&spec["type"]), list(&spec["ports"]));
    if ports.is_empty() && kind != "ExternalName" && spec["clusterIP"] != "None" {
        report.required("spec.ports", "");
    }
    if kind == "ExternalName" {
        if text(&spec["externalName"]).is_empty() {
            report.required("spec.externalName", "");
        } else {
            report.form("spec.externalName", &spec["externalName"], names::subdomain);
        }
    }
    for (i, port) in ports.iter().enumerate() {
        let at = |name: &str| format!("spec.ports[{i}].{name}");
        if text(&port["name"]).is_empty() {
            if ports.len() > 1 {
                report.required(&at("name"), "");
            }
        } else {
            report.form(&at("name"), &port["name"], names::label);
            if ports[..i].iter().any(|other| other["name"] == port["name"]) {
                report.duplicate(&at("name"), &port["name"].to_string());
            }
        }
        report.port(&at("port"), &port["port"]);
        report.some_of(&at("protocol"), &port["protocol"], "", &["SCTP", "TCP", "UDP"]);
        report.port(&at("targetPort"), &port["targetPort"]);
    }
    report.0.extend(names::labels(&spec["selector"], "spec.selector"));
    report.some_of("spec.sessionAffinity", &spec["sessionAffinity"], "", &["ClientIP", "None"]);
    report.some_of("spec.type", &spec["type"], "", &["ClusterIP", "ExternalName", "LoadBalancer", "NodePort"]);
}

fn policy(spec: &Value, report: &mut Report) {
    report.selector("spec.podSelector", &spec["podSelector"]);
    for (direction, peers) in [("ingress", "from"), ("egress", "to")] {
        for (i, rule) in list(&spec[direction]).iter().enumerate() {
            let at = format!("spec.{direction}[{i}]");
            for (j, port) in list(&rule["ports"]).iter().enumerate() {
                let field = format!("{at}.ports[{j}]");
                report.one_of(&format!("{field}.protocol"), &port["protocol"], &["TCP", "UDP", "SCTP"]);
                report.port(&format!("{field}.port"), &port["port"]);
            }
            for (j, one) in list(&rule[peers]).iter().enumerate() {
                peer(one, &format!("{at}.{peers}[{j}]"), report);
            }
        }
    }
    let types = list(&spec["policyTypes"]);
    if types.len() > 2 {
        report.invalid("spec.policyTypes", &spec["policyTypes"], "may not specify more than two policyTypes");
        return;
    }
    for (i, kind) in types.iter().enumerate() {
        report.one_of(&format!("spec.policyTypes[{i}]"), kind, &["Ingress", "Egress"]);
    }
}

fn peer(peer: &Value, at: &str, report: &mut Report) {
    let given = ["podSelector", "namespaceSelector", "ipBlock"].iter().filter(|f| !peer[**f].is_null()).count();
    report.selector(&format!("{at}.podSelector"), &peer["podSelector"]);
    report.selector(&format!("{at}.namespaceSelector"), &peer["namespaceSelector"]);
    let block = &peer["ipBlock"];
    if !block.is_null() {
        let cidr = text(&block["cidr"]);
        if cidr.is_empty() {
            report.required(&format!("{at}.ipBlock.cidr"), "");
        } else if !is_range(cidr) {
            report.invalid(&format!("{at}.ipBlock.cidr"), &json!(cidr), CIDR);
        }
    }
    if given == 0 {
        report.required(at, "must specify a peer");
    } else if given > 1 && !block.is_null() {
        report.forbidden(at, "may not specify both ipBlock and another peer");
    }
}

/// True for an address range such as 10.0.0.0/8.
fn is_range(text: &str) -> bool {
    let Some((address, bits)) = text.split_once('/') else { return false };
    match address.parse::<std::net::IpAddr>() {
        Ok(address) => bits.parse::<u8>().is_ok_and(|bits| bits <= if address.is_ipv4() { 32 } else { 128 }),
        Err(_) => false,
    }
}
