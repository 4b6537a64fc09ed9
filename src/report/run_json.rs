//! The report of a run: `run.json`, schema `tallyho.run.v1`.
//!
//! What was measured is kept as sums; what follows from them (summary, threshold outcomes,
//! warnings, verdict) is computed whenever a report is made, read or merged, so it cannot
//! disagree. Unknown fields are ignored on reading, so that older versions read newer files of the
//! same major schema.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::check;
use super::judge::{self, State, Verdict};
use super::planted::Planted;
use super::summary::Summary;
use super::trace::{self, FailingReport, TraceReport};
use super::units::{TimeUnit, duration_in, number, share_percent};
use super::warning::{Severity, Warning};
use crate::metrics::threshold::{Outcome, Sample};
use crate::metrics::{
    Contains, Health, Measured, RequestTimelines, Threshold, Timeline, Totals, View,
    WorkerMeasured, built_in,
};

/// The schema of the reports that this version writes.
pub const SCHEMA: &str = "tallyho.run.v1";
/// All schemas of this program begin with this, and end in their major version.
const SCHEMA_FAMILY: &str = "tallyho.run.v";
const SCHEMA_MAJOR: u32 = 1;

/// Everything that is known of a run after its end.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Report {
    /// Which schema this is: `tallyho.run.v1`.
    pub schema: String,
    /// Which run it is.
    pub run: Run,
    /// The scenario as it was run, secrets as references.
    #[serde(default)]
    pub config: serde_json::Value,
    /// When the first task started, RFC 3339.
    pub started_at: String,
    /// When the last task ended, RFC 3339.
    pub ended_at: String,
    /// From the start of a task to its end, the longest of them, µs.
    pub duration_us: u64,
    /// What the numbers are worth.
    #[serde(default)]
    pub verdict: Verdict,
    /// What whoever reads the numbers must know.
    #[serde(default, serialize_with = "warnings_with_words", skip_deserializing)]
    #[cfg_attr(test, schemars(with = "Vec<WithWords<'static>>"))]
    pub warnings: Vec<Warning>,
    /// The conditions on the metrics, and whether they hold.
    #[serde(default)]
    pub thresholds: Vec<ThresholdReport>,
    /// The figures asked for first.
    #[serde(skip_deserializing)]
    pub summary: Summary,
    /// All metrics.
    pub totals: Totals,
    /// What was recorded; nothing with `--record off`.
    #[serde(default)]
    pub trace: Option<TraceReport>,
    /// Failing sessions by what failed, the most frequent first.
    #[serde(default)]
    pub failing: Vec<FailingReport>,
    /// The run second by second.
    #[serde(default)]
    pub timeline: Timeline,
    /// Each request name second by second.
    #[serde(default)]
    pub requests_timeline: RequestTimelines,
    /// What was planned, piece by piece.
    #[serde(default)]
    pub plan: Vec<PlannedStage>,
    /// The processes that ran it.
    #[serde(default)]
    pub tasks: Vec<Task>,
    /// Their workers.
    #[serde(default)]
    pub workers: Vec<Worker>,
}

/// Which run a report is of.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(default)]
pub struct Run {
    /// The run's id; the same for all tasks of a test.
    pub run_id: String,
    /// The seed. Text, because readers in JavaScript lose digits above 2^53.
    pub seed: String,
    /// The version of this program.
    pub version: String,
    /// The command line.
    pub command: Vec<String>,
    /// The scenario's file or the target's address: what the report is titled with.
    pub title: String,
    /// How many tasks the test has; 0 when not known.
    pub tasks_expected: u32,
    /// Where the files of the run are.
    pub directory: Option<String>,
    /// The command that replays a session, with `{session}` for BOT/SESSION.
    pub replay_command: Option<String>,
    /// Why the run ended before its plan did: a signal, a threshold, a bot.
    pub stopped_by: Option<String>,
}

impl Run {
    /// The command line that runs the same again: as it was, with the seed that was drawn.
    pub fn command_again(&self) -> String {
        let mut words: Vec<String> = self.command.iter().map(|word| quoted(word)).collect();
        let is_seed = |word: &String| word == "--seed" || word.starts_with("--seed=");
        if !self.command.iter().any(is_seed) {
            words.push("--seed".to_owned());
            words.push(quoted(&self.seed));
        }
        words.join(" ")
    }
}

