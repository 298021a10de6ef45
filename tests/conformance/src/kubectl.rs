//! kubectl, the real binary, typed at one side.

use std::{path::Path, process::Stdio};

use anyhow::{Context, Result};
use motet_clusters::real;
use tokio::io::AsyncWriteExt;

/// What kubectl said.
pub struct Said {
    /// Its exit code.
    pub code: i64,
    /// What it printed, to standard output and then to standard error.
    pub text: String,
}

/// Runs one command line. Its words are split at spaces, `%20` stands for a space inside one; a last word `-p` gets the input as
/// its value, else the input is piped in.
pub(crate) async fn run(
    folder: &Path,
    kubeconfig: &str,
    namespace: &str,
    line: &str,
    input: &str,
    environment: &[(&str, &str)],
) -> Result<Said> {
    let home = folder.join(format!("home-{namespace}"));
    std::fs::create_dir_all(&home)?;
    let file = home.join("kubeconfig.yaml");
    std::fs::write(&file, kubeconfig)?;
    let mut command = tokio::process::Command::new(real::programs()?.join("kubectl"));
    command.arg("--kubeconfig").arg(&file).args(["--namespace", namespace]);
    command.args(line.split(' ').map(|word| word.replace("%20", " ")));
    command.env("HOME", &home).envs(environment.iter().copied()).current_dir(&home).kill_on_drop(true);
    if line.ends_with(" -p") {
        command.arg(input);
    }
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
    // kubectl may end without reading all of it.
    let _ = child.stdin.take().context("stdin")?.write_all(input.as_bytes()).await;
    let output = child.wait_with_output().await?;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let text = format!("{}{}", text(&output.stdout), text(&output.stderr));
    Ok(Said {
        code: output.status.code().unwrap_or(-1).into(),
        text: text.replace(&home.display().to_string(), "{home}"),
    })
}
