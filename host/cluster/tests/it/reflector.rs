//! Each rule of the reflector, shown by what it asks and what it says.

use std::{sync::Arc, time::Duration};

use futures::{StreamExt as _, stream::BoxStream};
use motet_cluster::Settings;
use motet_core::{Change, change::Interrupted, description::Scope, ports::MemberApi as _};
use tokio::{sync::Semaphore, time::timeout};

use super::server::{Reply, Server, event, pods, settings, status};

type Stream = BoxStream<'static, Change>;

/// A change as one word and what matters about it.
fn brief(change: Change) -> String {
    let name = |b: &[u8]| {
        let object: serde_json::Value = serde_json::from_slice(b).unwrap();
        assert_eq!((&object["kind"], &object["apiVersion"]), (&"Pod".into(), &"v1".into()), "{object}");
        object["metadata"]["name"].as_str().unwrap().to_string()
    };
    match change {
        Change::Reset => "reset".into(),
        Change::Initial(b) => format!("initial {}", name(&b)),
        Change::Synced { resource_version } => format!("synced {resource_version}"),
        Change::Resumed => "resumed".into(),
        Change::Upsert(b) => format!("upsert {}", name(&b)),
        Change::Delete(b) => format!("delete {}", name(&b)),
        Change::Bookmark { resource_version } => format!("bookmark {resource_version}"),
        Change::Interrupted(Interrupted { reason, blocked, .. }) => {
            format!("{reason}{}", if blocked { " blocked" } else { "" })
        }
    }
}

async fn next(stream: &mut Stream) -> String {
    let change = timeout(Duration::from_secs(10), stream.next()).await.expect("a change in time");
    brief(change.expect("a stream never ends"))
}

/// Reads until a change reads `last`; everything read, joined.
async fn until(stream: &mut Stream, last: &str) -> String {
    let mut all = Vec::new();
    while all.last().is_none_or(|l| l != last) {
        all.push(next(stream).await);
    }
    all.join(", ")
}

/// What was asked, as `list RV LIMIT TOKEN` and `watch RV`.
fn asked(server: &Server) -> Vec<String> {
    let brief = |a: super::server::Asked| {
        if a.is_watch() {
            assert_eq!(a.query("allowWatchBookmarks"), "true");
            format!("watch {}", a.query("resourceVersion")).trim_end().to_string()
        } else {
            format!("list {} {} {}", a.query("resourceVersion"), a.query("limit"), a.query("continue"))
                .trim_end()
                .to_string()
        }
    };
    server.log().into_iter().map(brief).collect()
}

fn watch(server: &Server, settings: Settings) -> Stream {
    server.client_with(settings).watch(&pods(), &Scope::default(), None)
}

fn idle() -> Reply {
    Reply::open(&[])
}

#[tokio::test]
async fn it_lists_in_pages_from_version_0_and_watches_from_the_list() {
    let lines = [
        event("ADDED", "c", "11"),
        event("MODIFIED", "c", "12"),
        event("DELETED", "a", "13"),
        event("BOOKMARK", "", "20"),
    ];
    let server =
        Server::script(vec![Reply::list("10", "tok", &["a"]), Reply::list("10", "", &["b"]), Reply::open(&lines)])
            .await;
    let mut stream = watch(&server, settings());
    assert_eq!(
        until(&mut stream, "bookmark 20").await,
        "reset, initial a, initial b, synced 10, upsert c, upsert c, delete a, bookmark 20"
    );
    assert_eq!(asked(&server), ["list 0 500", "list  500 tok", "watch 10"]);
}

#[tokio::test]
async fn the_end_of_a_watch_resumes_from_the_last_version_without_a_list() {
    let first = Reply::lines(&[event("ADDED", "a", "11"), event("BOOKMARK", "", "15")]);
    let server =
        Server::script(vec![Reply::list("10", "", &[]), first, Reply::open(&[event("ADDED", "b", "16")])]).await;
    let mut stream = watch(&server, settings());
    assert_eq!(until(&mut stream, "upsert b").await, "reset, synced 10, upsert a, bookmark 15, Closed, upsert b");
    assert_eq!(asked(&server), ["list 0 500", "watch 10", "watch 15"]);
}

#[tokio::test]
async fn a_given_version_is_resumed_from_without_a_list() {
    let at = Reply::list("80", "", &["a"]);
    let server = Server::script(vec![at, Reply::open(&[event("ADDED", "b", "78")]), idle()]).await;
    let client = server.client();
    let mut stream = client.watch(&pods(), &Scope::default(), Some("77".into()));
    assert_eq!(until(&mut stream, "upsert b").await, "resumed, upsert b");
    // One object said how far the server is; whoever resumes from before that need not ask.
    let mut other = client.watch(&pods(), &Scope::default(), Some("79".into()));
    assert_eq!(next(&mut other).await, "resumed");
    assert_eq!(asked(&server), ["list  1", "watch 77", "watch 79"]);
}

