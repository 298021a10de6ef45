//! One active host: a Lease in the hub. A host that does not hold it stands by; one that cannot renew it says so before it runs out,
//! and stops where another has taken it.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use motet_core::{
    ApiError, Gvk, Meta, ObjectName, Resource,
    names::HOST_MANAGER,
    outcome::PatchKind,
    ports::{MemberApi, Write},
};
use serde_json::{Value, json};
use tokio::{sync::watch, time::Instant};
use tokio_util::sync::CancellationToken;

/// How long a Lease is good for without renewal.
const DURATION: Duration = Duration::from_secs(15);
/// A holder that could not renew for so long counts the hub as away: another may take over some seconds later.
const RENEW_DEADLINE: Duration = Duration::from_secs(10);
/// Between two attempts to take or renew.
const RETRY: Duration = Duration::from_secs(2);
/// What a Lease of hosts is called, in the hub and on members.
pub(crate) const NAME: &str = "motet-host";

/// One host's claim to the Lease.
pub(crate) struct Election {
    api: Arc<dyn MemberApi>,
    namespace: String,
    identity: String,
    /// What others' Lease looked like and since when, by this host's clock: theirs may be off.
    seen: Option<(String, Instant)>,
    /// Whoever held the Lease before did not let go of it.
    hasty: bool,
}

/// This process among all hosts: where it runs, which process, since when.
pub(crate) fn identity() -> String {
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    format!("{}_{}_{}", host.trim(), std::process::id(), jiff::Timestamp::now().as_millisecond())
}

impl Election {
    pub(crate) fn new(api: Arc<dyn MemberApi>, namespace: &str, identity: String) -> Self {
        Self { api, namespace: namespace.into(), identity, seen: None, hasty: false }
    }

    /// Waits until this host holds the Lease.
    pub(crate) async fn acquire(&mut self) {
        let mut told = false;
        loop {
            match self.attempt().await {
                Ok(true) => return tracing::info!(identity = self.identity, "this host is active"),
                Ok(false) if !told => {
                    told = true;
                    tracing::info!("another host is active; standing by");
                }
                Ok(false) => {}
                Err(error) => {
                    tracing::warn!(%error, "the Lease in the hub cannot be taken; trying again");
                    // Nobody can renew while the hub is away: what was seen before says nothing about its holder.
                    self.seen = None;
                }
            }
            tokio::time::sleep(RETRY).await;
        }
    }

    /// Whether the host before this one may still be at work: it had not let go of the Lease when this one took it.
    pub(crate) fn is_hasty(&self) -> bool {
        self.hasty
    }

    /// Renews until somebody else holds the Lease, then cancels `active`. Returns when `active` is cancelled. `hub_away` says
    /// whether it could not be renewed for so long that another may hold it.
    pub(crate) async fn hold(&mut self, active: CancellationToken, hub_away: watch::Sender<bool>) {
        let mut renewed = Instant::now();
        loop {
            tokio::select! {
                () = active.cancelled() => return,
                () = tokio::time::sleep(RETRY) => {}
            }
            // In time to know before it runs out; once it has, there is time again.
            let left = RENEW_DEADLINE.saturating_sub(renewed.elapsed());
            let patience = if left.is_zero() { RENEW_DEADLINE } else { left }.min(RENEW_DEADLINE / 2);
            match tokio::time::timeout(patience, self.attempt()).await {
                Ok(Ok(true)) => {
                    renewed = Instant::now();
                    hub_away.send_if_modified(std::mem::take);
                }
                Ok(Ok(false)) => {
                    tracing::error!("another host took the Lease; this one stops");
                    return active.cancel();
                }
                Ok(Err(error)) => tracing::warn!(%error, "the Lease was not renewed; trying again"),
                Err(_) => tracing::warn!("the hub did not answer in time to renew the Lease; trying again"),
            }
            if renewed.elapsed() >= RENEW_DEADLINE {
                hub_away.send_if_modified(|away| !std::mem::replace(away, true));
            }
        }
    }

