//! Every namespace labelled `motet.dev/baseline=true` has a NetworkPolicy, a ResourceQuota and a LimitRange.

mod config;

use config::Config;
use motet_sdk::prelude::*;

/// The name of each of the three.
const NAME: &str = "motet-baseline";

#[motet_sdk::plugin(
    watch("v1/Namespace", labels = "motet.dev/baseline=true", projection = ["/metadata/deletionTimestamp"]),
    applies("networking.k8s.io/v1/NetworkPolicy", set),
    applies("v1/ResourceQuota", set),
    applies("v1/LimitRange", set),
)]
fn reconcile(ctx: &Context<Config>) -> Result<Outcome> {
    let namespace = ctx.primary::<Object>()?.filter(|n| n.metadata.deletion_timestamp.is_none());
    // A namespace that is gone or lost its label leaves an empty set: what was there is deleted.
    let objects = match &namespace {
        Some(namespace) => baseline(&namespace.metadata.name, ctx.config()),
        None => vec![],
    };
    Ok(Outcome::new().apply_set("", objects))
}

fn baseline(namespace: &str, config: &Config) -> Vec<Value> {
    let metadata = json!({ "name": NAME, "namespace": namespace });
    vec![
        json!({
            "apiVersion": "networking.k8s.io/v1",
            "kind": "NetworkPolicy",
            "metadata": metadata,
            "spec": { "podSelector": {}, "policyTypes": config.policy_types() },
        }),
        json!({
            "apiVersion": "v1",
            "kind": "ResourceQuota",
            "metadata": metadata,
            "spec": { "hard": config.quota },
        }),
        json!({
            "apiVersion": "v1",
            "kind": "LimitRange",
            "metadata": metadata,
            "spec": { "limits": [{
                "type": "Container",
                "default": config.container.limits,
                "defaultRequest": config.container.requests,
            }] },
        }),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use motet_core::grant::Permissions;
    use motet_sdk::{Intent, testing::Case};

    fn labelled() -> Case<Config> {
        Case::object(json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop"}}))
            .config(Config::default())
    }

    #[test]
    fn a_labelled_namespace_gets_all_three() {
        let outcome = labelled().run(reconcile).unwrap();
        let policy = outcome.applied("networking.k8s.io/v1/NetworkPolicy", Some("shop"), NAME).unwrap();
        assert_eq!(policy["spec"]["policyTypes"], json!(["Ingress"]));
        let quota = outcome.applied("v1/ResourceQuota", Some("shop"), NAME).unwrap();
        assert_eq!(quota["spec"]["hard"], json!({"pods": "20", "requests.cpu": "4", "requests.memory": "8Gi"}));
        assert!(outcome.applied("v1/LimitRange", Some("shop"), NAME).is_some());
    }

    #[test]
    fn a_namespace_that_left_keeps_none() {
        for case in [
            Case::gone(None, "shop"),
            Case::object(json!({"apiVersion": "v1", "kind": "Namespace",
            "metadata": {"name": "shop", "deletionTimestamp": "2026-01-01T00:00:00Z"}})),
        ] {
            let outcome = case.config(Config::default()).run(reconcile).unwrap();
            assert!(matches!(outcome.intents(), [Intent::ApplySet { objects, .. }] if objects.is_empty()));
        }
    }

    #[test]
    fn config_changes_what_is_applied() {
        let config = motet_sdk::testing::config::<Config>(json!({"denyEgress": true, "quota": {"pods": "5"}})).unwrap();
        let outcome = labelled().config(config).run(reconcile).unwrap();
        let policy = outcome.applied("networking.k8s.io/v1/NetworkPolicy", Some("shop"), NAME).unwrap();
        assert_eq!(policy["spec"]["policyTypes"], json!(["Ingress", "Egress"]));
        let quota = outcome.applied("v1/ResourceQuota", Some("shop"), NAME).unwrap();
        assert_eq!(quota["spec"]["hard"], json!({"pods": "5"}));
    }

    #[test]
    fn the_grants_are_what_it_needs_and_no_more() {
        let described = <super::MotetPlugin as motet_sdk::Plugin>::describe().to_json();
        let needs = serde_json::from_value::<motet_core::description::Description>(described).unwrap().needs;
        let yaml: Value = serde_yaml::from_str(include_str!("../namespace-baseline.yaml")).unwrap();
        let spec: motet_core::plugin::PluginSpec = serde_json::from_value(yaml["spec"].clone()).unwrap();
        let missing = Permissions::new(needs.clone(), spec.grants.clone()).missing();
        assert!(missing.is_empty(), "not granted: {missing:?}");
        let unused = Permissions::new(spec.grants, needs).missing();
        assert!(unused.is_empty(), "granted but not needed: {unused:?}");
    }
}
