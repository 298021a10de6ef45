//! Counts requests and remembers the last writes, so that tests can say what was and what was not sent.

use std::collections::{BTreeMap, VecDeque};

use parking_lot::Mutex;

/// Writes that are remembered.
const REMEMBERED: usize = 1024;

/// One write request, as an audit log would show it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WriteRecord {
    /// Counts the writes of the cluster from 1: who looks again and again knows what is new.
    pub number: u64,
    /// create, update, patch, apply, delete or deletecollection.
    pub verb: String,
    /// The path, without the query.
    pub path: String,
    /// The User-Agent header.
    pub user_agent: String,
    /// The field manager, given or derived from the user agent.
    pub manager: String,
    /// The HTTP status code of the answer.
    pub code: u16,
}

/// How many requests a cluster has answered, by verb.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Requests {
    /// get, list, watch, create, update, patch, apply, delete, deletecollection; discovery and health count as get.
    pub by_verb: BTreeMap<String, u64>,
}

impl Requests {
    /// All gets, lists and watches.
    pub fn reads(&self) -> u64 {
        self.sum(is_read)
    }

    /// All requests that could change something.
    pub fn writes(&self) -> u64 {
        self.sum(|verb| !is_read(verb))
    }

    fn sum(&self, counts: impl Fn(&str) -> bool) -> u64 {
        self.by_verb.iter().filter(|(verb, _)| counts(verb)).map(|(_, n)| n).sum()
    }
}

pub(crate) fn is_read(verb: &str) -> bool {
    matches!(verb, "get" | "list" | "watch")
}

/// The counters and the ring of one cluster.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    requests: Mutex<Requests>,
    writes: Mutex<VecDeque<WriteRecord>>,
}

impl Ledger {
    pub(crate) fn note(&self, ask: &crate::ask::Ask, code: u16) {
        let verb = ask.verb();
        *self.requests.lock().by_verb.entry(verb.to_owned()).or_default() += 1;
        if is_read(verb) {
            return;
        }
        let mut writes = self.writes.lock();
        let record = WriteRecord {
            number: writes.back().map_or(1, |last| last.number + 1),
            verb: verb.into(),
            path: ask.path.clone(),
            user_agent: ask.user_agent.clone(),
            manager: ask.manager(),
            code,
        };
        if writes.len() == REMEMBERED {
            writes.pop_front();
        }
        writes.push_back(record);
    }

    pub(crate) fn requests(&self) -> Requests {
        self.requests.lock().clone()
    }

    pub(crate) fn writes(&self) -> Vec<WriteRecord> {
        self.writes.lock().iter().cloned().collect()
    }
}
