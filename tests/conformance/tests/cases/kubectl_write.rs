//! kubectl, the real binary, changing things: create, apply, diff, edit, patch, scale, delete.

use anyhow::Result;
use motet_conformance::{Talk, cases};

use super::kubectl_kit::{AVAILABLE, DEPLOYMENT, MAP, MAP_CHANGED, OTHER, session};

cases! { "kubectl":
    annotate, apply_client_side, apply_client_side_prunes_fields, apply_server_side, apply_server_side_conflicts_are_named_and_forced, apply_with_dry_run, create_from_a_file_and_again, create_of_what_it_makes_itself, delete_and_what_is_not_there, delete_by_label_and_all, delete_cascades_as_told, delete_waits_for_finalizers, diff, edit, expose_and_autoscale, label, patch_in_all_ways, replace, rollout, scale, set_image_and_env
}

async fn apply_server_side(talk: &Talk) -> Result<()> {
    let lines = [
        ("apply --server-side -f -", MAP),
        ("apply --server-side -f -", MAP),
        ("apply --server-side -f -", MAP_CHANGED),
        ("managers configmap one", ""),
        ("apply --server-side -f -", DEPLOYMENT),
        ("get deployment web -o yaml", ""),
    ];
    session(talk, &lines).await
}

async fn apply_server_side_conflicts_are_named_and_forced(talk: &Talk) -> Result<()> {
    let lines = [
        ("apply --server-side -f -", MAP_CHANGED),
        ("apply --server-side --field-manager=other -f -", MAP),
        ("apply --server-side --field-manager=other --force-conflicts -f -", MAP),
        ("apply --server-side --force-conflicts -f -", MAP_CHANGED),
        ("managers configmap one", ""),
    ];
    session(talk, &lines).await
}

async fn apply_client_side(talk: &Talk) -> Result<()> {
    let lines = [
        ("apply -f -", MAP),
        ("apply -f -", MAP),
        ("apply -f -", MAP_CHANGED),
        ("managers configmap one", ""),
        ("apply -f -", DEPLOYMENT),
        ("apply -f -", DEPLOYMENT),
        ("apply --server-side -f -", MAP),
        ("managers configmap one", ""),
        ("apply view-last-applied deployment/web", ""),
    ];
    session(talk, &lines).await
}

