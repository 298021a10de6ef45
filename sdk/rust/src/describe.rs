//! What a plugin says about itself: filled in by the attribute, written as the contract's description JSON.

use serde::Serialize;
use serde_json::Value;

use crate::{Context, Gvk, Outcome, Result};

/// A plugin, as the attribute makes it from a function.
pub trait Plugin {
    /// Its config; `()` where it takes none.
    type Config: serde::de::DeserializeOwned + Default + 'static;

    /// What it is, watches and needs. Must be the same at every call.
    fn describe() -> Description;

    /// One reconcile.
    fn reconcile(ctx: &Context<Self::Config>) -> Result<Outcome>;
}

/// A plugin's description.
#[derive(Debug, Clone, PartialEq)]
pub struct Description {
    /// The crate's name.
    pub name: &'static str,
    /// The crate's version.
    pub version: &'static str,
    /// What has keys.
    pub primary: Primary,
    /// What else is watched.
    pub related: Vec<(Watch, Mapping)>,
    /// What it applies.
    pub applies: Vec<Applies>,
    /// What it needs beyond that.
    pub needs: Vec<Need>,
    /// JSON schema of its config.
    pub config: Option<Value>,
    /// Whether primaries get a finalizer.
    pub finalizer: bool,
    /// Whether it writes the primary's status.
    pub status: bool,
    /// Whether it sends Events.
    pub events: bool,
}

/// What a plugin's keys are.
#[derive(Debug, Clone, PartialEq)]
pub enum Primary {
    /// One key per object.
    Object(Watch),
    /// One key per member.
    Member,
}

/// One watched kind.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Watch {
    /// `apps/v1/Deployment`.
    pub kind: &'static str,
    /// The resource's plural where it is not the regular one.
    pub plural: Option<&'static str>,
    /// Namespaces; empty means all.
    pub namespaces: Vec<&'static str>,
    /// Label selector.
    pub labels: &'static str,
    /// Field selector.
    pub fields: &'static str,
    /// Which changes count.
    pub trigger: Trigger,
    /// What the plugin sees; `None` means all of it.
    pub projection: Option<Vec<&'static str>>,
}

/// Which changes count.
#[derive(Debug, Clone, Default, PartialEq)]
pub enum Trigger {
    /// Any that the plugin can see.
    #[default]
    Any,
    /// A new generation.
    Generation,
    /// A change under these paths.
    Paths(Vec<&'static str>),
}

/// How a related object maps to keys.
#[derive(Debug, Clone, PartialEq)]
pub enum Mapping {
    /// By owner references.
    Owner,
    /// By a label's value.
    Label(&'static str),
    /// By an annotation's value.
    Annotation(&'static str),
    /// By its own name.
    Name,
    /// By its namespace.
    Namespace,
    /// By the values at a path.
    Path(&'static str),
    /// To the member's key.
    Member,
    /// To no key.
    None,
}

/// One applied kind.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Applies {
    /// `v1/ConfigMap`.
    pub kind: &'static str,
    /// The resource's plural where it is not the regular one.
    pub plural: Option<&'static str>,
    /// Whether it is part of a set (and may be deleted).
    pub set: bool,
    /// Whether its status is applied too.
    pub status: bool,
}

/// One further need.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Need {
    /// API groups.
    pub api_groups: Vec<String>,
    /// Plurals.
    pub resources: Vec<String>,
    /// Verbs.
    pub verbs: Vec<String>,
}

impl Need {
    /// One kind's need for some verbs.
    pub fn of(kind: &str, plural: Option<&str>, verbs: &[&str]) -> Self {
        Self::resource(&Gvk::parse(kind), &plural_of(kind, plural), verbs)
    }

