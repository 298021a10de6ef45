//! From an object to the keys it concerns.

use motet_core::{Gvk, Meta, ObjectName, PluginName, Target, description::Mapping, path};

use crate::entry::Entry;

/// Which keys an object of a watched kind leads to.
#[derive(Debug, Clone, PartialEq)]
pub enum Map {
    /// The object is the primary itself.
    Primary,
    /// As the plugin described it, to primaries of this kind; `None` where its keys are members.
    Mapped(Mapping, Option<PrimaryKind>),
    /// The key in the plugin's owner annotation. Only changes of what the plugin owns count.
    OwnerAnnotation,
    /// None: it is read only.
    None,
}

/// What a plugin's primaries are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PrimaryKind {
    /// Their kind; the version does not matter.
    pub gvk: Gvk,
    /// Whether they live in a namespace.
    pub namespaced: bool,
}

impl PrimaryKind {
    /// The primary `name` that an object in `namespace` can mean.
    fn named(&self, namespace: Option<&str>, name: &str) -> Option<Target> {
        let name = match (self.namespaced, namespace) {
            (false, _) => ObjectName::cluster(name),
            (true, Some(namespace)) => ObjectName::namespaced(namespace, name),
            (true, None) => return None,
        };
        (!name.name.is_empty()).then_some(Target::Object(name))
    }

    /// The primary that a value names: `NAMESPACE/NAME`, or `NAME` in the object's own namespace.
    fn valued(&self, namespace: Option<&str>, value: &str) -> Option<Target> {
        let name = ObjectName::parse(value)?;
        match (&name.namespace, self.namespaced) {
            (Some(_), false) => None,
            (Some(_), true) => Some(Target::Object(name)),
            (None, _) => self.named(namespace, &name.name),
        }
    }
}

impl Map {
    /// The path that the stored body must hold for this mapping, if any.
    pub(crate) fn needed_path(&self) -> Option<String> {
        match self {
            Map::Mapped(Mapping::Owner {}, _) => Some("/metadata/ownerReferences".into()),
            Map::Mapped(Mapping::Annotation(key), _) => Some(format!("/metadata/annotations/{}", path::escape(key))),
            Map::Mapped(Mapping::Path(path), _) => Some(path.clone()),
            _ => None,
        }
    }

    /// The path whose values tell which primaries an object belongs to, if that is how it is mapped.
    pub(crate) fn reverse_path(&self) -> Option<&str> {
        match self {
            Map::Mapped(Mapping::Owner {}, _) => Some("/metadata/ownerReferences/*/uid"),
            Map::Mapped(Mapping::Path(path), _) => Some(path),
            _ => None,
        }
    }

    /// Whether [`Map::targets`] looks into the body.
    pub(crate) fn reads_body(&self) -> bool {
        self.needed_path().is_some()
    }

    /// The keys of an object, each once. `json` is its stored body, empty if the mapping does not read it.
    pub(crate) fn targets(&self, plugin: &PluginName, name: &ObjectName, entry: &Entry, json: &[u8]) -> Vec<Target> {
        let mut targets = match self {
            Map::Primary => vec![Target::Object(name.clone())],
            Map::Mapped(mapping, primary) => mapped(mapping, primary.as_ref(), name, entry, json),
            Map::OwnerAnnotation => entry.owner(plugin).map(|(target, _)| target.clone()).into_iter().collect(),
            Map::None => Vec::new(),
        };
        targets.sort_unstable();
        targets.dedup();
        targets
    }
}

fn mapped(
    mapping: &Mapping,
    primary: Option<&PrimaryKind>,
    name: &ObjectName,
    entry: &Entry,
    json: &[u8],
) -> Vec<Target> {
    if *mapping == (Mapping::Member {}) {
        return vec![Target::Member];
    }
    let Some(primary) = primary else { return Vec::new() };
    let namespace = name.namespace.as_deref();
    let values = |values: &[String]| values.iter().filter_map(|value| primary.valued(namespace, value)).collect();
    match mapping {
        Mapping::Owner {} => owners(primary, namespace, json),
        Mapping::Label(key) => values(&entry.label(key).map(str::to_owned).into_iter().collect::<Vec<_>>()),
        Mapping::Annotation(key) => values(&at(json, &format!("/metadata/annotations/{}", path::escape(key)))),
        Mapping::Path(path) => values(&at(json, path)),
        Mapping::Name {} => primary.named(namespace, &name.name).into_iter().collect(),
        Mapping::Namespace {} => namespace.and_then(|ns| primary.named(Some(ns), ns)).into_iter().collect(),
        Mapping::Member {} | Mapping::None {} => Vec::new(),
    }
}

fn at(json: &[u8], path: &str) -> Vec<String> {
    path::values_at(json, path).unwrap_or_default()
}

/// Owner references to the primary's group and kind, in any version: a controller must find its objects after an upgrade.
fn owners(primary: &PrimaryKind, namespace: Option<&str>, json: &[u8]) -> Vec<Target> {
    let Ok(meta) = Meta::scan(json) else { return Vec::new() };
    let concerns = |owner: &motet_core::object::OwnerRef| {
        Gvk::from_api_version(&owner.api_version, &owner.kind).is_some_and(|gvk| gvk.same_kind(&primary.gvk))
    };
    meta.owner_references.iter().filter(|o| concerns(o)).filter_map(|o| primary.named(namespace, &o.name)).collect()
}
