//! After warm-up, a step and a restart allocate nothing.
//!
//! Held with recording on, by an allocator that counts. It counts for its own thread only, and
//! only while asked to: the test harness allocates as it likes.

mod support;

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use tallyho_replay::dispatch::ActionSet;
use tallyho_replay::trace::{Header, TraceReader, TraceWriter, Wanted};
use tallyho_replay::{
    Bot, BotType, Carry, Command, Context, Event, Input, Method, Outcome, Prepared, RequestError,
    ResponseParts, Session, Start, Who, dispatch, site,
};

struct Counting;

thread_local! {
    static ALLOCATIONS: Cell<u64> = const { Cell::new(0) };
    static IN_USE: Cell<i64> = const { Cell::new(0) };
    static PEAK: Cell<i64> = const { Cell::new(0) };
}

fn count(allocations: u64, bytes: i64) {
    // While a thread ends, its counters are gone; nobody asks for them then.
    let _ = ALLOCATIONS.try_with(|counter| counter.set(counter.get() + allocations));
    let in_use = IN_USE.try_with(|counter| {
        counter.set(counter.get() + bytes);
        counter.get()
    });
    let _ = PEAK.try_with(|peak| peak.set(peak.get().max(in_use.unwrap_or(0))));
}

fn size(layout: Layout) -> i64 {
    i64::try_from(layout.size()).expect("no larger")
}

#[expect(unsafe_code, reason = "an allocator is unsafe to implement")]
// SAFETY: everything is handed to the system's allocator as it is.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(1, size(layout));
        // SAFETY: the caller keeps the contract.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        count(0, -size(layout));
        // SAFETY: the caller keeps the contract.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// How often `work` allocates.
fn allocations(work: impl FnOnce()) -> u64 {
    let before = ALLOCATIONS.get();
    work();
    ALLOCATIONS.get() - before
}

/// How many bytes `work` has at once, at most.
fn peak(work: impl FnOnce()) -> i64 {
    let before = IN_USE.get();
    PEAK.set(before);
    work();
    PEAK.get() - before
}

/// The built-in single request, in short.
struct Single(Rc<Config>);

#[derive(serde::Deserialize)]
#[serde(try_from = "String")]
struct Config(Prepared);

impl TryFrom<String> for Config {
    type Error = RequestError;

    fn try_from(url: String) -> Result<Self, RequestError> {
        Prepared::builder(Method::Get, None, &url).name("items").build().map(Self)
    }
}

impl Bot for Single {
    const NAME: &'static str = "single";
    type Config = Config;
    type Carry = ();

    fn new(config: Rc<Config>, _: Who, (): ()) -> Self {
        Self(config)
    }

    async fn session(&mut self, ctx: &mut Context) -> Outcome {
        let _ = ctx.send_prepared(&self.0.0).await;
        Outcome::Done
    }

    fn carry(self) {}
}

/// Chooses, draws, builds requests, checks and counts.
struct Busy {
    menu: ActionSet,
}

impl Bot for Busy {
    const NAME: &'static str = "busy";
    type Config = ();
    type Carry = u32;

    fn new(_: Rc<()>, _: Who, _: u32) -> Self {
        Self { menu: ActionSet::new("menu").no_repeat() }
    }

    async fn session(&mut self, ctx: &mut Context) -> Outcome {
        for _ in 0..20 {
            let think = ctx.draw(site!("think")).exponential(Duration::from_secs(1));
            ctx.sleep(think).await;
            let menu = &mut self.menu;
            let done = dispatch!(ctx, menu, {
                "list": 5 => {
                    let sent = ctx.get("/items?page=1").name("list").send().await;
                    ctx.check("list is there", sent.is_ok_and(|response| response.is_success()));
                },
                "add": 3 => {
                    let price = ctx.draw(site!("price")).between(1..=99);
                    let sent = ctx.post("/items").name("add").json(&[price]).send().await;
                    ctx.check("added", sent.is_ok());
                },
                "look": 2, if !ctx.stopping() => ctx.counter("looks", 1),
            });
            ctx.rate("done", done.acted().is_some());
        }
        Outcome::Done
    }

    fn carry(self) -> u32 {
        7
    }
}

/// Lives sessions the way the engine does, moving one buffer in and out.
struct Engine {
    session: Session,
    parts: Option<ResponseParts>,
    record: Vec<u8>,
    at_us: u64,
    sessions: u64,
}

impl Engine {
    fn new(bot: BotType) -> Self {
        let session = support::session(&Rc::new(bot), &support::run_facts(1));
        let parts = ResponseParts { status: 200, bytes: vec![0; 512], ..ResponseParts::default() };
        let record = Vec::with_capacity(1 << 16);
        Self { session, parts: Some(parts), record, at_us: 0, sessions: 0 }
    }

    fn live_many(&mut self, count: u32) {
        for _ in 0..count {
            self.live();
        }
    }

    /// Lives one session; gives the number of its last step.
    fn live(&mut self) -> u32 {
        let who = Who { scenario: 1, bot: 2, session: self.sessions };
        self.sessions += 1;
        self.record.clear();
        let at_us = self.at_us;
        let start = Start { who, carry: Carry::Own, setup: None, at_us, stopping: false };
        let mut command = self.session.start(start);
        while !matches!(command, Command::End(_)) {
            self.at_us += 1500;
            let event = match command {
                Command::Send => Event::Response(self.parts.take().expect("it came back")),
                _ => Event::Woke,
            };
            command = self.session.step(Input { at_us: self.at_us, stopping: false, event });
            self.parts = self.parts.take().or_else(|| self.session.reclaim_response());
            self.session.for_each_note(|note| drop(std::hint::black_box(note.clone())));
            self.session.take_record(&mut self.record);
        }
        assert_eq!(command, Command::End(Outcome::Done));
        self.session.step_index()
    }
}

