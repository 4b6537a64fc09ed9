//! The run second by second: what was planned, what happened, how long it took.
//!
//! Rows add up over workers and tasks as everything else. When a run is longer than
//! [`ROWS_MAX`] rows, neighbours are added in pairs and a row stands for twice the time, so a soak
//! of a week has the same size as an hour.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::coarse::CoarseHistogram;
use super::health::Strain;

/// One hour of seconds; at 2 kB per row, some 7 MB of `run.json`.
pub const ROWS_MAX: usize = 3600;

/// One second of the run, or the few seconds of a coarser timeline.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(default)]
pub struct Row {
    /// The first second of the row, counted from the start of the run.
    pub second: u64,
    /// Arrivals that the plan had.
    pub due: u64,
    /// Iterations that began.
    pub started: u64,
    /// Iterations that ran to their end.
    pub completed: u64,
    /// Those of them that count as failed.
    pub failed: u64,
    /// Arrivals for which no bot was free.
    pub dropped: u64,
    /// Requests that ended.
    pub requests: u64,
    /// Those of them that failed.
    pub requests_failed: u64,
    /// Failed requests by kind of failure.
    pub failures: BTreeMap<String, u64>,
    /// Bots in a session at the end of the row.
    pub bots_active: u64,
    /// Bots there were at the end of the row.
    pub bots_allocated: u64,
    /// Bytes of requests.
    pub bytes_sent: u64,
    /// Bytes of responses.
    pub bytes_received: u64,
    /// completed - due.
    pub response_time: CoarseHistogram,
    /// sending + waiting + receiving.
    pub http_req_duration: CoarseHistogram,
    /// The generator's own delay.
    pub schedule_lag: CoarseHistogram,
    /// What kept the generator from its work.
    pub strain: Strain,
}

/// The rows of a run from its first second, without gaps.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(default)]
pub struct Timeline {
    /// How many seconds one row stands for: a power of two.
    pub seconds_per_row: u64,
    /// Row n begins at second n * `seconds_per_row`.
    pub rows: Vec<Row>,
}

/// What one worker did, row by row of the timeline.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(default)]
pub struct WorkerTimeline {
    /// How many seconds one entry stands for.
    pub seconds_per_row: u64,
    /// Requests that ended.
    pub requests: Vec<u64>,
    /// Those of them that were sent late by the generator's fault.
    pub late: Vec<u64>,
    /// The greatest schedule lag, in µs.
    pub lag_us_max: Vec<u64>,
    /// CPU time that the worker's thread used, in µs.
    pub cpu_us: Vec<u64>,
    /// For how long it was ready to run and had no CPU, in µs.
    pub cpu_wait_us: Vec<u64>,
    /// For how long it stood still, in µs.
    pub stalled_us: Vec<u64>,
}

/// One worker's second, to be put into a [`WorkerTimeline`].
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct WorkerSecond {
    pub(super) requests: u64,
    pub(super) late: u64,
    pub(super) lag_us_max: u64,
    pub(super) cpu_us: u64,
    pub(super) cpu_wait_us: u64,
    pub(super) stalled_us: u64,
}

impl Row {
    /// Adds what others did in the same row; bots are added, as they are others.
    pub fn add(&mut self, other: &Self) {
        let bots_active = self.bots_active + other.bots_active;
        let bots_allocated = self.bots_allocated + other.bots_allocated;
        self.add_later(other);
        (self.bots_active, self.bots_allocated) = (bots_active, bots_allocated);
    }

    /// Adds what the same bots did in the time after this row.
    fn add_later(&mut self, other: &Self) {
        self.due += other.due;
        self.started += other.started;
        self.completed += other.completed;
        self.failed += other.failed;
        self.dropped += other.dropped;
        self.requests += other.requests;
        self.requests_failed += other.requests_failed;
        for (kind, count) in &other.failures {
            *self.failures.entry(kind.clone()).or_insert(0) += count;
        }
        (self.bots_active, self.bots_allocated) = (other.bots_active, other.bots_allocated);
        self.bytes_sent += other.bytes_sent;
        self.bytes_received += other.bytes_received;
        self.response_time.add(&other.response_time);
        self.http_req_duration.add(&other.http_req_duration);
        self.schedule_lag.add(&other.schedule_lag);
        self.strain.worsen(&other.strain);
    }
}

