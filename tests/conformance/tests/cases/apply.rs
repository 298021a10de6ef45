//! Server-side apply of built-in kinds: ownership, conflicts, lists.

use anyhow::Result;
use http::Method;
use motet_conformance::{Talk, cases, talk::patch};
use serde_json::{Value, json};

cases! {
    "apply":
    an_apply_creates_and_then_changes_nothing,
    a_field_that_is_no_longer_applied_goes,
    a_field_of_another_manager_is_a_conflict,
    several_managers_and_fields_are_several_conflicts,
    a_forced_apply_takes_fields_over,
    equal_values_are_owned_together_and_go_with_their_last_owner,
    an_update_takes_fields_from_an_applier,
    updates_patches_and_applies_stand_in_their_order,
    an_applier_can_give_up_everything,
    defaults_are_nobodys,
    containers_and_their_lists_merge_by_key,
    ports_are_told_apart_by_port_and_protocol,
    atomic_lists_and_maps_are_owned_as_a_whole,
    sets_merge_by_value,
    owner_references_merge_by_uid_under_apply,
    ports_of_services_under_apply,
    conditions_merge_by_type_through_the_status,
    the_status_is_owned_apart,
    the_scale_is_owned_apart,
    items_of_a_list_twice_are_refused,
    items_that_are_no_objects_are_refused,
    values_of_another_type_are_refused,
    another_kind_name_or_namespace_is_refused,
    managed_fields_in_an_applied_object_are_refused,
    ownership_is_reset_by_an_empty_list,
    what_was_there_before_the_first_apply_has_an_owner,
    unknown_fields_under_apply,
    a_dry_run_of_an_apply,
    yaml_bodies_and_bad_ones,
    an_object_that_is_going_can_be_applied_to,
    an_apply_after_a_deletion_creates_anew,
    versions_and_uids_in_an_applied_object_are_preconditions,
    nulls_and_empty_values_under_apply,
    the_order_of_applied_items_is_kept,
    quantities_and_numbers_are_compared_as_the_server_writes_them,
    client_side_ownership_moves_to_an_applier,
}

async fn maps(talk: &Talk) -> Result<String> {
    talk.namespace().await?;
    Ok(talk.path("v1", "configmaps"))
}

fn map(data: Value) -> Value {
    json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": "one" }, "data": data })
}

fn pod_spec(spec: Value) -> Value {
    json!({ "apiVersion": "apps/v1", "kind": "Deployment", "metadata": { "name": "d" }, "spec": { "replicas": 0,
        "selector": { "matchLabels": { "a": "b" } }, "template": { "metadata": { "labels": { "a": "b" } }, "spec": spec } } })
}

fn only(spec: Value) -> Value {
    json!({ "apiVersion": "apps/v1", "kind": "Deployment", "metadata": { "name": "d" }, "spec": spec })
}

async fn deployments(talk: &Talk) -> Result<String> {
    talk.namespace().await?;
    Ok(format!("{}/d", talk.path("apps/v1", "deployments")))
}

async fn an_apply_creates_and_then_changes_nothing(talk: &Talk) -> Result<()> {
    let one = format!("{}/one", maps(talk).await?);
    talk.apply(&one, "m", &map(json!({ "a": "1" }))).await?;
    talk.apply(&one, "m", &map(json!({ "a": "1" }))).await?;
    talk.apply(&one, "n", &map(json!({ "a": "1" }))).await?;
    talk.apply(&one, "n", &map(json!({ "a": "1" }))).await?;
    talk.get(&one).await?;
    Ok(())
}