/// A word as a shell reads it.
pub fn quoted(word: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_./:=@,+%".contains(c);
    if !word.is_empty() && word.chars().all(is_plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', "'\\''"))
}

/// A piece of a scenario's plan: a stage, or all of it where there are no stages.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(default)]
pub struct PlannedStage {
    /// The scenario's name.
    pub scenario: String,
    /// What is planned, such as "10 to 100 bots"; of each task.
    pub load: String,
    /// When it begins, µs since the start of the run.
    pub from_us: u64,
    /// When it ends.
    pub to_us: u64,
}

/// One process of the run, on one machine or in one container.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(default)]
pub struct Task {
    /// Its number among the tasks of the test.
    pub index: u32,
    /// When it started, µs since 1970.
    pub started_unix_us: u64,
    /// The machine's name.
    pub host: String,
    /// Its kernel.
    pub kernel: String,
    /// CPUs it may use; a container's limit can be a fraction.
    pub cpus: f64,
    /// Whether workers are pinned to cores.
    pub pinned: bool,
    /// How it talks to the kernel: `io_uring` or `epoll`.
    pub io_driver: String,
    /// Why this one.
    pub io_driver_reason: String,
    /// Which certificates it accepted; none where nothing was secured.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tls: Option<String>,
    /// How many files it may have open.
    pub files_limit: u64,
    /// How it fared.
    pub health: Health,
    /// What its stand-in API did wrong on purpose; none with a target of one's own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub planted: Option<Planted>,
    /// Warnings that no number gives: what it met before and after the run.
    pub notices: Vec<Warning>,
}

/// One worker of one task.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(default)]
pub struct Worker {
    /// Its task.
    pub task: u32,
    /// Its number in the task.
    pub worker: u32,
    /// What it did.
    pub measured: WorkerMeasured,
}

impl Worker {
    /// What workers are ordered by.
    pub(super) const fn key(&self) -> (u32, u32) {
        (self.task, self.worker)
    }
}

impl fmt::Display for Worker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.task, self.worker)
    }
}

/// A threshold and its outcome.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct ThresholdReport {
    /// The metric with its tags.
    pub metric: String,
    /// The condition.
    pub expression: String,
    /// Whether it holds.
    pub outcome: Outcome,
    /// Whether it counts as failed: "no data" does when the threshold says so.
    pub failed: bool,
    /// What was seen: ms for times, 0..=1 for rates.
    pub observed: Option<f64>,
    /// How many samples that rests on.
    #[serde(default)]
    pub samples: u64,
    /// Whether it was to stop the run.
    #[serde(default)]
    pub abort_on_fail: bool,
    /// Whether no data counts as failed.
    #[serde(default)]
    pub fail_on_no_data: bool,
}

/// What a report needs besides what was measured.
#[derive(Clone, Debug)]
pub struct Facts {
    /// Which run it is.
    pub run: Run,
    /// The scenario as it was run.
    pub config: serde_json::Value,
    /// What was planned, piece by piece.
    pub plan: Vec<PlannedStage>,
    /// This process.
    pub task: Task,
    /// What was recorded.
    pub trace: Option<TraceReport>,
    /// Failing sessions by what failed.
    pub failing: Vec<FailingReport>,
    /// When it started and ended, as `rfc3339` writes it.
    pub started_at: String,
    /// When it ended.
    pub ended_at: String,
    /// Between the two, by a clock that does not jump.
    pub duration: Duration,
}

/// Why a report cannot be read.
#[derive(Debug)]
pub enum ReadError {
    /// It is not a report of ours.
    Other(String),
    /// It is of a newer major schema.
    Newer(String),
    /// It is broken.
    Json(serde_json::Error),
    /// It says what cannot be.
    Impossible(String),
    /// Reports to be merged are of different runs.
    Different {
        /// What differs.
        what: &'static str,
        /// In the first report.
        first: String,
        /// In another.
        other: String,
    },
    /// There is nothing to merge.
    Nothing,
}

impl fmt::Display for ReadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Other(schema) => {
                write!(
                    f,
                    "this is not a report of tallyho: schema is \"{schema}\", expected {SCHEMA}"
                )
            }
            Self::Newer(schema) => write!(
                f,
                "this report was written by a newer version (schema {schema}, this version reads \
                 {SCHEMA}): read it with that version"
            ),
            Self::Json(error) => write!(f, "this report cannot be read: {error}"),
            Self::Impossible(what) => write!(f, "this report says what cannot be: {what}"),
            Self::Different { what, first, other } => write!(
                f,
                "these reports are not of one test: {what} is {first} in one and {other} in another"
            ),
            Self::Nothing => f.write_str("there is no report to merge"),
        }
    }
}

