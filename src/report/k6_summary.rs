//! The summary that `k6 run --summary-export` writes, for tools that read it.
//!
//! The old shape, which those tools expect: values lie beside their metric, `thresholds` says
//! **true for a threshold that failed**, a rate's share is its `value`, checks and groups are maps.
//! Times are in ms, indented by four.

use serde::Serialize;
use serde_json::ser::{PrettyFormatter, Serializer};
use serde_json::{Map, Value as Json, json};

use super::k6_metrics::{K6Metric, Value, failed_by_metric, k6_metrics};
use super::run_json::Report;
use super::units::{per_second, share};
use crate::metrics::{Contains, Histogram, is_carried};

/// The export as JSON text.
pub fn render(report: &Report) -> String {
    let failed = failed_by_metric(report);
    let mut metrics = Map::new();
    for metric in k6_metrics(report) {
        let mut values = values(&metric, report.duration_us);
        if let Some(thresholds) = failed.get(metric.name.as_str()) {
            values.insert("thresholds".to_owned(), thresholds_of(thresholds));
        }
        metrics.insert(metric.name, Json::Object(values));
    }
    // A threshold on a part that k6_metrics does not list, or without data, has its outcome only.
    for (key, thresholds) in failed {
        metrics.entry(key).or_insert_with(|| json!({ "thresholds": thresholds_of(&thresholds) }));
    }
    let export = json!({
        "root_group": {
            "name": "",
            "path": "",
            "id": ROOT_GROUP_ID,
            "groups": {},
            "checks": checks(report),
        },
        "metrics": metrics,
    });
    let mut text = Vec::new();
    let mut serializer =
        Serializer::with_formatter(&mut text, PrettyFormatter::with_indent(b"    "));
    export.serialize(&mut serializer).expect("writing into memory does not fail");
    String::from_utf8(text).expect("JSON is UTF-8")
}

/// The MD5 of the empty path, which k6 gives the group around everything.
const ROOT_GROUP_ID: &str = "d41d8cd98f00b204e9800998ecf8427e";

fn thresholds_of(thresholds: &[(&str, bool)]) -> Json {
    let entries = thresholds.iter();
    Json::Object(
        entries.map(|(expression, failed)| ((*expression).to_owned(), (*failed).into())).collect(),
    )
}

fn checks(report: &Report) -> Json {
    let entry = |(name, check): (&String, &crate::metrics::Share)| {
        let value = json!({
            "name": name,
            "path": format!("::{name}"),
            "passes": check.passes,
            "fails": check.fails,
        });
        (name.clone(), value)
    };
    Json::Object(report.totals.checks.iter().map(entry).collect())
}

fn values(metric: &K6Metric, duration_us: u64) -> Map<String, Json> {
    let object = match &metric.value {
        Value::Counter(count) => json!({ "count": count, "rate": per_second(*count, duration_us) }),
        Value::Gauge { value, min, max } => json!({ "value": value, "min": min, "max": max }),
        Value::Rate(rate) => json!({
            "value": share(rate.passes, rate.total()),
            "passes": rate.passes,
            "fails": rate.fails,
        }),
        Value::Trend(trend) => trend_values(trend, metric.contains),
    };
    match object {
        Json::Object(map) => map,
        _ => Map::new(),
    }
}

/// avg, min, med, max, p(90), p(95). Percentiles that too few samples carry are left out.
#[expect(clippy::cast_precision_loss, reason = "µs below an hour as ms")]
fn trend_values(trend: &Histogram<u64>, contains: Contains) -> Json {
    // Both kinds are kept in thousandths of what is shown.
    debug_assert!(matches!(contains, Contains::Time | Contains::Default));
    let mut values = Map::new();
    if let Some(mean) = trend.figures().mean_us() {
        values.insert("avg".to_owned(), (mean / 1000.0).into());
    }
    let wanted = [("min", 0.0), ("med", 50.0), ("max", 100.0), ("p(90)", 90.0), ("p(95)", 95.0)];
    for (name, percentile) in wanted {
        if is_carried(percentile, trend.count())
            && let Some(value_us) = trend.percentile_us(percentile)
        {
            values.insert(name.to_owned(), (value_us as f64 / 1000.0).into());
        }
    }
    Json::Object(values)
}
