//! Numbers as people read them, with k6's rules: times and shares are cut, not rounded.
//!
//! A p99 of 499.999 ms is not "500ms", and 99.999 % is not "100%": a time or share that is shown
//! never exceeds what was measured. Bytes are rounded, as k6 does.

/// The unit for times in the k6 part of the text (`--summary-time-unit`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TimeUnit {
    /// The greatest unit in which the time is at least 1.
    #[default]
    Fitting,
    /// Seconds.
    Seconds,
    /// Milliseconds.
    Milliseconds,
    /// Microseconds.
    Microseconds,
}

/// `numerator / denominator` with at most two decimals, cut; trailing zeros are dropped.
fn cut(numerator: u64, denominator: u64) -> String {
    let (whole, hundredths) =
        (numerator / denominator, numerator % denominator * 100 / denominator);
    match (hundredths / 10, hundredths % 10) {
        (0, 0) => format!("{whole}"),
        (tenths, 0) => format!("{whole}.{tenths}"),
        (tenths, hundredths) => format!("{whole}.{tenths}{hundredths}"),
    }
}

/// A time in µs as k6 writes it: `0s`, `87µs`, `1.23ms`, `2.5s`, `1m2s`, `1h2m3s`.
pub(crate) fn duration_us(us: u64) -> String {
    duration_ns(us.saturating_mul(1_000))
}

/// A time in ns as k6 writes it; averages have fractions of a µs.
pub(crate) fn duration_ns(ns: u64) -> String {
    const SECOND: u64 = 1_000_000_000;
    match ns {
        0 => "0s".to_owned(),
        1..1_000 => format!("{ns}ns"),
        1_000..1_000_000 => format!("{}µs", cut(ns, 1_000)),
        1_000_000..SECOND => format!("{}ms", cut(ns, 1_000_000)),
        _ => {
            let (minutes, seconds) = (ns / SECOND / 60, ns / SECOND % 60);
            match minutes {
                0 => format!("{}s", cut(ns, SECOND)),
                1..60 => format!("{minutes}m{seconds}s"),
                _ => format!("{}h{}m{seconds}s", minutes / 60, minutes % 60),
            }
        }
    }
}

/// A time in ns in the wanted unit; a fixed unit has two decimals, rounded as in k6.
pub(crate) fn duration_in(ns: u64, unit: TimeUnit) -> String {
    let fixed = |ns_per_unit: u64, suffix: &str| {
        let hundredths =
            (u128::from(ns) * 100 + u128::from(ns_per_unit) / 2) / u128::from(ns_per_unit);
        format!("{}.{:02}{suffix}", hundredths / 100, hundredths % 100)
    };
    match unit {
        TimeUnit::Fitting => duration_ns(ns),
        TimeUnit::Seconds => fixed(1_000_000_000, "s"),
        TimeUnit::Milliseconds => fixed(1_000_000, "ms"),
        TimeUnit::Microseconds => fixed(1_000, "µs"),
    }
}

/// Bytes as k6 writes them: powers of 1000, rounded, one decimal below ten of a unit.
pub(crate) fn bytes(count: u64) -> String {
    const UNITS: [&str; 6] = ["kB", "MB", "GB", "TB", "PB", "EB"];
    if count < 1000 {
        return format!("{count} B");
    }
    let (mut unit, mut size) = (0, 1000_u64);
    while unit + 1 < UNITS.len() && count / size >= 1000 {
        (unit, size) = (unit + 1, size * 1000);
    }
    let tenths = (u128::from(count) * 10 + u128::from(size) / 2) / u128::from(size);
    if tenths < 100 {
        format!("{}.{} {}", tenths / 10, tenths % 10, UNITS[unit])
    } else {
        format!("{} {}", (tenths + 5) / 10, UNITS[unit])
    }
}

/// A part of a whole, 0..=1; 0 of nothing.
#[expect(clippy::cast_precision_loss, reason = "a share has no use for 53 bits and more")]
pub(crate) fn share(part: u64, whole: u64) -> f64 {
    if whole == 0 { 0.0 } else { part as f64 / whole as f64 }
}

/// A share with two decimals, cut: `99.99%`.
pub(crate) fn share_percent(part: u64, whole: u64) -> String {
    if whole == 0 {
        return "0.00%".to_owned();
    }
    let hundredths = u128::from(part) * 10_000 / u128::from(whole);
    format!("{}.{:02}%", hundredths / 100, hundredths % 100)
}

/// A share in whole percent, cut: 99.9 % is 99.
pub(crate) fn whole_percent(part: u64, whole: u64) -> u128 {
    u128::from(part) * 100 / u128::from(whole.max(1))
}

