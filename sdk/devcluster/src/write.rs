//! Owns creating and changing objects: what a body goes through until it lies on its shelf.

mod changes;
mod fit;
mod place;
mod unknown;
mod version;

use std::sync::Arc;

use serde_json::{Map, Value};

use self::fit::fits;
use self::place::place;
pub(crate) use self::place::{check_kind, named_kind};
pub(crate) use self::unknown::unknown_fields;
use self::version::{keepable, keepable_change, of_one_group, owners};
use crate::access::escalation::Guard;
use crate::apply::managers::{Identity, Managers, describe};
use crate::apply::{self, Reach, last_applied};
use crate::error::{ApiError, Cause};
use crate::object;
use crate::resources::{Resource, StatusReset, Version};
use crate::schema::{fill, misfit, settle};
use crate::store::{Key, State, Stored};
use crate::{admission, autoscaling, custom, defaults, definitions, go, names, patch, services, validate, view};

/// A write: where to, by whom, and how strictly.
#[derive(Debug, Clone)]
pub(crate) struct Write<'a> {
    pub(crate) resource: &'a Resource,
    pub(crate) version: &'a Version,
    /// The version that the client writes in, where objects are kept in another one, which `version` then is.
    pub(crate) said: Option<&'a Version>,
    pub(crate) namespace: String,
    pub(crate) name: String,
    /// The subresource written to: empty, "status" or "scale".
    pub(crate) sub: String,
    /// The write goes to the status subresource.
    pub(crate) status: bool,
    /// A PUT: the body's uid is a precondition, where a patch's would be a change.
    pub(crate) replaces: bool,
    pub(crate) manager: String,
    pub(crate) dry_run: bool,
    pub(crate) unknown: Unknown,
    pub(crate) force: bool,
    /// The body as it came, where it is a whole object in JSON: its fields in their order.
    pub(crate) source: &'a [u8],
    /// Set where not everybody who may write may write everything.
    pub(crate) guard: Option<Guard>,
}

/// What happens to fields that the schema does not know.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unknown {
    Ignore,
    Warn,
    Strict,
}

/// What a write came to.
#[derive(Debug)]
pub(crate) struct Done {
    pub(crate) stored: Arc<Stored>,
    pub(crate) created: bool,
    pub(crate) warnings: Vec<String>,
}

impl Write<'_> {
    fn api_version(&self) -> String {
        self.resource.api_version(&self.said.unwrap_or(self.version).name)
    }

    pub(crate) fn reach(&self) -> Reach {
        let settled = self.resource.custom || self.resource.plural == "customresourcedefinitions";
        match (self.status, self.version.status) {
            (true, _) if !settled => Reach::AllButSpec { labels: self.resource.plural != "deployments" },
            (true, _) => Reach::StatusOnly,
            (false, true) => Reach::AllButStatus,
            (false, false) => Reach::Everything,
        }
    }

    /// What a server has before anything was written: nobody owns what every object of a built-in kind has.
    fn empty(&self) -> Value {
        let mut nothing = Value::Object(Map::new());
        if !self.resource.custom {
            settle::settle(self.said.unwrap_or(self.version).ty(), &mut nothing);
        }
        nothing
    }

    /// A service itself, not its status.
    fn is_service(&self) -> bool {
        &*self.resource.shelf == "services." && !self.status
    }

    fn nameless(&self) -> ApiError {
        let what = "was undeterminable: name must be provided";
        ApiError::bad_request(format!("the name of the object ({} based on URL) {what}", self.name))
    }

    /// A patched object that is none any more.
    pub(crate) fn unfit(&self, patched: &str, why: &str) -> ApiError {
        ApiError::invalid("", "", "", vec![Cause::invalid("patch", &patched.into(), why)])
    }

    fn not_found(&self) -> ApiError {
        ApiError::not_found(self.resource.named(&self.name))
    }

    fn key(&self) -> Key {
        Key::new(&self.namespace, &self.name)
    }

    fn invalid(&self, name: &str, causes: Vec<Cause>) -> ApiError {
        // Events are kept in the core group, and complained of as of that.
        let group = if self.resource.renames_events() { "" } else { &self.resource.group };
        ApiError::invalid(group, &self.resource.kind, name, causes)
    }

    /// The live object in this write's version.
    fn live(&self, state: &State) -> Option<Value> {
        let stored = state.get(&self.resource.shelf, &self.key())?;
        let view =
            view::View { resource: self.resource, version: &self.version.name, render: crate::ask::Render::Full };
        Some(view.value(&stored))
    }
}

