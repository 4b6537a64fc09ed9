//! A TCP connection on either driver.
//!
//! A request that has run out of time must end its pending operation: on io_uring the socket is
//! shut down (`sys.rs` says why), on epoll it is enough not to wait any longer. Either way the
//! connection is not used again.
//! Knows nothing of requests.

use std::io;
use std::os::fd::OwnedFd;

use bytes::{Buf, Bytes};
use monoio::buf::{IoBuf, IoBufMut};
use monoio::io::{AsyncReadRent, AsyncWriteRent};
use monoio::net::TcpStream;
use rustix::io::Errno;

use super::exchange::{Sent, Wire};
use super::sockets::{Polled, Then};
use super::sys;

/// A TCP connection.
pub(super) enum Tcp {
    /// io_uring's: the runtime's own.
    Ring(TcpStream),
    /// epoll's.
    Polled(Polled),
}

impl Tcp {
    /// Takes a socket that does not block and is about to be connected.
    ///
    /// # Errors
    ///
    /// When it cannot be registered.
    pub(super) fn new(wire: &Wire<'_>, socket: OwnedFd) -> io::Result<Self> {
        Ok(match wire.sockets {
            Some(sockets) => Self::Polled(sockets.add(wire.slot, socket)?),
            None => Self::Ring(TcpStream::from_std(socket.into())?),
        })
    }

    /// Waits until it is connected, or the bot's time is over.
    ///
    /// # Errors
    ///
    /// The error of the connect itself, such as "connection refused".
    pub(super) async fn connected(&mut self, wire: &Wire<'_>) -> io::Result<()> {
        match self {
            Self::Ring(stream) => {
                let connected =
                    sys::run_until(stream, |stream| stream.writable(false), || wire.is_over());
                connected.await?;
                sys::connect_result(sys::borrow(stream))?;
                sys::set_blocking(stream)
            }
            Self::Polled(polled) => {
                polled.writable(|| wire.is_over()).await?;
                polled.with_socket(sys::connect_result)
            }
        }
    }

    /// Whether it has, while it was idle, neither been closed by the other side nor been sent
    /// anything.
    pub(super) fn is_quiet(&self) -> bool {
        match self {
            Self::Ring(stream) => sys::is_quiet(sys::borrow(stream)),
            Self::Polled(polled) => polled.with_socket(sys::is_quiet),
        }
    }

    /// Writes all bytes. If an answer is to follow, this may return only when that has come.
    ///
    /// # Errors
    ///
    /// What the socket says. `sent` tells how much went out.
    pub(super) async fn write_all(
        &mut self,
        wire: &Wire<'_>,
        (bytes, then): (&mut Vec<u8>, Then),
        sent: &mut Sent,
    ) -> io::Result<()> {
        match self {
            Self::Ring(stream) => {
                let mut written = 0;
                while written < bytes.len() {
                    let slice = std::mem::take(bytes).slice(written..);
                    let (result, slice) = write_ring(wire, stream, slice).await;
                    *bytes = slice.into_inner();
                    written += sent.add(result?);
                }
            }
            Self::Polled(polled) => {
                let first = polled.write(bytes, then, || wire.is_over()).await;
                let mut written = match first.result {
                    Err(Errno::AGAIN) => 0,
                    result => sent.add(result? as usize),
                };
                sent.at = Some(first.at);
                while written < bytes.len() {
                    written += sent.add(write_polled(wire, polled, &bytes[written..]).await?);
                }
            }
        }
        Ok(())
    }

    /// Writes all of a body that lies elsewhere.
    ///
    /// # Errors
    ///
    /// What the socket says. `sent` tells how much went out.
    pub(super) async fn write_body(
        &mut self,
        wire: &Wire<'_>,
        mut body: Bytes,
        sent: &mut Sent,
    ) -> io::Result<()> {
        while !body.is_empty() {
            let count = match self {
                Self::Ring(stream) => write_ring(wire, stream, body.clone()).await.0?,
                Self::Polled(polled) => write_polled(wire, polled, &body).await?,
            };
            body.advance(sent.add(count));
        }
        Ok(())
    }

    /// Reads what has come to the end of `buffer`, as much as it has room for.
    pub(super) async fn read(
        &mut self,
        wire: &Wire<'_>,
        mut buffer: Vec<u8>,
    ) -> (io::Result<usize>, Vec<u8>) {
        match self {
            Self::Ring(stream) => {
                let (begin, end) = (buffer.len(), buffer.capacity());
                let slice = buffer.slice_mut(begin..end);
                let received =
                    sys::run_until(stream, |stream| stream.read(slice), || wire.is_over());
                let (result, slice) = received.await;
                (result, slice.into_inner())
            }
            Self::Polled(polled) => (polled.read(&mut buffer, || wire.is_over()).await, buffer),
        }
    }
}

/// Writes some of the bytes.
fn write_ring<'a, B: IoBuf>(
    wire: &'a Wire<'_>,
    stream: &'a mut TcpStream,
    bytes: B,
) -> impl Future<Output = (io::Result<usize>, B)> {
    sys::run_until(stream, |stream| stream.write(bytes), || wire.is_over())
}

/// Writes some of the bytes.
async fn write_polled(wire: &Wire<'_>, polled: &Polled, bytes: &[u8]) -> io::Result<usize> {
    loop {
        match polled.send(bytes) {
            Err(Errno::AGAIN) => polled.writable(|| wire.is_over()).await?,
            result => return Ok(result? as usize),
        }
    }
}
