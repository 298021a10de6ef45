//! All cases, by area.

mod access;
mod discovery;
mod forms;
mod kube_client;
mod kubectl;
mod kubectl_kit;
mod kubectl_write;
mod lists;
mod reviews;
mod tables;
mod validation;

use motet_conformance::Case;

/// Every case of the suite.
pub(crate) fn all() -> Vec<Case> {
    [
        access::cases(),
        discovery::cases(),
        forms::cases(),
        kube_client::cases(),
        kubectl::cases(),
        kubectl_write::cases(),
        lists::cases(),
        reviews::cases(),
        tables::cases(),
        validation::cases(),
    ]
    .concat()
}
