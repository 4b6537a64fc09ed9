//! Connections, and the few that a bot owns.
//!
//! A bot's connections are its own, as a real client's are; nothing is shared or pooled across
//! bots. A connection goes back to its bot only when a response was consumed whole and both sides
//! mean to keep it.

use std::rc::Rc;

use super::clock::Micros;
use super::origin::Origin;
use super::tcp::Tcp;
use super::tls::{BotTls, TlsStream};

/// An open connection.
pub(super) struct Connection {
    pub(super) stream: Stream,
    pub(super) origin: Rc<Origin>,
    /// True once a response has come back over it.
    pub(super) is_reused: bool,
    /// When that was, for the latest.
    pub(super) idle_since: Micros,
}

/// A connection that was idle for longer is looked at before it is used again. Looking costs a
/// system call, which a bot that does not pause between its requests need not pay.
const IDLE_TRUSTED_US: Micros = 1_000;

impl Connection {
    /// Whether a request may go over it. One that the server has closed while it was idle cannot
    /// carry any, and one that the server has sent something over, unasked, would give that as the
    /// answer to the next request. (Over TLS what comes may be a ticket, and is left alone.)
    pub(super) fn is_fit(&self, now: Micros) -> bool {
        match &self.stream {
            Stream::Plain(stream) if now >= self.idle_since + IDLE_TRUSTED_US => stream.is_quiet(),
            Stream::Plain(_) | Stream::Tls(_) => true,
        }
    }
}

/// What a connection's bytes go through. A plain one costs no allocation and one branch a read.
pub(super) enum Stream {
    Plain(Tcp),
    /// On the heap, since a session is a kilobyte that plain connections have no use for.
    Tls(Box<TlsStream>),
}

impl Stream {
    /// Whether it may carry another request.
    fn is_open(&self) -> bool {
        match self {
            Self::Plain(_) => true,
            Self::Tls(stream) => stream.is_open(),
        }
    }
}

/// The connections that one bot keeps open, at most one per origin.
#[derive(Default)]
pub(super) struct Connections {
    idle: Vec<Connection>,
    /// The bot as a TLS client.
    pub(super) tls: BotTls,
}

impl Connections {
    pub(super) fn take(&mut self, origin: &str) -> Option<Connection> {
        let index = self.idle.iter().position(|connection| connection.origin.key == origin)?;
        Some(self.idle.swap_remove(index))
    }

    pub(super) fn keep(&mut self, mut connection: Connection, now: Micros) {
        if connection.stream.is_open() {
            connection.is_reused = true;
            connection.idle_since = now;
            // Most bots have one, and there may be many bots.
            self.idle.reserve_exact(1);
            self.idle.push(connection);
        }
    }
}
