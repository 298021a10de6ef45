//! What a plugin owns of an object, as a digest: equal digests of a body to apply and of what the server holds make a write a no-op.
//!
//! The server's side comes from `managedFields`: exactly the places that an entry's `fieldsV1` lists, with the values the object has
//! there. Both sides are hashed in one canonical form (see `owned/canonical.rs`). Equal digests mean that applying would change nothing.
//! The reverse does not hold: where the server stores something else than was sent (defaults inside an atomic field, a mutating
//! webhook), the digests differ though nothing drifted, and dispatch remembers the pair.

mod canonical;

use std::fmt;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde::Serialize;
use serde_json::{Map, Value};
use sha2::{Digest as _, Sha256};

use crate::{PluginName, names::MANAGER_PREFIX};

/// 128 bits over places and values that a manager owns. Stable across host versions only as far as the canonical form is.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
pub struct OwnedDigest(u128);

impl fmt::Debug for OwnedDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

impl OwnedDigest {
    fn of(tree: &Value) -> Self {
        let hash = Sha256::digest(canonical::bytes(tree));
        Self(hash.iter().take(16).fold(0, |digest, byte| digest << 8 | u128::from(*byte)))
    }

    /// A digest that equals neither, for a manager with several entries (written in different API versions).
    fn and(self, other: Self) -> Self {
        Self(self.0.rotate_left(1) ^ other.0)
    }
}

/// What one plugin owns of one object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OwnedFields {
    /// The plugin behind the field manager `motet/PLUGIN`.
    pub plugin: PluginName,
    /// What it applied to the object; compare with [`sent_digest`].
    pub applied: Option<OwnedDigest>,
    /// What it applied to the `status` subresource; compare with [`sent_status_digest`].
    pub status: Option<OwnedDigest>,
}

/// Digests for each plugin that applied to the object, in the order of `managedFields`. Objects that no plugin applied to cost one
/// scan for a substring; malformed JSON and malformed entries own nothing.
pub fn owned_digests(json: &[u8]) -> Vec<OwnedFields> {
    let mut owned: Vec<OwnedFields> = Vec::new();
    if !mentions_manager(json) {
        return owned;
    }
    let Ok(mut object) = serde_json::from_slice::<Value>(json) else { return owned };
    let entries = object.pointer_mut("/metadata/managedFields").map(Value::take);
    let Some(Value::Array(entries)) = entries else { return owned };
    for entry in entries {
        let text = |field: &str| entry.get(field).and_then(Value::as_str).unwrap_or_default();
        let name = text("manager").strip_prefix(MANAGER_PREFIX).filter(|_| text("operation") == "Apply");
        let Some(plugin) = name.and_then(|name| PluginName::new(name).ok()) else { continue };
        let Some(fields) = entry.get("fieldsV1") else { continue };
        let index = owned.iter().position(|o| o.plugin == plugin).unwrap_or_else(|| {
            owned.push(OwnedFields { plugin, applied: None, status: None });
            owned.len() - 1
        });
        let Some(owner) = owned.get_mut(index) else { continue };
        let (slot, digest) = match text("subresource") {
            "" => (&mut owner.applied, applied_fields(&object, fields)),
            "status" => (&mut owner.status, status_fields(&object, fields)),
            _ => continue,
        };
        *slot = Some(slot.map_or(digest, |other| other.and(digest)));
    }
    owned
}

/// The digest of what `plugin` owns of the object, without its status; `None` if it never applied it.
pub fn owned_digest(json: &[u8], plugin: &PluginName) -> Option<OwnedDigest> {
    owned_digests(json).into_iter().find(|owned| owned.plugin == *plugin)?.applied
}

/// The digest of what `plugin` owns of the object's status.
pub fn owned_status_digest(json: &[u8], plugin: &PluginName) -> Option<OwnedDigest> {
    owned_digests(json).into_iter().find(|owned| owned.plugin == *plugin)?.status
}

/// The digest of a body that is about to be applied.
pub fn sent_digest(json: &[u8]) -> Result<OwnedDigest, serde_json::Error> {
    let mut body: Value = serde_json::from_slice(json)?;
    let secret = is_secret(&body);
    if let Value::Object(body) = &mut body {
        keep_own_metadata(body);
        body.remove("apiVersion");
        body.remove("kind");
        // A kind with the status subresource ignores it; typed templates send an empty one.
        if body.get("status").is_some_and(canonical::is_empty) {
            body.remove("status");
        }
        if secret {
            fold_string_data(body);
        }
    }
    Ok(OwnedDigest::of(&body))
}

