//! The figures of the HTML page: a report reduced to what is drawn.
//!
//! Times are µs, shares 0..=1, rates per second. Percentiles that too few samples carry are null,
//! as everywhere.

use serde::Serialize;
use serde_json::Value;

use super::super::hgrm;
use super::super::judge::{self, Verdict};
use super::super::planted::Planted;
use super::super::run_json::{PlannedStage, Report, Run, Task};
use super::super::summary::{Percentiles, Summary};
use super::super::units::{TimeUnit, share};
use super::super::warning::Severity;
use super::super::{RequestSummary, warning::Warning};
use crate::metrics::threshold::Outcome;
use crate::metrics::{CoarseHistogram, Histogram, RequestRow, Row, Timeline, is_carried};

/// Points of a chart over time: about one per pixel of the plot.
const ROWS_MAX: usize = 900;
/// Request names with a percentile curve of their own, those with most requests; a curve takes some
/// 2 kB.
const CURVES_MAX: usize = 50;
/// Steps of the heat map per factor of ten.
const HEAT_STEPS: f64 = 12.0;
/// Most of a row must have passed before counts in it make a rate.
const ROW_SHARE_MIN: f64 = 0.5;

#[derive(Serialize)]
pub(super) struct Data<'a> {
    run: &'a Run,
    again: String,
    config: &'a Value,
    started_at: &'a str,
    ended_at: &'a str,
    duration_us: u64,
    verdict: &'a Verdict,
    warnings: Vec<Advice>,
    /// What the stand-in API did wrong on purpose, in sentences.
    planted: Vec<String>,
    thresholds: Vec<ThresholdLine<'a>>,
    figures: Figures,
    requests: &'a [RequestSummary],
    curves: Vec<Curve<'a>>,
    actions: Vec<(&'a str, Percentiles)>,
    checks: Vec<(&'a str, u64, u64)>,
    failures: Vec<FailureLine<'a>>,
    tasks: &'a [Task],
    workers: Vec<WorkerLine>,
    plan: &'a [PlannedStage],
    time: Time,
    by_request: ByRequest<'a>,
    late_us: u64,
    heat_steps: f64,
}

/// A warning in its words.
#[derive(Serialize)]
struct Advice {
    severity: Severity,
    message: String,
    advice: &'static str,
}

#[derive(Serialize)]
struct ThresholdLine<'a> {
    metric: &'a str,
    expression: &'a str,
    outcome: Outcome,
    failed: bool,
    seen: Option<String>,
}

/// The figures of the whole run that stand above the charts and in their legends.
#[derive(Serialize)]
struct Figures {
    due: u64,
    completed: u64,
    failed: u64,
    dropped: u64,
    interrupted: u64,
    requests: u64,
    requests_failed: u64,
    offered_per_sec: f64,
    completed_per_sec: f64,
    requests_per_sec: f64,
    bytes_sent: u64,
    bytes_received: u64,
    response: Percentiles,
    service: Percentiles,
    lag: Percentiles,
    late: u64,
}

/// How times are distributed: (1/(1-p), response time, service time).
#[derive(Serialize)]
struct Curve<'a> {
    name: &'a str,
    points: Vec<(f64, u64, u64)>,
}

#[derive(Serialize)]
struct FailureLine<'a> {
    kind: &'a str,
    count: u64,
    share: f64,
    first_us: u64,
    last_us: u64,
    requests: Vec<(&'a str, u64)>,
    example: Option<&'a str>,
    replay: Option<String>,
}

#[derive(Serialize)]
struct WorkerLine {
    task: u32,
    worker: u32,
    requests: u64,
    late: u64,
    lag_us_max: u64,
    cpu_share_mean: f64,
    cpu_share_max: f64,
}

/// The charts over time, column by column.
#[derive(Default, Serialize)]
struct Time {
    seconds_per_row: u64,
    second: Vec<u64>,
    offered: Vec<Option<f64>>,
    achieved: Vec<Option<f64>>,
    dropped: Vec<Option<f64>>,
    failed: Vec<Option<f64>>,
    requests: Vec<Option<f64>>,
    requests_failed: Vec<Option<f64>>,
    bots_active: Vec<u64>,
    bots_allocated: Vec<u64>,
    received: Vec<Option<f64>>,
    sent: Vec<Option<f64>>,
    failures: Vec<Vec<Option<f64>>>,
    response: Spread,
    service: Spread,
    lag: Spread,
    /// The share of a core that the busiest worker used, and all in the mean.
    cpu_max: Vec<Option<f64>>,
    cpu_mean: Vec<Option<f64>>,
    /// Where the generator was the limit: first second, second after the last.
    limited: Vec<(u64, u64)>,
    heat_response: Vec<Vec<u64>>,
    heat_service: Vec<Vec<u64>>,
}

