//! Takes keys, runs them in sandboxes, and makes their outcomes true on the member.
//!
//! Everything a plugin may cause goes through here: what is granted, whose object it is, whether it is true already, in which
//! order it is written, when the key runs again. It knows members by their API and caches, plugins by their sandbox, and neither
//! kube nor wasmtime.

mod binding;
mod diff;
mod dispatcher;
mod events;
mod fights;
mod finalizer;
mod leave;
mod member;
mod plan;
mod quarantine;
mod rate;
mod reads;
mod reconcile;
mod record;
mod report;
mod slots;
mod start;
mod stats;
mod subscriptions;
mod suppress;
mod write;

pub use binding::{BindingState, BindingStatus, LastRun};
pub use dispatcher::{BindingSnapshot, Dispatcher};
pub use events::{EventWriter, Reporter};
pub use member::EngagedMember;
pub use motet_core::revision::Revision;
pub use report::{Difference, IntentReport, IntentResult, KeyReport};
pub use stats::{BindingStats, PluginStats, RESULTS};
