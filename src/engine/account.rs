//! What a worker's bots did, entered into its recorder.
//!
//! The translation from instants on the wire to the terms of the metrics: what counts as sent,
//! waited and failed is decided here and nowhere else.

use tallyho_replay::{Expected, Failure, Name, Note, Outcome, Session};

use super::clock::Micros;
use super::exchange::{Received, Timing};
use super::kept::excerpt;
use super::player::Step;
use super::sending::Redirects;
use super::worker::{Scenario, Worker};
use crate::metrics::{Ended, Exchange, Recorder};

/// A request and what came of it.
pub(super) struct Attempt<'a> {
    pub(super) scenario: &'a Scenario,
    pub(super) name: &'a Name,
    pub(super) expected: Expected,
    pub(super) redirects: Redirects,
    pub(super) step: &'a Step,
    pub(super) timing: &'a Timing,
    pub(super) result: &'a Result<Received, Failure>,
}

/// What does not happen with most requests, and how often it did.
fn events(timing: &Timing) -> [(&'static str, u32); 6] {
    [
        (CONNECTIONS_OPENED, timing.connections_opened),
        (STALE_CONNECTIONS, timing.stale_connections),
        (REPEATS, timing.repeats),
        (ADDRESSES_SKIPPED, timing.addresses_skipped),
        (HANDSHAKES_FULL, timing.handshakes_full),
        (HANDSHAKES_RESUMED, timing.handshakes_resumed),
    ]
}

#[cold]
fn count_events(recorder: &mut Recorder, timing: &Timing) {
    for (name, by) in events(timing).into_iter().filter(|(_, by)| *by > 0) {
        let counter = Note::Counter { name: Name::Static(name), by: u64::from(by) };
        recorder.note(timing.completed, &counter);
    }
}

impl Worker {
    /// Counts an exchange, and describes the first of its kind to fail.
    pub(super) fn record(&self, attempt: &Attempt<'_>, session: &Session) {
        let Attempt { scenario, name, expected, redirects, step, timing, result } = *attempt;
        let status = result.as_ref().map_or(0, |(response, _)| response.status);
        let is_expected = result.as_ref().is_ok_and(|(response, bytes)| {
            expected.contains(status) || redirects.follow(status, &bytes[response.head.clone()])
        });
        let exchange = Exchange {
            due_us: step.due,
            sent_us: timing.sent,
            completed_us: timing.completed,
            waited_us: step.waited,
            blocked_us: timing.sent - timing.started,
            connecting_us: timing.connecting,
            tls_us: timing.tls,
            sending_us: timing.sending,
            waiting_us: timing.waiting,
            receiving_us: timing.receiving,
            status,
            expected: is_expected,
            failure: result.as_ref().err().copied(),
            bytes_sent: timing.bytes_sent,
            bytes_received: timing.bytes_received,
        };
        let mut recorder = self.recorder.borrow_mut();
        if events(timing).map(|(_, by)| by).into_iter().any(|by| by > 0) {
            count_events(&mut recorder, timing);
        }
        let series = recorder.series(scenario.index, name);
        if let Some(slot) = recorder.exchange(series, &exchange) {
            let text = match result {
                Ok((response, bytes)) => {
                    let head = &bytes[response.head.clone()];
                    excerpt(session, (head, &bytes[response.body.clone()]))
                }
                Err(failure) => {
                    timing.reason.clone().unwrap_or_else(|| failure.as_str().to_owned())
                }
            };
            recorder.example(slot, session.who().to_string(), text);
        }
    }

    /// Counts a session that starts. In a closed model a session is due when a bot is free for it.
    pub(super) fn began(&self, scenario: &Scenario) {
        let mut recorder = self.recorder.borrow_mut();
        recorder.started(scenario.index, 1);
        if !scenario.pacing.is_open() {
            recorder.due(scenario.index, 1);
        }
    }

    /// Counts a session that has ended.
    pub(super) fn ended(
        &self,
        (scenario, session): (&Scenario, &Session),
        took: Micros,
        outcome: Option<&Outcome>,
    ) {
        let ended = match outcome {
            None => Ended::Interrupted,
            Some(_) if session.is_failing() => Ended::Failed,
            Some(_) => Ended::Completed,
        };
        self.recorder.borrow_mut().iteration(scenario.index, took, ended);
    }
}

/// Connections that were opened, also to replace stale ones.
const CONNECTIONS_OPENED: &str = "connections_opened";
/// Kept connections that the server had closed when a request was about to use them. Where a
/// request may be repeated it then went over a new one, so the event would otherwise be unseen.
const STALE_CONNECTIONS: &str = "stale_connections";
/// Requests that went over the wire twice, since the kept connection of the first time broke before
/// a byte of the answer. Each counts once, with the time that both took.
const REPEATS: &str = "requests_repeated";
/// Addresses of a name that refused a connection, so that the next one was asked.
const ADDRESSES_SKIPPED: &str = "addresses_skipped";
/// TLS handshakes, by whether they were shortened by an earlier one.
pub const HANDSHAKES: [&str; 2] = [HANDSHAKES_FULL, HANDSHAKES_RESUMED];
const HANDSHAKES_FULL: &str = "tls_handshakes_full";
const HANDSHAKES_RESUMED: &str = "tls_handshakes_resumed";
