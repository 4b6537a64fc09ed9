//! The laws of the trace file: what is written is read, whatever happens to the bytes is seen, and
//! what a former build wrote is read for ever.

#![expect(clippy::cast_possible_truncation, reason = "small numbers, or any bits will do")]
#![expect(clippy::disallowed_methods, reason = "golden files")]

mod support;

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Cursor, Read, Seek, SeekFrom};
use std::ops::ControlFlow;
use std::rc::Rc;
use std::time::Duration;

use tallyho_replay::replayer::{ReplayEnd, replay};
use tallyho_replay::trace::record::Asked;
use tallyho_replay::trace::{
    Batch, FORMAT_VERSION, Found, FoundEnd, Header, KeptExchange, NotRecorded, Piece, PieceEnd,
    SESSION_BYTES_MAX, ScenarioHeader, Totals, TraceError, TraceReader, TraceWriter, Wanted,
    WorkerCounts, recover,
};
use tallyho_replay::{
    Bot, BotType, Context, Failure, Outcome, ReadError, Recording, RunFacts, Secret, Session, Who,
    site,
};
use xxhash_rust::xxh3::xxh3_64;

use support::{Lived, World, for_each_seed, random};

const SEED: u64 = 5;

/// Failing exchanges in a trace: more of them make tests of every byte slow, and say no more.
const EXCHANGES_MAX: usize = 2;

/// Browses a few pages, with think times, reads and checks.
struct Browser {
    carry: u32,
}

impl Bot for Browser {
    const NAME: &'static str = "browser";
    type Config = ();
    type Carry = u32;

    fn new(_: Rc<()>, _: Who, carry: u32) -> Self {
        Self { carry }
    }

    async fn session(&mut self, ctx: &mut Context) -> Outcome {
        self.carry += 1;
        for page in 0..ctx.draw(site!("pages")).between(1..=5) {
            let path = format!("/pages/{page}?n={}", self.carry);
            let sent = ctx.get(&path).name("page").send().await;
            if let Ok(response) = sent
                && let Ok(id) = response.pointer::<u64>("/id")
            {
                ctx.check("id is small", id < 990);
                let _ = response.pointer::<Secret>("/token");
            }
            ctx.sleep(ctx.draw(site!("think")).exponential(Duration::from_secs(1))).await;
        }
        if ctx.draw(site!("fails")).chance(1, 5) {
            return Outcome::Failed("out of luck".into());
        }
        Outcome::Done
    }

    fn carry(self) -> u32 {
        self.carry
    }
}

fn bot() -> Rc<BotType> {
    Rc::new(BotType::new::<Browser>(Rc::new(())))
}

fn facts() -> Rc<RunFacts> {
    support::run_facts(SEED)
}

fn header() -> Header {
    Header {
        run: "20260102-030405-abcdef".to_owned(),
        scenarios: vec![ScenarioHeader {
            name: "browse".to_owned(),
            key: 1,
            bot: "browser".to_owned(),
            bot_version: 1,
            config: serde_json::Value::Null,
        }],
        ..Header::new(&facts())
    }
}

/// Sessions of a few bots, as they were lived.
fn live(seed: u64, bots: u64, sessions: u64) -> Vec<(Lived, Option<String>)> {
    live_and_take(seed, bots, sessions, false)
}

/// As [`live`]; their records may be taken as a worker takes them.
fn live_and_take(
    seed: u64,
    bots: u64,
    sessions: u64,
    takes_pieces: bool,
) -> Vec<(Lived, Option<String>)> {
    let mut all = Vec::new();
    for number in 0..bots {
        let mut session = support::session(&bot(), &facts());
        session.set_recording(Recording::On);
        let mut world = World { takes_pieces, ..World::new(seed * 1_000 + number) };
        for count in 0..sessions {
            let who = Who { scenario: 1, bot: number * 3, session: count };
            let lived = world.live(&mut session, who);
            let signature = session.first_failure().map(|fault| fault.kind.to_string());
            all.push((lived, signature));
        }
    }
    all
}

