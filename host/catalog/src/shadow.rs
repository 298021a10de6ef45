//! Plugins whose name another source has already: they do not run, people can see why, and they take over when the name is free.

use std::{collections::BTreeMap, sync::Arc};

use motet_core::PluginName;
use parking_lot::Mutex;

use crate::{
    Component, PluginObject, Refusal,
    status::{Condition, PluginState, PluginStatus},
};

/// What a source says of a plugin that may not run.
pub(crate) struct Shadow {
    pub(crate) source: &'static str,
    pub(crate) object: Result<Box<PluginObject>, Refusal>,
    pub(crate) component: Component,
}

/// At most one per name, since there are two sources.
#[derive(Default)]
pub(crate) struct Shadows {
    waiting: BTreeMap<PluginName, Shadow>,
    statuses: ShadowStatuses,
}

/// Their statuses, shared with whoever asks.
pub(crate) type ShadowStatuses = Arc<Mutex<BTreeMap<PluginName, PluginStatus>>>;

impl Shadows {
    pub(crate) fn statuses(&self) -> ShadowStatuses {
        self.statuses.clone()
    }

    /// Keeps what `shadow.source` says, as long as the plugin of `first` has the name.
    pub(crate) fn put(&mut self, name: &PluginName, first: &'static str, shadow: Shadow) {
        let message = format!(
            "the {first} has a plugin of this name already, and that one runs: give this one another name, or remove the other, and \
             this one takes over"
        );
        tracing::warn!(plugin = %name, first, second = shadow.source, "two sources have a plugin of this name; the first one goes on");
        self.statuses.lock().insert(name.clone(), status(name, &shadow, message));
        self.waiting.insert(name.clone(), shadow);
    }

    /// Forgets it, where it is one of `source` or of any for none; it is given back.
    pub(crate) fn take(&mut self, name: &PluginName, source: Option<&'static str>) -> Option<Shadow> {
        self.waiting.get(name).filter(|s| source.is_none_or(|source| s.source == source))?;
        self.statuses.lock().remove(name);
        self.waiting.remove(name)
    }
}

fn status(name: &PluginName, shadow: &Shadow, message: String) -> PluginStatus {
    let (reason, now) = ("NameTaken", jiff::Timestamp::now());
    let active =
        Condition { kind: "Active", status: Some(false), reason: reason.into(), message: message.clone(), since: now };
    PluginStatus {
        state: PluginState::Rejected,
        reason,
        message,
        generation: shadow.object.as_ref().map_or(0, |o| o.generation),
        conditions: vec![active],
        ..PluginStatus::new(name.clone(), shadow.source)
    }
}
