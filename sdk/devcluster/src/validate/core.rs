//! ConfigMaps, Secrets and namespaces, and the way to what else is in the core group.

use serde_json::{Value, json};

use super::{Place, Report, event, limits, list, node, text};
use crate::resources::Resource;
use crate::{go, names};

/// All values of a ConfigMap or a Secret together, in bytes.
const LARGEST: usize = 1024 * 1024;

pub(super) fn check(resource: &Resource, object: &Value, old: Option<&Value>, report: &mut Report) {
    match resource.plural.as_str() {
        "configmaps" => config_map(object, report),
        "secrets" => secret(object, report),
        "resourcequotas" => limits::quota(&Place::new(&object["spec"], "spec"), report),
        "limitranges" => limits::limit_range(&Place::new(&object["spec"], "spec"), report),
        "nodes" => node::check(object, report),
        "namespaces" => namespace(object, report),
        "events" => event::check(object, old, None, report),
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
            } else if let Some(why) = unread(&decoded(key)) {
                report.invalid(&at, &json!("<secret contents redacted>"), &why);
            }
        }
        _ => {}
    }
}

/// Why a text is no object in JSON.
fn unread(text: &[u8]) -> Option<String> {
    match serde_json::from_slice::<Value>(text) {
        Err(error) if error.is_eof() => Some(go::json_error(&error)),
        Err(_) => Some(go::syntax(text)),
        Ok(_) => go::decode_error(text, "map[string]interface {}"),
    }
}

fn namespace(object: &Value, report: &mut Report) {
    for finalizer in list(&object["spec"]["finalizers"]) {
        let known = names::is_standard_finalizer(text(finalizer)) || text(finalizer).contains('/');
        if names::label_key(text(finalizer)).is_empty() && !known {
            report.invalid(
                "spec.finalizers",
                finalizer,
                "name is neither a standard finalizer name nor is it fully qualified",
            );
        }
        report.form("spec.finalizers", finalizer, names::label_key);
    }
}
