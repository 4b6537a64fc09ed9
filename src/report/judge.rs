//! Whether a run measured what it was meant to: the warnings its numbers give, and the verdict.
//!
//! A pure function of the report, so that merged reports are judged again as a whole. The limits
//! are constants with their reason.

use serde::{Deserialize, Serialize};
use tallyho_replay::Failure;

use super::run_json::{Report, Task};
use super::warning::{Severity, Warning};
use crate::metrics::threshold::Outcome;
use crate::metrics::{CoarseHistogram, Row, WorkerTimeline, is_carried};

/// Dropped arrivals, and failures on the generator's side, above one in a thousand make a run
/// invalid: they change a p99.9.
pub(super) const LOST_SHARE_MAX: f64 = 0.001;
/// A run whose generator was late in more than 5 % of its seconds was limited by it, not hindered.
pub(super) const LATE_SECONDS_SHARE_MAX: f64 = 0.05;
/// A second was late when 1 % of its requests were sent 10 ms or more after their time: five times
/// what timers of 1 ms explain, and of the order of the response times people test for.
pub(crate) const LAG_US_LATE: u64 = 10_000;
/// A container stopped by its CPU limit in more than 5 % of the periods shows it in its p95.
const THROTTLED_SHARE_MAX: f64 = 0.05;
/// Stolen time above 2 % of the machine is seen in the p99.
const STOLEN_SHARE_MAX: f64 = 0.02;
/// Room for what a run opens besides connections.
const SHARE_NEAR: f64 = 0.9;
/// Tasks are started by a clock or a signal; a second is what their rows of the timeline hold.
const TASKS_APART_US_MAX: u64 = 1_000_000;

/// What a run's numbers are worth.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// The numbers are the target's.
    #[default]
    Ok,
    /// Some are worse than what the target did.
    Degraded,
    /// The run did not measure what it was meant to.
    Invalid,
}

impl State {
    /// The word people see.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Degraded => "degraded",
            Self::Invalid => "invalid",
        }
    }
}

/// What a run's numbers are worth, and why.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(default)]
pub struct Verdict {
    /// What they are worth.
    pub state: State,
    /// The second of the run in which it began to be so, where that is known.
    pub since_second: Option<u64>,
    /// The evidence: one sentence per warning that led to it.
    pub evidence: Vec<String>,
}

impl Verdict {
    /// The verdict that warnings lead to: the worst of them.
    pub fn of(warnings: &[Warning]) -> Self {
        let worst = warnings.iter().map(Warning::severity).max();
        let state = match worst {
            None | Some(Severity::Note) => State::Ok,
            Some(Severity::Degrades) => State::Degraded,
            Some(Severity::Invalidates) => State::Invalid,
        };
        let counts = |warning: &&Warning| warning.severity() > Severity::Note;
        let worst = warnings.iter().filter(|warning| Some(warning.severity()) == worst);
        let since_second = match state {
            State::Ok => None,
            _ => worst.filter_map(Warning::window).map(|(from, _)| from).min(),
        };
        Self {
            state,
            since_second,
            evidence: warnings.iter().filter(counts).map(ToString::to_string).collect(),
        }
    }
}

/// All warnings that the numbers of a report give, the worst first.
pub(super) fn warnings(report: &Report) -> Vec<Warning> {
    let mut warnings = Vec::new();
    if report.summary.requests == 0 {
        warnings.push(Warning::NothingMeasured);
    }
    warnings.extend(dropped(report));
    warnings.extend(generator_limit(report));
    warnings.extend(stalled(report));
    warnings.extend(starved(report));
    warnings.extend(busy(report));
    generator_failures(report, &mut warnings);
    for task in &report.tasks {
        task_health(task, &mut warnings);
    }
    tasks(report, &mut warnings);
    thresholds(report, &mut warnings);
    bounds(report, &mut warnings);
    if let Some(trace) = report.trace.as_ref().filter(|t| t.writer_behind + t.lost > 0) {
        warnings.push(Warning::NotRecorded {
            sessions: trace.writer_behind + trace.lost,
            started: trace.started,
            error: trace.error.clone(),
        });
    }
    for task in &report.tasks {
        for notice in &task.notices {
            if !warnings.contains(notice) {
                warnings.push(notice.clone());
            }
        }
    }
    warnings.sort_by_key(|warning| std::cmp::Reverse(warning.severity()));
    warnings
}

