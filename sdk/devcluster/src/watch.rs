//! Answers watches. A watcher is a cursor into a resource's history: no buffer of its own grows, and one that reads too
//! slowly falls out of history and is told so with a 410.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::{BufMut, Bytes, BytesMut};
use futures::Stream;
use serde_json::{Value, json};
use tokio::sync::watch;
use tokio::time::Instant;

use crate::ask::{Query, Render};
use crate::cluster::Core;
use crate::error::{ApiError, Cause};
use crate::list::{fresh, parse_version};
use crate::resources::Resource;
use crate::schema::settle::settle;
use crate::selector::Selector;
use crate::store::{Change, Event, Since, Stored, restamp};
use crate::view::View;

/// Changes written at once.
const BATCH: usize = 128;

/// A watch without timeoutSeconds ends after half an hour; a kube-apiserver picks between that and an hour.
const LONGEST: Duration = Duration::from_secs(1800);

/// One running watch.
pub(crate) struct Watcher {
    core: Arc<Core>,
    resource: Arc<Resource>,
    version: String,
    render: Render,
    selector: Selector,
    /// All changes up to this version have been sent.
    cursor: u64,
    initial: VecDeque<Arc<Stored>>,
    /// The version asked for was not reached in time.
    late: Option<ApiError>,
    /// The end of a streaming list is still to be marked.
    mark_end: bool,
    bookmarks: bool,
    tip: watch::Receiver<u64>,
    expiries: u64,
    deadline: Instant,
    next_bookmark: Instant,
    ended: bool,
    /// A table with columns has been sent.
    headed: AtomicBool,
}

fn options(query: &Query) -> Result<bool, ApiError> {
    let mut causes = Vec::new();
    let (matching, streaming) = (query.get("resourceVersionMatch"), query.has("sendInitialEvents"));
    let field = "resourceVersionMatch";
    if streaming && matching != "NotOlderThan" {
        causes.push(Cause::forbidden(field, "sendInitialEvents requires setting resourceVersionMatch to NotOlderThan"));
    }
    if begins_with_all(query) && !query.get("continue").is_empty() {
        causes.push(Cause::forbidden(field, "resourceVersionMatch is forbidden when continue is provided"));
    }
    if !matching.is_empty() {
        if !streaming {
            let why = "resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided";
            causes.push(Cause::forbidden(field, why));
        }
        if matching != "NotOlderThan" {
            let message = format!("Unsupported value: \"{matching}\": supported values: \"NotOlderThan\"");
            causes.push(Cause { reason: "FieldValueNotSupported", message, field: field.into() });
        }
        if !query.get("continue").is_empty() {
            causes.push(Cause::forbidden(field, "resourceVersionMatch is forbidden when continue is provided"));
        }
    }
    if !causes.is_empty() {
        return Err(ApiError::invalid("meta.k8s.io", "ListOptions", "", causes));
    }
    Ok(streaming && query.flag("sendInitialEvents"))
}

/// A watch from "" or 0 that says nothing else begins with what is there, like a streaming list.
fn begins_with_all(query: &Query) -> bool {
    matches!(query.get("resourceVersion"), "" | "0")
        && !query.has("sendInitialEvents")
        && query.get("resourceVersionMatch").is_empty()
}

