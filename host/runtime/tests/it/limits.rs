//! Each way in which a guest can misbehave ends in its own class, and the next guest runs as if nothing had been.

use std::{sync::Arc, time::Duration};

use motet_core::{
    outcome::{KillClass, ReconcileError},
    ports::{HostCalls, Limits},
};

use crate::kit::{behaviour, guest, plugin, request, run, runtime};

async fn killed(config: &str, limits: Limits) -> (KillClass, String) {
    let runtime = runtime();
    let compiled = behaviour(&runtime).await;
    let error = run(&compiled, config, &limits).await.unwrap_err();
    run(&compiled, r#"{"what":"nothing"}"#, &Limits::default()).await.expect("the next one is undisturbed");
    match error {
        ReconcileError::Killed { class, message } => (class, message),
        other => panic!("{config}: {other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_panic_is_a_trap_that_names_the_guests_functions() {
    let (class, message) = killed(r#"{"what":"panic"}"#, Limits::default()).await;
    assert_eq!(class, KillClass::Trap);
    assert!(message.contains("behaviour::give_up"), "{message}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_loop_ends_at_the_cpu_limit() {
    let limits = Limits { cpu: Duration::from_millis(100), deadline: Duration::from_secs(30), ..Limits::default() };
    let (class, message) = killed(r#"{"what":"loop"}"#, limits).await;
    assert_eq!(class, KillClass::Deadline);
    assert!(message.contains("limits.cpu"), "{message}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_loop_ends_at_the_deadline_too() {
    let limits = Limits { cpu: Duration::from_secs(60), deadline: Duration::from_millis(100), ..Limits::default() };
    let (class, message) = killed(r#"{"what":"loop"}"#, limits).await;
    assert_eq!(class, KillClass::Deadline);
    assert!(message.contains("limits.deadline"), "{message}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_guest_that_waits_for_a_slow_read_ends_at_the_deadline() {
    let runtime = runtime();
    let compiled = behaviour(&runtime).await;
    let never: HostCalls = Arc::new(|_| Box::pin(std::future::pending()));
    let mut request = request(r#"{"what":"get"}"#);
    request.deadline = Duration::from_millis(50);
    let error = compiled.sandbox(&plugin()).reconcile(request, &Limits::default(), never).await.unwrap_err();
    assert!(matches!(error, ReconcileError::Killed { class: KillClass::Deadline, .. }), "{error:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn memory_beyond_the_limit_is_refused() {
    let (class, message) = killed(r#"{"what":"memory"}"#, Limits { memory: 8 << 20, ..Limits::default() }).await;
    assert_eq!(class, KillClass::Memory);
    assert!(message.contains("limits.memory"), "{message}");
}

#[tokio::test(flavor = "multi_thread")]
async fn deep_recursion_traps() {
    let (class, _) = killed(r#"{"what":"recursion"}"#, Limits::default()).await;
    assert_eq!(class, KillClass::Trap);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_smaller_stack_ends_earlier() {
    let (runtime, config) = (runtime(), r#"{"what":"depth","count":4000}"#);
    let small = runtime.compile(guest("behaviour"), 64 << 10).await.unwrap();
    let error = run(&small, config, &Limits::default()).await.unwrap_err();
    assert!(matches!(error, ReconcileError::Killed { class: KillClass::Trap, .. }), "{error:?}");
    assert!(error.to_string().contains("limits.stack"), "{error}");
    run(&small, r#"{"what":"nothing"}"#, &Limits::default()).await.unwrap();
    run(&behaviour(&runtime).await, config, &Limits::default()).await.expect("a stack of 1 MiB is enough");
}

#[tokio::test(flavor = "multi_thread")]
async fn host_calls_intents_and_bytes_are_counted() {
    for (config, limits, word) in [
        (r#"{"what":"calls","count":20}"#, Limits { host_calls: 10, ..Limits::default() }, "limits.hostCalls"),
        (r#"{"what":"intents","count":10000}"#, Limits::default(), "limits.intents"),
        (
            r#"{"what":"bytes","count":50000}"#,
            Limits { outcome_bytes: 10_000, ..Limits::default() },
            "limits.outcomeBytes",
        ),
    ] {
        let (class, message) = killed(config, limits).await;
        assert_eq!(class, KillClass::Limit, "{config}");
        assert!(message.contains(word), "{message}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_50_mb_outcome_does_not_fit_its_memory() {
    let (class, _) = killed(r#"{"what":"bytes","count":52428800}"#, Limits::default()).await;
    assert!(matches!(class, KillClass::Memory | KillClass::Limit), "{class:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flood_of_log_lines_does_not_stop_the_guest() {
    let runtime = runtime();
    let compiled = behaviour(&runtime).await;
    let limits = Limits { log_bytes_per_second: 1000, host_calls: 1_000_000, ..Limits::default() };
    run(&compiled, r#"{"what":"log","count":20000}"#, &limits).await.unwrap();
}
