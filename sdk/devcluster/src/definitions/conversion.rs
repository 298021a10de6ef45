//! How objects of one version become those of another: checked, and by webhooks not done.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::check::{established, label, unsupported};
use super::{text, texts};
use crate::error::Cause;
use crate::names;

const FORM: &str = "; desired format: https://host[/path]";

pub(super) fn check(spec: &Value, old: Option<&Value>, out: &mut Vec<Cause>) {
    let conversion = &spec["conversion"];
    if !conversion.is_object() {
        return;
    }
    let strategy = text(&conversion["strategy"]);
    if strategy != "None" && spec["preserveUnknownFields"] == true {
        let why = "must be None if spec.preserveUnknownFields is true";
        out.push(Cause::invalid("spec.conversion.strategy", &conversion["strategy"], why));
    }
    match strategy.as_str() {
        "" => out.push(Cause::required("spec.conversion.strategy", "")),
        "None" | "Webhook" => {}
        other => out.push(unsupported("spec.conversion.strategy", other, &["None", "Webhook"])),
    }
    let (webhook, path) = (&conversion["webhook"], "spec.conversion");
    let versions = texts(&webhook["conversionReviewVersions"]);
    if strategy == "Webhook" {
        let config = format!("{path}.webhookClientConfig");
        match &webhook["clientConfig"] {
            client @ Value::Object(_) => client_config(client, old, &config, out),
            _ => out.push(Cause::required(&config, "required when strategy is set to Webhook")),
        }
        review_versions(&versions, &format!("{path}.conversionReviewVersions"), out);
        return;
    }
    let why = "should not be set when strategy is not set to Webhook";
    if webhook["clientConfig"].is_object() {
        out.push(Cause::forbidden(&format!("{path}.webhookClientConfig"), why));
    }
    if !versions.is_empty() {
        out.push(Cause::forbidden(&format!("{path}.conversionReviewVersions"), why));
    }
}

fn client_config(client: &Value, old: Option<&Value>, path: &str, out: &mut Vec<Cause>) {
    match (client["url"].as_str(), client["service"].is_object()) {
        (Some(url), false) => address(url, &format!("{path}.url"), out),
        (None, true) => service(&client["service"], &format!("{path}.service"), out),
        _ => out.push(Cause::required(path, "exactly one of url or service is required")),
    }
    // Before it is served, a certificate may still be filled in.
    if old.is_some_and(established)
        && let Some(bundle) = client["caBundle"].as_str().filter(|bundle| !bundle.is_empty())
    {
        use base64::Engine;
        let bytes = base64::engine::general_purpose::STANDARD.decode(bundle).unwrap_or_default();
        if !String::from_utf8_lossy(&bytes).contains("-----BEGIN CERTIFICATE-----") {
            let why = "unable to load root certificates: unable to parse bytes as PEM block";
            out.push(Cause::invalid(&format!("{path}.caBundle"), &client["caBundle"], why));
        }
    }
}

fn address(url: &str, path: &str, out: &mut Vec<Cause>) {
    let (scheme, rest) = url.split_once("://").unwrap_or(("", url));
    let mut wrong = |value: &str, why: &str| out.push(Cause::invalid(path, &value.into(), why));
    if scheme != "https" {
        wrong(scheme, &format!("'https' is the only allowed URL scheme{FORM}"));
    }
    let (rest, fragment) = rest.split_once('#').unwrap_or((rest, ""));
    let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
    let authority = if scheme.is_empty() { "" } else { rest.split('/').next().unwrap_or_default() };
    let (user, host) = authority.rsplit_once('@').unwrap_or(("", authority));
    if host.is_empty() {
        wrong("", &format!("host must be specified{FORM}"));
    }
    if !user.is_empty() {
        wrong(user, "user information is not permitted in the URL");
    }
    if !fragment.is_empty() {
        wrong(fragment, "fragments are not permitted in the URL");
    }
    if !query.is_empty() {
        wrong(query, "query parameters are not permitted in the URL");
    }
}

fn service(service: &Value, path: &str, out: &mut Vec<Cause>) {
    // Namespace and name are looked at under each other's field.
    for (field, of) in [("name", "namespace"), ("namespace", "name")] {
        if text(&service[of]).is_empty() {
            out.push(Cause::required(&format!("{path}.{field}"), ""));
        }
    }
    let port = service["port"].as_i64().unwrap_or(443);
    if !(1..=65535).contains(&port) {
        let why = "port is not valid: must be between 1 and 65535, inclusive";
        out.push(Cause::invalid(&format!("{path}.port"), &port.into(), why));
    }
    let (url, at) = (text(&service["path"]), format!("{path}.path"));
    let mut wrong = |why: &str| out.push(Cause::invalid(&at, &url.as_str().into(), why));
    match url.as_str() {
        "" | "/" => return,
        "//" => return wrong("segment[0] may not be empty"),
        other if !other.starts_with('/') => wrong("must start with a '/'"),
        _ => {}
    }
    let steps = url.get(1..).unwrap_or_default();
    for (i, step) in steps.strip_suffix('/').unwrap_or(steps).split('/').enumerate() {
        if step.is_empty() {
            wrong(&format!("segment[{i}] may not be empty"));
            continue;
        }
        names::subdomain(step).iter().for_each(|why| wrong(&format!("segment[{i}]: {why}")));
    }
}

fn review_versions(versions: &[String], path: &str, out: &mut Vec<Cause>) {
    if versions.is_empty() {
        out.push(Cause::required(path, ""));
        return;
    }
    let mut seen = BTreeSet::new();
    for (i, version) in versions.iter().enumerate() {
        let (at, value) = (format!("{path}[{i}]"), Value::from(version.as_str()));
        if !seen.insert(version.as_str()) {
            out.push(Cause::invalid(&at, &value, "duplicate version"));
        } else if let Some(why) = label(version) {
            out.push(Cause::invalid(&at, &value, &why));
        }
    }
    if !seen.contains("v1") && !seen.contains("v1beta1") {
        out.push(Cause::invalid(path, &json!(versions), "must include at least one of v1, v1beta1"));
    }
}
