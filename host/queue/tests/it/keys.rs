//! One key: waiting once, running once, marked while running, delayed, backed off.

use std::time::Duration;

use motet_core::Priority::{High, Low, Normal};
use tokio::time::{Instant, advance};

use super::fixtures::{drain, key, now, queue, within};

#[tokio::test(start_paused = true)]
async fn added_often_it_waits_once() {
    let queue = queue();
    for _ in 0..3 {
        queue.add(key("p@m:a"), Normal);
    }
    queue.add_after(key("p@m:a"), Duration::from_secs(1), Normal);
    assert_eq!(queue.depth().ready, 1);
    assert_eq!(drain(&queue).await, ["p@m:a"]);
    assert!(within(&queue, Duration::from_secs(5)).await.is_none(), "the delayed add was merged into the run");
}

#[tokio::test(start_paused = true)]
async fn added_while_running_it_runs_once_more_after() {
    let queue = queue();
    queue.add(key("p@m:a"), Normal);
    let running = now(&queue).await.unwrap();
    for _ in 0..3 {
        queue.add(key("p@m:a"), Normal);
    }
    assert!(now(&queue).await.is_none(), "never two at once");
    running.done();
    assert_eq!(drain(&queue).await, ["p@m:a"]);
}

#[tokio::test(start_paused = true)]
async fn of_several_delays_the_shortest_holds() {
    let queue = queue();
    for seconds in [30, 10, 20] {
        queue.add_after(key("p@m:a"), Duration::from_secs(seconds), Normal);
    }
    let start = Instant::now();
    let running = within(&queue, Duration::from_secs(60)).await.unwrap();
    assert_eq!(start.elapsed(), Duration::from_secs(10));
    assert_eq!(running.enqueued_at, start + Duration::from_secs(10));
}

#[tokio::test(start_paused = true)]
async fn failures_double_the_delay_and_success_forgets_them() {
    let queue = queue();
    queue.add(key("p@m:a"), Normal);
    for expected in [5, 10, 20, 40] {
        let running = queue.get().await.unwrap();
        assert_eq!(queue.add_rate_limited(running.key.clone(), Normal, None), Duration::from_millis(expected));
    }
    let running = queue.get().await.unwrap();
    assert_eq!(queue.failures(&running.key), 4);
    queue.forget(&running.key);
    assert_eq!(queue.failures(&running.key), 0);
    assert_eq!(queue.add_rate_limited(running.key.clone(), Normal, None), Duration::from_millis(5));
}

#[tokio::test(start_paused = true)]
async fn the_servers_retry_after_is_a_floor() {
    let queue = queue();
    let floor = Some(Duration::from_secs(7));
    assert_eq!(queue.add_rate_limited(key("p@m:a"), Normal, floor), Duration::from_secs(7));
}

#[tokio::test(start_paused = true)]
async fn events_bring_a_failing_key_forward_without_inflating_its_backoff() {
    let queue = queue();
    queue.add(key("p@m:a"), Normal);
    for _ in 0..10 {
        let running = queue.get().await.unwrap();
        queue.add_rate_limited(running.key.clone(), Normal, None);
    }
    // The tenth failure delays by 2.56 s; a hundred events in that time each run it and let it fail.
    for _ in 0..100 {
        queue.add(key("p@m:a"), Normal);
        let running = now(&queue).await.expect("an event runs it at once");
        assert!(queue.add_rate_limited(running.key.clone(), Normal, None) <= Duration::from_millis(2560));
        drop(running);
        advance(Duration::from_millis(10)).await;
    }
    let start = Instant::now();
    let running = queue.get().await.unwrap();
    assert_eq!(start.elapsed(), Duration::from_millis(1560), "the retry time did not move");
    assert_eq!(queue.failures(&running.key), 110);
    assert_eq!(queue.add_rate_limited(running.key.clone(), Normal, None), Duration::from_millis(5120));
}

#[tokio::test(start_paused = true)]
async fn a_requeue_is_delayed_like_a_failure_and_not_counted_as_one() {
    let queue = queue();
    queue.add(key("p@m:a"), Normal);
    for expected in [5, 10] {
        let running = queue.get().await.unwrap();
        assert_eq!(queue.requeue(running.key.clone(), Normal), Duration::from_millis(expected));
    }
    assert_eq!(queue.failures(&key("p@m:a")), 0);
}

#[tokio::test(start_paused = true)]
async fn the_greater_priority_wins_and_moves_to_the_end_of_its_class() {
    let queue = queue();
    queue.add(key("p@m:a"), Low);
    queue.add(key("p@m:b"), High);
    queue.add(key("p@m:c"), Normal);
    queue.add(key("p@m:a"), High);
    queue.add(key("p@m:a"), Low);
    assert_eq!(drain(&queue).await, ["p@m:b", "p@m:a", "p@m:c"]);
    queue.add(key("p@m:a"), Low);
    assert_eq!(now(&queue).await.unwrap().priority, Low, "an old priority does not stick");
}

#[tokio::test(start_paused = true)]
async fn a_key_says_how_long_it_waited() {
    let queue = queue();
    queue.add(key("p@m:a"), Normal);
    let start = Instant::now();
    advance(Duration::from_secs(3)).await;
    queue.add(key("p@m:a"), Normal);
    let running = now(&queue).await.unwrap();
    assert_eq!((running.waited, running.enqueued_at), (Duration::from_secs(3), start));
}

#[tokio::test(start_paused = true)]
async fn nothing_is_kept_of_keys_that_are_done() {
    let queue = queue();
    for i in 0..1000 {
        queue.add(key(&format!("p@m{i}:a")), Normal);
    }
    assert_eq!(drain(&queue).await.len(), 1000);
    assert!(queue.depth_by_plugin().is_empty(), "no binding is left");
    assert!(!format!("{queue:?}").contains("m999"), "no member is left");
}
