//! What goes into a session and what comes out of it, as plain values.
//!
//! Apart from the session that they drive, because the engine, the replayer and the trace format
//! speak of them too, and most of them have numbers that are part of that format.
//! Knows nothing of bots.

use std::fmt;
use std::rc::Rc;
use std::time::Duration;

use crate::observe::ResponseParts;
use crate::{Failure, Name};

/// Whose session it is. Numbers are global: nothing derives from a core, thread or machine.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Who {
    /// The scenario's key: the hash of its name.
    pub scenario: u64,
    /// The bot's number in the run, or the arrival's where arrivals make sessions.
    pub bot: u64,
    /// The session's number among its bot's.
    pub session: u64,
}

impl fmt::Display for Who {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.bot, self.session)
    }
}

/// What a bot wants done next.
#[derive(Clone, Debug, PartialEq)]
pub enum Command {
    /// Send the request: [`Session::with_request`](crate::Session::with_request).
    Send,
    /// Wake it after this long, or earlier if the run stops.
    Sleep(Duration),
    /// Answer a question about the run.
    Ask(Question),
    /// The session is over.
    End(Outcome),
}

/// What a bot can ask about the run; the answer is recorded. The numbers are part of the format.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Question {
    /// How many bots are in a session now, over all tasks as far as known.
    ActiveBots = 0,
    /// The wall clock in milliseconds since 1970, for whoever compares dates of the target with
    /// the session clock. As good as the generator's own clock.
    UnixMs = 1,
}

impl Question {
    /// The question of a recorded number.
    pub(crate) const fn from_number(number: u8) -> Option<Self> {
        match number {
            0 => Some(Self::ActiveBots),
            1 => Some(Self::UnixMs),
            _ => None,
        }
    }
}

/// How a session ended.
#[derive(Clone, Debug, PartialEq)]
pub enum Outcome {
    /// As it should.
    Done,
    /// The bot says that it failed.
    Failed(Name),
    /// The bot starts no further session.
    StopBot,
    /// The whole run shall end.
    AbortRun(Name),
    /// The bot's code panicked.
    Panicked,
    /// The bot awaited something that is not the context's.
    Stuck,
}

impl Outcome {
    /// Its number in records.
    pub(crate) const fn number(&self) -> u8 {
        match self {
            Self::Done => 0,
            Self::Failed(_) => 1,
            Self::StopBot => 2,
            Self::AbortRun(_) => 3,
            Self::Panicked => 4,
            Self::Stuck => 5,
        }
    }

    /// What the outcome of a recorded number means.
    pub(crate) const fn describe(number: u8) -> &'static str {
        match number {
            0 => "done",
            1 => "failed",
            2 => "bot stopped",
            3 => "run aborted",
            4 => "panicked",
            5 => "stuck",
            _ => "unknown outcome",
        }
    }

    /// The bot's own words for it.
    #[must_use]
    pub const fn reason(&self) -> Option<&Name> {
        match self {
            Self::Failed(reason) | Self::AbortRun(reason) => Some(reason),
            _ => None,
        }
    }
}

/// Whether the outcome of this number is recorded with a reason.
pub(crate) const fn outcome_has_reason(number: u8) -> bool {
    matches!(number, 1 | 3)
}

/// What ends a wait.
#[derive(Debug)]
pub struct Input {
    /// The session clock: microseconds since the start of the run. Never goes back.
    pub at_us: u64,
    /// Whether the run is stopping.
    pub stopping: bool,
    /// What happened.
    pub event: Event,
}

/// What happened.
#[derive(Debug)]
pub enum Event {
    /// After `Send`: a response.
    Response(ResponseParts),
    /// After `Send`: none.
    Failed(Failure),
    /// After `Sleep`.
    Woke,
    /// After `Ask`.
    Answer(u64),
}

/// The first input of a session.
#[derive(Clone, Copy, Debug)]
pub struct Start<'a> {
    /// Whose session it is.
    pub who: Who,
    /// What the bot's previous session left.
    pub carry: Carry<'a>,
    /// What set-up handed to all bots, as JSON.
    pub setup: Option<&'a Rc<[u8]>>,
    /// The session clock: microseconds since the start of the run.
    pub at_us: u64,
    /// Whether the run is stopping.
    pub stopping: bool,
}

/// What a bot's previous session left.
#[derive(Clone, Copy, Debug)]
pub enum Carry<'a> {
    /// What this session object's last session left; nothing for its first.
    Own,
    /// This JSON. `null` is nothing.
    Given(&'a [u8]),
}

/// An input, as far as it is a plain value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Arrived {
    Response(u16),
    Failed(Failure),
    Woke,
    Answer(u64),
}

/// Why a session counts as failing: the first reason.
#[derive(Clone, Debug, PartialEq)]
pub struct Fault {
    /// The input after which it happened; the start is 0.
    pub step: u32,
    /// The action under way, if it was in one: set and name.
    pub action: Option<(Name, Name)>,
    /// What happened.
    pub kind: FaultKind,
}

/// What failed, without when: sessions that fail alike have the same.
impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.action {
            Some((set, name)) => write!(f, "{} (in {set}.{name})", self.kind),
            None => self.kind.fmt(f),
        }
    }
}

/// What makes a session count as failing.
#[derive(Clone, Debug, PartialEq)]
pub enum FaultKind {
    /// A check did not pass.
    Check(Name),
    /// A response had a status that was not expected.
    Status {
        /// The request's name.
        request: Name,
        /// The response's status.
        status: u16,
    },
    /// There was no response.
    Transport {
        /// The request's name.
        request: Name,
        /// Why.
        failure: Failure,
    },
    /// The bot's code panicked, with this text.
    Panicked(Rc<str>),
    /// The bot awaited something that is not the context's.
    Stuck,
    /// The bot said so.
    Failed(Name),
    /// The bot ended the run.
    Aborted(Name),
}

impl fmt::Display for FaultKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Check(name) => write!(f, "check failed: {name}"),
            Self::Status { request, status } => write!(f, "{request}: unexpected status {status}"),
            Self::Transport { request, failure } => write!(f, "{request}: {failure}"),
            Self::Panicked(text) => write!(f, "the bot panicked: {text}"),
            Self::Stuck => f.write_str("the bot waited for something that is not the context's"),
            Self::Failed(reason) => write!(f, "the bot failed: {reason}"),
            Self::Aborted(reason) => write!(f, "the bot ended the run: {reason}"),
        }
    }
}

/// What the session waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Waiting {
    /// It has not started, or is over.
    Start,
    Response,
    Wake,
    Answer,
}
