//! A connection with TLS over it.
//!
//! Its bytes pass through buffers that the worker lends while an operation is in flight: the
//! reader's own, in which they are opened where they were read, and one to seal a request in. An
//! idle connection holds none, but for the beginning of a record whose end is still to come.
//! Operations run as those of a plain connection do: to their end, which a shutdown of the socket
//! brings about when the time is over. Nothing is ever dropped half done, so there is no state in
//! which a stream must not be used.

use std::io;

use rustls::InvalidMessage;

use super::channel::Channel;
use super::handshake::{Awaits, Handshake, Handshaking};
use super::words::{io_error, words_of};
use super::{BotTls, Tls, TlsName};
use crate::engine::buffers::Buffers;
use crate::engine::exchange::{READ_BYTES_MAX, Sent, Wire};
use crate::engine::sockets::Then;
use crate::engine::tcp::Tcp;

/// A connection with TLS over it.
pub(in crate::engine) struct TlsStream {
    tcp: Tcp,
    channel: Channel,
    /// The beginning of a record whose end is still to come.
    rest: Vec<u8>,
    /// The last read filled its buffer: the next has twice the room.
    is_bulk: bool,
    traffic: Traffic,
}

/// Bytes on the wire, TLS included.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::engine) struct Traffic {
    pub(in crate::engine) sent: Sent,
    pub(in crate::engine) received: u64,
}

impl TlsStream {
    /// Secures a connection, and adds what that took to `traffic`.
    ///
    /// # Errors
    ///
    /// What [`words_of`] has words for; else what the socket said.
    pub(in crate::engine) async fn secure(
        wire: &Wire<'_>,
        mut tcp: Tcp,
        (tls, bot, name): (&Tls, &mut BotTls, &TlsName),
        traffic: &mut Traffic,
    ) -> io::Result<(Self, Handshake)> {
        let session = tls.session(bot, name).map_err(io_error)?;
        let mut handshaking = Handshaking::new(session);
        let mut incoming = wire.buffers.lend();
        let done = shake_hands(wire, &mut tcp, (&mut handshaking, &mut incoming), traffic).await;
        // What came behind the handshake is the beginning of what comes next.
        let mut rest = Vec::new();
        match incoming.is_empty() {
            true => wire.buffers.give_back(incoming),
            false => rest = incoming,
        }
        let sent = done?;
        let (channel, kind) = handshaking.finish().map_err(io_error)?;
        let mut stream = Self { tcp, channel, rest, is_bulk: false, traffic: Traffic::default() };
        match sent {
            Err(error) => Err(stream.hear_why(wire, error).await),
            Ok(()) => Ok((stream, kind)),
        }
    }

    /// Sends all of `parts`.
    ///
    /// # Errors
    ///
    /// What [`words_of`] has words for; else what the socket said.
    pub(in crate::engine) async fn send(
        &mut self,
        wire: &Wire<'_>,
        mut parts: [&[u8]; 2],
    ) -> io::Result<()> {
        let size: usize = parts.iter().map(|part| part.len()).sum();
        let mut sealed = match size {
            ..REQUEST_BYTES_MAX => wire.buffers.lend_for_request(),
            _ => wire.buffers.lend(),
        };
        let mut outcome = Ok(());
        while outcome.is_ok() && parts.iter().any(|part| !part.is_empty()) {
            sealed.clear();
            outcome = self.channel.seal(&mut parts, &mut sealed, WRITE_BYTES_MAX).map_err(io_error);
            if outcome.is_ok() {
                let is_last = parts.iter().all(|part| part.is_empty());
                let then = if is_last { Then::Answer } else { Then::More };
                let sent = &mut self.traffic.sent;
                outcome = self.tcp.write_all(wire, (&mut sealed, then), sent).await;
            }
        }
        wire.buffers.give_back(sealed);
        match outcome {
            // Boxed: rare, and a bot's task is as large as what it may wait for.
            Err(error) => Err(Box::pin(self.hear_why(wire, error)).await),
            Ok(()) => Ok(()),
        }
    }

    /// A server that has refused closes at once, so a failed write is followed by one read, for
    /// the reason.
    async fn hear_why(&mut self, wire: &Wire<'_>, error: io::Error) -> io::Error {
        let (result, buffer) = self.receive(wire, wire.buffers.lend()).await;
        wire.buffers.give_back(buffer);
        match result {
            Err(reason) if words_of(&reason).is_some() => reason,
            _ => error,
        }
    }

