//! The host on real members, faults included.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

#[path = "faults/churn.rs"]
mod churn;
#[path = "faults/clock.rs"]
mod clock;
#[path = "faults/credentials.rs"]
mod credentials;
#[path = "faults/definitions.rs"]
mod definitions;
#[path = "faults/host.rs"]
mod host;
#[path = "faults/hub.rs"]
mod hub;
#[path = "faults/kit.rs"]
mod kit;
#[path = "faults/network.rs"]
mod network;
#[path = "faults/ownership.rs"]
mod ownership;
#[path = "faults/server.rs"]
mod server;
#[path = "faults/soak.rs"]
mod soak;
