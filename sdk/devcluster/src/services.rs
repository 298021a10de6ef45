//! Owns what services are given: addresses of the cluster and ports of its nodes, each once.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::error::Cause;
use crate::object;
use crate::store::State;
use crate::validate::{Place, Report, network_service};

/// The addresses of services, as a kube-apiserver hands them out unless told otherwise: 10.0.0.0/24 without its ends.
const RANGE: &str = "10.0.0.0/24";
/// The first address that is handed out. Those before it are for whoever asks for one by name, as on a kube-apiserver, which keeps a
/// sixteenth of its range for that.
const FIRST: u64 = 17;
const LAST: u64 = 254;
const PORTS: std::ops::RangeInclusive<i64> = 30000..=32767;

/// What other services have.
struct Taken {
    addresses: BTreeSet<String>,
    ports: BTreeSet<i64>,
    /// Where the search for something free begins.
    seed: u64,
}

impl Taken {
    fn read(state: &State, own: &str) -> Self {
        let mut taken = Self { addresses: BTreeSet::new(), ports: BTreeSet::new(), seed: state.version() };
        for stored in state.range("services.", "", None).filter(|stored| &*stored.uid != own) {
            let value = stored.value();
            let spec = Place::new(&value["spec"], "");
            taken
                .addresses
                .extend(spec.each_of("clusterIPs").iter().filter_map(|a| Some(a.value.as_str()?.to_owned())));
            taken.ports.extend(node_ports(&value["spec"]));
        }
        taken
    }

    fn next_address(&mut self) -> Option<String> {
        let count = LAST - FIRST + 1;
        let all = (0..count).map(|i| format!("10.0.0.{}", FIRST + (self.seed + i) % count));
        let free = all.into_iter().find(|address| !self.addresses.contains(address))?;
        self.addresses.insert(free.clone());
        Some(free)
    }

    /// Takes an address; says why it cannot be had.
    fn address(&mut self, asked: &str) -> Result<(), String> {
        let last = asked.strip_prefix("10.0.0.").and_then(|last| last.parse::<u64>().ok());
        if !last.is_some_and(|last| (1..=LAST).contains(&last)) {
            let what = format!("the provided IP ({asked}) is not in the valid range");
            return Err(format!("{what}. The range of valid IPs is {RANGE}"));
        }
        if !self.addresses.insert(asked.to_owned()) {
            return Err("provided IP is already allocated".into());
        }
        Ok(())
    }

    fn next_port(&mut self) -> Option<i64> {
        let (least, count) = (*PORTS.start(), PORTS.end() - PORTS.start() + 1);
        let from = i64::try_from(self.seed % count.unsigned_abs()).unwrap_or(0);
        let free = (0..count).map(|i| least + (from + i) % count).find(|port| !self.ports.contains(port))?;
        self.ports.insert(free);
        Some(free)
    }

    fn port(&mut self, asked: i64) -> Result<(), String> {
        if !PORTS.contains(&asked) {
            return Err("provided port is not in the valid range. The range of valid ports is 30000-32767".into());
        }
        if !self.ports.insert(asked) {
            return Err("provided port is already allocated".into());
        }
        Ok(())
    }
}

fn is(spec: &Value, field: &str, text: &str) -> bool {
    spec[field] == text
}

fn has_addresses(spec: &Value) -> bool {
    !is(spec, "type", "ExternalName")
}

fn has_node_ports(spec: &Value) -> bool {
    is(spec, "type", "NodePort") || is(spec, "type", "LoadBalancer")
}

fn has_health_port(spec: &Value) -> bool {
    is(spec, "type", "LoadBalancer") && is(spec, "externalTrafficPolicy", "Local")
}

fn is_outside(spec: &Value) -> bool {
    has_node_ports(spec) || (is(spec, "type", "ClusterIP") && !items(spec, "externalIPs").is_empty())
}

fn items<'a>(spec: &'a Value, field: &str) -> &'a [Value] {
    spec[field].as_array().map(Vec::as_slice).unwrap_or_default()
}

