//! The SDK for Motet plugins: Kubernetes controllers that run on a whole fleet of clusters as sandboxed Wasm components.
//!
//! A plugin is one function and one attribute:
//!
//! ```
//! use motet_sdk::prelude::*;
//!
//! #[motet_sdk::plugin(
//!     watch("v1/Namespace", labels = "team", projection = ["/metadata/labels"]),
//!     applies("v1/ConfigMap"),
//! )]
//! fn reconcile(ctx: &Context) -> Result<Outcome> {
//!     let Some(namespace) = ctx.primary::<Object>()? else { return Ok(Outcome::new()) };
//!     let team = namespace.label("team").unwrap_or("nobody");
//!     Ok(Outcome::new().apply(&json!({
//!         "apiVersion": "v1",
//!         "kind": "ConfigMap",
//!         "metadata": { "name": "team", "namespace": namespace.metadata.name },
//!         "data": { "team": team },
//!     })))
//! }
//! # fn main() {}
//! ```
//!
//! Build it with `cargo build --release --target wasm32-wasip2`; the crate is a `cdylib`. It is level-triggered: each call gets the
//! object as it is and returns what should be true. The host writes it, retries it, and undoes drift.

#[doc(hidden)]
pub mod bindings;
mod condition;
mod context;
mod describe;
mod error;
#[doc(hidden)]
pub mod guest;
mod json;
mod logging;
mod object;
mod outcome;
mod query;
mod reader;
pub mod testing;

pub use condition::{Condition, Conditions, rfc3339};
pub use context::{Context, Member, Rejected, Target};
pub use describe::{Applies, Description, Mapping, Need, Plugin, Primary, Trigger, Watch};
pub use error::{Error, Result};
pub use motet_sdk_macros::plugin;
pub use object::{Gvk, Metadata, Object, ObjectRef, OwnerReference};
pub use outcome::{Intent, Next, Outcome};
pub use query::Query;
pub use reader::Reader;

#[cfg(feature = "k8s-openapi")]
pub use k8s_openapi;
#[cfg(feature = "k8s-openapi")]
mod typed;

/// What most plugins import.
pub mod prelude {
    pub use crate::{Condition, Conditions, Context, Error, Gvk, Metadata, Object, ObjectRef, Outcome, Query, Result};
    pub use log::{debug, error, info, trace, warn};
    pub use schemars::{self, JsonSchema};
    pub use serde::{Deserialize, Serialize};
    pub use serde_json::{Value, json};
}

#[doc(hidden)]
pub mod private {
    //! For the code that the attribute generates.
    pub use crate::describe::{length, render};

    /// The JSON schema of a config type.
    pub fn schema<C: schemars::JsonSchema>() -> schemars::Schema {
        schemars::schema_for!(C)
    }
}