impl std::error::Error for ReadError {}

/// Only what tells whether the rest can be read.
#[derive(Deserialize)]
struct SchemaOnly {
    #[serde(default)]
    schema: String,
}

impl Report {
    /// The report of one process.
    pub fn new(facts: Facts, measured: Measured, thresholds: &[Threshold]) -> Self {
        let task = facts.task.index;
        let workers = measured.workers.into_iter().zip(0..);
        let mut failing = facts.failing;
        trace::sort(&mut failing);
        let mut report = Self {
            schema: SCHEMA.to_owned(),
            run: facts.run,
            config: facts.config,
            started_at: facts.started_at,
            ended_at: facts.ended_at,
            duration_us: u64::try_from(facts.duration.as_micros()).unwrap_or(u64::MAX),
            verdict: Verdict::default(),
            warnings: Vec::new(),
            thresholds: thresholds.iter().map(ThresholdReport::unknown).collect(),
            summary: Summary::default(),
            totals: measured.totals,
            trace: facts.trace,
            failing,
            timeline: measured.timeline,
            requests_timeline: measured.requests,
            plan: facts.plan,
            tasks: vec![facts.task],
            workers: workers.map(|(measured, worker)| Worker { task, worker, measured }).collect(),
        };
        report.derive();
        report
    }

    /// Computes what follows from the sums.
    fn derive(&mut self) {
        self.summary = Summary::of(&self.totals, self.duration_us);
        let mut thresholds = std::mem::take(&mut self.thresholds);
        for threshold in &mut thresholds {
            threshold.evaluate(&self.view());
        }
        self.thresholds = thresholds;
        self.warnings = judge::warnings(self);
        self.verdict = Verdict::of(&self.warnings);
    }

    /// What thresholds look at.
    pub(super) fn view(&self) -> View<'_> {
        let last = self.timeline.rows.last();
        View {
            totals: &self.totals,
            elapsed: Duration::from_micros(self.duration_us),
            bots_active: last.map(|row| row.bots_active),
            bots_allocated: last.map(|row| row.bots_allocated),
        }
    }

    /// Whether a threshold counts as failed.
    pub fn has_failed_threshold(&self) -> bool {
        self.thresholds.iter().any(|threshold| threshold.failed)
    }

    /// Whether the numbers are not worth a comparison.
    pub fn is_invalid(&self) -> bool {
        self.verdict.state == State::Invalid
    }

    /// `run.json`.
    pub fn to_json(&self) -> String {
        serde_json::to_string(self).expect("a report has text keys only")
    }

    /// Reads `run.json`: unknown fields are ignored, a newer major schema is refused.
    pub fn from_json(json: &str) -> Result<Self, ReadError> {
        let SchemaOnly { schema } = serde_json::from_str(json).map_err(ReadError::Json)?;
        let major = schema.strip_prefix(SCHEMA_FAMILY).and_then(|major| major.parse::<u32>().ok());
        match major {
            None => return Err(ReadError::Other(schema)),
            Some(major) if major > SCHEMA_MAJOR => return Err(ReadError::Newer(schema)),
            Some(_) => {}
        }
        let mut report: Self = serde_json::from_str(json).map_err(ReadError::Json)?;
        check::check(json, &report).map_err(ReadError::Impossible)?;
        report.derive();
        Ok(report)
    }

    /// The report of a whole test from those of its tasks, in any order.
    pub fn merge(reports: Vec<Self>) -> Result<Self, ReadError> {
        let mut reports = reports;
        reports.sort_by_key(|report| report.tasks.first().map(|task| task.index));
        let mut reports = reports.into_iter();
        let mut merged = reports.next().ok_or(ReadError::Nothing)?;
        for report in reports {
            merged.add(report)?;
        }
        merged.tasks.sort_by_key(|task| task.index);
        merged.workers.sort_by_key(Worker::key);
        let rows = merged.timeline.seconds_per_row;
        for worker in &mut merged.workers {
            worker.measured.timeline.coarsen_to(rows);
        }
        merged.derive();
        Ok(merged)
    }

    fn add(&mut self, other: Self) -> Result<(), ReadError> {
        let differs = |what, first: &str, other: &str| {
            let (first, other) = (first.to_owned(), other.to_owned());
            if first == other { Ok(()) } else { Err(ReadError::Different { what, first, other }) }
        };
        differs("the run id", &self.run.run_id, &other.run.run_id)?;
        differs("the seed", &self.run.seed, &other.run.seed)?;
        if let Some(task) =
            other.tasks.iter().find(|task| self.tasks.iter().any(|known| known.index == task.index))
        {
            let other = format!("{} too", task.index);
            let first = task.index.to_string();
            return Err(ReadError::Different { what: "the task's number", first, other });
        }
        self.started_at = self.started_at.clone().min(other.started_at);
        self.ended_at = self.ended_at.clone().max(other.ended_at);
        self.duration_us = self.duration_us.max(other.duration_us);
        self.run.tasks_expected = self.run.tasks_expected.max(other.run.tasks_expected);
        // The lesser text, so that the order of merging does not matter.
        let reasons = [self.run.stopped_by.take(), other.run.stopped_by];
        self.run.stopped_by = reasons.into_iter().flatten().min();
        self.totals.add(&other.totals);
        self.timeline.add(&other.timeline);
        self.requests_timeline.add(&other.requests_timeline);
        match (&mut self.trace, other.trace) {
            (Some(trace), Some(other)) => trace.add(other),
            (trace @ None, other) => *trace = other,
            (Some(_), None) => {}
        }
        trace::merge(&mut self.failing, other.failing);
        self.tasks.extend(other.tasks);
        self.workers.extend(other.workers);
        Ok(())
    }
}

