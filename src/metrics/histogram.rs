//! A histogram of times with the layout of HdrHistogram: 1 µs to 1 h at 3 significant digits.
//!
//! The layout is fixed, so histograms of any worker, second, task or run add up exactly. It is
//! kept in pages of 256 counts, made when the first value falls into them: a worker holds two
//! sets of histograms per request name, and response times rarely span more than a few octaves, so
//! pages cost about a tenth of the 92 KiB of a flat array, and clearing and adding touch only
//! what was used. The interval's counts are 32 bits wide, those of totals 64.
//! The count, sum, least and greatest value are exact; only quantiles have the layout's 0.1 %.
//! Knows nothing of what is measured. The `hdrhistogram` crate writes the exchange format (see
//! `encoding.rs`) and is the oracle of this file's tests.

/// The greatest value that is kept apart, 1 h in µs. Greater ones count as this and as overflow.
pub const VALUE_US_MAX: u64 = 3_600_000_000;

/// 2^11 linear steps are the fewest that hold 3 significant digits (2048 > 2 * 10^3).
const SUB_BITS: u32 = 11;
/// One page covers a quarter of an octave, which has half of the linear steps, as HdrHistogram
/// shares the lower half. Most of what a name's times are falls into a few of these.
const PAGE_SIZE: usize = 1 << (SUB_BITS - 3);
/// 2048 << 21 = 2^32 is the first power of two above one hour: 22 octaves, the first of them twice
/// as long, and the last without its last quarter.
const PAGES: usize = 23 * 4 - 1;

/// The width of a count: `u32` for one interval, `u64` for totals.
pub trait Count: Copy + Default + PartialEq + std::fmt::Debug {
    /// This count and `more`, at most the greatest value of the type.
    fn plus(self, more: u64) -> Self;
    /// The count as a plain number.
    fn value(self) -> u64;
}

impl Count for u32 {
    fn plus(self, more: u64) -> Self {
        self.saturating_add(u32::try_from(more).unwrap_or(u32::MAX))
    }
    fn value(self) -> u64 {
        u64::from(self)
    }
}

impl Count for u64 {
    fn plus(self, more: u64) -> Self {
        self.saturating_add(more)
    }
    fn value(self) -> u64 {
        self
    }
}

type Page<C> = Box<[C; PAGE_SIZE]>;

/// Counts of values in µs, with exact count, sum, least and greatest value.
#[derive(Clone, Debug)]
pub struct Histogram<C> {
    pages: [Option<Page<C>>; PAGES],
    /// Bit n: page n holds a count. Clearing and adding look at these pages only.
    used: [u64; 2],
    figures: Figures,
}

/// What is known exactly about the values of a histogram. All in µs but the counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Figures {
    /// How many values were recorded.
    pub count: u64,
    /// Their sum, in µs.
    pub sum_us: u64,
    /// The least of them; `u64::MAX` when there is none.
    pub min_us: u64,
    /// The greatest of them; 0 when there is none.
    pub max_us: u64,
    /// How many were above [`VALUE_US_MAX`] and were counted as that.
    pub overflow: u64,
}

impl Figures {
    /// Figures of no value at all, the neutral element of [`Figures::add`].
    pub const NONE: Self = Self { count: 0, sum_us: 0, min_us: u64::MAX, max_us: 0, overflow: 0 };

    /// Adds what is known about other values. Associative and commutative: all sums saturate.
    pub fn add(&mut self, other: &Self) {
        self.count = self.count.saturating_add(other.count);
        self.sum_us = self.sum_us.saturating_add(other.sum_us);
        self.min_us = self.min_us.min(other.min_us);
        self.max_us = self.max_us.max(other.max_us);
        self.overflow = self.overflow.saturating_add(other.overflow);
    }

    /// The mean in µs; none without values.
    #[expect(clippy::cast_precision_loss, reason = "a mean has no use for 53 bits and more")]
    pub fn mean_us(&self) -> Option<f64> {
        (self.count > 0).then(|| self.sum_us as f64 / self.count as f64)
    }
}

impl<C: Count> Default for Histogram<C> {
    fn default() -> Self {
        Self::new()
    }
}

impl<C: Count> Histogram<C> {
    /// An empty histogram; it owns no page yet.
    pub const fn new() -> Self {
        Self { pages: [const { None }; PAGES], used: [0; 2], figures: Figures::NONE }
    }

