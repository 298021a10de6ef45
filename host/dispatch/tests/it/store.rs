//! What the member in memory holds, and what a write makes of it.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use bytes::Bytes;
use futures::channel::mpsc;
use motet_core::{
    ApiError, Change, Gvk, Resource, change::Interrupted, description::Scope, outcome::PatchKind, ports::Write,
    selector::Selector,
};
use serde_json::{Value, json};
use tokio::time::Instant;

use super::fields::{self, Entry};

/// An object by kind and name; `NAMESPACE/NAME`.
pub(crate) type Place = (String, String);

#[derive(Clone, PartialEq)]
pub(crate) struct Stored {
    pub(crate) json: Value,
    pub(crate) entries: Vec<Entry>,
}

pub(crate) struct Watcher {
    pub(crate) kind: String,
    pub(crate) scope: Scope,
    pub(crate) seen: BTreeSet<String>,
    pub(crate) sender: mpsc::UnboundedSender<(Instant, Change)>,
}

#[derive(Default)]
pub(crate) struct State {
    pub(crate) kinds: Vec<Resource>,
    pub(crate) forbidden: BTreeSet<String>,
    pub(crate) objects: BTreeMap<Place, Stored>,
    pub(crate) version: u64,
    pub(crate) watchers: Vec<Watcher>,
    pub(crate) writes: Vec<String>,
    pub(crate) failures: Vec<(Place, ApiError)>,
    pub(crate) delay: Duration,
    /// Calls are never answered; watches go on.
    pub(crate) silent: bool,
    pub(crate) normalise: Option<fn(&mut Value)>,
}

impl State {
    pub(crate) fn resource(&self, gvk: &Gvk) -> Result<Resource, ApiError> {
        let found = self.kinds.iter().find(|r| r.gvk == *gvk).cloned();
        found.ok_or_else(|| ApiError::new(404, "KindMissing", format!("the member does not serve {gvk}")))
    }

    pub(crate) fn fresh(&self, (kind, name): &Place) -> Stored {
        let resource = self.kinds.iter().find(|r| &*r.gvk.kind == kind).unwrap();
        let mut json = json!({ "apiVersion": resource.gvk.api_version(), "kind": kind,
            "metadata": { "name": name, "uid": format!("uid-{}-{name}", self.version) } });
        if let Some((namespace, name)) = name.split_once('/') {
            json["metadata"]["name"] = json!(name);
            json["metadata"]["namespace"] = json!(namespace);
        }
        Stored { json, entries: vec![] }
    }

    /// Stores what changed; an object without changes keeps its version.
    pub(crate) fn store(&mut self, place: Place, mut stored: Stored) -> Bytes {
        if let Some(normalise) = self.normalise {
            normalise(&mut stored.json);
        }
        if self.objects.get(&place) != Some(&stored) {
            self.version += 1;
            stored.json["metadata"]["resourceVersion"] = json!(self.version.to_string());
            let left = stored.json.pointer("/metadata/finalizers").and_then(Value::as_array).map_or(0, Vec::len);
            if left == 0 && stored.json["metadata"].get("deletionTimestamp").is_some() {
                self.objects.remove(&place);
                self.emit(&place, &stored, true);
            } else {
                self.objects.insert(place.clone(), stored.clone());
                self.emit(&place, &stored, false);
            }
        }
        shown(&stored)
    }

    fn emit(&mut self, (kind, name): &Place, stored: &Stored, gone: bool) {
        let due = Instant::now() + self.delay;
        for watcher in self.watchers.iter_mut().filter(|w| w.kind == *kind) {
            let change = if !gone && selects(&watcher.scope, &stored.json) {
                watcher.seen.insert(name.clone());
                Change::Upsert(shown(stored))
            } else if watcher.seen.remove(name) {
                Change::Delete(shown(stored))
            } else {
                continue;
            };
            let _ = watcher.sender.unbounded_send((due, change));
        }
    }

    pub(crate) fn list(&self, watcher: &mut Watcher) {
        let now = Instant::now();
        let say = |change| drop(watcher.sender.unbounded_send((now, change)));
        if self.forbidden.contains(&watcher.kind) {
            let message = "not allowed to watch".into();
            return say(Change::Interrupted(Interrupted { reason: "Forbidden", message, blocked: true }));
        }
        say(Change::Reset);
        for ((kind, name), stored) in &self.objects {
            if *kind == watcher.kind && selects(&watcher.scope, &stored.json) {
                watcher.seen.insert(name.clone());
                say(Change::Initial(shown(stored)));
            }
        }
        say(Change::Synced { resource_version: (self.version + 1).to_string() });
    }

