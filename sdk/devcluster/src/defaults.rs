//! Fills in what a kube-apiserver fills in for built-in kinds, as far as controllers and people commonly rely on it.

mod admission;
mod autoscaling;
mod pod;
mod storage;
mod workload;

use serde_json::{Value, json};

use crate::object;
use crate::resources::Resource;

/// Sets a field that is not there.
fn default(object: &mut Value, field: &str, value: impl Into<Value>) {
    if let Some(map) = object.as_object_mut()
        && map.get(field).is_none_or(Value::is_null)
    {
        map.insert(field.into(), value.into());
    }
}

/// Sets a field that is not there or says nothing.
fn filled(object: &mut Value, field: &str, value: impl Into<Value>) {
    let empty = |found: &Value| *found == Value::Null || *found == "" || *found == 0;
    if let Some(map) = object.as_object_mut()
        && map.get(field).is_none_or(empty)
    {
        map.insert(field.into(), value.into());
    }
}

/// Works on a part of an object, if it is there.
fn within(object: &mut Value, path: &[&str], work: impl FnOnce(&mut Value)) {
    let part = path.iter().try_fold(object, |value, field| value.get_mut(*field));
    if let Some(part) = part.filter(|p| p.is_object()) {
        work(part);
    }
}

fn each(object: &mut Value, field: &str, mut work: impl FnMut(&mut Value)) {
    if let Some(list) = object.get_mut(field).and_then(Value::as_array_mut) {
        list.iter_mut().for_each(&mut work);
    }
}

/// Defaults that hold on every write in a version.
pub(crate) fn fill(resource: &Resource, version: &str, object: &mut Value) {
    match (resource.group.as_str(), resource.plural.as_str()) {
        ("", "pods") => within(object, &["spec"], |spec| {
            pod::spec(spec);
            default(spec, "enableServiceLinks", true);
            pod::requests(spec);
            pod::host_ports(spec);
        }),
        ("", "limitranges") => within(object, &["spec"], |spec| each(spec, "limits", limit)),
        ("", "services") => service(object),
        ("", "secrets") => {
            if object["type"] == "" {
                object["type"] = Value::Null;
            }
            default(object, "type", "Opaque");
            string_data(object);
        }
        ("", "namespaces") => namespace(object),
        ("", "nodes") => {
            within(object, &["spec"], crate::validate::node::one_range);
            let capacity = object["status"]["capacity"].clone();
            if capacity.is_object() {
                within(object, &["status"], |status| default(status, "allocatable", capacity));
            }
        }
        ("autoscaling", _) => within(object, &["spec"], |spec| autoscaling::fill(version, spec)),
        ("admissionregistration.k8s.io", _) => admission::fill(resource, object),
        ("", "persistentvolumeclaims") => within(object, &["spec"], |spec| default(spec, "volumeMode", "Filesystem")),
        ("", "replicationcontrollers") | ("apps" | "batch", _) => workload::fill(&resource.plural, object),
        ("", "podtemplates") => within(object, &["template", "spec"], pod::spec),
        ("networking.k8s.io", "networkpolicies") => within(object, &["spec"], network_policy),
        ("rbac.authorization.k8s.io", "rolebindings" | "clusterrolebindings") => {
            const GROUP: &str = "rbac.authorization.k8s.io";
            within(object, &["roleRef"], |role| filled(role, "apiGroup", GROUP));
            each(object, "subjects", |subject| {
                if subject.get("kind").is_some_and(|kind| kind == "User" || kind == "Group") {
                    filled(subject, "apiGroup", GROUP);
                }
            });
        }
        ("", "persistentvolumes") => within(object, &["spec"], |spec| {
            default(spec, "persistentVolumeReclaimPolicy", "Retain");
            default(spec, "volumeMode", "Filesystem");
            within(spec, &["hostPath"], |path| default(path, "type", ""));
        }),
        ("", "endpoints") => {
            each(object, "subsets", |subset| each(subset, "ports", |port| default(port, "protocol", "TCP")))
        }
        ("discovery.k8s.io", "endpointslices") => each(object, "ports", |port| {
            default(port, "name", "");
            default(port, "protocol", "TCP");
        }),
        ("networking.k8s.io", "ingressclasses") => {
            within(object, &["spec", "parameters"], |parameters| default(parameters, "scope", "Cluster"));
        }
        ("storage.k8s.io", "storageclasses") => {
            default(object, "reclaimPolicy", "Delete");
            default(object, "volumeBindingMode", "Immediate");
        }
        ("storage.k8s.io", "csidrivers") => within(object, &["spec"], storage::driver),
        ("scheduling.k8s.io", "priorityclasses") => default(object, "preemptionPolicy", "PreemptLowerPriority"),
        _ => {}
    }
}

