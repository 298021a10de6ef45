//! Defaults of what makes pods: Deployments and their like, Jobs and CronJobs.

use serde_json::{Value, json};

use super::{default, each, filled, pod, within};
use crate::object;

/// Fills in a kind of apps or batch, or a ReplicationController.
pub(super) fn fill(plural: &str, object: &mut Value) {
    match plural {
        "deployments" => within(object, &["spec"], deployment),
        "replicasets" => within(object, &["spec"], |spec| default(spec, "replicas", 1)),
        "statefulsets" => within(object, &["spec"], stateful_set),
        "daemonsets" => {
            within(object, &["metadata"], |meta| default(meta, "annotations", json!({})));
            within(object, &["metadata", "annotations"], |annotations| {
                default(annotations, "deprecated.daemonset.template.generation", "1");
            });
            within(object, &["spec"], daemon_set);
        }
        "replicationcontrollers" => controller(object),
        "jobs" => {
            labels(object);
            within(object, &["spec"], job);
        }
        "cronjobs" => return within(object, &["spec"], cron_job),
        _ => {}
    }
    within(object, &["spec", "template", "spec"], pod::spec);
}

/// A DaemonSet counts the changes of its template in an annotation.
pub(super) fn template_generation(live: &Value, object: &mut Value) {
    let path = ["metadata", "annotations", "deprecated.daemonset.template.generation"];
    let count = live["metadata"]["annotations"][path[2]].as_str().and_then(|text| text.parse::<i64>().ok());
    let changed = live["spec"]["template"] != object["spec"]["template"];
    object::set_at(object, &path, (count.unwrap_or(1) + i64::from(changed)).to_string().into());
}

/// A Job without labels has those of its pods.
fn labels(object: &mut Value) {
    let labels = object["spec"]["template"]["metadata"]["labels"].clone();
    let none = object["metadata"]["labels"].as_object().is_none_or(serde_json::Map::is_empty);
    if labels.as_object().is_some_and(|labels| !labels.is_empty()) && none {
        within(object, &["metadata"], |meta| meta["labels"] = labels);
    }
}

/// The pods of a job bear its UID and name, and are found by its UID, unless the job says itself how to find them.
pub(crate) fn job_labels(job: &mut Value) {
    let (uid, name) = (object::meta(job, "uid").to_owned(), object::meta(job, "name").to_owned());
    let set = |job: &mut Value, path: &[&str], key: &str, value: &str| {
        let path = [path, &[key]].concat();
        let found = path.iter().try_fold(&*job, |value, field| value.get(*field));
        if found.is_none_or(Value::is_null) {
            object::set_at(job, &path, value.into());
        }
    };
    if job["spec"]["manualSelector"] != true {
        let labels = ["spec", "template", "metadata", "labels"];
        for (key, value) in [("controller-uid", &uid), ("job-name", &name)] {
            set(job, &labels, key, value);
            set(job, &labels, &format!("batch.kubernetes.io/{key}"), value);
        }
        set(job, &["spec", "selector", "matchLabels"], "batch.kubernetes.io/controller-uid", &uid);
    }
    labels(job);
}

/// Selector and labels follow from the template's labels.
fn controller(object: &mut Value) {
    let pods = object["spec"]["template"]["metadata"]["labels"].clone();
    if pods.is_object() {
        within(object, &["spec"], |spec| {
            if spec["selector"].as_object().is_none_or(serde_json::Map::is_empty) {
                spec["selector"] = pods.clone();
            }
        });
        labels(object);
    }
    within(object, &["spec"], |spec| default(spec, "replicas", 1));
}

fn deployment(spec: &mut Value) {
    default(spec, "replicas", 1);
    default(spec, "revisionHistoryLimit", 10);
    default(spec, "progressDeadlineSeconds", 600);
    within(spec, &["strategy"], |strategy| {
        filled(strategy, "type", "RollingUpdate");
        rolling(strategy, &[("maxSurge", json!("25%")), ("maxUnavailable", json!("25%"))]);
    });
}

fn daemon_set(spec: &mut Value) {
    default(spec, "revisionHistoryLimit", 10);
    within(spec, &["updateStrategy"], |strategy| {
        filled(strategy, "type", "RollingUpdate");
        rolling(strategy, &[("maxSurge", json!(0)), ("maxUnavailable", json!(1))]);
    });
}

fn rolling(strategy: &mut Value, limits: &[(&str, Value)]) {
    if strategy["type"] == "RollingUpdate" {
        default(strategy, "rollingUpdate", json!({}));
        within(strategy, &["rollingUpdate"], |rolling| {
            limits.iter().for_each(|(name, value)| default(rolling, name, value.clone()));
        });
    }
}

fn stateful_set(spec: &mut Value) {
    default(spec, "replicas", 1);
    default(spec, "revisionHistoryLimit", 10);
    filled(spec, "podManagementPolicy", "OrderedReady");
    within(spec, &["updateStrategy"], |strategy| {
        if strategy["type"].as_str().unwrap_or_default().is_empty() {
            strategy["type"] = "RollingUpdate".into();
            default(strategy, "rollingUpdate", json!({}));
        }
        if strategy["type"] == "RollingUpdate" {
            within(strategy, &["rollingUpdate"], |rolling| default(rolling, "partition", 0));
        }
    });
    default(spec, "persistentVolumeClaimRetentionPolicy", json!({}));
    within(spec, &["persistentVolumeClaimRetentionPolicy"], |policy| {
        filled(policy, "whenDeleted", "Retain");
        filled(policy, "whenScaled", "Retain");
    });
    each(spec, "volumeClaimTemplates", |claim| {
        default(claim, "apiVersion", "v1");
        default(claim, "kind", "PersistentVolumeClaim");
        within(claim, &["spec"], |spec| default(spec, "volumeMode", "Filesystem"));
        default(claim, "status", json!({}));
        within(claim, &["status"], |status| filled(status, "phase", "Pending"));
    });
}

fn job(spec: &mut Value) {
    if spec["completions"].is_null() && spec["parallelism"].is_null() {
        default(spec, "completions", 1);
    }
    default(spec, "parallelism", 1);
    let tries = if spec["backoffLimitPerIndex"].is_null() { 6 } else { i32::MAX };
    default(spec, "backoffLimit", tries);
    default(spec, "completionMode", "NonIndexed");
    default(spec, "suspend", false);
    default(spec, "manualSelector", false);
    let replaced = if spec["podFailurePolicy"].is_null() { "TerminatingOrFailed" } else { "Failed" };
    default(spec, "podReplacementPolicy", replaced);
    failures(spec);
}

fn failures(spec: &mut Value) {
    within(spec, &["podFailurePolicy"], |policy| {
        each(policy, "rules", |rule| {
            each(rule, "onPodConditions", |pattern| filled(pattern, "status", "True"));
        });
    });
}

fn cron_job(spec: &mut Value) {
    filled(spec, "concurrencyPolicy", "Allow");
    default(spec, "suspend", false);
    default(spec, "successfulJobsHistoryLimit", 3);
    default(spec, "failedJobsHistoryLimit", 1);
    within(spec, &["jobTemplate", "spec"], failures);
    within(spec, &["jobTemplate", "spec", "template", "spec"], pod::spec);
}
