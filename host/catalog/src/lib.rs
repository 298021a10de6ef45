//! Where plugins come from, and what has to be right before one runs: fetch, digest, compile, describe, grants, config.
//!
//! Sources say which `Plugin` objects there are and hand over bytes; the catalog loads them off the data path and gives out
//! revisions. Whatever fails keeps the last good revision running.

mod catalog;
mod config;
pub mod crd;
mod folder;
mod hub;
mod load;
pub mod object;
mod status;

pub use catalog::{Catalog, CatalogEvent};
pub use folder::{FolderSource, watch_folder};
pub use hub::{HubSource, watch_hub};
pub use object::PluginObject;
pub use status::{Condition, PluginState, PluginStatus};

/// Why a plugin is not what its object asks for: a fixed word and a sentence for people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// UpperCamelCase.
    pub reason: &'static str,
    /// For people.
    pub message: String,
}

impl Refusal {
    pub(crate) fn new(reason: &'static str, message: impl Into<String>) -> Self {
        Self { reason, message: message.into() }
    }
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
        component: Result<bytes::Bytes, Refusal>,
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
