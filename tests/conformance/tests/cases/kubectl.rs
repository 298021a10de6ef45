//! kubectl, the real binary, looking: get, describe, explain, events, wait, auth.

use anyhow::Result;
use motet_conformance::{Talk, cases};

use super::kubectl_kit::{AVAILABLE, DEPLOYMENT, MAP, OTHER, boat, boats, session};

cases! { "kubectl":
    api_resources_and_versions, api_resources_of_a_definition, auth_can_i, describe, events, explain, explain_of_a_definition, get_as_table_and_wide, get_by_selectors, get_custom_columns_and_names, get_everywhere, get_json_yaml_and_jsonpath, get_sorted_and_labelled, get_what_is_not_there, wait_for_conditions_deletion_and_values, watch_prints_changes
}

async fn get_as_table_and_wide(talk: &Talk) -> Result<()> {
    let lines = [
        ("get configmaps", ""),
        ("apply --server-side -f -", MAP),
        ("apply --server-side -f -", DEPLOYMENT),
        ("get configmaps", ""),
        ("get deployments", ""),
        ("get deployments -o wide", ""),
        ("get deployment/web configmap/one", ""),
        ("get deployments,configmaps --no-headers", ""),
        ("get all", ""),
    ];
    session(talk, &lines).await
}

async fn get_json_yaml_and_jsonpath(talk: &Talk) -> Result<()> {
    let lines = [
        ("apply --server-side -f -", MAP),
        ("get configmap one -o yaml", ""),
        ("get configmap one -o json", ""),
        ("get configmaps -o yaml", ""),
        ("get configmaps -o jsonpath={.items[*].metadata.name}", ""),
        ("get configmap one -o jsonpath={.data}", ""),
        ("get configmap one -o go-template={{.data.a}}", ""),
        ("get configmap one -o jsonpath={.nothing.here}", ""),
    ];
    session(talk, &lines).await
}

async fn get_custom_columns_and_names(talk: &Talk) -> Result<()> {
    let lines = [
        ("create -f -", OTHER),
        ("get configmaps -o custom-columns=NAME:.metadata.name,DATA:.data", ""),
        ("get configmaps -o name", ""),
        ("get cm two -o name", ""),
    ];
    session(talk, &lines).await
}

async fn get_by_selectors(talk: &Talk) -> Result<()> {
    let lines = [
        ("create -f -", MAP),
        ("create -f -", OTHER),
        ("get configmaps -l app=shop --show-labels", ""),
        ("get configmaps -l app=other", ""),
        ("get configmaps -l app!=shop -o name", ""),
        ("get configmaps -l app%20in%20(shop,bank) -o name", ""),
        ("get configmaps -l a=b=c", ""),
        ("get configmaps --field-selector metadata.name=one -o name", ""),
        ("get configmaps --field-selector metadata.name!=one -o name", ""),
        ("get configmaps --field-selector data.a=b", ""),
    ];
    session(talk, &lines).await
}

async fn get_sorted_and_labelled(talk: &Talk) -> Result<()> {
    let lines = [
        ("create -f -", MAP),
        ("create -f -", OTHER),
        ("get configmaps --sort-by=.metadata.name", ""),
        ("get configmaps -L app", ""),
        ("get configmaps --chunk-size=1 -o name", ""),
    ];
    session(talk, &lines).await
}

async fn get_everywhere(talk: &Talk) -> Result<()> {
    talk.namespace().await?;
    let map = MAP.replace("app: shop", &format!("app: {}", talk.id()));
    talk.kubectl("create -f -", &map).await?;
    talk.kubectl(&format!("get configmaps -A -l app={}", talk.id()), "").await?;
    talk.kubectl(&format!("get configmaps,secrets -A -l app={} -o name", talk.id()), "").await?;
    talk.kubectl(&format!("get namespace {}", talk.id()), "").await?;
    Ok(())
}

