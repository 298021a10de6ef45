//! The parts of a running host, as its HTTP side and its publisher see them.

use std::sync::{Arc, OnceLock};

use motet_catalog::{Catalog, PluginStatus};
use motet_dispatch::{BindingSnapshot, BindingState, Dispatcher};
use motet_fleet::{FleetHandle, MemberStatus};

use crate::hub_writes::Counted;

/// Everything that can be asked.
#[derive(Clone)]
pub(crate) struct Host {
    pub(crate) dispatcher: Dispatcher,
    pub(crate) catalog: Catalog,
    /// Set once this host is active: it holds the Lease, or needs none.
    pub(crate) fleet: Arc<OnceLock<FleetHandle>>,
    /// The hub, where there is one.
    pub(crate) hub: Option<Arc<Counted>>,
    pub(crate) metrics_per_member: bool,
}

/// How many members a plugin is where.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize)]
pub(crate) struct MemberCounts {
    pub(crate) selected: u32,
    pub(crate) active: u32,
    pub(crate) parked: u32,
    pub(crate) failing: u32,
    pub(crate) quarantined: u32,
}

impl Host {
    pub(crate) fn members(&self) -> Vec<MemberStatus> {
        self.fleet.get().map(FleetHandle::snapshot).unwrap_or_default()
    }

    /// What is not ready yet; empty means ready. Never waits for a slow member.
    pub(crate) fn not_ready(&self) -> Vec<String> {
        let mut missing = Vec::new();
        match self.fleet.get() {
            None => missing.push("another host is active: this one stands by".into()),
            Some(fleet) => missing.extend(
                fleet
                    .not_ready()
                    .into_iter()
                    .map(|p| format!("the first list of members from {p} has not been taken in")),
            ),
        }
        if !self.catalog.is_listed() {
            missing.push("the first list of plugins has not been taken in".into());
        }
        missing
    }

    /// Whether every provider of members has been heard.
    pub(crate) fn members_listed(&self) -> bool {
        self.fleet.get().is_some_and(|fleet| fleet.not_ready().is_empty())
    }

    /// Members by what `plugin` is on them.
    pub(crate) fn counts(plugin: &PluginStatus, bindings: &[BindingSnapshot]) -> MemberCounts {
        let mut counts = MemberCounts::default();
        for binding in bindings.iter().filter(|b| b.plugin == plugin.name) {
            counts.selected += 1;
            match binding.status.state {
                BindingState::Active | BindingState::Observing => counts.active += 1,
                BindingState::Parked => counts.parked += 1,
                BindingState::Quarantined => counts.quarantined += 1,
                BindingState::Syncing | BindingState::Draining => {}
            }
            if binding.last.failing {
                counts.failing += 1;
            }
        }
        counts
    }
}
