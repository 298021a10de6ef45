//! A client of one member that creates ConfigMaps, changes them, and sees the plugin's copies arrive.

use std::{collections::VecDeque, sync::Arc};

use anyhow::{Context, Result, ensure};
use futures::TryStreamExt as _;
use http::{Method, Request};
use http_body_util::BodyExt as _;
use kube::{
    Client, Config,
    client::Body,
    config::{KubeConfigOptions, Kubeconfig},
};
use motet_devcluster::Cluster;
use parking_lot::Mutex;
use serde::Deserialize;
use tokio::{io::AsyncBufReadExt as _, sync::mpsc, task::JoinHandle, time::Instant};
use tokio_util::io::StreamReader;

const PATH: &str = "/api/v1/namespaces/default/configmaps";

/// A change and when its copy was seen.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Arrival {
    /// When the change was due, whether or not the machine had time for it.
    pub(crate) due: Instant,
    /// When the server's answer to it was read; none where the copy was seen before.
    pub(crate) accepted: Option<Instant>,
    /// When the watch brought the copy that has it, or a later one of the same object.
    pub(crate) seen: Instant,
}

/// A change that is on its way.
struct Change {
    number: u64,
    due: Instant,
    accepted: Option<Instant>,
}

/// See the module.
pub(crate) struct Member {
    client: Client,
    /// For each object, what has not arrived yet.
    objects: Vec<Mutex<VecDeque<Change>>>,
}

#[derive(Deserialize)]
struct Event {
    object: Copied,
}

#[derive(Deserialize)]
struct Copied {
    metadata: Name,
    #[serde(default)]
    data: Data,
}

#[derive(Deserialize)]
struct Name {
    #[serde(default)]
    name: String,
}

#[derive(Deserialize, Default)]
struct Data {
    #[serde(default)]
    number: String,
}

impl Member {
    /// Creates `objects` ConfigMaps and starts to watch their copies; arrivals of later changes go to `arrivals`.
    pub(crate) async fn start(
        cluster: &Cluster,
        objects: usize,
        arrivals: mpsc::UnboundedSender<Arrival>,
    ) -> Result<(Arc<Self>, JoinHandle<()>)> {
        let kubeconfig = Kubeconfig::from_yaml(&cluster.kubeconfig())?;
        let mut config = Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await?;
        config.read_timeout = None;
        let client = Client::try_from(config)?;
        let member = Arc::new(Self { client, objects: (0..objects).map(|_| Mutex::default()).collect() });
        let watching = tokio::spawn(member.clone().watch(arrivals));
        for i in 0..objects {
            let body = serde_json::json!({
                "apiVersion": "v1", "kind": "ConfigMap",
                "metadata": { "name": format!("c{i}"), "labels": { "bench.motet.dev/source": "true" } },
                "data": { "number": "0", "text": "what a small configuration would say, in a line or two of plain text" },
            });
            member.send(Method::POST, PATH, "application/json", body.to_string()).await?;
        }
        Ok((member, watching))
    }

    async fn send(&self, method: Method, path: &str, content_type: &str, body: String) -> Result<()> {
        let request = Request::builder().method(method).uri(path).header("content-type", content_type);
        let answer = self.client.send(request.body(Body::from(body.into_bytes()))?).await?;
        let status = answer.status();
        answer.into_body().collect().await?;
        ensure!(status.is_success(), "{path}: {status}");
        Ok(())
    }

    /// Changes one object; returns when the server has accepted it.
    pub(crate) async fn change(&self, object: usize, number: u64, due: Instant) -> Result<()> {
        let slot = self.objects.get(object).context("no such object")?;
        slot.lock().push_back(Change { number, due, accepted: None });
        let body = format!(r#"{{"data":{{"number":"{number}"}}}}"#);
        let path = format!("{PATH}/c{object}");
        self.send(Method::PATCH, &path, "application/merge-patch+json", body).await?;
        let now = Instant::now();
        if let Some(change) = slot.lock().iter_mut().find(|c| c.number == number) {
            change.accepted = Some(now);
        }
        Ok(())
    }

    /// Changes whose copy has not been seen.
    pub(crate) fn pending(&self) -> usize {
        self.objects.iter().map(|o| o.lock().len()).sum()
    }

    /// Forgets what is on its way.
    pub(crate) fn forget(&self) {
        self.objects.iter().for_each(|o| o.lock().clear());
    }

    /// Watches the copies for as long as the cluster lives; a watch that ends is opened anew.
    async fn watch(self: Arc<Self>, arrivals: mpsc::UnboundedSender<Arrival>) {
        while !arrivals.is_closed() {
            if let Err(error) = self.watch_once(&arrivals).await {
                eprintln!("watching a member's copies broke off and starts again: {error:#}");
                tokio::time::sleep(std::time::Duration::from_millis(100)).await;
            }
        }
    }

    async fn watch_once(&self, arrivals: &mpsc::UnboundedSender<Arrival>) -> Result<()> {
        let path = format!("{PATH}?watch=true&timeoutSeconds=3600&labelSelector=motet.dev/managed%3Dtrue");
        let answer = self.client.send(Request::get(path).body(Body::empty())?).await?;
        let stream = answer.into_body().into_data_stream().map_err(std::io::Error::other);
        let mut lines = StreamReader::new(stream).lines();
        while let Some(line) = lines.next_line().await? {
            let seen = Instant::now();
            let Ok(event) = serde_json::from_str::<Event>(&line) else { continue };
            let copied = event.object;
            let index = copied.metadata.name.strip_prefix('c').and_then(|n| n.strip_suffix("-copy")?.parse().ok());
            let (Some(index), Ok(number)) = (index, copied.data.number.parse::<u64>()) else { continue };
            self.arrived(index, number, seen, arrivals);
        }
        Ok(())
    }

    fn arrived(&self, object: usize, number: u64, seen: Instant, arrivals: &mpsc::UnboundedSender<Arrival>) {
        let Some(slot) = self.objects.get(object) else { return };
        let mut changes = slot.lock();
        while let Some(change) = changes.pop_front_if(|c| c.number <= number) {
            let _ = arrivals.send(Arrival { due: change.due, accepted: change.accepted, seen });
        }
    }
}
