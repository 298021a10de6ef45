//! Where plugins come from, and what has to be right before one runs: fetch, verify, compile, describe, grants, config.
//!
//! Sources say which `Plugin` objects there are and hand over bytes, or name an image that the catalog pulls. The catalog loads
//! them off the data path and gives out revisions. Whatever fails keeps the last good revision running.

mod catalog;
mod chunks;
mod config;
pub mod crd;
mod entry;
mod folder;
mod history;
mod hub;
mod load;
pub mod object;
mod pull;
mod pulling;
mod shadow;
mod standing;
mod status;
mod store;
mod verify;

pub use catalog::{Catalog, CatalogEvent, Settings};
pub use folder::{FolderSource, watch_folder};
pub use history::Good;
pub use hub::{HubSource, watch_hub};
pub use object::PluginObject;
pub use pull::{Hub, Registries};
pub use status::{Condition, PluginState, PluginStatus};
pub use verify::{Policy, Strictness};

/// How far a plugin came on its way to running.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Step {
    /// Its object is readable and its bytes are here.
    Fetched,
    /// They are who they claim to be: digest, signature.
    Verified,
    /// They compile, and describe themselves.
    Compiled,
    /// Everything it needs is granted.
    Granted,
    /// Its config fits its schema.
    Configured,
}

/// Why a plugin is not what its object asks for: a fixed word and a sentence for people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// Where it stopped.
    pub step: Step,
    /// UpperCamelCase.
    pub reason: &'static str,
    /// For people.
    pub message: String,
}

impl Refusal {
    pub(crate) fn new(step: Step, reason: &'static str, message: impl Into<String>) -> Self {
        Self { step, reason, message: message.into() }
    }

    pub(crate) fn fetch(reason: &'static str, message: impl Into<String>) -> Self {
        Self::new(Step::Fetched, reason, message)
    }
}

/// A component, and what is known of where it comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fetched {
    /// Its bytes.
    pub bytes: bytes::Bytes,
    /// Where they come from.
    pub origin: Origin,
}

/// Where a component comes from.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Origin {
    /// For people: an image with its digest, a ConfigMap, a file.
    pub from: String,
    /// The digest of the image's manifest, if it was one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image: Option<motet_core::Digest>,
    /// The names of the keys that signed it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub signed_by: Vec<String>,
    /// What is amiss without being a reason to refuse it: reason and sentence.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub warning: Option<(String, String)>,
}

/// How a source hands over a plugin's component.
#[derive(Debug, Clone)]
pub enum Component {
    /// Here, with a detached signature where there is one; or why not.
    Here(Result<Handed, Refusal>),
    /// In the registry that the object names.
    Image,
}

/// A component as a source found it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Handed {
    /// Its bytes.
    pub bytes: bytes::Bytes,
    /// For people: a ConfigMap, a file.
    pub from: String,
    /// What policies call it: `configMap/NAME` or `path/FILE`.
    pub policy_name: String,
    /// A detached signature, in base64.
    pub signature: Option<String>,
}

/// What a source says about one plugin.
#[derive(Debug, Clone)]
pub enum Observed {
    /// It exists: its object, and its component if that could be read.
    Present {
        /// Which source.
        source: &'static str,
        /// Its name.
        name: motet_core::PluginName,
        /// The object, or why it cannot be read.
        object: Result<Box<PluginObject>, Refusal>,
        /// The component.
        component: Component,
    },
    /// It is gone.
    Gone {
        /// Which source.
        source: &'static str,
        /// Its name.
        name: motet_core::PluginName,
    },
    /// Everything that exists now has been said once.
    Listed {
        /// Which source.
        source: &'static str,
    },
}
