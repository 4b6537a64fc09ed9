//! A worker's part in the trace: takes records from sessions and hands them to the writer.
//!
//! A session's record leaves it as pieces: when it has grown, when the session ends, when it
//! begins to fail, and every few seconds while it waits for something. Pieces are packed into a
//! batch, and a full batch goes to the writer; with a failing session in it, at once. Nothing here
//! waits: when the writer is behind, the batch at hand grows to a limit for the sessions that run,
//! and new sessions start unrecorded and are counted.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::TrySendError;
use std::time::{Duration, Instant};

use tallyho_replay::trace::{Batch, PIECES_MAX, Piece, PieceEnd, SESSION_BYTES_MAX, WorkerCounts};
use tallyho_replay::{RecordTap, Recording, Session, Who};

use super::clock::Micros;
use super::kept::{Answer, keep_exchange};
use super::scribe::{Outlet, Record};
use super::sys;
use super::timer::SlotIndex;

/// A batch this large goes to the writer: larger ones compress no better.
const BATCH_BYTES: usize = 64 * 1024;
/// What a batch may grow to for the sessions that run while the writer is behind.
const RESERVE_BYTES_MAX: usize = 8 * 1024 * 1024;
/// A record this long leaves its session.
const PIECE_BYTES: usize = 4 * 1024;
/// A session is held in memory this long if it is only wanted when it fails.
const HELD_BYTES_MAX: usize = 64 * 1024;
/// How often what waits is handed over, and what sessions hold is taken: half of the 10 s within
/// which a step is in the file.
const SWEEP_US: Micros = 4_000_000;
/// Failing sessions are handed over at once, but not more often than this.
const HURRY_US: Micros = 10_000;
/// Of the sessions that do not fail, one in so many is kept when the limit is reached.
const SAMPLE: u64 = 1024;
/// Kinds of failure that are told apart; names with ids in them could make millions.
const SIGNATURES_MAX: usize = 1_000;
/// How many bytes of failing exchanges a worker keeps: thousands of them, for each of which the
/// file grows by about as much. When everything fails, the later ones say nothing new.
const EXCHANGE_BYTES_MAX: usize = 64 * 1024 * 1024;
/// How much memory of a batch is fetched ahead: a session of one request has less.
const FETCHED_BYTES: usize = 128;
/// How long the last batch waits for a writer that is behind.
const PATIENCE: Duration = Duration::from_secs(5);

/// A kind of failure: how many sessions, and the shortest of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FailingGroup {
    /// How many sessions failed in this way.
    pub count: u64,
    /// The shortest of them; of those that are recorded with their exchange, if any is.
    pub example: Who,
    /// Its scenario's name.
    pub scenario: String,
    /// How many steps it has.
    pub steps: u32,
    /// Whether it is in the trace.
    pub is_recorded: bool,
    /// Whether the exchange that it began to fail with is there too.
    pub has_exchange: bool,
}

/// Failing sessions by what failed; further kinds are counted as one.
pub type Failing = BTreeMap<String, FailingGroup>;

/// What kinds of failure beyond the limit are counted under.
const OTHER_SIGNATURES: &str = "other kinds of failure";

/// A worker's part in the trace.
pub(super) struct Tracer {
    outlet: Option<Outlet>,
    inner: RefCell<Inner>,
}

#[derive(Default)]
struct Inner {
    batch: Batch,
    slots: Vec<Slot>,
    counts: WorkerCounts,
    not_wanted: u64,
    writer_behind: u64,
    written_anyway: u64,
    failing: Failing,
    is_behind: bool,
    is_urgent: bool,
    /// Of all exchanges kept so far.
    exchange_bytes: usize,
    handed_at: Micros,
    swept_at: Micros,
}

/// What is known of a bot's session.
#[derive(Default)]
struct Slot {
    tap: Option<RecordTap>,
    keep: Keep,
    pieces: u32,
    bytes: usize,
    is_known_to_fail: bool,
    has_exchange: bool,
}

/// What of a session is kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Keep {
    /// Nothing more.
    #[default]
    Nothing,
    /// All, if it fails.
    IfFailing,
    /// All.
    All,
}

impl Tracer {
    pub(super) fn new(outlet: Option<Outlet>, worker: usize) -> Self {
        let worker = u32::try_from(worker).unwrap_or(u32::MAX);
        let counts = WorkerCounts { worker, ..WorkerCounts::default() };
        Self { outlet, inner: RefCell::new(Inner { counts, ..Inner::default() }) }
    }

