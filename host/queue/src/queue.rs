//! The handle that everyone shares: adds from any thread, workers that wait, and the guard of a running key.

use std::{collections::HashMap, sync::Arc, time::Duration};

use motet_core::{Key, MemberName, PluginName, Priority};
use parking_lot::Mutex;
use tokio::{
    sync::Notify,
    time::{Instant, sleep_until},
};

use crate::{
    Settings,
    entry::Entry,
    state::{Depth, State, Taken},
};

/// The queue of one host. Clones share it. Adding never waits; everything but [`Queue::get`] and the drains is synchronous.
#[derive(Debug, Clone)]
pub struct Queue(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    inner: Mutex<Inner>,
    /// One permit for each reason that a worker may find a key.
    work: Notify,
    /// Told whenever a run ends or waiting keys go.
    settled: Notify,
}

#[derive(Debug)]
struct Inner {
    state: State,
    /// The worker that sleeps until the next timer, and until when; the others sleep without a time.
    armed: Option<(u64, Instant)>,
    workers: u64,
}

/// A key that is being worked on. No other worker gets it until this is dropped.
#[derive(Debug)]
pub struct Running {
    /// The key.
    pub key: Key,
    /// How urgent it was.
    pub priority: Priority,
    /// How long it was ready and waited for a worker.
    pub waited: Duration,
    /// When the first event that led to this run was added, or when its delay was over.
    pub enqueued_at: Instant,
    /// It was parked, and its deadline passed before [`Queue::release`]: caches may not show its own writes yet.
    pub stale: bool,
    queue: Queue,
}

impl Running {
    /// Ends the run, as dropping does. Failures and requeues are to be added before.
    pub fn done(self) {}
}

impl Drop for Running {
    fn drop(&mut self) {
        self.queue.change(|state, now| state.done(&self.key, now));
        self.queue.0.settled.notify_waiters();
    }
}

impl Queue {
    /// An empty queue.
    pub fn new(settings: Settings) -> Self {
        let inner = Inner { state: State::new(settings), armed: None, workers: 0 };
        Self(Arc::new(Shared { inner: Mutex::new(inner), work: Notify::new(), settled: Notify::new() }))
    }

    /// Runs `change` under the lock, then wakes a worker if there is something to do.
    fn change<R>(&self, change: impl FnOnce(&mut State, Instant) -> R) -> R {
        let mut inner = self.0.inner.lock();
        let result = change(&mut inner.state, Instant::now());
        let wake = inner.state.has_turn() || inner.unattended_timer() || inner.state.shut_down;
        drop(inner);
        if wake {
            self.0.work.notify_one();
        }
        result
    }

    /// Something happened: the key is to run now. While it runs, it is marked and runs once more. It never changes the key's
    /// backoff, and does not pass a [`hold`](Self::hold) or a [`park`](Self::park).
    pub fn add(&self, key: Key, priority: Priority) {
        self.change(|state, now| {
            if !state.shut_down {
                state.update(key, now, |entry, _| entry.want(now, priority));
            }
        });
    }

    /// The key is to run after `delay`, or earlier if anything else asks for it. Not rate limited.
    pub fn add_after(&self, key: Key, delay: Duration, priority: Priority) {
        self.asked_by_run(key, |entry, _, now| entry.want(now.checked_add(delay).unwrap_or(now), priority));
    }

    /// The key failed: it runs again after its own backoff, not before `floor` (the server's Retry-After). Says after what time.
    /// An event may run it earlier; if it fails then, neither the retry time nor the exponent moves.
    pub fn add_rate_limited(&self, key: Key, priority: Priority, floor: Option<Duration>) -> Duration {
        self.back_off(key, priority, floor, true)
    }

    /// The plugin wants the key again soon though nothing failed: delayed like a failure, not counted by [`Queue::failures`].
    pub fn requeue(&self, key: Key, priority: Priority) -> Duration {
        self.back_off(key, priority, None, false)
    }

    fn back_off(&self, key: Key, priority: Priority, floor: Option<Duration>, counted: bool) -> Duration {
        let delay = self.asked_by_run(key, |entry, settings, now| {
            let at = entry.backoff.failed(now, settings, floor, counted);
            entry.want(at, priority);
            at - now
        });
        delay.unwrap_or_default()
    }

    /// The host's own backoff (traps, deadlines, terminal answers): the key runs at `until` and not before, whatever events say.
    /// A later hold replaces an earlier one; [`lift`](Self::lift) ends it.
    pub fn hold(&self, key: Key, until: Instant) {
        self.asked_by_run(key, |entry, _, now| {
            entry.held = Some(until);
            entry.want(until.max(now), Priority::Normal);
        });
    }

