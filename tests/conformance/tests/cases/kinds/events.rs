//! Events of both groups, limits and quotas.

use anyhow::Result;
use motet_conformance::{Talk, cases, talk::patch::MERGE};
use serde_json::{Value, json};

use crate::cases::tools::{change_each, create_each, lives, with};

cases! { "kinds":
    events_of_the_core_group_are_checked, timed_events_of_the_core_group_are_checked, events_of_their_own_group_are_checked, what_stays_of_an_event, events_in_the_other_group_are_changed,
    limit_ranges, limit_ranges_are_checked, amounts_of_limit_ranges_are_checked, names_in_limit_ranges_are_checked, limit_ranges_change,
    resource_quotas, scopes_of_quotas_are_checked, selectors_of_quotas_are_checked, a_status_of_a_quota_is_checked, quotas_warn,
}

const TIME: &str = "2020-01-01T00:00:00.000001Z";

fn old(talk: &Talk) -> Value {
    json!({ "metadata": { "name": "o" }, "involvedObject": { "kind": "Pod", "name": "p", "namespace": talk.id() }, "reason": "R", "type": "Normal" })
}

fn timed(talk: &Talk) -> Value {
    with(
        &old(talk),
        &[
            ("/eventTime", json!(TIME)),
            ("/reportingComponent", json!("example.com/c")),
            ("/reportingInstance", json!("i")),
            ("/action", json!("A")),
        ],
    )
}

fn own(talk: &Talk) -> Value {
    json!({ "metadata": { "name": "e" }, "eventTime": TIME, "reportingController": "example.com/c", "reportingInstance": "i", "action": "A", "reason": "R", "type": "Normal",
        "regarding": { "kind": "Pod", "name": "p", "namespace": talk.id() } })
}

async fn events_of_the_core_group_are_checked(talk: &Talk) -> Result<()> {
    talk.namespace().await?;
    create_each(
        talk,
        &talk.path("v1", "events"),
        &old(talk),
        &[
            ("/involvedObject", Value::Null),
            ("/involvedObject/namespace", Value::Null),
            ("/involvedObject/namespace", json!("other")),
            ("/type", json!("X")),
            ("/type", Value::Null),
            ("/reason", Value::Null),
            ("/count", json!(-1)),
            ("/metadata/name", json!("Not_Ok")),
            ("/metadata/name", json!("a/b")),
            ("/eventTime", json!("no time")),
            ("/series", json!({ "count": 1 })),
            ("/metadata/labels", json!({ "a b": "c" })),
        ],
    )
    .await?;
    for (namespace, involved) in
        [("default", json!({})), ("default", json!({ "namespace": "other" })), ("kube-system", json!({}))]
    {
        let event = json!({ "metadata": { "name": talk.id() }, "involvedObject": involved });
        talk.post(&format!("/api/v1/namespaces/{namespace}/events?dryRun=All"), &event).await?;
        talk.post(
            &format!("/api/v1/namespaces/{namespace}/events?dryRun=All"),
            &with(&timed(talk), &[("/involvedObject", involved), ("/metadata/name", json!(talk.id()))]),
        )
        .await?;
    }
    Ok(())
}

async fn timed_events_of_the_core_group_are_checked(talk: &Talk) -> Result<()> {
    talk.namespace().await?;
    let long = |count: usize| json!("a".repeat(count));
    create_each(
        talk,
        &talk.path("v1", "events"),
        &timed(talk),
        &[
            ("/reportingComponent", Value::Null),
            ("/reportingComponent", json!("not ok")),
            ("/reportingInstance", Value::Null),
            ("/reportingInstance", long(129)),
            ("/action", Value::Null),
            ("/action", long(129)),
            ("/reason", Value::Null),
            ("/reason", long(129)),
            ("/message", long(1025)),
            ("/involvedObject/namespace", Value::Null),
            ("/involvedObject/namespace", json!("other")),
            ("/series", json!({ "count": 1 })),
            ("/count", json!(3)),
            ("/type", json!("X")),
        ],
    )
    .await
}

