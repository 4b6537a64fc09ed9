//! Walks a record's events. Whatever the bytes, it gives events or one error, and never panics.

use std::fmt;

use super::{COMMAND, LABEL_INDEX, LABEL_SPELT, LABELS_MAX, RECORD_VERSION, STOPPING, VALUE};
use crate::Failure;
use crate::observe::ReadError;
use crate::session::Who;

/// One item of a record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event<'a> {
    /// The session's first input.
    Start(RecordedStart<'a>),
    /// Any later input.
    Input {
        /// The session clock: microseconds since the start of the run.
        at_us: u64,
        /// Whether the run was stopping.
        stopping: bool,
        /// What came in.
        input: RecordedInput,
    },
    /// A value that the bot read.
    Value {
        /// How it was asked for.
        asked: Asked,
        /// What it got.
        content: Content<'a>,
    },
    /// What the bot then commanded. Ends a step.
    Command(RecordedCommand<'a>),
}

/// The first input of a session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordedStart<'a> {
    /// Whose session it is.
    pub who: Who,
    /// Microseconds since the start of the run.
    pub at_us: u64,
    /// Whether the run was stopping.
    pub stopping: bool,
    /// The sampler version of the build that recorded it.
    pub sampler_version: u16,
    /// What the bot's previous session left: JSON.
    pub carry: &'a [u8],
    /// What set-up handed to all bots: JSON or empty.
    pub setup: &'a [u8],
}

/// An input other than the start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RecordedInput {
    /// A response with this status.
    Response(u16),
    /// No response.
    Failed(Failure),
    /// A sleep is over.
    Woke,
    /// The answer to a question.
    Answer(u64),
}

/// How a bot asked for a value. The numbers are part of the format.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Asked {
    /// `response.json()`
    Json = 0,
    /// `response.pointer()`
    Pointer = 1,
    /// `response.header()`
    Header = 2,
    /// `response.text()`
    Text = 3,
    /// `response.body_size()`
    BodySize = 4,
    /// `ctx.setup()`
    Setup = 5,
    /// `ctx.secret()`
    Secret = 6,
    /// `ctx.derive()`
    Derive = 7,
    /// `ctx.reveal()`
    Reveal = 8,
    /// The cookies that a response sets; by the bot's jar, if there are any
    SetCookie = 9,
}

impl Asked {
    /// In the order of their numbers.
    const ALL: [Self; 10] = [
        Self::Json,
        Self::Pointer,
        Self::Header,
        Self::Text,
        Self::BodySize,
        Self::Setup,
        Self::Secret,
        Self::Derive,
        Self::Reveal,
        Self::SetCookie,
    ];

    /// How bot code asks for it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Json => "response.json",
            Self::Pointer => "response.pointer",
            Self::Header => "response.header",
            Self::Text => "response.text",
            Self::BodySize => "response.body_size",
            Self::Setup => "ctx.setup",
            Self::SetCookie => "the cookies of a response",
            Self::Secret => "ctx.secret",
            Self::Derive => "ctx.derive",
            Self::Reveal => "ctx.reveal",
        }
    }
}

/// What a bot got when it asked for a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Content<'a> {
    /// The value.
    Json(&'a [u8]),
    /// Why it got none.
    Error(ReadError),
    /// The bot's own code panicked over the response.
    Panicked,
}

/// What a bot commanded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RecordedCommand<'a> {
    /// What kind of command.
    pub kind: CommandKind,
    /// A request's name, or the reason of an outcome; else empty.
    pub label: &'a str,
    /// The number of the question or outcome; else 0.
    pub argument: u8,
    /// What is recorded of the chain.
    pub check: Check,
}

impl RecordedCommand<'_> {
    /// How the session ended, if this is its end.
    #[must_use]
    pub fn outcome(&self) -> &'static str {
        match self.kind {
            CommandKind::End => crate::Outcome::describe(self.argument),
            CommandKind::Send | CommandKind::Sleep | CommandKind::Ask => "not ended",
        }
    }
}

/// The kinds of commands. The numbers are part of the format.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum CommandKind {
    /// A request.
    Send = 0,
    /// A pause.
    Sleep = 1,
    /// A question to the engine.
    Ask = 2,
    /// The end of the session.
    End = 3,
}

/// What is recorded of the chain after a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Check {
    /// The low 16 bits.
    Part(u16),
    /// All of it, at the end of a session.
    Whole(u64),
}

impl Check {
    /// Whether a chain agrees with what is recorded of it.
    #[must_use]
    pub fn agrees(self, chain: u64) -> bool {
        match self {
            Self::Part(part) => part == (chain & 0xFFFF) as u16,
            Self::Whole(whole) => whole == chain,
        }
    }
}

/// Why a record cannot be read on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RecordError {
    /// It stops within an item. What came before is whole.
    Truncated,
    /// It was written by another version of the format.
    Version(u8),
    /// A byte that starts nothing, or a number or text that cannot be.
    Malformed {
        /// Where in the record.
        offset: usize,
    },
}

impl fmt::Display for RecordError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Truncated => f.write_str("the record stops in the middle of an event"),
            Self::Version(version) => {
                write!(f, "the record has version {version}, this build reads {RECORD_VERSION}")
            }
            Self::Malformed { offset } => write!(f, "the record is damaged at byte {offset}"),
        }
    }
}

impl std::error::Error for RecordError {}

/// The events of a record, in order; after an error it ends.
#[derive(Clone, Debug)]
pub struct Events<'a> {
    bytes: &'a [u8],
    at: usize,
    at_us: u64,
    labels: Vec<&'a str>,
}

