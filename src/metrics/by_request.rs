//! Each request name over time: how many, how many failed, how long they took.
//!
//! As the timeline of the whole run, but for every name and so in fewer rows. Of the names the
//! first in alphabetical order are kept: which those are does not depend on how a run is split, so
//! parts add up to the whole.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::coarse::CoarseHistogram;
use super::series::Series;

/// Names that have rows: as many as a person looks at. 50 names of 300 rows of some 300 bytes are
/// 4.5 MB of `run.json`, if all are in use all the time.
const NAMES_MAX: usize = 50;
/// Five minutes of seconds; a longer run has rows of 2, 4, 8… seconds.
const ROWS_MAX: usize = 300;

/// Each request name over time.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(default)]
pub struct RequestTimelines {
    /// How many seconds one row stands for: a power of two.
    pub seconds_per_row: u64,
    /// Row n of a name begins at second n * `seconds_per_row`; rows after its last request are
    /// left out.
    pub names: BTreeMap<String, Vec<RequestRow>>,
}

/// What became of the requests of one name in a row.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(default)]
pub struct RequestRow {
    /// Requests that ended.
    pub requests: u64,
    /// Those of them that failed.
    pub requests_failed: u64,
    /// completed - due.
    pub response_time: CoarseHistogram,
}

impl RequestRow {
    fn add(&mut self, other: &Self) {
        self.requests += other.requests;
        self.requests_failed += other.requests_failed;
        self.response_time.add(&other.response_time);
    }
}

impl Default for RequestTimelines {
    fn default() -> Self {
        Self { seconds_per_row: 1, names: BTreeMap::new() }
    }
}

impl RequestTimelines {
    /// Adds what a worker did in a second of the run.
    pub(super) fn add_second(&mut self, second: u64, name: &str, series: &Series<u32>) {
        if series.count() == 0 {
            return;
        }
        while self.position(second) >= ROWS_MAX {
            self.coarsen();
        }
        let is_full = self.names.len() >= NAMES_MAX;
        if is_full && self.names.last_key_value().is_some_and(|(last, _)| **last < *name) {
            return;
        }
        let mut row = RequestRow {
            requests: series.count(),
            requests_failed: series.failed,
            response_time: (&series.expected.response_time).into(),
        };
        row.response_time.add(&(&series.unexpected.response_time).into());
        let position = self.position(second);
        let rows = self.names.entry(name.to_owned()).or_default();
        rows.resize(rows.len().max(position + 1), RequestRow::default());
        rows[position].add(&row);
        self.drop_names();
    }

    /// Adds those of another task that started at the same instant.
    pub fn add(&mut self, other: &Self) {
        let mut other = other.clone();
        while self.seconds_per_row < other.seconds_per_row {
            self.coarsen();
        }
        while other.seconds_per_row < self.seconds_per_row {
            other.coarsen();
        }
        for (name, more) in other.names {
            let rows = self.names.entry(name).or_default();
            rows.resize(rows.len().max(more.len()), RequestRow::default());
            rows.iter_mut().zip(&more).for_each(|(row, more)| row.add(more));
        }
        self.drop_names();
    }

    fn drop_names(&mut self) {
        while self.names.len() > NAMES_MAX {
            self.names.pop_last();
        }
    }

    fn position(&self, second: u64) -> usize {
        usize::try_from(second / self.seconds_per_row).unwrap_or(usize::MAX)
    }

    fn coarsen(&mut self) {
        self.seconds_per_row *= 2;
        for rows in self.names.values_mut() {
            let pairs = rows.chunks(2).map(|pair| {
                let mut sum = pair[0].clone();
                pair[1..].iter().for_each(|row| sum.add(row));
                sum
            });
            *rows = pairs.collect();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one_request() -> Series<u32> {
        let mut series = Series::default();
        series.expected.response_time.record(1_500);
        series
    }

    #[test]
    fn the_names_that_are_kept_do_not_depend_on_how_a_run_is_split() {
        let name = |number: u64| format!("GET /{:03}", number * 37 % 101);
        let mut whole = RequestTimelines::default();
        let mut parts = [RequestTimelines::default(), RequestTimelines::default()];
        for number in 0..2_000 {
            let second = number / 3;
            whole.add_second(second, &name(number), &one_request());
            let part = usize::from(number % 7 < 3);
            parts[part].add_second(second, &name(number), &one_request());
        }
        let [mut sum, other] = parts;
        sum.add(&other);
        assert_eq!(sum, whole);
        assert_eq!((whole.names.len(), whole.seconds_per_row), (NAMES_MAX, 4));
        let requests = whole.names["GET /000"].iter().map(|row| row.requests).sum::<u64>();
        assert_eq!(requests, 2_000 / 101 + 1);
    }
}
