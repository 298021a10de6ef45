//! What holds for objects of every kind: names, versions, generations, places, dry runs, status and scale.

use anyhow::Result;
use http::Method;
use motet_conformance::{Talk, cases};
use serde_json::{Value, json};

use super::tools::{change_each, with};

cases! { "objects":
a_second_create_is_a_conflict, what_is_not_there_is_not_found, a_name_can_be_generated, a_name_or_a_prefix_is_needed,
names_are_checked, labels_and_annotations_are_checked, owners_and_finalizers_are_checked,
a_new_object_has_no_resource_version, what_the_server_sets_a_client_cannot, an_update_needs_the_present_version,
an_update_without_a_version_wins, an_update_of_something_else_is_refused, an_update_that_changes_nothing_is_not_stored,
the_path_and_the_body_agree, a_namespace_that_is_not_there_takes_nothing, what_is_not_allowed_on_a_path,
bodies_that_are_no_objects, a_request_can_be_too_large, an_object_can_be_too_large,
some_kinds_are_created_by_an_update, a_generation_counts_changes_of_the_specification, kinds_without_generation,
unknown_paths, immutable_metadata,
versions_to_read_at, a_get_with_odd_parameters, }

pub(super) fn map(name: &str) -> Value {
    json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": name }, "data": { "k": "v" } })
}

pub(super) fn deployment(name: &str) -> Value {
    let labels = json!({ "app": name });
    json!({ "apiVersion": "apps/v1", "kind": "Deployment", "metadata": { "name": name }, "spec": {
        "selector": { "matchLabels": labels },
        "template": { "metadata": { "labels": labels }, "spec": { "containers": [{ "name": "c", "image": "nginx" }] } } } })
}

async fn a_second_create_is_a_conflict(talk: &Talk) -> Result<()> {
    talk.namespace().await?;
    let maps = talk.path("v1", "configmaps");
    talk.post(&maps, &map("one")).await?;
    talk.post(&maps, &map("one")).await?;
    let deployments = talk.path("apps/v1", "deployments");
    talk.post(&deployments, &deployment("one")).await?;
    talk.post(&deployments, &deployment("one")).await?;
    Ok(())
}

async fn what_is_not_there_is_not_found(talk: &Talk) -> Result<()> {
    talk.namespace().await?;
    for (group, plural) in [("v1", "configmaps"), ("apps/v1", "deployments"), ("batch/v1", "jobs")] {
        let path = format!("{}/none", talk.path(group, plural));
        talk.get(&path).await?;
        talk.delete(&path).await?;
        talk.patch(&path, motet_conformance::talk::patch::MERGE, &json!({ "metadata": { "labels": { "a": "b" } } }))
            .await?;
    }
    talk.put(&format!("{}/none", talk.path("v1", "configmaps")), &map("none")).await?;
    talk.put(&format!("{}/none", talk.path("apps/v1", "deployments")), &deployment("none")).await?;
    talk.put(&format!("{}/none/status", talk.path("apps/v1", "deployments")), &deployment("none")).await?;
    talk.get(&format!("{}/none/scale", talk.path("apps/v1", "deployments"))).await?;
    talk.get("/api/v1/namespaces/none").await?;
    talk.get("/api/v1/nodes/none").await?;
    Ok(())
}

async fn a_name_can_be_generated(talk: &Talk) -> Result<()> {
    talk.namespace().await?;
    let maps = talk.path("v1", "configmaps");
    let made = talk.post(&maps, &json!({ "metadata": { "generateName": "made-" }, "data": { "k": "v" } })).await?;
    talk.get(&format!("{maps}/{}", made.text("/metadata/name")?)).await?;
    talk.post(&maps, &json!({ "metadata": { "generateName": "made-", "name": "said" } })).await?;
    talk.post(&format!("{maps}?dryRun=All"), &json!({ "metadata": { "generateName": "dry-" } })).await?;
    Ok(())
}

async fn a_name_or_a_prefix_is_needed(talk: &Talk) -> Result<()> {
    talk.namespace().await?;
    talk.post(&talk.path("v1", "configmaps"), &json!({ "data": { "k": "v" } })).await?;
    talk.post(&talk.path("v1", "configmaps"), &json!({ "metadata": {} })).await?;
    talk.post(&talk.path("apps/v1", "deployments"), &with(&deployment("x"), &[("/metadata/name", Value::Null)]))
        .await?;
    Ok(())
}

