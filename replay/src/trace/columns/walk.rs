//! The grammar of a record, as a walk that moves its bytes into columns or out of them.

use super::super::block::{Malformed, push_difference, push_varint, read_difference, read_varint};
use super::super::record::{
    COMMAND, LABEL_INDEX, LABEL_SPELT, NO_CARRY, NO_SETUP, PlainStart, RECORD_VERSION, STOPPING,
    VALUE, input_kind,
};
use super::alike::{Field, Noting};
use super::{COLUMNS, Clocks, Column, Walked};
use crate::session::{Who, outcome_has_reason};

/// Moves a record's bytes one way or the other.
pub(super) trait Moves {
    /// Moves a start that is told beside the bytes, if there is one, and shows its clock.
    fn told_start(&mut self, expected_us: u64) -> Option<u64>;
    /// Moves one byte and shows it.
    fn byte(&mut self, column: Column) -> Result<u8, Malformed>;
    /// Moves so many bytes.
    fn bytes(&mut self, column: Column, size: usize) -> Result<(), Malformed>;
    /// Moves a check of this size.
    fn check<const SIZE: usize>(&mut self, column: Column) -> Result<(), Malformed> {
        self.bytes(column, SIZE)
    }
    /// Moves a varint, byte by byte, and shows it.
    fn varint(&mut self, column: Column) -> Result<u64, Malformed>;
    /// Moves the clock of a start, which in its column is told from what was expected.
    fn start_clock(&mut self, expected_us: u64) -> Result<u64, Malformed>;
    /// Passes over whose session it is: in the columns the table of pieces says so.
    fn who(&mut self, who: Who) -> Result<(), Malformed>;
    /// Whether there is nothing more to move.
    fn is_over(&self) -> bool;
}

/// Moves a piece: to the end of a session, so many items, or all there is.
pub(super) fn walk<M: Moves>(
    moves: &mut M,
    who: Who,
    clocks: &mut Clocks,
    items: u64,
) -> Result<Walked, Malformed> {
    let mut walked = Walked::default();
    let mut now = Clocks { who, start_us: clocks.start_us, end_us: clocks.end_us, is_whole: false };
    if let Some(at_us) = moves.told_start(clocks.expected(who)) {
        (now.start_us, now.end_us) = (at_us, at_us);
        (walked.has_start, walked.items) = (true, 1);
    }
    while walked.items < items && !walked.has_end && !moves.is_over() {
        let first = moves.byte(Column::Kinds)?;
        if first >= COMMAND {
            command(moves, first, &mut walked)?;
        } else if first >= VALUE {
            value(moves, first)?;
        } else if first & !STOPPING == 0 {
            if walked.items != 0 {
                return Err(Malformed);
            }
            now.start_us = moves.start_clock(clocks.expected(who))?;
            now.end_us = now.start_us;
            start(moves, who)?;
            walked.has_start = true;
        } else {
            let delta_us = input(moves, first)?;
            now.end_us = now.end_us.wrapping_add(delta_us);
        }
        walked.items += 1;
    }
    if items != u64::MAX && walked.items != items {
        return Err(Malformed);
    }
    now.is_whole = walked.has_start && walked.has_end;
    *clocks = now;
    Ok(walked)
}

fn start<M: Moves>(moves: &mut M, who: Who) -> Result<(), Malformed> {
    // The record's version and the samplers'.
    moves.bytes(Column::Versions, 3)?;
    moves.who(who)?;
    text(moves)?;
    text(moves)
}

fn input<M: Moves>(moves: &mut M, first: u8) -> Result<u64, Malformed> {
    let delta_us = moves.varint(Column::Clocks)?;
    match first & !STOPPING {
        1 | 4 => {}
        2 | 3 | 5 => drop(moves.varint(Column::Numbers)?),
        _ => return Err(Malformed),
    }
    Ok(delta_us)
}

fn value<M: Moves>(moves: &mut M, first: u8) -> Result<(), Malformed> {
    match (first >> 4) & 3 {
        0 => text(moves),
        1 => moves.bytes(Column::Numbers, 1),
        2 => Ok(()),
        _ => Err(Malformed),
    }
}

fn command<M: Moves>(moves: &mut M, first: u8, walked: &mut Walked) -> Result<(), Malformed> {
    let argument = first & 31;
    match (first >> 5) & 3 {
        0 => {
            walked.requests += 1;
            match argument {
                LABEL_SPELT => text(moves)?,
                LABEL_INDEX => drop(moves.varint(Column::Numbers)?),
                _ => {}
            }
            moves.check::<2>(Column::Parts)
        }
        3 => {
            if outcome_has_reason(argument) {
                text(moves)?;
            }
            walked.has_end = true;
            moves.check::<8>(Column::Wholes)
        }
        _ => moves.check::<2>(Column::Parts),
    }
}

fn text<M: Moves>(moves: &mut M) -> Result<(), Malformed> {
    let size = moves.varint(Column::Sizes)?;
    moves.bytes(Column::Texts, usize::try_from(size).map_err(|_| Malformed)?)
}

/// From a record into columns.
pub(super) struct Split<'a, 'r, N> {
    /// The start, if it is not among the bytes.
    pub(super) start: Option<PlainStart>,
    pub(super) record: &'r [u8],
    pub(super) columns: &'a mut [Vec<u8>; COLUMNS],
    /// Where the fields are noted in which records differ.
    pub(super) notes: N,
}

impl<'r, N: Noting<'r>> Split<'_, 'r, N> {
    /// Notes that a field was moved from here.
    #[inline]
    fn note(&mut self, field: Field, from: usize) {
        self.notes.note(field, from, self.record);
    }
}