async fn events_of_their_own_group_are_checked(talk: &Talk) -> Result<()> {
    talk.namespace().await?;
    let long = |count: usize| json!("a".repeat(count));
    create_each(
        talk,
        &talk.path("events.k8s.io/v1", "events"),
        &own(talk),
        &[
            ("/eventTime", Value::Null),
            ("/type", json!("X")),
            ("/type", Value::Null),
            ("/reportingController", Value::Null),
            ("/reportingController", json!("not ok")),
            ("/reportingInstance", Value::Null),
            ("/reportingInstance", long(129)),
            ("/action", Value::Null),
            ("/action", long(129)),
            ("/reason", Value::Null),
            ("/note", long(1025)),
            ("/regarding", Value::Null),
            ("/regarding/namespace", json!("other")),
            ("/series", json!({ "count": 1 })),
            ("/series", json!({ "count": 2, "lastObservedTime": TIME })),
            ("/deprecatedCount", json!(1)),
            ("/deprecatedSource", json!({ "component": "c" })),
            ("/deprecatedSource", json!({ "host": "h" })),
            ("/deprecatedFirstTimestamp", json!("2020-01-01T00:00:00Z")),
            ("/deprecatedLastTimestamp", json!("2020-01-01T00:00:00Z")),
            ("/metadata/name", json!("Not_Ok")),
            ("/metadata/labels", json!({ "a b": "c" })),
        ],
    )
    .await
}

async fn what_stays_of_an_event(talk: &Talk) -> Result<()> {
    talk.namespace().await?;
    change_each(
        talk,
        &talk.path("events.k8s.io/v1", "events"),
        &own(talk),
        &[
            ("/series", json!({ "count": 1 })),
            ("/series", json!({ "count": 2, "lastObservedTime": TIME })),
            ("/regarding/name", json!("q")),
            ("/related", json!({ "kind": "Node", "name": "n" })),
            ("/reason", json!("S")),
            ("/note", json!("other")),
            ("/action", json!("B")),
            ("/type", json!("Warning")),
            ("/deprecatedSource", json!({ "component": "c" })),
            ("/deprecatedCount", json!(2)),
            ("/deprecatedFirstTimestamp", json!("2020-01-01T00:00:00Z")),
            ("/eventTime", json!("2021-01-01T00:00:00.000001Z")),
            ("/reportingController", json!("example.com/d")),
            ("/reportingInstance", json!("j")),
            ("/metadata/labels", json!({ "a": "b" })),
        ],
    )
    .await?;
    change_each(
        talk,
        &talk.path("v1", "events"),
        &old(talk),
        &[
            ("/count", json!(2)),
            ("/message", json!("m")),
            ("/involvedObject/name", json!("q")),
            ("/involvedObject/namespace", json!("other")),
            ("/reason", json!("S")),
        ],
    )
    .await
}

async fn events_in_the_other_group_are_changed(talk: &Talk) -> Result<()> {
    talk.namespace().await?;
    let (core, group) = (talk.path("v1", "events"), talk.path("events.k8s.io/v1", "events"));
    talk.post(&core, &with(&old(talk), &[("/count", json!(1)), ("/source", json!({ "component": "c" }))])).await?;
    talk.patch(&format!("{group}/o"), MERGE, &json!({ "note": "other" })).await?;
    talk.patch(&format!("{group}/o"), MERGE, &json!({ "metadata": { "labels": { "a": "b" } } })).await?;
    talk.post(&group, &own(talk)).await?;
    talk.patch(&format!("{core}/e"), MERGE, &json!({ "count": 4, "message": "m" })).await?;
    talk.patch(&format!("{core}/e"), MERGE, &json!({ "reportingComponent": "" })).await?;
    talk.get(&format!("{group}/e")).await?;
    Ok(())
}