async fn names_are_checked(talk: &Talk) -> Result<()> {
    talk.namespace().await?;
    let maps = talk.path("v1", "configmaps");
    for name in [
        "Upper",
        "under_score",
        "-dash",
        "dash-",
        "a..b",
        "a/b",
        "a%b",
        ".",
        "..",
        "ä",
        &"x".repeat(254),
        "1.2",
        &"x".repeat(253),
    ] {
        talk.post(&maps, &map(name)).await?;
    }
    let services = talk.path("v1", "services");
    for name in ["1a", "a.b", &"s".repeat(64)] {
        talk.post(
            &services,
            &json!({ "metadata": { "name": name }, "spec": { "clusterIP": "None", "ports": [{ "port": 1 }] } }),
        )
        .await?;
    }
    for name in ["a.b", "A", &"n".repeat(64)] {
        talk.post("/api/v1/namespaces", &json!({ "metadata": { "name": name } })).await?;
    }
    let roles = talk.path("rbac.authorization.k8s.io/v1", "roles");
    for name in ["system:x", "a/b", "."] {
        talk.post(&roles, &json!({ "metadata": { "name": name }, "rules": [] })).await?;
    }
    for name in ["not_ok", &"j".repeat(64)] {
        let spec = json!({ "schedule": "* * * * *", "jobTemplate": { "spec": { "template": { "spec": {
            "restartPolicy": "Never", "containers": [{ "name": "c", "image": "i" }] } } } } });
        talk.post(&talk.path("batch/v1", "cronjobs"), &json!({ "metadata": { "name": name }, "spec": spec })).await?;
    }
    Ok(())
}

async fn labels_and_annotations_are_checked(talk: &Talk) -> Result<()> {
    talk.namespace().await?;
    let maps = talk.path("v1", "configmaps");
    let long = "l".repeat(64);
    let labels = [
        json!({ "ok": "not ok" }),
        json!({ "not ok": "ok" }),
        json!({ "a/b/c": "x" }),
        json!({ "/x": "y" }),
        json!({ "x/": "y" }),
        json!({ "UPPER.com/x": "y" }),
        json!({ "-x": "y" }),
        json!({ "x": "-y" }),
        json!({ "x": long }),
        json!({ (long.as_str()): "x" }),
        json!({ "": "x" }),
        json!({ "ok": "" }),
        json!({ "example.com/Ok_1.2": "A_b.c-1" }),
        // Both in one: a kube-apiserver looks at several labels in no order.
        json!({ "d e": "b c" }),
    ];
    for value in labels {
        talk.post(&format!("{maps}?dryRun=All"), &with(&map("l"), &[("/metadata/labels", value)])).await?;
    }
    for value in [
        json!({ "not ok": "x" }),
        json!({ "UPPER.com/Ok": "any thing" }),
        json!({ "big": "x".repeat(262_145) }),
        json!({ "a/b/c": "" }),
    ] {
        talk.post(&format!("{maps}?dryRun=All"), &with(&map("l"), &[("/metadata/annotations", value)])).await?;
    }
    talk.post(&maps, &with(&map("l"), &[("/metadata/labels", json!({ "a": 1 }))])).await?;
    talk.post(&maps, &with(&map("l"), &[("/metadata/labels", json!([]))])).await?;
    talk.post(&maps, &with(&map("l2"), &[("/metadata/annotations", json!({}))])).await?;
    Ok(())
}

async fn owners_and_finalizers_are_checked(talk: &Talk) -> Result<()> {
    talk.namespace().await?;
    let maps = talk.path("v1", "configmaps");
    let owner = json!({ "apiVersion": "v1", "kind": "ConfigMap", "name": "o", "uid": "u" });
    let owners = [
        json!([{ "apiVersion": "v1", "kind": "ConfigMap", "name": "o" }]),
        json!([{ "uid": "u" }]),
        json!([with(&owner, &[("/apiVersion", json!("a/b/c"))])]),
        json!([
            with(&owner, &[("/controller", json!(true))]),
            with(&owner, &[("/controller", json!(true)), ("/uid", json!("v"))])
        ]),
        json!([with(&owner, &[("/kind", json!("Event"))])]),
        json!([with(&owner, &[("/name", json!(""))])]),
        json!([with(&owner, &[("/apiVersion", json!(""))])]),
    ];
    for value in owners {
        talk.post(&format!("{maps}?dryRun=All"), &with(&map("o"), &[("/metadata/ownerReferences", value)])).await?;
    }
    let finalizers = [
        json!(["plain"]),
        json!(["a/b", "orphan"]),
        json!(["Not_ok/ x"]),
        json!([""]),
        json!(["orphan", "foregroundDeletion"]),
        json!(["kubernetes"]),
        json!(["a.b/c", "a.b/c"]),
    ];
    for value in finalizers {
        talk.post(&format!("{maps}?dryRun=All"), &with(&map("o"), &[("/metadata/finalizers", value)])).await?;
    }
    Ok(())
}

