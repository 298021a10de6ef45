//! Jobs: what they may say, what of it may change, and what their status may become.

use serde_json::{Value, json};

use super::{Place, Report, list, pod, text, workload};
use crate::names;

const JOB_LABELS: [(&str, bool); 4] = [
    ("controller-uid", true),
    ("job-name", false),
    ("batch.kubernetes.io/controller-uid", true),
    ("batch.kubernetes.io/job-name", false),
];
const MANY: i64 = 100_000;
const HIGH: i64 = 10_000;

/// Checks a Job.
pub(super) fn check(object: &Value, report: &mut Report) {
    let root = Place::new(object, "");
    generated(object, report);
    specification(&root.of("spec"), report);
    let (spec, name) = (&object["spec"], text(&object["metadata"]["name"]));
    let completions = spec["completions"].as_i64().unwrap_or(0);
    if spec["completionMode"] == "Indexed" && completions > 0 {
        let last = format!("{name}-{}", completions - 1);
        if !names::label(&last).is_empty() {
            let why = format!("will not able to create pod with invalid DNS label: {last}");
            report.invalid("metadata.name", &json!(name), &why);
        }
    }
}

/// Labels and selector that the server makes have to be those that it makes.
fn generated(object: &Value, report: &mut Report) {
    let spec = &object["spec"];
    if spec["manualSelector"] == true || spec["selector"].is_null() {
        return;
    }
    let of = |uid: bool| text(&object["metadata"][if uid { "uid" } else { "name" }]);
    let labels = &spec["template"]["metadata"]["labels"];
    for (key, uid) in JOB_LABELS {
        let field = format!("spec.template.metadata.labels[{key}]");
        let why = format!("must be '{}'", of(uid));
        match labels[key].as_str() {
            None => report.required(&field, &why),
            Some(found) if found != of(uid) => report.invalid(&field, labels, &why),
            Some(_) => {}
        }
    }
    let expected: serde_json::Map<String, Value> =
        JOB_LABELS.iter().map(|(key, uid)| ((*key).to_owned(), of(*uid).into())).collect();
    if !workload::matches(&spec["selector"], &Value::Object(expected)) {
        let selector = Place::new(&spec["selector"], "spec.selector");
        report.wrong_struct(&selector, "v1.LabelSelector", "`selector` not auto-generated");
    }
}

/// A Job's specification with its selector.
fn specification(spec: &Place<'_>, report: &mut Report) {
    template(spec, report);
    let selector = spec.of("selector");
    let before = report.0.len();
    if selector.value.is_null() {
        report.required(&selector.path, "");
    } else {
        report.selector_at(&selector);
    }
    let usable = selector.value.is_null() || report.0.len() == before;
    let labels = &spec.value["template"]["metadata"]["labels"];
    if usable && (selector.value.is_null() || !workload::matches(selector.value, labels)) {
        report.invalid(&spec.at("template.metadata.labels"), labels, "`selector` does not match template `labels`");
    }
}

/// What holds for Jobs and for the Jobs that a CronJob makes.
pub(super) fn template(spec: &Place<'_>, report: &mut Report) {
    report.wholes(
        spec,
        &[
            "parallelism",
            "completions",
            "activeDeadlineSeconds",
            "backoffLimit",
            "ttlSecondsAfterFinished",
            "backoffLimitPerIndex",
            "maxFailedIndexes",
        ],
    );
    if spec.has("maxFailedIndexes") && !spec.has("backoffLimitPerIndex") {
        report.required(&spec.at("backoffLimitPerIndex"), "when maxFailedIndexes is specified");
    }
    if spec.has("managedBy") {
        domain_path(&spec.of("managedBy"), report);
        if spec.text("managedBy").len() > 63 {
            report.too_long(&spec.at("managedBy"), 63);
        }
    }
    report.word(&spec.of("completionMode"), &["NonIndexed", "Indexed"]);
    match spec.text("completionMode") {
        "Indexed" => indexed(spec, report),
        "" | "NonIndexed" => {
            for field in ["backoffLimitPerIndex", "maxFailedIndexes"].iter().filter(|f| spec.has(f)) {
                report.wrong(&spec.of(field), "requires indexed completion mode");
            }
        }
        _ => {}
    }
    if spec.has("podFailurePolicy") {
        failure(spec, report);
    }
    if spec.has("successPolicy") {
        success(spec, report);
    }
    let known: &[&str] = if spec.has("podFailurePolicy") { &["Failed"] } else { &["Failed", "TerminatingOrFailed"] };
    report.word(&spec.of("podReplacementPolicy"), known);
    pod::template(&spec.value["template"], &spec.at("template"), report);
    let policy = spec.of("template").of("spec").of("restartPolicy");
    match text(policy.value) {
        "" | "Always" => report.required(&policy.path, "valid values: \"OnFailure\", \"Never\""),
        "Never" => {}
        "OnFailure" if spec.has("podFailurePolicy") => {
            report.wrong(&policy, "only \"Never\" is supported when podFailurePolicy is specified");
        }
        _ => report.word(&policy, &["OnFailure", "Never"]),
    }
}

