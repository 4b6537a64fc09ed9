//! The workers' way to host names: they ask, the background thread answers.
//!
//! The system's resolver blocks, so it never runs on a worker.

use std::io;
use std::net::SocketAddr;

use tokio::sync::{mpsc, oneshot};

use super::origin::parts;

/// The addresses of a host, or why there are none.
pub(crate) type Addresses = io::Result<Vec<SocketAddr>>;

/// Asks the background thread for addresses; cheap to clone.
#[derive(Clone, Debug)]
pub struct Resolver {
    lookups: mpsc::UnboundedSender<Lookup>,
}

/// A host to look up, and where the answer goes.
#[derive(Debug)]
pub(crate) struct Lookup {
    pub(crate) host: String,
    pub(crate) port: u16,
    pub(crate) answer: oneshot::Sender<Addresses>,
}

impl Resolver {
    /// A resolver, and the end where its lookups come out.
    pub(crate) fn new() -> (Self, mpsc::UnboundedReceiver<Lookup>) {
        let (lookups, inbox) = mpsc::unbounded_channel();
        (Self { lookups }, inbox)
    }

    /// Looks the host of `http://host[:port]` up.
    pub(crate) fn resolve_origin(&self, origin: &str) -> oneshot::Receiver<Addresses> {
        let (_, host, port) = parts(origin);
        self.resolve(host, port)
    }

    /// Looks a host up. The answer may be awaited on any runtime.
    fn resolve(&self, host: &str, port: u16) -> oneshot::Receiver<Addresses> {
        let (answer, receiver) = oneshot::channel();
        let lookup = Lookup { host: host.to_owned(), port, answer };
        // Without a background thread the answer's sender is dropped, which the receiver reports.
        let _thread_is_gone = self.lookups.send(lookup);
        receiver
    }

    /// Looks a host up and waits for the answer; not for worker threads.
    ///
    /// # Errors
    ///
    /// What the system's resolver says.
    pub fn resolve_now(&self, origin: &str) -> io::Result<Vec<SocketAddr>> {
        let answer = self.resolve_origin(origin).blocking_recv();
        answer.unwrap_or_else(|_| Err(io::Error::other("the resolver thread has ended")))
    }
}
