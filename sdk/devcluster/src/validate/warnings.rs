//! What kube-apiserver warns of in objects that it takes.

use serde_json::Value;

use super::pod::warnings as pod;
use super::{Place, limits, list, node};
use crate::names;
use crate::resources::Resource;

/// The warnings of a new object, or of a changed one if there was one before.
pub(crate) fn of(resource: &Resource, object: &Value, live: Option<&Value>) -> Vec<String> {
    let (root, changed) = (Place::new(object, ""), live.is_none_or(|live| live["spec"] != object["spec"]));
    let spec = root.of("spec");
    let template = |place: Place<'_>| if changed { pod::of(&place) } else { Vec::new() };
    match (resource.group.as_str(), resource.plural.as_str()) {
        ("", "pods") if live.is_none() => {
            let mut said = label(&root, "this is used in the Pod's hostname");
            said.extend(pod::of(&root));
            said
        }
        ("", "podtemplates") if live.is_none_or(|live| live["template"] != object["template"]) => {
            pod::of(&root.of("template"))
        }
        ("apps", "deployments" | "replicasets") | ("", "replicationcontrollers") => {
            let mut said = name(&root, live);
            said.extend(template(spec.of("template")));
            said
        }
        ("apps", "daemonsets") => template(spec.of("template")),
        ("apps", "statefulsets") => stateful_set(&spec, template(spec.of("template")), live.is_some()),
        ("batch", "jobs") => {
            let mut said = name(&root, live);
            said.extend(job(&spec, changed));
            said
        }
        ("batch", "cronjobs") => {
            let mut said = name(&root, live);
            said.extend(job(&spec.of("jobTemplate").of("spec"), changed));
            if live.is_some() && spec.text("schedule").contains("TZ") {
                said.push(
                    "cannot use TZ or CRON_TZ in spec.spec.schedule, use timeZone instead, see \
                     https://kubernetes.io/docs/concepts/workloads/controllers/cron-jobs/ for more details"
                        .into(),
                );
            }
            said
        }
        ("", "services") => service(&root),
        ("", "persistentvolumes") => volume(&root),
        ("", "persistentvolumeclaims") => claim(&root),
        ("", "secrets") => secret(&root),
        ("", "nodes") => node::warnings(&spec),
        ("", "resourcequotas") if live.is_none() => limits::quota_warnings(&spec),
        ("", "serviceaccounts") => {
            let key = "kubernetes.io/enforce-mountable-secrets";
            let new = |object: &Value| !object["metadata"]["annotations"][key].is_null();
            let why = "deprecated in v1.32+; prefer separate namespaces to isolate access to mounted secrets";
            let warn = new(object) && !live.is_some_and(new);
            warn.then(|| format!("metadata.annotations[{key}]: {why}")).into_iter().collect()
        }
        ("networking.k8s.io", "ingresses") => {
            let annotated = root.of("metadata").of("annotations").has("kubernetes.io/ingress.class");
            let warn = live.is_none() && annotated && !spec.has("ingressClassName");
            let why =
                "annotation \"kubernetes.io/ingress.class\" is deprecated, please use 'spec.ingressClassName' instead";
            warn.then(|| why.to_owned()).into_iter().collect()
        }
        ("discovery.k8s.io", "endpointslices") => slice(&root, live),
        ("storage.k8s.io", "storageclasses") => {
            let mut said = Vec::new();
            for term in root.each_of("allowedTopologies") {
                for rule in term.each_of("matchLabelExpressions") {
                    said.extend(pod::old_label(rule.text("key")).map(|why| format!("{}: {why}", rule.at("key"))));
                }
            }
            said
        }
        ("storage.k8s.io", "csistoragecapacities") => topology(&root.of("nodeTopology")),
        ("storage.k8s.io", "csidrivers") => {
            let requests = &spec.value["tokenRequests"];
            let same = live.is_some_and(|live| live["spec"]["tokenRequests"] == *requests);
            let warn = !same && !list(requests).is_empty() && !spec.has("serviceAccountTokenInSecrets");
            let why = "spec.serviceAccountTokenInSecrets is unset; if supported by this CSI driver, set to true to prevent \
                       possible logging of tokens in volume attributes";
            warn.then(|| why.to_owned()).into_iter().collect()
        }
        _ => Vec::new(),
    }
}

