//! The host under test: the release `motet-host` as its own process, with the times that it ships with.

use std::{
    fs,
    path::Path,
    process::{Child, Command},
    time::Duration,
};

use anyhow::{Context, Result, bail};
use motet_scenarios::{binary, ports};
use serde_json::Value;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::{Instant, sleep},
};

use crate::process::Process;

/// Longest wait for the host to do what it should.
const PATIENCE: Duration = Duration::from_secs(120);

/// A running host; it is killed when dropped.
pub(crate) struct Host {
    child: Child,
    port: u16,
}

impl Drop for Host {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Host {
    /// Starts it on the hub's kubeconfig and the plugins in `folder`. Words in `MOTET_BENCH_HOST_ARGS` are further arguments.
    pub(crate) fn start(folder: &Path, arguments: &[&str]) -> Result<Self> {
        let port = *ports::free(1)?.first().context("no free port")?;
        let log = fs::File::create(folder.join("host.log"))?;
        let program = binary("motet-host");
        let more = std::env::var("MOTET_BENCH_HOST_ARGS").unwrap_or_default();
        let child = Command::new(&program)
            .args(["--listen", &format!("127.0.0.1:{port}"), "--log-format", "json", "--log-level", "warn"])
            .arg("--hub")
            .arg(folder.join("hub.yaml"))
            .arg("--plugins")
            .arg(folder.join("plugins"))
            .arg("--data-dir")
            .arg(folder.join("data"))
            .env("XDG_CONFIG_HOME", folder.join("config"))
            .args(arguments)
            .args(more.split_whitespace())
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()
            .with_context(|| format!("{} cannot be started; run `make bench`, which builds it", program.display()))?;
        Ok(Self { child, port })
    }

    /// Asks it to stop, and waits until it has: its Lease is given back, so that the next one need not wait for it.
    pub(crate) async fn stop(mut self) -> Result<()> {
        Command::new("kill").args(["-TERM", &self.child.id().to_string()]).status()?;
        let stop = Instant::now() + PATIENCE;
        while self.child.try_wait()?.is_none() {
            if Instant::now() > stop {
                bail!("the host did not stop within {PATIENCE:?} of SIGTERM");
            }
            sleep(Duration::from_millis(20)).await;
        }
        Ok(())
    }

    /// Its process.
    pub(crate) fn process(&self) -> Process {
        Process(self.child.id())
    }

    /// The body of a GET.
    pub(crate) async fn get(&self, path: &str) -> Result<String> {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).await?;
        let request = format!("GET {path} HTTP/1.1\r\nhost: motet\r\nconnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await?;
        let (_, body) = answer.split_once("\r\n\r\n").context("no answer")?;
        Ok(body.to_string())
    }

    /// Waits until a plugin is active on `members` members.
    pub(crate) async fn active(&self, plugin: &str, members: usize) -> Result<()> {
        self.until(&format!("{plugin} to be active on {members} members"), async || {
            let body: Value = serde_json::from_str(&self.get(&format!("/api/v1/plugins/{plugin}")).await?)?;
            let counts = &body["items"][0]["members"];
            Ok((counts["active"] == members).then_some(()).ok_or(body.to_string()))
        })
        .await
    }

    /// Waits until `members` members are in a state.
    pub(crate) async fn ready(&self, members: usize) -> Result<()> {
        self.until(&format!("{members} members to be Ready"), async || {
            let body: Value = serde_json::from_str(&self.get("/api/v1/members").await?)?;
            let all = body["items"].as_array().map(Vec::as_slice).unwrap_or_default();
            let ready = all.iter().filter(|m| m["state"] == "Ready").count();
            Ok((ready == members).then_some(()).ok_or(format!("{ready} are")))
        })
        .await
    }

    /// Waits until it knows of so many members, whatever their state.
    pub(crate) async fn known(&self, members: usize) -> Result<()> {
        self.until(&format!("{members} members to be known"), async || {
            let body: Value = serde_json::from_str(&self.get("/api/v1/members").await?)?;
            let known = body["items"].as_array().map_or(0, Vec::len);
            Ok((known == members).then_some(()).ok_or(format!("{known} are")))
        })
        .await
    }

    async fn until(&self, what: &str, look: impl AsyncFn() -> Result<Result<(), String>>) -> Result<()> {
        let stop = Instant::now() + PATIENCE;
        loop {
            let seen = look().await.unwrap_or_else(|e| Err(e.to_string()));
            let Err(seen) = seen else { return Ok(()) };
            if Instant::now() > stop {
                bail!("waited {PATIENCE:?} for {what}; last seen: {seen}");
            }
            sleep(Duration::from_millis(200)).await;
        }
    }

    /// A sum of `/metrics` over all series of a name, whatever their labels; zero where there are none.
    pub(crate) async fn metric(&self, name: &str) -> Result<f64> {
        let text = self.get("/metrics").await?;
        let of_series = |line: &str| {
            let rest = line.strip_prefix(name)?;
            rest.starts_with(['{', ' ']).then(|| rest.rsplit(' ').next()?.parse::<f64>().ok()).flatten()
        };
        Ok(text.lines().filter_map(of_series).fold(0.0, |sum, value| sum + value))
    }
}
