//! The samplers: golden values, and statistics over neighbouring bots, sessions, sites and draws.
//!
//! Seeds are fixed, so a statistical test either always passes or never does. The bounds are
//! five standard deviations.

#![expect(clippy::cast_possible_truncation, reason = "small numbers")]
#![expect(clippy::cast_sign_loss, reason = "small numbers")]

mod support;

use std::fmt::Write;
use std::time::Duration;

use tallyho_replay::{Draw, SessionKey, Site, permuted, site};

const SITES: [&str; 3] = ["think", "menu.pick", "x"];

#[test]
fn draws_are_the_golden_ones() {
    let mut text = String::new();
    for (seed, bot, session) in [(0, 0, 0), (1, 0, 0), (0, 1, 0), (0, 0, 1), (u64::MAX, 7, 9)] {
        let key = SessionKey::new(seed, 0xC0FFEE, bot, session);
        for label in SITES {
            for n in [0, 1, u32::MAX] {
                let draw = || key.draw(Site::of(label), n);
                write_samples(&mut text, &format!("{seed}/{bot}/{session} {label} {n}"), draw);
            }
        }
    }
    let key = SessionKey::new_each_run(5, 1, 2, 3);
    write_samples(&mut text, "new each run", || key.draw(site("x"), 0));
    for size in [1, 2, 5, 64, 1000] {
        let order: Vec<_> = (0..size.min(10)).map(|i| permuted(3, site("rows"), size, i)).collect();
        writeln!(text, "permuted {size}: {order:?}").expect("a String");
    }
    support::assert_golden("draws.txt", &text);
}

fn write_samples(text: &mut String, what: &str, draw: impl Fn() -> Draw) {
    let mut items = [0, 1, 2, 3, 4, 5, 6, 7];
    draw().shuffle(&mut items);
    let duration = Duration::from_millis(1)..=Duration::from_secs(20);
    writeln!(
        text,
        "{what}: bits {:016x} below(10) {} below(2^63+1) {} between(5..=7) {} all {} \
         chance(1/3) {} weighted {:?} duration {:?} exponential {:?} shuffle {items:?}",
        draw().bits(),
        draw().below(10),
        draw().below((1 << 63) + 1),
        draw().between(5..=7),
        draw().between(0..=u64::MAX),
        draw().chance(1, 3),
        draw().weighted(&[25, 0, 2, 73]),
        draw().duration(duration),
        draw().exponential(Duration::from_secs(1)),
    )
    .expect("a String");
}

#[test]
fn a_site_made_at_run_time_draws_as_one_made_when_compiling() {
    const SITE: Site = site("menu.pick");
    let key = SessionKey::new(1, 2, 3, 4);
    assert_eq!(key.draw(SITE, 5), key.draw(Site::of("menu.pick"), 5));
}

#[test]
fn impossible_draws_are_said_to_be_so() {
    let mut draw = SessionKey::new(1, 2, 3, 4).draw(site("x"), 0);
    assert_eq!(draw.weighted(&[]), None);
    assert_eq!(draw.weighted(&[0, 0]), None);
    assert_eq!(draw.pick::<u8>(&[]), None);
    assert_eq!(draw.weighted(&[0, u32::MAX, 0]), Some(1));
    assert_eq!(draw.between(7..=7), 7);
    assert_eq!(draw.below(1), 0);
}

type Neighbour = fn(u64) -> Draw;

/// Draws that differ from their neighbour in one part of the key.
fn neighbours() -> Vec<(&'static str, Neighbour)> {
    vec![
        ("seeds", |i| SessionKey::new(i, 1, 2, 3).draw(site("a"), 0)),
        ("scenarios", |i| SessionKey::new(9, i, 2, 3).draw(site("a"), 0)),
        ("bots", |i| SessionKey::new(9, 1, i, 3).draw(site("a"), 0)),
        ("sessions", |i| SessionKey::new(9, 1, 2, i).draw(site("a"), 0)),
        ("draws", |i| SessionKey::new(9, 1, 2, 3).draw(site("a"), i as u32)),
        ("sites", |i| SessionKey::new(9, 1, 2, 3).draw(Site::of(&format!("site{i}")), 0)),
        ("runs", |i| SessionKey::new_each_run(i, 1, 2, 3).draw(site("a"), 0)),
    ]
}

const COUNT: u64 = 40_000;

#[test]
fn neighbours_are_uniform_and_independent() {
    for (what, draw) in neighbours() {
        // Pairs of neighbours over a grid of 16 by 16, as chi-square with 255 degrees of freedom.
        let mut grid = [0_u64; 256];
        let values: Vec<_> = (0..=COUNT).map(|i| draw(i).below(16) as usize).collect();
        for pair in values.windows(2) {
            grid[pair[0] * 16 + pair[1]] += 1;
        }
        let z = chi_square_z(&grid, |_| 1.0 / 256.0);
        assert!(z.abs() < 5.0, "pairs of {what}: z = {z}");
        // Each bit is set in half of all draws, and differs from the neighbour's in half.
        let bits: Vec<_> = (0..=COUNT).map(|i| draw(i).bits()).collect();
        for bit in 0..64 {
            let set = bits.iter().filter(|value| **value >> bit & 1 == 1).count();
            let flips = bits.windows(2).filter(|pair| (pair[0] ^ pair[1]) >> bit & 1 == 1).count();
            for count in [set, flips] {
                let z = (count as f64 - COUNT as f64 / 2.0) / (COUNT as f64 / 4.0).sqrt();
                assert!(z.abs() < 5.0, "bit {bit} of {what}: z = {z}");
            }
        }
    }
}

