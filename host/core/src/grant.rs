//! Needs and grants: RBAC-shaped rules, and the one function that decides.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::names::SYSTEM_NAMESPACE;

/// Where a rule holds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub enum On {
    /// On the members that the plugin is bound to.
    #[default]
    Member,
}

/// A need or a grant: the shape of an RBAC `PolicyRule`, plus where. Empty lists of namespaces and resource names mean all.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Rule {
    /// Where. kubectl reads YAML 1.1, in which the key `on` is the boolean `true`.
    #[serde(default, alias = "true")]
    pub on: On,
    /// API groups; `""` is the core group, `*` every group.
    pub api_groups: Vec<String>,
    /// Resources (plural), or `RESOURCE/status`; `*` every resource.
    pub resources: Vec<String>,
    /// Verbs as the host sends them: `get`, `list`, `watch`, `create`, `patch`, `delete`; `*` every verb.
    pub verbs: Vec<String>,
    /// Namespaces; empty means all, and cluster-scoped objects.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub namespaces: Vec<String>,
    /// Object names; empty means all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub resource_names: Vec<String>,
}

/// One thing the host is about to do for a plugin. `None` for namespace or name asks about all of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Access<'a> {
    /// API group.
    pub group: &'a str,
    /// Plural, or `PLURAL/status`.
    pub resource: &'a str,
    /// One of the host's verbs.
    pub verb: &'a str,
    /// The namespace; `None` for cluster-scoped objects and for calls across all namespaces.
    pub namespace: Option<&'a str>,
    /// The object's name; `None` for lists and watches.
    pub name: Option<&'a str>,
}

impl fmt::Display for Access<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.verb, self.resource)?;
        if !self.group.is_empty() {
            write!(f, ".{}", self.group)?;
        }
        if let Some(name) = self.name {
            write!(f, " {name:?}")?;
        }
        if let Some(namespace) = self.namespace {
            write!(f, " in namespace {namespace:?}")?;
        }
        Ok(())
    }
}

/// Groups that a wildcard never covers: access control, what speaks for the API server (webhooks, aggregated APIs), identities,
/// and Motet's own objects. Whoever wants them must be named to get them.
const SENSITIVE_GROUPS: [&str; 7] = [
    "rbac.authorization.k8s.io",
    "motet.dev",
    "admissionregistration.k8s.io",
    "apiregistration.k8s.io",
    "certificates.k8s.io",
    "authentication.k8s.io",
    "authorization.k8s.io",
];

/// Verbs that a wildcard never covers: they are about giving rights, or being somebody else.
const SENSITIVE_VERBS: [&str; 3] = ["bind", "escalate", "impersonate"];

fn sensitive(group: &str, resource: &str) -> bool {
    let core = matches!(resource.split('/').next(), Some("secrets")) || resource == "serviceaccounts/token";
    (group.is_empty() && core) || SENSITIVE_GROUPS.contains(&group)
}

impl Rule {
    /// Whether this rule alone allows `access`.
    pub fn allows(&self, access: &Access<'_>) -> bool {
        let sensitive = sensitive(access.group, access.resource);
        let listed = |list: &[String], value: &str| list.iter().any(|x| x == value || (x == "*" && !sensitive));
        listed(&self.api_groups, access.group)
            && listed(&self.resources, access.resource)
            && self.verbs.iter().any(|v| v == access.verb || (v == "*" && !SENSITIVE_VERBS.contains(&access.verb)))
            && (self.namespaces.is_empty() || access.namespace.is_some_and(|n| self.namespaces.iter().any(|x| x == n)))
            && (self.resource_names.is_empty()
                || access.name.is_some_and(|n| self.resource_names.iter().any(|x| x == n)))
    }
}

