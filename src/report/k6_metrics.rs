//! The metrics of a report as k6 has them: a list of names, kinds and values.
//!
//! One list behind both the text's k6 part and the summary export, so that they cannot differ.
//! As in k6, a metric without samples is not listed.

use std::collections::BTreeMap;

use super::run_json::Report;
use crate::metrics::threshold::{Outcome, Sample};
use crate::metrics::{Contains, Histogram, Share, Threshold, Timing, built_in, sum};

/// The part of a metric that k6 always lists.
const EXPECTED_DURATION: &str = "http_req_duration{expected_response:true}";

/// One metric, or the part of one that tags select.
#[derive(Clone, Debug)]
pub(super) struct K6Metric {
    /// `name`, or `name{tag:value}`.
    pub(super) name: String,
    pub(super) contains: Contains,
    pub(super) value: Value,
}

/// Its value. Trends are in µs, or in thousandths of their unit.
#[derive(Clone, Debug)]
pub(super) enum Value {
    Counter(u64),
    Gauge { value: f64, min: f64, max: f64 },
    Rate(Share),
    Trend(Box<Histogram<u64>>),
}

impl Value {
    fn trend(histogram: &Histogram<u64>) -> Self {
        Self::Trend(Box::new(histogram.clone()))
    }

    fn is_empty(&self) -> bool {
        match self {
            Self::Counter(count) => *count == 0,
            Self::Gauge { .. } => false,
            Self::Rate(share) => share.total() == 0,
            Self::Trend(trend) => trend.is_empty(),
        }
    }
}

/// A threshold's expression and whether it counts as failed, under its metric's key.
pub(super) fn failed_by_metric(report: &Report) -> BTreeMap<&str, Vec<(&str, bool)>> {
    let mut by_metric: BTreeMap<&str, Vec<(&str, bool)>> = BTreeMap::new();
    for threshold in &report.thresholds {
        // As in k6, there are two verdicts here: no data fails only if the threshold says so.
        let failed = threshold.failed || threshold.outcome == Outcome::Fail;
        by_metric.entry(&threshold.metric).or_default().push((&threshold.expression, failed));
    }
    by_metric
}

/// All metrics with samples, in order of name.
pub(super) fn k6_metrics(report: &Report) -> Vec<K6Metric> {
    let mut metrics = requests(report);
    metrics.extend(execution(report));
    metrics.extend(custom(report));
    metrics.extend(parts(report));
    metrics.retain(|metric| !metric.value.is_empty());
    metrics.sort_by(|a, b| a.name.cmp(&b.name));
    metrics
}

/// The parts of metrics that thresholds speak of, as k6 lists them.
fn parts(report: &Report) -> Vec<K6Metric> {
    let view = report.view();
    let mut parts: BTreeMap<&str, K6Metric> = BTreeMap::new();
    for threshold in report.thresholds.iter().filter(|threshold| threshold.metric.contains('{')) {
        let Ok(parsed) = Threshold::parse(&threshold.metric, &threshold.expression) else {
            continue;
        };
        let value = match parsed.sample(&view) {
            Sample::Trend(trend) => Value::Trend(trend),
            Sample::Share(share) => Value::Rate(share),
            Sample::Counter(Some(count)) => Value::Counter(count),
            Sample::Counter(None) | Sample::Value(_) => continue,
        };
        let contains =
            built_in(parsed.metric()).map_or(Contains::Default, |metric| metric.contains);
        let name = threshold.metric.clone();
        if name != EXPECTED_DURATION {
            parts.insert(&threshold.metric, K6Metric { name, contains, value });
        }
    }
    parts.into_values().collect()
}

fn of_table(name: &'static str, value: Value) -> K6Metric {
    let contains = built_in(name).map_or(Contains::Default, |metric| metric.contains);
    K6Metric { name: name.to_owned(), contains, value }
}

fn requests(report: &Report) -> Vec<K6Metric> {
    let totals = &report.totals;
    let all = totals.all_requests();
    let failed = Share { passes: all.failed, fails: all.count() - all.failed };
    let expected = |of: fn(&Timing<u64>) -> &Histogram<u64>| {
        Value::trend(&sum(totals.requests().map(|(_, _, series)| of(&series.expected))))
    };
    let mut metrics = vec![
        of_table("http_reqs", Value::Counter(all.count())),
        of_table("http_req_failed", Value::Rate(failed)),
        of_table("http_req_duration", Value::trend(&report.summary.http_req_duration)),
        of_table("response_time", Value::trend(&report.summary.response_time)),
        of_table("http_req_blocked", Value::trend(&totals.http_req_blocked)),
        of_table("http_req_connecting", Value::trend(&totals.http_req_connecting)),
        of_table("http_req_tls_handshaking", Value::trend(&totals.http_req_tls_handshaking)),
        of_table("http_req_sending", Value::trend(&all.http_req_sending)),
        of_table("http_req_waiting", Value::trend(&all.http_req_waiting)),
        of_table("http_req_receiving", Value::trend(&all.http_req_receiving)),
        of_table("schedule_lag", Value::trend(&totals.schedule_lag)),
        of_table("data_sent", Value::Counter(all.bytes_sent)),
        of_table("data_received", Value::Counter(all.bytes_received)),
    ];
    metrics.push(K6Metric {
        name: EXPECTED_DURATION.to_owned(),
        contains: Contains::Time,
        value: expected(|timing| &timing.http_req_duration),
    });
    metrics
}

fn execution(report: &Report) -> Vec<K6Metric> {
    let totals = &report.totals;
    let iterations = totals.all_iterations();
    let mut metrics = vec![
        of_table("iterations", Value::Counter(iterations.completed)),
        of_table("dropped_iterations", Value::Counter(iterations.dropped)),
        of_table("iteration_duration", Value::trend(&iterations.iteration_duration)),
        of_table("checks", Value::Rate(totals.all_checks())),
        of_table("action_duration", Value::trend(&sum(totals.actions.values()))),
    ];
    let rows = &report.timeline.rows;
    if let Some(gauge) = gauge(rows.iter().map(|row| row.bots_active)) {
        metrics.push(of_table("vus", gauge));
    }
    if let Some(gauge) = gauge(rows.iter().map(|row| row.bots_allocated)) {
        metrics.push(of_table("vus_max", gauge));
    }
    metrics
}

#[expect(clippy::cast_precision_loss, reason = "numbers of bots")]
fn gauge(readings: impl Iterator<Item = u64> + Clone) -> Option<Value> {
    let value = readings.clone().last()? as f64;
    let (min, max) = (readings.clone().min()? as f64, readings.max()? as f64);
    Some(Value::Gauge { value, min, max })
}

fn custom(report: &Report) -> Vec<K6Metric> {
    let totals = &report.totals;
    let plain =
        |name: &String, value| K6Metric { name: name.clone(), contains: Contains::Default, value };
    let mut metrics = Vec::new();
    metrics.extend(totals.counters.iter().map(|(name, count)| plain(name, Value::Counter(*count))));
    metrics.extend(totals.rates.iter().map(|(name, rate)| plain(name, Value::Rate(*rate))));
    metrics.extend(totals.gauges.iter().map(|(name, gauge)| {
        plain(name, Value::Gauge { value: gauge.value, min: gauge.min, max: gauge.max })
    }));
    metrics.extend(totals.trends.iter().map(|(name, trend)| plain(name, Value::trend(trend))));
    metrics.extend(totals.times.iter().map(|(name, time)| K6Metric {
        name: name.clone(),
        contains: Contains::Time,
        value: Value::trend(time),
    }));
    metrics
}