    /// Lets the next host take over at once.
    pub(crate) async fn release(&self) {
        let body = json!({ "spec": { "holderIdentity": "", "leaseDurationSeconds": 1, "renewTime": now() } });
        let released = async {
            let resource = resource(&*self.api).await?;
            let Some(lease) = self.api.get(&resource, &self.name()).await? else { return Ok(()) };
            if holder(&lease) == self.identity { self.patch(&resource, &lease, body).await.map(drop) } else { Ok(()) }
        };
        if let Err(error) = released.await {
            let error: ApiError = error;
            tracing::warn!(%error, "the Lease was not released; another host waits until it runs out");
        }
    }

    fn name(&self) -> ObjectName {
        ObjectName::namespaced(&self.namespace, NAME)
    }

    /// True where this host holds the Lease now.
    async fn attempt(&mut self) -> Result<bool, ApiError> {
        let resource = resource(&*self.api).await?;
        let spec = json!({
            "holderIdentity": self.identity,
            "leaseDurationSeconds": DURATION.as_secs(),
            "acquireTime": now(),
            "renewTime": now(),
        });
        let Some(lease) = self.api.get(&resource, &self.name()).await? else {
            let body = json!({
                "apiVersion": "coordination.k8s.io/v1",
                "kind": "Lease",
                "metadata": { "name": NAME, "namespace": self.namespace },
                "spec": spec,
            });
            let write = Write::Create { body: bytes(&body), manager: HOST_MANAGER.into() };
            return match self.api.write(&resource, &self.name(), write).await {
                Err(error) if error.code == 409 => Ok(false),
                other => other.map(|_| true),
            };
        };
        let mine = holder(&lease) == self.identity;
        if !mine && !self.expired(&lease) {
            return Ok(false);
        }
        self.hasty = !mine && !holder(&lease).is_empty();
        let body = if mine { json!({ "spec": { "renewTime": now() } }) } else { json!({ "spec": spec }) };
        match self.patch(&resource, &lease, body).await {
            // Somebody else changed it between the read and the write.
            Err(error) if error.code == 409 => Ok(false),
            other => other.map(|_| true),
        }
    }

    /// Whether another's Lease has not changed for as long as it is good for.
    fn expired(&mut self, lease: &[u8]) -> bool {
        let value: Value = serde_json::from_slice(lease).unwrap_or_default();
        if holder(lease).is_empty() {
            return true;
        }
        let seconds = value.pointer("/spec/leaseDurationSeconds").and_then(Value::as_u64).unwrap_or(DURATION.as_secs());
        let version = Meta::scan(lease).map(|m| m.resource_version.to_string()).unwrap_or_default();
        match &self.seen {
            Some((known, since)) if *known == version => since.elapsed() >= Duration::from_secs(seconds),
            _ => {
                self.seen = Some((version, Instant::now()));
                false
            }
        }
    }

    async fn patch(&self, resource: &Resource, lease: &[u8], mut body: Value) -> Result<Bytes, ApiError> {
        let meta = Meta::scan(lease).map_err(|e| ApiError::new(0, "InvalidAnswer", e.to_string()))?;
        body["metadata"] = json!({ "resourceVersion": meta.resource_version });
        let write = Write::Patch {
            body: bytes(&body),
            kind: PatchKind::Merge,
            manager: HOST_MANAGER.into(),
            subresource: None,
        };
        self.api.write(resource, &self.name(), write).await
    }
}

/// How Leases are reached at a cluster.
pub(crate) async fn resource(api: &dyn MemberApi) -> Result<Resource, ApiError> {
    api.resource(&Gvk::new("coordination.k8s.io", "v1", "Lease")).await
}

/// Whose name a Lease bears.
pub(crate) fn holder(lease: &[u8]) -> String {
    let value: Value = serde_json::from_slice(lease).unwrap_or_default();
    value.pointer("/spec/holderIdentity").and_then(Value::as_str).unwrap_or_default().to_string()
}

pub(crate) fn bytes(value: &Value) -> Bytes {
    value.to_string().into_bytes().into()
}

fn now() -> String {
    format!("{:.6}", jiff::Timestamp::now())
}
