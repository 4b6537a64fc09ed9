//! One request and its response over a bot's connection: the hot path.
//!
//! The order of events is connect if needed, write, read until the response is whole; three reads
//! of the clock, no allocation once buffers are warm. Buffers are leased from the worker for as
//! long as an operation is in flight, so an idle bot holds none.
//! Knows nothing of sessions: it gets bytes and a deadline, and returns bytes and instants.

use std::io;
use std::rc::Rc;
use std::time::Duration;

use bytes::Bytes;
use tallyho_replay::Failure;

use super::buffers::{BUFFER_BYTES, Buffers};
use super::clock::{Micros, RunClock, micros};
use super::connection::{Connection, Connections, Stream};
use super::connector::Connector;
use super::origin::Origin;
use super::sockets::{Sockets, Then};
use super::tcp::Tcp;
use super::timer::{Signal, SlotIndex, Slots};
use super::tls::words_of;
use crate::http::{ErrorKind, ParseError, Progress, Response, ResponseReader};

/// What the exchange needs of its worker.
pub(super) struct Wire<'a> {
    pub(super) clock: RunClock,
    pub(super) slots: &'a Slots,
    pub(super) slot: SlotIndex,
    pub(super) connector: &'a Connector,
    pub(super) buffers: &'a Buffers,
    /// None on io_uring.
    pub(super) sockets: Option<&'a Rc<Sockets>>,
}

impl Wire<'_> {
    pub(super) fn is_over(&self) -> bool {
        self.slots.signal(self.slot) != Signal::None
    }
}

/// A request, ready for the wire.
pub(super) struct Outgoing {
    pub(super) bytes: Vec<u8>,
    /// A body that lies elsewhere, to be sent behind `bytes`.
    pub(super) body: Option<Bytes>,
    pub(super) timeout: Duration,
    /// A repeat does no harm, so a stale connection may be tried again.
    pub(super) is_idempotent: bool,
    pub(super) reader: ResponseReader,
}

/// When things happened, in µs of the run's clock, and how much was moved.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Timing {
    pub(super) started: Micros,
    /// Waiting for a turn to connect.
    pub(super) blocked: Micros,
    pub(super) connecting: Micros,
    /// Securing the connection.
    pub(super) tls: Micros,
    /// When the first byte was about to be written.
    pub(super) sent: Micros,
    pub(super) sending: Micros,
    pub(super) waiting: Micros,
    pub(super) receiving: Micros,
    pub(super) completed: Micros,
    pub(super) bytes_sent: u64,
    pub(super) bytes_received: u64,
    pub(super) connections_opened: u32,
    /// Attempts that met a connection which the server had closed.
    pub(super) stale_connections: u32,
    /// Times that the request was sent again, since the kept connection broke.
    pub(super) repeats: u32,
    /// Not a byte of the request left over the connection that broke.
    pub(super) is_unsent: bool,
    /// The kept connection that broke was reset, not closed.
    pub(super) is_reset: bool,
    /// Addresses that refused a connection which another one then was asked for.
    pub(super) addresses_skipped: u32,
    pub(super) handshakes_full: u32,
    pub(super) handshakes_resumed: u32,
    /// More about a failure than its kind says.
    pub(super) reason: Option<String>,
}

impl Timing {
    /// Whether a kept connection can be used; one that cannot is counted.
    fn is_fit(&mut self, kept: &Connection) -> bool {
        let is_fit = kept.is_fit(self.completed);
        self.stale_connections += u32::from(!is_fit);
        is_fit
    }
}

/// A response that was read whole: its place in the buffer, and the buffer.
pub(super) type Received = (Response, Vec<u8>);