    pub(crate) fn delete(
        &mut self,
        place: &Place,
        uid: Option<String>,
        version: Option<String>,
    ) -> Result<Bytes, ApiError> {
        let mut stored = self.objects.get(place).cloned().ok_or_else(|| not_found(place))?;
        for (field, wanted) in [("uid", uid), ("resourceVersion", version)] {
            if wanted.is_some_and(|wanted| stored.json["metadata"][field] != wanted) {
                return Err(ApiError::new(409, "Conflict", format!("precondition failed: {field}")));
            }
        }
        stored.json["metadata"]["deletionTimestamp"] = json!("2026-01-01T00:00:00Z");
        Ok(self.store(place.clone(), stored))
    }

    pub(crate) fn write(&mut self, place: Place, write: Write) -> Result<Bytes, ApiError> {
        let existing = self.objects.get(&place).cloned();
        match write {
            Write::Apply { body, manager, force, subresource } => {
                let namespace = place.1.split_once('/').map(|(namespace, _)| namespace);
                if namespace == Some("motet-system")
                    && !self.objects.contains_key(&("Namespace".into(), "motet-system".into()))
                {
                    return Err(not_found(&place));
                }
                let status = subresource.is_some();
                let missing = || if status { Err(not_found(&place)) } else { Ok(self.fresh(&place)) };
                let mut stored = existing.map_or_else(missing, Ok)?;
                let body = serde_json::from_slice(&body).unwrap();
                fields::apply(&mut stored.json, &mut stored.entries, &body, (&manager, force, status))?;
                Ok(self.store(place, stored))
            }
            Write::Patch { body, kind, manager, .. } => {
                let mut stored = existing.ok_or_else(|| not_found(&place))?;
                let (before, patch) = (stored.json.clone(), serde_json::from_slice(&body).unwrap());
                match kind {
                    PatchKind::Json => json_patch(&mut stored.json, &patch)?,
                    PatchKind::Merge => merge(&mut stored.json, patch),
                }
                fields::update(&before, &stored.json, &mut stored.entries, &manager);
                Ok(self.store(place, stored))
            }
            Write::Create { body, manager } => {
                let mut stored = self.fresh(&place);
                let before = stored.json.clone();
                merge(&mut stored.json, serde_json::from_slice(&body).unwrap());
                fields::update(&before, &stored.json, &mut stored.entries, &manager);
                Ok(self.store(place, stored))
            }
            Write::Delete { uid, resource_version } => self.delete(&place, uid, resource_version),
        }
    }
}

fn not_found((kind, name): &Place) -> ApiError {
    ApiError::new(404, "NotFound", format!("{kind} {name} not found"))
}

pub(crate) fn shown(stored: &Stored) -> Bytes {
    let mut json = stored.json.clone();
    json["metadata"]["managedFields"] = fields::managed_fields(&stored.entries);
    json.to_string().into()
}

pub(crate) fn selects(scope: &Scope, object: &Value) -> bool {
    let namespace = object["metadata"]["namespace"].as_str().unwrap_or_default();
    let label = |key: &str| object["metadata"]["labels"].get(key).and_then(Value::as_str);
    let here = scope.namespaces.is_empty() || scope.namespaces.iter().any(|n| n == namespace);
    // The one field selector that the host itself makes use of.
    let elsewhere = scope.fields.strip_prefix("metadata.namespace!=").is_none_or(|other| other != namespace);
    here && elsewhere && Selector::parse(&scope.labels).unwrap().matches(label)
}

fn merge(into: &mut Value, from: Value) {
    match (into, from) {
        (Value::Object(into), Value::Object(from)) => {
            from.into_iter().for_each(|(key, value)| merge(into.entry(key).or_insert(Value::Null), value));
        }
        (into, from) => *into = from,
    }
}

/// As much of RFC 6902 as finalizers need.
fn json_patch(object: &mut Value, patch: &Value) -> Result<(), ApiError> {
    for step in patch.as_array().unwrap() {
        let path = step["path"].as_str().unwrap();
        let (parent, last) = path.rsplit_once('/').unwrap();
        match step["op"].as_str().unwrap() {
            "test" if object.pointer(path) == Some(&step["value"]) => {}
            "test" => return Err(ApiError::new(422, "Invalid", format!("testing {path} failed"))),
            op => match (op, object.pointer_mut(parent).unwrap()) {
                ("add", Value::Array(list)) => list.push(step["value"].clone()),
                ("add", parent) => parent[last] = step["value"].clone(),
                (_, list) => drop(list.as_array_mut().unwrap().remove(last.parse().unwrap())),
            },
        }
    }
    Ok(())
}
