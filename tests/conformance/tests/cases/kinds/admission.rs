//! What admission is configured by: webhooks, policies and their bindings. None of them ever applies to anything here.

use anyhow::Result;
use motet_conformance::{Talk, cases};
use serde_json::{Value, json};

use crate::cases::tools::{change_each, create_each, lives, with};

cases! { "kinds":
    validating_webhooks, validating_webhooks_are_checked, rules_of_webhooks_are_checked, addresses_of_webhooks_are_checked, what_stays_of_webhooks, mutating_webhooks,
    validating_policies, validating_policies_are_checked, parts_of_validating_policies_are_checked, a_status_of_a_policy_is_checked, bindings_of_validating_policies,
    bindings_of_validating_policies_are_checked, mutating_policies, mutating_policies_are_checked, bindings_of_mutating_policies,
}

const GROUP: &str = "/apis/admissionregistration.k8s.io/v1";

pub(super) fn path(plural: &str) -> String {
    format!("{GROUP}/{plural}")
}

fn rule(talk: &Talk) -> Value {
    json!({ "apiGroups": [format!("{}.example.org", talk.id())], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["none"] })
}

fn hook(talk: &Talk) -> Value {
    json!({ "name": "a.example.org", "rules": [rule(talk)], "clientConfig": { "url": "https://example.org/x" }, "sideEffects": "None", "admissionReviewVersions": ["v1"] })
}

pub(super) fn webhooks(talk: &Talk, end: &str) -> Value {
    json!({ "metadata": { "name": format!("{}-{end}", talk.id()) }, "webhooks": [hook(talk)] })
}

async fn validating_webhooks(talk: &Talk) -> Result<()> {
    let full = json!({ "name": "b.example.org", "rules": [with(&rule(talk), &[("/scope", json!("Namespaced"))])], "sideEffects": "NoneOnDryRun", "admissionReviewVersions": ["v1beta1", "v1"],
        "clientConfig": { "service": { "name": "s", "namespace": "n", "path": "/a/b" }, "caBundle": "YQ==" }, "failurePolicy": "Ignore", "matchPolicy": "Exact", "timeoutSeconds": 3,
        "namespaceSelector": { "matchLabels": { "a": "b" } }, "objectSelector": { "matchExpressions": [{ "key": "k", "operator": "Exists" }] },
        "matchConditions": [{ "name": "c", "expression": "request.name != 'x'" }] });
    lives(
        talk,
        &path("validatingwebhookconfigurations"),
        &[
            json!({ "metadata": { "name": format!("{}-none", talk.id()) } }),
            with(&webhooks(talk, "empty"), &[("/webhooks", json!([]))]),
            webhooks(talk, "least"),
            with(&webhooks(talk, "all"), &[("/webhooks/1", full)]),
        ],
    )
    .await
}

async fn validating_webhooks_are_checked(talk: &Talk) -> Result<()> {
    create_each(
        talk,
        &path("validatingwebhookconfigurations"),
        &webhooks(talk, "w"),
        &[
            ("/webhooks/0/name", Value::Null),
            ("/webhooks/0/name", json!("short.name")),
            ("/webhooks/0/name", json!("Not_Ok.example.org")),
            ("/webhooks/1", hook(talk)),
            ("/webhooks/0/failurePolicy", json!("X")),
            ("/webhooks/0/matchPolicy", json!("X")),
            ("/webhooks/0/sideEffects", Value::Null),
            ("/webhooks/0/sideEffects", json!("Some")),
            ("/webhooks/0/sideEffects", json!("X")),
            ("/webhooks/0/timeoutSeconds", json!(0)),
            ("/webhooks/0/timeoutSeconds", json!(31)),
            ("/webhooks/0/admissionReviewVersions", Value::Null),
            ("/webhooks/0/admissionReviewVersions", json!(["v2"])),
            ("/webhooks/0/admissionReviewVersions", json!(["v1", "v1"])),
            ("/webhooks/0/admissionReviewVersions", json!(["v1", "Not_Ok"])),
            ("/webhooks/0/namespaceSelector", json!({ "matchLabels": { "a b": "c" } })),
            ("/webhooks/0/objectSelector", json!({ "matchExpressions": [{ "key": "k", "operator": "X" }] })),
            (
                "/webhooks/0/matchConditions",
                json!([{ "name": "a", "expression": "true" }, { "name": "a", "expression": "true" }]),
            ),
            ("/webhooks/0/matchConditions", json!([{ "name": "", "expression": " " }])),
            ("/webhooks/0/matchConditions", json!([{ "name": "not ok", "expression": "true" }])),
            ("/webhooks/0", json!({})),
        ],
    )
    .await
}