/// Labels of old that nodes are selected by.
fn topology(selector: &Place<'_>) -> Vec<String> {
    let mut said = Vec::new();
    for rule in selector.each_of("matchExpressions") {
        let key = rule.text("key");
        said.extend(pod::old_label(key).map(|why| format!("{}: {key} is {why}", rule.at("key"))));
    }
    let labels = selector.of("matchLabels");
    for (key, _) in labels.entries() {
        said.extend(pod::old_label(key).map(|why| format!("{}: {why}", labels.at(key))));
    }
    said
}

/// The names of what makes pods go into the names of pods.
fn name(root: &Place<'_>, live: Option<&Value>) -> Vec<String> {
    if live.is_some() { Vec::new() } else { label(root, "this is used in Pod names and hostnames") }
}

/// A name that had better be a label.
fn label(root: &Place<'_>, used: &str) -> Vec<String> {
    let wrong = names::label(root.of("metadata").text("name"));
    if wrong.is_empty() {
        return wrong;
    }
    let what = "which can result in surprising behavior; a DNS label is recommended";
    vec![format!("metadata.name: {used}, {what}: [{}]", wrong.join(" "))]
}

fn stateful_set(spec: &Place<'_>, mut said: Vec<String>, again: bool) -> Vec<String> {
    for template in spec.each_of("volumeClaimTemplates") {
        let at = template.at(if again { "Spec" } else { "spec" });
        said.extend(claim_spec(&Place { value: &template.value["spec"], path: at }));
    }
    if spec.number("revisionHistoryLimit").is_some_and(|n| n < 0) {
        let why = "a negative value retains all historical revisions; a value >= 0 is recommended";
        said.push(format!("spec.revisionHistoryLimit: {why}"));
    }
    said
}

fn job(spec: &Place<'_>, changed: bool) -> Vec<String> {
    let mut said = Vec::new();
    if !changed {
        return said;
    }
    let many = |name: &str, most: i64| spec.number(name).is_some_and(|n| n > most);
    if spec.text("completionMode") == "Indexed" && many("completions", 100_000) && many("parallelism", 10_000) {
        let what = "In Indexed Jobs with a number of completions higher than 10^5 and a parallelism higher than 10^4, Kubernetes \
                    might not be able to track completedIndexes when a big number of indexes fail";
        said.push(format!("{}: {what}", spec.path));
    }
    said.extend(pod::of(&spec.of("template")));
    said
}

fn service(root: &Place<'_>) -> Vec<String> {
    let spec = root.of("spec");
    let mut said = Vec::new();
    let hints = "service.kubernetes.io/topology-aware-hints";
    if root.of("metadata").of("annotations").has(hints) {
        said.push(format!("annotation {hints} is deprecated, please use service.kubernetes.io/topology-mode instead"));
    }
    let (outside, addresses) = (spec.text("type") == "ExternalName", spec.each_of("externalIPs"));
    let headless = spec.text("type") == "ClusterIP" && spec.text("clusterIP") == "None";
    if !matches!(spec.text("clusterIP"), "" | "None") {
        said.extend(spec.each_of("clusterIPs").iter().filter_map(pod::address));
    }
    if headless {
        if !spec.text("loadBalancerIP").is_empty() {
            said.push("spec.loadBalancerIP is ignored for headless services".into());
        }
        if !addresses.is_empty() {
            said.push("spec.externalIPs is ignored for headless services".into());
        }
        if spec.text("sessionAffinity") != "None" {
            said.push("spec.SessionAffinity is ignored for headless services".into());
        }
    }
    said.extend(addresses.iter().filter_map(pod::address));
    if !addresses.is_empty() && !headless && !outside {
        said.push("spec.externalIPs is deprecated and may no longer be implemented in some clusters".into());
    }
    said.extend(pod::address(&spec.of("loadBalancerIP")));
    if outside && !addresses.is_empty() {
        said.push("spec.externalIPs is ignored when spec.type is \"ExternalName\"".into());
    }
    if !outside && !spec.text("externalName").is_empty() {
        said.push("spec.externalName is ignored when spec.type is not \"ExternalName\"".into());
    }
    if spec.text("trafficDistribution") == "PreferClose" {
        said.push("spec.trafficDistribution: \"PreferClose\" is deprecated; use \"PreferSameZone\"".into());
    }
    said
}

