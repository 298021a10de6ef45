//! One member's manager: a task that engages it, serves it and lets it go.
//!
//! Everything a manager waits for is its own: a member that never answers holds up nobody, not even by a lock.

pub(crate) mod connect;
mod serve;
mod update;

use std::{collections::VecDeque, sync::Arc, time::Duration};

use motet_cluster::{Backoff, Client};
use motet_core::{MemberName, ports::MemberApi, request::MemberInfo};
use motet_watch::MemberCaches;
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;

use self::{
    connect::{Connected, Refusal, connect},
    serve::End,
};
use crate::{
    FleetEvent, FleetSettings, Member, MemberSpec, MemberState,
    claims::{Claims, Rank, Standing},
    member::SwitchApi,
    status::StatusCell,
};

/// What all managers share.
pub(crate) struct Shared {
    pub(crate) settings: FleetSettings,
    pub(crate) claims: Claims,
    pub(crate) events: mpsc::Sender<FleetEvent>,
}

/// One manager.
pub(crate) struct Manager {
    name: MemberName,
    shared: Arc<Shared>,
    specs: watch::Receiver<Arc<MemberSpec>>,
    status: Arc<StatusCell>,
    /// The identity it claims, from the first time it was known until it is another one.
    claim: Option<(String, Rank)>,
    /// Events that were decided on but not yet taken; none is lost when the manager is stopped meanwhile.
    outbox: VecDeque<FleetEvent>,
}

/// A member that is being served.
struct Engaged {
    member: Arc<Member>,
    api: Arc<SwitchApi>,
    /// The present connection; closed while the member is lost.
    client: Client,
    identity: String,
    /// What the provider says now.
    announced: Arc<MemberSpec>,
    /// What the connection was made from: not what is announced, while an update is rejected.
    proven: Arc<MemberSpec>,
    /// Why it was lost, while it is.
    lost: Option<String>,
}

impl Manager {
    pub(crate) fn new(shared: Arc<Shared>, specs: watch::Receiver<Arc<MemberSpec>>, status: Arc<StatusCell>) -> Self {
        let name = specs.borrow().name.clone();
        Self { name, shared, specs, status, claim: None, outbox: VecDeque::new() }
    }

    /// Runs until cancelled; then disengages.
    pub(crate) async fn run(mut self, cancel: CancellationToken) {
        let mut engaged = None;
        tokio::select! {
            () = cancel.cancelled() => {}
            () = self.live(&mut engaged) => {}
        }
        self.status.set(MemberState::Removed, "", "");
        self.flush().await;
        if let Some(engaged) = engaged.take() {
            self.disengage(engaged).await;
        }
        if let Some((identity, rank)) = self.claim.take() {
            self.shared.claims.withdraw(&identity, &rank);
        }
    }

    async fn live(&mut self, engaged: &mut Option<Engaged>) {
        loop {
            if engaged.is_none() {
                *engaged = Some(self.engage().await);
                self.status.set(MemberState::Ready, "", "");
                if let Some(engaged) = engaged.as_ref() {
                    self.emit(FleetEvent::Engaged(engaged.member.clone())).await;
                }
            }
            let Some(serving) = engaged.as_mut() else { continue };
            let end = self.serve(serving).await;
            self.status.set(MemberState::Connecting, "", "");
            if let Some(gone) = engaged.take() {
                self.disengage(gone).await;
            }
            // Only now: two managers must not serve one cluster at the same time.
            if let (End::Outranked, Some((identity, rank))) = (&end, &self.claim) {
                self.shared.claims.let_go(identity, rank);
            } else if let Some((identity, rank)) = self.claim.take() {
                self.shared.claims.withdraw(&identity, &rank);
            }
        }
    }

