//! Owns deleting: preconditions, finalizers, what becomes of dependents.

use std::sync::Arc;

use serde_json::{Value, json};

use crate::error::{ApiError, Cause};
use crate::object;
use crate::protobuf;
use crate::resources::Resource;
use crate::store::{Chore, Key, State, Stored};
use crate::{definitions, go};

/// The options of a delete.
#[derive(Debug, Clone, Default)]
pub(crate) struct Options {
    uid: Option<String>,
    version: Option<String>,
    policy: Policy,
    grace: Option<i64>,
    pub(crate) dry_run: bool,
}

/// What becomes of dependents.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Policy {
    /// Nothing said: finalizers that were there before count.
    #[default]
    Unsaid,
    Background,
    Foreground,
    Orphan,
}

/// Set while dependents are deleted before their owner.
pub(crate) const FOREGROUND: &str = "foregroundDeletion";
/// Set while dependents are taken from their owner.
pub(crate) const ORPHAN: &str = "orphan";
/// Seconds that pods get to end, unless they or the delete say otherwise.
const GRACE: i64 = 30;

/// What a delete came to.
#[derive(Debug)]
pub(crate) enum Deleted {
    Gone(Arc<Stored>),
    /// Finalizers or contents hold it.
    Pending(Arc<Stored>),
}

impl Options {
    /// True if nothing is said about dependents.
    pub(crate) fn is_silent(&self) -> bool {
        self.policy == Policy::Unsaid
    }

    /// As the garbage collector deletes.
    pub(crate) fn with(policy: Policy) -> Self {
        Self { policy, ..Self::default() }
    }

    /// Reads DeleteOptions from the body, or from the query where there is none.
    pub(crate) fn read(body: &[u8], query: &crate::ask::Query) -> Result<Self, ApiError> {
        let value: Value = if body.is_empty() {
            from_query(query)?
        } else if body.starts_with(protobuf::MAGIC) {
            protobuf::decode(body)?
        } else {
            from_body(body)?
        };
        let text = |value: &Value| value.as_str().map(str::to_owned);
        check_options(&value)?;
        let policy = match (value["propagationPolicy"].as_str(), value["orphanDependents"].as_bool()) {
            (Some("Orphan"), _) | (None, Some(true)) => Policy::Orphan,
            (Some("Foreground"), _) => Policy::Foreground,
            (Some(_), _) | (None, Some(false)) => Policy::Background,
            _ => Policy::Unsaid,
        };
        // Less than nothing has always meant one second.
        let grace = value["gracePeriodSeconds"].as_i64().map(|seconds| if seconds < 0 { 1 } else { seconds });
        Ok(Self {
            uid: text(&value["preconditions"]["uid"]),
            version: text(&value["preconditions"]["resourceVersion"]),
            policy,
            grace,
            dry_run: query.get("dryRun") == "All" || value["dryRun"] == json!(["All"]),
        })
    }
}

fn from_query(query: &crate::ask::Query) -> Result<Value, ApiError> {
    let mut value = json!({});
    if query.has("gracePeriodSeconds") {
        let text = query.get("gracePeriodSeconds");
        let seconds: i64 = text
            .parse()
            .map_err(|_| ApiError::bad_request(format!("strconv.ParseInt: parsing \"{text}\": invalid syntax")))?;
        value["gracePeriodSeconds"] = seconds.into();
    }
    if query.has("propagationPolicy") {
        value["propagationPolicy"] = query.get("propagationPolicy").into();
    }
    if query.has("orphanDependents") {
        value["orphanDependents"] = query.flag("orphanDependents").into();
    }
    let dry: Vec<&str> = query.all("dryRun").collect();
    if !dry.is_empty() {
        value["dryRun"] = json!(dry);
    }
    Ok(value)
}

