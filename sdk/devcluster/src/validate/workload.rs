//! Kinds that make pods: Deployments and their like, Jobs, CronJobs, and pods themselves.

use serde_json::{Value, json};

use super::{Place, Report, cron, job, list, pod, storage, text};
use crate::names;
use crate::resources::Resource;

pub(super) fn check(resource: &Resource, object: &Value, new: bool, report: &mut Report) {
    let spec = &object["spec"];
    match resource.plural.as_str() {
        "pods" => pod::pod(object, new, report),
        "podtemplates" => pod::template(&object["template"], "template", report),
        "deployments" => deployment(spec, report),
        "replicasets" => replica_set(spec, report),
        "statefulsets" => stateful_set(spec, new, report),
        "daemonsets" => daemon_set(spec, report),
        "replicationcontrollers" => controller(spec, report),
        "controllerrevisions" => {
            report.whole("revision", &object["revision"]);
            if new && object["data"].is_null() {
                report.required("data", "data is mandatory");
            } else if new && !object["data"].is_object() {
                report.required("data", "data must be a valid JSON object");
            }
        }
        "jobs" => job::check(object, report),
        "cronjobs" => cron::check(&Place::new(spec, "spec"), report),
        _ => {}
    }
}

/// Whether labels match a selector.
pub(super) fn matches(selector: &Value, labels: &Value) -> bool {
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
    lasts(spec, kind, report);
}

fn lasts(spec: &Value, kind: &str, report: &mut Report) {
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

fn stateful_set(spec: &Value, new: bool, report: &mut Report) {
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
        "RollingUpdate" => {
            report.whole("spec.updateStrategy.rollingUpdate.partition", &rolling["partition"]);
            let most = &rolling["maxUnavailable"];
            if !most.is_null() {
                let field = "spec.updateStrategy.rollingUpdate.maxUnavailable";
                report.amount(field, most);
                if is_nothing(most) {
                    report.invalid(field, most, "cannot be 0");
                }
                report.at_most_all(field, most);
            }
        }
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
    let claims = Place::new(&spec["volumeClaimTemplates"], "spec.volumeClaimTemplates");
    if new {
        claims.each().for_each(|claim| storage::claim(&claim.of("spec"), report));
    }
    report.whole("spec.replicas", &spec["replicas"]);
    report.whole("spec.minReadySeconds", &spec["minReadySeconds"]);
    report.whole("spec.ordinals.start", &spec["ordinals"]["start"]);
    if new {
        report.may_form(&Place::new(&spec["serviceName"], "spec.serviceName"), names::label);
    }
    let selector = &spec["selector"];
    let before = report.0.len();
    if selector.is_null() {
        report.required("spec.selector", "");
    } else {
        report.selector("spec.selector", selector);
    }
    if !selector.is_null() && report.0.len() > before {
        report.invalid("spec.selector", selector, "");
    } else {
        let empty = is_everything(selector);
        if !selector.is_null() && empty {
            report.invalid("spec.selector", selector, "empty selector is invalid for statefulset");
        }
        if selector.is_null() || !empty && !matches(selector, &spec["template"]["metadata"]["labels"]) {
            mismatch(spec, report);
        }
        of_stateful_set(spec, report);
    }
    lasts(spec, "StatefulSet", report);
}

fn is_everything(selector: &Value) -> bool {
    selector["matchLabels"].as_object().is_none_or(serde_json::Map::is_empty)
        && list(&selector["matchExpressions"]).is_empty()
}

/// The template with what the set gives its pods: names of their own and a volume per template of a claim.
fn of_stateful_set(spec: &Value, report: &mut Report) {
    let mut template = spec["template"].clone();
    let claims = list(&spec["volumeClaimTemplates"]);
    if let Some(inner) = template["spec"].as_object_mut() {
        inner.remove("hostname");
        inner.remove("subdomain");
        let name = |of: &Value| text(&of["name"]).to_owned();
        let named: Vec<String> = claims.iter().map(|claim| name(&claim["metadata"])).collect();
        if !named.is_empty() {
            let claim = |name: &String| json!({"name": name, "persistentVolumeClaim": {"claimName": name}});
            let mut volumes: Vec<Value> = named.iter().map(claim).collect();
            let others = inner.get("volumes").map(list).unwrap_or_default();
            volumes.extend(others.iter().filter(|volume| !named.contains(&name(volume))).cloned());
            inner.insert("volumes".into(), volumes.into());
        }
    }
    pod::template(&template, "spec.template", report);
    let meta = &template["metadata"];
    report.0.extend(names::labels(&meta["labels"], "spec.template.labels"));
    report.0.extend(names::annotations(&meta["annotations"], "spec.template.annotations"));
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
