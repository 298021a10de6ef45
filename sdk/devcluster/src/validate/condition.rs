//! Conditions of the common form.

use serde_json::{Value, json};

use super::{Place, Report, list, text};
use crate::names;

const REASON: &str = "a condition reason must start with alphabetic character, optionally followed by a string of alphanumeric characters or \
     '_,:', and must end with an alphanumeric character or '_' (e.g. 'my_name',  or 'MY_NAME',  or 'MyName',  or 'ReasonA,ReasonB',  or \
     'ReasonA:ReasonB', regex used for validation is '[A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?')";
const LONGEST_REASON: usize = 1024;
const LONGEST_MESSAGE: usize = 32 * 1024;

pub(super) fn check(conditions: &Place<'_>, report: &mut Report) {
    for (i, condition) in conditions.each().enumerate() {
        let kind = condition.text("type");
        if list(conditions.value)[..i].iter().any(|other| text(&other["type"]) == kind) {
            report.duplicate(&condition.at("type"), &json!(kind).to_string());
        }
        report.form(&condition.at("type"), &condition.value["type"], names::label_key);
        report.any_of(&condition.of("status"), &["False", "True", "Unknown"]);
        if condition.number("observedGeneration").is_some_and(|n| n < 0) {
            report.wrong(&condition.of("observedGeneration"), "must be greater than or equal to zero");
        }
        if condition.text("lastTransitionTime").is_empty() {
            report.required(&condition.at("lastTransitionTime"), "");
        }
        report.need_form(&condition.of("reason"), reason);
        for (field, most) in [("reason", LONGEST_REASON), ("message", LONGEST_MESSAGE)] {
            if condition.text(field).len() > most {
                report.too_long(&condition.at(field), most);
            }
        }
    }
}

fn reason(text: &str) -> Vec<String> {
    let first = text.starts_with(|c: char| c.is_ascii_alphabetic());
    let inner = text.chars().all(|c| c.is_ascii_alphanumeric() || "_,:".contains(c));
    let last = text.ends_with(|c: char| c.is_ascii_alphanumeric() || c == '_');
    if first && inner && last { Vec::new() } else { vec![REASON.into()] }
}

/// The status of a budget.
pub(super) fn budget(status: &Value, report: &mut Report) {
    let status = Place::new(status, "status");
    check(&status.of("conditions"), report);
    report.wholes(&status, &["disruptionsAllowed", "currentHealthy", "desiredHealthy", "expectedPods"]);
}
