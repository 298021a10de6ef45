//! The end of objects: finalizers, grace, owners, namespaces.

use anyhow::Result;
use http::Method;
use motet_conformance::{
    Talk, cases,
    talk::{Answer, patch::MERGE},
};
use serde_json::{Value, json};

use super::tools::with;

cases! { "life":
    a_finalizer_holds_an_object, what_may_change_while_deleting, no_finalizer_comes_to_what_is_deleted, a_deployment_with_a_finalizer, unscheduled_pods_go_at_once, scheduled_pods_have_grace, grace_of_pods_can_be_given,
    grace_of_other_kinds, dependents_go_in_the_background, dependents_go_first_in_the_foreground, dependents_that_do_not_block, dependents_stay_as_orphans, owners_that_never_were, an_owner_of_another_uid,
    one_of_two_owners_goes, all_owners_go, chains_of_owners_go, an_owner_in_another_namespace, a_cluster_wide_owner, a_namespace_ends_with_its_contents, a_namespace_waits_for_finalizers,
    a_terminating_namespace_takes_nothing_new, a_namespace_with_finalizers_of_its_own, a_namespace_can_return, the_last_finalizer_by_status_or_apply, a_delete_while_deleting, foreground_with_finalizers,
    protected_namespaces, claims_are_protected, deletion_by_update_is_not_possible,
}

fn gone(answer: &Answer) -> bool {
    answer.code == 404
}

async fn quiet(talk: &Talk, method: Method, path: &str, body: &Value) -> Result<Answer> {
    talk.ask(method, path).json(body).unkept().send().await
}

fn map(name: &str, owners: &[(&str, &str, &str)]) -> Value {
    let owners: Vec<Value> = owners
        .iter()
        .map(|(kind, name, uid)| json!({ "apiVersion": "v1", "kind": kind, "name": name, "uid": uid }))
        .collect();
    let mut map = json!({ "metadata": { "name": name }, "data": { "k": "v" } });
    if !owners.is_empty() {
        map["metadata"]["ownerReferences"] = owners.into();
    }
    map
}

async fn a_finalizer_holds_an_object(talk: &Talk) -> Result<()> {
    talk.namespace().await?;
    let maps = talk.path("v1", "configmaps");
    talk.post(&maps, &with(&map("one", &[]), &[("/metadata/finalizers", json!(["x.y/z", "x.y/a"]))])).await?;
    talk.delete(&format!("{maps}/one")).await?;
    talk.get(&format!("{maps}/one")).await?;
    talk.patch(&format!("{maps}/one"), MERGE, &json!({ "metadata": { "finalizers": ["x.y/a"] } })).await?;
    talk.patch(&format!("{maps}/one"), MERGE, &json!({ "metadata": { "finalizers": [] } })).await?;
    talk.get(&format!("{maps}/one")).await?;
    Ok(())
}

async fn what_may_change_while_deleting(talk: &Talk) -> Result<()> {
    talk.namespace().await?;
    let maps = talk.path("v1", "configmaps");
    talk.post(&maps, &with(&map("one", &[]), &[("/metadata/finalizers", json!(["x.y/z"]))])).await?;
    let deleting = talk.delete(&format!("{maps}/one")).await?;
    talk.put(
        &format!("{maps}/one"),
        &with(&deleting.body, &[("/data/k", json!("w")), ("/metadata/labels", json!({ "a": "b" }))]),
    )
    .await?;
    talk.put(
        &format!("{maps}/one"),
        &with(
            &deleting.body,
            &[("/metadata/deletionTimestamp", Value::Null), ("/metadata/resourceVersion", Value::Null)],
        ),
    )
    .await?;
    talk.put(
        &format!("{maps}/one"),
        &with(
            &deleting.body,
            &[("/metadata/deletionGracePeriodSeconds", json!(99)), ("/metadata/resourceVersion", Value::Null)],
        ),
    )
    .await?;
    talk.apply(
        &format!("{maps}/one"),
        "m",
        &json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": "one" }, "data": { "z": "z" } }),
    )
    .await?;
    talk.post(&maps, &map("one", &[])).await?;
    Ok(())
}