/// Sessions with all that a record may hold: those of set-up and of another scenario, what set-up
/// handed over, and what nobody can read, which is kept as it is.
fn live_all_kinds(seed: u64) -> Vec<(Lived, Option<String>)> {
    let mut session = support::session(&bot(), &facts());
    session.set_recording(Recording::On);
    let mut world = World::new(seed);
    let mut all = live(seed, 1, 3);
    for (scenario, bot) in [(1, u64::MAX), (1, u64::MAX - 1), (2, 7)] {
        let lived = world.live(&mut session, Who { scenario, bot, session: 0 });
        let signature = session.first_failure().map(|fault| fault.kind.to_string());
        all.push((lived, signature));
        world.setup = Some(Rc::from(&br#"{"event":17}"#[..]));
    }
    let who = Who { scenario: 2, bot: 8, session: 0 };
    let mut unreadable = world.live(&mut session, who);
    unreadable.record.extend_from_slice(&[0x7F; 40]);
    *unreadable.ends.last_mut().expect("a step") += 40;
    all.push((unreadable, Some("it cannot be read".to_owned())));
    all
}

/// What was kept of how that session failed.
fn kept(lived: &Lived) -> KeptExchange {
    let text = format!("POST /{} HTTP/1.1\r\nHost: a\r\n\r\n", lived.who.bot);
    KeptExchange {
        who: lived.who,
        step: 1,
        request_size: text.len() as u64,
        request: text.into_bytes(),
        status: 503,
        head: b"Content-Type: text/plain\r\n".to_vec(),
        body: b"busy ".repeat(12),
        body_size: 60,
        failure: None,
    }
}

/// Where each block ends.
fn block_ends(bytes: &[u8]) -> Vec<usize> {
    let mut ends = Vec::new();
    let mut at = 0;
    while at < bytes.len() {
        let size = bytes[at + 8..].first_chunk().expect("a head");
        at += 32 + u32::from_le_bytes(*size) as usize;
        ends.push(at);
    }
    ends
}

/// What is in a trace that was written, and where each of its blocks ends.
struct Written {
    bytes: Vec<u8>,
    ends: Vec<usize>,
    sessions: BTreeMap<Who, (Vec<u8>, Option<String>)>,
    exchanges: BTreeMap<Who, KeptExchange>,
    /// The batch in which a session starts.
    first_batch: BTreeMap<Who, usize>,
    /// The last block that it has a piece in.
    last_block: BTreeMap<Who, usize>,
    totals: Totals,
}

/// Writes sessions, each in one or more pieces, a few pieces a batch.
fn written(seed: u64, lived: &[(Lived, Option<String>)], pieces_per_batch: usize) -> Written {
    let mut writer = TraceWriter::new(Vec::new(), &header()).expect("memory");
    let mut batch = Batch::default();
    let mut ends = Vec::new();
    let mut n = 0;
    let mut batches = 0;
    let (mut first_batch, mut last_block) = (BTreeMap::new(), BTreeMap::new());
    writer.begin().expect("memory");
    ends.push(writer.bytes() as usize);
    let mut exchanges = BTreeMap::new();
    let mut flush = |batch: &mut Batch, ends: &mut Vec<usize>| {
        writer.write(batch).expect("memory");
        *ends = block_ends(writer.get_mut());
        batch.clear();
    };
    for (index, (session, signature)) in lived.iter().enumerate() {
        let mut from = 0;
        let mut number = 0;
        for (step, end) in session.ends.iter().enumerate() {
            n += 1;
            let is_last = step + 1 == session.ends.len();
            if !is_last && !random(seed, n).chance(1, 6) {
                continue;
            }
            batch.bytes.extend_from_slice(&session.record[from..*end]);
            batch.pieces.push(Piece {
                who: session.who,
                number,
                start: session.start.filter(|_| number == 0),
                size: end - from,
                end: if is_last { PieceEnd::Whole } else { PieceEnd::Open },
                signature: signature.clone().filter(|_| is_last),
            });
            first_batch.entry(session.who).or_insert(batches);
            last_block.insert(session.who, ends.len());
            if is_last && signature.is_some() && exchanges.len() < EXCHANGES_MAX {
                batch.exchanges.push(kept(session));
                exchanges.insert(session.who, kept(session));
            }
            (from, number) = (*end, number + 1);
            batch.counts = WorkerCounts { started: index as u64 + 1, ..WorkerCounts::default() };
            if batch.pieces.len() >= pieces_per_batch {
                flush(&mut batch, &mut ends);
                batches += 1;
            }
        }
    }
    flush(&mut batch, &mut ends);
    let (totals, closed) = writer.finish(lived.len() as u64, NotRecorded::default());
    closed.expect("memory");
    let bytes = std::mem::take(writer.get_mut());
    ends.push(bytes.len());
    let sessions = lived
        .iter()
        .map(|(lived, signature)| (lived.who, (lived.record.clone(), signature.clone())));
    let sessions = sessions.collect();
    Written { bytes, ends, sessions, exchanges, first_batch, last_block, totals }
}

fn open(bytes: &[u8]) -> Result<TraceReader<Cursor<&[u8]>>, TraceError> {
    TraceReader::open(Cursor::new(bytes))
}

fn all(reader: &mut TraceReader<Cursor<&[u8]>>, wanted: &Wanted) -> BTreeMap<Who, Found> {
    let mut found = BTreeMap::new();
    let read = reader.sessions(wanted, |session| {
        assert!(found.insert(session.who, session).is_none(), "a session comes once");
        ControlFlow::Continue(())
    });
    read.expect("bytes in memory");
    found
}

/// Replays what was found; whether it was exact to the end, and up to how many steps.
fn replays(found: &Found) -> Option<(bool, u32)> {
    let facts = Rc::new(header().facts().expect("as written"));
    let replayed = replay(&bot(), &facts, &found.record).ok()?;
    Some((matches!(replayed.end, ReplayEnd::Whole { .. }), replayed.steps))
}

#[test]
fn what_is_written_is_read_and_replays() {
    support::silence_panics_of_bots();
    for_each_seed(30, |seed| {
        let lived = live(seed, 1 + seed % 5, 6);
        let trace = written(seed, &lived, 1 + (seed % 17) as usize);
        let mut reader = open(&trace.bytes).expect("a trace");
        assert_eq!(*reader.header(), header());
        let found = all(&mut reader, &Wanted::default());
        assert_eq!(found.len(), trace.sessions.len());
        for (who, found) in &found {
            let (record, signature) = &trace.sessions[who];
            assert_eq!((&found.record, &found.signature), (record, signature), "{who}");
            assert_eq!(found.end, FoundEnd::Whole);
            assert!(replays(found).expect("no difference").0, "{who}");
        }
        assert!(reader.damages().is_empty() && reader.torn().is_none());
        assert_eq!(reader.totals(), Some(trace.totals));
        assert_eq!(reader.count().expect("bytes in memory"), trace.totals);
        assert!(trace.totals.adds_up() && trace.totals.exact == lived.len() as u64);
    });
}

#[test]
fn a_start_that_is_told_beside_the_bytes_is_read_as_a_part_of_the_record() {
    for seed in 0..20 {
        let (lived, taken) = (live(seed, 4, 5), live_and_take(seed, 4, 5, true));
        // A bot's first session carries nothing, its later ones do.
        let told = taken.iter().filter(|(lived, _)| lived.start.is_some()).count();
        assert!((4..20).contains(&told), "{told}, seed {seed}");
        let (whole, written) = (written(seed, &lived, 7), written(seed, &taken, 7));
        assert_eq!(written.bytes, whole.bytes, "seed {seed}");
        let found = all(&mut open(&written.bytes).expect("a trace"), &Wanted::default());
        assert_eq!(found.len(), lived.len());
        for (lived, _) in &lived {
            assert!(found[&lived.who].record == lived.record, "{}, seed {seed}", lived.who);
        }
    }
}

#[test]
fn one_session_is_found_with_and_without_an_index() {
    for_each_seed(10, |seed| {
        let lived = live(seed, 3, 8);
        let trace = written(seed, &lived, 5);
        let without = &trace.bytes[..trace.ends[trace.ends.len() - 2]];
        for bytes in [&trace.bytes[..], without] {
            let mut reader = open(bytes).expect("a trace");
            for (lived, signature) in &lived {
                let wanted = Wanted {
                    bot: Some(lived.who.bot),
                    session: Some(lived.who.session),
                    ..Wanted::default()
                };
                let found = all(&mut reader, &wanted);
                assert_eq!(found.len(), 1);
                assert_eq!(found[&lived.who].record, lived.record);
                assert_eq!(found[&lived.who].signature, *signature);
            }
            let wanted = Wanted { bot: Some(1), session: Some(0), ..Wanted::default() };
            assert!(all(&mut reader, &wanted).is_empty(), "there is no bot 1");
            let failing = Wanted { failing: true, ..Wanted::default() };
            let failed = lived.iter().filter(|(_, signature)| signature.is_some()).count();
            assert_eq!(all(&mut reader, &failing).len(), failed);
        }
    });
}

/// A small trace with a block of every kind, and the kinds by their numbers.
fn written_all_kinds(seed: u64) -> Written {
    let trace = written(seed, &live_all_kinds(seed), 4);
    let starts = std::iter::once(0).chain(trace.ends.iter().copied());
    let kinds: BTreeSet<u8> =
        starts.filter(|at| *at < trace.bytes.len()).map(|at| trace.bytes[at + 6]).collect();
    assert_eq!(kinds, BTreeSet::from([1, 2, 3, 4]), "the kinds of docs/trace.md");
    trace
}

/// The kept exchanges of a trace, as far as they are still there.
fn exchanges(
    reader: &mut TraceReader<Cursor<&[u8]>>,
    trace: &Written,
) -> BTreeMap<Who, KeptExchange> {
    let found = trace.exchanges.keys().filter_map(|who| {
        let exchange = reader.exchange(*who).expect("bytes in memory")?;
        Some((*who, exchange))
    });
    found.collect()
}

#[test]
fn a_sample_of_blocks_gives_the_whole_sessions_that_start_in_them() {
    for_each_seed(20, |seed| {
        let trace = written(seed, &live(seed, 3, 8), 1 + (seed % 5) as usize);
        let every = 2 + (seed % 3) as usize;
        let found =
            all(&mut open(&trace.bytes).expect("a trace"), &Wanted { every, ..Wanted::default() });
        for (who, (record, _)) in &trace.sessions {
            let is_in = trace.first_batch[who].is_multiple_of(every);
            let expected = is_in.then_some(record);
            assert_eq!(found.get(who).map(|found| &found.record), expected, "{who}");
        }
        assert!(found.values().all(|found| found.end == FoundEnd::Whole));
        assert!(!found.is_empty() && found.len() < trace.sessions.len());
    });
}

#[test]
fn a_flip_of_any_byte_is_seen_and_names_its_place() {
    let trace = written_all_kinds(1);
    for at in 0..trace.bytes.len() {
        for flip in [0x01, 0x80, 0xFF] {
            let mut bytes = trace.bytes.clone();
            bytes[at] ^= flip;
            let Ok(mut reader) = open(&bytes) else {
                assert!(at < trace.ends[0], "byte {at}: only without its header it is no trace");
                continue;
            };
            let found = all(&mut reader, &Wanted::default());
            let places = reader.damages().iter().map(|d| d.offset..d.offset + d.bytes.max(1));
            let torn = reader.torn().map(|torn| torn.offset..torn.offset + torn.bytes);
            let named = places.chain(torn).any(|place| place.contains(&(at as u64)));
            assert!(named, "byte {at} ^ {flip:#x}: {:?} {:?}", reader.damages(), reader.torn());
            // Whatever is still there is right as far as it goes.
            for (who, found) in found {
                assert!(trace.sessions[&who].0.starts_with(&found.record), "byte {at}: {who}");
            }
            for (who, exchange) in exchanges(&mut reader, &trace) {
                assert_eq!(exchange, trace.exchanges[&who], "byte {at}: {who}");
            }
        }
    }
}

#[test]
fn a_trace_cut_at_any_byte_keeps_every_session_wholly_before_the_cut() {
    let trace = written_all_kinds(2);
    let unreadable = Who { scenario: 2, bot: 8, session: 0 };
    for cut in 0..trace.bytes.len() {
        let mut reader = match open(&trace.bytes[..cut]) {
            Ok(reader) => reader,
            Err(TraceError::NoHeader | TraceError::NoTrace) if cut < trace.ends[0] => continue,
            Err(error) => panic!("cut at {cut}: {error}"),
        };
        let whole_blocks = trace.ends.iter().filter(|end| **end <= cut).count();
        let torn = cut - trace.ends[whole_blocks - 1];
        assert_eq!(reader.torn().map_or(0, |torn| torn.bytes), torn as u64, "cut at {cut}");
        assert!(reader.damages().is_empty(), "cut at {cut}: {:?}", reader.damages());
        let found = all(&mut reader, &Wanted::default());
        for (who, (record, _)) in &trace.sessions {
            let Some(found) = found.get(who) else {
                assert!(trace.last_block[who] >= whole_blocks, "cut at {cut}: {who} is lost");
                continue;
            };
            if *who == unreadable {
                let is_there = trace.last_block[who] < whole_blocks;
                assert_eq!(found.record == *record, is_there, "cut at {cut}");
                continue;
            }
            let (is_whole, steps) = replays(found).expect("no difference");
            if trace.last_block[who] < whole_blocks {
                assert!(is_whole && found.record == *record, "cut at {cut}: {who}");
            } else {
                assert!(!is_whole && steps > 0, "cut at {cut}: {who}");
                assert_eq!(found.end, FoundEnd::Open);
            }
        }
        let kept = exchanges(&mut reader, &trace);
        let is_exchange = |end: &&usize| trace.bytes[**end + 6] == 4;
        let before = trace.ends[..whole_blocks - 1].iter().filter(is_exchange).count();
        assert_eq!(kept.len(), before, "cut at {cut}: exchanges wholly before it");
        assert!(kept.iter().all(|(who, exchange)| trace.exchanges[who] == *exchange));
    }
}

/// A file that grows while it is read.
#[derive(Clone, Default)]
struct Growing {
    bytes: Rc<RefCell<Vec<u8>>>,
    at: u64,
}

impl Read for Growing {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let bytes = self.bytes.borrow();
        let mut cursor = Cursor::new(bytes.as_slice());
        cursor.set_position(self.at);
        let read = cursor.read(into)?;
        self.at += read as u64;
        Ok(read)
    }
}

impl Seek for Growing {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let bytes = self.bytes.borrow();
        let mut cursor = Cursor::new(bytes.as_slice());
        cursor.set_position(self.at);
        self.at = cursor.seek(to)?;
        Ok(self.at)
    }
}

