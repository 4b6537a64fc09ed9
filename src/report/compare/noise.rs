//! How far the figures of a run may lie from what they would be in another run of the same.
//!
//! The estimators are closed forms over blocks of consecutive seconds (a ratio estimated from
//! clusters, as in survey sampling), so nothing is drawn at random.

use super::PERCENTILES;
use crate::metrics::{CoarseHistogram, Histogram, Row};
use crate::report::run_json::Report;

/// Blocks a run is cut into: enough to see how blocks vary, long enough that a slow second and the
/// ones after it fall into one.
const BLOCKS_MAX: usize = 40;
/// With fewer blocks the variation between them is itself a guess.
const BLOCKS_MIN: usize = 8;
/// A normal variable is within three standard deviations in 99.7 % of cases: a comparison shows
/// dozens of figures, and at two deviations one in twenty would differ by chance.
const DEVIATIONS: f64 = 3.0;
/// A block is used when most of it was run.
const BLOCK_SHARE_MIN: f64 = 0.5;

/// Where a value may lie.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Range {
    low: f64,
    high: f64,
}

impl Range {
    /// A value without noise.
    pub(super) const fn exactly(value: f64) -> Self {
        Self { low: value, high: value }
    }

    fn around(value: f64, deviation: f64) -> Self {
        Self { low: value - DEVIATIONS * deviation, high: value + DEVIATIONS * deviation }
    }
}

/// How far apart two values may lie by chance, on the sides on which they face each other.
pub(super) fn between((a, range_a): (f64, Range), (b, range_b): (f64, Range)) -> f64 {
    if b >= a {
        (range_a.high - a).hypot(b - range_b.low)
    } else {
        (a - range_a.low).hypot(range_b.high - b)
    }
}

/// What the blocks of a run tell about its noise. Empty when the run is too short.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Noise {
    /// Standard deviation of the rate of iterations.
    iterations_deviation: Option<f64>,
    /// Standard deviation of the rate of requests.
    requests_deviation: Option<f64>,
    /// All requests.
    requests: f64,
    /// Design effect of the share of failed requests.
    failed_effect: Option<f64>,
    /// Design effects of the percentiles of response time, in order of [`PERCENTILES`].
    pub(super) response_time: Vec<f64>,
    /// The same of service time.
    pub(super) service_time: Vec<f64>,
}

impl Noise {
    /// The noise within a run.
    pub(super) fn of(report: &Report) -> Self {
        let timeline = report.timeline.in_rows(BLOCKS_MAX);
        let step = float(timeline.seconds_per_row);
        let seconds =
            |row: &Row| (float(report.duration_us) / 1e6 - float(row.second)).clamp(0.0, step);
        let is_block = |row: &&Row| seconds(row) >= step * BLOCK_SHARE_MIN;
        let blocks: Vec<&Row> = timeline.rows.iter().filter(is_block).collect();
        if blocks.len() < BLOCKS_MIN {
            return Self::default();
        }
        let rates = |count: fn(&Row) -> u64| -> Vec<f64> {
            blocks.iter().map(|row| float(count(row)) / seconds(row)).collect()
        };
        let failed = blocks.iter().map(|row| (row.requests_failed, row.requests));
        Self {
            iterations_deviation: Some(deviation_of_mean(&rates(|row| row.completed))),
            requests_deviation: Some(deviation_of_mean(&rates(|row| row.requests))),
            requests: float(report.summary.requests),
            failed_effect: Some(design_effect(&failed.collect::<Vec<_>>())),
            response_time: effects(&blocks, |row| &row.response_time),
            service_time: effects(&blocks, |row| &row.http_req_duration),
        }
    }

    /// Whether the run was long enough to tell.
    pub(super) const fn is_known(&self) -> bool {
        self.failed_effect.is_some()
    }

    /// Where the rate of iterations may lie.
    pub(super) fn iterations(&self, rate: f64) -> Option<Range> {
        Some(Range::around(rate, self.iterations_deviation?))
    }

    /// Where the rate of the requests of a name may lie. A part of all requests varies more than
    /// all do, and by no less than chance has it: the root of its count.
    pub(super) fn requests(&self, count: u64, rate: f64) -> Option<Range> {
        let all = self.requests_deviation?;
        let count = float(count).max(1.0);
        if count >= self.requests {
            return Some(Range::around(rate, all));
        }
        let part = all * (count / self.requests).sqrt();
        Some(Range::around(rate, part.max(rate / count.sqrt())))
    }

    /// Where the share of failed requests among `count` may lie.
    pub(super) fn failed(&self, share: f64, count: u64) -> Option<Range> {
        let variance = share * (1.0 - share) / float(count.max(1));
        Some(Range::around(share, (variance * self.failed_effect?).sqrt()))
    }
}

