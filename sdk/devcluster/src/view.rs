//! Writes stored objects in the version and form a request asks for.

use bytes::{BufMut, Bytes, BytesMut};
use serde_json::{Map, Value, json};

use crate::ask::{Meta, Render};
use crate::autoscaling;
use crate::resources::Resource;
use crate::schema::settle::settle;
use crate::store::Stored;
use crate::table;

/// Which resource, version and form objects are to be written in.
#[derive(Debug, Clone, Copy)]
pub(crate) struct View<'a> {
    pub(crate) resource: &'a Resource,
    pub(crate) version: &'a str,
    pub(crate) render: Render,
}

/// Fields of a core Event and what events.k8s.io calls them.
const EVENT_FIELDS: [(&str, &str); 7] = [
    ("involvedObject", "regarding"),
    ("message", "note"),
    ("source", "deprecatedSource"),
    ("firstTimestamp", "deprecatedFirstTimestamp"),
    ("lastTimestamp", "deprecatedLastTimestamp"),
    ("count", "deprecatedCount"),
    ("reportingComponent", "reportingController"),
];

fn rename(object: &mut Value, pairs: impl Iterator<Item = (&'static str, &'static str)>) {
    let Some(map) = object.as_object_mut() else { return };
    for (from, to) in pairs {
        if let Some(value) = map.remove(from) {
            map.insert(to.into(), value);
        }
    }
}

/// From the form a version's clients send to the form that is stored.
pub(crate) fn to_stored(resource: &Resource, object: &mut Value) {
    if resource.renames_events() {
        rename(object, EVENT_FIELDS.iter().map(|(stored, shown)| (*shown, *stored)));
    }
}

impl View<'_> {
    /// True if objects are kept in another form than they are shown in.
    fn converts(&self) -> bool {
        self.resource.renames_events() || autoscaling::is_first(self.resource, self.version)
    }

    /// The view in the version that objects are kept in: tables and metadata alone are made of that.
    fn kept(self) -> Self {
        let first = autoscaling::is_first(self.resource, self.version);
        if first { Self { version: "v2", ..self } } else { self }
    }

    /// The object as a value of the view's version, with apiVersion and kind.
    pub(crate) fn value(&self, stored: &Stored) -> Value {
        let mut value = stored.value();
        if self.resource.renames_events() {
            rename(&mut value, EVENT_FIELDS.iter().copied());
        } else if autoscaling::is_first(self.resource, self.version) {
            autoscaling::first(&mut value);
        }
        if let Some(version) = self.resource.version(self.version).filter(|_| self.converts()) {
            settle(version.ty(), &mut value);
        }
        if let Some(map) = value.as_object_mut() {
            map.insert("apiVersion".into(), self.resource.api_version(self.version).into());
            map.insert("kind".into(), self.resource.kind.as_str().into());
        }
        value
    }

    /// One object as JSON.
    pub(crate) fn object(&self, stored: &Stored) -> Bytes {
        match self.render {
            Render::Full if self.converts() => Bytes::from(self.value(stored).to_string()),
            Render::Full => self.typed(stored),
            Render::Partial(_, meta) => Bytes::from(partial(stored, meta).to_string()),
            Render::Table(include, meta) => {
                let kept = self.kept();
                let mut table = table::table(kept, (include, meta), std::slice::from_ref(&kept.value(stored)));
                table["metadata"] = json!({"resourceVersion": stored.version.to_string()});
                Bytes::from(table.to_string())
            }
        }
    }

    /// Splices apiVersion and kind into the stored bytes, without parsing them.
    fn typed(&self, stored: &Stored) -> Bytes {
        let kind = json!(self.resource.kind);
        let version = json!(self.resource.api_version(self.version));
        let head = format!("{{\"apiVersion\":{version},\"kind\":{kind}");
        let mut out = BytesMut::with_capacity(head.len() + stored.body.len() + 1);
        out.put_slice(head.as_bytes());
        if stored.body.len() > 2 {
            out.put_u8(b',');
        }
        out.put_slice(stored.body.get(1..).unwrap_or(b"}"));
        out.freeze()
    }

    /// A list; `meta` is its metadata.
    pub(crate) fn list<'s>(&self, items: impl Iterator<Item = &'s Stored>, meta: &Map<String, Value>) -> Bytes {
        let meta = Value::Object(meta.clone());
        if let Render::Table(include, form) = self.render {
            let kept = self.kept();
            let values: Vec<Value> = items.map(|s| kept.value(s)).collect();
            let mut table = table::table(kept, (include, form), &values);
            table["metadata"] = meta;
            // A list of custom resources says that there is no more, their table does not.
            if let Some(meta) = table["metadata"].as_object_mut().filter(|_| self.resource.custom) {
                meta.retain(|key, value| key != "continue" || value.as_str() != Some(""));
            }
            return Bytes::from(table.to_string());
        }
        let (kind, version) = match self.render {
            Render::Partial(_, meta) => ("PartialObjectMetadataList", meta.version().to_owned()),
            _ => (self.resource.list_kind.as_str(), self.resource.api_version(self.version)),
        };
        let head =
            format!("{{\"kind\":{},\"apiVersion\":{},\"metadata\":{meta},\"items\":[", json!(kind), json!(version));
        let mut out = BytesMut::from(head.as_bytes());
        for (i, stored) in items.enumerate() {
            if i > 0 {
                out.put_u8(b',');
            }
            // Items of built-in lists carry no apiVersion and kind, those of custom resources do.
            match self.render {
                Render::Full if self.converts() => {
                    let mut value = self.value(stored);
                    if let Some(map) = value.as_object_mut() {
                        map.retain(|key, _| key != "apiVersion" && key != "kind");
                    }
                    out.put_slice(value.to_string().as_bytes());
                }
                Render::Full if !self.resource.custom => out.put_slice(&stored.body),
                _ => out.put_slice(&self.object(stored)),
            }
        }
        out.put_slice(b"]}\n");
        out.freeze()
    }
}

/// Metadata alone.
pub(crate) fn partial(stored: &Stored, meta: Meta) -> Value {
    let mut value = stored.value();
    let metadata = value.get_mut("metadata").map(Value::take).unwrap_or_default();
    json!({"kind": "PartialObjectMetadata", "apiVersion": meta.version(), "metadata": metadata})
}
