//! Closed forms against adding up every microsecond, for profiles drawn from seeds.

use super::*;

const SECOND: Duration = Duration::from_secs(1);

fn per_second(count: u64) -> Rate {
    Rate { count, unit: SECOND }
}

fn stage(milliseconds: u64, target: u64) -> Stage {
    Stage { duration: Duration::from_millis(milliseconds), target }
}

fn all_due(arrivals: &Arrivals) -> Vec<Micros> {
    (0..arrivals.numbers).map_while(|index| arrivals.due(index)).collect()
}

/// Seeds that property tests run: `SEED=n` runs one.
fn seeds(count: u64) -> std::ops::Range<u64> {
    match std::env::var("SEED").ok().and_then(|seed| seed.parse().ok()) {
        Some(seed) => seed..seed + 1,
        None => 0..count,
    }
}

/// A profile of up to five stages, some of them jumps and some at rest.
fn random_profile(seed: u64) -> (u64, Duration, Vec<Stage>) {
    let key = SessionKey::new(seed, 0, 0, 0);
    let mut nth = 0;
    let mut below = |n: u64| {
        nth += 1;
        key.draw(site!("profile"), nth).below(n)
    };
    let rate = |below: &mut dyn FnMut(u64) -> u64| match below(4) {
        0 => 0,
        1 => below(20),
        2 => below(900),
        _ => below(60_000),
    };
    let start = rate(&mut below);
    let unit =
        Duration::from_millis([100, 1_000, 60_000][usize::try_from(below(3)).expect("small")]);
    let stages = (0..1 + below(5)).map(|_| {
        let length = if below(4) == 0 { 0 } else { 1 + below(60_000) };
        Stage { duration: Duration::from_micros(length), target: rate(&mut below) }
    });
    (start, unit, stages.collect())
}

/// Adds up the area microsecond by microsecond, exactly: as twice the area times the unit and the
/// length of the stage at hand.
fn brute_force(start: u64, unit: Duration, stages: &[Stage], first: u128) -> Vec<Micros> {
    let twice_unit = 2 * unit.as_micros();
    let (mut due, mut before, mut from, mut now) = (Vec::new(), 0_u128, u128::from(start), 0);
    if first == 0 {
        due.push(0);
    }
    for stage in stages {
        let (length, to) = (stage.duration.as_micros(), u128::from(stage.target));
        let mut area = before * length;
        for t in 0..length {
            // A trapezoid of 1 µs: the rate at its middle, (from * (2L - 2t - 1) + to * (2t + 1)).
            area += from * (2 * length - 2 * t - 1) + to * (2 * t + 1);
            now += 1;
            while area >= (due.len() as u128 + 1 - u128::from(first == 0)) * twice_unit * length {
                due.push(now);
            }
        }
        before = area.checked_div(length).unwrap_or(before);
        from = to;
    }
    due
}

#[test]
fn as_many_arrivals_are_due_as_the_area_of_the_profile_says() {
    let thirty = Duration::from_secs(30);
    assert_eq!(Arrivals::constant(per_second(5_000), thirty, None).numbers, 150_000);
    assert_eq!(Arrivals::constant(per_second(5_000), thirty, Some(10)).numbers, 10);
    // 7 in 2 s are due at 0, 285715, 571429 and 857143 µs of the first second.
    let seven = Rate { count: 7, unit: Duration::from_secs(2) };
    let due = all_due(&Arrivals::constant(seven, SECOND, None));
    assert_eq!(due, [0, 285_715, 571_429, 857_143]);
    // 10 s from 0 to 100 per second: 500. Then 10 s at 100: 1000. Then a jump and nothing.
    let stages = [stage(10_000, 100), stage(10_000, 100), stage(0, 0), stage(5_000, 0)];
    assert_eq!(Arrivals::ramping(0, SECOND, &stages).numbers, 1_500);
}

#[test]
fn every_arrival_is_due_within_the_duration() {
    for count in [1, 3, 7, 999, 1_000, 33_333, 1_000_001] {
        let duration = Duration::from_millis(1_234);
        let arrivals = Arrivals::constant(per_second(count), duration, None);
        assert!(arrivals.due(arrivals.numbers - 1).expect("there") <= micros(duration));
        assert_eq!(arrivals.due(arrivals.numbers), None, "rate {count}");
    }
}

#[test]
fn an_hour_of_arrivals_does_not_drift() {
    let arrivals = Arrivals::constant(per_second(3), Duration::from_secs(3_600), None);
    assert_eq!(arrivals.due(3 * 3_599), Some(3_599_000_000));
    let due = all_due(&arrivals);
    assert!(due.is_sorted_by(|a, b| a < b));
    // A day's ramp to a million per second: the last arrivals, to the microsecond.
    let day = Duration::from_secs(86_400);
    let arrivals = Arrivals::ramping(0, SECOND, &[Stage { duration: day, target: 1_000_000 }]);
    assert_eq!(arrivals.numbers, 86_400 * 500_000);
    assert_eq!(arrivals.due(arrivals.numbers - 1), Some(micros(day)));
    assert_eq!(arrivals.due(arrivals.numbers / 4 - 1), Some(micros(day) / 2));
}

