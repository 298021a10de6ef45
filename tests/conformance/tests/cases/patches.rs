//! JSON, merge and strategic merge patches.

use anyhow::Result;
use http::Method;
use motet_conformance::{Talk, cases, talk::patch};
use serde_json::{Value, json};

cases! {
    "patches":
    a_json_patch_adds_replaces_removes_moves_copies_and_tests,
    a_json_patch_into_lists_counts_from_zero_and_appends_at_the_dash,
    a_json_patch_whose_test_fails_changes_nothing,
    a_json_patch_of_what_is_not_there_is_refused,
    a_json_patch_that_is_no_json_patch_is_refused,
    a_merge_patch_merges_objects_replaces_lists_and_removes_by_null,
    a_merge_patch_that_is_no_object_is_refused,
    a_patch_that_changes_nothing_keeps_the_version,
    a_patch_with_a_version_is_held_against_it,
    a_patch_with_a_uid_is_held_against_it,
    a_patch_cannot_rename_or_move_an_object,
    a_patch_cannot_change_what_the_server_sets,
    a_patch_of_what_is_not_there_is_not_found,
    the_kind_in_a_strategic_patch_does_not_count,
    a_patched_object_that_no_longer_decodes_is_refused,
    a_patch_of_an_unknown_media_type_is_refused,
    a_dry_run_patch_answers_and_keeps_nothing,
    a_field_manager_has_a_limited_length_and_printable_letters,
    force_is_for_apply_only,
    a_patch_of_the_status_leaves_the_spec,
    a_patch_of_the_scale_sets_the_replicas,
    patches_of_unknown_fields_warn_or_fail,
    patches_of_managed_fields_keep_or_reset_them,
    a_patch_can_take_the_last_finalizer_of_an_object_that_is_going,
}

const KINDS: [&str; 3] = [patch::JSON, patch::MERGE, patch::STRATEGIC];

async fn map(talk: &Talk) -> Result<String> {
    talk.namespace().await?;
    let maps = talk.path("v1", "configmaps");
    let object = json!({ "metadata": { "name": "one", "labels": { "a": "1", "b": "2" }, "annotations": { "x/y": "z" } },
        "data": { "k": "v", "l": "w" } });
    talk.post(&maps, &object).await?;
    Ok(format!("{maps}/one"))
}

async fn a_json_patch_adds_replaces_removes_moves_copies_and_tests(talk: &Talk) -> Result<()> {
    let one = map(talk).await?;
    for ops in [
        json!([{ "op": "add", "path": "/data/new", "value": "1" }]),
        json!([{ "op": "replace", "path": "/data/k", "value": "2" }]),
        json!([{ "op": "remove", "path": "/data/l" }]),
        json!([{ "op": "move", "from": "/data/new", "path": "/data/moved" }]),
        json!([{ "op": "copy", "from": "/data/moved", "path": "/data/copied" }]),
        json!([{ "op": "test", "path": "/data/k", "value": "2" }, { "op": "add", "path": "/data/tested", "value": "" }]),
        json!([{ "op": "test", "path": "/data/absent", "value": null }, { "op": "add", "path": "/data/absent", "value": "no" }]),
        json!([{ "op": "replace", "path": "/metadata/annotations/x~1y", "value": "escaped" }]),
        json!([{ "op": "add", "path": "/data", "value": { "only": "this" } }]),
        json!([{ "op": "remove", "path": "/data" }, { "op": "remove", "path": "/metadata/labels" }]),
        json!([]),
    ] {
        talk.patch(&one, patch::JSON, &ops).await?;
    }
    Ok(())
}

