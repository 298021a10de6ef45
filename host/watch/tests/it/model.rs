//! Whatever happens to a member, its connection and its subscribers, in whatever order: in the end every subscriber sees what
//! the member holds, and heard of every object after it last changed for it.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use async_trait::async_trait;
use bytes::Bytes;
use futures::{StreamExt as _, channel::mpsc, stream::BoxStream};
use motet_core::{
    ApiError, Change, Gvk, MemberName, ObjectName, Resource, Target,
    change::Interrupted,
    description::{Scope, Trigger},
    path::Projection,
    ports::{ListQuery, MemberApi, Page, Write},
    selector::Selector,
};
use motet_watch::{CacheSettings, CacheState, Map, MemberCaches, SubscribeSpec, Subscription};
use parking_lot::Mutex;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::fixtures::{bytes, name, object, plugin, settle, things};

const NAMES: [&str; 4] = ["m/a", "m/b", "n/a", "n/c"];
const LABELS: [&str; 2] = ["", "tier=edge"];

#[derive(Debug, Clone)]
enum Step {
    /// Object, edge or not, its spec, its status.
    Set(usize, bool, u8, u8),
    /// A new object of the same name, without anyone having seen the old one go.
    Recreate(usize),
    Delete(usize),
    /// What happens next is not told to streams until they list again.
    Deafen,
    /// Streams break and list again.
    Relist,
    /// A list begins and breaks.
    HalfAList,
    Pause,
    Resume,
    Swap,
    /// Labels, what is seen, where.
    Subscribe(usize, usize, usize),
    Unsubscribe(usize),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let n = || 0..NAMES.len();
    let step = prop_oneof![
        8 => (n(), any::<bool>(), 0..3u8, 0..3u8).prop_map(|(n, edge, spec, status)| Step::Set(n, edge, spec, status)),
        1 => n().prop_map(Step::Recreate),
        3 => n().prop_map(Step::Delete),
        1 => Just(Step::Deafen),
        2 => Just(Step::Relist),
        1 => Just(Step::HalfAList),
        1 => Just(Step::Pause),
        1 => Just(Step::Resume),
        1 => Just(Step::Swap),
        3 => (0..LABELS.len(), 0..4usize, 0..3usize).prop_map(|(labels, seen, place)| Step::Subscribe(labels, seen, place)),
        1 => (0..4usize).prop_map(Step::Unsubscribe),
    ];
    prop::collection::vec(step, 1..60)
}

/// What a member holds, and who watches it.
#[derive(Default)]
struct Held {
    objects: BTreeMap<&'static str, Value>,
    version: u64,
    /// Every change since the beginning: before and after.
    log: Vec<(u64, Option<Value>, Option<Value>)>,
    streams: Vec<(Scope, mpsc::UnboundedSender<Change>)>,
    deaf: bool,
}

struct Member(Mutex<Held>);

#[async_trait]
impl MemberApi for Member {
    async fn resource(&self, gvk: &Gvk) -> Result<Resource, ApiError> {
        Err(ApiError::new(404, "KindMissing", gvk.to_string()))
    }
    async fn get(&self, _: &Resource, _: &ObjectName) -> Result<Option<Bytes>, ApiError> {
        Ok(None)
    }
    async fn list(&self, _: &Resource, _: &ListQuery) -> Result<Page, ApiError> {
        Ok(Page::default())
    }
    async fn write(&self, _: &Resource, name: &ObjectName, _: Write) -> Result<Bytes, ApiError> {
        Err(ApiError::new(405, "MethodNotAllowed", name.to_string()))
    }
    fn watch(&self, _: &Resource, scope: &Scope, resume: Option<String>) -> BoxStream<'static, Change> {
        let (sender, receiver) = mpsc::unbounded();
        let mut held = self.0.lock();
        match resume {
            Some(version) => {
                let version: u64 = version.parse().unwrap();
                let missed = held.log.iter().filter(|(at, ..)| *at > version && !held.deaf);
                missed.for_each(|(_, old, new)| tell(scope, &sender, old.as_ref(), new.as_ref()));
            }
            None => held.list(scope, &sender, true),
        }
        held.streams.push((scope.clone(), sender));
        receiver.boxed()
    }
}