#[tokio::test]
async fn a_server_that_went_back_is_listed_anew_and_not_watched_in_silence() {
    let server = Server::script(vec![Reply::list("40", "", &["a"]), Reply::list("41", "", &["a", "b"]), idle()]).await;
    let mut stream = server.client().watch(&pods(), &Scope::default(), Some("77".into()));
    assert_eq!(until(&mut stream, "synced 41").await, "WentBack, reset, initial a, initial b, synced 41");
    // The same after a connection that broke under a watch.
    let server = Server::script(vec![
        Reply::list("77", "", &["a"]),
        Reply::cut("{"),
        Reply::list("40", "", &["b"]),
        Reply::list("40", "", &["b"]),
        idle(),
    ])
    .await;
    let mut stream = watch(&server, settings());
    assert_eq!(
        until(&mut stream, "synced 40").await,
        "reset, initial a, synced 77, ConnectionFailed, WentBack, reset, initial b, synced 40"
    );
    assert_eq!(asked(&server)[..4], ["list 0 500", "watch 77", "list  1", "list  500"]);
}

#[tokio::test]
async fn a_resumed_watch_is_told_once_it_is_open_and_only_then() {
    let refused = Reply::status(401, "Unauthorized", "who are you");
    let at = || Reply::list("77", "", &[]);
    let server =
        Server::script(vec![at(), refused, Reply::lines(&[]), Reply::open(&[event("ADDED", "b", "78")])]).await;
    let mut stream = server.client().watch(&pods(), &Scope::default(), Some("77".into()));
    assert_eq!(until(&mut stream, "upsert b").await, "Unauthorized, resumed, Closed, upsert b");
    let server =
        Server::script(vec![at(), Reply::status(410, "Expired", "old"), Reply::list("90", "", &[]), idle()]).await;
    let mut stream = server.client().watch(&pods(), &Scope::default(), Some("77".into()));
    assert_eq!(until(&mut stream, "synced 90").await, "Expired, reset, synced 90", "a list is no resumption");
}

