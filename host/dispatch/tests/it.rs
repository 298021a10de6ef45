//! Dispatch on a member in memory: what is written, in which order, how often, and what is not.

// Test code throughout; clippy only knows the functions marked as tests.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod it {
    mod conflicts;
    mod failures;
    mod fields;
    mod finalizers;
    mod grants;
    mod leaving;
    mod lifecycle;
    mod member;
    mod observe;
    mod ownership;
    mod quarantine;
    mod reads;
    mod refusals;
    mod store;
    mod suppression;
    mod world;
}