fn within(scope: &Scope, object: &Value) -> bool {
    let labels = Selector::parse(&scope.labels).unwrap();
    let namespace = object["metadata"]["namespace"].as_str().unwrap();
    labels.matches(|key| object["metadata"]["labels"][key].as_str())
        && (scope.namespaces.is_empty() || scope.namespaces.iter().any(|n| n == namespace))
}

/// What a watch of `scope` says about a change: objects that leave a selector are deleted for it.
fn tell(scope: &Scope, sender: &mpsc::UnboundedSender<Change>, old: Option<&Value>, new: Option<&Value>) {
    let change = match (old.filter(|o| within(scope, o)), new.filter(|o| within(scope, o))) {
        (_, Some(new)) => Change::Upsert(bytes(new)),
        (Some(old), None) => Change::Delete(bytes(old)),
        (None, None) => return,
    };
    let _ = sender.unbounded_send(change);
}

impl Held {
    fn list(&self, scope: &Scope, sender: &mpsc::UnboundedSender<Change>, whole: bool) {
        let mut changes = vec![Change::Reset];
        let objects = self.objects.values().filter(|o| within(scope, o));
        changes.extend(objects.take(if whole { usize::MAX } else { 1 }).map(|o| Change::Initial(bytes(o))));
        changes.push(match whole {
            true => Change::Synced { resource_version: self.version.to_string() },
            false => interrupted(),
        });
        changes.into_iter().for_each(|change| drop(sender.unbounded_send(change)));
    }

    fn change(&mut self, at: &'static str, new: Option<Value>) {
        let old = match &new {
            Some(new) => self.objects.insert(at, new.clone()),
            None => self.objects.remove(at),
        };
        if old.is_none() && new.is_none() {
            return;
        }
        if !self.deaf {
            self.streams.iter().for_each(|(scope, sender)| tell(scope, sender, old.as_ref(), new.as_ref()));
        }
        self.log.push((self.version, old, new));
    }

    fn relist(&mut self, whole: bool) {
        self.streams.retain(|(_, sender)| !sender.is_closed());
        for (scope, sender) in &self.streams {
            let _ = sender.unbounded_send(interrupted());
            self.list(scope, sender, false);
            if whole {
                self.list(scope, sender, true);
            }
        }
        if whole {
            self.deaf = false;
        }
    }
}

fn interrupted() -> Change {
    Change::Interrupted(Interrupted { reason: "Expired", message: String::new(), blocked: false })
}

/// A subscriber and what it saw of each object when it last heard of it.
struct Reader {
    subscription: Subscription,
    scope: Scope,
    projection: Projection,
    heard: Arc<Mutex<BTreeSet<Target>>>,
    seen: BTreeMap<&'static str, Option<Value>>,
}

impl Reader {
    fn sees(&self, at: &str) -> Option<Value> {
        self.subscription.get(&name(at)).map(|json| serde_json::from_slice(&json).unwrap())
    }

    /// Looks at what it heard of.
    fn look(&mut self) {
        let heard = std::mem::take(&mut *self.heard.lock());
        for at in NAMES {
            if heard.contains(&Target::Object(name(at))) {
                self.seen.insert(at, self.sees(at));
            }
        }
    }

    fn check(&self, held: &Held) {
        assert_eq!(self.subscription.state(), CacheState::Synced);
        for at in NAMES {
            let there = held.objects.get(at).filter(|object| within(&self.scope, object));
            let there: Option<Value> =
                there.map(|o| serde_json::from_slice(&self.projection.apply(&bytes(o)).unwrap()).unwrap());
            assert_eq!(self.sees(at), there, "{at} through {:?}", self.scope);
            let unversioned = |object: Option<Value>| {
                object.map(|mut object| {
                    object["metadata"].as_object_mut().unwrap().remove("resourceVersion");
                    object
                })
            };
            let last = unversioned(self.seen.get(at).cloned().flatten());
            assert_eq!(last, unversioned(there), "{at} changed and {:?} did not hear of it", self.scope);
        }
    }
}

