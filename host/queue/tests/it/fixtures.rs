//! Short ways to write keys and to take what is there.

use std::time::Duration;

use motet_core::{Key, MemberName, ObjectName, PluginName, Target};
use motet_queue::{Queue, Running, Settings};

pub(crate) fn plugin(name: &str) -> PluginName {
    PluginName::new(name).unwrap()
}

pub(crate) fn member(name: &str) -> MemberName {
    MemberName::new(name).unwrap()
}

/// A key from `PLUGIN@MEMBER:NAME`.
pub(crate) fn key(text: &str) -> Key {
    let (plugin_name, rest) = text.split_once('@').unwrap();
    let (member_name, name) = rest.split_once(':').unwrap();
    Key { plugin: plugin(plugin_name), member: member(member_name), target: Target::Object(ObjectName::cluster(name)) }
}

pub(crate) fn queue() -> Queue {
    Queue::new(Settings::default())
}

/// What is handed out without any time passing.
pub(crate) async fn now(queue: &Queue) -> Option<Running> {
    tokio::select! {
        biased;
        running = queue.get() => running,
        () = std::future::ready(()) => None,
    }
}

/// What is handed out within `wait`.
pub(crate) async fn within(queue: &Queue, wait: Duration) -> Option<Running> {
    tokio::time::timeout(wait, queue.get()).await.ok().flatten()
}

/// Takes, finishes and names everything that is ready.
pub(crate) async fn drain(queue: &Queue) -> Vec<String> {
    let mut names = Vec::new();
    while let Some(running) = now(queue).await {
        names.push(running.key.to_string());
    }
    names
}