/// `example.com/what`.
pub(super) fn domain_path(place: &Place<'_>, report: &mut Report) {
    let said = text(place.value);
    if said.is_empty() {
        return report.required(&place.path, "");
    }
    let (host, path) = said.split_once('/').unwrap_or_default();
    if host.is_empty() || path.is_empty() {
        return report.wrong(place, "must be a domain-prefixed path (such as \"acme.io/foo\")");
    }
    report.form(&place.path, &json!(host), names::subdomain);
    if !path.chars().all(|c| c.is_ascii_alphanumeric() || "/-._~%!$&'()*+,;=:".contains(c)) {
        let why = "Invalid path (regex used for validation is '[A-Za-z0-9/\\-._~%!$&'()*+,;=:]+')";
        report.invalid(&place.path, &json!(path), why);
    }
}

fn indexed(spec: &Place<'_>, report: &mut Report) {
    let (all, side) = (spec.number("completions"), spec.of("parallelism"));
    let (failed, beside) = (spec.of("maxFailedIndexes"), spec.number("parallelism").unwrap_or(0));
    let most = failed.value.as_i64().unwrap_or(0);
    if all.is_none() {
        report.required(&spec.at("completions"), "when completion mode is Indexed");
    }
    if beside > MANY {
        report.wrong(&side, &format!("must be less than or equal to {MANY} when completion mode is Indexed"));
    }
    if all.is_some_and(|all| most > all) {
        report.wrong(&failed, "must be less than or equal to completions");
    }
    if most > MANY {
        report.wrong(&failed, &format!("must be less than or equal to {MANY}"));
    }
    if all.is_none_or(|all| all <= MANY) || !spec.has("backoffLimitPerIndex") {
        return;
    }
    let why = format!(
        "must be less than or equal to {HIGH} when completions are above {MANY} and used with backoff limit per index"
    );
    if failed.value.is_null() {
        report.required(&failed.path, &format!("must be specified when completions is above {MANY}"));
    }
    if beside > HIGH {
        report.wrong(&side, &why);
    }
    if most > HIGH {
        report.wrong(&failed, &why);
    }
}

fn failure(spec: &Place<'_>, report: &mut Report) {
    let rules = spec.of("podFailurePolicy").of("rules");
    let count = list(rules.value).len();
    if count > 20 {
        report.too_many(&rules.path, count, 20);
    }
    let pods = &spec.value["template"]["spec"];
    let containers = list(&pods["containers"]).iter().chain(list(&pods["initContainers"]));
    let containers: Vec<&str> = containers.map(|c| text(&c["name"])).collect();
    for rule in rules.each() {
        let action = rule.of("action");
        if text(action.value) == "FailIndex" && !spec.has("backoffLimitPerIndex") {
            report.wrong(&action, "requires the backoffLimitPerIndex to be set");
        }
        let why = "valid values: [\"Count\" \"FailIndex\" \"FailJob\" \"Ignore\"]";
        report.some_of(&action.path, action.value, why, &["Count", "FailIndex", "FailJob", "Ignore"]);
        let codes = rule.has("onExitCodes");
        if codes {
            exit_codes(&rule.of("onExitCodes"), &containers, report);
        }
        let conditions = rule.of("onPodConditions");
        let count = list(conditions.value).len();
        if count > 20 {
            report.too_many(&conditions.path, count, 20);
        }
        for pattern in conditions.each() {
            report.form(&pattern.at("type"), &pattern.value["type"], names::label_key);
            let why = "valid values: [\"False\" \"True\" \"Unknown\"]";
            report.some_of(&pattern.at("status"), &pattern.value["status"], why, &["False", "True", "Unknown"]);
        }
        let why = match (codes, count) {
            (true, 1..) => "specifying both OnExitCodes and OnPodConditions is not supported",
            (false, 0) => "specifying one of OnExitCodes and OnPodConditions is required",
            _ => continue,
        };
        report.push("FieldValueInvalid", &rule.path, format!("Invalid value: {why}"));
    }
}

