//! The metrics of one worker: everything that happens there is counted here, without allocating.
//!
//! A request costs six histogram records and some additions: 45 ns with one name, 65 ns with 40
//! names in turn (release build, 2026 server core). Values that are zero
//! on an open connection (blocked, connecting, TLS) are not recorded one by one: their zeros are
//! the requests that are missing, added when the interval is handed over. Names become indices of
//! rows; all tables have a bound. Knows no clock: instants come in.

use std::sync::Arc;

use tallyho_replay::{Name, Note};

use super::health::Stalls;
use super::histogram::{Histogram, VALUE_US_MAX};
use super::names::{NameTable, OTHER, Place};
use super::series::{Example, Exchange, FailureKind, Series};
use super::snapshot::{Iterations, Row, SeriesRow, Snapshot};
use super::table;

/// Request names per scenario and worker: more is a bot that puts ids into them. 500 names of five
/// histograms of 20 pages (1 KiB) in two snapshots are 100 MB, if all of them are really used.
pub const REQUEST_NAMES_MAX: u32 = 500;
/// Checks and custom metrics, each kind.
pub const OTHER_NAMES_MAX: u32 = 1000;
/// Sets of actions: screens of a client, rarely more than 30.
const ACTION_SETS_MAX: u32 = 100;
/// Actions of one set.
const ACTIONS_PER_SET_MAX: u32 = 100;
/// A request that was sent this long after it was due was late by the generator's fault: twice
/// the 1 ms by which timers of the runtime may lag.
pub const LATE_US: u64 = 2_000;
/// Custom values are kept in thousandths: for times in ms, that is µs.
const CUSTOM_SCALE: f64 = 1000.0;
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

/// The names of one scenario or set, and the rows they have in a table shared by all of them.
#[derive(Debug)]
struct GroupedNames {
    table: NameTable,
    rows: Vec<u32>,
    other: Option<u32>,
}

impl GroupedNames {
    fn new(names_max: u32) -> Self {
        Self { table: NameTable::new(names_max), rows: Vec::new(), other: None }
    }

    /// The row of a name; `push` makes one and says which.
    #[inline]
    fn row(&mut self, name: &Name, push: impl FnOnce(&str) -> u32) -> u32 {
        match self.table.place(name) {
            Place::Known(index) => self.rows[index as usize],
            Place::New(_) => {
                let row = push(name.as_str());
                self.rows.push(row);
                row
            }
            Place::Full => *self.other.get_or_insert_with(|| push(OTHER)),
        }
    }
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

    /// Counts what a bot noted at `at_us` of the run's clock. Log lines are not for the metrics
    /// and are passed over.
    pub fn note(&mut self, at_us: u64, note: &Note) {
        match note {
            Note::Check { name, passed } => {
                row_of(&mut self.checks, &mut self.current.checks, name).count(*passed);
            }
            Note::Action { set, name, took_us } => self.action(set, name, *took_us),
            Note::Counter { name, .. }
            | Note::Rate { name, .. }
            | Note::Gauge { name, .. }
            | Note::Trend { name, .. }
                if table::built_in(name.as_str()).is_some() =>
            {
                self.current.bounds.names_taken += 1;
            }
            Note::Counter { name, by } => {
                let sum = row_of(&mut self.counters, &mut self.current.counters, name);
                *sum = sum.saturating_add(*by);
            }
            Note::Rate { name, hit } => {
                row_of(&mut self.rates, &mut self.current.rates, name).count(*hit);
            }
            Note::Gauge { name, value } if value.is_finite() => {
                row_of(&mut self.gauges, &mut self.current.gauges, name).set(at_us, *value);
            }
            Note::Gauge { .. } => self.current.bounds.out_of_range += 1,
            Note::Trend { name, value, is_time } => self.trend(name, *value, *is_time),
            Note::Log { .. } => {}
        }
    }

