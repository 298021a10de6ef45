//! End to end on real kube-apiservers.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

#[path = "real/walk.rs"]
mod walk;

#[path = "real/chart.rs"]
mod chart;
#[path = "real/fleet.rs"]
mod fleet;
#[path = "real/kit.rs"]
mod kit;
#[path = "real/lease.rs"]
mod lease;
#[path = "real/least.rs"]
mod least;
#[path = "real/orphans.rs"]
mod orphans;
#[path = "real/readme.rs"]
mod readme;
#[path = "real/scaffold.rs"]
mod scaffold;
#[path = "real/shipping.rs"]
mod shipping;
