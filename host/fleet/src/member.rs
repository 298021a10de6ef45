//! A member as the rest of the host holds it, whatever happens to its connection.

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use futures::stream::{self, BoxStream, StreamExt as _};
use motet_cluster::Client;
use motet_core::{
    ApiError, Change, Gvk, MemberName, ObjectName, Resource,
    change::Interrupted,
    description::Scope,
    ports::{ListQuery, MemberApi, Page, Write},
    request::MemberInfo,
};
use motet_watch::MemberCaches;
use parking_lot::RwLock;

/// One engaged member.
#[derive(Clone)]
pub struct Member {
    /// What plugins are told about it.
    pub info: Arc<MemberInfo>,
    /// Its API: always the present connection; without one, every call fails at once.
    pub api: Arc<dyn MemberApi>,
    /// Its caches.
    pub caches: Arc<MemberCaches>,
    /// Whether nothing is to run on it.
    pub paused: bool,
}

/// What happened to a member. For each member the events come in this order: engaged, then any number of the others, then disengaged.
#[derive(Clone)]
pub enum FleetEvent {
    /// It is served from now on.
    Engaged(Arc<Member>),
    /// Its labels or its pause changed.
    Changed(Arc<Member>),
    /// It does not answer; its caches keep what they had.
    Lost(MemberName),
    /// It answers again.
    Returned(MemberName),
    /// It is not served any more; nothing may be written to it.
    Disengaged(MemberName),
}

/// The stable handle behind [`Member::api`].
pub(crate) struct SwitchApi {
    name: MemberName,
    current: RwLock<Option<Client>>,
}

impl SwitchApi {
    pub(crate) fn new(name: MemberName, client: Client) -> Arc<Self> {
        Arc::new(Self { name, current: RwLock::new(Some(client)) })
    }

    /// Points calls elsewhere; those under way finish where they started.
    pub(crate) fn switch(&self, client: Option<Client>) {
        *self.current.write() = client;
    }

    fn client(&self) -> Result<Client, ApiError> {
        self.current
            .read()
            .clone()
            .ok_or_else(|| ApiError::connection(format!("member {} is not connected", self.name)))
    }
}

#[async_trait]
impl MemberApi for SwitchApi {
    async fn resource(&self, gvk: &Gvk) -> Result<Resource, ApiError> {
        self.client()?.resource(gvk).await
    }

    async fn get(&self, resource: &Resource, name: &ObjectName) -> Result<Option<Bytes>, ApiError> {
        self.client()?.get(resource, name).await
    }

    async fn list(&self, resource: &Resource, query: &ListQuery) -> Result<Page, ApiError> {
        self.client()?.list(resource, query).await
    }

    async fn write(&self, resource: &Resource, name: &ObjectName, write: Write) -> Result<Bytes, ApiError> {
        self.client()?.write(resource, name, write).await
    }

    fn watch(&self, resource: &Resource, scope: &Scope, resume: Option<String>) -> BoxStream<'static, Change> {
        match self.client() {
            Ok(client) => client.watch(resource, scope, resume),
            Err(error) => {
                let interrupted = Interrupted { reason: "ConnectionFailed", message: error.message, blocked: false };
                stream::once(async { Change::Interrupted(interrupted) }).chain(stream::pending()).boxed()
            }
        }
    }
}
