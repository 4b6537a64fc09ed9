//! How the results are read: the reductions of the function behind the bucket, written anew.
//!
//! It reads a file in chunks: in each one every line feed becomes a comma and the last one the end
//! of an array; what is left is read again with the next chunk. Every line is either the definition
//! of a metric or a point of one that is defined. What would be an exception there is a panic here.

use std::collections::BTreeMap;

use serde_json::Value;

/// How many bytes it reads at once.
const CHUNK: usize = 16 * 1024 * 1024;

/// What it makes of one file.
#[derive(Debug)]
pub struct Parsed {
    /// In seconds.
    pub test_duration: f64,
    pub metrics: BTreeMap<String, Metric>,
}

/// What it makes of one metric.
#[derive(Clone, Debug, PartialEq)]
pub enum Metric {
    Counter(f64),
    Gauge(f64),
    Rate(f64),
    Trend(Trend),
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Trend {
    pub min: f64,
    pub max: f64,
    pub avg: f64,
    pub med: f64,
    pub p90: f64,
    pub p95: f64,
}

/// Reads a file as the function does.
pub fn parse(file: &str) -> Parsed {
    let (mut kinds, mut values) = (BTreeMap::new(), BTreeMap::<String, Vec<f64>>::new());
    let (mut first, mut last) = (None, None);
    let mut rest = file;
    while !rest.is_empty() {
        let end = rest.len().min(CHUNK);
        let cut = rest.as_bytes()[..end].iter().rposition(|&byte| byte == b'\n');
        let cut = cut.expect("bytes after the last line feed are asked for one by one, for ever");
        let array = format!("[{}]", rest[..cut].replace('\n', ","));
        let lines: Vec<Value> = serde_json::from_str(&array).expect("JSON");
        for line in &lines {
            let name = line["metric"].as_str().expect("a metric's name");
            if line["type"] == "Metric" {
                assert_eq!(line["data"]["name"], name);
                let kind = line["data"]["type"].as_str().expect("a type").to_owned();
                let contains = line["data"]["contains"].as_str().expect("what it contains");
                assert!(["default", "time", "data"].contains(&contains), "{contains}");
                kinds.insert(name.to_owned(), kind);
                // A definition that comes again forgets the points before.
                values.insert(name.to_owned(), Vec::new());
                continue;
            }
            let value = line["data"]["value"].as_f64().expect("a number");
            values.get_mut(name).expect("points come after their definition").push(value);
            first.get_or_insert_with(|| time(line));
        }
        last = Some(time(lines.last().expect("a line")));
        rest = &rest[cut + 1..];
    }
    let reduced = kinds.into_iter().map(|(name, kind)| {
        let metric = reduce(&kind, &values[&name]);
        (name, metric)
    });
    let test_duration = last.expect("a last line") - first.expect("a first point");
    Parsed { test_duration, metrics: reduced.collect() }
}

/// Seconds of a line's instant; a definition has none, and then the duration is no number.
fn time(line: &Value) -> f64 {
    let text = line["data"]["time"].as_str().expect("the last line is a point");
    let number = |range: std::ops::Range<usize>| text[range].parse::<f64>().expect("digits");
    assert_eq!(&text[10..11], "T");
    assert!(text.ends_with('Z') && text.len() == 24, "{text}");
    let day = number(8..10) + 31.0 * number(5..7);
    day * 86_400.0 + number(11..13) * 3_600.0 + number(14..16) * 60.0 + number(17..23)
}

fn reduce(kind: &str, values: &[f64]) -> Metric {
    assert!(!values.is_empty(), "reduce of an empty array");
    let count = values.len() as f64;
    match kind {
        "counter" => Metric::Counter(values.iter().sum()),
        "gauge" => Metric::Gauge(values[values.len() - 1]),
        "rate" => {
            let truthy = values[1..].iter().filter(|&&value| value != 0.0).count() as f64;
            Metric::Rate((values[0] + truthy) / count)
        }
        "trend" => {
            let mut sorted = values.to_vec();
            sorted.sort_by(f64::total_cmp);
            Metric::Trend(Trend {
                min: sorted[0],
                max: sorted[sorted.len() - 1],
                avg: values.iter().sum::<f64>() / count,
                med: percentile(&sorted, 0.5),
                p90: percentile(&sorted, 0.9),
                p95: percentile(&sorted, 0.95),
            })
        }
        other => panic!("type {other} is not known"),
    }
}

/// The percentile of the package that the function uses.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "an index")]
fn percentile(sorted: &[f64], q: f64) -> f64 {
    let index = sorted.len() as f64 * q - 0.5;
    let at = |index: f64| sorted[(index.max(0.0) as usize).min(sorted.len() - 1)];
    if (index % 1.0).abs() < f64::EPSILON {
        return at(index);
    }
    let floor = index.floor();
    at(floor) + (index - floor) * (at(floor + 1.0) - at(floor))
}

/// What it makes of the files of several tasks: the greatest of a trend is the smallest of the
/// tasks' greatest, and shares and percentiles are plain means.
pub fn merge(tasks: &[Parsed]) -> BTreeMap<String, Metric> {
    let mut by_name: BTreeMap<&str, Vec<&Metric>> = BTreeMap::new();
    for (name, metric) in tasks.iter().flat_map(|task| &task.metrics) {
        by_name.entry(name).or_default().push(metric);
    }
    by_name.into_iter().map(|(name, metrics)| (name.to_owned(), merge_one(&metrics))).collect()
}

fn merge_one(metrics: &[&Metric]) -> Metric {
    let count = metrics.len() as f64;
    let numbers = metrics.iter().map(|metric| match metric {
        Metric::Counter(value) | Metric::Gauge(value) | Metric::Rate(value) => *value,
        Metric::Trend(_) => 0.0,
    });
    match metrics[0] {
        Metric::Counter(_) => Metric::Counter(numbers.sum()),
        Metric::Gauge(_) => Metric::Gauge(numbers.fold(f64::MIN, f64::max)),
        Metric::Rate(_) => Metric::Rate(numbers.sum::<f64>() / count),
        Metric::Trend(_) => {
            let trends = metrics.iter().filter_map(|metric| match metric {
                Metric::Trend(trend) => Some(*trend),
                _ => None,
            });
            let least =
                |of: fn(&Trend) -> f64| trends.clone().map(|t| of(&t)).fold(f64::MAX, f64::min);
            let mean = |of: fn(&Trend) -> f64| trends.clone().map(|t| of(&t)).sum::<f64>() / count;
            Metric::Trend(Trend {
                min: least(|t| t.min),
                max: least(|t| t.max),
                avg: mean(|t| t.avg),
                med: mean(|t| t.med),
                p90: mean(|t| t.p90),
                p95: mean(|t| t.p95),
            })
        }
    }
}
