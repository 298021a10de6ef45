//! Owns who asks and whether they may: users, what a request is about, and the answer to those who may not.

pub(crate) mod accounts;
pub(crate) mod aggregation;
pub(crate) mod bootstrap;
pub(crate) mod certificates;
pub(crate) mod escalation;
pub(crate) mod impersonation;
pub(crate) mod rbac;
pub(crate) mod reviews;
pub(crate) mod users;

use std::collections::BTreeMap;

use http::Method;
use serde_json::json;

use crate::ask::{Ask, Target};
use crate::error::ApiError;

/// Members may do anything, whatever roles say.
pub(crate) const MASTERS: &str = "system:masters";
/// Everybody who is known.
pub(crate) const AUTHENTICATED: &str = "system:authenticated";
/// Everybody who is not.
pub(crate) const UNAUTHENTICATED: &str = "system:unauthenticated";
/// Who sends no credentials.
pub(crate) const ANONYMOUS: &str = "system:anonymous";

/// Who sent a request.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Caller {
    pub(crate) name: String,
    pub(crate) uid: String,
    pub(crate) groups: Vec<String>,
    pub(crate) extra: BTreeMap<String, Vec<String>>,
}

impl Caller {
    pub(crate) fn is_in(&self, group: &str) -> bool {
        self.groups.iter().any(|g| g == group)
    }

    /// As reviews show it.
    pub(crate) fn info(&self) -> serde_json::Value {
        let mut info = json!({});
        for (field, text) in [("username", &self.name), ("uid", &self.uid)] {
            if !text.is_empty() {
                info[field] = text.as_str().into();
            }
        }
        if !self.groups.is_empty() {
            info["groups"] = json!(self.groups);
        }
        if !self.extra.is_empty() {
            info["extra"] = json!(self.extra);
        }
        info
    }
}

/// What somebody wants to do.
#[derive(Debug, Clone, Default)]
pub(crate) struct Deed {
    pub(crate) verb: String,
    /// Set where it is not about a resource.
    pub(crate) path: Option<String>,
    pub(crate) group: String,
    pub(crate) resource: String,
    pub(crate) subresource: String,
    pub(crate) namespace: String,
    pub(crate) name: String,
}

impl Deed {
    /// What a request is about.
    pub(crate) fn of(ask: &Ask) -> Self {
        match &ask.target {
            Target::Other(_) => {
                Self { verb: ask.method.as_str().to_lowercase(), path: Some(ask.path.clone()), ..Self::default() }
            }
            Target::Resource(place) => {
                let namespace = match place.plural.as_str() {
                    "namespaces" if place.group.is_empty() => &place.name,
                    _ => &place.namespace,
                };
                let selected = selected_name(ask.query.get("fieldSelector"));
                let name = if place.name.is_empty() { selected } else { place.name.clone() };
                Self {
                    verb: verb(ask, &place.name).into(),
                    path: None,
                    group: place.group.clone(),
                    resource: place.plural.clone(),
                    subresource: place.subresource.split('/').next().unwrap_or_default().into(),
                    namespace: namespace.clone(),
                    name,
                }
            }
        }
    }

    /// A deed that no request of its own is about, such as impersonating a user.
    pub(crate) fn on(verb: &str, group: &str, resource: &str, namespace: &str, name: &str) -> Self {
        let [verb, group, resource, namespace, name] = [verb, group, resource, namespace, name].map(str::to_owned);
        Self { verb, path: None, group, resource, subresource: String::new(), namespace, name }
    }

    pub(crate) fn full_resource(&self) -> String {
        if self.subresource.is_empty() {
            self.resource.clone()
        } else {
            format!("{}/{}", self.resource, self.subresource)
        }
    }
}

fn verb<'a>(ask: &'a Ask, name: &str) -> &'a str {
    match ask.method {
        Method::GET | Method::HEAD if name.is_empty() => ask.verb(),
        Method::GET | Method::HEAD => "get",
        Method::PATCH => "patch",
        _ => ask.verb(),
    }
}

/// A list of one object by name is judged as if it named the object.
fn selected_name(fields: &str) -> String {
    let mut parts = fields.split(',').filter_map(|part| part.split_once('='));
    parts
        .find(|(field, _)| *field == "metadata.name")
        .map(|(_, name)| name.trim_start_matches('=').to_owned())
        .unwrap_or_default()
}

/// The 403 for somebody who may not do this; `reason` is what went wrong in finding that out.
pub(crate) fn forbidden(caller: &Caller, deed: &Deed, reason: &str) -> ApiError {
    let said = if let Some(path) = &deed.path {
        format!("User {:?} cannot {} path {path:?}", caller.name, deed.verb)
    } else {
        let scope = match deed.namespace.as_str() {
            "" => "at the cluster scope".to_owned(),
            namespace => format!("in the namespace {namespace:?}"),
        };
        let (resource, group) = (deed.full_resource(), &deed.group);
        format!("User {:?} cannot {} resource {resource:?} in API group {group:?} {scope}", caller.name, deed.verb)
    };
    let said = said.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    let said = if reason.is_empty() { said } else { format!("{said}: {reason}") };
    ApiError::refused(&deed.group, &deed.resource, &deed.name, &said)
}
