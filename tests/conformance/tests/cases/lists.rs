//! Lists: selectors, pages, versions.

use anyhow::Result;
use http::Method;
use motet_conformance::{Talk, cases};
use serde_json::{Value, json};

use super::tools::with;

cases! { "lists":
    a_list_is_in_order_of_names, a_label_selector_filters, label_selectors_in_all_forms, label_selectors_that_cannot_be_read,
    a_field_selector_filters, field_selectors_of_pods, field_selectors_of_other_kinds, field_selectors_that_are_not_supported,
    pages_show_one_moment, pages_of_what_matches, a_page_can_expire, tokens_that_cannot_be_read, versions_and_matches_of_a_list,
    limits_with_versions, a_version_that_is_not_reached, lists_over_all_namespaces, lists_of_metadata_only, empty_lists,
    a_list_of_an_exact_version, options_of_a_list_that_do_not_fit, a_list_by_name_and_namespace, lists_of_many_kinds,
}

async fn three(talk: &Talk) -> Result<String> {
    talk.namespace().await?;
    let maps = talk.path("v1", "configmaps");
    for (name, app) in [("b", "shop"), ("a", "shop"), ("c", "bank")] {
        let map = json!({ "metadata": { "name": name, "labels": { "app": app } }, "data": { "k": name } });
        talk.post(&maps, &map).await?;
    }
    // What is read at any version comes from memory, which may be late.
    talk.ask(Method::GET, &maps).unkept().send().await?;
    Ok(maps)
}

async fn a_list_is_in_order_of_names(talk: &Talk) -> Result<()> {
    let maps = three(talk).await?;
    talk.get(&maps).await?;
    Ok(())
}

async fn a_label_selector_filters(talk: &Talk) -> Result<()> {
    let maps = three(talk).await?;
    for selector in ["app%3Dshop", "app!%3Dshop", "app%20in%20(bank)", "!app", "app"] {
        talk.get(&format!("{maps}?labelSelector={selector}")).await?;
    }
    Ok(())
}

fn query(text: &str) -> String {
    text.bytes()
        .map(|b| {
            if b.is_ascii_alphanumeric() || b"-_.".contains(&b) {
                char::from(b).to_string()
            } else {
                format!("%{b:02X}")
            }
        })
        .collect()
}

/// The names that a selector takes, or the refusal.
async fn each_selector(talk: &Talk, path: &str, parameter: &str, selectors: &[&str]) -> Result<()> {
    for selector in selectors {
        talk.note("selector", *selector);
        talk.get(&format!("{path}?{parameter}={}", query(selector))).await?;
    }
    Ok(())
}

async fn label_selectors_in_all_forms(talk: &Talk) -> Result<()> {
    talk.namespace().await?;
    let maps = talk.path("v1", "configmaps");
    for (name, labels) in [
        ("a", json!({ "x": "1", "example.com/y": "v" })),
        ("b", json!({ "x": "2" })),
        ("c", json!({ "x": "" })),
        ("d", json!({ "z": "w" })),
    ] {
        talk.ask(Method::POST, &maps)
            .json(&json!({ "metadata": { "name": name, "labels": labels } }))
            .unkept()
            .send()
            .await?;
    }
    each_selector(
        talk,
        &maps,
        "labelSelector",
        &[
            "x",
            "!x",
            "x=1",
            "x==1",
            "x!=1",
            "x in (1,2)",
            "x in (1, 2)",
            "x notin (1)",
            "x in ()",
            "x in (,1)",
            "x=",
            "x==",
            "x>1",
            "x<2",
            "x>0,x<3",
            "x=1,example.com/y",
            " x = 1 ",
            "x , z",
            "!z,x",
            "x in (1),x notin (2)",
            "",
            " ",
            "example.com/y=v",
            "x!=",
            "in=1",
            "notin",
            "in in (in)",
            "x=in",
            "x = 1, ",
            "x in (1,1)",
            "!x,!z",
        ],
    )
    .await
}

