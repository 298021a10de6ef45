//! kube's client, typed and untyped, as controllers use it.

use anyhow::Result;
use futures::{StreamExt, TryStreamExt};
use k8s_openapi::api::{
    apps::v1::Deployment,
    core::v1::{ConfigMap, Namespace, Pod, Secret},
};
use kube::{
    Api, ResourceExt,
    api::{
        ApiResource, DeleteParams, DynamicObject, GroupVersionKind, ListParams, Patch, PatchParams, PostParams,
        Preconditions, PropagationPolicy, WatchParams,
    },
    core::{Status, WatchEvent},
    discovery,
};
use motet_conformance::{Talk, cases};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Value, json};

cases! { "kube client":
    a_collection_is_deleted_by_selector, a_deletion_says_object_or_status, a_dry_run_changes_nothing,
    a_list_comes_in_pages, a_namespace_goes_with_its_content, a_scale_is_read_and_patched, a_stale_replace_conflicts,
    a_status_is_apart, a_streaming_list_ends_with_a_bookmark, a_watch_tells_what_happens,
    an_unknown_kind_has_no_resource, applied_objects_conflict_and_are_forced, discovery_finds_kinds,
    metadata_alone_is_got_listed_and_watched, objects_are_created_read_and_replaced, patches_of_all_kinds,
    preconditions_hold_back_a_deletion, the_server_tells_its_version
}

/// Keeps what the client gave: the object, or the error as a reconciler would see it.
fn keep<T: Serialize>(talk: &Talk, what: &str, found: kube::Result<T>) -> Result<Option<T>> {
    match found {
        Ok(object) => {
            talk.note(what, serde_json::to_value(&object)?);
            Ok(Some(object))
        }
        Err(kube::Error::Api(status)) => {
            talk.note(what, serde_json::to_value(&status)?);
            Ok(None)
        }
        Err(error) => Err(error.into()),
    }
}

fn map(name: &str) -> Result<ConfigMap> {
    Ok(serde_json::from_value(
        json!({ "metadata": { "name": name, "labels": { "app": "shop" } }, "data": { "k": name } }),
    )?)
}

fn deployment() -> Result<Deployment> {
    Ok(serde_json::from_value(json!({
        "metadata": { "name": "web" },
        "spec": { "replicas": 2, "selector": { "matchLabels": { "app": "web" } },
            "template": { "metadata": { "labels": { "app": "web" } },
                "spec": { "containers": [{ "name": "c", "image": "registry.example/web:1" }] } } },
    }))?)
}

async fn api<K>(talk: &Talk) -> Result<Api<K>>
where
    K: kube::Resource<Scope = k8s_openapi::NamespaceResourceScope> + Clone + DeserializeOwned + std::fmt::Debug,
    K::DynamicType: Default,
{
    talk.namespace().await?;
    Ok(Api::namespaced(talk.client(), talk.id()))
}

async fn maps(talk: &Talk, names: &[&str]) -> Result<Api<ConfigMap>> {
    let maps = api::<ConfigMap>(talk).await?;
    for name in names {
        maps.create(&PostParams::default(), &map(name)?).await?;
    }
    Ok(maps)
}

async fn objects_are_created_read_and_replaced(talk: &Talk) -> Result<()> {
    let maps = api::<ConfigMap>(talk).await?;
    keep(talk, "create", maps.create(&PostParams::default(), &map("one")?).await)?;
    keep(talk, "create again", maps.create(&PostParams::default(), &map("one")?).await)?;
    let mut read = maps.get("one").await?;
    read.data.get_or_insert_default().insert("more".into(), "1".into());
    keep(talk, "replace", maps.replace("one", &PostParams::default(), &read).await)?;
    keep(talk, "get", maps.get("one").await)?;
    keep(talk, "get none", maps.get("none").await)?;
    keep(talk, "get optionally", maps.get_opt("none").await)?;
    let secrets: Api<Secret> = Api::namespaced(talk.client(), talk.id());
    let secret = serde_json::from_value(json!({ "metadata": { "generateName": "s-" }, "stringData": { "a": "b" } }))?;
    keep(talk, "create with a made-up name", secrets.create(&PostParams::default(), &secret).await)?;
    Ok(())
}

async fn a_stale_replace_conflicts(talk: &Talk) -> Result<()> {
    let maps = maps(talk, &["one"]).await?;
    let stale = maps.get("one").await?;
    let labels = Patch::Merge(json!({ "metadata": { "labels": { "x": "y" } } }));
    maps.patch("one", &PatchParams::default(), &labels).await?;
    keep(talk, "replace with a stale version", maps.replace("one", &PostParams::default(), &stale).await)?;
    Ok(())
}

