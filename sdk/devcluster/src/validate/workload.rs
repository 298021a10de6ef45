//! Kinds that make pods: Deployments and their like, Jobs, CronJobs, and pods themselves.

use serde_json::{Value, json};

use super::{Report, list, pod, text};
use crate::resources::Resource;

pub(super) fn check(resource: &Resource, object: &Value, new: bool, report: &mut Report) {
    let spec = &object["spec"];
    match resource.plural.as_str() {
        "pods" => pod::pod(object, new, report),
        "podtemplates" => pod::template(&object["template"], "template", report),
        "deployments" => deployment(spec, report),
        "replicasets" => replica_set(spec, report),
        "statefulsets" => stateful_set(spec, report),
        "daemonsets" => daemon_set(spec, report),
        "replicationcontrollers" => controller(spec, report),
        "controllerrevisions" => {
            if object["data"].is_null() {
                report.required("data", "data is mandatory");
            }
            report.whole("revision", &object["revision"]);
        }
        "jobs" => job(spec, "spec", report),
        "cronjobs" => cron_job(spec, report),
        _ => {}
    }
}

/// Whether labels match a selector.
fn matches(selector: &Value, labels: &Value) -> bool {
    let of = |key: &str| labels.get(key).and_then(Value::as_str);
    let by_labels = selector["matchLabels"].as_object().into_iter().flatten().all(|(k, v)| of(k) == v.as_str());
    by_labels
        && list(&selector["matchExpressions"]).iter().all(|e| {
            let found = of(text(&e["key"]));
            let within = found.is_some_and(|f| list(&e["values"]).iter().any(|v| v == f));
            match text(&e["operator"]) {
                "In" => within,
                "NotIn" => !within,
                "Exists" => found.is_some(),
                _ => found.is_none(),
            }
        })
}

/// Checks a selector and that the template's labels match it; false where the selector cannot be used.
fn selected(spec: &Value, kind: &str, report: &mut Report) -> bool {
    let selector = &spec["selector"];
    if selector.is_null() {
        report.required("spec.selector", "");
        mismatch(spec, report);
        return true;
    }
    let before = report.0.len();
    report.selector("spec.selector", selector);
    if report.0.len() > before {
        report.invalid("spec.selector", selector, "invalid label selector");
        return false;
    }
    let empty = selector["matchLabels"].as_object().is_none_or(serde_json::Map::is_empty)
        && list(&selector["matchExpressions"]).is_empty();
    if empty {
        report.invalid("spec.selector", selector, &format!("empty selector is invalid for {kind}"));
    } else if !matches(selector, &spec["template"]["metadata"]["labels"]) {
        mismatch(spec, report);
    }
    true
}

fn mismatch(spec: &Value, report: &mut Report) {
    let labels = &spec["template"]["metadata"]["labels"];
    report.invalid("spec.template.metadata.labels", labels, "`selector` does not match template `labels`");
}

/// A template whose pods are started again for ever.
fn lasting(spec: &Value, kind: &str, report: &mut Report) {
    pod::template(&spec["template"], "spec.template", report);
    let pod = &spec["template"]["spec"];
    if text(&pod["restartPolicy"]) != "Always" {
        report.unsupported("spec.template.spec.restartPolicy", &pod["restartPolicy"].to_string(), &["Always"]);
    }
    if !pod["activeDeadlineSeconds"].is_null() {
        let why = format!("activeDeadlineSeconds in {kind} is not Supported");
        report.forbidden("spec.template.spec.activeDeadlineSeconds", &why);
    }
}

fn deployment(spec: &Value, report: &mut Report) {
    report.whole("spec.replicas", &spec["replicas"]);
    if selected(spec, "deployment", report) {
        lasting(spec, "ReplicaSet", report);
    }
    let (strategy, rolling) = (&spec["strategy"], &spec["strategy"]["rollingUpdate"]);
    match text(&strategy["type"]) {
        "Recreate" if !rolling.is_null() => {
            report.forbidden("spec.strategy.rollingUpdate", "may not be specified when strategy `type` is 'Recreate'");
        }
        "RollingUpdate" => rolling_update(rolling, report),
        "Recreate" => {}
        other => {
            let shown = format!("{{\"Type\":\"{other}\",\"RollingUpdate\":{rolling}}}");
            report.unsupported("spec.strategy", &shown, &["Recreate", "RollingUpdate"]);
        }
    }
    report.whole("spec.minReadySeconds", &spec["minReadySeconds"]);
    report.whole("spec.revisionHistoryLimit", &spec["revisionHistoryLimit"]);
    report.whole("spec.progressDeadlineSeconds", &spec["progressDeadlineSeconds"]);
    if let Some(seconds) = spec["progressDeadlineSeconds"].as_i64()
        && seconds <= spec["minReadySeconds"].as_i64().unwrap_or(0)
    {
        report.invalid("spec.progressDeadlineSeconds", &json!(seconds), "must be greater than minReadySeconds");
    }
}