    /// Counts one value. Allocates only when the value is the first in its page.
    #[inline]
    pub fn record(&mut self, value_us: u64) {
        self.record_n(value_us, 1);
    }

    /// Counts `n` equal values.
    #[inline]
    pub fn record_n(&mut self, value_us: u64, n: u64) {
        if n == 0 {
            return;
        }
        let kept = value_us.min(VALUE_US_MAX);
        let figures = &mut self.figures;
        figures.count = figures.count.saturating_add(n);
        figures.sum_us = figures.sum_us.saturating_add(kept.saturating_mul(n));
        figures.min_us = figures.min_us.min(kept);
        figures.max_us = figures.max_us.max(kept);
        if value_us > VALUE_US_MAX {
            figures.overflow = figures.overflow.saturating_add(n);
        }
        let index = index_of(kept, SUB_BITS);
        self.add_at(index, n);
    }

    #[inline]
    fn add_at(&mut self, index: usize, n: u64) {
        let (page, slot) = (index / PAGE_SIZE, index % PAGE_SIZE);
        self.used[page / 64] |= 1 << (page % 64);
        let counts = self.pages[page].get_or_insert_with(|| Box::new([C::default(); PAGE_SIZE]));
        counts[slot] = counts[slot].plus(n);
    }

    /// Adds all counts of another histogram, of either width.
    pub fn add<D: Count>(&mut self, other: &Histogram<D>) {
        self.figures.add(&other.figures);
        self.used = [self.used[0] | other.used[0], self.used[1] | other.used[1]];
        for page in other.used_pages() {
            let Some(source) = &other.pages[page] else { continue };
            let target =
                self.pages[page].get_or_insert_with(|| Box::new([C::default(); PAGE_SIZE]));
            for (count, more) in target.iter_mut().zip(source.iter()) {
                *count = count.plus(more.value());
            }
        }
    }

    /// Forgets all values and keeps the pages for the next ones.
    pub fn clear(&mut self) {
        for page in self.used_pages() {
            if let Some(counts) = &mut self.pages[page] {
                counts.fill(C::default());
            }
        }
        self.used = [0; 2];
        self.figures = Figures::NONE;
    }

    /// What is known exactly about the values.
    pub const fn figures(&self) -> &Figures {
        &self.figures
    }

    /// How many values were recorded.
    pub const fn count(&self) -> u64 {
        self.figures.count
    }

    /// Whether nothing was recorded.
    pub const fn is_empty(&self) -> bool {
        self.figures.count == 0
    }

    /// The least value that at least `percentile` percent of the values do not exceed, within
    /// 0.1 %; none without values. 0 is the least value, 100 the greatest.
    pub fn percentile_us(&self, percentile: f64) -> Option<u64> {
        percentile_of(&self.figures, self.cells(), percentile, SUB_BITS)
    }

    /// The counts above zero by index of the layout, in order of value.
    pub(super) fn cells(&self) -> impl Iterator<Item = (usize, u64)> + '_ {
        self.used_pages().flat_map(move |page| {
            let counts = self.pages[page].as_deref().into_iter().flatten();
            counts
                .enumerate()
                .filter(|(_, count)| count.value() > 0)
                .map(move |(slot, count)| (page * PAGE_SIZE + slot, count.value()))
        })
    }

    /// The counts above zero as (lowest value in µs, count), in order of value.
    pub fn counts(&self) -> impl Iterator<Item = (u64, u64)> + '_ {
        self.cells().map(|(index, count)| (lowest_at(index, SUB_BITS), count))
    }

    /// The counts above zero as (lowest value, highest value, count), in order of value; neither
    /// value is outside the exact least and greatest one.
    pub fn steps(&self) -> impl Iterator<Item = (u64, u64, u64)> + '_ {
        let Figures { min_us, max_us, .. } = self.figures;
        self.cells().map(move |(index, count)| {
            let (lowest, highest) = (lowest_at(index, SUB_BITS), highest_at(index, SUB_BITS));
            (lowest.max(min_us), highest.min(max_us), count)
        })
    }

    /// A histogram with the figures as given, from (value in µs, count) pairs.
    pub(super) fn from_counts(figures: Figures, counts: impl Iterator<Item = (u64, u64)>) -> Self {
        let mut histogram = Self::new();
        for (value_us, count) in counts {
            histogram.add_at(index_of(value_us.min(VALUE_US_MAX), SUB_BITS), count);
        }
        histogram.figures = figures;
        histogram
    }

    fn used_pages(&self) -> impl Iterator<Item = usize> + use<C> {
        let used = self.used;
        (0..PAGES).filter(move |page| used[page / 64] & 1 << (page % 64) != 0)
    }
}