async fn a_json_patch_into_lists_counts_from_zero_and_appends_at_the_dash(talk: &Talk) -> Result<()> {
    let one = map(talk).await?;
    let at = "/metadata/finalizers";
    for ops in [
        json!([{ "op": "add", "path": at, "value": ["x/a", "x/b"] }]),
        json!([{ "op": "add", "path": format!("{at}/-"), "value": "x/c" }]),
        json!([{ "op": "add", "path": format!("{at}/0"), "value": "x/first" }]),
        json!([{ "op": "remove", "path": format!("{at}/1") }]),
        json!([{ "op": "replace", "path": format!("{at}/0"), "value": "x/zero" }]),
        json!([{ "op": "remove", "path": format!("{at}/-1") }]),
        json!([{ "op": "add", "path": format!("{at}/9"), "value": "x/far" }]),
        json!([{ "op": "remove", "path": format!("{at}/9") }]),
        json!([{ "op": "replace", "path": format!("{at}/9"), "value": "x/far" }]),
        json!([{ "op": "add", "path": format!("{at}/word"), "value": "x/far" }]),
        json!([{ "op": "replace", "path": at, "value": [] }]),
    ] {
        talk.patch(&one, patch::JSON, &ops).await?;
    }
    Ok(())
}

async fn a_json_patch_whose_test_fails_changes_nothing(talk: &Talk) -> Result<()> {
    let one = map(talk).await?;
    for ops in [
        json!([{ "op": "add", "path": "/data/new", "value": "1" }, { "op": "test", "path": "/data/k", "value": "other" }]),
        json!([{ "op": "test", "path": "/data", "value": { "k": "v" } }]),
        json!([{ "op": "test", "path": "/data/none", "value": "x" }]),
        json!([{ "op": "test", "path": "/none/none", "value": "x" }]),
        json!([{ "op": "test", "path": "/data/k", "value": null }]),
        json!([{ "op": "test", "path": "/data/k" }]),
    ] {
        talk.patch(&one, patch::JSON, &ops).await?;
    }
    talk.get(&one).await?;
    Ok(())
}

async fn a_json_patch_of_what_is_not_there_is_refused(talk: &Talk) -> Result<()> {
    let one = map(talk).await?;
    for ops in [
        json!([{ "op": "remove", "path": "/data/none" }]),
        json!([{ "op": "replace", "path": "/data/none", "value": "1" }]),
        json!([{ "op": "add", "path": "/spec/none", "value": "1" }]),
        json!([{ "op": "add", "path": "/spec/none/deeper", "value": "1" }]),
        json!([{ "op": "remove", "path": "/spec/none" }]),
        json!([{ "op": "replace", "path": "/spec/none", "value": "1" }]),
        json!([{ "op": "move", "from": "/data/none", "path": "/data/x" }]),
        json!([{ "op": "move", "from": "/none/none", "path": "/data/x" }]),
        json!([{ "op": "copy", "from": "/data/none", "path": "/data/x" }]),
        json!([{ "op": "copy", "from": "/none/none", "path": "/data/x" }]),
        json!([{ "op": "copy", "from": "/data/k", "path": "/none/x" }]),
        json!([{ "op": "move", "from": "/data/k", "path": "/none/x" }]),
        json!([{ "op": "add", "path": "/data/k/below", "value": "1" }]),
    ] {
        talk.patch(&one, patch::JSON, &ops).await?;
    }
    talk.get(&one).await?;
    Ok(())
}

async fn a_json_patch_that_is_no_json_patch_is_refused(talk: &Talk) -> Result<()> {
    let one = map(talk).await?;
    for body in [
        r#"{"op": "add", "path": "/data/x", "value": "1"}"#,
        r#"[{"op": "frobnicate", "path": "/data/x", "value": "1"}]"#,
        r#"[{"path": "/data/x", "value": "1"}]"#,
        r#"[{"op": "add", "value": "1"}]"#,
        r#"[{"op": "add", "path": "/data/x"}]"#,
        r#"[{"op": "replace", "path": "/data/k"}]"#,
        r#"[{"op": "move", "path": "/data/x"}]"#,
        r#"[{"op": "add", "path": "data/x", "value": "1"}]"#,
        r#"["add"]"#,
        r#"[{"op": "add", "path": "/data/x", "value": "1", "extra": 1}]"#,
        r#"{{"#,
        r#""#,
        r#"null"#,
    ] {
        talk.ask(Method::PATCH, &one).bytes(patch::JSON, body.as_bytes().to_vec()).send().await?;
    }
    Ok(())
}

