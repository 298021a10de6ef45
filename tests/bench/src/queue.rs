//! A key's way through the queue: add, get, forget, done.

use std::time::Instant;

use motet_core::{Key, MemberName, ObjectName, PluginName, Priority, Target};
use motet_queue::{Queue, Settings};

use crate::table::Table;

pub(crate) async fn run(table: &mut Table) {
    for keys in [1_000_usize, 100_000] {
        let keys = make(keys);
        let queue = Queue::new(Settings::default());
        let rounds = (400_000 / keys.len()).max(2);
        let start = Instant::now();
        for _ in 0..rounds {
            for key in &keys {
                queue.add(key.clone(), Priority::Normal);
            }
            for _ in 0..keys.len() {
                let Some(running) = queue.get().await else { return };
                queue.forget(&running.key);
                running.done();
            }
        }
        let each = start.elapsed().as_secs_f64() / (rounds * keys.len()) as f64;
        table.row(
            &format!("queue add+get+done, {} keys", keys.len()),
            format!("{:.2} µs a key", each * 1e6),
            "100 members, 4 plugins",
        );
    }
}

fn make(n: usize) -> Vec<Key> {
    let name = |i: usize| {
        let plugin = PluginName::new(format!("p{}", i % 4)).ok()?;
        let member = MemberName::new(format!("m{}", i % 100)).ok()?;
        Some(Key { plugin, member, target: Target::Object(ObjectName::namespaced("default", &format!("o{i}"))) })
    };
    (0..n).filter_map(name).collect()
}