impl<'a> Events<'a> {
    /// Reads from the start of a session's record, all chunks put together.
    #[must_use]
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0, at_us: 0, labels: Vec::new() }
    }

    /// How many bytes have been read.
    #[must_use]
    pub fn offset(&self) -> usize {
        self.at
    }

    fn event(&mut self) -> Result<Event<'a>, RecordError> {
        let first = self.byte()?;
        if first >= COMMAND {
            self.command(first)
        } else if first >= VALUE {
            self.value(first)
        } else {
            self.input(first)
        }
    }

    fn input(&mut self, first: u8) -> Result<Event<'a>, RecordError> {
        if first & !(STOPPING | 7) != 0 {
            return Err(self.malformed());
        }
        let stopping = first & STOPPING != 0;
        let delta = self.varint()?;
        self.at_us = self.at_us.checked_add(delta).ok_or(self.malformed())?;
        let at_us = self.at_us;
        let input = match first & 7 {
            0 => return self.start(at_us, stopping),
            1 => RecordedInput::Response(200),
            2 => {
                let status = u16::try_from(self.varint()?).map_err(|_| self.malformed())?;
                RecordedInput::Response(status)
            }
            3 => {
                let failure = u8::try_from(self.varint()?).ok().and_then(Failure::from_byte);
                RecordedInput::Failed(failure.ok_or(self.malformed())?)
            }
            4 => RecordedInput::Woke,
            5 => RecordedInput::Answer(self.varint()?),
            _ => return Err(self.malformed()),
        };
        Ok(Event::Input { at_us, stopping, input })
    }

    fn start(&mut self, at_us: u64, stopping: bool) -> Result<Event<'a>, RecordError> {
        let version = self.byte()?;
        if version != RECORD_VERSION {
            return Err(RecordError::Version(version));
        }
        let sampler_version = u16::from_le_bytes(self.array()?);
        let scenario = u64::from_le_bytes(self.array()?);
        let who = Who { scenario, bot: self.varint()?, session: self.varint()? };
        let (carry, setup) = (self.blob()?, self.blob()?);
        self.labels.clear();
        Ok(Event::Start(RecordedStart { who, at_us, stopping, sampler_version, carry, setup }))
    }

    fn value(&mut self, first: u8) -> Result<Event<'a>, RecordError> {
        let asked = Asked::ALL.get(usize::from(first & 15)).copied().ok_or(self.malformed())?;
        let content = match (first >> 4) & 3 {
            0 => Content::Json(self.blob()?),
            1 => {
                let error = ReadError::from_byte(self.byte()?);
                Content::Error(error.ok_or(self.malformed())?)
            }
            2 => Content::Panicked,
            _ => return Err(self.malformed()),
        };
        Ok(Event::Value { asked, content })
    }

    fn command(&mut self, first: u8) -> Result<Event<'a>, RecordError> {
        let argument = first & 31;
        let kind = match (first >> 5) & 3 {
            0 => return self.send(argument),
            1 => CommandKind::Sleep,
            2 => CommandKind::Ask,
            _ => CommandKind::End,
        };
        let (label, check) = if kind == CommandKind::End {
            let has_reason = crate::session::outcome_has_reason(argument);
            let label = if has_reason { self.text()? } else { "" };
            (label, Check::Whole(u64::from_le_bytes(self.array()?)))
        } else {
            ("", Check::Part(u16::from_le_bytes(self.array()?)))
        };
        Ok(Event::Command(RecordedCommand { kind, label, argument, check }))
    }

    fn send(&mut self, argument: u8) -> Result<Event<'a>, RecordError> {
        let label = match argument {
            LABEL_SPELT => {
                let label = self.text()?;
                if self.labels.len() < LABELS_MAX {
                    self.labels.push(label);
                }
                label
            }
            LABEL_INDEX => {
                let index = self.varint()?;
                self.label(index)?
            }
            index => self.label(u64::from(index))?,
        };
        let check = Check::Part(u16::from_le_bytes(self.array()?));
        let kind = CommandKind::Send;
        Ok(Event::Command(RecordedCommand { kind, label, argument: 0, check }))
    }

    fn label(&self, index: u64) -> Result<&'a str, RecordError> {
        let known = usize::try_from(index).ok().and_then(|index| self.labels.get(index));
        known.copied().ok_or(self.malformed())
    }

    fn text(&mut self) -> Result<&'a str, RecordError> {
        std::str::from_utf8(self.blob()?).map_err(|_| self.malformed())
    }

    fn blob(&mut self) -> Result<&'a [u8], RecordError> {
        let size = usize::try_from(self.varint()?).map_err(|_| RecordError::Truncated)?;
        let blob = self.bytes[self.at..].get(..size).ok_or(RecordError::Truncated)?;
        self.at += size;
        Ok(blob)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], RecordError> {
        let array = self.bytes[self.at..].first_chunk().ok_or(RecordError::Truncated)?;
        self.at += N;
        Ok(*array)
    }

    fn byte(&mut self) -> Result<u8, RecordError> {
        self.array().map(|[byte]| byte)
    }

    fn varint(&mut self) -> Result<u64, RecordError> {
        let mut value = 0;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            let bits = u64::from(byte & 0x7F);
            if shift == 63 && bits > 1 {
                return Err(self.malformed());
            }
            value |= bits << shift;
            if byte & 0x80 == 0 {
                return Ok(value);
            }
        }
        Err(self.malformed())
    }

    /// The error, at the byte just read.
    pub(crate) fn malformed(&self) -> RecordError {
        RecordError::Malformed { offset: self.at.saturating_sub(1) }
    }
}

impl<'a> Iterator for Events<'a> {
    type Item = Result<Event<'a>, RecordError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.at == self.bytes.len() {
            return None;
        }
        let event = self.event();
        if event.is_err() {
            self.at = self.bytes.len();
        }
        Some(event)
    }
}
