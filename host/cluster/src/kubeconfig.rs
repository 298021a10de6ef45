//! Reads one kubeconfig as the hostile input it is: bounded, without aliases, and without what makes the host run programs, read files or
//! dial elsewhere unless the operator allowed it.

mod allow;
mod file;

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use thiserror::Error;

pub use self::allow::Allow;
use self::file::{Cluster, Context, Exec, File, User};
use crate::connection::{Connection, Credentials, ExecCommand, Impersonate, Secret, Server, TlsOptions};

/// Largest kubeconfig that is looked at, bytes.
pub const MAX_KUBECONFIG: usize = 1 << 20;

/// Why a kubeconfig is not used.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum KubeconfigError {
    /// It cannot be read or does not make sense.
    #[error("the kubeconfig is not usable: {0}")]
    Invalid(String),
    /// It asks for something that the operator has not allowed.
    #[error(
        "the kubeconfig sets {field}, which is refused because it makes the host {does}; remove it, or allow it with --allow-kubeconfig {allow}"
    )]
    Forbidden {
        /// The field, as it is written in the file.
        field: String,
        /// What it would make the host do.
        does: &'static str,
        /// The word of `--allow-kubeconfig` that admits it.
        allow: Allow,
    },
}

impl KubeconfigError {
    /// The member's reason.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Invalid(_) => "KubeconfigInvalid",
            Self::Forbidden { .. } => "KubeconfigForbidden",
        }
    }
}

fn invalid(message: impl Into<String>) -> KubeconfigError {
    KubeconfigError::Invalid(message.into())
}

fn read(bytes: &[u8]) -> Result<File, KubeconfigError> {
    if bytes.len() > MAX_KUBECONFIG {
        return Err(invalid(format!("it has {} bytes, more than {MAX_KUBECONFIG}", bytes.len())));
    }
    let text = std::str::from_utf8(bytes).map_err(|_| invalid("it is not UTF-8"))?;
    // No alias at all: nobody writes them into kubeconfigs but those who want a small file to become a large one.
    let options = serde_saphyr::options! {
        budget: serde_saphyr::budget! { max_aliases: 0, max_anchors: 0, max_depth: 32, max_nodes: 100_000, max_documents: 1 },
    };
    serde_saphyr::from_str_with_options(text, options).map_err(|e| invalid(brief(&e.to_string())))
}

/// The first line of a parser's message: the others quote the file, which holds secrets.
fn brief(message: &str) -> String {
    let line = message.lines().find(|l| !l.trim().is_empty()).unwrap_or("not YAML");
    if ["Anchors", "Aliases"].iter().any(|budget| line.contains(budget)) {
        return "it uses YAML anchors or aliases, which no kubeconfig needs: write the values out".into();
    }
    format!("not readable as YAML: {}", line.chars().take(200).collect::<String>())
}

/// The names of all contexts of a kubeconfig, in order.
pub fn contexts(bytes: &[u8]) -> Result<Vec<String>, KubeconfigError> {
    Ok(read(bytes)?.contexts.unwrap_or_default().into_iter().map(|c| c.name).collect())
}

/// Reads a kubeconfig and checks everything that can be checked without dialling. `context` picks a context (else the current one, else the
/// only one); `base` is the folder that relative file paths start from, where files are allowed.
pub fn parse(
    bytes: &[u8],
    context: Option<&str>,
    base: Option<&Path>,
    allow: &BTreeSet<Allow>,
) -> Result<Connection, KubeconfigError> {
    let file = read(bytes)?;
    let context = pick_context(&file, context)?;
    let cluster = file
        .clusters
        .unwrap_or_default()
        .into_iter()
        .find(|c| c.name == context.cluster)
        .and_then(|c| c.cluster)
        .ok_or_else(|| {
            invalid(format!("its context names the cluster {:?}, which it does not define", context.cluster))
        })?;
    let user = match context.user.as_deref().filter(|u| !u.is_empty()) {
        None => User::default(),
        Some(name) => file
            .users
            .unwrap_or_default()
            .into_iter()
            .find(|u| u.name == name)
            .ok_or_else(|| invalid(format!("its context names the user {name:?}, which it does not define")))?
            .user
            .unwrap_or_default(),
    };
    let reader = Reader { base, allow };
    Ok(Connection {
        server: server(cluster.server.as_deref())?,
        proxy: reader.proxy(&cluster)?,
        tls: reader.tls(&cluster, &user)?,
        impersonate: impersonate(&user)?,
        credentials: reader.credentials(user)?,
        namespace: context.namespace.filter(|n| !n.is_empty()).unwrap_or_else(|| "default".into()),
    })
}

