//! Objects as bytes, and the little of their metadata that every stage needs.

use std::{borrow::Cow, collections::BTreeMap, fmt};

use serde::{Deserialize, Serialize};

use crate::Gvk;

/// Where an object lives inside its cluster and kind.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct ObjectName {
    /// `None` for a cluster-scoped object.
    pub namespace: Option<Box<str>>,
    /// The object's name.
    pub name: Box<str>,
}

impl ObjectName {
    /// A cluster-scoped object.
    pub fn cluster(name: &str) -> Self {
        Self { namespace: None, name: name.into() }
    }

    /// A namespaced object.
    pub fn namespaced(namespace: &str, name: &str) -> Self {
        Self { namespace: Some(namespace.into()), name: name.into() }
    }

    /// Reads `NAMESPACE/NAME` or `NAME`; `None` where a part is empty or there are more than two.
    pub fn parse(text: &str) -> Option<Self> {
        let mut parts = text.split('/');
        let name = match (parts.next()?, parts.next(), parts.next()) {
            (name, None, _) => Self::cluster(name),
            (namespace, Some(name), None) if !namespace.is_empty() => Self::namespaced(namespace, name),
            _ => return None,
        };
        (!name.name.is_empty()).then_some(name)
    }
}

impl fmt::Display for ObjectName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(namespace) = &self.namespace {
            write!(f, "{namespace}/")?;
        }
        f.write_str(&self.name)
    }
}

/// One object of one kind.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct ObjectRef {
    /// Its kind.
    pub gvk: Gvk,
    /// Its place.
    pub name: ObjectName,
}

impl fmt::Display for ObjectRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.gvk, self.name)
    }
}

/// An owner reference, without the fields Motet does not look at.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct OwnerRef {
    /// The owner's `apiVersion`.
    #[serde(default)]
    pub api_version: Box<str>,
    /// The owner's kind.
    #[serde(default)]
    pub kind: Box<str>,
    /// The owner's name.
    #[serde(default)]
    pub name: Box<str>,
    /// The owner's UID.
    #[serde(default)]
    pub uid: Box<str>,
    /// Whether this owner is the managing controller.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub controller: Option<bool>,
}

/// An object's metadata as found by one scan over its JSON. Everything else is skipped without being built.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Meta {
    /// Name; empty where the bytes carry none (a bookmark).
    #[serde(default)]
    pub name: Box<str>,
    /// Namespace, for namespaced objects.
    #[serde(default)]
    pub namespace: Option<Box<str>>,
    /// UID; empty where the server has not given one yet.
    #[serde(default)]
    pub uid: Box<str>,
    /// Resource version, opaque; compared only through [`rv_number`].
    #[serde(default)]
    pub resource_version: Box<str>,
    /// Generation; 0 for kinds that have none.
    #[serde(default)]
    pub generation: i64,
    /// Labels.
    #[serde(default)]
    pub labels: BTreeMap<Box<str>, Box<str>>,
    /// Annotations.
    #[serde(default)]
    pub annotations: BTreeMap<Box<str>, Box<str>>,
    /// Owners.
    #[serde(default)]
    pub owner_references: Vec<OwnerRef>,
    /// Finalizers.
    #[serde(default)]
    pub finalizers: Vec<Box<str>>,
    /// Set while the object waits for its finalizers.
    #[serde(default)]
    pub deletion_timestamp: Option<Box<str>>,
}

impl Meta {
    /// Scans an object's JSON for its metadata.
    pub fn scan(json: &[u8]) -> Result<Self, serde_json::Error> {
        #[derive(Deserialize)]
        struct Envelope {
            #[serde(default)]
            metadata: Meta,
        }
        serde_json::from_slice::<Envelope>(json).map(|e| e.metadata)
    }

    /// The object's place.
    pub fn object_name(&self) -> ObjectName {
        ObjectName { namespace: self.namespace.clone(), name: self.name.clone() }
    }

    /// Whether deletion has been asked for.
    pub fn deleting(&self) -> bool {
        self.deletion_timestamp.is_some()
    }
}

/// Scans an object's JSON for its kind; `None` where `apiVersion` or `kind` is missing or malformed.
pub fn scan_gvk(json: &[u8]) -> Option<Gvk> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Envelope<'a> {
        #[serde(borrow, default)]
        api_version: Cow<'a, str>,
        #[serde(borrow, default)]
        kind: Cow<'a, str>,
    }
    let envelope: Envelope<'_> = serde_json::from_slice(json).ok()?;
    Gvk::from_api_version(&envelope.api_version, &envelope.kind)
}

/// A resource version as a number, where the server's are decimal (KEP-5504 makes that the rule); `None` fails open.
pub fn rv_number(resource_version: &str) -> Option<u64> {
    resource_version.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scan_finds_metadata_among_everything_else() {
        let json = br#"{"apiVersion":"apps/v1","kind":"Deployment","spec":{"metadata":{"name":"not-me"}},
            "metadata":{"name":"web","namespace":"shop","uid":"u1","resourceVersion":"42","generation":3,
            "labels":{"a":"b"},"finalizers":["x"],"deletionTimestamp":"2026-01-01T00:00:00Z",
            "ownerReferences":[{"apiVersion":"v1","kind":"Node","name":"n","uid":"u0","controller":true}]}}"#;
        let meta = Meta::scan(json).unwrap();
        assert_eq!(meta.object_name(), ObjectName::namespaced("shop", "web"));
        assert_eq!((&*meta.uid, &*meta.resource_version, meta.generation), ("u1", "42", 3));
        assert!(meta.deleting());
        assert_eq!(&*meta.owner_references[0].kind, "Node");
        assert_eq!(scan_gvk(json), Some(Gvk::new("apps", "v1", "Deployment")));
    }
}
