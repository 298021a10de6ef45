//! The chart's values name exactly the settings that this host has.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

use std::{collections::BTreeSet, fs, path::Path};

use clap::CommandFactory;
use motet_host::args::Args;

/// What the chart decides itself, since it depends on the pod: where files and the hub are, and where to listen.
const OF_THE_CHART: [&str; 13] = [
    "cache_key",
    "config",
    "data_dir",
    "help",
    "hub",
    "hub_context",
    "listen",
    "members",
    "namespace",
    "plugins",
    "tls_cert",
    "tls_key",
    "verify",
];

fn camel(id: &str) -> String {
    let mut parts = id.split('_');
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |all, part| all + &part[..1].to_uppercase() + &part[1..])
}

#[test]
fn the_charts_config_has_every_setting_and_no_other() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../deploy/chart/values.schema.json");
    let schema: serde_json::Value = serde_json::from_slice(&fs::read(path).unwrap()).unwrap();
    let config = &schema["properties"]["config"];
    assert_eq!(config["additionalProperties"], false);
    let named: BTreeSet<String> = config["properties"].as_object().unwrap().keys().cloned().collect();
    let command = Args::command();
    let settings = command.get_arguments().map(|a| a.get_id().as_str()).filter(|id| !OF_THE_CHART.contains(id));
    assert_eq!(named, settings.map(camel).collect());
}
