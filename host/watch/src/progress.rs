//! How far a cache has come, for those who wait to see a write.

use tokio::sync::watch;

/// A point in a cache's life.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Point {
    /// The highest resource version seen since the last complete list, where versions are decimal.
    pub(crate) version: u64,
    /// Counts complete lists, and pauses: whoever waits across one waits for nothing.
    pub(crate) generation: u64,
    /// Counts everything seen, so that each step wakes.
    steps: u64,
}

/// The sending side, owned by the cache.
#[derive(Debug)]
pub(crate) struct Progress(watch::Sender<Point>);

impl Default for Progress {
    fn default() -> Self {
        Self(watch::Sender::new(Point::default()))
    }
}

impl Progress {
    /// An event or a bookmark with this version was taken in.
    pub(crate) fn advance(&self, version: Option<u64>) {
        self.0.send_modify(|point| {
            point.version = point.version.max(version.unwrap_or_default());
            point.steps += 1;
        });
    }

    /// The stream was stopped.
    pub(crate) fn interrupt(&self) {
        self.0.send_modify(|point| point.generation += 1);
    }

    /// A list as of `version` is complete. A list's version counts even if it is lower: a restored
    /// etcd moves versions backwards.
    pub(crate) fn renew(&self, version: Option<u64>) {
        self.0.send_modify(|point| {
            point.version = version.unwrap_or_default();
            point.generation += 1;
        });
    }

    /// Returns once `seen` holds, or a generation has passed, or the cache is gone.
    pub(crate) async fn wait(&self, seen: impl Fn(Point) -> bool) {
        let mut points = self.0.subscribe();
        let born = points.borrow_and_update().generation;
        loop {
            let point = *points.borrow_and_update();
            if point.generation != born || seen(point) || points.changed().await.is_err() {
                return;
            }
        }
    }
}
