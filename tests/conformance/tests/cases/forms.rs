//! The forms of bodies: negotiation of what is answered and of what is sent, protobuf, metadata alone.

use anyhow::Result;
use http::Method;
use motet_conformance::{Talk, cases};
use serde_json::json;

cases! { "forms": the_first_form_that_can_be_written_is_answered, unknown_forms_are_406, bodies_may_be_yaml, unknown_bodies_are_415,
patches_have_forms_of_their_own, broken_bodies_are_400, metadata_alone_of_one_and_of_many, metadata_alone_in_a_watch,
kubectl_creates_with_protobuf, kubectl_creates_workloads_with_protobuf,
kubectl_creates_rights_with_protobuf, kinds_of_other_paths_are_refused, custom_resources_take_no_protobuf }

const META: &str = "meta.k8s.io";

async fn one(talk: &Talk) -> Result<String> {
    talk.namespace().await?;
    let maps = talk.path("v1", "configmaps");
    let map = json!({ "metadata": { "name": "one", "labels": { "a": "b" } }, "data": { "k": "v" } });
    talk.ask(Method::POST, &maps).json(&map).unkept().send().await?;
    Ok(maps)
}

async fn the_first_form_that_can_be_written_is_answered(talk: &Talk) -> Result<()> {
    let maps = one(talk).await?;
    let path = format!("{maps}/one");
    for accept in [
        "application/json",
        "*/*",
        "application/*",
        "text/html, application/json",
        "text/html;q=0.9, */*;q=0.1",
        "application/json;q=0.5",
        "application/json;charset=utf-8",
        &format!("application/json;as=PartialObjectMetadata;g={META};v=v1"),
        &format!("application/json;as=PartialObjectMetadata;g={META};v=v9,application/json"),
        &format!("application/json;as=Nothing;g={META};v=v1,application/json"),
        "application/json;as=Table",
    ] {
        talk.ask(Method::GET, &path).header("accept", accept).send().await?;
    }
    Ok(())
}

async fn unknown_forms_are_406(talk: &Talk) -> Result<()> {
    let maps = one(talk).await?;
    for accept in [
        "text/html",
        "image/png, text/*",
        "application/xml",
        "nonsense",
        &format!("application/json;as=Nothing;g={META};v=v1"),
        &format!("application/json;as=Table;g={META};v=v7"),
    ] {
        talk.ask(Method::GET, &format!("{maps}/one")).header("accept", accept).send().await?;
        talk.ask(Method::GET, &maps).header("accept", accept).send().await?;
    }
    let two = json!({ "metadata": { "name": "two" } });
    talk.ask(Method::POST, &maps).header("accept", "text/html").json(&two).send().await?;
    talk.get(&format!("{maps}/two")).await?;
    talk.ask(Method::GET, &format!("{maps}?watch=1")).header("accept", "text/html").send().await?;
    Ok(())
}

async fn bodies_may_be_yaml(talk: &Talk) -> Result<()> {
    let maps = one(talk).await?;
    let yaml =
        "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: two\ndata:\n  number: \"1\"\n  text: |\n    a\n    b\n";
    talk.ask(Method::POST, &maps).bytes("application/yaml", yaml.into()).send().await?;
    let json = json!({ "metadata": { "name": "three" } });
    talk.ask(Method::POST, &maps).json(&json).header("content-type", "application/json; charset=utf-8").send().await?;
    let answer =
        talk.ask(Method::GET, &format!("{maps}/two")).header("accept", "application/yaml").unkept().send().await?;
    talk.note("YAML", answer.raw.lines().any(|line| line == "kind: ConfigMap"));
    Ok(())
}

async fn unknown_bodies_are_415(talk: &Talk) -> Result<()> {
    let maps = one(talk).await?;
    let body = json!({ "metadata": { "name": "two" } });
    for kind in ["text/plain", "application/xml", "application/merge-patch+json", "nonsense"] {
        talk.ask(Method::POST, &maps).json(&body).header("content-type", kind).send().await?;
        talk.ask(Method::PUT, &format!("{maps}/one")).json(&body).header("content-type", kind).send().await?;
    }
    Ok(())
}

async fn patches_have_forms_of_their_own(talk: &Talk) -> Result<()> {
    let maps = one(talk).await?;
    for kind in ["application/json", "text/plain", "application/strategic-merge-patch+json; charset=utf-8"] {
        talk.patch(&format!("{maps}/one"), kind, &json!({ "data": { "x": "y" } })).await?;
    }
    Ok(())
}

async fn broken_bodies_are_400(talk: &Talk) -> Result<()> {
    let maps = one(talk).await?;
    for body in ["", "{", "[]", "\"text\"", "5"] {
        talk.ask(Method::POST, &maps).bytes("application/json", body.into()).send().await?;
    }
    Ok(())
}