#[test]
fn a_trace_that_grows_is_followed_and_its_sessions_are_found_from_the_end() {
    for_each_seed(10, |seed| {
        let trace = written(seed, &live(seed, 3, 6), 4);
        let file = Growing::default();
        let (mut size, mut n) = (trace.ends[0], 0);
        file.bytes.borrow_mut().extend_from_slice(&trace.bytes[..size]);
        let mut reader = TraceReader::open(file.clone()).expect("a header");
        while size < trace.bytes.len() {
            size = trace.bytes.len().min(size + random(seed, n).between(1..=400) as usize);
            n += 1;
            *file.bytes.borrow_mut() = trace.bytes[..size].to_vec();
            reader.advance().expect("memory");
            let mut anew = open(&trace.bytes[..size]).expect("a trace");
            assert_eq!((reader.blocks(), reader.bytes()), (anew.blocks(), anew.bytes()));
            assert_eq!((reader.torn(), reader.damages()), (anew.torn(), anew.damages()));
            let all = all(&mut anew, &Wanted::default());
            for who in trace.sessions.keys() {
                let found = reader.latest(*who).expect("memory");
                assert_eq!(found.as_ref(), all.get(who), "{who} of {size} bytes");
            }
        }
        // The writer cuts off what it could not write.
        file.bytes.borrow_mut().truncate(trace.ends[1]);
        reader.advance().expect("memory");
        assert_eq!((reader.blocks(), reader.torn()), (2, None));
    });
}