async fn get_what_is_not_there(talk: &Talk) -> Result<()> {
    let lines = [
        ("get configmap none", ""),
        ("get nothing", ""),
        ("get configmaps", ""),
        ("get configmap none --ignore-not-found", ""),
        ("get deployments.v1.apps", ""),
        ("get boats.example.org", ""),
    ];
    session(talk, &lines).await
}

async fn watch_prints_changes(talk: &Talk) -> Result<()> {
    talk.namespace().await?;
    talk.kubectl("create -f -", MAP).await?;
    let mut watch = talk.kubectl_lines("get configmaps -w -o name").await?;
    watch.take(1).await?;
    talk.kubectl("label configmap one a=b", "").await?;
    watch.take(1).await?;
    talk.kubectl("create -f -", OTHER).await?;
    watch.take(1).await?;
    let mut table = talk.kubectl_lines("get configmaps -w --output-watch-events").await?;
    table.take(3).await?;
    talk.kubectl("delete configmap one", "").await?;
    table.take(1).await
}

async fn describe(talk: &Talk) -> Result<()> {
    let secret = "apiVersion: v1\nkind: Secret\nmetadata: {name: s}\nstringData: {a: bc}\n";
    let service = "apiVersion: v1\nkind: Service\nmetadata: {name: web}\nspec: {clusterIP: None, selector: {app: web}, ports: [{port: 80}]}\n";
    let policy = "apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {name: p}\nspec: {podSelector: {}, policyTypes: [Ingress]}\n";
    let lines = [
        ("apply --server-side -f -", MAP),
        ("apply --server-side -f -", DEPLOYMENT),
        ("apply --server-side -f -", secret),
        ("apply --server-side -f -", service),
        ("apply --server-side -f -", policy),
        ("describe configmap one", ""),
        ("describe deployment web", ""),
        ("describe secret s", ""),
        ("describe service web", ""),
        ("describe networkpolicy p", ""),
        ("describe configmap none", ""),
    ];
    session(talk, &lines).await?;
    talk.kubectl(&format!("describe namespace {}", talk.id()), "").await?;
    Ok(())
}

async fn wait_for_conditions_deletion_and_values(talk: &Talk) -> Result<()> {
    let lines = [
        ("apply --server-side -f -", DEPLOYMENT),
        ("patch deployment web --subresource=status --type=merge -p", AVAILABLE),
        ("wait --for=condition=Available deployment/web --timeout=20s", ""),
        ("wait --for=jsonpath={.spec.replicas}=2 deployment/web --timeout=20s", ""),
        ("wait --for=condition=Progressing deployment/web --timeout=1s", ""),
        ("wait --for=create deployment/web --timeout=20s", ""),
        ("wait --for=condition=Available deployment/none --timeout=1s", ""),
        ("delete deployment web --wait=false", ""),
        ("wait --for=delete deployment/web --timeout=20s", ""),
    ];
    session(talk, &lines).await
}

async fn events(talk: &Talk) -> Result<()> {
    let event = format!(
        "apiVersion: v1
kind: Event
metadata: {{name: seen}}
involvedObject: {{apiVersion: v1, kind: ConfigMap, name: one, namespace: {}}}
type: Warning
reason: Seen
message: by a test
count: 2
firstTimestamp: \"2020-01-01T00:00:00Z\"
lastTimestamp: \"2020-01-01T00:00:00Z\"
source: {{component: test}}
",
        talk.id()
    );
    let lines = [
        ("events", ""),
        ("create -f -", event.as_str()),
        ("create -f -", MAP),
        ("events --for configmap/one -o name", ""),
        ("events --types=Normal", ""),
        ("get events --field-selector involvedObject.name=one,type=Warning -o name", ""),
        ("get events -o custom-columns=R:.reason,M:.message", ""),
        ("get events.events.k8s.io -o custom-columns=R:.reason,N:.note", ""),
        ("describe configmap one", ""),
    ];
    session(talk, &lines).await
}

