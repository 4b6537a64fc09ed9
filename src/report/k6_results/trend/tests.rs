//! What a reader of k6's samples computes from the points is what it would compute from all
//! samples.

use super::*;

/// A few numbers that look random.
struct Numbers(u64);

impl Numbers {
    fn next(&mut self) -> f64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005);
        self.0 = self.0.wrapping_add(1_442_695_040_888_963_407);
        float(self.0 >> 11).mul_add(1.0 / float(1 << 53), 0.5 / float(1 << 53))
    }

    fn normal(&mut self) -> f64 {
        (-2.0 * self.next().ln()).sqrt() * (std::f64::consts::TAU * self.next()).cos()
    }
}

/// The reader's percentile, as published: linear between the samples around `n q - 1/2`.
fn percentile(sorted: &[f64], twentieths: usize) -> f64 {
    let at = (sorted.len() * twentieths).saturating_sub(10);
    let (index, part) = (at / 20, float((at % 20) as u64) / 20.0);
    let next = sorted[(index + 1).min(sorted.len() - 1)];
    sorted[index] + part * (next - sorted[index])
}

fn check(name: &str, mut samples: Vec<u64>) -> usize {
    let mut trend = Histogram::new();
    samples.iter().for_each(|&sample| trend.record(sample));
    samples.sort_unstable();
    let samples: Vec<f64> = samples.into_iter().map(float).collect();
    let points = points(&trend);
    assert!(points.is_sorted(), "{name}");
    let mean = |values: &[f64]| values.iter().sum::<f64>() / float(values.len() as u64);
    assert_eq!(points.first(), samples.first(), "{name}: least");
    assert_eq!(points.last(), samples.last(), "{name}: greatest");
    let (seen, wanted) = (mean(&points), mean(&samples));
    assert!((seen - wanted).abs() <= wanted * 1e-9, "{name}: mean {seen} for {wanted}");
    for quantile in QUANTILES {
        let (seen, wanted) = (percentile(&points, quantile), percentile(&samples, quantile));
        // One step of the histogram.
        let is_close = (seen - wanted).abs() <= wanted / 1_000.0 + 1.0;
        assert!(is_close, "{name}: {quantile}/20 is {seen} for {wanted}");
    }
    points.len()
}

#[test]
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped")]
fn distributions_with_light_and_heavy_tails_come_back_exactly() {
    let mut numbers = Numbers(7);
    let mut draw = |of: &mut dyn FnMut(&mut Numbers) -> f64| -> Vec<u64> {
        (0..200_000).map(|_| of(&mut numbers).clamp(1.0, 3.6e9) as u64).collect()
    };
    let exponential = draw(&mut |n| -n.next().ln() * 20_000.0);
    let uniform = draw(&mut |n| n.next() * 50_000.0);
    let lognormal = draw(&mut |n| (9.0 + 2.0 * n.normal()).exp());
    let pareto = draw(&mut |n| 1_000.0 * n.next().powf(-1.0 / 1.5));
    let two = draw(&mut |n| if n.next() < 0.5 { 1_000.0 } else { 100_000.0 });
    let spikes = draw(&mut |n| if n.next() < 0.99 { 300.0 } else { 30_000_000.0 * n.next() });
    let narrow = draw(&mut |n| 4_096_000.0 + 3.0 * n.next());
    let mut outlier = draw(&mut |_| 2_500.0);
    outlier[77] = 61_234_500;
    let sizes = [
        ("exponential", exponential),
        ("uniform", uniform),
        ("lognormal", lognormal),
        ("pareto", pareto),
        ("two values", two),
        ("spikes", spikes),
        ("narrow", narrow),
        ("one outlier", outlier),
    ]
    .map(|(name, samples)| check(name, samples));
    assert_eq!(sizes[..2], [40, 40], "light tails need few points");
    assert!(sizes[..7].iter().all(|&size| size <= 100_000), "{sizes:?}");
}

#[test]
fn few_samples_are_written_as_they_are() {
    for count in 2..60_u64 {
        let samples = (0..count).map(|n| 1 + (n * 7_919) % 5_000_003).collect();
        assert_eq!(check("few", samples) as u64, count);
    }
    let two = [vec![1; 500], vec![100; 500]].concat();
    assert_eq!(check("a median between two values", two), 1_000);
}

#[test]
fn equal_samples_are_one_point_and_odd_numbers_of_samples_are_no_trouble() {
    assert_eq!(check("equal", vec![5_000; 3_000]), 1);
    assert_eq!(check("one", vec![42]), 1);
    for count in 1_001..1_041 {
        check("odd", (0..count).map(|n| 10 + n * n).collect());
    }
}
