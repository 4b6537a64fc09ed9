//! The traces, capsules and answers that the fuzz targets keep, and random changes of them.

mod bot_check;
mod limited;
mod servers;
mod tallyho;
mod trace_check;

use std::fs;
use std::io::Cursor;
use std::ops::ControlFlow;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

use tallyho_replay::trace::{
    Batch, Header, Piece, PieceEnd, SESSION_BYTES_MAX, ScenarioHeader, TraceReader, TraceWriter,
    Wanted,
};

use bot_check::check_bot_inputs;
use limited::{PEAK_BYTES_MAX, peak_bytes, within_limits};
use servers::Scratch;
use tallyho::tallyho as command;
use trace_check::{check_capsule, check_trace_file, replayed_under_right_checksums, sealed};

/// Changed copies of each input. The fuzz targets try more; this finds what is easy to find.
const SEEDS: u64 = 50;

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

/// What the commands do with hostile files: any exit code but that of a panic or a signal.
#[test]
fn every_command_ends_as_it_should_on_every_kept_trace_and_capsule() {
    let scratch = Scratch::new("kept");
    for path in inputs("trace_file").into_iter().chain(inputs("capsule")) {
        let input = fs::read(&path).expect("a readable file");
        let run = scratch.path().join("kept.tly");
        fs::write(&run, sealed(&input)).expect("a writable folder");
        let [run, out] = ["kept.tly", "out.tly"].map(|name| scratch.path().join(name));
        let [run, out] = [&run, &out].map(|path| path.to_str().expect("a name in ASCII"));
        let mut all = vec![
            vec!["trace", "check", run],
            vec!["sessions", run],
            vec!["replay", run, "--all"],
            vec!["trace", "recover", run],
        ];
        let listed = command(&["sessions", run, "--json"]).stdout;
        let first: Option<serde_json::Value> =
            listed.split(|byte| *byte == b'\n').find_map(|line| serde_json::from_slice(line).ok());
        let name = first.map(|row| format!("{}/{}", row["bot"], row["session"]));
        if let Some(name) = &name {
            all.push(vec!["replay", run, "--session", name]);
            all.push(vec!["capsule", run, "--session", name, "--out", out]);
        }
        for words in &all {
            let output = command(words);
            let code = output.status.code();
            let is_foreseen = code.is_some_and(|code| (0..=3).contains(&code));
            let stderr = String::from_utf8_lossy(&output.stderr);
            assert!(is_foreseen, "{} {words:?}: {code:?} {stderr}", path.display());
            let is_plain = |bytes: &[u8]| bytes.iter().all(|byte| *byte >= b' ' || *byte == b'\n');
            assert!(is_plain(&output.stdout), "{} {words:?}: {:?}", path.display(), output.stdout);
            assert!(is_plain(&output.stderr), "{} {words:?}: {stderr:?}", path.display());
        }
    }
}

/// Whoever changes a trace by hand makes its checksums right: what checks the steps is the chain.
#[test]
fn a_byte_changed_under_a_right_checksum_is_an_error_or_a_difference() {
    let input = fs::read(corpus("capsule").join("hello-0-0")).expect("a kept capsule");
    assert!(replayed_under_right_checksums(&input, &input), "it replays as it is");
    for at in 0..input.len() {
        for flip in [0x01, 0xFF] {
            let mut changed = input.clone();
            changed[at] ^= flip;
            let held = catch_unwind(|| replayed_under_right_checksums(&input, &changed));
            fails_unless(held.is_ok(), || format!("byte {at} ^ {flip:#x}"));
        }
    }
}

/// A file of a few kilobytes that unpacks to as much as the format allows.
#[test]
fn small_files_that_unpack_to_the_limits_take_no_more_memory_than_those_say() {
    let scenario = |config: &str| ScenarioHeader {
        config: serde_json::from_str(config).expect("JSON"),
        ..ScenarioHeader::default()
    };
    let zeros = |number: u32| Piece {
        who: tallyho_replay::Who::default(),
        number,
        start: None,
        size: SESSION_BYTES_MAX - 1,
        end: PieceEnd::Open,
        signature: None,
    };
    let values = format!("[{}0]", "0,".repeat((1 << 23) - 100));
    for (config, pieces) in [("null", 3), (&*values, 0)] {
        let header = Header { scenarios: vec![scenario(config)], ..Header::default() };
        let mut writer = TraceWriter::new(Vec::new(), &header).expect("within the limits");
        writer.begin().expect("memory");
        let pieces: Vec<Piece> = (0..pieces).map(zeros).collect();
        let bytes = vec![0x7F; pieces.iter().map(|piece| piece.size).sum()];
        writer.write(&Batch { bytes, pieces, ..Batch::default() }).expect("within the limits");
        let file = std::mem::take(writer.get_mut());
        assert!(file.len() < 20_000, "{}", file.len());
        let peak = peak_bytes(|| {
            let mut reader = TraceReader::open(Cursor::new(file.as_slice())).expect("a trace");
            reader.sessions(&Wanted::default(), |_| ControlFlow::Continue(())).expect("memory");
            assert_eq!(reader.damages(), []);
        });
        let foreseen = (48 << 20)..=PEAK_BYTES_MAX;
        assert!(foreseen.contains(&peak), "{peak} bytes at once for {} of file", file.len());
    }
    let too_many = format!("[{}0]", "0,".repeat(1 << 23));
    let header = Header { scenarios: vec![scenario(&too_many)], ..Header::default() };
    assert!(TraceWriter::new(Vec::new(), &header).is_err(), "no reader would take it");
}

fn corpus(target: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus").join(target)
}

fn inputs(target: &str) -> Vec<PathBuf> {
    let mut inputs: Vec<_> = fs::read_dir(corpus(target))
        .expect("the corpus is in the repository")
        .map(|entry| entry.expect("a readable folder").path())
        .collect();
    inputs.sort();
    assert!(!inputs.is_empty(), "no inputs of {target}");
    inputs
}

/// The checks silence panics, for bots' are foreseen: a failure is to be heard.
fn fails_unless(held: bool, text: impl FnOnce() -> String) {
    if !held {
        drop(std::panic::take_hook());
        panic!("{}", text());
    }
}

fn run(target: &str, check: fn(&[u8])) {
    for path in &inputs(target) {
        let input = fs::read(path).expect("a readable file");
        let kept = catch_unwind(|| within_limits(check, &input));
        fails_unless(kept.is_ok(), || format!("{} does not hold", path.display()));
        for seed in 0..SEEDS {
            let changed = change(&input, seed);
            let held = catch_unwind(AssertUnwindSafe(|| within_limits(check, &changed)));
            fails_unless(held.is_ok(), || {
                format!("rerun with SEED={seed} of {}: {changed:?}", path.display())
            });
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
