//! `motet-devcluster`: starts embedded clusters, writes their kubeconfigs and runs until it is told to stop.

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::Context;
use clap::Parser;
use motet_devcluster::{Cluster, Control, Options};

/// Embedded Kubernetes API servers on 127.0.0.1, in memory.
#[derive(Debug, Parser)]
#[command(version)]
struct Args {
    /// How many clusters to start
    #[arg(long, default_value_t = 1)]
    count: u16,
    /// Folder that gets one kubeconfig per cluster, NAME.yaml
    #[arg(long, value_name = "DIR")]
    kubeconfig_dir: PathBuf,
    /// The first cluster's port, the next ones follow; any free ports if left out
    #[arg(long)]
    port_base: Option<u16>,
    /// Clusters are called PREFIX-0, PREFIX-1, …
    #[arg(long, default_value = "dev")]
    prefix: String,
    /// Plain HTTP instead of HTTPS
    #[arg(long)]
    http: bool,
    /// Declare every Deployment available, as if its pods ran
    #[arg(long)]
    simulate_deployments: bool,
    /// Serve fault knobs on this port of 127.0.0.1: `curl -d '{"refuse":true}' 127.0.0.1:PORT/dev-0`; off if left out
    #[arg(long, value_name = "PORT")]
    faults: Option<u16>,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let args = Args::parse();
    let dir = &args.kubeconfig_dir;
    std::fs::create_dir_all(dir).with_context(|| format!("cannot make the folder {}", dir.display()))?;
    let mut clusters = Vec::new();
    for i in 0..args.count {
        let cluster = Cluster::start(Options {
            name: format!("{}-{i}", args.prefix),
            https: !args.http,
            port: args.port_base.map_or(0, |base| base.saturating_add(i)),
            simulate_deployments: args.simulate_deployments,
            ..Options::default()
        })
        .await?;
        let path = dir.join(format!("{}.yaml", cluster.name()));
        std::fs::write(&path, cluster.kubeconfig()).with_context(|| format!("cannot write {}", path.display()))?;
        println!("{} {} {}", cluster.name(), cluster.url(), path.display());
        clusters.push(cluster);
    }
    let clusters = Arc::new(clusters);
    let _control = match args.faults {
        Some(port) => Some(Control::start(port, clusters.clone()).await?),
        None => None,
    };
    stop_signal().await.context("cannot wait for signals")?;
    Ok(())
}

async fn stop_signal() -> std::io::Result<()> {
    use tokio::signal::unix::{SignalKind, signal};
    let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    Ok(())
}
