//! Autoscalers, in both of their versions.

use anyhow::Result;
use motet_conformance::{
    Talk, cases,
    talk::patch::{JSON, MERGE, STRATEGIC},
};
use serde_json::{Value, json};

use crate::cases::tools::{change_each, create_each, lives, with};

cases! { "kinds":
    autoscalers, autoscalers_are_checked, targets_of_autoscalers_are_checked, metrics_of_autoscalers_are_checked, behaviour_of_autoscalers_is_checked,
    what_stays_of_an_autoscaler, a_status_of_an_autoscaler_is_checked,
    first_autoscalers, first_autoscalers_are_checked, what_an_autoscaler_is_in_its_first_version, what_a_first_autoscaler_is_in_the_second_version,
    changes_of_an_autoscaler_in_two_versions, an_autoscaler_is_applied_in_two_versions, annotations_of_a_first_autoscaler_are_read, watches_of_autoscalers_in_two_versions,
    tables_of_first_autoscalers, the_first_version_of_autoscaling_is_discovered,
}

fn autoscaler(name: &str) -> Value {
    json!({ "metadata": { "name": name }, "spec": { "maxReplicas": 3, "scaleTargetRef": { "apiVersion": "apps/v1", "kind": "Deployment", "name": "d" } } })
}

/// One metric of each kind.
fn metrics() -> Value {
    json!([
        { "type": "Resource", "resource": { "name": "cpu", "target": { "type": "Utilization", "averageUtilization": 60 } } },
        { "type": "Resource", "resource": { "name": "memory", "target": { "type": "AverageValue", "averageValue": "500Mi" } } },
        { "type": "ContainerResource", "containerResource": { "name": "cpu", "container": "c", "target": { "type": "Utilization", "averageUtilization": 70 } } },
        { "type": "Pods", "pods": { "metric": { "name": "p", "selector": { "matchLabels": { "a": "b" } } }, "target": { "type": "AverageValue", "averageValue": "1k" } } },
        { "type": "Object", "object": { "metric": { "name": "o" }, "describedObject": { "apiVersion": "v1", "kind": "Service", "name": "s" }, "target": { "type": "Value", "value": "2k" } } },
        { "type": "Object", "object": { "metric": { "name": "o" }, "describedObject": { "kind": "Service", "name": "s" }, "target": { "type": "AverageValue", "averageValue": "3" } } },
        { "type": "External", "external": { "metric": { "name": "e", "selector": { "matchExpressions": [{ "key": "k", "operator": "Exists" }] } }, "target": { "type": "AverageValue", "averageValue": "500m" } } },
        { "type": "External", "external": { "metric": { "name": "f" }, "target": { "type": "Value", "value": "0.5" } } },
    ])
}

fn behaviour() -> Value {
    json!({ "scaleUp": { "stabilizationWindowSeconds": 5, "selectPolicy": "Min", "policies": [{ "type": "Pods", "value": 2, "periodSeconds": 30 }] },
        "scaleDown": { "policies": [{ "type": "Percent", "value": 50, "periodSeconds": 60 }], "tolerance": "50m" } })
}

fn full(name: &str) -> Value {
    with(
        &autoscaler(name),
        &[("/spec/minReplicas", json!(2)), ("/spec/metrics", metrics()), ("/spec/behavior", behaviour())],
    )
}

fn status() -> Value {
    json!({ "observedGeneration": 3, "lastScaleTime": "2020-01-01T00:00:00Z", "currentReplicas": 2, "desiredReplicas": 3,
        "currentMetrics": [
            { "type": "Resource", "resource": { "name": "cpu", "current": { "averageUtilization": 55, "averageValue": "100m" } } },
            { "type": "ContainerResource", "containerResource": { "name": "cpu", "container": "c", "current": { "averageValue": "7" } } },
            { "type": "Pods", "pods": { "metric": { "name": "p" }, "current": { "averageValue": "1" } } },
            { "type": "Object", "object": { "metric": { "name": "o" }, "describedObject": { "kind": "Service", "name": "s" }, "current": { "value": "9" } } },
            { "type": "External", "external": { "metric": { "name": "e" }, "current": { "value": "1", "averageValue": "2" } } },
        ],
        "conditions": [{ "type": "AbleToScale", "status": "True", "reason": "R", "message": "well", "lastTransitionTime": "2020-01-01T00:00:00Z" }] })
}