async fn a_merge_patch_merges_objects_replaces_lists_and_removes_by_null(talk: &Talk) -> Result<()> {
    let one = map(talk).await?;
    for body in [
        json!({ "data": { "k": null, "m": "new" }, "metadata": { "labels": { "a": null } } }),
        json!({ "metadata": { "labels": null } }),
        json!({ "metadata": { "finalizers": ["x/a", "x/b"] } }),
        json!({ "metadata": { "finalizers": ["x/c"] } }),
        json!({ "metadata": { "finalizers": null } }),
        json!({ "data": { "none": null } }),
        json!({ "data": null, "binaryData": { "b": "aGk=" } }),
    ] {
        talk.patch(&one, patch::MERGE, &body).await?;
    }
    Ok(())
}

async fn a_merge_patch_that_is_no_object_is_refused(talk: &Talk) -> Result<()> {
    let one = map(talk).await?;
    for kind in [patch::MERGE, patch::STRATEGIC] {
        for body in [r"[]", r#"["a"]"#, r#""text""#, "1", "null", "{{", ""] {
            talk.ask(Method::PATCH, &one).bytes(kind, body.as_bytes().to_vec()).send().await?;
        }
    }
    Ok(())
}

async fn a_patch_that_changes_nothing_keeps_the_version(talk: &Talk) -> Result<()> {
    let one = map(talk).await?;
    let same = json!({ "data": { "k": "v" }, "metadata": { "labels": { "a": "1", "none": null } } });
    talk.patch(&one, patch::MERGE, &same).await?;
    talk.patch(&one, patch::STRATEGIC, &same).await?;
    talk.patch(&one, patch::JSON, &json!([{ "op": "replace", "path": "/data/k", "value": "v" }])).await?;
    talk.patch(&format!("{one}?fieldManager=other"), patch::MERGE, &same).await?;
    talk.patch(&one, patch::MERGE, &json!({})).await?;
    talk.patch(&one, patch::STRATEGIC, &json!({})).await?;
    Ok(())
}

async fn a_patch_with_a_version_is_held_against_it(talk: &Talk) -> Result<()> {
    let one = map(talk).await?;
    let version = talk.get(&one).await?.version()?;
    for kind in [patch::MERGE, patch::STRATEGIC] {
        let body = |version: &str| json!({ "metadata": { "resourceVersion": version }, "data": { "k": kind } });
        talk.patch(&one, kind, &body("1")).await?;
        talk.patch(&one, kind, &body("0")).await?;
        talk.patch(&one, kind, &body("")).await?;
        talk.patch(&one, kind, &body(&version)).await?;
        talk.patch(&one, kind, &body("word")).await?;
    }
    talk.patch(&one, patch::MERGE, &json!({ "metadata": { "resourceVersion": null }, "data": { "k": "null" } }))
        .await?;
    let test = json!([{ "op": "replace", "path": "/metadata/resourceVersion", "value": "1" }, { "op": "remove", "path": "/data/k" }]);
    talk.patch(&one, patch::JSON, &test).await?;
    Ok(())
}

async fn a_patch_with_a_uid_is_held_against_it(talk: &Talk) -> Result<()> {
    let one = map(talk).await?;
    let uid = talk.get(&one).await?.uid()?;
    for kind in [patch::MERGE, patch::STRATEGIC] {
        let body = |uid: &str| json!({ "metadata": { "uid": uid }, "data": { "k": kind } });
        talk.patch(&one, kind, &body(&uid)).await?;
        talk.patch(&one, kind, &body("11111111-2222-3333-4444-555555555555")).await?;
        talk.patch(&one, kind, &json!({ "metadata": { "uid": null }, "data": { "k": "n" } })).await?;
    }
    Ok(())
}

