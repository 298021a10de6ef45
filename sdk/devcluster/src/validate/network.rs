//! Network policies, endpoints, and the addresses that a cluster hands out.

use serde_json::{Value, json};

use super::{Place, Report, ingress, list, network_service, text};
use crate::names;
use crate::resources::Resource;

pub(super) fn check(resource: &Resource, object: &Value, old: Option<&Value>, report: &mut Report) {
    let same = |field: &str| old.is_some_and(|old| old[field] == object[field]);
    let root = Place::new(object, "");
    let spec = root.of("spec");
    match resource.plural.as_str() {
        "services" => network_service::check(object, report),
        "networkpolicies" => policy(&spec, report),
        "ingresses" => ingress::check(&root, report),
        "ingressclasses" => ingress::class(&spec, report),
        "endpoints" if same("subsets") => {}
        "endpoints" => root.each_of("subsets").iter().for_each(|subset| endpoints(subset, report)),
        "endpointslices" => slice(&root, same("endpoints"), report),
        "ipaddresses" => owner(&spec.of("parentRef"), report),
        "servicecidrs" => ranges(&spec.of("cidrs"), report),
        _ => {}
    }
}

fn policy(spec: &Place<'_>, report: &mut Report) {
    report.selector_at(&spec.of("podSelector"));
    for (direction, peers) in [("ingress", "from"), ("egress", "to")] {
        for rule in spec.each_of(direction) {
            rule.each_of("ports").iter().for_each(|port| policy_port(port, report));
            rule.each_of(peers).iter().for_each(|one| peer(one, report));
        }
    }
    let types = spec.of("policyTypes");
    if list(types.value).len() > 2 {
        return report.wrong(&types, "may not specify more than two policyTypes");
    }
    types.each().for_each(|kind| report.word(&kind, &["Ingress", "Egress"]));
}

fn policy_port(rule: &Place<'_>, report: &mut Report) {
    report.word(&rule.of("protocol"), &["TCP", "UDP", "SCTP"]);
    let (port, end) = (rule.of("port"), rule.of("endPort"));
    match (port.value, end.value.as_i64()) {
        (Value::Null, Some(_)) => report.wrong(&end, "may not be specified when `port` is not specified"),
        (Value::Null, None) => {}
        (Value::String(_), last) => {
            if last.is_some() {
                report.wrong(&end, "may not be specified when `port` is non-numeric");
            }
            report.port_or_name(&port);
        }
        (number, last) => {
            report.port(&port.path, number);
            if last.zip(number.as_i64()).is_some_and(|(last, first)| last < first) {
                report.invalid(&end.path, number, "must be greater than or equal to `port`");
            }
            report.port(&end.path, end.value);
        }
    }
}

fn peer(peer: &Place<'_>, report: &mut Report) {
    let block = peer.of("ipBlock");
    let given = ["podSelector", "namespaceSelector", "ipBlock"].iter().filter(|f| peer.has(f)).count();
    report.selector_at(&peer.of("podSelector"));
    report.selector_at(&peer.of("namespaceSelector"));
    if !block.value.is_null() {
        ip_block(&block, report);
    }
    if given == 0 {
        report.required(&peer.path, "must specify a peer");
    } else if given > 1 && !block.value.is_null() {
        report.forbidden(&peer.path, "may not specify both ipBlock and another peer");
    }
}

fn ip_block(block: &Place<'_>, report: &mut Report) {
    let range = block.of("cidr");
    if !report.need(&range) {
        return;
    }
    report.form(&range.path, range.value, names::range);
    let Some((address, prefix)) = names::parse_range(text(range.value)) else { return };
    let (from, behind) = names::bits(address, prefix);
    for except in block.each_of("except") {
        report.form(&except.path, except.value, names::range);
        let Some((other, bits)) = names::parse_range(text(except.value)) else { continue };
        let inside = other.is_ipv4() == address.is_ipv4() && names::bits(other, bits).0 & !behind == from & !behind;
        if !inside || prefix >= bits {
            report.wrong(&except, "must be a strict subset of `cidr`");
        }
    }
}

fn endpoints(subset: &Place<'_>, report: &mut Report) {
    let (ready, other) = (subset.each_of("addresses"), subset.each_of("notReadyAddresses"));
    if ready.is_empty() && other.is_empty() {
        report.required(&subset.path, "must specify `addresses` or `notReadyAddresses`");
    }
    for address in ready.iter().chain(&other) {
        report.form(&address.at("ip"), &address.value["ip"], names::address);
        report.may_form(&address.of("hostname"), names::label);
        if address.has("nodeName") {
            report.form(&address.at("nodeName"), &address.value["nodeName"], names::subdomain);
        }
        report.form(&address.at("ip"), &address.value["ip"], names::endpoint_address);
    }
    let ports = subset.each_of("ports");
    for port in &ports {
        if ports.len() > 1 {
            report.need_form(&port.of("name"), names::label);
        } else {
            report.may_form(&port.of("name"), names::label);
        }
        report.port(&port.at("port"), &port.value["port"]);
        report.need_word(&port.of("protocol"), &["SCTP", "TCP", "UDP"]);
        if port.has("appProtocol") {
            report.form(&port.at("appProtocol"), &port.value["appProtocol"], names::label_key);
        }
    }
}