async fn rules_of_webhooks_are_checked(talk: &Talk) -> Result<()> {
    create_each(
        talk,
        &path("validatingwebhookconfigurations"),
        &webhooks(talk, "r"),
        &[
            ("/webhooks/0/rules/0", json!({})),
            ("/webhooks/0/rules/0/operations", json!(["*", "CREATE"])),
            ("/webhooks/0/rules/0/operations", json!(["X"])),
            ("/webhooks/0/rules/0/apiGroups", json!(["*", "a"])),
            ("/webhooks/0/rules/0/apiVersions", json!(["*", "v1"])),
            ("/webhooks/0/rules/0/apiVersions", json!([""])),
            ("/webhooks/0/rules/0/resources", json!([""])),
            ("/webhooks/0/rules/0/resources", json!(["*", "none"])),
            ("/webhooks/0/rules/0/resources", json!(["*/*", "none"])),
            ("/webhooks/0/rules/0/resources", json!(["none/*", "none/x"])),
            ("/webhooks/0/rules/0/resources", json!(["*/status", "none/status"])),
            ("/webhooks/0/rules/0/resources", json!(["none", "*"])),
            ("/webhooks/0/rules/0/scope", json!("X")),
        ],
    )
    .await
}

async fn addresses_of_webhooks_are_checked(talk: &Talk) -> Result<()> {
    let service = |changes: &[(&str, Value)]| with(&json!({ "service": { "name": "s", "namespace": "n" } }), changes);
    create_each(
        talk,
        &path("validatingwebhookconfigurations"),
        &webhooks(talk, "a"),
        &[
            ("/webhooks/0/clientConfig", json!({})),
            ("/webhooks/0/clientConfig", json!({ "url": "https://a/b", "service": { "name": "s", "namespace": "n" } })),
            ("/webhooks/0/clientConfig/url", json!("http://example.org/x")),
            ("/webhooks/0/clientConfig/url", json!("https:///x")),
            ("/webhooks/0/clientConfig/url", json!("")),
            ("/webhooks/0/clientConfig/url", json!("example.org")),
            ("/webhooks/0/clientConfig/url", json!("https://user:secret@example.org/x")),
            ("/webhooks/0/clientConfig/url", json!("https://user@example.org/x")),
            ("/webhooks/0/clientConfig/url", json!("https://example.org/x#f")),
            ("/webhooks/0/clientConfig/url", json!("https://example.org/x?q=1")),
            ("/webhooks/0/clientConfig/url", json!("HTTPS://example.org:8443/x")),
            ("/webhooks/0/clientConfig/caBundle", json!("bm9uZQ==")),
            ("/webhooks/0/clientConfig/caBundle", json!("no base64!")),
            ("/webhooks/0/clientConfig", service(&[("/service/name", Value::Null)])),
            ("/webhooks/0/clientConfig", service(&[("/service/namespace", Value::Null)])),
            ("/webhooks/0/clientConfig", service(&[("/service/port", json!(0))])),
            ("/webhooks/0/clientConfig", service(&[("/service/port", json!(65536))])),
            ("/webhooks/0/clientConfig", service(&[("/service/path", json!("//"))])),
            ("/webhooks/0/clientConfig", service(&[("/service/path", json!("a/b"))])),
            ("/webhooks/0/clientConfig", service(&[("/service/path", json!("/a//b"))])),
            ("/webhooks/0/clientConfig", service(&[("/service/path", json!("/Not_Ok/b/"))])),
        ],
    )
    .await
}

