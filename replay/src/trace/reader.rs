//! Reads a trace: from a file, or from bytes that came by mail.
//!
//! Opening scans the whole file, so damage anywhere is known before the first session is read.
//! Sessions of one piece are given as they come; those of several are gathered in groups that fit
//! into memory. A reader never panics, and allocates what the limits of `block` allow and what it
//! has read, whatever the bytes say.

use std::collections::BTreeMap;
use std::fmt;
use std::io::{self, Read, Seek, Write};
use std::ops::ControlFlow;

use super::batch::{Batch, PieceEnd, WorkerCounts};
use super::block::{BlockKind, FORMAT_VERSION, Unpacker};
use super::columns::{COLUMNS, Contents, join};
use super::exchange::{EXCHANGE_COLUMNS, KeptExchange};
use super::header::{Header, is_small_enough};
use super::index::{BlockSummary, INDEX_COLUMNS, decode_index};
use super::ledger::{NotRecorded, Totals};
use super::long::{Long, LongSessions, gather};
use super::scan::{Place, Scanned, holds_records, payload, scan};
use super::writer::{Resumed, TraceWriter};
use crate::session::Who;

pub use super::scan::{Damage, DamageKind, Torn};

/// How many bytes of records are gathered at once for sessions of several pieces.
const GATHERED_BYTES_MAX: usize = 256 * 1024 * 1024;

/// What is remembered at once of where sessions of several pieces are: about a million of them. A
/// trace with more is read several times, which is slow; to remember all, a file of a few kilobytes
/// could make impossible.
const LONG_BYTES_MAX: usize = 256 * 1024 * 1024;

/// Why a file is not read at all.
#[derive(Debug)]
pub enum TraceError {
    /// It cannot be read.
    Io(io::Error),
    /// It is no trace.
    NoTrace,
    /// It stops before its header is whole: the process was killed as it started.
    NoHeader,
    /// Its header is damaged: nothing in it can be replayed.
    DamagedHeader,
    /// It was written by a newer build.
    Newer(u16),
    /// It has a version that never was.
    Version(u16),
    /// It cannot be closed, for it is damaged: see [`TraceReader::damages`].
    Damaged,
}

impl fmt::Display for TraceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io(error) => error.fmt(f),
            Self::NoTrace => {
                f.write_str("this is not a trace of tallyho: at byte 0 it begins otherwise")
            }
            Self::NoHeader => f.write_str("it ends before its header: nothing was recorded yet"),
            Self::DamagedHeader => {
                f.write_str("the header at byte 0 is damaged: nothing in it can be replayed")
            }
            Self::Newer(version) => write!(
                f,
                "it has format version {version}, this build reads {FORMAT_VERSION}: read it with \
                 the version of tallyho that wrote it, or a newer one"
            ),
            Self::Version(version) => write!(f, "format version {version} never was"),
            Self::Damaged => f.write_str("it is damaged, and not merely cut off"),
        }
    }
}

impl std::error::Error for TraceError {}

/// A session that was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// Whose.
    pub who: Who,
    /// Its record, from its start on without a gap.
    pub record: Vec<u8>,
    /// What comes after the record.
    pub end: FoundEnd,
    /// Why it counts as failing, if it does.
    pub signature: Option<String>,
}

/// What comes after a session's record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FoundEnd {
    /// Nothing: the session has ended.
    Whole,
    /// It was cut off by the end of the run, or for lack of space.
    Cut,
    /// The trace ends before the session does.
    Open,
    /// A piece is missing.
    Gap,
}

/// Which sessions are wanted.
#[derive(Clone, Debug, Default)]
pub struct Wanted {
    /// Those of this scenario.
    pub scenario: Option<u64>,
    /// Those of this bot.
    pub bot: Option<u64>,
    /// The one of this number, of each bot.
    pub session: Option<u64>,
    /// Those that count as failing.
    pub failing: bool,
    /// Those that fail for this reason.
    pub signature: Option<String>,
    /// Those in blocks from this byte on.
    pub from: u64,
    /// Those that start in every so-manieth block; 0 and 1 mean all. A sample of short sessions
    /// then costs a part of reading the file.
    pub every: usize,
}

impl Wanted {
    fn wants(&self, who: Who) -> bool {
        self.scenario.is_none_or(|scenario| scenario == who.scenario)
            && self.bot.is_none_or(|bot| bot == who.bot)
            && self.session.is_none_or(|session| session == who.session)
    }

    fn wants_signature(&self, signature: Option<&str>) -> bool {
        (!self.failing || signature.is_some())
            && self.signature.as_deref().is_none_or(|wanted| signature == Some(wanted))
    }
}