/// Percentiles row by row.
#[derive(Default, Serialize)]
struct Spread {
    p50: Vec<Option<u64>>,
    p90: Vec<Option<u64>>,
    p99: Vec<Option<u64>>,
    p99_9: Vec<Option<u64>>,
    max: Vec<Option<u64>>,
}

/// Each request name over time, those with most requests first.
#[derive(Serialize)]
struct ByRequest<'a> {
    seconds_per_row: u64,
    second: Vec<u64>,
    lines: Vec<RequestLine<'a>>,
}

#[derive(Serialize)]
struct RequestLine<'a> {
    name: &'a str,
    requests: Vec<Option<f64>>,
    failed: Vec<Option<f64>>,
    response: Spread,
    /// Of the whole run.
    total: Percentiles,
    requests_per_sec: f64,
    failed_per_sec: f64,
}

impl<'a> ByRequest<'a> {
    fn of(report: &'a Report) -> Self {
        let timelines = &report.requests_timeline;
        let step = timelines.seconds_per_row;
        let rows = timelines.names.values().map(Vec::len).max().unwrap_or(0);
        let second: Vec<u64> = (0..rows as u64).map(|row| row * step).collect();
        let by_name = report.totals.requests_by_name();
        let mut named: Vec<_> = timelines.names.iter().collect();
        let count = |rows: &[RequestRow]| rows.iter().map(|row| row.requests).sum::<u64>();
        named.sort_by(|a, b| count(b.1).cmp(&count(a.1)).then(a.0.cmp(b.0)));
        let line = |(name, rows): (&'a String, &'a Vec<RequestRow>)| {
            let series = by_name.get(name.as_str())?;
            let mut line = RequestLine {
                name,
                requests: Vec::new(),
                failed: Vec::new(),
                response: Spread::default(),
                total: Percentiles::of(&series.response_time()),
                requests_per_sec: per(series.count(), seconds(report)),
                failed_per_sec: per(series.failed, seconds(report)),
            };
            let none = RequestRow::default();
            for (index, &second) in second.iter().enumerate() {
                let row = rows.get(index).unwrap_or(&none);
                let length = seconds_of(second, step, report.duration_us);
                line.requests.push(length.map(|length| per(row.requests, length)));
                line.failed.push(length.map(|length| per(row.requests_failed, length)));
                line.response.add(&row.response_time, length);
            }
            Some(line)
        };
        let lines = named.into_iter().filter_map(line).collect();
        Self { seconds_per_row: step, second, lines }
    }
}

#[expect(clippy::cast_precision_loss, reason = "seconds of a run")]
fn seconds(report: &Report) -> f64 {
    report.duration_us.max(1) as f64 / 1e6
}

impl<'a> Data<'a> {
    pub(super) fn of(report: &'a Report) -> Self {
        let failures = failures(report);
        let kinds: Vec<&str> = failures.iter().map(|line| line.kind).collect();
        Self {
            run: &report.run,
            again: report.run.command_again(),
            config: &report.config,
            started_at: &report.started_at,
            ended_at: &report.ended_at,
            duration_us: report.duration_us,
            verdict: &report.verdict,
            warnings: report.warnings.iter().map(Advice::of).collect(),
            planted: Planted::told(report),
            thresholds: thresholds(report),
            figures: Figures::of(&report.summary, report),
            requests: &report.summary.requests_by_name,
            curves: curves(report),
            actions: actions(report),
            checks: checks(report),
            time: Time::of(report, &kinds),
            failures,
            tasks: &report.tasks,
            workers: workers(report),
            plan: &report.plan,
            by_request: ByRequest::of(report),
            late_us: judge::LAG_US_LATE,
            heat_steps: HEAT_STEPS,
        }
    }
}

impl Advice {
    fn of(warning: &Warning) -> Self {
        let (severity, advice) = (warning.severity(), warning.advice());
        Self { severity, message: warning.to_string(), advice }
    }
}

fn thresholds(report: &Report) -> Vec<ThresholdLine<'_>> {
    let lines = report.thresholds.iter().map(|threshold| {
        let seen = threshold.seen(report, TimeUnit::Fitting);
        ThresholdLine {
            metric: &threshold.metric,
            expression: &threshold.expression,
            outcome: threshold.outcome,
            failed: threshold.failed,
            seen: seen.map(|(method, seen)| format!("{method}={seen}")),
        }
    });
    lines.collect()
}

