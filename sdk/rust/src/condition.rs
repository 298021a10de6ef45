//! Status conditions in the shape of `metav1.Condition`, whose times change only when their status does.

use std::time::{SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

/// One condition.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Condition {
    /// Which one, such as `Ready`.
    #[serde(rename = "type")]
    pub kind: String,
    /// `True`, `False` or `Unknown`.
    pub status: String,
    /// UpperCamelCase word.
    pub reason: String,
    /// For people.
    pub message: String,
    /// The generation that it is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// When `status` last changed, RFC 3339.
    pub last_transition_time: String,
}

/// The conditions that an object is to have, made from those it has.
///
/// A status that differs at every reconcile would be written at every reconcile: a condition whose `status` stays keeps its
/// time.
///
/// ```
/// # use motet_sdk::{Condition, Conditions};
/// let before: Vec<Condition> = vec![]; // read from the primary's own status
/// let mut conditions = Conditions::from(&before, Some(3));
/// conditions.set("Ready", Some(true), "AllReplicasReady", "2 of 2 replicas are ready");
/// assert_eq!(conditions.list()[0].status, "True");
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Conditions<'a> {
    before: &'a [Condition],
    generation: Option<i64>,
    list: Vec<Condition>,
}

impl<'a> Conditions<'a> {
    /// Starts from the conditions that the object has now; `generation` is what the new ones are about.
    pub fn from(before: &'a [Condition], generation: Option<i64>) -> Self {
        Self { before, generation, list: vec![] }
    }

    /// Sets one; `None` means that it is not known.
    pub fn set(&mut self, kind: &str, status: Option<bool>, reason: &str, message: impl Into<String>) {
        let status = match status {
            Some(true) => "True",
            Some(false) => "False",
            None => "Unknown",
        };
        let before = self.before.iter().find(|c| c.kind == kind && c.status == status);
        let kept = before.map(|c| c.last_transition_time.clone()).filter(|t| !t.is_empty());
        self.list.push(Condition {
            kind: kind.into(),
            status: status.into(),
            reason: reason.into(),
            message: message.into(),
            observed_generation: self.generation,
            last_transition_time: kept.unwrap_or_else(|| rfc3339(SystemTime::now())),
        });
    }

    /// Those that were set.
    pub fn list(&self) -> &[Condition] {
        &self.list
    }
}

/// A time as Kubernetes writes it: UTC, whole seconds. Times before 1970 are written as 1970.
pub fn rfc3339(time: SystemTime) -> String {
    let seconds = time.duration_since(UNIX_EPOCH).map_or(0, |d| d.as_secs());
    let (days, clock) = (seconds / 86_400, seconds % 86_400);
    // Civil date from days, counted in 400-year eras that start on 1 March of a year divisible by 400.
    let shifted = days + 719_468;
    let (era, day) = (shifted / 146_097, shifted % 146_097);
    let year_of_era = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
    let day_of_year = day - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day_of_month = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    let year = era * 400 + year_of_era + u64::from(month <= 2);
    let (hour, minute, second) = (clock / 3_600, clock / 60 % 60, clock % 60);
    format!("{year:04}-{month:02}-{day_of_month:02}T{hour:02}:{minute:02}:{second:02}Z")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn a_status_that_stays_keeps_its_time() {
        let before = [Condition {
            kind: "Ready".into(),
            status: "True".into(),
            last_transition_time: "2020-01-01T00:00:00Z".into(),
            ..Condition::default()
        }];
        let time = |status| {
            let mut conditions = Conditions::from(&before, Some(2));
            conditions.set("Ready", status, "Because", "of this");
            conditions.list()[0].last_transition_time.clone()
        };
        assert_eq!(time(Some(true)), "2020-01-01T00:00:00Z");
        assert!(time(Some(false)).as_str() > "2026" && time(None).as_str() > "2026");
    }

    #[test]
    fn times_are_civil_dates() {
        for (seconds, text) in [
            (0, "1970-01-01T00:00:00Z"),
            (951_782_400, "2000-02-29T00:00:00Z"),
            (1_709_251_199, "2024-02-29T23:59:59Z"),
            (1_735_689_599, "2024-12-31T23:59:59Z"),
            (4_107_542_400, "2100-03-01T00:00:00Z"),
        ] {
            assert_eq!(rfc3339(UNIX_EPOCH + Duration::from_secs(seconds)), text);
        }
    }
}
