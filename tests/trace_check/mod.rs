//! What holds for any bytes as a trace or a capsule: shared by the fuzz targets and the corpus
//! test.
#![allow(dead_code, unreachable_pub, reason = "each user takes its own part")]

use std::collections::BTreeMap;
use std::io::Cursor;
use std::ops::ControlFlow;
use std::rc::Rc;

use tallyho_replay::flow::{Definition, Flow, compile};
use tallyho_replay::replayer::{ReplayEnd, replay};
use tallyho_replay::trace::{
    Batch, Found, FoundEnd, Header, NotRecorded, Piece, PieceEnd, ScenarioHeader, TraceError,
    TraceReader, TraceWriter, Wanted, WorkerCounts, recover,
};
use tallyho_replay::{Bot, BotType, Who};
use xxhash_rust::xxh3::xxh3_64;

/// Any bytes as a file: no panic, and what is read once is read the same again. A checksum keeps
/// changed bytes out, so they are also read as blocks under right ones.
pub fn check_trace_file(input: &[u8]) {
    check_file(input);
    check_file(&sealed(input));
}

fn check_file(bytes: &[u8]) {
    let Ok(mut reader) = TraceReader::open(Cursor::new(bytes)) else { return };
    let sessions = sessions(&mut reader);
    let counted = reader.count().expect("bytes in memory");
    let _true_or_not = reader.totals().map(|totals| (totals.adds_up(), totals.not_recorded.sum()));
    let mut again = TraceReader::open(Cursor::new(bytes)).expect("as before");
    assert_eq!(self::sessions(&mut again), sessions, "reading changes nothing");
    for who in sessions.keys().take(3) {
        let latest = again.latest(*who).expect("bytes in memory");
        assert!(latest.is_none_or(|latest| latest.who == *who));
        let kept = again.exchange(*who).expect("bytes in memory");
        assert!(kept.is_none_or(|kept| kept.who == *who));
    }
    check_rewritten(&reader, &sessions);
    check_recovered(bytes, reader.damages().is_empty().then_some(counted.exact));
}

fn check_rewritten(reader: &TraceReader<Cursor<&[u8]>>, sessions: &BTreeMap<Who, Found>) {
    let Some(written) = rewritten(reader.header(), sessions) else { return };
    let mut copy = TraceReader::open(Cursor::new(written.as_slice())).expect("a trace");
    assert!(copy.damages().is_empty() && copy.torn().is_none());
    for (who, found) in self::sessions(&mut copy) {
        assert_eq!(found.record, sessions[&who].record, "{who}");
    }
}

/// A recovered trace is a trace of the same sessions, and one that is damaged is left as it is.
fn check_recovered(bytes: &[u8], exact: Option<u64>) {
    let mut reader = TraceReader::open(Cursor::new(bytes)).expect("as before");
    let mut file = bytes.to_vec();
    let totals = recover(&mut reader, |end| {
        file.truncate(usize::try_from(end).expect("no longer than the file"));
        Ok(&mut file)
    });
    let Some(exact) = exact else {
        assert!(matches!(totals, Err(TraceError::Damaged)), "{totals:?}");
        assert!(file == bytes, "left as it is");
        return;
    };
    let totals = totals.expect("bytes in memory");
    let copy = TraceReader::open(Cursor::new(file.as_slice())).expect("a trace");
    assert!(copy.torn().is_none() && copy.totals() == Some(totals));
    assert_eq!(totals.exact, exact);
}

/// Any bytes as a capsule: its sessions are replayed with the bots that it names.
pub fn check_capsule(input: &[u8]) {
    // A bot's panic is a part of its session.
    std::panic::set_hook(Box::new(|_| {}));
    replay_all(input);
    replay_all(&sealed(input));
}

fn replay_all(bytes: &[u8]) {
    let Ok(mut reader) = TraceReader::open(Cursor::new(bytes)) else { return };
    let header = reader.header().clone();
    let Ok(facts) = header.facts() else { return };
    let facts = Rc::new(facts);
    let found = sessions(&mut reader);
    for scenario in &header.scenarios {
        let Some(bot) = bot(scenario).map(Rc::new) else { continue };
        for found in found.values().filter(|found| found.who.scenario == scenario.key) {
            let _differs_or_not = replay(&bot, &facts, &found.record);
        }
    }
}

/// Replays what a changed capsule holds, its checksums made right. A session whose record is not
/// the original's must not replay to its end; whether all are as they were.
pub fn replayed_under_right_checksums(original: &[u8], changed: &[u8]) -> bool {
    let (original, changed) = (sealed(original), sealed(changed));
    let mut original = TraceReader::open(Cursor::new(original.as_slice())).expect("a capsule");
    let known = sessions(&mut original);
    let Ok(mut reader) = TraceReader::open(Cursor::new(changed.as_slice())) else { return false };
    let header = original.header().clone();
    let facts = Rc::new(header.facts().expect("as it was recorded"));
    let found = sessions(&mut reader);
    for found in found.values() {
        let scenario = header.scenario(found.who.scenario).unwrap_or(&header.scenarios[0]);
        let bot = Rc::new(bot(scenario).expect("as it was recorded"));
        let replayed = replay(&bot, &facts, &found.record);
        let is_whole = replayed.is_ok_and(|replayed| {
            replayed.who == found.who && matches!(replayed.end, ReplayEnd::Whole { .. })
        });
        let is_known = known.values().any(|known| known.record == found.record);
        assert!(!is_whole || is_known, "{}: a changed record replays to its end", found.who);
    }
    found == known
}

