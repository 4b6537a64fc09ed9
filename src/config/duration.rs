//! Durations, pauses and rates as scenarios have them.
//!
//! The syntax of a duration is `units`', that of the command line; here is what differs between
//! the places of a file: k6's load keys take a bare number for milliseconds, pauses may be ranges.

use std::time::Duration;

use tallyho_replay::flow::Delay;

use crate::units;

/// A duration longer than this is a mistake: ten years.
const DURATION_MAX: Duration = Duration::from_secs(10 * 365 * 24 * 3600);

/// Reads a duration with units.
///
/// # Errors
/// What was expected.
pub fn parse_duration(text: &str) -> Result<Duration, String> {
    if text.trim() == "0" {
        return Ok(Duration::ZERO);
    }
    if text.trim().starts_with('-') {
        return Err("must not be negative".into());
    }
    let duration = units::duration(text)?;
    if duration > DURATION_MAX {
        return Err("must be at most ten years".into());
    }
    Ok(duration)
}

/// Reads a duration of a load profile, where k6 takes a bare number for milliseconds.
pub fn parse_load_duration(text: &str) -> Result<Duration, String> {
    match text.trim().parse::<u64>() {
        Ok(milliseconds) if Duration::from_millis(milliseconds) <= DURATION_MAX => {
            Ok(Duration::from_millis(milliseconds))
        }
        Ok(_) => Err("must be at most ten years".into()),
        Err(_) => parse_duration(text),
    }
}

/// Whole microseconds: the resolution of sessions.
pub(super) fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).expect("at most ten years")
}

/// Reads `2s` or `1s..3s`.
pub fn parse_delay(text: &str) -> Result<Delay, String> {
    let Some((first, last)) = text.split_once("..") else {
        return Ok(Delay::Fixed(micros(parse_duration(text)?)));
    };
    let last = last.strip_prefix('=').unwrap_or(last);
    let (first, last) = (micros(parse_duration(first)?), micros(parse_duration(last)?));
    if first > last {
        return Err("must begin with the shorter one".into());
    }
    Ok(Delay::Between(first, last))
}

/// Reads `100`, `100/s`, `6000/m`: a count, and what it is per where the text says so.
pub fn parse_rate(text: &str) -> Result<(u64, Option<Duration>), String> {
    let (count, per) = match text.split_once('/') {
        Some((count, unit)) => {
            let unit = unit.trim();
            let one = if unit.starts_with(|c: char| c.is_ascii_digit()) { "" } else { "1" };
            let per = parse_duration(&format!("{one}{unit}"))?;
            if per.is_zero() {
                return Err("must be per more than no time".into());
            }
            (count, Some(per))
        }
        None => (text, None),
    };
    let count = count.trim().replace('_', "");
    let count = count.parse::<u64>().map_err(|_| {
        "must be a whole number or a rate such as \"100/s\"; for less than 1, say \"30/m\""
            .to_owned()
    })?;
    Ok((count, per))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_as_go_reads_them() {
        let millis = |text| parse_duration(text).map(|d| d.as_nanos());
        assert_eq!(millis("300ms"), Ok(300_000_000));
        assert_eq!(millis("1m30s"), Ok(90_000_000_000));
        assert_eq!(millis("1.5s"), Ok(1_500_000_000));
        assert_eq!(millis("0.1s"), Ok(100_000_000));
        assert_eq!(millis("1d12h"), Ok(129_600_000_000_000));
        assert_eq!(millis("250us"), Ok(250_000));
        assert_eq!(millis("0s"), Ok(0));
        assert_eq!(millis("0"), Ok(0));
    }

    #[test]
    fn a_duration_without_a_unit_is_refused_except_where_k6_takes_milliseconds() {
        assert!(parse_duration("30").is_err());
        assert_eq!(parse_load_duration("1500"), Ok(Duration::from_millis(1500)));
        assert_eq!(parse_load_duration("1m"), Ok(Duration::from_secs(60)));
    }

    #[test]
    fn nonsense_is_not_a_duration() {
        for text in ["", "s", "1x", "-1s", "1.2.3s", ".s", "999999999999d", "1 fortnight", "1s2"] {
            assert!(parse_duration(text).is_err(), "{text}");
        }
    }

    #[test]
    fn pauses_are_a_duration_or_a_range_of_them() {
        assert_eq!(parse_delay("2s"), Ok(Delay::Fixed(2_000_000)));
        assert_eq!(parse_delay("1s..3s"), Ok(Delay::Between(1_000_000, 3_000_000)));
        assert!(parse_delay("3s..1s").is_err());
    }

    #[test]
    fn rates_may_say_what_they_are_per() {
        assert_eq!(parse_rate("100"), Ok((100, None)));
        assert_eq!(parse_rate("100/s"), Ok((100, Some(Duration::from_secs(1)))));
        assert_eq!(parse_rate("6_000/m"), Ok((6000, Some(Duration::from_secs(60)))));
        assert_eq!(parse_rate("5/10s"), Ok((5, Some(Duration::from_secs(10)))));
        assert!(parse_rate("0.5/s").is_err());
    }
}
