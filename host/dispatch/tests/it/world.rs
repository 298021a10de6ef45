//! A dispatcher with its queue, one member with its caches, and plugins whose code is a closure.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use bytes::Bytes;
use futures::{FutureExt as _, future::BoxFuture};
use motet_core::{
    Digest, Gvk, MemberName, ObjectName, ObjectRef, PluginName,
    description::{Description, Mapping, Primary, Scope, Trigger, Watch},
    grant::Rule,
    outcome::{Intent, Next, Outcome, ReconcileError},
    plugin::{Mode, OnDelete, PluginSpec},
    ports::{HostCall, HostCalls, HostReply, Limits, Sandbox},
    request::{MemberInfo, Request},
    selector::Selector,
};
use motet_dispatch::{BindingSnapshot, BindingState, Dispatcher, EngagedMember, IntentReport, Revision};
use motet_queue::{Queue, Settings};
use motet_watch::{CacheSettings, MemberCaches};
use parking_lot::Mutex;
use serde_json::{Value, json};

use super::member::FakeMember;

pub(crate) type Returned = Result<Outcome, ReconcileError>;
type Code = dyn Fn(Request, HostCalls) -> BoxFuture<'static, Returned> + Send + Sync;

/// A plugin's code, and every request that it got.
pub(crate) struct Script {
    code: Box<Code>,
    requests: Mutex<Vec<Request>>,
}

impl Script {
    /// Code that reads nothing.
    pub(crate) fn new(code: impl Fn(&Request) -> Returned + Send + Sync + 'static) -> Arc<Self> {
        Self::reading(move |request, _| {
            let returned = code(&request);
            async move { returned }.boxed()
        })
    }

    pub(crate) fn reading(
        code: impl Fn(Request, HostCalls) -> BoxFuture<'static, Returned> + Send + Sync + 'static,
    ) -> Arc<Self> {
        Arc::new(Self { code: Box::new(code), requests: Mutex::default() })
    }

    /// Code that always wants the same.
    pub(crate) fn wanting(intents: Vec<Intent>) -> Arc<Self> {
        Self::new(move |_| want(intents.clone()))
    }

    pub(crate) fn runs(&self) -> usize {
        self.requests.lock().len()
    }

    pub(crate) fn last(&self) -> Request {
        self.requests.lock().last().expect("it ran").clone()
    }

    pub(crate) fn requests(&self) -> Vec<Request> {
        self.requests.lock().clone()
    }
}

#[async_trait]
impl Sandbox for Script {
    async fn reconcile(&self, request: Request, _: &Limits, calls: HostCalls) -> Returned {
        self.requests.lock().push(request.clone());
        (self.code)(request, calls).await
    }
}

/// A plugin over things that may do all with ConfigMaps, Secrets and Events, unless a test says otherwise.
pub(crate) struct Plugin {
    pub(crate) name: &'static str,
    pub(crate) code: Arc<Script>,
    pub(crate) digest: &'static str,
    pub(crate) release: &'static str,
    pub(crate) description: Description,
    pub(crate) spec: PluginSpec,
}

impl Plugin {
    pub(crate) fn new(name: &'static str, code: &Arc<Script>) -> Self {
        let description = Description {
            name: PluginName::new(name).unwrap(),
            version: "1".into(),
            primary: Primary::Object(watch("test.dev", "Thing", None)),
            related: vec![],
            applies: vec![gvk("", "ConfigMap"), gvk("", "Secret")],
            needs: vec![everything()],
            config: None,
            finalizer: false,
        };
        let spec = PluginSpec { grants: vec![everything()], ..PluginSpec::default() };
        Self { name, code: code.clone(), digest: "a", release: "", description, spec }
    }

    pub(crate) fn finalizing(mut self) -> Self {
        self.description.finalizer = true;
        self
    }

    pub(crate) fn observing(self) -> Self {
        let spec = PluginSpec { mode: Mode::Observe, ..self.spec };
        Self { spec, ..self }
    }

    pub(crate) fn pruning(self) -> Self {
        let spec = PluginSpec { on_delete: OnDelete::Prune, ..self.spec };
        Self { spec, ..self }
    }

    pub(crate) fn related(mut self, watch: Watch) -> Self {
        self.description.related.push(watch);
        self
    }

    pub(crate) fn revision(self) -> Arc<Revision> {
        Arc::new(Revision {
            name: PluginName::new(self.name).unwrap(),
            digest: Digest::of(self.digest.as_bytes()),
            description: self.description,
            spec: self.spec,
            limits: Limits::default(),
            sandbox: self.code,
            release: self.release.into(),
        })
    }
}

/// One member named `m` under one dispatcher.
pub(crate) struct World {
    pub(crate) api: Arc<FakeMember>,
    pub(crate) caches: Arc<MemberCaches>,
    pub(crate) dispatcher: Dispatcher,
    _workers: tokio::task::JoinSet<()>,
}

impl World {
    /// A fresh member with thing `n/a`, engaged.
    pub(crate) async fn new() -> Self {
        let api = Arc::new(FakeMember::serving());
        api.edit("Thing", "n/a", |thing| thing["spec"] = json!({}));
        let world = Self::on(&api);
        world.engage();
        world
    }

    /// A host that has just started and a member that was there before; not engaged yet.
    pub(crate) fn on(api: &Arc<FakeMember>) -> Self {
        let dispatcher = Dispatcher::new(Queue::new(Settings::default()));
        let caches = MemberCaches::new(member(), api.clone(), CacheSettings::default());
        Self { api: api.clone(), caches, _workers: dispatcher.start_workers(4, 16), dispatcher }
    }

