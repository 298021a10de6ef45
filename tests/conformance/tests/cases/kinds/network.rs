//! Services, endpoints, and the kinds of networking and discovery.

use anyhow::Result;
use motet_conformance::{Talk, cases};
use serde_json::{Value, json};

use crate::cases::tools::{change_each, create_each, lives, with};

cases! { "kinds":
    services_with_an_address, headless_services, external_services, services_on_nodes, services_are_checked, what_stays_of_a_service,
    services_get_free_addresses, endpoints, endpoints_are_checked, endpoint_slices, endpoint_slices_are_checked, network_policies,
    network_policies_are_checked, ingresses, ingresses_are_checked, ingress_classes,
}

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
    create_each(
        talk,
        &path,
        &external,
        &[
            ("/spec/externalName", Value::Null),
            ("/spec/externalName", json!("Not_Ok")),
            ("/spec/clusterIP", json!("10.0.0.9")),
            ("/spec/clusterIP", json!("None")),
        ],
    )
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
            ("/spec", Value::Null),
            ("/spec/ports", Value::Null),
            ("/spec/ports", json!([])),
            ("/spec/ports/0/port", json!(0)),
            ("/spec/ports/0/port", json!(65536)),
            ("/spec/ports/0/port", Value::Null),
            ("/spec/ports/0/targetPort", json!(0)),
            ("/spec/ports/0/targetPort", json!("Not_Ok")),
            ("/spec/ports/0/targetPort", json!(70000)),
            ("/spec/ports/0/protocol", json!("HTTP")),
            ("/spec/ports/0/name", json!("Not_Ok")),
            ("/spec/ports/1", json!({ "port": 81 })),
            ("/spec/ports", json!([{ "name": "a", "port": 1 }, { "name": "a", "port": 2 }])),
            ("/spec/ports", json!([{ "name": "a", "port": 1 }, { "name": "b", "port": 1 }])),
            ("/spec/type", json!("Nonsense")),
            ("/spec/sessionAffinity", json!("Nonsense")),
            ("/spec/selector", json!({ "bad key": "x" })),
            ("/spec/clusterIP", json!("nonsense")),
            ("/spec/clusterIP", json!("192.168.0.1")),
            ("/spec/ports/0/nodePort", json!(30000)),
            ("/spec/externalIPs", json!(["x"])),
            ("/spec/externalTrafficPolicy", json!("Local")),
            ("/spec/ipFamilies", json!(["IPv6"])),
            ("/spec/ipFamilyPolicy", json!("RequireDualStack")),
            ("/spec/ipFamilyPolicy", json!("Nonsense")),
            ("/spec/internalTrafficPolicy", json!("Nonsense")),
            ("/spec/ports/0/appProtocol", json!("bad protocol")),
            ("/spec/loadBalancerClass", json!("x")),
            ("/spec/sessionAffinityConfig", json!({ "clientIP": { "timeoutSeconds": 5 } })),
            ("/spec/trafficDistribution", json!("Nonsense")),
            ("/spec/allocateLoadBalancerNodePorts", json!(true)),
        ],
    )
    .await
}

async fn what_stays_of_a_service(talk: &Talk) -> Result<()> {
    talk.namespace().await?;
    aside(talk);
    let path = talk.path("v1", "services");
    change_each(
        talk,
        &path,
        &with(&service("s"), &[("/spec/clusterIP", json!("10.0.0.7"))]),
        &[
            ("/spec/clusterIP", json!("None")),
            ("/spec/clusterIP", Value::Null),
            ("/spec/clusterIPs", Value::Null),
            ("/spec/ports/0/port", json!(81)),
            ("/spec/type", json!("NodePort")),
            ("/spec/selector", json!({ "a": "b" })),
            ("/spec/ipFamilies", json!(["IPv6"])),
            ("/spec/ports", json!([])),
        ],
    )
    .await?;
    let made = talk.post(&path, &service("t")).await?;
    talk.put(
        &format!("{path}/t"),
        &with(&made.body, &[("/spec/type", json!("ExternalName")), ("/spec/externalName", json!("example.com"))]),
    )
    .await?;
    talk.put(
        &format!("{path}/t"),
        &with(
            &made.body,
            &[
                ("/spec/type", json!("ExternalName")),
                ("/spec/externalName", json!("example.com")),
                ("/spec/clusterIP", json!("")),
                ("/spec/clusterIPs", Value::Null),
                ("/metadata/resourceVersion", Value::Null),
            ],
        ),
    )
    .await?;
    Ok(())
}

