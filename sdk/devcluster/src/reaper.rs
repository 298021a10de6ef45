//! The controllers that every cluster needs to behave like one: garbage collection by owners, the end of namespaces and of
//! custom resource definitions. Works off the store's chores, a few at a time, so that requests get their turn.

mod namespaces;

use std::sync::{Arc, Weak};

use serde_json::{Value, json};

use crate::access::aggregation;
use crate::apply::managers::{Identity, Managers};
use crate::apply::{self, Reach};
use crate::cluster::Core;
use crate::definitions;
use crate::delete::{self, Options, Policy, disown};
use crate::object;
use crate::resources::Resource;
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
            Chore::Dependents(uid) => see_to_dependents(state, &uid),
            Chore::Namespace(name) => namespaces::end(state, &name),
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
        let _ = delete::delete(state, &resource, key, &Options::with(policy(state, &value, &stored.uid)));
    } else {
        disown(&mut value, |owner| missing.contains(owner));
        rewrite(state, &resource, stored.value(), value, "");
    }
}

/// True if the owner exists and does not wait for its dependents to go, or if nobody can tell because its kind is not served.
fn exists(state: &State, owner: &Value, namespace: &str) -> bool {
    let text = |field: &str| owner.get(field).and_then(Value::as_str).unwrap_or_default();
    let group = text("apiVersion").rsplit_once('/').map_or("", |(group, _)| group);
    let Some(resource) = state.resource_of_kind(group, text("kind")) else { return true };
    if resource.namespaced && namespace.is_empty() {
        return true;
    }
    let key = Key::new(if resource.namespaced { namespace } else { "" }, text("name"));
    let waits = state.waiting.contains_key(text("uid"));
    state.get(&resource.shelf, &key).is_some_and(|stored| *stored.uid == *text("uid") && !waits)
}

/// As the garbage collector deletes a dependent: in the foreground if that is how an owner of it goes and it has dependents itself.
fn policy(state: &State, value: &Value, uid: &str) -> Policy {
    let own = object::finalizers(value);
    if own.contains(&delete::ORPHAN) {
        Policy::Orphan
    } else if own.contains(&delete::FOREGROUND) || (awaited(state, value) && !state.dependents(uid).is_empty()) {
        Policy::Foreground
    } else {
        Policy::Background
    }
}

fn awaited(state: &State, value: &Value) -> bool {
    object::owners(value).iter().any(|o| o["uid"].as_str().is_some_and(|uid| state.waiting.contains_key(uid)))
}

/// Deletes the dependents of an owner that goes after them, or lets them go; then the owner is done with them.
fn see_to_dependents(state: &mut State, uid: &str) {
    let Some((shelf, key)) = state.waiting.get(uid).cloned() else { return };
    let Some(owner) = state.get(&shelf, &key) else { return };
    let value = owner.value();
    let mut blocked = false;
    if object::finalizers(&value).contains(&delete::ORPHAN) {
        for (shelf, key) in state.dependents(uid) {
            let found = state.resources().into_iter().find(|r| r.shelf == shelf);
            if let (Some(resource), Some(stored)) = (found, state.get(&shelf, &key)) {
                let mut value = stored.value();
                disown(&mut value, |owner| owner["uid"] == *uid);
                rewrite(state, &resource, stored.value(), value, "");
            }
        }
    } else {
        for (shelf, key) in state.dependents(uid) {
            review(state, &shelf, &key);
            let left = state.get(&shelf, &key).map(|stored| stored.value()).unwrap_or_default();
            let blocks = |o: &Value| o["uid"] == *uid && o["blockOwnerDeletion"] == true;
            blocked |= object::owners(&left).iter().any(blocks);
        }
    }
    if !blocked {
        state.waiting.remove(uid);
        release(state, &shelf, &key);
    }
}

/// Takes the garbage collector's finalizers from an object, which may be the end of it.
fn release(state: &mut State, shelf: &Arc<str>, key: &Key) {
    let found = state.resources().into_iter().find(|r| r.shelf == *shelf);
    let (Some(resource), Some(stored)) = (found, state.get(shelf, key)) else { return };
    let mut value = stored.value();
    let all = object::finalizers(&value);
    let kept: Vec<&str> = all.iter().copied().filter(|f| !matches!(*f, delete::FOREGROUND | delete::ORPHAN)).collect();
    if kept.is_empty() && object::is_deleting(&value) {
        state.remove(&resource, key);
    } else if kept.len() != all.len() {
        let kept = (!kept.is_empty()).then(|| json!(kept));
        object::set_meta(&mut value, "finalizers", kept);
        rewrite(state, &resource, stored.value(), value, "");
    }
}

/// Stores what a controller changed, and whose the changed fields are.
fn rewrite(state: &mut State, resource: &Resource, mut before: Value, mut after: Value, sub: &str) {
    if let Some(version) = resource.versions.first() {
        Managers::take(&mut before);
        let mut managers = Managers::take(&mut after);
        let who = Identity::updater("kube-controller-manager", &resource.api_version(&version.name), sub);
        apply::update(version.ty(), &before, &after, &mut managers, &who, Reach::Everything, &object::now());
        managers.put_into(&mut after);
    }
    state.put(resource, after);
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
    if let (0, true, Some(definitions)) = (left, definitions::is_free(&stored.value()), definitions) {
        definitions::retire(state, name);
        state.remove(&definitions, &stored.key);
    }
}
