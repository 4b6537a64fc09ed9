//! A connection with TLS over it: rustls in between, and no buffer of our own.
//!
//! Ciphertext passes through buffers that the worker lends while an operation is in flight, so an
//! idle connection holds what rustls holds. Operations run as those of a plain connection do: to
//! their end, which a shutdown of the socket brings about when the time is over. Nothing is ever
//! dropped half done, so there is no state in which a stream must not be used.

use std::io::{self, BufRead, Write};

use monoio::buf::IoBufMut;
use monoio::io::AsyncReadRent;
use monoio::net::TcpStream;
use rustls::HandshakeKind;
use rustls::client::ClientConnection;

use super::words::{io_error, words_of};
use super::{BotTls, Tls, TlsName};
use crate::engine::exchange::{READ_BYTES_MAX, Sent, Wire, write_all};
use crate::engine::sys;

/// A connection with TLS over it.
pub(in crate::engine) struct TlsStream {
    tcp: TcpStream,
    session: ClientConnection,
    /// The server has said that nothing more will come.
    is_closed: bool,
    /// The last read filled its buffer: the next asks for more at once.
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
    /// # Errors
    ///
    /// When the system gives no random numbers.
    pub(in crate::engine) fn new(
        tcp: TcpStream,
        (tls, bot, name): (&Tls, &mut BotTls, &TlsName),
    ) -> io::Result<Self> {
        let session = tls.session(bot, name).map_err(io_error)?;
        let traffic = Traffic::default();
        Ok(Self { tcp, session, is_closed: false, is_bulk: false, traffic })
    }

    /// Secures the connection; whether that took a full handshake.
    ///
    /// # Errors
    ///
    /// What [`words_of`] has words for; else what the socket said.
    pub(in crate::engine) async fn handshake(&mut self, wire: &Wire<'_>) -> io::Result<Handshake> {
        // Data that comes with the end of the handshake stays in `session` until it is asked for.
        let mut early = Vec::new();
        loop {
            self.flush_or_hear(wire).await?;
            if !self.session.is_handshaking() {
                break;
            }
            if self.fill(wire, &mut early).await? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
        Ok(match self.session.handshake_kind() {
            Some(HandshakeKind::Resumed) => Handshake::Resumed,
            _ => Handshake::Full,
        })
    }

    /// Sends all of `bytes`.
    ///
    /// # Errors
    ///
    /// What [`words_of`] has words for; else what the socket said.
    pub(in crate::engine) async fn send(
        &mut self,
        wire: &Wire<'_>,
        mut bytes: &[u8],
    ) -> io::Result<()> {
        while !bytes.is_empty() {
            // rustls takes as much as it will hold, 64 KiB, at a time.
            let taken = self.session.writer().write(bytes)?;
            bytes = &bytes[taken..];
            self.flush_or_hear(wire).await?;
        }
        Ok(())
    }

    /// Adds what arrives to the end of `plain`, at least a byte; 0 when the server has ended the
    /// stream as TLS wants it.
    ///
    /// # Errors
    ///
    /// `UnexpectedEof` when the connection ended without that, which may be anybody's doing; what
    /// [`words_of`] has words for; else what the socket said.
    pub(in crate::engine) async fn receive(
        &mut self,
        wire: &Wire<'_>,
        plain: &mut Vec<u8>,
    ) -> io::Result<usize> {
        let before = plain.len();
        while plain.len() == before {
            if self.is_closed {
                return Ok(0);
            }
            if self.fill(wire, plain).await? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
        Ok(plain.len() - before)
    }

    /// Whether it may carry another request.
    pub(in crate::engine) fn is_open(&self) -> bool {
        !self.is_closed
    }

    /// What went over the wire since this was last asked.
    pub(in crate::engine) fn take_traffic(&mut self) -> Traffic {
        std::mem::take(&mut self.traffic)
    }

    /// Sends what rustls wants sent. A server that has refused closes at once, so a failed write
    /// is followed by one read, for the reason.
    async fn flush_or_hear(&mut self, wire: &Wire<'_>) -> io::Result<()> {
        let Err(error) = self.flush(wire).await else { return Ok(()) };
        // Boxed, as in `fill`: rare, and a bot's task is as large as what it may wait for.
        match Box::pin(self.fill(wire, &mut Vec::new())).await {
            Err(reason) if words_of(&reason).is_some() => Err(reason),
            _ => Err(error),
        }
    }

    async fn flush(&mut self, wire: &Wire<'_>) -> io::Result<()> {
        if !self.session.wants_write() {
            return Ok(());
        }
        let mut buffer = wire.buffers.lend();
        while self.session.wants_write() {
            self.session.write_tls(&mut buffer)?;
        }
        let outcome = write_all(wire, &mut self.tcp, &mut buffer, &mut self.traffic.sent).await;
        wire.buffers.give_back(buffer);
        outcome
    }

    /// Reads once from the socket, and adds what that makes readable to `plain`. Returns how many
    /// bytes of ciphertext there were, 0 at the end of the connection.
    async fn fill(&mut self, wire: &Wire<'_>, plain: &mut Vec<u8>) -> io::Result<usize> {
        let mut buffer = wire.buffers.lend();
        if self.is_bulk {
            buffer.reserve(READ_BYTES_MAX);
        }
        let size = buffer.capacity();
        let slice = buffer.slice_mut(..size);
        let read = |stream| TcpStream::read(stream, slice);
        let (result, slice) = sys::run_until(&mut self.tcp, read, || wire.is_over()).await;
        let buffer = slice.into_inner();
        let count = *result.as_ref().unwrap_or(&0);
        self.traffic.received += count as u64;
        self.is_bulk = count == size;
        if count > 0 && plain.capacity() == 0 && !self.session.is_handshaking() {
            *plain = wire.buffers.lend();
        }
        let understood = self.understand(&buffer[..count], plain);
        wire.buffers.give_back(buffer);
        let count = result?;
        // An answer to what came, or the alert that says what is wrong with it. Boxed: it is rare.
        let answered = match self.session.wants_write() {
            true => Box::pin(self.flush(wire)).await,
            false => Ok(()),
        };
        understood?;
        answered?;
        Ok(count)
    }

    /// Hands ciphertext to rustls. It takes 4 KiB at a time, and holds little that is decrypted, so
    /// that is taken out each time.
    fn understand(&mut self, mut bytes: &[u8], plain: &mut Vec<u8>) -> io::Result<()> {
        while !bytes.is_empty() && !self.is_closed {
            self.session.read_tls(&mut bytes)?;
            let state = self.session.process_new_packets().map_err(io_error)?;
            if state.plaintext_bytes_to_read() > 0 {
                self.take_plain(plain)?;
            }
            // What follows the end of the stream has no meaning.
            self.is_closed = state.peer_has_closed();
        }
        Ok(())
    }

    fn take_plain(&mut self, plain: &mut Vec<u8>) -> io::Result<()> {
        let mut reader = self.session.reader();
        loop {
            let count = match reader.fill_buf() {
                Ok(chunk) => {
                    plain.extend_from_slice(chunk);
                    chunk.len()
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error),
            };
            if count == 0 {
                return Ok(());
            }
            reader.consume(count);
        }
    }
}

/// How a connection was secured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::engine) enum Handshake {
    Full,
    Resumed,
}
