//! Serving a member: its health, and what follows from losing it.

use std::{sync::Arc, time::Duration};

use futures::future::{BoxFuture, FutureExt as _, OptionFuture};
use motet_cluster::{Backoff, Client, Credentials, Probe};
use motet_core::{ApiError, ports::MemberApi};
use tokio::time::{Instant, sleep_until};

use super::{
    Engaged, Manager,
    connect::{self, Connected, Refusal},
    next_wait,
    update::Handover,
};
use crate::{FleetEvent, FleetSettings, MemberSpec, MemberState};

/// Why serving ended.
pub(super) enum End {
    /// The member is another cluster now.
    Moved,
    /// Another member has the better claim on the cluster.
    Outranked,
}

/// What an attempt to connect, or to use a new token, came to.
pub(super) enum Attempted {
    /// A connection, and what it was made from.
    Connected(Connected, Arc<MemberSpec>),
    /// The new token is accepted.
    Token(Credentials),
}

type Attempt = BoxFuture<'static, Result<Attempted, Refusal>>;

/// What is under way for a member that is served.
pub(super) struct Work {
    probe_at: Instant,
    probing: Option<BoxFuture<'static, Result<Probe, ApiError>>>,
    failures: u32,
    pub(super) attempt: Option<Attempt>,
    pub(super) handover: Option<Handover>,
    pub(super) backoff: Backoff,
}

impl Manager {
    pub(super) async fn serve(&mut self, engaged: &mut Engaged) -> End {
        let mut claims = self.shared.claims.changes();
        claims.mark_changed();
        let mut work = Work {
            probe_at: self.next_probe(),
            probing: None,
            failures: 0,
            attempt: None,
            handover: None,
            backoff: self.backoff(),
        };
        loop {
            let idle = work.probing.is_none() && engaged.lost.is_none();
            let end = tokio::select! {
                Ok(()) = self.specs.changed() => {
                    let spec = self.specs.borrow_and_update().clone();
                    self.changed(engaged, &mut work, spec).await
                }
                Ok(()) = claims.changed() => (!self.may_serve()).then_some(End::Outranked),
                () = sleep_until(work.probe_at), if idle => {
                    let client = engaged.client.clone();
                    work.probing = Some(async move { client.probe().await }.boxed());
                    None
                }
                Some(probe) = OptionFuture::from(work.probing.as_mut()) => {
                    work.probing = None;
                    self.probed(engaged, &mut work, probe).await;
                    None
                }
                Some(attempted) = OptionFuture::from(work.attempt.as_mut()) => {
                    work.attempt = None;
                    self.attempted(engaged, &mut work, attempted).await
                }
                Some(()) = OptionFuture::from(work.handover.as_mut().map(|h| &mut h.ready)) => {
                    self.take_over(engaged, &mut work);
                    None
                }
            };
            if let Some(end) = end {
                return end;
            }
        }
    }

    /// Spread out, so that a fleet engaged at once is not probed at once.
    fn next_probe(&self) -> Instant {
        Instant::now() + self.shared.settings.probe_interval.mul_f64(0.9 + rand::random::<f64>() / 5.0)
    }

    async fn probed(&mut self, engaged: &mut Engaged, work: &mut Work, probe: Result<Probe, ApiError>) {
        work.probe_at = self.next_probe();
        let error = match probe {
            Ok(probe) => {
                work.failures = 0;
                self.status.update(|status| {
                    status.latency = Some(probe.latency);
                    status.probes.observe(probe.latency);
                });
                return;
            }
            Err(error) => error,
        };
        work.failures += 1;
        let refusal = Refusal::of(&error);
        if error.is_unauthorized() && work.failures == 1 {
            // Credentials that renew themselves were told to; ask again at once.
            work.probe_at = Instant::now();
        } else if error.is_unauthorized() || work.failures >= self.shared.settings.unhealthy_after {
            self.lose(engaged, work, &refusal).await;
        } else {
            tracing::debug!(member = %self.name, failures = work.failures, %error, "a probe failed");
        }
    }

    /// Gives up the connection, keeps what the caches hold, and starts to reconnect.
    async fn lose(&mut self, engaged: &mut Engaged, work: &mut Work, refusal: &Refusal) {
        if work.handover.is_some() {
            // A newer connection is being warmed up: it may well answer.
            self.take_over(engaged, work);
            work.failures = 0;
            return;
        }
        engaged.lost = Some(refusal.reason.clone());
        engaged.api.switch(None);
        engaged.member.caches.pause();
        engaged.client.close();
        (work.failures, work.probing) = (0, None);
        work.backoff.reset();
        self.status.set(MemberState::Unreachable, &refusal.reason, &refusal.message);
        self.status.update(|status| status.latency = None);
        self.retry(engaged, work);
        self.emit(FleetEvent::Lost(self.name.clone())).await;
    }

