//! The scenario: each step changes something as an operator or a user would, and reads on the clusters what came of it.

use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use futures::{FutureExt, future::LocalBoxFuture};
use motet_scenarios::{baseline, embedded, site::FIRST_TOKEN, wait, wire::Fault};

use crate::{services, shipping, stage::Stage};

type Step = for<'a> fn(&'a Stage) -> LocalBoxFuture<'a, Result<String>>;

pub(crate) const PLUGIN: &str = "namespace-baseline";
/// The ConfigMap in the hub that holds its component.
const CODE: &str = "namespace-baseline-code";
/// What the next version's objects are marked with.
pub(crate) const NEXT: Option<&str> = Some("2");
/// How long something that must not happen is watched for.
const WHILE: Duration = Duration::from_millis(1500);

/// All steps in order.
pub(crate) const ALL: [(&str, Step); 16] = [
    ("A plugin is applied to the hub, 8 members are registered by their Secrets", |s| register(s).boxed_local()),
    ("Objects are created: every member converges", |s| create(s).boxed_local()),
    ("Objects are changed and deleted by hand: they are put back", |s| drift(s).boxed_local()),
    ("A member is cut off: it is Unreachable, the others carry on", |s| cut_off(s).boxed_local()),
    ("It comes back: what was missed is made good", |s| come_back(s).boxed_local()),
    ("A member's token is rotated and the old one revoked: no gap", |s| rotate(s).boxed_local()),
    ("A member's Secret is deleted: it is gone, its objects are untouched", |s| withdraw(s).boxed_local()),
    ("A new member is added: it is engaged", |s| add(s).boxed_local()),
    ("The plugin's ConfigMap gets the next version: new code at the next key", |s| replace(s).boxed_local()),
    ("The ConfigMap gets something broken: refused, the last good code runs on", |s| break_it(s).boxed_local()),
    ("The ConfigMap is repaired", |s| repair(s).boxed_local()),
    ("The plugin comes from an OCI registry instead: pushed, signed, pulled, verified", |s| {
        shipping::by_image(s).boxed_local()
    }),
    ("The tag moves to an image that nobody signed: refused, the signed code runs on", |s| {
        shipping::unsigned(s).boxed_local()
    }),
    ("It is signed: the tag is followed", |s| shipping::signed_later(s).boxed_local()),
    ("motet rollback: the code before it is back, without the registry", |s| shipping::roll_back(s).boxed_local()),
    ("A grant is taken away: what the plugin wants is denied", |s| shipping::narrow(s).boxed_local()),
];

async fn register(stage: &Stage) -> Result<String> {
    let (hub, component) = (&stage.hub, embedded::component(PLUGIN)?);
    hub.component(CODE, &component).await?;
    hub.plugin(PLUGIN, CODE, embedded::shipped_spec(PLUGIN)?).await?;
    for member in stage.members() {
        hub.register(&member, FIRST_TOKEN).await?;
    }
    stage.host.ready().await?;
    for member in stage.members() {
        hub.member_is(member.name(), "Ready").await.with_context(|| stage.host.tail())?;
    }
    let members = stage.members().len();
    let all = format!("on {members} members");
    let status =
        hub.plugin_is(PLUGIN, &all, |s| s["members"]["active"] == members).await.with_context(|| stage.host.tail())?;
    Ok(format!("`kubectl get members` says {members} are Ready, {PLUGIN} {} is active {all}", short(&status["digest"])))
}

async fn create(stage: &Stage) -> Result<String> {
    for (number, member) in stage.members().iter().enumerate() {
        member.shop("shop").await?;
        member.look.namespace("plain", &[]).await?;
        if number % 2 == 0 {
            member.shop("warehouse").await?;
        }
        services::create(stage, member).await?;
    }
    let members = stage.converged(&[], None).await?;
    let more = services::check(stage, &stage.members()).await.with_context(|| stage.host.tail())?;
    Ok(format!(
        "exactly the labelled namespaces of {members} members have NetworkPolicy, ResourceQuota and LimitRange{more}"
    ))
}

async fn drift(stage: &Stage) -> Result<String> {
    let member = stage.member("edge-1")?;
    member.look.delete("/api/v1/namespaces/shop/limitranges/motet-baseline").await?;
    let quota = "/api/v1/namespaces/shop/resourcequotas/motet-baseline";
    member.look.patch(quota, &serde_json::json!({ "spec": { "hard": { "pods": "9999" } } })).await?;
    member.label("warehouse", false).await?;
    stage.converged(&[], None).await?;
    Ok("the LimitRange is back, the quota says 20 pods again, and the namespace that lost its label has none of the three".into())
}

async fn cut_off(stage: &Stage) -> Result<String> {
    let member = stage.member("edge-3")?;
    member.wire.set(Fault::Refuse);
    let status = stage.hub.member_is("edge-3", "Unreachable").await.with_context(|| stage.host.tail())?;
    for other in stage.members() {
        other.shop("orders").await?;
    }
    member.label("warehouse", false).await?;
    let others = stage.converged(&["edge-3"], None).await?;
    ensure!(
        baseline::holds(&member.look, None).await.is_err(),
        "edge-3 converged though it was cut off: the cut does not cut"
    );
    Ok(format!("{} ({}); {others} others converged meanwhile", text(&status["state"]), text(&status["reason"])))
}

async fn come_back(stage: &Stage) -> Result<String> {
    stage.member("edge-3")?.wire.set(Fault::None);
    stage.hub.member_is("edge-3", "Ready").await.with_context(|| stage.host.tail())?;
    let members = stage.converged(&[], None).await?;
    Ok(format!("Ready; the namespace created and the label taken meanwhile were found; {members} members hold"))
}

