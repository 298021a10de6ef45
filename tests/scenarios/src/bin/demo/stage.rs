//! The clusters, the host and the files of one demo.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

use anyhow::{Context, Result};
use futures::{StreamExt, TryStreamExt, stream};
use motet_scenarios::{
    baseline,
    embedded::Hub,
    host::HostProcess,
    plugins_dir,
    ship::{SigningKey, SmallRegistry},
    site::{FIRST_TOKEN, Site},
};

/// Clusters that are started at once: a real one keeps a core busy for seconds.
const AT_ONCE: usize = 2;
/// Members from the start.
const MEMBERS: usize = 8;
/// Plugins that the host finds in its folder, where they are built; namespace-baseline comes from the hub.
const FROM_FOLDER: [&str; 2] = ["edge-service", "platform-budget"];

/// Where the plugin is in the registry. Images from there must be signed.
pub(crate) const REPOSITORY: &str = "team/namespace-baseline";

/// Everything that runs.
pub(crate) struct Stage {
    pub(crate) hub: Hub,
    pub(crate) host: HostProcess,
    pub(crate) registry: SmallRegistry,
    /// What images are signed with.
    pub(crate) key: SigningKey,
    members: Mutex<Vec<Arc<Site>>>,
    /// Those of [`FROM_FOLDER`] that are built.
    pub(crate) from_folder: Vec<&'static str>,
    folder: tempfile::TempDir,
    /// Whether the clusters are real ones.
    real: bool,
}

/// Kubeconfigs for people.
pub(crate) struct Files {
    pub(crate) folder: PathBuf,
    pub(crate) hub: PathBuf,
    pub(crate) member: PathBuf,
}

impl Stage {
    /// On embedded clusters, or on real ones.
    pub(crate) async fn start(real: bool) -> Result<Self> {
        let folder = tempfile::Builder::new().prefix("motet-demo-").tempdir()?;
        let hub = Hub::on(site("hub", real).await?).await.context("the hub")?;
        let from_folder = copy_plugins(&folder.path().join("plugins"))?;
        let kubeconfig = folder.path().join("hub.yaml");
        fs::write(&kubeconfig, hub.0.kubeconfig(FIRST_TOKEN)?)?;
        let (kubeconfig, plugins) =
            (kubeconfig.display().to_string(), folder.path().join("plugins").display().to_string());
        let (registry, key) = (SmallRegistry::start().await?, SigningKey::generate()?);
        let verify = folder.path().join("verify.yaml");
        fs::write(&verify, policy(&registry, &key))?;
        let verify = verify.display().to_string();
        let arguments = ["--hub", &kubeconfig, "--plugins", &plugins, "--verify", &verify];
        // A registry without TLS on this machine, and a tag that is looked at every second instead of every five minutes.
        let registries = ["--allow-registry", "plain-http,loopback", "--registry-interval", "1s"];
        let host = HostProcess::start(folder.path(), &[&arguments[..], &registries[..]].concat())?;
        let stage = Self { hub, host, registry, key, members: Mutex::default(), from_folder, folder, real };
        let starting = (1..=MEMBERS).map(|number| stage.start_member(format!("edge-{number}")));
        stream::iter(starting).buffered(AT_ONCE).try_for_each(|_| async { Ok(()) }).await?;
        Ok(stage)
    }

    /// Starts one more cluster, with the kinds that the plugins need; the hub does not know it yet.
    pub(crate) async fn start_member(&self, name: String) -> Result<Arc<Site>> {
        let member = Arc::new(site(&name, self.real).await.with_context(|| name.clone())?);
        for plugin in &self.from_folder {
            // Beside the plugin, as its authors ship it.
            let crd =
                PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../plugins")).join(plugin).join("crd.yaml");
            member.install(&crd).await?;
        }
        let mut members = self.members.lock().unwrap_or_else(PoisonError::into_inner);
        members.push(member.clone());
        // Several start at once; steps pick some by their number.
        members.sort_by(|a, b| a.name().cmp(b.name()));
        drop(members);
        Ok(member)
    }

    /// Every cluster besides the hub, registered or not.
    pub(crate) fn members(&self) -> Vec<Arc<Site>> {
        self.members.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The member of a name.
    pub(crate) fn member(&self, name: &str) -> Result<Arc<Site>> {
        self.members().into_iter().find(|m| m.name() == name).with_context(|| format!("no cluster {name}"))
    }

    /// Waits until the baseline holds on every member but those of `except`.
    pub(crate) async fn converged(&self, except: &[&str], version: Option<&str>) -> Result<usize> {
        let members: Vec<_> = self.members().into_iter().filter(|m| !except.contains(&m.name())).collect();
        let done: Vec<()> = stream::iter(&members)
            .map(|member| baseline::converged(member.name(), &member.look, version))
            .buffer_unordered(16)
            .try_collect()
            .await
            .with_context(|| self.host.tail())?;
        Ok(done.len())
    }

    /// Where its files are.
    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The host's log.
    pub(crate) fn log(&self) -> PathBuf {
        self.folder.path().join("host.log")
    }

    pub(crate) fn write_kubeconfigs(&self) -> Result<Files> {
        let folder = self.folder.path().join("kubeconfigs");
        fs::create_dir_all(&folder)?;
        let write = |cluster: &Site| -> Result<PathBuf> {
            let file = folder.join(format!("{}.yaml", cluster.name()));
            fs::write(&file, cluster.own_kubeconfig())?;
            Ok(file)
        };
        let hub = write(&self.hub.0)?;
        let mut member = hub.clone();
        for cluster in self.members().iter().rev() {
            member = write(cluster)?;
        }
        Ok(Files { folder, hub, member })
    }
}

/// Whose signatures are wanted: the team's, of all that comes from its part of the registry.
fn policy(registry: &SmallRegistry, key: &SigningKey) -> String {
    let key = key.public().trim().replace('\n', "\n    ");
    let prefix = format!("{}/{REPOSITORY}", registry.host());
    format!("default: off\nkeys:\n  team: |\n    {key}\nsources:\n  - {{ prefix: \"{prefix}\", policy: enforce }}\n")
}

async fn site(name: &str, real: bool) -> Result<Site> {
    if real { Site::real(name).await } else { Site::embedded(name).await }
}

/// Copies what is built of the folder's plugins, with their YAML.
fn copy_plugins(to: &Path) -> Result<Vec<&'static str>> {
    fs::create_dir_all(to)?;
    let mut copied = Vec::new();
    for plugin in FROM_FOLDER {
        let files = ["wasm", "yaml"].map(|extension| format!("{plugin}.{extension}"));
        if files.iter().all(|file| plugins_dir().join(file).is_file()) {
            for file in &files {
                fs::copy(plugins_dir().join(file), to.join(file)).with_context(|| file.clone())?;
            }
            copied.push(plugin);
        }
    }
    Ok(copied)
}
