//! The traces, capsules and answers that the fuzz targets keep, and random changes of them.

mod bot_check;
mod trace_check;

use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use bot_check::check_bot_inputs;
use trace_check::{check_capsule, check_trace_file};

/// Changed copies of each input. The fuzz targets try more; this finds what is easy to find.
const SEEDS: u64 = 200;

#[test]
fn kept_inputs_of_trace_file_hold() {
    run("trace_file", check_trace_file);
}

#[test]
fn kept_inputs_of_capsule_hold() {
    run("capsule", check_capsule);
}

#[test]
fn kept_inputs_of_bot_inputs_hold() {
    run("bot_inputs", check_bot_inputs);
}

fn run(target: &str, check: fn(&[u8])) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus").join(target);
    let mut inputs: Vec<_> = fs::read_dir(&folder)
        .expect("the corpus is in the repository")
        .map(|entry| entry.expect("a readable folder").path())
        .collect();
    inputs.sort();
    assert!(!inputs.is_empty(), "no inputs in {}", folder.display());
    for path in &inputs {
        let input = fs::read(path).expect("a readable file");
        let kept = catch_unwind(|| check(&input));
        assert!(kept.is_ok(), "{} does not hold", path.display());
        for seed in 0..SEEDS {
            let changed = change(&input, seed);
            let held = catch_unwind(AssertUnwindSafe(|| check(&changed)));
            assert!(held.is_ok(), "rerun with SEED={seed} of {}: {changed:?}", path.display());
        }
    }
}

/// A few bytes replaced, taken out or doubled.
fn change(input: &[u8], seed: u64) -> Vec<u8> {
    let mut state = seed;
    let mut below = |bound: usize| {
        state = state.wrapping_mul(0x5851_F42D_4C95_7F2D).wrapping_add(0x1405_7B7E_F767_814F);
        usize::try_from((state >> 33) % bound.max(1) as u64).expect("31 bits")
    };
    let mut changed = input.to_vec();
    for _ in 0..=below(4) {
        let at = below(changed.len());
        let end = (at + 1 + below(8)).min(changed.len());
        match below(4) {
            0 if at < end => changed[at] = u8::try_from(below(256)).expect("a byte"),
            1 if at < end => drop(changed.drain(at..end)),
            2 if at < end => changed.extend_from_within(at..end),
            _ => changed.truncate(at.max(1)),
        }
    }
    changed
}
