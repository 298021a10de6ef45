//! Turns credentials into an `Authorization` header, and renews those that renew: token files and credential programs.

use std::{path::Path, process::Stdio, time::Duration};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use http::HeaderValue;
use motet_core::ApiError;
use parking_lot::RwLock;
use serde::Deserialize;
use tokio::time::Instant;

use crate::{Credentials, ExecCommand};

/// How long a token file is believed, and a credential program's token that names no end.
const BELIEVED: Duration = Duration::from_secs(60);
/// A token is renewed this long before it runs out.
const EARLY: Duration = Duration::from_secs(30);
/// Longest run of a credential program.
const EXEC_TIMEOUT: Duration = Duration::from_secs(30);

/// The header of one member's requests. Swapping the credentials touches no connection.
pub(crate) struct Authorization {
    state: RwLock<State>,
    /// Lets one caller renew while the others wait for what it gets.
    renewing: tokio::sync::Semaphore,
}

struct State {
    credentials: Credentials,
    header: Option<HeaderValue>,
    /// When `header` is renewed; `None` for what never runs out.
    until: Option<Instant>,
}

impl State {
    fn new(credentials: Credentials) -> Result<Self, ApiError> {
        let header = match &credentials {
            Credentials::Token(token) => Some(bearer(token.expose())?),
            Credentials::Basic { username, password } => {
                let pair = STANDARD.encode(format!("{username}:{}", password.expose()));
                Some(secret_header(&format!("Basic {pair}"))?)
            }
            Credentials::None | Credentials::TokenFile(_) | Credentials::Exec(_) => None,
        };
        let renews = matches!(credentials, Credentials::TokenFile(_) | Credentials::Exec(_));
        Ok(Self { credentials, header, until: renews.then(Instant::now) })
    }

    fn fresh(&self) -> bool {
        self.until.is_none_or(|until| Instant::now() < until)
    }
}

impl Authorization {
    pub(crate) fn new(credentials: Credentials) -> Result<Self, ApiError> {
        Ok(Self { state: RwLock::new(State::new(credentials)?), renewing: tokio::sync::Semaphore::new(1) })
    }

    /// Takes new credentials; the next request carries them.
    pub(crate) fn swap(&self, credentials: Credentials) -> Result<(), ApiError> {
        *self.state.write() = State::new(credentials)?;
        Ok(())
    }

    /// Has a renewable token renewed at the next request: the server refused it.
    pub(crate) fn refused(&self) {
        let mut state = self.state.write();
        if let Some(until) = &mut state.until {
            *until = Instant::now();
        }
    }

    /// The header to send, renewed where it ran out.
    pub(crate) async fn header(&self) -> Result<Option<HeaderValue>, ApiError> {
        let fresh = |state: &State| state.fresh().then(|| state.header.clone());
        if let Some(header) = fresh(&self.state.read()) {
            return Ok(header);
        }
        let _turn = self.renewing.acquire().await.map_err(|_| ApiError::connection("the member was removed"))?;
        if let Some(header) = fresh(&self.state.read()) {
            return Ok(header);
        }
        let credentials = self.state.read().credentials.clone();
        let (token, believed) = match &credentials {
            Credentials::TokenFile(path) => (read_token(path).await?, BELIEVED),
            Credentials::Exec(command) => run(command).await?,
            _ => return Ok(self.state.read().header.clone()),
        };
        let header = bearer(&token)?;
        let mut state = self.state.write();
        if state.credentials == credentials {
            state.header = Some(header.clone());
            state.until = Some(Instant::now() + believed);
        }
        Ok(Some(header))
    }
}

fn credentials_error(message: String) -> ApiError {
    ApiError::new(0, "Unauthorized", message)
}

fn secret_header(text: &str) -> Result<HeaderValue, ApiError> {
    let mut header = HeaderValue::from_str(text)
        .map_err(|_| credentials_error("the credentials do not fit into a header".into()))?;
    header.set_sensitive(true);
    Ok(header)
}

/// The header for a bearer token.
pub(crate) fn bearer(token: &str) -> Result<HeaderValue, ApiError> {
    secret_header(&format!("Bearer {token}"))
}