#[test]
fn a_trace_that_was_cut_is_recovered_and_its_sums_add_up() {
    let trace = written(3, &live(3, 4, 4), 4);
    for cut in (trace.ends[0]..trace.bytes.len()).step_by(7) {
        let before = all(&mut open(&trace.bytes[..cut]).expect("a trace"), &Wanted::default());
        let mut reader = open(&trace.bytes[..cut]).expect("a trace");
        let mut bytes = trace.bytes[..cut].to_vec();
        let totals = recover(&mut reader, |end| {
            bytes.truncate(end as usize);
            Ok(&mut bytes)
        });
        let totals = totals.expect("memory");
        assert!(totals.adds_up(), "cut at {cut}: {totals:?}");
        let mut reader = open(&bytes).expect("a trace");
        assert!(reader.torn().is_none() && reader.damages().is_empty(), "cut at {cut}");
        assert_eq!(reader.totals(), Some(totals));
        assert_eq!(all(&mut reader, &Wanted::default()), before, "cut at {cut}");
    }
}

#[test]
fn garbage_gives_an_error_and_never_a_panic() {
    let trace = written(4, &live(4, 3, 4), 5);
    for_each_seed(400, |seed| {
        let mut draw = random(seed, 0);
        let mut bytes = trace.bytes.clone();
        for _ in 0..draw.between(1..=6) {
            let at = draw.below(bytes.len() as u64) as usize;
            let end = (at + draw.below(200) as usize).min(bytes.len());
            match draw.below(4) {
                0 => bytes[at] = draw.bits() as u8,
                1 => drop(bytes.drain(at..end)),
                2 => bytes.extend_from_within(at..end),
                _ => {
                    let piece = bytes[at..end].to_vec();
                    bytes.splice(at..at, piece);
                }
            }
        }
        if let Ok(mut reader) = open(&bytes) {
            let found = all(&mut reader, &Wanted::default());
            for (who, found) in found {
                assert!(trace.sessions[&who].0.starts_with(&found.record), "{who}");
            }
            let seen = !reader.damages().is_empty() || reader.torn().is_some();
            assert!(seen || bytes == trace.bytes, "a change was not seen");
        }
    });
}

