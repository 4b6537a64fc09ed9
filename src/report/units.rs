//! Numbers as people read them, with k6's rules: cut, not rounded.
//!
//! A p99 of 499.999 ms is not "500ms", and 99.999 % is not "100%": what is shown never exceeds
//! what was measured.

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

/// A time as k6 writes it: `0s`, `87µs`, `1.23ms`, `2.5s`, `1m2.5s`, `1h2m3s`.
pub(crate) fn duration_us(us: u64) -> String {
    match us {
        0 => "0s".to_owned(),
        1..1_000 => format!("{us}µs"),
        1_000..1_000_000 => format!("{}ms", cut(us, 1_000)),
        1_000_000..60_000_000 => format!("{}s", cut(us, 1_000_000)),
        60_000_000..3_600_000_000 => {
            format!("{}m{}s", us / 60_000_000, cut(us % 60_000_000, 1_000_000))
        }
        _ => {
            let minutes = us / 60_000_000;
            format!("{}h{}m{}s", minutes / 60, minutes % 60, cut(us % 60_000_000, 1_000_000))
        }
    }
}

/// A time in the wanted unit.
pub(crate) fn duration_in(us: u64, unit: TimeUnit) -> String {
    let fixed = |denominator: u64, suffix: &str| {
        let hundredths = us % denominator * 100 / denominator;
        format!("{}.{hundredths:02}{suffix}", us / denominator)
    };
    match unit {
        TimeUnit::Fitting => duration_us(us),
        TimeUnit::Seconds => fixed(1_000_000, "s"),
        TimeUnit::Milliseconds => fixed(1_000, "ms"),
        TimeUnit::Microseconds => fixed(1, "µs"),
    }
}

/// Bytes as k6 writes them: powers of 1000, whole below 10 of a unit's tenths.
pub(crate) fn bytes(count: u64) -> String {
    const UNITS: [&str; 6] = ["kB", "MB", "GB", "TB", "PB", "EB"];
    if count < 1000 {
        return format!("{count} B");
    }
    let (mut unit, mut size) = (0, 1000_u64);
    while unit + 1 < UNITS.len() && count / size >= 1000 {
        (unit, size) = (unit + 1, size * 1000);
    }
    // Below ten of a unit one decimal is kept, as k6 does.
    let (whole, tenth) = (count / size, count % size / (size / 10));
    if whole < 10 {
        format!("{whole}.{tenth} {}", UNITS[unit])
    } else {
        format!("{whole} {}", UNITS[unit])
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

/// A second of the run as `mm:ss` or `h:mm:ss`.
pub(crate) fn clock(second: u64) -> String {
    let (hours, minutes, seconds) = (second / 3600, second / 60 % 60, second % 60);
    if hours > 0 {
        format!("{hours}:{minutes:02}:{seconds:02}")
    } else {
        format!("{minutes:02}:{seconds:02}")
    }
}
