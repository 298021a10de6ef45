//! Real kube-apiservers with their etcd, on 127.0.0.1, with TLS, RBAC and an audit log, started and stopped by a test.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::OnceLock,
};

use anyhow::{Context, Result, bail};
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose,
    SanType,
};
use serde_json::json;

use crate::{audit::AuditLog, client::Looker, ports, wait};

/// One real cluster: an etcd, a kube-apiserver, and their files. Everything goes when it is dropped.
pub struct RealCluster {
    name: String,
    folder: tempfile::TempDir,
    etcd_port: u16,
    api_port: u16,
    etcd: Option<Child>,
    server: Option<Child>,
    ca_pem: String,
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
        let ca_pem = write_credentials(folder.path())?;
        let mut cluster = Self { name: name.into(), folder, etcd_port, api_port, etcd: None, server: None, ca_pem };
        cluster.start_etcd(peer_port)?;
        cluster.resume().await?;
        Ok(cluster)
    }

    fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn log(&self, name: &str) -> Result<Stdio> {
        Ok(fs::File::options().create(true).append(true).open(self.file(name))?.into())
    }

    fn start_etcd(&mut self, peer_port: u16) -> Result<()> {
        let (client, peer) = (format!("http://127.0.0.1:{}", self.etcd_port), format!("http://127.0.0.1:{peer_port}"));
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

    fn tail(&self) -> String {
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

    /// A kubeconfig for one of the tokens of this cluster: `admin`, or `motet` and `motet2` (one user without rights at first).
    pub fn kubeconfig(&self, token: &str) -> String {
        self.kubeconfig_at(&self.url(), token)
    }

    /// The same, through another address (a proxy).
    pub fn kubeconfig_at(&self, url: &str, token: &str) -> String {
        let ca = base64(self.ca_pem.as_bytes());
        json!({
            "apiVersion": "v1", "kind": "Config", "current-context": "c",
            "contexts": [{ "name": "c", "context": { "cluster": "c", "user": "u" } }],
            "clusters": [{ "name": "c", "cluster": { "server": url, "certificate-authority-data": ca } }],
            "users": [{ "name": "u", "user": { "token": token } }],
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
        stop(&mut self.server);
        stop(&mut self.etcd);
    }
}

fn stop(child: &mut Option<Child>) {
    if let Some(mut child) = child.take() {
        // A test's cluster holds nothing worth a clean shutdown, and it must not outlive the test.
        let _ = child.kill();
        let _ = child.wait();
    }
}

fn base64(bytes: &[u8]) -> String {
    use base64::Engine;
    base64::engine::general_purpose::STANDARD.encode(bytes)
}

/// Tokens that exist from the start; `motet` and `motet2` are one user with two tokens, so that one can be swapped for the other.
const TOKENS: &str = "admin,admin,1,system:masters\nmotet,motet,2\nmotet2,motet,2\n";

/// A CA, a server certificate for 127.0.0.1, keys and tokens. Returns the CA's PEM.
fn write_credentials(folder: &Path) -> Result<String> {
    let ca_key = KeyPair::generate()?;
    let mut ca = CertificateParams::new(vec![])?;
    ca.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    ca.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::DigitalSignature];
    ca.distinguished_name.push(DnType::CommonName, "motet-test-ca");
    let ca_pem = ca.self_signed(&ca_key)?.pem();
    let issuer = Issuer::new(ca, ca_key);
    let server_key = KeyPair::generate()?;
    let mut server = CertificateParams::new(vec!["localhost".into()])?;
    server.subject_alt_names.push(SanType::IpAddress([127, 0, 0, 1].into()));
    server.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    let server_pem = server.signed_by(&server_key, &issuer)?.pem();
    let account_key = KeyPair::generate()?;
    for (name, content) in [
        ("ca.crt", ca_pem.as_str()),
        ("server.crt", &server_pem),
        ("server.key", &server_key.serialize_pem()),
        ("sa.key", &account_key.serialize_pem()),
        ("sa.pub", &account_key.public_key_pem()),
        ("tokens.csv", TOKENS),
    ] {
        fs::write(folder.join(name), content)?;
    }
    Ok(ca_pem)
}
