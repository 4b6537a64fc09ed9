//! Pieces of records on their way from a worker to the writer.
//!
//! A piece belongs to one session and is contiguous: a short session is one piece, a long one is
//! written while it goes on. A worker packs pieces into a batch and hands over the batch.

use super::exchange::KeptExchange;
use super::record::PlainStart;
use crate::session::Who;

/// The most pieces of a batch: what a reader makes room for.
pub const PIECES_MAX: usize = 1 << 17;

/// The longest record of a session that is kept; what comes after it is cut off. A session that
/// reads nothing takes a million requests to get there.
pub const SESSION_BYTES_MAX: usize = 16 * 1024 * 1024;

/// Pieces of records, and what their worker has counted so far.
#[derive(Clone, Debug, Default)]
pub struct Batch {
    /// The records, one piece after the other.
    pub bytes: Vec<u8>,
    /// The pieces, in the order of their bytes.
    pub pieces: Vec<Piece>,
    /// What sessions in it failed with.
    pub exchanges: Vec<KeptExchange>,
    /// The worker's counts up to this batch.
    pub counts: WorkerCounts,
}

/// One piece of a session's record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Piece {
    /// Whose.
    pub who: Who,
    /// Counts the pieces of a session.
    pub number: u32,
    /// The session's start, if it is told here instead of by the bytes.
    pub start: Option<PlainStart>,
    /// How many bytes of the batch.
    pub size: usize,
    /// What comes after it.
    pub end: PieceEnd,
    /// Why the session counts as failing, as far as it is known by now.
    pub signature: Option<String>,
}

/// What comes after a piece.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PieceEnd {
    /// The session goes on.
    Open,
    /// Nothing: the session has ended.
    Whole,
    /// Nothing: the session was cut off, by the end of the run or by a lack of space.
    Cut,
}

/// What a worker has counted since the start of the run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct WorkerCounts {
    /// The worker's number in its process.
    pub worker: u32,
    /// Sessions that it started.
    pub started: u64,
    /// Those of them of which nothing is or will be in the trace.
    pub not_recorded: u64,
}

impl Batch {
    /// Forgets the pieces; the room stays.
    pub fn clear(&mut self) {
        self.bytes.clear();
        self.pieces.clear();
        self.exchanges.clear();
    }
}
