//! Services, endpoints, and the kinds of networking and discovery.

use anyhow::Result;
use motet_conformance::{Talk, cases};
use serde_json::{Value, json};

use crate::cases::tools::{create_each, lives, with};

cases! { "kinds":
services_with_an_address, headless_services, external_services, services_on_nodes, services_are_checked, endpoints, network_policies,
network_policies_are_checked, ingresses, }

const RANDOM: &str = "addresses and node ports are picked at random";

fn aside(talk: &Talk) {
    for pointer in ["/spec/clusterIP", "/spec/clusterIPs", "/spec/ports/*/nodePort", "/spec/healthCheckNodePort"] {
        talk.aside(pointer, RANDOM);
    }
}

fn service(name: &str) -> Value {
    json!({ "metadata": { "name": name }, "spec": { "ports": [{ "port": 80 }] } })
}

async fn services_with_an_address(talk: &Talk) -> Result<()> {
    talk.namespace().await?;
    aside(talk);
    let all = json!({ "metadata": { "name": "all" }, "spec": { "type": "ClusterIP", "selector": { "app": "x" }, "sessionAffinity": "ClientIP", "publishNotReadyAddresses": true, "internalTrafficPolicy": "Local", "ipFamilyPolicy": "PreferDualStack", "ports": [{ "name": "a", "port": 80, "targetPort": "http" }, { "name": "b", "port": 53, "protocol": "UDP", "targetPort": 5353, "appProtocol": "kubernetes.io/h2c" }] } });
    lives(talk, &talk.path("v1", "services"), &[service("least"), all]).await
}

async fn headless_services(talk: &Talk) -> Result<()> {
    talk.namespace().await?;
    let none = json!({ "metadata": { "name": "none" }, "spec": { "clusterIP": "None" } });
    let selecting = json!({ "metadata": { "name": "selecting" }, "spec": { "clusterIP": "None", "selector": { "a": "b" }, "ports": [{ "port": 1 }] } });
    lives(talk, &talk.path("v1", "services"), &[none, selecting]).await
}

async fn external_services(talk: &Talk) -> Result<()> {
    talk.namespace().await?;
    let path = talk.path("v1", "services");
    let external = json!({ "metadata": { "name": "external" }, "spec": { "type": "ExternalName", "externalName": "example.com" } });
    lives(talk, &path, std::slice::from_ref(&external)).await?;
    create_each(talk, &path, &external, &[("/spec/externalName", Value::Null), ("/spec/externalName", json!("Not_Ok"))])
        .await
}

async fn services_on_nodes(talk: &Talk) -> Result<()> {
    talk.namespace().await?;
    aside(talk);
    let node = with(&service("node"), &[("/spec/type", json!("NodePort"))]);
    let balanced = with(&service("balanced"), &[("/spec/type", json!("LoadBalancer"))]);
    let local = with(
        &service("local"),
        &[
            ("/spec/type", json!("LoadBalancer")),
            ("/spec/externalTrafficPolicy", json!("Local")),
            ("/spec/loadBalancerSourceRanges", json!(["10.0.0.0/8"])),
        ],
    );
    lives(talk, &talk.path("v1", "services"), &[node, balanced, local]).await
}

async fn services_are_checked(talk: &Talk) -> Result<()> {
    talk.namespace().await?;
    aside(talk);
    create_each(
        talk,
        &talk.path("v1", "services"),
        &service("s"),
        &[
            ("/spec/ports", Value::Null),
            ("/spec/ports", json!([])),
            ("/spec/ports/0/port", json!(0)),
            ("/spec/ports/0/port", json!(65536)),
            ("/spec/ports/0/port", Value::Null),
            ("/spec/ports/0/targetPort", json!(70000)),
            ("/spec/ports/0/protocol", json!("HTTP")),
            ("/spec/ports/0/name", json!("Not_Ok")),
            ("/spec/ports/1", json!({ "port": 81 })),
            ("/spec/ports", json!([{ "name": "a", "port": 1 }, { "name": "a", "port": 2 }])),
            ("/spec/type", json!("Nonsense")),
            ("/spec/sessionAffinity", json!("Nonsense")),
            ("/spec/selector", json!({ "bad key": "x" })),
        ],
    )
    .await
}

