//! The bounded queue between a reflector, which always reads, and its subscriber, which may be slow.

use std::{
    collections::VecDeque,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, Waker},
};

use futures::Stream;
use motet_core::Change;
use parking_lot::Mutex;
use tokio::{sync::Notify, task::AbortHandle};

/// What one change costs beyond its bytes.
const OVERHEAD: usize = 64;
/// An empty queue with more room than this gives it back.
const KEPT: usize = 64;

#[derive(Default)]
struct State {
    queue: VecDeque<Change>,
    bytes: usize,
    subscriber: Option<Waker>,
}

struct Shared {
    limit: usize,
    state: Mutex<State>,
    space: Notify,
}

/// The reflector's end.
pub(crate) struct Sender(Arc<Shared>);

/// The subscriber's end. Dropping it ends the reflector's task.
pub(crate) struct Receiver {
    shared: Arc<Shared>,
    task: Option<AbortHandle>,
}

/// A queue of at most `limit` bytes (one change more where a single one is larger).
pub(crate) fn backlog(limit: usize) -> (Sender, Receiver) {
    let shared = Arc::new(Shared { limit, state: Mutex::default(), space: Notify::new() });
    (Sender(shared.clone()), Receiver { shared, task: None })
}

fn cost(change: &Change) -> usize {
    OVERHEAD
        + match change {
            Change::Initial(b) | Change::Upsert(b) | Change::Delete(b) => b.len(),
            _ => 0,
        }
}

impl Sender {
    /// Adds a change if there is room; gives it back otherwise.
    pub(crate) fn try_push(&self, change: Change) -> Result<(), Change> {
        let mut state = self.0.state.lock();
        if !state.queue.is_empty() && state.bytes + cost(&change) > self.0.limit {
            return Err(change);
        }
        state.bytes += cost(&change);
        state.queue.push_back(change);
        if let Some(waker) = state.subscriber.take() {
            waker.wake();
        }
        Ok(())
    }

    /// Adds a change once there is room.
    pub(crate) async fn push(&self, mut change: Change) {
        loop {
            let space = self.0.space.notified();
            match self.try_push(change) {
                Ok(()) => return,
                Err(refused) => change = refused,
            }
            space.await;
        }
    }
}

impl Receiver {
    /// Names the task to end with the subscriber.
    pub(crate) fn owning(mut self, task: AbortHandle) -> Self {
        self.task = Some(task);
        self
    }
}

impl Stream for Receiver {
    type Item = Change;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Change>> {
        let mut state = self.shared.state.lock();
        let Some(change) = state.queue.pop_front() else {
            if state.queue.capacity() > KEPT {
                state.queue = VecDeque::new();
            }
            state.subscriber = Some(cx.waker().clone());
            return Poll::Pending;
        };
        state.bytes -= cost(&change);
        drop(state);
        self.shared.space.notify_one();
        Poll::Ready(Some(change))
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        if let Some(task) = &self.task {
            task.abort();
        }
    }
}

#[cfg(test)]
mod tests {
    use futures::{FutureExt as _, StreamExt as _};

    use super::*;

    fn change(size: usize) -> Change {
        Change::Upsert(vec![b'x'; size].into())
    }

    #[tokio::test]
    async fn a_full_backlog_refuses_and_goes_on_when_drained() {
        let (sender, mut receiver) = backlog(1000);
        sender.try_push(change(800)).unwrap();
        assert!(sender.try_push(change(200)).is_err());
        assert!(sender.push(change(200)).now_or_never().is_none());
        let waiting = tokio::spawn(async move { sender.push(change(2000)).await });
        assert_eq!(receiver.next().await, Some(change(800)));
        assert_eq!(receiver.next().await, Some(change(2000)), "one change may be larger than the limit");
        waiting.await.unwrap();
    }
}
