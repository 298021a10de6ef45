//! What a real API server's audit log says happened: the judge of who wrote what.

use std::{
    io::{Read, Seek, SeekFrom},
    path::PathBuf,
};

use anyhow::{Context, Result};
use serde_json::Value;

/// One server's audit log.
#[derive(Debug, Clone)]
pub struct AuditLog(pub(crate) PathBuf);

/// Verbs that change something.
const WRITES: [&str; 5] = ["create", "update", "patch", "delete", "deletecollection"];

impl AuditLog {
    /// Every completed request so far, oldest first.
    pub fn entries(&self) -> Result<Vec<Value>> {
        let text = std::fs::read_to_string(&self.0).with_context(|| self.0.display().to_string())?;
        // The last line may still be being written.
        Ok(text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect())
    }

    /// Writes by the host (by user agent) since `skip` entries, Leases excluded: verb and path.
    pub fn host_writes(&self, skip: usize) -> Result<Vec<String>> {
        let entries = self.entries()?;
        Ok(entries.iter().skip(skip).filter(|e| is_host_write(e)).map(line).collect())
    }

    /// How many bytes it has now: a mark for [`Self::host_wrote`].
    pub fn end(&self) -> Result<u64> {
        Ok(std::fs::metadata(&self.0).with_context(|| self.0.display().to_string())?.len())
    }

    /// Writes of the host that were accepted after a mark, Leases excluded: verb and path.
    pub fn host_wrote(&self, mark: u64) -> Result<Vec<String>> {
        let mut file = std::fs::File::open(&self.0).with_context(|| self.0.display().to_string())?;
        file.seek(SeekFrom::Start(mark))?;
        let mut text = String::new();
        file.read_to_string(&mut text)?;
        let entries = text.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        let accepted = |e: &Value| e["responseStatus"]["code"].as_u64().is_some_and(|code| code < 300);
        Ok(entries.filter(|e| is_host_write(e) && accepted(e)).map(|e| line(&e)).collect())
    }

    /// The user agents of the hosts that wrote, in order; one that writes again after another stands there twice.
    pub fn writers(&self) -> Result<Vec<String>> {
        let mut writers: Vec<String> = Vec::new();
        for entry in self.entries()? {
            let agent = text(&entry, "/userAgent");
            if is_host_write(&entry) && writers.last().is_none_or(|last| last != agent) {
                writers.push(agent.into());
            }
        }
        Ok(writers)
    }
}

fn text<'a>(entry: &'a Value, path: &str) -> &'a str {
    entry.pointer(path).and_then(Value::as_str).unwrap_or_default()
}

fn is_host_write(entry: &Value) -> bool {
    WRITES.contains(&text(entry, "/verb"))
        && text(entry, "/userAgent").starts_with("motet-host")
        && text(entry, "/objectRef/resource") != "leases"
}

fn line(entry: &Value) -> String {
    format!("{} {}", text(entry, "/verb"), text(entry, "/requestURI"))
}
