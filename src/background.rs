//! The one tokio thread: signals and names, everything that must not happen on a worker's core.
//!
//! It is never pinned, so the system keeps it off the workers' cores as far as it can, and it
//! sleeps unless a signal comes or a name is asked for.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{mpsc, oneshot};

use crate::engine::{Control, Phase};

/// The addresses of a host, or why there are none.
pub(crate) type Addresses = io::Result<Vec<SocketAddr>>;

/// Asks the background thread for addresses; cheap to clone.
#[derive(Clone, Debug)]
pub struct Resolver {
    questions: mpsc::UnboundedSender<Question>,
}

#[derive(Debug)]
struct Question {
    host: String,
    port: u16,
    answer: oneshot::Sender<Addresses>,
}

impl Resolver {
    /// Looks a host up. The answer may be awaited on any runtime.
    pub(crate) fn resolve(&self, host: &str, port: u16) -> oneshot::Receiver<Addresses> {
        let (answer, receiver) = oneshot::channel();
        let question = Question { host: host.to_owned(), port, answer };
        // Without a background thread the answer's sender is dropped, which the receiver reports.
        let _thread_is_gone = self.questions.send(question);
        receiver
    }

    /// Looks a host up and waits for the answer; not for worker threads.
    ///
    /// # Errors
    ///
    /// What the system's resolver says.
    pub fn resolve_now(&self, host: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
        let answer = self.resolve(host, port).blocking_recv();
        answer.unwrap_or_else(|_| Err(io::Error::other("the resolver thread has ended")))
    }
}

/// Starts the thread. From now on a first SIGINT or SIGTERM drains the run and a second one cuts it
/// off.
///
/// # Errors
///
/// When the thread or the signal handlers cannot be set up.
pub fn start(control: Arc<Control>) -> io::Result<Resolver> {
    let (questions, inbox) = mpsc::unbounded_channel();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let (mut interrupts, mut terminations) = {
        let _entered = runtime.enter();
        (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?)
    };
    std::thread::Builder::new().name("background".to_owned()).spawn(move || {
        runtime.block_on(async {
            let answering = answer(inbox);
            let listening = async {
                for phase in [Phase::Drain, Phase::Interrupt] {
                    tokio::select! {
                        _ = interrupts.recv() => {}
                        _ = terminations.recv() => {}
                    }
                    control.signalled(phase);
                }
            };
            tokio::join!(answering, listening);
        });
    })?;
    Ok(Resolver { questions })
}

async fn answer(mut inbox: mpsc::UnboundedReceiver<Question>) {
    while let Some(Question { host, port, answer }) = inbox.recv().await {
        tokio::spawn(async move {
            let found = tokio::net::lookup_host((host.as_str(), port)).await;
            let found = found.map(Iterator::collect::<Vec<_>>).and_then(|addresses| {
                let none = || io::Error::other("the name has no address");
                if addresses.is_empty() { Err(none()) } else { Ok(addresses) }
            });
            let _asker_is_gone = answer.send(found);
        });
    }
}
