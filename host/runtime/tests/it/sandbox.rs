//! What a guest sees, and that nothing of it stays.

use bytes::Bytes;
use motet_core::{
    outcome::{Failure, Intent, ReconcileError},
    ports::{HostCall, HostReply, Limits, ReadError},
};
use std::{sync::Arc, time::Duration};

use crate::kit::{behaviour, nothing, plugin, request, run, runtime};

#[tokio::test(flavor = "multi_thread")]
async fn a_request_reaches_the_guest_and_an_intent_comes_back() {
    let runtime = runtime();
    let compiled = behaviour(&runtime).await;
    let outcome = run(&compiled, r#"{"what":"echo"}"#, &Limits::default()).await.unwrap();
    let [Intent::Apply { object, force: true }] = &outcome.intents[..] else { panic!("{outcome:?}") };
    let object: serde_json::Value = serde_json::from_slice(object).unwrap();
    let seen: serde_json::Value = serde_json::from_str(object["data"]["seen"].as_str().unwrap()).unwrap();
    assert_eq!(seen["member"], "edge-1");
    assert_eq!((&seen["name"], &seen["namespace"], &seen["attempt"]), (&"x".into(), &"default".into(), &3.into()));
    assert_eq!(seen["primary"]["data"]["a"], "b");
}

#[tokio::test(flavor = "multi_thread")]
async fn reads_go_through_one_function_and_their_errors_come_back() {
    let runtime = runtime();
    let compiled = behaviour(&runtime).await;
    let sandbox = compiled.sandbox(&plugin());
    let answer = |reply: Result<Option<Bytes>, ReadError>| -> motet_core::ports::HostCalls {
        Arc::new(move |call| {
            let HostCall::Get(objects) = &call else { panic!("{call:?}") };
            assert_eq!(objects[0].to_string(), "v1/ConfigMap default/other");
            let reply = reply.clone();
            Box::pin(async move { HostReply::Objects(vec![reply]) })
        })
    };
    let found = answer(Ok(Some(Bytes::from_static(b"{\"data\":1}"))));
    let outcome = sandbox.reconcile(request(r#"{"what":"get"}"#), &Limits::default(), found).await.unwrap();
    assert!(matches!(&outcome.intents[..], [Intent::Patch { body, .. }] if **body == *b"{\"data\":1}"));
    let denied = answer(Err(ReadError::NotGranted("get secrets".into())));
    let error = sandbox.reconcile(request(r#"{"what":"get"}"#), &Limits::default(), denied).await.unwrap_err();
    assert_eq!(error, ReconcileError::Failure(Failure::NotGranted { message: "get secrets".into() }));
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_remembered_between_two_calls() {
    let runtime = runtime();
    let compiled = behaviour(&runtime).await;
    for _ in 0..3 {
        run(&compiled, r#"{"what":"remember"}"#, &Limits::default()).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_guest_has_clocks_but_no_environment_files_or_sockets() {
    let runtime = runtime();
    let compiled = behaviour(&runtime).await;
    run(&compiled, r#"{"what":"clock"}"#, &Limits::default()).await.unwrap();
    run(&compiled, r#"{"what":"environment"}"#, &Limits::default()).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_guest_says_went_wrong_is_not_mixed_with_kills() {
    let runtime = runtime();
    let compiled = behaviour(&runtime).await;
    let retry = run(&compiled, r#"{"what":"retry"}"#, &Limits::default()).await.unwrap_err();
    let later = Failure::Retry { message: "later".into(), after: Some(Duration::from_secs(7)) };
    assert_eq!(retry, ReconcileError::Failure(later));
    let terminal = run(&compiled, r#"{"what":"terminal"}"#, &Limits::default()).await.unwrap_err();
    assert_eq!(terminal, ReconcileError::Failure(Failure::Terminal { message: "never".into() }));
}

#[tokio::test(flavor = "multi_thread")]
async fn many_run_at_once() {
    let runtime = runtime();
    let compiled = behaviour(&runtime).await;
    let sandbox = compiled.sandbox(&plugin());
    let runs = (0..12).map(|_| {
        let sandbox = sandbox.clone();
        tokio::spawn(
            async move { sandbox.reconcile(request(r#"{"what":"echo"}"#), &Limits::default(), nothing()).await },
        )
    });
    for run in runs.collect::<Vec<_>>() {
        run.await.unwrap().unwrap();
    }
}