/// A count per second, as k6 writes it: six decimals, trailing zeros dropped.
#[expect(clippy::cast_precision_loss, reason = "shown with six decimals")]
pub(crate) fn per_second(count: u64, duration_us: u64) -> f64 {
    if duration_us == 0 { 0.0 } else { count as f64 * 1e6 / duration_us as f64 }
}

/// A number without needless zeros: at most `decimals` after the point.
pub(crate) fn number(value: f64, decimals: usize) -> String {
    let text = format!("{value:.decimals$}");
    if !text.contains('.') {
        return text;
    }
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// A count with its thousands apart: `1,234,567`.
pub(crate) fn grouped(count: u64) -> String {
    let digits = count.to_string();
    let mut text = String::with_capacity(digits.len() * 4 / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A second of the run as `mm:ss` or `h:mm:ss`.
pub(crate) fn clock(second: u64) -> String {
    let (hours, minutes, seconds) = (second / 3600, second / 60 % 60, second % 60);
    if hours > 0 {
        format!("{hours}:{minutes:02}:{seconds:02}")
    } else {
        format!("{minutes:02}:{seconds:02}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_cut_to_two_decimals_in_the_greatest_unit_that_fits() {
        for (ns, expected) in [
            (0, "0s"),
            (999, "999ns"),
            (1_000, "1µs"),
            (1_239, "1.23µs"),
            (999_999, "999.99µs"),
            (1_000_000, "1ms"),
            (148_219_999, "148.21ms"),
            (999_999_999, "999.99ms"),
            (1_000_000_000, "1s"),
            (1_500_000_000, "1.5s"),
            (59_999_999_999, "59.99s"),
            (60_000_000_000, "1m0s"),
            (61_999_000_000, "1m1s"),
            (3_599_000_000_000, "59m59s"),
            (3_723_500_000_000, "1h2m3s"),
        ] {
            assert_eq!(duration_ns(ns), expected, "{ns} ns");
        }
    }

    #[test]
    fn a_fixed_unit_has_two_decimals() {
        assert_eq!(duration_in(1_234_567, TimeUnit::Milliseconds), "1.23ms");
        assert_eq!(duration_in(1_235_000, TimeUnit::Milliseconds), "1.24ms");
        assert_eq!(duration_in(1_500, TimeUnit::Microseconds), "1.50µs");
        assert_eq!(duration_in(90_000_000_000, TimeUnit::Seconds), "90.00s");
        assert_eq!(duration_in(90_000_000_000, TimeUnit::Fitting), "1m30s");
    }

    #[test]
    fn shares_are_cut_so_that_nothing_becomes_everything() {
        for (part, whole, expected) in [
            (0, 0, "0.00%"),
            (0, 45, "0.00%"),
            (45, 45, "100.00%"),
            (99_999, 100_000, "99.99%"),
            (1, 3, "33.33%"),
            (2, 3, "66.66%"),
            (1, 100_000, "0.00%"),
            (u64::MAX - 1, u64::MAX, "99.99%"),
        ] {
            assert_eq!(share_percent(part, whole), expected, "{part} of {whole}");
        }
        assert_eq!(whole_percent(999, 1000), 99);
        assert_eq!(whole_percent(97, 100), 97);
    }

    #[test]
    fn bytes_are_powers_of_1000_with_one_decimal_below_ten() {
        for (count, expected) in [
            (0, "0 B"),
            (9, "9 B"),
            (999, "999 B"),
            (1_000, "1.0 kB"),
            (1_250, "1.3 kB"),
            (9_949, "9.9 kB"),
            (12_345, "12 kB"),
            (5_400_000, "5.4 MB"),
            (1_000_000_000, "1.0 GB"),
            (u64::MAX, "18 EB"),
        ] {
            assert_eq!(bytes(count), expected, "{count}");
        }
    }

    #[test]
    fn numbers_have_no_needless_zeros() {
        assert_eq!(number(6.561_09, 6), "6.56109");
        assert_eq!(number(13.122_179, 6), "13.122179");
        assert_eq!(number(20_000.0, 6), "20000");
        assert_eq!(number(0.5, 2), "0.5");
        assert_eq!(number(10.0, 0), "10");
    }

    #[test]
    fn thousands_stand_apart() {
        for (count, expected) in [(0, "0"), (999, "999"), (1_000, "1,000"), (123_456, "123,456")] {
            assert_eq!(grouped(count), expected);
        }
        assert_eq!(grouped(1_234_567), "1,234,567");
    }

    #[test]
    fn seconds_of_a_run_are_a_clock() {
        assert_eq!(clock(47), "00:47");
        assert_eq!(clock(3_600 + 62), "1:01:02");
    }
}