async fn read_token(path: &Path) -> Result<String, ApiError> {
    match tokio::fs::read_to_string(path).await {
        Ok(token) => Ok(token.trim().to_string()),
        Err(e) => Err(credentials_error(format!("the token file {} cannot be read: {e}", path.display()))),
    }
}

#[derive(Deserialize)]
struct ExecCredential {
    status: Option<ExecStatus>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ExecStatus {
    token: Option<String>,
    expiration_timestamp: Option<jiff::Timestamp>,
}

/// Runs a credential program; its token and how long to believe it.
async fn run(exec: &ExecCommand) -> Result<(String, Duration), ApiError> {
    let failed = |what: String| credentials_error(format!("the credential program {:?} {what}", exec.command));
    let info =
        serde_json::json!({"apiVersion": exec.api_version, "kind": "ExecCredential", "spec": {"interactive": false}});
    let child = tokio::process::Command::new(&exec.command)
        .args(&exec.args)
        .envs(exec.env.iter().map(|(k, v)| (k, v)))
        .env("KUBERNETES_EXEC_INFO", info.to_string())
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output();
    let output = tokio::time::timeout(EXEC_TIMEOUT, child)
        .await
        .map_err(|_| failed(format!("did not end within {EXEC_TIMEOUT:?}")))?
        .map_err(|e| failed(format!("cannot be run: {e}")))?;
    if !output.status.success() {
        return Err(failed(format!("ended with {}", output.status)));
    }
    let credential: ExecCredential =
        serde_json::from_slice(&output.stdout).map_err(|_| failed("printed no ExecCredential".into()))?;
    let status = credential.status.ok_or_else(|| failed("printed an ExecCredential without status".into()))?;
    let token = status
        .token
        .filter(|t| !t.is_empty())
        .ok_or_else(|| failed("gave no token; client certificates from programs are not supported".into()))?;
    let left = status.expiration_timestamp.map(|t| t.duration_since(jiff::Timestamp::now()));
    let believed = left.map_or(BELIEVED, |left| Duration::try_from(left).unwrap_or_default().saturating_sub(EARLY));
    Ok((token, believed))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Secret;

    #[tokio::test]
    async fn a_swapped_token_is_in_the_next_header() {
        let auth = Authorization::new(Credentials::Token(Secret::new("a"))).unwrap();
        assert_eq!(auth.header().await.unwrap().unwrap(), "Bearer a");
        auth.swap(Credentials::Token(Secret::new("b"))).unwrap();
        assert_eq!(auth.header().await.unwrap().unwrap(), "Bearer b");
    }

    #[tokio::test]
    async fn a_token_file_is_read_again_when_refused() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "one\n").unwrap();
        let auth = Authorization::new(Credentials::TokenFile(file.path().into())).unwrap();
        assert_eq!(auth.header().await.unwrap().unwrap(), "Bearer one");
        std::fs::write(file.path(), "two\n").unwrap();
        assert_eq!(auth.header().await.unwrap().unwrap(), "Bearer one");
        auth.refused();
        assert_eq!(auth.header().await.unwrap().unwrap(), "Bearer two");
    }

    #[tokio::test]
    async fn a_credential_program_gives_a_token_or_says_why_not() {
        let exec = |script: &str| {
            Credentials::Exec(ExecCommand {
                command: "sh".into(),
                args: vec!["-c".into(), script.into()],
                env: vec![("T".into(), "tok".into())],
                api_version: "client.authentication.k8s.io/v1".into(),
            })
        };
        let good = Authorization::new(exec(r#"echo "{\"status\":{\"token\":\"$T\"}}""#)).unwrap();
        assert_eq!(good.header().await.unwrap().unwrap(), "Bearer tok");
        for (script, needle) in
            [("exit 3", "exit status: 3"), ("echo hi", "ExecCredential"), ("echo '{\"status\":{}}'", "no token")]
        {
            let error = Authorization::new(exec(script)).unwrap().header().await.unwrap_err();
            assert!(error.message.contains(needle) && error.reason == "Unauthorized", "{error}");
        }
    }
}
