//! Every time and size of this crate as a value, so that tests scale them.

use std::{sync::Arc, time::Duration};

use tokio::sync::Semaphore;

use crate::SharedTables;

/// How a [`Client`](crate::Client) behaves. The defaults are those of DESIGN sections 6 and 7.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Longest time for TCP, proxy and TLS together.
    pub connect_timeout: Duration,
    /// Longest time from sending a request to the last byte of its answer; lists and watches have their own rules.
    pub request_timeout: Duration,
    /// Longest time for one health probe.
    pub probe_timeout: Duration,
    /// Longest answer that is read into memory, bytes; a list is split as it streams and only its objects are held to this.
    pub max_body: usize,
    /// Silence on an HTTP/2 connection after which it is pinged.
    pub ping_interval: Duration,
    /// Time to answer a ping before the connection is given up.
    pub ping_timeout: Duration,
    /// Receive window of one stream of the watch connection, bytes. Streams per connection × this is its connection window, so that a
    /// stream that nobody drains cannot stop the others.
    pub watch_window: u32,
    /// Likewise for the connection that carries everything else.
    pub call_window: u32,
    /// Most streams on one HTTP/2 connection; the server may allow fewer.
    pub max_streams: usize,
    /// Least time between two refreshes of discovery.
    pub discovery_interval: Duration,
    /// Rules of list/watch streams.
    pub watch: WatchSettings,
    /// Permits for lists that fill a cache, shared by the whole host.
    pub list_permits: Arc<Semaphore>,
    /// What clusters serve, shared by the whole host.
    pub tables: Arc<SharedTables>,
    /// Which host this is, for the user agent: audit logs then tell one from the next. Empty where it does not matter.
    pub instance: String,
}

/// Rules of list/watch streams, after client-go's reflector.
#[derive(Debug, Clone)]
pub struct WatchSettings {
    /// Objects per page of a paged list.
    pub page: u32,
    /// Start with `sendInitialEvents` instead of a list. Off by default: measured slower than a list, and a proxy that drops the closing
    /// bookmark makes it hang until [`Self::byte_timeout`].
    pub streaming_list: bool,
    /// `timeoutSeconds` is drawn from here.
    pub timeout: (Duration, Duration),
    /// How long past `timeoutSeconds` a watch may stay open before it is cut as silent.
    pub silence_margin: Duration,
    /// A watch that ends without an event sooner than this backs off.
    pub short_watch: Duration,
    /// First and longest wait after a failure; each is stretched by up to its own length at random.
    pub backoff: (Duration, Duration),
    /// A stream that ran this long starts over with the first wait.
    pub backoff_reset: Duration,
    /// Wait between attempts while the kind is forbidden or missing.
    pub blocked_retry: Duration,
    /// Time to the first byte of a list or the head of a watch.
    pub head_timeout: Duration,
    /// Time without a byte after which a list gives its permit back to others.
    pub permit_lapse: Duration,
    /// Time without a byte after which a list fails.
    pub byte_timeout: Duration,
    /// Bytes of changes that may wait for a subscriber before the watch is restarted as overflown.
    pub backlog: usize,
    /// Longest event or listed object, bytes.
    pub max_object: usize,
}

/// Permits that [`Settings::default`] gives to lists that fill a cache.
pub const LIST_PERMITS: usize = 16;

impl Default for Settings {
    fn default() -> Self {
        Self {
            connect_timeout: Duration::from_secs(10),
            request_timeout: Duration::from_secs(30),
            probe_timeout: Duration::from_secs(5),
            max_body: 64 << 20,
            ping_interval: Duration::from_secs(30),
            ping_timeout: Duration::from_secs(15),
            watch_window: 256 << 10,
            call_window: 1 << 20,
            max_streams: 100,
            discovery_interval: Duration::from_secs(3),
            watch: WatchSettings::default(),
            list_permits: Arc::new(Semaphore::new(LIST_PERMITS)),
            tables: Arc::default(),
            instance: String::new(),
        }
    }
}

impl Default for WatchSettings {
    fn default() -> Self {
        Self {
            page: 500,
            streaming_list: false,
            timeout: (Duration::from_secs(300), Duration::from_secs(600)),
            silence_margin: Duration::from_secs(30),
            short_watch: Duration::from_secs(1),
            backoff: (Duration::from_millis(800), Duration::from_secs(30)),
            backoff_reset: Duration::from_secs(120),
            blocked_retry: Duration::from_secs(30),
            head_timeout: Duration::from_secs(60),
            permit_lapse: Duration::from_secs(10),
            byte_timeout: Duration::from_secs(60),
            backlog: 8 << 20,
            max_object: 16 << 20,
        }
    }
}
