//! A member whose streams say what a test tells them to, and subscribers that write down what they hear.

use std::{
    sync::{Arc, Weak},
    time::Duration,
};

use async_trait::async_trait;
use bytes::Bytes;
use futures::{StreamExt as _, channel::mpsc, stream::BoxStream};
use motet_core::{
    ApiError, Change, Gvk, MemberName, ObjectName, PluginName, Priority, Resource, Target,
    change::Interrupted,
    description::{Scope, Trigger},
    path::Projection,
    ports::{ListQuery, MemberApi, Page, Write},
};
use motet_watch::{CacheSettings, CacheState, Map, MemberCaches, Sink, SubscribeSpec, Subscription};
use parking_lot::Mutex;
use serde_json::{Value, json};

/// One stream that a cache opened.
pub(crate) struct Opened {
    pub(crate) scope: Scope,
    pub(crate) resume: Option<String>,
    sender: mpsc::UnboundedSender<Change>,
}

/// A member that only watches.
#[derive(Default)]
pub(crate) struct Script {
    opened: Mutex<Vec<Arc<Opened>>>,
}

#[async_trait]
impl MemberApi for Script {
    async fn resource(&self, gvk: &Gvk) -> Result<Resource, ApiError> {
        Err(ApiError::new(404, "KindMissing", format!("{gvk} is not asked for by caches")))
    }
    async fn get(&self, _: &Resource, name: &ObjectName) -> Result<Option<Bytes>, ApiError> {
        Err(ApiError::connection(format!("caches do not read {name}")))
    }
    async fn list(&self, resource: &Resource, _: &ListQuery) -> Result<Page, ApiError> {
        Err(ApiError::connection(format!("caches do not list {resource}")))
    }
    async fn write(&self, _: &Resource, name: &ObjectName, _: Write) -> Result<Bytes, ApiError> {
        Err(ApiError::connection(format!("caches do not write {name}")))
    }
    fn watch(&self, _: &Resource, scope: &Scope, resume: Option<String>) -> BoxStream<'static, Change> {
        let (sender, receiver) = mpsc::unbounded();
        self.opened.lock().push(Arc::new(Opened { scope: scope.clone(), resume, sender }));
        receiver.boxed()
    }
}

impl Script {
    /// How many streams were opened so far.
    pub(crate) fn count(&self) -> usize {
        self.opened.lock().len()
    }

    /// The stream that was opened last.
    pub(crate) fn last(&self) -> Arc<Opened> {
        self.opened.lock().last().expect("a stream was opened").clone()
    }

    pub(crate) fn nth(&self, n: usize) -> Arc<Opened> {
        self.opened.lock()[n].clone()
    }
}

impl Opened {
    pub(crate) fn is_closed(&self) -> bool {
        self.sender.is_closed()
    }

    /// Says something and lets everyone hear it.
    pub(crate) async fn say(&self, changes: impl IntoIterator<Item = Change>) {
        for change in changes {
            self.sender.unbounded_send(change).expect("the cache still listens");
        }
        settle().await;
    }

    /// A full list as of `version`.
    pub(crate) async fn list(&self, version: &str, objects: &[Value]) {
        let initial = objects.iter().map(|o| Change::Initial(bytes(o)));
        let synced = Change::Synced { resource_version: version.into() };
        self.say(std::iter::once(Change::Reset).chain(initial).chain([synced])).await;
    }

    pub(crate) async fn upsert(&self, object: &Value) {
        self.say([Change::Upsert(bytes(object))]).await;
    }

    pub(crate) async fn delete(&self, object: &Value) {
        self.say([Change::Delete(bytes(object))]).await;
    }

    pub(crate) async fn bookmark(&self, version: &str) {
        self.say([Change::Bookmark { resource_version: version.into() }]).await;
    }

    pub(crate) async fn interrupt(&self, reason: &'static str, blocked: bool) {
        self.say([Change::Interrupted(Interrupted { reason, message: format!("{reason} happened"), blocked })]).await;
    }
}

/// Lets every task come to rest.
pub(crate) async fn settle() {
    tokio::time::sleep(Duration::from_millis(50)).await;
}

pub(crate) fn bytes(object: &Value) -> Bytes {
    Bytes::from(object.to_string())
}

