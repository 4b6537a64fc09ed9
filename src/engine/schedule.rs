//! When each arrival is due.
//!
//! Due times are computed in closed form from the arrival's number, never by adding up delays, so
//! an hour-long run does not drift and a replay can recompute any arrival.
//! Knows nothing of clocks: see worker.rs.

use std::fmt;
use std::time::Duration;

use super::clock::{Micros, micros};

/// So many starts in so much time, as in k6's `rate` and `timeUnit`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// Starts per `unit`.
    pub count: u64,
    /// The time that `count` starts are spread over evenly.
    pub unit: Duration,
}

impl Rate {
    /// Starts per second, for display.
    #[must_use]
    #[allow(clippy::cast_precision_loss, reason = "for people; rates are far below 2^52")]
    pub fn per_second(self) -> f64 {
        self.count as f64 / self.unit.as_secs_f64()
    }
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.unit {
            unit if unit == Duration::from_secs(1) => write!(f, "{}/s", self.count),
            unit if unit == Duration::from_secs(60) => write!(f, "{}/m", self.count),
            unit => write!(f, "{} every {unit:?}", self.count),
        }
    }
}

/// Evenly spaced arrivals: number `i` is due at `i * unit / rate`, for every such instant before
/// the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Arrivals {
    rate: Rate,
    /// How many arrivals there are in all.
    pub(super) count: u64,
}

impl Arrivals {
    /// Arrivals at a constant rate for `duration`, but at most `limit` of them.
    pub(super) fn constant(rate: Rate, duration: Duration, limit: Option<u64>) -> Self {
        let (duration, unit) = (duration.as_micros(), rate.unit.as_micros());
        let area = (duration * u128::from(rate.count)).div_ceil(unit);
        let count = u64::try_from(area).unwrap_or(u64::MAX);
        Self { rate, count: limit.map_or(count, |limit| count.min(limit)) }
    }

    /// How many arrivals are due at `now` or before.
    pub(super) fn due_by(&self, now: Micros) -> u64 {
        // floor(i * unit / rate) <= now  <=>  i * unit < (now + 1) * rate
        let rate = u128::from(self.rate.count);
        let passed = ((u128::from(now) + 1) * rate).div_ceil(self.rate.unit.as_micros());
        u64::try_from(passed).unwrap_or(u64::MAX).min(self.count)
    }

    /// When arrival `index` is due, rounded down to a whole microsecond.
    pub(super) fn due(&self, index: u64) -> Micros {
        let at = u128::from(index) * self.rate.unit.as_micros() / u128::from(self.rate.count);
        Micros::try_from(at).unwrap_or(Micros::MAX)
    }
}

/// The load profile of a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Profile {
    /// A fixed number of bots, each starting its next session when one ends, for a time (k6:
    /// constant-vus).
    ConstantVus {
        /// How many bots.
        vus: u64,
        /// For how long sessions start.
        duration: Duration,
    },
    /// A fixed number of sessions, shared by a fixed number of bots (k6: shared-iterations).
    SharedIterations {
        /// How many bots.
        vus: u64,
        /// How many sessions in all.
        iterations: u64,
        /// After this time no more sessions start.
        max_duration: Duration,
    },
    /// Sessions start at a fixed rate, whether or not earlier ones have ended (k6:
    /// constant-arrival-rate).
    ConstantArrivalRate {
        /// How many sessions start in how much time.
        rate: Rate,
        /// For how long sessions start.
        duration: Duration,
        /// An end by number that may come before the end by time.
        iterations: Option<u64>,
        /// How many bots, so how many sessions at once.
        vus: u64,
    },
}

impl fmt::Display for Profile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ConstantVus { vus, duration } => write!(f, "{vus} bots for {duration:?}"),
            Self::SharedIterations { vus, iterations, max_duration } => {
                write!(f, "{iterations} sessions shared by {vus} bots, within {max_duration:?}")
            }
            Self::ConstantArrivalRate { rate, duration, iterations, vus } => {
                write!(f, "{rate} for {duration:?}, up to {vus} at once")?;
                iterations.map_or(Ok(()), |iterations| write!(f, ", {iterations} sessions in all"))
            }
        }
    }
}

impl Profile {
    /// The most bots that ever run at once.
    #[must_use]
    pub fn vus(&self) -> u64 {
        match self {
            Self::ConstantVus { vus, .. }
            | Self::SharedIterations { vus, .. }
            | Self::ConstantArrivalRate { vus, .. } => *vus,
        }
    }

    /// For how long sessions start, at most.
    #[must_use]
    pub fn duration(&self) -> Duration {
        match self {
            Self::ConstantVus { duration, .. } | Self::ConstantArrivalRate { duration, .. } => {
                *duration
            }
            Self::SharedIterations { max_duration, .. } => *max_duration,
        }
    }

    /// How many sessions are due in all, where that is fixed.
    pub(super) fn arrivals(&self) -> Option<Arrivals> {
        match self {
            Self::ConstantArrivalRate { rate, duration, iterations, .. } => {
                Some(Arrivals::constant(*rate, *duration, *iterations))
            }
            _ => None,
        }
    }

    pub(super) fn duration_us(&self) -> Micros {
        micros(self.duration())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn per_second(count: u64) -> Rate {
        Rate { count, unit: Duration::from_secs(1) }
    }

    #[test]
    fn as_many_arrivals_are_due_as_the_area_of_the_profile_says() {
        let thirty = Duration::from_secs(30);
        assert_eq!(Arrivals::constant(per_second(5_000), thirty, None).count, 150_000);
        assert_eq!(Arrivals::constant(per_second(5_000), thirty, Some(10)).count, 10);
        // 7 in 2 s are due at 0, 285714, 571428 and 857142 µs of the first second.
        let seven = Rate { count: 7, unit: Duration::from_secs(2) };
        assert_eq!(Arrivals::constant(seven, Duration::from_secs(1), None).count, 4);
    }

    #[test]
    fn every_arrival_is_due_before_the_end_and_the_next_one_would_not_be() {
        for count in [1, 3, 7, 999, 1_000, 33_333, 1_000_001] {
            let rate = per_second(count);
            let duration = Duration::from_millis(1_234);
            let arrivals = Arrivals::constant(rate, duration, None);
            assert!(arrivals.due(arrivals.count - 1) < micros(duration), "rate {count}");
            assert!(arrivals.due(arrivals.count) >= micros(duration), "rate {count}");
        }
    }

    #[test]
    fn arrivals_due_by_an_instant_are_those_whose_due_time_has_come() {
        for count in [1, 3, 7, 999, 33_333, 1_000_001] {
            let arrivals = Arrivals::constant(per_second(count), Duration::from_millis(50), None);
            for now in [0, 1, 999, 1_000, 1_001, 25_000, 49_999, 50_000, 60_000] {
                let counted = (0..arrivals.count).filter(|&i| arrivals.due(i) <= now).count();
                assert_eq!(arrivals.due_by(now), counted as u64, "rate {count} at {now}");
            }
        }
    }

    #[test]
    fn an_hour_of_arrivals_does_not_drift() {
        let arrivals = Arrivals::constant(per_second(3), Duration::from_secs(3_600), None);
        assert_eq!(arrivals.due(3 * 3_599), 3_599_000_000);
        assert!((1..arrivals.count).all(|index| arrivals.due(index) > arrivals.due(index - 1)));
    }
}
