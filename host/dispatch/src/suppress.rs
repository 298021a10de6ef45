//! What servers made of our applies: where they store something else than was sent, the pair of digests is remembered, so
//! that the difference costs one server-side no-op per object after a host start and not one per reconcile.

use std::collections::{HashMap, VecDeque};

use motet_core::{ObjectRef, owned::OwnedDigest};

/// What was sent and what the server then stored for us.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Pair {
    pub(crate) sent: OwnedDigest,
    pub(crate) stored: OwnedDigest,
}

/// Objects remembered per binding; beyond, the oldest is forgotten and costs one no-op more.
const MAX_OBJECTS: usize = 20_000;

/// The pairs of one binding.
#[derive(Debug, Default)]
pub(crate) struct Normalised {
    pairs: HashMap<(ObjectRef, bool), Pair>,
    order: VecDeque<(ObjectRef, bool)>,
}

impl Normalised {
    pub(crate) fn put(&mut self, object: &ObjectRef, status: bool, pair: Pair) {
        let key = (object.clone(), status);
        if self.pairs.insert(key.clone(), pair).is_none() {
            self.order.push_back(key);
            if self.order.len() > MAX_OBJECTS
                && let Some(oldest) = self.order.pop_front()
            {
                self.pairs.remove(&oldest);
            }
        }
    }

    /// Whether sending what has digest `sent` would change nothing, given what the cache shows as stored for us.
    pub(crate) fn unchanged(
        &self,
        object: &ObjectRef,
        status: bool,
        sent: OwnedDigest,
        stored: Option<OwnedDigest>,
    ) -> bool {
        let Some(stored) = stored else { return false };
        sent == stored || self.pairs.get(&(object.clone(), status)) == Some(&Pair { sent, stored })
    }
}
