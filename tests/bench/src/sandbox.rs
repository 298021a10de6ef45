//! Fresh sandboxes: a reconcile that does nothing, one that parses a 4 KB object, and the same parsing natively.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::{Context, Result};
use bytes::Bytes;
use motet_core::{
    MemberName, ObjectName, PluginName, Target,
    ports::{HostCall, HostCalls, HostReply, Limits, Sandbox},
    request::{MemberInfo, Request},
};
use motet_runtime::{ArtifactDir, Runtime, Settings};

use crate::table::Table;

const RUNS: usize = 20_000;

pub(crate) async fn run(table: &mut Table) -> Result<()> {
    let folder = std::env::var("MOTET_GUESTS")
        .context("run it with `make bench`, which builds the guests and sets MOTET_GUESTS")?;
    let runtime = Runtime::new(&Settings::default(), ArtifactDir::none()).map_err(|e| anyhow::anyhow!("{e:#}"))?;
    let wasm = std::fs::read(format!("{folder}/behaviour.wasm"))?;
    let size = wasm.len() / 1024;
    let started = Instant::now();
    let compiled = runtime.compile(wasm.into(), Limits::default().stack).await?;
    table.row(
        &format!("compile a {size} KB component, cold"),
        format!("{:.0} ms", started.elapsed().as_secs_f64() * 1e3),
        "",
    );
    let sandbox = compiled.sandbox(&PluginName::new("bench")?);

    let nothing = request(br#"{"what":"nothing"}"#, None)?;
    table.samples("fresh sandbox, reconcile that does nothing", serial(&sandbox, &nothing).await, "one at a time");
    for threads in [1, 2] {
        let rate = throughput(&sandbox, &nothing, threads).await?;
        table.row(&format!("the same, {threads} at once"), format!("{:.0} k/s", rate / 1e3), "");
    }
    let object = object();
    let parse = request(br#"{"what":"parse"}"#, Some(object.clone()))?;
    let inside = serial(&sandbox, &parse).await;
    table.samples("parse, change and return a 4 KB object, in a fresh sandbox", inside, "serde_json::Value");
    let native: Vec<Duration> = (0..RUNS)
        .map(|_| {
            let start = Instant::now();
            let mut value: serde_json::Value = serde_json::from_slice(&object).unwrap_or_default();
            value["metadata"]["labels"]["seen"] = "true".into();
            std::hint::black_box(value.to_string());
            start.elapsed()
        })
        .collect();
    table.samples("the same, native", native, "");
    Ok(())
}

/// An object of about 4 KB, shaped like a ConfigMap with many keys.
fn object() -> Bytes {
    let data: serde_json::Map<String, serde_json::Value> = (0..60)
        .map(|i| (format!("key-number-{i}"), format!("some value of a usual length, number {i}").into()))
        .collect();
    let value = serde_json::json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": "x", "labels": {} }, "data": data });
    value.to_string().into_bytes().into()
}

fn request(config: &'static [u8], primary: Option<Bytes>) -> Result<Request> {
    Ok(Request {
        member: Arc::new(MemberInfo { name: MemberName::new("edge-1")?, uid: "u".into(), labels: vec![] }),
        target: Target::Object(ObjectName::namespaced("default", "x")),
        primary,
        deleting: false,
        attempt: 0,
        deadline: Duration::from_secs(5),
        config: Bytes::from_static(config),
        previous: Arc::default(),
    })
}

fn calls() -> HostCalls {
    Arc::new(|call| {
        Box::pin(async move {
            match call {
                HostCall::Get(objects) => HostReply::Objects(objects.iter().map(|_| Ok(None)).collect()),
                HostCall::List { .. } => HostReply::Page(Ok(Default::default())),
            }
        })
    })
}

async fn serial(sandbox: &Arc<dyn Sandbox>, request: &Request) -> Vec<Duration> {
    let (limits, calls) = (Limits::default(), calls());
    let mut samples = Vec::with_capacity(RUNS);
    for _ in 0..RUNS {
        let start = Instant::now();
        let done = sandbox.reconcile(request.clone(), &limits, calls.clone()).await;
        samples.push(start.elapsed());
        if let Err(error) = done {
            eprintln!("a benchmarked reconcile failed: {error}");
            break;
        }
    }
    samples
}

async fn throughput(sandbox: &Arc<dyn Sandbox>, request: &Request, threads: usize) -> Result<f64> {
    let start = Instant::now();
    let tasks = (0..threads).map(|_| {
        let (sandbox, request) = (sandbox.clone(), request.clone());
        tokio::spawn(async move { serial(&sandbox, &request).await.len() })
    });
    let mut done = 0;
    for task in tasks.collect::<Vec<_>>() {
        done += task.await?;
    }
    Ok(done as f64 / start.elapsed().as_secs_f64())
}