async fn label_selectors_that_cannot_be_read(talk: &Talk) -> Result<()> {
    talk.namespace().await?;
    let maps = talk.path("v1", "configmaps");
    each_selector(
        talk,
        &maps,
        "labelSelector",
        &[
            "x y",
            "=",
            "=x",
            "!",
            "x in",
            "x in (",
            "x in (1",
            "x in 1",
            "x notin",
            "x>",
            "x>a",
            "x===1",
            "x=!",
            ",",
            ",x",
            "x,,y",
            "x)",
            "(x)",
            "a b c",
            "bad key=1 2",
            "-x=1",
            "x=-1",
            "x=a/b",
            "a/b/c=1",
            "X.com/y=1",
            "x=1)",
            "x in (1))",
            "!x=1",
            "! x",
            "x!",
            "x!1",
            "x>1.5",
            "x=1;y=2",
            "ä=1",
            "x in (a b)",
            "x=y=z",
        ],
    )
    .await?;
    each_selector(talk, &maps, "labelSelector", &[&format!("{}=1", "k".repeat(64)), &format!("x={}", "v".repeat(64))])
        .await
}

async fn a_field_selector_filters(talk: &Talk) -> Result<()> {
    let maps = three(talk).await?;
    each_selector(
        talk,
        &maps,
        "fieldSelector",
        &[
            "metadata.name=a",
            "metadata.name==a",
            "metadata.name!=a",
            "metadata.name=a,metadata.name=b",
            &format!("metadata.namespace={}", talk.id()),
            "metadata.namespace=other",
            "metadata.name=",
            "",
            "metadata.name!=a,metadata.name!=b",
            "metadata.name=a\\,b",
            "metadata.name = a",
        ],
    )
    .await
}

async fn field_selectors_that_are_not_supported(talk: &Talk) -> Result<()> {
    talk.namespace().await?;
    let bad = [
        "data.k=a",
        "metadata.labels=x",
        "nonsense",
        "=",
        "a=b=c",
        "metadata.name>a",
        ",",
        "spec.nothing=1",
        "metadata.name=a,data=b",
    ];
    for (group, plural) in [
        ("v1", "configmaps"),
        ("v1", "pods"),
        ("apps/v1", "deployments"),
        ("v1", "secrets"),
        ("v1", "events"),
        ("batch/v1", "jobs"),
        ("coordination.k8s.io/v1", "leases"),
        ("rbac.authorization.k8s.io/v1", "roles"),
    ] {
        each_selector(talk, &talk.path(group, plural), "fieldSelector", &bad).await?;
    }
    each_selector(talk, "/api/v1/nodes", "fieldSelector", &["metadata.namespace=a", "status=a"]).await?;
    each_selector(talk, "/api/v1/namespaces", "fieldSelector", &["metadata.namespace=a", "spec=a"]).await?;
    each_selector(
        talk,
        "/apis/storage.k8s.io/v1/storageclasses",
        "fieldSelector",
        &["metadata.namespace=a", "provisioner=a"],
    )
    .await
}

async fn field_selectors_of_pods(talk: &Talk) -> Result<()> {
    talk.namespace().await?;
    let pods = talk.path("v1", "pods");
    for (name, spec) in [
        ("a", json!({ "nodeName": "n" })),
        ("b", json!({ "restartPolicy": "Never", "hostNetwork": true, "serviceAccountName": "s" })),
        ("c", json!({ "schedulerName": "mine" })),
    ] {
        let mut spec = spec;
        spec["containers"] = json!([{ "name": "c", "image": "i" }]);
        talk.post(&pods, &json!({ "metadata": { "name": name }, "spec": spec })).await?;
    }
    each_selector(
        talk,
        &pods,
        "fieldSelector",
        &[
            "spec.nodeName=n",
            "spec.nodeName=",
            "spec.nodeName!=n",
            "spec.restartPolicy=Never",
            "spec.hostNetwork=true",
            "spec.hostNetwork=false",
            "spec.serviceAccountName=s",
            "spec.schedulerName=mine",
            "status.phase=Pending",
            "status.phase!=Pending",
            "status.podIP=",
            "status.nominatedNodeName=",
            "metadata.name=a,spec.nodeName=n",
        ],
    )
    .await
}