async fn a_dry_run_changes_nothing(talk: &Talk) -> Result<()> {
    let maps = maps(talk, &["one"]).await?;
    let dry = PostParams { dry_run: true, field_manager: Some("test".into()) };
    keep(talk, "create", maps.create(&dry, &map("two")?).await)?;
    let patch = PatchParams { dry_run: true, ..PatchParams::default() };
    keep(talk, "patch", maps.patch("one", &patch, &Patch::Merge(json!({ "data": { "k": "z" } }))).await)?;
    keep(talk, "delete", maps.delete("one", &DeleteParams::default().dry_run()).await.map(deleted))?;
    keep(talk, "list", maps.list(&ListParams::default()).await)?;
    Ok(())
}

async fn patches_of_all_kinds(talk: &Talk) -> Result<()> {
    let maps = maps(talk, &["one"]).await?;
    let params = PatchParams::default();
    keep(talk, "merge", maps.patch("one", &params, &Patch::Merge(json!({ "data": { "k": null, "m": "1" } }))).await)?;
    keep(talk, "strategic", maps.patch("one", &params, &Patch::Strategic(json!({ "data": { "s": "1" } }))).await)?;
    let apply = json!({ "apiVersion": "v1", "kind": "ConfigMap", "data": { "a": "1" } });
    keep(talk, "apply", maps.patch("one", &PatchParams::apply("test"), &Patch::Apply(&apply)).await)?;
    keep(talk, "apply what is not there", maps.patch("two", &PatchParams::apply("test"), &Patch::Apply(&apply)).await)?;
    keep(talk, "merge none", maps.patch("none", &params, &Patch::Merge(json!({}))).await)?;
    keep(
        talk,
        "metadata",
        maps.patch_metadata("one", &params, &Patch::Merge(json!({ "metadata": { "labels": { "l": "1" } } }))).await,
    )?;
    Ok(())
}

async fn applied_objects_conflict_and_are_forced(talk: &Talk) -> Result<()> {
    let deployments = api::<Deployment>(talk).await?;
    let of = |replicas: i32| -> Result<Value> {
        let mut object = serde_json::to_value(deployment()?)?;
        object["spec"]["replicas"] = replicas.into();
        Ok(object)
    };
    keep(talk, "one", deployments.patch("web", &PatchParams::apply("one"), &Patch::Apply(of(2)?)).await)?;
    keep(talk, "two", deployments.patch("web", &PatchParams::apply("two"), &Patch::Apply(of(3)?)).await)?;
    keep(
        talk,
        "two by force",
        deployments.patch("web", &PatchParams::apply("two").force(), &Patch::Apply(of(3)?)).await,
    )?;
    Ok(())
}

async fn a_status_is_apart(talk: &Talk) -> Result<()> {
    let deployments = api::<Deployment>(talk).await?;
    let made = deployments.create(&PostParams::default(), &deployment()?).await?;
    let status =
        json!({ "status": { "replicas": 2, "readyReplicas": 1, "observedGeneration": 1 }, "spec": { "replicas": 9 } });
    keep(talk, "patch", deployments.patch_status("web", &PatchParams::default(), &Patch::Merge(&status)).await)?;
    keep(talk, "get", deployments.get_status("web").await)?;
    let mut next = deployments.get("web").await?;
    next.status.get_or_insert_default().replicas = Some(7);
    next.metadata.labels.get_or_insert_default().insert("l".into(), "1".into());
    keep(talk, "replace the whole", deployments.replace("web", &PostParams::default(), &next).await)?;
    keep(talk, "replace a stale status", deployments.replace_status("web", &PostParams::default(), &made).await)?;
    Ok(())
}

async fn a_scale_is_read_and_patched(talk: &Talk) -> Result<()> {
    let deployments = api::<Deployment>(talk).await?;
    deployments.create(&PostParams::default(), &deployment()?).await?;
    keep(talk, "get", deployments.get_scale("web").await)?;
    let three = Patch::Merge(json!({ "spec": { "replicas": 3 } }));
    keep(talk, "patch", deployments.patch_scale("web", &PatchParams::default(), &three).await)?;
    keep(talk, "get none", deployments.get_scale("none").await)?;
    keep(talk, "the object", deployments.get("web").await)?;
    Ok(())
}

async fn a_list_comes_in_pages(talk: &Talk) -> Result<()> {
    let maps = maps(talk, &["a", "b", "c"]).await?;
    let first = maps.list(&ListParams::default().limit(2)).await?;
    talk.note("first", serde_json::to_value(&first)?);
    maps.create(&PostParams::default(), &map("aa")?).await?;
    let token = first.metadata.continue_.unwrap_or_default();
    keep(talk, "second", maps.list(&ListParams::default().limit(2).continue_token(&token)).await)?;
    keep(talk, "by label", maps.list(&ListParams::default().labels("app=shop,app!=bank")).await)?;
    keep(talk, "by field", maps.list(&ListParams::default().fields("metadata.name=b")).await)?;
    keep(talk, "a bad selector", maps.list(&ListParams::default().labels("app in")).await)?;
    Ok(())
}