async fn a_new_object_has_no_resource_version(talk: &Talk) -> Result<()> {
    talk.namespace().await?;
    let maps = talk.path("v1", "configmaps");
    for version in ["1", "0", "", "x"] {
        talk.post(&maps, &with(&map(&format!("v{version}")), &[("/metadata/resourceVersion", json!(version))])).await?;
    }
    Ok(())
}

async fn what_the_server_sets_a_client_cannot(talk: &Talk) -> Result<()> {
    talk.namespace().await?;
    let maps = talk.path("v1", "configmaps");
    let changes = [
        ("/metadata/uid", json!("00000000-0000-4000-8000-00000000000a")),
        ("/metadata/creationTimestamp", json!("2020-01-01T00:00:00Z")),
        ("/metadata/deletionTimestamp", json!("2020-01-01T00:00:00Z")),
        ("/metadata/deletionGracePeriodSeconds", json!(5)),
        ("/metadata/generation", json!(7)),
    ];
    let made = talk.post(&maps, &with(&map("one"), &changes)).await?;
    talk.put(&format!("{maps}/one"), &with(&made.body, &changes[1..])).await?;
    let deployments = talk.path("apps/v1", "deployments");
    let made = talk.post(&deployments, &with(&deployment("one"), &changes)).await?;
    talk.put(&format!("{deployments}/one"), &with(&made.body, &changes[1..])).await?;
    Ok(())
}

async fn an_update_needs_the_present_version(talk: &Talk) -> Result<()> {
    talk.namespace().await?;
    let maps = talk.path("v1", "configmaps");
    let first = talk.post(&maps, &map("one")).await?;
    let second = talk.put(&format!("{maps}/one"), &with(&first.body, &[("/data/k", json!("w"))])).await?;
    talk.put(&format!("{maps}/one"), &with(&first.body, &[("/data/k", json!("x"))])).await?;
    talk.put(&format!("{maps}/one"), &with(&second.body, &[("/data/k", json!("x"))])).await?;
    talk.put(&format!("{maps}/one"), &with(&second.body, &[("/metadata/resourceVersion", json!("nonsense"))])).await?;
    talk.put(&format!("{maps}/one"), &with(&second.body, &[("/metadata/resourceVersion", json!("0"))])).await?;
    let deployments = talk.path("apps/v1", "deployments");
    let first = talk.post(&deployments, &deployment("one")).await?;
    talk.put(&format!("{deployments}/one"), &with(&first.body, &[("/spec/replicas", json!(3))])).await?;
    talk.put(&format!("{deployments}/one"), &with(&first.body, &[("/spec/replicas", json!(4))])).await?;
    Ok(())
}

async fn an_update_without_a_version_wins(talk: &Talk) -> Result<()> {
    talk.namespace().await?;
    let kinds = [("v1", "configmaps", map("one")), ("apps/v1", "deployments", deployment("one"))];
    for (group, plural, object) in kinds {
        let path = talk.path(group, plural);
        talk.post(&path, &object).await?;
        talk.put(&format!("{path}/one"), &with(&object, &[("/metadata/labels", json!({ "a": "b" }))])).await?;
        talk.put(&format!("{path}/one"), &object).await?;
    }
    Ok(())
}