struct Run {
    member: Arc<Member>,
    caches: Arc<MemberCaches>,
    readers: Vec<Reader>,
    running: bool,
}

impl Run {
    fn subscribe(&mut self, labels: usize, seen: usize, place: usize) {
        let namespaces = ["m".to_owned(), "n".to_owned()].into_iter().take(place).collect();
        let scope = Scope { namespaces, labels: LABELS[labels].into(), ..Scope::default() };
        let paths: [&[&str]; 3] = [&["/spec"], &["/status"], &[]];
        let projection = paths.get(seen).map(|paths| Projection::parse(paths).unwrap());
        let heard: Arc<Mutex<BTreeSet<Target>>> = Arc::default();
        let log = Arc::clone(&heard);
        let spec = SubscribeSpec {
            plugin: plugin("p"),
            scope: scope.clone(),
            projection: projection.clone(),
            trigger: Trigger::Any,
            map: Map::Primary,
            sink: Arc::new(move |target, _| {
                log.lock().insert(target);
            }),
        };
        let subscription = self.caches.subscribe(&things(), spec);
        let projection = projection.unwrap_or_else(Projection::whole);
        self.readers.push(Reader { subscription, scope, projection, heard, seen: BTreeMap::new() });
    }

    fn step(&mut self, step: Step) {
        let member = Arc::clone(&self.member);
        let mut held = member.0.lock();
        held.version += 1;
        match step {
            Step::Set(at, edge, spec, status) => {
                let tier = if edge { "edge" } else { "core" };
                let uid = held.objects.get(NAMES[at]).map(|o| o["metadata"]["uid"].clone());
                let uid = uid.unwrap_or_else(|| held.version.to_string().into());
                let state = json!({"spec": spec, "status": status, "metadata": {"labels": {"tier": tier}, "uid": uid}});
                let new = object(NAMES[at], held.version, state);
                held.change(NAMES[at], Some(new));
            }
            Step::Recreate(at) => {
                let state = json!({"metadata": {"uid": held.version.to_string(), "labels": {"tier": "edge"}}});
                let new = object(NAMES[at], held.version, state);
                held.change(NAMES[at], Some(new));
            }
            Step::Delete(at) => held.change(NAMES[at], None),
            Step::Deafen => held.deaf = true,
            Step::Relist => held.relist(true),
            Step::HalfAList => held.relist(false),
            Step::Pause => {
                drop(held);
                self.caches.pause();
                self.running = false;
            }
            Step::Resume => {
                drop(held);
                self.caches.resume(member.clone());
                self.running = true;
            }
            Step::Swap => {
                drop(held);
                self.caches.swap_api(member.clone());
            }
            Step::Subscribe(labels, seen, place) => {
                drop(held);
                self.subscribe(labels, seen, place);
            }
            Step::Unsubscribe(reader) => {
                drop(held);
                if reader < self.readers.len() {
                    self.readers.swap_remove(reader);
                }
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_subscriber_ends_up_with_the_truth_and_heard_of_it(steps in steps()) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        runtime.block_on(async {
            let member = Arc::new(Member(Mutex::default()));
            let caches = MemberCaches::new(MemberName::new("m").unwrap(), member.clone(), CacheSettings::default());
            let mut run = Run { member: member.clone(), caches, readers: Vec::new(), running: true };
            run.subscribe(0, 0, 0);
            for step in steps {
                run.step(step);
                settle().await;
                run.readers.iter_mut().for_each(Reader::look);
            }
            if !run.running {
                run.caches.resume(member.clone());
                settle().await;
            }
            member.0.lock().relist(true);
            settle().await;
            run.readers.iter_mut().for_each(Reader::look);
            run.readers.iter().for_each(|reader| reader.check(&member.0.lock()));
        });
    }
}
