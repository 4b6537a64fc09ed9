//! One session, played: its commands performed one by one.
//!
//! A session decides, this performs: it sends what the session wants sent, sleeps as long as it
//! wants to sleep, and tells it what came of it. Every step is measured from when it was due: the
//! first from the arrival, later ones from the end of the step before plus think time.

use std::ops::Range;
use std::time::Duration;

use tallyho_replay::trace::PieceEnd;
use tallyho_replay::{
    BodyUse, Carry, Command, Event, Failure, Input, Outcome, Question, ResponseParts, Session,
    Start, Who,
};

use super::account::Attempt;
use super::clock::{Micros, micros};
use super::connection::Connections;
use super::exchange::{Timing, Wire, exchange};
use super::pacing::Assignment;
use super::sending::Sending;
use super::timer::SlotIndex;
use super::watch::Watch;
use super::worker::{Scenario, Worker};

/// What plays a bot's sessions.
pub(super) struct Player<'a> {
    pub(super) worker: &'a Worker,
    pub(super) scenario: &'a Scenario,
    pub(super) slot: SlotIndex,
    pub(super) connections: &'a mut Connections,
    /// The latest time that was read; one read of the clock per event serves all who ask.
    pub(super) now: Micros,
    /// The latest request as it went over the wire, until its answer has been told.
    pub(super) request: Vec<u8>,
    /// Where the latest response has its body, also if the bot did not want it.
    pub(super) body: Range<usize>,
    /// Who looks on, if anybody does.
    pub(super) watch: &'a mut Option<Box<dyn Watch>>,
}