fn exit_codes(codes: &Place<'_>, containers: &[&str], report: &mut Report) {
    let operator = codes.of("operator");
    report.some_of(&operator.path, operator.value, "valid values: [\"In\" \"NotIn\"]", &["In", "NotIn"]);
    if codes.has("containerName") && !containers.contains(&codes.text("containerName")) {
        let why = "must be one of the container or initContainer names in the pod template";
        report.wrong(&codes.of("containerName"), why);
    }
    let values = codes.of("values");
    let all = list(values.value);
    if all.is_empty() {
        report.wrong(&values, "at least one value is required");
    } else if all.len() > 255 {
        report.too_many(&values.path, all.len(), 255);
    }
    for (i, value) in values.each().enumerate() {
        if text(operator.value) == "In" && *value.value == 0 {
            report.wrong(&value, "must not be 0 for the In operator");
        }
        if all[..i].contains(value.value) {
            report.duplicate(&value.path, &value.value.to_string());
        }
    }
    if !all.is_sorted_by_key(|value| value.as_i64()) {
        report.wrong(&values, "must be ordered");
    }
}

fn success(spec: &Place<'_>, report: &mut Report) {
    let policy = spec.of("successPolicy");
    if spec.text("completionMode") != "Indexed" {
        return report.wrong_struct(&policy, "batch.SuccessPolicy", "requires indexed completion mode");
    }
    let (rules, all) = (policy.of("rules"), spec.number("completions").unwrap_or(0));
    match list(rules.value).len() {
        0 => report.required(&rules.path, "at least one rules must be specified when the successPolicy is specified"),
        count if count > 20 => report.too_many(&rules.path, count, 20),
        _ => {}
    }
    for rule in rules.each() {
        let (count, indexes) = (rule.of("succeededCount"), rule.of("succeededIndexes"));
        if count.value.is_null() && indexes.value.is_null() {
            report.required(&rule.path, "at least one of succeededCount or succeededIndexes must be specified");
        }
        let listed = indexes_of(text(indexes.value), all);
        if let Err(why) = &listed {
            report.wrong(&indexes, &format!("error parsing succeededIndexes: {why}"));
        }
        let Some(wanted) = count.value.as_i64() else { continue };
        report.whole(&count.path, count.value);
        if wanted > all {
            let why = format!("must be less than or equal to {all} (the number of specified completions)");
            report.wrong(&count, &why);
        }
        let listed = listed.unwrap_or(0);
        if !indexes.value.is_null() && wanted > listed {
            let what = "the number of indexes in the specified succeededIndexes field";
            report.wrong(&count, &format!("must be less than or equal to {listed} ({what})"));
        }
    }
}

/// How many indexes are listed, as in `1,3-5`.
fn indexes_of(said: &str, all: i64) -> Result<i64, String> {
    let (mut last, mut count) = (None, 0);
    let index = |text: &str| match text.parse::<i64>() {
        Err(_) => Err(format!("cannot convert string to integer for index: {text:?}")),
        Ok(index) if index >= all => Err(format!("too large index: {text:?}")),
        Ok(index) => Ok(index),
    };
    for part in said.split(',').filter(|_| !said.is_empty()) {
        let ends: Vec<&str> = part.split('-').collect();
        let (from, to) = match ends.as_slice() {
            [one] => (index(one)?, index(one)?),
            [from, to] => (index(from)?, index(to)?),
            _ => {
                let what =
                    "violates the requirement that an index interval can have at most two parts separated by '-'";
                return Err(format!("the fragment {part:?} {what}"));
            }
        };
        if ends.len() == 2 && from >= to {
            return Err(format!("non-increasing order, previous: {from}, current: {to}"));
        }
        if let Some(last) = last.filter(|last| *last >= from) {
            return Err(format!("non-increasing order, previous: {last}, current: {from}"));
        }
        count += to - from + 1;
        last = Some(to);
    }
    Ok(count)
}

