//! How far a cache has come, for those who wait to see a write.

use crate::signal::Signal;

/// A point in a cache's life.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Point {
    /// The highest resource version seen since the last complete list, where versions are decimal.
    pub(crate) version: u64,
    /// Counts lists that went back or have no decimal version, and pauses: whoever waits across one waits for nothing.
    pub(crate) generation: u64,
}

/// The sending side, owned by the cache.
#[derive(Debug, Default)]
pub(crate) struct Progress(Signal<Point>);

impl Progress {
    /// An event or a bookmark with this version was taken in. Wakes even if the version is no news: the store may be.
    pub(crate) fn advance(&self, version: Option<u64>) {
        self.0.modify(|point| point.version = point.version.max(version.unwrap_or_default()));
    }

    /// The stream was stopped.
    pub(crate) fn interrupt(&self) {
        self.0.modify(|point| point.generation += 1);
    }

    /// A list as of `version` is complete. A list's version counts even if it is lower: a restored
    /// etcd moves versions backwards. One that goes on from where the cache was (say, because somebody wants to see more of the
    /// objects) ends no wait: what was written after it is still to come.
    pub(crate) fn renew(&self, version: Option<u64>) {
        self.0.modify(|point| {
            if version.is_none_or(|version| version < point.version) {
                point.generation += 1;
            }
            point.version = version.unwrap_or_default();
        });
    }

    /// Returns once `seen` holds, or a generation has passed. `seen` must not look at this progress.
    pub(crate) async fn wait(&self, seen: impl Fn(Point) -> bool) {
        let born = self.0.read(|point| point.generation);
        self.0.wait(|point| (point.generation != born || seen(*point)).then_some(())).await;
    }
}
