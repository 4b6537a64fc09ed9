//! A trend as few points that reduce to what all of its samples reduce to.
//!
//! Up to [`SAMPLES_MAX`] samples are written as they are. Of more, `N` sorted points are made, `N`
//! a multiple of 20: the two around each of N/2, 0.9 N and 0.95 N are the samples around that
//! quantile, the first and the last are the least and the greatest, and those in between may lie
//! anywhere between their neighbours. Every point so has a lower and an upper bound, which both
//! ascend; all points lie at the same share of the way from one to the other, the share that makes
//! the mean exact. Where that share is not within 0..=1 (a tail so heavy that one of `N` points is
//! too much for it), a larger `N` is tried.

use crate::metrics::Histogram;

/// So many samples need no summary.
const SAMPLES_MAX: u64 = 1_000;
/// How many points are tried. One greatest sample adds its `N`th part to the mean, so a tail needs
/// more points than the greatest is times the mean of the others' distance from the least. The last
/// is 50 MB of text, which readers still take; beyond that the mean alone is too high.
const SIZES: [usize; 7] = [40, 200, 1_000, 5_000, 20_000, 100_000, 500_000];
/// The quantiles that are kept, as parts of 20.
const QUANTILES: [usize; 3] = [10, 18, 19];

/// The lower and the upper bounds of sorted points, both in ascending order.
#[derive(Debug, Default)]
struct Bounds {
    low: Vec<f64>,
    high: Vec<f64>,
}

/// Points with the samples' least, greatest, mean, median, p90 and p95, in order; at least one, if
/// there are samples.
pub(super) fn points(trend: &Histogram<u64>) -> Vec<f64> {
    let figures = trend.figures();
    let Some(mean) = figures.mean_us() else { return vec![0.0] };
    if figures.min_us == figures.max_us {
        return vec![float(figures.min_us)];
    }
    if figures.count <= SAMPLES_MAX {
        return samples(trend).at_mean(mean).0;
    }
    let mut best: Option<(Vec<f64>, f64)> = None;
    for size in SIZES {
        let (points, missed) = summary(trend, size).at_mean(mean);
        if best.as_ref().is_none_or(|(_, least)| missed < *least) {
            best = Some((points, missed));
        }
        if missed == 0.0 {
            break;
        }
    }
    best.map(|(points, _)| points).unwrap_or_default()
}

impl Bounds {
    fn push(&mut self, (low, high): (f64, f64)) {
        self.low.push(low);
        self.high.push(high);
    }

    /// The points whose mean is the one wanted, and by how much it is missed.
    fn at_mean(&self, mean: f64) -> (Vec<f64>, f64) {
        let count = float(self.low.len() as u64);
        let (low, high): (f64, f64) = (self.low.iter().sum(), self.high.iter().sum());
        let wanted = count * mean;
        let share = if high > low { (wanted - low) / (high - low) } else { 0.0 };
        let share = share.clamp(0.0, 1.0);
        let missed = (low + share * (high - low) - wanted).abs() / wanted.max(1.0);
        let points = self.low.iter().zip(&self.high).map(|(low, high)| low + share * (high - low));
        (points.collect(), if missed < ROUNDING { 0.0 } else { missed })
    }
}

/// What sums of a hundred thousand numbers may lose.
const ROUNDING: f64 = 1e-9;

/// Every sample between the ends of its step; the first and the last are known.
fn samples(trend: &Histogram<u64>) -> Bounds {
    let mut bounds = Bounds::default();
    for (low, high, count) in trend.steps() {
        for _ in 0..count {
            bounds.push((float(low), float(high)));
        }
    }
    let figures = trend.figures();
    if let (Some(low), Some(high)) = (bounds.low.last_mut(), bounds.high.first_mut()) {
        (*low, *high) = (float(figures.max_us), float(figures.min_us));
    }
    bounds
}

/// `size` points that stand for all samples.
fn summary(trend: &Histogram<u64>, size: usize) -> Bounds {
    let figures = trend.figures();
    let (least, greatest) = (float(figures.min_us), float(figures.max_us));
    let mut bounds = Bounds::default();
    bounds.push((least, least));
    for twentieths in QUANTILES {
        let (below, above) = around(trend, twentieths);
        let at = size / 20 * twentieths;
        bounds.fill(at - 1, below.1);
        bounds.push(below);
        bounds.push(above);
    }
    bounds.fill(size - 1, greatest);
    bounds.push((greatest, greatest));
    bounds
}

impl Bounds {
    /// Free points up to index `to`: not below the point before, not above `high`.
    fn fill(&mut self, to: usize, high: f64) {
        let low = self.low.last().copied().unwrap_or_default();
        self.low.resize(to, low);
        self.high.resize(to, high);
    }
}

/// The bounds of the two points whose middle is the quantile, as readers compute it: sample number
/// `n q - 1/2`, counted from 0, and between two samples in proportion.
fn around(trend: &Histogram<u64>, twentieths: usize) -> ((f64, f64), (f64, f64)) {
    // In 20ths of a sample: n q - 1/2 = (n twentieths - 10) / 20.
    let at = u128::from(trend.count()) * (twentieths as u128) - 10;
    let (rank, part) = (u64::try_from(at / 20).unwrap_or(u64::MAX), (at % 20) as f64 / 20.0);
    let (first, second) = (step_of(trend, rank), step_of(trend, rank + 1));
    // Two points with the quantile in their middle, as far apart as the samples allow.
    let pair = |first: f64, second: f64| {
        let reach = part.min(1.0 - part) * (second - first);
        let middle = first + part * (second - first);
        (middle - reach, middle + reach)
    };
    let (low, high) = (pair(first.0, second.0), pair(first.1, second.1));
    ((low.0, high.0), (low.1, high.1))
}

/// The step in which the sample with this rank lies, counted from 0.
fn step_of(trend: &Histogram<u64>, rank: u64) -> (f64, f64) {
    let mut seen = 0;
    for (low, high, count) in trend.steps() {
        seen += count;
        if seen > rank {
            return (float(low), float(high));
        }
    }
    let greatest = float(trend.figures().max_us);
    (greatest, greatest)
}

#[expect(clippy::cast_precision_loss, reason = "microseconds of an hour, and counts of points")]
fn float(value: u64) -> f64 {
    value as f64
}

#[cfg(test)]
mod tests;