fn second(talk: &Talk) -> String {
    talk.path("autoscaling/v2", "horizontalpodautoscalers")
}

fn first(talk: &Talk) -> String {
    talk.path("autoscaling/v1", "horizontalpodautoscalers")
}

async fn autoscalers(talk: &Talk) -> Result<()> {
    talk.namespace().await?;
    lives(
        talk,
        &second(talk),
        &[
            autoscaler("least"),
            full("all"),
            with(&autoscaler("up"), &[("/spec/behavior", json!({ "scaleUp": {} }))]),
            with(&autoscaler("down"), &[("/spec/behavior", json!({ "scaleDown": { "selectPolicy": "Disabled" } }))]),
            with(&autoscaler("none"), &[("/spec/metrics", json!([])), ("/spec/behavior", json!({}))]),
            with(&autoscaler("controller"), &[("/spec/scaleTargetRef", json!({ "kind": "ReplicationController", "name": "c" }))]),
            with(&autoscaler("annotated"), &[("/metadata/annotations", json!({ "a": "b", "autoscaling.alpha.kubernetes.io/metrics": "[]", "autoscaling.alpha.kubernetes.io/conditions": "x" }))]),
        ],
    )
    .await
}

async fn autoscalers_are_checked(talk: &Talk) -> Result<()> {
    talk.namespace().await?;
    create_each(
        talk,
        &second(talk),
        &autoscaler("a"),
        &[
            ("/spec/minReplicas", json!(5)),
            ("/spec/minReplicas", json!(0)),
            ("/spec/minReplicas", json!(-1)),
            ("/spec/maxReplicas", json!(0)),
            ("/spec/maxReplicas", json!(-2)),
            ("/spec/maxReplicas", Value::Null),
            ("/spec", Value::Null),
            ("/metadata/name", json!("Not_Ok")),
            ("/spec/minReplicas", json!("x")),
            ("/spec/nonsense", json!(1)),
        ],
    )
    .await
}

async fn targets_of_autoscalers_are_checked(talk: &Talk) -> Result<()> {
    talk.namespace().await?;
    create_each(
        talk,
        &second(talk),
        &autoscaler("a"),
        &[
            ("/spec/scaleTargetRef", json!({})),
            ("/spec/scaleTargetRef/name", json!("a/b")),
            ("/spec/scaleTargetRef/name", json!("..")),
            ("/spec/scaleTargetRef/kind", Value::Null),
            ("/spec/scaleTargetRef/kind", json!("a%b")),
            ("/spec/scaleTargetRef/apiVersion", Value::Null),
            ("/spec/scaleTargetRef/apiVersion", json!("v1")),
            ("/spec/scaleTargetRef/apiVersion", json!("a/b/c")),
            ("/spec/scaleTargetRef/apiVersion", json!("apps/")),
            ("/spec/scaleTargetRef", json!({ "kind": "ReplicationController", "name": "c", "apiVersion": "a/b/c" })),
            ("/spec/scaleTargetRef", json!({ "kind": "ReplicationController", "name": "c", "apiVersion": "v1" })),
        ],
    )
    .await
}

