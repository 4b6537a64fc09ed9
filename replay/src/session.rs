//! Drives one bot, one input at a time.
//!
//! [`Session::step`] puts the input where the bot's future finds it, polls the future once with a
//! waker that does nothing, and takes the next command out. No executor and no allocation: the
//! future's slot is boxed once per session object and refilled for each of its bot's sessions.
//! A panic of the bot, wherever it happens, ends the session and nothing else; so does awaiting
//! anything that is not the context's. The same code runs in the engine and in the replayer.
//!
//! Knows nothing of sockets and clocks: time comes in with the input.

mod record;
mod tap;
mod words;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use std::task::Poll;
use std::time::Duration;

use crate::Failure;
use crate::bot::{BotType, Runner};
use crate::draw::SessionKey;
use crate::observe::{Note, ResponseParts};
use crate::request::Request;
use crate::run::RunFacts;
use crate::secret::Vault;
use crate::state::{Recording, ReplayStopped, Scratch, State, panic_text};

pub use tap::RecordTap;
pub(crate) use words::outcome_has_reason;
pub(crate) use words::{Arrived, Waiting};
pub use words::{Carry, Command, Event, Fault, FaultKind, Input, Outcome, Question, Start, Who};

/// How much of a panic's text is kept.
const PANIC_BYTES_MAX: usize = 1024;

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
            self.state.scratch.decoded.borrow_mut().reset();
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

    /// Where the bot's state and its future are, as addresses and sizes in bytes, for an engine
    /// that fetches them ahead. They stay there as long as the session lives.
    #[must_use]
    pub fn memory(&self) -> [(usize, usize); 2] {
        [((&raw const *self.state).addr(), size_of::<State>()), self.runner.memory()]
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

    /// How many bytes of record wait to be taken, at most.
    #[must_use]
    pub fn record_size(&self) -> usize {
        self.state.own.borrow().recorder.size()
    }

    /// Appends the session's events since the last call. The record of a session is all its
    /// pieces put together.
    pub fn take_record(&mut self, out: &mut Vec<u8>) {
        self.state.own.borrow_mut().recorder.take(self.state.who.get(), out);
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

    /// A bot's values may panic when they are dropped; that too is the bot's affair only.
    fn drop_future(&mut self) {
        let dropped = catch_unwind(AssertUnwindSafe(|| self.runner.clear()));
        if let Err(payload) = dropped {
            drop_caught(payload);
        }
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
