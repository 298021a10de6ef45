//! The table of all cases in the README of `sdk/devcluster`: written from what came out, checked at every whole run.

use std::{collections::BTreeMap, fmt::Write, path::PathBuf};

use anyhow::{Context, Result, bail};

use crate::compare::Verdict;

const BEGIN: &str = "<!-- conformance: begin (written by `make conformance-table`) -->\n";
const END: &str = "<!-- conformance: end -->";
/// Set to write the table instead of checking it.
const WRITE: &str = "MOTET_CONFORMANCE_TABLE";

/// One line: area, what the case shows, and what came out.
pub type Row = (String, String, Verdict);

fn readme() -> PathBuf {
    std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../sdk/devcluster/README.md")
}

/// The table as Markdown.
pub fn render(rows: &[Row]) -> String {
    let mut areas: BTreeMap<&str, Vec<(&str, &Verdict)>> = BTreeMap::new();
    for (area, title, verdict) in rows {
        areas.entry(area).or_default().push((title, verdict));
    }
    let mut text = String::new();
    for (area, cases) in areas {
        let _ = writeln!(text, "\n### {}\n\n| case | real | embedded |\n|---|---|---|", capital(area));
        let mut cases = cases;
        cases.sort_by_key(|(title, _)| *title);
        for (title, verdict) in cases {
            let (real, embedded) = cells(verdict);
            let _ = writeln!(text, "| {title} | {real} | {embedded} |");
        }
    }
    text
}

fn capital(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map(|first| first.to_uppercase().chain(letters).collect()).unwrap_or_default()
}

fn cells(verdict: &Verdict) -> (String, String) {
    match verdict {
        Verdict::Same { codes, asides } => {
            let mut runs: Vec<(i64, usize)> = Vec::new();
            for code in codes.iter().copied().filter(|c| *c != 0) {
                match runs.last_mut() {
                    Some((last, n)) if *last == code => *n += 1,
                    _ => runs.push((code, 1)),
                }
            }
            let runs = runs.iter().map(|(code, n)| if *n > 1 { format!("{code} ×{n}") } else { code.to_string() });
            let runs: Vec<String> = runs.collect();
            let real = if runs.is_empty() { "ok".to_owned() } else { runs.join(", ") };
            let aside = if asides.is_empty() { String::new() } else { format!(", but: {}", asides.join("; ")) };
            (real, format!("same{aside}"))
        }
        Verdict::Outside(why) => ("served".into(), format!("501: {why}")),
        Verdict::Differs(_) => ("?".into(), "differs".into()),
    }
}

/// Compares the table in the README with what came out, or writes it where the environment asks for that.
///
/// # Errors
/// The README cannot be read or holds another table.
pub fn settle(rows: &[Row]) -> Result<()> {
    let path = readme();
    let text = std::fs::read_to_string(&path).with_context(|| path.display().to_string())?;
    let (before, rest) = text.split_once(BEGIN).context("the README of sdk/devcluster has no place for the table")?;
    let (found, after) = rest.split_once(END).context("the table in the README of sdk/devcluster has no end")?;
    let wanted = render(rows);
    if found == wanted {
        return Ok(());
    }
    if std::env::var_os(WRITE).is_none() {
        bail!("the table in sdk/devcluster/README.md is not what came out: run `make conformance-table` and commit it");
    }
    Ok(std::fs::write(&path, format!("{before}{BEGIN}{wanted}{END}{after}"))?)
}
