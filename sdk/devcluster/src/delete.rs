//! Owns deleting: preconditions, finalizers, what becomes of dependents.

use std::sync::Arc;

use serde_json::{Value, json};

use crate::definitions;
use crate::error::ApiError;
use crate::object;
use crate::protobuf;
use crate::resources::Resource;
use crate::store::{Key, State, Stored};

/// The options of a delete.
#[derive(Debug, Clone, Default)]
pub(crate) struct Options {
    uid: Option<String>,
    version: Option<String>,
    orphan: bool,
    pub(crate) dry_run: bool,
}

/// What a delete came to.
#[derive(Debug)]
pub(crate) enum Deleted {
    Gone(Arc<Stored>),
    /// Finalizers or contents hold it.
    Pending(Arc<Stored>),
}

impl Options {
    /// Reads DeleteOptions from the body (empty is fine) and the query.
    pub(crate) fn read(body: &[u8], query: &crate::ask::Query) -> Result<Self, ApiError> {
        let value: Value = if body.is_empty() {
            Value::Null
        } else if body.starts_with(protobuf::MAGIC) {
            protobuf::decode(body)?
        } else {
            serde_json::from_slice(body)
                .map_err(|e| ApiError::bad_request(format!("cannot read DeleteOptions: {e}")))?
        };
        let text = |value: &Value| value.as_str().map(str::to_owned);
        let policy = text(&value["propagationPolicy"]).unwrap_or_else(|| query.get("propagationPolicy").to_owned());
        if !matches!(policy.as_str(), "" | "Background" | "Foreground" | "Orphan") {
            let cause = crate::error::Cause {
                reason: "FieldValueNotSupported",
                message: format!(
                    "Unsupported value: \"{policy}\": supported values: \"Foreground\", \"Background\", \"Orphan\", \"nil\""
                ),
                field: "propagationPolicy".into(),
            };
            return Err(ApiError::invalid("meta.k8s.io", "DeleteOptions", "", vec![cause]));
        }
        Ok(Self {
            uid: text(&value["preconditions"]["uid"]),
            version: text(&value["preconditions"]["resourceVersion"]),
            orphan: policy == "Orphan" || value["orphanDependents"] == true,
            dry_run: query.get("dryRun") == "All" || value["dryRun"] == json!(["All"]),
        })
    }
}

/// Deletes one object, or starts to.
pub(crate) fn delete(
    state: &mut State,
    resource: &Resource,
    key: &Key,
    options: &Options,
) -> Result<Deleted, ApiError> {
    let stored = state.get(&resource.shelf, key).ok_or_else(|| ApiError::not_found(resource.named(&key.name)))?;
    check(resource, &stored, options)?;
    if options.dry_run {
        return Ok(Deleted::Gone(stored));
    }
    if options.orphan {
        orphan(state, &stored.uid);
    }
    let mut value = stored.value();
    let by_reaper = matches!(&*resource.shelf, "namespaces." | definitions::SHELF);
    if object::finalizers(&value).is_empty() && !by_reaper {
        return Ok(state.remove(resource, key).map_or(Deleted::Gone(stored), Deleted::Gone));
    }
    if object::is_deleting(&value) {
        return Ok(Deleted::Pending(stored));
    }
    object::set_meta(&mut value, "deletionTimestamp", Some(object::now().into()));
    object::set_meta(&mut value, "deletionGracePeriodSeconds", Some(0.into()));
    if let Some(generation) = value["metadata"]["generation"].as_i64() {
        object::set_meta(&mut value, "generation", Some((generation + 1).into()));
    }
    if &*resource.shelf == "namespaces." {
        object::set_at(&mut value, &["status", "phase"], "Terminating".into());
    }
    let stored = state.put(resource, value);
    definitions::after_write(state, resource, &stored);
    Ok(Deleted::Pending(stored))
}

fn check(resource: &Resource, stored: &Stored, options: &Options) -> Result<(), ApiError> {
    let what = crate::error::Named { group: &resource.group, plural: &resource.kind, name: &stored.key.name };
    let conflict = |why: String| Err(ApiError::conflict(what, &why));
    if let Some(uid) = options.uid.as_ref().filter(|uid| ***uid != *stored.uid) {
        return conflict(format!(
            "the UID in the precondition ({uid}) does not match the UID in record ({}). The object might have been deleted and \
             then recreated",
            stored.uid
        ));
    }
    let version = stored.version.to_string();
    if let Some(asked) = options.version.as_ref().filter(|asked| **asked != version) {
        return conflict(format!(
            "the ResourceVersion in the precondition ({asked}) does not match the ResourceVersion in record ({version}). The object \
             might have been modified"
        ));
    }
    Ok(())
}

/// Takes the owner with this UID out of its dependents, which then outlive it.
fn orphan(state: &mut State, uid: &str) {
    for (shelf, key) in state.dependents(uid) {
        let found = state.resources().into_iter().find(|r| r.shelf == shelf);
        if let (Some(resource), Some(stored)) = (found, state.get(&shelf, &key)) {
            let mut value = stored.value();
            disown(&mut value, |owner| owner["uid"] == *uid);
            state.put(&resource, value);
        }
    }
}

/// Drops the owner references that `gone` picks.
pub(crate) fn disown(value: &mut Value, gone: impl Fn(&Value) -> bool) {
    let Some(owners) = value["metadata"]["ownerReferences"].as_array_mut() else { return };
    owners.retain(|owner| !gone(owner));
    if owners.is_empty() {
        object::set_meta(value, "ownerReferences", None);
    }
}
