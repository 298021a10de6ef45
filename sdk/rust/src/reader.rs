//! Where reads go: to the host in a sandbox, to plain values in a test.

use crate::{ObjectRef, Query, Result};

/// One page of a list, as JSON objects.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Page {
    /// The objects.
    pub items: Vec<Vec<u8>>,
    /// Token of the next page.
    pub next: Option<String>,
}

/// Reads of the member.
pub trait Reader {
    /// One result each, in order.
    fn get_many(&self, objects: &[ObjectRef]) -> Vec<Result<Option<Vec<u8>>>>;
    /// One page.
    fn list(&self, query: &Query, page: Option<String>) -> Result<Page>;
}
