//! Traces that nobody's writer wrote: damaged under right checksums, or made to cost time.
#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

mod servers;
mod tallyho;
mod trace_check;

use std::path::Path;

use servers::{RawServer, Scratch, answer_all};
use tallyho::{expect, run};
use trace_check::sealed;

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

/// Columns of a records block, in their order in the file.
const PIECES: usize = 0;
const KINDS: usize = 2;
const STARTS: usize = 3;
const VERSIONS: usize = 5;
const SIZES: usize = 7;
const WHOLES: usize = 10;
const ROWS: usize = 11;

/// A block whose head is to be sealed.
fn block(kind: u8, columns: &[Vec<u8>]) -> Vec<u8> {
    let mut block = b"\x89TLY\x01\x00".to_vec();
    block.push(kind);
    block.resize(32, 0);
    block.push(u8::try_from(columns.len()).unwrap());
    let packed: Vec<Vec<u8>> =
        columns.iter().map(|column| zstd::bulk::compress(column, 1).unwrap()).collect();
    for (column, packed) in columns.iter().zip(&packed) {
        varint(&mut block, column.len());
        varint(&mut block, packed.len());
    }
    [block, packed.concat()].concat()
}

fn varint(out: &mut Vec<u8>, mut value: usize) {
    while value > 0x7F {
        out.push(0x80 | u8::try_from(value & 0x7F).unwrap());
        value >>= 7;
    }
    out.push(u8::try_from(value).unwrap());
}

/// A records block of `count` pieces that are each described by `piece`.
fn records(count: usize, piece: &[u8], columns: &[(usize, Vec<u8>)]) -> Vec<u8> {
    let mut all = vec![Vec::new(); 12];
    all[PIECES] = vec![0; 3];
    varint(&mut all[PIECES], count);
    for _ in 0..count {
        all[PIECES].extend_from_slice(piece);
    }
    for (column, bytes) in columns {
        all[*column].clone_from(bytes);
    }
    block(2, &all)
}

/// A block, and how often it stands in a file: a hundred times more would cost minutes.
type Repeated = (Vec<u8>, usize);

/// What costs most for its bytes, each with what would unpack to too much.
fn costly() -> [(&'static str, Repeated); 5] {
    let size = 63 << 20;
    let described = |flags: u8, amount| {
        let mut piece = vec![flags, 2, 2, 1];
        varint(&mut piece, amount);
        piece
    };
    let pieces = 1 << 17;
    let whole = [
        (KINDS, [0x00, 0xE0].repeat(pieces)),
        (STARTS, vec![0; pieces]),
        (VERSIONS, [1, 1, 0].repeat(pieces)),
        (SIZES, vec![0; 2 * pieces]),
        (WHOLES, vec![0; 8 * pieces]),
    ];
    let body = vec![Vec::new(), Vec::new(), Vec::new(), vec![0; size]];
    // One record as it is; one of as many items; cut off before their first item; whole sessions.
    [
        ("blocks", (records(1, &described(4 | 16, size), &[(ROWS, vec![0; size])]), 8)),
        ("items", (records(1, &described(4, size), &[(KINDS, vec![0x60; size])]), 8)),
        ("descriptions of pieces", (records(pieces, &described(4, 0), &[]), 20)),
        ("descriptions of pieces", (records(pieces, &[3, 2, 2], &whole), 20)),
        ("blocks", (block(4, &body), 8)),
    ]
}

#[test]
fn a_small_trace_that_unpacks_to_more_than_its_size_allows_is_not_read_whole() {
    let (trace, starts) = recorded();
    let scratch = Scratch::new("costly");
    let path = scratch.path().join("trace-0.tly");
    let name = path.to_str().unwrap();
    for (what, (block, count)) in costly() {
        // Its own blocks before them are read, and the index behind them too.
        let (start, index) = trace.split_at(first_of(3, &trace, &starts));
        let file = sealed(&[start, &block.repeat(count), index].concat());
        assert!(file.len() < 30_000, "{what}: {}", file.len());
        std::fs::write(&path, &file).unwrap();
        let limit = format!("is left out: with it the trace would unpack to {what} of more than ");
        let told = expect(1, &["trace", "check", name]);
        let place = told.split_once(&limit).map(|(before, _)| before);
        let place = place.and_then(|before| before.rsplit_once("the block at byte "));
        let place: usize = place.unwrap().1.trim().parse().unwrap();
        assert!(place >= start.len() && file[place..].starts_with(b"\x89TLY"), "{told}");
        assert!(told.contains(" for each byte of the file"), "{told}");
    }
    // The last one is still there: every command reads what is before it, and says so.
    let listed = expect(1, &["sessions", name, "--failing", "--json"]);
    assert_eq!(listed.matches("unexpected status 503").count(), 40, "{listed}");
    assert!(expect(1, &["replay", name, "--all"]).contains("40 exact"));
    assert!(expect(1, &["trace", "recover", name]).contains(" is left out: with it the trace"));
}

#[test]
fn of_many_blocks_that_say_what_cannot_be_a_hundred_are_named() {
    let (trace, starts) = recorded();
    let (start, index) = trace.split_at(first_of(3, &trace, &starts));
    let scratch = Scratch::new("many");
    let path = scratch.path().join("trace-0.tly");
    std::fs::write(&path, sealed(&[start, &block(2, &[]).repeat(2_000), index].concat())).unwrap();
    let told = expect(1, &["trace", "check", path.to_str().unwrap()]);
    assert_eq!(told.matches("says what cannot be").count(), 100, "{told}");
}
