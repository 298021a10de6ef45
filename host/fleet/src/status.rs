//! What is known about a member: for the API, for metrics and for the Member objects in the hub.

use std::{
    collections::BTreeMap,
    sync::{Arc, Weak},
    time::Duration,
};

use jiff::Timestamp;
use motet_core::{MemberName, stats::Histogram};
use motet_watch::{CacheStatus, MemberCaches};
use parking_lot::Mutex;
use serde::Serialize;

use crate::MemberSpec;

/// Where a member stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
pub enum MemberState {
    /// Announced, not yet tried.
    Pending,
    /// Being connected to for the first time, or anew as another cluster.
    Connecting,
    /// Authenticated, identified and discovered.
    Ready,
    /// Does not answer.
    Unreachable,
    /// Its kubeconfig or credentials are not acceptable, or the cluster is a member already.
    Refused,
    /// Withdrawn; being freed.
    Removed,
}

impl MemberState {
    /// All of them, for metrics.
    pub const ALL: [Self; 6] =
        [Self::Pending, Self::Connecting, Self::Ready, Self::Unreachable, Self::Refused, Self::Removed];

    /// The word as published.
    pub fn word(self) -> &'static str {
        match self {
            Self::Pending => "Pending",
            Self::Connecting => "Connecting",
            Self::Ready => "Ready",
            Self::Unreachable => "Unreachable",
            Self::Refused => "Refused",
            Self::Removed => "Removed",
        }
    }
}

/// One member at one moment.
#[derive(Debug, Clone)]
pub struct MemberStatus {
    /// Its name.
    pub name: MemberName,
    /// Its identity; empty until known.
    pub uid: String,
    /// Where it stands.
    pub state: MemberState,
    /// Since when.
    pub since: Timestamp,
    /// Why, as one word; empty where there is nothing to say.
    pub reason: String,
    /// Why, for people.
    pub message: String,
    /// What announced it.
    pub provider: String,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
    /// The URL of its API server; empty until the kubeconfig was read.
    pub server: String,
    /// Its version; empty until known.
    pub version: String,
    /// How long the last probe took.
    pub latency: Option<Duration>,
    /// How long its probes took.
    pub probes: Arc<Histogram>,
    /// How often it was connected to again, by reason.
    pub reconnects: BTreeMap<String, u64>,
    /// Its caches.
    pub caches: Vec<CacheStatus>,
}

/// The status that one manager writes and everybody reads.
pub(crate) struct StatusCell(Mutex<Inner>);

struct Inner {
    status: MemberStatus,
    caches: Weak<MemberCaches>,
}

impl StatusCell {
    pub(crate) fn new(spec: &MemberSpec) -> Arc<Self> {
        let status = MemberStatus {
            name: spec.name.clone(),
            uid: String::new(),
            state: MemberState::Pending,
            since: Timestamp::now(),
            reason: String::new(),
            message: String::new(),
            provider: spec.provider.clone(),
            labels: spec.labels.clone(),
            server: String::new(),
            version: String::new(),
            latency: None,
            probes: Arc::default(),
            reconnects: BTreeMap::new(),
            caches: Vec::new(),
        };
        Arc::new(Self(Mutex::new(Inner { status, caches: Weak::new() })))
    }

    /// Moves to a state; `since` moves only if the state does.
    pub(crate) fn set(&self, state: MemberState, reason: &str, message: &str) {
        let mut inner = self.0.lock();
        let status = &mut inner.status;
        if (status.state, status.reason.as_str()) != (state, reason) {
            tracing::info!(member = %status.name, from = status.state.word(), to = state.word(), reason, message, "member state");
        }
        if status.state != state {
            status.since = Timestamp::now();
        }
        status.state = state;
        status.reason = reason.into();
        status.message = message.into();
    }

    pub(crate) fn update(&self, change: impl FnOnce(&mut MemberStatus)) {
        change(&mut self.0.lock().status);
    }

    pub(crate) fn set_caches(&self, caches: &Arc<MemberCaches>) {
        self.0.lock().caches = Arc::downgrade(caches);
    }

    pub(crate) fn snapshot(&self) -> MemberStatus {
        let (mut status, caches) = {
            let inner = self.0.lock();
            (inner.status.clone(), inner.caches.upgrade())
        };
        status.caches = caches.map(|c| c.snapshot()).unwrap_or_default();
        status
    }
}