fn pick_context(file: &File, wanted: Option<&str>) -> Result<Context, KubeconfigError> {
    let all = file.contexts.as_deref().unwrap_or_default();
    let wanted = wanted.or(file.current_context.as_deref().filter(|c| !c.is_empty()));
    let found = match (wanted, all) {
        (Some(name), _) => {
            all.iter().find(|c| c.name == name).ok_or_else(|| invalid(format!("it has no context {name:?}")))?
        }
        (None, [only]) => only,
        (None, []) => return Err(invalid("it has no context")),
        (None, _) => return Err(invalid("it has several contexts and no current-context; name one")),
    };
    let context = found.context.as_ref().ok_or_else(|| invalid(format!("its context {:?} is empty", found.name)))?;
    Ok(Context { cluster: context.cluster.clone(), user: context.user.clone(), namespace: context.namespace.clone() })
}

fn server(url: Option<&str>) -> Result<Server, KubeconfigError> {
    let url = url.filter(|u| !u.is_empty()).ok_or_else(|| invalid("its cluster has no server"))?;
    let uri: http::Uri = url.parse().map_err(|e| invalid(format!("its server {url:?} is not a URL: {e}")))?;
    let tls = match uri.scheme_str() {
        Some("https") => true,
        Some("http") => false,
        _ => return Err(invalid(format!("its server {url:?} starts with neither https:// nor http://"))),
    };
    let host = uri.host().unwrap_or_default().trim_matches(['[', ']']).to_string();
    if host.is_empty() || uri.query().is_some() || url.contains('@') {
        return Err(invalid(format!("its server {url:?} must be a host, an optional port and an optional path")));
    }
    let port = uri.port_u16().unwrap_or(if tls { 443 } else { 80 });
    Ok(Server { tls, host, port, prefix: uri.path().trim_end_matches('/').to_string() })
}

fn impersonate(user: &User) -> Result<Impersonate, KubeconfigError> {
    if user.as_user_extra.is_some() {
        return Err(invalid("its user sets as-user-extra, which is not supported"));
    }
    Ok(Impersonate {
        user: user.act_as.clone().filter(|u| !u.is_empty()),
        groups: user.as_groups.clone().unwrap_or_default(),
        uid: user.as_uid.clone().filter(|u| !u.is_empty()),
    })
}

/// What a kubeconfig may make the host do.
struct Reader<'a> {
    base: Option<&'a Path>,
    allow: &'a BTreeSet<Allow>,
}