    /// A bot begins.
    pub(super) fn attach(&self, slot: SlotIndex, session: &Session) {
        if self.outlet.is_none() {
            return;
        }
        let mut inner = self.inner.borrow_mut();
        if inner.slots.len() <= slot {
            inner.slots.resize_with(slot + 1, Slot::default);
        }
        inner.slots[slot] = Slot { tap: Some(session.tap()), ..Slot::default() };
    }

    /// A bot has ended.
    pub(super) fn detach(&self, slot: SlotIndex) {
        if self.outlet.is_some() {
            self.inner.borrow_mut().slots[slot] = Slot::default();
        }
    }

    /// Whether the load is to be held back until the writer has caught up.
    pub(super) fn holds_back(&self) -> bool {
        self.outlet.as_ref().is_some_and(|outlet| outlet.waits) && self.inner.borrow().is_behind
    }

    /// A session is about to start.
    pub(super) fn begin(&self, slot: SlotIndex, session: &mut Session, who: Who) {
        let Some(outlet) = &self.outlet else {
            session.set_recording(Recording::Off);
            return;
        };
        let mut inner = self.inner.borrow_mut();
        inner.counts.started += 1;
        let keep = inner.keep(outlet, who);
        let slot = &mut inner.slots[slot];
        (slot.keep, slot.pieces, slot.bytes) = (keep, 0, 0);
        (slot.is_known_to_fail, slot.has_exchange) = (false, false);
        let recording = if keep == Keep::Nothing { Recording::Off } else { Recording::On };
        session.set_recording(recording);
    }

    /// A session is about to make a step, which may be its last. The memory is asked for that its
    /// record will be written to: a worker that writes to what is not in the near caches goes on,
    /// but soon it reads something that was written after it, and waits for both.
    pub(super) fn steps(&self) {
        if self.outlet.is_some() {
            let Batch { bytes, pieces, .. } = &self.inner.borrow().batch;
            sys::prefetch((bytes.as_ptr_range().end.addr(), FETCHED_BYTES));
            sys::prefetch((pieces.as_ptr_range().end.addr(), 2 * size_of::<Piece>()));
        }
    }

    /// A session has made a step.
    pub(super) fn stepped(&self, slot: SlotIndex, session: &Session, now: Micros) {
        if self.outlet.is_none() {
            return;
        }
        let size = session.record_size();
        if size < PIECE_BYTES && !session.is_failing() {
            return;
        }
        let mut inner = self.inner.borrow_mut();
        let state = &mut inner.slots[slot];
        let is_failing = session.is_failing();
        let begins_to_fail =
            is_failing && !std::mem::replace(&mut state.is_known_to_fail, is_failing);
        let is_long = match state.keep {
            Keep::Nothing => {
                // Cut off: the rest is of no use.
                if let Some(tap) = &state.tap {
                    tap.drop_record();
                }
                return;
            }
            Keep::All => size >= PIECE_BYTES,
            Keep::IfFailing => size >= HELD_BYTES_MAX,
        };
        if !begins_to_fail && !is_long {
            return;
        }
        if state.keep == Keep::IfFailing {
            state.keep = Keep::All;
            inner.written_anyway += u64::from(!is_failing);
        }
        inner.take(slot, PieceEnd::Open);
        self.pass_on(&mut inner, begins_to_fail, now);
    }

