//! What the queue knows about one key: what is wanted, what stands in the way, where it is filed.

use motet_core::Priority;
use tokio::time::Instant;

use crate::backoff::Backoff;

/// Where a key is filed. A running key is filed nowhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Slot {
    Nowhere,
    /// In the timers, under this time and number.
    Timer(Instant, u64),
    /// In its binding's ready list of this priority, under this number.
    Ready(Priority, u64),
}

/// Where a key ought to be filed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wanted {
    Nowhere,
    Timer(Instant),
    Ready(Priority),
}

/// One key.
#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) slot: Slot,
    pub(crate) running: bool,
    /// Its binding was removed while it ran: what that run asks for is ignored, new events are not.
    pub(crate) removed: bool,
    /// When the next run is wanted; `None` if none is. Set while running, it is the mark that leads to one more run.
    pub(crate) due: Option<Instant>,
    /// When it was last filed as ready.
    pub(crate) ready_at: Option<Instant>,
    /// Not before this: a host backoff.
    pub(crate) held: Option<Instant>,
    /// Not before this or a release: it waits to see its own writes.
    pub(crate) parked: Option<Instant>,
    /// The last park lapsed without a release.
    pub(crate) stale: bool,
    pub(crate) priority: Priority,
    pub(crate) backoff: Backoff,
}

impl Default for Entry {
    fn default() -> Self {
        Self {
            slot: Slot::Nowhere,
            running: false,
            removed: false,
            due: None,
            ready_at: None,
            held: None,
            parked: None,
            stale: false,
            priority: Priority::Low,
            backoff: Backoff::default(),
        }
    }
}

impl Entry {
    /// Asks for a run at `at`: the earlier time and the greater priority win.
    pub(crate) fn want(&mut self, at: Instant, priority: Priority) {
        self.due = Some(self.due.map_or(at, |due| due.min(at)));
        self.priority = self.priority.max(priority);
    }

    /// Ends a hold: what it delayed is due.
    pub(crate) fn lift(&mut self, now: Instant) {
        if self.held.take().is_some() {
            self.due = self.due.map(|due| due.min(now));
        }
    }

    /// Drops gates that time has opened.
    pub(crate) fn open_gates(&mut self, now: Instant) {
        self.held = self.held.filter(|until| *until > now);
        if self.parked.is_some_and(|deadline| deadline <= now) {
            self.parked = None;
            self.stale = true;
        }
    }

    /// Where it ought to be filed. A gate without a wanted run is a timer too: when it opens, the entry can be freed.
    pub(crate) fn wanted(&self, now: Instant) -> Wanted {
        if self.running {
            return Wanted::Nowhere;
        }
        match self.due.max(self.held).max(self.parked) {
            None => Wanted::Nowhere,
            Some(at) if at > now => Wanted::Timer(at),
            Some(_) => self.due.map_or(Wanted::Nowhere, |_| Wanted::Ready(self.priority)),
        }
    }

    /// Whether forgetting it loses nothing.
    pub(crate) fn is_idle(&self) -> bool {
        !self.running && self.due.is_none() && self.held.is_none() && self.parked.is_none() && self.backoff.is_clear()
    }

    /// Drops everything but the run in progress.
    pub(crate) fn remove(&mut self) {
        *self = Self { running: self.running, removed: true, ..Self::default() };
    }
}