impl Watcher {
    /// Checks the options and takes the first look at the store.
    ///
    /// # Errors
    /// 422 for options that do not go together, 504 if a streaming list asks for a version that is not reached, 410 where the
    /// fault knob wants expiry told by HTTP status.
    pub(crate) async fn start(
        core: Arc<Core>,
        resource: Arc<Resource>,
        (version, render): (String, Render),
        selector: Selector,
        query: &Query,
    ) -> Result<Self, ApiError> {
        let streaming = options(query)?;
        let bookmarks = query.flag("allowWatchBookmarks") && query.has("allowWatchBookmarks");
        let asked = query.get("resourceVersion");
        let from = if asked.is_empty() { 0 } else { parse_version(asked).map_err(unversioned)? };
        let late = if streaming { fresh(&core, from).await.err() } else { None };
        let timeout = match query.number("timeoutSeconds")? {
            0 => LONGEST,
            seconds => Duration::from_secs(seconds),
        };
        // sendInitialEvents=false starts at the version given, or at the current one.
        let skip = query.has("sendInitialEvents") && !streaming;
        let (cursor, initial, tip, expiries) = {
            let mut state = core.state.lock();
            let tip = state.subscribe(&resource.shelf);
            let whole = streaming || (from == 0 && !skip);
            let initial = if whole {
                state
                    .range(&resource.shelf, &selector.namespace, None)
                    .filter(|s| selector.matches(s))
                    .cloned()
                    .collect()
            } else {
                VecDeque::new()
            };
            let cursor = if whole || from == 0 { state.version() } else { from };
            (cursor, initial, tip, state.expiries)
        };
        core.faults.check_watch_start(&core, &resource.shelf, cursor)?;
        let now = Instant::now();
        let next_bookmark = now + core.bookmark_every;
        Ok(Self {
            core,
            resource,
            version,
            render,
            selector,
            cursor,
            initial,
            late,
            mark_end: (streaming || begins_with_all(query)) && bookmarks,
            bookmarks,
            tip,
            expiries,
            deadline: now + timeout,
            next_bookmark,
            ended: false,
            headed: AtomicBool::new(false),
        })
    }

    /// The watch as a stream of chunks of whole lines.
    pub(crate) fn into_stream(self) -> impl Stream<Item = Bytes> + Send {
        futures::stream::unfold(self, |mut watcher| async move {
            let chunk = watcher.next().await?;
            Some((chunk, watcher))
        })
    }

    async fn next(&mut self) -> Option<Bytes> {
        if let Some(late) = self.late.take() {
            self.ended = true;
            return Some(line("ERROR", &Bytes::from(late.status().to_string())));
        }
        loop {
            if self.ended {
                return None;
            }
            if let Some(chunk) = self.initial_chunk() {
                return Some(chunk);
            }
            self.tip.borrow_and_update();
            match self.look() {
                Ok(Some(chunk)) => {
                    if let Some(delay) = self.core.faults.watch_delay() {
                        tokio::time::sleep(delay).await;
                    }
                    return Some(chunk);
                }
                Ok(None) if self.ended => return None,
                Ok(None) => {}
                Err(error) => {
                    self.ended = true;
                    return Some(line("ERROR", &Bytes::from(error.status().to_string())));
                }
            }
            tokio::select! {
                changed = self.tip.changed() => if changed.is_err() { return None },
                () = tokio::time::sleep_until(self.deadline) => {
                    self.ended = true;
                    return self.bookmarks.then(|| self.bookmark(false));
                }
                () = tokio::time::sleep_until(self.next_bookmark), if self.bookmarks => {
                    self.next_bookmark = Instant::now() + self.core.bookmark_every;
                    if !self.core.faults.drops_bookmarks() {
                        return Some(self.bookmark(false));
                    }
                }
            }
        }
    }

    fn initial_chunk(&mut self) -> Option<Bytes> {
        let count = self.initial.len().min(BATCH);
        let mut out = BytesMut::new();
        for stored in self.initial.drain(..count).collect::<Vec<_>>() {
            out.put(line("ADDED", &self.show(&stored)));
        }
        if self.initial.is_empty() && self.mark_end && !self.core.faults.drops_bookmarks() {
            self.mark_end = false;
            out.put(self.bookmark(true));
        }
        (!out.is_empty()).then(|| out.freeze())
    }

