//! Every time and limit of the fleet as one value, so that tests scale them.

use std::{collections::BTreeSet, time::Duration};

use motet_cluster::{Allow, Settings};
use motet_watch::CacheSettings;

/// How managers behave. The defaults are those of INTERFACE.
#[derive(Debug, Clone)]
pub struct FleetSettings {
    /// Between two probes of a member.
    pub probe_interval: Duration,
    /// Failed probes in a row that make a member unreachable.
    pub unhealthy_after: u32,
    /// Successful probes in a row that make it ready again.
    pub healthy_after: u32,
    /// First wait before reconnecting; it doubles, with jitter.
    pub reconnect_min: Duration,
    /// Longest wait before reconnecting.
    pub reconnect_max: Duration,
    /// How long a new connection may take to bring every cache in step before it takes over anyway.
    pub cache_sync_timeout: Duration,
    /// What kubeconfigs may ask for.
    pub allow: BTreeSet<Allow>,
    /// How each member's API server is talked to; its permits for lists are shared by all.
    pub client: Settings,
    /// How each member's caches behave.
    pub caches: CacheSettings,
    /// How often folders and files are looked at, whether or not the system says that they changed.
    pub poll_interval: Duration,
    /// How long a folder must be quiet before it is read: a mounted Secret changes in several steps.
    pub settle: Duration,
    /// Events that may wait for the host before managers wait for it.
    pub events: usize,
}

impl Default for FleetSettings {
    fn default() -> Self {
        Self {
            probe_interval: Duration::from_secs(10),
            unhealthy_after: 3,
            healthy_after: 2,
            reconnect_min: Duration::from_secs(1),
            reconnect_max: Duration::from_secs(300),
            cache_sync_timeout: Duration::from_secs(60),
            allow: BTreeSet::new(),
            client: Settings::default(),
            caches: CacheSettings::default(),
            poll_interval: Duration::from_secs(5),
            settle: Duration::from_millis(100),
            events: 1024,
        }
    }
}
