//! What a reconcile returns: intents, and when to come back.

use std::time::Duration;

use serde::Serialize;

use crate::{Error, Gvk, ObjectRef, json};

/// One thing that should be true. Objects are JSON.
#[derive(Debug, Clone, PartialEq)]
pub enum Intent {
    /// Server-side apply.
    Apply {
        /// The object.
        object: Vec<u8>,
        /// Take over fields of other managers after the conflict was reported.
        force: bool,
    },
    /// Server-side apply of a set; what it no longer names is deleted.
    ApplySet {
        /// Its name within the key.
        name: String,
        /// Its objects.
        objects: Vec<Vec<u8>>,
        /// As for `Apply`.
        force: bool,
    },
    /// Server-side apply of the `status` subresource.
    Status(Vec<u8>),
    /// A patch.
    Patch {
        /// What is patched.
        target: ObjectRef,
        /// A subresource.
        subresource: Option<String>,
        /// RFC 6902 rather than RFC 7386.
        json_patch: bool,
        /// The body.
        body: Vec<u8>,
    },
    /// A deletion.
    Delete {
        /// What is deleted.
        target: ObjectRef,
        /// Only if it has this UID.
        uid: Option<String>,
        /// Only if it has this resource version.
        resource_version: Option<String>,
    },
    /// A Kubernetes Event.
    Event {
        /// What it is about.
        regarding: ObjectRef,
        /// `Warning` rather than `Normal`.
        warning: bool,
        /// UpperCamelCase word.
        reason: String,
        /// For people.
        note: String,
    },
}

/// When the key runs again though nothing changed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Next {
    /// Only on a change.
    #[default]
    Changed,
    /// Soon, rate limited.
    Requeue,
    /// After this time.
    After(Duration),
}

/// What a reconcile returns when it succeeds. Intents are independent: each is attempted even if another fails; what failed is
/// in the next call's [`Context::previous`](crate::Context::previous).
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Outcome {
    pub(crate) intents: Vec<Intent>,
    pub(crate) next: Next,
    pub(crate) keep_finalizer: bool,
    /// The first object that could not be written as JSON: reported when the outcome is handed over, so that building it
    /// needs no `?` at every step.
    pub(crate) broken: Option<String>,
}

impl Outcome {
    /// Nothing to do.
    pub fn new() -> Self {
        Self::default()
    }

    /// One object that should be as given: only the fields that you name are yours, and only they are kept so.
    #[must_use]
    pub fn apply(self, object: &impl Serialize) -> Self {
        self.push_object(object, |object| Intent::Apply { object, force: true })
    }

    /// The same, but fields that another manager owns are left to it: the conflict comes back in `previous`.
    #[must_use]
    pub fn apply_unforced(self, object: &impl Serialize) -> Self {
        self.push_object(object, |object| Intent::Apply { object, force: false })
    }

    /// All objects of a set, named within the key: what the set held before and `objects` no longer has is deleted.
    #[must_use]
    pub fn apply_set<T: Serialize>(mut self, name: &str, objects: impl IntoIterator<Item = T>) -> Self {
        let objects = objects.into_iter().filter_map(|o| self.json(&o)).collect();
        self.intents.push(Intent::ApplySet { name: name.into(), objects, force: true });
        self
    }

    /// The `status` of an object: kind, name and the fields of `status` that are yours.
    #[must_use]
    pub fn status(self, object: &impl Serialize) -> Self {
        self.push_object(object, Intent::Status)
    }

    /// A merge patch (RFC 7386).
    #[must_use]
    pub fn merge_patch(self, target: ObjectRef, body: &impl Serialize) -> Self {
        self.push_object(body, |body| Intent::Patch { target, subresource: None, json_patch: false, body })
    }

    /// A JSON patch (RFC 6902).
    #[must_use]
    pub fn json_patch(self, target: ObjectRef, body: &impl Serialize) -> Self {
        self.push_object(body, |body| Intent::Patch { target, subresource: None, json_patch: true, body })
    }

    /// An object that should not exist.
    #[must_use]
    pub fn delete(mut self, target: ObjectRef) -> Self {
        self.intents.push(Intent::Delete { target, uid: None, resource_version: None });
        self
    }

    /// Any intent, for what has no method of its own.
    #[must_use]
    pub fn intent(mut self, intent: Intent) -> Self {
        self.intents.push(intent);
        self
    }

    /// A `Normal` Event.
    #[must_use]
    pub fn event(self, regarding: ObjectRef, reason: &str, note: impl Into<String>) -> Self {
        self.intent(Intent::Event { regarding, warning: false, reason: reason.into(), note: note.into() })
    }

    /// A `Warning` Event.
    #[must_use]
    pub fn warning(self, regarding: ObjectRef, reason: &str, note: impl Into<String>) -> Self {
        self.intent(Intent::Event { regarding, warning: true, reason: reason.into(), note: note.into() })
    }

    /// Run this key again soon, rate limited.
    #[must_use]
    pub fn requeue(mut self) -> Self {
        self.next = Next::Requeue;
        self
    }

    /// Run this key again after `after`.
    #[must_use]
    pub fn requeue_after(mut self, after: Duration) -> Self {
        self.next = Next::After(after);
        self
    }

    /// While the primary is being deleted: clean-up is not finished, keep the finalizer and call again.
    #[must_use]
    pub fn keep_finalizer(mut self) -> Self {
        self.keep_finalizer = true;
        self
    }

    /// The intents so far.
    pub fn intents(&self) -> &[Intent] {
        &self.intents
    }

    /// When it runs again.
    pub fn next(&self) -> Next {
        self.next
    }

    /// Whether the finalizer stays.
    pub fn keeps_finalizer(&self) -> bool {
        self.keep_finalizer
    }

    pub(crate) fn check(self) -> Result<Self, Error> {
        match self.broken {
            Some(message) => Err(Error::terminal(message)),
            None => Ok(self),
        }
    }

    fn push_object(mut self, object: &impl Serialize, intent: impl FnOnce(Vec<u8>) -> Intent) -> Self {
        if let Some(json) = self.json(object) {
            self.intents.push(intent(json));
        }
        self
    }

    fn json(&mut self, object: &impl Serialize) -> Option<Vec<u8>> {
        json::to_vec(object)
            .map_err(|e| self.broken.get_or_insert_with(|| format!("an object cannot be written as JSON: {e}")).len())
            .ok()
    }
}

impl Intent {
    /// The object that an apply, a status or each object of a set names, as JSON.
    pub(crate) fn objects(&self) -> &[Vec<u8>] {
        match self {
            Self::Apply { object, .. } | Self::Status(object) => std::slice::from_ref(object),
            Self::ApplySet { objects, .. } => objects,
            _ => &[],
        }
    }
}

/// A kind and a place, for methods that take either text or parts.
impl From<(&str, &str, &str)> for ObjectRef {
    fn from((kind, namespace, name): (&str, &str, &str)) -> Self {
        Self::namespaced(Gvk::parse(kind), namespace, name)
    }
}

impl From<(&str, &str)> for ObjectRef {
    fn from((kind, name): (&str, &str)) -> Self {
        Self::cluster(Gvk::parse(kind), name)
    }
}
