//! The metrics of one worker: everything that happens there is counted here, without allocating.
//!
//! A request costs six histogram records and some additions: 45 ns with one name, 65 ns with 40
//! names in turn (release build, 2026 server core). Values that are zero
//! on an open connection (blocked, connecting, TLS) are not recorded one by one: their zeros are
//! the requests that are missing, added when the interval is handed over. Names become indices of
//! rows; all tables have a bound. Knows no clock: instants come in.

mod notes;
mod rows;

use std::sync::Arc;

use tallyho_replay::Name;

use super::health::Stalls;
use super::histogram::Histogram;
use super::names::NameTable;
use super::series::{Example, Exchange, FailureKind, Series};
use super::snapshot::{Iterations, Row, SeriesRow, Snapshot};
use rows::GroupedNames;

/// Request names per scenario and worker: more is a bot that puts ids into them. 500 names of five
/// histograms of 20 pages (1 KiB) in two snapshots are 100 MB, if all of them are really used.
pub const REQUEST_NAMES_MAX: u32 = 500;
/// Checks and custom metrics, each kind.
pub const OTHER_NAMES_MAX: u32 = 1000;
/// Sets of actions: screens of a client, rarely more than 30.
const ACTION_SETS_MAX: u32 = 100;
/// A request that was sent this long after it was due was late by the generator's fault: twice
/// the 1 ms by which timers of the runtime may lag.
pub const LATE_US: u64 = 2_000;
/// Bytes of an example's text.
const EXAMPLE_BYTES_MAX: usize = 1024;

/// Which scenario a request or iteration belongs to; from [`Recorder::scenario`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ScenarioIndex(u32);

/// Which row a request counts in; from [`Recorder::series`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SeriesIndex(u32);

/// The place for the first example of a failure; from [`Recorder::exchange`].
#[derive(Clone, Copy, Debug)]
pub struct ExampleSlot(u32, FailureKind);

/// How an iteration ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// It ran to its end.
    Completed,
    /// It ran to its end and counts as failed.
    Failed,
    /// It was stopped on the way; as in k6 it has no duration and is not one of `iterations`.
    Interrupted,
}

/// One worker's metrics. Not `Send`: it lives on the worker's thread.
#[derive(Debug)]
pub struct Recorder {
    current: Snapshot,
    /// One table per scenario, from its request names to positions in `request_rows`.
    requests: Vec<GroupedNames>,
    checks: NameTable,
    action_sets: NameTable,
    /// One table per set of actions, and one more for all sets above the bound.
    actions: Vec<GroupedNames>,
    counters: NameTable,
    gauges: NameTable,
    rates: NameTable,
    trends: NameTable,
    times: NameTable,
    bots_active: u64,
    bots_allocated: u64,
    /// The thread's CPU clock now, and at the last swap.
    cpu_us: (u64, u64),
    /// The same of the time for which it was ready and had no CPU.
    cpu_wait_us: (u64, u64),
}

impl Default for Recorder {
    fn default() -> Self {
        Self::new()
    }
}

impl Recorder {
    /// A recorder that has seen nothing.
    pub fn new() -> Self {
        Self {
            current: Snapshot::default(),
            requests: Vec::new(),
            checks: NameTable::new(OTHER_NAMES_MAX),
            action_sets: NameTable::new(ACTION_SETS_MAX),
            actions: Vec::new(),
            counters: NameTable::new(OTHER_NAMES_MAX),
            gauges: NameTable::new(OTHER_NAMES_MAX),
            rates: NameTable::new(OTHER_NAMES_MAX),
            trends: NameTable::new(OTHER_NAMES_MAX),
            times: NameTable::new(OTHER_NAMES_MAX),
            bots_active: 0,
            bots_allocated: 0,
            cpu_us: (0, 0),
            cpu_wait_us: (0, 0),
        }
    }

    /// Adds a scenario; called once for each before the run, in any order.
    pub fn scenario(&mut self, name: &str) -> ScenarioIndex {
        let index = u32::try_from(self.current.scenarios.len()).expect("a plan has few scenarios");
        self.current.scenarios.push(Row { name: name.into(), value: Iterations::default() });
        self.requests.push(GroupedNames::new(REQUEST_NAMES_MAX));
        ScenarioIndex(index)
    }

    /// The row of a request name. Cheap enough for every request, and stable: it may be kept.
    #[inline]
    pub fn series(&mut self, scenario: ScenarioIndex, name: &Name) -> SeriesIndex {
        let current = &mut self.current;
        let push = |name: &str| push_series(current, scenario, name);
        SeriesIndex(self.requests[scenario.0 as usize].row(name, push))
    }

    /// Counts a finished request. Returns a slot when this is the first failure of its kind for
    /// this name on this worker in this interval: the caller may describe it there.
    #[inline]
    pub fn exchange(&mut self, series: SeriesIndex, exchange: &Exchange) -> Option<ExampleSlot> {
        let current = &mut self.current;
        current.series[series.0 as usize].series.record(exchange);
        let behind = exchange.sent_us.saturating_sub(exchange.due_us);
        // What the target or the plan made the request wait for is not the generator's delay.
        let lag = behind.saturating_sub(exchange.waited_us.saturating_add(exchange.blocked_us));
        current.schedule_lag.record(lag);
        current.late += u64::from(lag >= LATE_US);
        record_above_zero(&mut current.http_req_blocked, exchange.blocked_us);
        record_above_zero(&mut current.http_req_connecting, exchange.connecting_us);
        record_above_zero(&mut current.http_req_tls_handshaking, exchange.tls_us);
        if exchange.expected { None } else { self.failure(series, exchange) }
    }

