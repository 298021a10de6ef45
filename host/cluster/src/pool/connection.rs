//! Opens the connections of a pool and drives them.

use std::{
    future::poll_fn,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::Poll,
    time::Duration,
};

use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use motet_core::ApiError;
use parking_lot::Mutex;
use tokio::time::Instant;

use super::RequestBody;
use crate::connect::{Connector, Opened, Stream, Switch};

/// The settings an HTTP/2 connection is opened with.
#[derive(Clone, Copy)]
pub(super) struct Shape {
    pub(super) window: u32,
    pub(super) max_streams: usize,
    pub(super) ping_interval: Duration,
    pub(super) ping_timeout: Duration,
    pub(super) settings_timeout: Duration,
}

/// One shared HTTP/2 connection.
pub(super) struct Http2 {
    pub(super) sender: http2::SendRequest<RequestBody>,
    pub(super) active: AtomicUsize,
    /// Shared with the task that drives it, for the server's stream limit as of now; gone once the connection takes no more requests.
    connection: Arc<Mutex<Option<Http2Connection>>>,
    pub(super) switch: Arc<Switch>,
}

type Http2Connection = http2::Connection<TokioIo<Stream>, RequestBody, TokioExecutor>;

impl Http2 {
    /// How many streams the server takes; 0 before it has said so.
    fn server_limit(&self) -> usize {
        self.connection.lock().as_ref().map_or(0, Http2Connection::current_max_send_streams)
    }

    pub(super) fn has_room(&self, most: usize) -> bool {
        self.active.load(Ordering::Relaxed) < most.min(self.server_limit())
    }
}

impl Drop for Http2 {
    fn drop(&mut self) {
        self.switch.turn_off();
    }
}

/// One HTTP/1.1 connection.
pub(super) struct Http1 {
    pub(super) sender: http1::SendRequest<RequestBody>,
    pub(super) switch: Arc<Switch>,
}

impl Drop for Http1 {
    fn drop(&mut self) {
        self.switch.turn_off();
    }
}

/// A connection that was just opened.
pub(super) enum Fresh {
    Http2(Http2),
    Http1(Http1),
}

/// Opens one connection, in whichever version the server speaks.
pub(super) async fn open(connector: &Connector, shape: Shape) -> Result<Fresh, ApiError> {
    let Opened { stream, http2 } = connector.open().await?;
    let io = TokioIo::new(stream);
    if http2 { shake_http2(io, shape).await.map(Fresh::Http2) } else { shake_http1(io).await.map(Fresh::Http1) }
}

async fn shake_http2(io: TokioIo<Stream>, shape: Shape) -> Result<Http2, ApiError> {
    let streams = u32::try_from(shape.max_streams).unwrap_or(u32::MAX);
    let switch = io.inner().switch();
    let (sender, connection) = http2::Builder::new(TokioExecutor::new())
        .timer(TokioTimer::new())
        .initial_stream_window_size(shape.window)
        // However many streams nobody drains, the others still have their own windows' worth of credit.
        .initial_connection_window_size(shape.window.saturating_mul(streams).min(i32::MAX as u32))
        // None until the server has said how many it takes: streams past that would wait behind watches that never end.
        .initial_max_send_streams(0)
        .keep_alive_interval(shape.ping_interval)
        .keep_alive_timeout(shape.ping_timeout)
        .keep_alive_while_idle(true)
        .handshake(io)
        .await
        .map_err(handshake_failed)?;
    let connection = Arc::new(Mutex::new(Some(connection)));
    tokio::spawn(drive(connection.clone()));
    let made = Http2 { sender, active: AtomicUsize::new(0), connection, switch };
    let deadline = Instant::now() + shape.settings_timeout;
    let mut pause = Duration::from_millis(1);
    while made.server_limit() == 0 {
        if Instant::now() > deadline || made.sender.is_closed() {
            return Err(ApiError::connection("the server agreed on HTTP/2 but sent no settings"));
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(Duration::from_millis(50));
    }
    Ok(made)
}

/// Runs a connection until it takes no more requests, then drops it, which fails those that still waited in it.
async fn drive(connection: Arc<Mutex<Option<Http2Connection>>>) {
    let ended = poll_fn(|cx| {
        // Held for one poll; the only other taker reads a number.
        let mut connection = connection.lock();
        let poll = connection.as_mut().map_or(Poll::Ready(Ok(())), |c| Pin::new(c).poll(cx));
        if poll.is_ready() {
            *connection = None;
        }
        poll
    });
    if let Err(error) = ended.await {
        tracing::debug!(%error, "an HTTP/2 connection ended");
    }
}

async fn shake_http1(io: TokioIo<Stream>) -> Result<Http1, ApiError> {
    let switch = io.inner().switch();
    let (sender, connection) = http1::Builder::new().handshake(io).await.map_err(handshake_failed)?;
    tokio::spawn(async move {
        if let Err(error) = connection.await {
            tracing::debug!(%error, "an HTTP/1.1 connection ended");
        }
    });
    Ok(Http1 { sender, switch })
}

fn handshake_failed(error: hyper::Error) -> ApiError {
    ApiError::connection(format!("the HTTP handshake failed: {error}"))
}
