//! Reads and applies `k8s-openapi` types: a Deployment with ports has a Service, and a NetworkPolicy that lets its namespace in.

#![allow(missing_docs, reason = "a guest")]

use motet_sdk::{
    k8s_openapi::{
        api::{
            apps::v1::Deployment,
            core::v1::{Namespace, Service, ServicePort, ServiceSpec},
            networking::v1::{
                NetworkPolicy, NetworkPolicyIngressRule, NetworkPolicyPeer, NetworkPolicyPort, NetworkPolicySpec,
            },
        },
        apimachinery::pkg::{
            apis::meta::v1::{LabelSelector, ObjectMeta},
            util::intstr::IntOrString,
        },
    },
    prelude::*,
};

#[motet_sdk::plugin(
    watch("apps/v1/Deployment"),
    watch("v1/Namespace", map = none),
    applies("v1/Service", set),
    applies("networking.k8s.io/v1/NetworkPolicy", set)
)]
fn reconcile(ctx: &Context) -> Result<Outcome> {
    let deployment = ctx.primary::<Deployment>()?;
    let namespace = ctx.get::<Namespace>(("v1/Namespace", ctx.namespace().unwrap_or_default()))?;
    let (Some(deployment), Some(namespace)) = (deployment, namespace) else {
        return Ok(Outcome::new().apply_set::<Value>("", []));
    };
    let ports = ports(&deployment);
    let selector = deployment.spec.map(|spec| spec.selector).unwrap_or_default();
    let metadata = ObjectMeta {
        name: deployment.metadata.name,
        namespace: namespace.metadata.name.clone(),
        ..ObjectMeta::default()
    };
    let policy = policy(metadata.clone(), &selector, &namespace, &ports);
    let service = service(metadata, &selector, ports);
    Ok(Outcome::new().apply_set("service", [service]).apply_set("policy", [policy]))
}

fn ports(deployment: &Deployment) -> Vec<i32> {
    let pod = deployment.spec.as_ref().and_then(|spec| spec.template.spec.as_ref());
    let containers = pod.map(|pod| pod.containers.as_slice()).unwrap_or_default();
    containers.iter().flat_map(|c| c.ports.iter().flatten()).map(|port| port.container_port).collect()
}

fn service(metadata: ObjectMeta, selector: &LabelSelector, ports: Vec<i32>) -> Service {
    let port = |port| ServicePort { port, target_port: Some(IntOrString::Int(port)), ..ServicePort::default() };
    let spec = ServiceSpec {
        selector: selector.match_labels.clone(),
        ports: Some(ports.into_iter().map(port).collect()),
        ..ServiceSpec::default()
    };
    Service { metadata, spec: Some(spec), ..Service::default() }
}

fn policy(metadata: ObjectMeta, selector: &LabelSelector, namespace: &Namespace, ports: &[i32]) -> NetworkPolicy {
    let inside = LabelSelector { match_labels: namespace.metadata.labels.clone(), ..LabelSelector::default() };
    let port = |port: &i32| NetworkPolicyPort { port: Some(IntOrString::Int(*port)), ..NetworkPolicyPort::default() };
    let rule = NetworkPolicyIngressRule {
        from: Some(vec![NetworkPolicyPeer { namespace_selector: Some(inside), ..NetworkPolicyPeer::default() }]),
        ports: Some(ports.iter().map(port).collect()),
    };
    let spec = NetworkPolicySpec {
        pod_selector: Some(selector.clone()),
        ingress: Some(vec![rule]),
        policy_types: Some(vec!["Ingress".into()]),
        ..NetworkPolicySpec::default()
    };
    NetworkPolicy { metadata, spec: Some(spec) }
}
