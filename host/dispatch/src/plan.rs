//! From intents to writes: every intent is checked before the first one is sent.

use std::{collections::HashSet, sync::Arc};

use bytes::Bytes;
use motet_core::{
    ApiError, Gvk, ObjectName, ObjectRef, Resource, Target, escalation,
    grant::Access,
    names::{self, MANAGED_LABEL},
    object::{Meta, OwnerRef},
    outcome::{EventIntent, Intent, PatchKind},
    owned::{self, OwnedDigest},
    ports::parse_object,
    request::Rejected,
};
use serde_json::{Value, json};

use crate::{binding::Binding, member::Member, subscriptions::Subscriptions};

/// A checked write.
pub(crate) struct Planned {
    pub(crate) object: ObjectRef,
    pub(crate) resource: Resource,
    pub(crate) action: Action,
}

/// What is to be done to an object.
pub(crate) enum Action {
    /// Server-side apply.
    Apply { body: Bytes, sent: OwnedDigest, force: bool, status: bool },
    /// A patch.
    Patch { body: Bytes, kind: PatchKind, subresource: Option<String> },
    /// A deletion.
    Delete { uid: Option<String>, resource_version: Option<String> },
    /// An Event.
    Event(EventIntent),
}

impl Action {
    /// The verb of reports and `previous`.
    pub(crate) fn verb(&self) -> &'static str {
        match self {
            Action::Apply { status: false, .. } => "apply",
            Action::Apply { status: true, .. } => "status",
            Action::Patch { .. } => "patch",
            Action::Delete { .. } => "delete",
            Action::Event(_) => "event",
        }
    }
}

/// A set as the outcome wants it: what else is in it is deleted.
pub(crate) struct DesiredSet {
    pub(crate) name: String,
    pub(crate) objects: HashSet<(Arc<str>, Arc<str>, ObjectName)>,
    /// Whether every object of the set could be read: else nothing is pruned, since it is not known what should stay.
    pub(crate) complete: bool,
}

/// A whole outcome, checked.
#[derive(Default)]
pub(crate) struct Plan {
    /// In order, status last.
    pub(crate) writes: Vec<Planned>,
    /// What was refused by the host.
    pub(crate) rejected: Vec<Rejected>,
    /// Sets to prune.
    pub(crate) sets: Vec<DesiredSet>,
}

/// Makes the plan of one key's outcome.
pub(crate) struct Planner<'a> {
    pub(crate) binding: &'a Binding,
    pub(crate) member: &'a Member,
    pub(crate) subscriptions: &'a Subscriptions,
    pub(crate) target: &'a Target,
    /// The primary's UID where it exists: owner references to it need no look-up.
    pub(crate) primary_uid: Option<&'a str>,
}

/// An intent that the host refuses, with the object it is about.
type Refused = (ObjectRef, ApiError);

/// Stands for the object of an intent that cannot be read.
fn unknown() -> ObjectRef {
    ObjectRef { gvk: Gvk::new("", "", ""), name: ObjectName::cluster("") }
}

fn invalid(message: impl Into<String>) -> ApiError {
    ApiError::new(0, "Invalid", message)
}

fn not_granted(message: String) -> ApiError {
    ApiError::new(0, "NotGranted", message)
}

/// An object itself, without any of its subresources.
fn whole<'a>(resource: &'a Resource, name: &'a ObjectName) -> Access<'a> {
    let namespace = name.namespace.as_deref();
    Access { group: &resource.gvk.group, resource: &resource.plural, verb: "patch", namespace, name: Some(&name.name) }
}