    pub(crate) fn engage(&self) {
        let (api, caches) = (self.api.clone(), self.caches.clone());
        self.dispatcher.engage(EngagedMember { info: info(&[]), api, caches, paused: false });
    }

    pub(crate) async fn run(&self, plugin: Plugin) {
        self.dispatcher.set_plugin(plugin.revision());
        settle().await;
    }

    /// A world in which a plugin `p` with `code` has come to rest.
    pub(crate) async fn with(code: &Arc<Script>) -> Self {
        let world = Self::new().await;
        world.run(Plugin::new("p", code)).await;
        world
    }

    pub(crate) fn touch(&self, thing: &str) {
        self.api.edit("Thing", thing, |t| t["spec"]["touched"] = json!(t["spec"]["touched"].as_i64().unwrap_or(0) + 1));
    }

    pub(crate) fn binding(&self, plugin: &str) -> BindingSnapshot {
        self.dispatcher.bindings().into_iter().find(|b| b.plugin.as_str() == plugin).expect("it is bound")
    }

    pub(crate) fn state(&self, plugin: &str) -> (BindingState, &'static str) {
        let status = self.binding(plugin).status;
        (status.state, status.reason)
    }

    /// What became of the last outcome of key `n/a` of plugin `p`.
    pub(crate) fn report(&self) -> Vec<IntentReport> {
        let reports = self.dispatcher.reports(&PluginName::new("p").unwrap(), |r| r.target.to_string() == "n/a");
        reports.into_iter().flat_map(|report| report.intents).collect()
    }

    /// The same in short: `VERB NAME RESULT`.
    pub(crate) fn results(&self) -> Vec<String> {
        self.report().iter().map(|i| format!("{} {} {:?}", i.verb, i.object.name, i.result)).collect()
    }
}

/// Lets everything come to rest: longer than the first retries, shorter than any host backoff.
pub(crate) async fn settle() {
    tokio::time::sleep(Duration::from_millis(500)).await;
}

pub(crate) async fn seconds(seconds: u64) {
    tokio::time::sleep(Duration::from_secs(seconds)).await;
}

pub(crate) fn member() -> MemberName {
    MemberName::new("m").unwrap()
}

pub(crate) fn plugin(name: &str) -> PluginName {
    PluginName::new(name).unwrap()
}

pub(crate) fn info(labels: &[(&str, &str)]) -> Arc<MemberInfo> {
    let labels = labels.iter().map(|(k, v)| (k.to_string(), v.to_string())).collect();
    Arc::new(MemberInfo { name: member(), uid: "uid-m".into(), labels })
}

pub(crate) fn want(intents: Vec<Intent>) -> Returned {
    Ok(Outcome { intents, ..Outcome::default() })
}

pub(crate) fn want_after(intents: Vec<Intent>, next: Next) -> Returned {
    Ok(Outcome { intents, next, keep_finalizer: false })
}

pub(crate) fn gvk(group: &str, kind: &str) -> Gvk {
    Gvk::new(group, "v1", kind)
}

pub(crate) fn reference(kind: &str, name: &str) -> ObjectRef {
    ObjectRef { gvk: gvk(if kind == "Thing" { "test.dev" } else { "" }, kind), name: ObjectName::parse(name).unwrap() }
}

pub(crate) fn watch(group: &str, kind: &str, map: Option<Mapping>) -> Watch {
    let (group, version, kind) = (group.into(), "v1".into(), kind.into());
    Watch { group, version, kind, scope: Scope::default(), trigger: Trigger::Any, projection: None, map }
}

pub(crate) fn rule(resources: &[&str], namespaces: &[&str]) -> Rule {
    let texts = |list: &[&str]| list.iter().map(|s| s.to_string()).collect();
    Rule {
        api_groups: texts(&["", "test.dev", "events.k8s.io"]),
        resources: texts(resources),
        verbs: texts(&["*", "get", "list", "watch", "create", "patch", "delete"]),
        namespaces: texts(namespaces),
        ..Rule::default()
    }
}

fn everything() -> Rule {
    rule(&["*", "secrets"], &[])
}

/// Selects members that carry the label.
pub(crate) fn members_with(label: &str) -> Selector {
    serde_json::from_value(json!({ "matchLabels": { label: "true" } })).unwrap()
}

/// A ConfigMap as JSON.
pub(crate) fn config_map(name: &str, data: Value) -> Bytes {
    let (namespace, name) = name.split_once('/').unwrap();
    let metadata = json!({ "name": name, "namespace": namespace });
    json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": data }).to_string().into()
}

pub(crate) fn apply(name: &str, data: Value) -> Intent {
    Intent::Apply { object: config_map(name, data), force: true }
}

pub(crate) fn set(name: &str, objects: &[&str]) -> Intent {
    let objects = objects.iter().map(|object| config_map(object, json!({ "of": name }))).collect();
    Intent::ApplySet { name: name.into(), objects, force: true }
}

pub(crate) fn status(thing: &str, status: Value) -> Intent {
    let (namespace, name) = thing.split_once('/').unwrap();
    let metadata = json!({ "name": name, "namespace": namespace });
    let object = json!({ "apiVersion": "test.dev/v1", "kind": "Thing", "metadata": metadata, "status": status });
    Intent::Status { object: object.to_string().into() }
}

/// How many objects of a kind a plugin sees in namespace `n`.
pub(crate) async fn count(calls: &HostCalls, kind: &str) -> usize {
    let query = motet_core::ports::ListQuery { namespace: Some("n".into()), ..Default::default() };
    match calls(HostCall::List { gvk: gvk("", kind), query }).await {
        HostReply::Page(Ok(page)) => page.items.len(),
        other => panic!("no list: {other:?}"),
    }
}