/// Reads a trace.
#[derive(Debug)]
pub struct TraceReader<R> {
    pub(super) input: R,
    header: Header,
    pub(super) scanned: Scanned,
    unpacker: Unpacker,
    /// From the index, if there is one and nothing follows it.
    index: Option<(Totals, Vec<BlockSummary>)>,
}

impl<R: Read + Seek> TraceReader<R> {
    /// Scans a trace.
    ///
    /// # Errors
    /// If it is none that this build can read. Damage behind its header is no error here: see
    /// [`TraceReader::damages`].
    pub fn open(mut input: R) -> Result<Self, TraceError> {
        let scanned = scan(&mut input, Scanned::default())?;
        let first = *scanned.places.first().ok_or(TraceError::NoHeader)?;
        let header = payload(&mut input, first).map_err(TraceError::Io)?;
        let mut unpacker = Unpacker::new().map_err(TraceError::Io)?;
        let header = (first.head.kind == BlockKind::Header)
            .then_some(header)
            .flatten()
            .and_then(|payload| unpacker.unpack(&payload, 1).ok())
            .filter(|columns| columns.iter().all(|json| is_small_enough(json)))
            .and_then(|columns| serde_json::from_slice(columns.first()?).ok())
            .ok_or(TraceError::DamagedHeader)?;
        let mut reader = Self { input, header, scanned, unpacker, index: None };
        reader.read_index()?;
        Ok(reader)
    }

    fn read_index(&mut self) -> Result<(), TraceError> {
        let Some(last) = self.scanned.places.last().copied() else { return Ok(()) };
        if last.head.kind != BlockKind::Index || self.scanned.torn.is_some() {
            return Ok(());
        }
        let payload = payload(&mut self.input, last).map_err(TraceError::Io)?;
        let unpacker = &mut self.unpacker;
        let columns = payload.and_then(|payload| unpacker.unpack(&payload, INDEX_COLUMNS).ok());
        let blocks_max = self.scanned.places.len();
        self.index = columns.and_then(|columns| decode_index(&columns, blocks_max).ok());
        if self.index.is_none() {
            self.damaged(last);
        }
        Ok(())
    }

    /// What the trace says about its run.
    #[must_use]
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// Places that are not as they were written. What was found damaged while sessions were read
    /// is among them afterwards.
    #[must_use]
    pub fn damages(&self) -> &[Damage] {
        &self.scanned.damages
    }

    /// The end of the file, if it stops within a block.
    #[must_use]
    pub fn torn(&self) -> Option<Torn> {
        self.scanned.torn
    }

