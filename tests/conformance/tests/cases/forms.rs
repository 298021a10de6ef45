//! The forms of bodies: negotiation of what is answered and of what is sent, protobuf, metadata alone.

use anyhow::Result;
use http::Method;
use motet_conformance::{Talk, cases};
use serde_json::json;

cases! { "forms": the_first_form_that_can_be_written_is_answered, unknown_forms_are_406, bodies_may_be_yaml, unknown_bodies_are_415,
patches_have_forms_of_their_own, broken_bodies_are_400, metadata_alone_of_one_and_of_many, metadata_alone_in_a_watch,
kubectl_creates_with_protobuf, kubectl_creates_workloads_with_protobuf,
kubectl_creates_rights_with_protobuf, kinds_of_other_paths_are_refused, custom_resources_take_no_protobuf,
answers_are_indented_for_people, large_answers_are_packed, errors_are_in_the_form_that_is_asked_for, keys_that_stand_twice_in_yaml,
answers_in_yaml, cbor_is_not_taken }

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

/// How a body is laid out, whatever the order of its fields.
async fn laid_out(talk: &Talk, ask: motet_conformance::talk::Ask<'_>, what: &str) -> Result<()> {
    let answer = ask.unkept().send().await?;
    let lines = answer.raw.trim_end().lines().count();
    let second = answer.raw.lines().nth(1).map(|line| line.len() - line.trim_start().len());
    talk.note(what, json!({ "code": answer.code, "lines": lines, "indent": second }));
    Ok(())
}

async fn answers_are_indented_for_people(talk: &Talk) -> Result<()> {
    let maps = one(talk).await?;
    let path = format!("{maps}/one");
    for query in ["pretty=true", "pretty=1", "pretty=false", "pretty=0", "pretty=yes", "pretty=", "pretty"] {
        laid_out(talk, talk.ask(Method::GET, &format!("{path}?{query}")), query).await?;
    }
    for agent in ["curl/8.0", "Wget/1.2", "Mozilla/5.0 (x)", "other/1.0"] {
        laid_out(talk, talk.ask(Method::GET, &path).header("user-agent", agent), agent).await?;
    }
    let curl = |path: &str| talk.ask(Method::GET, path).header("user-agent", "curl/8.0");
    laid_out(talk, curl(&format!("{path}?pretty=false")), "curl that will not").await?;
    laid_out(talk, curl(&format!("{maps}/none")), "an error").await?;
    laid_out(talk, curl(&format!("{maps}?labelSelector=a%3Db")), "a list").await?;
    laid_out(talk, curl("/api/v1").header("accept", "application/json;pretty=1"), "discovery").await?;
    laid_out(talk, curl("/version"), "version").await?;
    laid_out(talk, talk.ask(Method::GET, &path).header("accept", "application/json;pretty=1"), "by media type").await?;
    laid_out(talk, talk.ask(Method::GET, &path).header("accept", "application/yaml;pretty=1"), "YAML").await?;
    laid_out(talk, curl(&path).header("accept", "application/json;as=Table;g=meta.k8s.io;v=v1"), "a table").await?;
    laid_out(talk, talk.ask(Method::DELETE, &format!("{path}?pretty=true")), "a deletion").await?;
    Ok(())
}

async fn large_answers_are_packed(talk: &Talk) -> Result<()> {
    let maps = one(talk).await?;
    let large = json!({ "metadata": { "name": "large" }, "data": { "k": "x".repeat(200_000) } });
    talk.ask(Method::POST, &maps).json(&large).unkept().send().await?;
    for (path, encoding) in [
        ("large", "gzip"),
        ("large", "deflate, gzip;q=1.0, *;q=0.5"),
        ("large", "br, gzip"),
        ("large", "deflate"),
        ("large", ""),
        ("one", "gzip"),
        ("", "gzip"),
        ("?labelSelector=a%3Db", "gzip"),
    ] {
        for accept in ["application/json", "application/yaml"] {
            let path = if path.starts_with('?') { format!("{maps}{path}") } else { format!("{maps}/{path}") };
            let ask = talk.ask(Method::GET, path.trim_end_matches('/')).header("accept", accept);
            let ask = if encoding.is_empty() { ask } else { ask.header("accept-encoding", encoding) };
            let (code, headers, magic) = ask.unkept().bare().await?;
            let named = |name: &str| {
                headers
                    .get_all(name)
                    .iter()
                    .map(|v| String::from_utf8_lossy(v.as_bytes()).into_owned())
                    .collect::<Vec<_>>()
            };
            talk.note(&format!("{accept} {encoding}"), json!({ "code": code, "encoding": named("content-encoding"), "vary": named("vary"), "packed": magic == [0x1f, 0x8b] }));
        }
    }
    Ok(())
}