async fn an_update_of_something_else_is_refused(talk: &Talk) -> Result<()> {
    talk.namespace().await?;
    let maps = talk.path("v1", "configmaps");
    let made = talk.post(&maps, &map("one")).await?;
    let other = "00000000-0000-4000-8000-00000000000b";
    talk.put(&format!("{maps}/one"), &with(&made.body, &[("/metadata/uid", json!(other))])).await?;
    talk.put(&format!("{maps}/one"), &with(&map("one"), &[("/metadata/uid", json!(other))])).await?;
    talk.put(&format!("{maps}/none"), &with(&map("none"), &[("/metadata/uid", json!(other))])).await?;
    talk.put(&format!("{maps}/none"), &with(&map("none"), &[("/metadata/resourceVersion", json!("1"))])).await?;
    talk.patch(&format!("{maps}/one"), motet_conformance::talk::patch::MERGE, &json!({ "metadata": { "uid": other } }))
        .await?;
    talk.patch(
        &format!("{maps}/one"),
        motet_conformance::talk::patch::MERGE,
        &json!({ "metadata": { "name": "two" } }),
    )
    .await?;
    Ok(())
}

async fn an_update_that_changes_nothing_is_not_stored(talk: &Talk) -> Result<()> {
    talk.namespace().await?;
    let deployments = talk.path("apps/v1", "deployments");
    let made = talk.post(&deployments, &deployment("one")).await?;
    talk.put(&format!("{deployments}/one"), &made.body).await?;
    talk.put(&format!("{deployments}/one"), &deployment("one")).await?;
    talk.get(&format!("{deployments}/one")).await?;
    Ok(())
}

async fn the_path_and_the_body_agree(talk: &Talk) -> Result<()> {
    talk.namespace().await?;
    let maps = talk.path("v1", "configmaps");
    talk.post(&maps, &with(&map("one"), &[("/metadata/namespace", json!("default"))])).await?;
    talk.post(&maps, &map("one")).await?;
    talk.put(&format!("{maps}/one"), &map("two")).await?;
    talk.put(&format!("{maps}/one"), &with(&map("one"), &[("/metadata/name", Value::Null)])).await?;
    talk.put(&format!("{maps}/one"), &with(&map("one"), &[("/metadata/namespace", json!("default"))])).await?;
    talk.post(&maps, &with(&map("x"), &[("/apiVersion", json!("v2"))])).await?;
    talk.post(&maps, &with(&map("x"), &[("/apiVersion", json!("apps/v1"))])).await?;
    talk.post(&maps, &with(&map("kindless"), &[("/kind", Value::Null)])).await?;
    talk.post(&maps, &with(&map("versionless"), &[("/apiVersion", Value::Null)])).await?;
    talk.post(&talk.path("apps/v1", "deployments"), &with(&deployment("x"), &[("/apiVersion", json!("apps/v1beta1"))]))
        .await?;
    talk.post("/api/v1/configmaps", &map("x")).await?;
    talk.post("/api/v1/nodes", &json!({ "metadata": { "name": format!("{}-n", talk.id()), "namespace": "default" } }))
        .await?;
    Ok(())
}

async fn a_namespace_that_is_not_there_takes_nothing(talk: &Talk) -> Result<()> {
    let none = format!("/api/v1/namespaces/{}-none", talk.id());
    talk.post(&format!("{none}/configmaps"), &map("one")).await?;
    talk.get(&format!("{none}/configmaps")).await?;
    talk.get(&format!("{none}/configmaps/one")).await?;
    talk.put(&format!("{none}/configmaps/one"), &map("one")).await?;
    talk.delete(&format!("{none}/configmaps/one")).await?;
    let lease = json!({ "metadata": { "name": "l" }, "spec": {} });
    talk.put(&format!("/apis/coordination.k8s.io/v1/namespaces/{}-none/leases/l", talk.id()), &lease).await?;
    talk.ask(Method::DELETE, &format!("{none}/configmaps")).send().await?;
    Ok(())
}

async fn what_is_not_allowed_on_a_path(talk: &Talk) -> Result<()> {
    talk.namespace().await?;
    let maps = talk.path("v1", "configmaps");
    talk.post(&maps, &map("one")).await?;
    talk.post(&format!("{maps}/one"), &map("one")).await?;
    talk.put(&maps, &map("one")).await?;
    talk.patch(&maps, motet_conformance::talk::patch::MERGE, &json!({})).await?;
    talk.delete("/api/v1/namespaces").await?;
    talk.ask(Method::OPTIONS, &maps).send().await?;
    let deployments = talk.path("apps/v1", "deployments");
    talk.post(&deployments, &deployment("one")).await?;
    talk.delete(&format!("{deployments}/one/status")).await?;
    talk.post(&format!("{deployments}/one/status"), &deployment("one")).await?;
    talk.post(&format!("{deployments}/one/scale"), &deployment("one")).await?;
    talk.delete(&format!("{deployments}/one/scale")).await?;
    talk.delete(&talk.path("v1", "services")).await?;
    Ok(())
}

