//! Two runs side by side: what differs, and whether by more than noise.
//!
//! Noise is taken from within the runs. Each is cut into blocks of consecutive seconds; how much
//! the share of requests above a percentile varies from block to block says how many independent
//! requests the run is worth (its *design effect*: requests of one bad second are one bad second,
//! not a thousand of them). From that follow the ranks between which the percentile may lie, and
//! the values at these ranks. No chance is involved: the same two reports give the same comparison.
//! What differs between runs but not within one (another neighbour on the machine) is not seen,
//! so a difference must also reach a share that the caller chooses.

mod caution;
mod noise;

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use super::run_json::Report;
use super::units::{per_second, share};
use crate::metrics::{Histogram, Series, carried_us};
use noise::{Noise, Range};

/// What is compared of times.
const PERCENTILES: [(f64, &str); 5] =
    [(50.0, "p50"), (90.0, "p90"), (99.0, "p99"), (99.9, "p99.9"), (100.0, "max")];

/// Two runs side by side.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Comparison {
    /// The run that is compared with.
    pub a: Side,
    /// The run that is judged.
    pub b: Side,
    /// Why the two may not be alike: other machines, other plans.
    pub cautions: Vec<String>,
    /// The least share of a value by which two must differ to count as different.
    pub at_least: f64,
    /// All requests together.
    pub figures: Vec<Figure>,
    /// By request name, those with most requests first.
    pub requests: Vec<RequestFigures>,
}

/// Which run one side is.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Side {
    /// What was typed.
    pub name: String,
    /// The run's id.
    pub run_id: String,
    /// What ran.
    pub title: String,
    /// When it started.
    pub started_at: String,
    /// How long it lasted, µs.
    pub duration_us: u64,
}

/// The figures of one request name.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct RequestFigures {
    /// The name.
    pub name: String,
    /// Its figures.
    pub figures: Vec<Figure>,
}

/// What the values of a figure are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Unit {
    /// Events per second.
    PerSecond,
    /// A share, 0..=1.
    Share,
    /// A time in µs.
    Microseconds,
}

/// Whether two values differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// By no more than noise, or by too little to matter.
    Same,
    /// B is better by more than noise.
    Better,
    /// B is worse by more than noise.
    Worse,
    /// It cannot be told.
    Unknown,
}

/// One figure of both runs.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Figure {
    /// What it is: "requests", "failed", "response time p99".
    pub name: String,
    /// What its values are.
    pub unit: Unit,
    /// The value of A; none without data.
    pub a: Option<f64>,
    /// The value of B.
    pub b: Option<f64>,
    /// How far they may lie apart by chance; none where that cannot be told.
    pub noise: Option<f64>,
    /// Whether they differ.
    pub outcome: Outcome,
}

impl Comparison {
    /// Compares two reports. They differ where they do by more than noise, and by at least the
    /// share `at_least` of the value.
    pub fn of((name_a, a): (&str, &Report), (name_b, b): (&str, &Report), at_least: f64) -> Self {
        let (noise_a, noise_b) = (Noise::of(a), Noise::of(b));
        let pair = Pair { a: (a, &noise_a), b: (b, &noise_b), at_least };
        let (names_a, names_b) = (a.totals.requests_by_name(), b.totals.requests_by_name());
        let mut figures = pair.rates();
        figures
            .extend(pair.series((Some(&a.totals.all_requests()), Some(&b.totals.all_requests()))));
        Self {
            a: Side::of(name_a, a),
            b: Side::of(name_b, b),
            cautions: caution::cautions(a, b, noise_a.is_known() && noise_b.is_known()),
            at_least,
            figures,
            requests: by_name(&pair, &names_a, &names_b),
        }
    }

    /// All figures that differ, with the request they are of.
    pub fn differences(&self) -> impl Iterator<Item = (Option<&str>, &Figure)> {
        let all = self.figures.iter().map(|figure| (None, figure));
        let named = self.requests.iter().flat_map(|request| {
            request.figures.iter().map(|figure| (Some(request.name.as_str()), figure))
        });
        all.chain(named)
            .filter(|(_, figure)| matches!(figure.outcome, Outcome::Better | Outcome::Worse))
    }

    /// Whether B is worse than A in any figure.
    pub fn has_worse(&self) -> bool {
        self.differences().any(|(_, figure)| figure.outcome == Outcome::Worse)
    }

    /// The comparison as JSON.
    pub fn to_json(&self) -> String {
        serde_json::to_string(self).expect("a comparison has text keys only")
    }
}

impl Side {
    fn of(name: &str, report: &Report) -> Self {
        Self {
            name: name.to_owned(),
            run_id: report.run.run_id.clone(),
            title: report.run.title.clone(),
            started_at: report.started_at.clone(),
            duration_us: report.duration_us,
        }
    }
}

/// Both reports with their noise.
struct Pair<'a> {
    a: (&'a Report, &'a Noise),
    b: (&'a Report, &'a Noise),
    at_least: f64,
}

/// One request name in both reports, where it is.
type Both<'a> = (Option<&'a Series<u64>>, Option<&'a Series<u64>>);

