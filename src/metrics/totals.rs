//! Everything measured, added up: over workers, seconds, tasks and runs.
//!
//! Adding is associative and commutative to the last bit: counts and sums are integers,
//! histograms have one layout, maps are ordered by name, and where one of two must win (a gauge,
//! an example) the later or the earlier instant decides and ties are broken by value. So 40 tasks
//! merge to the bytes that one would have written. Global figures that are the sum of
//! per-request ones are computed when asked for.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::histogram::Histogram;
use super::series::{Example, Series};
use super::snapshot::{Bounds, Row, Snapshot};

/// All metrics of a run, or of a part of it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(default)]
pub struct Totals {
    /// By scenario name.
    pub scenarios: BTreeMap<String, ScenarioTotals>,
    /// By check name.
    pub checks: BTreeMap<String, Share>,
    /// How long each action took, by `SET/NAME`, or the name alone when the set has none.
    pub actions: BTreeMap<String, Histogram<u64>>,
    /// Counters that bots made up, by name.
    pub counters: BTreeMap<String, u64>,
    /// Gauges that bots made up.
    pub gauges: BTreeMap<String, Gauge>,
    /// Rates that bots made up.
    pub rates: BTreeMap<String, Share>,
    /// Trends that bots made up and that are not times: the values times 1000.
    pub trends: BTreeMap<String, Histogram<u64>>,
    /// Trends that bots made up and that are times.
    pub times: BTreeMap<String, Histogram<u64>>,
    /// By kind of failure.
    pub failures: BTreeMap<String, FailureTotals>,
    /// sent - due, less the time for which no bot or no connection was free: the generator's own
    /// delay.
    pub schedule_lag: Histogram<u64>,
    /// Requests whose schedule lag was `LATE_US` or more.
    pub late: u64,
    /// k6's `http_req_blocked`.
    pub http_req_blocked: Histogram<u64>,
    /// k6's `http_req_connecting`.
    pub http_req_connecting: Histogram<u64>,
    /// k6's `http_req_tls_handshaking`.
    pub http_req_tls_handshaking: Histogram<u64>,
    /// Bounds of the metrics that were met.
    pub bounds: Bounds,
}

/// Iterations and requests of one scenario.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(default)]
pub struct ScenarioTotals {
    /// Arrivals that the plan had.
    pub due: u64,
    /// Iterations that began.
    pub started: u64,
    /// Iterations that ran to their end (k6's `iterations`), failed ones included.
    pub completed: u64,
    /// Those of them that count as failed.
    pub failed: u64,
    /// Iterations that were stopped on the way.
    pub interrupted: u64,
    /// Arrivals for which no bot was free (k6's `dropped_iterations`).
    pub dropped: u64,
    /// k6's `iteration_duration`.
    pub iteration_duration: Histogram<u64>,
    /// By request name.
    pub requests: BTreeMap<String, Series<u64>>,
}

/// How often something held: a check, or a rate.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Share {
    /// How often it held.
    pub passes: u64,
    /// How often it did not.
    pub fails: u64,
}

impl Share {
    /// Counts one time.
    pub const fn count(&mut self, held: bool) {
        if held { self.passes += 1 } else { self.fails += 1 }
    }

    /// Adds what another counted.
    pub const fn add(&mut self, other: &Self) {
        self.passes += other.passes;
        self.fails += other.fails;
    }

    /// How often it was asked.
    pub const fn total(&self) -> u64 {
        self.passes + self.fails
    }
}

/// One kind of failure, over all requests.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct FailureTotals {
    /// How many requests failed like this.
    pub count: u64,
    /// When the first did, µs since the start of the run.
    pub first_us: u64,
    /// When the last did.
    pub last_us: u64,
    /// Which requests, by name.
    pub requests: BTreeMap<String, u64>,
    /// The earliest that was described.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub example: Option<Example>,
}

/// The last value of a gauge, and its range.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Gauge {
    /// When the last value was set, µs since the start of the run.
    pub at_us: u64,
    /// The last value.
    pub value: f64,
    /// The least value.
    pub min: f64,
    /// The greatest value.
    pub max: f64,
    /// How often it was set.
    pub count: u64,
}