/// Creates an object from the body of a POST.
pub(crate) fn create(state: &mut State, write: &Write<'_>, mut body: Value) -> Result<Done, ApiError> {
    check_kind(write, &mut body)?;
    fits(write, &body)?;
    place(write, &mut body)?;
    if object::sent_version(&body).is_some_and(|v| v.parse::<u64>().is_ok_and(|v| v > 0)) {
        return Err(ApiError::untyped("resourceVersion should not be set on objects to be created".into()));
    }
    // What only the server says is nobody's to own.
    for field in ["deletionTimestamp", "deletionGracePeriodSeconds", "selfLink"] {
        object::set_meta(&mut body, field, None);
    }
    let prefix = object::meta(&body, "generateName").to_owned();
    let generated = object::meta(&body, "name").is_empty() && !prefix.is_empty();
    let mut write = write.clone();
    if generated {
        write.name = free_name(state, &write, &prefix);
        object::set_meta(&mut body, "name", Some(write.name.as_str().into()));
    } else {
        write.name = object::meta(&body, "name").to_owned();
    }
    let mut warnings = Vec::new();
    prepare(&write, &mut body, &mut warnings)?;
    if let Some(kept) = write.kept() {
        write = kept;
        keepable(&write, &mut body);
    }
    let mut managers = Managers::default();
    let who = Identity::updater(&write.manager, &write.api_version(), "");
    // Taken before the server adds what nobody owns, such as addresses.
    let (nothing, seen) = (write.empty(), write.seen(&body));
    apply::update(write.form(), &nothing, &seen, &mut managers, &who, write.reach(), &object::now());
    begin(state, &write, &mut body, &mut warnings)?;
    if let Some(other) = state.get(&write.resource.shelf, &write.key()) {
        let what = write.resource.named(&write.name);
        let going = object::is_deleting(&other.value());
        return Err(if going { ApiError::still_exists(what) } else { ApiError::already_exists(what) });
    }
    let stored = keep(state, &write, body, &managers)?;
    Ok(Done { stored, created: true, warnings })
}

/// Replaces an object by the body of a PUT.
pub(crate) fn replace(state: &mut State, write: &Write<'_>, mut body: Value) -> Result<Done, ApiError> {
    check_kind(write, &mut body)?;
    fits(write, &body)?;
    place(write, &mut body)?;
    let Some(live) = write.live(state) else {
        let creates = matches!(
            write.resource.plural.as_str(),
            "leases"
                | "events"
                | "endpoints"
                | "limitranges"
                | "services"
                | "roles"
                | "rolebindings"
                | "clusterroles"
                | "clusterrolebindings"
        );
        return if creates && !write.status { create(state, write, body) } else { Err(write.not_found()) };
    };
    if changes::needs_version(write.resource) && object::sent_version(&body).is_none_or(|version| version == "0") {
        let cause = Cause::invalid("metadata.resourceVersion", &Value::from(0), "must be specified for an update");
        return Err(ApiError::invalid(&write.resource.group, &write.resource.plural, &write.name, vec![cause]));
    }
    change(state, write, live, body, None)
}

