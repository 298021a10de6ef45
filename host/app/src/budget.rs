//! How often the hub is told: what changed waits for its turn, so that a fleet that flaps costs the hub no more than one that
//! does not.

use std::time::Duration;

use tokio::time::Instant;

/// Status writes per second, for all Plugins and Members together.
const PER_SECOND: f64 = 2.0;
/// Writes that may follow each other at once after a quiet time.
const BURST: f64 = 10.0;

/// A bucket of writes.
#[derive(Debug)]
pub(crate) struct Budget {
    left: f64,
    filled: Instant,
}

impl Budget {
    pub(crate) fn new() -> Self {
        Self { left: BURST, filled: Instant::now() }
    }

    /// Takes one write, if there is one.
    pub(crate) fn take(&mut self) -> bool {
        self.fill();
        if self.left < 1.0 {
            return false;
        }
        self.left -= 1.0;
        true
    }

    /// Takes a write that is not for a change of status: it is made, and what follows waits the longer.
    pub(crate) fn owe(&mut self) {
        self.fill();
        self.left = (self.left - 1.0).max(-BURST);
    }

    fn fill(&mut self) {
        let now = Instant::now();
        let passed: Duration = now - self.filled;
        self.left = (self.left + passed.as_secs_f64() * PER_SECOND).min(BURST);
        self.filled = now;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn two_a_second_in_the_long_run_however_much_changes() {
        let mut budget = Budget::new();
        let mut written = 0;
        for _ in 0..600 {
            written += (0..250).filter(|_| budget.take()).count();
            tokio::time::advance(Duration::from_millis(100)).await;
        }
        assert!((120..=130).contains(&written), "{written} in a minute");
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_owed_is_paid_back() {
        let mut budget = Budget::new();
        (0..30).for_each(|_| budget.owe());
        assert!(!budget.take());
        tokio::time::advance(Duration::from_secs(6)).await;
        assert!(budget.take(), "a debt is bounded");
    }
}
