//! The figures that people and scripts ask for first, computed from the totals.
//!
//! Written into `run.json` for convenience and never read back: what is read are the sums, and the
//! summary of merged reports is that of the merged sums.

use serde::Serialize;

use super::units::{per_second, share};
use crate::metrics::{Count, Histogram, Series, Share, Totals, carried_us};

/// The figures of a run.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Summary {
    /// Arrivals that the plan had.
    pub due: u64,
    /// Iterations that began.
    pub started: u64,
    /// Iterations that ran to their end.
    pub completed: u64,
    /// Those of them that count as failed.
    pub failed: u64,
    /// Iterations stopped on the way.
    pub interrupted: u64,
    /// Arrivals for which no bot was free.
    pub dropped: u64,
    /// Arrivals per second that the plan had.
    pub offered_per_sec: f64,
    /// Iterations per second that began.
    pub started_per_sec: f64,
    /// Iterations per second that ran to their end.
    pub completed_per_sec: f64,
    /// Requests that ended.
    pub requests: u64,
    /// Those of them that failed.
    pub requests_failed: u64,
    /// The share of them, 0..=1.
    pub requests_failed_share: f64,
    /// Requests per second.
    pub requests_per_sec: f64,
    /// Bytes of requests.
    pub bytes_sent: u64,
    /// Bytes of responses.
    pub bytes_received: u64,
    /// Checks that held and that did not.
    pub checks: Share,
    /// completed - due, of all requests.
    pub response_time: Histogram<u64>,
    /// sending + waiting + receiving, of all requests.
    pub http_req_duration: Histogram<u64>,
    /// The generator's own delay, of all requests.
    pub schedule_lag: Percentiles,
    /// By request name, whatever the scenario, in order of name.
    pub requests_by_name: Vec<RequestSummary>,
}

/// The figures of the requests of one name.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct RequestSummary {
    /// The name.
    pub name: String,
    /// How many there were.
    pub count: u64,
    /// How many failed.
    pub failed: u64,
    /// How many per second.
    pub per_sec: f64,
    /// Bytes of requests.
    pub bytes_sent: u64,
    /// Bytes of responses.
    pub bytes_received: u64,
    /// completed - due.
    pub response_time: Percentiles,
    /// sending + waiting + receiving.
    pub http_req_duration: Percentiles,
}

/// Percentiles in µs; none where there are too few samples.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Percentiles {
    /// How many samples.
    pub count: u64,
    /// The median.
    pub p50_us: Option<u64>,
    /// 90 % are at most this.
    pub p90_us: Option<u64>,
    /// 95 %.
    pub p95_us: Option<u64>,
    /// 99 %.
    pub p99_us: Option<u64>,
    /// 99.9 %.
    pub p99_9_us: Option<u64>,
    /// The greatest.
    pub max_us: Option<u64>,
}

impl Percentiles {
    /// The percentiles that the samples carry.
    pub fn of<C: Count>(histogram: &Histogram<C>) -> Self {
        Self {
            count: histogram.count(),
            p50_us: carried_us(histogram, 50.0),
            p90_us: carried_us(histogram, 90.0),
            p95_us: carried_us(histogram, 95.0),
            p99_us: carried_us(histogram, 99.0),
            p99_9_us: carried_us(histogram, 99.9),
            max_us: carried_us(histogram, 100.0),
        }
    }
}

impl Summary {
    /// The figures of totals measured over a time.
    pub fn of(totals: &Totals, duration_us: u64) -> Self {
        let iterations = totals.all_iterations();
        let requests = totals.all_requests();
        let by_name = totals.requests_by_name();
        Self {
            due: iterations.due,
            started: iterations.started,
            completed: iterations.completed,
            failed: iterations.failed,
            interrupted: iterations.interrupted,
            dropped: iterations.dropped,
            offered_per_sec: per_second(iterations.due, duration_us),
            started_per_sec: per_second(iterations.started, duration_us),
            completed_per_sec: per_second(iterations.completed, duration_us),
            requests: requests.count(),
            requests_failed: requests.failed,
            requests_failed_share: share(requests.failed, requests.count()),
            requests_per_sec: per_second(requests.count(), duration_us),
            bytes_sent: requests.bytes_sent,
            bytes_received: requests.bytes_received,
            checks: totals.all_checks(),
            response_time: requests.response_time(),
            http_req_duration: requests.http_req_duration(),
            schedule_lag: Percentiles::of(&totals.schedule_lag),
            requests_by_name: by_name
                .iter()
                .map(|(name, series)| RequestSummary::of(name, series, duration_us))
                .collect(),
        }
    }
}

impl RequestSummary {
    fn of(name: &str, series: &Series<u64>, duration_us: u64) -> Self {
        Self {
            name: name.to_owned(),
            count: series.count(),
            failed: series.failed,
            per_sec: per_second(series.count(), duration_us),
            bytes_sent: series.bytes_sent,
            bytes_received: series.bytes_received,
            response_time: Percentiles::of(&series.response_time()),
            http_req_duration: Percentiles::of(&series.http_req_duration()),
        }
    }
}