impl<'r, N: Noting<'r>> Moves for Split<'_, 'r, N> {
    fn told_start(&mut self, expected_us: u64) -> Option<u64> {
        let PlainStart { at_us, stopping, sampler_version } = self.start?;
        push_difference(&mut self.columns[Column::Starts as usize], expected_us, at_us);
        self.columns[Column::Kinds as usize].push(input_kind(0, stopping));
        let versions = &mut self.columns[Column::Versions as usize];
        versions.push(RECORD_VERSION);
        versions.extend_from_slice(&sampler_version.to_le_bytes());
        for text in [NO_CARRY, NO_SETUP] {
            push_varint(&mut self.columns[Column::Sizes as usize], text.len() as u64);
            self.columns[Column::Texts as usize].extend_from_slice(text);
        }
        Some(at_us)
    }

    fn byte(&mut self, column: Column) -> Result<u8, Malformed> {
        let (&byte, rest) = self.record.split_first().ok_or(Malformed)?;
        self.record = rest;
        self.columns[column as usize].push(byte);
        Ok(byte)
    }

    fn bytes(&mut self, column: Column, size: usize) -> Result<(), Malformed> {
        let (bytes, rest) = self.record.split_at_checked(size).ok_or(Malformed)?;
        self.record = rest;
        self.columns[column as usize].extend_from_slice(bytes);
        Ok(())
    }

    #[inline]
    fn check<const SIZE: usize>(&mut self, column: Column) -> Result<(), Malformed> {
        let left = self.record.len();
        let (bytes, rest) = self.record.split_first_chunk::<SIZE>().ok_or(Malformed)?;
        self.record = rest;
        self.columns[column as usize].extend_from_slice(bytes);
        self.note(if SIZE == 2 { Field::Part } else { Field::Whole }, left);
        Ok(())
    }

    #[inline]
    fn varint(&mut self, column: Column) -> Result<u64, Malformed> {
        let before = self.record;
        let moved = &mut self.columns[column as usize];
        let value = match *before {
            [byte @ ..0x80, ref rest @ ..] => {
                self.record = rest;
                moved.push(byte);
                u64::from(byte)
            }
            // As the clock of most answers.
            [low, high @ ..0x80, ref rest @ ..] => {
                self.record = rest;
                moved.extend_from_slice(&[low, high]);
                u64::from(low & 0x7F) | u64::from(high) << 7
            }
            _ => {
                let value = read_varint(&mut self.record)?;
                moved.extend_from_slice(&before[..before.len() - self.record.len()]);
                value
            }
        };
        if matches!(column, Column::Clocks) {
            self.note(Field::Clock, before.len());
        }
        Ok(value)
    }

    #[inline]
    fn start_clock(&mut self, expected_us: u64) -> Result<u64, Malformed> {
        let left = self.record.len();
        let at_us = canonical_varint(&mut self.record)?;
        push_difference(&mut self.columns[Column::Starts as usize], expected_us, at_us);
        self.note(Field::StartClock, left);
        Ok(at_us)
    }

    #[inline]
    fn who(&mut self, who: Who) -> Result<(), Malformed> {
        let left = self.record.len();
        let (scenario, rest) = self.record.split_first_chunk().ok_or(Malformed)?;
        self.record = rest;
        let scenario = u64::from_le_bytes(*scenario);
        let bot = canonical_varint(&mut self.record)?;
        let session = canonical_varint(&mut self.record)?;
        self.note(Field::Who, left);
        if (Who { scenario, bot, session }) == who { Ok(()) } else { Err(Malformed) }
    }

    fn is_over(&self) -> bool {
        self.record.is_empty()
    }
}

/// A varint that has no shorter form: only that one comes back when it is written again.
fn canonical_varint(bytes: &mut &[u8]) -> Result<u64, Malformed> {
    let before = *bytes;
    let value = read_varint(bytes)?;
    let size = before.len() - bytes.len();
    if size > 1 && before[size - 1] == 0 { Err(Malformed) } else { Ok(value) }
}

/// From columns into a record.
pub(super) struct Join<'a, 'b> {
    pub(super) columns: &'a mut [&'b [u8]],
    pub(super) record: &'a mut Vec<u8>,
}

impl Moves for Join<'_, '_> {
    fn told_start(&mut self, _: u64) -> Option<u64> {
        None
    }

    fn byte(&mut self, column: Column) -> Result<u8, Malformed> {
        let column = &mut self.columns[column as usize];
        let (&byte, rest) = column.split_first().ok_or(Malformed)?;
        *column = rest;
        self.record.push(byte);
        Ok(byte)
    }

    fn bytes(&mut self, column: Column, size: usize) -> Result<(), Malformed> {
        let column = &mut self.columns[column as usize];
        let (bytes, rest) = column.split_at_checked(size).ok_or(Malformed)?;
        *column = rest;
        self.record.extend_from_slice(bytes);
        Ok(())
    }

    fn varint(&mut self, column: Column) -> Result<u64, Malformed> {
        let column = &mut self.columns[column as usize];
        let before = *column;
        let value = read_varint(column)?;
        self.record.extend_from_slice(&before[..before.len() - column.len()]);
        Ok(value)
    }

    fn start_clock(&mut self, expected_us: u64) -> Result<u64, Malformed> {
        let at_us = read_difference(&mut self.columns[Column::Starts as usize], expected_us)?;
        push_varint(self.record, at_us);
        Ok(at_us)
    }

    fn who(&mut self, who: Who) -> Result<(), Malformed> {
        self.record.extend_from_slice(&who.scenario.to_le_bytes());
        push_varint(self.record, who.bot);
        push_varint(self.record, who.session);
        Ok(())
    }

    fn is_over(&self) -> bool {
        false
    }
}