impl ThresholdReport {
    fn unknown(threshold: &Threshold) -> Self {
        Self {
            metric: threshold.key.clone(),
            expression: threshold.expression.clone(),
            outcome: Outcome::NoData,
            failed: threshold.fail_on_no_data,
            observed: None,
            samples: 0,
            abort_on_fail: threshold.abort_on_fail,
            fail_on_no_data: threshold.fail_on_no_data,
        }
    }

    /// Evaluates it again; a threshold that this version cannot parse keeps its outcome.
    fn evaluate(&mut self, view: &View<'_>) {
        let Ok(mut threshold) = Threshold::parse(&self.metric, &self.expression) else { return };
        threshold.fail_on_no_data = self.fail_on_no_data;
        let evaluation = threshold.evaluate(view);
        self.outcome = evaluation.outcome;
        self.observed = evaluation.observed;
        self.samples = evaluation.samples;
        self.failed = threshold.is_failed_by(evaluation.outcome);
    }

    /// The aggregation and what it gave, in the unit of the metric; none without data.
    pub(super) fn seen(&self, report: &Report, unit: TimeUnit) -> Option<(String, String)> {
        let observed = self.observed?;
        let threshold = Threshold::parse(&self.metric, &self.expression).ok()?;
        let method = threshold.method();
        let contains = built_in(threshold.metric()).map(|metric| metric.contains);
        let text = match threshold.sample(&report.view()) {
            Sample::Trend(_) if contains == Some(Contains::Time) => {
                duration_in(scaled(observed, 1e6), unit)
            }
            Sample::Share(_) => share_percent(scaled(observed, 1e6), 1_000_000),
            Sample::Counter(_) if method == "rate" => format!("{}/s", number(observed, 6)),
            _ => number(observed, 6),
        };
        Some((method, text))
    }

    /// The percentile it asks for, if it asks for one.
    pub(super) fn percentile(&self) -> Option<f64> {
        let threshold = Threshold::parse(&self.metric, &self.expression).ok()?;
        threshold.method().strip_prefix("p(")?.strip_suffix(')')?.parse().ok()
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a time below an hour or a share, neither negative"
)]
fn scaled(value: f64, factor: f64) -> u64 {
    (value * factor).round() as u64
}

/// A warning as it is written: the sentences that people read beside the evidence.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct WithWords<'a> {
    /// How much it takes from the result's worth.
    severity: Severity,
    /// What was seen.
    message: String,
    /// What to do about it.
    advice: &'static str,
    /// The same as data.
    evidence: &'a Warning,
}

/// Warnings are written with their sentences, and computed again on reading.
fn warnings_with_words<S: serde::Serializer>(
    warnings: &[Warning],
    serializer: S,
) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(warnings.iter().map(|warning| WithWords {
        severity: warning.severity(),
        message: warning.to_string(),
        advice: warning.advice(),
        evidence: warning,
    }))
}