/// Changes an object by a JSON, merge or strategic merge patch.
pub(crate) fn patch(state: &mut State, write: &Write<'_>, kind: patch::Kind, bytes: &[u8]) -> Result<Done, ApiError> {
    let live = write.live(state).ok_or_else(|| write.not_found())?;
    let mut base = live.clone();
    let managers = Managers::take(&mut base);
    let (mut body, odd) = patch::apply(kind, write, &base, bytes)?;
    if kind == patch::Kind::Strategic {
        // The kind is that of the path, whatever such a patch says.
        body["apiVersion"] = live["apiVersion"].clone();
        body["kind"] = live["kind"].clone();
    }
    if object::meta(&body, "name").is_empty() {
        let what =
            format!("the name of the object ({} based on URL) was undeterminable: name must be provided", write.name);
        return Err(ApiError::bad_request(what));
    }
    let shown = body.to_string();
    check_kind(write, &mut body).map_err(|error| match write.resource.custom {
        true => error,
        false => write.unfit(&shown, &error.message),
    })?;
    if let Some(why) = misfit::find(write.version.ty(), &body).filter(|_| !write.resource.custom) {
        return Err(write.unfit(&shown, &why));
    }
    if write.unknown == Unknown::Strict {
        let mut unknown: Vec<String> = fill::prune(write.version.ty(), &mut body.clone())
            .iter()
            .map(|path| format!("unknown field \"{path}\""))
            .collect();
        unknown.splice(0..0, odd.clone());
        if !unknown.is_empty() {
            let patch: Value = serde_json::from_slice(bytes).unwrap_or_default();
            let shown = if kind == patch::Kind::Strategic { go::plain(&patch) } else { body.to_string() };
            unknown.sort();
            return Err(write.unfit(&shown, &format!("strict decoding error: {}", unknown.join(", "))));
        }
    }
    place(write, &mut body)?;
    // Only managedFields: [] in a patch resets ownership; otherwise it is kept whatever the patch says.
    if body["metadata"].get("managedFields").is_none() {
        managers.put_into(&mut body);
    }
    let mut done = change(state, write, live, body, None)?;
    done.warnings.splice(0..0, odd);
    Ok(done)
}

/// Server-side apply.
pub(crate) fn apply(state: &mut State, write: &Write<'_>, mut config: Value) -> Result<Done, ApiError> {
    let text = |name: &str| config.get(name).and_then(Value::as_str).unwrap_or_default();
    if text("apiVersion") != write.api_version() || text("kind") != write.resource.kind {
        let kind = named_kind(text("apiVersion"), text("kind"));
        return Err(ApiError::bad_request(format!("invalid object type: {kind}")));
    }
    let of = format!(
        "{}/{}; {}",
        object::meta(&config, "namespace"),
        object::meta(&config, "name"),
        named_kind(&write.api_version(), &write.resource.kind)
    );
    let nameless = object::meta(&config, "name").is_empty();
    let sent = last_applied::copy(&write.manager, &config);
    place(write, &mut config)?;
    if config["metadata"].get("managedFields").is_some_and(|m| !m.is_null()) {
        return Err(ApiError::bad_request("metadata.managedFields must be nil"));
    }
    let mut warnings = Vec::new();
    if let Err(why) = apply::typed::check(write.version.ty(), &config) {
        return Err(ApiError::untyped(format!("failed to create typed patch object ({of}): {why}")));
    }
    let live = write.live(state);
    let exists = live.is_some();
    if !exists && write.status {
        return Err(write.not_found());
    }
    let mut base = live.clone().unwrap_or_else(|| write.empty());
    let mut managers = Managers::take(&mut base);
    let who = Identity::applier(&write.manager, &write.api_version(), &write.sub);
    let now = object::now();
    if managers.is_empty() && exists {
        // What was there before anybody applied has an owner from now on.
        let before = Identity::updater("before-first-apply", &write.api_version(), &write.sub);
        apply::update(write.form(), &write.empty(), &base, &mut managers, &before, write.reach(), &now);
    }
    let mode = (write.reach(), write.force || last_applied::allows(write, &base, &config, &managers, &who));
    let mut applied = apply::apply(write.form(), &base, &config, &mut managers, &who, mode, &now);
    if !applied.conflicts.is_empty() {
        let (message, causes) = describe(&applied.conflicts);
        return Err(ApiError::apply_conflict(message, causes));
    }
    last_applied::renew(sent, &mut applied.object);
    let mut body = applied.object;
    let Some(live) = live else {
        if nameless {
            return Err(write.nameless());
        }
        let uid = object::meta(&body, "uid");
        if !uid.is_empty() {
            let why =
                format!("uid mismatch: the provided object specified uid {uid}, and no existing object was found");
            return Err(ApiError::conflict(write.resource.named(&write.name), &why));
        }
        prepare(write, &mut body, &mut warnings)?;
        let kept = write.kept();
        let write = kept.as_ref().unwrap_or(write);
        keepable(write, &mut body);
        begin(state, write, &mut body, &mut warnings)?;
        managers.stamp(&who, &now);
        let stored = keep(state, write, body, &managers)?;
        return Ok(Done { stored, created: true, warnings });
    };
    let done = change(state, write, live, body, Some(managers))?;
    Ok(Done { warnings, ..done })
}

