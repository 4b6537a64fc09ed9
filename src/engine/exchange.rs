//! One request and its response over a bot's connection: the hot path.
//!
//! The order of events is connect if needed, write, read until the response is whole; three reads
//! of the clock, no allocation once buffers are warm. Buffers are leased from the worker for as
//! long as an operation is in flight, so an idle bot holds none.
//! Knows nothing of sessions: it gets bytes and a deadline, and returns bytes and instants.

use std::io;
use std::rc::Rc;
use std::time::Duration;

use monoio::buf::{IoBuf, IoBufMut};
use monoio::io::{AsyncReadRent, AsyncWriteRent};
use monoio::net::TcpStream;
use tallyho_replay::Failure;

use super::buffers::{BUFFER_BYTES, Buffers};
use super::clock::{Micros, RunClock, micros};
use super::connection::{Connection, Connections, Connector, Origin};
use super::sys;
use super::timer::{Signal, SlotIndex, Slots};
use crate::http::{ErrorKind, ParseError, Progress, Response, ResponseReader};

/// What the exchange needs of its worker.
pub(super) struct Wire<'a> {
    pub(super) clock: RunClock,
    pub(super) slots: &'a Slots,
    pub(super) slot: SlotIndex,
    pub(super) connector: &'a Connector,
    pub(super) buffers: &'a Buffers,
}

impl Wire<'_> {
    fn is_over(&self) -> bool {
        self.slots.signal(self.slot) != Signal::None
    }
}

/// A request, ready for the wire.
pub(super) struct Outgoing {
    pub(super) bytes: Vec<u8>,
    pub(super) timeout: Duration,
    /// A repeat does no harm, so a stale connection may be tried again.
    pub(super) is_idempotent: bool,
    pub(super) reader: ResponseReader,
}

/// When things happened, in µs of the run's clock, and how much was moved.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Timing {
    pub(super) started: Micros,
    /// Waiting for a turn to connect.
    pub(super) blocked: Micros,
    pub(super) connecting: Micros,
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
}

/// A response that was read whole: its place in the buffer, and the buffer.
pub(super) type Received = (Response, Vec<u8>);

/// Sends the request and reads the response, within the request's time. `timing` tells what
/// happened, also on failure.
///
/// A kept connection that the server had already closed is replaced once for a request that may be
/// repeated; the time lost stays in the measurement, and the event is counted.
pub(super) async fn exchange(
    wire: &Wire<'_>,
    (origin, connections): (&Rc<Origin>, &mut Connections),
    outgoing: &mut Outgoing,
    timing: &mut Timing,
) -> Result<Received, Failure> {
    wire.slots.set_deadline(wire.slot, timing.started + micros(outgoing.timeout));
    timing.sent = timing.completed;
    let result = loop {
        let connection = match connections.take(&origin.key) {
            Some(connection) => Ok(connection),
            None => connect(wire, origin, timing).await,
        };
        let result = match connection {
            Ok(connection) => attempt(wire, (connection, connections), outgoing, timing).await,
            Err(failure) => Err(failure),
        };
        let is_stale = matches!(result, Err(Failure::StaleConnection));
        timing.stale_connections += u32::from(is_stale);
        if !(is_stale && outgoing.is_idempotent) {
            break result;
        }
        // The next connection is a new one, which cannot be stale: the loop ends.
    };
    wire.slots.clear_deadline(wire.slot);
    result
}

async fn attempt(
    wire: &Wire<'_>,
    (mut connection, connections): (Connection, &mut Connections),
    outgoing: &mut Outgoing,
    timing: &mut Timing,
) -> Result<Received, Failure> {
    let sent = write(wire, &mut connection, outgoing, timing).await;
    let received = match sent {
        Ok(()) => read(wire, &mut connection, outgoing, timing).await,
        Err(failure) => Err(failure),
    };
    if let Ok((response, _)) = &received
        && response.keep_alive
    {
        connections.keep(connection);
    }
    received
}

async fn connect(
    wire: &Wire<'_>,
    origin: &Rc<Origin>,
    timing: &mut Timing,
) -> Result<Connection, Failure> {
    let began = wire.clock.now();
    let bot = (wire.slots, wire.slot);
    let (result, turn) = wire.connector.connect(bot, origin, || wire.clock.now()).await;
    timing.sent = wire.clock.now();
    timing.completed = timing.sent;
    timing.blocked += turn - began;
    timing.connecting += timing.sent - turn;
    timing.connections_opened += u32::from(result.is_ok());
    result
}

async fn write(
    wire: &Wire<'_>,
    connection: &mut Connection,
    outgoing: &mut Outgoing,
    timing: &mut Timing,
) -> Result<(), Failure> {
    let size = outgoing.bytes.len();
    let mut written = 0;
    let mut outcome = Ok(());
    while written < size && outcome.is_ok() {
        let bytes = std::mem::take(&mut outgoing.bytes).slice(written..);
        let (result, bytes) = send(wire, connection, bytes).await;
        outgoing.bytes = bytes.into_inner();
        match result {
            Ok(count) => written += count,
            Err(error) => outcome = Err(broken(wire, connection, &error, 0)),
        }
    }
    let now = wire.clock.now();
    timing.sending = now - timing.sent;
    timing.completed = now;
    timing.bytes_sent += written as u64;
    outcome
}

async fn send<B: IoBuf>(
    wire: &Wire<'_>,
    connection: &mut Connection,
    bytes: B,
) -> (io::Result<usize>, B) {
    let operation = async |stream: &mut TcpStream| stream.write(bytes).await;
    sys::run_until(&mut connection.stream, operation, || wire.is_over()).await
}

/// Reads what has arrived to the end of `buffer`.
async fn receive(
    wire: &Wire<'_>,
    connection: &mut Connection,
    buffer: Vec<u8>,
) -> (io::Result<usize>, Vec<u8>) {
    let (begin, end) = (buffer.len(), buffer.capacity());
    let operation = async |stream: &mut TcpStream| stream.read(buffer.slice_mut(begin..end)).await;
    let (result, slice) =
        sys::run_until(&mut connection.stream, operation, || wire.is_over()).await;
    (result, slice.into_inner())
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
        let count = match result {
            Ok(count) => count,
            Err(error) => break Err(broken(wire, connection, &error, received)),
        };
        timing.completed = wire.clock.now();
        if count > 0 {
            first_byte.get_or_insert(timing.completed);
            received += count as u64;
        }
        let progress = match count {
            0 if wire.slots.signal(wire.slot) != Signal::None || received == 0 => {
                break Err(broken(
                    wire,
                    connection,
                    &io::ErrorKind::UnexpectedEof.into(),
                    received,
                ));
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
    timing.bytes_received += received;
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
const ROOM_BYTES_MIN: usize = BUFFER_BYTES / 4;
/// The most that is asked of one read: larger ones save no measurable time.
const READ_BYTES_MAX: usize = 64 * 1024;

/// What a broken operation means: the bot's own signal if there was one, else what the socket said.
fn broken(wire: &Wire<'_>, connection: &Connection, error: &io::Error, received: u64) -> Failure {
    match wire.slots.signal(wire.slot) {
        Signal::Interrupted => return Failure::Interrupted,
        Signal::Expired if received == 0 => return Failure::FirstByteTimeout,
        Signal::Expired => return Failure::TotalTimeout,
        Signal::None => {}
    }
    // Both ends of a kept connection may close it at any time, so this says nothing about the
    // request.
    if connection.is_reused && received == 0 {
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
