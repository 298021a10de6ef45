//! Bounds on what is taken from a registry, and on how long it may take.

use std::time::Duration;

/// Bytes of a component at most. What a registry declares beyond is not even asked for.
pub const MAX_COMPONENT: u64 = 64 << 20;
/// Bytes of a manifest at most; registries themselves take no more than 4 MiB.
pub const MAX_MANIFEST: u64 = 4 << 20;
/// Bytes of a token answer or of an error at most.
pub(crate) const MAX_ANSWER: u64 = 256 << 10;
/// Redirects that one request follows.
pub(crate) const MAX_REDIRECTS: usize = 5;
/// How long a registry may take.
#[derive(Debug, Clone, Copy)]
pub struct Patience {
    /// Until a connection stands, and until an answer begins.
    pub header: Duration,
    /// Silence within an answer.
    pub stall: Duration,
    /// One whole answer, however steadily it drips.
    pub body: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self { header: Duration::from_secs(20), stall: Duration::from_secs(15), body: Duration::from_secs(300) }
    }
}