async fn what_stays_of_webhooks(talk: &Talk) -> Result<()> {
    change_each(
        talk,
        &path("validatingwebhookconfigurations"),
        &webhooks(talk, "c"),
        &[
            ("/webhooks", json!([])),
            ("/webhooks/0/sideEffects", json!("Some")),
            ("/webhooks/0/name", json!("b.example.org")),
            ("/webhooks/1", hook(talk)),
            ("/webhooks/0/matchConditions", json!([{ "name": "", "expression": "true" }])),
            ("/webhooks/0/admissionReviewVersions", json!(["v3"])),
            ("/metadata/labels", json!({ "a": "b" })),
        ],
    )
    .await
}

async fn mutating_webhooks(talk: &Talk) -> Result<()> {
    let path = path("mutatingwebhookconfigurations");
    let again = with(&webhooks(talk, "again"), &[("/webhooks/0/reinvocationPolicy", json!("IfNeeded"))]);
    lives(talk, &path, &[webhooks(talk, "least"), again]).await?;
    create_each(
        talk,
        &path,
        &webhooks(talk, "x"),
        &[
            ("/webhooks/0/reinvocationPolicy", json!("X")),
            ("/webhooks/0/name", json!("a.b")),
            ("/webhooks/0/timeoutSeconds", json!(99)),
            ("/webhooks/0/rules/0/operations", json!([])),
            ("/webhooks/0/clientConfig/url", json!("ftp://x")),
            ("/webhooks/0", json!({ "name": "a.example.org" })),
            ("/webhooks/1", hook(talk)),
        ],
    )
    .await?;
    change_each(
        talk,
        &path,
        &webhooks(talk, "y"),
        &[("/webhooks/0/reinvocationPolicy", json!("X")), ("/webhooks/0/sideEffects", json!("Unknown"))],
    )
    .await
}

pub(super) fn policy(talk: &Talk, end: &str) -> Value {
    json!({ "metadata": { "name": format!("{}-{end}", talk.id()) }, "spec": { "matchConstraints": { "resourceRules": [rule(talk)] }, "validations": [{ "expression": "object.metadata.name != 'x'" }] } })
}

async fn validating_policies(talk: &Talk) -> Result<()> {
    let full = json!({ "failurePolicy": "Ignore", "paramKind": { "apiVersion": "v1", "kind": "ConfigMap" },
        "matchConstraints": { "matchPolicy": "Exact", "namespaceSelector": { "matchLabels": { "a": "b" } }, "objectSelector": {}, "resourceRules": [with(&rule(talk), &[("/resourceNames", json!(["x"]))])], "excludeResourceRules": [rule(talk)] },
        "matchConditions": [{ "name": "c", "expression": "true" }], "variables": [{ "name": "v", "expression": "1" }],
        "validations": [{ "expression": "variables.v == 1", "message": "m", "reason": "Forbidden", "messageExpression": "'a'" }],
        "auditAnnotations": [{ "key": "k", "valueExpression": "'v'" }] });
    lives(
        talk,
        &path("validatingadmissionpolicies"),
        &[policy(talk, "least"), with(&policy(talk, "all"), &[("/spec", full)])],
    )
    .await
}

async fn validating_policies_are_checked(talk: &Talk) -> Result<()> {
    create_each(
        talk,
        &path("validatingadmissionpolicies"),
        &policy(talk, "p"),
        &[
            ("/spec", Value::Null),
            ("/spec/failurePolicy", json!("X")),
            ("/spec/paramKind", json!({})),
            ("/spec/paramKind", json!({ "apiVersion": "a/b/c", "kind": "K" })),
            ("/spec/paramKind", json!({ "apiVersion": "Not_Ok/v1", "kind": "K" })),
            ("/spec/paramKind", json!({ "apiVersion": "example.org/1", "kind": "Not_Ok" })),
            ("/spec/paramKind", json!({ "apiVersion": "example.org/", "kind": "K" })),
            ("/spec/matchConstraints", Value::Null),
            ("/spec/matchConstraints/resourceRules", json!([])),
            ("/spec/matchConstraints/resourceRules/0", json!({})),
            ("/spec/matchConstraints/resourceRules/0/resourceNames", json!(["a/b"])),
            ("/spec/matchConstraints/resourceRules/0/resourceNames", json!(["a", "a"])),
            ("/spec/matchConstraints/matchPolicy", json!("X")),
            ("/spec/matchConstraints/namespaceSelector", json!({ "matchLabels": { "a b": "c" } })),
            (
                "/spec/matchConstraints/objectSelector",
                json!({ "matchExpressions": [{ "key": "k", "operator": "In" }] }),
            ),
            ("/spec/matchConditions", json!([{ "name": "", "expression": "" }])),
        ],
    )
    .await
}