impl Rule {
    /// Whether this rule means Motet's own where `access` is about it: everything in its namespace, that namespace, and the
    /// definitions of its kinds.
    fn names_what_is_motets(&self, access: &Access<'_>) -> bool {
        let name = access.name.unwrap_or_default();
        let is =
            |group: &str, resource: &str| access.group == group && access.resource.split('/').next() == Some(resource);
        let own_namespace = is("", "namespaces") && name == SYSTEM_NAMESPACE;
        let own_definition = is("apiextensions.k8s.io", "customresourcedefinitions") && name.ends_with(".motet.dev");
        let read = matches!(access.verb, "get" | "list" | "watch");
        if access.namespace == Some(SYSTEM_NAMESPACE) {
            return self.namespaces.iter().any(|n| n == SYSTEM_NAMESPACE);
        }
        !(own_namespace || own_definition) || read || self.resource_names.iter().any(|n| n == name)
    }

    /// Whether this rule means the namespace `namespace` and not only all of them.
    pub fn names_namespace(&self, namespace: &str) -> bool {
        self.namespaces.iter().any(|n| n == namespace)
    }
}

/// What a binding may do: what the plugin needs and the operator grants.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Permissions {
    /// What the plugin asks for.
    needs: Vec<Rule>,
    /// What the operator lets it do.
    grants: Vec<Rule>,
}

impl Permissions {
    /// The intersection of both, taken at every check.
    pub fn new(needs: Vec<Rule>, grants: Vec<Rule>) -> Self {
        Self { needs, grants }
    }

    /// Whether both a need and a grant allow `access`. What Motet itself lives on, a grant has to name.
    pub fn allow(&self, access: &Access<'_>) -> bool {
        self.needs.iter().any(|r| r.allows(access))
            && self.grants.iter().any(|r| r.allows(access) && r.names_what_is_motets(access))
    }

    /// Whether a list of `group`'s `resource` in all namespaces must leave out Motet's own.
    pub fn leaves_out_motets(&self, group: &str, resource: &str) -> bool {
        let named = |r: &Rule| {
            r.names_namespace(SYSTEM_NAMESPACE)
                && r.allows(&Access { group, resource, verb: "list", namespace: Some(SYSTEM_NAMESPACE), name: None })
        };
        (group, resource) == ("", "secrets") && !self.grants.iter().any(named)
    }

    /// The needs that no grants cover, reduced to what is missing: what a grant would have to add.
    pub fn missing(&self) -> Vec<Rule> {
        self.needs.iter().flat_map(|need| missing_from(need, &self.grants)).collect()
    }
}