impl Reader<'_> {
    fn permit(&self, field: &str, allow: Allow) -> Result<(), KubeconfigError> {
        if self.allow.contains(&allow) {
            Ok(())
        } else {
            Err(KubeconfigError::Forbidden { field: field.into(), does: allow.does(), allow })
        }
    }

    /// The bytes of a pair `X-data` (base64) and `X` (a path): data wins, a path must be allowed.
    fn material(
        &self,
        field: &str,
        data: Option<&str>,
        path: Option<&str>,
    ) -> Result<Option<Vec<u8>>, KubeconfigError> {
        if let Some(path) = path.filter(|p| !p.is_empty()) {
            self.permit(field, Allow::Files)?;
            if data.is_none_or(str::is_empty) {
                let path = self.path(path);
                let bytes = std::fs::read(&path)
                    .map_err(|e| invalid(format!("{field} {} cannot be read: {e}", path.display())))?;
                return Ok(Some(bytes));
            }
        }
        data.filter(|d| !d.is_empty())
            .map(|d| STANDARD.decode(d.trim()).map_err(|e| invalid(format!("{field}-data is not base64: {e}"))))
            .transpose()
    }

    fn path(&self, path: &str) -> PathBuf {
        self.base.map_or_else(|| PathBuf::from(path), |base| base.join(path))
    }

    fn tls(&self, cluster: &Cluster, user: &User) -> Result<TlsOptions, KubeconfigError> {
        let insecure = cluster.insecure_skip_tls_verify.unwrap_or(false);
        if insecure {
            self.permit("insecure-skip-tls-verify", Allow::InsecureTls)?;
        }
        let certificate = self.material(
            "client-certificate",
            user.client_certificate_data.as_deref(),
            user.client_certificate.as_deref(),
        )?;
        let key = self.material("client-key", user.client_key_data.as_deref(), user.client_key.as_deref())?;
        let client = match (certificate, key) {
            (Some(certificate), Some(key)) => Some((certificate, key)),
            (None, None) => None,
            (Some(_), None) => return Err(invalid("its user has a client certificate without client-key-data")),
            (None, Some(_)) => return Err(invalid("its user has a client key without client-certificate-data")),
        };
        Ok(TlsOptions {
            ca: self.material(
                "certificate-authority",
                cluster.certificate_authority_data.as_deref(),
                cluster.certificate_authority.as_deref(),
            )?,
            client,
            server_name: cluster.tls_server_name.clone().filter(|n| !n.is_empty()),
            insecure,
        })
    }

    fn proxy(&self, cluster: &Cluster) -> Result<Option<(String, u16)>, KubeconfigError> {
        let Some(url) = cluster.proxy_url.as_deref().filter(|u| !u.is_empty()) else { return Ok(None) };
        self.permit("proxy-url", Allow::ProxyUrl)?;
        let uri: http::Uri = url.parse().map_err(|e| invalid(format!("proxy-url is not a URL: {e}")))?;
        match (uri.scheme_str(), uri.host()) {
            (Some("http"), Some(host)) => {
                Ok(Some((host.trim_matches(['[', ']']).into(), uri.port_u16().unwrap_or(80))))
            }
            _ => Err(invalid("proxy-url must start with http://; other proxies are not supported")),
        }
    }

    fn credentials(&self, user: User) -> Result<Credentials, KubeconfigError> {
        if let Some(exec) = user.exec {
            self.permit("exec", Allow::Exec)?;
            return exec_command(exec);
        }
        if let Some(provider) = user.auth_provider {
            self.permit("auth-provider", Allow::AuthProvider)?;
            let token = ["id-token", "access-token"].iter().find_map(|k| provider.config.get(*k)).cloned();
            return token.map(|t| Credentials::Token(Secret::new(t))).ok_or_else(|| {
                invalid("its auth-provider holds neither id-token nor access-token; use exec or a token instead")
            });
        }
        if let Some(path) = user.token_file.filter(|p| !p.is_empty()) {
            self.permit("tokenFile", Allow::Files)?;
            return Ok(Credentials::TokenFile(self.path(&path)));
        }
        match (user.token.filter(|t| !t.is_empty()), user.username.filter(|u| !u.is_empty())) {
            (Some(token), _) if token.bytes().all(|b| b.is_ascii_graphic()) => {
                Ok(Credentials::Token(Secret::new(token)))
            }
            (Some(_), _) => Err(invalid("its token has characters that no HTTP header can carry")),
            (None, Some(username)) => {
                Ok(Credentials::Basic { username, password: Secret::new(user.password.unwrap_or_default()) })
            }
            (None, None) => Ok(Credentials::None),
        }
    }
}

