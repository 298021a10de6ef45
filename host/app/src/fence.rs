//! Keeps two hosts from writing to one member while the hub, which decides between them, cannot be asked.
//!
//! The active host puts its name into a Lease on each member that it engages. A host that has lost the hub goes on only where that
//! Lease still bears its name, which it then looks at all the time. A host that took over from one that had not let go and finds
//! another's name there puts its own there first and waits until the other must have noticed. While the hub answers, nothing of this costs a request.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use motet_core::{
    ApiError, Gvk, MemberName, ObjectName,
    names::{HOST_MANAGER, SYSTEM_NAMESPACE},
    ports::{MemberApi, Write},
};
use motet_dispatch::{Dispatcher, EngagedMember};
use motet_fleet::{FleetEvent, Member};
use parking_lot::Mutex;
use serde_json::json;
use tokio::{sync::watch, time::Instant};
use tokio_util::sync::CancellationToken;

use crate::lease;

/// Between two looks at a member's Lease without the hub.
const PERIOD: Duration = Duration::from_secs(2);
/// Without a look that showed this host's name for so long, nothing is written to the member.
const CONFIRMED: Duration = Duration::from_secs(4);
/// How long a successor waits on a member after it put its name there: the other notices, and what it has in flight ends.
const NOTICE: Duration = Duration::from_secs(8);
/// The longest between two attempts to put the name on a member, which may have no namespace for it yet: nothing was ever written
/// there.
const AGAIN: Duration = Duration::from_secs(20);

/// Stands between fleet and dispatch.
pub(crate) struct Fence {
    dispatcher: Dispatcher,
    /// This host's name; `None` where there is no hub and so no other host.
    identity: Option<String>,
    /// Another host may still be writing: it did not let go of the hub's Lease.
    hasty: bool,
    hub_away: watch::Receiver<bool>,
    members: Mutex<BTreeMap<MemberName, Fenced>>,
}

struct Fenced {
    member: Arc<Member>,
    lost: bool,
    /// Handed to dispatch.
    engaged: bool,
    /// Held back: the Lease was not seen with this host's name.
    held: bool,
    confirmed: Instant,
    gone: CancellationToken,
}

impl Fence {
    pub(crate) fn new(
        dispatcher: Dispatcher,
        identity: Option<String>,
        hasty: bool,
        hub_away: watch::Receiver<bool>,
    ) -> Arc<Self> {
        Arc::new(Self { dispatcher, identity, hasty, hub_away, members: Mutex::default() })
    }

    /// fleet -> dispatch
    pub(crate) fn pass(self: &Arc<Self>, event: FleetEvent) {
        match event {
            FleetEvent::Engaged(member) => self.engage(member),
            FleetEvent::Changed(member) => self.with(&member.info.name.clone(), |fenced, dispatcher| {
                fenced.member = member;
                if fenced.engaged {
                    fenced.tell(dispatcher);
                }
            }),
            FleetEvent::Lost(name) => self.with(&name, |fenced, dispatcher| {
                fenced.lost = true;
                dispatcher.lose(&name);
            }),
            FleetEvent::Returned(name) => self.with(&name, |fenced, dispatcher| {
                fenced.lost = false;
                dispatcher.regain(&name);
            }),
            FleetEvent::Disengaged(name) => {
                if let Some(fenced) = self.members.lock().remove(&name) {
                    fenced.gone.cancel();
                }
                self.dispatcher.disengage(&name);
            }
        }
    }

    fn with(&self, name: &MemberName, change: impl FnOnce(&mut Fenced, &Dispatcher)) {
        if let Some(fenced) = self.members.lock().get_mut(name) {
            change(fenced, &self.dispatcher);
        }
    }

    fn engage(self: &Arc<Self>, member: Arc<Member>) {
        let (name, gone) = (member.info.name.clone(), CancellationToken::new());
        let fenced = Fenced {
            member: member.clone(),
            lost: false,
            engaged: false,
            held: false,
            confirmed: Instant::now(),
            gone: gone.clone(),
        };
        self.members.lock().insert(name.clone(), fenced);
        let Some(identity) = self.identity.clone() else { return self.hand_over(&name) };
        if !self.hasty {
            self.hand_over(&name);
        }
        let fence = self.clone();
        tokio::spawn(gone.run_until_cancelled_owned(async move {
            if fence.hasty && !fence.is_free(&*member.api, &identity).await {
                tracing::info!(member = %name, wait = ?NOTICE, "the host before this one did not let go: waiting until it must have noticed");
                fence.sign(&*member.api, &identity, true).await;
                tokio::time::sleep(NOTICE).await;
            }
            if fence.hasty {
                fence.hand_over(&name);
            }
            fence.sign(&*member.api, &identity, false).await;
        }));
    }

    /// Whether nobody else's name stands on a member: a host without its name there wrote nothing any more by the time when its
    /// Lease in the hub had run out.
    async fn is_free(&self, api: &dyn MemberApi, identity: &str) -> bool {
        let seen = tokio::time::timeout(PERIOD, signed(api)).await;
        matches!(seen, Ok(Ok(holder)) if holder.is_empty() || holder == identity)
    }