async fn metrics_of_autoscalers_are_checked(talk: &Talk) -> Result<()> {
    talk.namespace().await?;
    let base = with(&autoscaler("a"), &[("/spec/metrics", metrics())]);
    create_each(
        talk,
        &second(talk),
        &base,
        &[
            ("/spec/metrics/0/type", Value::Null),
            ("/spec/metrics/0/type", json!("X")),
            ("/spec/metrics/0/type", json!("Pods")),
            ("/spec/metrics/0/type", json!("External")),
            ("/spec/metrics/0", json!({ "type": "Object" })),
            ("/spec/metrics/0", json!({ "type": "ContainerResource" })),
            ("/spec/metrics/0", json!({ "type": "Resource" })),
            ("/spec/metrics/0", json!({})),
            (
                "/spec/metrics/0/pods",
                json!({ "metric": { "name": "p" }, "target": { "type": "AverageValue", "averageValue": "1" } }),
            ),
            ("/spec/metrics/0/resource/name", Value::Null),
            ("/spec/metrics/0/resource/target/type", Value::Null),
            ("/spec/metrics/0/resource/target/type", json!("X")),
            ("/spec/metrics/0/resource/target/averageUtilization", json!(0)),
            ("/spec/metrics/0/resource/target/averageUtilization", Value::Null),
            ("/spec/metrics/0/resource/target/averageValue", json!("1")),
            ("/spec/metrics/0/resource/target/averageValue", json!("-1")),
            ("/spec/metrics/1/resource/target/averageValue", json!("x")),
            ("/spec/metrics/2/containerResource/name", Value::Null),
            ("/spec/metrics/2/containerResource/name", json!("nonsense")),
            ("/spec/metrics/2/containerResource/name", json!("bad name")),
            ("/spec/metrics/2/containerResource/name", json!("example.com/x")),
            ("/spec/metrics/2/containerResource/name", json!("requests.example.com/x")),
            ("/spec/metrics/2/containerResource/container", Value::Null),
            ("/spec/metrics/2/containerResource/container", json!("Not_Ok")),
            ("/spec/metrics/2/containerResource/target/averageUtilization", Value::Null),
            ("/spec/metrics/2/containerResource/target/averageValue", json!("1")),
            ("/spec/metrics/3/pods/metric/name", Value::Null),
            ("/spec/metrics/3/pods/metric/name", json!("a/b")),
            ("/spec/metrics/3/pods/target/averageValue", Value::Null),
            ("/spec/metrics/3/pods/target/averageValue", json!("0")),
            ("/spec/metrics/3/pods/metric/selector", json!({ "matchLabels": { "a b": "c" } })),
            ("/spec/metrics/4/object/describedObject", json!({})),
            ("/spec/metrics/4/object/describedObject/apiVersion", json!("a/b/c")),
            ("/spec/metrics/4/object/target/value", Value::Null),
            ("/spec/metrics/4/object/target/value", json!("-3")),
            ("/spec/metrics/4/object/target/averageValue", json!("3")),
            ("/spec/metrics/6/external/target/averageValue", Value::Null),
            ("/spec/metrics/6/external/target/value", json!("1")),
            ("/spec/metrics/6/external/metric", json!({})),
        ],
    )
    .await
}

async fn behaviour_of_autoscalers_is_checked(talk: &Talk) -> Result<()> {
    talk.namespace().await?;
    let base = with(&autoscaler("a"), &[("/spec/behavior", behaviour())]);
    create_each(
        talk,
        &second(talk),
        &base,
        &[
            ("/spec/behavior/scaleUp/policies", json!([])),
            ("/spec/behavior/scaleUp/stabilizationWindowSeconds", json!(-1)),
            ("/spec/behavior/scaleUp/stabilizationWindowSeconds", json!(3601)),
            ("/spec/behavior/scaleDown/stabilizationWindowSeconds", json!(3601)),
            ("/spec/behavior/scaleUp/selectPolicy", json!("X")),
            ("/spec/behavior/scaleUp/selectPolicy", json!("")),
            ("/spec/behavior/scaleUp/policies/0/type", json!("X")),
            ("/spec/behavior/scaleUp/policies/0/type", Value::Null),
            ("/spec/behavior/scaleUp/policies/0/value", json!(0)),
            ("/spec/behavior/scaleUp/policies/0/periodSeconds", json!(0)),
            ("/spec/behavior/scaleUp/policies/0/periodSeconds", json!(1801)),
            ("/spec/behavior/scaleUp/policies/0", json!({})),
            ("/spec/behavior/scaleDown/tolerance", json!("-1")),
            ("/spec/behavior/scaleDown/tolerance", json!("0")),
        ],
    )
    .await
}

async fn what_stays_of_an_autoscaler(talk: &Talk) -> Result<()> {
    talk.namespace().await?;
    change_each(
        talk,
        &second(talk),
        &full("a"),
        &[
            ("/spec/minReplicas", json!(0)),
            ("/spec/minReplicas", Value::Null),
            ("/spec/maxReplicas", json!(1)),
            ("/spec/metrics", json!([])),
            ("/spec/metrics", Value::Null),
            ("/spec/behavior", Value::Null),
            ("/spec/scaleTargetRef/kind", json!("StatefulSet")),
            ("/spec/scaleTargetRef/apiVersion", json!("")),
            ("/spec/scaleTargetRef", json!({ "kind": "ReplicationController", "name": "c" })),
            ("/spec/metrics/4/object/describedObject/apiVersion", json!("a/b/c")),
            ("/status", status()),
        ],
    )
    .await
}