    #[cold]
    fn failure(&mut self, series: SeriesIndex, exchange: &Exchange) -> Option<ExampleSlot> {
        let kind = match exchange.failure {
            Some(failure) => FailureKind::Transport(failure),
            None => FailureKind::Status(exchange.status),
        };
        let row = self.current.failures.entry((series.0, kind)).or_default();
        row.count += 1;
        row.last_us = row.last_us.max(exchange.completed_us);
        if row.count > 1 {
            return None;
        }
        row.first_us = exchange.completed_us;
        Some(ExampleSlot(series.0, kind))
    }

    /// Describes the failure that `exchange` gave the slot for; `session` is `BOT/SESSION`.
    pub fn example(&mut self, slot: ExampleSlot, session: String, mut text: String) {
        text.truncate(text.floor_char_boundary(EXAMPLE_BYTES_MAX));
        if let Some(row) = self.current.failures.get_mut(&(slot.0, slot.1)) {
            row.example = Some(Example { at_us: row.first_us, session, text });
        }
    }

    /// Arrivals that the plan had for this worker (for closed models: iterations started).
    pub fn due(&mut self, scenario: ScenarioIndex, count: u64) {
        self.current.scenarios[scenario.0 as usize].value.due += count;
    }

    /// Iterations that began.
    pub fn started(&mut self, scenario: ScenarioIndex, count: u64) {
        self.current.scenarios[scenario.0 as usize].value.started += count;
    }

    /// Arrivals for which no bot was free.
    pub fn dropped(&mut self, scenario: ScenarioIndex, count: u64) {
        self.current.scenarios[scenario.0 as usize].value.dropped += count;
    }

    /// An iteration that ended after `duration_us`.
    pub fn iteration(&mut self, scenario: ScenarioIndex, duration_us: u64, ended: Ended) {
        let row = &mut self.current.scenarios[scenario.0 as usize].value;
        match ended {
            Ended::Completed => row.completed += 1,
            Ended::Failed => {
                row.completed += 1;
                row.failed += 1;
            }
            Ended::Interrupted => {
                row.interrupted += 1;
                return;
            }
        }
        row.iteration_duration.record(duration_us);
    }

    /// How many bots are in a session now, and how many there are (k6's `vus` and `vus_max`).
    pub fn bots(&mut self, active: u64, allocated: u64) {
        (self.bots_active, self.bots_allocated) = (active, allocated);
    }

    /// The CPU time that this thread has used since it began, and for how long it was ready and
    /// had no CPU; told before every swap.
    pub fn cpu(&mut self, thread_cpu_us: u64, thread_wait_us: u64) {
        (self.cpu_us.0, self.cpu_wait_us.0) = (thread_cpu_us, thread_wait_us);
    }

    /// For how long the worker stood still.
    pub fn stalled(&mut self, stalls: &Stalls) {
        self.current.stalls.add(stalls);
    }

    /// Hands over what was counted since the last swap and goes on with `spare`, which must be
    /// cleared (as [`Snapshot::default`] is, and what the coordinator sends back).
    pub fn swap(&mut self, mut spare: Snapshot) -> Snapshot {
        let current = &mut self.current;
        let requests = current.requests();
        fill_zeros(&mut current.http_req_blocked, requests);
        fill_zeros(&mut current.http_req_connecting, requests);
        fill_zeros(&mut current.http_req_tls_handshaking, requests);
        (current.bots_active, current.bots_allocated) = (self.bots_active, self.bots_allocated);
        current.cpu_us = self.cpu_us.0.saturating_sub(self.cpu_us.1);
        self.cpu_us.1 = self.cpu_us.0;
        current.cpu_wait_us = self.cpu_wait_us.0.saturating_sub(self.cpu_wait_us.1);
        self.cpu_wait_us.1 = self.cpu_wait_us.0;
        for names in &mut self.requests {
            current.bounds.request_names += names.table.take_overflow();
        }
        for names in &mut self.actions {
            current.bounds.other_names += names.table.take_overflow();
        }
        for table in [
            &mut self.checks,
            &mut self.action_sets,
            &mut self.counters,
            &mut self.gauges,
            &mut self.rates,
            &mut self.trends,
            &mut self.times,
        ] {
            current.bounds.other_names += table.take_overflow();
        }
        spare.take_rows_of(current);
        std::mem::replace(current, spare)
    }
}

fn push_series(current: &mut Snapshot, scenario: ScenarioIndex, name: &str) -> u32 {
    let row = u32::try_from(current.series.len()).expect("bounded by REQUEST_NAMES_MAX");
    let name: Arc<str> = name.into();
    current.series.push(SeriesRow { scenario: scenario.0, name, series: Series::default() });
    row
}

fn record_above_zero(histogram: &mut Histogram<u32>, value_us: u64) {
    if value_us > 0 {
        histogram.record(value_us);
    }
}

fn fill_zeros(histogram: &mut Histogram<u32>, requests: u64) {
    histogram.record_n(0, requests.saturating_sub(histogram.count()));
}

#[cfg(test)]
mod tests;
