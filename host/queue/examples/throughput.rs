//! What one key costs from add to done, with few and with many keys waiting.
//!
//! `cargo run --release -p motet-queue --example throughput`

use std::time::Instant;

use motet_core::{Key, MemberName, ObjectName, PluginName, Priority, Target};
use motet_queue::{Queue, Settings};

fn keys(count: usize) -> Result<Vec<Key>, Box<dyn std::error::Error>> {
    let plugins: Vec<PluginName> = (0..5).map(|i| PluginName::new(format!("plugin-{i}"))).collect::<Result<_, _>>()?;
    let members: Vec<MemberName> = (0..100).map(|i| MemberName::new(format!("edge-{i}"))).collect::<Result<_, _>>()?;
    let key = |i: usize| Key {
        plugin: plugins[i % 5].clone(),
        member: members[i / 5 % 100].clone(),
        target: Target::Object(ObjectName::namespaced("team", &format!("object-{i}"))),
    };
    Ok((0..count).map(key).collect())
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    for count in [1_000, 100_000] {
        let keys = keys(count)?;
        let queue = Queue::new(Settings::default());
        let rounds = 1_000_000 / count;
        let start = Instant::now();
        for _ in 0..rounds {
            for key in &keys {
                queue.add(key.clone(), Priority::Normal);
            }
            for _ in 0..count {
                let running = queue.get().await.ok_or("the queue is shut down")?;
                queue.forget(&running.key);
            }
        }
        let each = start.elapsed().as_nanos() / (rounds * count) as u128;
        println!("{count} keys of 100 members and 5 plugins: {each} ns for add, get, forget and done");
    }
    Ok(())
}
