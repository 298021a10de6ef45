//! Embedded clusters for themselves, in a process of their own, and beside a real kube-apiserver: start, memory, lists, writes,
//! watches.

use std::{fs, path::Path, process::Stdio, time::Duration};

use anyhow::{Context, Result, ensure};
use futures::{StreamExt, TryStreamExt, stream};
use http::{Method, Request};
use http_body_util::BodyExt as _;
use kube::{
    Client, Config,
    client::Body,
    config::{KubeConfigOptions, Kubeconfig},
};
use motet_devcluster::{Cluster, Options};
use motet_scenarios::{binary, real::RealCluster};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    process::{Child, Command},
    time::Instant,
};

use crate::{process::Process, table::Table};

const CLUSTERS: usize = 250;
const PODS: usize = 4000;
const PODS_PATH: &str = "/api/v1/namespaces/default/pods";
const MAPS_PATH: &str = "/api/v1/namespaces/default/configmaps";
/// Writers at once.
const WRITERS: usize = 32;
/// Single requests whose times are told.
const SAMPLES: usize = 500;
const IDLE_WATCHES: usize = 5000;

pub(crate) async fn run(table: &mut Table) -> Result<()> {
    starts(table).await?;
    beside_a_real_one(table).await?;
    many(table).await
}

async fn client(kubeconfig: &str) -> Result<Client> {
    let config =
        Config::from_custom_kubeconfig(Kubeconfig::from_yaml(kubeconfig)?, &KubeConfigOptions::default()).await?;
    Ok(Client::try_from(config)?)
}

fn pod(number: usize) -> Value {
    json!({ "metadata": { "name": format!("pod-{number}"), "labels": { "app": "shop", "tier": "edge" } }, "spec": {
        "nodeName": format!("node-{}", number % 600), "containers": [{ "name": "main", "image": "registry.example/shop:1.2.3",
            "ports": [{ "containerPort": 8080 }], "env": [{ "name": "REGION", "value": "north" }],
            "resources": { "requests": { "cpu": "100m", "memory": "128Mi" } } }] } })
}

async fn send(client: &Client, method: Method, path: &str, body: &Value) -> Result<usize> {
    let body = if body.is_null() { Vec::new() } else { body.to_string().into_bytes() };
    let request = Request::builder()
        .method(method)
        .uri(path)
        .header("content-type", "application/json")
        .body(Body::from(body))?;
    let answer = client.send(request).await?;
    let code = answer.status();
    let bytes = answer.into_body().collect().await?.to_bytes();
    ensure!(code.is_success(), "{path}: {code} {}", String::from_utf8_lossy(&bytes));
    Ok(bytes.len())
}

async fn starts(table: &mut Table) -> Result<()> {
    let mut times = Vec::new();
    let mut clusters = Vec::new();
    for number in 0..CLUSTERS {
        let begun = Instant::now();
        clusters.push(Cluster::start(Options { name: format!("c-{number}"), ..Options::default() }).await?);
        times.push(begun.elapsed());
    }
    table.samples("embedded cluster: start, HTTPS", times, "goal ≤ 5 ms");
    Ok(())
}

/// The same requests to one embedded and one real cluster, both over TLS.
async fn beside_a_real_one(table: &mut Table) -> Result<()> {
    let begun = Instant::now();
    let real = RealCluster::start("bench").await?;
    table.row("real kube-apiserver and etcd: start until ready", format!("{:.1} s", begun.elapsed().as_secs_f64()), "");
    let embedded = Cluster::start(Options::default()).await?;
    for (name, kubeconfig) in [("real", real.kubeconfig("admin")), ("embedded", embedded.kubeconfig())] {
        let client = client(&kubeconfig).await?;
        let mut times = Vec::new();
        for number in 0..SAMPLES {
            let begun = Instant::now();
            send(
                &client,
                Method::POST,
                MAPS_PATH,
                &json!({ "metadata": { "name": format!("m-{number}") }, "data": { "k": "v" } }),
            )
            .await?;
            times.push(begun.elapsed());
        }
        table.samples(&format!("{name}: a write, one at a time"), times, "create of a ConfigMap, TLS");
        table.samples(&format!("{name}: write until a watch tells"), told(&client).await?, "");
        create_pods(&client, PODS).await?;
        let mut times = Vec::new();
        let mut bytes = 0;
        for _ in 0..10 {
            let begun = Instant::now();
            bytes = send(&client, Method::GET, PODS_PATH, &Value::Null).await?;
            times.push(begun.elapsed());
        }
        let goal = if name == "real" { "" } else { "; goal ≤ 100 ms" };
        table.samples(&format!("{name}: list {PODS} pods"), times, &format!("{:.1} MB{goal}", bytes as f64 / 1e6));
    }
    let resident: f64 = real.processes().into_iter().map(|id| Process(id).resident()).sum::<Result<f64>>()?;
    table.row("real: RSS with these objects", format!("{resident:.0} MiB"), "kube-apiserver and etcd");
    Ok(())
}