async fn field_selectors_of_other_kinds(talk: &Talk) -> Result<()> {
    talk.namespace().await?;
    let secrets = talk.path("v1", "secrets");
    talk.post(&secrets, &json!({ "metadata": { "name": "a" } })).await?;
    talk.post(&secrets, &json!({ "metadata": { "name": "b" }, "type": "x/y" })).await?;
    each_selector(talk, &secrets, "fieldSelector", &["type=Opaque", "type!=Opaque"]).await?;
    let events = talk.path("v1", "events");
    let event = json!({ "metadata": { "name": "a" }, "involvedObject": { "kind": "Pod", "name": "p", "namespace": talk.id(), "uid": "u", "apiVersion": "v1", "fieldPath": "f" }, "reason": "R", "type": "Warning", "source": { "component": "c" } });
    talk.post(&events, &event).await?;
    talk.post(
        &events,
        &with(
            &event,
            &[
                ("/metadata/name", json!("b")),
                ("/involvedObject/name", json!("q")),
                ("/source", Value::Null),
                ("/reportingComponent", json!("c")),
            ],
        ),
    )
    .await?;
    each_selector(
        talk,
        &events,
        "fieldSelector",
        &[
            "involvedObject.name=p",
            "involvedObject.kind=Pod,involvedObject.uid=u",
            "reason=R",
            "type=Warning",
            "source=c",
            "reportingComponent=c",
            "involvedObject.fieldPath=f",
            "involvedObject.namespace=x",
        ],
    )
    .await?;
    each_selector(
        talk,
        &talk.path("events.k8s.io/v1", "events"),
        "fieldSelector",
        &["regarding.name=p", "reason=R", "involvedObject.name=p", "reportingController=c", "type=Warning"],
    )
    .await?;
    let services = talk.path("v1", "services");
    talk.post(&services, &json!({ "metadata": { "name": "s" }, "spec": { "clusterIP": "None" } })).await?;
    each_selector(
        talk,
        &services,
        "fieldSelector",
        &["spec.clusterIP=None", "spec.type=ClusterIP", "spec.type=NodePort"],
    )
    .await?;
    each_selector(talk, &talk.path("batch/v1", "jobs"), "fieldSelector", &["status.successful=0"]).await?;
    each_selector(talk, &talk.path("v1", "replicationcontrollers"), "fieldSelector", &["status.replicas=0"]).await?;
    each_selector(
        talk,
        "/api/v1/namespaces",
        "fieldSelector",
        &[
            &format!("metadata.name={},status.phase=Active", talk.id()),
            &format!("metadata.name={},status.phase=Terminating", talk.id()),
        ],
    )
    .await
}

async fn next(
    talk: &Talk,
    answer: &motet_conformance::talk::Answer,
    path: &str,
) -> Result<motet_conformance::talk::Answer> {
    let token = answer.text("/metadata/continue")?;
    talk.note("more", !token.is_empty());
    // Tokens differ, so the path is not kept.
    let shown = talk.ask(Method::GET, &format!("{path}&continue={token}")).unkept().send().await?;
    talk.note(&format!("{path} and the token: {}", shown.code), shown.body.clone());
    Ok(shown)
}

async fn pages_show_one_moment(talk: &Talk) -> Result<()> {
    let maps = three(talk).await?;
    let first = talk.get(&format!("{maps}?limit=1")).await?;
    talk.delete(&format!("{maps}/b")).await?;
    talk.post(&maps, &json!({ "metadata": { "name": "bb" } })).await?;
    talk.put(&format!("{maps}/c"), &json!({ "metadata": { "name": "c" }, "data": { "k": "new" } })).await?;
    let second = next(talk, &first, &format!("{maps}?limit=1")).await?;
    talk.note("same version", first.version()? == second.version()?);
    next(talk, &second, &format!("{maps}?limit=1")).await?;
    next(talk, &first, &format!("{maps}?limit=0")).await?;
    talk.get(&format!("{maps}?limit=500")).await?;
    Ok(())
}

async fn pages_of_what_matches(talk: &Talk) -> Result<()> {
    let maps = three(talk).await?;
    let first = talk.get(&format!("{maps}?limit=1&labelSelector=app%3Dshop")).await?;
    next(talk, &first, &format!("{maps}?limit=1&labelSelector=app%3Dshop")).await?;
    talk.get(&format!("{maps}?limit=1&fieldSelector=metadata.name%3Dc")).await?;
    talk.get(&format!("{maps}?limit=2&labelSelector=app%3Dshop")).await?;
    talk.get(&format!("{maps}?limit=3")).await?;
    talk.get(&format!("{maps}?limit=-1")).await?;
    talk.get(&format!("{maps}?limit=x")).await?;
    Ok(())
}

