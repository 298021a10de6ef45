//! Sends each request to what answers it: who may, what is meant, and which part of the crate does it.

use std::sync::Arc;

use bytes::Bytes;
use http::{Method, Request};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use hyper::body::Incoming;
use serde_json::{Value, json};

use crate::access::certificates::Peer;
use crate::access::escalation::Guard;
use crate::access::rbac::Book;
use crate::access::reviews::{self, Asked};
use crate::access::{self, Caller, Deed, MASTERS, impersonation, users};
use crate::answer::{self, Answer};
use crate::ask::{Ask, Place, Render, Target};
use crate::cluster::Core;
use crate::delete::{self, Deleted};
use crate::discovery;
use crate::error::ApiError;
use crate::go;
use crate::ledger::is_read;
use crate::list;
use crate::options;
use crate::patch;
use crate::protobuf;
use crate::resources::{ABSENT_GROUPS, Resource, Version};
use crate::scale;
use crate::selector::Selector;
use crate::store::{Key, State, Stored};
use crate::view::View;
use crate::watch::{self, Watcher};
use crate::write::{self, Done, Unknown, Write};

/// The forms of bodies, as messages list them.
const FORMS: &str = "application/json, application/yaml, application/vnd.kubernetes.protobuf";

/// The largest body a kube-apiserver takes.
const LARGEST: usize = 3 * 1024 * 1024;

/// Answers one request. Never fails: errors become Status objects.
pub(crate) async fn answer(core: Arc<Core>, peer: &Peer, request: Request<Incoming>) -> Answer {
    let (parts, body) = request.into_parts();
    let ask = Ask::new(&parts);
    // Read in any case: an answer ahead of the body makes HTTP/2 clients lose it.
    let body = read(body).await;
    core.faults.wait().await;
    let answer = match respond(&core, peer, &ask, body).await {
        Ok(answer) => answer,
        Err(error) => answer::error(&error),
    };
    if !is_read(ask.verb()) {
        core.wake_reaper();
    }
    core.ledger.note(&ask, answer.status().as_u16());
    answer::finish(answer, ask.finish()).await
}

async fn respond(core: &Arc<Core>, peer: &Peer, ask: &Ask, body: Result<Bytes, ApiError>) -> Result<Answer, ApiError> {
    let caller = admitted(core, peer, ask)?;
    match &ask.target {
        Target::Other(segments) => {
            let reads = ask.method == Method::GET || ask.method == Method::HEAD;
            // The lists of groups are given to any method.
            if !reads && !matches!(segments.as_slice(), [first] | [first, _] if first == "apis") {
                return Err(ApiError::method_not_allowed());
            }
            discovery::answer(core, ask, segments)
        }
        Target::Resource(place) => {
            core.faults.check(place, ask.verb(), (&caller, &Deed::of(ask)))?;
            let resource = find(&core.state.lock(), place)?;
            if resource.version(&place.version).is_none() {
                return Err(if resource.custom { ApiError::no_such_path() } else { ApiError::no_such_resource() });
            }
            let warning = deprecated(&resource, place, ask);
            let answer = serve(Call { core, ask, place, caller: Arc::new(caller), resource }, &body?).await;
            let Some(warning) = warning else { return answer };
            let answer = answer.unwrap_or_else(|error| answer::error(&error));
            Ok(answer::warn(answer, &[warning]))
        }
    }
}

/// What everybody is told who asks for this.
fn deprecated(resource: &Resource, place: &Place, ask: &Ask) -> Option<String> {
    if resource.group.is_empty() && resource.plural == "endpoints" {
        return Some("v1 Endpoints is deprecated in v1.33+; use discovery.k8s.io/v1 EndpointSlice".into());
    }
    let elsewhere = resource.namespaced == place.namespace.is_empty()
        && !(resource.namespaced && place.name.is_empty() && is_read(ask.verb()));
    resource.version(&place.version).and_then(|version| version.warning.clone()).filter(|_| !elsewhere)
}

/// Who sent the request, or in whose name it is to be answered; 401 or 403 where that or the request itself is not allowed.
fn admitted(core: &Core, peer: &Peer, ask: &Ask) -> Result<Caller, ApiError> {
    let caller = users::authenticate(core, ask, peer)?;
    let wanted = ask.wanted.clone()?;
    if wanted.is_none() && caller.is_in(MASTERS) {
        return Ok(caller);
    }
    let (book, deed) = (core.book.read(&core.state), Deed::of(ask));
    let caller = match wanted {
        Some(wanted) => impersonation::become_other(&core.modes, &book, &caller, wanted, &deed)?,
        None => caller,
    };
    let verdict = book.judge(&caller, &deed);
    if verdict.allowed { Ok(caller) } else { Err(access::forbidden(&caller, &deed, &verdict.reason)) }
}

