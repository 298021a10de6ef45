//! The statuses of all plugins: what the API, metrics and the hub show of each step.

use std::{collections::BTreeMap, sync::Arc};

use motet_core::PluginName;
use parking_lot::Mutex;

use crate::{
    PluginObject, Refusal, Step,
    entry::Entry,
    history::Good,
    load::{Loaded, Refused},
    status::{Condition, PluginState, PluginStatus},
};

/// Shared with whoever asks.
pub(crate) type Statuses = Arc<Mutex<BTreeMap<PluginName, PluginStatus>>>;

const STEPS: [(&str, Step); 5] = [
    ("Fetched", Step::Fetched),
    ("Verified", Step::Verified),
    ("Compiled", Step::Compiled),
    ("Granted", Step::Granted),
    ("Configured", Step::Configured),
];

/// Writes one plugin's status.
pub(crate) struct Standing<'a> {
    pub(crate) statuses: &'a Statuses,
    pub(crate) name: &'a PluginName,
    pub(crate) entry: &'a Entry,
    pub(crate) goods: &'a [Good],
}

/// A condition's value, reason and message.
type Value = (Option<bool>, String, String);

fn fine() -> Value {
    (Some(true), String::new(), String::new())
}

impl Standing<'_> {
    fn change(&self, change: impl FnOnce(&mut PluginStatus)) {
        let mut statuses = self.statuses.lock();
        let status = statuses
            .entry(self.name.clone())
            .or_insert_with(|| PluginStatus::new(self.name.clone(), self.entry.source));
        status.revisions = self.goods.to_vec();
        change(status);
    }

    /// A load begins, or a pull.
    pub(crate) fn loading(&self, object: &PluginObject) {
        self.change(|status| {
            status.generation = object.generation;
            status.mode = object.spec.mode;
            status.grants = object.spec.grants.clone();
            status.selector = object.spec.members.clone();
        });
    }

    /// Everything is right, and runs.
    pub(crate) fn accept(&self, loaded: &Loaded) {
        let revision = &loaded.revision;
        let state = if revision.spec.suspend { PluginState::Suspended } else { PluginState::Active };
        tracing::info!(plugin = %self.name, digest = %revision.digest, contract = loaded.contract, "plugin loaded");
        let rolled_back = self.entry.object.as_ref().is_ok_and(|o| o.rollback.is_some());
        let (reason, message) = if rolled_back {
            let how = "runs by the annotation motet.dev/rollback; remove it to follow the source again";
            ("RolledBack", format!("{} {how}", revision.digest))
        } else {
            ("", String::new())
        };
        self.change(|status| {
            set_state(status, state, reason, message.clone());
            status.digest = Some(revision.digest);
            status.size = loaded.size;
            status.contract = loaded.contract.clone();
            status.description = Some(revision.description.clone());
            if loaded.load_seconds[0] > 0.0 {
                status.load_seconds = loaded.load_seconds;
            }
            let active = (Some(true), reason.into(), message);
            set_conditions(status, [self.fetched(), self.verified(), fine(), fine(), fine(), active]);
        });
    }

    /// Something is not right; the last good revision, if there is one, runs on.
    pub(crate) fn refuse(&self, refused: Refused) {
        let Refused { refusal: Refusal { step, reason, message }, description } = refused;
        let running = self.entry.running.as_ref();
        let keeps = match running {
            Some(revision) => format!("the last good revision {} runs on", revision.digest),
            None => "nothing runs".into(),
        };
        tracing::warn!(plugin = %self.name, reason, "plugin rejected, {keeps}: {message}");
        self.change(|status| {
            set_state(status, PluginState::Rejected, reason, format!("{message} ({keeps})"));
            if status.description.is_none() {
                status.description = description;
            }
            let at = |this: Step| match this.cmp(&step) {
                std::cmp::Ordering::Less if this == Step::Fetched => self.fetched(),
                std::cmp::Ordering::Less if this == Step::Verified => self.verified(),
                std::cmp::Ordering::Less => fine(),
                std::cmp::Ordering::Equal => (Some(false), reason.into(), message.clone()),
                std::cmp::Ordering::Greater => (None, String::new(), String::new()),
            };
            let active = (Some(running.is_some()), if running.is_some() { "LastGood" } else { reason }.into(), keeps);
            let [a, b, c, d, e] = STEPS.map(|(_, step)| at(step));
            set_conditions(status, [a, b, c, d, e, active]);
        });
    }

    /// What the source offers.
    fn offered(&self) -> Option<&crate::Origin> {
        self.entry.seen.as_ref().and_then(|s| s.as_ref().ok()).map(|s| &s.origin).or(self.entry.origin.as_ref())
    }

    fn fetched(&self) -> Value {
        let Some(origin) = self.offered() else { return fine() };
        match &origin.warning {
            Some((reason, why)) if reason != "SignatureMissing" => (Some(true), reason.clone(), why.clone()),
            _ => (Some(true), String::new(), origin.from.clone()),
        }
    }

    fn verified(&self) -> Value {
        match self.offered() {
            Some(origin) if !origin.signed_by.is_empty() => {
                (Some(true), "Signed".into(), format!("signed by {}", origin.signed_by.join(", ")))
            }
            Some(crate::Origin { warning: Some((reason, why)), .. }) if reason == "SignatureMissing" => {
                (Some(false), reason.clone(), why.clone())
            }
            _ => (None, "NotAsked".into(), "no signature is asked for".into()),
        }
    }
}

fn set_state(status: &mut PluginStatus, state: PluginState, reason: &'static str, message: String) {
    if (status.state, status.reason) != (state, reason) {
        status.since = jiff::Timestamp::now();
    }
    (status.state, status.reason, status.message) = (state, reason, message);
}

/// Sets each step's condition and `Active`, each with its own time of change.
fn set_conditions(status: &mut PluginStatus, values: [Value; 6]) {
    let now = jiff::Timestamp::now();
    let kinds = STEPS.iter().map(|(kind, _)| *kind).chain(["Active"]);
    let conditions = kinds.zip(values).map(|(kind, (value, reason, message))| {
        let before = status.conditions.iter().find(|c| c.kind == kind).filter(|c| c.status == value);
        let since = before.map_or(now, |c| c.since);
        Condition { kind, status: value, reason, message, since }
    });
    status.conditions = conditions.collect();
}