impl Default for Timeline {
    fn default() -> Self {
        Self { seconds_per_row: 1, rows: Vec::new() }
    }
}

impl Timeline {
    /// Adds one second of some bots. `row.second` says where.
    pub(super) fn add_second(&mut self, row: &Row) {
        let mut position = self.position(row.second);
        while position >= ROWS_MAX {
            self.coarsen();
            position = self.position(row.second);
        }
        if position < self.rows.len() {
            // Again the same second: from a worker that was late, whose bots are others. In a row
            // of several seconds it is most likely the next one.
            match self.seconds_per_row {
                1 => self.rows[position].add(row),
                _ => self.rows[position].add_later(row),
            }
            return;
        }
        self.extend_to(position);
        let second = self.rows[position].second;
        self.rows[position] = Row { second, ..row.clone() };
    }

    /// Adds what a machine met in a second.
    pub(super) fn add_strain(&mut self, second: u64, strain: &Strain) {
        let mut position = self.position(second);
        while position >= ROWS_MAX {
            self.coarsen();
            position = self.position(second);
        }
        self.extend_to(position.max(self.rows.len().saturating_sub(1)));
        self.rows[position].strain.worsen(strain);
    }

    /// Adds the timeline of another task that started at the same instant.
    pub fn add(&mut self, other: &Self) {
        let mut other = other.clone();
        while self.seconds_per_row < other.seconds_per_row {
            self.coarsen();
        }
        while other.seconds_per_row < self.seconds_per_row {
            other.coarsen();
        }
        if let Some(last) = other.rows.len().checked_sub(1) {
            self.extend_to(last.max(self.rows.len().saturating_sub(1)));
        }
        for (row, more) in self.rows.iter_mut().zip(&other.rows) {
            row.add(more);
        }
    }

    /// The same run in at most `rows_max` rows: neighbours are added until they are few enough.
    #[must_use]
    pub fn in_rows(&self, rows_max: usize) -> Self {
        let mut coarse = self.clone();
        while coarse.rows.len() > rows_max.max(1) {
            coarse.coarsen();
        }
        coarse
    }

    fn position(&self, second: u64) -> usize {
        usize::try_from(second / self.seconds_per_row).unwrap_or(usize::MAX)
    }

    fn extend_to(&mut self, position: usize) {
        for index in self.rows.len()..=position {
            let second = index as u64 * self.seconds_per_row;
            self.rows.push(Row { second, ..Row::default() });
        }
    }

    fn coarsen(&mut self) {
        self.seconds_per_row *= 2;
        let mut coarse: Vec<Row> = Vec::with_capacity(self.rows.len() / 2 + 1);
        for (index, row) in std::mem::take(&mut self.rows).into_iter().enumerate() {
            match coarse.last_mut() {
                Some(last) if index % 2 == 1 => last.add_later(&row),
                _ => coarse.push(row),
            }
        }
        self.rows = coarse;
    }
}

impl Default for WorkerTimeline {
    fn default() -> Self {
        Self {
            seconds_per_row: 1,
            requests: Vec::new(),
            late: Vec::new(),
            lag_us_max: Vec::new(),
            cpu_us: Vec::new(),
            cpu_wait_us: Vec::new(),
            stalled_us: Vec::new(),
        }
    }
}

