//! Kinds of the core group that hold data: ConfigMaps, Secrets, accounts, quotas, events.

use anyhow::Result;
use motet_conformance::{Talk, cases};
use serde_json::{Value, json};

use crate::cases::tools::{change_each, create_each, lives, with};

cases! { "kinds":
    config_maps, an_immutable_config_map, secrets, secrets_are_checked, an_immutable_secret,
    config_maps_are_checked, types_of_secrets_are_checked, what_secrets_warn_of, service_accounts, service_accounts_change, resource_quotas_are_checked, events_of_the_core_group, events_of_their_own_group, pod_templates, namespaces_have_labels,
}

async fn config_maps(talk: &Talk) -> Result<()> {
    talk.namespace().await?;
    lives(talk, &talk.path("v1", "configmaps"), &[
        json!({ "metadata": { "name": "least" } }),
        json!({ "metadata": { "name": "empty" }, "data": {}, "binaryData": {}, "immutable": false }),
        json!({ "metadata": { "name": "all", "annotations": { "x": "y" }, "labels": { "a": "b" } }, "data": { "a": "", "b.c_d-E": "text\nlines" }, "binaryData": { "z": "AAEC" } }),
    ]).await
}

async fn an_immutable_config_map(talk: &Talk) -> Result<()> {
    talk.namespace().await?;
    let map =
        json!({ "metadata": { "name": "c" }, "data": { "a": "b" }, "binaryData": { "x": "AAEC" }, "immutable": true });
    change_each(
        talk,
        &talk.path("v1", "configmaps"),
        &map,
        &[
            ("/data/a", json!("c")),
            ("/data/b", json!("c")),
            ("/immutable", json!(false)),
            ("/immutable", Value::Null),
            ("/binaryData", json!({})),
            ("/metadata/labels", json!({ "a": "b" })),
            ("/data", Value::Null),
        ],
    )
    .await
}

async fn secrets(talk: &Talk) -> Result<()> {
    talk.namespace().await?;
    lives(talk, &talk.path("v1", "secrets"), &[
        json!({ "metadata": { "name": "least" } }),
        json!({ "metadata": { "name": "texts" }, "data": { "a": "b2xk", "b": "" }, "stringData": { "a": "new", "c": "ü" } }),
        json!({ "metadata": { "name": "typed" }, "type": "example.com/mine", "immutable": true, "data": { "x": "AAEC" } }),
    ]).await
}

async fn secrets_are_checked(talk: &Talk) -> Result<()> {
    talk.namespace().await?;
    let secret = json!({ "metadata": { "name": "s" }, "data": { "a": "YQ==" } });
    create_each(
        talk,
        &talk.path("v1", "secrets"),
        &secret,
        &[
            ("/data", json!({ "not ok": "YQ==" })),
            ("/data/a", json!("no base64!")),
            ("/data/a", json!("YQ")),
            ("/stringData", json!({ "a/b": "x" })),
            ("/stringData", json!({ "a": 1 })),
            ("/type", json!("")),
        ],
    )
    .await?;
    change_each(
        talk,
        &talk.path("v1", "secrets"),
        &secret,
        &[
            ("/type", json!("other/type")),
            ("/type", Value::Null),
            ("/data", Value::Null),
            ("/stringData", json!({ "b": "c" })),
        ],
    )
    .await
}

async fn an_immutable_secret(talk: &Talk) -> Result<()> {
    talk.namespace().await?;
    let secret = json!({ "metadata": { "name": "s" }, "data": { "a": "YQ==" }, "immutable": true });
    change_each(
        talk,
        &talk.path("v1", "secrets"),
        &secret,
        &[
            ("/data/a", json!("Yg==")),
            ("/stringData", json!({ "a": "x" })),
            ("/immutable", json!(false)),
            ("/immutable", Value::Null),
            ("/metadata/annotations", json!({ "a": "b" })),
        ],
    )
    .await
}

async fn service_accounts(talk: &Talk) -> Result<()> {
    talk.namespace().await?;
    lives(talk, &talk.path("v1", "serviceaccounts"), &[
        json!({ "metadata": { "name": "least" } }),
        json!({ "metadata": { "name": "all" }, "secrets": [{ "name": "s" }], "imagePullSecrets": [{ "name": "p" }], "automountServiceAccountToken": false }),
        json!({ "metadata": { "name": "empty" }, "secrets": [], "imagePullSecrets": [] }),
    ]).await
}

