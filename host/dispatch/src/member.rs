//! What dispatch holds of one engaged member.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use motet_core::{ApiError, MemberName, ports::MemberApi, request::MemberInfo};
use motet_watch::MemberCaches;
use parking_lot::Mutex;
use tokio::time::Instant;

/// An engaged member, as fleet hands it over.
#[derive(Clone)]
pub struct EngagedMember {
    /// Name, identity, labels.
    pub info: Arc<MemberInfo>,
    /// Its API, whatever connection is behind it at the time.
    pub api: Arc<dyn MemberApi>,
    /// Its shared caches.
    pub caches: Arc<MemberCaches>,
    /// Connected, but nothing runs on it.
    pub paused: bool,
}

/// A member with what its bindings share.
pub(crate) struct Member {
    pub(crate) info: Arc<MemberInfo>,
    pub(crate) api: Arc<dyn MemberApi>,
    pub(crate) caches: Arc<MemberCaches>,
    pub(crate) paused: bool,
    /// Shared with the member's later incarnations (changed labels): a lost member stays lost.
    pub(crate) reachable: Arc<AtomicBool>,
    /// The server asked for patience until then: no write goes out before.
    patience: Arc<Mutex<Option<Instant>>>,
}

impl Member {
    pub(crate) fn new(engaged: EngagedMember) -> Self {
        let EngagedMember { info, api, caches, paused } = engaged;
        Self { info, api, caches, paused, reachable: Arc::new(AtomicBool::new(true)), patience: Arc::default() }
    }

    /// The same member with other labels or pause.
    pub(crate) fn changed(&self, info: Arc<MemberInfo>, paused: bool) -> Self {
        Self {
            info,
            api: self.api.clone(),
            caches: self.caches.clone(),
            paused,
            reachable: self.reachable.clone(),
            patience: self.patience.clone(),
        }
    }

    pub(crate) fn name(&self) -> &MemberName {
        &self.info.name
    }

    pub(crate) fn is_reachable(&self) -> bool {
        self.reachable.load(Ordering::Acquire)
    }

    /// How long the server still asks to be left alone.
    fn patience(&self) -> Option<Duration> {
        let until = (*self.patience.lock())?;
        until.checked_duration_since(Instant::now()).filter(|d| !d.is_zero())
    }

    /// Whether a write may go out now; else why it is not sent.
    pub(crate) fn permits_writes(&self) -> Result<(), ApiError> {
        if !self.is_reachable() {
            return Err(ApiError::connection("the member is lost or withdrawn; not sent"));
        }
        let Some(left) = self.patience() else { return Ok(()) };
        let mut error = ApiError::new(429, "TooManyRequests", "the member asked for patience a moment ago; not sent");
        error.retry_after = Some(left);
        Err(error)
    }

    /// Notes a 429 or a Retry-After: it holds for the whole member.
    pub(crate) fn note(&self, error: &ApiError) {
        if error.is_throttled() {
            let until = Instant::now() + error.retry_after.unwrap_or(Duration::from_secs(1));
            let mut patience = self.patience.lock();
            *patience = Some(patience.map_or(until, |p| p.max(until)));
        }
    }
}
