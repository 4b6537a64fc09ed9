//! What goes wrong on purpose: statuses, resets, slow answers, broken JSON.
//!
//! A fault is a draw keyed by (seed, ordinal of the request), so a run with the same seed meets
//! the same faults at the same requests. The kinds draw independently of one another; where
//! several hit one request the order is reset, status, broken JSON, and slow goes with any.

use std::{fmt, str::FromStr, time::Duration};

use crate::demo::{
    draws::{self, Site},
    duration,
};

const BILLION: u64 = 1_000_000_000;
/// Slower than any client waits (k6's default timeout is 60 s); beyond it is a typing error.
const SLOW_MAX: Duration = Duration::from_secs(600);

/// A share of all requests, in parts per billion: whole numbers, so that draws are exact.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ratio(u32);

impl Ratio {
    /// Parts per billion.
    pub const fn per_billion(self) -> u32 {
        self.0
    }

    fn hits(self, bits: u64) -> bool {
        draws::below(bits, BILLION) < u64::from(self.0)
    }
}

/// How often each kind of fault strikes. The default is never.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Faults {
    /// Answered with status 503 instead of being carried out.
    pub status: Ratio,
    /// Carried out, then the connection is reset instead of an answer.
    pub reset: Ratio,
    /// Answered late by [`Faults::slow_by`].
    pub slow: Ratio,
    /// How late a slow answer is.
    pub slow_by: Duration,
    /// Answered with the first half of the JSON body only, under a right `Content-Length`.
    pub bad_json: Ratio,
    /// A bug to be hunted: how long after an event's prize was claimed it can be claimed again.
    pub prize_race: Duration,
}

/// What one request meets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Fate {
    pub(super) fault: Option<Fault>,
    pub(super) slow: bool,
}

/// The faults of which a request meets one at most.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    Reset,
    Status,
    BadJson,
}

impl Fate {
    /// No fault.
    pub(super) const NONE: Self = Self { fault: None, slow: false };
}

impl Faults {
    /// Parses a list such as `status=0.1%,reset=0.05%,slow=1%:200ms,badjson=0.05%`.
    ///
    /// # Errors
    /// A message that says which entry is wrong and what was expected, for the command line.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut faults = Self::default();
        let mut seen: Vec<&str> = Vec::new();
        for entry in text.split(',').map(str::trim) {
            if entry.is_empty() && text.trim().is_empty() {
                continue;
            }
            let (kind, value) = entry
                .split_once('=')
                .ok_or_else(|| format!("`{entry}` has no `=`: expected for example `{EXAMPLE}`"))?;
            if seen.contains(&kind) {
                return Err(format!("`{kind}` is given twice: expected each kind once"));
            }
            seen.push(kind);
            match kind {
                "status" => faults.status = ratio(kind, value)?,
                "reset" => faults.reset = ratio(kind, value)?,
                "badjson" => faults.bad_json = ratio(kind, value)?,
                "prizerace" => faults.prize_race = length(kind, value)?,
                "slow" => (faults.slow, faults.slow_by) = slow(value)?,
                _ => {
                    return Err(format!(
                        "`{kind}` is no kind of fault: expected status, reset, slow, badjson or \
                         prizerace"
                    ));
                }
            }
        }
        Ok(faults)
    }

    /// What request number `ordinal` meets.
    pub(super) fn fate(&self, seed: u64, ordinal: u64) -> Fate {
        // A kind that never strikes draws nothing: without faults a request costs nothing.
        let strikes =
            |ratio: Ratio, site: Site| ratio.0 > 0 && ratio.hits(draws::bits(seed, site, ordinal));
        let fault = if strikes(self.reset, Site::FaultReset) {
            Some(Fault::Reset)
        } else if strikes(self.status, Site::FaultStatus) {
            Some(Fault::Status)
        } else if strikes(self.bad_json, Site::FaultBadJson) {
            Some(Fault::BadJson)
        } else {
            None
        };
        Fate { fault, slow: strikes(self.slow, Site::FaultSlow) }
    }

    /// [`Faults::slow_by`] in µs.
    pub(super) fn slow_by_us(&self) -> u64 {
        u64::try_from(self.slow_by.as_micros()).expect("parsing limits it to ten minutes")
    }
}

impl FromStr for Faults {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Self::parse(text)
    }
}

/// Writes what [`Faults::parse`] reads: a parent hands its faults to a child as an argument.
impl fmt::Display for Faults {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut separator = "";
        for (kind, ratio) in [
            ("status", self.status),
            ("reset", self.reset),
            ("slow", self.slow),
            ("badjson", self.bad_json),
        ] {
            if ratio.0 == 0 {
                continue;
            }
            let (whole, fraction) = (ratio.0 / 10_000_000, ratio.0 % 10_000_000);
            write!(out, "{separator}{kind}={whole}.{fraction:07}%")?;
            if kind == "slow" {
                write!(out, ":{}", duration::text(self.slow_by))?;
            }
            separator = ",";
        }
        if !self.prize_race.is_zero() {
            write!(out, "{separator}prizerace={}", duration::text(self.prize_race))?;
        }
        Ok(())
    }
}

const EXAMPLE: &str = "status=0.1%";

