//! End to end on real kube-apiservers.
#![allow(missing_docs, reason = "tests")]

#[path = "real/walk.rs"]
mod walk;