async fn a_patch_cannot_rename_or_move_an_object(talk: &Talk) -> Result<()> {
    let one = map(talk).await?;
    for kind in [patch::MERGE, patch::STRATEGIC] {
        talk.patch(&one, kind, &json!({ "metadata": { "name": "two" } })).await?;
        talk.patch(&one, kind, &json!({ "metadata": { "name": "" } })).await?;
        talk.patch(&one, kind, &json!({ "metadata": { "name": null } })).await?;
        talk.patch(&one, kind, &json!({ "metadata": { "namespace": "default" } })).await?;
        talk.patch(&one, kind, &json!({ "metadata": { "namespace": null } })).await?;
        talk.patch(&one, kind, &json!({ "metadata": { "namespace": "" } })).await?;
    }
    talk.patch(&one, patch::MERGE, &json!({ "metadata": null })).await?;
    Ok(())
}

async fn a_patch_cannot_change_what_the_server_sets(talk: &Talk) -> Result<()> {
    let one = map(talk).await?;
    for kind in [patch::MERGE, patch::STRATEGIC] {
        for (field, value) in [
            ("creationTimestamp", json!("2020-01-01T00:00:00Z")),
            ("creationTimestamp", json!(null)),
            ("deletionTimestamp", json!("2020-01-01T00:00:00Z")),
            ("deletionGracePeriodSeconds", json!(5)),
            ("generation", json!(7)),
            ("selfLink", json!("/x")),
            ("generateName", json!("x-")),
        ] {
            talk.patch(&one, kind, &json!({ "metadata": { field: value } })).await?;
        }
    }
    Ok(())
}

async fn a_patch_of_what_is_not_there_is_not_found(talk: &Talk) -> Result<()> {
    talk.namespace().await?;
    let maps = talk.path("v1", "configmaps");
    for (kind, body) in KINDS.iter().zip([json!([]), json!({}), json!({})]) {
        talk.patch(&format!("{maps}/none"), kind, &body).await?;
        talk.patch(&maps, kind, &body).await?;
        talk.patch(&format!("{}/none/status", talk.path("apps/v1", "deployments")), kind, &body).await?;
        talk.patch(&format!("{}/none/scale", talk.path("apps/v1", "deployments")), kind, &body).await?;
    }
    Ok(())
}

async fn the_kind_in_a_strategic_patch_does_not_count(talk: &Talk) -> Result<()> {
    let one = map(talk).await?;
    for body in [
        json!({ "kind": "Secret" }),
        json!({ "apiVersion": "v2" }),
        json!({ "apiVersion": null, "data": { "k": "x" } }),
    ] {
        talk.patch(&one, patch::STRATEGIC, &body).await?;
    }
    talk.patch(&one, patch::MERGE, &json!({ "apiVersion": "v1", "kind": "ConfigMap", "data": { "k": "m" } })).await?;
    Ok(())
}

async fn a_patched_object_that_no_longer_decodes_is_refused(talk: &Talk) -> Result<()> {
    let why = "it repeats the whole object as Go orders its fields";
    talk.aside("/message", why);
    talk.aside("/details/causes/*/message", why);
    let one = map(talk).await?;
    for body in [json!({ "kind": "Secret" }), json!({ "apiVersion": "v2" })] {
        talk.patch(&one, patch::MERGE, &body).await?;
    }
    talk.patch(&format!("{one}?fieldValidation=Strict"), patch::MERGE, &json!({ "unknown": 1 })).await?;
    let add = json!([{ "op": "add", "path": "/unknown", "value": 1 }]);
    talk.patch(&format!("{one}?fieldValidation=Strict"), patch::JSON, &add).await?;
    let sets = talk.path("apps/v1", "deployments");
    talk.post(&sets, &deployment("d")).await?;
    talk.patch(&format!("{sets}/d/scale"), patch::MERGE, &json!({ "spec": { "replicas": "two" } })).await?;
    Ok(())
}

async fn a_patch_of_an_unknown_media_type_is_refused(talk: &Talk) -> Result<()> {
    let one = map(talk).await?;
    for kind in ["application/json", "application/yaml", "text/plain", "application/vnd.kubernetes.protobuf"] {
        talk.patch(&one, kind, &json!({ "data": { "k": "x" } })).await?;
    }
    talk.patch(&one, "application/merge-patch+json; charset=utf-8", &json!({ "data": { "k": "x" } })).await?;
    Ok(())
}