impl<C: Count> PartialEq for Histogram<C> {
    fn eq(&self, other: &Self) -> bool {
        self.figures == other.figures && self.cells().eq(other.cells())
    }
}

/// The index of a value in HdrHistogram's layout with 2^`sub_bits` linear steps.
#[inline]
#[expect(clippy::cast_possible_truncation, reason = "an index is below PAGES * PAGE_SIZE")]
pub(super) fn index_of(value: u64, sub_bits: u32) -> usize {
    let octave = (64 - sub_bits) - (value | ((1 << sub_bits) - 1)).leading_zeros();
    ((u64::from(octave) << (sub_bits - 1)) + (value >> octave)) as usize
}

/// The lowest value that falls on an index.
pub(super) fn lowest_at(index: usize, sub_bits: u32) -> u64 {
    let half = 1_u64 << (sub_bits - 1);
    let index = index as u64;
    if index < 2 * half {
        return index;
    }
    let octave = index / half - 1;
    (index % half + half) << octave
}

/// The highest value that falls on an index.
pub(super) fn highest_at(index: usize, sub_bits: u32) -> u64 {
    lowest_at(index + 1, sub_bits) - 1
}

/// The percentile of counts in order of value: the highest value of the step in which the rank
/// falls, never outside the exact least and greatest value.
pub(super) fn percentile_of(
    figures: &Figures,
    cells: impl Iterator<Item = (usize, u64)>,
    percentile: f64,
    sub_bits: u32,
) -> Option<u64> {
    if figures.count == 0 {
        return None;
    }
    if percentile <= 0.0 {
        return Some(figures.min_us);
    }
    let rank = rank_of(percentile, figures.count);
    let mut seen = 0_u64;
    for (index, count) in cells {
        seen = seen.saturating_add(count);
        if seen >= rank {
            let value = highest_at(index, sub_bits);
            return Some(value.clamp(figures.min_us, figures.max_us));
        }
    }
    Some(figures.max_us)
}