async fn a_page_can_expire(talk: &Talk) -> Result<()> {
    let maps = three(talk).await?;
    // {"v":"meta.k8s.io/v1","rv":2,"start":"a\u0000"}
    let old = "eyJ2IjoibWV0YS5rOHMuaW8vdjEiLCJydiI6Miwic3RhcnQiOiJhXHUwMDAwIn0";
    let refused = talk.get(&format!("{maps}?limit=1&continue={old}")).await?;
    let rest = next(talk, &refused, &format!("{maps}?limit=1")).await?;
    next(talk, &rest, &format!("{maps}?limit=1")).await?;
    Ok(())
}

async fn tokens_that_cannot_be_read(talk: &Talk) -> Result<()> {
    let maps = three(talk).await?;
    for token in [
        "x",
        "e30",
        "eyJ2IjoibWV0YS5rOHMuaW8vdjEiLCJydiI6MSwic3RhcnQiOiIifQ",
        "eyJ2IjoieCIsInJ2IjoxLCJzdGFydCI6ImEifQ",
        "!!!",
    ] {
        talk.get(&format!("{maps}?limit=1&continue={token}")).await?;
    }
    let first = talk.get(&format!("{maps}?limit=1")).await?;
    let version = first.version()?;
    next(talk, &first, &format!("{maps}?limit=1&resourceVersion=0")).await?;
    let both = talk
        .ask(
            Method::GET,
            &format!("{maps}?limit=1&resourceVersion={version}&continue={}", first.text("/metadata/continue")?),
        )
        .unkept()
        .send()
        .await?;
    talk.note("with a version", both.body);
    Ok(())
}

async fn versions_and_matches_of_a_list(talk: &Talk) -> Result<()> {
    let maps = three(talk).await?;
    for query in [
        "resourceVersion=0",
        "resourceVersion=1",
        "resourceVersion=x",
        "resourceVersion=-1",
        "resourceVersionMatch=Exact",
        "resourceVersionMatch=NotOlderThan",
        "resourceVersion=0&resourceVersionMatch=NotOlderThan",
        "resourceVersion=0&resourceVersionMatch=Exact",
        "resourceVersion=1&resourceVersionMatch=NotOlderThan",
        "resourceVersion=0&resourceVersionMatch=Nonsense",
        "resourceVersionMatch=Nonsense",
        "resourceVersion=0&resourceVersionMatch=exact",
        "resourceVersion=",
    ] {
        talk.get(&format!("{maps}?{query}")).await?;
    }
    Ok(())
}

async fn limits_with_versions(talk: &Talk) -> Result<()> {
    let maps = three(talk).await?;
    let version = talk.get(&maps).await?.version()?;
    talk.put(&format!("{maps}/c"), &json!({ "metadata": { "name": "c" }, "data": { "k": "new" } })).await?;
    for query in ["limit=1&resourceVersion=0", "limit=1&resourceVersion=0&resourceVersionMatch=NotOlderThan"] {
        talk.get(&format!("{maps}?{query}")).await?;
    }
    for query in [
        "limit=3",
        "limit=3&resourceVersionMatch=NotOlderThan",
        "limit=3&resourceVersionMatch=Exact",
        "limit=1&resourceVersionMatch=Exact",
    ] {
        let shown = talk.ask(Method::GET, &format!("{maps}?{query}&resourceVersion={version}")).unkept().send().await?;
        talk.note(&format!("{query}: {}", shown.code), shown.body.clone());
    }
    Ok(())
}

async fn a_list_of_an_exact_version(talk: &Talk) -> Result<()> {
    let maps = three(talk).await?;
    let version = talk.get(&maps).await?.version()?;
    talk.delete(&format!("{maps}/a")).await?;
    talk.put(&format!("{maps}/c"), &json!({ "metadata": { "name": "c" }, "data": { "k": "new" } })).await?;
    let shown = talk
        .ask(Method::GET, &format!("{maps}?resourceVersion={version}&resourceVersionMatch=Exact"))
        .unkept()
        .send()
        .await?;
    talk.note("then", shown.body.clone());
    talk.note("of that version", shown.version()? == version);
    talk.get(&format!("{maps}?resourceVersion=2&resourceVersionMatch=Exact")).await?;
    talk.get(&format!("{maps}?resourceVersion=2&limit=1")).await?;
    talk.get(&format!("{maps}?resourceVersion=2")).await?;
    Ok(())
}

async fn a_version_that_is_not_reached(talk: &Talk) -> Result<()> {
    let maps = three(talk).await?;
    talk.get(&format!("{maps}?resourceVersion=99999999")).await?;
    talk.get(&format!("{maps}?resourceVersion=99999999&resourceVersionMatch=Exact")).await?;
    talk.get(&format!("{maps}?resourceVersion=99999999&resourceVersionMatch=NotOlderThan&limit=2")).await?;
    Ok(())
}

