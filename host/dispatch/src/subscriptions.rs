//! The watches of one binding: its primary, its related kinds, and every kind that it applies.

use std::collections::{BTreeMap, HashMap};

use bytes::Bytes;
use motet_core::{
    ApiError, Gvk, ObjectName, ObjectRef, Resource,
    description::{Mapping, Primary, Scope, Trigger},
    grant::{Access, Permissions},
    names::{MANAGED_LABEL, SYSTEM_NAMESPACE},
    path::Projection,
    ports::MemberApi,
    revision::Revision,
    selector::Selector,
};
use motet_queue::Queue;
use motet_watch::{CacheState, Map, MemberCaches, PrimaryKind, SubscribeSpec, Subscription};

use crate::binding::Binding;

/// What a binding watches, once its kinds are known.
pub(crate) struct Subscriptions {
    /// The primary kind's; none where keys are members.
    pub(crate) primary: Option<Watched>,
    /// In the order of the description.
    pub(crate) related: Vec<Watched>,
    /// By kind.
    pub(crate) applied: HashMap<Gvk, Watched>,
}

/// One kind that is watched.
pub(crate) struct Watched {
    pub(crate) resource: Resource,
    pub(crate) scope: Scope,
    pub(crate) subscription: Subscription,
}

/// What of watching a kind in a scope is not allowed.
fn denied(resource: &Resource, scope: &Scope, permissions: &Permissions) -> Option<String> {
    let named = ["metadata.name==", "metadata.name="].iter().find_map(|field| scope.fields.strip_prefix(field));
    let name = named.filter(|name| !name.contains([',', '=']));
    let everywhere = scope.namespaces.is_empty().then_some(None);
    let namespaces = everywhere.into_iter().chain(scope.namespaces.iter().map(|n| Some(n.as_str())));
    let (group, resource) = (&*resource.gvk.group, &*resource.plural);
    let mut wanted = namespaces
        .flat_map(|namespace| ["list", "watch"].map(|verb| Access { group, resource, verb, namespace, name }));
    wanted.find(|access| !permissions.allow(access)).map(|access| access.to_string())
}

/// The kinds of a binding as its member serves them.
pub(crate) struct Kinds {
    primary: Option<Resource>,
    related: Vec<Resource>,
    applied: Vec<Resource>,
}

impl Kinds {
    /// Resolves every kind; the first that is missing is the error. `recorded` are kinds that earlier code applied: those that
    /// are gone from the member cannot hold orphans.
    pub(crate) async fn resolve(revision: &Revision, recorded: &[Gvk], api: &dyn MemberApi) -> Result<Self, ApiError> {
        let description = &revision.description;
        let primary = match &description.primary {
            Primary::Object(watch) => Some(api.resource(&watch.gvk()).await?),
            Primary::Member {} => None,
        };
        let mut related = Vec::new();
        for watch in &description.related {
            related.push(api.resource(&watch.gvk()).await?);
        }
        let mut applied = Vec::new();
        for gvk in &description.applies {
            applied.push(api.resource(gvk).await?);
        }
        for gvk in recorded.iter().filter(|gvk| !description.applies.iter().any(|a| a.same_kind(gvk))) {
            match api.resource(gvk).await {
                Ok(resource) => applied.push(resource),
                Err(error) if error.is_not_found() => {}
                Err(error) => return Err(error),
            }
        }
        Ok(Self { primary, related, applied })
    }

    /// What the plugin would watch without being allowed to. A description may say what it likes; it is held against needs and
    /// grants here, on the kinds as the member serves them.
    pub(crate) fn not_granted(&self, revision: &Revision, permissions: &Permissions) -> Option<String> {
        let primary = match (&revision.description.primary, &self.primary) {
            (Primary::Object(watch), Some(resource)) => denied(resource, &watch.scope, permissions),
            _ => None,
        };
        let mut related = self.related.iter().zip(&revision.description.related);
        primary.or_else(|| related.find_map(|(resource, watch)| denied(resource, &watch.scope, permissions)))
    }
}

/// A field selector that leaves out Motet's own namespace: its Secrets are credentials of whole clusters.
pub(crate) fn without_motets(fields: &str) -> String {
    let others = format!("metadata.namespace!={SYSTEM_NAMESPACE}");
    if fields.is_empty() { others } else { format!("{fields},{others}") }
}

impl Subscriptions {
    /// What the plugin watches without being allowed to.
    pub(crate) fn not_granted(&self, permissions: &Permissions) -> Option<String> {
        self.primary.iter().chain(&self.related).find_map(|w| denied(&w.resource, &w.scope, permissions))
    }