/// An object in namespace `n` (cluster-scoped for a name without `/`), with some resource version.
pub(crate) fn object(name: &str, version: u64, rest: Value) -> Value {
    let mut object = json!({"apiVersion": "v1", "kind": "Thing",
        "metadata": {"name": name, "uid": format!("uid-{name}"), "resourceVersion": version.to_string()}});
    if let Some((namespace, name)) = name.split_once('/') {
        object["metadata"]["namespace"] = namespace.into();
        object["metadata"]["name"] = name.into();
    }
    merge(&mut object, rest);
    object
}

pub(crate) fn merge(into: &mut Value, from: Value) {
    match (into, from) {
        (Value::Object(into), Value::Object(from)) => {
            for (key, value) in from {
                merge(into.entry(key).or_insert(Value::Null), value);
            }
        }
        (into, from) => *into = from,
    }
}

pub(crate) fn things() -> Resource {
    Resource {
        gvk: Gvk::new("", "v1", "Thing"),
        plural: "things".into(),
        namespaced: true,
        status: true,
        watchable: true,
    }
}

pub(crate) fn plugin(name: &str) -> PluginName {
    PluginName::new(name).unwrap()
}

pub(crate) fn name(text: &str) -> ObjectName {
    ObjectName::parse(text).unwrap()
}

/// One member, its caches and its script.
pub(crate) struct World {
    pub(crate) api: Arc<Script>,
    pub(crate) caches: Arc<MemberCaches>,
}

/// A subscription with what it heard since it was last asked.
pub(crate) struct Listener {
    pub(crate) subscription: Subscription,
    heard: Arc<Mutex<Vec<String>>>,
}

impl Listener {
    /// What was enqueued since the last call: `TARGET PRIORITY`, sorted.
    pub(crate) fn heard(&self) -> Vec<String> {
        let mut heard = std::mem::take(&mut *self.heard.lock());
        heard.sort();
        heard
    }

    pub(crate) fn synced(&self) -> bool {
        self.subscription.state() == CacheState::Synced
    }

    /// An object as its plugin sees it.
    pub(crate) fn sees(&self, text: &str) -> Option<Value> {
        self.subscription.get(&name(text)).map(|bytes| serde_json::from_slice(&bytes).unwrap())
    }
}

/// What a test subscribes with; the rest is the default.
pub(crate) struct Want {
    pub(crate) plugin: &'static str,
    pub(crate) scope: Scope,
    pub(crate) projection: Option<Vec<&'static str>>,
    pub(crate) trigger: Trigger,
    pub(crate) map: Map,
}

impl Default for Want {
    fn default() -> Self {
        Self { plugin: "p", scope: Scope::default(), projection: None, trigger: Trigger::Any, map: Map::Primary }
    }
}

impl World {
    pub(crate) fn new() -> Self {
        let api = Arc::new(Script::default());
        let caches = MemberCaches::new(MemberName::new("m").unwrap(), api.clone(), CacheSettings::default());
        Self { api, caches }
    }

    /// Like [`new`](Self::new), where an index pays for the first object.
    pub(crate) fn indexing() -> Self {
        let api = Arc::new(Script::default());
        let settings = CacheSettings { index_over: 0, ..CacheSettings::default() };
        let caches = MemberCaches::new(MemberName::new("m").unwrap(), api.clone(), settings);
        Self { api, caches }
    }

    pub(crate) async fn subscribe(&self, want: Want) -> Listener {
        let heard: Arc<Mutex<Vec<String>>> = Arc::default();
        let log: Weak<_> = Arc::downgrade(&heard);
        let sink: Sink = Arc::new(move |target: Target, priority: Priority| {
            log.upgrade().expect("nothing is said to one who left").lock().push(format!("{target} {priority:?}"));
        });
        let spec = SubscribeSpec {
            plugin: plugin(want.plugin),
            scope: want.scope,
            projection: want.projection.map(|paths| Projection::parse(&paths).unwrap()),
            trigger: want.trigger,
            map: want.map,
            sink,
        };
        let subscription = self.caches.subscribe(&things(), spec);
        settle().await;
        Listener { subscription, heard }
    }

    /// A subscriber whose cache is complete and holds `objects`; nothing of that is left to hear.
    pub(crate) async fn synced(&self, want: Want, objects: &[Value]) -> Listener {
        let listener = self.subscribe(want).await;
        self.api.last().list("100", objects).await;
        assert!(listener.synced());
        listener.heard();
        listener
    }
}