async fn resource_quotas_are_checked(talk: &Talk) -> Result<()> {
    talk.namespace().await?;
    let quota = json!({ "metadata": { "name": "q" }, "spec": { "hard": { "pods": "1" } } });
    create_each(
        talk,
        &talk.path("v1", "resourcequotas"),
        &quota,
        &[
            ("/spec/hard", json!({ "pods": "-1" })),
            ("/spec/hard", json!({ "pods": "1.5" })),
            ("/spec/hard", json!({ "bad name": "1" })),
            ("/spec/hard", json!({ "cpu": "x" })),
            ("/spec/hard", json!({ "nonsense": "1" })),
            ("/spec/scopes", json!(["Nonsense"])),
            ("/spec/scopes", json!(["BestEffort", "NotBestEffort"])),
            ("/spec/hard", json!({ "requests.storage": "5Gi", "services": 3 })),
        ],
    )
    .await?;
    change_each(
        talk,
        &talk.path("v1", "resourcequotas"),
        &quota,
        &[("/spec/hard/pods", json!("2")), ("/spec/scopes", json!(["BestEffort"]))],
    )
    .await
}

async fn config_maps_are_checked(talk: &Talk) -> Result<()> {
    talk.namespace().await?;
    let path = talk.path("v1", "configmaps");
    let map = json!({ "metadata": { "name": "c" }, "data": { "a": "b" } });
    create_each(
        talk,
        &path,
        &map,
        &[
            ("/data", json!({ "": "x" })),
            ("/data", json!({ "a b": "x" })),
            ("/data", json!({ ".": "x" })),
            ("/data", json!({ "..a": "x" })),
            ("/data", json!({ "a": 1 })),
            ("/data", json!({ "a": null })),
            ("/data", json!({ "a".repeat(254): "x" })),
            ("/data", json!({ "a": "x".repeat(1_048_577) })),
            ("/binaryData", json!({ "a": "AAEC" })),
            ("/binaryData", json!({ "a b": "AAEC" })),
            ("/binaryData", json!({ "b": "no base64!" })),
            ("/binaryData", json!({ "b": "A".repeat(1_398_104) })),
            ("/immutable", json!("x")),
        ],
    )
    .await?;
    change_each(
        talk,
        &path,
        &map,
        &[
            ("/immutable", json!(true)),
            ("/data", json!({ "a b": "x" })),
            ("/data", Value::Null),
            ("/binaryData", json!({ "a": "AAEC" })),
        ],
    )
    .await
}

async fn types_of_secrets_are_checked(talk: &Talk) -> Result<()> {
    talk.namespace().await?;
    let base = json!({ "metadata": { "name": "s" } });
    let typed =
        |kind: &str, data: Value| with(&base, &[("/type", json!(format!("kubernetes.io/{kind}"))), ("/data", data)]);
    let path = talk.path("v1", "secrets");
    // `{}`, `{`, `[]`, `x` and nothing.
    let texts = ["e30=", "ew==", "W10=", "eA==", ""];
    let mut secrets = vec![
        typed("service-account-token", json!({})),
        with(
            &typed("service-account-token", json!({})),
            &[("/metadata/annotations", json!({ "kubernetes.io/service-account.name": "" }))],
        ),
        typed("basic-auth", json!({})),
        typed("basic-auth", json!({ "username": "" })),
        typed("basic-auth", json!({ "password": "eA==" })),
        typed("ssh-auth", json!({})),
        typed("ssh-auth", json!({ "ssh-privatekey": "" })),
        typed("ssh-auth", json!({ "ssh-privatekey": "eA==" })),
        typed("tls", json!({})),
        typed("tls", json!({ "tls.crt": "" })),
        typed("tls", json!({ "tls.key": "eA==" })),
        typed("dockercfg", json!({})),
        typed("dockerconfigjson", json!({ ".dockercfg": "e30=" })),
        typed("nonsense", json!({})),
    ];
    secrets.extend(texts.iter().map(|text| typed("dockerconfigjson", json!({ ".dockerconfigjson": text }))));
    secrets.extend(texts.iter().map(|text| typed("dockercfg", json!({ ".dockercfg": text }))));
    for (n, secret) in secrets.into_iter().enumerate() {
        talk.post(&format!("{path}?dryRun=All&n={n}"), &secret).await?;
    }
    change_each(
        talk,
        &path,
        &typed("tls", json!({ "tls.crt": "", "tls.key": "" })),
        &[
            ("/type", json!("Opaque")),
            ("/data", json!({})),
            ("/data/more", json!("eA==")),
            ("/data/tls.key", Value::Null),
        ],
    )
    .await
}

async fn what_secrets_warn_of(talk: &Talk) -> Result<()> {
    talk.namespace().await?;
    let path = talk.path("v1", "secrets");
    let tls = json!({ "metadata": { "name": "t" }, "type": "kubernetes.io/tls", "data": { "tls.crt": "eA==", "tls.key": "eA==" } });
    create_each(
        talk,
        &path,
        &tls,
        &[("/data/tls.crt", json!("")), ("/data/tls.key", json!("LS0tLS1CRUdJTiBSU0EgUFJJVkFURSBLRVktLS0tLQo="))],
    )
    .await
}