fn volume(root: &Place<'_>) -> Vec<String> {
    let annotations = root.of("metadata").of("annotations");
    let old = [
        (
            "volume.beta.kubernetes.io/storage-class",
            "deprecated since v1.8; use \"storageClassName\" attribute instead",
        ),
        ("volume.beta.kubernetes.io/mount-options", "deprecated since v1.31; use \"mountOptions\" attribute instead"),
    ];
    let spec = root.of("spec");
    let said = old.iter().filter(|(key, _)| annotations.has(key));
    let mut said: Vec<String> = said.map(|(key, why)| format!("metadata.annotations[{key}]: {why}")).collect();
    if spec.text("persistentVolumeReclaimPolicy") == "Recycle" {
        let what = "The Recycle reclaim policy is deprecated. Instead, the recommended approach is to use dynamic provisioning.";
        said.push(format!("spec.persistentVolumeReclaimPolicy: {what}"));
    }
    let required = spec.of("nodeAffinity").of("required");
    required.each_of("nodeSelectorTerms").iter().for_each(|term| pod::node_term(term, false, &mut said));
    said.extend(pod::old_volume(&spec));
    said
}

fn claim(root: &Place<'_>) -> Vec<String> {
    let key = "volume.beta.kubernetes.io/storage-class";
    let old = root.of("metadata").of("annotations").has(key);
    let why = "deprecated since v1.8; use \"storageClassName\" attribute instead";
    let mut said: Vec<String> = old.then(|| format!("metadata.annotations[{key}]: {why}")).into_iter().collect();
    said.extend(claim_spec(&root.of("spec")));
    said
}

fn claim_spec(spec: &Place<'_>) -> Vec<String> {
    let resources = spec.of("resources");
    let of = |kind: &str| {
        let value = &resources.value[kind]["storage"];
        pod::fraction(&Place { value, path: format!("{}[storage]", resources.at(kind)) })
    };
    ["requests", "limits"].into_iter().filter_map(of).collect()
}

/// Certificates that cannot be read.
fn secret(root: &Place<'_>) -> Vec<String> {
    use base64::Engine;
    let data = root.of("data");
    if root.text("type") != "kubernetes.io/tls" || !data.has("tls.crt") || !data.has("tls.key") {
        return Vec::new();
    }
    let read = |key: &str| base64::engine::general_purpose::STANDARD.decode(data.text(key)).unwrap_or_default();
    let pem = |key: &str| String::from_utf8_lossy(&read(key)).contains("-----BEGIN ");
    let what = match (pem("tls.crt"), pem("tls.key")) {
        (false, _) => "certificate",
        (true, false) => "key",
        (true, true) => return Vec::new(),
    };
    vec![format!("tls: failed to find any PEM data in {what} input")]
}

fn slice(root: &Place<'_>, live: Option<&Value>) -> Vec<String> {
    if root.text("addressType") == "FQDN" {
        let warn = live.is_none();
        return warn.then(|| "spec.addressType: FQDN endpoints are deprecated".to_owned()).into_iter().collect();
    }
    let addresses: Vec<_> = root.each_of("endpoints").iter().flat_map(|e| e.each_of("addresses")).collect();
    addresses.iter().filter_map(pod::address).collect()
}
