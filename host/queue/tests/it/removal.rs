//! Members, plugins and bindings that go, and the end of the queue.

use std::time::Duration;

use motet_core::Priority::Normal;

use super::fixtures::{drain, key, member, now, plugin, queue, within};

#[tokio::test(start_paused = true)]
async fn one_call_removes_all_waiting_keys() {
    let queue = queue();
    for text in ["p@gone:a", "q@gone:b", "p@stays:a"] {
        queue.add(key(text), Normal);
    }
    queue.add_after(key("p@gone:c"), Duration::from_secs(1), Normal);
    assert_eq!(queue.remove_member(&member("gone")), 3);
    assert_eq!(queue.remove_member(&member("gone")), 0);
    assert_eq!(drain(&queue).await, ["p@stays:a"]);
    assert!(within(&queue, Duration::from_secs(5)).await.is_none());
    for text in ["p@a:x", "p@b:x", "q@a:x", "r@a:x"] {
        queue.add(key(text), Normal);
    }
    assert_eq!(queue.remove_plugin(&plugin("p")), 2);
    assert_eq!(queue.remove_binding(&plugin("r"), &member("a")), 1);
    assert_eq!(drain(&queue).await, ["q@a:x"]);
}

#[tokio::test(start_paused = true)]
async fn a_run_of_a_removed_binding_finishes_and_is_not_repeated() {
    let queue = queue();
    queue.add(key("p@m:a"), Normal);
    let running = now(&queue).await.unwrap();
    queue.add(key("p@m:a"), Normal);
    assert_eq!(queue.remove_binding(&plugin("p"), &member("m")), 0);
    queue.add_rate_limited(running.key.clone(), Normal, None);
    queue.add_after(running.key.clone(), Duration::ZERO, Normal);
    assert_eq!(queue.binding_depth(&plugin("p"), &member("m")).running, 1);
    running.done();
    queue.binding_idle(&plugin("p"), &member("m")).await;
    assert!(within(&queue, Duration::from_secs(5)).await.is_none());
}

#[tokio::test(start_paused = true)]
async fn a_member_that_returns_during_an_old_run_does_not_run_the_key_twice_at_once() {
    let queue = queue();
    queue.add(key("p@m:a"), Normal);
    let old = now(&queue).await.unwrap();
    queue.remove_member(&member("m"));
    queue.add(key("p@m:a"), Normal);
    assert!(now(&queue).await.is_none());
    old.done();
    assert_eq!(drain(&queue).await, ["p@m:a"]);
}

#[tokio::test(start_paused = true)]
async fn shutdown_hands_out_what_is_ready_and_drops_what_waits() {
    let queue = queue();
    queue.add(key("p@m:a"), Normal);
    queue.add(key("p@m:b"), Normal);
    queue.add_after(key("p@m:c"), Duration::from_secs(1), Normal);
    let running = now(&queue).await.unwrap();
    queue.shut_down();
    queue.add(key("p@m:d"), Normal);
    let last = queue.get().await.unwrap();
    assert_eq!(last.key, key("p@m:b"));
    let drained = tokio::spawn({
        let queue = queue.clone();
        async move { queue.drained().await }
    });
    let ended = tokio::spawn({
        let queue = queue.clone();
        async move { queue.get().await.is_none() }
    });
    queue.add_rate_limited(running.key.clone(), Normal, None);
    running.done();
    tokio::task::yield_now().await;
    assert!(!drained.is_finished() && !ended.is_finished(), "one still runs");
    last.done();
    drained.await.unwrap();
    assert!(ended.await.unwrap());
    assert!(queue.get().await.is_none());
}
