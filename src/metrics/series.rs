//! What is counted per request name: the figures behind one row of the report's request table.
//!
//! Times are kept apart for expected and unexpected answers, since a target that fails fast must
//! not look fast; what is shown for all requests is their sum, so no value is recorded twice.
//! The same shape with 32-bit histograms is what a worker fills for a second.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};
use tallyho_replay::Failure;

use super::histogram::{Count, Histogram};

/// One finished request, answered or not. All times in µs, instants on the run's clock.
#[derive(Clone, Debug)]
pub struct Exchange {
    /// When the request should have been sent.
    pub due_us: u64,
    /// When its first byte was given to the kernel, or it failed before.
    pub sent_us: u64,
    /// When its response was complete, or the failure known.
    pub completed_us: u64,
    /// The part of sent - due for which no bot was free: the target's doing or the plan's, and so
    /// not schedule lag. 0 unless arrivals wait for a bot.
    pub waited_us: u64,
    /// From asking for a connection to having it: waiting for a free one, resolving the name and,
    /// as in k6, connecting and TLS. Not schedule lag. 0 on a connection already open.
    pub blocked_us: u64,
    /// TCP connect. 0 on a connection already open.
    pub connecting_us: u64,
    /// TLS handshake. 0 on a connection already open.
    pub tls_us: u64,
    /// Writing the request.
    pub sending_us: u64,
    /// From the request written to the first byte of the response.
    pub waiting_us: u64,
    /// From the first byte of the response to the last.
    pub receiving_us: u64,
    /// The response's status, 0 when there was none.
    pub status: u16,
    /// Whether the status was one that the request expects; never true with a failure.
    pub expected: bool,
    /// Why there was no response.
    pub failure: Option<Failure>,
    /// Bytes of the request on the wire.
    pub bytes_sent: u64,
    /// Bytes of the response on the wire.
    pub bytes_received: u64,
}

/// Why a request counts as failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum FailureKind {
    /// There was no response.
    Transport(Failure),
    /// The response had a status that the request does not expect.
    Status(u16),
}

impl fmt::Display for FailureKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Transport(failure) => f.write_str(failure.as_str()),
            Self::Status(status) => write!(f, "unexpected status {status}"),
        }
    }
}

/// A failure in the user's words, for the report.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Example {
    /// When it was seen, µs since the start of the run. First, so that the earliest is the least.
    pub at_us: u64,
    /// The session, as `BOT/SESSION`.
    pub session: String,
    /// What was asked and what came, secrets masked.
    pub text: String,
}

/// The two times of a request that are kept apart by whether the answer was expected.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(default, bound = "C: Count")]
pub struct Timing<C: Count> {
    /// completed - due.
    pub response_time: Histogram<C>,
    /// sending + waiting + receiving: the service time.
    pub http_req_duration: Histogram<C>,
}

/// All that is kept of the requests of one name in one scenario.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(default, bound = "C: Count")]
pub struct Series<C: Count> {
    /// Requests whose answer was not an expected one (k6's `http_req_failed`).
    pub failed: u64,
    /// Bytes of requests on the wire.
    pub bytes_sent: u64,
    /// Bytes of responses on the wire.
    pub bytes_received: u64,
    /// Responses by status; at most the 1000 that three digits allow.
    pub statuses: BTreeMap<u16, u64>,
    /// Requests with an expected answer.
    pub expected: Timing<C>,
    /// Requests with any other end.
    pub unexpected: Timing<C>,
    /// k6's `http_req_sending`.
    pub http_req_sending: Histogram<C>,
    /// k6's `http_req_waiting`: time to the first byte.
    pub http_req_waiting: Histogram<C>,
    /// k6's `http_req_receiving`.
    pub http_req_receiving: Histogram<C>,
}

impl<C: Count> Default for Timing<C> {
    fn default() -> Self {
        Self { response_time: Histogram::new(), http_req_duration: Histogram::new() }
    }
}