fn slice(root: &Place<'_>, same: bool, report: &mut Report) {
    report.need_word(&root.of("addressType"), &["FQDN", "IPv4", "IPv6"]);
    slice_ports(&root.of("ports"), report);
    let endpoints = root.of("endpoints");
    let count = list(endpoints.value).len();
    if count > 1000 && !same {
        return report.too_many(&endpoints.path, count, 1000);
    }
    endpoints.each().filter(|_| !same).for_each(|endpoint| slice_endpoint(&endpoint, root.text("addressType"), report));
}

fn slice_ports(ports: &Place<'_>, report: &mut Report) {
    let count = list(ports.value).len();
    if count > 20_000 {
        return report.too_many(&ports.path, count, 20_000);
    }
    let mut names = Vec::new();
    for port in ports.each() {
        let name = port.text("name");
        report.may_form(&port.of("name"), names::label);
        if names.contains(&name) {
            report.duplicate(&port.at("name"), &json!(name).to_string());
        }
        names.push(name);
        report.need_word(&port.of("protocol"), &["SCTP", "TCP", "UDP"]);
        if port.has("appProtocol") {
            report.form(&port.at("appProtocol"), &port.value["appProtocol"], names::label_key);
        }
    }
}

fn slice_endpoint(endpoint: &Place<'_>, kind: &str, report: &mut Report) {
    let addresses = endpoint.of("addresses");
    match list(addresses.value).len() {
        0 => report.required(&addresses.path, "must contain at least 1 address"),
        count if count > 100 => report.too_many(&addresses.path, count, 100),
        _ => {}
    }
    for address in addresses.each() {
        let said = text(address.value);
        match kind {
            "IPv4" | "IPv6" => {
                let before = report.0.len();
                report.form(&address.path, address.value, names::address);
                if report.0.len() > before {
                    continue;
                }
                if said.contains(':') != (kind == "IPv6") {
                    report.invalid(&addresses.path, address.value, &format!("must be an {kind} address"));
                }
                report.form(&address.path, address.value, names::endpoint_address);
            }
            "FQDN" => domain(&address, report),
            _ => {}
        }
    }
    if endpoint.has("nodeName") {
        report.form(&endpoint.at("nodeName"), &endpoint.value["nodeName"], names::subdomain);
    }
    let topology = endpoint.of("deprecatedTopology");
    report.0.extend(names::labels(topology.value, &topology.path));
    if endpoint.has("hostname") {
        report.form(&endpoint.at("hostname"), &endpoint.value["hostname"], names::label);
    }
    let hints = endpoint.of("hints");
    hint(&hints.of("forZones"), names::label_value, report);
    hint(&hints.of("forNodes"), names::subdomain, report);
}

fn hint(all: &Place<'_>, form: fn(&str) -> Vec<String>, report: &mut Report) {
    let count = list(all.value).len();
    if count > 8 {
        return report.too_many(&all.path, count, 8);
    }
    let mut seen = Vec::new();
    for name in all.each().map(|one| one.of("name")) {
        if seen.contains(&name.value) {
            report.duplicate(&name.path, &name.value.to_string());
        }
        seen.push(name.value);
        report.form(&name.path, name.value, form);
    }
}

/// A domain of at least two parts.
fn domain(name: &Place<'_>, report: &mut Report) {
    if !report.need(name) {
        return;
    }
    let said = text(name.value).strip_suffix('.').unwrap_or(text(name.value));
    let wrong = names::subdomain(said);
    if !wrong.is_empty() {
        report.invalid(&name.path, &json!(said), &wrong.join(","));
    } else if !said.contains('.') {
        report.invalid(&name.path, &json!(said), "should be a domain with at least two segments separated by dots");
    }
}

/// What an address was handed out for.
fn owner(parent: &Place<'_>, report: &mut Report) {
    if parent.value.is_null() {
        return report.required(&parent.path, "");
    }
    report.may_form(&parent.of("group"), names::subdomain);
    report.need_form(&parent.of("resource"), names::segment);
    report.need_form(&parent.of("name"), names::segment);
    report.may_form(&parent.of("namespace"), names::segment);
}

fn ranges(ranges: &Place<'_>, report: &mut Report) {
    let all = list(ranges.value);
    if all.is_empty() {
        return report.required(&ranges.path, "at least one CIDR required");
    }
    if all.len() > 2 {
        report.wrong(ranges, "may only hold up to 2 values");
        return;
    }
    ranges.each().for_each(|range| report.form(&range.path, range.value, names::range));
    let newer = |range: &Value| text(range).contains(':');
    if all.len() == 2 && newer(&all[0]) == newer(&all[1]) {
        report
            .wrong(ranges, "may specify no more than one IP for each IP family, i.e 192.168.0.0/24 and 2001:db8::/64");
    }
}

/// What may not change in addresses and ranges of them.
pub(super) fn change(plural: &str, live: &Value, object: &Value, report: &mut Report) {
    let (old, spec) = (&live["spec"], Place::new(&object["spec"], "spec"));
    let parent = spec.of("parentRef");
    if plural == "ipaddresses" && old["parentRef"] != *parent.value {
        return report.wrong_struct(&parent, "*networking.ParentReference", "field is immutable");
    }
    let (before, now) = (list(&old["cidrs"]), spec.of("cidrs"));
    match (before.len(), list(now.value).len()) {
        (a, b) if a == b || (a, b) == (1, 2) => {
            for (range, _) in now.each().zip(before).filter(|(range, old)| range.value != *old) {
                report.wrong(&range, "field is immutable");
            }
        }
        _ => report.wrong(&now, "field is immutable"),
    }
}
