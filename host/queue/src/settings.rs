//! The queue's constants, as one value that tests scale.

use std::time::Duration;

/// How long keys back off and how much runs at once where nothing else was set.
#[derive(Debug, Clone, PartialEq)]
pub struct Settings {
    /// Delay after a key's first failure; doubles with each further one.
    pub base: Duration,
    /// Longest delay after failures.
    pub cap: Duration,
    /// How many turns a priority that has work is passed over before it gets one.
    pub patience: u32,
    /// Reconciles at once per (plugin, member) where [`set_limits`](crate::Queue::set_limits) said nothing.
    pub concurrency: u32,
    /// Reconciles at once per member where [`set_member_limit`](crate::Queue::set_member_limit) said nothing.
    pub member_concurrency: u32,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            base: Duration::from_millis(5),
            cap: Duration::from_secs(1000),
            patience: 8,
            concurrency: 8,
            member_concurrency: 32,
        }
    }
}
