//! Caches through their public face, fed by a scripted member, in paused time.

// Test code throughout; clippy only knows the functions marked as tests.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod it {
    mod barriers;
    mod connection;
    mod fixtures;
    mod indexes;
    mod mapping;
    mod model;
    mod projections;
    mod reads;
    mod relists;
    mod sharing;
    mod triggers;
}