async fn a_status_of_an_autoscaler_is_checked(talk: &Talk) -> Result<()> {
    talk.namespace().await?;
    let path = second(talk);
    let made = talk.post(&path, &full("a")).await?;
    let of = |status: Value| with(&made.body, &[("/status", status), ("/spec/maxReplicas", json!(9))]);
    for (pointer, value) in [("/currentReplicas", -1), ("/desiredReplicas", -1), ("/observedGeneration", -1)] {
        let status = with(&status(), &[(pointer, json!(value))]);
        talk.put(&format!("{path}/a/status?dryRun=All"), &of(status)).await?;
    }
    talk.put(
        &format!("{path}/a/status?dryRun=All"),
        &of(json!({ "currentMetrics": [{ "type": "X" }], "conditions": [{ "type": "Y" }] })),
    )
    .await?;
    talk.put(&format!("{path}/a/status"), &of(status())).await?;
    talk.get(&format!("{path}/a")).await?;
    talk.get(&format!("{}/a", first(talk))).await?;
    Ok(())
}

fn plain(name: &str) -> Value {
    with(&autoscaler(name), &[("/spec/targetCPUUtilizationPercentage", json!(40))])
}

async fn first_autoscalers(talk: &Talk) -> Result<()> {
    talk.namespace().await?;
    lives(
        talk,
        &first(talk),
        &[
            autoscaler("least"),
            with(&plain("all"), &[("/spec/minReplicas", json!(2)), ("/metadata/annotations", json!({ "a": "b" }))]),
            with(
                &autoscaler("second"),
                &[("/apiVersion", json!("autoscaling/v1")), ("/kind", json!("HorizontalPodAutoscaler"))],
            ),
        ],
    )
    .await
}

async fn first_autoscalers_are_checked(talk: &Talk) -> Result<()> {
    talk.namespace().await?;
    let path = first(talk);
    create_each(
        talk,
        &path,
        &plain("a"),
        &[
            ("/spec/minReplicas", json!(0)),
            ("/spec/maxReplicas", json!(0)),
            ("/spec/maxReplicas", Value::Null),
            ("/spec/scaleTargetRef", Value::Null),
            ("/spec/targetCPUUtilizationPercentage", json!(0)),
            ("/spec/targetCPUUtilizationPercentage", json!(-5)),
            ("/spec/targetCPUUtilizationPercentage", json!("x")),
            ("/spec/targetCPUUtilizationPercentage", json!(120)),
            ("/spec/metrics", metrics()),
            ("/spec/behavior", behaviour()),
        ],
    )
    .await?;
    let second = with(&autoscaler("c"), &[("/apiVersion", json!("autoscaling/v2"))]);
    talk.post(&path, &second).await?;
    talk.post(&path, &with(&second, &[("/kind", json!("HorizontalPodAutoscaler"))])).await?;
    change_each(
        talk,
        &path,
        &plain("b"),
        &[
            ("/spec/targetCPUUtilizationPercentage", json!(50)),
            ("/spec/targetCPUUtilizationPercentage", Value::Null),
            ("/spec/maxReplicas", json!(-1)),
            ("/spec/minReplicas", Value::Null),
            ("/spec/scaleTargetRef/apiVersion", Value::Null),
            ("/status/currentReplicas", json!(7)),
        ],
    )
    .await
}

async fn what_an_autoscaler_is_in_its_first_version(talk: &Talk) -> Result<()> {
    talk.namespace().await?;
    let (old, new) = (first(talk), second(talk));
    for (name, changes) in [
        ("least", vec![]),
        ("all", vec![("/spec/metrics", metrics()), ("/spec/behavior", behaviour())]),
        ("memory", vec![("/spec/metrics", json!([metrics()[1]]))]),
        ("cpu", vec![("/spec/metrics", json!([metrics()[0]])), ("/metadata/annotations", json!({ "a": "b" }))]),
        (
            "value",
            vec![(
                "/spec/metrics",
                json!([{ "type": "Resource", "resource": { "name": "cpu", "target": { "type": "AverageValue", "averageValue": "1" } } }]),
            )],
        ),
        (
            "twice",
            vec![(
                "/spec/metrics",
                json!([metrics()[0], { "type": "Resource", "resource": { "name": "cpu", "target": { "type": "Utilization", "averageUtilization": 90 } } }]),
            )],
        ),
    ] {
        talk.post(&new, &with(&autoscaler(name), &changes)).await?;
        let read = talk.get(&format!("{old}/{name}")).await?;
        talk.put(&format!("{old}/{name}"), &read.body).await?;
        talk.get(&format!("{new}/{name}")).await?;
    }
    talk.get(&old).await?;
    talk.get(&format!("{old}?fieldSelector=metadata.name=all")).await?;
    talk.get(&format!("/apis/autoscaling/v1/horizontalpodautoscalers?labelSelector=none={}", talk.id())).await?;
    let made = talk.get(&format!("{new}/all")).await?;
    talk.put(&format!("{new}/all/status"), &with(&made.body, &[("/status", status())])).await?;
    let read = talk.get(&format!("{old}/all/status")).await?;
    talk.put(
        &format!("{old}/all/status"),
        &with(
            &read.body,
            &[("/status/currentReplicas", json!(8)), ("/status/currentCPUUtilizationPercentage", json!(5))],
        ),
    )
    .await?;
    talk.get(&format!("{new}/all")).await?;
    talk.delete(&format!("{old}/all")).await?;
    Ok(())
}

