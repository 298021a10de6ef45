//! All cases, by area.

mod kubectl;
mod lists;

use motet_conformance::Case;

/// Every case of the suite.
pub(crate) fn all() -> Vec<Case> {
    [kubectl::cases(), lists::cases()].concat()
}
