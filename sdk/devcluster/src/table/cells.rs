//! The cells of built-in kinds: what stands in a column for an object.

use serde_json::Value;

use super::lists::{
    access_modes, addresses, containers, every, joined, labels, ports, quota, ready_addresses, references, selector,
    service_ports, shortened, subjects, targets,
};
use super::{age, since};
use crate::object;

pub(super) fn plain(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

fn field(object: &Value, path: &[&str]) -> Value {
    or(object, path, "")
}

/// What is at a path, or another text where there is nothing.
fn or(object: &Value, path: &[&str], otherwise: &str) -> Value {
    match object::at(object, path) {
        Some(Value::Null) | None => otherwise.into(),
        Some(Value::String(text)) if text.is_empty() => otherwise.into(),
        Some(other) => other.clone(),
    }
}

/// The same as text.
fn text_or(object: &Value, path: &[&str], otherwise: &str) -> Value {
    match or(object, path, otherwise) {
        text @ Value::String(_) => text,
        other => other.to_string().into(),
    }
}

fn count(object: &Value, path: &[&str]) -> i64 {
    object::at(object, path).and_then(Value::as_i64).unwrap_or(0)
}

fn size(value: &Value) -> usize {
    value.as_object().map_or_else(|| value.as_array().map_or(0, Vec::len), serde_json::Map::len)
}

fn time(value: &Value) -> Value {
    value.as_str().map_or("<unknown>".into(), since).into()
}

/// The cell of a column.
pub(super) fn cell(plural: &str, column: &str, o: &Value) -> Value {
    match (plural, column) {
        (_, "Name") => object::meta(o, "name").into(),
        (_, "Age") => age(o),
        (_, "Created At") => object::meta(o, "creationTimestamp").into(),
        ("events", _) => event(column, o),
        ("pods", _) => pod(column, o),
        ("services", _) => service(column, o),
        ("nodes", _) => node(column, o),
        ("persistentvolumes" | "persistentvolumeclaims", _) => volume(plural, column, o),
        ("roles" | "clusterroles" | "rolebindings" | "clusterrolebindings", _) => binding(column, o),
        (_, "Containers" | "Images" | "Selector" | "Pod Labels") => template(plural, column, o),
        (
            "deployments"
            | "replicasets"
            | "statefulsets"
            | "daemonsets"
            | "replicationcontrollers"
            | "jobs"
            | "cronjobs",
            _,
        ) => workload(plural, column, o),
        (
            "ingresses" | "ingressclasses" | "networkpolicies" | "endpoints" | "endpointslices" | "ipaddresses"
            | "servicecidrs",
            _,
        ) => network(column, o),
        (
            "storageclasses"
            | "csidrivers"
            | "csinodes"
            | "volumeattachments"
            | "volumeattributesclasses"
            | "csistoragecapacities",
            _,
        ) => storage(column, o),
        _ => other(column, o),
    }
}

fn other(column: &str, o: &Value) -> Value {
    match column {
        "Data" => (size(&o["data"]) + size(&o["binaryData"])).into(),
        "Type" => field(o, &["type"]),
        "Status" => field(o, &["status", "phase"]),
        "Request" => quota(o, false),
        "Limit" => quota(o, true),
        "Min Available" => text_or(o, &["spec", "minAvailable"], "N/A"),
        "Max Unavailable" => text_or(o, &["spec", "maxUnavailable"], "N/A"),
        "Allowed Disruptions" => count(o, &["status", "disruptionsAllowed"]).into(),
        "Holder" => field(o, &["spec", "holderIdentity"]),
        "Value" => count(o, &["value"]).into(),
        "Global-Default" => (o["globalDefault"] == true).into(),
        "PreemptionPolicy" => field(o, &["preemptionPolicy"]),
        "Reference" => {
            let target = &o["spec"]["scaleTargetRef"];
            format!("{}/{}", plain(&target["kind"]), plain(&target["name"])).into()
        }
        "Targets" => targets(o),
        "MinPods" => text_or(o, &["spec", "minReplicas"], "<unset>"),
        "MaxPods" => count(o, &["spec", "maxReplicas"]).into(),
        "Replicas" => count(o, &["status", "currentReplicas"]).into(),
        "Controller" => references(o),
        "Revision" => count(o, &["revision"]).into(),
        "Webhooks" => size(&o["webhooks"]).into(),
        "Validations" => size(&o["spec"]["validations"]).into(),
        "Mutations" => size(&o["spec"]["mutations"]).into(),
        "PolicyName" => field(o, &["spec", "policyName"]),
        "ParamKind" => match &o["spec"]["paramKind"] {
            Value::Object(kind) => format!("{}/{}", plain(&kind["apiVersion"]), plain(&kind["kind"])).into(),
            _ => "<unset>".into(),
        },
        "ParamRef" => or(o, &["spec", "paramRef", "name"], "<unset>"),
        _ => Value::Null,
    }
}

fn event(column: &str, o: &Value) -> Value {
    // events.k8s.io calls the same fields otherwise.
    let either = |old: &str, new: &str| if o[old].is_null() { o[new].clone() } else { o[old].clone() };
    let (first, last) =
        (either("firstTimestamp", "deprecatedFirstTimestamp"), either("lastTimestamp", "deprecatedLastTimestamp"));
    let of = either("involvedObject", "regarding");
    let or_event_time = |time: Value| if time.is_null() { o["eventTime"].clone() } else { time };
    match column {
        "Last Seen" => match &o["series"]["lastObservedTime"] {
            Value::Null => time(&or_event_time(last)),
            seen => time(seen),
        },
        "First Seen" => time(&or_event_time(first)),
        "Type" => field(o, &["type"]),
        "Reason" => field(o, &["reason"]),
        "Object" => format!("{}/{}", plain(&of["kind"]).to_lowercase(), plain(&of["name"])).into(),
        "Subobject" => plain(&of["fieldPath"]).into(),
        "Source" => {
            let source = either("source", "deprecatedSource");
            let (component, host) = (plain(&source["component"]), plain(&source["host"]));
            let component = if component.is_empty() {
                plain(&either("reportingComponent", "reportingController")).to_owned()
            } else {
                component.to_owned()
            };
            let host = if host.is_empty() { plain(&o["reportingInstance"]) } else { host };
            if host.is_empty() { component.into() } else { format!("{component}, {host}").into() }
        }
        "Message" => plain(&either("message", "note")).trim().into(),
        "Count" => match (o["series"]["count"].as_i64(), either("count", "deprecatedCount").as_i64().unwrap_or(0)) {
            (Some(count), _) => count.into(),
            (None, 0) => 1.into(),
            (None, count) => count.into(),
        },
        _ => Value::Null,
    }
}

fn container_statuses(pod: &Value) -> &[Value] {
    pod["status"]["containerStatuses"].as_array().map(Vec::as_slice).unwrap_or_default()
}

fn pod(column: &str, o: &Value) -> Value {
    match column {
        "Ready" => {
            let ready = container_statuses(o).iter().filter(|c| c["ready"] == true).count();
            format!("{ready}/{}", size(&o["spec"]["containers"])).into()
        }
        "Status" if object::is_deleting(o) => "Terminating".into(),
        "Status" => {
            let waiting = container_statuses(o).iter().find_map(|c| c["state"]["waiting"]["reason"].as_str());
            let reason = waiting.or_else(|| o["status"]["reason"].as_str());
            reason.map(Value::from).unwrap_or_else(|| field(o, &["status", "phase"]))
        }
        "Restarts" => {
            let restarts: i64 = container_statuses(o).iter().filter_map(|c| c["restartCount"].as_i64()).sum();
            restarts.to_string().into()
        }
        "IP" => or(o, &["status", "podIP"], "<none>"),
        "Node" => or(o, &["spec", "nodeName"], "<none>"),
        "Nominated Node" => or(o, &["status", "nominatedNodeName"], "<none>"),
        "Readiness Gates" => "<none>".into(),
        _ => Value::Null,
    }
}

fn service(column: &str, o: &Value) -> Value {
    match column {
        "Type" => field(o, &["spec", "type"]),
        "Cluster-IP" => or(o, &["spec", "clusterIP"], "<none>"),
        "External-IP" => addresses(o),
        "Port(s)" => service_ports(o),
        "Selector" => labels(&o["spec"]["selector"]),
        _ => Value::Null,
    }
}

fn node(column: &str, o: &Value) -> Value {
    let address = |kind: &str| {
        let found = every(&o["status"]["addresses"]).find(|a| a["type"] == *kind);
        found.map_or_else(|| "<none>".into(), |a| a["address"].clone())
    };
    match column {
        "Status" => {
            let ready = every(&o["status"]["conditions"]).find(|c| c["type"] == "Ready").map(|c| plain(&c["status"]));
            let ready = match ready {
                Some("True") => "Ready",
                Some(_) => "NotReady",
                None => "Unknown",
            };
            let off = if o["spec"]["unschedulable"] == true { ",SchedulingDisabled" } else { "" };
            format!("{ready}{off}").into()
        }
        "Roles" => {
            let of = |(key, value): (&String, &Value)| match key.strip_prefix("node-role.kubernetes.io/") {
                Some(role) => Some(role.to_owned()).filter(|r| !r.is_empty()),
                None => (key == "kubernetes.io/role").then(|| plain(value).to_owned()),
            };
            let mut roles: Vec<String> =
                o["metadata"]["labels"].as_object().into_iter().flatten().filter_map(of).collect();
            roles.sort();
            if roles.is_empty() { "<none>".into() } else { roles.join(",").into() }
        }
        "Version" => field(o, &["status", "nodeInfo", "kubeletVersion"]),
        "Internal-IP" => address("InternalIP"),
        "External-IP" => address("ExternalIP"),
        "OS-Image" => or(o, &["status", "nodeInfo", "osImage"], "<unknown>"),
        "Kernel-Version" => {
            let info = &o["status"]["nodeInfo"];
            match (plain(&info["kernelVersion"]), plain(&info["architecture"])) {
                ("", _) => "<unknown>".into(),
                (kernel, "") => kernel.into(),
                (kernel, architecture) => format!("{kernel} ({architecture})").into(),
            }
        }
        "Container-Runtime" => or(o, &["status", "nodeInfo", "containerRuntimeVersion"], "<unknown>"),
        _ => Value::Null,
    }
}

fn volume(plural: &str, column: &str, o: &Value) -> Value {
    let (claim, bound) = (plural == "persistentvolumeclaims", !plain(&o["spec"]["volumeName"]).is_empty());
    match column {
        "Status" if object::is_deleting(o) => "Terminating".into(),
        "Status" => field(o, &["status", "phase"]),
        "Volume" => field(o, &["spec", "volumeName"]),
        "Capacity" if claim && !bound => "".into(),
        "Capacity" => field(o, &[if claim { "status" } else { "spec" }, "capacity", "storage"]),
        "Access Modes" if claim && !bound => "".into(),
        "Access Modes" => access_modes(&o[if claim { "status" } else { "spec" }]["accessModes"]),
        "Reclaim Policy" => field(o, &["spec", "persistentVolumeReclaimPolicy"]),
        "Claim" => match &o["spec"]["claimRef"] {
            Value::Object(claim) => format!("{}/{}", plain(&claim["namespace"]), plain(&claim["name"])).into(),
            _ => "".into(),
        },
        "StorageClass" => field(o, &["spec", "storageClassName"]),
        "VolumeAttributesClass" => or(o, &["spec", "volumeAttributesClassName"], "<unset>"),
        "Reason" => field(o, &["status", "reason"]),
        "VolumeMode" => or(o, &["spec", "volumeMode"], "<unset>"),
        _ => Value::Null,
    }
}

fn binding(column: &str, o: &Value) -> Value {
    match column {
        "Role" => format!("{}/{}", plain(&o["roleRef"]["kind"]), plain(&o["roleRef"]["name"])).into(),
        "Users" => subjects(o, "User"),
        "Groups" => subjects(o, "Group"),
        "ServiceAccounts" => subjects(o, "ServiceAccount"),
        _ => Value::Null,
    }
}

fn template(plural: &str, column: &str, o: &Value) -> Value {
    let template = match plural {
        "podtemplates" => &o["template"],
        "cronjobs" => &o["spec"]["jobTemplate"]["spec"]["template"],
        _ => &o["spec"]["template"],
    };
    match column {
        "Containers" => containers(template, "name"),
        "Images" => containers(template, "image"),
        "Pod Labels" => labels(&template["metadata"]["labels"]),
        _ if plural == "replicationcontrollers" => labels(&o["spec"]["selector"]),
        _ if plural == "cronjobs" => selector(&o["spec"]["jobTemplate"]["spec"]["selector"]),
        _ => selector(&o["spec"]["selector"]),
    }
}

fn workload(plural: &str, column: &str, o: &Value) -> Value {
    let (spec, status) = (|field: &str| count(o, &["spec", field]), |field: &str| count(o, &["status", field]));
    match (plural, column) {
        ("daemonsets", "Desired") => status("desiredNumberScheduled").into(),
        ("daemonsets", "Current") => status("currentNumberScheduled").into(),
        ("daemonsets", "Ready") => status("numberReady").into(),
        ("daemonsets", "Up-to-date") => status("updatedNumberScheduled").into(),
        ("daemonsets", "Available") => status("numberAvailable").into(),
        ("daemonsets", "Node Selector") => labels(&o["spec"]["template"]["spec"]["nodeSelector"]),
        ("deployments" | "statefulsets", "Ready") => format!("{}/{}", status("readyReplicas"), spec("replicas")).into(),
        (_, "Desired") => spec("replicas").into(),
        (_, "Current") => status("replicas").into(),
        (_, "Ready") => status("readyReplicas").into(),
        (_, "Up-to-date") => status("updatedReplicas").into(),
        (_, "Available") => status("availableReplicas").into(),
        (_, "Status") => {
            let is =
                |kind: &str| every(&o["status"]["conditions"]).any(|c| c["status"] == "True" && c["type"] == *kind);
            let found = ["Complete", "Failed"].into_iter().find(|kind| is(kind));
            match found {
                Some(kind) => kind.into(),
                None if object::is_deleting(o) => "Terminating".into(),
                None if is("Suspended") => "Suspended".into(),
                None if is("FailureTarget") => "FailureTarget".into(),
                None if is("SuccessCriteriaMet") => "SuccessCriteriaMet".into(),
                None => "Running".into(),
            }
        }
        (_, "Completions") => match o["spec"]["completions"].as_i64() {
            Some(wanted) => format!("{}/{wanted}", status("succeeded")).into(),
            None if spec("parallelism") > 1 => format!("{}/1 of {}", status("succeeded"), spec("parallelism")).into(),
            None => format!("{}/1", status("succeeded")).into(),
        },
        (_, "Duration") => match (o["status"]["startTime"].as_str(), o["status"]["completionTime"].as_str()) {
            (Some(start), None) => since(start).into(),
            (Some(start), Some(end)) => super::between(start, end).into(),
            _ => "".into(),
        },
        (_, "Schedule") => field(o, &["spec", "schedule"]),
        (_, "Timezone") => or(o, &["spec", "timeZone"], "<none>"),
        (_, "Suspend") => if o["spec"]["suspend"] == true { "True" } else { "False" }.into(),
        (_, "Active") => size(&o["status"]["active"]).into(),
        (_, "Last Schedule") => o["status"]["lastScheduleTime"].as_str().map_or("<none>".into(), since).into(),
        _ => Value::Null,
    }
}

fn network(column: &str, o: &Value) -> Value {
    match column {
        "Class" => or(o, &["spec", "ingressClassName"], "<none>"),
        "Hosts" => {
            let hosts: Vec<String> =
                every(&o["spec"]["rules"]).filter_map(|r| r["host"].as_str()).map(str::to_owned).collect();
            if hosts.is_empty() { "*".into() } else { shortened(&hosts, 3).into() }
        }
        "Address" => {
            let list = every(&o["status"]["loadBalancer"]["ingress"]);
            joined(list.filter_map(|i| i["ip"].as_str().or(i["hostname"].as_str()))).into()
        }
        "Ports" if o["addressType"].is_string() => ports(o),
        "Ports" => if size(&o["spec"]["tls"]) > 0 { "80, 443" } else { "80" }.into(),
        "Controller" => field(o, &["spec", "controller"]),
        "Parameters" => match &o["spec"]["parameters"] {
            Value::Object(of) => {
                let group = of.get("apiGroup").map(plain).filter(|g| !g.is_empty()).map(|g| format!(".{g}"));
                format!("{}{}/{}", plain(&of["kind"]), group.unwrap_or_default(), plain(&of["name"])).into()
            }
            _ => "<none>".into(),
        },
        "Pod-Selector" => selector(&o["spec"]["podSelector"]),
        "Endpoints" if o["addressType"].is_string() => {
            let all: Vec<String> = every(&o["endpoints"])
                .flat_map(|e| every(&e["addresses"]))
                .filter_map(|a| a.as_str().map(str::to_owned))
                .collect();
            if all.is_empty() { "<unset>".into() } else { shortened(&all, 3).into() }
        }
        "Endpoints" => ready_addresses(o),
        "AddressType" => field(o, &["addressType"]),
        "CIDRs" => joined(every(&o["spec"]["cidrs"]).filter_map(Value::as_str)).into(),
        "ParentRef" => {
            let of = &o["spec"]["parentRef"];
            format!("{}/{}/{}", plain(&of["resource"]), plain(&of["namespace"]), plain(&of["name"])).into()
        }
        _ => Value::Null,
    }
}

fn storage(column: &str, o: &Value) -> Value {
    let spec = &o["spec"];
    match column {
        "Provisioner" => field(o, &["provisioner"]),
        "ReclaimPolicy" => field(o, &["reclaimPolicy"]),
        "VolumeBindingMode" => field(o, &["volumeBindingMode"]),
        "AllowVolumeExpansion" => (o["allowVolumeExpansion"] == true).into(),
        "AttachRequired" => (spec["attachRequired"] != false).into(),
        "PodInfoOnMount" => (spec["podInfoOnMount"] == true).into(),
        "StorageCapacity" => (spec["storageCapacity"] == true).into(),
        "RequiresRepublish" => (spec["requiresRepublish"] == true).into(),
        "TokenRequests" => {
            let found = joined(every(&spec["tokenRequests"]).filter_map(|t| t["audience"].as_str()));
            if found.is_empty() { "<unset>".into() } else { found.into() }
        }
        "Modes" => {
            let found = joined(every(&spec["volumeLifecycleModes"]).filter_map(Value::as_str));
            if found.is_empty() { "Persistent".into() } else { found.into() }
        }
        "Drivers" => size(&spec["drivers"]).into(),
        "Attacher" => field(o, &["spec", "attacher"]),
        "PV" => field(o, &["spec", "source", "persistentVolumeName"]),
        "Node" => field(o, &["spec", "nodeName"]),
        "Attached" => (o["status"]["attached"] == true).into(),
        "DriverName" => field(o, &["driverName"]),
        _ => Value::Null,
    }
}