fn is_nothing(value: &Value) -> bool {
    value.as_i64() == Some(0) || value == "0%"
}

fn rolling_update(rolling: &Value, report: &mut Report) {
    let field = "spec.strategy.rollingUpdate.maxUnavailable";
    report.amount(field, &rolling["maxUnavailable"]);
    report.amount("spec.strategy.rollingUpdate.maxSurge", &rolling["maxSurge"]);
    if is_nothing(&rolling["maxUnavailable"]) && is_nothing(&rolling["maxSurge"]) {
        report.invalid(field, &rolling["maxUnavailable"], "may not be 0 when `maxSurge` is 0");
    }
    report.at_most_all(field, &rolling["maxUnavailable"]);
}

fn replica_set(spec: &Value, report: &mut Report) {
    report.whole("spec.replicas", &spec["replicas"]);
    report.whole("spec.minReadySeconds", &spec["minReadySeconds"]);
    if selected(spec, "deployment", report) {
        lasting(spec, "ReplicaSet", report);
    }
}

fn stateful_set(spec: &Value, report: &mut Report) {
    let policy = text(&spec["podManagementPolicy"]);
    if !matches!(policy, "OrderedReady" | "Parallel") {
        report.invalid("spec.podManagementPolicy", &json!(policy), "must be 'OrderedReady' or 'Parallel'");
    }
    let (strategy, rolling) = (&spec["updateStrategy"], &spec["updateStrategy"]["rollingUpdate"]);
    let shown = format!("{{\"Partition\":{},\"MaxUnavailable\":{}}}", rolling["partition"], rolling["maxUnavailable"]);
    match text(&strategy["type"]) {
        "OnDelete" if !rolling.is_null() => {
            report.invalid_as(
                "spec.updateStrategy.rollingUpdate",
                &shown,
                "only allowed for updateStrategy 'RollingUpdate'",
            );
        }
        "RollingUpdate" => report.whole("spec.updateStrategy.rollingUpdate.partition", &rolling["partition"]),
        "OnDelete" => {}
        other => {
            let rolling = if rolling.is_null() { "null".into() } else { shown };
            let shown = format!("{{\"Type\":\"{other}\",\"RollingUpdate\":{rolling}}}");
            report.invalid_as("spec.updateStrategy", &shown, "must be 'RollingUpdate' or 'OnDelete'");
        }
    }
    for when in ["whenDeleted", "whenScaled"] {
        let value = &spec["persistentVolumeClaimRetentionPolicy"][when];
        report.one_of(&format!("spec.persistentVolumeClaimRetentionPolicy.{when}"), value, &["Retain", "Delete"]);
    }
    report.whole("spec.replicas", &spec["replicas"]);
    report.whole("spec.minReadySeconds", &spec["minReadySeconds"]);
    report.whole("spec.ordinals.start", &spec["ordinals"]["start"]);
    if selected(spec, "statefulset", report) {
        lasting(spec, "StatefulSet", report);
    }
}

fn daemon_set(spec: &Value, report: &mut Report) {
    report.selector("spec.selector", &spec["selector"]);
    let selector = &spec["selector"];
    if !selector.is_null() && !matches(selector, &spec["template"]["metadata"]["labels"]) || selector.is_null() {
        mismatch(spec, report);
    }
    if selector.as_object().is_some_and(serde_json::Map::is_empty) {
        report.invalid("spec.selector", selector, "empty selector is invalid for daemonset");
    }
    lasting(spec, "DaemonSet", report);
    report.whole("spec.minReadySeconds", &spec["minReadySeconds"]);
    let (strategy, rolling) = (&spec["updateStrategy"], &spec["updateStrategy"]["rollingUpdate"]);
    let field = "spec.updateStrategy.rollingUpdate";
    match text(&strategy["type"]) {
        "RollingUpdate" => {
            for limit in ["maxUnavailable", "maxSurge"] {
                report.amount(&format!("{field}.{limit}"), &rolling[limit]);
            }
            for limit in ["maxUnavailable", "maxSurge"] {
                report.at_most_all(&format!("{field}.{limit}"), &rolling[limit]);
            }
            let (down, up) = (is_nothing(&rolling["maxUnavailable"]), is_nothing(&rolling["maxSurge"]));
            if !down && !up {
                report.invalid(
                    &format!("{field}.maxSurge"),
                    &rolling["maxSurge"],
                    "may not be set when maxUnavailable is non-zero",
                );
            } else if down && up {
                report.required(&format!("{field}.maxUnavailable"), "cannot be 0 when maxSurge is 0");
            }
        }
        "OnDelete" => {}
        other => {
            let shown = format!("{{\"Type\":\"{other}\",\"RollingUpdate\":{rolling}}}");
            report.unsupported("spec.updateStrategy", &shown, &["RollingUpdate", "OnDelete"]);
        }
    }
    report.whole("spec.revisionHistoryLimit", &spec["revisionHistoryLimit"]);
}

