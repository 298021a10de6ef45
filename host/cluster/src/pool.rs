//! The connections to one server of one class: HTTP/2 connections shared by many requests, or HTTP/1.1 connections used one at a time.

mod connection;

use std::{
    pin::Pin,
    sync::{Arc, Weak, atomic::Ordering},
    task::{Context, Poll},
};

use bytes::Bytes;
use futures::{
    FutureExt as _,
    future::{BoxFuture, Shared},
};
use http::{HeaderValue, Request, Response, header};
use http_body::{Body, Frame, SizeHint};
use http_body_util::Full;
use hyper::body::Incoming;
use motet_core::ApiError;
use parking_lot::Mutex;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};

use self::connection::{Fresh, Http1, Http2, Shape, open};
use crate::{
    Settings,
    connect::{Connector, Switch},
};

/// HTTP/1.1 connections that calls may use at once; watches are not limited, since each needs one of its own.
const HTTP1_CALLS: usize = 16;
/// HTTP/1.1 connections kept for the next call.
const HTTP1_IDLE: usize = 4;

type RequestBody = Full<Bytes>;
type Connecting = Shared<BoxFuture<'static, Result<(), ApiError>>>;

/// What a pool carries: its windows differ, and so does its HTTP/1.1 limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Class {
    /// Watches.
    Watch,
    /// Everything else.
    Call,
}

/// Connections of one class to one server.
pub(crate) struct Pool {
    connector: Arc<Connector>,
    shape: Shape,
    state: Mutex<State>,
    http1_calls: Option<Arc<Semaphore>>,
}

#[derive(Default)]
struct State {
    http2: Vec<Arc<Http2>>,
    http1_idle: Vec<Http1>,
    /// Connections that carry an answer; kept only so that closing the pool breaks them too.
    http1_lent: Vec<Weak<Switch>>,
    /// What the server spoke last; until it is known, one caller at a time connects.
    http1: bool,
    connecting: Option<Connecting>,
    closed: bool,
}

/// The right to send one request on a connection.
enum Lease {
    Http2(Http2Lease),
    Http1(Http1, Option<OwnedSemaphorePermit>),
}

struct Http2Lease(Arc<Http2>);

impl Drop for Http2Lease {
    fn drop(&mut self) {
        self.0.active.fetch_sub(1, Ordering::Relaxed);
    }
}

/// How sending failed.
pub(crate) struct SendError {
    /// What went wrong.
    pub(crate) error: hyper::Error,
    /// The request, where nothing of it reached the server.
    pub(crate) unsent: Option<Request<RequestBody>>,
}

impl Pool {
    pub(crate) fn new(class: Class, connector: Arc<Connector>, settings: &Settings) -> Arc<Self> {
        let window = if class == Class::Watch { settings.watch_window } else { settings.call_window };
        let shape = Shape {
            window,
            max_streams: settings.max_streams.max(1),
            ping_interval: settings.ping_interval,
            ping_timeout: settings.ping_timeout,
            settings_timeout: settings.connect_timeout,
        };
        let http1_calls = (class == Class::Call).then(|| Arc::new(Semaphore::new(HTTP1_CALLS)));
        Arc::new(Self { connector, shape, state: Mutex::default(), http1_calls })
    }

    /// Ends every connection now; requests under way fail, later ones too.
    pub(crate) fn close(&self) {
        let mut state = self.state.lock();
        state.closed = true;
        state.connecting = None;
        state.http1_idle.clear();
        for connection in state.http2.drain(..) {
            connection.switch.turn_off();
        }
        for switch in state.http1_lent.drain(..).filter_map(|s| s.upgrade()) {
            switch.turn_off();
        }
    }

    /// Open connections that the pool knows of: shared ones, and idle ones of HTTP/1.1.
    pub(crate) fn connections(&self) -> usize {
        let state = self.state.lock();
        state.http2.len() + state.http1_idle.len()
    }

    /// Sends one request, over a connection that is there or a new one.
    pub(crate) async fn send(self: &Arc<Self>, request: Request<RequestBody>) -> Result<Response<PooledBody>, Failure> {
        let lease = self.lease().await.map_err(Failure::Connect)?;
        match lease {
            Lease::Http2(lease) => {
                let mut sender = lease.0.sender.clone();
                let response = sender.try_send_request(request).await.map_err(failed)?;
                Ok(response.map(|body| PooledBody {
                    body,
                    lease: Some(Lease::Http2(lease)),
                    pool: Weak::new(),
                    ended: false,
                }))
            }
            Lease::Http1(mut connection, permit) => {
                let response = connection.sender.try_send_request(origin_form(request)).await.map_err(failed)?;
                let lease = Some(Lease::Http1(connection, permit));
                Ok(response.map(|body| PooledBody { body, lease, pool: Arc::downgrade(self), ended: false }))
            }
        }
    }

    async fn lease(self: &Arc<Self>) -> Result<Lease, ApiError> {
        loop {
            let connecting = {
                let mut state = self.state.lock();
                if state.closed {
                    return Err(ApiError::connection("the member was removed"));
                }
                if let Some(lease) = self.shared(&mut state) {
                    return Ok(lease);
                }
                if state.http1 { None } else { Some(self.connecting(&mut state)) }
            };
            match connecting {
                Some(connecting) => connecting.await?,
                None => return self.exclusive().await,
            }
        }
    }

