//! What to list.

use crate::Gvk;

/// A list of one kind.
#[derive(Debug, Clone, PartialEq)]
pub struct Query {
    pub(crate) gvk: Gvk,
    pub(crate) namespace: Option<String>,
    pub(crate) labels: String,
    pub(crate) limit: u32,
}

impl Query {
    /// All objects of a kind, such as `v1/Pod`.
    pub fn new(kind: impl Into<Gvk>) -> Self {
        Self { gvk: kind.into(), namespace: None, labels: String::new(), limit: 0 }
    }

    /// Only those of one namespace.
    #[must_use]
    pub fn namespace(mut self, namespace: impl Into<String>) -> Self {
        self.namespace = Some(namespace.into());
        self
    }

    /// Only those that a label selector selects (kubectl's form).
    #[must_use]
    pub fn labels(mut self, selector: impl Into<String>) -> Self {
        self.labels = selector.into();
        self
    }

    /// Objects per page; 0 leaves it to the host.
    #[must_use]
    pub fn page_size(mut self, limit: u32) -> Self {
        self.limit = limit;
        self
    }
}