impl Figures {
    fn of(summary: &Summary, report: &Report) -> Self {
        Self {
            due: summary.due,
            completed: summary.completed,
            failed: summary.failed,
            dropped: summary.dropped,
            interrupted: summary.interrupted,
            requests: summary.requests,
            requests_failed: summary.requests_failed,
            offered_per_sec: summary.offered_per_sec,
            completed_per_sec: summary.completed_per_sec,
            requests_per_sec: summary.requests_per_sec,
            bytes_sent: summary.bytes_sent,
            bytes_received: summary.bytes_received,
            response: Percentiles::of(&summary.response_time),
            service: Percentiles::of(&summary.http_req_duration),
            lag: summary.schedule_lag,
            late: report.totals.late,
        }
    }
}

/// The curves of all requests together, then of each name, those with most requests first.
fn curves(report: &Report) -> Vec<Curve<'_>> {
    let summary = &report.summary;
    let all = curve("", &summary.response_time, &summary.http_req_duration);
    let mut by_name: Vec<_> = report.totals.requests_by_name().into_iter().collect();
    by_name.sort_by(|a, b| b.1.count().cmp(&a.1.count()).then(a.0.cmp(b.0)));
    let single = by_name.len() < 2;
    let rows = by_name.iter().take(if single { 0 } else { CURVES_MAX });
    let named = rows
        .map(|(name, series)| curve(name, &series.response_time(), &series.http_req_duration()));
    std::iter::once(all).chain(named).collect()
}

#[expect(clippy::cast_precision_loss, reason = "a place on an axis")]
fn curve<'a>(name: &'a str, response: &Histogram<u64>, service: &Histogram<u64>) -> Curve<'a> {
    let count = response.count();
    let mut points = Vec::new();
    for percentile in hgrm::steps(count) {
        // The greatest value is at the last place that so many requests can tell apart.
        let beyond = ((100.0 - percentile) / 100.0).max(1.0 / count as f64);
        let at = |histogram: &Histogram<u64>| histogram.percentile_us(percentile).unwrap_or(0);
        points.push((rounded(1.0 / beyond, 4), at(response), at(service)));
    }
    Curve { name, points }
}

fn actions(report: &Report) -> Vec<(&str, Percentiles)> {
    let actions = report.totals.actions.iter();
    actions.map(|(name, times)| (name.as_str(), Percentiles::of(times))).collect()
}

fn checks(report: &Report) -> Vec<(&str, u64, u64)> {
    let checks = report.totals.checks.iter();
    checks.map(|(name, check)| (name.as_str(), check.passes, check.fails)).collect()
}

/// Failures by kind, the most frequent first.
fn failures(report: &Report) -> Vec<FailureLine<'_>> {
    let mut lines: Vec<_> = Vec::new();
    for (kind, failure) in &report.totals.failures {
        let mut requests: Vec<_> =
            failure.requests.iter().map(|(name, count)| (name.as_str(), *count)).collect();
        requests.sort_by(|a, b| b.1.cmp(&a.1).then(a.0.cmp(b.0)));
        let example = failure.example.as_ref();
        let replay = example.zip(report.run.replay_command.as_ref());
        lines.push(FailureLine {
            kind,
            count: failure.count,
            share: share(failure.count, report.summary.requests),
            first_us: failure.first_us,
            last_us: failure.last_us,
            requests,
            example: example.map(|example| example.text.as_str()),
            replay: replay.map(|(example, run)| run.replace("{session}", &example.session)),
        });
    }
    lines.sort_by(|a, b| b.count.cmp(&a.count).then(a.kind.cmp(b.kind)));
    lines
}

fn workers(report: &Report) -> Vec<WorkerLine> {
    let lines = report.workers.iter().map(|worker| {
        let timeline = &worker.measured.timeline;
        let step_us = timeline.seconds_per_row * 1_000_000;
        let cpu_us: u64 = timeline.cpu_us.iter().sum();
        let busiest = timeline.cpu_us.iter().copied().max().unwrap_or(0);
        WorkerLine {
            task: worker.task,
            worker: worker.worker,
            requests: timeline.requests.iter().sum(),
            late: timeline.late.iter().sum(),
            lag_us_max: timeline.lag_us_max.iter().copied().max().unwrap_or(0),
            cpu_share_mean: share(cpu_us, report.duration_us),
            cpu_share_max: share(busiest, step_us),
        }
    });
    lines.collect()
}

impl Time {
    fn of(report: &Report, kinds: &[&str]) -> Self {
        let timeline = report.timeline.in_rows(ROWS_MAX);
        let step = timeline.seconds_per_row;
        let mut time = Self {
            seconds_per_row: step,
            failures: vec![Vec::new(); kinds.len()],
            limited: limited(&report.timeline),
            ..Self::default()
        };
        for row in &timeline.rows {
            time.add(row, seconds_of(row.second, step, report.duration_us), kinds);
        }
        time.add_cpu(report, &timeline);
        time
    }

