//! The first difference between a record and its replay, in words.

use std::fmt;
use std::time::Duration;

use crate::Name;
use crate::draw::{Drawn, SAMPLER_VERSION, Site};
use crate::session::{Command, Outcome, Question, Session, Who};
use crate::trace::record::{Asked, Check, CommandKind, RecordedCommand};

use super::recorded::{Problem, Recorded};

/// The first difference between a record and its replay.
#[derive(Clone, Debug, PartialEq)]
pub struct Difference {
    /// Whose session it is.
    pub who: Who,
    /// The step after whose input the commands differ; the start is 0.
    pub step: u32,
    /// That input's instant, since the start of the run.
    pub at: Duration,
    /// What was recorded.
    pub recorded: Side,
    /// What the replay did.
    pub replayed: Side,
    /// What the bot drew and chose in this step, the latest last.
    pub trail: Vec<Trail>,
    /// What is likely to be the reason.
    pub cause: Cause,
}

/// One side of a difference.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Side {
    /// What kind of command.
    pub kind: CommandKind,
    /// A request's name or an outcome's reason.
    pub label: String,
    /// The number of a question or outcome.
    pub argument: u8,
    /// The chain, as far as it is recorded.
    pub check: Check,
    /// The command in full; empty on the recorded side, where only its check is known.
    pub canonical: String,
}

/// What a bot did on its way to a command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Trail {
    /// It drew.
    Draw {
        /// Where.
        site: Site,
        /// What came out.
        drawn: Drawn,
    },
    /// It chose an action.
    Pick {
        /// The set.
        set: String,
        /// The action.
        action: String,
        /// What it was chosen among, itself included, by weight; nothing if it was forced.
        among: Vec<(Name, u32)>,
    },
}

/// What is likely to be the reason of a difference.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// The record was made with other samplers.
    Samplers {
        /// Those of the record.
        recorded: u16,
    },
    /// The bot reads other values, in another order, or with another view.
    Reads(Asked),
    /// Another action was chosen: a weight, a guard or the order of actions is another.
    Choice,
    /// The same command with another content, or other notes before it.
    Content,
    /// The bot's code took another way.
    Way,
}

/// Whether a command is the recorded one, by kind, number, label and chain.
pub(super) fn is_recorded(
    command: &Command,
    session: &Session,
    chain: u64,
    recorded: &RecordedCommand<'_>,
) -> bool {
    let label_is = |label: &str| label == recorded.label;
    let (kind, argument, is_label) = match command {
        Command::Send => {
            let is_label = session.with_request_only(|request| label_is(request.name.as_str()));
            (CommandKind::Send, 0, is_label)
        }
        Command::Sleep(_) => (CommandKind::Sleep, 0, true),
        Command::Ask(question) => (CommandKind::Ask, *question as u8, true),
        Command::End(outcome) => {
            let is_label = label_is(outcome.reason().map_or("", Name::as_str));
            (CommandKind::End, outcome.number(), is_label)
        }
    };
    (kind, argument) == (recorded.kind, recorded.argument)
        && is_label
        && recorded.check.agrees(chain)
}

impl Side {
    pub(super) fn of_command(command: &Command, session: &Session, chain: u64) -> Self {
        let part = Check::Part((chain & 0xFFFF) as u16);
        let side = |kind, argument, canonical: String| Self {
            kind,
            label: String::new(),
            argument,
            check: part,
            canonical,
        };
        match command {
            Command::Send => session.with_request_only(|request| Self {
                label: request.name.to_string(),
                ..side(CommandKind::Send, 0, request.canonical())
            }),
            Command::Sleep(duration) => side(CommandKind::Sleep, 0, format!("for {duration:?}")),
            Command::Ask(question) => {
                side(CommandKind::Ask, *question as u8, format!("{question:?}"))
            }
            Command::End(outcome) => Self {
                label: outcome.reason().map(ToString::to_string).unwrap_or_default(),
                check: Check::Whole(chain),
                ..side(CommandKind::End, outcome.number(), format!("{outcome:?}"))
            },
        }
    }

    fn of_record(recorded: &RecordedCommand<'_>) -> Self {
        Self {
            kind: recorded.kind,
            label: recorded.label.to_owned(),
            argument: recorded.argument,
            check: recorded.check,
            canonical: String::new(),
        }
    }

