//! Publishes what people see with kubectl: the status of Plugins, and one Member object per member. Written only when it
//! changed, and at most a few at a time.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use bytes::Bytes;
use motet_catalog::{PluginState, PluginStatus, crd::MemberStatus as MemberObjectStatus};
use motet_core::{
    ApiError, Gvk, Meta, ObjectName, Resource,
    names::HOST_MANAGER,
    ports::{ListQuery, MemberApi, Write},
};
use motet_dispatch::BindingSnapshot;
use motet_fleet::{MemberState, MemberStatus};
use serde::Serialize;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use tokio::time::Instant;

use crate::{
    budget::Budget,
    host::Host,
    plugin_status,
    transitions::{Standing, Transitions},
};

/// How often the hub is told.
const INTERVAL: Duration = Duration::from_secs(1);
/// Objects that are new, or new to this host, and written per round.
const NEW_PER_ROUND: usize = 10;

/// What was last written of a member.
#[derive(Default)]
struct Published {
    labels: Value,
    status: Value,
    at: Option<Instant>,
}

/// Writes to the hub what changed since it was last written.
pub(crate) struct Publisher {
    host: Host,
    hub: Arc<dyn MemberApi>,
    plugins: BTreeMap<String, Value>,
    members: BTreeMap<String, Published>,
    budget: Budget,
    transitions: Transitions,
    /// Whether members that an earlier host published have been looked for.
    swept: bool,
}

impl Publisher {
    pub(crate) fn new(host: Host, hub: Arc<dyn MemberApi>) -> Self {
        let transitions = Transitions::new(hub.clone());
        Self {
            host,
            hub,
            plugins: BTreeMap::new(),
            members: BTreeMap::new(),
            budget: Budget::new(),
            transitions,
            swept: false,
        }
    }

