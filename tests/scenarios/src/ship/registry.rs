//! A real OCI registry (distribution) as its own process.

use std::{
    fs,
    process::{Child, Command, Stdio},
};

use anyhow::Result;
use serde_json::json;

use super::{
    tokens::{ISSUER, SERVICE, TokenServer},
    tools,
};
use crate::{plain, ports, real::credentials::Authority, wait};

/// The one user that registries with users know.
pub const USER: &str = "pusher";
/// Their password.
pub const PASSWORD: &str = "open sesame";
/// The same as bcrypt, which is all that the registry reads.
const HTPASSWD: &str = "pusher:$2a$05$ICTaeJb2.Q2P7AfjBkxH8OGBxYBcOFqssmNk3kt964hb0jeVOTI0C\n";

/// How a registry lets one in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// Anybody, without TLS.
    Open,
    /// A user and a password, over TLS by an authority of its own.
    Password,
    /// A token from a realm, without TLS: anybody's pulls of `public/*`, the user's everything.
    Token,
}

/// A running registry. It ends when dropped.
pub struct RealRegistry {
    child: Child,
    port: u16,
    authority: Authority,
    folder: tempfile::TempDir,
    tokens: Option<TokenServer>,
}

impl RealRegistry {
    /// Starts one and waits until it answers.
    pub async fn start(way: Way) -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let (port, authority) = (ports::free(1)?[0], Authority::new("motet-registry-ca")?);
        let path = |name: &str| folder.path().join(name).display().to_string();
        let mut config = json!({
            "version": "0.1",
            "log": { "level": "error" },
            "storage": { "filesystem": { "rootdirectory": path("data") }, "delete": { "enabled": true } },
            "http": { "addr": format!("127.0.0.1:{port}"), "secret": "test" },
        });
        let mut tokens = None;
        match way {
            Way::Open => {}
            Way::Password => {
                let pair = authority.server()?;
                fs::write(path("server.crt"), pair.certificate)?;
                fs::write(path("server.key"), pair.key)?;
                fs::write(path("htpasswd"), HTPASSWD)?;
                config["http"]["tls"] = json!({ "certificate": path("server.crt"), "key": path("server.key") });
                config["auth"] = json!({ "htpasswd": { "realm": "motet", "path": path("htpasswd") } });
            }
            Way::Token => {
                let server = TokenServer::start().await?;
                fs::write(path("tokens.crt"), server.certificate())?;
                config["auth"] = json!({ "token": { "realm": server.realm(), "service": SERVICE, "issuer": ISSUER,
                    "rootcertbundle": path("tokens.crt") } });
                tokens = Some(server);
            }
        }
        fs::write(path("config.yml"), serde_yaml::to_string(&config)?)?;
        let child = Self::spawn(&folder)?;
        let registry = Self { child, port, authority, folder, tokens };
        registry.answers().await?;
        Ok(registry)
    }

    fn spawn(folder: &tempfile::TempDir) -> Result<Child> {
        let log = fs::File::options().create(true).append(true).open(folder.path().join("log"))?;
        let mut command = Command::new(tools()?.join("registry"));
        command.arg("serve").arg(folder.path().join("config.yml")).stdout(Stdio::null()).stderr(log);
        Ok(command.spawn()?)
    }

    async fn answers(&self) -> Result<()> {
        wait::until("the registry to answer", || async {
            tokio::net::TcpStream::connect(("127.0.0.1", self.port)).await.map(drop).map_err(|e| e.to_string())
        })
        .await
    }

    /// Host and port, as images name it.
    pub fn host(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// The authority that signed its certificate, PEM.
    pub fn ca(&self) -> &str {
        &self.authority.pem
    }

    /// A docker config with the user's password.
    pub fn docker_config(&self) -> String {
        json!({ "auths": { self.host(): { "username": USER, "password": PASSWORD } } }).to_string()
    }

    /// How many tokens were asked for without credentials, and with.
    pub fn tokens_given(&self) -> (usize, usize) {
        self.tokens.as_ref().map(TokenServer::given).unwrap_or_default()
    }

    /// Ends it; what it holds stays.
    pub fn stop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// Starts it again on the same port with what it held.
    pub async fn start_again(&mut self) -> Result<()> {
        self.child = Self::spawn(&self.folder)?;
        self.answers().await
    }

    /// Overwrites the bytes of a blob where they are kept, so that they are other than their name says.
    pub fn tamper(&self, digest: &str) -> Result<()> {
        let hex = digest.trim_start_matches("sha256:");
        let path = format!("data/docker/registry/v2/blobs/sha256/{}/{hex}/data", &hex[..2]);
        let path = self.folder.path().join(path);
        let mut bytes = fs::read(&path)?;
        if let Some(last) = bytes.last_mut() {
            *last ^= 1;
        }
        fs::write(path, bytes)?;
        Ok(())
    }

    /// A request of its API; code and body. Only where anybody is let in.
    pub async fn get(&self, path: &str) -> Result<(u16, String)> {
        plain::get(&self.host(), path).await
    }
}

impl Drop for RealRegistry {
    fn drop(&mut self) {
        self.stop();
    }
}
