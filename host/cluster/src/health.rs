//! Who a cluster is, and whether it answers.

use std::time::Duration;

use motet_core::ApiError;
use serde::Deserialize;
use tokio::time::Instant;

use crate::{Client, Credentials, credentials::bearer, transport::Call};

/// What tells one cluster from another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// UID of `kube-system`, or server URL and hash of the CA.
    pub id: String,
    /// Why the UID is not used, for people.
    pub warning: Option<String>,
}

/// An answered probe.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Probe {
    /// From asking to the last byte.
    pub latency: Duration,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Version {
    git_version: String,
}

#[derive(Deserialize)]
struct Namespace {
    metadata: NamespaceMeta,
}

#[derive(Deserialize)]
struct NamespaceMeta {
    uid: String,
}

const KUBE_SYSTEM: &str = "/api/v1/namespaces/kube-system";

impl Client {
    /// The server's version, such as `v1.36.3`. Fails with 401 where the credentials are not accepted.
    pub async fn version(&self) -> Result<String, ApiError> {
        let doing = format!("asking {} for its version", self.server());
        let body = self.transport().call(Call::get(&doing, "/version"), self.settings().request_timeout).await?;
        let version: Version =
            serde_json::from_slice(&body).map_err(|e| ApiError::new(0, "InvalidAnswer", format!("{doing}: {e}")))?;
        Ok(version.git_version)
    }

    /// Which cluster this is.
    pub async fn identify(&self) -> Result<Identity, ApiError> {
        let doing = format!("reading the identity of {}", self.server());
        match self.transport().call(Call::get(&doing, KUBE_SYSTEM), self.settings().request_timeout).await {
            Ok(body) => {
                let namespace: Namespace = serde_json::from_slice(&body)
                    .map_err(|e| ApiError::new(0, "InvalidAnswer", format!("{doing}: {e}")))?;
                Ok(Identity { id: namespace.metadata.uid, warning: None })
            }
            Err(error) if matches!(error.code, 403 | 404) => Ok(Identity {
                id: self.connection().fallback_identity(),
                warning: Some(format!(
                    "the namespace kube-system cannot be read ({}), so the cluster is told apart by its URL and CA; \
                     grant get on it, or set the annotation motet.dev/identity",
                    error.reason
                )),
            }),
            Err(error) => Err(error),
        }
    }

    /// Asks whether the server is ready. A refusal by RBAC is an answer too; 401, 5xx and silence are not.
    pub async fn probe(&self) -> Result<Probe, ApiError> {
        let asked = Instant::now();
        let call = Call::get(format!("probing {}", self.server()), "/readyz");
        match self.transport().call(call, self.settings().probe_timeout).await {
            Ok(_) => Ok(Probe { latency: asked.elapsed() }),
            Err(error) if matches!(error.code, 403 | 404) => Ok(Probe { latency: asked.elapsed() }),
            Err(error) => Err(error),
        }
    }

    /// Checks that the server accepts a token, without using it for anything else yet.
    pub async fn try_credentials(&self, credentials: &Credentials) -> Result<(), ApiError> {
        let Credentials::Token(token) = credentials else {
            return Err(ApiError::new(0, "BadRequest", "only a token can be tried in place"));
        };
        let call =
            Call { authorization: Some(bearer(token.expose())?), ..Call::get("trying a new token", KUBE_SYSTEM) };
        match self.transport().call(call, self.settings().request_timeout).await {
            Err(error) if !matches!(error.code, 403 | 404) => Err(error),
            _ => Ok(()),
        }
    }
}