#[test]
fn values_within_one_draw_are_uniform() {
    for (what, draw) in neighbours() {
        let mut counts = [0_u64; 6];
        for i in 0..COUNT / 4 {
            let mut items = [0, 1, 2];
            draw(i).shuffle(&mut items);
            counts[items[0] * 2 + usize::from(items[1] > items[2])] += 1;
        }
        let z = chi_square_z(&counts, |_| 1.0 / 6.0);
        assert!(z.abs() < 5.0, "orders over {what}: z = {z}");
    }
}

#[test]
fn weights_and_chances_are_kept() {
    const WEIGHTS: [u32; 6] = [25, 0, 2, 73, 1, 400];
    let mut counts = [0_u64; 6];
    let mut hits = 0_u64;
    for i in 0..COUNT {
        let key = SessionKey::new(9, 1, i, 3);
        counts[key.draw(site("w"), 0).weighted(&WEIGHTS).expect("some weigh")] += 1;
        hits += u64::from(key.draw(site("c"), 0).chance(3, 7));
    }
    assert_eq!(counts[1], 0);
    let total = f64::from(WEIGHTS.iter().sum::<u32>());
    let z = chi_square_z(&counts, |index| f64::from(WEIGHTS[index]) / total);
    assert!(z.abs() < 5.0, "weights: z = {z}");
    let z = chi_square_z(&[hits, COUNT - hits], |index| [3.0 / 7.0, 4.0 / 7.0][index]);
    assert!(z.abs() < 5.0, "chance: z = {z}");
}

#[test]
fn a_large_bound_is_not_biased() {
    // 2^64 inputs for 3 * 2^62 values: without rejection, every third would come twice as often.
    let n = 3 << 62;
    let mut counts = [0_u64; 3];
    for i in 0..COUNT {
        counts[(SessionKey::new(9, 1, i, 3).draw(site("n"), 0).below(n) % 3) as usize] += 1;
    }
    let z = chi_square_z(&counts, |_| 1.0 / 3.0);
    assert!(z.abs() < 5.0, "z = {z}");
}

#[test]
fn durations_cover_their_range_and_exponential_ones_their_distribution() {
    let (shortest, longest) = (Duration::from_micros(3), Duration::from_micros(6));
    let mut counts = [0_u64; 4];
    let mut buckets = [0_u64; 32];
    let mean = Duration::from_secs(10);
    for i in 0..COUNT {
        let key = SessionKey::new(9, 1, i, 3);
        let duration = key.draw(site("d"), 0).duration(shortest..=longest);
        counts[usize::try_from(duration.as_micros()).expect("few") - 3] += 1;
        // By its distribution function, an exponential value is uniform.
        let x = key.draw(site("e"), 0).exponential(mean).as_secs_f64() / mean.as_secs_f64();
        buckets[((1.0 - (-x).exp()) * 32.0) as usize] += 1;
    }
    let z = chi_square_z(&counts, |_| 0.25);
    assert!(z.abs() < 5.0, "durations: z = {z}");
    let z = chi_square_z(&buckets, |_| 1.0 / 32.0);
    assert!(z.abs() < 5.0, "exponential: z = {z}");
}

#[test]
fn permuted_is_a_bijection_that_looks_random() {
    for size in (1..70).chain([127, 128, 129, 1000, 4096]) {
        let mut seen = vec![false; usize::try_from(size).expect("small")];
        for index in 0..size {
            let place = permuted(42, site("rows"), size, index);
            assert!(!std::mem::replace(&mut seen[place as usize], true), "{place} twice in {size}");
        }
    }
    let mut grid = [0_u64; 256];
    for seed in 0..COUNT {
        let place = |index| permuted(seed, site("rows"), 16, index) as usize;
        grid[place(0) * 16 + place(1)] += 1;
    }
    // Two places are never equal; all other pairs are equally likely.
    let pairs: Vec<_> = (0..256).filter(|i| i / 16 != i % 16).map(|i| grid[i]).collect();
    assert_eq!(pairs.iter().sum::<u64>(), COUNT);
    let z = chi_square_z(&pairs, |_| 1.0 / 240.0);
    assert!(z.abs() < 5.0, "z = {z}");
}

/// How far observed counts are from expected shares, in standard deviations of chi-square.
fn chi_square_z(counts: &[u64], share: impl Fn(usize) -> f64) -> f64 {
    let total = counts.iter().sum::<u64>() as f64;
    let mut chi_square = 0.0;
    let mut freedom = -1.0;
    for (index, count) in counts.iter().enumerate() {
        let expected = total * share(index);
        if expected > 0.0 {
            chi_square += (*count as f64 - expected).powi(2) / expected;
            freedom += 1.0;
        }
    }
    (chi_square - freedom) / (2.0_f64 * freedom).sqrt()
}