    /// What has happened since the cursor, if anything of interest has.
    fn look(&mut self) -> Result<Option<Bytes>, ApiError> {
        let events = {
            let state = self.core.state.lock();
            if state.expiries != self.expiries {
                return Err(expired(self.cursor, state.version()));
            }
            // The definition is gone and with it the resource: the stream ends after the last deletion.
            self.ended = self.resource.custom && state.resource(&self.resource.group, &self.resource.plural).is_none();
            match state.since(&self.resource.shelf, self.cursor, BATCH) {
                Since::Expired(floor) => return Err(expired(self.cursor, floor)),
                Since::Events(events) => {
                    // With fewer than asked for, all there is has been seen, also of versions that other resources used.
                    let seen = if events.len() < BATCH { Some(state.version()) } else { None };
                    self.cursor =
                        seen.or(events.last().map(|e| e.object.version)).unwrap_or(self.cursor).max(self.cursor);
                    events
                }
            }
        };
        let mut out = BytesMut::new();
        for event in &events {
            out.extend(self.tell(event));
        }
        Ok((!out.is_empty()).then(|| out.freeze()))
    }

    /// An event as this watcher sees it: objects that come under its selector are added, those that leave it deleted.
    fn tell(&self, event: &Event) -> Option<Bytes> {
        let was = event.before.as_ref().filter(|s| self.selector.matches(s));
        let is = event.change != Change::Deleted && self.selector.matches(&event.object);
        match (was, is) {
            (None, false) => None,
            (None, true) => Some(line("ADDED", &self.show(&event.object))),
            (Some(_), true) => Some(line("MODIFIED", &self.show(&event.object))),
            (Some(_), false) if event.change == Change::Deleted => Some(line("DELETED", &self.show(&event.object))),
            (Some(was), false) => Some(line("DELETED", &self.show(&restamp(was, event.object.version)))),
        }
    }

    fn show(&self, stored: &Stored) -> Bytes {
        let bytes = View { resource: &self.resource, version: &self.version, render: self.render }.object(stored);
        // Only the first table of a watch names its columns.
        if !matches!(self.render, Render::Table(..)) || !self.headed.swap(true, Ordering::Relaxed) {
            return bytes;
        }
        let mut table: Value = serde_json::from_slice(&bytes).unwrap_or_default();
        table["columnDefinitions"] = Value::Null;
        Bytes::from(table.to_string())
    }

    /// An object of the watched kind with nothing in it but metadata.
    fn blank(&self, metadata: Value) -> Value {
        let mut object = json!({"metadata": metadata});
        if let Some(version) = self.resource.version(&self.version).filter(|_| !self.resource.custom) {
            settle(version.ty(), &mut object);
        }
        object["kind"] = self.resource.kind.as_str().into();
        object["apiVersion"] = self.resource.api_version(&self.version).into();
        object
    }

    fn bookmark(&self, end: bool) -> Bytes {
        let mut metadata = json!({"resourceVersion": self.cursor.to_string()});
        if end {
            metadata["annotations"] = json!({"k8s.io/initial-events-end": "true"});
        }
        let object = match self.render {
            Render::Full => self.blank(metadata),
            Render::Partial(..) => {
                json!({"kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1", "metadata": metadata})
            }
            Render::Table(..) => {
                let object =
                    json!({"kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1", "metadata": metadata});
                let rows: Vec<Value> = vec![json!({"cells": [], "object": object})];
                json!({"kind": "Table", "apiVersion": "meta.k8s.io/v1", "columnDefinitions": [], "rows": rows,
                    "metadata": {"resourceVersion": self.cursor.to_string()}})
            }
        };
        line("BOOKMARK", &Bytes::from(object.to_string()))
    }
}

/// Watches and single reads say this as an error of the server.
pub(crate) fn unversioned(error: ApiError) -> ApiError {
    ApiError::untyped(error.message.trim_start_matches("invalid resource version: ").to_owned())
}

fn expired(cursor: u64, floor: u64) -> ApiError {
    ApiError::expired(format!("too old resource version: {cursor} ({floor})"))
}

fn line(what: &str, object: &Bytes) -> Bytes {
    let mut out = BytesMut::with_capacity(object.len() + 40);
    out.put_slice(b"{\"type\":\"");
    out.put_slice(what.as_bytes());
    out.put_slice(b"\",\"object\":");
    out.put_slice(object);
    out.put_slice(b"}\n");
    out.freeze()
}
