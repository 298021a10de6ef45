//! The README's page "Ship a plugin", typed line by line as it stands there: a real registry with TLS and a password, the real cosign
//! and kubectl, a real kube-apiserver as the hub and another as a member.

use std::{path::Path, process::Command};

use anyhow::{Context, Result, ensure};
use motet_scenarios::{
    baseline, binary,
    embedded::{self, Hub},
    ports, real,
    ship::{RealRegistry, Way, tools},
    site::{FIRST_TOKEN, Site},
};

/// The lines of a page's shell blocks.
fn page(readme: &str, title: &str) -> Result<String> {
    let (_, after) = readme.split_once(&format!("\n## {title}\n")).with_context(|| format!("no page {title:?}"))?;
    let page = after.split("\n## ").next().unwrap_or_default();
    let blocks: Vec<&str> = page.split("```sh\n").skip(1).filter_map(|block| block.split("```").next()).collect();
    ensure!(blocks.len() >= 4, "the page {title:?} has lost its commands: {} blocks are left", blocks.len());
    Ok(blocks.concat())
}

/// What the reader has before the first line: programs, components, kubeconfig, registry.
fn prepare(folder: &Path, registry: &RealRegistry) -> Result<()> {
    let (plugins, docker) = (folder.join("plugins"), folder.join("docker"));
    std::fs::create_dir(&plugins)?;
    std::fs::create_dir(&docker)?;
    std::fs::write(plugins.join("namespace-baseline.wasm"), embedded::component("namespace-baseline")?)?;
    std::fs::write(plugins.join("next.wasm"), embedded::guest("baseline_next")?)?;
    let yaml = motet_scenarios::plugins_dir().join("namespace-baseline.yaml");
    std::fs::copy(yaml, plugins.join("namespace-baseline.yaml"))?;
    std::fs::write(docker.join("config.json"), registry.docker_config())?;
    std::fs::write(folder.join("ca.crt"), registry.ca())?;
    let bin = folder.join("bin");
    std::fs::create_dir(&bin)?;
    for (name, program) in [
        ("motet", binary("motet")),
        ("motet-host", binary("motet-host")),
        ("cosign", tools()?.join("cosign")),
        ("kubectl", real::programs()?.join("kubectl")),
    ] {
        std::os::unix::fs::symlink(program.canonicalize()?, bin.join(name))?;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_page_ship_a_plugin_works_line_by_line() -> Result<()> {
    let (registry, folder) = (RealRegistry::start(Way::Password).await?, tempfile::tempdir()?);
    let (hub, member) = (Hub::on(Site::real("readme-hub").await?).await?, Site::real("edge-1").await?);
    hub.register(&member, FIRST_TOKEN).await?;
    member.shop("shop").await?;
    prepare(folder.path(), &registry)?;
    std::fs::write(folder.path().join("hub.yaml"), hub.0.own_kubeconfig())?;

    let readme = std::fs::read_to_string(motet_scenarios::repository().join("README.md"))?;
    let page = page(&readme, "Ship a plugin")?;
    let yours = "REGISTRY=registry.example.org";
    ensure!(page.starts_with(yours), "the first line is no longer the reader's own");
    let lines = page.replacen(yours, &format!("REGISTRY={}", registry.host()), 1);
    let script = format!("set -euo pipefail\ntrap 'kill $(jobs -p)' EXIT\nset -x\n{lines}");
    std::fs::write(folder.path().join("page.sh"), &script)?;

    let port = ports::free(1)?[0];
    let path = format!("{}:{}", folder.path().join("bin").display(), std::env::var("PATH").unwrap_or_default());
    let (home, listen) = (folder.path().to_owned(), format!("127.0.0.1:{port}"));
    let output = tokio::task::spawn_blocking(move || {
        Command::new("bash")
            .arg("page.sh")
            .current_dir(&home)
            .env("PATH", path)
            .env("HOME", &home)
            .env("DOCKER_CONFIG", home.join("docker"))
            // The registry's authority is one that this machine trusts.
            .env("SSL_CERT_FILE", home.join("ca.crt"))
            .env("COSIGN_PASSWORD", "")
            // A registry on this machine, and a tag that is looked at more often than every five minutes.
            .env("MOTET_ALLOW_REGISTRY", "loopback")
            .env("MOTET_REGISTRY_INTERVAL", "1s")
            .env("MOTET_LISTEN", &listen)
            .env("MOTET_HOST", format!("http://{listen}"))
            .env("MOTET_DATA_DIR", home.join("data"))
            .output()
    })
    .await??;
    let said = format!("{}\n{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    ensure!(output.status.success(), "the page ended with {}:\n{said}", output.status);
    // What was typed had its effect.
    for word in ["signed by team", "contract  0.1.0", "by cosign.pub"] {
        ensure!(said.contains(word), "{word:?} was not printed:\n{said}");
    }
    baseline::converged("edge-1", &member.look, None).await.context(said)
}
