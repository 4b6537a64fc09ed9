//! Drives one bot, one input at a time.
//!
//! [`Session::step`] puts the input where the bot's future finds it, polls the future once with a
//! waker that does nothing, and takes the next command out. No executor and no allocation: the
//! future's slot is boxed once per session object and refilled for each of its bot's sessions.
//! A panic of the bot, wherever it happens, ends the session and nothing else; so does awaiting
//! anything that is not the context's. The same code runs in the engine and in the replayer.
//!
//! Knows nothing of sockets and clocks: time comes in with the input.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use std::task::Poll;
use std::time::Duration;

use xxhash_rust::xxh3::xxh3_64;

use crate::bot::{BotType, Runner};
use crate::draw::SessionKey;
use crate::observe::{Note, ResponseParts};
use crate::request::Request;
use crate::run::RunFacts;
use crate::secret::Vault;
use crate::state::{Recording, ReplayStopped, Scratch, State, panic_text};
use crate::trace::record::{CommandKind, RecordedStart};
use crate::{Failure, Name};

/// How much of a panic's text is kept.
const PANIC_BYTES_MAX: usize = 1024;

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
    /// Send the request: [`Session::with_request`].
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

/// One bot's sessions, one after the other.
pub struct Session {
    runner: Box<dyn Runner>,
    state: Rc<State>,
    waiting: Waiting,
    /// The scratch's turn at the latest step.
    turn: u64,
    carry: Vec<u8>,
    recording: Recording,
}

impl Session {
    /// Makes room for the bot's future. The bot itself is made by [`Session::start`].
    #[must_use]
    pub fn new(bot: &Rc<BotType>, run: &Rc<RunFacts>, scratch: &Rc<Scratch>) -> Self {
        Self::with_state(bot, State::new(run, scratch))
    }

    pub(crate) fn with_state(bot: &Rc<BotType>, state: State) -> Self {
        let state = Rc::new(state);
        Self {
            runner: bot.runner(&state),
            state,
            waiting: Waiting::Start,
            turn: 0,
            carry: b"null".to_vec(),
            recording: Recording::On,
        }
    }

    /// Whether sessions are recorded; takes effect with the next start. At first they are.
    pub fn set_recording(&mut self, recording: Recording) {
        self.recording = recording;
    }

    /// Starts the bot's next session; one under way is dropped.
    pub fn start(&mut self, start: Start<'_>) -> Command {
        self.drop_future();
        let state = &self.state;
        if let Carry::Given(carry) = start.carry {
            self.carry.clear();
            self.carry.extend_from_slice(carry);
        }
        state.who.set(start.who);
        state.key.set(SessionKey::new(
            state.run.seed,
            start.who.scenario,
            start.who.bot,
            start.who.session,
        ));
        state.step.set(0);
        state.give_request_back();
        state.recording.set(self.recording == Recording::On);
        {
            let mut own = state.own.borrow_mut();
            own.clear();
            own.vault.keep_only_named_in(&self.carry);
            own.vault.share(state.scratch.shared.borrow().clone());
            std::mem::swap(&mut own.carry, &mut self.carry);
            own.setup = start.setup.cloned();
        }
        self.begin_step(start.at_us, start.stopping);
        self.record_start();
        self.runner.start();
        self.poll()
    }

    /// Hands the bot what it waited for, and takes its next command.
    ///
    /// # Panics
    /// If the session waits for something else, or for nothing: a mistake in the caller.
    pub fn step(&mut self, input: Input) -> Command {
        let state = &self.state;
        let arrived = match &input.event {
            Event::Response(parts) => Arrived::Response(parts.status),
            Event::Failed(failure) => Arrived::Failed(*failure),
            Event::Woke => Arrived::Woke,
            Event::Answer(answer) => Arrived::Answer(*answer),
        };
        assert!(
            self.waits_for(arrived),
            "{:?} came, but the bot waits for {:?}",
            arrived,
            self.waiting
        );
        state.step.set(state.step.get() + 1);
        self.begin_step(input.at_us.max(self.state.now_us.get()), input.stopping);
        self.record_input(arrived);
        self.judge(arrived);
        if let Event::Response(parts) = input.event {
            self.state.scratch.response.replace(Some(parts));
        }
        self.state.arrived.set(Some(arrived));
        self.poll()
    }

