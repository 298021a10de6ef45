//! A value that can be waited on. A tenth of the size of a `tokio::sync::watch` channel: there are several per cache, and thousands of
//! caches.

use parking_lot::Mutex;
use tokio::sync::Notify;

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Signal<T> {
    value: Mutex<T>,
    changed: Notify,
}

impl<T> Signal<T> {
    pub(crate) fn new(value: T) -> Self {
        Self { value: Mutex::new(value), changed: Notify::new() }
    }

    /// Looks at the value; `look` must not block.
    pub(crate) fn read<R>(&self, look: impl FnOnce(&T) -> R) -> R {
        look(&self.value.lock())
    }

    /// Changes the value and wakes whoever waits.
    pub(crate) fn modify(&self, change: impl FnOnce(&mut T)) {
        change(&mut self.value.lock());
        self.changed.notify_waiters();
    }

    /// Changes the value, and wakes whoever waits if `change` says so.
    pub(crate) fn modify_if(&self, change: impl FnOnce(&mut T) -> bool) {
        if change(&mut self.value.lock()) {
            self.changed.notify_waiters();
        }
    }

    /// Returns what `look` finds, once it finds something.
    pub(crate) async fn wait<R>(&self, mut look: impl FnMut(&T) -> Option<R>) -> R {
        loop {
            // Made before the look: a change in between is not missed.
            let changed = self.changed.notified();
            if let Some(found) = self.read(&mut look) {
                return found;
            }
            changed.await;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use futures::FutureExt as _;

    use super::*;

    #[tokio::test]
    async fn a_change_wakes_all_who_wait_and_none_is_missed() {
        let signal = Arc::new(Signal::new(0));
        let waiters: Vec<_> = (1..=3)
            .map(|least| {
                let signal = signal.clone();
                tokio::spawn(async move { signal.wait(|n| (*n >= least).then_some(*n)).await })
            })
            .collect();
        tokio::task::yield_now().await;
        signal.modify_if(|n| {
            *n = 1;
            false
        });
        assert!(signal.wait(|n| (*n == 3).then_some(())).now_or_never().is_none());
        signal.modify(|n| *n = 3);
        for waiter in waiters {
            assert_eq!(waiter.await.unwrap(), 3);
        }
    }
}
