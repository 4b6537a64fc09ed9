//! Traces that nobody's writer wrote: damaged under right checksums, or made to cost time.
#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

mod servers;
mod tallyho;
mod trace_check;

use std::path::Path;

use servers::{RawServer, Scratch, answer_all};
use tallyho::{run, tallyho as command};
use trace_check::sealed;

/// Runs a command and expects how it exits; gives what it prints.
fn expect(code: i32, words: &[&str]) -> String {
    let output = command(words);
    let (stdout, stderr) =
        (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap());
    assert_eq!(output.status.code(), Some(code), "{words:?}\n{stdout}\n{stderr}");
    stdout + &stderr
}

const RESPONSE: &[u8] = b"HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n";

/// The trace of a run of 40 sessions, and where its blocks start.
fn recorded() -> (Vec<u8>, Vec<usize>) {
    let server = RawServer::start(|stream| answer_all(stream, RESPONSE));
    let ended = run(&[&server.url("/"), "-n", "40", "-c", "2"]);
    let trace = std::fs::read(ended.path("trace-0.tly")).unwrap();
    let starts = (0..trace.len()).filter(|at| trace[*at..].starts_with(b"\x89TLY")).collect();
    (trace, starts)
}

/// The first block of a kind: 2 records, 3 index, 4 exchange.
fn first_of(kind: u8, trace: &[u8], starts: &[usize]) -> usize {
    *starts.iter().find(|start| trace[**start + 6] == kind).unwrap()
}

/// A block that says what cannot be, under right checksums.
fn spoilt(trace: &[u8], block: usize) -> Vec<u8> {
    let mut spoilt = trace.to_vec();
    // The number of its columns.
    spoilt[block + 32] = 31;
    sealed(&spoilt)
}

#[test]
fn recover_names_what_is_damaged_in_a_closed_trace_and_leaves_it_as_it_is() {
    let (trace, starts) = recorded();
    let scratch = Scratch::new("damaged");
    let path = scratch.path().join("trace-0.tly");
    let name = path.to_str().unwrap();
    std::fs::write(&path, &trace).unwrap();
    assert!(expect(0, &["trace", "recover", name]).contains("it is closed, nothing to do"));
    // Whether a checksum is wrong or right makes no difference to who wants to use the trace.
    for kind in [2, 4] {
        let block = first_of(kind, &trace, &starts);
        let mut flipped = trace.clone();
        flipped[block + 32] ^= 0xFF;
        for damaged in [spoilt(&trace, block), flipped] {
            std::fs::write(&path, &damaged).unwrap();
            let checked = expect(1, &["trace", "check", name]);
            let recovered = expect(1, &["trace", "recover", name]);
            for told in [&checked, &recovered] {
                assert!(told.contains(&format!("at byte {block}")), "{told}");
                let advice = format!("`tallyho sessions {name}` lists what is left");
                assert!(told.contains(&advice), "{told}");
            }
            assert!(recovered.contains("it was closed, and is damaged"), "{recovered}");
            let left = if kind == 4 { "  40 exact and 0" } else { " exact and 0" };
            assert!(recovered.contains(left) && recovered.contains(", of 40 and 0"), "{recovered}");
            assert!(!recovered.contains("nothing to do"), "{recovered}");
            assert_eq!(std::fs::read(&path).unwrap(), damaged, "left as it is");
        }
    }
}

#[test]
fn recover_does_not_close_over_damage_and_closes_the_other_traces_of_the_run() {
    let (trace, starts) = recorded();
    let index = first_of(3, &trace, &starts);
    let open = &trace[..index];
    let scratch = Scratch::new("open");
    let [damaged, torn] = ["trace-0.tly", "trace-1.tly"].map(|name| scratch.path().join(name));
    let name = |path: &Path| path.to_str().unwrap().to_owned();
    for kind in [2, 4] {
        let spoilt = spoilt(open, first_of(kind, &trace, &starts));
        std::fs::write(&damaged, &spoilt).unwrap();
        std::fs::write(&torn, &trace[..trace.len() - 9]).unwrap();
        let told = expect(1, &["trace", "recover", scratch.path().to_str().unwrap()]);
        assert!(
            told.contains("it was not closed, or its end is lost, and it is damaged"),
            "{told}"
        );
        assert!(told.contains(&format!("{}: the block at byte", name(&damaged))), "{told}");
        assert_eq!(std::fs::read(&damaged).unwrap(), spoilt, "left as it is");
        let cut_off = format!("{}: closed; the last ", name(&torn));
        assert!(told.contains(&cut_off) && told.contains("torn block: cut off"), "{told}");
        assert!(!told.contains("`tallyho trace recover` cuts it off"), "{told}");
        expect(0, &["trace", "check", &name(&torn)]);
    }
}
