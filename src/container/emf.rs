//! Figures of the last ten seconds as CloudWatch metrics: lines in the embedded metric format.
//!
//! CloudWatch makes a metric of each name for each value of the dimension, and bills for it. The
//! one dimension is the test's id; the task's number stands beside it, to be searched for in the
//! log.

use std::time::{Duration, SystemTime};

use serde_json::json;

use crate::metrics::{CoarseHistogram, Collector, is_carried};

/// How often a line comes.
const INTERVAL: Duration = Duration::from_secs(10);
/// Where the metrics are found.
const NAMESPACE: &str = "tallyho";

/// Gathers seconds, and makes lines of them.
#[derive(Debug)]
pub struct Emf {
    test_id: String,
    task_index: u32,
    next: Duration,
    newest: Option<u64>,
    window: Window,
}

#[derive(Debug, Default)]
struct Window {
    requests: u64,
    failed: u64,
    dropped: u64,
    bots: u64,
    response_time: CoarseHistogram,
    schedule_lag: CoarseHistogram,
}

impl Emf {
    /// Lines of this task.
    #[must_use]
    pub fn new(test_id: &str, task_index: u32) -> Self {
        Self {
            test_id: test_id.to_owned(),
            task_index,
            next: INTERVAL,
            newest: None,
            window: Window::default(),
        }
    }

    /// Looks at the newest second, and gives a line if it is time for one.
    pub fn next(&mut self, elapsed: Duration, collector: &Collector) -> Option<String> {
        if let Some(row) = collector.latest().filter(|row| self.newest < Some(row.second)) {
            self.newest = Some(row.second);
            let window = &mut self.window;
            window.requests += row.requests;
            window.failed += row.requests_failed;
            window.dropped += row.dropped;
            window.bots = row.bots_active;
            window.response_time.add(&row.response_time);
            window.schedule_lag.add(&row.schedule_lag);
        }
        if elapsed < self.next {
            return None;
        }
        while self.next <= elapsed {
            self.next += INTERVAL;
        }
        let window = std::mem::take(&mut self.window);
        Some(self.line(&window, SystemTime::now()))
    }

    fn line(&self, window: &Window, now: SystemTime) -> String {
        let time = |histogram: &CoarseHistogram, percentile: f64| {
            let is_known = is_carried(percentile, histogram.figures().count);
            let us = histogram.percentile_us(percentile).filter(|_| is_known)?;
            Some(json!(us as f64 / 1_000.0))
        };
        let figures = [
            ("Requests", "Count", Some(json!(window.requests))),
            ("RequestsFailed", "Count", Some(json!(window.failed))),
            ("IterationsDropped", "Count", Some(json!(window.dropped))),
            ("BotsActive", "Count", Some(json!(window.bots))),
            ("ResponseTimeP50", "Milliseconds", time(&window.response_time, 50.0)),
            ("ResponseTimeP99", "Milliseconds", time(&window.response_time, 99.0)),
            ("ScheduleLagP99", "Milliseconds", time(&window.schedule_lag, 99.0)),
        ];
        let known = figures.iter().filter(|(_, _, value)| value.is_some());
        let metrics: Vec<_> =
            known.map(|(name, unit, _)| json!({ "Name": name, "Unit": unit })).collect();
        let since = now.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let mut line = json!({
            "_aws": {
                "Timestamp": u64::try_from(since.as_millis()).unwrap_or(u64::MAX),
                "CloudWatchMetrics": [{
                    "Namespace": NAMESPACE,
                    "Dimensions": [["TestId"]],
                    "Metrics": metrics,
                }],
            },
            "TestId": self.test_id,
            "TaskIndex": self.task_index,
        });
        for (name, _, value) in figures {
            if let Some(value) = value {
                line[name] = value;
            }
        }
        line.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_has_one_dimension_and_names_only_metrics_that_it_has() {
        let emf = Emf::new("abc", 3);
        let at = SystemTime::UNIX_EPOCH + Duration::from_millis(1_700_000_000_123);
        let line = emf.line(&Window { requests: 7, ..Window::default() }, at);
        assert!(!line.contains('\n') && !crate::container::is_live_line(&line));
        let line: serde_json::Value = serde_json::from_str(&line).expect("JSON");
        assert_eq!(line["_aws"]["Timestamp"], 1_700_000_000_123_u64);
        let group = &line["_aws"]["CloudWatchMetrics"][0];
        assert_eq!(group["Dimensions"], json!([["TestId"]]));
        assert_eq!((&line["TestId"], &line["TaskIndex"]), (&json!("abc"), &json!(3)));
        let names: Vec<&str> = group["Metrics"]
            .as_array()
            .expect("metrics")
            .iter()
            .map(|metric| metric["Name"].as_str().expect("a name"))
            .collect();
        assert_eq!(names, ["Requests", "RequestsFailed", "IterationsDropped", "BotsActive"]);
        assert!(names.iter().all(|name| line[*name].is_number()), "{line}");
        assert!(line.get("ResponseTimeP50").is_none(), "nothing was measured");
    }
}
