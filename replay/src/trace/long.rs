//! Sessions of several pieces, while they are looked for and put together.
//!
//! Where their pieces are is remembered first, then they are read. Traces are hostile input: a
//! piece may take next to nothing in a file, so what is remembered has a limit, and what does not
//! fit waits for the next round.

use std::collections::BTreeMap;

use super::batch::{Batch, Piece, PieceEnd, SESSION_BYTES_MAX};
use super::reader::{Found, FoundEnd};
use crate::session::Who;

/// Sessions of several pieces, the first ones behind `after` as far as they may be remembered.
#[derive(Debug)]
pub(super) struct LongSessions {
    pub(super) after: Option<Who>,
    pub(super) sessions: BTreeMap<Who, Long>,
    /// What they take, about.
    bytes: usize,
    bytes_max: usize,
    has_left_out: bool,
}

impl LongSessions {
    pub(super) fn new(after: Option<Who>, bytes_max: usize) -> Self {
        Self { after, sessions: BTreeMap::new(), bytes: 0, bytes_max, has_left_out: false }
    }

    pub(super) fn note(&mut self, piece: Piece, offset: u64) {
        if self.after.is_some_and(|after| piece.who <= after) {
            return;
        }
        let long = self.sessions.entry(piece.who).or_insert_with(|| {
            self.bytes += LONG_BYTES;
            Long { first: offset, ..Long::default() }
        });
        self.bytes -= long.signature.as_ref().map_or(0, String::len);
        long.note(piece, offset);
        self.bytes += long.signature.as_ref().map_or(0, String::len);
        // The last ones go: they come next time. One stays, so that there is an end.
        while self.bytes > self.bytes_max && self.sessions.len() > 1 {
            let Some((_, long)) = self.sessions.pop_last() else { return };
            self.bytes -= LONG_BYTES + long.signature.map_or(0, |signature| signature.len());
            self.has_left_out = true;
        }
    }

    /// The session behind which some were left out.
    pub(super) fn left_out_after(&self) -> Option<Who> {
        self.sessions.last_key_value().map(|(who, _)| *who).filter(|_| self.has_left_out)
    }
}

/// What a session of several pieces takes in a map while its pieces are looked for.
const LONG_BYTES: usize = 2 * (size_of::<Who>() + size_of::<Long>());

/// A session of several pieces.
#[derive(Debug, Default)]
pub(super) struct Long {
    /// The block of its first piece, and that of its last.
    pub(super) first: u64,
    pub(super) last: u64,
    pub(super) size: usize,
    pub(super) signature: Option<String>,
    record: Vec<u8>,
    /// Pieces that were gathered without a gap.
    pieces: u32,
    end: Option<PieceEnd>,
    has_gap: bool,
}

impl Long {
    fn note(&mut self, piece: Piece, offset: u64) {
        self.last = offset;
        self.size += piece.size;
        self.signature = piece.signature.or(self.signature.take());
    }

    fn add(&mut self, piece: &Piece, record: &[u8]) {
        let is_next = piece.number == self.pieces && self.end.is_none() && !self.has_gap;
        if is_next && self.record.len() + record.len() <= SESSION_BYTES_MAX {
            self.record.extend_from_slice(record);
            self.pieces += 1;
            self.end = (piece.end != PieceEnd::Open).then_some(piece.end);
        } else {
            self.has_gap = true;
        }
    }

    pub(super) fn found(self, who: Who) -> Found {
        let end = match self.end {
            _ if self.has_gap => FoundEnd::Gap,
            Some(PieceEnd::Whole) => FoundEnd::Whole,
            Some(PieceEnd::Cut | PieceEnd::Open) => FoundEnd::Cut,
            None => FoundEnd::Open,
        };
        Found { who, record: self.record, end, signature: self.signature }
    }
}

/// Adds the pieces of a batch to the sessions that are theirs.
pub(super) fn gather(gathered: &mut BTreeMap<Who, Long>, batch: &Batch) {
    let mut at = 0;
    for piece in &batch.pieces {
        let record = &batch.bytes[at..at + piece.size];
        at += piece.size;
        let is_long = piece.number > 0 || piece.end != PieceEnd::Whole;
        if let Some(long) = gathered.get_mut(&piece.who).filter(|_| is_long) {
            long.add(piece, record);
        }
    }
}