fn exec_command(exec: Exec) -> Result<Credentials, KubeconfigError> {
    if exec.command.is_empty() {
        return Err(invalid("its exec names no command"));
    }
    Ok(Credentials::Exec(ExecCommand {
        command: exec.command,
        args: exec.args.unwrap_or_default(),
        env: exec.env.unwrap_or_default().into_iter().map(|v| (v.name, v.value)).collect(),
        api_version: exec.api_version.unwrap_or_else(|| "client.authentication.k8s.io/v1".into()),
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(cluster: &str, user: &str) -> Vec<u8> {
        format!(
            "apiVersion: v1\nkind: Config\ncurrent-context: c\ncontexts: [{{name: c, context: {{cluster: k, user: u}}}}]\n\
             clusters: [{{name: k, cluster: {{{cluster}}}}}]\nusers: [{{name: u, user: {{{user}}}}}]\n"
        )
        .into_bytes()
    }

    fn none() -> BTreeSet<Allow> {
        BTreeSet::new()
    }

    #[test]
    fn a_plain_kubeconfig_is_read() {
        let bytes =
            config("server: 'https://[2001:db8::1]/k8s/clusters/c-1/', certificate-authority-data: Q0E=", "token: t0k");
        let connection = parse(&bytes, None, None, &none()).unwrap();
        assert_eq!(connection.server.to_string(), "https://[2001:db8::1]:443/k8s/clusters/c-1");
        assert_eq!(connection.tls.ca.as_deref(), Some(b"CA".as_slice()));
        assert_eq!(connection.credentials, Credentials::Token(Secret::new("t0k")));
        assert_eq!(contexts(&bytes).unwrap(), ["c"]);
        assert!(parse(&bytes, Some("d"), None, &none()).unwrap_err().to_string().contains("no context \"d\""));
    }

    #[test]
    fn what_runs_programs_reads_files_or_dials_elsewhere_is_refused_by_name() {
        let https = "server: 'https://k'";
        let cases = [
            (https, "exec: {command: sh}", "exec", Allow::Exec),
            (https, "auth-provider: {name: gcp}", "auth-provider", Allow::AuthProvider),
            (https, "tokenFile: /etc/shadow", "tokenFile", Allow::Files),
            (https, "client-certificate: /a", "client-certificate", Allow::Files),
            (https, "client-key: /a", "client-key", Allow::Files),
            ("server: 'https://k', certificate-authority: /a", "", "certificate-authority", Allow::Files),
            ("server: 'https://k', proxy-url: 'http://p'", "", "proxy-url", Allow::ProxyUrl),
            ("server: 'https://k', insecure-skip-tls-verify: true", "", "insecure-skip-tls-verify", Allow::InsecureTls),
        ];
        for (cluster, user, field, allow) in cases {
            let error = parse(&config(cluster, user), None, None, &none()).unwrap_err();
            assert_eq!(error.reason(), "KubeconfigForbidden", "{field}");
            assert!(
                matches!(&error, KubeconfigError::Forbidden { field: f, allow: a, .. } if f == field && *a == allow),
                "{error}"
            );
        }
    }

    #[test]
    fn what_is_allowed_is_read() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("ca.pem"), "PEM").unwrap();
        let bytes = config(
            "server: 'https://k', certificate-authority: ca.pem, proxy-url: 'http://p:3128', insecure-skip-tls-verify: true",
            "exec: {command: sh, args: [-c, x], env: [{name: A, value: b}]}",
        );
        let connection = parse(&bytes, None, Some(dir.path()), &Allow::all()).unwrap();
        assert_eq!(connection.tls.ca.as_deref(), Some(b"PEM".as_slice()));
        assert_eq!(connection.proxy, Some(("p".into(), 3128)));
        assert!(connection.tls.insecure && matches!(connection.credentials, Credentials::Exec(_)));
        let stored = config("server: 'https://k'", "auth-provider: {name: oidc, config: {id-token: x}}");
        assert_eq!(
            parse(&stored, None, None, &Allow::all()).unwrap().credentials,
            Credentials::Token(Secret::new("x"))
        );
    }

    #[test]
    fn nonsense_is_invalid_and_says_why() {
        let bomb = format!(
            "a: &a [x,x]\nb: &b [*a,*a]\n{}",
            String::from_utf8(config("server: 'https://k'", "token: t")).unwrap()
        );
        let long = format!("clusters: [{}]", "[".repeat(100_000));
        let cases: [(&[u8], &str); 10] = [
            (b"\0\x01not yaml: [", "YAML"),
            (b"just text", "YAML"),
            (bomb.as_bytes(), "aliases"),
            (long.as_bytes(), "YAML"),
            (&[0xff, 0xfe, 0x00], "UTF-8"),
            (&vec![b' '; 10 << 20], "10485760 bytes"),
            (b"{}", "no context"),
            (&config("", ""), "no server"),
            (&config("server: 'ftp://k'", ""), "neither https"),
            (&config("server: 'https://k', certificate-authority-data: '%'", ""), "not base64"),
        ];
        for (bytes, needle) in cases {
            let error = parse(bytes, None, None, &none()).unwrap_err();
            assert_eq!(error.reason(), "KubeconfigInvalid");
            assert!(error.to_string().contains(needle), "{needle}: {error}");
        }
    }

    #[test]
    fn errors_do_not_quote_secrets() {
        let bytes = config("server: 'https://k'", "token: {nested: hunter2}, password: hunter2");
        assert!(!parse(&bytes, None, None, &none()).unwrap_err().to_string().contains("hunter2"));
    }
}
