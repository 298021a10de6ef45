//! The columns of built-in kinds and of custom resources.

use serde_json::Value;

use super::{Cell, Column, age};
use crate::object;
use crate::resources::Resource;

fn column(name: &str, kind: &str, cell: fn(&Value) -> Value) -> Column {
    Column { name: name.into(), kind: kind.into(), format: String::new(), wide: false, cell: Cell::Of(cell) }
}

fn text(name: &str, cell: fn(&Value) -> Value) -> Column {
    column(name, "string", cell)
}

fn number(name: &str, cell: fn(&Value) -> Value) -> Column {
    column(name, "integer", cell)
}

fn wide(column: Column) -> Column {
    Column { wide: true, ..column }
}

fn name() -> Column {
    Column { format: "name".into(), ..text("Name", |o| object::meta(o, "name").into()) }
}

fn created() -> Column {
    text("Age", age)
}

/// The columns of a resource in a version.
pub(crate) fn of(resource: &Resource, version: &str) -> Vec<Column> {
    // Events are told by what they say; their names only take room.
    let mut out = vec![if resource.plural == "events" { wide(name()) } else { name() }];
    if resource.custom {
        let listed = resource.version(version).map(|v| v.columns.as_slice()).unwrap_or_default();
        out.extend(listed.iter().map(custom));
        if listed.is_empty() {
            out.push(created());
        }
        return out;
    }
    out.extend(builtin(resource));
    out
}

fn custom(listed: &Value) -> Column {
    let text = |field: &str| listed[field].as_str().unwrap_or_default().to_owned();
    Column {
        name: text("name"),
        kind: text("type"),
        format: text("format"),
        wide: listed["priority"].as_i64().unwrap_or(0) > 0,
        cell: Cell::Path(text("jsonPath")),
    }
}

fn builtin(resource: &Resource) -> Vec<Column> {
    match (resource.group.as_str(), resource.plural.as_str()) {
        ("", plural) => core(plural),
        ("apps" | "batch", plural) => workloads(plural),
        _ => others(&resource.plural),
    }
}

fn field(object: &Value, path: &[&str]) -> Value {
    object::at(object, path).cloned().unwrap_or(Value::Null)
}

fn or(object: &Value, path: &[&str], otherwise: &str) -> Value {
    match object::at(object, path) {
        Some(Value::Null) | None => otherwise.into(),
        Some(Value::String(text)) if text.is_empty() => otherwise.into(),
        Some(other) => other.clone(),
    }
}

fn count(object: &Value, path: &[&str]) -> Value {
    object::at(object, path).and_then(Value::as_i64).unwrap_or(0).into()
}

fn size(value: &Value) -> usize {
    value.as_object().map_or_else(|| value.as_array().map_or(0, Vec::len), serde_json::Map::len)
}