    fn action(&mut self, set: &Name, name: &Name, took_us: u64) {
        let (index, set) = match self.action_sets.place(set) {
            Place::Known(index) | Place::New(index) => (index as usize, set.as_str()),
            Place::Full => (ACTION_SETS_MAX as usize, OTHER),
        };
        if index == self.actions.len() {
            self.actions.push(GroupedNames::new(ACTIONS_PER_SET_MAX));
        }
        let rows = &mut self.current.actions;
        let row = self.actions[index].row(name, |name| {
            let name = if set.is_empty() { name.into() } else { format!("{set}/{name}").into() };
            rows.push(Row { name, value: Histogram::new() });
            u32::try_from(rows.len() - 1).expect("bounded by sets x actions")
        });
        rows[row as usize].value.record(took_us);
    }

    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        clippy::cast_precision_loss,
        reason = "a float cast saturates, and the histogram clamps what it keeps"
    )]
    fn trend(&mut self, name: &Name, value: f64, is_time: bool) {
        let scaled = value * CUSTOM_SCALE;
        if !(0.0..=VALUE_US_MAX as f64).contains(&scaled) {
            self.current.bounds.out_of_range += 1;
        }
        if !scaled.is_nan() {
            let (names, rows) = if is_time {
                (&mut self.times, &mut self.current.times)
            } else {
                (&mut self.trends, &mut self.current.trends)
            };
            row_of(names, rows, name).record(scaled.round() as u64);
        }
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

/// The value of a name; names above the bound share the row behind the last one.
fn row_of<'a, V: Default>(
    names: &mut NameTable,
    rows: &'a mut Vec<Row<V>>,
    name: &Name,
) -> &'a mut V {
    let (index, text) = match names.place(name) {
        Place::Known(index) | Place::New(index) => (index as usize, name.as_str()),
        Place::Full => (names.len() as usize, OTHER),
    };
    if index == rows.len() {
        rows.push(Row { name: text.into(), value: V::default() });
    }
    &mut rows[index].value
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
mod tests {
    use std::rc::Rc;

    use tallyho_replay::Failure;

    use super::*;
    use crate::metrics::Totals;

    const ANSWERED: Exchange = Exchange {
        due_us: 1_000,
        sent_us: 1_500,
        completed_us: 4_000,
        waited_us: 0,
        blocked_us: 0,
        connecting_us: 0,
        tls_us: 0,
        sending_us: 100,
        waiting_us: 2_000,
        receiving_us: 300,
        status: 200,
        expected: true,
        failure: None,
        bytes_sent: 80,
        bytes_received: 500,
    };

    fn totals(recorder: &mut Recorder) -> Totals {
        let mut totals = Totals::default();
        totals.add_snapshot(&recorder.swap(Snapshot::default()));
        totals
    }

    fn record(exchange: &Exchange) -> Totals {
        let mut recorder = Recorder::new();
        let scenario = recorder.scenario("default");
        let series = recorder.series(scenario, &Name::Static("GET /"));
        recorder.exchange(series, exchange);
        totals(&mut recorder)
    }

    #[test]
    fn response_time_counts_from_due_and_service_time_from_the_phases() {
        let totals = record(&ANSWERED);
        let all = totals.all_requests();
        assert_eq!(all.response_time().figures().max_us, 3_000);
        assert_eq!(all.http_req_duration().figures().max_us, 2_400);
        assert_eq!(all.http_req_waiting.figures().max_us, 2_000);
        assert_eq!((all.bytes_sent, all.bytes_received, all.failed), (80, 500, 0));
        assert_eq!(all.statuses.get(&200), Some(&1));
    }

    #[test]
    fn waiting_for_a_bot_or_a_connection_is_not_schedule_lag() {
        assert_eq!(record(&ANSWERED).schedule_lag.figures().max_us, 500);
        let waited = Exchange { waited_us: 300, blocked_us: 150, ..ANSWERED };
        assert_eq!(record(&waited).schedule_lag.figures().max_us, 50);
        let early = Exchange { sent_us: 900, ..ANSWERED };
        assert_eq!(record(&early).schedule_lag.figures().max_us, 0);
    }

    #[test]
    fn a_request_sent_late_by_the_generator_counts_as_late() {
        assert_eq!(record(&ANSWERED).late, 0);
        assert_eq!(record(&Exchange { sent_us: 1_000 + LATE_US, ..ANSWERED }).late, 1);
    }

