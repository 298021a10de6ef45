//! One key's failures: how often, how long to wait, and which failures do not count twice.

use std::time::Duration;

use tokio::time::Instant;

use crate::Settings;

/// The failure memory of one key. Only runs that were due raise the exponent: a run that an event brought forward and that
/// fails again keeps the exponent and the retry time, so that a busy object does not inflate its own backoff.
#[derive(Debug, Default)]
pub(crate) struct Backoff {
    failures: u32,
    exponent: u32,
    retry_at: Option<Instant>,
    last_start: Option<Instant>,
}

impl Backoff {
    /// Failures in a row.
    pub(crate) fn failures(&self) -> u32 {
        self.failures
    }

    /// Whether there is nothing to remember.
    pub(crate) fn is_clear(&self) -> bool {
        self.failures == 0 && self.exponent == 0
    }

    /// A run begins.
    pub(crate) fn started(&mut self, now: Instant) {
        self.last_start = Some(now);
    }

    /// Success: everything is forgotten.
    pub(crate) fn clear(&mut self) {
        *self = Self { last_start: self.last_start, ..Self::default() };
    }

    /// Counts a failure (or, with `counted` false, a rate-limited requeue) and says when to run again, not before `floor`.
    pub(crate) fn failed(
        &mut self,
        now: Instant,
        settings: &Settings,
        floor: Option<Duration>,
        counted: bool,
    ) -> Instant {
        if counted {
            self.failures = self.failures.saturating_add(1);
        } else {
            self.failures = 0;
        }
        let early = self.retry_at.filter(|retry| self.last_start.is_some_and(|start| start < *retry));
        let at = match early {
            Some(retry) if retry > now => retry,
            Some(_) => now + delay(settings, self.exponent.saturating_sub(1)),
            None => {
                let delay = delay(settings, self.exponent);
                self.exponent = self.exponent.saturating_add(1);
                now + delay
            }
        };
        let at = floor.map_or(at, |floor| at.max(now + floor));
        self.retry_at = Some(at);
        at
    }
}

fn delay(settings: &Settings, exponent: u32) -> Duration {
    2u32.checked_pow(exponent)
        .and_then(|factor| settings.base.checked_mul(factor))
        .map_or(settings.cap, |d| d.min(settings.cap))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delays_double_up_to_the_cap() {
        let settings = Settings::default();
        assert_eq!(delay(&settings, 0), Duration::from_millis(5));
        assert_eq!(delay(&settings, 10), Duration::from_millis(5120));
        for exponent in [18, 31, 32, u32::MAX] {
            assert_eq!(delay(&settings, exponent), settings.cap, "{exponent}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_run_brought_forward_keeps_exponent_and_retry_time() {
        let settings = Settings { base: Duration::from_secs(8), ..Settings::default() };
        let mut backoff = Backoff::default();
        let start = Instant::now();
        backoff.started(start);
        let retry = backoff.failed(start, &settings, None, true);
        let early = start + Duration::from_secs(3);
        backoff.started(early);
        assert_eq!(backoff.failed(early, &settings, None, true), retry);
        assert_eq!(backoff.failures(), 2);
        backoff.started(retry);
        assert_eq!(backoff.failed(retry, &settings, None, true), retry + Duration::from_secs(16));
    }
}
