//! Durations, counts and rates as people write them: `1m30s`, `10k`, `5000/s`.
//!
//! A bare number is no duration, because tools disagree on what it means (k6: milliseconds, wrk and
//! Locust: seconds).

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::engine::{Rate, Stage};

/// Reads a duration in Go's syntax, with days: `500ms`, `1m30s`, `1.5h`, `1d12h`.
///
/// # Errors
///
/// Says what was expected, with an example.
pub fn duration(text: &str) -> Result<Duration, String> {
    let help = || format!("`{text}` is not a duration; write for example 500ms, 30s or 1m30s");
    let mut total_ns = 0_u128;
    let mut rest = text.trim();
    if rest.is_empty() {
        return Err(help());
    }
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(rest.len());
        let (number, tail) = rest.split_at(digits);
        let letters = tail.find(|c: char| c.is_ascii_digit() || c == '.').unwrap_or(tail.len());
        let (unit, tail) = tail.split_at(letters);
        let unit_ns = match unit {
            "ns" => 1,
            "us" | "µs" => 1_000,
            "ms" => 1_000_000,
            "s" => 1_000_000_000,
            "m" => 60 * 1_000_000_000,
            "h" => 3_600 * 1_000_000_000,
            "d" => 86_400 * 1_000_000_000,
            "" => {
                return Err(format!("`{text}` has no unit; write for example {text}s or {text}ms"));
            }
            _ => return Err(help()),
        };
        let part = decimal(number, unit_ns).ok_or_else(help)?;
        total_ns = total_ns.checked_add(part).ok_or_else(help)?;
        rest = tail;
    }
    let seconds = u64::try_from(total_ns / 1_000_000_000).map_err(|_| help())?;
    let nanoseconds = u32::try_from(total_ns % 1_000_000_000).map_err(|_| help())?;
    Ok(Duration::new(seconds, nanoseconds))
}

/// `number` (digits with at most one point) times `scale`, without floats.
fn decimal(number: &str, scale: u128) -> Option<u128> {
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    if (whole.is_empty() && fraction.is_empty()) || fraction.len() > 18 || whole.len() > 18 {
        return None;
    }
    let parse = |digits: &str| match digits {
        "" => Some(0),
        digits => digits.parse::<u128>().ok(),
    };
    let whole = parse(whole)?.checked_mul(scale)?;
    let divisor = 10_u128.pow(u32::try_from(fraction.len()).ok()?);
    Some(whole + parse(fraction)?.checked_mul(scale)? / divisor)
}

/// Reads a whole number with an optional `k` or `m`: `500`, `10k`, `1.5m`.
///
/// # Errors
///
/// Says what was expected, with an example.
pub fn count(text: &str) -> Result<u64, String> {
    let help = || format!("`{text}` is not a number above zero; write for example 500, 10k or 1m");
    let (number, scale) = match text.trim().as_bytes().last() {
        Some(b'k' | b'K') => (&text.trim()[..text.trim().len() - 1], 1_000),
        Some(b'm' | b'M') => (&text.trim()[..text.trim().len() - 1], 1_000_000),
        _ => (text.trim(), 1),
    };
    let value = decimal(number, scale).and_then(|value| u64::try_from(value).ok());
    value.filter(|&value| value > 0).ok_or_else(help)
}

/// Reads a number of bytes: `64KiB`, `8GiB`, `100MB`.
///
/// # Errors
///
/// Says what was expected, with an example.
pub fn bytes(text: &str) -> Result<u64, String> {
    let help = || format!("`{text}` is not a number of bytes; write for example 500MB or 8GiB");
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let factor: u64 = match unit.trim() {
        "" | "B" => 1,
        "kB" => 1_000,
        "MB" => 1_000_000,
        "GB" => 1_000_000_000,
        "TB" => 1_000_000_000_000,
        "KiB" => 1 << 10,
        "MiB" => 1 << 20,
        "GiB" => 1 << 30,
        "TiB" => 1 << 40,
        _ => return Err(help()),
    };
    number.parse::<u64>().ok().and_then(|number| number.checked_mul(factor)).ok_or_else(help)
}

