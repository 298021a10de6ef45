//! One list+watch that restarts itself, after the rules of client-go's reflector.
//!
//! It lists (at version "0" first, later not older than what it has, after an expired or too new version at ""), then watches from the list's
//! version and resumes from the last version seen. Only an expired version, a missing or forbidden kind, or a malformed event make it list
//! again; everything else backs off and resumes, over a new connection only where the server still is where it was.

mod breaks;
mod revision;

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use futures::StreamExt as _;
use motet_core::{Change, Resource, change::Interrupted, description::Scope};
use tokio::{
    sync::OwnedSemaphorePermit,
    time::{Instant, timeout, timeout_at},
};

use self::breaks::{Break, Then, Wait};
pub(crate) use self::revision::Revision;
use crate::{
    Backoff, Settings,
    backlog::{self, Sender},
    discovery::Discovery,
    events::{Event, Lines, decode},
    list::PageReader,
    paths::{self, Query},
    pool::Class,
    transport::{Call, Transport},
};

/// What a reflector needs of its client.
#[derive(Clone)]
pub(crate) struct Context {
    pub(crate) transport: Arc<Transport>,
    pub(crate) discovery: Arc<Discovery>,
    pub(crate) settings: Arc<Settings>,
    pub(crate) revision: Arc<Revision>,
}

/// Where to go on.
enum Next {
    /// List at this resource version.
    List { version: String },
    /// Watch from the last version.
    Watch,
}

struct Reflector {
    context: Context,
    resource: Resource,
    collection: String,
    labels: String,
    fields: String,
    out: Sender,
    backoff: Backoff,
    next: Next,
    /// Everything up to here has been queued; empty before the first list.
    last: String,
    /// The server honoured `limit` at version "0": it has no watch cache, and later lists are paged as well.
    paged: bool,
    streaming: bool,
    /// The subscriber named a version to resume from and does not know yet that the server took it.
    resuming: bool,
    /// The last version is from an earlier connection: the server may have gone back since.
    doubtful: bool,
}

/// Starts a list+watch in a task of its own, which ends when the stream is dropped.
pub(crate) fn start(
    context: Context,
    resource: &Resource,
    scope: &Scope,
    resume: Option<String>,
) -> futures::stream::BoxStream<'static, Change> {
    let watch = &context.settings.watch;
    let (out, receiver) = backlog::backlog(watch.backlog);
    let resume = resume.filter(|v| !v.is_empty() && v != "0");
    let mut reflector = Reflector {
        collection: paths::collection(resource, scope.namespaces.first().map(String::as_str)),
        resource: resource.clone(),
        labels: scope.labels.clone(),
        fields: scope.fields.clone(),
        out,
        backoff: Backoff::new(watch.backoff.0, watch.backoff.1, watch.backoff_reset),
        resuming: resume.is_some(),
        doubtful: resume.is_some(),
        next: if resume.is_some() { Next::Watch } else { Next::List { version: "0".into() } },
        last: resume.unwrap_or_default(),
        paged: false,
        streaming: watch.streaming_list,
        context,
    };
    // Not handed to a function by value: the future would hold it twice.
    let task = tokio::spawn(async move { reflector.run().await });
    receiver.owning(task.abort_handle()).boxed()
}

impl Reflector {
    async fn run(&mut self) {
        loop {
            // What takes room is boxed and gone before the watch idles, and not there yet while others list: there are thousands
            // of streams.
            let permit = match self.next {
                Next::List { .. } => Permit::acquire(&self.context.settings).await,
                Next::Watch => Permit(None),
            };
            let broken = match Box::pin(self.advance(permit)).await {
                Ok(None) => continue,
                Ok(Some(stream)) => self.follow(Box::new(stream)).await,
                Err(broken) => broken,
            };
            Box::pin(self.recover(broken)).await;
        }
    }

    /// Lists, or opens the watch to follow next.
    async fn advance(&mut self, permit: Permit) -> Result<Option<Stream>, Break> {
        match &self.next {
            Next::List { version } if self.streaming => {
                let version = if version == "0" { String::new() } else { version.clone() };
                self.initial_watch(version, permit).await.map(Some)
            }
            Next::List { version } => {
                let version = version.clone();
                self.list(version, permit).await.map(|()| None)
            }
            Next::Watch => {
                let version = self.last.clone();
                if self.doubtful {
                    revision::confirm(&self.context, &self.resource, self.query(), &version).await?;
                    self.doubtful = false;
                }
                let mut stream = self.open_watch(&version, false).await?;
                // Some aggregated servers list without a version. A watch from there starts with what exists, in no order: no version is
                // recorded before an event that is not ADDED.
                stream.in_order = !unversioned(&version);
                if std::mem::take(&mut self.resuming) {
                    self.out.push(Change::Resumed).await;
                }
                Ok(Some(stream))
            }
        }
    }