async fn a_dry_run_patch_answers_and_keeps_nothing(talk: &Talk) -> Result<()> {
    let one = map(talk).await?;
    for kind in [patch::MERGE, patch::STRATEGIC] {
        talk.patch(&format!("{one}?dryRun=All"), kind, &json!({ "data": { "k": "dry" } })).await?;
    }
    talk.patch(&format!("{one}?dryRun=Some"), patch::MERGE, &json!({ "data": { "k": "dry" } })).await?;
    talk.patch(&format!("{one}?dryRun=All&dryRun=All"), patch::MERGE, &json!({ "data": { "k": "dry" } })).await?;
    talk.patch(&format!("{one}?dryRun="), patch::MERGE, &json!({ "data": { "k": "empty" } })).await?;
    talk.get(&one).await?;
    Ok(())
}

async fn a_field_manager_has_a_limited_length_and_printable_letters(talk: &Talk) -> Result<()> {
    let one = map(talk).await?;
    let body = json!({ "data": { "k": "managed" } });
    let (fits, long) = ("m".repeat(128), "m".repeat(129));
    for kind in [patch::MERGE, patch::STRATEGIC] {
        talk.patch(&format!("{one}?fieldManager={long}"), kind, &body).await?;
        talk.patch(&format!("{one}?fieldManager=a%07b"), kind, &body).await?;
        talk.patch(&format!("{one}?fieldManager={fits}"), kind, &body).await?;
        talk.patch(&format!("{one}?fieldManager=with%20blank"), kind, &json!({ "data": { "k": "m2" } })).await?;
    }
    talk.put(&format!("{one}?fieldManager={long}"), &body).await?;
    let maps = talk.path("v1", "configmaps");
    talk.post(&format!("{maps}?fieldManager={long}"), &json!({ "metadata": { "name": "two" } })).await?;
    talk.apply(&one, &long, &json!({ "apiVersion": "v1", "kind": "ConfigMap" })).await?;
    talk.ask(Method::PATCH, &one)
        .json(&json!({ "data": { "k": "agent" } }))
        .header("content-type", patch::MERGE)
        .header("user-agent", "some-tool/v1.2 (linux)")
        .send()
        .await?;
    Ok(())
}

async fn force_is_for_apply_only(talk: &Talk) -> Result<()> {
    let one = map(talk).await?;
    for kind in KINDS {
        for force in ["true", "false", ""] {
            let body = if kind == patch::JSON { json!([]) } else { json!({}) };
            talk.patch(&format!("{one}?force={force}"), kind, &body).await?;
        }
    }
    Ok(())
}

fn deployment(name: &str) -> Value {
    json!({ "metadata": { "name": name }, "spec": { "replicas": 0, "selector": { "matchLabels": { "a": "b" } },
        "template": { "metadata": { "labels": { "a": "b" } }, "spec": { "containers": [{ "name": "a", "image": "i" }] } } } })
}

async fn a_patch_of_the_status_leaves_the_spec(talk: &Talk) -> Result<()> {
    talk.namespace().await?;
    let sets = talk.path("apps/v1", "deployments");
    talk.post(&sets, &deployment("d")).await?;
    let (d, status) = (format!("{sets}/d"), format!("{sets}/d/status"));
    let both = json!({ "spec": { "replicas": 3 }, "status": { "observedGeneration": 1, "conditions": [{ "type": "A", "status": "True" }] } });
    talk.patch(&status, patch::MERGE, &both).await?;
    talk.patch(&d, patch::MERGE, &json!({ "status": { "observedGeneration": 9 } })).await?;
    let second = json!({ "status": { "conditions": [{ "type": "B", "status": "False" }] }, "metadata": { "labels": { "l": "1" } } });
    talk.patch(&status, patch::STRATEGIC, &second).await?;
    talk.patch(&status, patch::JSON, &json!([{ "op": "remove", "path": "/status/conditions/0" }])).await?;
    talk.patch(
        &status,
        patch::STRATEGIC,
        &json!({ "status": { "conditions": [{ "type": "A", "$patch": "delete" }] } }),
    )
    .await?;
    talk.get(&d).await?;
    talk.get(&status).await?;
    Ok(())
}