    /// [`hold`](Self::hold) for a time from now.
    pub fn add_backoff(&self, key: Key, delay: Duration) {
        self.hold(key, Instant::now() + delay);
    }

    /// The key wrote, and caches have yet to show it: whatever asks for it waits until [`release`](Self::release), at most until
    /// `deadline`. Parking by itself asks for no run. To be called before the run is done.
    pub fn park(&self, key: Key, deadline: Instant) {
        self.asked_by_run(key, |entry, _, _| entry.parked = Some(deadline));
    }

    /// Ends a park; what asked for the key meanwhile makes it run now, unless it is held.
    pub fn release(&self, key: &Key) {
        self.change(|state, now| state.update_existing(key, now, |entry| entry.parked = None));
    }

    /// Ends a hold; the key runs now.
    pub fn lift(&self, key: &Key) {
        self.change(|state, now| state.update_existing(key, now, |entry| entry.lift(now)));
    }

    /// Ends the holds of every key of a binding (new code, an operator's word); they run now.
    pub fn release_binding(&self, plugin: &PluginName, member: &MemberName) {
        self.change(|state, now| state.lift_binding(plugin, member, now));
    }

    /// Changes that a run asks for: ignored after shutdown, and for a run whose binding was removed meanwhile.
    fn asked_by_run<R>(&self, key: Key, change: impl FnOnce(&mut Entry, &Settings, Instant) -> R) -> Option<R> {
        self.change(|state, now| {
            if state.shut_down || state.entry(&key).is_some_and(|entry| entry.removed) {
                return None;
            }
            Some(state.update(key, now, |entry, settings| change(entry, settings, now)))
        })
    }

    /// The key succeeded: its failures and its backoff are forgotten. What it waits for stays.
    pub fn forget(&self, key: &Key) {
        self.change(|state, now| state.update_existing(key, now, |entry| entry.backoff.clear()));
    }

    /// How often the key failed in a row. Kept until [`forget`](Self::forget) or the binding's removal.
    pub fn failures(&self, key: &Key) -> u32 {
        self.0.inner.lock().state.entry(key).map_or(0, |entry| entry.backoff.failures())
    }

    /// The next key, as soon as there is one; `None` once the queue is shut down and nothing is ready. Cancel-safe.
    pub async fn get(&self) -> Option<Running> {
        let worker = {
            let mut inner = self.0.inner.lock();
            inner.workers += 1;
            inner.workers
        };
        loop {
            let woken = self.0.work.notified();
            tokio::pin!(woken);
            woken.as_mut().enable();
            let until = match self.try_get(worker) {
                Attempt::Got(running) => return Some(*running),
                Attempt::Over => return None,
                Attempt::Wait(until) => until,
            };
            let Some(until) = until else {
                woken.await;
                continue;
            };
            let timekeeper = Timekeeper { queue: self, worker };
            tokio::select! {
                () = woken => {}
                () = sleep_until(until) => {}
            }
            // The next attempt minds the timers itself.
            std::mem::forget(timekeeper);
            self.0.inner.lock().disarm(worker);
        }
    }

    fn try_get(&self, worker: u64) -> Attempt {
        let mut inner = self.0.inner.lock();
        let now = Instant::now();
        let taken = inner.state.take(now);
        let more = inner.state.has_turn() || (taken.is_some() && inner.unattended_timer());
        let attempt = match taken {
            Some(taken) => Attempt::Got(Box::new(self.running(taken, now))),
            None if inner.state.shut_down && !inner.state.has_ready() && !inner.state.has_running() => Attempt::Over,
            None => Attempt::Wait(inner.arm(worker)),
        };
        let more = more || matches!(attempt, Attempt::Over);
        drop(inner);
        if more {
            self.0.work.notify_one();
        }
        attempt
    }

    fn running(&self, taken: Taken, now: Instant) -> Running {
        Running {
            key: taken.key,
            priority: taken.priority,
            waited: now - taken.ready_at,
            enqueued_at: taken.due,
            stale: taken.stale,
            queue: self.clone(),
        }
    }

    /// Sets a plugin's share of its members' turns; 1 where it was never set.
    pub fn set_plugin_weight(&self, plugin: &PluginName, weight: u32) {
        self.change(|state, _| state.set_plugin(plugin, Some(weight), None));
    }

