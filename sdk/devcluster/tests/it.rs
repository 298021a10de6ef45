//! Embedded clusters as their clients see them: over plain HTTP, over HTTPS with both HTTP versions, and through kube's client.
// Helpers of tests fail as tests do.
#![allow(clippy::unwrap_used, clippy::expect_used)]

#[path = "it/api.rs"]
mod api;
#[path = "it/apply.rs"]
mod apply;
#[path = "it/client.rs"]
mod client;
#[path = "it/custom.rs"]
mod custom;
#[path = "it/faults.rs"]
mod faults;
#[path = "it/kube_client.rs"]
mod kube_client;
#[path = "it/lifecycle.rs"]
mod lifecycle;
#[path = "it/tls.rs"]
mod tls;
#[path = "it/watch.rs"]
mod watch;
