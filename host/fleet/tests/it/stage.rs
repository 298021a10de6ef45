//! What the tests stand on: a fleet with short waits, members fed to it, embedded clusters, and a look at what happens.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use motet_core::{
    Gvk, MemberName, ObjectName, PluginName, Resource,
    description::{Scope, Trigger},
    ports::{MemberApi, Write},
};
use motet_devcluster::{Cluster, Options};
use motet_fleet::{
    Fleet, FleetEvent, FleetHandle, FleetSettings, Member, MemberSpec, MemberState, MemberStatus, Provider,
};
use motet_watch::{Map, SubscribeSpec, Subscription};
use tokio::{sync::mpsc, time::timeout};

/// Longest wait for anything.
pub(crate) const IN_TIME: Duration = Duration::from_secs(30);

/// Short waits.
pub(crate) fn settings() -> FleetSettings {
    let mut settings = FleetSettings {
        probe_interval: Duration::from_millis(40),
        reconnect_min: Duration::from_millis(20),
        reconnect_max: Duration::from_millis(80),
        cache_sync_timeout: Duration::from_secs(10),
        poll_interval: Duration::from_millis(50),
        settle: Duration::from_millis(10),
        ..FleetSettings::default()
    };
    settings.client.connect_timeout = Duration::from_millis(500);
    settings.client.request_timeout = Duration::from_secs(2);
    settings.client.probe_timeout = Duration::from_millis(300);
    settings.client.watch.backoff = (Duration::from_millis(5), Duration::from_millis(20));
    settings.caches.gather = Duration::from_millis(5);
    settings
}

pub(crate) async fn cluster(name: &str) -> Cluster {
    Cluster::start(Options { name: name.into(), ..Options::default() }).await.unwrap()
}

pub(crate) fn name(text: &str) -> MemberName {
    MemberName::new(text).unwrap()
}

pub(crate) fn spec(member: &str, kubeconfig: &str) -> MemberSpec {
    MemberSpec {
        name: name(member),
        kubeconfig: kubeconfig.to_string().into(),
        context: None,
        base: None,
        labels: BTreeMap::new(),
        identity: None,
        provider: "fed".into(),
        created: 1,
    }
}

/// A running fleet that is fed by the test.
pub(crate) struct Stage {
    pub(crate) fleet: FleetHandle,
    pub(crate) events: mpsc::Receiver<FleetEvent>,
    feed: mpsc::Sender<Vec<MemberSpec>>,
    specs: BTreeMap<MemberName, MemberSpec>,
}

impl Stage {
    pub(crate) fn new() -> Self {
        Self::with(settings())
    }

    pub(crate) fn with(settings: FleetSettings) -> Self {
        let (feed, fed) = mpsc::channel(16);
        let (fleet, events) = Fleet::start(settings, vec![Provider::Fed(fed)]);
        Self { fleet, events, feed, specs: BTreeMap::new() }
    }

    /// Announces a member, or announces it differently.
    pub(crate) async fn put(&mut self, spec: MemberSpec) {
        self.specs.insert(spec.name.clone(), spec);
        self.announce().await;
    }

    /// Changes what is announced about a member.
    pub(crate) async fn change(&mut self, member: &str, change: impl FnOnce(&mut MemberSpec)) {
        change(self.specs.get_mut(&name(member)).unwrap());
        self.announce().await;
    }

    pub(crate) async fn withdraw(&mut self, member: &str) {
        self.specs.remove(&name(member));
        self.announce().await;
    }

    async fn announce(&self) {
        self.feed.send(self.specs.values().cloned().collect()).await.unwrap();
    }

    /// The next event, as a word and a name.
    pub(crate) async fn event(&mut self) -> String {
        let event = timeout(IN_TIME, self.events.recv()).await.expect("an event in time").unwrap();
        word(&event)
    }

    /// The member that the next event engages.
    pub(crate) async fn engaged(&mut self) -> Arc<Member> {
        match timeout(IN_TIME, self.events.recv()).await.expect("an event in time").unwrap() {
            FleetEvent::Engaged(member) => member,
            other => panic!("{}", word(&other)),
        }
    }

    /// Asserts that nothing has happened so far.
    pub(crate) fn quiet(&mut self) {
        if let Ok(event) = self.events.try_recv() {
            panic!("{}", word(&event));
        }
    }

    pub(crate) fn status(&self, member: &str) -> MemberStatus {
        self.fleet.member(&name(member)).unwrap()
    }

    /// Waits for a state and a reason.
    pub(crate) async fn reaches(&self, member: &str, state: MemberState, reason: &str) -> MemberStatus {
        let reached = timeout(IN_TIME, async {
            loop {
                let status = self.fleet.member(&name(member));
                if let Some(status) = status.filter(|s| s.state == state && s.reason == reason) {
                    return status;
                }
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        });
        match reached.await {
            Ok(status) => status,
            Err(_) => panic!("{member} is not {state:?}/{reason}: {:?}", self.fleet.member(&name(member))),
        }
    }
}

fn word(event: &FleetEvent) -> String {
    match event {
        FleetEvent::Engaged(m) => format!("engaged {}", m.info.name),
        FleetEvent::Changed(m) => format!("changed {}", m.info.name),
        FleetEvent::Lost(name) => format!("lost {name}"),
        FleetEvent::Returned(name) => format!("returned {name}"),
        FleetEvent::Disengaged(name) => format!("disengaged {name}"),
    }
}

/// Waits until something holds.
pub(crate) async fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let held = timeout(IN_TIME, async {
        while !holds() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    });
    held.await.unwrap_or_else(|_| panic!("{what}: not in time"));
}

pub(crate) fn config_maps() -> Resource {
    Resource {
        gvk: Gvk::new("", "v1", "ConfigMap"),
        plural: "configmaps".into(),
        namespaced: true,
        status: false,
        watchable: true,
    }
}

/// A cache of a member's ConfigMaps.
pub(crate) fn subscribe(member: &Member) -> Subscription {
    let spec = SubscribeSpec {
        plugin: PluginName::new("test").unwrap(),
        scope: Scope::default(),
        projection: None,
        trigger: Trigger::Any,
        map: Map::Primary,
        sink: Arc::new(|_, _| {}),
    };
    member.caches.subscribe(&config_maps(), spec)
}

/// Writes a ConfigMap through a member's own API.
pub(crate) async fn write(api: &dyn MemberApi, object: &str) -> Result<(), motet_core::ApiError> {
    let body =
        format!(r#"{{"apiVersion":"v1","kind":"ConfigMap","metadata":{{"name":"{object}","namespace":"default"}}}}"#);
    let apply = Write::Apply { body: body.into(), manager: "motet/test".into(), force: true, subresource: None };
    api.write(&config_maps(), &ObjectName::namespaced("default", object), apply).await.map(drop)
}

/// Waits until a cache shows a ConfigMap.
pub(crate) async fn shows(cache: &Subscription, object: &str) {
    until(object, || cache.get(&ObjectName::namespaced("default", object)).is_some()).await;
}

/// Watch requests that a cluster has answered.
pub(crate) fn watches(cluster: &Cluster) -> u64 {
    cluster.requests().by_verb.get("watch").copied().unwrap_or_default()
}
