//! Conditions on the metrics of a run, in k6's words, and whether they hold.
//!
//! A verdict has three values: a condition on something that never happened neither holds nor
//! fails, and a run must not be green because nothing was measured (k6 passes `p(95)<500` with zero
//! requests). Evaluated on the whole run so far, during it and at its end, and again on merged
//! reports by the same code. The grammar is in `grammar.rs`.

mod grammar;

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

pub use grammar::{Part, Problem, ThresholdError};

use super::histogram::Histogram;
use super::series::{Series, Timing, sum};
use super::table;
use super::totals::{ScenarioTotals, Share, Totals};

/// One condition.
#[derive(Clone, Debug, PartialEq)]
pub struct Threshold {
    /// The metric and its tags, as written.
    pub key: String,
    /// The condition, as written.
    pub expression: String,
    /// Stop the run when it fails.
    pub abort_on_fail: bool,
    /// But not before this much of the run has passed.
    pub delay_abort_eval: Duration,
    /// Count "no data" as failed.
    pub fail_on_no_data: bool,
    metric: String,
    tags: Vec<Tag>,
    method: Method,
    comparison: Comparison,
    limit: f64,
}

/// What a threshold looks at.
#[derive(Clone, Copy, Debug)]
pub struct View<'a> {
    /// All metrics of the run so far.
    pub totals: &'a Totals,
    /// How much of the run has passed.
    pub elapsed: Duration,
    /// Bots in a session now (k6's `vus`), when known.
    pub bots_active: Option<u64>,
    /// Bots there are (k6's `vus_max`), when known.
    pub bots_allocated: Option<u64>,
}

/// Whether a threshold holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// It holds.
    Pass,
    /// It does not.
    Fail,
    /// Nothing was measured that it speaks of.
    NoData,
}

/// An outcome with what was seen.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Evaluation {
    /// Whether the threshold holds.
    pub outcome: Outcome,
    /// The aggregated value: ms for times, 0..=1 for rates; none without data.
    pub observed: Option<f64>,
    /// How many samples it rests on.
    pub samples: u64,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Method {
    Count,
    Rate,
    Value,
    Avg,
    Min,
    Med,
    Max,
    Percentile(f64),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Comparison {
    Less,
    AtMost,
    Greater,
    AtLeast,
    Equal,
    NotEqual,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Tag {
    Name(String),
    Scenario(String),
    Status(u16),
    ExpectedResponse(bool),
    Action(String),
    Check(String),
}

impl fmt::Display for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Count => f.write_str("count"),
            Self::Rate => f.write_str("rate"),
            Self::Value => f.write_str("value"),
            Self::Avg => f.write_str("avg"),
            Self::Min => f.write_str("min"),
            Self::Med => f.write_str("med"),
            Self::Max => f.write_str("max"),
            Self::Percentile(percentile) => write!(f, "p({percentile})"),
        }
    }
}

impl Comparison {
    #[expect(clippy::float_cmp, reason = "== is what the user wrote")]
    fn holds(self, observed: f64, limit: f64) -> bool {
        match self {
            Self::Less => observed < limit,
            Self::AtMost => observed <= limit,
            Self::Greater => observed > limit,
            Self::AtLeast => observed >= limit,
            Self::Equal => observed == limit,
            Self::NotEqual => observed != limit,
        }
    }
}

impl Threshold {
    /// Reads a condition in k6's grammar. A metric that is not built in is taken for one that bots
    /// make up, unless it is nearly a built-in one: see [`Threshold::custom_metric`].
    pub fn parse(key: &str, expression: &str) -> Result<Self, ThresholdError> {
        let (metric, tags) = grammar::key(key).map_err(ThresholdError::of_key)?;
        let (method, comparison, limit) = grammar::expression(expression)?;
        if let Some(metric) = table::built_in(&metric) {
            grammar::check_method(expression, metric.kind, method)?;
        }
        Ok(Self {
            key: key.trim().to_owned(),
            expression: expression.trim().to_owned(),
            abort_on_fail: false,
            delay_abort_eval: Duration::ZERO,
            fail_on_no_data: false,
            metric,
            tags,
            method,
            comparison,
            limit,
        })
    }

    /// The metric's name without tags.
    pub fn metric(&self) -> &str {
        &self.metric
    }

    /// The metric's name, when it is not a built-in one.
    pub fn custom_metric(&self) -> Option<&str> {
        table::built_in(&self.metric).is_none().then_some(self.metric.as_str())
    }

    /// The aggregation in k6's words: "p(95)", "rate".
    pub fn method(&self) -> String {
        self.method.to_string()
    }