async fn no_finalizer_comes_to_what_is_deleted(talk: &Talk) -> Result<()> {
    talk.namespace().await?;
    let maps = talk.path("v1", "configmaps");
    talk.post(&maps, &with(&map("one", &[]), &[("/metadata/finalizers", json!(["x.y/z"]))])).await?;
    talk.delete(&format!("{maps}/one")).await?;
    talk.patch(&format!("{maps}/one"), MERGE, &json!({ "metadata": { "finalizers": ["x.y/z", "x.y/new"] } })).await?;
    talk.patch(&format!("{maps}/one"), MERGE, &json!({ "metadata": { "finalizers": ["x.y/new"] } })).await?;
    Ok(())
}

fn deployment(name: &str) -> Value {
    let labels = json!({ "app": name });
    json!({ "metadata": { "name": name }, "spec": { "selector": { "matchLabels": labels }, "template": { "metadata": { "labels": labels }, "spec": { "containers": [{ "name": "c", "image": "i" }] } } } })
}

async fn a_deployment_with_a_finalizer(talk: &Talk) -> Result<()> {
    talk.namespace().await?;
    let path = talk.path("apps/v1", "deployments");
    talk.post(&path, &with(&deployment("one"), &[("/metadata/finalizers", json!(["x.y/z"]))])).await?;
    talk.delete(&format!("{path}/one")).await?;
    talk.patch(&format!("{path}/one"), MERGE, &json!({ "spec": { "replicas": 3 } })).await?;
    talk.patch(&format!("{path}/one"), MERGE, &json!({ "metadata": { "finalizers": null } })).await?;
    talk.get(&format!("{path}/one")).await?;
    Ok(())
}

fn pod(name: &str, node: Option<&str>) -> Value {
    let mut pod = json!({ "metadata": { "name": name }, "spec": { "containers": [{ "name": "c", "image": "i" }] } });
    if let Some(node) = node {
        pod["spec"]["nodeName"] = node.into();
    }
    pod
}

async fn unscheduled_pods_go_at_once(talk: &Talk) -> Result<()> {
    talk.namespace().await?;
    let pods = talk.path("v1", "pods");
    talk.post(&pods, &pod("p", None)).await?;
    talk.delete(&format!("{pods}/p")).await?;
    talk.get(&format!("{pods}/p")).await?;
    Ok(())
}

async fn scheduled_pods_have_grace(talk: &Talk) -> Result<()> {
    talk.namespace().await?;
    let pods = talk.path("v1", "pods");
    talk.post(&pods, &pod("p", Some("n"))).await?;
    talk.delete(&format!("{pods}/p")).await?;
    talk.get(&format!("{pods}/p")).await?;
    talk.delete(&format!("{pods}/p")).await?;
    talk.delete_with(&format!("{pods}/p"), &json!({ "gracePeriodSeconds": 0 })).await?;
    talk.get(&format!("{pods}/p")).await?;
    Ok(())
}

async fn grace_of_pods_can_be_given(talk: &Talk) -> Result<()> {
    talk.namespace().await?;
    let pods = talk.path("v1", "pods");
    talk.post(&pods, &pod("long", Some("n"))).await?;
    talk.delete_with(&format!("{pods}/long"), &json!({ "gracePeriodSeconds": 100 })).await?;
    talk.delete_with(&format!("{pods}/long"), &json!({ "gracePeriodSeconds": 200 })).await?;
    talk.delete_with(&format!("{pods}/long"), &json!({ "gracePeriodSeconds": 5 })).await?;
    talk.delete(&format!("{pods}/long?gracePeriodSeconds=1")).await?;
    talk.delete(&format!("{pods}/long?gracePeriodSeconds=0")).await?;
    talk.post(&pods, &with(&pod("own", Some("n")), &[("/spec/terminationGracePeriodSeconds", json!(7))])).await?;
    talk.delete(&format!("{pods}/own?dryRun=All")).await?;
    talk.delete(&format!("{pods}/own")).await?;
    talk.delete(&format!("{pods}?gracePeriodSeconds=0")).await?;
    let done = talk.post(&pods, &pod("done", Some("n"))).await?;
    talk.put(&format!("{pods}/done/status"), &with(&done.body, &[("/status/phase", json!("Succeeded"))])).await?;
    talk.delete(&format!("{pods}/done")).await?;
    talk.get(&pods).await?;
    Ok(())
}