/// Brings a changed object to its shelf. Without `applied`, what changed is recorded for the writing manager.
pub(crate) fn change(
    state: &mut State,
    write: &Write<'_>,
    mut live: Value,
    mut body: Value,
    applied: Option<Managers>,
) -> Result<Done, ApiError> {
    changes::versions(write, &live, &body)?;
    let (kept, mut warnings) = (write.kept(), Vec::new());
    if let Some(kept) = &kept {
        prepare(write, &mut body, &mut warnings)?;
        let stored = kept.live(state).ok_or_else(|| write.not_found())?;
        keepable_change(kept, (&live, &stored), &mut body, applied.is_some());
        live = stored;
    }
    let write = kept.as_ref().unwrap_or(write);
    let stored_version = object::meta(&live, "resourceVersion").to_owned();
    let reset = body["metadata"]
        .get("managedFields")
        .and_then(Value::as_array)
        .is_some_and(|list| list.is_empty() || list.iter().all(|e| e.as_object().is_none_or(Map::is_empty)));
    let before = Managers::take(&mut live);
    let said = Managers::take(&mut body);
    let mut causes = changes::metadata(write, &live, &body);
    let dropped = changes::dropped(write, &body);
    carry_over(write, &live, &mut body);
    prepare(write, &mut body, &mut warnings)?;
    carry_over(write, &live, &mut body);
    definitions::fill(write.resource, &mut body);
    // What a service is given is nobody's to own.
    let mut sent = write.is_service().then(|| body.clone());
    let refused = if write.is_service() { services::update(state, &live, &mut body) } else { Vec::new() };
    if refused.is_empty() {
        causes.extend(changes::check(write, &live, &body, &mut warnings));
    } else {
        causes = refused;
    }
    if !causes.is_empty() {
        return Err(write.invalid(&write.name, causes).after(warnings));
    }
    if !write.resource.custom && write.sub.is_empty() {
        warnings.extend(validate::warnings::of(write.resource, &body, Some(&live)));
        warnings.extend(definitions::warnings(write.resource, &body, Some(&live)));
    }
    carry_over(write, &live, &mut body);
    definitions::fill(write.resource, &mut body);
    object::set_meta(&mut body, "resourceVersion", Some(stored_version.as_str().into()));
    raise_generation(write, &live, &mut body);
    if let Some(spec) = dropped {
        // Who sends what is dropped owns it all the same.
        let mut whole = body.clone();
        whole["spec"] = spec;
        sent = Some(whole);
    }
    let sent = sent.as_ref().unwrap_or(&body);
    let managers = applied.unwrap_or_else(|| owners(write, (&live, sent), (reset, said, &before)));
    let managers = of_one_group(write, managers);
    settle::unlist(write.version.ty(), &mut body);
    let stored = state.get(&write.resource.shelf, &write.key()).ok_or_else(|| write.not_found())?;
    if body == live && managers.owns_the_same(&before) && !stored.raw {
        return Ok(Done { stored, created: false, warnings });
    }
    if object::is_deleting(&body) && object::finalizers(&body).is_empty() && may_vanish(write.resource, &body) {
        return finish_deletion(state, write, body, &managers, warnings);
    }
    let stored = keep(state, write, body, &managers)?;
    Ok(Done { stored, created: false, warnings })
}

