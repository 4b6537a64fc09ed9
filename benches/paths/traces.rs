//! Sessions recorded, written and replayed.

use std::hint::black_box;
use std::rc::Rc;

use tallyho_replay::replayer::replay;
use tallyho_replay::trace::{Batch, Header, Piece, PieceEnd, TraceWriter, WorkerCounts};
use tallyho_replay::{BotType, Recording};

use super::sessions::{Played, TWO_CAPTURES, declared, facts};
use super::{BODY, Path};

/// A session of a hundred requests with a status to check.
const HUNDRED: &str = r#"{"variables": {"n": 0}, "steps": [{"while": "n < 100", "max": 100,
    "steps": [{"get": "/items", "check": {"ok": "status == 200"}}, {"set": {"n": "${n + 1}"}}]}]}"#;

/// A declared session with its record taken, as a worker does it.
fn appended(name: &str, scenario: &str) -> Path {
    let mut played = Played::new(declared(scenario), Recording::On, BODY);
    let (tap, mut batch) = (played.session.tap(), Batch::default());
    Path::new(format!("trace append/{name}"), move || {
        batch.clear();
        played.play();
        tap.take_piece(&mut batch.bytes)
    })
}

/// Sessions of so many bots, each a piece of its own. Bots take turns, as a server answers them;
/// no two answers take the same time.
fn batch(scenario: &str, bots: u64, sessions: u32) -> Batch {
    let played = |bot| {
        let mut played = Played::new(declared(scenario), Recording::On, BODY);
        played.bot = bot;
        played
    };
    let mut played: Vec<Played> = (0..bots).map(played).collect();
    let started = u64::from(sessions);
    let mut batch =
        Batch { counts: WorkerCounts { worker: 0, started, not_recorded: 0 }, ..Batch::default() };
    for number in 0..started {
        let before = batch.bytes.len();
        let played = &mut played[usize::try_from(number % bots).expect("few bots")];
        played.wait_us = 300 + (number.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 58);
        played.play();
        let start = played.session.tap().take_piece(&mut batch.bytes);
        batch.pieces.push(Piece {
            who: played.session.who(),
            number: 0,
            start,
            size: batch.bytes.len() - before,
            end: PieceEnd::Whole,
            signature: None,
        });
    }
    batch
}

/// The writer's side: columns, compression and checksum of a whole batch.
fn written(bots: u64) -> Path {
    const SESSIONS: u32 = 2_000;
    let batch = batch(r#"{"steps": [{"get": "/items?x=1"}]}"#, bots, SESSIONS);
    let mut writer =
        TraceWriter::new(std::io::sink(), &Header::default()).expect("a sink takes all");
    writer.begin().expect("a sink takes all");
    Path::new(format!("trace append/written: 2,000 sessions of {bots} bot(s)"), move || {
        writer.write(black_box(&batch)).expect("a sink takes all");
    })
    .of(u64::from(SESSIONS))
}

fn replayed(name: &str, scenario: &str) -> Path {
    let mut played = Played::new(declared(scenario), Recording::On, BODY);
    let steps = played.play();
    let mut record = Vec::new();
    played.session.take_record(&mut record);
    let (bot, run): (Rc<BotType>, _) = (Rc::new(declared(scenario)), facts());
    Path::new(format!("replay/{name}"), move || {
        replay(&bot, &run, black_box(&record)).expect("the same commands").steps
    })
    .of(u64::from(steps))
}

pub(crate) fn all() -> Vec<Path> {
    vec![
        appended("a session of one request", r#"{"steps": [{"get": "/items?x=1"}]}"#),
        appended("a session of one request, two values read", TWO_CAPTURES),
        written(1),
        written(64),
        replayed("a session of one request", r#"{"steps": [{"get": "/items?x=1"}]}"#),
        replayed("a session of one request, two values read", TWO_CAPTURES),
        replayed("steps of a session of 100 requests", HUNDRED),
    ]
}