async fn grace_of_other_kinds(talk: &Talk) -> Result<()> {
    talk.namespace().await?;
    let maps = talk.path("v1", "configmaps");
    talk.post(&maps, &with(&map("one", &[]), &[("/metadata/finalizers", json!(["x.y/z"]))])).await?;
    talk.delete_with(&format!("{maps}/one"), &json!({ "gracePeriodSeconds": 30 })).await?;
    talk.delete_with(&format!("{maps}/one"), &json!({ "gracePeriodSeconds": 0 })).await?;
    Ok(())
}

async fn family(talk: &Talk) -> Result<(String, String)> {
    talk.namespace().await?;
    let maps = talk.path("v1", "configmaps");
    let owner = quiet(talk, Method::POST, &maps, &map("owner", &[])).await?.uid()?;
    quiet(talk, Method::POST, &maps, &map("child", &[("ConfigMap", "owner", &owner)])).await?;
    let blocking = with(
        &map("blocking", &[("ConfigMap", "owner", &owner)]),
        &[
            ("/metadata/ownerReferences/0/blockOwnerDeletion", json!(true)),
            ("/metadata/ownerReferences/0/controller", json!(true)),
        ],
    );
    quiet(talk, Method::POST, &maps, &blocking).await?;
    Ok((maps, owner))
}

async fn dependents_go_in_the_background(talk: &Talk) -> Result<()> {
    let (maps, _) = family(talk).await?;
    talk.delete_with(&format!("{maps}/owner"), &json!({ "propagationPolicy": "Background" })).await?;
    talk.until(&format!("{maps}/child"), "the child to go", gone).await?;
    talk.until(&format!("{maps}/blocking"), "the child to go", gone).await?;
    Ok(())
}

async fn dependents_go_first_in_the_foreground(talk: &Talk) -> Result<()> {
    let (maps, _) = family(talk).await?;
    talk.ask(Method::PATCH, &format!("{maps}/blocking"))
        .json(&json!({ "metadata": { "finalizers": ["x.y/z"] } }))
        .header("content-type", MERGE)
        .unkept()
        .send()
        .await?;
    talk.delete_with(&format!("{maps}/owner"), &json!({ "propagationPolicy": "Foreground" })).await?;
    talk.until(&format!("{maps}/child"), "the child to go", gone).await?;
    talk.until(&format!("{maps}/blocking"), "the blocking child to be going", |a| {
        a.body["metadata"]["deletionTimestamp"].is_string()
    })
    .await?;
    talk.get(&format!("{maps}/owner")).await?;
    talk.patch(&format!("{maps}/blocking"), MERGE, &json!({ "metadata": { "finalizers": null } })).await?;
    talk.until(&format!("{maps}/owner"), "the owner to go", gone).await?;
    Ok(())
}

async fn dependents_that_do_not_block(talk: &Talk) -> Result<()> {
    talk.namespace().await?;
    let maps = talk.path("v1", "configmaps");
    let owner = talk.post(&maps, &map("owner", &[])).await?.uid()?;
    talk.post(
        &maps,
        &with(&map("child", &[("ConfigMap", "owner", &owner)]), &[("/metadata/finalizers", json!(["x.y/z"]))]),
    )
    .await?;
    talk.delete_with(&format!("{maps}/owner"), &json!({ "propagationPolicy": "Foreground" })).await?;
    talk.until(&format!("{maps}/owner"), "the owner to go", gone).await?;
    talk.until(&format!("{maps}/child"), "the child to be going", |a| {
        a.body["metadata"]["deletionTimestamp"].is_string()
    })
    .await?;
    talk.patch(&format!("{maps}/child"), MERGE, &json!({ "metadata": { "finalizers": null } })).await?;
    Ok(())
}

async fn dependents_stay_as_orphans(talk: &Talk) -> Result<()> {
    let (maps, _) = family(talk).await?;
    // A garbage collector that has not seen the children yet would take them for strays afterwards.
    tokio::time::sleep(std::time::Duration::from_secs(1)).await;
    talk.delete_with(&format!("{maps}/owner"), &json!({ "propagationPolicy": "Orphan" })).await?;
    talk.until(&format!("{maps}/owner"), "the owner to go", gone).await?;
    talk.until(&format!("{maps}/child"), "the child to be disowned", |a| {
        a.body["metadata"]["ownerReferences"].is_null()
    })
    .await?;
    talk.until(&format!("{maps}/blocking"), "the child to be disowned", |a| {
        a.body["metadata"]["ownerReferences"].is_null()
    })
    .await?;
    Ok(())
}

