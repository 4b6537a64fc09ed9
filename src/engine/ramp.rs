//! When each bot of a ramp runs (k6: ramping-vus).
//!
//! The number of bots is a line from one stage's target to the next; bot `i` runs while the number
//! is above `i`. Both ends of each of its stretches follow in closed form from its number.
//! Knows nothing of clocks: see pacing.rs.

use std::time::Duration;

use super::clock::{Micros, micros};
use super::schedule::Stage;

/// A stretch of time in which a bot runs: from its start up to, but not including, its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stretch {
    pub(super) start: Micros,
    pub(super) end: Micros,
}

/// The stretches of the bot of this number (from 0), in order.
pub(super) fn stretches(start_vus: u64, stages: &[Stage], bot: u64) -> Vec<Stretch> {
    let mut stretches = Vec::new();
    let (mut now, mut from) = (0, start_vus);
    let mut since = (bot < from).then_some(0);
    for stage in stages {
        let length = micros(stage.duration);
        if let Some(crossed) = crossing(from, stage.target, length, bot) {
            let at = now + crossed;
            match since.take() {
                None => since = Some(at),
                Some(start) if start < at => stretches.push(Stretch { start, end: at }),
                Some(_) => {}
            }
        }
        (now, from) = (now + length, stage.target);
    }
    if let Some(start) = since.filter(|&start| start < now) {
        stretches.push(Stretch { start, end: now });
    }
    stretches
}

/// When, within a stage, the number of bots passes the bot: up to `bot + 1`, or down to `bot`.
fn crossing(from: u64, to: u64, length: Micros, bot: u64) -> Option<Micros> {
    let (passed, all) = if from <= bot && bot < to {
        (bot + 1 - from, to - from)
    } else if to <= bot && bot < from {
        (from - bot, from - to)
    } else {
        return None;
    };
    let at = u128::from(length) * u128::from(passed) / u128::from(all);
    Some(Micros::try_from(at).expect("a part of the stage's length"))
}

/// How long all stages last.
pub(super) fn duration(stages: &[Stage]) -> Duration {
    stages.iter().map(|stage| stage.duration).sum()
}

/// The most bots that run at once.
pub(super) fn most(start: u64, stages: &[Stage]) -> u64 {
    stages.iter().map(|stage| stage.target).fold(start, u64::max)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stage(seconds: u64, target: u64) -> Stage {
        Stage { duration: Duration::from_secs(seconds), target }
    }

    /// How many of the bots run at `now`.
    fn running(start: u64, stages: &[Stage], now: Micros) -> u64 {
        let runs = |bot: &u64| {
            stretches(start, stages, *bot).iter().any(|s| s.start <= now && now < s.end)
        };
        (0..most(start, stages)).filter(runs).count() as u64
    }

    #[test]
    fn the_number_of_bots_follows_the_line_from_target_to_target() {
        let stages = [stage(10, 11), stage(5, 11), stage(10, 1)];
        for (second, expected) in [(0, 1), (5, 6), (10, 11), (12, 11), (20, 6), (24, 2)] {
            assert_eq!(running(1, &stages, second * 1_000_000), expected, "at {second} s");
        }
        assert_eq!(running(1, &stages, 25_000_000), 0);
    }

    #[test]
    fn a_stage_of_no_time_is_a_jump() {
        let stages = [stage(0, 50), stage(10, 50), stage(0, 10), stage(10, 10)];
        assert_eq!(running(0, &stages, 0), 50);
        assert_eq!(running(0, &stages, 9_999_999), 50);
        assert_eq!(running(0, &stages, 10_000_000), 10);
        assert_eq!(stretches(0, &stages, 49), [Stretch { start: 0, end: 10_000_000 }]);
    }

    #[test]
    fn a_bot_that_was_removed_comes_back_on_the_next_ramp() {
        let stages = [stage(10, 10), stage(10, 0), stage(10, 10)];
        let seconds =
            |start: u64, end: u64| Stretch { start: start * 1_000_000, end: end * 1_000_000 };
        assert_eq!(stretches(0, &stages, 4), [seconds(5, 16), seconds(25, 30)]);
    }

    #[test]
    fn any_ramp_steps_through_every_number_between_its_targets() {
        for seed in 0..200_u64 {
            let part =
                |shift: u32, most: u64| (seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> shift) % most;
            let stages = [stage(1 + part(3, 7), part(9, 30)), stage(part(17, 4), part(23, 30))];
            let mut now = 0;
            for pair in [(part(40, 30), stages[0]), (stages[0].target, stages[1])] {
                let (from, stage) = pair;
                let length = micros(stage.duration);
                for step in 0..20 {
                    let at = length * step / 20;
                    if length == 0 {
                        continue;
                    }
                    // floor on the way up, ceiling on the way down, as bots are whole.
                    let line = if stage.target >= from {
                        from + (stage.target - from) * at / length
                    } else {
                        from - (from - stage.target) * at / length
                    };
                    let counted = running(part(40, 30), &stages, now + at);
                    assert!(counted.abs_diff(line) <= 1, "SEED={seed}: {counted} for {line}");
                }
                now += length;
            }
        }
    }
}
