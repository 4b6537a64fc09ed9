//! What bots note: checks, actions and custom metrics.

use tallyho_replay::{Name, Note};

use super::rows::{GroupedNames, row_of};
use super::{ACTION_SETS_MAX, Recorder};
use crate::metrics::histogram::{Histogram, VALUE_US_MAX};
use crate::metrics::names::{OTHER, Place};
use crate::metrics::snapshot::Row;
use crate::metrics::table;

/// Actions of one set.
const ACTIONS_PER_SET_MAX: u32 = 100;
/// Custom values are kept in thousandths: for times in ms, that is µs.
const CUSTOM_SCALE: f64 = 1000.0;

impl Recorder {
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
}