async fn owners_that_never_were(talk: &Talk) -> Result<()> {
    talk.namespace().await?;
    let maps = talk.path("v1", "configmaps");
    talk.post(&maps, &map("lost", &[("ConfigMap", "nobody", "00000000-0000-4000-8000-0000000000aa")])).await?;
    talk.until(&format!("{maps}/lost"), "it to go", gone).await?;
    Ok(())
}

async fn an_owner_of_another_uid(talk: &Talk) -> Result<()> {
    talk.namespace().await?;
    let maps = talk.path("v1", "configmaps");
    talk.post(&maps, &map("owner", &[])).await?;
    talk.post(&maps, &map("child", &[("ConfigMap", "owner", "00000000-0000-4000-8000-0000000000ab")])).await?;
    talk.until(&format!("{maps}/child"), "it to go", gone).await?;
    talk.get(&format!("{maps}/owner")).await?;
    Ok(())
}

async fn one_of_two_owners_goes(talk: &Talk) -> Result<()> {
    talk.namespace().await?;
    let maps = talk.path("v1", "configmaps");
    let one = talk.post(&maps, &map("one", &[])).await?.uid()?;
    let two = talk.post(&maps, &map("two", &[])).await?.uid()?;
    talk.post(&maps, &map("child", &[("ConfigMap", "one", &one), ("ConfigMap", "two", &two)])).await?;
    talk.delete_with(&format!("{maps}/one"), &json!({ "propagationPolicy": "Background" })).await?;
    talk.until(&format!("{maps}/child"), "one owner to be left", |a| {
        a.body["metadata"]["ownerReferences"].as_array().is_some_and(|o| o.len() == 1)
    })
    .await?;
    Ok(())
}

async fn all_owners_go(talk: &Talk) -> Result<()> {
    talk.namespace().await?;
    let maps = talk.path("v1", "configmaps");
    let one = talk.post(&maps, &map("one", &[])).await?.uid()?;
    let two = talk.post(&maps, &map("two", &[])).await?.uid()?;
    talk.post(&maps, &map("child", &[("ConfigMap", "one", &one), ("ConfigMap", "two", &two)])).await?;
    talk.delete(&format!("{maps}/one")).await?;
    talk.delete(&format!("{maps}/two")).await?;
    talk.until(&format!("{maps}/child"), "it to go", gone).await?;
    Ok(())
}

async fn chains_of_owners_go(talk: &Talk) -> Result<()> {
    talk.namespace().await?;
    let maps = talk.path("v1", "configmaps");
    let one = talk.post(&maps, &map("one", &[])).await?.uid()?;
    let two = talk.post(&maps, &map("two", &[("ConfigMap", "one", &one)])).await?.uid()?;
    let three = with(&map("three", &[("ConfigMap", "two", &two)]), &[("/data", Value::Null)]);
    talk.post(&talk.path("v1", "secrets"), &three).await?;
    talk.delete(&format!("{maps}/one")).await?;
    talk.until(&format!("{maps}/two"), "it to go", gone).await?;
    talk.until(&format!("{}/three", talk.path("v1", "secrets")), "it to go", gone).await?;
    Ok(())
}

async fn an_owner_in_another_namespace(talk: &Talk) -> Result<()> {
    talk.namespace().await?;
    let maps = talk.path("v1", "configmaps");
    let owner = format!("{}-owner", talk.id());
    let uid = talk.post("/api/v1/namespaces/default/configmaps", &map(&owner, &[])).await?.uid()?;
    talk.post(&maps, &map("child", &[("ConfigMap", &owner, &uid)])).await?;
    talk.until(&format!("{maps}/child"), "it to go", gone).await?;
    Ok(())
}

