//! Which response statuses are no failure.
//!
//! A few ranges inline, so that a request carries them by value.

use std::fmt;
use std::ops::RangeInclusive;

/// How many ranges fit: more than any scenario seen, few enough to copy.
const RANGES_MAX: usize = 6;

/// A set of statuses, at first 200 to 399 as in k6.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Expected {
    ranges: [(u16, u16); RANGES_MAX],
    count: u8,
}

impl Expected {
    /// Exactly the statuses in these ranges.
    ///
    /// # Errors
    /// If there are more than six ranges.
    pub fn new(
        ranges: impl IntoIterator<Item = RangeInclusive<u16>>,
    ) -> Result<Self, TooManyRanges> {
        let mut expected = Self { ranges: [(0, 0); RANGES_MAX], count: 0 };
        for range in ranges {
            let slot = expected.ranges.get_mut(usize::from(expected.count));
            *slot.ok_or(TooManyRanges)? = range.into_inner();
            expected.count += 1;
        }
        Ok(expected)
    }

    /// Exactly one status.
    #[must_use]
    pub const fn status(status: u16) -> Self {
        let mut ranges = [(0, 0); RANGES_MAX];
        ranges[0] = (status, status);
        Self { ranges, count: 1 }
    }

    /// Every status.
    #[must_use]
    pub const fn any() -> Self {
        let mut ranges = [(0, 0); RANGES_MAX];
        ranges[0] = (0, u16::MAX);
        Self { ranges, count: 1 }
    }

    /// Whether a status is in the set.
    #[must_use]
    pub fn contains(&self, status: u16) -> bool {
        self.ranges().any(|range| range.contains(&status))
    }

    /// The ranges, in the order given.
    pub fn ranges(&self) -> impl Iterator<Item = RangeInclusive<u16>> {
        self.ranges[..usize::from(self.count)].iter().map(|(first, last)| *first..=*last)
    }
}

impl Default for Expected {
    fn default() -> Self {
        let mut ranges = [(0, 0); RANGES_MAX];
        ranges[0] = (200, 399);
        Self { ranges, count: 1 }
    }
}

impl fmt::Debug for Expected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.ranges()).finish()
    }
}

/// More ranges of statuses than a request can carry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooManyRanges;

impl fmt::Display for TooManyRanges {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "more than {RANGES_MAX} ranges of expected statuses; merge neighbouring ones")
    }
}

impl std::error::Error for TooManyRanges {}