    /// A stream of a shared connection that has room.
    fn shared(&self, state: &mut State) -> Option<Lease> {
        state.http2.retain(|c| !c.sender.is_closed());
        let free = state.http2.iter().find(|c| c.has_room(self.shape.max_streams))?;
        // Only ever raised under the pool's lock, so the limit holds.
        free.active.fetch_add(1, Ordering::Relaxed);
        Some(Lease::Http2(Http2Lease(free.clone())))
    }

    /// The attempt that is under way, or a new one: however many wait, one connection is opened.
    fn connecting(self: &Arc<Self>, state: &mut State) -> Connecting {
        if let Some(connecting) = &state.connecting {
            return connecting.clone();
        }
        let (done, outcome) = oneshot::channel();
        let (pool, connector, shape) = (Arc::downgrade(self), self.connector.clone(), self.shape);
        tokio::spawn(async move {
            let opened = open(&connector, shape).await;
            let result = match pool.upgrade() {
                Some(pool) => pool.admit(opened),
                None => Err(ApiError::connection("the member was removed")),
            };
            // Nobody may be waiting any more; the connection is in the pool for the next caller.
            let _ = done.send(result);
        });
        let connecting =
            async { outcome.await.unwrap_or_else(|_| Err(ApiError::connection("connecting was given up"))) };
        let connecting = connecting.boxed().shared();
        state.connecting = Some(connecting.clone());
        connecting
    }

    fn admit(&self, opened: Result<Fresh, ApiError>) -> Result<(), ApiError> {
        let mut state = self.state.lock();
        state.connecting = None;
        let fresh = opened?;
        if state.closed {
            return Err(ApiError::connection("the member was removed"));
        }
        match fresh {
            Fresh::Http2(connection) => state.http2.push(Arc::new(connection)),
            Fresh::Http1(connection) => {
                state.http1 = true;
                state.http1_idle.push(connection);
            }
        }
        Ok(())
    }

    /// An HTTP/1.1 connection of the caller's own.
    async fn exclusive(&self) -> Result<Lease, ApiError> {
        let permit = match &self.http1_calls {
            Some(calls) => {
                Some(calls.clone().acquire_owned().await.map_err(|_| ApiError::connection("the member was removed"))?)
            }
            None => None,
        };
        loop {
            let idle = self.state.lock().http1_idle.pop();
            let Some(mut idle) = idle else { break };
            if idle.sender.ready().await.is_ok() {
                return Ok(Lease::Http1(idle, permit));
            }
        }
        match open(&self.connector, self.shape).await? {
            Fresh::Http1(connection) => self.lend(connection, permit),
            Fresh::Http2(connection) => {
                // The server changed its mind: from now on its connections are shared.
                let connection = Arc::new(connection);
                connection.active.fetch_add(1, Ordering::Relaxed);
                let mut state = self.state.lock();
                state.http1 = false;
                state.http2.push(connection.clone());
                Ok(Lease::Http2(Http2Lease(connection)))
            }
        }
    }

    /// Lends a new connection; once it idles it is among `http1_idle` as well, so it is noted only here.
    fn lend(&self, connection: Http1, permit: Option<OwnedSemaphorePermit>) -> Result<Lease, ApiError> {
        let mut state = self.state.lock();
        if state.closed {
            return Err(ApiError::connection("the member was removed"));
        }
        state.http1_lent.retain(|s| s.strong_count() > 0);
        state.http1_lent.push(Arc::downgrade(&connection.switch));
        Ok(Lease::Http1(connection, permit))
    }

    fn give_back(&self, connection: Http1) {
        let mut state = self.state.lock();
        if !state.closed && state.http1_idle.len() < HTTP1_IDLE && !connection.sender.is_closed() {
            state.http1_idle.push(connection);
        }
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        self.close();
    }
}

/// Why a request got no answer.
pub(crate) enum Failure {
    /// There was no connection to send it on.
    Connect(ApiError),
    /// The connection broke.
    Send(Box<SendError>),
}

fn failed(mut error: hyper::client::conn::TrySendError<Request<RequestBody>>) -> Failure {
    let unsent = error.take_message();
    Failure::Send(Box::new(SendError { error: error.into_error(), unsent }))
}

/// HTTP/1.1 wants the path alone in the request line, and the host in a header.
fn origin_form(mut request: Request<RequestBody>) -> Request<RequestBody> {
    let host = request.uri().authority().and_then(|a| HeaderValue::from_str(a.as_str()).ok());
    if let Some(host) = host {
        request.headers_mut().insert(header::HOST, host);
    }
    if let Some(path) = request.uri().path_and_query().cloned() {
        *request.uri_mut() = path.into();
    }
    request
}

/// An answer's body. Dropping it before its end resets the stream (HTTP/2) or closes the connection (HTTP/1.1).
pub(crate) struct PooledBody {
    body: Incoming,
    lease: Option<Lease>,
    pool: Weak<Pool>,
    ended: bool,
}

impl Body for PooledBody {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let poll = Pin::new(&mut self.body).poll_frame(cx);
        if matches!(poll, Poll::Ready(None)) {
            self.ended = true;
        }
        poll
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl Drop for PooledBody {
    fn drop(&mut self) {
        let ended = self.ended || self.body.is_end_stream();
        if let Some(Lease::Http1(connection, _permit)) = self.lease.take()
            && ended
            && let Some(pool) = self.pool.upgrade()
        {
            pool.give_back(connection);
        }
    }
}
