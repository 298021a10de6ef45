//! The end of namespaces: contents first, with conditions that say what is left of them.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::delete::{self, Options};
use crate::object;
use crate::resources::Resource;
use crate::store::{Key, State};

/// What is left in a namespace: objects by resource, and finalizers.
#[derive(Default)]
struct Left {
    objects: BTreeMap<String, usize>,
    finalizers: BTreeMap<String, usize>,
}

/// Deletes what is in a terminating namespace; where nothing is left, the namespace too.
pub(super) fn end(state: &mut State, name: &str) {
    let namespaces = state.resources().into_iter().find(|r| &*r.shelf == "namespaces.");
    let key = Key::new("", name);
    let (Some(namespaces), Some(stored)) = (namespaces, state.get("namespaces.", &key)) else {
        state.terminating.remove(name);
        return;
    };
    let left = empty(state, name);
    let before = stored.value();
    let mut value = before.clone();
    report(&mut value, &left);
    if value != before {
        super::rewrite(state, &namespaces, before, value, "status");
    }
    let Some(stored) = state.get("namespaces.", &key) else { return };
    let before = stored.value();
    let mut value = before.clone();
    if left.objects.is_empty() {
        let finalizers = value["spec"]["finalizers"].as_array().cloned().unwrap_or_default();
        let kept: Vec<Value> = finalizers.into_iter().filter(|f| f != "kubernetes").collect();
        value["spec"] = if kept.is_empty() { json!({}) } else { json!({"finalizers": kept}) };
        if value["spec"] == json!({}) && object::finalizers(&value).is_empty() {
            state.terminating.remove(name);
            state.remove(&namespaces, &key);
            return;
        }
    }
    if value != before {
        super::rewrite(state, &namespaces, before, value, "finalize");
    }
}

fn empty(state: &mut State, name: &str) -> Left {
    let mut left = Left::default();
    for resource in state.resources().into_iter().filter(|r| r.namespaced && !r.renames_events()) {
        let inside: Vec<_> = state.range(&resource.shelf, name, None).cloned().collect();
        for stored in inside {
            if !object::is_deleting(&stored.value()) {
                let _ = delete::delete(state, &resource, &stored.key, &Options::default());
            }
            let Some(held) = state.get(&resource.shelf, &stored.key) else { continue };
            *left.objects.entry(dotted(&resource)).or_default() += 1;
            for finalizer in object::finalizers(&held.value()) {
                *left.finalizers.entry(finalizer.to_owned()).or_default() += 1;
            }
        }
    }
    left
}

fn dotted(resource: &Resource) -> String {
    format!("{}.{}", resource.plural, resource.group)
}

/// Brings the conditions up to date.
fn report(namespace: &mut Value, left: &Left) {
    let remaining: Vec<String> =
        left.objects.iter().map(|(what, n)| format!("{what} has {n} resource instances")).collect();
    let finalizers: Vec<String> =
        left.finalizers.iter().map(|(what, n)| format!("{what} in {n} resource instances")).collect();
    let mut conditions = vec![
        (
            "NamespaceDeletionDiscoveryFailure",
            false,
            "ResourcesDiscovered",
            "All resources successfully discovered".to_owned(),
        ),
        (
            "NamespaceDeletionGroupVersionParsingFailure",
            false,
            "ParsedGroupVersions",
            "All legacy kube types successfully parsed".into(),
        ),
        (
            "NamespaceDeletionContentFailure",
            false,
            "ContentDeleted",
            "All content successfully deleted, may be waiting on finalization".into(),
        ),
    ];
    conditions.push(match remaining.as_slice() {
        [] => ("NamespaceContentRemaining", false, "ContentRemoved", "All content successfully removed".into()),
        some => (
            "NamespaceContentRemaining",
            true,
            "SomeResourcesRemain",
            format!("Some resources are remaining: {}", some.join(", ")),
        ),
    });
    conditions.push(match finalizers.as_slice() {
        [] => (
            "NamespaceFinalizersRemaining",
            false,
            "ContentHasNoFinalizers",
            "All content-preserving finalizers finished".into(),
        ),
        some => {
            let what = format!("Some content in the namespace has finalizers remaining: {}", some.join(", "));
            ("NamespaceFinalizersRemaining", true, "SomeFinalizersRemain", what)
        }
    });
    let old = namespace["status"]["conditions"].as_array().cloned().unwrap_or_default();
    let now = object::now();
    let conditions: Vec<Value> = conditions
        .into_iter()
        .map(|(kind, holds, reason, message)| {
            let status = if holds { "True" } else { "False" };
            let since = old.iter().find(|c| c["type"] == kind && c["status"] == status);
            let since = since.map_or_else(|| now.as_str().into(), |c| c["lastTransitionTime"].clone());
            json!({"type": kind, "status": status, "reason": reason, "message": message, "lastTransitionTime": since})
        })
        .collect();
    object::set_at(namespace, &["status", "conditions"], conditions.into());
}
