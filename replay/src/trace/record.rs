//! One session's events as bytes.
//!
//! A step costs about 7 bytes: what came in (1 byte for the kind, a few for the clock), what the
//! bot read from it, and what it commanded (1 byte for kind and label, 2 of the chain). Labels
//! are spelt out at their first use, so that a record can be read, and a difference named,
//! without running anything. The first byte of an item says what it is:
//!
//! ```text
//! 0000 skkk  input: s = the run is stopping; then the clock: a varint of the microseconds since
//!            the previous input, for the start since the start of the run; then by k: 1 response
//!            with status 200, 2 response (varint status), 3 failed (varint), 4 woke, 5 answer
//!            (varint), 0 start (u8 record version, u16 sampler version, u64 scenario, varints bot
//!            and session, then carry and set-up, each as varint size and bytes)
//! 01ss aaaa  value read: s = 0 JSON, 1 an error (u8), 2 reading it panicked; a = how it was
//!            asked for; JSON is a varint size and bytes
//! 1kka aaaa  command: k = 0 send, 1 sleep, 2 ask, 3 end; a = label of a request (0 to 29 an
//!            index, 30 a varint index, 31 spelt out: varint size and bytes), question, or
//!            outcome (failed, abort: then the reason, varint size and bytes);
//!            then 2 bytes of the chain, at the end all 8. Numbers are little-endian.
//! ```
//!
//! Records come from disk and by mail: reading one never panics, and allocates nothing but the
//! list of labels, which is bounded.

mod read;
mod write;

use crate::session::Who;

pub use read::{
    Asked, Check, CommandKind, Content, Event, Events, RecordError, RecordedCommand, RecordedInput,
    RecordedStart,
};
pub(crate) use write::{Recorder, input_kind, push_start};

/// The start of a session that carries nothing and was handed nothing, as of most. On its way to
/// the trace it is told beside the bytes of a record, which a trace takes apart anyway.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PlainStart {
    /// Microseconds since the start of the run.
    pub at_us: u64,
    /// Whether the run was stopping.
    pub stopping: bool,
    /// The sampler version of the build that recorded it.
    pub sampler_version: u16,
}

impl PlainStart {
    /// The start as a record tells it.
    pub(crate) fn of(self, who: Who) -> RecordedStart<'static> {
        let Self { at_us, stopping, sampler_version } = self;
        let (carry, setup) = (NO_CARRY, NO_SETUP);
        RecordedStart { who, at_us, stopping, sampler_version, carry, setup }
    }
}

/// What is carried when nothing is.
pub(crate) const NO_CARRY: &[u8] = b"null";

/// What set-up hands over if there is none.
pub(crate) const NO_SETUP: &[u8] = b"";

/// Raised whenever the layout changes.
pub const RECORD_VERSION: u8 = 1;

/// How many labels a session's record refers to by number; any further one is spelt out each
/// time. A scenario has tens; hundreds are names with an id in them.
pub const LABELS_MAX: usize = 256;

pub(crate) const VALUE: u8 = 0x40;
pub(crate) const COMMAND: u8 = 0x80;
pub(crate) const STOPPING: u8 = 0x08;
pub(crate) const LABEL_INDEX: u8 = 30;
pub(crate) const LABEL_SPELT: u8 = 31;

#[cfg(test)]
mod tests;