    fn add(&mut self, row: &Row, seconds: Option<f64>, kinds: &[&str]) {
        let rate = |count: u64| seconds.map(|seconds| per(count, seconds));
        self.second.push(row.second);
        self.offered.push(rate(row.due));
        self.achieved.push(rate(row.completed));
        self.dropped.push(rate(row.dropped));
        self.failed.push(rate(row.failed));
        self.requests.push(rate(row.requests));
        self.requests_failed.push(rate(row.requests_failed));
        self.bots_active.push(row.bots_active);
        self.bots_allocated.push(row.bots_allocated);
        self.received.push(rate(row.bytes_received));
        self.sent.push(rate(row.bytes_sent));
        for (kind, column) in kinds.iter().zip(&mut self.failures) {
            column.push(rate(row.failures.get(*kind).copied().unwrap_or(0)));
        }
        self.response.add(&row.response_time, seconds);
        self.service.add(&row.http_req_duration, seconds);
        self.lag.add(&row.schedule_lag, seconds);
        self.heat_response.push(heat(&row.response_time));
        self.heat_service.push(heat(&row.http_req_duration));
    }

    fn add_cpu(&mut self, report: &Report, timeline: &Timeline) {
        let workers = report.workers.iter().map(|worker| {
            let mut timeline_of = worker.measured.timeline.clone();
            timeline_of.coarsen_to(timeline.seconds_per_row);
            timeline_of.cpu_us
        });
        let cpu: Vec<Vec<u64>> = workers.collect();
        for (index, row) in timeline.rows.iter().enumerate() {
            let length = seconds_of(row.second, timeline.seconds_per_row, report.duration_us);
            let used = |worker: &Vec<u64>| worker.get(index).copied().unwrap_or(0);
            let most = cpu.iter().map(used).max().unwrap_or(0);
            let sum: u64 = cpu.iter().map(used).sum();
            let workers = cpu.len().max(1) as u64;
            // Workers report each about once a second, so a row may hold a little more than it is.
            let of_core = |us: u64| length.map(|seconds| per(us, seconds * 1e4).min(100.0));
            self.cpu_max.push(of_core(most));
            self.cpu_mean.push(of_core(sum / workers));
        }
    }
}

impl Spread {
    /// Adds a row. What ends after the last whole row is the slow rest: its percentiles are not
    /// those of a second, but its greatest value is the run's all the same.
    fn add(&mut self, times: &CoarseHistogram, seconds: Option<f64>) {
        let count = times.figures().count;
        let at = |percentile: f64| {
            let is_drawn = seconds.is_some() || percentile >= 100.0;
            (is_drawn && is_carried(percentile, count)).then(|| times.percentile_us(percentile))?
        };
        self.p50.push(at(50.0));
        self.p90.push(at(90.0));
        self.p99.push(at(99.0));
        self.p99_9.push(at(99.9));
        self.max.push(at(100.0));
    }
}

/// How much time a row stands for: the last one ends with the run. None when that is too little
/// for a rate.
#[expect(clippy::cast_precision_loss, reason = "seconds of a run")]
fn seconds_of(second: u64, step: u64, duration_us: u64) -> Option<f64> {
    let left = (duration_us as f64 / 1e6 - second as f64).min(step as f64);
    let is_whole_run = second == 0;
    (left > 0.0 && (is_whole_run || left / step as f64 >= ROW_SHARE_MIN)).then_some(left)
}

#[expect(clippy::cast_precision_loss, reason = "drawn")]
fn per(count: u64, seconds: f64) -> f64 {
    rounded(count as f64 / seconds, 2)
}

fn rounded(value: f64, decimals: i32) -> f64 {
    let scale = 10_f64.powi(decimals);
    (value * scale).round() / scale
}

/// The stretches in which the generator was the limit.
fn limited(timeline: &Timeline) -> Vec<(u64, u64)> {
    let step = timeline.seconds_per_row;
    let mut stretches: Vec<(u64, u64)> = Vec::new();
    for row in timeline.rows.iter().filter(|row| judge::is_limited(row)) {
        match stretches.last_mut() {
            Some(last) if last.1 == row.second => last.1 += step,
            _ => stretches.push((row.second, row.second + step)),
        }
    }
    stretches
}

/// The counts of a row on the heat map's steps: step, count, step, count…
#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "1 µs to 1 h are steps 0 to 115"
)]
fn heat(times: &CoarseHistogram) -> Vec<u64> {
    let mut cells: Vec<u64> = Vec::new();
    for (us, count) in times.counts() {
        let step = ((us.max(1) as f64).log10() * HEAT_STEPS).floor() as u64;
        match cells.len() {
            0 => cells.extend([step, count]),
            length if cells[length - 2] == step => cells[length - 1] += count,
            _ => cells.extend([step, count]),
        }
    }
    cells
}
