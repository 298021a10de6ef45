//! Members and plugins as a running host sees them, as tables.

use std::collections::BTreeMap;

use anyhow::Result;
use serde_json::{Value, json};

use crate::{
    Answer,
    args::{Output, Status},
    block_on, host,
};

/// Prints it.
pub(crate) fn run(status: &Status) -> Result<Answer> {
    let (members, plugins, bindings) = block_on(async {
        let members = host::items(&status.host, "/api/v1/members").await?;
        let plugins = host::items(&status.host, "/api/v1/plugins").await?;
        Ok((members, plugins, host::items(&status.host, "/api/v1/bindings").await?))
    })?;
    let well = members.iter().all(|m| text(m, "state") == "Ready")
        && plugins.iter().all(|p| matches!(text(p, "state"), "Active" | "Suspended"))
        && !bindings.iter().any(|b| b["failing"] == true || matches!(text(b, "state"), "Parked" | "Quarantined"));
    let text = match status.output {
        Output::Table => render(&members, &plugins, &bindings),
        Output::Json => {
            format!("{:#}\n", json!({ "members": members, "plugins": plugins, "bindings": bindings, "well": well }))
        }
    };
    Ok(Answer { text, well })
}

fn text<'a>(item: &'a Value, field: &str) -> &'a str {
    item[field].as_str().unwrap_or_default()
}

/// One row per member with a column per plugin, then the plugins, then what is wrong.
fn render(members: &[Value], plugins: &[Value], bindings: &[Value]) -> String {
    let states: BTreeMap<(&str, &str), &Value> =
        bindings.iter().map(|b| ((text(b, "member"), text(b, "plugin")), b)).collect();
    let names: Vec<&str> = plugins.iter().map(|p| text(p, "name")).collect();
    let mut fleet = vec![["MEMBER", "STATE", "VERSION"].iter().map(|s| s.to_string()).collect::<Vec<_>>()];
    fleet[0].extend(names.iter().map(|n| n.to_uppercase()));
    for member in members {
        let mut row: Vec<String> = ["name", "state", "version"].iter().map(|f| text(member, f).to_string()).collect();
        row.extend(
            names.iter().map(|plugin| states.get(&(text(member, "name"), *plugin)).map_or("-".into(), |b| cell(b))),
        );
        fleet.push(row);
    }
    let mut list =
        vec![["PLUGIN", "STATE", "MODE", "ACTIVE", "DIGEST"].iter().map(|s| s.to_string()).collect::<Vec<_>>()];
    for plugin in plugins {
        let count = |field| plugin["members"][field].as_u64().unwrap_or_default();
        let digest = text(plugin, "digest").chars().take(19).collect::<String>();
        let active = format!("{}/{}", count("active"), count("selected"));
        list.push(vec![
            text(plugin, "name").into(),
            text(plugin, "state").into(),
            text(plugin, "mode").into(),
            active,
            digest,
        ]);
    }
    let mut out = table(&fleet) + "\n" + &table(&list);
    let wrong = |what: String, item: &Value| match (text(item, "reason"), text(item, "message")) {
        ("", _) => None,
        (reason, message) => Some(format!("{what}: {reason}: {message}\n")),
    };
    let lines: String = members
        .iter()
        .filter_map(|m| wrong(format!("member {}", text(m, "name")), m))
        .chain(plugins.iter().filter_map(|p| wrong(format!("plugin {}", text(p, "name")), p)))
        .chain(bindings.iter().filter_map(|b| wrong(format!("{} on {}", text(b, "plugin"), text(b, "member")), b)))
        .collect();
    if !lines.is_empty() {
        out = out + "\n" + &lines;
    }
    out
}

/// A binding in a word, with what is amiss.
fn cell(binding: &Value) -> String {
    let state = text(binding, "state");
    match binding["failing"].as_bool() {
        Some(true) => format!("{state}!"),
        _ => state.to_string(),
    }
}

/// Columns as wide as their widest cell.
fn table(rows: &[Vec<String>]) -> String {
    let columns = rows.first().map_or(0, Vec::len);
    let width = |column: usize| rows.iter().map(|r| r[column].chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..columns).map(width).collect();
    let line = |row: &Vec<String>| {
        let cells: String = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}   ")).collect();
        format!("{}\n", cells.trim_end())
    };
    rows.iter().map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_fleet_is_a_matrix_and_what_is_wrong_is_named() {
        let members = [
            json!({ "name": "edge-1", "state": "Ready", "version": "v1.36.3", "reason": "" }),
            json!({ "name": "edge-10", "state": "Unreachable", "version": "", "reason": "ProbeFailed", "message": "no answer" }),
        ];
        let plugins =
            [json!({ "name": "base", "state": "Active", "mode": "Enforce", "digest": "sha256:0123456789abcdef",
            "members": { "active": 1, "selected": 2 } })];
        let bindings =
            [json!({ "member": "edge-1", "plugin": "base", "state": "Active", "failing": true, "reason": "" })];
        assert_eq!(
            render(&members, &plugins, &bindings),
            "MEMBER    STATE         VERSION   BASE\n\
             edge-1    Ready         v1.36.3   Active!\n\
             edge-10   Unreachable             -\n\
             \n\
             PLUGIN   STATE    MODE      ACTIVE   DIGEST\n\
             base     Active   Enforce   1/2      sha256:0123456789ab\n\
             \n\
             member edge-10: ProbeFailed: no answer\n"
        );
    }

    fn asked(url: &str) -> Status {
        let host = crate::args::Host { url: url.into(), token: None, token_file: None, host_ca: None };
        Status { host, output: Output::Table }
    }

    #[test]
    fn a_host_that_is_not_there_is_said() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        drop(listener);
        let error = run(&asked(&url)).unwrap_err();
        assert!(format!("{error:#}").contains("is it running?"), "{error:#}");
        assert!(run(&asked("no address")).is_err());
    }
}
