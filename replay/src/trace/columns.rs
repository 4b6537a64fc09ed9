//! Pieces of records as columns, and back.
//!
//! What is alike lies side by side, so that it compresses: kinds of items, clocks, labels, checks.
//! What the table of pieces says already (whose session it is) is dropped, and a session's first
//! clock is told from the session before it: of a session of one request 10 bytes of checks, a
//! byte or two of clock and next to nothing else are left. Pieces are sorted by session, so that a
//! bot's sessions follow each other.
//!
//! The grammar of a record stands here once, as a walk that moves bytes: taking a record apart
//! moves them from it to the columns, putting it together moves them back. Every byte is moved and
//! none is interpreted twice, so the result is the same bytes. What the walk does not understand
//! is kept as it is.

mod alike;
mod walk;

use std::hint::black_box;

use super::batch::{Batch, PIECES_MAX, Piece, PieceEnd, WorkerCounts};
use super::block::{
    Malformed, UNPACKED_BYTES_MAX, push_varint, read_difference, read_varint, zigzag,
};
use super::record::push_start;
use crate::session::Who;
use alike::{Alike, Noting};
use walk::{Join, Split, walk};

/// The columns of a block of records, in their order in the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(usize)]
pub(crate) enum Column {
    /// The worker's counts, then each piece: whose it is and how it ends.
    Pieces,
    /// Why sessions count as failing.
    Signatures,
    /// The first byte of every item.
    Kinds,
    /// Clocks of starts, told from the piece before.
    Starts,
    /// Clocks of other inputs.
    Clocks,
    /// The versions in a start.
    Versions,
    /// Statuses, failures, answers, numbers of labels.
    Numbers,
    /// Sizes of texts.
    Sizes,
    /// Labels, values, carried state.
    Texts,
    /// Checks of 2 bytes.
    Parts,
    /// Checks of 8 bytes.
    Wholes,
    /// Pieces that are kept as they are.
    Rows,
}

/// Those that hold checks.
pub(crate) const RANDOM_COLUMNS: [usize; 2] = [Column::Parts as usize, Column::Wholes as usize];

pub(crate) const COLUMNS: usize = Column::Rows as usize + 1;

const FIRST: u8 = 1;
const WHOLE: u8 = 2;
const CUT: u8 = 4;
const FAILING: u8 = 8;
const ROWS: u8 = 16;
const OTHER_SCENARIO: u8 = 32;
const FLAGS: u8 = 63;

/// The clocks of the latest session, which tell that of the next.
#[derive(Clone, Copy, Debug, Default)]
struct Clocks {
    who: Who,
    start_us: u64,
    end_us: u64,
    is_whole: bool,
}

impl Clocks {
    /// What the start of this session is likely to be: the same bot goes on at once, another
    /// arrival came about when the last one did.
    fn expected(&self, who: Who) -> u64 {
        let Who { scenario, bot, session } = self.who;
        let follows = self.is_whole
            && (scenario, bot) == (who.scenario, who.bot)
            && session.checked_add(1) == Some(who.session);
        if follows { self.end_us } else { self.start_us }
    }
}

/// What is in a batch, as far as it was taken apart.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Contents {
    pub(crate) requests: u64,
}

/// Takes pieces apart; reused, so that a block costs no new buffers.
#[derive(Debug)]
pub(crate) struct Splitter {
    columns: [Vec<u8>; COLUMNS],
    /// The pieces in the order of their sessions.
    order: Vec<Place>,
    /// Where the next piece of each bot goes.
    next: Vec<u32>,
}

/// Where a piece of a batch is.
#[derive(Clone, Copy, Debug, Default)]
struct Place {
    index: u32,
    from: u32,
}

impl Splitter {
    pub(crate) fn new() -> Self {
        Self { columns: [const { Vec::new() }; COLUMNS], order: Vec::new(), next: Vec::new() }
    }

    pub(crate) fn columns(&self) -> &[Vec<u8>] {
        &self.columns
    }