fn core(plural: &str) -> Vec<Column> {
    match plural {
        "pods" => vec![
            text("Ready", pod_ready),
            text("Status", pod_status),
            text("Restarts", |o| pod_restarts(o).to_string().into()),
            created(),
            wide(text("IP", |o| or(o, &["status", "podIP"], "<none>"))),
            wide(text("Node", |o| or(o, &["spec", "nodeName"], "<none>"))),
            wide(text("Nominated Node", |o| or(o, &["status", "nominatedNodeName"], "<none>"))),
            wide(text("Readiness Gates", |_| "<none>".into())),
        ],
        "services" => vec![
            text("Type", |o| field(o, &["spec", "type"])),
            text("Cluster-IP", |o| or(o, &["spec", "clusterIP"], "<none>")),
            text("External-IP", external_ip),
            text("Port(s)", ports),
            created(),
            wide(text("Selector", |o| pairs(&o["spec"]["selector"]))),
        ],
        "nodes" => vec![
            text("Status", node_status),
            text("Roles", node_roles),
            created(),
            text("Version", |o| field(o, &["status", "nodeInfo", "kubeletVersion"])),
            wide(text("Internal-IP", |o| node_address(o, "InternalIP"))),
            wide(text("External-IP", |o| node_address(o, "ExternalIP"))),
            wide(text("OS-Image", |o| or(o, &["status", "nodeInfo", "osImage"], "<unknown>"))),
            wide(text("Kernel-Version", |o| or(o, &["status", "nodeInfo", "kernelVersion"], "<unknown>"))),
            wide(text("Container-Runtime", |o| or(o, &["status", "nodeInfo", "containerRuntimeVersion"], "<unknown>"))),
        ],
        "namespaces" => vec![text("Status", |o| field(o, &["status", "phase"])), created()],
        "configmaps" => vec![number("Data", |o| (size(&o["data"]) + size(&o["binaryData"])).into()), created()],
        "secrets" => {
            vec![text("Type", |o| field(o, &["type"])), number("Data", |o| size(&o["data"]).into()), created()]
        }
        "events" => vec![
            text("Last Seen", |o| super::since(event_time(o)).into()),
            text("Type", |o| field(o, &["type"])),
            text("Reason", |o| field(o, &["reason"])),
            text("Object", event_object),
            text("Message", |o| o["message"].as_str().unwrap_or_default().trim().into()),
        ],
        "persistentvolumeclaims" => vec![
            text("Status", |o| field(o, &["status", "phase"])),
            text("Volume", |o| field(o, &["spec", "volumeName"])),
            text("Capacity", |o| field(o, &["status", "capacity", "storage"])),
            text("Access Modes", |o| joined(&o["status"]["accessModes"])),
            text("StorageClass", |o| field(o, &["spec", "storageClassName"])),
            text("VolumeAttributesClass", |o| or(o, &["spec", "volumeAttributesClassName"], "<unset>")),
            created(),
            wide(text("VolumeMode", |o| field(o, &["spec", "volumeMode"]))),
        ],
        "serviceaccounts" => vec![created()],
        "resourcequotas" => vec![text("Request", |o| quota(o, false)), text("Limit", |o| quota(o, true)), created()],
        "limitranges" => vec![text("Created At", |o| object::meta(o, "creationTimestamp").into())],
        "endpoints" => vec![text("Endpoints", |_| "<none>".into()), created()],
        "replicationcontrollers" => replicas(),
        _ => vec![created()],
    }
}

fn replicas() -> Vec<Column> {
    vec![
        number("Desired", |o| count(o, &["spec", "replicas"])),
        number("Current", |o| count(o, &["status", "replicas"])),
        number("Ready", |o| count(o, &["status", "readyReplicas"])),
        created(),
    ]
}

fn workloads(plural: &str) -> Vec<Column> {
    let ready =
        |o: &Value| format!("{}/{}", count(o, &["status", "readyReplicas"]), count(o, &["spec", "replicas"])).into();
    let template =
        || vec![wide(text("Containers", |o| containers(o, "name"))), wide(text("Images", |o| containers(o, "image")))];
    let selector = || wide(text("Selector", |o| pairs(&o["spec"]["selector"]["matchLabels"])));
    let mut out = match plural {
        "deployments" => vec![
            text("Ready", ready),
            number("Up-to-date", |o| count(o, &["status", "updatedReplicas"])),
            number("Available", |o| count(o, &["status", "availableReplicas"])),
            created(),
        ],
        "replicasets" => replicas(),
        "statefulsets" => vec![text("Ready", ready), created()],
        "daemonsets" => vec![
            number("Desired", |o| count(o, &["status", "desiredNumberScheduled"])),
            number("Current", |o| count(o, &["status", "currentNumberScheduled"])),
            number("Ready", |o| count(o, &["status", "numberReady"])),
            number("Up-to-date", |o| count(o, &["status", "updatedNumberScheduled"])),
            number("Available", |o| count(o, &["status", "numberAvailable"])),
            text("Node Selector", |o| pairs(&o["spec"]["template"]["spec"]["nodeSelector"])),
            created(),
        ],
        "jobs" => vec![
            text("Status", job_status),
            text("Completions", |o| {
                format!("{}/{}", count(o, &["status", "succeeded"]), count(o, &["spec", "completions"])).into()
            }),
            text("Duration", |_| Value::from("")),
            created(),
        ],
        "cronjobs" => {
            return vec![
                text("Schedule", |o| field(o, &["spec", "schedule"])),
                text("Timezone", |o| or(o, &["spec", "timeZone"], "<none>")),
                text("Suspend", |o| if o["spec"]["suspend"] == true { "True".into() } else { "False".into() }),
                number("Active", |o| size(&o["status"]["active"]).into()),
                text("Last Schedule", |o| {
                    o["status"]["lastScheduleTime"].as_str().map_or("<none>".into(), super::since).into()
                }),
                created(),
            ];
        }
        "controllerrevisions" => return vec![created()],
        _ => vec![created()],
    };
    out.extend(template());
    if plural != "statefulsets" {
        out.push(selector());
    }
    out
}