#[test]
fn any_ramp_agrees_exactly_with_adding_up_every_microsecond() {
    for seed in seeds(150) {
        let (start, unit, stages) = random_profile(seed);
        let due = all_due(&Arrivals::ramping(start, unit, &stages));
        let slow = brute_force(start, unit, &stages, 1);
        assert!(due == slow, "{start} {unit:?} {stages:?}\nrerun with SEED={seed}");
    }
}

#[test]
fn any_constant_rate_agrees_exactly_with_adding_up_every_microsecond() {
    for seed in seeds(60) {
        let (start, unit, _) = random_profile(seed);
        let (count, duration) = (start + 1, Duration::from_micros(20_000 + seed * 777));
        let due = all_due(&Arrivals::constant(Rate { count, unit }, duration, None));
        let mut slow = brute_force(count, unit, &[Stage { duration, target: count }], 0);
        // One that falls on the very end belongs to the next period.
        let area = u128::from(count) * duration.as_micros();
        if area.is_multiple_of(unit.as_micros()) {
            slow.pop();
        }
        assert!(due == slow, "{count} per {unit:?}\nrerun with SEED={seed}");
    }
}

#[test]
fn arrivals_due_by_an_instant_are_those_whose_due_time_has_come() {
    for seed in seeds(60) {
        let (start, unit, stages) = random_profile(seed);
        let key = Key { seed, scenario: 1, task_index: 0 };
        let even = Arrivals::ramping(start, unit, &stages);
        let end: u64 = stages.iter().map(|stage| micros(stage.duration)).sum();
        for arrivals in [even.clone(), even.at_random(key, None)] {
            let due = all_due(&arrivals);
            assert!(due.is_sorted(), "rerun with SEED={seed}");
            for now in (0..=end + 2_000).step_by(1_237) {
                let counted = due.partition_point(|&due| due <= now) as u64;
                assert_eq!(arrivals.due_by(now), counted, "at {now}; rerun with SEED={seed}");
            }
        }
    }
}

#[test]
fn poisson_arrivals_follow_the_seed_and_nothing_else() {
    let rate = per_second(2_000);
    let poisson = |seed, scenario, task_index| {
        let key = Key { seed, scenario, task_index };
        Arrivals::constant(rate, SECOND, None).at_random(key, None)
    };
    let due = all_due(&poisson(1, 2, 0));
    assert_eq!(due, all_due(&poisson(1, 2, 0)));
    for other in [poisson(2, 2, 0), poisson(1, 3, 0), poisson(1, 2, 1)] {
        assert_ne!(due, all_due(&other));
    }
    // However many workers take turns, and in whatever order one asks.
    for workers in 1..=4_usize {
        let mut taken: Vec<Micros> = (0..workers as u64)
            .flat_map(|worker| {
                let own = poisson(1, 2, 0);
                let mine = (worker..).step_by(workers);
                mine.map_while(|index| own.due(index)).collect::<Vec<_>>()
            })
            .collect();
        taken.sort_unstable();
        assert_eq!(taken, due, "{workers} workers");
    }
    let arrivals = poisson(1, 2, 0);
    assert_eq!(arrivals.due(900), Some(due[900]));
    assert_eq!(arrivals.due(7), Some(due[7]));
}

#[test]
fn poisson_arrivals_keep_the_rate_and_their_gaps_are_exponential() {
    let key = Key { seed: 5, scenario: 1, task_index: 0 };
    let long = Duration::from_secs(100);
    let due = all_due(&Arrivals::constant(per_second(1_000), long, None).at_random(key, None));
    // 100,000 with a standard deviation of 316: five of them.
    assert!(due.len().abs_diff(100_000) < 1_600, "{}", due.len());
    // Counts in windows of 10 ms have mean 10 and, unlike even ones, variance 10.
    let until = |ms: u64| due.partition_point(|due| *due < ms * 1_000);
    let counts = (0..10_000).map(|window| until(10 * window + 10) - until(10 * window));
    let variance = counts.map(|count| count.abs_diff(10).pow(2)).sum::<usize>() as f64 / 1e4;
    assert!((9.0..11.0).contains(&variance), "variance {variance}");
    let long_gaps = due.windows(2).filter(|pair| pair[1] - pair[0] >= 1_000).count();
    assert!(long_gaps.abs_diff(36_788) < 800, "{long_gaps} gaps above the mean");
}
