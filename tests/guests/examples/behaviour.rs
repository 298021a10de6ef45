//! Does what its config says: one behaviour per reconcile, good and bad.

#![allow(missing_docs, clippy::panic, clippy::unwrap_used, reason = "a guest that misbehaves on purpose")]

use motet_sdk::prelude::*;

#[derive(Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
struct Config {
    what: String,
    count: usize,
}

#[motet_sdk::plugin(
    watch("v1/ConfigMap", projection = ["/data"]),
    applies("v1/ConfigMap", set),
    needs("v1/Secret", "get"),
    status,
    events,
)]
fn reconcile(ctx: &Context<Config>) -> Result<Outcome> {
    let config = ctx.config();
    match config.what.as_str() {
        "nothing" => Ok(Outcome::new()),
        "parse" => {
            let mut object = ctx.primary::<Value>()?.unwrap_or_default();
            object["metadata"]["labels"]["seen"] = "true".into();
            Ok(Outcome::new().apply(&object))
        }
        "echo" => {
            let seen = json!({
                "member": ctx.member().name, "name": ctx.name(), "namespace": ctx.namespace(), "deleting": ctx.deleting(),
                "attempt": ctx.attempt(), "previous": ctx.previous().len(), "primary": ctx.primary::<Value>()?,
            });
            Ok(Outcome::new().apply(&json!({ "apiVersion": "v1", "kind": "ConfigMap",
                "metadata": { "name": "echo", "namespace": "default" }, "data": { "seen": seen.to_string() } })))
        }
        "get" => {
            let found = ctx.get::<Value>(("v1/ConfigMap", "default", "other"))?;
            Ok(Outcome::new().merge_patch(("v1/ConfigMap", "default", "x").into(), &found))
        }
        "log" => {
            (0..config.count.max(1)).for_each(|i| info!("line {i} {}", "x".repeat(100)));
            println!("to stdout");
            eprintln!("to stderr");
            Ok(Outcome::new())
        }
        "panic" => give_up(),
        "loop" => {
            let mut n: u64 = 0;
            while std::hint::black_box(true) {
                n = std::hint::black_box(n.wrapping_add(1));
            }
            Err(Error::retry(n))
        }
        "memory" => {
            let mut all: Vec<Vec<u8>> = Vec::new();
            loop {
                all.push(std::hint::black_box(vec![1; 1 << 20]));
            }
        }
        "recursion" => Err(Error::retry(deep(std::hint::black_box(1)))),
        "depth" => {
            if down(config.count) == config.count {
                Ok(Outcome::new())
            } else {
                Err(Error::terminal("miscounted"))
            }
        }
        "calls" => {
            for _ in 0..config.count {
                ctx.get::<Value>(("v1/ConfigMap", "default", "other"))?;
            }
            Ok(Outcome::new())
        }
        "intents" => {
            let event = |outcome: Outcome, _| outcome.event(("v1/ConfigMap", "default", "x").into(), "Many", "");
            Ok((0..config.count).fold(Outcome::new(), event))
        }
        "bytes" => Ok(Outcome::new().apply(&json!({ "big": "x".repeat(config.count) }))),
        "clock" => {
            let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
            if now.as_secs() > 1_700_000_000 { Ok(Outcome::new()) } else { Err(Error::terminal("no real clock")) }
        }
        "environment" => look_around(),
        "retry" => Err(Error::retry_after("later", std::time::Duration::from_secs(7))),
        "terminal" => Err(Error::terminal("never")),
        "remember" => {
            use std::sync::atomic::{AtomicU32, Ordering};
            static RUNS: AtomicU32 = AtomicU32::new(0);
            match RUNS.fetch_add(1, Ordering::Relaxed) {
                0 => Ok(Outcome::new()),
                n => Err(Error::terminal(format!("memory of run {n} is still here"))),
            }
        }
        other => Err(Error::terminal(format!("unknown behaviour {other:?}"))),
    }
}

/// Looks for what a sandbox must not have.
fn look_around() -> Result<Outcome> {
    let (vars, args) = (std::env::vars().count(), std::env::args().count());
    let files = std::fs::read_dir("/").is_ok();
    let socket = std::net::TcpStream::connect("127.0.0.1:1").err().map(|e| e.kind());
    if vars == 0 && args == 0 && !files && socket != Some(std::io::ErrorKind::ConnectionRefused) {
        Ok(Outcome::new())
    } else {
        Err(Error::terminal(format!("vars {vars} args {args} files {files} socket {socket:?}")))
    }
}

#[inline(never)]
fn give_up() -> Result<Outcome> {
    panic!("the guest gave up")
}

/// Calls itself `n` times with next to nothing in each frame, so that the host's stack ends before the guest's own.
#[inline(never)]
fn down(n: usize) -> usize {
    if std::hint::black_box(n) == 0 { 0 } else { down(n - 1) + 1 }
}

#[inline(never)]
fn deep(n: u64) -> u64 {
    let here = std::hint::black_box([n; 64]);
    if n == 0 { 0 } else { deep(n + 1).wrapping_add(std::hint::black_box(here)[7]) }
}
