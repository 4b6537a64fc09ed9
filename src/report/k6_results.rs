//! The lines that `k6 run --out json` writes, few instead of nine per request.
//!
//! Tools that reduce k6's samples read these files to the same figures: a counter is one point with
//! the total, a gauge its last value, a rate one point that *is* the share, a trend a few sorted
//! points whose least, greatest, mean, median, p90 and p95 are those of all samples. Such tools
//! take the length of the run from the first and the last point, want every metric defined before
//! its points, none without points, and a line feed after the last line.

mod trend;

use super::k6_metrics::{K6Metric, Value, k6_metrics};
use super::run_json::Report;
use super::units::share;
use crate::metrics::Contains;

/// The lines.
pub fn render(report: &Report) -> String {
    let mut metrics = k6_metrics(report);
    // Parts of metrics (`name{tag:value}`) are computed by k6, not among its samples.
    metrics.retain(|metric| !metric.name.contains('{'));
    if metrics.is_empty() {
        let (name, contains) = ("http_reqs".to_owned(), Contains::Default);
        metrics.push(K6Metric { name, contains, value: Value::Counter(0) });
    }
    // The number of bots is short and always the last of k6's lines.
    metrics.sort_by_key(|metric| metric.name == "vus");
    let (started, ended) = (instant(&report.started_at), instant(&report.ended_at));
    let mut lines = String::new();
    let metrics_last = metrics.len() - 1;
    for (index, metric) in metrics.iter().enumerate() {
        let name = quoted(&metric.name);
        lines.push_str(&definition(metric, &name));
        let values = values(metric);
        let values_last = values.len() - 1;
        for (number, value) in values.into_iter().enumerate() {
            let is_last = index == metrics_last && number == values_last;
            let time = if is_last { &ended } else { &started };
            lines.push_str(&format!(
                "{{\"metric\":{name},\"type\":\"Point\",\"data\":{{\"time\":\"{time}\",\
                 \"value\":{value},\"tags\":null}}}}\n"
            ));
        }
    }
    lines
}

fn definition(metric: &K6Metric, name: &str) -> String {
    let kind = match metric.value {
        Value::Counter(_) => "counter",
        Value::Gauge { .. } => "gauge",
        Value::Rate(_) => "rate",
        Value::Trend(_) => "trend",
    };
    let contains = match metric.contains {
        Contains::Time => "time",
        Contains::Data => "data",
        Contains::Default => "default",
    };
    format!(
        "{{\"type\":\"Metric\",\"data\":{{\"name\":{name},\"type\":\"{kind}\",\
         \"contains\":\"{contains}\"}},\"metric\":{name}}}\n"
    )
}

/// The values of a metric's points, as JSON; at least one.
fn values(metric: &K6Metric) -> Vec<String> {
    match &metric.value {
        Value::Counter(count) => vec![count.to_string()],
        Value::Gauge { value, .. } => vec![number(*value)],
        Value::Rate(rate) => vec![number(share(rate.passes, rate.total()))],
        // Both kinds of trends are kept in thousandths of what is shown.
        Value::Trend(trend) => {
            trend::points(trend).into_iter().map(|point| number(point / 1000.0)).collect()
        }
    }
}

/// A number that JSON has; it has no others than finite ones.
fn number(value: f64) -> String {
    if value.is_finite() { value.to_string() } else { "0".to_owned() }
}

fn quoted(name: &str) -> String {
    serde_json::Value::from(name).to_string()
}

/// Milliseconds, as JavaScript's dates have.
fn instant(rfc3339: &str) -> String {
    match rfc3339.split_once('.') {
        Some((seconds, fraction)) => {
            let millis: String = fraction.chars().filter(char::is_ascii_digit).take(3).collect();
            format!("{seconds}.{millis:0<3}Z")
        }
        None => rfc3339.to_owned(),
    }
}
