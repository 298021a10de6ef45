//! The RBAC that a member must give the host for some plugins' grants, and for what the host itself does there.

use std::{collections::BTreeMap, fmt::Write as _};

use anyhow::{Result, bail};
use motet_core::{grant::Rule, names::SYSTEM_NAMESPACE};
use serde_json::{Value, json};

use crate::{
    args::Rbac,
    plugin::{self, Plugin},
};

/// The label by which the ClusterRole `motet-member` of deploy/rbac-member.yaml takes rules in.
const AGGREGATE: &str = "rbac.motet.dev/aggregate-to-member";
const NAME: &str = "motet-plugins";
const GROUP: &str = "rbac.authorization.k8s.io";

/// Prints it.
pub(crate) fn run(args: &Rbac) -> Result<String> {
    let plugins = args.files.iter().map(|file| plugin::read(file)).collect::<Result<Vec<_>>>()?;
    yaml(&plugins, &args.subject, args.bind)
}

/// Everything as one YAML stream.
fn yaml(plugins: &[Plugin], subject: &str, bind: bool) -> Result<String> {
    let names: Vec<&str> = plugins.iter().map(|p| p.name.as_str()).collect();
    let mut text = format!("# What the host needs on a member for {}.\n", names.join(", "));
    text.push_str(
        "# The ClusterRole is taken in by the aggregated ClusterRole motet-member (deploy/rbac-member.yaml).\n",
    );
    if plugins.iter().flat_map(|p| &p.spec.grants).any(|g| g.resources.iter().chain(&g.api_groups).any(|r| r == "*")) {
        text.push_str("# A grant has a wildcard. Motet's wildcards never cover Secrets, RBAC or motet.dev; those of RBAC below do.\n");
    }
    let subject = parse_subject(subject)?;
    for object in objects(plugins, &subject, bind) {
        write!(text, "---\n{}", serde_yaml::to_string(&object)?)?;
    }
    Ok(text)
}

/// A ServiceAccount as `NAMESPACE/NAME`, else a user.
fn parse_subject(text: &str) -> Result<Value> {
    match text.split_once('/') {
        Some((namespace, name)) if !namespace.is_empty() && !name.is_empty() => {
            Ok(json!({ "kind": "ServiceAccount", "namespace": namespace, "name": name }))
        }
        None if !text.is_empty() => Ok(json!({ "kind": "User", "apiGroup": GROUP, "name": text })),
        _ => bail!("--subject {text:?} is neither NAMESPACE/NAME of a ServiceAccount nor a user"),
    }
}

fn objects(plugins: &[Plugin], subject: &Value, bind: bool) -> Vec<Value> {
    let mut everywhere = own_rules();
    let mut roles: BTreeMap<&str, Vec<Value>> = BTreeMap::from([(SYSTEM_NAMESPACE, record_rules().into())]);
    for grant in plugins.iter().flat_map(|p| &p.spec.grants) {
        if grant.namespaces.is_empty() {
            add(&mut everywhere, policy_rule(grant));
        }
        for namespace in &grant.namespaces {
            add(roles.entry(namespace).or_default(), policy_rule(grant));
        }
    }
    let api_version = format!("{GROUP}/v1");
    let mut objects = vec![
        // The Role below needs it before the host can make it.
        json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": SYSTEM_NAMESPACE } }),
        json!({ "apiVersion": api_version, "kind": "ClusterRole",
            "metadata": { "name": NAME, "labels": { AGGREGATE: "true" } }, "rules": everywhere }),
    ];
    if bind {
        objects.push(json!({ "apiVersion": api_version, "kind": "ClusterRoleBinding", "metadata": { "name": NAME },
            "roleRef": { "apiGroup": GROUP, "kind": "ClusterRole", "name": NAME }, "subjects": [subject] }));
    }
    for (namespace, rules) in roles {
        let metadata = json!({ "name": NAME, "namespace": namespace });
        objects.push(json!({ "apiVersion": api_version, "kind": "Role", "metadata": metadata, "rules": rules }));
        objects.push(json!({ "apiVersion": api_version, "kind": "RoleBinding", "metadata": metadata,
            "roleRef": { "apiGroup": GROUP, "kind": "Role", "name": NAME }, "subjects": [subject] }));
    }
    objects
}

/// A rule that says nothing new is left out.
fn add(rules: &mut Vec<Value>, rule: Value) {
    if !rules.contains(&rule) {
        rules.push(rule);
    }
}