/// Sends the request and reads the response, within the request's time. `timing` tells what
/// happened, also on failure.
///
/// A kept connection that breaks before a byte of the answer is replaced once for a request that
/// may be repeated, as HTTP libraries and browsers do (RFC 9110, 9.2.2), or of which nothing has
/// been sent; the time lost stays in the measurement, and the event is counted. Any other request
/// fails: the server may have acted upon it.
pub(super) async fn exchange(
    wire: &Wire<'_>,
    (origin, connections): (&Rc<Origin>, &mut Connections),
    outgoing: &mut Outgoing,
    timing: &mut Timing,
) -> Result<Received, Failure> {
    wire.slots.set_deadline(wire.slot, timing.started + micros(outgoing.timeout));
    timing.sent = timing.completed;
    let result = loop {
        let kept = connections.take(&origin.key);
        let connection = match kept.filter(|kept| timing.is_fit(kept)) {
            Some(connection) => Ok(connection),
            None => connect(wire, (origin, connections), timing).await,
        };
        let result = match connection {
            Ok(mut connection) => {
                let received = attempt(wire, &mut connection, outgoing, timing).await;
                if matches!(&received, Ok((response, _)) if response.keep_alive) {
                    connections.keep(connection, timing.completed);
                }
                received
            }
            Err(failure) => Err(failure),
        };
        if !matches!(result, Err(Failure::StaleConnection)) {
            break result;
        }
        if outgoing.is_idempotent || timing.is_unsent {
            // The next connection is a new one, which cannot be stale: the loop ends.
            timing.stale_connections += 1;
            timing.repeats += 1;
            continue;
        }
        if timing.is_reset {
            // A server that is done with a connection closes it; this one broke under a request.
            break Err(Failure::Reset);
        }
        timing.stale_connections += 1;
        break result;
    };
    wire.slots.clear_deadline(wire.slot);
    result
}

async fn attempt(
    wire: &Wire<'_>,
    connection: &mut Connection,
    outgoing: &mut Outgoing,
    timing: &mut Timing,
) -> Result<Received, Failure> {
    write(wire, connection, outgoing, timing).await?;
    read(wire, connection, outgoing, timing).await
}

async fn connect(
    wire: &Wire<'_>,
    (origin, connections): (&Rc<Origin>, &mut Connections),
    timing: &mut Timing,
) -> Result<Connection, Failure> {
    let result = wire.connector.connect(wire, (origin, &mut connections.tls), timing).await;
    timing.sent = wire.clock.now();
    timing.completed = timing.sent;
    timing.connections_opened += u32::from(result.is_ok());
    result
}

async fn write(
    wire: &Wire<'_>,
    connection: &mut Connection,
    outgoing: &mut Outgoing,
    timing: &mut Timing,
) -> Result<(), Failure> {
    let mut sent = Sent::default();
    let result = match &mut connection.stream {
        Stream::Plain(stream) => write_plain(wire, stream, outgoing, &mut sent).await,
        Stream::Tls(stream) => {
            let body = outgoing.body.as_deref().unwrap_or_default();
            let result = stream.send(wire, [&outgoing.bytes, body]).await;
            let traffic = stream.take_traffic();
            timing.bytes_received += traffic.received;
            sent = traffic.sent;
            result
        }
    };
    timing.is_unsent = sent.bytes == 0;
    let outcome = result.map_err(|error| broken(wire, connection, (&error, 0), timing));
    let now = sent.at.unwrap_or_else(|| wire.clock.now());
    timing.sending = now - timing.sent;
    timing.completed = now;
    timing.bytes_sent += sent.bytes;
    outcome
}

/// How much went out, and when the last of it did, if anybody has looked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Sent {
    pub(super) bytes: u64,
    pub(super) at: Option<Micros>,
}

impl Sent {
    /// Adds what just went out, and returns it.
    pub(super) fn add(&mut self, bytes: usize) -> usize {
        self.bytes += bytes as u64;
        self.at = None;
        bytes
    }
}

async fn write_plain(
    wire: &Wire<'_>,
    tcp: &mut Tcp,
    outgoing: &mut Outgoing,
    sent: &mut Sent,
) -> io::Result<()> {
    let body = outgoing.body.clone().unwrap_or_default();
    let then = if body.is_empty() { Then::Answer } else { Then::More };
    tcp.write_all(wire, (&mut outgoing.bytes, then), sent).await?;
    tcp.write_body(wire, body, sent).await
}

/// Reads what has arrived to the end of `buffer`.
async fn receive(
    wire: &Wire<'_>,
    connection: &mut Connection,
    buffer: Vec<u8>,
) -> (io::Result<usize>, Vec<u8>) {
    match &mut connection.stream {
        Stream::Plain(stream) => stream.read(wire, buffer).await,
        Stream::Tls(stream) => stream.receive(wire, buffer).await,
    }
}

