//! What a cluster serves: one shared table per member, from aggregated discovery or, on older servers, group by group.

use std::{
    collections::HashMap,
    sync::{Arc, Weak},
};

use futures::{StreamExt as _, stream};
use http::HeaderValue;
use motet_core::{ApiError, Gvk, Resource};
use parking_lot::{Mutex, RwLock};
use serde::Deserialize;
use tokio::{sync::Semaphore, time::Instant};

use crate::{
    Settings,
    transport::{Call, Transport},
};

const AGGREGATED: HeaderValue = HeaderValue::from_static(
    "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,\
     application/json;g=apidiscovery.k8s.io;v=v2beta1;as=APIGroupDiscoveryList,application/json",
);
/// Legacy group documents fetched at once.
const GROUPS_AT_ONCE: usize = 8;

/// All kinds that a cluster serves.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Table {
    kinds: HashMap<Gvk, Resource>,
    /// (group, plural) to the preferred version's kind.
    plurals: HashMap<(Arc<str>, Arc<str>), Gvk>,
}

impl Table {
    /// How a kind is served.
    pub fn resource(&self, gvk: &Gvk) -> Option<&Resource> {
        self.kinds.get(gvk)
    }

    /// The kind behind a plural, in the version that the server prefers.
    pub fn kind(&self, group: &str, plural: &str) -> Option<&Gvk> {
        self.plurals.get(&(group.into(), plural.into()))
    }

    /// All kinds, in no order.
    pub fn resources(&self) -> impl Iterator<Item = &Resource> {
        self.kinds.values()
    }

    /// Adds a kind; the first version of a group and plural is the preferred one.
    fn add(&mut self, resource: Resource) {
        let plural = (resource.gvk.group.clone(), resource.plural.clone());
        self.plurals.entry(plural).or_insert_with(|| resource.gvk.clone());
        self.kinds.entry(resource.gvk.clone()).or_insert(resource);
    }
}

/// The tables of all members: clusters of a fleet mostly serve the same kinds, and then share one table.
#[derive(Debug, Default)]
pub struct SharedTables(Mutex<Vec<Weak<Table>>>);

impl SharedTables {
    /// The table that is equal to this one, or this one from now on.
    fn share(&self, table: Table) -> Arc<Table> {
        let mut tables = self.0.lock();
        tables.retain(|t| t.strong_count() > 0);
        if let Some(equal) = tables.iter().filter_map(Weak::upgrade).find(|t| **t == table) {
            return equal;
        }
        let table = Arc::new(table);
        tables.push(Arc::downgrade(&table));
        table
    }
}

/// The table of one member, fetched when first needed and again when a kind is missing.
pub(crate) struct Discovery {
    state: RwLock<State>,
    refreshing: Semaphore,
}

#[derive(Default)]
struct State {
    table: Option<Arc<Table>>,
    fetched: Option<Instant>,
    stale: bool,
}

impl Discovery {
    pub(crate) fn new() -> Self {
        Self { state: RwLock::default(), refreshing: Semaphore::new(1) }
    }

    /// The table as last fetched.
    pub(crate) fn current(&self) -> Option<Arc<Table>> {
        self.state.read().table.clone()
    }

    /// Has the next lookup of any kind fetch again: one that the table lists turned out to be gone.
    pub(crate) fn invalidate(&self) {
        self.state.write().stale = true;
    }

    /// How a kind is served; a table that lacks it is fetched again, unless that was done within the interval.
    pub(crate) async fn resource(
        &self,
        transport: &Transport,
        settings: &Settings,
        gvk: &Gvk,
    ) -> Result<Resource, ApiError> {
        let known = {
            let state = self.state.read();
            state.table.as_ref().filter(|_| !state.stale).and_then(|t| t.resource(gvk).cloned())
        };
        if let Some(resource) = known {
            return Ok(resource);
        }
        let table = self.refresh(transport, settings).await?;
        table.resource(gvk).cloned().ok_or_else(|| {
            let message =
                format!("{} serves no kind {gvk}; install its CRD or enable its API there", transport.server());
            ApiError::new(404, "KindMissing", message)
        })
    }

    /// Fetches the table, or returns one that is younger than the interval. Callers at the same time share one fetch.
    pub(crate) async fn refresh(&self, transport: &Transport, settings: &Settings) -> Result<Arc<Table>, ApiError> {
        let asked = Instant::now();
        let _turn = self.refreshing.acquire().await.map_err(|_| ApiError::connection("the member was removed"))?;
        {
            let state = self.state.read();
            let recent = state.fetched.is_some_and(|f| f > asked || f.elapsed() < settings.discovery_interval);
            if let Some(table) = state.table.as_ref().filter(|_| recent) {
                return Ok(table.clone());
            }
        }
        let table = settings.tables.share(fetch(transport, settings).await?);
        *self.state.write() = State { table: Some(table.clone()), fetched: Some(Instant::now()), stale: false };
        Ok(table)
    }
}

/// Both discovery documents in one shape; which of the fields are filled tells which was sent.
#[derive(Deserialize)]
struct Document {
    kind: String,
    #[serde(default)]
    items: Vec<AggregatedGroup>,
    #[serde(default)]
    groups: Vec<LegacyGroup>,
    #[serde(default)]
    versions: Vec<serde_json::Value>,
}

