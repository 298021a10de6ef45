//! Answers what is not about objects: version, health, discovery in both forms, OpenAPI.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Value, json};

use crate::answer::{self, Answer};
use crate::ask::{Ask, choices};
use crate::cluster::Core;
use crate::definitions::rank;
use crate::error::ApiError;
use crate::openapi;
use crate::resources::{ABSENT_GROUPS, Resource, Version};
use crate::schema::builtin::Sub;

const AGGREGATED: &str = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList";

/// Answers a path that is not a resource's.
pub(crate) fn answer(core: &Core, ask: &Ask, segments: &[String]) -> Result<Answer, ApiError> {
    let resources = || core.state.lock().resources();
    let parts: Vec<&str> = segments.iter().map(String::as_str).collect();
    match parts.as_slice() {
        [] => Ok(answer::json(200, &paths(&resources()))),
        ["version"] => {
            let takes = |choice: &str| {
                ["*/*", "application/*", "application/json"]
                    .contains(&choice.split(';').next().unwrap_or_default().trim())
            };
            if !ask.accept.is_empty() && !ask.accept.split(',').any(takes) {
                return Err(ApiError::json_only());
            }
            Ok(answer::json(200, &version()))
        }
        [check @ ("healthz" | "livez" | "readyz")] if !ask.path.ends_with('/') => Ok(health(check, ask)),
        ["healthz" | "livez" | "readyz", "ping" | "etcd" | "log"] => Ok(answer::text(200, "ok")),
        ["api"] if aggregated(ask)? => Ok(answer::json_as(AGGREGATED, &aggregate(&resources(), true))),
        ["api"] => {
            let address = json!([{"clientCIDR": "0.0.0.0/0", "serverAddress": format!("127.0.0.1:{}", core.port)}]);
            Ok(answer::json(
                200,
                &json!({"kind": "APIVersions", "versions": ["v1"], "serverAddressByClientCIDRs": address}),
            ))
        }
        ["apis"] if aggregated(ask)? => Ok(answer::json_as(AGGREGATED, &aggregate(&resources(), false))),
        ["apis"] => {
            let all = groups(&resources());
            let list: Vec<Value> = all.iter().map(|(name, versions)| group(name, versions, false)).collect();
            Ok(answer::json(200, &json!({"kind": "APIGroupList", "apiVersion": "v1", "groups": list})))
        }
        ["api", version] => legacy_list(&resources(), "", version),
        ["apis", name] => {
            let all = groups(&resources());
            let found = all.iter().find(|(group, _)| group == name).ok_or_else(|| unknown_group(name))?;
            Ok(answer::json(200, &group(&found.0, &found.1, true)))
        }
        ["apis", group, version] => legacy_list(&resources(), group, version),
        ["openapi", "v3"] => Ok(answer::json(200, &openapi::index(&resources()))),
        ["openapi", "v3", "api", version] => document(&resources(), "", version),
        ["openapi", "v3", "apis", group, version] => document(&resources(), group, version),
        ["openapi", "v2"] => Err(ApiError::not_implemented("/openapi/v2; use /openapi/v3")),
        ["metrics" | "logs" | "debug" | ".well-known" | "openid" | "configz" | "statusz" | "flagz", ..] => {
            Err(ApiError::not_implemented(&ask.path))
        }
        _ => Err(ApiError::no_such_path()),
    }
}

fn document(resources: &[Arc<Resource>], group: &str, version: &str) -> Result<Answer, ApiError> {
    let found = openapi::document(resources, group, version);
    Ok(found.map_or_else(answer::missing, |document| answer::json(200, &document)))
}

fn unknown_group(name: &str) -> ApiError {
    if ABSENT_GROUPS.contains(&name) {
        ApiError::not_implemented(&format!("the API group {name}"))
    } else {
        ApiError::no_such_path()
    }
}