fn others(plural: &str) -> Vec<Column> {
    match plural {
        "customresourcedefinitions" => vec![text("Created At", |o| object::meta(o, "creationTimestamp").into())],
        "ingresses" => vec![
            text("Class", |o| or(o, &["spec", "ingressClassName"], "<none>")),
            text("Hosts", ingress_hosts),
            text("Address", |_| "".into()),
            text("Ports", |o| if size(&o["spec"]["tls"]) > 0 { "80, 443".into() } else { "80".into() }),
            created(),
        ],
        "networkpolicies" => vec![text("Pod-Selector", |o| pairs(&o["spec"]["podSelector"]["matchLabels"])), created()],
        "poddisruptionbudgets" => vec![
            text("Min Available", |o| or(o, &["spec", "minAvailable"], "N/A")),
            text("Max Unavailable", |o| or(o, &["spec", "maxUnavailable"], "N/A")),
            number("Allowed Disruptions", |o| count(o, &["status", "disruptionsAllowed"])),
            created(),
        ],
        "roles" | "clusterroles" => vec![text("Created At", |o| object::meta(o, "creationTimestamp").into())],
        "rolebindings" | "clusterrolebindings" => vec![
            text("Role", |o| format!("{}/{}", plain(&o["roleRef"]["kind"]), plain(&o["roleRef"]["name"])).into()),
            created(),
        ],
        "leases" => vec![text("Holder", |o| field(o, &["spec", "holderIdentity"])), created()],
        "storageclasses" => vec![
            text("Provisioner", |o| field(o, &["provisioner"])),
            text("ReclaimPolicy", |o| field(o, &["reclaimPolicy"])),
            text("VolumeBindingMode", |o| field(o, &["volumeBindingMode"])),
            text("AllowVolumeExpansion", |o| (o["allowVolumeExpansion"] == true).into()),
            created(),
        ],
        "priorityclasses" => vec![
            number("Value", |o| field(o, &["value"])),
            text("Global-Default", |o| (o["globalDefault"] == true).into()),
            created(),
            text("PreemptionPolicy", |o| field(o, &["preemptionPolicy"])),
        ],
        "horizontalpodautoscalers" => vec![
            text("Reference", |o| {
                format!(
                    "{}/{}",
                    plain(&o["spec"]["scaleTargetRef"]["kind"]),
                    plain(&o["spec"]["scaleTargetRef"]["name"])
                )
                .into()
            }),
            text("Targets", |_| "<unknown>".into()),
            text("MinPods", |o| or(o, &["spec", "minReplicas"], "<unset>")),
            number("MaxPods", |o| count(o, &["spec", "maxReplicas"])),
            number("Replicas", |o| count(o, &["status", "currentReplicas"])),
            created(),
        ],
        "events" => vec![
            text("Last Seen", |o| super::since(event_time(o)).into()),
            text("Type", |o| field(o, &["type"])),
            text("Reason", |o| field(o, &["reason"])),
            text("Object", |o| {
                format!("{}/{}", plain(&o["regarding"]["kind"]).to_lowercase(), plain(&o["regarding"]["name"])).into()
            }),
            text("Message", |o| field(o, &["note"])),
        ],
        _ => vec![created()],
    }
}