    fn hand_over(&self, name: &MemberName) {
        self.with(name, |fenced, dispatcher| {
            let member = &fenced.member;
            dispatcher.engage(EngagedMember {
                info: member.info.clone(),
                api: member.api.clone(),
                caches: member.caches.clone(),
                paused: member.paused,
            });
            fenced.engaged = true;
            if fenced.lost {
                dispatcher.lose(name);
            }
        });
    }

    /// Looks after members for as long as the hub is away; ends with the process.
    pub(crate) async fn guard(self: Arc<Self>) {
        let mut hub_away = self.hub_away.clone();
        while hub_away.wait_for(|away| *away).await.is_ok() {
            tracing::warn!("the hub is away: going on with what is known, on members that still bear this host's name");
            self.members.lock().values_mut().for_each(|fenced| fenced.confirmed = Instant::now());
            while *hub_away.borrow() {
                self.look().await;
                let _ = tokio::time::timeout(PERIOD, hub_away.wait_for(|away| !*away)).await;
            }
            tracing::info!("the hub is back");
            let mut members = self.members.lock();
            members.values_mut().for_each(|fenced| fenced.hold(false, &self.dispatcher));
        }
    }

    /// Puts this host's name on a member. Returns where that is done, or cannot be: then nobody goes on there without the hub. In
    /// haste, a member without a namespace for it counts as done: nobody has written there.
    async fn sign(&self, api: &dyn MemberApi, identity: &str, haste: bool) {
        let (mut wait, mut hub_away) = (Duration::from_millis(250), self.hub_away.clone());
        loop {
            // Another may be at work there by now, and its name must stay.
            if hub_away.wait_for(|away| !*away).await.is_err() {
                return;
            }
            match put_name(api, identity).await {
                Ok(()) => return,
                Err(error) if error.is_not_found() && haste => return,
                Err(error) if error.is_terminal() && !error.is_not_found() => {
                    return tracing::info!(%error, "this host may not put its name on a member (leases in motet-system): without the hub nothing is written there");
                }
                Err(_) => wait = (wait * 2).min(AGAIN),
            }
            tokio::time::sleep(wait).await;
        }
    }

    /// One look at every member, all at once.
    async fn look(&self) {
        let Some(identity) = &self.identity else { return };
        let members: Vec<(MemberName, Arc<dyn MemberApi>)> =
            self.members.lock().iter().map(|(name, fenced)| (name.clone(), fenced.member.api.clone())).collect();
        let looks = members.into_iter().map(|(name, api)| async move {
            let seen = tokio::time::timeout(PERIOD, signed(&*api)).await;
            (name, seen.ok().and_then(Result::ok))
        });
        for (name, holder) in futures::future::join_all(looks).await {
            self.with(&name, |fenced, dispatcher| match holder {
                Some(holder) if holder == *identity => {
                    fenced.confirmed = Instant::now();
                    fenced.hold(false, dispatcher);
                }
                // Somebody else put its name there: it may write at any time.
                Some(holder) if !holder.is_empty() => fenced.hold(true, dispatcher),
                _ => fenced.hold(fenced.confirmed.elapsed() >= CONFIRMED, dispatcher),
            });
        }
    }
}

impl Fenced {
    fn hold(&mut self, held: bool, dispatcher: &Dispatcher) {
        if self.held != held && self.engaged {
            self.held = held;
            tracing::warn!(member = %self.member.info.name, held, "writes to the member while the hub is away");
            self.tell(dispatcher);
        }
    }

    fn tell(&self, dispatcher: &Dispatcher) {
        dispatcher.change_member(self.member.info.clone(), self.member.paused || self.held);
    }
}

async fn put_name(api: &dyn MemberApi, identity: &str) -> Result<(), ApiError> {
    let namespaces = api.resource(&Gvk::new("", "v1", "Namespace")).await?;
    if api.get(&namespaces, &ObjectName::cluster(SYSTEM_NAMESPACE)).await?.is_none() {
        return Err(ApiError::new(404, "NotFound", format!("the member has no namespace {SYSTEM_NAMESPACE}")));
    }
    let resource = lease::resource(api).await?;
    let body = json!({
        "apiVersion": "coordination.k8s.io/v1",
        "kind": "Lease",
        "metadata": { "name": lease::NAME, "namespace": SYSTEM_NAMESPACE },
        "spec": { "holderIdentity": identity },
    });
    let write =
        Write::Apply { body: lease::bytes(&body), manager: HOST_MANAGER.into(), force: true, subresource: None };
    api.write(&resource, &place(), write).await.map(drop)
}

/// Where a member's Lease is.
fn place() -> ObjectName {
    ObjectName::namespaced(SYSTEM_NAMESPACE, lease::NAME)
}

/// Whose name a member bears; empty for nobody's.
async fn signed(api: &dyn MemberApi) -> Result<String, ApiError> {
    let resource = lease::resource(api).await?;
    let lease = api.get(&resource, &place()).await?;
    Ok(lease.map(|lease| lease::holder(&lease)).unwrap_or_default())
}
