//! What the process counts and measures, for Prometheus: the kinds of metrics, and the registry that writes them out.
//!
//! Each part of the program owns its metrics and has a function `register_metrics` that adds them to the [`Registry`] of an
//! application. No label has a value that clients choose: their number is bounded. This file alone knows the library.
//! docs/METRICS.md lists all of them; a test compares.

mod process;

use std::borrow::Cow;
use std::fmt::{self, Debug, Formatter};
use std::sync::atomic::AtomicI64;
use std::time::{Duration, Instant};

use prometheus_client::collector::Collector;
use prometheus_client::encoding::text::encode;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::counter::{ConstCounter, Counter as PrometheusCounter};
use prometheus_client::metrics::family::{Family, MetricConstructor};
use prometheus_client::metrics::gauge::{ConstGauge, Gauge as PrometheusGauge};
use prometheus_client::metrics::histogram::Histogram as PrometheusHistogram;
use prometheus_client::registry::Registry as Metrics;

pub use process::count;

/// The upper bounds of a histogram's buckets, in seconds.
type Buckets = &'static [f64];

/// What takes microseconds to seconds: database work.
pub const SHORT: Buckets = &[0.000_1, 0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.05, 0.25, 1.0, 5.0];

/// What takes a millisecond to seconds: requests, password hashes, the time from a revocation to the close. The bounds of
/// the promises are among them: 2 s by polling alone, and 3 s before a node refuses everyone.
pub const LONG: Buckets = &[0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.0, 3.0, 5.0, 10.0];

type Labels<const N: usize> = [(&'static str, Cow<'static, str>); N];

fn labels<const N: usize>(names: [&'static str; N], values: [impl Into<Cow<'static, str>>; N]) -> Labels<N> {
    let mut values = values.into_iter().map(Into::into);
    names.map(|name| (name, values.next().unwrap_or_default()))
}

