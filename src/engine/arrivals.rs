//! When each arrival of an open model is due.
//!
//! An arrival is due when the area under the rate has grown to its number, computed in closed form
//! from that number, never by adding up delays: an hour-long ramp does not drift, and any arrival
//! can be computed without the others. At a constant rate the first is due at once (k6:
//! constant-arrival-rate); on a ramp when the area has reached one (k6: ramping-arrival-rate).
//! Knows nothing of clocks: see worker.rs.

use std::time::Duration;

use super::clock::{Micros, micros};
use super::schedule::{Rate, Stage};

/// The arrivals of one load, numbered from 0.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Arrivals {
    shape: Shape,
    /// How many arrivals there are in all.
    pub(super) count: u64,
}

#[derive(Clone, Debug, PartialEq)]
enum Shape {
    /// Number `i` is due at `i * unit / rate`.
    Constant(Rate),
    /// Number `i` is due when the area reaches `i + 1`.
    Ramps(Vec<Ramp>),
}

/// A stretch in which the rate changes linearly; rates are arrivals per µs.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Ramp {
    start: Micros,
    length: Micros,
    from: f64,
    to: f64,
    /// Area before the stretch.
    before: f64,
    /// Area of the stretch.
    area: f64,
}

impl Arrivals {
    /// Arrivals at a constant rate for `duration`, but at most `limit` of them.
    pub(super) fn constant(rate: Rate, duration: Duration, limit: Option<u64>) -> Self {
        let (duration, unit) = (duration.as_micros(), rate.unit.as_micros());
        let area = (duration * u128::from(rate.count)).div_ceil(unit);
        let count = u64::try_from(area).unwrap_or(u64::MAX);
        let count = limit.map_or(count, |limit| count.min(limit));
        Self { shape: Shape::Constant(rate), count }
    }

    /// Arrivals at a rate that goes from one stage's target to the next, linearly.
    #[allow(clippy::cast_precision_loss, reason = "rates and times are far below 2^52")]
    pub(super) fn ramping(start_rate: u64, unit: Duration, stages: &[Stage]) -> Self {
        let per_us = |rate: u64| rate as f64 / unit.as_micros() as f64;
        let mut ramps = Vec::with_capacity(stages.len());
        let (mut start, mut from, mut before) = (0, per_us(start_rate), 0.0);
        for stage in stages {
            let (length, to) = (micros(stage.duration), per_us(stage.target));
            let area = f64::midpoint(from, to) * length as f64;
            ramps.push(Ramp { start, length, from, to, before, area });
            (start, from, before) = (start + length, to, before + area);
        }
        let mut arrivals = Self { shape: Shape::Ramps(ramps), count: u64::MAX };
        arrivals.count = arrivals.due_by(start.saturating_sub(1));
        arrivals
    }

    /// When arrival `index` is due, rounded down to a whole microsecond.
    #[allow(clippy::cast_precision_loss, reason = "counts are far below 2^52")]
    pub(super) fn due(&self, index: u64) -> Micros {
        match &self.shape {
            Shape::Constant(rate) => {
                let at = u128::from(index) * rate.unit.as_micros() / u128::from(rate.count);
                Micros::try_from(at).unwrap_or(Micros::MAX)
            }
            Shape::Ramps(ramps) => {
                let area = index as f64 + 1.0;
                let reached = ramps.partition_point(|ramp| ramp.before + ramp.area < area);
                ramps.get(reached).map_or(Micros::MAX, |ramp| ramp.reaches(area - ramp.before))
            }
        }
    }

    /// How many arrivals are due at `now` or before.
    pub(super) fn due_by(&self, now: Micros) -> u64 {
        let passed = match &self.shape {
            Shape::Constant(rate) => {
                // floor(i * unit / rate) <= now  <=>  i * unit < (now + 1) * rate
                let passed = (u128::from(now) + 1) * u128::from(rate.count);
                u64::try_from(passed.div_ceil(rate.unit.as_micros())).unwrap_or(u64::MAX)
            }
            Shape::Ramps(ramps) => self.settle(area_at(ramps, now), now),
        };
        passed.min(self.count)
    }

