//! What a plugin must not give itself by what it applies. The host writes with its own rights, so the API server's own check
//! (`rbac.authorization.k8s.io`: escalate, bind) would pass anything that the host may do: the same rule is held here against what
//! the plugin may do.

use serde_json::Value;

use crate::grant::{Access, Permissions};

const RBAC: &str = "rbac.authorization.k8s.io";

/// Whether `permissions` let a plugin write this Role, ClusterRole or binding; other kinds always pass. The error says what would
/// have to be granted.
pub fn check(permissions: &Permissions, access: &Access<'_>, object: &Value) -> Result<(), String> {
    if access.group != RBAC {
        return Ok(());
    }
    match access.resource {
        "roles" | "clusterroles" => role(permissions, access, object),
        "rolebindings" | "clusterrolebindings" => binding(permissions, access, object),
        _ => Ok(()),
    }
}

/// Whether a patch, of which only the server knows what it makes of the object, may go to a kind of access control.
pub fn check_patch(permissions: &Permissions, access: &Access<'_>) -> Result<(), String> {
    if access.group != RBAC {
        return Ok(());
    }
    let verb = if access.resource.contains("binding") { "bind" } else { "escalate" };
    needs_verb(
        permissions,
        access,
        verb,
        "what a patch makes of access control cannot be told beforehand: apply the object instead",
    )
}

fn needs_verb(permissions: &Permissions, access: &Access<'_>, verb: &str, why: &str) -> Result<(), String> {
    let wanted = Access { verb, ..*access };
    if permissions.allow(&wanted) {
        Ok(())
    } else {
        Err(format!("{why}, or let the plugin need and its Plugin grant: {wanted}"))
    }
}

/// Every rule must be one that the plugin could make use of itself.
fn role(permissions: &Permissions, access: &Access<'_>, object: &Value) -> Result<(), String> {
    if permissions.allow(&Access { verb: "escalate", ..*access }) {
        return Ok(());
    }
    if !object["aggregationRule"].is_null() {
        return needs_verb(permissions, access, "escalate", "an aggregated role gives what others put into it");
    }
    for rule in object["rules"].as_array().into_iter().flatten() {
        let list = |field: &str| -> Vec<&str> {
            rule[field].as_array().into_iter().flatten().filter_map(Value::as_str).collect()
        };
        if !list("nonResourceURLs").is_empty() {
            return needs_verb(
                permissions,
                access,
                "escalate",
                "the role gives nonResourceURLs, which no grant covers",
            );
        }
        let (groups, resources, verbs, names) =
            (list("apiGroups"), list("resources"), list("verbs"), list("resourceNames"));
        let names: Vec<Option<&str>> =
            if names.is_empty() { vec![None] } else { names.into_iter().map(Some).collect() };
        // A Role gives its own namespace only.
        let namespace = access.namespace;
        for (group, resource, verb) in product(&groups, &resources, &verbs) {
            for name in &names {
                let given = Access { group, resource, verb, namespace, name: *name };
                if !permissions.allow(&given) {
                    let why = format!("the role would give more than the plugin itself may do ({given})");
                    return needs_verb(permissions, access, "escalate", &why);
                }
            }
        }
    }
    Ok(())
}

fn product<'a>(groups: &[&'a str], resources: &[&'a str], verbs: &[&'a str]) -> Vec<(&'a str, &'a str, &'a str)> {
    let mut all = Vec::new();
    for group in groups {
        for resource in resources {
            all.extend(verbs.iter().map(|verb| (*group, *resource, *verb)));
        }
    }
    all
}