/// What the host itself does on every member: tell it from others, probe it, discover it, report conflicts, and keep its namespace.
fn own_rules() -> Vec<Value> {
    vec![
        json!({ "nonResourceURLs": ["/readyz", "/version", "/api", "/api/*", "/apis", "/apis/*"], "verbs": ["get"] }),
        json!({ "apiGroups": [""], "resources": ["namespaces"], "resourceNames": ["kube-system"], "verbs": ["get"] }),
        json!({ "apiGroups": [""], "resources": ["namespaces"], "resourceNames": [SYSTEM_NAMESPACE], "verbs": ["get", "create", "patch"] }),
        json!({ "apiGroups": ["events.k8s.io"], "resources": ["events"], "verbs": ["create", "patch"] }),
    ]
}

/// The records of what plugins applied, and the Lease that says which host is at work.
fn record_rules() -> [Value; 2] {
    [
        json!({ "apiGroups": [""], "resources": ["configmaps"], "verbs": ["get", "list", "create", "patch", "delete"] }),
        json!({ "apiGroups": ["coordination.k8s.io"], "resources": ["leases"], "verbs": ["get", "create", "patch"] }),
    ]
}

fn policy_rule(grant: &Rule) -> Value {
    let mut rule = json!({ "apiGroups": grant.api_groups, "resources": grant.resources, "verbs": grant.verbs });
    if !grant.resource_names.is_empty() {
        rule["resourceNames"] = json!(grant.resource_names);
    }
    rule
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde::Deserialize as _;

    fn stream(grants: &str, subject: &str) -> Vec<Value> {
        let text = format!(
            "apiVersion: motet.dev/v1alpha1\nkind: Plugin\nmetadata: {{ name: x }}\nspec:\n  grants:\n{grants}"
        );
        let yaml = yaml(&[plugin::parse(&text).unwrap()], subject, true).unwrap();
        serde_yaml::Deserializer::from_str(&yaml).map(|d| Value::deserialize(d).unwrap()).collect()
    }

    fn rules<'a>(objects: &'a [Value], kind: &str, namespace: Option<&str>) -> &'a Vec<Value> {
        let is = |o: &&Value| o["kind"] == kind && o["metadata"]["namespace"].as_str() == namespace;
        objects.iter().find(is).unwrap()["rules"].as_array().unwrap()
    }

    #[test]
    fn grants_become_rules_where_they_hold() {
        let objects = stream(
            "    - { apiGroups: [apps], resources: [deployments], verbs: [get, patch], namespaces: [a, b] }
    - { apiGroups: [\"\"], resources: [pods], verbs: [list] }
    - { apiGroups: [\"\"], resources: [pods], verbs: [list] }
    - { apiGroups: [\"\"], resources: [secrets], verbs: [get], resourceNames: [tls] }
",
            "motet-system/motet",
        );
        let everywhere = rules(&objects, "ClusterRole", None);
        let pods = json!({ "apiGroups": [""], "resources": ["pods"], "verbs": ["list"] });
        assert_eq!(everywhere.iter().filter(|r| **r == pods).count(), 1);
        assert!(everywhere.contains(
            &json!({ "apiGroups": [""], "resources": ["secrets"], "verbs": ["get"], "resourceNames": ["tls"] })
        ));
        assert!(everywhere.iter().all(|r| r["resources"] != json!(["deployments"])));
        for namespace in ["a", "b"] {
            assert_eq!(rules(&objects, "Role", Some(namespace))[0]["resources"], json!(["deployments"]));
        }
        let role = objects.iter().find(|o| o["kind"] == "ClusterRole").unwrap();
        assert_eq!(role["metadata"]["labels"]["rbac.motet.dev/aggregate-to-member"], "true");
    }

    #[test]
    fn the_hosts_own_needs_are_there_and_bound() {
        let objects = stream("    []\n", "fleet-host");
        assert!(rules(&objects, "ClusterRole", None).iter().any(|r| r["resourceNames"] == json!(["kube-system"])));
        let own = rules(&objects, "Role", Some("motet-system"));
        assert!(own.iter().map(|r| &r["resources"]).eq(&[json!(["configmaps"]), json!(["leases"])]), "{own:?}");
        let binding = objects.iter().find(|o| o["kind"] == "RoleBinding").unwrap();
        assert_eq!(binding["subjects"], json!([{ "kind": "User", "apiGroup": GROUP, "name": "fleet-host" }]));
        assert!(objects.iter().any(|o| o["kind"] == "ClusterRoleBinding" && o["subjects"] == binding["subjects"]));
        assert!(parse_subject("a/").is_err() && parse_subject("").is_err());
    }

    #[test]
    fn a_misspelt_field_is_an_error() {
        let text = "apiVersion: motet.dev/v1alpha1\nkind: Plugin\nmetadata: { name: x }\nspec: { grant: [] }\n";
        assert!(plugin::parse(text).unwrap_err().to_string().contains("grant"));
        assert!(
            plugin::parse(&text.replace("Plugin", "Pod").replace("grant", "grants"))
                .unwrap_err()
                .to_string()
                .contains("Pod")
        );
    }
}
