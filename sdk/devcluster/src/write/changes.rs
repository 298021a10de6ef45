//! What a new object must be, and what a changed one may be.

use serde_json::Value;

use super::Write;
use crate::error::{ApiError, Cause};
use crate::object;
use crate::resources::Resource;
use crate::{custom, definitions, names, validate};

/// Every fault of a new object.
pub(super) fn created(write: &Write<'_>, body: &Value, warnings: &mut Vec<String>) -> Vec<Cause> {
    if validate::names_nothing(write.resource) {
        let causes = content(write, body, None, warnings);
        return if causes.is_empty() { names::check(write.resource, body) } else { causes };
    }
    let mut causes = names::check(write.resource, body);
    causes.extend(content(write, body, None, warnings));
    causes
}

fn content(write: &Write<'_>, body: &Value, old: Option<&Value>, warnings: &mut Vec<String>) -> Vec<Cause> {
    if write.resource.custom {
        return custom::check(write, body, old, warnings);
    }
    let mut causes = definitions::check(write.resource, body, old);
    causes.extend(validate::object(write.resource, body, old));
    causes
}

/// Every fault of a change but those of [`metadata`].
pub(super) fn check(write: &Write<'_>, live: &Value, body: &Value, warnings: &mut Vec<String>) -> Vec<Cause> {
    let mut causes = Vec::new();
    if !matches!(write.sub.as_str(), "status" | "finalize") || write.resource.custom {
        causes.extend(content(write, body, Some(live), warnings));
    } else {
        causes.extend(definitions::check_status(write.resource, body));
    }
    if !write.resource.custom {
        let changed = validate::change(write.resource, &write.sub, live, body);
        let at = if validate::whole_first(write.resource) { causes.len() } else { 0 };
        causes.splice(at..at, changed);
    }
    causes
}

/// Faults in what a client says about metadata that only the server changes.
pub(super) fn metadata(write: &Write<'_>, live: &Value, body: &Value) -> Vec<Cause> {
    let mut causes = Vec::new();
    let of = |object: &Value, field: &str| object["metadata"].get(field).cloned().unwrap_or_default();
    let (deleting, old) = (object::is_deleting(live), object::finalizers(live));
    let added: Vec<&str> = object::finalizers(body).into_iter().filter(|f| deleting && !old.contains(f)).collect();
    if !added.is_empty() {
        let listed: Vec<String> = added.iter().map(|f| format!("{f:?}")).collect();
        let why = format!(
            "no new finalizers can be added if the object is being deleted, found new finalizers []string{{{}}}",
            listed.join(", ")
        );
        causes.push(Cause::forbidden("metadata.finalizers", &why));
    }
    let sent = of(body, "deletionTimestamp");
    if !deleting && !sent.is_null() {
        causes.push(Cause::invalid("metadata.deletionTimestamp", &sent, "field is immutable"));
    }
    let sent = of(body, "deletionGracePeriodSeconds");
    if !sent.is_null() && sent != of(live, "deletionGracePeriodSeconds") {
        causes.push(Cause::invalid("metadata.deletionGracePeriodSeconds", &sent, "field is immutable"));
    }
    let common = names::metadata(body);
    causes.extend(common.iter().cloned());
    if write.resource.custom {
        return causes;
    }
    let (update, mut whole) = (causes, common);
    whole.extend(names::finalizers(body));
    let known = if validate::knows_finalizers(write.resource) { names::standard_finalizers(body) } else { Vec::new() };
    let (updates, wholes) = validate::looks_at_metadata(write.resource, write.status);
    // All kinds are looked at in both ways, and again by their own rules.
    let mut all = whole.clone();
    all.extend(update.iter().cloned());
    (0..updates).for_each(|_| all.extend(update.iter().chain(&known).cloned()));
    (0..wholes).for_each(|_| all.extend(whole.iter().chain(&known).cloned()));
    all
}

/// A write of the status changes metadata too; of Deployments all but their labels.
pub(super) fn keep_metadata(write: &Write<'_>, metadata: Option<Value>, body: &mut Value) {
    let labels = body["metadata"].get("labels").cloned();
    body["metadata"] = metadata.unwrap_or_default();
    if write.resource.plural == "deployments" {
        object::set_meta(body, "labels", labels);
    }
}

/// A specification that is said but not all taken: what of it is dropped is owned by who sent it.
pub(super) fn dropped(write: &Write<'_>, body: &Value) -> Option<Value> {
    let kinds = ["namespaces.", "leases.coordination.k8s.io"];
    let mut spec =
        body.get("spec").filter(|_| write.sub.is_empty() && kinds.contains(&&*write.resource.shelf))?.clone();
    if let Some(map) = spec.as_object_mut() {
        map.retain(|_, value| !value.is_null());
    }
    spec.is_object().then_some(spec)
}

/// The specification of a namespace changes by its subresource finalize alone.
pub(super) fn finalizers_of_namespace(write: &Write<'_>, live: &Value, body: &mut Value) {
    if write.sub != "finalize" {
        body["spec"] = live["spec"].clone();
        return;
    }
    let spec = body["spec"].clone();
    *body = live.clone();
    body["spec"] = spec;
}

/// Optimistic concurrency: what the client says it saw must be what is there.
pub(super) fn versions(write: &Write<'_>, live: &Value, body: &Value) -> Result<(), ApiError> {
    let uid = object::meta(body, "uid");
    let other = !uid.is_empty() && uid != object::meta(live, "uid");
    if other && !write.replaces {
        let cause = Cause::invalid("metadata.uid", &Value::from(uid), "field is immutable");
        let twice = if write.resource.custom { vec![cause] } else { vec![cause.clone(), cause] };
        return Err(write.invalid(&write.name, twice));
    }
    if other {
        let folder = if write.resource.group.is_empty() || !write.resource.custom {
            String::new()
        } else {
            format!("{}/", write.resource.group)
        };
        let place = if write.namespace.is_empty() { String::new() } else { format!("{}/", write.namespace) };
        let why = format!(
            "StorageError: invalid object, Code: 4, Key: /registry/{folder}{}/{place}{}, ResourceVersion: 0, AdditionalErrorMsg: \
             Precondition failed: UID in precondition: {uid}, UID in object meta: {}",
            write.resource.plural,
            write.name,
            object::meta(live, "uid")
        );
        return Err(ApiError::conflict(write.resource.named(&write.name), &why));
    }
    match object::sent_version(body) {
        Some(sent) if sent.parse::<u64>().is_err() => {
            Err(ApiError::untyped(format!("strconv.ParseUint: parsing \"{sent}\": invalid syntax")))
        }
        Some(sent) if sent != "0" && sent != object::meta(live, "resourceVersion") => {
            Err(ApiError::modified(write.resource.named(&write.name)))
        }
        _ => Ok(()),
    }
}

/// Kinds whose updates have to say which version they saw.
pub(super) fn needs_version(resource: &Resource) -> bool {
    let kinds = [
        "leases",
        "poddisruptionbudgets",
        "csidrivers",
        "csinodes",
        "csistoragecapacities",
        "volumeattachments",
        "customresourcedefinitions",
    ];
    resource.custom
        || resource.group == "admissionregistration.k8s.io"
        || kinds.contains(&resource.plural.as_str()) && !resource.group.is_empty()
}
