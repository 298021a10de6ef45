//! What the status of a Job may become.

use serde_json::{Value, json};

use super::{Place, Report, list};

fn is(object: &Value, kind: &str) -> bool {
    list(&object["status"]["conditions"]).iter().any(|c| c["type"] == kind && c["status"] == "True")
}

fn omitted(report: &mut Report, field: &str, why: &str) {
    report.push("FieldValueInvalid", field, format!("Invalid value: {why}"));
}

fn has_finished(object: &Value) -> bool {
    is(object, "Complete") || is(object, "Failed")
}

/// Every fault of a change of a Job's status.
pub(super) fn check(live: &Value, object: &Value, report: &mut Report) {
    let status = Place::new(&object["status"], "status");
    let (old, spec) = (&live["status"], &object["spec"]);
    let changed = |field: &str| old[field] != status.value[field];
    report.wholes(&status, &["active", "succeeded", "failed", "ready", "terminating"]);
    conditions(live, object, report);
    times(live, object, report);
    let count = |field: &str| status.number(field).unwrap_or(0);
    let finished = has_finished(object);
    let newly = has_finished(live) != finished;
    if (newly || changed("active")) && count("active") > 0 && finished {
        report.wrong(&status.of("active"), "active>0 is invalid for finished job");
    }
    let nothing = spec["suspend"] == true && spec["completions"] == 0;
    if (newly || changed("startTime")) && !nothing && finished && !status.has("startTime") {
        report.required(&status.at("startTime"), "startTime is required for finished job");
    }
    if changed("completedIndexes") && !status.text("completedIndexes").is_empty() && spec["completionMode"] != "Indexed"
    {
        let why = "cannot set non-empty completedIndexes when non-indexed completion mode";
        report.wrong(&status.of("completedIndexes"), why);
    }
    if changed("failedIndexes") && status.has("failedIndexes") && spec["backoffLimitPerIndex"].is_null() {
        let why = "cannot set non-null failedIndexes when backoffLimitPerIndex is null";
        report.wrong(&status.of("failedIndexes"), why);
    }
    if (newly || changed("terminating")) && count("terminating") > 0 && finished {
        report.wrong(&status.of("terminating"), "terminating>0 is invalid for finished job");
    }
    if status.has("ready") && (changed("ready") || changed("active")) && count("ready") > count("active") {
        report.wrong(&status.of("ready"), "cannot set more ready pods than active");
    }
    met(object, report);
    after(live, object, report);
}

/// Conditions that exclude one another.
fn conditions(live: &Value, object: &Value, report: &mut Report) {
    let changed = |kind: &str| is(live, kind) != is(object, kind);
    let field = "status.conditions";
    let complete = is(object, "Complete");
    if (changed("Complete") || changed("Failed")) && complete && is(object, "Failed") {
        omitted(report, field, "cannot set Complete=True and Failed=true conditions");
    }
    if (changed("Complete") || changed("FailureTarget")) && complete && is(object, "FailureTarget") {
        omitted(report, field, "cannot set Complete=True and FailureTarget=true conditions");
    }
}

fn times(live: &Value, object: &Value, report: &mut Report) {
    let status = Place::new(&object["status"], "status");
    let (old, done) = (&live["status"], status.of("completionTime"));
    let complete = is(object, "Complete");
    let completed = is(live, "Complete") != complete;
    let moved = old["completionTime"] != *done.value;
    if (completed || moved) && !done.value.is_null() && !complete {
        report.wrong(&done, "cannot set completionTime when there is no Complete=True condition");
    }
    if (completed || moved) && done.value.is_null() && complete {
        report.required(&done.path, "completionTime is required for Complete jobs");
    }
    let read = |value: &Value| value.as_str().and_then(|text| text.parse::<jiff::Timestamp>().ok());
    let (start, end) = (read(&status.value["startTime"]), read(done.value));
    if (moved || old["startTime"] != status.value["startTime"]) && start.zip(end).is_some_and(|(a, b)| b < a) {
        report.wrong(&done, "must be equal to or after `startTime`");
    }
    let field = "status.conditions";
    let failed = is(live, "Failed") != is(object, "Failed");
    let indexes = old["failedIndexes"] != status.value["failedIndexes"];
    if (failed || indexes) && is(object, "Failed") && !is(object, "FailureTarget") {
        omitted(report, field, "cannot set Failed=True condition without the FailureTarget=true condition");
    }
    let met = is(live, "SuccessCriteriaMet") != is(object, "SuccessCriteriaMet");
    if (completed || met) && complete && !is(object, "SuccessCriteriaMet") {
        omitted(report, field, "cannot set Complete=True condition without the SuccessCriteriaMet=true condition");
    }
}

fn met(object: &Value, report: &mut Report) {
    let field = "status.conditions";
    if is(object, "SuccessCriteriaMet") {
        if is(object, "Failed") {
            omitted(report, field, "cannot set SuccessCriteriaMet=True and Failed=true conditions");
        }
        if is(object, "FailureTarget") {
            omitted(report, field, "cannot set SuccessCriteriaMet=True and FailureTarget=true conditions");
        }
    } else if !object["spec"]["successPolicy"].is_null() && is(object, "Complete") {
        let why = "cannot set Complete=True for Job with SuccessPolicy unless SuccessCriteriaMet=True";
        omitted(report, field, why);
    }
}

/// What does not go back.
fn after(live: &Value, object: &Value, report: &mut Report) {
    let (old, status, spec) = (&live["status"], Place::new(&object["status"], "status"), &object["spec"]);
    for kind in ["Failed", "Complete", "FailureTarget"].iter().filter(|kind| is(live, kind) && !is(object, kind)) {
        omitted(report, "status.conditions", &format!("cannot disable the terminal {kind}=True condition"));
    }
    let elastic = spec["completionMode"] == "Indexed" && spec["completions"] == spec["parallelism"];
    for field in ["failed", "succeeded"].iter().filter(|field| **field == "failed" || !elastic) {
        let now = status.number(field).unwrap_or(0);
        if now < old[*field].as_i64().unwrap_or(0) {
            report.invalid(&status.at(field), &json!(now), &format!("cannot decrease the {field} counter"));
        }
    }
    let (done, start) = (status.of("completionTime"), status.of("startTime"));
    if !done.value.is_null() && !old["completionTime"].is_null() && old["completionTime"] != *done.value {
        report.wrong(&done, "field is immutable");
    }
    let resumes = is(live, "Suspended")
        && list(&status.value["conditions"]).iter().any(|c| c["type"] == "Suspended" && c["status"] == "False");
    if !resumes && !old["startTime"].is_null() && old["startTime"] != *start.value && spec["suspend"] != true {
        report.wrong(&start, "field is immutable for unsuspended job once set");
    }
    let met = |object: &Value| is(object, "SuccessCriteriaMet");
    if met(live) && !met(object) {
        omitted(report, "status.conditions", "cannot disable the SuccessCriteriaMet=True condition");
    }
    if is(live, "Complete") && !met(live) && met(object) {
        let why = "cannot set SuccessCriteriaMet=True for Job already has Complete=true conditions";
        omitted(report, "status.conditions", why);
    }
}
