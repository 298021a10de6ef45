//! Runs plugins: compiles components, keeps the results, and gives every reconcile a fresh sandbox under limits.
//!
//! This is the only crate that names wasmtime. What crosses its edge is values: a request goes in, an outcome or a class of
//! failure comes out, a guest's reads go through one function.

mod artifact;
mod bindings;
mod compile;
mod contract;
mod convert;
mod describe;
mod engine;
mod kill;
mod log_budget;
mod sandbox;
mod state;
mod stdio;
mod wit;

pub use artifact::ArtifactDir;
pub use compile::{CompileError, Compiled};
pub use contract::{CONTRACT, ContractError};
pub use describe::DescribeError;
pub use engine::{Runtime, Settings};
