//! A scripted API server: HTTP/1.1 in the clear, or HTTP/2 and HTTP/1.1 by ALPN over TLS.

use std::{
    collections::VecDeque,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use futures::{StreamExt as _, future::BoxFuture, stream};
use http::{HeaderMap, Request, Response};
use http_body::Frame;
use http_body_util::{BodyExt as _, StreamBody, combinators::UnsyncBoxBody};
use hyper::{body::Incoming, service::service_fn};
use hyper_util::{
    rt::{TokioExecutor, TokioIo},
    server::conn::auto,
};
use motet_cluster::{Allow, Client, Settings, WatchSettings, parse};
use motet_core::{Gvk, Resource};
use parking_lot::Mutex;
use tokio::{net::TcpListener, sync::mpsc, task::JoinSet};

pub(crate) type Body = UnsyncBoxBody<Bytes, std::io::Error>;

/// What a request looked like.
#[derive(Debug, Clone)]
pub(crate) struct Asked {
    pub(crate) method: String,
    pub(crate) target: String,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Asked {
    pub(crate) fn is_watch(&self) -> bool {
        self.target.contains("watch=true")
    }

    /// The value of a query parameter, still encoded; empty where it is absent.
    pub(crate) fn query(&self, key: &str) -> String {
        let query = self.target.split_once('?').map_or("", |(_, q)| q);
        query.split('&').find_map(|p| p.strip_prefix(key)?.strip_prefix('=')).unwrap_or_default().into()
    }
}

/// One answer.
pub(crate) struct Reply {
    status: u16,
    headers: Vec<(&'static str, String)>,
    body: Body,
}

fn body(chunks: impl futures::Stream<Item = std::io::Result<Bytes>> + Send + 'static) -> Body {
    StreamBody::new(chunks.map(|c| c.map(Frame::data))).boxed_unsync()
}

impl Reply {
    pub(crate) fn new(status: u16, text: impl Into<String>) -> Self {
        let text = Bytes::from(text.into());
        Self { status, headers: vec![], body: body(stream::once(async { Ok(text) })) }
    }

    pub(crate) fn ok(text: impl Into<String>) -> Self {
        Self::new(200, text)
    }

    pub(crate) fn header(mut self, name: &'static str, value: &str) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    /// A `Status`.
    pub(crate) fn status(code: u16, reason: &str, message: &str) -> Self {
        Self::new(code, status(code, reason, message))
    }

    /// A list of objects named `a`, `b`, … at a version.
    pub(crate) fn list(version: &str, token: &str, names: &[&str]) -> Self {
        let items: Vec<_> =
            names.iter().map(|n| format!(r#"{{"metadata":{{"name":"{n}","resourceVersion":"1"}}}}"#)).collect();
        Self::ok(format!(
            r#"{{"kind":"PodList","apiVersion":"v1","metadata":{{"resourceVersion":"{version}","continue":"{token}"}},"items":[{}]}}"#,
            items.join(",")
        ))
    }

    /// Lines, then the end.
    pub(crate) fn lines(lines: &[String]) -> Self {
        Self::ok(lines.iter().map(|l| format!("{l}\n")).collect::<String>())
    }

    /// Lines, then nothing for ever.
    pub(crate) fn open(lines: &[String]) -> Self {
        let text: String = lines.iter().map(|l| format!("{l}\n")).collect();
        Self {
            status: 200,
            headers: vec![],
            body: body(stream::once(async { Ok(text.into()) }).chain(stream::pending())),
        }
    }

    /// Some text, then the connection breaks.
    pub(crate) fn cut(text: &str) -> Self {
        let (text, error) = (Bytes::from(text.to_string()), std::io::Error::other("cut"));
        // The pause lets the text out before the connection goes.
        let late = stream::once(async move {
            tokio::time::sleep(Duration::from_millis(20)).await;
            Err(error)
        });
        Self { status: 200, headers: vec![], body: body(stream::once(async { Ok(text) }).chain(late)) }
    }

    /// Whatever is sent into the channel.
    pub(crate) fn channel() -> (mpsc::UnboundedSender<Bytes>, Self) {
        let (sender, mut receiver) = mpsc::unbounded_channel();
        let chunks = stream::poll_fn(move |cx| receiver.poll_recv(cx).map(|b: Option<Bytes>| b.map(Ok)));
        (sender, Self { status: 200, headers: vec![], body: body(chunks) })
    }
}

/// The JSON of a `Status`.
pub(crate) fn status(code: u16, reason: &str, message: &str) -> String {
    let kind = if code == 404 && reason == "NotFound" { r#","details":{"name":"x"}"# } else { "" };
    format!(r#"{{"kind":"Status","apiVersion":"v1","code":{code},"reason":"{reason}","message":"{message}"{kind}}}"#)
}

/// One line of a watch.
pub(crate) fn event(kind: &str, name: &str, version: &str) -> String {
    format!(
        r#"{{"type":"{kind}","object":{{"kind":"Pod","apiVersion":"v1","metadata":{{"name":"{name}","resourceVersion":"{version}"}}}}}}"#
    )
}

type Handler = Arc<dyn Fn(Asked) -> BoxFuture<'static, Reply> + Send + Sync>;

/// The certificate authority of a TLS server, and its settings.
pub(crate) struct Tls {
    pub(crate) ca: String,
    pub(crate) config: Arc<rustls::ServerConfig>,
}

impl Tls {
    pub(crate) fn new(protocols: &[&str]) -> Self {
        let made = rcgen::generate_simple_self_signed(vec!["127.0.0.1".into()]).unwrap();
        let key = rustls::pki_types::PrivateKeyDer::try_from(made.signing_key.serialize_der()).unwrap();
        let mut config =
            rustls::ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
                .with_safe_default_protocol_versions()
                .unwrap()
                .with_no_client_auth()
                .with_single_cert(vec![made.cert.der().clone()], key)
                .unwrap();
        config.alpn_protocols = protocols.iter().map(|p| p.as_bytes().to_vec()).collect();
        Self { ca: made.cert.pem(), config: Arc::new(config) }
    }
}

/// How a server behaves beneath its answers.
#[derive(Default)]
pub(crate) struct Options {
    pub(crate) tls: Option<Tls>,
    pub(crate) max_streams: Option<u32>,
}

/// A running server; dropping it ends it and its connections.
pub(crate) struct Server {
    pub(crate) port: u16,
    pub(crate) ca: Option<String>,
    log: Arc<Mutex<Vec<Asked>>>,
    accepted: Arc<AtomicUsize>,
    goaway: tokio::sync::watch::Sender<u32>,
    _tasks: JoinSet<()>,
}

impl Server {
    /// Answers by a function.
    pub(crate) async fn start<F>(options: Options, handler: impl Fn(Asked) -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = Reply> + Send + 'static,
    {
        let handler: Handler = Arc::new(move |asked| Box::pin(handler(asked)));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        Self::serve(listener, options, handler)
    }

    /// Answers by a list of replies, in order; then not at all.
    pub(crate) async fn script(replies: Vec<Reply>) -> Self {
        let replies = Arc::new(Mutex::new(VecDeque::from(replies)));
        Self::start(Options::default(), move |_| {
            let reply = replies.lock().pop_front();
            async { if let Some(reply) = reply { reply } else { std::future::pending().await } }
        })
        .await
    }

    fn serve(listener: TcpListener, options: Options, handler: Handler) -> Self {
        let port = listener.local_addr().unwrap().port();
        let (log, accepted) = (Arc::new(Mutex::new(Vec::new())), Arc::new(AtomicUsize::new(0)));
        let (goaway, closing) = tokio::sync::watch::channel(0);
        let ca = options.tls.as_ref().map(|t| t.ca.clone());
        let acceptor = options.tls.map(|t| tokio_rustls::TlsAcceptor::from(t.config));
        let (max_streams, seen, count) = (options.max_streams, log.clone(), accepted.clone());
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((tcp, _)) = listener.accept().await {
                count.fetch_add(1, Ordering::SeqCst);
                let (acceptor, handler, seen, mut closing) =
                    (acceptor.clone(), handler.clone(), seen.clone(), closing.clone());
                closing.mark_unchanged();
                connections.spawn(async move {
                    let service = service_fn(move |request| answer(request, handler.clone(), seen.clone()));
                    let mut builder = auto::Builder::new(TokioExecutor::new());
                    builder.http2().max_concurrent_streams(max_streams);
                    match acceptor {
                        None => drop(builder.serve_connection(TokioIo::new(tcp), service).await),
                        Some(acceptor) => {
                            let Ok(tls) = acceptor.accept(tcp).await else { return };
                            let mut connection = std::pin::pin!(builder.serve_connection(TokioIo::new(tls), service));
                            tokio::select! {
                                _ = connection.as_mut() => return,
                                _ = closing.changed() => connection.as_mut().graceful_shutdown(),
                            }
                            let _ = connection.await;
                        }
                    }
                });
            }
        });
        Self { port, ca, log, accepted, goaway, _tasks: tasks }
    }

    /// Tells clients of HTTP/2 connections to send new requests elsewhere.
    pub(crate) fn go_away(&self) {
        self.goaway.send_modify(|n| *n += 1);
    }

    /// Connections accepted so far.
    pub(crate) fn accepted(&self) -> usize {
        self.accepted.load(Ordering::SeqCst)
    }

    /// Requests so far.
    pub(crate) fn log(&self) -> Vec<Asked> {
        self.log.lock().clone()
    }

    /// A kubeconfig for it, at another port (a proxy's) and below a path.
    pub(crate) fn kubeconfig(&self, port: u16, prefix: &str, token: &str) -> Vec<u8> {
        let (scheme, ca) = match &self.ca {
            None => ("http", String::new()),
            Some(ca) => {
                use base64::Engine as _;
                let ca = base64::engine::general_purpose::STANDARD.encode(ca);
                ("https", format!(", certificate-authority-data: {ca}"))
            }
        };
        format!(
            "contexts: [{{name: c, context: {{cluster: k, user: u}}}}]\nusers: [{{name: u, user: {{token: {token}}}}}]\n\
             clusters: [{{name: k, cluster: {{server: '{scheme}://127.0.0.1:{port}{prefix}'{ca}}}}}]"
        )
        .into_bytes()
    }

    /// A client with quick settings.
    pub(crate) fn client(&self) -> Client {
        self.client_with(settings())
    }

    pub(crate) fn client_with(&self, settings: Settings) -> Client {
        let connection = parse(&self.kubeconfig(self.port, "", "tok"), None, None, &Allow::all()).unwrap();
        Client::new(connection, settings).unwrap()
    }
}

/// Settings scaled so that waits are short.
pub(crate) fn settings() -> Settings {
    Settings {
        connect_timeout: Duration::from_secs(2),
        request_timeout: Duration::from_secs(2),
        discovery_interval: Duration::from_millis(200),
        watch: WatchSettings {
            backoff: (Duration::from_millis(5), Duration::from_millis(20)),
            blocked_retry: Duration::from_millis(30),
            ..WatchSettings::default()
        },
        ..Settings::default()
    }
}

/// Pods, without asking discovery.
pub(crate) fn pods() -> Resource {
    Resource { gvk: Gvk::new("", "v1", "Pod"), plural: "pods".into(), namespaced: true, status: true, watchable: true }
}

async fn answer(
    request: Request<Incoming>,
    handler: Handler,
    log: Arc<Mutex<Vec<Asked>>>,
) -> Result<Response<Body>, std::io::Error> {
    let (head, body) = request.into_parts();
    let body = body.collect().await.map_err(std::io::Error::other)?.to_bytes();
    let target = head.uri.path_and_query().map(ToString::to_string).unwrap_or_default();
    let asked = Asked { method: head.method.to_string(), target, headers: head.headers, body };
    log.lock().push(asked.clone());
    let reply = handler(asked).await;
    let mut response = Response::builder().status(reply.status);
    for (name, value) in reply.headers {
        response = response.header(name, value);
    }
    Ok(response.body(reply.body).unwrap())
}
