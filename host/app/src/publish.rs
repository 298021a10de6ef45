//! Publishes what people see with kubectl: the status of Plugins, and one Member object per member. Written only when it
//! changed, and at most a few at a time.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use bytes::Bytes;
use motet_catalog::{
    PluginState, PluginStatus,
    crd::MemberStatus as Published,
    object::{ConditionStatus, Members, PluginObjectStatus},
};
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

use crate::{
    host::Host,
    transitions::{Standing, Transitions},
};

/// How often the hub is told.
const INTERVAL: Duration = Duration::from_secs(1);
/// Writes per round: 250 flapping members cost the hub no more.
const PER_ROUND: usize = 10;

/// Writes to the hub what changed since it was last written.
pub(crate) struct Publisher {
    host: Host,
    hub: Arc<dyn MemberApi>,
    plugins: BTreeMap<String, Value>,
    members: BTreeMap<String, Value>,
    transitions: Transitions,
    /// Whether members that an earlier host published have been looked for.
    swept: bool,
}

impl Publisher {
    pub(crate) fn new(host: Host, hub: Arc<dyn MemberApi>) -> Self {
        let transitions = Transitions::new(hub.clone());
        Self { host, hub, plugins: BTreeMap::new(), members: BTreeMap::new(), transitions, swept: false }
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
            let mut left = PER_ROUND;
            for done in [self.publish_plugins(&mut left).await, self.publish_members(&mut left).await] {
                if let Err(error) = done {
                    tracing::warn!(%error, "the hub's Plugins and Members cannot be written; trying again");
                    tokio::time::sleep(INTERVAL * 5).await;
                }
            }
        }
    }

    async fn publish_plugins(&mut self, left: &mut usize) -> Result<(), ApiError> {
        let statuses: Vec<_> = self.host.catalog.snapshot().into_iter().filter(|p| p.source == "hub").collect();
        if statuses.is_empty() {
            return Ok(());
        }
        let resource = self.hub.resource(&Gvk::new("motet.dev", "v1alpha1", "Plugin")).await?;
        let bindings = self.host.dispatcher.bindings();
        for status in statuses {
            let name = status.name.to_string();
            let wanted = to_value(&plugin_status(&status, Host::counts(&status, &bindings)));
            if self.plugins.get(&name) == Some(&wanted) || *left == 0 {
                continue;
            }
            *left -= 1;
            match self.apply(&resource, "Plugin", &name, "status", json!({ "status": wanted })).await {
                Err(error) if error.is_not_found() => {}
                Err(error) => return Err(error),
                Ok(object) => self.plugin_event(&status, &object).await,
            }
            self.plugins.insert(name, wanted);
        }
        Ok(())
    }

    async fn publish_members(&mut self, left: &mut usize) -> Result<(), ApiError> {
        let resource = self.hub.resource(&Gvk::new("motet.dev", "v1alpha1", "Member")).await?;
        let present = self.host.members();
        if !self.swept && self.host.members_listed() {
            for name in self.published(&resource).await? {
                self.members.entry(name).or_insert(Value::Null);
            }
            self.swept = true;
        }
        // Once a round: a snapshot costs as much as there are bindings in the whole fleet.
        let bindings = self.host.dispatcher.bindings();
        for member in &present {
            self.publish_member(&resource, member, &bindings, left).await?;
        }
        let gone: Vec<String> =
            self.members.keys().filter(|n| !present.iter().any(|m| m.name.as_str() == n.as_str())).cloned().collect();
        for name in gone.into_iter().take(*left) {
            *left -= 1;
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
        left: &mut usize,
    ) -> Result<(), ApiError> {
        let name = member.name.to_string();
        let wanted = json!({ "labels": member.labels, "status": to_value(&Self::member_status(member, bindings)) });
        if self.members.get(&name) == Some(&wanted) || *left == 0 {
            return Ok(());
        }
        *left -= 1;
        self.apply(resource, "Member", &name, "", json!({ "metadata": { "labels": wanted["labels"] }, "spec": {} }))
            .await?;
        let object = self.apply(resource, "Member", &name, "status", json!({ "status": wanted["status"] })).await?;
        let well = member.state == MemberState::Ready && member.reason.is_empty();
        let (state, message) = (member.state.word(), member.message.as_str());
        let standing = Standing { state, reason: &member.reason, message, warning: !well };
        self.transitions.note("Member", &name, standing, &object).await;
        self.members.insert(name, wanted);
        Ok(())
    }

    async fn plugin_event(&mut self, status: &PluginStatus, object: &[u8]) {
        let state = format!("{:?}", status.state);
        let warning = matches!(status.state, PluginState::Rejected) || !status.reason.is_empty();
        let standing = Standing { state: &state, reason: status.reason, message: &status.message, warning };
        self.transitions.note("Plugin", status.name.as_str(), standing, object).await;
    }

    fn member_status(member: &MemberStatus, bindings: &[BindingSnapshot]) -> Published {
        let mine: Vec<_> = bindings.iter().filter(|b| b.member == member.name).collect();
        let active = mine.iter().filter(|b| {
            matches!(b.status.state, motet_dispatch::BindingState::Active | motet_dispatch::BindingState::Observing)
        });
        Published {
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

fn plugin_status(status: &PluginStatus, counts: crate::host::MemberCounts) -> PluginObjectStatus {
    let condition = |c: &motet_catalog::Condition| ConditionStatus {
        kind: c.kind.into(),
        status: match c.status {
            Some(true) => "True",
            Some(false) => "False",
            None => "Unknown",
        }
        .into(),
        reason: if c.reason.is_empty() { "AsExpected".into() } else { c.reason.into() },
        message: c.message.clone(),
        last_transition_time: format!("{:.0}", c.since),
    };
    PluginObjectStatus {
        state: format!("{:?}", status.state),
        observed_generation: status.generation,
        digest: status.digest.map(|d| d.to_string()),
        contract: Some(status.contract.clone()).filter(|c| !c.is_empty()),
        members: Members {
            selected: counts.selected,
            active: counts.active,
            parked: counts.parked,
            failing: counts.failing,
            quarantined: counts.quarantined,
        },
        conditions: status.conditions.iter().map(condition).collect(),
    }
}
