//! What kube-apiserver warns of in pods and templates.

use serde_json::{Value, json};

use super::{Place, text};
use crate::names;
use crate::quantity::Quantity;

const OLD_VOLUMES: [(&str, &str, &str); 9] = [
    ("photonPersistentDisk", "photonPersistentDisk", "deprecated in v1.11, non-functional in v1.16+"),
    ("gitRepo", "gitRepo", "deprecated in v1.11, and disabled by default in v1.33+"),
    ("scaleIO", "scaleIO", "deprecated in v1.16, non-functional in v1.22+"),
    ("flocker", "flocker", "deprecated in v1.22, non-functional in v1.25+"),
    ("storageos", "storageOS", "deprecated in v1.22, non-functional in v1.25+"),
    ("quobyte", "quobyte", "deprecated in v1.22, non-functional in v1.25+"),
    ("glusterfs", "glusterfs", "deprecated in v1.25, non-functional in v1.26+"),
    ("cephfs", "cephfs", "deprecated in v1.28, non-functional in v1.31+"),
    ("rbd", "rbd", "deprecated in v1.28, non-functional in v1.31+"),
];
const OLD_LABELS: [(&str, &str); 8] = [
    ("failure-domain.beta.kubernetes.io/zone", "deprecated since v1.17; use \"topology.kubernetes.io/zone\" instead"),
    (
        "failure-domain.beta.kubernetes.io/region",
        "deprecated since v1.17; use \"topology.kubernetes.io/region\" instead",
    ),
    ("beta.kubernetes.io/instance-type", "deprecated since v1.17; use \"node.kubernetes.io/instance-type\" instead"),
    ("beta.kubernetes.io/os", "deprecated since v1.14; use \"kubernetes.io/os\" instead"),
    ("beta.kubernetes.io/arch", "deprecated since v1.14; use \"kubernetes.io/arch\" instead"),
    ("app.kubernetes.io/created-by", "deprecated since v1.9"),
    ("scheduler.alpha.kubernetes.io/preferAvoidPods", "deprecated since v1.22; use Taints and Tolerations instead"),
    ("node-role.kubernetes.io/master", "use \"node-role.kubernetes.io/control-plane\" instead"),
];
const OLD_ANNOTATIONS: [(&str, &str); 3] = [
    (
        "scheduler.alpha.kubernetes.io/critical-pod",
        "non-functional in v1.16+; use the \"priorityClassName\" field instead",
    ),
    ("security.alpha.kubernetes.io/sysctls", "non-functional in v1.11+; use the \"sysctls\" field instead"),
    ("security.alpha.kubernetes.io/unsafe-sysctls", "non-functional in v1.11+; use the \"sysctls\" field instead"),
];

/// The message about a label of nodes that has a newer name.
pub(in crate::validate) fn old_label(key: &str) -> Option<&'static str> {
    OLD_LABELS.iter().find(|(old, _)| *old == key).map(|(_, why)| *why)
}

/// Warnings of a pod, or of a template at a path.
pub(in crate::validate) fn of(pod: &Place<'_>) -> Vec<String> {
    let spec = pod.of("spec");
    let mut said = Vec::new();
    placement(&spec, &mut said);
    let annotations = pod.of("metadata").of("annotations");
    for (key, why) in OLD_ANNOTATIONS.iter().filter(|(key, _)| annotations.has(key)) {
        said.push(format!("{}[{key}]: {why}", annotations.path));
    }
    spec.each_of("volumes").iter().for_each(|volume| said.extend(old_volume(volume)));
    hosts(&spec, &mut said);
    let containers = super::containers(&spec);
    for container in &containers {
        fractions(container, &mut said);
        hidden(container, &mut said);
    }
    ports(&containers, &mut said);
    port_names(&containers, &mut said);
    if spec.number("terminationGracePeriodSeconds").is_some_and(|n| n < 0) {
        let at = spec.at("terminationGracePeriodSeconds");
        said.push(format!("{at}: must be >= 0; negative values are invalid and will be treated as 1"));
    }
    terms(&spec.of("affinity"), &mut said);
    let servers = spec.of("dnsConfig").each_of("nameservers");
    let aliases: Vec<_> = spec.each_of("hostAliases").iter().map(|alias| alias.of("ip")).collect();
    servers.iter().chain(&aliases).for_each(|place| said.extend(address(place)));
    said
}

/// Kinds of volumes that do nothing any more.
pub(in crate::validate) fn old_volume(volume: &Place<'_>) -> Vec<String> {
    let old = OLD_VOLUMES.iter().filter(|(field, _, _)| volume.has(field));
    old.map(|(_, shown, why)| format!("{}: {why}", volume.at(shown))).collect()
}

/// An address of version 6 that is not written as it should be.
pub(in crate::validate) fn address(place: &Place<'_>) -> Option<String> {
    let said = text(place.value);
    let parsed = names::loose_address(said)?;
    let canonical = parsed.to_string();
    (parsed.is_ipv6() && canonical != said).then(|| {
        format!("{}: IPv6 address {said:?} should be in RFC 5952 canonical format ({canonical:?})", place.path)
    })
}

/// Labels of nodes in a term that have newer names.
pub(in crate::validate) fn node_term(term: &Place<'_>, preferred: bool, said: &mut Vec<String>) {
    for rule in term.each_of("matchExpressions") {
        let key = rule.text("key");
        if let Some(why) = old_label(key) {
            said.push(format!("{}: {key} is {why}", rule.at("key")));
        }
        for value in rule.each_of("values").iter().filter(|_| preferred) {
            for why in names::label_value(text(value.value)) {
                said.push(format!("{}: {} is invalid, {why}", value.path, text(value.value)));
            }
        }
    }
}

