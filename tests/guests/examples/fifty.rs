//! For tests of what is bad manners: watches fifty kinds, and says so of each object of the first.

#![allow(missing_docs, reason = "a guest")]

use motet_sdk::prelude::*;

#[motet_sdk::plugin(
    watch("many.example.com/v1/Kind00", projection = ["/spec"]),
    watch("many.example.com/v1/Kind01", map = none, projection = ["/spec"]),
    watch("many.example.com/v1/Kind02", map = none, projection = ["/spec"]),
    watch("many.example.com/v1/Kind03", map = none, projection = ["/spec"]),
    watch("many.example.com/v1/Kind04", map = none, projection = ["/spec"]),
    watch("many.example.com/v1/Kind05", map = none, projection = ["/spec"]),
    watch("many.example.com/v1/Kind06", map = none, projection = ["/spec"]),
    watch("many.example.com/v1/Kind07", map = none, projection = ["/spec"]),
    watch("many.example.com/v1/Kind08", map = none, projection = ["/spec"]),
    watch("many.example.com/v1/Kind09", map = none, projection = ["/spec"]),
    watch("many.example.com/v1/Kind10", map = none, projection = ["/spec"]),
    watch("many.example.com/v1/Kind11", map = none, projection = ["/spec"]),
    watch("many.example.com/v1/Kind12", map = none, projection = ["/spec"]),
    watch("many.example.com/v1/Kind13", map = none, projection = ["/spec"]),
    watch("many.example.com/v1/Kind14", map = none, projection = ["/spec"]),
    watch("many.example.com/v1/Kind15", map = none, projection = ["/spec"]),
    watch("many.example.com/v1/Kind16", map = none, projection = ["/spec"]),
    watch("many.example.com/v1/Kind17", map = none, projection = ["/spec"]),
    watch("many.example.com/v1/Kind18", map = none, projection = ["/spec"]),
    watch("many.example.com/v1/Kind19", map = none, projection = ["/spec"]),
    watch("many.example.com/v1/Kind20", map = none, projection = ["/spec"]),
    watch("many.example.com/v1/Kind21", map = none, projection = ["/spec"]),
    watch("many.example.com/v1/Kind22", map = none, projection = ["/spec"]),
    watch("many.example.com/v1/Kind23", map = none, projection = ["/spec"]),
    watch("many.example.com/v1/Kind24", map = none, projection = ["/spec"]),
    watch("many.example.com/v1/Kind25", map = none, projection = ["/spec"]),
    watch("many.example.com/v1/Kind26", map = none, projection = ["/spec"]),
    watch("many.example.com/v1/Kind27", map = none, projection = ["/spec"]),
    watch("many.example.com/v1/Kind28", map = none, projection = ["/spec"]),
    watch("many.example.com/v1/Kind29", map = none, projection = ["/spec"]),
    watch("many.example.com/v1/Kind30", map = none, projection = ["/spec"]),
    watch("many.example.com/v1/Kind31", map = none, projection = ["/spec"]),
    watch("many.example.com/v1/Kind32", map = none, projection = ["/spec"]),
    watch("many.example.com/v1/Kind33", map = none, projection = ["/spec"]),
    watch("many.example.com/v1/Kind34", map = none, projection = ["/spec"]),
    watch("many.example.com/v1/Kind35", map = none, projection = ["/spec"]),
    watch("many.example.com/v1/Kind36", map = none, projection = ["/spec"]),
    watch("many.example.com/v1/Kind37", map = none, projection = ["/spec"]),
    watch("many.example.com/v1/Kind38", map = none, projection = ["/spec"]),
    watch("many.example.com/v1/Kind39", map = none, projection = ["/spec"]),
    watch("many.example.com/v1/Kind40", map = none, projection = ["/spec"]),
    watch("many.example.com/v1/Kind41", map = none, projection = ["/spec"]),
    watch("many.example.com/v1/Kind42", map = none, projection = ["/spec"]),
    watch("many.example.com/v1/Kind43", map = none, projection = ["/spec"]),
    watch("many.example.com/v1/Kind44", map = none, projection = ["/spec"]),
    watch("many.example.com/v1/Kind45", map = none, projection = ["/spec"]),
    watch("many.example.com/v1/Kind46", map = none, projection = ["/spec"]),
    watch("many.example.com/v1/Kind47", map = none, projection = ["/spec"]),
    watch("many.example.com/v1/Kind48", map = none, projection = ["/spec"]),
    watch("many.example.com/v1/Kind49", map = none, projection = ["/spec"]),
    applies("v1/ConfigMap"),
)]
fn reconcile(ctx: &Context) -> Result<Outcome> {
    if ctx.primary::<Object>()?.is_none() {
        return Ok(Outcome::new());
    }
    Ok(Outcome::new().apply(&json!({
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": { "name": ctx.name(), "namespace": ctx.namespace() },
        "data": { "watched": "fifty kinds" },
    })))
}
