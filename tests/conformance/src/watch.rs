//! An open watch: its events are read one by one and kept in their order.

use std::time::Duration;

use anyhow::{Context, Result};
use futures::{Stream, StreamExt, TryStreamExt};
use http::Method;
use http_body_util::BodyExt;
use serde_json::Value;

use crate::{
    compare::Step,
    talk::{self, Talk},
};

type Lines = std::pin::Pin<Box<dyn Stream<Item = std::io::Result<String>> + Send>>;

/// A watch of one side.
pub struct Watch<'a> {
    talk: &'a Talk,
    path: String,
    lines: Lines,
}

/// Longest wait for an event that must come, and for the end of a watch.
const PATIENCE: Duration = Duration::from_secs(60);

impl<'a> Watch<'a> {
    /// Opens a watch at `path` with `more` after it; `more` is not kept, since versions differ between any two clusters.
    pub(crate) async fn open(talk: &'a Talk, path: &str, more: &str, accept: Option<&str>) -> Result<Self> {
        let mut ask = talk.ask(Method::GET, &format!("{path}{more}"));
        if let Some(accept) = accept {
            ask = ask.header("accept", accept);
        }
        let answer = ask.open().await?;
        let (code, headers) = (answer.status().as_u16(), talk::kept_headers(&answer));
        let ask = format!("GET {path}");
        if code != 200 {
            let bytes = answer.into_body().collect().await?.to_bytes();
            let body = serde_json::from_slice(&bytes)
                .unwrap_or_else(|_| Value::from(String::from_utf8_lossy(&bytes).into_owned()));
            talk.keep(Step { ask, code: code.into(), headers, body });
            let lines: Lines = Box::pin(futures::stream::empty());
            return Ok(Self { talk, path: path.into(), lines });
        }
        talk.keep(Step { ask, code: code.into(), headers, body: Value::Null });
        let reader = answer.into_body().into_data_stream().map_err(std::io::Error::other).into_async_read();
        let lines = futures::AsyncBufReadExt::lines(futures::io::BufReader::new(reader));
        Ok(Self { talk, path: path.into(), lines: Box::pin(lines) })
    }

    async fn line(&mut self) -> Result<Option<Value>> {
        let next = tokio::time::timeout(PATIENCE, self.lines.next());
        let next = next.await.with_context(|| format!("{}: no event within {PATIENCE:?}", self.path))?;
        next.map(|line| Ok(serde_json::from_str(&line?)?)).transpose()
    }

    /// The next event: kept and returned. An error where the watch ends instead.
    pub async fn next(&mut self) -> Result<Value> {
        let event = self.line().await?.with_context(|| format!("{}: the watch ended", self.path))?;
        self.talk.keep(Step { ask: format!("event of {}", self.path), body: event.clone(), ..Step::default() });
        Ok(event)
    }

    /// The next event, not kept: for how many of them there are depends on the cluster.
    pub async fn peek(&mut self) -> Result<Value> {
        self.line().await?.with_context(|| format!("{}: the watch ended", self.path))
    }

    /// Reads and keeps so many events.
    pub async fn take(&mut self, n: usize) -> Result<()> {
        for _ in 0..n {
            self.next().await?;
        }
        Ok(())
    }

    /// The next event that is no bookmark; bookmarks before it are passed over.
    pub async fn change(&mut self) -> Result<Value> {
        loop {
            let event = self.line().await?.with_context(|| format!("{}: the watch ended", self.path))?;
            if event["type"] != "BOOKMARK" {
                self.talk.keep(Step { ask: format!("event of {}", self.path), body: event.clone(), ..Step::default() });
                return Ok(event);
            }
        }
    }

    /// Reads and keeps to the end of the watch, bookmarks left out.
    pub async fn rest(&mut self) -> Result<()> {
        while let Some(event) = self.line().await? {
            if event["type"] != "BOOKMARK" {
                self.talk.keep(Step { ask: format!("event of {}", self.path), body: event, ..Step::default() });
            }
        }
        self.talk.note(&format!("end of {}", self.path), Value::Null);
        Ok(())
    }
}
