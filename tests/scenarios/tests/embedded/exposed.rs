//! What a host exposes that has seen conflicts, dying code, lost watches and a lost member, and so has every series that it can have.
//! Its form is kept in `exposed.txt`, which the alerts and the dashboard of the chart are held against (`tests/tidy`).

use std::collections::BTreeSet;

use anyhow::{Context, Result};
use motet_scenarios::{embedded, wait, wire::Fault};
use serde_json::json;

use crate::kit::{PLUGIN, Stage};

const FORM: &str = "tests/scenarios/tests/embedded/exposed.txt";
/// Labels whose values are words of INTERFACE; other values are left out of the form.
const WORDS: [&str; 2] = ["state", "result"];
/// What appears only once something went wrong.
const OF_TROUBLE: [&str; 6] = [
    "motet_conflicts_total",
    "motet_sandbox_traps_total",
    "motet_watch_restarts_total",
    "motet_member_reconnects_total",
    "motet_writes_total",
    "motet_hub_writes_total",
];

/// A plugin that dies at every key.
async fn dying(stage: &Stage) -> Result<()> {
    stage.hub.component("dying", &embedded::guest("behaviour")?).await?;
    let grants = json!([{ "apiGroups": [""], "resources": ["configmaps", "configmaps/status", "secrets"], "verbs": ["get", "list", "watch", "create", "patch", "delete"] },
        { "apiGroups": ["events.k8s.io"], "resources": ["events"], "verbs": ["create", "patch"] }]);
    stage.hub.plugin("dying", "dying", json!({ "config": { "what": "panic" }, "grants": grants })).await?;
    let map = json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": "key", "namespace": "default" } });
    stage.members[0].look.create("/api/v1/namespaces/default/configmaps", &map).await.map(drop)
}

/// A namespace with an object of the plugin's that belongs to somebody else.
async fn contested(stage: &Stage) -> Result<()> {
    let look = &stage.members[0].look;
    look.namespace("contested", &[]).await?;
    let quota = json!({ "apiVersion": "v1", "kind": "ResourceQuota", "metadata": { "name": "motet-baseline", "namespace": "contested" },
        "spec": { "hard": { "pods": "3" } } });
    look.apply("/api/v1/namespaces/contested/resourcequotas/motet-baseline", "somebody", &quota).await?;
    stage.members[0].label("contested", true).await
}

/// Scrapes until everything that trouble leaves behind is there.
async fn scrape(stage: &Stage) -> Result<String> {
    wait::until("every kind of trouble to be counted", || async {
        let (_, text) = stage.host().get("/metrics").await.map_err(|e| e.to_string())?;
        let missing: Vec<_> = OF_TROUBLE.iter().filter(|name| !text.contains(&format!("\n{name}{{"))).collect();
        if missing.is_empty() { Ok(text) } else { Err(format!("{missing:?}")) }
    })
    .await
    .with_context(|| stage.host().tail())
}

/// The form of a scrape: each metric with its labels, and the words of those that have some.
fn form(exposed: &str) -> String {
    let mut lines = BTreeSet::new();
    for line in exposed.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
        let series = line.rsplit_once(' ').map_or(line, |(series, _)| series);
        let (name, labels) = series.split_once('{').unwrap_or((series, ""));
        let labels = labels.trim_end_matches('}').split("\",").filter_map(|label| label.split_once("=\""));
        let shown = labels.map(|(label, value)| {
            let value = if WORDS.contains(&label) { value.trim_end_matches('"') } else { "" };
            format!("{label}=\"{value}\"")
        });
        lines.insert(format!("{name}{{{}}} 0\n", shown.collect::<Vec<_>>().join(",")));
    }
    lines.into_iter().collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_that_has_seen_trouble_exposes_what_is_written_down() -> Result<()> {
    let stage = Stage::converged(2).await?;
    contested(&stage).await?;
    dying(&stage).await?;
    stage.members[0].cluster().context("not embedded")?.expire_watches();
    stage.members[0].wire.cut();
    stage.members[1].wire.set(Fault::Refuse);
    stage.is(1, "Unreachable").await?;
    stage.members[1].wire.set(Fault::None);
    stage.is(1, "Ready").await?;
    stage.quiet(PLUGIN, "Active", 2).await?;
    let exposed = scrape(&stage).await?;
    let (file, seen) = (motet_scenarios::repository().join(FORM), form(&exposed));
    if std::env::var_os("MOTET_BLESS").is_some() {
        std::fs::write(&file, &seen)?;
    }
    let written = std::fs::read_to_string(&file).context(FORM)?;
    assert_eq!(
        seen, written,
        "{FORM} is not what a host exposes: run this test with MOTET_BLESS=1, then the tests of tests/tidy"
    );
    assert!(exposed.contains(&format!("motet_bindings{{plugin=\"{PLUGIN}\",state=\"Active\"}} 2")), "{exposed}");
    Ok(())
}
