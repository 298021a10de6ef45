//! What the demo prints: lines that stay, and on a terminal a table below them that is drawn again and again.

use std::{
    io::{IsTerminal, Write},
    sync::{Mutex, PoisonError},
};

/// Standard output.
pub(crate) struct Screen {
    terminal: bool,
    /// The table as it is on the terminal now.
    table: Mutex<Vec<String>>,
}

impl Screen {
    pub(crate) fn new() -> Self {
        Self { terminal: std::io::stdout().is_terminal(), table: Mutex::default() }
    }

    pub(crate) fn is_terminal(&self) -> bool {
        self.terminal
    }

    /// A line that stays.
    pub(crate) fn say(&self, line: &str) {
        let table = self.table.lock().unwrap_or_else(PoisonError::into_inner);
        write(&format!("{}{line}\n{}", erase(&table), drawn(&table)));
    }

    /// Draws the table anew.
    pub(crate) fn draw(&self, lines: Vec<String>) {
        let mut table = self.table.lock().unwrap_or_else(PoisonError::into_inner);
        write(&format!("{}{}", erase(&table), drawn(&lines)));
        *table = lines;
    }

    /// Lets the table stand where it is; what follows is printed below it.
    pub(crate) fn leave_table(&self) {
        self.table.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }
}

/// Moves to where the table starts and clears from there.
fn erase(table: &[String]) -> String {
    if table.is_empty() { String::new() } else { format!("\x1b[{}A\x1b[J", table.len()) }
}

/// Without wrapping: a wrapped line would take two lines that nobody counted.
fn drawn(table: &[String]) -> String {
    if table.is_empty() { String::new() } else { format!("\x1b[?7l{}\n\x1b[?7h", table.join("\n")) }
}

/// A reader that went away (`| head`) is no reason to stop.
fn write(text: &str) {
    let mut out = std::io::stdout().lock();
    let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
}