impl Planner<'_> {
    /// Checks every intent.
    pub(crate) async fn plan(&self, intents: Vec<Intent>) -> Plan {
        let mut plan = Plan::default();
        for intent in intents {
            match intent {
                Intent::Apply { object, force } => {
                    let planned = self.apply(object, "", force).await;
                    push(&mut plan, "apply", planned);
                }
                Intent::ApplySet { name, objects, force } => self.set(&mut plan, name, objects, force).await,
                Intent::Status { object } => {
                    let planned = self.status(object).await;
                    push(&mut plan, "status", planned);
                }
                Intent::Patch { target, subresource, kind, body } => {
                    let planned = self.patch(target.clone(), subresource, kind, body).await;
                    push(&mut plan, "patch", planned.map_err(|e| Box::new((target, e))));
                }
                Intent::Delete { target, uid, resource_version } => {
                    let planned = self.delete(target.clone(), uid, resource_version).await;
                    push(&mut plan, "delete", planned.map_err(|e| Box::new((target, e))));
                }
                Intent::Event(event) => {
                    let regarding = event.regarding.clone();
                    push(&mut plan, "event", self.event(event).await.map_err(|e| Box::new((regarding, e))));
                }
            }
        }
        refuse_duplicates(&mut plan);
        plan.writes.sort_by_key(|w| matches!(w.action, Action::Apply { status: true, .. }));
        plan
    }

    async fn set(&self, plan: &mut Plan, name: String, objects: Vec<Bytes>, force: bool) {
        let mut set = DesiredSet { name, objects: HashSet::new(), complete: true };
        if set.name.contains('#') || set.name.len() > 63 {
            let error = invalid(format!("the set name {:?} must be at most 63 bytes without '#'", set.name));
            plan.rejected.push(Rejected { object: unknown(), verb: "apply", error });
            return;
        }
        for object in objects {
            match self.apply(object, &set.name, force).await {
                Ok(planned) => {
                    let ObjectRef { gvk, name } = &planned.object;
                    set.objects.insert((gvk.group.clone(), gvk.kind.clone(), name.clone()));
                    plan.writes.push(planned);
                }
                Err(refused) => {
                    let (object, error) = *refused;
                    set.complete &= !object.name.name.is_empty();
                    set.objects.insert((object.gvk.group.clone(), object.gvk.kind.clone(), object.name.clone()));
                    plan.rejected.push(Rejected { object, verb: "apply", error });
                }
            }
        }
        plan.sets.push(set);
    }

    async fn apply(&self, object: Bytes, set: &str, force: bool) -> Result<Planned, Box<Refused>> {
        let (mut value, object) = read(&object)?;
        let planned = async {
            let resource = self.resource(&object).await?;
            for verb in ["create", "patch"] {
                self.allow(&resource, "", verb, &object.name)?;
            }
            let permissions = self.binding.permissions.load();
            escalation::check(&permissions, &whole(&resource, &object.name), &value).map_err(not_granted)?;
            drop(permissions);
            self.check_ownership(&object)?;
            self.check_owner_references(&value, &object).await?;
            mark(&mut value, &names::owner_annotation(&self.binding.plugin), &names::owner_value(self.target, set));
            let body: Bytes = value.to_string().into_bytes().into();
            let sent = owned::sent_digest(&body).map_err(|e| invalid(e.to_string()))?;
            Ok(Planned { object: object.clone(), resource, action: Action::Apply { body, sent, force, status: false } })
        };
        planned.await.map_err(|error| Box::new((object.clone(), error)))
    }

    async fn status(&self, object: Bytes) -> Result<Planned, Box<Refused>> {
        let (value, object) = read(&object)?;
        let planned = async {
            let resource = self.resource(&object).await?;
            if !resource.status {
                return Err(invalid(format!("{resource} has no status subresource on this member")));
            }
            self.allow(&resource, "status", "patch", &object.name)?;
            let status =
                value.get("status").cloned().ok_or_else(|| invalid("a status intent needs the field status"))?;
            let mut body = json!({
                "apiVersion": object.gvk.api_version(),
                "kind": object.gvk.kind,
                "metadata": { "name": object.name.name },
                "status": status,
            });
            if let Some(namespace) = &object.name.namespace {
                body["metadata"]["namespace"] = json!(namespace);
            }
            let body: Bytes = body.to_string().into_bytes().into();
            let sent = owned::sent_status_digest(&body).map_err(|e| invalid(e.to_string()))?;
            Ok(Planned {
                object: object.clone(),
                resource,
                action: Action::Apply { body, sent, force: true, status: true },
            })
        };
        planned.await.map_err(|error| Box::new((object.clone(), error)))
    }

    async fn patch(
        &self,
        object: ObjectRef,
        subresource: Option<String>,
        kind: PatchKind,
        body: Bytes,
    ) -> Result<Planned, ApiError> {
        let resource = self.resource(&object).await?;
        self.allow(&resource, subresource.as_deref().unwrap_or(""), "patch", &object.name)?;
        escalation::check_patch(&self.binding.permissions.load(), &whole(&resource, &object.name))
            .map_err(not_granted)?;
        serde_json::from_slice::<serde::de::IgnoredAny>(&body)
            .map_err(|e| invalid(format!("the patch is not valid JSON: {e}")))?;
        Ok(Planned { object, resource, action: Action::Patch { body, kind, subresource } })
    }

    async fn delete(&self, object: ObjectRef, uid: Option<String>, rv: Option<String>) -> Result<Planned, ApiError> {
        let resource = self.resource(&object).await?;
        self.allow(&resource, "", "delete", &object.name)?;
        Ok(Planned { object, resource, action: Action::Delete { uid, resource_version: rv } })
    }

    async fn event(&self, event: EventIntent) -> Result<Planned, ApiError> {
        let namespace = event.regarding.name.namespace.as_deref().unwrap_or("default");
        let object = ObjectRef {
            gvk: Gvk::new("events.k8s.io", "v1", "Event"),
            name: ObjectName::namespaced(namespace, &event.regarding.name.name),
        };
        let resource = self.member.api.resource(&object.gvk).await?;
        for verb in ["create", "patch"] {
            let access =
                Access { group: "events.k8s.io", resource: "events", verb, namespace: Some(namespace), name: None };
            self.allow_access(&access)?;
        }
        Ok(Planned { object, resource, action: Action::Event(event) })
    }

    /// The kind as the member serves it, with the name's shape checked against its scope.
    async fn resource(&self, object: &ObjectRef) -> Result<Resource, ApiError> {
        let resource = match self.subscriptions.applied(&object.gvk).filter(|w| w.resource.gvk == object.gvk) {
            Some(watched) => watched.resource.clone(),
            None => self.member.api.resource(&object.gvk).await?,
        };
        match (resource.namespaced, &object.name.namespace) {
            (true, None) => Err(invalid(format!("{} is namespaced: the object needs metadata.namespace", object.gvk))),
            (false, Some(_)) => {
                Err(invalid(format!("{} is cluster-scoped: the object must not name a namespace", object.gvk)))
            }
            _ => Ok(resource),
        }
    }

    fn allow(&self, resource: &Resource, subresource: &str, verb: &str, name: &ObjectName) -> Result<(), ApiError> {
        let plural = match subresource {
            "" => resource.plural.to_string(),
            sub => format!("{}/{sub}", resource.plural),
        };
        let (group, namespace) = (&*resource.gvk.group, name.namespace.as_deref());
        self.allow_access(&Access { group, resource: &plural, verb, namespace, name: Some(&name.name) })
    }

    fn allow_access(&self, access: &Access<'_>) -> Result<(), ApiError> {
        if self.binding.permissions.load().allow(access) {
            return Ok(());
        }
        let message = format!("{access}: the plugin must need it and its Plugin must grant it");
        Err(not_granted(message))
    }

    /// An object that another key of this plugin really applied stays that key's. The annotation alone proves nothing (it
    /// may have been copied), so our field manager has to be there too.
    fn check_ownership(&self, object: &ObjectRef) -> Result<(), ApiError> {
        let Some(info) = self.subscriptions.applied(&object.gvk).and_then(|w| w.subscription.meta(&object.name)) else {
            return Ok(());
        };
        let owner = info.owner.map(|(target, _)| target);
        match owner {
            Some(owner) if owner != *self.target && info.owned.is_some() => Err(ApiError::new(
                0,
                "OwnedByOtherKey",
                format!(
                    "{object} is already applied by key {owner} of this plugin: two keys must not apply one object"
                ),
            )),
            _ => Ok(()),
        }
    }

    /// An owner that is not there, or in another namespace, would make the garbage collector delete the child.
    async fn check_owner_references(&self, value: &Value, object: &ObjectRef) -> Result<(), ApiError> {
        let Some(references) = value.pointer("/metadata/ownerReferences") else { return Ok(()) };
        let owners: Vec<OwnerRef> = serde_json::from_value(references.clone())
            .map_err(|e| invalid(format!("metadata.ownerReferences cannot be read: {e}")))?;
        for owner in owners {
            if self.primary_uid != Some(&*owner.uid) || owner.uid.is_empty() {
                self.check_owner(&owner, object).await?;
            }
        }
        Ok(())
    }

    async fn check_owner(&self, owner: &OwnerRef, object: &ObjectRef) -> Result<(), ApiError> {
        let missing = |why: String| {
            let message = format!(
                "owner reference to {} {}: {why}; a garbage collector would delete {object}",
                owner.kind, owner.name
            );
            ApiError::new(0, "OwnerMissing", message)
        };
        let gvk =
            Gvk::from_api_version(&owner.api_version, &owner.kind).ok_or_else(|| missing("no such kind".into()))?;
        let resource = self.member.api.resource(&gvk).await.map_err(|e| missing(e.message))?;
        let namespace = object.name.namespace.clone().filter(|_| resource.namespaced);
        if resource.namespaced && namespace.is_none() {
            return Err(missing("a cluster-scoped object cannot be owned by a namespaced one".into()));
        }
        let name = ObjectName { namespace, name: owner.name.clone() };
        let found = self.member.api.get(&resource, &name).await?;
        let uid = found.and_then(|json| Meta::scan(&json).ok()).map(|meta| meta.uid);
        match uid {
            Some(uid) if uid == owner.uid => Ok(()),
            Some(uid) => Err(missing(format!("its UID is {uid}, not {}", owner.uid))),
            None => Err(missing("it is not on this member in that namespace".into())),
        }
    }
}