fn limits(name: &str, limits: Value) -> Value {
    json!({ "metadata": { "name": name }, "spec": { "limits": limits } })
}

async fn limit_ranges(talk: &Talk) -> Result<()> {
    talk.namespace().await?;
    lives(
        talk,
        &talk.path("v1", "limitranges"),
        &[
            limits("none", json!([])),
            json!({ "metadata": { "name": "bare" } }),
            limits("container", json!([{ "type": "Container", "max": { "cpu": "2" }, "min": { "cpu": "100m" } }])),
            limits("usual", json!([{ "type": "Container", "default": { "memory": "1Gi" }, "maxLimitRequestRatio": { "cpu": "2" } }])),
            limits("many", json!([{ "type": "Pod", "max": { "cpu": "2", "memory": "1Gi" } }, { "type": "PersistentVolumeClaim", "min": { "storage": "1Gi" } }, { "type": "example.com/x", "max": { "pods": "3" } }])),
        ],
    )
    .await
}

async fn limit_ranges_are_checked(talk: &Talk) -> Result<()> {
    talk.namespace().await?;
    create_each(
        talk,
        &talk.path("v1", "limitranges"),
        &limits("l", json!([{ "type": "Container" }])),
        &[
            ("/spec/limits/0/type", Value::Null),
            ("/spec/limits/0/type", json!("X")),
            ("/spec/limits/0/type", json!("not ok")),
            ("/spec/limits/1", json!({ "type": "Container" })),
            ("/spec/limits/0", json!({ "type": "Pod", "default": { "cpu": "1" } })),
            ("/spec/limits/0", json!({ "type": "Pod", "defaultRequest": { "cpu": "1" } })),
            ("/spec/limits/0", json!({ "type": "PersistentVolumeClaim" })),
            ("/spec/limits/0", json!({ "type": "PersistentVolumeClaim", "max": { "cpu": "1" } })),
            ("/spec/limits/0/max", json!({ "cpu": "x" })),
            ("/spec/limits/0/max", json!({ "cpu": "-1" })),
            ("/metadata/name", json!("Not_Ok")),
        ],
    )
    .await
}

async fn amounts_of_limit_ranges_are_checked(talk: &Talk) -> Result<()> {
    talk.namespace().await?;
    create_each(
        talk,
        &talk.path("v1", "limitranges"),
        &limits("l", json!([{ "type": "Container" }])),
        &[
            ("/spec/limits/0", json!({ "type": "Container", "min": { "cpu": "2" }, "max": { "cpu": "1" } })),
            ("/spec/limits/0", json!({ "type": "Container", "min": { "cpu": "2" }, "defaultRequest": { "cpu": "1" } })),
            ("/spec/limits/0", json!({ "type": "Container", "max": { "cpu": "1" }, "defaultRequest": { "cpu": "1500m" } })),
            ("/spec/limits/0", json!({ "type": "Container", "default": { "cpu": "1" }, "defaultRequest": { "cpu": "2" } })),
            ("/spec/limits/0", json!({ "type": "Container", "default": { "cpu": "1" }, "min": { "cpu": "2" } })),
            ("/spec/limits/0", json!({ "type": "Container", "default": { "memory": "2Gi" }, "max": { "memory": "1024Mi" } })),
            ("/spec/limits/0", json!({ "type": "Container", "maxLimitRequestRatio": { "cpu": "0.5" } })),
            ("/spec/limits/0", json!({ "type": "Container", "maxLimitRequestRatio": { "cpu": "3" }, "min": { "cpu": "1" }, "max": { "cpu": "2" } })),
            ("/spec/limits/0", json!({ "type": "Container", "maxLimitRequestRatio": { "cpu": "2.5" }, "min": { "cpu": "3" }, "max": { "cpu": "4" } })),
            ("/spec/limits/0", json!({ "type": "Container", "default": { "hugepages-2Mi": "4Mi" }, "defaultRequest": { "hugepages-2Mi": "2Mi" } })),
            ("/spec/limits/0", json!({ "type": "Container", "default": { "example.com/x": "2" }, "defaultRequest": { "example.com/x": "1" } })),
            ("/spec/limits/0", json!({ "type": "Pod", "maxLimitRequestRatio": { "memory": "1" }, "min": { "memory": "1Gi" }, "max": { "memory": "1Gi" } })),
        ],
    )
    .await
}

