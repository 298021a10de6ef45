//! What a cluster's API server answered instead of success, as a typed class.

use std::time::Duration;

use serde::Serialize;
use thiserror::Error;

/// One cause of a refusal, as in `Status.details.causes`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Cause {
    /// Machine word, such as `FieldManagerConflict`.
    pub reason: String,
    /// For people.
    pub message: String,
    /// The field concerned, in the server's notation.
    pub field: String,
}

/// A call that did not succeed. `code` 0 means that no HTTP answer came (connection, timeout).
#[derive(Debug, Clone, PartialEq, Eq, Error, Serialize)]
#[error("{message} (code {code}, reason {reason})")]
pub struct ApiError {
    /// HTTP status; 0 where none was received.
    pub code: u16,
    /// `Status.reason`, or one of `ConnectionFailed`, `Timeout`, `InvalidAnswer` where the host made it.
    pub reason: String,
    /// For people.
    pub message: String,
    /// `Status.details.causes`.
    pub causes: Vec<Cause>,
    /// `Retry-After`, or `Status.details.retryAfterSeconds`.
    #[serde(skip)]
    pub retry_after: Option<Duration>,
}

impl ApiError {
    /// An error with neither causes nor a retry time.
    pub fn new(code: u16, reason: &str, message: impl Into<String>) -> Self {
        Self { code, reason: reason.into(), message: message.into(), causes: Vec::new(), retry_after: None }
    }

    /// The connection could not be made or broke.
    pub fn connection(message: impl Into<String>) -> Self {
        Self::new(0, "ConnectionFailed", message)
    }

    /// No answer in time.
    pub fn timeout(message: impl Into<String>) -> Self {
        Self::new(0, "Timeout", message)
    }

    /// The object or the resource does not exist.
    pub fn is_not_found(&self) -> bool {
        self.code == 404
    }

    /// The credentials are no longer accepted.
    pub fn is_unauthorized(&self) -> bool {
        self.code == 401
    }

    /// RBAC or an admission plugin forbids it.
    pub fn is_forbidden(&self) -> bool {
        self.code == 403
    }

    /// Another field manager owns a field, or a precondition failed.
    pub fn is_conflict(&self) -> bool {
        self.code == 409 && self.reason != "AlreadyExists"
    }

    /// The resource version is too old: list again.
    pub fn is_expired(&self) -> bool {
        self.code == 410
    }

    /// Repeating the same request soon cannot help: it is the request that is wrong (DESIGN section 8).
    pub fn is_terminal(&self) -> bool {
        matches!(self.code, 400 | 403 | 405 | 413 | 415 | 422)
    }

    /// The server asks for patience.
    pub fn is_throttled(&self) -> bool {
        self.code == 429 || (self.code == 503 && self.retry_after.is_some())
    }

    /// A server-side apply refused because another manager owns fields it would change.
    pub fn is_apply_conflict(&self) -> bool {
        self.code == 409 && self.causes.iter().any(|c| c.reason == "FieldManagerConflict")
    }
}