async fn apply_client_side_prunes_fields(talk: &Talk) -> Result<()> {
    let more = MAP.replace("{a: b}", "{a: b, gone: soon}");
    let lines = [
        ("apply -f -", more.as_str()),
        ("patch configmap one --type=merge -p", r#"{"data":{"theirs":"1"}}"#),
        ("apply -f -", MAP),
        ("get configmap one -o jsonpath={.data}", ""),
        ("create -f -", OTHER),
        ("apply -f -", OTHER),
    ];
    session(talk, &lines).await
}

async fn apply_with_dry_run(talk: &Talk) -> Result<()> {
    let lines = [
        ("apply --dry-run=server -f -", MAP),
        ("apply --dry-run=client -f -", MAP),
        ("apply --server-side --dry-run=server -f -", DEPLOYMENT),
        ("get configmaps,deployments", ""),
        ("apply --validate=strict -f -", "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: odd}\ndatum: {a: b}\n"),
        ("apply --validate=warn -f -", "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: odd}\ndatum: {a: b}\n"),
    ];
    session(talk, &lines).await
}

async fn create_from_a_file_and_again(talk: &Talk) -> Result<()> {
    session(
        talk,
        &[("create -f -", OTHER), ("create -f -", OTHER), ("create --dry-run=server -f -", MAP), ("get configmap", "")],
    )
    .await
}

async fn create_of_what_it_makes_itself(talk: &Talk) -> Result<()> {
    let lines = [
        ("create configmap made --from-literal=a=b", ""),
        ("create secret generic hidden --from-literal=a=b", ""),
        ("create serviceaccount robot", ""),
        ("create deployment web --image=registry.example/web:1 --replicas=2", ""),
        ("create role reader --verb=get,list --resource=configmaps", ""),
        ("create rolebinding readers --role=reader --user=somebody", ""),
        ("create quota q --hard=pods=3", ""),
        ("create service clusterip headless --clusterip=None --tcp=80:8080", ""),
        ("create job once --image=registry.example/once:1", ""),
        ("create cronjob often --image=registry.example/often:1 --schedule=*/5%20*%20*%20*%20*", ""),
        ("create ingress web --rule=example.org/*=web:80", ""),
        ("create poddisruptionbudget pdb --selector=app=web --min-available=1", ""),
        ("create configmap made --from-literal=a=b", ""),
        ("get configmap made -o yaml", ""),
        ("get deployment web -o yaml", ""),
        ("get role,rolebinding,quota,service,cronjob,ingress,pdb,serviceaccount/robot,secret/hidden", ""),
    ];
    session(talk, &lines).await?;
    talk.kubectl(&format!("create namespace {}-b", talk.id()), "").await?;
    talk.kubectl(&format!("delete namespace {}-b --wait=false", talk.id()), "").await?;
    Ok(())
}

async fn expose_and_autoscale(talk: &Talk) -> Result<()> {
    let lines = [
        ("apply --server-side -f -", DEPLOYMENT),
        ("expose deployment web --port=80 --target-port=8080 --cluster-ip=None", ""),
        ("get service web -o yaml", ""),
        ("autoscale deployment web --min=1 --max=3 --cpu=50%", ""),
        ("get hpa web", ""),
    ];
    session(talk, &lines).await
}

async fn diff(talk: &Talk) -> Result<()> {
    // The tool that kubectl calls gets two folders; their names are made up.
    let show = [("KUBECTL_EXTERNAL_DIFF", "diff -r -U0 --label live --label merged")];
    talk.namespace().await?;
    talk.kubectl_with("diff -f -", MAP, &show).await?;
    talk.kubectl("apply -f -", MAP).await?;
    talk.kubectl_with("diff -f -", MAP, &show).await?;
    talk.kubectl_with("diff -f -", MAP_CHANGED, &show).await?;
    talk.kubectl_with("diff --server-side --force-conflicts -f -", MAP_CHANGED, &show).await?;
    Ok(())
}

async fn edit(talk: &Talk) -> Result<()> {
    talk.namespace().await?;
    talk.kubectl("create -f -", MAP).await?;
    talk.kubectl_with("edit configmap one", "", &[("KUBE_EDITOR", "sed -i s/shop/bank/")]).await?;
    talk.kubectl("managers configmap one", "").await?;
    talk.kubectl_with("edit configmap one", "", &[("KUBE_EDITOR", "true")]).await?;
    talk.kubectl_with("edit configmap none", "", &[("KUBE_EDITOR", "true")]).await?;
    Ok(())
}

async fn replace(talk: &Talk) -> Result<()> {
    let lines = [
        ("replace -f -", MAP),
        ("create -f -", MAP),
        ("replace -f -", MAP_CHANGED),
        ("managers configmap one", ""),
        ("replace --force -f -", MAP),
    ];
    session(talk, &lines).await
}

async fn patch_in_all_ways(talk: &Talk) -> Result<()> {
    let lines = [
        ("create -f -", MAP),
        ("patch configmap one --type=merge -p", r#"{"data":{"a":null,"x":"y"}}"#),
        ("patch configmap one --type=json -p", r#"[{"op":"test","path":"/data/x","value":"z"}]"#),
        ("patch configmap one --type=json -p", r#"[{"op":"add","path":"/data/z","value":"1"}]"#),
        ("patch configmap one -p", r#"{"metadata":{"labels":{"tier":"edge"}}}"#),
        ("patch configmap one -p", r#"{"metadata":{"labels":{"tier":"edge"}}}"#),
        ("managers configmap one", ""),
        ("patch configmap none -p", r#"{"data":{"a":"b"}}"#),
        ("apply --server-side -f -", DEPLOYMENT),
        (
            "patch deployment web -p",
            r#"{"spec":{"template":{"spec":{"containers":[{"name":"d","image":"registry.example/d:1"}]}}}}"#,
        ),
        ("get deployment web -o jsonpath={.spec.template.spec.containers[*].name}", ""),
        ("patch deployment web --subresource=status --type=merge -p", AVAILABLE),
        ("get deployment web --subresource=status -o jsonpath={.status}", ""),
    ];
    session(talk, &lines).await
}

async fn label(talk: &Talk) -> Result<()> {
    let lines = [
        ("create -f -", MAP),
        ("label configmap one tier=edge", ""),
        ("label configmap one tier=core", ""),
        ("label configmap one tier=core --overwrite", ""),
        ("label configmap one tier-", ""),
        ("label configmap one bad=a%20b", ""),
        ("label configmaps --all seen=yes", ""),
    ];
    session(talk, &lines).await
}

async fn annotate(talk: &Talk) -> Result<()> {
    let lines = [
        ("create -f -", MAP),
        ("annotate configmap one note=seen", ""),
        ("annotate configmap one note=again", ""),
        ("annotate configmap one note=again --overwrite", ""),
        ("annotate configmap one note-", ""),
        ("get configmap one -o yaml", ""),
    ];
    session(talk, &lines).await
}

async fn scale(talk: &Talk) -> Result<()> {
    let lines = [
        ("apply --server-side -f -", DEPLOYMENT),
        ("scale deployment web --replicas=3", ""),
        ("scale deployment web --current-replicas=2 --replicas=4", ""),
        ("scale deployment web --current-replicas=3 --replicas=4", ""),
        ("get deployment web -o jsonpath={.spec.replicas}/{.metadata.generation}", ""),
        ("get deployment web --subresource=scale -o yaml", ""),
        ("scale configmap one --replicas=3", ""),
        ("scale deployment none --replicas=3", ""),
        ("managers deployment web", ""),
    ];
    session(talk, &lines).await
}

async fn set_image_and_env(talk: &Talk) -> Result<()> {
    let lines = [
        ("apply --server-side -f -", DEPLOYMENT),
        ("set image deployment/web c=registry.example/web:2", ""),
        ("set env deployment/web A=b", ""),
        ("set resources deployment/web --limits=cpu=100m,memory=64Mi", ""),
        ("get deployment web -o jsonpath={.spec.template.spec.containers[*]}", ""),
        ("set image deployment/web none=registry.example/web:2", ""),
    ];
    session(talk, &lines).await
}

async fn rollout(talk: &Talk) -> Result<()> {
    let lines = [
        ("apply --server-side -f -", DEPLOYMENT),
        ("rollout pause deployment/web", ""),
        ("rollout resume deployment/web", ""),
        ("rollout history deployment/web", ""),
        ("rollout status deployment/web --timeout=1s", ""),
    ];
    session(talk, &lines).await
}

async fn delete_and_what_is_not_there(talk: &Talk) -> Result<()> {
    let lines = [
        ("create -f -", MAP),
        ("create -f -", OTHER),
        ("delete configmap one --dry-run=server", ""),
        ("delete configmap one two", ""),
        ("delete configmap one", ""),
        ("delete configmap one --ignore-not-found", ""),
        ("delete -f -", MAP),
        ("get configmaps", ""),
    ];
    session(talk, &lines).await
}

async fn delete_by_label_and_all(talk: &Talk) -> Result<()> {
    let lines = [
        ("create -f -", MAP),
        ("create -f -", OTHER),
        ("delete configmaps -l app=shop", ""),
        ("get configmaps", ""),
        ("delete configmaps --all", ""),
        ("get configmaps", ""),
    ];
    session(talk, &lines).await
}

async fn delete_cascades_as_told(talk: &Talk) -> Result<()> {
    session(talk, &[("create -f -", MAP)]).await?;
    let uid = talk.kubectl_unkept("get configmap one -o jsonpath={.metadata.uid}", "").await?;
    let owned = |name: &str| {
        format!(
            "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: {name}\n  ownerReferences: [{{apiVersion: v1, kind: ConfigMap, \
             name: one, uid: {uid}, blockOwnerDeletion: true}}]\n"
        )
    };
    talk.kubectl("create -f -", &owned("left")).await?;
    talk.kubectl("delete configmap one --cascade=orphan", "").await?;
    talk.kubectl("get configmap left -o yaml", "").await?;
    talk.kubectl("create -f -", MAP).await?;
    let uid = talk.kubectl_unkept("get configmap one -o jsonpath={.metadata.uid}", "").await?;
    let owned = format!(
        "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: dragged\n  ownerReferences: [{{apiVersion: v1, kind: ConfigMap, name: one, \
         uid: {uid}, blockOwnerDeletion: true}}]\n"
    );
    talk.kubectl("create -f -", &owned).await?;
    talk.kubectl("delete configmap one --cascade=foreground --timeout=50s", "").await?;
    talk.kubectl("get configmaps -o name", "").await?;
    Ok(())
}

async fn delete_waits_for_finalizers(talk: &Talk) -> Result<()> {
    let held = MAP.replace("name: one,", "name: one, finalizers: [example.org/hold],");
    let lines = [
        ("create -f -", held.as_str()),
        ("delete configmap one --timeout=1s", ""),
        ("get configmap one -o jsonpath={.metadata.finalizers}", ""),
        ("patch configmap one --type=json -p", r#"[{"op":"remove","path":"/metadata/finalizers"}]"#),
        ("wait --for=delete configmap/one --timeout=20s", ""),
        ("get configmap one", ""),
    ];
    session(talk, &lines).await
}