    async fn recover(&mut self, broken: Break) {
        let settings = &self.context.settings.watch;
        if broken.reason == "KindMissing" {
            self.context.discovery.invalidate();
        }
        if broken.loses_server() {
            self.context.revision.forget();
            self.doubtful = true;
        }
        self.next = match broken.then {
            // A watch from no version cannot be resumed: deletions would be missed.
            Then::Resume if unversioned(&self.last) => Next::List { version: String::new() },
            Then::Resume => Next::Watch,
            Then::ListFrom(version) => Next::List { version },
            Then::ListFromLast if self.last.is_empty() => Next::List { version: "0".into() },
            Then::ListFromLast => Next::List { version: self.last.clone() },
        };
        let wait = match broken.wait {
            Wait::None => Duration::ZERO,
            Wait::Backoff => self.backoff.next_wait(),
            Wait::AtLeast(least) => self.backoff.next_wait().max(least),
            Wait::Blocked => settings.blocked_retry.mul_f64(1.0 + rand::random::<f64>() / 4.0),
        };
        tracing::debug!(resource = %self.resource, reason = broken.reason, message = broken.message, ?wait, "a watch was interrupted");
        let Break { reason, message, blocked, .. } = broken;
        self.out.push(Change::Interrupted(Interrupted { reason, message, blocked })).await;
        tokio::time::sleep(wait).await;
    }

    fn query(&self) -> Query {
        Query::new(self.collection.clone()).with("labelSelector", &self.labels).with("fieldSelector", &self.fields)
    }

    async fn list(&mut self, version: String, mut permit: Permit) -> Result<(), Break> {
        self.resuming = false;
        let doing = format!("listing {}", self.resource);
        let settings = self.context.settings.clone();
        let mut token = String::new();
        let mut begun = false;
        loop {
            let limit = if version.is_empty() || version == "0" || self.paged {
                settings.watch.page.to_string()
            } else {
                String::new()
            };
            // A token carries its own version.
            let at = if token.is_empty() { version.as_str() } else { "" };
            let path = self.query().with("limit", &limit).with("resourceVersion", at).with("continue", &token).finish();
            let page = self.page(&doing, path, &mut permit, &mut begun).await;
            let meta = page.map_err(|e| Break::of_list(&e, &version))?;
            if meta.next.is_empty() {
                self.last = meta.resource_version;
                self.doubtful = false;
                self.next = Next::Watch;
                self.out.push(Change::Synced { resource_version: self.last.clone() }).await;
                return Ok(());
            }
            self.paged |= version == "0";
            token = meta.next;
        }
    }

    async fn page(
        &mut self,
        doing: &str,
        path: String,
        permit: &mut Permit,
        begun: &mut bool,
    ) -> Result<crate::split::ListMeta, motet_core::ApiError> {
        let watch = &self.context.settings.watch;
        let open = PageReader::open(
            &self.context.transport,
            &self.resource.gvk,
            doing,
            path,
            watch.head_timeout,
            watch.max_object,
        );
        let mut reader = permit.hold(watch.permit_lapse, open).await?;
        if !std::mem::replace(begun, true) {
            self.out.push(Change::Reset).await;
        }
        loop {
            let read = timeout(watch.byte_timeout, permit.hold(watch.permit_lapse, reader.next()));
            let object = read
                .await
                .map_err(|_| motet_core::ApiError::timeout(format!("{doing}: the answer stopped coming")))??;
            match object {
                Some(object) => permit.hold(watch.permit_lapse, self.out.push(Change::Initial(object))).await,
                None => return reader.finish(),
            }
        }
    }

    /// A streaming list, which goes on as a watch. Whatever goes wrong before it is complete ends streaming for this stream.
    async fn initial_watch(&mut self, version: String, mut permit: Permit) -> Result<Stream, Break> {
        self.resuming = false;
        let settings = self.context.settings.clone();
        let run = async {
            let mut stream = self.open_watch(&version, true).await?;
            self.out.push(Change::Reset).await;
            loop {
                let read =
                    timeout(settings.watch.byte_timeout, permit.hold(settings.watch.permit_lapse, stream.lines.next()));
                let line = read.await.map_err(|_| Break::silent("the streaming list stopped coming"))?;
                let line = line.map_err(Break::of_stream)?.ok_or_else(|| Break::closed(Wait::None))?;
                match decode(&stream.doing, &line).map_err(Break::of_stream)? {
                    Event::Added { object, .. } => self.out.push(Change::Initial(object)).await,
                    Event::Bookmark { version, initial_end: true } => return Ok((stream, version)),
                    Event::Bookmark { .. } => {}
                    Event::Error(error) => return Err(Break::of_watch(&error)),
                    _ => {
                        return Err(Break::malformed(format!(
                            "{}: a change came before the initial events ended",
                            stream.doing
                        )));
                    }
                }
            }
        };
        match run.await {
            Ok((stream, version)) => {
                drop(permit);
                self.last.clone_from(&version);
                self.doubtful = false;
                self.next = Next::Watch;
                self.out.push(Change::Synced { resource_version: version }).await;
                Ok(stream)
            }
            Err(mut broken) => {
                self.streaming = false;
                broken.then = Then::ListFrom(if self.last.is_empty() { "0".into() } else { self.last.clone() });
                (broken.wait, broken.blocked) = (Wait::None, false);
                Err(broken)
            }
        }
    }

