//! The hub, with the credentials of whoever types.

use std::{env, fs, path::PathBuf};

use anyhow::{Context as _, Result};
use motet_cluster::{Allow, Client, Settings};
use motet_core::{
    Gvk, ObjectName,
    ports::{MemberApi as _, Write},
};
use serde_json::Value;

use crate::args::Hub;

/// Connects to the hub that was named.
pub(crate) fn connect(hub: &Hub) -> Result<Client> {
    let file = hub
        .hub
        .clone()
        .or_else(|| env::var_os("KUBECONFIG").map(PathBuf::from))
        .context("which hub? name its kubeconfig with --hub or KUBECONFIG")?;
    let bytes = fs::read(&file).with_context(|| format!("reading the hub's kubeconfig {}", file.display()))?;
    let connection = motet_cluster::parse(&bytes, hub.hub_context.as_deref(), file.parent(), &Allow::all())
        .with_context(|| format!("the hub's kubeconfig {}", file.display()))?;
    Ok(Client::new(connection, Settings::default())?)
}

/// Applies one object. Who types a command means it: an object made by other means becomes theirs.
pub(crate) async fn apply(hub: &Client, kind: &Gvk, object: &Value) -> Result<()> {
    let resource = hub.resource(kind).await?;
    let name = object["metadata"]["name"].as_str().unwrap_or_default();
    let name = match object["metadata"]["namespace"].as_str() {
        Some(namespace) => ObjectName::namespaced(namespace, name),
        None => ObjectName::cluster(name),
    };
    let write = Write::Apply {
        body: object.to_string().into_bytes().into(),
        manager: "motet-cli".into(),
        force: true,
        subresource: None,
    };
    hub.write(&resource, &name, write).await?;
    Ok(())
}
