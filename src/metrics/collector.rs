//! Adds what the workers hand over: totals, the timeline, and each worker's own health.
//!
//! Lives on the coordinator's thread. A second is open until every worker has reported it or it is
//! [`SECONDS_OPEN_MAX`] old; only then its histograms become a row of the timeline.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::by_request::RequestTimelines;
use super::health::{Stalls, Strain};
use super::histogram::Histogram;
use super::snapshot::Snapshot;
use super::threshold::View;
use super::timeline::{Row, Timeline, WorkerSecond, WorkerTimeline};
use super::totals::Totals;

/// A worker that is later than this with its snapshot is stalled; live lines go on without it.
const SECONDS_OPEN_MAX: u64 = 5;

/// Everything measured so far.
#[derive(Debug)]
pub struct Collector {
    totals: Totals,
    timeline: Timeline,
    requests: RequestTimelines,
    workers: Vec<WorkerMeasured>,
    open: BTreeMap<u64, OpenSecond>,
    latest: Option<Row>,
}

/// Everything measured in a run, for the report.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Measured {
    /// All metrics, added up.
    pub totals: Totals,
    /// The run second by second.
    pub timeline: Timeline,
    /// The same for each request name.
    pub requests: RequestTimelines,
    /// Each worker, by its number.
    pub workers: Vec<WorkerMeasured>,
}

/// What one worker did.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(default)]
pub struct WorkerMeasured {
    /// Requests that ended.
    pub requests: u64,
    /// Those of them that were sent late by the generator's fault.
    pub late: u64,
    /// CPU time that its thread used, in µs.
    pub cpu_us: u64,
    /// For how long it was ready to run and had no CPU, in µs; 0 where the system does not say.
    pub cpu_wait_us: u64,
    /// For how long it stood still.
    pub stalls: Stalls,
    /// Its own schedule lag.
    pub schedule_lag: Histogram<u64>,
    /// The same, row by row.
    pub timeline: WorkerTimeline,
}

#[derive(Debug, Default)]
struct OpenSecond {
    reports: usize,
    row: Row,
    response_time: Histogram<u64>,
    http_req_duration: Histogram<u64>,
    schedule_lag: Histogram<u64>,
}

impl Collector {
    /// A collector for this many workers, numbered from 0.
    pub fn new(workers: usize) -> Self {
        Self {
            totals: Totals::default(),
            timeline: Timeline::default(),
            requests: RequestTimelines::default(),
            workers: vec![WorkerMeasured::default(); workers],
            open: BTreeMap::new(),
            latest: None,
        }
    }

    /// Adds a worker's snapshot of a second of the run (0 is the first), and clears it: it can go
    /// back to the worker as its next spare.
    pub fn add(&mut self, worker: usize, second: u64, snapshot: &mut Snapshot) {
        self.totals.add_snapshot(snapshot);
        let measured = &mut self.workers[worker];
        let sample = WorkerSecond {
            requests: snapshot.requests(),
            late: snapshot.late,
            lag_us_max: snapshot.schedule_lag.figures().max_us,
            cpu_us: snapshot.cpu_us,
            cpu_wait_us: snapshot.cpu_wait_us,
            stalled_us: snapshot.stalls.total_us,
        };
        measured.requests += sample.requests;
        measured.late += sample.late;
        measured.cpu_us += sample.cpu_us;
        measured.cpu_wait_us += sample.cpu_wait_us;
        measured.stalls.add(&snapshot.stalls);
        measured.schedule_lag.add(&snapshot.schedule_lag);
        measured.timeline.add_second(second, sample);
        for row in &snapshot.series {
            self.requests.add_second(second, &row.name, &row.series);
        }
        self.open.entry(second).or_default().add(second, snapshot);
        self.close(second);
        snapshot.clear();
    }

    /// Adds what the machine did to the generator in a second of the run.
    pub fn add_strain(&mut self, second: u64, strain: &Strain) {
        match self.open.get_mut(&second) {
            Some(open) => open.row.strain.worsen(strain),
            None => self.timeline.add_strain(second, strain),
        }
    }

    /// Closes what is complete, and what is too old to wait for.
    fn close(&mut self, newest: u64) {
        let workers = self.workers.len();
        let done = |(&second, open): (&u64, &OpenSecond)| {
            (open.reports >= workers || second + SECONDS_OPEN_MAX < newest).then_some(second)
        };
        let closed: Vec<u64> = self.open.iter().filter_map(done).collect();
        for second in closed {
            if let Some(open) = self.open.remove(&second) {
                let row = open.into_row();
                self.timeline.add_second(&row);
                // A stalled worker reports seconds that were closed without it.
                if self.latest.as_ref().is_none_or(|latest| latest.second < second) {
                    self.latest = Some(row);
                }
            }
        }
    }

    /// All metrics so far.
    pub const fn totals(&self) -> &Totals {
        &self.totals
    }

    /// The newest second that is complete; for live lines.
    pub const fn latest(&self) -> Option<&Row> {
        self.latest.as_ref()
    }