    async fn open_watch(&self, version: &str, initial: bool) -> Result<Stream, Break> {
        let settings = &self.context.settings.watch;
        let doing = format!("watching {}", self.resource);
        let (least, most) = settings.timeout;
        let timeout = least + most.saturating_sub(least).mul_f64(rand::random());
        let seconds = timeout.as_secs().max(1).to_string();
        let mut query =
            self.query().with("watch", "true").with("allowWatchBookmarks", "true").with("timeoutSeconds", &seconds);
        query = query.with("resourceVersion", version);
        if initial {
            query = query.with("sendInitialEvents", "true").with("resourceVersionMatch", "NotOlderThan");
        }
        let opened = Instant::now();
        let call = Call::get(&doing, query.finish());
        let response = self.context.transport.open(Class::Watch, call, settings.head_timeout).await;
        let response = response.map_err(|e| Break::of_watch(&e))?;
        let lines = Lines::new(response.into_body(), settings.max_object);
        Ok(Stream { doing, lines, opened, ends: opened + timeout + settings.silence_margin, events: 0, in_order: true })
    }

    /// Passes on the events of one watch until it breaks or ends.
    async fn follow(&mut self, mut stream: Box<Stream>) -> Break {
        loop {
            if let Err(broken) = self.step(&mut stream).await {
                return broken;
            }
        }
    }

    async fn step(&mut self, stream: &mut Stream) -> Result<(), Break> {
        let margin = self.context.settings.watch.silence_margin;
        let line = timeout_at(stream.ends.max(Instant::now() + margin), stream.lines.next()).await;
        let line = line.map_err(|_| Break::silent(&format!("{}: silent past its end", stream.doing)))?;
        let Some(line) = line.map_err(Break::of_stream)? else { return Err(self.ended(stream)) };
        let event = decode(&stream.doing, &line).map_err(Break::of_stream)?;
        self.take(stream, event)
    }

    fn ended(&self, stream: &Stream) -> Break {
        let short = stream.events == 0 && stream.opened.elapsed() < self.context.settings.watch.short_watch;
        Break::closed(if short { Wait::Backoff } else { Wait::None })
    }

    fn take(&mut self, stream: &mut Stream, event: Event) -> Result<(), Break> {
        let added = matches!(event, Event::Added { .. });
        let (change, version) = match event {
            Event::Added { object, version } | Event::Modified { object, version } => (Change::Upsert(object), version),
            Event::Deleted { object, version } => (Change::Delete(object), version),
            Event::Bookmark { version, .. } => (Change::Bookmark { resource_version: version.clone() }, version),
            Event::Error(error) => return Err(Break::of_watch(&error)),
        };
        stream.events += 1;
        self.out.try_push(change).map_err(|_| Break::overflow(&stream.doing))?;
        stream.in_order |= !added;
        if stream.in_order {
            self.last = version;
        }
        Ok(())
    }
}

fn unversioned(version: &str) -> bool {
    version.is_empty() || version == "0"
}

/// One open watch.
struct Stream {
    doing: String,
    lines: Lines,
    opened: Instant,
    ends: Instant,
    events: u64,
    in_order: bool,
}

/// The right to fill a cache by a list, given back early where the server stalls.
struct Permit(Option<OwnedSemaphorePermit>);

impl Permit {
    async fn acquire(settings: &Settings) -> Self {
        Self(settings.list_permits.clone().acquire_owned().await.ok())
    }

    /// Runs one step; the permit goes back to the host if the step takes longer than `lapse`.
    async fn hold<T>(&mut self, lapse: Duration, step: impl Future<Output = T>) -> T {
        let mut step = std::pin::pin!(step);
        if self.0.is_some() {
            match timeout(lapse, step.as_mut()).await {
                Ok(done) => return done,
                Err(_) => self.0 = None,
            }
        }
        step.await
    }
}

/// Splits a page into its objects where a whole page is asked for.
pub(crate) async fn whole_page(
    context: &Context,
    resource: &Resource,
    doing: &str,
    path: String,
) -> Result<(Vec<Bytes>, crate::split::ListMeta), motet_core::ApiError> {
    let settings = &context.settings;
    let mut reader = PageReader::open(
        &context.transport,
        &resource.gvk,
        doing,
        path,
        settings.request_timeout,
        settings.watch.max_object,
    )
    .await?;
    let (mut objects, mut bytes) = (Vec::new(), 0);
    while let Some(object) = reader.next().await? {
        bytes += object.len();
        if bytes > settings.max_body {
            return Err(motet_core::ApiError::new(
                0,
                "InvalidAnswer",
                format!("{doing}: the page has more than {} bytes", settings.max_body),
            ));
        }
        objects.push(object);
    }
    Ok((objects, reader.finish()?))
}
