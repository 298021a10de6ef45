//! Real kube-apiservers with their etcd, on 127.0.0.1, with TLS, RBAC and an audit log, started and stopped by a test.

pub mod credentials;

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::OnceLock,
};

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};

use crate::{audit::AuditLog, client::Looker, plain, ports, wait};
use credentials::{Authority, Pair, base64};

/// One real cluster: an etcd, a kube-apiserver, and their files. Everything goes when it is dropped.
pub struct RealCluster {
    name: String,
    folder: tempfile::TempDir,
    etcd_port: u16,
    peer_port: u16,
    api_port: u16,
    etcd: Option<Child>,
    server: Option<Child>,
    controllers: Option<Child>,
    /// Who signs clients.
    authority: Authority,
    /// Who signed the server.
    server_ca: String,
}

/// The folder with kube-apiserver, etcd and kubectl: found or built by `tests/real/build.sh`.
pub fn programs() -> Result<&'static Path> {
    static FOUND: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    let found = FOUND.get_or_init(|| {
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/../real/build.sh");
        let output = Command::new(script).stderr(Stdio::inherit()).output().map_err(|e| format!("{script}: {e}"))?;
        if !output.status.success() {
            return Err("no real Kubernetes: see the message of tests/real/build.sh above".into());
        }
        Ok(PathBuf::from(String::from_utf8_lossy(&output.stdout).trim()))
    });
    found.as_deref().map_err(|e| anyhow::anyhow!("{e}"))
}

const AUDIT_POLICY: &str =
    "apiVersion: audit.k8s.io/v1\nkind: Policy\nomitStages: [RequestReceived]\nrules: [{ level: Metadata }]\n";

impl RealCluster {
    /// Starts a cluster and waits until it is ready.
    pub async fn start(name: &str) -> Result<Self> {
        let folder = tempfile::Builder::new().prefix(&format!("motet-{name}-")).tempdir()?;
        let ports = ports::free(3)?;
        let [etcd_port, peer_port, api_port] = ports[..] else { bail!("no ports") };
        let authority = Authority::new("motet-test-ca")?;
        credentials::write(folder.path(), &authority)?;
        let server_ca = authority.pem.clone();
        let (name, etcd, server, controllers) = (name.into(), None, None, None);
        let mut cluster =
            Self { name, folder, etcd_port, peer_port, api_port, etcd, server, controllers, authority, server_ca };
        cluster.start_etcd()?;
        cluster.resume().await?;
        Ok(cluster)
    }

    fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn log(&self, name: &str) -> Result<Stdio> {
        Ok(fs::File::options().create(true).append(true).open(self.file(name))?.into())
    }

    fn start_etcd(&mut self) -> Result<()> {
        let [client, peer] = [self.etcd_port, self.peer_port].map(|port| format!("http://127.0.0.1:{port}"));
        let child = Command::new(programs()?.join("etcd"))
            .arg("--data-dir")
            .arg(self.file("etcd"))
            .args(["--listen-client-urls", &client, "--advertise-client-urls", &client])
            .args(["--listen-peer-urls", &peer, "--initial-advertise-peer-urls", &peer])
            .args(["--initial-cluster", &format!("default={peer}"), "--unsafe-no-fsync", "--log-level", "error"])
            .stdout(self.log("etcd.log")?)
            .stderr(self.log("etcd.log")?)
            .spawn()
            .context("etcd cannot be started")?;
        self.etcd = Some(child);
        Ok(())
    }