/// The first second for which a row holds, and the second after the last.
fn window(report: &Report, is_in: impl Fn(&Row) -> bool) -> Option<(u64, u64)> {
    let timeline = &report.timeline;
    let mut rows = timeline.rows.iter().filter(|row| is_in(row));
    let first = rows.next()?;
    let last = rows.next_back().unwrap_or(first);
    Some((first.second, last.second + timeline.seconds_per_row))
}

fn dropped(report: &Report) -> Option<Warning> {
    let (dropped, due) = (report.summary.dropped, report.summary.due);
    if dropped == 0 {
        return None;
    }
    let (from_second, to_second) = window(report, |row| row.dropped > 0).unwrap_or_default();
    Some(Warning::DroppedIterations { dropped, due, from_second, to_second })
}

/// Whether the generator was the limit in a row of the timeline, whatever the reason.
pub(super) fn is_limited(row: &Row) -> bool {
    let Row { strain, .. } = row;
    let machine = strain.is_throttled() || strain.is_stolen();
    is_late(row) || strain.is_stalled() || strain.is_starved() || strain.is_busy() || machine
}

/// Whether requests were sent late in a row of the timeline.
fn is_late(row: &Row) -> bool {
    row.schedule_lag.percentile_us(99.0).is_some_and(|lag| lag >= LAG_US_LATE)
}

fn generator_limit(report: &Report) -> Option<Warning> {
    let (from_second, to_second) = window(report, is_late)?;
    let timeline = &report.timeline;
    let mut lag = CoarseHistogram::default();
    let mut late_rows = 0;
    for row in timeline.rows.iter().filter(|row| is_late(row)) {
        lag.add(&row.schedule_lag);
        late_rows += 1;
    }
    let (percentile, lag_is) =
        if is_carried(99.0, lag.figures().count) { (99.0, "p99") } else { (100.0, "max") };
    let busy = timeline.rows.iter().filter(|row| row.requests > 0).count() as u64;
    Some(Warning::GeneratorLimit {
        from_second,
        to_second,
        seconds: late_rows * timeline.seconds_per_row,
        seconds_of_run: busy * timeline.seconds_per_row,
        lag_us: lag.percentile_us(percentile).unwrap_or_default(),
        lag_is: lag_is.to_owned(),
        worker: worst(report, (from_second, to_second), |timeline| &timeline.late)?.to_string(),
    })
}

/// A worker that stood still, and so had no chance to be late.
fn stalled(report: &Report) -> Option<Warning> {
    let window = window(report, |row| row.strain.is_stalled())?;
    let worst = worst(report, window, |timeline| &timeline.stalled_us)?;
    let stalls = worst.measured.stalls;
    Some(Warning::GeneratorStalled {
        from_second: window.0,
        to_second: window.1,
        worker: worst.to_string(),
        longest_us: stalls.longest_us,
        total_us: stalls.total_us,
        cpu_us: stalls.cpu_us,
        run_us: report.duration_us,
    })
}

/// A worker that was ready to run and had no CPU.
fn starved(report: &Report) -> Option<Warning> {
    let rows = || report.timeline.rows.iter().filter(|row| row.strain.is_starved());
    let window = window(report, |row| row.strain.is_starved())?;
    Some(Warning::GeneratorStarved {
        from_second: window.0,
        to_second: window.1,
        seconds: rows().count() as u64 * report.timeline.seconds_per_row,
        wait_us_max: rows().map(|row| row.strain.cpu_wait_us).max().unwrap_or_default(),
        worker: worst(report, window, |timeline| &timeline.cpu_wait_us)?.to_string(),
    })
}

/// A worker that used all of its core for more than some seconds of the run.
fn busy(report: &Report) -> Option<Warning> {
    let timeline = &report.timeline;
    let busy = timeline.rows.iter().filter(|row| row.strain.is_busy()).count() as u64;
    let of = timeline.rows.iter().filter(|row| row.requests > 0).count() as u64;
    if super::units::share(busy, of) <= LATE_SECONDS_SHARE_MAX {
        return None;
    }
    let window = window(report, |row| row.strain.is_busy())?;
    Some(Warning::GeneratorBusy {
        from_second: window.0,
        to_second: window.1,
        seconds: busy * timeline.seconds_per_row,
        worker: worst(report, window, |timeline| &timeline.cpu_us)?.to_string(),
    })
}

