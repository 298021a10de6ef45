//! Strategic merge patches: merge keys and directives.

use anyhow::Result;
use motet_conformance::{Talk, cases, talk::patch};
use serde_json::{Value, json};

cases! {
    "patches":
    containers_merge_by_name,
    an_item_of_a_list_is_deleted_by_a_directive,
    an_object_or_a_list_is_replaced_by_a_directive,
    the_order_of_items_is_set_by_a_directive,
    kept_keys_are_named_by_a_directive,
    sets_of_texts_grow_and_shrink,
    owner_references_merge_by_uid,
    ports_of_services_merge_by_port,
    environments_and_volumes_merge_by_name,
    lists_without_merge_keys_are_replaced,
    directives_that_make_no_sense_are_refused,
    a_null_removes_a_field_and_an_empty_object_stays,
    rules_and_subjects_are_replaced_as_a_whole,
    a_strategic_patch_adds_nested_objects_without_nulls,
}

async fn deployed(talk: &Talk) -> Result<String> {
    talk.namespace().await?;
    let sets = talk.path("apps/v1", "deployments");
    let object = json!({ "metadata": { "name": "d", "labels": { "a": "1", "b": "2" } }, "spec": { "replicas": 0,
        "selector": { "matchLabels": { "a": "b" } }, "template": { "metadata": { "labels": { "a": "b" } }, "spec": {
            "containers": [
                { "name": "one", "image": "i:1", "args": ["x", "y"], "env": [{ "name": "A", "value": "1" }, { "name": "B", "value": "2" }],
                  "ports": [{ "containerPort": 80, "name": "http" }, { "containerPort": 443 }] },
                { "name": "two", "image": "j:1" }],
            "volumes": [{ "name": "v", "emptyDir": {} }], "tolerations": [{ "key": "k", "operator": "Exists" }] } } } });
    talk.post(&sets, &object).await?;
    Ok(format!("{sets}/d"))
}

async fn each(talk: &Talk, path: &str, bodies: &[Value]) -> Result<()> {
    for body in bodies {
        talk.patch(path, patch::STRATEGIC, body).await?;
    }
    Ok(())
}

fn containers(containers: Value) -> Value {
    json!({ "spec": { "template": { "spec": { "containers": containers } } } })
}

async fn containers_merge_by_name(talk: &Talk) -> Result<()> {
    let d = deployed(talk).await?;
    each(talk, &d, &[
        containers(json!([{ "name": "one", "image": "i:2" }])),
        containers(json!([{ "name": "three", "image": "k:1" }])),
        containers(json!([{ "name": "two", "args": ["z"] }, { "name": "one", "args": ["w"] }])),
        containers(json!([{ "image": "nameless" }])),
        containers(json!([{ "name": "one", "ports": [{ "containerPort": 80, "protocol": "UDP" }, { "containerPort": 8080 }] }])),
    ]).await
}

async fn an_item_of_a_list_is_deleted_by_a_directive(talk: &Talk) -> Result<()> {
    let d = deployed(talk).await?;
    each(
        talk,
        &d,
        &[
            containers(json!([{ "name": "two", "$patch": "delete" }])),
            containers(json!([{ "name": "none", "$patch": "delete" }])),
            containers(json!([{ "name": "one", "env": [{ "name": "A", "$patch": "delete" }] }])),
            containers(json!([{ "name": "one", "ports": [{ "containerPort": 80, "$patch": "delete" }] }])),
            json!({ "spec": { "template": { "spec": { "volumes": [{ "name": "v", "$patch": "delete" }] } } } }),
            containers(json!([{ "$patch": "delete" }])),
        ],
    )
    .await
}

async fn an_object_or_a_list_is_replaced_by_a_directive(talk: &Talk) -> Result<()> {
    let d = deployed(talk).await?;
    each(
        talk,
        &d,
        &[
            containers(json!([{ "$patch": "replace" }, { "name": "only", "image": "o:1" }])),
            json!({ "metadata": { "labels": { "$patch": "replace", "only": "this" } } }),
            json!({ "metadata": { "labels": { "$patch": "merge", "more": "this" } } }),
            json!({ "metadata": { "annotations": { "$patch": "delete" } } }),
            json!({ "metadata": { "labels": { "$patch": "delete" } } }),
            json!({ "spec": { "strategy": { "$patch": "replace", "type": "Recreate" } } }),
        ],
    )
    .await
}

async fn the_order_of_items_is_set_by_a_directive(talk: &Talk) -> Result<()> {
    let d = deployed(talk).await?;
    let order = |order: Value, list: Value| json!({ "spec": { "template": { "spec": { "$setElementOrder/containers": order, "containers": list } } } });
    each(talk, &d, &[
        order(json!([{ "name": "two" }, { "name": "one" }]), json!([])),
        order(json!([{ "name": "three" }, { "name": "one" }, { "name": "two" }]), json!([{ "name": "three", "image": "k:1" }])),
        order(json!([{ "name": "two" }]), json!([{ "name": "two", "image": "j:2" }])),
        order(json!([{ "name": "one" }]), json!([{ "name": "two", "image": "j:3" }])),
        json!({ "spec": { "template": { "spec": { "$setElementOrder/containers": [{ "name": "one" }, { "name": "two" }, { "name": "three" }] } } } }),
        json!({ "metadata": { "finalizers": ["x/a", "x/b", "x/c"] } }),
        json!({ "metadata": { "$setElementOrder/finalizers": ["x/c", "x/b", "x/a"] } }),
        json!({ "metadata": { "$setElementOrder/finalizers": ["x/d", "x/a"], "finalizers": ["x/d"] } }),
    ]).await
}

