//! One run of one key, from the queue's hand to the last write.

use std::{sync::Arc, time::Duration};

use motet_core::{
    ApiError, Meta, ObjectRef, Target,
    grant::Access,
    names,
    outcome::{Failure, KillClass, Next, Outcome as GuestOutcome, ReconcileError},
    plugin::Mode,
    request::{Rejected, Request},
};
use motet_queue::Running;
use motet_watch::{Barrier, ObjectInfo};
use parking_lot::Mutex;
use tokio::time::Instant;

use crate::{
    binding::{Binding, BindingState},
    dispatcher::Shared,
    finalizer,
    member::Member,
    plan::Planner,
    quarantine::Verdict,
    reads,
    report::KeyReport,
    slots::Slot,
    stats::{Outcome, PluginStats},
    subscriptions::Subscriptions,
    write::{Wait, Writer, Written},
};

/// First wait after the host ended a key's run, doubling.
const FIRST_KILL: Duration = Duration::from_secs(1);
/// Longest wait after it.
const LAST_KILL: Duration = Duration::from_secs(600);
/// Wait after an answer that repeating cannot change. Events still run the key at once.
const TERMINAL: Duration = Duration::from_secs(300);
/// How long a key that wrote waits for its caches: a little past 5 s, so that a watch that lags by just that is still in time.
const BARRIER: Duration = Duration::from_millis(5500);

/// What one run works with.
struct Run<'a> {
    shared: &'a Arc<Shared>,
    binding: &'a Arc<Binding>,
    member: Arc<Member>,
    subscriptions: Arc<Subscriptions>,
    stats: Arc<PluginStats>,
    running: &'a Running,
    /// What this run wrote and caches have yet to show.
    waits: Mutex<Vec<Wait>>,
}

/// Runs `running` to its end; what it asks for next is in the queue before the key is given back.
pub(crate) async fn run(shared: &Arc<Shared>, running: Running, slot: Slot) {
    let Some(binding) = shared.binding(&running.key.plugin, &running.key.member) else { return };
    let Some(subscriptions) = binding.subscriptions.load_full().filter(|_| binding.is_live()) else { return };
    let now = Instant::now();
    let verdict = binding.quarantine.lock().admit(now);
    if let Verdict::Wait(until) = verdict {
        return shared.queue.hold(running.key.clone(), until);
    }
    let stats = shared.plugin_stats(&binding.plugin);
    stats.queue_wait_seconds.observe(running.waited);
    if running.stale {
        stats.stale_reads.inc();
    }
    let member = binding.member.load_full();
    let run =
        Run { shared, binding: &binding, member, subscriptions, stats, running: &running, waits: Mutex::default() };
    run.reconcile(Arc::new(slot)).await;
    run.park();
    if verdict == Verdict::Probe {
        binding.quarantine.lock().unanswered();
    }
    run.stats.reconcile_seconds.observe(now.elapsed());
    run.stats.work_latency_seconds.observe(running.enqueued_at.elapsed());
    running.done();
}

