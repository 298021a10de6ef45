//! The two clusters that every case talks to.

use anyhow::Result;
use kube::{
    Client, Config,
    config::{KubeConfigOptions, Kubeconfig},
};
use motet_clusters::real::RealCluster;
use motet_devcluster::{Cluster, Options, User};
use std::{
    path::PathBuf,
    sync::Arc,
    time::{Duration, SystemTime},
};

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
    /// Without credentials.
    pub anonymous: Client,
    /// Makes kubeconfigs with a certificate for a user in a group.
    pub certificates: Certificates,
    /// A folder of its own: kubeconfig files, kubectl's home.
    pub folder: PathBuf,
}

/// Makes a kubeconfig from a user and a group.
pub type Certificates = Arc<dyn Fn(&str, &str) -> Result<String> + Send + Sync>;

/// A real kube-apiserver with the controllers that delete, and an embedded cluster.
pub struct Stage {
    /// The judge.
    pub real: Side,
    /// Who is judged.
    pub embedded: Side,
    cluster: Arc<RealCluster>,
    _embedded: Arc<Cluster>,
    _folder: tempfile::TempDir,
}

impl Side {
    async fn new(
        (name, url, folder): (&'static str, String, PathBuf),
        kubeconfig: String,
        anonymous: &str,
        certificates: Certificates,
    ) -> Result<Self> {
        std::fs::create_dir_all(&folder)?;
        let (client, anonymous) = (client(&kubeconfig).await?, client(anonymous).await?);
        Ok(Self { name, kubeconfig, url, client, anonymous, certificates, folder })
    }
}

/// The users that a real cluster of the tests has.
fn users() -> Vec<User> {
    let user = |token: &str, uid: &str, groups: &[&str]| User {
        token: token.into(),
        name: token.into(),
        uid: uid.into(),
        groups: groups.iter().map(|g| (*g).to_owned()).collect(),
    };
    vec![user("admin", "1", &["system:masters"]), user("alice", "3", &["team", "devs"])]
}

/// A client from a kubeconfig's text.
pub async fn client(kubeconfig: &str) -> Result<Client> {
    let kubeconfig = Kubeconfig::from_yaml(kubeconfig)?;
    let mut config = Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await?;
    // What is refused for now is an answer too.
    config.default_retry = false;
    Ok(Client::try_from(config)?)
}

impl Stage {
    /// Starts both.
    pub async fn start() -> Result<Self> {
        let folder = tempfile::Builder::new().prefix("motet-conformance-").tempdir()?;
        let mut cluster = RealCluster::start("conformance").await?;
        // The first versions are forgotten on both, so that there are some to ask for in vain.
        cluster.compact().await?;
        cluster.pause();
        cluster.resume().await?;
        cluster.start_controllers()?;
        let options = Options { name: "embedded".into(), users: users(), ..Options::default() };
        let (cluster, embedded) = (Arc::new(cluster), Arc::new(Cluster::start(options).await?));
        embedded.expire_watches();
        let of = |name: &str| folder.path().join(name);
        let (real, other) = (cluster.clone(), embedded.clone());
        let real_pairs: Certificates = Arc::new(move |user, group| {
            let until = SystemTime::now() + Duration::from_secs(3600);
            Ok(real.kubeconfig_with(&real.url(), &real.client_certificate(user, group, until)?))
        });
        let embedded_pairs: Certificates =
            Arc::new(move |user, group| Ok(other.kubeconfig_with_certificate(&other.client_certificate(user, group)?)));
        let at = ("real", cluster.url(), of("real"));
        let real = Side::new(at, cluster.kubeconfig("admin"), &cluster.kubeconfig_anonymous(), real_pairs).await?;
        let at = ("embedded", embedded.url(), of("embedded"));
        let admin = embedded.kubeconfig_with_token("admin");
        let embedded_side = Side::new(at, admin, &embedded.kubeconfig_anonymous(), embedded_pairs).await?;
        Ok(Self { real, embedded: embedded_side, cluster, _embedded: embedded, _folder: folder })
    }

    /// The real cluster's last words, for when it is what failed.
    pub fn log(&self) -> String {
        self.cluster.tail()
    }
}
