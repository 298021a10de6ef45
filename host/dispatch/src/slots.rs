//! Who computes: at most so many guests at once, and whoever waits for a member lets others have the turn.
//!
//! A member that never answers thus costs its own keys time, not those of others.

use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// What all runs share.
#[derive(Debug)]
pub(crate) struct Slots {
    /// Guests that compute.
    workers: Arc<Semaphore>,
    /// Guests that exist, those that wait for an answer included.
    sandboxes: Arc<Semaphore>,
}

impl Slots {
    pub(crate) fn new(workers: usize, sandboxes: usize) -> Arc<Self> {
        let semaphore = |permits: usize| Arc::new(Semaphore::new(permits.max(1)));
        Arc::new(Self { workers: semaphore(workers), sandboxes: semaphore(sandboxes) })
    }

    /// For what runs beside the workers and takes none from them.
    pub(crate) async fn apart() -> Slot {
        Self::new(1, 1).worker().await
    }

    /// Waits for a worker.
    pub(crate) async fn worker(self: &Arc<Self>) -> Slot {
        let permit = self.workers.clone().acquire_owned().await.ok();
        Slot { worker: Mutex::new(permit), slots: self.clone() }
    }
}

/// One run's worker, given back while it waits. A run waits for one thing at a time.
#[derive(Debug)]
pub(crate) struct Slot {
    worker: Mutex<Option<OwnedSemaphorePermit>>,
    slots: Arc<Slots>,
}

impl Slot {
    /// Awaits something that takes no computing here, without a worker.
    pub(crate) async fn without<T>(&self, wait: impl Future<Output = T>) -> T {
        self.leave();
        let done = wait.await;
        let permit = self.slots.workers.clone().acquire_owned().await.ok();
        *self.worker.lock() = permit;
        done
    }

    /// Waits for a sandbox. Without a worker: those that are in sandboxes need workers to get out.
    pub(crate) async fn sandbox(&self) -> Option<OwnedSemaphorePermit> {
        match self.slots.sandboxes.clone().try_acquire_owned() {
            Ok(permit) => Some(permit),
            Err(_) => self.without(self.slots.sandboxes.clone().acquire_owned()).await.ok(),
        }
    }

    /// Gives the worker back for good.
    pub(crate) fn leave(&self) {
        self.worker.lock().take();
    }
}

#[cfg(test)]
mod tests {
    use std::{
        sync::atomic::{AtomicUsize, Ordering::SeqCst},
        time::Duration,
    };

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn whoever_waits_holds_no_worker_and_sandboxes_are_bounded() {
        let slots = Slots::new(1, 3);
        let (inside, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let mut runs = tokio::task::JoinSet::new();
        for _ in 0..10 {
            let (slots, inside, most) = (slots.clone(), inside.clone(), most.clone());
            runs.spawn(async move {
                let slot = slots.worker().await;
                let sandbox = slot.sandbox().await;
                most.fetch_max(inside.fetch_add(1, SeqCst) + 1, SeqCst);
                slot.without(tokio::time::sleep(Duration::from_secs(5))).await;
                inside.fetch_sub(1, SeqCst);
                drop(sandbox);
            });
        }
        let begun = tokio::time::Instant::now();
        while runs.join_next().await.is_some() {}
        assert_eq!(most.load(SeqCst), 3, "three waited at once, though there is one worker");
        assert_eq!(begun.elapsed().as_secs(), 20, "ten runs, three at a time");
    }
}
