//! Registers a cluster: the Secret in the hub that makes it a member.

use std::{collections::BTreeMap, fs};

use anyhow::{Context as _, Result};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use motet_cluster::KubeconfigError;
use motet_core::{
    Gvk,
    names::{CONTEXT_ANNOTATION, MEMBER_LABEL},
};
use serde_json::{Value, json};

use crate::{args::Add, block_on, hub};

/// Writes or prints it.
pub(crate) fn run(add: &Add) -> Result<String> {
    let kubeconfig = fs::read(&add.kubeconfig).with_context(|| format!("reading {}", add.kubeconfig.display()))?;
    check(add, &kubeconfig)?;
    let secret = secret(add, &kubeconfig);
    if add.dry_run {
        return Ok(serde_yaml::to_string(&secret)?);
    }
    let server = block_on(write(add, &secret))?;
    Ok(format!("secret {}/{} written to {server}\n", add.hub.namespace, add.name))
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
        "metadata": { "name": add.name, "namespace": add.hub.namespace, "labels": labels },
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
    let hub = hub::connect(&add.hub).context("or print the Secret with --dry-run")?;
    hub::apply(&hub, &Gvk::new("", "v1", "Secret"), secret).await?;
    Ok(hub.server().to_string())
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
            hub: crate::args::Hub { namespace: "motet-system".into(), hub: None, hub_context: None },
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
