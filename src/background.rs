//! The one tokio thread: signals, names and S3, everything that must not happen on a worker's core.
//!
//! It is never pinned, so the system keeps it off the workers' cores as far as it can, and it
//! sleeps unless a signal comes, or a name or an object is asked for.

use std::io;
use std::sync::Arc;

use tokio::runtime::Handle;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;

use crate::engine::{Control, Lookup, Phase, Resolver};

/// The thread, for as long as the process lives.
#[derive(Clone)]
pub struct Background {
    /// Asks it for the addresses of hosts.
    pub resolver: Resolver,
    /// Lets it do something else.
    pub handle: Handle,
}

/// Starts the thread. From now on a first SIGINT or SIGTERM drains the run and a second one cuts it
/// off.
///
/// # Errors
///
/// When the thread or the signal handlers cannot be set up.
pub fn start(control: Arc<Control>) -> io::Result<Background> {
    let (resolver, inbox) = Resolver::new();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let handle = runtime.handle().clone();
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
    Ok(Background { resolver, handle })
}

/// Starts a thread for S3 alone; a signal ends the process as always.
///
/// # Errors
///
/// When the thread cannot be set up.
pub fn start_plain() -> io::Result<Handle> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let handle = runtime.handle().clone();
    std::thread::Builder::new()
        .name("background".to_owned())
        .spawn(move || runtime.block_on(std::future::pending::<()>()))?;
    Ok(handle)
}

async fn answer(mut inbox: mpsc::UnboundedReceiver<Lookup>) {
    while let Some(lookup) = inbox.recv().await {
        tokio::spawn(async move {
            let found = tokio::net::lookup_host((lookup.host.as_str(), lookup.port)).await;
            let found = found.map(Iterator::collect::<Vec<_>>);
            lookup.answer(found);
        });
    }
}
