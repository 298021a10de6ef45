//! What a cached pod costs: resident bytes per pod and pods taken in per second, whole and projected.
//!
//! `cargo run --release -p motet-watch --example pods [COUNT] [projected]`. Memory is what the process's resident set grows by, so use
//! at least 50,000 pods; nothing but the cache is kept.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use async_trait::async_trait;
use bytes::Bytes;
use futures::{StreamExt as _, stream, stream::BoxStream};
use motet_core::{
    ApiError, Change, Gvk, MemberName, ObjectName, PluginName, Resource,
    description::{Scope, Trigger},
    path::Projection,
    ports::{ListQuery, MemberApi, Page, Write},
};
use motet_watch::{CacheSettings, CacheState, Map, MemberCaches, SubscribeSpec};
use serde_json::{Value, json};

/// A member that has so many pods and nothing else.
struct Pods {
    count: usize,
    /// Time spent on making them, which is not the cache's.
    making: Arc<AtomicU64>,
}

#[async_trait]
impl MemberApi for Pods {
    async fn resource(&self, gvk: &Gvk) -> Result<Resource, ApiError> {
        Err(ApiError::new(404, "KindMissing", gvk.to_string()))
    }
    async fn get(&self, _: &Resource, _: &ObjectName) -> Result<Option<Bytes>, ApiError> {
        Ok(None)
    }
    async fn list(&self, _: &Resource, _: &ListQuery) -> Result<Page, ApiError> {
        Ok(Page::default())
    }
    async fn write(&self, _: &Resource, name: &ObjectName, _: Write) -> Result<Bytes, ApiError> {
        Err(ApiError::new(405, "MethodNotAllowed", name.to_string()))
    }
    fn watch(&self, _: &Resource, _: &Scope, _: Option<String>) -> BoxStream<'static, Change> {
        let making = Arc::clone(&self.making);
        let pods = stream::iter(0..self.count).map(move |i| {
            let start = Instant::now();
            let json = Bytes::from(pod(i).to_string());
            making.fetch_add(start.elapsed().as_nanos() as u64, Ordering::Relaxed);
            Change::Initial(json)
        });
        let synced = stream::iter([Change::Synced { resource_version: "999999999".into() }]);
        stream::iter([Change::Reset]).chain(pods).chain(synced).chain(stream::pending()).boxed()
    }
}

/// Hexadecimal digits without a pattern, always the same for one `seed`.
fn hex(seed: usize, digits: usize) -> String {
    let mut state = seed as u64 | 1 << 40;
    let mut text = String::new();
    while text.len() < digits {
        state = state.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(0x1405_7b7e_f767_814f);
        text += &format!("{:08x}", state >> 32);
    }
    text.truncate(digits);
    text
}

