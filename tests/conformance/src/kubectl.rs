//! kubectl, the real binary, typed at one side.

use std::{
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use anyhow::{Context, Result};
use motet_clusters::real;
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader},
    process::{Child, ChildStdout, Command},
};

use crate::{compare::Step, talk::Talk};

/// Longest wait for a line that must come.
const PATIENCE: Duration = Duration::from_secs(60);

/// What kubectl said.
pub struct Said {
    /// Its exit code.
    pub code: i64,
    /// What it printed, to standard output and then to standard error.
    pub text: String,
}

/// Starts one command line. Its words are split at spaces, `%20` stands for a space inside one; a last word `-p` gets the input
/// as its value.
pub(crate) fn spawn(
    folder: &Path,
    kubeconfig: &str,
    namespace: &str,
    line: &str,
    input: &str,
    environment: &[(&str, &str)],
) -> Result<Child> {
    let home = home(folder, namespace);
    std::fs::create_dir_all(&home)?;
    let file = home.join("kubeconfig.yaml");
    std::fs::write(&file, kubeconfig)?;
    let mut command = Command::new(real::programs()?.join("kubectl"));
    command.arg("--kubeconfig").arg(&file).args(["--namespace", namespace]);
    command.args(line.split(' ').map(|word| word.replace("%20", " ")));
    command.env("HOME", &home).envs(environment.iter().copied()).current_dir(&home).kill_on_drop(true);
    if line.ends_with(" -p") {
        command.arg(input);
    }
    Ok(command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?)
}

fn home(folder: &Path, namespace: &str) -> PathBuf {
    folder.join(format!("home-{namespace}"))
}

/// Runs one command line to its end, the input piped in.
pub(crate) async fn run(
    folder: &Path,
    kubeconfig: &str,
    namespace: &str,
    line: &str,
    input: &str,
    environment: &[(&str, &str)],
) -> Result<Said> {
    let mut child = spawn(folder, kubeconfig, namespace, line, input, environment)?;
    // kubectl may end without reading all of it.
    let _ = child.stdin.take().context("stdin")?.write_all(input.as_bytes()).await;
    let output = child.wait_with_output().await?;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let text = format!("{}{}", text(&output.stdout), text(&output.stderr));
    let home = home(folder, namespace).display().to_string();
    Ok(Said { code: output.status.code().unwrap_or(-1).into(), text: text.replace(&home, "{home}") })
}

/// What a running kubectl prints, line by line.
pub struct Lines<'a> {
    talk: &'a Talk,
    line: String,
    printed: tokio::io::Lines<BufReader<ChildStdout>>,
    _child: Child,
}

impl<'a> Lines<'a> {
    pub(crate) fn of(talk: &'a Talk, line: &str, mut child: Child) -> Result<Self> {
        let printed = BufReader::new(child.stdout.take().context("stdout")?).lines();
        Ok(Self { talk, line: line.into(), printed, _child: child })
    }

    /// Reads and keeps so many lines.
    pub async fn take(&mut self, n: usize) -> Result<()> {
        for _ in 0..n {
            let next = tokio::time::timeout(PATIENCE, self.printed.next_line());
            let line = next.await.with_context(|| format!("{}: nothing printed", self.line))??;
            let line = line.with_context(|| format!("{} ended", self.line))?;
            self.talk.keep(Step { ask: format!("$ kubectl {}", self.line), body: line.into(), ..Step::default() });
        }
        Ok(())
    }
}