/// What the role behind a reference gives may change at any time: binding it has to be granted by name.
fn binding(permissions: &Permissions, access: &Access<'_>, object: &Value) -> Result<(), String> {
    let kind = object["roleRef"]["kind"].as_str().unwrap_or_default();
    let name = object["roleRef"]["name"].as_str();
    let (resource, namespace) = match kind {
        "Role" => ("roles", access.namespace),
        "ClusterRole" => ("clusterroles", None),
        other => return Err(format!("roleRef names the kind {other:?}, which is neither Role nor ClusterRole")),
    };
    let wanted = Access { group: RBAC, resource, verb: "bind", namespace, name };
    if permissions.allow(&wanted) {
        return Ok(());
    }
    Err(format!(
        "binding a role gives whatever it gives, now and later: the plugin must need and its Plugin must grant {wanted}"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::grant::Rule;
    use serde_json::json;

    fn permissions(rules: Value) -> Permissions {
        let rules: Vec<Rule> = serde_json::from_value(rules).unwrap();
        Permissions::new(rules.clone(), rules)
    }

    fn rule(group: &str, resource: &str, verbs: &[&str]) -> Value {
        json!({ "apiGroups": [group], "resources": [resource], "verbs": verbs })
    }

    fn access<'a>(resource: &'a str, namespace: Option<&'a str>) -> Access<'a> {
        Access { group: RBAC, resource, verb: "create", namespace, name: Some("x") }
    }

    #[test]
    fn a_role_gives_at_most_what_the_plugin_may_do() {
        let plugin =
            permissions(json!([rule("", "configmaps", &["get", "patch"]), rule(RBAC, "roles", &["create", "patch"])]));
        let role = |rules: Value| check(&plugin, &access("roles", Some("n")), &json!({ "rules": rules }));
        assert!(role(json!([rule("", "configmaps", &["get"])])).is_ok());
        assert!(role(json!([])).is_ok());
        for (rules, word) in [
            (json!([rule("", "configmaps", &["delete"])]), "delete configmaps"),
            (json!([rule("", "configmaps", &["*"])]), "* configmaps"),
            (json!([rule("*", "*", &["get"])]), "get *"),
            (json!([rule("", "secrets", &["get"])]), "get secrets"),
            (json!([rule("", "users", &["impersonate"])]), "impersonate users"),
            (json!([{ "nonResourceURLs": ["/metrics"], "verbs": ["get"] }]), "nonResourceURLs"),
        ] {
            let error = role(rules).unwrap_err();
            assert!(error.contains(word) && error.contains("escalate"), "{error}");
        }
        let aggregated = json!({ "aggregationRule": { "clusterRoleSelectors": [] } });
        assert!(check(&plugin, &access("clusterroles", None), &aggregated).is_err());
    }

    #[test]
    fn a_cluster_role_gives_everywhere_what_a_namespaced_grant_does_not() {
        let mut here = rule("", "configmaps", &["get"]);
        here["namespaces"] = json!(["n"]);
        let plugin = permissions(json!([here]));
        let given = json!({ "rules": [rule("", "configmaps", &["get"])] });
        assert!(check(&plugin, &access("roles", Some("n")), &given).is_ok());
        assert!(check(&plugin, &access("clusterroles", None), &given).is_err());
    }

    #[test]
    fn binding_and_escalating_are_granted_by_name_only() {
        let object =
            json!({ "roleRef": { "kind": "ClusterRole", "name": "view" }, "rules": [rule("", "secrets", &["get"])] });
        let stars = permissions(json!([rule(RBAC, "clusterroles", &["*"]), rule(RBAC, "rolebindings", &["*"])]));
        assert!(check(&stars, &access("rolebindings", Some("n")), &object).unwrap_err().contains("bind"));
        assert!(check(&stars, &access("clusterroles", None), &object).is_err());
        assert!(check_patch(&stars, &access("clusterroles", None)).is_err());
        let mut bind = rule(RBAC, "clusterroles", &["bind", "escalate"]);
        bind["resourceNames"] = json!(["view"]);
        let named = permissions(json!([bind]));
        assert!(check(&named, &access("rolebindings", Some("n")), &object).is_ok());
        let other = json!({ "roleRef": { "kind": "ClusterRole", "name": "cluster-admin" } });
        assert!(check(&named, &access("rolebindings", Some("n")), &other).is_err());
        assert!(check(&named, &access("clusterrolebindings", None), &json!({ "roleRef": {} })).is_err());
    }

    #[test]
    fn other_kinds_are_not_its_business() {
        let none = Permissions::default();
        let pods = Access { group: "", resource: "pods", verb: "create", namespace: None, name: None };
        assert!(check(&none, &pods, &json!({})).is_ok() && check_patch(&none, &pods).is_ok());
    }
}