#[derive(Deserialize)]
struct AggregatedGroup {
    #[serde(default)]
    metadata: Named,
    #[serde(default)]
    versions: Vec<AggregatedVersion>,
}

#[derive(Deserialize, Default)]
struct Named {
    #[serde(default)]
    name: String,
}

#[derive(Deserialize)]
struct AggregatedVersion {
    version: String,
    #[serde(default)]
    resources: Vec<AggregatedResource>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct AggregatedResource {
    resource: String,
    response_kind: Option<Kind>,
    #[serde(default)]
    scope: String,
    #[serde(default)]
    verbs: Vec<String>,
    #[serde(default)]
    subresources: Vec<Subresource>,
}

#[derive(Deserialize)]
struct Kind {
    kind: String,
}

#[derive(Deserialize)]
struct Subresource {
    #[serde(default)]
    subresource: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct LegacyGroup {
    versions: Vec<LegacyVersion>,
    preferred_version: Option<LegacyVersion>,
}

#[derive(Deserialize, Clone, PartialEq)]
#[serde(rename_all = "camelCase")]
struct LegacyVersion {
    group_version: String,
}

#[derive(Deserialize)]
struct LegacyResources {
    #[serde(default)]
    resources: Vec<LegacyResource>,
}

#[derive(Deserialize)]
struct LegacyResource {
    name: String,
    namespaced: bool,
    kind: String,
    #[serde(default)]
    verbs: Vec<String>,
}

fn watchable(verbs: &[String]) -> bool {
    verbs.iter().any(|v| v == "list") && verbs.iter().any(|v| v == "watch")
}

async fn fetch(transport: &Transport, settings: &Settings) -> Result<Table, ApiError> {
    let mut table = Table::default();
    let mut legacy = Vec::new();
    for path in ["/api", "/apis"] {
        let document = get::<Document>(transport, settings, path, AGGREGATED).await?;
        if document.kind == "APIGroupDiscoveryList" {
            document.items.into_iter().for_each(|group| add_aggregated(&mut table, group));
        } else {
            legacy.extend(legacy_paths(document));
        }
    }
    let documents = stream::iter(legacy.into_iter().map(|(group_version, path)| async move {
        let accept = HeaderValue::from_static("application/json");
        (group_version, get::<LegacyResources>(transport, settings, &path, accept).await)
    }));
    // In order, because the first version of a group is the preferred one.
    let mut documents = documents.buffered(GROUPS_AT_ONCE);
    while let Some((group_version, resources)) = documents.next().await {
        match resources {
            Ok(resources) => add_legacy(&mut table, &group_version, resources),
            // One broken aggregated API server must not hide every other group.
            Err(error) => tracing::warn!(group_version, %error, "a group of a cluster's API could not be discovered"),
        }
    }
    Ok(table)
}

async fn get<T: serde::de::DeserializeOwned>(
    transport: &Transport,
    settings: &Settings,
    path: &str,
    accept: HeaderValue,
) -> Result<T, ApiError> {
    let doing = format!("discovering {path} of {}", transport.server());
    let call = Call { accept, ..Call::get(&doing, path) };
    let body = transport.call(call, settings.request_timeout).await?;
    serde_json::from_slice(&body).map_err(|e| ApiError::new(0, "InvalidAnswer", format!("{doing}: {e}")))
}

fn add_aggregated(table: &mut Table, group: AggregatedGroup) {
    for version in group.versions {
        for resource in version.resources {
            let Some(kind) = resource.response_kind.filter(|k| !k.kind.is_empty()) else { continue };
            table.add(Resource {
                gvk: Gvk::new(&group.metadata.name, &version.version, &kind.kind),
                plural: resource.resource.into(),
                namespaced: resource.scope == "Namespaced",
                status: resource.subresources.iter().any(|s| s.subresource == "status"),
                watchable: watchable(&resource.verbs),
            });
        }
    }
}

/// (group/version, path) of each legacy document, preferred versions first.
fn legacy_paths(document: Document) -> Vec<(String, String)> {
    let core = document.versions.iter().filter_map(|v| v.as_str());
    let mut paths: Vec<_> = core.map(|v| (v.to_string(), format!("/api/{v}"))).collect();
    for group in document.groups {
        let others = group.versions.into_iter().filter(|v| Some(v) != group.preferred_version.as_ref());
        let versions = group.preferred_version.clone().into_iter().chain(others);
        paths.extend(versions.map(|v| (v.group_version.clone(), format!("/apis/{}", v.group_version))));
    }
    paths
}

fn add_legacy(table: &mut Table, group_version: &str, document: LegacyResources) {
    let has_status = |name: &str| document.resources.iter().any(|r| r.name.strip_suffix("/status") == Some(name));
    for resource in document.resources.iter().filter(|r| !r.name.contains('/')) {
        let Some(gvk) = Gvk::from_api_version(group_version, &resource.kind) else { continue };
        table.add(Resource {
            gvk,
            plural: resource.name.as_str().into(),
            namespaced: resource.namespaced,
            status: has_status(&resource.name),
            watchable: watchable(&resource.verbs),
        });
    }
}
