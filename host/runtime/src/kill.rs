//! Why the host ended a guest, as an error that travels through wasmtime and comes out as a class.

use motet_core::outcome::{KillClass, ReconcileError};
use wasmtime::{Trap, WasmBacktrace};

use crate::state::HostState;

/// The host's own reason to end a call.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub(crate) struct Killed {
    class: KillClass,
    message: String,
}

impl Killed {
    /// A wall or CPU deadline.
    pub(crate) fn deadline(message: &str) -> Self {
        Self { class: KillClass::Deadline, message: message.into() }
    }

    /// Another limit of the plugin.
    pub(crate) fn limit(message: impl Into<String>) -> Self {
        Self { class: KillClass::Limit, message: message.into() }
    }

    /// The guest did what the contract forbids.
    pub(crate) fn contract(message: &str) -> Self {
        Self { class: KillClass::Limit, message: message.into() }
    }
}

/// Frames of a guest's stack that a message carries: enough to find the place, little enough for one log line.
const FRAMES: usize = 6;

/// Turns what wasmtime says about a call that did not return into the host's classes.
pub(crate) fn classify(error: &wasmtime::Error, state: &HostState) -> ReconcileError {
    if let Some(killed) = error.downcast_ref::<Killed>() {
        return ReconcileError::Killed { class: killed.class, message: killed.message.clone() };
    }
    if error.is::<wasmtime::PoolConcurrencyLimitError>() {
        return ReconcileError::Host(format!("no sandbox is free: {error}"));
    }
    let what = match error.downcast_ref::<Trap>() {
        Some(Trap::StackOverflow) => "needed more stack than limits.stack allows".into(),
        Some(trap) => trap.to_string(),
        None => error.root_cause().to_string(),
    };
    let (class, what) = if state.memory_refused {
        (KillClass::Memory, format!("needed more memory than limits.memory allows ({what})"))
    } else {
        (KillClass::Trap, what)
    };
    ReconcileError::Killed { class, message: format!("{what}{}", stack(error)) }
}

/// Frames between a panic and the function that panicked: they say nothing about the guest.
const LIBRARY: [&str; 5] = ["std::", "core::", "alloc::", "__rust", "abort"];

/// The guest's functions, innermost first, where the component kept its names.
fn stack(error: &wasmtime::Error) -> String {
    let Some(backtrace) = error.downcast_ref::<WasmBacktrace>() else { return String::new() };
    let names: Vec<String> = backtrace
        .frames()
        .iter()
        .filter_map(|frame| frame.func_name().map(demangle))
        .filter(|name| !LIBRARY.iter().any(|prefix| name.starts_with(prefix)))
        .take(FRAMES)
        .collect();
    if names.is_empty() { String::new() } else { format!("; in {}", names.join(" <- ")) }
}

fn demangle(name: &str) -> String {
    format!("{:#}", rustc_demangle::demangle(name))
}
