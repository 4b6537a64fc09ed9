//! What holds for any bytes as a trace or a capsule: shared by the fuzz targets and the corpus
//! test.
#![allow(dead_code, unreachable_pub, reason = "each user takes its own part")]

use std::collections::BTreeMap;
use std::io::Cursor;
use std::ops::ControlFlow;
use std::rc::Rc;

use tallyho_replay::flow::{Definition, Flow, compile};
use tallyho_replay::replayer::replay;
use tallyho_replay::trace::{
    Batch, Found, FoundEnd, Header, NotRecorded, Piece, PieceEnd, ScenarioHeader, TraceReader,
    TraceWriter, Wanted, WorkerCounts,
};
use tallyho_replay::{Bot, BotType, Who};
use xxhash_rust::xxh3::xxh3_64;

/// Any bytes as a file: no panic, and what is read once is read the same again.
pub fn check_trace_file(input: &[u8]) {
    check_file(input);
    // The checksum keeps fuzzers out, so the input is also a payload under a right one.
    for kind in [2, 3, 4] {
        check_file(&sealed(kind, input));
    }
}

fn check_file(bytes: &[u8]) {
    let Ok(mut reader) = TraceReader::open(Cursor::new(bytes)) else { return };
    let sessions = sessions(&mut reader);
    let _counted = reader.count().expect("bytes in memory");
    let mut again = TraceReader::open(Cursor::new(bytes)).expect("as before");
    assert_eq!(self::sessions(&mut again), sessions, "reading changes nothing");
    let written = rewritten(reader.header(), &sessions);
    let mut copy = TraceReader::open(Cursor::new(written.as_slice())).expect("a trace");
    assert!(copy.damages().is_empty() && copy.torn().is_none());
    for (who, found) in self::sessions(&mut copy) {
        assert_eq!(found.record, sessions[&who].record, "{who}");
    }
}

/// Any bytes as a capsule: its sessions are replayed with the bots that it names.
pub fn check_capsule(input: &[u8]) {
    let Ok(mut reader) = TraceReader::open(Cursor::new(input)) else { return };
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

fn rewritten(header: &Header, sessions: &BTreeMap<Who, Found>) -> Vec<u8> {
    let mut writer = TraceWriter::new(Vec::new(), header).expect("memory");
    for found in sessions.values() {
        let piece = Piece {
            who: found.who,
            number: 0,
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
    std::mem::take(writer.get_mut())
}

/// A file of a header and one block of that kind with this payload.
fn sealed(kind: u8, payload: &[u8]) -> Vec<u8> {
    let mut writer = TraceWriter::new(Vec::new(), &Header::default()).expect("memory");
    writer.begin().expect("memory");
    let mut file = std::mem::take(writer.get_mut());
    let previous: [u8; 8] = file[24..32].try_into().expect("8 bytes");
    let mut head = b"\x89TLY\x01\0\0\0".to_vec();
    head[6] = kind;
    head.extend_from_slice(&u32::try_from(payload.len()).unwrap_or(0).to_le_bytes());
    head.extend_from_slice(&1_u32.to_le_bytes());
    head.extend_from_slice(&previous);
    let checksum = xxh3_64(&[&head, payload].concat());
    head.extend_from_slice(&checksum.to_le_bytes());
    file.extend_from_slice(&head);
    file.extend_from_slice(payload);
    file
}