#[test]
fn counts_that_no_run_reaches_are_an_error_and_never_a_panic() {
    let mut writer = TraceWriter::new(Vec::new(), &header()).expect("memory");
    for worker in 0..3 {
        let who = Who { scenario: 1, bot: worker.into(), session: 0 };
        let piece =
            Piece { who, number: 1, start: None, size: 0, end: PieceEnd::Cut, signature: None };
        let counts = WorkerCounts { worker, started: u64::MAX, not_recorded: u64::MAX };
        let batch = Batch { pieces: vec![piece], counts, ..Batch::default() };
        writer.write(&batch).expect("memory");
    }
    let bytes = std::mem::take(writer.get_mut());
    let mut reader = open(&bytes).expect("a trace");
    assert_eq!(reader.count().expect("bytes in memory").started, u64::MAX);
    let totals = recover(&mut reader, |_| Ok(Vec::new())).expect("memory");
    assert!(totals.adds_up() && totals.not_recorded.lost == u64::MAX, "{totals:?}");
    let not_recorded = NotRecorded { writer_behind: 1, ..totals.not_recorded };
    let hostile = Totals { exact: u64::MAX, not_recorded, ..totals };
    assert!(!hostile.adds_up() && hostile.not_recorded.sum() == u64::MAX);
}

