//! What one reconcile is about, and its way to read more.

use std::time::Duration;

use serde::de::DeserializeOwned;

use crate::{Gvk, ObjectRef, Query, Reader, Result, json};

/// The member that a reconcile is about.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Member {
    /// Its name.
    pub name: String,
    /// Its identity.
    pub uid: String,
    /// Its labels.
    pub labels: Vec<(String, String)>,
}

impl Member {
    /// A label's value.
    pub fn label(&self, key: &str) -> Option<&str> {
        self.labels.iter().find(|(k, _)| k == key).map(|(_, v)| v.as_str())
    }
}

/// What a key is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// One object of the primary kind.
    Object {
        /// `None` for cluster-scoped objects.
        namespace: Option<String>,
        /// Its name.
        name: String,
    },
    /// The member itself.
    Member,
}

/// One intent of this key's last outcome that was not written.
#[derive(Debug, Clone, PartialEq)]
pub struct Rejected {
    /// The object concerned.
    pub object: ObjectRef,
    /// `apply`, `status`, `patch`, `delete` or `event`.
    pub verb: String,
    /// HTTP status; 0 where the host refused.
    pub code: u16,
    /// `Status.reason`, or the host's.
    pub reason: String,
    /// For people.
    pub message: String,
    /// The fields concerned, each with its message.
    pub causes: Vec<(String, String)>,
}

/// One reconcile: the request, the config, and reads. `C` is the plugin's config type.
pub struct Context<C = ()> {
    pub(crate) member: Member,
    pub(crate) target: Target,
    pub(crate) primary: Option<Vec<u8>>,
    pub(crate) deleting: bool,
    pub(crate) attempt: u32,
    pub(crate) deadline: Duration,
    pub(crate) config: C,
    pub(crate) previous: Vec<Rejected>,
    pub(crate) reader: Box<dyn Reader>,
}

impl<C> Context<C> {
    /// The member.
    pub fn member(&self) -> &Member {
        &self.member
    }

    /// What the key is about.
    pub fn target(&self) -> &Target {
        &self.target
    }

    /// The primary's name; the member's where the key is the member.
    pub fn name(&self) -> &str {
        match &self.target {
            Target::Object { name, .. } => name,
            Target::Member => &self.member.name,
        }
    }

    /// The primary's namespace.
    pub fn namespace(&self) -> Option<&str> {
        match &self.target {
            Target::Object { namespace, .. } => namespace.as_deref(),
            Target::Member => None,
        }
    }

    /// The primary as your projection shows it; `None` when it is gone.
    pub fn primary<T: DeserializeOwned>(&self) -> Result<Option<T>> {
        Ok(self.primary.as_deref().map(json::from_slice).transpose()?)
    }

    /// Whether to clean up: the primary is being deleted, or the plugin leaves this member.
    pub fn deleting(&self) -> bool {
        self.deleting
    }

    /// Failures in a row of this key.
    pub fn attempt(&self) -> u32 {
        self.attempt
    }

    /// Wall time that this call may take.
    pub fn deadline(&self) -> Duration {
        self.deadline
    }

    /// The config for this member.
    pub fn config(&self) -> &C {
        &self.config
    }

    /// What of this key's last outcome was not written; empty after success and after a host start.
    pub fn previous(&self) -> &[Rejected] {
        &self.previous
    }

    /// One object; `None` where it does not exist.
    pub fn get<T: DeserializeOwned>(&self, object: impl Into<ObjectRef>) -> Result<Option<T>> {
        match self.reader.get_many(&[object.into()]).pop() {
            Some(found) => Ok(found?.as_deref().map(json::from_slice).transpose()?),
            None => Ok(None),
        }
    }

    /// Several objects in one call, in order.
    #[allow(clippy::type_complexity, reason = "one result per object is the point")]
    pub fn get_many<T: DeserializeOwned>(
        &self,
        objects: &[ObjectRef],
    ) -> Result<Vec<std::result::Result<Option<T>, serde_json::Error>>> {
        self.reader
            .get_many(objects)
            .into_iter()
            .map(|found| {
                found.map(|object| {
                    object.map(|o| json::from_slice(&o)).transpose().map_err(json::Error::into_serde_json)
                })
            })
            .collect()
    }

    /// All objects that `query` selects, page by page.
    pub fn list<T: DeserializeOwned>(&self, query: &Query) -> Result<Vec<T>> {
        let mut items = Vec::new();
        self.for_each(query, |item| items.push(item))?;
        Ok(items)
    }

    /// Calls `f` with each object that `query` selects, without holding more than a page.
    pub fn for_each<T: DeserializeOwned>(&self, query: &Query, mut f: impl FnMut(T)) -> Result<()> {
        let mut token = None;
        loop {
            let page = self.reader.list(query, token)?;
            for item in &page.items {
                f(json::from_slice(item)?);
            }
            match page.next {
                Some(next) => token = Some(next),
                None => return Ok(()),
            }
        }
    }

    /// A reference to the primary, given its kind.
    pub fn primary_ref(&self, kind: impl Into<Gvk>) -> ObjectRef {
        ObjectRef { gvk: kind.into(), namespace: self.namespace().map(String::from), name: self.name().into() }
    }
}