async fn read(
    wire: &Wire<'_>,
    connection: &mut Connection,
    outgoing: &mut Outgoing,
    timing: &mut Timing,
) -> Result<Received, Failure> {
    let mut buffer = wire.buffers.lend();
    let mut first_byte = None;
    let mut received = 0;
    let outcome = loop {
        let (result, returned) = receive(wire, connection, buffer).await;
        buffer = returned;
        // A failure takes until it is one.
        timing.completed = wire.clock.now();
        let count = match result {
            Ok(count) => count,
            Err(error) => break Err(broken(wire, connection, (&error, received), timing)),
        };
        if count > 0 {
            first_byte.get_or_insert(timing.completed);
            received += count as u64;
        }
        let progress = match count {
            0 if wire.slots.signal(wire.slot) != Signal::None || received == 0 => {
                let error = io::ErrorKind::UnexpectedEof.into();
                break Err(broken(wire, connection, (&error, received), timing));
            }
            0 => outgoing.reader.end_of_stream(&mut buffer),
            _ => outgoing.reader.advance(&mut buffer),
        };
        match progress {
            Ok(Progress::Done(response)) => break Ok(response),
            Ok(Progress::NeedMore { read_hint }) => make_room(&mut buffer, read_hint),
            Err(error) => break Err(parse_failure(error)),
        }
    };
    timing.bytes_received += match &mut connection.stream {
        Stream::Plain(_) => received,
        Stream::Tls(stream) => {
            let traffic = stream.take_traffic();
            timing.bytes_sent += traffic.sent.bytes;
            traffic.received
        }
    };
    let sent = timing.sent + timing.sending;
    timing.waiting = first_byte.unwrap_or(timing.completed).saturating_sub(sent);
    timing.receiving = timing.completed.saturating_sub(first_byte.unwrap_or(timing.completed));
    match outcome {
        Ok(response) => Ok((response, buffer)),
        Err(failure) => {
            wire.buffers.give_back(buffer);
            Err(failure)
        }
    }
}

/// Room for at least one more read; a body that is known to be long is read in larger pieces.
fn make_room(buffer: &mut Vec<u8>, read_hint: usize) {
    let room = buffer.capacity() - buffer.len();
    if room < ROOM_BYTES_MIN || read_hint > room {
        buffer.reserve(read_hint.clamp(BUFFER_BYTES, READ_BYTES_MAX));
    }
}

/// With less room than this a buffer grows before the next read.
const ROOM_BYTES_MIN: usize = 1024;
/// The most that is asked of one read: larger ones save no measurable time.
pub(super) const READ_BYTES_MAX: usize = 64 * 1024;

/// What a broken operation means: the bot's own signal if there was one, else what the socket said.
fn broken(
    wire: &Wire<'_>,
    connection: &Connection,
    (error, received): (&io::Error, u64),
    timing: &mut Timing,
) -> Failure {
    match wire.slots.signal(wire.slot) {
        Signal::Interrupted => return Failure::Interrupted,
        Signal::Expired if received == 0 => return Failure::FirstByteTimeout,
        Signal::Expired => return Failure::TotalTimeout,
        Signal::None => {}
    }
    if words_of(error).is_some() {
        return timing.tls_fault(error);
    }
    // Both ends of a kept connection may close it at any time, so this says nothing about the
    // request.
    if connection.is_reused && received == 0 {
        timing.is_reset = error.kind() == io::ErrorKind::ConnectionReset;
        return Failure::StaleConnection;
    }
    match error.kind() {
        io::ErrorKind::UnexpectedEof => Failure::ClosedEarly,
        io::ErrorKind::TimedOut => Failure::TotalTimeout,
        _ => Failure::Reset,
    }
}

fn parse_failure(error: ParseError) -> Failure {
    match error.kind() {
        ErrorKind::Malformed => Failure::Malformed,
        ErrorKind::TooLarge => Failure::TooLarge,
        ErrorKind::ClosedEarly => Failure::ClosedEarly,
    }
}
