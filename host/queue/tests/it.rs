//! The queue through its public face: key semantics, turns, limits, gates, removal, shutdown.

// Test code throughout; clippy only knows the functions marked as tests.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod it {
    mod fixtures;
    mod gates;
    mod keys;
    mod model;
    mod removal;
    mod turns;
}
