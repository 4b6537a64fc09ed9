//! Dates as the API writes and reads them: RFC 3339 in UTC, with milliseconds.
//!
//! The only formats a client sends are its own `Date.toISOString()` and whole milliseconds, so
//! this is not a date library: no zones, no leap seconds, years 1970 to 9999.

use std::fmt;

const MS_PER_DAY: u64 = 86_400_000;
/// 9999-12-31T00:00:00Z, which clients send for "never".
pub(super) const NEVER_MS: u64 = 253_402_214_400_000;

/// A moment, in ms since 1970.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Date(pub(super) u64);

impl fmt::Display for Date {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (days, in_day) = (self.0 / MS_PER_DAY, self.0 % MS_PER_DAY);
        let (year, month, day) = civil_from_days(days);
        let (hour, minute) = (in_day / 3_600_000, in_day / 60_000 % 60);
        let (second, ms) = (in_day / 1_000 % 60, in_day % 1_000);
        write!(out, "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{ms:03}Z")
    }
}

impl serde::Serialize for Date {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// Reads `2024-04-01T00:00:00Z`, with or without fractions of a second.
pub(super) fn parse(text: &str) -> Option<Date> {
    let (date, rest) = text.split_once('T')?;
    let (time, fraction) = match rest.strip_suffix('Z')?.split_once('.') {
        Some((time, fraction)) => (time, fraction),
        None => (rest.strip_suffix('Z')?, "0"),
    };
    let [year, month, day] = numbers(date, '-')?;
    let [hour, minute, second] = numbers(time, ':')?;
    let in_range = (1970..=9999).contains(&year)
        && (1..=12).contains(&month)
        && (1..=31).contains(&day)
        && hour < 24
        && minute < 60
        && second < 60;
    if !in_range || !fraction.bytes().all(|byte| byte.is_ascii_digit()) || !fraction.is_ascii() {
        return None;
    }
    let ms: u64 = format!("{fraction:0<3}")[..3].parse().ok()?;
    let days = days_from_civil(year, month, day);
    Some(Date(days * MS_PER_DAY + hour * 3_600_000 + minute * 60_000 + second * 1_000 + ms))
}

fn numbers(text: &str, separator: char) -> Option<[u64; 3]> {
    let mut parts = text.split(separator).map(|part| part.parse().ok());
    let numbers = [parts.next()??, parts.next()??, parts.next()??];
    parts.next().is_none().then_some(numbers)
}

/// Howard Hinnant's civil_from_days, for days since 1970 that are not negative.
fn civil_from_days(days: u64) -> (u64, u64, u64) {
    let shifted = days + 719_468;
    let era = shifted / 146_097;
    let day_of_era = shifted % 146_097;
    let year_of_era =
        (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    (year_of_era + era * 400 + u64::from(month <= 2), month, day)
}

/// The inverse.
fn days_from_civil(year: u64, month: u64, day: u64) -> u64 {
    let year = if month <= 2 { year - 1 } else { year };
    let (era, year_of_era) = (year / 400, year % 400);
    let shifted_month = if month > 2 { month - 3 } else { month + 9 };
    let day_of_year = (153 * shifted_month + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era * 146_097 + day_of_era - 719_468
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_written_and_read_back() {
        for (ms, text) in [
            (0, "1970-01-01T00:00:00.000Z"),
            (951_782_400_000, "2000-02-29T00:00:00.000Z"),
            (1_711_929_599_999, "2024-03-31T23:59:59.999Z"),
            (NEVER_MS, "9999-12-31T00:00:00.000Z"),
        ] {
            assert_eq!(Date(ms).to_string(), text);
            assert_eq!(parse(text), Some(Date(ms)));
        }
        assert_eq!(parse("2024-04-01T00:00:00Z"), Some(Date(1_711_929_600_000)));
        assert_eq!(parse("2024-04-01T00:00:00.5Z"), Some(Date(1_711_929_600_500)));
    }

    #[test]
    fn every_day_of_four_centuries_comes_back() {
        for day in 0..146_097 {
            let date = Date(day * MS_PER_DAY);
            assert_eq!(parse(&date.to_string()), Some(date));
        }
    }

    #[test]
    fn what_is_no_date_is_refused() {
        for text in ["", "2024-04-01", "2024-13-01T00:00:00Z", "2024-04-01T24:00:00Z", "1-2T3Z"] {
            assert_eq!(parse(text), None, "{text}");
        }
        assert_eq!(parse("2024-04-01T00:00:00.é9Z"), None);
    }
}
