//! The roles and bindings that every cluster has from the start, as a kube-apiserver makes them (data/roles.json, a line each).

use std::sync::LazyLock;

use serde_json::Value;

use crate::object;
use crate::store::State;

const ROLES: &str = include_str!("../../data/roles.json");

static PARSED: LazyLock<Vec<Value>> =
    LazyLock::new(|| ROLES.lines().filter_map(|line| serde_json::from_str(line).ok()).collect());

/// Puts them on their shelves.
pub(crate) fn fill(state: &mut State) {
    let now = object::now();
    for role in PARSED.iter() {
        let plural = role["kind"].as_str().unwrap_or_default();
        let Some(resource) = state.resource("rbac.authorization.k8s.io", plural) else { continue };
        let mut role = role.clone();
        object::set_meta(&mut role, "uid", Some(uuid::Uuid::new_v4().to_string().into()));
        object::set_meta(&mut role, "creationTimestamp", Some(now.as_str().into()));
        for entry in role["metadata"]["managedFields"].as_array_mut().into_iter().flatten() {
            entry["time"] = now.as_str().into();
        }
        state.put(&resource, role);
    }
}