/// Which of `count` ordered values, counted from 1, a percentile is.
#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a rank of a non-negative percentile; counts stay far below 2^53"
)]
pub fn rank_of(percentile: f64, count: u64) -> u64 {
    let exact = percentile.min(100.0) * count as f64 / 100.0;
    // 99.9 % of 1000 is 999.0000000000001 in binary: without the allowance the rank would be 1000.
    let rank = (exact - exact * 1e-12).ceil() as u64;
    rank.clamp(1, count.max(1))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::to_hdr;

    const SEEDS: u64 = 20;

    /// Values over all octaves, drawn from a seed.
    fn values(seed: u64) -> impl Iterator<Item = u64> {
        let mut state = seed;
        std::iter::repeat_with(move || {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            let octave = state >> 59;
            ((state >> 20) % VALUE_US_MAX) >> octave
        })
        .take(5_000)
    }

    #[test]
    fn every_index_holds_the_values_that_map_to_it() {
        for sub_bits in [8, 11] {
            for index in 0..(1_usize << (sub_bits - 1)) * 12 {
                let (low, high) = (lowest_at(index, sub_bits), highest_at(index, sub_bits));
                assert!(low <= high);
                assert_eq!(index_of(low, sub_bits), index);
                assert_eq!(index_of(high, sub_bits), index);
                assert_eq!(index_of(high + 1, sub_bits), index + 1);
            }
        }
        assert_eq!(index_of(VALUE_US_MAX, SUB_BITS) / PAGE_SIZE, PAGES - 1);
    }

    #[test]
    fn the_layout_and_the_percentiles_are_those_of_hdrhistogram() {
        for seed in 0..SEEDS {
            let mut ours = Histogram::<u64>::new();
            let mut oracle =
                hdrhistogram::Histogram::<u64>::new_with_bounds(1, VALUE_US_MAX, 3).unwrap();
            for value in values(seed) {
                ours.record(value);
                oracle.record(value).unwrap();
            }
            assert_eq!(to_hdr(&ours), oracle, "rerun with SEED={seed}");
            // Not percentile / 100: 99.9 / 100 is above 0.999 in binary.
            for (percentile, quantile) in
                [(1.0, 0.01), (10.0, 0.1), (50.0, 0.5), (90.0, 0.9), (95.0, 0.95), (99.9, 0.999)]
            {
                let expected = oracle.value_at_quantile(quantile);
                let expected = expected.min(ours.figures().max_us);
                let actual = ours.percentile_us(percentile);
                assert_eq!(actual, Some(expected), "p{percentile}, rerun with SEED={seed}");
            }
        }
    }

    #[test]
    fn percentiles_are_within_a_thousandth_of_the_sorted_values() {
        for seed in 0..SEEDS {
            let mut sorted: Vec<u64> = values(seed).collect();
            let mut histogram = Histogram::<u32>::new();
            sorted.iter().for_each(|value| histogram.record(*value));
            sorted.sort_unstable();
            for percentile in [0.0, 25.0, 50.0, 99.0, 99.9, 100.0] {
                let rank = rank_of(percentile, sorted.len() as u64);
                let exact = sorted[usize::try_from(rank).unwrap() - 1];
                let shown = histogram.percentile_us(percentile).unwrap();
                assert!(
                    shown >= exact && shown - exact <= exact / 1000 + 1,
                    "p{percentile}: {shown} for {exact}, rerun with SEED={seed}"
                );
            }
        }
    }

    #[test]
    fn count_sum_least_and_greatest_are_exact() {
        let mut histogram = Histogram::<u32>::new();
        [1_234_567, 3, 999_999_999].into_iter().for_each(|value| histogram.record(value));
        histogram.record_n(10, 4);
        histogram.record_n(10, 0);
        let figures = histogram.figures();
        assert_eq!(figures.count, 7);
        assert_eq!(figures.sum_us, 1_234_567 + 3 + 999_999_999 + 40);
        assert_eq!((figures.min_us, figures.max_us), (3, 999_999_999));
        assert_eq!(histogram.percentile_us(0.0), Some(3));
        assert_eq!(histogram.percentile_us(100.0), Some(999_999_999));
    }

    #[test]
    fn values_above_one_hour_count_as_one_hour_and_as_overflow() {
        let mut histogram = Histogram::<u64>::new();
        histogram.record(VALUE_US_MAX);
        assert_eq!(histogram.figures().overflow, 0);
        histogram.record(VALUE_US_MAX + 1);
        histogram.record(u64::MAX);
        assert_eq!(histogram.figures().overflow, 2);
        assert_eq!(histogram.count(), 3);
        assert_eq!(histogram.figures().max_us, VALUE_US_MAX);
    }

    #[test]
    fn counts_stop_at_the_greatest_of_their_width() {
        let mut histogram = Histogram::<u32>::new();
        histogram.record_n(5, u64::from(u32::MAX));
        histogram.record_n(5, 3);
        assert_eq!(histogram.counts().collect::<Vec<_>>(), [(5, u64::from(u32::MAX))]);
    }

    #[test]
    fn an_empty_histogram_has_no_percentile() {
        let histogram = Histogram::<u64>::new();
        assert_eq!(histogram.percentile_us(50.0), None);
        assert_eq!(histogram.figures().mean_us(), None);
    }

    #[test]
    fn a_cleared_histogram_is_as_new_and_keeps_its_pages() {
        let mut histogram = Histogram::<u32>::new();
        values(1).for_each(|value| histogram.record(value));
        let pages = histogram.pages.iter().flatten().count();
        histogram.clear();
        assert_eq!(histogram, Histogram::new());
        assert_eq!(histogram.pages.iter().flatten().count(), pages);
        histogram.record(7);
        assert_eq!(histogram.counts().collect::<Vec<_>>(), [(7, 1)]);
    }

    #[test]
    fn narrow_times_take_few_pages() {
        let mut histogram = Histogram::<u32>::new();
        (1_000..4_000).for_each(|value| histogram.record(value));
        assert_eq!(histogram.pages.iter().flatten().count(), 9);
    }

    #[test]
    fn the_rank_of_a_percentile_does_not_slip_by_rounding() {
        for (percentile, count, rank) in [
            (99.9, 1_000, 999),
            (99.0, 100, 99),
            (95.0, 20, 19),
            (50.0, 3, 2),
            (50.0, 4, 2),
            (0.0, 10, 1),
            (100.0, 10, 10),
            (99.99, 10_000, 9_999),
            (0.1, 1_000, 1),
        ] {
            assert_eq!(rank_of(percentile, count), rank, "p{percentile} of {count}");
        }
    }
}
