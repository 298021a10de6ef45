//! Sends what was planned: nothing that is true already, unforced before forced, each write whatever became of the others.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use bytes::Bytes;
use motet_core::{
    ApiError, Meta, ObjectRef,
    names::{self, field_manager},
    object::rv_number,
    outcome::EventIntent,
    owned,
    plugin::Mode,
    ports::Write,
    request::Rejected,
};
use motet_watch::Barrier;

use crate::{
    binding::Binding,
    diff,
    events::{EventWriter, Reporter},
    member::Member,
    plan::{Action, DesiredSet, Plan, Planned},
    report::{IntentReport, IntentResult},
    stats::PluginStats,
    subscriptions::Subscriptions,
    suppress::Pair,
};

/// What an outcome came to.
#[derive(Default)]
pub(crate) struct Written {
    /// For people.
    pub(crate) reports: Vec<IntentReport>,
    /// What was not written.
    pub(crate) rejected: Vec<Rejected>,
    /// What caches have to show before the key may run again.
    pub(crate) barriers: Vec<Wait>,
    /// Objects of which fields were taken by force, and from whom.
    pub(crate) taken: Vec<(ObjectRef, BTreeSet<String>)>,
}

/// A write that caches are to show.
pub(crate) struct Wait {
    pub(crate) object: ObjectRef,
    /// The object's labels after the write: a cache that selects others never shows it.
    pub(crate) labels: BTreeMap<Box<str>, Box<str>>,
    pub(crate) barrier: Barrier,
}

/// Writes one key's plan.
pub(crate) struct Writer<'a> {
    pub(crate) binding: &'a Binding,
    pub(crate) member: &'a Arc<Member>,
    pub(crate) subscriptions: &'a Subscriptions,
    pub(crate) stats: &'a PluginStats,
    pub(crate) events: &'a EventWriter,
    pub(crate) target: &'a motet_core::Target,
}

/// What became of one write.
enum Done {
    Sent(u16),
    Suppressed,
    Observed(Vec<crate::report::Difference>),
}

