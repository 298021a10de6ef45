//! Counts what this host writes to the hub and what the hub says to it: status, Events, Leases, reviews.

use std::collections::BTreeMap;

use async_trait::async_trait;
use bytes::Bytes;
use futures::stream::BoxStream;
use motet_cluster::Client;
use motet_core::{
    ApiError, Change, Gvk, ObjectName, Resource,
    description::Scope,
    ports::{ListQuery, MemberApi, Page, Write},
};
use parking_lot::Mutex;

/// Writes by verb and HTTP code; 0 where no answer came.
type Counts = BTreeMap<(&'static str, u16), u64>;

/// The hub, its writes counted.
pub(crate) struct Counted {
    hub: Client,
    writes: Mutex<Counts>,
}

impl Counted {
    pub(crate) fn new(hub: Client) -> Self {
        Self { hub, writes: Mutex::default() }
    }

    /// The counts so far.
    pub(crate) fn writes(&self) -> Counts {
        self.writes.lock().clone()
    }
}

fn verb(write: &Write) -> &'static str {
    match write {
        Write::Apply { .. } => "apply",
        Write::Patch { .. } => "patch",
        Write::Create { .. } => "create",
        Write::Delete { .. } => "delete",
    }
}

#[async_trait]
impl MemberApi for Counted {
    async fn resource(&self, gvk: &Gvk) -> Result<Resource, ApiError> {
        self.hub.resource(gvk).await
    }

    async fn get(&self, resource: &Resource, name: &ObjectName) -> Result<Option<Bytes>, ApiError> {
        self.hub.get(resource, name).await
    }

    async fn list(&self, resource: &Resource, query: &ListQuery) -> Result<Page, ApiError> {
        self.hub.list(resource, query).await
    }

    async fn write(&self, resource: &Resource, name: &ObjectName, write: Write) -> Result<Bytes, ApiError> {
        let verb = verb(&write);
        let answer = self.hub.write(resource, name, write).await;
        let code = answer.as_ref().map_or_else(|error| error.code, |_| 200);
        *self.writes.lock().entry((verb, code)).or_default() += 1;
        answer
    }

    fn watch(&self, resource: &Resource, scope: &Scope, resume: Option<String>) -> BoxStream<'static, Change> {
        self.hub.watch(resource, scope, resume)
    }
}
