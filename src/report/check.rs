//! What a report that was read must hold before anything is computed from it.
//!
//! Reports come from other machines, and arithmetic on counts stops at an overflow: a broken file
//! is refused with the place in it, rather than found in the middle of a merge.

use serde_json::Value;

use super::run_json::Report;
use crate::metrics::Timeline;

/// Far above any count, byte or µs of a run (2^52 µs are 142 years), and far enough below 2^64 that
/// thousands of such numbers add up.
const NUMBER_MAX: u64 = 1 << 52;

/// Numbers that may be greater: a sum of times stops at its greatest value by itself.
const UNBOUNDED: &str = "sum_us";

/// Refuses what cannot be.
pub(super) fn check(json: &str, report: &Report) -> Result<(), String> {
    let value: Value = serde_json::from_str(json).map_err(|error| error.to_string())?;
    for part in [
        "totals",
        "timeline",
        "requests_timeline",
        "plan",
        "tasks",
        "workers",
        "trace",
        "failing",
        "duration_us",
    ] {
        if let Some(value) = value.get(part) {
            numbers(value, &format!("/{part}"))?;
        }
    }
    for (_, name, series) in report.totals.requests() {
        let (count, failed) = (series.count(), series.failed);
        if failed > count {
            return Err(format!("{failed} of {count} requests {name} failed"));
        }
        let answered: u64 = series.statuses.values().sum();
        if answered > count {
            return Err(format!("there are {answered} responses to {count} requests {name}"));
        }
    }
    for worker in &report.workers {
        step(worker.measured.timeline.seconds_per_row)?;
    }
    step(report.requests_timeline.seconds_per_row)?;
    timeline(&report.timeline)
}

fn numbers(value: &Value, at: &str) -> Result<(), String> {
    match value {
        Value::Number(number) if number.as_u64().is_some_and(|number| number > NUMBER_MAX) => {
            Err(format!("{at} is {number}"))
        }
        Value::Array(items) => items
            .iter()
            .enumerate()
            .try_for_each(|(index, item)| numbers(item, &format!("{at}/{index}"))),
        Value::Object(members) => members
            .iter()
            .filter(|(name, _)| *name != UNBOUNDED)
            .try_for_each(|(name, member)| numbers(member, &format!("{at}/{name}"))),
        _ => Ok(()),
    }
}

/// Rows are added in pairs until they are as long as others: any other step would never fit.
fn step(seconds_per_row: u64) -> Result<(), String> {
    if seconds_per_row.is_power_of_two() {
        return Ok(());
    }
    Err(format!("seconds_per_row is {seconds_per_row}, not a power of two"))
}

fn timeline(timeline: &Timeline) -> Result<(), String> {
    step(timeline.seconds_per_row)?;
    for (row, index) in timeline.rows.iter().zip(0_u64..) {
        if row.second != index.saturating_mul(timeline.seconds_per_row) {
            return Err(format!("row {index} of the timeline is of second {}", row.second));
        }
    }
    Ok(())
}