/// A value with the range in which it may lie; the range where that can be told.
type Ranged = Option<(f64, Option<Range>)>;

fn by_name(
    pair: &Pair<'_>,
    a: &BTreeMap<&str, Series<u64>>,
    b: &BTreeMap<&str, Series<u64>>,
) -> Vec<RequestFigures> {
    let names: BTreeSet<&str> = a.keys().chain(b.keys()).copied().collect();
    let mut rows: Vec<(u64, RequestFigures)> = Vec::new();
    for name in names {
        let both = (a.get(name), b.get(name));
        let count = both.0.map_or(0, Series::count) + both.1.map_or(0, Series::count);
        let figures = pair.series(both);
        rows.push((count, RequestFigures { name: name.to_owned(), figures }));
    }
    rows.sort_by(|x, y| y.0.cmp(&x.0).then_with(|| x.1.name.cmp(&y.1.name)));
    rows.into_iter().map(|(_, row)| row).collect()
}

impl Pair<'_> {
    /// Offered and achieved iterations.
    fn rates(&self) -> Vec<Figure> {
        let offered = |report: &Report| report.summary.offered_per_sec;
        let achieved = |(report, noise): (&Report, &Noise)| {
            let rate = report.summary.completed_per_sec;
            Some((rate, noise.iterations(rate)))
        };
        let plan = |report| Some((offered(report), Some(Range::exactly(offered(report)))));
        vec![
            self.figure("offered", Unit::PerSecond, plan(self.a.0), plan(self.b.0)),
            self.figure("achieved", Unit::PerSecond, achieved(self.a), achieved(self.b)),
        ]
    }

    /// Rate, failures and times of the requests of one name, or of all.
    fn series(&self, both: Both<'_>) -> Vec<Figure> {
        let mut figures = vec![
            self.of_each("requests", Unit::PerSecond, both, |report, noise, series| {
                let rate = per_second(series.count(), report.duration_us);
                Some((rate, noise.requests(series.count(), rate)))
            }),
            self.of_each("failed", Unit::Share, both, |_, noise, series| {
                let failed = share(series.failed, series.count());
                Some((failed, noise.failed(failed, series.count())))
            }),
        ];
        for (index, (percentile, word)) in PERCENTILES.into_iter().enumerate() {
            let name = format!("response time {word}");
            figures.push(self.of_each(&name, Unit::Microseconds, both, |_, noise, series| {
                let effect = noise.response_time.get(index).copied();
                ranged(&series.response_time(), percentile, effect)
            }));
        }
        for (index, (percentile, word)) in PERCENTILES.into_iter().enumerate() {
            let name = format!("service time {word}");
            figures.push(self.of_each(&name, Unit::Microseconds, both, |_, noise, series| {
                let effect = noise.service_time.get(index).copied();
                ranged(&series.http_req_duration(), percentile, effect)
            }));
        }
        figures
    }

    fn of_each(
        &self,
        name: &str,
        unit: Unit,
        both: Both<'_>,
        value: impl Fn(&Report, &Noise, &Series<u64>) -> Ranged,
    ) -> Figure {
        let a = both.0.and_then(|series| value(self.a.0, self.a.1, series));
        let b = both.1.and_then(|series| value(self.b.0, self.b.1, series));
        self.figure(name, unit, a, b)
    }

    fn figure(&self, name: &str, unit: Unit, a: Ranged, b: Ranged) -> Figure {
        let noise = match (a, b) {
            (Some((from, Some(range_from))), Some((to, Some(range_to)))) => {
                Some(noise::between((from, range_from), (to, range_to)))
            }
            _ => None,
        };
        let (value_a, value_b) = (a.map(|(value, _)| value), b.map(|(value, _)| value));
        let outcome = match (value_a, value_b, noise) {
            (Some(from), Some(to), Some(noise)) => self.judged(unit, name, (from, to), noise),
            _ => Outcome::Unknown,
        };
        Figure { name: name.to_owned(), unit, a: value_a, b: value_b, noise, outcome }
    }

    fn judged(&self, unit: Unit, name: &str, (from, to): (f64, f64), noise: f64) -> Outcome {
        let apart = (to - from).abs();
        if apart <= noise || apart < self.at_least * from.max(to) {
            return Outcome::Same;
        }
        // More load offered is neither: it is another plan, and a caution says so.
        let more_is_better = match unit {
            Unit::PerSecond if name == "offered" => return Outcome::Unknown,
            Unit::PerSecond => true,
            Unit::Share | Unit::Microseconds => false,
        };
        if (to > from) == more_is_better { Outcome::Better } else { Outcome::Worse }
    }
}

/// A percentile and its range. The greatest value has none: one request makes it.
#[expect(clippy::cast_precision_loss, reason = "µs below 2^53")]
fn ranged(histogram: &Histogram<u64>, percentile: f64, effect: Option<f64>) -> Ranged {
    let value = carried_us(histogram, percentile)? as f64;
    if percentile >= 100.0 {
        return Some((value, None));
    }
    Some((value, effect.map(|effect| noise::percentile_range(histogram, percentile, effect))))
}