    /// Tries until the member is reached and nobody else serves its cluster.
    async fn engage(&mut self) -> Engaged {
        let mut backoff = self.backoff();
        self.status.set(MemberState::Connecting, "", "");
        loop {
            let spec = self.specs.borrow_and_update().clone();
            self.announce(&spec);
            let settings = &self.shared.settings;
            let attempt = tokio::select! {
                attempt = connect(&spec, settings) => attempt,
                // Better news than the end of this attempt.
                Ok(()) = self.specs.changed() => continue,
            };
            match attempt {
                Ok(connected) => match self.take_turn(&connected.identity, &spec) {
                    Standing::Holds => return self.engaged(connected, spec),
                    Standing::Behind(other) => {
                        connected.client.close();
                        let message = format!("this cluster ({}) is the member {other} already", connected.identity);
                        self.status.set(MemberState::Refused, "DuplicateMember", &message);
                        self.wait_for_turn().await;
                        backoff.reset();
                    }
                },
                Err(refusal) => {
                    let wait = if refusal.retry { next_wait(&mut backoff) } else { self.shared.settings.reconnect_max };
                    self.failed(&refusal);
                    tokio::select! {
                        () = tokio::time::sleep(wait) => {}
                        Ok(()) = self.specs.changed() => backoff.reset(),
                    }
                }
            }
        }
    }

    fn backoff(&self) -> Backoff {
        Backoff::new(self.shared.settings.reconnect_min, self.shared.settings.reconnect_max, Duration::MAX)
    }

    fn failed(&self, refusal: &Refusal) {
        let state = if refusal.unacceptable { MemberState::Refused } else { MemberState::Unreachable };
        self.status.set(state, &refusal.reason, &refusal.message);
    }

    /// Claims an identity, giving up the claim to any other.
    fn take_turn(&mut self, identity: &str, spec: &MemberSpec) -> Standing {
        let claim = (identity.to_string(), spec.rank());
        if let Some((old_identity, old_rank)) = self.claim.replace(claim.clone()).filter(|old| *old != claim) {
            self.shared.claims.withdraw(&old_identity, &old_rank);
        }
        self.shared.claims.claim(identity, &claim.1)
    }

    /// Returns when it may be this member's turn, or when it is announced differently.
    async fn wait_for_turn(&mut self) {
        let mut changes = self.shared.claims.changes();
        while !self.may_serve() {
            tokio::select! {
                Ok(()) = changes.changed() => {}
                Ok(()) = self.specs.changed() => return,
            }
        }
    }

    fn may_serve(&self) -> bool {
        let claim = self.claim.as_ref();
        claim.is_none_or(|(identity, rank)| self.shared.claims.claim(identity, rank) == Standing::Holds)
    }

    fn announce(&self, spec: &MemberSpec) {
        self.status.update(|status| {
            status.labels.clone_from(&spec.labels);
            status.provider.clone_from(&spec.provider);
        });
    }

    fn engaged(&self, connected: Connected, spec: Arc<MemberSpec>) -> Engaged {
        let Connected { client, identity, version } = connected;
        let api = SwitchApi::new(self.name.clone(), client.clone());
        let direct: Arc<dyn MemberApi> = Arc::new(client.clone());
        let caches = MemberCaches::new(self.name.clone(), direct, self.shared.settings.caches.clone());
        self.status.set_caches(&caches);
        self.status.update(|status| {
            status.uid.clone_from(&identity);
            status.server = client.server().into();
            status.version = version;
        });
        let member = Arc::new(Member { info: info(&spec, &identity), api: api.clone(), caches, paused: spec.paused() });
        Engaged { member, api, client, identity, proven: spec.clone(), announced: spec, lost: None }
    }

    /// Frees everything that the member used, then says so.
    async fn disengage(&mut self, engaged: Engaged) {
        engaged.api.switch(None);
        engaged.member.caches.close();
        engaged.client.close();
        drop(engaged);
        self.emit(FleetEvent::Disengaged(self.name.clone())).await;
    }

    async fn emit(&mut self, event: FleetEvent) {
        self.outbox.push_back(event);
        self.flush().await;
    }

    async fn flush(&mut self) {
        while let Some(event) = self.outbox.front() {
            // Without a receiver the host is going down, and nobody needs to know.
            let _ = self.shared.events.send(event.clone()).await;
            self.outbox.pop_front();
        }
    }
}

fn info(spec: &MemberSpec, identity: &str) -> Arc<MemberInfo> {
    let labels = spec.labels.iter().map(|(k, v)| (k.clone(), v.clone())).collect();
    Arc::new(MemberInfo { name: spec.name.clone(), uid: identity.into(), labels })
}

/// The next wait; between half and all of what is due, so that members lost together do not return together.
fn next_wait(backoff: &mut Backoff) -> Duration {
    backoff.next_wait() / 2
}
