//! Never takes a field from anybody: what it may not have, it tells in a ConfigMap of its own.

#![allow(missing_docs, reason = "a guest")]

use motet_sdk::prelude::*;

#[motet_sdk::plugin(watch("v1/Namespace", labels = "gentle=true", projection = ["/metadata/labels"]), applies("v1/ConfigMap"))]
fn reconcile(ctx: &Context) -> Result<Outcome> {
    let Some(namespace) = ctx.primary::<Object>()? else { return Ok(Outcome::new()) };
    let map = |name: &str, field: &str, value: &str| {
        json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": name, "namespace": namespace.metadata.name },
            "data": { field: value } })
    };
    let outcome = Outcome::new().apply_unforced(&map("shared", "owner", "gentle"));
    Ok(match ctx.previous().iter().find(|refused| refused.code == 409) {
        Some(refused) => outcome.apply(&map("told", "message", &refused.message)),
        None => outcome,
    })
}