    /// Joins the caches. The error names a projection that cannot be read.
    pub(crate) fn join(kinds: Kinds, binding: &Binding, caches: &MemberCaches, queue: &Queue) -> Result<Self, String> {
        let revision = binding.revision.load();
        let description = &revision.description;
        let primary_kind = kinds.primary.as_ref().map(|r| PrimaryKind { gvk: r.gvk.clone(), namespaced: r.namespaced });
        let permissions = binding.permissions.load();
        let join = |resource: &Resource, watch: &motet_core::description::Watch, map: Map| {
            let projection = watch.projection.as_deref().map(Projection::parse).transpose()?;
            let mut scope = watch.scope.clone();
            if scope.namespaces.is_empty() && permissions.leaves_out_motets(&resource.gvk.group, &resource.plural) {
                scope.fields = without_motets(&scope.fields);
            }
            let spec = SubscribeSpec {
                plugin: binding.plugin.clone(),
                scope,
                projection,
                trigger: watch.trigger.clone(),
                map,
                sink: binding.sink(queue),
            };
            let subscription = caches.subscribe(resource, spec);
            Ok::<Watched, String>(Watched { resource: resource.clone(), scope: watch.scope.clone(), subscription })
        };
        let primary = match (&description.primary, &kinds.primary) {
            (Primary::Object(watch), Some(resource)) => Some(join(resource, watch, Map::Primary)?),
            _ => None,
        };
        let related = kinds
            .related
            .iter()
            .zip(&description.related)
            .map(|(resource, watch)| {
                let mapping = watch.map.clone().unwrap_or(Mapping::None {});
                join(resource, watch, Map::Mapped(mapping, primary_kind.clone()))
            })
            .collect::<Result<_, _>>()?;
        let applied = kinds.applied.into_iter().map(|r| (r.gvk.clone(), managed(r, binding, caches, queue))).collect();
        Ok(Self { primary, related, applied })
    }

    /// All of them.
    pub(crate) fn all(&self) -> impl Iterator<Item = &Watched> {
        self.primary.iter().chain(&self.related).chain(self.applied.values())
    }

    /// The first that is blocked (its kind is forbidden or gone).
    pub(crate) fn blocked(&self) -> Option<(&'static str, String)> {
        self.all().find_map(|w| match w.subscription.state() {
            CacheState::Blocked { reason, message } => Some((reason, format!("watching {}: {message}", w.resource))),
            _ => None,
        })
    }

    /// The declared watch (not the one for drift) that covers a read of `gvk` in `namespace`.
    pub(crate) fn declared(&self, gvk: &Gvk, namespace: Option<&str>) -> Option<&Watched> {
        self.primary.iter().chain(&self.related).find(|w| w.resource.gvk == *gvk && w.covers(namespace))
    }

    /// The cache of a kind that the plugin applies.
    pub(crate) fn applied(&self, gvk: &Gvk) -> Option<&Watched> {
        self.applied.get(gvk).or_else(|| self.applied.values().find(|w| w.resource.gvk.same_kind(gvk)))
    }
}

impl Watched {
    /// Whether every object of `namespace` (of all, for none) that exists is in this cache.
    pub(crate) fn covers(&self, namespace: Option<&str>) -> bool {
        let whole = self.scope.labels.is_empty() && self.scope.fields.is_empty();
        let namespaces = &self.scope.namespaces;
        whole && (namespaces.is_empty() || namespace.is_some_and(|n| namespaces.iter().any(|x| x == n)))
    }

    /// Whether a write to `object`, which has `labels` since, is to be seen here: it is selected, or was.
    pub(crate) fn shows(&self, object: &ObjectRef, labels: &BTreeMap<Box<str>, Box<str>>) -> bool {
        let selected = || {
            let selector = Selector::parse(&self.scope.labels);
            selector.is_ok_and(|s| s.matches(|key| labels.get(key).map(|value| &**value)))
        };
        self.resource.gvk.same_kind(&object.gvk) && (selected() || self.subscription.meta(&object.name).is_some())
    }

    pub(crate) fn get(&self, name: &ObjectName) -> Option<Bytes> {
        self.subscription.get(name)
    }

    pub(crate) fn synced(&self) -> bool {
        matches!(self.subscription.state(), CacheState::Synced)
    }
}

/// What a plugin writes, the host watches: from a wider cache where there is one, else by the label it adds.
fn managed(resource: Resource, binding: &Binding, caches: &MemberCaches, queue: &Queue) -> Watched {
    let scope = Scope { labels: format!("{MANAGED_LABEL}=true"), ..Scope::default() };
    let spec = SubscribeSpec {
        plugin: binding.plugin.clone(),
        scope: scope.clone(),
        // Nothing of the object is read by the plugin through this watch; the host needs its metadata and its digests only.
        projection: Some(Projection::default()),
        trigger: Trigger::Any,
        map: Map::OwnerAnnotation,
        sink: binding.sink(queue),
    };
    let subscription = caches.subscribe(&resource, spec);
    Watched { resource, scope, subscription }
}
