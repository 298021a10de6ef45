//! One cluster that a scenario plays on, embedded or real, and the wire by which the host reaches it.

use std::{
    collections::BTreeMap,
    path::Path,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use anyhow::{Context, Result};
use motet_devcluster::{Cluster, Options};
use serde_json::{Value, json};
use tokio::task::JoinHandle;

use crate::{client::Looker, real::RealCluster, wire::Wire};

/// The token of the client that looks; the host never gets it, so that its own can be revoked.
const LOOKER: &str = "looker";
/// The name of the token that the host gets first.
pub const FIRST_TOKEN: &str = "host-1";
/// How often somebody looks for Deployments to declare available, where no node runs their pods.
const KUBELET: Duration = Duration::from_millis(300);

/// A cluster, the wire by which the host reaches it, and a client that reaches it without.
pub struct Site {
    name: String,
    ground: Ground,
    /// The host's way to it.
    pub wire: Wire,
    /// The client's.
    pub look: Looker,
}

/// What it runs on.
enum Ground {
    Embedded(Cluster),
    Real {
        cluster: Box<RealCluster>,
        /// Tokens by their names: a real cluster makes them up itself.
        tokens: Mutex<BTreeMap<String, String>>,
        kubelet: JoinHandle<()>,
    },
}

impl Drop for Ground {
    fn drop(&mut self) {
        if let Ground::Real { kubelet, .. } = self {
            kubelet.abort();
        }
    }
}

impl Site {
    /// Starts an embedded cluster, HTTPS, with a controller that declares Deployments available.
    pub async fn embedded(name: &str) -> Result<Self> {
        let tokens = vec![LOOKER.into(), FIRST_TOKEN.into()];
        let options = Options { name: name.into(), tokens, simulate_deployments: true, ..Options::default() };
        let cluster = Cluster::start(options).await?;
        let wire = Wire::to(cluster.port()).await?;
        let look = Looker::new(&cluster.kubeconfig()).await?;
        Ok(Self { name: name.into(), ground: Ground::Embedded(cluster), wire, look })
    }

    /// Starts a real kube-apiserver with its etcd; somebody declares Deployments available.
    pub async fn real(name: &str) -> Result<Self> {
        let cluster = Box::new(RealCluster::start(name).await?);
        let wire = Wire::to(cluster.port()).await?;
        let look = cluster.admin().await?;
        let kubelet = tokio::spawn(declare_available(look.clone()));
        let site =
            Self { name: name.into(), ground: Ground::Real { cluster, tokens: Mutex::default(), kubelet }, wire, look };
        site.add_token(FIRST_TOKEN).await?;
        Ok(site)
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The embedded cluster, where it is one: its knobs and counters.
    pub fn cluster(&self) -> Option<&Cluster> {
        match &self.ground {
            Ground::Embedded(cluster) => Some(cluster),
            Ground::Real { .. } => None,
        }
    }

    /// The kubeconfig for the host, over the wire, with the token of a name.
    pub fn kubeconfig(&self, token: &str) -> Result<String> {
        let wire = format!("https://127.0.0.1:{}", self.wire.port());
        match &self.ground {
            Ground::Embedded(cluster) => Ok(cluster.kubeconfig_with_token(token).replace(&cluster.url(), &wire)),
            Ground::Real { cluster, tokens, .. } => {
                let tokens = tokens.lock().unwrap_or_else(PoisonError::into_inner);
                let token = tokens.get(token).with_context(|| format!("{}: no token {token}", self.name))?;
                Ok(cluster.kubeconfig_at(&wire, token))
            }
        }
    }

    /// A kubeconfig for people: all rights, without the wire.
    pub fn own_kubeconfig(&self) -> String {
        match &self.ground {
            Ground::Embedded(cluster) => cluster.kubeconfig(),
            Ground::Real { cluster, .. } => cluster.kubeconfig("admin"),
        }
    }

    /// Issues one more token for the host, by a name.
    pub async fn add_token(&self, name: &str) -> Result<()> {
        match &self.ground {
            Ground::Embedded(cluster) => cluster.add_token(name),
            Ground::Real { cluster, tokens, .. } => {
                let token = cluster.account(name).await?;
                tokens.lock().unwrap_or_else(PoisonError::into_inner).insert(name.into(), token);
            }
        }
        Ok(())
    }

    /// Accepts a token of the host no longer.
    pub async fn revoke_token(&self, name: &str) -> Result<()> {
        match &self.ground {
            Ground::Embedded(cluster) => cluster.revoke_token(name),
            // A token lives as long as its account.
            Ground::Real { .. } => {
                self.look.delete(&format!("/api/v1/namespaces/kube-system/serviceaccounts/{name}")).await?;
            }
        }
        Ok(())
    }

    /// Installs a custom resource definition from a YAML file.
    pub async fn install(&self, file: &Path) -> Result<()> {
        let text = std::fs::read_to_string(file).with_context(|| file.display().to_string())?;
        self.look.define(&serde_yaml::from_str(&text)?).await
    }

    /// What was written to it so far, the host's own Leases aside: who, verb, path and code. Empty of a real cluster.
    pub fn written(&self) -> Vec<(String, String)> {
        let all = self.cluster().map(Cluster::writes).unwrap_or_default();
        let all = all.into_iter().filter(|w| !w.path.contains("/leases/"));
        all.map(|w| (w.user_agent, format!("{} {} {}", w.verb, w.path, w.code))).collect()
    }

    /// Gives a namespace the label of namespace-baseline, or takes it.
    pub async fn label(&self, namespace: &str, labelled: bool) -> Result<()> {
        let value = if labelled { json!("true") } else { Value::Null };
        let patch = json!({ "metadata": { "labels": { "motet.dev/baseline": value } } });
        self.look.patch(&format!("/api/v1/namespaces/{namespace}"), &patch).await.map(drop)
    }

    /// Creates a namespace with that label.
    pub async fn shop(&self, namespace: &str) -> Result<()> {
        self.look.namespace(namespace, &[("motet.dev/baseline", "true")]).await.map(drop)
    }
}

/// Declares every Deployment available, as if its pods ran: a kube-apiserver alone has neither controllers nor nodes.
async fn declare_available(look: Looker) {
    loop {
        for deployment in look.list("/apis/apps/v1/deployments").await.unwrap_or_default() {
            let (meta, wanted) = (&deployment["metadata"], deployment["spec"]["replicas"].clone());
            let status = &deployment["status"];
            if status["readyReplicas"] == wanted && status["observedGeneration"] == meta["generation"] {
                continue;
            }
            let (namespace, name) =
                (meta["namespace"].as_str().unwrap_or_default(), meta["name"].as_str().unwrap_or_default());
            let now = json!({ "status": { "observedGeneration": meta["generation"], "replicas": wanted, "readyReplicas": wanted,
                "updatedReplicas": wanted, "availableReplicas": wanted } });
            // It may have changed or gone meanwhile: the next round sees.
            let _ = look.patch(&format!("/apis/apps/v1/namespaces/{namespace}/deployments/{name}/status"), &now).await;
        }
        tokio::time::sleep(KUBELET).await;
    }
}