fn find(state: &State, place: &Place) -> Result<Arc<Resource>, ApiError> {
    if let Some(resource) = state.resource(&place.group, &place.plural) {
        return Ok(resource);
    }
    if ABSENT_GROUPS.contains(&place.group.as_str()) {
        return Err(ApiError::not_implemented(&format!("the API group {}", place.group)));
    }
    let known = matches!((place.group.as_str(), place.plural.as_str()), ("", "proxy"));
    if known {
        return Err(ApiError::not_implemented(&format!("the path /{}", place.plural)));
    }
    let group = state.resources().iter().any(|r| r.group == place.group && !r.custom);
    Err(if group { ApiError::no_such_resource() } else { ApiError::no_such_path() })
}

/// A request for a resource that exists.
struct Call<'a> {
    core: &'a Arc<Core>,
    ask: &'a Ask,
    place: &'a Place,
    caller: Arc<Caller>,
    resource: Arc<Resource>,
}

async fn serve(call: Call<'_>, body: &[u8]) -> Result<Answer, ApiError> {
    let (ask, place) = (call.ask, call.place);
    if call.resource.namespaced == place.namespace.is_empty()
        && !(place.name.is_empty() && call.resource.namespaced && is_read(ask.verb()))
    {
        if call.resource.custom && !call.resource.namespaced {
            return Err(ApiError::no_such_path());
        }
        let unscoped = call.resource.namespaced && place.name.is_empty();
        return Err(if unscoped { ApiError::method_not_allowed() } else { ApiError::no_such_resource() });
    }
    if call.resource.is_virtual() {
        return call.review(body);
    }
    if place.subresource == "token" && call.resource.plural == "serviceaccounts" {
        return if ask.method == Method::POST { call.request_token(body) } else { Err(ApiError::method_not_allowed()) };
    }
    call.check_subresource()?;
    if call.resource.unconverted.as_ref().is_some_and(|stored| *stored != place.version) {
        return Err(ApiError::not_implemented("conversion by webhooks: only the stored version is served"));
    }
    match (&ask.method, place.name.is_empty()) {
        (&Method::GET | &Method::HEAD, true) => call.list().await,
        (&Method::GET, false) if place.watched => call.list().await,
        (&Method::GET | &Method::HEAD, false) => call.get().await,
        (&Method::POST, true) => {
            options::check(ask, false)?;
            let (source, body) = (body, call.decode(body)?);
            call.written(|state, write| write::create(state, &Write { source, ..write.clone() }, body))
        }
        (&Method::PUT, false) => {
            let (source, body) = (body, call.decode(body)?);
            call.written(|state, write| match place.subresource.as_str() {
                "scale" => scale::replace(state, write, body),
                _ => write::replace(state, &Write { source, ..write.clone() }, body),
            })
        }
        (&Method::PATCH, false) => call.patch(body),
        (&Method::DELETE, false) if place.subresource.is_empty() => call.delete(body),
        (&Method::DELETE, true) => call.delete_all(body),
        _ => Err(ApiError::method_not_allowed()),
    }
}

async fn read(body: Incoming) -> Result<Bytes, ApiError> {
    let collected = Limited::new(body, LARGEST).collect().await.map_err(|error| {
        if error.downcast_ref::<LengthLimitError>().is_some() {
            ApiError::too_big()
        } else {
            ApiError::bad_request(format!("cannot read the body: {error}"))
        }
    })?;
    Ok(collected.to_bytes())
}