async fn endpoints(talk: &Talk) -> Result<()> {
    talk.namespace().await?;
    let all = json!({ "metadata": { "name": "all" }, "subsets": [
        { "addresses": [{ "ip": "10.1.0.2", "hostname": "h", "targetRef": { "kind": "Pod", "name": "p" } }, { "ip": "10.1.0.1" }], "ports": [{ "name": "a", "port": 80 }] },
        { "notReadyAddresses": [{ "ip": "10.1.0.3" }], "ports": [{ "name": "a", "port": 80, "protocol": "UDP" }] } ] });
    lives(talk, &talk.path("v1", "endpoints"), &[json!({ "metadata": { "name": "least" } }), all]).await
}

async fn network_policies(talk: &Talk) -> Result<()> {
    talk.namespace().await?;
    let all = json!({ "metadata": { "name": "all" }, "spec": { "podSelector": { "matchLabels": { "a": "b" } }, "policyTypes": ["Egress", "Ingress"],
        "ingress": [{ "from": [{ "podSelector": {} }, { "namespaceSelector": { "matchLabels": { "x": "y" } }, "podSelector": {} }, { "ipBlock": { "cidr": "10.0.0.0/8", "except": ["10.1.0.0/16"] } }], "ports": [{ "port": 80 }, { "port": "http", "protocol": "UDP" }, { "port": 1000, "endPort": 2000 }] }, {}],
        "egress": [{ "to": [{ "ipBlock": { "cidr": "0.0.0.0/0" } }] }] } });
    let plain = |name: &str, more: Value| {
        with(&json!({ "metadata": { "name": name }, "spec": { "podSelector": {} } }), &[("/spec/egress", more)])
    };
    lives(
        talk,
        &talk.path("networking.k8s.io/v1", "networkpolicies"),
        &[
            json!({ "metadata": { "name": "least" }, "spec": { "podSelector": {} } }),
            all,
            plain("out", json!([{}])),
            plain("nothing", json!([])),
        ],
    )
    .await
}

async fn network_policies_are_checked(talk: &Talk) -> Result<()> {
    talk.namespace().await?;
    let base = json!({ "metadata": { "name": "n" }, "spec": { "podSelector": {}, "ingress": [{ "from": [{ "ipBlock": { "cidr": "10.0.0.0/8" } }], "ports": [{ "port": 80 }] }] } });
    create_each(
        talk,
        &talk.path("networking.k8s.io/v1", "networkpolicies"),
        &base,
        &[
            ("/spec/podSelector", json!({ "matchLabels": { "bad key": "x" } })),
            ("/spec/policyTypes", json!(["X"])),
            ("/spec/ingress/0/from/0/ipBlock/cidr", json!("x")),
            ("/spec/ingress/0/from/0/ipBlock/cidr", Value::Null),
            ("/spec/ingress/0/from/0", json!({})),
            ("/spec/ingress/0/from/0/podSelector", json!({})),
            ("/spec/ingress/0/ports/0/port", json!(0)),
            ("/spec/ingress/0/ports/0/protocol", json!("X")),
            ("/spec/policyTypes", json!(["Ingress", "Egress", "Ingress"])),
        ],
    )
    .await
}

fn ingress(name: &str) -> Value {
    json!({ "metadata": { "name": name }, "spec": { "rules": [{ "host": "example.com", "http": { "paths": [{ "path": "/", "pathType": "Prefix", "backend": { "service": { "name": "s", "port": { "number": 80 } } } }] } }] } })
}

async fn ingresses(talk: &Talk) -> Result<()> {
    talk.namespace().await?;
    let all = with(
        &ingress("all"),
        &[
            ("/spec/ingressClassName", json!("nginx")),
            ("/spec/tls", json!([{ "hosts": ["example.com"], "secretName": "t" }])),
            ("/spec/defaultBackend", json!({ "service": { "name": "d", "port": { "name": "http" } } })),
            ("/spec/rules/1", json!({ "host": "*.example.com" })),
        ],
    );
    let backend = json!({ "metadata": { "name": "backend" }, "spec": { "defaultBackend": { "resource": { "kind": "X", "name": "x", "apiGroup": "example.com" } } } });
    lives(talk, &talk.path("networking.k8s.io/v1", "ingresses"), &[ingress("least"), all, backend]).await
}
