//! The two clusters that every case talks to.

use anyhow::Result;
use kube::{
    Client, Config,
    config::{KubeConfigOptions, Kubeconfig},
};
use motet_clusters::real::RealCluster;
use motet_devcluster::{Cluster, Options};
use std::path::PathBuf;

/// One cluster as a case sees it.
pub struct Side {
    /// `real` or `embedded`.
    pub name: &'static str,
    /// With all rights.
    pub kubeconfig: String,
    /// Where it is.
    pub url: String,
    /// With all rights.
    pub client: Client,
    /// A folder of its own: kubeconfig files, kubectl's home.
    pub folder: PathBuf,
}

/// A real kube-apiserver with the controllers that delete, and an embedded cluster.
pub struct Stage {
    /// The judge.
    pub real: Side,
    /// Who is judged.
    pub embedded: Side,
    cluster: RealCluster,
    _embedded: Cluster,
    _folder: tempfile::TempDir,
}

impl Side {
    async fn new(name: &'static str, kubeconfig: String, url: String, folder: PathBuf) -> Result<Self> {
        std::fs::create_dir_all(&folder)?;
        let client = client(&kubeconfig).await?;
        Ok(Self { name, kubeconfig, url, client, folder })
    }
}

/// A client from a kubeconfig's text.
pub async fn client(kubeconfig: &str) -> Result<Client> {
    let kubeconfig = Kubeconfig::from_yaml(kubeconfig)?;
    Ok(Client::try_from(Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await?)?)
}

impl Stage {
    /// Starts both.
    pub async fn start() -> Result<Self> {
        let folder = tempfile::Builder::new().prefix("motet-conformance-").tempdir()?;
        let mut cluster = RealCluster::start("conformance").await?;
        cluster.start_controllers()?;
        let embedded = Cluster::start(Options { name: "embedded".into(), ..Options::default() }).await?;
        let of = |name: &str| folder.path().join(name);
        Ok(Self {
            real: Side::new("real", cluster.kubeconfig("admin"), cluster.url(), of("real")).await?,
            embedded: Side::new("embedded", embedded.kubeconfig(), embedded.url(), of("embedded")).await?,
            cluster,
            _embedded: embedded,
            _folder: folder,
        })
    }

    /// The real cluster's last words, for when it is what failed.
    pub fn log(&self) -> String {
        self.cluster.tail()
    }
}
