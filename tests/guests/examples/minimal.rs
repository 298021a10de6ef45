//! The smallest guest that does something: its component, built against contract 0.1.0, is kept as a fixture of the runtime.

#![allow(missing_docs, reason = "a guest")]

use motet_sdk::prelude::*;

#[motet_sdk::plugin(watch("v1/ConfigMap"))]
fn reconcile(ctx: &Context) -> Result<Outcome> {
    let found = ctx.get::<Value>(("v1/ConfigMap", "default", "other"))?;
    info!("other is {}", if found.is_some() { "there" } else { "not there" });
    Ok(Outcome::new())
}