    /// The size of the file.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.scanned.bytes
    }

    /// How many whole blocks it has.
    #[must_use]
    pub fn blocks(&self) -> usize {
        self.scanned.places.len()
    }

    /// What the trace says about itself; nothing if it was not closed.
    #[must_use]
    pub fn totals(&self) -> Option<Totals> {
        self.index.as_ref().map(|(totals, _)| *totals)
    }

    /// Gives every wanted session to `each`, until that says to stop. Sessions come in no
    /// particular order.
    ///
    /// # Errors
    /// If the file cannot be read.
    pub fn sessions(
        &mut self,
        wanted: &Wanted,
        each: impl FnMut(Found) -> ControlFlow<()>,
    ) -> Result<(), TraceError> {
        self.sessions_within(LONG_BYTES_MAX, wanted, each)
    }

    fn sessions_within(
        &mut self,
        long_bytes_max: usize,
        wanted: &Wanted,
        mut each: impl FnMut(Found) -> ControlFlow<()>,
    ) -> Result<(), TraceError> {
        let mut after = None;
        loop {
            let mut long = LongSessions::new(after, long_bytes_max);
            if self.short_sessions(wanted, &mut long, &mut each)?.is_break() {
                return Ok(());
            }
            let next = long.left_out_after();
            let mut sessions = long.sessions;
            sessions.retain(|_, long| wanted.wants_signature(long.signature.as_deref()));
            if self.long_sessions(sessions, &mut each)?.is_break() || next.is_none() {
                return Ok(());
            }
            after = next;
        }
    }

    /// Gives sessions of one piece to `each`, if it is the first time round, and notes the others.
    fn short_sessions(
        &mut self,
        wanted: &Wanted,
        long: &mut LongSessions,
        each: &mut impl FnMut(Found) -> ControlFlow<()>,
    ) -> Result<ControlFlow<()>, TraceError> {
        // Sessions that have started, and whose end has not been met.
        let mut under_way = 0_usize;
        for (index, place) in self.record_places(wanted).into_iter().enumerate() {
            let is_start = index.is_multiple_of(wanted.every.max(1));
            if !is_start && under_way == 0 {
                continue;
            }
            let Some((batch, _)) = self.batch(place)? else { continue };
            let mut at = 0;
            for piece in batch.pieces {
                let record = &batch.bytes[at..at + piece.size];
                at += piece.size;
                let is_first = is_start && (piece.number == 0 || wanted.every <= 1);
                let is_in = is_first || long.sessions.contains_key(&piece.who);
                if !is_in || !wanted.wants(piece.who) {
                    continue;
                }
                if piece.number != 0 || piece.end != PieceEnd::Whole {
                    under_way += usize::from(piece.number == 0);
                    under_way = under_way.saturating_sub(usize::from(piece.end != PieceEnd::Open));
                    long.note(piece, place.offset);
                    continue;
                }
                if long.after.is_some() || !wanted.wants_signature(piece.signature.as_deref()) {
                    continue;
                }
                let found = Found {
                    who: piece.who,
                    record: record.to_vec(),
                    end: FoundEnd::Whole,
                    signature: piece.signature,
                };
                if each(found).is_break() {
                    return Ok(ControlFlow::Break(()));
                }
            }
        }
        Ok(ControlFlow::Continue(()))
    }

    /// Gathers sessions of several pieces, as many at once as fit.
    fn long_sessions(
        &mut self,
        mut long: BTreeMap<Who, Long>,
        each: &mut impl FnMut(Found) -> ControlFlow<()>,
    ) -> Result<ControlFlow<()>, TraceError> {
        while !long.is_empty() {
            let mut gathered = BTreeMap::new();
            let mut bytes = 0;
            while let Some((who, next)) = long.pop_first() {
                bytes += next.size;
                gathered.insert(who, next);
                if bytes > GATHERED_BYTES_MAX {
                    break;
                }
            }
            let first = gathered.values().map(|long| long.first).min().unwrap_or(0);
            let last = gathered.values().map(|long| long.last).max().unwrap_or(0);
            let places = self.scanned.places.iter().filter(|place| holds_records(place));
            let places: Vec<Place> =
                places.filter(|place| (first..=last).contains(&place.offset)).copied().collect();
            for place in places {
                let Some((batch, _)) = self.batch(place)? else { continue };
                gather(&mut gathered, &batch);
            }
            for (who, long) in gathered {
                if each(long.found(who)).is_break() {
                    return Ok(ControlFlow::Break(()));
                }
            }
        }
        Ok(ControlFlow::Continue(()))
    }

    /// The exchange that this session began to fail with, if it was kept.
    ///
    /// # Errors
    /// If the file cannot be read.
    pub fn exchange(&mut self, who: Who) -> Result<Option<KeptExchange>, TraceError> {
        let mut found = None;
        self.exchanges(|exchange| {
            if exchange.who == who {
                found = Some(exchange);
                return ControlFlow::Break(());
            }
            ControlFlow::Continue(())
        })?;
        Ok(found)
    }

    /// Gives every kept exchange to `each`, until that says to stop.
    fn exchanges(
        &mut self,
        mut each: impl FnMut(KeptExchange) -> ControlFlow<()>,
    ) -> Result<(), TraceError> {
        let is_kept = |place: &&Place| place.head.kind == BlockKind::Exchange;
        let places: Vec<Place> = self.scanned.places.iter().filter(is_kept).copied().collect();
        for place in places {
            let exchange = payload(&mut self.input, place)
                .map_err(TraceError::Io)?
                .and_then(|payload| self.unpacker.unpack(&payload, EXCHANGE_COLUMNS).ok())
                .and_then(|columns| KeptExchange::decode(columns).ok());
            match exchange {
                Some(exchange) => {
                    if each(exchange).is_break() {
                        break;
                    }
                }
                None => self.damaged(place),
            }
        }
        Ok(())
    }

    /// Counts what is there, without believing the index.
    ///
    /// # Errors
    /// If the file cannot be read.
    pub fn count(&mut self) -> Result<Totals, TraceError> {
        self.exchanges(|_| ControlFlow::Continue(()))?;
        let counted = self.count_all()?;
        let mut ledger = counted.ledger;
        ledger.close();
        let started =
            counted.workers.values().fold(0_u64, |sum, counts| sum.saturating_add(counts.started));
        Ok(Totals {
            started,
            exact: ledger.exact,
            partial: ledger.partial,
            not_recorded: NotRecorded::default(),
            requests: counted.requests,
        })
    }

    fn count_all(&mut self) -> Result<Resumed, TraceError> {
        let mut counted = Resumed::default();
        for place in self.record_places(&Wanted::default()) {
            let Some((batch, contents)) = self.batch(place)? else { continue };
            if counted.ledger.is_full() {
                self.damaged(place);
                continue;
            }
            for piece in &batch.pieces {
                counted.ledger.piece(piece, true);
            }
            let counts: &mut WorkerCounts = counted.workers.entry(batch.counts.worker).or_default();
            if batch.counts.started >= counts.started {
                *counts = batch.counts;
            }
            counted.requests = counted.requests.saturating_add(contents.requests);
            counted.blocks.push(BlockSummary::new(place.offset, &batch.pieces));
        }
        Ok(counted)
    }

    /// The blocks that may hold what is wanted: all, unless an index says more.
    fn record_places(&self, wanted: &Wanted) -> Vec<Place> {
        let is_in = |place: &&Place| holds_records(place) && place.offset >= wanted.from;
        let mut places: Vec<Place> = self.scanned.places.iter().filter(is_in).copied().collect();
        if let (Some((_, blocks)), Some(bot), Some(session)) =
            (&self.index, wanted.bot, wanted.session)
        {
            let excluded = |place: &Place| {
                let index = blocks.binary_search_by_key(&place.offset, |block| block.offset);
                index.is_ok_and(|index| !blocks[index].may_hold(bot, session))
            };
            places.retain(|place| !excluded(place));
        }
        places
    }

    /// A block's batch; nothing if the block says what cannot be, which is noted as damage.
    pub(super) fn batch(&mut self, place: Place) -> Result<Option<(Batch, Contents)>, TraceError> {
        let payload = payload(&mut self.input, place).map_err(TraceError::Io)?;
        let batch = payload
            .and_then(|payload| self.unpacker.unpack(&payload, COLUMNS).ok())
            .and_then(|columns| join(&columns).ok());
        if batch.is_none() {
            self.damaged(place);
        }
        Ok(batch)
    }

    fn damaged(&mut self, place: Place) {
        let damage = Damage {
            offset: place.offset,
            bytes: place.head.block_bytes(),
            kind: DamageKind::Content,
        };
        self.scanned.damage(damage);
    }
}

