//! What a reconcile fails with, and how the host is told.

use std::{fmt, time::Duration};

/// The result of everything that can fail in a plugin.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// A failed reconcile. Any `std::error::Error` becomes one by `?`, to be retried with the key's backoff.
#[derive(Debug, Clone, PartialEq)]
pub enum Error {
    /// Try again, after this time or with the key's backoff.
    Retry {
        /// For people.
        message: String,
        /// When; `None` leaves it to the host.
        after: Option<Duration>,
    },
    /// Trying again cannot help before something changes.
    Terminal {
        /// For people.
        message: String,
    },
    /// A read was refused: no need or no grant covers it.
    NotGranted {
        /// Which access.
        message: String,
    },
    /// The member's API server answered a read with an error.
    Api {
        /// HTTP status; 0 where no answer came.
        code: u16,
        /// `Status.reason`.
        reason: String,
        /// For people.
        message: String,
        /// The server's wish.
        retry_after: Option<Duration>,
    },
}

impl Error {
    /// To be retried with the key's backoff.
    pub fn retry(message: impl fmt::Display) -> Self {
        Self::Retry { message: message.to_string(), after: None }
    }

    /// To be retried after `after`.
    pub fn retry_after(message: impl fmt::Display, after: Duration) -> Self {
        Self::Retry { message: message.to_string(), after: Some(after) }
    }

    /// Not to be retried before something changes.
    pub fn terminal(message: impl fmt::Display) -> Self {
        Self::Terminal { message: message.to_string() }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Retry { message, .. } | Self::Terminal { message } => f.write_str(message),
            Self::NotGranted { message } => write!(f, "not granted: {message}"),
            Self::Api { code, reason, message, .. } => write!(f, "{message} ({code} {reason})"),
        }
    }
}

// `Error` itself is no `std::error::Error`, as with anyhow: else this would collide with `From<Error> for Error`.
impl<E: std::error::Error> From<E> for Error {
    fn from(error: E) -> Self {
        Self::retry(error)
    }
}