async fn metadata_alone_is_got_listed_and_watched(talk: &Talk) -> Result<()> {
    let maps = maps(talk, &["a", "b"]).await?;
    keep(talk, "get", maps.get_metadata("a").await)?;
    let list = maps.list_metadata(&ListParams::default()).await?;
    talk.note("list", serde_json::to_value(&list)?);
    let version = list.metadata.resource_version.unwrap_or_default();
    let mut events = maps.watch_metadata(&WatchParams::default(), &version).await?.boxed();
    maps.create(&PostParams::default(), &map("c")?).await?;
    let event = events.try_next().await?;
    talk.note("event", event.map(|e| told(&e)).transpose()?.unwrap_or_default());
    Ok(())
}

fn told<K: Serialize + Clone>(event: &WatchEvent<K>) -> Result<Value> {
    Ok(match event {
        WatchEvent::Added(object) => json!({ "type": "ADDED", "object": serde_json::to_value(object)? }),
        WatchEvent::Modified(object) => json!({ "type": "MODIFIED", "object": serde_json::to_value(object)? }),
        WatchEvent::Deleted(object) => json!({ "type": "DELETED", "object": serde_json::to_value(object)? }),
        WatchEvent::Bookmark(mark) => json!({ "type": "BOOKMARK", "annotations": mark.metadata.annotations }),
        WatchEvent::Error(error) => json!({ "type": "ERROR", "object": serde_json::to_value(error)? }),
    })
}

async fn a_watch_tells_what_happens(talk: &Talk) -> Result<()> {
    let maps = maps(talk, &["a"]).await?;
    let version = maps.list(&ListParams::default()).await?.metadata.resource_version.unwrap_or_default();
    let mut events = maps.watch(&WatchParams::default().labels("app=shop"), &version).await?.boxed();
    maps.create(&PostParams::default(), &map("b")?).await?;
    let leave = Patch::Merge(json!({ "metadata": { "labels": { "app": "bank" } } }));
    maps.patch("b", &PatchParams::default(), &leave).await?;
    let change = Patch::Merge(json!({ "data": { "k": "z" } }));
    maps.patch("a", &PatchParams::default(), &change).await?;
    maps.delete("a", &DeleteParams::default()).await?;
    for _ in 0..4 {
        let event = events.try_next().await?;
        talk.note("event", event.map(|e| told(&e)).transpose()?.unwrap_or_default());
    }
    Ok(())
}

async fn a_streaming_list_ends_with_a_bookmark(talk: &Talk) -> Result<()> {
    let maps = maps(talk, &["a", "b"]).await?;
    let mut events = maps.watch(&WatchParams::default().initial_events(), "").await?.boxed();
    for _ in 0..3 {
        let event = events.try_next().await?;
        talk.note("event", event.map(|e| told(&e)).transpose()?.unwrap_or_default());
    }
    Ok(())
}

/// What a deletion answered, told apart.
fn deleted<K: Serialize>(answer: either::Either<K, Status>) -> Value {
    let of = |kind: &str, value: Result<Value, serde_json::Error>| json!({ "answer": kind, "value": value.unwrap_or_default() });
    match answer {
        either::Either::Left(object) => of("object", serde_json::to_value(object)),
        either::Either::Right(status) => of("status", serde_json::to_value(status)),
    }
}

async fn a_deletion_says_object_or_status(talk: &Talk) -> Result<()> {
    let maps = maps(talk, &["a"]).await?;
    keep(talk, "at once", maps.delete("a", &DeleteParams::default()).await.map(deleted))?;
    keep(talk, "again", maps.delete("a", &DeleteParams::default()).await.map(deleted))?;
    let mut held = map("b")?;
    held.metadata.finalizers = Some(vec!["example.org/hold".into()]);
    maps.create(&PostParams::default(), &held).await?;
    keep(talk, "held by a finalizer", maps.delete("b", &DeleteParams::default()).await.map(deleted))?;
    let release = Patch::Merge(json!({ "metadata": { "finalizers": null } }));
    keep(talk, "released", maps.patch("b", &PatchParams::default(), &release).await)?;
    keep(talk, "gone", maps.get_opt("b").await)?;
    let params = DeleteParams { propagation_policy: Some(PropagationPolicy::Orphan), ..DeleteParams::default() };
    maps.create(&PostParams::default(), &map("c")?).await?;
    keep(
        talk,
        "orphaning",
        maps.delete("c", &params).await.map(|answer| answer.map_left(|object| object.metadata.finalizers)).map(deleted),
    )?;
    Ok(())
}