async fn rotate(stage: &Stage) -> Result<String> {
    let member = stage.member("edge-2")?;
    let rotation = async {
        member.add_token("host-2").await?;
        stage.hub.register(&member, "host-2").await?;
        // Both are good for a while, as in any rotation; namespaces keep coming all the time.
        for number in 1..=4 {
            member.shop(&format!("rotated-{number}")).await?;
            baseline::converged("edge-2", &member.look, None).await?;
            tokio::time::sleep(Duration::from_millis(300)).await;
        }
        member.revoke_token(FIRST_TOKEN).await?;
        for number in 5..=8 {
            member.shop(&format!("rotated-{number}")).await?;
            baseline::converged("edge-2", &member.look, None).await?;
            tokio::time::sleep(Duration::from_millis(300)).await;
        }
        anyhow::Ok(())
    };
    tokio::select! {
        done = rotation => done.with_context(|| stage.host.tail())?,
        left = leaves_ready(stage, "edge-2") => bail!("edge-2 was {} during the rotation", left?),
    }
    Ok("8 namespaces created before, during and after it converged, and the member never left Ready".into())
}

/// The state for which a member leaves Ready, once it does.
async fn leaves_ready(stage: &Stage, member: &str) -> Result<String> {
    loop {
        let state = stage.hub.member(member).await?.map_or("gone".into(), |m| text(&m["status"]["state"]));
        if state != "Ready" {
            return Ok(state);
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

async fn withdraw(stage: &Stage) -> Result<String> {
    let member = stage.member("edge-4")?;
    let before = baseline::fingerprint(&member.look).await?;
    ensure!(!before.is_empty(), "edge-4 has no objects to begin with");
    stage.hub.withdraw("edge-4").await?;
    stage.hub.member_gone("edge-4").await.with_context(|| stage.host.tail())?;
    wait::until("the connections to edge-4 to be closed", || async {
        let open = member.wire.open();
        if open == 0 { Ok(()) } else { Err(open) }
    })
    .await?;
    member.shop("unmanaged").await?;
    wait::stays("what edge-4 has", before.clone(), WHILE, || baseline::fingerprint(&member.look)).await?;
    Ok(format!("no connection is left, and {} objects have the resource versions they had", before.len()))
}

async fn add(stage: &Stage) -> Result<String> {
    let member = stage.start_member("edge-9".into()).await?;
    member.shop("shop").await?;
    services::create(stage, &member).await?;
    stage.hub.register(&member, FIRST_TOKEN).await?;
    stage.hub.member_is("edge-9", "Ready").await.with_context(|| stage.host.tail())?;
    stage.converged(&["edge-4"], None).await?;
    services::check(stage, &[member]).await?;
    Ok("edge-9 is Ready and has what its namespace asks for".into())
}

async fn replace(stage: &Stage) -> Result<String> {
    let next = embedded::guest("baseline_next")?;
    stage.hub.component(CODE, &next).await?;
    for member in stage.members().iter().filter(|m| m.name() != "edge-4") {
        member.shop("after-update").await?;
    }
    let members = stage.converged(&["edge-4"], NEXT).await?;
    let digest = runs_everywhere(stage, &next).await?;
    Ok(format!("{members} members have the objects of the next version, {}", short(&digest)))
}

async fn break_it(stage: &Stage) -> Result<String> {
    let mut broken = embedded::component(PLUGIN)?;
    broken.truncate(broken.len() / 2);
    stage.hub.component(CODE, &broken).await?;
    let status = stage
        .hub
        .plugin_is(PLUGIN, "Rejected", |s| s["state"] == "Rejected")
        .await
        .with_context(|| stage.host.tail())?;
    let conditions = status["conditions"].as_array().cloned().unwrap_or_default();
    let loaded = conditions.iter().find(|c| c["type"] == "Compiled").context("the Plugin has no condition Compiled")?;
    ensure!(loaded["status"] == "False", "the condition Compiled should be False: {loaded}");
    for member in stage.members().iter().filter(|m| m.name() != "edge-4") {
        member.shop("after-break").await?;
    }
    stage.converged(&["edge-4"], NEXT).await?;
    let message = text(&loaded["message"]);
    let message: String = message.lines().next().unwrap_or_default().chars().take(90).collect();
    Ok(format!("{}: {message}; new namespaces get the last good version's objects", text(&loaded["reason"])))
}

async fn repair(stage: &Stage) -> Result<String> {
    let first = embedded::component(PLUGIN)?;
    stage.hub.component(CODE, &first).await?;
    let members = stage.converged(&["edge-4"], None).await.with_context(|| stage.host.tail())?;
    let digest = runs_everywhere(stage, &first).await?;
    Ok(format!("{members} members run the first version again, {}", short(&digest)))
}

/// Waits until the Plugin's status and every binding name this component; its digest.
pub(crate) async fn runs_everywhere(stage: &Stage, component: &[u8]) -> Result<serde_json::Value> {
    let digest = serde_json::json!(motet_core::Digest::of(component));
    stage.hub.plugin_is(PLUGIN, "Active", |s| s["state"] == "Active" && s["digest"] == digest).await?;
    let bindings = stage.host.api(&format!("/api/v1/bindings?plugin={PLUGIN}")).await?;
    ensure!(bindings.iter().all(|b| b["digest"] == digest), "not every binding runs {digest}: {bindings:?}");
    Ok(digest)
}

fn text(value: &serde_json::Value) -> String {
    value.as_str().unwrap_or_default().to_string()
}

/// Enough of a digest to know it by.
pub(crate) fn short(digest: &serde_json::Value) -> String {
    text(digest).chars().take("sha256:".len() + 12).collect()
}