async fn lists_over_all_namespaces(talk: &Talk) -> Result<()> {
    let maps = talk.path("v1", "configmaps");
    talk.namespace().await?;
    let label = json!({ "case": talk.id() });
    talk.post(&maps, &json!({ "metadata": { "name": "one", "labels": label } })).await?;
    talk.post("/api/v1/namespaces/default/configmaps", &json!({ "metadata": { "name": talk.id(), "labels": label } }))
        .await?;
    talk.get(&format!("/api/v1/configmaps?labelSelector=case%3D{}", talk.id())).await?;
    talk.get(&format!(
        "/api/v1/configmaps?labelSelector=case%3D{}&fieldSelector=metadata.namespace%3Ddefault",
        talk.id()
    ))
    .await?;
    let first = talk.get(&format!("/api/v1/configmaps?limit=1&labelSelector=case%3D{}", talk.id())).await?;
    next(talk, &first, &format!("/api/v1/configmaps?limit=1&labelSelector=case%3D{}", talk.id())).await?;
    Ok(())
}

async fn lists_of_metadata_only(talk: &Talk) -> Result<()> {
    let maps = three(talk).await?;
    let accept = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1";
    talk.ask(Method::GET, &maps).header("accept", accept).send().await?;
    talk.ask(Method::GET, &format!("{maps}?limit=2")).header("accept", accept).send().await?;
    talk.ask(Method::GET, &format!("{maps}/a"))
        .header("accept", "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1")
        .send()
        .await?;
    Ok(())
}

async fn empty_lists(talk: &Talk) -> Result<()> {
    talk.namespace().await?;
    for (group, plural) in [
        ("v1", "pods"),
        ("v1", "secrets"),
        ("apps/v1", "deployments"),
        ("batch/v1", "jobs"),
        ("rbac.authorization.k8s.io/v1", "roles"),
        ("events.k8s.io/v1", "events"),
        ("discovery.k8s.io/v1", "endpointslices"),
    ] {
        talk.get(&talk.path(group, plural)).await?;
        talk.get(&format!("{}?limit=5&resourceVersion=0", talk.path(group, plural))).await?;
    }
    Ok(())
}

async fn options_of_a_list_that_do_not_fit(talk: &Talk) -> Result<()> {
    let maps = three(talk).await?;
    for query in [
        "sendInitialEvents=true",
        "sendInitialEvents=false",
        "sendInitialEvents=x",
        "allowWatchBookmarks=true",
        "watch=false",
        "timeoutSeconds=x",
        "timeoutSeconds=5",
        "limit=1&continue=x&resourceVersionMatch=Exact&resourceVersion=1",
        "nonsense=1",
        "watch=0",
    ] {
        talk.get(&format!("{maps}?{query}")).await?;
    }
    Ok(())
}

async fn a_list_by_name_and_namespace(talk: &Talk) -> Result<()> {
    let maps = three(talk).await?;
    talk.get(&format!("{maps}?fieldSelector=metadata.name%3Da&resourceVersion=0")).await?;
    talk.get(&format!("{maps}?fieldSelector=metadata.name%3Da&limit=1")).await?;
    talk.get(&format!("/api/v1/configmaps?fieldSelector=metadata.name%3Da%2Cmetadata.namespace%3D{}", talk.id()))
        .await?;
    Ok(())
}

async fn lists_of_many_kinds(talk: &Talk) -> Result<()> {
    talk.namespace().await?;
    for (group, plural, object) in [
        ("rbac.authorization.k8s.io/v1", "roles", json!({ "metadata": { "name": "r" } })),
        ("coordination.k8s.io/v1", "leases", json!({ "metadata": { "name": "l" } })),
        ("v1", "serviceaccounts", json!({ "metadata": { "name": "s" } })),
        (
            "networking.k8s.io/v1",
            "networkpolicies",
            json!({ "metadata": { "name": "n" }, "spec": { "podSelector": {} } }),
        ),
        ("policy/v1", "poddisruptionbudgets", json!({ "metadata": { "name": "b" } })),
    ] {
        let path = talk.path(group, plural);
        talk.ask(Method::POST, &path).json(&object).unkept().send().await?;
        talk.get(&path).await?;
    }
    Ok(())
}
