//! Brings a binding up: kinds are resolved, caches joined and filled, then keys flow. What is missing parks it, and it tries
//! again when that may have changed.

use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use motet_core::{ApiError, Priority, Target, plugin::Mode};
use motet_watch::CacheState;
use tokio_util::sync::CancellationToken;

use crate::{
    binding::{Binding, BindingState},
    dispatcher::Shared,
    record::Record,
    subscriptions::{Kinds, Subscriptions},
};

/// How soon a parked binding looks again at what it misses, doubling to [`LAST_LOOK`].
const FIRST_LOOK: Duration = Duration::from_secs(2);
const LAST_LOOK: Duration = Duration::from_secs(60);

/// Why a binding cannot start now.
struct Obstacle {
    reason: &'static str,
    message: String,
}

impl From<ApiError> for Obstacle {
    fn from(error: ApiError) -> Self {
        let reason = match error.code {
            404 => "KindMissing",
            403 => "Forbidden",
            401 => "Unauthorized",
            _ => "MemberError",
        };
        Self { reason, message: error.message }
    }
}

/// Starts the binding's task; an earlier one ends. One that is leaving stays stopped.
pub(crate) fn start(shared: &Arc<Shared>, binding: &Arc<Binding>) {
    if binding.leaving.load(Ordering::Acquire) {
        return;
    }
    let token = CancellationToken::new();
    std::mem::replace(&mut *binding.starting.lock(), token.clone()).cancel();
    binding.generation.fetch_add(1, Ordering::AcqRel);
    binding.live.store(false, Ordering::Release);
    let (shared, binding) = (Arc::downgrade(shared), binding.clone());
    tokio::spawn(async move {
        let Some(shared) = shared.upgrade() else { return };
        token.run_until_cancelled(bring_up(&shared, &binding)).await;
    });
}

/// Stops the binding's task and its keys; its subscriptions stay until it is dropped or starts again.
pub(crate) fn stop(binding: &Binding) {
    binding.starting.lock().cancel();
    binding.live.store(false, Ordering::Release);
}

async fn bring_up(shared: &Arc<Shared>, binding: &Arc<Binding>) {
    let mut wait = FIRST_LOOK;
    loop {
        let obstacle = match idle_reason(binding) {
            Some(obstacle) => obstacle,
            None => match run_until_blocked(shared, binding, &mut wait).await {
                Ok(never) => match never {},
                Err(obstacle) => obstacle,
            },
        };
        binding.live.store(false, Ordering::Release);
        binding.set_status(BindingState::Parked, obstacle.reason, obstacle.message);
        if matches!(obstacle.reason, "Paused" | "Suspended" | "MemberUnreachable") {
            // Its end comes as an event that starts the binding anew.
            binding
                .subscriptions
                .store(binding.subscriptions.load_full().filter(|_| obstacle.reason == "MemberUnreachable"));
            return;
        }
        tokio::time::sleep(wait).await;
        wait = (wait * 2).min(LAST_LOOK);
    }
}

/// Why nothing is to run though nothing is missing.
fn idle_reason(binding: &Binding) -> Option<Obstacle> {
    let member = binding.member.load();
    let (reason, message) = if !member.is_reachable() {
        ("MemberUnreachable", "the member does not answer; what was cached is kept")
    } else if member.paused {
        (
            "Paused",
            "the member is labelled motet.dev/paused=true, or the hub is away and another host may be at work there",
        )
    } else if binding.revision.load().spec.suspend {
        ("Suspended", "the Plugin says suspend: true")
    } else {
        return None;
    };
    Some(Obstacle { reason, message: message.into() })
}

/// Runs the binding until something that it needs goes away.
async fn run_until_blocked(
    shared: &Arc<Shared>,
    binding: &Arc<Binding>,
    wait: &mut Duration,
) -> Result<std::convert::Infallible, Obstacle> {
    let member = binding.member.load_full();
    let recorded = binding.record.load(&binding.plugin, &member.api).await?;
    let revision = binding.revision.load_full();
    // What is true already is not applied again, so a changed `onDelete` must not wait for an apply to be recorded.
    if recorded != Record::default() && revision.spec.mode == Mode::Enforce {
        binding.record.ensure(&revision, &[], &member.api).await?;
    }
    let kinds = Kinds::resolve(&revision, &recorded.kinds, &*member.api).await?;
    if let Some(access) = kinds.not_granted(&revision, &binding.permissions.load()) {
        binding.subscriptions.store(None);
        let message = format!("the plugin watches what it must need and its Plugin must grant: {access}");
        return Err(Obstacle { reason: "NotGranted", message });
    }
    let subscriptions = Subscriptions::join(kinds, binding, &member.caches, &shared.queue)
        .map_err(|message| Obstacle { reason: "InvalidProjection", message })?;
    let subscriptions = Arc::new(subscriptions);
    // Stored only now: what the earlier ones shared with the new stays cached throughout.
    binding.subscriptions.store(Some(subscriptions.clone()));
    loop {
        // Taken before it is judged: what changes meanwhile wakes at once.
        let seen: Vec<_> = subscriptions.all().map(|w| w.subscription.state()).collect();
        if let Some((reason, message)) = subscriptions.blocked() {
            return Err(Obstacle { reason, message });
        }
        if subscriptions.all().all(|w| w.synced()) {
            *wait = FIRST_LOOK;
            go_live(shared, binding, &subscriptions);
        } else if !binding.is_live() {
            binding.set_status(BindingState::Syncing, "", waiting_for(&subscriptions));
        }
        changed(&subscriptions, seen).await;
    }
}

fn waiting_for(subscriptions: &Subscriptions) -> String {
    let kinds: Vec<_> = subscriptions.all().filter(|w| !w.synced()).map(|w| w.resource.to_string()).collect();
    format!("waiting for the first list of {}", kinds.join(", "))
}

/// Returns when any of the caches is in another state than was seen.
async fn changed(subscriptions: &Subscriptions, seen: Vec<CacheState>) {
    let mut waits: futures::stream::FuturesUnordered<_> = subscriptions
        .all()
        .zip(seen)
        .map(|(w, before)| async move { w.subscription.state_when(|now| *now != before).await })
        .collect();
    if waits.is_empty() {
        std::future::pending::<()>().await;
    }
    futures::StreamExt::next(&mut waits).await;
}

/// From here on events become keys; every key there is runs once at low priority, which also finds orphans: the caches of
/// what is applied map to keys whose primary may be gone.
fn go_live(shared: &Arc<Shared>, binding: &Arc<Binding>, subscriptions: &Subscriptions) {
    if binding.live.swap(true, Ordering::AcqRel) {
        return;
    }
    binding.set_running();
    for watched in subscriptions.all() {
        watched.subscription.replay(Priority::Low);
    }
    if binding.revision.load().member_primary() {
        shared.queue.add(binding.key(Target::Member), Priority::Low);
    }
}