async fn preconditions_hold_back_a_deletion(talk: &Talk) -> Result<()> {
    let maps = maps(talk, &["a"]).await?;
    let with = |uid: Option<String>, version: Option<String>| DeleteParams {
        preconditions: Some(Preconditions { uid, resource_version: version }),
        ..DeleteParams::default()
    };
    let other = "00000000-0000-4000-8000-000000000000".to_owned();
    keep(talk, "another UID", maps.delete("a", &with(Some(other), None)).await.map(deleted))?;
    keep(talk, "another version", maps.delete("a", &with(None, Some("1".into()))).await.map(deleted))?;
    let now = maps.get("a").await?;
    keep(talk, "the right ones", maps.delete("a", &with(now.uid(), now.resource_version())).await.map(deleted))?;
    Ok(())
}

async fn a_collection_is_deleted_by_selector(talk: &Talk) -> Result<()> {
    let maps = maps(talk, &["a", "b"]).await?;
    let mut other = map("c")?;
    other.metadata.labels = None;
    maps.create(&PostParams::default(), &other).await?;
    let selected = ListParams::default().labels("app=shop");
    let answer = maps.delete_collection(&DeleteParams::default(), &selected).await;
    keep(talk, "delete", answer.map(|answer| answer.is_left()))?;
    keep(talk, "left", maps.list(&ListParams::default()).await)?;
    Ok(())
}

async fn a_namespace_goes_with_its_content(talk: &Talk) -> Result<()> {
    let maps = maps(talk, &["a"]).await?;
    let namespaces: Api<Namespace> = Api::all(talk.client());
    let deletion = namespaces.delete(talk.id(), &DeleteParams::default()).await?;
    talk.note("deletion", json!(deletion.left().and_then(|n| n.status).and_then(|s| s.phase)));
    let stop = tokio::time::Instant::now() + std::time::Duration::from_secs(60);
    while namespaces.get_opt(talk.id()).await?.is_some() {
        anyhow::ensure!(tokio::time::Instant::now() < stop, "the namespace stays");
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
    keep(talk, "its content", maps.get_opt("a").await)?;
    keep(talk, "something new in it", maps.create(&PostParams::default(), &map("b")?).await)?;
    Ok(())
}

async fn discovery_finds_kinds(talk: &Talk) -> Result<()> {
    for (group, version, kind) in
        [("apps", "v1", "Deployment"), ("", "v1", "ConfigMap"), ("", "v1", "Namespace"), ("batch", "v1", "CronJob")]
    {
        let found = discovery::pinned_kind(&talk.client(), &GroupVersionKind::gvk(group, version, kind)).await?;
        let (resource, capabilities) = found;
        talk.note(kind, json!([format!("{resource:?}"), format!("{:?}", capabilities.scope), capabilities.operations]));
    }
    let group = discovery::group(&talk.client(), "networking.k8s.io").await?;
    let mut kinds: Vec<String> = group.recommended_resources().into_iter().map(|(r, _)| format!("{r:?}")).collect();
    kinds.sort();
    talk.note("networking", kinds);
    Ok(())
}

async fn an_unknown_kind_has_no_resource(talk: &Talk) -> Result<()> {
    talk.namespace().await?;
    let gvk = GroupVersionKind::gvk("nowhere.example.org", "v1", "Nothing");
    let found = discovery::pinned_kind(&talk.client(), &gvk).await.map(|(resource, _)| format!("{resource:?}"));
    talk.note("discovery", found.map_err(|e| e.to_string()).unwrap_or_else(|error| error));
    let nothing: Api<DynamicObject> = Api::namespaced_with(talk.client(), talk.id(), &ApiResource::from_gvk(&gvk));
    keep(talk, "list", nothing.list(&ListParams::default()).await)?;
    let pods: Api<Pod> = Api::namespaced(talk.client(), talk.id());
    keep(talk, "a pod that is not there", pods.get("none").await)?;
    Ok(())
}

async fn the_server_tells_its_version(talk: &Talk) -> Result<()> {
    let version = talk.client().apiserver_version().await?;
    talk.note("version", json!([version.major, version.minor, version.git_version.split('-').next()]));
    let status: Result<Value, kube::Error> =
        talk.client().request(http::Request::get("/apis/none").body(vec![])?).await;
    if let Err(kube::Error::Api(error)) = status {
        talk.note("an unknown path", serde_json::to_value(*error)?);
    }
    Ok(())
}
