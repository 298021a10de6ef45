//! All cases, by area.

mod kube_client;
mod kubectl;
mod kubectl_kit;
mod kubectl_write;
mod lists;

use motet_conformance::Case;

/// Every case of the suite.
pub(crate) fn all() -> Vec<Case> {
    [kube_client::cases(), kubectl::cases(), kubectl_write::cases(), lists::cases()].concat()
}
