//! kubectl's daily verbs.

use anyhow::Result;
use motet_conformance::{Talk, cases};

const MAP: &str = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: one, labels: {app: shop}}\ndata: {a: b}\n";

cases! { "kubectl": apply_server_side }

async fn apply_server_side(talk: &Talk) -> Result<()> {
    talk.namespace().await?;
    talk.kubectl("apply --server-side -f -", MAP).await?;
    talk.kubectl("get configmap one -o yaml --show-managed-fields", "").await?;
    Ok(())
}
