//! Digests of what a plugin owns, over bodies that were applied to a real kube-apiserver 1.36 and the objects it answered with.

// Test code throughout; clippy only knows the functions marked as tests.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use motet_core::{
    PluginName,
    owned::{OwnedDigest, owned_digest, owned_digests, owned_status_digest, sent_digest, sent_status_digest},
};
use serde_json::Value;

fn plugin() -> PluginName {
    PluginName::new("x").unwrap()
}

fn read(folder: &str, name: &str) -> Vec<u8> {
    let path = format!("{}/tests/fixtures/owned/{folder}/{name}.json", env!("CARGO_MANIFEST_DIR"));
    std::fs::read(&path).unwrap_or_else(|e| panic!("{path}: {e}"))
}

fn sent(name: &str) -> OwnedDigest {
    sent_digest(&read("sent", name)).unwrap()
}

fn stored(name: &str) -> OwnedDigest {
    owned_digest(&read("stored", name), &plugin()).expect("motet/x applied it")
}

#[test]
fn an_object_as_it_was_applied_has_the_digest_of_what_was_sent() {
    let kinds = "networkpolicy resourcequota limitrange service configmap secret widget configmap-zeros namespace role \
        rolebinding serviceaccount ingress cronjob pdb hpa pvc daemonset priorityclass";
    for name in kinds.split_whitespace() {
        assert_eq!(sent(name), stored(name), "{name}");
    }
}

#[test]
fn defaults_inside_an_atomic_field_are_a_difference_that_the_caller_remembers() {
    // The server adds `apiVersion` to the atomic fieldRef, and `protocol` to ports of the atomic ingress.
    for name in ["deployment", "networkpolicy-rules"] {
        assert_ne!(sent(name), stored(name), "{name}");
        assert_eq!(stored(name), stored(name), "{name}: but it is the same one each time");
    }
    let mut body: Value = serde_json::from_slice(&read("sent", "deployment")).unwrap();
    body["spec"]["template"]["spec"]["containers"][1]["env"][2]["valueFrom"]["fieldRef"]["apiVersion"] = "v1".into();
    assert_eq!(sent_digest(body.to_string().as_bytes()).unwrap(), stored("deployment"), "that is all that differs");
}

#[test]
fn a_taken_a_drifted_and_a_dropped_field_change_the_digest() {
    for (before, after) in [
        ("deployment", "deployment-taken"),
        ("deployment-taken", "deployment-drifted"),
        ("configmap", "configmap-dropped"),
        ("secret", "secret-drifted"),
    ] {
        assert_ne!(stored(before), stored(after), "{after}");
    }
}

#[test]
fn what_others_add_and_the_order_of_keyed_lists_do_not_change_it() {
    assert_eq!(stored("deployment-drifted"), stored("deployment-extended"), "another's env entry, before ours");
    let mut body: Value = serde_json::from_slice(&read("sent", "service")).unwrap();
    body["spec"]["ports"].as_array_mut().unwrap().reverse();
    assert_eq!(sent_digest(body.to_string().as_bytes()).unwrap(), stored("service"));
}

#[test]
fn the_status_has_a_digest_of_its_own() {
    let applied = read("stored", "widget-status");
    assert_eq!(
        owned_status_digest(&applied, &plugin()),
        Some(sent_status_digest(&read("sent", "widget-status")).unwrap())
    );
    assert_eq!(owned_digest(&applied, &plugin()), Some(stored("widget")), "and leaves that of the rest alone");
    let drifted = String::from_utf8(applied).unwrap().replace("\"ready\":1", "\"ready\":2");
    assert_ne!(
        owned_status_digest(drifted.as_bytes(), &plugin()),
        Some(sent_status_digest(&read("sent", "widget-status")).unwrap())
    );
}

#[test]
fn objects_that_no_plugin_applied_own_nothing() {
    assert_eq!(owned_digests(br#"{"metadata":{"name":"a"}}"#), vec![]);
    assert_eq!(owned_digests(br#"not json motet/x"#), vec![]);
    assert_eq!(owned_digest(&read("stored", "widget"), &PluginName::new("other").unwrap()), None);
}