async fn auth_can_i(talk: &Talk) -> Result<()> {
    let lines = [
        ("auth can-i create pods", ""),
        ("auth can-i * *", ""),
        ("auth can-i get pods --subresource=log", ""),
        ("auth can-i get /healthz", ""),
        ("create serviceaccount robot", ""),
        ("create role reader --verb=get,list --resource=configmaps", ""),
        ("create rolebinding readers --role=reader --serviceaccount=NAMESPACE:robot", ""),
        ("auth can-i list configmaps --as=system:serviceaccount:NAMESPACE:robot", ""),
        ("auth can-i delete configmaps --as=system:serviceaccount:NAMESPACE:robot", ""),
        ("auth can-i --list --as=system:serviceaccount:NAMESPACE:robot", ""),
        ("get configmaps --as=system:serviceaccount:NAMESPACE:robot", ""),
        ("get secrets --as=system:serviceaccount:NAMESPACE:robot", ""),
        ("delete configmap one --as=system:serviceaccount:NAMESPACE:robot", ""),
        ("auth whoami", ""),
        ("auth whoami --as=somebody --as-group=team", ""),
    ];
    talk.namespace().await?;
    for (line, input) in lines {
        talk.kubectl(&line.replace("NAMESPACE", talk.id()), input).await?;
    }
    Ok(())
}

async fn explain(talk: &Talk) -> Result<()> {
    let lines = [
        ("explain configmap", ""),
        ("explain configmap.data", ""),
        ("explain deployment.spec.template.spec.containers.ports", ""),
        ("explain deployment.spec.nothing", ""),
        ("explain networkpolicy.spec.ingress --recursive", ""),
        ("explain horizontalpodautoscaler.spec --api-version=autoscaling/v2", ""),
    ];
    session(talk, &lines).await
}

async fn explain_of_a_definition(talk: &Talk) -> Result<()> {
    boats(talk).await?;
    let group = format!("boats.{}.example.org", talk.id());
    talk.kubectl(&format!("explain {group}"), "").await?;
    talk.kubectl(&format!("explain {group} --recursive"), "").await?;
    talk.kubectl("explain boats.spec.length --api-version=GROUP/v1".replace("GROUP", &group[6..]).as_str(), "").await?;
    Ok(())
}

async fn api_resources_and_versions(talk: &Talk) -> Result<()> {
    let lines = [
        ("api-resources --api-group=apps", ""),
        ("api-resources --api-group=batch -o wide", ""),
        ("api-resources --api-group=networking.k8s.io --namespaced=false", ""),
        ("api-resources --api-group=rbac.authorization.k8s.io -o name", ""),
        ("api-resources --api-group= -o wide", ""),
        ("api-resources --api-group=none", ""),
    ];
    session(talk, &lines).await
}

async fn api_resources_of_a_definition(talk: &Talk) -> Result<()> {
    let name = boats(talk).await?;
    let group = &name[6..];
    talk.kubectl(&format!("api-resources --api-group={group} -o wide"), "").await?;
    talk.kubectl("apply --server-side -f -", &boat(talk, "gull", 7)).await?;
    talk.kubectl("apply --server-side -f -", &boat(talk, "sunk", 0)).await?;
    talk.kubectl("apply -f -", &boat(talk, "tern", 3)).await?;
    talk.kubectl("apply -f -", &boat(talk, "tern", 4)).await?;
    talk.kubectl(&format!("get boats.{group}"), "").await?;
    talk.kubectl(&format!("get boats.{group} -o wide"), "").await?;
    talk.kubectl(&format!("get bt.{group} gull -o yaml"), "").await?;
    talk.kubectl(&format!("describe boats.{group} gull"), "").await?;
    talk.kubectl(&format!("patch boats.{group} gull -p"), r#"{"spec":{"flag":"red"}}"#).await?;
    talk.kubectl(&format!("patch boats.{group} gull --type=merge -p"), r#"{"spec":{"flag":"red"}}"#).await?;
    talk.kubectl(&format!("get crd {name}"), "").await?;
    talk.kubectl(&format!("delete crd {name}"), "").await?;
    talk.kubectl(&format!("get boats.{group}"), "").await?;
    Ok(())
}