async fn kept_keys_are_named_by_a_directive(talk: &Talk) -> Result<()> {
    let d = deployed(talk).await?;
    each(talk, &d, &[
        json!({ "spec": { "strategy": { "$retainKeys": ["type"], "type": "Recreate" } } }),
        json!({ "spec": { "strategy": { "$retainKeys": ["type", "rollingUpdate"], "type": "RollingUpdate", "rollingUpdate": { "maxSurge": 2 } } } }),
        json!({ "spec": { "template": { "spec": { "volumes": [{ "name": "v", "$retainKeys": ["name", "configMap"], "configMap": { "name": "m" } }] } } } }),
        json!({ "spec": { "strategy": { "$retainKeys": ["type"], "type": "RollingUpdate", "rollingUpdate": { "maxSurge": 3 } } } }),
        json!({ "spec": { "strategy": { "$retainKeys": "type", "type": "Recreate" } } }),
    ]).await
}

async fn sets_of_texts_grow_and_shrink(talk: &Talk) -> Result<()> {
    let d = deployed(talk).await?;
    each(
        talk,
        &d,
        &[
            json!({ "metadata": { "finalizers": ["x/a"] } }),
            json!({ "metadata": { "finalizers": ["x/b", "x/a"] } }),
            json!({ "metadata": { "$deleteFromPrimitiveList/finalizers": ["x/a"] } }),
            json!({ "metadata": { "$deleteFromPrimitiveList/finalizers": ["x/none"], "finalizers": ["x/c"] } }),
            json!({ "metadata": { "$deleteFromPrimitiveList/finalizers": "x/b" } }),
            json!({ "metadata": { "$deleteFromPrimitiveList/finalizers": ["x/b", "x/c"] } }),
            json!({ "metadata": { "$deleteFromPrimitiveList/finalizers": ["x/b"] } }),
        ],
    )
    .await
}

async fn owner_references_merge_by_uid(talk: &Talk) -> Result<()> {
    let d = deployed(talk).await?;
    let owner =
        |uid: &str, name: &str| json!({ "apiVersion": "example.com/v1", "kind": "Owner", "name": name, "uid": uid });
    let (one, two) = ("11111111-1111-4111-8111-111111111111", "22222222-2222-4222-8222-222222222222");
    talk.patch(
        &d,
        patch::STRATEGIC,
        &json!({ "metadata": { "finalizers": ["x/hold"], "ownerReferences": [owner(one, "a")] } }),
    )
    .await?;
    talk.patch(&d, patch::STRATEGIC, &json!({ "metadata": { "ownerReferences": [owner(two, "b")] } })).await?;
    talk.patch(
        &d,
        patch::STRATEGIC,
        &json!({ "metadata": { "ownerReferences": [{ "uid": one, "controller": true }] } }),
    )
    .await?;
    talk.patch(
        &d,
        patch::STRATEGIC,
        &json!({ "metadata": { "ownerReferences": [{ "uid": two, "$patch": "delete" }] } }),
    )
    .await?;
    Ok(())
}

async fn ports_of_services_merge_by_port(talk: &Talk) -> Result<()> {
    talk.namespace().await?;
    talk.aside("/spec/clusterIP", "addresses are handed out in any order");
    talk.aside("/spec/clusterIPs", "addresses are handed out in any order");
    let services = talk.path("v1", "services");
    let service = json!({ "metadata": { "name": "s" }, "spec": { "selector": { "a": "b" },
        "ports": [{ "name": "http", "port": 80 }, { "name": "dns", "port": 53, "protocol": "UDP" }] } });
    talk.post(&services, &service).await?;
    let ports = |ports: Value| json!({ "spec": { "ports": ports } });
    each(
        talk,
        &format!("{services}/s"),
        &[
            ports(json!([{ "port": 80, "targetPort": 8080 }])),
            ports(json!([{ "name": "https", "port": 443 }])),
            ports(json!([{ "port": 53, "$patch": "delete" }])),
            json!({ "spec": { "selector": { "a": null, "c": "d" } } }),
        ],
    )
    .await
}