async fn service_accounts_change(talk: &Talk) -> Result<()> {
    talk.namespace().await?;
    let base = json!({ "metadata": { "name": "a" } });
    let path = talk.path("v1", "serviceaccounts");
    create_each(
        talk,
        &path,
        &base,
        &[
            ("/metadata/name", json!("Not_Ok")),
            ("/metadata/annotations", json!({ "kubernetes.io/enforce-mountable-secrets": "true" })),
            ("/metadata/annotations", json!({ "kubernetes.io/enforce-mountable-secrets": "false" })),
            ("/secrets", json!([{ "name": "a" }, { "name": "a" }])),
            ("/secrets", json!([{ "name": "a", "namespace": "b", "kind": "c" }])),
            ("/imagePullSecrets", json!([{}])),
            ("/automountServiceAccountToken", json!("x")),
        ],
    )
    .await?;
    change_each(
        talk,
        &path,
        &base,
        &[
            ("/secrets", json!([{ "name": "b" }])),
            ("/automountServiceAccountToken", json!(true)),
            ("/metadata/annotations", json!({ "kubernetes.io/enforce-mountable-secrets": "true" })),
        ],
    )
    .await
}

fn event(talk: &Talk, name: &str) -> Value {
    json!({ "metadata": { "name": name }, "involvedObject": { "kind": "Pod", "name": "p", "namespace": talk.id(), "apiVersion": "v1" },
        "reason": "Tested", "message": "well", "type": "Normal" })
}

async fn events_of_the_core_group(talk: &Talk) -> Result<()> {
    talk.namespace().await?;
    let all = with(
        &event(talk, "all"),
        &[
            ("/source", json!({ "component": "c", "host": "h" })),
            ("/firstTimestamp", json!("2020-01-01T00:00:00Z")),
            ("/lastTimestamp", json!("2020-01-02T00:00:00Z")),
            ("/count", json!(3)),
            ("/series", json!({ "count": 2, "lastObservedTime": "2020-01-01T00:00:00.123456Z" })),
            ("/eventTime", json!("2020-01-01T00:00:00.000001Z")),
            ("/action", json!("Act")),
            ("/reportingComponent", json!("example.com/c")),
            ("/reportingInstance", json!("i")),
            ("/related", json!({ "kind": "Node", "name": "n" })),
        ],
    );
    lives(talk, &talk.path("v1", "events"), &[event(talk, "least"), all]).await
}

async fn events_of_their_own_group(talk: &Talk) -> Result<()> {
    talk.namespace().await?;
    let base = json!({ "metadata": { "name": "e" }, "eventTime": "2020-01-01T00:00:00.000001Z", "reportingController": "example.com/c", "reportingInstance": "i", "action": "Act", "reason": "R", "type": "Normal", "note": "n",
        "regarding": { "kind": "Pod", "name": "p", "namespace": talk.id() }, "series": { "count": 2, "lastObservedTime": "2020-01-01T00:00:00.000001Z" } });
    let own = talk.path("events.k8s.io/v1", "events");
    talk.post(&own, &base).await?;
    talk.get(&format!("{}/e", talk.path("v1", "events"))).await?;
    talk.get(&own).await?;
    talk.post(&talk.path("v1", "events"), &event(talk, "core")).await?;
    talk.get(&format!("{own}/core")).await?;
    talk.delete(&format!("{own}/e")).await?;
    Ok(())
}

async fn pod_templates(talk: &Talk) -> Result<()> {
    talk.namespace().await?;
    let path = talk.path("v1", "podtemplates");
    let least = json!({ "metadata": { "name": "least" }, "template": { "metadata": { "labels": { "a": "b" } }, "spec": { "containers": [{ "name": "c", "image": "i" }] } } });
    lives(talk, &path, std::slice::from_ref(&least)).await?;
    create_each(
        talk,
        &path,
        &least,
        &[
            ("/template", Value::Null),
            ("/template/spec", json!({})),
            ("/template/spec/containers/0/image", Value::Null),
        ],
    )
    .await
}

async fn namespaces_have_labels(talk: &Talk) -> Result<()> {
    let name = format!("{}-l", talk.id());
    let namespace =
        json!({ "metadata": { "name": name, "labels": { "kubernetes.io/metadata.name": "other", "a": "b" } } });
    let made = talk.post("/api/v1/namespaces", &namespace).await?;
    let path = format!("/api/v1/namespaces/{name}");
    talk.put(&path, &with(&made.body, &[("/metadata/labels", json!({}))])).await?;
    talk.patch(&path, motet_conformance::talk::patch::MERGE, &json!({ "metadata": { "labels": null } })).await?;
    talk.delete(&path).await?;
    Ok(())
}
