//! What a reconcile returns: what the plugin wants to be true, and when to ask it again.

use std::time::Duration;

use bytes::Bytes;
use serde::Serialize;
use thiserror::Error;

use crate::ObjectRef;

/// How a patch body is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub enum PatchKind {
    /// RFC 7386.
    Merge,
    /// RFC 6902.
    Json,
}

/// One thing the plugin wants to be true.
#[derive(Debug, Clone, PartialEq)]
pub enum Intent {
    /// Server-side apply of one object.
    Apply {
        /// The object as JSON, with kind and name, only the fields that the plugin wants to own.
        object: Bytes,
        /// Whether fields of other managers are taken over after a conflict was reported.
        force: bool,
    },
    /// Server-side apply of a whole set: what the set held before and no longer names is deleted.
    ApplySet {
        /// The set's name within the key; may be empty.
        name: String,
        /// Its objects.
        objects: Vec<Bytes>,
        /// As for `Apply`.
        force: bool,
    },
    /// Server-side apply of an object's `status` subresource.
    Status {
        /// The object as JSON: kind, name and `status`.
        object: Bytes,
    },
    /// A patch.
    Patch {
        /// What is patched.
        target: ObjectRef,
        /// A subresource, such as `scale`.
        subresource: Option<String>,
        /// How the body is read.
        kind: PatchKind,
        /// The body.
        body: Bytes,
    },
    /// A deletion; done when the object does not exist.
    Delete {
        /// What is deleted.
        target: ObjectRef,
        /// Only if it has this UID.
        uid: Option<String>,
        /// Only if it has this resource version.
        resource_version: Option<String>,
    },
    /// A Kubernetes Event.
    Event(EventIntent),
}

/// An Event about an object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventIntent {
    /// The object it is about.
    pub regarding: ObjectRef,
    /// Whether its type is `Warning` rather than `Normal`.
    pub warning: bool,
    /// UpperCamelCase word.
    pub reason: String,
    /// What was done, UpperCamelCase word.
    pub action: String,
    /// For people.
    pub note: String,
}

/// When a key runs again though nothing changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// Only on a change.
    Changed,
    /// Soon, rate limited like a failure but not counted as one.
    Requeue,
    /// After this time, not rate limited.
    After(Duration),
}

/// A reconcile that succeeded.
#[derive(Debug, Clone, PartialEq)]
pub struct Outcome {
    /// What to make true, independent of each other; status goes last whatever the order.
    pub intents: Vec<Intent>,
    /// When to run again.
    pub next: Next,
    /// While deleting: clean-up is not finished, keep the finalizer and call again.
    pub keep_finalizer: bool,
}

impl Default for Outcome {
    fn default() -> Self {
        Self { intents: Vec::new(), next: Next::Changed, keep_finalizer: false }
    }
}

/// What the guest said went wrong.
#[derive(Debug, Clone, PartialEq, Error)]
pub enum Failure {
    /// Try again, after this time or with the key's backoff.
    #[error("{message}")]
    Retry {
        /// For people.
        message: String,
        /// When; `None` uses the key's backoff.
        after: Option<Duration>,
    },
    /// Trying again cannot help before something changes.
    #[error("{message}")]
    Terminal {
        /// For people.
        message: String,
    },
    /// A read was refused for want of a grant.
    #[error("not granted: {message}")]
    NotGranted {
        /// Which access.
        message: String,
    },
    /// A read failed.
    #[error("{message} (code {code}, reason {reason})")]
    Api {
        /// HTTP status.
        code: u16,
        /// `Status.reason`.
        reason: String,
        /// For people.
        message: String,
        /// The server's wish.
        retry_after: Option<Duration>,
    },
}

/// Why the host ended a call: its own classes, with their own backoff, never mixed with what the guest said.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
pub enum KillClass {
    /// A trap: panic, unreachable, stack exhausted, out-of-bounds access.
    Trap,
    /// Wall deadline or CPU budget exceeded.
    Deadline,
    /// Memory or table limit exceeded.
    Memory,
    /// The outcome or the calls broke a limit or the contract.
    Limit,
}

impl KillClass {
    /// The metric label.
    pub fn as_str(self) -> &'static str {
        match self {
            KillClass::Trap => "trap",
            KillClass::Deadline => "deadline",
            KillClass::Memory => "memory",
            KillClass::Limit => "limit",
        }
    }
}

/// A reconcile that did not succeed.
#[derive(Debug, Clone, PartialEq, Error)]
pub enum ReconcileError {
    /// The guest returned a failure.
    #[error(transparent)]
    Failure(#[from] Failure),
    /// The host ended the call.
    #[error("{}: {message}", class.as_str())]
    Killed {
        /// Why.
        class: KillClass,
        /// For people, with the guest's function names where there are any.
        message: String,
    },
    /// The host itself failed (no slot in the pool, out of memory); says nothing about the guest.
    #[error("the host could not run it: {0}")]
    Host(String),
}