    /// Tries the present announcement again after the next wait.
    pub(super) fn retry(&self, engaged: &Engaged, work: &mut Work) {
        let wait = next_wait(&mut work.backoff);
        work.attempt = Some(self.attempt(engaged, wait));
    }

    /// Tries what is announced now: another token over the present connection, or another connection. A lost member is also sought
    /// where it was reached last, in case what is announced is wrong.
    pub(super) fn attempt(&self, engaged: &Engaged, wait: Duration) -> Attempt {
        let (settings, lost) = (self.shared.settings.clone(), engaged.lost.is_some());
        let (spec, proven, present) = (engaged.announced.clone(), engaged.proven.clone(), engaged.client.clone());
        async move {
            tokio::time::sleep(wait).await;
            if !lost {
                return update(&spec, &present, &settings).await;
            }
            let refusal = match reach(&spec, &settings).await {
                Ok(connected) => return Ok(Attempted::Connected(connected, spec)),
                Err(refusal) => refusal,
            };
            if !proven.connects_differently(&spec) {
                return Err(refusal);
            }
            reach(&proven, &settings)
                .await
                .map(|connected| Attempted::Connected(connected, proven))
                .map_err(|_| refusal)
        }
        .boxed()
    }

    async fn attempted(
        &mut self,
        engaged: &mut Engaged,
        work: &mut Work,
        attempted: Result<Attempted, Refusal>,
    ) -> Option<End> {
        match attempted {
            Ok(Attempted::Connected(connected, _)) if connected.identity != engaged.identity => {
                connected.client.close();
                return Some(End::Moved);
            }
            Ok(Attempted::Connected(connected, spec)) if engaged.lost.is_some() => {
                self.returned(engaged, work, connected, spec).await;
            }
            Ok(Attempted::Connected(connected, spec)) => self.hand_over(engaged, work, connected, spec),
            Ok(Attempted::Token(credentials)) => self.use_token(engaged, work, credentials),
            Err(refusal) if engaged.lost.is_some() => {
                self.status.set(MemberState::Unreachable, &refusal.reason, &refusal.message);
                self.retry(engaged, work);
            }
            Err(refusal) => self.rejected(engaged, work, &refusal),
        }
        None
    }

    async fn returned(&mut self, engaged: &mut Engaged, work: &mut Work, connected: Connected, spec: Arc<MemberSpec>) {
        let reason = engaged.lost.take().unwrap_or_default();
        let rejected = spec.connects_differently(&engaged.announced);
        self.adopt(engaged, connected, spec, &reason);
        let direct: Arc<dyn MemberApi> = Arc::new(engaged.client.clone());
        engaged.member.caches.resume(direct);
        (work.failures, work.probe_at) = (0, self.next_probe());
        work.backoff.reset();
        self.status.set(MemberState::Ready, "", "");
        if rejected {
            // It came back by what was announced before; the update is tried on.
            self.status.set(
                MemberState::Ready,
                "UpdateRejected",
                "the changed kubeconfig is not used: it does not reach the member",
            );
            self.retry(engaged, work);
        }
        self.emit(FleetEvent::Returned(self.name.clone())).await;
    }

    /// Makes a connection the present one.
    pub(super) fn adopt(&self, engaged: &mut Engaged, connected: Connected, spec: Arc<MemberSpec>, reason: &str) {
        engaged.client.close();
        (engaged.client, engaged.proven) = (connected.client, spec);
        engaged.api.switch(Some(engaged.client.clone()));
        self.status.update(|status| {
            status.server = engaged.client.server().into();
            status.version = connected.version;
            *status.reconnects.entry(reason.into()).or_default() += 1;
        });
    }
}

/// Tries an update while the old connection serves: a changed token alone needs no new one.
async fn update(spec: &Arc<MemberSpec>, present: &Client, settings: &FleetSettings) -> Result<Attempted, Refusal> {
    let client = connect::client(spec, settings)?;
    let wanted = client.connection();
    if present.connection().differs_only_in_token(&wanted) {
        present.try_credentials(&wanted.credentials).await.map_err(|e| Refusal::of(&e))?;
        return Ok(Attempted::Token(wanted.credentials));
    }
    let connected = connect::prove(client, spec).await?;
    Ok(Attempted::Connected(connected, spec.clone()))
}

/// Reaches a lost member, often enough in a row to be trusted.
async fn reach(spec: &MemberSpec, settings: &FleetSettings) -> Result<Connected, Refusal> {
    let connected = connect::connect(spec, settings).await?;
    for _ in 1..settings.healthy_after {
        tokio::time::sleep(settings.probe_interval.min(settings.reconnect_min)).await;
        if let Err(error) = connected.client.probe().await {
            connected.client.close();
            return Err(Refusal::of(&error));
        }
    }
    Ok(connected)
}
