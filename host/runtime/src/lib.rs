//! Runs plugins: compiles components, keeps the results, and gives every reconcile a fresh sandbox under limits.
//!
//! This is the only crate that names wasmtime. What crosses its edge is values: a request goes in, an outcome or a class of
//! failure comes out, a guest's reads go through one function.

mod artifact;
mod bindings;
mod cache_key;
mod compile;
mod compiler;
mod confine;
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
mod worker;

pub use artifact::ArtifactDir;
pub use cache_key::CacheKey;
pub use compile::{CompileError, Compiled};
pub use compiler::Compiler;
pub use confine::CompileLimits;
pub use contract::{CONTRACT, ContractError};
pub use describe::DescribeError;
pub use engine::{Runtime, Settings};
pub use worker::{WORKER, compile_worker};
