//! What the catalog knows of each plugin, for the API, metrics and the hub.

use motet_core::{Digest, PluginName, description::Description, grant::Rule, plugin::Mode, selector::Selector};
use serde::Serialize;

use crate::history::Good;

/// Where a plugin is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
pub enum PluginState {
    /// Being fetched or compiled for the first time.
    Loading,
    /// What its object asks for runs.
    Active,
    /// What its object asks for is refused; the last good revision runs, if there is one.
    Rejected,
    /// Loaded, but `suspend: true`.
    Suspended,
}

/// One step of loading.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Condition {
    /// `Fetched`, `Verified`, `Compiled`, `Granted`, `Configured` or `Active`.
    pub kind: &'static str,
    /// Whether it holds; none where an earlier step failed.
    pub status: Option<bool>,
    /// UpperCamelCase word.
    pub reason: String,
    /// For people.
    pub message: String,
    /// When `status` last changed.
    pub since: jiff::Timestamp,
}

/// One plugin.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct PluginStatus {
    /// Its name.
    pub name: PluginName,
    /// Where it comes from: `folder` or `hub`.
    pub source: &'static str,
    /// Where it is.
    pub state: PluginState,
    /// UpperCamelCase word; empty where all is well.
    pub reason: &'static str,
    /// For people.
    pub message: String,
    /// Since when.
    pub since: jiff::Timestamp,
    /// The object's generation.
    pub generation: i64,
    /// What runs.
    pub digest: Option<Digest>,
    /// Bytes of the component.
    pub size: usize,
    /// The contract version it is built for.
    pub contract: String,
    /// Write or only report.
    pub mode: Mode,
    /// The members that it is meant for.
    #[serde(skip)]
    pub selector: Selector,
    /// What it says about itself.
    #[serde(skip)]
    pub description: Option<Description>,
    /// What the operator lets it do.
    pub grants: Vec<Rule>,
    /// Each step of loading.
    pub conditions: Vec<Condition>,
    /// The last good revisions, the newest first.
    pub revisions: Vec<Good>,
    /// Seconds that the last load took: compile, describe.
    #[serde(skip)]
    pub load_seconds: [f64; 2],
}

impl PluginStatus {
    /// Nothing is known yet but its name and its source.
    pub(crate) fn new(name: PluginName, source: &'static str) -> Self {
        Self {
            name,
            source,
            state: PluginState::Loading,
            reason: "",
            message: String::new(),
            since: jiff::Timestamp::now(),
            generation: 0,
            digest: None,
            size: 0,
            contract: String::new(),
            mode: Mode::Enforce,
            selector: Selector::default(),
            description: None,
            grants: vec![],
            conditions: vec![],
            revisions: vec![],
            load_seconds: [0.0; 2],
        }
    }
}
