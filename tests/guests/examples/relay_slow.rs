//! For tests of reloads: copies a ConfigMap labelled `relay=source` into another one. This revision takes its time.

#![allow(missing_docs, reason = "a guest")]

use motet_sdk::prelude::*;

#[motet_sdk::plugin(
    watch("v1/ConfigMap", labels = "relay=source", projection = ["/data/turn"]),
    applies("v1/ConfigMap"),
)]
fn reconcile(ctx: &Context) -> Result<Outcome> {
    let Some(source) = ctx.primary::<Source>()? else { return Ok(Outcome::new()) };
    std::thread::sleep(std::time::Duration::from_millis(10));
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
