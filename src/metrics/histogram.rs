//! A histogram of microseconds with the layout of HdrHistogram: 1 µs to 1 h at 3 significant digits.
//!
//! The layout is fixed, so histograms of any worker, second, task or run add up exactly. It is
//! kept in pages of 1024 counts, made when the first value falls into them: a worker holds two
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
/// One page covers one octave: half of the linear steps, as HdrHistogram shares the lower half.
const PAGE_SIZE: usize = 1 << (SUB_BITS - 1);
/// 2048 << 21 = 2^32 is the first power of two above one hour: 22 octaves, the first of two pages.
const PAGES: usize = 23;

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
    used: u32,
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
        Self { pages: [const { None }; PAGES], used: 0, figures: Figures::NONE }
    }

    /// Counts one value. Allocates only when the value is the first in its octave.
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
        self.used |= 1 << page;
        let counts = self.pages[page].get_or_insert_with(|| Box::new([C::default(); PAGE_SIZE]));
        counts[slot] = counts[slot].plus(n);
    }

    /// Adds all counts of another histogram, of either width.
    pub fn add<D: Count>(&mut self, other: &Histogram<D>) {
        self.figures.add(&other.figures);
        self.used |= other.used;
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
        self.used = 0;
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
        (0..PAGES).filter(move |page| used & (1 << page) != 0)
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
    // 99.9 % of 1000 is 999.0000000000001 in binary: without the allowance the rank is one too high.
    let rank = (exact - exact * 1e-12).ceil() as u64;
    rank.clamp(1, count.max(1))
}
