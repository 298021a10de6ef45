//! Answers what is not about objects: version, health, discovery in both forms, OpenAPI.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Value, json};

use crate::answer::{self, Answer};
use crate::ask::Ask;
use crate::cluster::Core;
use crate::error::ApiError;
use crate::openapi;
use crate::resources::{ABSENT_GROUPS, Resource, Version};

const AGGREGATED: &str = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList";
const VERBS: [&str; 8] = ["create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"];

/// Answers a path that is not a resource's.
pub(crate) fn answer(core: &Core, ask: &Ask, segments: &[String]) -> Result<Answer, ApiError> {
    let resources = || core.state.lock().resources();
    let parts: Vec<&str> = segments.iter().map(String::as_str).collect();
    match parts.as_slice() {
        [] => Ok(answer::json(200, &paths(&resources()))),
        ["version"] => Ok(answer::json(200, &version())),
        ["healthz" | "livez" | "readyz", ..] => Ok(answer::text(200, "ok")),
        ["api"] if aggregated(ask) => Ok(answer::json_as(AGGREGATED, &aggregate(&resources(), true))),
        ["api"] => {
            let address = json!([{"clientCIDR": "0.0.0.0/0", "serverAddress": format!("127.0.0.1:{}", core.port)}]);
            Ok(answer::json(
                200,
                &json!({"kind": "APIVersions", "versions": ["v1"], "serverAddressByClientCIDRs": address}),
            ))
        }
        ["apis"] if aggregated(ask) => Ok(answer::json_as(AGGREGATED, &aggregate(&resources(), false))),
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
    openapi::document(resources, group, version).map(|d| answer::json(200, &d)).ok_or_else(ApiError::no_such_resource)
}

fn unknown_group(name: &str) -> ApiError {
    if ABSENT_GROUPS.contains(&name) {
        ApiError::not_implemented(&format!("the API group {name}"))
    } else {
        ApiError::no_such_path()
    }
}

fn aggregated(ask: &Ask) -> bool {
    let wanted = |choice: &str| {
        choice.contains("as=APIGroupDiscoveryList") && choice.contains("v=v2") && !choice.contains("v2beta1")
    };
    ask.accept.split(',').any(wanted)
}

fn version() -> Value {
    json!({"major": "1", "minor": "36", "gitVersion": "v1.36.3-devcluster", "gitCommit": "", "gitTreeState": "clean",
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

/// Verbs of a resource and of its subresources.
fn verbs(resource: &Resource) -> Vec<&'static str> {
    let single = matches!(resource.plural.as_str(), "namespaces" | "services") && resource.group.is_empty();
    VERBS.iter().copied().filter(|v| !(single && *v == "deletecollection")).collect()
}

fn subresources(version: &Version) -> Vec<&'static str> {
    let mut out = Vec::new();
    if version.scale.is_some() {
        out.push("scale");
    }
    if version.status {
        out.push("status");
    }
    out
}

fn legacy_list(resources: &[Arc<Resource>], group: &str, version: &str) -> Result<Answer, ApiError> {
    let mut list = Vec::new();
    for resource in resources.iter().filter(|r| r.group == group) {
        let Some(served) = resource.version(version) else { continue };
        list.push(legacy_entry(resource));
        for sub in subresources(served) {
            let mut entry = json!({"name": format!("{}/{sub}", resource.plural), "singularName": "",
                "namespaced": resource.namespaced, "kind": resource.kind, "verbs": ["get", "patch", "update"]});
            if sub == "scale" {
                entry["kind"] = "Scale".into();
                entry["group"] = "autoscaling".into();
                entry["version"] = "v1".into();
            }
            list.push(entry);
        }
    }
    if list.is_empty() {
        return Err(unknown_group(group));
    }
    let name = if group.is_empty() { version.to_owned() } else { format!("{group}/{version}") };
    let body = json!({"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": name, "resources": list});
    Ok(answer::json(200, &body))
}

fn legacy_entry(resource: &Resource) -> Value {
    let mut entry = json!({"name": resource.plural, "singularName": resource.singular, "namespaced": resource.namespaced,
        "kind": resource.kind, "verbs": verbs(resource)});
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
    let kind = |group: &str, version: &str, kind: &str| json!({"group": group, "version": version, "kind": kind});
    let mut list = BTreeMap::new();
    for resource in resources.iter().filter(|r| r.group == group) {
        let Some(served) = resource.version(version) else { continue };
        let mut entry = json!({"resource": resource.plural, "responseKind": kind(group, version, &resource.kind),
            "scope": if resource.namespaced { "Namespaced" } else { "Cluster" },
            "singularResource": resource.singular, "verbs": verbs(resource)});
        if !resource.short_names.is_empty() {
            entry["shortNames"] = json!(resource.short_names);
        }
        if !resource.categories.is_empty() {
            entry["categories"] = json!(resource.categories);
        }
        let subs: Vec<Value> = subresources(served)
            .into_iter()
            .map(|sub| {
                let of = if sub == "scale" {
                    kind("autoscaling", "v1", "Scale")
                } else {
                    kind(group, version, &resource.kind)
                };
                json!({"subresource": sub, "responseKind": of, "verbs": ["get", "patch", "update"]})
            })
            .collect();
        if !subs.is_empty() {
            entry["subresources"] = json!(subs);
        }
        list.insert(resource.plural.clone(), entry);
    }
    json!({"version": version, "freshness": "Current", "resources": list.into_values().collect::<Vec<_>>()})
}