/// A pod as a cluster that runs it shows it, about 5.6 KB.
fn pod(i: usize) -> Value {
    let (name, node) = (format!("web-{}-{}", hex(i / 50, 9), hex(i, 5)), format!("node-{}", i * 7919 % 300));
    let hash = hex(i / 50, 9);
    let condition = |kind: &str| json!({"type": kind, "status": "True", "lastProbeTime": null, "lastTransitionTime": "2026-11-20T08:15:30Z"});
    let container = |n: usize| {
        json!({"name": format!("c{n}"), "image": format!("registry.example.org/team/service-{n}:v1.{}.0", i % 9),
            "imagePullPolicy": "IfNotPresent", "terminationMessagePath": "/dev/termination-log", "terminationMessagePolicy": "File",
            "resources": {"limits": {"cpu": "500m", "memory": "512Mi"}, "requests": {"cpu": "100m", "memory": "128Mi"}},
            "ports": [{"name": "http", "containerPort": 8080, "protocol": "TCP"}],
            "env": [{"name": "LOG_LEVEL", "value": "info"}, {"name": "POD_IP", "valueFrom": {"fieldRef": {"apiVersion": "v1", "fieldPath": "status.podIP"}}}],
            "readinessProbe": {"httpGet": {"path": "/ready", "port": "http", "scheme": "HTTP"}, "periodSeconds": 10, "timeoutSeconds": 1, "successThreshold": 1, "failureThreshold": 3},
            "volumeMounts": [{"name": format!("kube-api-access-{}", hex(i, 5)), "readOnly": true, "mountPath": "/var/run/secrets/kubernetes.io/serviceaccount"}]})
    };
    let status = |n: usize| {
        json!({"name": format!("c{n}"), "ready": true, "started": true, "restartCount": i % 3, "lastState": {},
            "state": {"running": {"startedAt": "2026-11-20T08:15:29Z"}}, "image": format!("registry.example.org/team/service-{n}:v1.{}.0", i % 9),
            "imageID": format!("registry.example.org/team/service-{n}@sha256:{}", hex(i % 9 + n, 64)), "containerID": format!("containerd://{}", hex(2 * i + n, 64))})
    };
    let fields = json!({"f:metadata": {"f:generateName": {}, "f:labels": {".": {}, "f:app": {}, "f:pod-template-hash": {}}, "f:ownerReferences": {".": {}, "k:{\"uid\":\"x\"}": {}}},
        "f:spec": {"f:containers": {"k:{\"name\":\"c0\"}": {".": {}, "f:env": {".": {}, "k:{\"name\":\"LOG_LEVEL\"}": {".": {}, "f:name": {}, "f:value": {}}}, "f:image": {}, "f:imagePullPolicy": {}, "f:name": {},
            "f:ports": {".": {}, "k:{\"containerPort\":8080,\"protocol\":\"TCP\"}": {".": {}, "f:containerPort": {}, "f:name": {}, "f:protocol": {}}}, "f:readinessProbe": {".": {}, "f:failureThreshold": {}, "f:httpGet": {".": {}, "f:path": {}, "f:port": {}, "f:scheme": {}}, "f:periodSeconds": {}},
            "f:resources": {".": {}, "f:limits": {".": {}, "f:cpu": {}, "f:memory": {}}, "f:requests": {".": {}, "f:cpu": {}, "f:memory": {}}}}},
            "f:dnsPolicy": {}, "f:restartPolicy": {}, "f:schedulerName": {}, "f:securityContext": {}, "f:terminationGracePeriodSeconds": {}}});
    json!({"apiVersion": "v1", "kind": "Pod",
        "metadata": {"name": name, "generateName": format!("web-{:x}-", i / 50), "namespace": format!("team-{}", i % 40),
            "uid": format!("{}-9818-448b-{}-{}", hex(i, 8), hex(i + 1, 4), hex(i + 2, 12)), "resourceVersion": (1_000_000 + i).to_string(),
            "creationTimestamp": "2026-11-20T08:15:20Z", "labels": {"app": format!("web-{}", i / 50), "pod-template-hash": hash, "tier": "edge"},
            "ownerReferences": [{"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": format!("web-{:x}", i / 50), "uid": format!("{:08x}-1111-2222-3333-444444444444", i / 50), "controller": true, "blockOwnerDeletion": true}],
            "managedFields": [{"manager": "kube-controller-manager", "operation": "Update", "apiVersion": "v1", "time": "2026-11-20T08:15:20Z", "fieldsType": "FieldsV1", "fieldsV1": fields},
                {"manager": "kubelet", "operation": "Update", "apiVersion": "v1", "time": "2026-11-20T08:15:30Z", "subresource": "status", "fieldsType": "FieldsV1", "fieldsV1": {"f:status": {"f:conditions": {}, "f:phase": {}, "f:podIP": {}}}}]},
        "spec": {"nodeName": node, "serviceAccountName": "default", "restartPolicy": "Always", "dnsPolicy": "ClusterFirst", "schedulerName": "default-scheduler", "enableServiceLinks": true,
            "terminationGracePeriodSeconds": 30, "preemptionPolicy": "PreemptLowerPriority", "priority": 0, "securityContext": {},
            "containers": [container(0), container(1)],
            "tolerations": [{"key": "node.kubernetes.io/not-ready", "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 300}],
            "volumes": [{"name": format!("kube-api-access-{}", hex(i, 5)), "projected": {"defaultMode": 420, "sources": [{"serviceAccountToken": {"expirationSeconds": 3607, "path": "token"}}, {"configMap": {"name": "kube-root-ca.crt", "items": [{"key": "ca.crt", "path": "ca.crt"}]}}]}}]},
        "status": {"phase": "Running", "qosClass": "Burstable", "hostIP": format!("10.0.{}.{}", i % 300 / 250, i % 250), "podIP": format!("10.{}.{}.{}", i / 62_500, i / 250 % 250, i % 250), "startTime": "2026-11-20T08:15:20Z",
            "conditions": [condition("Initialized"), condition("Ready"), condition("ContainersReady"), condition("PodScheduled")],
            "containerStatuses": [status(0), status(1)]}})
}

fn resident() -> u64 {
    let pages = std::fs::read_to_string("/proc/self/statm").ok();
    pages.and_then(|text| text.split(' ').nth(1)?.parse::<u64>().ok()).unwrap_or_default() * 4096
}

async fn measure(what: &str, count: usize, projection: Option<Projection>) -> Result<(), Box<dyn std::error::Error>> {
    let resource = Resource {
        gvk: Gvk::new("", "v1", "Pod"),
        plural: "pods".into(),
        namespaced: true,
        status: true,
        watchable: true,
    };
    let making = Arc::new(AtomicU64::new(0));
    let api = Arc::new(Pods { count, making: Arc::clone(&making) });
    let caches = MemberCaches::new(MemberName::new("bench")?, api, CacheSettings::default());
    let spec = SubscribeSpec {
        plugin: PluginName::new("bench")?,
        scope: Scope::default(),
        projection,
        trigger: Trigger::Any,
        map: Map::None,
        sink: Arc::new(|_, _| {}),
    };
    let before = resident();
    let start = Instant::now();
    let subscription = caches.subscribe(&resource, spec);
    subscription.state_when(|state| *state == CacheState::Synced).await;
    let elapsed = start.elapsed().saturating_sub(Duration::from_nanos(making.load(Ordering::Relaxed)));
    let grown = resident().saturating_sub(before);
    let counted: usize = caches.snapshot().iter().map(|cache| cache.bytes).sum();
    println!(
        "{what:<10} {count} pods: {} bytes resident per pod ({} counted), {:.0} pods/s taken in",
        grown / count as u64,
        counted / count,
        count as f64 / elapsed.as_secs_f64()
    );
    Ok(())
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let count = arguments.next().map_or(Ok(50_000), |text| text.parse())?;
    println!("a pod has {} bytes", pod(count / 2).to_string().len());
    match arguments.next() {
        Some(_) => {
            let paths = ["/spec/nodeName", "/status/phase", "/spec/containers/*/resources/requests"];
            measure("projected", count, Some(Projection::parse(&paths)?)).await
        }
        None => measure("whole", count, None).await,
    }
}
