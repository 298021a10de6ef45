//! What a plugin says about itself: filled in by the attribute, written as the contract's description JSON.

mod render;

use schemars::Schema;
use serde_json::Value;

use crate::{Context, Outcome, Result};

pub use render::{length, render};

/// A plugin, as the attribute makes it from a function.
pub trait Plugin {
    /// Its config; `()` where it takes none.
    type Config: serde::de::DeserializeOwned + Default + 'static;

    /// What it is, watches and needs.
    const DESCRIPTION: Description;

    /// The same.
    fn describe() -> Description {
        Self::DESCRIPTION
    }

    /// One reconcile.
    fn reconcile(ctx: &Context<Self::Config>) -> Result<Outcome>;
}

/// A plugin's description.
#[derive(Debug, Clone, Copy)]
pub struct Description {
    /// The crate's name.
    pub name: &'static str,
    /// The crate's version.
    pub version: &'static str,
    /// What has keys.
    pub primary: Primary,
    /// What else is watched.
    pub related: &'static [(Watch, Mapping)],
    /// What it applies.
    pub applies: &'static [Applies],
    /// What it needs beyond that.
    pub needs: &'static [Need],
    /// Makes the JSON schema of its config.
    pub config: Option<fn() -> Schema>,
    /// Whether primaries get a finalizer.
    pub finalizer: bool,
    /// Whether it writes the primary's status.
    pub status: bool,
    /// Whether it sends Events.
    pub events: bool,
}

/// What a plugin's keys are.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Primary {
    /// One key per object.
    Object(Watch),
    /// One key per member.
    Member,
}

/// One watched kind.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Watch {
    /// `apps/v1/Deployment`.
    pub kind: &'static str,
    /// The resource's plural where it is not the regular one.
    pub plural: Option<&'static str>,
    /// Namespaces; empty means all.
    pub namespaces: &'static [&'static str],
    /// Label selector.
    pub labels: &'static str,
    /// Field selector.
    pub fields: &'static str,
    /// Which changes count.
    pub trigger: Trigger,
    /// What the plugin sees; `None` means all of it.
    pub projection: Option<&'static [&'static str]>,
}

/// Which changes count.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub enum Trigger {
    /// Any that the plugin can see.
    #[default]
    Any,
    /// A new generation.
    Generation,
    /// A change under these paths.
    Paths(&'static [&'static str]),
}

/// How a related object maps to keys.
#[derive(Debug, Clone, Copy, PartialEq)]
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
#[derive(Debug, Clone, Copy, Default, PartialEq)]
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
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Need {
    /// `v1/Secret`.
    pub kind: &'static str,
    /// The resource's plural where it is not the regular one.
    pub plural: Option<&'static str>,
    /// Verbs.
    pub verbs: &'static [&'static str],
}