/// Reads an object's place; what cannot be read names nothing.
fn read(bytes: &Bytes) -> Result<(Value, ObjectRef), Box<Refused>> {
    let mut value = parse_object(bytes).map_err(|error| Box::new((unknown(), error)))?;
    let text = |path: &str| value.pointer(path).and_then(Value::as_str);
    let Some(gvk) = Gvk::from_api_version(text("/apiVersion").unwrap_or(""), text("/kind").unwrap_or("")) else {
        return Err(Box::new((unknown(), invalid("the object has no apiVersion and kind"))));
    };
    let name = match (text("/metadata/namespace"), text("/metadata/name")) {
        (_, None | Some("")) => {
            return Err(Box::new((ObjectRef { gvk, ..unknown() }, invalid("the object has no metadata.name"))));
        }
        (Some(namespace), Some(name)) => ObjectName::namespaced(namespace, name),
        (None, Some(name)) => ObjectName::cluster(name),
    };
    for path in ["/metadata/labels", "/metadata/annotations"] {
        if value.pointer(path).is_some_and(|v| !v.is_object() && !v.is_null()) {
            return Err(Box::new((ObjectRef { gvk, name }, invalid(format!("{path} is not an object")))));
        }
    }
    // The server refuses an apply that carries them, and they are nobody's to set.
    if let Some(metadata) = value.get_mut("metadata").and_then(Value::as_object_mut) {
        metadata.remove("managedFields");
    }
    Ok((value, ObjectRef { gvk, name }))
}

