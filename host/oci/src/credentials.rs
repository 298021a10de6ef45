//! Credentials for one registry, out of a docker config as `kubectl create secret docker-registry` writes it.

use std::collections::BTreeMap;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde::Deserialize;

/// A user's name and password, or a token to exchange.
#[derive(Clone, PartialEq, Eq)]
pub struct Credentials {
    /// The user.
    pub user: String,
    /// The password; empty with an identity token.
    pub password: String,
    /// A refresh token (`identitytoken`), exchanged instead of a password.
    pub identity_token: Option<String>,
}

impl std::fmt::Debug for Credentials {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Credentials").field("user", &self.user).finish_non_exhaustive()
    }
}

#[derive(Deserialize)]
struct DockerConfig {
    #[serde(default)]
    auths: BTreeMap<String, Auth>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "lowercase", default)]
struct Auth {
    auth: Option<String>,
    username: Option<String>,
    password: Option<String>,
    identitytoken: Option<String>,
}

impl Credentials {
    /// Finds those for `registry` (host and port) in a docker config. None where it says nothing about it.
    pub fn from_docker_config(json: &[u8], registry: &str) -> Result<Option<Self>, String> {
        let config: DockerConfig =
            serde_json::from_slice(json).map_err(|e| format!("it is no docker config in JSON: {e}"))?;
        let Some((_, auth)) = config.auths.into_iter().find(|(key, _)| host_of(key) == host_of(registry)) else {
            return Ok(None);
        };
        let identity_token = auth.identitytoken.filter(|t| !t.is_empty());
        if let (Some(user), Some(password)) = (auth.username, auth.password) {
            return Ok(Some(Self { user, password, identity_token }));
        }
        let text =
            auth.auth.ok_or_else(|| format!("its entry for {registry} has neither auth nor username and password"))?;
        let bytes = STANDARD.decode(text.trim()).map_err(|e| format!("auth of {registry} is not base64: {e}"))?;
        let text = String::from_utf8(bytes).map_err(|_| format!("auth of {registry} is not text"))?;
        let (user, password) =
            text.split_once(':').ok_or_else(|| format!("auth of {registry} is not USER:PASSWORD in base64"))?;
        Ok(Some(Self { user: user.into(), password: password.into(), identity_token }))
    }

    pub(crate) fn basic(&self) -> String {
        format!("Basic {}", STANDARD.encode(format!("{}:{}", self.user, self.password)))
    }
}

/// Keys are hosts, or addresses as old as `https://index.docker.io/v1/`.
fn host_of(key: &str) -> &str {
    let rest = key.split_once("://").map_or(key, |(_, rest)| rest);
    match rest.split_once('/').map_or(rest, |(host, _)| host) {
        "index.docker.io" | "registry-1.docker.io" => "docker.io",
        host => host,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_of_an_entry_is_read() {
        let config = format!(
            r#"{{"auths": {{"https://index.docker.io/v1/": {{"auth": "{}"}}, "r.example:5000": {{"username": "u", "password": "p:q"}},
                "t.example": {{"auth": "{}", "identitytoken": "refresh"}}}}}}"#,
            STANDARD.encode("me:secret:with:colons"),
            STANDARD.encode("00000000-0000-0000-0000-000000000000:"),
        );
        let find = |registry| Credentials::from_docker_config(config.as_bytes(), registry).unwrap();
        assert_eq!(find("docker.io").unwrap().password, "secret:with:colons");
        assert_eq!(find("r.example:5000").unwrap().password, "p:q");
        assert_eq!(find("t.example").unwrap().identity_token.as_deref(), Some("refresh"));
        assert!(find("r.example").is_none(), "another port is another registry");
        assert!(!format!("{:?}", find("docker.io")).contains("secret"));
    }

    #[test]
    fn what_cannot_be_read_is_said_without_being_shown() {
        for (config, word) in [
            ("nonsense", "docker config"),
            (r#"{"auths":{"r.example":{}}}"#, "neither auth"),
            (r#"{"auths":{"r.example":{"auth":"%%"}}}"#, "base64"),
            (r#"{"auths":{"r.example":{"auth":"bm9jb2xvbg=="}}}"#, "USER:PASSWORD"),
        ] {
            let error = Credentials::from_docker_config(config.as_bytes(), "r.example").unwrap_err();
            assert!(error.contains(word), "{error}");
        }
    }
}