impl Player<'_> {
    /// Plays a session to its end; none when the end of the run cut it off.
    pub(super) async fn play(
        &mut self,
        session: &mut Session,
        assignment: &Assignment,
    ) -> Option<Outcome> {
        let started = self.now;
        self.worker.began(self.scenario);
        let who =
            Who { scenario: self.scenario.key, bot: assignment.bot, session: assignment.session };
        self.wait_for_trace().await;
        let (at_us, stopping) = (self.now, self.is_stopping());
        // Where an arrival makes the session, its bot was another one before: nothing is carried.
        let carry = match &self.scenario.carry {
            _ if assignment.is_continued => Carry::Own,
            Some(carry) => Carry::Given(carry),
            None => Carry::Given(b"null"),
        };
        let setup = self.worker.setup.as_ref();
        let tracer = &self.worker.tracer;
        tracer.begin(self.slot, session, who);
        let mut command = session.start(Start { who, carry, setup, at_us, stopping });
        let mut step = Step { due: assignment.due, waited: assignment.waited, is_paused: false };
        let outcome = loop {
            self.note(session);
            if let Some(watch) = self.watch {
                watch.commanded(self.now, session, &command);
            }
            let event = match command {
                Command::Send => {
                    self.wait_for_trace().await;
                    self.send(session, &mut step).await
                }
                Command::Sleep(duration) => self.sleep(duration, &mut step).await,
                Command::Ask(Question::ActiveBots) => {
                    Event::Answer(self.worker.control.active_bots())
                }
                Command::Ask(Question::UnixMs) => Event::Answer(unix_ms()),
                Command::End(outcome) => break Some(outcome),
            };
            if self.worker.slots.is_interrupted(self.slot) {
                break None;
            }
            let failure = match event {
                Event::Failed(failure) => Some(failure),
                _ => None,
            };
            if let (Some(watch), Some(failure)) = (&mut *self.watch, failure) {
                watch.failed(self.now, failure);
            }
            let (at_us, stopping) = (self.now, self.is_stopping());
            tracer.steps();
            command = session.step(Input { at_us, stopping, event });
            self.answered(session, failure);
            if !matches!(command, Command::End(_)) {
                tracer.stepped(self.slot, session, self.now);
            }
        };
        let end = if outcome.is_some() { PieceEnd::Whole } else { PieceEnd::Cut };
        tracer.ended((self.slot, &self.scenario.name), session, end, self.now);
        if let Some(watch) = self.watch {
            watch.ended(session, outcome.as_ref());
        }
        self.worker.ended((self.scenario, session), self.now - started, outcome.as_ref());
        if !step.is_paused {
            // A session that waits for nothing must not keep its worker from everything else.
            self.pause(self.now + 1_000, || false).await;
        }
        outcome
    }

    /// Holds back while the trace's writer is behind, if the user wants that rather than gaps.
    async fn wait_for_trace(&mut self) {
        while self.worker.tracer.holds_back() && !self.is_stopping() {
            let (slots, slot) = (&self.worker.slots, self.slot);
            self.pause(self.now + HOLD_US, || slots.is_stopping(slot)).await;
        }
    }

    /// What came of the latest request, if there was one, has been told: its buffers go back.
    fn answered(&mut self, session: &Session, failure: Option<Failure>) {
        let request = std::mem::take(&mut self.request);
        let parts = session.reclaim_response();
        if session.is_failing() && !request.is_empty() {
            let answer = parts.as_ref().map(|parts| (parts, self.body.clone())).ok_or(failure);
            self.worker.tracer.failed(self.slot, session, (&request, answer));
        }
        if request.capacity() > 0 {
            self.worker.buffers.give_back(request);
        }
        if let Some(parts) = parts {
            if let Some(watch) = self.watch {
                watch.responded(self.now, session, &parts);
            }
            self.worker.buffers.give_back(parts.bytes);
        }
    }

    async fn send(&mut self, session: &Session, step: &mut Step) -> Event {
        step.is_paused = true;
        let mut sending = match Sending::encode(session, self.worker) {
            Ok(sending) => sending,
            Err(failure) => return Event::Failed(failure),
        };
        let mut timing = Timing { started: self.now, completed: self.now, ..Timing::default() };
        let worker = self.worker;
        let wire = Wire {
            clock: worker.clock,
            slots: &worker.slots,
            slot: self.slot,
            connector: &worker.connector,
            buffers: &worker.buffers,
            sockets: worker.sockets.as_ref(),
        };
        let origin = match sending.origin {
            Some(origin) => Ok(origin),
            None => {
                let limits = (self.slot, sending.outgoing.timeout);
                worker.look_up(sending.unknown_origin, limits, &mut timing).await
            }
        };
        let result = match origin {
            Ok(origin) => {
                let target = (&origin, &mut *self.connections);
                exchange(&wire, target, &mut sending.outgoing, &mut timing).await
            }
            Err(failure) => Err(failure),
        };
        self.request = std::mem::take(&mut sending.outgoing.bytes);
        self.now = timing.completed.max(self.now);
        let attempt = Attempt {
            scenario: self.scenario,
            name: &sending.name,
            expected: sending.expected,
            redirects: sending.redirects,
            step,
            timing: &timing,
            result: &result,
        };
        worker.record(&attempt, session);
        *step = Step { due: self.now, waited: 0, is_paused: true };
        match result {
            Ok((response, bytes)) => {
                let end = response.body.end;
                // What is kept for people only is none of the bot's business.
                let body = match sending.body_use {
                    BodyUse::Keep => response.body.clone(),
                    BodyUse::Discard => end..end,
                };
                self.body = response.body;
                Event::Response(ResponseParts {
                    status: response.status,
                    bytes,
                    head: response.head,
                    body,
                    body_size: response.body_size,
                })
            }
            Err(failure) => Event::Failed(failure),
        }
    }

    fn is_stopping(&self) -> bool {
        self.worker.slots.is_stopping(self.slot)
    }

    fn note(&self, session: &Session) {
        session.for_each_note(|note| self.worker.recorder.borrow_mut().note(self.now, note));
    }

    async fn sleep(&mut self, duration: Duration, step: &mut Step) -> Event {
        let wake_at = step.due.max(self.now) + micros(duration);
        // The stop wakes a bot once; one that then goes on sleeping sleeps as long as it wants to,
        // until it is cut off.
        let was_stopping = self.is_stopping();
        let (slots, slot) = (&self.worker.slots, self.slot);
        self.pause(wake_at, || !was_stopping && slots.is_stopping(slot)).await;
        *step = Step { due: wake_at.min(self.now), waited: 0, is_paused: true };
        Event::Woke
    }

    async fn pause(&mut self, wake_at: Micros, is_over: impl Fn() -> bool) {
        let worker = self.worker;
        worker.timer.sleep(&worker.slots, (self.slot, wake_at), is_over).await;
        self.now = worker.clock.now();
    }
}

/// How often a session that is held back looks whether it may go on.
const HOLD_US: Micros = 5_000;

/// When the step at hand was due.
pub(super) struct Step {
    pub(super) due: Micros,
    /// How much of the delay is due to a lack of free bots, not to the generator.
    pub(super) waited: Micros,
    /// Whether the session has waited for anything yet.
    is_paused: bool,
}

/// The wall clock in milliseconds since 1970.
fn unix_ms() -> u64 {
    let since_epoch = std::time::UNIX_EPOCH.elapsed().unwrap_or_default();
    u64::try_from(since_epoch.as_millis()).unwrap_or(u64::MAX)
}
