//! Connections: how many, what is shared, what is survived, and what is said when they fail.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use futures::{StreamExt as _, future::join_all, stream::BoxStream};
use motet_cluster::{Allow, Client, Credentials, Secret, parse};
use motet_core::{Change, ObjectName, description::Scope, ports::MemberApi as _};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    sync::mpsc::UnboundedSender,
    time::timeout,
};

use super::server::{Asked, Options, Reply, Server, Tls, event, pods, settings};

const IN_TIME: Duration = Duration::from_secs(20);

/// A server over TLS whose watches are fed through `feeds`, by namespace, and whose other answers are `{}`.
async fn watched(protocols: &[&str], max_streams: Option<u32>) -> (Server, Feeds) {
    let feeds = Feeds::default();
    let taken = feeds.clone();
    let options = Options { tls: Some(Tls::new(protocols)), max_streams };
    let server = Server::start(options, move |asked: Asked| {
        let feeds = taken.clone();
        async move {
            if asked.query("limit") == "1" {
                return Reply::list("1", "", &[]);
            }
            if !asked.is_watch() {
                return Reply::ok("{}");
            }
            let (sender, reply) = Reply::channel();
            let namespace = asked.target.split('/').nth(4).unwrap().to_string();
            feeds.0.lock().insert(namespace, sender);
            reply
        }
    })
    .await;
    (server, feeds)
}

#[derive(Clone, Default)]
struct Feeds(Arc<parking_lot::Mutex<std::collections::HashMap<String, UnboundedSender<bytes::Bytes>>>>);

impl Feeds {
    fn send(&self, namespace: usize, version: &str) -> bool {
        let line = format!("{}\n", event("ADDED", "x", version));
        self.0.lock().get(&format!("n{namespace}")).is_some_and(|s| s.send(line.into()).is_ok())
    }

    async fn connected(&self, count: usize) {
        timeout(IN_TIME, async {
            while self.0.lock().len() < count {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        })
        .await
        .expect("all watches to be open");
    }
}

fn watch(client: &Client, namespace: usize) -> BoxStream<'static, Change> {
    let scope = Scope { namespaces: vec![format!("n{namespace}")], ..Scope::default() };
    let news = |change: &Change| std::future::ready(*change != Change::Resumed);
    client.watch(&pods(), &scope, Some("1".into())).filter(news).boxed()
}

async fn call(client: &Client) -> Result<(), motet_core::ApiError> {
    client.get(&pods(), &ObjectName::namespaced("a", "b")).await.map(drop)
}

async fn upsert(stream: &mut BoxStream<'static, Change>) {
    let change = timeout(IN_TIME, stream.next()).await.expect("a change in time");
    assert!(matches!(change, Some(Change::Upsert(_))), "{change:?}");
}

#[tokio::test]
async fn thirty_watches_and_all_calls_take_two_connections() {
    let (server, feeds) = watched(&["h2", "http/1.1"], None).await;
    let client = server.client();
    let mut streams: Vec<_> = (0..30).map(|n| watch(&client, n)).collect();
    feeds.connected(30).await;
    for result in join_all((0..20).map(|_| call(&client))).await {
        result.unwrap();
    }
    (0..30).for_each(|n| assert!(feeds.send(n, "2")));
    join_all(streams.iter_mut().map(upsert)).await;
    assert_eq!((server.accepted(), client.connections()), (2, (1, 1)));
}

#[tokio::test]
async fn past_the_servers_stream_limit_watches_open_another_connection() {
    let (server, feeds) = watched(&["h2"], Some(10)).await;
    let client = server.client();
    let mut streams = vec![watch(&client, 0)];
    feeds.connected(1).await;
    streams.extend((1..30).map(|n| watch(&client, n)));
    feeds.connected(30).await;
    assert_eq!(server.accepted(), 4, "three for watches, one for calls");
}

#[tokio::test]
async fn one_stalled_stream_of_thirty_does_not_stop_the_others() {
    let (server, feeds) = watched(&["h2"], None).await;
    let mut settings = settings();
    settings.watch.backlog = 64 << 10;
    // Small windows, so that a flood overflows them soon.
    settings.watch_window = 64 << 10;
    let client = server.client_with(settings);
    let mut streams: Vec<_> = (0..30).map(|n| watch(&client, n)).collect();
    feeds.connected(30).await;
    // Nobody polls stream 0; 20 MB come for it, more than the whole connection's window.
    for version in 0..20_000 {
        let padded = event("ADDED", &"x".repeat(1000), &version.to_string());
        if feeds.0.lock()["n0"].send(format!("{padded}\n").into()).is_err() {
            break;
        }
    }
    for round in 2..10 {
        (1..30).for_each(|n| assert!(feeds.send(n, &round.to_string())));
        join_all(streams[1..].iter_mut().map(upsert)).await;
    }
    assert_eq!(server.accepted(), 2, "one for watches, one for calls");
}