    /// An exchange was told to a session, which fails now or did before. The first is kept.
    pub(super) fn failed(
        &self,
        slot: SlotIndex,
        session: &Session,
        (request, answer): (&[u8], Answer<'_>),
    ) {
        if self.outlet.is_none() {
            return;
        }
        let mut inner = self.inner.borrow_mut();
        let state = &inner.slots[slot];
        let is_first = !state.is_known_to_fail && !state.has_exchange;
        let has_room = inner.exchange_bytes < EXCHANGE_BYTES_MAX;
        if is_first && state.keep != Keep::Nothing && has_room {
            let kept = keep_exchange(session, request, answer);
            inner.exchange_bytes += kept.size();
            inner.slots[slot].has_exchange = true;
            inner.batch.exchanges.push(kept);
        }
    }

    /// A session has ended, or was cut off by the end of the run.
    pub(super) fn ended(
        &self,
        (slot, scenario): (SlotIndex, &str),
        session: &Session,
        end: PieceEnd,
        now: Micros,
    ) {
        let fault = session.is_failing().then(|| session.first_failure()).flatten();
        let mut inner = self.inner.borrow_mut();
        let keep = inner.slots.get(slot).map_or(Keep::Nothing, |slot| slot.keep);
        if let Some(fault) = &fault {
            let is_recorded = keep != Keep::Nothing;
            let has_exchange = inner.slots.get(slot).is_some_and(|slot| slot.has_exchange);
            let steps = session.step_index() + 1;
            let group = FailingGroup {
                count: 1,
                example: session.who(),
                scenario: scenario.to_owned(),
                steps,
                is_recorded,
                has_exchange,
            };
            inner.group(fault.to_string(), group);
        }
        if self.outlet.is_none() || keep == Keep::Nothing {
            return;
        }
        if keep == Keep::IfFailing && fault.is_none() {
            inner.not_wanted += 1;
            inner.slots[slot].keep = Keep::Nothing;
            return;
        }
        inner.take(slot, end);
        inner.slots[slot].keep = Keep::Nothing;
        self.pass_on(&mut inner, fault.is_some(), now);
    }

    /// Hands over what has waited long enough. Called every few milliseconds.
    pub(super) fn tick(&self, now: Micros) {
        let Some(outlet) = &self.outlet else { return };
        let mut inner = self.inner.borrow_mut();
        if now >= inner.swept_at + SWEEP_US {
            inner.swept_at = now;
            inner.sweep();
            inner.hand_over(outlet, now);
        } else if inner.is_urgent || inner.is_behind {
            inner.hand_over(outlet, now);
        }
    }

    /// Hands over everything: the worker's sessions have ended.
    pub(super) fn finish(&self) -> Failing {
        let mut inner = self.inner.borrow_mut();
        if let Some(outlet) = &self.outlet {
            let since = Instant::now();
            inner.sweep();
            while !inner.batch.pieces.is_empty() && since.elapsed() < PATIENCE {
                let now = inner.handed_at;
                inner.hand_over(outlet, now);
                if inner.is_behind {
                    std::thread::sleep(Duration::from_millis(1));
                }
            }
            let shared = &outlet.shared;
            let add = |to: &AtomicU64, count: u64| {
                to.fetch_add(count, Ordering::Relaxed);
            };
            add(&shared.started, inner.counts.started);
            add(&shared.not_wanted, inner.not_wanted);
            add(&shared.writer_behind, inner.writer_behind);
            add(&shared.written_anyway, inner.written_anyway);
        }
        std::mem::take(&mut inner.failing)
    }

    fn pass_on(&self, inner: &mut Inner, is_urgent: bool, now: Micros) {
        let Some(outlet) = &self.outlet else { return };
        inner.is_urgent |= is_urgent;
        let is_full =
            inner.batch.bytes.len() >= BATCH_BYTES || inner.batch.pieces.len() >= PIECES_MAX / 2;
        let is_hurried = inner.is_urgent && now >= inner.handed_at + HURRY_US;
        if (is_full && !inner.is_behind) || is_hurried {
            inner.hand_over(outlet, now);
        }
    }
}

impl Inner {
    /// What of a new session is to be kept.
    fn keep(&mut self, outlet: &Outlet, who: Who) -> Keep {
        if self.is_behind {
            self.writer_behind += 1;
            outlet.shared.has_failed.store(true, Ordering::Relaxed);
            return Keep::Nothing;
        }
        if outlet.shared.is_closed.load(Ordering::Relaxed) {
            self.not_wanted += 1;
            return Keep::Nothing;
        }
        let is_full = outlet.shared.is_full.load(Ordering::Relaxed);
        match outlet.record {
            Record::All if !is_full || is_sampled(who) => Keep::All,
            Record::All | Record::Failing => Keep::IfFailing,
        }
    }

    /// Takes what a session has recorded since the last time.
    fn take(&mut self, slot: SlotIndex, end: PieceEnd) {
        let state = &mut self.slots[slot];
        let Some(tap) = &state.tap else { return };
        let size = tap.record_size();
        let (before, mut start) = (self.batch.bytes.len(), None);
        let has_room = before + size <= RESERVE_BYTES_MAX && self.batch.pieces.len() < PIECES_MAX;
        let is_too_long = state.bytes + size > SESSION_BYTES_MAX;
        if !has_room || is_too_long {
            tap.drop_record();
            state.keep = Keep::Nothing;
            if state.pieces == 0 {
                self.writer_behind += 1;
                return;
            }
        } else {
            start = tap.take_piece(&mut self.batch.bytes);
        }
        let is_cut = state.keep == Keep::Nothing;
        if is_cut && self.batch.pieces.len() == PIECES_MAX {
            return;
        }
        self.batch.pieces.push(Piece {
            who: tap.who(),
            number: state.pieces,
            start,
            size: self.batch.bytes.len() - before,
            end: if is_cut { PieceEnd::Cut } else { end },
            signature: tap
                .is_failing()
                .then(|| tap.first_failure())
                .flatten()
                .map(|f| f.to_string()),
        });
        state.pieces += 1;
        state.bytes += size;
    }

