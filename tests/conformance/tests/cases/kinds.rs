//! Every built-in kind: the least of it, all of it, what is wrong with it and what of it stays as it is.

mod admission;
mod autoscaling;
mod batch;
mod cluster;
mod core;
mod events;
mod expressions;
mod metadata;
mod network;
mod pods;
mod policy;
mod storage;
mod workloads;

use motet_conformance::Case;

/// The cases of all kinds.
pub(crate) fn cases() -> Vec<Case> {
    [
        admission::cases(),
        autoscaling::cases(),
        batch::cases(),
        cluster::cases(),
        core::cases(),
        events::cases(),
        expressions::cases(),
        metadata::cases(),
        network::cases(),
        pods::cases(),
        policy::cases(),
        storage::cases(),
        workloads::cases(),
    ]
    .concat()
}
