//! When each arrival of an open model is due.
//!
//! An arrival is due when the area under the rate has grown to its number: the first whole
//! microsecond at which it has, found in closed form from that number and never by adding up
//! delays. So an hour-long ramp does not drift, and any arrival can be computed without the others.
//! At a constant rate the first is due at once (k6: constant-arrival-rate); on a ramp when the area
//! has reached one (k6: ramping-arrival-rate).
//!
//! Poisson arrivals are due when the area has grown to a sum of exponential draws with mean one,
//! each keyed by (run seed, scenario, number of the arrival): every worker walks the same sums and
//! takes its own, so arrivals do not depend on how many workers or tasks share them.
//!
//! Areas are exact integers. Knows nothing of clocks: see worker.rs.

use std::cell::Cell;
use std::time::Duration;

use tallyho_replay::{SessionKey, site};

use super::clock::{Micros, micros};
use super::schedule::{Rate, Stage};

/// The arrivals of one load, numbered from 0.
#[derive(Clone, Debug)]
pub(super) struct Arrivals {
    rates: Rates,
    order: Order,
    /// No arrival has this number or a higher one. With even spacing all lower ones exist.
    pub(super) numbers: u64,
}

#[derive(Clone, Debug)]
enum Order {
    /// Number `i` is due when the area has reached `i + first`.
    Even {
        first: u64,
    },
    Poisson(Walk),
}

/// What Poisson draws are keyed by, besides the number of the arrival.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Key {
    pub(super) seed: u64,
    pub(super) scenario: u64,
    pub(super) task_index: u32,
}

impl Arrivals {
    /// Arrivals at a constant rate for `duration`, but at most `limit` of them.
    pub(super) fn constant(rate: Rate, duration: Duration, limit: Option<u64>) -> Self {
        let stage = Stage { duration, target: rate.count };
        let rates = Rates::new(rate.count, rate.unit, &[stage]);
        let count = count(rates.twice_area().div_ceil(rates.twice_unit));
        let numbers = limit.map_or(count, |limit| count.min(limit));
        Self { rates, order: Order::Even { first: 0 }, numbers }
    }

    /// Arrivals at a rate that goes from one stage's target to the next, linearly.
    pub(super) fn ramping(start_rate: u64, unit: Duration, stages: &[Stage]) -> Self {
        let rates = Rates::new(start_rate, unit, stages);
        let numbers = count(rates.twice_area() / rates.twice_unit);
        Self { rates, order: Order::Even { first: 1 }, numbers }
    }

    /// The same rates with Poisson arrivals.
    ///
    /// Their number is a matter of chance, so numbers are set aside for the mean and eight standard
    /// deviations: once in 10^15 runs the last arrivals would be left out.
    pub(super) fn at_random(self, key: Key, limit: Option<u64>) -> Self {
        let mean = count(self.rates.twice_area() / self.rates.twice_unit);
        let numbers = mean + 8 * mean.isqrt() + 64;
        let numbers = limit.map_or(numbers, |limit| numbers.min(limit));
        let first_number = u64::from(key.task_index) * numbers;
        Self { order: Order::Poisson(Walk::new(key, first_number)), numbers, ..self }
    }

    /// When arrival `index` is due; none when there is no such arrival.
    pub(super) fn due(&self, index: u64) -> Option<Micros> {
        if index >= self.numbers {
            return None;
        }
        let area = match &self.order {
            Order::Even { first } => u128::from(index + first) << AREA_BITS,
            Order::Poisson(walk) => walk.area_of(index),
        };
        self.rates.reach(area)
    }

    /// How many arrivals are due at `now` or before.
    pub(super) fn due_by(&self, now: Micros) -> u64 {
        match &self.order {
            Order::Even { first } => (self.rates.area_at(now) + 1 - first).min(self.numbers),
            Order::Poisson(walk) => walk.count_while(|index, area| {
                index < self.numbers && self.rates.reach(area).is_some_and(|due| due <= now)
            }),
        }
    }
}

/// Areas are counted in 2^-20 arrivals where they need not be whole.
const AREA_BITS: u32 = 20;

fn count(arrivals: u128) -> u64 {
    u64::try_from(arrivals).expect("a checked profile has few arrivals")
}

/// The rate over time. An area is multiplied by twice the unit of the rate, which makes the area
/// under a whole stage an integer.
#[derive(Clone, Debug)]
struct Rates {
    ramps: Vec<Ramp>,
    twice_unit: u128,
}

/// A stretch in which the rate changes linearly; never of no length.
#[derive(Clone, Copy, Debug)]
struct Ramp {
    start: Micros,
    length: Micros,
    from: u64,
    to: u64,
    /// Twice the area before the stretch, and at its end.
    before: u128,
    after: u128,
}

impl Rates {
    fn new(start_rate: u64, unit: Duration, stages: &[Stage]) -> Self {
        let (mut start, mut from, mut before) = (0, start_rate, 0);
        let mut ramps = Vec::with_capacity(stages.len());
        for stage in stages {
            let (length, to) = (micros(stage.duration), stage.target);
            let after = before + u128::from(length) * u128::from(from + to);
            if length > 0 {
                ramps.push(Ramp { start, length, from, to, before, after });
            }
            (start, from, before) = (start + length, to, after);
        }
        Self { ramps, twice_unit: 2 * unit.as_micros() }
    }

