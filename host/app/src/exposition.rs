//! Metric families built from snapshots at scrape time: what is gone has no series, and nothing has to be unregistered.

use std::collections::{BTreeMap, HashMap};

use motet_core::stats::{BUCKETS, Histogram};
use prometheus::{
    Encoder, TextEncoder,
    proto::{Bucket, Counter, Gauge, Histogram as ProtoHistogram, LabelPair, Metric, MetricFamily, MetricType},
};

/// The families of one scrape.
#[derive(Default)]
pub(crate) struct Exposition {
    families: BTreeMap<&'static str, MetricFamily>,
    /// Where each counter's series stands in its family, by its label values: a scrape of a large fleet adds thousands.
    counters: HashMap<(&'static str, Vec<String>), usize>,
}

/// Label names with their values.
pub(crate) type Labels<'a> = &'a [(&'static str, &'a str)];

impl Exposition {
    fn family(&mut self, name: &'static str, help: &str, kind: MetricType) -> &mut MetricFamily {
        self.families.entry(name).or_insert_with(|| {
            let mut family = MetricFamily::default();
            family.set_name(name.into());
            family.set_help(help.into());
            family.set_field_type(kind);
            family
        })
    }

    fn push(
        &mut self,
        name: &'static str,
        help: &str,
        kind: MetricType,
        labels: Labels<'_>,
        set: impl FnOnce(&mut Metric),
    ) {
        let mut metric = Metric::from_label(labels.iter().map(|(n, v)| label(n, v)).collect());
        set(&mut metric);
        self.family(name, help, kind).mut_metric().push(metric);
    }

    /// A count that only grows. Series with equal labels (a label that was dropped) are added up.
    pub(crate) fn counter(&mut self, name: &'static str, help: &str, labels: Labels<'_>, value: f64) {
        let key = (name, labels.iter().map(|(_, value)| (*value).to_string()).collect());
        let known = self.counters.get(&key).copied();
        let metrics = self.family(name, help, MetricType::COUNTER).mut_metric();
        let mut counter = Counter::default();
        if let Some(metric) = known.and_then(|index| metrics.get_mut(index)) {
            counter.set_value(metric.get_counter().get_value() + value);
            metric.set_counter(counter);
            return;
        }
        let index = metrics.len();
        counter.set_value(value);
        let mut metric = Metric::from_label(labels.iter().map(|(n, v)| label(n, v)).collect());
        metric.set_counter(counter);
        metrics.push(metric);
        self.counters.insert(key, index);
    }

    /// A value that goes up and down.
    pub(crate) fn gauge(&mut self, name: &'static str, help: &str, labels: Labels<'_>, value: f64) {
        self.push(name, help, MetricType::GAUGE, labels, |metric| {
            let mut gauge = Gauge::default();
            gauge.set_value(value);
            metric.set_gauge(gauge);
        });
    }

    /// Durations, seconds.
    pub(crate) fn histogram(&mut self, name: &'static str, help: &str, labels: Labels<'_>, histogram: &Histogram) {
        let (cumulative, count, sum) = histogram.snapshot();
        self.push(name, help, MetricType::HISTOGRAM, labels, |metric| {
            let buckets = BUCKETS.iter().zip(cumulative).map(|(bound, count)| {
                let mut bucket = Bucket::default();
                bucket.set_upper_bound(*bound);
                bucket.set_cumulative_count(count);
                bucket
            });
            let mut proto = ProtoHistogram::default();
            proto.set_bucket(buckets.collect());
            proto.set_sample_count(count);
            proto.set_sample_sum(sum);
            metric.set_histogram(proto);
        });
    }

    /// The Prometheus text, with the usual process metrics.
    pub(crate) fn text(self) -> Result<String, prometheus::Error> {
        let mut families: Vec<_> = self.families.into_values().collect();
        families.extend(prometheus::gather());
        let mut text = Vec::new();
        TextEncoder::new().encode(&families, &mut text)?;
        Ok(String::from_utf8_lossy(&text).into_owned())
    }
}

fn label(name: &str, value: &str) -> LabelPair {
    let mut pair = LabelPair::default();
    pair.set_name(name.into());
    pair.set_value(value.into());
    pair
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counters_of_equal_labels_are_added_up() {
        let mut exposition = Exposition::default();
        exposition.counter("motet_x_total", "X.", &[("plugin", "a")], 1.0);
        exposition.counter("motet_x_total", "X.", &[("plugin", "a")], 2.0);
        exposition.counter("motet_x_total", "X.", &[("plugin", "b")], 4.0);
        let text = exposition.text().unwrap();
        assert!(
            text.contains("motet_x_total{plugin=\"a\"} 3") && text.contains("motet_x_total{plugin=\"b\"} 4"),
            "{text}"
        );
    }
}
