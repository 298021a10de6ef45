//! What becomes of plugins: new code, broken code, missing grants, modes, leaving.

use anyhow::Result;
use motet_scenarios::{baseline, embedded, site, wait};
use serde_json::json;

use crate::kit::{CODE, PLUGIN, Stage, WHILE};

#[tokio::test(flavor = "multi_thread")]
async fn new_code_takes_over_and_broken_code_does_not() -> Result<()> {
    let stage = Stage::converged(2).await?;
    stage.hub.component(CODE, &embedded::guest("baseline_next")?).await?;
    for index in 0..2 {
        stage.holds(index, Some("2")).await?;
    }
    stage.hub.component(CODE, b"no component at all").await?;
    let (reason, message) = stage.rejected(PLUGIN).await?;
    assert_eq!(reason, "CompileFailed", "{message}");
    for (index, member) in stage.members.iter().enumerate() {
        member.shop("new").await?;
        stage.holds(index, Some("2")).await?;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn missing_grants_are_named_ready_to_paste_and_nothing_runs() -> Result<()> {
    let mut stage = Stage::bare(1).await?;
    let mut spec = embedded::shipped_spec(PLUGIN)?;
    spec["grants"].as_array_mut().unwrap().retain(|g| g["apiGroups"] != json!(["networking.k8s.io"]));
    stage.hub.component(CODE, &embedded::component(PLUGIN)?).await?;
    stage.hub.plugin(PLUGIN, CODE, spec).await?;
    let member = &stage.members[0];
    member.shop("shop").await?;
    let writes = member.written().len();
    stage.start_host()?;
    let (reason, message) = stage.rejected(PLUGIN).await?;
    assert_eq!(reason, "NotGranted");
    for word in ["networkpolicies", "networking.k8s.io", "create", "patch", "spec.grants"] {
        assert!(message.contains(word), "{word} is not in {message}");
    }
    let member = &stage.members[0];
    stage.is(0, "Ready").await?;
    wait::stays("writes to the member", writes, WHILE, || async { Ok(member.written().len()) }).await?;
    // The grant alone sets it going.
    stage.hub.plugin(PLUGIN, CODE, embedded::shipped_spec(PLUGIN)?).await?;
    stage.holds(0, None).await
}

#[tokio::test(flavor = "multi_thread")]
async fn observe_computes_and_writes_nothing() -> Result<()> {
    let mut stage = Stage::bare(1).await?;
    let mut spec = embedded::shipped_spec(PLUGIN)?;
    spec["mode"] = json!("Observe");
    stage.hub.component(CODE, &embedded::component(PLUGIN)?).await?;
    stage.hub.plugin(PLUGIN, CODE, spec).await?;
    stage.members[0].shop("shop").await?;
    let writes = stage.members[0].written().len();
    stage.start_host()?;
    stage.quiet(PLUGIN, "Observing", 1).await?;
    let row = stage.host().api(&format!("/api/v1/bindings?plugin={PLUGIN}")).await?.remove(0);
    assert_eq!((&row["intents"]["observed"], &row["intents"]["sent"]), (&json!(3), &json!(0)), "{row}");
    let keys = stage.host().api(&format!("/api/v1/intents?plugin={PLUGIN}&name=shop")).await?;
    let intents = keys[0]["intents"].as_array().unwrap();
    assert!(
        intents.len() == 3 && intents.iter().all(|i| i["result"] == "observed" && !i["diff"].is_null()),
        "{intents:?}"
    );
    assert_eq!(stage.members[0].written().len(), writes);
    stage.hub.plugin(PLUGIN, CODE, embedded::shipped_spec(PLUGIN)?).await?;
    stage.holds(0, None).await
}

#[tokio::test(flavor = "multi_thread")]
async fn config_is_checked_and_overrides_reach_their_members_only() -> Result<()> {
    let stage = Stage::converged(2).await?;
    let mut spec = embedded::shipped_spec(PLUGIN)?;
    spec["config"] = json!({ "denyIngres": true });
    stage.hub.plugin(PLUGIN, CODE, spec.clone()).await?;
    let (reason, message) = stage.rejected(PLUGIN).await?;
    assert!(message.contains("denyIngres"), "{reason}: {message}");
    stage.holds(0, None).await?;
    let second = &stage.members[1];
    stage.hub.look().register(second.name(), &second.kubeconfig(site::FIRST_TOKEN)?, &[("tier", "small")]).await?;
    spec["config"] = json!({});
    spec["configOverrides"] =
        json!([{ "members": { "matchLabels": { "tier": "small" } }, "config": { "quota": { "pods": "7" } } }]);
    stage.hub.plugin(PLUGIN, CODE, spec).await?;
    wait::until("the small member's quota", || async {
        let quota = second
            .look
            .get("/api/v1/namespaces/shop/resourcequotas/motet-baseline")
            .await
            .map_err(|e| e.to_string())?;
        let pods = quota.ok_or("gone")?["spec"]["hard"]["pods"].clone();
        if pods == "7" { Ok(()) } else { Err(pods.to_string()) }
    })
    .await?;
    stage.holds(0, None).await
}

#[tokio::test(flavor = "multi_thread")]
async fn two_plugins_on_one_primary_leave_each_others_objects_alone() -> Result<()> {
    let mut stage = Stage::bare(1).await?;
    stage.hub.component(CODE, &embedded::component(PLUGIN)?).await?;
    stage.hub.component("notes", &embedded::guest("notes")?).await?;
    let mut spec = embedded::shipped_spec(PLUGIN)?;
    spec["onDelete"] = json!("Prune");
    stage.hub.plugin(PLUGIN, CODE, spec).await?;
    let all = json!(["get", "list", "watch", "create", "patch", "delete"]);
    let grants = json!([
        { "on": "Member", "apiGroups": [""], "resources": ["namespaces"], "verbs": ["get", "list", "watch"] },
        { "on": "Member", "apiGroups": [""], "resources": ["resourcequotas", "configmaps"], "verbs": all },
    ]);
    stage.hub.plugin("notes", "notes", json!({ "onDelete": "Prune", "grants": grants })).await?;
    let look = stage.members[0].look.clone();
    stage.members[0].shop("shop").await?;
    stage.start_host()?;
    stage.holds(0, None).await?;
    let noted = |wanted: bool| {
        let look = look.clone();
        async move {
            wait::until(&format!("both objects of notes to be there: {wanted}"), || async {
                let quota =
                    look.get("/api/v1/namespaces/shop/resourcequotas/notes").await.map_err(|e| e.to_string())?;
                let map = look.get("/api/v1/namespaces/shop/configmaps/notes").await.map_err(|e| e.to_string())?;
                let seen = (quota.is_some(), map.is_some());
                if seen == (wanted, wanted) { Ok(()) } else { Err(format!("{seen:?}")) }
            })
            .await
        }
    };
    noted(true).await?;
    let before = baseline::fingerprint(&look).await?;
    // One leaves: its objects go, kinds that both apply included; the other's are not even touched.
    stage.hub.look().delete("/apis/motet.dev/v1alpha1/plugins/notes").await?;
    noted(false).await?;
    wait::stays("the baseline", before, WHILE, || baseline::fingerprint(&look)).await?;
    stage.hub.look().delete(&format!("/apis/motet.dev/v1alpha1/plugins/{PLUGIN}")).await?;
    wait::until("the baseline to be pruned", || async {
        let left = baseline::fingerprint(&look).await.map_err(|e| e.to_string())?;
        if left.is_empty() { Ok(()) } else { Err(format!("{left:?}")) }
    })
    .await
}