    /// Sets a member's share of all turns; 1 where it was never set.
    pub fn set_member_weight(&self, member: &MemberName, weight: u32) {
        self.change(|state, _| state.set_member(member, Some(weight), None));
    }

    /// Sets how many keys of a plugin run at once on each member. Running ones are not disturbed.
    pub fn set_limits(&self, plugin: &PluginName, concurrency: u32) {
        self.change(|state, _| state.set_plugin(plugin, None, Some(concurrency)));
    }

    /// Sets how many keys run at once on a member.
    pub fn set_member_limit(&self, member: &MemberName, concurrency: u32) {
        self.change(|state, _| state.set_member(member, None, Some(concurrency)));
    }

    /// Drops all keys and settings of a member; says how many waited. Running ones finish, and what those runs ask for is
    /// ignored. Keys added afterwards count: stop the member's caches first.
    pub fn remove_member(&self, member: &MemberName) -> usize {
        self.removing(|state| {
            state.forget_member(member);
            state.remove(Some(member), None)
        })
    }

    /// Drops all keys and settings of a plugin, as [`remove_member`](Self::remove_member) does for a member.
    pub fn remove_plugin(&self, plugin: &PluginName) -> usize {
        self.removing(|state| {
            state.forget_plugin(plugin);
            state.remove(None, Some(plugin))
        })
    }

    /// Drops all keys of a plugin on a member, likewise; settings stay.
    pub fn remove_binding(&self, plugin: &PluginName, member: &MemberName) -> usize {
        self.removing(|state| state.remove(Some(member), Some(plugin)))
    }

    fn removing(&self, remove: impl FnOnce(&mut State) -> usize) -> usize {
        let waited = self.change(|state, _| remove(state));
        self.0.settled.notify_waiters();
        waited
    }

    /// How many keys are where, in all.
    pub fn depth(&self) -> Depth {
        self.0.inner.lock().state.total()
    }

    /// How many keys are where, for each plugin that has any.
    pub fn depth_by_plugin(&self) -> HashMap<PluginName, Depth> {
        self.0.inner.lock().state.depths()
    }

    /// How many keys of a binding are where.
    pub fn binding_depth(&self, plugin: &PluginName, member: &MemberName) -> Depth {
        self.0.inner.lock().state.binding_depth(plugin, member)
    }

    /// Takes no more keys and drops those that wait for a time. Ready ones are still handed out.
    pub fn shut_down(&self) {
        self.change(|state, now| {
            state.shut_down = true;
            state.drop_delayed(now);
        });
        self.0.settled.notify_waiters();
    }

    /// Returns once the queue is shut down, nothing is ready and nothing runs.
    pub async fn drained(&self) {
        self.settled(|state| state.shut_down && !state.has_ready() && !state.has_running()).await;
    }

    /// Returns once no key of the binding runs.
    pub async fn binding_idle(&self, plugin: &PluginName, member: &MemberName) {
        self.settled(|state| state.binding_depth(plugin, member).running == 0).await;
    }

    async fn settled(&self, condition: impl Fn(&State) -> bool) {
        loop {
            let settled = self.0.settled.notified();
            tokio::pin!(settled);
            settled.as_mut().enable();
            if condition(&self.0.inner.lock().state) {
                return;
            }
            settled.await;
        }
    }
}

/// What a worker found.
enum Attempt {
    Got(Box<Running>),
    Over,
    /// Nothing; sleep, until this time if given.
    Wait(Option<Instant>),
}

impl Inner {
    /// Whether a timer would fire that no sleeping worker minds.
    fn unattended_timer(&self) -> bool {
        self.state.next_timer().is_some_and(|next| self.armed.is_none_or(|(_, armed)| next < armed))
    }

    /// Makes `worker` the one that minds the timers, if that is needed.
    fn arm(&mut self, worker: u64) -> Option<Instant> {
        let next = self.unattended_timer().then(|| self.state.next_timer()).flatten()?;
        self.armed = Some((worker, next));
        Some(next)
    }

    fn disarm(&mut self, worker: u64) {
        self.armed = self.armed.filter(|(armed, _)| *armed != worker);
    }
}

/// Passes the timers on when a sleeping worker is dropped.
struct Timekeeper<'a> {
    queue: &'a Queue,
    worker: u64,
}

impl Drop for Timekeeper<'_> {
    fn drop(&mut self) {
        self.queue.0.inner.lock().disarm(self.worker);
        self.queue.0.work.notify_one();
    }
}