async fn services_get_free_addresses(talk: &Talk) -> Result<()> {
    talk.namespace().await?;
    let path = talk.path("v1", "services");
    let chosen = with(&service("chosen"), &[("/spec/clusterIP", json!("10.0.0.10"))]);
    talk.post(&path, &chosen).await?;
    talk.post(&path, &with(&chosen, &[("/metadata/name", json!("again"))])).await?;
    let node = with(
        &service("node"),
        &[
            ("/spec/clusterIP", json!("10.0.0.11")),
            ("/spec/type", json!("NodePort")),
            ("/spec/ports/0/nodePort", json!(30123)),
        ],
    );
    talk.post(&path, &node).await?;
    talk.post(&path, &with(&node, &[("/metadata/name", json!("again")), ("/spec/clusterIP", json!("10.0.0.12"))]))
        .await?;
    talk.post(
        &path,
        &with(
            &node,
            &[
                ("/metadata/name", json!("far")),
                ("/spec/clusterIP", json!("10.0.0.12")),
                ("/spec/ports/0/nodePort", json!(99)),
            ],
        ),
    )
    .await?;
    talk.delete(&format!("{path}/chosen")).await?;
    talk.post(&path, &with(&chosen, &[("/metadata/name", json!("again"))])).await?;
    Ok(())
}

async fn endpoints(talk: &Talk) -> Result<()> {
    talk.namespace().await?;
    let all = json!({ "metadata": { "name": "all" }, "subsets": [
        { "addresses": [{ "ip": "10.1.0.2", "hostname": "h", "targetRef": { "kind": "Pod", "name": "p" } }, { "ip": "10.1.0.1" }], "ports": [{ "name": "a", "port": 80 }] },
        { "notReadyAddresses": [{ "ip": "10.1.0.3" }], "ports": [{ "name": "a", "port": 80, "protocol": "UDP" }] } ] });
    lives(talk, &talk.path("v1", "endpoints"), &[json!({ "metadata": { "name": "least" } }), all]).await
}

async fn endpoints_are_checked(talk: &Talk) -> Result<()> {
    talk.namespace().await?;
    let base = json!({ "metadata": { "name": "e" }, "subsets": [{ "addresses": [{ "ip": "10.1.0.1" }], "ports": [{ "port": 80 }] }] });
    create_each(
        talk,
        &talk.path("v1", "endpoints"),
        &base,
        &[
            ("/subsets/0/addresses/0/ip", json!("x")),
            ("/subsets/0/addresses/0/ip", Value::Null),
            ("/subsets/0/addresses/0/ip", json!("127.0.0.1")),
            ("/subsets/0/ports/0/port", json!(0)),
            ("/subsets/0/ports/0/protocol", json!("X")),
            ("/subsets/0", json!({})),
            ("/subsets/0/ports/1", json!({ "port": 81 })),
            ("/subsets/0/addresses/0/hostname", json!("Not_Ok")),
            ("/subsets/0/addresses/0/nodeName", json!("Not_Ok")),
            ("/subsets/0/addresses/0/ip", json!("169.254.0.1")),
            ("/subsets/0/addresses/0/ip", json!("224.0.0.1")),
            ("/subsets/0/addresses/0/ip", json!("0.0.0.0")),
            ("/subsets/0/addresses/0/ip", json!("010.1.0.1")),
            ("/subsets/0/addresses/0/ip", json!("::ffff:10.1.0.1")),
            ("/subsets/0/addresses/0/ip", json!("fd00::1")),
            ("/subsets/0/ports/0/name", json!("Not_Ok")),
            ("/subsets/0/ports/0/appProtocol", json!("not ok")),
            ("/subsets/0/ports/0/port", Value::Null),
            ("/subsets/0/notReadyAddresses", json!([{ "ip": "x" }])),
            ("/metadata/annotations", json!({ "endpoints.kubernetes.io/over-capacity": "truncated" })),
        ],
    )
    .await?;
    change_each(
        talk,
        &talk.path("v1", "endpoints"),
        &base,
        &[
            ("/subsets/0/addresses/0/ip", json!("x")),
            ("/subsets/0/addresses/0/nodeName", json!("n")),
            ("/subsets", json!([])),
            ("/metadata/labels", json!({ "a b": "c" })),
        ],
    )
    .await
}

