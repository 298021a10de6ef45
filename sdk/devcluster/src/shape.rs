//! Bodies of answers that are cut off or come slowly, as the fault knobs say.

use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Body as HttpBody, Frame, SizeHint};
use tokio::time::{Instant, Sleep};

use crate::answer::Body;

/// Pieces of a slow body are sent this far apart.
const TICK: Duration = Duration::from_millis(100);

/// What was let through leaves before the connection breaks.
const LINGER: Duration = Duration::from_millis(50);

/// Why a body ended before its end. Clients see a broken connection or stream.
#[derive(Debug, thiserror::Error)]
#[error("cut off by a fault knob")]
pub(crate) struct CutOff;

/// A body that may be shorter or slower than what was answered.
pub(crate) struct Shaped {
    inner: Body,
    /// Bytes that may still be sent.
    left: Option<usize>,
    pace: Option<Pace>,
    linger: Option<Pin<Box<Sleep>>>,
}

/// At most so many bytes per tick.
struct Pace {
    bytes: usize,
    waiting: Bytes,
    next: Pin<Box<Sleep>>,
}

impl Shaped {
    /// `cut_after` bytes it breaks off; `per_second` bounds its speed in bytes.
    pub(crate) fn new(inner: Body, cut_after: Option<usize>, per_second: Option<usize>) -> Self {
        let per_tick = |bytes: usize| bytes.div_ceil(10).max(1);
        let pace = per_second.map(|bytes| Pace {
            bytes: per_tick(bytes),
            waiting: Bytes::new(),
            next: Box::pin(tokio::time::sleep(Duration::ZERO)),
        });
        Self { inner, left: cut_after, pace, linger: None }
    }

    fn is_over(&self) -> bool {
        self.pace.as_ref().is_none_or(|p| p.waiting.is_empty()) && self.inner.is_end_stream()
    }

    /// The next bytes, as slow as they have to be.
    fn poll_bytes(&mut self, cx: &mut Context<'_>) -> Poll<Option<Bytes>> {
        let Some(pace) = &mut self.pace else { return poll_inner(&mut self.inner, cx) };
        if pace.waiting.is_empty() {
            match ready!(poll_inner(&mut self.inner, cx)) {
                Some(bytes) => pace.waiting = bytes,
                None => return Poll::Ready(None),
            }
        }
        ready!(pace.next.as_mut().poll(cx));
        pace.next.as_mut().reset(Instant::now() + TICK);
        let count = pace.bytes.min(pace.waiting.len());
        Poll::Ready(Some(pace.waiting.split_to(count)))
    }
}

fn poll_inner(inner: &mut Body, cx: &mut Context<'_>) -> Poll<Option<Bytes>> {
    loop {
        match ready!(Pin::new(&mut *inner).poll_frame(cx)) {
            None => return Poll::Ready(None),
            Some(Ok(frame)) => {
                if let Ok(bytes) = frame.into_data().map_err(drop)
                    && !bytes.is_empty()
                {
                    return Poll::Ready(Some(bytes));
                }
            }
            Some(Err(never)) => match never {},
        }
    }
}

impl HttpBody for Shaped {
    type Data = Bytes;
    type Error = CutOff;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, CutOff>>> {
        let this = &mut *self;
        if this.left == Some(0) && !this.is_over() {
            let linger = this.linger.get_or_insert_with(|| Box::pin(tokio::time::sleep(LINGER)));
            ready!(linger.as_mut().poll(cx));
            return Poll::Ready(Some(Err(CutOff)));
        }
        let Some(mut bytes) = ready!(this.poll_bytes(cx)) else { return Poll::Ready(None) };
        if let Some(left) = &mut this.left {
            bytes.truncate(*left);
            *left -= bytes.len();
        }
        Poll::Ready(Some(Ok(Frame::data(bytes))))
    }

    fn is_end_stream(&self) -> bool {
        self.is_over()
    }

    fn size_hint(&self) -> SizeHint {
        // Also of a body that will be cut off: its length was promised.
        if self.pace.is_some() { SizeHint::default() } else { self.inner.size_hint() }
    }
}