/// Counts events, apart by the values of `N` labels. Clones count together.
#[derive(Debug, Clone)]
pub struct Counter<const N: usize> {
    names: [&'static str; N],
    family: Family<Labels<N>, PrometheusCounter>,
}

impl<const N: usize> Counter<N> {
    #[must_use]
    pub fn new(names: [&'static str; N]) -> Self {
        Self { names, family: Family::default() }
    }

    /// With these series from the start, so that the first event of each counts as an increase.
    #[must_use]
    pub fn starting(self, series: impl IntoIterator<Item = [&'static str; N]>) -> Self {
        series.into_iter().for_each(|values| self.add(values, 0));
        self
    }

    pub fn add(&self, values: [&'static str; N], count: u64) {
        self.family.get_or_create(&labels(self.names, values)).inc_by(count);
    }

    /// The counter of these values, to keep: for what is counted often, or whose values are not the program's text.
    #[must_use]
    pub fn of(&self, values: [Cow<'static, str>; N]) -> CounterOf {
        CounterOf(self.family.get_or_create_owned(&labels(self.names, values)))
    }
}

/// A counter with the values of its labels.
#[derive(Debug, Clone)]
pub struct CounterOf(PrometheusCounter);

impl CounterOf {
    pub fn increment(&self) {
        self.0.inc();
    }
}

/// A number that rises and falls, apart by the values of `N` labels.
#[derive(Debug, Clone)]
pub struct Gauge<const N: usize> {
    names: [&'static str; N],
    family: Family<Labels<N>, PrometheusGauge<i64, AtomicI64>>,
}

impl<const N: usize> Gauge<N> {
    #[must_use]
    pub fn new(names: [&'static str; N]) -> Self {
        Self { names, family: Family::default() }
    }

    /// With these series from the start.
    #[must_use]
    pub fn starting(self, series: impl IntoIterator<Item = [&'static str; N]>) -> Self {
        series.into_iter().for_each(|values| self.add(values, 0));
        self
    }

    pub fn add(&self, values: [&'static str; N], difference: i64) {
        self.family.get_or_create(&labels(self.names, values)).inc_by(difference);
    }
}

#[derive(Debug, Clone, Copy)]
struct WithBuckets(Buckets);

impl MetricConstructor<PrometheusHistogram> for WithBuckets {
    fn new_metric(&self) -> PrometheusHistogram {
        PrometheusHistogram::new(self.0.iter().copied())
    }
}

/// How long something takes, in seconds, apart by the values of `N` labels.
#[derive(Debug, Clone)]
pub struct Histogram<const N: usize> {
    names: [&'static str; N],
    family: Family<Labels<N>, PrometheusHistogram, WithBuckets>,
}

impl<const N: usize> Histogram<N> {
    #[must_use]
    pub fn new(names: [&'static str; N], buckets: Buckets) -> Self {
        Self { names, family: Family::new_with_constructor(WithBuckets(buckets)) }
    }

    /// The histogram of these values, to keep.
    #[must_use]
    pub fn of(&self, values: [Cow<'static, str>; N]) -> HistogramOf {
        HistogramOf(self.family.get_or_create_owned(&labels(self.names, values)))
    }
}

/// A histogram with the values of its labels.
#[derive(Debug, Clone)]
pub struct HistogramOf(PrometheusHistogram);

impl HistogramOf {
    pub fn observe(&self, time: Duration) {
        self.0.observe(time.as_secs_f64());
    }
}

/// Measures real time, whatever a test's clock says.
#[derive(Debug, Clone, Copy)]
pub struct Stopwatch(Instant);

impl Stopwatch {
    #[must_use]
    #[expect(clippy::disallowed_methods, reason = "how long work takes; no rule depends on it")]
    pub fn start() -> Self {
        Self(Instant::now())
    }

    /// The time since the start. Starts again.
    pub fn lap(&mut self) -> Duration {
        let started = std::mem::replace(self, Self::start());
        self.0 - started.0
    }

    #[must_use]
    pub fn elapsed(&self) -> Duration {
        Self::start().0 - self.0
    }
}

/// The metrics of one application, each with its name and an explanation.
#[derive(Debug)]
pub struct Registry(Metrics);

impl Default for Registry {
    fn default() -> Self {
        let mut registry = Self(Metrics::default());
        process::register(&mut registry);
        registry
    }
}

impl Registry {
    /// `name` ends in `_total`.
    pub fn counter<const N: usize>(&mut self, name: &'static str, help: &'static str, counter: &Counter<N>) {
        self.0.register(counter_name(name), without_dot(help), counter.family.clone());
    }

    pub fn gauge<const N: usize>(&mut self, name: &'static str, help: &'static str, gauge: &Gauge<N>) {
        self.0.register(name, without_dot(help), gauge.family.clone());
    }

    /// `name` ends in `_seconds`.
    pub fn histogram<const N: usize>(
        &mut self,
        name: &'static str,
        help: &'static str,
        histogram: &Histogram<N>,
    ) {
        self.0.register(name, without_dot(help), histogram.family.clone());
    }

    /// A number that is read when it is wanted.
    pub fn reading(
        &mut self,
        name: &'static str,
        help: &'static str,
        read: impl Fn() -> f64 + Send + Sync + 'static,
    ) {
        self.readings(name, help, None, move || vec![("", read())]);
    }

    /// The same by the values of a label, of those that are known.
    pub fn readings(
        &mut self,
        name: &'static str,
        help: &'static str,
        label: Option<&'static str>,
        read: impl Fn() -> Vec<(&'static str, f64)> + Send + Sync + 'static,
    ) {
        let reading = Reading { name, help, label, read: Box::new(read) };
        self.0.register_collector(Box::new(reading));
    }

    /// All metrics in the text format of `OpenMetrics` 1.0.
    ///
    /// # Errors
    /// If a text cannot be written to.
    pub fn encode(&self) -> Result<String, fmt::Error> {
        let mut text = String::new();
        encode(&mut text, &self.0)?;
        Ok(text)
    }
}

/// The library adds the suffix of counters.
fn counter_name(name: &'static str) -> &'static str {
    name.strip_suffix("_total").unwrap_or(name)
}

/// The library adds the dot at the end of an explanation.
fn without_dot(help: &'static str) -> &'static str {
    help.strip_suffix('.').unwrap_or(help)
}

type Read = dyn Fn() -> Vec<(&'static str, f64)> + Send + Sync;

struct Reading {
    name: &'static str,
    help: &'static str,
    label: Option<&'static str>,
    read: Box<Read>,
}

impl Debug for Reading {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reading").field("name", &self.name).finish_non_exhaustive()
    }
}

impl Collector for Reading {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let values = (self.read)();
        if values.is_empty() {
            return Ok(());
        }
        let counts = self.name.ends_with("_total");
        let (gauge, counter) = (ConstGauge::new(0.0), ConstCounter::new(0.0));
        let kind = if counts { counter.metric_type() } else { gauge.metric_type() };
        let mut metric = encoder.encode_descriptor(counter_name(self.name), self.help, None, kind)?;
        for (value, number) in values {
            let labels = self.label.map(|label| [(label, value)]);
            let labels = labels.as_ref().map_or(&[][..], |labels| &labels[..]);
            let metric = metric.encode_family(&labels)?;
            if counts {
                ConstCounter::new(number).encode(metric)
            } else {
                ConstGauge::new(number).encode(metric)
            }?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metrics_are_written_with_names_explanations_and_labels() {
        let mut registry = Registry::default();
        let (plain, labelled) = (Counter::new([]).starting([[]]), Counter::new(["way", "end"]));
        let (gauge, histogram) = (Gauge::new(["kind"]), Histogram::new(["kind"], &[0.5, 1.0]));
        registry.counter("doorward_a_total", "How many there were.", &plain);
        registry.counter("doorward_b_total", "How many of each.", &labelled);
        registry.gauge("doorward_c", "How many there are.", &gauge);
        registry.histogram("doorward_d_seconds", "How long it took.", &histogram);
        registry.reading("doorward_e", "What there is.", || 1.5);
        registry.readings("doorward_f_total", "What there was.", Some("of"), || vec![("x", 2.0), ("y", 3.0)]);
        registry.readings("doorward_g", "What is not known.", Some("of"), Vec::new);
        labelled.add(["in", "well"], 2);
        labelled.of(["in".into(), "well".into()]).increment();
        labelled.of([String::from("o\"ut\n").into(), "badly".into()]).increment();
        gauge.add(["k"], 3);
        gauge.add(["k"], -1);
        histogram.of(["k".into()]).observe(Duration::from_millis(700));
        let text = registry.encode().unwrap();
        for line in [
            "# HELP doorward_a How many there were.",
            "# HELP doorward_e What there is.",
            "# TYPE doorward_a counter",
            "doorward_a_total 0",
            "doorward_b_total{way=\"in\",end=\"well\"} 3",
            "doorward_b_total{way=\"o\\\"ut\\n\",end=\"badly\"} 1",
            "doorward_c{kind=\"k\"} 2",
            "doorward_d_seconds_sum{kind=\"k\"} 0.7",
            "doorward_d_seconds_bucket{le=\"0.5\",kind=\"k\"} 0",
            "doorward_d_seconds_bucket{le=\"1.0\",kind=\"k\"} 1",
            "# TYPE doorward_e gauge",
            "doorward_e 1.5",
            "# TYPE doorward_f counter",
            "doorward_f_total{of=\"x\"} 2.0",
            "# EOF",
        ] {
            assert!(text.lines().any(|written| written == line), "{line} is not in\n{text}");
        }
        assert!(!text.contains("doorward_g"), "{text}");
    }
}
