//! What a reconcile gets.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use serde::Serialize;

use crate::{ApiError, MemberName, ObjectRef, Target};

/// What a plugin is told about the member it runs on.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct MemberInfo {
    /// Its name.
    pub name: MemberName,
    /// Its identity.
    pub uid: String,
    /// Its labels.
    pub labels: Vec<(String, String)>,
}

/// One intent of the last outcome that was not written.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Rejected {
    /// The object concerned.
    pub object: ObjectRef,
    /// `apply`, `status`, `patch`, `delete` or `event`.
    pub verb: &'static str,
    /// Why: the server's answer, or a host refusal with code 0 and a host reason (`NotGranted`, `Invalid`, `OwnedByOtherKey`).
    pub error: ApiError,
}

/// One reconcile.
#[derive(Debug, Clone)]
pub struct Request {
    /// The member.
    pub member: Arc<MemberInfo>,
    /// The key's target.
    pub target: Target,
    /// The primary as this plugin sees it; `None` when it is gone, or when the target is the member.
    pub primary: Option<Bytes>,
    /// Whether the primary is being deleted, or must be cleaned up because the plugin leaves this member.
    pub deleting: bool,
    /// How often this key failed in a row; 0 at first.
    pub attempt: u32,
    /// How long this reconcile may take, wall time.
    pub deadline: Duration,
    /// The plugin's config for this member, as JSON.
    pub config: Bytes,
    /// What of this key's last outcome was not written; empty after success and after a host start.
    pub previous: Arc<Vec<Rejected>>,
}
