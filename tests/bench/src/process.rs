//! What the kernel says about a process: memory, threads, sockets, processor time.

use std::{collections::BTreeMap, fs, time::Duration};

use anyhow::{Context, Result};

/// The kernel's ticks of processor time in a second; fixed on Linux for as long as there are programs that assume it.
const TICKS: u64 = 100;

/// A process by its number.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Process(pub(crate) u32);

impl Process {
    /// This one.
    pub(crate) fn own() -> Self {
        Self(std::process::id())
    }

    fn read(self, what: &str) -> Result<String> {
        let path = format!("/proc/{}/{what}", self.0);
        fs::read_to_string(&path).with_context(|| format!("reading {path}: has the process ended?"))
    }

    /// A number of `/proc/PID/status`; sizes are in KiB.
    pub(crate) fn status(self, field: &str) -> Result<u64> {
        let status = self.read("status")?;
        let line = status.lines().find_map(|l| l.strip_prefix(field)?.strip_prefix(':'));
        let word = line.and_then(|l| l.split_whitespace().next());
        word.and_then(|w| w.parse().ok()).with_context(|| format!("{field} is not in the process's status"))
    }

    /// Resident memory in MiB.
    pub(crate) fn resident(self) -> Result<f64> {
        Ok(self.status("VmRSS")? as f64 / 1024.0)
    }

    /// Processor time so far, of all threads, in user and kernel mode.
    pub(crate) fn busy(self) -> Result<Duration> {
        let stat = self.read("stat")?;
        // The name in parentheses may hold spaces; the fields after it are counted from the third.
        let (_, fields) = stat.rsplit_once(')').context("a process status without a name")?;
        let ticks: u64 = fields.split_whitespace().skip(11).take(2).filter_map(|f| f.parse::<u64>().ok()).sum();
        Ok(Duration::from_millis(ticks * 1000 / TICKS))
    }

    /// Open connections by the port on the other side.
    pub(crate) fn connections(self) -> Result<BTreeMap<u16, usize>> {
        let mut own = std::collections::BTreeSet::new();
        for entry in fs::read_dir(format!("/proc/{}/fd", self.0))?.flatten() {
            let target = fs::read_link(entry.path()).unwrap_or_default();
            let inode = target.to_str().and_then(|t| t.strip_prefix("socket:[")?.strip_suffix(']'));
            own.extend(inode.map(String::from));
        }
        let mut ports = BTreeMap::new();
        for line in self.read("net/tcp")?.lines().skip(1) {
            let fields: Vec<&str> = line.split_whitespace().collect();
            let (Some(remote), Some(inode)) = (fields.get(2), fields.get(9)) else { continue };
            let port = remote.rsplit_once(':').and_then(|(_, p)| u16::from_str_radix(p, 16).ok());
            if let Some(port) = port.filter(|p| *p != 0 && own.contains(*inode)) {
                *ports.entry(port).or_default() += 1;
            }
        }
        Ok(ports)
    }
}
