//! A guest whose `describe` misbehaves: reads.

#![allow(missing_docs, clippy::panic, reason = "a guest that misbehaves on purpose")]

use motet_sdk::bindings::exports::motet::plugin::reconciler::{Failure, Guest, Outcome, Request};

#[allow(dead_code, reason = "exported only as a component")]
struct Plugin;

impl Guest for Plugin {
    fn describe() -> Vec<u8> {
        {
            let _ = motet_sdk::bindings::motet::plugin::reads::get_many(&[]);
            vec![]
        }
    }

    fn reconcile(_: Request) -> Result<Outcome, Failure> {
        Err(Failure::Terminal(String::new()))
    }
}

#[cfg(target_family = "wasm")]
motet_sdk::bindings::export_plugin!(Plugin with_types_in motet_sdk::bindings);