    /// Takes a batch, of whose bots this is the first and the last, apart into
    /// [`Splitter::columns`].
    ///
    /// # Panics
    /// If the batch has pieces of more bytes than it has, or more than 4 GiB.
    pub(crate) fn split(&mut self, batch: &Batch, bots: (u64, u64)) -> Contents {
        self.deal(batch, bots);
        let order = std::mem::take(&mut self.order);
        let contents = self.split_in(&order, batch);
        self.order = order;
        contents.unwrap_or_else(|| self.split_sorted(batch))
    }

    fn split_sorted(&mut self, batch: &Batch) -> Contents {
        let mut order = std::mem::take(&mut self.order);
        order.sort_by_key(|place| key(&batch.pieces[place.index as usize]));
        let contents = self.split_in(&order, batch).expect("they are in order");
        self.order = order;
        contents
    }

    /// Takes the pieces apart in this order; none if it is not that of their sessions.
    fn split_in(&mut self, order: &[Place], batch: &Batch) -> Option<Contents> {
        self.columns.iter_mut().for_each(Vec::clear);
        let table = &mut self.columns[Column::Pieces as usize];
        let WorkerCounts { worker, started, not_recorded } = batch.counts;
        for number in [u64::from(worker), started, not_recorded, batch.pieces.len() as u64] {
            push_varint(table, number);
        }
        let mut contents = Contents::default();
        let (mut last, mut clocks) = ((Who::default(), 0), Clocks::default());
        let mut alike = Alike::default();
        let mut number = 0;
        while let Some(place) = order.get(number) {
            let (piece, record) = at(place, batch);
            if key(piece) < last {
                return None;
            }
            let split = self.split_piece(piece, record, &mut clocks, &mut alike);
            contents.requests += split.map_or(0, |split| split.requests);
            self.describe(piece, split, last.0);
            number += 1;
            last = key(piece);
            let count = alike.split(&order[number..], batch, &mut self.columns, &mut clocks);
            if count > 0 {
                contents.requests += alike.requests() * count as u64;
                number += count;
                last = (clocks.who, 0);
            }
        }
        alike.finish(&mut self.columns);
        Some(contents)
    }

    /// Deals the pieces of a batch out to their bots, which takes one look at each: those of one
    /// bot mostly are in order.
    fn deal(&mut self, batch: &Batch, (first, last): (u64, u64)) {
        let count = usize::try_from(last - first).unwrap_or(usize::MAX).saturating_add(1);
        let is_dealt = count <= batch.pieces.len();
        // One for all, if there are many.
        let bot_of = |piece: &Piece| {
            if is_dealt { usize::try_from(piece.who.bot - first).unwrap_or(0) } else { 0 }
        };
        self.next.clear();
        self.next.resize(if is_dealt { count + 1 } else { 2 }, 0);
        for piece in &batch.pieces {
            self.next[bot_of(piece) + 1] += 1;
        }
        for bot in 1..self.next.len() {
            self.next[bot] += self.next[bot - 1];
        }
        self.order.clear();
        self.order.resize(batch.pieces.len(), Place::default());
        let mut from = 0;
        for (index, piece) in (0..).zip(&batch.pieces) {
            let next = &mut self.next[bot_of(piece)];
            self.order[*next as usize] = Place { index, from };
            *next += 1;
            from += u32::try_from(piece.size).expect("a batch is smaller than 4 GiB");
        }
        assert_eq!(from as usize, batch.bytes.len(), "a batch's pieces are its bytes");
    }