/// Namespaces and definitions go by way of the reaper, once they are empty.
fn may_vanish(resource: &Resource, body: &Value) -> bool {
    match &*resource.shelf {
        "namespaces." => body["spec"].get("finalizers").is_none_or(Value::is_null),
        "customresourcedefinitions.apiextensions.k8s.io" => false,
        _ => true,
    }
}

/// The last finalizer is gone: watches see the object as it was, the writer as it became.
fn finish_deletion(
    state: &mut State,
    write: &Write<'_>,
    mut body: Value,
    managers: &Managers,
    warnings: Vec<String>,
) -> Result<Done, ApiError> {
    managers.put_into(&mut body);
    view::to_stored(write.resource, &mut body);
    let version = state.get(&write.resource.shelf, &write.key()).ok_or_else(|| write.not_found())?.version;
    if !write.dry_run {
        state.remove(write.resource, &write.key());
    }
    Ok(Done { stored: Arc::new(crate::store::pretend(version, body)), created: false, warnings })
}

/// Drops what is unknown and puts in defaults.
fn prepare(write: &Write<'_>, body: &mut Value, warnings: &mut Vec<String>) -> Result<(), ApiError> {
    fits(write, body)?;
    unknown_fields(write, body, warnings)?;
    if write.resource.custom {
        custom::prepare(write, body)?;
    } else {
        settle::texts(write.version.ty(), body);
        fill::drop_nulls(write.version.ty(), body);
        settle::parts(write.version.ty(), body);
        // What was converted is defaulted when it is read again.
        if write.said.is_none() {
            autoscaling::forget(write.resource, &write.version.name, body);
            defaults::fill(write.resource, &write.version.name, body);
        }
        definitions::fill(write.resource, body);
        settle::settle(write.version.ty(), body);
    }
    Ok(())
}

/// Checks that the namespace takes a new object, gives it what only the server gives, and checks all of it.
fn begin(state: &State, write: &Write<'_>, body: &mut Value, warnings: &mut Vec<String>) -> Result<(), ApiError> {
    if write.resource.namespaced {
        let namespaces = Key::new("", &write.namespace);
        let Some(namespace) = state.get("namespaces.", &namespaces) else {
            let what = crate::error::Named { group: "", plural: "namespaces", name: &write.namespace };
            return Err(ApiError::not_found(what));
        };
        if state.terminating.contains(&*write.namespace) || object::is_deleting(&namespace.value()) {
            return Err(ApiError::terminating(write.resource.named(&write.name), &write.namespace));
        }
    }
    if write.resource.custom && state.terminating.contains(&*write.resource.shelf) {
        let why = "create not allowed while custom resource definition is terminating";
        return Err(ApiError::forbidden(write.resource.named(&write.name), why));
    }
    admission::create(state, write.resource, &write.name, body)?;
    // Nodes register with their status.
    if write.version.status
        && &*write.resource.shelf != "nodes."
        && let Some(map) = body.as_object_mut()
    {
        map.remove("status");
    }
    defaults::on_create(write.resource, body);
    definitions::fill(write.resource, body);
    if !write.resource.custom {
        settle::settle(write.version.ty(), body);
    }
    object::set_meta(body, "uid", Some(uuid::Uuid::new_v4().to_string().into()));
    if write.resource.plural == "jobs" && write.resource.group == "batch" {
        defaults::job_labels(body);
    }
    object::set_meta(body, "creationTimestamp", Some(object::now().into()));
    for field in ["deletionTimestamp", "deletionGracePeriodSeconds", "selfLink", "managedFields", "resourceVersion"] {
        object::set_meta(body, field, None);
    }
    if write.resource.status == StatusReset::Generation {
        object::set_meta(body, "generation", Some(1.into()));
    }
    let mut causes = if write.is_service() { services::create(state, body) } else { Vec::new() };
    // What a service cannot be given is all that is said of it.
    if causes.is_empty() {
        causes = changes::created(write, body, warnings);
    }
    if !causes.is_empty() {
        return Err(write.invalid(object::meta(body, "name"), causes).after(std::mem::take(warnings)));
    }
    if !write.resource.custom {
        warnings.extend(validate::warnings::of(write.resource, body, None));
        warnings.extend(definitions::warnings(write.resource, body, None));
    }
    Ok(())
}

