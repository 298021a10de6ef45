//! Fields that change hands over and over: neither side will stop by itself, so the key is slowed down and people are told.

use std::time::Duration;

use tokio::time::Instant;

/// Takings that raise no suspicion: somebody edited an object by hand, a controller was replaced.
const TOLERATED: u32 = 3;
/// The first wait; each further taking doubles it.
const FIRST: Duration = Duration::from_secs(1);
/// The longest wait.
const LAST: Duration = Duration::from_secs(60);
/// Without a taking for so long, the fight is over.
const OVER: Duration = Duration::from_secs(300);

/// How often one key took fields from another manager lately.
#[derive(Debug, Default, Clone)]
pub(crate) struct Fight {
    takings: u32,
    last: Option<Instant>,
}

impl Fight {
    /// Counts a taking. Says how long the key is to wait before it may take again, where this has become a fight.
    pub(crate) fn taken(&mut self, now: Instant) -> Option<Duration> {
        if self.is_over(now) {
            self.takings = 0;
        }
        self.takings = self.takings.saturating_add(1);
        self.last = Some(now);
        let beyond = self.takings.checked_sub(TOLERATED + 1)?;
        Some(FIRST.saturating_mul(1 << beyond.min(16)).min(LAST))
    }

    /// Whether there is nothing to remember.
    pub(crate) fn is_over(&self, now: Instant) -> bool {
        self.last.is_none_or(|last| now.duration_since(last) >= OVER)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn some_takings_are_tolerated_then_the_wait_doubles_until_it_is_over() {
        let (mut fight, mut now) = (Fight::default(), Instant::now());
        let mut waits = Vec::new();
        for _ in 0..12 {
            now += Duration::from_secs(1);
            waits.push(fight.taken(now).map(|wait| wait.as_secs()));
        }
        let expected =
            [None, None, None, Some(1), Some(2), Some(4), Some(8), Some(16), Some(32), Some(60), Some(60), Some(60)];
        assert_eq!(waits, expected);
        assert!(!fight.is_over(now + Duration::from_secs(299)) && fight.is_over(now + OVER));
        assert_eq!(fight.taken(now + OVER), None);
    }
}
