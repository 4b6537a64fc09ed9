//! Records that are like the one before, taken apart without a walk.
//!
//! Most sessions of a run do the same, and their records differ in whose they are, in clocks and
//! in checks alone. The walk notes where those fields lie. If the next record has the same bytes
//! everywhere else, its walk would be the same too: its fields are moved, and all other columns
//! get once more what the walk moved to them, for a whole run of such records at once.

use super::super::block::Malformed;
use super::walk::{Moves, Split};
use super::{COLUMNS, Clocks, Column, Walked};
use crate::session::Who;

/// A record with more fields costs little beside what it holds, and is walked.
pub(super) const FIELDS_MAX: usize = 64;

/// Columns of fields, in which records that are alike differ.
const DIFFERING: [Column; 4] = [Column::Starts, Column::Clocks, Column::Parts, Column::Wholes];

/// Columns of all the rest of a record.
const REPEATED: [Column; 5] =
    [Column::Kinds, Column::Versions, Column::Numbers, Column::Sizes, Column::Texts];

/// A part of a record in which records that are alike differ.
#[derive(Clone, Copy, Debug)]
pub(super) enum Field {
    StartClock,
    Who,
    Clock,
    Part,
    Whole,
}

/// The fields of a record, each with what stands between it and the field before.
type Fields<'r> = Vec<(&'r [u8], Field)>;

/// Who is told of the fields of a record that is taken apart.
pub(super) trait Noting<'r> {
    /// A field before which so much was left of the record, and what comes behind it.
    fn note(&mut self, field: Field, left: usize, rest: &'r [u8]);
}

impl<'r> Noting<'r> for () {
    #[inline]
    fn note(&mut self, _: Field, _: usize, _: &'r [u8]) {}
}

/// Notes fields on a walk.
pub(super) struct Notes<'a, 'r> {
    fields: &'a mut Fields<'r>,
    /// The record behind the latest field.
    rest: &'r [u8],
}

impl<'r> Noting<'r> for Notes<'_, 'r> {
    fn note(&mut self, field: Field, left: usize, rest: &'r [u8]) {
        // One too many says that there are too many.
        if self.fields.len() <= FIELDS_MAX {
            self.fields.push((&self.rest[..self.rest.len() - left], field));
        }
        self.rest = rest;
    }
}

/// The latest whole record that was walked.
#[derive(Default)]
pub(super) struct Alike<'a> {
    /// None if the next record is to be walked.
    fields: Fields<'a>,
    walked: Walked,
    /// How long the columns were before it.
    before: [usize; COLUMNS],
    /// How many records like it came since, whose rest is not in the columns yet.
    count: usize,
}

impl<'a> Alike<'a> {
    /// Where the walk of a whole record notes its fields.
    pub(super) fn notes(&mut self, record: &'a [u8]) -> Notes<'_, 'a> {
        Notes { fields: &mut self.fields, rest: record }
    }

    /// Keeps what was noted if the walk came to its end. `before` says where its columns begin.
    pub(super) fn keep(&mut self, walked: Option<Walked>, before: [usize; COLUMNS]) {
        match walked {
            Some(walked) if self.fields.len() <= FIELDS_MAX => {
                (self.walked, self.before) = (walked, before);
            }
            _ => self.fields.clear(),
        }
    }

    /// Takes a whole record apart if it is like the one kept.
    pub(super) fn split(
        &mut self,
        record: &[u8],
        columns: &mut [Vec<u8>; COLUMNS],
        who: Who,
        clocks: &mut Clocks,
    ) -> Option<Walked> {
        if self.fields.is_empty() {
            return None;
        }
        let before = DIFFERING.map(|column| columns[column as usize].len());
        let mut split = Split { record, columns, notes: () };
        if let Ok(now) = self.fields(&mut split, who, clocks) {
            *clocks = now;
            self.count += 1;
            return Some(self.walked);
        }
        for (column, size) in DIFFERING.into_iter().zip(before) {
            columns[column as usize].truncate(size);
        }
        None
    }

    fn fields(
        &self,
        split: &mut Split<'_, '_, ()>,
        who: Who,
        clocks: &Clocks,
    ) -> Result<Clocks, Malformed> {
        let mut now = Clocks { who, is_whole: true, ..*clocks };
        for (before, field) in &self.fields {
            let (bytes, rest) = split.record.split_at_checked(before.len()).ok_or(Malformed)?;
            if !is_same(bytes, before) {
                return Err(Malformed);
            }
            split.record = rest;
            match field {
                Field::StartClock => {
                    now.start_us = split.start_clock(clocks.expected(who))?;
                    now.end_us = now.start_us;
                }
                Field::Who => split.who(who)?,
                Field::Clock => {
                    now.end_us = now.end_us.wrapping_add(split.varint(Column::Clocks)?);
                }
                Field::Part => split.check::<2>(Column::Parts)?,
                Field::Whole => split.check::<8>(Column::Wholes)?,
            }
        }
        // A whole record ends with a check, which is a field.
        if split.is_over() { Ok(now) } else { Err(Malformed) }
    }