impl Description {
    /// The JSON of the contract's description.
    pub fn to_json(&self) -> Value {
        let mut json = vec![0; length(self)];
        render::write(self, &mut json);
        let mut json: Value = serde_json::from_slice(&json).unwrap_or_default();
        if let Some(schema) = self.config {
            json["config"] = schema().into();
        }
        json
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const DESCRIPTION: Description = Description {
        name: "all-of-it",
        version: "1.2.3",
        primary: Primary::Object(Watch {
            kind: "apps.motet.dev/v1/EdgeService",
            plural: None,
            namespaces: &["a", "b"],
            labels: "x=\"\\",
            fields: "",
            trigger: Trigger::Paths(&["/spec"]),
            projection: None,
        }),
        related: &[
            (
                Watch {
                    kind: "v1/Pod",
                    plural: None,
                    namespaces: &[],
                    labels: "",
                    fields: "spec.nodeName=n",
                    trigger: Trigger::Generation,
                    projection: Some(&["/metadata/labels"]),
                },
                Mapping::Label("owner"),
            ),
            (
                Watch {
                    kind: "v1/Endpoints",
                    plural: Some("endpoints"),
                    namespaces: &[],
                    labels: "",
                    fields: "",
                    trigger: Trigger::Any,
                    projection: Some(&[]),
                },
                Mapping::Name,
            ),
        ],
        applies: &[
            Applies { kind: "v1/ConfigMap", plural: None, set: true, status: false },
            Applies { kind: "apps/v1/Deployment", plural: None, set: false, status: true },
        ],
        needs: &[Need { kind: "v1/Secret", plural: None, verbs: &["get"] }],
        config: None,
        finalizer: true,
        status: true,
        events: true,
    };

    const JSON: [u8; length(&DESCRIPTION)] = render(&DESCRIPTION);

    #[test]
    fn everything_that_can_be_said_is_in_the_json() {
        let json: Value = serde_json::from_slice(&JSON).unwrap();
        let scope = |fields: &str| json!({"namespaces": [], "labels": "", "fields": fields});
        let need = |group: &str, resource: &str, verbs: &str| json!({"apiGroups": [group], "resources": [resource], "verbs": verbs.split(' ').collect::<Vec<_>>()});
        let expected = json!({
            "name": "all-of-it", "version": "1.2.3", "finalizer": true,
            "primary": {"object": {"group": "apps.motet.dev", "version": "v1", "kind": "EdgeService", "trigger": {"paths": ["/spec"]},
                "scope": {"namespaces": ["a", "b"], "labels": "x=\"\\", "fields": ""}}},
            "related": [
                {"group": "", "version": "v1", "kind": "Pod", "scope": scope("spec.nodeName=n"), "trigger": "generation",
                    "projection": ["/metadata/labels"], "map": {"label": "owner"}},
                {"group": "", "version": "v1", "kind": "Endpoints", "scope": scope(""), "trigger": "any", "projection": [],
                    "map": {"name": {}}},
            ],
            "applies": [{"group": "", "version": "v1", "kind": "ConfigMap"}, {"group": "apps", "version": "v1", "kind": "Deployment"}],
            "needs": [
                need("apps.motet.dev", "edgeservices", "get list watch"),
                need("apps.motet.dev", "edgeservices", "patch"),
                need("apps.motet.dev", "edgeservices/status", "patch"),
                need("", "pods", "get list watch"),
                need("", "endpoints", "get list watch"),
                need("", "configmaps", "get list watch create patch delete"),
                need("apps", "deployments", "get list watch create patch"),
                need("apps", "deployments/status", "patch"),
                need("events.k8s.io", "events", "create patch"),
                need("", "secrets", "get"),
            ],
        });
        assert_eq!(json, expected);
        assert_eq!(DESCRIPTION.to_json(), expected);
    }

    #[test]
    fn plurals_follow_the_api_conventions() {
        for (kind, plural) in [
            ("v1/Namespace", "namespaces"),
            ("networking.k8s.io/v1/NetworkPolicy", "networkpolicies"),
            ("networking.k8s.io/v1/Ingress", "ingresses"),
            ("v1/ResourceQuota", "resourcequotas"),
            ("gateway.networking.k8s.io/v1/Gateway", "gateways"),
            ("v1/Patch", "patches"),
        ] {
            let needs = [Need { kind, plural: None, verbs: &[] }];
            // Leaked, since a description is made of constants.
            let json = Description { needs: Vec::leak(needs.to_vec()), ..DESCRIPTION }.to_json();
            assert_eq!(json["needs"].as_array().unwrap().last().unwrap()["resources"], json!([plural]));
        }
    }

    #[test]
    fn the_schema_of_the_config_is_added() {
        let description = Description { config: Some(|| schemars::json_schema!({"type": "object"})), ..DESCRIPTION };
        assert_eq!(description.to_json()["config"], json!({"type": "object"}));
        let appended = crate::guest::with_schema(&JSON, description.config.unwrap());
        assert_eq!(serde_json::from_slice::<Value>(&appended).unwrap(), description.to_json());
    }
}