async fn environments_and_volumes_merge_by_name(talk: &Talk) -> Result<()> {
    let d = deployed(talk).await?;
    each(talk, &d, &[
        containers(json!([{ "name": "one", "env": [{ "name": "C", "value": "3" }, { "name": "A", "value": "0" }] }])),
        containers(json!([{ "name": "one", "envFrom": [{ "configMapRef": { "name": "m" } }] }])),
        containers(json!([{ "name": "one", "volumeMounts": [{ "name": "v", "mountPath": "/v" }] }])),
        containers(json!([{ "name": "one", "volumeMounts": [{ "name": "v", "mountPath": "/w" }] }])),
        json!({ "spec": { "template": { "spec": { "volumes": [{ "name": "w", "secret": { "secretName": "s" } }] } } } }),
        json!({ "spec": { "template": { "spec": { "imagePullSecrets": [{ "name": "p" }], "hostAliases": [{ "ip": "10.0.0.1", "hostnames": ["h"] }] } } } }),
        json!({ "spec": { "template": { "spec": { "imagePullSecrets": [{ "name": "q" }], "hostAliases": [{ "ip": "10.0.0.1", "hostnames": ["g"] }] } } } }),
        json!({ "spec": { "template": { "spec": { "topologySpreadConstraints": [{ "topologyKey": "z", "maxSkew": 1, "whenUnsatisfiable": "DoNotSchedule", "labelSelector": {} }] } } } }),
    ]).await
}

async fn lists_without_merge_keys_are_replaced(talk: &Talk) -> Result<()> {
    let d = deployed(talk).await?;
    each(
        talk,
        &d,
        &[
            json!({ "spec": { "template": { "spec": { "tolerations": [{ "key": "l", "operator": "Exists" }] } } } }),
            containers(json!([{ "name": "one", "args": ["only"] }])),
            containers(json!([{ "name": "one", "command": [] }])),
            json!({ "spec": { "template": { "spec": { "tolerations": null } } } }),
        ],
    )
    .await
}

async fn directives_that_make_no_sense_are_refused(talk: &Talk) -> Result<()> {
    let d = deployed(talk).await?;
    each(
        talk,
        &d,
        &[
            json!({ "metadata": { "labels": { "$patch": "frobnicate" } } }),
            json!({ "metadata": { "labels": { "$patch": 5 } } }),
            containers(json!([{ "name": "one", "$patch": "frobnicate" }])),
            containers(json!([{ "name": "one", "$patch": "merge" }])),
            json!({ "$patch": "delete" }),
            json!({ "metadata": { "$setElementOrder/finalizers": "x" } }),
        ],
    )
    .await
}

async fn a_null_removes_a_field_and_an_empty_object_stays(talk: &Talk) -> Result<()> {
    let d = deployed(talk).await?;
    each(
        talk,
        &d,
        &[
            json!({ "metadata": { "labels": { "a": null } } }),
            json!({ "metadata": { "labels": {} } }),
            json!({ "spec": { "revisionHistoryLimit": null } }),
            json!({ "spec": { "template": { "spec": { "securityContext": { "runAsUser": 5 } } } } }),
            json!({ "spec": { "template": { "spec": { "securityContext": { "runAsUser": null } } } } }),
            json!({ "spec": { "template": { "spec": { "nodeSelector": { "a": "b" } } } } }),
            json!({ "spec": { "template": { "spec": { "nodeSelector": { "c": "d" } } } } }),
            containers(json!([{ "name": "one", "env": null, "resources": { "limits": { "cpu": "1" } } }])),
            containers(json!([{ "name": "one", "resources": { "limits": { "memory": "1Gi", "cpu": null } } }])),
            json!({ "metadata": { "labels": null } }),
        ],
    )
    .await
}

async fn rules_and_subjects_are_replaced_as_a_whole(talk: &Talk) -> Result<()> {
    talk.namespace().await?;
    let roles = talk.path("rbac.authorization.k8s.io/v1", "roles");
    let rule = |what: &str| json!({ "apiGroups": [""], "resources": [what], "verbs": ["get"] });
    talk.post(&roles, &json!({ "metadata": { "name": "r" }, "rules": [rule("pods")] })).await?;
    each(
        talk,
        &format!("{roles}/r"),
        &[json!({ "rules": [rule("secrets"), rule("services")] }), json!({ "rules": null })],
    )
    .await?;
    let policies = talk.path("networking.k8s.io/v1", "networkpolicies");
    talk.post(&policies, &json!({ "metadata": { "name": "p" }, "spec": { "podSelector": {}, "ingress": [{}] } }))
        .await?;
    each(
        talk,
        &format!("{policies}/p"),
        &[
            json!({ "spec": { "ingress": [{ "ports": [{ "port": 80 }] }], "policyTypes": ["Ingress"] } }),
            json!({ "spec": { "podSelector": { "matchLabels": { "a": "b" } } } }),
        ],
    )
    .await
}

async fn a_strategic_patch_adds_nested_objects_without_nulls(talk: &Talk) -> Result<()> {
    let d = deployed(talk).await?;
    each(talk, &d, &[
        json!({ "spec": { "template": { "spec": { "affinity": { "nodeAffinity": null, "podAffinity": {} } } } } }),
        containers(json!([{ "name": "new", "image": "n", "env": null, "resources": { "limits": null, "requests": { "cpu": "100m" } } }])),
        json!({ "metadata": { "annotations": { "none": null, "some": "x" } } }),
    ]).await
}