    /// Starts the API server (again), on the same port and the same etcd, and waits until it is ready.
    pub async fn resume(&mut self) -> Result<()> {
        fs::write(self.file("audit.yaml"), AUDIT_POLICY)?;
        let path = |name: &str| self.file(name).display().to_string();
        let child = Command::new(programs()?.join("kube-apiserver"))
            .arg(format!("--etcd-servers=http://127.0.0.1:{}", self.etcd_port))
            .arg(format!("--secure-port={}", self.api_port))
            .args(["--bind-address=127.0.0.1", "--advertise-address=127.0.0.1", "--authorization-mode=RBAC"])
            .args(["--service-cluster-ip-range=10.0.0.0/24", "--disable-admission-plugins=ServiceAccount"])
            .arg("--service-account-issuer=https://kubernetes.default.svc")
            .arg(format!("--service-account-key-file={}", path("sa.pub")))
            .arg(format!("--service-account-signing-key-file={}", path("sa.key")))
            .arg(format!("--tls-cert-file={}", path("server.crt")))
            .arg(format!("--tls-private-key-file={}", path("server.key")))
            .arg(format!("--client-ca-file={}", path("ca.crt")))
            .arg(format!("--token-auth-file={}", path("tokens.csv")))
            .arg(format!("--audit-policy-file={}", path("audit.yaml")))
            .arg(format!("--audit-log-path={}", path("audit.log")))
            .args(["--audit-log-mode=blocking", "--shutdown-delay-duration=0s", "-v=0"])
            .stdout(self.log("apiserver.log")?)
            .stderr(self.log("apiserver.log")?)
            .spawn()
            .context("kube-apiserver cannot be started")?;
        self.server = Some(child);
        let looker = self.admin().await?;
        wait::until(&format!("{} to be ready", self.name), || async {
            looker.ready().await.map_err(|e| format!("{e:#}"))?;
            looker
                .get("/api/v1/namespaces/kube-system")
                .await
                .map_err(|e| e.to_string())?
                .ok_or("no kube-system yet".to_string())
        })
        .await
        .with_context(|| self.tail())?;
        Ok(())
    }

    /// Starts what collects the garbage of owners, empties namespaces and aggregates roles; the other controllers stay off.
    pub fn start_controllers(&mut self) -> Result<()> {
        let kubeconfig = self.file("controllers.yaml");
        fs::write(&kubeconfig, self.kubeconfig("admin"))?;
        let child = Command::new(programs()?.join("kube-controller-manager"))
            .arg(format!("--kubeconfig={}", kubeconfig.display()))
            .arg("--controllers=garbage-collector-controller,namespace-controller,clusterrole-aggregation-controller")
            .arg("--leader-elect=false")
            .args(["--secure-port=0", "--bind-address=127.0.0.1", "-v=0"])
            .stdout(self.log("controllers.log")?)
            .stderr(self.log("controllers.log")?)
            .spawn()
            .context("kube-controller-manager cannot be started")?;
        self.controllers = Some(child);
        Ok(())
    }

    /// The last lines of the API server's log, newest first.
    pub fn tail(&self) -> String {
        let log = fs::read_to_string(self.file("apiserver.log")).unwrap_or_default();
        let lines: Vec<_> = log.lines().rev().take(15).collect();
        format!("the last lines of its log, newest first:\n{}", lines.join("\n"))
    }

    /// Stops the API server; etcd keeps what it holds.
    pub fn pause(&mut self) {
        stop(&mut self.server);
    }

    /// Its URL.
    pub fn url(&self) -> String {
        format!("https://127.0.0.1:{}", self.api_port)
    }

    /// Starts over with nothing, under the same address and the same certificates: another cluster.
    pub async fn wipe(&mut self) -> Result<()> {
        self.stop();
        fs::remove_dir_all(self.file("etcd"))?;
        self.start_etcd()?;
        self.resume().await
    }

    /// Keeps what is stored now, to be restored later.
    pub async fn snapshot(&mut self) -> Result<()> {
        self.stop();
        copy_tree(&self.file("etcd"), &self.file("snapshot"))?;
        self.start_etcd()?;
        self.resume().await
    }

    /// Goes back to the snapshot: resource versions move backwards.
    pub async fn restore(&mut self) -> Result<()> {
        self.stop();
        fs::remove_dir_all(self.file("etcd"))?;
        fs::rename(self.file("snapshot"), self.file("etcd"))?;
        self.start_etcd()?;
        self.resume().await
    }

    /// Starts again with a certificate of another authority.
    pub async fn rotate_server_ca(&mut self) -> Result<()> {
        self.pause();
        let other = Authority::new("motet-test-ca-2")?;
        credentials::write_server(self.folder.path(), &other)?;
        self.server_ca = other.pem;
        self.resume().await
    }

    /// Forgets every version but the present in etcd; the API server's own memory is gone after the next [`Self::resume`].
    pub async fn compact(&self) -> Result<()> {
        let etcd = format!("127.0.0.1:{}", self.etcd_port);
        let now = plain::post(&etcd, "/v3/kv/range", &json!({ "key": "Lw==", "limit": "1" })).await?;
        let revision = now["header"]["revision"].as_str().context("etcd said no revision")?.to_string();
        plain::post(&etcd, "/v3/kv/compaction", &json!({ "revision": revision, "physical": true })).await.map(drop)
    }

