//! Why a list or watch broke, and what follows from it.

use std::time::Duration;

use motet_core::ApiError;

use crate::{events::Broken, status::too_large_version};

/// What to do after a break.
#[derive(Debug, PartialEq)]
pub(super) enum Then {
    /// Watch from the last version.
    Resume,
    /// List, not older than what was seen.
    ListFromLast,
    /// List at this version.
    ListFrom(String),
}

/// How long to wait first.
#[derive(Debug, PartialEq)]
pub(super) enum Wait {
    None,
    Backoff,
    /// As long as the server asked for, or the backoff if that is longer.
    AtLeast(Duration),
    /// While the kind is forbidden or missing.
    Blocked,
}

/// One break.
#[derive(Debug)]
pub(super) struct Break {
    pub(super) reason: &'static str,
    pub(super) message: String,
    pub(super) blocked: bool,
    pub(super) then: Then,
    pub(super) wait: Wait,
}

impl Break {
    fn new(reason: &'static str, message: impl Into<String>, then: Then, wait: Wait) -> Self {
        let blocked = wait == Wait::Blocked;
        Self { reason, message: message.into(), blocked, then, wait }
    }

    pub(super) fn closed(wait: Wait) -> Self {
        Self::new("Closed", "the server ended the watch", Then::Resume, wait)
    }

    pub(super) fn silent(message: &str) -> Self {
        Self::new("Silent", message, Then::Resume, Wait::None)
    }

    /// The server is behind what was seen of it: it was restored from an older state.
    pub(super) fn went_back(seen: u64, now: u64) -> Self {
        let message = format!("the server is at version {now}, it has been at {seen}: restored from an older state?");
        Self::new("WentBack", message, Then::ListFrom(String::new()), Wait::None)
    }

    /// Whether another server may answer next, or the same one from an older state.
    pub(super) fn loses_server(&self) -> bool {
        self.reason == "ConnectionFailed"
    }

    pub(super) fn overflow(doing: &str) -> Self {
        Self::new("Overflow", format!("{doing}: the subscriber is too slow"), Then::Resume, Wait::None)
    }

    /// A malformed event would come again on resuming: list past it.
    pub(super) fn malformed(message: String) -> Self {
        Self::new("Malformed", message, Then::ListFromLast, Wait::Backoff)
    }

    pub(super) fn of_stream(broken: Broken) -> Self {
        match broken {
            Broken::Connection(message) => Self::new("ConnectionFailed", message, Then::Resume, Wait::Backoff),
            Broken::Malformed(message) => Self::malformed(message),
        }
    }

    /// A watch was refused, or ended with an ERROR event.
    pub(super) fn of_watch(error: &ApiError) -> Self {
        if error.is_expired() || error.reason == "Expired" {
            // A list not older than the version that expired is fresh enough; only if that fails too, the version is forgotten.
            return Self::new("Expired", error.message.clone(), Then::ListFromLast, Wait::None);
        }
        Self::of_error(error, Then::Resume)
    }

    /// A list at `version` failed.
    pub(super) fn of_list(error: &ApiError, version: &str) -> Self {
        let unavailable = error.is_expired() || error.reason == "Expired" || too_large_version(error);
        if unavailable {
            let wait = if version.is_empty() { Wait::Backoff } else { Wait::None };
            return Self::new("Expired", error.message.clone(), Then::ListFrom(String::new()), wait);
        }
        Self::of_error(error, Then::ListFrom(version.into()))
    }

    fn of_error(error: &ApiError, then: Then) -> Self {
        let message = error.message.clone();
        let wait = error.retry_after.map_or(Wait::Backoff, Wait::AtLeast);
        match error.code {
            0 if error.reason == "InvalidAnswer" => Self::new("Malformed", message, then, wait),
            0 if error.reason == "Unauthorized" => Self::new("Unauthorized", message, then, wait),
            0 => Self::new("ConnectionFailed", message, then, wait),
            401 => Self::new("Unauthorized", message, then, wait),
            // A list afterwards, so that the subscriber learns that it is no longer blocked.
            403 => Self::new("Forbidden", message, Then::ListFromLast, Wait::Blocked),
            404 => Self::new("KindMissing", message, Then::ListFrom(String::new()), Wait::Blocked),
            429 => Self::new("Throttled", message, then, wait),
            _ => Self::new("ServerError", message, then, wait),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_needs_a_list_lists() {
        for (code, then) in [
            (410, Then::ListFromLast),
            (429, Then::Resume),
            (500, Then::Resume),
            (503, Then::Resume),
            (504, Then::Resume),
            (401, Then::Resume),
            (0, Then::Resume),
            (404, Then::ListFrom(String::new())),
        ] {
            assert_eq!(Break::of_watch(&ApiError::new(code, "X", "m")).then, then, "{code}");
        }
    }

    #[test]
    fn an_unavailable_version_is_forgotten_at_once_but_not_in_a_loop() {
        let expired = ApiError::new(410, "Expired", "old");
        let ahead = ApiError::new(504, "Timeout", "Too large resource version: 9, current: 3");
        for error in [&expired, &ahead] {
            let first = Break::of_list(error, "9");
            assert_eq!((first.then, first.wait), (Then::ListFrom(String::new()), Wait::None));
            assert_eq!(Break::of_list(error, "").wait, Wait::Backoff);
        }
    }
}