/// The values between which a percentile may lie: those at its rank less and plus the noise.
pub(super) fn percentile_range(histogram: &Histogram<u64>, percentile: f64, effect: f64) -> Range {
    let share = percentile / 100.0;
    let deviation = (effect * share * (1.0 - share) / float(histogram.count().max(1))).sqrt();
    let at = |share: f64| {
        let value = histogram.percentile_us(share.clamp(0.0, 1.0) * 100.0);
        float(value.unwrap_or(0))
    };
    Range { low: at(share - DEVIATIONS * deviation), high: at(share + DEVIATIONS * deviation) }
}

/// The deviation of the mean of a row of rates, from the steps between neighbours: a ramp, which
/// the plan wants, has small steps and a large spread.
fn deviation_of_mean(rates: &[f64]) -> f64 {
    let squares: f64 = rates.windows(2).map(|pair| (pair[1] - pair[0]).powi(2)).sum();
    let variance = squares / (2.0 * count(rates.len().saturating_sub(1).max(1)));
    (variance / count(rates.len())).sqrt()
}

/// Design effects of the percentiles: of the share of values above each.
fn effects(blocks: &[&Row], times: fn(&Row) -> &CoarseHistogram) -> Vec<f64> {
    let mut all = CoarseHistogram::default();
    blocks.iter().for_each(|row| all.add(times(row)));
    let effect = |(percentile, _): (f64, &str)| {
        let Some(limit_us) = all.percentile_us(percentile) else { return 1.0 };
        let above = |row: &&&Row| {
            let counts = times(row).counts().filter(|(us, _)| *us > limit_us);
            (counts.map(|(_, count)| count).sum::<u64>(), times(row).figures().count)
        };
        design_effect(&blocks.iter().map(|row| above(&row)).collect::<Vec<_>>())
    };
    PERCENTILES.map(effect).to_vec()
}

/// By how much the variance of a share, from (hits, of how many) block by block, exceeds that of
/// independent hits. At least 1.
fn design_effect(blocks: &[(u64, u64)]) -> f64 {
    let hits: u64 = blocks.iter().map(|(hits, _)| hits).sum();
    let of: u64 = blocks.iter().map(|(_, of)| of).sum();
    if hits == 0 || hits >= of {
        return 1.0;
    }
    let share = float(hits) / float(of);
    let squares: f64 =
        blocks.iter().map(|(hits, of)| (float(*hits) - share * float(*of)).powi(2)).sum();
    let correction = count(blocks.len()) / count(blocks.len() - 1);
    (correction * squares / (float(of) * share * (1.0 - share))).max(1.0)
}

#[expect(clippy::cast_precision_loss, reason = "counts and µs below 2^53")]
const fn float(value: u64) -> f64 {
    value as f64
}

#[expect(clippy::cast_precision_loss, reason = "a number of blocks")]
const fn count(value: usize) -> f64 {
    value as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ramp_is_not_noise() {
        let ramp: Vec<f64> = (0..20).map(f64::from).collect();
        let shaken: Vec<f64> = (0..20).map(|n| f64::from(n % 2) * 19.0).collect();
        assert!(deviation_of_mean(&ramp) < 0.2);
        assert!(deviation_of_mean(&shaken) > 2.5);
    }

    #[test]
    fn hits_in_one_block_count_as_one_event_and_spread_ones_as_many() {
        let spread = vec![(10, 1000); 10];
        let mut heaped = vec![(0, 1000); 9];
        heaped.push((100, 1000));
        assert!((design_effect(&spread) - 1.0).abs() < 1e-9);
        let effect = design_effect(&heaped);
        assert!((90.0..=110.0).contains(&effect), "{effect}");
    }

    #[test]
    fn the_range_of_a_percentile_narrows_with_the_root_of_the_count() {
        let width = |count: u64| {
            let mut histogram = Histogram::<u64>::new();
            (0..count).for_each(|n| histogram.record(1_000_000 + n * 1_000_000 / count));
            let range = percentile_range(&histogram, 90.0, 1.0);
            assert!(range.low < 1_900_000.0 && range.high > 1_900_000.0);
            range.high - range.low
        };
        let ratio = width(1_000) / width(100_000);
        assert!((9.0..11.0).contains(&ratio), "{ratio}");
    }

    #[test]
    fn noise_is_that_of_the_sides_that_face_each_other() {
        let (low, high) =
            ((10.0, Range { low: 0.0, high: 13.0 }), (20.0, Range { low: 16.0, high: 99.0 }));
        assert!((between(low, high) - 5.0).abs() < 1e-9);
        assert!((between(high, low) - 5.0).abs() < 1e-9);
    }
}
