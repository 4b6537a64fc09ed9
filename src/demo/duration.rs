//! Durations on the command line: a whole number and a unit, such as `200ms`.

use std::time::Duration;

/// What a duration looks like, for error messages.
pub(super) const SHAPE: &str = "a duration such as 200ms (us, ms, s, m or h)";

/// Reads a duration.
pub(super) fn parse(text: &str) -> Option<Duration> {
    let split = text.find(|letter: char| !letter.is_ascii_digit())?;
    let count: u64 = text[..split].parse().ok()?;
    let unit_us: u64 = match &text[split..] {
        "us" => 1,
        "ms" => 1_000,
        "s" => 1_000_000,
        "m" => 60_000_000,
        "h" => 3_600_000_000,
        _ => return None,
    };
    count.checked_mul(unit_us).map(Duration::from_micros)
}

/// Writes what [`parse`] reads.
pub(super) fn text(duration: Duration) -> String {
    format!("{}us", duration.as_micros())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_whole_numbers_with_a_unit() {
        assert_eq!(parse("200ms"), Some(Duration::from_millis(200)));
        assert_eq!(parse("2h"), Some(Duration::from_secs(7_200)));
        for text in ["", "5", "ms", "1.5s", "-1s", "1 s", "1d", "99999999999999999h"] {
            assert_eq!(parse(text), None, "{text}");
        }
    }

    #[test]
    fn what_is_written_is_read_back() {
        let duration = Duration::from_micros(1_234_567);
        assert_eq!(parse(&text(duration)), Some(duration));
    }
}
