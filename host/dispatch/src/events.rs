//! Kubernetes Events (events.k8s.io): the first is written at once, repeats become a series, floods are cut.

use std::{collections::HashMap, time::Duration};

use motet_core::{
    ApiError, Digest, Gvk, ObjectName,
    outcome::{EventIntent, PatchKind},
    ports::{MemberApi, Write},
};
use parking_lot::Mutex;
use serde_json::json;
use tokio::time::Instant;

use crate::record::to_bytes;

/// A repeat is written at most this often; the series counts the others.
const REFRESH: Duration = Duration::from_secs(60);
/// An Event not repeated for so long is a new one.
const FINISH: Duration = Duration::from_secs(6 * 60);
/// Events remembered.
const MAX: usize = 4096;

/// Writes Events and remembers which it wrote.
#[derive(Debug, Default)]
pub struct EventWriter {
    seen: Mutex<HashMap<Digest, Seen>>,
}

#[derive(Debug, Clone)]
struct Seen {
    name: String,
    count: u32,
    written: Instant,
    last: Instant,
}

/// Who says something, and where.
pub struct Reporter<'a> {
    /// The controller: a plugin's name, or the host's own.
    pub controller: &'a str,
    /// The field manager that its writes bear.
    pub manager: String,
    /// Where the object is that it speaks of.
    pub api: &'a dyn MemberApi,
    /// What that cluster is called.
    pub cluster: &'a str,
}

/// What to do about an Event.
enum Step {
    Create(String),
    Series(String, u32),
    Nothing,
}

impl EventWriter {
    /// Writes `event` about the object that bears `uid`, where that is known; false where it only counted.
    ///
    /// # Errors
    /// The server's refusal. The next time it is tried anew.
    pub async fn send(
        &self,
        reporter: &Reporter<'_>,
        event: &EventIntent,
        uid: Option<&str>,
    ) -> Result<bool, ApiError> {
        let id = identity(reporter, event);
        let resource = reporter.api.resource(&Gvk::new("events.k8s.io", "v1", "Event")).await?;
        let namespace = event.regarding.name.namespace.as_deref().unwrap_or("default");
        let now = jiff::Timestamp::now();
        match self.step(&id, event) {
            Step::Nothing => Ok(false),
            Step::Series(name, count) => {
                let body = json!({ "series": { "count": count, "lastObservedTime": micros(now) } });
                let write = Write::Patch {
                    body: to_bytes(&body),
                    kind: PatchKind::Merge,
                    manager: reporter.manager.clone(),
                    subresource: None,
                };
                let patched = reporter.api.write(&resource, &ObjectName::namespaced(namespace, &name), write).await;
                match patched {
                    // The server forgets Events after an hour: then it is a new one.
                    Err(error) if error.is_not_found() => {
                        self.seen.lock().remove(&id);
                        Ok(false)
                    }
                    other => other.map(|_| true),
                }
            }
            Step::Create(name) => {
                let body = to_bytes(&body(reporter.controller, event, uid, namespace, &name, now));
                let write = Write::Create { body, manager: reporter.manager.clone() };
                let created = reporter.api.write(&resource, &ObjectName::namespaced(namespace, &name), write).await;
                if created.is_err() {
                    self.seen.lock().remove(&id);
                }
                created.map(|_| true)
            }
        }
    }

    fn step(&self, id: &Digest, event: &EventIntent) -> Step {
        let now = Instant::now();
        let mut seen = self.seen.lock();
        if seen.len() >= MAX {
            seen.retain(|_, s| now - s.last < FINISH);
        }
        if let Some(known) = seen.get_mut(id).filter(|s| now - s.last < FINISH) {
            known.count += 1;
            known.last = now;
            // The first repeat says that there is a series at all.
            if known.count == 2 || now - known.written >= REFRESH {
                known.written = now;
                return Step::Series(known.name.clone(), known.count);
            }
            return Step::Nothing;
        }
        if seen.len() >= MAX {
            return Step::Nothing;
        }
        let prefix: String = event.regarding.name.name.chars().take(200).collect();
        let nanos = jiff::Timestamp::now().as_nanosecond();
        let name = format!("{prefix}.{:x}{}", nanos, &id.hex()[..6]);
        seen.insert(*id, Seen { name: name.clone(), count: 1, written: now, last: now });
        Step::Create(name)
    }
}

fn identity(reporter: &Reporter<'_>, event: &EventIntent) -> Digest {
    let EventIntent { regarding, warning, reason, action, note } = event;
    let Reporter { controller, cluster, .. } = reporter;
    Digest::of(format!("{controller}\0{cluster}\0{regarding}\0{warning}\0{reason}\0{action}\0{note}").as_bytes())
}

fn body(
    controller: &str,
    event: &EventIntent,
    uid: Option<&str>,
    namespace: &str,
    name: &str,
    now: jiff::Timestamp,
) -> serde_json::Value {
    let regarding = &event.regarding;
    let mut reference = json!({
        "apiVersion": regarding.gvk.api_version(),
        "kind": regarding.gvk.kind,
        "name": regarding.name.name,
    });
    if let Some(namespace) = &regarding.name.namespace {
        reference["namespace"] = json!(namespace);
    }
    // `kubectl describe` finds Events by it.
    if let Some(uid) = uid {
        reference["uid"] = json!(uid);
    }
    json!({
        "apiVersion": "events.k8s.io/v1",
        "kind": "Event",
        "metadata": { "name": name, "namespace": namespace },
        "eventTime": micros(now),
        "reportingController": format!("motet.dev/{controller}"),
        "reportingInstance": "motet-host",
        "type": if event.warning { "Warning" } else { "Normal" },
        "reason": cut(&event.reason, 128),
        "action": cut(if event.action.is_empty() { &event.reason } else { &event.action }, 128),
        "note": cut(&event.note, 1024),
        "regarding": reference,
    })
}

/// The server's limits are in bytes.
fn cut(text: &str, max: usize) -> &str {
    &text[..text.floor_char_boundary(max)]
}

fn micros(time: jiff::Timestamp) -> String {
    format!("{time:.6}")
}
