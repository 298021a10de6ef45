//! Counters and histograms that any stage may bump without knowing how they are published.
//!
//! They live inside what they count (a cache, a binding), so that the series of a removed member go away with it.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

/// A count that only grows.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    /// Adds one.
    pub fn inc(&self) {
        self.add(1);
    }

    /// Adds `n`.
    pub fn add(&self, n: u64) {
        self.0.fetch_add(n, Ordering::Relaxed);
    }

    /// The count.
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// Upper bounds of [`Histogram`]'s buckets in seconds: from the few microseconds of a warm sandbox to a minute.
pub const BUCKETS: [f64; 18] =
    [1e-5, 2.5e-5, 5e-5, 1e-4, 2.5e-4, 5e-4, 1e-3, 2.5e-3, 5e-3, 1e-2, 2.5e-2, 5e-2, 0.1, 0.25, 0.5, 1.0, 5.0, 60.0];

/// Durations in fixed buckets; not cumulative here, made so when published.
#[derive(Debug, Default)]
pub struct Histogram {
    buckets: [AtomicU64; BUCKETS.len() + 1],
    sum_nanos: AtomicU64,
}

impl Histogram {
    /// Counts one duration.
    pub fn observe(&self, duration: Duration) {
        let seconds = duration.as_secs_f64();
        let bucket = BUCKETS.partition_point(|bound| *bound < seconds);
        if let Some(bucket) = self.buckets.get(bucket) {
            bucket.fetch_add(1, Ordering::Relaxed);
        }
        self.sum_nanos.fetch_add(u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    /// Cumulative counts for each of [`BUCKETS`], then the total count and the sum in seconds.
    pub fn snapshot(&self) -> ([u64; BUCKETS.len()], u64, f64) {
        let mut cumulative = [0; BUCKETS.len()];
        let mut total = 0;
        for (slot, bucket) in cumulative.iter_mut().zip(&self.buckets) {
            total += bucket.load(Ordering::Relaxed);
            *slot = total;
        }
        total += self.buckets[BUCKETS.len()].load(Ordering::Relaxed);
        (cumulative, total, Duration::from_nanos(self.sum_nanos.load(Ordering::Relaxed)).as_secs_f64())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duration_falls_into_its_bucket_and_all_above() {
        let histogram = Histogram::default();
        histogram.observe(Duration::from_micros(25));
        histogram.observe(Duration::from_secs(100));
        let (cumulative, total, sum) = histogram.snapshot();
        assert_eq!((cumulative[0], cumulative[1], cumulative[17], total), (0, 1, 1, 2));
        assert!((sum - 100.000_025).abs() < 1e-9);
    }
}