fn slice(name: &str) -> Value {
    json!({ "metadata": { "name": name }, "addressType": "IPv4", "endpoints": [{ "addresses": ["10.1.0.1"] }], "ports": [{ "port": 80 }] })
}

async fn endpoint_slices(talk: &Talk) -> Result<()> {
    talk.namespace().await?;
    let all = json!({ "metadata": { "name": "all", "labels": { "kubernetes.io/service-name": "s" } }, "addressType": "FQDN", "endpoints": [{ "addresses": ["example.com"], "conditions": { "ready": true, "serving": true, "terminating": false }, "hostname": "h", "nodeName": "n", "zone": "z", "targetRef": { "kind": "Pod", "name": "p" }, "hints": { "forZones": [{ "name": "z" }] } }],
        "ports": [{ "name": "a", "port": 80, "protocol": "UDP", "appProtocol": "http" }] });
    let empty = json!({ "metadata": { "name": "empty" }, "addressType": "IPv4", "endpoints": [] });
    lives(talk, &talk.path("discovery.k8s.io/v1", "endpointslices"), &[slice("least"), all, empty]).await
}

async fn endpoint_slices_are_checked(talk: &Talk) -> Result<()> {
    talk.namespace().await?;
    let path = talk.path("discovery.k8s.io/v1", "endpointslices");
    create_each(
        talk,
        &path,
        &slice("s"),
        &[
            ("/addressType", Value::Null),
            ("/addressType", json!("X")),
            ("/endpoints/0/addresses", json!([])),
            ("/endpoints/0/addresses/0", json!("x")),
            ("/endpoints/0/addresses/0", json!("::1")),
            ("/ports/0/protocol", json!("X")),
            ("/ports/0/name", json!("Not_Ok")),
            ("/ports/1", json!({ "port": 81 })),
            ("/endpoints/0/hostname", json!("Not_Ok")),
            ("/ports/0/port", json!(0)),
            ("/ports/0/port", Value::Null),
            ("/ports/0/appProtocol", json!("not ok")),
            ("/ports/0/appProtocol", json!("example.com/x")),
            ("/endpoints/0/nodeName", json!("Not_Ok")),
            ("/endpoints/0/zone", json!("not ok")),
            ("/endpoints/0/addresses/0", json!("127.0.0.1")),
            ("/endpoints/0/addresses/0", json!("010.0.0.1")),
            ("/endpoints/0/deprecatedTopology", json!({ "a b": "c" })),
            ("/endpoints/0/deprecatedTopology", json!({ "topology.kubernetes.io/zone": "z", "a": "b" })),
            ("/endpoints/0/deprecatedTopology", json!({ "kubernetes.io/hostname": "h" })),
            ("/endpoints/0/hints", json!({ "forZones": [{ "name": "a b" }] })),
            ("/endpoints/0/hints", json!({ "forZones": [{ "name": "a" }, { "name": "a" }] })),
            ("/endpoints/0/hints", json!({ "forNodes": [{ "name": "Not_Ok" }, { "name": "b" }, { "name": "b" }] })),
            ("/endpoints/0/hints", json!({ "forZones": [{ "name": "1" }, { "name": "2" }, { "name": "3" }, { "name": "4" }, { "name": "5" }, { "name": "6" }, { "name": "7" }, { "name": "8" }, { "name": "9" }] })),
            ("/addressType", json!("FQDN")),
            ("/addressType", json!("IPv6")),
            ("/endpoints", Value::Null),
            ("/ports", Value::Null),
        ],
    )
    .await?;
    change_each(
        talk,
        &path,
        &slice("s"),
        &[("/addressType", json!("IPv6")), ("/endpoints", json!([])), ("/ports", json!([]))],
    )
    .await
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
            ("/spec", Value::Null),
            ("/spec/podSelector", json!({ "matchLabels": { "bad key": "x" } })),
            ("/spec/policyTypes", json!(["X"])),
            ("/spec/ingress/0/from/0/ipBlock/cidr", json!("x")),
            ("/spec/ingress/0/from/0/ipBlock/cidr", Value::Null),
            ("/spec/ingress/0/from/0/ipBlock/except", json!(["11.0.0.0/8"])),
            ("/spec/ingress/0/from/0", json!({})),
            ("/spec/ingress/0/from/0/podSelector", json!({})),
            ("/spec/ingress/0/ports/0/port", json!(0)),
            ("/spec/ingress/0/ports/0/port", json!("Not_Ok")),
            ("/spec/ingress/0/ports/0/protocol", json!("X")),
            ("/spec/ingress/0/ports/0/endPort", json!(10)),
            ("/spec/ingress/0/ports/0", json!({ "port": "a", "endPort": 5 })),
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

async fn ingresses_are_checked(talk: &Talk) -> Result<()> {
    talk.namespace().await?;
    create_each(
        talk,
        &talk.path("networking.k8s.io/v1", "ingresses"),
        &ingress("i"),
        &[
            ("/spec", Value::Null),
            ("/spec/rules/0/host", json!("Not_Ok")),
            ("/spec/rules/0/host", json!("1.2.3.4")),
            ("/spec/rules/0/host", json!("*.x.*")),
            ("/spec/rules/0/http/paths", json!([])),
            ("/spec/rules/0/http/paths/0/path", json!("nope")),
            ("/spec/rules/0/http/paths/0/pathType", Value::Null),
            ("/spec/rules/0/http/paths/0/pathType", json!("X")),
            ("/spec/rules/0/http/paths/0/path", json!("/a//b")),
            ("/spec/rules/0/http/paths/0/backend", json!({})),
            ("/spec/rules/0/http/paths/0/backend/service/name", Value::Null),
            ("/spec/rules/0/http/paths/0/backend/service/port", json!({})),
            ("/spec/rules/0/http/paths/0/backend/service/port", json!({ "number": 1, "name": "x" })),
            ("/spec/rules/0/http/paths/0/backend/service/port", json!({ "number": 70000 })),
            ("/spec/ingressClassName", json!("Not_Ok")),
            ("/spec/tls", json!([{ "hosts": ["Not_Ok"] }])),
            ("/spec/rules/0/http/paths/0/backend/service/name", json!("Not_Ok")),
            ("/metadata/annotations", json!({ "kubernetes.io/ingress.class": "x" })),
        ],
    )
    .await
}

async fn ingress_classes(talk: &Talk) -> Result<()> {
    let path = "/apis/networking.k8s.io/v1/ingressclasses";
    let name = |end: &str| format!("{}-{end}", talk.id());
    let least = json!({ "metadata": { "name": name("least") }, "spec": { "controller": "example.com/c" } });
    let all = with(
        &least,
        &[
            ("/metadata/name", json!(name("all"))),
            (
                "/spec/parameters",
                json!({ "apiGroup": "example.com", "kind": "P", "name": "p", "scope": "Namespace", "namespace": "n" }),
            ),
        ],
    );
    lives(
        talk,
        path,
        &[least.clone(), all.clone(), with(&all, &[("/spec/parameters", json!({ "kind": "P", "name": "p" }))])],
    )
    .await?;
    create_each(
        talk,
        path,
        &all,
        &[
            ("/spec", Value::Null),
            ("/spec/controller", Value::Null),
            ("/spec/controller", json!("nodomain")),
            ("/spec/parameters/scope", json!("X")),
            ("/spec/parameters/namespace", Value::Null),
            ("/spec/parameters/kind", Value::Null),
            ("/spec/parameters/scope", json!("Cluster")),
        ],
    )
    .await?;
    change_each(talk, path, &least, &[("/spec/controller", json!("example.com/d"))]).await
}
