//! The alerts and the dashboard of the chart ask for what a host really exposes: one that has seen conflicts, dying code, lost
//! watches and a lost member, and so has every series that it can have.

use std::collections::BTreeSet;

use anyhow::{Context, Result};
use motet_scenarios::{embedded, wait, wire::Fault};
use serde_json::{Value, json};

use crate::{
    kit::{PLUGIN, Stage},
    promql::Scrape,
};

/// What Grafana puts into a dashboard's expressions.
const VARIABLES: [(&str, &str); 3] = [("$__rate_interval", "5m"), ("$plugin", ".*"), ("$member", ".*")];
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

fn text<'a>(value: &'a Value, what: &str) -> Result<&'a str> {
    value.as_str().with_context(|| format!("{what} is no text: {value}"))
}

/// Names of labels between `open` and `close`, which must be among the result's.
fn shown(template: &str, open: &str, labels: &BTreeSet<String>) -> Result<(), String> {
    for part in template.split(open).skip(1) {
        let label: String = part.chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '_').collect();
        if !labels.contains(&label) {
            return Err(format!("{template:?} shows {label}, the expression gives {labels:?}"));
        }
    }
    Ok(())
}

/// What is wrong with the alerts; how many there are.
fn alerts(scrape: &Scrape, yaml: &str) -> Result<(Vec<String>, usize)> {
    let rules: Value = serde_yaml::from_str(yaml)?;
    let groups = rules["groups"].as_array().context("no groups")?;
    let all: Vec<&Value> = groups.iter().filter_map(|g| g["rules"].as_array()).flatten().collect();
    let mut wrong = Vec::new();
    for rule in &all {
        let (name, expression) = (text(&rule["alert"], "alert")?, text(&rule["expr"], "expr")?);
        let notes = ["summary", "description"].map(|note| rule["annotations"][note].as_str().unwrap_or_default());
        if notes.iter().any(|note| note.is_empty()) || !rule["labels"]["severity"].is_string() {
            wrong.push(format!("{name}: no summary, description or severity"));
        }
        let checked = scrape
            .check(expression)
            .and_then(|labels| notes.iter().try_for_each(|note| shown(note, "$labels.", &labels)));
        wrong.extend(checked.err().map(|error| format!("{name}: {error}")));
    }
    Ok((wrong, all.len()))
}

/// The same of the dashboard's panels and variables.
fn dashboard(scrape: &Scrape, json: &str) -> Result<(Vec<String>, usize)> {
    let dashboard: Value = serde_json::from_str(json)?;
    let mut wrong = Vec::new();
    let mut count = 0;
    for panel in dashboard["panels"].as_array().context("no panels")?.iter().filter(|p| p["type"] != "row") {
        for target in panel["targets"].as_array().context("a panel without targets")? {
            let mut expression = text(&target["expr"], "expr")?.to_owned();
            VARIABLES.iter().for_each(|(name, value)| expression = expression.replace(name, value));
            let legend = target["legendFormat"].as_str().unwrap_or_default();
            let checked = scrape.check(&expression).and_then(|labels| shown(legend, "{{", &labels));
            wrong.extend(checked.err().map(|error| format!("{}: {error}", panel["title"])));
            count += 1;
        }
    }
    let variables = dashboard["templating"]["list"].as_array().context("no variables")?;
    for variable in variables.iter().filter(|v| v["type"] == "query") {
        let checked = scrape.check_values(text(&variable["query"]["query"], "query")?);
        wrong.extend(checked.err().map(|error| format!("variable {}: {error}", variable["name"])));
    }
    Ok((wrong, count))
}

#[tokio::test(flavor = "multi_thread")]
async fn every_query_of_alerts_and_dashboard_finds_its_series() -> Result<()> {
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
    let scrape = Scrape::read(&exposed);

    let file = |name: &str| {
        let path = motet_scenarios::repository().join("deploy/chart/files").join(name);
        std::fs::read_to_string(&path).with_context(|| path.display().to_string())
    };
    let (rules, panels) = (file("alerts.yaml")?, file("dashboard.json")?);
    let (wrong, count) = alerts(&scrape, &rules)?;
    assert!(wrong.is_empty() && count > 10, "{count} alerts: {wrong:#?}");
    let (wrong, count) = dashboard(&scrape, &panels)?;
    assert!(wrong.is_empty() && count > 20, "{count} queries: {wrong:#?}");

    // One letter is enough to be noticed, wherever it is.
    for (good, bad) in [("motet_stale_reads_total", "motet_stale_read_total"), ("$labels.plugin", "$labels.plugins")] {
        assert!(!alerts(&scrape, &rules.replace(good, bad))?.0.is_empty(), "{bad}");
    }
    for (good, bad) in
        [("motet_cache_bytes", "motet_cache_byte"), ("{{state}}", "{{status}}"), ("_state, member", "_state, m")]
    {
        assert!(!dashboard(&scrape, &panels.replace(good, bad))?.0.is_empty(), "{bad}");
    }

    // And nothing that is measured is left out of the dashboard, the process's own figures aside.
    let left: Vec<_> =
        scrape.families().into_iter().filter(|f| f.starts_with("motet_") && !panels.contains(f)).collect();
    assert!(left.is_empty(), "not on the dashboard: {left:?}");
    assert!(exposed.contains(&format!("motet_bindings{{plugin=\"{PLUGIN}\",state=\"Active\"}} 2")), "{exposed}");
    Ok(())
}