/// What may not change in a Job.
pub(super) fn change(live: &Value, object: &Value, report: &mut Report) {
    let (old, spec) = (&live["spec"], Place::new(&object["spec"], "spec"));
    specification(&spec, report);
    let (before, now) = (&old["completions"], spec.of("completions"));
    if spec.text("completionMode") != "Indexed" {
        if before != now.value {
            report.wrong(&now, "field is immutable");
        }
    } else if before != now.value && !now.value.is_null() && *now.value != spec.value["parallelism"] {
        report.wrong(&now, "can only be modified in tandem with spec.parallelism");
    }
    let fixed = |field: &str, ty: &str, report: &mut Report| {
        if old[field] != spec.value[field] {
            report.wrong_struct(&spec.of(field), ty, "field is immutable");
        }
    };
    fixed("selector", "*v1.LabelSelector", report);
    pods(live, &spec, report);
    for (field, ty) in [
        ("completionMode", "*s"),
        ("podFailurePolicy", "*batch.PodFailurePolicy"),
        ("backoffLimitPerIndex", "*i"),
        ("managedBy", "*s"),
        ("successPolicy", "*batch.SuccessPolicy"),
    ] {
        fixed(field, ty, report);
    }
}

fn is_condition(object: &Value, kind: &str) -> bool {
    list(&object["status"]["conditions"]).iter().any(|c| c["type"] == kind && c["status"] == "True")
}

/// The pods of a Job are what they are, but where they run and what they get while it is suspended.
fn pods(live: &Value, spec: &Place<'_>, report: &mut Report) {
    let template = spec.of("template");
    let mut old = live["spec"]["template"].clone();
    let status = &live["status"];
    let suspended = live["spec"]["suspend"] == true;
    let idle = status["startTime"].is_null() || is_condition(live, "Suspended");
    let mutable = suspended && idle && status["active"].as_i64().unwrap_or(0) == 0;
    if !mutable {
        if old != *template.value {
            report.wrong_struct(&template, "core.PodTemplateSpec", "field is immutable");
        }
        return;
    }
    let keep = |old: &mut Value, new: &Value, field: &str| {
        if let Some(map) = old.as_object_mut() {
            map.remove(field);
            map.extend(new.get(field).map(|value| (field.to_owned(), value.clone())));
        }
    };
    for field in ["nodeSelector", "tolerations", "schedulingGates"] {
        keep(&mut old["spec"], &template.value["spec"], field);
    }
    let mut affinity = old["spec"]["affinity"].clone();
    if affinity.is_null() {
        affinity = json!({});
    }
    keep(&mut affinity, &template.value["spec"]["affinity"], "nodeAffinity");
    if let Some(spec) = old["spec"].as_object_mut() {
        spec.remove("affinity");
        if affinity != json!({}) || !template.value["spec"]["affinity"].is_null() {
            spec.insert("affinity".into(), affinity);
        }
    }
    for list in ["containers", "initContainers"] {
        let new = template.value["spec"][list].as_array().cloned().unwrap_or_default();
        let Some(containers) =
            old["spec"].get_mut(list).and_then(Value::as_array_mut).filter(|old| old.len() == new.len())
        else {
            continue;
        };
        for (old, new) in containers.iter_mut().zip(&new).filter(|(old, new)| old["name"] == new["name"]) {
            keep(old, new, "resources");
        }
    }
    if old["spec"] != template.value["spec"] {
        let spec = Place { value: &template.value["spec"], path: "spec.template.spec".into() };
        report.wrong_struct(&spec, "core.PodSpec", "field is immutable");
    }
}
