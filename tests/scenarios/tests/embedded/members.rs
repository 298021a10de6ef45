//! What becomes of members: cut and back, new credentials, bad credentials, withdrawn.

use anyhow::Result;
use motet_scenarios::{baseline, site::FIRST_TOKEN, wait, wire::Fault};

use crate::kit::{PLUGIN, Stage, WHILE};

#[tokio::test(flavor = "multi_thread")]
async fn a_member_that_is_cut_off_harms_no_other_and_catches_up() -> Result<()> {
    let stage = Stage::converged(3).await?;
    stage.members[1].wire.set(Fault::Refuse);
    stage.is(1, "Unreachable").await?;
    for member in &stage.members {
        member.shop("new").await?;
    }
    stage.members[1].label("shop", false).await?;
    stage.holds(0, None).await?;
    stage.holds(2, None).await?;
    assert!(baseline::holds(&stage.members[1].look, None).await.is_err());
    stage.members[1].wire.set(Fault::None);
    stage.is(1, "Ready").await?;
    stage.holds(1, None).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_member_that_stops_answering_harms_no_other_and_catches_up() -> Result<()> {
    let stage = Stage::converged(2).await?;
    stage.members[1].cluster().unwrap().faults().hang(true);
    stage.is(1, "Unreachable").await?;
    stage.members[0].shop("new").await?;
    stage.holds(0, None).await?;
    stage.members[1].cluster().unwrap().faults().hang(false);
    stage.is(1, "Ready").await?;
    stage.members[1].shop("new").await?;
    stage.holds(1, None).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rotated_token_takes_over_in_place() -> Result<()> {
    let stage = Stage::converged(1).await?;
    let member = &stage.members[0];
    let since = stage.is(0, "Ready").await?["since"].clone();
    member.add_token("second").await?;
    stage.hub.register(member, "second").await?;
    // With the first token gone, whatever converges did so by the second.
    wait::until("the host to use the second token", || async {
        let log = stage.host().log();
        if log.contains("new token is in use") { Ok(()) } else { Err("nothing in the log") }
    })
    .await?;
    member.revoke_token(FIRST_TOKEN).await?;
    member.shop("new").await?;
    stage.holds(0, None).await?;
    assert_eq!(stage.is(0, "Ready").await?["since"], since, "it never left Ready");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bad_new_kubeconfig_leaves_the_old_one_serving() -> Result<()> {
    let stage = Stage::converged(1).await?;
    let member = &stage.members[0];
    let dead = member.kubeconfig(FIRST_TOKEN)?.replace(&format!(":{}", member.wire.port()), ":1");
    stage.hub.look().register(member.name(), &dead, &[]).await?;
    wait::until("the update to be rejected", || async {
        let status = stage.hub.member(member.name()).await.map_err(|e| e.to_string())?.ok_or("gone")?["status"].clone();
        if status["reason"] == "UpdateRejected" && status["state"] == "Ready" {
            Ok(())
        } else {
            Err(status.to_string())
        }
    })
    .await?;
    member.shop("new").await?;
    stage.holds(0, None).await?;
    stage.hub.register(member, FIRST_TOKEN).await?;
    wait::until("the reason to go with the good kubeconfig", || async {
        let status = stage.is(0, "Ready").await.map_err(|e| e.to_string())?;
        if status["reason"] == "" { Ok(()) } else { Err(status.to_string()) }
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_withdrawn_member_keeps_its_objects_and_is_left_alone() -> Result<()> {
    let stage = Stage::converged(2).await?;
    let member = &stage.members[0];
    let (before, writes) = (baseline::fingerprint(&member.look).await?, member.written().len());
    stage.hub.withdraw("edge-0").await?;
    stage.hub.member_gone("edge-0").await?;
    wait::until("its connections to be closed", || async {
        let open = member.wire.open();
        if open == 0 { Ok(()) } else { Err(open) }
    })
    .await?;
    let rows = stage.host().api(&format!("/api/v1/bindings?plugin={PLUGIN}&member=edge-0")).await?;
    assert!(rows.is_empty(), "{rows:?}");
    member.shop("unmanaged").await?;
    wait::stays("its objects", before, WHILE, || baseline::fingerprint(&member.look)).await?;
    assert_eq!(member.written().len(), writes + 1, "only the test wrote");
    stage.members[1].shop("new").await?;
    stage.holds(1, None).await
}
