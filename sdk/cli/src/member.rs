//! Registers a cluster: the Secret in the hub that makes it a member.

use std::{collections::BTreeMap, env, fs, path::PathBuf};

use anyhow::{Context as _, Result};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use motet_cluster::{Allow, Client, KubeconfigError, Settings};
use motet_core::{
    Gvk, ObjectName,
    names::{CONTEXT_ANNOTATION, MEMBER_LABEL},
    ports::{MemberApi as _, Write},
};
use serde_json::{Value, json};

use crate::{args::Add, block_on};

/// Writes or prints it.
pub(crate) fn run(add: &Add) -> Result<String> {
    let kubeconfig = fs::read(&add.kubeconfig).with_context(|| format!("reading {}", add.kubeconfig.display()))?;
    check(add, &kubeconfig)?;
    let secret = secret(add, &kubeconfig);
    if add.dry_run {
        return Ok(serde_yaml::to_string(&secret)?);
    }
    let server = block_on(write(add, &secret))?;
    Ok(format!("secret {}/{} written to {server}\n", add.namespace, add.name))
}

/// What the host would refuse in any case is an error; what it takes only by a flag is said.
fn check(add: &Add, kubeconfig: &[u8]) -> Result<()> {
    match motet_cluster::parse(kubeconfig, add.context.as_deref(), None, &[].into()) {
        Ok(_) => Ok(()),
        Err(error @ KubeconfigError::Forbidden { .. }) => {
            eprintln!("motet: warning: the host will not take this member as it is: {error}");
            Ok(())
        }
        Err(error) => Err(error).with_context(|| format!("{} cannot be a member's", add.kubeconfig.display())),
    }
}

fn secret(add: &Add, kubeconfig: &[u8]) -> Value {
    let mut labels: BTreeMap<&str, &str> = add.labels.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect();
    labels.insert(MEMBER_LABEL, "true");
    let mut secret = json!({
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": { "name": add.name, "namespace": add.namespace, "labels": labels },
        "type": "Opaque",
        "data": { "kubeconfig": STANDARD.encode(kubeconfig) },
    });
    if let Some(context) = &add.context {
        secret["metadata"]["annotations"] = json!({ CONTEXT_ANNOTATION: context });
    }
    secret
}

/// Applies the Secret; the hub's URL, for people.
async fn write(add: &Add, secret: &Value) -> Result<String> {
    let hub = add
        .hub
        .clone()
        .or_else(|| env::var_os("KUBECONFIG").map(PathBuf::from))
        .context("which hub? name its kubeconfig with --hub or KUBECONFIG, or print the Secret with --dry-run")?;
    let bytes = fs::read(&hub).with_context(|| format!("reading the hub's kubeconfig {}", hub.display()))?;
    let connection = motet_cluster::parse(&bytes, add.hub_context.as_deref(), hub.parent(), &Allow::all())
        .with_context(|| format!("the hub's kubeconfig {}", hub.display()))?;
    let client = Client::new(connection, Settings::default())?;
    let resource = client.resource(&Gvk::new("", "v1", "Secret")).await?;
    let apply = Write::Apply {
        body: secret.to_string().into_bytes().into(),
        manager: "motet-cli".into(),
        // The one who types this command means it: a Secret made by other means becomes theirs.
        force: true,
        subresource: None,
    };
    client.write(&resource, &ObjectName::namespaced(&add.namespace, add.name.as_str()), apply).await?;
    Ok(client.server().to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use motet_core::MemberName;

    fn add() -> Add {
        Add {
            name: MemberName::new("edge-1").unwrap(),
            kubeconfig: "k".into(),
            context: Some("prod".into()),
            labels: vec![("region".into(), "eu".into())],
            namespace: "motet-system".into(),
            hub: None,
            hub_context: None,
            dry_run: true,
        }
    }

    #[test]
    fn the_secret_is_what_the_host_looks_for() {
        let secret = secret(&add(), b"hello");
        assert_eq!(secret["metadata"]["labels"], json!({ "motet.dev/member": "true", "region": "eu" }));
        assert_eq!(secret["metadata"]["annotations"], json!({ "motet.dev/context": "prod" }));
        assert_eq!(secret["data"]["kubeconfig"], "aGVsbG8=");
    }

    #[test]
    fn a_kubeconfig_that_no_host_takes_is_refused() {
        let good = "clusters: [{ name: c, cluster: { server: 'https://edge:6443' } }]\nusers: [{ name: u, user: { token: t } }]\ncontexts: [{ name: prod, context: { cluster: c, user: u } }]\n";
        check(&add(), good.as_bytes()).unwrap();
        let error = check(&add(), good.replace("prod", "test").as_bytes()).unwrap_err();
        assert!(format!("{error:#}").contains("\"prod\""), "{error:#}");
        check(&add(), good.replace("token: t", "tokenFile: /x").as_bytes()).unwrap();
    }
}
