//! Row A2, the way to the server: black holes, cuts, slowness, and a version that is gone when the way is back.

use std::time::Duration;

use anyhow::Result;
use motet_scenarios::wire::Fault;

use crate::kit::Stage;

/// The probe's timeout of the tests' hosts is two seconds: this is one probe lost.
const ONE_PROBE: Duration = Duration::from_millis(2100);

#[tokio::test(flavor = "multi_thread")]
async fn a_black_hole_shows_only_past_the_threshold_and_slowness_does_not_flap() -> Result<()> {
    let stage = Stage::converged("hole").await?;
    let (since, wire) = (stage.is(0, "Ready").await?["since"].clone(), &stage.members[0].wire);
    let reconnects = stage.metric("motet_member_reconnects_total", "hole-0").await?;

    // One probe in three is lost, over and over: never as many in a row as the threshold.
    for round in 0..4 {
        wire.set(Fault::Hang);
        tokio::time::sleep(ONE_PROBE).await;
        wire.set(Fault::None);
        tokio::time::sleep(Duration::from_millis(1200)).await;
        stage.works(0, &format!("round-{round}")).await?;
    }
    assert_eq!(stage.is(0, "Ready").await?["since"], since, "it was never shown as lost");
    assert_eq!(stage.metric("motet_member_reconnects_total", "hole-0").await?, reconnects);

    // Late and narrow, but alive.
    wire.set(Fault::Delay(Duration::from_millis(150)));
    stage.works(0, "late").await?;
    wire.set(Fault::Slow(200_000));
    stage.works(0, "narrow").await?;
    assert_eq!(stage.is(0, "Ready").await?["since"], since);

    // Longer than the threshold.
    wire.set(Fault::Hang);
    let lost = stage.is(0, "Unreachable").await?;
    assert!(["ConnectTimeout", "ProbeFailed"].contains(&lost["reason"].as_str().unwrap_or_default()), "{lost}");
    let gauge = stage.metric("motet_member_state", "hole-0").await?;
    assert!(gauge.iter().any(|(labels, n)| labels.contains("Unreachable") && *n == 1.0), "{gauge:?}");
    stage.members[0].shop("while-lost").await?;
    stage.members[0].look.delete("/api/v1/namespaces/shop/resourcequotas/motet-baseline").await?;
    stage.works(1, "others-go-on").await?;
    wire.set(Fault::None);
    stage.is(0, "Ready").await?;
    stage.holds(0).await?;
    stage.nobody_else_noticed().await
}

#[tokio::test(flavor = "multi_thread")]
async fn fifty_cuts_under_load_lose_nothing() -> Result<()> {
    let stage = Stage::converged("cut").await?;
    for round in 0..50 {
        let member = &stage.members[0];
        member.shop(&format!("load-{round}")).await?;
        if round % 3 == 0 {
            member.look.delete("/api/v1/namespaces/shop/limitranges/motet-baseline").await?;
        }
        member.wire.cut();
        tokio::time::sleep(Duration::from_millis(60)).await;
    }
    stage.holds(0).await?;
    stage.nobody_else_noticed().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_version_that_is_gone_when_the_way_is_back_is_listed_past() -> Result<()> {
    let mut stage = Stage::converged("gone").await?;
    stage.members[0].wire.set(Fault::Refuse);
    stage.is(0, "Unreachable").await?;
    let member = &mut stage.members[0];
    // One comes, one loses its label, one is deleted by hand; then every version before now is forgotten, and so is what the
    // server remembered of them.
    member.shop("came").await?;
    let unlabelled = serde_json::json!({ "metadata": { "labels": { "motet.dev/baseline": null } } });
    member.look.patch("/api/v1/namespaces/shop", &unlabelled).await?;
    for filler in 0..20 {
        member.look.namespace(&format!("filler-{filler}"), &[]).await?;
    }
    member.cluster.compact().await?;
    member.cluster.pause();
    member.cluster.resume().await?;
    member.wire.set(Fault::None);
    stage.is(0, "Ready").await?;
    stage.holds(0).await?;
    let restarts = stage.metric("motet_watch_restarts_total", "gone-0").await?;
    assert!(restarts.iter().any(|(labels, _)| labels.contains("Expired")), "{restarts:?}");
    stage.nobody_else_noticed().await
}