#[tokio::test]
async fn goaway_is_survived() {
    let (server, feeds) = watched(&["h2"], None).await;
    let client = server.client();
    let mut old = watch(&client, 0);
    feeds.connected(1).await;
    call(&client).await.unwrap();
    server.go_away();
    // The watch that is open goes on; new requests find a new connection.
    assert!(feeds.send(0, "2"));
    upsert(&mut old).await;
    timeout(IN_TIME, async {
        while server.accepted() < 4 {
            call(&client).await.unwrap();
            let _new = watch(&client, 1);
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    })
    .await
    .expect("new connections after GOAWAY");
    assert!(feeds.send(0, "3"));
    upsert(&mut old).await;
}

#[tokio::test]
async fn http1_is_the_fallback_and_its_connections_are_used_again() {
    let (server, feeds) = watched(&["http/1.1"], None).await;
    let client = server.client();
    for _ in 0..20 {
        call(&client).await.unwrap();
    }
    assert_eq!(server.accepted(), 1);
    let mut stream = watch(&client, 0);
    feeds.connected(1).await;
    assert!(feeds.send(0, "2"));
    upsert(&mut stream).await;
    for result in join_all((0..50).map(|_| call(&client))).await {
        result.unwrap();
    }
    assert!(server.accepted() <= 1 + 1 + 16, "{} connections", server.accepted());
}

#[tokio::test]
async fn requests_carry_prefix_agent_and_the_token_of_the_moment() {
    let (server, feeds) = watched(&["h2"], None).await;
    let mut connection =
        parse(&server.kubeconfig(server.port, "/k8s/clusters/c-1/", "one"), None, None, &Allow::all()).unwrap();
    connection.impersonate.user = Some("jane".into());
    let client = Client::new(connection, settings()).unwrap();
    call(&client).await.unwrap();
    client.swap_credentials(Credentials::Token(Secret::new("two"))).unwrap();
    call(&client).await.unwrap();
    client.try_credentials(&Credentials::Token(Secret::new("three"))).await.unwrap();
    call(&client).await.unwrap();
    let log = server.log();
    let header = |i: usize, name: &str| log[i].headers[name].to_str().unwrap().to_string();
    assert_eq!(log[0].target, "/k8s/clusters/c-1/api/v1/namespaces/a/pods/b");
    assert_eq!(header(0, "user-agent"), concat!("motet-host/", env!("CARGO_PKG_VERSION")));
    assert_eq!(header(0, "impersonate-user"), "jane");
    let tokens: Vec<_> = (0..4).map(|i| header(i, "authorization")).collect();
    assert_eq!(tokens, ["Bearer one", "Bearer two", "Bearer three", "Bearer two"]);
    assert_eq!(server.accepted(), 1, "a new token needs no new connection");
    drop(feeds);
}

/// Passes bytes on both ways until told to swallow them.
async fn proxy(to: u16) -> (u16, Arc<AtomicBool>) {
    let (listener, swallow) = (TcpListener::bind("127.0.0.1:0").await.unwrap(), Arc::new(AtomicBool::new(false)));
    let (port, flag) = (listener.local_addr().unwrap().port(), swallow.clone());
    tokio::spawn(async move {
        while let Ok((client, _)) = listener.accept().await {
            let server = TcpStream::connect(("127.0.0.1", to)).await.unwrap();
            let ((client_read, client_write), (server_read, server_write)) = (client.into_split(), server.into_split());
            for (mut read, mut write) in [(client_read, server_write), (server_read, client_write)] {
                let flag = flag.clone();
                tokio::spawn(async move {
                    let mut buffer = vec![0; 16 << 10];
                    while let Ok(n @ 1..) = read.read(&mut buffer).await {
                        if !flag.load(Ordering::SeqCst) && write.write_all(&buffer[..n]).await.is_err() {
                            break;
                        }
                    }
                });
            }
        }
    });
    (port, swallow)
}

#[tokio::test]
async fn a_peer_that_stops_answering_pings_is_given_up() {
    let (server, feeds) = watched(&["h2"], None).await;
    let (port, swallow) = proxy(server.port).await;
    let mut settings = settings();
    (settings.ping_interval, settings.ping_timeout) = (Duration::from_millis(50), Duration::from_millis(200));
    let connection = parse(&server.kubeconfig(port, "", "t"), None, None, &Allow::all()).unwrap();
    let client = Client::new(connection, settings).unwrap();
    let mut stream = watch(&client, 0);
    feeds.connected(1).await;
    assert!(feeds.send(0, "2"));
    upsert(&mut stream).await;
    swallow.store(true, Ordering::SeqCst);
    let change = timeout(IN_TIME, stream.next()).await.expect("the loss to be noticed").unwrap();
    assert!(matches!(&change, Change::Interrupted(i) if i.reason == "ConnectionFailed"), "{change:?}");
}

#[tokio::test]
async fn an_http_proxy_is_asked_for_a_tunnel() {
    let (server, _feeds) = watched(&["h2"], None).await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let proxy = listener.local_addr().unwrap().port();
    let to = server.port;
    tokio::spawn(async move {
        let (mut client, _) = listener.accept().await.unwrap();
        let mut head = vec![0; 1024];
        let n = client.read(&mut head).await.unwrap();
        assert!(head[..n].starts_with(format!("CONNECT 127.0.0.1:{to} HTTP/1.1\r\n").as_bytes()));
        client.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await.unwrap();
        let mut server = TcpStream::connect(("127.0.0.1", to)).await.unwrap();
        let _ = tokio::io::copy_bidirectional(&mut client, &mut server).await;
    });
    let mut connection = parse(&server.kubeconfig(server.port, "", "t"), None, None, &Allow::all()).unwrap();
    connection.proxy = Some(("127.0.0.1".into(), proxy));
    call(&Client::new(connection, settings()).unwrap()).await.unwrap();
}

#[tokio::test]
async fn failures_are_told_apart() {
    let (server, _feeds) = watched(&["h2"], None).await;
    let other = Tls::new(&[]);
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let closed = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().port();
    let reason = async |port: u16, ca: Option<&str>| {
        let mut connection = parse(&server.kubeconfig(port, "", "t"), None, None, &Allow::all()).unwrap();
        connection.tls.ca = ca.map(|c| c.as_bytes().to_vec()).or(connection.tls.ca);
        let mut settings = settings();
        settings.connect_timeout = Duration::from_millis(100);
        call(&Client::new(connection, settings).unwrap()).await.unwrap_err().reason
    };
    assert_eq!(reason(closed, None).await, "ConnectionRefused");
    assert_eq!(reason(silent.local_addr().unwrap().port(), None).await, "ConnectTimeout");
    assert_eq!(reason(server.port, Some(&other.ca)).await, "CertificateInvalid");
}

#[tokio::test]
async fn a_call_is_bounded_in_time_and_size() {
    let answers = AtomicUsize::new(0);
    let server = Server::start(Options::default(), move |_| {
        let n = answers.fetch_add(1, Ordering::SeqCst);
        async move { if n == 0 { Reply::open(&["{".into()]) } else { Reply::ok("x".repeat(2000)) } }
    })
    .await;
    let mut settings = settings();
    (settings.request_timeout, settings.max_body) = (Duration::from_millis(100), 1000);
    let client = server.client_with(settings);
    assert_eq!(call(&client).await.unwrap_err().reason, "Timeout");
    let error = call(&client).await.unwrap_err();
    assert!(error.reason == "InvalidAnswer" && error.message.contains("getting pods a/b"), "{error}");
}

#[tokio::test]
async fn a_closed_client_ends_its_connections_and_watches_fail() {
    let (server, feeds) = watched(&["h2"], None).await;
    let client = server.client();
    let mut stream = watch(&client, 0);
    feeds.connected(1).await;
    call(&client).await.unwrap();
    client.close();
    assert!(call(&client).await.is_err());
    let change = timeout(IN_TIME, stream.next()).await.unwrap();
    assert!(matches!(change, Some(Change::Interrupted(_))), "{change:?}");
    let sender = feeds.0.lock().remove("n0").unwrap();
    timeout(IN_TIME, sender.closed()).await.expect("the server to see the end");
}