    /// Takes what sessions hold that wait for something.
    fn sweep(&mut self) {
        for slot in 0..self.slots.len() {
            let state = &self.slots[slot];
            let holds = state.tap.as_ref().is_some_and(|tap| tap.record_size() > 0);
            if state.keep == Keep::All && holds {
                self.take(slot, PieceEnd::Open);
            }
        }
    }

    /// Gives the batch to the writer, if that has room for it.
    fn hand_over(&mut self, outlet: &Outlet, now: Micros) {
        self.is_urgent = false;
        if self.batch.pieces.is_empty() {
            self.is_behind = false;
            return;
        }
        self.batch.counts = self.counts;
        self.batch.counts.not_recorded = self.not_wanted + self.writer_behind;
        let spare = outlet.spares.try_recv().unwrap_or_default();
        match outlet.batches.try_send(std::mem::replace(&mut self.batch, spare)) {
            Ok(()) => {
                self.is_behind = false;
                self.handed_at = now;
            }
            Err(TrySendError::Full(batch) | TrySendError::Disconnected(batch)) => {
                self.batch = batch;
                self.is_behind = true;
            }
        }
    }

    /// Counts a failing session among its like.
    fn group(&mut self, signature: String, group: FailingGroup) {
        let is_known = self.failing.contains_key(&signature);
        let signature = if is_known || self.failing.len() < SIGNATURES_MAX {
            signature
        } else {
            OTHER_SIGNATURES.to_owned()
        };
        add_group(&mut self.failing, signature, group);
    }
}

/// Adds a group to those of other sessions or workers: counts add, the shorter example stays, and
/// of two the one that is recorded, with its exchange.
pub(super) fn add_group(failing: &mut Failing, signature: String, group: FailingGroup) {
    match failing.entry(signature) {
        std::collections::btree_map::Entry::Vacant(entry) => drop(entry.insert(group)),
        std::collections::btree_map::Entry::Occupied(mut entry) => {
            let known = entry.get_mut();
            let count = known.count + group.count;
            let rank = |group: &FailingGroup| {
                (!group.is_recorded, !group.has_exchange, group.steps, group.example)
            };
            if rank(&group) < rank(known) {
                *known = group;
            }
            known.count = count;
        }
    }
}

/// Whether a session belongs to the sample that is kept when the limit is reached: the same ones in
/// every run, so that runs can be compared.
fn is_sampled(who: Who) -> bool {
    let mixed =
        (who.bot ^ who.session.rotate_left(32) ^ who.scenario).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    mixed >> 32 & (SAMPLE - 1) == 0
}

#[cfg(test)]
mod tests {
    use std::rc::Rc;
    use std::sync::Arc;
    use std::sync::mpsc::{Receiver, channel, sync_channel};

    use tallyho_replay::trace::{Header, NotRecorded, TraceReader, TraceWriter};
    use tallyho_replay::{
        Bot, BotType, Carry, Command, Context, Outcome, RunFacts, Scratch, Start,
    };

    use super::super::scribe::Shared;
    use super::*;

    /// Notes enough to fill a batch in a few dozen sessions, and fails if its number says so.
    struct Long(u64);

    impl Bot for Long {
        const NAME: &'static str = "long";
        type Config = ();
        type Carry = String;

        fn new(_: Rc<()>, who: Who, _: String) -> Self {
            Self(who.session)
        }

        async fn session(&mut self, ctx: &mut Context) -> Outcome {
            ctx.check("number", self.0 % 100 != 99);
            Outcome::Done
        }

        fn carry(self) -> String {
            "x".repeat(3_000)
        }
    }

    struct Bench {
        tracer: Tracer,
        batches: Receiver<Batch>,
        shared: Arc<Shared>,
        session: Session,
        next: u64,
    }

    /// A worker's tracer whose writer takes one batch and no more.
    fn bench(record: Record) -> Bench {
        let (sender, batches) = sync_channel(1);
        let (_, spares) = channel();
        let shared = Arc::new(Shared::default());
        let outlet =
            Outlet { batches: sender, spares, shared: Arc::clone(&shared), record, waits: false };
        let tracer = Tracer::new(Some(outlet), 0);
        let bot = Rc::new(BotType::new::<Long>(Rc::new(())));
        let session = Session::new(&bot, &Rc::new(RunFacts::default()), &Scratch::new());
        tracer.attach(0, &session);
        Bench { tracer, batches, shared, session, next: 0 }
    }

