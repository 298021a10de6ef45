//! The host as its own process, as an operator would run it.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Child, Command},
};

use anyhow::{Context, Result, bail};
use serde_json::Value;

use crate::{binary, plain, ports, wait};

/// A running `motet-host`.
pub struct HostProcess {
    child: Child,
    port: u16,
    log: PathBuf,
}

/// Times that let a test see in seconds what takes minutes in operation.
const QUICK: [&str; 12] = [
    "--probe-interval",
    "300ms",
    "--probe-timeout",
    "2s",
    "--unhealthy-after",
    "2",
    "--healthy-after",
    "1",
    "--reconnect-min",
    "200ms",
    "--reconnect-max",
    "1s",
];

impl HostProcess {
    /// Starts a host with `arguments` besides the quick times; its files are in `folder`.
    pub fn start(folder: &Path, arguments: &[&str]) -> Result<Self> {
        Self::spawn(Command::new(binary("motet-host")), folder, arguments)
    }

    /// The same, after a shell command that makes things worse for the host alone: a limit, or a file system mounted in a mount
    /// namespace of its own.
    pub fn start_in(command: &str, folder: &Path, arguments: &[&str]) -> Result<Self> {
        let script = format!("{command} && exec \"$0\" \"$@\"");
        let mut shell = Command::new("unshare");
        shell.args(["--user", "--map-root-user", "--mount", "sh", "-c", &script]).arg(binary("motet-host"));
        Self::spawn(shell, folder, arguments)
    }

    /// The same as [`Self::start`], with variables of its environment.
    pub fn start_with(variables: &[(&str, &str)], folder: &Path, arguments: &[&str]) -> Result<Self> {
        let mut command = Command::new(binary("motet-host"));
        command.envs(variables.iter().copied());
        Self::spawn(command, folder, arguments)
    }

    fn spawn(mut command: Command, folder: &Path, arguments: &[&str]) -> Result<Self> {
        let port = ports::free(1)?[0];
        let log = folder.join("host.log");
        let file = fs::File::options().create(true).append(true).open(&log)?;
        let child = command
            .args(QUICK)
            .args(["--listen", &format!("127.0.0.1:{port}"), "--log-format", "text", "--log-level", "info,motet=debug"])
            .arg("--data-dir")
            .arg(folder.join("data"))
            // The key of compiled plugins, where no hub keeps it.
            .env("XDG_CONFIG_HOME", folder.join("config"))
            .args(arguments)
            .stdout(file.try_clone()?)
            .stderr(file)
            .spawn()
            .with_context(|| format!("{command:?} cannot be started; run `make test`, which builds it"))?;
        Ok(Self { child, port, log })
    }

    /// The port of 127.0.0.1 where it listens.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Where it listens.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// Its log so far.
    pub fn log(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// GET; code and body.
    pub async fn get(&self, path: &str) -> Result<(u16, String)> {
        plain::get(&format!("127.0.0.1:{}", self.port), path).await
    }

    /// GET of the status API.
    pub async fn api(&self, path: &str) -> Result<Vec<Value>> {
        let (code, body) = self.get(path).await?;
        if code != 200 {
            bail!("{path}: {code} {body}");
        }
        let value: Value = serde_json::from_str(&body)?;
        Ok(value["items"].as_array().cloned().unwrap_or_default())
    }

    /// Waits until it is ready.
    pub async fn ready(&self) -> Result<()> {
        wait::until("the host to be ready", || async {
            match self.get("/readyz").await {
                Ok((200, _)) => Ok(()),
                other => Err(format!("{other:?}")),
            }
        })
        .await
        .with_context(|| self.tail())
    }

    /// Waits until a member is in a state.
    pub async fn member(&self, name: &str, state: &str) -> Result<Value> {
        wait::until(&format!("member {name} to be {state}"), || async {
            let found = self.api(&format!("/api/v1/members/{name}")).await.map_err(|e| e.to_string())?;
            found.into_iter().find(|m| m["state"] == state).ok_or("another state".to_string())
        })
        .await
        .with_context(|| self.tail())
    }

    /// Waits until a binding is in a state.
    pub async fn binding(&self, plugin: &str, member: &str, state: &str) -> Result<Value> {
        wait::until(&format!("{plugin} on {member} to be {state}"), || async {
            let found = self
                .api(&format!("/api/v1/bindings?plugin={plugin}&member={member}"))
                .await
                .map_err(|e| e.to_string())?;
            let seen = format!("{found:?}");
            found.into_iter().find(|b| b["state"] == state).ok_or(seen)
        })
        .await
        .with_context(|| self.tail())
    }

    /// The end of its log.
    pub fn tail(&self) -> String {
        let log = self.log();
        let lines: Vec<_> = log.lines().rev().take(25).collect();
        format!("the host's last lines, newest first:\n{}", lines.join("\n"))
    }

    /// SIGTERM; its exit code.
    pub async fn terminate(self) -> Result<i32> {
        Command::new("kill").args(["-TERM", &self.child.id().to_string()]).status()?;
        self.ended().await
    }

    /// Waits until it ends by itself; its exit code.
    pub async fn ended(mut self) -> Result<i32> {
        wait::until("the host to stop", || {
            let ended = self.child.try_wait();
            async move { ended.map_err(|e| e.to_string())?.and_then(|s| s.code()).ok_or("still running".to_string()) }
        })
        .await
    }

    /// SIGKILL.
    pub fn kill(mut self) -> Result<()> {
        self.child.kill()?;
        self.child.wait()?;
        Ok(())
    }
}

impl Drop for HostProcess {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