async fn what_a_first_autoscaler_is_in_the_second_version(talk: &Talk) -> Result<()> {
    talk.namespace().await?;
    let (old, new) = (first(talk), second(talk));
    talk.post(&old, &autoscaler("least")).await?;
    talk.get(&format!("{new}/least")).await?;
    let made = talk.post(&old, &plain("cpu")).await?;
    talk.get(&format!("{new}/cpu")).await?;
    talk.put(&format!("{old}/cpu/status"), &with(&made.body, &[("/status", json!({ "currentReplicas": 1, "desiredReplicas": 2, "currentCPUUtilizationPercentage": 33, "observedGeneration": 1 }))])).await?;
    talk.get(&format!("{new}/cpu")).await?;
    talk.get(&format!("{old}/cpu")).await?;
    let least = talk.get(&format!("{old}/least")).await?;
    talk.put(&format!("{new}/least"), &least.body).await?;
    talk.delete(&format!("{new}/cpu")).await?;
    Ok(())
}

async fn changes_of_an_autoscaler_in_two_versions(talk: &Talk) -> Result<()> {
    talk.namespace().await?;
    let (old, new) = (first(talk), second(talk));
    talk.post(&new, &full("a")).await?;
    talk.patch(&format!("{old}/a"), MERGE, &json!({ "spec": { "targetCPUUtilizationPercentage": 10 } })).await?;
    talk.get(&format!("{new}/a")).await?;
    talk.patch(&format!("{old}/a"), STRATEGIC, &json!({ "spec": { "maxReplicas": 7 } })).await?;
    talk.patch(&format!("{old}/a"), MERGE, &json!({ "metadata": { "annotations": null } })).await?;
    talk.get(&format!("{new}/a")).await?;
    talk.patch(&format!("{new}/a"), JSON, &json!([{ "op": "replace", "path": "/spec/metrics", "value": metrics() }]))
        .await?;
    talk.patch(&format!("{old}/a"), JSON, &json!([{ "op": "remove", "path": "/spec/targetCPUUtilizationPercentage" }]))
        .await?;
    talk.get(&format!("{new}/a")).await?;
    talk.patch(
        &format!("{old}/a"),
        MERGE,
        &json!({ "metadata": { "annotations": { "autoscaling.alpha.kubernetes.io/metrics": "no json" } } }),
    )
    .await?;
    talk.get(&format!("{new}/a")).await?;
    talk.patch(&format!("{old}/a"), MERGE, &json!({ "spec": { "targetCPUUtilizationPercentage": -1 } })).await?;
    Ok(())
}

async fn an_autoscaler_is_applied_in_two_versions(talk: &Talk) -> Result<()> {
    talk.namespace().await?;
    let (old, new) = (first(talk), second(talk));
    let of = |version: &str, changes: &[(&str, Value)]| {
        let typed =
            [("/apiVersion", json!(format!("autoscaling/{version}"))), ("/kind", json!("HorizontalPodAutoscaler"))];
        with(&with(&autoscaler("a"), &typed), changes)
    };
    talk.apply(&format!("{new}/a"), "one", &of("v2", &[("/spec/metrics", json!([metrics()[0], metrics()[1]]))]))
        .await?;
    talk.apply(&format!("{old}/a"), "two", &of("v1", &[("/spec/targetCPUUtilizationPercentage", json!(60))])).await?;
    talk.get(&format!("{old}/a")).await?;
    talk.get(&format!("{new}/a")).await?;
    talk.apply(&format!("{old}/a"), "two", &of("v1", &[("/spec/maxReplicas", json!(5))])).await?;
    talk.force(&format!("{old}/a"), "two", &of("v1", &[("/spec/maxReplicas", json!(5))])).await?;
    talk.get(&format!("{new}/a")).await?;
    Ok(())
}