    impl Bench {
        fn play(&mut self, sessions: u64) {
            for _ in 0..sessions {
                let who = Who { scenario: 0, bot: 0, session: self.next };
                self.tracer.begin(0, &mut self.session, who);
                let carry = Carry::Own;
                let start = Start { who, carry, setup: None, at_us: self.next, stopping: false };
                let command = self.session.start(start);
                assert_eq!(command, Command::End(Outcome::Done));
                self.tracer.ended((0, "default"), &self.session, PieceEnd::Whole, self.next);
                self.next += 1;
            }
        }

        /// Writes what was handed over, and counts.
        fn totals(&mut self, writer: &mut TraceWriter<Vec<u8>>) -> tallyho_replay::trace::Totals {
            self.tracer.finish();
            self.batches.try_iter().for_each(|batch| writer.write(&batch).expect("memory"));
            let not_recorded = NotRecorded {
                not_wanted: self.shared.not_wanted.load(Ordering::Relaxed),
                writer_behind: self.shared.writer_behind.load(Ordering::Relaxed),
                lost: 0,
            };
            writer.finish(self.shared.started.load(Ordering::Relaxed), not_recorded).0
        }
    }

    fn writer() -> TraceWriter<Vec<u8>> {
        TraceWriter::new(Vec::new(), &Header::default()).expect("memory")
    }

    #[test]
    fn while_the_writer_is_behind_new_sessions_start_unrecorded_and_are_counted() {
        let mut bench = bench(Record::All);
        // The first batch lies in the channel, the second has no room there.
        bench.play(98);
        bench.tracer.tick(1_000_000);
        let behind = bench.tracer.inner.borrow().writer_behind;
        assert!(behind > 0, "98 sessions of 3 kB are more than two batches");
        let mut writer = writer();
        let first = bench.batches.try_recv().expect("a batch");
        writer.write(&first).expect("memory");
        bench.tracer.tick(1_010_000);
        assert!(!bench.tracer.inner.borrow().is_behind, "there is room again");
        bench.play(20);
        assert_eq!(bench.tracer.inner.borrow().writer_behind, behind, "recording goes on");
        bench.batches.try_iter().for_each(|batch| writer.write(&batch).expect("memory"));
        let totals = bench.totals(&mut writer);
        assert!(totals.adds_up(), "{totals:?}");
        assert_eq!((totals.started, totals.not_recorded.writer_behind), (118, behind));
        assert_eq!((totals.exact, totals.not_recorded.lost), (118 - behind, 0));
        let bytes = std::mem::take(writer.get_mut());
        let mut reader = TraceReader::open(std::io::Cursor::new(bytes)).expect("a trace");
        assert_eq!(reader.count().expect("memory").exact, totals.exact);
    }

    #[test]
    fn beyond_the_limit_failing_sessions_and_a_sample_are_kept() {
        let mut bench = bench(Record::All);
        bench.shared.is_full.store(true, Ordering::Relaxed);
        let mut writer = writer();
        for _ in 0..300 {
            bench.play(10);
            bench.tracer.tick(bench.next * 1_000_000);
            bench.batches.try_iter().for_each(|batch| writer.write(&batch).expect("memory"));
        }
        let totals = bench.totals(&mut writer);
        assert!(totals.adds_up(), "{totals:?}");
        assert!((30..40).contains(&totals.exact), "30 of 3000 fail, 3 are sampled: {totals:?}");
        bench.shared.is_closed.store(true, Ordering::Relaxed);
        bench.play(100);
        assert_eq!(bench.tracer.inner.borrow().not_wanted, totals.not_recorded.not_wanted + 100);
    }

    #[test]
    fn failing_sessions_are_grouped_and_the_shortest_recorded_one_is_the_example() {
        let group = |count, session, steps, is_recorded| FailingGroup {
            count,
            example: Who { scenario: 0, bot: 1, session },
            scenario: "s".to_owned(),
            steps,
            is_recorded,
            has_exchange: is_recorded,
        };
        let mut failing = Failing::new();
        for next in [group(3, 5, 4, true), group(2, 9, 2, false), group(1, 4, 4, true)] {
            add_group(&mut failing, "check failed: x".to_owned(), next);
        }
        assert_eq!(failing["check failed: x"], group(6, 4, 4, true));
    }
}
