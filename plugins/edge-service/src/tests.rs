//! The plugin on plain values, and its YAML against what it needs.

use motet_core::{description::Description, grant::Permissions, plugin::PluginSpec};
use motet_sdk::{Intent, Next, ObjectRef, Rejected, testing::Case};

use super::*;

const KIND: &str = "apps.motet.dev/v1/EdgeService";

fn edge() -> Value {
    json!({
        "apiVersion": "apps.motet.dev/v1",
        "kind": "EdgeService",
        "metadata": { "name": "web", "namespace": "shop", "uid": "u-1", "generation": 3 },
        "spec": { "image": "nginx:1.29", "replicas": 2, "port": 8080, "env": { "MODE": "edge" }, "host": "web.example" },
    })
}

fn deployment(ready: i32) -> Value {
    json!({
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": { "name": "web", "namespace": "shop", "generation": 1 },
        "status": {
            "observedGeneration": 1,
            "readyReplicas": ready,
            "updatedReplicas": 2,
            "conditions": [{ "type": "Available", "status": if ready > 0 { "True" } else { "False" },
                "reason": "MinimumReplicasAvailable", "message": "Deployment has minimum availability." }],
        },
    })
}

fn status(outcome: &Outcome) -> Value {
    outcome.status_of(KIND, Some("shop"), "web").unwrap()
}

fn condition<'a>(status: &'a Value, kind: &str) -> &'a Value {
    status["conditions"].as_array().unwrap().iter().find(|c| c["type"] == kind).unwrap()
}

#[test]
fn a_deployment_and_a_service_are_owned_by_the_edge_service() {
    let outcome = Case::object(edge()).run(reconcile).unwrap();
    let deployment = outcome.applied(DEPLOYMENT, Some("shop"), "web").unwrap();
    let container = &deployment["spec"]["template"]["spec"]["containers"][0];
    assert_eq!((&container["image"], &deployment["spec"]["replicas"]), (&json!("nginx:1.29"), &json!(2)));
    assert_eq!(container["env"], json!([{ "name": "MODE", "value": "edge" }]));
    let service = outcome.applied("v1/Service", Some("shop"), "web").unwrap();
    assert_eq!(service["spec"]["ports"][0]["port"], 8080);
    assert_eq!(service["metadata"]["annotations"]["external-dns.alpha.kubernetes.io/hostname"], "web.example");
    assert_eq!(service["spec"]["selector"], deployment["spec"]["template"]["metadata"]["labels"]);
    for child in [deployment, service] {
        let owner = &child["metadata"]["ownerReferences"][0];
        assert_eq!(
            (&owner["uid"], &owner["kind"], &owner["controller"]),
            (&json!("u-1"), &json!("EdgeService"), &json!(true))
        );
    }
}

#[test]
fn the_status_follows_the_deployment() {
    let none = status(&Case::object(edge()).run(reconcile).unwrap());
    assert_eq!((&none["readyReplicas"], &condition(&none, "Accepted")["status"]), (&json!(0), &json!("Unknown")));
    let half = status(&Case::object(edge()).with([deployment(1)]).run(reconcile).unwrap());
    assert_eq!(condition(&half, "Ready")["message"], "1 of 2 replicas are ready");
    assert_eq!(
        (&condition(&half, "Ready")["status"], &condition(&half, "Available")["status"]),
        (&json!("False"), &json!("True"))
    );
    let all = status(&Case::object(edge()).with([deployment(2)]).run(reconcile).unwrap());
    assert_eq!((&all["readyReplicas"], &all["observedGeneration"]), (&json!(2), &json!(3)));
    assert_eq!(condition(&all, "Ready")["status"], "True");
    // Ready replicas of the old generation are not what was asked for.
    let mut old = deployment(2);
    old["metadata"]["generation"] = json!(2);
    let rolling = status(&Case::object(edge()).with([old]).run(reconcile).unwrap());
    assert_eq!(condition(&rolling, "Ready")["reason"], "RollingOut");
}

