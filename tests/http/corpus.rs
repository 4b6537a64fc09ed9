//! The inputs that the fuzz targets keep, and random changes of them.

use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use crate::check::{Random, check_chunked_body, check_response_head};

/// Changed copies of each input. The fuzz targets try more; this finds what is easy to find.
const SEEDS: u64 = 300;

#[test]
fn kept_inputs_of_response_head_hold() {
    run("response_head", check_response_head);
}

#[test]
fn kept_inputs_of_chunked_body_hold() {
    run("chunked_body", check_chunked_body);
}

fn run(target: &str, check: fn(&[u8])) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus").join(target);
    let mut inputs = Vec::new();
    for entry in fs::read_dir(&folder).expect("the corpus is in the repository") {
        let path = entry.expect("a readable folder").path();
        inputs.push((path.clone(), fs::read(path).expect("a readable file")));
    }
    inputs.sort();
    assert!(!inputs.is_empty(), "no inputs in {}", folder.display());
    for (path, input) in &inputs {
        let kept = catch_unwind(|| check(input));
        assert!(kept.is_ok(), "{} does not hold", path.display());
        for seed in 0..SEEDS {
            let changed = change(input, &inputs, seed);
            let held = catch_unwind(AssertUnwindSafe(|| check(&changed)));
            assert!(held.is_ok(), "rerun with SEED={seed} of {}: {changed:?}", path.display());
        }
    }
}

/// A few bytes replaced, taken out, doubled or exchanged for those of another input.
fn change<P>(input: &[u8], inputs: &[(P, Vec<u8>)], seed: u64) -> Vec<u8> {
    let mut random = Random(seed);
    let mut changed = input.to_vec();
    for _ in 0..=random.below(4) {
        let at = random.below(changed.len().max(1));
        let end = (at + 1 + random.below(8)).min(changed.len());
        match random.below(6) {
            0 if at < end => changed[at] = random.byte(),
            1 if at < end => changed[at] = b"\r\n :;,\0\t0159afxHTP/"[random.below(19)],
            2 if at < end => drop(changed.drain(at..end)),
            3 if at < end => changed.extend_from_within(at..end),
            4 => changed.truncate(at),
            _ => {
                let other = &inputs[random.below(inputs.len())].1;
                let from = random.below(other.len().max(1));
                changed.truncate(at);
                changed.extend_from_slice(other.get(from..).unwrap_or_default());
            }
        }
    }
    changed
}