fn namespace(object: &mut Value) {
    let name = object::meta(object, "name").to_owned();
    within(object, &["status"], |status| filled(status, "phase", "Active"));
    within(object, &["metadata"], |meta| default(meta, "labels", json!({})));
    within(object, &["metadata", "labels"], |labels| labels["kubernetes.io/metadata.name"] = name.into());
}

/// Defaults of a new object only.
pub(crate) fn on_create(resource: &Resource, object: &mut Value) {
    match resource.plural.as_str() {
        "pods" if resource.group.is_empty() => pod::begin(object),
        "leases" => uncoordinated(object),
        "nodes" => {
            unconfigured(&Value::Null, object);
            node_taint(object);
        }
        "serviceaccounts" => named_alone(object),
        "endpointslices" => untold(&Value::Null, object),
        "csidrivers" => ungated(object),
        "persistentvolumes" => {
            protect(object, "kubernetes.io/pv-protection");
            object["status"] = json!({"phase": "Pending", "lastPhaseTransitionTime": object::now()});
        }
        "volumeattributesclasses" => protect(object, "kubernetes.io/vac-protection"),
        "namespaces" => {
            object["status"] = json!({"phase": "Active"});
            let mut finalizers = object["spec"]["finalizers"].as_array().cloned().unwrap_or_default();
            if !finalizers.iter().any(|f| f == "kubernetes") {
                finalizers.push("kubernetes".into());
            }
            object["spec"] = json!({"finalizers": finalizers});
        }
        "services" if resource.group.is_empty() => {
            object["status"] = json!({"loadBalancer": {}});
        }
        "resourcequotas" => object["status"] = json!({}),
        "persistentvolumeclaims" => {
            protect(object, "kubernetes.io/pvc-protection");
            within(object, &["spec"], |spec| storage::sources(spec, &Value::Null));
            object["status"] = json!({"phase": "Pending"});
        }
        "deployments" | "replicasets" | "statefulsets" | "jobs" | "cronjobs" | "ingresses" => {
            default(object, "status", json!({}))
        }
        _ => {}
    }
}

pub(crate) use workload::job_labels;

/// What admission adds to the tolerations of a pod.
pub(crate) fn tolerate(pod: &mut Value) {
    within(pod, &["spec"], pod::tolerate);
}

/// A finalizer that keeps what is in use, as the admission plugin StorageObjectInUseProtection puts it.
fn protect(object: &mut Value, finalizer: &str) {
    let mut finalizers = object["metadata"]["finalizers"].as_array().cloned().unwrap_or_default();
    if !finalizers.iter().any(|f| f == finalizer) {
        finalizers.push(finalizer.into());
        object::set_meta(object, "finalizers", Some(finalizers.into()));
    }
}

/// Leader election is not coordinated: that gate is closed.
fn uncoordinated(lease: &mut Value) {
    if let Some(spec) = lease.get_mut("spec").and_then(Value::as_object_mut) {
        ["strategy", "preferredHolder"].iter().for_each(|field| drop(spec.remove(*field)));
    }
}

/// The configuration of kubelets by ConfigMaps is a thing of the past.
fn unconfigured(live: &Value, node: &mut Value) {
    for (part, field) in [("spec", "configSource"), ("status", "config")] {
        if live[part][field].is_null()
            && let Some(part) = node.get_mut(part).and_then(Value::as_object_mut)
        {
            part.remove(field);
        }
    }
}

/// Secrets of an account are told by their names.
fn named_alone(account: &mut Value) {
    each(account, "secrets", |secret| {
        if let Some(secret) = secret.as_object_mut() {
            secret.retain(|field, _| field == "name");
        }
    });
}

/// Topology of the older kind is taken from nobody who did not have it.
fn untold(live: &Value, slice: &mut Value) {
    const FIELD: &str = "deprecatedTopology";
    let old = live["endpoints"].as_array();
    if !old.is_some_and(|all| all.iter().any(|one| !one[FIELD].is_null())) {
        each(slice, "endpoints", |one| drop(one.as_object_mut().and_then(|one| one.remove(FIELD))));
    }
}

/// A field behind a gate that is closed.
fn ungated(driver: &mut Value) {
    let spec = driver.get_mut("spec").and_then(Value::as_object_mut);
    spec.map(|spec| spec.remove("preventPodSchedulingIfMissing"));
}

/// New nodes are not ready yet, as the admission plugin TaintNodesByCondition marks them.
fn node_taint(object: &mut Value) {
    let mut taints = object["spec"]["taints"].as_array().cloned().unwrap_or_default();
    if !taints.iter().any(|t| t["key"] == "node.kubernetes.io/not-ready") {
        taints.push(json!({"key": "node.kubernetes.io/not-ready", "effect": "NoSchedule"}));
        object["spec"]["taints"] = taints.into();
    }
}