fn from_body(body: &[u8]) -> Result<Value, ApiError> {
    let value: Value = serde_json::from_slice(body).map_err(|e| {
        ApiError::bad_request(format!("couldn't get version/kind; json parse error: {}", go::json_error(&e)))
    })?;
    if let Some(found) = go::no_object(&value) {
        return Err(ApiError::bad_request(format!("couldn't get version/kind; json parse error: {found}")));
    }
    let kind = value["kind"].as_str().unwrap_or("DeleteOptions");
    if kind != "DeleteOptions" {
        return Err(ApiError::bad_request(go::unregistered(kind, value["apiVersion"].as_str().unwrap_or("v1"))));
    }
    let fits = |field: &str, fine: bool, ty: &str| {
        let found = match &value[field] {
            Value::Number(_) => "number",
            Value::String(_) => "string",
            Value::Bool(_) => "bool",
            Value::Array(_) => "array",
            _ => "object",
        };
        if fine || value[field].is_null() {
            return Ok(());
        }
        Err(ApiError::bad_request(format!(
            "json: cannot unmarshal {found} into Go struct field DeleteOptions.{field} of type {ty}"
        )))
    };
    fits("propagationPolicy", value["propagationPolicy"].is_string(), "v1.DeletionPropagation")?;
    fits("gracePeriodSeconds", value["gracePeriodSeconds"].is_i64(), "int64")?;
    fits("orphanDependents", value["orphanDependents"].is_boolean(), "bool")?;
    fits("preconditions", value["preconditions"].is_object(), "v1.Preconditions")?;
    fits("dryRun", value["dryRun"].is_array(), "[]string")?;
    Ok(value)
}

fn check_options(value: &Value) -> Result<(), ApiError> {
    let mut causes = Vec::new();
    let unsupported = |field: &str, shown: &Value, known: &str| Cause {
        reason: "FieldValueNotSupported",
        message: format!("Unsupported value: {shown}: supported values: {known}"),
        field: field.into(),
    };
    let (policy, orphans) = (&value["propagationPolicy"], &value["orphanDependents"]);
    if !policy.is_null() && !orphans.is_null() {
        let why = "orphanDependents and deletionPropagation cannot be both set";
        causes.push(Cause::invalid("propagationPolicy", policy, why));
    }
    if policy.as_str().is_some_and(|p| !matches!(p, "Background" | "Foreground" | "Orphan")) {
        causes.push(unsupported("propagationPolicy", policy, "\"Foreground\", \"Background\", \"Orphan\", \"nil\""));
    }
    if !value["dryRun"].is_null() && value["dryRun"].as_array().is_some_and(|all| all.iter().any(|one| one != "All")) {
        causes.push(unsupported("dryRun", &value["dryRun"], "\"All\""));
    }
    if causes.is_empty() { Ok(()) } else { Err(ApiError::invalid("meta.k8s.io", "DeleteOptions", "", causes)) }
}

/// Deletes one object, or starts to.
pub(crate) fn delete(
    state: &mut State,
    resource: &Resource,
    key: &Key,
    options: &Options,
) -> Result<Deleted, ApiError> {
    let stored = state.get(&resource.shelf, key).ok_or_else(|| ApiError::not_found(resource.named(&key.name)))?;
    if &*resource.shelf == "namespaces." && matches!(&*key.name, "default" | "kube-system" | "kube-public") {
        return Err(ApiError::forbidden(resource.named(&key.name), "this namespace may not be deleted"));
    }
    check(resource, &stored, options)?;
    let before = stored.value();
    let mut value = before.clone();
    let graceful = resource.plural == "pods" && resource.group.is_empty();
    if graceful && !grant(&mut value, options) {
        return Ok(Deleted::Pending(stored));
    }
    let orphans = matches!(&*resource.shelf, "jobs.batch" | "replicationcontrollers.");
    let said = object::finalizers(&value).iter().any(|f| matches!(*f, FOREGROUND | ORPHAN));
    // These kinds leave their pods alone unless somebody says otherwise.
    let policy = if options.is_silent() && orphans && !said { Policy::Orphan } else { options.policy };
    finalize_with(&mut value, policy);
    let by_reaper = matches!(&*resource.shelf, "namespaces." | definitions::SHELF);
    let held = by_reaper || !object::finalizers(&value).is_empty();
    let waits = graceful && value["metadata"]["deletionGracePeriodSeconds"].as_i64().unwrap_or(0) > 0;
    if held && !graceful {
        mark(resource, &mut value);
    }
    if options.dry_run {
        let shown = if held || graceful { Arc::new(crate::store::pretend(stored.version, value)) } else { stored };
        return Ok(if held || waits { Deleted::Pending(shown) } else { Deleted::Gone(shown) });
    }
    let stored = if value == before || !(held || graceful) { stored } else { state.put(resource, value) };
    if held || waits {
        definitions::after_write(state, resource, &stored);
        collect(state, resource, &stored);
        return Ok(Deleted::Pending(stored));
    }
    Ok(Deleted::Gone(state.remove(resource, key).unwrap_or(stored)))
}