    #[test]
    fn unexpected_answers_are_kept_apart_from_expected_ones() {
        let mut recorder = Recorder::new();
        let scenario = recorder.scenario("default");
        let series = recorder.series(scenario, &Name::Static("GET /"));
        recorder.exchange(series, &ANSWERED);
        let fast = Exchange { status: 503, expected: false, completed_us: 1_600, ..ANSWERED };
        assert!(recorder.exchange(series, &fast).is_some());
        let totals = totals(&mut recorder);
        let (_, _, series) = totals.requests().next().unwrap();
        assert_eq!(series.expected.response_time.figures().min_us, 3_000);
        assert_eq!(series.unexpected.response_time.figures().max_us, 600);
        assert_eq!((series.count(), series.failed), (2, 1));
        assert_eq!(totals.failures["unexpected status 503"].count, 1);
    }

    #[test]
    fn zeros_of_open_connections_are_counted_without_recording_them() {
        let mut recorder = Recorder::new();
        let scenario = recorder.scenario("default");
        let series = recorder.series(scenario, &Name::Static("GET /"));
        for _ in 0..9 {
            recorder.exchange(series, &ANSWERED);
        }
        let opened = Exchange { blocked_us: 70, connecting_us: 50, ..ANSWERED };
        recorder.exchange(series, &opened);
        let totals = totals(&mut recorder);
        assert_eq!(totals.http_req_connecting.count(), 10);
        assert_eq!(totals.http_req_connecting.percentile_us(90.0), Some(0));
        assert_eq!(totals.http_req_connecting.percentile_us(100.0), Some(50));
        assert_eq!(totals.http_req_tls_handshaking.count(), 10);
    }

    #[test]
    fn only_the_first_failure_of_a_kind_asks_for_an_example() {
        let mut recorder = Recorder::new();
        let scenario = recorder.scenario("default");
        let series = recorder.series(scenario, &Name::Static("GET /"));
        let refused =
            Exchange { status: 0, expected: false, failure: Some(Failure::Refused), ..ANSWERED };
        let slot = recorder.exchange(series, &refused).unwrap();
        recorder.example(slot, "7/1".to_owned(), "x".repeat(EXAMPLE_BYTES_MAX + 1));
        assert!(recorder.exchange(series, &refused).is_none());
        let later = Exchange { completed_us: 9_000, ..refused };
        assert!(recorder.exchange(series, &later).is_none());
        let totals = totals(&mut recorder);
        let failures = &totals.failures[Failure::Refused.as_str()];
        assert_eq!((failures.count, failures.first_us, failures.last_us), (3, 4_000, 9_000));
        assert_eq!(failures.requests["GET /"], 3);
        let example = failures.example.as_ref().unwrap();
        assert_eq!((example.session.as_str(), example.text.len()), ("7/1", EXAMPLE_BYTES_MAX));
    }

    #[test]
    fn request_names_above_the_bound_share_one_row_and_are_counted() {
        let mut recorder = Recorder::new();
        let scenario = recorder.scenario("default");
        for id in 0..REQUEST_NAMES_MAX + 25 {
            let name = Name::Shared(Rc::from(format!("GET /items/{id}")));
            let series = recorder.series(scenario, &name);
            recorder.exchange(series, &ANSWERED);
        }
        let totals = totals(&mut recorder);
        assert_eq!(totals.requests().count(), REQUEST_NAMES_MAX as usize + 1);
        assert_eq!(totals.scenarios["default"].requests[OTHER].count(), 25);
        assert_eq!(totals.bounds.request_names, 25);
    }

    #[test]
    fn the_same_request_name_in_two_scenarios_is_two_series() {
        let mut recorder = Recorder::new();
        let (a, b) = (recorder.scenario("a"), recorder.scenario("b"));
        let name = Name::Static("GET /");
        assert_ne!(recorder.series(a, &name), recorder.series(b, &name));
        assert_eq!(recorder.series(a, &name), recorder.series(a, &name));
    }

