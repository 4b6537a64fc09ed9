//! Which sessions are exact, exact up to a step, or lost: counted from what was written.
//!
//! The same count is kept while a trace is written and made again when it is read, so that a
//! reader need not believe what a file says about itself.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::batch::{Piece, PieceEnd};
use crate::session::Who;

/// What became of the sessions of a run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Totals {
    /// Sessions that the run started.
    pub started: u64,
    /// Those recorded from start to end.
    pub exact: u64,
    /// Those recorded from the start to some step.
    pub partial: u64,
    /// Those of which there is nothing.
    pub not_recorded: NotRecorded,
    /// Requests in the records.
    pub requests: u64,
}

/// Why sessions were not recorded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct NotRecorded {
    /// They did not fail, and only failing ones were wanted or fitted under the limit.
    pub not_wanted: u64,
    /// The writer had fallen behind when they started.
    pub writer_behind: u64,
    /// They could not be written: the disk was full, or the process was killed.
    pub lost: u64,
}

impl NotRecorded {
    /// All of them. Saturates: a hostile file may say anything.
    #[must_use]
    pub fn sum(&self) -> u64 {
        self.not_wanted.saturating_add(self.writer_behind).saturating_add(self.lost)
    }
}

impl Totals {
    /// Whether every session that was started is accounted for.
    #[must_use]
    pub fn adds_up(&self) -> bool {
        let NotRecorded { not_wanted, writer_behind, lost } = self.not_recorded;
        let parts = [self.exact, self.partial, not_wanted, writer_behind, lost];
        let sum = parts.iter().try_fold(0_u64, |sum, part| sum.checked_add(*part));
        sum == Some(self.started)
    }
}

/// The most sessions that a trace may have under way at once; a process has fewer bots, and each
/// takes some 64 bytes here.
pub(crate) const OPEN_SESSIONS_MAX: usize = 1 << 22;

/// Follows sessions through their pieces.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    /// Sessions of several pieces that go on: a session of one piece never gets here.
    open: BTreeMap<Who, Open>,
    pub(crate) exact: u64,
    pub(crate) partial: u64,
    pub(crate) lost: u64,
}

#[derive(Debug, Default)]
struct Open {
    /// How many pieces there are without a gap.
    pieces: u32,
    has_gap: bool,
}

impl Ledger {
    /// Whether more sessions go on at once than any run has bots.
    pub(crate) fn is_full(&self) -> bool {
        self.open.len() >= OPEN_SESSIONS_MAX
    }

    /// A piece was written, or could not be.
    #[inline]
    pub(crate) fn piece(&mut self, piece: &Piece, is_written: bool) {
        if is_written && piece.number == 0 && piece.end == PieceEnd::Whole {
            self.exact += 1;
        } else {
            self.piece_of_several(piece, is_written);
        }
    }

    #[cold]
    fn piece_of_several(&mut self, piece: &Piece, is_written: bool) {
        let open = self.open.entry(piece.who).or_default();
        if is_written && piece.number == open.pieces && !open.has_gap {
            open.pieces += 1;
        } else {
            open.has_gap = true;
        }
        if piece.end == PieceEnd::Open {
            return;
        }
        let open = self.open.remove(&piece.who).expect("entered above");
        if open.pieces == 0 {
            self.lost += 1;
        } else if open.has_gap || piece.end == PieceEnd::Cut {
            self.partial += 1;
        } else {
            self.exact += 1;
        }
    }

    /// Counts sessions whose end never came.
    pub(crate) fn close(&mut self) {
        for open in std::mem::take(&mut self.open).into_values() {
            if open.pieces == 0 {
                self.lost += 1;
            } else {
                self.partial += 1;
            }
        }
    }
}