    /// Stops controllers, API server and etcd.
    pub fn stop(&mut self) {
        stop(&mut self.controllers);
        stop(&mut self.server);
        stop(&mut self.etcd);
    }

    /// The numbers of its processes.
    pub fn processes(&self) -> Vec<u32> {
        [&self.etcd, &self.server, &self.controllers].into_iter().flatten().map(Child::id).collect()
    }

    /// The port of the API server.
    pub fn port(&self) -> u16 {
        self.api_port
    }

    /// A certificate for a user, signed by the authority that the server trusts.
    pub fn client_certificate(&self, user: &str, group: &str, until: std::time::SystemTime) -> Result<Pair> {
        self.authority.client(user, group, until)
    }

    /// A token of a new ServiceAccount `name` in `kube-system` with all rights; deleting the account revokes it.
    pub async fn account(&self, name: &str) -> Result<String> {
        let looker = self.admin().await?;
        let accounts = "/api/v1/namespaces/kube-system/serviceaccounts";
        let account = json!({ "apiVersion": "v1", "kind": "ServiceAccount", "metadata": { "name": name, "namespace": "kube-system" } });
        looker.apply(&format!("{accounts}/{name}"), "test", &account).await?;
        let rights = json!({ "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRoleBinding", "metadata": { "name": name },
            "roleRef": { "apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "cluster-admin" },
            "subjects": [{ "kind": "ServiceAccount", "name": name, "namespace": "kube-system" }] });
        looker
            .apply(&format!("/apis/rbac.authorization.k8s.io/v1/clusterrolebindings/{name}"), "test", &rights)
            .await?;
        let request = json!({ "apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": { "expirationSeconds": 3600 } });
        let issued = looker.create(&format!("{accounts}/{name}/token"), &request).await?;
        Ok(issued["status"]["token"].as_str().context("no token")?.into())
    }

    /// A kubeconfig for one of the tokens of this cluster: `admin`, or `motet` and `motet2` (one user without rights at first).
    pub fn kubeconfig(&self, token: &str) -> String {
        self.kubeconfig_at(&self.url(), token)
    }

    /// The same, through another address (a proxy).
    pub fn kubeconfig_at(&self, url: &str, token: &str) -> String {
        self.kubeconfig_of(url, &json!({ "token": token }))
    }

    /// A kubeconfig without any credentials.
    pub fn kubeconfig_anonymous(&self) -> String {
        self.kubeconfig_of(&self.url(), &json!({}))
    }

    /// A kubeconfig with a client certificate.
    pub fn kubeconfig_with(&self, url: &str, pair: &Pair) -> String {
        let [certificate, key] = [&pair.certificate, &pair.key].map(|pem| base64(pem.as_bytes()));
        self.kubeconfig_of(url, &json!({ "client-certificate-data": certificate, "client-key-data": key }))
    }

    fn kubeconfig_of(&self, url: &str, user: &Value) -> String {
        let ca = base64(self.server_ca.as_bytes());
        json!({
            "apiVersion": "v1", "kind": "Config", "current-context": "c",
            "contexts": [{ "name": "c", "context": { "cluster": "c", "user": "u" } }],
            "clusters": [{ "name": "c", "cluster": { "server": url, "certificate-authority-data": ca } }],
            "users": [{ "name": "u", "user": user }],
        })
        .to_string()
    }

    /// A client with all rights.
    pub async fn admin(&self) -> Result<Looker> {
        Looker::new(&self.kubeconfig("admin")).await
    }

    /// Its audit log.
    pub fn audit(&self) -> AuditLog {
        AuditLog(self.file("audit.log"))
    }

    /// Where its files are.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }
}

impl Drop for RealCluster {
    fn drop(&mut self) {
        self.stop();
    }
}

fn copy_tree(from: &Path, to: &Path) -> Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy_tree(&entry.path(), &target)?;
        } else {
            fs::copy(entry.path(), target)?;
        }
    }
    Ok(())
}

fn stop(child: &mut Option<Child>) {
    if let Some(mut child) = child.take() {
        // A test's cluster holds nothing worth a clean shutdown, and it must not outlive the test.
        let _ = child.kill();
        let _ = child.wait();
    }
}