    pub(crate) fn waits_for(&self, arrived: Arrived) -> bool {
        let fits = match arrived {
            Arrived::Response(_) | Arrived::Failed(_) => Waiting::Response,
            Arrived::Woke => Waiting::Wake,
            Arrived::Answer(_) => Waiting::Answer,
        };
        fits == self.waiting
    }

    /// The request of the latest `Command::Send`, and what the wire writer needs to put the
    /// bot's secrets into it.
    ///
    /// # Panics
    /// If another session of the worker was stepped since: what a request is sent with lies there.
    pub fn with_request<R>(&self, read: impl FnOnce(&Request, &Vault) -> R) -> R {
        assert!(self.is_latest(), "another session was stepped since this one's request");
        read(&self.state.request(), &self.state.own.borrow().vault)
    }

    /// Takes back the buffer of the response that the latest step was given.
    #[must_use]
    pub fn reclaim_response(&self) -> Option<ResponseParts> {
        self.state.scratch.response.take()
    }

    /// The notes of the latest step.
    ///
    /// # Panics
    /// If another session of the worker was stepped since: its notes lie there now.
    pub fn for_each_note(&self, mut read: impl FnMut(&Note)) {
        assert!(self.is_latest(), "another session was stepped since this one's notes");
        for note in self.state.scratch.notes.borrow().iter() {
            read(note);
        }
    }

    /// After the end: what the bot's next session starts with, as JSON; `null` after a panic.
    #[must_use]
    pub fn carry(&self) -> &[u8] {
        &self.carry
    }

    /// Whose session it is.
    #[must_use]
    pub fn who(&self) -> Who {
        self.state.who.get()
    }

    /// How many inputs it has had; the start is number 0.
    #[must_use]
    pub fn step_index(&self) -> u32 {
        self.state.step.get()
    }

    /// Whether a check failed, a status was unexpected, a request had no response, or the bot
    /// panicked, got stuck or said so.
    #[must_use]
    pub fn is_failing(&self) -> bool {
        self.state.own.borrow().fault.is_some()
    }

    /// Why it counts as failing, if it does.
    #[must_use]
    pub fn first_failure(&self) -> Option<Fault> {
        self.state.own.borrow().fault.clone()
    }

    /// How many bytes of record wait to be taken.
    #[must_use]
    pub fn record_size(&self) -> usize {
        self.state.own.borrow().recorder.size()
    }

    /// Appends the session's events since the last call. The record of a session is all its
    /// pieces put together.
    pub fn take_record(&mut self, out: &mut Vec<u8>) {
        self.state.own.borrow_mut().recorder.take(out);
    }

    /// A way to the session's record that does not hold up the session.
    #[must_use]
    pub fn tap(&self) -> RecordTap {
        RecordTap(Rc::clone(&self.state))
    }

    /// Reads the bot's secrets, to mask what is kept for people to read.
    pub fn with_vault<R>(&self, read: impl FnOnce(&Vault) -> R) -> R {
        read(&self.state.own.borrow().vault)
    }

    /// The instant of the latest input, since the start of the run.
    #[must_use]
    pub fn now(&self) -> Duration {
        Duration::from_micros(self.state.now_us.get())
    }

    /// As [`Session::with_request`], for a caller that has the session's own state borrowed.
    pub(crate) fn with_request_only<R>(&self, read: impl FnOnce(&Request) -> R) -> R {
        read(&self.state.request())
    }

    pub(crate) fn chain(&self) -> u64 {
        self.state.own.borrow().chain
    }

    pub(crate) fn state(&self) -> &State {
        &self.state
    }

    fn is_latest(&self) -> bool {
        self.turn == self.state.scratch.turn.get()
    }

