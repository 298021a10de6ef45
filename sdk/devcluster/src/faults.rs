//! The knobs that make a cluster misbehave at run time. All are off until turned on.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::watch;

use crate::access::{self, Caller, Deed};
use crate::answer::Answer;
use crate::cluster::Core;
use crate::error::ApiError;
use crate::shape::Shaped;
use crate::store::Since;

/// Fault knobs of one cluster. Each takes effect at once, also on open connections, and can be turned at any time.
#[derive(Debug)]
pub struct Faults {
    refuse: watch::Sender<bool>,
    cuts: watch::Sender<u64>,
    stall: Arc<Stall>,
    settings: Mutex<Settings>,
}

#[derive(Debug, Default, Clone)]
struct Settings {
    delay: Option<Duration>,
    watch_delay: Option<Duration>,
    reject_tokens: bool,
    fail: Option<(u16, Option<u32>)>,
    expire_by_status: bool,
    drop_bookmarks: bool,
    deny: Option<(String, String)>,
    forbid: Vec<String>,
    fail_some: Option<(f64, u16)>,
    /// How much of the next failure by rate has added up.
    owed: f64,
    cut_after: Option<usize>,
    slow: Option<usize>,
}

impl Default for Faults {
    fn default() -> Self {
        Self {
            refuse: watch::Sender::new(false),
            cuts: watch::Sender::new(0),
            stall: Arc::default(),
            settings: Mutex::default(),
        }
    }
}

impl Faults {
    /// Refuses new connections (the port answers with a reset) and drops the open ones.
    pub fn refuse(&self, on: bool) {
        self.refuse.send_replace(on);
        if on {
            self.cut();
        }
    }

    /// Accepts connections and never answers; open ones go silent too, pings of HTTP/2 included. What was sent meanwhile is
    /// answered when the knob is turned off.
    pub fn hang(&self, on: bool) {
        self.stall.set(on);
    }

    /// Closes every open connection now, watches in the middle of a stream included.
    pub fn cut(&self) {
        self.cuts.send_modify(|cuts| *cuts += 1);
    }

    /// Every answer waits this long; zero turns it off.
    pub fn delay(&self, delay: Duration) {
        self.settings.lock().delay = Some(delay).filter(|d| !d.is_zero());
    }

    /// Every watch event is told this much later than it happens; zero turns it off.
    pub fn delay_watches(&self, delay: Duration) {
        self.settings.lock().watch_delay = Some(delay).filter(|d| !d.is_zero());
    }

    /// Answers every request with 401, as if its token had been revoked.
    pub fn reject_tokens(&self, on: bool) {
        self.settings.lock().reject_tokens = on;
    }

    /// Answers every request to a resource with this code (429, 500, 503, …) and, if given, Retry-After in seconds.
    pub fn fail(&self, answer: Option<(u16, Option<u32>)>) {
        self.settings.lock().fail = answer;
    }

    /// Answers a share of all requests to resources with this code: 0.25 fails every fourth. `None` turns it off.
    pub fn fail_some(&self, answer: Option<(f64, u16)>) {
        self.settings.lock().fail_some = answer;
    }

    /// Cuts every answer off after so many bytes of its body: in the middle of a list, or of a watch event. `None` turns it off.
    pub fn cut_after(&self, bytes: Option<usize>) {
        self.settings.lock().cut_after = bytes;
    }

    /// Sends bodies no faster than so many bytes a second; `None` turns it off.
    pub fn slow(&self, bytes_per_second: Option<usize>) {
        self.settings.lock().slow = bytes_per_second;
    }

    /// Tells an expired watch by the HTTP status 410 instead of an ERROR event inside a 200 stream.
    pub fn expire_by_status(&self, on: bool) {
        self.settings.lock().expire_by_status = on;
    }

    /// Sends no bookmarks, not even the one that ends a streaming list.
    pub fn drop_bookmarks(&self, on: bool) {
        self.settings.lock().drop_bookmarks = on;
    }

    /// Refuses writes of a resource (`plural` or `plural.group`; `*` for all) with 403 and a message, as an admission webhook
    /// does; `None` turns it off.
    pub fn deny_writes(&self, denial: Option<(&str, &str)>) {
        self.settings.lock().deny = denial.map(|(resource, message)| (resource.into(), message.into()));
    }

    /// Answers 403 to every request for these resources (`plural` or `plural.group`), as RBAC does; empty turns it off.
    pub fn forbid(&self, resources: &[&str]) {
        self.settings.lock().forbid = resources.iter().map(|r| (*r).to_owned()).collect();
    }