    /// Moves a record into the columns; its size if it was left as it is.
    fn split_piece<'a>(
        &mut self,
        piece: &Piece,
        record: &'a [u8],
        clocks: &mut Clocks,
        alike: &mut Alike<'a>,
    ) -> Result<Walked, usize> {
        let is_whole = piece.number == 0 && piece.end == PieceEnd::Whole;
        alike.finish(&mut self.columns);
        let before: [usize; COLUMNS] = std::array::from_fn(|column| self.columns[column].len());
        let clocks_before = *clocks;
        let walked = if is_whole {
            self.walk(piece, record, clocks, alike.notes(piece, record))
        } else {
            self.walk(piece, record, clocks, ())
        };
        alike.keep(walked, before);
        walked.ok_or_else(|| {
            *clocks = clocks_before;
            for (column, size) in self.columns.iter_mut().zip(before) {
                column.truncate(size);
            }
            let rows = &mut self.columns[Column::Rows as usize];
            if let Some(start) = piece.start {
                push_start(rows, &start.of(piece.who));
            }
            rows.extend_from_slice(record);
            rows.len() - before[Column::Rows as usize]
        })
    }

    /// Moves a record into the columns as far as it goes; none if that is not to its end.
    fn walk<'a>(
        &mut self,
        piece: &Piece,
        record: &'a [u8],
        clocks: &mut Clocks,
        notes: impl Noting<'a>,
    ) -> Option<Walked> {
        let mut split = Split { start: piece.start, record, columns: &mut self.columns, notes };
        let walked = walk(&mut split, piece.who, clocks, u64::MAX).ok()?;
        let is_as_described = walked.has_end == (piece.end == PieceEnd::Whole)
            && walked.has_start == (piece.number == 0);
        (split.record.is_empty() && is_as_described).then_some(walked)
    }

    /// Tells whose piece this is, and how much of it there is.
    fn describe(&mut self, piece: &Piece, split: Result<Walked, usize>, last: Who) {
        let mut flags = match piece.end {
            PieceEnd::Open => 0,
            PieceEnd::Whole => WHOLE,
            PieceEnd::Cut => CUT,
        };
        for (flag, is_set) in [
            (FIRST, piece.number == 0),
            (FAILING, piece.signature.is_some()),
            (ROWS, split.is_err()),
            (OTHER_SCENARIO, piece.who.scenario != last.scenario),
        ] {
            flags |= if is_set { flag } else { 0 };
        }
        let table = &mut self.columns[Column::Pieces as usize];
        push_who(table, flags, piece.who, last);
        if piece.number != 0 {
            push_varint(table, u64::from(piece.number));
        }
        match split {
            Err(size) => push_varint(table, size as u64),
            Ok(split) if piece.end != PieceEnd::Whole => push_varint(table, split.items),
            Ok(_) => {}
        }
        if let Some(signature) = &piece.signature {
            push_signature(&mut self.columns, signature);
        }
    }
}

/// A piece's flags, and whose it is: mostly somebody near the last.
#[inline]
fn push_who(table: &mut Vec<u8>, flags: u8, who: Who, last: Who) {
    let (bot, session) = (zigzag(last.bot, who.bot), zigzag(last.session, who.session));
    if who.scenario == last.scenario && (bot | session) <= 0x7F {
        let [bot, session] = [bot, session].map(|difference| (difference & 0x7F) as u8);
        table.extend_from_slice(&[flags, bot, session]);
        return;
    }
    table.push(flags);
    if who.scenario != last.scenario {
        table.extend_from_slice(&who.scenario.to_le_bytes());
    }
    push_varint(table, bot);
    push_varint(table, session);
}

fn push_signature(columns: &mut [Vec<u8>; COLUMNS], signature: &str) {
    let signatures = &mut columns[Column::Signatures as usize];
    push_varint(signatures, signature.len() as u64);
    signatures.extend_from_slice(signature.as_bytes());
}

/// How many pieces ahead of their use they are looked at.
const AHEAD: usize = 4;

/// A piece and its record.
fn at<'a>(place: &Place, batch: &'a Batch) -> (&'a Piece, &'a [u8]) {
    let (piece, from) = (&batch.pieces[place.index as usize], place.from as usize);
    (piece, &batch.bytes[from..from + piece.size])
}

/// Looks at a piece and its record, so that they are in the near caches when it is their turn: a
/// bot's sessions lie far from each other in a batch.
fn fetch(place: &Place, batch: &Batch) {
    black_box(batch.pieces[place.index as usize].number);
    black_box(batch.bytes.get(place.from as usize).copied());
}

/// What pieces are sorted by.
fn key(piece: &Piece) -> (Who, u32) {
    (piece.who, piece.number)
}

/// What a walk met.
#[derive(Clone, Copy, Debug, Default)]
struct Walked {
    items: u64,
    requests: u64,
    has_start: bool,
    has_end: bool,
}

