//! Who may serve a cluster when several members turn out to be the same one.

use std::collections::{BTreeSet, HashMap};

use motet_core::MemberName;
use parking_lot::Mutex;
use tokio::sync::watch;

/// Precedence: creation time, then name; the lesser one wins.
pub(crate) type Rank = (i64, MemberName);

/// All identities that members claim.
pub(crate) struct Claims {
    identities: Mutex<HashMap<String, Claimants>>,
    changed: watch::Sender<u64>,
}

#[derive(Default)]
struct Claimants {
    all: BTreeSet<Rank>,
    /// Who serves it now; a better claimant waits until it has let go.
    holder: Option<Rank>,
}

/// Where a claimant stands.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Standing {
    /// It serves the cluster.
    Holds,
    /// This other member serves it, or is about to.
    Behind(MemberName),
}

impl Claims {
    pub(crate) fn new() -> Self {
        Self { identities: Mutex::default(), changed: watch::Sender::new(0) }
    }

    /// Says when standings may have changed.
    pub(crate) fn changes(&self) -> watch::Receiver<u64> {
        self.changed.subscribe()
    }

    /// Adds a claim, if it is not there, and takes the identity if it is free and nobody better claims it.
    pub(crate) fn claim(&self, identity: &str, rank: &Rank) -> Standing {
        let mut identities = self.identities.lock();
        let claimants = identities.entry(identity.into()).or_default();
        let added = claimants.all.insert(rank.clone());
        let best = claimants.all.first().cloned().unwrap_or_else(|| rank.clone());
        let standing = match &claimants.holder {
            Some(holder) if holder == rank && best == *rank => Standing::Holds,
            Some(holder) if holder != rank => Standing::Behind(holder.1.clone()),
            None if best == *rank => {
                claimants.holder = Some(rank.clone());
                Standing::Holds
            }
            _ => Standing::Behind(best.1),
        };
        drop(identities);
        if added {
            self.changed.send_modify(|n| *n += 1);
        }
        standing
    }

    /// Stops serving, but goes on claiming.
    pub(crate) fn let_go(&self, identity: &str, rank: &Rank) {
        self.change(identity, |claimants| {
            if claimants.holder.as_ref() == Some(rank) {
                claimants.holder = None;
            }
        });
    }

    /// Stops serving and claiming.
    pub(crate) fn withdraw(&self, identity: &str, rank: &Rank) {
        self.let_go(identity, rank);
        self.change(identity, |claimants| {
            claimants.all.remove(rank);
        });
    }

    fn change(&self, identity: &str, change: impl FnOnce(&mut Claimants)) {
        let mut identities = self.identities.lock();
        let Some(claimants) = identities.get_mut(identity) else { return };
        change(claimants);
        if claimants.all.is_empty() {
            identities.remove(identity);
        }
        drop(identities);
        self.changed.send_modify(|n| *n += 1);
    }

    /// Identities that are claimed.
    #[cfg(test)]
    fn len(&self) -> usize {
        self.identities.lock().len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rank(created: i64, name: &str) -> Rank {
        (created, MemberName::new(name).unwrap())
    }

    #[test]
    fn the_older_wins_then_the_lesser_name_but_never_two_at_once() {
        let (claims, a, b, c) = (Claims::new(), rank(2, "a"), rank(2, "b"), rank(1, "c"));
        assert_eq!(claims.claim("x", &b), Standing::Holds);
        assert_eq!(claims.claim("x", &a), Standing::Behind(b.1.clone()), "b has not let go yet");
        assert_eq!(claims.claim("x", &b), Standing::Behind(a.1.clone()));
        claims.let_go("x", &b);
        assert_eq!(claims.claim("x", &b), Standing::Behind(a.1.clone()));
        assert_eq!(claims.claim("x", &a), Standing::Holds);
        claims.claim("x", &c);
        claims.withdraw("x", &a);
        assert_eq!(claims.claim("x", &b), Standing::Behind(c.1.clone()));
        assert_eq!(claims.claim("x", &c), Standing::Holds);
        assert_eq!(claims.claim("y", &a), Standing::Holds);
        for (identity, rank) in [("x", &b), ("x", &c), ("y", &a)] {
            claims.withdraw(identity, rank);
        }
        assert_eq!(claims.len(), 0);
    }

    #[test]
    fn a_withdrawn_winner_wakes_the_next() {
        let (claims, a, b) = (Claims::new(), rank(1, "a"), rank(2, "b"));
        claims.claim("x", &a);
        claims.claim("x", &b);
        let changes = claims.changes();
        claims.withdraw("x", &a);
        assert!(changes.has_changed().unwrap());
        assert_eq!(claims.claim("x", &b), Standing::Holds);
    }
}
