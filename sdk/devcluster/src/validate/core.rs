//! ConfigMaps, Secrets, quotas, limit ranges, nodes, namespaces and events.

use serde_json::{Value, json};

use super::{Report, list, quantity, text};
use crate::resources::Resource;
use crate::{go, names, object};

/// All values of a ConfigMap or a Secret together, in bytes.
const LARGEST: usize = 1024 * 1024;

pub(super) fn check(resource: &Resource, object: &Value, report: &mut Report) {
    match resource.plural.as_str() {
        "configmaps" => config_map(object, report),
        "secrets" => secret(object, report),
        "resourcequotas" => quota(&object["spec"], report),
        "nodes" => taints(&object["spec"]["taints"], report),
        "namespaces" => namespace(object, report),
        "events" => event(object, report),
        _ => {}
    }
}

fn keys(field: &str, map: &Value, report: &mut Report) {
    for key in map.as_object().into_iter().flatten().map(|(key, _)| key) {
        report.form(&format!("{field}[{key}]"), &json!(key), names::config_key);
    }
}

fn size(map: &Value, encoded: bool) -> usize {
    let texts = map.as_object().into_iter().flatten().map(|(_, value)| text(value));
    texts.map(|t| if encoded { t.trim_end_matches('=').len() * 3 / 4 } else { t.len() }).sum()
}

fn too_long(field: &str, report: &mut Report) {
    let message = format!("Too long: may not be more than {LARGEST} bytes");
    report.0.push(crate::error::Cause { reason: "FieldValueTooLong", message, field: field.into() });
}

fn config_map(object: &Value, report: &mut Report) {
    keys("data", &object["data"], report);
    for key in object["data"].as_object().into_iter().flatten().map(|(key, _)| key) {
        if object["binaryData"].get(key).is_some() {
            report.invalid(&format!("data[{key}]"), &json!(key), "duplicate of key present in binaryData");
        }
    }
    keys("binaryData", &object["binaryData"], report);
    if size(&object["data"], false) + size(&object["binaryData"], true) > LARGEST {
        too_long("[]", report);
    }
}

/// The keys that a type of Secret has to have.
fn secret(object: &Value, report: &mut Report) {
    let data = &object["data"];
    keys("data", data, report);
    if size(data, true) > LARGEST {
        too_long("data", report);
    }
    let has = |key: &str| data.get(key).is_some();
    let decoded = |key: &str| {
        use base64::Engine;
        base64::engine::general_purpose::STANDARD.decode(text(&data[key])).unwrap_or_default()
    };
    match text(&object["type"]) {
        "kubernetes.io/service-account-token"
            if text(&object["metadata"]["annotations"]["kubernetes.io/service-account.name"]).is_empty() =>
        {
            report.required("metadata.annotations[kubernetes.io/service-account.name]", "");
        }
        "kubernetes.io/basic-auth" if !has("username") && !has("password") => {
            report.required("data[username]", "");
            report.required("data[password]", "");
        }
        "kubernetes.io/ssh-auth" if text(&data["ssh-privatekey"]).is_empty() => {
            report.required("data[ssh-privatekey]", "")
        }
        "kubernetes.io/tls" => {
            ["tls.crt", "tls.key"].iter().filter(|k| !has(k)).for_each(|k| report.required(&format!("data[{k}]"), ""));
        }
        kind @ ("kubernetes.io/dockerconfigjson" | "kubernetes.io/dockercfg") => {
            let key = if kind.ends_with("json") { ".dockerconfigjson" } else { ".dockercfg" };
            let at = format!("data[{key}]");
            if !has(key) {
                report.required(&at, "");
            } else if let Err(error) = serde_json::from_slice::<Value>(&decoded(key)) {
                let why = if error.is_eof() { go::json_error(&error) } else { go::syntax(&decoded(key)) };
                report.invalid(&at, &json!("<secret contents redacted>"), &why);
            }
        }
        _ => {}
    }
}

fn quota(spec: &Value, report: &mut Report) {
    const WHOLE: [&str; 8] = [
        "pods",
        "services",
        "replicationcontrollers",
        "resourcequotas",
        "secrets",
        "configmaps",
        "persistentvolumeclaims",
        "services.nodeports",
    ];
    let standard = |name: &str| {
        WHOLE.contains(&name)
            || matches!(name, "cpu" | "memory" | "ephemeral-storage" | "services.loadbalancers")
            || ["requests.", "limits.", "hugepages-"].iter().any(|p| name.starts_with(p))
    };
    for (name, amount) in spec["hard"].as_object().into_iter().flatten() {
        let at = format!("spec.hard[{name}]");
        report.form(&at, &json!(name), names::label_key);
        if !name.contains('/') && !standard(name) {
            if names::label_key(name).is_empty() {
                report.invalid(&at, &json!(name), "must be a standard resource type or fully qualified");
            }
            report.invalid(&at, &json!(name), "must be a standard resource for quota");
        }
        let Some(read) = quantity(amount) else { continue };
        if read.is_negative() {
            report.invalid(&at, amount, super::NEGATIVE);
        }
        if WHOLE.contains(&name.as_str()) && !read.is_whole() {
            report.invalid(&at, amount, "must be an integer");
        }
    }
    let scopes: Vec<&str> = list(&spec["scopes"]).iter().map(text).collect();
    let known = [
        "Terminating",
        "NotTerminating",
        "BestEffort",
        "NotBestEffort",
        "PriorityClass",
        "CrossNamespacePodAffinity",
        "VolumeAttributesClass",
    ];
    if scopes.iter().any(|s| !known.contains(s)) {
        report.invalid("spec.scopes", &spec["scopes"], "unsupported scope");
    } else if scopes.iter().any(|s| scopes.contains(&format!("Not{s}").as_str())) {
        report.invalid("spec.scopes", &spec["scopes"], "conflicting scopes");
    }
}

fn taints(taints: &Value, report: &mut Report) {
    for (i, taint) in list(taints).iter().enumerate() {
        let at = |name: &str| format!("metadata.taints[{i}].{name}");
        report.form(&at("key"), &taint["key"], names::label_key);
        report.some_of(&at("effect"), &taint["effect"], "", &["NoSchedule", "PreferNoSchedule", "NoExecute"]);
        let same = |t: &Value| t["key"] == taint["key"] && t["effect"] == taint["effect"];
        if list(taints)[..i].iter().any(same) {
            let shown = format!(
                "{{\"Key\":{},\"Value\":{:?},\"Effect\":{},\"TimeAdded\":null}}",
                taint["key"],
                text(&taint["value"]),
                taint["effect"]
            );
            report.duplicate(
                &format!("metadata.taints[{i}]"),
                &format!("{shown}: taints must be unique by key and effect pair"),
            );
        }
    }
}

fn namespace(object: &Value, report: &mut Report) {
    for finalizer in list(&object["spec"]["finalizers"]).iter().filter(|f| *f != "kubernetes") {
        if names::label_key(text(finalizer)).is_empty() && !text(finalizer).contains('/') {
            report.invalid(
                "spec.finalizers",
                finalizer,
                "name is neither a standard finalizer name nor is it fully qualified",
            );
        }
        report.form("spec.finalizers", finalizer, names::label_key);
    }
}

fn event(event: &Value, report: &mut Report) {
    let involved = text(&event["involvedObject"]["namespace"]);
    if event.get("involvedObject").is_some() && involved != object::meta(event, "namespace") {
        report.invalid("involvedObject.namespace", &json!(involved), "does not match event.namespace");
    }
}
