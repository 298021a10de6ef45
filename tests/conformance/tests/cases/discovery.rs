//! Discovery in both forms, health, version, unknown paths.

use anyhow::{Context, Result};
use http::Method;
use motet_conformance::{Talk, cases};
use serde_json::{Value, json};

cases! { "discovery": resource_lists_of_all_groups, groups_and_their_versions, aggregated_discovery_has_the_same,
aggregated_discovery_by_version_of_its_own, the_core_versions, custom_resources_are_discovered, health_says_more_if_asked, unknown_paths_are_404,
a_version_is_told, only_get_is_allowed, openapi_has_an_index, kubectl_lists_resources_of_a_group }

const GROUPS: [&str; 14] = [
    "apps",
    "batch",
    "networking.k8s.io",
    "policy",
    "rbac.authorization.k8s.io",
    "coordination.k8s.io",
    "storage.k8s.io",
    "scheduling.k8s.io",
    "discovery.k8s.io",
    "events.k8s.io",
    "apiextensions.k8s.io",
    "admissionregistration.k8s.io",
    "authentication.k8s.io",
    "authorization.k8s.io",
];
const AGGREGATED: &str = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList";

async fn resource_lists_of_all_groups(talk: &Talk) -> Result<()> {
    talk.get("/api/v1").await?;
    talk.get("/apis/autoscaling/v2").await?;
    for group in GROUPS {
        talk.get(&format!("/apis/{group}/v1")).await?;
    }
    Ok(())
}

async fn groups_and_their_versions(talk: &Talk) -> Result<()> {
    for group in GROUPS {
        talk.get(&format!("/apis/{group}")).await?;
    }
    let all = talk.ask(Method::GET, "/apis").unkept().send().await?.body;
    talk.note("kind", all["kind"].clone());
    talk.note("apps", find(&all["groups"], |g| g["name"] == "apps")?);
    Ok(())
}

fn find(list: &Value, wanted: impl Fn(&Value) -> bool) -> Result<Value> {
    list.as_array().into_iter().flatten().find(|g| wanted(g)).cloned().context("not listed")
}

async fn aggregated_discovery_has_the_same(talk: &Talk) -> Result<()> {
    talk.ask(Method::GET, "/api").header("accept", AGGREGATED).send().await?;
    let all = talk.ask(Method::GET, "/apis").header("accept", AGGREGATED).unkept().send().await?.body;
    talk.note("kind and version", json!([all["kind"], all["apiVersion"], all["metadata"]]));
    for group in GROUPS {
        talk.note(group, find(&all["items"], |item| item["metadata"]["name"] == group)?);
    }
    Ok(())
}

async fn aggregated_discovery_by_version_of_its_own(talk: &Talk) -> Result<()> {
    for accept in [
        "application/json;g=apidiscovery.k8s.io;v=v2beta1;as=APIGroupDiscoveryList",
        "application/json;g=apidiscovery.k8s.io;v=v2beta1;as=APIGroupDiscoveryList,application/json",
        "application/json;g=apidiscovery.k8s.io;v=v7;as=APIGroupDiscoveryList",
        "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList;profile=nopeer,application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList",
    ] {
        let answer = talk.ask(Method::GET, "/api").header("accept", accept).unkept().send().await?;
        talk.note(accept, json!([answer.code, answer.body["kind"], answer.body["apiVersion"], answer.body["message"]]));
    }
    Ok(())
}

async fn the_core_versions(talk: &Talk) -> Result<()> {
    talk.get("/api").await?;
    talk.get("/api/").await?;
    talk.get("/api/v1/").await?;
    Ok(())
}

async fn custom_resources_are_discovered(talk: &Talk) -> Result<()> {
    let group = format!("{}.example.org", talk.id());
    crate::cases::validation::define(talk, &group).await?;
    talk.get(&format!("/apis/{group}")).await?;
    talk.get(&format!("/apis/{group}/v1")).await?;
    talk.get(&format!("/apis/{group}/v2")).await?;
    for _ in 0..100 {
        let all = talk.ask(Method::GET, "/apis").header("accept", AGGREGATED).unkept().send().await?.body;
        if let Ok(found) = find(&all["items"], |item| item["metadata"]["name"] == group.as_str()) {
            talk.note("aggregated", found);
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    Ok(())
}

async fn health_says_more_if_asked(talk: &Talk) -> Result<()> {
    for path in ["/healthz", "/livez", "/readyz", "/livez/ping", "/readyz/etcd", "/readyz/nothing", "/healthz/"] {
        talk.get(path).await?;
    }
    for path in ["/healthz", "/livez", "/readyz"] {
        let answer = talk.ask(Method::GET, &format!("{path}?verbose")).unkept().send().await?;
        let text = answer.body.as_str().unwrap_or_default().to_owned();
        let last = text.lines().last().unwrap_or_default().to_owned();
        talk.note(path, json!([answer.code, text.starts_with("[+]ping ok\n"), last]));
    }
    Ok(())
}

async fn unknown_paths_are_404(talk: &Talk) -> Result<()> {
    for path in [
        "/nowhere",
        "/api/v2",
        "/api/v1/nothings",
        "/apis/none.example.org",
        "/apis/none.example.org/v1",
        "/apis/none.example.org/v1/things",
        "/apis/apps/v7",
        "/apis/apps/v7/deployments",
        "/apis/apps/v1/nothings",
        "/apis/apps/v1/namespaces/default/nothings/x",
        "/apis/apps/v1/namespaces/default/deployments/x/nothing",
        "/openapi/v3/apis/none/v1",
    ] {
        talk.get(path).await?;
    }
    Ok(())
}

async fn a_version_is_told(talk: &Talk) -> Result<()> {
    let version = talk.ask(Method::GET, "/version").unkept().send().await?.body;
    talk.note("major and minor", json!([version["major"], version["minor"]]));
    let fields: Vec<&String> = version.as_object().context("no object")?.keys().collect();
    talk.note("fields", json!(fields));
    Ok(())
}

async fn only_get_is_allowed(talk: &Talk) -> Result<()> {
    for path in ["/api", "/apis", "/apis/apps", "/apis/apps/v1", "/version", "/api/v1"] {
        for method in [Method::POST, Method::DELETE] {
            let answer = talk.ask(method.clone(), path).json(&json!({})).unkept().send().await?;
            talk.note(&format!("{method} {path}"), json!([answer.code, answer.body["kind"], answer.body["message"]]));
        }
    }
    Ok(())
}

async fn openapi_has_an_index(talk: &Talk) -> Result<()> {
    let index = talk.ask(Method::GET, "/openapi/v3").unkept().send().await?.body;
    for path in ["api/v1", "apis/apps/v1", "apis/rbac.authorization.k8s.io/v1", "apis/authorization.k8s.io/v1"] {
        let url = index["paths"][path]["serverRelativeURL"].as_str().with_context(|| format!("no {path}"))?;
        talk.note(path, url.split('=').next().unwrap_or_default());
        let document = talk.ask(Method::GET, url).unkept().send().await?;
        talk.note("document", json!([document.code, document.body["openapi"], document.body["info"]["title"]]));
    }
    Ok(())
}

async fn kubectl_lists_resources_of_a_group(talk: &Talk) -> Result<()> {
    for group in ["apps", "rbac.authorization.k8s.io", "admissionregistration.k8s.io"] {
        talk.kubectl(&format!("api-resources --api-group={group} -o wide --sort-by=name"), "").await?;
    }
    Ok(())
}
