//! What a real API server's audit log says happened: the judge of who wrote what.

use std::path::PathBuf;

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
        let writes = entries.iter().skip(skip).filter(|e| {
            let text = |path: &str| e.pointer(path).and_then(Value::as_str).unwrap_or_default();
            WRITES.contains(&text("/verb"))
                && text("/userAgent").starts_with("motet-host")
                && text("/objectRef/resource") != "leases"
        });
        Ok(writes
            .map(|e| format!("{} {}", e["verb"].as_str().unwrap_or(""), e["requestURI"].as_str().unwrap_or("")))
            .collect())
    }

    /// The user agents of the hosts that wrote, in order; one that writes again after another stands there twice.
    pub fn writers(&self) -> Result<Vec<String>> {
        let mut writers: Vec<String> = Vec::new();
        for entry in self.entries()? {
            let text = |path: &str| entry.pointer(path).and_then(Value::as_str).unwrap_or_default().to_string();
            let agent = text("/userAgent");
            let wrote = WRITES.contains(&text("/verb").as_str()) && agent.starts_with("motet-host");
            if wrote && text("/objectRef/resource") != "leases" && writers.last() != Some(&agent) {
                writers.push(agent);
            }
        }
        Ok(writers)
    }
}