async fn annotations_of_a_first_autoscaler_are_read(talk: &Talk) -> Result<()> {
    talk.namespace().await?;
    let (old, new) = (first(talk), second(talk));
    let key = |name: &str| format!("/metadata/annotations/autoscaling.alpha.kubernetes.io~1{name}");
    let metrics = r#"[{"type":"Resource","resource":{"name":"memory","targetAverageUtilization":70}},{"type":"Pods","pods":{"metricName":"p","targetAverageValue":"5"}},{"type":"Object","object":{"target":{"kind":"Service","name":"s"},"metricName":"o","targetValue":"0","averageValue":"4"}},{"type":"External","external":{"metricName":"e","targetValue":"3"}},{"type":"ContainerResource","containerResource":{"name":"cpu","container":"c","targetAverageUtilization":9}}]"#;
    let rules = r#"{"ScaleUp":{"StabilizationWindowSeconds":9,"SelectPolicy":"Max","Policies":[{"Type":"Pods","Value":4,"PeriodSeconds":15}]},"ScaleDown":null}"#;
    for (name, base, annotations) in [
        ("metrics", plain("metrics"), vec![("metrics", metrics)]),
        ("alone", autoscaler("alone"), vec![("metrics", metrics)]),
        ("nothing", autoscaler("nothing"), vec![("metrics", "[]")]),
        ("bad", autoscaler("bad"), vec![("metrics", "{"), ("behavior", "x"), ("conditions", "1")]),
        ("rules", plain("rules"), vec![("behavior", rules)]),
        ("empty", plain("empty"), vec![("behavior", "{}"), ("scale-up-tolerance", "1")]),
        ("wrong", plain("wrong"), vec![("metrics", r#"[{"type":"Pods","pods":{"metricName":"p"}}]"#)]),
    ] {
        let mut object = with(&base, &[("/metadata/annotations", json!({ "mine": "x" }))]);
        for (annotation, text) in annotations {
            object = with(&object, &[(&key(annotation), json!(text))]);
        }
        talk.post(&old, &object).await?;
        talk.get(&format!("{new}/{name}")).await?;
    }
    Ok(())
}

async fn watches_of_autoscalers_in_two_versions(talk: &Talk) -> Result<()> {
    talk.namespace().await?;
    let (old, new) = (first(talk), second(talk));
    let mut watch = talk.watch(&format!("{old}?watch=1")).await?;
    talk.post(&new, &full("a")).await?;
    watch.next().await?;
    talk.patch(&format!("{new}/a"), MERGE, &json!({ "spec": { "maxReplicas": 8 } })).await?;
    watch.next().await?;
    talk.delete(&format!("{old}/a")).await?;
    watch.next().await?;
    Ok(())
}

async fn tables_of_first_autoscalers(talk: &Talk) -> Result<()> {
    talk.namespace().await?;
    let table = "application/json;as=Table;v=v1;g=meta.k8s.io";
    for object in [autoscaler("least"), full("all")] {
        talk.post(&second(talk), &object).await?;
    }
    for path in [first(talk), format!("{}/all", first(talk))] {
        talk.ask(http::Method::GET, &path).header("accept", table).send().await?;
    }
    talk.ask(http::Method::GET, &format!("{}/all", first(talk)))
        .header("accept", "application/json;as=PartialObjectMetadata;v=v1;g=meta.k8s.io")
        .send()
        .await?;
    Ok(())
}

async fn the_first_version_of_autoscaling_is_discovered(talk: &Talk) -> Result<()> {
    talk.get("/apis/autoscaling").await?;
    talk.get("/apis/autoscaling/v1").await?;
    talk.get("/apis/autoscaling/v2").await?;
    let openapi = talk.ask(http::Method::GET, "/openapi/v3/apis/autoscaling/v1").unkept().send().await?;
    talk.note(
        "is described",
        openapi.body["components"]["schemas"].get("io.k8s.api.autoscaling.v1.HorizontalPodAutoscalerSpec").is_some(),
    );
    talk.get("/apis/autoscaling/v3/horizontalpodautoscalers").await?;
    Ok(())
}