async fn bodies_that_are_no_objects(talk: &Talk) -> Result<()> {
    talk.namespace().await?;
    let maps = talk.path("v1", "configmaps");
    for body in
        ["", "{", "[]", "null", "7", "\"x\"", "{}", "{\"metadata\":[]}", "{\"metadata\":{\"name\":7}}", "nonsense"]
    {
        talk.note("body", body);
        talk.ask(Method::POST, &maps).bytes("application/json", body.into()).send().await?;
    }
    Ok(())
}

async fn a_request_can_be_too_large(talk: &Talk) -> Result<()> {
    talk.namespace().await?;
    let big = with(&map("big"), &[("/data/k", json!("x".repeat(3 * 1024 * 1024)))]);
    talk.post(&talk.path("v1", "configmaps"), &big).await?;
    Ok(())
}

async fn an_object_can_be_too_large(talk: &Talk) -> Result<()> {
    talk.namespace().await?;
    let maps = talk.path("v1", "configmaps");
    talk.post(&maps, &with(&map("big"), &[("/data/k", json!("x".repeat(1024 * 1024 + 1)))])).await?;
    talk.post(
        &talk.path("v1", "secrets"),
        &json!({ "metadata": { "name": "big" }, "stringData": { "k": "x".repeat(1024 * 1024 + 1) } }),
    )
    .await?;
    Ok(())
}

async fn some_kinds_are_created_by_an_update(talk: &Talk) -> Result<()> {
    talk.namespace().await?;
    let reference = json!({ "kind": "ConfigMap", "name": "x", "namespace": talk.id() });
    let event = json!({ "metadata": { "name": "e" }, "involvedObject": reference, "reason": "R", "message": "m", "type": "Normal" });
    talk.put(&format!("{}/e", talk.path("v1", "events")), &event).await?;
    talk.put(
        &format!("{}/l", talk.path("coordination.k8s.io/v1", "leases")),
        &json!({ "metadata": { "name": "l" }, "spec": { "holderIdentity": "h" } }),
    )
    .await?;
    talk.put(
        &format!("{}/r", talk.path("rbac.authorization.k8s.io/v1", "roles")),
        &json!({ "metadata": { "name": "r" }, "rules": [] }),
    )
    .await?;
    talk.put(
        &format!("{}/l", talk.path("v1", "limitranges")),
        &json!({ "metadata": { "name": "l" }, "spec": { "limits": [] } }),
    )
    .await?;
    talk.put(&format!("{}/p", talk.path("v1", "podtemplates")), &json!({ "metadata": { "name": "p" }, "template": { "spec": { "containers": [{ "name": "c", "image": "i" }] } } })).await?;
    talk.put(
        &format!("{}/s", talk.path("v1", "services")),
        &json!({ "metadata": { "name": "s" }, "spec": { "clusterIP": "None" } }),
    )
    .await?;
    talk.put(&format!("{}/s", talk.path("v1", "secrets")), &json!({ "metadata": { "name": "s" } })).await?;
    talk.put(
        &format!("{}/dry?dryRun=All", talk.path("coordination.k8s.io/v1", "leases")),
        &json!({ "metadata": { "name": "dry" }, "spec": {} }),
    )
    .await?;
    talk.get(&format!("{}/dry", talk.path("coordination.k8s.io/v1", "leases"))).await?;
    Ok(())
}

async fn a_generation_counts_changes_of_the_specification(talk: &Talk) -> Result<()> {
    talk.namespace().await?;
    let path = talk.path("apps/v1", "deployments");
    let made = talk.post(&path, &deployment("one")).await?;
    let one = format!("{path}/one");
    let labelled = talk.put(&one, &with(&made.body, &[("/metadata/labels", json!({ "a": "b" }))])).await?;
    let scaled = talk.put(&one, &with(&labelled.body, &[("/spec/replicas", json!(2))])).await?;
    let both = talk
        .put(&one, &with(&scaled.body, &[("/spec/replicas", json!(3)), ("/status", json!({ "replicas": 9 }))]))
        .await?;
    talk.put(
        &format!("{one}/status"),
        &with(
            &both.body,
            &[("/status/replicas", json!(3)), ("/spec/replicas", json!(8)), ("/metadata/labels/c", json!("d"))],
        ),
    )
    .await?;
    Ok(())
}

