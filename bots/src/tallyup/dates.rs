//! Dates as the API writes them, in milliseconds since 1970, by integers only.

use std::fmt;

const DAY_MS: u64 = 86_400_000;
/// The last day of the year 9999: when an event ends that never does.
pub(super) const NEVER_MS: u64 = 253_402_214_400_000;

/// A date, written as `2024-04-01T00:00:00.000Z`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Date(pub(super) u64);

impl fmt::Display for Date {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (year, month, day) = civil(self.0 / DAY_MS);
        let ms = self.0 % DAY_MS;
        let (hour, minute) = (ms / 3_600_000, ms / 60_000 % 60);
        let (second, ms) = (ms / 1_000 % 60, ms % 1_000);
        write!(f, "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{ms:03}Z")
    }
}

/// Reads `2024-04-01T00:00:00.000Z`: UTC, with or without a fraction, or an offset `+01:00`.
pub(super) fn parse(text: &str) -> Option<Date> {
    let number = |from: usize, to: usize| -> Option<u64> {
        let digits = text.get(from..to)?;
        digits.bytes().all(|byte| byte.is_ascii_digit()).then(|| digits.parse().ok())?
    };
    let is_shaped = [(4, b'-'), (7, b'-'), (10, b'T'), (13, b':'), (16, b':')];
    if !is_shaped.iter().all(|(at, byte)| text.as_bytes().get(*at) == Some(byte)) {
        return None;
    }
    let (year, month, day) = (number(0, 4)?, number(5, 7)?, number(8, 10)?);
    let (hour, minute, second) = (number(11, 13)?, number(14, 16)?, number(17, 19)?);
    if !(1..=12).contains(&month) || !(1..=31).contains(&day) || year < 1970 {
        return None;
    }
    let (fraction_ms, zone) = fraction(text.get(19..)?)?;
    let seconds = hour * 3_600 + minute * 60 + second;
    let local_ms = days(year, month, day) * DAY_MS + seconds * 1_000 + fraction_ms;
    local_ms.checked_add_signed(-offset_ms(zone)?).map(Date)
}

/// The fraction in milliseconds, and what is behind it.
fn fraction(text: &str) -> Option<(u64, &str)> {
    let Some(rest) = text.strip_prefix('.') else { return Some((0, text)) };
    let end = rest.bytes().position(|byte| !byte.is_ascii_digit())?;
    let digits = format!("{:0<3}", &rest[..end]);
    Some((digits.get(..3)?.parse().ok()?, &rest[end..]))
}

fn offset_ms(zone: &str) -> Option<i64> {
    let (sign, rest) = match zone.as_bytes().first()? {
        b'Z' if zone.len() == 1 => return Some(0),
        b'+' => (1, &zone[1..]),
        b'-' => (-1, &zone[1..]),
        _ => return None,
    };
    let (hours, minutes) = rest.split_once(':')?;
    let minutes = hours.parse::<i64>().ok()? * 60 + minutes.parse::<i64>().ok()?;
    Some(sign * minutes * 60_000)
}

/// Days since 1970 (Howard Hinnant's algorithm: years begin in March, so that the leap day is
/// their last).
const fn days(year: u64, month: u64, day: u64) -> u64 {
    let year = if month <= 2 { year - 1 } else { year };
    let (era, of_era) = (year / 400, year % 400);
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
}

/// Year, month and day of a number of days since 1970.
const fn civil(days: u64) -> (u64, u64, u64) {
    let days = days + 719_468;
    let (era, of_era) = (days / 146_097, days % 146_097);
    let year = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    (era * 400 + year + if month <= 2 { 1 } else { 0 }, month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_day_is_read_back_as_it_was_written() {
        for day in (0..NEVER_MS / DAY_MS).step_by(97) {
            let date = Date(day * DAY_MS + 43_200_123);
            assert_eq!(parse(&date.to_string()), Some(date), "{date}");
        }
    }

    #[test]
    fn known_dates_have_known_numbers() {
        assert_eq!(Date(1_711_929_600_000).to_string(), "2024-04-01T00:00:00.000Z");
        assert_eq!(Date(NEVER_MS).to_string(), "9999-12-31T00:00:00.000Z");
        assert_eq!(parse("2024-02-29T12:00:00Z"), Some(Date(1_709_208_000_000)));
        assert_eq!(parse("2024-02-29T13:00:00.5+01:00"), Some(Date(1_709_208_000_500)));
        for wrong in ["", "2024", "2024-13-01T00:00:00Z", "2024-02-29 12:00:00Z", "never"] {
            assert_eq!(parse(wrong), None, "{wrong}");
        }
    }
}