/// Whether discovery is asked for in one piece; 406 for versions of it that are not served.
fn aggregated(ask: &Ask) -> Result<bool, ApiError> {
    if !ask.accept.contains("as=APIGroupDiscoveryList") {
        return Ok(false);
    }
    for choice in choices(&ask.accept) {
        match choice.contains("as=") {
            false => return Ok(false),
            true if choice.contains("as=APIGroupDiscoveryList") && choice.split(';').any(|p| p.trim() == "v=v2") => {
                return Ok(true);
            }
            true => {}
        }
    }
    Err(ApiError::not_acceptable())
}

/// Health in a word, or by its checks.
fn health(check: &str, ask: &Ask) -> Answer {
    if !ask.query.has("verbose") {
        return answer::text(200, "ok");
    }
    let last = match check {
        "livez" => "[+]ping ok\n[+]log ok\n[+]etcd ok\nlivez check passed\n",
        "readyz" => "[+]ping ok\n[+]log ok\n[+]etcd ok\nreadyz check passed\n",
        _ => "[+]ping ok\n[+]log ok\n[+]etcd ok\nhealthz check passed\n",
    };
    answer::text(200, last)
}

fn version() -> Value {
    json!({"major": "1", "minor": "36", "emulationMajor": "1", "emulationMinor": "36", "minCompatibilityMajor": "1",
        "minCompatibilityMinor": "35", "gitVersion": "v1.36.3-devcluster", "gitCommit": "", "gitTreeState": "clean",
        "buildDate": "1970-01-01T00:00:00Z", "goVersion": "none", "compiler": "rustc", "platform": "linux/amd64"})
}

fn paths(resources: &[Arc<Resource>]) -> Value {
    let mut paths: Vec<String> = ["/api", "/api/v1", "/apis"].map(str::to_owned).to_vec();
    for (group, versions) in groups(resources) {
        paths.push(format!("/apis/{group}"));
        paths.extend(versions.iter().map(|v| format!("/apis/{group}/{v}")));
    }
    paths.extend(["/healthz", "/livez", "/openapi/v3", "/readyz", "/version"].map(str::to_owned));
    json!({"paths": paths})
}

/// Groups but the core one, each with its versions, in the order they are served.
fn groups(resources: &[Arc<Resource>]) -> Vec<(String, Vec<String>)> {
    let mut out: Vec<(String, Vec<String>)> = Vec::new();
    for resource in resources.iter().filter(|r| !r.group.is_empty()) {
        let at = out.iter().position(|(group, _)| *group == resource.group).unwrap_or_else(|| {
            out.push((resource.group.clone(), Vec::new()));
            out.len() - 1
        });
        for version in &resource.versions {
            if !out[at].1.contains(&version.name) {
                out[at].1.push(version.name.clone());
            }
        }
        out[at].1.sort_by_key(|name| std::cmp::Reverse(rank(name)));
    }
    out
}

fn group(name: &str, versions: &[String], alone: bool) -> Value {
    let list: Vec<Value> =
        versions.iter().map(|v| json!({"groupVersion": format!("{name}/{v}"), "version": v})).collect();
    let mut out = json!({"name": name, "versions": list, "preferredVersion": list.first()});
    if alone {
        out["kind"] = "APIGroup".into();
        out["apiVersion"] = "v1".into();
    }
    out
}

/// A subresource: its name, its kind where that is of another group, and its verbs.
type Listed<'a> = (&'a str, Option<(&'a str, &'a str, &'a str)>, Vec<&'a str>);

fn subresources<'a>(resource: &'a Resource, version: &'a Version) -> Vec<Listed<'a>> {
    if !resource.custom {
        let of = |sub: &'a Sub| {
            let mut parts = sub.kind.split('/');
            let kind = match (parts.next(), parts.next(), parts.next()) {
                (Some(group), Some(version), Some(kind)) => Some((group, version, kind)),
                _ => Some(("", "", sub.kind)),
            };
            (sub.name, kind, sub.verbs.clone())
        };
        return resource.subs.iter().map(of).collect();
    }
    let verbs = || vec!["get", "patch", "update"];
    let status = version.status.then(|| ("status", None, verbs()));
    let scale = version.scale.is_some().then(|| ("scale", Some(("autoscaling", "v1", "Scale")), verbs()));
    status.into_iter().chain(scale).collect()
}