    /// Gives the columns what is the same in all records that came since; the next is walked.
    pub(super) fn finish(&mut self, columns: &mut [Vec<u8>; COLUMNS]) {
        for column in REPEATED {
            let (from, column) = (self.before[column as usize], &mut columns[column as usize]);
            let mut missing = if self.count == 0 { 0 } else { (column.len() - from) * self.count };
            while missing > 0 {
                let size = missing.min(column.len() - from);
                column.extend_from_within(from..from + size);
                missing -= size;
            }
        }
        self.fields.clear();
        self.count = 0;
    }
}

/// Whether they are the same: mostly it is the kind of an item, for which a call is too much.
#[inline]
fn is_same(bytes: &[u8], known: &[u8]) -> bool {
    match (bytes, known) {
        ([byte], [known]) => byte == known,
        _ => bytes == known,
    }
}

#[cfg(test)]
mod tests {
    use super::super::Splitter;
    use super::*;
    use crate::Name;
    use crate::session::Arrived;
    use crate::trace::record::{Asked, CommandKind, RecordedStart, Recorder};
    use crate::trace::{Piece, PieceEnd};

    /// A session with an item of every kind; clocks and checks depend on its number.
    fn record(who: Who) -> Vec<u8> {
        let (mut recorder, number) = (Recorder::default(), who.session);
        let mut at_us = number * 997;
        let (carry, setup) = (br#"{"visits":3}"#, b"[1]");
        let start = RecordedStart { who, at_us, stopping: false, sampler_version: 1, carry, setup };
        recorder.start(&start);
        for (arrived, name) in [(Arrived::Response(200), "a"), (Arrived::Response(503), "b")] {
            recorder.send(&Name::from(name), number << 3);
            at_us += 100 * (number + 1);
            recorder.input(arrived, at_us, number > 2);
            recorder.value_json(Asked::Json, br#""value""#);
            recorder.value_error(Asked::Pointer, 3);
        }
        recorder.other(CommandKind::Sleep, 0, number);
        recorder.input(Arrived::Woke, at_us + 70_000, false);
        recorder.end(1, Some("enough"), number << 40);
        let mut bytes = Vec::new();
        recorder.take(&mut bytes);
        bytes
    }

    /// Takes these sessions apart, each with what `alike` gives; how many were taken without a
    /// walk.
    fn split(records: &[(Who, Vec<u8>)], remembers: bool) -> (Splitter, usize) {
        let mut splitter = Splitter::new();
        let (mut alike, mut clocks, mut count) = (Alike::default(), Clocks::default(), 0);
        for (who, record) in records {
            if !remembers {
                alike = Alike::default();
            }
            let (size, end) = (record.len(), PieceEnd::Whole);
            let piece = Piece { who: *who, number: 0, size, end, signature: None };
            splitter.split_piece(&piece, record, &mut clocks, &mut alike);
            count += usize::from(alike.count > 0);
        }
        alike.finish(&mut splitter.columns);
        (splitter, count)
    }

    fn sessions() -> Vec<(Who, Vec<u8>)> {
        let who = |session| Who { scenario: 7, bot: 300, session };
        [0, 1, 2, 3, 4, 200].map(|session| (who(session), record(who(session)))).to_vec()
    }

    #[test]
    fn records_that_are_alike_become_the_columns_that_a_walk_makes_of_them() {
        let (walked, none) = split(&sessions(), false);
        let (alike, count) = split(&sessions(), true);
        // The first is walked, and the fourth, from which on the run is stopping.
        assert_eq!((none, count), (0, 4));
        assert_eq!(alike.columns, walked.columns);
    }

    #[test]
    fn a_record_that_differs_in_any_byte_becomes_what_a_walk_makes_of_it() {
        let like = |changed: Vec<u8>, what: String| {
            let mut sessions = sessions();
            sessions[1].1 = changed;
            let (walked, alike) = (split(&sessions, false).0, split(&sessions, true).0);
            assert_eq!(alike.columns, walked.columns, "{what}");
        };
        let record = sessions()[1].1.clone();
        for at in 0..record.len() {
            for bit in 0..8 {
                let mut changed = record.clone();
                changed[at] ^= 1 << bit;
                like(changed, format!("bit {bit} of byte {at}"));
            }
            like(record[..at].to_vec(), format!("cut at {at}"));
            like([&record[..at], &[0], &record[at..]].concat(), format!("one more at {at}"));
        }
        like([&record[..], &[0]].concat(), "one more at the end".to_owned());
    }
}
