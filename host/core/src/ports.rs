//! The two seams of the house: how dispatch runs a plugin, and how it reads and writes a member.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use bytes::Bytes;
use futures::{future::BoxFuture, stream::BoxStream};
use serde_json::Value;

use crate::{
    ApiError, Change, Gvk, ObjectName, ObjectRef, Resource,
    description::Scope,
    outcome::{Outcome, PatchKind, ReconcileError},
    request::Request,
};

/// One page of a list.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Page {
    /// Objects as JSON, each with `apiVersion` and `kind`.
    pub items: Vec<Bytes>,
    /// Token of the next page.
    pub next: Option<String>,
    /// The list's resource version.
    pub resource_version: String,
}

/// What to list.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct ListQuery {
    /// One namespace, or all.
    pub namespace: Option<String>,
    /// Label selector in text form.
    pub labels: String,
    /// Field selector in text form.
    pub fields: String,
    /// Page size; 0 leaves it to the server.
    pub limit: u32,
    /// Token of a page before.
    pub page: Option<String>,
}

/// One write to a member.
#[derive(Debug, Clone, PartialEq)]
pub enum Write {
    /// Server-side apply.
    Apply {
        /// Body, JSON.
        body: Bytes,
        /// Field manager.
        manager: String,
        /// Take over fields of others.
        force: bool,
        /// `status`, or none.
        subresource: Option<&'static str>,
    },
    /// Merge or JSON patch.
    Patch {
        /// Body, JSON.
        body: Bytes,
        /// How it is read.
        kind: PatchKind,
        /// Field manager.
        manager: String,
        /// A subresource.
        subresource: Option<String>,
    },
    /// Creation; the name of the call's target is ignored where the body uses `generateName`.
    Create {
        /// Body, JSON.
        body: Bytes,
        /// Field manager.
        manager: String,
    },
    /// Deletion with background propagation.
    Delete {
        /// Precondition.
        uid: Option<String>,
        /// Precondition.
        resource_version: Option<String>,
    },
}

/// How one member is read and written. Every call has a timeout of its own; errors name what was being done.
#[async_trait]
pub trait MemberApi: Send + Sync {
    /// How this member serves a kind; 404 with reason `KindMissing` where it does not (after one refresh of discovery).
    async fn resource(&self, gvk: &Gvk) -> Result<Resource, ApiError>;
    /// One object; `None` where it does not exist.
    async fn get(&self, resource: &Resource, name: &ObjectName) -> Result<Option<Bytes>, ApiError>;
    /// One page.
    async fn list(&self, resource: &Resource, query: &ListQuery) -> Result<Page, ApiError>;
    /// One write; the object after it (for a deletion the server's answer).
    async fn write(&self, resource: &Resource, name: &ObjectName, write: Write) -> Result<Bytes, ApiError>;
    /// A list+watch stream that restarts itself, from `resume` (a resource version) where given. Dropping it ends it.
    /// `scope.namespaces` has at most one element: a cache over several namespaces opens one stream each.
    fn watch(&self, resource: &Resource, scope: &Scope, resume: Option<String>) -> BoxStream<'static, Change>;
}

/// A read that a guest asks for while it reconciles.
#[derive(Debug, Clone, PartialEq)]
pub enum HostCall {
    /// Some objects.
    Get(Vec<ObjectRef>),
    /// One page of a list.
    List {
        /// The kind.
        gvk: Gvk,
        /// Which.
        query: ListQuery,
    },
}

/// Why a read was not answered.
#[derive(Debug, Clone, PartialEq)]
pub enum ReadError {
    /// No need or no grant covers it.
    NotGranted(String),
    /// The member's answer, or the host's where it could not ask.
    Api(ApiError),
}

/// The answer to a [`HostCall`].
#[derive(Debug, Clone, PartialEq)]
pub enum HostReply {
    /// One result for each object asked for, in order.
    Objects(Vec<Result<Option<Bytes>, ReadError>>),
    /// The page.
    Page(Result<Page, ReadError>),
}

/// Where a sandbox sends a guest's reads. A value rather than a trait: it may become a pipe to a worker process.
pub type HostCalls = Arc<dyn Fn(HostCall) -> BoxFuture<'static, HostReply> + Send + Sync>;

/// The limits of one plugin, per member where they are rates (defaults in [`Limits::default`], from INTERFACE).
#[derive(Debug, Clone, PartialEq)]
pub struct Limits {
    /// Wall time of one reconcile.
    pub deadline: Duration,
    /// CPU time of one reconcile.
    pub cpu: Duration,
    /// Linear memory, bytes.
    pub memory: u64,
    /// Guest stack, bytes; enforced to the next power of two from 64 KiB to 1 MiB.
    pub stack: u64,
    /// Intents per outcome (a set counts its objects).
    pub intents: u64,
    /// Bytes per outcome.
    pub outcome_bytes: u64,
    /// Host calls per reconcile.
    pub host_calls: u64,
    /// Log bytes per second.
    pub log_bytes_per_second: u64,
    /// Reconciles at once, per member.
    pub concurrency: u32,
    /// Live reads per second, per member.
    pub reads_per_second: u32,
    /// Writes per second, per member.
    pub writes_per_second: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            deadline: Duration::from_secs(5),
            cpu: Duration::from_secs(1),
            memory: 64 << 20,
            stack: 1 << 20,
            intents: 1000,
            outcome_bytes: 4 << 20,
            host_calls: 1000,
            log_bytes_per_second: 64 << 10,
            concurrency: 8,
            reads_per_second: 50,
            writes_per_second: 50,
        }
    }
}

/// One compiled plugin, ready to run. Each call runs in a fresh instance; nothing is kept between calls.
#[async_trait]
pub trait Sandbox: Send + Sync {
    /// Runs one reconcile under `limits`, answering the guest's reads through `calls`.
    async fn reconcile(&self, request: Request, limits: &Limits, calls: HostCalls) -> Result<Outcome, ReconcileError>;
}

/// Parses an object that a plugin produced; the error is what `previous` says about it.
pub fn parse_object(bytes: &[u8]) -> Result<Value, ApiError> {
    let invalid = |message: String| ApiError::new(0, "Invalid", message);
    let value: Value =
        serde_json::from_slice(bytes).map_err(|e| invalid(format!("the object is not valid JSON: {e}")))?;
    if value.is_object() { Ok(value) } else { Err(invalid("the object is not a JSON object".into())) }
}