/// Puts the batch together that was taken apart. Its pieces are sorted by session.
pub(crate) fn join(columns: &[Vec<u8>]) -> Result<(Batch, Contents), Malformed> {
    let (mut batch, mut contents) = (Batch::default(), Contents::default());
    let mut rests: Vec<&[u8]> = columns.iter().map(Vec::as_slice).collect();
    let table = Column::Pieces as usize;
    batch.counts = WorkerCounts {
        worker: u32::try_from(read_varint(&mut rests[table])?).map_err(|_| Malformed)?,
        started: read_varint(&mut rests[table])?,
        not_recorded: read_varint(&mut rests[table])?,
    };
    let count = read_varint(&mut rests[table])?;
    if count > PIECES_MAX as u64 {
        return Err(Malformed);
    }
    let (mut last, mut clocks) = (Who::default(), Clocks::default());
    for _ in 0..count {
        let (mut piece, amount, flags) = described(&mut rests, last)?;
        last = piece.who;
        let before = batch.bytes.len();
        if flags & ROWS != 0 {
            let rows = &mut rests[Column::Rows as usize];
            let size = usize::try_from(amount).map_err(|_| Malformed)?;
            let (record, rest) = rows.split_at_checked(size).ok_or(Malformed)?;
            *rows = rest;
            batch.bytes.extend_from_slice(record);
        } else {
            let mut join = Join { columns: &mut rests, record: &mut batch.bytes };
            let walked = walk(&mut join, piece.who, &mut clocks, amount)?;
            contents.requests += walked.requests;
            let is_as_described = walked.has_end == (piece.end == PieceEnd::Whole)
                && walked.has_start == (piece.number == 0);
            if !is_as_described {
                return Err(Malformed);
            }
        }
        piece.size = batch.bytes.len() - before;
        if batch.bytes.len() > UNPACKED_BYTES_MAX {
            return Err(Malformed);
        }
        batch.pieces.push(piece);
    }
    if rests.iter().all(|rest| rest.is_empty()) { Ok((batch, contents)) } else { Err(Malformed) }
}

/// The next piece of the table, how much of it there is, and its flags.
fn described(rests: &mut [&[u8]], last: Who) -> Result<(Piece, u64, u8), Malformed> {
    let table = &mut rests[Column::Pieces as usize];
    let (&flags, rest) = table.split_first().ok_or(Malformed)?;
    *table = rest;
    let end = match flags & (WHOLE | CUT) {
        0 => PieceEnd::Open,
        WHOLE => PieceEnd::Whole,
        CUT => PieceEnd::Cut,
        _ => return Err(Malformed),
    };
    if flags & !FLAGS != 0 {
        return Err(Malformed);
    }
    let mut scenario = last.scenario;
    if flags & OTHER_SCENARIO != 0 {
        let (bytes, rest) = table.split_first_chunk().ok_or(Malformed)?;
        scenario = u64::from_le_bytes(*bytes);
        *table = rest;
    }
    let bot = read_difference(table, last.bot)?;
    let session = read_difference(table, last.session)?;
    let number = if flags & FIRST == 0 { read_varint(table)? } else { 0 };
    let number = u32::try_from(number).map_err(|_| Malformed)?;
    if (number == 0) != (flags & FIRST != 0) {
        return Err(Malformed);
    }
    let has_amount = flags & ROWS != 0 || end != PieceEnd::Whole;
    let amount = if has_amount { read_varint(table)? } else { u64::MAX };
    let signature = if flags & FAILING == 0 {
        None
    } else {
        let signatures = &mut rests[Column::Signatures as usize];
        let size = usize::try_from(read_varint(signatures)?).map_err(|_| Malformed)?;
        let (text, rest) = signatures.split_at_checked(size).ok_or(Malformed)?;
        *signatures = rest;
        Some(std::str::from_utf8(text).map_err(|_| Malformed)?.to_owned())
    };
    let who = Who { scenario, bot, session };
    Ok((Piece { who, number, start: None, size: 0, end, signature }, amount, flags))
}
