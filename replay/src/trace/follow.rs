//! Reads a trace that is still being written.
//!
//! A session that has just failed is looked for from the end of the file backwards, so that it
//! costs what was written since the session began, however long the run has lasted. What was
//! scanned is not scanned again.

use std::io::{Read, Seek};
use std::ops::ControlFlow;

use super::reader::{Found, TraceError, TraceReader, Wanted};
use super::scan::{Place, holds_records, scan};
use crate::session::Who;

impl<R: Read + Seek> TraceReader<R> {
    /// Scans what was added since the trace was opened, or advanced.
    ///
    /// # Errors
    /// If the file cannot be read.
    pub fn advance(&mut self) -> Result<(), TraceError> {
        let found = std::mem::take(&mut self.scanned);
        self.scanned = scan(&mut self.input, found)?;
        Ok(())
    }

    /// A session, as far as it is written; nothing if its start is not.
    ///
    /// # Errors
    /// If the file cannot be read.
    pub fn latest(&mut self, who: Who) -> Result<Option<Found>, TraceError> {
        let Some(from) = self.start_of(who)? else { return Ok(None) };
        let wanted = Wanted {
            scenario: Some(who.scenario),
            bot: Some(who.bot),
            session: Some(who.session),
            from,
            ..Wanted::default()
        };
        let mut found = None;
        self.sessions(&wanted, |session| {
            found = Some(session);
            ControlFlow::Break(())
        })?;
        Ok(found)
    }

    /// The last block in which this session starts.
    fn start_of(&mut self, who: Who) -> Result<Option<u64>, TraceError> {
        let places = self.scanned.places.iter().rev().filter(|place| holds_records(place));
        for place in places.copied().collect::<Vec<Place>>() {
            let Some((batch, _)) = self.batch(place)? else { continue };
            if batch.pieces.iter().any(|piece| piece.who == who && piece.number == 0) {
                return Ok(Some(place.offset));
            }
        }
        Ok(None)
    }
}
