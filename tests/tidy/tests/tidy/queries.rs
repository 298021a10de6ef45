//! The alerts and the dashboard of the chart ask for what a host really exposes, as a test that runs one has written it down.

use std::{collections::BTreeSet, fs};

use serde_json::Value;

use crate::promql::Scrape;

/// What Grafana puts into a dashboard's expressions.
const VARIABLES: [(&str, &str); 3] = [("$__rate_interval", "5m"), ("$plugin", ".*"), ("$member", ".*")];

fn text<'a>(value: &'a Value, what: &str) -> &'a str {
    value.as_str().unwrap_or_else(|| panic!("{what} is no text: {value}"))
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
fn alerts(scrape: &Scrape, yaml: &str) -> (Vec<String>, usize) {
    let rules: Value = serde_yaml::from_str(yaml).unwrap();
    let groups = rules["groups"].as_array().unwrap();
    let all: Vec<&Value> = groups.iter().filter_map(|g| g["rules"].as_array()).flatten().collect();
    let mut wrong = Vec::new();
    for rule in &all {
        let (name, expression) = (text(&rule["alert"], "alert"), text(&rule["expr"], "expr"));
        let notes = ["summary", "description"].map(|note| rule["annotations"][note].as_str().unwrap_or_default());
        if notes.iter().any(|note| note.is_empty()) || !rule["labels"]["severity"].is_string() {
            wrong.push(format!("{name}: no summary, description or severity"));
        }
        let checked = scrape
            .check(expression)
            .and_then(|labels| notes.iter().try_for_each(|note| shown(note, "$labels.", &labels)));
        wrong.extend(checked.err().map(|error| format!("{name}: {error}")));
    }
    (wrong, all.len())
}

/// The same of the dashboard's panels and variables.
fn dashboard(scrape: &Scrape, json: &str) -> (Vec<String>, usize) {
    let dashboard: Value = serde_json::from_str(json).unwrap();
    let mut wrong = Vec::new();
    let mut count = 0;
    for panel in dashboard["panels"].as_array().unwrap().iter().filter(|p| p["type"] != "row") {
        for target in panel["targets"].as_array().unwrap() {
            let mut expression = text(&target["expr"], "expr").to_owned();
            VARIABLES.iter().for_each(|(name, value)| expression = expression.replace(name, value));
            let legend = target["legendFormat"].as_str().unwrap_or_default();
            let checked = scrape.check(&expression).and_then(|labels| shown(legend, "{{", &labels));
            wrong.extend(checked.err().map(|error| format!("{}: {error}", panel["title"])));
            count += 1;
        }
    }
    let variables = dashboard["templating"]["list"].as_array().unwrap();
    for variable in variables.iter().filter(|v| v["type"] == "query") {
        let checked = scrape.check_values(text(&variable["query"]["query"], "query"));
        wrong.extend(checked.err().map(|error| format!("variable {}: {error}", variable["name"])));
    }
    (wrong, count)
}

fn file(path: &str) -> String {
    fs::read_to_string(crate::root().join(path)).unwrap_or_else(|e| panic!("{path}: {e}"))
}

#[test]
fn every_query_of_alerts_and_dashboard_finds_its_series() {
    let scrape = Scrape::read(&file("tests/scenarios/tests/embedded/exposed.txt"));
    let (rules, panels) = (file("deploy/chart/files/alerts.yaml"), file("deploy/chart/files/dashboard.json"));
    let (wrong, count) = alerts(&scrape, &rules);
    assert!(wrong.is_empty() && count > 10, "{count} alerts: {wrong:#?}");
    let (wrong, count) = dashboard(&scrape, &panels);
    assert!(wrong.is_empty() && count > 20, "{count} queries: {wrong:#?}");

    // One letter is enough to be noticed, wherever it is.
    for (good, bad) in [("motet_stale_reads_total", "motet_stale_read_total"), ("$labels.plugin", "$labels.plugins")] {
        assert!(!alerts(&scrape, &rules.replace(good, bad)).0.is_empty(), "{bad}");
    }
    for (good, bad) in
        [("motet_cache_bytes", "motet_cache_byte"), ("{{state}}", "{{status}}"), ("_state, member", "_state, m")]
    {
        assert!(!dashboard(&scrape, &panels.replace(good, bad)).0.is_empty(), "{bad}");
    }

    // And nothing that is measured is left out of the dashboard, the process's own figures aside.
    let families = scrape.families();
    let left: Vec<_> = families.into_iter().filter(|f| f.starts_with("motet_") && !panels.contains(f)).collect();
    assert!(left.is_empty(), "not on the dashboard: {left:?}");
}