    /// Whether the condition holds on what was measured so far.
    pub fn evaluate(&self, view: &View<'_>) -> Evaluation {
        let (observed, samples) = match self.sample(view) {
            Sample::Trend(trend) => (self.of_trend(&trend), trend.count()),
            Sample::Share(share) => (share_of(share), share.total()),
            Sample::Counter(Some(count)) => (self.of_counter(count, view.elapsed), count),
            Sample::Counter(None) => (None, 0),
            Sample::Value(value) => (value, u64::from(value.is_some())),
        };
        let outcome = match observed {
            None => Outcome::NoData,
            Some(observed) if self.comparison.holds(observed, self.limit) => Outcome::Pass,
            Some(_) => Outcome::Fail,
        };
        Evaluation { outcome, observed, samples }
    }

    /// Whether an outcome counts as a failed threshold at the end of the run.
    pub const fn is_failed_by(&self, outcome: Outcome) -> bool {
        match outcome {
            Outcome::Pass => false,
            Outcome::Fail => true,
            Outcome::NoData => self.fail_on_no_data,
        }
    }

    /// Whether the run should stop now because of an outcome. "No data" never stops a run: data
    /// may still come.
    pub fn aborts(&self, outcome: Outcome, elapsed: Duration) -> bool {
        self.abort_on_fail && outcome == Outcome::Fail && elapsed > self.delay_abort_eval
    }

    fn of_trend(&self, trend: &Histogram<u64>) -> Option<f64> {
        let figures = trend.figures();
        match self.method {
            Method::Avg => figures.mean_us().map(|mean| mean / 1000.0),
            Method::Min => trend.percentile_us(0.0).map(ms),
            Method::Max => trend.percentile_us(100.0).map(ms),
            Method::Med => trend.percentile_us(50.0).map(ms),
            Method::Percentile(percentile) => trend.percentile_us(percentile).map(ms),
            Method::Count | Method::Rate | Method::Value => None,
        }
    }

    #[expect(clippy::cast_precision_loss, reason = "compared with a float that a user wrote")]
    fn of_counter(&self, count: u64, elapsed: Duration) -> Option<f64> {
        match self.method {
            Method::Count => Some(count as f64),
            Method::Rate if !elapsed.is_zero() => Some(count as f64 / elapsed.as_secs_f64()),
            _ => None,
        }
    }

    /// The part of the metric that the tags select.
    pub fn sample(&self, view: &View<'_>) -> Sample {
        let totals = view.totals;
        match self.metric.as_str() {
            "http_req_duration" => self.timing(totals, |timing| &timing.http_req_duration),
            "response_time" => self.timing(totals, |timing| &timing.response_time),
            "http_req_sending" => self.part(totals, |series| &series.http_req_sending),
            "http_req_waiting" => self.part(totals, |series| &series.http_req_waiting),
            "http_req_receiving" => self.part(totals, |series| &series.http_req_receiving),
            "http_req_blocked" => Sample::trend(&totals.http_req_blocked),
            "http_req_connecting" => Sample::trend(&totals.http_req_connecting),
            "http_req_tls_handshaking" => Sample::trend(&totals.http_req_tls_handshaking),
            "schedule_lag" => Sample::trend(&totals.schedule_lag),
            "http_reqs" => self.request_count(totals, |series| self.counted(series)),
            "data_sent" => self.request_count(totals, |series| series.bytes_sent),
            "data_received" => self.request_count(totals, |series| series.bytes_received),
            "http_req_failed" => {
                let mut share = Share::default();
                for series in self.series(totals) {
                    share.add(&Share {
                        passes: series.failed,
                        fails: series.count() - series.failed,
                    });
                }
                Sample::Share(share)
            }
            "iterations" => self.iteration_count(totals, |scenario| scenario.completed),
            "dropped_iterations" => self.iteration_count(totals, |scenario| scenario.dropped),
            "iteration_duration" => {
                let scenarios = self.scenarios(totals);
                Sample::sum(scenarios.map(|scenario| &scenario.iteration_duration))
            }
            "action_duration" => {
                let is_meant = |name: &str, wanted: &str| {
                    name == wanted || name.split_once('/').is_some_and(|(_, name)| name == wanted)
                };
                let actions = totals.actions.iter().filter(|(name, _)| {
                    self.tags.iter().all(|tag| match tag {
                        Tag::Action(wanted) => is_meant(name, wanted),
                        _ => true,
                    })
                });
                Sample::sum(actions.map(|(_, duration)| duration))
            }
            "checks" => {
                let mut share = Share::default();
                for (name, check) in &totals.checks {
                    if self
                        .tags
                        .iter()
                        .all(|tag| !matches!(tag, Tag::Check(check) if check != name))
                    {
                        share.add(check);
                    }
                }
                Sample::Share(share)
            }
            "vus" => Sample::value(view.bots_active),
            "vus_max" => Sample::value(view.bots_allocated),
            custom => self.custom(totals, custom),
        }
    }