    /// Adds what arrives to the end of `buffer`, at least a byte; 0 when the server has ended the
    /// stream as TLS wants it.
    ///
    /// # Errors
    ///
    /// `UnexpectedEof` when the connection ended without that, which may be anybody's doing; what
    /// [`words_of`] has words for; else what the socket said.
    pub(in crate::engine) async fn receive(
        &mut self,
        wire: &Wire<'_>,
        mut buffer: Vec<u8>,
    ) -> (io::Result<usize>, Vec<u8>) {
        let begin = buffer.len();
        buffer.extend_from_slice(&self.rest);
        wire.buffers.give_back(std::mem::take(&mut self.rest));
        loop {
            let opened = self.channel.open(&mut buffer[begin..]);
            if let Some(answer) = self.channel.take_answer() {
                let answered = Box::pin(self.answer(wire, answer)).await;
                if let (Ok(_), Err(error)) = (&opened, answered) {
                    return (Err(error), buffer);
                }
            }
            let opened = match opened {
                Ok(opened) => opened,
                Err(error) => return (Err(io_error(error)), buffer),
            };
            let rest = begin + opened.rest.start..begin + opened.rest.end;
            if opened.data > 0 || self.channel.is_closed() {
                self.rest = kept(&buffer[rest], wire.buffers);
                buffer.truncate(begin + opened.data);
                return (Ok(opened.data), buffer);
            }
            let size = rest.len();
            buffer.copy_within(rest, begin);
            buffer.truncate(begin + size);
            make_room(&mut buffer, opened.missing, self.is_bulk);
            let result;
            (result, buffer) = self.read(wire, buffer).await;
            match result {
                Ok(0) => return (Err(io::ErrorKind::UnexpectedEof.into()), buffer),
                Ok(_) => {}
                Err(error) => return (Err(error), buffer),
            }
        }
    }

    /// Reads once from the socket to the end of `buffer`.
    async fn read(&mut self, wire: &Wire<'_>, buffer: Vec<u8>) -> (io::Result<usize>, Vec<u8>) {
        let (result, buffer) = self.tcp.read(wire, buffer).await;
        self.traffic.received += *result.as_ref().unwrap_or(&0) as u64;
        self.is_bulk = buffer.len() == buffer.capacity();
        (result, buffer)
    }

    /// Sends the answer to what came, or the alert that says what is wrong with it.
    async fn answer(&mut self, wire: &Wire<'_>, mut answer: Vec<u8>) -> io::Result<()> {
        self.tcp.write_all(wire, (&mut answer, Then::More), &mut self.traffic.sent).await
    }

    /// Whether it may carry another request.
    pub(in crate::engine) fn is_open(&self) -> bool {
        !self.channel.is_closed() && !self.channel.is_worn()
    }

    /// What went over the wire since this was last asked.
    pub(in crate::engine) fn take_traffic(&mut self) -> Traffic {
        std::mem::take(&mut self.traffic)
    }
}

/// Goes through a handshake, and tells whether its end could be sent. What is left in `incoming`
/// came behind it.
async fn shake_hands(
    wire: &Wire<'_>,
    tcp: &mut Tcp,
    (handshaking, incoming): (&mut Handshaking, &mut Vec<u8>),
    traffic: &mut Traffic,
) -> io::Result<io::Result<()>> {
    loop {
        let mut outgoing = wire.buffers.lend_for_request();
        let advanced = handshaking.advance(incoming, &mut outgoing);
        let mut sent = Ok(());
        if !outgoing.is_empty() {
            let then = match advanced {
                Ok(Awaits::Nothing) | Err(_) => Then::More,
                Ok(_) => Then::Answer,
            };
            sent = tcp.write_all(wire, (&mut outgoing, then), &mut traffic.sent).await;
        }
        wire.buffers.give_back(outgoing);
        if advanced.map_err(io_error)? == Awaits::Nothing {
            return Ok(sent);
        }
        if incoming.len() > HANDSHAKE_BYTES_MAX {
            return Err(io_error(InvalidMessage::HandshakePayloadTooLarge.into()));
        }
        make_room(incoming, 0, false);
        let result;
        (result, *incoming) = tcp.read(wire, std::mem::take(incoming)).await;
        traffic.received += *result.as_ref().unwrap_or(&0) as u64;
        if let Err(error) = sent {
            // A server that has refused closes at once, and what it said may still be there.
            let refused = handshaking.advance(incoming, &mut Vec::new());
            return Err(refused.map_or_else(io_error, |_| error));
        }
        if result? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    }
}

/// Room for what is missing of a record, and more where much is coming.
fn make_room(buffer: &mut Vec<u8>, missing: usize, is_bulk: bool) {
    let mut wanted = missing.max(ROOM_BYTES_MIN);
    if is_bulk {
        let capacity = READ_BYTES_MAX.min(2 * buffer.capacity());
        wanted = wanted.max(capacity.saturating_sub(buffer.len()));
    }
    if buffer.capacity() - buffer.len() < wanted {
        buffer.reserve_exact(wanted);
    }
}

/// A copy in a buffer of the worker's; of nothing, one that takes no memory.
fn kept(bytes: &[u8], buffers: &Buffers) -> Vec<u8> {
    let mut kept = if bytes.is_empty() { Vec::new() } else { buffers.lend() };
    kept.extend_from_slice(bytes);
    kept
}

/// With less room than this a buffer grows before the next read.
const ROOM_BYTES_MIN: usize = 1024;
/// Requests below this are sealed into a buffer for requests.
const REQUEST_BYTES_MAX: usize = 1024;
/// The most that is written at once: three full records and a head, in a buffer that is kept.
const WRITE_BYTES_MAX: usize = 64 * 1024;
/// More than any handshake is long.
const HANDSHAKE_BYTES_MAX: usize = 256 * 1024;
