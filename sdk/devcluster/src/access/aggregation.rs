//! Keeps ClusterRoles with an aggregation rule at what the roles that they select say.

use serde_json::{Value, json};

use super::rbac::CLUSTER_ROLES;
use crate::apply::managers::{Identity, Managers};
use crate::apply::{self, Reach};
use crate::defaults;
use crate::object;
use crate::store::State;

const VERSION: &str = "rbac.authorization.k8s.io/v1";

/// Brings all aggregated roles up to date. Done after a ClusterRole changed.
pub(crate) fn run(state: &mut State) {
    let roles: Vec<Value> = state.range(CLUSTER_ROLES, "", None).map(|s| s.value()).collect();
    let Some(resource) = state.resource("rbac.authorization.k8s.io", "clusterroles") else { return };
    let Some(version) = resource.version("v1") else { return };
    for role in &roles {
        let Some(rules) = wanted(&roles, role) else { continue };
        let mut base = role.clone();
        let mut managers = Managers::take(&mut base);
        let mut config = json!({"apiVersion": VERSION, "kind": "ClusterRole", "metadata": {"name": role["metadata"]["name"]}, "rules": rules});
        if rules.as_array().is_some_and(Vec::is_empty)
            && let Some(config) = config.as_object_mut()
        {
            config.remove("rules");
        }
        let who = Identity::applier("clusterrole-aggregation-controller", VERSION, "");
        let mode = (Reach::Everything, true);
        let mut body = apply::apply(version.ty(), &base, &config, &mut managers, &who, mode, &object::now()).object;
        if body["rules"].is_null() {
            // A role without rules says so.
            body["rules"] = Value::Null;
        }
        managers.put_into(&mut body);
        defaults::fill(&resource, &version.name, &mut body);
        state.put(&resource, body);
    }
}

/// What a role with an aggregation rule is to say, where that differs from what it says.
fn wanted(roles: &[Value], role: &Value) -> Option<Value> {
    let selectors = role["aggregationRule"]["clusterRoleSelectors"].as_array()?;
    let mut rules: Vec<&Value> = Vec::new();
    for selector in selectors {
        let others = roles.iter().filter(|r| r["metadata"]["name"] != role["metadata"]["name"] && selects(selector, r));
        for rule in others.flat_map(|other| other["rules"].as_array().into_iter().flatten()) {
            if !rules.contains(&rule) {
                rules.push(rule);
            }
        }
    }
    let held: Vec<&Value> = role["rules"].as_array().into_iter().flatten().collect();
    (held != rules).then(|| rules.into_iter().cloned().collect())
}

fn selects(selector: &Value, object: &Value) -> bool {
    let label = |key: &str| object["metadata"]["labels"].get(key).and_then(Value::as_str);
    let equal = |(key, value): (&String, &Value)| label(key) == value.as_str();
    let holds = |test: &Value| {
        let found = label(test["key"].as_str().unwrap_or_default());
        let listed = test["values"].as_array().into_iter().flatten().any(|v| v.as_str() == found);
        match test["operator"].as_str() {
            Some("In") => found.is_some() && listed,
            Some("NotIn") => found.is_none() || !listed,
            Some("Exists") => found.is_some(),
            Some("DoesNotExist") => found.is_none(),
            _ => false,
        }
    };
    selector["matchLabels"].as_object().into_iter().flatten().all(equal)
        && selector["matchExpressions"].as_array().into_iter().flatten().all(holds)
}