    /// The area is a float, so it may be one arrival off what [`Self::due`] says, which decides.
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "areas are counts")]
    fn settle(&self, area: f64, now: Micros) -> u64 {
        let mut passed = area as u64;
        while passed > 0 && self.due(passed - 1) > now {
            passed -= 1;
        }
        while passed < self.count && self.due(passed) <= now {
            passed += 1;
        }
        passed
    }
}

impl Ramp {
    /// When the area of this stretch has grown to `area`: the root of
    /// `from * t + (to - from) / (2 * length) * t^2 = area`, in the form that is stable for rising,
    /// falling and constant rates.
    #[allow(clippy::cast_precision_loss, reason = "times are far below 2^52")]
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a time in the run")]
    fn reaches(&self, area: f64) -> Micros {
        let slope = (self.to - self.from) / self.length as f64;
        let root = (self.from * self.from + 2.0 * slope * area).max(0.0).sqrt();
        let offset = 2.0 * area / (self.from + root);
        self.start + (offset as Micros).min(self.length)
    }
}

#[allow(clippy::cast_precision_loss, reason = "times are far below 2^52")]
fn area_at(ramps: &[Ramp], now: Micros) -> f64 {
    let reached = ramps.partition_point(|ramp| ramp.start + ramp.length <= now);
    let Some(ramp) = ramps.get(reached) else {
        return ramps.last().map_or(0.0, |ramp| ramp.before + ramp.area);
    };
    let offset = (now - ramp.start) as f64;
    let slope = (ramp.to - ramp.from) / ramp.length as f64;
    ramp.before + offset * (ramp.from + slope * offset / 2.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn per_second(count: u64) -> Rate {
        Rate { count, unit: Duration::from_secs(1) }
    }

    fn stage(milliseconds: u64, target: u64) -> Stage {
        Stage { duration: Duration::from_millis(milliseconds), target }
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
            let duration = Duration::from_millis(1_234);
            let arrivals = Arrivals::constant(per_second(count), duration, None);
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

    /// Adds the area up microsecond by microsecond, in twice the units of `rate * µs / length`.
    fn brute_force(start_rate: u64, unit: Duration, stages: &[Stage]) -> Vec<Micros> {
        let (mut due, mut area, mut from, mut now) = (Vec::new(), 0.0_f64, start_rate as f64, 0);
        let unit = unit.as_micros() as f64;
        for stage in stages {
            let length = micros(stage.duration);
            let to = stage.target as f64;
            for t in 0..length {
                // The rate in the middle of the microsecond times its length is its exact area.
                let middle = from + (to - from) * (t as f64 + 0.5) / length as f64;
                area += middle / unit;
                now += 1;
                while area >= (due.len() + 1) as f64 {
                    due.push(now);
                }
            }
            from = to;
        }
        due
    }

    #[test]
    fn ramps_agree_with_adding_up_every_microsecond() {
        let unit = Duration::from_secs(1);
        for (start, stages) in [
            (0, vec![stage(400, 900)]),
            (900, vec![stage(400, 0)]),
            (300, vec![stage(100, 300), stage(0, 2_000), stage(100, 2_000), stage(150, 10)]),
            (7, vec![stage(1_000, 11), stage(300, 0), stage(200, 0), stage(500, 40)]),
        ] {
            let (arrivals, slow) =
                (Arrivals::ramping(start, unit, &stages), brute_force(start, unit, &stages));
            assert!(arrivals.count.abs_diff(slow.len() as u64) <= 1, "{stages:?}");
            for (index, &expected) in slow.iter().enumerate().take(arrivals.count as usize) {
                let due = arrivals.due(index as u64);
                assert!(
                    due.abs_diff(expected) <= 2,
                    "{stages:?}: {index} at {due}, not {expected}"
                );
            }
        }
    }

    #[test]
    fn due_times_of_a_ramp_never_go_back_and_count_as_due_when_they_have_come() {
        let stages = [stage(3_000, 70_000), stage(0, 10), stage(2_000, 0), stage(1_000, 5_000)];
        let arrivals = Arrivals::ramping(0, Duration::from_secs(1), &stages);
        assert!((1..arrivals.count).all(|i| arrivals.due(i) >= arrivals.due(i - 1)));
        for now in (0..6_000_000).step_by(1_237) {
            let due = arrivals.due_by(now);
            assert!(due == 0 || arrivals.due(due - 1) <= now, "at {now}");
            assert!(due == arrivals.count || arrivals.due(due) > now, "at {now}");
        }
    }
}