#[test]
fn blocks_taken_out_or_exchanged_are_seen() {
    let trace = written(5, &live(5, 3, 4), 5);
    assert!(trace.ends.len() > 4, "{:?}", trace.ends);
    let block = |index: usize| &trace.bytes[trace.ends[index - 1]..trace.ends[index]];
    let rest = &trace.bytes[trace.ends[2]..];
    let start = &trace.bytes[..trace.ends[0]];
    for bytes in [
        [start, block(2), rest].concat(),
        [start, block(2), block(1), rest].concat(),
        [start, block(1), block(1), block(2), rest].concat(),
    ] {
        let reader = open(&bytes).expect("a trace");
        assert!(!reader.damages().is_empty());
    }
}

#[test]
fn a_newer_format_is_refused_with_a_clear_word() {
    let mut bytes = written(6, &live(6, 1, 1), 9).bytes;
    bytes[4] += 1;
    let error = open(&bytes).expect_err("refused");
    assert!(matches!(error, TraceError::Newer(2)), "{error}");
    assert!(error.to_string().contains("or a newer one"), "{error}");
    assert!(matches!(
        open(b"GET / HTTP/1.1\r\n\r\n and more text than that"),
        Err(TraceError::NoTrace)
    ));
    assert!(matches!(open(b""), Err(TraceError::NoHeader)));
}

