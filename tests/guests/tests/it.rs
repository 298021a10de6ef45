//! A plugin of `k8s-openapi` types fits into a ConfigMap, and works.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

use std::{path::PathBuf, sync::Arc, time::Duration};

use bytes::Bytes;
use motet_core::{
    MemberName, ObjectName, PluginName, Target,
    outcome::Intent,
    ports::{HostCall, HostReply, Limits},
    request::{MemberInfo, Request},
};
use motet_runtime::{ArtifactDir, Runtime, Settings};
use serde_json::{Value, json};

/// How large a value of a ConfigMap may be.
const CONFIG_MAP: usize = 1 << 20;

/// The component: built for wasm, which cargo cannot be asked to do on the way to a native test.
fn component(name: &str) -> Bytes {
    let folder = std::env::var("MOTET_GUESTS").map_or_else(
        |_| {
            let exe = std::env::current_exe().unwrap();
            let target = exe.ancestors().find(|p| p.join("wasm32-wasip2").is_dir());
            target.expect("run `make guests` first").join("wasm32-wasip2/plugin/examples")
        },
        PathBuf::from,
    );
    let path = folder.join(format!("{name}.wasm"));
    std::fs::read(&path).unwrap_or_else(|e| panic!("{}: {e}; run `make guests` first", path.display())).into()
}

fn deployment() -> Value {
    json!({
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web", "namespace": "shop"},
        "spec": {
            "selector": {"matchLabels": {"app": "web"}},
            "template": {
                "metadata": {"labels": {"app": "web"}, "creationTimestamp": null},
                "spec": {"containers": [{
                    "name": "web", "image": "web:1", "ports": [{"containerPort": 8080}],
                    "resources": {"limits": {"cpu": "500m"}},
                    "readinessProbe": {"httpGet": {"path": "/", "port": "http"}, "periodSeconds": 10},
                }]},
            },
        },
        "status": {"replicas": 2, "conditions": [{"type": "Available", "status": "True", "lastUpdateTime": "2026-01-01T00:00:00Z"}]},
    })
}

fn request() -> Request {
    Request {
        member: Arc::new(MemberInfo { name: MemberName::new("edge-1").unwrap(), uid: "u".into(), labels: vec![] }),
        target: Target::Object(ObjectName::namespaced("shop", "web")),
        primary: Some(deployment().to_string().into()),
        deleting: false,
        attempt: 0,
        deadline: Duration::from_secs(5),
        config: Bytes::from_static(b"null"),
        previous: Arc::default(),
    }
}

#[test]
fn a_plugin_of_k8s_openapi_types_fits_into_a_config_map() {
    let size = component("typed").len();
    println!("a plugin of k8s-openapi types has {size} bytes");
    assert!(size < CONFIG_MAP, "{size}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_it_reads_and_applies_is_complete() {
    let settings = Settings { sandboxes: 4, ..Settings::default() };
    let runtime = Runtime::new(&settings, ArtifactDir::none()).unwrap();
    let plugin = PluginName::new("typed").unwrap();
    let limits = Limits::default();
    let compiled = runtime.compile(component("typed"), limits.stack).await.unwrap();
    let described = compiled.describe(&plugin).await.unwrap();
    assert_eq!((described.related.len(), described.applies.len()), (1, 2));
    let reads = |call| {
        let HostCall::Get(objects) = call else { panic!("{call:?}") };
        assert_eq!(objects[0].to_string(), "v1/Namespace shop");
        let namespace =
            json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop", "labels": {"team": "red"}}});
        let reply = HostReply::Objects(vec![Ok(Some(namespace.to_string().into()))]);
        Box::pin(async move { reply }) as _
    };
    let outcome = compiled.sandbox(&plugin).reconcile(request(), &limits, Arc::new(reads)).await.unwrap();
    let objects: Vec<Value> = outcome
        .intents
        .iter()
        .flat_map(|intent| match intent {
            Intent::ApplySet { objects, .. } => objects.clone(),
            other => panic!("{other:?}"),
        })
        .map(|object| serde_json::from_slice(&object).unwrap())
        .collect();
    let metadata = json!({"name": "web", "namespace": "shop"});
    let expected = [
        json!({
            "apiVersion": "v1", "kind": "Service", "metadata": metadata,
            "spec": {"selector": {"app": "web"}, "ports": [{"port": 8080, "targetPort": 8080}]},
        }),
        json!({
            "apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "metadata": metadata,
            "spec": {
                "podSelector": {"matchLabels": {"app": "web"}}, "policyTypes": ["Ingress"],
                "ingress": [{"from": [{"namespaceSelector": {"matchLabels": {"team": "red"}}}], "ports": [{"port": 8080}]}],
            },
        }),
    ];
    assert_eq!(objects, expected);
}