async fn kinds_of_other_paths_are_refused(talk: &Talk) -> Result<()> {
    let maps = one(talk).await?;
    for (version, kind) in [
        ("v1", "Secret"),
        ("v2", "ConfigMap"),
        ("apps/v1", "Deployment"),
        ("v1", "Nothing"),
        ("v1", ""),
        ("", "ConfigMap"),
    ] {
        let body = json!({ "apiVersion": version, "kind": kind, "metadata": { "name": "two" } });
        talk.post(&maps, &body).await?;
        talk.put(&format!("{maps}/one"), &body).await?;
    }
    Ok(())
}

async fn metadata_alone_of_one_and_of_many(talk: &Talk) -> Result<()> {
    let maps = one(talk).await?;
    for kind in ["PartialObjectMetadata", "PartialObjectMetadataList"] {
        for version in ["v1", "v1beta1"] {
            let accept = format!("application/json;as={kind};g={META};v={version}");
            talk.ask(Method::GET, &format!("{maps}/one")).header("accept", &accept).send().await?;
            talk.ask(Method::GET, &maps).header("accept", &accept).send().await?;
        }
    }
    let accept = format!("application/json;as=PartialObjectMetadata;g={META};v=v1");
    let two = json!({ "metadata": { "name": "two" } });
    talk.ask(Method::POST, &maps).header("accept", &accept).json(&two).send().await?;
    let patch =
        talk.ask(Method::PATCH, &format!("{maps}/two")).json(&json!({ "metadata": { "labels": { "x": "y" } } }));
    patch.header("content-type", "application/merge-patch+json").header("accept", &accept).send().await?;
    talk.ask(Method::DELETE, &format!("{maps}/two")).header("accept", &accept).send().await?;
    Ok(())
}

async fn metadata_alone_in_a_watch(talk: &Talk) -> Result<()> {
    let maps = one(talk).await?;
    let accept = format!("application/json;as=PartialObjectMetadata;g={META};v=v1");
    talk.ask(Method::GET, &format!("{maps}?watch=1&timeoutSeconds=1&resourceVersion=0"))
        .header("accept", &accept)
        .send()
        .await?;
    Ok(())
}

async fn kubectl_creates_with_protobuf(talk: &Talk) -> Result<()> {
    talk.kubectl(&format!("create namespace {}", talk.id()), "").await?;
    talk.kubectl("create configmap one --from-literal=a=b --from-literal=c=d -o json", "").await?;
    talk.kubectl("create secret generic two --from-literal=a=b -o json", "").await?;
    talk.kubectl("create secret docker-registry pull --docker-username=u --docker-password=p -o json", "").await?;
    talk.kubectl("create serviceaccount robot -o json", "").await?;
    talk.kubectl("create service externalname ext --external-name example.org -o json", "").await?;
    talk.kubectl("create quota small --hard=pods=3,cpu=2 -o json", "").await?;
    talk.kubectl(&format!("create priorityclass {} --value=7 --description=seven -o json", talk.id()), "").await?;
    talk.kubectl("create configmap one --from-literal=a=b", "").await?;
    talk.kubectl("create configmap dry --from-literal=a=b --dry-run=server -o name", "").await?;
    Ok(())
}

async fn kubectl_creates_workloads_with_protobuf(talk: &Talk) -> Result<()> {
    talk.namespace().await?;
    talk.kubectl("create deployment web --image=nginx:1 --replicas=0 --port=80 -o json", "").await?;
    talk.kubectl("create cronjob often --image=busybox:1 --schedule=*/5%20*%20*%20*%20* -o json", "").await?;
    talk.kubectl("create ingress in --rule=example.org/*=web:80 -o json", "").await?;
    talk.kubectl("create poddisruptionbudget keep --selector=app=web --min-available=50% -o json", "").await?;
    talk.kubectl("expose deployment web --port=80 --target-port=http -o name", "").await?;
    Ok(())
}

async fn kubectl_creates_rights_with_protobuf(talk: &Talk) -> Result<()> {
    talk.namespace().await?;
    talk.kubectl("create role reader --verb=get,list --resource=pods,deployments.apps --resource-name=x -o json", "")
        .await?;
    talk.kubectl(
        "create rolebinding readers --role=reader --user=bob --group=devs --serviceaccount=default:robot -o json",
        "",
    )
    .await?;
    talk.kubectl(&format!("create clusterrole {} --verb=get --non-resource-url=/logs/* -o json", talk.id()), "")
        .await?;
    talk.kubectl(&format!("create clusterrolebinding {0} --clusterrole={0} --user=bob -o json", talk.id()), "").await?;
    Ok(())
}

async fn custom_resources_take_no_protobuf(talk: &Talk) -> Result<()> {
    let group = format!("{}.example.org", talk.id());
    crate::cases::validation::define(talk, &group).await?;
    talk.namespace().await?;
    let path = talk.path(&format!("{group}/v1"), "boats");
    talk.ask(Method::GET, &path)
        .header("accept", "application/vnd.kubernetes.protobuf,application/json")
        .send()
        .await?;
    Ok(())
}
