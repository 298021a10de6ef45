//! The caches' constants, as one value that tests scale.

use std::{sync::Arc, time::Duration};

use crate::Plans;

/// How caches behave.
#[derive(Debug, Clone)]
pub struct CacheSettings {
    /// Objects larger than this many bytes are compressed if that saves at least a quarter.
    pub compress_over: usize,
    /// How long a stream waits before it starts, so that subscribers which come together share one list.
    pub gather: Duration,
    /// How long a store is kept while its member is out of reach.
    pub keep_paused: Duration,
    /// Wait before a stream that ended by itself (which streams do not do) is started again.
    pub restart: Duration,
    /// Caches of no more objects than this are scanned: an index would not pay.
    pub index_over: usize,
    /// What subscribers ask for, shared by the whole host.
    pub plans: Arc<Plans>,
}

impl Default for CacheSettings {
    fn default() -> Self {
        Self {
            compress_over: 128,
            gather: Duration::from_millis(20),
            keep_paused: Duration::from_secs(15 * 60),
            restart: Duration::from_secs(1),
            index_over: 64,
            plans: Arc::default(),
        }
    }
}
