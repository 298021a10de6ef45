//! All cases, by area.

mod access;
mod kube_client;
mod kubectl;
mod kubectl_kit;
mod kubectl_write;
mod lists;
mod reviews;

use motet_conformance::Case;

/// Every case of the suite.
pub(crate) fn all() -> Vec<Case> {
    [access::cases(), kube_client::cases(), kubectl::cases(), kubectl_write::cases(), lists::cases(), reviews::cases()]
        .concat()
}
