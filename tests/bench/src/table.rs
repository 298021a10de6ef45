//! The table at the end.

use std::time::Duration;

/// Rows of name, figure and note.
#[derive(Default)]
pub(crate) struct Table(Vec<[String; 3]>);

impl Table {
    /// Adds a row.
    pub(crate) fn row(&mut self, name: &str, figure: impl Into<String>, note: impl Into<String>) {
        let row = [name.to_string(), figure.into(), note.into()];
        eprintln!("{}: {} {}", row[0], row[1], row[2]);
        self.0.push(row);
    }

    /// Adds a row for single runs: p50 and p99.
    pub(crate) fn samples(&mut self, name: &str, mut samples: Vec<Duration>, note: &str) {
        samples.sort_unstable();
        let at = |share: f64| samples.get(((samples.len() as f64 - 1.0) * share) as usize).copied().unwrap_or_default();
        let micros = |d: Duration| d.as_secs_f64() * 1e6;
        self.row(name, format!("p50 {:.1} µs, p99 {:.1} µs", micros(at(0.5)), micros(at(0.99))), note);
    }

    /// Prints Markdown.
    pub(crate) fn print(&self) {
        println!("| what | figure | note |\n|---|---|---|");
        for [name, figure, note] in &self.0 {
            println!("| {name} | {figure} | {note} |");
        }
    }
}