async fn names_in_limit_ranges_are_checked(talk: &Talk) -> Result<()> {
    talk.namespace().await?;
    let one = |kind: &str, field: &str, name: &str| json!({ "type": kind, field: { name: "1" } });
    create_each(
        talk,
        &talk.path("v1", "limitranges"),
        &limits("l", json!([{ "type": "Container" }])),
        &[
            ("/spec/limits/0", one("Container", "max", "nonsense")),
            ("/spec/limits/0", one("Container", "min", "bad name")),
            ("/spec/limits/0", one("Container", "default", "storage")),
            ("/spec/limits/0", one("Container", "defaultRequest", "pods")),
            ("/spec/limits/0", one("Container", "maxLimitRequestRatio", "requests.example.com/x")),
            ("/spec/limits/0", one("Pod", "max", "storage")),
            ("/spec/limits/0", one("example.com/x", "max", "storage")),
            ("/spec/limits/0", one("example.com/x", "max", "nonsense")),
            ("/spec/limits/0", one("example.com/x", "default", "bad name")),
        ],
    )
    .await
}

async fn limit_ranges_change(talk: &Talk) -> Result<()> {
    talk.namespace().await?;
    change_each(
        talk,
        &talk.path("v1", "limitranges"),
        &limits("l", json!([{ "type": "Container", "max": { "cpu": "1" } }])),
        &[
            ("/spec/limits/0/max/cpu", json!("2")),
            ("/spec/limits/0/min", json!({ "cpu": "3" })),
            ("/spec/limits", json!([])),
            ("/spec/limits/0/type", json!("X")),
            ("/metadata/labels", json!({ "a b": "c" })),
        ],
    )
    .await
}

fn quota(name: &str, spec: Value) -> Value {
    json!({ "metadata": { "name": name }, "spec": spec })
}

async fn resource_quotas(talk: &Talk) -> Result<()> {
    talk.namespace().await?;
    lives(
        talk,
        &talk.path("v1", "resourcequotas"),
        &[
            quota("none", json!({})),
            quota("many", json!({ "hard": { "cpu": "1", "requests.memory": "1024Mi", "count/deployments.apps": "2", "hugepages-2Mi": "2Mi" }, "scopes": ["NotTerminating"] })),
            quota("selected", json!({ "hard": { "pods": 3 }, "scopeSelector": { "matchExpressions": [{ "scopeName": "PriorityClass", "operator": "In", "values": ["high"] }] } })),
        ],
    )
    .await
}

