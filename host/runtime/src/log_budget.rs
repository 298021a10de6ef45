//! How much one plugin may log per member: a token bucket each, so that a flood on one member silences nothing else.

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use parking_lot::Mutex;
use tokio::time::Instant;

/// Buckets kept at most; full ones are dropped first, since a new bucket starts full.
const MAX_BUCKETS: usize = 4096;

/// The log budget of one plugin.
pub(crate) struct LogBudget {
    bytes_per_second: AtomicU64,
    buckets: Mutex<HashMap<Arc<str>, Bucket>>,
}

struct Bucket {
    tokens: f64,
    filled: Instant,
    /// Lines dropped since the last one that passed.
    dropped: u64,
}

impl LogBudget {
    pub(crate) fn new(bytes_per_second: u64) -> Self {
        Self { bytes_per_second: AtomicU64::new(bytes_per_second), buckets: Mutex::default() }
    }

    /// Follows a changed limit.
    pub(crate) fn set_rate(&self, bytes_per_second: u64) {
        self.bytes_per_second.store(bytes_per_second, Ordering::Relaxed);
    }

    /// Whether a line of `bytes` may be logged now. The first line after a flood says how many were dropped.
    pub(crate) fn take(&self, member: &Arc<str>, bytes: usize) -> bool {
        let rate = self.bytes_per_second.load(Ordering::Relaxed) as f64;
        let now = Instant::now();
        let mut buckets = self.buckets.lock();
        if buckets.len() >= MAX_BUCKETS && !buckets.contains_key(member) {
            buckets.retain(|_, b| b.tokens + now.duration_since(b.filled).as_secs_f64() * rate < rate);
        }
        let bucket = buckets.entry(member.clone()).or_insert_with(|| Bucket { tokens: rate, filled: now, dropped: 0 });
        bucket.tokens = (bucket.tokens + now.duration_since(bucket.filled).as_secs_f64() * rate).min(rate);
        bucket.filled = now;
        if bucket.tokens < bytes as f64 {
            bucket.dropped += 1;
            return false;
        }
        bucket.tokens -= bytes as f64;
        let dropped = std::mem::take(&mut bucket.dropped);
        drop(buckets);
        if dropped > 0 {
            tracing::warn!(target: "plugin", %member, dropped, "log lines were dropped: limits.logBytesPerSecond was exceeded");
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[tokio::test(start_paused = true)]
    async fn a_flood_on_one_member_is_cut_and_others_go_on() {
        let budget = LogBudget::new(100);
        let (a, b): (Arc<str>, Arc<str>) = ("a".into(), "b".into());
        assert!(budget.take(&a, 80));
        assert!(!budget.take(&a, 80));
        assert!(budget.take(&b, 80));
        tokio::time::advance(Duration::from_secs(1)).await;
        assert!(budget.take(&a, 80));
    }
}
