//! A feature team's first hour: `motet new`, the commands of its README, and the plugin reconciles a real cluster.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result};
use motet_scenarios::{binary, host::HostProcess, real::RealCluster, wait};

use crate::kit;

const REPOSITORY: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");

/// Shared with this workspace, so that what is compiled already is not compiled again.
fn target() -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| Path::new(REPOSITORY).join("target"), PathBuf::from)
}

fn run(folder: &Path, program: &Path, arguments: &[&str]) -> Result<()> {
    let output =
        Command::new(program).args(arguments).current_dir(folder).env("CARGO_TARGET_DIR", target()).output()?;
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    output.status.success().then_some(()).with_context(|| format!("{} {arguments:?}: {said}", program.display()))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_plugin_built_by_its_readme_reconciles_a_real_cluster() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let dir = folder.path().join("hour-one");
    run(folder.path(), &binary("motet"), &["new", "hour-one", "--dir", &dir.display().to_string()])?;
    // The versions that this workspace has fetched: a test must not need the registry.
    std::fs::copy(format!("{REPOSITORY}/Cargo.lock"), dir.join("Cargo.lock"))?;
    let cargo = PathBuf::from(env!("CARGO"));
    run(&dir, &cargo, &["test", "--offline"])?;
    run(&dir, &cargo, &["build", "--release", "--target", "wasm32-wasip2", "--offline"])?;
    let plugins = folder.path().join("plugins");
    std::fs::create_dir(&plugins)?;

    let member = RealCluster::start("scaffold").await?;
    let looker = member.admin().await?;
    looker.namespace("shop", &[("team", "blue")]).await?;
    let members = kit::members(folder.path(), &[("edge-1", member.kubeconfig("admin"))])?;
    let plugin_folder = plugins.display().to_string();
    let host =
        HostProcess::start(folder.path(), &["--hub", "none", "--members", &members, "--plugins", &plugin_folder])?;
    host.member("edge-1", "Ready").await?;
    // Dropped into the folder of a running host.
    std::fs::copy(target().join("wasm32-wasip2/release/hour_one.wasm"), plugins.join("hour-one.wasm"))?;
    std::fs::copy(dir.join("hour-one.yaml"), plugins.join("hour-one.yaml"))?;
    host.binding("hour-one", "edge-1", "Active").await?;
    wait::until("the ConfigMap that the template applies", || async {
        let maps = looker.list("/api/v1/namespaces/shop/configmaps").await.map_err(|e| e.to_string())?;
        let applied = maps.iter().any(|m| m["metadata"]["labels"]["motet.dev/managed"] == "true");
        if applied { Ok(()) } else { Err(format!("{maps:?}")) }
    })
    .await
    .map_err(|e| e.context(host.tail()))?;
    assert_eq!(host.terminate().await?, 0);
    Ok(())
}