impl Writer<'_> {
    /// Attempts every write, then prunes the sets.
    pub(crate) async fn write(&self, plan: Plan) -> Written {
        let mut written = Written::default();
        for rejected in plan.rejected {
            self.refuse(&mut written, rejected.object, rejected.verb, rejected.error);
        }
        let (statuses, others): (Vec<_>, Vec<_>) =
            plan.writes.into_iter().partition(|w| matches!(w.action, Action::Apply { status: true, .. }));
        for planned in others {
            self.one(&mut written, planned).await;
        }
        for set in &plan.sets {
            self.prune(&mut written, set).await;
        }
        for planned in statuses {
            self.one(&mut written, planned).await;
        }
        written
    }

    async fn one(&self, written: &mut Written, planned: Planned) {
        let Planned { object, resource, action } = planned;
        let verb = action.verb();
        let done = match action {
            Action::Apply { body, sent, force, status } => {
                let apply = Apply { body, sent, force, status };
                self.apply(written, &object, &resource, apply).await
            }
            Action::Patch { body, kind, subresource } => {
                let write = Write::Patch { body, kind, manager: field_manager(&self.binding.plugin), subresource };
                self.plain(written, &object, &resource, verb, write).await
            }
            Action::Delete { uid, resource_version } => {
                self.delete(written, &object, &resource, uid, resource_version).await
            }
            Action::Event(event) => self.event(event).await,
        };
        match done {
            Ok(done) => self.report(written, object, verb, done),
            Err(error) => self.refuse(written, object, verb, error),
        }
    }

    async fn apply(
        &self,
        written: &mut Written,
        object: &ObjectRef,
        resource: &motet_core::Resource,
        apply: Apply,
    ) -> Result<Done, ApiError> {
        let cached = self.cached(object);
        let stored = cached.as_ref().and_then(|c| if apply.status { c.owned_status } else { c.owned });
        if self.binding.normalised.lock().unchanged(object, apply.status, apply.sent, stored) {
            return Ok(Done::Suppressed);
        }
        if self.observing() {
            return Ok(Done::Observed(self.diff(object, &apply.body)));
        }
        if !apply.status {
            let revision = self.binding.revision.load_full();
            self.binding.record.ensure(&revision, std::slice::from_ref(&object.gvk), &self.member.api).await?;
        }
        let (answer, losers) = self.send_apply(object, resource, &apply).await?;
        if !losers.is_empty() {
            written.taken.push((object.clone(), losers));
        }
        let meta = Meta::scan(&answer).unwrap_or_default();
        self.remember(object, &apply, &answer);
        let changed = cached.as_ref().is_none_or(|c| c.resource_version != *meta.resource_version);
        if changed {
            self.wait_for(written, object, &meta, false);
        }
        Ok(Done::Sent(200))
    }

    /// Unforced first: a conflict is told to people before fields change hands. Says from whom they were taken.
    async fn send_apply(
        &self,
        object: &ObjectRef,
        resource: &motet_core::Resource,
        apply: &Apply,
    ) -> Result<(Bytes, BTreeSet<String>), ApiError> {
        let write = |force| Write::Apply {
            body: apply.body.clone(),
            manager: field_manager(&self.binding.plugin),
            force,
            subresource: apply.status.then_some("status"),
        };
        let verb = if apply.status { "status" } else { "apply" };
        match self.send(object, resource, verb, write(false)).await {
            Err(conflict) if conflict.is_apply_conflict() => {
                let managers = self.note_conflict(object, &conflict).await;
                if apply.force {
                    Ok((self.send(object, resource, verb, write(true)).await?, managers))
                } else {
                    Err(conflict)
                }
            }
            other => Ok((other?, BTreeSet::new())),
        }
    }

    /// Counts a conflict and tells people; says who owns the fields.
    async fn note_conflict(&self, object: &ObjectRef, conflict: &ApiError) -> BTreeSet<String> {
        // `conflict with "MANAGER" using v1`: the server says the manager in no other way.
        let manager = |message: &str| message.split('"').nth(1).unwrap_or("unknown").to_owned();
        let managers: BTreeSet<String> = conflict.causes.iter().map(|cause| manager(&cause.message)).collect();
        managers.iter().for_each(|manager| self.stats.conflict(manager));
        let note = format!("{} conflicts: {}", field_manager(&self.binding.plugin), conflict.message);
        self.warn(object, "ApplyConflict", note).await;
        managers
    }

    /// Tells people that fields go to and fro, and what becomes of it.
    pub(crate) async fn note_fight(&self, taken: &[(ObjectRef, BTreeSet<String>)], wait: Duration) {
        let own = field_manager(&self.binding.plugin);
        for (object, losers) in taken {
            let others = losers.iter().map(String::as_str).collect::<Vec<_>>().join(", ");
            let note = format!(
                "{own} and {others} keep taking the same fields from each other; {own} waits longer each time: let only one of them set the fields that the Event ApplyConflict names"
            );
            tracing::warn!(plugin = %self.binding.plugin, member = %self.member.name(), key = %self.target, %object, ?wait, "{note}");
            self.warn(object, "FieldFight", note).await;
        }
    }

    /// Sends an Event about an apply; that it could not be sent holds up nothing.
    async fn warn(&self, regarding: &ObjectRef, reason: &str, note: String) {
        let (regarding, action) = (regarding.clone(), "Apply".into());
        let event = EventIntent { regarding, warning: true, reason: reason.into(), action, note };
        if let Err(error) = self.say(&event).await {
            tracing::debug!(plugin = %self.binding.plugin, member = %self.member.name(), reason, %error, "an Event was not written");
        }
    }

    /// Keeps what the server made of an apply, where that is not what was sent.
    fn remember(&self, object: &ObjectRef, apply: &Apply, answer: &[u8]) {
        let plugin = &self.binding.plugin;
        let stored =
            if apply.status { owned::owned_status_digest(answer, plugin) } else { owned::owned_digest(answer, plugin) };
        if let Some(stored) = stored.filter(|s| *s != apply.sent) {
            self.binding.remember_normalised(object, apply.status, Pair { sent: apply.sent, stored });
        }
    }

    async fn plain(
        &self,
        written: &mut Written,
        object: &ObjectRef,
        resource: &motet_core::Resource,
        verb: &'static str,
        write: Write,
    ) -> Result<Done, ApiError> {
        if self.observing() {
            return Ok(Done::Observed(vec![]));
        }
        let cached = self.cached(object);
        let answer = self.send(object, resource, verb, write).await?;
        let meta = Meta::scan(&answer).unwrap_or_default();
        if cached.is_some_and(|c| c.resource_version != *meta.resource_version) {
            self.wait_for(written, object, &meta, false);
        }
        Ok(Done::Sent(200))
    }

    /// Deletes with preconditions: those of the intent, else what a live read shows now.
    async fn delete(
        &self,
        written: &mut Written,
        object: &ObjectRef,
        resource: &motet_core::Resource,
        uid: Option<String>,
        resource_version: Option<String>,
    ) -> Result<Done, ApiError> {
        let Some(live) = self.member.api.get(resource, &object.name).await? else { return Ok(Done::Suppressed) };
        let meta = Meta::scan(&live).map_err(|e| ApiError::new(0, "InvalidAnswer", e.to_string()))?;
        if meta.deleting() || uid.as_deref().is_some_and(|uid| uid != &*meta.uid) {
            return Ok(Done::Suppressed);
        }
        if self.observing() {
            return Ok(Done::Observed(vec![]));
        }
        let write = Write::Delete {
            uid: Some(meta.uid.to_string()),
            resource_version: Some(resource_version.unwrap_or_else(|| meta.resource_version.to_string())),
        };
        match self.send(object, resource, "delete", write).await {
            Ok(answer) => {
                // What waits for its finalizers is still there: then its deletion timestamp is all there is to see.
                let pending = Meta::scan(&answer).ok().filter(|m| m.deleting() && !m.finalizers.is_empty());
                self.wait_for(written, object, pending.as_ref().unwrap_or(&meta), pending.is_none());
                Ok(Done::Sent(200))
            }
            Err(error) if error.is_not_found() => Ok(Done::Suppressed),
            Err(error) => Err(error),
        }
    }

    async fn say(&self, event: &EventIntent) -> Result<bool, ApiError> {
        let plugin = &self.binding.plugin;
        let reporter = Reporter {
            controller: plugin.as_str(),
            manager: field_manager(plugin),
            api: &*self.member.api,
            cluster: self.member.name().as_str(),
        };
        self.events.send(&reporter, event, None).await
    }

    async fn event(&self, event: EventIntent) -> Result<Done, ApiError> {
        if self.observing() {
            return Ok(Done::Observed(vec![]));
        }
        let sent = self.say(&event).await;
        match sent {
            Ok(true) => {
                self.binding.stats.wrote("event", 201);
                Ok(Done::Sent(201))
            }
            Ok(false) => Ok(Done::Suppressed),
            Err(error) => {
                self.binding.stats.wrote("event", error.code);
                Err(error)
            }
        }
    }

    /// Deletes what the set held and no longer names. Only what carries the annotation and has our field manager in a live
    /// read is ours: a person's copy of an object carries the annotation too.
    async fn prune(&self, written: &mut Written, set: &DesiredSet) {
        if !set.complete {
            return;
        }
        for watched in self.subscriptions.applied.values() {
            let gvk = &watched.resource.gvk;
            for owned in watched.subscription.owned(self.target) {
                let wanted = set.objects.contains(&(gvk.group.clone(), gvk.kind.clone(), owned.name.clone()));
                if &*owned.set == set.name.as_str() && !wanted {
                    let object = ObjectRef { gvk: gvk.clone(), name: owned.name };
                    self.prune_one(written, &object, &watched.resource, &owned.uid).await;
                }
            }
        }
    }

    async fn prune_one(&self, written: &mut Written, object: &ObjectRef, resource: &motet_core::Resource, uid: &str) {
        let access = motet_core::grant::Access {
            group: &resource.gvk.group,
            resource: &resource.plural,
            verb: "delete",
            namespace: object.name.namespace.as_deref(),
            name: Some(&object.name.name),
        };
        if !self.binding.permissions.load().allow(&access) {
            let error =
                ApiError::new(0, "NotGranted", format!("{access}: needed to prune what the set no longer names"));
            return self.refuse(written, object.clone(), "delete", error);
        }
        let version = match self.member.api.get(resource, &object.name).await {
            Ok(live) => live.and_then(|json| self.ours(&json, uid)),
            Err(error) => return self.refuse(written, object.clone(), "delete", error),
        };
        let Some(version) = version else { return };
        match self.delete(written, object, resource, Some(uid.into()), Some(version)).await {
            Ok(Done::Suppressed) => {}
            Ok(done) => self.report(written, object.clone(), "delete", done),
            Err(error) => self.refuse(written, object.clone(), "delete", error),
        }
    }

    /// The resource version at which an object is still this key's to delete; `None` where it is not.
    fn ours(&self, live: &[u8], uid: &str) -> Option<String> {
        let meta = Meta::scan(live).ok()?;
        let annotation = meta.annotations.get(names::owner_annotation(&self.binding.plugin).as_str());
        let owner = annotation.and_then(|v| names::parse_owner_value(v)).map(|(target, _)| target);
        let managed = owned::owned_digest(live, &self.binding.plugin).is_some();
        let ours = &*meta.uid == uid && owner.as_ref() == Some(self.target) && managed;
        ours.then(|| meta.resource_version.to_string())
    }

    /// One call, counted, within the binding's rate and the member's patience.
    async fn send(
        &self,
        object: &ObjectRef,
        resource: &motet_core::Resource,
        verb: &'static str,
        write: Write,
    ) -> Result<Bytes, ApiError> {
        self.member.permits_writes()?;
        self.binding.writes.take().await;
        let answer = self.member.api.write(resource, &object.name, write).await;
        match &answer {
            Ok(_) => self.binding.stats.wrote(verb, 200),
            Err(error) => {
                self.member.note(error);
                self.binding.stats.wrote(verb, error.code);
            }
        }
        answer
    }

    fn observing(&self) -> bool {
        self.binding.revision.load().spec.mode == Mode::Observe
    }

    fn cached(&self, object: &ObjectRef) -> Option<motet_watch::ObjectInfo> {
        let applied = self.subscriptions.applied(&object.gvk).and_then(|w| w.subscription.meta(&object.name));
        applied.or_else(|| {
            let declared = self.subscriptions.primary.iter().chain(&self.subscriptions.related);
            declared.filter(|w| w.resource.gvk.same_kind(&object.gvk)).find_map(|w| w.subscription.meta(&object.name))
        })
    }

    /// Only what the plugin may see anyway is compared: its own projection.
    fn diff(&self, object: &ObjectRef, body: &[u8]) -> Vec<crate::report::Difference> {
        let declared = self.subscriptions.declared(&object.gvk, object.name.namespace.as_deref());
        let before = declared.and_then(|w| w.get(&object.name));
        diff::differences(&object.gvk, before.as_deref(), body)
    }

    /// Writes to kinds that no cache of this binding holds are not waited for, nor are RVs that cannot be compared.
    fn wait_for(&self, written: &mut Written, object: &ObjectRef, meta: &Meta, deleted: bool) {
        if !deleted && rv_number(&meta.resource_version).is_none() {
            return;
        }
        let barrier = Barrier {
            name: object.name.clone(),
            uid: meta.uid.to_string(),
            resource_version: meta.resource_version.to_string(),
            deleted,
        };
        written.barriers.push(Wait { object: object.clone(), labels: meta.labels.clone(), barrier });
    }

    fn report(&self, written: &mut Written, object: ObjectRef, verb: &'static str, done: Done) {
        let stats = &self.binding.stats;
        let (result, code, diff) = match done {
            Done::Sent(code) => {
                stats.sent.inc();
                (IntentResult::Sent, code, vec![])
            }
            Done::Suppressed => {
                stats.suppressed.inc();
                (IntentResult::Suppressed, 0, vec![])
            }
            Done::Observed(diff) => {
                stats.observed.inc();
                (IntentResult::Observed, 0, diff)
            }
        };
        written.reports.push(IntentReport { object, verb, result, code, message: String::new(), diff });
    }

    fn refuse(&self, written: &mut Written, object: ObjectRef, verb: &'static str, error: ApiError) {
        let denied = error.code == 0 && error.reason == "NotGranted";
        if denied {
            self.binding.stats.denied.inc();
        }
        let result = if denied { IntentResult::Denied } else { IntentResult::Failed };
        let message = format!("{}: {}", error.reason, error.message);
        written.reports.push(IntentReport {
            object: object.clone(),
            verb,
            result,
            code: error.code,
            message,
            diff: vec![],
        });
        written.rejected.push(Rejected { object, verb, error });
    }
}

/// The parts of an apply.
struct Apply {
    body: Bytes,
    sent: owned::OwnedDigest,
    force: bool,
    status: bool,
}
