//! `make bench`: sandbox, queue, parsing in and out of the sandbox. Prints a table with medians and 99th percentiles.

mod queue;
mod sandbox;
mod table;

use anyhow::Result;
use table::Table;

#[tokio::main]
async fn main() -> Result<()> {
    let mut table = Table::default();
    queue::run(&mut table).await;
    sandbox::run(&mut table).await?;
    table.print();
    Ok(())
}
