//! A guest whose `describe` misbehaves: loop.

#![allow(missing_docs, clippy::panic, reason = "a guest that misbehaves on purpose")]

use motet_sdk::bindings::exports::motet::plugin::reconciler::{Failure, Guest, Outcome, Request};

#[allow(dead_code, reason = "exported only as a component")]
struct Plugin;

impl Guest for Plugin {
    fn describe() -> Vec<u8> {
        while std::hint::black_box(true) {}
        vec![]
    }

    fn reconcile(_: Request) -> Result<Outcome, Failure> {
        Err(Failure::Terminal(String::new()))
    }
}

#[cfg(target_family = "wasm")]
motet_sdk::bindings::export_plugin!(Plugin with_types_in motet_sdk::bindings);