async fn errors_are_in_the_form_that_is_asked_for(talk: &Talk) -> Result<()> {
    let maps = one(talk).await?;
    for accept in [
        "application/yaml",
        "application/yaml;q=0.5, application/json",
        "application/json;as=Table;g=meta.k8s.io;v=v1, application/yaml",
        "application/yaml;as=Table;g=meta.k8s.io;v=v1",
        "*/*",
    ] {
        for path in [
            format!("{maps}/none"),
            format!("{maps}?limit=x"),
            "/api/v1/nothings".to_owned(),
            "/apis/none.org/v1/x".to_owned(),
        ] {
            let answer = talk.ask(Method::GET, &path).header("accept", accept).send_as_yaml().await?;
            talk.note("code", answer.code);
        }
        talk.ask(Method::GET, &maps).header("accept", accept).token("wrong").send_as_yaml().await?;
        talk.ask(Method::GET, &maps).header("accept", accept).token("alice").send_as_yaml().await?;
    }
    Ok(())
}

async fn keys_that_stand_twice_in_yaml(talk: &Talk) -> Result<()> {
    let maps = one(talk).await?;
    let text = |name: &str| {
        format!(
            "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: {name}\n  labels:\n    a: b\n    a: c\ndata:\n  k: \"1\"\n  k: \"2\"\nodd: 1\n"
        )
    };
    for word in ["Ignore", "Warn", "Strict", ""] {
        let name = format!("m{}", word.to_lowercase());
        let query = if word.is_empty() { String::new() } else { format!("?fieldValidation={word}") };
        talk.ask(Method::POST, &format!("{maps}{query}")).bytes("application/yaml", text(&name).into()).send().await?;
        talk.ask(Method::PUT, &format!("{maps}/one{query}"))
            .bytes("application/yaml", text("one").into())
            .send()
            .await?;
        let more = if word.is_empty() { String::new() } else { format!("&fieldValidation={word}") };
        talk.ask(Method::PATCH, &format!("{maps}/applied{}?fieldManager=m{more}", word.to_lowercase()))
            .bytes("application/apply-patch+yaml", text(&format!("applied{}", word.to_lowercase())).into())
            .send()
            .await?;
    }
    Ok(())
}

async fn answers_in_yaml(talk: &Talk) -> Result<()> {
    let maps = one(talk).await?;
    let yaml = |method: Method, path: &str| talk.ask(method, path).header("accept", "application/yaml");
    yaml(Method::GET, &format!("{maps}/one")).send_as_yaml().await?;
    yaml(Method::GET, &format!("{maps}?labelSelector=a%3Db")).send_as_yaml().await?;
    yaml(Method::POST, &maps)
        .json(&json!({ "metadata": { "name": "two" }, "data": { "yes": "no", "n": "1", "t": "a: b\n- c\n" } }))
        .send_as_yaml()
        .await?;
    yaml(Method::DELETE, &format!("{maps}/two")).send_as_yaml().await?;
    yaml(Method::GET, "/api").send_as_yaml().await?;
    yaml(Method::GET, "/version").send_as_yaml().await?;
    yaml(Method::GET, &maps)
        .header("accept", "application/yaml;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1")
        .send_as_yaml()
        .await?;
    yaml(Method::GET, &format!("{maps}/one"))
        .header("accept", "application/yaml;as=Table;g=meta.k8s.io;v=v1")
        .send_as_yaml()
        .await?;
    Ok(())
}

async fn cbor_is_not_taken(talk: &Talk) -> Result<()> {
    let maps = one(talk).await?;
    talk.ask(Method::POST, &maps).bytes("application/cbor", vec![0xd9, 0xd9, 0xf7, 0xa0]).send().await?;
    talk.ask(Method::GET, &maps).header("accept", "application/cbor").send().await?;
    talk.ask(Method::GET, &format!("{maps}/one")).header("accept", "application/cbor, application/json").send().await?;
    talk.ask(Method::PATCH, &format!("{maps}/one?fieldManager=m"))
        .bytes("application/apply-patch+cbor", vec![0xa0])
        .send()
        .await?;
    let group = format!("{}.example.org", talk.id());
    crate::cases::validation::define(talk, &group).await?;
    let boats = talk.path(&format!("{group}/v1"), "boats");
    talk.ask(Method::POST, &boats).bytes("application/cbor", vec![0xd9, 0xd9, 0xf7, 0xa0]).send().await?;
    talk.ask(Method::PATCH, &format!("{boats}/one?fieldManager=m"))
        .bytes("application/apply-patch+cbor", vec![0xa0])
        .send()
        .await?;
    Ok(())
}