    #[test]
    fn iterations_stopped_on_the_way_have_no_duration() {
        let mut recorder = Recorder::new();
        let scenario = recorder.scenario("default");
        recorder.due(scenario, 4);
        recorder.started(scenario, 3);
        recorder.dropped(scenario, 1);
        recorder.iteration(scenario, 10, Ended::Completed);
        recorder.iteration(scenario, 20, Ended::Failed);
        recorder.iteration(scenario, 30, Ended::Interrupted);
        let all = totals(&mut recorder).all_iterations();
        assert_eq!((all.due, all.started, all.dropped), (4, 3, 1));
        assert_eq!((all.completed, all.failed, all.interrupted), (2, 1, 1));
        assert_eq!(all.iteration_duration.figures().sum_us, 30);
    }

    #[test]
    fn notes_become_the_four_kinds_of_metric() {
        let mut recorder = Recorder::new();
        let name = |text| Name::Static(text);
        for note in [
            Note::Check { name: name("ok"), passed: true },
            Note::Check { name: name("ok"), passed: false },
            Note::Counter { name: name("sold"), by: 3 },
            Note::Counter { name: name("sold"), by: 4 },
            Note::Rate { name: name("hit"), hit: true },
            Note::Gauge { name: name("queue"), value: 5.0 },
            Note::Gauge { name: name("queue"), value: -2.0 },
            Note::Trend { name: name("size"), value: 1.5, is_time: false },
            Note::Trend { name: name("round"), value: 12.25, is_time: true },
            Note::Action { set: name("home"), name: name("shop"), took_us: 9 },
            Note::Action { set: name(""), name: name("shop"), took_us: 8 },
        ] {
            recorder.note(7, &note);
        }
        let totals = totals(&mut recorder);
        assert_eq!((totals.checks["ok"].passes, totals.checks["ok"].fails), (1, 1));
        assert_eq!(totals.counters["sold"], 7);
        assert_eq!((totals.rates["hit"].passes, totals.rates["hit"].fails), (1, 0));
        let queue = totals.gauges["queue"];
        assert_eq!((queue.min, queue.max, queue.count), (-2.0, 5.0, 2));
        assert_eq!(totals.trends["size"].figures().sum_us, 1_500);
        assert_eq!(totals.times["round"].figures().sum_us, 12_250);
        assert_eq!(totals.actions.keys().collect::<Vec<_>>(), ["home/shop", "shop"]);
    }

    #[test]
    fn notes_that_no_metric_can_hold_are_counted_and_not_lost_silently() {
        let mut recorder = Recorder::new();
        for value in [f64::NAN, -1.0, 1e12] {
            recorder.note(0, &Note::Trend { name: "size".into(), value, is_time: false });
        }
        recorder.note(0, &Note::Gauge { name: "queue".into(), value: f64::INFINITY });
        recorder.note(0, &Note::Counter { name: "http_reqs".into(), by: 1 });
        let totals = totals(&mut recorder);
        assert_eq!(totals.bounds.out_of_range, 4);
        assert_eq!(totals.bounds.names_taken, 1);
        assert_eq!(totals.trends["size"].count(), 2);
        assert!(totals.gauges.is_empty() && totals.counters.is_empty());
    }

    #[test]
    fn a_spare_goes_on_where_the_snapshot_before_it_ended() {
        let mut recorder = Recorder::new();
        let scenario = recorder.scenario("default");
        let series = recorder.series(scenario, &Name::Static("GET /"));
        recorder.exchange(series, &ANSWERED);
        recorder.cpu(100, 10);
        let mut first = recorder.swap(Snapshot::default());
        recorder.exchange(series, &ANSWERED);
        let another = recorder.series(scenario, &Name::Static("GET /more"));
        recorder.exchange(another, &ANSWERED);
        recorder.cpu(350, 15);
        assert_eq!((first.requests(), first.cpu_us, first.cpu_wait_us), (1, 100, 10));
        first.clear();
        let second = recorder.swap(first);
        assert_eq!((second.requests(), second.cpu_us, second.cpu_wait_us), (2, 250, 5));
        recorder.exchange(another, &ANSWERED);
        assert_eq!(recorder.swap(Snapshot::default()).requests(), 1);
    }

    #[test]
    fn a_snapshot_travels_between_threads() {
        fn is_send<T: Send>() {}
        is_send::<Snapshot>();
    }
}
