//! What delays a key whatever events say: holds and parks.

use std::time::Duration;

use motet_core::Priority::Normal;
use tokio::time::{Instant, advance};

use super::fixtures::{drain, key, member, now, plugin, queue, within};

#[tokio::test(start_paused = true)]
async fn events_do_not_shorten_a_hold() {
    let queue = queue();
    queue.add(key("p@m:a"), Normal);
    let running = now(&queue).await.unwrap();
    queue.add(key("p@m:a"), Normal);
    queue.hold(key("p@m:a"), Instant::now() + Duration::from_secs(60));
    running.done();
    advance(Duration::from_secs(59)).await;
    queue.add(key("p@m:a"), Normal);
    assert!(now(&queue).await.is_none());
    assert!(within(&queue, Duration::from_secs(2)).await.is_some());
    assert!(within(&queue, Duration::from_secs(600)).await.is_none(), "one run for all of it");
}

#[tokio::test(start_paused = true)]
async fn a_hold_is_lifted_for_a_key_or_a_binding() {
    let queue = queue();
    for name in ["a", "b", "c"] {
        queue.add_backoff(key(&format!("p@m:{name}")), Duration::from_secs(600));
    }
    queue.release(&key("p@m:a"));
    assert!(now(&queue).await.is_none(), "a release is for parked keys");
    queue.lift(&key("p@m:a"));
    assert_eq!(drain(&queue).await, ["p@m:a"]);
    queue.release_binding(&plugin("p"), &member("m"));
    assert_eq!(drain(&queue).await.len(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_parked_key_waits_for_its_release() {
    let queue = queue();
    queue.add(key("p@m:a"), Normal);
    let running = now(&queue).await.unwrap();
    queue.park(key("p@m:a"), Instant::now() + Duration::from_secs(5));
    running.done();
    queue.add(key("p@m:a"), Normal);
    assert!(now(&queue).await.is_none());
    queue.release(&key("p@m:a"));
    assert!(!now(&queue).await.unwrap().stale);
}

#[tokio::test(start_paused = true)]
async fn a_parked_key_runs_stale_at_its_deadline() {
    let queue = queue();
    queue.park(key("p@m:a"), Instant::now() + Duration::from_secs(5));
    queue.add(key("p@m:a"), Normal);
    let running = within(&queue, Duration::from_secs(6)).await.unwrap();
    assert!(running.stale);
    running.done();
    queue.add(key("p@m:a"), Normal);
    assert!(!now(&queue).await.unwrap().stale, "staleness is of one run");
}

#[tokio::test(start_paused = true)]
async fn a_parked_key_that_nothing_asks_for_does_not_run_and_is_forgotten() {
    let queue = queue();
    queue.park(key("p@m:a"), Instant::now() + Duration::from_secs(5));
    assert!(within(&queue, Duration::from_secs(10)).await.is_none());
    assert_eq!((queue.depth().delayed, queue.depth_by_plugin().len()), (0, 0));
}