/// Reads a rate: `5000/s`, `6k/m`, `100/500ms`; a plain number is per second.
///
/// # Errors
///
/// Says what was expected, with an example.
pub fn rate(text: &str) -> Result<Rate, String> {
    let help = || format!("`{text}` is not a rate; write for example 5000/s or 300/m");
    let (number, unit) = text.split_once('/').unwrap_or((text, "s"));
    let unit = match unit {
        "s" | "m" | "h" => format!("1{unit}"),
        _ => unit.to_owned(),
    };
    let unit = duration(&unit).map_err(|_| help())?;
    if unit < Duration::from_micros(1) {
        return Err(help());
    }
    Ok(Rate { count: count(number).map_err(|_| help())?, unit })
}

/// Reads a stage: `30s:100`, or `0s:100` for a jump.
///
/// # Errors
///
/// Says what was expected, with an example.
pub fn stage(text: &str) -> Result<Stage, String> {
    let help = || format!("`{text}` is no stage; write for example 30s:100");
    let (time, target) = text.split_once(':').ok_or_else(help)?;
    let target = if target.trim() == "0" { 0 } else { count(target).map_err(|_| help())? };
    Ok(Stage { duration: duration(time)?, target })
}

/// Reads a run's id, which is the name of a folder too.
///
/// # Errors
///
/// Says what was expected, with an example.
pub fn run_id(text: &str) -> Result<String, String> {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    let is_id = !text.is_empty() && text.len() <= RUN_ID_BYTES_MAX && text.chars().all(is_plain);
    if is_id && !text.starts_with(['.', '-']) {
        return Ok(text.to_owned());
    }
    Err(format!(
        "`{text}` is no run id; write up to {RUN_ID_BYTES_MAX} letters, digits, `-`, `_` and `.`, \
         for example nightly-2026-11-24"
    ))
}

/// Reads an instant in UTC, to the second or finer, as `2026-11-24T19:30:00Z`.
///
/// # Errors
///
/// What would have been an instant.
pub fn instant(text: &str) -> Result<SystemTime, String> {
    let help = || format!("`{text}` is no instant; write UTC, for example 2026-11-24T19:30:00Z");
    let (day, time) = text.split_once('T').ok_or_else(help)?;
    let time = time.strip_suffix('Z').ok_or_else(help)?;
    let (time, fraction) = time.split_once('.').unwrap_or((time, "0"));
    let numbers = |text: &str, separator: char| -> Option<[u64; 3]> {
        let parts: Vec<&str> = text.split(separator).collect();
        let is_number = |part: &&str| part.bytes().all(|byte| byte.is_ascii_digit());
        let is_right = parts.len() == 3 && parts.iter().all(is_number);
        let numbers = is_right.then(|| parts.iter().map(|part| part.parse().ok()));
        numbers?.collect::<Option<Vec<u64>>>()?.try_into().ok()
    };
    let [year, month, day] = numbers(day, '-').ok_or_else(help)?;
    let [hour, minute, second] = numbers(time, ':').ok_or_else(help)?;
    let is_fraction = fraction.len() <= 9 && fraction.bytes().all(|byte| byte.is_ascii_digit());
    let is_date = (1970..=9999).contains(&year) && (1..=12).contains(&month);
    let is_day = is_date && (1..=days_of(year, month)).contains(&day);
    if !is_day || hour > 23 || minute > 59 || second > 59 || !is_fraction {
        return Err(help());
    }
    let years = (1970..year).map(|year| (1..=12).map(|month| days_of(year, month)).sum::<u64>());
    let days = years.sum::<u64>() + (1..month).map(|m| days_of(year, m)).sum::<u64>() + day - 1;
    let seconds = ((days * 24 + hour) * 60 + minute) * 60 + second;
    let nanos = format!("{fraction:0<9}").parse().map_err(|_| help())?;
    Ok(UNIX_EPOCH + Duration::new(seconds, nanos))
}