async fn parts_of_validating_policies_are_checked(talk: &Talk) -> Result<()> {
    create_each(
        talk,
        &path("validatingadmissionpolicies"),
        &policy(talk, "q"),
        &[
            ("/spec/validations", json!([])),
            ("/spec/validations/0/expression", json!(" ")),
            ("/spec/validations/0/message", json!(" ")),
            ("/spec/validations/0/message", json!("a\nb")),
            ("/spec/validations/0/messageExpression", json!(" ")),
            ("/spec/validations/0/reason", json!("NotFound")),
            ("/spec/validations/0/reason", json!("Invalid")),
            ("/spec/variables", json!([{ "name": "", "expression": "" }])),
            ("/spec/variables", json!([{ "name": "not ok", "expression": "1" }])),
            ("/spec/variables", json!([{ "name": "for", "expression": "1" }])),
            ("/spec/auditAnnotations", json!([{ "key": "k", "valueExpression": "" }])),
            ("/spec/auditAnnotations", json!([{ "key": "not ok", "valueExpression": "'x'" }])),
            (
                "/spec/auditAnnotations",
                json!([{ "key": "k", "valueExpression": "'x'" }, { "key": "k", "valueExpression": "'y'" }]),
            ),
        ],
    )
    .await?;
    change_each(
        talk,
        &path("validatingadmissionpolicies"),
        &policy(talk, "r"),
        &[
            ("/spec/failurePolicy", json!("Ignore")),
            ("/spec/validations", json!([])),
            ("/spec/matchConditions", json!([{ "name": "", "expression": "true" }])),
            ("/spec/validations/0/message", json!("m")),
        ],
    )
    .await
}

async fn a_status_of_a_policy_is_checked(talk: &Talk) -> Result<()> {
    let path = path("validatingadmissionpolicies");
    let made = talk.post(&path, &policy(talk, "s")).await?;
    for (n, status) in [
        json!({ "conditions": [{ "type": "a b", "status": "X", "reason": "" }] }),
        json!({ "conditions": [{ "type": "A", "status": "True", "reason": "not ok", "message": "", "lastTransitionTime": "2020-01-01T00:00:00Z" }] }),
        json!({ "typeChecking": { "expressionWarnings": [{ "fieldRef": "", "warning": "" }] } }),
    ]
    .into_iter()
    .enumerate()
    {
        let object = with(&made.body, &[("/status", status), ("/spec/failurePolicy", json!("Ignore"))]);
        talk.put(&format!("{path}/{}-s/status?dryRun=All&n={n}", talk.id()), &object).await?;
    }
    talk.ask(http::Method::DELETE, &format!("{path}/{}-s", talk.id())).unkept().send().await?;
    Ok(())
}

fn binding(talk: &Talk, end: &str) -> Value {
    json!({ "metadata": { "name": format!("{}-{end}", talk.id()) }, "spec": { "policyName": format!("{}-none", talk.id()), "validationActions": ["Audit"] } })
}

async fn bindings_of_validating_policies(talk: &Talk) -> Result<()> {
    let full = with(
        &binding(talk, "all"),
        &[
            (
                "/spec/paramRef",
                json!({ "selector": { "matchLabels": { "a": "b" } }, "namespace": "n", "parameterNotFoundAction": "Allow" }),
            ),
            (
                "/spec/matchResources",
                json!({ "resourceRules": [rule(talk)], "namespaceSelector": { "matchLabels": { "a": "b" } } }),
            ),
            ("/spec/validationActions", json!(["Warn", "Audit"])),
        ],
    );
    lives(talk, &path("validatingadmissionpolicybindings"), &[binding(talk, "least"), full]).await
}

