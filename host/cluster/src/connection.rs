//! What a kubeconfig boils down to once it is checked: where a cluster is, how to trust it, who to be there.

use std::{fmt, path::PathBuf, sync::Arc};

use sha2::{Digest as _, Sha256};

/// Text that must not reach a log: its `Debug` form hides it.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Secret(Arc<str>);

impl Secret {
    /// Wraps `text`.
    pub fn new(text: impl AsRef<str>) -> Self {
        Self(text.as_ref().into())
    }

    /// The text itself.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

/// Where an API server listens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Server {
    /// Whether it speaks TLS.
    pub tls: bool,
    /// Host name or address, without brackets.
    pub host: String,
    /// TCP port.
    pub port: u16,
    /// What stands before every API path, such as `/k8s/clusters/c-1`; empty or starting with `/`, never ending with it.
    pub prefix: String,
}

impl Server {
    /// `host:port`, with brackets around an IPv6 address.
    pub fn authority(&self) -> String {
        if self.host.contains(':') {
            format!("[{}]:{}", self.host, self.port)
        } else {
            format!("{}:{}", self.host, self.port)
        }
    }
}

impl fmt::Display for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}{}", if self.tls { "https" } else { "http" }, self.authority(), self.prefix)
    }
}

/// How the server is trusted and how the client proves itself by certificate.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct TlsOptions {
    /// PEM bundle; the system's roots where absent.
    pub ca: Option<Vec<u8>>,
    /// PEM certificate chain and key.
    pub client: Option<(Vec<u8>, Vec<u8>)>,
    /// The name that the server's certificate must carry, if not the host.
    pub server_name: Option<String>,
    /// Any certificate will do.
    pub insecure: bool,
}

impl fmt::Debug for TlsOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TlsOptions")
            .field("ca", &self.ca.is_some())
            .field("client", &self.client.is_some())
            .field("server_name", &self.server_name)
            .field("insecure", &self.insecure)
            .finish()
    }
}

/// What goes into the `Authorization` header.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Credentials {
    /// Nothing; the client certificate may still name a user.
    #[default]
    None,
    /// A bearer token.
    Token(Secret),
    /// A bearer token in a file that is read again every minute.
    TokenFile(PathBuf),
    /// User and password.
    Basic {
        /// User.
        username: String,
        /// Password.
        password: Secret,
    },
    /// A program that prints an `ExecCredential`.
    Exec(ExecCommand),
}

/// A credential program, as client-go runs it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExecCommand {
    /// Program.
    pub command: String,
    /// Its arguments.
    pub args: Vec<String>,
    /// Variables added to its environment.
    pub env: Vec<(String, String)>,
    /// `apiVersion` of the answer that is expected.
    pub api_version: String,
}

/// Whom to act as.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Impersonate {
    /// User.
    pub user: Option<String>,
    /// Groups.
    pub groups: Vec<String>,
    /// UID.
    pub uid: Option<String>,
}

/// Everything needed to reach one API server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Connection {
    /// Where.
    pub server: Server,
    /// Trust and client certificate.
    pub tls: TlsOptions,
    /// Who.
    pub credentials: Credentials,
    /// Whom to act as.
    pub impersonate: Impersonate,
    /// `host:port` of an HTTP proxy that is asked to CONNECT.
    pub proxy: Option<(String, u16)>,
    /// The context's namespace.
    pub namespace: String,
}

impl Connection {
    /// Whether `other` differs in nothing but its bearer token: that is swapped in place, without a new connection.
    pub fn differs_only_in_token(&self, other: &Self) -> bool {
        let tokens =
            matches!((&self.credentials, &other.credentials), (Credentials::Token(a), Credentials::Token(b)) if a != b);
        tokens && Self { credentials: other.credentials.clone(), ..self.clone() } == *other
    }

    /// An identity for a cluster that does not tell the UID of its `kube-system`: server URL and hash of the CA.
    pub fn fallback_identity(&self) -> String {
        let hash = Sha256::digest(self.tls.ca.as_deref().unwrap_or_default());
        let hex: String = hash.iter().take(8).map(|b| format!("{b:02x}")).collect();
        format!("{}#{hex}", self.server)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn connection(credentials: Credentials) -> Connection {
        Connection {
            server: Server { tls: true, host: "::1".into(), port: 6443, prefix: "/k8s".into() },
            tls: TlsOptions::default(),
            credentials,
            impersonate: Impersonate::default(),
            proxy: None,
            namespace: "default".into(),
        }
    }

    #[test]
    fn only_a_token_change_is_only_a_token_change() {
        let token = |t| connection(Credentials::Token(Secret::new(t)));
        assert!(token("a").differs_only_in_token(&token("b")));
        assert!(!token("a").differs_only_in_token(&token("a")));
        assert!(!token("a").differs_only_in_token(&connection(Credentials::None)));
        let moved = Connection { namespace: "x".into(), ..token("b") };
        assert!(!token("a").differs_only_in_token(&moved));
    }

    #[test]
    fn secrets_stay_out_of_debug_output_and_servers_print_as_urls() {
        let connection = connection(Credentials::Token(Secret::new("hunter2")));
        assert!(!format!("{connection:?}").contains("hunter2"));
        assert_eq!(connection.server.to_string(), "https://[::1]:6443/k8s");
    }
}
