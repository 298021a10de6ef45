//! Reads the lines of a watch: one JSON event each.

use std::borrow::Cow;

use bytes::{Buf as _, Bytes, BytesMut};
use http_body_util::BodyExt as _;
use motet_core::ApiError;
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::{pool::PooledBody, status, transport::chain};

/// One event of a watch.
#[derive(Debug, PartialEq)]
pub(crate) enum Event {
    /// `ADDED`.
    Added { object: Bytes, version: String },
    /// `MODIFIED`.
    Modified { object: Bytes, version: String },
    /// `DELETED`.
    Deleted { object: Bytes, version: String },
    /// `BOOKMARK`; `initial_end` where it closes the initial events of a streaming list.
    Bookmark { version: String, initial_end: bool },
    /// `ERROR`.
    Error(ApiError),
}

/// Why no event could be read.
#[derive(Debug)]
pub(crate) enum Broken {
    /// The connection broke.
    Connection(String),
    /// What came is no event.
    Malformed(String),
}

#[derive(Deserialize)]
struct Line<'a> {
    #[serde(rename = "type", borrow)]
    kind: Cow<'a, str>,
    #[serde(borrow)]
    object: &'a RawValue,
}

#[derive(Deserialize)]
struct Head<'a> {
    #[serde(borrow, default)]
    metadata: HeadMeta<'a>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct HeadMeta<'a> {
    #[serde(borrow)]
    resource_version: Cow<'a, str>,
}

#[derive(Deserialize, Default)]
struct Bookmark {
    #[serde(default)]
    metadata: BookmarkMeta,
}

#[derive(Deserialize, Default)]
struct BookmarkMeta {
    #[serde(default)]
    annotations: std::collections::BTreeMap<String, String>,
}

/// Reads one line.
pub(crate) fn decode(doing: &str, line: &[u8]) -> Result<Event, Broken> {
    let malformed = |e: serde_json::Error| Broken::Malformed(format!("{doing}: an event is malformed: {e}"));
    let line: Line<'_> = serde_json::from_slice(line).map_err(malformed)?;
    let json = line.object.get();
    if line.kind == "ERROR" {
        let error = status::from_object(doing, json.as_bytes());
        return error
            .map(Event::Error)
            .ok_or_else(|| Broken::Malformed(format!("{doing}: an ERROR event carries no Status")));
    }
    let head: Head<'_> = serde_json::from_str(json).map_err(malformed)?;
    let version = head.metadata.resource_version.into_owned();
    if version.is_empty() {
        return Err(Broken::Malformed(format!("{doing}: a {} event has no resource version", line.kind)));
    }
    // The line's buffer is shared with its neighbours: an object of its own does not keep them alive.
    let object = || Bytes::copy_from_slice(json.as_bytes());
    match &*line.kind {
        "ADDED" => Ok(Event::Added { object: object(), version }),
        "MODIFIED" => Ok(Event::Modified { object: object(), version }),
        "DELETED" => Ok(Event::Deleted { object: object(), version }),
        "BOOKMARK" => {
            let bookmark: Bookmark = serde_json::from_str(json).unwrap_or_default();
            let initial_end =
                bookmark.metadata.annotations.get("k8s.io/initial-events-end").is_some_and(|v| v == "true");
            Ok(Event::Bookmark { version, initial_end })
        }
        other => Err(Broken::Malformed(format!("{doing}: unknown event type {other:?}"))),
    }
}

/// Cuts a body into lines.
pub(crate) struct Lines {
    body: PooledBody,
    buffer: BytesMut,
    /// How much of `buffer` is known to hold no line end.
    searched: usize,
    max: usize,
}

impl Lines {
    pub(crate) fn new(body: PooledBody, max: usize) -> Self {
        Self { body, buffer: BytesMut::new(), searched: 0, max }
    }

    /// The next line that is not empty; `None` at the end. What follows the last line end is dropped: it is half an event.
    pub(crate) async fn next(&mut self) -> Result<Option<Bytes>, Broken> {
        loop {
            if let Some(found) = memchr::memchr(b'\n', &self.buffer[self.searched..]) {
                let line = self.buffer.split_to(self.searched + found).freeze();
                self.buffer.advance(1);
                self.searched = 0;
                if line.iter().any(|b| !b.is_ascii_whitespace()) {
                    return Ok(Some(line));
                }
                continue;
            }
            self.searched = self.buffer.len();
            if self.searched > self.max {
                return Err(Broken::Malformed(format!("an event has more than {} bytes", self.max)));
            }
            if self.buffer.is_empty() {
                // An idle watch holds no buffer.
                self.buffer = BytesMut::new();
            }
            match self.body.frame().await {
                None => return Ok(None),
                Some(Err(e)) => return Err(Broken::Connection(format!("the watch broke off: {}", chain(&e)))),
                Some(Ok(frame)) => {
                    if let Ok(data) = frame.into_data() {
                        self.buffer.extend_from_slice(&data);
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_told_apart() {
        let version = "5".to_string();
        let added =
            decode("x", br#"{"type":"ADDED","object":{"kind":"Pod","metadata":{"resourceVersion":"5"}}}"#).unwrap();
        assert_eq!(
            added,
            Event::Added {
                object: br#"{"kind":"Pod","metadata":{"resourceVersion":"5"}}"#.as_slice().into(),
                version: version.clone()
            }
        );
        let end = r#"{"object":{"metadata":{"annotations":{"k8s.io/initial-events-end":"true"},"resourceVersion":"5"}},"type":"BOOKMARK"}"#;
        assert_eq!(decode("x", end.as_bytes()).unwrap(), Event::Bookmark { version, initial_end: true });
        let error = br#"{"type":"ERROR","object":{"kind":"Status","code":410,"reason":"Expired","message":"too old"}}"#;
        assert!(matches!(decode("x", error).unwrap(), Event::Error(e) if e.is_expired()));
    }

    #[test]
    fn what_is_no_event_is_an_error_not_a_panic() {
        for bad in [
            "",
            "{",
            "[]",
            r#"{"type":"ADDED"}"#,
            r#"{"type":"ADDED","object":[]}"#,
            r#"{"type":"ADDED","object":{"metadata":{}}}"#,
            r#"{"type":"LOST","object":{"metadata":{"resourceVersion":"1"}}}"#,
            r#"{"type":"ERROR","object":7}"#,
        ] {
            assert!(matches!(decode("x", bad.as_bytes()), Err(Broken::Malformed(_))), "{bad}");
        }
    }
}