/// What stays as it was whatever an update says.
pub(crate) fn immutable(resource: &Resource, live: &Value, object: &mut Value) {
    match resource.plural.as_str() {
        "pods" => within(object, &["spec"], pod::tolerate),
        "persistentvolumeclaims" => within(object, &["spec"], |spec| storage::sources(spec, &live["spec"])),
        "daemonsets" => workload::template_generation(live, object),
        "leases" => uncoordinated(object),
        "nodes" => unconfigured(live, object),
        "serviceaccounts" => named_alone(object),
        "endpointslices" => untold(live, object),
        "csidrivers" => ungated(object),
        _ => {}
    }
}

/// What a status keeps from before where a write of it says nothing.
pub(crate) fn status(resource: &Resource, live: &Value, object: &mut Value) {
    let old = &live["status"];
    match resource.plural.as_str() {
        "pods" => {
            let class = old["qosClass"].clone();
            within(object, &["status"], |status| filled(status, "qosClass", class));
            object::set_meta(object, "ownerReferences", live["metadata"].get("ownerReferences").cloned());
        }
        "persistentvolumes" => within(object, &["status"], |status| {
            let (field, same) = ("lastPhaseTransitionTime", old["phase"] == status["phase"]);
            if same {
                default(status, field, old[field].clone());
            } else if status[field].is_null() || status[field] == old[field] {
                status[field] = object::now().into();
            }
        }),
        _ => {}
    }
}

fn string_data(secret: &mut Value) {
    use base64::Engine;
    let Some(Value::Object(texts)) = secret.as_object_mut().and_then(|map| map.remove("stringData")) else { return };
    default(secret, "data", json!({}));
    for (key, text) in texts {
        let encoded = base64::engine::general_purpose::STANDARD.encode(text.as_str().unwrap_or_default());
        within(secret, &["data"], |data| data[key] = encoded.into());
    }
}

fn service(object: &mut Value) {
    within(object, &["spec"], service_spec);
}

/// A container's limits follow from one another where they are not given.
fn limit(limit: &mut Value) {
    if limit.get("type").is_none_or(|kind| kind != "Container") {
        return;
    }
    for (to, from) in [("default", "max"), ("defaultRequest", "default"), ("defaultRequest", "min")] {
        let Some(Value::Object(amounts)) = limit.get(from).cloned() else { continue };
        default(limit, to, json!({}));
        within(limit, &[to], |target| amounts.into_iter().for_each(|(name, amount)| default(target, &name, amount)));
    }
}

fn service_spec(spec: &mut Value) {
    filled(spec, "type", "ClusterIP");
    filled(spec, "sessionAffinity", "None");
    let outside = !spec["externalIPs"].as_array().is_none_or(Vec::is_empty);
    match spec["type"].as_str().unwrap_or_default() {
        "ClusterIP" if outside => filled(spec, "externalTrafficPolicy", "Cluster"),
        "NodePort" => filled(spec, "externalTrafficPolicy", "Cluster"),
        "LoadBalancer" => {
            filled(spec, "externalTrafficPolicy", "Cluster");
            default(spec, "allocateLoadBalancerNodePorts", true);
        }
        _ => {}
    }
    if matches!(spec["type"].as_str(), Some("ClusterIP" | "NodePort" | "LoadBalancer")) {
        default(spec, "internalTrafficPolicy", "Cluster");
    }
    match spec["sessionAffinity"].as_str() {
        Some("ClientIP") if spec["sessionAffinityConfig"]["clientIP"]["timeoutSeconds"].is_null() => {
            spec["sessionAffinityConfig"] = json!({"clientIP": {"timeoutSeconds": 10800}});
        }
        Some("None") => drop(spec.as_object_mut().and_then(|map| map.remove("sessionAffinityConfig"))),
        _ => {}
    }
    each(spec, "ports", |port| {
        filled(port, "protocol", "TCP");
        let number = port.get("port").cloned().unwrap_or_else(|| 0.into());
        filled(port, "targetPort", number);
    });
}

fn network_policy(spec: &mut Value) {
    let some = |value: &Value| value.as_array().is_some_and(|all| !all.is_empty());
    if !some(&spec["policyTypes"]) {
        let both = some(&spec["egress"]);
        spec["policyTypes"] = if both { json!(["Ingress", "Egress"]) } else { json!(["Ingress"]) };
    }
    for direction in ["ingress", "egress"] {
        each(spec, direction, |rule| each(rule, "ports", |port| default(port, "protocol", "TCP")));
    }
}