impl Call<'_> {
    fn version(&self) -> Result<&Version, ApiError> {
        self.resource.version(&self.place.version).ok_or_else(ApiError::no_such_resource)
    }

    fn key(&self) -> Key {
        Key::new(&self.place.namespace, &self.place.name)
    }

    fn view(&self, render: Render) -> View<'_> {
        View { resource: &self.resource, version: &self.place.version, render }
    }

    fn check_subresource(&self) -> Result<(), ApiError> {
        let version = self.version()?;
        let sub = self.place.subresource.as_str();
        let served = match sub {
            "" => true,
            "status" => version.status,
            "scale" => version.scale.is_some(),
            "finalize" => &*self.resource.shelf == "namespaces." && self.ask.method == Method::PUT,
            _ => false,
        };
        if served {
            return Ok(());
        }
        if self.resource.subs.iter().any(|s| sub.split('/').next() == Some(s.name)) {
            return Err(ApiError::not_implemented(&format!("the subresource {}/{sub}", self.resource.plural)));
        }
        if self.resource.custom && matches!(sub, "status" | "scale") {
            return Err(ApiError::not_found(self.resource.named(&self.place.name)));
        }
        Err(ApiError::no_such_resource())
    }

    async fn list(&self) -> Result<Answer, ApiError> {
        let render = self.ask.render(true)?;
        self.fits(render, true)?;
        let query = &self.ask.query;
        let mut fields = query.get("fieldSelector").to_owned();
        if !self.place.name.is_empty() {
            fields = format!("metadata.name={}", self.place.name);
        }
        let selector = Selector::new(&self.resource, &self.place.namespace, query.get("labelSelector"), &fields)?;
        if self.ask.verb() == "watch" {
            let form = (self.place.version.clone(), render);
            let watcher = Watcher::start(self.core.clone(), self.resource.clone(), form, selector, query).await?;
            return Ok(answer::stream(watcher.into_stream()));
        }
        let bytes = list::list(self.core, self.view(render), &selector, query).await?;
        Ok(answer::bytes(200, bytes, self.ask.yaml()))
    }

    /// Metadata alone is asked for of one or of many.
    fn fits(&self, render: Render, many: bool) -> Result<(), ApiError> {
        let Render::Partial(asked, _) = render else { return Ok(()) };
        if asked == many || self.ask.verb() == "watch" {
            return Ok(());
        }
        let package = self.resource.group.split('.').next().filter(|p| !p.is_empty()).unwrap_or("core");
        let of = |suffix: &str| match self.resource.custom {
            true => format!("*unstructured.Unstructured{suffix}"),
            false => format!("*{package}.{}{suffix}", self.resource.kind),
        };
        Err(ApiError::unlike(&if many {
            format!("you requested PartialObjectMetadata, but the requested object is a list ({})", of("List"))
        } else {
            format!("you requested PartialObjectMetadataList, but the requested object is not a list ({})", of(""))
        }))
    }

    async fn get(&self) -> Result<Answer, ApiError> {
        let render = self.ask.render(false)?;
        let asked = self.ask.query.get("resourceVersion");
        if !asked.is_empty() {
            list::fresh(self.core, list::parse_version(asked).map_err(watch::unversioned)?).await?;
        }
        let stored = self.core.state.lock().get(&self.resource.shelf, &self.key());
        let stored = stored.ok_or_else(|| ApiError::not_found(self.resource.named(&self.place.name)))?;
        self.show(200, &stored, render)
    }

    fn show(&self, code: u16, stored: &Stored, render: Render) -> Result<Answer, ApiError> {
        if self.place.subresource == "scale" {
            let value = self.view(Render::Full).value(stored);
            return Ok(answer::json(code, &scale::show(self.version()?, &value)));
        }
        self.fits(render, false)?;
        Ok(answer::bytes(code, self.view(render).object(stored), self.ask.yaml()))
    }

    /// Reads a body in JSON, YAML or protobuf.
    fn decode(&self, bytes: &[u8]) -> Result<Value, ApiError> {
        let media = self.ask.content_type.split(';').next().unwrap_or_default().trim();
        match media {
            "" | "application/json" => self.json(bytes),
            "application/yaml" | "application/apply-patch+yaml" => yaml(bytes),
            protobuf::MEDIA if !self.resource.custom => protobuf::decode(bytes),
            _ => Err(ApiError::unsupported_media(FORMS)),
        }
    }

    /// Answers a question about access.
    fn review(&self, bytes: &[u8]) -> Result<Answer, ApiError> {
        let known = matches!(self.resource.group.as_str(), "authentication.k8s.io" | "authorization.k8s.io");
        if !known {
            return Err(ApiError::not_implemented(&format!("the path /{}", self.resource.plural)));
        }
        if !self.place.name.is_empty() {
            return Err(ApiError::no_such_resource());
        }
        if self.ask.method != Method::POST {
            return Err(ApiError::method_not_allowed());
        }
        let (mut body, write, mut warnings) = (self.decode(bytes)?, self.write()?, Vec::new());
        write::check_kind(&write, &mut body)?;
        write::unknown_fields(&write, &mut body, &mut warnings)?;
        let book = self.core.book.read(&self.core.state);
        let api_version = self.resource.api_version(&self.place.version);
        let answered = reviews::answer(&self.asked(&book, api_version, &write.manager), write.version.ty(), body)?;
        Ok(answer::warn(answer::json(201, &answered), &warnings))
    }

    fn request_token(&self, bytes: &[u8]) -> Result<Answer, ApiError> {
        let body = if bytes.is_empty() { json!({}) } else { self.decode(bytes)? };
        let (book, manager) = (self.core.book.read(&self.core.state), self.ask.manager());
        let asked = self.asked(&book, "authentication.k8s.io/v1".into(), &manager);
        Ok(answer::json(201, &reviews::request_token(&asked, &self.key(), body)?))
    }

    fn asked<'b>(&'b self, book: &'b Book, api_version: String, manager: &'b str) -> Asked<'b> {
        let (kind, namespace) = (self.resource.kind.as_str(), self.place.namespace.as_str());
        Asked { core: self.core, caller: &self.caller, book, kind, api_version, manager, namespace }
    }

    fn json(&self, bytes: &[u8]) -> Result<Value, ApiError> {
        let unrecognized = |why: String| {
            let kind = if self.place.subresource == "scale" { "Scale" } else { &self.resource.kind };
            let what =
                format!("the object provided is unrecognized (must be of type {kind}): couldn't get version/kind");
            ApiError::bad_request(format!("{what}; json parse error: {why} ({})", go::excerpt(bytes)))
        };
        let value: Value = serde_json::from_slice(bytes).map_err(|e| unrecognized(go::bad_json(bytes, &e)))?;
        match go::no_object(&value) {
            Some(why) => Err(unrecognized(why)),
            // Nothing is an object without fields.
            None if value.is_null() => Ok(json!({})),
            None => Ok(value),
        }
    }

    fn write(&self) -> Result<Write<'_>, ApiError> {
        let query = &self.ask.query;
        let unknown = match query.get("fieldValidation") {
            "Strict" => Unknown::Strict,
            "Ignore" => Unknown::Ignore,
            _ => Unknown::Warn,
        };
        Ok(Write {
            resource: &self.resource,
            version: self.version()?,
            said: None,
            namespace: self.place.namespace.clone(),
            name: self.place.name.clone(),
            sub: self.place.subresource.clone(),
            replaces: self.ask.method == Method::PUT,
            status: self.place.subresource == "status",
            manager: self.ask.manager(),
            dry_run: query.get("dryRun") == "All",
            unknown,
            force: query.flag("force") && query.has("force"),
            source: b"",
            guard: (self.resource.group == "rbac.authorization.k8s.io" && !self.caller.is_in(MASTERS)).then(|| Guard {
                caller: self.caller.clone(),
                book: self.core.book.read(&self.core.state),
                named: self.place.name.clone(),
            }),
        })
    }

    fn written(&self, work: impl FnOnce(&mut State, &Write<'_>) -> Result<Done, ApiError>) -> Result<Answer, ApiError> {
        let render = self.ask.render(false)?;
        options::check(self.ask, self.ask.verb() == "apply")?;
        let write = self.write()?;
        let done = work(&mut self.core.state.lock(), &write)?;
        let answer = self.show(if done.created { 201 } else { 200 }, &done.stored, render)?;
        Ok(answer::warn(answer, &done.warnings))
    }

    fn patch(&self, bytes: &[u8]) -> Result<Answer, ApiError> {
        let media = self.ask.content_type.split(';').next().unwrap_or_default().trim();
        let kind = match media {
            "application/json-patch+json" => patch::Kind::Json,
            "application/merge-patch+json" => patch::Kind::Merge,
            "application/strategic-merge-patch+json" => patch::Kind::Strategic,
            "application/apply-patch+yaml" => return self.apply(bytes),
            _ if self.resource.custom => return Err(ApiError::unsupported_media(patch::CUSTOM_FORMS)),
            _ => return Err(ApiError::unsupported_patch()),
        };
        self.written(|state, write| match self.place.subresource.as_str() {
            "scale" => scale::patch(state, write, kind, bytes),
            _ => write::patch(state, write, kind, bytes),
        })
    }

    fn apply(&self, bytes: &[u8]) -> Result<Answer, ApiError> {
        options::check(self.ask, true)?;
        let config = configuration(bytes)?;
        self.written(|state, write| match self.place.subresource.as_str() {
            "scale" => scale::apply(state, write, &config),
            _ => write::apply(state, write, config),
        })
    }

    fn delete(&self, bytes: &[u8]) -> Result<Answer, ApiError> {
        let options = delete::Options::read(bytes, &self.ask.query)?;
        let deleted = delete::delete(&mut self.core.state.lock(), &self.resource, &self.key(), &options);
        let warned = self.resource.group == "batch" && self.resource.plural == "jobs" && options.is_silent();
        let answer = match deleted {
            Ok(deleted) => self.deleted(deleted)?,
            Err(error) => answer::error(&error),
        };
        let warning = "child pods are preserved by default when jobs are deleted; set propagationPolicy=Background to remove them or \
                       set propagationPolicy=Orphan to suppress this warning";
        Ok(if warned { answer::warn(answer, &[warning.to_owned()]) } else { answer })
    }

    fn deleted(&self, deleted: Deleted) -> Result<Answer, ApiError> {
        match deleted {
            Deleted::Pending(stored) => self.show(200, &stored, Render::Full),
            Deleted::Gone(stored) if shows_deleted(&self.resource) => self.show(200, &stored, Render::Full),
            Deleted::Gone(stored) => {
                let mut details = json!({"name": self.place.name, "kind": self.resource.plural, "uid": stored.uid});
                if !self.resource.group.is_empty() {
                    details["group"] = self.resource.group.as_str().into();
                }
                let status = json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "details": details});
                Ok(answer::json(200, &status))
            }
        }
    }

    fn delete_all(&self, bytes: &[u8]) -> Result<Answer, ApiError> {
        if self.resource.plural == "namespaces" && self.resource.group.is_empty() {
            return Err(ApiError::method_not_allowed());
        }
        let options = delete::Options::read(bytes, &self.ask.query)?;
        let query = &self.ask.query;
        let (labels, fields) = (query.get("labelSelector"), query.get("fieldSelector"));
        let selector = Selector::new(&self.resource, &self.place.namespace, labels, fields)?;
        let mut state = self.core.state.lock();
        let all: Vec<Arc<Stored>> = state
            .range(&self.resource.shelf, &self.place.namespace, None)
            .filter(|s| selector.matches(s))
            .cloned()
            .collect();
        let mut meta = serde_json::Map::new();
        meta.insert("resourceVersion".into(), state.version().to_string().into());
        let all = list::cut(all, query.number("limit")? as usize, &selector, &mut meta);
        for stored in &all {
            delete::delete(&mut state, &self.resource, &stored.key, &options)?;
        }
        drop(state);
        Ok(answer::json_bytes(200, self.view(Render::Full).list(all.iter().map(|s| &**s), &meta)))
    }
}

