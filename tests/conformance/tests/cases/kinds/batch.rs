//! Jobs and CronJobs.

use anyhow::Result;
use motet_conformance::{Talk, cases};
use serde_json::{Value, json};

use crate::cases::tools::{change_each, create_each, lives, with};

cases! { "kinds":
jobs_are_checked, what_stays_of_a_job, cron_jobs, }

fn job(name: &str) -> Value {
    json!({ "metadata": { "name": name }, "spec": { "template": { "spec": { "restartPolicy": "Never", "containers": [{ "name": "c", "image": "i" }] } } } })
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
            ("/spec/podReplacementPolicy", json!("Nonsense")),
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
            ("/spec/parallelism", json!(3)),
            ("/spec/suspend", json!(true)),
            ("/spec/backoffLimit", json!(2)),
            ("/spec/ttlSecondsAfterFinished", json!(2)),
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