/// A writer that fails as long as it is told to.
struct Full {
    bytes: Vec<u8>,
    is_full: bool,
}

impl io::Write for Full {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.is_full {
            return Err(io::ErrorKind::StorageFull.into());
        }
        self.bytes.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn what_could_not_be_written_is_counted_and_the_rest_goes_on() {
    let lived = live(7, 6, 4);
    let out = Full { bytes: Vec::new(), is_full: true };
    let mut writer = TraceWriter::new(out, &header()).expect("memory");
    assert!(writer.begin().is_err());
    for (index, (lived, _)) in lived.iter().enumerate() {
        writer.get_mut().is_full = index % 3 == 0;
        let half = lived.ends[0];
        let parts = [0..half, half..lived.record.len()];
        for (number, part) in parts.into_iter().enumerate() {
            if index % 4 == 1 && number == 1 {
                writer.get_mut().is_full = true;
            }
            let piece = Piece {
                who: lived.who,
                number: number as u32,
                start: None,
                size: part.len(),
                end: if number == 1 { PieceEnd::Whole } else { PieceEnd::Open },
                signature: None,
            };
            let counts = WorkerCounts { started: index as u64 + 1, ..WorkerCounts::default() };
            let bytes = lived.record[part].to_vec();
            let is_full = writer.get_mut().is_full;
            let result =
                writer.write(&Batch { bytes, pieces: vec![piece], counts, ..Batch::default() });
            assert_eq!(result.is_err(), is_full);
        }
    }
    writer.get_mut().is_full = false;
    let (totals, closed) = writer.finish(lived.len() as u64, NotRecorded::default());
    closed.expect("not full");
    assert!(totals.adds_up(), "{totals:?}");
    assert_eq!((totals.exact, totals.partial, totals.not_recorded.lost), (12, 4, 8));
    let bytes = std::mem::take(&mut writer.get_mut().bytes);
    let mut reader = open(&bytes).expect("a trace");
    let counted = reader.count().expect("bytes in memory");
    assert_eq!((counted.exact, counted.partial), (12, 4));
}

/// The numbers that stand in records are the format's: docs/trace.md lists them.
#[test]
fn the_numbers_of_the_format_are_those_of_its_description() {
    let path = format!("{}/../docs/trace.md", env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(path).expect("the description is in the repository");
    let row = |title: &str, words: &mut dyn Iterator<Item = (u8, &str)>| {
        let words: Vec<String> = words.map(|(number, word)| format!("{number} {word}")).collect();
        let row = format!("| {title} | {} |", words.join(", "));
        assert!(text.lines().any(|line| line == row), "{row}");
    };
    row("failed", &mut Failure::ALL.iter().map(|kind| (*kind as u8, kind.as_str())));
    let asked = [
        Asked::Json,
        Asked::Pointer,
        Asked::Header,
        Asked::Text,
        Asked::BodySize,
        Asked::Setup,
        Asked::Secret,
        Asked::Derive,
        Asked::Reveal,
        Asked::SetCookie,
    ];
    row("asked for as", &mut asked.iter().map(|asked| (*asked as u8, asked.as_str())));
    let errors = [
        ReadError::NoBody,
        ReadError::NotJson,
        ReadError::WrongShape,
        ReadError::Missing,
        ReadError::NotText,
        ReadError::TooLarge,
        ReadError::NotRecordable,
        ReadError::NoSetup,
        ReadError::NoSecret,
        ReadError::NotDecodable,
        ReadError::UnknownEncoding,
        ReadError::DecodedTooLarge,
    ];
    row("error of a read", &mut errors.iter().map(|error| (*error as u8, error.as_str())));
    assert!(text.contains(&format!("at most {} MiB", SESSION_BYTES_MAX >> 20)));
    assert!(text.contains(&format!("## The format, version {FORMAT_VERSION}")));
}

/// A trace of this format's first version, made with UPDATE_GOLDEN=1 once and kept.
#[test]
fn the_golden_trace_of_version_1_replays_for_ever() {
    let path = format!("{}/tests/golden/trace-v1.tly", env!("CARGO_MANIFEST_DIR"));
    if std::env::var_os("UPDATE_GOLDEN").is_some() && !std::path::Path::new(&path).exists() {
        std::fs::write(&path, written(8, &live(8, 4, 5), 6).bytes).expect("writable");
    }
    let bytes = std::fs::read(&path).expect("the golden trace is in the repository");
    let mut reader = open(&bytes).expect("a trace");
    let found = all(&mut reader, &Wanted::default());
    assert_eq!(found.len(), 20);
    for found in found.values() {
        assert!(replays(found).expect("no difference").0, "{}", found.who);
    }
    let totals = reader.totals().expect("closed");
    assert_eq!((totals.exact, totals.started), (20, 20));
}

/// Checksums of what is written for the same sessions, header and heads aside, which name the
/// build. Another version of zstd may pack otherwise: then UPDATE_GOLDEN=1, and nothing else.
#[test]
fn the_same_sessions_are_the_same_bytes_for_ever() {
    support::silence_panics_of_bots();
    let mut text = String::new();
    for seed in 0..40 {
        let lived = if seed % 4 == 0 { live_all_kinds(seed) } else { live(seed, 1 + seed % 5, 20) };
        let trace = written(seed, &lived, 1 + (seed * seed % 97) as usize);
        let ends = trace.ends.windows(2);
        let payloads: Vec<_> = ends.map(|ends| &trace.bytes[ends[0] + 32..ends[1]]).collect();
        let checksum = xxh3_64(&payloads.concat());
        text += &format!("{seed}: {} blocks, {checksum:016x}\n", payloads.len());
    }
    support::assert_golden("trace-bytes.txt", &text);
}

#[test]
fn a_session_of_one_request_takes_at_most_16_bytes() {
    struct One;
    impl Bot for One {
        const NAME: &'static str = "one";
        type Config = ();
        type Carry = ();
        fn new(_: Rc<()>, _: Who, (): ()) -> Self {
            Self
        }
        async fn session(&mut self, ctx: &mut Context) -> Outcome {
            let _ = ctx.get("/items").name("http://127.0.0.1:8080/items").send().await;
            Outcome::Done
        }
        fn carry(self) {}
    }
    let bot = Rc::new(BotType::new::<One>(Rc::new(())));
    let scratch = tallyho_replay::Scratch::new();
    let run = facts();
    let mut sessions: Vec<_> = (0..50).map(|_| Session::new(&bot, &run, &scratch)).collect();
    let mut writer = TraceWriter::new(Vec::new(), &header()).expect("memory");
    let mut batch = Batch::default();
    let mut world = World::new(1);
    let mut at_us = [1_000_000_u64; 50];
    for n in 0..50_000 {
        let session = &mut sessions[n % 50];
        let who = Who { scenario: 1, bot: n as u64 % 50, session: n as u64 / 50 };
        let start = tallyho_replay::Start {
            who,
            carry: tallyho_replay::Carry::Own,
            setup: None,
            at_us: at_us[n % 50],
            stopping: false,
        };
        session.start(start);
        at_us[n % 50] +=
            100 + world.draw().exponential(Duration::from_micros(200)).as_micros() as u64;
        let parts = tallyho_replay::ResponseParts { status: 200, ..Default::default() };
        let event = tallyho_replay::Event::Response(parts);
        session.step(tallyho_replay::Input { at_us: at_us[n % 50], stopping: false, event });
        let before = batch.bytes.len();
        session.take_record(&mut batch.bytes);
        let size = batch.bytes.len() - before;
        batch.pieces.push(Piece {
            who,
            number: 0,
            start: None,
            size,
            end: PieceEnd::Whole,
            signature: None,
        });
        if batch.bytes.len() > 128 * 1024 {
            writer.write(&batch).expect("memory");
            batch.clear();
        }
    }
    writer.write(&batch).expect("memory");
    let (totals, _) = writer.finish(50_000, NotRecorded::default());
    let per_request = writer.bytes() as f64 / totals.requests as f64;
    assert_eq!(totals.requests, 50_000);
    assert!(per_request < 14.0, "{per_request:.2} bytes per request");
    println!("{per_request:.2} bytes per request");
}