async fn bindings_of_validating_policies_are_checked(talk: &Talk) -> Result<()> {
    create_each(
        talk,
        &path("validatingadmissionpolicybindings"),
        &binding(talk, "b"),
        &[
            ("/spec", Value::Null),
            ("/spec/policyName", json!("")),
            ("/spec/policyName", json!("Not_Ok")),
            ("/spec/validationActions", json!([])),
            ("/spec/validationActions", json!(["X"])),
            ("/spec/validationActions", json!(["Audit", "Audit"])),
            ("/spec/validationActions", json!(["Deny", "Warn"])),
            ("/spec/paramRef", json!({})),
            ("/spec/paramRef", json!({ "name": "a/b", "selector": {}, "parameterNotFoundAction": "X" })),
            ("/spec/paramRef", json!({ "name": "a", "parameterNotFoundAction": "Deny" })),
            (
                "/spec/paramRef",
                json!({ "selector": { "matchLabels": { "a b": "c" } }, "parameterNotFoundAction": "Deny" }),
            ),
            ("/spec/matchResources", json!({ "matchPolicy": "X", "resourceRules": [{}] })),
        ],
    )
    .await?;
    change_each(
        talk,
        &path("validatingadmissionpolicybindings"),
        &binding(talk, "c"),
        &[("/spec/policyName", json!("other")), ("/spec/validationActions", json!([]))],
    )
    .await
}

pub(super) fn mutation(talk: &Talk, end: &str) -> Value {
    json!({ "metadata": { "name": format!("{}-{end}", talk.id()) }, "spec": { "matchConstraints": { "resourceRules": [rule(talk)] }, "reinvocationPolicy": "Never",
        "mutations": [{ "patchType": "ApplyConfiguration", "applyConfiguration": { "expression": "Object{metadata: Object.metadata{labels: {'a': 'b'}}}" } }] } })
}

async fn mutating_policies(talk: &Talk) -> Result<()> {
    let json_patch = json!({ "patchType": "JSONPatch", "jsonPatch": { "expression": "[JSONPatch{op: 'add', path: '/metadata/labels/a', value: 'b'}]" } });
    lives(
        talk,
        &path("mutatingadmissionpolicies"),
        &[
            mutation(talk, "least"),
            with(
                &mutation(talk, "all"),
                &[("/spec/mutations/1", json_patch), ("/spec/failurePolicy", json!("Ignore"))],
            ),
        ],
    )
    .await
}

async fn mutating_policies_are_checked(talk: &Talk) -> Result<()> {
    create_each(
        talk,
        &path("mutatingadmissionpolicies"),
        &mutation(talk, "m"),
        &[
            ("/spec", Value::Null),
            ("/spec/mutations", json!([])),
            ("/spec/reinvocationPolicy", Value::Null),
            ("/spec/reinvocationPolicy", json!("X")),
            ("/spec/mutations/0", json!({})),
            ("/spec/mutations/0/patchType", json!("X")),
            ("/spec/mutations/0/patchType", json!("JSONPatch")),
            ("/spec/mutations/0/applyConfiguration", Value::Null),
            ("/spec/mutations/0/applyConfiguration/expression", json!(" ")),
            ("/spec/mutations/0/jsonPatch", json!({ "expression": "[]" })),
            ("/spec/matchConstraints/resourceRules/0/operations", json!(["DELETE"])),
        ],
    )
    .await
}

async fn bindings_of_mutating_policies(talk: &Talk) -> Result<()> {
    let path = path("mutatingadmissionpolicybindings");
    let base = json!({ "metadata": { "name": format!("{}-b", talk.id()) }, "spec": { "policyName": format!("{}-none", talk.id()) } });
    lives(talk, &path, std::slice::from_ref(&base)).await?;
    create_each(
        talk,
        &path,
        &base,
        &[
            ("/spec/policyName", json!("")),
            (
                "/spec/matchResources",
                json!({ "resourceRules": [with(&rule(talk), &[("/operations", json!(["DELETE"]))])] }),
            ),
            ("/spec/paramRef", json!({ "name": "a" })),
        ],
    )
    .await
}
