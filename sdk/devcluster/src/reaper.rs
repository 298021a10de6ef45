//! The controllers that every cluster needs to behave like one: garbage collection by owners, the end of namespaces and of
//! custom resource definitions. Works off the store's chores, a few at a time, so that requests get their turn.

use std::sync::{Arc, Weak};

use serde_json::Value;

use crate::access::aggregation;
use crate::cluster::Core;
use crate::definitions;
use crate::delete::{self, Options, disown};
use crate::object;
use crate::store::{Chore, Key, State};

/// Chores per turn at the lock.
const TURN: usize = 32;

/// Runs until the cluster is gone.
pub(crate) async fn run(core: Weak<Core>) {
    loop {
        let Some(strong) = core.upgrade() else { return };
        let more = {
            let mut state = strong.state.lock();
            turn(&mut state);
            !state.chores.is_empty()
        };
        if more {
            drop(strong);
            tokio::task::yield_now().await;
            continue;
        }
        let wake = strong.chores.clone();
        drop(strong);
        wake.notified().await;
    }
}

fn turn(state: &mut State) {
    for _ in 0..TURN {
        let Some(chore) = state.chores.pop_front() else { return };
        match chore {
            Chore::OwnerGone(uid) => {
                for (shelf, key) in state.dependents(&uid) {
                    review(state, &shelf, &key);
                }
            }
            Chore::CheckOwners(shelf, key) => review(state, &shelf, &key),
            Chore::Namespace(name) => end_namespace(state, &name),
            Chore::Definition(name) => end_definition(state, &name),
            Chore::Aggregate => aggregation::run(state),
        }
    }
}

/// Deletes an object none of whose owners exist; takes the missing ones out of one that has others.
fn review(state: &mut State, shelf: &Arc<str>, key: &Key) {
    let Some(stored) = state.get(shelf, key) else { return };
    let Some(resource) = state.resources().into_iter().find(|r| r.shelf == *shelf) else { return };
    let mut value = stored.value();
    let owners = object::owners(&value);
    let missing: Vec<Value> = owners.iter().filter(|o| !exists(state, o, &key.namespace)).cloned().collect();
    if missing.is_empty() {
        return;
    }
    if missing.len() == owners.len() {
        // The object was there a moment ago, under the same lock.
        let _ = delete::delete(state, &resource, key, &Options::default());
    } else {
        disown(&mut value, |owner| missing.contains(owner));
        state.put(&resource, value);
    }
}

/// True if the owner exists, or if nobody can tell because its kind is not served.
fn exists(state: &State, owner: &Value, namespace: &str) -> bool {
    let text = |field: &str| owner.get(field).and_then(Value::as_str).unwrap_or_default();
    let group = text("apiVersion").rsplit_once('/').map_or("", |(group, _)| group);
    let Some(resource) = state.resource_of_kind(group, text("kind")) else { return true };
    if resource.namespaced && namespace.is_empty() {
        return true;
    }
    let key = Key::new(if resource.namespaced { namespace } else { "" }, text("name"));
    state.get(&resource.shelf, &key).is_some_and(|stored| *stored.uid == *text("uid"))
}

fn end_namespace(state: &mut State, name: &str) {
    let namespaces = state.resources().into_iter().find(|r| &*r.shelf == "namespaces.");
    let (Some(namespaces), Some(stored)) = (namespaces, state.get("namespaces.", &Key::new("", name))) else {
        state.terminating.remove(name);
        return;
    };
    let mut left = 0;
    for resource in state.resources().into_iter().filter(|r| r.namespaced && !r.renames_events()) {
        let inside: Vec<_> = state.range(&resource.shelf, name, None).cloned().collect();
        left += inside.len();
        for stored in inside.iter().filter(|s| !object::is_deleting(&s.value())) {
            if let Ok(delete::Deleted::Gone(_)) = delete::delete(state, &resource, &stored.key, &Options::default()) {
                left -= 1;
            }
        }
    }
    if left == 0 && object::finalizers(&stored.value()).is_empty() {
        state.terminating.remove(name);
        state.remove(&namespaces, &stored.key);
    }
}

fn end_definition(state: &mut State, name: &str) {
    let Some(stored) = state.get(definitions::SHELF, &Key::new("", name)) else { return };
    let mut left = 0;
    if let Some(custom) = state.customs.get(name).cloned() {
        let all: Vec<_> = state.range(&custom.shelf, "", None).cloned().collect();
        left = all.len();
        for stored in all.iter().filter(|s| !object::is_deleting(&s.value())) {
            if let Ok(delete::Deleted::Gone(_)) = delete::delete(state, &custom, &stored.key, &Options::default()) {
                left -= 1;
            }
        }
    }
    let definitions = state.resources().into_iter().find(|r| &*r.shelf == definitions::SHELF);
    if let (0, true, Some(definitions)) = (left, object::finalizers(&stored.value()).is_empty(), definitions) {
        definitions::retire(state, name);
        state.remove(&definitions, &stored.key);
    }
}