/// Gives a pod its grace; false if it has a shorter one already.
fn grant(pod: &mut Value, options: &Options) -> bool {
    let done = matches!(pod["status"]["phase"].as_str(), Some("Succeeded" | "Failed"));
    let nowhere = pod["spec"]["nodeName"].as_str().unwrap_or_default().is_empty();
    let own = || pod["spec"]["terminationGracePeriodSeconds"].as_i64().unwrap_or(GRACE);
    if object::is_deleting(pod) {
        let left = pod["metadata"]["deletionGracePeriodSeconds"].as_i64().unwrap_or(0);
        match options.grace {
            _ if left == 0 => {}
            Some(seconds) if seconds < left => set_end(pod, seconds),
            _ => return false,
        }
        return true;
    }
    let seconds = if done || nowhere { 0 } else { options.grace.unwrap_or_else(own) };
    set_end(pod, seconds);
    raise_generation(pod);
    true
}

fn set_end(object: &mut Value, seconds: i64) {
    let end = jiff::Timestamp::now() + std::time::Duration::from_secs(seconds.unsigned_abs());
    object::set_meta(object, "deletionTimestamp", Some(end.strftime("%Y-%m-%dT%H:%M:%SZ").to_string().into()));
    object::set_meta(object, "deletionGracePeriodSeconds", Some(seconds.into()));
}

fn raise_generation(object: &mut Value) {
    if let Some(generation) = object["metadata"]["generation"].as_i64() {
        object::set_meta(object, "generation", Some((generation + 1).into()));
    }
}

/// Marks an object as being deleted.
fn mark(resource: &Resource, value: &mut Value) {
    if object::is_deleting(value) {
        return;
    }
    object::set_meta(value, "deletionTimestamp", Some(object::now().into()));
    if &*resource.shelf == "namespaces." {
        object::set_at(value, &["status", "phase"], "Terminating".into());
        return;
    }
    if &*resource.shelf == definitions::SHELF {
        definitions::terminate(value);
        return;
    }
    object::set_meta(value, "deletionGracePeriodSeconds", Some(0.into()));
    raise_generation(value);
}

/// Puts in the finalizer that the policy wants and takes out the other one.
fn finalize_with(value: &mut Value, policy: Policy) {
    let all = object::finalizers(value);
    let wanted = match policy {
        Policy::Unsaid => return,
        Policy::Background => None,
        Policy::Foreground => Some(FOREGROUND),
        Policy::Orphan => Some(ORPHAN),
    };
    let mut kept: Vec<String> =
        all.iter().filter(|f| !matches!(**f, FOREGROUND | ORPHAN)).map(|f| (*f).to_owned()).collect();
    kept.extend(wanted.map(str::to_owned));
    if kept != all {
        object::set_meta(value, "finalizers", (!kept.is_empty()).then(|| json!(kept)));
    }
}

/// Leaves to the reaper what the garbage collector does before an object can go.
fn collect(state: &mut State, resource: &Resource, stored: &Stored) {
    let value = stored.value();
    if object::finalizers(&value).iter().any(|f| matches!(*f, FOREGROUND | ORPHAN)) {
        state.waiting.insert(stored.uid.clone(), (resource.shelf.clone(), stored.key.clone()));
        state.chores.push_back(Chore::Dependents(stored.uid.clone()));
    }
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

/// Drops the owner references that `gone` picks.
pub(crate) fn disown(value: &mut Value, gone: impl Fn(&Value) -> bool) {
    let Some(owners) = value["metadata"]["ownerReferences"].as_array_mut() else { return };
    owners.retain(|owner| !gone(owner));
    if owners.is_empty() {
        object::set_meta(value, "ownerReferences", None);
    }
}