#[tokio::test]
async fn an_expired_version_relists_not_older_than_it_and_then_from_scratch() {
    let expired = format!(r#"{{"type":"ERROR","object":{}}}"#, status(410, "Expired", "too old"));
    let server = Server::script(vec![
        Reply::list("10", "", &["a"]),
        Reply::lines(&[event("MODIFIED", "a", "12"), expired]),
        Reply::status(410, "Expired", "too old"),
        Reply::list("50", "", &["b"]),
        Reply::status(410, "Gone", "by status"),
        Reply::list("60", "", &["c"]),
        idle(),
    ])
    .await;
    let mut stream = watch(&server, settings());
    assert_eq!(
        until(&mut stream, "synced 60").await,
        "reset, initial a, synced 10, upsert a, Expired, Expired, reset, initial b, synced 50, Expired, reset, initial c, synced 60"
    );
    assert_eq!(asked(&server)[..6], ["list 0 500", "watch 10", "list 12", "list  500", "watch 50", "list 50"]);
}

#[tokio::test]
async fn a_version_that_the_server_has_not_reached_is_forgotten() {
    let server = Server::script(vec![
        Reply::list("77", "", &[]),
        Reply::status(410, "Expired", "x"),
        Reply::status(504, "Timeout", "Too large resource version: 77, current: 3"),
        Reply::list("3", "", &["a"]),
        idle(),
    ])
    .await;
    let mut stream = server.client().watch(&pods(), &Scope::default(), Some("77".into()));
    assert_eq!(until(&mut stream, "synced 3").await, "Expired, Expired, reset, initial a, synced 3");
    assert_eq!(asked(&server)[..4], ["list  1", "watch 77", "list 77", "list  500"]);
}

#[tokio::test]
async fn throttling_server_errors_and_broken_connections_back_off_without_a_list() {
    let error = format!(r#"{{"type":"ERROR","object":{}}}"#, status(500, "InternalError", "etcd"));
    let server = Server::script(vec![
        Reply::list("10", "", &[]),
        Reply::status(429, "TooManyRequests", "later").header("retry-after", "0"),
        Reply::status(500, "InternalError", "etcd"),
        Reply::lines(&[error]),
        Reply::cut(&format!("{}\n{{\"type\":\"ADD", event("ADDED", "a", "11"))),
        Reply::list("11", "", &[]),
        Reply::status(401, "Unauthorized", "who"),
        Reply::open(&[event("ADDED", "b", "12")]),
    ])
    .await;
    let mut stream = watch(&server, settings());
    assert_eq!(
        until(&mut stream, "upsert b").await,
        "reset, synced 10, Throttled, ServerError, ServerError, upsert a, ConnectionFailed, Unauthorized, upsert b"
    );
    let expected = ["list 0 500", "watch 10", "watch 10", "watch 10", "watch 10", "list  1", "watch 11", "watch 11"];
    assert_eq!(asked(&server), expected);
}

#[tokio::test]
async fn a_failed_first_list_is_repeated_as_it_was() {
    let server =
        Server::script(vec![Reply::status(503, "ServiceUnavailable", "x"), Reply::list("10", "", &["a"]), idle()])
            .await;
    let mut stream = watch(&server, settings());
    assert_eq!(until(&mut stream, "synced 10").await, "ServerError, reset, initial a, synced 10");
    assert_eq!(asked(&server)[..2], ["list 0 500", "list 0 500"]);
}

#[tokio::test]
async fn a_list_that_breaks_off_is_never_called_complete() {
    let half = r#"{"metadata":{"resourceVersion":"9"},"items":[{"metadata":{"name":"a"}},{"metadata":{"na"#;
    let server = Server::script(vec![
        Reply::cut(half),
        Reply::ok(half),
        Reply::list("9", "expired-token", &["a"]),
        Reply::status(410, "Expired", "the token"),
        Reply::list("10", "", &["b"]),
        idle(),
    ])
    .await;
    let mut stream = watch(&server, settings());
    assert_eq!(
        until(&mut stream, "synced 10").await,
        "reset, initial a, ConnectionFailed, reset, initial a, Malformed, reset, initial a, Expired, reset, initial b, synced 10"
    );
}

#[tokio::test]
async fn a_silent_watch_is_cut_and_resumed() {
    let mut settings = settings();
    settings.watch.timeout = (Duration::from_millis(50), Duration::from_millis(100));
    settings.watch.silence_margin = Duration::from_millis(50);
    let server =
        Server::script(vec![Reply::list("10", "", &[]), idle(), Reply::open(&[event("ADDED", "a", "11")])]).await;
    let mut stream = watch(&server, settings);
    assert_eq!(until(&mut stream, "upsert a").await, "reset, synced 10, Silent, upsert a");
    assert_eq!(asked(&server)[..3], ["list 0 500", "watch 10", "watch 10"]);
}

#[tokio::test]
async fn a_malformed_event_is_listed_past() {
    for bad in [
        "not json",
        r#"{"type":"ADDED","object":{"metadata":{}}}"#,
        r#"{"type":"ODD","object":{"metadata":{"resourceVersion":"1"}}}"#,
    ] {
        let server = Server::script(vec![
            Reply::list("10", "", &[]),
            Reply::open(&[bad.into()]),
            Reply::list("12", "", &["a"]),
            idle(),
        ])
        .await;
        let mut stream = watch(&server, settings());
        assert_eq!(
            until(&mut stream, "synced 12").await,
            "reset, synced 10, Malformed, reset, initial a, synced 12",
            "{bad}"
        );
        assert_eq!(asked(&server)[2], "list 10");
    }
}

#[tokio::test]
async fn a_kind_that_is_forbidden_or_missing_blocks_and_recovers_with_a_list() {
    let server = Server::script(vec![
        Reply::status(403, "Forbidden", "no"),
        Reply::list("10", "", &[]),
        Reply::new(404, "404 page not found"),
        Reply::list("20", "", &["a"]),
        idle(),
    ])
    .await;
    let mut stream = watch(&server, settings());
    assert_eq!(
        until(&mut stream, "synced 20").await,
        "Forbidden blocked, reset, synced 10, KindMissing blocked, reset, initial a, synced 20"
    );
    assert_eq!(asked(&server)[..4], ["list 0 500", "list 0 500", "watch 10", "list  500"]);
}

#[tokio::test]
async fn without_a_version_added_events_record_none() {
    let server = Server::script(vec![
        Reply::list("", "", &[]),
        Reply::lines(&[event("ADDED", "b", "9"), event("ADDED", "a", "4")]),
        Reply::list("", "", &[]),
        Reply::lines(&[event("ADDED", "b", "9"), event("MODIFIED", "b", "12"), event("ADDED", "c", "13")]),
        idle(),
    ])
    .await;
    let mut stream = watch(&server, settings());
    until(&mut stream, "upsert c").await;
    assert_eq!(next(&mut stream).await, "Closed");
    while asked(&server).len() < 5 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert_eq!(asked(&server), ["list 0 500", "watch", "list  500", "watch", "watch 13"]);
}

#[tokio::test]
async fn a_slow_subscriber_loses_nothing_and_restarts_only_its_watch() {
    let mut settings = settings();
    settings.watch.backlog = 2000;
    let events =
        |from: u32, to: u32| (from..=to).map(|v| event("ADDED", &format!("n{v}"), &v.to_string())).collect::<Vec<_>>();
    let server = Server::start(Default::default(), move |asked| async move {
        if !asked.is_watch() {
            return Reply::list("0", "", &[]);
        }
        let from: u32 = asked.query("resourceVersion").parse().unwrap_or(0);
        Reply::open(&events(from + 1, 100))
    })
    .await;
    let mut stream = server.client_with(settings).watch(&pods(), &Scope::default(), Some("1".into()));
    tokio::time::sleep(Duration::from_millis(100)).await;
    let all = until(&mut stream, "upsert n100").await;
    assert!(all.contains("Overflow"), "{all}");
    let upserts: Vec<_> = all.split(", ").filter(|c| c.starts_with("upsert")).map(String::from).collect();
    assert_eq!(upserts, (2..=100).map(|v| format!("upsert n{v}")).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_streaming_list_goes_on_as_a_watch_or_falls_back_to_a_list() {
    let mut streaming = settings();
    streaming.watch.streaming_list = true;
    streaming.watch.byte_timeout = Duration::from_millis(100);
    let end = r#"{"type":"BOOKMARK","object":{"metadata":{"resourceVersion":"10","annotations":{"k8s.io/initial-events-end":"true"}}}}"#;
    let initial = event("ADDED", "a", "4");
    let server = Server::script(vec![Reply::open(&[initial.clone(), end.into(), event("ADDED", "b", "11")])]).await;
    let mut stream = watch(&server, streaming.clone());
    assert_eq!(until(&mut stream, "upsert b").await, "reset, initial a, synced 10, upsert b");
    assert_eq!(server.log()[0].query("sendInitialEvents"), "true");

    let refused = (Reply::status(422, "Invalid", "sendInitialEvents"), "ServerError, reset, initial c, synced 12");
    // A proxy that swallows the bookmark.
    let hanging = (Reply::open(&[initial]), "reset, initial a, Silent, reset, initial c, synced 12");
    for (first, expected) in [refused, hanging] {
        let server = Server::script(vec![first, Reply::list("12", "", &["c"]), idle()]).await;
        let mut stream = watch(&server, streaming.clone());
        assert_eq!(until(&mut stream, "synced 12").await, expected);
    }
}

#[tokio::test]
async fn a_stalled_list_gives_its_permit_to_others() {
    let mut settings = settings();
    settings.list_permits = Arc::new(Semaphore::new(1));
    settings.watch.permit_lapse = Duration::from_millis(50);
    let stalled = Server::script(vec![Reply::open(&[r#"{"items":["#.into()])]).await;
    let healthy = Server::script(vec![Reply::list("10", "", &[]), idle()]).await;
    let mut first = watch(&stalled, settings.clone());
    assert_eq!(next(&mut first).await, "reset");
    let mut second = watch(&healthy, settings);
    assert_eq!(until(&mut second, "synced 10").await, "reset, synced 10");
}

#[tokio::test]
async fn a_watch_that_ends_at_once_backs_off() {
    let mut settings = settings();
    settings.watch.backoff = (Duration::from_secs(3600), Duration::from_secs(3600));
    let server = Server::script(vec![Reply::list("10", "", &[]), Reply::lines(&[]), idle()]).await;
    let mut stream = watch(&server, settings);
    assert_eq!(until(&mut stream, "Closed").await, "reset, synced 10, Closed");
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert_eq!(asked(&server), ["list 0 500", "watch 10"]);
}

#[tokio::test]
async fn dropping_the_stream_ends_its_request() {
    let (sender, open) = Reply::channel();
    let server = Server::script(vec![Reply::list("10", "", &[]), open]).await;
    let client = server.client();
    let scope = Scope { namespaces: vec!["n".into()], labels: "a=b".into(), fields: String::new() };
    let mut stream = client.watch(&pods(), &scope, None);
    until(&mut stream, "synced 10").await;
    assert!(
        server.log()[0].target.starts_with("/api/v1/namespaces/n/pods?labelSelector=a%3Db&"),
        "{}",
        server.log()[0].target
    );
    while server.log().len() < 2 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    drop(stream);
    timeout(Duration::from_secs(10), sender.closed()).await.expect("the request to end");
}
