//! Records that are like the one before, taken apart without a walk.
//!
//! Most sessions of a run do the same, and their records differ in whose they are, in clocks and
//! in checks alone. The walk notes where those fields lie. If the next record has the same bytes
//! everywhere else, its walk would be the same too: its fields are moved, and all other columns
//! get once more what the walk moved to them, for a whole run of such records at once.

use super::super::batch::{Batch, Piece, PieceEnd};
use super::super::block::{Malformed, push_difference};
use super::super::record::PlainStart;
use super::walk::{Moves, Split};
use super::{
    AHEAD, COLUMNS, Clocks, Column, FAILING, FIRST, Place, WHOLE, Walked, at, fetch,
    push_signature, push_who,
};

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
    /// Its start, if that is not among its bytes.
    start: Option<PlainStart>,
    walked: Walked,
    /// How long the columns were before it.
    before: [usize; COLUMNS],
    /// How many records like it came since, whose rest is not in the columns yet.
    count: usize,
}

impl<'a> Alike<'a> {
    /// Where the walk of a whole record notes its fields.
    pub(super) fn notes(&mut self, piece: &Piece, record: &'a [u8]) -> Notes<'_, 'a> {
        self.start = piece.start;
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

    /// How many requests there are in each of them.
    pub(super) fn requests(&self) -> u64 {
        self.walked.requests
    }

    /// Takes pieces apart, in their order, as long as they are whole and like the one kept, behind
    /// which they come; how many.
    pub(super) fn split(
        &mut self,
        order: &[Place],
        batch: &Batch,
        columns: &mut [Vec<u8>; COLUMNS],
        clocks: &mut Clocks,
    ) -> usize {
        if self.fields.is_empty() {
            return 0;
        }
        let mut count = 0;
        while let Some(place) = order.get(count) {
            if let Some(later) = order.get(count + AHEAD) {
                fetch(later, batch);
            }
            let (piece, record) = at(place, batch);
            let is_next = piece.number == 0
                && piece.end == PieceEnd::Whole
                && piece.who.scenario == clocks.who.scenario
                && piece.who >= clocks.who;
            if !is_next || !starts_alike(piece.start, self.start) {
                break;
            }
            let last = clocks.who;
            let before = DIFFERING.map(|column| columns[column as usize].len());
            let Ok(now) = self.fields(piece, record, columns, clocks) else {
                for (column, size) in DIFFERING.into_iter().zip(before) {
                    columns[column as usize].truncate(size);
                }
                break;
            };
            *clocks = now;
            let mut flags = FIRST | WHOLE;
            if let Some(signature) = &piece.signature {
                flags |= FAILING;
                push_signature(columns, signature);
            }
            push_who(&mut columns[Column::Pieces as usize], flags, piece.who, last);
            count += 1;
        }
        self.count += count;
        count
    }

    /// Moves the fields of a record, and the clock of a start that is told beside it.
    #[inline]
    fn fields(
        &self,
        piece: &Piece,
        record: &[u8],
        columns: &mut [Vec<u8>; COLUMNS],
        clocks: &Clocks,
    ) -> Result<Clocks, Malformed> {
        let who = piece.who;
        let expected_us = clocks.expected(who);
        let mut now = Clocks { who, is_whole: true, ..*clocks };
        if let Some(PlainStart { at_us, .. }) = piece.start {
            push_difference(&mut columns[Column::Starts as usize], expected_us, at_us);
            (now.start_us, now.end_us) = (at_us, at_us);
        }
        let mut split = Split { start: None, record, columns, notes: () };
        for (before, field) in &self.fields {
            let (bytes, rest) = split.record.split_at_checked(before.len()).ok_or(Malformed)?;
            if !is_same(bytes, before) {
                return Err(Malformed);
            }
            split.record = rest;
            match field {
                Field::StartClock => {
                    now.start_us = split.start_clock(expected_us)?;
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

/// Whether they differ in their clocks alone.
fn starts_alike(start: Option<PlainStart>, known: Option<PlainStart>) -> bool {
    match (start, known) {
        (Some(start), Some(known)) => start == PlainStart { at_us: start.at_us, ..known },
        (start, known) => start == known,
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
    use super::super::{Splitter, join};
    use super::*;
    use crate::Name;
    use crate::session::{Arrived, Who};
    use crate::trace::PieceEnd;
    use crate::trace::record::{Asked, CommandKind, NO_CARRY, NO_SETUP, RecordedStart, Recorder};

    /// A session, its start if that is told apart, and its other bytes.
    type Recorded = (Who, Option<PlainStart>, Vec<u8>);

    const CARRY: &[u8] = br#"{"visits":3}"#;

    /// A session with an item of every kind; clocks and checks depend on its number.
    fn recorder(who: Who, carry: &[u8]) -> Recorder {
        let (mut recorder, number) = (Recorder::default(), who.session);
        let mut at_us = number * 997;
        let setup = if carry == NO_CARRY { NO_SETUP } else { b"[1]" };
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
        recorder
    }

    /// Takes these sessions apart; how many were taken without a walk, which `remembers` allows.
    fn split(records: &[Recorded], remembers: bool) -> (Splitter, usize) {
        let (mut batch, mut order) = (Batch::default(), Vec::new());
        for (index, (who, start, record)) in (0..).zip(records) {
            let (who, start, size, end) = (*who, *start, record.len(), PieceEnd::Whole);
            order.push(Place { index, from: u32::try_from(batch.bytes.len()).unwrap() });
            batch.bytes.extend_from_slice(record);
            batch.pieces.push(Piece { who, number: 0, start, size, end, signature: None });
        }
        let (mut splitter, mut last) = (Splitter::new(), Who::default());
        let (mut alike, mut clocks) = (Alike::default(), Clocks::default());
        let (mut number, mut count) = (0, 0);
        while let Some(place) = order.get(number) {
            let (piece, record) = at(place, &batch);
            let split = splitter.split_piece(piece, record, &mut clocks, &mut alike);
            splitter.describe(piece, split, last);
            number += 1;
            if remembers {
                let rest = &order[number..];
                let run = alike.split(rest, &batch, &mut splitter.columns, &mut clocks);
                (number, count) = (number + run, count + run);
            }
            last = batch.pieces[number - 1].who;
        }
        alike.finish(&mut splitter.columns);
        (splitter, count)
    }

    fn all(record: impl Fn(Who) -> Recorded) -> Vec<Recorded> {
        [0, 1, 2, 3, 4, 200].map(|session| record(Who { scenario: 7, bot: 300, session })).to_vec()
    }

    /// Sessions whose starts stand in their records.
    fn spelt(carry: &[u8]) -> Vec<Recorded> {
        all(|who| {
            let mut bytes = Vec::new();
            recorder(who, carry).take(who, &mut bytes);
            (who, None, bytes)
        })
    }

    /// Sessions whose starts are told apart from their records.
    fn told() -> Vec<Recorded> {
        all(|who| {
            let mut bytes = Vec::new();
            let start = recorder(who, NO_CARRY).take_piece(&mut bytes);
            assert!(start.is_some());
            (who, start, bytes)
        })
    }

    #[test]
    fn records_that_are_alike_become_the_columns_that_a_walk_makes_of_them() {
        for sessions in [spelt(CARRY), told()] {
            let (walked, none) = split(&sessions, false);
            let (alike, count) = split(&sessions, true);
            // The first is walked, and the fourth, from which on the run is stopping.
            assert_eq!((none, count), (0, 4));
            assert_eq!(alike.columns, walked.columns);
        }
    }

    #[test]
    fn a_start_that_is_told_apart_becomes_the_columns_of_one_in_the_record() {
        for remembers in [false, true] {
            let (told, spelt) = (split(&told(), remembers).0, split(&spelt(NO_CARRY), remembers).0);
            assert_eq!(told.columns, spelt.columns);
        }
        // Left as it is, for it has no end.
        let cut = |mut sessions: Vec<Recorded>| {
            sessions.iter_mut().for_each(|(_, _, record)| record.truncate(record.len() - 1));
            split(&sessions, true).0.columns
        };
        let rows = cut(spelt(NO_CARRY));
        assert_eq!(cut(told()), rows);
        assert!(!rows[Column::Rows as usize].is_empty());
    }

    #[test]
    fn sessions_in_any_order_and_any_distance_come_back_in_order() {
        let mut bot = 0;
        let mut sessions: Vec<Recorded> = (0..300)
            .map(|gap| {
                bot += gap;
                let who = Who { scenario: 7, bot, session: gap % 2 };
                let mut bytes = Vec::new();
                let start = recorder(who, NO_CARRY).take_piece(&mut bytes);
                (who, start, bytes)
            })
            .collect();
        sessions.reverse();
        let mut batch = Batch::default();
        for (who, start, record) in &sessions {
            let (who, start, size, end) = (*who, *start, record.len(), PieceEnd::Whole);
            batch.bytes.extend_from_slice(record);
            batch.pieces.push(Piece { who, number: 0, start, size, end, signature: None });
        }
        let mut splitter = Splitter::new();
        splitter.split(&batch, (0, bot));
        let (joined, _) = join(splitter.columns()).unwrap();
        let mut expected: Vec<Who> = sessions.iter().map(|(who, ..)| *who).collect();
        expected.sort();
        let whose: Vec<Who> = joined.pieces.iter().map(|piece| piece.who).collect();
        assert_eq!(whose, expected);
        let mut records = Vec::new();
        expected.iter().for_each(|who| recorder(*who, NO_CARRY).take(*who, &mut records));
        assert_eq!(joined.bytes, records);
    }

    #[test]
    fn a_start_that_is_told_apart_is_alike_if_it_differs_in_its_clock_alone() {
        let start = PlainStart { at_us: 5, stopping: false, sampler_version: 1 };
        assert!(starts_alike(Some(PlainStart { at_us: 6, ..start }), Some(start)));
        assert!(!starts_alike(Some(PlainStart { stopping: true, ..start }), Some(start)));
        assert!(!starts_alike(Some(PlainStart { sampler_version: 2, ..start }), Some(start)));
        assert!(!starts_alike(None, Some(start)) && !starts_alike(Some(start), None));
        assert!(starts_alike(None, None));
    }

    #[test]
    fn a_record_that_differs_in_any_byte_becomes_what_a_walk_makes_of_it() {
        let like = |changed: Vec<u8>, what: String| {
            let mut sessions = spelt(CARRY);
            sessions[1].2 = changed;
            let (walked, alike) = (split(&sessions, false).0, split(&sessions, true).0);
            assert_eq!(alike.columns, walked.columns, "{what}");
        };
        let record = spelt(CARRY)[1].2.clone();
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