/// The worker of which a column of its timeline sums up to most within a window.
fn worst(
    report: &Report,
    (from_second, to_second): (u64, u64),
    column: impl Fn(&WorkerTimeline) -> &Vec<u64>,
) -> Option<&super::Worker> {
    let sum_of = |worker: &super::Worker| {
        let timeline = &worker.measured.timeline;
        let step = timeline.seconds_per_row;
        let inside = |index: usize| {
            let second = index as u64 * step;
            second + step > from_second && second < to_second
        };
        let rows = column(timeline).iter().enumerate();
        rows.filter(|(index, _)| inside(*index)).map(|(_, value)| value).sum::<u64>()
    };
    report.workers.iter().max_by_key(|worker| (sum_of(worker), worker.key()))
}

fn generator_failures(report: &Report, warnings: &mut Vec<Warning>) {
    for failure in Failure::ALL.iter().filter(|failure| failure.generator_fault()) {
        if let Some(failures) = report.totals.failures.get(failure.as_str()) {
            warnings.push(Warning::GeneratorFailures {
                failure: failure.as_str().to_owned(),
                count: failures.count,
                requests: report.summary.requests,
            });
        }
    }
}

fn task_health(task: &Task, warnings: &mut Vec<Warning>) {
    let health = &task.health;
    let throttled = super::units::share(health.cpu_periods_throttled, health.cpu_periods);
    if throttled > THROTTLED_SHARE_MAX || health.cpu_throttled_seconds.is_some() {
        warnings.push(Warning::CpuThrottled {
            task: task.index,
            periods_throttled: health.cpu_periods_throttled,
            periods: health.cpu_periods,
            throttled_us: health.cpu_throttled_us,
            seconds: health.cpu_throttled_seconds,
        });
    }
    let stolen = super::units::share(health.cpu_stolen_us, health.cpu_machine_us);
    if stolen > STOLEN_SHARE_MAX || health.cpu_stolen_seconds.is_some() {
        warnings.push(Warning::CpuStolen {
            task: task.index,
            stolen_us: health.cpu_stolen_us,
            machine_us: health.cpu_machine_us,
            seconds: health.cpu_stolen_seconds,
        });
    }
    if super::units::share(health.sockets_max, health.ports) >= SHARE_NEAR {
        warnings.push(Warning::PortsNearLimit {
            task: task.index,
            sockets: health.sockets_max,
            ports: health.ports,
        });
    }
    if super::units::share(health.files_open_max, task.files_limit) >= SHARE_NEAR {
        warnings.push(Warning::FilesNearLimit {
            task: task.index,
            open: health.files_open_max,
            limit: task.files_limit,
        });
    }
}

fn tasks(report: &Report, warnings: &mut Vec<Warning>) {
    let present = u32::try_from(report.tasks.len()).unwrap_or(u32::MAX);
    let expected = report.run.tasks_expected;
    if present < expected {
        warnings.push(Warning::TasksMissing { present, expected });
    }
    let starts = || report.tasks.iter().map(|task| task.started_unix_us);
    if let (Some(first), Some(last)) = (starts().min(), starts().max())
        && last - first > TASKS_APART_US_MAX
    {
        warnings.push(Warning::TasksApart { apart_us: last - first });
    }
}

fn thresholds(report: &Report, warnings: &mut Vec<Warning>) {
    for threshold in &report.thresholds {
        let (metric, expression) = (threshold.metric.clone(), threshold.expression.clone());
        if threshold.outcome == Outcome::NoData {
            warnings.push(Warning::ThresholdWithoutData { metric, expression });
        } else if let Some(percentile) = threshold.percentile()
            && !is_carried(percentile, threshold.samples)
        {
            let samples = threshold.samples;
            warnings.push(Warning::ThresholdOfFewSamples { metric, expression, samples });
        }
    }
}

fn bounds(report: &Report, warnings: &mut Vec<Warning>) {
    let bounds = &report.totals.bounds;
    let mut note = |count: u64, warning: Warning| {
        if count > 0 {
            warnings.push(warning);
        }
    };
    note(bounds.request_names, Warning::RequestNames { requests: bounds.request_names });
    note(bounds.other_names, Warning::OtherNames { uses: bounds.other_names });
    note(bounds.names_taken, Warning::NamesTaken { values: bounds.names_taken });
    note(bounds.out_of_range, Warning::OutOfRange { values: bounds.out_of_range });
    let interrupted = report.summary.interrupted;
    note(interrupted, Warning::Interrupted { iterations: interrupted });
    let overflow = |metric: &str, values| Warning::Overflow { metric: metric.to_owned(), values };
    let response_time = report.summary.response_time.figures().overflow;
    note(response_time, overflow("response_time", response_time));
    let iterations = report.totals.all_iterations().iteration_duration.figures().overflow;
    note(iterations, overflow("iteration_duration", iterations));
}