impl Gauge {
    /// Sets the value; of two at one instant the greater counts as the last.
    pub fn set(&mut self, at_us: u64, value: f64) {
        self.add(&Self { at_us, value, min: value, max: value, count: 1 });
    }

    /// Adds the readings of another gauge.
    pub fn add(&mut self, other: &Self) {
        if other.count == 0 {
            return;
        }
        if self.count == 0 {
            *self = *other;
            return;
        }
        let later = other.at_us.cmp(&self.at_us).then(other.value.total_cmp(&self.value));
        if later.is_gt() {
            (self.at_us, self.value) = (other.at_us, other.value);
        }
        self.min = if other.min.total_cmp(&self.min).is_lt() { other.min } else { self.min };
        self.max = if other.max.total_cmp(&self.max).is_gt() { other.max } else { self.max };
        self.count += other.count;
    }
}

impl FailureTotals {
    fn add(&mut self, other: &Self) {
        self.count += other.count;
        self.first_us = self.first_us.min(other.first_us);
        self.last_us = self.last_us.max(other.last_us);
        for (request, count) in &other.requests {
            *self.requests.entry(request.clone()).or_insert(0) += count;
        }
        // `None` is less than any example: compare only what is there.
        self.example = [self.example.take(), other.example.clone()].into_iter().flatten().min();
    }
}

impl ScenarioTotals {
    fn add(&mut self, other: &Self) {
        self.due += other.due;
        self.started += other.started;
        self.completed += other.completed;
        self.failed += other.failed;
        self.interrupted += other.interrupted;
        self.dropped += other.dropped;
        self.iteration_duration.add(&other.iteration_duration);
        for (name, series) in &other.requests {
            entry(&mut self.requests, name).add(series);
        }
    }
}

/// The value of a key, made when missing. Allocates the key only then.
fn entry<'a, V: Default>(map: &'a mut BTreeMap<String, V>, key: &str) -> &'a mut V {
    if !map.contains_key(key) {
        map.insert(key.to_owned(), V::default());
    }
    map.get_mut(key).expect("inserted above")
}

impl Totals {
    /// Adds one worker's interval. Rows that saw nothing leave no trace.
    pub fn add_snapshot(&mut self, snapshot: &Snapshot) {
        for Row { name, value } in &snapshot.scenarios {
            let scenario = entry(&mut self.scenarios, name);
            scenario.due += value.due;
            scenario.started += value.started;
            scenario.completed += value.completed;
            scenario.failed += value.failed;
            scenario.interrupted += value.interrupted;
            scenario.dropped += value.dropped;
            scenario.iteration_duration.add(&value.iteration_duration);
        }
        for row in snapshot.series.iter().filter(|row| row.series.count() > 0) {
            let scenario = &snapshot.scenarios[row.scenario as usize].name;
            let requests = &mut entry(&mut self.scenarios, scenario).requests;
            entry(requests, &row.name).add(&row.series);
        }
        self.add_failures(snapshot);
        self.add_notes(snapshot);
        self.schedule_lag.add(&snapshot.schedule_lag);
        self.late += snapshot.late;
        self.http_req_blocked.add(&snapshot.http_req_blocked);
        self.http_req_connecting.add(&snapshot.http_req_connecting);
        self.http_req_tls_handshaking.add(&snapshot.http_req_tls_handshaking);
        self.bounds.add(&snapshot.bounds);
    }

    fn add_notes(&mut self, snapshot: &Snapshot) {
        for row in snapshot.checks.iter().filter(|row| row.value.total() > 0) {
            entry(&mut self.checks, &row.name).add(&row.value);
        }
        for row in snapshot.actions.iter().filter(|row| !row.value.is_empty()) {
            entry(&mut self.actions, &row.name).add(&row.value);
        }
        for row in snapshot.counters.iter().filter(|row| row.value > 0) {
            *entry(&mut self.counters, &row.name) += row.value;
        }
        for row in snapshot.gauges.iter().filter(|row| row.value.count > 0) {
            entry(&mut self.gauges, &row.name).add(&row.value);
        }
        for row in snapshot.rates.iter().filter(|row| row.value.total() > 0) {
            entry(&mut self.rates, &row.name).add(&row.value);
        }
        for row in snapshot.trends.iter().filter(|row| !row.value.is_empty()) {
            entry(&mut self.trends, &row.name).add(&row.value);
        }
        for row in snapshot.times.iter().filter(|row| !row.value.is_empty()) {
            entry(&mut self.times, &row.name).add(&row.value);
        }
    }