async fn a_patch_of_the_scale_sets_the_replicas(talk: &Talk) -> Result<()> {
    talk.namespace().await?;
    let sets = talk.path("apps/v1", "deployments");
    talk.post(&sets, &deployment("d")).await?;
    let scale = format!("{sets}/d/scale");
    talk.get(&scale).await?;
    talk.patch(&scale, patch::MERGE, &json!({ "spec": { "replicas": 2 } })).await?;
    talk.patch(&scale, patch::STRATEGIC, &json!({ "spec": { "replicas": 3 } })).await?;
    talk.patch(&scale, patch::JSON, &json!([{ "op": "replace", "path": "/spec/replicas", "value": 4 }])).await?;
    talk.patch(&scale, patch::MERGE, &json!({ "spec": { "replicas": -1 } })).await?;
    talk.patch(&scale, patch::MERGE, &json!({ "metadata": { "resourceVersion": "1" }, "spec": { "replicas": 5 } }))
        .await?;
    talk.patch(&format!("{scale}?dryRun=All"), patch::MERGE, &json!({ "spec": { "replicas": 6 } })).await?;
    talk.patch(&scale, patch::MERGE, &json!({ "spec": { "replicas": 4 } })).await?;
    talk.get(&format!("{sets}/d")).await?;
    Ok(())
}

async fn patches_of_unknown_fields_warn_or_fail(talk: &Talk) -> Result<()> {
    let one = map(talk).await?;
    let body = json!({ "data": { "k": "x" }, "unknown": 1, "metadata": { "what": { "deep": 1 } } });
    for mode in ["Warn", "Strict", "Ignore"] {
        talk.patch(&format!("{one}?fieldValidation={mode}"), patch::STRATEGIC, &body).await?;
    }
    let add = json!([{ "op": "add", "path": "/unknown", "value": 1 }]);
    for mode in ["Warn", "Ignore"] {
        talk.patch(&format!("{one}?fieldValidation={mode}"), patch::MERGE, &body).await?;
        talk.patch(&format!("{one}?fieldValidation={mode}"), patch::JSON, &add).await?;
    }
    Ok(())
}

async fn patches_of_managed_fields_keep_or_reset_them(talk: &Talk) -> Result<()> {
    let one = map(talk).await?;
    talk.patch(&one, patch::MERGE, &json!({ "metadata": { "managedFields": null }, "data": { "k": "1" } })).await?;
    talk.patch(&one, patch::MERGE, &json!({ "metadata": { "managedFields": [] } })).await?;
    talk.patch(&one, patch::MERGE, &json!({ "data": { "k": "2" } })).await?;
    talk.patch(&one, patch::JSON, &json!([{ "op": "replace", "path": "/metadata/managedFields", "value": [{}] }]))
        .await?;
    talk.patch(&format!("{one}?fieldManager=m"), patch::STRATEGIC, &json!({ "data": { "k": "3" } })).await?;
    talk.patch(&one, patch::JSON, &json!([{ "op": "remove", "path": "/metadata/managedFields" }])).await?;
    Ok(())
}

async fn a_patch_can_take_the_last_finalizer_of_an_object_that_is_going(talk: &Talk) -> Result<()> {
    let one = map(talk).await?;
    talk.patch(&one, patch::MERGE, &json!({ "metadata": { "finalizers": ["x/a", "x/b"] } })).await?;
    talk.delete(&one).await?;
    talk.patch(&one, patch::MERGE, &json!({ "metadata": { "finalizers": ["x/a", "x/b", "x/c"] } })).await?;
    talk.patch(&one, patch::STRATEGIC, &json!({ "metadata": { "$deleteFromPrimitiveList/finalizers": ["x/a"] } }))
        .await?;
    talk.patch(&one, patch::MERGE, &json!({ "metadata": { "finalizers": null } })).await?;
    talk.patch(&one, patch::MERGE, &json!({ "data": { "k": "1" } })).await?;
    Ok(())
}