/// How many days a month has in the Gregorian calendar.
const fn days_of(year: u64, month: u64) -> u64 {
    match month {
        2 => {
            let is_leap = year.is_multiple_of(4) && !year.is_multiple_of(100);
            if is_leap || year.is_multiple_of(400) { 29 } else { 28 }
        }
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Well below the 255 bytes that the name of a folder may have.
const RUN_ID_BYTES_MAX: usize = 100;

/// Reads a seed: a decimal number or `0x` and hexadecimal digits.
///
/// # Errors
///
/// Says what was expected, with an example.
pub fn seed(text: &str) -> Result<u64, String> {
    let parsed = match text.strip_prefix("0x") {
        Some(digits) => u64::from_str_radix(digits, 16),
        None => text.parse(),
    };
    parsed.map_err(|_| format!("`{text}` is not a seed; write for example 42 or 0x2a (64 bits)"))
}

/// Reads `KEY=VALUE`.
///
/// # Errors
///
/// Says what was expected, with an example.
pub fn parameter(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((key, value)) if !key.is_empty() => Ok((key.to_owned(), value.to_owned())),
        _ => Err(format!("`{text}` is not KEY=VALUE; write for example USERS=100")),
    }
}

/// Reads a factor such as `0.1` or `2` as millionths, up to 1000.
///
/// # Errors
///
/// Says what was expected, with an example.
pub fn millionths(text: &str) -> Result<u32, String> {
    let value = decimal(text.trim(), 1_000_000).filter(|&value| value <= 1_000_000_000);
    let value = value.and_then(|value| u32::try_from(value).ok());
    value.ok_or_else(|| format!("`{text}` is not a factor from 0 to 1000; write for example 0.1"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_instant_is_read_as_reports_write_it_and_what_never_was_is_refused() {
        for text in ["2026-11-24T19:30:00.000000Z", "2000-02-29T23:59:59.250000Z"] {
            let instant = instant(text).expect("an instant");
            assert_eq!(crate::report::rfc3339(instant), text);
        }
        assert_eq!(instant("1970-01-02T00:00:01Z"), Ok(UNIX_EPOCH + Duration::from_secs(86_401)));
        for wrong in
            ["2026-02-29T00:00:00Z", "2026-01-01T24:00:00Z", "2026-01-01", "now", "1-1-1TZ"]
        {
            assert!(instant(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn durations_read_as_go_writes_them_and_a_bare_number_is_refused() {
        assert_eq!(duration("1m30s"), Ok(Duration::from_secs(90)));
        assert_eq!(duration("1.5h"), Ok(Duration::from_secs(5_400)));
        assert_eq!(duration("250us"), Ok(Duration::from_micros(250)));
        assert_eq!(duration("1d"), Ok(Duration::from_secs(86_400)));
        assert!(duration("30").is_err_and(|message| message.contains("30s or 30ms")));
        for wrong in ["", "s", "1x", "1.2.3s", "-1s", "{\"a\":1}", "99999999999999999999h"] {
            assert!(duration(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn counts_take_k_and_m_and_refuse_zero() {
        assert_eq!(count("10k"), Ok(10_000));
        assert_eq!(count("1.5m"), Ok(1_500_000));
        for wrong in ["0", "", "k", "ten", "-5", "1g"] {
            assert!(count(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn rates_are_for_the_whole_run_and_per_second_unless_said() {
        let second = Duration::from_secs(1);
        assert_eq!(rate("5000/s"), Ok(Rate { count: 5_000, unit: second }));
        assert_eq!(rate("5k"), Ok(Rate { count: 5_000, unit: second }));
        assert_eq!(rate("300/m"), Ok(Rate { count: 300, unit: second * 60 }));
        assert_eq!(rate("1/500ms"), Ok(Rate { count: 1, unit: second / 2 }));
        assert!(rate("5/0s").is_err() && rate("0/s").is_err() && rate("fast").is_err());
    }

    #[test]
    fn stages_have_a_time_and_a_target_and_both_may_be_zero() {
        let stage_of = |ms, target| Stage { duration: Duration::from_millis(ms), target };
        assert_eq!(stage("30s:1k"), Ok(stage_of(30_000, 1_000)));
        assert_eq!(stage("0s:0"), Ok(stage_of(0, 0)));
        for wrong in ["30s", "30:100", ":", "30s:", "30s:-1", "30s:1:2"] {
            assert!(stage(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn seeds_are_decimal_or_hexadecimal() {
        assert_eq!(seed("42"), Ok(42));
        assert_eq!(seed("0x2a"), Ok(42));
        assert!(seed("a seed").is_err());
    }
}
