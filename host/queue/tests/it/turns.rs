//! Who is next: members in turn, plugins in turn, priorities without starvation, limits that skip.

use std::{collections::HashMap, time::Duration};

use motet_core::Priority::{High, Low, Normal};
use motet_queue::{Queue, Settings};

use super::fixtures::{drain, key, member, now, plugin, queue};

#[tokio::test(start_paused = true)]
async fn a_flood_of_one_member_delays_another_by_one_turn() {
    let queue = queue();
    for i in 0..100_000 {
        queue.add(key(&format!("p@noisy:{i}")), Normal);
    }
    for _ in 0..10 {
        now(&queue).await.unwrap().done();
    }
    queue.add(key("p@quiet:one"), Normal);
    let mut turns = 0;
    while now(&queue).await.unwrap().key != key("p@quiet:one") {
        turns += 1;
    }
    assert!(turns <= 1, "served after {turns} turns of the noisy member");
}

#[tokio::test(start_paused = true)]
async fn plugins_share_a_members_turns_by_weight() {
    let queue = queue();
    queue.set_plugin_weight(&plugin("heavy"), 3);
    for i in 0..400 {
        queue.add(key(&format!("heavy@m:{i}")), Normal);
        queue.add(key(&format!("light@m:{i}")), Normal);
    }
    let mut served: HashMap<String, usize> = HashMap::new();
    for _ in 0..400 {
        *served.entry(now(&queue).await.unwrap().key.plugin.to_string()).or_default() += 1;
    }
    assert_eq!((served["heavy"], served["light"]), (300, 100));
}

#[tokio::test(start_paused = true)]
async fn within_a_plugin_first_come_is_first_served() {
    let queue = queue();
    for i in 0..20 {
        queue.add(key(&format!("p@m:{i}")), Normal);
    }
    let expected: Vec<String> = (0..20).map(|i| format!("p@m:{i}")).collect();
    assert_eq!(drain(&queue).await, expected);
}

#[tokio::test(start_paused = true)]
async fn a_low_priority_gets_every_ninth_turn_of_a_busy_queue() {
    let queue = queue();
    for i in 0..10 {
        queue.add(key(&format!("p@m:low{i}")), Low);
    }
    let mut low = 0;
    for i in 0..90 {
        queue.add(key(&format!("p@m:high{}", 2 * i)), High);
        queue.add(key(&format!("p@m:high{}", 2 * i + 1)), High);
        low += usize::from(now(&queue).await.unwrap().priority == Low);
    }
    assert_eq!(low, 10);
}

#[tokio::test(start_paused = true)]
async fn limits_skip_full_bindings_and_members() {
    let queue = queue();
    queue.set_limits(&plugin("p"), 2);
    queue.set_member_limit(&member("small"), 3);
    for i in 0..5 {
        for binding in ["p@small", "q@small", "p@big"] {
            queue.add(key(&format!("{binding}:{i}")), Normal);
        }
    }
    let mut running = Vec::new();
    while let Some(one) = now(&queue).await {
        running.push(one);
    }
    let count = |prefix: &str| running.iter().filter(|r| r.key.to_string().starts_with(prefix)).count();
    assert_eq!((count("p@big"), count("p@small") + count("q@small")), (2, 3));
    let small = running.iter().position(|r| r.key.member == member("small")).unwrap();
    running.swap_remove(small).done();
    assert_eq!(now(&queue).await.unwrap().key.member, member("small"), "a freed place is taken at once");
    queue.set_limits(&plugin("p"), 3);
    assert_eq!(now(&queue).await.unwrap().key.to_string(), "p@big:2", "a raised limit counts at once");
}

#[tokio::test(start_paused = true)]
async fn a_full_binding_with_fresh_changes_still_works_off_its_initial_list() {
    let queue = queue();
    queue.set_limits(&plugin("p"), 1);
    queue.add(key("p@m:initial"), Low);
    let mut others = 0;
    loop {
        queue.add(key("p@m:fresh"), Normal);
        queue.add(key("q@m:fresh"), Normal);
        let first = now(&queue).await.unwrap();
        let second = now(&queue).await.unwrap();
        if [&first, &second].iter().any(|r| r.key == key("p@m:initial")) {
            break;
        }
        others += 2;
        assert!(others < 100, "starved");
    }
}

#[tokio::test]
async fn many_workers_run_every_key_and_never_one_twice_at_once() {
    let queue = Queue::new(Settings { base: Duration::from_millis(1), ..Settings::default() });
    let busy = std::sync::Arc::new(parking_lot::Mutex::new(std::collections::HashSet::new()));
    let total = std::sync::Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let workers: Vec<_> = (0..8)
        .map(|_| {
            let (queue, busy, total) = (queue.clone(), busy.clone(), total.clone());
            tokio::spawn(async move {
                while let Some(running) = queue.get().await {
                    assert!(busy.lock().insert(running.key.clone()), "two at once");
                    tokio::task::yield_now().await;
                    let failures = queue.failures(&running.key);
                    if failures < 2 {
                        queue.add_rate_limited(running.key.clone(), Normal, None);
                    }
                    assert!(busy.lock().remove(&running.key));
                    total.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
                }
            })
        })
        .collect();
    for i in 0..500 {
        queue.add(key(&format!("p{}@m{}:{i}", i % 3, i % 7)), Normal);
    }
    tokio::time::timeout(Duration::from_secs(30), async {
        while total.load(std::sync::atomic::Ordering::Relaxed) < 1500 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    })
    .await
    .expect("no wake-up is lost");
    queue.shut_down();
    queue.drained().await;
    for worker in workers {
        worker.await.unwrap();
    }
}