async fn a_cluster_wide_owner(talk: &Talk) -> Result<()> {
    talk.namespace().await?;
    let maps = talk.path("v1", "configmaps");
    let path = "/apis/rbac.authorization.k8s.io/v1/clusterroles";
    let uid = talk.post(path, &json!({ "metadata": { "name": talk.id() }, "rules": [] })).await?.uid()?;
    let child = with(
        &map("child", &[("ClusterRole", talk.id(), &uid)]),
        &[("/metadata/ownerReferences/0/apiVersion", json!("rbac.authorization.k8s.io/v1"))],
    );
    talk.post(&maps, &child).await?;
    talk.delete(&format!("{path}/{}", talk.id())).await?;
    talk.until(&format!("{maps}/child"), "it to go", gone).await?;
    Ok(())
}

async fn a_namespace_ends_with_its_contents(talk: &Talk) -> Result<()> {
    talk.namespace().await?;
    let maps = talk.path("v1", "configmaps");
    talk.post(&maps, &map("one", &[])).await?;
    talk.post(&talk.path("apps/v1", "deployments"), &deployment("d")).await?;
    let path = format!("/api/v1/namespaces/{}", talk.id());
    talk.delete(&path).await?;
    talk.until(&path, "it to go", gone).await?;
    talk.get(&format!("{maps}/one")).await?;
    talk.get(&format!("{}/d", talk.path("apps/v1", "deployments"))).await?;
    talk.delete(&path).await?;
    Ok(())
}

async fn a_namespace_waits_for_finalizers(talk: &Talk) -> Result<()> {
    talk.namespace().await?;
    let maps = talk.path("v1", "configmaps");
    talk.post(&maps, &with(&map("held", &[]), &[("/metadata/finalizers", json!(["x.y/z"]))])).await?;
    let path = format!("/api/v1/namespaces/{}", talk.id());
    talk.delete(&path).await?;
    talk.until(&path, "its conditions to say what is left", |a| {
        a.body["status"]["conditions"].to_string().contains("SomeFinalizersRemain")
    })
    .await?;
    talk.get(&format!("{maps}/held")).await?;
    talk.patch(&format!("{maps}/held"), MERGE, &json!({ "metadata": { "finalizers": null } })).await?;
    talk.until(&path, "it to go", gone).await?;
    Ok(())
}

async fn a_terminating_namespace_takes_nothing_new(talk: &Talk) -> Result<()> {
    talk.namespace().await?;
    let maps = talk.path("v1", "configmaps");
    talk.post(&maps, &with(&map("held", &[]), &[("/metadata/finalizers", json!(["x.y/z"]))])).await?;
    let path = format!("/api/v1/namespaces/{}", talk.id());
    talk.ask(Method::DELETE, &path).unkept().send().await?;
    talk.post(&maps, &map("new", &[])).await?;
    talk.post(&talk.path("apps/v1", "deployments"), &deployment("new")).await?;
    talk.apply(
        &format!("{maps}/new"),
        "m",
        &json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": "new" } }),
    )
    .await?;
    talk.put(&format!("{}/l", talk.path("coordination.k8s.io/v1", "leases")), &json!({ "metadata": { "name": "l" } }))
        .await?;
    talk.post(&format!("{maps}?dryRun=All"), &map("new", &[])).await?;
    talk.post("/api/v1/namespaces", &json!({ "metadata": { "name": talk.id() } })).await?;
    // Whether the namespace controller was there before is not the same each time.
    let free = json!({ "metadata": { "finalizers": null } });
    let ask = talk.ask(Method::PATCH, &format!("{maps}/held")).json(&free).header("content-type", MERGE);
    ask.unkept().send().await?;
    talk.until(&path, "it to go", gone).await?;
    Ok(())
}

async fn a_namespace_with_finalizers_of_its_own(talk: &Talk) -> Result<()> {
    let name = format!("{}-f", talk.id());
    let path = format!("/api/v1/namespaces/{name}");
    talk.post("/api/v1/namespaces", &json!({ "metadata": { "name": name, "finalizers": ["x.y/z"] } })).await?;
    talk.delete(&path).await?;
    talk.until(&path, "its specification to be done", |a| a.body["spec"]["finalizers"].is_null()).await?;
    talk.patch(&path, MERGE, &json!({ "metadata": { "finalizers": null } })).await?;
    talk.until(&path, "it to go", gone).await?;
    Ok(())
}