/// Kinds whose deletion is answered with the object instead of a Status.
fn shows_deleted(resource: &Resource) -> bool {
    if resource.group == "storage.k8s.io" {
        return resource.plural != "csistoragecapacities";
    }
    let kinds = [
        "pods",
        "services",
        "serviceaccounts",
        "persistentvolumes",
        "persistentvolumeclaims",
        "resourcequotas",
        "podtemplates",
    ];
    resource.group.is_empty() && kinds.contains(&resource.plural.as_str())
}

/// An applied object. Nothing at all is an object without anything.
fn configuration(bytes: &[u8]) -> Result<Value, ApiError> {
    let value = yaml(bytes)?;
    if value.is_null() {
        return Ok(json!({}));
    }
    match go::decode_error(value.to_string().as_bytes(), "map[string]interface {}") {
        None => Ok(value),
        Some(error) => {
            let what = "error decoding YAML: error unmarshaling JSON: while decoding JSON: ";
            Err(ApiError::bad_request(format!("{what}{error}")))
        }
    }
}

/// YAML contains JSON. A tree of anchors that unfolds to more than a body may hold is refused by the parser's own limits.
fn yaml(bytes: &[u8]) -> Result<Value, ApiError> {
    if bytes.trim_ascii_start().starts_with(b"{") {
        return serde_json::from_slice(bytes).map_err(|e| ApiError::bad_request(format!("error decoding YAML: {e}")));
    }
    serde_yaml::from_slice(bytes).map_err(|e| ApiError::bad_request(format!("error decoding YAML: {e}")))
}
