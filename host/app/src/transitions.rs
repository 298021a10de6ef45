//! Events on the hub's own objects: each change of state or reason of a Member or a Plugin is said there, for `kubectl describe`
//! and `kubectl events`.

use std::{collections::BTreeMap, sync::Arc};

use motet_core::{Gvk, Meta, ObjectName, ObjectRef, names::HOST_MANAGER, outcome::EventIntent, ports::MemberApi};
use motet_dispatch::{EventWriter, Reporter};

/// What one object was last said to be: kind and name; state, reason and code.
type Said = BTreeMap<(&'static str, String), [String; 3]>;

/// Says changes, once each; repeats of the same change become a series.
pub(crate) struct Transitions {
    hub: Arc<dyn MemberApi>,
    writer: EventWriter,
    said: Said,
}

/// Where an object of the hub stands now.
pub(crate) struct Standing<'a> {
    /// Its state, in one word.
    pub(crate) state: &'a str,
    /// Why; empty where all is well.
    pub(crate) reason: &'a str,
    /// The digest of what runs; empty where that says nothing.
    pub(crate) code: &'a str,
    /// For people.
    pub(crate) message: &'a str,
    /// Whether somebody should look.
    pub(crate) warning: bool,
}

impl Transitions {
    pub(crate) fn new(hub: Arc<dyn MemberApi>) -> Self {
        Self { hub, writer: EventWriter::default(), said: Said::new() }
    }

    /// Says where an object stands, if that is another state, another reason or other code than last time. `answer` is the object as the hub
    /// has it. That it cannot be said holds up nothing: it is tried again with the next change.
    pub(crate) async fn note(&mut self, kind: &'static str, name: &str, now: Standing<'_>, answer: &[u8]) {
        let standing = [now.state, now.reason, now.code].map(str::to_owned);
        let key = (kind, name.to_owned());
        if self.said.get(&key) == Some(&standing) {
            return;
        }
        let reason = if now.reason.is_empty() { now.state } else { now.reason };
        let note = match (now.message, now.code) {
            ("", "") => format!("{kind} {name} is {}", now.state),
            ("", code) => format!("{kind} {name} is {} with {code}", now.state),
            (message, _) => message.to_owned(),
        };
        let event = EventIntent {
            regarding: ObjectRef { gvk: Gvk::new("motet.dev", "v1alpha1", kind), name: ObjectName::cluster(name) },
            warning: now.warning,
            reason: reason.into(),
            action: now.state.into(),
            note,
        };
        let reporter =
            Reporter { controller: HOST_MANAGER, manager: HOST_MANAGER.into(), api: &*self.hub, cluster: "hub" };
        let uid = Meta::scan(answer).ok().map(|meta| meta.uid.to_string()).filter(|uid| !uid.is_empty());
        match self.writer.send(&reporter, &event, uid.as_deref()).await {
            Ok(_) => drop(self.said.insert(key, standing)),
            Err(error) => tracing::debug!(kind, name, reason, %error, "an Event was not written to the hub"),
        }
    }

    /// Forgets an object that is gone.
    pub(crate) fn forget(&mut self, kind: &'static str, name: &str) {
        self.said.remove(&(kind, name.to_owned()));
    }
}