fn single() -> BotType {
    BotType::from_json::<Single>(r#""http://127.0.0.1:8080/items?page=1""#).expect("a good url")
}

#[test]
fn a_session_of_one_request_allocates_nothing() {
    let mut engine = Engine::new(single());
    engine.live_many(3);
    assert_eq!(allocations(|| engine.live_many(1000)), 0);
}

#[test]
fn choices_draws_requests_and_checks_allocate_nothing() {
    let mut engine = Engine::new(BotType::new::<Busy>(Rc::new(())));
    engine.live_many(20);
    assert_eq!(allocations(|| engine.live_many(100)), 0);
}

#[test]
fn an_idle_bot_fits_in_six_kibibytes() {
    const BOTS: i64 = 100;
    let bot = Rc::new(BotType::new::<Busy>(Rc::new(())));
    let (run, scratch) = (support::run_facts(1), tallyho_replay::Scratch::new());
    let mut record = Vec::with_capacity(1 << 16);
    let before = IN_USE.get();
    let sessions: Vec<_> = (0..100)
        .map(|number| {
            let mut session = Session::new(&bot, &run, &scratch);
            let who = Who { scenario: 1, bot: number, session: 0 };
            session.start(Start { who, carry: Carry::Own, setup: None, at_us: 0, stopping: false });
            let input = Input { at_us: 5, stopping: false, event: Event::Woke };
            session.step(input);
            session.take_record(&mut record);
            session
        })
        .collect();
    let each = (IN_USE.get() - before) / BOTS;
    assert!(each <= 6 * 1024, "{each} bytes a bot");
    drop(sessions);
}

#[test]
fn a_step_that_reads_only_the_status_is_recorded_in_seven_bytes() {
    let mut engine = Engine::new(BotType::new::<Busy>(Rc::new(())));
    let steps = engine.live() as usize;
    // The start and the end of the session are not steps, and labels are spelt out once.
    let overhead = 30 + 8 + "list".len() + "add".len() + 2;
    assert!(engine.record.len() <= 7 * steps + overhead, "{} in {steps}", engine.record.len());
}

/// A file of a header and one block of that kind with this payload, under a right checksum.
fn sealed(kind: u8, payload: &[u8]) -> Vec<u8> {
    let mut writer = TraceWriter::new(Vec::new(), &Header::default()).expect("memory");
    writer.begin().expect("memory");
    let mut file = std::mem::take(writer.get_mut());
    let previous: [u8; 8] = file[24..32].try_into().expect("8 bytes");
    let mut head = b"\x89TLY\x01\0\0\0".to_vec();
    head[6] = kind;
    head.extend_from_slice(&u32::try_from(payload.len()).expect("small").to_le_bytes());
    head.extend_from_slice(&1_u32.to_le_bytes());
    head.extend_from_slice(&previous);
    let checksum = xxhash_rust::xxh3::xxh3_64(&[&head, payload].concat());
    head.extend_from_slice(&checksum.to_le_bytes());
    file.extend_from_slice(&head);
    file.extend_from_slice(payload);
    file
}

fn varint(out: &mut Vec<u8>, mut value: u64) {
    while value > 0x7F {
        out.push(0x80 | (value & 0x7F) as u8);
        value >>= 7;
    }
    out.push((value & 0x7F) as u8);
}

/// Reads all there is in a file.
fn read(file: &[u8]) {
    let Ok(mut reader) = TraceReader::open(std::io::Cursor::new(file)) else { return };
    let each = |_| std::ops::ControlFlow::Continue(());
    reader.sessions(&Wanted::default(), each).expect("bytes in memory");
    let _counted = reader.count().expect("bytes in memory");
    let _kept = reader.exchange(Who::default()).expect("bytes in memory");
}

#[test]
fn a_hostile_trace_gets_no_more_memory_than_the_declared_limits() {
    const MIB: usize = 1 << 20;
    // docs/trace.md: the columns of a block have at most 64 MiB unpacked.
    let bomb = zstd::bulk::compress(&vec![1; 64 * MIB], 1).expect("memory");
    for kind in [2, 3, 4] {
        for (sizes, most) in [
            (vec![64 * MIB], 200 * MIB),
            (vec![64 * MIB + 1], MIB),
            (vec![1 << 40], MIB),
            (vec![63 * MIB, 2 * MIB], MIB),
            (vec![40 * MIB; 12], MIB),
        ] {
            // Of records from the texts on: descriptions of pieces may be less.
            let (columns, first) = [(0, 0), (0, 0), (12, 8), (2, 0), (4, 0)][usize::from(kind)];
            for stored in [0, bomb.len() as u64, 1 << 40] {
                let mut payload = vec![u8::try_from(columns).expect("few")];
                for column in 0..columns {
                    let size = sizes.get((column + columns - first) % columns);
                    varint(&mut payload, size.map_or(0, |size| *size as u64));
                    varint(&mut payload, size.map_or(0, |_| stored));
                }
                payload.extend_from_slice(&bomb);
                let file = sealed(kind, &payload);
                let used = peak(|| read(&file));
                let most = i64::try_from(most).expect("small");
                assert!(used <= most, "kind {kind}, {sizes:?}: {used} bytes");
                let is_whole = stored == bomb.len() as u64 && sizes == [64 * MIB];
                assert!(!is_whole || used > most / 4, "it was unpacked: {used} bytes");
            }
        }
    }
}
