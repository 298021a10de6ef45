//! For tests of reloads: copies a ConfigMap labelled `relay=source` into another one. This revision reads more of it, and watches a
//! second kind.

#![allow(missing_docs, reason = "a guest")]

use motet_sdk::prelude::*;

#[motet_sdk::plugin(
    watch("v1/ConfigMap", labels = "relay=source", projection = ["/data", "/metadata/annotations"]),
    watch("v1/Namespace", map = none, projection = ["/metadata/labels"]),
    applies("v1/ConfigMap"),
)]
fn reconcile(ctx: &Context) -> Result<Outcome> {
    let Some(source) = ctx.primary::<Source>()? else { return Ok(Outcome::new()) };
    Ok(Outcome::new().apply(&json!({
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": { "name": format!("{}-copy", ctx.name()), "namespace": ctx.namespace() },
        "data": { "turn": source.data.turn },
    })))
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Source {
    data: Data,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Data {
    turn: String,
}
