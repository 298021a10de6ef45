//! The connection to the hub: a kubeconfig that the operator names, or the pod's own credentials.

use std::{env, fs, path::Path, sync::Arc};

use anyhow::{Context, Result};
use motet_cluster::{Allow, Client, Connection, Settings};

use crate::{args::Args, hub_writes::Counted};

const SERVICE_ACCOUNT: &str = "/var/run/secrets/kubernetes.io/serviceaccount";

/// The hub, if there is one.
pub(crate) fn connect(args: &Args, settings: &Settings) -> Result<Option<Arc<Counted>>> {
    let connection = match &args.hub {
        Some(path) if path.as_os_str() == "none" => None,
        Some(path) => Some(from_file(path, args.hub_context.as_deref())?),
        None => in_cluster()?,
    };
    let Some(connection) = connection else { return Ok(None) };
    let client = Client::new(connection, settings.clone()).context("the hub's kubeconfig cannot be used")?;
    Ok(Some(Arc::new(Counted::new(client))))
}

/// The operator's own kubeconfig may use all that kubectl's may.
fn from_file(path: &Path, context: Option<&str>) -> Result<Connection> {
    let what = || format!("--hub {}", path.display());
    let bytes = fs::read(path).with_context(what)?;
    motet_cluster::parse(&bytes, context, path.parent(), &Allow::all()).with_context(what)
}

/// The service account of the pod that this runs in. The token is read from its file, which the kubelet renews.
fn in_cluster() -> Result<Option<Connection>> {
    let (Ok(host), Ok(port)) = (env::var("KUBERNETES_SERVICE_HOST"), env::var("KUBERNETES_SERVICE_PORT")) else {
        return Ok(None);
    };
    let host = if host.contains(':') { format!("[{host}]") } else { host };
    let kubeconfig = serde_json::json!({
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "pod",
        "contexts": [{ "name": "pod", "context": { "cluster": "pod", "user": "pod" } }],
        "clusters": [{ "name": "pod", "cluster": {
            "server": format!("https://{host}:{port}"),
            "certificate-authority": format!("{SERVICE_ACCOUNT}/ca.crt"),
        } }],
        "users": [{ "name": "pod", "user": { "tokenFile": format!("{SERVICE_ACCOUNT}/token") } }],
    });
    let connection = motet_cluster::parse(kubeconfig.to_string().as_bytes(), None, None, &Allow::all())
        .context("the pod's service account cannot be used for the hub; name a kubeconfig with --hub, or --hub none")?;
    Ok(Some(connection))
}
