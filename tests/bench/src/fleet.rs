//! A hub and members as embedded clusters in this process, registered by Secrets, and the host beside it with the plugin `mirror`.

use std::{fs, time::Duration};

use anyhow::{Context, Result};
use futures::{StreamExt as _, TryStreamExt as _, stream};
use motet_devcluster::{Cluster, Options};
use motet_scenarios::embedded::{Hub, guest};
use tokio::time::Instant;

use crate::host::Host;

/// What the plugin `mirror` may do: read the 20 kinds that it watches, write ConfigMaps.
const PLUGIN: &str = r#"
apiVersion: motet.dev/v1alpha1
kind: Plugin
metadata: { name: mirror }
spec:
  grants:
    - apiGroups: ["", apps, batch, networking.k8s.io, policy, discovery.k8s.io]
      resources: ["*"]
      verbs: [get, list, watch]
    - { apiGroups: [""], resources: [configmaps], verbs: [create, patch] }
"#;

/// Everything that runs. The host ends before the clusters that it talks to.
pub(crate) struct Fleet {
    /// The host.
    pub(crate) host: Host,
    /// The members' clusters.
    pub(crate) members: Vec<Cluster>,
    /// From the start of the host until the plugin was active everywhere.
    pub(crate) engaged: Duration,
    /// Where members are registered.
    pub(crate) hub: Hub,
    _folder: tempfile::TempDir,
}

impl Fleet {
    /// Starts `count` members, registers them, and waits until the plugin is active on each.
    pub(crate) async fn start(count: usize, arguments: &[&str]) -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let plugins = folder.path().join("plugins");
        fs::create_dir(&plugins)?;
        fs::write(plugins.join("mirror.yaml"), PLUGIN)?;
        fs::write(plugins.join("mirror.wasm"), guest("mirror")?)?;
        let hub = Hub::start().await?;
        fs::write(folder.path().join("hub.yaml"), hub.0.own_kubeconfig())?;
        let members: Vec<Cluster> = stream::iter(0..count)
            .map(|i| Cluster::start(Options { name: format!("edge-{i}"), ..Options::default() }))
            .buffered(8)
            .try_collect()
            .await?;
        for member in &members {
            hub.look().register(member.name(), &member.kubeconfig(), &[]).await?;
        }
        let started = Instant::now();
        let host = Host::start(folder.path(), arguments)?;
        if let Err(error) = host.active("mirror", count).await {
            let log = fs::read_to_string(folder.path().join("host.log")).unwrap_or_default();
            let tail: Vec<&str> = log.lines().rev().take(10).collect();
            return Err(error).context(format!("the host's last lines, newest first:\n{}", tail.join("\n")));
        }
        Ok(Self { host, members, engaged: started.elapsed(), hub, _folder: folder })
    }
}
