//! Writes in another version than the one in which objects are kept, and who owns what after them.

use std::borrow::Cow;

use serde_json::Value;

use super::Write;
use crate::apply::managers::{Identity, Managers};
use crate::apply::{self, Form};
use crate::autoscaling;
use crate::object;
use crate::schema::settle;

impl Write<'_> {
    /// The types that the client writes in.
    pub(super) fn form(&self) -> Form<'_> {
        let version = self.said.unwrap_or(self.version);
        Form { ty: version.ty(), other: autoscaling::other(self.resource, version) }
    }

    /// The same write in the version in which objects are kept, where that is another one.
    pub(super) fn kept(&self) -> Option<Self> {
        let version = autoscaling::kept(self.resource, self.version)?;
        Some(Self { version, said: Some(self.version), ..self.clone() })
    }

    /// An object as the client sees it.
    pub(super) fn seen<'v>(&self, object: &'v Value) -> Cow<'v, Value> {
        let mut seen = Cow::Borrowed(object);
        if let Some(said) = self.said {
            autoscaling::first(seen.to_mut());
            settle::settle(said.ty(), seen.to_mut());
        }
        seen
    }
}

/// Brings an object to the version in which it is kept.
pub(super) fn keepable(write: &Write<'_>, body: &mut Value) {
    if write.said.is_some() {
        autoscaling::second(body);
        settle::settle(write.version.ty(), body);
        body["apiVersion"] = write.resource.api_version(&write.version.name).into();
    }
}

/// The same of a change of `live`, as the client sees it; what is kept of that is `stored`.
pub(super) fn keepable_change(write: &Write<'_>, (live, stored): (&Value, &Value), body: &mut Value, applied: bool) {
    let same = applied && body["spec"] == live["spec"] && body["status"] == live["status"];
    keepable(write, body);
    if same {
        // What an apply does not change is not converted either.
        body["spec"] = stored["spec"].clone();
    }
}

/// Who owns what after an update: whether ownership is reset, what the client says of it, and how it was.
pub(super) fn owners(
    write: &Write<'_>,
    (live, sent): (&Value, &Value),
    (reset, said, before): (bool, Managers, &Managers),
) -> Managers {
    // Who writes may say who owns what; who says nothing leaves it as it is.
    let mut managers = match (reset, said.is_empty()) {
        (true, _) => Managers::default(),
        (false, true) => before.clone(),
        (false, false) => said,
    };
    let who = Identity::updater(&write.manager, &write.api_version(), &write.sub);
    // Once nobody owns anything, only an apply makes owners again.
    if !managers.is_empty() {
        let (live, sent) = (write.seen(live), write.seen(sent));
        apply::update(write.form(), &live, &sent, &mut managers, &who, write.reach(), &object::now());
    }
    managers
}

/// What is owned of an event in one group cannot be told in the other.
pub(super) fn of_one_group(write: &Write<'_>, mut managers: Managers) -> Managers {
    if &*write.resource.shelf == "events." {
        managers.keep_version(&write.api_version());
    }
    managers
}
