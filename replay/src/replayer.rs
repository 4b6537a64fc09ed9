//! A recorded session against a bot: the same commands, or the first difference.
//!
//! The bot runs as it does live, but its inputs and all it reads come from the record. After
//! every step the command's kind, its label and the chain must be what was recorded. The replay
//! opens no socket and takes no time. Records come from disk and by mail: a hostile one gives an
//! error, runs no more steps than it has, and allocates no more than its own size.

mod difference;
mod recorded;

use std::fmt;
use std::rc::Rc;

use crate::bot::BotType;
use crate::observe::ResponseParts;
use crate::run::RunFacts;
use crate::session::{Arrived, Carry, Command, Event as SessionEvent, Input, Outcome, Session};
use crate::session::{Start, Who};
use crate::state::{Scratch, State};
use crate::trace::record::{
    Event, Events, RecordError, RecordedCommand, RecordedInput, RecordedStart,
};

pub use difference::{Cause, Difference, Side, Trail};
pub(crate) use recorded::Recorded;

use difference::is_recorded;

/// A session that was run again and did not differ.
#[derive(Clone, Debug, PartialEq)]
pub struct Replayed {
    /// Whose session it is.
    pub who: Who,
    /// How many steps agree, the start included.
    pub steps: u32,
    /// Where the record ends.
    pub end: ReplayEnd,
}

/// Where a record ends.
#[derive(Clone, Debug, PartialEq)]
pub enum ReplayEnd {
    /// With the session.
    Whole {
        /// How it ended.
        outcome: Outcome,
        /// The chain over all of it, the same as recorded.
        chain: u64,
    },
    /// Earlier: the session is exact up to its last whole step.
    Partial,
}

/// Why a session could not be replayed to the end of its record.
#[derive(Clone, Debug, PartialEq)]
pub enum ReplayError {
    /// The record cannot be read.
    Record(RecordError),
    /// The record holds no whole step.
    Empty,
    /// The session differs.
    Differs(Box<Difference>),
}

impl From<RecordError> for ReplayError {
    fn from(error: RecordError) -> Self {
        Self::Record(error)
    }
}

impl fmt::Display for ReplayError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Record(error) => error.fmt(f),
            Self::Empty => f.write_str("the record holds no whole step"),
            Self::Differs(difference) => difference.fmt(f),
        }
    }
}

impl std::error::Error for ReplayError {}

/// Runs a recorded session again, to its end or the first difference.
///
/// # Errors
/// If the record cannot be read, or the session differs.
pub fn replay(
    bot: &Rc<BotType>,
    run: &Rc<RunFacts>,
    record: &[u8],
) -> Result<Replayed, ReplayError> {
    let mut replayer = Replayer::new(bot, run, record);
    let mut outcome = None;
    while let Some(command) = replayer.next_step()? {
        if let Command::End(ended) = command {
            outcome = Some(ended);
        }
    }
    if replayer.steps == 0 {
        return Err(ReplayError::Empty);
    }
    let chain = replayer.session.chain();
    let end = match outcome {
        Some(outcome) => ReplayEnd::Whole { outcome, chain },
        None => ReplayEnd::Partial,
    };
    Ok(Replayed { who: replayer.session.who(), steps: replayer.steps, end })
}

/// Runs a recorded session again, step by step.
pub struct Replayer<'a> {
    session: Session,
    events: Events<'a>,
    steps: u32,
    is_over: bool,
}

impl<'a> Replayer<'a> {
    /// Ready for the record's first step.
    #[must_use]
    pub fn new(bot: &Rc<BotType>, run: &Rc<RunFacts>, record: &'a [u8]) -> Self {
        let state = State::new(run, &Scratch::new());
        state.own.borrow_mut().replay = Some(Box::default());
        Self {
            session: Session::with_state(bot, state),
            events: Events::new(record),
            steps: 0,
            is_over: false,
        }
    }

