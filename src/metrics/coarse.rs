//! A histogram for one row of the timeline: 2 significant digits, only the counts above zero.
//!
//! An hour has 3600 rows of three histograms. At 2 digits a second of 20,000 requests is a few
//! hundred counts (some 600 bytes in `run.json`) instead of thousands, and rows still add up
//! exactly: every step of the finer layout lies within one step of this one. Quantiles are within
//! 1 %.

use super::histogram::{Count, Figures, Histogram, index_of, lowest_at, percentile_of};

/// 2^8 linear steps are the fewest that hold 2 significant digits (256 > 2 * 10^2).
const SUB_BITS: u32 = 8;

/// Counts of values in µs at 2 significant digits. See [`Histogram`] for the figures.
#[derive(Clone, Debug, PartialEq)]
pub struct CoarseHistogram {
    figures: Figures,
    /// Index of the layout and count, in order, all counts above zero.
    cells: Vec<(u16, u64)>,
}

impl Default for CoarseHistogram {
    fn default() -> Self {
        Self { figures: Figures::NONE, cells: Vec::new() }
    }
}

impl CoarseHistogram {
    /// What is known exactly about the values.
    pub const fn figures(&self) -> &Figures {
        &self.figures
    }

    /// The least value that at least `percentile` percent of the values do not exceed, within
    /// 1 %; none without values.
    pub fn percentile_us(&self, percentile: f64) -> Option<u64> {
        let cells = self.cells.iter().map(|&(index, count)| (usize::from(index), count));
        percentile_of(&self.figures, cells, percentile, SUB_BITS)
    }

    /// The counts above zero as (lowest value in µs, count), in order of value.
    pub fn counts(&self) -> impl Iterator<Item = (u64, u64)> + '_ {
        self.cells.iter().map(|&(index, count)| (lowest_at(usize::from(index), SUB_BITS), count))
    }

    /// Adds the counts of another.
    pub fn add(&mut self, other: &Self) {
        self.figures.add(&other.figures);
        let mut sum = Vec::with_capacity(self.cells.len().max(other.cells.len()));
        let (mut ours, mut theirs) = (self.cells.iter().peekable(), other.cells.iter().peekable());
        while let (Some(&&(a, a_count)), Some(&&(b, b_count))) = (ours.peek(), theirs.peek()) {
            if a <= b {
                ours.next();
            }
            if b <= a {
                theirs.next();
            }
            let mine = if a <= b { a_count } else { 0 };
            sum.push((a.min(b), if b <= a { mine + b_count } else { mine }));
        }
        sum.extend(ours.chain(theirs));
        self.cells = sum;
    }

    /// A histogram with the figures as given, from (value in µs, count) in order of value.
    pub(super) fn from_counts(figures: Figures, counts: impl Iterator<Item = (u64, u64)>) -> Self {
        let mut cells: Vec<(u16, u64)> = Vec::new();
        for (value_us, count) in counts {
            let index = u16::try_from(index_of(value_us, SUB_BITS)).expect("3328 steps reach 1 h");
            match cells.last_mut() {
                Some(last) if last.0 == index => last.1 += count,
                _ => cells.push((index, count)),
            }
        }
        Self { figures, cells }
    }
}

impl<C: Count> From<&Histogram<C>> for CoarseHistogram {
    fn from(histogram: &Histogram<C>) -> Self {
        Self::from_counts(*histogram.figures(), histogram.counts())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fine(values: &[u64]) -> Histogram<u64> {
        let mut histogram = Histogram::new();
        values.iter().for_each(|value| histogram.record(*value));
        histogram
    }

    #[test]
    fn adding_coarse_histograms_is_the_coarse_histogram_of_the_sum() {
        let (a, b) = (fine(&[3, 3, 70_000, 1_234_567]), fine(&[0, 70_100, 9_999_999, 9_999_999]));
        let mut sum = CoarseHistogram::from(&a);
        sum.add(&CoarseHistogram::from(&b));
        let mut both = a;
        both.add(&b);
        assert_eq!(sum, CoarseHistogram::from(&both));
    }

    #[test]
    fn percentiles_are_within_one_percent() {
        let values: Vec<u64> = (1..=1_000).map(|value| value * value).collect();
        let coarse = CoarseHistogram::from(&fine(&values));
        for (percentile, exact) in [(50.0, 250_000), (90.0, 810_000), (99.0, 980_100)] {
            let shown = coarse.percentile_us(percentile).unwrap();
            assert!(shown >= exact && shown - exact <= exact / 100, "{shown} for {exact}");
        }
        assert_eq!(coarse.percentile_us(100.0), Some(1_000_000));
        assert_eq!(CoarseHistogram::default().percentile_us(50.0), None);
    }
}