/// The digest of a body that is about to be applied to the `status` subresource.
pub fn sent_status_digest(json: &[u8]) -> Result<OwnedDigest, serde_json::Error> {
    let mut body: Value = serde_json::from_slice(json)?;
    Ok(OwnedDigest::of(&body.get_mut("status").map(Value::take).unwrap_or_default()))
}

fn mentions_manager(json: &[u8]) -> bool {
    memchr::memmem::find(json, MANAGER_PREFIX.as_bytes()).is_some()
}

fn is_secret(object: &Value) -> bool {
    object.get("kind").is_some_and(|kind| kind == "Secret")
        && object.get("apiVersion").is_some_and(|version| version == "v1")
}

/// Of the metadata, a manager owns these; the rest identifies the object or belongs to the server.
fn keep_own_metadata(object: &mut Map<String, Value>) {
    let Some(Value::Object(metadata)) = object.get_mut("metadata") else { return };
    metadata.retain(|key, _| matches!(key.as_str(), "labels" | "annotations" | "finalizers" | "ownerReferences"));
    if metadata.is_empty() {
        object.remove("metadata");
    }
}

/// A Secret's `stringData` is write-only: the server keeps it as base64 in `data`.
fn fold_string_data(secret: &mut Map<String, Value>) {
    let Some(Value::Object(texts)) = secret.remove("stringData") else { return };
    if texts.is_empty() {
        return;
    }
    if let Value::Object(data) = secret.entry("data").or_insert_with(|| Value::Object(Map::new())) {
        for (key, text) in texts {
            let value = text.as_str().map_or(Value::Null, |text| Value::String(STANDARD.encode(text)));
            data.insert(key, value);
        }
    }
}

fn applied_fields(object: &Value, fields: &Value) -> OwnedDigest {
    let mut fields = fields.clone();
    if is_secret(object) {
        own_string_data(&mut fields);
    }
    let mut tree = extract(object, &fields);
    if let Value::Object(tree) = &mut tree {
        keep_own_metadata(tree);
    }
    OwnedDigest::of(&tree)
}

fn status_fields(object: &Value, fields: &Value) -> OwnedDigest {
    let status = fields.get("f:status");
    let tree = status.map(|fields| extract(object.get("status").unwrap_or(&Value::Null), fields));
    OwnedDigest::of(&tree.unwrap_or_default())
}

/// Whoever applied `stringData` owns those keys of `data`, though the server lists them where they were sent.
fn own_string_data(fields: &mut Value) {
    let Some(fields) = fields.as_object_mut() else { return };
    let Some(Value::Object(texts)) = fields.remove("f:stringData") else { return };
    if !texts.is_empty()
        && let Value::Object(data) = fields.entry("f:data").or_insert_with(|| Value::Object(Map::new()))
    {
        data.extend(texts);
    }
}

/// The part of `value` that `fields` lists. A place without children is owned whole; one that is listed and not there any more
/// shows as null (the server drops empty values, and the canonical form does not tell them apart).
fn extract(value: &Value, fields: &Value) -> Value {
    let Some(fields) = fields.as_object() else { return value.clone() };
    let children = || fields.iter().filter(|(key, _)| *key != ".");
    match children().next() {
        None if fields.is_empty() => value.clone(),
        None => Value::Null,
        Some((key, _)) if key.starts_with("f:") => {
            let child = |(key, fields): (&String, &Value)| {
                let name = key.strip_prefix("f:")?;
                Some((name.to_owned(), extract(value.get(name).unwrap_or(&Value::Null), fields)))
            };
            Value::Object(children().filter_map(child).collect())
        }
        Some(_) => {
            let elements = value.as_array().map(Vec::as_slice).unwrap_or_default();
            let mut owned: Vec<(usize, Value)> = children()
                .map(|(key, fields)| match find_element(elements, key) {
                    Some((index, element)) => (index, extract(element, fields)),
                    None => (usize::MAX, Value::Null),
                })
                .collect();
            owned.sort_by_key(|(index, _)| *index);
            Value::Array(owned.into_iter().map(|(_, element)| element).collect())
        }
    }
}

/// The element that `k:{…}` (by its keys), `v:…` (by its value) or `i:N` names.
fn find_element<'v>(elements: &'v [Value], key: &str) -> Option<(usize, &'v Value)> {
    let (how, what) = key.split_once(':')?;
    let what: Value = serde_json::from_str(what).ok()?;
    let index = match how {
        "k" => elements.iter().position(|element| {
            what.as_object().is_some_and(|keys| keys.iter().all(|(name, value)| element.get(name) == Some(value)))
        }),
        "v" => elements.iter().position(|element| *element == what),
        _ => what.as_u64().and_then(|index| usize::try_from(index).ok()),
    }?;
    elements.get(index).map(|element| (index, element))
}