/// Adds the label by which the host watches it and the annotation that maps it back to its key and set.
fn mark(value: &mut Value, annotation: &str, owner: &str) {
    value["metadata"]["labels"][MANAGED_LABEL] = json!("true");
    value["metadata"]["annotations"][annotation] = json!(owner);
}

fn push(plan: &mut Plan, verb: &'static str, planned: Result<Planned, Box<Refused>>) {
    match planned {
        Ok(planned) => plan.writes.push(planned),
        Err(refused) => {
            let (object, error) = *refused;
            plan.rejected.push(Rejected { object, verb, error });
        }
    }
}

/// An outcome names an object at most once per subresource: which of two would win is not for the host to guess.
fn refuse_duplicates(plan: &mut Plan) {
    let mut seen = HashSet::new();
    let (writes, doubled): (Vec<_>, Vec<_>) = std::mem::take(&mut plan.writes).into_iter().partition(|write| {
        let part = match &write.action {
            Action::Apply { status, .. } => if *status { "status" } else { "" }.to_string(),
            Action::Patch { subresource, .. } => subresource.clone().unwrap_or_default(),
            Action::Delete { .. } => String::new(),
            Action::Event(_) => return true,
        };
        seen.insert((write.object.clone(), part))
    });
    plan.writes = writes;
    plan.rejected.extend(doubled.into_iter().map(|write| Rejected {
        verb: write.action.verb(),
        error: invalid(format!("{} is named twice in one outcome", write.object)),
        object: write.object,
    }));
}
