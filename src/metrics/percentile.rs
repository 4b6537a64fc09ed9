//! Which percentiles a number of samples can carry.
//!
//! A percentile with no sample beyond it is only the greatest value under another name, and one
//! in the tail with two samples beyond it is chance. What is not carried is not shown, anywhere.

use super::histogram::{Count, Histogram};

/// Samples that must lie beyond a percentile up to [`TAIL_FROM`].
const SAMPLES_BEYOND_MIN: f64 = 1.0;
/// Samples that must lie beyond a percentile in the tail: p99 needs 1000 samples, p99.9 10,000.
const SAMPLES_BEYOND_MIN_IN_TAIL: f64 = 10.0;
/// Above this percentile the tail begins. k6 shows p(90) and p(95) of short runs, and so do we.
const TAIL_FROM: f64 = 95.0;

/// Whether `count` samples are enough to speak of this percentile. The median always is, and the
/// ends are the exact least and greatest value.
#[expect(clippy::cast_precision_loss, reason = "compared with 1 and 10")]
pub fn is_carried(percentile: f64, count: u64) -> bool {
    if count == 0 {
        return false;
    }
    if percentile <= 50.0 || percentile >= 100.0 {
        return true;
    }
    let needed =
        if percentile > TAIL_FROM { SAMPLES_BEYOND_MIN_IN_TAIL } else { SAMPLES_BEYOND_MIN };
    // 1000 samples at 99.9 have 0.9999999999994458 beyond it in binary.
    (100.0 - percentile) * count as f64 / 100.0 >= needed - 1e-9
}

/// The percentile, if there are samples enough for it.
pub fn carried_us<C: Count>(histogram: &Histogram<C>, percentile: f64) -> Option<u64> {
    is_carried(percentile, histogram.count()).then(|| histogram.percentile_us(percentile))?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_percentile_needs_samples_beyond_it() {
        for (percentile, fewest) in
            [(0.0, 1), (50.0, 1), (90.0, 10), (95.0, 20), (99.0, 1_000), (99.9, 10_000), (100.0, 1)]
        {
            assert!(is_carried(percentile, fewest), "p{percentile} of {fewest}");
            assert!(!is_carried(percentile, fewest - 1), "p{percentile} of {}", fewest - 1);
        }
    }

    #[test]
    fn a_percentile_of_too_few_samples_is_not_told() {
        let mut histogram = Histogram::<u64>::new();
        histogram.record_n(5, 999);
        assert_eq!(carried_us(&histogram, 99.0), None);
        histogram.record(5);
        assert_eq!(carried_us(&histogram, 99.0), Some(5));
    }
}
