//! What the catalog keeps of one plugin.

use std::sync::Arc;

use bytes::Bytes;
use motet_core::{Digest, revision::Revision};
use tokio_util::task::AbortOnDropHandle;

use crate::{Origin, PluginObject, Refusal, history::Proof, pull::Asked};

/// A component that a source has, as far as it has to be remembered.
#[derive(Debug, Clone)]
pub(crate) struct Seen {
    pub(crate) digest: Digest,
    pub(crate) origin: Origin,
    pub(crate) proof: Option<Proof>,
    /// Until it is known to be good, and so kept elsewhere.
    pub(crate) bytes: Option<Bytes>,
}

impl Seen {
    pub(crate) fn new(bytes: Bytes, origin: Origin, proof: Option<Proof>) -> Self {
        Self { digest: Digest::of(&bytes), origin, proof, bytes: Some(bytes) }
    }

    fn same(&self, other: &Self) -> bool {
        (self.digest, &self.origin) == (other.digest, &other.origin)
    }
}

/// The task that follows a plugin's image.
pub(crate) struct Pull {
    pub(crate) asked: Asked,
    pub(crate) sequence: u64,
    _task: AbortOnDropHandle<()>,
}

impl Pull {
    pub(crate) fn new(asked: Asked, sequence: u64, task: AbortOnDropHandle<()>) -> Self {
        Self { asked, sequence, _task: task }
    }
}

/// One plugin.
pub(crate) struct Entry {
    pub(crate) source: &'static str,
    /// Counts its changes, so that a load of an earlier one changes nothing.
    pub(crate) generation: u64,
    pub(crate) object: Result<Box<PluginObject>, Refusal>,
    /// None while its image is being pulled for the first time.
    pub(crate) seen: Option<Result<Seen, Refusal>>,
    pub(crate) pull: Option<Pull>,
    pub(crate) running: Option<Arc<Revision>>,
    /// Where what runs comes from.
    pub(crate) origin: Option<Origin>,
    pub(crate) loading: bool,
}

impl Entry {
    pub(crate) fn new(source: &'static str, object: Result<Box<PluginObject>, Refusal>) -> Self {
        Self { source, generation: 0, object, seen: None, pull: None, running: None, origin: None, loading: false }
    }

    /// Whether a source says again what it said before.
    pub(crate) fn says(
        &self,
        object: &Result<Box<PluginObject>, Refusal>,
        seen: Option<&Result<Seen, Refusal>>,
    ) -> bool {
        let same = match (&self.seen, seen) {
            (None, None) => true,
            (Some(Ok(a)), Some(Ok(b))) => a.same(b),
            (Some(Err(a)), Some(Err(b))) => a == b,
            _ => false,
        };
        same && self.object == *object && self.generation > 0
    }
}
