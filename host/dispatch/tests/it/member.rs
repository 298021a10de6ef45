//! A member in memory: stores, versions, watches that may lag, and a record of every write.

use std::{collections::BTreeSet, time::Duration};

use async_trait::async_trait;
use bytes::Bytes;
use futures::{StreamExt as _, channel::mpsc, stream::BoxStream};
use motet_core::{
    ApiError, Change, Gvk, ObjectName, Resource,
    description::Scope,
    ports::{ListQuery, MemberApi, Page, Write},
};
use parking_lot::Mutex;
use serde_json::Value;

use super::{
    fields,
    store::{State, Watcher, selects, shown},
};

/// See the module.
#[derive(Default)]
pub(crate) struct FakeMember(Mutex<State>);

impl FakeMember {
    /// Serves the kinds that tests use: things have a status.
    pub(crate) fn serving() -> Self {
        let member = Self::default();
        for (group, kind, namespaced) in [
            ("", "Namespace", false),
            ("", "ConfigMap", true),
            ("", "Secret", true),
            ("events.k8s.io", "Event", true),
            ("test.dev", "Thing", true),
        ] {
            member.serve(group, kind, namespaced);
        }
        member
    }

    pub(crate) fn serve(&self, group: &str, kind: &str, namespaced: bool) {
        let plural = format!("{}s", kind.to_lowercase()).into();
        let gvk = Gvk::new(group, "v1", kind);
        self.0.lock().kinds.push(Resource { gvk, plural, namespaced, status: kind == "Thing", watchable: true });
    }

    /// What was written so far, `VERB KIND NAME`; `apply!` is forced. Without the host's own records.
    pub(crate) fn wrote(&self) -> Vec<String> {
        self.0.lock().writes.iter().filter(|w| !w.contains("motet-system")).cloned().collect()
    }

    pub(crate) fn all_writes(&self) -> Vec<String> {
        self.0.lock().writes.clone()
    }

    /// Forgets what was written and returns it.
    pub(crate) fn drain(&self) -> Vec<String> {
        let wrote = self.wrote();
        self.0.lock().writes.clear();
        wrote
    }

    /// The next write to the object fails.
    pub(crate) fn fail(&self, kind: &str, name: &str, error: ApiError) {
        self.0.lock().failures.push(((kind.into(), name.into()), error));
    }

    /// From now on no call is answered.
    pub(crate) fn fall_silent(&self) {
        self.0.lock().silent = true;
    }

    async fn answering(&self) {
        if self.0.lock().silent {
            std::future::pending::<()>().await;
        }
    }

    pub(crate) fn delay_watches(&self, delay: Duration) {
        self.0.lock().delay = delay;
    }

    /// The server changes whatever is written to it.
    pub(crate) fn normalise(&self, how: fn(&mut Value)) {
        self.0.lock().normalise = Some(how);
    }

    pub(crate) fn forbid(&self, kind: &str) {
        self.0.lock().forbidden.insert(kind.into());
    }

    pub(crate) fn allow(&self, kind: &str) {
        let mut state = self.0.lock();
        state.forbidden.remove(kind);
        let mut watchers = std::mem::take(&mut state.watchers);
        watchers.iter_mut().filter(|w| w.kind == kind).for_each(|w| state.list(w));
        state.watchers = watchers;
    }

    /// The object without its managed fields.
    pub(crate) fn object(&self, kind: &str, name: &str) -> Option<Value> {
        self.0.lock().objects.get(&(kind.into(), name.into())).map(|stored| stored.json.clone())
    }

    /// The names of a kind's objects.
    pub(crate) fn names(&self, kind: &str) -> Vec<String> {
        let state = self.0.lock();
        state
            .objects
            .keys()
            .filter(|(k, n)| k == kind && !n.starts_with("motet-system"))
            .map(|(_, n)| n.clone())
            .collect()
    }

    /// Somebody else changes an object, or creates it.
    pub(crate) fn edit(&self, kind: &str, name: &str, edit: impl FnOnce(&mut Value)) {
        let mut state = self.0.lock();
        let place = (kind.to_owned(), name.to_owned());
        let mut stored = state.objects.get(&place).cloned().unwrap_or_else(|| state.fresh(&place));
        let before = stored.json.clone();
        edit(&mut stored.json);
        fields::update(&before, &stored.json, &mut stored.entries, "other");
        state.store(place, stored);
    }

    /// Somebody else deletes an object.
    pub(crate) fn remove(&self, kind: &str, name: &str) {
        self.0.lock().delete(&(kind.into(), name.into()), None, None).unwrap();
    }
}

#[async_trait]
impl MemberApi for FakeMember {
    async fn resource(&self, gvk: &Gvk) -> Result<Resource, ApiError> {
        self.0.lock().resource(gvk)
    }

    async fn get(&self, resource: &Resource, name: &ObjectName) -> Result<Option<Bytes>, ApiError> {
        self.answering().await;
        Ok(self.0.lock().objects.get(&(resource.gvk.kind.to_string(), name.to_string())).map(shown))
    }

    async fn list(&self, resource: &Resource, query: &ListQuery) -> Result<Page, ApiError> {
        self.answering().await;
        let scope = Scope {
            namespaces: query.namespace.iter().cloned().collect(),
            labels: query.labels.clone(),
            fields: query.fields.clone(),
        };
        let state = self.0.lock();
        let of_kind = state.objects.iter().filter(|((kind, _), _)| **kind == *resource.gvk.kind);
        let items = of_kind.filter(|(_, s)| selects(&scope, &s.json)).map(|(_, s)| shown(s)).collect();
        Ok(Page { items, next: None, resource_version: state.version.to_string() })
    }

    async fn write(&self, resource: &Resource, name: &ObjectName, write: Write) -> Result<Bytes, ApiError> {
        self.answering().await;
        let mut state = self.0.lock();
        let place = (resource.gvk.kind.to_string(), name.to_string());
        let verb = match &write {
            Write::Apply { subresource: Some(_), .. } => "status",
            Write::Apply { force: true, .. } => "apply!",
            Write::Apply { .. } => "apply",
            Write::Patch { .. } => "patch",
            Write::Create { .. } => "create",
            Write::Delete { uid: Some(_), resource_version: Some(_) } => "delete",
            Write::Delete { .. } => "delete-any",
        };
        state.writes.push(if verb == "create" {
            format!("create {}", place.0)
        } else {
            format!("{verb} {} {}", place.0, place.1)
        });
        if let Some(index) = state.failures.iter().position(|(p, _)| *p == place) {
            return Err(state.failures.remove(index).1);
        }
        state.write(place, write)
    }

    fn watch(&self, resource: &Resource, scope: &Scope, _: Option<String>) -> BoxStream<'static, Change> {
        let (sender, receiver) = mpsc::unbounded();
        let mut state = self.0.lock();
        let kind = resource.gvk.kind.to_string();
        let mut watcher = Watcher { kind, scope: scope.clone(), seen: BTreeSet::new(), sender };
        state.list(&mut watcher);
        state.watchers.push(watcher);
        let late = |(due, change)| async move {
            tokio::time::sleep_until(due).await;
            change
        };
        receiver.then(late).boxed()
    }
}
