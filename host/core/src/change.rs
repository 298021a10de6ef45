//! What a list+watch stream says, in order.

use bytes::Bytes;
use serde::Serialize;

/// One step of a list+watch stream. A stream never ends by itself: the transport restarts it and says so.
///
/// Order: `Reset`, `Initial`*, `Synced`, then `Upsert`/`Delete`/`Bookmark`; a relist starts again with `Reset`. Between
/// `Reset` and `Synced` the store keeps serving what it had, and applies initial objects in place. A stream that was given a version
/// to resume from starts with `Resumed` instead, unless it has to list after all.
#[derive(Debug, Clone, PartialEq)]
pub enum Change {
    /// A full list begins; what it does not mention by `Synced` is gone.
    Reset,
    /// An object of the full list, as JSON with `apiVersion` and `kind`.
    Initial(Bytes),
    /// The full list is complete as of this resource version.
    Synced {
        /// The list's resource version.
        resource_version: String,
    },
    /// The watch from the version that the stream was to resume from is open: the server took the request, and everything after that
    /// version follows in order. Carries no version of its own: how far the server is by now shows with the next event or bookmark.
    Resumed,
    /// An object was added or changed.
    Upsert(Bytes),
    /// An object is gone; the JSON is its last state, with the deletion's resource version.
    Delete(Bytes),
    /// Nothing of interest happened up to this resource version.
    Bookmark {
        /// Everything up to here has been delivered.
        resource_version: String,
    },
    /// The stream broke and is being restarted; for metrics and status only.
    Interrupted(Interrupted),
}

/// Why a stream is restarted.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Interrupted {
    /// A fixed word: `Closed`, `Expired`, `Throttled`, `ConnectionFailed`, `Silent`, `ServerError`, `Forbidden`, `Unauthorized`,
    /// `KindMissing`, `Overflow`, `Malformed`.
    pub reason: &'static str,
    /// For people.
    pub message: String,
    /// Whether the binding should be told: the kind is forbidden or missing, not merely interrupted.
    pub blocked: bool,
}
