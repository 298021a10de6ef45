//! Answers a guest's reads: from a cache where its own watch covers them, live and rate-limited otherwise, never beyond its
//! grants.

use std::sync::Arc;

use bytes::Bytes;
use motet_core::{
    Gvk, ObjectName, ObjectRef, Resource,
    grant::Access,
    ports::{HostCall, HostCalls, HostReply, ListQuery, Page, ReadError},
    selector::Selector,
};
use motet_watch::Index;
use serde_json::Value;

use crate::{
    binding::Binding,
    slots::Slot,
    stats::PluginStats,
    subscriptions::without_motets,
    subscriptions::{Subscriptions, Watched},
};

/// Objects in a page that a guest does not size itself, and the most it may ask for.
const PAGE: u32 = 500;
/// Marks page tokens of the cache, so that one from a live list is never taken for it.
const CACHE_TOKEN: &str = "cache:";

/// The reads of one reconcile.
pub(crate) fn host_calls(
    binding: &Arc<Binding>,
    subscriptions: &Arc<Subscriptions>,
    stats: &Arc<PluginStats>,
    slot: &Arc<Slot>,
) -> HostCalls {
    let (binding, subscriptions) = (binding.clone(), subscriptions.clone());
    let reader = Arc::new(Reader { binding, subscriptions, stats: stats.clone(), slot: slot.clone() });
    Arc::new(move |call| {
        let reader = reader.clone();
        Box::pin(async move {
            match call {
                HostCall::Get(objects) => {
                    let mut found = Vec::with_capacity(objects.len());
                    for object in &objects {
                        found.push(reader.get(object).await);
                    }
                    HostReply::Objects(found)
                }
                HostCall::List { gvk, query } => HostReply::Page(reader.list(&gvk, query).await),
            }
        })
    })
}

struct Reader {
    binding: Arc<Binding>,
    subscriptions: Arc<Subscriptions>,
    stats: Arc<PluginStats>,
    slot: Arc<Slot>,
}

impl Reader {
    async fn get(&self, object: &ObjectRef) -> Result<Option<Bytes>, ReadError> {
        let namespace = object.name.namespace.as_deref();
        if let Some(watched) = self.declared(&object.gvk, namespace) {
            self.allow(&watched.resource, "get", namespace, Some(&object.name.name))?;
            return Ok(watched.get(&object.name));
        }
        self.slot.without(self.get_live(object)).await
    }

    async fn get_live(&self, object: &ObjectRef) -> Result<Option<Bytes>, ReadError> {
        let resource = self.resource(&object.gvk).await?;
        self.allow(&resource, "get", object.name.namespace.as_deref(), Some(&object.name.name))?;
        let member = self.live().await;
        let found = member.api.get(&resource, &object.name).await.map_err(|error| {
            member.note(&error);
            ReadError::Api(error)
        })?;
        Ok(found.map(|json| without_managed_fields(&json)))
    }

    async fn list(&self, gvk: &Gvk, mut query: ListQuery) -> Result<Page, ReadError> {
        query.limit = if query.limit == 0 { PAGE } else { query.limit.min(PAGE) };
        let live = query.page.as_deref().is_some_and(|p| !p.starts_with(CACHE_TOKEN));
        let declared = self.declared(gvk, query.namespace.as_deref()).filter(|_| !live);
        if let Some((watched, field)) = declared.and_then(|w| Some((w, by_field(w, &query.fields)?))) {
            self.allow(&watched.resource, "list", query.namespace.as_deref(), None)?;
            return list_cached(watched, &query, field);
        }
        self.slot.without(self.list_live(gvk, &query)).await
    }

    async fn list_live(&self, gvk: &Gvk, query: &ListQuery) -> Result<Page, ReadError> {
        let resource = self.resource(gvk).await?;
        self.allow(&resource, "list", query.namespace.as_deref(), None)?;
        let mut query = query.clone();
        if query.namespace.is_none() && self.binding.permissions.load().leaves_out_motets(&gvk.group, &resource.plural)
        {
            query.fields = without_motets(&query.fields);
        }
        let member = self.live().await;
        let mut page = member.api.list(&resource, &query).await.map_err(|error| {
            member.note(&error);
            ReadError::Api(error)
        })?;
        page.items.iter_mut().for_each(|item| *item = without_managed_fields(item));
        Ok(page)
    }

    fn declared(&self, gvk: &Gvk, namespace: Option<&str>) -> Option<&Watched> {
        self.subscriptions.declared(gvk, namespace).filter(|w| w.synced())
    }

    async fn resource(&self, gvk: &Gvk) -> Result<Resource, ReadError> {
        self.binding.member.load_full().api.resource(gvk).await.map_err(ReadError::Api)
    }

    /// Waits for the binding's turn to read live.
    async fn live(&self) -> Arc<crate::member::Member> {
        self.binding.reads.take().await;
        self.stats.live_reads.inc();
        self.binding.member.load_full()
    }

    fn allow(
        &self,
        resource: &Resource,
        verb: &str,
        namespace: Option<&str>,
        name: Option<&str>,
    ) -> Result<(), ReadError> {
        let access = Access { group: &resource.gvk.group, resource: &resource.plural, verb, namespace, name };
        if self.binding.permissions.load().allow(&access) {
            Ok(())
        } else {
            Err(ReadError::NotGranted(format!("{access}: the plugin must need it and its Plugin must grant it")))
        }
    }
}

/// One field that must have one value.
type Field = Option<(Index, String)>;

/// What a cache makes of a field selector: nothing of none, and one field that the plugin's own watch maps objects by. What else
/// a field means only the server knows: `None`.
fn by_field(watched: &Watched, selector: &str) -> Option<Field> {
    if selector.is_empty() {
        return Some(None);
    }
    let (field, value) = selector.split_once("==").or_else(|| selector.split_once('='))?;
    let plain = !field.ends_with('!') && !value.is_empty() && !value.contains([',', '=', '\\']);
    let index = watched.subscription.index_by_field(field.trim()).filter(|_| plain)?;
    Some(Some((index, value.trim().to_owned())))
}

fn list_cached(watched: &Watched, query: &ListQuery, field: Field) -> Result<Page, ReadError> {
    let invalid = |message: String| ReadError::Api(motet_core::ApiError::new(400, "BadRequest", message));
    let labels = Selector::parse(&query.labels).map_err(invalid)?;
    let after = query.page.as_deref().and_then(|p| p.strip_prefix(CACHE_TOKEN)).and_then(ObjectName::parse);
    // Whoever reads by a value once does so for every key.
    let keys = labels.match_labels.keys().map(|key| Index::Label(key.as_str().into()));
    field.iter().map(|(index, _)| index.clone()).chain(keys).for_each(|index| watched.subscription.declare(&index));
    let by = field.as_ref().map(|(index, value)| (index, value.as_str()));
    let (namespace, limit) = (query.namespace.as_deref(), query.limit as usize);
    let (items, next) = watched.subscription.list_by(by, namespace, &labels, after.as_ref(), limit);
    Ok(Page { items, next: next.map(|name| format!("{CACHE_TOKEN}{name}")), resource_version: String::new() })
}

/// A guest never sees `managedFields`, live or cached.
fn without_managed_fields(json: &Bytes) -> Bytes {
    let Ok(mut value) = serde_json::from_slice::<Value>(json) else { return json.clone() };
    if let Some(metadata) = value.get_mut("metadata").and_then(Value::as_object_mut)
        && metadata.remove("managedFields").is_some()
    {
        return value.to_string().into_bytes().into();
    }
    json.clone()
}