    /// Publishes until `stop`.
    pub(crate) async fn run(mut self, stop: CancellationToken) {
        let mut interval = tokio::time::interval(INTERVAL);
        interval.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                _ = interval.tick() => {}
            }
            let mut new = NEW_PER_ROUND;
            for done in [self.publish_plugins(&mut new).await, self.publish_members(&mut new).await] {
                if let Err(error) = done {
                    tracing::warn!(%error, "the hub's Plugins and Members cannot be written; trying again");
                    tokio::time::sleep(INTERVAL * 5).await;
                }
            }
        }
    }

    async fn publish_plugins(&mut self, new: &mut usize) -> Result<(), ApiError> {
        // Where another source has its name, what runs under that name is not the hub's.
        let shadowed = self.host.catalog.shadowed().into_iter().map(|status| (status, false));
        let all = self.host.catalog.snapshot().into_iter().map(|status| (status, true)).chain(shadowed);
        let statuses: Vec<_> = all.filter(|(status, _)| status.source == "hub").collect();
        self.plugins.retain(|name, _| statuses.iter().any(|(status, _)| status.name.as_str() == name));
        if statuses.is_empty() {
            return Ok(());
        }
        let resource = self.hub.resource(&Gvk::new("motet.dev", "v1alpha1", "Plugin")).await?;
        let (bindings, members) = (self.host.dispatcher.bindings(), self.host.members());
        for (status, runs) in statuses {
            let name = status.name.to_string();
            let bindings = if runs { bindings.as_slice() } else { &[] };
            let wanted = to_value(&plugin_status::of(&status, bindings, &members));
            if self.plugins.get(&name) == Some(&wanted) || !self.may(self.plugins.contains_key(&name), new) {
                continue;
            }
            match self.apply(&resource, "Plugin", &name, "status", json!({ "status": wanted })).await {
                Err(error) if error.is_not_found() => {}
                Err(error) => return Err(error),
                Ok(object) => self.plugin_event(&status, &object).await,
            }
            self.plugins.insert(name, wanted);
        }
        Ok(())
    }

    /// Whether something may be written now.
    fn may(&mut self, known: bool, new: &mut usize) -> bool {
        if known {
            return self.budget.take();
        }
        let some = *new > 0;
        *new -= usize::from(some);
        some
    }

    async fn publish_members(&mut self, new: &mut usize) -> Result<(), ApiError> {
        let resource = self.hub.resource(&Gvk::new("motet.dev", "v1alpha1", "Member")).await?;
        let mut present = self.host.members();
        if !self.swept && self.host.members_listed() {
            for name in self.published(&resource).await? {
                self.members.entry(name).or_default();
            }
            self.swept = true;
        }
        // Once a round: a snapshot costs as much as there are bindings in the whole fleet.
        let bindings = self.host.dispatcher.bindings();
        // Whoever has waited longest comes first: a member that flaps does not keep the others from being told of.
        present.sort_by_key(|m| self.members.get(m.name.as_str()).and_then(|p| p.at));
        for member in &present {
            self.publish_member(&resource, member, &bindings, new).await?;
        }
        let gone: Vec<String> =
            self.members.keys().filter(|n| !present.iter().any(|m| m.name.as_str() == n.as_str())).cloned().collect();
        for name in gone.into_iter().take(*new) {
            *new -= 1;
            let write = Write::Delete { uid: None, resource_version: None };
            match self.hub.write(&resource, &ObjectName::cluster(&name), write).await {
                Err(error) if !error.is_not_found() => return Err(error),
                _ => self.members.remove(&name),
            };
            self.transitions.forget("Member", &name);
        }
        Ok(())
    }

    async fn publish_member(
        &mut self,
        resource: &Resource,
        member: &MemberStatus,
        bindings: &[BindingSnapshot],
        new: &mut usize,
    ) -> Result<(), ApiError> {
        let name = member.name.to_string();
        let labels = to_value(&member.labels);
        let status = to_value(&Self::member_status(member, bindings));
        let before = self.members.get(&name);
        let relabelled = before.is_none_or(|p| p.labels != labels);
        if !relabelled && before.is_some_and(|p| p.status == status) {
            return Ok(());
        }
        let known = before.is_some_and(|p| p.at.is_some());
        if !self.may(known, new) {
            return Ok(());
        }
        if relabelled {
            let body = json!({ "metadata": { "labels": labels }, "spec": {} });
            self.apply(resource, "Member", &name, "", body).await?;
            if known {
                self.budget.owe();
            }
        }
        let object = self.apply(resource, "Member", &name, "status", json!({ "status": status })).await?;
        let well = member.state == MemberState::Ready && member.reason.is_empty();
        let (state, message) = (member.state.word(), member.message.as_str());
        let standing = Standing { state, reason: &member.reason, code: "", message, warning: !well };
        self.transitions.note("Member", &name, standing, &object).await;
        self.members.insert(name, Published { labels, status, at: Some(Instant::now()) });
        Ok(())
    }

    async fn plugin_event(&mut self, status: &PluginStatus, object: &[u8]) {
        let state = format!("{:?}", status.state);
        let warning = matches!(status.state, PluginState::Rejected) || !status.reason.is_empty();
        let code = status.digest.map(|digest| digest.to_string()).unwrap_or_default();
        let standing =
            Standing { state: &state, reason: status.reason, code: &code, message: &status.message, warning };
        self.transitions.note("Plugin", status.name.as_str(), standing, object).await;
    }

    fn member_status(member: &MemberStatus, bindings: &[BindingSnapshot]) -> MemberObjectStatus {
        let mine: Vec<_> = bindings.iter().filter(|b| b.member == member.name).collect();
        let active = mine.iter().filter(|b| {
            matches!(b.status.state, motet_dispatch::BindingState::Active | motet_dispatch::BindingState::Observing)
        });
        MemberObjectStatus {
            state: member.state.word().into(),
            reason: member.reason.clone(),
            message: member.message.clone(),
            since: format!("{:.0}", member.since),
            uid: member.uid.clone(),
            server: member.server.clone(),
            version: member.version.clone(),
            provider: member.provider.clone(),
            plugins: format!("{}/{}", active.count(), mine.len()),
        }
    }

    async fn published(&self, resource: &Resource) -> Result<Vec<String>, ApiError> {
        let (mut names, mut query) = (Vec::new(), ListQuery { limit: 500, ..ListQuery::default() });
        loop {
            let page = self.hub.list(resource, &query).await?;
            names.extend(page.items.iter().filter_map(|json| Meta::scan(json).ok()).map(|m| m.name.to_string()));
            match page.next {
                Some(next) => query.page = Some(next),
                None => return Ok(names),
            }
        }
    }

    async fn apply(
        &self,
        resource: &Resource,
        kind: &str,
        name: &str,
        part: &'static str,
        body: Value,
    ) -> Result<Bytes, ApiError> {
        let mut object = json!({ "apiVersion": "motet.dev/v1alpha1", "kind": kind });
        for (field, value) in body.as_object().into_iter().flatten() {
            object[field] = value.clone();
        }
        object["metadata"]["name"] = json!(name);
        let write = Write::Apply {
            body: object.to_string().into_bytes().into(),
            manager: HOST_MANAGER.into(),
            force: true,
            subresource: (!part.is_empty()).then_some(part),
        };
        self.hub.write(resource, &ObjectName::cluster(name), write).await
    }
}

fn to_value(value: &impl Serialize) -> Value {
    serde_json::to_value(value).unwrap_or_default()
}