async fn kinds_without_generation(talk: &Talk) -> Result<()> {
    talk.namespace().await?;
    for (group, plural, object) in [
        ("v1", "configmaps", map("one")),
        (
            "v1",
            "services",
            json!({ "metadata": { "name": "one" }, "spec": { "clusterIP": "None", "selector": { "a": "b" } } }),
        ),
        ("v1", "serviceaccounts", json!({ "metadata": { "name": "one" } })),
        ("v1", "resourcequotas", json!({ "metadata": { "name": "one" }, "spec": { "hard": { "pods": "1" } } })),
        (
            "autoscaling/v2",
            "horizontalpodautoscalers",
            json!({ "metadata": { "name": "one" }, "spec": { "maxReplicas": 2, "scaleTargetRef": { "kind": "Deployment", "name": "d" } } }),
        ),
        (
            "networking.k8s.io/v1",
            "networkpolicies",
            json!({ "metadata": { "name": "one" }, "spec": { "podSelector": {} } }),
        ),
        ("policy/v1", "poddisruptionbudgets", json!({ "metadata": { "name": "one" }, "spec": { "minAvailable": 1 } })),
    ] {
        talk.post(&talk.path(group, plural), &object).await?;
    }
    Ok(())
}

async fn unknown_paths(talk: &Talk) -> Result<()> {
    talk.namespace().await?;
    for path in [
        "/api/v1/nonsense",
        "/api/v2/configmaps",
        "/apis/none.example.com/v1/things",
        "/apis/apps/v9/deployments",
        "/apis/apps/v1/nonsense",
        "/api/v1/namespaces/default/nonsense/x",
        "/api/v1/namespaces/default/configmaps/x/status",
        "/api/v1/namespaces/default/nodes",
        "/api/v1/configmaps/x",
        "/apis/apps/v1/deployments/x",
        "/apis/apps/v1/namespaces/default/deployments/x/nonsense",
        "/nonsense",
        "/api/v1/namespaces/default/configmaps/x/y/z",
    ] {
        talk.get(path).await?;
    }
    talk.post("/api/v1/namespaces/default/nonsense", &json!({})).await?;
    Ok(())
}

async fn immutable_metadata(talk: &Talk) -> Result<()> {
    talk.namespace().await?;
    change_each(
        talk,
        &talk.path("v1", "configmaps"),
        &map("one"),
        &[
            ("/metadata/generateName", json!("x-")),
            ("/metadata/creationTimestamp", json!("2020-01-01T00:00:00Z")),
            ("/metadata/generation", json!(9)),
            ("/metadata/deletionTimestamp", json!("2020-01-01T00:00:00Z")),
            ("/metadata/creationTimestamp", Value::Null),
            ("/metadata/uid", Value::Null),
            ("/metadata/name", Value::Null),
            ("/metadata/namespace", Value::Null),
            ("/metadata/finalizers", json!(["a.b/c"])),
        ],
    )
    .await
}

async fn versions_to_read_at(talk: &Talk) -> Result<()> {
    talk.namespace().await?;
    let maps = talk.path("v1", "configmaps");
    talk.post(&maps, &map("one")).await?;
    for version in ["0", "1", "x", "-1", ""] {
        talk.ask(Method::GET, &format!("{maps}/one?resourceVersion={version}")).send().await?;
    }
    talk.get(&format!("{maps}/one?resourceVersion=99999999")).await?;
    Ok(())
}

async fn a_get_with_odd_parameters(talk: &Talk) -> Result<()> {
    talk.namespace().await?;
    let maps = talk.path("v1", "configmaps");
    talk.post(&maps, &map("one")).await?;
    for query in [
        "labelSelector=a%3Db",
        "nonsense=1",
        "pretty=true",
        "limit=1",
        "exact=true",
        "timeout=1s",
        "resourceVersionMatch=Exact",
    ] {
        talk.get(&format!("{maps}/one?{query}")).await?;
    }
    Ok(())
}
