//! The percentile distribution in the text format of HdrHistogram, which its plotters read.
//!
//! Values in ms. The steps halve the distance to 100 % every five lines, as
//! `outputPercentileDistribution` does; they end at the greatest value.

use super::run_json::Report;
use crate::metrics::{Histogram, rank_of};

/// Lines per halving of what is left, HdrHistogram's default.
const TICKS_PER_HALF: u64 = 5;

/// The distribution of response times.
pub fn render(report: &Report) -> String {
    render_histogram(&report.summary.response_time)
}

/// The distribution of a histogram in µs, as ms.
#[expect(clippy::cast_precision_loss, reason = "shown with at most twelve decimals")]
pub fn render_histogram(histogram: &Histogram<u64>) -> String {
    let mut out = String::from("       Value     Percentile TotalCount 1/(1-Percentile)\n\n");
    let count = histogram.count();
    for percentile in steps(count) {
        let value_ms = histogram.percentile_us(percentile).unwrap_or(0) as f64 / 1000.0;
        let quantile = percentile / 100.0;
        let seen = histogram_rank(histogram, percentile);
        if quantile < 1.0 {
            let odds = 1.0 / (1.0 - quantile);
            out.push_str(&format!("{value_ms:12.3} {quantile:2.12} {seen:10} {odds:14.2}\n"));
        } else {
            out.push_str(&format!("{value_ms:12.3} {quantile:2.12} {seen:10}            inf\n"));
        }
    }
    let figures = histogram.figures();
    let mean = figures.mean_us().unwrap_or(0.0) / 1000.0;
    let max = figures.max_us as f64 / 1000.0;
    out.push_str(&format!(
        "#[Mean    = {mean:12.3}, StdDeviation   = {:12.3}]\n",
        deviation_ms(histogram)
    ));
    out.push_str(&format!("#[Max     = {max:12.3}, Total count    = {count:12}]\n"));
    out.push_str(&format!(
        "#[Buckets = {:12}, SubBuckets     = {:12}]\n",
        crate::metrics::to_hdr(histogram).buckets(),
        2048
    ));
    out
}

/// How many values are at most the value at a percentile.
fn histogram_rank(histogram: &Histogram<u64>, percentile: f64) -> u64 {
    let rank = rank_of(percentile, histogram.count());
    let mut seen = 0;
    for (_, count) in histogram.counts() {
        seen += count;
        if seen >= rank {
            break;
        }
    }
    seen
}

/// The percentiles to show: finer towards 100, no finer than one value of `count`, then 100.
#[expect(clippy::cast_precision_loss, reason = "counts stay below 2^53")]
pub(super) fn steps(count: u64) -> Vec<f64> {
    if count == 0 {
        return Vec::new();
    }
    let mut steps = vec![0.0];
    let mut left = 100.0;
    loop {
        for tick in 1..=TICKS_PER_HALF {
            let percentile = 100.0 - left + left / 2.0 * tick as f64 / TICKS_PER_HALF as f64;
            if (100.0 - percentile) / 100.0 * (count as f64) < 1.0 {
                steps.push(100.0);
                return steps;
            }
            steps.push(percentile);
        }
        left /= 2.0;
    }
}

#[expect(clippy::cast_precision_loss, reason = "a deviation has no use for 53 bits and more")]
fn deviation_ms(histogram: &Histogram<u64>) -> f64 {
    let Some(mean) = histogram.figures().mean_us() else { return 0.0 };
    let squares: f64 = histogram
        .counts()
        .map(|(value_us, count)| (value_us as f64 - mean).powi(2) * count as f64)
        .sum();
    (squares / histogram.count() as f64).sqrt() / 1000.0
}