async fn scopes_of_quotas_are_checked(talk: &Talk) -> Result<()> {
    talk.namespace().await?;
    create_each(
        talk,
        &talk.path("v1", "resourcequotas"),
        &quota("q", json!({ "hard": { "pods": "1" } })),
        &[
            ("/spec/scopes", json!(["Terminating", "NotTerminating"])),
            ("/spec/scopes", json!(["VolumeAttributesClass"])),
            ("/spec/scopes", json!(["CrossNamespacePodAffinity"])),
            ("/spec/scopes", json!(["X", "Y"])),
            ("/spec", json!({ "hard": { "cpu": "1" }, "scopes": ["BestEffort"] })),
            ("/spec", json!({ "hard": { "services": "1", "secrets": "2" }, "scopes": ["NotBestEffort"] })),
            ("/spec", json!({ "hard": { "requests.storage": "1", "persistentvolumeclaims": "2" }, "scopes": ["VolumeAttributesClass"] })),
            ("/spec", json!({ "hard": { "example.com/x": "1" }, "scopes": ["BestEffort"] })),
            ("/spec/hard", json!({ "storage": "1" })),
            ("/spec/hard", json!({ "services.loadbalancers": "1.5" })),
            ("/spec/hard", json!({ "example.com/x": "1.5" })),
            ("/spec/hard", json!({ "count/x": "-1" })),
            ("/spec/hard", json!({ "requests.nonsense": "1" })),
            ("/spec/hard", json!({ "limits.example.com/x": "1" })),
        ],
    )
    .await?;
    change_each(
        talk,
        &talk.path("v1", "resourcequotas"),
        &quota("c", json!({ "hard": { "pods": "1" }, "scopes": ["Terminating", "BestEffort"] })),
        &[
            ("/spec/scopes", json!(["BestEffort", "Terminating"])),
            ("/spec/scopes", json!(["BestEffort"])),
            ("/spec/scopes", Value::Null),
            ("/spec/hard", json!({ "cpu": "1" })),
            ("/spec/hard", json!({ "x": "1" })),
        ],
    )
    .await
}

async fn selectors_of_quotas_are_checked(talk: &Talk) -> Result<()> {
    talk.namespace().await?;
    let one = |scope: &str, operator: &str, values: Value| json!({ "matchExpressions": [{ "scopeName": scope, "operator": operator, "values": values }] });
    create_each(
        talk,
        &talk.path("v1", "resourcequotas"),
        &quota("q", json!({ "hard": { "pods": "1" } })),
        &[
            ("/spec/scopeSelector", one("X", "Exists", Value::Null)),
            ("/spec/scopeSelector", one("BestEffort", "In", json!(["a"]))),
            ("/spec/scopeSelector", one("PriorityClass", "In", Value::Null)),
            ("/spec/scopeSelector", one("PriorityClass", "Exists", json!(["a"]))),
            ("/spec/scopeSelector", one("PriorityClass", "X", Value::Null)),
            ("/spec/scopeSelector", one("PriorityClass", "", Value::Null)),
            ("/spec/scopeSelector", one("VolumeAttributesClass", "In", json!(["a"]))),
            ("/spec/scopeSelector", json!({ "matchExpressions": [{ "scopeName": "BestEffort", "operator": "Exists" }, { "scopeName": "NotBestEffort", "operator": "Exists" }] })),
            ("/spec/scopeSelector", json!({})),
        ],
    )
    .await
}

async fn a_status_of_a_quota_is_checked(talk: &Talk) -> Result<()> {
    talk.namespace().await?;
    let path = talk.path("v1", "resourcequotas");
    let made = talk.post(&path, &quota("q", json!({ "hard": { "pods": "1" } }))).await?;
    for (n, status) in [
        json!({ "hard": { "x": "1" } }),
        json!({ "used": { "pods": "-1" } }),
        json!({ "used": { "pods": "1.5" } }),
        json!({ "hard": { "pods": "2" }, "used": { "pods": "1" } }),
    ]
    .into_iter()
    .enumerate()
    {
        talk.put(
            &format!("{path}/q/status?dryRun=All&n={n}"),
            &with(&made.body, &[("/status", status), ("/spec/hard", json!({}))]),
        )
        .await?;
    }
    Ok(())
}

async fn quotas_warn(talk: &Talk) -> Result<()> {
    talk.namespace().await?;
    create_each(
        talk,
        &talk.path("v1", "resourcequotas"),
        &quota("q", json!({})),
        &[
            ("/spec/hard", json!({ "cpu": "3", "limits.cpu": "2" })),
            ("/spec/hard", json!({ "requests.memory": "3Gi", "memory": "1Gi", "limits.memory": "2048Mi" })),
            ("/spec/hard", json!({ "requests.ephemeral-storage": "3", "limits.ephemeral-storage": "2" })),
            ("/spec/hard", json!({ "requests.cpu": "1", "limits.cpu": "2" })),
        ],
    )
    .await
}
