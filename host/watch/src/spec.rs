//! What a subscriber asks for and what it gets: plain values.

use std::{collections::BTreeMap, sync::Arc};

use motet_core::{
    ObjectName, PluginName, Priority, Resource, Target,
    description::{Scope, Trigger},
    owned::OwnedDigest,
    path::Projection,
};

use crate::Map;

/// Takes the keys that changes map to. Called from a cache's task: it must not block.
pub type Sink = Arc<dyn Fn(Target, Priority) + Send + Sync>;

/// What someone wants from a kind.
#[derive(Clone)]
pub struct SubscribeSpec {
    /// For whom: decides whose owner annotations and digests are meant.
    pub plugin: PluginName,
    /// Which objects. Several namespaces are one stream each, unless a wider cache exists.
    pub scope: Scope,
    /// What of them; `None` is the whole object without `managedFields`.
    pub projection: Option<Projection>,
    /// Which changes count.
    pub trigger: Trigger,
    /// Which keys an object leads to.
    pub map: Map,
    /// Where the keys go.
    pub sink: Sink,
}

/// Whether a subscription can be relied on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CacheState {
    /// The first list, or one that is needed for this subscription's projection, is not complete.
    Syncing,
    /// It follows its cluster.
    Synced,
    /// The kind is missing or forbidden; tried again all the time.
    Blocked {
        /// `KindMissing`, `Forbidden` or another of [`Interrupted`](motet_core::change::Interrupted)'s words.
        reason: &'static str,
        /// For people.
        message: String,
    },
    /// The member is out of reach, or gone. Reads answer what was last known.
    Paused,
}

/// A cache, for status and metrics.
#[derive(Debug, Clone, PartialEq)]
pub struct CacheStatus {
    /// The kind.
    pub resource: Resource,
    /// What its stream selects; at most one namespace.
    pub scope: Scope,
    /// Objects held.
    pub objects: usize,
    /// Bytes held for them, bodies and metadata.
    pub bytes: usize,
    /// Whether a list is complete.
    pub synced: bool,
    /// How many subscriptions it serves.
    pub subscribers: usize,
    /// How often its stream was interrupted, by reason.
    pub restarts: BTreeMap<&'static str, u64>,
    /// Why nothing can be read, reason and message.
    pub blocked: Option<(&'static str, String)>,
}

/// A write that a cache is to show before its key runs again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Barrier {
    /// The object.
    pub name: ObjectName,
    /// Its UID, for deletions.
    pub uid: String,
    /// The resource version that the write returned.
    pub resource_version: String,
    /// It was deleted: waits until this UID is gone instead.
    pub deleted: bool,
}

/// What the host knows about a cached object, whatever the projections leave of it.
#[derive(Debug, Clone, PartialEq)]
pub struct ObjectInfo {
    /// UID.
    pub uid: String,
    /// Resource version.
    pub resource_version: String,
    /// Generation; 0 for kinds that have none.
    pub generation: i64,
    /// Whether deletion has been asked for.
    pub deleting: bool,
    /// Finalizers.
    pub finalizers: Vec<Arc<str>>,
    /// Labels.
    pub labels: BTreeMap<Arc<str>, Arc<str>>,
    /// What the subscription's plugin owns of it.
    pub owned: Option<OwnedDigest>,
    /// What the subscription's plugin owns of its status.
    pub owned_status: Option<OwnedDigest>,
    /// The key and the set that the plugin's owner annotation names.
    pub owner: Option<(Target, Box<str>)>,
}

/// An object whose owner annotation names a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Owned {
    /// Where it is.
    pub name: ObjectName,
    /// Its UID.
    pub uid: String,
    /// The set it belongs to within the key.
    pub set: Box<str>,
}
