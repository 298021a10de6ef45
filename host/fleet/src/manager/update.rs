//! A member that is announced differently: make before break, and a changed token in place.

use std::{sync::Arc, time::Duration};

use futures::future::{BoxFuture, FutureExt as _};
use motet_cluster::Credentials;
use motet_core::ports::MemberApi;

use super::{
    Engaged, Manager,
    connect::{self, Connected, Refusal},
    info,
    serve::{End, Work},
};
use crate::{FleetEvent, Member, MemberSpec, MemberState};

/// A new connection on which the caches get in step while the old one serves on.
pub(super) struct Handover {
    connected: Connected,
    spec: Arc<MemberSpec>,
    /// Done when every cache is in step, or has had its time.
    pub(super) ready: BoxFuture<'static, ()>,
}

impl Manager {
    /// Takes in what the provider says now.
    pub(super) async fn changed(
        &mut self,
        engaged: &mut Engaged,
        work: &mut Work,
        spec: Arc<MemberSpec>,
    ) -> Option<End> {
        let before = std::mem::replace(&mut engaged.announced, spec.clone());
        self.announce(&spec);
        let renamed = before.identity != spec.identity && spec.identity.as_ref() != Some(&engaged.identity);
        if renamed || before.rank() != spec.rank() {
            return Some(End::Moved);
        }
        if before.labels != spec.labels {
            let member =
                Member { info: info(&spec, &engaged.identity), paused: spec.paused(), ..(*engaged.member).clone() };
            engaged.member = Arc::new(member);
            self.emit(FleetEvent::Changed(engaged.member.clone())).await;
        }
        if before.connects_differently(&spec) {
            self.reconnect(engaged, work);
        }
        None
    }

    /// Starts what the new kubeconfig asks for: nothing, another token, or another connection.
    fn reconnect(&self, engaged: &mut Engaged, work: &mut Work) {
        if work.handover.is_some() {
            // What is half handed over is what the provider said before: compare with that.
            self.take_over(engaged, work);
        }
        work.backoff.reset();
        work.attempt = None;
        let same = connect::client(&engaged.announced, &self.shared.settings)
            .is_ok_and(|client| client.connection() == engaged.client.connection());
        if same && engaged.lost.is_none() {
            self.status.set(MemberState::Ready, "", "");
        } else {
            work.attempt = Some(self.attempt(engaged, Duration::ZERO));
        }
    }

    /// The update does not work: the old connection serves on.
    pub(super) fn rejected(&self, engaged: &Engaged, work: &mut Work, refusal: &Refusal) {
        let message = format!("the changed kubeconfig is not used ({}): {}", refusal.reason, refusal.message);
        if engaged.lost.is_some() {
            self.status.set(MemberState::Unreachable, &refusal.reason, &message);
        } else {
            self.status.set(MemberState::Ready, "UpdateRejected", &message);
        }
        if refusal.retry {
            self.retry(engaged, work);
        }
    }

    pub(super) fn use_token(&self, engaged: &mut Engaged, work: &mut Work, credentials: Credentials) {
        match engaged.client.swap_credentials(credentials) {
            Ok(()) => {
                engaged.proven = engaged.announced.clone();
                tracing::info!(member = %engaged.announced.name, "the member's new token is in use");
                work.backoff.reset();
                self.status.set(MemberState::Ready, "", "");
            }
            Err(error) => self.rejected(engaged, work, &Refusal::of(&error)),
        }
    }

    /// Has the caches follow the new connection; the old one serves reads and writes until they do.
    pub(super) fn hand_over(&self, engaged: &Engaged, work: &mut Work, connected: Connected, spec: Arc<MemberSpec>) {
        let caches = engaged.member.caches.clone();
        let direct: Arc<dyn MemberApi> = Arc::new(connected.client.clone());
        caches.swap_api(direct);
        let limit = self.shared.settings.cache_sync_timeout;
        let ready = async move {
            // Past its time, a cache that is slow or forbidden now holds up only its own bindings.
            let _ = tokio::time::timeout(limit, caches.synced_on_current_api()).await;
        };
        work.handover = Some(Handover { connected, spec, ready: ready.boxed() });
    }

    pub(super) fn take_over(&self, engaged: &mut Engaged, work: &mut Work) {
        let Some(handover) = work.handover.take() else { return };
        self.adopt(engaged, handover.connected, handover.spec, "Update");
        work.backoff.reset();
        self.status.set(MemberState::Ready, "", "");
    }
}
