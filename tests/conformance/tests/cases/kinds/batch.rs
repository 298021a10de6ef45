//! Jobs and CronJobs.

use anyhow::Result;
use motet_conformance::{Talk, cases};
use serde_json::{Value, json};

use crate::cases::tools::{change_each, create_each, lives, with};

cases! { "kinds":
    jobs, jobs_are_checked, what_stays_of_a_job, cron_jobs, cron_jobs_are_checked, a_status_of_a_job,
}

/// A job's labels and selector carry its UID.
fn aside(talk: &Talk) {
    let _ = talk;
}

fn job(name: &str) -> Value {
    json!({ "metadata": { "name": name }, "spec": { "template": { "spec": { "restartPolicy": "Never", "containers": [{ "name": "c", "image": "i" }] } } } })
}

async fn jobs(talk: &Talk) -> Result<()> {
    talk.namespace().await?;
    aside(talk);
    let all = with(
        &job("all"),
        &[
            ("/spec/parallelism", json!(2)),
            ("/spec/completions", json!(4)),
            ("/spec/backoffLimit", json!(1)),
            ("/spec/activeDeadlineSeconds", json!(60)),
            ("/spec/ttlSecondsAfterFinished", json!(5)),
            ("/spec/suspend", json!(true)),
            ("/spec/completionMode", json!("Indexed")),
            (
                "/spec/podFailurePolicy",
                json!({ "rules": [{ "action": "Ignore", "onPodConditions": [{ "type": "DisruptionTarget" }] }] }),
            ),
        ],
    );
    let manual = with(
        &job("manual"),
        &[
            ("/spec/manualSelector", json!(true)),
            ("/spec/selector", json!({ "matchLabels": { "a": "b" } })),
            ("/spec/template/metadata", json!({ "labels": { "a": "b" } })),
        ],
    );
    let queue = with(&job("queue"), &[("/spec/parallelism", json!(3))]);
    lives(talk, &talk.path("batch/v1", "jobs"), &[job("least"), all, manual, queue]).await
}

async fn jobs_are_checked(talk: &Talk) -> Result<()> {
    talk.namespace().await?;
    create_each(
        talk,
        &talk.path("batch/v1", "jobs"),
        &job("j"),
        &[
            ("/spec", Value::Null),
            ("/spec/template", Value::Null),
            ("/spec/template/spec/restartPolicy", Value::Null),
            ("/spec/template/spec/restartPolicy", json!("Always")),
            ("/spec/template/spec/containers", json!([])),
            ("/spec/parallelism", json!(-1)),
            ("/spec/completions", json!(-1)),
            ("/spec/backoffLimit", json!(-1)),
            ("/spec/activeDeadlineSeconds", json!(-1)),
            ("/spec/ttlSecondsAfterFinished", json!(-1)),
            ("/spec/completionMode", json!("Nonsense")),
            ("/spec/completionMode", json!("Indexed")),
            ("/spec/selector", json!({ "matchLabels": { "a": "b" } })),
            ("/spec/manualSelector", json!(true)),
            ("/spec/podReplacementPolicy", json!("Nonsense")),
            ("/spec/podFailurePolicy", json!({ "rules": [{ "action": "Nonsense" }] })),
            ("/spec/backoffLimitPerIndex", json!(1)),
            ("/spec/managedBy", json!("bad name")),
            ("/spec/parallelism", json!(0)),
            ("/spec/suspend", json!(true)),
        ],
    )
    .await
}

async fn what_stays_of_a_job(talk: &Talk) -> Result<()> {
    talk.namespace().await?;
    change_each(
        talk,
        &talk.path("batch/v1", "jobs"),
        &job("j"),
        &[
            ("/spec/template/spec/containers/0/image", json!("j")),
            ("/spec/completions", json!(3)),
            ("/spec/parallelism", json!(3)),
            ("/spec/selector", json!({ "matchLabels": { "a": "b" } })),
            ("/spec/suspend", json!(true)),
            ("/spec/backoffLimit", json!(2)),
            ("/spec/completionMode", json!("Indexed")),
            ("/spec/ttlSecondsAfterFinished", json!(2)),
            ("/spec/podFailurePolicy", json!({ "rules": [] })),
        ],
    )
    .await
}

fn cron(name: &str) -> Value {
    json!({ "metadata": { "name": name }, "spec": { "schedule": "*/5 * * * *", "jobTemplate": { "spec": job("x")["spec"] } } })
}

async fn cron_jobs(talk: &Talk) -> Result<()> {
    talk.namespace().await?;
    let all = with(
        &cron("all"),
        &[
            ("/spec/timeZone", json!("Europe/Berlin")),
            ("/spec/concurrencyPolicy", json!("Forbid")),
            ("/spec/suspend", json!(true)),
            ("/spec/successfulJobsHistoryLimit", json!(0)),
            ("/spec/failedJobsHistoryLimit", json!(0)),
            ("/spec/startingDeadlineSeconds", json!(60)),
            ("/spec/schedule", json!("@hourly")),
        ],
    );
    lives(talk, &talk.path("batch/v1", "cronjobs"), &[cron("least"), all]).await
}

async fn cron_jobs_are_checked(talk: &Talk) -> Result<()> {
    talk.namespace().await?;
    let path = talk.path("batch/v1", "cronjobs");
    create_each(
        talk,
        &path,
        &cron("j"),
        &[
            ("/spec/schedule", Value::Null),
            ("/spec/schedule", json!("nonsense")),
            ("/spec/schedule", json!("* * * *")),
            ("/spec/schedule", json!("61 * * * *")),
            ("/spec/concurrencyPolicy", json!("Nonsense")),
            ("/spec/timeZone", json!("Nowhere/Land")),
            ("/spec/timeZone", json!("")),
            ("/spec/schedule", json!("TZ=UTC * * * * *")),
            ("/spec/startingDeadlineSeconds", json!(-1)),
            ("/spec/successfulJobsHistoryLimit", json!(-1)),
            ("/spec/failedJobsHistoryLimit", json!(-1)),
            ("/spec/jobTemplate", Value::Null),
            ("/spec/jobTemplate/spec/template/spec/restartPolicy", json!("Always")),
            ("/spec/jobTemplate/spec/manualSelector", json!(true)),
            ("/spec", Value::Null),
        ],
    )
    .await?;
    change_each(
        talk,
        &path,
        &cron("j"),
        &[
            ("/spec/schedule", json!("nonsense")),
            ("/spec/schedule", json!("1 1 1 1 1")),
            ("/spec/jobTemplate/spec/template/spec/containers/0/image", json!("k")),
        ],
    )
    .await
}

async fn a_status_of_a_job(talk: &Talk) -> Result<()> {
    talk.namespace().await?;
    let jobs = talk.path("batch/v1", "jobs");
    let made = talk.post(&jobs, &job("j")).await?;
    let status = json!({ "active": 1, "ready": 0, "startTime": "2020-01-01T00:00:00Z", "uncountedTerminatedPods": {} });
    talk.put(&format!("{jobs}/j/status"), &with(&made.body, &[("/status", status)])).await?;
    talk.put(
        &format!("{jobs}/j/status?dryRun=All"),
        &with(&made.body, &[("/metadata/resourceVersion", Value::Null), ("/status", json!({ "active": -1 }))]),
    )
    .await?;
    Ok(())
}