    /// Runs the next step. `None` where the record ends, also if it ends within a step.
    ///
    /// # Errors
    /// If the record cannot be read, or the session differs.
    pub fn next_step(&mut self) -> Result<Option<Command>, ReplayError> {
        if self.is_over {
            return self.nothing_follows();
        }
        let Some((input, recorded)) = self.read_step()? else {
            self.is_over = true;
            return Ok(None);
        };
        let command = match input {
            Event::Start(start) if self.steps == 0 => self.start(&start),
            Event::Input { at_us, stopping, input } if self.steps > 0 => {
                let (arrived, event) = event_of(input);
                if !self.session.waits_for(arrived) {
                    return Err(self.malformed());
                }
                self.session.step(Input { at_us, stopping, event })
            }
            _ => return Err(self.malformed()),
        };
        drop(self.session.reclaim_response());
        self.compare(&command, &recorded)?;
        self.steps += 1;
        self.is_over = matches!(command, Command::End(_));
        Ok(Some(command))
    }

    /// The session, for its notes and its latest request.
    #[must_use]
    pub fn session(&self) -> &Session {
        &self.session
    }

    /// What the bot drew and chose in the latest step.
    #[must_use]
    pub fn trail(&self) -> Vec<Trail> {
        let own = self.session.state().own.borrow();
        own.replay.as_ref().map(|replay| replay.trail().to_vec()).unwrap_or_default()
    }

    /// The chain over all steps so far.
    #[must_use]
    pub fn chain(&self) -> u64 {
        self.session.chain()
    }

    /// Appends the replay's own record since the last call: the same bytes as were recorded.
    pub fn take_record(&mut self, out: &mut Vec<u8>) {
        self.session.take_record(out);
    }

    /// How many steps agree.
    #[must_use]
    pub fn steps(&self) -> u32 {
        self.steps
    }

    /// What came in and what was commanded, with the values in between put where the bot will
    /// read them. `None` if the record does not hold all of it.
    fn read_step(&mut self) -> Result<Option<(Event<'a>, RecordedCommand<'a>)>, ReplayError> {
        let mut own = self.session.state().own.borrow_mut();
        let replay = own.replay.as_mut().expect("set when it was made");
        replay.begin_step();
        let mut input = None;
        loop {
            let event = match self.events.next() {
                None | Some(Err(RecordError::Truncated)) => return Ok(None),
                Some(event) => event?,
            };
            match (event, &input) {
                (Event::Value { asked, content }, Some(_)) => replay.push(asked, content),
                (Event::Command(command), Some(_)) => {
                    return Ok(input.map(|input| (input, command)));
                }
                (event @ (Event::Start(_) | Event::Input { .. }), None) => input = Some(event),
                _ => return Err(self.events.malformed().into()),
            }
        }
    }

    fn start(&mut self, start: &RecordedStart<'_>) -> Command {
        self.session.state().sampler_version.set(start.sampler_version);
        let setup = (!start.setup.is_empty()).then(|| Rc::from(start.setup));
        self.session.start(Start {
            who: start.who,
            carry: Carry::Given(start.carry),
            setup: setup.as_ref(),
            at_us: start.at_us,
            stopping: start.stopping,
        })
    }

    fn compare(
        &self,
        command: &Command,
        recorded: &RecordedCommand<'_>,
    ) -> Result<(), ReplayError> {
        let own = self.session.state().own.borrow();
        let replay = own.replay.as_ref().expect("set when it was made");
        let is_recorded = is_recorded(command, &self.session, own.chain, recorded);
        if replay.is_all_read() && is_recorded {
            return Ok(());
        }
        let side = Side::of_command(command, &self.session, own.chain);
        let difference = Difference::new(&self.session, recorded, side, replay);
        Err(ReplayError::Differs(Box::new(difference)))
    }

    fn malformed(&self) -> ReplayError {
        self.events.malformed().into()
    }

    /// After the end of a session, the record ends too.
    fn nothing_follows(&mut self) -> Result<Option<Command>, ReplayError> {
        match self.events.next() {
            None | Some(Err(RecordError::Truncated)) => Ok(None),
            Some(_) => Err(self.malformed()),
        }
    }
}

fn event_of(input: RecordedInput) -> (Arrived, SessionEvent) {
    match input {
        RecordedInput::Response(status) => {
            let parts = ResponseParts { status, ..ResponseParts::default() };
            (Arrived::Response(status), SessionEvent::Response(parts))
        }
        RecordedInput::Failed(failure) => (Arrived::Failed(failure), SessionEvent::Failed(failure)),
        RecordedInput::Woke => (Arrived::Woke, SessionEvent::Woke),
        RecordedInput::Answer(answer) => (Arrived::Answer(answer), SessionEvent::Answer(answer)),
    }
}
