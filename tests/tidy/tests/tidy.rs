//! Holds the house in order: crate edges, licences, duplicate versions, sizes, first lines, one contract.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

#[path = "tidy/graph.rs"]
mod graph;
#[path = "tidy/promql.rs"]
mod promql;
#[path = "tidy/queries.rs"]
mod queries;
#[path = "tidy/sources.rs"]
mod sources;

/// The repository's root.
fn root() -> std::path::PathBuf {
    std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap()
}