    fn begin_step(&mut self, at_us: u64, stopping: bool) {
        let state = &self.state;
        self.turn = state.scratch.turn.get() + 1;
        state.scratch.turn.set(self.turn);
        state.scratch.notes.borrow_mut().clear();
        state.now_us.set(at_us);
        state.stopping.set(stopping);
    }

    fn record_start(&self) {
        let state = &self.state;
        if !state.recording.get() {
            return;
        }
        let mut own = state.own.borrow_mut();
        let own = &mut *own;
        let start = RecordedStart {
            who: state.who.get(),
            at_us: state.now_us.get(),
            stopping: state.stopping.get(),
            sampler_version: state.sampler_version.get(),
            carry: &own.carry,
            setup: own.setup.as_deref().unwrap_or_default(),
        };
        own.recorder.start(&start);
        let words = [
            start.who.scenario,
            start.who.bot,
            start.who.session,
            start.at_us,
            u64::from(start.stopping) | u64::from(start.sampler_version) << 1,
            xxh3_64(start.carry),
            xxh3_64(start.setup),
        ];
        let mut transcript = state.scratch.transcript.borrow_mut();
        transcript.clear();
        transcript.extend_from_slice(words.map(u64::to_le_bytes).as_flattened());
    }

    fn record_input(&self, arrived: Arrived) {
        let state = &self.state;
        if !state.recording.get() {
            return;
        }
        let (at_us, stopping) = (state.now_us.get(), state.stopping.get());
        state.own.borrow_mut().recorder.input(arrived, at_us, stopping);
        let (kind, number) = match arrived {
            Arrived::Response(status) => (1, u64::from(status)),
            Arrived::Failed(failure) => (3, failure as u64),
            Arrived::Woke => (4, 0),
            Arrived::Answer(answer) => (5, answer),
        };
        state.open_transcript();
        state.transcribe(&[
            &[kind, u8::from(stopping)],
            &at_us.to_le_bytes(),
            &number.to_le_bytes(),
        ]);
    }

    /// Whether the input alone makes the session count as failing.
    fn judge(&self, arrived: Arrived) {
        match arrived {
            // A redirect that is followed is as it should be; whether it is depends on where it
            // leads to, which the exchange reads.
            Arrived::Response(status) if self.state.request().follows(status) => {}
            Arrived::Response(status) => self.state.judge_status(status),
            // The run's own end cut it short: nobody failed.
            Arrived::Failed(failure) if failure != Failure::Interrupted => {
                let request = self.state.own.borrow().sent.0.clone();
                self.state.fault(FaultKind::Transport { request, failure });
            }
            _ => {}
        }
    }

    fn poll(&mut self) -> Command {
        self.state.command.set(None);
        self.state.running.set(true);
        let polled = catch_unwind(AssertUnwindSafe(|| self.runner.poll()));
        self.state.running.set(false);
        self.state.arrived.set(None);
        let command = match polled {
            Ok(Poll::Ready(outcome)) => Command::End(outcome),
            Ok(Poll::Pending) => self.state.command.take().unwrap_or(Command::End(Outcome::Stuck)),
            Err(payload) => {
                if !payload.is::<ReplayStopped>() {
                    let text = panic_text(&*payload);
                    let kept = text.floor_char_boundary(PANIC_BYTES_MAX);
                    self.state.fault(FaultKind::Panicked(text[..kept].into()));
                }
                drop_caught(payload);
                Command::End(Outcome::Panicked)
            }
        };
        self.waiting = match &command {
            Command::Send => Waiting::Response,
            Command::Sleep(_) => Waiting::Wake,
            Command::Ask(_) => Waiting::Answer,
            Command::End(outcome) => {
                self.finish(outcome);
                Waiting::Start
            }
        };
        self.record_command(&command);
        command
    }

