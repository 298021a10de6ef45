//! Shipping with other people's programs: a real OCI registry, and the clients that push to it and sign what is there.

mod registry;
mod small;
mod tokens;

use std::{
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::OnceLock,
};

use anyhow::{Context, Result, bail};

pub use registry::{PASSWORD, RealRegistry, USER, Way};
pub use small::{SigningKey, SmallRegistry};

/// The folder with registry, oras, cosign, helm and wkg: found or built by `tests/real/tools.sh`.
pub fn tools() -> Result<&'static Path> {
    static FOUND: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    let found = FOUND.get_or_init(|| {
        let script = crate::repository().join("tests/real/tools.sh");
        let output = Command::new(&script)
            .stderr(Stdio::inherit())
            .output()
            .map_err(|e| format!("{}: {e}", script.display()))?;
        if !output.status.success() {
            return Err("the tools for shipping are missing: see the message of tests/real/tools.sh above".into());
        }
        Ok(PathBuf::from(String::from_utf8_lossy(&output.stdout).trim()))
    });
    found.as_deref().map_err(|e| anyhow::anyhow!("{e}"))
}

/// Runs one of the tools in `folder`; what it printed. Its home is that folder, so that nobody's own settings play a part.
pub fn tool(name: &str, folder: &Path, arguments: &[&str]) -> Result<String> {
    run(Command::new(tools()?.join(name)), folder, arguments)
}

/// Runs the CLI of this repository in `folder`; what it printed.
pub fn motet(folder: &Path, arguments: &[&str]) -> Result<String> {
    run(Command::new(crate::binary("motet")), folder, arguments)
}

fn run(mut command: Command, folder: &Path, arguments: &[&str]) -> Result<String> {
    command
        .current_dir(folder)
        .env("HOME", folder)
        .env("COSIGN_PASSWORD", "")
        .env_remove("DOCKER_CONFIG")
        .args(arguments);
    let output = command.output().with_context(|| format!("{command:?}"))?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    if !output.status.success() {
        bail!("{command:?}: {}\n{text}{}", output.status, String::from_utf8_lossy(&output.stderr));
    }
    Ok(text)
}
