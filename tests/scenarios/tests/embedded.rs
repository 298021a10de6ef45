//! End to end on embedded clusters: the host as its own process, the members judged by a client.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

#[path = "embedded/access.rs"]
mod access;
#[path = "embedded/bad_input.rs"]
mod bad_input;
#[path = "embedded/edge_service.rs"]
mod edge_service;
#[path = "embedded/exposed.rs"]
mod exposed;
#[path = "embedded/kit.rs"]
mod kit;
#[path = "embedded/members.rs"]
mod members;
#[path = "embedded/odd_plugins.rs"]
mod odd_plugins;
#[path = "embedded/platform_budget.rs"]
mod platform_budget;
#[path = "embedded/plugins.rs"]
mod plugins;
#[path = "embedded/reloads.rs"]
mod reloads;
#[path = "embedded/restart.rs"]
mod restart;
#[path = "embedded/shipping.rs"]
mod shipping;
#[path = "embedded/tls.rs"]
mod tls;