    fn add_failures(&mut self, snapshot: &Snapshot) {
        for ((series, kind), row) in &snapshot.failures {
            if row.count == 0 {
                continue;
            }
            let request = snapshot.series[*series as usize].name.to_string();
            let failures = FailureTotals {
                count: row.count,
                first_us: row.first_us,
                last_us: row.last_us,
                requests: BTreeMap::from([(request, row.count)]),
                example: row.example.clone(),
            };
            self.add_failure(&kind.to_string(), &failures);
        }
    }

    fn add_failure(&mut self, kind: &str, failures: &FailureTotals) {
        match self.failures.get_mut(kind) {
            Some(known) => known.add(failures),
            None => {
                self.failures.insert(kind.to_owned(), failures.clone());
            }
        }
    }

    /// Adds the totals of another part of the run.
    pub fn add(&mut self, other: &Self) {
        for (name, scenario) in &other.scenarios {
            entry(&mut self.scenarios, name).add(scenario);
        }
        for (name, check) in &other.checks {
            entry(&mut self.checks, name).add(check);
        }
        for (name, duration) in &other.actions {
            entry(&mut self.actions, name).add(duration);
        }
        for (name, count) in &other.counters {
            *entry(&mut self.counters, name) += count;
        }
        for (name, gauge) in &other.gauges {
            entry(&mut self.gauges, name).add(gauge);
        }
        for (name, rate) in &other.rates {
            entry(&mut self.rates, name).add(rate);
        }
        for (name, trend) in &other.trends {
            entry(&mut self.trends, name).add(trend);
        }
        for (name, time) in &other.times {
            entry(&mut self.times, name).add(time);
        }
        for (kind, failures) in &other.failures {
            self.add_failure(kind, failures);
        }
        self.schedule_lag.add(&other.schedule_lag);
        self.late += other.late;
        self.http_req_blocked.add(&other.http_req_blocked);
        self.http_req_connecting.add(&other.http_req_connecting);
        self.http_req_tls_handshaking.add(&other.http_req_tls_handshaking);
        self.bounds.add(&other.bounds);
    }

    /// All request series with their scenario and name, in order.
    pub fn requests(&self) -> impl Iterator<Item = (&str, &str, &Series<u64>)> {
        self.scenarios.iter().flat_map(|(scenario, totals)| {
            let series = totals.requests.iter();
            series.map(move |(name, series)| (scenario.as_str(), name.as_str(), series))
        })
    }

    /// All requests as one series.
    pub fn all_requests(&self) -> Series<u64> {
        let mut all = Series::default();
        self.requests().for_each(|(_, _, series)| all.add(series));
        all
    }

    /// Requests by name, whatever their scenario.
    pub fn requests_by_name(&self) -> BTreeMap<&str, Series<u64>> {
        let mut by_name: BTreeMap<&str, Series<u64>> = BTreeMap::new();
        for (_, name, series) in self.requests() {
            by_name.entry(name).or_default().add(series);
        }
        by_name
    }

    /// All iterations as one scenario, without requests.
    pub fn all_iterations(&self) -> ScenarioTotals {
        let mut all = ScenarioTotals::default();
        for scenario in self.scenarios.values() {
            let iterations = ScenarioTotals { requests: BTreeMap::new(), ..scenario.clone() };
            all.add(&iterations);
        }
        all
    }

    /// The sum of all checks.
    pub fn all_checks(&self) -> Share {
        let mut all = Share::default();
        self.checks.values().for_each(|check| all.add(check));
        all
    }
}