fn missing_from(need: &Rule, grants: &[Rule]) -> Vec<Rule> {
    let any = |list: &[String]| -> Vec<Option<String>> {
        if list.is_empty() { vec![None] } else { list.iter().cloned().map(Some).collect() }
    };
    let mut missing: Vec<Rule> = Vec::new();
    for group in &need.api_groups {
        for resource in &need.resources {
            for namespace in any(&need.namespaces) {
                for name in any(&need.resource_names) {
                    let verbs: Vec<String> = need
                        .verbs
                        .iter()
                        .filter(|verb| {
                            let access = Access {
                                group,
                                resource,
                                verb,
                                namespace: namespace.as_deref(),
                                name: name.as_deref(),
                            };
                            !grants.iter().any(|g| g.allows(&access))
                        })
                        .cloned()
                        .collect();
                    if !verbs.is_empty() {
                        missing.push(Rule {
                            on: need.on,
                            api_groups: vec![group.clone()],
                            resources: vec![resource.clone()],
                            verbs,
                            namespaces: namespace.iter().cloned().collect(),
                            resource_names: name.iter().cloned().collect(),
                        });
                    }
                }
            }
        }
    }
    missing
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(group: &str, resource: &str, verb: &str, namespace: &str, name: &str) -> Rule {
        let list = |s: &str| s.split(',').filter(|s| !s.is_empty()).map(String::from).collect::<Vec<_>>();
        Rule {
            on: On::Member,
            api_groups: vec![group.into()],
            resources: list(resource),
            verbs: list(verb),
            namespaces: list(namespace),
            resource_names: list(name),
        }
    }

    fn access<'a>(group: &'a str, resource: &'a str, verb: &'a str, ns: &'a str, name: &'a str) -> Access<'a> {
        let some = |s: &'a str| (!s.is_empty()).then_some(s);
        Access { group, resource, verb, namespace: some(ns), name: some(name) }
    }

    #[test]
    fn on_is_read_as_kubectl_sends_it() {
        for key in ["on", "true"] {
            let json = format!(r#"{{"{key}":"Member","apiGroups":[""],"resources":["pods"],"verbs":["get"]}}"#);
            assert_eq!(serde_json::from_str::<Rule>(&json).unwrap(), rule("", "pods", "get", "", ""));
        }
    }

    #[test]
    fn a_rule_allows_exactly_what_it_names() {
        let r = rule("", "configmaps", "get,patch", "a", "x,y");
        assert!(r.allows(&access("", "configmaps", "get", "a", "x")));
        for other in [
            access("apps", "configmaps", "get", "a", "x"),
            access("", "pods", "get", "a", "x"),
            access("", "configmaps/status", "get", "a", "x"),
            access("", "configmaps", "delete", "a", "x"),
            access("", "configmaps", "get", "b", "x"),
            access("", "configmaps", "get", "", "x"),
            access("", "configmaps", "get", "a", "z"),
            access("", "configmaps", "get", "a", ""),
        ] {
            assert!(!r.allows(&other), "{other}");
        }
    }

    #[test]
    fn wildcards_never_cover_secrets_rbac_or_motet() {
        let all = rule("*", "*", "*", "", "");
        assert!(all.allows(&access("apps", "deployments", "delete", "a", "x")));
        for other in [
            access("", "secrets", "get", "a", "x"),
            access("", "secrets/status", "get", "a", "x"),
            access("rbac.authorization.k8s.io", "roles", "get", "a", "x"),
            access("motet.dev", "plugins", "get", "", "x"),
            access("admissionregistration.k8s.io", "validatingwebhookconfigurations", "create", "", "x"),
            access("certificates.k8s.io", "certificatesigningrequests/approval", "patch", "", "x"),
            access("", "serviceaccounts/token", "create", "a", "x"),
            access("", "users", "impersonate", "", "x"),
        ] {
            assert!(!all.allows(&other), "{other}");
        }
        assert!(rule("", "secrets", "get", "", "").allows(&access("", "secrets", "get", "a", "x")));
    }

    #[test]
    fn permission_is_the_intersection_and_the_rest_is_named() {
        let p = Permissions::new(
            vec![rule("", "pods,nodes", "get,list", "", "")],
            vec![rule("", "pods", "get,list,delete", "", ""), rule("", "nodes", "get", "", "")],
        );
        assert!(p.allow(&access("", "pods", "list", "", "")));
        assert!(!p.allow(&access("", "pods", "delete", "a", "x")), "granted but not needed");
        assert_eq!(p.missing(), vec![rule("", "nodes", "list", "", "")]);
    }

    #[test]
    fn what_motet_lives_on_has_to_be_named() {
        let wide = Permissions::new(
            vec![rule("*", "*", "*", "", ""), rule("", "secrets", "*", "", "")],
            vec![rule("*", "*", "*", "", ""), rule("", "secrets", "*", "", "")],
        );
        assert!(wide.allow(&access("", "secrets", "get", "shop", "x")));
        for own in [
            access("", "secrets", "get", "motet-system", "edge-1"),
            access("", "configmaps", "patch", "motet-system", "motet-p"),
            access("", "pods", "create", "motet-system", "x"),
            access("", "namespaces", "delete", "", "motet-system"),
            access("apiextensions.k8s.io", "customresourcedefinitions", "delete", "", "plugins.motet.dev"),
        ] {
            assert!(!wide.allow(&own), "{own}");
        }
        assert!(wide.allow(&access("", "namespaces", "get", "", "motet-system")));
        assert!(wide.leaves_out_motets("", "secrets") && !wide.leaves_out_motets("", "configmaps"));
        let named = Permissions::new(
            vec![rule("", "secrets", "*", "", "")],
            vec![rule("", "secrets", "*", "motet-system", "")],
        );
        assert!(named.allow(&access("", "secrets", "get", "motet-system", "edge-1")));
        assert!(!named.leaves_out_motets("", "secrets"));
    }
}