    fn resource(gvk: &Gvk, resource: &str, verbs: &[&str]) -> Self {
        Self {
            api_groups: vec![gvk.group.clone()],
            resources: vec![resource.into()],
            verbs: verbs.iter().map(|v| (*v).into()).collect(),
        }
    }
}

/// The regular plural of a kind, as API conventions make it: lower case, with `s`, `es` or `ies`.
fn plural_of(kind: &str, plural: Option<&str>) -> String {
    if let Some(plural) = plural {
        return plural.into();
    }
    let singular = Gvk::parse(kind).kind.to_ascii_lowercase();
    let vowel = |c: Option<char>| c.is_some_and(|c| "aeiou".contains(c));
    match singular.chars().last() {
        Some('s' | 'x' | 'z') => format!("{singular}es"),
        _ if singular.ends_with("ch") || singular.ends_with("sh") => format!("{singular}es"),
        Some('y') if !vowel(singular.chars().rev().nth(1)) => format!("{}ies", &singular[..singular.len() - 1]),
        _ => format!("{singular}s"),
    }
}

impl Description {
    /// The JSON of the contract's description.
    pub fn to_json(&self) -> Value {
        let mut json = serde_json::json!({
            "name": self.name,
            "version": self.version,
            "primary": match &self.primary {
                Primary::Object(watch) => serde_json::json!({ "object": watch.to_json() }),
                Primary::Member => serde_json::json!({ "member": {} }),
            },
            "related": self.related.iter().map(related).collect::<Vec<_>>(),
            "applies": self.applies.iter().map(|a| gvk(a.kind)).collect::<Vec<_>>(),
            "needs": self.all_needs(),
            "finalizer": self.finalizer,
        });
        if let Some(config) = &self.config {
            json["config"] = config.clone();
        }
        json
    }

    /// What watches, applies, status, events and the finalizer imply, then what was asked for besides.
    fn all_needs(&self) -> Vec<Need> {
        let mut needs = Vec::new();
        if let Primary::Object(watch) = &self.primary {
            let (gvk, plural) = (Gvk::parse(watch.kind), plural_of(watch.kind, watch.plural));
            needs.push(Need::resource(&gvk, &plural, &["get", "list", "watch"]));
            if self.finalizer {
                needs.push(Need::resource(&gvk, &plural, &["patch"]));
            }
            if self.status {
                needs.push(Need::resource(&gvk, &format!("{plural}/status"), &["patch"]));
            }
        }
        for (watch, _) in &self.related {
            needs.push(Need::of(watch.kind, watch.plural, &["get", "list", "watch"]));
        }
        for applies in &self.applies {
            let verbs: &[&str] = match applies.set {
                true => &["get", "list", "watch", "create", "patch", "delete"],
                false => &["get", "list", "watch", "create", "patch"],
            };
            needs.push(Need::of(applies.kind, applies.plural, verbs));
            if applies.status {
                let plural = format!("{}/status", plural_of(applies.kind, applies.plural));
                needs.push(Need::resource(&Gvk::parse(applies.kind), &plural, &["patch"]));
            }
        }
        if self.events {
            needs.push(Need::of("events.k8s.io/v1/Event", None, &["create", "patch"]));
        }
        needs.extend(self.needs.iter().cloned());
        needs
    }
}

fn gvk(kind: &str) -> Value {
    let Gvk { group, version, kind } = Gvk::parse(kind);
    serde_json::json!({ "group": group, "version": version, "kind": kind })
}

impl Watch {
    fn to_json(&self) -> Value {
        let mut json = gvk(self.kind);
        json["scope"] =
            serde_json::json!({ "namespaces": self.namespaces, "labels": self.labels, "fields": self.fields });
        json["trigger"] = match &self.trigger {
            Trigger::Any => "any".into(),
            Trigger::Generation => "generation".into(),
            Trigger::Paths(paths) => serde_json::json!({ "paths": paths }),
        };
        if let Some(projection) = &self.projection {
            json["projection"] = serde_json::json!(projection);
        }
        json
    }
}

fn related((watch, mapping): &(Watch, Mapping)) -> Value {
    let mut json = watch.to_json();
    json["map"] = match mapping {
        Mapping::Owner => serde_json::json!({ "owner": {} }),
        Mapping::Label(key) => serde_json::json!({ "label": key }),
        Mapping::Annotation(key) => serde_json::json!({ "annotation": key }),
        Mapping::Name => serde_json::json!({ "name": {} }),
        Mapping::Namespace => serde_json::json!({ "namespace": {} }),
        Mapping::Path(path) => serde_json::json!({ "path": path }),
        Mapping::Member => serde_json::json!({ "member": {} }),
        Mapping::None => serde_json::json!({ "none": {} }),
    };
    json
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plurals_follow_the_api_conventions() {
        for (kind, plural) in [
            ("v1/Namespace", "namespaces"),
            ("networking.k8s.io/v1/NetworkPolicy", "networkpolicies"),
            ("networking.k8s.io/v1/Ingress", "ingresses"),
            ("v1/ResourceQuota", "resourcequotas"),
            ("gateway.networking.k8s.io/v1/Gateway", "gateways"),
        ] {
            assert_eq!(plural_of(kind, None), plural);
        }
        assert_eq!(plural_of("v1/Endpoints", Some("endpoints")), "endpoints");
    }
}
