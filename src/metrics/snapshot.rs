//! What one worker measured in one interval, as it travels to the coordinator and back.
//!
//! Rows are found by index while the worker records, and carry their name for the coordinator, so
//! adding a snapshot needs nothing else of the worker. Two snapshots per worker take turns: a
//! cleared one keeps its rows and pages, so a steady run allocates nothing.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::health::Stalls;
use super::histogram::Histogram;
use super::series::{Example, FailureKind, Series};
use super::totals::{Gauge, Share};

/// One worker's interval. `Send`; made by [`Snapshot::default`], filled by a `Recorder`.
#[derive(Debug, Default)]
pub struct Snapshot {
    pub(super) scenarios: Vec<Row<Iterations>>,
    pub(super) series: Vec<SeriesRow>,
    pub(super) checks: Vec<Row<Share>>,
    pub(super) actions: Vec<Row<Histogram<u32>>>,
    pub(super) counters: Vec<Row<u64>>,
    pub(super) gauges: Vec<Row<Gauge>>,
    pub(super) rates: Vec<Row<Share>>,
    pub(super) trends: Vec<Row<Histogram<u32>>>,
    pub(super) times: Vec<Row<Histogram<u32>>>,
    pub(super) failures: BTreeMap<(u32, FailureKind), FailureRow>,
    pub(super) schedule_lag: Histogram<u32>,
    pub(super) late: u64,
    pub(super) http_req_blocked: Histogram<u32>,
    pub(super) http_req_connecting: Histogram<u32>,
    pub(super) http_req_tls_handshaking: Histogram<u32>,
    pub(super) bots_active: u64,
    pub(super) bots_allocated: u64,
    pub(super) cpu_us: u64,
    pub(super) cpu_wait_us: u64,
    pub(super) stalls: Stalls,
    pub(super) bounds: Bounds,
}

/// How often a bound of the metrics was met; each becomes a warning.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(default)]
pub struct Bounds {
    /// Requests whose name was above the bound and went into "(other)".
    pub request_names: u64,
    /// Uses of checks, actions and custom metrics above the bound, which went into "(other)".
    pub other_names: u64,
    /// Custom values under the name of a built-in metric; not counted.
    pub names_taken: u64,
    /// Custom values that are not a number, negative, or above what a trend keeps (4.29e6).
    pub out_of_range: u64,
}

impl Bounds {
    /// Adds what another worker, interval or task met.
    pub fn add(&mut self, other: &Self) {
        self.request_names += other.request_names;
        self.other_names += other.other_names;
        self.names_taken += other.names_taken;
        self.out_of_range += other.out_of_range;
    }
}

/// A value under its name.
#[derive(Debug)]
pub(super) struct Row<V> {
    pub(super) name: Arc<str>,
    pub(super) value: V,
}

/// Can forget what it counted and keep what it allocated.
pub(super) trait Clear: Default {
    fn clear(&mut self) {
        *self = Self::default();
    }
}

impl Clear for u64 {}
impl Clear for Share {}
impl Clear for Gauge {}
impl Clear for FailureRow {}

impl Clear for Histogram<u32> {
    fn clear(&mut self) {
        Self::clear(self);
    }
}

/// Iterations of one scenario; what the fields mean: `ScenarioTotals`.
#[derive(Debug, Default)]
pub(super) struct Iterations {
    pub(super) due: u64,
    pub(super) started: u64,
    pub(super) completed: u64,
    pub(super) failed: u64,
    pub(super) interrupted: u64,
    pub(super) dropped: u64,
    pub(super) iteration_duration: Histogram<u32>,
}

impl Clear for Iterations {
    fn clear(&mut self) {
        let mut iteration_duration = std::mem::take(&mut self.iteration_duration);
        iteration_duration.clear();
        *self = Self { iteration_duration, ..Self::default() };
    }
}

#[derive(Debug)]
pub(super) struct SeriesRow {
    pub(super) scenario: u32,
    pub(super) name: Arc<str>,
    pub(super) series: Series<u32>,
}

#[derive(Debug, Default)]
pub(super) struct FailureRow {
    pub(super) count: u64,
    pub(super) first_us: u64,
    pub(super) last_us: u64,
    pub(super) example: Option<Example>,
}

impl Snapshot {
    /// Forgets everything and keeps what is allocated, so that the snapshot can be a spare.
    pub fn clear(&mut self) {
        clear_rows(&mut self.scenarios);
        self.series.iter_mut().for_each(|row| row.series.clear());
        clear_rows(&mut self.checks);
        clear_rows(&mut self.actions);
        clear_rows(&mut self.counters);
        clear_rows(&mut self.gauges);
        clear_rows(&mut self.rates);
        clear_rows(&mut self.trends);
        clear_rows(&mut self.times);
        // At most (names x kinds of failure seen) rows: kept, so that a failing run does not
        // allocate either.
        self.failures.values_mut().for_each(Clear::clear);
        self.schedule_lag.clear();
        self.http_req_blocked.clear();
        self.http_req_connecting.clear();
        self.http_req_tls_handshaking.clear();
        (self.bots_active, self.bots_allocated) = (0, 0);
        (self.late, self.cpu_us, self.cpu_wait_us) = (0, 0, 0);
        self.stalls = Stalls::default();
        self.bounds = Bounds::default();
    }

    /// Requests finished in this interval.
    pub fn requests(&self) -> u64 {
        self.series.iter().map(|row| row.series.count()).sum()
    }

    /// Gives this (cleared) snapshot the rows that `other` has got since it was filled last.
    pub(super) fn take_rows_of(&mut self, other: &Self) {
        extend_rows(&mut self.scenarios, &other.scenarios);
        let more = other.series[self.series.len()..].iter();
        self.series.extend(more.map(|row| SeriesRow {
            scenario: row.scenario,
            name: Arc::clone(&row.name),
            series: Series::default(),
        }));
        extend_rows(&mut self.checks, &other.checks);
        extend_rows(&mut self.actions, &other.actions);
        extend_rows(&mut self.counters, &other.counters);
        extend_rows(&mut self.gauges, &other.gauges);
        extend_rows(&mut self.rates, &other.rates);
        extend_rows(&mut self.trends, &other.trends);
        extend_rows(&mut self.times, &other.times);
    }
}

fn clear_rows<V: Clear>(rows: &mut [Row<V>]) {
    rows.iter_mut().for_each(|row| row.value.clear());
}

fn extend_rows<V: Default>(rows: &mut Vec<Row<V>>, all: &[Row<V>]) {
    let more = all[rows.len()..].iter();
    rows.extend(more.map(|row| Row { name: Arc::clone(&row.name), value: V::default() }));
}