fn placement(spec: &Place<'_>, said: &mut Vec<String>) {
    for (key, place) in spec.of("nodeSelector").entries() {
        said.extend(old_label(key).map(|why| format!("{}: {why}", place.path)));
    }
    let nodes = spec.of("affinity").of("nodeAffinity");
    let required = nodes.of("requiredDuringSchedulingIgnoredDuringExecution");
    required.each_of("nodeSelectorTerms").iter().for_each(|term| node_term(term, false, said));
    for term in nodes.each_of("preferredDuringSchedulingIgnoredDuringExecution") {
        node_term(&term.of("preference"), true, said);
    }
    for rule in spec.each_of("topologySpreadConstraints") {
        let key = rule.text("topologyKey");
        if let Some(why) = old_label(key) {
            said.push(format!("{}: {key} is {why}", rule.at("topologyKey")));
        }
        if !rule.has("labelSelector") {
            said.push(format!("{}: a null labelSelector results in matching no pod", rule.at("labelSelector")));
        }
    }
}

fn hosts(spec: &Place<'_>, said: &mut Vec<String>) {
    for (field, name, what) in [("hostAliases", "ip", "ip"), ("imagePullSecrets", "name", "name")] {
        let all = spec.each_of(field);
        for (i, item) in all.iter().enumerate() {
            if all[..i].iter().any(|other| other.text(name) == item.text(name)) {
                said.push(format!("{}: duplicate {what} {:?}", item.at(name), item.text(name)));
            }
        }
    }
    for secret in spec.each_of("imagePullSecrets").iter().filter(|s| s.text("name").is_empty()) {
        said.push(format!("{}: invalid empty name \"\"", secret.at("name")));
    }
}

/// Parts of bytes.
pub(in crate::validate) fn fraction(place: &Place<'_>) -> Option<String> {
    let read = Quantity::parse(text(place.value))?;
    (!read.is_whole()).then(|| {
        format!("{}: fractional byte value {} is invalid, must be an integer", place.path, json!(text(place.value)))
    })
}

fn fractions(container: &Place<'_>, said: &mut Vec<String>) {
    let resources = container.of("resources");
    for name in ["memory", "ephemeral-storage"] {
        for kind in ["limits", "requests"] {
            let all = resources.of(kind);
            let place = Place { value: &all.value[name], path: format!("{}[{name}]", all.path) };
            said.extend(fraction(&place));
        }
    }
}

/// Variables that stand twice; one may refer to the one before.
fn hidden(container: &Place<'_>, said: &mut Vec<String>) {
    let mut seen = Vec::new();
    for variable in container.each_of("env") {
        let (name, value) = (variable.text("name"), variable.text("value"));
        if !seen.contains(&name) {
            seen.push(name);
            continue;
        }
        let reference = format!("$({name})");
        if variable.has("valueFrom") || value == reference || !value.contains(&reference) {
            let what = format!("hides previous definition of {}, which may be dropped when using apply", json!(name));
            said.push(format!("{}: {what}", variable.path));
        }
    }
}

fn ports(containers: &[Place<'_>], said: &mut Vec<String>) {
    let mut seen: Vec<Place<'_>> = Vec::new();
    for port in containers.iter().flat_map(|c| c.each_of("ports")) {
        let key = |port: &Place<'_>| (port.number("containerPort"), port.value["protocol"].clone());
        for other in seen.iter().filter(|other| key(other) == key(&port)) {
            let (a, b) = (port.number("hostPort").unwrap_or(0), other.number("hostPort").unwrap_or(0));
            let (ip, other_ip) = (port.text("hostIP"), other.text("hostIP"));
            let what = if a == b && ip == other_ip {
                "duplicate"
            } else if a == 0 || b == 0 {
                "overlapping"
            } else if a == b && (ip.is_empty() != other_ip.is_empty()) {
                "dangerously ambiguous"
            } else {
                continue;
            };
            said.push(format!("{}: {what} port definition with {}", port.path, other.path));
        }
        seen.push(port);
    }
}

fn port_names(containers: &[Place<'_>], said: &mut Vec<String>) {
    let mut seen: Vec<Place<'_>> = Vec::new();
    for port in containers.iter().flat_map(|c| c.each_of("ports")).filter(|p| !p.text("name").is_empty()) {
        match seen.iter().find(|other| other.text("name") == port.text("name")) {
            Some(other) => said.push(format!(
                "{}: duplicate port name {:?} with {}, services and probes that select ports by name will use {}",
                port.path,
                port.text("name"),
                other.path,
                other.path
            )),
            None => seen.push(port),
        }
    }
}

fn terms(affinity: &Place<'_>, said: &mut Vec<String>) {
    let none = |value: &Value| value["labelSelector"].is_null();
    for kind in ["podAffinity", "podAntiAffinity"] {
        let pods = affinity.of(kind);
        let required = pods.each_of("requiredDuringSchedulingIgnoredDuringExecution");
        let preferred = pods.each_of("preferredDuringSchedulingIgnoredDuringExecution");
        let preferred = preferred.iter().map(|term| term.of("podAffinityTerm"));
        for term in required.iter().cloned().chain(preferred).filter(|term| none(term.value)) {
            said.push(format!("{}: a null labelSelector results in matching no pod", term.at("labelSelector")));
        }
    }
}
