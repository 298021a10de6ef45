//! The words every stage of Motet shares: identities, keys, objects, requests and outcomes, grants, errors, ports.
//!
//! Nothing here does I/O, names a kube type or knows wasmtime; a stage is tested against these plain values alone.

pub mod api_error;
pub mod change;
pub mod defaults;
pub mod description;
pub mod escalation;
pub mod grant;
pub mod ids;
pub mod key;
pub mod kind;
pub mod names;
pub mod object;
pub mod outcome;
pub mod owned;
pub mod path;
pub mod plugin;
pub mod ports;
pub mod request;
pub mod revision;
pub mod selector;
pub mod stats;
pub mod units;

pub use api_error::{ApiError, Cause};
pub use change::Change;
pub use ids::{Digest, MemberName, PluginName};
pub use key::{Key, Priority, Target};
pub use kind::{Gvk, Resource};
pub use object::{Meta, ObjectName, ObjectRef};
