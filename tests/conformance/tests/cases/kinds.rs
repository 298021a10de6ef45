//! Every built-in kind: the least of it, all of it, what is wrong with it and what of it stays as it is.

mod batch;
mod cluster;
mod core;
mod network;
mod pods;
mod policy;
mod storage;
mod workloads;

use motet_conformance::Case;

/// The cases of all kinds.
pub(crate) fn cases() -> Vec<Case> {
    [
        batch::cases(),
        cluster::cases(),
        core::cases(),
        network::cases(),
        pods::cases(),
        policy::cases(),
        storage::cases(),
        workloads::cases(),
    ]
    .concat()
}