fn number(value: &Value) -> i64 {
    value.as_i64().unwrap_or(0)
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

fn node_ports(spec: &Value) -> Vec<i64> {
    let ports = items(spec, "ports").iter().map(|port| number(&port["nodePort"]));
    ports.chain([number(&spec["healthCheckNodePort"])]).filter(|port| *port != 0).collect()
}

fn drop_field(spec: &mut Value, field: &str) {
    if let Some(map) = spec.as_object_mut() {
        map.remove(field);
    }
}

/// Gives a new service its addresses and ports, or says what cannot be given.
pub(crate) fn create(state: &State, service: &mut Value) -> Vec<Cause> {
    let mut report = Report::default();
    let spec = &mut service["spec"];
    if !text(&spec["clusterIP"]).is_empty() && items(spec, "clusterIPs").is_empty() {
        spec["clusterIPs"] = json!([spec["clusterIP"]]);
    }
    families(spec, &Value::Null, &mut report);
    if report.0.is_empty() {
        let mut taken = Taken::read(state, "");
        addresses(spec, &mut taken, &mut report);
        if report.0.is_empty() && has_node_ports(spec) {
            first_ports(spec, &mut taken, &mut report);
        }
        health_port(spec, &mut taken);
    }
    report.0
}

/// Gives a changed service what it had and what it needs now, or says what cannot be given.
pub(crate) fn update(state: &State, live: &Value, service: &mut Value) -> Vec<Cause> {
    let mut report = Report::default();
    let old = &live["spec"];
    keep(old, &mut service["spec"]);
    let spec = &mut service["spec"];
    families(spec, old, &mut report);
    if !report.0.is_empty() {
        return report.0;
    }
    let needs_address = !has_addresses(old) && has_addresses(spec);
    let needs_ports = has_node_ports(spec) && (!has_node_ports(old) || items(old, "ports") != items(spec, "ports"));
    if needs_address || needs_ports || has_health_port(spec) {
        let mut taken = Taken::read(state, object::meta(live, "uid"));
        if needs_address {
            addresses(spec, &mut taken, &mut report);
        }
        if has_node_ports(spec) && report.0.is_empty() {
            more_ports(old, spec, &mut taken, &mut report);
        }
        health_port(spec, &mut taken);
    }
    if report.0.is_empty() {
        forget(old, spec);
    }
    report.0
}

/// What an update does not say stays as it was.
fn keep(old: &Value, spec: &mut Value) {
    if has_addresses(old) && has_addresses(spec) {
        if text(&spec["clusterIP"]).is_empty() {
            spec["clusterIP"] = old["clusterIP"].clone();
        }
        if items(spec, "clusterIPs").is_empty() && !items(old, "clusterIPs").is_empty() {
            spec["clusterIPs"] = old["clusterIPs"].clone();
        }
    }
    if has_node_ports(old) && has_node_ports(spec) {
        let kept: Vec<i64> = node_ports(spec).into_iter().filter(|port| node_ports(old).contains(port)).collect();
        for port in spec["ports"].as_array_mut().into_iter().flatten().filter(|port| number(&port["nodePort"]) == 0) {
            let same = |other: &&Value| text(&other["name"]) == text(&port["name"]);
            let was = items(old, "ports").iter().rfind(same).map_or(0, |port| number(&port["nodePort"]));
            if was != 0 && !kept.contains(&was) {
                port["nodePort"] = was.into();
            }
        }
    }
    if has_health_port(old) && has_health_port(spec) && number(&spec["healthCheckNodePort"]) == 0 {
        spec["healthCheckNodePort"] = old["healthCheckNodePort"].clone();
    }
    // The first of the addresses and the address are the same.
    let same = old["clusterIPs"] == spec["clusterIPs"];
    if old["clusterIP"] != spec["clusterIP"] && same && old["clusterIP"].is_string() {
        spec["clusterIPs"] = json!([spec["clusterIP"]]);
    }
}

/// What belongs to the former type goes, unless the update says it anew.
fn forget(old: &Value, spec: &mut Value) {
    let same = |spec: &Value, field: &str| old[field] == spec[field];
    if has_addresses(old) && !has_addresses(spec) {
        if same(spec, "clusterIP") && same(spec, "clusterIPs") {
            drop_field(spec, "clusterIP");
            drop_field(spec, "clusterIPs");
        }
        for field in ["ipFamilies", "ipFamilyPolicy", "internalTrafficPolicy"] {
            if same(spec, field) {
                drop_field(spec, field);
            }
        }
    }
    let before = node_ports(old);
    if has_node_ports(old) && !has_node_ports(spec) && node_ports(spec).iter().all(|port| before.contains(port)) {
        spec["ports"].as_array_mut().into_iter().flatten().for_each(|port| drop_field(port, "nodePort"));
    }
    if has_health_port(old) && !has_health_port(spec) && same(spec, "healthCheckNodePort") {
        drop_field(spec, "healthCheckNodePort");
    }
    if is(old, "type", "LoadBalancer") && !is(spec, "type", "LoadBalancer") {
        for field in ["allocateLoadBalancerNodePorts", "loadBalancerClass"] {
            if same(spec, field) {
                drop_field(spec, field);
            }
        }
    }
    if is_outside(old) && !is_outside(spec) && same(spec, "externalTrafficPolicy") {
        drop_field(spec, "externalTrafficPolicy");
    }
}

/// The families of addresses: there is one, of version 4, but services without a selector may be of both.
fn families(spec: &mut Value, old: &Value, report: &mut Report) {
    if !has_addresses(spec) || prefers_the_same(spec, old) {
        return;
    }
    let open = is(spec, "clusterIP", "None") && spec["selector"].as_object().is_none_or(serde_json::Map::is_empty);
    if spec["ipFamilyPolicy"].is_null() {
        let otherwise = if open { json!("RequireDualStack") } else { json!("SingleStack") };
        let was = &old["ipFamilyPolicy"];
        spec["ipFamilyPolicy"] = if was.is_null() { otherwise } else { was.clone() };
    }
    network_service::addresses(&Place::new(spec, "spec"), report);
    if !report.0.is_empty() {
        return;
    }
    let mut families = items(spec, "ipFamilies").to_vec();
    let policy = spec["ipFamilyPolicy"].clone();
    if is(spec, "ipFamilyPolicy", "SingleStack") {
        if spec["ipFamilies"] == old["ipFamilies"] {
            families.truncate(1);
        }
        for (count, what) in [(items(spec, "clusterIPs").len(), "cluster IPs"), (families.len(), "IP families")] {
            if count == 2 {
                let why = format!("must be 'RequireDualStack' or 'PreferDualStack' when multiple {what} are specified");
                report.invalid("spec.ipFamilyPolicy", &policy, &why);
            }
        }
    } else if items(old, "ipFamilies").len() == 2 && families.len() == 1 {
        report.invalid("spec.ipFamilyPolicy", &policy, "must be 'SingleStack' to release the secondary IP family");
    }
    for (i, address) in items(spec, "clusterIPs").iter().map(text).enumerate() {
        if address == "None" || i < families.len() {
            continue;
        }
        if address.contains(':') {
            let field = format!("spec.clusterIPs[{i}]");
            report.invalid(&field, &spec["clusterIPs"], "IPv6 is not configured on this cluster");
        } else {
            families.push("IPv4".into());
        }
    }
    if report.0.is_empty() {
        settle(spec, families, open, report);
    }
}

/// An update of a service that prefers both families and leaves them as they are.
fn prefers_the_same(spec: &Value, old: &Value) -> bool {
    let same = ["type", "clusterIP", "clusterIPs", "ipFamilies"].iter().all(|field| spec[*field] == old[*field]);
    let prefers = |spec: &Value| spec["ipFamilyPolicy"].is_null() || is(spec, "ipFamilyPolicy", "PreferDualStack");
    old.is_object() && same && is(spec, "ipFamilyPolicy", "PreferDualStack") && prefers(old)
}

fn settle(spec: &mut Value, mut families: Vec<Value>, open: bool, report: &mut Report) {
    if open {
        if families.is_empty() {
            families.push("IPv4".into());
        }
        if families.len() < 2 && !is(spec, "ipFamilyPolicy", "SingleStack") {
            families.push(if families[0] == "IPv4" { "IPv6" } else { "IPv4" }.into());
        }
        spec["ipFamilies"] = families.into();
        return;
    }
    if is(spec, "ipFamilyPolicy", "RequireDualStack") {
        let why = "this cluster is not configured for dual-stack services";
        report.invalid("spec.ipFamilyPolicy", &spec["ipFamilyPolicy"], why);
    }
    for (i, family) in families.iter().enumerate().filter(|(_, family)| **family != "IPv4") {
        report.invalid(&format!("spec.ipFamilies[{i}]"), family, "not configured on this cluster");
    }
    if families.is_empty() {
        families.push("IPv4".into());
    }
    if report.0.is_empty() {
        spec["ipFamilies"] = families.into();
    }
}

fn addresses(spec: &mut Value, taken: &mut Taken, report: &mut Report) {
    let asked = items(spec, "clusterIPs").first().map(text).unwrap_or_default().to_owned();
    if !has_addresses(spec) || asked == "None" {
        return;
    }
    let given = if asked.is_empty() { taken.next_address() } else { Some(asked.clone()) };
    let why = match given.as_ref() {
        None => Some("failed to allocate IP: range is full".to_owned()),
        Some(_) if asked.is_empty() => None,
        Some(address) => taken.address(address).err().map(|why| format!("failed to allocate IP {asked}: {why}")),
    };
    if let Some(why) = why {
        return report.invalid("spec.clusterIPs", &spec["clusterIPs"], &why);
    }
    spec["clusterIPs"] = json!([given]);
    spec["clusterIP"] = json!(given);
}

/// Ports of the same number, whatever their protocols, have the same port on nodes.
fn first_ports(spec: &mut Value, taken: &mut Taken, report: &mut Report) {
    let wanted = wants_ports(spec);
    let asked = items(spec, "ports").to_vec();
    let mut given: Vec<(i64, i64)> = Vec::new();
    for (i, port) in spec["ports"].as_array_mut().into_iter().flatten().enumerate() {
        let (own, node) = (number(&port["port"]), number(&port["nodePort"]));
        if node == 0 && !wanted {
            continue;
        }
        let field = format!("spec.ports[{i}].nodePort");
        let of_port = given.iter().find(|(other, _)| *other == own).map(|(_, node)| *node);
        match of_port {
            None => {
                let same = |other: &&Value| number(&other["port"]) == own && number(&other["nodePort"]) != 0;
                let requested = asked.iter().find(same).map_or(0, |port| number(&port["nodePort"]));
                if requested != 0
                    && let Err(why) = taken.port(requested)
                {
                    return report.invalid(&field, &json!(requested), &why);
                }
                let node = if requested == 0 { taken.next_port().unwrap_or(0) } else { requested };
                port["nodePort"] = node.into();
                given.push((own, node));
            }
            Some(other) if node == 0 => port["nodePort"] = other.into(),
            Some(other) if node != other => {
                if let Err(why) = taken.port(node) {
                    return report.invalid(&field, &json!(node), &why);
                }
            }
            Some(_) => {}
        }
    }
}

fn wants_ports(spec: &Value) -> bool {
    is(spec, "type", "NodePort") || spec["allocateLoadBalancerNodePorts"] != false
}

/// The ports of a service that had some before.
fn more_ports(old: &Value, spec: &mut Value, taken: &mut Taken, report: &mut Report) {
    let (wanted, before) = (wants_ports(spec), node_ports(old));
    let mut seen = Vec::new();
    for (i, port) in spec["ports"].as_array_mut().into_iter().flatten().enumerate() {
        let node = number(&port["nodePort"]);
        if node == 0 {
            if wanted {
                port["nodePort"] = taken.next_port().unwrap_or(0).into();
            }
        } else if !before.contains(&node) && !seen.contains(&node) {
            if let Err(why) = taken.port(node) {
                return report.invalid(&format!("spec.ports[{i}].nodePort"), &json!(node), &why);
            }
            seen.push(node);
        }
    }
}

fn health_port(spec: &mut Value, taken: &mut Taken) {
    if has_health_port(spec) && number(&spec["healthCheckNodePort"]) == 0 {
        spec["healthCheckNodePort"] = taken.next_port().unwrap_or(0).into();
    }
}