    fn finish(&mut self, outcome: &Outcome) {
        self.drop_future();
        match outcome {
            Outcome::Failed(reason) => self.state.fault(FaultKind::Failed(reason.clone())),
            Outcome::AbortRun(reason) => self.state.fault(FaultKind::Aborted(reason.clone())),
            Outcome::Stuck => self.state.fault(FaultKind::Stuck),
            Outcome::Done | Outcome::StopBot | Outcome::Panicked => {}
        }
        std::mem::swap(&mut self.state.own.borrow_mut().carry, &mut self.carry);
        if matches!(outcome, Outcome::Panicked | Outcome::Stuck) {
            self.carry.clear();
            self.carry.extend_from_slice(b"null");
        }
    }

    fn record_command(&self, command: &Command) {
        let state = &self.state;
        if !state.recording.get() {
            return;
        }
        let (kind, argument, number) = match command {
            Command::Send => (CommandKind::Send, 0, state.request().canonical_hash()),
            Command::Sleep(duration) => {
                let micros = u64::try_from(duration.as_micros()).unwrap_or(u64::MAX);
                (CommandKind::Sleep, 0, micros)
            }
            Command::Ask(question) => (CommandKind::Ask, *question as u8, 0),
            Command::End(outcome) => (CommandKind::End, outcome.number(), xxh3_64(&self.carry)),
        };
        state.transcribe(&[&[0x80 | kind as u8, argument], &number.to_le_bytes()]);
        let reason = match command {
            Command::End(outcome) => outcome.reason().map(Name::as_str),
            _ => None,
        };
        state.transcribe(&[reason.unwrap_or_default().as_bytes()]);
        if kind == CommandKind::Send {
            state.transcribe(&[state.request().name.as_str().as_bytes()]);
        }
        let chain = state.close_transcript();
        let mut own = state.own.borrow_mut();
        let own = &mut *own;
        match kind {
            CommandKind::Send => own.recorder.send(&own.sent.0, chain),
            CommandKind::End => own.recorder.end(argument, reason, chain),
            CommandKind::Sleep | CommandKind::Ask => own.recorder.other(kind, argument, chain),
        }
    }

    /// A bot's values may panic when they are dropped; that too is the bot's affair only.
    fn drop_future(&mut self) {
        let dropped = catch_unwind(AssertUnwindSafe(|| self.runner.clear()));
        if let Err(payload) = dropped {
            drop_caught(payload);
        }
    }
}

/// A way to a session's record while the session waits for something.
pub struct RecordTap(Rc<State>);

impl RecordTap {
    /// As [`Session::record_size`].
    #[must_use]
    pub fn record_size(&self) -> usize {
        self.0.own.borrow().recorder.size()
    }

    /// As [`Session::take_record`].
    pub fn take_record(&self, out: &mut Vec<u8>) {
        self.0.own.borrow_mut().recorder.take(out);
    }

    /// Throws away what waits to be taken.
    pub fn drop_record(&self) {
        self.0.own.borrow_mut().recorder.forget();
    }

    /// Whose session it is.
    #[must_use]
    pub fn who(&self) -> Who {
        self.0.who.get()
    }

    /// Why it counts as failing, if it does.
    #[must_use]
    pub fn first_failure(&self) -> Option<Fault> {
        self.0.own.borrow().fault.clone()
    }

    /// Whether it counts as failing.
    #[must_use]
    pub fn is_failing(&self) -> bool {
        self.0.own.borrow().fault.is_some()
    }
}

impl fmt::Debug for RecordTap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RecordTap({})", self.who())
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        self.drop_future();
    }
}

/// Drops a panic's payload, whose own drop may panic once more.
fn drop_caught(payload: Box<dyn std::any::Any + Send>) {
    let mut payload = Some(payload);
    let mut tries = 0;
    while let Some(caught) = payload.take() {
        tries += 1;
        match catch_unwind(AssertUnwindSafe(|| drop(caught))) {
            // Payloads that panic with payloads that panic: leaking beats looping.
            Err(next) if tries > 3 => std::mem::forget(next),
            Err(next) => payload = Some(next),
            Ok(()) => {}
        }
    }
}