    /// What each worker has done so far.
    pub fn workers(&self) -> &[WorkerMeasured] {
        &self.workers
    }

    /// What thresholds look at during the run.
    pub fn view(&self, elapsed: Duration) -> View<'_> {
        View {
            totals: &self.totals,
            elapsed,
            bots_active: self.latest.as_ref().map(|row| row.bots_active),
            bots_allocated: self.latest.as_ref().map(|row| row.bots_allocated),
        }
    }

    /// Closes all seconds and gives what was measured.
    pub fn finish(mut self) -> Measured {
        for open in std::mem::take(&mut self.open).into_values() {
            self.timeline.add_second(&open.into_row());
        }
        let Self { totals, timeline, requests, workers, .. } = self;
        Measured { totals, timeline, requests, workers }
    }
}

impl OpenSecond {
    fn add(&mut self, second: u64, snapshot: &Snapshot) {
        self.reports += 1;
        let row = &mut self.row;
        row.second = second;
        for scenario in &snapshot.scenarios {
            let iterations = &scenario.value;
            row.due += iterations.due;
            row.started += iterations.started;
            row.completed += iterations.completed;
            row.failed += iterations.failed;
            row.dropped += iterations.dropped;
        }
        for series in snapshot.series.iter().map(|row| &row.series) {
            row.requests += series.count();
            row.requests_failed += series.failed;
            row.bytes_sent += series.bytes_sent;
            row.bytes_received += series.bytes_received;
            for timing in [&series.expected, &series.unexpected] {
                self.response_time.add(&timing.response_time);
                self.http_req_duration.add(&timing.http_req_duration);
            }
        }
        for ((_, kind), failures) in snapshot.failures.iter().filter(|(_, row)| row.count > 0) {
            *row.failures.entry(kind.to_string()).or_insert(0) += failures.count;
        }
        row.bots_active += snapshot.bots_active;
        row.bots_allocated += snapshot.bots_allocated;
        self.schedule_lag.add(&snapshot.schedule_lag);
        row.strain.worsen(&Strain {
            stalled_us: snapshot.stalls.total_us,
            cpu_wait_us: snapshot.cpu_wait_us,
            cpu_us: snapshot.cpu_us,
            ..Strain::default()
        });
    }

    fn into_row(self) -> Row {
        Row {
            response_time: (&self.response_time).into(),
            http_req_duration: (&self.http_req_duration).into(),
            schedule_lag: (&self.schedule_lag).into(),
            ..self.row
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::Recorder;

    fn add(collector: &mut Collector, worker: usize, second: u64, due: u64) {
        let mut recorder = Recorder::new();
        let scenario = recorder.scenario("default");
        recorder.due(scenario, due);
        recorder.bots(due, due + 1);
        collector.add(worker, second, &mut recorder.swap(Snapshot::default()));
    }

    fn latest(collector: &Collector) -> Option<(u64, u64)> {
        collector.latest().map(|row| (row.second, row.due))
    }

    #[test]
    fn a_second_is_complete_when_all_workers_have_reported_it() {
        let mut collector = Collector::new(2);
        add(&mut collector, 0, 0, 3);
        assert_eq!(latest(&collector), None);
        add(&mut collector, 0, 1, 5);
        add(&mut collector, 1, 0, 4);
        assert_eq!(latest(&collector), Some((0, 7)));
        let view = collector.view(Duration::from_secs(1));
        assert_eq!((view.bots_active, view.bots_allocated), (Some(7), Some(9)));
        let measured = collector.finish();
        let rows: Vec<_> = measured.timeline.rows.iter().map(|row| (row.second, row.due)).collect();
        assert_eq!(rows, [(0, 7), (1, 5)], "what was open at the end counts");
        assert_eq!(measured.totals.scenarios["default"].due, 12);
    }

    #[test]
    fn a_stalled_worker_does_not_hold_up_the_others_and_is_added_late() {
        let mut collector = Collector::new(2);
        for second in 0..=SECONDS_OPEN_MAX {
            add(&mut collector, 0, second, 1);
        }
        assert_eq!(latest(&collector), None);
        add(&mut collector, 0, SECONDS_OPEN_MAX + 1, 1);
        assert_eq!(latest(&collector), Some((0, 1)));
        add(&mut collector, 0, SECONDS_OPEN_MAX + 2, 1);
        assert_eq!(latest(&collector), Some((1, 1)));
        add(&mut collector, 1, 0, 10);
        assert_eq!(latest(&collector), Some((1, 1)));
        let measured = collector.finish();
        assert_eq!(
            (measured.timeline.rows[0].due, measured.timeline.rows[0].bots_active),
            (11, 11)
        );
    }

    #[test]
    fn a_snapshot_comes_back_cleared() {
        let mut recorder = Recorder::new();
        let scenario = recorder.scenario("default");
        recorder.due(scenario, 1);
        let mut snapshot = recorder.swap(Snapshot::default());
        let mut collector = Collector::new(1);
        collector.add(0, 0, &mut snapshot);
        collector.add(0, 1, &mut snapshot);
        assert_eq!(collector.totals().scenarios["default"].due, 1);
    }
}
