//! The host functions, one file per WIT interface.

mod log;
mod reads;

use crate::{bindings::motet::plugin::types, state::HostState};

impl types::Host for HostState {}
