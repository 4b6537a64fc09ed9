//! The workers' way to host names: they ask, the background thread answers.
//!
//! The system's resolver blocks, so it never runs on a worker.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use tokio::sync::{mpsc, oneshot};

use super::names::Names;
use super::origin::parts;

/// The addresses of a host, or why there are none.
pub(crate) type Addresses = io::Result<Vec<SocketAddr>>;

/// Asks the background thread for addresses; cheap to clone.
#[derive(Clone, Debug)]
pub struct Resolver {
    lookups: mpsc::UnboundedSender<Lookup>,
    names: Arc<Names>,
}

/// A host to look up, and where the answer goes.
#[derive(Debug)]
pub(crate) struct Lookup {
    pub(crate) host: String,
    pub(crate) port: u16,
    names: Arc<Names>,
    answer: oneshot::Sender<Addresses>,
}

impl Lookup {
    /// Answers with what was found.
    pub(crate) fn answer(self, found: Addresses) {
        let ordered = found.and_then(|addresses| {
            let addresses = self.names.order(addresses);
            let none = || io::Error::other("the name has no address of the wanted kind");
            if addresses.is_empty() { Err(none()) } else { Ok(addresses) }
        });
        let _asker_is_gone = self.answer.send(ordered);
    }
}

impl Resolver {
    /// A resolver, and the end where its lookups come out.
    pub(crate) fn new() -> (Self, mpsc::UnboundedReceiver<Lookup>) {
        let (lookups, inbox) = mpsc::unbounded_channel();
        (Self { lookups, names: Arc::default() }, inbox)
    }

    /// A resolver that answers from `answer`, on a thread of its own: DNS of one's own.
    pub fn of(
        mut answer: impl FnMut(&str, u16) -> io::Result<Vec<SocketAddr>> + Send + 'static,
    ) -> Self {
        let (resolver, mut inbox) = Self::new();
        std::thread::spawn(move || {
            while let Some(lookup) = inbox.blocking_recv() {
                let found = answer(&lookup.host, lookup.port);
                lookup.answer(found);
            }
        });
        resolver
    }

    /// The same with these rules about names.
    #[must_use]
    pub fn with_names(self, names: Names) -> Self {
        Self { names: Arc::new(names), ..self }
    }

    pub(crate) fn names(&self) -> &Names {
        &self.names
    }

    /// Looks the host of `http://host[:port]` up, or the one that its connections go to. The answer
    /// may be awaited on any runtime.
    pub(crate) fn resolve_origin(&self, origin: &str) -> oneshot::Receiver<Addresses> {
        let (_, host, port) = parts(origin);
        let (host, port) = self.names.redirect(host, port);
        let (answer, receiver) = oneshot::channel();
        let names = Arc::clone(&self.names);
        // Without a background thread the answer's sender is dropped, which the receiver reports.
        let _thread_is_gone =
            self.lookups.send(Lookup { host: host.to_owned(), port, names, answer });
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
