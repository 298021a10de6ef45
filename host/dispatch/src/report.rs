//! What became of each key's last outcome, for people: bounded, and without the values of Secrets.

use std::collections::{HashMap, VecDeque};

use motet_core::{MemberName, ObjectRef, Target};
use serde::Serialize;

/// Keys remembered per plugin.
const MAX_KEYS: usize = 1000;

/// What became of one intent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum IntentResult {
    /// Written.
    Sent,
    /// It was true already.
    Suppressed,
    /// No need or no grant covers it.
    Denied,
    /// Computed only.
    Observed,
    /// Refused by the host or the server.
    Failed,
}

/// One intent of a key's last outcome.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct IntentReport {
    /// The object.
    pub object: ObjectRef,
    /// `apply`, `status`, `patch`, `delete` or `event`.
    pub verb: &'static str,
    /// What became of it.
    pub result: IntentResult,
    /// HTTP code; 0 where nothing was sent.
    pub code: u16,
    /// For people.
    pub message: String,
    /// What it would change, in Observe mode: JSON pointers, each with before and after.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub diff: Vec<Difference>,
}

/// One differing path.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Difference {
    /// JSON pointer.
    pub path: String,
    /// What the cache shows; absent where there is nothing.
    pub before: Option<serde_json::Value>,
    /// What the plugin wants.
    pub after: Option<serde_json::Value>,
}

/// The last outcome of one key.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct KeyReport {
    /// The member.
    pub member: MemberName,
    /// The key's target.
    pub target: Target,
    /// When it was written.
    pub time: jiff::Timestamp,
    /// Its intents.
    pub intents: Vec<IntentReport>,
}

/// The last outcomes of one plugin's keys; the oldest key goes first.
#[derive(Debug, Default)]
pub(crate) struct Reports {
    keys: HashMap<(MemberName, Target), KeyReport>,
    order: VecDeque<(MemberName, Target)>,
}

impl Reports {
    pub(crate) fn put(&mut self, report: KeyReport) {
        let key = (report.member.clone(), report.target.clone());
        if self.keys.insert(key.clone(), report).is_none() {
            self.order.push_back(key);
            if self.order.len() > MAX_KEYS
                && let Some(oldest) = self.order.pop_front()
            {
                self.keys.remove(&oldest);
            }
        }
    }

    /// A key that wants nothing any more has nothing to report.
    pub(crate) fn forget(&mut self, member: &MemberName, target: &Target) {
        let key = (member.clone(), target.clone());
        if self.keys.remove(&key).is_some() {
            self.order.retain(|k| *k != key);
        }
    }

    pub(crate) fn forget_member(&mut self, member: &MemberName) {
        self.keys.retain(|(m, _), _| m != member);
        self.order.retain(|(m, _)| m != member);
    }

    pub(crate) fn select(&self, wanted: impl Fn(&KeyReport) -> bool) -> Vec<KeyReport> {
        self.keys.values().filter(|r| wanted(r)).cloned().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use motet_core::ObjectName;

    #[test]
    fn only_so_many_keys_are_remembered() {
        let mut reports = Reports::default();
        for i in 0..MAX_KEYS + 5 {
            reports.put(KeyReport {
                member: MemberName::new("a").unwrap(),
                target: Target::Object(ObjectName::cluster(&format!("k{i}"))),
                time: jiff::Timestamp::UNIX_EPOCH,
                intents: vec![],
            });
        }
        let left = reports.select(|_| true);
        assert_eq!(left.len(), MAX_KEYS);
        assert!(!left.iter().any(|r| r.target.to_string() == "k0"));
    }
}
