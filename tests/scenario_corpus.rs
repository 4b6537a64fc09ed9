//! The fuzzer's function, run on its corpus and on all scenarios of the repository.

mod scenario_check;

use std::path::Path;

use scenario_check::check_scenario;

#[test]
fn everything_in_the_corpus_keeps_to_the_laws_of_scenarios() {
    let mut count = 0;
    for folder in ["fuzz/corpus/scenario_file", "tests/golden/diagnostics", "scenarios"] {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
        for entry in std::fs::read_dir(folder).expect("the folder is there") {
            check_scenario(&std::fs::read(entry.expect("readable").path()).expect("readable"));
            count += 1;
        }
    }
    assert!(count > 50, "{count}");
}

/// Mutations of each file: enough to find what a fuzzer finds in its first minute.
const MUTATIONS: u64 = 100;

#[test]
fn scenarios_that_are_cut_and_mixed_keep_to_them_too() {
    let only = std::env::var("SEED").ok().map(|seed| seed.parse::<u64>().expect("a number"));
    let mut files: Vec<Vec<u8>> = Vec::new();
    for folder in ["fuzz/corpus/scenario_file", "tests/golden/diagnostics"] {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
        let mut paths: Vec<_> = std::fs::read_dir(folder)
            .expect("the folder is there")
            .map(|entry| entry.expect("readable").path())
            .filter(|path| path.extension().is_none_or(|extension| extension != "txt"))
            .collect();
        paths.sort();
        files.extend(paths.iter().map(|path| std::fs::read(path).expect("readable")));
    }
    let count = files.len() as u64 * MUTATIONS;
    for seed in only.map_or(0..count, |seed| seed..seed + 1) {
        println!("rerun with SEED={seed}");
        check_scenario(&mutated(&files, seed));
    }
}

/// A file with a few pieces cut out, doubled, or taken from another file.
fn mutated(files: &[Vec<u8>], seed: u64) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let mut below = |n: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        usize::try_from((state >> 11) % (n.max(1) as u64)).expect("small")
    };
    let mut text = files[below(files.len())].clone();
    for _ in 0..=below(3) {
        let other = &files[below(files.len())];
        let from = below(other.len());
        let piece = other[from..(from + below(40)).min(other.len())].to_vec();
        let at = below(text.len());
        let end = (at + below(20)).min(text.len());
        match below(12) {
            // Mostly one text for another, which stays JSON and goes deep into the checks.
            4.. => {
                let (mine, theirs) = (texts(&text), texts(other));
                if mine.is_empty() || theirs.is_empty() {
                    continue;
                }
                let (mine, theirs) =
                    (mine[below(mine.len())].clone(), theirs[below(theirs.len())].clone());
                drop(text.splice(mine, other[theirs].iter().copied()));
            }
            0 => drop(text.drain(at..end)),
            1 => drop(text.splice(at..end, piece)),
            2 => drop(text.splice(at..at, piece)),
            // A number or a word changes most often what is meant.
            _ => {
                let words: [&[u8]; 6] = [b"0", b"-1", b"null", b"99999999999", b"\"\"", b"[]"];
                drop(text.splice(at..end, words[below(6)].iter().copied()));
            }
        }
    }
    text
}

/// Where the texts of a JSON file are, quotes included.
fn texts(json: &[u8]) -> Vec<std::ops::Range<usize>> {
    let quotes: Vec<usize> = (0..json.len())
        .filter(|at| json[*at] == b'"' && (*at == 0 || json[at - 1] != b'\\'))
        .collect();
    quotes.chunks_exact(2).map(|pair| pair[0]..pair[1] + 1).collect()
}
