//! Fills in what a kube-apiserver fills in for built-in kinds, as far as controllers and people commonly rely on it.

use serde_json::{Value, json};

use crate::object;
use crate::resources::Resource;
use crate::store::State;

/// Sets a field that is not there.
fn default(object: &mut Value, field: &str, value: impl Into<Value>) {
    if let Some(map) = object.as_object_mut()
        && map.get(field).is_none_or(Value::is_null)
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

/// Defaults that hold on every write.
pub(crate) fn fill(resource: &Resource, object: &mut Value) {
    match (resource.group.as_str(), resource.plural.as_str()) {
        ("", "pods") => within(object, &["spec"], |spec| {
            pod_spec(spec);
            default(spec, "enableServiceLinks", true);
        }),
        ("", "limitranges") => within(object, &["spec"], |spec| each(spec, "limits", limit)),
        ("", "services") => service(object),
        ("", "secrets") => {
            default(object, "type", "Opaque");
            string_data(object);
        }
        ("", "namespaces") => namespace(object),
        ("", "persistentvolumeclaims") => within(object, &["spec"], |spec| default(spec, "volumeMode", "Filesystem")),
        ("apps", "deployments") => within(object, &["spec"], deployment),
        ("apps", "replicasets" | "statefulsets" | "daemonsets") => {
            within(object, &["spec"], |spec| workload(resource, spec))
        }
        ("batch", "jobs") => within(object, &["spec"], job),
        ("batch", "cronjobs") => within(object, &["spec"], cron_job),
        ("networking.k8s.io", "networkpolicies") => within(object, &["spec"], network_policy),
        ("rbac.authorization.k8s.io", "roles" | "clusterroles")
            if object["rules"].as_array().is_none_or(Vec::is_empty) =>
        {
            object["rules"] = Value::Null;
        }
        ("rbac.authorization.k8s.io", "rolebindings" | "clusterrolebindings") => each(object, "subjects", |subject| {
            if subject.get("kind").is_some_and(|kind| kind != "ServiceAccount") {
                default(subject, "apiGroup", "rbac.authorization.k8s.io");
            }
        }),
        ("storage.k8s.io", "storageclasses") => {
            default(object, "reclaimPolicy", "Delete");
            default(object, "volumeBindingMode", "Immediate");
        }
        ("scheduling.k8s.io", "priorityclasses") => default(object, "preemptionPolicy", "PreemptLowerPriority"),
        _ => {}
    }
}

fn namespace(object: &mut Value) {
    let name = object::meta(object, "name").to_owned();
    default(object, "spec", json!({"finalizers": ["kubernetes"]}));
    default(object, "status", json!({"phase": "Active"}));
    within(object, &["metadata"], |meta| default(meta, "labels", json!({})));
    within(object, &["metadata", "labels"], |labels| labels["kubernetes.io/metadata.name"] = name.into());
}

fn cron_job(spec: &mut Value) {
    default(spec, "concurrencyPolicy", "Allow");
    default(spec, "suspend", false);
    default(spec, "successfulJobsHistoryLimit", 3);
    default(spec, "failedJobsHistoryLimit", 1);
    within(spec, &["jobTemplate", "spec", "template", "spec"], pod_spec);
}

/// Defaults of a new object only.
pub(crate) fn on_create(state: &State, resource: &Resource, object: &mut Value) {
    match resource.plural.as_str() {
        "pods" if resource.group.is_empty() => object["status"] = json!({"phase": "Pending", "qosClass": "BestEffort"}),
        "namespaces" => object["status"] = json!({"phase": "Active"}),
        "services" if resource.group.is_empty() => {
            object["status"] = json!({"loadBalancer": {}});
            cluster_ip(state, object);
        }
        "resourcequotas" => object["status"] = json!({}),
        "persistentvolumeclaims" => object["status"] = json!({"phase": "Pending"}),
        "deployments" | "replicasets" | "statefulsets" | "daemonsets" | "jobs" | "cronjobs" | "ingresses" => {
            default(object, "status", json!({}))
        }
        _ => {}
    }
}

/// What stays as it was whatever an update says.
pub(crate) fn immutable(resource: &Resource, live: &Value, object: &mut Value) {
    if resource.plural == "services" && resource.group.is_empty() {
        for field in ["clusterIP", "clusterIPs", "ipFamilies", "ipFamilyPolicy"] {
            if let Some(value) = live["spec"].get(field) {
                within(object, &["spec"], |spec| default(spec, field, value.clone()));
            }
        }
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

/// An address that follows from the version, so that it is new in this cluster.
fn cluster_ip(state: &State, service: &mut Value) {
    let version = state.version();
    within(service, &["spec"], |spec| {
        if spec.get("type").is_none_or(|t| t != "ExternalName") {
            default(
                spec,
                "clusterIP",
                format!("10.{}.{}.{}", 96 + (version >> 16) % 100, (version >> 8) & 0xff, version & 0xff),
            );
            let address = spec["clusterIP"].clone();
            default(spec, "clusterIPs", json!([address]));
            default(spec, "ipFamilies", json!(["IPv4"]));
            default(spec, "ipFamilyPolicy", "SingleStack");
        }
    });
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
    default(spec, "type", "ClusterIP");
    default(spec, "sessionAffinity", "None");
    if spec["type"] != "ExternalName" {
        default(spec, "internalTrafficPolicy", "Cluster");
    }
    each(spec, "ports", |port| {
        default(port, "protocol", "TCP");
        if let Some(number) = port.get("port").cloned() {
            default(port, "targetPort", number);
        }
    });
}

fn deployment(spec: &mut Value) {
    default(spec, "replicas", 1);
    default(spec, "revisionHistoryLimit", 10);
    default(spec, "progressDeadlineSeconds", 600);
    default(spec, "strategy", json!({"type": "RollingUpdate"}));
    let strategy = &mut spec["strategy"];
    default(strategy, "type", "RollingUpdate");
    if strategy["type"] == "RollingUpdate" {
        default(strategy, "rollingUpdate", json!({}));
        within(strategy, &["rollingUpdate"], |rolling| {
            default(rolling, "maxSurge", "25%");
            default(rolling, "maxUnavailable", "25%");
        });
    }
    within(spec, &["template", "spec"], pod_spec);
}

fn workload(resource: &Resource, spec: &mut Value) {
    match resource.plural.as_str() {
        "replicasets" => default(spec, "replicas", 1),
        "statefulsets" => {
            default(spec, "replicas", 1);
            default(spec, "revisionHistoryLimit", 10);
            default(spec, "podManagementPolicy", "OrderedReady");
            default(spec, "updateStrategy", json!({"type": "RollingUpdate", "rollingUpdate": {"partition": 0}}));
            let policy = json!({"whenDeleted": "Retain", "whenScaled": "Retain"});
            default(spec, "persistentVolumeClaimRetentionPolicy", policy);
        }
        _ => {
            default(spec, "revisionHistoryLimit", 10);
            let rolling = json!({"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 0, "maxUnavailable": 1}});
            default(spec, "updateStrategy", rolling);
        }
    }
    within(spec, &["template", "spec"], pod_spec);
}

fn job(spec: &mut Value) {
    default(spec, "parallelism", 1);
    default(spec, "completions", 1);
    default(spec, "backoffLimit", 6);
    default(spec, "completionMode", "NonIndexed");
    default(spec, "suspend", false);
    default(spec, "manualSelector", false);
    default(spec, "podReplacementPolicy", "TerminatingOrFailed");
    within(spec, &["template", "spec"], pod_spec);
}

fn network_policy(spec: &mut Value) {
    let types =
        if spec.get("egress").is_some_and(Value::is_array) { json!(["Ingress", "Egress"]) } else { json!(["Ingress"]) };
    default(spec, "policyTypes", types);
    for direction in ["ingress", "egress"] {
        each(spec, direction, |rule| each(rule, "ports", |port| default(port, "protocol", "TCP")));
    }
}

fn pod_spec(spec: &mut Value) {
    if !spec.is_object() {
        return;
    }
    default(spec, "restartPolicy", "Always");
    default(spec, "dnsPolicy", "ClusterFirst");
    default(spec, "schedulerName", "default-scheduler");
    default(spec, "terminationGracePeriodSeconds", 30);
    default(spec, "securityContext", json!({}));
    for list in ["containers", "initContainers"] {
        each(spec, list, container);
    }
    each(spec, "volumes", |volume| {
        for source in ["configMap", "secret", "projected", "downwardAPI"] {
            within(volume, &[source], |source| default(source, "defaultMode", 420));
        }
    });
}

fn container(container: &mut Value) {
    let image = container.get("image").and_then(Value::as_str).unwrap_or_default();
    let tag = image.rsplit('/').next().and_then(|last| last.split_once(':')).map(|(_, tag)| tag);
    let latest = !image.contains('@') && tag.is_none_or(|t| t == "latest");
    default(container, "imagePullPolicy", if latest { "Always" } else { "IfNotPresent" });
    default(container, "terminationMessagePath", "/dev/termination-log");
    default(container, "terminationMessagePolicy", "File");
    default(container, "resources", json!({}));
    each(container, "ports", |port| default(port, "protocol", "TCP"));
    for probe in ["livenessProbe", "readinessProbe", "startupProbe"] {
        if let Some(probe) = container.get_mut(probe).filter(|p| p.is_object()) {
            default(probe, "timeoutSeconds", 1);
            default(probe, "periodSeconds", 10);
            default(probe, "successThreshold", 1);
            default(probe, "failureThreshold", 3);
            within(probe, &["httpGet"], |get| default(get, "scheme", "HTTP"));
        }
    }
}
