//! Shared caches: one list+watch per (member, kind, scope), whoever subscribes, and the mapping of what changes to keys.
//!
//! [`MemberCaches`] holds all caches of one member; [`MemberCaches::subscribe`] joins one and returns a [`Subscription`], through
//! which a plugin reads exactly its own scope and projection. A change becomes a key by the subscription's [`Map`], if its
//! trigger counts it, and goes to its [`Sink`]. Objects are kept as (compressed) JSON bytes of the union of what the subscribers
//! read; what the host itself needs (owners, digests of owned fields, labels) is taken from the full object before that.
//!
//! Thousands of caches idle in one host, so what is the same for all members is held once ([`Plans`]), and what one cache holds
//! is kept small. Reads by value go through an [`Index`] where one was declared; it costs memory only until its last subscriber leaves.

mod body;
mod cache;
mod entry;
mod feed;
mod index;
mod mapping;
mod member;
mod plan;
mod progress;
mod settings;
mod signal;
mod spec;
mod store;
mod subscriber;
mod subscription;

pub use index::Index;
pub use mapping::{Map, PrimaryKind};
pub use member::MemberCaches;
pub use plan::Plans;
pub use settings::CacheSettings;
pub use spec::{Barrier, CacheState, CacheStatus, ObjectInfo, Owned, Sink, SubscribeSpec};
pub use subscription::Subscription;
