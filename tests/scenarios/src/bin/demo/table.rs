//! The live table: members × plugins. It shows what the host says; the objects are counted on the members.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use futures::future::join_all;
use motet_scenarios::site::Site;
use serde_json::Value;

use crate::{screen::Screen, stage::Stage};

/// What plugins of the demo apply.
const KINDS: [&str; 6] = [
    "/apis/networking.k8s.io/v1/networkpolicies",
    "/api/v1/resourcequotas",
    "/api/v1/limitranges",
    "/apis/apps/v1/deployments",
    "/api/v1/services",
    "/apis/apps.motet.dev/v1/platformbudgets",
];
const OWNER: &str = "owner.motet.dev/";

/// Draws the table again and again.
pub(crate) async fn refresh(stage: Arc<Stage>, screen: Arc<Screen>) {
    loop {
        screen.draw(lines(&stage).await);
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
}

/// The table's lines now.
pub(crate) async fn lines(stage: &Stage) -> Vec<String> {
    let members = stage.members();
    let (states, bindings) = (stage.host.api("/api/v1/members").await, stage.host.api("/api/v1/bindings").await);
    let (states, bindings) = (states.unwrap_or_default(), bindings.unwrap_or_default());
    let counts = join_all(members.iter().map(|m| owned(m))).await;
    let plugins: BTreeSet<&str> = bindings.iter().filter_map(|b| b["plugin"].as_str()).collect();
    let mut rows = vec![heads(&plugins)];
    for (member, counts) in members.iter().zip(counts) {
        let state = states.iter().find(|s| s["name"] == member.name());
        let mine: Vec<&Value> = bindings.iter().filter(|b| b["member"] == member.name()).collect();
        rows.push(row(member.name(), state, &mine, &plugins, &counts));
    }
    align(&rows)
}

fn heads(plugins: &BTreeSet<&str>) -> Vec<String> {
    let fixed = ["MEMBER", "STATE"].map(String::from).into_iter();
    let cells = plugins.iter().map(|p| format!("{} (objects/reconciles)", p.to_uppercase()));
    fixed.chain(cells).chain(["LAST ERROR".into()]).collect()
}

fn row(
    name: &str,
    state: Option<&Value>,
    bindings: &[&Value],
    plugins: &BTreeSet<&str>,
    counts: &BTreeMap<String, usize>,
) -> Vec<String> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_string();
    let mut row = vec![name.to_string(), state.map_or("-".into(), |s| text(&s["state"]))];
    for plugin in plugins {
        let objects = counts.get(*plugin).copied().unwrap_or_default();
        row.push(match bindings.iter().find(|b| b["plugin"] == **plugin) {
            Some(b) => format!("{:9} {objects:3}/{}", text(&b["state"]), b["reconciles"]),
            None => format!("{:9} {objects:3}", "-"),
        });
    }
    let trouble = state.filter(|s| s["state"] != "Ready").map(|s| text(&s["message"]));
    let error = trouble
        .filter(|t| !t.is_empty())
        .or_else(|| bindings.iter().map(|b| text(&b["lastError"])).find(|e| !e.is_empty()));
    row.push(first_line(&error.unwrap_or_default()));
    row
}

/// Enough of a message to know it by.
fn first_line(message: &str) -> String {
    message.lines().next().unwrap_or_default().chars().take(70).collect()
}

fn align(rows: &[Vec<String>]) -> Vec<String> {
    let columns = rows.iter().map(Vec::len).max().unwrap_or_default();
    let width =
        |column: usize| rows.iter().filter_map(|r| r.get(column)).map(|c| c.chars().count()).max().unwrap_or_default();
    let widths: Vec<usize> = (0..columns).map(width).collect();
    let line = |row: &Vec<String>| {
        let cells: Vec<_> = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:width$}")).collect();
        cells.join("  ").trim_end().to_string()
    };
    rows.iter().map(line).collect()
}

/// Objects on a member by the plugin that owns them.
async fn owned(member: &Site) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    for kind in KINDS {
        // Not every member has every kind.
        let objects =
            member.look.list(&format!("{kind}?labelSelector=motet.dev%2Fmanaged%3Dtrue")).await.unwrap_or_default();
        let annotations =
            objects.iter().filter_map(|o| o["metadata"]["annotations"].as_object()).flat_map(|a| a.keys());
        for plugin in annotations.filter_map(|key| key.strip_prefix(OWNER)) {
            *counts.entry(plugin.to_string()).or_default() += 1;
        }
    }
    counts
}