    fn twice_area(&self) -> u128 {
        self.ramps.last().map_or(0, |ramp| ramp.after)
    }

    /// The first microsecond by which the area has grown to `area`; none if it never does.
    fn reach(&self, area: u128) -> Option<Micros> {
        let whole = area >> AREA_BITS;
        let part = area & ((1 << AREA_BITS) - 1);
        // Rounded up, times the length of a stretch, as the comparison is of integers.
        let twice = |length: u128| {
            let unit = self.twice_unit * length;
            whole * unit + (part * unit).div_ceil(1 << AREA_BITS)
        };
        let index = self.ramps.partition_point(|ramp| ramp.after < twice(1));
        self.ramps.get(index).map(|ramp| ramp.reach(twice(u128::from(ramp.length))))
    }

    /// The area up to `now`, in whole arrivals.
    fn area_at(&self, now: Micros) -> u64 {
        let index = self.ramps.partition_point(|ramp| ramp.start + ramp.length <= now);
        count(match self.ramps.get(index) {
            None => self.twice_area() / self.twice_unit,
            Some(ramp) => ramp.area(now - ramp.start) / u128::from(ramp.length) / self.twice_unit,
        })
    }
}

impl Ramp {
    /// Twice the area from the start of the run until `offset` into this stretch, times its length.
    fn area(&self, offset: Micros) -> u128 {
        let (length, from, to) =
            (u128::from(self.length), u128::from(self.from), u128::from(self.to));
        let offset = u128::from(offset);
        let even = self.before * length + 2 * length * from * offset;
        if to >= from {
            even + (to - from) * offset * offset
        } else {
            even - (from - to) * offset * offset
        }
    }

    /// The first microsecond at which [`Self::area`] is `wanted`. A float gives the place, integers
    /// the answer: from there, steps that double find both sides of it, and halves what is between.
    fn reach(&self, wanted: u128) -> Micros {
        let is_reached = |offset| self.area(offset) >= wanted;
        let (mut low, mut high) = (0, self.length);
        let guess = self.guess(wanted).min(high);
        let mut step = 1;
        if is_reached(guess) {
            high = guess;
            while high > low && is_reached(high.saturating_sub(step).max(low)) {
                high = high.saturating_sub(step).max(low);
                step *= 2;
            }
            low = if high == 0 { 0 } else { high.saturating_sub(step) };
        } else {
            low = guess + 1;
            while low < high && !is_reached((low + step - 1).min(high)) {
                low += step;
                step *= 2;
            }
            high = high.min(low + step - 1);
        }
        while low < high {
            let middle = low.midpoint(high);
            if is_reached(middle) {
                high = middle;
            } else {
                low = middle + 1;
            }
        }
        self.start + low
    }

    /// About where the area is `wanted`: the root of `from * t + (to - from) / (2 * length) * t^2`,
    /// in the form that is stable for rising, falling and constant rates.
    #[allow(clippy::cast_precision_loss, reason = "only a place to start looking")]
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "casts saturate")]
    fn guess(&self, wanted: u128) -> Micros {
        let length = self.length as f64;
        let area = wanted.saturating_sub(self.before * u128::from(self.length)) as f64 / length;
        let (from, to) = (self.from as f64, self.to as f64);
        let root = (from * from + (to - from) / length * area).max(0.0).sqrt();
        (area / (from + root)) as Micros
    }
}

/// The sums of the exponential draws, walked upwards from the last place asked for.
#[derive(Clone, Debug)]
struct Walk {
    key: Key,
    first_number: u64,
    /// Of the arrival asked for last, and of the first one that was not due yet.
    at: Cell<(u64, u128)>,
    due: Cell<(u64, u128)>,
}

impl Walk {
    fn new(key: Key, first_number: u64) -> Self {
        let mut walk = Self { key, first_number, at: Cell::default(), due: Cell::default() };
        let first = (0, walk.gap(0));
        (walk.at, walk.due) = (Cell::new(first), Cell::new(first));
        walk
    }

    /// The area between an arrival and the one before it.
    fn gap(&self, index: u64) -> u128 {
        let key = SessionKey::new(
            self.key.seed,
            self.key.scenario,
            self.first_number.saturating_add(index),
            0,
        );
        let mean = Duration::from_micros(1 << AREA_BITS);
        key.draw(site!("arrival"), 0).exponential(mean).as_micros()
    }

    fn area_of(&self, index: u64) -> u128 {
        let (mut at, mut area) = self.at.get();
        if index < at {
            (at, area) = (0, self.gap(0));
        }
        while at < index {
            at += 1;
            area += self.gap(at);
        }
        self.at.set((at, area));
        area
    }

    /// How many arrivals from the first on are so. The answer never shrinks from call to call.
    fn count_while(&self, is_so: impl Fn(u64, u128) -> bool) -> u64 {
        let (mut index, mut area) = self.due.get();
        while is_so(index, area) {
            index += 1;
            area += self.gap(index);
        }
        self.due.set((index, area));
        index
    }
}

#[cfg(test)]
mod tests;