async fn a_field_that_is_no_longer_applied_goes(talk: &Talk) -> Result<()> {
    let one = format!("{}/one", maps(talk).await?);
    let mut full = map(json!({ "a": "1", "b": "2" }));
    full["metadata"]["labels"] = json!({ "x": "1", "y": "2" });
    full["metadata"]["annotations"] = json!({ "z": "3" });
    talk.apply(&one, "m", &full).await?;
    full["metadata"]["labels"] = json!({ "y": "2" });
    full["data"] = json!({ "b": "2" });
    talk.apply(&one, "m", &full).await?;
    talk.apply(&one, "m", &map(json!({}))).await?;
    talk.apply(&one, "m", &json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": "one" } })).await?;
    Ok(())
}

async fn a_field_of_another_manager_is_a_conflict(talk: &Talk) -> Result<()> {
    let one = format!("{}/one", maps(talk).await?);
    talk.apply(&one, "m", &map(json!({ "a": "1" }))).await?;
    talk.apply(&one, "n", &map(json!({ "a": "2" }))).await?;
    talk.apply(&one, "n", &map(json!({ "a": "2", "b": "1" }))).await?;
    talk.patch(&format!("{one}?fieldManager=u"), patch::MERGE, &json!({ "data": { "c": "3" } })).await?;
    talk.apply(&one, "n", &map(json!({ "c": "4" }))).await?;
    talk.get(&one).await?;
    Ok(())
}

async fn several_managers_and_fields_are_several_conflicts(talk: &Talk) -> Result<()> {
    talk.aside("/details/causes", "managers are listed in no order there; the message has them in order");
    let one = format!("{}/one", maps(talk).await?);
    talk.apply(&one, "m", &map(json!({ "a": "1", "b": "1" }))).await?;
    talk.apply(&one, "n", &map(json!({ "a": "1", "c": "1" }))).await?;
    talk.apply(&one, "o", &map(json!({ "a": "2" }))).await?;
    talk.apply(&one, "o", &map(json!({ "a": "2", "b": "2", "c": "2" }))).await?;
    talk.patch(&format!("{one}?fieldManager=u"), patch::MERGE, &json!({ "data": { "d": "3", "e": "3" } })).await?;
    talk.apply(&one, "o", &map(json!({ "b": "2", "d": "2", "e": "2" }))).await?;
    talk.apply(&one, "m", &map(json!({ "a": "2", "b": "1" }))).await?;
    Ok(())
}

async fn a_forced_apply_takes_fields_over(talk: &Talk) -> Result<()> {
    let one = format!("{}/one", maps(talk).await?);
    talk.apply(&one, "m", &map(json!({ "a": "1", "b": "1" }))).await?;
    talk.force(&one, "n", &map(json!({ "a": "2" }))).await?;
    talk.force(&one, "m", &map(json!({ "a": "3", "b": "1" }))).await?;
    talk.force(&one, "n", &map(json!({ "a": "2", "b": "2" }))).await?;
    talk.apply(&one, "m", &map(json!({}))).await?;
    talk.patch(&format!("{one}?fieldManager=n&force=false"), patch::APPLY, &map(json!({ "a": "2" }))).await?;
    Ok(())
}

async fn equal_values_are_owned_together_and_go_with_their_last_owner(talk: &Talk) -> Result<()> {
    let one = format!("{}/one", maps(talk).await?);
    talk.apply(&one, "m", &map(json!({ "a": "1", "b": "1" }))).await?;
    talk.apply(&one, "n", &map(json!({ "a": "1" }))).await?;
    talk.apply(&one, "m", &map(json!({ "b": "1" }))).await?;
    talk.apply(&one, "n", &map(json!({}))).await?;
    talk.patch(&format!("{one}?fieldManager=u"), patch::MERGE, &json!({ "data": { "b": "1", "c": "1" } })).await?;
    talk.apply(&one, "m", &map(json!({ "c": "1" }))).await?;
    talk.apply(&one, "m", &map(json!({}))).await?;
    Ok(())
}

async fn an_update_takes_fields_from_an_applier(talk: &Talk) -> Result<()> {
    let one = format!("{}/one", maps(talk).await?);
    talk.apply(&one, "m", &map(json!({ "a": "1", "b": "1" }))).await?;
    let mut live = talk.get(&one).await?.body;
    live["data"] = json!({ "a": "2", "b": "1" });
    talk.put(&format!("{one}?fieldManager=u"), &live).await?;
    let mut live = talk.get(&one).await?.body;
    live["data"] = json!({ "a": "2" });
    talk.put(&format!("{one}?fieldManager=u"), &live).await?;
    talk.apply(&one, "m", &map(json!({ "a": "2", "b": "1" }))).await?;
    talk.apply(&one, "m", &map(json!({ "a": "1" }))).await?;
    Ok(())
}

async fn updates_patches_and_applies_stand_in_their_order(talk: &Talk) -> Result<()> {
    let maps = maps(talk).await?;
    let one = format!("{maps}/one");
    talk.post(&format!("{maps}?fieldManager=creator"), &map(json!({ "a": "1" }))).await?;
    talk.patch(&format!("{one}?fieldManager=z"), patch::MERGE, &json!({ "data": { "b": "1" } })).await?;
    talk.patch(&format!("{one}?fieldManager=a"), patch::STRATEGIC, &json!({ "data": { "c": "1" } })).await?;
    talk.apply(&one, "y", &map(json!({ "d": "1" }))).await?;
    talk.apply(&one, "b", &map(json!({ "e": "1" }))).await?;
    talk.patch(&format!("{one}?fieldManager=b"), patch::MERGE, &json!({ "data": { "e": "2" } })).await?;
    talk.patch(&format!("{one}?fieldManager=z"), patch::MERGE, &json!({ "data": { "b": null } })).await?;
    Ok(())
}

async fn an_applier_can_give_up_everything(talk: &Talk) -> Result<()> {
    let one = format!("{}/one", maps(talk).await?);
    let nothing = json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": "one" } });
    talk.apply(&one, "m", &nothing).await?;
    talk.apply(&one, "n", &map(json!({ "a": "1" }))).await?;
    talk.apply(&one, "n", &nothing).await?;
    talk.apply(&one, "n", &map(json!({ "a": "1" }))).await?;
    Ok(())
}

async fn defaults_are_nobodys(talk: &Talk) -> Result<()> {
    let d = deployments(talk).await?;
    talk.apply(&d, "m", &pod_spec(json!({ "containers": [{ "name": "a", "image": "i:1" }] }))).await?;
    let mut explicit =
        pod_spec(json!({ "containers": [{ "name": "a", "image": "i:1", "imagePullPolicy": "IfNotPresent" }] }));
    explicit["spec"]["revisionHistoryLimit"] = json!(10);
    talk.apply(&d, "n", &explicit).await?;
    talk.apply(&d, "n", &only(json!({ "revisionHistoryLimit": 5 }))).await?;
    talk.apply(&d, "n", &only(json!({ "paused": true }))).await?;
    Ok(())
}

async fn containers_and_their_lists_merge_by_key(talk: &Talk) -> Result<()> {
    let d = deployments(talk).await?;
    let one = json!({ "name": "one", "image": "i:1", "args": ["x"], "env": [{ "name": "A", "value": "1" }, { "name": "B", "value": "2" }],
        "volumeMounts": [{ "name": "v", "mountPath": "/v" }] });
    talk.apply(
        &d,
        "m",
        &pod_spec(json!({ "containers": [one], "volumes": [{ "name": "v", "emptyDir": {} }],
        "tolerations": [{ "key": "k", "operator": "Exists" }], "nodeSelector": { "a": "b" } })),
    )
    .await?;
    let more = |containers: Value| only(json!({ "template": { "spec": { "containers": containers } } }));
    talk.apply(
        &d,
        "n",
        &more(json!([{ "name": "two", "image": "j:1" }, { "name": "one", "env": [{ "name": "C", "value": "3" }] }])),
    )
    .await?;
    talk.apply(
        &d,
        "n",
        &more(json!([{ "name": "one", "env": [{ "name": "C", "value": "3" }, { "name": "A", "value": "9" }] }])),
    )
    .await?;
    talk.apply(&d, "n", &more(json!([{ "name": "one", "args": ["y"] }]))).await?;
    talk.apply(&d, "n", &more(json!([{ "name": "one" }]))).await?;
    talk.apply(&d, "n", &only(json!({}))).await?;
    Ok(())
}

async fn ports_are_told_apart_by_port_and_protocol(talk: &Talk) -> Result<()> {
    let d = deployments(talk).await?;
    let with = |ports: Value| pod_spec(json!({ "containers": [{ "name": "a", "image": "i:1", "ports": ports }] }));
    talk.apply(&d, "m", &with(json!([{ "containerPort": 80 }]))).await?;
    talk.apply(
        &d,
        "m",
        &with(json!([{ "containerPort": 80, "protocol": "UDP" }, { "containerPort": 80, "name": "http" }])),
    )
    .await?;
    talk.apply(&d, "n", &only(json!({ "template": { "spec": { "containers": [{ "name": "a", "ports": [{ "containerPort": 80, "protocol": "TCP", "name": "web" }] }] } } }))).await?;
    talk.apply(&d, "m", &with(json!([{ "containerPort": 80, "protocol": "UDP" }]))).await?;
    Ok(())
}

async fn atomic_lists_and_maps_are_owned_as_a_whole(talk: &Talk) -> Result<()> {
    let d = deployments(talk).await?;
    let spec = |args: Value, selector: Value| {
        json!({ "containers": [{ "name": "a", "image": "i:1", "args": args }], "nodeSelector": selector,
        "tolerations": [{ "key": "k", "operator": "Exists" }] })
    };
    talk.apply(&d, "m", &pod_spec(spec(json!(["x"]), json!({ "a": "b" })))).await?;
    talk.apply(&d, "n", &only(json!({ "template": { "spec": { "nodeSelector": { "c": "d" } } } }))).await?;
    talk.apply(
        &d,
        "n",
        &only(json!({ "template": { "spec": { "tolerations": [{ "key": "l", "operator": "Exists" }] } } })),
    )
    .await?;
    talk.force(&d, "n", &only(json!({ "template": { "spec": { "nodeSelector": { "c": "d" }, "tolerations": [] } } })))
        .await?;
    talk.apply(&d, "n", &only(json!({ "selector": { "matchLabels": { "a": "b" } } }))).await?;
    Ok(())
}

async fn sets_merge_by_value(talk: &Talk) -> Result<()> {
    let one = format!("{}/one", maps(talk).await?);
    let with = |finalizers: Value| json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": "one", "finalizers": finalizers } });
    talk.apply(&one, "m", &with(json!(["x/a", "x/b"]))).await?;
    talk.apply(&one, "n", &with(json!(["x/c", "x/a"]))).await?;
    talk.apply(&one, "m", &with(json!(["x/b"]))).await?;
    talk.apply(&one, "m", &with(json!([]))).await?;
    talk.apply(&one, "n", &with(json!([]))).await?;
    Ok(())
}

async fn owner_references_merge_by_uid_under_apply(talk: &Talk) -> Result<()> {
    let maps = maps(talk).await?;
    let one = format!("{maps}/one");
    let owner = talk.post(&maps, &json!({ "metadata": { "name": "owner" } })).await?.uid()?;
    let reference = |more: Value| {
        let mut reference = json!({ "apiVersion": "v1", "kind": "ConfigMap", "name": "owner", "uid": owner });
        reference.as_object_mut().into_iter().for_each(|r| r.extend(more.as_object().cloned().unwrap_or_default()));
        json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": "one", "ownerReferences": [reference] } })
    };
    talk.apply(&one, "m", &reference(json!({}))).await?;
    talk.apply(&one, "n", &reference(json!({ "controller": true }))).await?;
    talk.apply(&one, "n", &map(json!({}))).await?;
    Ok(())
}

async fn ports_of_services_under_apply(talk: &Talk) -> Result<()> {
    talk.namespace().await?;
    talk.aside("/spec/clusterIP", "addresses are handed out in any order");
    talk.aside("/spec/clusterIPs", "addresses are handed out in any order");
    let s = format!("{}/s", talk.path("v1", "services"));
    let with = |ports: Value| json!({ "apiVersion": "v1", "kind": "Service", "metadata": { "name": "s" }, "spec": { "ports": ports } });
    talk.apply(&s, "m", &with(json!([{ "name": "http", "port": 80 }]))).await?;
    talk.apply(&s, "n", &with(json!([{ "name": "dns", "port": 53, "protocol": "UDP" }]))).await?;
    talk.apply(&s, "n", &with(json!([{ "name": "web", "port": 80 }]))).await?;
    talk.apply(&s, "m", &with(json!([{ "name": "http", "port": 80, "targetPort": 8080 }]))).await?;
    Ok(())
}

async fn conditions_merge_by_type_through_the_status(talk: &Talk) -> Result<()> {
    let d = deployments(talk).await?;
    talk.apply(&d, "m", &pod_spec(json!({ "containers": [{ "name": "a", "image": "i:1" }] }))).await?;
    let status = format!("{d}/status");
    let time = "2020-01-01T00:00:00Z";
    let with = |kind: &str, value: &str| {
        json!({ "apiVersion": "apps/v1", "kind": "Deployment", "metadata": { "name": "d" }, "status": {
        "conditions": [{ "type": kind, "status": value, "lastTransitionTime": time, "lastUpdateTime": time }] } })
    };
    talk.apply(&status, "m", &with("A", "True")).await?;
    talk.apply(&status, "n", &with("B", "True")).await?;
    talk.apply(&status, "n", &with("A", "False")).await?;
    talk.force(&status, "n", &with("A", "False")).await?;
    talk.get(&d).await?;
    Ok(())
}

async fn the_status_is_owned_apart(talk: &Talk) -> Result<()> {
    let d = deployments(talk).await?;
    let mut both = pod_spec(json!({ "containers": [{ "name": "a", "image": "i:1" }] }));
    both["status"] = json!({ "observedGeneration": 7 });
    talk.apply(&d, "m", &both).await?;
    talk.apply(&format!("{d}/status"), "m", &both).await?;
    talk.apply(&d, "m", &both).await?;
    talk.apply(&format!("{d}/status"), "m", &only(json!({ "replicas": 5 }))).await?;
    talk.apply(
        &format!("{}/none/status", talk.path("apps/v1", "deployments")),
        "m",
        &json!({ "apiVersion": "apps/v1", "kind": "Deployment" }),
    )
    .await?;
    Ok(())
}

async fn the_scale_is_owned_apart(talk: &Talk) -> Result<()> {
    let d = deployments(talk).await?;
    talk.apply(&d, "m", &pod_spec(json!({ "containers": [{ "name": "a", "image": "i:1" }] }))).await?;
    let scale = format!("{d}/scale");
    let with = |n: i64| json!({ "apiVersion": "autoscaling/v1", "kind": "Scale", "metadata": { "name": "d" }, "spec": { "replicas": n } });
    talk.apply(&scale, "n", &with(0)).await?;
    talk.apply(&scale, "n", &with(2)).await?;
    talk.force(&scale, "n", &with(2)).await?;
    talk.get(&d).await?;
    talk.apply(&d, "m", &only(json!({ "replicas": 3 }))).await?;
    talk.apply(&scale, "n", &with(-2)).await?;
    talk.apply(&scale, "n", &json!({ "apiVersion": "apps/v1", "kind": "Deployment", "metadata": { "name": "d" } }))
        .await?;
    talk.patch(&format!("{scale}?fieldManager=u"), patch::MERGE, &json!({ "spec": { "replicas": 4 } })).await?;
    talk.get(&d).await?;
    Ok(())
}

async fn items_of_a_list_twice_are_refused(talk: &Talk) -> Result<()> {
    let d = deployments(talk).await?;
    let a = json!({ "name": "a", "image": "i:1" });
    talk.apply(&d, "m", &pod_spec(json!({ "containers": [a, a] }))).await?;
    talk.apply(
        &d,
        "m",
        &pod_spec(json!({ "containers": [a, { "name": "b", "env": [{ "name": "X" }, { "name": "X" }] }] })),
    )
    .await?;
    talk.apply(&d, "m", &pod_spec(json!({ "containers": [{ "name": "a", "ports": [{ "containerPort": 1 }, { "containerPort": 1, "protocol": "TCP" }] }] }))).await?;
    let mut finalizers = pod_spec(json!({ "containers": [a] }));
    finalizers["metadata"]["finalizers"] = json!(["x/a", "x/a"]);
    talk.apply(&d, "m", &finalizers).await?;
    Ok(())
}

async fn items_that_are_no_objects_are_refused(talk: &Talk) -> Result<()> {
    let d = deployments(talk).await?;
    for containers in [json!(["text"]), json!([1, { "name": "a" }]), json!([{ "name": "a", "env": [[]] }])] {
        talk.apply(&d, "m", &pod_spec(json!({ "containers": containers }))).await?;
    }
    Ok(())
}

async fn values_of_another_type_are_refused(talk: &Talk) -> Result<()> {
    let d = deployments(talk).await?;
    for spec in [
        json!({ "replicas": "two" }),
        json!({ "paused": 1 }),
        json!({ "template": [] }),
        json!({ "template": { "spec": { "containers": {} } } }),
        json!({ "selector": "text" }),
        json!({ "template": { "metadata": { "labels": { "a": 1 } } } }),
    ] {
        talk.apply(&d, "m", &only(spec)).await?;
    }
    Ok(())
}

async fn another_kind_name_or_namespace_is_refused(talk: &Talk) -> Result<()> {
    let one = format!("{}/one", maps(talk).await?);
    for change in [
        json!({ "kind": "Secret" }),
        json!({ "apiVersion": "v2" }),
        json!({ "kind": null }),
        json!({ "apiVersion": null }),
        json!({ "metadata": { "name": "two" } }),
        json!({ "metadata": { "namespace": "default" } }),
        json!({ "metadata": {} }),
        json!({ "metadata": null }),
    ] {
        let mut object = map(json!({ "a": "1" }));
        for (key, value) in change.as_object().into_iter().flatten() {
            object[key] = value.clone();
            if value.is_null() {
                object.as_object_mut().into_iter().for_each(|o| drop(o.remove(key)));
            }
        }
        talk.apply(&one, "m", &object).await?;
    }
    Ok(())
}

async fn managed_fields_in_an_applied_object_are_refused(talk: &Talk) -> Result<()> {
    let one = format!("{}/one", maps(talk).await?);
    let mut object = map(json!({ "a": "1" }));
    for fields in [json!([]), json!([{}]), json!([{ "manager": "x" }]), json!(null)] {
        object["metadata"]["managedFields"] = fields;
        talk.apply(&one, "m", &object).await?;
    }
    talk.patch(&one, patch::APPLY, &map(json!({}))).await?;
    talk.patch(&format!("{one}?fieldManager="), patch::APPLY, &map(json!({}))).await?;
    Ok(())
}

async fn ownership_is_reset_by_an_empty_list(talk: &Talk) -> Result<()> {
    let one = format!("{}/one", maps(talk).await?);
    talk.apply(&one, "m", &map(json!({ "a": "1" }))).await?;
    let mut live = talk.get(&one).await?.body;
    live["metadata"]["managedFields"] = json!([{}]);
    talk.put(&one, &live).await?;
    talk.apply(&one, "n", &map(json!({ "a": "1", "b": "2" }))).await?;
    let mut live = talk.get(&one).await?.body;
    live["metadata"]["managedFields"] = json!([]);
    talk.put(&one, &live).await?;
    talk.apply(&one, "n", &map(json!({ "a": "2" }))).await?;
    Ok(())
}

async fn what_was_there_before_the_first_apply_has_an_owner(talk: &Talk) -> Result<()> {
    let maps = maps(talk).await?;
    let one = format!("{maps}/one");
    talk.post(&maps, &map(json!({ "a": "1", "b": "1" }))).await?;
    talk.patch(&one, patch::JSON, &json!([{ "op": "replace", "path": "/metadata/managedFields", "value": [] }]))
        .await?;
    talk.apply(&one, "m", &map(json!({ "a": "1" }))).await?;
    talk.apply(&one, "m", &map(json!({ "b": "2" }))).await?;
    talk.force(&one, "m", &map(json!({ "b": "2" }))).await?;
    Ok(())
}

async fn unknown_fields_under_apply(talk: &Talk) -> Result<()> {
    let one = format!("{}/one", maps(talk).await?);
    let mut object = map(json!({ "a": "1" }));
    object["unknown"] = json!(1);
    for mode in ["Strict", "Warn", "Ignore"] {
        talk.patch(&format!("{one}?fieldManager=m&fieldValidation={mode}"), patch::APPLY, &object).await?;
    }
    let d = deployments(talk).await?;
    talk.apply(&d, "m", &pod_spec(json!({ "containers": [{ "name": "a", "image": "i:1", "unknown": true }] }))).await?;
    Ok(())
}

async fn a_dry_run_of_an_apply(talk: &Talk) -> Result<()> {
    let one = format!("{}/one", maps(talk).await?);
    talk.patch(&format!("{one}?fieldManager=m&dryRun=All"), patch::APPLY, &map(json!({ "a": "1" }))).await?;
    talk.get(&one).await?;
    talk.apply(&one, "m", &map(json!({ "a": "1" }))).await?;
    talk.patch(&format!("{one}?fieldManager=m&dryRun=All"), patch::APPLY, &map(json!({ "a": "2" }))).await?;
    talk.patch(&format!("{one}?fieldManager=n&dryRun=All"), patch::APPLY, &map(json!({ "a": "2" }))).await?;
    talk.get(&one).await?;
    Ok(())
}

async fn yaml_bodies_and_bad_ones(talk: &Talk) -> Result<()> {
    let one = format!("{}/one", maps(talk).await?);
    for body in [
        "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: one\ndata:\n  a: \"1\"\n  long: |\n    two\n    lines\n",
        "# nothing but a comment\n",
        "",
        "[]",
        "text",
    ] {
        let path = format!("{one}?fieldManager=m");
        talk.ask(Method::PATCH, &path).bytes(patch::APPLY, body.as_bytes().to_vec()).send().await?;
    }
    Ok(())
}

async fn an_object_that_is_going_can_be_applied_to(talk: &Talk) -> Result<()> {
    let one = format!("{}/one", maps(talk).await?);
    let with = |finalizers: Value, data: Value| json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": "one", "finalizers": finalizers }, "data": data });
    talk.apply(&one, "m", &with(json!(["x/a", "x/b"]), json!({ "a": "1" }))).await?;
    talk.delete(&one).await?;
    talk.apply(&one, "m", &with(json!(["x/a", "x/b"]), json!({ "a": "2" }))).await?;
    talk.apply(&one, "m", &with(json!(["x/a", "x/b", "x/c"]), json!({ "a": "2" }))).await?;
    talk.apply(&one, "m", &with(json!(["x/b"]), json!({ "a": "2" }))).await?;
    talk.apply(&one, "m", &map(json!({ "a": "2" }))).await?;
    talk.get(&one).await?;
    Ok(())
}

async fn an_apply_after_a_deletion_creates_anew(talk: &Talk) -> Result<()> {
    let one = format!("{}/one", maps(talk).await?);
    talk.apply(&one, "m", &map(json!({ "a": "1" }))).await?;
    talk.delete(&one).await?;
    talk.apply(&one, "m", &map(json!({ "a": "1" }))).await?;
    Ok(())
}

async fn versions_and_uids_in_an_applied_object_are_preconditions(talk: &Talk) -> Result<()> {
    let one = format!("{}/one", maps(talk).await?);
    let with = |field: &str, value: &str| {
        let mut object = map(json!({ "a": value }));
        object["metadata"][field] = value.into();
        object
    };
    let uid = "11111111-2222-3333-4444-555555555555";
    talk.apply(&one, "m", &with("uid", uid)).await?;
    talk.apply(&one, "m", &with("resourceVersion", "5")).await?;
    let made = talk.apply(&one, "m", &map(json!({ "a": "1" }))).await?;
    talk.apply(&one, "m", &with("uid", uid)).await?;
    talk.apply(&one, "m", &with("resourceVersion", "1")).await?;
    let mut same = map(json!({ "a": "2" }));
    same["metadata"]["resourceVersion"] = made.version()?.into();
    same["metadata"]["uid"] = made.uid()?.into();
    talk.apply(&one, "m", &same).await?;
    Ok(())
}

async fn nulls_and_empty_values_under_apply(talk: &Talk) -> Result<()> {
    let one = format!("{}/one", maps(talk).await?);
    let mut object = map(json!({ "a": "", "b": "1" }));
    object["metadata"]["labels"] = json!({});
    object["metadata"]["annotations"] = json!(null);
    talk.apply(&one, "m", &object).await?;
    object["data"] = json!({ "b": null });
    talk.apply(&one, "m", &object).await?;
    object["data"] = json!(null);
    talk.apply(&one, "m", &object).await?;
    Ok(())
}

async fn the_order_of_applied_items_is_kept(talk: &Talk) -> Result<()> {
    let d = deployments(talk).await?;
    let with = |names: &[&str]| {
        let containers: Vec<Value> = names.iter().map(|n| json!({ "name": n, "image": "i:1" })).collect();
        pod_spec(json!({ "containers": containers }))
    };
    talk.apply(&d, "m", &with(&["b", "a", "c"])).await?;
    talk.apply(&d, "m", &with(&["a", "b", "c"])).await?;
    talk.apply(&d, "m", &with(&["c", "d", "a", "b"])).await?;
    talk.apply(&d, "n", &only(json!({ "template": { "spec": { "containers": [{ "name": "z", "image": "i:2" }, { "name": "a", "image": "i:1" }] } } }))).await?;
    Ok(())
}

async fn quantities_and_numbers_are_compared_as_the_server_writes_them(talk: &Talk) -> Result<()> {
    let d = deployments(talk).await?;
    let with = |cpu: Value| {
        pod_spec(
            json!({ "containers": [{ "name": "a", "image": "i:1", "resources": { "limits": { "cpu": cpu, "memory": "1024Mi" } } }] }),
        )
    };
    talk.apply(&d, "m", &with(json!("1000m"))).await?;
    talk.apply(&d, "m", &with(json!(1))).await?;
    talk.apply(&d, "n", &with(json!("1"))).await?;
    talk.apply(&d, "n", &with(json!("500m"))).await?;
    Ok(())
}

async fn client_side_ownership_moves_to_an_applier(talk: &Talk) -> Result<()> {
    let maps = maps(talk).await?;
    let one = format!("{maps}/one");
    let mut object = map(json!({ "a": "1" }));
    object["metadata"]["annotations"] = json!({ "kubectl.kubernetes.io/last-applied-configuration":
        "{\"apiVersion\":\"v1\",\"data\":{\"a\":\"1\"},\"kind\":\"ConfigMap\",\"metadata\":{\"name\":\"one\"}}\n" });
    talk.post(&format!("{maps}?fieldManager=kubectl-client-side-apply"), &object).await?;
    talk.apply(&one, "kubectl", &map(json!({ "a": "1" }))).await?;
    talk.apply(&one, "kubectl", &map(json!({ "a": "2" }))).await?;
    talk.apply(&one, "other", &map(json!({ "a": "3" }))).await?;
    Ok(())
}