fn legacy_list(resources: &[Arc<Resource>], group: &str, version: &str) -> Result<Answer, ApiError> {
    let mut list = Vec::new();
    for resource in resources.iter().filter(|r| r.group == group) {
        let Some(served) = resource.version(version) else { continue };
        list.push(legacy_entry(resource));
        for (sub, of, verbs) in subresources(resource, served) {
            let (group, version, kind) = of.unwrap_or(("", "", &resource.kind));
            let mut entry = json!({"name": format!("{}/{sub}", resource.plural), "singularName": "",
                "namespaced": resource.namespaced, "kind": kind, "verbs": verbs});
            if !version.is_empty() {
                entry["group"] = group.into();
                entry["version"] = version.into();
            }
            list.push(entry);
        }
    }
    if list.is_empty() {
        let known = resources.iter().any(|r| r.group == group && !r.custom);
        return Err(if known { ApiError::no_such_resource() } else { unknown_group(group) });
    }
    let name = if group.is_empty() { version.to_owned() } else { format!("{group}/{version}") };
    let mut body = json!({"kind": "APIResourceList", "groupVersion": name, "resources": list});
    if !group.is_empty() {
        body["apiVersion"] = "v1".into();
    }
    Ok(answer::json(200, &body))
}

fn legacy_entry(resource: &Resource) -> Value {
    let mut entry = json!({"name": resource.plural, "singularName": resource.singular, "namespaced": resource.namespaced,
        "kind": resource.kind, "verbs": resource.verbs});
    if !resource.hash.is_empty() {
        entry["storageVersionHash"] = resource.hash.as_str().into();
    }
    name_more(resource, entry)
}

/// Adds what a resource may have or not.
fn name_more(resource: &Resource, mut entry: Value) -> Value {
    if !resource.short_names.is_empty() {
        entry["shortNames"] = json!(resource.short_names);
    }
    if !resource.categories.is_empty() {
        entry["categories"] = json!(resource.categories);
    }
    entry
}

fn aggregate(resources: &[Arc<Resource>], core: bool) -> Value {
    let mut order = if core { vec![(String::new(), vec!["v1".to_owned()])] } else { groups(resources) };
    let items: Vec<Value> = order
        .drain(..)
        .map(|(group, versions)| {
            let versions: Vec<Value> =
                versions.iter().map(|version| aggregate_version(resources, &group, version)).collect();
            let metadata = if group.is_empty() { json!({}) } else { json!({"name": group}) };
            json!({"metadata": metadata, "versions": versions})
        })
        .collect();
    json!({"kind": "APIGroupDiscoveryList", "apiVersion": "apidiscovery.k8s.io/v2", "metadata": {}, "items": items})
}

fn aggregate_version(resources: &[Arc<Resource>], group: &str, version: &str) -> Value {
    let kind = |(group, version, kind): (&str, &str, &str)| json!({"group": group, "version": version, "kind": kind});
    let mut list = BTreeMap::new();
    for resource in resources.iter().filter(|r| r.group == group) {
        let Some(served) = resource.version(version) else { continue };
        // Built-in kinds leave the group and version to be inherited.
        let own = if resource.custom { (group, version, &*resource.kind) } else { ("", "", &*resource.kind) };
        let mut entry = json!({"resource": resource.plural, "responseKind": kind(own),
            "scope": if resource.namespaced { "Namespaced" } else { "Cluster" },
            "singularResource": resource.singular, "verbs": resource.verbs});
        let subs: Vec<Value> = subresources(resource, served)
            .into_iter()
            .map(
                |(sub, of, verbs)| json!({"subresource": sub, "responseKind": kind(of.unwrap_or(own)), "verbs": verbs}),
            )
            .collect();
        if !subs.is_empty() {
            entry["subresources"] = json!(subs);
        }
        list.insert(resource.plural.clone(), name_more(resource, entry));
    }
    json!({"version": version, "freshness": "Current", "resources": list.into_values().collect::<Vec<_>>()})
}