impl WorkerTimeline {
    pub(super) fn add_second(&mut self, second: u64, sample: WorkerSecond) {
        let position = loop {
            let position = usize::try_from(second / self.seconds_per_row).unwrap_or(usize::MAX);
            if position < ROWS_MAX {
                break position;
            }
            self.coarsen();
        };
        for column in self.columns() {
            column.resize(column.len().max(position + 1), 0);
        }
        self.requests[position] += sample.requests;
        self.late[position] += sample.late;
        self.lag_us_max[position] = self.lag_us_max[position].max(sample.lag_us_max);
        self.cpu_us[position] += sample.cpu_us;
        self.cpu_wait_us[position] += sample.cpu_wait_us;
        self.stalled_us[position] += sample.stalled_us;
    }

    fn columns(&mut self) -> [&mut Vec<u64>; 6] {
        [
            &mut self.requests,
            &mut self.late,
            &mut self.lag_us_max,
            &mut self.cpu_us,
            &mut self.cpu_wait_us,
            &mut self.stalled_us,
        ]
    }

    /// Makes rows longer until one stands for `seconds_per_row`.
    pub fn coarsen_to(&mut self, seconds_per_row: u64) {
        while self.seconds_per_row < seconds_per_row {
            self.coarsen();
        }
    }

    fn coarsen(&mut self) {
        self.seconds_per_row *= 2;
        let max = |pair: &[u64]| pair.iter().copied().max().unwrap_or(0);
        let lag_us_max = self.lag_us_max.chunks(2).map(max).collect();
        for column in self.columns() {
            *column = column.chunks(2).map(|pair| pair.iter().sum()).collect();
        }
        self.lag_us_max = lag_us_max;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(second: u64, requests: u64) -> Row {
        Row { second, requests, bots_active: second, ..Row::default() }
    }

    #[test]
    fn seconds_without_a_report_are_empty_rows() {
        let mut timeline = Timeline::default();
        timeline.add_second(&row(3, 7));
        let seconds: Vec<_> = timeline.rows.iter().map(|row| (row.second, row.requests)).collect();
        assert_eq!(seconds, [(0, 0), (1, 0), (2, 0), (3, 7)]);
    }

    #[test]
    fn a_late_report_is_added_to_its_second() {
        let mut timeline = Timeline::default();
        timeline.add_second(&row(0, 1));
        timeline.add_second(&row(1, 1));
        timeline.add_second(&row(0, 5));
        assert_eq!(timeline.rows[0].requests, 6);
    }

    #[test]
    fn a_long_run_keeps_its_sums_in_fewer_rows() {
        let seconds = ROWS_MAX as u64 * 2 + 1;
        let mut timeline = Timeline::default();
        let mut worker = WorkerTimeline::default();
        for second in 0..seconds {
            timeline.add_second(&row(second, 1));
            let sample = WorkerSecond { requests: 1, lag_us_max: second, ..Default::default() };
            worker.add_second(second, sample);
        }
        assert_eq!(timeline.seconds_per_row, 4);
        assert_eq!(timeline.rows.len() as u64, seconds.div_ceil(4));
        assert_eq!(timeline.rows.iter().map(|row| row.requests).sum::<u64>(), seconds);
        assert_eq!((timeline.rows[1].second, timeline.rows[1].bots_active), (4, 7));
        assert_eq!(worker.seconds_per_row, 4);
        assert_eq!(worker.requests.iter().sum::<u64>(), seconds);
        assert_eq!(worker.lag_us_max[1], 7);
    }

    #[test]
    fn timelines_of_different_steps_add_at_the_longer_one() {
        let mut long = Timeline::default();
        (0..=ROWS_MAX as u64).for_each(|second| long.add_second(&row(second, 1)));
        let mut short = Timeline::default();
        (0..3).for_each(|second| short.add_second(&row(second, 10)));
        let (mut one, mut other) = (short.clone(), long.clone());
        one.add(&long);
        other.add(&short);
        assert_eq!(one, other);
        assert_eq!(one.seconds_per_row, 2);
        assert_eq!((one.rows[0].requests, one.rows[1].requests, one.rows[2].requests), (22, 12, 2));
    }
}
