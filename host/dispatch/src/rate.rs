//! Token buckets for live reads and writes: one each per binding, so that a plugin cannot flood a member.

use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::{Instant, sleep_until};

/// A bucket that holds one second's worth and refills evenly. Waiters are served in the order of their turn.
#[derive(Debug)]
pub(crate) struct Rate {
    /// When the bucket would be full again if nobody took anything.
    full_at: Mutex<Instant>,
    interval: Mutex<Duration>,
    burst: Duration,
}

impl Rate {
    /// `per_second` tokens; at least one.
    pub(crate) fn new(per_second: u32) -> Self {
        let rate =
            Self { full_at: Mutex::new(Instant::now()), interval: Mutex::default(), burst: Duration::from_secs(1) };
        rate.set(per_second);
        rate
    }

    /// Follows a changed limit.
    pub(crate) fn set(&self, per_second: u32) {
        *self.interval.lock() = Duration::from_secs(1) / per_second.max(1);
    }

    /// Waits for one token.
    pub(crate) async fn take(&self) {
        let interval = *self.interval.lock();
        let ready = {
            let mut full_at = self.full_at.lock();
            let now = Instant::now();
            let full = (*full_at).max(now) + interval;
            *full_at = full;
            full.checked_sub(self.burst).unwrap_or(now)
        };
        sleep_until(ready).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_burst_passes_and_the_rest_is_spread() {
        let rate = Rate::new(10);
        let start = Instant::now();
        for _ in 0..10 {
            rate.take().await;
        }
        assert_eq!(start.elapsed(), Duration::ZERO);
        for _ in 0..10 {
            rate.take().await;
        }
        assert!(start.elapsed() >= Duration::from_millis(999), "{:?}", start.elapsed());
    }
}