fn plain(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

fn joined(list: &Value) -> Value {
    let texts: Vec<&str> = list.as_array().into_iter().flatten().map(plain).collect();
    texts.join(",").into()
}

fn pairs(map: &Value) -> Value {
    let texts: Vec<String> = map.as_object().into_iter().flatten().map(|(k, v)| format!("{k}={}", plain(v))).collect();
    if texts.is_empty() { "<none>".into() } else { texts.join(",").into() }
}

fn containers(object: &Value, what: &str) -> Value {
    let list = object["spec"]["template"]["spec"]["containers"].as_array();
    list.into_iter().flatten().map(|c| plain(&c[what])).collect::<Vec<_>>().join(",").into()
}

fn container_statuses(pod: &Value) -> &[Value] {
    pod["status"]["containerStatuses"].as_array().map(Vec::as_slice).unwrap_or_default()
}

fn pod_ready(pod: &Value) -> Value {
    let ready = container_statuses(pod).iter().filter(|c| c["ready"] == true).count();
    format!("{ready}/{}", size(&pod["spec"]["containers"])).into()
}

fn pod_restarts(pod: &Value) -> i64 {
    container_statuses(pod).iter().filter_map(|c| c["restartCount"].as_i64()).sum()
}

fn pod_status(pod: &Value) -> Value {
    if object::is_deleting(pod) {
        return "Terminating".into();
    }
    let waiting = container_statuses(pod).iter().find_map(|c| c["state"]["waiting"]["reason"].as_str());
    let reason = waiting.or_else(|| pod["status"]["reason"].as_str());
    reason.map(Value::from).unwrap_or_else(|| field(pod, &["status", "phase"]))
}

fn external_ip(service: &Value) -> Value {
    let list = service["status"]["loadBalancer"]["ingress"].as_array();
    let found: Vec<&str> =
        list.into_iter().flatten().filter_map(|i| i["ip"].as_str().or(i["hostname"].as_str())).collect();
    match plain(&service["spec"]["type"]) {
        _ if !found.is_empty() => found.join(",").into(),
        "LoadBalancer" => "<pending>".into(),
        "ExternalName" => field(service, &["spec", "externalName"]),
        _ => "<none>".into(),
    }
}

fn ports(service: &Value) -> Value {
    let list = service["spec"]["ports"].as_array();
    let texts: Vec<String> = list
        .into_iter()
        .flatten()
        .map(|p| match p["nodePort"].as_i64() {
            Some(node) => format!("{}:{node}/{}", p["port"], plain(&p["protocol"])),
            None => format!("{}/{}", p["port"], plain(&p["protocol"])),
        })
        .collect();
    if texts.is_empty() { "<none>".into() } else { texts.join(",").into() }
}

fn node_status(node: &Value) -> Value {
    let conditions = node["status"]["conditions"].as_array();
    let ready = conditions.into_iter().flatten().find(|c| c["type"] == "Ready").map(|c| plain(&c["status"]));
    let mut out = match ready {
        Some("True") => "Ready".to_owned(),
        Some(_) => "NotReady".to_owned(),
        None => "Unknown".to_owned(),
    };
    if node["spec"]["unschedulable"] == true {
        out.push_str(",SchedulingDisabled");
    }
    out.into()
}

fn node_roles(node: &Value) -> Value {
    let labels = node["metadata"]["labels"].as_object();
    let roles = labels.into_iter().flatten().filter_map(|(k, _)| k.strip_prefix("node-role.kubernetes.io/"));
    let roles: Vec<&str> = roles.collect();
    if roles.is_empty() { "<none>".into() } else { roles.join(",").into() }
}

fn node_address(node: &Value, kind: &str) -> Value {
    let list = node["status"]["addresses"].as_array();
    list.into_iter().flatten().find(|a| a["type"] == *kind).map_or_else(|| "<none>".into(), |a| a["address"].clone())
}

fn event_time(event: &Value) -> &str {
    let series = event["series"]["lastObservedTime"].as_str();
    let fields = ["lastTimestamp", "deprecatedLastTimestamp", "eventTime", "firstTimestamp"];
    series.or_else(|| fields.iter().find_map(|f| event[*f].as_str())).unwrap_or_default()
}

fn event_object(event: &Value) -> Value {
    let of = &event["involvedObject"];
    format!("{}/{}", plain(&of["kind"]).to_lowercase(), plain(&of["name"])).into()
}

fn quota(quota: &Value, limits: bool) -> Value {
    let hard = quota["status"]["hard"].as_object().into_iter().flatten();
    let texts: Vec<String> = hard
        .filter(|(name, _)| name.starts_with("limits.") == limits)
        .map(|(name, value)| {
            let used = &quota["status"]["used"][name];
            format!("{name}: {}/{}", used.as_str().unwrap_or("0"), plain(value))
        })
        .collect();
    texts.join(", ").into()
}

fn job_status(job: &Value) -> Value {
    let conditions = job["status"]["conditions"].as_array();
    let done = conditions
        .into_iter()
        .flatten()
        .find(|c| c["status"] == "True" && (c["type"] == "Complete" || c["type"] == "Failed"));
    done.map_or_else(|| "Running".into(), |c| c["type"].clone())
}

fn ingress_hosts(ingress: &Value) -> Value {
    let rules = ingress["spec"]["rules"].as_array();
    let hosts: Vec<&str> = rules.into_iter().flatten().filter_map(|r| r["host"].as_str()).collect();
    if hosts.is_empty() { "*".into() } else { hosts.join(",").into() }
}