impl Run<'_> {
    fn target(&self) -> &Target {
        &self.running.key.target
    }

    async fn reconcile(&self, slot: Arc<Slot>) {
        let info = self.primary_info();
        let revision = self.binding.revision.load_full();
        let finalized = revision.description.finalizer && revision.spec.mode == Mode::Enforce;
        let deleting = info.as_ref().is_some_and(|i| i.deleting);
        if let Some(info) = info.as_ref().filter(|_| finalized) {
            let held = info.finalizers.iter().any(|f| **f == *names::finalizer(&self.binding.plugin));
            if deleting && !held {
                return self.settled(Outcome::Success, Next::Changed);
            }
            if !deleting
                && !held
                && let Err(error) = slot.without(self.add_finalizer(info)).await
            {
                return self.api_failure("adding the finalizer", &error);
            }
        }
        let request = self.request(deleting, revision.limits.deadline);
        let calls = reads::host_calls(self.binding, &self.subscriptions, &self.stats, &slot);
        let sandbox = slot.sandbox().await;
        let started = Instant::now();
        let returned = revision.sandbox.reconcile(request, &revision.limits, calls).await;
        self.stats.sandbox_seconds.observe(started.elapsed());
        drop(sandbox);
        slot.leave();
        match returned {
            Ok(outcome) => {
                self.returned();
                let cleaning = finalized && (deleting || info.is_none() && self.may_be_out_of_scope());
                self.outcome(outcome, info.as_ref(), cleaning).await;
            }
            Err(ReconcileError::Failure(failure)) => {
                self.returned();
                self.failure(failure);
            }
            Err(ReconcileError::Killed { class, message }) => self.killed(class, message),
            Err(ReconcileError::Host(message)) => {
                self.fail(Outcome::Error, message);
                self.shared.queue.add_rate_limited(self.running.key.clone(), self.running.priority, None);
            }
        }
    }

    fn primary_info(&self) -> Option<ObjectInfo> {
        let Target::Object(name) = self.target() else { return None };
        self.subscriptions.primary.as_ref()?.subscription.meta(name)
    }

    /// A primary that is not in the cache may still exist, with our finalizer, where the watch selects.
    fn may_be_out_of_scope(&self) -> bool {
        self.subscriptions.primary.as_ref().is_some_and(|w| !w.scope.labels.is_empty() || !w.scope.fields.is_empty())
    }

    fn request(&self, deleting: bool, deadline: Duration) -> Request {
        let memory = self.binding.memory(self.target());
        let primary = match (self.target(), &self.subscriptions.primary) {
            (Target::Object(name), Some(watched)) => watched.get(name),
            _ => None,
        };
        Request {
            member: self.member.info.clone(),
            target: self.target().clone(),
            primary,
            deleting,
            attempt: self.shared.queue.failures(&self.running.key),
            deadline,
            config: (*self.binding.config.load_full()).clone(),
            previous: memory.previous,
        }
    }

    async fn add_finalizer(&self, info: &ObjectInfo) -> Result<(), ApiError> {
        let (Some(watched), Target::Object(name)) = (&self.subscriptions.primary, self.target()) else { return Ok(()) };
        let resource = &watched.resource;
        let access = Access {
            group: &resource.gvk.group,
            resource: &resource.plural,
            verb: "patch",
            namespace: name.namespace.as_deref(),
            name: Some(&name.name),
        };
        if !self.binding.permissions.load().allow(&access) {
            return Err(ApiError::new(403, "NotGranted", format!("{access}: needed for the plugin's finalizer")));
        }
        self.member.permits_writes()?;
        let api = &self.member.api;
        self.binding.record.ensure(&self.binding.revision.load_full(), &[], api).await?;
        let meta = Meta {
            name: name.name.clone(),
            namespace: name.namespace.clone(),
            uid: info.uid.to_string().into(),
            resource_version: info.resource_version.to_string().into(),
            finalizers: info.finalizers.iter().map(|f| f.to_string().into()).collect(),
            ..Meta::default()
        };
        let answer = finalizer::add(&self.binding.plugin, &**api, resource, &meta).await;
        self.binding.stats.wrote("patch", answer.as_ref().err().map_or(200, |e| e.code));
        let json = answer?;
        // Else the next run would not see it yet, and fail to add it once more.
        if let Ok(after) = Meta::scan(&json) {
            let barrier = Barrier {
                name: name.clone(),
                uid: after.uid.to_string(),
                resource_version: after.resource_version.to_string(),
                deleted: false,
            };
            let object = ObjectRef { gvk: resource.gvk.clone(), name: name.clone() };
            self.waits.lock().push(Wait { object, labels: after.labels, barrier });
        }
        Ok(())
    }

    /// The guest came back by itself: a row of kills is over.
    fn returned(&self) {
        if self.binding.quarantine.lock().returned() {
            self.binding.set_status(self.binding.running_state(), "", "");
            self.shared.queue.release_binding(&self.binding.plugin, &self.running.key.member);
        }
        self.binding.remember(self.target(), |m| m.kills = 0);
    }

    async fn outcome(&self, outcome: GuestOutcome, info: Option<&ObjectInfo>, cleaning: bool) {
        let uid = info.map(|i| i.uid.to_string());
        let planner = Planner {
            binding: self.binding,
            member: &self.member,
            subscriptions: &self.subscriptions,
            target: self.target(),
            primary_uid: uid.as_deref(),
        };
        let plan = planner.plan(outcome.intents).await;
        let writer = Writer {
            binding: self.binding,
            member: &self.member,
            subscriptions: &self.subscriptions,
            stats: &self.stats,
            events: &self.shared.events,
            target: self.target(),
        };
        let written = writer.write(plan).await;
        self.fights(&writer, &written).await;
        self.shared.report(
            &self.binding.plugin,
            KeyReport {
                member: self.running.key.member.clone(),
                target: self.target().clone(),
                time: jiff::Timestamp::now(),
                intents: written.reports.clone(),
            },
        );
        let Written { rejected, barriers, .. } = written;
        self.waits.lock().extend(barriers);
        let before = self.binding.memory(self.target()).previous;
        let repeated = same_rejections(&before, &rejected);
        let failed = !rejected.is_empty();
        if failed {
            self.rejected(&rejected, repeated);
        }
        self.binding.remember(self.target(), |m| m.previous = Arc::new(rejected));
        if failed {
            return;
        }
        if cleaning
            && !outcome.keep_finalizer
            && let Err(error) = self.remove_finalizer().await
        {
            return self.api_failure("removing the finalizer", &error);
        }
        let result = match outcome.next {
            Next::Changed => Outcome::Success,
            Next::Requeue => Outcome::Requeue,
            Next::After(_) => Outcome::RequeueAfter,
        };
        // Clean-up that is not finished is called again even if the plugin did not say when.
        let next = if cleaning && outcome.keep_finalizer && outcome.next == Next::Changed {
            Next::Requeue
        } else {
            outcome.next
        };
        self.settled(result, next);
    }

    /// A key that keeps taking fields from somebody who takes them back is slowed down; what it wrote now stands.
    async fn fights(&self, writer: &Writer<'_>, written: &Written) {
        if written.taken.is_empty() {
            return;
        }
        let mut wait = None;
        self.binding.remember(self.target(), |memory| wait = memory.fight.taken(Instant::now()));
        if let Some(wait) = wait {
            writer.note_fight(&written.taken, wait).await;
            self.shared.queue.add_backoff(self.running.key.clone(), wait);
        }
    }

    async fn remove_finalizer(&self) -> Result<(), ApiError> {
        let (Some(watched), Target::Object(name)) = (&self.subscriptions.primary, self.target()) else { return Ok(()) };
        let removed = finalizer::remove(&self.binding.plugin, &*self.member.api, &watched.resource, name).await;
        self.binding.stats.wrote("patch", removed.as_ref().err().map_or(200, |e| e.code));
        removed
    }

    /// Keeps the key off the workers until each cache concerned shows what it wrote, at most [`BARRIER`].
    fn park(&self) {
        let mut waits = std::mem::take(&mut *self.waits.lock());
        waits.retain(|wait| self.subscriptions.all().any(|w| w.shows(&wait.object, &wait.labels)));
        if waits.is_empty() {
            return;
        }
        let key = self.running.key.clone();
        self.shared.queue.park(key.clone(), Instant::now() + BARRIER);
        let (queue, subscriptions) = (self.shared.queue.clone(), self.subscriptions.clone());
        tokio::spawn(async move {
            let reached = async {
                for Wait { object, labels, barrier } in &waits {
                    for watched in subscriptions.all().filter(|w| w.shows(object, labels)) {
                        watched.subscription.reached(barrier).await;
                    }
                }
            };
            // Past its deadline the queue lets the key go by itself, and says that it was stale.
            if tokio::time::timeout(BARRIER, reached).await.is_ok() {
                queue.release(&key);
            }
        });
    }

    /// All is as the plugin wants it.
    fn settled(&self, result: Outcome, next: Next) {
        let (queue, key) = (&self.shared.queue, self.running.key.clone());
        self.binding.stats.count(result);
        {
            let mut last = self.binding.last.lock();
            last.time = Some(jiff::Timestamp::now());
            last.failing = false;
        }
        match next {
            Next::Changed => queue.forget(&key),
            Next::After(after) => {
                queue.forget(&key);
                queue.add_after(key, after, motet_core::Priority::Normal);
            }
            Next::Requeue => {
                queue.requeue(key, motet_core::Priority::Normal);
            }
        }
    }

    /// Some of what the plugin wants could not be written.
    fn rejected(&self, rejected: &[Rejected], repeated: bool) {
        let denied = rejected.iter().any(|r| r.error.reason == "NotGranted");
        let terminal = rejected.iter().all(|r| r.error.is_terminal() || is_host_refusal(&r.error));
        let floor = rejected.iter().filter_map(|r| r.error.retry_after).max();
        let first = rejected.first().map(|r| format!("{} {}: {}", r.verb, r.object, r.error)).unwrap_or_default();
        let result = if denied {
            Outcome::Denied
        } else if terminal {
            Outcome::Terminal
        } else {
            Outcome::Error
        };
        self.fail(result, format!("{} of its intents not written; the first: {first}", rejected.len()));
        let key = self.running.key.clone();
        // The plugin sees a refusal in `previous` at once; only if the same comes back is there nothing to do but wait.
        if terminal && repeated {
            self.shared.queue.add_after(key, TERMINAL, motet_core::Priority::Normal);
        } else {
            self.shared.queue.add_rate_limited(key, motet_core::Priority::Normal, floor);
        }
    }

    fn api_failure(&self, doing: &str, error: &ApiError) {
        self.member.note(error);
        self.fail(Outcome::Error, format!("{doing}: {error}"));
        let key = self.running.key.clone();
        self.shared.queue.add_rate_limited(key, motet_core::Priority::Normal, error.retry_after);
    }

    /// What the guest said went wrong.
    fn failure(&self, failure: Failure) {
        let (queue, key) = (&self.shared.queue, self.running.key.clone());
        let priority = motet_core::Priority::Normal;
        match &failure {
            Failure::Retry { after, .. } => {
                self.fail(Outcome::Error, failure.to_string());
                queue.add_rate_limited(key, priority, *after);
            }
            // Not run again before something changes; the backoff is not forgotten.
            Failure::Terminal { .. } => self.fail(Outcome::Terminal, failure.to_string()),
            Failure::NotGranted { .. } => self.fail(Outcome::Denied, failure.to_string()),
            Failure::Api { code, retry_after, .. } => {
                self.fail(Outcome::Error, failure.to_string());
                if matches!(code, 400 | 403 | 422) {
                    queue.add_after(key, TERMINAL, priority);
                } else {
                    queue.add_rate_limited(key, priority, *retry_after);
                }
            }
        }
    }

    /// The host ended the run: the key backs off first, and the binding if that is not enough.
    fn killed(&self, class: KillClass, message: String) {
        self.stats.killed(class);
        let mut kills = 0;
        self.binding.remember(self.target(), |m| {
            kills = m.kills;
            m.kills = m.kills.saturating_add(1);
        });
        let message = format!("{}: {message}", class.as_str());
        let begins = self.binding.quarantine.lock().killed(self.target(), Instant::now());
        if begins {
            let text = format!("the host ended 10 runs in a row, the last with {message}; one key probes after 1 min");
            self.binding.set_status(BindingState::Quarantined, "RepeatedKills", text);
        }
        self.fail(Outcome::from(class), message);
        let wait = FIRST_KILL.saturating_mul(1 << kills.min(16)).min(LAST_KILL);
        self.shared.queue.add_backoff(self.running.key.clone(), wait);
    }

    fn fail(&self, result: Outcome, message: String) {
        tracing::warn!(plugin = %self.binding.plugin, member = %self.running.key.member, key = %self.target(), "reconcile failed: {message}");
        self.binding.stats.count(result);
        let mut last = self.binding.last.lock();
        last.time = Some(jiff::Timestamp::now());
        last.failing = true;
        last.error = Some(format!("{}: {message}", self.target()));
    }
}

fn is_host_refusal(error: &ApiError) -> bool {
    let own = matches!(&*error.reason, "NotGranted" | "Invalid" | "OwnedByOtherKey" | "OwnerMissing");
    // A kind that discovery does not show carries a 404, like an object that is not there.
    error.code == 0 && own || error.reason == "KindMissing"
}

fn same_rejections(before: &[Rejected], now: &[Rejected]) -> bool {
    before.len() == now.len()
        && before.iter().zip(now).all(|(a, b)| {
            (&a.object, a.verb, a.error.code, &a.error.reason) == (&b.object, b.verb, b.error.code, &b.error.reason)
        })
}
