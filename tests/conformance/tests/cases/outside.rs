//! What embedded clusters do not serve, and say so: each of these is answered with 501 there, and is in the README with its reason.

use anyhow::Result;
use motet_conformance::{Talk, cases};
use serde_json::json;

cases! {
    "outside":
    ;
    outside:
    groups_of_other_components = "nothing in an embedded cluster would act on their objects",
    streams_and_logs_of_pods = "there is no kubelet that they could come from",
    changes_that_a_node_takes_part_in = "there is no scheduler and no kubelet",
    proxies = "there is nothing behind them",
    the_old_openapi = "kubectl and clients use the third version",
    pages_of_the_servers_process = "they tell of a process that an embedded cluster is not",
    tokens_bound_to_an_object = "they end with a pod, which no kubelet runs",
}

async fn groups_of_other_components(talk: &Talk) -> Result<()> {
    for (group, version, plural) in [
        ("apiregistration.k8s.io", "v1", "apiservices"),
        ("certificates.k8s.io", "v1", "certificatesigningrequests"),
        ("flowcontrol.apiserver.k8s.io", "v1", "flowschemas"),
        ("node.k8s.io", "v1", "runtimeclasses"),
        ("resource.k8s.io", "v1", "deviceclasses"),
    ] {
        talk.get(&format!("/apis/{group}")).await?;
        talk.get(&format!("/apis/{group}/{version}/{plural}/none")).await?;
    }
    Ok(())
}

async fn a_pod(talk: &Talk) -> Result<String> {
    let path = format!("{}/pods", talk.namespace().await?);
    let pod = json!({ "metadata": { "name": "one" }, "spec": { "containers": [{ "name": "c", "image": "i" }] } });
    talk.post(&path, &pod).await?;
    Ok(format!("{path}/one"))
}

async fn streams_and_logs_of_pods(talk: &Talk) -> Result<()> {
    let pod = a_pod(talk).await?;
    talk.get(&format!("{pod}/log")).await?;
    for stream in ["exec?command=ls", "attach", "portforward"] {
        talk.get(&format!("{pod}/{stream}")).await?;
    }
    Ok(())
}

async fn changes_that_a_node_takes_part_in(talk: &Talk) -> Result<()> {
    let pod = a_pod(talk).await?;
    talk.get(&format!("{pod}/resize")).await?;
    talk.get(&format!("{pod}/ephemeralcontainers")).await?;
    let binding = json!({ "metadata": { "name": "one" }, "target": { "kind": "Node", "name": "none" } });
    talk.post(&format!("{pod}/binding"), &binding).await?;
    talk.post(&format!("{pod}/eviction"), &json!({ "metadata": { "name": "one" } })).await?;
    Ok(())
}

async fn proxies(talk: &Talk) -> Result<()> {
    let pod = a_pod(talk).await?;
    talk.get(&format!("{pod}/proxy/")).await?;
    talk.get("/api/v1/nodes/none/proxy/").await?;
    Ok(())
}

async fn the_old_openapi(talk: &Talk) -> Result<()> {
    talk.get("/openapi/v2").await?;
    Ok(())
}

async fn pages_of_the_servers_process(talk: &Talk) -> Result<()> {
    for page in ["/metrics", "/logs", "/openid/v1/jwks"] {
        talk.get(page).await?;
    }
    Ok(())
}

async fn tokens_bound_to_an_object(talk: &Talk) -> Result<()> {
    let pod = a_pod(talk).await?;
    let accounts = format!("{}/serviceaccounts", pod.trim_end_matches("/pods/one"));
    talk.post(&accounts, &json!({ "metadata": { "name": "mine" } })).await?;
    let bound = json!({ "spec": { "boundObjectRef": { "kind": "Pod", "apiVersion": "v1", "name": "one" } } });
    talk.post(&format!("{accounts}/mine/token"), &bound).await?;
    Ok(())
}
