//! One attempt to reach a member: read the kubeconfig, authenticate, identify, discover.

use motet_cluster::{Client, parse};
use motet_core::ApiError;

use crate::{FleetSettings, MemberSpec};

/// A client that has proven itself.
pub(crate) struct Connected {
    pub(crate) client: Client,
    pub(crate) identity: String,
    pub(crate) version: String,
}

/// Why a member cannot be reached.
#[derive(Debug, Clone)]
pub(crate) struct Refusal {
    /// A fixed word.
    pub(crate) reason: String,
    /// For people.
    pub(crate) message: String,
    /// Whether it is the kubeconfig or the credentials that are wrong, rather than the way to the cluster.
    pub(crate) unacceptable: bool,
    /// Whether trying the same again may help.
    pub(crate) retry: bool,
}

impl Refusal {
    /// What a failed call says about a member.
    pub(crate) fn of(error: &ApiError) -> Self {
        let reason = match (error.code, error.reason.as_str()) {
            (0, "ConnectionRefused" | "ConnectTimeout" | "CertificateInvalid" | "Unauthorized") => error.reason.clone(),
            (0, "Timeout") => "ConnectTimeout".into(),
            (401, _) => "Unauthorized".into(),
            _ => "ProbeFailed".into(),
        };
        let unacceptable = matches!(reason.as_str(), "Unauthorized" | "CertificateInvalid");
        let message = match what_to_do(&reason) {
            Some(advice) => format!("{}; {advice}", error.message),
            None => error.message.clone(),
        };
        Self { reason, message, unacceptable, retry: true }
    }
}

/// What whoever registered the member can do about it.
fn what_to_do(reason: &str) -> Option<&'static str> {
    Some(match reason {
        "Unauthorized" => "the server does not accept the kubeconfig's credentials (401): put valid ones into it",
        "CertificateInvalid" => "check the kubeconfig's certificate-authority-data and the name in server",
        "ConnectionRefused" => "nothing listens there: check the kubeconfig's server and whether the cluster runs",
        "ConnectTimeout" => "nothing answers there: check the kubeconfig's server, routes and firewalls",
        _ => return None,
    })
}

/// Reads a spec's kubeconfig into a client, without dialling.
pub(crate) fn client(spec: &MemberSpec, settings: &FleetSettings) -> Result<Client, Refusal> {
    let unusable = |e: motet_cluster::KubeconfigError| Refusal {
        reason: e.reason().into(),
        message: e.to_string(),
        unacceptable: true,
        // Files that it names may appear; what it says itself does not change.
        retry: false,
    };
    let connection =
        parse(&spec.kubeconfig, spec.context.as_deref(), spec.base.as_deref(), &settings.allow).map_err(unusable)?;
    Client::new(connection, settings.client.clone()).map_err(unusable)
}

/// Authenticates, identifies and discovers.
pub(crate) async fn prove(client: Client, spec: &MemberSpec) -> Result<Connected, Refusal> {
    let proven = async {
        let version = client.version().await?;
        let identity = match &spec.identity {
            Some(identity) => {
                // The override names the cluster; the call still shows that the credentials are accepted.
                client.identify().await?;
                identity.clone()
            }
            None => {
                let identity = client.identify().await?;
                if let Some(warning) = identity.warning {
                    tracing::warn!(member = %spec.name, warning, "a member's identity is weak");
                }
                identity.id
            }
        };
        client.discover().await?;
        Ok::<_, ApiError>((version, identity))
    };
    match proven.await {
        Ok((version, identity)) => Ok(Connected { client, identity, version }),
        Err(error) => {
            client.close();
            Err(Refusal::of(&error))
        }
    }
}

/// Reads, dials and proves.
pub(crate) async fn connect(spec: &MemberSpec, settings: &FleetSettings) -> Result<Connected, Refusal> {
    prove(client(spec, settings)?, spec).await
}