    fn custom(&self, totals: &Totals, name: &str) -> Sample {
        match self.method {
            Method::Count => Sample::Counter(totals.counters.get(name).copied()),
            Method::Rate => match totals.rates.get(name) {
                Some(share) => Sample::Share(*share),
                None => Sample::Counter(totals.counters.get(name).copied()),
            },
            Method::Value => Sample::Value(totals.gauges.get(name).map(|gauge| gauge.value)),
            _ => {
                let trend = totals.trends.get(name).or_else(|| totals.times.get(name));
                trend.map_or_else(|| Sample::sum([]), Sample::trend)
            }
        }
    }

    fn series<'a>(&'a self, totals: &'a Totals) -> impl Iterator<Item = &'a Series<u64>> {
        let selected = |scenario: &str, name: &str| {
            self.tags.iter().all(|tag| match tag {
                Tag::Name(wanted) => wanted == name,
                Tag::Scenario(wanted) => wanted == scenario,
                _ => true,
            })
        };
        let requests = totals.requests();
        requests
            .filter(move |(scenario, name, _)| selected(scenario, name))
            .map(|(_, _, series)| series)
    }

    fn scenarios<'a>(&'a self, totals: &'a Totals) -> impl Iterator<Item = &'a ScenarioTotals> {
        let selected = |name: &str| {
            self.tags.iter().all(|tag| !matches!(tag, Tag::Scenario(wanted) if wanted != name))
        };
        totals
            .scenarios
            .iter()
            .filter(move |(name, _)| selected(name))
            .map(|(_, scenario)| scenario)
    }

    fn timing<'a>(&'a self, totals: &'a Totals, of: fn(&Timing<u64>) -> &Histogram<u64>) -> Sample {
        let expected = self.tags.iter().find_map(|tag| match tag {
            Tag::ExpectedResponse(expected) => Some(*expected),
            _ => None,
        });
        let parts = self.series(totals).flat_map(|series| {
            let parts = [(true, &series.expected), (false, &series.unexpected)];
            parts
                .into_iter()
                .filter(move |(is_expected, _)| expected.is_none_or(|e| e == *is_expected))
        });
        Sample::sum(parts.map(|(_, timing)| of(timing)))
    }

    fn part(&self, totals: &Totals, of: fn(&Series<u64>) -> &Histogram<u64>) -> Sample {
        Sample::sum(self.series(totals).map(of))
    }

    /// A sum over the selected requests. Without tags, none is zero; with tags that select nothing,
    /// there is no data: most likely the name is wrong.
    fn request_count(&self, totals: &Totals, of: impl Fn(&Series<u64>) -> u64) -> Sample {
        let selected: Vec<u64> = self.series(totals).map(of).collect();
        let is_there = !selected.is_empty() || self.tags.is_empty();
        Sample::Counter(is_there.then(|| selected.iter().sum()))
    }

    fn counted(&self, series: &Series<u64>) -> u64 {
        let answered: u64 = series.statuses.values().sum();
        let of_tag = |tag: &Tag| match tag {
            Tag::Status(0) => Some(series.count() - answered),
            Tag::Status(status) => Some(series.statuses.get(status).copied().unwrap_or(0)),
            Tag::ExpectedResponse(true) => Some(series.count() - series.failed),
            Tag::ExpectedResponse(false) => Some(series.failed),
            _ => None,
        };
        self.tags.iter().find_map(of_tag).unwrap_or_else(|| series.count())
    }

    fn iteration_count(&self, totals: &Totals, of: fn(&ScenarioTotals) -> u64) -> Sample {
        let selected: Vec<u64> = self.scenarios(totals).map(of).collect();
        let is_there = !selected.is_empty() || self.tags.is_empty();
        Sample::Counter(is_there.then(|| selected.iter().sum()))
    }
}

/// What a threshold's metric and tags select.
#[derive(Clone, Debug, PartialEq)]
pub enum Sample {
    /// Times in µs, or values times 1000.
    Trend(Box<Histogram<u64>>),
    /// How often something held.
    Share(Share),
    /// A sum; none when the tags select nothing.
    Counter(Option<u64>),
    /// A gauge's value.
    Value(Option<f64>),
}

impl Sample {
    fn trend(histogram: &Histogram<u64>) -> Self {
        Self::Trend(Box::new(histogram.clone()))
    }

    fn sum<'a>(parts: impl IntoIterator<Item = &'a Histogram<u64>>) -> Self {
        Self::Trend(Box::new(sum(parts)))
    }

    #[expect(clippy::cast_precision_loss, reason = "numbers of bots")]
    fn value(value: Option<u64>) -> Self {
        Self::Value(value.map(|value| value as f64))
    }
}

#[expect(clippy::cast_precision_loss, reason = "a share has no use for 53 bits and more")]
fn share_of(share: Share) -> Option<f64> {
    (share.total() > 0).then(|| share.passes as f64 / share.total() as f64)
}

#[expect(clippy::cast_precision_loss, reason = "at most one hour in µs")]
fn ms(value_us: u64) -> f64 {
    value_us as f64 / 1000.0
}

#[cfg(test)]
mod tests;