    pub(crate) fn refused(&self) -> watch::Receiver<bool> {
        self.refuse.subscribe()
    }

    pub(crate) fn cuts(&self) -> watch::Receiver<u64> {
        self.cuts.subscribe()
    }

    pub(crate) fn rejects_tokens(&self) -> bool {
        self.settings.lock().reject_tokens
    }

    pub(crate) fn drops_bookmarks(&self) -> bool {
        self.settings.lock().drop_bookmarks
    }

    pub(crate) fn watch_delay(&self) -> Option<Duration> {
        self.settings.lock().watch_delay
    }

    pub(crate) async fn wait(&self) {
        let delay = self.settings.lock().delay;
        if let Some(delay) = delay {
            tokio::time::sleep(delay).await;
        }
    }

    /// The body as the knobs let it through.
    pub(crate) fn shape(&self, answer: Answer) -> http::Response<Shaped> {
        let (cut_after, slow) = {
            let settings = self.settings.lock();
            (settings.cut_after, settings.slow)
        };
        answer.map(|body| Shaped::new(body, cut_after, slow))
    }

    /// What the knobs say against a request for a resource.
    pub(crate) fn check(&self, place: &crate::ask::Place, verb: &str, who: (&Caller, &Deed)) -> Result<(), ApiError> {
        let mut settings = self.settings.lock();
        if let Some((rate, code)) = settings.fail_some {
            settings.owed += rate;
            if settings.owed >= 1.0 {
                settings.owed -= 1.0;
                return Err(ApiError::injected(code, None));
            }
        }
        if let Some((code, retry_after)) = settings.fail {
            return Err(ApiError::injected(code, retry_after));
        }
        let full = format!("{}.{}", place.plural, place.group);
        let is = |name: &str| name == "*" || name == place.plural || name == full.trim_end_matches('.');
        if settings.forbid.iter().any(|name| is(name)) {
            return Err(access::forbidden(who.0, who.1, ""));
        }
        match &settings.deny {
            Some((name, message)) if is(name) && !matches!(verb, "get" | "list" | "watch") => {
                Err(ApiError::denied(message))
            }
            _ => Ok(()),
        }
    }

    pub(crate) fn check_watch_start(&self, core: &Core, shelf: &str, cursor: u64) -> Result<(), ApiError> {
        if !self.settings.lock().expire_by_status {
            return Ok(());
        }
        match core.state.lock().since(shelf, cursor, 1) {
            Since::Expired(floor) => Err(ApiError::expired(format!("too old resource version: {cursor} ({floor})"))),
            Since::Events(_) => Ok(()),
        }
    }

    /// Puts a connection under the control of the hang knob.
    pub(crate) fn wrap<T>(&self, inner: T) -> Stalling<T> {
        Stalling { inner, stall: self.stall.clone() }
    }
}

/// Says whether connections are to stand still, and wakes them when they may go on.
#[derive(Debug, Default)]
struct Stall {
    on: AtomicBool,
    wakers: Mutex<Vec<Waker>>,
}

impl Stall {
    fn set(&self, on: bool) {
        self.on.store(on, Relaxed);
        if !on {
            self.wakers.lock().drain(..).for_each(Waker::wake);
        }
    }

    fn blocks(&self, cx: &Context<'_>) -> bool {
        if !self.on.load(Relaxed) {
            return false;
        }
        let mut wakers = self.wakers.lock();
        if !wakers.iter().any(|w| w.will_wake(cx.waker())) {
            wakers.push(cx.waker().clone());
        }
        // Turned off in between: its wake-up may have missed this waker.
        self.on.load(Relaxed)
    }
}

/// A connection that stands still while the hang knob is on.
#[derive(Debug)]
pub(crate) struct Stalling<T> {
    inner: T,
    stall: Arc<Stall>,
}

impl<T: AsyncRead + Unpin> AsyncRead for Stalling<T> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if self.stall.blocks(cx) {
            return Poll::Pending;
        }
        Pin::new(&mut self.inner).poll_read(cx, buf)
    }
}

impl<T: AsyncWrite + Unpin> AsyncWrite for Stalling<T> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        if self.stall.blocks(cx) {
            return Poll::Pending;
        }
        Pin::new(&mut self.inner).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.stall.blocks(cx) {
            return Poll::Pending;
        }
        Pin::new(&mut self.inner).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }
}
