//! All cases, by area.

mod access;
mod apply;
mod definitions;
mod deletes;
mod discovery;
mod forms;
mod kinds;
mod kube_client;
mod kubectl;
mod kubectl_kit;
mod kubectl_write;
mod life;
mod lists;
mod objects;
mod outside;
mod patches;
mod refused;
mod refused_versions;
mod reviews;
mod rules;
mod rules_checked;
mod rules_library;
mod schemas;
mod strategic;
mod subresources;
mod tables;
mod tools;
mod validation;
mod watches;

use motet_conformance::Case;

/// Every case of the suite.
pub(crate) fn all() -> Vec<Case> {
    [
        access::cases(),
        deletes::cases(),
        discovery::cases(),
        forms::cases(),
        kinds::cases(),
        kube_client::cases(),
        kubectl::cases(),
        kubectl_write::cases(),
        life::cases(),
        lists::cases(),
        objects::cases(),
        outside::cases(),
        reviews::cases(),
        subresources::cases(),
        tables::cases(),
        validation::cases(),
        watches::cases(),
        patches::cases(),
        strategic::cases(),
        apply::cases(),
        schemas::cases(),
        rules::cases(),
        rules_checked::cases(),
        rules_library::cases(),
        refused::cases(),
        refused_versions::cases(),
        definitions::cases(),
    ]
    .concat()
}