/// Closes a trace that a killed process left: appends an index behind its last whole block, to
/// `out`, which must hold the trace up to there. Sessions of which nothing was written count as
/// lost. `out` is asked for once all that is there was read, and only if nothing is damaged.
///
/// # Errors
/// If the trace cannot be read, any of it is damaged, or the index cannot be written.
pub fn recover<R: Read + Seek, W: Write>(
    reader: &mut TraceReader<R>,
    out: impl FnOnce(u64) -> io::Result<W>,
) -> Result<Totals, TraceError> {
    reader.exchanges(|_| ControlFlow::Continue(()))?;
    let mut from = reader.count_all()?;
    if !reader.damages().is_empty() {
        return Err(TraceError::Damaged);
    }
    let last = reader.scanned.places.last().copied().ok_or(TraceError::NoHeader)?;
    from.bytes = last.offset + last.head.block_bytes();
    from.sequence = last.head.sequence.wrapping_add(1);
    from.previous = last.head.checksum;
    let end = from.bytes;
    let out = out(end).map_err(TraceError::Io)?;
    let mut writer = TraceWriter::resume(out, from).map_err(TraceError::Io)?;
    let started = writer.started();
    let (totals, written) = writer.finish(started, NotRecorded::default());
    written.map_err(TraceError::Io)?;
    Ok(totals)
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use super::*;
    use crate::trace::Piece;

    /// Sessions of three pieces each, one piece a block and the sessions side by side.
    fn trace(sessions: u64) -> Vec<u8> {
        let mut writer = TraceWriter::new(Vec::new(), &Header::default()).unwrap();
        for number in 0..3_u8 {
            for session in 0..sessions {
                let who = Who { scenario: 1, bot: sessions - session, session };
                let end = if number == 2 { PieceEnd::Whole } else { PieceEnd::Open };
                let signature = (number == 1).then(|| "it failed".to_owned());
                let piece =
                    Piece { who, number: number.into(), start: None, size: 2, end, signature };
                let bytes = vec![0xFF, number];
                let batch = Batch { bytes, pieces: vec![piece], ..Batch::default() };
                writer.write(&batch).unwrap();
            }
        }
        writer.finish(sessions, NotRecorded::default()).1.unwrap();
        std::mem::take(writer.get_mut())
    }

    #[test]
    fn more_long_sessions_than_fit_are_found_in_several_rounds_and_each_once() {
        let bytes = trace(9);
        let mut reader = TraceReader::open(Cursor::new(bytes.as_slice())).unwrap();
        for long_bytes_max in [0, 1_000, LONG_BYTES_MAX] {
            let mut seen = Vec::new();
            let each = |found: Found| {
                assert_eq!((found.record.len(), found.end), (6, FoundEnd::Whole));
                assert_eq!(found.signature.as_deref(), Some("it failed"));
                seen.push(found.who.bot);
                ControlFlow::Continue(())
            };
            reader.sessions_within(long_bytes_max, &Wanted::default(), each).unwrap();
            assert_eq!(seen, (1..=9).collect::<Vec<_>>(), "{long_bytes_max}");
        }
        assert_eq!(reader.damages(), []);
    }
}
