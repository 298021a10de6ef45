//! Growing waits with jitter, reset after a spell without failures.

use std::time::Duration;

use tokio::time::Instant;

/// Waits that double from a first to a longest one; each is stretched at random by up to its own length.
#[derive(Debug)]
pub struct Backoff {
    first: Duration,
    longest: Duration,
    reset_after: Duration,
    next: Duration,
    last: Option<Instant>,
}

impl Backoff {
    /// Starts at `first`; a spell of `reset_after` without a call starts over.
    pub fn new(first: Duration, longest: Duration, reset_after: Duration) -> Self {
        Self { first, longest, reset_after, next: first, last: None }
    }

    /// The next wait.
    pub fn next_wait(&mut self) -> Duration {
        let now = Instant::now();
        if self.last.is_some_and(|last| now.duration_since(last) > self.reset_after) {
            self.next = self.first;
        }
        let wait = self.next.mul_f64(1.0 + rand::random::<f64>());
        self.next = (self.next * 2).min(self.longest);
        self.last = Some(now + wait);
        wait
    }

    /// Starts over.
    pub fn reset(&mut self) {
        self.next = self.first;
        self.last = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn waits_double_up_to_the_longest_and_start_over_after_a_quiet_spell() {
        let mut backoff = Backoff::new(Duration::from_secs(1), Duration::from_secs(4), Duration::from_secs(60));
        for expected in [1, 2, 4, 4] {
            let wait = backoff.next_wait();
            assert!(wait >= Duration::from_secs(expected) && wait <= Duration::from_secs(2 * expected), "{wait:?}");
            tokio::time::advance(wait).await;
        }
        tokio::time::advance(Duration::from_secs(61)).await;
        assert!(backoff.next_wait() <= Duration::from_secs(2));
    }
}