/// From sending a write to reading its event.
async fn told(client: &Client) -> Result<Vec<Duration>> {
    let request = Request::get(format!("{MAPS_PATH}?watch=1&resourceVersion=0&fieldSelector=metadata.name%3Dwatched"))
        .body(Body::empty())?;
    let answer = client.send(request).await?;
    let reader = answer.into_body().into_data_stream().map_err(std::io::Error::other);
    let mut lines = BufReader::new(tokio_util::io::StreamReader::new(reader)).lines();
    let mut times = Vec::new();
    for number in 0..SAMPLES {
        let begun = Instant::now();
        let map = json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": "watched" }, "data": { "n": number.to_string() } });
        let write = async {
            match number {
                0 => send(client, Method::POST, MAPS_PATH, &map).await,
                _ => send(client, Method::PUT, &format!("{MAPS_PATH}/watched"), &map).await,
            }
        };
        let (written, line) = tokio::join!(write, lines.next_line());
        written?;
        ensure!(line?.is_some(), "the watch ended");
        times.push(begun.elapsed());
    }
    Ok(times)
}

async fn create_pods(client: &Client, count: usize) -> Result<()> {
    let writes =
        stream::iter(0..count).map(|number| async move { send(client, Method::POST, PODS_PATH, &pod(number)).await });
    writes.buffer_unordered(WRITERS).try_for_each(|_| async { Ok(()) }).await
}

/// Clusters in a process of their own.
struct Others {
    child: Child,
    clients: Vec<Client>,
    _folder: tempfile::TempDir,
}

impl Others {
    async fn start() -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let program = binary("motet-devcluster");
        let mut child = Command::new(&program)
            .args(["--http", "--count", &CLUSTERS.to_string(), "--kubeconfig-dir"])
            .arg(folder.path())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .with_context(|| format!("{} cannot be started; `make bench` builds it", program.display()))?;
        let mut lines = BufReader::new(child.stdout.take().context("no output")?).lines();
        let mut clients = Vec::new();
        while clients.len() < CLUSTERS {
            let line = lines.next_line().await?.context("motet-devcluster ended")?;
            let file = line.split(' ').nth(2).context("a line without a file")?;
            clients.push(client(&fs::read_to_string(Path::new(file))?).await?);
        }
        Ok(Self { child, clients, _folder: folder })
    }

    fn resident(&self) -> Result<f64> {
        Process(self.child.id().context("motet-devcluster ended")?).resident()
    }
}

async fn many(table: &mut Table) -> Result<()> {
    let others = Others::start().await?;
    let empty = others.resident()?;
    let note = format!("{:.2} MiB a cluster", empty / CLUSTERS as f64);
    table.row(&format!("{CLUSTERS} empty embedded clusters in one process: RSS"), format!("{empty:.0} MiB"), note);
    let begun = Instant::now();
    stream::iter(&others.clients)
        .map(|client| create_pods(client, PODS))
        .buffer_unordered(4)
        .try_for_each(|()| async { Ok(()) })
        .await?;
    let rate = (CLUSTERS * PODS) as f64 / begun.elapsed().as_secs_f64();
    table.row(
        "writes over all clusters",
        format!("{rate:.0} /s"),
        "pods created over HTTP by this process on the same cores; goal 5,000/s",
    );
    let full = others.resident()?;
    let each = (full - empty) * 1024.0 * 1024.0 / (CLUSTERS * PODS) as f64;
    table.row(
        &format!("{CLUSTERS} clusters × {PODS} pods: RSS"),
        format!("{full:.0} MiB"),
        format!("{each:.0} bytes a pod, managedFields and all; goal ≤ 3 GiB"),
    );
    idle_watches(table, &others, full).await
}

async fn idle_watches(table: &mut Table, others: &Others, before: f64) -> Result<()> {
    let path = format!("{MAPS_PATH}?watch=1&resourceVersion=0&timeoutSeconds=600");
    let open = (0..IDLE_WATCHES).map(|number| {
        let (client, path) = (&others.clients[number % CLUSTERS], path.clone());
        async move { Ok::<_, anyhow::Error>(client.send(Request::get(path).body(Body::empty())?).await?) }
    });
    let watches: Vec<_> = stream::iter(open).buffer_unordered(WRITERS).try_collect().await?;
    let id = others.child.id().context("motet-devcluster ended")?;
    tokio::time::sleep(Duration::from_secs(2)).await;
    let busy = Process(id).busy()?;
    tokio::time::sleep(Duration::from_secs(10)).await;
    let share = (Process(id).busy()? - busy).as_secs_f64() * 10.0;
    let each = (others.resident()? - before) * 1024.0 / watches.len() as f64;
    table.row(
        &format!("{IDLE_WATCHES} idle watches"),
        format!("{each:.1} KiB each"),
        format!("{share:.1} % of a core while nothing happens"),
    );
    Ok(())
}