fn bot(scenario: &ScenarioHeader) -> Option<BotType> {
    if scenario.bot == Flow::NAME {
        let definition: Definition = serde_json::from_value(scenario.config.clone()).ok()?;
        return Some(BotType::new::<Flow>(Rc::new(compile(&definition).ok()?)));
    }
    tallyho_bots::registry().bot(&scenario.bot, &scenario.config.to_string())?.ok()
}

fn sessions(reader: &mut TraceReader<Cursor<&[u8]>>) -> BTreeMap<Who, Found> {
    let mut all = BTreeMap::new();
    reader
        .sessions(&Wanted::default(), |found| {
            all.insert(found.who, found);
            ControlFlow::Continue(())
        })
        .expect("bytes in memory");
    all
}

/// The same sessions written again; nothing if a header grew beyond what a block holds.
fn rewritten(header: &Header, sessions: &BTreeMap<Who, Found>) -> Option<Vec<u8>> {
    let mut writer = TraceWriter::new(Vec::new(), header).ok()?;
    for found in sessions.values() {
        let piece = Piece {
            who: found.who,
            number: 0,
            start: None,
            size: found.record.len(),
            end: if found.end == FoundEnd::Whole { PieceEnd::Whole } else { PieceEnd::Cut },
            signature: found.signature.clone(),
        };
        let counts = WorkerCounts::default();
        let batch =
            Batch { bytes: found.record.clone(), pieces: vec![piece], counts, ..Batch::default() };
        writer.write(&batch).expect("memory");
    }
    let (_, closed) = writer.finish(sessions.len() as u64, NotRecorded::default());
    closed.expect("memory");
    Some(std::mem::take(writer.get_mut()))
}

const MAGIC: &[u8] = b"\x89TLY";
const HEAD_BYTES: usize = 32;

/// The input's blocks as a writer would have put them: numbered, as long as they say, under right
/// checksums. What a fuzzer changes in a trace then gets to whoever reads the block.
pub fn sealed(input: &[u8]) -> Vec<u8> {
    let mut file = Vec::new();
    let mut previous = [0; 8];
    let mut starts: Vec<usize> =
        (0..input.len()).filter(|at| input[*at..].starts_with(MAGIC)).collect();
    starts.push(input.len());
    for (sequence, block) in (0_u32..).zip(starts.windows(2)) {
        let block = &input[block[0]..block[1]];
        let (head, payload) = block.split_at(block.len().min(HEAD_BYTES));
        let payload = fitted(payload);
        let mut head = head.to_vec();
        head.resize(HEAD_BYTES, 0);
        head[7] = 0;
        head[8..12].copy_from_slice(&u32::try_from(payload.len()).unwrap_or(0).to_le_bytes());
        head[12..16].copy_from_slice(&sequence.to_le_bytes());
        head[16..24].copy_from_slice(&previous);
        let checked = [&head[..24], &payload].concat();
        previous = xxh3_64(&checked).to_le_bytes();
        head[24..].copy_from_slice(&previous);
        file.extend_from_slice(&head);
        file.extend_from_slice(&payload);
    }
    file
}

/// A payload whose columns are together as long as it is: the last one is cut or grows. One with a
/// compressed column is left alone.
fn fitted(payload: &[u8]) -> Vec<u8> {
    let Some((&count, mut rest)) = payload.split_first() else { return Vec::new() };
    let mut sizes = Vec::new();
    for _ in 0..count {
        match (varint(&mut rest), varint(&mut rest)) {
            (Some(size), Some(0)) => sizes.push(size),
            _ => return payload.to_vec(),
        }
    }
    let mut fitted = vec![count];
    let mut left = rest.len();
    for (index, size) in sizes.iter().enumerate() {
        let is_last = index + 1 == sizes.len();
        let mut size = if is_last { left } else { left.min(*size) };
        left -= size;
        while size > 0x7F {
            fitted.push(0x80 | u8::try_from(size & 0x7F).expect("seven bits"));
            size >>= 7;
        }
        fitted.extend([u8::try_from(size).expect("seven bits"), 0]);
    }
    fitted.extend_from_slice(rest);
    fitted
}

fn varint(bytes: &mut &[u8]) -> Option<usize> {
    let mut value = 0;
    for shift in (0..35).step_by(7) {
        let (&byte, rest) = bytes.split_first()?;
        *bytes = rest;
        value |= usize::from(byte & 0x7F) << shift;
        if byte & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}