impl<C: Count> Timing<C> {
    fn add<D: Count>(&mut self, other: &Timing<D>) {
        self.response_time.add(&other.response_time);
        self.http_req_duration.add(&other.http_req_duration);
    }

    fn clear(&mut self) {
        self.response_time.clear();
        self.http_req_duration.clear();
    }
}

impl<C: Count> Default for Series<C> {
    fn default() -> Self {
        Self {
            failed: 0,
            bytes_sent: 0,
            bytes_received: 0,
            statuses: BTreeMap::new(),
            expected: Timing::default(),
            unexpected: Timing::default(),
            http_req_sending: Histogram::new(),
            http_req_waiting: Histogram::new(),
            http_req_receiving: Histogram::new(),
        }
    }
}

impl<C: Count> Series<C> {
    /// Counts one request.
    pub(super) fn record(&mut self, exchange: &Exchange) {
        let timing = if exchange.expected {
            &mut self.expected
        } else {
            self.failed += 1;
            &mut self.unexpected
        };
        let (sending, waiting) = (exchange.sending_us, exchange.waiting_us);
        timing.response_time.record(exchange.completed_us.saturating_sub(exchange.due_us));
        let sent_and_waited = sending.saturating_add(waiting);
        timing.http_req_duration.record(sent_and_waited.saturating_add(exchange.receiving_us));
        self.http_req_sending.record(sending);
        self.http_req_waiting.record(waiting);
        self.http_req_receiving.record(exchange.receiving_us);
        self.bytes_sent = self.bytes_sent.saturating_add(exchange.bytes_sent);
        self.bytes_received = self.bytes_received.saturating_add(exchange.bytes_received);
        if exchange.status != 0 {
            *self.statuses.entry(exchange.status).or_insert(0) += 1;
        }
    }

    /// How many requests there were.
    pub const fn count(&self) -> u64 {
        self.expected.response_time.count() + self.unexpected.response_time.count()
    }

    /// Response times of all requests, whatever the answer.
    pub fn response_time(&self) -> Histogram<u64> {
        sum([&self.expected.response_time, &self.unexpected.response_time])
    }

    /// Service times of all requests, whatever the answer.
    pub fn http_req_duration(&self) -> Histogram<u64> {
        sum([&self.expected.http_req_duration, &self.unexpected.http_req_duration])
    }

    /// Adds the requests of another series.
    pub fn add<D: Count>(&mut self, other: &Series<D>) {
        self.failed = self.failed.saturating_add(other.failed);
        self.bytes_sent = self.bytes_sent.saturating_add(other.bytes_sent);
        self.bytes_received = self.bytes_received.saturating_add(other.bytes_received);
        for (&status, &count) in other.statuses.iter().filter(|(_, count)| **count > 0) {
            let total = self.statuses.entry(status).or_insert(0);
            *total = total.saturating_add(count);
        }
        self.expected.add(&other.expected);
        self.unexpected.add(&other.unexpected);
        self.http_req_sending.add(&other.http_req_sending);
        self.http_req_waiting.add(&other.http_req_waiting);
        self.http_req_receiving.add(&other.http_req_receiving);
    }

    /// Forgets everything and keeps what is allocated.
    pub(super) fn clear(&mut self) {
        (self.failed, self.bytes_sent, self.bytes_received) = (0, 0, 0);
        self.statuses.values_mut().for_each(|count| *count = 0);
        self.expected.clear();
        self.unexpected.clear();
        self.http_req_sending.clear();
        self.http_req_waiting.clear();
        self.http_req_receiving.clear();
    }
}

/// The sum of histograms, for what is kept in parts.
pub fn sum<'a, C: Count + 'a>(parts: impl IntoIterator<Item = &'a Histogram<C>>) -> Histogram<u64> {
    let mut total = Histogram::new();
    parts.into_iter().for_each(|part| total.add(part));
    total
}