/// Puts an object on its shelf, or only pretends to.
fn keep(state: &mut State, write: &Write<'_>, mut body: Value, managers: &Managers) -> Result<Arc<Stored>, ApiError> {
    if let Some(guard) = &write.guard {
        guard.check(state, write.resource, write.live(state).as_ref(), &body)?;
    }
    if write.said.is_some() {
        defaults::fill(write.resource, &write.version.name, &mut body);
        settle::settle(write.version.ty(), &mut body);
    }
    settle::unlist(write.version.ty(), &mut body);
    managers.put_into(&mut body);
    view::to_stored(write.resource, &mut body);
    if write.dry_run {
        return Ok(Arc::new(crate::store::pretend(state.version(), body)));
    }
    let stored = state.put(write.resource, body);
    definitions::after_write(state, write.resource, &stored);
    Ok(stored)
}

fn free_name(state: &State, write: &Write<'_>, prefix: &str) -> String {
    loop {
        let name = names::generated(prefix);
        if state.get(&write.resource.shelf, &Key::new(&write.namespace, &name)).is_none() {
            return name;
        }
    }
}

/// Keeps from the live object what this write may not change.
fn carry_over(write: &Write<'_>, live: &Value, body: &mut Value) {
    let of_live = |field: &str| live.get("metadata").and_then(|m| m.get(field)).cloned();
    for field in
        ["uid", "creationTimestamp", "deletionTimestamp", "deletionGracePeriodSeconds", "generation", "selfLink"]
    {
        object::set_meta(body, field, of_live(field));
    }
    if write.status {
        let status = body.get("status").cloned();
        let metadata = body.get("metadata").cloned();
        *body = live.clone();
        if !write.resource.custom {
            changes::keep_metadata(write, metadata, body);
        }
        if let Some(map) = body.as_object_mut() {
            map.remove("status");
            map.extend(status.map(|s| ("status".to_owned(), s)));
        }
        if !write.resource.custom {
            defaults::status(write.resource, live, body);
        }
    } else if write.version.status
        && let Some(map) = body.as_object_mut()
    {
        map.remove("status");
        map.extend(live.get("status").map(|s| ("status".to_owned(), s.clone())));
    }
    if &*write.resource.shelf == "namespaces." {
        changes::finalizers_of_namespace(write, live, body);
    }
    if !write.resource.custom {
        defaults::immutable(write.resource, live, body);
    }
}

fn raise_generation(write: &Write<'_>, live: &Value, body: &mut Value) {
    // Changes of CSIDrivers are counted, but not their creation.
    let counted = write.resource.plural == "csidrivers" || write.resource.status != StatusReset::None;
    if !counted || write.status {
        return;
    }
    let apart = |field: &&String| *field != "metadata" && *field != "apiVersion" && *field != "kind";
    let counts = |field: &&String| apart(field) && !(write.version.status && *field == "status");
    let part = |of: &Value| -> Map<String, Value> {
        of.as_object().into_iter().flatten().filter(|(k, _)| counts(k)).map(|(k, v)| (k.clone(), v.clone())).collect()
    };
    let labelled = &*write.resource.shelf == "endpointslices.discovery.k8s.io"
        && live["metadata"].get("labels") != body["metadata"].get("labels");
    let annotated = &*write.resource.shelf == "deployments.apps"
        && live["metadata"].get("annotations") != body["metadata"].get("annotations");
    if annotated || labelled || part(live) != part(body) {
        let generation = live["metadata"]["generation"].as_i64().unwrap_or(0) + 1;
        object::set_meta(body, "generation", Some(generation.into()));
    }
}
