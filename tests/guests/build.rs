//! Gives the guests a heap from the start: growing memory costs a fresh sandbox about as much as all the rest of a small reconcile.

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    if std::env::var("CARGO_CFG_TARGET_FAMILY").as_deref() == Ok("wasm") {
        println!("cargo::rustc-link-arg=--initial-memory=2097152");
    }
}