    fn is_same_command(&self, other: &Self) -> bool {
        (self.kind, self.argument, &self.label) == (other.kind, other.argument, &other.label)
    }
}

impl fmt::Display for Side {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.kind {
            CommandKind::Send => write!(f, "send {}", self.label)?,
            CommandKind::Sleep => f.write_str("sleep")?,
            CommandKind::Ask => match Question::from_number(self.argument) {
                Some(question) => write!(f, "ask {question:?}")?,
                None => write!(f, "ask an unknown question ({})", self.argument)?,
            },
            CommandKind::End => {
                write!(f, "end, {}", Outcome::describe(self.argument))?;
                if !self.label.is_empty() {
                    write!(f, " ({})", self.label)?;
                }
            }
        }
        match self.check {
            Check::Part(part) => write!(f, "  [{part:04x}]"),
            Check::Whole(whole) => write!(f, "  [{whole:016x}]"),
        }
    }
}

impl Difference {
    pub(super) fn new(
        session: &Session,
        recorded: &RecordedCommand<'_>,
        replayed: Side,
        replay: &Recorded,
    ) -> Self {
        let recorded = Side::of_record(recorded);
        let sampler_version = session.state().sampler_version.get();
        let picked = replay.trail().iter().any(|trail| matches!(trail, Trail::Pick { .. }));
        let cause = match (replay.problem(), replay.unread()) {
            _ if sampler_version != SAMPLER_VERSION => {
                Cause::Samplers { recorded: sampler_version }
            }
            (Some(Problem::NoValue(asked) | Problem::View(asked)), _) => Cause::Reads(asked),
            (Some(Problem::OtherValue { replayed, .. }), _) => Cause::Reads(replayed),
            (None, _) if picked && !replayed.is_same_command(&recorded) => Cause::Choice,
            (None, Some(asked)) => Cause::Reads(asked),
            (None, None) if replayed.is_same_command(&recorded) => Cause::Content,
            (None, None) => Cause::Way,
        };
        Self {
            who: session.who(),
            step: session.step_index(),
            at: session.now(),
            recorded,
            replayed,
            trail: replay.trail().to_vec(),
            cause,
        }
    }
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "session {} differs at step {}, {:.6} s into the run",
            self.who,
            self.step,
            self.at.as_secs_f64()
        )?;
        writeln!(f, "  recorded: {}", self.recorded)?;
        writeln!(f, "  replayed: {}", self.replayed)?;
        for line in self.replayed.canonical.lines() {
            writeln!(f, "            {line}")?;
        }
        if !self.trail.is_empty() {
            f.write_str("  in this step the replay ")?;
            for (index, trail) in self.trail.iter().enumerate() {
                write!(f, "{}{trail}", if index == 0 { "" } else { ", " })?;
            }
            writeln!(f)?;
        }
        write!(f, "  likely cause: {}", self.cause)
    }
}

impl fmt::Display for Trail {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Draw { site, drawn } if site.label().is_empty() => {
                write!(f, "drew {drawn} at site {:016x}", site.key())
            }
            Self::Draw { site, drawn } => write!(f, "drew {drawn} at {}", site.label()),
            Self::Pick { set, action, .. } => write!(f, "picked {set}.{action}"),
        }
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Samplers { recorded } => write!(
                f,
                "it was recorded with sampler version {recorded}, this build has {SAMPLER_VERSION}"
            ),
            Self::Reads(asked) => write!(
                f,
                "the bot reads other values than when it was recorded ({}): its code or the \
                 scenario changed",
                asked.as_str()
            ),
            Self::Choice => f.write_str(
                "another action was chosen: a weight, a guard or the order of actions changed in \
                 the scenario or the bot",
            ),
            Self::Content => f.write_str(
                "the same command with another content, or other checks and metrics before it: \
                 the scenario or the bot changed",
            ),
            Self::Way => f.write_str("the bot took another way: its code or the scenario changed"),
        }?;
        if !matches!(self, Self::Samplers { .. }) {
            f.write_str("; if neither did, it is a bug in Tallyho, and worth a report")?;
        }
        Ok(())
    }
}
