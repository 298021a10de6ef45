//! Owns creating and changing objects: what a body goes through until it lies on its shelf.

use std::sync::Arc;

use serde_json::{Map, Value, json};

use crate::access::escalation::Guard;
use crate::apply::managers::{Identity, Managers, describe};
use crate::apply::{self, Reach};
use crate::error::{ApiError, Cause};
use crate::object;
use crate::resources::{BUILTINS, Resource, StatusReset, Version};
use crate::schema::{check, fill};
use crate::store::{Key, State, Stored};
use crate::{defaults, definitions, names, patch, strict, view};

/// A write: where to, by whom, and how strictly.
#[derive(Debug, Clone)]
pub(crate) struct Write<'a> {
    pub(crate) resource: &'a Resource,
    pub(crate) version: &'a Version,
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
        self.resource.api_version(&self.version.name)
    }

    fn reach(&self) -> Reach {
        match (self.status, self.version.status) {
            (true, _) => Reach::StatusOnly,
            (false, true) => Reach::AllButStatus,
            (false, false) => Reach::Everything,
        }
    }

    fn not_found(&self) -> ApiError {
        ApiError::not_found(self.resource.named(&self.name))
    }

    fn key(&self) -> Key {
        Key::new(&self.namespace, &self.name)
    }

    fn invalid(&self, name: &str, causes: Vec<Cause>) -> ApiError {
        ApiError::invalid(&self.resource.group, &self.resource.kind, name, causes)
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
    check_kind(write, &body)?;
    place(write, &mut body)?;
    if object::sent_version(&body).is_some() {
        return Err(ApiError::untyped("resourceVersion should not be set on objects to be created".into()));
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
    admit(&write, &mut body, &mut warnings)?;
    let mut managers = Managers::default();
    let who = Identity::updater(&write.manager, &write.api_version(), "");
    // Taken before the server adds what nobody owns, such as addresses. The typed structs of built-in kinds always have a spec and a status; nobody owns that they are there.
    let nothing = if write.resource.custom { json!({}) } else { json!({"spec": {}, "status": {}}) };
    apply::update(write.version.ty(), &nothing, &body, &mut managers, &who, write.reach(), &object::now());
    begin(state, &write, &mut body)?;
    if state.get(&write.resource.shelf, &write.key()).is_some() {
        return Err(ApiError::already_exists(write.resource.named(&write.name)));
    }
    let stored = keep(state, &write, body, &managers)?;
    Ok(Done { stored, created: true, warnings })
}

/// Replaces an object by the body of a PUT.
pub(crate) fn replace(state: &mut State, write: &Write<'_>, mut body: Value) -> Result<Done, ApiError> {
    check_kind(write, &body)?;
    place(write, &mut body)?;
    let Some(live) = write.live(state) else {
        let creates = matches!(write.resource.plural.as_str(), "leases" | "events" | "endpoints");
        return if creates && !write.status { create(state, write, body) } else { Err(write.not_found()) };
    };
    if write.resource.custom && object::sent_version(&body).is_none() {
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
    let mut body = patch::apply(kind, write, &base, bytes)?;
    check_kind(write, &body)?;
    place(write, &mut body)?;
    // Only managedFields: [] in a patch resets ownership; otherwise it is kept whatever the patch says.
    if body["metadata"].get("managedFields").is_none() {
        managers.put_into(&mut body);
    }
    change(state, write, live, body, None)
}

/// Server-side apply.
pub(crate) fn apply(state: &mut State, write: &Write<'_>, mut config: Value) -> Result<Done, ApiError> {
    if check_kind(write, &config).is_err() {
        let text = |name: &str| config.get(name).and_then(Value::as_str).unwrap_or_default();
        let (version, kind) = (text("apiVersion"), text("kind"));
        return Err(ApiError::bad_request(format!("invalid object type: {version}, Kind={kind}")));
    }
    let of = format!(
        "{}/{}; {}/{}, Kind={}",
        object::meta(&config, "namespace"),
        object::meta(&config, "name"),
        write.resource.group,
        write.version.name,
        write.resource.kind
    );
    place(write, &mut config)?;
    if config["metadata"].get("managedFields").is_some_and(|m| !m.is_null()) {
        return Err(ApiError::bad_request("metadata.managedFields must be nil"));
    }
    let mut warnings = Vec::new();
    fill::drop_nulls(write.version.ty(), &mut config);
    if let Err(why) = apply::typed::check(write.version.ty(), &config) {
        return Err(ApiError::untyped(format!("failed to create typed patch object ({of}): {why}")));
    }
    let live = write.live(state);
    let exists = live.is_some();
    if !exists && write.status {
        return Err(write.not_found());
    }
    let mut base = live.clone().unwrap_or_else(|| Value::Object(Map::new()));
    let mut managers = Managers::take(&mut base);
    let who = Identity::applier(&write.manager, &write.api_version(), &write.sub);
    let now = object::now();
    let mode = (write.reach(), write.force);
    let applied = apply::apply(write.version.ty(), &base, &config, &mut managers, &who, mode, &now);
    if !applied.conflicts.is_empty() {
        let (message, causes) = describe(&applied.conflicts);
        return Err(ApiError::apply_conflict(message, causes));
    }
    let mut body = applied.object;
    fill::drop_nulls(write.version.ty(), &mut body);
    let Some(live) = live else {
        let uid = object::meta(&body, "uid");
        if !uid.is_empty() {
            let why =
                format!("uid mismatch: the provided object specified uid {uid}, and no existing object was found");
            return Err(ApiError::conflict(write.resource.named(&write.name), &why));
        }
        admit(write, &mut body, &mut warnings)?;
        begin(state, write, &mut body)?;
        let stored = keep(state, write, body, &managers)?;
        return Ok(Done { stored, created: true, warnings });
    };
    let done = change(state, write, live, body, Some((managers, who)))?;
    Ok(Done { warnings, ..done })
}

/// Brings a changed object to its shelf. Without `applied`, what changed is recorded for the writing manager.
fn change(
    state: &mut State,
    write: &Write<'_>,
    mut live: Value,
    mut body: Value,
    applied: Option<(Managers, Identity)>,
) -> Result<Done, ApiError> {
    check_versions(write, &live, &body)?;
    let stored_version = object::meta(&live, "resourceVersion").to_owned();
    let reset = body["metadata"]
        .get("managedFields")
        .and_then(Value::as_array)
        .is_some_and(|list| list.is_empty() || list.iter().all(|e| e.as_object().is_none_or(Map::is_empty)));
    let before = Managers::take(&mut live);
    Managers::take(&mut body);
    let mut warnings = Vec::new();
    carry_over(write, &live, &mut body);
    admit(write, &mut body, &mut warnings)?;
    carry_over(write, &live, &mut body);
    object::set_meta(&mut body, "resourceVersion", Some(stored_version.as_str().into()));
    raise_generation(write, &live, &mut body);
    let now = object::now();
    let managers = match applied {
        Some((mut managers, who)) => {
            if body != live {
                managers.stamp(&who, &now);
            }
            managers
        }
        // Nobody is recorded for an object that was never recorded of.
        None if before == Managers::default() => before.clone(),
        None => {
            let mut managers = if reset { Managers::default() } else { before.clone() };
            let who = Identity::updater(&write.manager, &write.api_version(), &write.sub);
            apply::update(write.version.ty(), &live, &body, &mut managers, &who, write.reach(), &now);
            managers
        }
    };
    if body == live && managers == before {
        let stored = state.get(&write.resource.shelf, &write.key()).ok_or_else(|| write.not_found())?;
        return Ok(Done { stored, created: false, warnings });
    }
    if object::is_deleting(&body) && object::finalizers(&body).is_empty() && may_vanish(write.resource) {
        return finish_deletion(state, write, body, &managers, warnings);
    }
    let stored = keep(state, write, body, &managers)?;
    Ok(Done { stored, created: false, warnings })
}

/// Namespaces and definitions go by way of the reaper, once they are empty.
fn may_vanish(resource: &Resource) -> bool {
    !matches!(&*resource.shelf, "namespaces." | "customresourcedefinitions.apiextensions.k8s.io")
}

fn finish_deletion(
    state: &mut State,
    write: &Write<'_>,
    mut body: Value,
    managers: &Managers,
    warnings: Vec<String>,
) -> Result<Done, ApiError> {
    managers.put_into(&mut body);
    let stored = if write.dry_run {
        state.get(&write.resource.shelf, &write.key())
    } else {
        view::to_stored(write.resource, &mut body);
        state.put(write.resource, body);
        state.remove(write.resource, &write.key())
    };
    let stored = stored.ok_or_else(|| write.not_found())?;
    Ok(Done { stored, created: false, warnings })
}

/// Refuses bodies of another kind or version than the path's.
pub(crate) fn check_kind(write: &Write<'_>, body: &Value) -> Result<(), ApiError> {
    if !body.is_object() {
        return Err(ApiError::bad_request("the body of the request is not a JSON object"));
    }
    let text = |name: &str| body.get(name).and_then(Value::as_str).unwrap_or_default();
    let (version, kind) = (text("apiVersion"), text("kind"));
    let expected = write.api_version();
    if !write.resource.custom
        && (version.is_empty() || version == expected)
        && (kind.is_empty() || kind == write.resource.kind)
    {
        return Ok(());
    }
    if version == expected && kind == write.resource.kind {
        return Ok(());
    }
    let (group, name) = version.rsplit_once('/').unwrap_or(("", version));
    let known = BUILTINS.iter().any(|r| r.group == group && r.kind == kind && r.version(name).is_some());
    let own = &write.resource.kind;
    let why = if write.resource.custom {
        format!("expected {expected}")
    } else if known {
        let package = write.resource.group.split('.').next().filter(|p| !p.is_empty()).unwrap_or("core");
        format!("converting ({name}.{kind}) to ({package}.{own}): unknown conversion")
    } else {
        format!("no kind \"{kind}\" is registered for version \"{version}\" in scheme \"pkg/runtime/scheme.go:111\"")
    };
    let of = if write.resource.custom { format!(" of group \"{group}\"") } else { String::new() };
    Err(ApiError::bad_request(format!("{kind} in version \"{name}\"{of} cannot be handled as a {own}: {why}")))
}

/// Puts the path's namespace and name into the body, or refuses a body that has others.
fn place(write: &Write<'_>, body: &mut Value) -> Result<(), ApiError> {
    let (namespace, name) = (object::meta(body, "namespace").to_owned(), object::meta(body, "name").to_owned());
    if !write.resource.namespaced {
        object::set_meta(body, "namespace", None);
    } else if namespace.is_empty() {
        object::set_meta(body, "namespace", Some(write.namespace.as_str().into()));
    } else if namespace != write.namespace {
        let what = "the namespace of the provided object does not match the namespace sent on the request";
        return Err(ApiError::bad_request(what));
    }
    if write.name.is_empty() {
        return Ok(());
    }
    if name.is_empty() {
        object::set_meta(body, "name", Some(write.name.as_str().into()));
    } else if name != write.name {
        let what = "the name of the object";
        return Err(ApiError::bad_request(format!(
            "{what} ({name}) does not match the name on the URL ({})",
            write.name
        )));
    }
    Ok(())
}

pub(crate) fn unknown_fields(write: &Write<'_>, body: &mut Value, warnings: &mut Vec<String>) -> Result<(), ApiError> {
    let dropped = fill::prune(write.version.ty(), body);
    let texts = if write.unknown == Unknown::Ignore { Vec::new() } else { strict_errors(write, dropped) };
    match write.unknown {
        Unknown::Strict if !texts.is_empty() => {
            let (kind, version) = (&write.resource.kind, &write.version.name);
            let of = if write.resource.custom && write.source.is_empty() {
                String::new()
            } else {
                format!("{kind} in version \"{version}\" cannot be handled as a {kind}: ")
            };
            Err(ApiError::bad_request(format!("{of}strict decoding error: {}", texts.join(", "))))
        }
        Unknown::Warn => {
            warnings.extend(texts);
            Ok(())
        }
        _ => Ok(()),
    }
}

/// What is unknown or stands twice, as a kube-apiserver lists it: in the order of the body, for custom resources what stands
/// twice first.
fn strict_errors(write: &Write<'_>, mut dropped: Vec<String>) -> Vec<String> {
    let unknown = |path: &String| format!("unknown field \"{path}\"");
    let met = strict::fields(write.source);
    let again = |met: &strict::Met| format!("duplicate field \"{}\"", met.path);
    if write.resource.custom {
        dropped.sort();
        return met.iter().filter(|m| m.again).map(again).chain(dropped.iter().map(unknown)).collect();
    }
    let listed = |met: &strict::Met| match met {
        strict::Met { again: true, .. } => Some(again(met)),
        strict::Met { path, .. } => dropped.contains(path).then(|| unknown(path)),
    };
    let mut texts: Vec<String> = met.iter().filter_map(listed).collect();
    let rest: Vec<String> = dropped.iter().map(unknown).filter(|text| !texts.contains(text)).collect();
    texts.extend(rest);
    texts
}

/// Drops what is unknown, puts in defaults, and checks the rest.
fn admit(write: &Write<'_>, body: &mut Value, warnings: &mut Vec<String>) -> Result<(), ApiError> {
    unknown_fields(write, body, warnings)?;
    let mut causes = Vec::new();
    if write.resource.custom {
        fill::defaults(write.version.ty(), body);
        causes.extend(check::check(write.version.ty(), body));
    } else {
        fill::drop_nulls(write.version.ty(), body);
        defaults::fill(write.resource, body);
        causes.extend(definitions::check(write.resource, body));
    }
    causes.extend(names::check(write.resource, body));
    if causes.is_empty() { Ok(()) } else { Err(write.invalid(object::meta(body, "name"), causes)) }
}

/// Gives a new object what only the server gives, and checks that its namespace takes it.
fn begin(state: &State, write: &Write<'_>, body: &mut Value) -> Result<(), ApiError> {
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
    // Nodes register with their status.
    if write.version.status
        && &*write.resource.shelf != "nodes."
        && let Some(map) = body.as_object_mut()
    {
        map.remove("status");
    }
    defaults::on_create(state, write.resource, body);
    object::set_meta(body, "uid", Some(uuid::Uuid::new_v4().to_string().into()));
    object::set_meta(body, "creationTimestamp", Some(object::now().into()));
    for field in ["deletionTimestamp", "deletionGracePeriodSeconds", "selfLink", "managedFields", "resourceVersion"] {
        object::set_meta(body, field, None);
    }
    let generation = (write.resource.status == StatusReset::Generation).then(|| 1.into());
    object::set_meta(body, "generation", generation);
    Ok(())
}

/// Puts an object on its shelf, or only pretends to.
fn keep(state: &mut State, write: &Write<'_>, mut body: Value, managers: &Managers) -> Result<Arc<Stored>, ApiError> {
    if let Some(guard) = &write.guard {
        guard.check(state, write.resource, write.live(state).as_ref(), &body)?;
    }
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

/// Optimistic concurrency: what the client says it saw must be what is there.
fn check_versions(write: &Write<'_>, live: &Value, body: &Value) -> Result<(), ApiError> {
    let uid = object::meta(body, "uid");
    let other = !uid.is_empty() && uid != object::meta(live, "uid");
    if other && !write.replaces {
        return Err(
            write.invalid(&write.name, vec![Cause::invalid("metadata.uid", &Value::from(uid), "field is immutable")])
        );
    }
    if other {
        let why = format!(
            "Precondition failed: UID in precondition: {uid}, UID in object meta: {}",
            object::meta(live, "uid")
        );
        return Err(ApiError::conflict(write.resource.named(&write.name), &why));
    }
    match object::sent_version(body) {
        Some(sent) if sent != "0" && sent != object::meta(live, "resourceVersion") => {
            Err(ApiError::modified(write.resource.named(&write.name)))
        }
        _ => Ok(()),
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
        *body = live.clone();
        if let Some(map) = body.as_object_mut() {
            map.remove("status");
            map.extend(status.map(|s| ("status".to_owned(), s)));
        }
    } else if write.version.status
        && let Some(map) = body.as_object_mut()
    {
        map.remove("status");
        map.extend(live.get("status").map(|s| ("status".to_owned(), s.clone())));
    }
    if !write.resource.custom {
        defaults::immutable(write.resource, live, body);
    }
}

fn raise_generation(write: &Write<'_>, live: &Value, body: &mut Value) {
    if write.resource.status == StatusReset::None || write.status {
        return;
    }
    let apart = |field: &&String| *field != "metadata" && *field != "apiVersion" && *field != "kind";
    let counts = |field: &&String| apart(field) && !(write.version.status && *field == "status");
    let part = |of: &Value| -> Map<String, Value> {
        of.as_object().into_iter().flatten().filter(|(k, _)| counts(k)).map(|(k, v)| (k.clone(), v.clone())).collect()
    };
    if part(live) != part(body) {
        let generation = live["metadata"]["generation"].as_i64().unwrap_or(0) + 1;
        object::set_meta(body, "generation", Some(generation.into()));
    }
}
