//! Reads one page of a list as it streams in.

use std::{collections::VecDeque, time::Duration};

use bytes::Bytes;
use http_body_util::BodyExt as _;
use motet_core::{ApiError, Gvk};

use crate::{
    pool::{Class, PooledBody},
    split::{ListMeta, ListSplitter},
    transport::{Call, Transport, chain},
};

/// A page under way.
pub(crate) struct PageReader {
    doing: String,
    body: PooledBody,
    splitter: ListSplitter,
    ready: VecDeque<Bytes>,
}

impl PageReader {
    /// Asks for the page at `path` and waits for its head, at most `limit`.
    pub(crate) async fn open(
        transport: &Transport,
        gvk: &Gvk,
        doing: &str,
        path: String,
        limit: Duration,
        max_object: usize,
    ) -> Result<Self, ApiError> {
        let response = transport.open(Class::Call, Call::get(doing, path), limit).await?;
        let splitter = ListSplitter::new(gvk, max_object);
        Ok(Self { doing: doing.into(), body: response.into_body(), splitter, ready: VecDeque::new() })
    }

    /// The next object; `None` once the page has ended.
    pub(crate) async fn next(&mut self) -> Result<Option<Bytes>, ApiError> {
        loop {
            if let Some(object) = self.ready.pop_front() {
                return Ok(Some(object));
            }
            let Some(frame) = self.body.frame().await else { return Ok(None) };
            let frame = frame
                .map_err(|e| ApiError::connection(format!("{}: the list broke off: {}", self.doing, chain(&e))))?;
            if let Ok(data) = frame.into_data() {
                let mut objects = Vec::new();
                self.splitter.push(&data, &mut objects).map_err(|e| self.invalid(&e))?;
                self.ready.extend(objects);
            }
        }
    }

    /// The page's metadata, once [`next`](Self::next) gave `None`.
    pub(crate) fn finish(self) -> Result<ListMeta, ApiError> {
        let doing = self.doing;
        self.splitter.finish().map_err(|e| ApiError::new(0, "InvalidAnswer", format!("{doing}: {e}")))
    }

    fn invalid(&self, error: &str) -> ApiError {
        ApiError::new(0, "InvalidAnswer", format!("{}: {error}", self.doing))
    }
}