fn ratio(kind: &str, text: &str) -> Result<Ratio, String> {
    let wrong = |expected: &str| format!("`{kind}={text}`: expected {expected}");
    let shape = "a percentage such as 0.1%";
    let number = text.trim().strip_suffix('%').ok_or_else(|| wrong(shape))?;
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    let digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    if whole.is_empty() || !digits(whole) || !digits(fraction) || number.ends_with('.') {
        return Err(wrong(shape));
    }
    // One percent is 10^7 parts per billion: seven decimals and no more.
    if fraction.len() > 7 {
        return Err(wrong("at most seven decimals"));
    }
    let limits = "between 0% and 100%";
    let whole: u64 = whole.parse().map_err(|_| wrong(limits))?;
    let fraction: u64 = format!("{fraction:0<7}").parse().map_err(|_| wrong(shape))?;
    let parts = whole.saturating_mul(10_000_000).saturating_add(fraction);
    match u32::try_from(parts) {
        Ok(parts) if u64::from(parts) <= BILLION => Ok(Ratio(parts)),
        _ => Err(wrong(limits)),
    }
}

fn length(kind: &str, text: &str) -> Result<Duration, String> {
    let wrong = |expected: &str| format!("`{kind}={text}`: expected {expected}");
    let length = duration::parse(text).ok_or_else(|| wrong(duration::SHAPE))?;
    if length > SLOW_MAX { Err(wrong("a duration of at most 600s")) } else { Ok(length) }
}

fn slow(text: &str) -> Result<(Ratio, Duration), String> {
    let wrong = |expected: &str| format!("`slow={text}`: expected {expected}");
    let (share, by) = text
        .split_once(':')
        .ok_or_else(|| wrong("a percentage and a duration, such as 1%:200ms"))?;
    let by = duration::parse(by).ok_or_else(|| wrong(duration::SHAPE))?;
    if by > SLOW_MAX {
        return Err(wrong("a duration of at most 600s"));
    }
    Ok((ratio("slow", share)?, by))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_is_parsed() {
        let faults = Faults::parse("status=0.1%,reset=0.05%,slow=1%:200ms,badjson=100%").unwrap();
        assert_eq!(faults.status.per_billion(), 1_000_000);
        assert_eq!(faults.reset.per_billion(), 500_000);
        assert_eq!(faults.slow.per_billion(), 10_000_000);
        assert_eq!(faults.slow_by, Duration::from_millis(200));
        assert_eq!(faults.bad_json.per_billion(), 1_000_000_000);
        assert_eq!(Faults::parse(""), Ok(Faults::default()));
    }

    #[test]
    fn what_is_written_is_read_back() {
        for text in
            ["", "status=0.1%", "slow=33.3333333%:1500us,badjson=2%", "reset=100%,prizerace=5s"]
        {
            let faults = Faults::parse(text).unwrap();
            assert_eq!(Faults::parse(&faults.to_string()), Ok(faults), "{text}");
        }
    }

    #[test]
    fn a_wrong_list_says_where_and_what_was_expected() {
        for (text, message) in [
            ("status", "`status` has no `=`: expected for example `status=0.1%`"),
            ("status=1%,", "`` has no `=`: expected for example `status=0.1%`"),
            (
                "staus=1%",
                "`staus` is no kind of fault: expected status, reset, slow, badjson or prizerace",
            ),
            ("status=1", "`status=1`: expected a percentage such as 0.1%"),
            ("status=.1%", "`status=.1%`: expected a percentage such as 0.1%"),
            ("status=1.%", "`status=1.%`: expected a percentage such as 0.1%"),
            ("status=-1%", "`status=-1%`: expected a percentage such as 0.1%"),
            ("status=100.1%", "`status=100.1%`: expected between 0% and 100%"),
            ("status=1%,status=2%", "`status` is given twice: expected each kind once"),
            ("reset=0.00000001%", "`reset=0.00000001%`: expected at most seven decimals"),
            ("slow=1%", "`slow=1%`: expected a percentage and a duration, such as 1%:200ms"),
            ("slow=1%:5", "`slow=1%:5`: expected a duration such as 200ms (us, ms, s, m or h)"),
            (
                "prizerace=1%",
                "`prizerace=1%`: expected a duration such as 200ms (us, ms, s, m or h)",
            ),
            ("slow=1%:601s", "`slow=1%:601s`: expected a duration of at most 600s"),
        ] {
            assert_eq!(Faults::parse(text), Err(message.to_owned()), "{text}");
        }
    }

    #[test]
    fn faults_strike_as_often_as_asked_and_at_the_same_requests_for_the_same_seed() {
        let faults = Faults::parse("status=1%,reset=0.5%,slow=2%:1ms,badjson=1%").unwrap();
        let requests = 100_000_u64;
        for seed in 0..8 {
            let fates: Vec<Fate> = (0..requests).map(|n| faults.fate(seed, n)).collect();
            let again: Vec<Fate> = (0..requests).map(|n| faults.fate(seed, n)).collect();
            assert_eq!(fates, again, "rerun with SEED={seed}");
            let count =
                |what: &dyn Fn(&Fate) -> bool| fates.iter().filter(|fate| what(fate)).count();
            for (name, count, expected) in [
                ("reset", count(&|fate| fate.fault == Some(Fault::Reset)), 500.0),
                // Hidden where a kind that goes before it strikes too.
                ("status", count(&|fate| fate.fault == Some(Fault::Status)), 1_000.0 * 0.995),
                ("badjson", count(&|fate| fate.fault == Some(Fault::BadJson)), 985.0),
                ("slow", count(&|fate| fate.slow), 2_000.0),
            ] {
                // Binomial: the variance is below the mean. Five standard deviations.
                let bound = 5.0 * f64::sqrt(expected);
                let difference = (f64::from(u32::try_from(count).unwrap()) - expected).abs();
                assert!(difference < bound, "{name}: {count}, rerun with SEED={seed}");
            }
        }
        assert_ne!(faults.fate(1, 0), Fate { fault: Some(Fault::Reset), slow: true });
        assert_eq!(Faults::default().fate(1, 0), Fate::NONE);
    }
}
