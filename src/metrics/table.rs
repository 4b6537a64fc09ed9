//! The table of built-in metrics: k6's names, kinds and units, and the few of our own.
//!
//! Knows names only; the values are in `totals.rs`.

/// The four kinds of metric, as in k6.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A sum, and its rate per second.
    Counter,
    /// A value that is set: last, least and greatest.
    Gauge,
    /// The share of values that are true.
    Rate,
    /// A distribution.
    Trend,
}

impl Kind {
    /// k6's word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Rate => "rate",
            Self::Trend => "trend",
        }
    }
}

/// What a metric's values are, as in k6.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Contains {
    /// Plain numbers.
    Default,
    /// Milliseconds.
    Time,
    /// Bytes.
    Data,
}

impl Contains {
    /// k6's word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Default => "default",
            Self::Time => "time",
            Self::Data => "data",
        }
    }
}

/// A built-in metric.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Metric {
    /// Its name; k6's where k6 has one.
    pub name: &'static str,
    /// Its kind.
    pub kind: Kind,
    /// What its values are.
    pub contains: Contains,
    /// The tags by which a threshold may select a part of it.
    pub tags: &'static [&'static str],
}

const fn metric(
    name: &'static str,
    kind: Kind,
    contains: Contains,
    tags: &'static [&'static str],
) -> Metric {
    Metric { name, kind, contains, tags }
}

const REQUEST: &[&str] = &["name", "scenario"];
const TIMED: &[&str] = &["name", "scenario", "expected_response"];
const COUNTED: &[&str] = &["name", "scenario", "expected_response", "status"];
const ITERATION: &[&str] = &["scenario"];

/// All built-in metrics. `response_time`, `schedule_lag` and `action_duration` are not k6's.
pub const BUILT_IN: &[Metric] = &[
    metric("action_duration", Kind::Trend, Contains::Time, &["action"]),
    metric("checks", Kind::Rate, Contains::Default, &["check"]),
    metric("data_received", Kind::Counter, Contains::Data, REQUEST),
    metric("data_sent", Kind::Counter, Contains::Data, REQUEST),
    metric("dropped_iterations", Kind::Counter, Contains::Default, ITERATION),
    metric("http_req_blocked", Kind::Trend, Contains::Time, &[]),
    metric("http_req_connecting", Kind::Trend, Contains::Time, &[]),
    metric("http_req_duration", Kind::Trend, Contains::Time, TIMED),
    metric("http_req_failed", Kind::Rate, Contains::Default, REQUEST),
    metric("http_req_receiving", Kind::Trend, Contains::Time, REQUEST),
    metric("http_req_sending", Kind::Trend, Contains::Time, REQUEST),
    metric("http_req_tls_handshaking", Kind::Trend, Contains::Time, &[]),
    metric("http_req_waiting", Kind::Trend, Contains::Time, REQUEST),
    metric("http_reqs", Kind::Counter, Contains::Default, COUNTED),
    metric("iteration_duration", Kind::Trend, Contains::Time, ITERATION),
    metric("iterations", Kind::Counter, Contains::Default, ITERATION),
    metric("response_time", Kind::Trend, Contains::Time, TIMED),
    metric("schedule_lag", Kind::Trend, Contains::Time, &[]),
    metric("vus", Kind::Gauge, Contains::Default, &[]),
    metric("vus_max", Kind::Gauge, Contains::Default, &[]),
];

/// The built-in metric of that name.
pub fn built_in(name: &str) -> Option<&'static Metric> {
    BUILT_IN.binary_search_by(|metric| metric.name.cmp(name)).ok().map(|index| &BUILT_IN[index])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_in_order_of_name_as_its_search_needs() {
        assert!(BUILT_IN.is_sorted_by(|a, b| a.name < b.name));
        assert_eq!(built_in("http_reqs").map(|metric| metric.kind), Some(Kind::Counter));
        assert_eq!(built_in("nothing"), None);
    }
}