async fn a_namespace_can_return(talk: &Talk) -> Result<()> {
    talk.namespace().await?;
    let path = format!("/api/v1/namespaces/{}", talk.id());
    talk.ask(Method::DELETE, &path).unkept().send().await?;
    talk.until(&path, "it to go", gone).await?;
    talk.post("/api/v1/namespaces", &json!({ "metadata": { "name": talk.id() } })).await?;
    talk.post(&talk.path("v1", "configmaps"), &map("one", &[])).await?;
    Ok(())
}

async fn the_last_finalizer_by_status_or_apply(talk: &Talk) -> Result<()> {
    talk.namespace().await?;
    let maps = talk.path("v1", "configmaps");
    let applied = json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": "one", "finalizers": ["x.y/z"] }, "data": { "a": "b" } });
    talk.apply(&format!("{maps}/one"), "m", &applied).await?;
    talk.delete(&format!("{maps}/one")).await?;
    talk.apply(&format!("{maps}/one"), "m", &with(&applied, &[("/metadata/finalizers", Value::Null)])).await?;
    talk.get(&format!("{maps}/one")).await?;
    Ok(())
}

async fn a_delete_while_deleting(talk: &Talk) -> Result<()> {
    talk.namespace().await?;
    let maps = talk.path("v1", "configmaps");
    talk.post(&maps, &with(&map("one", &[]), &[("/metadata/finalizers", json!(["x.y/z"]))])).await?;
    talk.delete(&format!("{maps}/one")).await?;
    talk.delete(&format!("{maps}/one")).await?;
    talk.delete_with(&format!("{maps}/one"), &json!({ "propagationPolicy": "Foreground" })).await?;
    talk.delete_with(&format!("{maps}/one"), &json!({ "propagationPolicy": "Background" })).await?;
    Ok(())
}

async fn foreground_with_finalizers(talk: &Talk) -> Result<()> {
    talk.namespace().await?;
    let maps = talk.path("v1", "configmaps");
    talk.post(&maps, &with(&map("one", &[]), &[("/metadata/finalizers", json!(["x.y/z"]))])).await?;
    talk.delete_with(&format!("{maps}/one"), &json!({ "propagationPolicy": "Foreground" })).await?;
    talk.until(&format!("{maps}/one"), "the collector to be done", |a| {
        a.body["metadata"]["finalizers"].as_array().is_some_and(|f| f.len() == 1)
    })
    .await?;
    talk.patch(&format!("{maps}/one"), MERGE, &json!({ "metadata": { "finalizers": null } })).await?;
    talk.until(&format!("{maps}/one"), "it to go", gone).await?;
    Ok(())
}

async fn protected_namespaces(talk: &Talk) -> Result<()> {
    for name in ["default", "kube-system", "kube-public"] {
        talk.delete(&format!("/api/v1/namespaces/{name}?dryRun=All")).await?;
    }
    Ok(())
}

async fn claims_are_protected(talk: &Talk) -> Result<()> {
    talk.namespace().await?;
    let claims = talk.path("v1", "persistentvolumeclaims");
    talk.post(&claims, &json!({ "metadata": { "name": "c" }, "spec": { "accessModes": ["ReadWriteOnce"], "resources": { "requests": { "storage": "1Gi" } } } })).await?;
    talk.delete(&format!("{claims}/c")).await?;
    talk.patch(&format!("{claims}/c"), MERGE, &json!({ "metadata": { "finalizers": null } })).await?;
    talk.get(&format!("{claims}/c")).await?;
    Ok(())
}

async fn deletion_by_update_is_not_possible(talk: &Talk) -> Result<()> {
    talk.namespace().await?;
    let maps = talk.path("v1", "configmaps");
    let made = talk.post(&maps, &map("one", &[])).await?;
    talk.put(
        &format!("{maps}/one"),
        &with(&made.body, &[("/metadata/deletionTimestamp", json!("2020-01-01T00:00:00Z"))]),
    )
    .await?;
    talk.put(
        &format!("{maps}/one"),
        &with(
            &made.body,
            &[
                ("/metadata/deletionTimestamp", json!("2020-01-01T00:00:00Z")),
                ("/metadata/resourceVersion", Value::Null),
                ("/metadata/deletionGracePeriodSeconds", json!(1)),
            ],
        ),
    )
    .await?;
    Ok(())
}