fn controller(spec: &Value, report: &mut Report) {
    report.whole("spec.minReadySeconds", &spec["minReadySeconds"]);
    let selector = &spec["selector"];
    if selector.as_object().is_none_or(serde_json::Map::is_empty) {
        report.required("spec.selector", "");
    }
    report.whole("spec.replicas", &spec["replicas"]);
    if spec["template"].is_null() {
        report.required("spec.template", "");
        return;
    }
    if !matches(&json!({"matchLabels": selector}), &spec["template"]["metadata"]["labels"]) {
        mismatch(spec, report);
    }
    lasting(spec, "ReplicationController", report);
}

fn job(spec: &Value, path: &str, report: &mut Report) {
    for name in ["parallelism", "completions", "activeDeadlineSeconds", "backoffLimit", "ttlSecondsAfterFinished"] {
        report.whole(&format!("{path}.{name}"), &spec[name]);
    }
    report.one_of(&format!("{path}.completionMode"), &spec["completionMode"], &["NonIndexed", "Indexed"]);
    report.one_of(
        &format!("{path}.podReplacementPolicy"),
        &spec["podReplacementPolicy"],
        &["Failed", "TerminatingOrFailed"],
    );
    pod::template(&spec["template"], &format!("{path}.template"), report);
    if !matches!(text(&spec["template"]["spec"]["restartPolicy"]), "OnFailure" | "Never") {
        let why = "valid values: \"OnFailure\", \"Never\"";
        report.required(&format!("{path}.template.spec.restartPolicy"), why);
    }
}

fn cron_job(spec: &Value, report: &mut Report) {
    if text(&spec["schedule"]).is_empty() {
        report.required("spec.schedule", "");
    } else {
        schedule(&spec["schedule"], report);
    }
    report.whole("spec.startingDeadlineSeconds", &spec["startingDeadlineSeconds"]);
    if spec["timeZone"] == "" {
        report.invalid("spec.timeZone", &json!(""), "timeZone must be nil or non-empty string");
    }
    report.some_of("spec.concurrencyPolicy", &spec["concurrencyPolicy"], "", &["Allow", "Forbid", "Replace"]);
    let manual = &spec["jobTemplate"]["spec"]["manualSelector"];
    if *manual == true {
        report.unsupported("spec.jobTemplate.spec.manualSelector", "true", &["nil", "false"]);
    }
    job(&spec["jobTemplate"]["spec"], "spec.jobTemplate.spec", report);
    report.whole("spec.successfulJobsHistoryLimit", &spec["successfulJobsHistoryLimit"]);
    report.whole("spec.failedJobsHistoryLimit", &spec["failedJobsHistoryLimit"]);
}

fn schedule(value: &Value, report: &mut Report) {
    let said = text(value);
    if said.starts_with('@') {
        return;
    }
    if said.contains("TZ=") {
        let why = "cannot use TZ or CRON_TZ in schedule, use timeZone field instead";
        report.invalid("spec.schedule", value, why);
        return;
    }
    let words: Vec<&str> = said.split_whitespace().collect();
    if words.len() != 5 {
        let why = format!("expected exactly 5 fields, found {}: [{}]", words.len(), words.join(" "));
        report.invalid("spec.schedule", value, &why);
        return;
    }
    for (word, most) in words.iter().zip([59u32, 23, 31, 12, 6]) {
        if let Ok(number) = word.parse::<u32>()
            && number > most
        {
            report.invalid(
                "spec.schedule",
                value,
                &format!("end of range ({number}) above maximum ({most}): {number}"),
            );
        }
    }
}
