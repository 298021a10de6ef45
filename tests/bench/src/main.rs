//! `make bench`: sandbox, queue, and a whole fleet with the real host. `motet-bench NAME…` runs only those; a table at the end.

mod blackhole;
mod dead;
mod devcluster;
mod fleet;
mod host;
mod idle;
mod latency;
mod load;
mod many;
mod member;
mod process;
mod queue;
mod reload;
mod sandbox;
mod ship;
mod table;

use anyhow::{Result, bail};
use table::Table;

/// What there is to run, in the order in which it runs.
const NAMES: [&str; 10] =
    ["queue", "sandbox", "idle", "latency", "blackhole", "dead", "ship", "many", "reload", "devcluster"];

#[tokio::main]
async fn main() -> Result<()> {
    let wanted: Vec<String> = std::env::args().skip(1).collect();
    if let Some(unknown) = wanted.iter().find(|w| !NAMES.contains(&w.as_str())) {
        bail!("there is no benchmark {unknown:?}; name any of {}, or none for all", NAMES.join(", "));
    }
    let mut table = Table::default();
    for name in NAMES.iter().filter(|n| wanted.is_empty() || wanted.iter().any(|w| w == *n)) {
        match *name {
            "queue" => queue::run(&mut table).await,
            "sandbox" => sandbox::run(&mut table).await?,
            "idle" => idle::run(&mut table).await?,
            "latency" => latency::run(&mut table).await?,
            "blackhole" => blackhole::run(&mut table).await?,
            "dead" => dead::run(&mut table).await?,
            "ship" => ship::run(&mut table).await?,
            "many" => many::run(&mut table).await?,
            "reload" => reload::run(&mut table).await?,
            _ => devcluster::run(&mut table).await?,
        }
    }
    table.print();
    Ok(())
}