#[test]
fn a_settled_status_is_written_the_same_again() {
    let first = status(&Case::object(edge()).with([deployment(2)]).run(reconcile).unwrap());
    let mut with_status = edge();
    with_status["status"] = first.clone();
    for c in with_status["status"]["conditions"].as_array_mut().unwrap() {
        c["lastTransitionTime"] = json!("2020-01-01T00:00:00Z");
    }
    let second = status(&Case::object(with_status.clone()).with([deployment(2)]).run(reconcile).unwrap());
    assert_eq!(second, with_status["status"]);
    let third = status(&Case::object(with_status).with([deployment(1)]).run(reconcile).unwrap());
    assert_eq!(condition(&third, "Accepted")["lastTransitionTime"], "2020-01-01T00:00:00Z");
    assert_ne!(condition(&third, "Ready")["lastTransitionTime"], "2020-01-01T00:00:00Z");
}

#[test]
fn a_refused_write_is_shown() {
    let refused = Rejected {
        object: ObjectRef::namespaced(DEPLOYMENT, "shop", "web"),
        verb: "apply".into(),
        code: 403,
        reason: "Forbidden".into(),
        message: "admission webhook \"images.example\" denied the request: nginx is not signed".into(),
        causes: vec![],
    };
    let status = status(&Case::object(edge()).with([deployment(2)]).previous(refused).run(reconcile).unwrap());
    let accepted = condition(&status, "Accepted");
    assert_eq!((&accepted["status"], &accepted["reason"]), (&json!("False"), &json!("Forbidden")));
    assert!(accepted["message"].as_str().unwrap().contains("nginx is not signed"), "{accepted}");
    // The old pods are all there, but they do not run what is asked for.
    assert_eq!(condition(&status, "Ready")["reason"], "NotAccepted");
}

#[test]
fn clean_up_waits_for_the_deployment() {
    let waiting = Case::object(edge()).with([deployment(2)]).deleting().run(reconcile).unwrap();
    assert!(matches!(waiting.intents(), [Intent::ApplySet { objects, .. }] if objects.is_empty()));
    assert!(waiting.keeps_finalizer() && waiting.next() == Next::After(CLEAN_UP_AGAIN));
    let done = Case::object(edge()).deleting().run(reconcile).unwrap();
    assert!(!done.keeps_finalizer() && done.next() == Next::Changed);
}

#[test]
fn the_grants_are_what_it_needs_and_no_more() {
    let described = <super::MotetPlugin as motet_sdk::Plugin>::describe().to_json();
    let needs = serde_json::from_value::<Description>(described).unwrap().needs;
    let yaml: Value = serde_yaml::from_str(include_str!("../edge-service.yaml")).unwrap();
    let grants = serde_json::from_value::<PluginSpec>(yaml["spec"].clone()).unwrap().grants;
    let missing = Permissions::new(needs.clone(), grants.clone()).missing();
    assert!(missing.is_empty(), "not granted: {missing:?}");
    let unused = Permissions::new(grants, needs).missing();
    assert!(unused.is_empty(), "granted but not needed: {unused:?}");
}

#[test]
fn the_definition_has_every_field_of_the_spec() {
    let crd: Value = serde_yaml::from_str(include_str!("../crd.yaml")).unwrap();
    let version = &crd["spec"]["versions"][0];
    assert_eq!((&version["name"], &crd["spec"]["group"]), (&json!("v1"), &json!("apps.motet.dev")));
    let properties = &version["schema"]["openAPIV3Schema"]["properties"];
    for field in edge()["spec"].as_object().unwrap().keys() {
        assert!(properties["spec"]["properties"].get(field).is_some(), "spec.{field}");
    }
    let status = status(&Case::object(edge()).with([deployment(2)]).run(reconcile).unwrap());
    for field in status.as_object().unwrap().keys() {
        assert!(properties["status"]["properties"].get(field).is_some(), "status.{field}");
    }
}
