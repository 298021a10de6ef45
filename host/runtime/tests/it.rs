//! The runtime on real guests (tests/guests, built by `make guests`).
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

#[path = "it/kit.rs"]
mod kit;

#[path = "it/compiling.rs"]
mod compiling;
#[path = "it/contract.rs"]
mod contract;
#[path = "it/describe.rs"]
mod describe;
#[path = "it/limits.rs"]
mod limits;
#[path = "it/minor.rs"]
mod minor;
#[path = "it/sandbox.rs"]
mod sandbox;
